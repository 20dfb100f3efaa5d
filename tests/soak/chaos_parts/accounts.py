"""What the server says about itself: counts of connections and reasons on its admin address."""

from __future__ import annotations

import mmap
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness import BIN, Client, Server, get, wait_until

SAMPLE = re.compile(r'enduring_connections_(\w+?)(?:_total)?(?:\{reason="(\w+)"\})? (\d+)')


def sanitizers(program: Path) -> str:
    """With which sanitizers the program was built."""
    names = {b"__asan_init": "address", b"__ubsan_handle": "undefined", b"__tsan_init": "thread"}
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        return ", ".join(name for symbol, name in names.items() if octets.find(symbol) >= 0)


def has_admin(program: str) -> bool:
    shown = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True)
    return "--admin" in shown.stdout


def flags(program: str, path: Path) -> list[str]:
    """To have the metrics at this path, if the program has them."""
    return ["--admin", f"unix:{path}"] if has_admin(program) else []


def parse(text: str) -> dict[str, dict[str, int]]:
    """Of the connections: counts by name, and by reason, which is empty where there is none."""
    counts: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        if sample := SAMPLE.fullmatch(line):
            counts.setdefault(sample[1], {})[sample[2] or ""] = int(sample[3])
    return counts


def judge_counts(counts: dict[str, dict[str, int]], connections: int) -> Iterator[str]:
    """What is wrong with them, all connections being gone."""
    closed = counts.get("closed", {})
    accepted = counts.get("accepted", {}).get("")
    if accepted != connections:
        yield f"accepted {accepted} connections, the clients made {connections}"
    if sum(closed.values()) != accepted:
        yield f"accepted {accepted} connections, closed {sum(closed.values())}"
    if closed.get("none", 0):
        yield f"{closed['none']} connections were closed for no reason"


def judge(program: str, server: Server, connections: int) -> Iterator[str]:
    if not has_admin(program):
        print(f"{program}: reasons of closes not judged: the program has no --admin")
        return
    path = server.process.args[server.process.args.index("--admin") + 1]  # type: ignore[index]

    def read() -> dict[str, dict[str, int]]:
        with Client(path.removeprefix("unix:")) as client:
            response = client.exchange(get("/metrics", "Connection: close"))
        if response.status != 200:
            raise AssertionError(f"GET /metrics: {response.status}")
        return parse(response.body.decode())

    wait_until(lambda: read().get("open", {}).get("") == 0, "no connection is open any more")
    counts = read()
    for reason, count in sorted(counts.get("closed", {}).items()):
        if count:
            print(f"{count:9}  {program:12} closed: {reason}")
    yield from judge_counts(counts, connections)
