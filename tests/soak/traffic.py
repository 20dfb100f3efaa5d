"""Requests of two kinds through a proxy: as many as it can take, and just when a connection ends.

Each request that is sent is counted under what became of it. Nothing here knows which proxy it is.
"""

from __future__ import annotations

import http.client
import random
import re
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

OK = "200"
SETTLE_S = 30  # no request may take longer


@dataclass
class Outcome:
    """What became of requests: a status, or how it ended without one."""

    counts: Counter[str] = field(default_factory=Counter)
    content_bytes: int = 0

    @property
    def failures(self) -> dict[str, int]:
        return {kind: count for kind, count in sorted(self.counts.items()) if kind != OK and count}

    def add(self, other: Outcome) -> None:
        self.counts += other.counts
        self.content_bytes += other.content_bytes


def flood(port: int, requests: int, clients: int, content: Path | None, log: Path) -> Outcome:
    """So many requests as fast as they are answered, over keep-alive connections; with h2load."""
    log.unlink(missing_ok=True)  # h2load would append to it
    arguments = ["--h1", f"--requests={requests}", f"--clients={clients}", "--threads=1"]
    arguments += [f"--connection-inactivity-timeout={SETTLE_S}s", f"--log-file={log}"]
    if content:
        arguments.append(f"--data={content}")
    done = subprocess.run(
        ["h2load", *arguments, f"http://127.0.0.1:{port}/"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SETTLE_S + requests / 100,
    )
    data = re.search(r"^traffic: .*\((\d+)\) data$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not data:
        raise AssertionError(f"h2load failed: {done.stdout} {done.stderr}")
    # It logs each response with its status. What is then missing came without a response, or was
    # never sent because a connection of h2load does not go on after it was cut.
    outcome = Outcome(content_bytes=int(data[1]))
    outcome.counts.update(line.split("\t")[1] for line in log.read_text().splitlines())
    outcome.counts["no answer"] = requests - outcome.counts.total()
    return outcome


class Caller:
    """A client that keeps its connection to the proxy, and begins a new one when it was cut."""

    def __init__(self, port: int, method: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SETTLE_S)
        self._connection.connect()
        self._method = method
        self._text = ""
        self._failure: str | None = None

    def close(self) -> None:
        self._connection.close()

    def send(self, text: str) -> None:
        """A request whose answer has to be this text."""
        self._text = text
        self._failure = None
        try:
            if self._method == "POST":
                self._connection.request("POST", "/", text.encode())
            else:
                self._connection.request("GET", f"/?{text}")
        except OSError as error:
            self._failure = type(error).__name__

    def receive(self) -> str:
        """What became of it."""
        if self._failure is None:
            try:
                response = self._connection.getresponse()
                content = response.read()
                if response.status != 200:
                    return str(response.status)
                return OK if content == self._text.encode() else "wrong answer"
            except http.client.RemoteDisconnected:
                self._failure = "closed without answer"
            except ConnectionResetError:
                self._failure = "reset"
            except (OSError, http.client.HTTPException) as error:
                self._failure = type(error).__name__
        self._connection.close()
        return self._failure


def volleys(
    port: int, method: str, clients: int, count: int, waits_s: tuple[float, ...]
) -> Outcome:
    """All clients send at once, wait so long, and send again: when connections are about to end.

    The waits are taken in turn. They vary by a few milliseconds, so that now the request comes
    before the end of its connection, now after it, and now and then at the same moment.
    """
    outcome = Outcome()
    callers = [Caller(port, method) for _ in range(clients)]
    try:
        for volley in range(count):
            began = time.monotonic()
            for number, caller in enumerate(callers):
                caller.send(f"{volley}-{number}")
            outcome.counts.update(caller.receive() for caller in callers)
            # Everyone's idle time began a moment ago, in the order of their sending.
            until = began + waits_s[volley % len(waits_s)] + random.uniform(-0.004, 0.008)
            time.sleep(max(0.0, until - time.monotonic()))
    finally:
        for caller in callers:
            caller.close()
    return outcome
