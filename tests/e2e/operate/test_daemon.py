# SPDX-License-Identifier: Apache-2.0
"""The process: start, stop, second daemons, what it says about itself, silence upstream."""

import os
import socket
import subprocess
import threading
from urllib.parse import urlsplit

import pytest

import wire
from daemon import configuration, flat_and_pypi, official_mirror, run_wheelyard
from origin import Gate
from standins import anchor, href_of, simple_page
from test_fanout import publish
from wheels import build


@pytest.fixture
def slow(origin, serve, tmp_path):
    """(daemon, url, gate): a wheel whose origin stands still after 500 kB."""
    wheel = build(tmp_path / "built", "torch", "2.9.0+cu126", padding=1_000_000)
    gate = Gate(500_000)
    publish(origin, wheel.name, wheel.read_bytes(), gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("slow", origin.url)]))
    assert daemon.page("torch").status == 200
    return daemon, daemon.file_url("pytorch", f"cu126/{wheel.name}"), gate


# ------------------------------------------------------------------ the end


@pytest.mark.concurrent
def test_sigterm_ends_with_clients_suspended(slow):
    daemon, url, _ = slow
    downloads = [wire.Download(url) for _ in range(8)]
    for download in downloads:
        download.wait_held(500_000)
    daemon.stop()
    assert not any(download.wait_end().whole for download in downloads)


@pytest.mark.concurrent
def test_sigterm_while_clients_wait_for_the_first_byte(origin, serve):
    origin.put_page("/whl/cu126/torch/", "", silent=threading.Event())
    origin.put("/whl/cu126/torch-1-py3-none-any.whl", b"x", silent=threading.Event())
    daemon = serve(configuration(pytorch=[official_mirror("silent", origin.url)]))
    waiting = [
        wire.Download(f"{daemon.index()}/torch/"),
        wire.Download(daemon.file_url("pytorch", "cu126/torch-1-py3-none-any.whl")),
    ]
    origin.wait_asked("/whl/cu126/torch/")
    origin.wait_asked("/whl/cu126/torch-1-py3-none-any.whl")
    daemon.stop()
    for download in waiting:
        download.wait_end(10)


@pytest.mark.concurrent
def test_clients_that_left_while_suspended_are_forgotten(slow):
    daemon, url, gate = slow
    downloads = [wire.Download(url) for _ in range(4)]
    for download in downloads:
        download.wait_held(500_000)
    for download in downloads:
        download.leave()
    daemon.wait_status(
        lambda s: all(flight["readers"] == 0 for flight in s["flights"]), what="no reader is left"
    )
    gate.open()


def test_an_idle_connection_does_not_delay_the_end(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    parts = urlsplit(daemon.url)
    with socket.create_connection((parts.hostname, parts.port)) as idle:
        idle.sendall(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\n")  # never finished
        daemon.stop()


# ------------------------------------------------------------------ a second one


def _refused(home, config, *flags):
    (home / "config.toml").write_text(config)
    return run_wheelyard("serve", "--config", home / "config.toml", *flags, home=home)


def test_a_second_daemon_on_the_same_port(mirrors, serve, tmp_path):
    config = flat_and_pypi(mirrors)
    address = urlsplit(serve(config).url).netloc
    done = _refused(tmp_path, config, "--listen", address, "--cache-dir", tmp_path / "other")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and address in done.stderr


def test_a_second_daemon_on_the_same_cache(mirrors, serve, tmp_path):
    config = flat_and_pypi(mirrors)
    cache = serve(config).cache_dir
    done = _refused(tmp_path, config, "--listen", "127.0.0.1:0", "--cache-dir", cache)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and str(cache) in done.stderr


def test_a_cache_directory_that_cannot_be(mirrors, tmp_path):
    (tmp_path / "file").write_text("in the way")
    flags = ("--listen", "127.0.0.1:0", "--cache-dir", tmp_path / "file" / "cache")
    done = _refused(tmp_path, flat_and_pypi(mirrors), *flags)
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1


# ------------------------------------------------------------------ what it says


def test_health_and_ready(own_mirrors, serve):
    own_mirrors.stop()
    daemon = serve(flat_and_pypi(own_mirrors))
    assert daemon.get("/-/health").status == 200
    assert daemon.get("/-/ready").status == 200, "whatever the mirrors do"


def test_status_has_every_field(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    daemon.page("torch")
    reply = daemon.get("/-/status")
    assert reply["Content-Type"].startswith("application/json")
    status = reply.json()
    assert {"version", "uptime_s", "cache", "mirrors", "flights", "problems"} <= status.keys()
    cache = {"bytes", "blobs", "partials", "max_bytes", "free_bytes", "state"}
    assert cache <= status["cache"].keys() and status["cache"]["state"] == "ok"
    assert {(m["origin"], m["name"]) for m in status["mirrors"]} == {
        ("pytorch", "aliyun"),
        ("pypi", "tuna"),
    }
    for mirror in status["mirrors"]:
        assert {"state", "last_error", "rate_bytes_s"} <= mirror.keys()


@pytest.mark.concurrent
def test_status_shows_a_flight(slow):
    daemon, url, gate = slow
    downloads = [wire.Download(url) for _ in range(2)]
    for download in downloads:
        download.wait_held(500_000)
    status = daemon.wait_status(
        lambda s: s["flights"] and s["flights"][0]["bytes"] >= 500_000, what="a flight"
    )
    (flight,) = status["flights"]
    assert (flight["origin"], flight["readers"]) == ("pytorch", 2)
    assert flight["path"].startswith("cu126/torch-2.9.0+cu126-")
    assert flight["size"] > 1_000_000 and flight["mirrors"] == ["slow"]
    gate.open()
    daemon.wait_status(lambda s: not s["flights"], what="the flight has landed")


def test_one_access_line_per_request(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    paths = [f"/cu126/simple/nobody-{number}/" for number in range(5)]
    for path in paths:
        daemon.get(path)
    daemon.stop()
    lines = daemon.log().splitlines()
    for path in paths:
        (line,) = [line for line in lines if path in line]
        assert "status=404" in line


def test_a_request_cannot_forge_a_log_line(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    daemon.get("", target="/x%0Astatus=200%20forged")
    daemon.get("/y", {"User-Agent": 'a" status=200 forged="'})
    daemon.stop()
    assert not [line for line in daemon.log().splitlines() if line.startswith("status=200 forged")]


# ------------------------------------------------------------------ silence


@pytest.mark.concurrent
def test_a_silent_mirror_does_not_hold_up_a_sound_one(origin, second_origin, serve, library):
    wheel, body = library.torch(), library.torch().read_bytes()
    publish(origin, wheel.name, body, silent=threading.Event())
    origin.change("/whl/cu126/torch/", silent=threading.Event())
    publish(second_origin, wheel.name, body)
    mirrors = [official_mirror("mute", origin.url), official_mirror("good", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, listing_timeout="2s", stall_timeout="2s"))
    assert daemon.page("torch").status == 200
    reply = wire.ask(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    assert (reply.status, reply.body) == (200, body)


@pytest.fixture
def silent_resolver(tmp_path):
    """A command prefix under which every DNS question goes unanswered."""
    if os.geteuid() != 0:
        pytest.skip("a resolver of our own needs root")
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sink.bind(("127.0.0.77", 53))
    except OSError:
        pytest.skip("cannot bind port 53")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.77\n")
    command = f'mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "$@"'
    wrap = ("unshare", "--mount", "sh", "-c", command, "sh")
    if subprocess.run([*wrap, "true"], check=False).returncode != 0:
        pytest.skip("cannot unshare the mount namespace")
    with sink:
        yield wrap, sink


@pytest.mark.concurrent
def test_a_silent_resolver_blocks_nobody(silent_resolver, origin, serve, library):
    """Neither other transfers nor the end: libcurl would wait for the resolver's thread."""
    wrap, sink = silent_resolver
    wheel, body = library.torch(), library.torch().read_bytes()
    publish(origin, wheel.name, body)
    nowhere = official_mirror("nowhere", "http://mirror.example")
    sound = official_mirror("sound", origin.url)
    daemon = serve(configuration(pytorch=[nowhere, sound], listing_timeout="1s"), wrap=wrap)
    page = wire.Download(f"{daemon.index()}/torch/", {"Accept": wire.JSON})
    sink.settimeout(10)
    assert sink.recv(512), "the resolver is being asked"
    assert page.wait_end(8).status == 200
    reply = wire.ask(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    assert reply.body == body
    daemon.stop()


def test_the_listing_of_one_project_does_not_wait_for_another(origin, serve):
    name = "torch-1-py3-none-any.whl"
    origin.put_page("/whl/cpu/torch/", simple_page("torch", [anchor(href_of(name), name)]))
    origin.put_page("/whl/cpu/torchvision/", "", silent=threading.Event())
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    stuck = wire.Download(f"{daemon.index('cpu')}/torchvision/")
    origin.wait_asked("/whl/cpu/torchvision/")
    assert stuck.status is None
    assert daemon.page("torch", index="cpu").status == 200
