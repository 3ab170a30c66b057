# SPDX-License-Identifier: Apache-2.0
"""Digests of files that nobody came to by a page: lock files go straight to them."""

import pytest

import wire
from daemon import configuration, flat_mirror, official_mirror
from origin import Gate
from standins import anchor, flat_page, href_of, simple_page
from wheels import build, sha256_of

NAME = "torch-2.9.0+cu126-py3-none-any.whl"
PATH = f"/whl/cu126/{NAME}"
PAGE = "/whl/cu126/torch/"


@pytest.fixture
def body(tmp_path):
    return build(tmp_path / "built", "torch", "2.9.0+cu126", padding=400_000).read_bytes()


def wrong(body):
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def put_page(origin, digest):
    link = anchor(f"/whl/cu126/{href_of(NAME)}", NAME, digest)
    origin.put_page(PAGE, simple_page("torch", [link]))


def wheel_url(daemon):
    return daemon.file_url("pytorch", f"cu126/{NAME}")


def wait_kept(daemon):
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")


def test_a_lock_file_goes_straight_to_a_wheel(origin, serve, body):
    """Its page is looked up meanwhile, and the digest holds for it as for any other."""
    gate = Gate(100_000)
    put_page(origin, sha256_of(body))
    origin.put(PATH, body, gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("official", origin.url)]))
    download = wire.Download(wheel_url(daemon))
    download.wait_answer()
    origin.wait_asked(PAGE)
    assert daemon.page("torch").status == 200  # behind which the flight has learnt the digest
    gate.open()
    assert download.wait_end().whole and download.body == body
    wait_kept(daemon)
    reply = wire.ask(wheel_url(daemon))
    assert "immutable" in reply["Cache-Control"]
    assert reply["ETag"] == download.headers["ETag"], "it never changes for the same bytes"


def test_wrong_bytes_are_found_out_without_a_visit_to_the_page(origin, serve, body):
    gate = Gate(100_000)
    put_page(origin, sha256_of(body))
    origin.put(PATH, wrong(body), gate=gate)
    daemon = serve(configuration(pytorch=[official_mirror("official", origin.url)]))
    download = wire.Download(wheel_url(daemon))
    download.wait_answer()
    origin.wait_asked(PAGE)
    assert daemon.page("torch").status == 200
    gate.open()
    assert not download.wait_end().whole
    assert daemon.status()["cache"]["blobs"] == 0


def test_a_digest_learnt_later_makes_it_immutable_for_good(origin, serve, body):
    origin.put(PATH, body)
    config = configuration(pytorch=[official_mirror("official", origin.url)])
    daemon = serve(config)
    first = wire.ask(wheel_url(daemon))
    assert "immutable" not in first["Cache-Control"]
    wait_kept(daemon)
    assert daemon.page("torch").status == 404
    put_page(origin, sha256_of(body))
    headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    assert daemon.page("torch", headers=headers).status == 200
    for again in (daemon, None):
        if not again:
            daemon.stop()
            again = serve(config, cache_dir=daemon.cache_dir)
        reply = wire.ask(wheel_url(again))
        assert reply["X-Cache"] == "hit" and "immutable" in reply["Cache-Control"]
        assert reply["ETag"] == first["ETag"]


def test_what_was_kept_without_a_digest_and_is_wrong_is_forgotten(origin, serve, body):
    origin.put(PATH, wrong(body))
    config = configuration(pytorch=[official_mirror("official", origin.url)])
    daemon = serve(config)
    first = wire.ask(wheel_url(daemon))
    assert first.body == wrong(body)
    wait_kept(daemon)
    assert daemon.page("torch").status == 404
    origin.put(PATH, body)
    put_page(origin, sha256_of(body))
    headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    assert daemon.page("torch", headers=headers).status == 200
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 0, what="it is forgotten")
    assert [p["kind"] for p in daemon.status()["problems"]] == ["wrong-digest"]
    reply = wire.ask(wheel_url(daemon))
    assert reply.body == body and reply["ETag"] != first["ETag"]
    wait_kept(daemon)
    daemon.stop()
    again = serve(config, cache_dir=daemon.cache_dir)
    assert wire.ask(wheel_url(again)).body == body


def test_a_file_that_changed_its_length_is_found_again(origin, serve, body):
    """Nobody names a digest, and what was remembered of the file is of another one."""
    longer = body + b"more"
    path = f"/pytorch-wheels/cu126/{NAME}"
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(NAME, len(body))]))
    origin.put(path, body)
    daemon = serve(configuration(pytorch=[flat_mirror("flat", origin.url)]))
    head = wire.ask(wheel_url(daemon), "HEAD")
    assert int(head["Content-Length"]) == len(body)
    daemon.wait_status(lambda s: not s["flights"], what="the flight is forgotten")
    origin.put(path, longer)
    first = wire.ask(wheel_url(daemon))
    assert first.cut or first.status >= 500
    # The failure is the answer for a second, to everybody.
    daemon.wait_status(lambda s: wire.ask(wheel_url(daemon)).body == longer, what="the new file")
