"""Talks in which all that is sent is valid, up to the point where the client breaks off."""

from __future__ import annotations

import random

from chaos_parts.model import Expected, Fate, Fault, Model, Request, joined
from chaos_parts.requests import Draft, answered
from chaos_parts.talks import Talk, kind
from chaos_parts.targets import Echoes
from chaos_parts.wire import Pace

SMALL_BUFFER = 4096
LINE = "a: b\r\n"


def some(chance: random.Random) -> int:
    return chance.choice((1, 1, 2, 3, 5, 8, 16, 20, 30))


def share_of_closes(chance: random.Random) -> float:
    return chance.choice((0.0, 0.0, 0.02, 0.2))


@kind(10)
def pipelined(talk: Talk) -> str:
    """All requests at once."""
    requests = talk.draw(some(talk.chance), share_of_closes(talk.chance))
    small = talk.chance.random() < 0.1
    wire = talk.open(requests, receive_buffer=SMALL_BUFFER if small else None)
    wire.send_in_pieces(talk.chance, joined(requests))
    return talk.finish(wire)


@kind(6)
def turns(talk: Talk) -> str:
    """Each request waits for the response before."""
    requests = talk.draw(some(talk.chance), share_of_closes(talk.chance))
    wire = talk.open(requests)
    for count, request in enumerate(requests, 1):
        wire.send_in_pieces(talk.chance, request.octets)
        wire.read_responses(count)
        if wire.model.closes or wire.ended:
            break
    return talk.finish(wire)


@kind(3, "conformance")
def expecting(talk: Talk) -> str:
    """The content waits for 100 Continue."""
    assert isinstance(talk.target, Echoes)
    chance = talk.chance
    before = talk.plain(2)
    content = chance.randbytes(chance.randint(1, 60_000))
    asked = talk.target.echo(chance, content, expects=True)
    if chance.random() < 0.2:  # a content that nobody wants: the answer comes at once
        draft = Draft(chance, "GET", "/", content, expects=True, fate=Fate.EITHER)
        asked = answered(draft, 200, b"OK")
    wire = talk.open([*before, asked])
    wire.send_in_pieces(chance, joined(before) + asked.head)
    wire.read_continue(len(before))
    if wire.model.closes:
        return f"answered at once; {talk.finish(wire)}"
    if wire.model.continued != 1 and asked.expected.fate == Fate.KEPT:
        raise Fault("no 100 Continue")
    wire.send_in_pieces(chance, asked.content)
    return f"continued; {talk.finish(wire)}"


@kind(2)
def slow_reader(talk: Talk) -> str:
    chance = talk.chance
    requests = talk.draw(chance.randint(2, 12), chance.choice((0.0, 0.1)))
    wire = talk.open(requests, receive_buffer=SMALL_BUFFER)
    wire.read_slowly(Pace(chance.randint(100, 9000), chance.choice((0.001, 0.01)), 0.7))
    wire.send_in_pieces(chance, joined(requests))
    return talk.finish(wire)


@kind(3)
def after_close(talk: Talk) -> str:
    """What comes behind a request that says close is not answered, and does no harm."""
    before, after = talk.plain(5), talk.draw(talk.chance.randint(1, 10))
    closing = talk.target.plain(talk.chance, closes=True)
    requests = [*before, closing, *after]
    wire = talk.open(requests)
    wire.send_in_pieces(talk.chance, joined(requests))
    return talk.finish(wire)


def draw_part(talk: Talk) -> tuple[list[Request], bytes]:
    """Requests, and a beginning of them."""
    requests = talk.draw(some(talk.chance), 0.02)
    octets = joined(requests)
    return requests, octets[: talk.chance.randint(0, len(octets))]


@kind(5)
def resetting(talk: Talk) -> str:
    """The client resets at any point."""
    chance = talk.chance
    requests, part = draw_part(talk)
    small = chance.random() < 0.3
    wire = talk.open(requests, receive_buffer=SMALL_BUFFER if small else None)
    if chance.random() < 0.3:
        wire.read_slowly(Pace(2000, 0.01, 0.3))
    wire.send_in_pieces(chance, part)
    wire.wait(chance.choice((0.0, 0.0, 0.001, 0.01)))
    wire.reset()
    return "reset"


@kind(5)
def leaving(talk: Talk) -> str:
    """The client closes at any point, often in the middle of a request; or only its own side."""
    chance = talk.chance
    requests, part = draw_part(talk)
    if chance.random() < 0.4:
        wire = talk.open(requests)
        wire.send_in_pieces(chance, part)
        wire.wait(chance.choice((0.0, 0.001, 0.01)))
        wire.close()
        return "closed"
    wire = talk.open(requests, loose=True)
    cut_off = forget_beyond(wire.model, requests, part)
    wire.send_in_pieces(chance, part)
    wire.half_close()
    wire.read_to_end()
    statuses = wire.model.loose_statuses
    # The method may have told enough.
    early = {501} & cut_off.expected.statuses if cut_off else set()
    if statuses and (len(statuses) > 1 or cut_off is None or statuses[0] not in {400} | early):
        raise Fault(f"{statuses} to a request that was cut off")
    return "half-closed; " + ("refused" if statuses else "ended")


def forget_beyond(model: Model, requests: list[Request], part: bytes) -> Request | None:
    """Of the requests only this beginning is sent. The one that is cut off, if one is."""
    for number, request in enumerate(requests):
        if len(part) < len(request.octets):
            del model.expected[number:]
            # Who asks for a head only takes no content, even if the request is refused.
            model.loose_to_head = part.lstrip(b"\r\n").startswith(b"HEAD ")
            return request if part else None
        part = part[len(request.octets) :]
    return None


# ---- beyond a limit -----------------------------------------------------------------------------


def too_much(talk: Talk) -> tuple[bytes, Expected]:
    """A request that is beyond a limit, and how it is refused."""
    chance = talk.chance
    host = "Host: localhost\r\n"
    large = talk.limits.content_bytes + chance.randint(1, 200_000)
    coded = b"%x\r\n" % large + bytes(large) + b"\r\n0\r\n\r\n"
    cases = [
        (f"GET /{'t' * 9000} HTTP/1.1\r\n{host}\r\n", b"", 414),
        (f"GET / HTTP/1.1\r\n{host}X: {'v' * 20_000}\r\n\r\n", b"", 431),
        (f"GET / HTTP/1.1\r\n{host}{LINE * 200}\r\n", b"", 431),
        (f"GET / HTTP/2.7\r\n{host}\r\n", b"", 505),
        (f"POST / HTTP/1.1\r\n{host}Expect: a-miracle\r\nContent-Length: 2\r\n\r\n", b"ab", 417),
        (f"POST / HTTP/1.1\r\n{host}Content-Length: {large}\r\n\r\n", bytes(large), 413),
        (f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n", coded, 413),
        (f"POST /none HTTP/1.1\r\n{host}Content-Length: {large}\r\n\r\n", bytes(large), 404),
    ]
    head, content, status = chance.choice(cases)
    statuses = {status}
    if talk.target.name != "conformance" and status in (404, 413):
        statuses = {405}  # it takes no content at all
    return head.encode() + content, Expected(frozenset(statuses), None, fate=Fate.CLOSED)


@kind(3)
def over_limit(talk: Talk) -> str:
    """The refusal arrives whole, though the client goes on sending."""
    before, after = talk.plain(4), talk.draw(talk.chance.randint(0, 3))
    octets, refusal = too_much(talk)
    wire = talk.open(before, refusal)
    wire.send_in_pieces(talk.chance, joined(before) + octets + joined(after))
    wire.read_responses(len(wire.model.expected))
    wire.read_to_end()
    return f"refused with {sorted(refusal.statuses)[0]}"
