"""The wall clock moves while the server runs, as when a machine is set right or a virtual one goes
on. Only dates follow it: no time-out does, no connection ends, no request waits."""

from __future__ import annotations

import email.utils
import os
import time
import unittest
from pathlib import Path

import harness
from harness import Server, SystemTest, get, is_instrumented, wait_until

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@unittest.skipUnless(FAKETIME, "libfaketime is not installed")
@unittest.skipIf(is_instrumented("enduring"), "a sanitizer must come before libfaketime")
class WallClock(SystemTest):
    def setUp(self) -> None:
        super().setUp()
        self.offset = self.make_directory() / "offset"
        self.move("+0")

    def move(self, offset: str) -> None:
        """Sets the clock, in seconds from the true time."""
        new = self.offset.with_suffix(".new")
        new.write_text(offset)
        os.rename(new, self.offset)

    def start(self, *arguments: str | Path) -> Server:
        return self.serve(
            *arguments,
            environment={
                "LD_PRELOAD": str(FAKETIME[0]),
                "FAKETIME_TIMESTAMP_FILE": str(self.offset),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            },
        )

    def wait_for_date(self, client: harness.Client, offset: float) -> None:
        """Until answers have the date of the clock as it is set."""

        def is_there() -> bool:
            date = client.exchange(get("/a")).field("Date")
            assert date is not None
            at = email.utils.parsedate_to_datetime(date).timestamp()
            return abs(at - (time.time() + offset)) < 2

        wait_until(is_there, f"the date follows the clock by {offset} s", 5)

    def test_moves_there_and_back(self) -> None:
        site = self.make_directory()
        (site / "a").write_text("small")
        large = self.make_file(site, "large", 300_000)
        log = self.make_directory() / "log"
        server = self.start("enduring", site, "--access-log", log, "--keepalive-timeout", "30s",
                            "--header-timeout", "20s", "--keepalive-requests", "0")
        idle = self.connect(server)
        idle.exchange(get("/a"))
        slow = self.connect(server)
        slow.send(b"GET /a HTT")
        client = self.connect(server)
        for offset in (0, 86_400, -86_400, 1, -3_600 * 24 * 365, 0):
            self.move(f"{offset:+d}")
            self.wait_for_date(client, offset)
            self.assertEqual(client.exchange(get("/a")).body, b"small")
            self.assertEqual(client.exchange(get("/large")).body, large)
        slow.send(b"P/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(slow.read_response().status, 200)
        self.assertEqual(idle.exchange(get("/a")).status, 200)
        for one in (idle, slow, client):
            one.close()
        server.check_counts()
        lines = log.read_text().splitlines()
        self.assertGreater(len(lines), 18)

    def test_a_time_out_comes_in_its_time(self) -> None:
        site = self.make_directory()
        server = self.start("enduring", site, "--keepalive-timeout", "2s")
        client = self.connect(server)
        client.exchange(get("/none"))
        began = time.monotonic()
        self.move("-86400")
        client.expect_end()
        self.assert_took(began, 1.9, 4)
        self.assert_closed(server, "keepalive_timeout")


if __name__ == "__main__":
    harness.main()
