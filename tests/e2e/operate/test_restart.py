# SPDX-License-Identifier: Apache-2.0
"""What was learned once stays: after a restart, and without network."""

import os

import pytest

import wire
from clients import installed
from daemon import all_mirrors, configuration, flat_and_pypi, flat_mirror, official_mirror
from origin import Gate
from standins import flat_page, href_of
from test_fanout import publish
from wheels import build, sha256_of


def test_restart_without_network(own_mirrors, serve, client, another):
    config = flat_and_pypi(own_mirrors)
    daemon = serve(config)
    what = ("torch", "torchvision")
    client.install("--index-url", daemon.index("cu126"), *what)
    daemon.stop()
    own_mirrors.stop()

    offline = serve(config, cache_dir=daemon.cache_dir)
    target = another(client).install("--index-url", offline.index("cu126"), *what)
    assert installed(target)["torch"] == "2.9.0+cu126"
    assert installed(target)["triton"] == "3.5.0"


def test_pages_and_their_etags_survive(own_mirrors, serve):
    config = all_mirrors(own_mirrors)
    daemon = serve(config)
    before = {p: daemon.page(p) for p in ("torch", "torchvision", "filelock", "jinja2")}
    daemon.stop()
    own_mirrors.stop()

    offline = serve(config, cache_dir=daemon.cache_dir)
    for project, page in before.items():
        again = offline.page(project)
        assert (again.status, again.body, again["ETag"]) == (200, page.body, page["ETag"])


def test_what_was_never_seen_is_unavailable_and_not_unknown(own_mirrors, serve):
    config = flat_and_pypi(own_mirrors)
    daemon = serve(config)
    assert daemon.page("filelock").status == 200
    daemon.stop()
    own_mirrors.stop()
    offline = serve(config, cache_dir=daemon.cache_dir)
    assert offline.page("networkx").status == 503
    assert offline.page("filelock").status == 200


def test_a_wheel_keeps_its_etag_and_its_bytes(own_mirrors, serve, library):
    config = flat_and_pypi(own_mirrors)
    daemon = serve(config)
    path = f"/files/pytorch/cu126/{href_of(library.torch().name)}"
    before = daemon.get(path)
    assert before.body == library.torch().read_bytes()
    daemon.stop()
    own_mirrors.stop()
    offline = serve(config, cache_dir=daemon.cache_dir)
    after = offline.get(path)
    assert (after.status, after.body, after["ETag"]) == (200, before.body, before["ETag"])
    assert after["X-Cache"] == "hit"
    assert offline.get(path, {"If-None-Match": before["ETag"]}).status == 304


@pytest.mark.concurrent
def test_killed_in_the_middle_of_a_wheel(origin, serve, tmp_path):
    """kill -9 at half: the next daemon starts, and the wheel is right at the next try."""
    wheel = build(tmp_path, "torch", "2.9.0+cu126", padding=3_000_000)
    gate = Gate(1_500_000)
    publish(origin, wheel.name, wheel.read_bytes(), gate=gate)
    config = configuration(pytorch=[official_mirror("slow", origin.url)])
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    download.wait_held(1_500_000)
    daemon.kill()
    gate.open()
    assert not download.wait_end().whole

    again = serve(config, cache_dir=daemon.cache_dir)
    reply = wire.ask(again.file_url("pytorch", f"cu126/{wheel.name}"))
    assert not reply.cut and reply.body == wheel.read_bytes()


def test_a_blob_that_was_deleted_by_hand_is_fetched_again(own_mirrors, serve, library):
    """Rows without files are put right at start."""
    config = flat_and_pypi(own_mirrors)
    daemon = serve(config)
    wheel = library.torch()
    path = f"/files/pytorch/cu126/{href_of(wheel.name)}"
    assert daemon.get(path).body == wheel.read_bytes()
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the blob is kept")
    daemon.stop()
    kept = [
        file
        for file in daemon.cache_dir.rglob("*")
        if file.is_file() and file.stat().st_size == wheel.stat().st_size
    ]
    assert len(kept) == 1, "the wheel is one file in the cache directory"
    kept[0].unlink()
    again = serve(config, cache_dir=daemon.cache_dir)
    assert again.status()["cache"]["blobs"] == 0
    assert again.get(path).body == wheel.read_bytes()


@pytest.mark.parametrize("catalogue", ["there", "lost"])
def test_a_blob_that_was_cut_meanwhile_is_fetched_again(origin, serve, tmp_path, catalogue):
    """And never taken for the whole file: the sidecar, too, knows how long it was."""
    wheel = build(tmp_path / "built", "torch", "2.9.0+cu126", padding=100_000)
    publish(origin, wheel.name, wheel.read_bytes())
    config = configuration(pytorch=[official_mirror("m", origin.url)])
    daemon = serve(config)
    url = daemon.file_url("pytorch", f"cu126/{wheel.name}")
    assert daemon.page("torch").status == 200 and wire.ask(url).body == wheel.read_bytes()
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="kept")
    daemon.stop()
    digest = sha256_of(wheel)
    os.truncate(daemon.cache_dir / "blobs" / digest[:2] / digest, 50_000)
    if catalogue == "lost":
        for path in daemon.cache_dir.glob("catalogue.sqlite*"):
            path.unlink()
    again = serve(config, cache_dir=daemon.cache_dir)
    assert again.status()["cache"]["blobs"] == 0
    assert (daemon.cache_dir / "quarantine" / digest).stat().st_size == 50_000
    reply = wire.ask(again.file_url("pytorch", f"cu126/{wheel.name}"))
    assert (reply.body, reply["X-Cache"]) == (wheel.read_bytes(), "miss")


def test_a_lost_catalogue_is_rebuilt_from_the_blobs(origin, serve, tmp_path):
    """Two paths with the same bytes share a blob: both come back, without a mirror."""
    wheel = build(tmp_path / "built", "torch", "2.9.0+cu126", padding=100_000)
    body, names = wheel.read_bytes(), [wheel.name, wheel.name.replace("-py3-", "-1-py3-")]
    page = flat_page("cu126", [(name, len(body)) for name in names])
    origin.put_page("/pytorch-wheels/cu126/", page)
    for name in names:
        origin.put(f"/pytorch-wheels/cu126/{name}", body)
    config = configuration(pytorch=[flat_mirror("flat", origin.url)])
    daemon = serve(config)
    urls = [daemon.file_url("pytorch", f"cu126/{name}") for name in names]
    etags = [wire.ask(url)["ETag"] for url in urls]
    for name in names:
        daemon.wait_log(f"kept path=pytorch/cu126/{name} ")
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="kept")
    daemon.stop()
    for path in daemon.cache_dir.glob("catalogue.sqlite*"):
        path.unlink()
    origin.close()
    again = serve(config, cache_dir=daemon.cache_dir)
    for name, etag in zip(names, etags):
        reply = wire.ask(again.file_url("pytorch", f"cu126/{name}"))
        assert (reply.body, reply["ETag"], reply["X-Cache"]) == (body, etag, "hit")
