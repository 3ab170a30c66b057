# SPDX-License-Identifier: Apache-2.0
"""Upload times and sizes on pages made from listings: of the date in each row, of what the mirror says
of the file itself, of when it was seen first. Cool-down rules of clients work on them all."""

import datetime
import json
import sqlite3
import threading
import time
from contextlib import closing

import pytest

import wire
from clients import installed
from daemon import configuration, flat_mirror, official_mirror
from standins import anchor, flat_page, href_of, simple_page, wait_until
from wheels import build

OLD, NEW = "2.8.0", "2.9.0"


def name_of(version):
    return f"torch-{version}+cpu-py3-none-any.whl"


DATES = {name_of(OLD): "2025-01-02 03:04", name_of(NEW): "2025-08-09 10:11"}
FOLDER = "/pytorch-wheels/cpu"


def put_rows(origin, **dates):
    """Both releases on a flat page, with the dates of their rows."""
    page = flat_page("cpu", [(name, 1) for name in DATES], dates={**DATES, **dates})
    origin.put_page(f"{FOLDER}/", page)


@pytest.fixture
def listed(origin, tmp_path):
    """Two releases on a flat page, each with the date of its row."""
    for version in (OLD, NEW):
        wheel = build(tmp_path / "built", "torch", f"{version}+cpu")
        origin.put(f"{FOLDER}/{wheel.name}", wheel.read_bytes())
    put_rows(origin)
    return origin


def files(daemon):
    return daemon.page("torch", index="cpu").json()["files"]


def times(daemon):
    return {file["filename"]: file.get("upload-time") for file in files(daemon)}


def fresh(daemon):
    """The page from the mirrors, not from memory."""
    headers = {"Accept": wire.JSON, "Cache-Control": "no-cache"}
    return daemon.page("torch", index="cpu", headers=headers)


def html(daemon):
    return daemon.page("torch", index="cpu", headers={"Accept": "text/html"}).text


def mirror(origin, **more):
    return {**flat_mirror("m", origin.url), **more}


def flat(origin, zone=None, **top):
    more = {"time_zone": zone} if zone else {}
    return configuration(pytorch=[mirror(origin, **more)], **top)


def assert_excludes(client, option, daemon):
    """The newer release is too new."""
    arguments = ("--index-url", daemon.index("cpu"), "torch")
    target = client.install(option, "2025-06-01T00:00:00Z", *arguments)
    assert installed(target)["torch"] == f"{OLD}+cpu"


@pytest.fixture
def new_pip(pip):
    if "--uploaded-prior-to" not in pip.run("install", "--help"):
        pytest.skip("this pip does not know --uploaded-prior-to")
    return pip


def test_uv_excludes_what_is_newer(listed, serve, uv):
    assert_excludes(uv, "--exclude-newer", serve(flat(listed, "+08:00")))


def test_pip_takes_what_was_uploaded_before(listed, serve, new_pip):
    assert_excludes(new_pip, "--uploaded-prior-to", serve(flat(listed, "+08:00")))


@pytest.mark.parametrize(
    "zone, old",
    [
        ("+08:00", "2025-01-01T19:04:59Z"),
        ("+00:00", "2025-01-02T03:04:59Z"),
        ("-03:30", "2025-01-02T06:34:59Z"),
        (None, "2025-01-02T15:04:59Z"),  # wherever its clock hangs, it was no later than that
    ],
)
def test_the_clock_of_the_mirror(listed, serve, zone, old):
    daemon = serve(flat(listed, zone))
    assert times(daemon)[name_of(OLD)] == old
    assert {file["_upload-time-source"] for file in files(daemon)} == {"listing"}


def test_html_shows_them_too(listed, serve):
    daemon = serve(flat(listed, "+00:00"))
    assert 'data-upload-time="2025-01-02T03:04:59Z"' in html(daemon)


@pytest.mark.parametrize("none", ["-", "1970-01-01 08:00", "2999-01-01 00:00"])
def test_a_row_without_a_date_one_can_believe(listed, serve, none):
    """Then the mirror is asked for the file's own."""
    put_rows(listed, **{name_of(NEW): none})
    daemon = serve(flat(listed, "+08:00"))
    shown = complete(daemon).json()["files"]
    found = {f["filename"]: (f["upload-time"], f["_upload-time-source"]) for f in shown}
    assert found == {
        name_of(OLD): ("2025-01-01T19:04:59Z", "listing"),
        name_of(NEW): ("2025-10-15T18:04:00Z", "last-modified"),
    }


def test_a_date_in_the_future_is_now_at_the_latest(listed, serve):
    put_rows(listed, **{name: "2999-01-01 00:00" for name in DATES})
    daemon = serve(flat(listed))
    assert all(said < "2998" for said in times(daemon).values())


def test_what_an_index_says_goes_before_a_listing(listed, second_origin, serve):
    said = "2024-05-06T07:08:09.123456Z"
    links = [
        anchor(f"/whl/cpu/{href_of(n)}", n).replace("<a ", f'<a data-upload-time="{said}" ')
        for n in DATES
    ]
    second_origin.put_page("/whl/cpu/torch/", simple_page("torch", links))
    mirrors = [mirror(listed), official_mirror("official", second_origin.url)]
    daemon = serve(configuration(pytorch=mirrors))
    assert set(times(daemon).values()) == {said}
    assert not any("_upload-time-source" in file for file in files(daemon))


# ------------------------------------------------------------------ without a date column

MODIFIED = {OLD: "Thu, 02 Jan 2025 03:04:05 GMT", NEW: "Sat, 09 Aug 2025 10:11:12 GMT"}
SAID = {name_of(OLD): "2025-01-02T03:04:05Z", name_of(NEW): "2025-08-09T10:11:12Z"}


def put_bare(origin, names):
    """A page of nothing but links, as Python's http.server makes it."""
    origin.put_page(f"{FOLDER}/", simple_page("", [anchor(href_of(n), n) for n in names]))


@pytest.fixture
def bare(listed):
    put_bare(listed, DATES)
    for version, modified in MODIFIED.items():
        listed.change(f"{FOLDER}/{name_of(version)}", modified=modified)
    return listed


def change_all(origin, **trouble):
    for name in DATES:
        origin.change(f"{FOLDER}/{name}", **trouble)


def complete(daemon):
    """The page when its mirrors have told, or were given up."""
    pages = []

    def is_complete():
        pages.append(daemon.page("torch", index="cpu"))
        return "max-age=600" in pages[-1]["Cache-Control"]

    wait_until(is_complete, what="a page that is complete")
    return pages[-1]


def sources(daemon):
    return {f["filename"]: f["_upload-time-source"] for f in complete(daemon).json()["files"]}


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def now():
    """In whole seconds, as pages have it."""
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def test_uv_excludes_by_what_the_mirror_says_of_the_file(bare, serve, uv):
    daemon = serve(flat(bare))
    complete(daemon)
    assert_excludes(uv, "--exclude-newer", daemon)


def test_pip_excludes_by_what_the_mirror_says_of_the_file(bare, serve, new_pip):
    daemon = serve(flat(bare))
    complete(daemon)
    assert_excludes(new_pip, "--uploaded-prior-to", daemon)


def test_the_mirror_is_asked_once_for_good(bare, serve):
    daemon = serve(flat(bare))
    page = complete(daemon)
    wire.check_json_page(page.json(), "torch")
    assert page.json()["meta"]["api-version"] == "1.1"
    for file in page.json()["files"]:
        assert file["upload-time"] == SAID[file["filename"]]
        assert file["_upload-time-source"] == "last-modified"
        url = daemon.file_url("pytorch", f"cpu/{file['filename']}")
        assert file["size"] == len(wire.ask(url).body)
    assert fresh(daemon).body == page.body
    daemon.stop()
    daemon = serve(flat(bare), cache_dir=daemon.cache_dir)
    assert fresh(daemon).body == page.body
    assert sorted(r.path for r in bare.inquiries) == sorted(f"{FOLDER}/{n}" for n in DATES)


def is_dated(pages):
    return pages and not pages[0]["files"]["first-seen"]


def test_the_status_says_where_dates_are_from(bare, serve):
    put_rows(bare, **{name_of(NEW): "-"})
    daemon = serve(flat(bare))
    complete(daemon)
    status = daemon.wait_status(lambda s: is_dated(s["upload_times"]), what="the page")
    (page,) = status["upload_times"]
    assert (page["origin"], page["index"], page["project"]) == ("pytorch", "cpu", "torch")
    assert page["files"] == {"index": 0, "listing": 1, "last-modified": 1, "first-seen": 0}


def test_sizes_that_a_listing_rounds_are_asked_for(listed, serve):
    daemon = serve(flat(listed))
    document = complete(daemon).json()
    assert document["meta"]["api-version"] == "1.1"
    for file in document["files"]:
        head = wire.ask(daemon.file_url("pytorch", f"cpu/{file['filename']}"), "HEAD")
        assert file["size"] == int(head["Content-Length"])


def test_a_size_that_nobody_says_takes_all_from_the_page(bare, serve):
    bare.change(f"{FOLDER}/{name_of(NEW)}", framing="chunked")
    daemon = serve(flat(bare))
    document = complete(daemon).json()
    assert document["meta"]["api-version"] == "1.0"
    assert not any("size" in file for file in document["files"])
    assert times(daemon) == SAID
    text = html(daemon)
    assert "data-size" not in text and "data-upload-time" in text


# ------------------------------------------------------------------ seen first


@pytest.mark.parametrize("trouble", [{"head_status": 405}, {"head_status": 503}, {"modified": None}])
def test_what_nobody_dates_was_uploaded_when_it_was_seen_first(bare, serve, trouble):
    change_all(bare, **trouble)
    begun = now()
    daemon = serve(flat(bare))
    first = times(daemon)
    assert set(sources(daemon).values()) == {"first-seen"}
    assert all(begun <= moment(said) <= now() for said in first.values())
    daemon.stop()
    daemon = serve(flat(bare), cache_dir=daemon.cache_dir)
    assert times(daemon) == first, "it is remembered"
    seen = now()
    later = name_of("2.10.0")
    put_bare(bare, [*DATES, later])
    page = fresh(daemon).json()
    found = {file["filename"]: file["upload-time"] for file in page["files"]}
    assert moment(found.pop(later)) >= seen and found == first


def test_a_date_of_before_there_were_files_is_none(bare, serve):
    change_all(bare, modified="Thu, 01 Jan 1970 00:00:00 GMT")
    assert set(sources(serve(flat(bare))).values()) == {"first-seen"}


def test_a_date_in_the_mirrors_future_is_none(bare, serve):
    change_all(bare, modified="Tue, 01 Jan 2999 00:00:00 GMT")
    assert set(sources(serve(flat(bare))).values()) == {"first-seen"}


def test_of_a_simple_index_no_file_is_asked_for(origin, serve):
    """It has a page for each project, and clients visit hundreds."""
    link = anchor(f"/whl/cpu/{href_of(name_of(NEW))}", name_of(NEW))
    origin.put_page("/whl/cpu/torch/", simple_page("torch", [link]))
    daemon = serve(configuration(pytorch=[official_mirror("official", origin.url)]))
    assert set(sources(daemon).values()) == {"first-seen"}
    assert not origin.inquiries


# ------------------------------------------------------------------ kindly


def test_who_refuses_head_is_asked_once(bare, serve):
    change_all(bare, head_status=405)
    daemon = serve(flat(bare))
    for _ in range(2):
        files(daemon)
    fresh(daemon)
    assert len(bare.inquiries) == 1
    assert daemon.status()["mirrors"][0]["state"] == "ok"


def test_who_is_silent_delays_a_page_for_a_moment(bare, serve):
    silent = threading.Event()
    change_all(bare, silent=silent)
    daemon = serve(flat(bare, stall_timeout="60s"))
    begun = time.monotonic()
    before = daemon.page("torch", index="cpu")
    assert time.monotonic() - begun < 30
    assert "max-age=10" in before["Cache-Control"].split(", ")
    assert len(bare.inquiries) == 1, "the first one alone"
    silent.set()
    complete(daemon)
    assert times(daemon) == SAID


def test_the_first_page_waits_for_what_the_mirror_says(bare, serve):
    silent = threading.Event()
    change_all(bare, silent=silent)
    daemon = serve(flat(bare, listing_timeout="60s", stall_timeout="60s"))
    client = wire.Download(f"{daemon.url}/cpu/simple/torch/", {"Accept": wire.JSON})
    bare.wait(lambda: bare.inquiries)
    silent.set()
    reply = client.wait_end()
    assert "max-age=600" in reply.headers["Cache-Control"]
    said = {file["filename"]: file["upload-time"] for file in json.loads(reply.body)["files"]}
    assert said == SAID


def test_a_few_at_a_time_the_newest_first_and_not_too_many(origin, serve):
    names = [name_of(f"1.{n}") for n in range(200)]
    put_bare(origin, names)
    silent = threading.Event()
    for number, name in enumerate(names):
        origin.put(f"{FOLDER}/{name}", b"x" * 100, silent=silent if number < 199 else None)
    daemon = serve(flat(origin, stall_timeout="60s"))
    page = daemon.page("torch", index="cpu")
    assert "max-age=10" in page["Cache-Control"].split(", "), "they may still come"
    asked = [request.path for request in origin.inquiries]
    assert asked[0] == f"{FOLDER}/{names[199]}"
    assert sorted(asked[1:]) == sorted(f"{FOLDER}/{n}" for n in names[195:199])
    silent.set()
    assert set(sources(daemon).values()) == {"last-modified"}
    asked = [request.path for request in origin.inquiries]
    assert set(asked[:128]) == {f"{FOLDER}/{n}" for n in names[72:]} and len(asked) == 200


def test_a_large_page_leaves_some_of_what_a_mirror_is_asked_to_others(origin, serve):
    names = [name_of(f"1.{n}") for n in range(400)]
    other = "torchvision-1.0+cpu-py3-none-any.whl"
    put_bare(origin, [*names, other])
    for name in [*names, other]:
        origin.put(f"{FOLDER}/{name}", b"x" * 100)
    daemon = serve(flat(origin))
    said = sources(daemon)
    assert [said[n] for n in names] == 100 * ["first-seen"] + 300 * ["last-modified"]
    daemon.page("torchvision", index="cpu")
    origin.wait(lambda: len(origin.inquiries) == 301)
    fresh(daemon)
    assert set(sources(daemon).values()) == {"last-modified"} and len(origin.inquiries) == 401


def test_who_tells_nothing_is_not_asked_about_all(origin, serve):
    names = [name_of(f"1.{n}") for n in range(200)]
    put_bare(origin, names)
    daemon = serve(flat(origin))  # which has none of them
    assert set(sources(daemon).values()) == {"first-seen"} and len(origin.inquiries) == 128


def test_who_is_backing_off_is_not_asked(bare, serve):
    change_all(bare, head_status=405)
    daemon = serve(flat(bare))
    files(daemon)
    daemon.stop()
    assert len(bare.inquiries) == 1
    bare.change(f"{FOLDER}/", status=503, retry_after=60)
    with closing(sqlite3.connect(daemon.cache_dir / "catalogue.sqlite")) as catalogue:
        catalogue.execute("UPDATE listing SET fetched_s = 0")
        catalogue.commit()
    daemon = serve(flat(bare), cache_dir=daemon.cache_dir)
    assert daemon.page("torch", index="cpu")["X-Cache"] == "stale"
    daemon.wait_status(lambda s: s["mirrors"][0]["state"] == "backing-off", what="back-off")
    assert len(bare.inquiries) == 1


def test_a_page_of_all_projects_asks_nobody(bare, serve):
    daemon = serve(flat(bare))
    assert "data-upload-time" in daemon.get("/cpu/flat/").text
    assert not bare.inquiries
    wait_until(lambda: set(sources(daemon).values()) == {"last-modified"}, what="asked when visited")
