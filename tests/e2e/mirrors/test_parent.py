# SPDX-License-Identifier: Apache-2.0
"""A wheelyard whose mirror is another one, and wheelyards that ask each other in a circle."""

import json

import pytest

import wire
from clients import installed, origin_of
from daemon import PYPI, PYTORCH, all_mirrors, configuration, flat_mirror, official_mirror
from daemon import origin_tables, pypi_mirror, run_wheelyard
from origin import Gate
from standins import anchor, flat_page, free_port, simple_page, wait_until
from wheels import sha256_of, sound

TORCH = "/pytorch-wheels/cu126/"
NAME = "torch-9.0+cu126-py3-none-any.whl"


def parent_mirror(url, **more):
    return {"name": "lan", "parent": url, **more}


def below(url, **top):
    """PyTorch and PyPI, both from the wheelyard at this address alone."""
    mirrors = [parent_mirror(url)]
    return configuration(pytorch=mirrors, pypi=mirrors, **top)


def file_of(daemon, name=NAME):
    return daemon.file_url("pytorch", f"cu126/{name}")


def put_torch(origin, body, **trouble):
    origin.put(f"{TORCH}{NAME}", body, **trouble)
    origin.put_page(TORCH, flat_page("cu126", [(NAME, len(body))]))


def test_the_child_says_what_the_parent_says(mirrors, origin, serve):
    """Digests, metadata, dates, sizes, and what else a page has."""
    file = {
        "filename": wheel("numpy"),
        "url": f"../../packages/{wheel('numpy')}",
        "hashes": {"sha256": "1" * 64},
        "size": 12345,
        "upload-time": "2025-01-02T03:04:05.000000Z",
        "requires-python": ">=3.9",
        "core-metadata": {"sha256": "2" * 64},
        "yanked": "broken",
    }
    meta = {"api-version": "1.1"}
    page = {"meta": meta, "name": "numpy", "versions": ["1.0"], "files": [file]}
    origin.put("/simple/numpy/", json.dumps(page).encode(), type=wire.JSON)
    flat = [flat_mirror("aliyun", mirrors.aliyun.url)]
    official = official_mirror("official", mirrors.official.url, missing=[403, 404])
    parent = serve(
        configuration(pytorch=[*flat, official], pypi=[pypi_mirror("tuna", origin.url)])
    )
    child = serve(below(parent.url))
    for project in ("torch", "numpy"):
        wait_until(lambda: "max-age=600" in parent.page(project)["Cache-Control"], what="complete")
        ours, theirs = child.page(project), parent.page(project)
        assert ours.status == 200 and ours["X-Mirror"] == "lan" and ours["X-Cache"] == "miss"
        assert files_of(ours) == files_of(theirs)
        assert all(file["hashes"] and file["core-metadata"] for file in files_of(ours).values())
        assert child.page(project)["X-Cache"] == "hit"
    (ours,) = files_of(child.page("numpy")).values()
    assert ours == {key: value for key, value in file.items() if key != "url"}


def wheel(project):
    return f"{project}-1.0-py3-none-any.whl"


def files_of(page):
    """What there is to say of each file, without who says it."""
    return {
        f["filename"]: {k: v for k, v in f.items() if not k.startswith("_") and k != "url"}
        for f in page.json()["files"]
    }


def test_installs_through_two(own_mirrors, serve, uv, another):
    parent = serve(all_mirrors(own_mirrors))
    child = serve(below(parent.url))
    target = uv.install("--index-url", child.index("cu126"), "torch")
    assert origin_of(target, "torch") == "cu126" and installed(target)["triton"] == "3.5.0"
    assert not own_mirrors.sent_more_than_once()
    parent.stop()
    own_mirrors.stop()
    target = another(uv).install("--index-url", child.index("cu126"), "torch")
    assert installed(target)["torch"] == "2.9.0+cu126"


def test_both_say_where_bytes_came_from(mirrors, serve, library):
    parent = serve(all_mirrors(mirrors))
    child = serve(below(parent.url))
    wheel = library.torch()
    first = wire.ask(file_of(child, wheel.name))
    assert sha256_of(first.body) == sha256_of(wheel)
    assert (first["X-Cache"], first["X-Mirror"]) == ("miss", "lan")
    assert wire.ask(file_of(child, wheel.name))["X-Cache"] == "hit"
    wait_until(lambda: wire.ask(file_of(parent, wheel.name))["X-Cache"] == "hit", what="kept")
    metadata = wire.ask(file_of(child, wheel.name) + ".metadata")
    assert metadata.status == 200 and metadata.body.startswith(b"Metadata-Version")


def test_a_file_that_grows_in_the_parent_grows_in_the_child(origin, serve):
    """Nobody waits for the whole of it: not the parent, not the child."""
    body, gate = sound(NAME, 5_120_000), Gate(2_000_000)
    put_torch(origin, body, gate=gate)
    parent = serve(configuration(pytorch=[flat_mirror("flat", origin.url)]))
    child = serve(below(parent.url))
    client = wire.Download(file_of(child))
    client.wait_held(1_900_000)
    gate.allow(4_000_000)
    client.wait_held(3_900_000)
    assert not client.whole
    gate.open()
    client.wait_end()
    assert client.whole and bytes(client.body) == body
    assert origin.body_bytes(f"{TORCH}{NAME}") <= len(body) + (2 << 20)


def test_a_child_serves_what_it_has_while_its_parent_is_down(mirrors, serve, library):
    parent = serve(all_mirrors(mirrors))
    child = serve(below(parent.url, page_refresh="100ms"))
    wheel = library.torch()
    assert wire.ask(file_of(child, wheel.name)).status == 200
    page = child.page("torch")
    parent.stop()
    assert wire.ask(file_of(child, wheel.name))["X-Cache"] == "hit"
    wait_until(lambda: child.page("torch")["X-Cache"] == "stale", what="the page is stale")
    assert child.page("torch").body == page.body
    refused = child.page("torchvision")
    assert refused.status == 503 and "lan: " in refused.text
    assert wire.ask(file_of(child, "none.whl")).status == 502


def test_what_a_parent_will_say_soon_is_asked_for_again(origin, second_origin, serve):
    """Its page is there before one of its mirrors has answered; the child does not keep that for
    ten minutes."""
    put_torch(origin, sound(NAME))
    late = Gate()
    link = anchor(f"/whl/cu126/{NAME.replace('+', '%2B')}", NAME, "1" * 64)
    second_origin.put_page("/whl/cu126/torch/", simple_page("torch", [link]), gate=late)
    mirrors = [flat_mirror("a", origin.url), official_mirror("b", second_origin.url)]
    parent = serve(configuration(pytorch=mirrors, listing_timeout="2s"))
    child = serve(below(parent.url))
    first = child.page("torch")
    assert files_of(first)[NAME]["hashes"] == {}
    assert first["Cache-Control"] == "public, max-age=10"
    late.open()
    digest = {"sha256": "1" * 64}
    wait_until(lambda: files_of(parent.page("torch"))[NAME]["hashes"] == digest, what="a digest")
    second = child.page("torch", headers={"Accept": wire.JSON, "Cache-Control": "no-cache"})
    assert files_of(second)[NAME]["hashes"] == digest
    assert second["Cache-Control"] == "public, max-age=600"


def test_a_parents_index_of_an_own_origin(origin, second_origin, serve):
    """Which page of the parent has a folder's wheels has to be said: its flat page."""
    name = "lab_tool-1.0-py3-none-any.whl"
    origin.put_page("/lab/", f'<a href="{name}">x</a>')
    origin.put(f"/lab/{name}", sound(name))
    flat = {"name": "m", "layout": "flat", "index": f"{origin.url}/lab/"}
    parent = serve(
        origin_tables("lab", [{**flat, "files": f"{origin.url}/lab/"}], owns="listed")
        + '[index.lab]\norigins = ["lab"]\n'
    )
    mirror = parent_mirror(parent.url, layout="flat", index=f"{parent.url}/lab/flat/")
    child = serve(
        origin_tables("lab", [mirror], owns="listed")
        + configuration(pypi=[parent_mirror(second_origin.url)])
        + '[index.all]\norigins = ["lab", "pypi"]\n'
    )
    page = child.page("lab-tool", index="all")
    (url,) = wire.file_urls(f"{child.index('all')}/lab-tool/", page).values()
    assert wire.ask(url).body == sound(name)
    assert child.page("numpy", index="all").status == 404, "the child asks PyPI's mirror"
    assert second_origin.asked("/simple/numpy/")


# ------------------------------------------------------------------ circles


def ring(serve, count, **top):
    """So many wheelyards of which each has the next one as its only mirror."""
    ports = [free_port() for _ in range(count)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    return [
        serve(below(urls[(n + 1) % count], **top), listen=f"127.0.0.1:{port}")
        for n, port in enumerate(ports)
    ]


def accesses(daemon, path):
    return daemon.log().count(f"path={path} ")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_ring_ends_with_508_and_one_round(serve, count):
    daemons = ring(serve, count)
    file = f"/files/pytorch/cu126/{NAME.replace('+', '%2B')}"
    for path in ("/cu126/simple/torch/", file, "/simple/requests/"):
        reply = daemons[0].get(path)
        assert reply.status == 508, reply.text
        assert "lan: HTTP 508" in reply.text
        for daemon in daemons:
            daemon.wait_log(f"path={path} status=508")
        assert sum(accesses(d, path) for d in daemons) <= count + 2, "a look and a HEAD at most"
    metadata = daemons[0].get(f"{file}.metadata")
    assert metadata.status == 508, metadata.text
    states = daemons[0].status()["mirrors"]
    assert all(mirror["state"] == "ok" for mirror in states), "who asks us is not ill"


def test_a_crowd_at_a_ring_makes_no_storm(serve):
    daemons = ring(serve, 2)
    clients = [
        wire.Download(f"{daemons[n % 2].index('cu126')}/torch/", {"Accept": wire.JSON})
        for n in range(20)
    ]
    assert {client.wait_end().status for client in clients} <= {503, 504, 508}
    for daemon in daemons:
        assert accesses(daemon, "/cu126/simple/torch/") < 60


def test_two_that_ask_each_other_serve_what_either_can_get(origin, second_origin, serve):
    """Peers, each with a mirror of its own besides: a circle is no trouble for either."""
    put_torch(second_origin, sound(NAME, 30_000, "of the other's mirror"))
    ports = [free_port(), free_port()]
    urls = [f"http://127.0.0.1:{port}" for port in ports]

    def peer(n, own):
        mirrors = [parent_mirror(urls[1 - n]), flat_mirror("own", own.url)]
        config = configuration(pytorch=mirrors, pypi=[parent_mirror(urls[1 - n])])
        return serve(config, listen=f"127.0.0.1:{ports[n]}")

    first, second = peer(0, origin), peer(1, second_origin)
    page = first.page("torch")
    assert page.status == 200 and wire.file_names(page) == [NAME]
    assert wire.ask(file_of(first)).body == sound(NAME, 30_000, "of the other's mirror")
    assert wire.ask(file_of(second)).status == 200
    states = {m["name"]: m["state"] for m in second.status()["mirrors"] if m["origin"] == "pytorch"}
    assert states["lan"] == "ok"


def test_a_parent_needs_no_more_than_its_address(serve):
    """What follows from it is what one would write."""
    told = origin_tables("pytorch", [parent_mirror("http://wheels.lab:8503/")], **PYTORCH)
    told += origin_tables("pypi", [parent_mirror("http://wheels.lab:8503")], **PYPI)
    daemon = serve(told)
    config = daemon.folder / "config.toml"
    shown = run_wheelyard("config", "show", "--config", config, home=daemon.folder).stdout
    assert 'index = "http://wheels.lab:8503/{channel}/simple/{project}/"' in shown
    assert 'files = "http://wheels.lab:8503/files/pytorch/"' in shown
    assert 'index = "http://wheels.lab:8503/simple/{project}/"' in shown
    assert 'parent = "http://wheels.lab:8503"' in shown
