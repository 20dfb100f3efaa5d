"""Several workers share the connections; and what users set: addresses, flags, environment."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import harness
from harness import NOBODY, Client, Server, SystemTest, get, post, run_program, scaled

PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000


def trace(request: int, thread: int) -> None:
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    ptrace.restype = ctypes.c_long
    if ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


@contextlib.contextmanager
def frozen(thread: int) -> Iterator[None]:
    """One thread of a server stands still, as a debugger would hold it."""
    trace(PTRACE_SEIZE, thread)
    trace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        trace(PTRACE_DETACH, thread)


def threads_of(server: Server) -> list[int]:
    """But for those that the kernel runs for io_uring."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    names = {int(task.name): (task / "comm").read_text() for task in tasks}
    return [thread for thread, name in names.items() if not name.startswith("iou-")]


class Balance(SystemTest):
    CONNECTIONS = 64

    def silent_without(self, thread: int, clients: list[Client]) -> set[int]:
        """Which clients are not answered while a thread stands still."""
        answered: set[int] = set()
        with frozen(thread):
            for client in clients:
                client.send(get())
            since = time.monotonic()
            while time.monotonic() - since < scaled(0.3):
                for i, client in enumerate(clients):
                    if i not in answered and client.wait_readable(0):
                        answered.add(i)
                        since = time.monotonic()
                time.sleep(0.01)
        for client in clients:
            self.assertEqual(client.read_response().status, 200)
        return set(range(len(clients))) - answered

    def sets(self, server: Server, clients: list[Client]) -> list[set[int]]:
        """Which connections each worker has."""
        for _ in range(5):
            try:
                sets = [self.silent_without(thread, clients) for thread in threads_of(server)]
            except PermissionError:
                self.skipTest("debugging is not permitted here")
            # On a busy machine an answer may be too late for us; then each is not counted once.
            if sum(map(len, sets)) == len(clients):
                return [found for found in sets if found]
        raise AssertionError(f"no clear shares: {sets}")

    def shares(self, server: Server, clients: list[Client]) -> list[int]:
        """How many."""
        return sorted(map(len, self.sets(server, clients)))

    def check_balance(self, server: Server, one_by_one: bool) -> None:
        clients = []
        for _ in range(self.CONNECTIONS):
            clients.append(self.connect(server))
            if one_by_one:
                clients[-1].exchange(get())
        for client in clients:
            client.exchange(get())
        shares = self.shares(server, clients)
        self.assertEqual(len(shares), 2)
        self.assertLessEqual(max(shares), 36, shares)

    def test_one_by_one(self) -> None:
        self.check_balance(self.serve("hello", "--workers", "2"), True)

    def test_burst(self) -> None:
        self.check_balance(self.serve("hello", "--workers", "2"), False)

    def test_unix_socket(self) -> None:
        """It has one listener, so one worker accepts for both."""
        path = self.make_directory() / "socket"
        server = self.serve("hello", "--workers", "2", listen=[f"unix:{path}"])
        self.check_balance(server, False)

    def test_after_some_left(self) -> None:
        server = self.serve("hello", "--workers", "2")
        leaving = [self.connect(server) for _ in range(200)]
        for client in leaving:
            client.exchange(get())
        before = server.descriptors()
        for client in leaving:
            client.close()
        harness.wait_until(lambda: server.descriptors() == before - 200, "they are gone")
        self.check_balance(server, True)

    def full_server(self) -> tuple[Server, list[Client], list[Client]]:
        """Two workers without a free slot; the clients of the first are in the middle of a request,
        those of the second idle."""
        server = self.serve("conformance", "--workers", "2", "--max-connections", "20")
        clients = [self.connect(server) for _ in range(20)]
        for client in clients:
            client.exchange(get())
        busy, idle = ([clients[i] for i in found] for found in self.sets(server, clients))
        for client in busy:
            client.send(post(b"hello")[:-1])
        return server, busy, idle

    def check_newcomers(self, server: Server, busy: list[Client]) -> None:
        # The kernel chooses whose listener they come to.
        newcomers = [self.connect(server) for _ in range(8)]
        for client in newcomers:
            client.send(get())
        for client in newcomers:
            self.assertEqual(client.read_response().status, 200)
        for client in busy:
            client.send(b"o")
            self.assertEqual(client.read_response().body, b"hello")

    def test_another_worker_has_idle_connections(self) -> None:
        server, busy, idle = self.full_server()
        self.check_newcomers(server, busy)
        self.assertEqual(server.closed("evicted"), 8)
        self.assertEqual(sum(client.wait_readable(0) for client in idle), 8)

    def test_another_worker_gets_room(self) -> None:
        """While newcomers wait at one that is full."""
        server, busy, idle = self.full_server()
        for client in idle:
            client.send(post(b"hello")[:-1])
        newcomers = [self.connect(server) for _ in range(8)]
        for client in newcomers:
            client.send(get())
        self.assertFalse(any(client.wait_readable(0.05) for client in newcomers))
        for client in idle:
            client.close()
        for client in newcomers:
            self.assertEqual(client.read_response().status, 200)
        for client in busy:
            client.send(b"o")
            self.assertEqual(client.read_response().body, b"hello")

    def test_many_workers(self) -> None:
        server = self.serve("hello", "--workers", "8")
        clients = [self.connect(server) for _ in range(100)]
        for _ in range(3):
            for client in clients:
                self.assertEqual(client.exchange(get()).status, 200)


class Addresses(SystemTest):
    def check(self, server: Server) -> None:
        for address in server.addresses:
            with Client(address) as client:
                self.assertEqual(client.exchange(get()).body, b"Hello, World!")

    def test_ipv6(self) -> None:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 here")
        server = self.serve("hello", listen=["[::1]:0"])
        self.check(server)
        with self.assertRaises(ConnectionRefusedError):
            Client(("127.0.0.1", server.addresses[0][1]))

    def test_several(self) -> None:
        path = self.make_directory() / "socket"
        listen = ["127.0.0.1:0", f"unix:{path}", "127.0.0.2:0", "localhost:0"]
        server = self.serve("hello", "--workers", "2", listen=listen)
        self.assertEqual(len(server.addresses), 4)
        self.check(server)

    def test_all_addresses(self) -> None:
        server = self.serve("hello", listen=["0"])
        self.check(server)
        with Client(("127.0.0.3", server.port)) as client:
            self.assertEqual(client.exchange(get()).status, 200)

    def test_unix_socket_goes_with_the_server(self) -> None:
        path = self.make_directory() / "socket"
        server = self.serve("hello", "--workers", "2", listen=[f"unix:{path}"])
        self.assertTrue(stat.S_ISSOCK(path.stat().st_mode))
        self.check(server)
        status, _, errors = run_program("hello", "--listen", f"unix:{path}")
        self.assertEqual(status, 1)
        self.assertIn("another server is listening there", errors)
        self.check(server)
        server.stop()
        self.assertFalse(path.exists())

    def test_unix_socket_that_was_left_behind(self) -> None:
        path = self.make_directory() / "socket"
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(path))
        left.close()
        self.check(self.serve("hello", listen=[f"unix:{path}"]))

    def test_other_files_are_not_overwritten(self) -> None:
        path = self.make_directory() / "file"
        path.write_text("mine")
        status, _, errors = run_program("hello", "--listen", f"unix:{path}")
        self.assertEqual(status, 1)
        self.assertIn(str(path), errors)
        self.assertEqual(path.read_text(), "mine")

    def test_port_in_use(self) -> None:
        server = self.serve("hello", "--workers", "2")
        for arguments in ((), ("--workers", "2"), ("--check",)):
            listen = ("--listen", f"127.0.0.1:{server.port}")
            status, _, errors = run_program("hello", *listen, *arguments)
            self.assertEqual(status, 1)
            self.assertIn(f"cannot listen on 127.0.0.1:{server.port}", errors)
            self.assertIn("what to do: another program has this port", errors)
        self.check(server)

    def test_port_is_free_again_at_once(self) -> None:
        server = self.serve("hello")
        client = self.connect(server)
        client.exchange(get())
        server.terminate()
        client.expect_end()
        client.close()
        server.stop()
        self.check(self.serve("hello", listen=[f"127.0.0.1:{server.port}"]))

    def test_privileged_port(self) -> None:
        harness.skip_unless_root(self)
        first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        if first <= 81:
            self.skipTest("no port is privileged here")
        status, _, errors = run_program(
            "hello", "--listen", "127.0.0.1:81", preexec_fn=lambda: harness.become(NOBODY)
        )
        self.assertEqual(status, 1)
        self.assertIn("cannot listen on 127.0.0.1:81: Permission denied", errors)
        self.assertIn("CAP_NET_BIND_SERVICE", errors)

    def test_address_of_another_machine(self) -> None:
        status, _, errors = run_program("hello", "--listen", "192.0.2.1:0")
        self.assertEqual(status, 1)
        self.assertIn("this machine does not have that address", errors)


class CommandLine(SystemTest):
    def test_what_is_not_allowed(self) -> None:
        """The message names flag, value and what is allowed; exit status 2."""
        for arguments, *said in (
            (["--no-such-flag"], "--no-such-flag"),
            (["--workers", "0"], "--workers", "'0'", "from 1 to 256"),
            (["--workers", "many"], "--workers", "'many'", "auto"),
            (["--keepalive-timeout", "soon"], "--keepalive-timeout", "'soon'", "10s"),
            (["--keepalive-timeout", "-1s"], "--keepalive-timeout", "10s"),
            (["--max-head", "1"], "--max-head", "'1'", "256"),
            (["--recv-buffers", "100"], "--recv-buffers", "'100'", "power of two"),
            (["--listen", "localhost"], "--listen", "localhost", "HOST:PORT"),
            (["--listen", "1.2.3.4:70000"], "--listen", "70000"),
            (["--config", "/no/such/file"], "/no/such/file"),
        ):
            with self.subTest(arguments):
                status, output, errors = run_program("hello", *arguments)
                self.assertEqual((status, output), (2, ""))
                for text in said:
                    self.assertIn(text, errors)

    def test_version(self) -> None:
        for program in ("enduring", "hello"):
            status, output, errors = run_program(program, "--version")
            self.assertEqual((status, errors), (0, ""))
            self.assertRegex(output, rf"^{program} \d+\.\d+\.\d+\n$")

    def test_help(self) -> None:
        status, output, errors = run_program("enduring", "--help")
        self.assertEqual((status, errors), (0, ""))
        for text in ("ROOT", "Listening:", "Workers and memory:", "Connection lifecycle", "Limits"):
            self.assertIn(text, output)
        for flag in ("listen", "workers", "keepalive-timeout", "max-head", "config", "check"):
            self.assertIn(f"--{flag}", output)
        self.assertIn("ENDURING_KEEPALIVE_TIMEOUT", output)

    def test_check(self) -> None:
        root = self.make_directory()
        status, output, errors = run_program("enduring", root, "--check", "--listen", "127.0.0.1:0")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("the configuration is good", output)
        for arguments in ((root / "none", "--check"), (root / "none",)):
            status, _, errors = run_program("enduring", *arguments)
            self.assertEqual(status, 1)
            self.assertIn(f"'{root / 'none'}'", errors)

    def test_check_of_a_program_without_root(self) -> None:
        """It comes to an end, like that of `enduring`."""
        status, output, errors = run_program("hello", "--check", "--listen", "127.0.0.1:0")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("the configuration is good", output)

    def test_root_may_stand_anywhere(self) -> None:
        root = self.make_directory()
        listen = ("--listen", "127.0.0.1:0")
        for arguments in ((root, *listen), (*listen, root), (*listen, "--", root)):
            with self.subTest(arguments):
                status, _, errors = run_program("enduring", "--check", *arguments)
                self.assertEqual((status, errors), (0, ""))

    def closes_after(self, server: Server) -> int:
        """How many requests a connection may have."""
        with Client(server.address) as client:
            for count in range(1, 100):
                if client.exchange(get()).closes:
                    return count
        return 0

    def test_environment_and_file(self) -> None:
        """The command line wins over the environment, the environment over the file."""
        file = self.make_directory() / "enduring.conf"
        file.write_text('keepalive-requests = 3\nkeepalive-timeout = "20s"\nworkers = 1\n')
        flag = ("--keepalive-requests", "7")
        by_file = ("--config", file)
        environment = {"ENDURING_KEEPALIVE_REQUESTS": "5"}
        for arguments, variables, expected in (
            (by_file, {}, 3),
            ((), environment, 5),
            (by_file, environment, 5),
            ((*by_file, *flag), environment, 7),
            ((), {"ENDURING_CONFIG": str(file)}, 3),
        ):
            with self.subTest(arguments=arguments, variables=variables):
                server = self.serve("hello", *arguments, environment=variables)
                self.assertEqual(self.closes_after(server), expected)
                server.stop()

    def test_mistakes_in_environment_and_file(self) -> None:
        file = self.make_directory() / "enduring.conf"
        for text, said in (("keepalive-timeout = soon\n", "soon"), ("no-such = 1\n", "no-such")):
            file.write_text(text)
            status, _, errors = run_program("hello", "--config", file)
            self.assertEqual(status, 2)
            self.assertIn(said, errors)
        environment = os.environ | {"ENDURING_WORKERS": "many"}
        status, _, errors = run_program("hello", env=environment)
        self.assertEqual(status, 2)
        self.assertIn("many", errors)

    def test_too_few_descriptors(self) -> None:
        status, _, errors = run_program(
            "hello",
            "--listen",
            "127.0.0.1:0",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)),
        )
        self.assertEqual(status, 1)
        self.assertIn("open files is too low", errors)


if __name__ == "__main__":
    harness.main()
