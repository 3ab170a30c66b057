# SPDX-License-Identifier: Apache-2.0
"""`wheelyard relock`: a real uv's locks lead to the daemon, install from there, and come back to the byte."""

import json
import os
import tomllib
from pathlib import Path

import pytest

from clients import REQUIRES_PYTHON, installed
from daemon import ROOT, all_mirrors, run_wheelyard

DATA = Path(os.environ.get("WHEELYARD_DATA", ROOT.parent / "shared" / "data"))
DONE, NOT, USAGE = 0, 1, 2
PROJECT = """
[project]
name = "app"
version = "0"
requires-python = "{python}"
dependencies = {wanted}

[tool.uv.sources]
torch = {{ index = "pytorch" }}
torchvision = {{ index = "pytorch" }}

[[tool.uv.index]]
name = "pytorch"
url = "{torch}"
explicit = true

[[tool.uv.index]]
name = "rest"
url = "{rest}"
default = true
"""


def relock(lock, *arguments, code=DONE):
    done = run_wheelyard("relock", lock, *arguments, home=Path(lock).parent)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def locked(uv, torch, rest, *wanted):
    folder = uv.home / "app"
    folder.mkdir(parents=True)
    values = dict(python=REQUIRES_PYTHON, torch=torch, rest=rest, wanted=json.dumps(wanted))
    (folder / "pyproject.toml").write_text(PROJECT.format(**values))
    uv.run("lock", cwd=folder)
    return folder / "uv.lock"


def synced(uv, lock):
    uv.run("sync", "--frozen", "--cache-dir", uv.home / "cache-of-its-own", cwd=lock.parent)
    (site,) = (lock.parent / ".venv" / "lib").glob("python*/site-packages")
    return installed(site)


def addresses(lock):
    """Of every file, and of every index."""
    for package in tomllib.loads(lock.read_text())["package"]:
        yield package["source"].get("registry")
        for file in package.get("wheels", []) + [package.get("sdist", {})]:
            yield file.get("url")


def hosts(lock):
    return {address.split("/")[2] for address in addresses(lock) if address}


def test_a_lock_of_mirrors_installs_through_us_and_comes_back(own_mirrors, serve, uv):
    daemon = serve(all_mirrors(own_mirrors))
    config = daemon.folder / "config.toml"
    lock = locked(uv, f"{own_mirrors.official.url}/whl/cu126", f"{own_mirrors.pypi.url}/simple", "torch")
    original = lock.read_bytes()
    relock(lock, "--config", config, "--to", daemon.url, "--check", code=NOT)
    assert lock.read_bytes() == original
    told = relock(lock, "--config", config, "--to", daemon.url)
    assert f"lead to {daemon.url}" in told
    assert hosts(lock) == {daemon.url.split("/")[2]}
    assert "nothing to change" in relock(lock, "--config", config, "--to", daemon.url, "--check")
    found = synced(uv, lock)
    assert found["torch"] == "2.9.0+cu126" and found["triton"] == "3.5.0"
    relock(lock, "--config", config, "--from", daemon.url, "--official")
    assert lock.read_bytes() == original


def test_a_lock_of_ours_becomes_official_and_ours_again(mirrors, serve, uv):
    daemon = serve(all_mirrors(mirrors))
    config = daemon.folder / "config.toml"
    lock = locked(uv, f"{daemon.url}/whl/cu126", daemon.index(""), "torch", "torchvision")
    ours = lock.read_bytes()
    relock(lock, "--config", config, "--from", daemon.url, "--official")
    assert hosts(lock) == {"download.pytorch.org", "pypi.org", "files.pythonhosted.org"}
    relock(lock, "--config", config, "--to", daemon.url)
    assert lock.read_bytes() == ours
    assert synced(uv, lock)["torchvision"] == "0.24.0+cu126"


def test_pylock_and_requirements_install_through_us(mirrors, serve, uv, pip):
    """What uv writes of a project, with official addresses; installed by uv, and by pip."""
    daemon = serve(all_mirrors(mirrors))
    config = daemon.folder / "config.toml"
    lock = locked(uv, f"{daemon.url}/whl/cu126", daemon.index(""), "torch")
    relock(lock, "--config", config, "--from", daemon.url, "--official")
    written_by_uv = {}
    for name, form in (("pylock.toml", "pylock.toml"), ("requirements.txt", "requirements.txt")):
        file = lock.parent / name
        uv.run("export", "--frozen", "--no-emit-project", "--format", form, "-o", file, cwd=lock.parent)
        if form == "requirements.txt":
            file.write_text("--index-url https://download.pytorch.org/whl/cu126\n" + file.read_text())
        written_by_uv[file] = file.read_bytes()
        relock(file, "--config", config, "--to", daemon.url)
        assert daemon.url in file.read_text() and "https://" not in file.read_text()
    pylock, listed = written_by_uv
    target = uv.home / "target"
    uv.run("pip", "sync", "--target", target, pylock, cwd=lock.parent)
    assert installed(target)["torch"] == "2.9.0+cu126"
    assert installed(pip.install("--require-hashes", "-r", listed))["torch"] == "2.9.0+cu126"
    for file, text in written_by_uv.items():
        relock(file, "--config", config, "--from", daemon.url, "--official")
        assert file.read_bytes() == text


def test_what_was_download_r2_comes_back_as_that(mirrors, serve, uv):
    """Its host is kept in the path, and the daemon has the file there, too."""
    daemon = serve(all_mirrors(mirrors))
    config = daemon.folder / "config.toml"
    lock = locked(uv, f"{daemon.url}/whl/cu126", daemon.index(""), "torch", "torchvision")
    relock(lock, "--config", config, "--from", daemon.url, "--official")
    site = "https://download.pytorch.org/whl/cu126/torchvision-"
    text = lock.read_text().replace(site, site.replace("download.", "download-r2."))
    lock.write_text(text)
    relock(lock, "--config", config, "--to", daemon.url)
    assert f"{daemon.url}/mirror/download-r2.pytorch.org/whl/cu126/torchvision-" in lock.read_text()
    assert synced(uv, lock)["torchvision"] == "0.24.0+cu126"
    relock(lock, "--config", config, "--from", daemon.url, "--official")
    assert lock.read_text() == text


def test_one_index_for_all_becomes_the_owners(mirrors, serve, uv):
    """What was locked through /cu126/simple: PyTorch's own names there, the rest at PyPI."""
    daemon = serve(all_mirrors(mirrors))
    lock = locked(uv, daemon.index("cu126"), daemon.index("cu126"), "torch")
    relock(lock, "--config", daemon.folder / "config.toml", "--from", daemon.url, "--official")
    packages = tomllib.loads(lock.read_text())["package"]
    registries = {p["name"]: p["source"].get("registry") for p in packages}
    assert registries["torch"] == "https://download.pytorch.org/whl/cu126"
    assert registries["triton"] == "https://pypi.org/simple"


# ------------------------------------------------------------------ no client

CONFIG = 'listen = ["127.0.0.1:4242"]\nhosts = ["wheels.lab"]\n'
WHEEL = "packages/aa/bb/cc/a-1-py3-none-any.whl"


@pytest.fixture(name="config")
def _config(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(CONFIG)
    return file


def written(tmp_path, text, name="requirements.txt"):
    file = tmp_path / name
    file.write_bytes(text.encode())
    return file


def test_every_byte_but_the_addresses_stays(tmp_path, config):
    text = (
        "\ufeff# https://files.pythonhosted.org/ stays in a comment\r\n"
        "--index-url https://pypi.org/simple/\r\n"
        "-f https://download-r2.pytorch.org/whl/cu126\r\n"
        f"a @ https://files.pythonhosted.org/{WHEEL}?x=1 ; python_version > '3' \\\r\n"
        "   --hash=sha256:00\r\n"
    )
    lock = written(tmp_path, text)
    relock(lock, "--config", config)
    ours = "http://localhost:4242"
    assert lock.read_bytes().decode() == (
        text.replace("https://pypi.org/simple/", f"{ours}/simple/")
        .replace("https://download-r2.pytorch.org/", f"{ours}/mirror/download-r2.pytorch.org/")
        .replace("https://files.pythonhosted.org/p", f"{ours}/files/pypi/p")
    )
    relock(lock, "--config", config, "--official")
    assert lock.read_bytes().decode() == text


def test_one_that_cannot_be_changed_leaves_all(tmp_path, config):
    text = f"a @ https://files.pythonhosted.org/{WHEEL}\n\nb @ https://else.example/b-1-py3-none-any.whl\n-e .\n"
    lock = written(tmp_path, text)
    told = relock(lock, "--config", config, code=NOT)
    assert "requirements.txt:3: https://else.example/b-1-py3-none-any.whl: no origin" in told
    assert lock.read_text() == text
    answer = json.loads(relock(lock, "--config", config, "--json", code=NOT))
    assert [(one["line"], one["address"]) for one in answer["unmapped"]] == [
        (3, "https://else.example/b-1-py3-none-any.whl")
    ]
    assert answer["changed"] == 0 and answer["skipped"][0]["line"] == 4


def test_into_another_file(tmp_path, config):
    lock = written(tmp_path, "-i https://pypi.org/simple\n")
    relock(lock, "--config", config, "--to", "https://wheels.lab/", "-o", tmp_path / "new.txt")
    assert lock.read_text() == "-i https://pypi.org/simple\n"
    assert (tmp_path / "new.txt").read_text() == "-i https://wheels.lab/simple\n"
    # A name of the configuration's is ours without being told.
    relock(tmp_path / "new.txt", "--config", config, "--official")
    assert (tmp_path / "new.txt").read_text() == lock.read_text()


def test_a_wheelyard_that_nobody_told_about(tmp_path, config):
    lock = written(tmp_path, f"a @ http://other.lab/files/pypi/{WHEEL}\n")
    told = relock(lock, "--config", config, "--official")
    assert "nothing to change" in told and f"http://other.lab/files/pypi/{WHEEL} looks like" in told
    relock(lock, "--config", config, "--official", "--from", "http://other.lab")
    assert lock.read_text() == f"a @ https://files.pythonhosted.org/{WHEEL}\n"


def test_another_wheelyard_of_ours(tmp_path, config):
    lock = written(tmp_path, f"-i http://wheels.lab:4242/simple\na @ http://localhost:4242/files/pypi/{WHEEL}\n")
    relock(lock, "--config", config, "--to", "http://new.lab:1")
    assert lock.read_text() == f"-i http://new.lab:1/simple\na @ http://new.lab:1/files/pypi/{WHEEL}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--to", "http://h:1", "--official"),
        ("--to", "h:1"),
        ("--to", 'http://h:1/"'),
        ("--check", "-o", "x"),
        ("--tp", "http://h:1"),
    ],
    ids=" ".join,
)
def test_usage(tmp_path, config, arguments):
    lock = [written(tmp_path, "-i https://pypi.org/simple\n")] if arguments else []
    done = run_wheelyard("relock", *lock, *arguments, "--config", config, home=tmp_path)
    assert done.returncode == USAGE, done
    if lock:
        assert lock[0].read_text() == "-i https://pypi.org/simple\n"


def test_a_lock_that_cannot_be_read(tmp_path, config):
    told = relock(written(tmp_path, "version = 1\n[[package]]\nname = 'a'\n", "uv.lock"), "--config", config, code=NOT)
    assert "uv.lock:2: a package without a source" in told
    assert "there is no such file" in relock(tmp_path / "gone.lock", "--config", config, code=NOT)


def test_the_saved_locks_come_back(tmp_path, config):
    """download-r2 among them: its host is kept in the path."""
    if not (DATA / "locks").is_dir():
        pytest.skip(f"no saved locks in {DATA}")
    changed = 0
    for saved in sorted((DATA / "locks").rglob("*")):
        if not saved.is_file() or saved.suffix == ".gz" or "invalid.toml" in saved.name:
            continue
        lock = tmp_path / saved.name
        lock.write_bytes(saved.read_bytes())
        done = run_wheelyard("relock", lock, "--config", config, "--json", home=tmp_path)
        answer = json.loads(done.stdout)
        assert (done.returncode == NOT) == bool(answer["unmapped"])
        if not answer["unmapped"]:
            changed += answer["changed"]
            assert (lock.read_bytes() == saved.read_bytes()) == (answer["changed"] == 0)
            assert not [a for a in (b"https://files.pythonhosted.org", b"https://download-r2") if a in lock.read_bytes()]
        relock(lock, "--config", config, "--official")
        assert lock.read_bytes() == saved.read_bytes(), saved
    assert changed > 2000
