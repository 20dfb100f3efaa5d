"""Checks what the sources include: the layers, the files that may see a library, the pure files.

It knows includes and a few names of clocks and threads, and no C++ beyond that.
"""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A layer may include itself and what is listed.
LAYERS = {
    "core": [],
    "http": ["core"],
    "apps": ["core", "http"],
    "simulation": ["core", "http"],
    "training": ["core", "http"],
}

# Who may include the headers of a library: files without their endings.
LIBRARIES = {
    r"liburing\.h|liburing/.*|linux/io_uring.*": [
        *("core/ring", "core/sqe", "core/buffer_ring"),
        *("simulation/ring", "simulation/buffers"),
    ],
    r"llhttp\.h": ["http/parser.cpp", "http/probe.cpp"],
}

# These take bytes, time and events, and give actions and bytes: no I/O, no clock, no thread. They
# include no other file of the project, so what they include is just as pure. A file whose opening
# comment calls it "Pure" must be here.
PURE = {
    "core": """token slab block_pool chunk_pool send_queue timer_wheel lifecycle phase reason unsent
               rate_meter quiet_order catch_up drain host check result address format counter""",
    "http": """method status date text percent authority units limits media_type file_path conditional
               request_head head_memory request framing input_buffer parser chunked response writer session
               service router responder handler timers mailbox pieces request_content response_stream
               owned_response remote_responder frame_pool task coroutines coroutine test_loop
               log_line log_sink log_level access_recorder exchange_meter survey gathering preamble""",
}
PURE_FILES = {f"{layer}/{name}" for layer, names in PURE.items() for name in names.split()}

IMPURE_HEADERS = re.compile(
    r"(sys|netinet|arpa|net|linux|asm|liburing)/.*|liburing\.h"
    r"|(unistd|fcntl|poll|netdb|dirent|ifaddrs|sched|pthread|semaphore|signal|termios|time)\.h"
    r"|ctime|csignal|thread|mutex|shared_mutex|condition_variable|atomic|stop_token|future"
    r"|semaphore|latch|barrier|iostream|fstream|filesystem"
)
# To its one writer a counter is a plain number; that others may read it changes nothing for the files
# that count.
EXCEPTIONS = {("core/counter.hpp", "atomic")}
# <chrono> itself may be included, for its durations and calendar.
IMPURE_NAMES = re.compile(
    r"\b(?:steady|system|high_resolution|utc|tai|gps|file)_clock\b"
    r"|\b(?:clock_gettime|gettimeofday|timespec_get|this_thread|random_device|thread_local)\b"
    r"|\bstd::time\s*\(|(?<![\w.:>])time\s*\(\s*(?:nullptr|NULL|0|&)"
)

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<text>R"(?P<mark>[^\s()\\]*)\(.*?\)(?P=mark)" | "(?:\\.|[^"\\\n])*"
              | (?<!\w)'(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL,
)
SAYS_PURE = re.compile(r"\A(?://[^\n]*\n)*?//[^\n]*\bPure\b")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


def without_comments(source):
    return TOKEN.sub(lambda match: match[0] if match["text"] else " ", source)


def without_comments_and_text(source):
    return TOKEN.sub(" ", source)


def stem(file):
    """The name of a file that it shares with its header or its implementation."""
    return file.rsplit(".", 1)[0]


def violations_of(file, source):
    """Yields what is wrong in a file, which is named as seen from the root: core/token.hpp"""
    layer = file.split("/")[0]
    pure = stem(file) in PURE_FILES
    if SAYS_PURE.search(source) and not pure:
        yield f"{file} calls itself pure, but PURE does not list it"
    for quote, header in INCLUDE.findall(without_comments(source)):
        other = header.split("/")[0]
        ours = other in (*LAYERS, "tests")
        if quote == '"' and not ours:
            yield f'{file}: "{header}" is not named from the root of the repository'
        if ours and other != layer and other not in LAYERS[layer]:
            yield f"{file}: {layer} must not include {header}"
        for pattern, owners in LIBRARIES.items():
            if re.fullmatch(pattern, header) and not {file, stem(file)} & set(owners):
                yield f"{file}: only {', '.join(owners)} may include {header}"
        if pure and ours and stem(header) not in PURE_FILES:
            yield f"{file} is pure, {header} is not"
        excepted = (file, header) in EXCEPTIONS
        if pure and not ours and not excepted and IMPURE_HEADERS.fullmatch(header):
            yield f"{file} is pure and must not include <{header}>"
    if pure:
        for name in IMPURE_NAMES.findall(without_comments_and_text(source)):
            yield f"{file} is pure and must not use {name}"


def violations(root):
    for layer in LAYERS:
        for path in sorted((root / layer).rglob("*.[ch]pp")):
            yield from violations_of(path.relative_to(root).as_posix(), path.read_text("utf-8"))


class Repository(unittest.TestCase):
    def test_keeps_the_rules(self):
        self.assertEqual([], list(violations(ROOT)))

    def test_has_every_file_that_is_said_to_be_pure(self):
        """A file that was renamed must not silently leave the rule."""
        files = {
            stem(path.relative_to(ROOT).as_posix())
            for layer in LAYERS
            for path in (ROOT / layer).glob("*.[ch]pp")
        }
        self.assertEqual([], sorted(PURE_FILES - files))


class Checker(unittest.TestCase):
    """Plants violations and looks whether they are found."""

    def found(self, file, source):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / file
            path.parent.mkdir(parents=True)
            path.write_text(source, "utf-8")
            return list(violations(pathlib.Path(directory)))

    def assert_refused(self, file, source):
        self.assertEqual(1, len(self.found(file, source)), source)

    def assert_accepted(self, file, source):
        self.assertEqual([], self.found(file, source), source)

    def test_layers(self):
        self.assert_refused("core/loop.hpp", '#include "http/session.hpp"')
        self.assert_refused("core/loop.hpp", "#include <http/session.hpp>")
        self.assert_refused("core/loop.cpp", '#include "apps/site.hpp"')
        self.assert_refused("http/server.cpp", ' # include "apps/site.hpp" // why')
        self.assert_refused("apps/hello.cpp", '#include "tests/helper.hpp"')
        self.assert_refused("apps/site/main.cpp", '#include "../../core/ring.hpp"')
        self.assert_refused("core/loop.cpp", '#include "ring.hpp"')
        self.assert_refused("core/loop.cpp", '#include "simulation/ring.hpp"')
        self.assert_refused("http/testing.cpp", '#include "simulation/simulation.hpp"')
        self.assert_refused("simulation/world.cpp", '#include "tests/simulation/routes.hpp"')
        self.assert_accepted("simulation/world.cpp", '#include "http/service.hpp"')
        self.assert_accepted("apps/site/main.cpp", '#include "core/limits.hpp"')
        self.assert_accepted("apps/site/main.cpp", '#include "http/server.hpp"')
        self.assert_accepted("http/server.cpp", '#include "core/loop.hpp"\n#include <thread>')
        self.assert_accepted("core/loop.cpp", '// #include "http/session.hpp"\n')
        self.assert_accepted("core/loop.cpp", '/*\n#include "http/session.hpp"\n*/')

    def test_libraries(self):
        self.assert_refused("core/loop.cpp", "#include <liburing.h>")
        self.assert_refused("core/listener.cpp", "#include <liburing/io_uring.h>")
        self.assert_refused("http/server.cpp", "#include <liburing.h>")
        self.assert_refused("http/parser.hpp", "#include <llhttp.h>")
        self.assert_refused("core/ring.cpp", "#include <llhttp.h>")
        self.assert_accepted("core/ring.hpp", "#include <liburing.h>")
        self.assert_accepted("core/sqe.cpp", "#include <liburing.h>")
        self.assert_accepted("http/parser.cpp", "#include <llhttp.h>")

    def test_pure_files(self):
        for header in (
            "sys/socket.h",
            "unistd.h",
            "fcntl.h",
            "thread",
            "mutex",
            "atomic",
            "iostream",
            "fstream",
            "netinet/in.h",
            "ctime",
            "time.h",
        ):
            self.assert_refused("core/lifecycle.cpp", f"#include <{header}>")
        self.assert_refused("core/counter.hpp", "#include <thread>")
        self.assert_accepted("core/counter.hpp", "#include <atomic>")
        self.assert_refused("core/token.hpp", '#include "core/ring.hpp"')
        self.assert_refused("http/session.cpp", '#include "core/clock.hpp"')
        self.assert_refused("http/session.cpp", '#include "http/server.hpp"')
        self.assert_refused("http/date.cpp", "auto now = std::chrono::steady_clock::now();")
        self.assert_refused("http/date.cpp", "auto now = std::time(nullptr);")
        self.assert_refused("http/date.cpp", "auto now = time(0);")
        self.assert_refused("http/date.cpp", """auto url = "http://x"; time(0);""")
        self.assert_refused("http/date.cpp", """auto size = 1'000; time(0); auto other = 2'000;""")
        self.assert_accepted("http/date.cpp", "#include <chrono>\nstd::chrono::seconds age{1};")
        self.assert_accepted("http/date.cpp", "// steady_clock\nauto text = R\"(steady_clock)\";")
        self.assert_accepted("http/date.cpp", "auto now = clock.time(0); set_time(0);")
        self.assert_accepted("http/session.hpp", '#include "http/parser.hpp"')
        self.assert_accepted("http/session.hpp", '#include "core/token.hpp"')

    def test_files_that_call_themselves_pure(self):
        self.assert_refused("core/loop.hpp", "// Turns.\n// Pure: takes events.\n#pragma once")
        self.assert_accepted("core/loop.hpp", "// Turns.\n#pragma once\n// Pure.")
        self.assert_accepted("core/token.hpp", "// Packs. Pure.\n#pragma once")

    def test_files_that_are_not_pure_may_do_more(self):
        clock = "#include <time.h>\nstd::chrono::steady_clock::now();"
        self.assert_accepted("core/clock.cpp", clock)


if __name__ == "__main__":
    unittest.main()
