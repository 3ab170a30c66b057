# SPDX-License-Identifier: Apache-2.0
"""Links as mirrors write them: with a query, to an archive, on a page that another server sent, to
where nobody may go. What pip and uv alone would find, they find through us; what is lost is said."""

import json

import pytest

import wire
from clients import installed
from daemon import configuration, pypi_mirror
from standins import anchor, root_page, simple_page
from wheels import build, sha256_of

WHEEL = "demo-1.0-py3-none-any.whl"
NEWER = "demo-2.0-py3-none-any.whl"
PATH = f"/packages/{WHEEL}"
SIGNED = "sv=2021&sig=AB%2Bc%3D"


@pytest.fixture
def wheel(tmp_path):
    return build(tmp_path / "built", "demo", "1.0", padding=100_000).read_bytes()


@pytest.fixture
def newer(tmp_path):
    return build(tmp_path / "built", "demo", "2.0").read_bytes()


def put_page(origin, *hrefs, **trouble):
    links = [anchor(href, href.split("?")[0].rsplit("/", 1)[-1]) for href in hrefs]
    origin.put_page("/simple/demo/", simple_page("demo", links), **trouble)


def lan(origin, **more):
    return {**pypi_mirror("lan", origin.url), **more}


def names(daemon):
    return sorted(wire.file_names(daemon.page("demo", index="")))


def get(daemon, path=PATH):
    return wire.ask(daemon.file_url("pypi", path.lstrip("/")))


def problems(daemon, kind):
    return [p["detail"] for p in daemon.status()["problems"] if p["kind"] == kind]


# ------------------------------------------------------------------ queries


def test_a_link_is_asked_for_with_its_query(origin, serve, client, wheel, newer):
    put_page(origin, f"{PATH}?{SIGNED}", f"/packages/{NEWER}?rev=7")
    origin.put(PATH, wheel, query=SIGNED)
    origin.put(f"/packages/{NEWER}", newer, query="rev=7", otherwise=wheel)
    daemon = serve(configuration(pypi=[lan(origin)]))
    arguments = ("--index-url", daemon.index(""))
    assert installed(client.install(*arguments, "demo")) == {"demo": "2.0"}
    assert get(daemon).body == wheel
    assert "?" not in "".join(wire.file_urls("", daemon.page("demo", index="")).values())


def test_a_query_survives_a_restart(origin, serve, newer, wheel, tmp_path):
    """The file is in a lock, the page is not asked for: it is known that a query is needed."""
    put_page(origin, f"/packages/{NEWER}?rev=7")
    origin.put(f"/packages/{NEWER}", newer, query="rev=7", otherwise=wheel)
    config = configuration(pypi=[lan(origin)])
    daemon = serve(config)
    assert names(daemon) == [NEWER]
    daemon.stop()
    again = serve(config, folder=daemon.folder)
    assert get(again, f"/packages/{NEWER}").body == newer


def test_a_lock_file_alone_finds_the_signature(origin, serve, wheel):
    """The first request of a fresh daemon is for the file: its mirror refuses, and its page knows."""
    put_page(origin, f"{PATH}?{SIGNED}")
    origin.put(PATH, wheel, query=SIGNED)
    daemon = serve(configuration(pypi=[lan(origin)]))
    assert get(daemon).body == wheel


def test_a_signature_that_has_run_out_is_taken_from_the_newest_page(origin, serve, wheel):
    put_page(origin, f"{PATH}?sig=old")
    origin.put(PATH, wheel, query="sig=old")
    config = configuration(pypi=[lan(origin)])
    daemon = serve(config)
    assert names(daemon) == [WHEEL]
    daemon.stop()
    put_page(origin, f"{PATH}?sig=new")
    origin.change(PATH, query="sig=new")
    again = serve(config, folder=daemon.folder)
    assert get(again).body == wheel


# ------------------------------------------------------------------ other hosts


def test_older_files_are_fetched_from_the_archive(origin, second_origin, serve, uv, wheel, newer):
    put_page(origin, f"{second_origin.url}/old{PATH}", f"/packages/{NEWER}")
    origin.put(f"/packages/{NEWER}", newer)
    second_origin.put(f"/old{PATH}", wheel)
    mirror = lan(origin, links=[f"{second_origin.url}/old/"])
    daemon = serve(configuration(pypi=[mirror]))
    assert names(daemon) == [WHEEL, NEWER]
    target = uv.install("--index-url", daemon.index(""), "demo==1.0")
    assert installed(target) == {"demo": "1.0"}
    assert origin.asked(PATH) == []


def test_a_lock_file_alone_finds_the_archive(origin, second_origin, serve, wheel):
    put_page(origin, f"{second_origin.url}/old{PATH}")
    second_origin.put(f"/old{PATH}", wheel)
    mirror = lan(origin, links=[f"{second_origin.url}/old/"])
    daemon = serve(configuration(pypi=[mirror]))
    assert get(daemon).body == wheel


def test_a_page_that_loses_half_of_its_links_is_none(origin, second_origin, serve, wheel, newer):
    """What was known stays, and status, error and doctor say which host and which key."""
    put_page(origin, PATH, f"/packages/{NEWER}")
    origin.put(PATH, wheel)
    origin.put(f"/packages/{NEWER}", newer)
    daemon = serve(configuration(pypi=[lan(origin)], page_refresh="1s"))
    assert names(daemon) == [WHEEL, NEWER]
    put_page(origin, f"{second_origin.url}{PATH}", f"/packages/{NEWER}")
    origin.remove(PATH)
    key = f'links = ["{second_origin.url}/"]'

    def is_said(_):
        daemon.page("demo", index="")
        return any(key in text for text in problems(daemon, "links-elsewhere"))

    daemon.wait_status(is_said, what="the status names host and key")
    assert names(daemon) == [WHEEL, NEWER]
    reply = get(daemon)
    assert reply.status == 404 and second_origin.url in reply.text and "links = [" in reply.text
    assert [m["state"] for m in daemon.status()["mirrors"]] == ["ok"]


def test_a_page_whose_links_all_lead_elsewhere_is_no_empty_page(origin, serve):
    put_page(origin, f"https://store.example{PATH}", f"https://store.example/packages/{NEWER}")
    daemon = serve(configuration(pypi=[lan(origin)]))
    reply = daemon.page("demo", index="")
    assert reply.status == 503 and "links = [" in reply.text and "store.example" in reply.text
    assert problems(daemon, "links-elsewhere")


def test_a_few_links_elsewhere_are_dropped(origin, serve, wheel):
    put_page(origin, PATH, f"/packages/{NEWER}", "https://store.example/demo-0.9.tar.gz")
    daemon = serve(configuration(pypi=[lan(origin)]))
    assert names(daemon) == [WHEEL, NEWER]
    assert 'hosts="https://store.example/"' in daemon.wait_log("links elsewhere dropped")


def test_a_union_that_sends_each_page_on_to_a_member(origin, second_origin, serve, uv, wheel):
    origin.put_page("/pypi/web/simple/demo/", "", location=f"{second_origin.url}/simple/demo/")
    origin.put(f"/pypi/web{PATH}", b"", location=f"{second_origin.url}{PATH}")
    put_page(second_origin, f"../..{PATH}")
    second_origin.put(PATH, wheel)
    base = f"{origin.url}/pypi/web/"
    union = dict(name="union", layout="simple", index=base + "simple/{project}/", files=base)
    member = second_origin.url.split("//")[1]
    daemon = serve(configuration(pypi=[{**union, "redirects": [member]}]))
    target = uv.install("--index-url", daemon.index(""), "demo")
    assert installed(target) == {"demo": "1.0"}
    assert get(daemon).body == wheel


def test_a_redirect_to_a_private_store_names_host_and_key(origin, second_origin, serve, uv, wheel):
    put_page(origin, PATH)
    origin.put(PATH, b"", location=f"{second_origin.url}/bucket/1?X-Amz-Signature=abc")
    second_origin.put("/bucket/1", wheel, query="X-Amz-Signature=abc")
    store = second_origin.url.split("//")[1]
    daemon = serve(configuration(pypi=[lan(origin)]))
    assert names(daemon) == [WHEEL]
    reply = get(daemon)
    assert reply.status == 502 and f'redirects = ["{store}"]' in reply.json()["detail"]
    assert second_origin.requests == []
    daemon.reconfigure(configuration(pypi=[lan(origin, redirects=[store])]))
    daemon.wait_log("configuration reloaded")
    target = uv.install("--index-url", daemon.index(""), "demo")
    assert installed(target) == {"demo": "1.0"}


# ------------------------------------------------------------------ forms of pages


@pytest.mark.parametrize("owns", ["listed", ["demo"]], ids=["listed", "named"])
def test_a_tree_whose_links_end_in_index_html(origin, serve, uv, wheel, owns):
    origin.put_page("/simple/index.html", root_page(["demo"]).replace('demo/"', 'demo/index.html"'))
    links = [anchor(f"../..{PATH}", WHEEL)]
    origin.put_page("/simple/demo/index.html", simple_page("demo", links))
    origin.put(PATH, wheel)
    mirror = lan(origin, index=f"{origin.url}/simple/{{project}}/index.html")
    config = configuration(pypi=[mirror]).replace("[origin.pypi]", "[origin.lab]")
    config = config.replace("origin.pypi.", "origin.lab.")
    config = config.replace("[origin.lab]\n", f"[origin.lab]\nowns = {json.dumps(owns)}\n")
    config += '\n[index."lab"]\norigins = ["lab"]\n'
    daemon = serve(config)
    target = uv.install("--index-url", f"{daemon.url}/lab/simple/", "demo")
    assert installed(target) == {"demo": "1.0"}


@pytest.mark.parametrize("status", [400, 403, 406, 415, 500])
def test_a_mirror_that_refuses_json_is_asked_for_html(origin, serve, status, wheel):
    put_page(origin, PATH, html_only=status)
    daemon = serve(configuration(pypi=[lan(origin)]))
    assert names(daemon) == [WHEEL]
    assert [m["state"] for m in daemon.status()["mirrors"]] == ["ok"]
    asked = [r.headers["accept"] for r in origin.asked("/simple/demo/")]
    assert len(asked) == 2 and "json" in asked[0] and "json" not in asked[1]


def test_a_mirror_that_refuses_everybody_is_not_asked_for_ever(origin, serve):
    origin.put("/simple/demo/", b"no", status=500)
    daemon = serve(configuration(pypi=[lan(origin)]))
    assert daemon.page("demo", index="").status == 503
    assert len(origin.asked("/simple/demo/")) == 2
