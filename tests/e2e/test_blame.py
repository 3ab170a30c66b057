# SPDX-License-Identifier: Apache-2.0
"""Two mirrors, and one of them sends wrong bytes: whoever reads is cut, the file is fetched from one
mirror alone, and what had come before is compared with it. Who lied is blamed, the other is not."""

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

import wire
from daemon import configuration, official_mirror
from origin import Gate
from standins import anchor, href_of, simple_page
from wheels import build, sha256_of

MIB = 1 << 20
FIRST = 16 * MIB  # so much the first mirror is asked for; the second begins there
NAME = "torch-2.9.0+cu126-py3-none-any.whl"
PATH = f"/whl/cu126/{NAME}"


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blame")
    return build(folder, "torch", "2.9.0+cu126", padding=24 * MIB).read_bytes()


class Relapse(Gate):
    """Who begins the file a second time stands before the first MiB of it."""

    def __init__(self):
        super().__init__()
        self.again = Gate(MIB)
        self._begun = 0

    def pass_from(self, position):
        self._begun += position == 0
        return (self.again if self._begun > 1 else super()).pass_from(position)

    def note(self, position):
        (self.again if self._begun > 1 else super()).note(position)


def start(serve, origins, **top):
    mirrors = [official_mirror(f"m{n}", origin.url) for n, origin in enumerate(origins)]
    return serve(configuration(pytorch=mirrors, connections_per_file=1, **top))


def publish(origins, body, liar, at, gates):
    """All name the right digest; one has a wrong byte. The file comes in parts of both."""
    page = simple_page("torch", [anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))])
    for number, origin in enumerate(origins):
        served = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if number == liar else body
        origin.put_page("/whl/cu126/torch/", page)
        origin.put(PATH, served, gate=gates[number])


def download(daemon):
    return wire.Download(daemon.file_url("pytorch", f"cu126/{NAME}"))


def has_parts_of_both(status):
    return [sorted(flight["mirrors"]) for flight in status["flights"]] == [["m0", "m1"]]


def cut_by_wrong_byte(serve, origins, body, liar, first_gate=None, **top):
    """The liar sends one wrong byte where its part meets the other's, and then fails: the file is
    fetched again from the honest mirror alone. The second mirror says nothing before the first has
    sent its part, or it would bring that, too, on a machine where the first seems slow. Returns the
    daemon when the reader was cut."""
    at = FIRST - 1 if liar == 0 else FIRST
    gates = [first_gate or Gate(), Gate()]
    publish(origins, body, liar, at, gates)
    daemon = start(serve, origins, **top)
    assert daemon.page("torch").status == 200
    first_is_done = threading.Event()
    origins[1].change(PATH, silent=first_is_done)
    client = download(daemon)
    gates[0].allow(FIRST)
    gates[1].allow(FIRST + MIB)
    gates[0].wait_reached(FIRST)
    first_is_done.set()
    daemon.wait_status(has_parts_of_both, what="each has its part")
    origins[liar].change(PATH, status=503)
    for gate in gates:
        gate.open()
    assert not client.wait_end().whole
    return daemon, at


def unlinked(daemon):
    """Files that the daemon holds and nobody else can see."""
    folder = Path(f"/proc/{daemon.process.pid}/fd")
    names = []
    for link in folder.iterdir():
        try:
            names.append(os.readlink(link))
        except OSError:
            continue  # closed meanwhile
    return [n for n in names if "/partials/" in n and n.endswith("(deleted)")]


def blamed(status):
    return [p["detail"].split()[0] for p in status["problems"] if p["kind"] == "wrong-digest"]


def is_alone(status, body):
    """Blocks are counted."""
    return len(body) <= status["cache"]["bytes"] < len(body) + MIB


@pytest.mark.parametrize("liar", [0, 1])
def test_who_differs_is_blamed_and_nobody_else(origin, second_origin, serve, body, liar):
    origins = [origin, second_origin]
    daemon, at = cut_by_wrong_byte(serve, origins, body, liar)
    second = download(daemon)
    assert second.wait_end().whole and second.sha256() == sha256_of(body)
    status = daemon.wait_status(blamed, what="somebody is blamed")
    assert blamed(status) == [f"m{liar}"]
    lines = [line for line in daemon.log().splitlines() if "wrong digest mirror=" in line]
    assert len(lines) == 1 and f"mirror=m{liar} " in lines[0] and f"differs_at={at}" in lines[0]
    daemon.wait_status(lambda s: is_alone(s, body), what="the rest is given back")
    daemon.wait_status(lambda _: not unlinked(daemon), what="the old partial is closed")

    daemon.stop()  # the blame is remembered, the file is not
    shutil.rmtree(daemon.cache_dir / "blobs")
    origins[liar].change(PATH, status=None)
    before = len(origins[liar].asked(PATH))
    again = serve(
        (daemon.folder / "config.toml").read_text(),
        folder=daemon.folder,
        cache_dir=daemon.cache_dir,
    )
    third = download(again)
    assert third.wait_end().whole and third.sha256() == sha256_of(body)
    assert len(origins[liar].asked(PATH)) == before


def test_nothing_is_left_of_it_after_a_kill(origin, second_origin, serve, body):
    gate = Relapse()
    daemon, _ = cut_by_wrong_byte(serve, [origin, second_origin], body, 1, gate)
    gate.again.wait_reached(MIB)
    assert len(unlinked(daemon)) == 1
    daemon.wait_status(lambda s: s["cache"]["bytes"] >= 2 * len(body), what="both count")
    daemon.kill()
    gate.again.open()
    partials = sum(f.stat().st_size for f in (daemon.cache_dir / "partials").iterdir())
    assert partials < len(body), "only the new one is there"
    again = serve((daemon.folder / "config.toml").read_text(), cache_dir=daemon.cache_dir)
    client = download(again)
    assert client.wait_end().whole and client.sha256() == sha256_of(body)
    again.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="kept")
    assert not list((daemon.cache_dir / "partials").iterdir())


def test_it_is_given_up_where_both_do_not_fit(origin, second_origin, serve, body):
    origins = [origin, second_origin]
    daemon, _ = cut_by_wrong_byte(serve, origins, body, 1, max_size=len(body) * 3 // 2)
    client = download(daemon)
    assert client.wait_end().whole and client.sha256() == sha256_of(body)
    status = daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"])
    assert not blamed(status) and not unlinked(daemon)
    assert is_alone(status, body)


def test_a_stop_in_the_middle(origin, second_origin, serve, body):
    gate = Relapse()
    daemon, _ = cut_by_wrong_byte(serve, [origin, second_origin], body, 1, gate)
    gate.again.wait_reached(MIB)
    daemon.stop()
    gate.again.open()


def later(serve, daemon):
    """Two hours go by, in which the file is lost."""
    daemon.stop()
    shutil.rmtree(daemon.cache_dir / "blobs")
    with closing(sqlite3.connect(daemon.cache_dir / "catalogue.sqlite")) as catalogue:
        assert catalogue.execute("UPDATE blame SET when_s = when_s - 7200").rowcount == 1
        catalogue.commit()
    config = (daemon.folder / "config.toml").read_text()
    return serve(config, cache_dir=daemon.cache_dir)


def test_blame_lasts_until_the_mirror_has_another_file(origin, second_origin, serve, body):
    origins = [origin, second_origin]
    publish(origins, body, 0, 5, [None, None])
    second_origin.change(PATH, status=503)
    daemon = start(serve, origins)
    assert daemon.page("torch").status == 200
    assert not download(daemon).wait_end().whole
    daemon.wait_status(blamed, what="it is blamed")

    second_origin.change(PATH, status=None)
    daemon = later(serve, daemon)
    client = download(daemon)
    assert client.wait_end().whole and client.sha256() == sha256_of(body)
    daemon.wait_log("the file that was wrong before")
    assert not blamed(daemon.status())
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="kept")

    origin.put(PATH, body)  # put right, and under another ETag
    second_origin.change(PATH, status=503)
    daemon = later(serve, daemon)
    client = download(daemon)
    assert client.wait_end().whole and client.sha256() == sha256_of(body)
