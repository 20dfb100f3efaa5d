"""Checks that scripts/rolling reads what its tools say, and that its verdict finds what failed."""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

WRK = """\
Running 20s test @ http://127.0.0.1:24018/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.91ms    3.35ms  52.53ms   82.04%
    Req/Sec     5.42k     1.25k    8.36k    69.00%
  107273 requests in 20.02s, 0.88GB read
Requests/sec:   5358.06
Transfer/sec:     44.96MB
"""
WRK_PROBLEMS = """\
  Socket errors: connect 0, read 26, write 0, timeout 3
  Non-2xx or 3xx responses: 65
"""
H2LOAD = """\
finished in 1.98s, 4040.43 req/s, 33.99MB/s
requests: 8000 total, 8000 started, 8000 done, 8000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 8000 2xx, 0 3xx, 0 4xx, 0 5xx
"""
# Two connections were cut, in the middle of an answer and before one.
H2LOAD_CUT = """\
finished in 241.52ms, 26209.44 req/s, 1.02MB/s
requests: 10000 total, 6332 started, 6330 done, 6330 succeeded, 3670 failed, 3670 errored, 0 timeout
status codes: 6331 2xx, 0 3xx, 0 4xx, 0 5xx
"""
H2LOAD_5XX = """\
finished in 1.98s, 4040.43 req/s, 33.99MB/s
requests: 8000 total, 8000 started, 8000 done, 7990 succeeded, 10 failed, 0 errored, 0 timeout
status codes: 7990 2xx, 0 3xx, 0 4xx, 10 5xx
"""
H2LOAD_UNREACHABLE = """\
finished in 1.11ms, 0.00 req/s, 0B/s
requests: 64 total, 0 started, 0 done, 0 succeeded, 64 failed, 64 errored, 0 timeout
status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx
"""
# HAProxy has many more columns.
STAT = """\
# pxname,svname,scur,econ,eresp,wretr,wredis,status,hrsp_2xx,hrsp_5xx,cli_abrt,srv_abrt,
clients,FRONTEND,64,,,,,OPEN,6000,0,,,
enduring,enduring-1,20,0,0,3,5,UP,2000,0,0,0,
enduring,enduring-2,20,0,0,0,0,DOWN 1/2,2000,0,0,0,
enduring,enduring-3,20,0,0,0,0,UP,2000,0,0,0,
enduring,BACKEND,60,0,0,3,5,UP,6000,0,0,0,

"""
CONNECTIONS = """\
# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb \
idle_lim idle_cur idle_per_thr[2]
enduring/enduring-1 3/1 127.0.0.1 26517 - 5000 13 33 33 0 22 -1 22 9 13
enduring/enduring-2 3/2 127.0.0.1 15322 - 5000 16 31 31 0 33 -1 33 16 17

"""


def load_script():
    """scripts/rolling as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("rolling", str(ROOT / "scripts" / "rolling"))
    spec = importlib.util.spec_from_loader("rolling", loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["rolling"] = module
    loader.exec_module(module)
    return module


rolling = load_script()


class Reports(unittest.TestCase):
    """What the tools say."""

    def test_wrk(self) -> None:
        load = rolling.read_wrk(WRK)
        self.assertEqual((load.requests, load.failures), (107273, 0))

    def test_problems_of_wrk(self) -> None:
        load = rolling.read_wrk(WRK + WRK_PROBLEMS)
        self.assertEqual((load.requests, load.failures), (107273, 26 + 3 + 65))
        self.assertEqual(load.text, "connect 0, read 26, write 0, timeout 3, non-2xx 65")

    def test_h2load(self) -> None:
        load = rolling.read_h2load([H2LOAD, H2LOAD])
        self.assertEqual((load.requests, load.failures), (16000, 0))

    def test_problems_of_h2load(self) -> None:
        load = rolling.read_h2load([H2LOAD, H2LOAD_CUT, H2LOAD_5XX])
        self.assertEqual((load.requests, load.failures), (8000 + 6330 + 7990, 2 + 10))
        self.assertIn("given up 3668", load.text)
        self.assertGreater(rolling.read_h2load([H2LOAD_UNREACHABLE]).failures, 0)
        moved = H2LOAD.replace("8000 2xx, 0 3xx", "7999 2xx, 1 3xx")
        self.assertEqual(rolling.read_h2load([moved]).failures, 1)

    def test_no_report_is_an_error(self) -> None:
        with self.assertRaisesRegex(rolling.RollingError, "wrk: unable to connect"):
            rolling.read_wrk("unable to connect to 127.0.0.1:1 Connection refused\n")
        with self.assertRaisesRegex(rolling.RollingError, "h2load: it said nothing"):
            rolling.read_h2load([H2LOAD, ""])
        with self.assertRaisesRegex(rolling.RollingError, "haproxy: Unknown command"):
            rolling.read_statistics("Unknown command\n")

    def test_statistics_of_haproxy(self) -> None:
        statistics = rolling.read_statistics(STAT)
        self.assertEqual(statistics["enduring", "enduring-2"]["status"], "DOWN 1/2")
        self.assertEqual(rolling.count(statistics["enduring", "BACKEND"], "wredis"), 5)
        self.assertEqual(rolling.count(statistics["clients", "FRONTEND"], "wredis"), 0)

    def test_connections_of_haproxy(self) -> None:
        self.assertEqual(rolling.open_connections(CONNECTIONS, "enduring-2"), (16, 33))
        with self.assertRaises(rolling.RollingError):
            rolling.open_connections(CONNECTIONS, "enduring-3")


def restarts(**changes):
    """One of each instance; what is said to be otherwise is so of the second."""
    rounds = [rolling.Round(number, seen_s=1.2, ended_s=4.0, up_s=5.0, requests=1000)
              for number in (1, 2, 3)]
    for name, value in changes.items():
        setattr(rounds[1], name, value)
    return rounds


def kills(in_use: int, idle: int):
    return [rolling.Round(number, status=-signal.SIGKILL, in_use=in_use, idle=idle, requests=1000)
            for number in (1, 2, 3)]


def statistics_with(name: str, value: int, proxy: str = "enduring", server: str = "BACKEND"):
    statistics = rolling.read_statistics(STAT)
    statistics[proxy, server][name] = str(value)
    return statistics


class Verdicts(unittest.TestCase):
    """What is a failure, and what is not."""

    def setUp(self) -> None:
        self.loads = [rolling.read_wrk(WRK), rolling.read_h2load([H2LOAD])]
        self.statistics = rolling.read_statistics(STAT)

    def judge(self, loads=None, rounds=None, statistics=None, warned=True) -> str:
        faults = rolling.judge_restarts(loads or self.loads, rounds or restarts(),
                                        statistics or self.statistics, warned)
        return "; ".join(faults)

    def judge_kill(self, loads=None, rounds=None, statistics=None) -> str:
        faults = rolling.judge_kills(loads or self.loads, rounds or kills(3, 4),
                                     statistics or self.statistics)
        return "; ".join(faults)

    def test_all_well_and_what_was_repeated_is_no_failure(self) -> None:
        self.assertEqual(self.judge(), "")
        self.assertEqual(self.judge_kill(), "")

    def test_one_request_that_failed(self) -> None:
        wrk = rolling.read_wrk(WRK + "  Socket errors: connect 0, read 1, write 0, timeout 0\n")
        self.assertEqual(self.judge([wrk, self.loads[1]]), "wrk: 1 requests failed")
        h2load = rolling.read_h2load([H2LOAD, H2LOAD_CUT])
        self.assertEqual(self.judge([self.loads[0], h2load]), "h2load: 2 requests failed")

    def test_nothing_was_asked(self) -> None:
        self.assertIn("no request was answered",
                      self.judge([rolling.read_wrk("  0 requests in 20s"), self.loads[1]]))

    def test_what_haproxy_could_not_mend(self) -> None:
        for name, proxy, server in (("hrsp_5xx", "clients", "FRONTEND"),
                                    ("econ", "enduring", "BACKEND"),
                                    ("srv_abrt", "enduring", "BACKEND")):
            statistics = statistics_with(name, 1, proxy, server)
            for warned in (True, False):
                self.assertIn("haproxy: 1 ", self.judge(statistics=statistics, warned=warned), name)

    def test_resets_are_none_of_those_unless_they_could_not_be(self) -> None:
        statistics = statistics_with("eresp", 1)
        self.assertIn("(eresp)", self.judge(statistics=statistics))
        self.assertEqual(self.judge(statistics=statistics, warned=False), "")

    def test_an_instance_that_did_not_end_well(self) -> None:
        for status in (1, -signal.SIGKILL):
            self.assertEqual(self.judge(rounds=restarts(status=status)),
                             f"instance 2 ended with status {int(status)}")

    def test_an_instance_that_haproxy_did_not_leave_in_time(self) -> None:
        rounds = restarts(seen_s=None)
        self.assertIn("instance 2 ended before HAProxy saw", self.judge(rounds=rounds))
        self.assertEqual(self.judge(rounds=rounds, warned=False), "")

    def test_each_instance_has_its_turn_and_works_afterwards(self) -> None:
        self.assertIn("instance 3 had no turn", self.judge(rounds=restarts()[:2]))
        self.assertEqual(self.judge(rounds=restarts(requests=2000)),
                         "instance 2 got no request after its last start")
        self.assertIn("instance 3 had no turn", self.judge_kill(rounds=kills(3, 4)[:2]))

    def test_a_kill_may_take_what_was_on_it_and_no_more(self) -> None:
        def wrk(failures):
            text = f"  Socket errors: connect 0, read {failures}, write 0, timeout 0\n"
            return rolling.read_wrk(WRK + text)

        self.assertEqual(self.judge_kill([wrk(21), self.loads[1]]), "")
        self.assertIn("22 requests fail", self.judge_kill([wrk(22), self.loads[1]]))
        h2load = rolling.read_h2load([H2LOAD_CUT])
        self.assertIn("23 requests fail", self.judge_kill([wrk(21), h2load]))
        self.assertIn("22 requests fail", self.judge_kill(
            statistics=statistics_with("hrsp_5xx", 22, "clients", "FRONTEND")))

    def test_a_kill_must_be_one(self) -> None:
        rounds = kills(3, 4)
        rounds[0].status = 1
        self.assertIn("instance 1 ended by itself", self.judge_kill(rounds=rounds))


class Ports(unittest.TestCase):
    def test_are_free_and_different(self) -> None:
        ports = rolling.free_ports(7)
        self.assertEqual(len(set(ports)), 7)


@unittest.skipUnless(shutil.which("haproxy", path=rolling.SEARCH_PATH), "haproxy is not installed")
class Configuration(unittest.TestCase):
    def test_is_valid(self) -> None:
        # LB_KEEP_USER: the user that it names is made by Debian's package alone.
        done = subprocess.run([shutil.which("haproxy", path=rolling.SEARCH_PATH), "-c", "-f",
                               rolling.CONFIGURATION], env={"LB_KEEP_USER": "1"}, text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
