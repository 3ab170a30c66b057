# SPDX-License-Identifier: Apache-2.0
"""What pages, files and errors owe to installers: one row for each thing that the specification of
simple repositories, RFC 9110 and the sources of pip, uv, Poetry and PDM make a server do. M: a
client fails without it. S: a client is better off with it."""

import http.client
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, Optional
from urllib.parse import urljoin, urlsplit

import pytest

import wire
from checklist import (
    HELD,
    SERIAL,
    TORCH,
    TWINS,
    WHEEL_BYTES,
    WIDGETS,
    Stage,
    empty,
    html_escapes,
    html_links,
    html_listing,
    html_metadata,
    html_page,
    json_clean,
    json_everything,
    json_page,
    json_private,
    json_versions,
    length_of_wheel,
    listing,
    of_metadata,
    part,
    problem,
    says,
    sha256_tag,
    sizeless,
    unsatisfied,
    untimed,
    whole,
    widgets,
)
from daemon import PATIENCE

JSON, V1, HTML = wire.JSON, wire.HTML, "text/html; charset=utf-8"
LATEST = "application/vnd.pypi.simple.latest"
ANY = re.compile(".+")
STRONG = re.compile('"[^"]+"')
NOT_VERIFIED = "public, max-age=600"
FOR_GOOD = "public, max-age=365000000, immutable"
TEXT = "text/plain; charset=utf-8"
DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


@dataclass
class Row:
    level: str
    what: str
    target: str  # {kept}, {cold}, {growing}, {plain}: a wheel in that state
    asked: dict = field(default_factory=dict)  # {etag}: what the target's own answer says
    status: int = 200
    reply: dict = field(default_factory=dict)  # text, pattern for all of it, or None: not there
    body: Optional[Callable] = None  # of (stage, reply)
    method: str = "GET"

    def __str__(self):
        return f"{self.level}: {self.what}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    running = Stage(tmp_path_factory.mktemp("checklist"))
    yield running
    running.stop()


# ------------------------------------------------------------------ the rows


def urls():
    yield Row("M", "a page at the normalised name", TORCH, {}, 200)
    for asked, to in [
        ("/cu126/simple/torch", "torch/"),
        ("/cu126/simple/Torch/", "../torch/"),
        ("/cu126/simple/TORCH", "torch/"),
        ("/simple/A._-b/", "../a-b/"),
        ("/simple", "simple/"),
        ("/cu126/simple", "simple/"),
        ("/cu126/flat", "flat/"),
        ("/whl/cu126/torch", "torch/"),
        ("/whl/cu126", "cu126/"),
        (f"/cu126/simple/Torch/?format={JSON}", f"../torch/?format={JSON}"),
    ]:
        yield Row("S", f"301 from {asked}", asked, {}, 301, {"Location": to})
    for plus in ("+", "%2B", "%2b"):
        name = "/files/pytorch/cu126/torch-2.9.0{}cu126-py3-none-any.whl"
        yield Row("M", f"{plus} in a path", name.format(plus), {}, 200, {"X-Cache": "hit"})
    yield Row("M", "+ is no space", name.format("%20"), {}, 404)
    yield Row("M", "no query is needed, one does no harm", "{kept}?x=y", {}, 200, {}, whole)
    yield Row("M", ".metadata beside the file", "{kept}.metadata", {}, 200, {}, of_metadata)
    for unknown, status in (
        ("/cu126/simple/nothing/", 404),
        ("/simple/nothing/", 404),
        ("/nothing/simple/x/", 400),
        ("/whl/no/", 400),
    ):
        yield Row("M", f"{unknown} is unknown", unknown, {}, status)
    for index, names in (("/cu126/simple/", ("torch", "torchvision")), ("/simple/", ("widgets",))):
        for accept, type, rule in ((JSON, JSON, listing), ("*/*", HTML, html_listing)):
            given = {"Content-Type": type}
            yield Row(
                "S", f"{index} as {type}", index, {"Accept": accept}, 200, given, rule(*names)
            )
        yield Row("S", f"{index} is HTML by the rules", index, {}, 200, {}, html_page)


def negotiation():
    wanted = [
        (None, HTML),
        ("", HTML),
        ("*/*", HTML),
        ("text/*", HTML),
        ("text/html", HTML),
        ("application/*", JSON),
        (JSON, JSON),
        (V1, V1),
        (f"{LATEST}+json", JSON),
        (f"{LATEST}+html", V1),
        (f"{JSON}, {V1};q=0.2, text/html;q=0.01", JSON),
        (f"{JSON}, {V1}; q=0.1, text/html; q=0.01", JSON),
        (f"{JSON}, */*;q=0.1", JSON),
        (f"{JSON};q=0.1, {V1} ; q=0.9", V1),
        (f"{JSON}; q=0.1,text/html", HTML),
        (f"{JSON};q=0, */*", HTML),
        ("application/vnd.pyx.simple.v1+msgpack, " + f"{JSON};q=0.9", JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        (JSON.upper(), JSON),
    ]
    both = {"Vary": "Accept, Accept-Encoding"}
    for accept, type in wanted:
        asked = {} if accept is None else {"Accept": accept}
        for target in (TORCH, "/cu126/simple/"):
            given = {"Content-Type": type, **both}
            yield Row("M", f"Accept {accept} of {target}", target, asked, 200, given)
    for type, own in ((JSON, JSON), (V1, V1), ("text/html", HTML), (f"{LATEST}+json", JSON)):
        for sent in sorted({type, type.replace("+", "%2B"), type.replace("/", "%2F")}):
            target, given = f"{TORCH}?format={sent}", {"Content-Type": own, **both}
            for accept in (JSON, "text/html", "image/png"):
                yield Row(
                    "S", f"{target} outranks {accept}", target, {"Accept": accept}, 200, given
                )
    for unknown in ("json", "", f"{LATEST}", "*/*", f"{JSON},text/html", "%zz", "text/html;q=1"):
        yield Row("S", f"?format={unknown} is refused", f"{TORCH}?format={unknown}", {}, 406, both)
    for unknown in ("application/xml", "application/vnd.pypi.simple.v2+json", f"{JSON};q=0"):
        for target in (TORCH, "/simple/"):
            yield Row(
                "M", f"nothing but {unknown} of {target}", target, {"Accept": unknown}, 406, both
            )
    tag = {"If-None-Match": "{tag of JSON}"}
    yield Row("M", "a format is part of what a tag is for", f"{TORCH}?format={V1}", tag, 200)


def html_rows():
    for target in (TORCH, WIDGETS, "/cu126/flat/", *TWINS):
        for accept in ("text/html", V1):
            for rule in (html_page, html_links, html_metadata):
                what = f"{rule.__name__} of {target} as {accept}"
                yield Row("M", what, target, {"Accept": accept}, 200, {}, rule)
    for target in (TORCH, *TWINS):
        yield Row("M", f"escapes on {target}", target, {}, 200, {}, html_escapes)
    yield Row("S", "digests in the links", TORCH, {}, 200, {}, says("#sha256="))
    status = 'name="pypi:project-status" content="archived"'
    yield Row("S", "the status of a project, in HTML", WIDGETS, {}, 200, {}, says(status))


def json_rows():
    asked = {"Accept": JSON}
    for project in ("torch", "widgets", "sizeless"):
        target = TORCH if project == "torch" else f"/simple/{project}/"
        yield Row("M", f"what {target} must have", target, asked, 200, {}, json_page(project))
        yield Row("M", f"what {target} must not have", target, asked, 200, {}, json_clean)
    yield Row("M", "all that the mirror says", WIDGETS, asked, 200, {}, json_everything)
    yield Row("M", "1.0 while a size is unknown", "/simple/sizeless/", asked, 200, {}, sizeless)
    yield Row("M", "upload-time for all or none", "/simple/untimed/", asked, 200, {}, untimed)
    yield Row("S", "versions with their local part", TORCH, asked, 200, {}, json_versions)
    yield Row("S", "private keys begin with _", TORCH, asked, 200, {}, json_private)


def page_headers():
    for target in (TORCH, "/cu126/simple/", "/cu126/flat/", *TWINS):
        for coding in ("identity", "gzip", "zstd"):
            given = {
                "ETag": STRONG,
                "Content-Encoding": coding,
                "Cache-Control": "public, max-age=600",
                "Vary": "Accept, Accept-Encoding",
                "Content-Length": ANY,
                "Date": DATE,
                "Age": None,
                "Last-Modified": None,
                "X-Cache": "hit",
                "X-Mirror": ANY,
            }
            if coding == "identity" or target == "/cu126/simple/":  # few names: too short
                given["Content-Encoding"] = None
            yield Row("S", f"{target} in {coding}", target, {"Accept-Encoding": coding}, 200, given)
    for coding in (
        None,
        "",
        "gzip;q=0",
        "br",
        "*;q=0",
        "zstd;q=0, gzip; q=0.000",
        "gzip;q=0.1, identity",
    ):
        asked = {} if coding is None else {"Accept-Encoding": coding}
        given = {"Content-Encoding": None}
        yield Row("M", f"no coding for who takes {coding}", TORCH, asked, 200, given, html_page)
    for target, serial in ((WIDGETS, SERIAL), ("/simple/gadgets/", SERIAL), (TORCH, None)):
        given = {"X-PyPI-Last-Serial": serial}
        yield Row("S", f"PyPI's serial of {target} is {serial}", target, {}, 200, given)
    yield Row(
        "M",
        "If-None-Match outranks a date that says otherwise",
        TORCH,
        {"If-None-Match": '"x"', "If-Modified-Since": "Mon, 23 Nov 2099 00:00:00 GMT"},
        200,
    )
    yield Row(
        "M",
        "and one that says the same later",
        TORCH,
        {"If-None-Match": "{etag}", "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        304,
        {},
        empty,
    )


def file_ranges(state, length):
    """What holds for a wheel in any state; `length` of its bytes may be asked for."""
    life = FOR_GOOD if state == "{kept}" else NOT_VERIFIED  # yet, unless it is all of it
    bytes_ = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    yield Row("M", "HEAD", state, {}, 200, {**bytes_, "ETag": STRONG}, length_of_wheel, "HEAD")
    ranges = {"0-0": (0, 1), "1000-1999": (1000, 2000), f"0-{length - 1}": (0, length)}
    if length == WHEEL_BYTES:
        ranges |= {"1000-": (1000, None), "0-": (0, None), "1000-99999999": (1000, None)}
        ranges |= {"-100": (-100, None), "-99999999": (0, None)}
    for text, (first, end) in ranges.items():
        asked = {"Range": f"bytes={text}"}
        yield Row("M", f"range {text}", state, asked, 206, bytes_, part(first, end))
    if length == WHEEL_BYTES:
        for text in ("bytes=0-1,5-6", "bytes=5-1", "lines=1-2", "bytes=a-b"):
            yield Row("M", f"no single range: {text}", state, {"Range": text}, 200, {}, whole)
        for tag in ('"x"', "W/{etag}", "Wed, 15 Oct 2025 18:04:00 GMT"):
            asked = {"Range": "bytes=10-19", "If-Range": tag}
            yield Row("M", f"If-Range {tag}", state, asked, 200, {"Content-Range": None}, whole)
        every = {**bytes_, "ETag": STRONG, "Cache-Control": FOR_GOOD}
        yield Row("M", "GET", state, {}, 200, every, whole)
        plain = {"Content-Encoding": None, "Vary": None}
        yield Row("M", "never coded", state, {"Accept-Encoding": "gzip, zstd"}, 200, plain, whole)
    asked = {"Range": "bytes=10-19", "If-Range": "{etag}"}
    yield Row("M", "If-Range with the very tag", state, asked, 206, {}, part(10, 20))
    for text in ("bytes=99999999-", "bytes=-0"):
        yield Row(
            "M", f"unsatisfiable {text}", state, {"Range": text}, 416, {"ETag": None}, unsatisfied
        )
    for tag in ("{etag}", "W/{etag}", '"x,y", {etag}', "*"):
        same = {"ETag": ANY, "Cache-Control": FOR_GOOD, "X-Cache": ANY}
        yield Row("M", f"If-None-Match {tag}", state, {"If-None-Match": tag}, 304, same, empty)
        same = {**same, "Cache-Control": life}
        what = f"HEAD, If-None-Match {tag}"
        yield Row("M", what, state, {"If-None-Match": tag}, 304, same, empty, "HEAD")
    yield Row(
        "S", "a tag made of the digest", state, {}, 200, {"Cache-Control": life}, sha256_tag, "HEAD"
    )
    yield Row(
        "S", "a part", state, {"Range": "bytes=0-9"}, 206, {"Cache-Control": life}, part(0, 10)
    )


def file_rows():
    for state, length in (("{kept}", WHEEL_BYTES), ("{cold}", WHEEL_BYTES), ("{growing}", HELD)):
        for row in file_ranges(state, length):
            row.what = f"{state[1:-1]}: {row.what}"
            yield row
    nothing = {name: None for name in ("Content-Disposition", "Content-Encoding", "Age")}
    yield Row(
        "M", "headers that would do harm", "{kept}", {}, 200, {**nothing, "Date": DATE}, whole
    )
    life = {"Cache-Control": NOT_VERIFIED}
    yield Row("M", "not for good without a digest", "{plain}", {}, 200, life, whole)
    variants = "/files/pypi/packages/widgets-variants.json"
    yield Row("S", "not for good where it may change", variants, {}, 200, life)
    unknown = {"Content-Length": None, "Accept-Ranges": None, "Content-Range": None}
    chunked, asked = "/files/pypi/packages/chunked-1.0.tar.gz", {"Range": "bytes=1-2"}
    yield Row("M", "no ranges while the length is unknown", chunked, asked, 200, unknown)
    for coding in ("identity", "gzip, deflate, zstd"):
        plain = {"Content-Type": TEXT, "Content-Encoding": None, "Content-Length": ANY}
        asked = {"Accept-Encoding": coding}
        yield Row(
            "M",
            f".metadata for who takes {coding}",
            "{kept}.metadata",
            asked,
            200,
            plain,
            of_metadata,
        )


def errors():
    to_json = {"Accept": f"{JSON}, */*;q=0.1"}
    json_type = {"Content-Type": "application/problem+json", "WWW-Authenticate": None}
    for target, status in [
        ("/simple/nothing/", 404),
        ("/trouble/simple/denied/", 404),
        ("/trouble/simple/down/", 503),
        ("/trouble/simple/portal/", 503),
        ("/files/pytorch/cu126/torch-9.0-py3-none-any.whl", 404),
        ("/nothing/simple/x/", 400),
        (f"{TORCH}?format=x", 406),
    ]:
        more = {"Retry-After": None}  # nothing is under way
        yield Row("M", f"{target} is {status}", target, to_json, status, json_type | more, problem)
        for accept, shown in (
            ({}, "application/problem+json"),
            ({"Accept": "*/*"}, "application/problem+json"),
            ({"Accept": "text/plain, */*;q=0.1"}, TEXT),
            ({"Accept": "text/html, */*;q=0.1"}, "text/html; charset=utf-8"),
        ):
            what = f"{target} is {status} for {accept}"
            yield Row("M", what, target, accept, status, {"Content-Type": shown})
        length = {"Content-Length": ANY}
        yield Row(
            "M",
            f"HEAD {target} is {status}",
            target,
            to_json,
            status,
            json_type | length,
            empty,
            "HEAD",
        )
    yield Row(
        "M",
        "503 names the mirror",
        "/trouble/simple/down/",
        to_json,
        503,
        {},
        says("third: HTTP 500"),
    )


ROWS = [
    row
    for group in (urls, negotiation, html_rows, json_rows, page_headers, file_rows, errors)
    for row in group()
]


def expected(reply, name, value):
    got = reply[name]
    if isinstance(value, re.Pattern):
        return got is not None and value.fullmatch(got)
    return got == value


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(stage, row):
    target, stage.wheel = stage.fill(row.target)
    asked = dict(row.asked)
    for name, value in row.asked.items():
        if "{etag}" in value:
            own = {k: v for k, v in asked.items() if k.startswith("Accept")}
            asked[name] = value.replace("{etag}", stage.ask(target, "HEAD", own)["ETag"])
        if value == "{tag of JSON}":
            asked[name] = stage.ask(target.split("?")[0], "HEAD", {"Accept": JSON})["ETag"]
    reply = stage.ask(target, row.method, asked)
    assert reply.status == row.status, reply.text[:500]
    for name, value in row.reply.items():
        assert expected(reply, name, value), f"{name}: {reply[name]}"
    if row.method == "HEAD":
        assert reply.body == b""
    if row.body:
        row.body(stage, reply)


# ------------------------------------------------------------------ forms, codings, validators

FORMS = [
    (target, accept) for target in (TORCH, WIDGETS, *TWINS) for accept in (JSON, V1, "text/html")
] + [("/cu126/flat/", "text/html")]
CODINGS = ("identity", "gzip", "zstd")


def form(accept, coding):
    return {"Accept": accept, "Accept-Encoding": coding}


def tags_of(stage, target):
    return {
        (accept, coding): stage.ask(target, "HEAD", form(accept, coding))["ETag"]
        for accept in (JSON, V1, "text/html")
        for coding in CODINGS
    }


def conditions(own, others):
    """(If-None-Match, whether it names what is asked for)."""
    yield own, True
    yield f"W/{own}", True
    yield f'"x", {own}', True
    yield f'"x,y",W/"z" , W/{own}', True
    yield f",{own},", True
    yield ", ".join([*others, own]), True
    yield "*", True
    yield '"x"', False
    yield f'"{own[1:-1]}x"', False
    yield own.strip('"'), False
    yield f"w/{own}", False
    if others:
        yield ", ".join(others), False


@pytest.mark.parametrize("target, accept", FORMS)
@pytest.mark.parametrize("coding", CODINGS)
def test_each_coding_of_each_form_has_its_own_tag(stage, target, accept, coding):
    tags = tags_of(stage, target)
    same = tags[accept, coding]
    assert all(re.fullmatch('"[^"]+"', tag) for tag in tags.values()), "strong"
    assert len(set(tags.values())) == (3 if target == "/cu126/flat/" else 9)
    asked = form(accept, coding)
    plain = stage.ask(target, "GET", asked)
    others = sorted(set(tags.values()) - {same})
    for condition, matches in conditions(same, others):
        for method in ("GET", "HEAD"):
            reply = stage.ask(target, method, {**asked, "If-None-Match": condition})
            assert reply.status == (304 if matches else 200), condition
            assert reply.body == (b"" if matches or method == "HEAD" else plain.body)
            for name in ("ETag", "Cache-Control", "Vary", "X-Cache", "X-Mirror"):
                assert reply[name] == plain[name], (condition, name)
            if not matches:
                for name in ("Content-Length", "Content-Type", "Content-Encoding"):
                    assert reply[name] == plain[name], (condition, name)


def test_the_codings_hold_the_same(stage):
    for target, accept in FORMS:
        assert len({stage.ask(target, "GET", form(accept, c)).text for c in CODINGS}) == 1


# ------------------------------------------------------------------ more than one request


def test_m_a_stale_page_outlives_its_mirror(stage):
    stage.origin.put("/simple/ripe/", widgets("ripe"), type=JSON)
    before = stage.ask("/simple/ripe/", headers={"Accept": JSON})
    assert before.status == 200
    stage.origin.change("/simple/ripe/", status=503)
    after = stage.ask("/simple/ripe/", headers={"Accept": JSON, "Cache-Control": "no-cache"})
    assert (after.status, after.body) == (200, before.body)
    assert len(stage.origin.asked("/simple/ripe/", "GET")) == 2


def test_m_a_refresh_asks_the_mirror_once(stage):
    path = "/simple/fresh/"
    stage.origin.put(path, widgets("fresh"), type=JSON)
    counts = []
    for control in ("max-age=0", None, "max-age=0", "no-cache", "no-cache", "max-age=0, no-cache"):
        stage.ask(path, headers={"Cache-Control": control} if control else {})
        counts.append(len(stage.origin.asked(path, "GET")))
    assert counts == [1, 1, 1, 2, 2, 2]


@pytest.mark.concurrent
def test_s_the_burst_of_a_resolver(stage):
    """uv: fifty connections, each kept, a hundred pages."""
    parts = urlsplit(stage.daemon.url)
    begin = threading.Barrier(50)

    def ask(_):
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        connection.connect()
        socket = connection.sock
        begin.wait(60)
        statuses = []
        for target in (TORCH, WIDGETS):
            connection.request("GET", target, headers=wire.UV_PAGE)
            reply = connection.getresponse()
            reply.read()
            statuses.append(reply.status)
        assert connection.sock is socket, "kept"
        connection.close()
        return statuses

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(ask, range(50))) == [[200, 200]] * 50


def test_s_silence_ends_before_clients_give_up(stage):
    """pip, Poetry and PDM wait for 15 s."""
    status, seconds = stage.silent.result(60)
    assert status == 504 and seconds < 15 * PATIENCE


def test_m_links_lead_to_files(stage):
    for target in (TORCH, "/whl/cu126/torch/"):
        reply = stage.ask(target, headers={"Accept": JSON})
        for file in reply.json()["files"][:2]:
            url = urljoin(stage.daemon.url + target, file["url"])
            assert wire.ask(url, "HEAD").status == 200
            assert wire.ask(f"{url}.metadata").status == 200


def test_m_wrong_bytes_end_in_a_cut_and_then_before_a_status_line(stage):
    """Who has been told a length is cut; who comes then is told why."""
    target, wheel = stage.fill("{wrong}")
    download = wire.Download(stage.daemon.url + target)
    download.wait_held(1)
    stage.wrong_gate.open()
    download.wait_end()
    assert download.status == 200 and not download.whole
    assert len(download.body) <= wheel.stat().st_size - (64 << 10), "the end is held back"
    reply = stage.ask(target)
    assert reply.status == 502 and "wrong digest" in reply.text and "0" * 64 in reply.text
