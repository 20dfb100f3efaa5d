"""The access log: a line for each exchange of all workers, a file that is renamed under load, targets
that are slow, full or gone. None of them may cost a request."""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

import harness
from harness import BIN, Client, SystemTest, get, scaled

COMBINED = re.compile(
    r'(\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "([^"]*)" (\d{3}) (\d+) '
    r'"([^"]*)" "([^"]*)"'
)


def wait_for_lines(path: Path, count: int) -> list[str]:
    """The lines of the log once there are so many."""
    harness.wait_until(
        lambda: path.exists() and path.read_bytes().count(b"\n") >= count, f"{count} lines in {path}"
    )
    return path.read_text().splitlines()


def wait_serving(announcements: IO[bytes] | None) -> None:
    """Reads up to the line by which a server says that it serves: a socket's file is there earlier,
    before anybody listens."""
    assert announcements is not None
    said = b""
    while b"serving" not in said:
        ready, _, _ = select.select([announcements], [], [], scaled(15))
        piece = os.read(announcements.fileno(), 4096) if ready else b""
        assert piece, f"the server does not start: {said!r}"
        said += piece


class Lines(SystemTest):
    def test_combined(self) -> None:
        log = self.make_directory() / "log"
        server = self.serve("hello", "--access-log", log)
        client = self.connect(server)
        client.exchange(get("/", 'User-Agent: a "b"', "Referer: http://r/"))
        client.exchange(get("/none?x=%0a"))
        self.assertEqual(client.exchange(b"nonsense\r\n\r\n").status, 400)
        client.expect_end()
        found = [COMBINED.fullmatch(line) for line in wait_for_lines(log, 3)]
        parts = [match.groups() if match else None for match in found[1:]]
        self.assertEqual(
            parts,
            [
                ("127.0.0.1", "GET /none?x=%0a HTTP/1.1", "404", "14", "-", "-"),
                ("127.0.0.1", "nonsense", "400", "16", "-", "-"),
            ],
        )
        first = log.read_text().splitlines()[0]
        self.assertTrue(first.endswith('"http://r/" "a \\"b\\""'), first)

    def test_json(self) -> None:
        log = self.make_directory() / "log"
        server = self.serve("hello", "--access-log", log, "--access-log-format", "json")
        before = time.time()
        self.connect(server).exchange(get("/", 'User-Agent: a"\tb'))
        line = json.loads(wait_for_lines(log, 1)[0])
        written = time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S")
        self.assertLess(abs(calendar.timegm(written) - before), scaled(5))
        self.assertLess(line["took_us"], scaled(5) * 1e6)
        self.assertGreaterEqual(line["took_us"], 0)
        for name in ("time", "took_us"):
            del line[name]
        self.assertEqual(
            line,
            {
                "peer": "127.0.0.1",
                "method": "GET",
                "target": "/",
                "version": "1.1",
                "status": 200,
                "bytes": 13,
                "user_agent": 'a"\tb',
            },
        )

    def test_of_a_socket_there_is_no_peer(self) -> None:
        directory = self.make_directory()
        server = self.serve("hello", "--access-log", directory / "log",
                            listen=[f"unix:{directory}/socket"])
        self.connect(server).exchange(get("/"))
        self.assertTrue(wait_for_lines(directory / "log", 1)[0].startswith("- - - ["))

    def test_who_leaves(self) -> None:
        log = self.make_directory() / "log"
        server = self.serve("arena", "--access-log", log)
        client = self.connect(server)
        client.send(get("/delay/60000"))
        harness.wait_until(
            lambda: server.metrics()["enduring_received_bytes_total"] > 0, "it has come"
        )
        client.reset()
        found = COMBINED.fullmatch(wait_for_lines(log, 1)[0])
        assert found is not None
        self.assertEqual(found.groups()[1:4], ("GET /delay/60000 HTTP/1.1", "499", "0"))

    def test_it_needs_a_target(self) -> None:
        status, _, errors = harness.run_program("hello", "--access-log", "/none/at/all")
        self.assertEqual(status, 1)
        self.assertIn("the access log /none/at/all cannot be opened: No such file", errors)
        status, _, errors = harness.run_program("hello", "--access-log-format", "xml")
        self.assertEqual(status, 2)
        self.assertIn("common, combined or json", errors)


class Rotation(SystemTest):
    def test_under_load(self) -> None:
        """Each request is in exactly one of the files."""
        directory = self.make_directory()
        log = directory / "log"
        server = self.serve("hello", "--access-log", log, "--access-log-format", "common",
                            "--keepalive-requests", "0")
        counts = [0] * 4
        ends = threading.Event()

        def load(number: int) -> None:
            with Client(server.address) as client:
                while not ends.is_set():
                    client.exchange(get(f"/{number}/{counts[number]}"))
                    counts[number] += 1

        threads = [threading.Thread(target=load, args=(i,)) for i in range(len(counts))]
        for thread in threads:
            thread.start()
        for turn in range(5):
            before = sum(counts)
            harness.wait_until(lambda: sum(counts) > before + 50, "requests go on")
            log.rename(directory / f"log.{turn}")
            server.process.send_signal(signal.SIGUSR1)
            harness.wait_until(log.exists, "the new file")
        ends.set()
        for thread in threads:
            thread.join()
        server.stop()
        targets = [
            line.split()[6] for path in directory.iterdir() for line in path.read_text().splitlines()
        ]
        expected = [f"/{i}/{n}" for i, count in enumerate(counts) for n in range(count)]
        self.assertEqual(sorted(targets), sorted(expected))

    def test_while_it_drains(self) -> None:
        log = self.make_directory() / "log"
        server = self.serve("hello", "--access-log", log, "--drain-delay", "60s")
        client = self.connect(server)
        server.terminate()
        harness.wait_until(lambda: server.ask_admin("/readyz").status == 503, "not ready")
        log.rename(log.with_name("log.1"))
        server.process.send_signal(signal.SIGUSR1)
        harness.wait_until(log.exists, "the new file")
        client.exchange(get("/last"))
        self.assertIn(" /last ", wait_for_lines(log, 1)[0])
        server.terminate()
        self.assertEqual(server.wait(), 0)

    def test_the_signal_is_harmless_without_a_log(self) -> None:
        server = self.serve("hello")
        server.process.send_signal(signal.SIGUSR1)
        self.assert_serves(server)


class Targets(SystemTest):
    def test_a_full_disk(self) -> None:
        server = self.serve("hello", "--access-log", "/dev/full")
        client = self.connect(server)
        for _ in range(100):
            self.assertEqual(client.exchange(get("/")).status, 200)
        harness.wait_until(
            lambda: server.metrics()["enduring_access_log_lines_dropped_total"] == 100, "all dropped"
        )
        self.assertEqual(server.metrics()["enduring_access_log_lines_total"], 0)
        client.close()
        server.check_counts()
        server.terminate()
        self.assertEqual(server.wait(), 0)
        self.assertIn("of the access log were dropped: No space left on device", server.errors())
        self.assertIn("100 lines of the access log were dropped", server.output)
        server._close_pipes()

    def test_standard_output_that_nobody_reads(self) -> None:
        """Requests are answered, and the server ends in time."""
        directory = self.make_directory()
        reader, writer = os.pipe()
        with contextlib.closing(os.fdopen(reader, "rb", buffering=0)) as log:
            server = subprocess.Popen(
                [BIN / "hello", "--listen", f"unix:{directory}/socket", "--access-log", "stdout",
                 "--admin", f"unix:{directory}/admin", "--keepalive-requests", "0"],
                stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
            )
            self.addCleanup(server.kill)
            os.close(writer)
            assert server.stderr is not None
            said = b""
            while b"admin unix:" not in said:
                self.assertTrue(select.select([server.stderr], [], [], scaled(10))[0])
                said += os.read(server.stderr.fileno(), 65536)
            self.assertIn(b"enduring: serving unix:", said, "what it says goes elsewhere")
            # Two workers' channels and the pipe are full long before.
            agent = "User-Agent: " + "a" * 4000
            with Client(f"{directory}/socket") as client:
                slowest = 0.0
                for _ in range(1500):
                    begin = time.monotonic()
                    self.assertEqual(client.exchange(get("/", agent)).status, 200)
                    slowest = max(slowest, time.monotonic() - begin)
            self.assertLess(slowest, scaled(3))
            with Client(f"{directory}/admin") as admin:
                metrics = harness.parse_metrics(admin.exchange(get("/metrics")).body.decode())
            self.assertGreater(metrics["enduring_access_log_lines_dropped_total"], 0)
            begin = time.monotonic()
            server.send_signal(signal.SIGTERM)
            _, errors = server.communicate(timeout=scaled(20))
            self.assertEqual(server.returncode, 0)
            self.assert_took(begin, 0, scaled(6))
            self.assertIn(b"lines of the access log were dropped", errors)
            lines = log.read().splitlines()
            for line in lines[:-1]:
                self.assertTrue(line.endswith(b'a"'), line)

    def test_standard_output_that_is_closed(self) -> None:
        directory = self.make_directory()
        reader, writer = os.pipe()
        server = subprocess.Popen(
            [BIN / "hello", "--listen", f"unix:{directory}/socket", "--access-log", "stdout"],
            stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
        )
        self.addCleanup(server.kill)
        os.close(writer)
        wait_serving(server.stderr)
        os.close(reader)
        with Client(f"{directory}/socket") as client:
            for _ in range(20):
                self.assertEqual(client.exchange(get("/")).status, 200)
                time.sleep(0.01)
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=scaled(20))
        self.assertEqual(server.returncode, 0)
        self.assertIn(b"of the access log were dropped: Broken pipe", errors)

    def test_nobody_is_left_who_reads_anything(self) -> None:
        """The server still drains: an exchange that has begun is finished."""
        for log in ([], ["--access-log", "stdout"]):
            with self.subTest(log=log):
                directory = self.make_directory()
                reader, writer = os.pipe()
                server = subprocess.Popen(
                    [BIN / "arena", "--listen", f"unix:{directory}/socket", *log],
                    stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
                )
                self.addCleanup(server.kill)
                os.close(writer)
                with open(reader, "rb") as printed:
                    wait_serving(printed)
                with Client(f"{directory}/socket") as client:
                    client.send(get("/delay/1000"))
                    time.sleep(scaled(0.3))
                    server.send_signal(signal.SIGTERM)
                    self.assertEqual(client.read_response().status, 200)
                self.assertEqual(server.wait(timeout=scaled(20)), 0)


if __name__ == "__main__":
    harness.main()
