"""Starts, stops and observes the processes that the measurements are about."""

import contextlib
import os
import pathlib
import resource
import signal
import subprocess


def process_tree(root):
    """The process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                stat = pathlib.Path("/proc", entry, "stat").read_text()
                # The name in parentheses may itself have spaces and parentheses.
                parent = int(stat[stat.rindex(")") + 2:].split()[1])
                children.setdefault(parent, []).append(int(entry))
    tree = [root]
    for pid in tree:
        tree += children.get(pid, [])
    return tree


def run_time_ns(root):
    """What the scheduler has accounted to all threads of a process tree."""
    total = 0
    for pid in process_tree(root):
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError):
                    schedstat = pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text()
                    total += int(schedstat.split()[0])
    return total


def memory_bytes(root, kind):
    """Memory of a process tree, as a line of /proc/PID/smaps_rollup says.

    Raises OSError where the tree's own pages may not be looked at.
    """
    total = 0
    for pid in process_tree(root):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(int(line.split()[1]) for line in rollup.splitlines()
                     if line.startswith(f"{kind}:"))
    return total * 1024


def pss_bytes(root):
    """The memory of a process tree, each shared page divided among those who share it."""
    return memory_bytes(root, "Pss")


def own_bytes(root):
    """What a process tree has written to: heap and stacks, no files."""
    return memory_bytes(root, "Anonymous")


def raise_descriptor_limit(wanted=0):
    """Raises the limit of open descriptors as far as is allowed, and gives the new one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if wanted > hard:
        # Only a privileged process may do this.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def start(command, cpu, **options):
    """Runs a command on one CPU, in a session of its own."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(command, start_new_session=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), **options)


def stop(process):
    """Ends a process that start() began, with its descendants."""
    if process.poll() is not None:
        return
    tree = process_tree(process.pid)
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        for pid in reversed(tree):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
