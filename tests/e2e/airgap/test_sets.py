# SPDX-License-Identifier: Apache-2.0
"""Sets: what `prefetch --pin NAME` has fetched stays until `cache unpin NAME`."""

import json
import os

import pytest

import wire
from daemon import configuration, flat_mirror, pypi_mirror, run_wheelyard
from standins import flat_page
from wheels import build, sha256_of

DONE, FAILED, USAGE = 0, 1, 2
NAMES = tuple(f"torch-2.{minor}.0+cu126-py3-none-any.whl" for minor in range(5))


@pytest.fixture
def bodies(tmp_path):
    paths = [build(tmp_path / "wheels", "torch", name.split("-")[1], padding=400_000) for name in NAMES]
    assert tuple(path.name for path in paths) == NAMES
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def start(origin, serve, bodies, place):
    """There is room for three of five wheels."""
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(n, len(b)) for n, b in bodies.items()]))
    for name, body in bodies.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body)
    size = 3 * max(len(body) for body in bodies.values()) + 60_000

    def run(cache_dir=None, pytorch=True, **top):
        origins = {"pypi": [pypi_mirror("p", origin.url)]}
        if pytorch:
            origins["pytorch"] = [flat_mirror("flat", origin.url)]
        config = configuration(**origins, socket=str(place), **{"max_size": str(size), **top})
        return serve(config, cache_dir=cache_dir)

    return run


@pytest.fixture
def ours(place, tmp_path):
    """ours(daemon, "cache", "ls"): a command that asks this daemon."""

    def run(daemon, command, *arguments):
        words = [command, *arguments, "--socket", place]
        if command != "cache":
            words += ["--config", daemon.folder / "config.toml"]
        return run_wheelyard(*words, home=tmp_path, seconds=60)

    return run


@pytest.fixture
def lock(tmp_path):
    """lock(names): a lock file that wants these wheels, by their official addresses."""

    def write(names, file="pylock.toml"):
        text = 'lock-version = "1.0"\ncreated-by = "a test"\n'
        for name in names:
            url = f"https://download.pytorch.org/whl/cu126/{name.replace('+', '%2B')}"
            hashes = '{ sha256 = "' + sha256_of(tmp_path / "wheels" / name) + '" }'
            text += f'[[packages]]\nname = "torch"\nversion = "{name.split("-")[1]}"\n'
            text += f'[[packages.wheels]]\nurl = "{url}"\nhashes = {hashes}\n'
        (tmp_path / file).write_text(text)
        return tmp_path / file

    return write


def _use(daemon, *names):
    for name in names:
        assert wire.ask(daemon.file_url("pytorch", f"cu126/{name}")).status == 200
        daemon.wait_status(lambda s: not s["flights"], what="it is kept")


def _held(ours, daemon):
    said = json.loads(ours(daemon, "cache", "ls", "--json").stdout)
    return {b["name"].rsplit("/", 1)[-1]: b for b in said["blobs"] if b["complete"]}


def _sets(ours, daemon):
    said = json.loads(ours(daemon, "cache", "pins", "--json").stdout)
    return {one["name"]: (one["files"], one["held"]) for one in said["sets"]}


def test_a_set_stays_until_it_is_unpinned(start, ours, lock, bodies):
    daemon = start()
    first, second, third, fourth, fifth = NAMES
    done = ours(daemon, "prefetch", lock([first]), "--pin", "lab")
    assert done.returncode == DONE, done.stderr
    _use(daemon, second, third, fourth)
    assert set(_held(ours, daemon)) == {first, third, fourth}  # without the pin the first would have gone
    assert _held(ours, daemon)[first]["pinned"] and _held(ours, daemon)[first]["sets"] == "lab"
    assert "pinned    yes: lab" in ours(daemon, "cache", "info", first).stdout
    listed = ours(daemon, "cache", "pins").stdout
    assert "1 file" in listed and listed.rstrip().endswith("lab")
    refused = ours(daemon, "cache", "rm", first)
    assert refused.returncode == FAILED and "pinned by: lab" in refused.stderr
    assert ours(daemon, "cache", "unpin", first).returncode == FAILED  # the set still has it
    done = ours(daemon, "cache", "unpin", "lab")
    assert (done.returncode, done.stdout) == (DONE, "unpinned the set lab\n")
    assert ours(daemon, "cache", "unpin", "lab").returncode == FAILED
    assert _sets(ours, daemon) == {} and not _held(ours, daemon)[first]["pinned"]
    _use(daemon, fifth)
    assert first not in _held(ours, daemon)


def test_a_set_outlives_kills_and_what_comes_later_is_pinned(start, ours, lock, origin):
    first, late, third, fourth, fifth = NAMES
    origin.change(f"/pytorch-wheels/cu126/{late}", status=404)
    daemon = start()
    done = ours(daemon, "prefetch", lock([first, late]), "--pin", "lab")
    assert done.returncode == FAILED and late in done.stderr
    assert _sets(ours, daemon) == {"lab": (2, 1)}
    daemon.kill()
    origin.change(f"/pytorch-wheels/cu126/{late}", status=200)
    daemon = start(cache_dir=daemon.cache_dir)
    assert _sets(ours, daemon) == {"lab": (2, 1)}
    _use(daemon, late, third, fourth, fifth)
    assert set(_held(ours, daemon)) == {first, late, fifth}
    assert _sets(ours, daemon) == {"lab": (2, 2)}


def test_a_set_of_an_origin_that_is_gone_waits_for_it(start, ours, lock, origin):
    first = NAMES[0]
    daemon = start()
    ours(daemon, "prefetch", lock([first]), "--pin", "lab")
    daemon.stop()
    daemon = start(cache_dir=daemon.cache_dir, pytorch=False, max_size="100kB")
    assert ours(daemon, "cache", "gc").returncode == FAILED  # still over max_size: the rest is pinned
    assert _sets(ours, daemon) == {"lab": (1, 1)}
    daemon.stop()
    daemon = start(cache_dir=daemon.cache_dir)
    assert set(_held(ours, daemon)) == {first}


def test_of_two_sets_each_keeps_its_files(start, ours, lock):
    daemon = start()
    first, second, third, fourth, fifth = NAMES
    ours(daemon, "prefetch", lock([first, second]), "--pin", "lab")
    ours(daemon, "prefetch", lock([first], "pylock.office.toml"), "--pin", "office")
    assert _sets(ours, daemon) == {"lab": (2, 2), "office": (1, 1)}
    assert _held(ours, daemon)[first]["sets"] in ("lab, office", "office, lab")
    assert ours(daemon, "cache", "unpin", "lab").returncode == DONE
    _use(daemon, third, fourth, fifth)
    assert set(_held(ours, daemon)) == {first, fourth, fifth}
    ours(daemon, "prefetch", lock([fifth]), "--pin", "office")  # a set grows
    assert _sets(ours, daemon) == {"office": (2, 2)}


def test_more_than_fits_is_not_kept_and_said(start, ours, lock):
    daemon = start()
    done = ours(daemon, "prefetch", lock(NAMES), "--pin", "lab")
    assert done.returncode == FAILED and "could not be kept" in done.stderr
    assert len(_held(ours, daemon)) == 3 and _sets(ours, daemon) == {"lab": (5, 3)}
    ours(daemon, "cache", "unpin", "lab")
    _use(daemon, *(name for name in NAMES if name not in _held(ours, daemon)))
    assert len(_held(ours, daemon)) == 3


def test_a_set_becomes_a_bundle(start, ours, lock, tmp_path):
    daemon = start(max_size="100MB")
    first, second, third, _, _ = NAMES
    _use(daemon, third)
    ours(daemon, "prefetch", lock([first, second]), "--pin", "lab")
    done = ours(daemon, "export", "--pinned", "lab", "-o", tmp_path / "out", "--json")
    assert done.returncode == DONE, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {os.path.basename(f["path"]) for f in manifest["files"]} == {first, second}
    no_set = ours(daemon, "export", "--pinned", "nosuch", "-o", tmp_path / "none")
    assert no_set.returncode == FAILED and "no set has this name" in no_set.stderr
    both = ours(daemon, "export", "--pinned", "lab", "--all", "-o", tmp_path / "none")
    assert both.returncode == USAGE and not (tmp_path / "none").exists()


def test_a_set_that_is_not_whole_is_exported_and_said(start, ours, lock, origin, tmp_path):
    daemon = start()
    first, late = NAMES[:2]
    origin.change(f"/pytorch-wheels/cu126/{late}", status=404)
    ours(daemon, "prefetch", lock([first, late]), "--pin", "lab")
    done = ours(daemon, "export", "--pinned", "lab", "-o", tmp_path / "out")
    assert done.returncode == FAILED and f"{late} is not held" in done.stderr
    assert (tmp_path / "out" / "manifest.json").exists()


def test_names_and_dry_runs(start, ours, lock):
    daemon = start()
    for wrong in ("", "a/b", "-x", "a b", "x" * 65):
        assert ours(daemon, "prefetch", lock(NAMES[:1]), f"--pin={wrong}").returncode == USAGE
    assert ours(daemon, "prefetch", lock(NAMES[:1]), "--pin", "lab", "--dry-run").returncode == DONE
    assert _sets(ours, daemon) == {}
    assert ours(daemon, "cache", "pins", "lab").returncode == USAGE


def test_a_set_with_thousands_of_files(start, ours, tmp_path):
    """More than one request holds, and none of them is there."""
    daemon = start()
    text = 'lock-version = "1.0"\ncreated-by = "a test"\n'
    for number in range(3000):
        name = f"project{number}"
        url = f"https://files.pythonhosted.org/packages/{'ab' * 20}/{name}-1.0-py3-none-any.whl"
        text += f'[[packages]]\nname = "{name}"\nversion = "1.0"\n[[packages.wheels]]\nurl = "{url}"\n'
        text += f'hashes = {{ sha256 = "{number:064x}" }}\n'
    for name in ("x%0Ay", "x" * 40_000):  # these can be no files, and spoil no others
        url = f"https://files.pythonhosted.org/packages/{name}-1.0-py3-none-any.whl"
        text += f'[[packages]]\nname = "x"\nversion = "1.0"\n[[packages.wheels]]\nurl = "{url}"\n'
        text += f'hashes = {{ sha256 = "{0:064x}" }}\n'
    file = tmp_path / "pylock.toml"
    file.write_text(text)
    assert ours(daemon, "prefetch", file, "--pin", "big").returncode == FAILED
    assert _sets(ours, daemon) == {"big": (3000, 0)}
