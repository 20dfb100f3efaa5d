#!/usr/bin/env python3
"""Sends each vector of vectors.jsonl and more_vectors.jsonl to a server and judges the answers.

    run_vectors.py [--jobs N] [--only TEXT] HOST PORT

In vectors.jsonl the answers are those that the RFCs leave open; in more_vectors.jsonl they are
narrowed to what this server has decided, and its default limits.

A vector is one or more requests as octets, with the statuses that are allowed, the number of
responses, the fate of the connection and further checks. Each goes over a connection of its own.
Prints what fails, then a count; exit status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import re
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = [Path(__file__).with_name(name) for name in ("vectors.jsonl", "more_vectors.jsonl")]
FOLLOW_UP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

# Seconds: for what must come; for which what must not come is waited for.
PATIENCE = 1.5
SILENCE = 0.5
STAYS_OPEN = 0.15
EITHER = 0.3

Vector = dict[str, Any]


def octets_of(escaped: str) -> bytes:
    """The octets that an escaped text stands for."""
    plain = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}
    return re.sub(
        r"\\(?:x([0-9a-fA-F]{2})|([rnt\\]))",
        lambda escape: chr(int(escape[1], 16)) if escape[1] else plain[escape[2]],
        escaped,
    ).encode("latin-1")


def parts_of(vector: Vector) -> list[tuple[bytes, float]]:
    """What is sent, each with the seconds to pause after it."""
    if "parts" not in vector:
        return [(octets_of(vector["request_escaped"]), 0)]
    return [(octets_of(part["send"]), part["pause_ms"] / 1000) for part in vector["parts"]]


def load(paths: list[Path] = VECTORS) -> list[Vector]:
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


# ---- responses ----------------------------------------------------------------------------------


@dataclass
class Response:
    status: int
    fields: dict[str, str]  # names in lower case; several values are joined by commas
    body: bytes = b""
    whole: bool = True

    @property
    def is_final(self) -> bool:
        return self.status >= 200 or self.status == 101


def take_chunks(octets: bytes) -> tuple[bytes, bytes, bool]:
    """Body, rest, and whether the body is whole."""
    body = b""
    while found := re.match(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n", octets):
        size = int(found[1], 16)
        if size == 0:
            end = re.match(rb"0+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n", octets)
            return (body, octets[end.end() :], True) if end else (body, octets, False)
        begin = found.end()
        if octets[begin + size : begin + size + 2] != b"\r\n":
            break
        body += octets[begin : begin + size]
        octets = octets[begin + size + 2 :]
    return body, octets, False


def split_responses(octets: bytes, head_first: bool, ended: bool) -> tuple[list[Response], bytes]:
    """The responses, and what belongs to none of them."""
    responses: list[Response] = []
    finals = 0
    while head := re.match(rb"HTTP/\d\.\d (\d{3})([^\r\n]*)\r\n((?:[^\r\n]+\r\n)*)\r\n", octets):
        fields: dict[str, str] = {}
        for line in head[3].decode("latin-1").splitlines():
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = f"{fields[name]},{value.strip()}" if name in fields else value.strip()
        response = Response(int(head[1]), fields)
        octets = octets[head.end() :]
        responses.append(response)
        bodiless = response.status < 200 or response.status in (204, 304)
        if not (bodiless or (head_first and finals == 0)):
            if "chunked" in fields.get("transfer-encoding", "").lower():
                response.body, octets, response.whole = take_chunks(octets)
            elif "content-length" in fields:
                size = int(fields["content-length"])
                response.body, octets = octets[:size], octets[size:]
                response.whole = len(response.body) == size
            else:
                response.body, octets, response.whole = octets, b"", ended
        finals += response.is_final
        if not response.whole:
            break
    return responses, octets


# ---- one vector's exchange ----------------------------------------------------------------------


class Exchange:
    """A connection and all that has come on it."""

    def __init__(self, address: tuple, head_first: bool) -> None:
        self.received = b""
        self.ended = False
        self._head_first = head_first
        self._socket = socket.create_connection(address, timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, octets: bytes) -> None:
        try:
            self._socket.sendall(octets)
        except ConnectionError:
            pass  # what was received before still counts; reading will find the end

    def half_close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Takes what comes until it is enough, the connection ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not self.ended and not enough():
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], left)[0]:
                return
            try:
                octets = self._socket.recv(65536)
            except ConnectionError:
                octets = b""
            self.received += octets
            self.ended = not octets

    def responses(self) -> tuple[list[Response], bytes]:
        return split_responses(self.received, self._head_first, self.ended)

    def finals(self) -> list[Response]:
        return [response for response in self.responses()[0] if response.is_final]

    def has_finals(self, count: int) -> bool:
        finals = self.finals()
        return len(finals) >= count and all(response.whole for response in finals[:count])


def judge_check(check: str, exchange: Exchange, early_continue: bool) -> str | None:
    """The fault that the named check finds in the first response, if any."""
    responses, rest = exchange.responses()
    first = next(response for response in responses if response.is_final)
    name, _, argument = check.partition(":")
    good = {
        "date": lambda: "date" in first.fields,
        "no_te": lambda: "transfer-encoding" not in first.fields,
        "no_body": lambda: not rest or rest.startswith(b"HTTP/"),
        "first_no_body": lambda: not rest or rest.startswith(b"HTTP/"),
        "got_100": lambda: early_continue,
        "no_100": lambda: all(response.status != 100 for response in responses),
        "echo": lambda: first.status != 200 or first.body in (argument.encode(), b"OK"),
        "no_reflect": lambda: argument.encode() not in first.body,
        "conn_close_header": lambda: "close" in first.fields.get("connection", "").lower(),
        "allow_if_405": lambda: first.status != 405 or "allow" in first.fields,
    }
    if name not in good:
        return f"the check {name} is not known"
    return None if good[name]() else f"check {check}: {first.status} {first.body[:40]!r}"


def judge_responses(vector: Vector, exchange: Exchange, early_continue: bool) -> Iterator[str]:
    finals = exchange.finals()
    statuses = [response.status for response in finals]
    counts = vector["expect_responses"]
    counts = counts if isinstance(counts, list) else [counts]
    second = vector.get("second_status")
    if not vector.get("h2_ok") and statuses[0] not in vector["expect_status"]:
        yield f"status {statuses[0]}, allowed are {vector['expect_status']}"
    if len(finals) > max(counts):
        yield f"DESYNC: {len(finals)} responses {statuses}, allowed are {counts}"
    elif len(finals) not in counts:
        if not (second and 0 in second and len(finals) == max(counts) - 1):
            yield f"{len(finals)} responses {statuses}, allowed are {counts}"
    if second is not None and len(finals) > 1 and statuses[1] not in second:
        yield f"second status {statuses[1]}, allowed are {second}"
    if not finals[0].whole:
        yield "the first response is not whole"
    for check in vector.get("checks", []):
        if fault := judge_check(check, exchange, early_continue):
            yield fault


def judge(vector: Vector, exchange: Exchange, patience: float) -> Iterator[str]:
    """Sends the vector and yields what is wrong with the answers."""
    parts = parts_of(vector)
    early_continue = False
    for octets, pause in parts:
        exchange.send(octets)
        exchange.read(pause)
        early_continue = early_continue or re.match(rb"HTTP/1.1 100", exchange.received) is not None
    if vector.get("half_close"):
        exchange.half_close()
    if "waits" in vector.get("checks", []):
        exchange.read(SILENCE)
        if exchange.received or exchange.ended:
            yield f"did not wait: {exchange.received[:40]!r}, ended: {exchange.ended}"
        return
    counts = vector["expect_responses"]
    most = max(counts) if isinstance(counts, list) else counts
    fate = vector["expect_connection"]
    exchange.read(patience, lambda: exchange.has_finals(most))
    exchange.read({"close": patience, "keep": STAYS_OPEN, "either": EITHER}[fate])
    finals = exchange.finals()
    if finals:
        yield from judge_responses(vector, exchange, early_continue)
    elif vector.get("timeout_ok"):
        return
    elif not (0 in vector["expect_status"] and exchange.ended):
        yield f"no response, ended: {exchange.ended}"
    if fate == "close" and not exchange.ended:
        yield "the connection is not closed"
    if fate == "keep" and finals:
        if exchange.ended:
            yield "the connection is closed"
            return
        exchange.send(FOLLOW_UP)
        exchange.read(patience, lambda: exchange.has_finals(len(finals) + 1))
        if not exchange.has_finals(len(finals) + 1):
            yield "one more request is not answered"


def run_one(vector: Vector, address: tuple, patience: float = PATIENCE) -> list[str]:
    """The faults of the answers to this vector."""
    head_first = parts_of(vector)[0][0].startswith(b"HEAD ")
    try:
        with Exchange(address, head_first) as exchange:
            return list(judge(vector, exchange, patience))
    except (OSError, ValueError) as error:
        return [f"{type(error).__name__}: {error}"]


def run(
    vectors: list[Vector], address: tuple, jobs: int = 32, patience: float = PATIENCE
) -> dict[str, list[str]]:
    """The faults of each vector that has any, by its id."""
    with ThreadPoolExecutor(jobs) as executor:
        verdicts = executor.map(lambda vector: run_one(vector, address, patience), vectors)
        return {vector["id"]: faults for vector, faults in zip(vectors, verdicts) if faults}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--jobs", type=int, default=32, help="connections at once (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="vectors with this in the id")
    options = parser.parse_args()
    vectors = [vector for vector in load() if options.only in vector["id"]]
    failures = run(vectors, (options.host, options.port), options.jobs)
    for name, faults in failures.items():
        print(f"{name}: {'; '.join(faults)}")
    print(f"{len(vectors) - len(failures)} passed, {len(failures)} failed of {len(vectors)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
