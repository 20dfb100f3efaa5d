"""The error log: what went wrong while the server ran, a line for each kind and no flood."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import harness
from harness import BIN, SystemTest, get, milliseconds, scaled, wait_until


class ErrorLog(SystemTest):
    def refuse(self, server: harness.Server, times: int) -> None:
        """Connections beyond the one that an address may have."""
        for _ in range(times):
            with harness.Client(server.address) as client:
                self.assertEqual(client.exchange(get("/")).status, 429)

    def is_served(self, socket: Path) -> bool:
        try:
            with harness.Client(str(socket)) as client:
                return client.exchange(get("/", "Connection: close")).status == 200
        except OSError:
            return False

    def test_trouble_is_told_soon_and_summed_up_then(self) -> None:
        server = self.serve("hello", "--max-connections-per-ip", "1")
        first = self.connect(server)
        first.exchange(get("/"))
        self.refuse(server, 1)
        wait_until(lambda: len(server.troubles()) == 1, "the refusal is told")
        self.assertRegex(server.troubles()[0], r"^enduring: warning: 1 connections were refused")
        self.refuse(server, 10)
        time.sleep(2.5)
        self.assertEqual(len(server.troubles()), 1, "it is not told again so soon")
        first.close()
        server.check_counts()
        server.terminate()
        self.assertEqual(server.wait(), 0)
        self.assertEqual(len(server.troubles()), 2)
        self.assertRegex(server.troubles()[1], r"^enduring: warning: 10 connections were refused")

    def test_level(self) -> None:
        quiet = self.serve("hello", "--max-connections-per-ip", "1", "--log-level", "info")
        loud = self.serve("hello", "--header-timeout", milliseconds(scaled(0.6)),
                          "--log-level", "debug")
        self.assertIn("workers:", loud.output)
        client = self.connect(loud)
        client.send(b"GET / HT")
        self.assertEqual(client.read_response().status, 408)
        wait_until(lambda: len(loud.troubles()) == 1, "the time-out is told")
        self.assertRegex(loud.troubles()[0], r"^enduring: debug: 1 connections ended by --header")
        client = self.connect(quiet)
        client.exchange(get("/"))
        self.assertEqual(client.exchange(b"nonsense\r\n\r\n").status, 400)
        client.expect_end()
        time.sleep(scaled(1.5))
        self.assertEqual(quiet.troubles(), [])

    # At these levels what is usual is not said, so that nothing tells that the server serves.
    def test_nothing_usual_is_said_below_info(self) -> None:
        directory = self.make_directory()
        socket = directory / "socket"
        process = subprocess.Popen(
            [str(BIN / "hello"), "--log-level", "warning", "--listen", f"unix:{socket}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(lambda: self.is_served(socket), "the server serves")
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=scaled(20))
        finally:
            process.kill()
            process.wait()
        self.assertEqual((process.returncode, output), (0, b""))

    def test_a_level_that_is_none(self) -> None:
        status, _, errors = harness.run_program("hello", "--log-level", "warn")
        self.assertNotEqual(status, 0)
        self.assertIn("error, warning, info or debug", errors)


if __name__ == "__main__":
    harness.main()
