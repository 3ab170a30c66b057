# SPDX-License-Identifier: Apache-2.0
"""Digests: joined from mirrors that name them, in time or late; of files that nobody came to by a
page, because lock files go straight to them."""

import json
import threading

import pytest

import wire
from daemon import configuration, flat_mirror, official_mirror
from origin import Gate, Origin
from standins import anchor, flat_page, href_of, simple_page, wait_until
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


def put_flat(origin, body):
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(NAME, len(body))]))
    origin.put(f"/pytorch-wheels/cu126/{NAME}", body)


def wheel_url(daemon):
    return daemon.file_url("pytorch", f"cu126/{NAME}")


def wait_kept(daemon):
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")


def test_the_first_page_waits_for_who_names_digests(origin, second_origin, serve, body):
    put_flat(origin, body)
    put_page(second_origin, sha256_of(body))
    silent = threading.Event()
    second_origin.change(PAGE, silent=silent)
    mirrors = [flat_mirror("flat", origin.url), official_mirror("official", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors, listing_timeout="60s", stall_timeout="60s"))
    client = wire.Download(f"{daemon.url}/cu126/simple/torch/", {"Accept": wire.JSON})
    origin.wait_asked("/pytorch-wheels/cu126/")
    second_origin.wait_asked(PAGE)
    silent.set()
    reply = client.wait_end()
    assert "max-age=600" in reply.headers["Cache-Control"]
    (file,) = json.loads(reply.body)["files"]
    assert file["hashes"] == {"sha256": sha256_of(body)}


def test_each_mirror_that_is_late_completes_the_page_when_it_comes(
    serve, body, origin, second_origin
):
    """Of two that are late the first is not held up by the second, which may take minutes; until then
    the page says that more may come."""
    put_flat(origin, body)
    silent = {name: threading.Event() for name in ("early", "late")}
    with Origin() as third:
        late = {"early": second_origin, "late": third}
        for name, mirror in late.items():
            put_page(mirror, sha256_of(body) if name == "late" else None)
            mirror.change(PAGE, silent=silent[name])
        mirrors = [official_mirror(name, mirror.url) for name, mirror in late.items()]
        mirrors.append(flat_mirror("flat", origin.url))
        config = configuration(pytorch=mirrors, listing_timeout="4s", stall_timeout="60s")
        daemon = serve(config)
        before = daemon.page("torch")
        assert "max-age=10" in before["Cache-Control"].split(", ")
        assert before.json()["files"][0]["hashes"] == {}
        silent["early"].set()
        daemon.wait_status(lambda s: state_of(s, "early") == "ok", what="its page is there")
        pages = []

        def lists_early():
            pages.append(daemon.page("torch"))
            return "early" in pages[-1].json()["files"][0]["_mirrors"]

        wait_until(lists_early, what="what the first one lists")
        assert "max-age=10" in pages[-1]["Cache-Control"].split(", ")
        assert pages[-1].json()["files"][0]["hashes"] == {}
        assert state_of(daemon.status(), "late") == "backing-off"
        silent["late"].set()

        def is_complete():
            pages.append(daemon.page("torch"))
            return "max-age=600" in pages[-1]["Cache-Control"]

        wait_until(is_complete, what="the page with digests")
        after = pages[-1]
        assert len({page["ETag"] for page in [before, *pages]}) == 3, "it changes once for each"
        assert after.json()["files"][0]["hashes"] == {"sha256": sha256_of(body)}


def state_of(status, mirror):
    return next(m["state"] for m in status["mirrors"] if m["name"] == mirror)


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
    assert daemon.page("torch").status == 400  # no mirror has listed anything in that channel
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
    assert daemon.page("torch").status == 400  # no mirror has listed anything in that channel
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


def test_a_file_that_changed_its_length_is_found_again(origin, serve, body, tmp_path):
    """Nobody names a digest, and what was remembered of the file is of another one."""
    longer = build(tmp_path / "longer", "torch", "2.9.0+cu126", padding=500_000).read_bytes()
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
