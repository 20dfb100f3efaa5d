"""Installs the build that is tested, and makes programs with what was installed.

The build is that of ENDURING_BIN. The programs are made with its compiler and flags, since what was
compiled for a sanitizer needs one in the program as well.
"""

from __future__ import annotations

import http.client
import os
import re
import select
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ENDURING_BIN", ROOT / "build" / "release" / "bin")).parent
HERE = ROOT / "tests" / "package"
SECONDS_MAX = 100  # for one command; linking with optimisation takes most of it


def cached(name: str) -> str:
    """What the build was configured with."""
    cache = (BUILD / "CMakeCache.txt").read_text("utf-8")
    found = re.search(rf"^{name}:\w+=(.*)$", cache, re.MULTILINE)
    return found[1] if found else ""


BUILD_TYPE = cached("CMAKE_BUILD_TYPE")
COMPILER = cached("CMAKE_CXX_COMPILER")
FLAGS = f"{cached('CMAKE_CXX_FLAGS')} {cached(f'CMAKE_CXX_FLAGS_{BUILD_TYPE.upper()}')}"
VERSION = cached("CMAKE_PROJECT_VERSION")
LIBRARIES = cached("CMAKE_INSTALL_LIBDIR")


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory(prefix="enduring-package-")
        cls.addClassCleanup(directory.cleanup)
        cls.work = Path(directory.name)
        installed = cls.work / "installed"
        cls.run_command("cmake", "--install", BUILD, "--prefix", installed)
        # Whatever names the place where it was installed is found out.
        cls.prefix = installed.rename(cls.work / "moved")

    @staticmethod
    def run_command(*words: str | Path, fails: bool = False, **environment: str) -> str:
        """The output of a command that must succeed, or must fail; in one line."""
        done = subprocess.run(
            [str(word) for word in words],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
        )
        if (done.returncode != 0) != fails:
            raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}")
        return " ".join(done.stdout.split())

    def configure(
        self, source: Path, prefix: Path | None = None, fails: bool = False, **environment: str
    ) -> tuple[Path, str]:
        """The build directory of a project that uses a prefix, and what CMake said."""
        build = Path(tempfile.mkdtemp(dir=self.work))
        output = self.run_command(
            *("cmake", "-S", source, "-B", build, "-G", "Ninja"),
            f"-DCMAKE_CXX_COMPILER={COMPILER}",
            f"-DCMAKE_CXX_FLAGS={FLAGS}",
            f"-DCMAKE_PREFIX_PATH={prefix or self.prefix}",
            fails=fails,
            **environment,
        )
        return build, output

    def project(self, *lines: str) -> Path:
        """The directory of a project with these lines."""
        source = Path(tempfile.mkdtemp(dir=self.work))
        head = "cmake_minimum_required(VERSION 3.25)\nproject(other LANGUAGES CXX)\n"
        (source / "CMakeLists.txt").write_text(head + "\n".join(lines) + "\n", "utf-8")
        return source

    def assert_serves(self, program: Path) -> None:
        process = subprocess.Popen([program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.assertTrue(select.select([process.stdout], [], [], 15)[0], "it does not start")
            host, _, port = process.stdout.readline().decode().strip().rpartition(":")
            client = http.client.HTTPConnection(host, int(port), timeout=15)
            client.request("GET", "/greeting/World")
            response = client.getresponse()
            self.assertEqual((200, b"Hello, World"), (response.status, response.read()))
            client.close()
            process.terminate()
            self.assertEqual((b"", b""), process.communicate(timeout=15))
            self.assertEqual(0, process.returncode)
        finally:
            process.kill()
            process.communicate()

    def test_a_program_made_with_cmake(self) -> None:
        build, _ = self.configure(HERE)
        self.run_command("cmake", "--build", build)
        self.assert_serves(build / "embedded")
        self.assertEqual("", self.run_command(build / "greeting_test"))
        self.assert_simulates(build / "greeting_simulation")

    def assert_simulates(self, program: Path) -> None:
        self.assertRegex(self.run_command(program), "^1000 runs passed, 0 failed; [0-9]+ answers,")

    def test_the_examples_of_tests(self) -> None:
        """What the documentation shows is what is built and run."""
        shown = re.findall("```cpp\n(.*?)```", (ROOT / "docs/testing.md").read_text("utf-8"), re.S)
        programs = ["greeting_test.cpp", "greeting_simulation.cpp"]
        self.assertEqual(len(programs), len(shown))
        for program, example in zip(programs, shown):
            self.assertTrue((HERE / program).read_text("utf-8").endswith("\n" + example), program)

    def test_a_program_made_with_pkg_config(self) -> None:
        """And without optimisation across files, so that the archives must hold machine code."""
        self.assert_serves(self.make_with_pkg_config("embedded", "enduring"))
        self.assert_simulates(
            self.make_with_pkg_config("greeting_simulation", "enduring-simulation")
        )

    def make_with_pkg_config(self, name: str, module: str) -> Path:
        directories = [self.prefix / LIBRARIES / "pkgconfig"]
        directories += filter(None, [os.environ.get("PKG_CONFIG_PATH")])
        flags = self.run_command(
            *("pkg-config", "--cflags", "--libs", f"{module} = {VERSION}"),
            PKG_CONFIG_PATH=":".join(map(str, directories)),
        )
        program = self.work / name
        self.run_command(
            *(COMPILER, "-std=c++23", *FLAGS.split(), "-fno-lto"),
            *(HERE / f"{name}.cpp", "-o", program, *flags.split()),
        )
        return program

    def test_only_the_headers_that_users_need_are_installed(self) -> None:
        """Of the simulation: its other headers are what it is made of."""
        headers = (self.prefix / "include" / "enduring" / "simulation").iterdir()
        self.assertEqual(
            ["fault.hpp", "random.hpp", "simulation.hpp"], sorted(file.name for file in headers)
        )

    def test_the_program(self) -> None:
        output = self.run_command(self.prefix / "bin" / "enduring", "--version")
        self.assertIn(VERSION, output)

    def test_the_licence(self) -> None:
        licence = self.prefix / "share" / "doc" / "enduring" / "LICENSE"
        self.assertEqual((ROOT / "LICENSE").read_bytes(), licence.read_bytes())

    def test_another_minor_version_is_refused(self) -> None:
        major, minor, _ = VERSION.split(".")
        source = self.project(f"find_package(enduring {major}.{int(minor) + 1} REQUIRED)")
        _, output = self.configure(source, fails=True)
        self.assertIn(f"enduring-config.cmake, version: {VERSION}", output)

    def test_missing_libraries_are_named(self) -> None:
        prefix = self.work / "bare"
        shutil.copytree(self.prefix, prefix)
        # The libraries that go along where the system has none.
        shutil.rmtree(prefix / LIBRARIES / "enduring", ignore_errors=True)
        _, output = self.configure(
            HERE, prefix, fails=True, PKG_CONFIG_PATH="", PKG_CONFIG_LIBDIR=str(self.work)
        )
        self.assertIn("liburing 2.9 or newer, libllhttp 9.2 or newer", output)
        self.assertIn("apt-get install pkgconf liburing-dev libllhttp-dev", output)

    def test_a_project_that_adds_the_sources(self) -> None:
        """It has the same targets, and may have a program called like one of ours."""
        source = self.project(
            "set(ENDURING_SIMULATION ON)",
            f'add_subdirectory("{ROOT}" enduring)',
            f'add_executable(hello "{HERE}/embedded.cpp")',
            "target_link_libraries(hello PRIVATE enduring::http enduring::core)",
            f'add_executable(simulation "{HERE}/greeting_simulation.cpp")',
            "target_link_libraries(simulation PRIVATE enduring::simulation)",
        )
        self.configure(source)


if __name__ == "__main__":
    unittest.main()
