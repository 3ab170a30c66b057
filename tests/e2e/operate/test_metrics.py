# SPDX-License-Identifier: Apache-2.0
"""/-/metrics: the figures that a scraper gets, and what of them /-/status keeps over restarts."""

import json
import re
import shutil
import subprocess
from urllib.parse import urljoin

import pytest

import wire
from daemon import ROOT, configuration, flat_and_pypi, flat_mirror
from exposition import Exposition
from standins import flat_page
from wheels import build

VERSIONS = ("2.7.0+cu126", "2.8.0+cu126", "2.9.0+cu126")
MONITORING = ROOT / "docs" / "monitoring"
WORDS = {
    "route": {"home", "page", "file", "metadata", "status", "other"},
    "cache": {"hit", "partial", "miss", "stale", "pass", "none"},
    "origin": {"pytorch", "pypi"},
    "mirror": {"aliyun", "tuna"},
    "lane": {"read", "write", "clean", "compute", "catalogue"},
}


def scrape(daemon):
    reply = daemon.get("/-/metrics")
    assert reply.status == 200
    assert reply["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    return Exposition(reply.body.decode())


def wait_for(daemon, condition):
    """An answer is counted when its last byte is sent, which the client may see before."""
    for _ in range(500):
        if condition(figures := scrape(daemon)):
            return figures
    raise AssertionError(sorted(figures.samples.items()))


@pytest.fixture
def promtool():
    path = shutil.which("promtool")
    if not path:
        pytest.skip("promtool is not installed (Debian: package prometheus)")
    return path


# ------------------------------------------------------------------ the format


def test_scrapers_get_the_format_that_they_name(serve, mirrors):
    daemon = serve(flat_and_pypi(mirrors))
    for accept in (None, "*/*", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"):
        reply = daemon.get("/-/metrics", {"Accept": accept} if accept else None)
        assert reply["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), accept
        newer = Exposition(reply.body.decode())
    reply = daemon.get("/-/metrics", {"Accept": "text/plain; version=0.0.4"})
    assert reply["Content-Type"].startswith("text/plain; version=0.0.4")
    older = Exposition(reply.body.decode(), is_open=False)
    assert {name.removesuffix("_total") for name in older.families} == set(newer.families)
    assert all(name.startswith("wheelyard_") for name in newer.families)
    assert daemon.get("/-/metrics", method="HEAD").body == b""


def test_promtool_finds_nothing(serve, mirrors, promtool):
    daemon = serve(flat_and_pypi(mirrors))
    daemon.page("torch")
    text = daemon.get("/-/metrics", {"Accept": "text/plain"}).body
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


# ------------------------------------------------------------------ what is counted


def test_requests_are_counted_by_route_and_cache(serve, mirrors):
    daemon = serve(flat_and_pypi(mirrors))
    daemon.page("torch")
    first = daemon.page("torch")
    url = next(f["url"] for f in first.json()["files"] if f["filename"].endswith(".whl"))
    path = urljoin(f"{daemon.url}/cu126/simple/torch/", url)
    body = wire.ask(path).body
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    assert wire.ask(path).body == body
    daemon.get("/no-such-path")
    figures = wait_for(
        daemon,
        lambda f: f.value("wheelyard_requests_total", route="file", cache="hit") == 1
        and f.value("wheelyard_requests_total", route="other", cache="none") >= 1,
    )
    assert figures.value("wheelyard_requests_total", route="page", cache="hit") >= 1
    assert figures.value("wheelyard_requests_total", route="file", cache="miss") == 1
    assert figures.value("wheelyard_sent_bytes_total", route="file", cache="hit") == len(body)
    assert figures.value("wheelyard_file_hit_bytes_total") == len(body)
    assert figures.value("wheelyard_file_sent_bytes_total") == 2 * len(body)
    got = figures.value("wheelyard_mirror_received_bytes_total", origin="pytorch", mirror="aliyun")
    assert got > len(body), "the wheel, and the listing"
    assert figures.value("wheelyard_mirror_latency_seconds_count", origin="pytorch", mirror="aliyun") >= 2
    assert figures.value("wheelyard_mirror_up", origin="pytorch", mirror="aliyun") == 1
    assert figures.value("wheelyard_first_byte_seconds_count", route="file") == 2
    assert figures.value("wheelyard_cache_blobs") == 1


def test_a_failing_mirror_shows(serve):
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", "http://127.0.0.1:9")]))
    daemon.page("torch")
    labels = {"origin": "pytorch", "mirror": "aliyun"}
    figures = wait_for(daemon, lambda f: f.value("wheelyard_requests_failed_total", route="page") == 1)
    assert figures.value("wheelyard_mirror_failures_total", **labels) >= 1
    assert ("wheelyard_mirror_up", tuple(sorted(labels.items()))) in figures.samples
    assert figures.value("wheelyard_mirror_up", **labels) == 0


def test_no_text_of_a_client_becomes_a_label(serve, mirrors):
    daemon = serve(flat_and_pypi(mirrors))
    evil = 'evil"} 1\nwheelyard_evil'
    for path in ("/evil/simple/evil/", "/files/evil/evil.whl", "/files/pytorch/evil", "/-/claims/evil/evil"):
        daemon.get(path)
        daemon.get(path, {"Host": "evil.example", "User-Agent": "evil", "X-Cache": "evil"})
    daemon.get("/", target="/%22%7d%20evil")
    daemon.get("/", {"User-Agent": evil.replace("\n", " ")}, method="EVIL")
    figures = wait_for(
        daemon, lambda f: f.value("wheelyard_requests_total", route="file", cache="none") >= 2
    )
    assert "evil" not in daemon.get("/-/metrics").body.decode()
    for key, value in figures.label_values():
        assert key in {"le", "kind", "version"} or value in WORDS[key], (key, value)


# ------------------------------------------------------------------ over restarts


def test_sums_outlive_the_process(serve, mirrors, tmp_path):
    cache = tmp_path / "one-cache"
    daemon = serve(flat_and_pypi(mirrors), cache_dir=cache)
    daemon.page("torch")
    before = daemon.wait_status(lambda s: s["saved"]["in_all"]["fetched_bytes"] > 0)["saved"]
    daemon.stop()
    after = serve(flat_and_pypi(mirrors), cache_dir=cache).status()["saved"]
    assert after["since_start"]["fetched_bytes"] == 0
    assert after["in_all"]["fetched_bytes"] >= before["in_all"]["fetched_bytes"]
    assert after["in_all"]["since"] == before["in_all"]["since"]


# ------------------------------------------------------------------ too small a disk


@pytest.fixture
def bodies(tmp_path):
    paths = [build(tmp_path / v, "torch", v, padding=500_000) for v in VERSIONS]
    return {path.name: path.read_bytes() for path in paths}


def _fetch_in_turn(daemon, bodies, turns):
    for _ in range(turns):
        for name, body in bodies.items():
            assert wire.ask(daemon.file_url("pytorch", f"cu126/{name}")).body == body
            daemon.wait_status(lambda s: not s["flights"], what="it is kept")


def test_a_cache_that_is_too_small_says_which_size_would_do(serve, origin, bodies):
    page = flat_page("cu126", [(n, len(b)) for n, b in bodies.items()])
    origin.put_page("/pytorch-wheels/cu126/", page)
    for name, body in bodies.items():
        origin.put(f"/pytorch-wheels/cu126/{name}", body)
    mirror = flat_mirror("flat", origin.url)
    small = 2 * max(map(len, bodies.values())) + 20_000
    daemon = serve(configuration(pytorch=[mirror], max_size=str(small)))
    _fetch_in_turn(daemon, bodies, turns=1)
    assert not daemon.status()["problems"], "one eviction is what a cache is for"
    _fetch_in_turn(daemon, bodies, turns=1)
    status = daemon.status()
    assert status["saved"]["since_start"]["refetches"] == 3
    assert status["saved"]["since_start"]["evictions"] >= 4
    detail = next(p["detail"] for p in status["problems"] if p["kind"] == "thrashing")
    figures = scrape(daemon)
    assert figures.value("wheelyard_refetches_total") == 3
    assert figures.value("wheelyard_problems", kind="thrashing") == 1

    wanted = re.search(r'max_size = "(\w+)"', detail).group(1)
    daemon = serve(configuration(pytorch=[mirror], max_size=wanted))
    _fetch_in_turn(daemon, bodies, turns=3)
    status = daemon.status()
    assert status["saved"]["since_start"]["evictions"] == 0, f"{wanted} is not enough"
    assert status["saved"]["since_start"]["hits"] == 6


# ------------------------------------------------------------------ what reads the figures


def _metrics_in(text):
    return set(re.findall(r"\bwheelyard_[a-z_]+", text))


@pytest.mark.parametrize("name", ["alerts.yml", "grafana.json"])
def test_what_reads_the_figures_names_real_ones(serve, mirrors, name):
    daemon = serve(flat_and_pypi(mirrors))
    daemon.page("torch")
    scraped = wait_for(daemon, lambda f: f.value("wheelyard_requests_total", route="page", cache="miss"))
    there = scraped.names() | {"wheelyard_problems"}
    used = _metrics_in((MONITORING / name).read_text())
    assert used and used <= there, used - there
    if name.endswith(".json"):
        board = json.loads((MONITORING / name).read_text())
        assert all(panel["targets"] for panel in board["panels"])


def test_the_manual_names_every_metric(serve, mirrors):
    daemon = serve(flat_and_pypi(mirrors))
    manual = (ROOT / "docs" / "monitoring.md").read_text()
    missing = set(scrape(daemon).families) - _metrics_in(manual)
    assert not missing
    unknown = _metrics_in(manual) - scrape(daemon).families.keys() - scrape(daemon).names()
    assert all(any(u.startswith(f) for f in scrape(daemon).families) for u in unknown), unknown


def test_the_scraper_of_the_manual_finds_the_figures(serve, mirrors):
    manual = (ROOT / "docs" / "monitoring.md").read_text()
    path = re.search(r"metrics_path: (\S+)", manual).group(1)
    Exposition(serve(flat_and_pypi(mirrors)).get(path).text)


def test_promtool_accepts_the_rules(promtool):
    checked = subprocess.run(
        [promtool, "check", "rules", MONITORING / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_promtool_sees_the_alerts_fire(promtool):
    tested = subprocess.run(
        [promtool, "test", "rules", MONITORING / "alerts-test.yml"],
        cwd=MONITORING,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
