#!/usr/bin/env python3
"""Measures another client's latency while slow and hostile clients attack a server of files.

The attacks: slowhttptest in its four modes with 1,000 connections, and floods of our own. For each
of them, with the default flags and with one worker, a fresh server is measured several times in
turn without an attack, while the attack hits another server of the same kind (the decoy), and while
it hits this one. What counts is the median over the rounds, since the machine is noisy.

The other client is wrk with 8 connections, each of which waits 5 ms between an answer and the next
request. A wrk that sends as fast as it can would keep the server busy by itself and measure its own
queue; then an attack that takes a tenth of the server's time would look harmless or terrible,
depending on how full the queue was before.

Attackers have machines of their own. Here they share the processors with the server and with wrk,
so they run with the lowest priority, and the decoy shows what remains: what the attack costs by
keeping the machine busy. The latency during the attack must stay within twice of the higher one of
the two others: p99(attack) ≤ 2 × max(p99(calm), p99(decoy)).

Other programs on the machine disturb as well: --real-time, as root, lets server and wrk go before
them.

Besides: wrk counts no error, slowhttptest finds the service available all the time, afterwards
descriptors return to their number at the start and memory to that of the start, but for what a
worker keeps on purpose.

Exit status 1: a bound was exceeded; the last column says which.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import os
import re
import resource
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("ENDURING_BIN", ROOT / "build" / "release" / "bin"))
MIB = 1 << 20

WRK_SCRIPT = """
function delay() return 5 end
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '{"p50": %f, "p99": %f, "requests": %d, "errors": %d, "seconds": %f}\\n',
        latency:percentile(50), latency:percentile(99), summary.requests,
        e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6))
end
"""
WRK_CONNECTIONS = 8
FLOODERS = 50  # connections of each attack of our own
# Receive buffers, chunks of files and blocks of output that a worker keeps; what the heap needs.
KEPT_BYTES = (8 + 8 + 4 + 4) * MIB


# ---- attacks of our own -------------------------------------------------------------------------


def reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def flood_connections(port: int) -> None:
    """Connects and resets, as fast as it goes."""
    while True:
        with contextlib.suppress(OSError):
            reset(socket.create_connection(("127.0.0.1", port), 5))


def flood(port: int, begin: bytes, piece: bytes, reads: bool, count: int = FLOODERS) -> None:
    """Keeps connections that begin so and then send the piece without end; when the server ends
    one, another takes its place."""
    poll = select.poll()
    unsent: dict[int, tuple[socket.socket, memoryview]] = {}

    def connect() -> None:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", port))
        connection.setblocking(False)
        unsent[connection.fileno()] = (connection, memoryview(begin))
        poll.register(connection, select.POLLOUT | (select.POLLIN if reads else 0))

    while True:
        with contextlib.suppress(OSError):
            while len(unsent) < count:
                connect()
        for descriptor, events in poll.poll(100):
            connection, rest = unsent[descriptor]
            try:
                if events & select.POLLIN and not connection.recv(65536):
                    raise ConnectionResetError
                rest = rest[connection.send(rest) :] or memoryview(piece)
                unsent[descriptor] = (connection, rest)
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(descriptor)
                del unsent[descriptor]
                reset(connection)


def request(target: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


FLOODS: dict[str, Callable[[int], None]] = {
    "connect and reset": flood_connections,
    "pipelining, unread": lambda port: flood(port, b"", request("/") * 500, False),
    "small files, unread": lambda port: flood(port, b"", request("/small") * 20, False, 1000),
    "header fields": lambda port: flood(port, request("/")[:-2], b"X: y\r\n" * 500, True),
    "unwanted content": lambda port: flood(
        port, request("/", "Content-Length: 999999999999", method="POST"), b"x" * 65536, True
    ),
}

# ---- slowhttptest -------------------------------------------------------------------------------

SLOW_MODES: dict[str, tuple[str, list[str]]] = {
    "slow headers (-H)": ("/", ["-H", "-i", "1", "-x", "24", "-r", "1000"]),
    "slow bodies (-B)": ("/", ["-B", "-i", "1", "-x", "10", "-s", "8192", "-r", "1000"]),
    "ranges (-R)": ("/large", ["-R", "-a", "5", "-b", "3000", "-t", "HEAD", "-r", "300"]),
    "slow read, large (-X)": (
        "/large",
        ["-X", "-n", "1", "-z", "16", "-w", "256", "-y", "512", "-r", "1000"],
    ),
    "slow read, small (-X)": (
        "/small",
        ["-X", "-n", "1", "-z", "16", "-w", "256", "-y", "512", "-r", "1000"],
    ),
}


def step_back() -> None:
    """The lowest priority."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(40)


class Attack:
    """An attack under way on a port, from processes of the lowest priority."""

    def __init__(self, name: str, port: int, connections: int, directory: Path) -> None:
        self._report = None
        if name in FLOODS:
            command = [sys.executable, __file__, "--flood", name, "--port", str(port)]
        else:
            target, arguments = SLOW_MODES[name]
            self._report = directory / "slowhttptest"
            command = ["slowhttptest", *arguments, "-c", str(connections), "-l", "600", "-p", "5"]
            command += ["-g", "-o", str(self._report), "-u", f"http://127.0.0.1:{port}{target}"]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=step_back,
        )

    def stop(self) -> None:
        """Ends it; fails when it could not attack or found the service unavailable."""
        # One that is over already has a report as well.
        self._process.send_signal(signal.SIGINT if self._report else signal.SIGKILL)
        self._process.wait()
        if self._report is None:
            return
        with self._report.with_suffix(".csv").open() as lines:
            rows = list(csv.DictReader(lines))
        if max((int(row["Connected"]) for row in rows), default=0) == 0:
            raise AssertionError("slowhttptest made no connection")
        if any(int(row["Service Available"]) == 0 for row in rows):
            raise AssertionError("slowhttptest: service not available")


# ---- server and measurement ---------------------------------------------------------------------


class Server:
    def __init__(self, root: Path, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [str(BIN / "enduring"), str(root), "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"serving http://127\.0\.0\.1:(\d+)/", line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError("the server does not start")
        # Whatever it says later must not block it; it is little.
        self.workers = len(os.listdir(f"/proc/{self._process.pid}/task")) - 1

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) * 1024

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)


def wrk(port: int, seconds: float, script: Path | None, connections: int) -> str:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"]
    command += ["-s", str(script)] if script else []
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True
    )
    return done.stdout


@dataclass
class Windows:
    """What wrk saw in the windows of one kind."""

    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    errors: int = 0

    def measure(self, port: int, seconds: float, script: Path) -> None:
        report = json.loads(wrk(port, seconds, script, WRK_CONNECTIONS).splitlines()[-1])
        self.p50_ms.append(report["p50"] / 1000)
        self.p99_ms.append(report["p99"] / 1000)
        self.rate.append(report["requests"] / report["seconds"])
        self.errors += report["errors"]

    def p99(self) -> float:
        return statistics.median(self.p99_ms)

    def text(self) -> str:
        p50 = statistics.median(self.p50_ms)
        return f"{p50:7.2f} {self.p99():7.2f} {statistics.median(self.rate):6.0f}"


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def run_attack(
    name: str, server: Server, decoy: Server, options: argparse.Namespace, directory: Path
) -> tuple[str, list[str]]:
    """One line of the table, and the bounds that were exceeded."""
    script = directory / "wrk.lua"
    failures: list[str] = []
    for one in (server, decoy):
        for _ in range(3):
            wrk(one.port, 1, None, 64)
    wait_for(lambda: server.descriptors() <= decoy.descriptors(), 5)
    descriptors, memory = server.descriptors(), server.resident_bytes()
    peak = memory
    calm, elsewhere, here = Windows(), Windows(), Windows()
    for _ in range(options.rounds):
        calm.measure(server.port, options.seconds, script)
        for target, windows in ((decoy, elsewhere), (server, here)):
            attack = Attack(name, target.port, options.connections, directory)
            time.sleep(options.settle)
            windows.measure(server.port, options.seconds, script)
            peak = max(peak, server.resident_bytes())
            try:
                attack.stop()
            except AssertionError as error:
                failures.append(str(error))
            back = wait_for(lambda: server.descriptors() <= descriptors, 60)
            if not back:
                failures.append(f"{server.descriptors() - descriptors} descriptors not back")
            wait_for(lambda: decoy.descriptors() <= descriptors, 60)
    # The server looks now and then for memory that it can give back.
    kept = KEPT_BYTES * server.workers
    wait_for(lambda: server.resident_bytes() - memory <= kept, 20)
    left = server.resident_bytes() - memory
    bound = 2 * max(calm.p99(), elsewhere.p99())
    if here.p99() > bound:
        failures.append(f"p99 above {bound:.2f} ms")
    if errors := calm.errors + elsewhere.errors + here.errors:
        failures.append(f"{errors} errors of wrk")
    if left > kept:
        failures.append("memory not returned")
    line = f"{name:22} {calm.text()}  {elsewhere.text()}  {here.text()}  "
    line += f"{here.p99() / calm.p99():5.2f}  "
    line += f"{memory / MIB:5.1f} {peak / MIB:6.1f} {left / MIB:+6.1f}  "
    return line + (", ".join(dict.fromkeys(failures)) or "ok"), failures


@contextlib.contextmanager
def site() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="enduring-soak-") as name:
        for file, size in (("index.html", 600), ("small", 60_000), ("large", 16 * MIB)):
            (Path(name) / file).write_bytes(bytes(size))
        yield Path(name)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="of a window (%(default)s)")
    parser.add_argument("--settle", type=float, default=3, help="before it (%(default)s)")
    parser.add_argument("--connections", type=int, default=1000, help="of slowhttptest")
    parser.add_argument("--only", default="", help="attacks whose name contains this")
    parser.add_argument("--real-time", action="store_true", help="for server and wrk (root)")
    parser.add_argument("--flood", choices=FLOODS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        FLOODS[options.flood](options.port)
    if options.real_time:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    failed = False
    names = [name for name in itertools.chain(SLOW_MODES, FLOODS) if options.only in name]
    with site() as root, tempfile.TemporaryDirectory(prefix="enduring-soak-") as scratch:
        (Path(scratch) / "wrk.lua").write_text(WRK_SCRIPT)
        for flags in ([], ["--workers", "1"]):
            print(f"\nenduring {' '.join(flags) or 'with its default flags'}")
            print(" " * 22, *(f"{kind:22}" for kind in ("calm", "decoy attacked", "attacked")))
            columns = "  ".join([f"{'p50 ms':>7} {'p99 ms':>7} {'1/s':>6}"] * 3)
            print(f"{'attack':22} {columns}  ratio  {'MiB':>5} {'peak':>6} {'after':>6}  bounds")
            for name in names:
                server, decoy = Server(root, flags), Server(root, flags)
                try:
                    line, failures = run_attack(name, server, decoy, options, Path(scratch))
                finally:
                    server.stop()
                    decoy.stop()
                print(line, flush=True)
                failed = failed or bool(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
