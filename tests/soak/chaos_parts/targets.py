"""The servers under test, each with the requests that it can be sent.

The program `conformance` gives back what it is sent; `enduring` serves a directory of files.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

from harness import Address, Server, patterned

from chaos_parts.model import Expected, Fate, Request
from chaos_parts.requests import Draft, answered, listed, random_content

FILE_SIZES = (0, 1, 100, 4096, 65_535, 65_536, 65_537, 200_000, 1 << 20, 4 << 20)


class Target:
    """A server under test, with requests that it can be sent."""

    name: str
    bad_paths = False  # whether 400 may mean a path that cannot be, and not an error of framing

    def __init__(self, server: Server) -> None:
        self.server = server

    def address(self, chance: random.Random) -> Address:
        return chance.choice(self.server.addresses)

    def draw(self, chance: random.Random, closes: float) -> Request:
        raise NotImplementedError

    def plain(self, chance: random.Random, closes: bool = False) -> Request:
        """Short, without content, and HTTP/1.1."""
        raise NotImplementedError


class Echoes(Target):
    name = "conformance"
    content_max = 100_000  # below --max-body
    discard_max = 16_384  # that of --discard-max

    def plain(self, chance: random.Random, closes: bool = False) -> Request:
        target = f"/echo?{chance.randrange(10**9)}"
        draft = Draft(chance, "GET", target, fields=[("X-Number", str(chance.randrange(10**9)))])
        if closes:
            draft.add_connection(closes=1)
        return listed(draft)

    def draw(self, chance: random.Random, closes: float) -> Request:
        if chance.random() < 0.1:  # always the same octets: the server may know them already
            octets = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
            return Request(octets, Expected(frozenset({200}), b"OK"), len(octets))
        draft = Draft(chance, "GET", "/", old=chance.random() < 0.12)
        draft.add_noise()
        draft.add_connection(closes)
        make: Callable[[Draft], Request] = chance.choice(
            (self._echo, self._echo, self._echo, self._ok, self._list, self._cookies, self._other)
        )
        return make(draft)

    def echo(self, chance: random.Random, content: bytes, expects: bool = False) -> Request:
        """Gives this content back, and the connection goes on."""
        draft = Draft(chance, "POST", "/", content, expects=expects)
        draft.add_noise()
        return answered(draft, 200, content)

    def _echo(self, draft: Draft) -> Request:
        draft.method = draft.chance.choice(("POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
        draft.content = random_content(draft.chance, self.content_max)
        draft.expects = draft.chance.random() < 0.1
        return answered(draft, 200, draft.content)

    def _ok(self, draft: Draft) -> Request:
        draft.method = draft.chance.choice(("GET", "GET", "HEAD"))
        draft.target = draft.chance.choice(("/", "/?a=b", "http://localhost/", "http://h:80?x"))
        if draft.chance.random() < 0.1:  # a content that nobody asked for is passed over
            draft.content = random_content(draft.chance, self.discard_max)
        return answered(draft, 200, b"OK")

    def _list(self, draft: Draft) -> Request:
        draft.method = draft.chance.choice(("GET", "POST", "HEAD"))
        draft.target = draft.chance.choice(("/echo", "/ech%6f", "/echo?x", "HTTP://h:1/echo"))
        if draft.method == "POST":
            draft.content = random_content(draft.chance, 2000)
        return listed(draft)

    @staticmethod
    def _cookies(draft: Draft) -> Request:
        draft.target = "/cookie"
        count = draft.chance.randint(0, 5)
        cookies = [f"c{i}={draft.chance.randrange(10**6)}" for i in range(count)]
        if cookies:
            draft.fields.append(("Cookie", "; ".join(cookies)))
        return answered(draft, 200, "".join(f"{cookie}\n" for cookie in cookies).encode())

    def _other(self, draft: Draft) -> Request:
        kind = draft.chance.randrange(5)
        if kind == 0:
            draft.method, draft.target = draft.chance.choice(("GET", "POST", "HEAD")), "/no/such"
            if draft.method == "POST":
                draft.content = random_content(draft.chance, self.discard_max)
            return answered(draft, 404, None)
        if kind == 1:
            draft.method, draft.target = draft.chance.choice(("PUT", "DELETE")), "/echo"
            return answered(draft, 405, None, fields=(("Allow", None),))
        if kind == 2:
            draft.method, draft.target = "OPTIONS", draft.chance.choice(("*", "/echo", "/cookie"))
            return answered(draft, {200, 204}, None, fields=(("Allow", None),))
        if kind == 3:
            draft.method = "TRACE"
            draft.fate = Fate.EITHER if draft.fate == Fate.KEPT else draft.fate
            return answered(draft, 405, None)
        draft.method = draft.chance.choice(("PROPFIND", "BREW", "get"))
        draft.fate = Fate.EITHER if draft.fate == Fate.KEPT else draft.fate
        return answered(draft, {405, 501}, None)


class Files(Target):
    name = "enduring"
    bad_paths = True

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.contents = {f"{size}.bin": patterned(size) for size in FILE_SIZES}

    @staticmethod
    def make_directory(directory: Path) -> None:
        for size in FILE_SIZES:
            (directory / f"{size}.bin").write_bytes(patterned(size))
        (directory / "index.html").write_text("<p>index</p>\n")
        (directory / "below").mkdir()

    def plain(self, chance: random.Random, closes: bool = False) -> Request:
        draft = Draft(chance, "GET", "/100.bin", fields=[("X-Number", str(chance.random()))])
        if closes:
            draft.add_connection(closes=1)
        return answered(draft, 200, self.contents["100.bin"])

    def largest(self, chance: random.Random) -> Request:
        name = f"{FILE_SIZES[-1]}.bin"
        return answered(Draft(chance, "GET", f"/{name}"), 200, self.contents[name])

    def draw(self, chance: random.Random, closes: float) -> Request:
        draft = Draft(chance, "GET", "/", old=chance.random() < 0.12)
        draft.add_noise()
        draft.add_connection(closes)
        make: Callable[[Draft], Request] = chance.choice(
            (self._whole, self._whole, self._part, self._part, self._unchanged, self._other)
        )
        return make(draft)

    def _name(self, chance: random.Random) -> str:
        # The large ones are rare, since comparing them takes most of the time.
        few = chance.random() < 0.1
        return f"{chance.choice(FILE_SIZES if few else FILE_SIZES[:-2])}.bin"

    def _whole(self, draft: Draft) -> Request:
        name = self._name(draft.chance)
        draft.method = draft.chance.choice(("GET", "GET", "HEAD"))
        prefix = draft.chance.choice(("/", "/./", "//", "http://localhost/", "/%2e/"))
        written = draft.chance.choice((name, name.replace(".", "%2E"), name + "?q=/.."))
        draft.target = prefix + written
        return answered(draft, 200, self.contents[name], fields=(("Accept-Ranges", "bytes"),))

    def _part(self, draft: Draft) -> Request:
        name = self._name(draft.chance)
        content = self.contents[name]
        size = len(content)
        draft.target = f"/{name}"
        first = draft.chance.randint(0, size + size // 10)
        last = draft.chance.randint(first, size + size // 5)
        kind = draft.chance.randrange(3)
        if kind == 2:
            count = draft.chance.randint(0, size + 5)
            text, first, last = f"-{count}", max(0, size - count), size - 1
            unsatisfiable = count == 0
        else:
            text = f"{first}-{last}" if kind else f"{first}-"
            last = min(last, size - 1) if kind else size - 1
            unsatisfiable = first >= size
        draft.fields.append(("Range", f"bytes={text}"))
        if unsatisfiable:
            return answered(draft, 416, None, fields=(("Content-Range", f"bytes */{size}"),))
        if size == 0:
            return answered(draft, 200, b"")
        range_field = ("Content-Range", f"bytes {first}-{last}/{size}")
        return answered(draft, 206, content[first : last + 1], fields=(range_field,))

    def _unchanged(self, draft: Draft) -> Request:
        draft.method = draft.chance.choice(("GET", "HEAD"))
        draft.target = f"/{self._name(draft.chance)}"
        conditions = (("If-None-Match", "*"), ("If-Modified-Since", formatdate(usegmt=True)))
        draft.fields.append(draft.chance.choice(conditions))
        return answered(draft, 304, None, fields=(("ETag", None),))

    def _other(self, draft: Draft) -> Request:
        kind = draft.chance.randrange(5)
        if kind == 0:
            draft.target = draft.chance.choice(("/none", "/below/x", "/100.bin/x", "/../100.bin"))
            return answered(draft, 404, None)
        if kind == 1:
            draft.target = "/below"
            return answered(draft, 301, None, fields=(("Location", "/below/"),))
        if kind == 2:
            draft.method = draft.chance.choice(("POST", "PUT"))
            draft.content = random_content(draft.chance, 2000)
            return answered(draft, 405, None, fields=(("Allow", None),))
        if kind == 3:
            draft.target = draft.chance.choice(("/", "/index.html", "/index.html?x=y"))
            return answered(draft, 200, b"<p>index</p>\n")
        draft.method, draft.target = "OPTIONS", draft.chance.choice(("*", "/100.bin"))
        return answered(draft, {200, 204}, None, fields=(("Allow", None),))
