"""What must come back: a reference model of one connection, which knows nothing of sockets.

It is told which requests are sent and takes responses as they come. Of valid requests it knows each
response: status, content, order, and whether the connection goes on. Behind a broken request it
only knows the rules that hold for any server: whole responses, none after one that says close.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from harness import DATE, ProtocolError, Response, parse_head

HEAD_BYTES_MAX = 64 * 1024
# An error of framing, or a time that is over: nothing can follow.
LAST_STATUSES = frozenset({400, 408, 414, 431, 505})


class Fault(AssertionError):
    """The server did what the model does not allow."""

    def __init__(self, text: str, by_time: bool = False) -> None:
        super().__init__(text)
        self.by_time = by_time  # a client that is held up for seconds could see this as well


class Fate(Enum):
    """What becomes of the connection after a response."""

    KEPT = "kept"
    CLOSED = "closed"
    EITHER = "either"  # the server may choose, and the response says it


@dataclass(frozen=True)
class Expected:
    """The response to one request."""

    statuses: frozenset[int]
    body: bytes | None = None  # None: whatever
    fields: tuple[tuple[str, str | None], ...] = ()  # None: the field is there, whatever its value
    fate: Fate = Fate.KEPT
    to_head: bool = False
    old: bool = False  # the request is HTTP/1.0
    may_continue: bool = False  # 100 may come first


@dataclass(frozen=True)
class Request:
    octets: bytes
    expected: Expected
    head_size: int

    @property
    def head(self) -> bytes:
        return self.octets[: self.head_size]

    @property
    def content(self) -> bytes:
        """As it is sent."""
        return self.octets[self.head_size :]


def joined(requests: Iterable[Request]) -> bytes:
    return b"".join(request.octets for request in requests)


def expect(requests: Sequence[Request], cap: int) -> list[Expected]:
    """The responses on one connection, of which the cap-th is the last."""
    expected = []
    for number, request in enumerate(requests, 1):
        last = number == cap
        expected.append(replace(request.expected, fate=Fate.CLOSED) if last else request.expected)
        if expected[-1].fate == Fate.CLOSED:
            break
    return expected


class Reader:
    """Takes responses off the received bytes. Strict."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self._head: tuple[int, tuple[tuple[str, str], ...]] | None = None
        self._searched = 0

    def responses(self, model: Model) -> Iterator[Response]:
        """Those that are whole. The model says which of them answer HEAD."""
        while True:
            if self._head is None:
                end = self.octets.find(b"\r\n\r\n", max(0, self._searched - 3))
                if end < 0:
                    self._searched = len(self.octets)
                    if self._searched > HEAD_BYTES_MAX:
                        raise ProtocolError("a head without end")
                    return
                self._head = parse_head(bytes(self.octets[:end]))
                self._searched = 0
                del self.octets[: end + 4]
            response = Response(*self._head, b"")
            size = self._content_size(response, model)
            if len(self.octets) < size:
                return
            body = bytes(self.octets[:size])
            del self.octets[:size]
            self._head = None
            yield replace(response, body=body)

    @property
    def is_within(self) -> bool:
        """Part of a response has come."""
        return self._head is not None or bool(self.octets)

    @staticmethod
    def _content_size(response: Response, model: Model) -> int:
        length = response.field("Content-Length")
        if response.field("Transfer-Encoding") is not None:
            raise ProtocolError("an unexpected Transfer-Encoding")
        if response.status < 200 or response.status == 204:
            if length is not None:
                raise ProtocolError(f"{response.status} with Content-Length")
            return 0
        if response.status == 304:
            return 0
        if length is None or not length.isdecimal() or (length[0] == "0" and length != "0"):
            raise ProtocolError(f"Content-Length {length!r}")
        return 0 if model.next_is_to_head else int(length)


class Model:
    """Judges the responses of one connection, and how it ends."""

    def __init__(
        self, expected: Sequence[Expected], loose: bool = False, bad_paths: bool = False
    ) -> None:
        self.expected = list(expected)
        self.loose = loose  # what is sent behind the expected ones is broken
        # With these 400 may also mean a path that cannot be, which is no error of framing.
        self._last_statuses = LAST_STATUSES - ({400} if bad_paths else set())
        self.loose_to_head = False  # the broken one is HEAD
        self.answered = 0  # of the expected ones
        self.loose_statuses: list[int] = []
        self.closes = False  # a response said so
        self.continued = 0
        self._continued_here = False

    @property
    def next_is_to_head(self) -> bool:
        if self.answered < len(self.expected):
            return self.expected[self.answered].to_head
        return self.loose_to_head

    @property
    def complete(self) -> bool:
        """No response is missing."""
        return self.closes or self.answered == len(self.expected)

    def take(self, response: Response) -> None:
        if self.closes:
            raise Fault(f"{response.status} after a response that says close")
        if response.status < 200:
            self._take_interim(response)
            return
        if DATE.fullmatch(response.field("Date") or "") is None:
            raise Fault("no Date")
        self._continued_here = False
        if self.answered < len(self.expected):
            self._take_expected(response, self.expected[self.answered])
            self.answered += 1
        elif self.loose:
            self.loose_statuses.append(response.status)
        else:
            raise Fault(f"a surplus response {response.status}: {response.body[:60]!r}")
        self.closes = response.closes
        if response.status in self._last_statuses and not self.closes:
            raise Fault(f"{response.status} without Connection: close")

    def _take_interim(self, response: Response) -> None:
        expected = self.expected[self.answered] if self.answered < len(self.expected) else None
        allowed = self.loose if expected is None else expected.may_continue
        if response.status != 100 or not allowed or self._continued_here:
            raise Fault(f"an interim response {response.status} that nobody waits for")
        self.continued += 1
        self._continued_here = True

    def _take_expected(self, response: Response, expected: Expected) -> None:
        where = f"response {self.answered + 1}"
        if response.status not in expected.statuses:
            by_time = response.status in (408, 503)
            raise Fault(f"{where} is {response.status}, not {set(expected.statuses)}", by_time)
        if expected.body is not None and response.body != expected.body:
            raise Fault(f"{where} {describe_difference(response.body, expected.body)}")
        for name, value in expected.fields:
            found = response.field(name)
            if found is None or (value is not None and found != value):
                raise Fault(f"{where} has {name}: {found!r}, not {value!r}")
        self._judge_fate(response, expected, where)

    @staticmethod
    def _judge_fate(response: Response, expected: Expected, where: str) -> None:
        said = response.field("Connection")
        if expected.fate == Fate.CLOSED or (expected.fate == Fate.EITHER and response.closes):
            allowed: tuple[str | None, ...] = ("close",)
        elif expected.old:
            allowed = ("keep-alive",)
        else:
            allowed = (None, "keep-alive")
        if said not in allowed:
            raise Fault(f"{where} says Connection: {said}, not {allowed[0]}")

    def judge_end(self, within: bool, was_reset: bool, may_end: bool) -> None:
        """The connection has ended. may_end: though no response said so."""
        if was_reset:
            raise Fault(f"a reset after {self._count()}", by_time=True)
        if within:
            raise Fault(f"ended in a response, after {self._count()}", by_time=True)
        if not self.complete:
            raise Fault(f"ended after {self._count()}", by_time=True)
        if not (self.closes or may_end or self.loose):
            raise Fault(f"ended without a word, after {self._count()}", by_time=True)

    def _count(self) -> str:
        return f"{self.answered} of {len(self.expected)} responses"


def describe_difference(found: bytes, right: bytes) -> str:
    """In a few words how two contents differ."""
    if len(found) != len(right):
        shown = f": {found[:80]!r} and {right[:80]!r}" if max(len(found), len(right)) <= 200 else ""
        return f"has {len(found)} bytes of content, not {len(right)}{shown}"
    at = next(i for i, (a, b) in enumerate(zip(found, right)) if a != b)
    return f"differs from byte {at} on: {found[at:][:40]!r}, not {right[at:][:40]!r}"
