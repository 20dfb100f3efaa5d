"""The program events: what is sent in pieces for as long as the client listens."""

from __future__ import annotations

import time

import harness
from harness import Client, Server, SystemTest, get, scaled, wait_until


def read_chunk(client: Client) -> bytes:
    size = b""
    while not size.endswith(b"\r\n"):
        size += client.read_exactly(1)
    chunk = client.read_exactly(int(size, 16) + 2)
    assert chunk.endswith(b"\r\n"), chunk
    return chunk[:-2]


class EventsTest(SystemTest):
    def listen(self, server: Server, *fields: str) -> Client:
        client = self.connect(server)
        client.send(get("/events", *fields))
        status, head = client.read_head()
        self.assertEqual(status, 200)
        named = {name.lower(): value for name, value in head}
        self.assertEqual(named["content-type"], "text/event-stream")
        self.assertEqual(named["transfer-encoding"], "chunked")
        return client

    def test_tells_events_in_time(self) -> None:
        server = self.serve("events", "--interval-ms", "100")
        client = self.listen(server)
        begin = time.monotonic()
        for number in range(1, 6):
            self.assertEqual(read_chunk(client), b"id: %d\ndata: %d\n\n" % (number, number))
        self.assert_took(begin, 0.4, 0.4 + scaled(1))

    def test_goes_on_where_the_client_was(self) -> None:
        server = self.serve("events", "--interval-ms", "20")
        client = self.listen(server, "Last-Event-ID: 41")
        self.assertEqual(read_chunk(client), b"id: 42\ndata: 42\n\n")
        client = self.listen(server, "Last-Event-ID: none")
        self.assertEqual(read_chunk(client), b"id: 1\ndata: 1\n\n")

    def test_ends_when_the_client_leaves(self) -> None:
        server = self.serve("events", "--interval-ms", "5")
        before = server.descriptors()
        clients = [self.listen(server) for _ in range(20)]
        for client in clients:
            read_chunk(client)
        for number, client in enumerate(clients):
            client.reset() if number % 2 else client.close()
        wait_until(lambda: server.descriptors() <= before, "the descriptors to come back")
        self.assert_serves(server)

    def test_ends_its_streams_when_the_server_stops(self) -> None:
        server = self.serve("events", "--interval-ms", "50", "--drain-timeout", "60s")
        clients = [self.listen(server) for _ in range(20)]
        begin = time.monotonic()
        server.terminate()
        for client in clients:
            while chunk := read_chunk(client):
                self.assertTrue(chunk.startswith(b"id: "), chunk)
            client.expect_end()
        self.assertEqual(server.wait(), 0)
        self.assert_took(begin, 0, scaled(5))

    def test_answers_head_and_others(self) -> None:
        server = self.serve("events")
        client = self.connect(server)
        client.send(get("/events", method="HEAD"))
        status, head = client.read_head()
        self.assertEqual((status, dict(head)["Content-Type"]), (200, "text/event-stream"))
        response = client.exchange(get("/"))
        self.assertEqual(response.status, 200)
        self.assertIn(b'EventSource("/events")', response.body)
        self.assertEqual(client.exchange(get("/events", method="DELETE")).status, 405)

    def test_old_clients_get_events_until_they_leave(self) -> None:
        server = self.serve("events", "--interval-ms", "20")
        client = self.connect(server)
        client.send(get("/events", version="1.0"))
        status, head = client.read_head()
        self.assertEqual(status, 200)
        self.assertNotIn("transfer-encoding", {name.lower() for name, _ in head})
        expected = b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n"
        self.assertEqual(client.read_exactly(len(expected)), expected)


if __name__ == "__main__":
    harness.main()
