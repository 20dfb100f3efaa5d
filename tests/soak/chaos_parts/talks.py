"""What all kinds of talks share: a talk is what a client does with one connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness import Address, milliseconds, scaled

from chaos_parts.model import Expected, Fate, Fault, Model, Request, expect
from chaos_parts.targets import Target
from chaos_parts.wire import Wire

LATE = 5.0  # seconds that a server's time-out may be late: the machine is busy
EARLY = 0.7  # of a time limit must have passed before it can be met


@dataclass(frozen=True)
class Limits:
    """The server's, in seconds and bytes: short, so that they are met."""

    header: float = 2.0
    body: float = 1.5
    keepalive: float = 2.5
    write: float = 2.0
    linger: float = 1.0
    linger_max: float = 2.0
    drain: float = 10.0
    content_bytes: int = 128 * 1024
    discard_bytes: int = 16 * 1024
    requests: int = 20

    def flags(self) -> list[str]:
        times = {
            "--header-timeout": self.header,
            "--body-timeout": self.body,
            "--keepalive-timeout": self.keepalive,
            "--write-timeout": self.write,
            "--linger-timeout": self.linger,
            "--linger-max": self.linger_max,
            "--drain-timeout": self.drain,
        }
        numbers = {
            "--max-body": self.content_bytes,
            "--discard-max": self.discard_bytes,
            "--keepalive-requests": self.requests,
            "--max-pipelined": 8,
            "--recv-buffers": 32,  # few, so that they run short
            "--recv-buffer-size": 2048,
            "--workers": 2,
        }
        words = [(flag, milliseconds(scaled(seconds))) for flag, seconds in times.items()]
        words += [(flag, str(number)) for flag, number in numbers.items()]
        return [word for pair in words for word in pair]

    @property
    def shortest(self) -> float:
        return scaled(min(self.header, self.body, self.keepalive, self.write, self.linger))


class Talk:
    """One connection of a kind: what its function needs."""

    def __init__(self, target: Target, limits: Limits, chance: random.Random) -> None:
        self.target = target
        self.limits = limits
        self.chance = chance
        self.wire: Wire | None = None
        self._address: Address = target.address(chance)

    def open(
        self,
        requests: list[Request],
        *more: Expected,
        loose: bool = False,
        receive_buffer: int | None = None,
    ) -> Wire:
        """Connects. more: what must come behind the requests' responses."""
        expected = expect(requests, self.limits.requests)
        model = Model([*expected, *more], loose, self.target.bad_paths)
        self.wire = Wire(self._address, model, receive_buffer)
        return self.wire

    def draw(self, count: int, closes: float = 0.0) -> list[Request]:
        return [self.target.draw(self.chance, closes) for _ in range(count)]

    def plain(self, most: int) -> list[Request]:
        """From none to most short requests that keep the connection."""
        return [self.target.plain(self.chance) for _ in range(self.chance.randint(0, most))]

    def finish(self, wire: Wire) -> str:
        """All has been sent: the responses come, and the connection is kept or not as they say."""
        model = wire.model
        wire.read_responses(len(model.expected))
        if model.closes or wire.ended:
            wire.read_to_end()
            capped = model.answered == self.limits.requests
            return "closed at the cap" if capped else "closed as said"
        if self.chance.random() < 0.4:
            probe = self.target.plain(self.chance)
            last = len(model.expected) + 1 == self.limits.requests
            fate = Fate.CLOSED if last else Fate.KEPT
            model.expected.append(replace(probe.expected, fate=fate))
            wire.send(probe.octets)
            wire.read_responses(len(model.expected))
            if wire.ended or model.closes:
                wire.read_to_end()
                return "closed at the cap"
        how = self.chance.choice((Wire.half_close, Wire.half_close, Wire.close, Wire.reset))
        how(wire)
        if how is not Wire.half_close:
            return f"kept, {'closed' if how is Wire.close else 'reset'} by the client"
        wire.read_to_end(may_end=True)
        return "kept, half-closed by the client"

    def finish_broken(self, wire: Wire) -> str:
        """Something broken was sent: the server ends it, or the client leaves."""
        chance, model = self.chance, wire.model
        how = chance.random()
        wire.wait(chance.choice((0.0, 0.005, 0.03)))
        if not model.closes and how < 0.35:
            wire.wait(0.02)
        if how < 0.35 and not (model.closes or wire.ended):
            (Wire.close if how < 0.15 else Wire.reset)(wire)
            return "left"
        if 0.35 <= how < 0.38:  # whatever the server waits for, it does not wait for ever
            limits = self.limits
            wire.read_to_end(max(limits.header, limits.body, limits.keepalive) + LATE, True)
            return "waited for the end"
        if how >= 0.38:
            wire.half_close()
        wire.read_to_end(may_end=True)
        return f"ended with {model.loose_statuses[-1]}" if model.closes else "ended"

    def judge_time(self, what: str, begin: float, limit: float) -> None:
        """A time-out has been met: not too early."""
        elapsed = time.monotonic() - begin
        if elapsed < EARLY * scaled(limit):
            raise Fault(f"{what} after {elapsed:.3f} s", by_time=True)


Run = Callable[[Talk], str]


@dataclass(frozen=True)
class Kind:
    """What a client does with one connection; gives the outcome in a few words."""

    name: str
    run: Run
    weight: float
    target: str  # only with this one; empty: with all

    def fits(self, target: Target) -> bool:
        return self.target in ("", target.name)


KINDS: dict[str, Kind] = {}


def kind(weight: float, target: str = "") -> Callable[[Run], Run]:
    """Declares a kind of talk."""

    def declare(run: Run) -> Run:
        KINDS[run.__name__] = Kind(run.__name__, run, weight, target)
        return run

    return declare
