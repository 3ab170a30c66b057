# SPDX-License-Identifier: Apache-2.0
"""The stage itself: real clients against the stand-ins directly, and the scripted origin's tricks.
When these fail, the fault is ours and not wheelyard's."""

import threading

import pytest

import wire
from clients import installed, origin_of
from origin import Gate, Origin
from wheels import build, sha256_of

BODY = bytes(range(256)) * 4096  # 1 MiB


def test_pip_finds_torch_on_the_flat_page(mirrors, pip):
    flat = mirrors.flat_url()
    target = pip.install("--no-deps", "--no-index", "--find-links", flat, "torch")
    assert installed(target) == {"torch": "2.9.0+cu126"}


def test_uv_takes_torch_from_the_official_shape(mirrors, uv):
    index = f"{mirrors.official.url}/whl/cu126"
    target = uv.install("--no-deps", "--default-index", index, "torch")
    assert installed(target) == {"torch": "2.9.0+cu126"}


def test_uv_takes_requests_from_the_pypi_shape(mirrors, uv):
    target = uv.install("--default-index", f"{mirrors.pypi.url}/simple", "requests")
    assert {"requests", "urllib3", "certifi", "idna"} <= installed(target).keys()


def test_the_official_shape_alone_hands_out_stale_copies(mirrors, uv):
    """The trouble that ownership by name cures: the first index that knows the name wins."""
    official = f"{mirrors.official.url}/whl/cu126"
    pypi = f"{mirrors.pypi.url}/simple"
    target = uv.install("--default-index", pypi, "--index", official, "requests")
    assert origin_of(target, "requests") == "stale"


def test_unknown_keys_are_denied_as_s3_does(mirrors):
    reply = wire.ask(f"{mirrors.official.url}/whl/cu126/nothing/")
    assert reply.status == 403 and b"<Code>AccessDenied</Code>" in reply.body


def test_our_wheels_are_the_same_every_time(tmp_path):
    first = build(tmp_path / "a", "torch", "2.9.0+cpu", padding=100_000)
    second = build(tmp_path / "b", "torch", "2.9.0+cpu", padding=100_000)
    assert first.stat().st_size > 100_000 and sha256_of(first) == sha256_of(second)


def test_origin_ranges(origin):
    origin.put("/x+y", BODY)
    url = f"{origin.url}/x%2By"
    whole = wire.ask(url)
    assert whole.body == BODY and whole["Accept-Ranges"] == "bytes"
    part = wire.ask(url, headers={"Range": "bytes=10-19", "If-Range": whole["ETag"]})
    assert (part.status, part.body) == (206, BODY[10:20])
    assert part["Content-Range"] == f"bytes 10-19/{len(BODY)}"
    assert wire.ask(url, headers={"Range": "bytes=-5"}).body == BODY[-5:]
    assert wire.ask(url, headers={"Range": f"bytes={len(BODY)}-"}).status == 416
    assert wire.ask(url, headers={"Range": "bytes=0-1", "If-Range": '"x"'}).status == 200
    assert wire.ask(url, headers={"If-None-Match": whole["ETag"]}).status == 304
    assert [r.target for r in origin.requests] == ["/x%2By"] * 6


def test_origin_counts_what_it_sends(origin):
    origin.put("/x", BODY)
    wire.ask(f"{origin.url}/x", method="HEAD")
    assert origin.body_bytes("/x") == 0
    wire.ask(f"{origin.url}/x")
    assert origin.body_bytes("/x") == len(BODY)


@pytest.mark.parametrize(
    "trouble",
    [{"cut_after": 1000}, {"length": len(BODY) + 5}, {"framing": "chunked", "cut_after": 1000}],
    ids=["cut", "longer", "chunked-cut"],
)
def test_origin_bodies_that_end_too_early(origin, trouble):
    origin.put("/x", BODY, **trouble)
    assert wire.ask(f"{origin.url}/x").cut


def test_origin_without_length(origin):
    for framing in ("chunked", "close"):
        origin.put("/x", BODY, framing=framing)
        reply = wire.ask(f"{origin.url}/x")
        assert reply.body == BODY and not reply.cut and reply["Content-Length"] is None


def test_origin_refusals(origin):
    origin.put("/no", b"go away", status=403)
    origin.put("/there", b"", location=f"{origin.url}/x")
    origin.put("/twice", BODY, status=500, times=2)
    assert wire.ask(f"{origin.url}/no").status == 403
    assert wire.ask(f"{origin.url}/there")["Location"] == f"{origin.url}/x"
    statuses = [wire.ask(f"{origin.url}/twice").status for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert wire.ask(f"{origin.url}/nothing").status == 404


def test_origin_etag_can_change(origin):
    origin.put("/x", BODY, etag=lambda n: f'"v{n}"')
    assert [wire.ask(f"{origin.url}/x")["ETag"] for _ in range(2)] == ['"v1"', '"v2"']


def test_origin_can_code_and_can_ignore_ranges(origin):
    origin.put("/coded", BODY, gzip=True)
    origin.put("/whole", BODY, ignore_range=True)
    assert wire.ask(f"{origin.url}/coded")["Content-Encoding"] == "gzip"
    assert wire.ask(f"{origin.url}/whole", headers={"Range": "bytes=0-9"}).status == 200


def test_origin_stops_at_a_gate(origin):
    gate = Gate(300_000)
    origin.put("/x", BODY, gate=gate)
    download = wire.Download(f"{origin.url}/x")
    gate.wait_reached(300_000)
    download.wait_held(300_000)
    assert len(download.body) == 300_000
    gate.open()
    assert download.wait_end().whole and download.body == BODY


def test_origin_can_be_silent_and_still_be_closed():
    with Origin() as origin:
        origin.put("/x", BODY, silent=threading.Event())
        download = wire.Download(f"{origin.url}/x")
        origin.wait_asked("/x")
        assert download.status is None
    assert not download.wait_end().whole
