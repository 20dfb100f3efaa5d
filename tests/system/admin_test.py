"""What the admin listener tells of a server: metrics, and connections."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import harness
from harness import Client, ProtocolError, Server, SystemTest, get, post, scaled
from workers_test import frozen, threads_of

BUSY = scaled(4)  # seconds that a busy machine may add to what is measured
PROMTOOL = shutil.which("promtool")


def samples(server: Server, name: str) -> list[tuple[dict[str, str], float]]:
    """Those of one name: labels and value."""
    text = server.ask_admin("/metrics").body.decode()
    return [(labels, number) for found, labels, number in harness.parse_samples(text) if found == name]


def requests(server: Server) -> dict[tuple[str, str], float]:
    """Answers of all workers by method and class of status."""
    counts: dict[tuple[str, str], float] = {}
    for labels, number in samples(server, "enduring_requests_total"):
        key = labels["method"], labels["status"]
        counts[key] = counts.get(key, 0) + number
    return counts


def answering(server: Server) -> list[float]:
    """Whether each worker answers."""
    return [number for _, number in samples(server, "enduring_worker_answers")]


def connections(server: Server) -> dict[str, list[dict[str, object]]]:
    response = server.ask_admin("/connections")
    assert response.status == 200 and response.field("Content-Type") == "application/json"
    return json.loads(response.body)  # type: ignore[no-any-return]


class Requests(SystemTest):
    def load(self, server: Server) -> dict[tuple[str, str], float]:
        """Sends requests of several kinds; gives what must be counted of them."""
        for number in range(20):
            client = self.connect(server)
            for _ in range(number):
                self.assertEqual(client.exchange(get()).status, 200)
            client.send(get("/", method="HEAD"))
            self.assertEqual(client.read_response(to_head=True).status, 200)
            self.assertEqual(client.exchange(get("/not/there")).status, 404)
            self.assertEqual(client.exchange(post(b"x")).status, 405)
            if number % 2 == 0:
                client.send(b"rubbish\r\n\r\n")
                self.assertEqual(client.read_response().status, 400)
            client.close()
        return {("GET", "2xx"): 190, ("HEAD", "2xx"): 20, ("GET", "4xx"): 20, ("POST", "4xx"): 20,
                ("none", "4xx"): 10}

    def test_counts(self) -> None:
        server = self.serve("hello", "--workers", "2")
        sent = self.load(server)
        self.assertEqual(requests(server), sent)
        metrics = server.metrics()
        self.assertEqual(metrics["enduring_request_duration_seconds_count"], sum(sent.values()))
        self.assertEqual(
            metrics['enduring_request_duration_seconds_bucket{le="+Inf"}'], sum(sent.values())
        )
        self.assertGreater(metrics["enduring_request_duration_seconds_sum"], 0)
        self.assertGreater(metrics["enduring_submissions_total"], 20)
        harness.wait_until(
            lambda: server.metrics()["enduring_connections_open"] == 0, "all connections end"
        )
        closed = samples(server, "enduring_connections_closed_total")
        self.assertEqual(sum(number for _, number in closed), 20)
        self.assertEqual(
            {labels["worker"] for labels, number in closed if number > 0}, {"0", "1"}
        )

    def test_duration(self) -> None:
        """It begins with the end of the head, not with its beginning."""
        server = self.serve("hello")
        client = self.connect(server)
        request = post(b"four")
        client.send(request[:20])
        time.sleep(scaled(0.6))
        begun = time.monotonic()
        client.send(request[20:-4])
        time.sleep(scaled(0.3))
        client.send(request[-4:])
        self.assertEqual(client.read_response().status, 405)
        most = time.monotonic() - begun + 0.01
        metrics = server.metrics()
        self.assertEqual(metrics["enduring_request_duration_seconds_count"], 1)
        taken = metrics["enduring_request_duration_seconds_sum"]
        self.assertGreaterEqual(taken, 0.7 * scaled(0.3))
        self.assertLessEqual(taken, most)


class Format(SystemTest):
    def test_promtool(self) -> None:
        if PROMTOOL is None:
            self.skipTest("promtool is not installed")
        directory = self.make_directory()
        server = self.serve("hello", "--workers", "2", "--access-log", directory / "log")
        with Client(server.address) as client:
            client.exchange(get())
        text = server.ask_admin("/metrics").body
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True,
                              timeout=scaled(20), check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


    def test_documentation(self) -> None:
        """It has all that there is, and nothing else."""
        page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
        directory = self.make_directory()
        server = self.serve("hello", "--access-log", directory / "log")
        text = server.ask_admin("/metrics").body.decode()
        families = set(re.findall(r"# TYPE (\S+)", text))
        self.assertEqual(set(re.findall(r"`(enduring_\w+)`", page)), families)


class Connections(SystemTest):
    def test_idle_and_slow_ones(self) -> None:
        server = self.serve("hello", "--workers", "2")
        slow = self.connect(server)
        slow.send(get()[:10])
        time.sleep(scaled(0.1))
        idle = [self.connect(server) for _ in range(30)]
        for client in idle:
            client.exchange(get())
        harness.wait_until(
            lambda: server.metrics()['enduring_connections{state="head"}'] == 1, "half a head came"
        )
        metrics = server.metrics()
        self.assertEqual(metrics['enduring_connections{state="idle"}'], 30)
        self.assertEqual(metrics['enduring_connections{state="opening"}'], 0)
        self.assertEqual(metrics["enduring_input_buffers_lent"], 1)
        self.assertEqual(metrics["enduring_receive_buffers_lent"], 0)
        self.assertEqual(metrics["enduring_completion_overflows_total"], 0)
        listed = connections(server)
        self.assertEqual((listed["workers"], listed["silent_workers"]), (2, []))
        self.assertEqual(len(listed["oldest"]), 20)
        self.assertEqual(len(listed["slowest"]), 1)
        for first in (listed["oldest"][0], listed["slowest"][0]):
            name = slow.socket.getsockname()
            self.assertEqual((first["state"], first["requests"]), ("head", 0))
            self.assertEqual(first["peer"], f"{name[0]}:{name[1]}")
            self.assertGreaterEqual(first["age_seconds"], scaled(0.1) - 0.01)
        ages = [row["age_seconds"] for row in listed["oldest"]]
        self.assertEqual(ages, sorted(ages, reverse=True))
        self.assertEqual({row["worker"] for row in listed["oldest"]}, {0, 1})
        self.assertEqual(listed["oldest"][1]["state"], "idle")
        self.assertEqual(listed["oldest"][1]["requests"], 1)

    def test_one_that_does_not_read(self) -> None:
        directory = self.make_directory()
        self.make_file(directory, "large", 4_000_000)
        server = self.serve("enduring", directory, "--workers", "1")
        client = self.connect(server, receive_buffer=4096)
        client.send(get("/large"))
        harness.wait_until(lambda: len(connections(server)["slowest"]) == 1, "it owes room")
        row = connections(server)["slowest"][0]
        self.assertGreater(row["output_bytes"], 1_000_000)
        self.assertEqual(row["requests"], 1)


def silence_in(text: str) -> dict[str, float]:
    """0 for each worker that did not answer in time, 1 for the others."""
    return {labels["worker"]: number for name, labels, number in harness.parse_samples(text)
            if name == "enduring_worker_answers"}


class Troubles(SystemTest):
    def test_drain(self) -> None:
        """It tells of what is left."""
        server = self.serve("hello", "--workers", "2", "--drain-delay", "0")
        slow = self.connect(server)
        slow.exchange(get())
        slow.send(get()[:10])
        harness.wait_until(
            lambda: server.metrics()['enduring_connections{state="head"}'] == 1, "half a head came"
        )
        server.terminate()
        harness.wait_until(lambda: server.ask_admin("/readyz").status == 503, "not ready")
        begin = time.monotonic()
        listed = connections(server)
        self.assert_took(begin, 0, scaled(1))
        self.assertEqual([row["state"] for row in listed["slowest"]], ["head"])
        # The other worker has nothing left to do, and ends.
        worker = listed["slowest"][0]["worker"]
        harness.wait_until(
            lambda: answering(server) == [number == worker for number in range(2)], "one ends"
        )
        slow.send(get()[10:])
        self.assertTrue(slow.read_response().closes)
        self.assertEqual(server.wait(), 0)

    def ask_until_sure(self, server: Server) -> tuple[str, float] | None:
        """What /metrics says, and how long it took, once it says twice in a row who is silent: on a
        busy machine a worker may be late for once. Nothing: it does not answer at all."""
        before: dict[str, float] = {}
        for _ in range(5):
            begin = time.monotonic()
            try:
                with Client(server.admin_address) as admin:
                    admin.socket.settimeout(scaled(3))
                    text = admin.exchange(get("/metrics")).body.decode()
            except ProtocolError:
                return None
            elapsed = time.monotonic() - begin
            found = silence_in(text)
            if found == before:
                return text, elapsed
            before = found
        self.fail("a worker answers now and then")

    def test_worker_that_stands_still(self) -> None:
        server = self.serve("hello", "--workers", "2")
        clients = [self.connect(server) for _ in range(8)]
        for client in clients:
            client.exchange(get())
        self.assertEqual(answering(server), [1, 1])
        silent = []
        for thread in threads_of(server):
            try:
                with frozen(thread):
                    asked = self.ask_until_sure(server)
            except PermissionError:
                self.skipTest("debugging is not permitted here")
            if asked is None:
                continue  # the admin listener's own thread
            text, elapsed = asked
            found = silence_in(text)
            if 0 in found.values():
                silent.append(found)
                self.assertLess(elapsed, 1 + BUSY)
                counted = [labels["worker"] for name, labels, _ in harness.parse_samples(text)
                           if name == "enduring_loop_turns_total"]
                self.assertEqual(counted, ["0", "1"], "what is counted can be seen all the same")
                self.assertEqual(
                    {labels["worker"]: 1 for name, labels, _ in harness.parse_samples(text)
                     if name == "enduring_connections"},
                    {worker: 1 for worker, number in found.items() if number},
                )
        self.assertEqual(
            sorted(silent, key=lambda found: found["0"]),
            [{"0": 0, "1": 1}, {"0": 1, "1": 0}],
        )
        harness.wait_until(lambda: answering(server) == [1, 1], "both answer again")


if __name__ == "__main__":
    harness.main()
