# SPDX-License-Identifier: Apache-2.0
"""pixi is in no package registry. These are its requests, word for word, as it was seen to send them
on loopback; it embeds uv, so the checks are uv's."""

import hashlib
import io
import re
import zipfile

import pytest

import wire
from daemon import all_mirrors, flat_and_pypi

AGENT = {"User-Agent": "pixi/0.77.0"}
PAGE = {**wire.UV_PAGE, **AGENT}
FILE = {"Accept": "*/*", "Accept-Encoding": "identity", **AGENT}
TAIL = 16384


def page_of(index, project):
    """The project page, judged as uv judges it."""
    url = f"{index}/{project}/"
    reply = wire.ask(url, headers=PAGE)
    assert reply.status == 200 and reply["Content-Type"] == wire.JSON
    wire.check_json_page(reply.json(), project)
    return url, reply


def newest_wheel(url, reply, tags):
    files = wire.file_urls(url, reply)
    return files[max(name for name in files if tags in name)]


def metadata_by_range(url):
    """HEAD, then the last 16 KiB: what it does for a wheel without .metadata."""
    head = wire.ask(url, "HEAD", FILE)
    assert head.status == 200 and head["Accept-Ranges"] == "bytes"
    size = int(head["Content-Length"])
    first = max(0, size - TAIL)
    part = wire.ask(url, headers={**FILE, "Range": f"bytes={first}-{size - 1}"})
    assert part.status == 206
    assert part["Content-Range"] == f"bytes {first}-{size - 1}/{size}"
    assert len(part.body) == size - first and not part.cut
    return size, part.body


def whole_wheel(url):
    reply = wire.ask(url, headers=FILE)
    assert reply.status == 200 and not reply.cut
    assert zipfile.ZipFile(io.BytesIO(reply.body)).testzip() is None
    return reply.body


def test_the_flat_page_as_index_fails(mirrors):
    assert wire.ask(f"{mirrors.flat_url()}torch/", headers=PAGE).status == 404


@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
def test_per_package_index(mirrors, serve, library, slash):
    daemon = serve(flat_and_pypi(mirrors))
    url, reply = page_of(f"{daemon.index('cu126')}{slash}".rstrip("/"), "torch")
    wheel = newest_wheel(url, reply, "cp311-manylinux_2_28_x86_64")
    size, tail = metadata_by_range(wheel)
    body = whole_wheel(wheel)
    assert len(body) == size and body.endswith(tail)
    name = wheel.rsplit("/", 1)[-1].replace("%2B", "+")
    (expected,) = [p for p in library.channels["cu126"]["torch"] if p.name == name]
    assert body == expected.read_bytes()


def test_with_metadata(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    url, reply = page_of(daemon.index("cu126"), "torch")
    files = {f["filename"]: f for f in reply.json()["files"]}
    for name, address in wire.file_urls(url, reply).items():
        metadata = wire.ask(f"{address}.metadata", headers={**PAGE, "Accept": "*/*"})
        assert metadata.status == 200
        digest = hashlib.sha256(metadata.body).hexdigest()
        assert files[name]["core-metadata"] == {"sha256": digest}
        assert re.search(rb"^Name: torch$", metadata.body, re.MULTILINE)


def test_the_second_time_it_asks_whether_anything_changed(mirrors, serve):
    daemon = serve(all_mirrors(mirrors))
    url, reply = page_of(daemon.index("cu126"), "torch")
    again = wire.ask(url, headers={**PAGE, "If-None-Match": reply["ETag"]})
    assert again.status == 304 and again["ETag"] == reply["ETag"]


def test_dependencies_come_through_the_same_index(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    for project in ("filelock", "typing-extensions", "sympy", "jinja2", "triton"):
        url, reply = page_of(daemon.index("cu126"), project)
        wheel = newest_wheel(url, reply, project.replace("-", "_"))
        assert wire.ask(wheel, "HEAD", FILE).status == 200
