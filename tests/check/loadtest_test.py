"""Checks that scripts/loadtest reads what wrk and h2load say, as they said it."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

WRK = """\
Running 1s test @ http://127.0.0.1:8080/none
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   541.93us    1.04ms   6.67ms   87.11%
    Req/Sec    39.44k     9.00k   52.58k    60.00%
  Latency Distribution
     50%  106.00us
     75%  159.00us
     90%    2.12ms
     99%    4.51ms
  39149 requests in 1.00s, 5.26MB read
Requests/sec:  39002.12
Transfer/sec:      5.25MB
"""
WRK_PROBLEMS = """\
  Socket errors: connect 0, read 12, write 0, timeout 3
  Non-2xx or 3xx responses: 39149
"""
H2LOAD = """\
finished in 1.01s, 380176.00 req/s, 43.52MB/s
requests: 380176 total, 385944 started, 380176 done, 380176 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 380176 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 43.52MB (45637328) total, 30.46MB (31940424) headers (space savings 0.00%), 742.53KB (760352) data
                     min         max         mean         sd        +/- sd
time for request:       90us      9.27ms       331us       606us    97.46%
time for connect:       47us       130us       100us        33us    75.00%
"""


def load_script():
    """scripts/loadtest as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("loadtest", str(ROOT / "scripts" / "loadtest"))
    spec = importlib.util.spec_from_loader("loadtest", loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["loadtest"] = module
    loader.exec_module(module)
    return module


loadtest = load_script()


class Reports(unittest.TestCase):
    """What the tools say."""

    def test_wrk(self) -> None:
        outcome = loadtest.read_wrk(WRK)
        self.assertEqual((outcome.requests, outcome.seconds), (39149, 1.0))
        self.assertAlmostEqual(outcome.bytes, 5.26 * (1 << 20))
        self.assertEqual((outcome.median_us, outcome.p99_us, outcome.max_us), (106, 4510, 6670))
        self.assertEqual(outcome.problems, [])

    def test_problems_of_wrk(self) -> None:
        self.assertEqual(loadtest.read_wrk(WRK + WRK_PROBLEMS).problems,
                         ["39149 responses say neither 2xx nor 3xx", "12 errors: read",
                          "3 errors: time-out"])

    def test_h2load(self) -> None:
        outcome = loadtest.read_h2load(H2LOAD)
        self.assertEqual((outcome.requests, outcome.seconds, outcome.bytes),
                         (380176, 1.01, 45637328))
        self.assertEqual((outcome.median_us, outcome.max_us), (None, 9270))
        self.assertEqual(outcome.problems, [])

    def test_problems_of_h2load(self) -> None:
        text = H2LOAD.replace("0 failed, 0 errored, 0 timeout", "5 failed, 2 errored, 1 timeout")
        self.assertEqual(loadtest.read_h2load(text).problems,
                         ["5 requests failed", "2 requests had errors", "1 requests timed out"])

    def test_no_report_is_an_error(self) -> None:
        with self.assertRaisesRegex(loadtest.LoadError, "wrk: unable to connect"):
            loadtest.read_wrk("unable to connect to 127.0.0.1:1 Connection refused\n")
        with self.assertRaisesRegex(loadtest.LoadError, "h2load: it said nothing"):
            loadtest.read_h2load("")

    def test_the_number_of_threads_never_exceeds_the_connections(self) -> None:
        for traffic in loadtest.kinds("http://h/", [1, 3], 1, 2):
            threads = next(word for word in traffic.command if word.startswith("-t"))
            connections = next(word for word in traffic.command if word.startswith("-c"))
            self.assertLessEqual(int(threads[2:]), int(connections[2:]), traffic.command)


if __name__ == "__main__":
    unittest.main()
