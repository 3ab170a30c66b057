# SPDX-License-Identifier: Apache-2.0
"""What is run by test_environment.py inside a network namespace of its own: names are what the
hosts file there says, 198.18.0.1 is an address of this machine, and there is no IPv6."""

import socket
import subprocess

import pytest

import wheels
import wire
from daemon import binary, configuration, daemon_environment, official_mirror
from origin import Origin
from standins import anchor, simple_page, wait_until

NAME = "torch-1.0-py3-none-any.whl"


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
