"""The kinds of traffic that scripts/compare makes."""

import dataclasses
import pathlib

PIPELINE_SCRIPT = pathlib.Path(__file__).with_name("pipeline.lua")

# Of the files that are asked for, by the name of the profile.
FILE_BYTES = {"file-4k": 4 << 10, "file-16k": 16 << 10, "file-100k": 100 << 10, "file-1m": 1 << 20,
              "file-10m": 10 << 20}


@dataclasses.dataclass(frozen=True)
class Profile:
    """One kind of traffic. What it costs is told in relation to the reference: the floor, or, for
    what the floor cannot do, nginx."""

    meaning: str
    connections: int
    tool: str = "load"
    path: str = "/pipeline"
    arguments: tuple = ()
    # What a server must be able to do: "get", "post", "upload", "files", "many" connections (so
    # many that those who take part must be few, or connecting takes minutes), or "scale": to be seen
    # as connections and workers grow.
    needs: str = "get"
    reference: str = "floor"
    floor_arguments: tuple = ()
    # Where the clients connect first, and then all begin at once.
    paced: bool = False
    # The latency is asked for, of one server after the other, at this part of nginx's most.
    load_part: float = 0

    def content(self):
        """An example of what is sent with a request; None: nothing is."""
        if "--content" not in self.arguments:
            return None
        size = int(self.arguments[self.arguments.index("--content") + 1])
        return b"0" * size

    def command(self, programs, port, seconds, rate=0):
        url = f"http://127.0.0.1:{port}{self.path}"
        if self.tool == "wrk":
            command = [programs["wrk"], "-t1", f"-c{self.connections}", f"-d{seconds}s",
                       "--timeout", "10s"]
            if self.arguments:
                return [*command, "-s", str(PIPELINE_SCRIPT), url, "--", *self.arguments]
            return [*command, url]
        command = [programs["load"], "--port", str(port), "--path", self.path, "--connections",
                   str(self.connections), "--seconds", str(seconds), "--timeout", "30",
                   *self.arguments]
        if self.paced:
            command.append("--wait")
        return [*command, "--rate", str(rate)] if rate else command


def _file(name, size, connections):
    # By our own generator, which ends with whole responses: those under way would cost and not count.
    return Profile(f"files of {size}, {connections} connections", connections,
                   path=f"/static/{name}", needs="files", reference="nginx")


# Of the profiles that show what a request costs as connections grow, 64 of them at work in turn.
SCALE = (64, 256, 1024, 4096, 15000)


def _scale(connections):
    return Profile(f"{connections} connections that stay, 64 of them at work in turn", connections,
                   arguments=("--in-flight", "64"), needs="scale", paced=True)


PROFILES = {
    "keepalive-64": Profile("64 connections that stay", 64, "wrk"),
    "keepalive-512": Profile("512 connections that stay", 512, "wrk"),
    "keepalive-4096": Profile("4096 connections that stay", 4096,
                              arguments=("--in-flight", "4096"), paced=True),
    "pipelined-16": Profile("64 connections, 16 requests at once", 64, "wrk", arguments=("16",)),
    "ten-per-connection": Profile("64 connections, the client closes after 10 requests", 64,
                                  arguments=("--requests-per-connection", "10")),
    "close": Profile("64 connections, each request says 'Connection: close'", 64,
                     arguments=("--close",), floor_arguments=("--close",)),
    "browser-64": Profile("64 connections, heads of 500 bytes that all differ", 64,
                          arguments=("--heads", "4096")),
    "post-64": Profile("64 connections, POST of 100 bytes", 64, path="/baseline11?a=1&b=2",
                       arguments=("--content", "100", "--digits"), needs="post",
                       floor_arguments=("--content", "100")),
    "upload-1m": Profile("16 connections, POST of 1,000,000 bytes", 16, path="/upload",
                         arguments=("--content", "1000000"), needs="upload",
                         floor_arguments=("--content", "1000000")),
    "file-4k": _file("file-4k", "4 KiB", 64),
    "file-16k": _file("file-16k", "16 KiB", 64),
    "file-100k": _file("file-100k", "100 KiB", 32),
    "file-1m": _file("file-1m", "1 MiB", 16),
    "file-10m": _file("file-10m", "10 MiB", 8),
    "idle-15000": Profile("15,000 connections that stay, 150 of them at work in turn", 15000,
                          arguments=("--in-flight", "150"), needs="many", paced=True),
    "latency-64": Profile("64 connections, latency", 64, load_part=0.5,
                          paced=True),
    "latency-15000": Profile("15,000 connections in turn, latency", 15000,
                             needs="many", load_part=0.5, paced=True),
    **{f"scale-{connections}": _scale(connections) for connections in SCALE},
}
# What is measured when nothing else is asked for, and by which name the others are.
USUAL = [name for name in PROFILES if not name.startswith("scale-")]
GROUPS = {"scale": [name for name in PROFILES if name.startswith("scale-")]}
