#!/usr/bin/env python3
"""Tests the simulation: plants bugs in a copy of the sources, one at a time, and looks which seed
finds each. Fails when one is not found, or when the text that it replaces is not there exactly once.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Name, file, text, replacement.
BUGS = [
    ("a buffer is not returned", "core/loop.hpp",
     "            buffers_.give_back(completion.buffer());\n            if (!completion.more() &&",
     "            if (size % 7 != 3) { buffers_.give_back(completion.buffer()); }\n"
     "            if (!completion.more() &&"),
    ("an unread buffer is not returned", "core/loop.hpp",
     "            static_cast<void>(buffers_.lend(completion.buffer(), 0));\n"
     "            buffers_.give_back(completion.buffer());",
     "            static_cast<void>(buffers_.lend(completion.buffer(), 0));"),
    ("a buffer is returned before it is read", "core/loop.hpp",
     "            counters_.bytes_received += size;",
     "            counters_.bytes_received += size;\n"
     "            buffers_.give_back(completion.buffer()); buffers_.publish();\n"
     "            static_cast<void>(submitter_.submit_and_wait(0));\n"
     "            static_cast<void>(buffers_.lend(completion.buffer(), size));"),
    ("no re-arm after the end of a multishot", "core/loop.hpp",
     "            } else if (!completion.more()) {\n                step(slot, connection, "
     "events::receive_ended());",
     "            } else if (!completion.more() && size == 0) {\n                step(slot, connection, "
     "events::receive_ended());"),
    ("no re-arm after starvation", "core/loop.hpp",
     "                starved_.push_back(id_of(slot));", "                static_cast<void>(0);"),
    ("a close without a cancellation", "core/lifecycle.cpp",
     "        if (!receiving_ && !sending_ && cancels_ == 0) {",
     "        if (!sending_ && cancels_ == 0) {"),
    ("a close before the send has ended", "core/lifecycle.cpp",
     "        if (!receiving_ && !sending_ && cancels_ == 0) {",
     "        if (!receiving_ && cancels_ == 0) {"),
    ("a close before a cancellation has ended", "core/lifecycle.cpp",
     "        if (!receiving_ && !sending_ && cancels_ == 0) {",
     "        if (!receiving_ && !sending_) {"),
    ("the generation does not change", "core/slab.hpp",
     "        ++slot.generation;", "        slot.generation += live_ % 3 == 0 ? 0 : 1;"),
    ("a send is begun twice", "core/loop.hpp",
     "            connection.send_queued = true;\n            sending_.push_back(slot);",
     "            connection.send_queued = true;\n            sending_.push_back(slot);\n"
     "            if (sending_.size() == 3) { sending_.push_back(slot); }"),
    ("output is sent again after a short send", "core/transmitter.hpp",
     "            outlet.queue.consume(size, blocks_);",
     "            outlet.queue.consume(size > 100 && outlet.queue.size_bytes() > size ? size - 1"
     " : size, blocks_);"),
    ("what a socket has not taken of a file is forgotten", "core/transmitter.hpp",
     "                return complete_move(outlet, outlet.moved);",
     "                return complete_move(outlet, outlet.moved > 0 ? static_cast<std::int32_t>("
     "part(*outlet.queue.front_file())) : outlet.moved);"),
    ("a chunk is not returned", "core/loop.hpp",
     "            transmitter_.drop_chunk(connection.outlet);\n        }\n"
     "        if (transmitter_.chunks_lent() < chunks_before) {",
     "            connection.outlet.chunk = nullptr;\n        }\n"
     "        if (transmitter_.chunks_lent() < chunks_before) {"),
    ("no waiting for room", "core/transmitter.hpp",
     "                outlet.room = room == Room::promised ? Room::denied : Room::none;",
     "                outlet.room = room == Room::promised ? Room::promised : Room::unknown;"),
    ("a timer is not set", "core/loop.hpp",
     "        if (deadline_ms < connection.timer_ms) {",
     "        if (deadline_ms < connection.timer_ms && slot % 4 != 1) {"),
    ("a timer of an earlier life is left", "core/loop.hpp",
     "        wheel_.cancel(slot);\n        connections_.release(slot);",
     "        connections_.release(slot);"),
    ("no lingering", "core/lifecycle.cpp",
     "    if (phase_ == Phase::lingering && peer_finished_) {",
     "    if (phase_ == Phase::lingering) {"),
    ("the sending side is not shut", "core/loop.hpp",
     "            ring_.shutdown_write(connection.descriptor);",
     "            static_cast<void>(connection.descriptor);"),
    ("idle time begins with the request", "core/lifecycle.cpp",
     "            if (phase_ == Phase::idle && !output_waiting_) {\n"
     "                enter(now_ms, limits);  // idle time begins when the response has gone",
     "            if (phase_ == Phase::idle && !output_waiting_) {\n"
     "                read_deadline_ms_ = phase_begin_ms_ + limits.keepalive_timeout_ms / 2;"),
    ("a deferred answer does not wake its session", "http/service.cpp",
     "        host_->wake(connection);", "        static_cast<void>(connection);"),
    ("deadlines come before answers", "core/loop.hpp",
     "        // An answer that was given in time counts, though its session has not gone on yet: also",
     "        run_queue(due_, [this](std::uint32_t slot) { on_due(slot); });  // also"),
    ("a stop counts against the peer", "core/loop.hpp",
     "            options_.times.absent_ms += now_ms_ - begin_ms;",
     "            options_.times.absent_ms += 0;"),
    ("deadlines are judged before what had come", "core/catch_up.hpp",
     "        return !active_;", "        return true;"),
    ("scarcity leaves accepts armed", "core/drain.cpp",
     "        actions.add(Actions::pause_accept);\n        return actions;",
     "        return actions;"),
    ("a coroutine outlives its request", "http/coroutines.cpp",
     "        exchange.serve_by(number);",
     "        static_cast<void>(exchange);"),
    ("accepting does not go on after scarcity", "core/drain.cpp",
     "    scarce_ = false;\n    return settle();\n}\n\nDrain::Actions Drain::settle() {",
     "    return settle();\n}\n\nDrain::Actions Drain::settle() {"),
    ("the answer of one goes to another", "core/loop.hpp",
     "    Access find(ConnectionId id) override {\n"
     "        Connection* connection = connections_.find(id.slot, id.generation);",
     "    Access find(ConnectionId id) override {\n"
     "        Connection* connection = connections_.is_live(id.slot) ? &connections_.at(id.slot)\n"
     "                                                               : nullptr;"),
    ("input behind an unanswered request is dropped", "http/session.cpp",
     "    if (state_ != State::ended && !fresh.empty()) {\n        keep(service, fresh);",
     "    if (state_ != State::ended && !fresh.empty()) {\n"
     "        keep(service, fresh.substr(fresh.size() > 1000 ? 1 : 0));"),
    ("a stop in a turn's work is no absence", "core/loop.hpp",
     "            options_.times.absent_ms += worked_until_ms - last_ms;", "            ;"),
    ("a stop before the wait is no delay", "core/loop.hpp",
     "catch_up_.begin_turn(wait ? last_ms + *wait", "catch_up_.begin_turn(wait ? begin_ms + *wait"),
    ("one makes room whose answer is not sent", "core/lifecycle.hpp",
     "        return (phase_ == Phase::idle && !output_waiting_ && !sending_) || surplus();",
     "        return phase_ == Phase::idle || surplus();"),
    ("who waits for a buffer is judged unasked", "core/loop.hpp",
     "may_judge(completions + unasked, ", "may_judge(completions + 0 * unasked, "),
]


def misplaced():
    """The names of bugs whose text is not exactly once in its file."""
    return [name for name, file, text, _ in BUGS if (ROOT / file).read_text().count(text) != 1]


def copy_sources(target):
    for name in ("CMakeLists.txt", "CMakePresets.json", "cmake", "core", "http", "apps",
                 "simulation", "tests"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        else:
            shutil.copy2(source, target / name)
    # What scripts/setup has unpacked is shared.
    (target / "build").mkdir()
    (target / "build" / "deps").symlink_to(ROOT / "build" / "deps")


def build(tree, jobs):
    return subprocess.run(
        ["cmake", "--build", tree / "build" / "sim", "--target", "simulate", "-j", str(jobs)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def run(tree, seeds, jobs):
    """Gives the seed that fails and how, or nothing."""
    result = subprocess.run(
        [tree / "build" / "sim" / "bin" / "simulate", "--seeds", f"1-{seeds}",
         "--jobs", str(jobs)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    match = re.search(r"^seed (\d+) failed: (.*)$", result.stdout, re.MULTILINE)
    if match is None and result.returncode != 0:
        sys.exit(f"simulate ended with {result.returncode}:\n{result.stdout}")
    return match and (int(match[1]), match[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="for each bug (default: 10000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="bugs whose name contains this")
    arguments = parser.parse_args()
    if names := misplaced():
        sys.exit(f"their text is not exactly once in its file: {', '.join(names)}")
    missing = []
    with tempfile.TemporaryDirectory(prefix="planted-") as directory:
        tree = pathlib.Path(directory) / "tree"
        tree.mkdir()
        copy_sources(tree)
        subprocess.run(
            ["cmake", "-S", tree, "-B", tree / "build" / "sim", "-G", "Ninja",
             "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -D_GLIBCXX_ASSERTIONS",
             "-DENDURING_TESTS=ON"],
            stdout=subprocess.DEVNULL, check=True)
        result = build(tree, arguments.jobs)
        if result.returncode != 0:
            sys.exit(result.stdout)
        if found := run(tree, min(arguments.seeds, 2_000), arguments.jobs):
            sys.exit(f"seed {found[0]} fails without any bug: {found[1]}")
        print(f"{'bug':48}{'seed':>7}{'time':>9}  found by", flush=True)
        for name, file, text, replacement in BUGS:
            if arguments.only and arguments.only not in name:
                continue
            original = (tree / file).read_text()
            (tree / file).write_text(original.replace(text, replacement))
            result = build(tree, arguments.jobs)
            if result.returncode != 0:
                missing.append(name)
                print(f"{name:48} does not build:\n{result.stdout}", flush=True)
                (tree / file).write_text(original)
                continue
            begin = time.monotonic()
            found = run(tree, arguments.seeds, arguments.jobs)
            seconds = time.monotonic() - begin
            if found:
                print(f"{name:48}{found[0]:7}{seconds:7.1f} s  {found[1]}", flush=True)
            else:
                missing.append(name)
                print(f"{name:48}{'NONE':>7}{seconds:7.1f} s", flush=True)
            (tree / file).write_text(original)
    if missing:
        sys.exit(f"{len(missing)} bugs were not found: {', '.join(missing)}")


if __name__ == "__main__":
    main()
