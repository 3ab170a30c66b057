#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""soak.py [--seconds N] [--seed N]: installs by uv and pip and raw ranges, for as long as you like,
from three mirrors of which one is sound and two have one fault after another.

There is room for a third of the wheels, so that they come from the mirrors again and again. Faults
are those that no client may notice (lies, which cut a client, are in test_faults.py). At the end: no
wrong byte, no failed install, no growth of memory or descriptors. Prints what it saw.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "mirrors"))
# pylint: disable=wrong-import-position
import clients
import daemon as daemons
import test_faults
import wire
from origin import Origin
from standins import anchor, simple_page
from wheels import build, metadata_of, sha256_of

PROJECTS = ("torch", "torchvision", "torchaudio", "fbgemm-gpu", "fbgemm-gpu-genai")
VERSIONS = [f"2.{n}.0" for n in range(6)]
INSTALLERS, READERS = 2, 2
EPOCH_S = 1.5
SAMPLE_S = 0.25
GROWTH_BYTES = 8 << 20
GROWTH_DESCRIPTORS = 24
PAGE_FAULTS = {n: f for n, f in test_faults.PAGE_FAULTS.items() if f.trouble and n != "dead-redirect"}
# "range-*" are found out in the answer to a range only. HEAD, which a reader of a part begins with,
# and the plain request for a small file or for one that passes by get a lie about the length, which
# may cut a client just as "too-long" and "closed-*" do.
FILE_FAULTS = {
    n: f
    for n, f in test_faults.FILE_FAULTS.items()
    if f.trouble and not f.cuts and n != "dead-redirect" and not n.startswith("range-")
}


class Mirror:
    """A scripted origin that knows what it serves when nothing is wrong."""

    def __init__(self, wheels):
        self.origin = Origin()
        self.good = {}
        for project, paths in wheels.items():
            links = [self._wheel(path) for path in paths]
            self.good[f"/whl/cu126/{project}/"] = simple_page(project, links).encode()
        self.held = []
        self.heal()

    def _wheel(self, path):
        body, metadata = path.read_bytes(), metadata_of(path)
        self.good[f"/whl/cu126/{path.name}"] = body
        self.good[f"/whl/cu126/{path.name}.metadata"] = metadata
        return anchor(f"/whl/cu126/{path.name}", path.name, sha256_of(body), sha256_of(metadata))

    def heal(self):
        for path, body in self.good.items():
            self.origin.put(path, body, type="text/html" if path.endswith("/") else "application/zip")
        for trouble in self.held:
            if "gate" in trouble:
                trouble["gate"].open()
            if "silent" in trouble:
                trouble["silent"].set()
        self.held = []

    def hurt(self, rng):
        """Every path gets its own fault, or none."""
        for path, body in self.good.items():
            if rng.random() < 0.4:
                continue
            table = PAGE_FAULTS if path.endswith("/") else FILE_FAULTS
            trouble = {"type": "text/html", **table[rng.choice(sorted(table))].trouble(body)}
            self.held.append(dict(trouble))
            self.origin.put(path, trouble.pop("served", body), **trouble)


def memory_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def descriptors_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Soak:
    def __init__(self, folder, seconds, seed):
        self.folder, self.seconds, self.seed = Path(folder), seconds, seed
        self.wheels = {p: [self._build(p, v) for v in VERSIONS] for p in PROJECTS}
        self.mirrors = [Mirror(self.wheels) for _ in range(3)]
        self.sound = seed % 3
        room = sum(p.stat().st_size for paths in self.wheels.values() for p in paths) // 3
        named = enumerate(self.mirrors, 1)
        self.daemon = daemons.Daemon(
            self.folder / "daemon",
            daemons.configuration(
                pytorch=[daemons.official_mirror(f"m{n}", m.origin.url) for n, m in named],
                max_size=str(room),
                page_refresh="2s",
                listing_timeout="2s",
                stall_timeout="2s",
            ),
        )
        self.pip = clients.pip_wheel("newest")
        self.over = threading.Event()
        self.wrong, self.installs, self.reads, self.samples = [], 0, 0, []
        self.lock = threading.Lock()

    def _build(self, project, version):
        size = random.Random(project + version).randrange(20_000, 900_000)
        return build(self.folder / "wheels", project, version, padding=size)

    def _count(self, what):
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)

    def _go_on(self, work, seed):
        rng = random.Random(seed)
        while not self.over.is_set():
            try:
                work(rng)
            except Exception as error:  # pylint: disable=broad-except
                self.wrong.append(f"{work.__name__}: {error}")

    def hurt(self, rng):
        for number, mirror in enumerate(self.mirrors):
            mirror.heal()
            if number != self.sound and rng.random() < 0.85:
                mirror.hurt(rng)
        self.over.wait(EPOCH_S)

    def install(self, rng):
        home = Path(tempfile.mkdtemp(dir=self.folder))
        client = clients.Uv(home) if rng.random() < 0.5 else clients.Pip(home, self.pip)
        chosen = [rng.choice(self.wheels[project]) for project in rng.sample(PROJECTS, 3)]
        what = ["==".join(path.name.split("-")[:2]).replace("_", "-") for path in chosen]
        target = client.install("--no-deps", "--index-url", self.daemon.index("cu126"), *what)
        for path in chosen:
            with zipfile.ZipFile(path) as archive:
                name = next(n for n in archive.namelist() if n.endswith("padding.bin"))
                assert (target / name).read_bytes() == archive.read(name), f"{path.name} differs"
        shutil.rmtree(home)
        self._count("installs")

    def read(self, rng):
        path = rng.choice(rng.choice(list(self.wheels.values())))
        body = path.read_bytes()
        first = rng.randrange(len(body)) if rng.random() < 0.6 else 0
        last = rng.randrange(first, len(body))
        headers = {"Range": f"bytes={first}-{last}"} if rng.random() < 0.7 else None
        reply = wire.ask(self.daemon.file_url("pytorch", f"cu126/{path.name}"), headers=headers)
        right = body[first : last + 1] if reply.status == 206 else body
        assert reply.status in (200, 206) and not reply.cut, f"{path.name} {headers}: {reply.status} {reply.cut}"
        assert reply.body == right, f"{path.name} {headers}: wrong bytes"
        self._count("reads")

    def sample(self, _):
        pid = self.daemon.process.pid
        self.samples.append((memory_of(pid), descriptors_of(pid)))
        self.over.wait(SAMPLE_S)

    def run(self):
        """All of it; returns the figures."""
        work = [self.hurt, self.sample] + [self.install] * INSTALLERS + [self.read] * READERS
        threads = [
            threading.Thread(target=self._go_on, args=(w, self.seed * 100 + n))
            for n, w in enumerate(work)
        ]
        for thread in threads:
            thread.start()
        self.over.wait(self.seconds)  # this is what a soak is
        self.over.set()
        for thread in threads:
            thread.join()
        return self.judge()

    def judge(self):
        """Memory and descriptors: the last third beside the middle one, after warming up."""
        third = len(self.samples) // 3
        middle, last = self.samples[third : 2 * third], self.samples[2 * third :]
        medians = lambda part: [int(statistics.median(column)) for column in zip(*part)]
        (memory, descriptors), (memory_end, descriptors_end) = medians(middle), medians(last)
        figures = {
            "seconds": self.seconds,
            "seed": self.seed,
            "installs": self.installs,
            "reads": self.reads,
            "asked of mirrors": sum(len(m.origin.requests) for m in self.mirrors),
            "RssAnon, MB": f"{memory / 1e6:.1f} -> {memory_end / 1e6:.1f}",
            "descriptors": f"{descriptors} -> {descriptors_end}",
            "failures": len(self.wrong),
        }
        if memory_end > memory + GROWTH_BYTES and not daemons.is_sanitized():
            self.wrong.append(f"memory grows: {figures}")
        if descriptors_end > descriptors + GROWTH_DESCRIPTORS:
            self.wrong.append(f"descriptors grow: {figures}")
        return figures

    def close(self):
        self.over.set()
        for mirror in self.mirrors:
            mirror.heal()
        try:
            self.daemon.stop()
        finally:
            for mirror in self.mirrors:
                mirror.origin.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(folder, options.seconds, options.seed)
        try:
            figures = soak.run()
        finally:
            soak.close()
    for name, value in figures.items():
        print(f"{name:18} {value}")
    for problem in soak.wrong[:10]:
        print(problem, file=sys.stderr)
    sys.exit(1 if soak.wrong else 0)


if __name__ == "__main__":
    main()
