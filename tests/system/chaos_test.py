"""Some random clients of tests/soak/chaos.py, with fixed seeds; and that their model can fail."""

from __future__ import annotations

import sys
import unittest

import harness
from harness import ROOT, scaled

sys.path.insert(0, str(ROOT / "tests" / "soak"))
import chaos  # noqa: E402
from chaos_parts import accounts  # noqa: E402
from chaos_parts.model import Expected, Fate, Fault, Model, Reader  # noqa: E402

SEED = 20240301
SECONDS = 5  # and what each client's share of all kinds takes
CLIENTS = 8

OK = b"HTTP/1.1 200 OK\r\nDate: Fri, 01 Mar 2024 00:00:00 GMT\r\n"
ONE = OK + b"Content-Length: 3\r\n\r\none"
TWO = OK + b"Content-Length: 3\r\n\r\ntwo"
CLOSE = OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nend"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Chaos(unittest.TestCase):
    def test_all_kinds(self) -> None:
        options = chaos.Options(clients=CLIENTS, seed=SEED, seconds=scaled(SECONDS))
        self.assertTrue(chaos.run(options), "see above")


def answered(body: bytes, fate: Fate = Fate.KEPT, **more: object) -> Expected:
    return Expected(frozenset({200}), body, fate=fate, **more)  # type: ignore[arg-type]


class WrongAnswers(unittest.TestCase):
    """Each rule of the model finds the fault that it is there for."""

    def judge(self, model: Model, octets: bytes, was_reset: bool = False) -> None:
        """All that came on a connection, which then ended."""
        reader = Reader()
        for octet in octets:
            reader.octets.append(octet)
            for response in reader.responses(model):
                model.take(response)
        model.judge_end(reader.is_within, was_reset, may_end=False)

    def check(self, expected: list[Expected], right: bytes, wrong: dict[bytes, str]) -> None:
        self.judge(Model(expected), right)
        for octets, fault in wrong.items():
            with self.subTest(fault), self.assertRaisesRegex(AssertionError, fault):
                self.judge(Model(expected), octets)

    def test_responses(self) -> None:
        self.check(
            [answered(b"one"), answered(b"two"), answered(b"end", Fate.CLOSED)],
            ONE + TWO + CLOSE,
            {
                TWO + ONE + CLOSE: "response 1 differs from byte 0",
                ONE.replace(b"200", b"503") + TWO + CLOSE: "response 1 is 503",
                ONE + CLOSE: "response 2 differs",
                ONE + TWO.replace(b"3\r\n\r\ntwo", b"1\r\n\r\nt") + CLOSE: "2 has 1 bytes",
                ONE + TWO: "ended after 2 of 3",
                ONE + TWO + CLOSE[:-1]: "ended in a response",
                ONE + TWO + CLOSE + ONE: "200 after a response that says close",
                ONE + TWO + CLOSE.replace(b"Connection: close\r\n", b""): "Connection: None",
                CLOSE.replace(b"end", b"one"): "response 1 says Connection: close",
                ONE.replace(b"Date", b"Data") + TWO + CLOSE: "no Date",
                CONTINUE + ONE + TWO + CLOSE: "interim response 100",
                ONE.replace(b"\r\n", b"\n") + TWO + CLOSE: "bad status line",
                b"x" + ONE + TWO + CLOSE: "bad status line",
            },
        )
        with self.assertRaisesRegex(Fault, "a reset after 1 of 1"):
            self.judge(Model([answered(b"end", Fate.CLOSED)]), CLOSE, was_reset=True)
        with self.assertRaisesRegex(Fault, "a surplus response"):
            self.judge(Model([answered(b"one")]), ONE + TWO)
        with self.assertRaisesRegex(Fault, "ended without a word"):
            self.judge(Model([answered(b"one")]), ONE)

    def test_continue(self) -> None:
        self.check(
            [answered(b"end", Fate.CLOSED, may_continue=True)],
            CONTINUE + CLOSE,
            {
                CONTINUE * 2 + CLOSE: "interim response 100",
                CONTINUE.replace(b"100", b"103") + CLOSE: "interim response 103",
            },
        )

    def test_old_version(self) -> None:
        self.check(
            [answered(b"one", old=True), answered(b"end", Fate.CLOSED)],
            ONE.replace(b"Date", b"Connection: keep-alive\r\nDate") + CLOSE,
            {ONE + CLOSE: "response 1 says Connection: None, not keep-alive"},
        )

    def test_head(self) -> None:
        length = (("Content-Length", "3"),)
        self.check(
            [answered(b"", to_head=True, fields=length), answered(b"end", Fate.CLOSED)],
            ONE[:-3] + CLOSE,
            {
                ONE + CLOSE: "bad status line",
                ONE.replace(b"3", b"4")[:-3] + CLOSE: "Content-Length: '4'",
            },
        )

    def test_behind_something_broken(self) -> None:
        refusal = CLOSE.replace(b"200 OK", b"400 Bad Request")
        self.judge(Model([answered(b"one")], loose=True), ONE + TWO + refusal)
        for octets, fault in {
            TWO + refusal: "response 1 differs",
            refusal: "response 1 is 400",
            ONE + refusal + TWO: "200 after a response that says close",
            ONE + refusal.replace(b"Connection: close\r\n", b""): "400 without Connection: close",
            ONE + refusal[:-1]: "ended in a response",
        }.items():
            with self.subTest(fault), self.assertRaisesRegex(Fault, fault):
                self.judge(Model([answered(b"one")], loose=True), octets)


class Accounts(unittest.TestCase):
    TEXT = """# TYPE enduring_connections_accepted_total counter
enduring_connections_accepted_total 5
enduring_connections_closed_total{reason="peer"} 3
enduring_connections_closed_total{reason="drain"} 2
enduring_connections_open 0
"""

    def judge(self, old: str = "", new: str = "", connections: int = 5) -> str:
        counts = harness.parse_metrics(self.TEXT.replace(old, new))
        return "; ".join(accounts.judge_counts(counts, connections))

    def test_sum_of_closes(self) -> None:
        self.assertEqual(self.judge(), "")
        self.assertIn("the clients made 4", self.judge(connections=4))
        self.assertIn("closed 6", self.judge('"drain"} 2', '"drain"} 3'))
        self.assertIn("2 connections were closed for no reason", self.judge("drain", "none"))
        self.assertIn("accepted None", self.judge("accepted_total 5", "elsewhere_total 5"))


if __name__ == "__main__":
    harness.main()
