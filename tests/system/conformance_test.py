"""The conformance vectors against the program `conformance`, and proof that they can fail."""

from __future__ import annotations

import socket
import sys
import threading
import unittest

import harness
from harness import ROOT, SystemTest, scaled

sys.path.insert(0, str(ROOT / "tests" / "conformance"))
import run_vectors  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nOK"


class WrongServer:
    """Answers every connection's first bytes with the same octets, then closes or does not."""

    def __init__(self, answer: bytes, closes: bool) -> None:
        self._answer = answer
        self._closes = closes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._kept: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.recv(65536)
            connection.sendall(self._answer)
            if self._closes:
                connection.close()
            else:
                self._kept.append(connection)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._kept:
            connection.close()


class Conformance(SystemTest):
    def test_all_vectors(self) -> None:
        # The client waits longer than a content that does not come may take otherwise.
        server = self.serve("conformance", "--body-min-rate", "0")
        vectors = run_vectors.load()
        self.assertGreaterEqual(len(vectors), 332 + 1300)
        self.assertEqual(len({vector["id"] for vector in vectors}), len(vectors))
        patience = scaled(run_vectors.PATIENCE * 2)
        failures = run_vectors.run(vectors, server.address, patience=patience)
        self.assertEqual(failures, {}, f"{len(failures)} of {len(vectors)} failed")

    def test_another_program_fails(self) -> None:
        """`hello` has no content to give back: exactly the vectors that need it fail."""
        server = self.serve("hello")
        vectors = run_vectors.load(run_vectors.VECTORS[:1])
        failures = run_vectors.run(vectors, server.address)
        self.assertGreater(len(failures), 20)
        for vector in vectors:
            if vector["id"] in failures:
                self.assertRegex(" ".join(failures[vector["id"]]), "status 40[45]|check echo")


class WrongAnswers(unittest.TestCase):
    """Each rule finds the fault that it is there for."""

    def check(self, name: str, answer: bytes, closes: bool, fault: str | None) -> None:
        vector = next(vector for vector in run_vectors.load() if vector["id"] == name)
        server = WrongServer(answer, closes)
        try:
            faults = run_vectors.run_one(vector, server.address, patience=0.3)
        finally:
            server.stop()
        if fault is None:
            self.assertEqual(faults, [])
        else:
            self.assertRegex("\n".join(faults), fault)

    def test_response(self) -> None:
        self.check("base-post-cl", b"", False, "no response, ended: False")
        self.check("base-post-cl", b"", True, "no response, ended: True")
        self.check("base-get", OK.replace(b"200", b"500"), False, "status 500")
        self.check("base-get", OK[:-1], True, "not whole")
        self.check("base-get", OK.replace(b"Date", b"Data"), False, "check date")
        self.check("base-head", OK, False, "check no_body")
        self.check("base-get", b"garbage", True, "no response")

    def test_number_of_responses(self) -> None:
        self.check("base-get", OK * 2, False, "DESYNC: 2 responses")
        self.check("base-get", b"HTTP/1.1 100 Continue\r\n\r\n" + OK * 2, False, "DESYNC: 2")

    def test_connection(self) -> None:
        self.check("base-get", OK, True, "the connection is closed")
        self.check("base-get", OK, False, "one more request is not answered")
        bad = next(
            vector["id"]
            for vector in run_vectors.load()
            if vector["expect_connection"] == "close" and 400 in vector["expect_status"]
        )
        refusal = OK.replace(b"200 OK", b"400 Bad Request")
        self.check(bad, refusal, False, "the connection is not closed")
        self.check(bad, refusal, True, None)

    def test_waiting(self) -> None:
        waits = next(
            vector["id"]
            for vector in run_vectors.load()
            if "waits" in vector.get("checks", []) and "parts" not in vector
        )
        self.check(waits, OK, False, "did not wait")
        self.check(waits, b"", True, "did not wait")
        self.check(waits, b"", False, None)


if __name__ == "__main__":
    harness.main()
