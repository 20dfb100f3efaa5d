#!/usr/bin/env python3
"""Validates scripts/deploy/kubernetes.yaml against Kubernetes' schemas: types, and unknown fields.

The schemas are those of kubernetes-models in the npm registry, which are made from the API's own; node
and npm must be installed. To show that it would find a fault, it also plants some: each must be found.

The exit status is 1 when something was wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import npm_modules

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "scripts" / "deploy" / "kubernetes.yaml"
SCRIPT = Path(__file__).with_suffix(".mjs")
NEEDS = ("node", "npm")
# What is in the manifest, what is put there instead, and what must be said of it.
PLANTED = (
    ("replicas: 3", "replicas: three", "replicas must be integer"),
    ("readinessProbe:", "readynessProbe:", "unknown field"),
    ("seccompProfile:", "seccomp:", "unknown field"),
    ("maxUnavailable:", "maxUnavailble:", "unknown field"),
    ("maxReplicas:", "maximum:", "maxReplicas"),
    ("kind: PodDisruptionBudget", "kind: PodDisruption", "no such kind"),
)


def validate(manifest: Path) -> list[tuple[str, list[str]]]:
    """Each object's kind, and its faults."""
    modules = npm_modules.fetch("kubernetes-models", "yaml")
    done = subprocess.run(["node", str(SCRIPT), str(modules), str(manifest)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"kubernetes.py: node ended with {done.returncode}: {done.stderr[-2000:]}")
    return [(kind, faults) for kind, faults in json.loads(done.stdout)]


def planted_faults_not_found() -> list[str]:
    text = MANIFEST.read_text()
    missed = []
    with tempfile.TemporaryDirectory() as directory:
        broken = Path(directory, "broken.yaml")
        for right, wrong, said in PLANTED:
            if right not in text:
                missed.append(f"the manifest has no '{right}'")
                continue
            broken.write_text(text.replace(right, wrong, 1))
            if not any(said in fault for _, faults in validate(broken) for fault in faults):
                missed.append(f"not found: '{wrong}'")
    return missed


def main() -> None:
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if missing := [name for name in NEEDS if shutil.which(name) is None]:
        sys.exit(f"kubernetes.py: not installed: {', '.join(missing)}")
    wrong = planted_faults_not_found()
    for kind, faults in validate(MANIFEST):
        print(f"{kind}: {'; '.join(faults) or 'valid'}")
        wrong += faults
    print(f"{len(PLANTED)} planted faults, {'all found' if not wrong else 'see above'}")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
