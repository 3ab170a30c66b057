# SPDX-License-Identifier: Apache-2.0
"""Which indexes there are: a channel is one when a mirror has listed something in it once. Any other
name is refused with a text that clients show, which of a 404 they do not."""

import re
import sqlite3
import threading
import time
from contextlib import closing

import pytest

import wire
from daemon import (
    PATIENCE,
    all_mirrors,
    configuration,
    flat_and_pypi,
    flat_mirror,
    index_table,
    official_mirror,
    pypi_mirror,
    run_wheelyard,
)
from origin import PORTAL_PAGE
from standins import anchor, flat_page, simple_page, wait_until

NAME = "torch-2.9.0+cu126-py3-none-any.whl"


def refused(daemon, path):
    reply = daemon.get(path, wire.UV_PAGE)
    assert reply.status == 400, reply.text
    assert reply["Content-Type"] == "application/problem+json"
    assert reply["Cache-Control"] == "no-store"
    return reply.json()["detail"]


def wait_listed(daemon, channel):
    assert daemon.page("torch", index=channel).status == 200


@pytest.mark.parametrize("path", ["/nosuch/simple/", "/nosuch/simple/torch/", "/whl/nosuch/torch/"])
def test_an_index_that_is_not_configured_is_refused_with_those_there_are(mirrors, serve, path):
    daemon = serve(flat_and_pypi(mirrors) + index_table("lab", "pypi"))
    assert "there are simple, lab, cpu, cu*" in refused(daemon, path)
    wait_listed(daemon, "cu126")
    detail = refused(daemon, path)
    assert "there is no index nosuch" in detail and "there are simple, lab, cu126" in detail


@pytest.mark.parametrize("project", ["torch/", "numpy/", "nosuchproject/", ""])
@pytest.mark.parametrize("config", [flat_and_pypi, all_mirrors])
def test_a_channel_that_a_pattern_allows_and_no_mirror_has_is_refused(
    mirrors, serve, project, config
):
    daemon = serve(config(mirrors))
    wait_listed(daemon, "cu126")
    detail = refused(daemon, f"/cuda126/simple/{project}")
    assert "there is no index cuda126: no mirror of pytorch has such a channel" in detail
    assert "did you mean cu126?" in detail
    assert daemon.page("nosuchproject").status == 404  # the channel is there, the project is not


@pytest.mark.parametrize("project", ["torch", "filelock"])
def test_a_channel_is_there_for_the_first_request_already(mirrors, serve, project):
    """Also when what is asked for is none of its own origin's."""
    daemon = serve(all_mirrors(mirrors))
    assert daemon.page(project).status == 200


def simple_without_lists(origin):
    link = anchor(f"/whl/cu126/{NAME.replace('+', '%2B')}", NAME)
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put_page("/simple/six/", simple_page("six", [anchor("/six-1.0.tar.gz", "six-1.0.tar.gz")]))
    return configuration(
        pytorch=[official_mirror("official", origin.url)], pypi=[pypi_mirror("tuna", origin.url)]
    )


def test_a_mirror_without_lists_of_projects_has_its_channels_all_the_same(origin, serve):
    daemon = serve(simple_without_lists(origin))
    assert daemon.page("six").status == 200
    assert "there are simple, cu126" in refused(daemon, "/cu999/simple/six/")


TROUBLE = {
    "500": {"status": 500},
    "portal": {"served": PORTAL_PAGE},
    "silent": {"silent": threading.Event()},
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_while_no_mirror_answers_no_channel_is_said_to_be_missing(origin, serve, trouble):
    config = simple_without_lists(origin)
    how = dict(TROUBLE[trouble])
    for path in ("/whl/cu126/", "/whl/cu126/torch/"):
        origin.put_page(path, how.pop("served", b"").decode() or "x", **how)
    daemon = serve(config)
    assert daemon.page("six").status == 200
    assert daemon.page("torch").status in (503, 504)


def test_a_channel_is_remembered_over_restarts_and_without_a_mirror(own_mirrors, serve, tmp_path):
    config = all_mirrors(own_mirrors)
    daemon = serve(config, cache_dir=tmp_path / "cache")
    wait_listed(daemon, "cu126")
    daemon.stop()
    with closing(sqlite3.connect(tmp_path / "cache" / "catalogue.sqlite")) as catalogue:
        rows = catalogue.execute("SELECT origin, name FROM channel").fetchall()
    assert rows == [("pytorch", "cu126")]
    own_mirrors.stop()
    daemon = serve(config, cache_dir=tmp_path / "cache")
    assert daemon.page("torch").status == 200
    assert daemon.page("torchvision").status in (200, 503)


def test_a_name_that_nobody_has_is_not_asked_for_again_at_each_request(origin, serve):
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(NAME, 1000)]))
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", origin.url)]))
    for _ in range(5):
        refused(daemon, "/cu999/simple/torch/")
    assert len(origin.asked("/pytorch-wheels/cu999/")) == 1


@pytest.mark.parametrize(
    "path, there",
    [
        ("/cu126", "/cu126/simple/"),
        ("/cu126/", "/cu126/simple/"),
        ("/cu126/torch", "/cu126/simple/torch/"),
        ("/cu126/Torch/", "/cu126/simple/torch/"),
    ],
)
def test_an_address_without_simple_leads_to_the_one_with_it(mirrors, serve, path, there):
    daemon = serve(flat_and_pypi(mirrors))
    reply = daemon.get(path)
    assert reply.status == 301
    assert wire.urljoin(daemon.url + path, reply["Location"]) == daemon.url + there


def test_installers_understand_an_address_without_simple(mirrors, serve, client):
    daemon = serve(flat_and_pypi(mirrors))
    client.install("--index-url", f"{daemon.url}/cu126/", "torch==2.9.0")


def test_uv_says_which_index_was_meant(mirrors, serve, uv):
    daemon = serve(flat_and_pypi(mirrors))
    wait_listed(daemon, "cu126")
    index = daemon.index("cuda126")
    said = uv.run("pip", "install", "--target", "x", "--default-index", index, "torch", fails=True)
    assert "did you mean cu126?" in " ".join(said.split())


def test_indexes_are_listed_with_dates(mirrors, serve, tmp_path):
    daemon = serve(flat_and_pypi(mirrors) + index_table("lab", "pypi"))
    said = daemon.get("/-/indexes").json()
    assert [row["name"] for row in said["indexes"]] == ["simple", "lab"]
    assert said["channels"] == []
    assert {"pattern": "cu*", "origin": "pytorch"} in said["patterns"]
    wait_listed(daemon, "cu126")
    channel = daemon.get("/-/indexes").json()["channels"][0]
    assert channel["name"] == "cu126" and channel["origin"] == "pytorch"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", channel["listed"])
    said = run_wheelyard("indexes", "--url", daemon.url, home=tmp_path)
    assert said.returncode == 0 and re.search(r"^cu126 +pytorch +listed 20", said.stdout, re.M)
    said = run_wheelyard("indexes", "--json", "--url", daemon.url, home=tmp_path)
    assert '"cu126"' in said.stdout


@pytest.mark.parametrize("command", [["wheels", "torch"], ["explain", "torch", "--python", "3.13"]])
def test_commands_refuse_an_index_that_is_not_there(mirrors, serve, tmp_path, command):
    daemon = serve(flat_and_pypi(mirrors))
    wait_listed(daemon, "cu126")
    said = run_wheelyard(
        *command, "--index", "cuda126", "--url", daemon.url, home=tmp_path, seconds=20 * PATIENCE
    )
    assert said.returncode == 2 and "did you mean cu126?" in said.stderr and not said.stdout


# ------------------------------------------------------------------ root pages

ROOT = "/pytorch-wheels/"


def put_root(origin, *names, **trouble):
    rows = "".join(f'<tr><td class="link"><a href="{name}/">{name}/</a></td></tr>\n' for name in names)
    origin.put_page(ROOT, f"<html><body><table>{rows}</table></body></html>", **trouble)


def channels_of(daemon):
    return {row["name"]: row for row in daemon.get("/-/indexes").json()["channels"]}


def test_channels_are_those_that_root_pages_name(origin, serve, tmp_path):
    put_root(origin, "cpu", "cu126", "cu128", "torch-2.9", "nightly", "..", "cu%2F1", "about")
    origin.put_page(f"{ROOT}cu126/", flat_page("cu126", [(NAME, 1000)]))
    config = configuration(pytorch=[flat_mirror("m", origin.url)])
    daemon = serve(config)
    seen = channels_of(daemon)
    assert set(seen) == {"cpu", "cu126", "cu128"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", seen["cu126"]["named"])
    assert "listed" not in seen["cu126"], "nobody has looked into it"
    channels_of(daemon)
    assert len(origin.asked(ROOT)) == 1, "kept as any page is"
    wait_listed(daemon, "cu126")
    assert "listed" in channels_of(daemon)["cu126"]
    said = run_wheelyard("indexes", "--url", daemon.url, home=tmp_path)
    assert re.search(r"^cu126 +pytorch +listed 20", said.stdout, re.M)
    assert re.search(r"^cu128 +pytorch +named on a root page 20", said.stdout, re.M)
    refused(daemon, "/cu128/simple/torch/")
    assert set(channels_of(daemon)) == {"cpu", "cu126"}, "there is nothing in it"
    daemon.stop()
    daemon = serve(config, cache_dir=daemon.cache_dir)
    assert "cpu" in channels_of(daemon) and len(origin.asked(ROOT)) == 1, "also over a restart"


@pytest.mark.parametrize("trouble", [{"status": 403}, {"status": 500}, {"body": None}])
def test_a_mirror_without_a_root_page_is_as_well_as_before(origin, serve, trouble):
    put_root(origin, "cpu")
    if "status" in trouble:
        origin.change(ROOT, **trouble)
    else:
        origin.put_page(ROOT, PORTAL_PAGE.decode())
    origin.put_page(f"{ROOT}cu126/", flat_page("cu126", [(NAME, 1000)]))
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)]))
    assert channels_of(daemon) == {}
    status = daemon.status()
    assert [m["state"] for m in status["mirrors"]] == ["ok"] and not status["problems"]
    wait_listed(daemon, "cu126")


def test_a_root_page_that_does_not_come_is_waited_for_a_moment(origin, second_origin, serve):
    silent = threading.Event()
    put_root(origin, "cpu", silent=silent)
    put_root(second_origin, "cu126")
    mirrors = [flat_mirror("a", origin.url), flat_mirror("b", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    begin = time.monotonic()
    assert set(channels_of(daemon)) == {"cu126"}
    assert time.monotonic() - begin < 3 * PATIENCE
    silent.set()
    wait_until(lambda: set(channels_of(daemon)) == {"cpu", "cu126"}, what="both")


def test_projects_of_a_root_page_are_no_channels(origin, serve):
    """PyTorch's site lists its projects there; a pattern may fit some."""
    names = ("torch", "cuda-bindings", "cu126", "nvidia-cudnn-cu12")
    links = "".join(f'<a href="{name}/">{name}</a><br>\n' for name in names)
    origin.put_page("/whl/", f"<!DOCTYPE html><html><body>{links}</body></html>")
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    assert set(channels_of(daemon)) == {"cu126"}


# ------------------------------------------------------------------ commands without --index


def two_channels(origin):
    put_root(origin, "cpu", "cu126", "cu128")
    for channel in ("cpu", "cu126"):
        name = NAME.replace("cu126", channel)
        origin.put_page(f"{ROOT}{channel}/", flat_page(channel, [(name, 1000)]))
    six = "six-1.0-py3-none-any.whl"
    origin.put_page("/simple/six/", simple_page("six", [anchor(f"/packages/{six}", six)]))
    return configuration(
        pytorch=[flat_mirror("m", origin.url)], pypi=[pypi_mirror("tuna", origin.url)]
    )


@pytest.mark.parametrize("command", [["wheels"], ["explain", "--python", "3.13"]])
def test_commands_take_the_index_that_has_the_project(origin, serve, tmp_path, command):
    daemon = serve(two_channels(origin))
    ask = (*command, "--json", "--url", daemon.url)
    said = run_wheelyard(*ask, "torch", home=tmp_path, seconds=30 * PATIENCE)
    assert said.returncode == 0 and NAME in said.stdout, said.stdout + said.stderr
    assert "index cu126 taken" in said.stderr and "there are also simple, cpu" in said.stderr
    said = run_wheelyard(*ask, "six", home=tmp_path, seconds=30 * PATIENCE)
    assert said.returncode == 0 and "six-1.0" in said.stdout and "taken" not in said.stderr
    said = run_wheelyard(*ask, "torch", "--index", "simple", home=tmp_path)
    assert said.returncode == 1 and "taken" not in said.stderr, "simple is PyPI alone"


@pytest.mark.parametrize("index, says", [("cuda126", True), ("cpu", False), ("simple", False)])
def test_setup_without_a_daemon_says_what_it_could_not_check(tmp_path, index, says):
    config = tmp_path / "wheelyard.toml"
    config.write_text('listen = ["127.0.0.1:1"]\n' + configuration())
    said = run_wheelyard("setup", "uv", "--index", index, "--config", config, home=tmp_path)
    assert said.returncode == 0
    assert ("could not be checked" in said.stderr) == says, said.stderr
