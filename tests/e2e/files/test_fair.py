# SPDX-License-Identifier: Apache-2.0
"""A mirror's connections are shared: however many large files one client downloads, and whether it reads
them or not, another client's small file begins within two seconds."""

import socket
import threading
import time
import urllib.parse

import pytest

import wire
from daemon import PATIENCE, configuration, official_mirror
from standins import anchor, href_of, simple_page
from wheels import build, sha256_of

MIB = 1 << 20
PACE = 2 * MIB  # bytes a second and connection: a large file takes minutes
BULK = 16
WITHIN_S = 2.0 * PATIENCE


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fair")
    names = [f"torch-2.9.{n}+cu126" for n in range(6)]
    return {f"{n}-py3-none-any.whl": build(folder, "torch", n.split("-")[1]).read_bytes() for n in names}


@pytest.fixture(scope="module")
def large():
    return bytes(64) * (300 * MIB // 64)


class Deaf:
    """A client at an address of its own that asks for a file and then never reads."""

    def __init__(self, url, address="127.0.0.2"):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind((address, 0))
        self.socket.connect((parts.hostname, parts.port))
        self.socket.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())

    def close(self):
        self.socket.close()


def drop(url):
    return wire.Download(url, keep=False)


def publish(origin, small, large, count=BULK):
    rows = [anchor(f"/whl/cu126/{href_of(n)}", n, sha256_of(body)) for n, body in small.items()]
    bulk = [f"torch-3.{n}+cu126-py3-none-any.whl" for n in range(count)]
    rows += [anchor(f"/whl/cu126/{href_of(n)}", n, "0" * 64) for n in bulk]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", rows))
    for name, body in small.items():
        origin.put(f"/whl/cu126/{name}", body)
    for number, name in enumerate(bulk):  # a digest of 300 MB for each request takes the stand-in seconds
        origin.put(f"/whl/cu126/{name}", large, pace=PACE, etag=lambda _, n=number: f'"bulk-{n}"')
    return bulk


def begin(daemon, origin, names, client):
    """All of them have had their first bytes."""
    urls = [daemon.file_url("pytorch", f"cu126/{name}") for name in names]
    clients = [client(url) for url in urls]
    for name in names:
        origin.wait_asked(f"/whl/cu126/{name}", seconds=60)
    return clients


def first_bytes_of_all(daemon, small, pause_s):
    """How long each small file takes, one after the other."""
    took = []
    for name, body in small.items():
        began = time.monotonic()
        reply = wire.ask(daemon.file_url("pytorch", f"cu126/{name}"))
        took.append(time.monotonic() - began)
        assert reply.status == 200 and reply.body == body
        time.sleep(pause_s)
    return took


@pytest.mark.parametrize("count", [4, BULK])
@pytest.mark.parametrize("reads", [True, False])
def test_a_small_file_begins_within_two_seconds(origin, serve, small, large, count, reads):
    bulk = publish(origin, small, large)
    daemon = serve(configuration(pytorch=[official_mirror("m0", origin.url)]))
    assert daemon.page("torch").status == 200
    clients = begin(daemon, origin, bulk[:count], drop if reads else Deaf)
    took = first_bytes_of_all(daemon, small, 0.3)
    assert max(took) < WITHIN_S, took
    for client in clients:
        client.leave() if reads else client.close()


def test_a_small_file_among_newcomers_that_are_large(origin, serve, small, large):
    """Sixty-four come at the same moment, and nobody knows yet how large they are: each begins, and
    leaves its place to the next."""
    bulk = publish(origin, small, large, 64)
    daemon = serve(configuration(pytorch=[official_mirror("m0", origin.url)]))
    assert daemon.page("torch").status == 200
    clients = [drop(daemon.file_url("pytorch", f"cu126/{name}")) for name in bulk]
    took = first_bytes_of_all(daemon, small, 0)
    assert max(took) < WITHIN_S, took
    for client in clients:
        client.wait_held(1, seconds=10 * PATIENCE)
        client.leave()


def test_every_large_file_goes_on(origin, serve, small, large):
    """Eight share three connections: within half a minute each has got more than its first bytes."""
    bulk = publish(origin, small, large)
    daemon = serve(configuration(pytorch=[official_mirror("m0", origin.url)]))
    assert daemon.page("torch").status == 200
    clients = begin(daemon, origin, bulk[:8], drop)
    for client in clients:
        client.wait_held(4 * MIB, seconds=60 * PATIENCE)
    for client in clients:
        client.leave()


def test_who_does_not_read_costs_nobody_anything(origin, serve, small, large):
    """Four that do not read have all connections, and then a fifth that does: it is served as if they
    were not there."""
    bulk = publish(origin, small, large)
    daemon = serve(configuration(pytorch=[official_mirror("m0", origin.url)]))
    assert daemon.page("torch").status == 200
    deaf = begin(daemon, origin, bulk[:4], Deaf)
    threading.Event().wait(6)  # after five seconds they count as such
    reader = wire.Download(daemon.file_url("pytorch", f"cu126/{bulk[4]}"), keep=False)
    reader.wait_held(8 * MIB, seconds=60)
    held, began = reader.held, time.monotonic()
    reader.wait_held(held + 8 * MIB, seconds=60 * PATIENCE)
    assert time.monotonic() - began < 8 * PATIENCE, "at least half of a connection's pace"
    reader.leave()
    for client in deaf:
        client.close()
