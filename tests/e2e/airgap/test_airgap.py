# SPDX-License-Identifier: Apache-2.0
"""docs/airgap.md, played: every command in its order, from one machine to the other."""

import platform
import shlex
import subprocess

import pytest

import bundles
from clients import Uv, installed
from daemon import all_mirrors, run_wheelyard
from documents import HERE, blocks_of, commands
from test_relock import locked, relock

PYTHON = ".".join(platform.python_version_tuple()[:2])
LINES = [line for block in blocks_of("docs/airgap.md") for line in commands(block)]

pytestmark = pytest.mark.skipif(
    not bundles.has_minisign(), reason="there is no minisign (scripts/bootstrap test)"
)


def test_the_walk_through(own_mirrors, serve, uv, place, tmp_path):
    near = serve(all_mirrors(own_mirrors, socket=str(place)))
    lock = locked(uv, f"{near.url}/whl/cu126", near.index(""), "torch")
    relock(lock, "--config", near.folder / "config.toml", "--from", near.url, "--official")
    official = lock.read_bytes()
    daemon, played = near, []
    for line in LINES:
        if line == "offline = true":
            near.stop()
            own_mirrors.stop()
            daemon = serve(all_mirrors(own_mirrors, socket=str(place), offline=True))
            continue
        line = line.replace("3.12", PYTHON).replace("/media/", f"{tmp_path}/")
        words = shlex.split(line.replace("uv.lock", str(lock)).replace(HERE, daemon.url))
        words = [str(tmp_path / word) if word in ("lab.pub", "lab.key") else word for word in words]
        played.append(words[:2])
        if words[0] == "minisign":
            subprocess.run(words, check=True, capture_output=True)
        elif words[0] == "uv":
            Uv(tmp_path / "client").run(*words[1:], cwd=lock.parent)
        else:
            assert words[0] == "wheelyard"
            _ours(words[1:], daemon, place, tmp_path)
    assert [words[1] for words in played] == [
        *("-G", "prefetch", "prefetch", "export", "cache", "export", "cache"),
        *("verify", "import", "relock", "sync", "relock"),
    ]
    (site,) = (lock.parent / ".venv" / "lib").glob("python*/site-packages")
    assert installed(site)["torch"] == "2.9.0+cu126"
    assert lock.read_bytes() == official


def _ours(words, daemon, place, home):
    where = [] if words[0] == "cache" else ["--config", daemon.folder / "config.toml"]
    if words[0] in ("prefetch", "export"):
        where += ["--socket", place, "--url", daemon.url]
    elif words[0] in ("import", "cache"):
        where += ["--socket", place]
    done = run_wheelyard(*words, *where, home=home, seconds=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cache_folder_that_was_copied(own_mirrors, serve, tmp_path):
    """With tar, as it is; the copy serves what the first one held, with no mirror."""
    near = serve(all_mirrors(own_mirrors))
    Uv(tmp_path / "one").run(
        *("pip", "install", "--target", tmp_path / "a", "--default-index", near.index(), "torch==2.9.0")
    )
    before = near.page("torch").json()["files"]
    near.stop()
    own_mirrors.stop()
    packed, far = tmp_path / "cache.tar", tmp_path / "copied"
    subprocess.run(["tar", "-cf", packed, "-C", near.cache_dir, "."], check=True)
    far.mkdir()
    subprocess.run(["tar", "-xf", packed, "-C", far], check=True)
    lab = serve(all_mirrors(own_mirrors, offline=True), cache_dir=far)
    held = {f["filename"]: f for f in lab.page("torch").json()["files"]}
    assert held and all(f["hashes"] == held[f["filename"]]["hashes"] for f in before if f["filename"] in held)
    Uv(tmp_path / "two").run(
        *("pip", "install", "--target", tmp_path / "b", "--default-index", lab.index(), "torch==2.9.0")
    )
    assert installed(tmp_path / "b") == installed(tmp_path / "a")
