"""Many hostile connections at once, each of which sends what its script says, or reads nothing."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterable, Iterator

from harness import Client, Server, scaled

ROUND = 0.005  # seconds between two looks at all connections when nothing is to be sent at once


class Attacker(Client):
    """One hostile connection. What it received can be read from it as from any client."""

    def __init__(
        self,
        server: Server,
        script: Iterable[bytes],
        reads: bool = True,
        receive_buffer: int | None = None,
    ) -> None:
        self.begin = time.monotonic()  # the server's time begins when the kernel has connected
        super().__init__(server.address, receive_buffer)
        self._script = iter(script)
        self._reads = reads
        self._unsent = memoryview(b"")
        self.sent = 0  # bytes
        self.ended = ""  # how the server ended it: "closed" or "reset"
        self.took = 0.0  # seconds until then
        self.socket.setblocking(False)

    def send_next(self) -> bool:
        """Sends what it still has to send, or the script's next piece. False: it cannot now."""
        if not self._unsent:
            self._unsent = memoryview(next(self._script, b""))
        if not self._unsent:
            return False
        try:
            count = self.socket.send(self._unsent)
        except BlockingIOError:
            return False
        except ConnectionError:
            self.end("reset")
            return False
        self._unsent = self._unsent[count:]
        self.sent += count
        return True

    def look(self, events: int) -> None:
        """Takes what has come."""
        if self._reads and events & (select.POLLIN | select.POLLERR | select.POLLHUP):
            try:
                octets = self.socket.recv(65536)
            except BlockingIOError:
                return
            except ConnectionError:
                self.end("reset")
                return
            self._received += octets
            if not octets:
                self.end("closed")
        elif events & select.POLLERR:
            self.end("reset")
        elif events & select.POLLRDHUP:
            self.end("closed")

    def end(self, how: str) -> None:
        self.ended = self.ended or how
        self.took = time.monotonic() - self.begin

    @property
    def interest(self) -> int:
        return select.POLLRDHUP | (select.POLLIN if self._reads else 0)


def drive(
    attackers: list[Attacker], pause: float, over: Callable[[], bool] | None = None
) -> None:
    """Lets them attack, each with a pause between its pieces, until the server has ended all of
    them or it is over."""
    deadline = time.monotonic() + scaled(15)
    alive = {attacker.socket.fileno(): attacker for attacker in attackers}
    poll = select.poll()
    for descriptor, attacker in alive.items():
        poll.register(descriptor, attacker.interest)
    next_piece = 0.0
    while alive and not (over is not None and over()):
        if time.monotonic() > deadline:
            raise AssertionError(f"the server lets {len(alive)} of {len(attackers)} go on")
        sent = False
        if time.monotonic() >= next_piece:
            next_piece = time.monotonic() + pause
            for attacker in alive.values():
                sent = attacker.send_next() or sent
        for descriptor, events in poll.poll(0 if sent and pause == 0 else ROUND * 1000):
            alive[descriptor].look(events)
        for descriptor in [d for d, attacker in alive.items() if attacker.ended]:
            poll.unregister(descriptor)
            del alive[descriptor]


@contextlib.contextmanager
def crowd(
    server: Server,
    count: int,
    script: Callable[[], Iterable[bytes]],
    reads: bool = True,
    receive_buffer: int | None = None,
) -> Iterator[list[Attacker]]:
    """So many attackers, which are gone afterwards."""
    attackers: list[Attacker] = []
    try:
        for _ in range(count):
            attackers.append(Attacker(server, script(), reads, receive_buffer))
        yield attackers
    finally:
        for attacker in attackers:
            attacker.close()
