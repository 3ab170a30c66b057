# SPDX-License-Identifier: Apache-2.0
"""The races that reading a growing file from many connections brings, each at its worst moment: the
daemon is stopped there by a barrier (gates.py), the other side moves, and it goes on."""

import contextlib
import math
import os
import re
import signal
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

import pytest

import wire
from daemon import PATIENCE, configuration, official_mirror, run_wheelyard
from gates import LIBRARY, Gates, wait_until
from origin import Gate
from standins import anchor, simple_page
from wheels import build, sha256_of

NAME = "torch-1.0-py3-none-any.whl"
PATH = f"/whl/cu126/{NAME}"
NOTICED_S = 2.0
pytestmark = [
    pytest.mark.concurrent,
    pytest.mark.skipif(not LIBRARY.exists(), reason=f"{LIBRARY} is built with the daemon"),
]


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return build(folder, "torch", "1.0", padding=8_000_000).read_bytes()


@pytest.fixture
def gates(serve, tmp_path):
    """After serve, so that all are open when it stops its daemons."""
    made = Gates(tmp_path / "gates")
    yield made
    made.open_all()


@pytest.fixture
def start(origin, serve, gates, body):
    """start(...): a daemon before one mirror with one file; more is the mirror's trouble with it."""

    def begin(named=sha256_of(body), options=None, **trouble):
        origin.put_page("/whl/cu126/torch/", simple_page("torch", [anchor(PATH, NAME, named)]))
        origin.put(PATH, body, **trouble)
        mirrors = [official_mirror("m", origin.url)]
        daemon = serve(configuration(pytorch=mirrors, **(options or {})), wrap=gates.wrap)
        assert daemon.page("torch").status == 200
        return daemon

    return begin


def url_of(daemon):
    return daemon.file_url("pytorch", f"cu126/{NAME}")


def blobs(daemon):
    return [p for p in daemon.cache_dir.glob("blobs/??/*") if re.fullmatch("[0-9a-f]{64}", p.name)]


def partials(daemon):
    """Without the maps beside them."""
    return [p for p in (daemon.cache_dir / "partials").iterdir() if "." not in p.name]


def wait_kept(daemon):
    """Seen on the disk: its workers may all stand at a barrier."""
    wait_until(lambda: blobs(daemon), "the file is kept")


def answered(daemon, path):
    """How many requests for it are over, however they ended."""
    return len(re.findall(rf"access client=.* path={re.escape(path)} ", daemon.log()))


def silence(origin, path):
    """A page that does not come before the event is set."""
    silent = threading.Event()
    link = anchor("/whl/cu126/torchvision-1.0-py3-none-any.whl", "torchvision-1.0-py3-none-any.whl")
    origin.put_page(path, simple_page("torchvision", [link]), silent=silent)
    return silent


@contextlib.contextmanager
def raw_client(daemon, *requests, buffer_bytes=None):
    """A connection that has sent these requests, and reads when it is told to."""
    parts = urlsplit(daemon.url)
    with socket.socket() as client:
        if buffer_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        client.settimeout(wire.PATIENCE_S)
        client.connect((parts.hostname, parts.port))
        for path in requests:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield client


def read_all(client):
    """To the end of the connection, which a daemon that cuts brings about."""
    read = bytearray()
    with contextlib.suppress(ConnectionError):
        while block := client.recv(1 << 18):
            read += block
    return bytes(read)


# ------------------------------------------------------------------ suspending and waking


def test_bytes_come_while_a_client_is_being_suspended(start, gates, body):
    """Between "nothing there" and the suspending: a wake-up that comes then is not lost."""
    gate = Gate(500_000)
    daemon = start(gate=gate)
    client = wire.Download(url_of(daemon))
    client.wait_held(500_000)
    gates.close("suspend")
    gate.allow(1_000_000)
    gates.wait_stopped("suspend")  # it has read what there is, and has seen that there is no more
    gate.open()
    gate.wait_reached(len(body))
    wait_until(lambda: partials(daemon)[0].stat().st_size == len(body), "all is on the disk")
    gates.open("suspend")
    assert client.wait_end().whole and bytes(client.body) == body


def test_a_page_comes_while_a_client_is_being_suspended(origin, start, gates):
    daemon = start()
    silent = silence(origin, "/whl/cu126/torchvision/")
    gates.close("suspend")
    client = wire.Download(f"{daemon.index()}/torchvision/")
    gates.wait_stopped("suspend")
    silent.set()
    origin.wait(lambda: any(r.path.endswith("/torchvision/") and r.sent for r in origin.requests))
    gates.open("suspend")
    assert client.wait_end().status == 200


def test_who_leaves_while_it_is_woken(start, gates, body):
    """The worker finds a connection that is closed already; the others notice nothing."""
    gate = Gate(500_000)
    daemon = start(gate=gate)
    staying = wire.Download(url_of(daemon))
    staying.wait_held(500_000)
    leaving = wire.Download(url_of(daemon))
    leaving.wait_held(500_000)
    gates.close("resume")
    gate.allow(1_000_000)
    gates.wait_stopped("resume")
    leaving.leave()
    gates.open("resume")
    gate.open()
    assert staying.wait_end().whole and bytes(staying.body) == body
    daemon.wait_status(lambda s: not s["flights"], what="nobody is left behind")


def test_who_leaves_while_it_is_being_suspended(start, gates, body):
    gate = Gate(500_000)
    daemon = start(gate=gate)
    client = wire.Download(url_of(daemon))
    client.wait_held(500_000)
    gates.close("suspend")
    gate.allow(600_000)
    gates.wait_stopped("suspend")
    client.leave()
    gates.open("suspend")
    wait_until(lambda: answered(daemon, f"/files/pytorch/cu126/{NAME}"), "it is noticed", 5)
    gate.open()
    assert wire.ask(url_of(daemon)).body == body


# ------------------------------------------------------------------ the end of the daemon


def test_stop_while_a_client_is_being_suspended(start, gates):
    """It holds the list that the stop wants to close, and is on it a moment later."""
    gate = Gate(500_000)
    daemon = start(gate=gate)
    client = wire.Download(url_of(daemon))
    client.wait_held(500_000)
    gates.close("suspend")
    gate.allow(600_000)
    gates.wait_stopped("suspend")
    daemon.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "cutting requests" in daemon.log(), "the engine is stopped")
    gates.open("suspend")
    assert daemon.process.wait(10 * PATIENCE) == 0
    daemon.check_log()
    assert not client.wait_end().whole


def test_stop_while_a_refusal_waits_behind_a_write(origin, start, gates):
    """What a transfer ended with comes behind its writes: when the file is nobody's any more."""
    gate, answering, large = Gate(500_000), threading.Event(), bytes(64 << 20)
    daemon = start(gate=gate, named=None)
    origin.change(PATH, body=large)
    client = wire.Download(url_of(daemon))
    client.wait_held(500_000)
    origin.change(PATH, status=503, silent=answering)
    tail = wire.Download(url_of(daemon), headers={"Range": f"bytes={len(large) - 1000}-"})
    origin.wait(lambda: any(f"={len(large) - 1000}-" in str(r.range) for r in origin.requests))
    gates.close("write")
    gate.allow(1_000_000)
    gates.wait_stopped("write")
    answering.set()
    assert wire.ask(url_of(daemon), "HEAD").status == 200  # the same thread answers, afterwards
    daemon.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "cutting requests" in daemon.log(), "the engine is stopped")
    gates.open("write")
    assert daemon.process.wait(10 * PATIENCE) == 0
    daemon.check_log()
    assert not client.wait_end().whole and tail.wait_end().status == 503


def test_no_worker_is_raced_for_its_listening_socket(start, gates):
    """libmicrohttpd aborts when the worker and who stops it take it out of the epoll set at once."""
    daemon = start()
    gates.trace("unlisten")
    gates.trace("unlisten-elsewhere")
    daemon.stop()
    assert gates.seen("unlisten by") == len(os.sched_getaffinity(0))
    assert gates.seen("unlisten-elsewhere by") == 0


def test_who_leaves_while_the_daemon_stops(start, gates):
    gate = Gate(500_000)
    daemon = start(gate=gate)
    clients = [wire.Download(url_of(daemon)) for _ in range(4)]
    for client in clients:
        client.wait_held(500_000)
    gates.close("resume")
    daemon.process.send_signal(signal.SIGTERM)
    gates.wait_stopped("resume")  # the lists are being closed
    for client in clients[:2]:
        client.leave()
    gates.open("resume")
    assert daemon.process.wait(10 * PATIENCE) == 0
    daemon.check_log()
    assert not any(client.wait_end().whole for client in clients)


@pytest.mark.parametrize("what", ["suspended", "cold"])
def test_stop_while_a_block_is_read(start, gates, body, what):
    """A disk lane has it in hand when all end; the client waits for it, or has left."""
    daemon = start()
    assert wire.ask(url_of(daemon)).body == body
    wait_kept(daemon)
    gates.make_cold()
    gates.close("read")
    client = wire.Download(url_of(daemon))
    gates.wait_stopped("read")
    if what == "cold":
        client.leave()
    daemon.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping signal" in daemon.log(), "it stops")
    gates.open("read")
    assert daemon.process.wait(10 * PATIENCE) == 0
    daemon.check_log()


def test_who_leaves_while_its_block_is_read(start, gates, body):
    daemon = start()
    assert wire.ask(url_of(daemon)).body == body
    wait_kept(daemon)
    gates.make_cold()
    gates.close("read")
    client = wire.Download(url_of(daemon))
    gates.wait_stopped("read")
    client.leave()
    gates.open("read")
    assert wire.ask(url_of(daemon)).body == body
    wait_until(lambda: answered(daemon, f"/files/pytorch/cu126/{NAME}") == 3, "it is over")


# ------------------------------------------------------------------ departure is noticed

SILENT = "torch-2.0-py3-none-any.whl"
WAITS = {
    "for-bytes": f"/files/pytorch/cu126/{NAME}",
    "for-bytes-of-a-pass": f"/files/pytorch/cu126/{NAME}",
    "for-an-answer": f"/files/pytorch/cu126/{SILENT}",
    "for-a-page": "/cu126/simple/torchvision/",
}


def leave(client, how):
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.alone
@pytest.mark.parametrize("how", ["closed", "reset", "with-a-request-sent-ahead"])
@pytest.mark.parametrize("waits", WAITS)
def test_a_departure_is_noticed_within_two_seconds(origin, start, waits, how):
    """While it is suspended the HTTP library looks at neither its end nor its time."""
    path, gate = WAITS[waits], Gate(500_000)
    daemon = start(options={"min_free": "100000GB"} if "pass" in waits else None, gate=gate)
    silence(origin, "/whl/cu126/torchvision/")
    silence(origin, f"/whl/cu126/{SILENT}")
    ahead = ["/-/health"] if "ahead" in how else []
    def seconds_until_noticed():
        before = answered(daemon, path)
        with raw_client(daemon, path, *ahead) as client:
            if "bytes" in waits:
                held = 0
                most = 500_000 if "pass" not in waits else 400_000
                while held < most:
                    held += len(client.recv(1 << 16))
            else:
                gone = path.rsplit("/", 1)[1] or "torchvision/"
                origin.wait_asked(f"/whl/cu126/{gone}")
            left = time.monotonic()
            leave(client, how)
            wait_until(lambda: answered(daemon, path) > before, "it is noticed")
            return time.monotonic() - left

    took = []  # a busy machine may stand still for a moment: once of three times is enough
    while len(took) < 3 and min(took, default=math.inf) >= NOTICED_S * PATIENCE:
        took.append(seconds_until_noticed())
    assert min(took) < NOTICED_S * PATIENCE, took
    gate.open()


def cpu_s(daemon):
    fields = open(f"/proc/{daemon.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.alone
def test_who_waits_costs_no_time(start):
    """An answer of "nothing yet" without suspending would be asked for again at once, for ever."""
    gate = Gate(500_000)
    daemon = start(gate=gate)
    clients = [wire.Download(url_of(daemon)) for _ in range(20)]
    for client in clients:
        client.wait_held(500_000)
    before, begun = cpu_s(daemon), daemon.status()["uptime_s"]
    daemon.wait_status(lambda s: s["uptime_s"] >= begun + 3, what="three seconds")
    assert cpu_s(daemon) - before < 0.25 * PATIENCE
    gate.open()


# ------------------------------------------------------------------ between the answer and the bytes


@pytest.mark.parametrize("named", [True, False], ids=["digest", "no-digest"])
def test_the_file_is_kept_between_the_answer_and_the_first_byte(origin, start, gates, body, named):
    """The reply speaks of a growing file; by the time it is read from, the flight is over."""
    daemon = start(named=sha256_of(body) if named else None)
    gates.close("queue")
    client = wire.Download(url_of(daemon))
    gates.wait_stopped("queue")
    wait_kept(daemon)
    gates.open("queue")
    assert client.wait_end().whole and bytes(client.body) == body
    assert origin.body_bytes(PATH) == len(body)


def test_wrong_bytes_between_the_answer_and_the_first_byte(origin, start, gates, body):
    """The digest has disagreed, the bytes are forgotten: who has its 200 already is cut."""
    daemon = start(named=sha256_of(body + b"!"))
    gates.close("queue")
    client = wire.Download(url_of(daemon))
    gates.wait_stopped("queue")
    wait_until(lambda: "wrong digest" in daemon.log(), "the digest disagrees")
    gates.open("queue")
    assert not client.wait_end().whole
    assert client.held == 0


@pytest.mark.parametrize("end", ["leaves", "stop"])
def test_the_end_between_the_answer_and_the_first_byte(start, gates, body, end):
    daemon = start()
    gates.close("queue")
    client = wire.Download(url_of(daemon))
    gates.wait_stopped("queue")
    if end == "leaves":
        client.leave()
    else:
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "cutting requests" in daemon.log(), "the engine is stopped")
    gates.open("queue")
    if end == "leaves":
        wait_until(lambda: answered(daemon, f"/files/pytorch/cu126/{NAME}"), "it is over")
        assert wire.ask(url_of(daemon)).body == body
    else:
        assert daemon.process.wait(10 * PATIENCE) == 0
        daemon.check_log()


@pytest.mark.parametrize("end", ["kept", "stop"])
def test_who_asks_while_the_file_is_being_kept(origin, start, gates, body, end):
    """All of it is there, and right: nobody waits for the disk."""
    daemon = start()
    gates.close("sync")
    assert wire.ask(url_of(daemon)).body == body
    gates.wait_stopped("sync")
    for method in ("HEAD", "GET"):
        reply = wire.ask(url_of(daemon), method)
        assert (reply.status, reply["X-Cache"]) == (200, "hit")
    assert reply.body == body and not blobs(daemon)
    if end == "stop":
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping signal" in daemon.log(), "it stops")
    gates.open("sync")
    if end == "stop":
        assert daemon.process.wait(10 * PATIENCE) == 0
        daemon.check_log()
    else:
        daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
        assert wire.ask(url_of(daemon))["X-Cache"] == "hit"
    assert origin.body_bytes(PATH) == len(body)


def test_what_was_whole_at_a_kill_is_not_kept_without_room(start, serve, gates, body):
    """No digest is known, so that nobody hears of its length before all of it is checked."""
    daemon = start(named=None)
    gates.close("sync")
    assert wire.ask(url_of(daemon)).body == body
    gates.wait_stopped("sync")
    daemon.kill()
    gates.open("sync")
    config = f'max_size = "{len(body) // 2}"\n' + (daemon.folder / "config.toml").read_text()
    daemon = serve(config, cache_dir=daemon.cache_dir)
    assert partials(daemon), "it is left over"
    reply = wire.ask(url_of(daemon))
    assert (reply.body, reply["X-Cache"]) == (body, "pass")
    daemon.stop()
    assert not blobs(daemon) and not partials(daemon)


def test_a_sync_fails_while_the_file_is_about_to_be_kept(origin, start, gates, body):
    """Only that sync is told: the next one, before the file is kept, would find nothing wrong. The
    client has all of it, so that the file is on its way to be kept."""
    gate = Gate(len(body) // 2)
    daemon = start(gate=gate)
    gates.close("sync")
    gates.fail_sync()
    download = wire.Download(url_of(daemon))
    gates.wait_stopped("sync")
    gate.open()
    assert download.wait_end().body == body
    gates.open("sync")
    daemon.wait_status(lambda s: not s["flights"], what="it is over")
    assert "cannot keep" in daemon.log() and not blobs(daemon)
    wait_until(lambda: not partials(daemon), "what was fetched is removed")
    assert wire.ask(url_of(daemon)).body == body
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    assert wire.ask(url_of(daemon))["X-Cache"] == "hit"
    assert origin.body_bytes(PATH) == 2 * len(body)


@pytest.mark.parametrize("how", ["rm", "verify", "newcomer"])
def test_the_same_bytes_are_kept_for_another_path_meanwhile(
    origin, start, gates, body, tmp_path, how
):
    """What would be taken from the disk is what the other path is being given."""
    sock = f"/tmp/wy-{os.getpid()}.sock"
    origin.put(PATH.replace("cu126", "cu128"), body)
    daemon = start(options={"socket": sock, "max_size": 2 * len(body) + 100_000})
    assert wire.ask(url_of(daemon)).body == body
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    [blob] = blobs(daemon)
    if how == "verify":
        blob.unlink()
    gates.close("sync")
    assert wire.ask(url_of(daemon).replace("cu126", "cu128")).body == body
    gates.wait_stopped("sync")
    if how == "newcomer":
        other = PATH.replace("1.0", "2.0")
        origin.put(other, os.urandom(len(body)))
        reply = wire.ask(daemon.url + other.replace("/whl/", "/files/pytorch/"))
        assert (reply.status, reply["X-Cache"]) == (200, "pass")
    else:
        command = ("cache", how, f"pytorch/cu126/{NAME}", "--socket", sock)
        refused = run_wheelyard(*command, home=tmp_path, seconds=60)
        assert refused.returncode == 1 and "being fetched" in refused.stderr + refused.stdout
    gates.open("sync")
    daemon.wait_status(lambda s: not s["flights"], what="it is kept for the other")
    assert blob.exists()
    for channel in ("cu126", "cu128"):
        reply = wire.ask(url_of(daemon).replace("cu126", channel))
        assert (reply.body, reply["X-Cache"]) == (body, "hit")


# ------------------------------------------------------------------ a file that shrinks


@pytest.mark.parametrize("memory", ["warm", "cold"])
def test_a_kept_file_shrinks_under_a_reader(start, gates, body, memory):
    """It is cut, never left hanging; and the file is fetched again."""
    daemon = start()
    assert wire.ask(url_of(daemon)).body == body
    daemon.wait_status(lambda s: not s["flights"], what="it is kept")
    if memory == "cold":
        gates.make_cold()
    with raw_client(daemon, f"/files/pytorch/cu126/{NAME}", buffer_bytes=4096) as client:
        client.settimeout(45)  # of the minute in which the daemon would drop any idle client
        head = client.recv(1024)
        os.truncate(blobs(daemon)[0], 1 << 20)
        got = (head + read_all(client)).partition(b"\r\n\r\n")[2]
    assert head.startswith(b"HTTP/1.1 200") and len(got) < len(body)
    assert body.startswith(got)
    assert wire.ask(url_of(daemon)).status == 502
    replies = []

    def is_fetched_again():
        replies.append(wire.ask(url_of(daemon)))
        return replies[-1].status == 200

    wait_until(is_fetched_again, "what is damaged is out of the way")
    assert replies[-1].body == body
    assert [p["kind"] for p in daemon.status()["problems"]] == ["blob-corrupt"]


def test_a_growing_file_shrinks_under_its_readers(start, body):
    """Holes where bytes were: no 200 ends complete with them."""
    gate = Gate(4_000_000)
    daemon = start(gate=gate)
    fast = wire.Download(url_of(daemon))
    fast.wait_held(4_000_000)
    with raw_client(daemon, f"/files/pytorch/cu126/{NAME}", buffer_bytes=4096) as client:
        assert client.recv(1024).startswith(b"HTTP/1.1 200")
        os.truncate(partials(daemon)[0], 1 << 20)
        gate.open()
        rest = read_all(client)
    assert len(rest) < len(body)
    fast.wait_end()
    assert not fast.whole or bytes(fast.body) == body


def test_a_cut_connection_is_given_back_at_once(start, origin):
    """Though clients that came before it keep theirs open and say nothing."""
    gate = Gate(1_000_000)
    daemon = start(gate=gate, cut_after=3_000_000)
    idle = [socket.create_connection((urlsplit(daemon.url).hostname, urlsplit(daemon.url).port))]
    for _ in range(15):  # so that each worker has some of them
        idle.append(socket.create_connection(idle[0].getpeername()))
    for client in idle:
        client.sendall(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in client.recv(4096)
    folder = f"/proc/{daemon.process.pid}/fd"
    before = len(os.listdir(folder))
    downloads = [wire.Download(url_of(daemon), keep=False) for _ in range(8)]
    for download in downloads:
        download.wait_held(500_000)
    gate.open()
    assert not any(download.wait_end().whole for download in downloads)
    wait_until(lambda: len(os.listdir(folder)) < before + 8, "they are closed")
    for client in idle:
        client.close()
