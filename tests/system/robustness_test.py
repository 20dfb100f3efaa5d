"""Clients that misbehave at random cost nothing but their own connection, and idleness is free."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable

import harness
from harness import BIN, Client, Server, SystemTest, get, post, scaled

SECONDS = scaled(2)  # of random load, for each server
THREADS = 8
SEED = 20240229
FLAGS = ("--workers", "2", "--keepalive-requests", "0")


class Misbehaviour:
    """One client after another, each of which ends where chance has it."""

    def __init__(self, server: Server, requests: list[bytes], seed: int) -> None:
        self._server = server
        self._requests = requests
        self._random = random.Random(seed)
        self.connections = 0
        self.fault: BaseException | None = None

    def run(self, deadline: float) -> None:
        try:
            while time.monotonic() < deadline:
                self._connect_and_end()
                self.connections += 1
        except BaseException as error:  # noqa: BLE001 - reported by the test
            self.fault = error

    def _connect_and_end(self) -> None:
        small = self._random.random() < 0.3
        client = Client(self._server.address, receive_buffer=4096 if small else None)
        # The server may cut the connection before we do: it was sent garbage, or we are slow.
        try:
            for _ in range(self._random.randrange(1, 4)):
                self._send_something(client)
                if self._random.random() < 0.7:
                    self._read_something(client)
        except OSError:
            pass
        finally:
            self._random.choice([client.close, client.reset, self._half_close_and(client)])()

    def _send_something(self, client: Client) -> None:
        octets = b"".join(self._random.choices(self._requests, k=self._random.randrange(1, 12)))
        action = self._random.randrange(5)
        if action == 0:
            octets = octets[: self._random.randrange(len(octets))]
        elif action == 1:
            position = self._random.randrange(len(octets))
            octets = octets[:position] + self._random.randbytes(3) + octets[position + 3 :]
        elif action == 2:
            position = self._random.randrange(len(octets))
            client.socket.send(octets[:position])
            octets = octets[position:]
        # Not sendall: with both sides' buffers full it would wait for us to read.
        client.socket.settimeout(0.01)
        try:
            client.socket.send(octets)
        except TimeoutError:
            pass

    def _read_something(self, client: Client) -> None:
        client.socket.settimeout(0.05)
        try:
            for _ in range(self._random.randrange(1, 8)):
                if not client.receive_some(self._random.choice([1, 100, 65536])):
                    return
        except TimeoutError:
            pass

    def _half_close_and(self, client: Client) -> Callable[[], None]:
        def end() -> None:
            try:
                client.half_close()
            except OSError:
                pass
            self._random.choice([client.close, client.reset])()

        return end


class RandomClients(SystemTest):
    def run_clients(self, server: Server, requests: list[bytes]) -> None:
        """Afterwards all descriptors are back; when it ends, the server counts what it lent."""
        before = server.descriptors()
        clients = [Misbehaviour(server, requests, SEED + i) for i in range(THREADS)]
        deadline = time.monotonic() + SECONDS
        threads = [
            threading.Thread(target=client.run, args=(deadline,), daemon=True)
            for client in clients
        ]
        for thread in threads:
            thread.start()
        # Whoever behaves is served all the while.
        answered = 0
        with Client(server.address) as client:
            while any(thread.is_alive() for thread in threads):
                self.assertEqual(client.exchange(get("/")).status, 200)
                answered += 1
        for thread in threads:
            thread.join()
        self.assertEqual([c.fault for c in clients if c.fault], [])
        self.assertGreater(sum(c.connections for c in clients), 4 * THREADS)
        self.assertGreater(answered, 10)
        harness.wait_until(lambda: server.descriptors() == before, "descriptors come back")
        self.assert_serves(server)
        server.stop()
        self.assertIn("; 0 were cut", server.output)

    def test_conformance(self) -> None:
        chunked = get("/", "Transfer-Encoding: chunked", method="POST")
        requests = [
            get(),
            get("/echo", *(f"X-{i}: {'v' * i}" for i in range(90))),
            post(b"small"),
            post(harness.patterned(50_000)),
            post(harness.patterned(500_000)),
            chunked + b"4000\r\n" + b"x" * 0x4000 + b"\r\n5\r\nhello\r\n0\r\n\r\n",
            get("/", "Content-Length: 5", "Expect: 100-continue", method="POST"),
            get("/none", "Content-Length: 300000", method="POST") + b"y" * 300_000,
            b"GET / HTTP/1.1\r\n\r\n",
        ]
        # Few receive buffers, so that they run short, too.
        server = self.serve("conformance", "--recv-buffers", "16", *FLAGS)
        self.run_clients(server, requests)

    def test_files(self) -> None:
        directory = self.make_directory()
        for name, size in (("index.html", 100), ("middle", 70_000), ("large", 8 << 20)):
            self.make_file(directory, name, size)
        requests = [
            get(),
            get("/middle"),
            get("/large"),
            get("/large", "Range: bytes=70000-270000"),
            get("/large", "Connection: close"),
            get("/large", method="HEAD"),
            get("/none"),
        ]
        server = self.serve("enduring", directory, *FLAGS)
        self.run_clients(server, requests)

    def test_drain_in_the_middle(self) -> None:
        """The server ends properly while they go on."""
        directory = self.make_directory()
        for name, size in (("index.html", 100), ("large", 8 << 20)):
            self.make_file(directory, name, size)
        limits = ("--drain-timeout", "3s", "--linger-timeout", "200ms", "--header-timeout", "1s")
        server = self.serve("enduring", directory, "--workers", "2", *limits)
        requests = [get(), get("/large"), get("/large", "Range: bytes=-200000")]
        clients = [Misbehaviour(server, requests, SEED + i) for i in range(THREADS)]
        deadline = time.monotonic() + 60
        threads = [
            threading.Thread(target=client.run, args=(deadline,), daemon=True)
            for client in clients
        ]
        for thread in threads:
            thread.start()
        time.sleep(scaled(0.5))
        server.terminate()
        self.assertEqual(server.wait(), 0)
        for thread in threads:
            thread.join(scaled(15))
        for client in clients:
            self.assertIsInstance(client.fault, ConnectionError, "the server is gone")


class Resets(SystemTest):
    def test_at_each_point_of_an_exchange(self) -> None:
        """A reset after each number of bytes sent, and after each step of the response."""
        server = self.serve("conformance")
        before = server.descriptors()
        request = post(b"hello world") + get()
        for count in range(len(request) + 1):
            for wait in (False, True):
                with Client(server.address) as client:
                    client.send(request[:count])
                    if wait:
                        client.wait_readable(0.0005)
                    client.reset()
        content = harness.patterned(1 << 20)
        with self.subTest("while the answer is on its way"):
            for read in (0, 1, 1000, 100_000, 1_000_000):
                client = Client(server.address, receive_buffer=16 * 1024)
                client.send(post(content) * 2)
                client.read_exactly(read)
                client.reset()
        harness.wait_until(lambda: server.descriptors() == before, "descriptors come back")
        self.assert_serves(server)

    def test_before_the_accept(self) -> None:
        """Connections that are dead when they are accepted."""
        server = self.serve("hello", "--workers", "1")
        before = server.descriptors()
        for _ in range(300):
            Client(server.address).reset()
        harness.wait_until(lambda: server.descriptors() == before, "descriptors come back")
        self.assert_serves(server)

    def test_many_at_once(self) -> None:
        server = self.serve("hello")
        before = server.descriptors()
        for end in (Client.reset, Client.close):
            clients = [Client(server.address) for _ in range(500)]
            for client in clients:
                client.send(get() * 3)
            for client in clients:
                end(client)
            harness.wait_until(lambda: server.descriptors() == before, "descriptors come back")
        self.assert_serves(server)


class Idleness(SystemTest):
    PERIOD = 2.0

    def measure(self, server: Server) -> tuple[int, int]:
        """Clock ticks and context switches of a while in which nothing happens."""
        ticks, switches = server.processor_ticks(), server.context_switches()
        time.sleep(self.PERIOD)
        return server.processor_ticks() - ticks, server.context_switches() - switches

    def test_idle_connections_take_no_time(self) -> None:
        server = self.serve("hello", *FLAGS)
        # What the build itself does in the background (sanitizers have a thread) is no concern.
        _, background = self.measure(server)
        subprocess.run(
            [BIN / "load", "--port", str(server.port), "--connections", "64", "--seconds", "1"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        clients = [self.connect(server) for _ in range(100)]
        for client in clients:
            client.exchange(get())
        # The load's connections are gone when only ours are left: then nothing lingers.
        count = server.descriptors()
        harness.wait_until(lambda: server.descriptors() <= count, "the load's connections end")
        ticks, switches = self.measure(server)
        self.assertLessEqual(ticks, 1)
        self.assertLessEqual(switches, background + 6)
        for client in clients:
            client.exchange(get())


if __name__ == "__main__":
    harness.main()
