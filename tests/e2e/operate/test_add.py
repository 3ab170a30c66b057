# SPDX-License-Identifier: Apache-2.0
"""`wheelyard add`: wheels that a person has downloaded by hand enter the cache, judged as all others."""

import json
import os

import pytest

import clients
import wire
from daemon import configuration, official_mirror, run_wheelyard
from standins import anchor, simple_page
from wheels import build, sha256_of

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
VERSION = "2.9.0+cu126"


@pytest.fixture
def wheel(tmp_path):
    return build(tmp_path / "downloads", "torch", VERSION, padding=100_000)


@pytest.fixture
def start(serve, origin, place, wheel):
    """A daemon whose mirror lists the wheel and does not give it."""

    def run(listed=True, cache_dir=None, **top):
        links = [anchor(f"/whl/cu126/{wheel.name}".replace("+", "%2B"), wheel.name, sha256_of(wheel))]
        origin.put_page("/whl/cu126/torch/", simple_page("torch", links if listed else []))
        config = configuration(
            pytorch=[official_mirror("m", origin.url)], socket=str(place), **top
        )
        return serve(config, cache_dir=cache_dir)

    return run


@pytest.fixture
def add(place, tmp_path):
    def run(daemon, *arguments):
        arguments = (*arguments, "--socket", place, "--url", daemon.url)
        return run_wheelyard("add", *arguments, home=tmp_path, seconds=60)

    return run


BY_HAND = ("--origin", "pytorch", "--channel", "cu126")


def file_url(daemon, wheel):
    return daemon.file_url("pytorch", f"cu126/{wheel.name}")


def test_a_listed_wheel_is_added_under_its_digest(start, add, wheel):
    daemon = start()
    done = add(daemon, wheel, "--index", "cu126")
    assert (done.returncode, done.stderr) == (DONE, "")
    assert done.stdout == f"kept pytorch/cu126/{wheel.name}\n"
    reply = wire.ask(file_url(daemon, wheel))
    assert (reply.body, reply["X-Cache"]) == (wheel.read_bytes(), "hit")
    again = add(daemon, wheel, "--index", "cu126")
    assert (again.returncode, again.stdout) == (DONE, f"held pytorch/cu126/{wheel.name}\n")


def test_bytes_that_are_not_what_the_index_says(start, add, wheel, tmp_path):
    daemon = start()
    other = build(tmp_path / "other", "torch", VERSION, padding=100, says="another")
    done = add(daemon, other, "--index", "cu126")
    assert done.returncode == FAILED and "the bytes are not what their digest says" in done.stderr
    assert daemon.status()["cache"]["blobs"] == 0
    assert wire.ask(file_url(daemon, wheel)).status in (404, 502)


def test_a_wheel_that_no_page_lists(start, add, wheel, uv, tmp_path):
    daemon = start(listed=False, offline=True)
    refused = add(daemon, wheel, "--index", "cu126")
    assert refused.returncode == FAILED and "--origin NAME says where it belongs" in refused.stderr
    done = add(daemon, wheel, *BY_HAND)
    assert (done.returncode, done.stderr) == (DONE, "")
    assert wire.file_names(daemon.page("torch")) == [wheel.name]
    target = tmp_path / "site"
    uv.run("pip", "install", "--target", target, "--default-index", daemon.index(), "torch")
    assert clients.installed(target)["torch"] == VERSION


def test_it_is_there_after_a_restart(start, add, wheel, place):
    daemon = start(listed=False, offline=True)
    assert add(daemon, wheel, *BY_HAND).returncode == DONE
    daemon.kill()
    again = start(listed=False, offline=True, cache_dir=daemon.cache_dir)
    assert wire.file_names(again.page("torch")) == [wheel.name]
    assert wire.ask(file_url(again, wheel)).body == wheel.read_bytes()


def test_a_claim_of_the_mirror_goes_before_what_was_added(start, add, wheel, tmp_path, origin):
    """The page that names the digest comes after the wrong wheel was added by hand."""
    daemon = start()
    other = build(tmp_path / "other", "torch", VERSION, padding=100, says="another")
    assert add(daemon, other, *BY_HAND).returncode == DONE
    origin.put(f"/whl/cu126/{wheel.name}", wheel.read_bytes())
    assert daemon.page("torch").status == 200
    assert wire.ask(file_url(daemon, wheel)).body == wheel.read_bytes()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def _spoilt(path):
    body = bytearray(path.read_bytes())
    body[5000] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize("damage", [_cut, _spoilt])
def test_a_damaged_archive_says_so_of_itself(start, add, wheel, damage):
    daemon = start(listed=False)
    damage(wheel)
    done = add(daemon, wheel, *BY_HAND)
    assert done.returncode == FAILED and wheel.name in done.stderr
    assert daemon.status()["cache"]["blobs"] == 0


def test_what_is_no_wheel(start, add, tmp_path):
    daemon = start()
    text = tmp_path / "notes.txt"
    text.write_text("torch")
    fifo = tmp_path / "torch-1.0-py3-none-any.whl"
    os.mkfifo(fifo)
    for file, why in (
        (text, "not the name of a wheel or a source archive"),
        (fifo, "not a regular file"),
        (tmp_path / "nosuch.whl", "No such file"),
    ):
        done = add(daemon, file, *BY_HAND)
        assert done.returncode == FAILED and why.lower() in done.stderr.lower()
    strange = add(daemon, text, "--origin", "nosuch")
    assert strange.returncode == FAILED


def test_an_origin_that_is_not_there(start, add, wheel):
    daemon = start()
    done = add(daemon, wheel, "--origin", "nosuch")
    assert done.returncode == FAILED and "there is no such origin" in done.stderr


def test_json_and_usage(start, add, wheel, tmp_path):
    daemon = start()
    done = add(daemon, wheel, tmp_path / "nosuch.whl", "--index", "cu126", "--json")
    assert done.returncode == FAILED
    kept, refused = json.loads(done.stdout)["files"]
    assert (kept["state"], kept["path"]) == ("kept", f"cu126/{wheel.name}")
    assert refused["state"] == "refused" and refused["detail"]
    assert add(daemon, "--channel", "cu126", wheel).returncode == USAGE
    assert add(daemon).returncode == USAGE
    assert add(daemon, wheel, "--nosuch").returncode == USAGE


def test_no_daemon(wheel, tmp_path):
    done = run_wheelyard("add", wheel, "--socket", tmp_path / "no.sock", home=tmp_path)
    assert done.returncode == UNREACHABLE and "no daemon answers" in done.stderr
