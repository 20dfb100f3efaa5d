"""What the server says about itself: counts of connections and reasons on its admin address."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from harness import Server, wait_until


def sanitizers(program: Path) -> str:
    """With which sanitizers the program was built."""
    names = {b"__asan_init": "address", b"__ubsan_handle": "undefined", b"__tsan_init": "thread"}
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        return ", ".join(name for symbol, name in names.items() if octets.find(symbol) >= 0)


def judge_counts(counts: dict[str, float], connections: int) -> Iterator[str]:
    """What is wrong with the metrics, all connections being gone."""
    closed = {name: count for name, count in counts.items() if not name.startswith("enduring_")}
    accepted = counts.get("enduring_connections_accepted_total")
    if accepted != connections:
        yield f"accepted {accepted} connections, the clients made {connections}"
    if sum(closed.values()) != accepted:
        yield f"accepted {accepted} connections, closed {sum(closed.values())}"
    if closed.get("none", 0):
        yield f"{closed['none']} connections were closed for no reason"


def judge(program: str, server: Server, connections: int) -> Iterator[str]:
    wait_until(
        lambda: server.metrics()["enduring_connections_open"] == 0, "no connection is open any more"
    )
    counts = server.metrics()
    for name, count in sorted(counts.items()):
        if count and not name.startswith("enduring_"):
            print(f"{count:9}  {program:12} closed: {name}")
    yield from judge_counts(counts, connections)
