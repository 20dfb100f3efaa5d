"""Modules of the npm registry, kept in build/soak."""

from __future__ import annotations

import subprocess
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parents[2] / "build" / "soak"


def fetch(*names: str) -> Path:
    """Gets those that are not there; returns the directory in which `node_modules` lies."""
    if not all((DIRECTORY / "node_modules" / name / "package.json").exists() for name in names):
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        # What is there already is named as well: npm removes what it was not asked for.
        present = [path.parent.name for path in DIRECTORY.glob("node_modules/[!.@]*/package.json")]
        subprocess.run(
            ["npm", "install", "--prefix", str(DIRECTORY), "--no-save", "--no-audit", "--silent",
             *sorted({*names, *present})],
            check=True)
    return DIRECTORY
