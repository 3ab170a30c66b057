# SPDX-License-Identifier: Apache-2.0
"""What is run by test_environment.py inside a network namespace of its own: names are what the
hosts file there says, nobody answers for others, 198.18.0.1 is an address of this machine, and there
is no IPv6."""

import socket
import subprocess
import time

import pytest

import wheels
import wire
from daemon import PATIENCE, binary, configuration, daemon_environment, official_mirror
from origin import Origin
from standins import anchor, simple_page, wait_until

NAME = "torch-1.0-py3-none-any.whl"
LIMIT_S = 1.3 * PATIENCE  # a second, and what the machine needs


@pytest.fixture
def fake():
    """A mirror that the local proxy's fake DNS leads to."""
    with Origin("198.18.0.1") as origin:
        origin.put_page("/whl/cpu/torch/", simple_page("torch", [anchor(f"/whl/cpu/{NAME}", NAME)]))
        origin.put(f"/whl/cpu/{NAME}", wheels.sound(NAME))
        yield origin


def test_fake_ip_dns(serve, fake):
    """Clash and its like answer every name with an address of 198.18.0.0/15."""
    daemon = serve(configuration(pytorch=[official_mirror("m", f"http://fake.lab:{fake.port}")]))
    assert wire.file_names(daemon.page("torch", index="cpu")) == [NAME]
    assert wire.ask(daemon.file_url("pytorch", f"cpu/{NAME}")).body == wheels.sound(NAME)


def test_a_name_with_an_address_that_cannot_be_reached(serve, fake):
    """The name has an IPv6 address first, and this machine has no IPv6."""
    daemon = serve(configuration(pytorch=[official_mirror("m", f"http://both.lab:{fake.port}")]))
    assert wire.file_names(daemon.page("torch", index="cpu")) == [NAME]


# ------------------------------------------------------------------ a laptop on a train


def _ip(*words):
    subprocess.run(["ip", *words], check=True)


HOLE = ("198.18.0.0/16", "dev", "hole")  # what goes there is dropped without a word


@pytest.fixture
def hole():
    _ip("link", "add", "hole", "type", "veth", "peer", "name", "bottom")
    _ip("link", "set", "hole", "arp", "off", "up")
    _ip("link", "set", "bottom", "up")
    yield
    _ip("link", "del", "hole")


@pytest.fixture
def losing(hole):
    """losing(how): from then on the mirror is not to be had, in one of three ways."""
    given_back = []

    def lose(how):
        if how == "no route":
            _ip("addr", "del", "198.18.0.1/32", "dev", "lo")
        elif how == "no answer to SYN":
            _ip("addr", "del", "198.18.0.1/32", "dev", "lo")
            _ip("addr", "add", "10.9.9.9/32", "dev", "hole")
            _ip("route", "add", *HOLE)
        elif how == "no answer to DNS":
            _ip("addr", "add", "10.9.9.9/32", "dev", "hole")
            _ip("route", "add", "203.0.113.0/24", "dev", "hole")
            for path, text in (
                ("/etc/hosts", "127.0.0.1 localhost\n"),
                ("/etc/resolv.conf", "nameserver 203.0.113.1\n"),
            ):
                given_back.append((path, open(path, encoding="utf-8").read()))
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
        else:
            assert how == "no such name"
            given_back.append(("/etc/hosts", open("/etc/hosts", encoding="utf-8").read()))
            with open("/etc/hosts", "w", encoding="utf-8") as file:
                file.write("127.0.0.1 localhost\n")

    yield lose
    for path, text in given_back:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    subprocess.run(["ip", "addr", "add", "198.18.0.1/32", "dev", "lo"], check=False, capture_output=True)


def _took(ask):
    begun = time.monotonic()
    reply = ask()
    return time.monotonic() - begun, reply


@pytest.mark.parametrize(
    "how, restarted",
    [
        ("no route", True),
        ("no answer to SYN", True),
        ("no answer to DNS", True),
        ("no such name", True),
        ("no route", False),  # connections that are open die, too
        ("no answer to SYN", False),
    ],
)
def test_what_is_held_answers_within_a_second_on_a_train(serve, fake, losing, how, restarted):
    """Nobody said `offline`: the network has gone, and each page is due for a refresh."""
    config = configuration(
        pytorch=[official_mirror("m", f"http://fake.lab:{fake.port}")], page_refresh="1s"
    )
    daemon = serve(config)
    url = daemon.file_url("pytorch", f"cpu/{NAME}")
    assert wire.file_names(daemon.page("torch", index="cpu")) == [NAME]
    assert wire.ask(url).body == wheels.sound(NAME)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="it is kept")
    assert b"Name: torch" in wire.ask(f"{url}.metadata").body
    if restarted:
        daemon.stop()
    losing(how)
    if restarted:
        daemon = serve(config, cache_dir=daemon.cache_dir)
        url = daemon.file_url("pytorch", f"cpu/{NAME}")
    else:
        wait_until(lambda: daemon.page("torch", index="cpu")["X-Cache"] == "stale", 10 * PATIENCE)
    for _ in range(2):
        took, page = _took(lambda: daemon.page("torch", index="cpu"))
        assert wire.file_names(page) == [NAME] and took < LIMIT_S, took
        took, file = _took(lambda: wire.ask(url))
        assert file.body == wheels.sound(NAME) and took < LIMIT_S, took
        took, metadata = _took(lambda: wire.ask(f"{url}.metadata"))
        assert b"Name: torch" in metadata.body and took < LIMIT_S, took


# ------------------------------------------------------------------ offline


def _sent():
    """Connections begun and datagrams sent by anybody in this namespace."""
    rows = [line.split() for line in open("/proc/net/snmp", encoding="ascii")]
    counts = {}
    for names, values in zip(rows[::2], rows[1::2]):
        counts.update({names[0] + name: int(value) for name, value in zip(names[1:], values[1:])})
    return counts["Tcp:ActiveOpens"], counts["Udp:OutDatagrams"]


@pytest.mark.parametrize("offline", [True, False])
def test_offline_no_mirror_is_asked_not_even_a_name(serve, fake, offline):
    """Our own requests are the only packets. Online, as a check of the counting, they are not."""
    mirrors = [
        official_mirror("numbered", f"http://198.18.0.1:{fake.port}"),
        official_mirror("named", f"http://nosuch.lab:{fake.port}"),
    ]
    daemon = serve(configuration(pytorch=mirrors, offline=offline))
    connections, datagrams = _sent()
    paths = ["/cpu/simple/torch/", "/cpu/simple/", f"/files/pytorch/cpu/{NAME}", "/-/indexes"]
    for path in paths:
        assert daemon.get(path).status in (200, 404)
    begun = _sent()[0] - connections, _sent()[1] - datagrams
    assert (begun == (len(paths), 0)) == offline
    assert bool(fake.tries) != offline


def test_the_default_addresses_without_ipv6(tmp_path, fake):
    """[::1] cannot be had: a warning, and 127.0.0.1 alone."""
    with pytest.raises(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
    config = tmp_path / "config.toml"
    config.write_text(configuration(pytorch=[official_mirror("m", f"http://fake.lab:{fake.port}")]))
    command = [binary(), "serve", "--config", config, "--cache-dir", tmp_path / "cache"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            command, env=daemon_environment(tmp_path), stdout=subprocess.DEVNULL, stderr=log
        )
    try:
        url = "http://127.0.0.1:8503"
        wait_until(lambda: _ready(f"{url}/-/ready"), what="it is ready")
        assert wire.file_names(wire.ask(f"{url}/cpu/simple/torch/")) == [NAME]
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert "not listening on [::1]:8503" in (tmp_path / "log").read_text()


def _ready(url):
    try:
        return wire.ask(url).status == 200
    except OSError:
        return False
