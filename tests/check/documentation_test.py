"""Checks that Doxygen makes the reference of the headers without a warning.

Where there is no Doxygen it ends with 77, which says that nothing has been checked.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77


def run_doxygen(*settings):
    """Whether it succeeds, and all that it says."""
    with tempfile.TemporaryDirectory() as directory:
        settings = ["@INCLUDE = Doxyfile", f"OUTPUT_DIRECTORY = {directory}", *settings]
        done = subprocess.run(
            ["doxygen", "-"],
            cwd=ROOT,
            input="\n".join(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    return done.returncode == 0, done.stdout


class Documentation(unittest.TestCase):
    def test_of_the_headers_has_no_warnings(self):
        self.assertEqual((True, ""), run_doxygen())

    def test_with_a_mistake_is_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".hpp") as header:
            header.write(
                "// A file.\n#pragma once\n\n"
                "/// Doubles.\n/// @param factor what there is no parameter of\n"
                "int twice(int value);\n"
            )
            header.flush()
            good, output = run_doxygen(f"INPUT = {header.name}", "USE_MDFILE_AS_MAINPAGE =")
        self.assertFalse(good)
        self.assertIn(f"{header.name}:5: ", output)


if __name__ == "__main__":
    if shutil.which("doxygen") is None:
        print("doxygen is missing; scripts/setup installs it", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main()
