# SPDX-License-Identifier: Apache-2.0
"""What all measurements share: servers on loopback, and what they cost.

Everything lives in one temporary folder. Servers, mirrors and clients run either on any core, with as many
threads as they want (free), or the server under test has the first core of this machine for itself, and
mirrors and clients have the last (one). What is counted is the server's own CPU time.
"""
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
WHEELYARD = (TOP / os.environ.get("WHEELYARD_BIN", "build/wheelyard")).resolve()
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = {CORES[0]}, {CORES[-1]}
WAYS = {"free": "each program on any core, as many workers as it takes by default",
        "one": "the server on one core, with one worker; mirror and clients on another"}
IS_FREE = False
TICKS = os.sysconf("SC_CLK_TCK")


def scratch():
    """A folder that servers which drop root may enter, too."""
    folder = Path(tempfile.mkdtemp(prefix="wheelyard-bench-"))
    folder.chmod(0o755)
    return folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_url(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as reply:
        return reply.read(), reply.headers


def place(way):
    """Where the programs that are started from now on run; "one" until this is called."""
    global SERVER_CORE, CLIENT_CORE, IS_FREE
    IS_FREE = way == "free"
    SERVER_CORE, CLIENT_CORE = (set(CORES), set(CORES)) if IS_FREE else ({CORES[0]}, {CORES[-1]})


def add_ways(parser):
    """--cores free,one: each row both ways."""
    parser.add_argument("--cores", type=lambda text: text.split(","), default=list(WAYS),
                        help="free,one: where servers and clients run")


def each_way(wanted):
    """The ways of `add_ways`, each with its heading."""
    for number, way in enumerate(wanted.cores):
        place(way)
        print(f"{'' if number == 0 else chr(10)}{way}: {WAYS[way]}\n", flush=True)
        yield way


# ------------------------------------------------------------------ a process and its children


class Server:
    """A process with its children; standard error goes to `log` in its folder."""

    def __init__(self, folder, command, port, cores):
        self.folder, self.port = Path(folder), port
        self.url = f"http://127.0.0.1:{port}"
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
                start_new_session=True,
            )
        self._wait_listening()

    def _wait_listening(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{self.process.args[0]} did not start:\n{(self.folder / 'log').read_text()}")

    def _pids(self):
        pids = [self.process.pid]
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):  # threads come and go
                    pids += [int(child) for child in (task / "children").read_text().split()]
        return pids

    def cpu_s(self):
        """User and system time of all threads of all processes since their start."""
        total = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def anonymous_bytes(self):
        """Resident memory that cannot be dropped: without mapped files and shared memory."""
        total = 0
        for pid in self._pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    total += int(line.split()[1]) * 1024
        return total

    def kill(self):
        """What a crash does: no process of it gets to say anything."""
        for pid in self._pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def stop_all(servers):
    for server in reversed(servers):
        server.stop()


# ------------------------------------------------------------------ the servers

NGINX = """daemon off;
{user}worker_processes {workers};
pid {folder}/pid;
error_log {folder}/log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    client_body_temp_path {folder}/temp-body;
    proxy_temp_path {folder}/temp-proxy;
    fastcgi_temp_path {folder}/temp-fastcgi;
    uwsgi_temp_path {folder}/temp-uwsgi;
    scgi_temp_path {folder}/temp-scgi;
{http}
}}
"""


def start_nginx(folder, http, port, cores):
    """`http` stands inside the http block and names the port itself. A folder may be used again."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    user = "user root;\n" if os.getuid() == 0 else ""
    (folder / "conf").write_text(NGINX.format(
        user=user, folder=folder, http=http, workers="auto" if IS_FREE else 1))
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    return Server(folder, [nginx, "-p", folder, "-c", folder / "conf", "-e", folder / "log"], port, cores)


CONFIGURATION = """
[origin.pytorch]
canonical = "https://download.pytorch.org/whl/"
channels = ["cpu", "cu*"]
owns = ["torch", "torchvision", "torchaudio", "torchcodec", "torchrec", "fbgemm-gpu*", "xformers"]
"""
CONFIGURED_MIRROR = """[[origin.pytorch.mirror]]
name = "stand-in-{number}"
layout = "flat"
index = "{mirror}/{{channel}}/"
files = "{mirror}/"
"""


def flat_configuration(*urls):
    mirrors = [CONFIGURED_MIRROR.format(number=i, mirror=url) for i, url in enumerate(urls, 1)]
    return CONFIGURATION + "".join(mirrors)


def start_wheelyard(folder, mirror_urls, *flags):
    """With these flat mirrors."""
    urls = [mirror_urls] if isinstance(mirror_urls, str) else mirror_urls
    return start_configured(folder, flat_configuration(*urls), *flags)


def start_configured(folder, configuration, *flags):
    """With these origins, and otherwise as it is by default; on one core with one worker."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(configuration)
    port = free_port()
    command = [WHEELYARD, "serve", "--config", folder / "config.toml", "--cache-dir", folder / "cache"]
    command += ["--listen", f"127.0.0.1:{port}", *([] if IS_FREE else ["--workers", "1"]), *flags]
    return Server(folder, command, port, SERVER_CORE)


VCL = """vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{port}"; }}
"""


def start_varnish(folder, origin_port, storage="malloc,1g"):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vcl").write_text(VCL.format(port=origin_port))
    port = free_port()
    varnishd = shutil.which("varnishd", path=os.environ["PATH"] + ":/usr/sbin")
    command = [varnishd, "-F", "-j", "none", "-n", folder / "work", "-a", f"127.0.0.1:{port}"]
    command += ["-f", folder / "vcl", "-s", storage]
    return Server(folder, command, port, SERVER_CORE)


SQUID = """http_port 127.0.0.1:{port} accel defaultsite=localhost
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest originserver
http_access allow all
maximum_object_size 8 GB
cache_dir aufs {folder}/cache 20000 16 256
collapsed_forwarding on
quick_abort_min -1 KB
access_log none
cache_store_log none
cache_log {folder}/cache.log
pid_filename {folder}/pid
coredump_dir {folder}
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname localhost
"""


def start_squid(folder, origin_port):
    """One process, files written by its threads; a client that leaves does not end the download."""
    folder = Path(folder)
    squid = shutil.which("squid", path=os.environ["PATH"] + ":/usr/sbin")
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(folder, "proxy", "proxy")  # squid will not run as root
    port = free_port()
    (folder / "conf").write_text(SQUID.format(port=port, origin=origin_port, folder=folder))
    if is_new:
        subprocess.run([squid, "-f", folder / "conf", "-N", "-z"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Server(folder, [squid, "-f", folder / "conf", "-N"], port, SERVER_CORE)


# ------------------------------------------------------------------ figures


def median(values):
    return statistics.median(values)


def first_line(*command):
    """What a program says about its version, wherever it says it."""
    path = os.environ["PATH"] + ":/usr/sbin"
    done = subprocess.run(
        [shutil.which(command[0], path=path) or command[0], *command[1:]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    return done.stdout.splitlines()[0].strip() if done.stdout else "?"


def describe_machine():
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), "?",
    )
    print(f"{cpu}, {len(CORES)} cores, Linux {os.uname().release}; load {os.getloadavg()[0]:.1f}")
    for command in ([str(WHEELYARD), "--version"], ["nginx", "-v"], ["varnishd", "-V"], ["squid", "-v"],
                    ["wrk", "-v"]):
        print(f"  {first_line(*command)}")


def table(heading, rows):
    print("| " + " | ".join(heading) + " |")
    print("|---" + "|---:" * (len(heading) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
