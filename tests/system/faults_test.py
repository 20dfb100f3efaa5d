"""Each system call of a server's start and of a connection's life fails once: the server either
says what is wrong and ends, or goes on; it never crashes, hangs or sends a wrong answer."""

from __future__ import annotations

import collections
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import harness
from harness import BIN, Client, ProtocolError, Response, Server, SystemTest, get, scaled, wait_until

# Not injected: what cannot fail, what glibc answers by ending the program (futex), and calls whose
# failure the kernel never reports without having done them (close, munmap).
NEVER = """brk close execve exit exit_group futex madvise mprotect munmap rseq rt_sigaction
           rt_sigprocmask set_robust_list set_tid_address arch_prctl clock_gettime write""".split()
ERRORS = {
    "bind": ["EADDRINUSE"],
    "clone3": ["EAGAIN"],
    "getpeername": ["ENOTCONN"],
    "io_uring_enter": ["EAGAIN", "EBUSY", "EINTR"],
    "io_uring_setup": ["ENOMEM", "EMFILE"],
    "listen": ["EADDRINUSE"],
    "newfstatat": ["EIO"],
    "openat": ["EMFILE"],
    "openat2": ["EMFILE", "EAGAIN"],
    "pread64": ["EIO"],
    "read": ["EIO"],
    "rt_sigtimedwait": ["EINTR"],
    "setsockopt": ["ENOBUFS"],
    "shutdown": ["ENOTCONN"],
    "socket": ["EMFILE"],
}
SMALL = 1_000
LARGE = 300_000


class TracedServer(Server):
    """A server under strace, which also makes calls fail. It may fail to start."""

    def __init__(self, trace: Path, options: list[str], *arguments: str | Path) -> None:
        self._wrapper = [STRACE, "-D", "-f", "-qq", "-o", str(trace), *options]
        super().__init__("enduring", *arguments)

    def command(self, words: list[str]) -> list[str]:
        return [*self._wrapper, *words]


STRACE = shutil.which("strace") or ""


def calls_of(trace: Path) -> collections.Counter[str]:
    """How often the busiest thread made each call, since failures are counted for each thread."""
    counts: dict[str, collections.Counter[str]] = {}
    for line in trace.read_text().splitlines():
        if match := re.match(r"(?:(\d+) +)?(\w+)\(", line):
            counts.setdefault(match[2], collections.Counter())[match[1] or ""] += 1
    return collections.Counter({name: max(threads.values()) for name, threads in counts.items()})


class Faults(SystemTest):
    def setUp(self) -> None:
        if harness.is_instrumented("enduring"):
            self.skipTest("a sanitizer makes system calls of its own")
        self.assertTrue(STRACE, "strace is needed")
        self.directory = self.make_directory()
        self.files = {
            name: self.make_file(self.directory, name, size)
            for name, size in (("index.html", SMALL), ("large", LARGE))
        }
        self.trace = Path(tempfile.mkdtemp(prefix="ed-")) / "trace"
        self.addCleanup(shutil.rmtree, self.trace.parent)

    def start(self, *options: str) -> TracedServer:
        return TracedServer(
            self.trace, [*options], "--workers", "1", "--max-connections-per-ip", "50",
            "--linger-timeout", "50ms", self.directory,
        )

    def exchange(self, server: Server) -> list[Response]:
        """Some of what a connection does. An answer that came whole is right, or a 5xx."""
        responses = []
        with Client(server.address) as client:
            for name in ("index.html", "large", "none"):
                response = client.exchange(get("/" + name))
                responses.append(response)
                if response.status < 500:
                    self.assertEqual(response.status, 200 if name in self.files else 404)
                    if name in self.files:
                        self.assertEqual(response.body, self.files[name])
                if response.closes:
                    return responses
            client.send(b"BAD\r\n\r\n")
            response = client.read_response()
            self.assertEqual((response.status, response.closes), (400, True))
            client.expect_end()
        return responses

    def run_with(self, name: str, error: str, number: int) -> str:
        """One life of a server in which that call fails; gives how it went."""
        inject = f"inject={name}:error={error}:when={number}"
        try:
            server = self.start("-e", f"trace={name}", "-e", inject)
        except AssertionError as failure:
            # It did not start: then it said why.
            text = str(failure)
            self.assertRegex(text, r"(?m)^the server ended at start: (.*\n)*enduring: ", inject)
            self.assertNotIn("bug", text, inject)
            return "refused to start"
        outcome = "went on"
        try:
            try:
                self.exchange(server)
            except (OSError, ProtocolError) as failure:
                outcome = f"cut one connection ({type(failure).__name__})"
            # The next connection finds all as usual.
            self.assertEqual(len(self.exchange(server)), 3, inject)
            server.terminate()
            status = server.wait()
            errors = server.errors()
            self.assertIn(status, (0, 1), f"{inject}: {errors}")
            self.assertNotIn("bug", errors, inject)
            self.assertEqual(status, 0 if not errors else status, inject)
        finally:
            if server.is_running():
                server.kill()
            server._close_pipes()
        return outcome

    def test_every_call_fails_once(self) -> None:
        try:
            server = self.start()
        except AssertionError as failure:
            if "ptrace" in str(failure):
                self.skipTest("tracing is not permitted here")
            raise
        self.exchange(server)
        self.exchange(server)
        server.terminate()
        self.assertEqual(server.wait(), 0)
        server._close_pipes()
        calls = calls_of(self.trace)
        # What happens before main() is the linker's and the C library's.
        subprocess.run(
            [STRACE, "-qq", "-o", self.trace, BIN / "enduring", "--version"],
            check=True, stdout=subprocess.DEVNULL,
        )
        before = calls_of(self.trace)
        for name in ("io_uring_setup", "io_uring_enter", "openat2", "socket", "getpeername"):
            self.assertGreater(calls[name], 0, "the trace shows what the server does")
        outcomes: collections.Counter[str] = collections.Counter()
        failures = []
        for name, count in sorted(calls.items()):
            if name in NEVER:
                continue
            for error in ERRORS.get(name, ["ENOMEM"]):
                for number in range(before[name] + 1, count + 1):
                    try:
                        outcome = self.run_with(name, error, number)
                    except (AssertionError, OSError) as failure:
                        failures.append(f"{name} {error}, the {number}th: {failure!r}")
                        continue
                    outcomes[f"{name} {error}: {outcome}"] += 1
        for outcome, count in outcomes.items():
            print(f"{outcome} x {count}")
        self.assertFalse(failures, "\n".join(failures))
        self.assertGreater(outcomes.total(), 40)


if __name__ == "__main__":
    harness.main()
