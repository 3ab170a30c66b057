# SPDX-License-Identifier: Apache-2.0
"""Slow is not dead: pages over bad lines, with real clients at their own time limits; and what is said
of pages that are old."""

import json
import re
import threading
import time

import pytest

import wire
from clients import installed
from daemon import PATIENCE, configuration, flat_mirror, official_mirror
from origin import Gate, Origin
from standins import anchor, flat_page, href_of, simple_page, wait_until
from test_delisted import FLAT, NEW, OLD, Shelf
from wheels import build, sha256_of

PAGE = "/whl/cu126/torch/"
FLAT_PAGE = "/pytorch-wheels/cu126/"
SLOW, SLOWEST = 150_000, 30_000  # bytes a second
PIP_GIVES_UP_S = 15  # when a connection is silent for so long


def padded(page, size):
    """The page with a comment that makes it so long."""
    comment = "<!--" + "x" * (size - len(page.encode()) - 7) + "-->"
    return re.sub("<body[^>]*>", lambda body: body[0] + comment, page, count=1)


@pytest.fixture
def wheel(tmp_path):
    return build(tmp_path / "built", "torch", "2.9.0+cu126")


def put_slow(origin, wheel, size, pace):
    """A flat mirror at the end of a long and narrow line."""
    page = flat_page("cu126", [(wheel.name, wheel.stat().st_size)])
    origin.put_page(FLAT_PAGE, padded(page, size), pace=pace, latency=0.3)
    origin.put(FLAT_PAGE + wheel.name, wheel, pace=pace, latency=0.3)


def put_simple(origin, wheel, digest=True, **trouble):
    sha256 = sha256_of(wheel.read_bytes()) if digest else None
    origin.put_page(PAGE, simple_page("torch", [anchor(f"/whl/cu126/{wheel.name}", wheel.name, sha256)]), **trouble)


def seconds_of(call, *arguments, **options):
    began = time.monotonic()
    reply = call(*arguments, **options)
    return reply, time.monotonic() - began


# ------------------------------------------------------------------ real clients


@pytest.mark.parametrize("size, pace", [(2_400_000, SLOW), (480_000, SLOWEST)], ids=["16s", "16s-of-30kB"])
def test_a_listing_that_takes_longer_than_a_client_waits_is_installed_from(
    origin, serve, client, wheel, size, pace
):
    put_slow(origin, wheel, size, pace)
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", origin.url)]))
    target = client.install("--index-url", daemon.index(), "torch")
    assert installed(target)["torch"] == "2.9.0+cu126"
    assert len(origin.asked(FLAT_PAGE)) == 1, "it was never begun anew"


@pytest.mark.alone
@pytest.mark.parametrize("trouble", ["silent", "refused"])
def test_pip_ends_soon_where_nothing_can_be_had(origin, serve, pip, trouble):
    put_page = {"silent": {"silent": threading.Event()}, "refused": {}}[trouble]
    origin.put_page(PAGE, "", **put_page)
    url = origin.url if trouble == "silent" else "http://127.0.0.1:1"
    daemon = serve(configuration(pytorch=[official_mirror("lab", url)]))
    output, seconds = seconds_of(pip.install, "--index-url", daemon.index(), "torch", fails=True)
    assert "No matching distribution found" in output
    assert seconds < (PIP_GIVES_UP_S + 1) * PATIENCE, "it has to start, too"


# ------------------------------------------------------------------ a page on its way


def test_a_client_is_told_how_far_the_page_has_come(origin, serve, wheel):
    gate = Gate(100_000)
    put_slow(origin, wheel, 300_000, None)
    origin.change(FLAT_PAGE, gate=gate, latency=0)
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", origin.url)], stall_timeout="60s"))
    reply, seconds = seconds_of(daemon.page, "torch", headers=wire.UV_PAGE)
    assert (reply.status, reply["Retry-After"]) == (503, "1") and seconds < PIP_GIVES_UP_S - 1
    assert "aliyun: 100000 of 300000 bytes" in reply.json()["detail"]
    again = wire.Download(f"{daemon.index()}/torch/", {"Accept": wire.JSON})
    gate.open()
    assert again.wait_end().whole and again.status == 200
    assert len(origin.asked(FLAT_PAGE)) == 1


def test_the_page_comes_though_nobody_waits_for_it(origin, serve, wheel):
    gate = Gate(100_000)
    put_slow(origin, wheel, 300_000, None)
    origin.change(FLAT_PAGE, gate=gate, latency=0)
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", origin.url)], stall_timeout="60s"))
    client = wire.Download(f"{daemon.index()}/torch/")
    gate.wait_reached(100_000)
    client.leave()
    gate.open()
    daemon.wait_status(lambda s: s["memory"]["listings"] > 0, what="the listing is there")
    assert daemon.page("torch").status == 200 and len(origin.asked(FLAT_PAGE)) == 1


def test_silence_is_answered_before_pip_gives_up_and_then_at_once(origin, serve):
    silent = threading.Event()
    origin.put_page(PAGE, "", silent=silent)
    daemon = serve(configuration(pytorch=[official_mirror("lab", origin.url)]))
    reply, seconds = seconds_of(daemon.page, "torch", headers=wire.UV_PAGE)
    assert (reply.status, reply["Retry-After"]) == (504, None) and seconds < PIP_GIVES_UP_S - 1
    assert "lab: no byte for" in reply.json()["detail"]
    reply, seconds = seconds_of(daemon.page, "torch")
    assert reply.status == 504 and seconds < 2 * PATIENCE
    assert len(origin.asked(PAGE)) == 1, "its answer is still waited for"


def test_an_authority_that_is_late_completes_the_page_when_it_comes(
    origin, second_origin, serve, wheel
):
    """It is silent for longer than a mirror may be in mid-page, and another one never comes."""
    put_slow(origin, wheel, 3000, None)
    silent, never = threading.Event(), threading.Event()
    put_simple(second_origin, wheel, silent=silent)
    with Origin() as third, Origin() as fourth:
        put_simple(third, wheel, silent=never)
        put_simple(fourth, wheel, gate=Gate(10))
        mirrors = [flat_mirror("flat", origin.url), official_mirror("official", second_origin.url)]
        mirrors += [official_mirror("mute", third.url), official_mirror("stalled", fourth.url)]
        daemon = serve(configuration(pytorch=mirrors, listing_timeout="300ms", stall_timeout="1s"))
        before = daemon.page("torch")
        assert before.json()["files"][0]["hashes"] == {} and "max-age=10" in before["Cache-Control"]
        daemon.wait_log("listing failed mirror=stalled")
        silent.set()
        digest = {"sha256": sha256_of(wheel.read_bytes())}
        wait_until(lambda: daemon.page("torch").json()["files"][0]["hashes"] == digest, what="digests")
        assert len(second_origin.asked(PAGE)) == 1


def test_a_slow_mirror_has_not_failed(origin, second_origin, serve, wheel):
    """While its bytes come it is late, and no more."""
    gate = Gate(10)
    put_slow(origin, wheel, 3000, None)
    put_simple(second_origin, wheel, gate=gate)
    mirrors = [flat_mirror("flat", origin.url), official_mirror("slow", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, listing_timeout="500ms"))
    assert daemon.page("torch").json()["files"][0]["hashes"] == {}
    gate.allow(100)
    gate.wait_reached(100)
    assert next(m for m in daemon.status()["mirrors"] if m["name"] == "slow")["state"] == "ok"
    gate.open()
    wait_until(lambda: daemon.page("torch").json()["files"][0]["hashes"], what="digests")
    assert "listing failed" not in daemon.log()


# ------------------------------------------------------------------ old pages


def life_of(reply):
    return int(reply["Cache-Control"].split("max-age=")[1])


def test_an_expired_page_is_refreshed_before_it_is_answered(origin, serve, tmp_path):
    shelf = Shelf(origin, tmp_path / "wheels")
    old, new = shelf.build(OLD), shelf.build(NEW)
    shelf.list_flat(old)
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)], page_refresh="1s"))
    assert wire.file_names(daemon.page("torch")) == [old]
    shelf.list_flat(old, new)
    asked = len(origin.asked(FLAT))
    reply = daemon.page("torch")
    assert len(origin.asked(FLAT)) > asked or reply["X-Cache"] == "hit"

    def is_asked():
        return daemon.page("torch") and len(origin.asked(FLAT)) > asked

    wait_until(is_asked, what="it is asked for again")
    assert new in wire.file_names(daemon.page("torch"))


def test_the_answer_that_finds_a_page_expired_has_what_is_new(origin, serve, tmp_path):
    """Not the one after it: pixi does not come back."""
    shelf = Shelf(origin, tmp_path / "wheels")
    old, new = shelf.build(OLD), shelf.build(NEW)
    shelf.list_flat(old)
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)], page_refresh="50ms"))
    daemon.page("torch")
    shelf.list_flat(old, new)
    time.sleep(0.1)  # a page that grows old can only be waited for
    reply = daemon.page("torch")
    assert new in wire.file_names(reply) and reply["X-Cache"] == "miss"


def test_a_refresh_that_takes_long_gives_the_old_page_for_seconds(origin, serve, wheel):
    put_simple(origin, wheel)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)], page_refresh="1s"))
    assert daemon.page("torch")["X-Cache"] == "miss"
    silent = threading.Event()
    origin.change(PAGE, silent=silent)
    replies = []

    def is_stale():
        replies.append(seconds_of(daemon.page, "torch"))
        return replies[-1][0]["X-Cache"] == "stale"

    wait_until(is_stale, what="it is stale")
    reply, seconds = replies[-1]
    assert 0.9 < seconds < 5 * PATIENCE and life_of(reply) <= 5
    assert all(life_of(r) == 1 for r, _ in replies[:-1]), "whole lives before that"
    reply, seconds = seconds_of(daemon.page, "torch")
    assert reply["X-Cache"] == "stale" and seconds < 0.9 * PATIENCE, "one has waited for all"
    silent.set()
    wait_until(lambda: daemon.page("torch")["X-Cache"] != "stale", what="it is fresh again")


def test_a_page_that_no_mirror_could_refresh_is_no_miss(origin, serve, wheel):
    put_simple(origin, wheel)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    assert daemon.page("torch")["X-Cache"] == "miss"
    origin.change(PAGE, status=500)
    reply = daemon.page("torch", headers={"Accept": wire.JSON, "Cache-Control": "no-cache"})
    assert reply["X-Cache"] == "hit", "it is not past page_refresh, and no mirror has confirmed it now"
    assert len(origin.asked(PAGE)) == 3, "once before; then as JSON, and as HTML because that failed"


@pytest.mark.parametrize("what", ["page", "file"])
def test_a_head_says_what_the_get_said(origin, serve, wheel, what):
    """Also in the moment in which a file is there to the last byte, and not kept yet."""
    put_simple(origin, wheel)
    origin.put(f"/whl/cu126/{wheel.name}", wheel)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    daemon.page("torch")
    page, file = "/cu126/simple/torch/", f"/files/pytorch/cu126/{href_of(wheel.name)}"
    address = page if what == "page" else file
    get = daemon.get(address, {"Accept": wire.JSON})
    head = daemon.get(address, {"Accept": wire.JSON}, method="HEAD")
    for name in ("Cache-Control", "ETag", "Content-Type", "Content-Length"):
        assert get[name] == head[name], name


def test_a_wheel_that_is_delisted_while_it_is_kept_is_on_the_page(origin, serve, tmp_path):
    """The page is made anew after the last byte has gone out and before the file is kept."""
    shelf = Shelf(origin, tmp_path / "wheels")
    old, new = shelf.build(OLD), shelf.build(NEW, padding=300_000)
    shelf.put_all((old, new))
    shelf.list_flat(old, new)
    gate = Gate(100_000)
    origin.change(FLAT + new, gate=gate)
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)]))
    assert new in wire.file_names(daemon.page("torch"))
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{new}"))
    gate.wait_reached(100_000)
    shelf.list_flat(old)
    no_cache = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    assert wire.file_names(daemon.page("torch", headers=no_cache)) == [old]
    gate.open()
    assert download.wait_end().whole
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    wait_until(lambda: new in wire.file_names(daemon.page("torch")), 5 * PATIENCE, "it is listed again")
    assert json.loads(daemon.page("torch").body)["files"], "a page"


# ------------------------------------------------------------------ the log


def test_a_dead_mirror_is_logged_once_and_counted(origin, serve, wheel):
    put_simple(origin, wheel)
    dead = official_mirror("dead", "http://127.0.0.1:1")
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url), dead], page_refresh="50ms"))

    def tries():
        daemon.page("torch")
        return daemon.log().count("access") > 100

    wait_until(tries, what="a hundred requests")
    daemon.stop()
    lines = [line for line in daemon.log().splitlines() if "listing failed mirror=dead" in line]
    assert len(lines) <= 2 and "(repeated " in lines[-1], lines
