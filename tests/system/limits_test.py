"""The limits of a connection's life that lifecycle_test.py leaves: age, rates, what is announced, and
who may come. Each with its value, its effect, what the client sees, and the reason that is counted."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

import harness
from harness import CLOCK_SLACK, Client, Server, SystemTest, get, milliseconds, post, scaled

GRACE = 5.0  # seconds before rates are judged
BUSY = scaled(4)  # seconds that a busy machine may add to what is measured
FAR = "60s"


class Announced(SystemTest):
    def test_keep_alive_field(self) -> None:
        """What is left is true, and is not said where nothing is left."""
        server = self.serve("hello", "--keepalive-header", "--keepalive-timeout", "7s",
                            "--keepalive-requests", "3")
        for request in (get(), get("/", "Connection: keep-alive", version="1.0")):
            client = self.connect(server)
            for left in (2, 1):
                response = client.exchange(request)
                self.assertEqual(response.field("Connection"), "keep-alive")
                self.assertEqual(response.field("Keep-Alive"), f"timeout=7, max={left}")
            last = client.exchange(request)
            self.assertTrue(last.closes)
            self.assertIsNone(last.field("Keep-Alive"))
            client.expect_end()
        self.assert_closed(server, "keepalive_requests", 2)

    def test_no_field_by_default(self) -> None:
        server = self.serve("hello")
        response = self.connect(server).exchange(get())
        self.assertIsNone(response.field("Keep-Alive"))
        self.assertIsNone(response.field("Connection"))


class Age(SystemTest):
    AGE = scaled(1.5)

    def test_next_response_says_close(self) -> None:
        """Not before nine tenths of the age, and not later than its eleven tenths."""
        server = self.serve("hello", "--workers", "1", "--connection-max-age",
                            milliseconds(self.AGE), "--keepalive-requests", "0")
        begin = time.monotonic()
        clients = [self.connect(server) for _ in range(24)]
        ends = []
        while clients:
            for client in list(clients):
                if client.exchange(get()).closes:
                    ends.append(time.monotonic() - begin)
                    client.expect_end()
                    clients.remove(client)
            time.sleep(0.005)
        self.assertGreaterEqual(min(ends), self.AGE * 0.9 - CLOCK_SLACK)
        self.assertLess(max(ends), self.AGE * 1.1 + BUSY)
        # Those that began together do not end together.
        self.assertGreater(max(ends) - min(ends), self.AGE * 0.1)
        self.assert_closed(server, "max_age", 24)

    def test_age_does_not_close_what_is_idle(self) -> None:
        server = self.serve("hello", "--connection-max-age", "200ms")
        client = self.connect(server)
        self.assertFalse(client.exchange(get()).closes)
        self.assertFalse(client.wait_readable(scaled(0.6)))
        self.assertTrue(client.exchange(get()).closes)
        client.expect_end()
        self.assert_closed(server, "max_age")


class Rates(SystemTest):
    def send_steadily(self, client: Client, bytes_per_s: int, seconds: float) -> None:
        """Pieces of a tenth of a second each, as long as the server takes them."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                client.send(b"x" * (bytes_per_s // 10))
            except ConnectionError:
                return
            time.sleep(0.1)

    def test_body_min_rate(self) -> None:
        """At the default of 240 bytes a second, judged from 5 s on."""
        server = self.serve("conformance", "--body-timeout", FAR)
        head = get("/", "Content-Length: 100000", method="POST")
        slow, fast, silent = (self.connect(server) for _ in range(3))
        for client in (slow, fast, silent):
            client.send(head + b"x")
        begin = time.monotonic()
        threads = [
            threading.Thread(target=self.send_steadily, args=(slow, 100, GRACE + 3)),
            threading.Thread(target=self.send_steadily, args=(fast, 2000, GRACE + 1.5)),
        ]
        for thread in threads:
            thread.start()
        for client in (slow, silent):
            response = client.read_response()
            self.assertEqual((response.status, response.closes), (408, True))
            self.assert_took(begin, GRACE, GRACE + BUSY)
        for thread in threads:
            thread.join()
        self.assertFalse(fast.wait_readable(0), "who is fast enough goes on")
        slow.expect_end()
        slow.close()
        silent.close()
        self.assert_closed(server, "body_min_rate", 2)

    def test_write_min_rate(self) -> None:
        """Who takes too little is cut by a reset, who takes enough is not."""
        directory = self.make_directory()
        content = self.make_file(directory, "large", 12 << 20)
        server = self.serve("enduring", directory, "--write-timeout", FAR,
                            "--write-min-rate", "100k")
        slow = self.connect(server, receive_buffer=16 * 1024)
        fast = self.connect(server, receive_buffer=64 * 1024)
        begin = time.monotonic()
        for client in (slow, fast):
            client.send(get("/large"))
            self.assertEqual(client.read_head()[0], 200)
        received = b""
        was_reset = False
        while time.monotonic() - begin < GRACE + 1:
            received += fast.read_exactly(len(content) // 64 if len(received) < len(content) // 2
                                          else 4096)
            if not was_reset:
                try:
                    slow.receive_some(1000)
                except ConnectionResetError:  # is told once
                    was_reset = True
            time.sleep(0.1)
        self.assert_closed(server, "write_min_rate")
        self.assert_took(begin, GRACE, GRACE + 1 + BUSY)
        if not was_reset:
            with self.assertRaises(ConnectionResetError):
                while slow.receive_some():
                    pass
        received += fast.read_exactly(len(content) - len(received))
        self.assertTrue(received == content, "other bytes")


class Discarded(SystemTest):
    def test_discard_max(self) -> None:
        """An unwanted content up to the limit is dropped and the connection persists; a larger one
        is not read."""
        server = self.serve("hello", "--discard-max", "1000")
        client = self.connect(server)
        small = client.exchange(post(b"x" * 1000))
        self.assertEqual((small.status, small.closes), (405, False))
        large = client.exchange(post(b"x" * 1001))
        self.assertEqual((large.status, large.closes), (405, True))
        client.expect_end()
        client.close()
        self.assert_closed(server, "server_close")


class Sizes(SystemTest):
    def test_each(self) -> None:
        """One more than may be is refused with its status, and the close that follows is counted."""
        server = self.serve("conformance", "--max-head", "1k", "--max-target", "100",
                            "--max-headers", "5", "--max-body", "1000")
        fields = [f"A{i}: x" for i in range(10)]
        requests = {
            431: [get("/", f"A: {'x' * 1000}"), get("/", *fields[:5])],
            414: [get("/" + "x" * 100)],
            413: [post(b"x" * 1001)],
        }
        good = [get("/", f"A: {'x' * 900}"), get("/", *fields[:4]), post(b"x" * 1000)]
        for request in good:
            response = self.connect(server).exchange(request)
            self.assertEqual((response.status, response.closes), (200, False))
        count = 0
        for status, refused in requests.items():
            for request in refused:
                client = self.connect(server)
                response = client.exchange(request)
                self.assertEqual((response.status, response.closes), (status, True))
                client.expect_end()
                client.close()
                count += 1
        self.assert_closed(server, "protocol_error", count)


class Room(SystemTest):
    def test_the_longest_idle_makes_room(self) -> None:
        server = self.serve("hello", "--workers", "1", "--max-connections", "4")
        clients = [self.connect(server) for _ in range(4)]
        for i in (3, 1, 0, 2):
            self.assertEqual(clients[i].exchange(get()).status, 200)
            time.sleep(CLOCK_SLACK)
        for count, i in enumerate((3, 1, 0), 1):
            newcomer = self.connect(server)
            self.assertEqual(newcomer.exchange(get()).status, 200)
            clients[i].expect_end()
            self.assertEqual(server.closed("evicted"), count)
        self.assertEqual(clients[2].exchange(get()).status, 200)

    def test_with_none_idle_newcomers_wait(self) -> None:
        """Until one of those who are there comes to rest."""
        server = self.serve("conformance", "--workers", "1", "--max-connections", "2")
        busy = [self.connect(server) for _ in range(2)]
        request = post(b"x" * 10)
        for client in busy:
            client.exchange(get())
            client.send(request[:-1])
        newcomers = [self.connect(server) for _ in range(12)]
        for client in newcomers:
            client.send(get("/", "Connection: close"))
        self.assertFalse(any(client.wait_readable(0.05) for client in newcomers))
        self.assertEqual(server.metrics()["enduring_connections_open"], 2)
        busy[0].send(request[-1:])
        self.assertEqual(busy[0].read_response().status, 200)
        for client in newcomers:
            self.assertEqual(client.read_response().status, 200)
            client.close()
        busy[0].expect_end()
        self.assertEqual(server.closed("evicted"), 1)
        busy[1].send(request[-1:])
        self.assertEqual(busy[1].read_response().status, 200)

    def test_flood_of_newcomers(self) -> None:
        """Many more than there is room for come and go at once: each is served."""
        server = self.serve("hello", "--workers", "2", "--max-connections", "20")
        for _ in range(10):
            clients = [Client(server.address) for _ in range(60)]
            try:
                for client in clients:
                    client.send(get())
                for client in clients:
                    self.assertEqual(client.read_response().status, 200)
            finally:
                for client in clients:
                    client.close()


class PerAddress(SystemTest):
    def connect_from(self, server: Server, source: str) -> Client:
        client = Client(server.address, source=source)
        self.addCleanup(client.close)
        return client

    def test_one_too_many(self) -> None:
        for workers in ("1", "2"):
            server = self.serve("hello", "--workers", workers, "--max-connections-per-ip", "3")
            clients = [self.connect(server) for _ in range(3)]
            for client in clients:
                self.assertEqual(client.exchange(get()).status, 200)
            surplus = self.connect(server)
            response = surplus.exchange(get())
            self.assertEqual((response.status, response.closes), (429, True))
            surplus.expect_end()
            surplus.close()
            self.assert_closed(server, "connections_per_ip")
            other = self.connect_from(server, "127.0.0.2")
            self.assertEqual(other.exchange(get()).status, 200)
            clients.pop().close()
            self.assert_closed(server, "peer")
            again = self.connect(server)
            self.assertEqual(again.exchange(get()).status, 200)

    def test_one_too_many_that_says_nothing(self) -> None:
        """It is ended soon."""
        server = self.serve("hello", "--max-connections-per-ip", "1", "--linger-timeout", "0")
        self.connect(server).exchange(get())
        surplus = self.connect(server)
        begin = time.monotonic()
        surplus.expect_end()
        self.assert_took(begin, 1.9, 2 + BUSY)
        surplus.close()
        self.assert_closed(server, "connections_per_ip")

    def test_sockets_without_addresses_have_no_limit(self) -> None:
        path = self.make_directory() / "socket"
        server = self.serve("hello", "--max-connections-per-ip", "1", listen=[f"unix:{path}"])
        clients = [self.connect(server) for _ in range(5)]
        for client in clients:
            self.assertEqual(client.exchange(get()).status, 200)


    def test_surplus_makes_room(self) -> None:
        """Silent connections beyond the limit cannot keep others away."""
        server = self.serve("hello", "--workers", "1", "--max-connections", "6",
                            "--max-connections-per-ip", "2")
        silent = [self.connect(server) for _ in range(6)]
        harness.wait_until(
            lambda: server.metrics()["enduring_connections_open"] == 6, "all are accepted"
        )
        begin = time.monotonic()
        other = self.connect_from(server, "127.0.0.2")
        self.assertEqual(other.exchange(get()).status, 200)
        self.assert_took(begin, 0, scaled(1))
        self.assertGreaterEqual(server.closed("connections_per_ip"), 1)
        for client in silent:
            client.close()


def probe(url: str) -> int:
    status, output, errors = harness.run_program("hello", "--probe", url)
    assert not errors, errors
    assert output.startswith("hello: the answer is "), output
    return status


class HugePages(SystemTest):
    # They would round up what is used here and there, against a container's limit of memory.
    def test_are_not_taken(self) -> None:
        server = self.serve("hello")
        status = (Path("/proc") / str(server.pid) / "status").read_text()
        if "THP_enabled" not in status:
            self.skipTest("this kernel does not tell")
        self.assertIn("THP_enabled:\t0\n", status)


class Probes(SystemTest):
    def test_of_a_server(self) -> None:
        server = self.serve("hello")
        self.assertEqual(probe(f"http://127.0.0.1:{server.port}/"), 0)
        self.assertEqual(probe(f"http://localhost:{server.port}"), 0)
        self.assertEqual(probe(f"http://127.0.0.1:{server.port}/not/there"), 0)
        self.assertEqual(probe(f"unix:{server.admin_address}:/readyz"), 0)


class DrainDelay(SystemTest):
    def test_all_goes_on_but_readiness(self) -> None:
        delay = scaled(1.0)
        server = self.serve("hello", "--drain-delay", milliseconds(delay))
        self.assertEqual(server.ask_admin("/readyz").status, 200)
        idle = self.connect(server)
        idle.exchange(get())
        begin = time.monotonic()
        server.terminate()
        harness.wait_until(lambda: server.ask_admin("/readyz").status == 503, "not ready")
        self.assertEqual(server.ask_admin("/healthz").status, 200)
        self.assertEqual(probe(f"unix:{server.admin_address}:/healthz"), 0)
        self.assertEqual(probe(f"unix:{server.admin_address}:/readyz"), 1)
        newcomer = self.connect(server)
        self.assertFalse(newcomer.exchange(get()).closes)
        self.assertFalse(idle.exchange(get()).closes)
        idle.expect_end()
        newcomer.expect_end()
        self.assert_took(begin, delay, delay + BUSY)
        self.assertEqual(server.wait(), 0)

    def test_a_second_signal_ends_the_delay(self) -> None:
        server = self.serve("hello", "--drain-delay", FAR)
        client = self.connect(server)
        client.exchange(get())
        server.terminate()
        harness.wait_until(lambda: server.ask_admin("/readyz").status == 503, "not ready")
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        client.expect_end()
        self.assertEqual(server.wait(), 0)
        self.assert_took(begin, 0, BUSY)


class EmptyLines(SystemTest):
    def test_in_pieces(self) -> None:
        """They cannot keep a connection."""
        server = self.serve("hello", "--header-timeout", milliseconds(scaled(0.6)))
        client = self.connect(server)
        client.exchange(get())
        begin = time.monotonic()
        while not client.wait_readable(0.02):
            for octet in (b"\r", b"\n"):
                client.send(octet)
                time.sleep(0.02)
            self.assertLess(time.monotonic() - begin, scaled(0.6) + BUSY)

    def test_at_the_beginning(self) -> None:
        server = self.serve("hello", "--header-timeout", milliseconds(scaled(0.6)))
        client = self.connect(server)
        begin = time.monotonic()
        client.send(b"\r\n")
        client.expect_end()
        self.assert_took(begin, scaled(0.5), scaled(0.6) + BUSY)


class LastResponse(SystemTest):
    def test_newcomers_do_not_destroy_it(self) -> None:
        """A client that still sends gets its refusal while another one waits for a place."""
        server = self.serve("conformance", "--workers", "1", "--max-connections", "1",
                            "--max-body", "1000")
        client = self.connect(server)
        client.send(get("/", "Content-Length: 1000000", method="POST"))
        newcomer = self.connect(server)
        newcomer.send(get("/", "Connection: close"))
        for _ in range(40):
            client.send(b"x" * 1000)
            time.sleep(0.005)
        response = client.read_response()
        self.assertEqual((response.status, response.closes), (413, True))
        client.close()
        self.assertEqual(newcomer.read_response().status, 200)


class IdleRace(SystemTest):
    def test_request_that_meets_the_timeout(self) -> None:
        """It is answered whole or not at all, and then the end is a clean one."""
        timeout = 0.2
        server = self.serve("hello", "--keepalive-timeout", milliseconds(timeout))
        answered = ended = 0
        for i in range(30):
            client = self.connect(server)
            client.exchange(get())
            time.sleep(timeout - 0.01 + i * 0.001)
            try:
                client.send(get())
                first = client.socket.recv(1, socket.MSG_PEEK)
            except ConnectionError as error:
                self.fail(f"the idle connection was not ended properly: {error}")
            if first:
                self.assertEqual(client.read_response().status, 200)
                answered += 1
            else:
                ended += 1
            client.close()
        self.assertEqual(answered + ended, 30)
        self.assert_closed(server, "keepalive_timeout", ended)


if __name__ == "__main__":
    harness.main()
