# SPDX-License-Identifier: Apache-2.0
"""Every fault of the scripted origin, one at a time and in pairs, at the start, in the middle and at
the end of a body, of listings and of files, with a third mirror that is sound.

One daemon has an origin of three mirrors for each cell: mirrors of different origins know nothing of
each other's health, so all cells run at once, and each test looks at what became of its own.
docs/FAULTS.md is the table of it.
"""

import itertools
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

import daemon as daemons
import wire
from origin import ACCESS_DENIED, PORTAL_PAGE, Gate, Origin
from standins import anchor, flat_page, simple_page, wait_until
from wheels import build, sha256_of

NAME = "torch-1.0-py3-none-any.whl"
BODY = 150_000  # twice the 64 KiB that are held back, and something
PLACES = ("start", "middle", "end")
BLOCKED = b"<html><body><h1>403</h1>blocked, request 00000069</body></html>"
LARGE_404 = b"<!DOCTYPE html><html><body>" + b"<p>not found</p>" * 1750 + b"</body></html>"
BLANK = b"<html><head></head><body></body></html>"
INJECTED = (
    b"<html><body><script>document.write(\"<a href='x-1.0-py3-none-any.whl'>\")</script>"
    b"<p>One moment</p></body></html>"
)
WORKERS = 16
TRIES = 4


@dataclass
class Fault:
    """What one mirror does. `trouble(body)` is put on the scripted origin; where it is None, nobody
    listens. `cuts`: clients may be cut once because of it; `alone`: statuses when no other is
    sound; `error`: what the mirror's last_error then says (None: the mirror is not to blame)."""

    trouble: object
    cuts: bool = False
    alone: tuple = (502,)
    error: str = ""


def _at(body, place):
    return {"start": 0, "middle": len(body) // 2, "end": len(body) - 1}[place]


def _flipped(body, place):
    at = _at(body, place)
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def _file_faults():
    status = lambda code, body=b"", **more: Fault(lambda _: {"status": code, "served": body}, **more)
    faults = {
        "403": status(403, BLOCKED),
        "404": status(404, alone=(404,), error=None),
        "large-404": status(404, LARGE_404, alone=(404,), error=None),
        "416": status(416),
        "500": status(500),
        "503": status(503),
        "refused": Fault(None),
        "silent": Fault(lambda _: {"silent": threading.Event()}, alone=(502, 504)),
        "dead-redirect": Fault(lambda _: {"location": "DEAD"}),
        "portal": Fault(  # no mirror's fault
            lambda _: {"served": PORTAL_PAGE, "type": "text/html"}, error=None
        ),
        "empty": Fault(lambda _: {"served": b""}, cuts=True),
        "gzip": Fault(lambda _: {"gzip": True}, cuts=True),
        # Where the length stands in Content-Range, too, a lie is found out sooner.
        "too-long": Fault(lambda b: {"length": len(b) + 999, "ignore_range": True}, cuts=True),
        "range-too-long": Fault(lambda b: {"length": len(b) + 999}),
        "range-closed": Fault(lambda b: {"cut_after": len(b) // 2, "framing": "close"}),
    }
    for place in PLACES:
        at = lambda body, place=place: _at(body, place)
        faults[f"cut-{place}"] = Fault(lambda b, at=at: {"cut_after": at(b)})
        faults[f"chunked-cut-{place}"] = Fault(
            lambda b, at=at: {"cut_after": at(b), "framing": "chunked"}, cuts=True
        )
        faults[f"closed-{place}"] = Fault(
            lambda b, at=at: {"cut_after": at(b), "framing": "close", "ignore_range": True}, cuts=True
        )
        faults[f"wrong-{place}"] = Fault(
            lambda b, place=place: {"served": _flipped(b, place)}, cuts=True
        )
        faults[f"stalled-{place}"] = Fault(
            lambda b, at=at: {"gate": Gate(at(b))}, alone=(502, 504)
        )
    return faults


def _page_faults():
    status = lambda code, body, **more: Fault(lambda _: {"status": code, "served": body}, **more)
    served = lambda body: Fault(lambda _: {"served": body}, alone=(503,))
    faults = {
        "firewall-403": status(403, BLOCKED, alone=(503,)),
        "s3-403": status(403, ACCESS_DENIED, alone=(404,), error=None),
        "404": status(404, b"", alone=(404,), error=None),
        "large-404": status(404, LARGE_404, alone=(404,), error=None),
        "416": status(416, b"", alone=(503,)),
        "500": status(500, b"", alone=(503,)),
        "503": status(503, b"", alone=(503,)),
        "refused": Fault(None, alone=(503,)),
        "silent": Fault(lambda _: {"silent": threading.Event()}, alone=(504,)),
        "dead-redirect": Fault(lambda _: {"location": "DEAD"}, alone=(503,)),
        "portal": served(PORTAL_PAGE),
        "blank": served(BLANK),
        "no-byte": served(b""),
        "injected": served(INJECTED),
        "200-404-page": served(LARGE_404),
        "200-s3-403": served(ACCESS_DENIED),
    }
    for place in PLACES:
        at = lambda body, place=place: _at(body, place)
        faults[f"cut-{place}"] = Fault(lambda b, at=at: {"cut_after": at(b)}, alone=(503,))
        faults[f"stalled-{place}"] = Fault(lambda b, at=at: {"gate": Gate(at(b))}, alone=(504,))
    return faults


# What the mirror's last_error says, by the beginning of the fault's name.
SAID = {
    "416": "HTTP 416",
    "500": "HTTP 500",
    "503": "HTTP 503",
    "firewall": "HTTP 403",
    "refused": "Failed to connect",
    "dead": "Failed to connect",
    "gzip": "coded body",
    "too-long": "transfer closed",
    "cut": "transfer closed",
    "chunked": "transfer closed",
}
SAID_OF_FILES = SAID | {"range-too": "disagree", "range-closed": "shorter than announced"}
SAID_OF_FILES |= {"403": "HTTP 403", "silent": "no byte for", "stalled": "no byte for"}
SAID_OF_FILES |= dict.fromkeys(("empty", "closed", "wrong"), "wrong digest")
SAID_OF_PAGES = SAID | dict.fromkeys(("silent", "stalled"), "no byte for")
SAID_OF_PAGES |= dict.fromkeys(("portal", "blank", "no-byte", "injected", "200"), "not a listing")


def _with_errors(faults, said):
    for name, fault in faults.items():
        if fault.error is not None:
            fault.error = next(text for start, text in said.items() if name.startswith(start))
    return faults


FILE_FAULTS = _with_errors(_file_faults(), SAID_OF_FILES)
PAGE_FAULTS = _with_errors(_page_faults(), SAID_OF_PAGES)
DEAD = socket.socket()
DEAD.bind(("127.0.0.1", 0))  # taken, and nobody listens


def _names(faults):
    """One fault; two, of which the order matters little; the same one on all three."""
    pairs = itertools.combinations_with_replacement(faults, 2)
    return [(f,) for f in faults] + [p for p in pairs] + [(f, f, f) for f in faults]


@dataclass
class Cell:
    kind: str  # "file" or "page"
    faults: tuple
    origin: str
    replies: list = field(default_factory=list)
    error: object = None

    @property
    def key(self):
        return self.kind, self.faults


class Stage:
    """Three scripted mirrors and the daemon in front of them, asked for every cell at once."""

    def __init__(self, folder, wheel):
        self.body = wheel
        self.dead = f"http://127.0.0.1:{DEAD.getsockname()[1]}"
        self.mirrors = [Origin() for _ in range(3)]
        cells = [("file", f) for f in _names(FILE_FAULTS)] + [("page", f) for f in _names(PAGE_FAULTS)]
        self.cells = {c: Cell(*c, origin=f"o{n}") for n, c in enumerate(cells)}
        # Long enough for a busy machine: a sound answer that comes too late is another fault.
        config = 'stall_timeout = "4s"\nlisting_timeout = "9s"\nconnect_timeout = "4s"\n'
        config += "".join(self._configure(cell) for cell in self.cells.values())
        self.daemon = daemons.Daemon(folder, config)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(self._play, self.cells.values()))
        self.status = self.daemon.status()
        self.daemon.get("/the-last-request")  # lines are written in order, after the answers
        self.log = self.daemon.wait_log("path=/the-last-request")

    def _configure(self, cell):
        text = f'\n[origin.{cell.origin}]\nchannels = []\n[index.{cell.origin}]\norigins = ["{cell.origin}"]\n'
        table = FILE_FAULTS if cell.kind == "file" else PAGE_FAULTS
        for number, mirror in enumerate(self.mirrors):
            fault = table[cell.faults[number]] if number < len(cell.faults) else None
            listens = fault is None or fault.trouble is not None
            base = f"{mirror.url if listens else self.dead}/{cell.origin}/"
            text += f'[[origin.{cell.origin}.mirror]]\nname = "m{number + 1}"\nlayout = "simple"\n'
            text += f'index = "{base}simple/{{project}}/"\nfiles = "{base}"\n'
            if listens:
                self._put(mirror, cell, fault)
        return text

    def _put(self, mirror, cell, fault):
        link = anchor(f"/{cell.origin}/w/{NAME}", NAME, sha256_of(self.body))
        page = simple_page("torch", [link]).encode()
        page_at, file_at = f"/{cell.origin}/simple/torch/", f"/{cell.origin}/w/{NAME}"
        mirror.put(page_at, page, type="text/html")
        mirror.put(file_at, self.body)
        if fault is None:
            return
        at, body = (file_at, self.body) if cell.kind == "file" else (page_at, page)
        trouble = fault.trouble(body)
        if cell.kind == "page" or "status" in trouble:
            trouble.setdefault("type", "text/html")
        if trouble.get("location") == "DEAD":
            trouble["location"] = self.dead + at
        mirror.put(at, trouble.pop("served", body), **trouble)

    def _play(self, cell):
        try:
            page = self.daemon.page("torch", index=cell.origin)
            if cell.kind == "page":
                cell.replies = [page]
                return
            url = self.daemon.file_url(cell.origin, f"w/{NAME}")
            cell.replies = wire.ask_until_whole(url, tries=TRIES)
        except Exception as error:  # pylint: disable=broad-except
            cell.error = error

    def close(self):
        try:
            self.daemon.stop()
        finally:
            for mirror in self.mirrors:
                mirror.close()


@dataclass
class Outcome:
    """What was seen on the stage."""

    body: bytes
    cells: dict
    status: dict
    log: str

    def mirror_status(self, cell, name):
        found = (m for m in self.status["mirrors"] if m["origin"] == cell.origin)
        return next(m for m in found if m["name"] == name)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, shared):
    """The most expensive thing of all tests: played once, whatever workers look at it."""

    def play():
        folder = tmp_path_factory.mktemp("faults")
        wheel = build(folder / "wheel", "torch", "1.0", padding=BODY).read_bytes()
        running = Stage(folder / "daemon", wheel)
        running.close()
        return Outcome(running.body, running.cells, running.status, running.log)

    return shared("faults", play)


def _cell(stage, kind, *faults):
    cell = stage.cells[kind, faults]
    if cell.error:
        raise cell.error
    return cell


def _pairs(faults):
    return ["+".join(pair) for pair in itertools.combinations_with_replacement(faults, 2)]


def _check_said(stage, cell, fault):
    """What /-/status says of the mirror that had the fault, and of one that had none."""
    said = stage.mirror_status(cell, "m1")["last_error"]
    assert said == "" if fault.error is None else fault.error in said, f"said: {said!r}"
    assert stage.mirror_status(cell, "m3")["state"] == "ok"


# ------------------------------------------------------------------ files


def _check_file(stage, cell):
    """A body mixed of two mirrors' bytes does not say who was wrong: it is tried once more."""
    may_be_cut = sum(FILE_FAULTS[name].cuts for name in cell.faults)
    may_be_cut += len(cell.faults) == 2 and any(name.startswith("wrong") for name in cell.faults)
    last = cell.replies[-1]
    assert (last.status, last.cut) == (200, False) and last.body == stage.body
    assert len(cell.replies) <= 1 + may_be_cut


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_a_file(stage, fault):
    """The first mirror has the fault: the client gets the right bytes; /-/status tells."""
    cell = _cell(stage, "file", fault)
    _check_file(stage, cell)
    _check_said(stage, cell, FILE_FAULTS[fault])


@pytest.mark.parametrize("faults", _pairs(FILE_FAULTS))
def test_a_file_with_one_sound_mirror(stage, faults):
    _check_file(stage, _cell(stage, "file", *faults.split("+")))


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_a_file_without_a_sound_mirror(stage, fault):
    """Never complete; an error that names what is wrong, where one can still be sent."""
    for reply in _cell(stage, "file", fault, fault, fault).replies:
        if reply.status < 400:
            assert reply.cut, f"{reply.status} with {len(reply.body)} bytes"
        else:
            assert reply.status in FILE_FAULTS[fault].alone


# ------------------------------------------------------------------ pages


@pytest.mark.parametrize("fault", PAGE_FAULTS)
def test_a_page(stage, fault):
    """The first mirror has the fault: the client gets the page of the others."""
    cell = _cell(stage, "page", fault)
    assert cell.replies[0].status == 200 and wire.file_names(cell.replies[0]) == [NAME]
    _check_said(stage, cell, PAGE_FAULTS[fault])


@pytest.mark.parametrize("faults", _pairs(PAGE_FAULTS))
def test_a_page_with_one_sound_mirror(stage, faults):
    reply = _cell(stage, "page", *faults.split("+")).replies[0]
    assert reply.status == 200 and wire.file_names(reply) == [NAME]


@pytest.mark.parametrize("fault", PAGE_FAULTS)
def test_a_page_without_a_sound_mirror(stage, fault):
    reply = _cell(stage, "page", fault, fault, fault).replies[0]
    assert reply.status in PAGE_FAULTS[fault].alone
    if reply.status >= 500:
        assert not reply["Retry-After"], "nothing is under way"
        assert "m1" in reply.json()["detail"]


@pytest.mark.parametrize("fault", PAGE_FAULTS)
def test_the_log_of_a_page(stage, fault):
    """It names the mirror and the page; a page that is no listing is a problem, too."""
    cell = _cell(stage, "page", fault)
    lines = [line for line in stage.log.splitlines() if f"/{cell.origin}/simple/torch/" in line]
    failed = any("listing failed mirror=m1" in line for line in lines)
    assert failed == (PAGE_FAULTS[fault].error is not None), lines


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_the_log_of_a_file(stage, fault):
    cell = _cell(stage, "file", fault)
    path = f"path={cell.origin}/w/{NAME}"
    lines = [line for line in stage.log.splitlines() if path in line]
    kinds = ("transfer failed mirror=m1", "wrong digest mirror=m1")
    told = any(kind in line for line in lines for kind in kinds)
    assert told or fault in ("refused", "404", "large-404"), lines


# ------------------------------------------------------------------ a page that was good

NO_CACHE = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
PAGE = "/whl/cu126/torch/"


def _wheel_name(number):
    return f"torch-2.{number}.0-py3-none-any.whl"


def _list(origin, count, cut=None, **trouble):
    """A page of so many wheels at a scripted origin; with `cut` it ends there, cleanly."""
    links = [anchor(f"/whl/cu126/{_wheel_name(n)}", _wheel_name(n)) for n in range(count)]
    page = simple_page("torch", links)
    origin.put_page(PAGE, page[:cut], **trouble)
    return page


def _count(daemon, **headers):
    return len(wire.file_names(daemon.page("torch", headers=headers or None)))


def _problems(daemon, kind):
    return [p for p in daemon.status()["problems"] if p["kind"] == kind]


def _mirrors(*origins):
    return [daemons.official_mirror(f"m{n}", o.url) for n, o in enumerate(origins, 1)]


@pytest.mark.parametrize("fault", [f for f in PAGE_FAULTS if f not in ("refused", "dead-redirect")])
def test_a_good_page_outlives_the_fault(origin, serve, fault):
    """What was known stays, whatever the only mirror answers now."""
    good = _list(origin, 30)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin), listing_timeout="1s", stall_timeout="1s"))
    before = daemon.page("torch")
    trouble = PAGE_FAULTS[fault].trouble(good.encode())
    served = trouble.pop("served", good.encode())
    origin.put(PAGE, served, type="text/html", etag=lambda n: f'"{n}"', **trouble)
    after = daemon.page("torch", headers=NO_CACHE)
    assert (after.status, after.body) == (200, before.body)
    assert len(origin.asked(PAGE)) >= 2, "it was asked again"


@pytest.mark.parametrize("cut", [None, -30], ids=["a-tenth", "no-end"])
def test_a_page_that_shrinks_is_not_believed(origin, serve, cut):
    """A tenth of the links, or all but the last of a page that ends nowhere, without a length."""
    _list(origin, 50)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin)))
    assert _count(daemon) == 50
    _list(origin, 5 if cut is None else 50, cut=cut, framing="close")
    assert _count(daemon, **NO_CACHE) == 50
    said = daemon.wait_status(lambda s: s["problems"], what="the problem")["problems"]
    assert [p["kind"] for p in said] == ["listing-shrunk"]
    assert "m1 lists" in said[0]["detail"].replace(":", "") and "50" in said[0]["detail"]
    daemon.wait_log("listing doubtful")


def test_a_page_that_shrank_by_accident_is_taken_when_it_is_whole_again(origin, serve):
    _list(origin, 50)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin), page_refresh="1s"))
    assert _count(daemon) == 50
    _list(origin, 5)
    wait_until(lambda: _count(daemon) and _problems(daemon, "listing-shrunk"), what="the problem")
    _list(origin, 51)
    wait_until(lambda: _count(daemon) == 51, what="the new page")


def test_a_page_that_shrinks_to_half_is_news(origin, serve):
    _list(origin, 50)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin)))
    assert _count(daemon) == 50
    _list(origin, 25)
    assert _count(daemon, **NO_CACHE) == 25
    assert not _problems(daemon, "listing-shrunk")


def test_the_good_page_survives_a_restart_and_the_doubt_too(origin, serve):
    _list(origin, 50)
    config = daemons.configuration(pytorch=_mirrors(origin), page_refresh="1s")
    daemon = serve(config)
    assert _count(daemon) == 50
    _list(origin, 5)
    wait_until(lambda: _count(daemon) and _problems(daemon, "listing-shrunk"), what="the problem")
    daemon.stop()
    again = serve(config, cache_dir=daemon.cache_dir)
    assert _count(again) == 50
    wait_until(lambda: _count(again) and _problems(again, "listing-shrunk"), what="it is held again")
    assert _count(again) == 50


def test_what_the_other_mirror_lists_is_merged_as_usual(origin, second_origin, serve):
    _list(origin, 50)
    _list(second_origin, 50)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin, second_origin)))
    assert _count(daemon) == 50
    _list(origin, 5)
    _list(second_origin, 60)
    assert _count(daemon, **NO_CACHE) == 60


def test_a_first_page_that_is_cut_is_shown_and_soon_replaced(origin, serve):
    whole = _list(origin, 50)
    _list(origin, 50, cut=len(whole) // 2, framing="close")
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin), page_refresh="1s"))
    assert 0 < _count(daemon) < 50
    _list(origin, 50)
    wait_until(lambda: _count(daemon) == 50, what="the whole page")


def test_another_nonce_is_no_change(origin, serve):
    """The page of a mirror differs on each visit; ours stays the same, byte for byte."""
    files = [(_wheel_name(n), 1000) for n in range(30)]
    at = "/pytorch-wheels/cu126/"
    origin.put_page(at, flat_page("cu126", files, nonce="1"), etag=lambda n: f'"{n}"')
    daemon = serve(daemons.configuration(pytorch=[daemons.flat_mirror("flat", origin.url)]))
    before = daemon.page("torch")
    origin.put_page(at, flat_page("cu126", files, nonce="2"), etag=lambda n: f'"{n}"')
    after = daemon.page("torch", headers=NO_CACHE)
    assert len(origin.asked(at)) == 2
    assert (after.body, after["ETag"]) == (before.body, before["ETag"])


@pytest.mark.parametrize("type", ["binary/octet-stream", "text/plain", "application/xml", ""])
def test_the_content_type_of_a_listing_does_not_matter(origin, serve, type):
    """The official site served its index as binary/octet-stream for a day; ours says what it is."""
    _list(origin, 3)
    origin.change(PAGE, type=type)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin)))
    reply = daemon.page("torch", headers={"Accept": "text/html"})
    assert reply["Content-Type"].startswith("text/html") and len(wire.file_names(reply)) == 3


# ------------------------------------------------------------------ health


@pytest.fixture
def wheel(tmp_path):
    return build(tmp_path / "built", "torch", "2.0.0", padding=BODY).read_bytes()


def _publish(origin, wheel, **trouble):
    """Ten names with the same bytes: ten files to ask for."""
    links = [anchor(f"/whl/cu126/{_wheel_name(n)}", _wheel_name(n), sha256_of(wheel)) for n in range(10)]
    origin.put_page(PAGE, simple_page("torch", links))
    for number in range(10):
        origin.put(f"/whl/cu126/{_wheel_name(number)}", wheel, **trouble)


def _ask(daemon, number):
    return wire.ask(daemon.file_url("pytorch", f"cu126/{_wheel_name(number)}"))


def _state(daemon, name):
    return next(m for m in daemon.status()["mirrors"] if m["name"] == name)


def test_listed_but_missing_comes_from_the_next(origin, second_origin, serve, wheel):
    _publish(origin, wheel, status=404)
    _publish(second_origin, wheel)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin, second_origin)))
    assert daemon.page("torch").status == 200
    reply = _ask(daemon, 0)
    assert (reply.status, reply.body, reply["X-Mirror"]) == (200, wheel, "m2")
    assert _state(daemon, "m1")["state"] == "ok", "who lacks a file is not ill"


def test_a_redirect_to_another_host_is_kept_under_the_path_asked_for(
    origin, second_origin, serve, wheel
):
    """As SJTU does: the wheel is on its S3."""
    _publish(origin, wheel, location=f"{second_origin.url}/bucket/torch.whl")
    second_origin.put("/bucket/torch.whl", wheel)
    mirrors = _mirrors(origin)
    mirrors += [daemons.official_mirror("s3", second_origin.url)]
    daemon = serve(daemons.configuration(pytorch=mirrors))
    assert daemon.page("torch").status == 200
    assert _ask(daemon, 0).body == wheel
    daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"], what="it is kept")
    asked = len(second_origin.asked("/bucket/torch.whl"))
    again = _ask(daemon, 0)
    assert (again.body, again["X-Cache"]) == (wheel, "hit")
    assert len(second_origin.asked("/bucket/torch.whl")) == asked


def test_pips_user_agent_does_not_reach_a_mirror(origin, serve, wheel, pip):
    """TUNA refuses it."""
    _publish(origin, wheel)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin)))
    pip.run("download", "--no-deps", "--no-cache-dir", "--index-url", daemon.index("cu126"), "torch==2.0.0")
    agents = {request.headers.get("user-agent") for request in origin.requests}
    assert len(agents) == 1 and all(a.startswith("wheelyard/") and "pip" not in a for a in agents)


def test_a_dead_mirror_is_not_hammered(origin, second_origin, serve, wheel):
    """Thirty requests for ten files and a page: the mirror that fails is asked a few times."""
    _publish(origin, wheel, status=500)
    origin.change(PAGE, status=500)
    _publish(second_origin, wheel)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin, second_origin)))
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: daemon.page("torch", headers=NO_CACHE), range(20)))
        replies = list(pool.map(lambda n: _ask(daemon, n), range(10)))
    assert {p.status for p in pages} == {200}
    assert all((r.status, r.body) == (200, wheel) for r in replies)
    files = [r for r in origin.requests if r.path != PAGE]
    assert len(origin.asked(PAGE)) <= 4 and len(files) <= 4, [r.path for r in origin.requests]
    assert _state(daemon, "m1")["state"] == "backing-off"


def test_a_mirror_that_is_back_is_found_out_without_a_client(origin, second_origin, serve, wheel):
    """Its page is asked for again after each back-off: half a second, one, two ..."""
    _publish(origin, wheel)
    origin.change(PAGE, status=500, times=2)
    _publish(second_origin, wheel)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin, second_origin)))
    assert daemon.page("torch").status == 200
    assert _state(daemon, "m1")["state"] == "backing-off"
    origin.wait_asked(PAGE, 3, seconds=20)
    daemon.wait_status(lambda s: s["mirrors"][0]["state"] == "ok", seconds=20, what="m1 is back")
    assert _ask(daemon, 0)["X-Mirror"] == "m1"


def test_a_sole_mirror_that_is_back_is_used_at_once(origin, serve, wheel):
    """Whoever waits may probe: once a second."""
    _publish(origin, wheel, status=500)
    daemon = serve(daemons.configuration(pytorch=_mirrors(origin)))
    assert daemon.page("torch").status == 200
    assert _ask(daemon, 0).status == 502
    _publish(origin, wheel)
    wait_until(lambda: _ask(daemon, 0).status == 200, seconds=20, what="it is used again")
