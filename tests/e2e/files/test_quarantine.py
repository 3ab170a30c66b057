# SPDX-License-Identifier: Apache-2.0
"""Wheels that were kept while nobody named a digest, and what comes of them when somebody does."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest

import wire
from daemon import configuration, official_mirror, run_wheelyard
from standins import anchor, simple_page
from wheels import sha256_of, sound

PAGE = "/whl/cu126/torch/"
MOST = 8  # files in quarantine


def _name(number):
    return f"torch-2.{number}.0-py3-none-any.whl"


def _path(number):
    return f"/whl/cu126/{_name(number)}"


def _body(number, what):
    return sound(_name(number), 40_000, what)


class Stage:
    """An official mirror whose page nobody can load yet, and a daemon that keeps what it sends."""

    def __init__(self, origin, serve, home, place, what, count):
        self.origin, self.serve, self.home, self.count = origin, serve, home, count
        self.socket = str(place)
        self.config = configuration(
            pytorch=[official_mirror("official", origin.url)], socket=self.socket
        )
        self.daemon = serve(self.config)
        for number in range(count):
            origin.put(_path(number), _body(number, what))
            reply = self.ask(number)
            assert reply.body == _body(number, what) and "immutable" not in reply["Cache-Control"]
        self.wait_kept(count)
        assert self.daemon.page("torch").status == 400  # no mirror has listed anything there

    def ask(self, number):
        return wire.ask(self.daemon.file_url("pytorch", _path(number).removeprefix("/whl/")))

    def wait_kept(self, count):
        self.daemon.wait_status(
            lambda s: s["cache"]["blobs"] == count and not s["flights"], what=f"{count} kept"
        )

    def authority_speaks(self):
        """From now on the page is there, and names the digests of the right bytes."""
        links = []
        for number in range(self.count):
            self.origin.put(_path(number), _body(number, "right"))
            links.append(anchor(_path(number), _name(number), sha256_of(_body(number, "right"))))
        self.origin.put_page(PAGE, simple_page("torch", links))
        headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
        assert self.daemon.page("torch", headers=headers).status == 200

    def cache(self, *arguments):
        result = run_wheelyard("cache", *arguments, "--socket", self.socket, home=self.home)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def aside(self):
        folder = self.daemon.cache_dir / "quarantine"
        return {p.name for p in folder.iterdir()} if folder.exists() else set()

    def restart(self):
        self.daemon.stop()
        self.daemon = self.serve(self.config, cache_dir=self.daemon.cache_dir)


@pytest.fixture
def stage(origin, serve, tmp_path):
    place = Path(tempfile.mkdtemp(prefix="wy"))  # a socket's name may have a hundred bytes only
    yield lambda what, count: Stage(origin, serve, tmp_path, place / "s", what, count)
    shutil.rmtree(place)


def test_what_is_refuted_is_put_aside_and_never_served_again(stage):
    s = stage("wrong", 1)
    wrong = _body(0, "wrong")
    s.authority_speaks()
    s.daemon.wait_status(lambda x: x["cache"]["blobs"] == 0, what="it is forgotten")
    s.cache("ls")  # behind what the flight thread had to do
    reply = s.ask(0)
    assert reply.body == _body(0, "right") and "immutable" in reply["Cache-Control"]
    s.wait_kept(1)
    [problem] = s.daemon.status()["problems"]
    assert (problem["kind"], problem["path"]) == ("wrong-digest", f"cu126/{_name(0)}")
    assert s.aside() == {sha256_of(wrong)}
    assert (s.daemon.cache_dir / "quarantine" / sha256_of(wrong)).read_bytes() == wrong
    s.restart()
    assert s.ask(0)["X-Cache"] == "hit" and s.aside() == {sha256_of(wrong)}
    s.cache("gc")
    assert s.aside() == set() and s.ask(0)["X-Cache"] == "hit"


def test_the_quarantine_has_an_end(stage):
    s = stage("wrong", MOST + 2)
    s.authority_speaks()
    s.daemon.wait_status(lambda x: x["cache"]["blobs"] == 0, what="they are forgotten")
    for number in range(s.count):
        assert s.ask(number).body == _body(number, "right")
    s.wait_kept(s.count)  # kept on the lane that has put the others aside
    assert len(s.aside()) == MOST
    assert s.aside() < {sha256_of(_body(number, "wrong")) for number in range(s.count)}


def test_an_authority_that_agrees_takes_the_doubt_away_for_good(stage):
    s = stage("right", 2)
    rows = json.loads(s.cache("ls", "--json"))["blobs"]
    assert [row["unverified"] for row in rows] == [True, True]
    s.authority_speaks()
    for _ in range(2):
        rows = json.loads(s.cache("ls", "--json"))["blobs"]
        assert [row["unverified"] for row in rows] == [False, False]
        assert "authority" in s.cache("ls")
        assert all("immutable" in s.ask(number)["Cache-Control"] for number in range(2))
        assert s.aside() == set()
        s.restart()
    s.daemon.stop()
    for path in s.daemon.cache_dir.glob("catalogue.sqlite*"):
        path.unlink()
    s.daemon = s.serve(s.config, cache_dir=s.daemon.cache_dir)
    rows = json.loads(s.cache("ls", "--json"))["blobs"]
    assert [row["unverified"] for row in rows] == [False, False], "the sidecars know it, too"
