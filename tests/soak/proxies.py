#!/usr/bin/env python3
"""Sends requests through nginx, HAProxy and Apache to a server that keeps closing connections.

The server closes by request cap, by age and by idle time. Every request must be answered with 200,
except in the profiles "race" and "race-reversed" with those settings of a proxy that are known not
to suffice: there it is measured what a client sees. In these two profiles the server counts what it
answers, and in all cases each answer must reach its client, once.

  cap            the server closes after 100 requests
  age            the server closes connections older than 1 s
  idle           the proxy closes connections idle for 1 s, the server after 2 s; bursts and pauses
  idle-reversed  the server closes idle connections first; the proxy keeps its defaults
  race           as idle, but requests come just when one of the two closes
  race-reversed  as idle-reversed, but requests come just when the server closes

The exit status is 1 when something failed that must not.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

import fronts
import traffic
from fronts import Setting
from harness import Client, Server, get
from traffic import OK, Outcome

METHODS = ("GET", "POST")
CAP = 100
CONTENT = b"what a POST sends and gets back "
# Each proxy's idle time in the profiles where it is the shorter one.
PROXY_IDLE_S = 1.0


@dataclass(frozen=True)
class Profile:
    """How the server closes connections, and when requests come."""

    flags: tuple[str, ...]
    reason: str | None = None  # for which the server must have closed connections
    setting: Setting = Setting()
    bursts: int = 1
    pauses_s: tuple[float, ...] = ()  # between the bursts, taken in turn
    # How often each connection serves at least and at most, where that is known.
    reuse_min: float = 10.0
    reuse_max: float | None = None


IDLE = ("--keepalive-timeout", "2s", "--keepalive-requests", "0")
IDLE_REVERSED = ("--keepalive-timeout", "1s", "--keepalive-requests", "0")
FLOODS = {
    "cap": Profile(
        ("--keepalive-requests", str(CAP)),
        "keepalive_requests",
        reuse_min=CAP / 2,
        reuse_max=CAP,
    ),
    "age": Profile(("--connection-max-age", "1s", "--keepalive-requests", "0"), "max_age"),
    "idle": Profile(IDLE, setting=Setting(PROXY_IDLE_S), bursts=10, pauses_s=(1.5, 2.6)),
    "idle-reversed": Profile(IDLE_REVERSED, "keepalive_timeout", bursts=10, pauses_s=(1.6,)),
}


@dataclass(frozen=True)
class Race:
    """Requests that come when a connection is about to be closed."""

    flags: tuple[str, ...]
    idle_s: float | None
    clients: int
    volleys: int
    waits_s: tuple[float, ...]


RACES = {
    "race": Race(IDLE, PROXY_IDLE_S, clients=200, volleys=20, waits_s=(PROXY_IDLE_S, 2.0)),
    "race-reversed": Race(
        ("--keepalive-timeout", "200ms", "--keepalive-requests", "0"),
        None,
        clients=64,
        volleys=100,
        waits_s=(0.2,),
    ),
}

# Where no request may fail in a race: profile, proxy, method, with the proxy's retries. The rest is
# measured only. By itself nginx repeats what is idempotent. HAProxy gives up an idle connection
# only now and then, whatever its setting, and repeats a request a limited number of times.
SAFE = {
    *itertools.product(["race"], ["nginx", "apache2"], METHODS, [False, True]),
    ("race-reversed", "nginx", "GET", False),
    ("race-reversed", "nginx", "GET", True),
    ("race-reversed", "nginx", "POST", True),
}


def free_ports(first: int) -> Iterator[int]:
    """Ports on which nobody listens, each given once."""
    for port in range(first, 65536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


class Run:
    """Everything that one call of the program does, and its table."""

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        self.arguments = arguments
        self.ports = free_ports(arguments.port)
        self.log = directory / "log"
        self.content = directory / "content"
        self.content.write_bytes(CONTENT)
        self.failed = False
        print(
            f"{'profile':14} {'proxy':8} {'method':6} {'retries':7} {'requests':>8} "
            f"{'connections':>11} {'each':>7} {'seconds':>7}  failures; reasons of closes"
        )

    def serve(self, program: str, flags: tuple[str, ...]) -> Server:
        return Server(program, *flags, listen=[f"127.0.0.1:{next(self.ports)}"])

    def report(
        self,
        columns: tuple[str, str, str, str],
        outcome: Outcome,
        connections: int,
        seconds: float,
        reasons: Counter[str],
        wrong: list[str],
    ) -> None:
        profile, proxy, method, retries = columns
        requests = outcome.counts.total()
        failures = listed(outcome.failures)
        print(
            f"{profile:14} {proxy:8} {method:6} {retries:7} {requests:8} {connections:11} "
            f"{requests / max(connections, 1):7.1f} {seconds:7.1f}  {failures}; {listed(reasons)}"
        )
        for what in wrong:
            self.failed = True
            print(f"    WRONG: {what}")

    def flood(self, name: str, proxy: str, method: str) -> None:
        profile = FLOODS[name]
        server = self.serve("conformance" if method == "POST" else "hello", profile.flags)
        content = self.content if method == "POST" else None
        each = self.arguments.requests // profile.bursts
        outcome = Outcome()
        began = time.monotonic()
        try:
            port = next(self.ports)
            with fronts.running(proxy, port, server.port, profile.setting):
                for burst in range(profile.bursts):
                    outcome.add(
                        traffic.flood(port, each, self.arguments.clients, content, self.log)
                    )
                    if burst + 1 < profile.bursts:
                        time.sleep(profile.pauses_s[burst % len(profile.pauses_s)])
                reasons = reasons_of(server)
        finally:
            server.stop()
        seconds = time.monotonic() - began
        connections = connections_of(server)
        wrong = judge_flood(profile, outcome, connections, method, each)
        if profile.reason is not None and not reasons[profile.reason]:
            wrong.append(f"the server closed no connection for {profile.reason}")
        columns = (name, proxy, method, "no")
        self.report(columns, outcome, connections, seconds, reasons, wrong)

    def race(self, name: str, proxy: str, method: str, retries: bool) -> None:
        race = RACES[name]
        server = self.serve("counting", race.flags)
        began = time.monotonic()
        try:
            port = next(self.ports)
            with fronts.running(proxy, port, server.port, Setting(race.idle_s, retries)):
                outcome = traffic.volleys(
                    port, method, race.clients, race.volleys, race.waits_s
                )
                reasons = reasons_of(server)
            with Client(server.address) as client:
                answered = int(client.exchange(get("/answered")).body)
        finally:
            server.stop()
        seconds = time.monotonic() - began
        wrong = []
        if answered != outcome.counts[OK]:
            wrong.append(f"the server answered {answered} requests, not as many as came through")
        if outcome.failures and (name, proxy, method, retries) in SAFE:
            wrong.append("a request failed that must not")
        # The last connection was ours.
        connections = connections_of(server) - 1
        columns = (name, proxy, method, "yes" if retries else "no")
        self.report(columns, outcome, connections, seconds, reasons, wrong)


def judge_flood(
    profile: Profile, outcome: Outcome, connections: int, method: str, each: int
) -> list[str]:
    wrong = []
    requests = each * profile.bursts
    if outcome.failures:
        wrong.append("a request failed that must not")
    expected = len(CONTENT if method == "POST" else b"Hello, World!") * requests
    if outcome.content_bytes != expected:
        wrong.append(f"{outcome.content_bytes} bytes of content came, not {expected}")
    reuse = requests / max(connections, 1)
    # Each burst needs connections of its own, however short it is.
    if each >= 2000 and reuse < profile.reuse_min:
        wrong.append(f"the proxy did not keep connections: {reuse:.1f} requests on each")
    if profile.reuse_max is not None and reuse > profile.reuse_max:
        wrong.append(f"the server did not close in time: {reuse:.1f} requests on each")
    if connections < profile.bursts:
        wrong.append("idle connections were not closed")
    return wrong


def reasons_of(server: Server) -> Counter[str]:
    """For which the server that runs has closed connections, and how many."""
    return Counter(
        {
            name: count
            for name, count in server.metrics().items()
            if count and not name.startswith("enduring_")
        }
    )


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "none"


def connections_of(server: Server) -> int:
    """From the last line of a server that has stopped."""
    return int(server.output.rpartition("stopped after ")[2].split()[0])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    profiles = [*FLOODS, *RACES]
    parser.add_argument("--requests", type=int, default=200_000, help="of each row (%(default)s)")
    parser.add_argument("--clients", type=int, default=32, help="at once (%(default)s)")
    parser.add_argument("--port", type=int, default=22000, help="the first to use (%(default)s)")
    for name, choices in {"proxies": fronts.NAMES, "profiles": profiles}.items():
        parser.add_argument(
            f"--{name}", nargs="+", choices=choices, default=choices, metavar="NAME"
        )
    arguments = parser.parse_args()
    if arguments.requests < 100 or arguments.clients < 1:
        parser.error("at least 100 requests and one client are needed")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    missing = fronts.missing() + ([] if shutil.which("h2load") else ["nghttp2-client"])
    if missing:
        print(f"proxies: please install: {' '.join(missing)}", file=sys.stderr)
        return 2
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory(prefix="enduring-soak-") as text:
        run = Run(arguments, Path(text))
        for name, proxy, method in itertools.product(
            arguments.profiles, arguments.proxies, METHODS
        ):
            if name in FLOODS:
                run.flood(name, proxy, method)
            else:
                run.race(name, proxy, method, retries=False)
                if proxy in fronts.WITH_RETRIES:
                    run.race(name, proxy, method, retries=True)
    print("FAILED" if run.failed else "all as it must be")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
