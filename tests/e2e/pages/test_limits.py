# SPDX-License-Identifier: Apache-2.0
"""What the daemon holds is bounded, and a disk that fails costs nobody an answer."""

import contextlib
import os
import shutil

import pytest

import wire
from daemon import configuration, flat_mirror, pypi_mirror
from standins import flat_page
from wheels import build

VERSIONS = [f"2.{n}.0+cu126" for n in range(24)]


@pytest.fixture
def bodies(tmp_path):
    paths = [build(tmp_path / v, "torch", v, padding=100_000) for v in VERSIONS]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def config(origin, bodies):
    rows = [(name, len(body)) for name, body in bodies.items()]
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", rows))
    for name, body in bodies.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body)
    return configuration(pytorch=[flat_mirror("flat", origin.url)])


def ask(daemon, name, method="GET"):
    return wire.ask(daemon.file_url("pytorch", f"cu126/{name}"), method)


def open_blobs(daemon):
    folder = f"/proc/{daemon.process.pid}/fd"
    count = 0
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += "/blobs/" in os.readlink(os.path.join(folder, fd))
    return count


def test_blobs_are_not_all_held_open(serve, config, bodies):
    daemon = serve(config, wrap=("prlimit", "--nofile=64:64"))
    for name, body in bodies.items():
        assert ask(daemon, name).body == body
    daemon.wait_status(
        lambda s: s["cache"]["blobs"] == len(bodies) and open_blobs(daemon) <= 16, what="closed"
    )
    for _ in range(2):
        for name, body in bodies.items():
            reply = ask(daemon, name)
            assert (reply.status, reply["X-Cache"], reply.body) == (200, "hit", body)
    daemon.wait_status(lambda s: open_blobs(daemon) <= 16, what="closed again")


def test_files_pass_by_a_disk_that_takes_nothing(serve, config, bodies):
    name, body = next(iter(bodies.items()))
    daemon = serve(config)
    shutil.rmtree(daemon.cache_dir / "partials")
    for method in ("GET", "HEAD", "GET"):
        reply = ask(daemon, name, method)
        assert (reply.status, reply["X-Cache"]) == (200, "pass")
        assert method == "HEAD" or reply.body == body
    assert daemon.status()["cache"]["state"] != "ok"
    assert [p["kind"] for p in daemon.status()["problems"]] == ["not-kept"]


def test_the_etag_of_what_passes_by_stays(origin, serve, config, bodies):
    name = next(iter(bodies))
    daemon = serve(f'min_free = "100000GB"\n{config}')
    first = ask(daemon, name)
    daemon.stop()
    origin.change(f"/pytorch-wheels/cu126/{name}", etag=lambda n: f'"another-{n}"')
    again = serve(f'min_free = "100000GB"\n{config}', cache_dir=daemon.cache_dir)
    reply = ask(again, name, "HEAD")
    assert (first["X-Cache"], reply["X-Cache"]) == ("pass", "pass")
    assert reply["ETag"] == first["ETag"]


def test_a_name_too_long_for_any_file(serve, config):
    daemon = serve(config)
    assert ask(daemon, "x" * 3000 + "-1.0-py3-none-any.whl").status == 404


def test_pages_beyond_page_memory_are_built_again_from_what_is_stored(origin, serve):
    """Three pages of half a megabyte each and room for one: nothing is asked of the mirror for it."""
    names = ("torch", "torchvision", "torchaudio")
    rows = [(f"{n}-2.{i}.0+cu126-py3-none-any.whl", 1000) for n in names for i in range(3000)]
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", rows))
    config = configuration(pytorch=[flat_mirror("flat", origin.url)], page_memory="1MiB")
    daemon = serve(config)
    pages = {name: daemon.page(name).body for name in names}
    assert all(len(body) > 300_000 for body in pages.values())

    daemon.wait_status(lambda s: s["memory"]["pages"] < 1 << 20, what="one of them goes")
    assert {name: daemon.page(name).body for name in names} == pages
    assert len(origin.asked("/pytorch-wheels/cu126/", "GET")) == 1


def test_listings_beyond_page_memory_are_read_again_from_what_is_stored(origin, serve):
    """Twenty projects with a page of 100 KB each: their listings go when no page waits for them any more."""
    names = [f"project{n}" for n in range(20)]
    for name in names:
        links = (f'<a href="/packages/{name}-1.{n}-py3-none-any.whl">{n}</a>' for n in range(1500))
        origin.put_page(f"/simple/{name}/", "".join(links))
    daemon = serve(configuration(pypi=[pypi_mirror("pypi", origin.url)], page_memory="1MiB"))
    pages = {name: daemon.page(name, "").body for name in names}
    status = daemon.wait_status(
        lambda now: max(now["memory"]["pages"], now["memory"]["listings"]) <= now["memory"]["most"],
        30,
        "no more in memory than may be",
    )
    assert status["memory"]["most"] == 1 << 20
    assert {name: daemon.page(name, "").body for name in names} == pages
    assert len(origin.asked("/simple/project0/", "GET")) == 1
