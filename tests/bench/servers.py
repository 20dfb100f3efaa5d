"""The servers that scripts/compare compares, each with one worker if its name has no number: what they can do, and how they
are started.

All answer GET /pipeline with a text of two bytes, and what they can of: POST /baseline11 and POST
/upload, which take the content and answer, and GET /static/NAME, which sends a file. None logs, none
closes a connection for the number of its requests, as far as it can be told so. h2o, lighttpd and Apache have
no answer of two bytes but a file's; nginx and caddy may answer a POST before its content is there.
Apache's one process has 64 threads.
"""

import dataclasses
import os
import pathlib
import shutil

import profiles

FLOORS = ("floor", "floor again")
CONNECTIONS_MAX = 16000
# nginx closes idle connections when less than a sixteenth of its own number is free.
NGINX_CONNECTIONS_MAX = 19000


class ServerError(Exception):
    """What keeps a server from being measured, said in one line."""


NGINX = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections {nginx_connections}; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=100;
    keepalive_timeout 75;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 "ok"; }}
        location /static/ {{ root {files}; }}
    }}
}}
"""

H2O = """\
num-threads: 1
max-connections: {connections}
http1-request-timeout: 75
listen:
  host: 127.0.0.1
  port: {port}
hosts:
  default:
    paths:
      /:
        file.dir: {files}
"""

HAPROXY = """\
global
    nbthread 1
    maxconn 9000
defaults
    mode http
    timeout client 75s
    timeout http-keep-alive 75s
frontend all
    bind 127.0.0.1:{port} backlog 4096
    http-request return status 200 content-type text/plain string ok
"""

LIGHTTPD = """\
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{files}"
server.pid-file = "{directory}/lighttpd.pid"
server.errorlog = "{directory}/error.log"
server.max-fds = 20000
server.max-connections = {connections}
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 75
server.listen-backlog = 4096
mimetype.assign = ( "" => "text/plain" )
"""

APACHE = """\
ServerName localhost
ServerRoot {directory}
PidFile {directory}/apache.pid
ErrorLog {directory}/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
Listen 127.0.0.1:{port}
ListenBacklog 4096
StartServers 1
ServerLimit 1
ThreadLimit 64
ThreadsPerChild 64
MinSpareThreads 1
MaxSpareThreads 64
MaxRequestWorkers 64
AsyncRequestWorkerFactor 300
KeepAlive On
KeepAliveTimeout 75
MaxKeepAliveRequests 0
DocumentRoot {files}
<Directory {files}>
    Require all granted
    AllowOverride None
</Directory>
"""

CADDY = """\
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{port} {{
    handle /static/* {{
        root * {files}
        file_server
    }}
    handle {{
        respond "ok"
    }}
}}
"""


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a server is made to run."""

    program: str
    command: tuple  # after the program; {configuration}, {directory}, {files}, {port} stand there
    abilities: frozenset
    configuration: str = ""
    environment: tuple = ()
    package: str = ""  # of Debian; empty: built from this tree
    version: tuple = ()


def _kind(program, command, abilities, **more):
    return Kind(program, tuple(command.split()), frozenset(abilities.split()), **more)


def _enduring(workers, abilities):
    return _kind("arena", f"--listen 127.0.0.1:{{port}} --workers {workers} --keepalive-requests 0 "
                 "--header-timeout 75s --static {files}/static", abilities, version=("--version",))


KINDS = {
    "floor": _kind("floor", "--port {port}", "get post upload many scale"),
    "enduring": _enduring(1, "get post upload files many scale"),
    "enduring-2": _enduring(2, "scale"),
    "enduring-4": _enduring(4, "scale"),
    "nginx": _kind("nginx", "-c {configuration} -e {directory}/error.log",
                   "get post upload files many scale", configuration=NGINX, package="nginx",
                   version=("-v",)),
    "h2o": _kind("h2o", "-c {configuration}", "get files many", configuration=H2O, package="h2o",
                 version=("--version",)),
    "haproxy": _kind("haproxy", "-q -db -f {configuration}", "get", configuration=HAPROXY,
                     package="haproxy", version=("-v",)),
    "lighttpd": _kind("lighttpd", "-D -f {configuration}", "get files",
                      configuration=LIGHTTPD, package="lighttpd", version=("-v",)),
    "apache": _kind("apache2", "-DFOREGROUND -f {configuration}", "get files",
                    configuration=APACHE, package="apache2-bin", version=("-v",)),
    "caddy": _kind("caddy", "run --adapter caddyfile --config {configuration}",
                   "get post files", configuration=CADDY, environment=(("GOMAXPROCS", "1"),),
                   package="caddy", version=("version",)),
}


def kind_of(name):
    return KINDS["floor" if name in FLOORS else name]


def find_program(name, own_directory):
    """The path of a server's program, or None."""
    kind = kind_of(name)
    # Debian keeps most servers where only root's PATH leads.
    search = (os.environ.get("PATH", "") + ":/usr/sbin") if kind.package else str(own_directory)
    return shutil.which(kind.program, path=search)


def make_files(directory):
    """What the servers serve: /pipeline, for those that can only serve files, and /static."""
    files = pathlib.Path(directory, "files")
    (files / "static").mkdir(parents=True)
    (files / "pipeline").write_bytes(b"ok")
    block = bytes(range(256)) * 4096
    for name, size in profiles.FILE_BYTES.items():
        with (files / "static" / name).open("wb") as file:
            for begin in range(0, size, len(block)):
                file.write(block[:min(len(block), size - begin)])
    # Some servers that are started as root serve as another user.
    for path in (directory, files, files / "static"):
        os.chmod(path, 0o755)
    return files


def command_of(name, program, port, profile, files, directory):
    """The command that starts a server, with what it needs in a directory of its own."""
    kind = kind_of(name)
    own = pathlib.Path(directory, f"{kind.program}-{port}")
    own.mkdir(mode=0o755)
    names = {"port": port, "directory": own, "files": files, "connections": CONNECTIONS_MAX,
             "nginx_connections": NGINX_CONNECTIONS_MAX, "configuration": own / "configuration"}
    if kind.configuration:
        names["configuration"].write_text(kind.configuration.format(**names))
    command = [program, *(word.format(**names) for word in kind.command)]
    if name in FLOORS:
        command += profile.floor_arguments
    return command, {**os.environ, **dict(kind.environment)}
