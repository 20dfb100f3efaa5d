"""The program arena: what the public benchmarks ask, however the requests are cut."""

from __future__ import annotations

import json
import os
import random
import selectors
import socket
import time

import harness
from harness import Server, SystemTest, get, scaled

UNLIMITED = ("--keepalive-requests", "0")

ITEMS = [
    {
        "id": number,
        "name": f'Item "{number}" é',
        "category": random.Random(number).choice(["tools", "toys"]),
        "price": number * 10 if number % 2 else number * 1.25,
        "quantity": number % 7,
        "active": number % 3 == 0,
        "tags": ["a", "b\n"][: number % 3],
        "rating": {"score": number / 4, "count": number * 100},
    }
    for number in range(1, 51)
]


def expected_items(count: int, factor: int) -> dict:
    items = [
        item | {"total": item["price"] * item["quantity"] * factor} for item in ITEMS[:count]
    ]
    return {"items": items, "count": count}


def chunked(content: bytes, draw: random.Random) -> bytes:
    """In chunks of any sizes, some with extensions."""
    parts = []
    while content:
        size = draw.randint(1, max(1, len(content)))
        extension = draw.choice([b"", b";a", b';b="c;d"'])
        parts.append(b"%x%s\r\n%s\r\n" % (size, extension, content[:size]))
        content = content[size:]
    return b"".join(parts) + b"0\r\n\r\n"


def post(target: str, content: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.5:
        return get(target, f"Content-Length: {len(content)}", method="POST") + content
    return get(target, "Transfer-Encoding: chunked", method="POST") + chunked(content, draw)


class ArenaTest(SystemTest):
    def serve_all(self, *flags: str) -> Server:
        directory = self.make_directory()
        self.file = self.make_file(directory, "file.bin", 70_000)
        dataset = directory / "dataset.json"
        dataset.write_text(json.dumps(ITEMS), encoding="utf-8")
        return self.serve(
            "arena", "--dataset", str(dataset), "--static", str(directory), *UNLIMITED, *flags
        )

    def random_request(self, draw: random.Random) -> tuple[bytes, object]:
        """A request and what it must get: the content, or what its JSON means."""
        a, b, c = (draw.randint(-(10**9), 10**9) for _ in range(3))
        kind = draw.randrange(7)
        if kind == 0:
            return get("/pipeline"), b"ok"
        if kind == 1:
            return get(f"/baseline11?a={a}&b={b}"), str(a + b).encode()
        if kind == 2:
            return (
                post(f"/baseline11?b={b}&a={a}", str(c).encode(), draw),
                str(a + b + c).encode(),
            )
        if kind == 3:
            count, factor = draw.randint(1, 50), draw.randint(1, 9)
            return get(f"/json/{count}?m={factor}"), expected_items(count, factor)
        if kind == 4:
            size = draw.choice([0, 1, 1000, 100_000])
            return post("/upload", bytes(size), draw), str(size).encode()
        if kind == 5:
            return get("/static/file.bin"), self.file
        return get(f"/delay/{draw.randint(0, 30)}"), b"ok"

    def check(self, response: harness.Response, expected: object) -> None:
        self.assertEqual(response.status, 200)
        if isinstance(expected, dict):
            self.assertEqual(json.loads(response.body), expected)
        else:
            self.assertEqual(response.body, expected)

    def test_answers_right_whatever_is_asked(self) -> None:
        server = self.serve_all()
        client = self.connect(server)
        for seed in range(300):
            request, expected = self.random_request(random.Random(seed))
            with self.subTest(seed=seed):
                self.check(client.exchange(request), expected)

    def test_answers_in_order_when_all_is_asked_at_once(self) -> None:
        server = self.serve_all("--workers", "1")
        client = self.connect(server)
        exchanges = [self.random_request(random.Random(seed)) for seed in range(1000, 1040)]
        client.send(b"".join(request for request, _ in exchanges))
        for _, expected in exchanges:
            self.check(client.read_response(), expected)

    def test_takes_requests_in_single_bytes(self) -> None:
        """30 ms apart, many clients at the same time."""
        server = self.serve_all()
        draw = random.Random(7)
        requests = [
            (get("/pipeline"), b"ok"),
            (get("/baseline11?a=13&b=42"), b"55"),
            (post("/baseline11?a=13&b=42", b"20", draw), b"75"),
            (post("/baseline11?a=1&b=2", b"-3", random.Random(1)), b"0"),
            (post("/upload", b"0123456789", draw), b"10"),
            (get("/json/2?m=3"), expected_items(2, 3)),
        ]
        clients = [(self.connect(server), *exchange) for exchange in requests]
        for place in range(max(len(request) for request, _ in requests)):
            for client, request, _ in clients:
                if place < len(request):
                    client.send(request[place : place + 1])
            time.sleep(0.03)
        for client, _, expected in clients:
            self.check(client.read_response(), expected)

    def test_says_what_is_wrong(self) -> None:
        server = self.serve_all()
        client = self.connect(server)
        for target in (
            "/baseline11",
            "/baseline11?a=1",
            "/baseline11?a=1&b=x",
            "/baseline11?a=9223372036854775807&b=1",
            "/json/0",
            "/json/51",
            "/json/x",
            "/json/5?m=y",
            "/delay/-1",
            "/delay/x",
        ):
            with self.subTest(target=target):
                self.assertEqual(client.exchange(get(target)).status, 400)
        self.assertEqual(client.exchange(get("/upload")).status, 405)
        self.assertEqual(client.exchange(get("/other")).status, 404)

    def test_holds_many_answers_that_wait(self) -> None:
        count = int(os.environ.get("ENDURING_DELAYED", "2000"))
        server = self.serve_all()
        clients = [self.connect(server) for _ in range(count)]
        begin = time.monotonic()
        for number, client in enumerate(clients):
            client.send(get(f"/delay/{1000 + number % 500}"))
        for client in clients:
            self.check(client.read_response(), b"ok")
        self.assertGreaterEqual(time.monotonic() - begin, 1.0)

    def test_counts_large_uploads_in_little_memory(self) -> None:
        """ENDURING_UPLOADS=256x20 is the public benchmark."""
        clients, megabytes = map(int, os.environ.get("ENDURING_UPLOADS", "64x4").split("x"))
        size = megabytes * 1_000_000
        server = self.serve_all()
        piece = bytes(65536)
        selector = selectors.DefaultSelector()
        for _ in range(clients):
            connection = socket.create_connection(server.address)
            self.addCleanup(connection.close)
            connection.sendall(get("/upload", f"Content-Length: {size}", method="POST"))
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_WRITE, [size])
        answers = []
        deadline = time.monotonic() + scaled(300)
        while selector.get_map():
            self.assertLess(time.monotonic(), deadline)
            for key, _ in selector.select(1):
                left = key.data
                if left[0] > 0:
                    left[0] -= key.fileobj.send(piece[: left[0]])
                    if left[0] == 0:
                        selector.modify(key.fileobj, selectors.EVENT_READ, left)
                else:
                    answers.append(key.fileobj.recv(65536))
                    selector.unregister(key.fileobj)
        self.assertEqual(len(answers), clients)
        for answer in answers:
            self.assertTrue(answer.endswith(f"\r\n\r\n{size}".encode()), answer)
        if not harness.is_instrumented("arena"):
            self.assertLess(server.peak_resident_bytes(), 64_000_000)


if __name__ == "__main__":
    harness.main()
