# SPDX-License-Identifier: Apache-2.0
"""uv's resolver scenarios through us: what uv and pip resolve from a mirror is what each of them is
known to make of these packages."""

import os
import queue
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import clients
import scenarios
from daemon import ROOT
from standins import Nginx

DATA = Path(os.environ.get("WHEELYARD_DATA", ROOT.parent / "shared" / "data")) / "scenarios" / "uv"
AT_ONCE = 3
# The rules that these are about are packaging's own; what becomes of the other scenarios changes
# from version to version of uv. There a client must only find through us what it finds without us.
SETTLED = ("local", "wheels", "yanked", "requires_python", "does_not_exist", "simple")


@pytest.fixture(scope="module")
def told():
    if not DATA.is_dir():
        pytest.skip(f"no scenarios in {DATA}")
    return scenarios.read_all(DATA)


@pytest.fixture(scope="module")
def standin(tmp_path_factory, told):
    root = tmp_path_factory.mktemp("scenarios")
    for scenario in told:
        scenarios.build(root, scenario)
    running = Nginx(root, tmp_path_factory.mktemp("standin"))
    yield running
    running.stop()


def each(work, items, made):
    """work(client, item) for all items, as many at a time as there are clients."""
    free = queue.SimpleQueue()
    for client in made:
        free.put(client)

    def one(item):
        client = free.get()
        try:
            return work(client, item)
        finally:
            free.put(client)

    with ThreadPoolExecutor(len(made)) as pool:
        return list(pool.map(one, items))


@pytest.fixture(params=("uv", "pip"))
def asked(request, tmp_path):
    """Three of the same client, and how a scenario is put to one of them."""
    if request.param == "uv":
        yield scenarios.Uv, [clients.Uv(tmp_path / f"uv-{i}") for i in range(AT_ONCE)]
        return
    wheel = clients.pip_wheel("newest")
    made = [clients.ForkingPip(tmp_path / f"pip-{i}", wheel) for i in range(AT_ONCE)]
    yield scenarios.Pip, made
    for pip in made:
        pip.stop()


def said_by(layout, told):
    return [s for s in told if layout != "flat" or not s.has_yanked]


def wrong(client, scenario, layout, answer):
    """What is not as the scenario wants it; None when all is."""
    if not client.can_solve(scenario):
        as_expected = not answer.is_solved and client.says_so(scenario, layout, answer.text)
    elif scenario.packages:
        as_expected = answer.packages == scenario.packages
    else:
        as_expected = answer.is_solved
    return None if as_expected else f"{scenario.kind}/{scenario.name}: {answer}"


@pytest.mark.parametrize("layout", ["flat", "simple"])
def test_what_they_are_known_to_resolve(told, standin, serve, asked, layout):
    client, made = asked
    daemon = serve(scenarios.configuration(standin.url))
    settled = [s for s in said_by(layout, told) if s.kind in SETTLED and client.can_say(s)]

    def ask(one, scenario):
        return client.ask(one, scenario, daemon.index(f"{layout}-{scenario.name}"))

    answers = each(ask, settled, made)
    complaints = [wrong(client, s, layout, answer) for s, answer in zip(settled, answers)]
    assert not any(complaints), "\n\n".join(filter(None, complaints))
    assert sum(answer.is_solved for answer in answers) > 20 and len(answers) > 45


def test_the_rest_is_resolved_as_without_us(told, standin, serve, tmp_path):
    """uv alone, and for all platforms at once where a scenario says so."""
    made = [clients.Uv(tmp_path / f"uv-{i}") for i in range(AT_ONCE)]
    daemon = serve(scenarios.configuration(standin.url))
    rest = [s for s in said_by("flat", told) if s.kind not in SETTLED]

    def ask(one, scenario):
        direct = scenarios.Uv.ask(one, scenario, f"{standin.url}/simple-{scenario.name}")
        through_us = scenarios.Uv.ask(one, scenario, daemon.index(f"flat-{scenario.name}"))
        return direct, through_us

    pairs = each(ask, rest, made)
    differing = [
        f"{s.kind}/{s.name}: {direct}\nbut {through_us}"
        for s, (direct, through_us) in zip(rest, pairs)
        if direct.is_solved != through_us.is_solved
        or direct.is_solved
        and direct.text != through_us.text
    ]
    assert not differing, "\n\n".join(differing)
    assert len(rest) > 80
    assert sum(direct.is_solved for direct, _ in pairs) > 70
