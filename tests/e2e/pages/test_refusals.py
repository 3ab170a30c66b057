# SPDX-License-Identifier: Apache-2.0
"""What a client is told when nothing can be had, in the form in which it shows it; and that a status
line says what is, for it waits for something to send."""

import threading
import time

import pytest

import wire
from clients import Pip, pip_wheel
from daemon import PATIENCE, configuration, flat_and_pypi, official_mirror
from standins import anchor, href_of, simple_page
from wheels import build, sha256_of

NAME = "torch-2.9.0+cu126-py3-none-any.whl"
PATH = f"/whl/cu126/{NAME}"
IMMUTABLE = "public, max-age=365000000, immutable"


@pytest.fixture
def body(tmp_path):
    return build(tmp_path / "built", "torch", "2.9.0+cu126", padding=400_000).read_bytes()


def put(origin, body, **trouble):
    link = anchor(f"/whl/cu126/{href_of(NAME)}", NAME, sha256_of(body))
    origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    origin.put(PATH, body, **trouble)
    origin.put(f"{PATH}.metadata", b"Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0+cu126\n")


def start(serve, *origins, **top):
    mirrors = [official_mirror(f"m{n}", o.url) for n, o in enumerate(origins, 1)]
    daemon = serve(configuration(pytorch=mirrors, **top))
    assert daemon.page("torch").status == 200
    return daemon


def know_the_size(daemon, url):
    """As after a HEAD, or a download that was evicted: length and ETag stand in the catalogue."""
    head = wire.ask(url, "HEAD")
    assert head.status == 200 and head["Content-Length"]
    return head


@pytest.mark.parametrize("range", [None, "bytes=-16384", "bytes=1000-", "bytes=5-9"])
@pytest.mark.parametrize("top", [{}, {"min_free": "900TB"}], ids=["kept", "not-kept"])
def test_a_file_of_known_size_that_no_mirror_gives_now_is_refused_and_not_cut(
    origin, serve, body, range, top
):
    put(origin, body)
    daemon = start(serve, origin, **top)
    url = daemon.file_url("pytorch", f"cu126/{NAME}")
    know_the_size(daemon, url)
    origin.change(PATH, status=500)
    reply = wire.ask(url, headers={"Range": range} if range else {})
    assert reply.status == 502 and not reply.cut
    assert reply["Content-Type"] == "application/problem+json"
    assert "m1: HTTP 500" in reply.json()["detail"]
    assert reply["Cache-Control"] == "no-store" and reply["Retry-After"] is None


@pytest.mark.parametrize("range", [None, "bytes=-16384"])
@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_silent_mirrors_are_named_within_ten_seconds(
    origin, second_origin, serve, body, range, known
):
    put(origin, body)
    put(second_origin, body)
    daemon = start(serve, origin, second_origin, stall_timeout="30s", connect_timeout="30s")
    url = daemon.file_url("pytorch", f"cu126/{NAME}")
    if known:
        know_the_size(daemon, url)
    never = threading.Event()
    for mirror in (origin, second_origin):
        mirror.change(PATH, silent=never)
    begin = time.monotonic()
    reply = wire.ask(url, headers={"Range": range} if range else {})
    took = time.monotonic() - begin
    never.set()
    assert reply.status == 504 and not reply.cut
    assert "m1" in reply.json()["detail"] and "m2" in reply.json()["detail"]
    assert took < 10 * PATIENCE


def test_bytes_of_the_first_second_are_waited_for_and_then_sent_as_ever(origin, serve, body):
    put(origin, body)
    daemon = start(serve, origin)
    url = daemon.file_url("pytorch", f"cu126/{NAME}")
    know_the_size(daemon, url)
    slow = threading.Event()
    origin.change(PATH, silent=slow)
    threading.Timer(0.5, slow.set).start()
    reply = wire.ask(url)
    assert reply.status == 200 and reply.body == body and reply["Cache-Control"] == IMMUTABLE


def test_a_small_file_with_wrong_bytes_is_refused_and_not_cut(origin, serve, tmp_path):
    small = build(tmp_path / "built", "torch", "2.9.0+cu126").read_bytes()
    wrong = small[:-1] + bytes([small[-1] ^ 1])
    put(origin, small)
    origin.put(PATH, wrong)
    daemon = start(serve, origin)
    reply = wire.ask(daemon.file_url("pytorch", f"cu126/{NAME}"))
    assert reply.status == 502 and not reply.cut and "digest" in reply.json()["detail"]


def test_head_says_what_get_says_before_and_in_the_moment_after_it(origin, serve, body):
    put(origin, body)
    daemon = start(serve, origin)
    url = daemon.file_url("pytorch", f"cu126/{NAME}")
    before = wire.ask(url, "HEAD")
    assert "immutable" not in before["Cache-Control"]
    got = wire.ask(url)
    after = wire.ask(url, "HEAD")
    assert got["Cache-Control"] == after["Cache-Control"] == IMMUTABLE
    assert got["ETag"] == after["ETag"] == before["ETag"]


def test_an_unknown_origin_is_told_which_there_are(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    reply = daemon.get("/files/nosuch/cu126/torch-1.0-py3-none-any.whl")
    assert reply.status == 404
    assert "no origin nosuch; there are pytorch, pypi" in reply.json()["detail"]


@pytest.mark.alone  # pip's seconds are counted
@pytest.mark.parametrize("kind", ["newest", "23.2.1", "debian"])
def test_pip_says_that_it_is_the_mirror_and_ends(origin, serve, body, tmp_path, kind):
    """Of a body that ends after nothing it says that the package may have been tampered with."""
    if not pip_wheel(kind):
        pytest.skip("no pip of Debian 12 here (package python3-pip-whl)")
    put(origin, body)
    daemon = start(serve, origin)
    know_the_size(daemon, daemon.file_url("pytorch", f"cu126/{NAME}"))
    origin.change(PATH, status=500)
    pip = Pip(tmp_path / "pip", pip_wheel(kind))
    begin = time.monotonic()
    said = pip.run(
        "download", "--no-deps", "--index-url", daemon.index(), "torch==2.9.0", fails=True
    )
    took = time.monotonic() - begin
    assert "HASHES" not in said and "502" in said
    assert took < 15 * PATIENCE


def test_uv_shows_which_mirror_did_what(origin, serve, body, uv):
    put(origin, body)
    daemon = start(serve, origin)
    know_the_size(daemon, daemon.file_url("pytorch", f"cu126/{NAME}"))
    origin.change(PATH, status=500)
    said = uv.run(
        *("pip", "install", "--target", "there", "--default-index", daemon.index(), "torch"),
        fails=True,
    )
    assert "m1: HTTP 500" in said
