"""Slow and hostile clients: each is ended by its own limit, in bounded memory, while another client
is served as before."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import harness
from bystander import Bystander, Slower
from crowd import Attacker, crowd, drive
from harness import (
    Client,
    Server,
    SystemTest,
    get,
    is_instrumented,
    milliseconds,
    post,
    scaled,
)

SHORT = scaled(0.4)  # seconds of the limit that ends the attack
FAR = 60.0  # ... of all others
BUSY = scaled(5)  # seconds that a busy machine may add to what is measured
CALM = scaled(0.4)  # ... in which nobody attacks
MIB = 1 << 20
# What a worker may use for all its connections together: receive buffers that it had not touched
# before (512 of 4 KiB), --max-buffered, free memory that it keeps.
BUFFERED = 16 * MIB
COMMON_MEMORY = 512 * 4096 + BUFFERED + 4 * MIB
# ... and for one connection whose answers wait: 64 KiB and one answer more.
OUTPUT_MEMORY = 80 * 1024

CHUNKED = get("/", "Transfer-Encoding: chunked", method="POST")
BEGUN = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


def endless(piece: bytes, *before: bytes) -> Callable[[], Iterator[bytes]]:
    """A script that begins so and then repeats the piece without end."""
    return lambda: itertools.chain(before, itertools.repeat(piece))


class HostileTest(SystemTest):
    TRIES = 3

    def _callTestMethod(self, method: Callable[[], None]) -> None:
        """An attack that slows others down does so every time, other programs do not. (A subTest
        would keep the exception for itself, so cases are told apart by notes.)"""
        for left in reversed(range(self.TRIES)):
            try:
                method()
                return
            except Slower:
                if left == 0:
                    raise

    @contextlib.contextmanager
    def case(self, name: object) -> Iterator[None]:
        """Names a part of a test, for when it fails."""
        try:
            yield
        except BaseException as error:
            error.add_note(f"case: {name}")
            raise

    def serve_with(
        self, program: str, *arguments: str | Path, receive_buffers: int = 512, **limits: float
    ) -> Server:
        """A server with one worker and small bounds, whose time limits are far but for the ones
        given in seconds."""
        limits = {"header_timeout": FAR, "body_timeout": FAR, "write_timeout": FAR} | limits
        times = [
            argument
            for name, seconds in limits.items()
            for argument in ("--" + name.replace("_", "-"), milliseconds(seconds))
        ]
        buffers = ("--recv-buffers", str(receive_buffers))
        bounds = ("--workers", "1", *buffers, "--max-buffered", str(BUFFERED))
        # Unless a test says otherwise, no attack ends because it was so many requests.
        return self.serve(program, *bounds, "--keepalive-requests", "0", *times, *arguments)

    @contextlib.contextmanager
    def bounded(
        self, server: Server, connections: int = 0, each: int = 4096
    ) -> Iterator[None]:
        """Around an attack: memory stays within what is common and so much for each connection,
        descriptors return, and another client is served all along, as fast as before."""
        instrumented = is_instrumented(Path(server.process.args[0]).name)  # type: ignore[index]
        descriptors = server.descriptors()
        bystander = Bystander(server)
        try:
            time.sleep(CALM)
            memory = server.resident_bytes()
            server.forget_peak()
            begin = time.monotonic()
            yield
            bystander.judge(begin, time.monotonic(), strictly=not instrumented)
        except BaseException:
            bystander.abandon()
            raise
        grown = server.peak_resident_bytes() - memory
        if not instrumented:
            self.assertLess(grown, COMMON_MEMORY + connections * each)
        harness.wait_until(lambda: server.descriptors() == descriptors, "descriptors come back")

    def attack(
        self,
        server: Server,
        count: int,
        script: Callable[[], Iterable[bytes]],
        check: Callable[[Attacker], None],
        pause: float = 0.02,
        reads: bool = True,
        receive_buffer: int | None = None,
    ) -> None:
        """Lets so many attack, and checks each after the server has ended it."""
        with crowd(server, count, script, reads, receive_buffer) as attackers:
            drive(attackers, pause)
            for attacker in attackers:
                check(attacker)

    def refused_with(self, status: int, within: float = BUSY) -> Callable[[Attacker], None]:
        """The one answer is this refusal, and then the connection ends properly."""

        def check(attacker: Attacker) -> None:
            response = attacker.read_response()
            self.assertEqual((response.status, response.closes), (status, True))
            self.assertEqual(attacker.ended, "closed")
            attacker.expect_end()
            self.assertLess(attacker.took, within)

        return check

    def timed_out(
        self, limit: float, how: Callable[[Attacker], None]
    ) -> Callable[[Attacker], None]:
        """It was this limit that ended the connection."""

        def check(attacker: Attacker) -> None:
            how(attacker)
            self.assertGreaterEqual(attacker.took, limit - harness.CLOCK_SLACK)
            self.assertLess(attacker.took, limit + BUSY)

        return check

    def silent(self, attacker: Attacker) -> None:
        self.assertEqual(attacker.ended, "closed")
        attacker.expect_end()

    def reset(self, attacker: Attacker) -> None:
        self.assertEqual(attacker.ended, "reset")


def waves(seconds: float = 0.5) -> Iterator[int]:
    """Counts how often something was done in about this time; at least twice."""
    end = time.monotonic() + scaled(seconds)
    for i in itertools.count():
        if i >= 2 and time.monotonic() >= end:
            return
        yield i


class SlowSenders(HostileTest):
    def test_heads(self) -> None:
        """Bytes that trickle do not extend the time of a head."""
        server = self.serve_with("hello", header_timeout=SHORT)
        check = self.timed_out(SHORT, self.refused_with(408))
        with self.bounded(server, connections=200):
            self.attack(server, 200, endless(b"x", BEGUN, b"X: "), check)

    def test_heads_of_later_requests(self) -> None:
        """Nor those of a head behind others that are pipelined before it."""
        server = self.serve_with("hello", header_timeout=SHORT)

        def check(attacker: Attacker) -> None:
            self.assertEqual(attacker.read_response().status, 200)
            self.assertEqual(attacker.read_response().status, 200)
            self.timed_out(SHORT, self.refused_with(408))(attacker)

        with self.bounded(server, connections=200):
            self.attack(server, 200, endless(b"x: y\r\n", get() * 2 + BEGUN), check, pause=0.04)

    def test_bodies(self) -> None:
        """The time of a content is that between two pieces."""
        server = self.serve_with("conformance", body_timeout=SHORT)
        for begin in (get("/", "Content-Length: 100000", method="POST"), CHUNKED + b"100\r\n"):
            with self.case(begin), self.bounded(server, connections=50, each=80 * 1024):
                pieces = [begin, *(b"x" for _ in range(8))]
                self.attack(
                    server, 50, lambda p=pieces: p, self.timed_out(SHORT, self.refused_with(408))
                )

    def test_content_beyond_max_body(self) -> None:
        """However slowly it comes, it is refused once it is known to be too large."""
        server = self.serve_with(
            "conformance", "--max-body", "2k", linger_timeout=SHORT / 4, linger_max=SHORT
        )
        with self.bounded(server, connections=50):
            announced = get("/", "Content-Length: 1000000", method="POST")
            self.attack(server, 50, endless(b"x" * 100, announced), self.refused_with(413))
            chunk = b"40\r\n" + b"x" * 64 + b"\r\n"
            self.attack(server, 50, endless(chunk, CHUNKED), self.refused_with(413), pause=0.005)

    def test_who_goes_on_after_the_refusal(self) -> None:
        """What is discarded does not extend the time of a last answer either."""
        server = self.serve_with("conformance", linger_timeout=SHORT / 2, linger_max=SHORT)
        with self.bounded(server, connections=20):
            with crowd(server, 20, endless(b"x" * 4000, b"BAD\r\n\r\n"), reads=False) as attackers:
                for attacker in attackers:
                    attacker.send_next()
                # Without a look at the end of input they go on until the server has really closed.
                while not all(attacker.ended for attacker in attackers):
                    for attacker in attackers:
                        if not attacker.ended:
                            attacker.send_next()
                    time.sleep(0.005)
                for attacker in attackers:
                    self.timed_out(SHORT, self.reset)(attacker)


class SlowReaders(HostileTest):
    """They have a small receive buffer and never read: the window closes."""

    def test_files(self) -> None:
        """A large file, whose chunks are lent to those who take bytes; and many small ones."""
        directory = self.make_directory()
        for name, size in (("index.html", 100), ("small", 60_000), ("large", 16 * MIB)):
            self.make_file(directory, name, size)
        server = self.serve_with("enduring", directory, write_timeout=SHORT)
        check = self.timed_out(SHORT, self.reset)
        for name, each in (("large", 8192), ("small", OUTPUT_MEMORY + 64 * 1024)):
            # The chunks, once used, stay.
            common = 64 * 128 * 1024 // 50 if name == "large" else 0
            with self.case(name), self.bounded(server, 50, each + common):
                self.attack(
                    server, 50, endless(get("/" + name)), check, reads=False, receive_buffer=2048
                )

    def test_echo(self) -> None:
        server = self.serve_with("conformance", write_timeout=SHORT)
        content = 150_000
        request = post(b"x" * content)
        with self.bounded(server, connections=10, each=OUTPUT_MEMORY + 3 * content):
            self.attack(
                server, 10, endless(request), self.reset, reads=False, receive_buffer=2048
            )


    def test_large_answers(self) -> None:
        """Of many clients at once: those beyond --max-buffered are refused."""
        server = self.serve_with("conformance", write_timeout=FAR)
        request = post(b"x" * 900_000)
        count = 100
        server.forget_peak()
        memory = server.resident_bytes()
        with crowd(server, count, lambda: [request], False, 2048) as attackers:
            sent = (len(request),) * count
            drive(attackers, 0, over=lambda: tuple(a.sent for a in attackers) == sent)
            statuses = []
            for attacker in attackers:
                attacker.socket.settimeout(scaled(10))
                statuses.append(attacker.socket.recv(12)[9:])
            grown = server.peak_resident_bytes() - memory
        self.assertEqual(set(statuses), {b"200", b"503"})
        if not is_instrumented("conformance"):
            # Requests and answers may use as much each; without a bound it would be 90 MB.
            self.assertLess(grown, COMMON_MEMORY + BUFFERED + count * OUTPUT_MEMORY // 4)


class Connections(HostileTest):
    def test_silent(self) -> None:
        server = self.serve_with("hello", header_timeout=SHORT)
        with self.bounded(server, connections=500):
            self.attack(server, 500, list, self.timed_out(SHORT, self.silent))

    def test_opened_and_closed(self) -> None:
        self.check_flood(Client.close)

    def test_opened_and_reset(self) -> None:
        self.check_flood(Client.reset)

    def check_flood(self, end: Callable[[Client], None]) -> None:
        server = self.serve_with("hello")
        with self.bounded(server, connections=100):
            for count in waves():
                for client in [Client(server.address) for _ in range(50)]:
                    end(client)
        self.assertGreater(count, 2)

    def test_half_closed(self) -> None:
        """In each state of a connection, many at once; an end of input is no way to stay longer."""
        server = self.serve_with("conformance", write_timeout=SHORT, linger_timeout=FAR)
        large = post(b"x" * 100_000, "/", "Connection: close")
        cases: list[tuple[str, bytes, list[int]]] = [
            ("opening", b"", []),
            ("idle", get(), [200]),
            ("head", BEGUN, [400]),
            ("head behind others", get() * 3 + BEGUN, [200, 200, 200, 400]),
            ("content", post(b"hello")[:-1], [400]),
            ("chunk", CHUNKED + b"5\r\nhel", [400]),
            ("flushing", large, [200]),
            ("stalled", get() * 500, [200] * 500),
            ("refused", b"BAD\r\n\r\n", [400]),
        ]
        with self.bounded(server, connections=180, each=OUTPUT_MEMORY):
            for name, octets, statuses in cases:
                with self.case(name), crowd(server, 20, lambda o=octets: [o]) as attackers:
                    for attacker in attackers:
                        while attacker.sent < len(octets):
                            attacker.send_next()
                            attacker.look(attacker.interest)
                        attacker.half_close()
                    drive(attackers, pause=1)
                    for attacker in attackers:
                        answers = [attacker.read_response() for _ in statuses]
                        self.assertEqual([answer.status for answer in answers], statuses)
                        self.silent(attacker)

    def test_half_closed_without_reading(self) -> None:
        server = self.serve_with("conformance", write_timeout=SHORT)
        with self.bounded(server, connections=10, each=OUTPUT_MEMORY + 600_000):
            options = {"reads": False, "receive_buffer": 2048}
            for octets in (post(b"x" * 300_000, "/", "Connection: close"), get("/echo") * 5000):
                with crowd(server, 10, list, **options) as attackers:
                    for attacker in attackers:
                        attacker.socket.setblocking(True)
                        attacker.send(octets)
                        attacker.half_close()
                    drive(attackers, pause=1)
                    for attacker in attackers:
                        self.timed_out(SHORT, self.reset)(attacker)


class Floods(HostileTest):
    """Those who send without end as fast as they can."""

    def test_pipelining_without_reading(self) -> None:
        """Input waits for room in the output, so the write time-out is the limit that is met."""
        server = self.serve_with("conformance", write_timeout=SHORT)
        check = self.timed_out(SHORT, self.reset)
        options = {"reads": False, "receive_buffer": 2048, "pause": 0.0}
        for name, requests in (
            ("small", get() * 100),
            ("with answers of usual size", get("/echo", *(f"X-{i}: {i}" for i in range(90)))),
            ("with content", post(b"x" * 10_000)),
            ("refused by the router", get("/none") * 50),
        ):
            with self.case(name), self.bounded(server, 10, OUTPUT_MEMORY + 32 * 1024):
                self.attack(server, 10, endless(requests), check, **options)

    def test_contents_with_few_buffers(self) -> None:
        """Fast senders do not keep all receive buffers for themselves."""
        server = self.serve_with("conformance", "--discard-max", "8m", receive_buffers=16)
        request = post(b"x" * 4 * MIB, "/none")
        with self.bounded(server, connections=4, each=OUTPUT_MEMORY):
            with crowd(server, 4, lambda: itertools.cycle([request])) as attackers:
                end = time.monotonic() + scaled(1)
                drive(attackers, pause=0, over=lambda: time.monotonic() >= end)

    def test_pipelining_with_reading(self) -> None:
        """Ends when the requests that a connection may have are used up."""
        server = self.serve_with("hello", "--keepalive-requests", "500")

        def check(attacker: Attacker) -> None:
            answers = [attacker.read_response() for _ in range(500)]
            self.assertTrue(all(answer.status == 200 for answer in answers))
            self.assertEqual([i for i, answer in enumerate(answers) if answer.closes], [499])
            self.silent(attacker)

        with self.bounded(server, connections=10, each=OUTPUT_MEMORY):
            for _ in waves():
                self.attack(server, 10, endless(get() * 50), check, pause=0)

    def check_heads(self, piece: bytes, status: int, *before: bytes) -> None:
        server = self.serve_with("hello")
        with self.bounded(server, connections=50, each=40 * 1024):
            for _ in waves():
                self.attack(server, 50, endless(piece, *before), self.refused_with(status), pause=0)

    def test_fields_without_end(self) -> None:
        self.check_heads(b"X: y\r\n" * 10, 431, BEGUN)

    def test_field_without_end(self) -> None:
        for before in (b"X: ", b"", b"X: y\r\nName"):
            with self.case(before):
                self.check_heads(b"x" * 1000, 431, BEGUN + before)

    def test_target_without_end(self) -> None:
        self.check_heads(b"a" * 1000, 414, b"GET /")

    def test_method_without_end(self) -> None:
        self.check_heads(b"A" * 1000, 400)

    def check_content(self, piece: bytes, status: int, *before: bytes) -> None:
        server = self.serve_with("conformance", "--max-body", "10k")
        with self.bounded(server, connections=20, each=64 * 1024):
            for _ in waves():
                self.attack(server, 20, endless(piece, *before), self.refused_with(status), pause=0)

    def test_chunk_extensions_without_end(self) -> None:
        self.check_content(b";name=value" * 50, 400, CHUNKED + b"5")
        self.check_content(b"x" * 500, 400, CHUNKED + b'5;name="')

    def test_chunk_extensions_over_many_chunks(self) -> None:
        self.check_content(b"1;name=value\r\nx\r\n" * 30, 400, CHUNKED)

    def test_chunks_without_end(self) -> None:
        self.check_content(b"1\r\nx\r\n" * 100, 413, CHUNKED)

    def test_chunk_size_without_end(self) -> None:
        self.check_content(b"0" * 500, 400, CHUNKED)

    def test_trailers_without_end(self) -> None:
        self.check_content(b"X: y\r\n" * 50, 400, CHUNKED + b"0\r\n")
        self.check_content(b"x" * 500, 400, CHUNKED + b"0\r\nName: ")


class Continue(HostileTest):
    """Expect: 100-continue again and again; each content comes after its head, as if it had been
    waited for."""

    HEAD = get("/", "Expect: 100-continue", "Content-Length: 5", method="POST")

    def test_with_reading(self) -> None:
        server = self.serve_with("conformance", "--keepalive-requests", "20")

        def check(attacker: Attacker) -> None:
            for i in range(20):
                response = attacker.read_response()
                if response.status == 100:
                    response = attacker.read_response()
                self.assertEqual((response.status, response.body), (200, b"hello"))
                self.assertEqual(response.closes, i == 19)
            self.silent(attacker)

        with self.bounded(server, connections=50, each=8192):
            self.attack(
                server, 50, lambda: itertools.cycle((self.HEAD, b"hello")), check, pause=0.005
            )

    def test_without_reading(self) -> None:
        server = self.serve_with("conformance", write_timeout=SHORT)
        with self.bounded(server, connections=4, each=OUTPUT_MEMORY + 16 * 1024):
            self.attack(
                server,
                4,
                lambda: itertools.cycle((self.HEAD, b"hello")),
                self.timed_out(SHORT, self.reset),
                pause=0,
                reads=False,
                receive_buffer=2048,
            )

    def test_without_content(self) -> None:
        """Who is told to go on and does not is timed out as if he had begun."""
        server = self.serve_with("conformance", body_timeout=SHORT)

        def check(attacker: Attacker) -> None:
            self.assertEqual(attacker.read_response().status, 100)
            self.timed_out(SHORT, self.refused_with(408))(attacker)

        with self.bounded(server, connections=100):
            self.attack(server, 100, lambda: [self.HEAD], check)

    def test_nobody_wants_it(self) -> None:
        """It is not asked for: the answer comes at once and is the last."""
        server = self.serve_with("conformance")
        request = get("/none", "Expect: 100-continue", "Content-Length: 5", method="POST")
        with self.bounded(server, connections=50):
            for _ in waves():
                self.attack(server, 50, lambda: [request], self.refused_with(404))


if __name__ == "__main__":
    harness.main()
