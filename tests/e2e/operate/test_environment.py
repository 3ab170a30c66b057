# SPDX-License-Identifier: Apache-2.0
"""Places where the daemon is put: behind a proxy, behind another server, without IPv6, with a wrong
clock, on a disk that fails, with hardly a descriptor left."""

import glob
import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import clients
import wire
from daemon import (
    PATIENCE,
    configuration,
    daemon_environment,
    flat_and_pypi,
    is_sanitized,
    official_mirror,
)
from standins import Nginx, S3_MANNERS, anchor, free_port, simple_page, wait_until
from test_upstream import private_site  # pylint: disable=unused-import
from wheels import build, sha256_of

HERE = Path(__file__).resolve().parent


def _needs_root(command, why):
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip(why)


# ------------------------------------------------------------------ the way out


@pytest.fixture
def forward_proxy(tmp_path):
    """tinyproxy: (URL, its log)."""
    program = shutil.which("tinyproxy")
    if not program:
        pytest.skip("no tinyproxy here (package tinyproxy-bin)")
    port, log = free_port(), tmp_path / "tinyproxy.log"
    (tmp_path / "tinyproxy.conf").write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 50\nAllow 127.0.0.1\n"
        f'LogFile "{log}"\nLogLevel Info\n'
    )
    process = subprocess.Popen([program, "-d", "-c", tmp_path / "tinyproxy.conf"])
    wait_until(lambda: _listens(port), what="tinyproxy")
    yield f"http://127.0.0.1:{port}", log, process
    process.kill()
    process.wait(10)


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def test_https_through_a_forward_proxy(forward_proxy, private_site, serve, library, monkeypatch):
    """https_proxy, CONNECT, and the certificate of the site itself behind it."""
    proxy, log, process = forward_proxy
    url, certificate = private_site
    environment = lambda home: {**daemon_environment(home), "https_proxy": proxy}
    monkeypatch.setattr("daemon.daemon_environment", environment)
    config = configuration(
        pytorch=[official_mirror("lab", url)], ca_file=str(certificate), page_refresh="1s"
    )
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    wheel = library.torch()
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{wheel.name}")).body == wheel.read_bytes()
    assert f"CONNECT {url.removeprefix('https://')}" in log.read_text()
    process.kill()
    process.wait(10)
    wait_until(lambda: daemon.page("torch")["X-Cache"] == "stale", what="the page is stale")
    assert daemon.page("torch").status == 200, "what was known is served without the proxy"


def test_in_a_namespace_of_its_own(tmp_path):
    """Fake-IP DNS, no IPv6, a network that goes: see inside_namespace.py."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n198.18.0.1 fake.lab\n2001:db8::1 both.lab\n198.18.0.1 both.lab\n")
    names = tmp_path / "resolv.conf"
    names.write_text("nameserver 127.0.0.1\n")
    script = (
        "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up && "
        f"ip addr add 198.18.0.1/32 dev lo && mount --bind {hosts} /etc/hosts && "
        f"mount --bind {names} /etc/resolv.conf && "
    )
    wrap = ("unshare", "--net", "--mount", "sh", "-c")
    _needs_root((*wrap, f"{script} true"), "cannot make a network namespace")
    # A folder of its own: at its end pytest deletes what earlier runs have left in the common one.
    tests = (
        f'"{sys.executable}" -m pytest -q -p no:cacheprovider --basetemp={tmp_path}/inside '
        f"{HERE}/inside_namespace.py"
    )
    done = subprocess.run(
        (*wrap, f"{script} {tests}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=100 * PATIENCE,
    )
    assert done.returncode == 0 and "11 passed" in done.stdout, done.stdout + done.stderr


# ------------------------------------------------------------------ the way in


@pytest.fixture
def reverse_proxy(tmp_path):
    """reverse_proxy(daemon): nginx in front of it, under a path and another host name."""
    running = []

    def start(daemon):
        extra = f"""
        location /deep/wheels/ {{
            proxy_pass {daemon.url}/;
            proxy_set_header Host wheels.lab;
            proxy_http_version 1.1;
            proxy_buffering off;
        }}"""
        running.append(Nginx(tmp_path, tmp_path / "reverse", extra))
        return running[-1]

    yield start
    for nginx in running:
        nginx.stop()


def test_behind_a_reverse_proxy(mirrors, serve, reverse_proxy, client):
    """A path in front, another name, another port: hrefs lead back through it, not around it."""
    daemon = serve(flat_and_pypi(mirrors, hosts=["wheels.lab"]))
    front = reverse_proxy(daemon)
    url = f"http://localhost:{front.port}/deep/wheels/cu126/simple"
    target = client.install("--index-url", url, "torch", "torchvision")
    assert clients.installed(target)["torch"] == "2.9.0+cu126"
    fetched = [row[1] for row in front.wheel_requests()]
    assert any(path.startswith("/deep/wheels/files/pytorch/cu126/torch-2.9.0") for path in fetched)


@pytest.fixture
def lan_name(tmp_path):
    """A command prefix under which wheels.lab is this machine."""
    hosts = tmp_path / "lan-hosts"
    hosts.write_text("127.0.0.1 localhost wheels.lab\n")
    script = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    wrap = ["unshare", "--mount", "sh", "-c", script, "sh"]
    _needs_root([*wrap, "true"], "cannot unshare the mount namespace")
    return wrap


def test_a_lan_name(mirrors, serve, client, lan_name):
    """What README says: the name in `hosts`, pip's --trusted-host."""
    daemon = serve(flat_and_pypi(mirrors, hosts=["wheels.lab"]))
    client.command = [*lan_name, *client.command]
    url = daemon.index("cu126").replace("127.0.0.1", "wheels.lab")
    options = () if isinstance(client, clients.Uv) else ("--trusted-host", "wheels.lab")
    target = client.install(*options, "--index-url", url, "--no-deps", "torch")
    assert clients.installed(target)["torch"] == "2.9.0+cu126"


# ------------------------------------------------------------------ the clock


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """clock(text) sets the daemon's wall clock ("+10d"); only its wall clock."""
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
    if not library:
        pytest.skip("no libfaketime here (package faketime)")
    told = tmp_path / "time"

    def set_clock(text):
        fresh = tmp_path / "time.new"
        fresh.write_text(text + "\n")
        fresh.rename(told)

    set_clock("+0")
    faked = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(told),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    environment = lambda home: {**daemon_environment(home), **faked}
    monkeypatch.setattr("daemon.daemon_environment", environment)
    return set_clock


WHEEL = "torch-1.0-py3-none-any.whl"


def _publish(origin, body):
    link = anchor(f"/whl/cu126/{WHEEL}", WHEEL, sha256_of(body))
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(f"/whl/cu126/{WHEEL}", body)


@pytest.fixture
def body(tmp_path):
    return build(tmp_path / "built", "torch", "1.0", padding=300_000).read_bytes()


@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_the_clock_jumps(origin, serve, body, clock, jump):
    """While it runs, and again over a restart: pages, files and hits go on."""
    if is_sanitized():
        pytest.skip("two preloaded libraries do not go together")
    _publish(origin, body)
    config = configuration(pytorch=[official_mirror("m", origin.url)])
    daemon = serve(config)
    before = daemon.page("torch")
    url = daemon.file_url("pytorch", f"cu126/{WHEEL}")
    assert wire.ask(url).body == body
    today = daemon.get("/-/ready")["Date"]
    clock(jump)
    assert daemon.get("/-/ready")["Date"][12:16] != today[12:16], "another year"
    assert daemon.page("torch").body == before.body
    assert wire.ask(url).body == body and daemon.get("/-/ready").status == 200
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and s["uptime_s"] < 1000, what="uptime")
    daemon.stop()
    clock("+0")
    again = serve(config, cache_dir=daemon.cache_dir)
    assert again.page("torch").body == before.body
    reply = wire.ask(again.file_url("pytorch", f"cu126/{WHEEL}"))
    assert (reply.body, reply["X-Cache"]) == (body, "hit")


def test_a_promise_stands_until_the_mirror_says_otherwise(origin, serve, body, clock):
    """That a mirror honours ranges is asked again after a month; the page promises on meanwhile."""
    if is_sanitized():
        pytest.skip("two preloaded libraries do not go together")
    _publish(origin, body)
    config = configuration(pytorch=[official_mirror("m", origin.url)])
    daemon = serve(config)
    before = daemon.page("torch")
    assert b'"core-metadata":true' in before.body
    daemon.stop()
    origin.change(f"/whl/cu126/{WHEEL}", status=503)
    asked = len(origin.tries)
    clock("+40d")
    again = serve(config, cache_dir=daemon.cache_dir)
    assert again.page("torch").body == before.body
    origin.wait(lambda: len(origin.tries) > asked)  # it is asked again


# ------------------------------------------------------------------ the disk


@pytest.fixture
def failing_disk(tmp_path):
    """(folder, break it): ext4 that turns read-only in the middle, as after an I/O error."""
    image, folder = tmp_path / "disk", tmp_path / "disk-mounted"
    folder.mkdir()
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    why = "mounting a disk of our own needs root, ext4 and a loop device"
    if not shutil.which("mkfs.ext4"):
        pytest.skip(why)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    _needs_root(["mount", "-o", "loop,errors=remount-ro", image, folder], why)
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,abort", folder], check=True)
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_turns_read_only(origin, serve, body, failing_disk):
    """What is kept is served on; what is not passes through; /-/status says why."""
    folder, break_disk = failing_disk
    _publish(origin, body)
    other = WHEEL.replace("1.0", "1.1")
    origin.put(f"/whl/cu126/{other}", body)
    config = configuration(pytorch=[official_mirror("m", origin.url)], min_free=0)
    daemon = serve(config, cache_dir=folder / "cache")
    assert daemon.page("torch").status == 200
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{WHEEL}")).body == body
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    break_disk()
    for _ in range(2):
        reply = wire.ask(daemon.file_url("pytorch", f"cu126/{other}"))
        assert (reply.status, reply.cut, reply.body) == (200, False, body)
        assert reply["X-Cache"] == "pass"
    kept = wire.ask(daemon.file_url("pytorch", f"cu126/{WHEEL}"))
    assert (kept.body, kept["X-Cache"]) == (body, "hit")
    assert daemon.page("torch").status == 200
    daemon.wait_status(lambda s: s["cache"]["state"] == "read-only", what="it says so")


# ------------------------------------------------------------------ descriptors


def _descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_64_descriptors_left(origin, serve, body):
    """More clients than descriptors: those who are let in are answered, and when they have gone
    everybody is."""
    _publish(origin, body)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    assert daemon.page("torch").status == 200
    # Numbers are given from the lowest: what counts is the highest that is in use.
    highest = max(int(name) for name in os.listdir(f"/proc/{daemon.process.pid}/fd"))
    limit = highest + 1 + 64
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    address = ("127.0.0.1", int(daemon.url.rsplit(":", 1)[1]))
    idle = [socket.create_connection(address, 5) for _ in range(40)]
    url = daemon.file_url("pytorch", f"cu126/{WHEEL}")
    downloads = [wire.Download(url) for _ in range(12)]
    for download in downloads:
        assert download.wait_end().whole and bytes(download.body) == body
    idle += [socket.create_connection(address, 5) for _ in range(100)]
    assert daemon.process.poll() is None
    for connection in idle:
        connection.close()
    wait_until(lambda: _answers(daemon), what="everybody is answered again")
    assert wire.ask(url).body == body and daemon.page("torch").status == 200
    wait_until(lambda: _descriptors(daemon) <= highest + 16, what="descriptors are given back")


def _answers(daemon):
    try:
        return daemon.get("/-/ready").status == 200
    except OSError:
        return False
