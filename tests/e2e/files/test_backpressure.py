# SPDX-License-Identifier: Apache-2.0
"""What is slow holds up itself alone: a client that does not read, a disk that does not write. And
what both may cost in memory (RssAnon: mapped files and sockets' buffers do not count)."""

import contextlib
import socket
import sys
import threading
from urllib.parse import urlsplit

import pytest

import wire
from daemon import ROOT, configuration, is_sanitized, official_mirror
from gates import LIBRARY, Gates, wait_until
from origin import Gate
from standins import anchor, simple_page
from wheels import sha256_of

sys.path.insert(0, str(ROOT / "bench"))
from reader import Reader, read_all  # noqa: E402  (clients that cost little themselves)

MIB = 1 << 20
CLIENTS = 200
CLIENT_MOST = 80 << 10
DOWNLOAD_MOST = 12 * MIB
# Slabs, and what kernels hold of two transfers.
UNDER_WAY_MOST = 32 * MIB
pytestmark = [
    pytest.mark.alone,
    pytest.mark.concurrent,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not LIBRARY.exists(), reason=f"{LIBRARY} is built with the daemon"),
]
counts_memory = pytest.mark.skipif(is_sanitized(), reason="a sanitizer's memory is its own")


def publish(origin, files, project="torch", **trouble):
    """{name: body}, with digests."""
    links = [anchor(f"/whl/cu126/{name}", name, sha256_of(b)) for name, b in files.items()]
    origin.put_page(f"/whl/cu126/{project}/", simple_page(project, links))
    for name, body in files.items():
        origin.put(f"/whl/cu126/{name}", body, etag=lambda _, n=name: f'"{n}"', **trouble)


def anonymous_bytes(daemon):
    with open(f"/proc/{daemon.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


def url_of(daemon, name):
    return daemon.file_url("pytorch", f"cu126/{name}")


def stall(daemon, name, stack):
    """A client that asks, reads the first bytes, and then nothing more."""
    parts = urlsplit(url_of(daemon, name))
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(wire.PATIENCE_S)
    client.connect((parts.hostname, parts.port))
    client.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert client.recv(64).startswith(b"HTTP/1.1 200")


@counts_memory
def test_slow_clients_cost_nobody_anything(origin, serve):
    """A block each, while the file comes; and the file comes at its own pace."""
    name, body = "torch-1.0-py3-none-any.whl", bytes(24 * MIB)
    gate = Gate(4 * MIB)
    publish(origin, {name: body}, gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    daemon.page("torch")
    fast = wire.Download(url_of(daemon, name), keep=False)
    fast.wait_held(4 * MIB)
    with contextlib.ExitStack() as stack:
        before = anonymous_bytes(daemon)
        for _ in range(CLIENTS):
            stall(daemon, name, stack)
        assert anonymous_bytes(daemon) - before <= CLIENTS * CLIENT_MOST
        gate.open()
        assert fast.wait_end().whole and fast.sha256() == sha256_of(body)
        daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="it is kept meanwhile")

        before = anonymous_bytes(daemon)
        for _ in range(CLIENTS):
            stall(daemon, name, stack)  # of the kept file
        assert anonymous_bytes(daemon) - before <= CLIENTS * CLIENT_MOST
        assert wire.ask(url_of(daemon, name)).body == body


@pytest.fixture
def gates(serve, tmp_path):
    """After serve, so that all are open when it stops its daemons."""
    made = Gates(tmp_path / "gates")
    yield made
    made.open_all()


def test_a_slow_disk_pauses_its_own_transfers_alone(origin, serve, gates):
    """Slabs run out for the file that cannot be written: pages, kept files and other flights have
    theirs."""
    slow, other, kept = (f"torch-{n}.0-py3-none-any.whl" for n in range(3))
    body = bytes(96 * MIB)
    files = {slow: body, other: bytes(3 * MIB), kept: bytes(2 * MIB)}
    publish(origin, files)
    publish(origin, {"torchvision-1.0-py3-none-any.whl": b"x" * 1000}, "torchvision")
    config = configuration(pytorch=[official_mirror("m", origin.url)])
    daemon = serve(config, wrap=gates.wrap)
    daemon.page("torch")
    assert wire.ask(url_of(daemon, kept)).body == files[kept]
    daemon.wait_status(lambda s: not s["flights"], what="it is kept")
    partials = daemon.cache_dir / "partials"
    gates.close("write")
    download = wire.Download(url_of(daemon, slow), keep=False)
    gates.wait_stopped("write")
    first = next(p.name for p in partials.iterdir() if "." not in p.name)
    gates.only("write", f"/partials/{first}")

    assert daemon.page("torchvision").status == 200
    assert wire.ask(url_of(daemon, kept))["X-Cache"] == "hit"
    assert wire.ask(url_of(daemon, other)).body == files[other]
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 2, what="the other one is kept")
    assert origin.body_bytes(f"/whl/cu126/{slow}") <= UNDER_WAY_MOST, "nothing holds the mirror back"
    gates.open("write")
    assert download.wait_end().whole and download.sha256() == sha256_of(body)


def wait_paused(origin, name):
    """Until the mirror cannot send any more: looked at a hundred times, it has sent the same."""
    seen = []

    def is_steady():
        seen.append(origin.body_bytes(f"/whl/cu126/{name}"))
        return len(seen) > 100 and seen[-1] == seen[-100] > MIB

    wait_until(is_steady, "transfers pause")


class Watch(threading.Thread):
    """The most that a daemon has of anonymous memory, looked at again and again."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self._daemon, self._ended = daemon, threading.Event()
        self.peak = 0
        self.start()

    def run(self):
        while not self._ended.wait(0.02):
            self.peak = max(self.peak, anonymous_bytes(self._daemon))

    def stop(self):
        self._ended.set()
        self.join()
        return self.peak


@counts_memory
@pytest.mark.parametrize("disk", ["fast", "stands-still"])
def test_memory_of_ten_downloads_of_one_large_file(origin, serve, gates, disk):
    """Less than nginx takes; while the disk takes nothing it is the most that there can be."""
    name, body = "torch-1.0-py3-none-any.whl", bytes(256 * MIB)
    publish(origin, {name: body})
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]), wrap=gates.wrap)
    daemon.page("torch")
    watch = Watch(daemon)
    parts = urlsplit(url_of(daemon, name))
    if disk == "stands-still":
        gates.close("write")
    readers = [Reader(parts.port, parts.path) for _ in range(10)]
    if disk == "stands-still":
        wait_paused(origin, name)
        gates.open("write")
    read_all(readers, 200)
    assert not any(reader.fault for reader in readers), readers[0].fault
    assert all(reader.got == len(body) for reader in readers)
    peak = watch.stop()
    assert peak <= DOWNLOAD_MOST, f"{peak / MIB:.1f} MiB"
