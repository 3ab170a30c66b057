# SPDX-License-Identifier: Apache-2.0
"""owns = "listed": an origin owns the names that its mirrors list; and indexes of several origins."""

import threading
from urllib.parse import unquote, urljoin

import pytest

import wheels
import wire
from clients import Pip, Uv, installed, origin_of, pip_wheel
from daemon import configuration, flat_and_pypi, index_table, origin_tables, pypi_mirror
from documents import blocks_of
from origin import Gate
from standins import FindLinks, anchor, root_page, simple_page, wait_until
from wheels import build

NO_CACHE = {"Accept": wire.JSON, "Cache-Control": "no-cache"}


def flat(url, folder="lab"):
    base = f"{url}/{folder}/"
    return {"name": folder, "layout": "flat", "index": base, "files": base}


def simple(url, folder="lab"):
    base = f"{url}/{folder}/"
    return {"name": folder, "layout": "simple", "index": base + "{project}/", "files": base}


def put_flat(origin, *names, folder="lab"):
    rows = [f'<a href="{name}">{name}</a><br>' for name in names]
    origin.put_page(f"/{folder}/", f"<html><body>{' '.join(rows)}</body></html>")


def wheel(project, version="1.0"):
    return f"{project}-{version}-py3-none-any.whl"


def put_pypi(origin, *projects):
    """A PyPI that has a version 9 of each."""
    for project in projects:
        name = wheel(project, "9")
        link = anchor(f"../../packages/{name}", name)
        origin.put_page(f"/simple/{project}/", simple_page(project, [link]))


def lab_and_pypi(lab_mirrors, pypi, **top):
    return (
        configuration(**top)
        + origin_tables("lab", lab_mirrors, owns="listed")
        + configuration(pypi=[pypi_mirror("tuna", pypi.url)])
        + index_table("lab", "lab", "pypi")
    )


def names(daemon, project, index="lab", headers=None):
    reply = daemon.page(project, index=index, headers=headers)
    assert reply.status == 200, reply.text
    return wire.file_names(reply)


def test_what_is_listed_is_the_origins_and_all_else_pypis(origin, second_origin, serve):
    put_flat(origin, wheel("numpy"), wheel("lab_tool"))
    put_pypi(second_origin, "numpy", "idna")
    daemon = serve(lab_and_pypi([flat(origin.url)], second_origin))
    assert names(daemon, "numpy") == [wheel("numpy")]
    assert names(daemon, "lab-tool") == [wheel("lab_tool")]
    assert names(daemon, "idna") == [wheel("idna", "9")]
    assert daemon.page("nothing", index="lab").status == 404
    assert not second_origin.asked("/simple/numpy/"), "PyPI was asked for what is not its own"
    assert names(daemon, "numpy", index="") == [wheel("numpy", "9")], "/simple/ is PyPI alone"


@pytest.mark.parametrize("trouble", [{"status": 503}, {"status": 404}, {"body": b"<html></html>"}])
def test_nobody_answers_for_a_listing_that_was_never_there(origin, second_origin, serve, trouble):
    put_flat(origin, wheel("numpy"))
    origin.change("/lab/", **trouble)
    put_pypi(second_origin, "numpy", "idna", "first-tool", "later-tool")
    daemon = serve(
        origin_tables("first", [pypi_mirror("simple", second_origin.url)], owns=["first-*"])
        + origin_tables("later", [pypi_mirror("simple", second_origin.url)], owns=["later-*"])
        + lab_and_pypi([flat(origin.url)], second_origin)
        + index_table("three", "first", "lab", "later", "pypi")
    )
    for project in ("numpy", "idna", "nothing"):
        reply = daemon.page(project, index="three")
        assert reply.status == 503 and not reply["Retry-After"]
        assert f"whether lab has {project} is not known yet (lab" in reply.text
    assert not second_origin.requests, "somebody else was asked"
    assert daemon.page("first-tool", index="three").status == 200, "it comes before lab"
    assert daemon.page("later-tool", index="three").status == 200, "it has an owner by name"
    origin.change("/lab/", status=None)
    put_flat(origin, wheel("numpy"))
    wait_until(lambda: daemon.page("numpy", index="three").status == 200, 30, "lab is back")
    assert names(daemon, "numpy", "three") == [wheel("numpy")]
    wait_until(lambda: daemon.page("idna", index="three").status == 200, 30, "PyPI answers")
    assert names(daemon, "idna", "three") == [wheel("idna", "9")]


def test_whoever_comes_early_waits_for_the_listing(origin, second_origin, serve):
    put_flat(origin, wheel("numpy"))
    put_pypi(second_origin, "numpy", "idna")
    silent = threading.Event()
    origin.change("/lab/", silent=silent)
    daemon = serve(lab_and_pypi([flat(origin.url)], second_origin))
    urls = [f"{daemon.index('lab')}/{name}/" for name in ("numpy", "idna", "numpy", "nothing")]
    clients = [wire.Download(url, {"Accept": wire.JSON}) for url in urls]
    origin.wait_asked("/lab/")
    assert not second_origin.requests and all(client.status is None for client in clients)
    silent.set()
    assert [client.wait_end().status for client in clients] == [200, 200, 200, 404]
    assert wheel("numpy").encode() in clients[0].body
    assert wheel("idna", "9").encode() in clients[1].body
    assert len(origin.asked("/lab/")) == 1


def test_a_known_listing_outlives_its_mirror_and_a_restart(origin, second_origin, serve, tmp_path):
    put_flat(origin, wheel("numpy"))
    put_pypi(second_origin, "numpy", "idna")
    config = lab_and_pypi([flat(origin.url)], second_origin, page_refresh="1s")
    first = serve(config, cache_dir=tmp_path / "cache")
    assert names(first, "numpy") == [wheel("numpy")]
    first.stop()
    origin.change("/lab/", status=503)
    second = serve(config, cache_dir=tmp_path / "cache")
    assert names(second, "numpy") == [wheel("numpy")]
    assert names(second, "idna") == [wheel("idna", "9")]
    assert not second_origin.asked("/simple/numpy/")


def test_names_change_owner_when_the_listing_changes(origin, second_origin, serve):
    put_flat(origin, wheel("lab_tool"))
    put_pypi(second_origin, "numpy", "idna")
    daemon = serve(lab_and_pypi([flat(origin.url)], second_origin))
    for project in ("numpy", "idna"):
        assert names(daemon, project) == [wheel(project, "9")]
    put_flat(origin, wheel("lab_tool"), wheel("numpy"), wheel("idna"))
    assert names(daemon, "numpy", headers=NO_CACHE) == [wheel("numpy")]
    assert names(daemon, "idna") == [wheel("idna")], "the other's page has gone with it"
    put_flat(origin, wheel("lab_tool"))
    assert names(daemon, "idna", headers=NO_CACHE) == [wheel("idna", "9")]
    assert names(daemon, "numpy") == [wheel("numpy", "9")]


def test_a_name_that_is_delisted_and_held_stays_the_origins(origin, second_origin, serve, tmp_path):
    """What nobody lists any more is on its page while its bytes are here, so it has its page."""
    lab_wheel = build(tmp_path, "numpy", "1.0")
    put_flat(origin, wheel("lab_tool"), lab_wheel.name)
    origin.put(f"/lab/{lab_wheel.name}", lab_wheel)
    put_pypi(second_origin, "numpy", "idna")
    daemon = serve(lab_and_pypi([flat(origin.url)], second_origin))
    (url,) = wire.file_urls(f"{daemon.index('lab')}/numpy/", daemon.page("numpy", "lab")).values()
    assert wire.ask(url).body == lab_wheel.read_bytes()
    daemon.wait_log("kept path=lab/numpy")
    put_flat(origin, wheel("lab_tool"), wheel("idna"))
    assert names(daemon, "numpy", headers=NO_CACHE) == [lab_wheel.name]
    assert names(daemon, "idna") == [wheel("idna")], "the listing is the new one"
    assert not second_origin.asked("/simple/numpy/")


def test_a_simple_mirror_is_asked_for_its_list(origin, second_origin, serve):
    origin.put_page("/lab/", root_page(["lab-tool", "Numpy"]))
    origin.put_page("/lab/numpy/", simple_page("numpy", [anchor(wheel("numpy"), wheel("numpy"))]))
    put_pypi(second_origin, "numpy", "idna")
    daemon = serve(lab_and_pypi([simple(origin.url)], second_origin))
    assert names(daemon, "numpy") == [wheel("numpy")]
    assert daemon.page("lab-tool", index="lab").status == 404, "listed, and nobody else's"
    assert names(daemon, "idna") == [wheel("idna", "9")]


def test_a_simple_mirror_without_a_list_owns_nothing_it_could_name(origin, second_origin, serve):
    put_pypi(second_origin, "numpy")
    daemon = serve(lab_and_pypi([simple(origin.url)], second_origin))
    reply = daemon.page("numpy", index="lab")
    assert reply.status == 503 and "lab: has no list of projects" in reply.text


def test_one_of_several_mirrors_is_enough(origin, second_origin, serve):
    put_flat(origin, wheel("numpy"), folder="two")
    origin.put("/one/", b"down", status=503)
    put_pypi(second_origin, "numpy", "idna")
    mirrors = [flat(origin.url, "one"), flat(origin.url, "two")]
    daemon = serve(lab_and_pypi(mirrors, second_origin))
    assert names(daemon, "numpy") == [wheel("numpy")]
    assert names(daemon, "idna") == [wheel("idna", "9")]


def test_a_link_elsewhere_makes_no_name(origin, second_origin, serve):
    elsewhere = "https://elsewhere.example/" + wheel("numpy")
    own = "".join(f'<a href="{wheel("lab_tool", v)}">x</a>' for v in ("1.0", "2.0"))
    page = f'<a href="{elsewhere}">x</a>{own}<a href="idna/">x</a>'  # were it half, it were no page
    origin.put_page("/lab/", page)
    put_pypi(second_origin, "numpy", "idna")
    daemon = serve(lab_and_pypi([flat(origin.url)], second_origin))
    assert names(daemon, "numpy") == [wheel("numpy", "9")]
    assert names(daemon, "idna") == [wheel("idna", "9")], "a folder on a flat page is no project"


def test_a_channel_that_an_origin_does_not_have_lists_nothing(origin, second_origin, serve):
    """No origin has all channels that a pattern allows: one that none has is no index."""
    base = f"{origin.url}/lab/"
    mirror = {"name": "m", "layout": "flat", "index": base + "{channel}.html", "files": base}
    origin.put_page("/lab/cu126.html", f'<a href="any/{wheel("numpy")}">x</a>')
    put_pypi(second_origin, "numpy")
    daemon = serve(
        origin_tables("lab", [mirror], owns="listed", channels=["cu*"])
        + configuration(pypi=[pypi_mirror("tuna", second_origin.url)])
    )
    assert names(daemon, "numpy", "cu126") == [wheel("numpy")]
    reply = daemon.page("numpy", index="cu128")
    assert reply.status == 400 and "did you mean cu126" in reply.text


def two_labs(origin, pypi):
    return (
        origin_tables("one", [flat(origin.url, "one")], owns="listed")
        + origin_tables("two", [simple(origin.url, "two")], owns=["two-*", "numpy"])
        + origin_tables("three", [flat(origin.url, "three")], owns="listed")
        + configuration(pypi=[pypi_mirror("tuna", pypi.url)])
        + index_table("all", "one", "two", "three", "pypi")
        + index_table("turned", "three", "two", "one", "pypi")
    )


def put_two_labs(origin):
    put_flat(origin, wheel("shared", "1"), wheel("one_tool"), folder="one")
    origin.put_page("/two/", root_page(["two-tool", "numpy", "idna"]))
    for project in ("two_tool", "numpy"):
        link = anchor(f"../{wheel(project)}", wheel(project))
        path = f"/two/{project.replace('_', '-')}/"
        origin.put_page(path, simple_page(project, [link]))
    put_flat(origin, wheel("shared", "3"), wheel("numpy", "3"), folder="three")
    for folder, name in (("one", "one_tool"), ("two", "two_tool"), ("three", "shared")):
        version = "3" if name == "shared" else "1.0"
        file = wheel(name, version)
        origin.put(f"/{folder}/{file}", wheels.sound(file, seed=folder))


def test_an_index_of_several_origins_asks_them_in_its_order(origin, second_origin, serve):
    put_two_labs(origin)
    put_pypi(second_origin, "shared", "numpy", "idna")
    daemon = serve(two_labs(origin, second_origin))
    assert names(daemon, "shared", "all") == [wheel("shared", "1")]
    assert names(daemon, "shared", "turned") == [wheel("shared", "3")]
    assert names(daemon, "numpy", "all") == [wheel("numpy")]
    assert names(daemon, "numpy", "turned") == [wheel("numpy", "3")]
    assert names(daemon, "idna", "all") == [wheel("idna", "9")], "two lists it, and does not own it"
    assert not second_origin.asked("/simple/shared/") and not second_origin.asked("/simple/numpy/")


def test_lists_and_flat_pages_have_all_origins_but_the_last(origin, second_origin, serve):
    put_two_labs(origin)
    put_pypi(second_origin, "idna")
    daemon = serve(two_labs(origin, second_origin))
    listed = [p["name"] for p in daemon.get("/all/simple/", {"Accept": wire.JSON}).json()["projects"]]
    assert listed == ["numpy", "one-tool", "shared", "two-tool"]
    page = daemon.get("/turned/flat/")
    assert page.status == 200 and set(page["X-Mirror"].split(",")) == {"three", "two", "one"}
    hrefs = [a["href"].split("#")[0] for a in wire.anchors(page)]
    urls = {unquote(h.split("/")[-1]): urljoin(f"{daemon.url}/turned/flat/", h) for h in hrefs}
    assert set(urls) == {wheel("shared", "3"), wheel("numpy", "3"), wheel("two_tool"), wheel("one_tool")}
    for name, folder in (("one_tool", "one"), ("two_tool", "two")):
        assert wire.ask(urls[wheel(name)]).body == wheels.sound(wheel(name), seed=folder)


def test_a_list_that_names_a_hundred_thousand_is_too_long(origin, second_origin, serve):
    origin.put_page("/lab/", root_page([f"p{n}" for n in range(100001)]))
    put_pypi(second_origin, "numpy")
    daemon = serve(lab_and_pypi([simple(origin.url)], second_origin, listing_timeout="60s"))
    reply = daemon.page("numpy", index="lab")
    assert reply.status == 503 and "too big" in reply.text.lower()
    assert not second_origin.requests


def test_a_reload_brings_listed_origins(origin, second_origin, serve):
    put_flat(origin, wheel("numpy"))
    put_pypi(second_origin, "numpy")
    daemon = serve(
        origin_tables("lab", [flat(origin.url)], owns=["lab-tool"])
        + configuration(pypi=[pypi_mirror("tuna", second_origin.url)])
        + index_table("lab", "lab", "pypi")
    )
    assert names(daemon, "numpy") == [wheel("numpy", "9")]
    config = lab_and_pypi([flat(origin.url)], second_origin)
    daemon.reconfigure(config)
    daemon.wait_log("configuration reloaded")
    assert names(daemon, "numpy") == [wheel("numpy")]


def test_a_file_of_a_lock_is_checked_against_its_index(origin, second_origin, serve):
    """Nobody has asked for a page: the digest is found by the index that has the origin."""
    body, gate = bytes(300000), Gate(100000)
    link = anchor(wheel("numpy"), wheel("numpy"), "0" * 64)
    origin.put_page("/lab/", f"<html>{link}</html>")
    origin.put(f"/lab/{wheel('numpy')}", body, gate=gate)
    daemon = serve(lab_and_pypi([flat(origin.url)], second_origin))
    client = wire.Download(daemon.file_url("lab", wheel("numpy")))
    origin.wait_asked("/lab/")
    names(daemon, "numpy")
    gate.open()
    client.wait_end()
    assert not client.whole and client.held < len(body)
    daemon.wait_log("wrong digest")


# ------------------------------------------------------------------ the sites of docs/indexes.md


def documented_origins():
    """Its example of further sites, as it stands there."""
    (block,) = [b.text for b in blocks_of("docs/indexes.md") if "[origin.pyg]" in b.text]
    return block


@pytest.fixture
def sites(origin, tmp_path):
    return FindLinks(origin, tmp_path / "sites")


@pytest.fixture(params=["uv", "pip"])
def either(request, tmp_path):
    if request.param == "uv":
        return Uv(tmp_path / "client")
    return Pip(tmp_path / "client", pip_wheel("newest"))


@pytest.mark.parametrize(
    "site, project, index",
    [
        ("pyg", "pyg-lib", "cu126"),
        ("vllm", "vllm", "joined"),
        ("jax", "jaxlib", "joined"),
        ("flashinfer", "flashinfer-jit-cache", "joined"),
    ],
)
def test_installs_from_other_sites(
    sites, mirrors, serve, either, another, site, project, index
):
    """With its dependency from PyPI, through one index; then again with the site gone."""
    daemon = serve(
        flat_and_pypi(mirrors)
        + sites.local(documented_origins())
        + index_table("joined", "vllm", "jax", "flashinfer", "pypi")
    )
    module, wheel_there = project.replace("-", "_"), sites.wheels[site]
    target = either.install("--index-url", daemon.index(index), project)
    assert origin_of(target, module) == f"{site}'s"
    assert installed(target)[project] == wheel_there.name.split("-")[1]
    assert "packaging" in installed(target)
    urls = wire.file_urls(f"{daemon.index(index)}/{project}/", daemon.page(project, index))
    assert wire.ask(urls[wheel_there.name]).body == wheel_there.read_bytes()
    sites.origin.close()
    target = another(either).install("--index-url", daemon.index(index), project)
    assert origin_of(target, module) == f"{site}'s"
