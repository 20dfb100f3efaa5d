"""A client that asks steadily and measures how long each answer takes, while others attack.

It is a process of its own, so that what the test does in Python does not slow it down, and it asks
at fixed times, so that a server that stands still is seen in all the answers that are late. Time in
which the server or this process waited for a processor does not count: it is other programs' doing,
those that attack among them, who would not be on this machine.

Run as a program: bystander.py HOST PORT PID. It asks until its standard input ends, then prints a
JSON list of pairs: when each request was due, and how long after that its answer had come, in
seconds.
"""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import time
from pathlib import Path

import harness
from harness import Client, Server, get, scaled

INTERVAL = 0.002  # seconds between two requests
WINDOW = 0.1  # ... that are judged together
# What a busy machine may add for all that. A server that an attack holds up is late by far more.
SLACK = scaled(0.030)


class Slower(AssertionError):
    """The answers took longer during the attack: because of it, or because of something else that
    happened on this machine at the same time, which does not happen every time."""


def ask_until_told() -> None:
    """What the process does. The first line says that the first answer has come."""
    samples = []
    tasks = [*Path(f"/proc/{sys.argv[3]}/task").iterdir(), Path("/proc/thread-self")]
    waits = [(time.monotonic(), waited(tasks))]
    address = (sys.argv[1], int(sys.argv[2]))
    client = Client(address)
    due = time.monotonic()  # after the first of the waits
    while True:
        response = client.exchange(get())
        if response.status != 200:
            raise harness.ProtocolError(f"status {response.status}")
        now = time.monotonic()
        waits.append((now, waited(tasks)))
        waited_before = next(wait for when, wait in reversed(waits) if when <= due)
        samples.append((due, max(0.0, now - due - (waits[-1][1] - waited_before))))
        if len(samples) == 1:
            print("asking", flush=True)
        due += INTERVAL
        if response.closes:
            client.expect_end()
            client.close()
            client = Client(address)
        if select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
            break
    client.close()
    print(json.dumps(samples))


def waited(tasks: list[Path]) -> float:
    """Seconds for which these threads wanted to run and could not: proc(5), schedstat."""
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9


class Bystander:
    """Must have been answered always, and about as fast during the attack as before it."""

    def __init__(self, server: Server) -> None:
        assert isinstance(server.address, tuple)
        self._process = subprocess.Popen(
            [sys.executable, __file__, server.address[0], str(server.port), str(server.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "asking\n":
            self.abandon()
            raise AssertionError("the bystander was not answered at all")

    def abandon(self) -> None:
        """Ends it without asking what it saw."""
        self._process.kill()
        self._process.communicate()

    def judge(self, attack_begin: float, attack_end: float, strictly: bool) -> None:
        """Fails when an answer was missing, or, strictly, when answers took longer because of the
        attack."""
        output, _ = self._process.communicate(input="", timeout=scaled(20))
        if self._process.returncode != 0:
            raise AssertionError("the bystander was not served all along")
        samples = json.loads(output)
        calm = slowest_usual([s for s in samples if s[0] < attack_begin])
        attacked = slowest_usual([s for s in samples if attack_begin <= s[0] < attack_end])
        if strictly and attacked > 2 * calm + SLACK:
            raise Slower(
                f"the slowest answers took {attacked * 1000:.1f} ms during the attack, "
                f"{calm * 1000:.1f} ms before"
            )


def slowest_usual(samples: list[tuple[float, float]]) -> float:
    """The slowest of each window's answers, of which there are about fifty; the median of these
    over all windows, since what disturbs a machine disturbs some windows only."""
    windows: dict[int, float] = {}
    for due, took in samples:
        window = int(due / WINDOW)
        windows[window] = max(windows.get(window, 0), took)
    if not windows:
        raise Slower("the bystander asked nothing in that time")
    return statistics.median(windows.values())


if __name__ == "__main__":
    ask_until_told()
