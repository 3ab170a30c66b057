# SPDX-License-Identifier: Apache-2.0
"""`wheelyard cache`: the command and the running daemon behind its socket."""

import hashlib
import json
import os
import socket
import stat
import subprocess

import pytest

import wire
from daemon import PATIENCE, binary, configuration, daemon_environment, flat_mirror, run_wheelyard
from origin import Gate
from standins import flat_page, wait_until
from wheels import build, sound

VERSIONS = ("2.7.0+cu126", "2.8.0+cu126", "2.9.0+cu126")
DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3


@pytest.fixture
def bodies(tmp_path):
    paths = [build(tmp_path / v, "torch", v, padding=200_000) for v in VERSIONS]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def mirror(origin, bodies):
    page = flat_page("cu126", [(n, len(b)) for n, b in bodies.items()])
    origin.put_page("/pytorch-wheels/cu126/", page)
    for name, body in bodies.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body)
    return origin


@pytest.fixture
def start(mirror, serve, place):
    def run(**top):
        top.setdefault("socket", str(place))
        return serve(configuration(pytorch=[flat_mirror("flat", mirror.url)], **top), **run.options)

    run.options = {}
    return run


@pytest.fixture
def cache(place, tmp_path):
    def run(*arguments, socket=None):
        return run_wheelyard(
            "cache", *arguments, "--socket", socket or place, home=tmp_path, seconds=60
        )

    return run


def _key(name):
    return f"cu126/{name}"


def _ask(daemon, name, method="GET"):
    return wire.ask(daemon.file_url("pytorch", _key(name)), method)


def _keep(daemon, name, count):
    reply = _ask(daemon, name)
    daemon.wait_status(
        lambda s: s["cache"]["blobs"] == count and not s["flights"], what="it is kept"
    )
    return reply


def _keep_all(daemon, bodies):
    for count, name in enumerate(bodies, 1):
        assert _keep(daemon, name, count).body == bodies[name]
    daemon.wait_status(lambda s: s["evidence"]["record"] == len(bodies), what="all are checked")


def _sha256(body):
    return hashlib.sha256(body).hexdigest()


def _blob(daemon, body):
    digest = _sha256(body)
    return daemon.cache_dir / "blobs" / digest[:2] / digest


def _spoil(path):
    """Other bytes under the same name, in another file: the daemon may have mapped the first."""
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    fresh = path.parent.parent.parent / "spoiled"
    fresh.write_bytes(body)
    fresh.rename(path)


# ------------------------------------------------------------------ socket


def test_the_socket_is_the_owners_alone(start, place):
    start()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


def test_another_user_is_refused(start, place):
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    start()
    place.parent.parent.chmod(0o755)
    place.parent.chmod(0o755)
    place.chmod(0o666)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place))
            client.settimeout(10)
            try:
                client.sendall(b'["cache","ls"]\n')
                got = client.recv(100)
            except ConnectionError:
                got = b""
        os._exit(1 if got else 0)
    assert os.waitpid(child, 0)[1] == 0


def test_no_daemon(cache, tmp_path):
    result = cache("ls", socket=tmp_path / "nobody.sock")
    assert result.returncode == UNREACHABLE
    assert "no daemon" in result.stderr


def test_a_socket_that_a_crash_left_is_replaced(start, place, cache):
    start().kill()
    assert place.exists()
    start()
    assert cache("ls").returncode == DONE


def test_a_socket_in_use_is_not_taken(start, place, cache, bodies):
    first = start()
    _keep(first, next(iter(bodies)), 1)
    second = start()
    second.wait_log("no control socket")
    second.stop()
    assert "1 file" in cache("ls").stdout


def test_the_socket_goes_with_the_daemon(start, place):
    start().stop()
    assert not place.exists()


def test_silent_clients_hold_up_nobody(start, place, cache):
    start()
    silent = []
    for _ in range(8):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(place))
        client.sendall(b'["cache",')
        silent.append(client)
    assert cache("ls").returncode == DONE
    for client in silent:
        client.settimeout(30 * PATIENCE)
        assert client.recv(1) == b"", "a silent client is dropped in the end"
        client.close()


@pytest.mark.parametrize(
    "line", [b"rubbish\n", b"[]\n", b"[1]\n", b'["cache"]\n', b'["cache","fly"]\n', b'["x","y"]\n']
)
def test_what_is_no_request(start, place, line):
    start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10 * PATIENCE)
        client.connect(str(place))
        client.sendall(line)
        assert json.loads(client.makefile().readline())["code"] == USAGE


def test_a_request_that_never_ends_is_cut(start, place, cache):
    start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10 * PATIENCE)
        client.connect(str(place))
        try:
            client.sendall(b'["' + b"x" * (200 << 10))
            assert client.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert cache("ls").returncode == DONE


# ------------------------------------------------------------------ looking


def test_ls(start, cache, bodies):
    daemon = start()
    _keep_all(daemon, bodies)
    result = cache("ls")
    lines = result.stdout.splitlines()
    assert result.returncode == DONE
    assert [line.split()[-1] for line in lines[:-1]] == sorted(f"pytorch/cu126/{n}" for n in bodies)
    for line in lines[:-1]:
        body = bodies[line.rsplit("/", 1)[1]]
        assert _sha256(body)[:12] in line
        assert "structure" in line or "record" in line, "a flat page names no digest"
    assert "3 files" in lines[-1]


def test_ls_json(start, cache, bodies):
    daemon = start()
    _keep_all(daemon, bodies)
    blobs = json.loads(cache("ls", "--json").stdout)["blobs"]
    assert {b["name"].rsplit("/", 1)[1]: b["size"] for b in blobs} == {
        n: len(b) for n, b in bodies.items()
    }
    assert all(b["complete"] and not b["pinned"] and b["unverified"] for b in blobs)


@pytest.mark.parametrize("kind", ["file name", "path", "digest", "prefix", "named prefix"])
def test_what_a_blob_is_called(start, cache, bodies, kind):
    daemon = start()
    _keep_all(daemon, bodies)
    name, body = next(iter(bodies.items()))
    spelled = {
        "file name": name,
        "path": f"pytorch/cu126/{name}",
        "digest": _sha256(body),
        "prefix": _sha256(body)[:10].upper(),
        "named prefix": "sha256:" + _sha256(body)[:10],
    }[kind]
    result = cache("info", spelled)
    assert result.returncode == DONE
    assert _sha256(body) in result.stdout
    assert f"pytorch/cu126/{name}" in result.stdout


def test_unknown_and_ambiguous(start, cache, mirror, bodies):
    daemon = start()
    name, other = list(bodies)[:2]
    mirror.put(f"/pytorch-wheels/cu128/{name}", bodies[other])
    _keep(daemon, name, 1)
    wire.ask(daemon.file_url("pytorch", f"cu128/{name}"))
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 2 and not s["flights"])
    nobody = cache("info", "numpy")
    assert nobody.returncode == FAILED
    assert "numpy" in nobody.stderr
    several = cache("rm", name)
    assert several.returncode == FAILED
    assert f"cu126/{name}" in several.stderr and f"cu128/{name}" in several.stderr
    assert cache("rm", f"pytorch/cu128/{name}").returncode == DONE


@pytest.mark.parametrize(
    "arguments", [(), ("fly",), ("rm",), ("ls", "x"), ("ls", "--fast"), ("verify", "--rate", "much")]
)
def test_usage(cache, arguments):
    assert cache(*arguments).returncode == USAGE


def test_the_socket_of_the_configuration(start, place, tmp_path):
    """Whoever names a place for it in the file need not name it again."""
    start()
    home = tmp_path / "home"
    file = home / ".config" / "wheelyard" / "wheelyard.conf"
    file.parent.mkdir(parents=True)
    file.write_text(f'socket = "{place}-not"\n')
    done = run_wheelyard("cache", "ls", home=home)
    assert done.returncode == UNREACHABLE and f"no daemon answers at {place}-not\n" in done.stderr
    file.write_text(f'socket = "{place}"\n')
    assert run_wheelyard("cache", "ls", home=home).returncode == DONE


def test_a_socket_of_another_user(start, place, tmp_path):
    start()
    without_rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    try:
        os.chown(place, 65534, 65534)
        subprocess.run([*without_rights, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can have sockets of others")
    command = [*without_rights, binary(), "cache", "ls", "--socket", place]
    environment = daemon_environment(tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == UNREACHABLE and f"not for this user: {place}" in done.stderr


# ------------------------------------------------------------------ rm, pin, gc


def test_rm(start, cache, mirror, bodies):
    daemon = start()
    _keep_all(daemon, bodies)
    name, body = next(iter(bodies.items()))
    assert cache("rm", name).returncode == DONE
    assert cache("info", name).returncode == FAILED
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 2)
    mirror.requests.clear()
    again = _ask(daemon, name)
    assert (again.body, again["X-Cache"]) == (body, "miss")
    assert any(r.path.endswith(name.replace("+", "%2B")) or r.path.endswith(name) for r in mirror.requests)


def test_who_reads_a_removed_blob_reads_on(origin, serve, place, cache, tmp_path):
    body = sound("big-1.0-py3-none-any.whl", 24 << 20)
    origin.put("/pytorch-wheels/cu126/big-1.0-py3-none-any.whl", body)
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)], socket=str(place)))
    name = "big-1.0-py3-none-any.whl"
    _keep(daemon, name, 1)
    with _Slow(daemon, name) as reader:
        assert cache("rm", name).returncode == DONE
        daemon.wait_status(lambda s: s["cache"]["blobs"] == 0)
        assert reader.rest() == body


class _Slow:
    """A client that has the head of its reply, and has not taken the body yet."""

    def __init__(self, daemon, name):
        host, port = daemon.url.removeprefix("http://").rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), 30 * PATIENCE)
        path = daemon.file_url("pytorch", _key(name)).removeprefix(daemon.url)
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        self._file = self._socket.makefile("rb")

    def __enter__(self):
        assert b" 200 " in self._file.readline()
        return self

    def rest(self):
        while self._file.readline() != b"\r\n":
            pass
        return self._file.read()

    def __exit__(self, *_):
        self._file.close()
        self._socket.close()


def test_rm_refuses_what_is_pinned(start, cache, bodies):
    daemon = start()
    name = next(iter(bodies))
    _keep(daemon, name, 1)
    assert cache("pin", name).returncode == DONE
    refused = cache("rm", name)
    assert refused.returncode == FAILED
    assert "pinned" in refused.stderr
    assert _ask(daemon, name, "HEAD")["X-Cache"] == "hit"
    assert cache("unpin", name).returncode == DONE
    assert cache("rm", name).returncode == DONE


def test_pins_hold_off_eviction_also_after_a_restart(start, serve, cache, bodies):
    first, second, third = bodies
    size = 2 * max(map(len, bodies.values())) + 20_000
    daemon = start(max_size=str(size))
    _keep(daemon, first, 1)
    assert cache("pin", first).returncode == DONE
    daemon.stop()
    start.options = {"cache_dir": daemon.cache_dir}
    daemon = start(max_size=str(size))
    assert "pinned" in cache("ls").stdout
    _keep(daemon, second, 2)
    _keep(daemon, third, 2)
    blobs = json.loads(cache("ls", "--json").stdout)["blobs"]
    assert [b["name"].rsplit("/", 1)[1] for b in blobs] == [first, third]


def test_gc_evicts_to_a_smaller_max_size(start, cache, bodies):
    daemon = start()
    _keep_all(daemon, bodies)
    assert cache("pin", next(iter(bodies))).returncode == DONE
    config = daemon.folder / "config.toml"
    size = max(map(len, bodies.values())) + 10_000
    config.write_text(f'max_size = "{size}"\n' + config.read_text())
    daemon.process.send_signal(1)  # SIGHUP
    daemon.wait_status(lambda s: s["cache"]["max_bytes"] == size)
    result = cache("gc")
    assert result.returncode == DONE, result.stderr
    assert result.stdout.startswith("2 files evicted")
    blobs = json.loads(cache("ls", "--json").stdout)["blobs"]
    assert [b["name"].rsplit("/", 1)[1] for b in blobs] == [next(iter(bodies))]


def test_gc_removes_orphans(start, cache, bodies):
    daemon = start()
    _keep_all(daemon, bodies)
    stray = _blob(daemon, b"nobody's")
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"nobody's")
    result = cache("gc")
    assert result.returncode == DONE
    assert "1 orphans" in result.stdout
    daemon.stop()
    assert not stray.exists()
    assert all(_blob(daemon, body).exists() for body in bodies.values())


def test_a_partial_is_shown_and_removed(origin, serve, place, cache):
    name = "big-1.0-py3-none-any.whl"
    origin.put(f"/pytorch-wheels/cu126/{name}", sound(name, 64 << 20))
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)], socket=str(place)))
    url = daemon.file_url("pytorch", _key(name))
    assert wire.ask(url, headers={"Range": "bytes=-16384"}).status == 206
    assert "partial,0%" in cache("ls").stdout
    refused = cache("pin", name)
    assert refused.returncode == FAILED and "not complete" in refused.stderr
    assert cache("rm", name).returncode == DONE
    assert "0 files" in cache("ls").stdout
    daemon.wait_status(lambda s: s["cache"]["partials"] == 0)
    assert wire.ask(url, headers={"Range": "bytes=-16384"}).status == 206


def test_what_a_kill_left_is_shown_with_its_share(origin, serve, place, cache):
    name, size, gate = "big-1.0-py3-none-any.whl", 20_000_000, Gate(15_000_000)
    origin.put(f"/pytorch-wheels/cu126/{name}", sound(name, size), gate=gate)
    config = configuration(pytorch=[flat_mirror("flat", origin.url)], socket=str(place))
    daemon = serve(config)
    download = wire.Download(daemon.file_url("pytorch", _key(name)))
    download.wait_held(14_500_000)
    daemon.kill()
    gate.open()
    download.wait_end()
    daemon = serve(config, cache_dir=daemon.cache_dir)
    [row] = json.loads(cache("ls", "--json").stdout)["blobs"]
    assert row["size"] == size and 14_000_000 < row["present"] <= 15_100_000
    share = int(cache("ls").stdout.split("partial,")[1].split("%")[0])
    assert 70 <= share <= 75
    assert str(row["present"]) in cache("info", name).stdout
    assert cache("rm", name).returncode == DONE
    assert "0 files" in cache("ls").stdout
    assert _ask(daemon, name)["X-Cache"] == "miss"


# ------------------------------------------------------------------ verify


def test_verify_good(start, cache, bodies):
    daemon = start()
    _keep_all(daemon, bodies)
    result = cache("verify", "--rate", "1GB/s")
    assert result.returncode == DONE
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["good"] * 3
    assert "never" not in cache("info", next(iter(bodies))).stdout


@pytest.mark.parametrize("harm", ["corrupt", "missing"])
def test_verify_repairs(start, cache, bodies, harm):
    daemon = start()
    _keep_all(daemon, bodies)
    name, body = next(iter(bodies.items()))
    path = _blob(daemon, body)
    _spoil(path) if harm == "corrupt" else path.unlink()
    result = cache("verify", name)
    assert result.returncode == DONE, result.stderr
    assert result.stdout.split()[0] == harm
    assert "fetched again" in result.stdout
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 3 and not s["flights"])
    assert path.read_bytes() == body
    assert _ask(daemon, name).body == body
    assert [p["kind"] for p in daemon.status()["problems"]] == [f"blob-{harm}"]
    aside = daemon.cache_dir / "quarantine" / _sha256(body)
    assert aside.exists() == (harm == "corrupt")


def test_verify_says_when_it_cannot_repair(start, cache, mirror, bodies):
    daemon = start()
    name, body = next(iter(bodies.items()))
    _keep(daemon, name, 1)
    _spoil(_blob(daemon, body))
    mirror.remove(f"/pytorch-wheels/cu126/{name}")
    result = cache("verify", name)
    assert result.returncode == FAILED
    assert result.stdout.startswith("corrupt")
    assert _ask(daemon, name).status == 404


def test_a_slow_verify_does_not_hold_up_the_end(start, cache, bodies, place):
    daemon = start()
    name = next(iter(bodies))
    _keep(daemon, name, 1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place))
        client.sendall(json.dumps(["cache", "verify", name, "1000"]).encode() + b"\n")
        assert cache("ls").returncode == DONE, "others are served meanwhile"
        daemon.stop()


def test_the_scrub_finds_what_rots(start, bodies):
    daemon = start(scrub_after="1s")
    name, body = next(iter(bodies.items()))
    _keep(daemon, name, 1)
    _spoil(_blob(daemon, body))
    daemon.wait_status(lambda s: any(p["kind"] == "blob-corrupt" for p in s["problems"]), 20)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], 20)
    assert _ask(daemon, name).body == body


# ------------------------------------------------------------------ the catalogue is lost


def _lose_catalogue(daemon):
    for path in daemon.cache_dir.glob("catalogue.sqlite*"):
        path.unlink()


def _rows(cache):
    return json.loads(cache("ls", "--json").stdout)["blobs"]


def test_a_pin_outlives_the_catalogue(start, cache, bodies):
    """Also one that was set long after the wheel was kept; and so does its end."""
    daemon = start()
    _keep_all(daemon, bodies)
    name = list(bodies)[1]
    start.options = {"cache_dir": daemon.cache_dir}
    for command, pinned in (("pin", [name]), ("unpin", [])):
        assert cache(command, name).returncode == DONE
        daemon.stop()
        _lose_catalogue(daemon)
        daemon = start()
        rows = _rows(cache)
        assert len(rows) == len(bodies)
        assert [row["name"].rsplit("/", 1)[1] for row in rows if row["pinned"]] == pinned
        assert cache("rm", name).returncode == (FAILED if pinned else DONE)


def test_a_pin_of_what_is_fetched_again_outlives_it_too(start, cache, bodies):
    """The pin was there before the blob that is kept under it."""
    daemon = start()
    name, body = next(iter(bodies.items()))
    _keep(daemon, name, 1)
    assert cache("pin", name).returncode == DONE
    wait_until(lambda: _rows(cache)[0].get("level") == "record", what="its own RECORD was compared")
    _spoil(_blob(daemon, body))
    assert cache("verify", name).returncode == DONE
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"])
    daemon.stop()
    _lose_catalogue(daemon)
    start.options = {"cache_dir": daemon.cache_dir}
    start()
    assert [row["pinned"] for row in _rows(cache)] == [True]
