# SPDX-License-Identifier: Apache-2.0
"""Fixtures: wheels, mirrors, clients and the daemon, each stopped and checked afterwards.

Tests import what is in lib/ by name, and a few import from each other. So each folder here is on the
path, and no two files have one name.
"""

import os
import pickle
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path[:0] = [str(path) for path in sorted(Path(__file__).resolve().parent.glob("*/"))]
# pylint: disable=wrong-import-position
import clients  # noqa: E402
import daemon as daemons  # noqa: E402
import standins  # noqa: E402
import wheels  # noqa: E402
from origin import Origin  # noqa: E402

PIPS = ("newest", "23.2.1", "debian")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the log of every daemon of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for daemon in getattr(item, "daemons", []):
            report.sections.append((f"log of {daemon.folder.name}", daemon.log_tail(60)))


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """shared(name, make): what make() returned, made once for all workers of this run. It is pickled; files
    that it names lie below shared.folder."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all workers

    def once(name, make):
        place = folder / f"{name}.pickle"
        with wheels.locked(folder / f"{name}.lock"):
            if not place.exists():
                place.write_bytes(pickle.dumps(make()))
        return pickle.loads(place.read_bytes())

    once.folder = folder
    return once


@pytest.fixture(scope="session")
def library(shared):
    return shared("library", lambda: wheels.build_library(shared.folder / "library"))


@pytest.fixture(scope="session")
def trees(shared, library):
    return shared("trees", lambda: standins.build_trees(shared.folder / "trees", library))


@pytest.fixture(scope="session")
def mirrors(tmp_path_factory, trees):
    """The three stand-ins, shared by all tests that do not change them."""
    running = standins.Mirrors(trees, tmp_path_factory.mktemp("mirrors"))
    yield running
    running.stop()


@pytest.fixture
def own_mirrors(tmp_path, trees):
    """The three stand-ins for a single test, which may count their requests and stop them."""
    running = standins.Mirrors(trees, tmp_path / "mirrors")
    yield running
    running.stop()


@pytest.fixture
def origin():
    with Origin() as scripted:
        yield scripted


@pytest.fixture
def second_origin():
    with Origin() as scripted:
        yield scripted


@pytest.fixture
def serve(request, tmp_path):
    """serve(config, ...) starts a daemon; at the end of the test each that still runs is stopped
    and must end well."""
    if not daemons.binary().exists():
        pytest.exit(f"{daemons.binary()} is not there: build it, or set WHEELYARD_BIN", 1)
    request.node.daemons = running = []

    def start(config, **options):
        options.setdefault("folder", tmp_path / f"daemon-{len(running) + 1}")
        running.append(daemons.Daemon(config=config, **options))
        return running[-1]

    yield start
    problems = []
    for daemon in running:
        try:
            if daemon.process.poll() is None:
                daemon.stop()
            daemon.check_crash()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


@pytest.fixture
def place():
    """A path for a control socket, in a folder that is not there yet. It is short: a socket's name
    may have a hundred bytes only."""
    folder = Path(tempfile.mkdtemp(prefix="wy"))
    yield folder / "own" / "control.sock"
    shutil.rmtree(folder)


@pytest.fixture
def uv(tmp_path):
    return clients.Uv(tmp_path / "uv")


@pytest.fixture
def pip(tmp_path):
    return clients.Pip(tmp_path / "pip", clients.pip_wheel("newest"))


@pytest.fixture(params=("uv", *(f"pip-{kind}" for kind in PIPS)))
def client(request, tmp_path):
    """Each of the four installers in turn, on an empty machine."""
    if request.param == "uv":
        return clients.Uv(tmp_path / "client")
    wheel = clients.pip_wheel(request.param.removeprefix("pip-"))
    if not wheel:
        pytest.skip("no pip of Debian 12 here (package python3-pip-whl)")
    return clients.Pip(tmp_path / "client", wheel)


@pytest.fixture
def another(tmp_path):
    """another(client): the same installer on a second empty machine."""

    def fresh(client):
        home = tmp_path / f"{client.home.name}-again"
        if isinstance(client, clients.Uv):
            return clients.Uv(home)
        return clients.Pip(home, client.environment["PYTHONPATH"])

    return fresh
