# SPDX-License-Identifier: Apache-2.0
"""A captive portal comes and goes: it is named, nobody is blamed for it, and when it is gone everything
comes at once."""

import pytest

import wire
from daemon import configuration, official_mirror
from standins import anchor, href_of, simple_page, wait_until
from wheels import build, sha256_of

PORTAL = b"<html><title>Log in</title>" + b"Campus network: please log in. " * 100 + b"</html>"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    versions = [f"2.9.{n}+cu126" for n in range(4)]
    return {f"torch-{v}-py3-none-any.whl": build(folder, "torch", v).read_bytes() for v in versions}


def publish(origins, wheels):
    rows = [anchor(f"/whl/cu126/{href_of(n)}", n, sha256_of(body)) for n, body in wheels.items()]
    for origin in origins:
        origin.put_page("/whl/cu126/torch/", simple_page("torch", rows))
        put_wheels(origin, wheels)


def put_wheels(origin, wheels):
    for name, body in wheels.items():
        origin.put(f"/whl/cu126/{name}", body)


def put_portal(origin, wheels):
    for name in wheels:
        origin.put(f"/whl/cu126/{name}", PORTAL, type="text/html; charset=utf-8")


def ask(daemon, name):
    return wire.ask_until_whole(daemon.file_url("pytorch", f"cu126/{name}"))[-1]


def portals(daemon):
    return [p["detail"] for p in daemon.status()["problems"] if p["kind"] == "captive-portal"]


def states(daemon):
    return {m["state"] for m in daemon.status()["mirrors"]}


@pytest.mark.parametrize("count", [1, 2])
def test_a_portal_leaves_nothing_behind(origin, second_origin, serve, wheels, count):
    origins = [origin, second_origin][:count]
    names = list(wheels)
    publish(origins, wheels)
    mirrors = [official_mirror(f"m{n}", o.url) for n, o in enumerate(origins)]
    daemon = serve(configuration(pytorch=mirrors))
    assert daemon.page("torch").status == 200
    for o in origins:
        put_portal(o, wheels)
    assert ask(daemon, names[0]).status == 502  # a web page: that much is known
    for name in names[1:3]:
        reply = ask(daemon, name)
        assert reply.status == 502 and "captive portal: a web page of " in reply.text
    assert len(portals(daemon)) == 1
    for o in origins:
        put_wheels(o, wheels)
    for name in reversed(names):  # the first may have waited two seconds
        wait_until(lambda n=name: ask(daemon, n).body == wheels[n], seconds=5, what=name)
    assert not portals(daemon) and states(daemon) == {"ok"}
    assert "blamed" not in daemon.log()


def test_a_portal_is_named_also_where_nothing_can_be_kept(origin, serve, wheels):
    """The lengths are known from before, and the portal's page is of another length."""
    names = list(wheels)
    publish([origin], wheels)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)], min_free="1000TB"))
    assert daemon.page("torch").status == 200
    for name in names:
        reply = ask(daemon, name)
        assert reply["X-Cache"] == "pass" and reply.body == wheels[name]
    put_portal(origin, wheels)
    reply = ask(daemon, names[0])
    assert reply.status == 502 and "m: a web page came instead of the file" in reply.text
    for name in names[1:]:
        reply = ask(daemon, name)
        assert reply.status == 502
        assert f"captive portal: a web page of {len(PORTAL)} bytes came in the place of m's file" in reply.text
    assert len(portals(daemon)) == 1 and states(daemon) == {"ok"}
    put_wheels(origin, wheels)
    for name in names:
        wait_until(lambda n=name: ask(daemon, n).body == wheels[n], seconds=5, what=name)
    assert not portals(daemon) and states(daemon) == {"ok"}
    assert "blamed" not in daemon.log()


def test_a_wheel_that_is_labelled_as_a_web_page_passes_by_unkept(origin, serve, wheels):
    names = list(wheels)
    publish([origin], wheels)
    for name, body in wheels.items():
        origin.put(f"/whl/cu126/{name}", body, type="text/html")
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)], min_free="1000TB"))
    assert daemon.page("torch").status == 200
    for name in names + names:
        reply = ask(daemon, name)
        assert reply["X-Cache"] == "pass" and reply.body == wheels[name]
    assert not portals(daemon) and states(daemon) == {"ok"}


def test_a_web_page_in_place_of_one_file_is_no_lie_and_no_portal(origin, second_origin, serve, wheels):
    """Three files of the first mirror, each with an error page of its own: the other has them all."""
    origins = [origin, second_origin]
    publish(origins, wheels)
    for number, name in enumerate(wheels):
        origin.put(f"/whl/cu126/{name}", PORTAL + b"%d" % number, type="text/html")
    daemon = serve(configuration(pytorch=[official_mirror(f"m{n}", o.url) for n, o in enumerate(origins)]))
    assert daemon.page("torch").status == 200
    for name, body in wheels.items():
        wait_until(lambda n=name, b=body: ask(daemon, n).body == b, what=name)
    assert not portals(daemon) and "blamed" not in daemon.log()
    assert states(daemon) == {"ok"}


@pytest.mark.parametrize("top", [{}, {"min_free": "900TB"}], ids=["kept", "not-kept"])
@pytest.mark.parametrize("has_digests", [True, False], ids=["digests", "no-digests"])
def test_no_byte_of_a_portal_is_a_part_of_a_wheel(origin, serve, wheels, has_digests, top):
    """uv asks for the length, then for the end: neither is the portal's page's, and right after the
    portal is gone both are the wheel's."""
    publish([origin], wheels)
    if not has_digests:
        rows = [anchor(f"/whl/cu126/{href_of(n)}", n) for n in wheels]
        origin.put_page("/whl/cu126/torch/", simple_page("torch", rows))
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)], **top))
    assert daemon.page("torch").status == 200
    put_portal(origin, wheels)
    names = list(wheels)
    tail = {"Range": "bytes=-400"}
    for number, name in enumerate(names):
        url = daemon.file_url("pytorch", f"cu126/{name}")
        assert wire.ask(url, "HEAD").status == 502
        for headers in (tail, None):
            reply = wire.ask(url, headers=headers)
            assert reply.status == 502 and not reply.cut
            assert ("captive portal" if number else "a web page") in reply.text
    put_wheels(origin, wheels)
    wait_until(lambda: ask(daemon, names[-1]).body == wheels[names[-1]], what="the portal is gone")
    for name in names:
        url, body = daemon.file_url("pytorch", f"cu126/{name}"), wheels[name]
        wait_until(lambda u=url: wire.ask(u, "HEAD").status == 200, seconds=1, what=name)
        assert int(wire.ask(url, "HEAD")["Content-Length"]) == len(body)
        assert wire.ask(url, headers=tail).body == body[-400:]
        assert wire.ask(url).body == body
    assert not portals(daemon) and states(daemon) == {"ok"}


def test_a_wheel_that_is_labelled_as_a_web_page_is_a_wheel(origin, serve, wheels):
    publish([origin], wheels)
    for name, body in wheels.items():
        origin.put(f"/whl/cu126/{name}", body, type="text/html")
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    assert daemon.page("torch").status == 200
    for name, body in wheels.items():
        url = daemon.file_url("pytorch", f"cu126/{name}")
        assert int(wire.ask(url, "HEAD")["Content-Length"]) == len(body)
        assert wire.ask(url).body == body
    assert not portals(daemon) and states(daemon) == {"ok"}


def test_a_portal_in_the_place_of_pages(origin, second_origin, serve, wheels):
    """Both mirrors answer with the same page: that is no mirror's. Afterwards the list comes at once."""
    origins = [origin, second_origin]
    publish(origins, wheels)
    daemon = serve(configuration(pytorch=[official_mirror(f"m{n}", o.url) for n, o in enumerate(origins)]))
    for each in origins:
        each.put("/whl/cu126/torch/", PORTAL, type="text/html")
    reply = daemon.page("torch")
    assert reply.status == 503 and "captive portal" in reply.json()["detail"]
    assert len(portals(daemon)) == 1 and states(daemon) == {"ok"}
    publish(origins, wheels)
    wait_until(lambda: daemon.page("torch").status == 200, what="the page")
    assert not portals(daemon)


def test_one_page_for_all_that_a_mirror_lacks_is_no_portal(origin, serve, wheels):
    publish([origin], wheels)
    daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)]))
    for name in ("torch", "torchvision", "torchaudio"):
        origin.put(f"/whl/cu126/{name}/", PORTAL, type="text/html")
        assert daemon.page(name).status == 503
    assert not portals(daemon)
