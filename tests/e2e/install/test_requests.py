# SPDX-License-Identifier: Apache-2.0
"""What uv asks of us to lock and to install, and what that costs mirrors: counted and bounded."""

import re
from collections import Counter

import pytest

import wheels
from daemon import flat_and_pypi
from test_projects import Uv

# torch and what it needs on any platform.
NEEDED = {
    *("torch", "triton", "nvidia-cublas-cu12", "filelock", "typing-extensions", "sympy", "mpmath"),
    *("networkx", "jinja2", "markupsafe", "fsspec"),
}

MOST_OF_WHEELS = 64 * 1024 + 1


def asked_of_us(daemon):
    """How often each method and path was asked for; of a daemon that has ended."""
    log = daemon.log()
    found = re.findall(r"^access .*?method=(\w+) path=(\S+) status=(\d+)", log, re.M)
    assert {status for _, path, status in found if "/-/" not in path} == {"200"}
    return Counter((method, path) for method, path, _ in found if "/-/" not in path)


def asked_of(mirror):
    """The same of a mirror. What it tells of a file by HEAD it may be asked for metadata's sake and
    for the page's: that is left out."""
    asked = Counter((method, path) for method, path, _, _ in mirror.requests())
    heads = {key for key in asked if key[0] == "HEAD"}
    assert all(asked[key] <= 2 for key in heads)
    return Counter({key: count for key, count in asked.items() if key not in heads})


def pages_and_metadata(asked):
    """The names whose pages were asked for, and those whose METADATA was."""
    pages = [path.split("/")[-2] for _, path in asked if path.endswith("/")]
    documents = [wheels.project_of(path) for _, path in asked if path.endswith(".metadata")]
    return sorted(pages), sorted(documents)


def once(asked):
    """Nothing was asked for twice, and nothing by another method than GET."""
    return set(asked.values()) <= {1} and {method for method, _ in asked} == {"GET"}


@pytest.fixture
def project(own_mirrors, serve, tmp_path):
    """A project of a uv that has seen nothing, on an empty cache: (daemon, uv, folder)."""
    daemon = serve(flat_and_pypi(own_mirrors))
    uv = Uv(tmp_path / "uv")
    folder = uv.home / "app"
    folder.mkdir()
    uv.write(folder, daemon.index("cu126"))
    return daemon, uv, folder


def ended(daemon, mirrors):
    """Whose logs are complete then."""
    daemon.stop()
    mirrors.stop()
    return asked_of_us(daemon)


def test_locking(own_mirrors, project):
    """uv asks for pages and METADATA, each once. PyPI's mirror is asked for the same; the flat one
    for its page, the byte that shows whether it honours ranges, and the end of one wheel."""
    daemon, uv, folder = project
    uv.lock(folder)
    asked = ended(daemon, own_mirrors)
    assert once(asked) and pages_and_metadata(asked) == (sorted(NEEDED), sorted(NEEDED))
    assert len(asked) == 2 * len(NEEDED), "no wheel, by HEAD or by range or whole"

    pypi = asked_of(own_mirrors.pypi)
    others = sorted(NEEDED - {"torch"})
    assert once(pypi) and pages_and_metadata(pypi) == (others, others)
    assert len(pypi) == 2 * len(others)

    flat = asked_of(own_mirrors.aliyun)
    assert flat.pop(("GET", "/pytorch-wheels/cu126/")) == 1
    assert len(flat) <= 2 and all(path.endswith(".whl") for _, path in flat)
    assert sum(size for *_, size in own_mirrors.aliyun.wheel_requests()) <= MOST_OF_WHEELS


def test_installing(own_mirrors, project):
    """From the lock each wheel is asked for whole and once, from us and from the mirrors."""
    daemon, uv, folder = project
    uv.lock(folder)
    uv.sync(folder)
    asked = ended(daemon, own_mirrors)
    fetched = [wheels.project_of(path) for _, path in asked if path.endswith(".whl")]
    assert once(asked) and sorted(fetched) == sorted(NEEDED)
    assert len(asked) == 3 * len(NEEDED)
    assert own_mirrors.sent_more_than_once() == []
    pypi = asked_of(own_mirrors.pypi)
    assert once(pypi) and len(pypi) == 3 * (len(NEEDED) - 1)


def test_again_on_another_machine(own_mirrors, project, tmp_path):
    """What one client has caused to be fetched serves the next, though no mirror is left."""
    daemon, uv, folder = project
    uv.lock(folder)
    own_mirrors.stop()
    other = Uv(tmp_path / "other")
    again = other.home / "app"
    again.mkdir()
    other.write(again, daemon.index("cu126"))
    other.lock(again)
    assert (again / "uv.lock").read_text() == (folder / "uv.lock").read_text()
    daemon.stop()
    assert set(asked_of_us(daemon).values()) == {2}
