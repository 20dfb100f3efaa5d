"""The connection lifecycle over real sockets: each flag with a small value, and the drain."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import threading
import time

import harness
from harness import BIN, CLOCK_SLACK, Client, ProtocolError, Server, SystemTest, get, milliseconds, post, scaled

SHORT = scaled(0.4)  # seconds of a limit that is waited for
LONG = scaled(0.9)  # ... within which several things happen
FAR = 60.0  # ... that must not be reached
BUSY = scaled(5)  # seconds that a busy machine may add to what is measured
LARGE = 24 << 20  # bytes: more than the buffers of both sockets hold
HEAD_BEGUN = b"GET / HTTP/1.1\r\nHost: loc"
HEAD_ENDED = b"alhost\r\n\r\n"
ASK = get("*", method="OPTIONS")  # what is answered without a file


def flags(**limits: float) -> list[str]:
    """Durations in seconds as flags."""
    return [
        argument
        for name, seconds in limits.items()
        for argument in ("--" + name.replace("_", "-"), milliseconds(seconds))
    ]


class Timeouts(SystemTest):
    def check_request_timeout(self, client: Client) -> None:
        response = client.read_response()
        self.assertEqual((response.status, response.closes), (408, True))
        client.expect_end()

    def test_keepalive_timeout(self) -> None:
        """An idle connection ends without a word, and every request begins the time anew."""
        server = self.serve("hello", *flags(keepalive_timeout=LONG, header_timeout=FAR))
        client = self.connect(server)
        for _ in range(4):
            time.sleep(LONG / 3)
            begin = time.monotonic()
            self.assertEqual(client.exchange(get()).status, 200)
        client.expect_end()
        self.assert_took(begin, LONG, LONG + BUSY)
        client.close()
        self.assert_closed(server, "keepalive_timeout")

    def test_keepalive_timeout_begins_after_the_response(self) -> None:
        """A response that takes longer than the time is no idle time."""
        directory = self.make_directory()
        content = self.make_file(directory, "large", LARGE)
        server = self.serve("enduring", directory, *flags(keepalive_timeout=SHORT))
        client = self.connect(server, receive_buffer=64 * 1024)
        client.send(get("/large"))
        time.sleep(SHORT * 2)
        self.assertEqual(client.read_response().body, content)
        self.assertEqual(client.exchange(get("/none")).status, 404)
        client.expect_end()
        client.close()
        self.assert_closed(server, "keepalive_timeout")

    def test_header_timeout_without_a_byte(self) -> None:
        server = self.serve("hello", *flags(header_timeout=SHORT, keepalive_timeout=FAR))
        begin = time.monotonic()
        client = self.connect(server)
        client.expect_end()
        self.assert_took(begin, SHORT, SHORT + BUSY)
        client.close()
        self.assert_closed(server, "header_timeout")

    def test_header_timeout_runs_from_the_accept(self) -> None:
        """Bytes that come late do not extend it."""
        limit = scaled(1.2)
        server = self.serve("hello", *flags(header_timeout=limit, keepalive_timeout=FAR))
        begin = time.monotonic()
        client = self.connect(server)
        time.sleep(limit * 0.6)
        client.send(b"G")
        self.check_request_timeout(client)
        self.assert_took(begin, limit, limit * 1.55)
        client.close()
        self.assert_closed(server, "header_timeout")

    def test_header_timeout_is_not_extended(self) -> None:
        """Bytes that come one by one do not extend it."""
        server = self.serve("hello", *flags(header_timeout=SHORT, keepalive_timeout=FAR))
        begin = time.monotonic()
        client = self.connect(server)
        for _ in range(round(FAR * 100)):
            client.send(b"x")
            if client.wait_readable(0.01):
                break
        self.check_request_timeout(client)
        self.assert_took(begin, SHORT, SHORT + BUSY)
        client.close()
        self.assert_closed(server, "header_timeout")

    def test_header_timeout_of_a_later_request(self) -> None:
        """It runs from the head's first byte; idle time before does not count."""
        server = self.serve("hello", *flags(header_timeout=SHORT, keepalive_timeout=FAR))
        client = self.connect(server)
        client.exchange(get())
        time.sleep(SHORT * 1.5)
        client.exchange(get())
        begin = time.monotonic()
        client.send(get() + HEAD_BEGUN)
        self.assertEqual(client.read_response().status, 200)
        self.check_request_timeout(client)
        self.assert_took(begin, SHORT, SHORT + BUSY)
        client.close()
        self.assert_closed(server, "header_timeout")

    def test_body_timeout(self) -> None:
        """The longest gap between two pieces, not the time in all."""
        server = self.serve("conformance", *flags(body_timeout=LONG, header_timeout=FAR))
        client = self.connect(server)
        request = post(b"123456")
        client.send(request[:-6])
        for byte in (b"1", b"2", b"3", b"4"):
            time.sleep(LONG / 3)
            client.send(byte)
        begin = time.monotonic()
        client.send(b"5")
        self.check_request_timeout(client)
        self.assert_took(begin, LONG, LONG + BUSY)
        client.close()
        self.assert_closed(server, "body_timeout")

    def test_body_timeout_of_chunks(self) -> None:
        server = self.serve("conformance", *flags(body_timeout=SHORT))
        client = self.connect(server)
        client.exchange(get())
        begin = time.monotonic()
        client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhel")
        self.check_request_timeout(client)
        self.assert_took(begin, SHORT, SHORT + BUSY)
        client.close()
        self.assert_closed(server, "body_timeout")

    def test_limits_that_are_off(self) -> None:
        off = flags(keepalive_timeout=0, header_timeout=0, body_timeout=0, write_timeout=0)
        server = self.serve("conformance", *off)
        silent, begun, idle = (self.connect(server) for _ in range(3))
        begun.send(post(b"hello")[:-3])
        idle.exchange(get())
        self.assertFalse(silent.wait_readable(SHORT))
        silent.exchange(get())
        begun.send(b"llo")
        self.assertEqual(begun.read_response().body, b"hello")
        idle.exchange(get())


class WriteTimeout(SystemTest):
    def wait_reset(self, client: Client, begin: float, limit: float) -> None:
        harness.wait_until(client.is_reset, "the server resets the connection")
        self.assert_took(begin, limit, limit + BUSY)

    def check_broken(self, client: Client) -> None:
        """The client can tell that not all has come."""
        self.assertEqual(client.read_head()[0], 200)
        with self.assertRaisesRegex(ProtocolError, "broken"):
            client.read_exactly(LARGE)

    def test_file(self) -> None:
        directory = self.make_directory()
        self.make_file(directory, "large", LARGE)
        server = self.serve("enduring", directory, *flags(write_timeout=SHORT))
        before = server.descriptors()
        client = self.connect(server, receive_buffer=64 * 1024)
        begin = time.monotonic()
        client.send(get("/large"))
        self.wait_reset(client, begin, SHORT)
        self.check_broken(client)
        harness.wait_until(lambda: server.descriptors() == before, "descriptors come back")
        self.assert_closed(server, "write_timeout")

    def test_content_in_memory(self) -> None:
        server = self.serve("conformance", "--max-body", "1g", *flags(write_timeout=SHORT))
        client = self.connect(server, receive_buffer=64 * 1024)
        client.send(post(harness.patterned(LARGE)))
        self.wait_reset(client, time.monotonic(), 0)
        self.check_broken(client)
        self.assert_closed(server, "write_timeout")

    def test_last_response(self) -> None:
        """Also after the last response was queued."""
        directory = self.make_directory()
        self.make_file(directory, "large", LARGE)
        server = self.serve("enduring", directory, *flags(write_timeout=SHORT))
        client = self.connect(server, receive_buffer=64 * 1024)
        begin = time.monotonic()
        client.send(get("/large", "Connection: close"))
        self.wait_reset(client, begin, SHORT)
        self.check_broken(client)
        self.assert_closed(server, "client_close")  # decided before

    def read_steadily(self, client: Client, expected: bytes) -> None:
        """Takes longer than the limit in all, but not between two reads."""
        self.assertEqual(client.read_head()[0], 200)
        pieces = 8
        size = len(expected) // pieces
        for i in range(pieces):
            time.sleep(LONG / 4)
            piece = client.read_exactly(size)
            self.assertTrue(piece == expected[i * size : (i + 1) * size], f"piece {i}")

    def test_steady_reader_of_a_file(self) -> None:
        directory = self.make_directory()
        content = self.make_file(directory, "large", LARGE)
        server = self.serve("enduring", directory, *flags(write_timeout=LONG))
        client = self.connect(server, receive_buffer=64 * 1024)
        client.send(get("/large"))
        self.read_steadily(client, content)

    def test_steady_reader_of_content_in_memory(self) -> None:
        server = self.serve("conformance", "--max-body", "1g", *flags(write_timeout=LONG))
        client = self.connect(server, receive_buffer=64 * 1024)
        content = harness.patterned(LARGE)
        client.send(post(content))
        self.read_steadily(client, content)


class Lingering(SystemTest):
    """After the last response what comes is discarded, but not for ever."""

    def test_silent_client(self) -> None:
        server = self.serve("hello", *flags(linger_timeout=SHORT, linger_max=FAR))
        before = server.descriptors()
        client = self.connect(server)
        client.exchange(get("/", "Connection: close"))
        begin = time.monotonic()
        client.expect_end()
        self.assertEqual(server.descriptors(), before + 1)
        harness.wait_until(lambda: server.descriptors() == before, "the server closes")
        self.assert_took(begin, SHORT / 2, SHORT + BUSY)
        self.assert_closed(server, "client_close")

    def test_client_that_closes(self) -> None:
        server = self.serve("hello", *flags(linger_timeout=FAR, linger_max=FAR))
        before = server.descriptors()
        client = self.connect(server)
        client.exchange(get("/", "Connection: close"))
        client.close()
        harness.wait_until(lambda: server.descriptors() == before, "the server closes")

    def test_client_that_never_stops(self) -> None:
        server = self.serve("hello", *flags(linger_timeout=LONG / 2, linger_max=LONG))
        before = server.descriptors()
        client = self.connect(server)
        begin = time.monotonic()
        client.exchange(get("/", "Connection: close"))
        while server.descriptors() != before:
            client.send(b"x")
            time.sleep(0.005)
        self.assert_took(begin, LONG, LONG + BUSY)
        self.assert_closed(server, "client_close")

    def test_lingering_may_be_off(self) -> None:
        server = self.serve("hello", *flags(linger_timeout=0))
        before = server.descriptors()
        client = self.connect(server)
        client.exchange(get("/", "Connection: close"))
        client.expect_end()
        harness.wait_until(lambda: server.descriptors() == before, "the server closes")
        self.assert_closed(server, "client_close")


class Requests(SystemTest):
    def test_keepalive_requests(self) -> None:
        """The last one that is allowed says so; what is pipelined behind is not answered."""
        server = self.serve("hello", "--keepalive-requests", "3")
        client = self.connect(server)
        client.send(get() * 5)
        self.assertEqual([client.read_response().closes for _ in range(3)], [False, False, True])
        client.expect_end()
        client = self.connect(server)
        self.assertEqual([client.exchange(get()).closes for _ in range(3)], [False, False, True])
        client.expect_end()
        client.close()
        self.assert_closed(server, "keepalive_requests", 2)

    def test_one_request(self) -> None:
        server = self.serve("hello", "--keepalive-requests", "1")
        client = self.connect(server)
        response = client.exchange(get("/", "Connection: keep-alive", version="1.0"))
        self.assertTrue(response.closes)
        client.expect_end()


class Admission(SystemTest):
    def test_max_connections(self) -> None:
        """One more than may be waits, and is served when one of the others leaves."""
        server = self.serve("hello", "--workers", "1", "--max-connections", "4")
        served = [self.connect(server) for _ in range(4)]
        for client in served:
            client.exchange(get())
            client.send(HEAD_BEGUN)  # in an exchange, so not to be sacrificed
        waiting = [self.connect(server) for _ in range(3)]
        for client in waiting:
            client.send(get())
        for _ in range(20):
            for client in served:
                client.exchange(HEAD_ENDED + HEAD_BEGUN)
        for client in waiting:
            self.assertFalse(client.wait_readable(0.05))
        for leaving, client in zip(served, waiting):
            leaving.close()
            self.assertEqual(client.read_response().status, 200)

    def test_burst_beyond_max_connections(self) -> None:
        server = self.serve("hello", "--workers", "1", "--max-connections", "3")
        clients = [self.connect(server) for _ in range(60)]
        for client in clients:
            client.send(get("/", "Connection: close"))
        for client in clients:
            self.assertTrue(client.read_response().closes)
            client.close()

    # Each client that reads a large file of its own slowly takes two descriptors: with enough of them
    # there are none left long before there are as many connections as may be. A file of all of them
    # would be open once.
    DESCRIPTORS = 128

    def serve_until_short_of_descriptors(self, left: int) -> tuple[Server, list[Client], bytes]:
        directory = self.make_directory()
        content = self.make_file(directory, "large", 8 << 20)
        server = self.serve("enduring", directory, "--workers", "1", *flags(header_timeout=FAR),
                            descriptors=self.DESCRIPTORS)
        self.assert_serves(server)
        harness.wait_until(lambda: server.metrics()["enduring_connections_open"] == 0, "at rest")
        readers = []
        while server.descriptors() + 2 + left <= self.DESCRIPTORS:
            name = f"large{len(readers)}"
            (directory / name).hardlink_to(directory / "large")
            client = self.connect(server, receive_buffer=64 * 1024)
            client.send(get(f"/{name}", "Connection: close"))
            self.assertEqual(client.read_head()[0], 200)
            readers.append(client)
        if server.descriptors() + left < self.DESCRIPTORS:
            before = server.descriptors()
            self.connect(server).send(HEAD_BEGUN)
            harness.wait_until(lambda: server.descriptors() > before, "a connection is accepted")
        return server, readers, content

    def test_too_few_descriptors(self) -> None:
        """Those who are there are served, and all others after them."""
        server, readers, content = self.serve_until_short_of_descriptors(0)
        waiting = [self.connect(server) for _ in range(100)]
        for client in waiting:
            client.send(get("*", "Connection: close", method="OPTIONS"))
        self.assertFalse(any(client.wait_readable(0.01) for client in waiting[:20]))
        for client in readers[:4]:
            self.assertTrue(client.read_exactly(len(content)) == content, "other bytes")
            client.close()
        for i, client in enumerate(waiting):
            self.assertEqual(client.read_response().status, 204, f"client {i}")
            client.close()
        for client in readers[4:]:
            self.assertTrue(client.read_exactly(len(content)) == content, "other bytes")

    def test_no_descriptor_at_all(self) -> None:
        """Nobody leaves, and nothing is done until somebody does."""
        server, readers, _ = self.serve_until_short_of_descriptors(0)
        waiting = self.connect(server)
        waiting.send(ASK)
        ticks = server.processor_ticks()
        self.assertFalse(waiting.wait_readable(LONG))
        self.assertLess(server.processor_ticks() - ticks, 10, "the server spins")
        readers[0].close()
        self.assertEqual(waiting.read_response().status, 204)
        self.assertEqual(server.closed("evicted"), 0)

    def test_no_descriptor_but_idle_connections(self) -> None:
        """Those that have been idle for longest give theirs: one to the newcomer, and one so that
        the kernel, which takes a descriptor before it waits for a connection, can wait again."""
        server, _, _ = self.serve_until_short_of_descriptors(3)
        idle = [self.connect(server) for _ in range(3)]
        for client in idle:
            self.assertEqual(client.exchange(ASK).status, 204)
            time.sleep(CLOCK_SLACK)
        newcomer = self.connect(server)
        self.assertEqual(newcomer.exchange(ASK).status, 204)
        for client in idle[:2]:
            client.expect_end()
        self.assertEqual(idle[2].exchange(ASK).status, 204)
        self.assertEqual(newcomer.exchange(ASK).status, 204)

    def test_low_limit_from_the_start(self) -> None:
        """With 128 descriptors 200 clients are served, though not at once."""
        server = self.serve("hello", "--workers", "1", descriptors=128)
        self.assert_serves(server)
        for client in self.ask_at_once(server, 200, get()):
            self.assertEqual(client.read_response().status, 200)
            client.close()

    def ask_at_once(self, server: Server, count: int, request: bytes) -> list[Client]:
        """All of them are there, and have sent their request, when the server next looks."""
        server.process.send_signal(signal.SIGSTOP)
        clients = [self.connect(server) for _ in range(count)]
        for client in clients:
            client.send(request)
        server.process.send_signal(signal.SIGCONT)
        return clients

    def test_files_when_connections_come_at_once(self) -> None:
        """A burst must not take the descriptors that the files need."""
        directory = self.make_directory()
        content = self.make_file(directory, "small", 1000)
        server = self.serve("enduring", directory, "--workers", "1", descriptors=128)
        self.assert_serves(server)
        clients = self.ask_at_once(server, 200, get("/small", "Connection: close"))
        for i, client in enumerate(clients):
            response = client.read_response()
            self.assertEqual(response.status, 200, f"client {i}")
            self.assertEqual(response.body, content)
            client.close()

    def test_files_of_all_connections(self) -> None:
        """A large file has a descriptor while it is sent: with half as many connections as there
        are descriptors, there is one for each, and the other clients wait for a connection."""
        directory = self.make_directory()
        content = self.make_file(directory, "large", 8 << 20)
        server = self.serve("enduring", directory, "--workers", "1", "--max-connections", "50",
                            descriptors=128)
        self.assert_serves(server)
        clients = [self.connect(server, receive_buffer=64 * 1024) for _ in range(100)]
        for client in clients:
            client.send(get("/large", "Connection: close"))
        for i, client in enumerate(clients):
            response = client.read_response()
            self.assertEqual(response.status, 200, f"client {i}")
            self.assertTrue(response.body == content, "other bytes")
            client.close()


class Drain(SystemTest):
    def assert_refuses(self, server: Server) -> None:
        def refused() -> bool:
            try:
                Client(server.address).close()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                pass  # came while the listener was being closed
            return False

        harness.wait_until(refused, "the server refuses new connections")

    def test_idle_connections_end(self) -> None:
        server = self.serve("hello", *flags(linger_timeout=SHORT))
        clients = [self.connect(server) for _ in range(50)]
        for client in clients:
            client.exchange(get())
        server.terminate()
        for client in clients:
            client.expect_end()
            client.close()
        self.assertEqual(server.wait(), 0)
        self.assertIn("stopped after 50 connections; 0 were cut", server.output)

    def test_interrupt_is_the_same(self) -> None:
        server = self.serve("hello")
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.wait(), 0)

    def test_running_exchange_is_finished(self) -> None:
        directory = self.make_directory()
        content = self.make_file(directory, "large", LARGE)
        for fields in ((), ("Connection: close",)):
            with self.subTest(fields):
                server = self.serve("enduring", directory)
                client = self.connect(server, receive_buffer=64 * 1024)
                client.send(get("/large", *fields))
                first = client.read_head()
                self.assertEqual(first[0], 200)
                server.terminate()
                self.assert_refuses(server)
                self.assertTrue(server.is_running())
                self.assertTrue(client.read_exactly(LARGE) == content, "other bytes")
                client.expect_end()
                client.close()
                self.assertEqual(server.wait(), 0)

    def test_request_that_has_begun_is_answered(self) -> None:
        """And the answer says that it is the last."""
        server = self.serve("conformance")
        in_head, in_content, fresh = (self.connect(server) for _ in range(3))
        in_head.exchange(get())
        in_head.send(HEAD_BEGUN)
        in_content.send(post(b"hello")[:-2])
        fresh.send(get("/")[:1])
        for client in (in_head, in_content, fresh):
            self.assertFalse(client.wait_readable(0.05))
        server.terminate()
        self.assert_refuses(server)
        in_head.send(b"alhost\r\n\r\n" + get())
        in_content.send(b"lo")
        fresh.send(get("/")[1:])
        for client, body in ((in_head, b"OK"), (in_content, b"hello"), (fresh, b"OK")):
            response = client.read_response()
            self.assertEqual((response.body, response.closes), (body, True))
            client.expect_end()
            client.close()
        self.assertEqual(server.wait(), 0)

    def test_drain_timeout(self) -> None:
        """What is not finished in time is cut, and the exit says how many."""
        directory = self.make_directory()
        self.make_file(directory, "large", LARGE)
        server = self.serve("enduring", directory, *flags(drain_timeout=SHORT))
        server.expected_status = 1
        clients = [self.connect(server, receive_buffer=64 * 1024) for _ in range(3)]
        for client in clients:
            client.send(get("/large"))
            client.read_head()
        begin = time.monotonic()
        server.terminate()
        self.assertEqual(server.wait(), 1)
        self.assert_took(begin, SHORT, SHORT + BUSY)
        self.assertIn("3 were cut", server.output)
        for client in clients:
            with self.assertRaisesRegex(ProtocolError, "broken"):
                client.read_exactly(LARGE)

    def test_second_signal_ends_at_once(self) -> None:
        directory = self.make_directory()
        self.make_file(directory, "large", LARGE)
        server = self.serve("enduring", directory, *flags(drain_timeout=FAR))
        server.expected_status = 1
        client = self.connect(server, receive_buffer=64 * 1024)
        client.send(get("/large"))
        client.read_head()
        server.terminate()
        self.assert_refuses(server)
        begin = time.monotonic()
        server.terminate()
        self.assertEqual(server.wait(), 1)
        self.assert_took(begin, 0, BUSY)
        self.assertIn("1 were cut", server.output)

    def test_drain_while_full(self) -> None:
        """Those who wait for room are let go, too."""
        server = self.serve("hello", "--workers", "1", "--max-connections", "2")
        served = [self.connect(server) for _ in range(2)]
        for client in served:
            client.exchange(get())
        waiting = [self.connect(server) for _ in range(5)]
        server.terminate()
        for client in served:
            client.expect_end()
            client.close()
        for client in waiting:
            client.close()
        self.assertEqual(server.wait(), 0)

    def test_no_response_is_cut(self) -> None:
        """Clients that never pause see whole responses and then a proper end, nothing else.

        A request may cross with the end of an idle connection; then nothing of an answer comes.
        """
        directory = self.make_directory()
        content = self.make_file(directory, "file", 300_000)
        server = self.serve("enduring", directory, "--workers", "2", "--keepalive-requests", "0")
        faults: list[str] = []
        counts: list[int] = []

        def ask() -> None:
            count = 0
            with Client(server.address) as client:
                try:
                    while True:
                        client.send(get("/file"))
                        if not client.wait_readable(scaled(15)):
                            raise ProtocolError("no answer")
                        first = client.receive_some()
                        if not first:
                            break
                        client._received[:0] = first
                        response = client.read_response()
                        if response.body != content:
                            raise ProtocolError("wrong bytes")
                        count += 1
                        if response.closes:
                            client.expect_end()
                            break
                except (OSError, ProtocolError) as error:
                    faults.append(repr(error))
            counts.append(count)

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(16)]
        for thread in threads:
            thread.start()
        time.sleep(scaled(0.5))
        server.terminate()
        self.assertEqual(server.wait(), 0)
        for thread in threads:
            thread.join(scaled(15))
        self.assertEqual(faults, [])
        self.assertEqual(len(counts), 16)
        self.assertGreater(sum(counts), 16)

    def test_drain_under_load(self) -> None:
        """Small answers as fast as they go. Only a request that crosses with the end is lost."""
        connections = 32
        server = self.serve("hello", "--workers", "2", "--keepalive-requests", "0")
        load = subprocess.Popen(
            [BIN / "load", "--port", str(server.port), "--connections", str(connections)]
            + ["--seconds", "2"],
            stdout=subprocess.PIPE,
        )
        harness.wait_until(lambda: server.processor_ticks() > 20, "the load is felt")
        server.terminate()
        self.assertEqual(server.wait(), 0)
        output, _ = load.communicate(timeout=scaled(30))
        report = json.loads(output)
        errors = report["errors"]
        # Once the server is gone, load tries in vain to connect until its time is up.
        errors.pop("connect")
        self.assertLessEqual(errors.pop("closed_early"), connections)
        self.assertEqual(errors, dict.fromkeys(errors, 0), report)
        self.assertGreater(report["requests"], connections)


if __name__ == "__main__":
    harness.main()
