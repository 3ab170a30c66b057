# SPDX-License-Identifier: Apache-2.0
"""From a network into a lab that has none: three parts, one of them damaged and one late, and then only
what another Python needs. What happens in the lab is in inside_lab.py, in a network namespace of its
own that has no route."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import bundles
import clients
from daemon import PATIENCE, all_mirrors, run_wheelyard
from test_projects import Poetry
from test_relock import PROJECT, relock
from wheels import PYTHON_TAG, PYTHON_TAGS

WRAP = ("unshare", "--net", "sh", "-c")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = next(tag for tag in reversed(PYTHON_TAGS) if tag > PYTHON_TAG)
HERE = ("--python", PYTHON, "--target", "here")

pytestmark = pytest.mark.skipif(
    not bundles.has_minisign(), reason="there is no minisign (scripts/bootstrap test)"
)


def _project(uv, daemon):
    """A project that holds for several Pythons, its official lock, and what uv exports of that."""
    folder = uv.home / "app"
    folder.mkdir(parents=True)
    wanted = json.dumps(["torch", "torchvision", "requests"])
    values = dict(torch=f"{daemon.url}/whl/cu126", rest=daemon.index(""), wanted=wanted)
    (folder / "pyproject.toml").write_text(PROJECT.format(python=f">={PYTHON}", **values))
    uv.run("lock", cwd=folder)
    where = ("--config", daemon.folder / "config.toml", "--from", daemon.url)
    relock(folder / "uv.lock", *where, "--official")
    for name, form in (("pylock.toml", "pylock.toml"), ("requirements.txt", "requirements.txt")):
        words = ("--frozen", "--no-emit-project", "--format", form, "-o", folder / name)
        uv.run("export", *words, cwd=folder)
    return folder


def _damage(part):
    """One bit of the last wheel in it, or of a piece of one."""
    data = bytearray(part.read_bytes())
    with tarfile.open(part) as archive:
        member = [m for m in archive if m.name.startswith("files/") and m.size > 100][-1]
    data[member.offset_data + 100] ^= 1
    part.write_bytes(data)


def _carried(folder):
    """The wheels in the parts. The manifest also names those of the earlier bundle."""
    found = set()
    for part in folder.glob("*.tar"):
        with tarfile.open(part) as archive:
            found |= {Path(m.name).name for m in archive if m.name.endswith(".whl")}
    return found


@pytest.fixture
def near(own_mirrors, serve, place):
    return serve(all_mirrors(own_mirrors, socket=str(place)))


@pytest.fixture
def ours(near, place, tmp_path):
    def run(*words, code=0):
        where = ("--config", near.folder / "config.toml", "--socket", place, "--url", near.url)
        done = run_wheelyard(*words, *where, home=tmp_path, seconds=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.mark.timeout(600)
def test_the_whole_way(near, ours, own_mirrors, uv, tmp_path):
    if subprocess.run([*WRAP, "ip link set lo up"], check=False, capture_output=True).returncode:
        pytest.skip("cannot make a network namespace here")
    Poetry(tmp_path / "unused"), clients.pip_wheel("newest")  # cannot be fetched in there
    key, app = bundles.Key(tmp_path / "keys"), _project(uv, near)
    lock, sign = app / "uv.lock", ("--sign", key.secret, "--split")
    ours("prefetch", lock, *HERE)
    first = tmp_path / "first"
    ours("export", "--lock", lock, *HERE, "-o", tmp_path / "whole", *sign, "1GB")
    size = next((tmp_path / "whole").glob("*.tar")).stat().st_size
    ours("export", "--lock", lock, *HERE, "-o", first, *sign, str(size * 2 // 5 // 1000 * 1000))
    parts = sorted(first.glob("*.tar"))
    assert len(parts) == 3 and key.verify(first / "manifest.json").returncode == 0

    # The second bundle: what another Python needs beside that. PyPI's stand-in has binary wheels
    # for this Python only, and prefetch says so.
    target = ("--python", f"{OTHER[2]}.{OTHER[3:]}", "--target", "here")
    ours("prefetch", lock, *target, code=1)
    second, since = tmp_path / "second", ("--since", first / "manifest.json")
    ours("export", "--lock", lock, *target, "-o", second, *since, *sign, "1GB", code=1)
    new = _carried(second)
    assert new and all(OTHER in name for name in new), new
    assert {name.split("-")[0] for name in new} == {"torch", "torchvision", "triton"}
    assert not new & _carried(first)

    near.stop()
    own_mirrors.stop()
    media = tmp_path / "media"  # a folder for each stick
    for number, part in enumerate(parts, 1):
        stick = media / str(number)
        stick.mkdir(parents=True)
        os.link(part, stick / part.name)
    bad = media / "bad"
    bad.mkdir()
    (bad / parts[1].name).write_bytes(parts[1].read_bytes())
    _damage(bad / parts[1].name)
    said = dict(app=str(app), media=str(media), second=str(second), key=str(key.public))
    said |= dict(near=near.url, config=all_mirrors(own_mirrors), other=OTHER)
    (tmp_path / "lab.json").write_text(json.dumps(said))
    inside = Path(__file__).with_name("inside_lab.py")
    tests = f'"{sys.executable}" -m pytest -q --basetemp={tmp_path}/inside {inside}'
    done = subprocess.run(
        (*WRAP, f"ip link set lo up && {tests}"),
        env={**os.environ, "WHEELYARD_LAB": str(tmp_path / "lab.json")},
        capture_output=True,
        text=True,
        check=False,
        timeout=150 * PATIENCE,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
