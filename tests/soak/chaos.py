#!/usr/bin/env python3
"""Random clients that send valid and broken traffic, each response judged by a reference model.

    chaos.py [--minutes M] [--clients N] [--seed SEED]

Two servers, `conformance` and `enduring`, serve them. ENDURING_BIN names the directory of the
programs, which are best built with the address sanitizer: `scripts/build asan`, and build/asan/bin.
A client makes one connection after the other, each of a kind (the files in chaos_parts say what
they do) and from a seed of its own. Prints what was wrong, with the seed that does it again:

    chaos.py --seed conformance/pipelined/7.3.152

At the end the servers must have all their descriptors back, a reason for each close, and must stop
without a word on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parent / "conformance")]

from harness import BIN, Server, scaled, wait_until  # noqa: E402

from chaos_parts import accounts, broken, timed, valid  # noqa: E402, F401 - these declare the kinds
from chaos_parts.model import Fault  # noqa: E402
from chaos_parts.talks import KINDS, Kind, Limits, Talk  # noqa: E402
from chaos_parts.targets import Echoes, Files, Target  # noqa: E402

FAILURES_MAX = 3  # of one client, then it gives up
# Clients that this machine held up so long that the server took them for slow ones.
EXCUSED_SHARE_MAX = 0.01

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclass
class Tally:
    """What clients did and saw."""

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)  # by target
    responses: int = 0
    received_bytes: int = 0
    excused: int = 0
    failures: int = 0

    def add(self, other: Tally) -> None:
        self.outcomes.update(other.outcomes)
        self.connections.update(other.connections)
        self.responses += other.responses
        self.received_bytes += other.received_bytes
        self.excused += other.excused
        self.failures += other.failures

    def kinds_run(self) -> set[tuple[str, str]]:
        return {(target, kind) for target, kind, _ in self.outcomes}


# ---- one client ---------------------------------------------------------------------------------


def talk_once(target: Target, kind: Kind, seed: str, limits: Limits, tally: Tally) -> None:
    """One connection. The seed alone decides what is sent."""
    token = f"{target.name}/{kind.name}/{seed}"
    talk = Talk(target, limits, random.Random(token))
    try:
        outcome = kind.run(talk)
    except Fault as fault:
        held_up = talk.wire.held_up if talk.wire else 0.0
        if fault.by_time and held_up > limits.shortest / 4:
            outcome = "excused: the machine was busy"
            tally.excused += 1
        else:
            outcome = "FAILED"
            tally.failures += 1
            record = talk.wire.describe() if talk.wire else "  no connection"
            print(f"FAILED --seed {token}: {fault}\n{record}", flush=True)
    finally:
        if talk.wire is not None:
            talk.wire.finish()
    tally.outcomes[target.name, kind.name, outcome] += 1
    if talk.wire is not None:
        tally.connections[target.name] += 1
        tally.responses += talk.wire.model.answered + len(talk.wire.model.loose_statuses)
        tally.received_bytes += talk.wire.received_bytes


def choices(targets: list[Target]) -> list[tuple[Target, Kind]]:
    return [(target, kind) for target in targets for kind in KINDS.values() if kind.fits(target)]


def draw_talks(
    targets: list[Target], seed: int, client: int, clients: int, stop: Event
) -> Iterator[tuple[Target, Kind, str]]:
    """What a client does: its share of all kinds, so that each has its turn; then as it comes."""
    pairs = choices(targets)
    share = pairs[client::clients]
    chance = random.Random(f"{seed}.{client}")
    weights = [kind.weight for _, kind in pairs]
    number = 0
    while number < len(share) or not stop.is_set():
        target, kind = share[number] if number < len(share) else chance.choices(pairs, weights)[0]
        yield target, kind, f"{seed}.{client}.{number}"
        number += 1


def run_client(
    targets: list[Target],
    seed: int,
    client: int,
    clients: int,
    limits: Limits,
    stop: Event,
    results: Connection,
) -> None:
    """Until it is told to stop."""
    tally = Tally()
    try:
        for target, kind, talk_seed in draw_talks(targets, seed, client, clients, stop):
            talk_once(target, kind, talk_seed, limits, tally)
            if tally.failures >= FAILURES_MAX:
                break
    except OSError as error:
        print(f"FAILED client {client}: {type(error).__name__}: {error}", flush=True)
        tally.failures += 1
    results.send(tally)


def run_clients(
    targets: list[Target], clients: int, seed: int, seconds: float, limits: Limits
) -> Tally:
    """Each in a process of its own."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    running = []
    for client in range(clients):
        receiver, sender = context.Pipe(duplex=False)
        arguments = (targets, seed, client, clients, limits, stop, sender)
        process = context.Process(target=run_client, args=arguments, daemon=True)
        process.start()
        sender.close()
        running.append((process, receiver))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and all(target.server.is_running() for target in targets):
        time.sleep(0.1)
    stop.set()
    tally = Tally()
    for process, receiver in running:
        try:
            tally.add(receiver.recv())
        except EOFError:
            tally.failures += 1  # it has printed why
        process.join()
    return tally


# ---- the servers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    clients: int
    seed: int
    seconds: float


def environment() -> dict[str, str]:
    """Sanitizers look for everything, unless somebody has chosen already."""
    return {name: os.environ.get(name, value) for name, value in SANITIZERS.items()}


@contextlib.contextmanager
def serving(limits: Limits) -> Iterator[list[Target]]:
    """Both servers, over TCP and a socket of AF_UNIX each."""
    with tempfile.TemporaryDirectory(prefix="enduring-chaos-") as name:
        directory = Path(name)
        root = directory / "root"
        root.mkdir()
        Files.make_directory(root)
        targets: list[Target] = []
        try:
            for make, arguments in ((Echoes, []), (Files, [str(root)])):
                listen = ("127.0.0.1:0", f"unix:{directory}/{make.name}")
                words = [*arguments, *limits.flags()]
                server = Server(make.name, *words, listen=listen, environment=environment())
                targets.append(make(server))
            yield targets
        finally:
            for target in targets:
                if target.server.is_running():
                    target.server.kill()


def judge_server(target: Target, before: int, connections: int, limits: Limits) -> Iterator[str]:
    """What is wrong with the server now that all clients are gone. Ends it."""
    server = target.server
    try:
        if not server.is_running():
            status = server.process.returncode
            raise AssertionError(f"the server has ended, {status}; stderr: {server.errors()}")
        wait_until(
            lambda: server.descriptors() == before,
            f"descriptors come back: {server.descriptors()}, before {before}",
            limits.linger_max + limits.header + 15,
        )
        yield from accounts.judge(target.name, server, connections)
        begin = time.monotonic()
        server.stop()  # judges stderr and the exit status
        took = time.monotonic() - begin
        if took > scaled(limits.drain):
            yield f"the drain took {took:.1f} s"
        last = server.output.strip().splitlines()[-1]
        print(f"{target.name}: {last}")
        if f"stopped after {connections} connections; 0 were cut" not in last:
            yield f"the clients made {connections} connections, but: {last}"
    except AssertionError as error:
        yield str(error)


def run(options: Options, limits: Limits = Limits()) -> bool:
    """Whether all was right. Prints the rest."""
    begin = time.monotonic()
    faults: list[str] = []
    with serving(limits) as targets:
        before = [target.server.descriptors() for target in targets]
        tally = run_clients(targets, options.clients, options.seed, options.seconds, limits)
        seconds = time.monotonic() - begin
        print_tally(tally, seconds)
        for target, descriptors in zip(targets, before):
            connections = tally.connections[target.name]
            for fault in judge_server(target, descriptors, connections, limits):
                faults.append(f"{target.name}: {fault}")
        wanted = {(target.name, kind.name) for target, kind in choices(targets)}
    missed = sorted(wanted - tally.kinds_run())
    if missed:
        faults.append(f"kinds that did not run: {missed}")
    if tally.failures:
        faults.append(f"{tally.failures} talks failed")
    total = sum(tally.connections.values())
    if tally.excused > EXCUSED_SHARE_MAX * total:
        faults.append(f"{tally.excused} of {total} clients were held up: the machine is too busy")
    for fault in faults:
        print(f"FAILED {fault}")
    print(f"{'failed' if faults else 'passed'}: seed {options.seed}, {total} connections")
    return not faults


def replay(token: str, limits: Limits) -> bool:
    """One talk again."""
    target_name, kind_name, seed = token.split("/")
    tally = Tally()
    faults: list[str] = []
    with serving(limits) as targets:
        before = [target.server.descriptors() for target in targets]
        target = next(target for target in targets if target.name == target_name)
        talk_once(target, KINDS[kind_name], seed, limits, tally)
        print_tally(tally, 0)
        for target, descriptors in zip(targets, before):
            faults += judge_server(target, descriptors, tally.connections[target.name], limits)
    for fault in faults:
        print(f"FAILED {fault}")
    return not (tally.failures or faults)


def print_tally(tally: Tally, seconds: float) -> None:
    for (target, kind, outcome), count in sorted(tally.outcomes.items()):
        print(f"{count:9}  {target:12} {kind:15} {outcome}")
    total = sum(tally.connections.values())
    rate = f", {total / seconds:.0f} connections/s" if seconds else ""
    print(
        f"{total} connections, {tally.responses} responses, {tally.received_bytes >> 20} MiB, "
        f"{tally.excused} excused, {tally.failures} failed{rate}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="(default: %(default)s)")
    parser.add_argument("--clients", type=int, default=24, help="(default: %(default)s)")
    parser.add_argument(
        "--seed", help="a number; or the seed of one talk, to do it again (default: drawn)"
    )
    arguments = parser.parse_args()
    seed = arguments.seed or str(random.SystemRandom().randrange(10**6))
    if "/" in seed:
        return 0 if replay(seed, Limits()) else 1
    print(f"seed {seed}, {arguments.clients} clients, {arguments.minutes:g} minutes, {BIN}")
    print(f"sanitizers: {accounts.sanitizers(BIN / 'conformance') or 'none'}", flush=True)
    options = Options(arguments.clients, int(seed), arguments.minutes * 60)
    return 0 if run(options) else 1


if __name__ == "__main__":
    sys.exit(main())
