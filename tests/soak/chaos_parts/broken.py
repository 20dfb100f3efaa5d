"""Talks in which something broken is sent, behind valid requests."""

from __future__ import annotations

import random
from dataclasses import dataclass

import run_vectors

from chaos_parts.model import Fault, joined
from chaos_parts.talks import Talk, kind


@dataclass(frozen=True)
class Vector:
    """Of a conformance vector what is judged here."""

    name: str
    octets: bytes
    half_close: bool
    statuses: frozenset[int]
    responses_max: int


def load_vectors() -> list[Vector]:
    """But those with HEAD: the frame of a response depends on what the server takes them for."""
    vectors = []
    for vector in run_vectors.load():
        octets = b"".join(part for part, _ in run_vectors.parts_of(vector))
        counts = vector["expect_responses"]
        most = max(counts) if isinstance(counts, list) else counts
        statuses = frozenset(vector["expect_status"])
        if vector.get("h2_ok"):
            statuses = frozenset(range(200, 600))
        if not statuses or 0 in statuses or vector.get("timeout_ok"):
            statuses |= {400, 408}  # incomplete: refused when the input or the time has ended
        if b"HEAD " not in octets:
            half_close = bool(vector.get("half_close"))
            vectors.append(Vector(vector["id"], octets, half_close, statuses, most))
    return vectors


VECTORS = load_vectors()


def judge_vector(vector: Vector, statuses: list[int]) -> None:
    """The responses to the vector and nothing else."""
    if statuses and statuses[0] not in vector.statuses:
        raise Fault(f"{statuses} to {vector.name}, not {set(vector.statuses)}")
    # What is left of it may be a request that does not end.
    extra = bool(statuses) and statuses[-1] in (400, 408)
    if len(statuses) > vector.responses_max + extra:
        raise Fault(f"{len(statuses)} responses {statuses} to {vector.name}")


@kind(5)
def vector(talk: Talk) -> str:
    """One of the conformance vectors."""
    chance = talk.chance
    before = talk.plain(3)
    chosen = chance.choice(VECTORS)
    wire = talk.open(before, loose=True)
    wire.send_in_pieces(chance, joined(before) + chosen.octets)
    if chosen.half_close:
        wire.half_close()
        wire.read_to_end(may_end=True)
        outcome = "ended"
    else:
        outcome = talk.finish_broken(wire)
    if talk.target.name == "conformance":
        judge_vector(chosen, wire.model.loose_statuses)
    return outcome


def mutate(chance: random.Random, octets: bytes) -> bytes:
    """The octets with some damage."""
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        octets = octets or b"G"
        at = chance.randrange(len(octets))
        size = chance.choice((1, 1, 2, 10, 200))
        piece = octets[at : at + size]
        line = octets.find(b"\r\n", at)
        how = chance.randrange(8)
        if how == 0:
            octets = octets[:at] + bytes([octets[at] ^ 1 << chance.randrange(8)]) + octets[at + 1 :]
        elif how == 1:
            octets = octets[:at] + octets[at + size :]
        elif how == 2:
            octets = octets[:at] + piece * 2 + octets[at + size :]
        elif how == 3:
            octets = octets[:at] + chance.randbytes(size) + octets[at:]
        elif how == 4 and line >= 0:
            other = chance.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\r\n", b"\0"))
            octets = octets[:line] + other + octets[line + 2 :]
        elif how == 5 and line >= 0:
            field = chance.choice(FIELDS)
            octets = octets[: line + 2] + field + b"\r\n" + octets[line + 2 :]
        elif how == 6:
            number = chance.choice((b"0", b"9", b"-1", b"99999999999999999999", b"0x", b"f", b" "))
            octets = octets[:at] + number + octets[at:]
        else:
            octets = octets[:at]
    return octets


FIELDS = (
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: 1000000",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Expect: 100-continue",
    b"Host: other",
    b"Upgrade: h2c",
    b" folded",
    b"bad name: x",
    b": x",
    b"X",
)


@kind(8)
def mutated(talk: Talk) -> str:
    """Valid requests, one that has been damaged, and more behind it."""
    chance = talk.chance
    before = talk.plain(4)
    victims = [r for r in talk.draw(3, 0.1) if not r.expected.to_head][:1]
    victims = victims or [talk.target.plain(chance)]
    octets = mutate(chance, joined(victims))
    # In what a damaged request makes of them, HEAD could not be told from GET.
    behind = [r for r in talk.draw(chance.randint(0, 5), 0.05) if not r.expected.to_head]
    wire = talk.open(before, loose=True)
    wire.send_in_pieces(chance, joined(before) + octets + joined(behind))
    return talk.finish_broken(wire)


@kind(2)
def garbage(talk: Talk) -> str:
    """No HTTP at all."""
    chance = talk.chance
    octets = chance.choice(
        (
            chance.randbytes(chance.randint(1, 3000)),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
            b"SSH-2.0-client\r\n",
            b"\r\n" * chance.randint(1, 2000),
            b"\0" * chance.randint(1, 20_000),
            bytes(chance.choices(b"GET / HTP1.\r\n: ", k=chance.randint(1, 300))),
            b"G" * chance.randint(1, 100_000),
        )
    )
    before = talk.plain(2)
    wire = talk.open(before, loose=True)
    wire.send_in_pieces(chance, joined(before) + octets)
    return talk.finish_broken(wire)
