"""nginx, HAProxy and Apache as reverse proxies in front of one server: configured, run, ended.

They run in the foreground as our children, with all their files in a temporary directory. Nothing
here knows what is sent through them.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import wait_until

# Debian keeps the proxies where only root's PATH leads.
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin"
NAMES = ("nginx", "haproxy", "apache2")  # of the programs and of their Debian packages
# Those that can repeat a request on another connection when theirs was closed. Apache cannot.
WITH_RETRIES = ("nginx", "haproxy")


@dataclass(frozen=True)
class Setting:
    """How a proxy is to treat its connections to the server."""

    idle_s: float | None = None  # how long it keeps them without use; None: its own default
    retries: bool = False  # what it can do about a connection that ends under a request


NGINX = """\
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream server {{
        server 127.0.0.1:{server_port};
        keepalive 256;
        keepalive_requests 1000000000;
        {idle}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        keepalive_requests 1000000000;
        location / {{
            proxy_pass http://server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {retries}
        }}
    }}
}}
"""

HAPROXY = """\
global
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    {retries}
    server server 127.0.0.1:{server_port} {idle}
"""
HAPROXY_RETRIES = """\
option http-buffer-request
    retry-on conn-failure empty-response
    retries 10"""

APACHE = """\
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/apache2.pid
ErrorLog {directory}/error.log
ServerName localhost
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
{user}
# With fewer threads than clients, Apache would close connections of waiting clients.
ThreadLimit 512
ThreadsPerChild 512
StartServers 2
ServerLimit 2
MaxRequestWorkers 1024
MinSpareThreads 1
MaxSpareThreads 1024
KeepAliveTimeout 60
MaxKeepAliveRequests 0
ProxyPass / http://127.0.0.1:{server_port}/ {idle}
"""
APACHE_MODULES = Path("/usr/lib/apache2/modules")


def missing() -> list[str]:
    """The proxies that are not installed."""
    return [name for name in NAMES if not shutil.which(name, path=SEARCH_PATH)]


def milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def command(name: str, directory: Path, port: int, server_port: int, setting: Setting) -> list[str]:
    """Writes the configuration; gives what runs the proxy with it."""
    program = shutil.which(name, path=SEARCH_PATH) or name
    file = directory / "configuration"
    idle = setting.idle_s
    values = {"directory": directory, "port": port, "server_port": server_port}
    if name == "nginx":
        text = NGINX.format(
            idle=f"keepalive_timeout {milliseconds(idle)};" if idle else "",
            retries="proxy_next_upstream error timeout non_idempotent;" if setting.retries else "",
            **values,
        )
        arguments = ["-c", str(file), "-e", str(directory / "error.log")]
    elif name == "haproxy":
        text = HAPROXY.format(
            idle=f"pool-purge-delay {milliseconds(idle)}" if idle else "",
            # Only a request that is buffered whole can be repeated.
            retries=HAPROXY_RETRIES if setting.retries else "",
            **values,
        )
        arguments = ["-db", "-f", str(file)]
    else:
        text = APACHE.format(
            modules=APACHE_MODULES,
            # Started as root, Apache serves as another user and must be told which.
            user="User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
            idle=f"ttl={math.ceil(idle)}" if idle else "",
            **values,
        )
        arguments = ["-D", "FOREGROUND", "-f", str(file)]
    file.write_text(text)
    return [program, *arguments]


def accepts(port: int) -> bool:
    """Whether somebody listens there. Nothing is sent, so the server behind learns nothing."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(name: str, port: int, server_port: int, setting: Setting) -> Iterator[None]:
    """The proxy listens while the context lasts."""
    with tempfile.TemporaryDirectory(prefix="enduring-proxy-") as text:
        directory = Path(text)
        directory.chmod(0o755)  # a proxy's workers may be another user
        log = directory / "output"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(name, directory, port, server_port, setting),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:

            def listens() -> bool:
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended at start: {log.read_text()}")
                return accepts(port)

            wait_until(listens, f"{name} does not listen")
            yield
            if process.poll() is not None:
                raise AssertionError(f"{name} ended by itself: {log.read_text()}")
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
