#!/usr/bin/env python3
"""Keep many connections open at once, load all of them with requests, and judge every answer.

    many.py URL CONNECTIONS SECONDS

First all connect, and each sends a request; when every one has its answer, each sends the next as
soon as it has the last, for so many seconds. Fails, with status 1, when a connection is refused or
ended, or when an answer is not the same as the first one. Status 77: this process may not open so
many connections.

One process and one thread, with nothing but Python's own library: it runs wherever the server's
container can be tested, and, unlike wrk, opens no connection anew that was ended.
"""

from __future__ import annotations

import argparse
import resource
import select
import socket
import sys
import time
import urllib.parse

SPARE_DESCRIPTORS = 32
# Connections that are being made: fewer than the backlog of a listener holds.
CONNECTING_MAX = 256
STALL_S = 20.0  # so long nothing may come from any connection


class Failure(Exception):
    """The server did not do what it must."""


class Connection:
    """One connection with one request at a time."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)
        self.answers = 0
        self.asking = True  # it has a request that is not answered
        self._request = request
        self._sent = False
        self._received = b""
        self._size = 0  # of the answer, once its head is there

    def ask(self) -> None:
        # A request is smaller than any send buffer that is empty.
        if self.socket.send(self._request) != len(self._request):
            raise Failure("a request could not be sent whole")
        self.asking = self._sent = True

    def look(self) -> bytes | None:
        """To be called when the socket is ready; an answer that is whole."""
        if not self._sent:
            self.ask()
            return None
        try:
            octets = self.socket.recv(65536)
        except BlockingIOError:
            return None
        if not octets:
            raise Failure(f"a connection was closed after {self.answers} answers")
        self._received += octets
        if not self._size:
            head, separator, _ = self._received.partition(b"\r\n\r\n")
            if not separator:
                return None
            self._size = len(head) + len(separator) + content_length(head)
        if len(self._received) < self._size:
            return None
        if len(self._received) > self._size or not self.asking:
            raise Failure("more came than was asked for")
        answer, self._received, self._size = self._received, b"", 0
        self.answers += 1
        self.asking = False
        return answer


def content_length(head: bytes) -> int:
    status, *fields = head.split(b"\r\n")
    if not status.startswith(b"HTTP/1.1 200 "):
        raise Failure(f"the answer is {status!r}")
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Failure("an answer has no Content-Length")


def content(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


class Crowd:
    """All the connections."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self._address = address
        self._request = request
        self._poll = select.epoll()
        self._by_descriptor: dict[int, Connection] = {}
        self._first: bytes | None = None

    def __len__(self) -> int:
        return len(self._by_descriptor)

    def counts(self) -> list[int]:
        return [connection.answers for connection in self._by_descriptor.values()]

    def connect(self, count: int) -> None:
        """So many, and has one answer on each; all stay open."""
        answered = 0
        while answered < count:
            while len(self) < count and len(self) - answered < CONNECTING_MAX:
                connection = Connection(self._address, self._request)
                self._by_descriptor[connection.socket.fileno()] = connection
                self._poll.register(connection.socket, select.EPOLLOUT)
            answered += len(self._turn())

    def load(self, seconds: float) -> None:
        """Each sends as soon as it has its answer; waits for the last ones."""
        end = time.monotonic() + seconds
        for connection in self._by_descriptor.values():
            connection.ask()
        asking = len(self)
        while asking:
            for connection in self._turn():
                if time.monotonic() < end:
                    connection.ask()
                else:
                    asking -= 1

    def _turn(self) -> list[Connection]:
        """Waits, and gives those that have got an answer."""
        events = self._poll.poll(STALL_S)
        if not events:
            raise Failure(f"nothing came for {STALL_S:.0f} s on {len(self)} connections")
        done = []
        for descriptor, _ in events:
            connection = self._by_descriptor[descriptor]
            if not connection.answers and connection.asking:
                self._poll.modify(descriptor, select.EPOLLIN)
            answer = connection.look()
            if answer is None:
                continue
            self._first = self._first or content(answer)
            if content(answer) != self._first:
                raise Failure("an answer differs from the first one")
            done.append(connection)
        return done


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("url", metavar="URL", help="http://HOST:PORT/TARGET")
    parser.add_argument("connections", metavar="CONNECTIONS", type=int)
    parser.add_argument("seconds", metavar="SECONDS", type=float)
    arguments = parser.parse_args()

    needed = arguments.connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        print(f"{needed} open files are needed and {hard} allowed")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))

    url = urllib.parse.urlsplit(arguments.url)
    request = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    crowd = Crowd((str(url.hostname), url.port or 80), request)
    try:
        crowd.connect(arguments.connections)
        since = time.monotonic()
        crowd.load(arguments.seconds)
        took = time.monotonic() - since
    except (Failure, OSError) as error:
        print(f"{len(crowd)} connections, {sum(crowd.counts())} answers, then: {error}")
        return 1
    counts = crowd.counts()
    print(f"{len(crowd)} connections, {sum(counts)} answers, {min(counts)} or more on each, "
          f"{sum(counts) / took:.0f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
