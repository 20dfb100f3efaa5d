#!/usr/bin/env python3
"""Sweeps over seeds of the simulation (tests/simulation), from one that no run had before."""

import argparse
import os
import random
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--failures", type=int, default=20, help="stop after so many")
    parser.add_argument("--first", type=int, default=random.randrange(1, 1 << 48), help="first seed")
    arguments = parser.parse_args()
    program = os.path.join(os.environ["ENDURING_BIN"], "simulate")
    command = [program, "--seeds", f"{arguments.first}-{(1 << 63) - 1}",
               "--minutes", str(arguments.minutes), "--jobs", str(arguments.jobs),
               "--failures", str(arguments.failures)]
    print(" ".join(command), flush=True)
    os.execv(program, command)


if __name__ == "__main__":
    sys.exit(main())
