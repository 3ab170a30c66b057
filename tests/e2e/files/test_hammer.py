# SPDX-License-Identifier: Apache-2.0
"""Many clients that ask for anything and leave at any time, mirrors that cut, stall and lie, a daemon
that is killed and started again: what ends whole is right, and what was taken is given back."""

import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import wire
from daemon import configuration, official_mirror
from gates import wait_until
from standins import anchor, href_of, simple_page
from wheels import build, sha256_of

CLIENTS = 12
ROUND_S = 2.0  # how long a round is; nothing is waited for
SEED = int(os.environ.get("WHEELYARD_SEED", random.randrange(1 << 32)))
pytestmark = pytest.mark.concurrent


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hammer")
    paths = [
        build(folder / str(n), "torch", f"2.{n}.0+cu126", padding=size)
        for n, size in enumerate((1, 60_000, 70_000, 400_000, 1_500_000, 3_000_000))
    ]
    return {path.name: path.read_bytes() for path in paths}


def publish(origin, files):
    links = [anchor(f"/whl/cu126/{href_of(n)}", n, sha256_of(b)) for n, b in files.items()]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
    for name, body in files.items():
        origin.put(f"/whl/cu126/{name}", body)


def wrong(body, at):
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


class Trouble(threading.Thread):
    """Changes what the origins do with a file, again and again, until it is told to stop."""

    def __init__(self, origins, files, chance):
        super().__init__(daemon=True)
        self.origins, self.files, self.chance = origins, files, chance
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.05):
            origin = self.chance.choice(self.origins)
            name, body = self.chance.choice(list(self.files.items()))
            path, at = f"/whl/cu126/{name}", self.chance.randrange(len(body))
            trouble = self.chance.choice(
                [{}, {"cut_after": at}, {"status": 503}, {"ignore_range": True}, {"framing": "close"}]
            )
            lies = self.chance.random() < 0.1
            origin.put(path, wrong(body, at) if lies else body, **trouble)

    def stop(self):
        self.ended.set()
        self.join()
        for origin in self.origins:
            publish(origin, self.files)


class Client(threading.Thread):
    """Asks as it likes; notes every answer that cannot be."""

    def __init__(self, site, files, seed):
        super().__init__(daemon=True)
        self.site, self.files, self.chance = site, files, random.Random(seed)
        self.ended = threading.Event()
        self.wrong, self.whole = [], 0
        self.start()

    def run(self):
        while not self.ended.is_set():
            name, body = self.chance.choice(list(self.files.items()))
            kind = self.chance.choice([self.head, self.part, self.rest, self.all, self.leave])
            try:
                kind(self.site.daemon.file_url("pytorch", f"cu126/{name}"), body)
            except OSError:
                pass  # the daemon is just being started again

    def check(self, reply, body, first, last, verified):
        if reply.status not in (0, 200, 206, 500, 502, 503, 504):
            self.wrong.append(f"{reply.status} {dict(reply.headers)}")
        if reply.status not in (200, 206) or reply.cut:
            return
        self.whole += 1
        if reply.status == 200:  # of a length that no mirror has told there are no ranges
            first, last = 0, len(body)
        if verified and reply.body != body[first:last]:
            self.wrong.append(f"{reply.status} whole and wrong: {len(reply.body)} of {last - first}")

    def head(self, url, body):
        reply = wire.ask(url, "HEAD")
        if reply.status == 200 and int(reply["Content-Length"] or len(body)) != len(body):
            self.wrong.append(f"HEAD says {reply['Content-Length']} of {len(body)}")

    def part(self, url, body):
        """Goes out as it comes, before the digest: right in length, that is all."""
        first = self.chance.randrange(len(body))
        last = min(len(body), first + self.chance.choice([1, 1000, 100_000]))
        reply = wire.ask(url, headers={"Range": f"bytes={first}-{last - 1}"})
        self.check(reply, body, first, last, False)
        if reply.status == 206 and not reply.cut and len(reply.body) != last - first:
            self.wrong.append(f"{len(reply.body)} bytes of a range of {last - first}")

    def rest(self, url, body):
        first = self.chance.randrange(len(body))
        self.check(
            wire.ask(url, headers={"Range": f"bytes={first}-"}), body, first, len(body), True
        )

    def all(self, url, body):
        self.check(wire.ask(url), body, 0, len(body), True)

    def leave(self, url, body):
        download = wire.Download(url, keep=False)
        time.sleep(self.chance.random() * 0.02)  # not waiting for anything: leaving at any moment
        download.leave(reset=True)


class Site:
    """The daemon of the moment, at an address that stays."""

    def __init__(self, serve, config):
        self._serve, self._config = serve, config
        self.daemon = serve(config)

    def again(self, kill):
        old = self.daemon
        if kill:
            old.kill()
        else:
            old.stop()
        listen = old.url.removeprefix("http://")
        self.daemon = self._serve(self._config, cache_dir=old.cache_dir, listen=listen)


def descriptors(daemon):
    folder = Path(f"/proc/{daemon.process.pid}/fd")
    found = []
    for each in folder.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(each))
    return found


@pytest.mark.parametrize("max_size", ["200GB", "4MB"], ids=["roomy", "narrow"])
def test_hammer(origin, second_origin, serve, files, max_size):
    print(f"seed {SEED}")
    origins, chance = [origin, second_origin], random.Random(SEED)
    for each in origins:
        publish(each, files)
    mirrors = [official_mirror(f"m{n}", o.url) for n, o in enumerate(origins, 1)]
    site = Site(serve, configuration(pytorch=mirrors, max_size=max_size))
    site.daemon.page("torch")
    trouble = Trouble(origins, files, random.Random(chance.random()))
    clients = [Client(site, files, chance.random()) for _ in range(CLIENTS)]
    for kill in (True, False, True):
        time.sleep(ROUND_S)
        site.again(kill)
    time.sleep(ROUND_S)
    for client in clients:
        client.ended.set()
    for client in clients:
        client.join(wire.PATIENCE_S)
        assert not client.is_alive(), "somebody waits for ever"
    trouble.stop()
    assert not [w for client in clients for w in client.wrong][:5]
    assert sum(client.whole for client in clients) > CLIENTS

    # Blame stays, so a fresh daemon: everything comes right in the end, and nothing is left open.
    calm = serve(configuration(pytorch=mirrors))
    calm.page("torch")
    for name, body in files.items():
        assert wire.ask(calm.file_url("pytorch", f"cu126/{name}")).body == body
    site.daemon.wait_status(lambda s: not any(f["readers"] for f in s["flights"]), what="all left")
    most = 60 + len(files) + len(site.daemon.status()["flights"])
    try:
        wait_until(lambda: len(descriptors(site.daemon)) < most, "all is closed")
    except AssertionError:
        print(most, *sorted(descriptors(site.daemon)), sep="\n")
        raise
