#!/usr/bin/env python3
"""Compare what servers cost in CPU time per request, all of them loaded at the same moment.

On a shared machine two runs a second apart differ by far more than two servers do. So all servers
run on one CPU and all load generators on another at once, so that whatever disturbs the machine
hits each alike, and the cost is the run time that the scheduler accounts to the server's threads
(/proc/PID/task/*/schedstat) divided by the good responses that its load generator counted.

The measure is the floor, an io_uring loop that parses nothing and sends one fixed answer. It runs
twice; the ratios are to the mean of both in the same round, and their own ratio shows the noise. It
reads the content of a POST and closes connections where the profile asks for it, and sends no
files: there the measure is nginx. Latency is measured of one server after the other.

A server with any failed request in a profile has no figure there, and the exit status is then 1.

    scripts/compare --install                        # get the other servers first: Debian, as root
    scripts/compare --profiles keepalive-64,close    # what is built and installed
"""

import argparse
import contextlib
import dataclasses
import datetime
import http.client
import itertools
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True

import chart  # of this directory, like the next ones
import processes
import servers
from profiles import FILE_BYTES, GROUPS, PROFILES, USUAL
from servers import FLOORS, KINDS

SERVICE_POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


class CompareError(Exception):
    """What stops the comparison, said in one line."""


# --- Servers --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Server:
    """A server that runs."""

    name: str
    port: int
    process: subprocess.Popen
    log: pathlib.Path

    def check(self, profile):
        """Waits until the server answers, and makes sure that it answers the profile well."""
        deadline = time.monotonic() + 10
        content = profile.content()
        while True:
            if self.process.poll() is not None:
                raise CompareError(f"{self.name} ended with {self.process.returncode}: "
                                   f"{self.last_words()}")
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("POST" if content else "GET", profile.path, content)
                response = connection.getresponse()
                body = response.read()
                break
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() > deadline:
                    raise CompareError(f"{self.name} does not answer on port {self.port}: "
                                       f"{error!r} {self.last_words()}") from error
                time.sleep(0.05)
            finally:
                connection.close()
        size = FILE_BYTES.get(profile.path.rsplit("/", 1)[-1])
        good = (len(body) == size if size else bool(body) if content else body == b"ok")
        if response.status != 200 or not good:
            raise CompareError(f"{self.name} should answer {profile.path} well, not with "
                               f"{response.status} and {len(body)} bytes: {body[:40]!r}")

    def last_words(self):
        lines = self.log.read_text(errors="replace").split("\n")
        return " / ".join(line for line in lines[-4:] if line)


def free_ports(first):
    """Ports on which nobody listens, each given once."""
    for port in range(first, 65536):
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
                candidate.listen()
            except OSError:
                continue
        yield port
    raise CompareError("no free port is left")


class Bench:
    """What all measurements share: programs, ports, the files that are served."""

    def __init__(self, arguments, programs, directory):
        self.arguments = arguments
        self.programs = programs
        self.directory = directory
        self.files = servers.make_files(directory)
        self.ports = free_ports(arguments.port)

    def command_of(self, name, port, profile):
        if name in self.arguments.server:
            words = shlex.split(self.arguments.server[name])
            names = {"port": str(port), "files": str(self.files)}
            return [word.format(**names) for word in words], None
        return servers.command_of(name, self.programs[name], port, profile, self.files,
                                  self.directory)

    @contextlib.contextmanager
    def running(self, names, profile):
        started = []
        try:
            for name in names:
                port = next(self.ports)
                log = pathlib.Path(self.directory, f"{port}.log")
                command, environment = self.command_of(name, port, profile)
                with log.open("wb") as output:
                    try:
                        process = processes.start(command, self.arguments.server_cpu,
                                                  stdout=output, stderr=output, env=environment)
                    except OSError as error:
                        raise CompareError(f"cannot start {name}: {error}") from error
                started.append(Server(name, port, process, log))
            for server in started:
                server.check(profile)
            yield started
        finally:
            for server in started:
                processes.stop(server.process)

    def start_client(self, server, profile, seconds, rate=0):
        command = profile.command(self.programs, server.port, seconds, rate)
        return processes.start(command, self.arguments.client_cpu, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True,
                               stdin=subprocess.PIPE if profile.paced else subprocess.DEVNULL)

    def takes_part(self, name, profile):
        return name in self.arguments.server or profile.needs in servers.kind_of(name).abilities


# --- Load -----------------------------------------------------------------------------------------


def read_wrk(output):
    """The good responses that wrk counted, and what went wrong."""
    requests = re.search(r"(\d+) requests in", output)
    if not requests:
        return 0, f"wrk failed: {output.strip()[:200]}"
    problems = re.findall(r"Socket errors: .*|Non-2xx or 3xx responses: \d+", output)
    return int(requests[1]), "; ".join(problems)


def read_load(output):
    """The same for our own load generator."""
    try:
        report = json.loads(output)
    except ValueError:
        return 0, f"load failed: {output.strip()[:200]}"
    problems = [f"{kind} {count}" for kind, count in report["errors"].items() if count]
    return report["requests"], "; ".join(problems)


def run_clients(clients, seconds):
    """What clients say that connect and run by themselves."""
    return [client.communicate(timeout=seconds * 3 + 60)[0] for client in clients]


def run_paced_clients(clients, seconds, on_begin):
    """Lets all clients connect, then begin at once; gives what they say before they disconnect."""
    said = [client.stdout.readline() for client in clients]
    ready = [line.strip() == "ready" for line in said]
    on_begin()
    for client in itertools.compress(clients, ready):
        client.stdin.write("\n")
        client.stdin.flush()
    return [client.stdout.readline() if begun else line
            for client, line, begun in zip(clients, said, ready)]


@dataclasses.dataclass
class RoundResult:
    """What loading one server for a while has shown."""

    ns: int  # of run time
    responses: int
    problem: str
    connection_bytes: float  # of memory, where the clients connect before they begin


def memory_of(server):
    """Its memory, or 0 where that is not told."""
    try:
        return processes.own_bytes(server.process.pid)
    except OSError:
        return 0


def run_round(bench, running, profile, seconds, first):
    """Loads all servers at once; gives the result of each."""
    begin = [0] * len(running)
    alone = [memory_of(server) for server in running]
    connected = list(alone)

    def look():
        connected[:] = [memory_of(server) for server in running]
        begin[:] = [processes.run_time_ns(server.process.pid) for server in running]

    look()
    clients = [None] * len(running)
    try:
        # Another server is loaded first in each round, since the first has a moment to itself.
        for offset in range(len(running)):
            index = (first + offset) % len(running)
            clients[index] = bench.start_client(running[index], profile, seconds)
        outputs = (run_paced_clients(clients, seconds, look) if profile.paced
                   else run_clients(clients, seconds))
        if not profile.paced:
            time.sleep(0.2)  # The servers still close connections.
        end = [processes.run_time_ns(server.process.pid) for server in running]
    except subprocess.TimeoutExpired as error:
        raise CompareError(f"{profile.tool} did not end in time") from error
    finally:
        for client in clients:
            if client:
                processes.stop(client)
    results = []
    for index, (server, output) in enumerate(zip(running, outputs)):
        if server.process.poll() is not None:
            raise CompareError(f"{server.name} ended with {server.process.returncode} under load: "
                               f"{server.last_words()}")
        responses, problem = (read_wrk if profile.tool == "wrk" else read_load)(output)
        if responses == 0 and not problem:
            problem = "no responses"
        results.append(RoundResult(end[index] - begin[index], responses, problem,
                                   (connected[index] - alone[index]) / profile.connections))
    return results


def references_of(profile, names):
    return list(FLOORS) if profile.reference == "floor" else [profile.reference]


def measure_cost(bench, name, names):
    """All rounds of one profile, as it goes into the JSON file."""
    profile = PROFILES[name]
    arguments = bench.arguments
    rows = {server: {"ns_per_request": [], "ratio": [], "responses": [], "connection_bytes": [],
                     "problems": []}
            for server in names}
    with bench.running(names, profile) as running:
        # To warm up: that is also when a server takes the memory for connections that it keeps.
        warm = run_round(bench, running, profile, 1, 0)
        for server, result in zip(running, warm):
            if profile.paced:
                rows[server.name]["connection_bytes"].append(result.connection_bytes)
        for index in range(arguments.rounds):
            results = run_round(bench, running, profile, arguments.seconds, index)
            for server, result in zip(running, results):
                row = rows[server.name]
                row["responses"].append(result.responses)
                row["ns_per_request"].append(result.ns / result.responses if result.responses
                                             else None)
                if result.problem:
                    row["problems"].append(f"round {index + 1}: {result.problem}")
    result = {"kind": "cost", "meaning": profile.meaning, "tool": profile.tool,
              "reference": profile.reference, "servers": rows, "noise": None}
    references = [rows[server] for server in references_of(profile, names) if server in rows]
    if not references:
        return result
    if any(reference["problems"] for reference in references):
        for row in rows.values():
            row["problems"] = row["problems"] or [f"{profile.reference} failed: there is nothing "
                                                  "to compare with"]
        return result
    rounds = list(zip(*(reference["ns_per_request"] for reference in references)))
    if len(references) == 2:
        result["noise"] = [second / first for first, second in rounds]
    for row in rows.values():
        if not row["problems"]:
            row["ratio"] = [ns / statistics.mean(reference)
                            for ns, reference in zip(row["ns_per_request"], rounds)]
    return result


def measure_latency(bench, name, names):
    """Loads one server after the other, at the same rate, in several rounds."""
    profile = PROFILES[name]
    arguments = bench.arguments
    rows = {server: {"us": {"p50": [], "p99": [], "p99.9": []}, "problems": []}
            for server in names}
    with bench.running(names, profile) as running:
        # What nginx, if it takes part, can do alone in a closed loop is the measure of the load.
        measured = next((server for server in running if server.name == "nginx"), running[0])
        closed = dataclasses.replace(profile, arguments=("--in-flight", "64"))
        most = run_round(bench, [measured], closed, 2, 0)[0]
        if most.problem:
            raise CompareError(f"{measured.name} failed when its most was measured: "
                               f"{most.problem}")
        rate = max(1, int(most.responses / 2 * profile.load_part))
        for _ in range(arguments.rounds):
            for server in running:
                client = bench.start_client(server, profile, arguments.seconds, rate)
                try:
                    output = run_paced_clients([client], arguments.seconds, lambda: None)[0]
                finally:
                    processes.stop(client)
                row = rows[server.name]
                requests, problem = read_load(output)
                if not problem and requests < 0.98 * rate * arguments.seconds:
                    problem = f"only {requests} of {rate * arguments.seconds} requests were sent"
                if problem:
                    row["problems"].append(problem)
                    continue
                for quantile, values in row["us"].items():
                    values.append(json.loads(output)["latency_us"][quantile])
    meaning = f"{profile.meaning}, half of the most of {measured.name} ({rate} requests/s)"
    return {"kind": "latency", "meaning": meaning,
            "tool": profile.tool, "rate": rate, "servers": rows}


# --- Report ---------------------------------------------------------------------------------------


def spread(values):
    return f"x{statistics.median(values):.3f}  ({min(values):.3f}..{max(values):.3f})"


def print_profile(name, result, seconds):
    print(f"\n{name}: {result['meaning']} ({result['tool']})")
    width = max(len(server) for server in result["servers"])
    if result["kind"] == "latency":
        print(f"  {'':{width}}  {'p50 us':>10}  {'p99 us':>10}  {'p99.9 us':>10}")
        for server, row in result["servers"].items():
            if row["problems"]:
                print(f"  {server:{width}}        void  {row['problems'][0]}")
                continue
            print(f"  {server:{width}}" + "".join(f"  {statistics.median(values):10.0f}"
                                                  for values in row["us"].values()))
        sys.stdout.flush()
        return
    relation = f"to {result['reference']} (min..max)"
    scale = name.startswith("scale-")
    print(f"  {'':{width}}  {'ns/request':>10}  {relation:24}  {'responses/s':>11}"
          + ("  bytes/connection" if scale else ""))
    for server, row in result["servers"].items():
        if row["problems"]:
            print(f"  {server:{width}}        void  {row['problems'][0]}")
            continue
        rate = statistics.median(row["responses"]) / seconds
        ratio = spread(row["ratio"]) if row["ratio"] else "-"
        memory = f"  {row['connection_bytes'][0]:16.0f}" if scale else ""
        print(f"  {server:{width}}  {statistics.median(row['ns_per_request']):10.0f}"
              f"  {ratio:24}  {rate:11.0f}{memory}")
    if result["noise"]:
        print(f"  noise, the second floor to the first: {spread(result['noise'])}")
    sys.stdout.flush()


def summary(results, names):
    """All profiles in one table, in Markdown."""
    shown = [name for name in names if name not in FLOORS]
    lines = ["| | | " + " | ".join(shown) + " |", "|---|---|" + "---|" * len(shown)]
    for name, result in results.items():
        cells = []
        for server in shown:
            row = result["servers"].get(server)
            if row is None:
                cells.append("")
            elif row["problems"]:
                cells.append("void")
            elif result["kind"] == "latency":
                cells.append("/".join(f"{statistics.median(values):.0f}"
                                      for values in row["us"].values()))
            else:
                cells.append(f"{statistics.median(row['ratio']):.2f}" if row["ratio"] else "")
        unit = ("p50/p99/p99.9 in µs" if result["kind"] == "latency"
                else f"to {result['reference']}")
        meaning = result["meaning"].replace("|", "/")
        lines.append(f"| {meaning} | {unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cpu_model():
    found = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def version_of(name, program):
    kind = servers.kind_of(name)
    if not kind.version:
        return ""
    done = subprocess.run([program, *kind.version], capture_output=True, text=True, timeout=10,
                          check=False)
    found = re.search(r"\d+\.\d+(\.\d+)*", done.stdout + done.stderr)
    return found[0] if found else ""


# --- Command line ---------------------------------------------------------------------------------


def named_command(text):
    name, separator, command = text.partition("=")
    if not separator or not name or "{port}" not in command:
        raise argparse.ArgumentTypeError("wants NAME=COMMAND with {port} in the command")
    return name, command


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def parse_arguments():
    known_servers = [name for name in KINDS if name != "floor"]
    parser = argparse.ArgumentParser(prog="scripts/compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=4, help="(%(default)s)")
    parser.add_argument("--seconds", type=positive, default=2, help="of each round (%(default)s)")
    parser.add_argument("--profiles", default=",".join(USUAL), metavar="A,B",
                        help="some of " + ", ".join(PROFILES) + "; scale: all of these, as curves in "
                             "the picture (all but these)")
    parser.add_argument("--servers", metavar="A,B",
                        help="some of " + ", ".join(known_servers) + " and what --server names; "
                             "the floor always takes part (all that are installed)")
    parser.add_argument("--server", type=named_command, action="append", default=[],
                        metavar="NAME=COMMAND",
                        help="one more server, on one thread, that answers what the profiles ask; "
                             "{port} stands for its port, {files} for the directory of "
                             "static/NAME")
    parser.add_argument("--install", action="store_true",
                        help="install what is missing and build first: Debian, as root")
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build/release/bin",
                        metavar="DIRECTORY", help="of arena, floor and load (build/release/bin)")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--client-cpu", type=int, default=1)
    parser.add_argument("--port", type=positive, default=21100, help="the first to try")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--svg", type=pathlib.Path, metavar="FILE",
                        help="draw the costs here, with gnuplot")
    arguments = parser.parse_args()

    arguments.profiles = [name for word in arguments.profiles.split(",")
                          for name in GROUPS.get(word, [word])]
    for name in arguments.profiles:
        if name not in PROFILES:
            parser.error(f"no profile '{name}'; there are {', '.join(PROFILES)}")
    arguments.server = dict(arguments.server)
    known = [*known_servers, *arguments.server]
    if len(set(known) | set(FLOORS) | {"floor"}) != len(known) + len(FLOORS):
        parser.error("--server cannot take the name of another server")
    arguments.all = arguments.servers is None
    arguments.servers = (known if arguments.all
                         else list(dict.fromkeys(arguments.servers.split(","))))
    for name in arguments.servers:
        if name not in known:
            parser.error(f"no server '{name}'; there are {', '.join(known)}")
    available = os.sched_getaffinity(0)
    if arguments.server_cpu == arguments.client_cpu:
        parser.error("servers and clients need a CPU each")
    for cpu in (arguments.server_cpu, arguments.client_cpu):
        if cpu not in available:
            parser.error(f"CPU {cpu} is not to be had; there are {sorted(available)}")
    return arguments


@contextlib.contextmanager
def no_services():
    """Packages that are installed meanwhile do not start their services."""
    if SERVICE_POLICY.exists():
        yield
        return
    SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n")
    SERVICE_POLICY.chmod(0o755)
    try:
        yield
    finally:
        SERVICE_POLICY.unlink()


def install(arguments):
    """The other servers and tools as Debian has them, and a build of our own."""
    wanted = {"wrk": "wrk", "gnuplot": "gnuplot-nox"}
    wanted |= {KINDS[name].program: KINDS[name].package for name in arguments.servers
               if name in KINDS and KINDS[name].package}
    search = os.environ.get("PATH", "") + ":/usr/sbin"
    packages = [package for program, package in wanted.items()
                if not shutil.which(program, path=search)]
    if packages:
        if os.geteuid() != 0:
            raise CompareError("installing needs root: apt-get install " + " ".join(packages))
        with no_services():
            subprocess.run(["apt-get", "update", "-q"], check=False)
            subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends",
                            *packages], check=True,
                           env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    subprocess.run([ROOT / "scripts" / "setup"], check=True)
    subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "arena", "floor",
                    "load"], cwd=ROOT, check=True)


def find_programs(arguments):
    """The path of every program that will be needed; all that are missing are named at once."""
    programs, missing = {}, []
    tools = {"load": arguments.programs}
    if any(PROFILES[name].tool == "wrk" for name in arguments.profiles):
        tools["wrk"] = None
    for name, directory in tools.items():
        programs[name] = shutil.which(name, path=str(directory) if directory else None)
        if not programs[name]:
            missing.append(str(directory / name) if directory else name)
    for name in [*FLOORS, *arguments.servers]:
        if name in arguments.server:
            continue
        programs[name] = servers.find_program(name, arguments.programs)
        if programs[name]:
            continue
        kind = servers.kind_of(name)
        if kind.package and arguments.all:
            print(f"{name} is not installed (Debian's package {kind.package}) and does not take "
                  "part", file=sys.stderr)
            arguments.servers = [other for other in arguments.servers if other != name]
        else:
            missing.append(kind.program)
    if missing:
        raise CompareError(f"missing: {', '.join(missing)}; --install gets and builds them")
    if arguments.svg and not shutil.which("gnuplot"):
        raise CompareError("--svg needs gnuplot; --install gets it")
    if not os.path.exists("/proc/self/schedstat"):
        raise CompareError("this kernel does not account run time in /proc/PID/schedstat")
    return programs


def machine(arguments):
    return (f"{cpu_model()}, Linux {platform.release()}; {arguments.rounds} rounds of "
            f"{arguments.seconds} s; servers on CPU {arguments.server_cpu}, clients on CPU "
            f"{arguments.client_cpu}")


def write_report(arguments, names, versions, results):
    report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "cpu": cpu_model(), "kernel": platform.release(), "rounds": arguments.rounds,
              "seconds": arguments.seconds, "versions": versions, "profiles": results}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    if arguments.svg:
        draw = (chart.draw_scale if all(name in GROUPS["scale"] for name in results)
                else chart.draw)
        draw(report, [name for name in names if name not in FLOORS], arguments.svg)


def compare(bench):
    arguments = bench.arguments
    names = [*FLOORS, *(server for server in arguments.servers
                        if any(bench.takes_part(server, PROFILES[name])
                               for name in arguments.profiles))]
    versions = {name: version_of(name, bench.programs[name]) for name in names
                if name not in (*FLOORS, *arguments.server)}
    print(machine(arguments))
    print(", ".join(f"{name} {version}".strip() for name, version in versions.items()), flush=True)
    results = {}
    for name in arguments.profiles:
        profile = PROFILES[name]
        if not any(bench.takes_part(server, profile) for server in arguments.servers):
            print(f"\n{name}: none of the servers can do this")
            continue
        taking = [server for server in names if bench.takes_part(server, profile)
                  and not (profile.load_part and server == FLOORS[1])]
        measure = measure_latency if profile.load_part else measure_cost
        results[name] = measure(bench, name, taking)
        print_profile(name, results[name], arguments.seconds)
        write_report(arguments, names, versions, results)
    print("\n" + summary(results, names))
    return results


def main():
    arguments = parse_arguments()
    # So that what was started is stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.raise_descriptor_limit()
    try:
        if arguments.install:
            install(arguments)
        programs = find_programs(arguments)
        with tempfile.TemporaryDirectory(prefix="compare-") as directory:
            results = compare(Bench(arguments, programs, directory))
    except CompareError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    void = any(row["problems"] for result in results.values()
               for row in result["servers"].values())
    return 1 if void else 0


if __name__ == "__main__":
    sys.exit(main())
