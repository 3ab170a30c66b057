# SPDX-License-Identifier: Apache-2.0
"""What test_two_networks.py runs in a network namespace that has a loopback device and nothing else.
WHEELYARD_LAB names a JSON file: the project, the sticks, the public key, the configuration."""

import json
import os
import subprocess
from pathlib import Path

import bundles
import clients
import wire
from daemon import run_wheelyard
from test_bundle import http_server
from test_pixi import metadata_by_range, newest_wheel, page_of, whole_wheel
from test_projects import Poetry, site_packages
from test_relock import relock
from wheels import PYTHON_TAG

DONE, FAILED = 0, 1
TORCH = "2.9.0+cu126"


def _lab():
    return json.loads(Path(os.environ["WHEELYARD_LAB"]).read_text())


def _command(daemon, place, home, name, *words):
    where = ["--config", daemon.folder / "config.toml"] + (["--socket", place] if name == "import" else [])
    return run_wheelyard(name, *words, *where, home=home, seconds=60)


def _import_all(lab, daemon, place, home):
    """One part is damaged and one is late; the good copies of both complete the bundle."""
    media, key = Path(lab["media"]), ("--key", lab["key"])
    one, late, bad, good = media / "1", media / "3", media / "bad", media / "2"
    (spoilt,), (missing,) = bad.glob("*.tar"), late.glob("*.tar")
    done = _command(daemon, place, home, "verify", bad, one, *key)
    assert done.returncode == FAILED
    assert f"({spoilt.name}) is damaged: 1 file" in done.stdout
    assert f"({missing.name}) is missing" in done.stdout
    assert done.stdout.count("is damaged") == done.stdout.count("is missing") == 1
    done = _command(daemon, place, home, "import", bad, one, *key)
    assert done.returncode == FAILED and "uv.lock needs " in done.stderr
    begun = daemon.status()["cache"]["blobs"]
    assert begun > 0
    done = _command(daemon, place, home, "import", late, good, *key, "--json")
    assert json.loads(done.stdout)["kept"] > 0
    done = _command(daemon, place, home, "import", late, good, one, *key)
    assert done.returncode == DONE, done.stderr
    assert "0 files imported, " in done.stdout and daemon.status()["cache"]["blobs"] > begun


def _with_uv(lab, daemon, home):
    """`uv sync --frozen` goes to the addresses in the lock, `uv sync` asks the index as well."""
    app = Path(lab["app"])
    project = app / "pyproject.toml"
    project.write_text(project.read_text().replace(lab["near"], daemon.url))
    relock(app / "uv.lock", "--config", daemon.folder / "config.toml", "--to", daemon.url)
    for number, words in enumerate((["--frozen"], [])):
        uv = clients.Uv(home / f"uv-{number}")
        uv.environment["UV_PROJECT_ENVIRONMENT"] = str(uv.home / ".venv")
        uv.run("sync", *words, cwd=app)
        found = clients.installed(site_packages(uv.home))
        assert found["torch"] == TORCH and {"torchvision", "requests", "urllib3"} <= set(found)


def _with_pip(lab, daemon, home):
    app = Path(lab["app"])
    pip = clients.Pip(home / "pip", clients.pip_wheel("newest"))
    where = ("--index-url", daemon.index(), "-r", app / "requirements.txt")
    found = clients.installed(pip.install("--require-hashes", *where))
    assert found["torch"] == TORCH and "requests" in found
    relock(app / "pylock.toml", "--config", daemon.folder / "config.toml", "--to", daemon.url)
    pip = clients.Pip(home / "pip-of-a-pylock", clients.pip_wheel("newest"))
    found = clients.installed(pip.install("--no-index", "-r", app / "pylock.toml"))
    assert found["torch"] == TORCH and "requests" in found


def _with_poetry(daemon, home):
    poetry = Poetry(home / "poetry")
    folder = poetry.home / "app"
    folder.mkdir()
    poetry.write(folder, daemon.index())
    poetry.lock(folder)
    poetry.sync(folder)
    assert clients.installed(site_packages(folder))["torch"] == TORCH


def _as_pixi_asks(daemon):
    """With index-url: there is no pixi in the registries, so its requests are replayed."""
    for project, tags in (("torch", PYTHON_TAG), ("torchvision", PYTHON_TAG), ("requests", "any")):
        url, reply = page_of(daemon.index(), project)
        wheel = newest_wheel(url, reply, tags)
        size, _ = metadata_by_range(wheel)
        assert len(whole_wheel(wheel)) == size


def _without_wheelyard(lab, home):
    """The unpacked parts are an index, with no daemon and no network."""
    tree = home / "tree"
    bundles.unpack(sorted(Path(lab["media"]).glob("[123]/*.tar")), tree)
    bundles.join_pieces(tree)
    with http_server(tree) as url:
        for way in (url, f"{tree.as_uri()}/simple"):
            uv = clients.Uv(home / f"uv-{way[:4]}")
            found = clients.installed(uv.install("--default-index", way, "torch", "requests"))
            assert found["torch"] == TORCH and "requests" in found
            pip = clients.Pip(home / f"pip-{way[:4]}", clients.pip_wheel("newest"))
            assert clients.installed(pip.install("--index-url", way, "torch"))["torch"] == TORCH


def test_the_lab(serve, place, tmp_path):
    lab = _lab()
    assert subprocess.run(["ip", "route"], capture_output=True, check=True).stdout == b""
    daemon = serve(f'offline = true\nsocket = "{place}"\n{lab["config"]}')
    _import_all(lab, daemon, place, tmp_path)
    _with_uv(lab, daemon, tmp_path)
    _with_pip(lab, daemon, tmp_path)
    _with_poetry(daemon, tmp_path)
    _as_pixi_asks(daemon)
    _without_wheelyard(lab, tmp_path)
    assert not any(lab["other"] in name for name in wire.file_names(daemon.page("torch")))
    done = _command(daemon, place, tmp_path, "import", lab["second"], "--key", lab["key"])
    assert "3 files imported, 0 were there already" in done.stdout, done.stdout + done.stderr
    assert any(lab["other"] in name for name in wire.file_names(daemon.page("torch")))
