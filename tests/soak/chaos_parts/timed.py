"""Talks in which a time limit of the server is met, or just not."""

from __future__ import annotations

import time

from harness import scaled

from chaos_parts.model import Expected, Fate, Fault, joined
from chaos_parts.talks import LATE, Talk, kind
from chaos_parts.targets import Echoes, Files
from chaos_parts.valid import SMALL_BUFFER
from chaos_parts.wire import Wire

WEIGHT = 0.1  # each of these takes seconds
TIMED_OUT = Expected(frozenset({408}), None, fate=Fate.CLOSED)


@kind(WEIGHT)
def silent(talk: Talk) -> str:
    """Not a byte: closed without a word."""
    wire = talk.open([])
    wire.read_to_end(talk.limits.header + LATE, may_end=True)
    talk.judge_time("ended", wire.began, talk.limits.header)
    return "closed"


@kind(WEIGHT)
def idle(talk: Talk) -> str:
    """Nothing more after some exchanges: closed without a word."""
    requests = [talk.target.plain(talk.chance), *talk.plain(3)]
    wire = talk.open(requests)
    wire.send_in_pieces(talk.chance, joined(requests))
    wire.read_responses(len(requests))
    begin = time.monotonic()
    wire.read_to_end(talk.limits.keepalive + LATE, may_end=True)
    talk.judge_time("ended", begin, talk.limits.keepalive)
    return "closed"


@kind(WEIGHT)
def slow_head(talk: Talk) -> str:
    """A head that does not end, or comes in drops: 408."""
    chance = talk.chance
    before = talk.plain(3)
    head = talk.target.plain(chance).octets.lstrip(b"\r\n")
    wire = talk.open(before, TIMED_OUT)
    wire.send_in_pieces(chance, joined(before))
    if chance.random() < 0.5:
        wire.read_responses(len(before))
    begin = wire.began if not before else time.monotonic()
    drops = chance.random() < 0.5
    if drops:
        drip(wire, head[:-4], scaled(talk.limits.header) / 20)
    else:
        wire.send(head[: chance.randint(1, len(head) - 1)])
    wire.read_to_end(talk.limits.header + LATE)
    talk.judge_time("408", begin, talk.limits.header)
    return "408, in drops" if drops else "408"


def drip(wire: Wire, octets: bytes, pause: float) -> None:
    """A byte at a time, for several times as long as the server may wait."""
    for i in range(len(octets)):
        wire.send(octets[i : i + 1])
        wire.wait(pause)
        if wire.model.closes or wire.ended:
            return
    raise Fault("each byte gives a head more time", by_time=True)


@kind(WEIGHT, "conformance")
def slow_content(talk: Talk) -> str:
    """A content that does not end: 408. One that comes slowly, but comes: answered."""
    assert isinstance(talk.target, Echoes)
    chance = talk.chance
    before = talk.plain(3)
    content = chance.randbytes(chance.randint(1000, 20_000))
    request = talk.target.echo(chance, content)
    coded = request.content
    if chance.random() < 0.4:
        wire = talk.open([*before, request])
        wire.send(joined(before) + request.head)
        count = 4
        for i in range(count):
            wire.wait(0.4 * scaled(talk.limits.body))
            wire.send(coded[len(coded) * i // count : len(coded) * (i + 1) // count])
        return f"answered; {talk.finish(wire)}"
    wire = talk.open(before, TIMED_OUT)
    wire.send_in_pieces(chance, joined(before) + request.head)
    begin = time.monotonic()
    wire.send(coded[: chance.randrange(len(coded))])
    wire.read_to_end(talk.limits.body + LATE)
    talk.judge_time("408", begin, talk.limits.body)
    return "408"


@kind(WEIGHT, "enduring")
def stalled_reader(talk: Talk) -> str:
    """Reads nothing of a large response: reset."""
    assert isinstance(talk.target, Files)
    requests = [talk.target.largest(talk.chance) for _ in range(talk.chance.randint(4, 8))]
    wire = talk.open(requests, receive_buffer=SMALL_BUFFER)
    begin = time.monotonic()
    wire.stop_reading()
    wire.send(joined(requests))
    while not wire.is_broken():
        if time.monotonic() > begin + scaled(talk.limits.write + LATE):
            raise Fault("the server does not reset a client that reads nothing")
        wire.sleep(0.05)
    talk.judge_time("reset", begin, talk.limits.write)
    return "reset by the server"


@kind(WEIGHT)
def sends_on(talk: Talk) -> str:
    """Goes on sending after the last response: it has come whole, and there is an end."""
    closing = talk.target.plain(talk.chance, closes=True)
    wire = talk.open([closing])
    wire.send(closing.octets)
    wire.read_responses(1)
    wire.read_to_end()
    begin = time.monotonic()
    wire.wait_cut(talk.limits.linger_max + LATE)
    talk.judge_time("cut", begin, talk.limits.linger_max)
    return "cut"


@kind(WEIGHT)
def holds_on(talk: Talk) -> str:
    """Does not close after the last response: the server does not wait for ever."""
    closing = talk.target.plain(talk.chance, closes=True)
    wire = talk.open([closing])
    wire.send(closing.octets)
    wire.read_responses(1)
    wire.read_to_end()
    wire.sleep(scaled(talk.limits.linger * 1.5))
    taken = wire.wait_cut(talk.limits.linger_max + LATE)
    if taken > scaled(talk.limits.linger / 2):
        raise Fault(f"the server still lingered, {taken:.3f} s more", by_time=True)
    return "cut"
