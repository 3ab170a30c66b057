# SPDX-License-Identifier: Apache-2.0
"""What mirrors claim of a file's digest, and what is believed of it: other algorithms than SHA-256,
pages that are corrected, a stale mirror against the site, mirrors that disagree."""

import hashlib
import json

import pytest

import wire
from daemon import configuration, pypi_mirror
from standins import simple_page
from wheels import build

NAME = "demo-1.0-py3-none-any.whl"
PATH = f"/packages/{NAME}"
PAGE = "/simple/demo/"


@pytest.fixture(name="body")
def _body(tmp_path):
    return build(tmp_path / "built", "demo", "1.0", padding=200_000).read_bytes()


def wrong(body):
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def digest(algorithm, body):
    return hashlib.new(algorithm, body).hexdigest()


def link(fragment="", more=""):
    return f'<a href="../..{PATH}{fragment}"{more}>{NAME}</a><br/>\n'


def put_html(origin, *fragments, more=""):
    origin.put_page(PAGE, simple_page("demo", [link(f"#{f}" if f else "", more) for f in fragments]))


def put_json(origin, hashes, **more):
    file = {"filename": NAME, "url": f"../..{PATH}", "hashes": hashes, **more}
    document = {"meta": {"api-version": "1.0"}, "name": "demo", "files": [file]}
    origin.put(PAGE, json.dumps(document).encode(), type="application/vnd.pypi.simple.v1+json")


def one_mirror(origin, **top):
    return configuration(pypi=[pypi_mirror("m", origin.url)], **top)


def shown(daemon, refresh=False):
    headers = {"Accept": wire.JSON, **({"Cache-Control": "no-cache"} if refresh else {})}
    (file,) = daemon.page("demo", index="", headers=headers).json()["files"]
    return file["hashes"]


@pytest.mark.parametrize("algorithm", ["sha512", "sha384", "sha224", "blake2b", "sha1", "md5"])
@pytest.mark.parametrize("form", ["html", "json"])
def test_other_algorithms_are_passed_on(origin, serve, body, algorithm, form):
    value = digest(algorithm, body)
    if form == "html":
        put_html(origin, f"{algorithm}={value}")
    else:
        put_json(origin, {algorithm: value, "unheard-of": "00"})
    daemon = serve(one_mirror(origin))
    assert shown(daemon) == {algorithm: value}
    (seen,) = wire.anchors(daemon.get("/simple/demo/"))
    assert seen["href"].endswith(f"/{NAME}#{algorithm}={value}")


def test_of_several_html_names_the_best_and_json_all(origin, serve, body):
    values = {a: digest(a, body) for a in ("sha256", "sha512", "md5")}
    put_json(origin, values, **{"core-metadata": {"sha512": "ab" * 64}})
    daemon = serve(one_mirror(origin))
    page = daemon.page("demo", index="").json()
    del values["md5"]  # there is better
    assert page["files"][0]["hashes"] == values
    assert page["files"][0]["core-metadata"] == {"sha512": "ab" * 64}
    (seen,) = wire.anchors(daemon.get("/simple/demo/"))
    assert seen["href"].endswith(f"#sha256={values['sha256']}")
    assert seen["data-core-metadata"] == f"sha512={'ab' * 64}"


def test_one_link_with_two_digests_shows_none(origin, serve, body):
    put_html(origin, f"sha256={digest('sha256', body)}", f"sha256={'0' * 64}")
    daemon = serve(one_mirror(origin))
    assert shown(daemon) == {}
    problem = daemon.wait_status(lambda s: s["problems"], what="a problem")["problems"][0]
    assert problem["kind"] == "digest-disputed" and "0" * 64 in problem["detail"]
