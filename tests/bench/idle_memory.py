#!/usr/bin/env python3
"""Measure the user memory that a server keeps for each idle keep-alive connection.

A few connections first send many requests, so that every receive buffer and every page of code has
been touched and is not taken for the connections' memory. Then as many connections as asked for
are opened, one request is answered on each, and they are left idle: the growth of the server's PSS
(its share of all pages, from /proc/PID/smaps_rollup) is divided by their number. What the kernel
itself holds for sockets is not part of it. Measure a server that was started afresh: memory that it
kept from earlier connections is not counted again.

Prints one line of JSON. Exits with 1 when a connection did not stay open and usable, since then
the figure says nothing.
"""

import argparse
import json
import pathlib
import re
import select
import socket
import sys
import time

sys.dont_write_bytecode = True

import processes

WARM_UP_CONNECTIONS = 16


class MeasureError(Exception):
    """What spoils the measurement, said in one line."""


def connect(port):
    try:
        connection = socket.create_connection(("127.0.0.1", port), 10)
    except OSError as error:
        raise MeasureError(f"cannot connect to port {port}: {error}") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(connection, request):
    """Sends one request and reads its response, which has to be good and to keep alive."""
    try:
        connection.sendall(request)
        response = b""
        while b"\r\n\r\n" not in response:
            received = connection.recv(65536)
            if not received:
                raise MeasureError("the server closed a connection")
            response += received
        head, _, body = response.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200 ") or not length:
            raise MeasureError(f"not a good response: {head[:80]!r}")
        if re.search(rb"\r\nconnection:.*\bclose\b", head, re.IGNORECASE):
            raise MeasureError("the server does not keep the connection")
        left = int(length[1]) - len(body)
        while left > 0:
            received = connection.recv(min(left, 65536))
            if not received:
                raise MeasureError("the server closed a connection")
            left -= len(received)
        if left < 0:
            raise MeasureError("the response is longer than it says")
    except OSError as error:
        raise MeasureError(f"a connection failed: {error}") from error


def warm_up(port, request, requests):
    """Sends so many requests over few connections, each used less often than servers close them."""
    left = requests
    while left > 0:
        connections = [connect(port) for _ in range(WARM_UP_CONNECTIONS)]
        for _ in range(50):
            for connection in connections:
                exchange(connection, request)
        left -= 50 * len(connections)
        for connection in connections:
            connection.close()


def settled_pss(pid):
    """The PSS once it has stopped changing."""
    before = -1
    for _ in range(20):
        time.sleep(0.25)
        now = processes.pss_bytes(pid)
        if now == before:
            break
        before = now
    return now


def count_disturbed(connections):
    """How many idle connections have something to read: an end, an error, or bytes unasked for."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return len(poll.poll(0))


def descriptor_limit_of(pid):
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    soft = re.search(r"Max open files\s+(\S+)", limits)[1]
    return sys.maxsize if soft == "unlimited" else int(soft)


def measure(arguments):
    request = (f"GET {arguments.path} HTTP/1.1\r\nHost: 127.0.0.1:{arguments.port}\r\n"
               "\r\n").encode()
    count = arguments.connections
    if processes.raise_descriptor_limit(count + 64) < count + 64:
        raise MeasureError(f"this process may not open {count} connections (ulimit -n)")
    for pid in processes.process_tree(arguments.pid):
        if descriptor_limit_of(pid) < count + 64:
            raise MeasureError(f"process {pid} may not open {count} connections (ulimit -n)")

    warm_up(arguments.port, request, arguments.warm_up)
    before = settled_pss(arguments.pid)
    connections = []
    for _ in range(count):
        connection = connect(arguments.port)
        connections.append(connection)
        exchange(connection, request)
    held = settled_pss(arguments.pid)
    disturbed = count_disturbed(connections)
    sample = connections[::max(1, count // 500)]
    for connection in sample:
        exchange(connection, request)
    for connection in connections:
        connection.close()
    time.sleep(1)
    after = settled_pss(arguments.pid)
    if disturbed:
        raise MeasureError(f"{disturbed} of {count} connections did not stay idle and open")
    return {"connections": count, "bytes_per_connection": round((held - before) / count, 1),
            "pss_before": before, "pss_held": held, "pss_after_close": after,
            "connections_used_again": len(sample), "warm_up_requests": arguments.warm_up}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pid", type=int, help="the server; its descendants count, too")
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int, nargs="?", default=15000)
    parser.add_argument("--path", default="/")
    parser.add_argument("--warm-up", type=int, default=40000, metavar="N",
                        help="requests before; take more than the server has receive buffers "
                             "(%(default)s)")
    arguments = parser.parse_args()
    if arguments.connections < 1:
        parser.error("at least one connection is needed")
    try:
        result = measure(arguments)
    except (MeasureError, OSError) as error:
        print(f"idle_memory: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
