# SPDX-License-Identifier: Apache-2.0
"""Files as HTTP: HEAD, ranges, validators, metadata, and what the mirrors are asked for them."""

import pytest

import wire
from daemon import all_mirrors, configuration, flat_and_pypi, official_mirror
from origin import Gate
from standins import anchor, href_of, simple_page
from wheels import build, metadata_of, sha256_of

NAME = "torch-2.9.0+cu126-py3-none-any.whl"
PATH = f"/whl/cu126/{NAME}"
URL = f"/files/pytorch/cu126/{href_of(NAME)}"


@pytest.fixture
def body(tmp_path):
    return build(tmp_path / "built", "torch", "2.9.0+cu126", padding=500_000).read_bytes()


@pytest.fixture
def daemon(origin, serve, body):
    """In front of one scripted mirror that names the digest."""
    link = anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(PATH, body)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    assert daemon.page("torch").status == 200
    return daemon


@pytest.fixture(params=["cold", "kept"])
def warmth(request, daemon):
    """Everything must be the same for a wheel that is not there yet and for one that is."""
    if request.param == "kept":
        assert daemon.get(URL).status == 200
        daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the blob is kept")
    return request.param


# ------------------------------------------------------------------ HEAD, GET


def test_head_costs_the_mirror_no_body(origin, daemon, body):
    head = daemon.get(URL, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head["Content-Length"] == str(len(body)), "uv breaks on 0"
    assert head["Accept-Ranges"] == "bytes"
    assert origin.body_bytes(PATH) == 0


def test_head_and_get_agree(daemon, warmth, body):
    head, get = daemon.get(URL, method="HEAD"), daemon.get(URL)
    assert get.body == body and not get.cut
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert head[name] == get[name], name
    assert get["Content-Type"] == "application/octet-stream"
    assert get["Content-Encoding"] is None and get["Content-Disposition"] is None
    assert get["Age"] is None and get["Date"]


def test_where_it_came_from(daemon):
    first = daemon.get(URL)
    assert (first["X-Cache"], first["X-Mirror"]) == ("miss", "m")
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the blob is kept")
    for again in (daemon.get(URL), daemon.get(URL, {"Range": "bytes=0-9"})):
        assert (again["X-Cache"], again["X-Mirror"]) == ("hit", "m")


def test_wheels_are_never_coded(daemon, body):
    assert daemon.get(URL, {"Accept-Encoding": "gzip"}).body == body


def test_plus_and_percent_are_one_file(daemon, origin, body):
    for spelling in ("+", "%2B", "%2b"):
        target = f"/files/pytorch/cu126/{NAME.replace('+', spelling)}"
        assert daemon.get("", target=target).body == body
    assert origin.body_bytes(PATH) == len(body)


def test_a_file_is_served_without_its_page(origin, serve, body):
    """Lock files go straight to it."""
    origin.put(PATH, body)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    reply = daemon.get(URL)
    assert (reply.status, reply.body) == (200, body)


# ------------------------------------------------------------------ ranges


@pytest.mark.parametrize(
    "text, first, end",
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=499000-", 499000, None),
        ("bytes=-100", -100, None),
        ("bytes=-99999999", 0, None),
        ("bytes=1000-99999999", 1000, None),
    ],
)
def test_single_ranges(daemon, warmth, body, text, first, end):
    reply = daemon.get(URL, {"Range": text})
    expected = body[first:end]
    start = len(body) + first if first < 0 else first
    assert (reply.status, reply.cut, reply.body) == (206, False, expected)
    last = start + len(expected) - 1
    assert reply["Content-Range"] == f"bytes {start}-{last}/{len(body)}"
    assert reply["Content-Length"] == str(len(expected))


@pytest.mark.parametrize("text", ["bytes=99999999-", "bytes=-0"])
def test_unsatisfiable(daemon, warmth, body, text):
    reply = daemon.get(URL, {"Range": text})
    assert reply.status == 416 and reply["Content-Range"] == f"bytes */{len(body)}"


@pytest.mark.parametrize("text", ["bytes=0-1,5-6", "bytes=5-1", "lines=1-2", "bytes=x-y"])
def test_what_is_no_single_range_gets_the_whole(daemon, body, text):
    reply = daemon.get(URL, {"Range": text})
    assert (reply.status, reply.body) == (200, body)


def test_if_range(daemon, warmth, body):
    etag = daemon.get(URL, method="HEAD")["ETag"]
    same = daemon.get(URL, {"Range": "bytes=10-19", "If-Range": etag})
    assert (same.status, same.body) == (206, body[10:20])
    for other in ('"other"', f"W/{etag}", "Wed, 15 Oct 2025 18:04:00 GMT"):
        assert daemon.get(URL, {"Range": "bytes=10-19", "If-Range": other}).status == 200


def test_a_reader_resumes_after_a_cut(daemon, body):
    """pip's way: what it has, then the rest under the same ETag."""
    first = daemon.get(URL, {"Range": "bytes=0-199999"})
    rest = daemon.get(URL, {"Range": "bytes=200000-", "If-Range": first["ETag"]})
    assert rest.status == 206 and first.body + rest.body == body


@pytest.mark.concurrent
def test_the_tail_is_read_while_the_front_still_comes(origin, daemon, body):
    """A range ahead of the front waits for it, and is right."""
    gate = Gate(100_000)
    origin.change(PATH, gate=gate)
    whole = wire.Download(daemon.url + URL)
    whole.wait_held(100_000)
    tail = wire.Download(daemon.url + URL, {"Range": "bytes=-16384"})
    gate.open()
    assert tail.wait_end().body == body[-16384:]
    assert whole.wait_end().body == body


# ------------------------------------------------------------------ validators


def test_the_etag_never_changes_for_the_same_bytes(daemon, body):
    replies = [
        daemon.get(URL, method="HEAD"),
        daemon.get(URL, {"Range": "bytes=0-9"}),
        daemon.get(URL),
        daemon.get(URL),
        daemon.get(URL, method="HEAD"),
    ]
    assert {reply["ETag"] for reply in replies} == {f'"sha256-{sha256_of(body)}"'}


def test_if_none_match(daemon, warmth):
    etag = daemon.get(URL, method="HEAD")["ETag"]
    for value in (etag, f'"x", {etag}', "*"):
        reply = daemon.get(URL, {"If-None-Match": value})
        assert (reply.status, reply.body, reply["ETag"]) == (304, b"", etag)
        assert reply["X-Cache"]
    assert daemon.get(URL, {"If-None-Match": '"x"'}).status == 200


def test_immutable_only_under_a_digest(mirrors, serve, library):
    path = f"/files/pytorch/cu126/{href_of(library.torch().name)}"
    trusted, flat = serve(all_mirrors(mirrors)), serve(flat_and_pypi(mirrors))
    for daemon in (trusted, flat):
        daemon.page("torch")
        assert daemon.get(path).body == library.torch().read_bytes()
        daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the blob is kept")
    assert "immutable" in trusted.get(path)["Cache-Control"]
    assert "immutable" not in flat.get(path)["Cache-Control"]
    assert flat.get(path)["ETag"] == flat.get(path, method="HEAD")["ETag"]


# ------------------------------------------------------------------ metadata


def test_metadata_is_served_verbatim(mirrors, serve, library):
    daemon = serve(all_mirrors(mirrors))
    wheel = library.torch()
    path = f"/files/pytorch/cu126/{href_of(wheel.name)}.metadata"
    for coding in ("identity", "gzip, deflate, zstd"):
        reply = daemon.get(path, {"Accept-Encoding": coding})
        assert (reply.status, reply.body) == (200, metadata_of(wheel))
        assert reply["Content-Encoding"] is None, "pip crashes on a coded one"


def test_resolving_costs_metadata_and_no_wheels(own_mirrors, serve, uv):
    daemon = serve(all_mirrors(own_mirrors))
    needed = uv.home / "needed.in"
    needed.write_text("torch\n")
    uv.run("pip", "compile", "--default-index", daemon.index("cu126"), needed)
    assert own_mirrors.wheel_requests() == []


def test_metadata_of_a_wheel_that_no_mirror_has(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    assert daemon.get("/files/pytorch/cu126/torch-1.0-py3-none-any.whl.metadata").status == 404


# ------------------------------------------------------------------ what mirrors are asked


def test_who_asks_the_mirror_is_us(origin, daemon):
    theirs = {"User-Agent": "pip/26.3 {secret}", "Authorization": "Basic c2VjcmV0", "Cookie": "a"}
    daemon.get(URL, theirs)
    for request in origin.requests:
        assert request.headers["user-agent"].startswith("wheelyard")
        assert not {"authorization", "cookie"} & request.headers.keys()
        assert "wheelyard" in request.headers["via"]


def test_our_own_request_coming_back_is_a_loop(origin, daemon):
    daemon.get(URL, {"Via": "1.1 somebody, 1.1 wheelyard-0123456789abcdef"})
    via = origin.asked(PATH)[-1].headers["via"]
    assert via.startswith("1.1 wheelyard-0123456789abcdef, 1.1 wheelyard-")  # and nobody else
    assert daemon.get("/cu126/simple/torch/", {"Via": via}).status == 508
    assert daemon.get(URL, {"Via": via}).status == 508
