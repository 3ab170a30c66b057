# SPDX-License-Identifier: Apache-2.0
"""`wheelyard prefetch`: the files of lock files enter the cache, and `uv sync --frozen` needs no network."""

import json
import platform
import re
import shutil

import pytest

from clients import installed
from daemon import all_mirrors, run_wheelyard
from test_relock import locked, relock, synced

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
PYTHON = ".".join(platform.python_version_tuple()[:2])
HERE = ("--python", PYTHON, "--target", "here")


@pytest.fixture
def start(own_mirrors, serve, place):
    def run(cache_dir=None, **top):
        return serve(all_mirrors(own_mirrors, socket=str(place), **top), cache_dir=cache_dir)

    return run


@pytest.fixture
def lock(start, uv, tmp_path):
    """A uv.lock with official addresses, made through a daemon that is gone."""
    daemon = start()
    made = locked(uv, f"{daemon.url}/whl/cu126", daemon.index(""), "torch")
    relock(made, "--config", daemon.folder / "config.toml", "--from", daemon.url, "--official")
    daemon.stop()
    return made


@pytest.fixture
def prefetch(place, tmp_path):
    def run(daemon, *arguments):
        common = ("--config", daemon.folder / "config.toml", "--socket", place, "--url", daemon.url)
        return run_wheelyard("prefetch", *arguments, *common, home=tmp_path, seconds=120)

    return run


def plan(done):
    return json.loads(done.stdout)


def names(said):
    return {f["name"] for f in said["files"]}


def test_a_frozen_sync_with_no_network(lock, start, prefetch, own_mirrors, uv):
    daemon = start()
    dry = prefetch(daemon, lock, *HERE, "--dry-run", "--json")
    assert dry.returncode == DONE, dry.stderr
    said = plan(dry)
    assert any(name.startswith("torch-2.9.0+cu126") for name in names(said))
    assert not any(f["held"] for f in said["files"]) and said["bytes"] > 0
    assert daemon.status()["cache"]["blobs"] == 0
    done = prefetch(daemon, lock, *HERE)
    assert done.returncode == DONE, done.stderr
    assert f"{len(said['files'])} of {len(said['files'])}: " in done.stdout
    again = plan(prefetch(daemon, lock, *HERE, "--json"))
    assert all(f["held"] for f in again["files"]) and names(again) == names(said)
    daemon.stop()
    own_mirrors.stop()
    offline = start(cache_dir=daemon.cache_dir, offline=True)
    relock(lock, "--config", offline.folder / "config.toml", "--to", offline.url)
    assert synced(uv, lock)["torch"] == "2.9.0+cu126"


def test_one_target_is_less_than_all(lock, start, prefetch):
    daemon = start()
    all_of_it = plan(prefetch(daemon, lock, "--dry-run", "--json"))
    one = plan(prefetch(daemon, lock, *HERE, "--dry-run", "--json"))
    two = ("--python", PYTHON, "--platform", "linux_x86_64", "--platform", "win_amd64")
    both = plan(prefetch(daemon, lock, *two, "--dry-run", "--json"))
    assert names(one) < names(all_of_it)
    assert names(one) <= names(both) <= names(all_of_it)


def test_what_uv_exports_wants_the_same_files(lock, start, prefetch, uv):
    daemon = start()
    wanted = names(plan(prefetch(daemon, lock, *HERE, "--dry-run", "--json")))
    for name, form in (("pylock.toml", "pylock.toml"), ("requirements.txt", "requirements.txt")):
        file = lock.parent / name
        uv.run("export", "--frozen", "--no-emit-project", "--format", form, "-o", file, cwd=lock.parent)
        done = prefetch(daemon, file, *HERE, "--dry-run", "--json", "--index", "cu126")
        assert done.returncode == DONE, done.stderr
        assert wanted <= names(plan(done))
        others = names(plan(done)) - wanted
        assert not [n for n in others if re.search("win_|win32|macosx|aarch64", n)]


def test_a_digest_that_no_mirror_has(lock, start, prefetch):
    daemon = start()
    text = lock.read_text()
    hashes = re.findall(r"torch-2\.9\.0%2Bcu126[^\n]*sha256:([0-9a-f]{64})", text)
    assert hashes
    for known in hashes:
        text = text.replace(known, "0" * 64)
    lock.write_text(text)
    done = prefetch(daemon, lock, *HERE)
    assert done.returncode == FAILED and "torch-2.9.0+cu126" in done.stderr
    held = plan(prefetch(daemon, lock, *HERE, "--dry-run", "--json"))["files"]
    assert {f["held"] for f in held if f["name"].startswith("torch-2.9.0")} == {False}


def test_what_cannot_be_had_is_named_with_its_line(start, prefetch, tmp_path):
    daemon = start()
    file = tmp_path / "requirements.txt"
    file.write_text(
        "elsewhere @ https://example.invalid/elsewhere-1.0-py3-none-any.whl \\\n"
        f"    --hash=sha256:{'1' * 64}\n"
        "ours @ git+https://example.invalid/ours.git\n"
    )
    done = prefetch(daemon, file, "--dry-run", "--json")
    said = plan(done)
    assert done.returncode == FAILED and said["files"] == []
    assert {1, 3} <= {skip["line"] for skip in said["skipped"]}
    assert any("no site or mirror" in skip["reason"] for skip in said["skipped"])


def test_errors_and_usage(start, prefetch, place, tmp_path):
    daemon = start()
    broken = tmp_path / "uv.lock"
    broken.write_text("version = 1\n[[package\n")
    said = prefetch(daemon, broken, "--dry-run")
    assert said.returncode == FAILED and "uv.lock:2" in said.stderr
    assert prefetch(daemon, tmp_path / "no.lock").returncode == FAILED
    assert prefetch(daemon).returncode == USAGE
    assert prefetch(daemon, broken, "--nosuch").returncode == USAGE
    assert prefetch(daemon, broken, "--python", "3.12", "--platform", "amiga").returncode == USAGE
    many = prefetch(daemon, broken, *(word for i in range(65) for word in ("--extra", f"extra{i}")))
    assert many.returncode == USAGE and "at most 64 times --extra" in many.stderr
    daemon.stop()
    assert prefetch(daemon, broken).returncode == UNREACHABLE


def test_a_lock_becomes_a_bundle_and_a_lab(lock, start, prefetch, own_mirrors, uv, place, tmp_path):
    """The whole way: lock in, bundle out, and `uv sync --frozen` where nothing has ever been fetched."""
    daemon = start()
    common = ("--config", daemon.folder / "config.toml", "--url", daemon.url, "--socket", place)
    out = tmp_path / "out"
    bundle = ("--lock", lock, *HERE, "-o", out, *common)
    early = run_wheelyard("export", *bundle, home=tmp_path, seconds=60)
    assert early.returncode == FAILED and "`wheelyard prefetch` fetches it" in early.stderr
    shutil.rmtree(out)
    said = plan(prefetch(daemon, lock, *HERE, "--json"))
    done = run_wheelyard("export", *bundle, home=tmp_path, seconds=60)
    assert done.returncode == DONE, done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert {f["path"].rsplit("/", 1)[-1] for f in manifest["files"]} == names(said)
    assert [(one["name"], len(one["files"])) for one in manifest["locks"]] == [
        ("uv.lock", len(said["files"]))
    ]
    daemon.stop()
    own_mirrors.stop()
    lab = start(offline=True)
    arguments = (out, "--unsigned", "--socket", place)
    done = run_wheelyard("import", *arguments, home=tmp_path, seconds=60)
    assert (done.returncode, done.stderr) == (DONE, "")
    relock(lock, "--config", lab.folder / "config.toml", "--to", lab.url)
    assert synced(uv, lock)["torch"] == "2.9.0+cu126"


def test_what_a_lock_needs_and_no_bundle_brought(lock, start, prefetch, place, tmp_path):
    daemon = start()
    common = ("--config", daemon.folder / "config.toml", "--url", daemon.url, "--socket", place)
    said = plan(prefetch(daemon, lock, *HERE, "--json"))
    gone = said["files"][0]
    removed = run_wheelyard("cache", "rm", gone["name"], "--socket", place, home=tmp_path)
    assert removed.returncode == DONE, removed.stderr
    out = tmp_path / "out"
    run_wheelyard("export", "--lock", lock, *HERE, "-o", out, *common, home=tmp_path, seconds=60)
    daemon.stop()
    start(offline=True)
    done = run_wheelyard("import", out, "--unsigned", "--socket", place, home=tmp_path, seconds=60)
    assert done.returncode == FAILED
    assert "uv.lock needs 1 file that no bundle brought" in done.stderr and gone["name"] in done.stderr
