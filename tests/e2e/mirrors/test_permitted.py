# SPDX-License-Identifier: Apache-2.0
"""What HTTP allows is not a fault: labels that say nothing, parts that are shorter than asked for,
a part that is the whole. pip and uv alone install from such mirrors, and so they do through us."""

import gzip
import io
import tarfile

import pytest

import wire
from clients import installed
from daemon import configuration, pypi_mirror
from standins import anchor, simple_page
from wheels import build, sha256_of

LABELS = ("gzip", "x-gzip", "aws-chunked", "UTF-8", "identity")
WHEEL = "demo-1.0-py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
MIB = 1 << 20


@pytest.fixture
def wheel(tmp_path):
    return build(tmp_path / "built", "demo", "1.0", padding=3 * MIB).read_bytes()


def sdist():
    to, text = io.BytesIO(), b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
    with tarfile.open(fileobj=to, mode="w:gz") as archive:
        member = tarfile.TarInfo("demo-1.0/PKG-INFO")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return to.getvalue()


def put(origin, name, body, page=None, digest=True, **trouble):
    link = anchor(f"/packages/{name}", name, sha256_of(body) if digest else None)
    origin.put_page("/simple/demo/", simple_page("demo", [link]), **(page or {}))
    origin.put(f"/packages/{name}", body, **trouble)


def fetch(serve, origin, name, **top):
    daemon = serve(configuration(pypi=[pypi_mirror("lan", origin.url)], **top))
    assert wire.file_names(daemon.page("demo", index="")) == [name]
    return daemon, wire.ask(daemon.file_url("pypi", f"packages/{name}"))


def assert_sound(daemon):
    assert [m["state"] for m in daemon.status()["mirrors"]] == ["ok"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("digest", [True, False], ids=["digest", "no-digest"])
def test_an_sdist_under_a_label_arrives_as_it_is_stored(origin, serve, label, digest):
    """Some servers derive Content-Encoding from the end of a file's name."""
    body = sdist()
    put(origin, SDIST, body, digest=digest, label=label)
    daemon, reply = fetch(serve, origin, SDIST)
    assert (reply.status, reply["Content-Encoding"], reply.body) == (200, None, body)
    assert_sound(daemon)


@pytest.mark.parametrize("label", LABELS)
def test_a_wheel_and_its_page_under_a_label(origin, serve, wheel, label):
    put(origin, WHEEL, wheel, page={"label": label}, label=label)
    daemon, reply = fetch(serve, origin, WHEEL)
    assert (reply.status, reply["Content-Length"], reply.body) == (200, str(len(wheel)), wheel)
    assert_sound(daemon)


def test_uv_installs_what_stands_under_a_label(origin, serve, uv, wheel):
    """Which it does not from the mirror itself: it would unpack what is not packed."""
    put(origin, WHEEL, wheel, page={"label": "UTF-8"}, label="gzip")
    daemon = serve(configuration(pypi=[pypi_mirror("lan", origin.url)]))
    assert installed(uv.install("--index-url", daemon.index(""), "demo")) == {"demo": "1.0"}


@pytest.mark.parametrize("label", [None, "gzip", "x-gzip"])
def test_a_page_that_is_gzip_whatever_its_label_says(origin, serve, wheel, label):
    put(origin, WHEEL, wheel)
    plain = simple_page("demo", [anchor(f"/packages/{WHEEL}", WHEEL)])
    origin.put("/simple/demo/", gzip.compress(plain.encode()), type="text/html", label=label)
    _, reply = fetch(serve, origin, WHEEL)
    assert reply.body == wheel


def test_a_page_whose_gzip_is_cut_is_no_page(origin, serve, wheel):
    put(origin, WHEEL, wheel)
    plain = simple_page("demo", [anchor(f"/packages/{WHEEL}", WHEEL)])
    origin.put("/simple/demo/", gzip.compress(plain.encode())[:-9], type="text/html", label="gzip")
    daemon = serve(configuration(pypi=[pypi_mirror("lan", origin.url)]))
    assert daemon.page("demo", index="").status == 503


@pytest.mark.parametrize("digest", [True, False], ids=["digest", "no-digest"])
def test_ranges_that_are_cut_short_are_asked_on(origin, serve, uv, wheel, digest):
    """Never more than 200 kB at once, as some stores and caches do."""
    put(origin, WHEEL, wheel, digest=digest, piece=200_000)
    daemon = serve(configuration(pypi=[pypi_mirror("lan", origin.url)]))
    target = uv.install("--index-url", daemon.index(""), "demo")
    assert installed(target) == {"demo": "1.0"}
    assert wire.ask(daemon.file_url("pypi", f"packages/{WHEEL}")).body == wheel
    assert_sound(daemon)


def test_pieces_of_a_few_bytes_are_not_gathered(origin, serve, wheel):
    """Whose ranges are of no use is asked for the whole."""
    put(origin, WHEEL, wheel, piece=1000)
    daemon, reply = fetch(serve, origin, WHEEL)
    assert reply.body == wheel
    assert len(origin.asked(f"/packages/{WHEEL}", "GET")) < 20
    assert_sound(daemon)


def test_206_to_a_request_without_range_that_covers_all(origin, serve, uv, wheel):
    whole = {"part_of_all": True}
    put(origin, WHEEL, wheel, page=whole, refuse_range=416, **whole)
    daemon = serve(configuration(pypi=[pypi_mirror("lan", origin.url)]))
    target = uv.install("--index-url", daemon.index(""), "demo")
    assert installed(target) == {"demo": "1.0"}
    assert_sound(daemon)
