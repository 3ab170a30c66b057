# SPDX-License-Identifier: Apache-2.0
"""`offline = true`: what is held is served, pages list exactly that, and no mirror is asked. And a
machine that has lost its network without saying so: what is held answers within a second."""

import json
import sqlite3
import threading
import time

import pytest

import clients
import wire
from daemon import (
    PATIENCE,
    configuration,
    flat_and_pypi,
    official_mirror,
    pypi_mirror,
    run_wheelyard,
)
from standins import anchor, simple_page
from wheels import build, sha256_of

TORCH = "torch-2.9.0-py3-none-any.whl"
OLDER = "torch-2.8.0-py3-none-any.whl"


@pytest.fixture
def channel(origin, tmp_path):
    """A channel with two versions of torch, of which the newer one is fetched by `fill`."""
    bodies = {}
    for version in ("2.8.0", "2.9.0"):
        wheel = build(tmp_path / "built", "torch", version)
        bodies[wheel.name] = wheel.read_bytes()
        origin.put(f"/whl/cu126/{wheel.name}", bodies[wheel.name])
    links = [anchor(f"/whl/cu126/{name}", name, sha256_of(body)) for name, body in bodies.items()]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
    return bodies


def start(serve, origin, cache_dir=None, **top):
    mirrors = dict(pytorch=[official_mirror("m", origin.url)], pypi=[pypi_mirror("p", origin.url)])
    config = configuration(**mirrors, **top)
    return serve(config, cache_dir=cache_dir)


def fill(serve, origin, bodies):
    """A cache that holds one of two listed wheels."""
    daemon = start(serve, origin)
    assert set(wire.file_names(daemon.page("torch"))) == {TORCH, OLDER}
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{TORCH}")).body == bodies[TORCH]
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="it is kept")
    daemon.stop()
    return daemon.cache_dir


def change(cache, statement):
    """Alters rows of a catalogue that no daemon has open."""
    catalogue = sqlite3.connect(cache / "catalogue.sqlite")
    with catalogue:
        assert catalogue.execute(statement).rowcount > 0
    catalogue.close()


def test_pages_list_exactly_what_is_held(serve, origin, channel):
    cache = fill(serve, origin, channel)
    asked = len(origin.requests)
    daemon = start(serve, origin, cache, offline=True)
    page = daemon.page("torch")
    assert wire.file_names(page) == [TORCH] and page["X-Cache"] == "hit"
    assert daemon.get("/cu126/simple/", {"Accept": wire.JSON}).json()["projects"] == [{"name": "torch"}]
    assert daemon.status()["offline"] is True
    reply = wire.ask(daemon.file_url("pytorch", f"cu126/{TORCH}"))
    assert (reply.body, reply["X-Cache"]) == (channel[TORCH], "hit")
    metadata = wire.ask(daemon.file_url("pytorch", f"cu126/{TORCH}.metadata"))
    assert metadata.status == 200 and b"Name: torch" in metadata.body
    assert len(origin.requests) == asked


def test_what_is_not_held_is_a_404_that_says_so(serve, origin, channel):
    cache = fill(serve, origin, channel)
    daemon = start(serve, origin, cache, offline=True)
    for path in (OLDER, f"{OLDER}.metadata"):
        said = daemon.get(f"/files/pytorch/cu126/{path}")
        assert said.status == 404
        detail = "not in the cache, and wheelyard is offline; held of torch are 2.9.0"
        assert said.json()["detail"].startswith(detail)
    nothing = daemon.get("/files/pytorch/cu126/xformers-1.0-py3-none-any.whl")
    assert nothing.status == 404 and "nothing of this project is held" in nothing.json()["detail"]
    page = daemon.page("torchvision")
    assert page.status == 404
    detail = "nothing of torchvision is in the cache, and wheelyard is offline"
    assert page.json()["detail"].startswith(detail)


def test_a_listing_that_was_never_stored_is_not_missed(serve, origin, channel):
    """Rows of files are there, and no mirror's page."""
    cache = fill(serve, origin, channel)
    change(cache, "DELETE FROM listing")
    daemon = start(serve, origin, cache, offline=True)
    assert wire.file_names(daemon.page("torch")) == [TORCH]


def test_clients_install_offline(own_mirrors, serve, tmp_path):
    first = serve(flat_and_pypi(own_mirrors))
    clients.Uv(tmp_path / "online").run(
        *("pip", "install", "--target", "a", "--default-index", first.index(), "torch==2.9.0")
    )
    first.stop()
    own_mirrors.stop()
    daemon = serve(flat_and_pypi(own_mirrors, offline=True), cache_dir=first.cache_dir)
    for name, client in (
        ("uv", clients.Uv(tmp_path / "uv")),
        ("pip", clients.Pip(tmp_path / "pip", clients.pip_wheel("newest"))),
    ):
        target = tmp_path / f"with-{name}"
        arguments = ["--default-index" if name == "uv" else "--index-url", daemon.index(), "torch"]
        client.run(*(["pip"] if name == "uv" else []), "install", "--target", target, *arguments)
        assert clients.installed(target)["torch"] == "2.9.0+cu126"
    held = {p["name"] for p in daemon.get("/cu126/simple/", {"Accept": wire.JSON}).json()["projects"]}
    assert "torch" in held and "numpy" not in held


def test_the_flag_and_what_it_refuses(tmp_path):
    shown = run_wheelyard("config", "show", "--offline", home=tmp_path)
    assert "offline = true # " in shown.stdout
    wrong = run_wheelyard("config", "show", "--offline=maybe", home=tmp_path)
    assert wrong.returncode == 2 and "--offline: not true or false" in wrong.stderr


def test_without_a_network_what_is_held_answers_within_a_second(serve, origin, channel):
    """A laptop on a train: nobody answers, and nobody said `offline`."""
    cache = fill(serve, origin, channel)
    change(cache, "UPDATE listing SET fetched_s = fetched_s - 3600")
    silent = threading.Event()
    origin.change("/whl/cu126/torch/", silent=silent)
    origin.change(f"/whl/cu126/{TORCH}", silent=silent)
    daemon = start(serve, origin, cache, stall_timeout="30s")
    begun = time.monotonic()
    page = daemon.page("torch")
    assert set(wire.file_names(page)) == {TORCH, OLDER} and page["X-Cache"] == "stale"
    assert time.monotonic() - begun < 2 * PATIENCE
    begun = time.monotonic()
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{TORCH}")).body == channel[TORCH]
    assert time.monotonic() - begun < 1 * PATIENCE


# ------------------------------------------------------------------ what the commands say of it


def doctor(daemon, place, home):
    config = daemon.folder / "config.toml"
    own = ("--json", "--config", config, "--url", daemon.url, "--socket", place)
    done = run_wheelyard("doctor", *own, home=home)
    return done, json.loads(done.stdout)["checks"]


@pytest.mark.parametrize("filled", [True, False])
def test_the_doctor_asks_no_mirror(serve, origin, channel, place, tmp_path, filled):
    cache = fill(serve, origin, channel) if filled else None
    asked = len(origin.requests)
    daemon = start(serve, origin, cache, offline=True, socket=str(place))
    done, checks = doctor(daemon, place, tmp_path)
    assert done.returncode == 0, done
    assert len(origin.requests) == asked
    assert not [c for c in checks if c["check"].startswith(("mirror", "digests", "clock"))]
    (said,) = [c for c in checks if c["check"] == "offline"]
    today = time.strftime("%Y-%m-%d", time.gmtime())
    if filled:
        assert said["state"] == "ok" and "wheelyard relock" in said["remedy"]
        assert "held are 1 project, 1 wheel and 0 source archives, " in said["text"]
        assert said["text"].endswith(f"the newest listing is of {today}"), said
    else:
        assert said["state"] == "warning" and "wheelyard import" in said["remedy"]
        assert "held are 0 projects, 0 wheels" in said["text"]
        assert said["text"].endswith("no mirror was ever asked from here")
    (answer,) = [c for c in checks if c["check"] == "daemon"]
    assert ", offline, up for" in answer["text"]


@pytest.mark.parametrize("client", ["pip", "uv", "pixi"])
def test_setup_warns_of_an_index_that_holds_nothing(serve, origin, channel, tmp_path, client):
    cache = fill(serve, origin, channel)
    daemon = start(serve, origin, cache, offline=True)
    for index, warns in (("cu126", False), ("cu130", True), ("simple", True)):
        words = (client, "--index", index, "--url", daemon.url)
        done = run_wheelyard("setup", *words, home=tmp_path)
        assert done.returncode == 0, done
        warning = f"{index}: {daemon.url} is offline and holds no wheel for this index"
        assert (warning in done.stderr) == warns, done.stderr
    daemon.stop()
    online = start(serve, origin, cache)
    done = run_wheelyard("setup", client, "--index", "cu126", "--url", online.url, home=tmp_path)
    assert "offline" not in done.stderr


def test_a_folder_of_wheels_is_something_to_serve(serve, place, tmp_path):
    folder = tmp_path / "wheels"
    build(folder, "lab", "1.0")
    lab = f'offline = true\nsocket = "{place}"\n[origin.lab]\ndirectory = "{folder}"\nowns = ["lab"]\n'
    daemon = serve(f'{lab}[index.lab]\norigins = ["lab"]\n')
    done, checks = doctor(daemon, place, tmp_path)
    assert done.returncode == 0
    (said,) = [c for c in checks if c["check"] == "offline"]
    assert said["state"] == "ok" and "held are 0 projects" in said["text"]
