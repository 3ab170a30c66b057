# SPDX-License-Identifier: Apache-2.0
"""What the cache takes of the disk: max_size, min_free, what is reserved, and who goes for it."""

import contextlib
import hashlib
import os
import socket
import subprocess
import time

import pytest

import wire
from daemon import (
    PATIENCE,
    configuration,
    flat_mirror,
    official_mirror,
    pypi_mirror,
    run_wheelyard,
)
from gates import Gates
from origin import Gate
from standins import anchor, flat_page, simple_page
from wheels import build, sound

VERSIONS = ("2.7.0+cu126", "2.8.0+cu126", "2.9.0+cu126")


@pytest.fixture
def bodies(tmp_path):
    paths = [build(tmp_path / v, "torch", v, padding=500_000) for v in VERSIONS]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def daemon(origin, serve, bodies):
    """There is room for two of three wheels."""
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(n, len(b)) for n, b in bodies.items()]))
    for name, body in bodies.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body)
    size = 2 * max(len(body) for body in bodies.values()) + 20_000
    return serve(configuration(pytorch=[flat_mirror("flat", origin.url)], max_size=str(size)))


def _ask(daemon, name, method="GET"):
    return wire.ask(daemon.file_url("pytorch", f"cu126/{name}"), method)


def _keep(daemon, name, count):
    reply = _ask(daemon, name)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == count and not s["flights"], what="it is kept")
    return reply


def test_the_least_recently_used_goes(daemon, bodies):
    first, second, third = bodies
    assert _keep(daemon, first, 1).body == bodies[first]
    _keep(daemon, second, 2)
    assert _keep(daemon, third, 2)["X-Cache"] == "miss"
    assert _ask(daemon, third, "HEAD")["X-Cache"] == "hit"
    assert _ask(daemon, second, "HEAD")["X-Cache"] == "hit"
    assert _ask(daemon, first, "HEAD")["X-Cache"] != "hit"
    status = daemon.status()["cache"]
    assert status["bytes"] <= status["max_bytes"]


def test_what_is_larger_than_the_cache_passes_by(origin, serve, bodies):
    name, body = next(iter(bodies.items()))
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(name, len(body))]))
    origin.put(f"/pytorch-wheels/cu126/{name}", body)
    config = configuration(pytorch=[flat_mirror("flat", origin.url)], max_size=str(len(body) - 1))
    daemon = serve(config)
    reply = _ask(daemon, name)
    assert (reply.body, reply["X-Cache"]) == (body, "pass")
    assert daemon.status()["cache"]["blobs"] == 0


def test_evicted_files_stay_away_after_a_restart(daemon, serve, bodies):
    first, second, third = bodies
    for count, name in ((1, first), (2, second), (2, third)):
        _keep(daemon, name, count)
    daemon.stop()
    again = serve((daemon.folder / "config.toml").read_text(), cache_dir=daemon.cache_dir)
    assert again.status()["cache"]["blobs"] == 2


# ------------------------------------------------------------------ the stage of what follows

MB = 1_000_000
BIG = 100 * MB  # so much is missing behind the gate that nobody goes on with it unread
DAY_S = 24 * 3600


def _put(origin, bodies, gates=None):
    """bodies: name -> bytes or a size; each size has bytes of its own."""
    bodies = {n: b if isinstance(b, bytes) else _body(n, b) for n, b in bodies.items()}
    links = [(n, len(b)) for n, b in bodies.items()]
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", links))
    for name, body in bodies.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body, gate=(gates or {}).get(name))
    return bodies


def _body(name, size):
    return sound(name, size, os.urandom(8).hex())


def _config(origin, **top):
    return configuration(pytorch=[flat_mirror("flat", origin.url)], **top)


def _names(count):
    return [f"torch-2.{n}.0-py3-none-any.whl" for n in range(count)]


def _url(daemon, name):
    return daemon.file_url("pytorch", f"cu126/{name}")


def _digest(body):
    return hashlib.sha256(body).hexdigest()


def _until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _partials(daemon):
    """Bytes that the disk has given to each partial."""
    sizes = []
    for path in (daemon.cache_dir / "partials").glob("*[0-9]"):
        with contextlib.suppress(FileNotFoundError):  # it has just become a blob, or gone
            sizes.append(path.stat().st_blocks * 512)
    return sorted(sizes)


def _used(daemon):
    return daemon.status()["cache"]["bytes"]


def _kept(daemon, bodies):
    """Which of them are there whole, without asking anybody for one."""
    return [n for n in bodies if _blob(daemon, bodies[n]).exists()]


def _blob(daemon, body):
    digest = _digest(body)
    return daemon.cache_dir / "blobs" / digest[:2] / digest


def _fetch(daemon, name, body, cache="miss"):
    reply = wire.ask(_url(daemon, name))
    assert reply.body == body and reply["X-Cache"] == cache
    daemon.wait_status(lambda s: not any(f["path"].endswith(name) for f in s["flights"]))


class _Slow:
    """A client that has the head of its reply, and has not taken the body yet."""

    def __init__(self, url):
        host, _, path = url.removeprefix("http://").partition("/")
        name, port = host.rsplit(":", 1)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self._socket.settimeout(30 * PATIENCE)
        self._socket.connect((name, int(port)))
        self._socket.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        self._file = self._socket.makefile("rb")
        assert b" 200 " in self._file.readline()

    def rest(self):
        while self._file.readline() != b"\r\n":
            pass
        body = self._file.read()
        self._file.close()
        self._socket.close()
        return body


@pytest.fixture
def disk(tmp_path):
    """disk(megabytes): a file system of its own."""
    mounted = []

    def mount(size):
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("mounting a disk of our own needs root")
        mounted.append(folder)
        return folder / "cache"

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


# ------------------------------------------------------------------ reserving


@pytest.fixture
def half_done(origin, serve):
    """(daemon, download, body, gate): a client stands at the tenth of a large file."""
    [name], gate = _names(1), Gate(BIG // 10)
    bodies = _put(origin, {name: BIG}, {name: gate})
    daemon = serve(_config(origin))
    download = wire.Download(_url(daemon, name), keep=False)
    download.wait_held(BIG // 10 - (64 << 10))
    return daemon, download, bodies[name], gate


def test_all_of_it_is_reserved_and_given_back_at_parking(half_done):
    daemon, download, body, gate = half_done
    _until(lambda: _partials(daemon) and _partials(daemon)[0] >= BIG, "it is reserved")
    assert _used(daemon) >= BIG
    download.leave()
    _until(lambda: _partials(daemon)[0] < BIG // 5, "it is given back when nobody reads")
    daemon.wait_status(lambda s: s["cache"]["bytes"] < BIG // 5, what="and not counted")
    again = wire.Download(_url(daemon, _names(1)[0]), keep=False)
    _until(lambda: _partials(daemon)[0] >= BIG, "it is reserved for the next")
    gate.open()
    assert again.wait_end().whole and again.sha256() == _digest(body)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_nothing_stays_reserved_while_nobody_serves_it(half_done, serve, end):
    daemon, download, body, gate = half_done
    _until(lambda: _partials(daemon) and _partials(daemon)[0] >= BIG, "it is reserved")
    getattr(daemon, end)()
    gate.open()
    download.wait_end()
    if end == "kill":
        assert _partials(daemon)[0] >= BIG
        config = (daemon.folder / "config.toml").read_text()
        daemon = serve(config, cache_dir=daemon.cache_dir)
        assert _used(daemon) < BIG // 5
    assert BIG // 20 < _partials(daemon)[0] < BIG // 5
    if end == "kill":
        again = wire.Download(_url(daemon, _names(1)[0]), keep=False).wait_end()
        assert again.sha256() == _digest(body), "what was written is there"


def test_who_reads_a_part_reserves_nothing(origin, serve):
    [name] = _names(1)
    _put(origin, {name: BIG})
    daemon = serve(_config(origin))
    assert wire.ask(_url(daemon, name), headers={"Range": "bytes=-16384"}).status == 206
    assert _partials(daemon)[0] <= 1 << 20
    assert _used(daemon) < BIG // 5


def test_two_downloads_do_not_count_on_the_same_disk(origin, serve, disk):
    """The second is known to find no room before its first byte, and passes by."""
    first, second = _names(2)
    gate = Gate(MB)
    bodies = _put(origin, {first: 20 * MB, second: 20 * MB}, {first: gate})
    daemon = serve(_config(origin, min_free=0), cache_dir=disk(32))
    download = wire.Download(_url(daemon, first))
    download.wait_held(MB - (64 << 10))
    passed = wire.ask(_url(daemon, second))
    assert (passed.body == bodies[second], passed["X-Cache"]) == (True, "pass")
    gate.open()
    assert download.wait_end().whole and download.body == bodies[first]
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="one is kept")


# ------------------------------------------------------------------ who goes


def test_min_free_has_the_oldest_go_when_the_newcomer_fits(origin, serve, disk):
    first, second, third, fourth = _names(4)
    sizes = {first: 8 * MB, second: 8 * MB, third: 9 * MB, fourth: 30 * MB}
    bodies = _put(origin, sizes)
    daemon = serve(_config(origin, min_free=10 * MB), cache_dir=disk(32))
    _fetch(daemon, first, bodies[first])
    _fetch(daemon, second, bodies[second])
    _fetch(daemon, fourth, bodies[fourth], cache="pass")
    assert _kept(daemon, bodies) == [first, second], "nothing goes for what does not fit"
    _fetch(daemon, third, bodies[third])
    assert _kept(daemon, bodies) == [second, third]


def test_who_is_being_read_stays(origin, serve):
    first, second, third, fourth = _names(4)
    bodies = _put(origin, {name: 24 * MB for name in (first, second, third, fourth)})
    daemon = serve(_config(origin, max_size=50 * MB))
    _fetch(daemon, first, bodies[first])
    _fetch(daemon, second, bodies[second])
    with_first = _Slow(_url(daemon, first))
    _fetch(daemon, second, bodies[second], cache="hit")  # the first is the older one
    _fetch(daemon, third, bodies[third])
    assert _kept(daemon, bodies) == [first, third]
    with_third = _Slow(_url(daemon, third))
    _fetch(daemon, fourth, bodies[fourth], cache="pass")
    assert with_first.rest() == bodies[first] and with_third.rest() == bodies[third]
    assert _kept(daemon, bodies) == [first, third]


def _leave_behind(daemon, name):
    """A download of which half is there when the daemon is killed."""
    download = wire.Download(_url(daemon, name))
    download.wait_held(10 * MB)
    daemon.kill()
    download.wait_end()


@pytest.fixture
def leftover(origin, serve):
    """(names, bodies, folder): half of the first, 20 MB, is left over."""
    names, gate = _names(4), Gate(10 * MB + (64 << 10))
    bodies = _put(origin, {name: 20 * MB for name in names}, {names[0]: gate})
    daemon = serve(_config(origin))
    _leave_behind(daemon, names[0])
    gate.open()
    return names, bodies, daemon.cache_dir


def test_a_leftover_goes_before_what_was_used_after_it(leftover, origin, serve):
    (left, second, third, fourth), bodies, folder = leftover
    daemon = serve(_config(origin, max_size=45 * MB), cache_dir=folder)
    assert 10 * MB < _used(daemon) < 12 * MB
    _fetch(daemon, second, bodies[second])
    assert len(_partials(daemon)) == 1
    _fetch(daemon, third, bodies[third])
    _until(lambda: not _partials(daemon), "half of the first is gone")
    assert _kept(daemon, bodies) == [second, third]
    _fetch(daemon, fourth, bodies[fourth])
    assert _kept(daemon, bodies) == [third, fourth]


def test_a_blob_goes_before_a_leftover_that_is_newer(origin, serve):
    """In the order of use, whatever they are: the download came later and is gone on with."""
    (first, left, third), gate = _names(3), Gate(10 * MB + (64 << 10))
    bodies = _put(origin, {name: 20 * MB for name in (first, left, third)}, {left: gate})
    daemon = serve(_config(origin, max_size=52 * MB))
    _fetch(daemon, first, bodies[first])
    second = int(time.time())
    _until(lambda: int(time.time()) > second, "another second")
    _leave_behind(daemon, left)
    daemon = serve(_config(origin, max_size=45 * MB), cache_dir=daemon.cache_dir)
    _fetch(daemon, third, bodies[third])
    assert _kept(daemon, bodies) == [third] and len(_partials(daemon)) == 1
    gate.open()
    _fetch(daemon, left, bodies[left], cache="partial")


def _config_with_digests(origin, bodies, **top):
    """A page that names digests: with one the facts of an earlier run count at once."""
    links = [anchor(f"/pytorch-wheels/cu126/{n}", n, _digest(b)) for n, b in bodies.items()]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
    mirror = official_mirror("m", origin.url) | {"files": f"{origin.url}/pytorch-wheels/"}
    return configuration(pytorch=[mirror], **top)


def _resumable(origin, serve, **top):
    """(names, bodies, daemon): the first is kept and has been used since half of the second was
    left; the daemon was started again, with `top`, and has been told of no file yet."""
    (first, left), gate = _names(2), Gate(10 * MB + (64 << 10))
    bodies = _put(origin, {name: 20 * MB for name in (first, left)}, {left: gate})
    daemon = serve(_config_with_digests(origin, bodies))
    daemon.page("torch")
    _leave_behind(daemon, left)
    daemon = serve(_config_with_digests(origin, bodies), cache_dir=daemon.cache_dir)
    _fetch(daemon, first, bodies[first])
    daemon.stop()
    gate.open()
    daemon = serve(_config_with_digests(origin, bodies, **top), cache_dir=daemon.cache_dir)
    return (first, left), bodies, daemon


def test_who_is_gone_on_with_does_not_go_for_itself(origin, serve):
    """Though nothing was unused for longer, and nobody reads it yet."""
    (first, left), bodies, daemon = _resumable(origin, serve, max_size=35 * MB)
    _fetch(daemon, left, bodies[left], cache="partial")
    assert _kept(daemon, bodies) == [left]
    assert origin.body_bytes(f"/pytorch-wheels/cu126/{left}") < 22 * MB


def test_who_was_just_asked_for_is_not_the_oldest(origin, serve):
    """Though nobody has come yet to go on with it."""
    (first, left), bodies, daemon = _resumable(origin, serve, max_size=35 * MB)
    third = "torch-2.9.0-py3-none-any.whl"
    body = _body(third, 20 * MB)
    origin.put(f"/pytorch-wheels/cu126/{third}", body)
    assert _ask(daemon, left, "HEAD").status == 200
    _fetch(daemon, third, body)
    assert not _kept(daemon, bodies)
    _fetch(daemon, left, bodies[left], cache="partial")


def test_what_is_left_of_a_file_without_room_passes_by(origin, serve):
    (first, left), bodies, daemon = _resumable(origin, serve, max_size=19 * MB)
    assert _ask(daemon, left, "HEAD").status == 200
    _fetch(daemon, left, bodies[left], cache="pass")


@pytest.fixture
def gates(serve, tmp_path):
    """After serve, so that all are open when it stops its daemons."""
    made = Gates(tmp_path / "gates")
    yield made
    made.open_all()


def test_what_is_just_being_kept_again_makes_no_room(origin, serve, gates):
    """It cannot go, for another path has these bytes; so nothing else goes for it either."""
    first, other, again, large = _names(4)
    body = _body(first, 2 * MB)
    bodies = _put(origin, {first: body, other: 2 * MB, again: body, large: 4 * MB})
    daemon = serve(_config(origin, max_size=7 * MB), wrap=gates.wrap)
    _fetch(daemon, first, body)
    _fetch(daemon, other, bodies[other])
    gates.close("sync")
    assert wire.ask(_url(daemon, again)).body == body
    gates.wait_stopped("sync")
    reply = wire.ask(_url(daemon, large))
    assert (reply.body == bodies[large], reply["X-Cache"]) == (True, "pass")
    gates.open("sync")
    daemon.wait_status(lambda s: not s["flights"], what="all are done with")
    assert _kept(daemon, bodies) == [first, other, again]


def test_a_parked_download_goes(half_done, origin):
    daemon, download, _, gate = half_done
    download.leave()
    _until(lambda: _partials(daemon) and 0 < _partials(daemon)[0] < BIG // 5, "it is parked")
    daemon.reconfigure(_config(origin, max_size=BIG + MB))
    daemon.wait_status(lambda s: s["cache"]["max_bytes"] == BIG + MB)
    other = _names(2)[1]
    body = _put(origin, {other: BIG})[other]
    assert wire.ask(_url(daemon, other)).body == body
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    assert not _partials(daemon)


def test_the_order_of_use_outlives_a_restart(origin, serve):
    names = _names(3)
    bodies = _put(origin, {name: 2 * MB for name in names})
    daemon = serve(_config(origin, max_size=5 * MB))
    _fetch(daemon, names[0], bodies[names[0]])
    _fetch(daemon, names[1], bodies[names[1]])
    second = int(time.time())
    _until(lambda: int(time.time()) > second, "another second")
    _fetch(daemon, names[0], bodies[names[0]], cache="hit")
    daemon.stop()
    daemon = serve(_config(origin, max_size=5 * MB), cache_dir=daemon.cache_dir)
    _fetch(daemon, names[2], bodies[names[2]])
    assert _kept(daemon, bodies) == [names[0], names[2]]


# ------------------------------------------------------------------ what waits for somebody


@pytest.mark.parametrize("days", [29, 31])
@pytest.mark.parametrize("configured", [True, False])
def test_a_leftover_waits_for_thirty_days(leftover, origin, serve, days, configured):
    (name, *_), bodies, folder = leftover
    [partial] = (folder / "partials").glob("*[0-9]")
    then = time.time() - days * DAY_S
    os.utime(partial, (then, then))
    if not configured:
        daemon = serve(configuration(pypi=[pypi_mirror("p", origin.url)]), cache_dir=folder)
        assert (_used(daemon) > 10 * MB) == (days < 30), "it is counted"
        daemon.stop()
    assert partial.exists() == (days < 30 or configured)
    daemon = serve(_config(origin), cache_dir=folder)
    assert partial.exists() == (days < 30)
    _fetch(daemon, name, bodies[name], cache="partial" if days < 30 else "miss")


def test_what_belongs_to_an_origin_that_is_gone_makes_room(leftover, origin, serve):
    (_, second, *_), bodies, folder = leftover
    daemon = serve(_config(origin), cache_dir=folder)
    _fetch(daemon, second, bodies[second])
    daemon.stop()
    name = "numpy-2.0-py3-none-any.whl"
    path, body = f"/packages/{name}", _body(name, 20 * MB)
    origin.put(path, body)
    config = configuration(pypi=[pypi_mirror("p", origin.url)], max_size=28 * MB)
    daemon = serve(config, cache_dir=folder)
    assert _used(daemon) > 28 * MB
    reply = wire.ask(daemon.file_url("pypi", path[1:]))
    assert (reply.body == body, reply["X-Cache"]) == (True, "miss")
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="one is kept")
    assert not _partials(daemon) and not _kept(daemon, bodies)
    assert _used(daemon) <= 28 * MB


def test_rm_makes_room_on_a_full_disk(origin, serve, disk, tmp_path):
    """And the catalogue, which could not be written then, does not bring it back."""
    names = _names(2)
    bodies = _put(origin, {name: 4 * MB for name in names})
    cache, sock = disk(16), f"/tmp/wy-{os.getpid()}.sock"
    daemon = serve(_config(origin, min_free=0, socket=sock), cache_dir=cache)
    for name in names:
        _fetch(daemon, name, bodies[name])
    with open(cache.parent / "ballast", "wb", buffering=0) as ballast:
        with pytest.raises(OSError):
            while ballast.write(bytes(4096)):
                pass
    removed = run_wheelyard("cache", "rm", names[0], "--socket", sock, home=tmp_path)
    assert removed.returncode == 0, removed.stderr
    _until(lambda: _kept(daemon, bodies) == [names[1]], "it is gone")
    daemon.kill()
    (cache.parent / "ballast").unlink()
    daemon = serve(_config(origin, min_free=0, socket=sock), cache_dir=cache)
    _fetch(daemon, names[1], bodies[names[1]], cache="hit")
    _fetch(daemon, names[0], bodies[names[0]])
