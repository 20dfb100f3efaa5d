"""Requests over real sockets: however they are cut, however many come at once, however they end."""

from __future__ import annotations

import threading
import time

import harness
from harness import Client, Server, SystemTest, get, post, scaled

LARGE = 1024 * 1024
UNLIMITED = ("--keepalive-requests", "0")

CHUNKED = (
    get("/", "Transfer-Encoding: chunked", method="POST")
    + b'5\r\nhello\r\n1;name="va\\"lue";x\r\n \r\n005\r\nworld\r\n0\r\nTrailer: ignored\r\n\r\n'
)

# Request, expected status and body. Each leaves the connection open.
KINDS: dict[str, tuple[bytes, int, bytes]] = {
    "get": (get(), 200, b"OK"),
    "fields": (
        b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX-Empty:\r\nx-space: \t a b\t \r\n"
        b"Cookie: one=1; two=2\r\n\r\n",
        200,
        b"Host: localhost\nX-Empty: \nx-space: a b\nCookie: one=1; two=2\n",
    ),
    "absolute form": (
        b"GET http://localhost:80/?a=b HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
        200,
        b"OK",
    ),
    "empty lines before": (b"\r\n\r\n" + get(), 200, b"OK"),
    "content": (post(b"hello\r\n\r\nGET / HTTP/1.1\r\n"), 200, b"hello\r\n\r\nGET / HTTP/1.1\r\n"),
    "no content": (post(b""), 200, b""),
    "chunked": (CHUNKED, 200, b"hello world"),
    "unwanted content": (
        get("/none", "Content-Length: 9", method="PUT") + b"unwanted!",
        404,
        b"404 Not Found\n",
    ),
    "not found": (get("/none"), 404, b"404 Not Found\n"),
    "old with keep-alive": (get("/", "Connection: keep-alive", version="1.0"), 200, b"OK"),
}


class SplitRequests(SystemTest):
    """The parts of a request arrive apart: the server has read one before the next is sent."""

    def setUp(self) -> None:
        path = self.make_directory() / "socket"
        self.server = self.serve("conformance", *UNLIMITED, listen=[f"unix:{path}"])
        self.client = self.connect(self.server)

    def check(self, kind: str) -> None:
        _, status, body = KINDS[kind]
        response = self.client.read_response()
        self.assertEqual((response.status, response.body), (status, body))
        self.assertFalse(response.closes)

    def test_two_parts(self) -> None:
        for kind, (request, _, _) in KINDS.items():
            with self.subTest(kind):
                for split in range(1, len(request)):
                    self.client.send(request[:split])
                    self.client.wait_taken()
                    self.client.send(request[split:])
                    self.check(kind)

    def test_byte_by_byte(self) -> None:
        for kind, (request, _, _) in KINDS.items():
            with self.subTest(kind):
                for i in range(len(request)):
                    self.client.send(request[i : i + 1])
                    self.client.wait_taken()
                self.check(kind)

    def test_parts_across_requests(self) -> None:
        """Pieces of every small size, which begin in one request and end in another."""
        stream = b"".join(request for request, _, _ in KINDS.values())
        for size in [*range(1, 24), 64, 100, 255]:
            with self.subTest(size=size):
                for begin in range(0, len(stream), size):
                    self.client.send(stream[begin : begin + size])
                    self.client.wait_taken()
                for kind in KINDS:
                    self.check(kind)

    def test_large_content_in_pieces(self) -> None:
        content = harness.patterned(300_000)
        request = post(content)
        for size in (1000, 4095, 4096, 4097, 16384):
            with self.subTest(size=size):
                for begin in range(0, len(request), size):
                    self.client.send(request[begin : begin + size])
                    self.client.wait_taken()
                self.assertEqual(self.client.read_response().body, content)

    def test_head_at_its_limit_in_pieces(self) -> None:
        """A head that fills many receive buffers is the same head."""
        value = "v" * 15_000
        request = get("/echo", f"X-Long: {value}")
        for size in (100, 4096, 5000):
            with self.subTest(size=size):
                for begin in range(0, len(request), size):
                    self.client.send(request[begin : begin + size])
                    self.client.wait_taken()
                body = self.client.read_response().body
                self.assertEqual(body, f"Host: localhost\nX-Long: {value}\n".encode())


class Tcp(SystemTest):
    def test_two_parts_of_tcp(self) -> None:
        """As above, with segments: whether they arrive apart is left to chance."""
        client = self.connect(self.serve("conformance", *UNLIMITED))
        for kind, (request, status, body) in KINDS.items():
            with self.subTest(kind):
                for split in range(1, len(request)):
                    client.send(request[:split])
                    client.send(request[split:])
                    response = client.read_response()
                    self.assertEqual((response.status, response.body), (status, body))


class Pipelining(SystemTest):
    def test_any_number_at_once(self) -> None:
        client = self.connect(self.serve("conformance", *UNLIMITED))
        for count in range(1, 201):
            contents = [b"%d of %d" % (i, count) for i in range(count)]
            client.send(b"".join(map(post, contents)))
            answers = [client.read_response().body for _ in range(count)]
            self.assertEqual(answers, contents)

    def test_kinds_in_a_row(self) -> None:
        client = self.connect(self.serve("conformance", *UNLIMITED))
        client.send(b"".join(request for request, _, _ in KINDS.values()) * 20)
        for _ in range(20):
            for kind, (_, status, body) in KINDS.items():
                response = client.read_response()
                self.assertEqual((kind, response.status, response.body), (kind, status, body))

    def test_small_bound(self) -> None:
        client = self.connect(self.serve("conformance", "--max-pipelined", "1"))
        contents = [b"%d" % i for i in range(200)]
        client.send(b"".join(map(post, contents)))
        self.assertEqual([client.read_response().body for _ in contents], contents)

    def test_reader_that_is_slow(self) -> None:
        """Input waits when answers do, in bounded memory; all are answered in order at last."""
        server = self.serve("conformance", "--workers", "1", *UNLIMITED)
        client = self.connect(server, receive_buffer=16 * 1024)
        client.exchange(get())
        resident = server.resident_bytes()
        content = harness.patterned(8000)
        count = 6000  # 48 MB: more than the buffers of both sockets may hold
        progress = [0]
        failure: list[BaseException] = []

        def send() -> None:
            try:
                for i in range(count):
                    client.send(post(b"%08d" % i + content))
                    progress[0] = i + 1
            except OSError as error:
                failure.append(error)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        self.wait_standstill(progress)
        self.assertLess(progress[0], count, "the server took more than it could answer")
        self.assertLess(server.resident_bytes() - resident, 20 << 20)
        for i in range(count):
            body = client.read_response().body
            if body != b"%08d" % i + content:
                self.fail(f"answer {i} of {count} is wrong: {body[:40]!r}")
        sender.join()
        self.assertEqual(failure, [])

    def wait_standstill(self, progress: list[int]) -> None:
        """Until nothing moved for half a second."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < scaled(0.5):
            if progress[0] != seen:
                seen, since = progress[0], time.monotonic()
            time.sleep(0.01)


class Persistence(SystemTest):
    server: Server

    def setUp(self) -> None:
        self.server = self.serve("conformance")

    def test_stays_open(self) -> None:
        client = self.connect(self.server)
        for _ in range(20):
            self.assertIsNone(client.exchange(get()).field("Connection"))

    def test_old_version_closes(self) -> None:
        client = self.connect(self.server)
        response = client.exchange(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual((response.status, response.body, response.closes), (200, b"OK", True))
        client.expect_end()

    def test_old_version_with_keep_alive(self) -> None:
        client = self.connect(self.server)
        for value in ("keep-alive", "Keep-Alive", "x, KEEP-ALIVE"):
            response = client.exchange(get("/", f"Connection: {value}", version="1.0"))
            self.assertEqual(response.field("Connection"), "keep-alive")
        self.assertTrue(client.exchange(get("/", version="1.0")).closes)
        client.expect_end()

    def test_close_ends_the_connection(self) -> None:
        for fields in (
            ["Connection: close"],
            ["Connection: Close"],
            ["Connection: keep-alive, close"],
            ["Connection: close", "Connection: keep-alive"],
            ["Connection: keep-alive", "connection: x,CLOSE"],
        ):
            with self.subTest(fields):
                client = self.connect(self.server)
                self.assertTrue(client.exchange(get("/", *fields)).closes)
                client.expect_end()

    def test_nothing_is_answered_after_close(self) -> None:
        client = self.connect(self.server)
        client.send(get() + get("/", "Connection: close") + get() * 50 + b"garbage")
        self.assertFalse(client.read_response().closes)
        self.assertTrue(client.read_response().closes)
        client.send(get())
        client.expect_end()

    def test_close_with_content(self) -> None:
        client = self.connect(self.server)
        response = client.exchange(post(b"hello", "/", "Connection: close") + post(b"no"))
        self.assertEqual((response.body, response.closes), (b"hello", True))
        client.expect_end()

    def test_last_response_survives_surplus(self) -> None:
        """What the client still sends must not turn into a reset that costs it the response."""
        for _ in range(20):
            client = self.connect(self.server)
            client.send(get("/", "Connection: close"))
            client.send(b"x" * LARGE)
            self.assertTrue(client.read_response().closes)
            client.expect_end()


class HalfClose(SystemTest):
    def setUp(self) -> None:
        self.server = self.serve("conformance", *UNLIMITED)

    def test_all_are_answered(self) -> None:
        for count in (1, 2, 63, 64, 65, 500):
            with self.subTest(count=count):
                client = self.connect(self.server)
                client.send(b"".join(post(b"%d" % i) for i in range(count)))
                client.half_close()
                for i in range(count):
                    self.assertEqual(client.read_response().body, b"%d" % i)
                client.expect_end()

    def test_large_answers(self) -> None:
        content = harness.patterned(LARGE)
        client = self.connect(self.server, receive_buffer=8192)
        sender = threading.Thread(
            target=lambda: (client.send(post(content) * 5), client.half_close()), daemon=True
        )
        sender.start()
        for _ in range(5):
            self.assertEqual(client.read_response().body, content)
        client.expect_end()
        sender.join()

    def test_without_request(self) -> None:
        client = self.connect(self.server)
        client.half_close()
        client.expect_end()
        client = self.connect(self.server)
        client.exchange(get())
        client.half_close()
        client.expect_end()

    def test_in_a_request(self) -> None:
        """What can never be completed is refused; the requests before it are answered."""
        for whole, cut in ((b"", b"GE"), (get(), get()[:20]), (get(), post(b"12")[:-1])):
            with self.subTest(cut):
                client = self.connect(self.server)
                client.send(whole + cut)
                client.half_close()
                if whole:
                    self.assertEqual(client.read_response().status, 200)
                response = client.read_response()
                self.assertEqual((response.status, response.closes), (400, True))
                client.expect_end()


class Methods(SystemTest):
    def test_head(self) -> None:
        client = self.connect(self.serve("hello"))
        whole = client.exchange(get())
        self.assertEqual(whole.body, b"Hello, World!")
        client.send(get(method="HEAD") * 3 + get())
        for _ in range(3):
            head = client.read_response(to_head=True)
            self.assertEqual((head.status, head.body), (200, b""))
            for name in ("Content-Length", "Content-Type"):
                self.assertEqual(head.field(name), whole.field(name))
        self.assertEqual(client.read_response().body, whole.body)
        head = client.exchange(get("/none", method="HEAD"), to_head=True)
        self.assertEqual(head.status, 404)
        head = client.exchange(get("/", "Connection: close", method="HEAD"), to_head=True)
        self.assertTrue(head.closes)
        client.expect_end()

    def test_options(self) -> None:
        client = self.connect(self.serve("hello"))
        response = client.exchange(get(method="OPTIONS"))
        self.assertEqual(response.status, 204)
        self.assertEqual(response.field("Allow"), "GET, HEAD, OPTIONS")
        self.assertEqual(client.exchange(get("*", method="OPTIONS")).status, 204)
        self.assertEqual(client.exchange(get("/none", method="OPTIONS")).status, 404)

    def test_not_allowed(self) -> None:
        client = self.connect(self.serve("hello"))
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
            response = client.exchange(get(method=method))
            self.assertEqual(response.status, 405, method)
            self.assertEqual(response.field("Allow"), "GET, HEAD, OPTIONS")
        self.assertEqual(client.exchange(post(b"x" * 60_000)).status, 405)
        self.assertEqual(client.exchange(get(method="BREW")).status, 501)

    def test_continue(self) -> None:
        client = self.connect(self.serve("conformance"))
        head = get("/", "Content-Length: 5", "Expect: 100-continue", method="POST")
        client.send(head)
        self.assertEqual(client.read_response().status, 100)
        client.send(b"hello")
        self.assertEqual(client.read_response().body, b"hello")
        self.assertEqual(client.exchange(head + b"hello").body, b"hello", "100 was not needed")
        client.send(get("/", "Content-Length: 5", "Expect: 100-continue", method="GET"))
        self.assertEqual(client.read_response().status, 200, "nobody wants the content")


REFUSED: dict[str, tuple[bytes, int]] = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "no target": (b"GET\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "control character in target": (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "malformed version": (b"GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400),
    "no version, as in HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "version 2": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "folded line": (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "bad Host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "length and chunked": (get("/", "Content-Length: 3", "Transfer-Encoding: chunked"), 400),
    "two lengths": (get("/", "Content-Length: 3", "Content-Length: 3", method="POST"), 400),
    "bad length": (get("/", "Content-Length: -1", method="POST"), 400),
    "chunked not last": (get("/", "Transfer-Encoding: chunked, gzip", method="POST"), 400),
    "unknown coding": (get("/", "Transfer-Encoding: brotli, chunked", method="POST"), 501),
    "bad chunk size": (
        get("/", "Transfer-Encoding: chunked", method="POST") + b"0x5\r\nhello",
        400,
    ),
    "bad chunk end": (
        get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhelloX\r\n0\r\n\r\n",
        400,
    ),
    "unknown expectation": (post(b"", "/", "Expect: a-miracle"), 417),
    "long target": (get("/" + "a" * 9000), 414),
    "long head": (get("/", "X: " + "a" * 17_000), 431),
    "many fields": (get("/", *(f"X-{i}: {i}" for i in range(101))), 431),
    "large content": (get("/", f"Content-Length: {LARGE + 1}", method="POST"), 413),
    "large chunks": (
        get("/", "Transfer-Encoding: chunked", method="POST")
        + b"80000\r\n" + b"x" * 0x80000 + b"\r\n80001\r\n" + b"x" * 0x80001 + b"\r\n0\r\n\r\n",
        413,
    ),
}


class Refusals(SystemTest):
    """What is wrong is refused once, the connection ends, and the client gets to know it."""

    def setUp(self) -> None:
        self.server = self.serve("conformance")

    def check_refused(self, client: Client, status: int) -> None:
        response = client.read_response()
        self.assertEqual((response.status, response.closes), (status, True))
        client.expect_end()

    def test_each(self) -> None:
        for kind, (request, status) in REFUSED.items():
            with self.subTest(kind):
                client = self.connect(self.server)
                client.send(request)
                self.check_refused(client, status)

    def test_after_good_ones(self) -> None:
        for kind, (request, status) in REFUSED.items():
            with self.subTest(kind):
                client = self.connect(self.server)
                client.send(get() + post(b"hello") + request + get() * 3)
                self.assertEqual(client.read_response().body, b"OK")
                self.assertEqual(client.read_response().body, b"hello")
                self.check_refused(client, status)

    def test_while_the_client_still_sends(self) -> None:
        """The refusal arrives although a megabyte that nobody wants is on its way."""
        for kind, (request, status) in REFUSED.items():
            with self.subTest(kind):
                client = self.connect(self.server)
                client.send(request)
                client.send(b"x" * LARGE)
                self.check_refused(client, status)

    def test_content_that_nobody_wants(self) -> None:
        """Up to --discard-max the connection goes on; more is not read, and it ends."""
        client = self.connect(self.server)
        for path in ("/none", "/echo"):
            self.assertLess(client.exchange(post(b"x" * 65536, path)).status, 500)
        client.send(get("/none", f"Content-Length: {LARGE}", method="POST"))
        response = client.read_response()
        self.assertEqual((response.status, response.closes), (404, True))
        client.send(b"x" * LARGE)
        client.expect_end()

    def test_the_server_lives_on(self) -> None:
        before = self.server.descriptors()
        clients = []
        for request, _ in list(REFUSED.values()) * 4:
            client = self.connect(self.server)
            clients.append(client)
            client.send(request)
        for client in clients:
            client.close()
        harness.wait_until(lambda: self.server.descriptors() == before, "descriptors come back")
        self.assert_serves(self.server)


if __name__ == "__main__":
    harness.main()
