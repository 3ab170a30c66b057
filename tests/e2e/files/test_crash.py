# SPDX-License-Identifier: Apache-2.0
"""The disk's side of the contract, at every step: a daemon is killed before, after and in the
middle of each call that changes a file (SQLite's calls too), or the call fails, once or from then
on. Then it is asked again. See tests/preload/faults.c.

A share of the steps in `make test`, at least one of each kind of call; with WHEELYARD_CRASH_ALL=1
all of them.
"""

import hashlib
import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import wire
from daemon import Daemon, binary, configuration, flat_mirror, official_mirror
from origin import Origin
from standins import anchor, flat_page, simple_page
from wheels import build, sha256_of

LIBRARY = binary().parent / "tests/preload/libfaults.so"
ALL = os.environ.get("WHEELYARD_CRASH_ALL") == "1"
WORKERS = 3
# What may be fetched twice of a file for each transfer that was cut.
CUT_COSTS = 1 << 20
FLAT_INDEX, OFFICIAL_INDEX = "/pytorch-wheels/cu126/", "/whl/cu126/torch/"
SPANS = ((0, 1000), (1_400_000, 1_600_000), (2_900_000, 2_950_000))
pytestmark = [
    pytest.mark.timeout(7200 if ALL else 300),
    pytest.mark.skipif(not LIBRARY.exists(), reason=f"{LIBRARY} is built with the daemon"),
]


@dataclass
class File:
    name: str
    body: bytes = field(repr=False)
    path: str  # at the origin

    @property
    def sha256(self):
        return sha256_of(self.body)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One whose digest a page names, one of which nobody says anything."""
    folder = tmp_path_factory.mktemp("wheels")
    named, bare = (build(folder, project, "2.9.0+cu126", padding=3_000_000) for project in ("torch", "torchvision"))
    return [
        File(named.name, named.read_bytes(), f"/whl/cu126/{named.name}"),
        File(bare.name, bare.read_bytes(), f"{FLAT_INDEX}{bare.name}"),
    ]


@dataclass
class Run:
    """One daemon with a disk that fails at `step`, and what came of it."""

    folder: Path
    files: list
    step: int = 0
    mode: str = ""
    wrong: list = field(default_factory=list)  # what must not be
    seen: Counter = field(default_factory=Counter)  # what clients got, for the curious

    def __post_init__(self):
        self.folder.mkdir(parents=True)
        self.cache = self.folder / "cache"
        self.origin = Origin()
        named, bare = self.files
        link = anchor(named.path.replace("+", "%2B"), named.name, named.sha256)
        self.origin.put_page(OFFICIAL_INDEX, simple_page("torch", [link]))
        self.origin.put_page(FLAT_INDEX, flat_page("cu126", [(bare.name, len(bare.body))]))
        for file in self.files:
            self.origin.put(file.path, file.body)

    # ---------------------------------------------------------------- steps

    @property
    def trace(self):
        """[(call, path)] of the steps so far, the first one first."""
        path = self.folder / "trace"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(line.split(" ", 2)[1:]) for line in lines]

    @property
    def was_hit(self):
        return 0 < self.step <= len(self.trace)

    def _wrap(self):
        settings = {
            "LD_PRELOAD": LIBRARY,
            "WHEELYARD_FAULT_DIR": self.cache.resolve(),
            "WHEELYARD_FAULT_TRACE": self.folder / "trace",
            "WHEELYARD_FAULT_OFF": self.folder / "off",
            "WHEELYARD_FAULT_STEP": self.step,
            "WHEELYARD_FAULT_MODE": self.mode,
        }
        return ("env", *(f"{name}={value}" for name, value in settings.items()))

    def start(self, faulty):
        mirrors = [official_mirror("official", self.origin.url), flat_mirror("flat", self.origin.url)]
        config = configuration(pytorch=mirrors, min_free=0)
        name = "first" if faulty else "second"
        wrap = self._wrap() if faulty else ()
        return Daemon(self.folder / name, config, cache_dir=self.cache, wrap=wrap)

    # ---------------------------------------------------------------- clients

    def complain(self, text):
        last = self.trace[self.step - 1 : self.step] or self.trace[-1:]
        self.wrong.append(f"{self.mode} at {self.step} {last}: {text}")

    def ask(self, daemon, file, span=None):
        """One request; a reply that claims to be whole must be right. Gives it, or None."""
        first, end = span or (0, len(file.body))
        headers = {"Range": f"bytes={first}-{end - 1}"} if span else None
        try:
            reply = wire.ask(daemon.file_url("pytorch", f"cu126/{file.name}"), headers=headers)
        except OSError:  # nobody listens any more
            self.seen["refused"] += 1
            return None
        whole = reply.status in (200, 206) and not reply.cut
        self.seen["whole" if whole else f"cut {reply.status}" if reply.cut else reply.status] += 1
        if reply.status == 200:
            first, end = 0, len(file.body)
        if whole and reply.body != file.body[first:end]:
            self.complain(f"{file.name} {span}: a whole reply with wrong bytes")
        if reply.cut and not file.body[first:end].startswith(reply.body):
            self.complain(f"{file.name} {span}: wrong bytes before the cut")
        if not whole and not reply.cut and reply.status not in (500, 502, 503, 504):
            self.complain(f"{file.name} {span}: status {reply.status}")
        return reply if whole else None

    def page(self, daemon, project):
        try:
            return daemon.page(project).status
        except OSError:
            return 0

    def use(self, daemon):
        """What a client does on an ordinary day, as far as it gets."""
        for project in ("torch", "torchvision"):
            self.page(daemon, project)
        for file in self.files:
            with ThreadPoolExecutor(len(SPANS) + 1) as clients:
                for span in (None, *SPANS):
                    clients.submit(self.ask, daemon, file, span).add_done_callback(
                        lambda done: done.exception() and self.complain(repr(done.exception()))
                    )

    def must_serve(self, daemon, when):
        """Everything is right again."""
        for project in ("torch", "torchvision"):
            status = self.page(daemon, project)
            if status != 200:
                self.complain(f"page of {project} {when}: {status}")
        for file in self.files:
            for span in (None, SPANS[1]):
                if not self.ask(daemon, file, span):
                    self.complain(f"{file.name} {span} {when}: no whole reply")

    # ---------------------------------------------------------------- the tree

    def kept(self):
        """Digests of blobs on disk; each must be what its name says."""
        names = set()
        for path in (self.cache / "blobs").glob("??/*"):
            if not re.fullmatch("[0-9a-f]{64}", path.name):
                continue
            names.add(path.name)
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                self.complain(f"blob {path.name} holds other bytes")
        return names

    def again(self):
        """A new daemon on a sound disk: nothing that was kept is fetched again, all is right."""
        before, kept = {f.name: self.origin.body_bytes(f.path) for f in self.files}, self.kept()
        daemon = self.start(faulty=False)
        try:
            self.must_serve(daemon, "after the restart")
            for file in self.files:
                fetched = self.origin.body_bytes(file.path) - before[file.name]
                most = 0 if file.sha256 in kept else len(file.body) + CUT_COSTS
                if fetched > most:
                    self.complain(f"{file.name}: {fetched} bytes fetched again, not {most}")
            daemon.wait_status(lambda s: not s["flights"], what="all is kept")
            daemon.stop()
        except AssertionError as problem:
            self.complain(str(problem))
        finally:
            daemon.kill()
        if "catalogue was unreadable" in daemon.log():
            self.complain("the catalogue was not readable")
        if self.kept() != {file.sha256 for file in self.files}:
            self.complain(f"kept in the end: {sorted(self.kept())}")
        if left := list((self.cache / "partials").iterdir()):
            self.complain(f"left over: {left}")

    def start_and_use(self):
        """Gives the daemon, or None when it did not come up."""
        try:
            daemon = self.start(faulty=True)
        except (RuntimeError, OSError):
            return None
        self.use(daemon)
        return daemon


def clean_run(folder, files):
    run = Run(folder, files)
    daemon = run.start_and_use()
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 2 and not s["flights"], what="both are kept")
    daemon.stop()
    run.origin.close()
    assert not run.wrong and run.seen == {"whole": 2 * (1 + len(SPANS))}, (run.wrong, run.seen)
    return run.trace


@pytest.fixture(scope="module")
def steps(files, tmp_path_factory):
    """[(call, path)] that a day without faults makes."""
    return clean_run(tmp_path_factory.mktemp("clean") / "run", files)


def _kind(step):
    call, path = step
    return call, re.sub(r"(?<=blobs/)[0-9a-f]{2}(/[0-9a-f]{64})?|\d+", "#", path)


def sample(steps, share):
    """Numbers of steps: of each kind the first and the last, and every so many."""
    if ALL:
        return list(range(1, len(steps) + 1))
    by_kind = {}
    for number, step in enumerate(steps, 1):
        by_kind.setdefault(_kind(step), []).append(number)
    ends = {n for numbers in by_kind.values() for n in (numbers[0], numbers[-1])}
    return sorted(ends | set(range(1, len(steps) + 1, max(1, len(steps) // share))))


def in_parallel(judge, runs):
    """judge(*arguments) -> Run, a few at a time; gives the runs, after all were well."""
    with ThreadPoolExecutor(WORKERS) as workers:
        done = list(workers.map(lambda arguments: judge(*arguments), runs))
    wrong = [line for run in done for line in run.wrong]
    seen = sum((run.seen for run in done), Counter())
    hit = sum(run.was_hit for run in done)
    print(f"{len(done)} runs, {hit} with their fault, clients saw {dict(seen)}")
    assert not wrong, f"{len(wrong)} of {len(done)} runs:\n" + "\n".join(wrong[:40])
    assert hit > len(done) * 0.8, "hardly any fault came: the steps are not what they were"
    return done


# ------------------------------------------------------------------ killed


def killed(folder, files, step, mode):
    run = Run(folder / f"{mode}-{step}", files, step, mode)
    daemon = run.start_and_use()
    if daemon and daemon.process.poll() is None:
        try:
            daemon.stop()  # the rest of the steps are there
        except AssertionError as problem:
            if daemon.process.returncode != -9 or not run.was_hit:
                run.complain(str(problem))
    if daemon:
        daemon.kill()
    try:
        run.again()
    except (RuntimeError, OSError) as problem:
        run.complain(f"no start after it: {problem}")
    run.origin.close()
    return run


def test_killed_at_any_step(files, steps, tmp_path):
    numbers = sample(steps, 20)
    plan = [(tmp_path, files, n, "kill-before") for n in numbers]
    # After the last step of all there is no next one to be killed before.
    plan += [(tmp_path, files, n, "kill-after") for n in (numbers if ALL else numbers[-1:])]
    writes = [n for n in numbers if steps[n - 1][0] in ("pwrite", "write")]
    plan += [(tmp_path, files, n, "kill-torn") for n in writes]
    in_parallel(killed, plan)


# ------------------------------------------------------------------ failing


def failing(folder, files, step, mode):
    run = Run(folder / f"{mode}-{step}", files, step, mode)
    daemon = run.start_and_use()
    (run.folder / "off").touch()
    if daemon:
        if daemon.process.poll() is not None:
            run.complain(f"it died\n{daemon.log_tail(10)}")
        else:
            run.must_serve(daemon, "after the fault")
            try:
                daemon.stop()
            except AssertionError as problem:
                run.complain(str(problem))
        daemon.kill()
    try:
        run.again()
    except (RuntimeError, OSError) as problem:
        run.complain(f"no start after it: {problem}")
    run.origin.close()
    return run


@pytest.mark.parametrize("mode", ["eio", "enospc", "eio-on", "enospc-on"])
def test_failing_at_any_step(files, steps, tmp_path, mode):
    in_parallel(failing, [(tmp_path, files, n, mode) for n in sample(steps, 12)])
