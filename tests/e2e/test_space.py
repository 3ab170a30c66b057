# SPDX-License-Identifier: Apache-2.0
"""max_size: the least recently used goes first, and nobody who reads it notices."""

import pytest

import wire
from daemon import configuration, flat_mirror
from standins import flat_page
from wheels import build

VERSIONS = ("2.7.0+cu126", "2.8.0+cu126", "2.9.0+cu126")


@pytest.fixture
def bodies(tmp_path):
    paths = [build(tmp_path / v, "torch", v, padding=500_000) for v in VERSIONS]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def daemon(origin, serve, bodies):
    """There is room for two of three wheels."""
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(n, len(b)) for n, b in bodies.items()]))
    for name, body in bodies.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body)
    size = 2 * max(len(body) for body in bodies.values()) + 20_000
    return serve(configuration(pytorch=[flat_mirror("flat", origin.url)], max_size=str(size)))


def _ask(daemon, name, method="GET"):
    return wire.ask(daemon.file_url("pytorch", f"cu126/{name}"), method)


def _keep(daemon, name, count):
    reply = _ask(daemon, name)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == count and not s["flights"], what="it is kept")
    return reply


def test_the_least_recently_used_goes(daemon, bodies):
    first, second, third = bodies
    assert _keep(daemon, first, 1).body == bodies[first]
    _keep(daemon, second, 2)
    assert _keep(daemon, third, 2)["X-Cache"] == "miss"
    assert _ask(daemon, third, "HEAD")["X-Cache"] == "hit"
    assert _ask(daemon, second, "HEAD")["X-Cache"] == "hit"
    assert _ask(daemon, first, "HEAD")["X-Cache"] != "hit"
    status = daemon.status()["cache"]
    assert status["bytes"] <= status["max_bytes"]


def test_what_is_larger_than_the_cache_passes_by(origin, serve, bodies):
    name, body = next(iter(bodies.items()))
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(name, len(body))]))
    origin.put(f"/pytorch-wheels/cu126/{name}", body)
    config = configuration(pytorch=[flat_mirror("flat", origin.url)], max_size=str(len(body) - 1))
    daemon = serve(config)
    reply = _ask(daemon, name)
    assert (reply.body, reply["X-Cache"]) == (body, "pass")
    assert daemon.status()["cache"]["blobs"] == 0


def test_evicted_files_stay_away_after_a_restart(daemon, serve, bodies):
    first, second, third = bodies
    for count, name in ((1, first), (2, second), (2, third)):
        _keep(daemon, name, count)
    daemon.stop()
    again = serve((daemon.folder / "config.toml").read_text(), cache_dir=daemon.cache_dir)
    assert again.status()["cache"]["blobs"] == 2
