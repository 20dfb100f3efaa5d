"""A server that cannot run for a while does not blame its clients for it."""

from __future__ import annotations

import signal
import time

import harness
from harness import Client, Server, SystemTest, get, milliseconds, post, scaled

LIMIT = scaled(1.0)  # seconds that a head or a content may take
STALL = LIMIT * 1.5
CLIENTS = 64


class Stall(SystemTest):
    """The server is stopped for longer than a limit. What comes meanwhile has come in time."""

    def check(self, buffers: int, ready: bytes, before: bytes, meanwhile: bytes) -> None:
        server = self.serve(
            "conformance", "--workers", "1", "--recv-buffers", str(buffers), "--recv-buffer-size",
            "1k", "--header-timeout", milliseconds(LIMIT), "--body-timeout", milliseconds(LIMIT),
        )
        clients = [self.connect(server) for _ in range(CLIENTS)]
        for client in clients:
            if ready:
                self.assertEqual(client.exchange(ready).status, 200)
        for client in clients:
            client.send(before)
        time.sleep(LIMIT / 5)  # the server has taken it, or at least the connection
        self.stop_for_a_while(server, clients, meanwhile)
        statuses = [client.read_response().status for client in clients]
        self.assertEqual(statuses, [200] * CLIENTS)

    def stop_for_a_while(self, server: Server, clients: list[Client], meanwhile: bytes) -> None:
        server.process.send_signal(signal.SIGSTOP)
        try:
            for client in clients:
                client.send(meanwhile)
            time.sleep(STALL)
        finally:
            server.process.send_signal(signal.SIGCONT)

    def test_first_bytes(self) -> None:
        self.check(2048, b"", b"", get())

    def test_rest_of_a_head(self) -> None:
        self.check(2048, get(), get()[:20], get()[20:])

    def test_rest_of_a_content(self) -> None:
        request = post(b"x" * 900)
        self.check(2048, b"", request[:-500], request[-500:])

    def test_few_buffers(self) -> None:
        request = post(b"x" * 900)
        self.check(8, get(), request[:20], request[20:])

    def test_who_sends_nothing_is_still_ended(self) -> None:
        server = self.serve("conformance", "--header-timeout", milliseconds(LIMIT))
        client = self.connect(server)
        client.send(get()[:20])
        time.sleep(LIMIT / 5)
        self.stop_for_a_while(server, [], b"")
        self.assertEqual(client.read_response().status, 408)
        client.expect_end()


if __name__ == "__main__":
    harness.main()
