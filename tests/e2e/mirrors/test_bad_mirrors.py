# SPDX-License-Identifier: Apache-2.0
"""Mirrors that lie, break off, refuse or say nothing. No 200 ends complete with a wrong byte, and
nobody waits for a mirror that fails while another is sound."""

import os
import subprocess
import threading

import pytest

import origin as scripted
import wire
from daemon import all_mirrors, configuration, flat_mirror, official_mirror
from standins import anchor, flat_page, href_of, simple_page, wait_until
from wheels import build, sha256_of

SIZE = 400_000
NAME = "torch-2.9.0+cu126-py3-none-any.whl"
FLAT_PATH = f"/pytorch-wheels/cu126/{NAME}"
PATH = f"/whl/cu126/{NAME}"


@pytest.fixture
def body(tmp_path):
    return build(tmp_path / "built", "torch", "2.9.0+cu126", padding=SIZE).read_bytes()


def official(origin, body, served=None, **trouble):
    """Lists the wheel with the digest of `body`, and serves `served` (or body) with trouble."""
    link = anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(PATH, body if served is None else served, **trouble)


def flat(origin, body, **trouble):
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(NAME, len(body))]))
    origin.put(FLAT_PATH, body, **trouble)


def wrong(body):
    """Other bytes, the right length: one in the middle differs."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def with_digest(serve, *origins):
    mirrors = [official_mirror(f"m{n}", o.url) for n, o in enumerate(origins, 1)]
    daemon = serve(configuration(pytorch=mirrors))
    assert daemon.page("torch").status == 200
    return daemon


def wheel_url(daemon):
    return daemon.file_url("pytorch", f"cu126/{NAME}")


def assert_never_complete(replies):
    for reply in replies:
        assert reply.cut or reply.status >= 500, f"{reply.status} with {len(reply.body)} bytes"


def _mirror(status, name):
    return next(m for m in status["mirrors"] if m["name"] == name)


def assert_nothing_kept(daemon):
    assert daemon.status()["cache"]["blobs"] == 0


# ------------------------------------------------------------------ one mirror, and it is bad


def test_wrong_bytes_of_the_right_length_never_end_complete(origin, serve, body):
    official(origin, body, served=wrong(body))
    daemon = with_digest(serve, origin)
    assert_never_complete(wire.ask_until_whole(wheel_url(daemon), tries=3))
    assert_nothing_kept(daemon)


def test_the_tail_is_held_back_until_the_digest_agrees(origin, serve, body):
    official(origin, body, served=wrong(body))
    daemon = with_digest(serve, origin)
    reply = wire.ask(wheel_url(daemon))
    assert reply.cut and len(reply.body) <= len(body) - 64 * 1024


@pytest.mark.concurrent
def test_every_reader_of_wrong_bytes_is_cut(origin, serve, body):
    gate = scripted.Gate(len(body) // 4)
    official(origin, body, served=wrong(body), gate=gate)
    daemon = with_digest(serve, origin)
    readers = [wire.Download(wheel_url(daemon)) for _ in range(8)]
    readers += [wire.Download(wheel_url(daemon), {"Range": "bytes=0-"}) for _ in range(4)]
    for reader in readers:
        reader.wait_held(len(body) // 4)
    gate.open()
    assert not any(reader.wait_end().whole for reader in readers)
    assert_nothing_kept(daemon)


def test_a_small_wheel_with_a_wrong_byte(origin, serve, tmp_path):
    """Below 64 KiB the last byte is held back."""
    small = build(tmp_path / "small", "torch", "2.9.0+cu126").read_bytes()
    official(origin, small, served=wrong(small))
    daemon = with_digest(serve, origin)
    assert_never_complete(wire.ask_until_whole(wheel_url(daemon), tries=3))


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_wheel_cut_in_the_middle_never_ends_complete(origin, serve, body, framing):
    official(origin, body, cut_after=len(body) // 2, framing=framing)
    daemon = with_digest(serve, origin)
    assert_never_complete([wire.ask(wheel_url(daemon))])
    assert_nothing_kept(daemon)


def test_without_a_digest_the_length_decides(origin, serve, body):
    flat(origin, body, cut_after=len(body) // 2)
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)]))
    assert_never_complete([wire.ask(wheel_url(daemon))])
    assert_nothing_kept(daemon)


def test_a_claimed_length_that_is_too_long(origin, serve, body):
    official(origin, body, length=len(body) + 1000)
    daemon = with_digest(serve, origin)
    assert_never_complete([wire.ask(wheel_url(daemon))])
    assert_nothing_kept(daemon)


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_no_length_but_the_digest_agrees(origin, serve, body, framing):
    official(origin, body, framing=framing)
    daemon = with_digest(serve, origin)
    reply = wire.ask(wheel_url(daemon))
    assert (reply.status, reply.cut, reply.body) == (200, False, body)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="it is kept")


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_no_length_and_the_digest_disagrees(origin, serve, body, framing):
    official(origin, body, served=wrong(body), framing=framing)
    daemon = with_digest(serve, origin)
    assert_never_complete([wire.ask(wheel_url(daemon))])
    assert_nothing_kept(daemon)


def test_no_length_cut_short_by_closing(origin, serve, body):
    """Ended by closing, a cut looks like an end: only the digest tells."""
    official(origin, body, framing="close", cut_after=len(body) // 2)
    daemon = with_digest(serve, origin)
    assert_never_complete([wire.ask(wheel_url(daemon))])
    assert_nothing_kept(daemon)


def test_neither_length_nor_digest_is_served_and_not_kept(origin, serve, body):
    flat(origin, body, framing="chunked", ignore_range=True)
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)]))
    first, second = wire.ask(wheel_url(daemon)), wire.ask(wheel_url(daemon))
    assert first.body == second.body == body
    assert first["X-Cache"] == second["X-Cache"] == "pass"
    assert_nothing_kept(daemon)


def test_a_gzip_coded_wheel_is_not_stored_as_if_it_were_the_wheel(origin, serve, body):
    official(origin, body, gzip=True)
    daemon = with_digest(serve, origin)
    reply = wire.ask(wheel_url(daemon))
    assert "identity" in origin.asked(PATH, "GET")[0].headers.get("accept-encoding", "identity")
    assert reply["Content-Encoding"] is None
    assert reply.cut or reply.status >= 500 or reply.body == body


# ------------------------------------------------------------------ a second one is sound


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 403},
        {"status": 404},
        {"status": 500},
        {"cut_after": SIZE // 2},
        {"cut_after": 0},
        {"gzip": True},
    ],
    ids=["403", "404", "500", "cut", "no-byte", "gzip"],
)
def test_the_second_mirror_delivers(origin, second_origin, serve, body, trouble):
    official(origin, body, **trouble)
    official(second_origin, body)
    daemon = with_digest(serve, origin, second_origin)
    reply = wire.ask(wheel_url(daemon))
    assert (reply.status, reply.cut) == (200, False)
    assert sha256_of(reply.body) == sha256_of(body)
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the good copy is kept")
    assert "m2" in wire.ask(wheel_url(daemon), "HEAD")["X-Mirror"]


@pytest.mark.parametrize(
    "trouble",
    [{"length": SIZE * 2}, {"framing": "close", "cut_after": SIZE // 3}],
    ids=["too-long", "no-length"],
)
def test_the_second_mirror_delivers_after_a_lie(origin, second_origin, serve, body, trouble):
    """What the first client was promised cannot be kept: it is cut and asks again."""
    official(origin, body, **trouble)
    official(second_origin, body)
    daemon = with_digest(serve, origin, second_origin)
    replies = wire.ask_until_whole(wheel_url(daemon))
    assert len(replies) <= 2 and replies[-1].body == body


def test_the_second_mirror_delivers_after_wrong_bytes(origin, second_origin, serve, body):
    """Who read the wrong bytes is cut; whoever asks again is given the good copy."""
    official(origin, body, served=wrong(body))
    official(second_origin, body)
    daemon = with_digest(serve, origin, second_origin)
    replies = wire.ask_until_whole(wheel_url(daemon))
    assert sha256_of(replies[-1].body) == sha256_of(body) and not replies[-1].cut
    assert len(replies) <= 2
    asked_before = len(origin.asked(PATH, "GET"))
    assert wire.ask(wheel_url(daemon)).body == body
    assert len(origin.asked(PATH, "GET")) == asked_before, "marked: not asked for it again"


def test_uv_and_pip_survive_a_mirror_with_wrong_bytes(origin, second_origin, serve, body, client):
    official(origin, body, served=wrong(body))
    official(second_origin, body)
    daemon = with_digest(serve, origin, second_origin)
    url = daemon.index("cu126")
    try:
        client.install("--no-deps", "--index-url", url, "torch")
    except AssertionError:
        client.install("--no-deps", "--index-url", url, "torch")  # as its user would
    assert wire.ask(wheel_url(daemon)).body == body


def test_a_portal_page_instead_of_the_wheel(origin, second_origin, serve, body):
    official(origin, body, served=scripted.PORTAL_PAGE, type="text/html")
    official(second_origin, body)
    daemon = with_digest(serve, origin, second_origin)
    assert wire.ask_until_whole(wheel_url(daemon))[-1].body == body


def test_a_connection_that_is_cut_once_is_resumed(origin, serve, body):
    """The reader of the first half never notices."""
    official(origin, body, cut_after=len(body) // 2, times=1)
    daemon = with_digest(serve, origin)
    reply = wire.ask(wheel_url(daemon))
    assert (reply.status, reply.cut, reply.body) == (200, False, body)
    assert origin.body_bytes(PATH) == len(body)


def test_an_etag_that_changes_between_requests(origin, serve, body):
    """Another etag on each answer: bytes of two versions must never be joined."""
    official(origin, body, etag=lambda n: f'"v{n}"', cut_after=len(body) // 2, times=1)
    daemon = with_digest(serve, origin)
    replies = wire.ask_until_whole(wheel_url(daemon))
    assert not replies[-1].cut and replies[-1].body == body


def test_a_mirror_that_ignores_range(origin, serve, body):
    official(origin, body, ignore_range=True)
    daemon = with_digest(serve, origin)
    reply = wire.ask(wheel_url(daemon), headers={"Range": "bytes=1000-1999"})
    assert (reply.status, reply.body) == (206, body[1000:2000])
    assert wire.ask(wheel_url(daemon)).body == body


def test_a_mirror_that_is_down_costs_nobody_a_request(own_mirrors, serve, library):
    own_mirrors.aliyun.stop()
    daemon = serve(all_mirrors(own_mirrors))
    assert daemon.page("torch").status == 200
    wheel = library.torch()
    reply = wire.ask(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    assert (reply.status, reply.body) == (200, wheel.read_bytes())
    daemon.wait_status(lambda s: _mirror(s, "aliyun")["last_error"], what="aliyun's error")


# ------------------------------------------------------------------ redirects


def test_a_redirect_to_another_configured_host_is_followed(origin, second_origin, serve, body):
    official(origin, body, location=f"{second_origin.url}{PATH}")
    official(second_origin, body)
    daemon = with_digest(serve, origin, second_origin)
    assert wire.ask(wheel_url(daemon)).body == body
    assert origin.asked(PATH) and second_origin.asked(PATH)


def test_a_redirect_to_a_loopback_port_nobody_configured_is_refused(
    origin, second_origin, serve, body
):
    official(origin, body, location=f"{second_origin.url}{PATH}")
    official(second_origin, body)
    daemon = with_digest(serve, origin)
    assert wire.ask(wheel_url(daemon)).status == 502
    assert not second_origin.requests, "it must not even be asked"


def test_a_link_to_a_loopback_port_nobody_configured_is_dropped(origin, second_origin, serve, body):
    second_origin.put(PATH, body)
    names = [f"torch-1.{n}-py3-none-any.whl" for n in range(2)]  # were it one, half would be lost
    links = [anchor(f"{second_origin.url}{PATH}", NAME)]
    links += [anchor(f"/whl/cu126/{name}", name) for name in names]
    origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
    daemon = serve(configuration(pytorch=[official_mirror("m1", origin.url)]))
    assert wire.file_names(daemon.page("torch")) == names


# ------------------------------------------------------------------ pages


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 403},
        {"silent": True},
        {"cut_after": 10},
    ],
    ids=["500", "403", "silent", "cut"],
)
def test_a_failing_mirror_costs_nobody_a_page(origin, second_origin, serve, body, trouble):
    if "silent" in trouble:
        trouble = {"silent": threading.Event()}
    official(origin, body)
    origin.change("/whl/cu126/torch/", **trouble)
    official(second_origin, body)
    mirrors = [official_mirror("bad", origin.url), official_mirror("good", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, listing_timeout="2s"))
    page = daemon.page("torch")
    assert page.status == 200 and wire.file_names(page) == [NAME]
    daemon.wait_status(
        lambda s: _mirror(s, "bad")["last_error"] and _mirror(s, "good")["state"] == "ok",
        what="one is bad, one is good",
    )


def test_a_portal_page_is_no_listing(origin, second_origin, serve, body):
    origin.put_page("/whl/cu126/torch/", scripted.PORTAL_PAGE.decode())
    official(second_origin, body)
    mirrors = [official_mirror("bad", origin.url), official_mirror("good", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    assert wire.file_names(daemon.page("torch")) == [NAME]


def test_only_a_portal_page_is_unavailable_and_not_empty(origin, serve):
    origin.put_page("/whl/cu126/torch/", scripted.PORTAL_PAGE.decode())
    daemon = serve(configuration(pytorch=[official_mirror("bad", origin.url)]))
    assert daemon.page("torch").status == 503


def test_a_page_that_becomes_a_portal_keeps_what_was_known(origin, serve, body):
    official(origin, body)
    daemon = with_digest(serve, origin)
    before = daemon.page("torch")
    origin.put_page("/whl/cu126/torch/", scripted.PORTAL_PAGE.decode())
    headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    after = daemon.page("torch", headers=headers)
    assert (after.status, after.body) == (200, before.body)


def test_a_page_that_cannot_be_refreshed_is_stale_and_still_there(origin, serve, body):
    official(origin, body)
    mirrors = [official_mirror("m1", origin.url)]
    daemon = serve(configuration(pytorch=mirrors, page_refresh="1s"))
    before = daemon.page("torch")
    origin.change("/whl/cu126/torch/", status=500)
    wait_until(lambda: daemon.page("torch")["X-Cache"] == "stale", what="the page is stale")
    after = daemon.page("torch")
    assert (after.status, after.body, after["ETag"]) == (200, before.body, before["ETag"])


def test_a_page_is_refreshed_in_the_background(origin, serve, body):
    official(origin, body)
    mirrors = [official_mirror("m1", origin.url)]
    daemon = serve(configuration(pytorch=mirrors, page_refresh="1s"))
    assert wire.file_names(daemon.page("torch")) == [NAME]
    newer = "torch-3.0-py3-none-any.whl"
    page = simple_page("torch", [anchor(f"/whl/cu126/{newer}", newer)])
    origin.put_page("/whl/cu126/torch/", page)
    wait_until(lambda: newer in wire.file_names(daemon.page("torch")), what="the new page")


def put_other_project(origin):
    """The channel is there, for a mirror lists something in it."""
    link = anchor("/whl/cu126/torchaudio-1.0-py3-none-any.whl", "torchaudio-1.0-py3-none-any.whl")
    origin.put_page("/whl/cu126/torchaudio/", simple_page("torchaudio", [link]))


def test_s3s_403_means_no_such_project(origin, serve):
    origin.put("/whl/cu126/torch/", scripted.ACCESS_DENIED, status=403, type="application/xml")
    put_other_project(origin)
    daemon = serve(configuration(pytorch=[official_mirror("s3", origin.url)]))
    assert daemon.page("torchaudio").status == 200
    assert daemon.page("torch").status == 404


def test_any_other_403_is_a_failing_mirror(origin, serve):
    origin.put("/whl/cu126/torch/", b"<html>blocked</html>", status=403, type="text/html")
    daemon = serve(configuration(pytorch=[official_mirror("waf", origin.url)]))
    assert daemon.page("torch").status == 503


def test_a_403_that_is_configured_to_mean_missing(origin, serve):
    origin.put("/whl/cu126/torch/", b"<html>blocked</html>", status=403, type="text/html")
    put_other_project(origin)
    mirror = official_mirror("official", origin.url, missing=[403, 404])
    daemon = serve(configuration(pytorch=[mirror]))
    assert daemon.page("torchaudio").status == 200
    assert daemon.page("torch").status == 404


# ------------------------------------------------------------------ when all fail


def test_gone_everywhere_is_404(origin, second_origin, serve, body):
    for one in (origin, second_origin):
        official(one, body)
        one.remove(PATH)
    daemon = with_digest(serve, origin, second_origin)
    assert wire.ask(wheel_url(daemon)).status == 404


def test_broken_everywhere_is_502_and_names_the_mirror(origin, serve, body):
    official(origin, body, status=500)
    daemon = with_digest(serve, origin)
    reply = wire.ask(wheel_url(daemon), headers={"Accept": "application/problem+json"})
    assert reply.status == 502
    assert reply["Content-Type"].startswith("application/problem+json")
    assert "m1" in reply.json()["detail"]


def test_gone_here_and_broken_there_is_502(origin, second_origin, serve, body):
    official(origin, body)
    origin.remove(PATH)
    official(second_origin, body, status=500)
    daemon = with_digest(serve, origin, second_origin)
    assert wire.ask(wheel_url(daemon)).status == 502


# ------------------------------------------------------------------ a disk with no room


def test_below_min_free_wheels_pass_through(origin, serve, body):
    official(origin, body)
    mirrors = [official_mirror("m1", origin.url)]
    daemon = serve(configuration(pytorch=mirrors, min_free="100000GB"))
    daemon.page("torch")
    for _ in range(2):
        reply = wire.ask(wheel_url(daemon))
        assert reply.body == body and not reply.cut and reply["X-Cache"] == "pass"
    assert_nothing_kept(daemon)
    daemon.wait_status(lambda s: s["cache"]["state"] == "full", what="it says so")


@pytest.fixture
def small_disk(tmp_path):
    """A cache directory with room for the catalogue and not for a wheel of 24 MB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_passes_wheels_through(origin, serve, tmp_path, small_disk):
    large = build(tmp_path / "large", "torch", "2.9.0+cu126", padding=24_000_000).read_bytes()
    official(origin, large)
    mirrors = [official_mirror("m1", origin.url)]
    daemon = serve(configuration(pytorch=mirrors, min_free=0), cache_dir=small_disk / "cache")
    assert daemon.page("torch").status == 200
    for _ in range(2):
        reply = wire.ask(wheel_url(daemon))
        assert (reply.status, reply.cut) == (200, False)
        assert sha256_of(reply.body) == sha256_of(large)
    assert origin.body_bytes(PATH) < 3 * len(large), "each is asked for once"
    assert_nothing_kept(daemon)


def test_pass_through_holds_the_tail_back_too(origin, serve, body):
    official(origin, body, served=wrong(body))
    mirrors = [official_mirror("m1", origin.url)]
    daemon = serve(configuration(pytorch=mirrors, min_free="100000GB"))
    assert daemon.page("torch").status == 200
    assert_never_complete([wire.ask(wheel_url(daemon))])


def test_pass_through_forgets_a_length_that_the_others_contradict(
    origin, second_origin, serve, body
):
    """One mirror told it, and nobody delivers it: who was promised it is cut, who asks again is not."""
    official(origin, body, length=len(body) + 999)
    official(second_origin, body)
    mirrors = [official_mirror("m1", origin.url), official_mirror("m2", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, min_free="100000GB"))
    assert daemon.page("torch").status == 200
    replies = wire.ask_until_whole(wheel_url(daemon))
    assert [reply.cut for reply in replies] == [True, False]
    assert replies[-1].body == body and replies[-1]["X-Cache"] == "pass"
    assert _mirror(daemon.status(), "m2")["last_error"] == "", "it was right"


def test_pass_through_goes_on_elsewhere_behind_a_body_that_is_short(
    origin, second_origin, serve, body
):
    """It told no length, but the file's was known: nobody is cut, and the digest agrees."""
    official(origin, body)
    official(second_origin, body)
    mirrors = [official_mirror("m1", origin.url), official_mirror("m2", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, min_free="100000GB"))
    assert daemon.page("torch").status == 200
    assert wire.ask(wheel_url(daemon)).body == body
    origin.change(PATH, framing="close", cut_after=SIZE // 3, ignore_range=True)
    reply = wire.ask(wheel_url(daemon))
    assert (reply.body, reply.cut, reply["X-Cache"]) == (body, False, "pass")
    assert _mirror(daemon.status(), "m1")["last_error"] == "body is shorter than the file"


@pytest.mark.parametrize("sound", [True, False], ids=["another", "alone"])
def test_an_empty_answer_is_no_wheel(origin, second_origin, serve, body, sound):
    """Without a digest nothing but common sense says so."""
    flat(origin, b"")
    flat(second_origin, body if sound else b"")
    mirrors = [flat_mirror("m1", origin.url), flat_mirror("m2", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    reply = wire.ask(wheel_url(daemon))
    if sound:
        assert (reply.status, reply.body) == (200, body)
    else:
        assert reply.status == 502 and b"empty body" in reply.body
        assert wire.ask(wheel_url(daemon), "HEAD").status >= 500
        assert_nothing_kept(daemon)
