# SPDX-License-Identifier: Apache-2.0
"""A catalogue that cannot be read is moved aside and made again from the blobs; no wheel is lost."""

import sqlite3

import pytest

import wire
from daemon import configuration, official_mirror
from test_fanout import publish
from wheels import build


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def _empty(path):
    path.write_bytes(b"")


def _garbage(path):
    path.write_bytes(b"this is no database " * 1000)


def _tear(path):
    """One page in the middle is gone, as after a bad sector."""
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xa5" * 4096
    path.write_bytes(data)


@pytest.fixture
def kept(origin, serve, tmp_path):
    """(configuration, stopped daemon that keeps a wheel, its path, its bytes); no mirror any more."""
    wheel = build(tmp_path / "built", "torch", "2.9.0+cu126", padding=100_000)
    publish(origin, wheel.name, wheel.read_bytes())
    config = configuration(pytorch=[official_mirror("m", origin.url)])
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    path = f"cu126/{wheel.name}"
    assert wire.ask(daemon.file_url("pytorch", path)).body == wheel.read_bytes()
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    daemon.stop()
    origin.close()
    return config, daemon, path, wheel.read_bytes()


@pytest.mark.parametrize("harm", [_truncate, _garbage, _tear])
def test_an_unreadable_catalogue(kept, serve, harm):
    config, daemon, path, body = kept
    catalogue = daemon.cache_dir / "catalogue.sqlite"
    harm(catalogue)
    harmed = catalogue.read_bytes()
    again = serve(config, cache_dir=daemon.cache_dir)
    reply = wire.ask(again.file_url("pytorch", path))
    assert (reply.body, reply["X-Cache"]) == (body, "hit")
    again.stop()  # the log is written behind
    again.wait_log("catalogue was unreadable and is rebuilt")
    again.wait_log("blob adopted")
    [aside] = daemon.cache_dir.glob("catalogue.sqlite.corrupt-*")
    assert aside.read_bytes() == harmed


def test_an_empty_catalogue(kept, serve):
    """As good as none."""
    config, daemon, path, body = kept
    _empty(daemon.cache_dir / "catalogue.sqlite")
    again = serve(config, cache_dir=daemon.cache_dir)
    reply = wire.ask(again.file_url("pytorch", path))
    assert (reply.body, reply["X-Cache"]) == (body, "hit")


def test_a_catalogue_of_a_newer_version_is_refused_and_left_alone(kept, serve):
    config, daemon, _, _ = kept
    catalogue = daemon.cache_dir / "catalogue.sqlite"
    with sqlite3.connect(catalogue) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    before = catalogue.read_bytes()
    with pytest.raises(RuntimeError, match="did not start"):
        serve(config, cache_dir=daemon.cache_dir)
    assert catalogue.read_bytes() == before
    assert not list(daemon.cache_dir.glob("catalogue.sqlite.corrupt-*"))
