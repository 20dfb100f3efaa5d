"""One client's connection: sends in pieces while it reads, and records all that went over.

It gives what it reads to the model at once. Nothing here draws lots but the pieces of a sending, so
that the same seed does the same again.
"""

from __future__ import annotations

import random
import select
import time
from dataclasses import dataclass

from harness import Address, Client, ProtocolError, scaled

from chaos_parts.model import Fault, Model, Reader

PATIENCE = 20.0  # seconds for what must come
# Sending in small pieces ends after this: a busy machine can make any pause long, and no client
# may be taken for a slow one by accident.
PIECES_SECONDS = 0.15
SHOWN_BYTES = 600  # of each record
SHOWN_RECORDS = 60


@dataclass(frozen=True)
class Pace:
    """How fast a client reads, as long as it is slow."""

    bytes_max: int = 1 << 18
    pause: float = 0.0
    seconds: float = 0.0  # then it reads at full speed


FULL_PACE = Pace()


@dataclass(frozen=True)
class Record:
    """Something that went over the connection."""

    when: float
    what: str
    octets: bytes
    pieces: int = 1

    def __str__(self) -> str:
        size = len(self.octets)
        half = SHOWN_BYTES // 2
        text = f"  {self.when:8.3f} s  {self.what}"
        if size:
            text += f" {size} bytes" + (f" in {self.pieces} pieces" if self.pieces > 1 else "")
        if size <= SHOWN_BYTES:
            return f"{text}: {self.octets!r}" if size else text
        return f"{text}: {self.octets[:half]!r} ... {self.octets[-half:]!r}"


def cut(chance: random.Random, octets: bytes) -> list[bytes]:
    """The octets in pieces, from the whole down to single bytes."""
    size = len(octets)
    style = chance.randrange(6)
    if style == 0 or size < 2:
        return [octets]
    if style == 1:
        places = {chance.randrange(1, size) for _ in range(chance.randint(1, 6))}
    elif style == 2:
        begin = chance.randrange(size)
        places = set(range(max(1, begin), min(size, begin + chance.randint(2, 120))))
    elif style == 3:  # between CR and LF, or behind them
        ends = [i for i in range(size - 1) if octets[i : i + 2] == b"\r\n"][:60]
        places = {end + chance.randint(1, 2) for end in ends} - {size}
    elif style == 4:
        step = chance.randint(max(1, size // 40), size)
        places = set(range(step, size, step))
    else:  # the beginning byte by byte, the rest in one
        places = set(range(1, min(size, chance.randint(2, 100))))
    ends = [*sorted(places), size]
    return [octets[begin:end] for begin, end in zip([0, *ends], ends)]


class Wire:
    """A connection to the server under test."""

    def __init__(
        self, address: Address, model: Model, receive_buffer: int | None = None
    ) -> None:
        self._client = Client(address, receive_buffer)
        self._socket = self._client.socket
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._socket, 0)
        self._reader = Reader()
        self._pace = FULL_PACE
        self._slow_until = 0.0
        self._read_at = 0.0
        self._last_step = time.monotonic()
        self.model = model
        self.began = self._last_step
        self.received_bytes = 0
        self.ended = False
        self.was_reset = False
        self.refused = False  # a send failed: the server has closed
        self.held_up = 0.0  # the longest time that this process was kept from going on
        self.record: list[Record] = []

    # ---- what a client does ---------------------------------------------------------------------

    def read_slowly(self, pace: Pace) -> None:
        self._pace = pace
        self._slow_until = time.monotonic() + pace.seconds

    def stop_reading(self) -> None:
        self._read_at = float("inf")

    def send(self, octets: bytes) -> None:
        """All of it, unless the server has closed; reads meanwhile."""
        self._note("sent", octets)
        rest = memoryview(octets)
        deadline = time.monotonic() + scaled(PATIENCE)
        while rest and not self.refused:
            if time.monotonic() > deadline:
                raise Fault(f"the server does not take the last {len(rest)} bytes")
            rest = rest[self._step(deadline, rest) :]

    def send_in_pieces(self, chance: random.Random, octets: bytes) -> None:
        pieces = cut(chance, octets)
        pauses = [chance.choice((0.0, 0.0, 0.0, 0.0005, 0.003)) for _ in pieces]
        deadline = time.monotonic() + PIECES_SECONDS
        for i, (piece, pause) in enumerate(zip(pieces, pauses)):
            if self.refused:
                return
            if time.monotonic() > deadline:
                self.send(b"".join(pieces[i:]))
                return
            self.send(piece)
            if pause:
                self.wait(pause)

    def wait(self, seconds: float) -> None:
        """Reads what comes in this time."""
        deadline = time.monotonic() + seconds
        while not self.ended and time.monotonic() < deadline:
            self._step(deadline)

    def sleep(self, seconds: float) -> None:
        """Reads nothing."""
        self._note(f"read nothing for {seconds:.3f} s")
        time.sleep(seconds)
        self._last_step = time.monotonic()

    def read_responses(self, count: int, seconds: float = PATIENCE) -> None:
        """Until so many of the expected ones have come, or one that says close, or the end."""
        model = self.model
        deadline = time.monotonic() + scaled(seconds)
        while not (self.ended or model.closes or model.answered >= count):
            if time.monotonic() > deadline:
                raise Fault(f"nothing comes after {model.answered} of {count} responses")
            self._step(deadline)

    def read_continue(self, answered: int) -> None:
        """Until 100 comes, or the final response behind so many others."""
        model = self.model
        deadline = time.monotonic() + scaled(PATIENCE)
        while not (self.ended or model.continued or model.answered > answered):
            if time.monotonic() > deadline:
                raise Fault("neither 100 nor a final response comes")
            self._step(deadline)

    def read_to_end(self, seconds: float = PATIENCE, may_end: bool = False) -> None:
        """The server must end the connection; how is judged."""
        deadline = time.monotonic() + scaled(seconds)
        while not self.ended:
            if time.monotonic() > deadline:
                raise Fault(f"the server does not close within {scaled(seconds):.1f} s")
            self._step(deadline)
        self.model.judge_end(self._reader.is_within, self.was_reset, may_end)

    def wait_cut(self, seconds: float) -> float:
        """Until the connection is broken for sending, which is tried. How long that took."""
        begin = time.monotonic()
        while not self.refused:
            if time.monotonic() > begin + scaled(seconds):
                raise Fault(f"the server still takes bytes after {scaled(seconds):.1f} s")
            self._write(memoryview(b"x"))
            time.sleep(0.02)
        self._note("broken for sending")
        return time.monotonic() - begin

    def is_broken(self) -> bool:
        """Whether the server has cut the connection; AF_UNIX has no reset. Reads nothing."""
        self._poll.modify(self._socket, 0)
        return bool(self._poll.poll(0))

    def half_close(self) -> None:
        self._note("half-closed")
        try:
            self._client.half_close()
        except OSError:
            self.refused = True

    def close(self) -> None:
        self._note("closed")
        self._client.close()

    def reset(self) -> None:
        self._note("reset")
        self._client.reset()

    def finish(self) -> None:
        """Frees the socket, if the talk has not."""
        self._client.close()

    # ---- one step -------------------------------------------------------------------------------

    def _step(self, deadline: float, rest: memoryview | None = None) -> int:
        """Waits until something can be done, does it; the number of bytes sent."""
        now = time.monotonic()
        self.held_up = max(self.held_up, now - self._last_step)
        reads = not self.ended and now >= self._read_at
        until = deadline if reads or self.ended else min(deadline, self._read_at)
        self._poll.modify(
            self._socket,
            (select.POLLIN if reads else 0) | (select.POLLOUT if rest is not None else 0),
        )
        found = self._poll.poll(max(0.0, until - now) * 1000)
        self._last_step = time.monotonic()
        self.held_up = max(self.held_up, self._last_step - max(now, until))
        events = found[0][1] if found else 0
        if not self.ended and events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            self._read()
        if rest is not None and events & (select.POLLOUT | select.POLLHUP | select.POLLERR):
            return self._write(rest)
        return 0

    def _write(self, rest: memoryview) -> int:
        try:
            return self._socket.send(rest)
        except BlockingIOError:
            return 0
        except ConnectionError:
            self.refused = True
            return 0

    def _read(self) -> None:
        slow = time.monotonic() < self._slow_until
        try:
            octets = self._socket.recv(self._pace.bytes_max if slow else FULL_PACE.bytes_max)
        except BlockingIOError:
            return
        except ConnectionError:
            self.ended = self.was_reset = True
            self._note("was reset")
            return
        if not octets:
            self.ended = True
            self._note("end of input")
            return
        self._note("received", octets)
        self._read_at = time.monotonic() + self._pace.pause if slow else 0.0
        self.received_bytes += len(octets)
        self._reader.octets += octets
        try:
            for response in self._reader.responses(self.model):
                self.model.take(response)
        except ProtocolError as error:
            raise Fault(f"no HTTP: {error}") from error

    # ---- the record -----------------------------------------------------------------------------

    def _note(self, what: str, octets: bytes = b"") -> None:
        last = self.record[-1] if self.record else None
        if last is not None and octets and last.what == what and len(last.octets) < SHOWN_BYTES:
            # Its time is that of the first piece.
            merged = Record(last.when, what, last.octets + octets, last.pieces + 1)
            self.record[-1] = merged
            return
        self.record.append(Record(time.monotonic() - self.began, what, octets))

    def describe(self) -> str:
        """The last of what went over, to read."""
        skipped = max(0, len(self.record) - SHOWN_RECORDS)
        lines = [f"  ... {skipped} records before"] if skipped else []
        return "\n".join(lines + [str(record) for record in self.record[skipped:]])
