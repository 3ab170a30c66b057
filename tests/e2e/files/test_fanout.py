# SPDX-License-Identifier: Apache-2.0
"""Many clients, one wheel, one transfer."""

import os
import threading

import pytest

import wheels
import wire
from daemon import configuration, flat_mirror, official_mirror
from origin import Gate
from standins import anchor, flat_page, href_of, simple_page

BARRIER = 10_000_000
BIG_MB = int(os.environ.get("WHEELYARD_BIG_MB", "200"))
pytestmark = pytest.mark.concurrent


@pytest.fixture(scope="module")
def big_wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("big")
    tags = f"{wheels.PYTHON_TAG}-{wheels.PYTHON_TAG}-{wheels.PLATFORMS[0]}"
    return wheels.build(folder, "torch", "2.9.0+cu126", tags, padding=BIG_MB * 1_000_000)


@pytest.fixture(scope="module")
def big_bytes(big_wheel):
    return big_wheel.read_bytes()


def publish(origin, name, body, **trouble):
    """On the scripted origin in the official shape, with its digest named."""
    link = anchor(f"/whl/cu126/{href_of(name)}", name, wheels.sha256_of(body))
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(f"/whl/cu126/{name}", body, **trouble)
    return f"/whl/cu126/{name}"


def assert_all_whole(downloads, body):
    digest = wheels.sha256_of(body)
    for download in downloads:
        assert download.wait_end().whole, f"cut at {download.held}"
        assert download.sha256() == digest


def test_twenty_clients_and_three_late_ones_share_one_transfer(origin, serve, big_wheel, big_bytes):
    gate = Gate(BARRIER)
    path = publish(origin, big_wheel.name, big_bytes, gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("slow", origin.url)]))
    assert daemon.page("torch").status == 200
    url = daemon.file_url("pytorch", f"cu126/{big_wheel.name}")

    early = [wire.Download(url, keep=False) for _ in range(20)]
    gate.wait_reached(BARRIER)
    for download in early:
        download.wait_held(BARRIER)
    late = [wire.Download(url, keep=False) for _ in range(3)]
    for download in late:
        download.wait_held(BARRIER)
    assert all(d.held == BARRIER for d in early + late), "more than the origin has sent?"

    gate.open()
    assert_all_whole(early + late, big_bytes)
    assert origin.body_bytes(path) == len(big_bytes), "a part was sent more than once"
    assert (
        daemon.get(f"/files/pytorch/cu126/{href_of(big_wheel.name)}", method="HEAD")["X-Cache"]
        == "hit"
    )


def test_who_comes_after_the_end_is_served_from_disk(origin, serve, library):
    body = library.torch().read_bytes()
    path = publish(origin, library.torch().name, body)
    daemon = serve(configuration(pytorch=[official_mirror("slow", origin.url)]))
    daemon.page("torch")
    url = daemon.file_url("pytorch", f"cu126/{library.torch().name}")
    assert_all_whole([wire.Download(url)], body)
    sent = origin.body_bytes(path)
    assert_all_whole([wire.Download(url) for _ in range(8)], body)
    assert origin.body_bytes(path) == sent == len(body)


def test_fan_out_without_a_digest(origin, serve, tmp_path):
    """A flat page names none: the length alone decides that the file is whole."""
    wheel = wheels.build(tmp_path, "torch", "2.9.0+cu126", padding=8_000_000)
    gate = Gate(4_000_000)
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(wheel.name, 8_000_000)]))
    origin.put(f"/pytorch-wheels/cu126/{wheel.name}", wheel, gate=gate)
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)]))
    url = daemon.file_url("pytorch", f"cu126/{wheel.name}")
    downloads = [wire.Download(url) for _ in range(5)]
    for download in downloads:
        download.wait_held(4_000_000)
    gate.open()
    assert_all_whole(downloads, wheel.read_bytes())
    assert origin.body_bytes(f"/pytorch-wheels/cu126/{wheel.name}") == wheel.stat().st_size


def test_a_client_that_leaves_disturbs_nobody(origin, serve, tmp_path):
    wheel = wheels.build(tmp_path, "torch", "2.9.0+cu126", padding=6_000_000)
    body, gate = wheel.read_bytes(), Gate(1_000_000)
    path = publish(origin, wheel.name, body, gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("slow", origin.url)]))
    url = daemon.file_url("pytorch", f"cu126/{wheel.name}")
    leaving, staying = [wire.Download(url) for _ in range(3)], wire.Download(url)
    for download in (*leaving, staying):
        download.wait_held(1_000_000)
    for download in leaving:
        download.leave()  # while suspended: the origin stands at the gate
    gate.open()
    assert_all_whole([staying], body)
    assert origin.body_bytes(path) == len(body)


def test_the_wheel_arrives_even_if_everybody_left_near_the_end(origin, serve, tmp_path):
    """Less than 64 MB is missing: it goes on, for whoever comes next."""
    wheel = wheels.build(tmp_path, "torch", "2.9.0+cu126", padding=4_000_000)
    body, gate = wheel.read_bytes(), Gate(2_000_000)
    path = publish(origin, wheel.name, body, gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("slow", origin.url)]))
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    download.wait_held(2_000_000)
    download.leave()
    gate.open()
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the blob is complete")
    assert origin.body_bytes(path) == len(body)


def test_readers_are_woken_by_small_steps(origin, serve, tmp_path):
    """At 256 KiB or 20 ms, whichever is first: a trickle reaches the client as it comes."""
    wheel = wheels.build(tmp_path, "torch", "2.9.0+cu126", padding=1_000_000)
    gate = Gate(0)
    publish(origin, wheel.name, wheel.read_bytes(), gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("slow", origin.url)]))
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    for position in (1000, 5000, 70_000, 300_000):
        gate.allow(position)
        download.wait_held(position, seconds=10)
    gate.open()
    assert_all_whole([download], wheel.read_bytes())


def test_many_different_files_at_once(origin, serve, tmp_path):
    """The slabs of the transfer thread are a fixed pool: readers of many files must not starve."""
    built, gate = [], Gate(100_000)
    for number in range(12):
        wheel = wheels.build(tmp_path, "torch", f"2.{number}.0+cu126", padding=700_000)
        origin.put(f"/pytorch-wheels/cu126/{wheel.name}", wheel, gate=gate)
        built.append(wheel)
    page = flat_page("cu126", [(w.name, w.stat().st_size) for w in built])
    origin.put_page("/pytorch-wheels/cu126/", page)
    # As many connections as files: nobody gives way, however slow this machine is.
    mirrors = [flat_mirror("flat", origin.url)]
    daemon = serve(configuration(pytorch=mirrors, connections_per_mirror=2 * len(built)))
    urls = [daemon.file_url("pytorch", f"cu126/{wheel.name}") for wheel in built]
    downloads = [[wire.Download(url) for _ in range(3)] for url in urls]
    threading.Timer(0, gate.open).start()
    for wheel, group in zip(built, downloads):
        assert_all_whole(group, wheel.read_bytes())
        assert origin.body_bytes(f"/pytorch-wheels/cu126/{wheel.name}") == wheel.stat().st_size
