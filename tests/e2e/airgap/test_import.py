# SPDX-License-Identifier: Apache-2.0
"""`wheelyard import`: what `export` wrote on one machine is served, offline, by another."""

import json
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import bundles
import clients
import wire
from daemon import binary, configuration, daemon_environment, flat_mirror, pypi_mirror, run_wheelyard
from test_export import daemon as online  # noqa: F401 (a fixture)
from test_export import TORCH, UPLOADED, export, wheels  # noqa: F401 (fixtures)

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3

pytestmark = pytest.mark.skipif(
    not bundles.has_minisign(), reason="there is no minisign (scripts/bootstrap test)"
)


@pytest.fixture
def key(tmp_path):
    return bundles.Key(tmp_path / "key")


@pytest.fixture
def bundle(online, export, key, tmp_path):  # noqa: F811
    """Three wheels in several parts, the largest in pieces; the machine they came from is gone."""
    out = tmp_path / "out"
    done = export("--all", "-o", out, "--name", "lab", "--split", "150kB", "--sign", key.secret)
    assert done.returncode == DONE, done.stderr
    online.stop()
    return out


@pytest.fixture
def lab(serve, place):  # noqa: F811
    """The daemon of the far side; its mirrors are nowhere."""

    def run(cache_dir=None, **top):
        place.parent.mkdir(exist_ok=True)
        mirrors = {
            "pytorch": [flat_mirror("flat", "http://127.0.0.1:1")],
            "pypi": [pypi_mirror("tuna", "http://127.0.0.1:1")],
        }
        config = configuration(**mirrors, socket=str(place), offline=True, **top)
        return serve(config, cache_dir=cache_dir)

    return run


@pytest.fixture
def bring(place, key, tmp_path):  # noqa: F811
    """wheelyard import PATH..., by the key of the lab."""

    def run(*paths, with_key=key, options=()):
        given = ["--key", with_key.public] if with_key else []
        arguments = (*paths, *given, *options, "--socket", place)
        return run_wheelyard("import", *arguments, home=tmp_path, seconds=60)

    return run


def parts_of(folder):
    return sorted(folder.glob("*.part*.tar"))


def test_the_far_side_installs_with_no_network(bundle, lab, bring, tmp_path):
    daemon = lab()
    parts = parts_of(bundle)
    assert len(parts) >= 3
    random.Random(1).shuffle(parts)
    done = bring(*parts)
    assert (done.returncode, done.stderr) == (DONE, "")
    assert done.stdout == "3 files imported, 0 were there already\n"
    for name, client in (
        ("uv", clients.Uv(tmp_path / "uv")),
        ("pip", clients.Pip(tmp_path / "pip", clients.pip_wheel("newest"))),
    ):
        target = tmp_path / f"with-{name}"
        arguments = ["--default-index" if name == "uv" else "--index-url", daemon.index(), "torch"]
        client.run(*(["pip"] if name == "uv" else []), "install", "--target", target, *arguments)
        assert clients.installed(target) == {"torch": TORCH, "alpha": "1.0"}


def test_pages_say_what_they_said_where_the_files_came_from(bundle, lab, bring, wheels):  # noqa: F811
    daemon = lab()
    assert daemon.page("alpha", index="").status == 404
    assert bring(bundle).returncode == DONE
    files = {f["filename"]: f for f in daemon.page("alpha", index="").json()["files"]}
    assert set(files) == {wheels[name].name for name in ("alpha", "yanked")}
    alpha, yanked = files[wheels["alpha"].name], files[wheels["yanked"].name]
    assert (alpha["requires-python"], alpha["upload-time"]) == (">=3.7", UPLOADED)
    assert yanked["yanked"] == "broken on Tuesdays" and not alpha.get("yanked")
    digests = {f["filename"]: f["hashes"].get("sha256") for f in files.values()}
    assert all(digests.values())
    listed = daemon.get("/simple/", {"Accept": wire.JSON}).json()["projects"]
    assert listed == [{"name": "alpha"}]


def test_it_is_idempotent_and_outlives_a_crash(bundle, lab, bring, wheels):  # noqa: F811
    daemon = lab()
    assert bring(bundle).returncode == DONE
    again = bring(bundle)
    assert again.stdout == "0 files imported, 3 were there already\n" and again.returncode == DONE
    daemon.kill()
    after = lab(cache_dir=daemon.cache_dir)
    url = after.file_url("pytorch", f"cu126/{wheels['torch'].name}")
    assert wire.ask(url).body == wheels["torch"].read_bytes()


def test_a_late_part_completes_it(bundle, lab, bring, tmp_path):
    lab()
    late = parts_of(bundle)[1]
    aside = Path(shutil.move(late, tmp_path / late.name))
    done = bring(bundle)
    assert done.returncode == FAILED
    assert f"({late.name}) is missing" in done.stderr
    then = bring(aside, bundle)
    assert then.returncode == DONE, then.stderr


def test_a_damaged_part_is_named_and_the_rest_is_imported(bundle, lab, bring):
    daemon = lab()
    part = parts_of(bundle)[-1]
    good = part.read_bytes()
    part.write_bytes(good[:-3000] + bytes(b ^ 255 for b in good[-3000:-2000]) + good[-2000:])
    done = bring(bundle, options=["--json"])
    said = json.loads(done.stdout)
    assert done.returncode == FAILED and said["lacking"] >= 1
    assert any(part.name in line and "damaged" in line for line in said["problems"])
    assert said["kept"] == daemon.status()["cache"]["blobs"]
    part.write_bytes(good)
    assert bring(bundle).returncode == DONE


def test_a_cache_that_is_too_small_for_all_of_it(bundle, lab, bring):
    """Each file enters it, and the last ones take the place of the first ones: that is not done."""
    small = lab(max_size="330kB")
    done = bring(bundle)
    assert done.returncode == FAILED and "3 files imported" in done.stdout
    held = small.status()["cache"]["blobs"]
    assert 0 < held < 3
    assert f"too small for all files of the bundle: {3 - held} had to go" in done.stderr
    assert "raise max_size" in done.stderr
    small.stop()
    lab(small.cache_dir)
    assert bring(bundle).returncode == DONE


def test_what_is_not_signed_by_the_key_is_refused(bundle, lab, bring, tmp_path):
    daemon = lab()
    other = bundles.Key(tmp_path / "other")
    refused = bring(bundle, with_key=other)
    assert refused.returncode == FAILED and "signed by another key" in refused.stderr
    unknown = bring(bundle, with_key=None)
    assert unknown.returncode == FAILED and "no public key was given" in unknown.stderr
    assert daemon.status()["cache"]["blobs"] == 0
    forced = bring(bundle, with_key=None, options=["--unsigned"])
    assert forced.returncode == DONE


@pytest.mark.parametrize("seed", range(20))
def test_killed_at_any_moment_and_run_again(bundle, lab, bring, place, key, tmp_path, seed):  # noqa: F811
    """Command and daemon die at a moment of chance; what is there is whole, and the rest comes."""
    daemon = lab()
    command = [binary(), "import", bundle, "--key", key.public, "--socket", place]
    with subprocess.Popen(
        command,
        env=daemon_environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        time.sleep(random.Random(seed).uniform(0, 0.1))  # the moment, not a wait for anything
        process.kill()
    if seed % 2:
        daemon.kill()
        daemon = lab(cache_dir=daemon.cache_dir)
    done = bring(bundle)
    assert done.returncode == DONE, done.stderr
    assert daemon.status()["cache"]["blobs"] == 3


def test_usage(bring, tmp_path, bundle):
    assert bring().returncode == USAGE
    assert bring(bundle, options=["--nosuch"]).returncode == USAGE
    empty = tmp_path / "empty"
    empty.mkdir()
    nobody = run_wheelyard("import", bundle, "--socket", tmp_path / "no.sock", home=tmp_path)
    assert nobody.returncode == UNREACHABLE
