# SPDX-License-Identifier: Apache-2.0
"""Project pages as HTTP: negotiation, validators, codings, redirects, refusals."""

import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import wire
from daemon import all_mirrors, configuration, flat_and_pypi, flat_mirror, official_mirror
from standins import anchor, flat_page, simple_page
from wheels import metadata_of, sha256_of

PLAIN_HTML = "text/html"


@pytest.fixture
def daemon(mirrors, serve):
    return serve(all_mirrors(mirrors))


# ------------------------------------------------------------------ negotiation


@pytest.mark.parametrize(
    "accept, expected",
    [
        (None, PLAIN_HTML),
        ("*/*", PLAIN_HTML),
        ("text/html", PLAIN_HTML),
        ("text/*", PLAIN_HTML),
        (wire.JSON, wire.JSON),
        (wire.HTML, wire.HTML),
        (wire.UV_PAGE["Accept"], wire.JSON),
        (wire.PIP_PAGE["Accept"], wire.JSON),
        (f"{wire.JSON}, */*;q=0.1", wire.JSON),
        (f"{wire.JSON};q=0.1, {wire.HTML}; q=0.9", wire.HTML),
        (f"{wire.JSON}, {wire.HTML}", wire.JSON),
        (f"{wire.JSON};q=0, text/html", PLAIN_HTML),
        ("application/vnd.pypi.simple.latest+json", wire.JSON),
        ("application/vnd.pypi.simple.latest+html", wire.HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", PLAIN_HTML),
    ],
)
def test_negotiation(daemon, accept, expected):
    reply = daemon.get("/cu126/simple/torch/", {"Accept": accept} if accept else None)
    assert reply.status == 200
    assert reply["Content-Type"].split(";")[0] == expected
    assert {"accept", "accept-encoding"} <= set(re.split(r",\s*", reply["Vary"].lower()))


@pytest.mark.parametrize(
    "accept", ["application/vnd.pypi.simple.v2+json", "application/xml", f"{wire.JSON};q=0"]
)
def test_only_types_we_do_not_have(daemon, accept):
    assert daemon.get("/cu126/simple/torch/", {"Accept": accept}).status == 406


def test_format_outranks_accept(daemon):
    reply = daemon.get(f"/cu126/simple/torch/?format={wire.JSON}", {"Accept": "text/html"})
    assert reply["Content-Type"] == wire.JSON
    reply = daemon.get(f"/cu126/simple/torch/?format={wire.HTML}", {"Accept": wire.JSON})
    assert reply["Content-Type"] == wire.HTML


# ------------------------------------------------------------------ what is on a page


def test_json_keeps_every_rule(daemon):
    for project in ("torch", "torchvision", "filelock", "requests", "triton"):
        reply = daemon.page(project)
        assert reply.status == 200
        wire.check_json_page(reply.json(), project)


def test_html_keeps_every_rule(daemon):
    reply = daemon.get("/cu126/simple/torch/", {"Accept": PLAIN_HTML})
    assert reply["Content-Type"] == "text/html; charset=utf-8"
    assert reply.text.lower().startswith("<!doctype html>")
    assert wire.metas(reply)["pypi:repository-version"].startswith("1.")
    assert "<base" not in reply.text.lower()
    for link in wire.anchors(reply):
        target = urlsplit(link["href"])
        assert not target.netloc and not target.path.startswith("/") and not target.query
        assert "+" not in link["href"]
        assert link["text"].strip() == unquote(target.path.rsplit("/", 1)[-1])
        assert re.fullmatch("(sha256=[0-9a-f]{64})?", target.fragment)


def test_html_and_json_say_the_same(daemon):
    html = daemon.get("/cu126/simple/torch/", {"Accept": PLAIN_HTML})
    files = {f["filename"]: f for f in daemon.page("torch").json()["files"]}
    assert set(wire.file_names(html)) == files.keys()
    for link in wire.anchors(html):
        target = urlsplit(link["href"])
        file = files[unquote(target.path.rsplit("/", 1)[-1])]
        assert target.fragment == f"sha256={file['hashes']['sha256']}"
        assert link.get("data-core-metadata", "").removeprefix("sha256=") == file[
            "core-metadata"
        ].get("sha256")


def test_digests_and_metadata_come_from_the_authority(daemon, library):
    files = {f["filename"]: f for f in daemon.page("torch").json()["files"]}
    for wheel in library.channels["cu126"]["torch"]:
        assert files[wheel.name]["hashes"] == {"sha256": sha256_of(wheel)}
        assert files[wheel.name]["core-metadata"] == {"sha256": sha256_of(metadata_of(wheel))}


def test_a_flat_page_alone_promises_no_digests(mirrors, serve):
    daemon = serve(flat_and_pypi(mirrors))
    document = daemon.page("torch").json()
    wire.check_json_page(document, "torch")
    for file in document["files"]:
        assert file["hashes"] == {} and file["core-metadata"] is True, "read out of the wheel"


def test_requires_python_and_yanked_survive(origin, serve):
    name = "torch-1.0-py3-none-any.whl"
    link = anchor(f"/whl/cpu/{name}", name, requires_python=">=3.9,<4").replace(
        "<a ", '<a data-yanked="a &lt;bad&gt; build" '
    )
    origin.put_page("/whl/cpu/torch/", simple_page("torch", [link]))
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    (file,) = daemon.page("torch", index="cpu").json()["files"]
    assert file["requires-python"] == ">=3.9,<4" and file["yanked"] == "a <bad> build"
    (shown,) = wire.anchors(daemon.get("/cpu/simple/torch/"))
    assert shown["data-requires-python"] == ">=3.9,<4"
    assert shown["data-yanked"] == "a <bad> build"


def test_digests_for_all_files_of_a_release_or_for_none(origin, serve):
    names = [f"torch-1.0-cp31{n}-cp31{n}-win_amd64.whl" for n in range(3)]
    digests = ["a" * 64, None, "b" * 64]
    links = [anchor(f"/whl/cpu/{n}", n, d) for n, d in zip(names, digests)]
    links.append(anchor("/whl/cpu/torch-2.0-py3-none-any.whl", "torch-2.0", "c" * 64))
    origin.put_page("/whl/cpu/torch/", simple_page("torch", links))
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    files = {f["filename"]: f["hashes"] for f in daemon.page("torch", "cpu").json()["files"]}
    assert all(files[name] == {} for name in names)
    assert files["torch-2.0-py3-none-any.whl"] == {"sha256": "c" * 64}


def test_two_authorities_that_disagree(origin, second_origin, serve):
    name = "torch-1.0-py3-none-any.whl"
    for one, digest in ((origin, "a" * 64), (second_origin, "b" * 64)):
        page = simple_page("torch", [anchor(f"/whl/cpu/{name}", name, digest)])
        one.put_page("/whl/cpu/torch/", page)
    mirrors = [official_mirror("m1", origin.url), official_mirror("m2", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    (file,) = daemon.page("torch", index="cpu").json()["files"]
    assert file["hashes"] == {}
    problems = daemon.wait_status(lambda s: s["problems"], what="a problem")["problems"]
    assert any(name in problem["path"] for problem in problems)
    daemon.wait_log(f"digest disputed path=pytorch/cpu/{name}")


def test_a_page_is_the_union_of_its_mirrors(origin, second_origin, serve):
    old, new = "torch-1.0-py3-none-any.whl", "torch-2.0-py3-none-any.whl"
    page = simple_page("torch", [anchor(f"/whl/cpu/{old}", old)])
    origin.put_page("/whl/cpu/torch/", page)
    second_origin.put_page("/pytorch-wheels/cpu/", flat_page("cpu", [(old, 1), (new, 1)]))
    mirrors = [official_mirror("m1", origin.url), flat_mirror("m2", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    reply = daemon.page("torch", index="cpu")
    assert sorted(wire.file_names(reply)) == [old, new]
    assert {"m1", "m2"} == set(re.split(r",\s*", reply["X-Mirror"]))


def test_project_lists(daemon):
    listed = daemon.get("/cu126/simple/", {"Accept": wire.JSON}).json()
    assert {"torch", "torchvision"} <= {project["name"] for project in listed["projects"]}
    html = daemon.get("/cu126/simple/", {"Accept": PLAIN_HTML})
    assert {"torch/", "torchvision/"} <= {link["href"] for link in wire.anchors(html)}


def test_what_has_no_file_of_ours_is_no_project(origin, serve):
    """On a flat page: folders, and files of sites that are not this origin's."""
    names = ("torch-1.0-py3-none-any.whl", "torch-1.1-py3-none-any.whl")
    names += ("https://no.example/torchvision-1.0.zip",)
    page = flat_page("cpu", [(name, 1) for name in names], plus=True)
    page = page.replace("<tbody>", '<tbody><tr><td><a href="torchaudio/">torchaudio/</a></td></tr>')
    origin.put_page("/pytorch-wheels/cpu/", page)
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)]))
    listed = daemon.get("/cpu/simple/", {"Accept": wire.JSON}).json()["projects"]
    assert listed == [{"name": "torch"}]


def test_whl_is_the_same_index(daemon):
    one = daemon.page("torch").json()
    other = daemon.get("/whl/cu126/torch/", {"Accept": wire.JSON})
    assert other.status == 200
    here, there = f"{daemon.index()}/torch/", f"{daemon.url}/whl/cu126/torch/"
    assert {f["filename"] for f in one["files"]} == set(wire.file_names(other))
    url = wire.file_urls(there, other)[one["files"][0]["filename"]]
    assert url == urljoin(here, one["files"][0]["url"])


def test_the_first_page_is_for_people(daemon):
    reply = daemon.get("/", {"Accept": "text/html"})
    assert reply.status == 200 and reply["Content-Type"].startswith("text/html")
    assert "wheelyard" in reply.text and "cu126" in reply.text


# ------------------------------------------------------------------ validators and codings


def test_conditional_requests(daemon):
    page = daemon.page("torch")
    etag = page["ETag"]
    assert re.fullmatch(r'"[^"]+"', etag), "strong, or uv cannot use it"
    for value in (etag, f'"other", {etag}', "*", f"W/{etag}"):
        reply = daemon.page("torch", headers={"Accept": wire.JSON, "If-None-Match": value})
        assert (reply.status, reply.body) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary"):
            assert reply[name] == page[name]
    other = daemon.page("torch", headers={"Accept": wire.JSON, "If-None-Match": '"other"'})
    assert other.status == 200


def test_every_form_has_an_etag_of_its_own(daemon):
    forms = [
        {"Accept": accept, "Accept-Encoding": coding}
        for accept in (wire.JSON, PLAIN_HTML)
        for coding in ("identity", "gzip", "zstd")
    ]
    replies = [daemon.page("torch", headers=headers) for headers in forms]
    assert len({reply["ETag"] for reply in replies}) == 6
    assert [reply["Content-Encoding"] for reply in replies] == [None, "gzip", "zstd"] * 2
    for plain, gzipped, zstd in (replies[:3], replies[3:]):
        assert plain.text == gzipped.text == zstd.text


@pytest.mark.parametrize("coding", ["gzip;q=0", "br", "identity", "*;q=0", None])
def test_no_coding_for_who_does_not_want_it(daemon, coding):
    headers = {"Accept": wire.JSON, **({"Accept-Encoding": coding} if coding else {})}
    assert daemon.page("torch", headers=headers)["Content-Encoding"] is None


def test_head_says_what_get_says(daemon):
    headers = {"Accept": wire.JSON}
    get = daemon.get("/cu126/simple/torch/", headers)
    head = daemon.get("/cu126/simple/torch/", headers, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control", "Vary"):
        assert head[name] == get[name]


def test_a_page_lives_ten_minutes(daemon):
    assert "max-age=600" in daemon.page("torch")["Cache-Control"]


def test_a_page_is_asked_once_and_then_kept(own_mirrors, serve):
    daemon = serve(all_mirrors(own_mirrors))
    first, second = daemon.page("torch"), daemon.page("torch")
    assert (first["X-Cache"], second["X-Cache"]) == ("miss", "hit")
    asked = [row for row in own_mirrors.official.requests() if row[1].endswith("/torch/")]
    assert len(asked) == 1


def test_no_cache_asks_the_mirror_again(origin, serve):
    """uv's --refresh. What comes is shown at once, and not more than once in 30 s."""
    old, new = "torch-1.0-py3-none-any.whl", "torch-2.0-py3-none-any.whl"
    path = "/pytorch-wheels/cpu/"
    origin.put_page(path, flat_page("cpu", [(old, 1)]))
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)]))
    before = daemon.page("torch", index="cpu")
    origin.put_page(path, flat_page("cpu", [(old, 1), (new, 1)]))
    headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    after = daemon.page("torch", index="cpu", headers=headers)
    assert sorted(wire.file_names(after)) == [old, new] and after["ETag"] != before["ETag"]
    asked = len(origin.asked(path))
    daemon.page("torch", index="cpu", headers=headers)
    assert len(origin.asked(path)) == asked


def test_another_nonce_is_no_change(origin, serve):
    name, path = "torch-1.0-py3-none-any.whl", "/pytorch-wheels/cpu/"
    origin.put_page(path, flat_page("cpu", [(name, 1)], nonce="one"))
    daemon = serve(configuration(pytorch=[flat_mirror("m", origin.url)]))
    before = daemon.page("torch", index="cpu")
    origin.put_page(path, flat_page("cpu", [(name, 1)], nonce="two"))
    headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    after = daemon.page("torch", index="cpu", headers=headers)
    assert len(origin.asked(path)) == 2
    assert (after["ETag"], after.body) == (before["ETag"], before.body)


def test_the_mirror_is_asked_with_its_own_validators(origin, serve):
    name, path = "torch-1.0-py3-none-any.whl", "/whl/cpu/torch/"
    origin.put_page(path, simple_page("torch", [anchor(f"/whl/cpu/{name}", name)]))
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    before = daemon.page("torch", index="cpu")
    headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    assert daemon.page("torch", index="cpu", headers=headers).body == before.body
    assert [request.status for request in origin.asked(path)] == [200, 304]


# ------------------------------------------------------------------ redirects and refusals


@pytest.mark.parametrize(
    "asked, leads_to",
    [
        ("/cu126/simple/torch", "/cu126/simple/torch/"),
        ("/cu126/simple/TorchVision/", "/cu126/simple/torchvision/"),
        ("/cu126/simple/typing_extensions/", "/cu126/simple/typing-extensions/"),
        ("/simple/Typing.Extensions", "/simple/typing-extensions/"),
        ("/cu126/simple", "/cu126/simple/"),
        ("/whl/cu126/torch", "/whl/cu126/torch/"),
    ],
)
def test_one_address_per_page(daemon, asked, leads_to):
    reply = daemon.get(asked)
    assert reply.status == 301
    assert urljoin(daemon.url + asked, reply["Location"]) == daemon.url + leads_to


@pytest.mark.parametrize(
    "path",
    [
        "/cu126/simple/no-such-project/",
        "/simple/no-such-project/",
        "/files/no-such-origin/x.whl",
        "/files/pytorch/cu126/no-such-1.0-py3-none-any.whl",
        "/no/such/thing",
        "/-/nothing",
    ],
)
def test_unknown_things_are_404(daemon, path):
    plain = daemon.get(path, {"Accept": "text/plain, */*;q=0.1"})
    assert plain.status == 404 and plain["Content-Type"].startswith("text/plain")
    for accept in ({}, {"Accept": "*/*"}, {"Accept": f"{wire.JSON}, */*;q=0.1"}):
        reply = daemon.get(path, accept)
        assert reply.status == 404
        assert reply["Content-Type"].startswith("application/problem+json")
        assert reply.json()["status"] == 404


def test_no_mirror_and_nothing_stored(own_mirrors, serve):
    own_mirrors.stop()
    daemon = serve(flat_and_pypi(own_mirrors))
    reply = daemon.page("torch", headers=wire.UV_PAGE)
    assert reply.status == 503 and not reply["Retry-After"], "nothing is under way"
    assert reply["Content-Type"].startswith("application/problem+json")
    assert "aliyun" in reply.json()["detail"]
    assert "tuna" in daemon.page("requests", headers=wire.UV_PAGE).json()["detail"]


@pytest.mark.parametrize(
    "target, status",
    [
        ("/" + "x" * 5000, 414),
        ("/files/pytorch/../../etc/passwd", 400),
        ("/files/pytorch/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/files/pytorch/a%00b.whl", 400),
        ("/files/pytorch/a%zzb.whl", 400),
        ("/files/pytorch/a%2fb.whl", 400),
    ],
)
def test_malformed_requests(daemon, target, status):
    assert daemon.get("", target=target).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(daemon, method):
    assert daemon.get("/cu126/simple/torch/", method=method).status == 405


def test_a_foreign_host_name_is_refused(daemon):
    """DNS rebinding: a page elsewhere must not read us under its own name."""
    assert daemon.get("/-/status", {"Host": "evil.example"}).status in (400, 403, 421)


def test_the_chain_of_hops_goes_on_to_the_mirror(origin, serve):
    """A daemon that asks itself over another must see its own name come back."""
    name = "torch-1.0-py3-none-any.whl"
    origin.put_page("/whl/cpu/torch/", simple_page("torch", [anchor(f"/whl/cpu/{name}", name)]))
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    headers = {"Accept": wire.JSON, "Via": "1.1 some.proxy (squid/5), 1.1 wheelyard-0123456789abcdef (x), bad("}
    assert daemon.page("torch", index="cpu", headers=headers).status == 200
    (request,) = origin.asked("/whl/cpu/torch/", "GET")
    first, own = request.headers["via"].split(", ")
    assert first == "1.1 wheelyard-0123456789abcdef" and own.startswith("1.1 wheelyard-")
    looped = daemon.page("torch", index="cpu", headers={"Accept": wire.JSON, "Via": own})
    assert looped.status == 508
