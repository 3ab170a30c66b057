# SPDX-License-Identifier: Apache-2.0
"""Names, channels and replies that nobody reads: what one client asks of pages costs the others
nothing, and the daemon no more than it says."""

import gzip
import json
import threading

import pytest

from attack import ATTACKER, Flood, Watch, ask, connect, cpu_seconds, descriptors, request_for
from daemon import PATIENCE, configuration, flat_mirror, is_sanitized, pypi_mirror
from origin import Origin
from standins import flat_page, wait_until
from wire import JSON

MIB = 1 << 20
PLACES = 4  # connections_per_mirror


@pytest.fixture
def pypi(origin):
    """A mirror of PyPI."""
    return origin


def put_project(origin, project, files, **trouble):
    """A page as PyPI's: files of that project."""
    stem = project.replace("-", "_")
    entries = [
        {
            "filename": f"{stem}-{n}.0-py3-none-any.whl",
            "url": f"/packages/{n:04x}/{stem}-{n}.0-py3-none-any.whl",
            "hashes": {"sha256": f"{n:064x}"},
            "requires-python": ">=3.8",
            "size": 1000 + n,
            "upload-time": "2025-01-02T03:04:05.678901Z",
        }
        for n in range(files)
    ]
    document = {"meta": {"api-version": "1.1"}, "name": project, "files": entries, "versions": []}
    origin.put(f"/simple/{project}/", json.dumps(document).encode(), type=JSON, **trouble)


def serve_pypi(serve, origin, **top):
    if is_sanitized():
        top.setdefault("max_memory", "8GB")  # what a sanitizer takes for itself counts
    return serve(
        configuration(
            pytorch=[flat_mirror("flat", origin.url)], pypi=[pypi_mirror("pypi", origin.url)], **top
        )
    )


def used(daemon):
    return daemon.status()["memory"]


# ------------------------------------------------------------------ names


@pytest.mark.alone
def test_made_up_names_do_not_take_the_place_of_honest_ones(pypi, serve):
    for n in range(8):
        put_project(pypi, f"honest-{n}", 3)
    daemon = serve_pypi(serve, pypi)
    watch = Watch(daemon)
    flood = Flood(daemon, (f"/simple/made-up-{n}/" for n in range(200_000)), clients=6)
    times = []
    for n in range(8):
        wanted = flood.count + 500
        wait_until(lambda wanted=wanted: flood.count > wanted, 60 * PATIENCE, "the flood goes on")
        status, body, seconds = ask(daemon, f"/simple/honest-{n}/")
        assert (status, len(json.loads(body)["files"])) == (200, 3)
        times.append(seconds)
    flood.stop()
    watch.stop()
    assert max(times) < 1 * PATIENCE, times
    if not is_sanitized():
        assert watch.bytes < 150 * MIB


def test_refusals_are_the_first_to_go(pypi, serve):
    """A page that is there stays there, whatever names are asked for, and so does a refusal that is
    asked for again and again; of the others there are no more than so many bytes."""
    put_project(pypi, "honest", 3)
    daemon = serve_pypi(serve, pypi, page_memory="1MiB")
    bound = MIB // 8
    assert ask(daemon, "/simple/honest/")[0] == 200
    asked = len(pypi.asked("/simple/honest/"))
    most = 0
    for n in range(250):
        long = "x" * (n % 60)
        assert ask(daemon, f"/simple/made-up-{n}{long}/", address=ATTACKER)[0] == 404
        assert ask(daemon, "/simple/often-asked/")[0] == 404
        if n % 20 == 0:
            most = max(most, used(daemon)["refusals"])
    assert bound / 4 < most <= bound + 16 * 1024, "the bound, and what is being loaded"
    assert len(pypi.asked("/simple/often-asked/")) == 1, "least recently used first"
    status, _, seconds = ask(daemon, "/simple/honest/")
    assert status == 200 and seconds < 1 * PATIENCE
    assert len(pypi.asked("/simple/honest/")) == asked, "it was still in memory"


def test_a_thousand_pages_of_one_client_leave_a_place_for_another(pypi, serve):
    """Each takes its mirror half a second; the honest client waits for its own, and no other."""
    for n in range(300):
        put_project(pypi, f"many-{n}", 1, latency=0.5)
    put_project(pypi, "honest", 1, latency=0.5)
    daemon = serve_pypi(serve, pypi)
    plugs = [connect(daemon) for _ in range(250)]
    for n, plug in enumerate(plugs):
        plug.sendall(request_for(daemon, f"/simple/many-{n}/"))
    pypi.wait(lambda: len(pypi.requests) >= PLACES)
    status, _, seconds = ask(daemon, "/simple/honest/")
    for plug in plugs:
        plug.close()
    assert status == 200 and seconds < 0.5 + 1 * PATIENCE, seconds
    assert pypi.most_at_once[None] <= 2 * PLACES


@pytest.mark.alone
def test_builds_that_nobody_waits_for_are_dropped(pypi, serve):
    """A client asks for many large pages and leaves; what was not begun by then is not built, and is
    when somebody comes for it."""
    for n in range(60):
        put_project(pypi, f"big-{n}", 6000)
    daemon = serve_pypi(serve, pypi, page_memory="1GB", max_memory="8GB", connections_per_mirror=16)
    plugs = [connect(daemon) for _ in range(60)]
    for n, plug in enumerate(plugs):
        plug.sendall(request_for(daemon, f"/simple/big-{n}/"))
    daemon.wait_status(lambda s: s["memory"]["builds_waiting"] > 0, 60, "builds wait")
    for plug in plugs:
        plug.close()
    daemon.wait_status(lambda s: s["memory"]["builds_dropped"] > 0, 60, "they are dropped")
    daemon.wait_status(lambda s: s["memory"]["builds_waiting"] == 0, 60, "all of them")
    for n in (0, 58, 59):
        status, body, _ = ask(daemon, f"/simple/big-{n}/")
        assert (status, len(json.loads(body)["files"])) == (200, 6000)


def test_one_client_has_no_more_fetches_than_places(pypi, serve):
    silent = threading.Event()
    for n in range(40):
        put_project(pypi, f"many-{n}", 1, silent=silent)
    daemon = serve_pypi(serve, pypi)
    plugs = [connect(daemon) for _ in range(40)]
    for n, plug in enumerate(plugs):
        plug.sendall(request_for(daemon, f"/simple/many-{n}/"))
    pypi.wait(lambda: len(pypi.requests) >= PLACES)
    daemon.wait_status(lambda s: s["uptime_s"] >= 0, what="a tick")
    assert ask(daemon, "/-/health")[0] == 200
    assert len(pypi.requests) == PLACES
    silent.set()
    pypi.wait(lambda: len(pypi.requests) == 40, 60 * PATIENCE)
    for plug in plugs:
        plug.close()


# ------------------------------------------------------------------ channels


@pytest.mark.alone
def test_one_big_project_through_many_channels_is_one_page(pypi, serve):
    put_project(pypi, "big", 10_000)
    channels = [f"cu{n}" for n in range(1, 41)]
    for channel in [*channels, "nightly/cu126"]:
        pypi.put_page(f"/pytorch-wheels/{channel}/", flat_page(channel, [("torch-2.9.0-py3-none-any.whl", 9)]))
    daemon = serve_pypi(serve, pypi)
    first = ask(daemon, "/cu1/simple/big/")[1]
    before, began = used(daemon)["pages"], cpu_seconds(daemon)
    watch = Watch(daemon)
    for channel in channels:
        status, body, _ = ask(daemon, f"/{channel}/simple/big/", address=ATTACKER)
        assert (status, body) == (200, first)
    for n in range(41, 301):
        assert ask(daemon, f"/cu{n}/simple/big/", address=ATTACKER)[0] == 400, "no mirror has it"
    watch.stop()
    assert used(daemon)["pages"] == before, "the one page serves them all"
    assert cpu_seconds(daemon) - began < 5 * PATIENCE
    if not is_sanitized():
        assert watch.bytes < 300 * MIB
    deeper = json.loads(ask(daemon, "/nightly/cu126/simple/big/")[1])["files"][0]["url"]
    assert deeper == "../" + json.loads(first)["files"][0]["url"], "links are seen from there"


# ------------------------------------------------------------------ replies that are not read


@pytest.mark.alone
def test_replies_that_are_not_read_are_cut_when_there_are_too_many(serve):
    """Each page is large, gone from memory when the next one comes, and still held by its reply."""
    with Origin() as mirror:
        for n in range(60):
            put_project(mirror, f"big-{n}", 3000)
        put_project(mirror, "honest", 3)
        daemon = serve_pypi(serve, mirror, page_memory="8MiB")
        watch = Watch(daemon)
        plugs = []
        for n in range(60):
            plug = connect(daemon, receive=4096)
            plug.sendall(request_for(daemon, f"/simple/big-{n}/"))
            plugs.append(plug)
        mirror.wait(lambda: len(mirror.requests) >= 60, 120 * PATIENCE)
        bound = 8 * MIB // 4
        daemon.wait_status(lambda s: s["memory"]["unread"] <= bound, 60, "unread replies are cut")
        status, _, seconds = ask(daemon, "/simple/honest/")
        assert status == 200 and seconds < 2 * PATIENCE
        wait_until(
            lambda: watch.descriptors - descriptors(daemon) > 30, 60 * PATIENCE, "connections end"
        )
        watch.stop()
        for plug in plugs:
            plug.close()
        if not is_sanitized():
            assert watch.bytes < 300 * MIB


# ------------------------------------------------------------------ memory


@pytest.mark.alone
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has memory of its own")
def test_memory_has_a_ceiling_that_holds(serve):
    """Large pages of many names at once, by many clients; what cannot be had is a 503."""
    with Origin() as mirror:
        for n in range(80):
            put_project(mirror, f"big-{n}", 15_000)
        put_project(mirror, "honest", 3)
        daemon = serve_pypi(serve, mirror, max_memory="200MB")
        assert ask(daemon, "/simple/honest/")[0] == 200
        watch = Watch(daemon)
        flood = Flood(daemon, (f"/simple/big-{n % 80}/" for n in range(400)), clients=16)
        wait_until(lambda: flood.count >= 400, 170 * PATIENCE, "four hundred requests")
        assert ask(daemon, "/-/health")[0] == 200
        flood.stop()
        watch.stop()
        assert watch.bytes < 200_000_000, f"{watch.bytes / MIB:.0f} MiB"
        wait_until(lambda: ask(daemon, "/simple/honest/")[0] == 200, 30 * PATIENCE, "room again")
        assert watch.descriptors < 200


def json_of_files(size):
    """As many files as a page may have, and text."""
    files = [{"filename": "x", "url": f"/p/huge-{n}-py3-none-any.whl", "hashes": {}} for n in range(250_000)]
    page = {"meta": {"api-version": "1.1"}, "name": "huge", "files": files, "pad": ""}
    page["pad"] = "x" * (size - len(json.dumps(page)))
    return json.dumps(page).encode()


def json_of_numbers(size):
    """Of each two bytes cJSON makes a node of eighty."""
    return b'{"meta": {"api-version": "1.1"}, "files": [], "versions": [' + b"0," * (size // 2) + b"0]}"


def html_with_a_long_base(size):
    """Of each link of thirty bytes a URL of thousands is made."""
    link = b'<a href="huge-1-py3-none-any.whl">x</a>'
    base = b'<!DOCTYPE html><html><head><base href="/' + b"b" * 7000 + b'/"></head><body>'
    return base + link * min(250_000, size // len(link)) + b"</body></html>"


def html_of_attributes(size):
    """Each link has what a page may say of it."""
    link = '<a href="huge-%d-py3-none-any.whl#sha256=%064x" data-requires-python="&gt;=3.8">x</a>'
    body = "".join(link % (n, n) for n in range(min(250_000, size // 140)))
    return f"<!DOCTYPE html><html><body>{body}</body></html>".encode()


HUGE = {
    "json-files": (json_of_files, JSON),
    "json-numbers": (json_of_numbers, JSON),
    "html-base": (html_with_a_long_base, "text/html"),
    "html-attributes": (html_of_attributes, "text/html"),
}


@pytest.mark.alone
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has memory of its own")
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", HUGE)
def test_a_mirror_that_sends_huge_pages(serve, kind, is_packed):
    """Nearly as large as a page may be, under eight names at once, again and again; packed, a page
    of kilobytes is as large as that."""
    make, type = HUGE[kind]
    body = make(50 * MIB)
    body = gzip.compress(body, 1) if is_packed else body
    with Origin() as mirror:
        for n in range(8):
            mirror.put(f"/simple/huge-{n}/", body, type=type)
        for n in range(3):
            put_project(mirror, f"honest-{n}", 3)
        daemon = serve_pypi(serve, mirror, max_memory="200MB")
        assert ask(daemon, "/simple/honest-0/")[0] == 200
        watch = Watch(daemon)
        flood = Flood(daemon, (f"/simple/huge-{n % 8}/" for n in range(32)), clients=8)
        mirror.wait(lambda: len(mirror.requests) > 4, 60 * PATIENCE)
        assert ask(daemon, "/simple/honest-1/")[0] == 200, "small pages find room"
        wait_until(lambda: flood.count >= 32, 170 * PATIENCE, "thirty-two requests")
        flood.stop()
        watch.stop()
        assert watch.bytes < 200_000_000, f"{watch.bytes / MIB:.0f} MiB"
        assert ask(daemon, "/simple/honest-2/")[0] == 200, "the mirror is not held to be broken"


def test_a_page_without_room_is_a_503_that_says_why(pypi, serve):
    pypi.put("/simple/huge/", json_of_numbers(6 * MIB), type=JSON)
    put_project(pypi, "honest", 3)
    daemon = serve_pypi(serve, pypi, max_memory="64MiB")
    status, body, _ = ask(daemon, "/simple/huge/")
    assert status == 503
    assert b"max_memory" in body and b"MB" in body
    assert ask(daemon, "/simple/honest/")[0] == 200
