"""What the system tests share: starting a server, talking to it over raw sockets, watching it.

The programs under test lie in the directory ENDURING_BIN. Deadlines are generous, since they only
end a test that has failed; ENDURING_TIME_FACTOR makes them and the measured times longer for
builds or machines that are slow.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("ENDURING_BIN", ROOT / "build" / "release" / "bin"))
TIME_FACTOR = float(os.environ.get("ENDURING_TIME_FACTOR", "1"))
CLOCK_SLACK = 0.010  # seconds by which two clocks of a millisecond's grain may differ

Address = tuple | str  # what socket.connect() takes


def scaled(seconds: float) -> float:
    """A time that must be longer where everything is slower."""
    return seconds * TIME_FACTOR


def milliseconds(seconds: float) -> str:
    """A duration as the flags take it."""
    return f"{round(seconds * 1000)}ms"


def wait_until(condition: Callable[[], object], what: str, seconds: float = 15) -> None:
    """Waits until the condition holds; fails when that takes too long."""
    deadline = time.monotonic() + scaled(seconds)
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {scaled(seconds)} s in vain: {what}")
        time.sleep(0.002)


def is_instrumented(program: str) -> bool:
    """Whether a sanitizer watches it, whose memory and system calls are not the server's, and under
    which a few clients are enough to keep the processor busy."""
    octets = (BIN / program).read_bytes()
    return b"__asan_init" in octets or b"__tsan_init" in octets


# ---- responses ----------------------------------------------------------------------------------


class ProtocolError(AssertionError):
    """The server sent what is not HTTP/1.1, or not all of it."""


@dataclass(frozen=True)
class Response:
    """One response, parsed without any tolerance."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def field(self, name: str) -> str | None:
        """The value of a field that may come once at most."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        if len(values) > 1:
            raise ProtocolError(f"{len(values)} fields {name}")
        return values[0] if values else None

    @property
    def closes(self) -> bool:
        return self.field("Connection") == "close"


STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d\d\d) [\t -~]*")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t -~\x80-\xff]*)")
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
HEAD_BYTES_MAX = 64 * 1024


def parse_head(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Status and fields of a head, given without the empty line at its end."""
    lines = head.split(b"\r\n")
    status_line = STATUS_LINE.fullmatch(lines[0])
    if not status_line:
        raise ProtocolError(f"bad status line {lines[0][:80]!r}")
    fields = []
    for line in lines[1:]:
        field = FIELD_LINE.fullmatch(line)
        if not field:
            raise ProtocolError(f"bad field line {line[:80]!r}")
        fields.append((field[1].decode("ascii"), field[2].decode("latin-1")))
    return int(status_line[1]), tuple(fields)


# ---- clients ------------------------------------------------------------------------------------


class Client:
    """A connection that sends exactly what it is told and reads exactly what is framed."""

    def __init__(
        self,
        address: Address,
        receive_buffer: int | None = None,
        timeout: float = 15,
        source: str | None = None,
    ) -> None:
        family = socket.AF_UNIX
        if isinstance(address, tuple):
            family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self._received = bytearray()
        try:
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(scaled(timeout))
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Closes so that the peer gets a reset."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def wait_taken(self) -> None:
        """Waits until the server has read all that was sent. Only for sockets of AF_UNIX."""
        assert self.socket.family == socket.AF_UNIX
        deadline = time.monotonic() + scaled(15)
        while fcntl.ioctl(self.socket, termios.TIOCOUTQ, b"\0" * 4) != b"\0" * 4:
            if time.monotonic() > deadline:
                raise AssertionError("the server does not read")
            time.sleep(0)

    def wait_readable(self, seconds: float) -> bool:
        """Whether bytes or the end of input come within this time."""
        return bool(self._received or select.select([self.socket], [], [], seconds)[0])

    def is_reset(self) -> bool:
        """Whether a reset has come. Reads nothing."""
        poll = select.poll()
        poll.register(self.socket, 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))

    def receive_some(self, most: int = 65536) -> bytes:
        """What there is; nothing at the end of input."""
        if self._received:
            octets = bytes(self._received[:most])
            del self._received[:most]
            return octets
        return self.socket.recv(most)

    def read_exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            self._fill(f"{len(self._received)} of {count} bytes", min(1 << 20, count))
        octets = bytes(self._received[:count])
        del self._received[:count]
        return octets

    def read_head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if len(self._received) > HEAD_BYTES_MAX:
                raise ProtocolError("a head without end")
            self._fill(f"in a head: {bytes(self._received[:80])!r}")
        head = bytes(self._received[:end])
        del self._received[: end + 4]
        return parse_head(head)

    def read_response(self, to_head: bool = False) -> Response:
        """The next response, interim or final, with its body framed by Content-Length."""
        status, fields = self.read_head()
        response = Response(status, fields, b"")
        length = response.field("Content-Length")
        if response.field("Transfer-Encoding") is not None:
            raise ProtocolError("an unexpected Transfer-Encoding")
        if status < 200 or status == 204:
            if length is not None:
                raise ProtocolError(f"{status} with Content-Length")
            return response
        if DATE.fullmatch(response.field("Date") or "") is None:
            raise ProtocolError("no Date")
        if status == 304 or to_head:
            return response
        if length is None or not re.fullmatch("0|[1-9][0-9]*", length):
            raise ProtocolError(f"Content-Length {length!r}")
        return Response(status, fields, self.read_exactly(int(length)))

    def exchange(self, request: bytes, to_head: bool = False) -> Response:
        self.send(request)
        return self.read_response(to_head)

    def expect_end(self) -> None:
        """Nothing more comes, and the server ends the connection properly."""
        try:
            rest = self.receive_some()
        except ConnectionError as error:
            raise ProtocolError(f"the connection was broken: {error}") from error
        if rest:
            raise ProtocolError(f"surplus: {rest[:80]!r}")

    def _fill(self, where: str, most: int = 65536) -> None:
        try:
            octets = self.socket.recv(max(most, 4096))
        except TimeoutError as error:
            raise ProtocolError(f"nothing comes, {where}") from error
        except ConnectionError as error:
            raise ProtocolError(f"the connection was broken, {where}: {error}") from error
        if not octets:
            raise ProtocolError(f"the connection was ended, {where}")
        self._received += octets


def get(target: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without content."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(content: bytes, target: str = "/", *fields: str) -> bytes:
    """A request with content of known length."""
    return get(target, f"Content-Length: {len(content)}", *fields, method="POST") + content


NOBODY = 65534


def become(user: int) -> None:
    """For the child that will be the program: another user, without any capability."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def skip_unless_root(test: unittest.TestCase) -> None:
    """For tests that run a program as NOBODY, who must also be able to reach it."""
    if os.geteuid() != 0:
        test.skipTest("only root can become another user")
    reached = subprocess.run(["test", "-x", BIN / "hello"], preexec_fn=lambda: become(NOBODY))
    if reached.returncode != 0:
        test.skipTest("nobody else can reach the programs")


# ---- servers ------------------------------------------------------------------------------------

SERVING = re.compile(r"enduring: serving (.*)")
URL = re.compile(r"http://(?:\[([^]]+)\]|([^:]+)):(\d+)/.*")


def parse_address(text: str) -> Address:
    """What a client connects to, from what the server printed."""
    if text.startswith("unix:"):
        return text.removeprefix("unix:")
    url = URL.fullmatch(text)
    if not url:
        raise AssertionError(f"the server printed no address: {text!r}")
    return (url[1], int(url[3]), 0, 0) if url[1] else (url[2], int(url[3]))


SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def parse_samples(text: str) -> list[tuple[str, dict[str, str], float]]:
    """The samples with their names, labels and values."""
    samples = []
    for line in text.splitlines():
        if not line.startswith("#"):
            sample = SAMPLE.fullmatch(line)
            if sample is None:
                raise AssertionError(f"no line of a metric: {line!r}")
            number = int(sample[3]) if sample[3].isdigit() else float(sample[3])
            samples.append((sample[1], dict(LABEL.findall(sample[2] or "")), number))
    return samples


def parse_metrics(text: str) -> dict[str, float]:
    """What all workers together have, by name and further labels; for closed connections by reason
    alone."""
    metrics: dict[str, float] = {}
    for name, labels, number in parse_samples(text):
        labels.pop("worker", None)
        key = labels.pop("reason", name)
        if labels:
            key += "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"
        metrics[key] = metrics.get(key, 0) + number
    return metrics


# A line of the error log. Tests bring about much that it tells of, but no bug.
TROUBLE = re.compile(r"^enduring: (?:error|warning|debug): (?!.*\bbug\b).*\n", re.MULTILINE)


class Server:
    """A running program. It must end with the status that is expected, say nothing on stderr but
    the error log, and every connection that it closed must have been counted under one reason."""

    def __init__(
        self,
        program: str,
        *arguments: str | Path,
        listen: Iterable[str] = ("127.0.0.1:0",),
        environment: dict[str, str] | None = None,
        descriptors: int | None = None,
        user: int | None = None,
    ) -> None:
        addresses = [argument for text in listen for argument in ("--listen", text)]
        self._directory = tempfile.TemporaryDirectory(prefix="ed-")
        os.chmod(self._directory.name, 0o777)  # for programs of another user
        self.admin_address: Address = self._directory.name + "/admin"
        addresses += ["--admin", f"unix:{self.admin_address}"]
        self._errors = tempfile.TemporaryFile()

        def restrict() -> None:
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
            if user is not None:
                become(user)

        self.process = subprocess.Popen(
            self.command([str(BIN / program), *map(str, arguments), *addresses]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | (environment or {}),
            preexec_fn=restrict,
        )
        self.pid = self.process.pid
        self.expected_status = 0
        self.output = ""
        self.addresses: list[Address] = []
        try:
            # All is printed at once when the server serves.
            wait_until(self._read_addresses, "the server does not start")
        except AssertionError:
            self.kill()
            self._errors.close()
            raise

    def command(self, words: list[str]) -> list[str]:
        """What is run; for those that put another program before it."""
        return words

    def _read_addresses(self) -> bool:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], 0)[0]:
            return False
        octets = os.read(self.process.stdout.fileno(), 65536)
        self.output += octets.decode()
        if not octets:
            raise AssertionError(f"the server ended at start: {self.output}{self.errors()}")
        self.addresses = [parse_address(text) for text in SERVING.findall(self.output)]
        return bool(self.addresses) and self.output.endswith("\n")

    @property
    def address(self) -> Address:
        return self.addresses[0]

    @property
    def port(self) -> int:
        assert isinstance(self.address, tuple)
        return self.address[1]

    def errors(self) -> str:
        """What stderr has, but for the error log."""
        return TROUBLE.sub("", self._said())

    def troubles(self) -> list[str]:
        """The lines of the error log so far."""
        return TROUBLE.findall(self._said())

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float = 20) -> int:
        """The exit status, after what the server still had to say is in output."""
        try:
            rest, _ = self.process.communicate(timeout=scaled(seconds))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server does not end; {self.errors()}") from None
        self.output += rest.decode() if rest else ""
        return self.process.returncode

    def stop(self) -> None:
        """Ends the server, if it still runs, and judges how it ended. Again: does nothing."""
        if self._errors.closed:
            return
        if self.is_running():
            self.check_counts()
            self.terminate()
        status = self.wait() if self.process.returncode is None else self.process.returncode
        errors = self.errors()
        self._close_pipes()
        if errors or status != self.expected_status:
            raise AssertionError(
                f"exit status {status}, expected {self.expected_status}; stderr: {errors}"
            )

    def ask_admin(self, target: str) -> Response:
        with Client(self.admin_address) as client:
            return client.exchange(get(target, "Connection: close"))

    def metrics(self) -> dict[str, float]:
        """What /metrics says of all workers together: see parse_metrics()."""
        response = self.ask_admin("/metrics")
        assert response.status == 200
        return parse_metrics(response.body.decode())

    def closed(self, reason: str) -> int:
        """Connections that ended for this reason so far."""
        return int(self.metrics()[reason])

    def check_counts(self) -> None:
        """All clients have gone: so have their connections, each for one reason. A server that is
        ending already cannot be asked, and judges that itself."""
        try:
            wait_until(
                lambda: self.metrics()["enduring_connections_open"] == 0,
                "the server closes the connections of clients that have gone",
            )
            metrics = self.metrics()
        except (OSError, ProtocolError):
            wait_until(lambda: not self.is_running(), "a server that cannot be asked ends")
            return
        closed = sum(count for name, count in metrics.items() if not name.startswith("enduring_"))
        if closed != metrics["enduring_connections_accepted_total"]:
            raise AssertionError(f"closes do not add up: {metrics}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._directory.cleanup()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _close_pipes(self) -> None:
        self._errors.close()
        self._directory.cleanup()
        if self.process.stdout is not None:
            self.process.stdout.close()

    # What can be seen from outside.

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def peak_resident_bytes(self) -> int:
        """The most since the start, or since the peak was forgotten."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def processor_ticks(self) -> int:
        """User and system time used so far, in clock ticks."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(after_name[11]) + int(after_name[12])

    def context_switches(self) -> int:
        """Of all threads."""
        texts = [path.read_text() for path in Path(f"/proc/{self.pid}/task").glob("*/status")]
        return sum(int(n) for text in texts for n in re.findall(r"ctxt_switches:\s+(\d+)", text))


class SystemTest(unittest.TestCase):
    """A test with servers and clients, which end with it: the clients first."""

    maxDiff = 2000

    def serve(self, program: str, *arguments: str | Path, **options: object) -> Server:
        server = Server(program, *arguments, **options)  # type: ignore[arg-type]
        self.addCleanup(server.stop)
        return server

    def connect(self, server: Server, receive_buffer: int | None = None) -> Client:
        client = Client(server.address, receive_buffer)
        self.addCleanup(client.close)
        return client

    def make_directory(self) -> Path:
        directory = tempfile.TemporaryDirectory(prefix="enduring-test-")
        self.addCleanup(directory.cleanup)
        return Path(directory.name)

    def make_file(self, directory: Path, name: str, size: int) -> bytes:
        """A file whose bytes tell where in it they are."""
        content = patterned(size)
        (directory / name).write_bytes(content)
        return content

    def assert_took(self, since: float, least: float, most: float) -> None:
        """The time since then; the upper bound has room for a busy machine."""
        elapsed = time.monotonic() - since
        self.assertGreaterEqual(elapsed, least - CLOCK_SLACK)
        self.assertLess(elapsed, most)

    def assert_closed(self, server: Server, reason: str, count: int = 1) -> None:
        """So many connections have ended for this reason, or do in a moment."""
        wait_until(lambda: server.closed(reason) >= count, f"{count} closed for {reason}")
        self.assertEqual(server.closed(reason), count, server.metrics())

    def assert_serves(self, server: Server) -> None:
        """A new client is answered."""
        with Client(server.address) as client:
            response = client.exchange(get("/", "Connection: close"))
            self.assertLess(response.status, 500)
            client.expect_end()


def patterned(size: int) -> bytes:
    """Bytes of which no two parts that a test compares are alike: numbers of eight bytes."""
    count = (size + 7) // 8
    return struct.pack(f">{count}Q", *range(count))[:size]


def run_program(program: str, *arguments: str | Path, **options: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a program that ends by itself."""
    done = subprocess.run(
        [str(BIN / program), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=scaled(20),
        **options,  # type: ignore[call-overload]
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def main() -> None:
    """Runs the tests of the file."""
    with contextlib.suppress(ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    unittest.main(module="__main__", verbosity=2)
