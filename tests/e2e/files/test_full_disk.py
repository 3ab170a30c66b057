# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full: a small tmpfs of its own, filled by somebody else. And one on which no
partial can be made."""

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import wire
from daemon import binary, configuration, official_mirror
from origin import Gate
from standins import anchor, simple_page
from wheels import build, sha256_of

NAMES = tuple(f"torch-1.{minor}-py3-none-any.whl" for minor in range(3))


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a disk of our own needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def body(tmp_path):
    return build(tmp_path / "built", "torch", "1.0", padding=3_000_000).read_bytes()


@pytest.fixture
def published(origin, body):
    """Three paths with bytes of their own length, so that none fits where an earlier one was: the
    second waits at its middle."""
    bodies = {name: body + bytes(100_000 * number) for number, name in enumerate(NAMES)}
    gate = Gate(len(body) // 2)
    links = [anchor(f"/whl/cu126/{name}", name, sha256_of(b)) for name, b in bodies.items()]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
    for name, bytes_ in bodies.items():
        origin.put(f"/whl/cu126/{name}", bytes_, gate=gate if name == NAMES[1] else None)
    return bodies, gate, configuration(pytorch=[official_mirror("m", origin.url)], min_free=0)


def _fill(disk):
    """Until not a byte more goes in."""
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)):
                pass
        except OSError:
            pass


def _url(daemon, name):
    return daemon.file_url("pytorch", f"cu126/{name}")


def test_the_disk_fills_in_the_middle_of_a_file(disk, serve, published):
    bodies, gate, config = published
    daemon = serve(config, cache_dir=disk / "cache")
    assert daemon.page("torch").status == 200
    assert wire.ask(_url(daemon, NAMES[0])).body == bodies[NAMES[0]]
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="one is kept")
    download = wire.Download(_url(daemon, NAMES[1]))
    download.wait_held(1_000_000)
    _fill(disk)
    gate.open()
    assert download.wait_end().whole and bytes(download.body) == bodies[NAMES[1]]
    kept = wire.ask(_url(daemon, NAMES[0]))
    assert (kept.body, kept["X-Cache"]) == (bodies[NAMES[0]], "hit")
    daemon.wait_status(lambda s: not s["flights"], what="no flight stays behind")
    daemon.stop()

    (disk / "ballast").unlink()
    again = serve(config, cache_dir=disk / "cache")
    for name in NAMES[:2]:
        assert wire.ask(_url(again, name)).body == bodies[name]
    again.wait_status(lambda s: s["cache"]["blobs"] == 2 and not s["flights"], what="both are kept")


def test_start_on_a_full_disk(disk, serve, published):
    """What is kept is served; the rest passes through, or what was kept gives way to it; the
    catalogue is the same afterwards."""
    bodies, gate, config = published
    gate.open()
    daemon = serve(config, cache_dir=disk / "cache")
    page = daemon.page("torch")
    assert page.status == 200
    assert wire.ask(_url(daemon, NAMES[0])).body == bodies[NAMES[0]]
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="one is kept")
    daemon.stop()
    _fill(disk)

    full = serve(config, cache_dir=disk / "cache")
    assert full.page("torch").body == page.body
    kept = wire.ask(_url(full, NAMES[0]))
    assert (kept.body, kept["X-Cache"]) == (bodies[NAMES[0]], "hit")
    passed = wire.ask(_url(full, NAMES[2]))
    assert (passed.status, passed.body) == (200, bodies[NAMES[2]])
    assert passed["X-Cache"] in ("pass", "miss")
    full.stop()

    (disk / "ballast").unlink()
    again = serve(config, cache_dir=disk / "cache")
    assert "unreadable" not in again.log()
    assert wire.ask(_url(again, NAMES[0])).body == bodies[NAMES[0]]
    again.wait_status(lambda s: s["cache"]["blobs"] and not s["flights"], what="it is kept")


# ------------------------------------------------------------------ nothing is known of the file

FAULTS = binary().parent / "tests/preload/libfaults.so"
SHAPES = {
    "sound": {},
    "head-refused": {"head_status": 405},
    "no-length": {"framing": "chunked"},
    "no-length-head-refused": {"framing": "chunked", "head_status": 405},
}


def _without_partials(cache, mode, off):
    """A disk that refuses every change of a partial, and keeps all else, once `off` is gone."""
    settings = {"DIR": cache.resolve(), "ONLY": "/partials/", "STEP": 1, "MODE": mode, "OFF": off}
    return ("env", f"LD_PRELOAD={FAULTS}", *(f"WHEELYARD_FAULT_{k}={v}" for k, v in settings.items()))


def _wait_all_want_the_facts(daemon, count):
    """They have joined a flight that knows nothing yet."""
    daemon.wait_status(lambda s: sum(f["readers"] for f in s["flights"]) >= count, what="all wait")


@pytest.mark.skipif(not FAULTS.exists(), reason=f"{FAULTS} is built with the daemon")
@pytest.mark.parametrize("mode", ["eio-on", "enospc-on"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("named", [True, False], ids=["digest", "no-digest"])
def test_whatever_is_known_it_passes_by(origin, serve, tmp_path, body, mode, shape, named):
    """Of the first file the disk's error is learnt in the middle; with the second it is known."""
    links = [anchor(f"/whl/cu126/{n}", n, sha256_of(body) if named else None) for n in NAMES[:2]]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
    silent = threading.Event()
    for name in NAMES[:2]:
        origin.put(f"/whl/cu126/{name}", body, **SHAPES[shape])
    origin.change(f"/whl/cu126/{NAMES[1]}", silent=silent)
    config = configuration(pytorch=[official_mirror("m", origin.url)], min_free=0)
    cache, off = tmp_path / "cache", tmp_path / "off"
    off.touch()
    daemon = serve(config, cache_dir=cache, wrap=_without_partials(cache, mode, off))
    off.unlink()
    plain = [None, None, None]
    spans = [] if "no-length" in shape else ["bytes=5-9", "bytes=-16384", "bytes=1000000-"]
    for name in NAMES[:2]:
        asked = [{"Range": span} if span else None for span in plain + spans]
        with ThreadPoolExecutor(len(asked) + 1) as clients:
            heads = clients.submit(wire.ask, _url(daemon, name), "HEAD")
            origin.wait_asked(f"/whl/cu126/{name}")
            replies = clients.map(lambda h, n=name: wire.ask(_url(daemon, n), headers=h), asked)
            if name == NAMES[1]:
                _wait_all_want_the_facts(daemon, len(asked) + 1)
                silent.set()
            replies = list(replies)
        assert heads.result().status == 200
        for reply, headers in zip(replies, asked):
            assert (reply.status, reply.cut) == (206 if headers else 200, False), reply.text
            first, last = 0, len(body) - 1
            if headers:
                first, last = map(int, reply["Content-Range"].split()[1].split("/")[0].split("-"))
            assert reply.body == body[first : last + 1]
            assert name == NAMES[0] or reply["X-Cache"] == "pass"
    assert daemon.status()["cache"]["state"] == ("full" if mode == "enospc-on" else "read-only")
