"""Checks that each header compiles when it is the only one, and again when it is there twice.

Also in a program of the compiler's GNU dialect, whose macros unix and linux are set for that: who
uses the library may have it. g++ only looks at the code and makes nothing of it.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTIONS = "-x c++ -std=c++23 -Wall -Wextra -Werror -Dunix=1 -Dlinux=1 -fsyntax-only".split()


def include_options():
    """Where the libraries' headers are, those that scripts/setup unpacked first."""
    unpacked = map(str, (ROOT / "build/deps/prefix/usr/lib").glob("*/pkgconfig"))
    path = ":".join([*unpacked, os.environ.get("PKG_CONFIG_PATH", "")])
    flags = subprocess.run(
        ["pkg-config", "--cflags-only-I", "liburing >= 2.9"],
        env=os.environ | {"PKG_CONFIG_PATH": path},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return [flag.replace("-I", "-isystem", 1) for flag in flags.split()]


class Compiler(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.command = ["g++", *OPTIONS, f"-I{ROOT}", *include_options(), "-"]

    def complaints(self, source):
        done = subprocess.run(
            self.command,
            input=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.stdout if done.returncode else ""

    def test_accepts_each_header(self):
        headers = [
            path.relative_to(ROOT).as_posix()
            for layer in ("core", "http", "simulation")
            for path in sorted((ROOT / layer).glob("*.hpp"))
        ]
        self.assertGreater(len(headers), 50)
        sources = [2 * f'#include "{header}"\n' for header in headers]
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            bad = [complaint for complaint in pool.map(self.complaints, sources) if complaint]
        self.assertEqual([], bad, "\n".join(bad))

    def test_refuses_what_is_wrong(self):
        self.assertIn("std::string", self.complaints("std::string text;"))
        self.assertIn("unused", self.complaints("inline void ignore(int number) {}"))
        self.assertIn("unix", self.complaints("enum class Kind { host, unix };"))


if __name__ == "__main__":
    unittest.main()
