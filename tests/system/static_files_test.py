"""Files over real sockets: every byte of every file, bounded memory, never anything outside."""

from __future__ import annotations

import email.utils
import os
import threading
from pathlib import Path
from urllib.parse import quote

import harness
from harness import Client, ProtocolError, Server, SystemTest, get

CLIENTS = 8
HUGE = 50_000_000

NAMES = (
    "plain.txt",
    "with space.txt",
    "Grüße – 你好.html",
    "100%.txt",
    "%41.txt",
    "a#b.css",
    "what?.js",
    "a+b&c=d;e.json",
    "'\"<>\\^`{|}",
    "...",
    "..hidden",
    ".dot",
    "tab\there",
    "new\nline",
    "ü" * 100,
)
SIZES = (0, 1, 2, 1460, 4095, 4096, 65535, 65536, 65537, 131071, 131072, 131073, 262145, 5_000_001)


def get_file(name: str, *fields: str, method: str = "GET") -> bytes:
    return get("/" + quote(name), *fields, method=method)


class Contents(SystemTest):
    directory: Path
    server: Server

    def setUp(self) -> None:
        self.directory = self.make_directory()
        self.files: dict[str, bytes] = {}
        for i, name in enumerate(NAMES):
            self.add(name, 100 + i)
        for size in SIZES:
            self.add(f"size-{size}", size)
        (self.directory / "below" / "and below").mkdir(parents=True)
        self.add("below/and below/deep", 70_000)
        self.server = self.serve("enduring", self.directory, "--keepalive-requests", "0")

    def add(self, name: str, size: int) -> None:
        content = name.encode() + harness.patterned(size)
        (self.directory / name).write_bytes(content[:size])
        self.files[name] = content[:size]

    def test_all_bytes_by_many_clients(self) -> None:
        """Every file, over a few connections, by several clients at once, in different orders."""
        self.add("huge", HUGE)
        faults: list[str] = []

        def fetch_all(number: int) -> None:
            names = list(self.files)
            names = names[number * 3 :] + names[: number * 3]
            try:
                with Client(self.server.address) as client:
                    for name in names:
                        response = client.exchange(get_file(name))
                        if response.status != 200 or response.body != self.files[name]:
                            faults.append(f"{name}: {response.status}, other bytes")
            except (OSError, AssertionError) as error:
                faults.append(repr(error))

        threads = [threading.Thread(target=fetch_all, args=(i,)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])

    def test_pipelined(self) -> None:
        """Small and large ones, asked for in one go, come in order."""
        names = [name for name in self.files if len(self.files[name]) < 200_000] * 5
        client = self.connect(self.server)
        client.send(b"".join(get_file(name) for name in names))
        for name in names:
            self.assertTrue(client.read_response().body == self.files[name], name)

    def test_head_says_the_same(self) -> None:
        client = self.connect(self.server)
        for name in self.files:
            whole = client.exchange(get_file(name))
            head = client.exchange(get_file(name, method="HEAD"), to_head=True)
            self.assertEqual((head.status, head.body), (200, b""))
            for field in ("Content-Length", "Content-Type", "Last-Modified", "ETag"):
                self.assertEqual(head.field(field), whole.field(field), f"{name}: {field}")

    def test_old_clients(self) -> None:
        for name in ("size-0", "size-65537", "size-5000001"):
            client = self.connect(self.server)
            response = client.exchange(b"GET /" + name.encode() + b" HTTP/1.0\r\n\r\n")
            self.assertTrue(response.body == self.files[name])
            client.expect_end()

    def test_ranges(self) -> None:
        client = self.connect(self.server)
        for name in ("size-1", "size-65537", "size-5000001"):
            content = self.files[name]
            size = len(content)
            for text, begin, end in (
                ("0-", 0, size),
                ("0-0", 0, 1),
                (f"{size - 1}-", size - 1, size),
                ("-1", size - 1, size),
                (f"-{size + 5}", 0, size),
                (f"{size // 3}-{size // 2}", size // 3, size // 2 + 1),
                (f"0-{size + 100}", 0, size),
            ):
                with self.subTest(name=name, range=text):
                    response = client.exchange(get_file(name, f"Range: bytes={text}"))
                    self.assertEqual(response.status, 206)
                    self.assertTrue(response.body == content[begin:end], "other bytes")
                    said = f"bytes {begin}-{end - 1}/{size}"
                    self.assertEqual(response.field("Content-Range"), said)
            response = client.exchange(get_file(name, f"Range: bytes={size}-"))
            self.assertEqual(response.status, 416)
            self.assertEqual(response.field("Content-Range"), f"bytes */{size}")
            response = client.exchange(get_file(name, "Range: lines=1-2"))
            self.assertEqual(response.status, 200)

    def test_conditions(self) -> None:
        client = self.connect(self.server)
        whole = client.exchange(get_file("size-65537"))
        tag, modified = whole.field("ETag"), whole.field("Last-Modified")
        assert tag is not None and modified is not None
        seconds = int((self.directory / "size-65537").stat().st_mtime)
        self.assertEqual(email.utils.parsedate_to_datetime(modified).timestamp(), seconds)
        before = email.utils.formatdate(seconds - 10, usegmt=True)
        for fields, status in (
            ([f"If-None-Match: {tag}"], 304),
            ([f'If-None-Match: "other", W/{tag}'], 304),
            (['If-None-Match: "other"'], 200),
            ([f"If-Modified-Since: {modified}"], 304),
            ([f"If-Modified-Since: {before}"], 200),
            (['If-None-Match: "other"', f"If-Modified-Since: {modified}"], 200),
            ([f"If-Match: {tag}"], 200),
            (['If-Match: "other"'], 412),
            ([f"If-Unmodified-Since: {before}"], 412),
            ([f"If-Range: {tag}", "Range: bytes=0-4"], 206),
            (['If-Range: "other"', "Range: bytes=0-4"], 200),
        ):
            with self.subTest(fields):
                response = client.exchange(get_file("size-65537", *fields))
                self.assertEqual(response.status, status)
                if status == 304:
                    self.assertEqual(response.field("ETag"), tag)

    def test_directories(self) -> None:
        client = self.connect(self.server)
        self.assertEqual(client.exchange(get("/")).status, 404)
        self.add("index.html", 1000)
        self.add("below/index.html", 70_000)
        response = client.exchange(get("/?query"))
        self.assertEqual((response.status, response.body), (200, self.files["index.html"]))
        self.assertEqual(response.field("Content-Type"), "text/html; charset=utf-8")
        response = client.exchange(get("/below/"))
        self.assertTrue(response.body == self.files["below/index.html"])
        for target, location in (
            ("/below", "/below/"),
            ("/below?a=b", "/below/?a=b"),
            ("/below/and%20below", "/below/and%20below/"),
            ("//below", "/below/"),
        ):
            response = client.exchange(get(target))
            self.assertEqual((response.status, response.field("Location")), (301, location))
        self.assertEqual(client.exchange(get("/below/and%20below/")).status, 404)
        self.assertEqual(client.exchange(get("/plain.txt/")).status, 404)

    def test_other_methods(self) -> None:
        client = self.connect(self.server)
        response = client.exchange(get("/plain.txt", "Content-Length: 0", method="POST"))
        self.assertEqual((response.status, response.field("Allow")), (405, "GET, HEAD, OPTIONS"))


class Outside(SystemTest):
    """Nothing but what lies below the root is served."""

    def test_no_way_out(self) -> None:
        top = self.make_directory()
        root = top / "root"
        (root / "inside").mkdir(parents=True)
        (top / "secret").write_text("secret")
        (root / "file").write_text("public")
        (root / "inside" / "back").symlink_to("../file")
        (root / "absolute").symlink_to(top / "secret")
        (root / "relative").symlink_to("../secret")
        (root / "parent").symlink_to("..")
        (root / "etc").symlink_to("/etc")
        (root / "loop").symlink_to("loop")
        (root / "self").symlink_to("/proc/self/environ")
        os.mkfifo(root / "pipe")
        server = self.serve("enduring", root)
        client = self.connect(server)
        for target in (
            "/../secret",
            "/inside/../../secret",
            "/%2e%2e/secret",
            "/%2E%2e/secret",
            "/.%2e/secret",
            "/..%2fsecret",
            "/inside/..%2f..%2fsecret",
            "/%2e%2e%2fsecret",
            "//../secret",
            "/..",
            "/../",
            "/....//secret",
            "/absolute",
            "/relative",
            "/parent/secret",
            "/parent/",
            "/parent/root/file",
            "/etc/passwd",
            "/etc/",
            "//etc/passwd",
            "/loop",
            "/self",
            "/pipe",
            "/%5c..%5csecret",
            "/%252e%252e/secret",
            "/" + "a" * 300,
            "/" + "a/" * 2000,
        ):
            with self.subTest(target):
                response = client.exchange(get(target))
                self.assertIn(response.status, (400, 404))
                self.assertNotIn(b"secret", response.body)
        for target in ("/file%00.txt", "/%00"):
            with self.subTest(target):
                self.assertIn(client.exchange(get(target)).status, (400, 404))
        for target in ("/%zz", "/%4", "/%", "/..\\secret"):
            with self.subTest(target):
                self.assertEqual(self.connect(server).exchange(get(target)).status, 400)
        self.assertEqual(client.exchange(get("/inside/back")).body, b"public")
        self.assertEqual(client.exchange(get("/inside/./%2e/back")).body, b"public")

    def test_forbidden(self) -> None:
        """What the server's user may not read."""
        harness.skip_unless_root(self)
        root = self.make_directory()
        root.chmod(0o755)
        (root / "locked").write_text("locked")
        (root / "locked").chmod(0)
        (root / "closed").mkdir(0o700)
        (root / "closed" / "file").write_text("closed")
        client = self.connect(self.serve("enduring", root, user=harness.NOBODY))
        for target in ("/locked", "/closed/file", "/closed/"):
            self.assertEqual(client.exchange(get(target)).status, 403)


class Streams(SystemTest):
    def test_slow_readers_take_no_memory(self) -> None:
        """Each gets all bytes at last, and nobody else waits for them."""
        directory = self.make_directory()
        content = self.make_file(directory, "huge", HUGE)
        server = self.serve("enduring", directory, "--workers", "1")
        self.connect(server).exchange(get("/none"))
        resident, descriptors = server.resident_bytes(), server.descriptors()
        readers = [self.connect(server, receive_buffer=64 * 1024) for _ in range(50)]
        for client in readers:
            client.send(get("/huge"))
        for client in readers:
            self.assertEqual(client.read_head()[0], 200)
        size = 100_000
        for i in range(5):
            for client in readers:
                piece = client.read_exactly(size)
                self.assertTrue(piece == content[i * size : (i + 1) * size], "other bytes")
        self.assertLess(server.resident_bytes() - resident, 20 << 20)
        other = self.connect(server)
        for _ in range(20):
            self.assertEqual(other.exchange(get("/none")).status, 404)
        other.close()
        for client in readers[3:]:
            client.close()
        for client in readers[:3]:
            self.assertTrue(client.read_exactly(HUGE - 5 * size) == content[5 * size :])
            client.close()
        harness.wait_until(lambda: server.descriptors() == descriptors, "descriptors come back")
        self.assertLess(server.resident_bytes() - resident, 20 << 20)

    def test_file_that_becomes_shorter(self) -> None:
        """The connection is cut before Content-Length: the client can tell."""
        directory = self.make_directory()
        self.make_file(directory, "huge", HUGE)
        server = self.serve("enduring", directory)
        descriptors = server.descriptors()
        for fields in ((), ("Connection: close",)):
            with self.subTest(fields):
                self.make_file(directory, "huge", HUGE)
                client = self.connect(server, receive_buffer=64 * 1024)
                client.send(get("/huge", *fields))
                self.assertEqual(client.read_head()[0], 200)
                os.truncate(directory / "huge", 100)
                with self.assertRaisesRegex(ProtocolError, "broken|ended"):
                    client.read_exactly(HUGE)
                client.close()
        harness.wait_until(lambda: server.descriptors() == descriptors, "descriptors come back")
        self.assert_serves(server)

    def test_file_that_grows(self) -> None:
        """What was promised is sent, and no more."""
        directory = self.make_directory()
        content = self.make_file(directory, "huge", HUGE)
        client = self.connect(self.serve("enduring", directory), receive_buffer=64 * 1024)
        client.send(get("/huge") + get("/none"))
        with (directory / "huge").open("ab") as file:
            file.write(b"more")
        response = client.read_response()
        self.assertIn(len(response.body), (HUGE, HUGE + 4))
        self.assertTrue(response.body[:HUGE] == content)
        self.assertEqual(client.read_response().status, 404)

    def test_file_that_is_replaced_or_removed(self) -> None:
        """A response goes on with the file that it began with."""
        directory = self.make_directory()
        content = self.make_file(directory, "huge", HUGE)
        client = self.connect(self.serve("enduring", directory), receive_buffer=64 * 1024)
        client.send(get("/huge"))
        status, _ = client.read_head()
        self.assertEqual(status, 200)
        (directory / "other").write_text("other")
        (directory / "other").rename(directory / "huge")
        self.assertTrue(client.read_exactly(HUGE) == content)
        self.assertEqual(client.exchange(get("/huge")).body, b"other")
        (directory / "huge").unlink()
        self.assertEqual(client.exchange(get("/huge")).status, 404)

    def test_file_that_was_changed_is_not_remembered(self) -> None:
        directory = self.make_directory()
        client = self.connect(self.serve("enduring", directory))
        for number in range(500):
            (directory / "file").write_bytes(b"%d" % number)
            self.assertEqual(client.exchange(get("/file")).body, b"%d" % number)


if __name__ == "__main__":
    harness.main()
