#!/usr/bin/env python3
"""Has a real Prometheus scrape a server under load, and looks whether it has a complaint.

Prometheus and its promtool (the package prometheus of Debian) must be installed, and h2load. The
server of two workers is scraped each second while h2load opens and closes connections. Then no
scrape may have failed, Prometheus may have warned of nothing, promtool may find nothing to say of
/metrics, and by Prometheus' own queries: the answers are those that h2load got, and the sum of closes
by reason is the number of accepts.

The exit status is 1 when something was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from harness import Server, wait_until

NEEDS = ("prometheus", "promtool", "h2load")
CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: enduring
    static_configs: [{{targets: ["{target}"]}}]
"""
CONNECTIONS = 50
REQUESTS = 5_000  # of each run of h2load


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class ScrapedServer(Server):
    """Its admin listener is where Prometheus can reach it, which knows no Unix sockets."""

    def command(self, words: list[str]) -> list[str]:
        self.admin_address = ("127.0.0.1", free_port())
        words[words.index("--admin") + 1] = "%s:%d" % self.admin_address
        return words


class Prometheus:
    """One that runs, with what it said."""

    def __init__(self, directory: Path, target: str) -> None:
        (directory / "prometheus.yml").write_text(CONFIGURATION.format(target=target))
        self.address = f"127.0.0.1:{free_port()}"
        self.log = directory / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={directory / 'prometheus.yml'}",
                 f"--storage.tsdb.path={directory / 'data'}",
                 f"--web.listen-address={self.address}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, path: str, **parameters: str) -> object:
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus has ended: {self.log.read_text()[-2000:]}")
        try:
            self.ask("/api/v1/query", query="1")
        except OSError:
            return False
        return True

    def query(self, text: str) -> float | None:
        """The one number that the query gives; None: there is no data."""
        result = self.ask("/api/v1/query", query=text)["result"]  # type: ignore[index]
        return float(result[0]["value"][1]) if result else None

    def complaints(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if re.search(r"(?i)\blevel=(warn|error)\b", line)]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def scraped_server() -> Iterator[tuple[Server, Prometheus]]:
    with tempfile.TemporaryDirectory(prefix="enduring-prometheus-") as name:
        server = ScrapedServer("hello", "--workers", "2")
        try:
            prometheus = Prometheus(Path(name), "%s:%d" % server.admin_address)
            try:
                wait_until(prometheus.is_ready, "Prometheus answers", 60)
                yield server, prometheus
            finally:
                prometheus.stop()
        finally:
            server.stop()


def load(port: int, seconds: int) -> int:
    """How many requests h2load had answered."""
    answered = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = subprocess.run(
            ["h2load", "--h1", f"-n{REQUESTS}", f"-c{CONNECTIONS}", f"http://127.0.0.1:{port}/"],
            capture_output=True, text=True, timeout=60, check=True)
        found = re.search(r"(\d+) succeeded, 0 failed, 0 errored", done.stdout)
        if found is None:
            raise AssertionError(f"h2load: {done.stdout[-1000:]}")
        answered += int(found[1])
    return answered


def check(server: Server, prometheus: Prometheus, seconds: int) -> list[str]:
    """What was wrong."""
    wait_until(lambda: prometheus.query("up") == 1, "the first scrape", 30)
    begin = time.monotonic()
    answered = load(server.port, seconds)
    wrong = []
    expected = {
        'sum(enduring_requests_total{method="GET", status="2xx"})': answered,
        "sum(enduring_request_duration_seconds_count)": answered,
        "sum(enduring_connections_closed_total) - sum(enduring_connections_accepted_total)": 0,
        "sum(enduring_connections_open)": 0,
        "min(enduring_worker_answers)": 1,
    }
    for query, number in expected.items():
        deadline = time.monotonic() + 10
        while (found := prometheus.query(query)) != number and time.monotonic() < deadline:
            time.sleep(0.2)
        print(f"{query}: {found}")
        if found != number:
            wrong.append(f"{query} gives {found}, not {number}")
    span = f"{int(time.monotonic() - begin)}s"
    scrapes = prometheus.query(f"count_over_time(up[{span}])") or 0
    failed = scrapes - (prometheus.query(f"sum_over_time(up[{span}])") or 0)
    slowest = prometheus.query(f"max_over_time(scrape_duration_seconds[{span}])")
    print(f"{scrapes:.0f} scrapes, {failed:.0f} failed, the slowest {slowest} s")
    if failed or scrapes < seconds / 2:
        wrong.append(f"{failed:.0f} of {scrapes:.0f} scrapes failed, in {seconds} s")
    done = subprocess.run(["promtool", "check", "metrics"], input=server.ask_admin("/metrics").body,
                          capture_output=True, check=False)
    if done.returncode or done.stdout or done.stderr:
        wrong.append(f"promtool: {(done.stdout + done.stderr).decode()}")
    return wrong + prometheus.complaints()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30, help="how long to load (%(default)s)")
    arguments = parser.parse_args()
    if arguments.seconds < 5:
        parser.error("--seconds: at least 5, to have some scrapes")
    if missing := [name for name in NEEDS if shutil.which(name) is None]:
        sys.exit(f"prometheus.py: not installed: {', '.join(missing)}")
    with scraped_server() as (server, prometheus):
        wrong = check(server, prometheus, arguments.seconds)
    print("\n".join(wrong) or "nothing is wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
