# SPDX-License-Identifier: Apache-2.0
"""Another user of the machine."""

import os
import stat
from urllib.parse import urljoin

import pytest

import wire
from daemon import all_mirrors, flat_and_pypi, run_wheelyard


def refused(tmp_path, config, cache):
    (tmp_path / "config.toml").write_text(config)
    arguments = ("--config", tmp_path / "config.toml", "--listen", "127.0.0.1:0")
    said = run_wheelyard("serve", *arguments, "--cache-dir", cache, home=tmp_path)
    assert said.returncode == 1
    return said.stderr


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_cache_directory_that_everybody_may_write_is_refused(mirrors, tmp_path, mode):
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(mode)
    said = refused(tmp_path, flat_and_pypi(mirrors), cache)
    assert f"cache directory {cache}: every user of this machine may write there" in said
    assert not list(cache.iterdir())


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_cache_directory_that_is_a_link_is_refused(mirrors, tmp_path, slash):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to("elsewhere")
    said = refused(tmp_path, flat_and_pypi(mirrors), f"{tmp_path / 'cache'}{slash}")
    assert "it is a link" in said and not list((tmp_path / "elsewhere").iterdir())


def test_what_is_kept_is_for_its_owner_alone(mirrors, serve, tmp_path):
    mask = os.umask(0)
    try:
        daemon = serve(all_mirrors(mirrors), cache_dir=tmp_path / "cache")
    finally:
        os.umask(mask)
    page = daemon.page("torch")
    there = urljoin(f"{daemon.index()}/torch/", page.json()["files"][0]["url"])
    assert wire.ask(there).status == 200
    daemon.wait_status(lambda s: s["cache"]["blobs"] >= 1)
    daemon.stop()
    kept = [path for path in (tmp_path / "cache").rglob("*")]
    assert len(kept) > 3
    open_to_others = [p for p in kept if stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert open_to_others == []
