"""Random requests that are valid: fields, framing and persistence, with what follows from them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from chaos_parts.model import Expected, Fate, Request

TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

# What a request may say, by whether it is HTTP/1.0 and whether the connection is to be kept.
CONNECTIONS = {
    (False, True): ("", "", "", "", "keep-alive", "x-y", "Upgrade", "not-close, closed"),
    (False, False): ("close", "Close", "CLOSE", "x-y, close", "close, keep-alive", "close ,\tx-y"),
    (True, True): ("keep-alive", "Keep-Alive", "x-y, keep-alive"),
    (True, False): ("", "", "close", "x-y", "keep-alive, close"),
}

Fields = list[tuple[str, str]]


@dataclass
class Draft:
    """A request that is being drawn."""

    chance: random.Random
    method: str
    target: str
    content: bytes | None = None
    fields: Fields = field(default_factory=list)
    old: bool = False
    fate: Fate = Fate.KEPT
    expects: bool = False

    def add_connection(self, closes: float) -> None:
        """Decides about persistence. closes: the share of requests that end the connection."""
        choose = self.chance.choice
        kept = self.chance.random() >= closes
        said = choose(CONNECTIONS[self.old, kept])
        if said == "Upgrade":
            self.fields.append(("Upgrade", "something/1"))
        if "," in said and self.chance.random() < 0.5:
            self.fields += [("Connection", part.strip()) for part in said.split(",")]
        elif said:
            self.fields.append((choose(["Connection", "connection", "CONNECTION"]), said))
        if not kept:
            self.fate = Fate.CLOSED

    def add_noise(self) -> None:
        for _ in range(self.chance.choice((0, 0, 0, 1, 2, 8))):
            name = "X-" + "".join(self.chance.choices(TOKEN, k=self.chance.randint(1, 20)))
            size = self.chance.choice((0, 1, 10, 60))
            self.fields.append((name, "".join(self.chance.choices(TOKEN + ' ",;=\xe9', k=size))))

    def finish(self) -> tuple[bytes, int, Fields]:
        """Octets, the size of the head, and the fields as the server sees them."""
        fields = list(self.fields)
        if not self.old or self.chance.random() < 0.5:
            fields.append((self.chance.choice(("Host", "host", "HOST")), self._host()))
        content = b""
        if self.content is not None:
            framing, content = frame(self.chance, self.content, self.old)
            fields += framing
            if self.expects:
                fields.append(("Expect", self.chance.choice(("100-continue", "100-Continue"))))
        self.chance.shuffle(fields)
        lines = [f"{self.method} {self.target} HTTP/1.{0 if self.old else 1}"]
        for name, value in fields:
            before, after = self.chance.choice(((" ", ""), ("", ""), ("\t ", "  "), (" ", "\t")))
            lines.append(f"{name}:{before}{value}{after}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        seen = [(name, value.strip(" \t")) for name, value in fields]
        return head + content, len(head), seen

    def _host(self) -> str:
        return self.chance.choice(("localhost", "example.org:8080", "[::1]:80", "127.0.0.1"))


def frame(chance: random.Random, content: bytes, old: bool) -> tuple[Fields, bytes]:
    """The fields that frame this content, and how it is sent."""
    if not content and chance.random() < 0.5:
        return [], b""  # without a length there is none
    if old or chance.random() < 0.5:
        return [("Content-Length", "0" * chance.choice((0, 0, 2)) + str(len(content)))], content
    coded = bytearray()
    largest = chance.choice((3, 100, 5000, len(content) or 1))
    rest = memoryview(content)
    extensions = 40  # at most: all together may not be large
    while rest:
        size = chance.randint(max(1, len(content) // 300), max(largest, len(content) // 200))
        chunk, rest = rest[:size], rest[size:]
        digits = chance.choice(("%x", "%X", "%04x")) % len(chunk)
        extension = chunk_extension(chance) if extensions else ""
        extensions -= bool(extension)
        coded += f"{digits}{extension}\r\n".encode() + chunk + b"\r\n"
    coded += b"0" * chance.choice((1, 1, 3)) + chunk_extension(chance).encode() + b"\r\n"
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        coded += chance.choice((b"X-T: trailer", b"Content-Length: 7", b"Connection: close"))
        coded += b"\r\n"
    coded += b"\r\n"
    name = chance.choice(("Transfer-Encoding", "transfer-encoding"))
    return [(name, chance.choice(("chunked", "Chunked")))], bytes(coded)


def chunk_extension(chance: random.Random) -> str:
    return chance.choice(("", "", "", ";a", ";a=b", ";a=b;c", ';q="a;b\\"c"', ";n=1;m=\"\""))


def random_content(chance: random.Random, most: int) -> bytes:
    size = min(most, chance.choice((0, 1, 2, 17, 300, 1023, 1024, 1025, 4096, 20_000, most)))
    return chance.randbytes(size if chance.random() < 0.7 else chance.randint(0, size))


def answered(
    draft: Draft,
    statuses: int | set[int],
    body: bytes | None,
    fields: tuple[tuple[str, str | None], ...] = (),
) -> Request:
    """The request with what must come back. body None: whatever."""
    octets, head_size, _ = draft.finish()
    return with_answer(draft, octets, head_size, statuses, body, fields)


def listed(draft: Draft) -> Request:
    """A request to which the answer is the list of its fields."""
    octets, head_size, seen = draft.finish()
    text = "".join(f"{name}: {value}\n" for name, value in seen).encode("latin-1")
    return with_answer(draft, octets, head_size, 200, text)


def with_answer(
    draft: Draft,
    octets: bytes,
    head_size: int,
    statuses: int | set[int],
    body: bytes | None,
    fields: tuple[tuple[str, str | None], ...] = (),
) -> Request:
    to_head = draft.method == "HEAD"
    if to_head and body is not None:
        fields += (("Content-Length", str(len(body))),)
        body = b""
    if draft.chance.random() < 0.03:  # an empty line before a request is passed over
        octets, head_size = b"\r\n" + octets, head_size + 2
    return Request(
        octets,
        Expected(
            frozenset({statuses} if isinstance(statuses, int) else statuses),
            body,
            fields,
            draft.fate,
            to_head,
            draft.old,
            may_continue=draft.expects and not draft.old,
        ),
        head_size,
    )
