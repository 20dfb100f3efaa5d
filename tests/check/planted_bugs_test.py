"""Checks that the bugs of tests/simulation/planted_bugs.py can still be planted in the sources."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulation"))

import planted_bugs


class PlantedBugsTest(unittest.TestCase):
    def test_each_text_is_there_once(self):
        self.assertEqual(planted_bugs.misplaced(), [])

    def test_each_bug_changes_something(self):
        for name, _, text, replacement in planted_bugs.BUGS:
            self.assertNotEqual(text, replacement, name)


if __name__ == "__main__":
    unittest.main()
