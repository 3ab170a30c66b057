# SPDX-License-Identifier: Apache-2.0
"""The stage of test_checklist.py, and what its rows ask of a body: functions of stage and reply."""

import gzip
import json
import re
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from html import escape
from urllib.parse import unquote, urlsplit

import wire
from daemon import Daemon, configuration, official_mirror, pypi_mirror
from origin import ACCESS_DENIED, PORTAL_PAGE, Gate, Origin
from standins import anchor, href_of, root_page, simple_page
from wheels import build, metadata_of, sha256_of

JSON = wire.JSON
SERIAL = "31415926"
WHEEL_BYTES = 300_000
HELD = 100_000  # of the wheel that is still on its way
COLD = 60  # wheels that nobody has asked for yet

# ------------------------------------------------------------------ the stage

TIME = "2025-10-15T18:04:00Z"
TORCH = "/cu126/simple/torch/"
WIDGETS = "/simple/widgets/"
YANKED = 'a <bad> & "ugly" build'
WIDGET = "/packages/aa/bb/widgets-2.0"
WIDGET_FILES = [
    {
        "filename": "widgets-2.0-py3-none-any.whl",
        "url": f"../..{WIDGET}-py3-none-any.whl",
        "hashes": {"sha256": "ab" * 32, "md5": "cd" * 16},
        "requires-python": ">=3.8,<4",
        "size": 1234,
        "upload-time": "2025-10-15T18:04:00.123456Z",
        "core-metadata": {"sha256": "ef" * 32},
        "data-dist-info-metadata": {"sha256": "ef" * 32},
        "yanked": False,
        "provenance": None,
    },
    {
        "filename": "widgets-2.0.tar.gz",
        "url": f"../..{WIDGET}.tar.gz",
        "hashes": {"sha256": "12" * 32},
        "requires-python": None,
        "size": 99,
        "upload-time": "2025-10-15T18:05:00Z",
        "core-metadata": False,
        "yanked": YANKED,
    },
    {
        "filename": "Widgets-2.0.0rc1-py3-none-any.whl",
        "url": f"../..{WIDGET}.0rc1-py3-none-any.whl",
        "hashes": {"sha256": "34" * 32},
        "size": 77,
        "upload-time": "2025-10-15T18:06:00Z",
        "yanked": True,
    },
]


def widgets(name="widgets", without=None):
    """What PyPI says of the project in JSON; the first file `without` one of its keys."""
    first = {key: value for key, value in WIDGET_FILES[0].items() if key != without}
    page = {
        "meta": {"api-version": "1.4", "_last-serial": int(SERIAL)},
        "name": "Widgets",
        "project-status": {"status": "archived", "reason": "gone <away>"},
        "versions": ["2.0", "2.0.0rc1"],
        "files": [first, *WIDGET_FILES[1:]],
    }
    return json.dumps(page).replace("widgets", name).encode()


# An index of its own: a mirror that has failed is asked less often, also for what it has.
TROUBLE = """
[origin.trouble]
[[origin.trouble.mirror]]
name = "third"
layout = "simple"
index = "{url}/trouble/{{project}}/"
files = "{url}/"
[index.trouble]
origins = ["trouble"]
"""


class Stage:
    """One scripted server that is the mirror of all origins, and a daemon in front of it."""

    def __init__(self, folder):
        self.origin = Origin()
        self.gate = Gate(HELD)
        self.silence = threading.Event()
        self._cold = iter(range(COLD))
        self.wheels, links = {}, []
        names = {
            "kept": "2.9.0+cu126",
            "growing": "2.8.0+cu126",
            "plain": "2.7.0+cu126",
            "wrong": "2.6.0+cu126",
        }
        names |= {f"cold{n}": f"2.5.{n}+cu126" for n in range(COLD)}
        for key, version in names.items():
            wheel = build(folder / "built", "torch", version, padding=WHEEL_BYTES)
            self.wheels[key] = wheel
            digest = "0" * 64 if key == "wrong" else sha256_of(wheel)
            self.origin.put(f"/whl/cu126/{wheel.name}", wheel)
            self.origin.put(f"/whl/cu126/{wheel.name}.metadata", metadata_of(wheel))
            digests = (None, None) if key == "plain" else (digest, sha256_of(metadata_of(wheel)))
            href = f"/whl/cu126/{href_of(wheel.name)}"
            link = anchor(href, wheel.name, *digests, requires_python=">=3.9,<4")
            known = f'data-size="{wheel.stat().st_size}" data-upload-time="{TIME}" '
            yanked = f'data-yanked="{escape(YANKED)}" ' if key == "wrong" else ""
            links.append(link.replace("<a ", f"<a {known}{yanked}"))
        self.origin.change(f"/whl/cu126/{self.wheels['growing'].name}", gate=self.gate)
        self.wrong_gate = Gate(HELD)
        self.origin.change(f"/whl/cu126/{self.wheels['wrong'].name}", gate=self.wrong_gate)
        self._put_pages(links)
        pypi = [pypi_mirror("second", self.origin.url)]
        text = configuration(pytorch=[official_mirror("first", self.origin.url)], pypi=pypi)
        self.daemon = Daemon(folder / "daemon", text + TROUBLE.format(url=self.origin.url))
        self.silent = ThreadPoolExecutor(1).submit(self._ask_the_silent)
        self._warm()

    def _put_pages(self, links):
        put = self.origin.put
        self.origin.put_page("/whl/cu126/torch/", simple_page("torch", links))
        self.origin.put_page("/whl/cu126/", root_page(["torch", "torchvision"]))
        put("/simple/widgets/", widgets(), type=JSON)
        put("/simple/sizeless/", widgets("sizeless", without="size"), type=JSON)
        put("/simple/untimed/", widgets("untimed", without="upload-time"), type=JSON)
        gadget = anchor("../../packages/gadgets-1.0.tar.gz", "gadgets-1.0.tar.gz")
        html = simple_page("gadgets", [gadget])
        self.origin.put_page("/simple/gadgets/", f"{html}<!--SERIAL {SERIAL}-->")
        self.origin.put_page("/trouble/silent/", html, silent=self.silence)
        put("/trouble/denied/", ACCESS_DENIED, type="application/xml", status=403)
        put("/trouble/down/", b"no", status=500)
        self.origin.put_page("/trouble/portal/", PORTAL_PAGE.decode())
        put("/packages/widgets-variants.json", b'{"variants": {}}' * 100)
        member = tarfile.TarInfo("chunked-1.0/PKG-INFO").tobuf()  # an empty file
        sdist = gzip.compress(member + bytes(1024))
        put("/packages/chunked-1.0.tar.gz", sdist, framing="chunked", ignore_range=True)

    def _warm(self):
        for target in (TORCH, WIDGETS, "/cu126/simple/", "/simple/", "/cu126/flat/", *TWINS):
            assert self.daemon.get(target).status == 200
        assert self.daemon.get(self.place("kept")).status == 200
        self.daemon.wait_status(lambda s: s["cache"]["blobs"] == 1, what="the blob is kept")
        self.reader = wire.Download(self.daemon.url + self.place("growing"))
        self.reader.wait_held(HELD)

    def _ask_the_silent(self):
        begin = time.monotonic()
        return self.ask("/trouble/simple/silent/").status, time.monotonic() - begin

    def place(self, key):
        return f"/files/pytorch/cu126/{href_of(self.wheels[key].name)}"

    def fill(self, target):
        """The target of a row, and the wheel that it names."""
        found = re.search("{(kept|cold|growing|plain|wrong)}", target)
        if not found:
            return target, None
        key = found.group(1)
        if key == "cold":
            key = f"cold{next(self._cold)}"
        return target.replace(found.group(0), self.place(key)), self.wheels[key]

    def ask(self, target, method="GET", headers=None):
        return self.daemon.get("", headers, method, target)

    def stop(self):
        self.gate.open()
        self.wrong_gate.open()
        self.silence.set()
        self.reader.wait_end()
        assert self.reader.body == self.wheels["growing"].read_bytes()
        self.daemon.stop()
        self.origin.close()


TWINS = ("/whl/cu126/torch/", "/mirror/download.pytorch.org/whl/cu126/torch/")


# ------------------------------------------------------------------ rules for bodies


def empty(_, reply):
    assert reply.body == b""


def whole(stage, reply):
    assert (reply.body, reply.cut) == (stage.wheel.read_bytes(), False)


def part(first, end):
    def check(stage, reply):
        body = stage.wheel.read_bytes()
        assert (reply.body, reply.cut) == (body[first:end], False)
        start, stop, _ = slice(first, end).indices(len(body))
        assert reply["Content-Range"] == f"bytes {start}-{stop - 1}/{len(body)}"
        assert reply["Content-Length"] == str(stop - start)

    return check


def unsatisfied(stage, reply):
    assert reply["Content-Range"] == f"bytes */{stage.wheel.stat().st_size}"


def length_of_wheel(stage, reply):
    assert reply["Content-Length"] == str(stage.wheel.stat().st_size) and reply.body == b""


def sha256_tag(stage, reply):
    assert reply["ETag"] == f'"sha256-{sha256_of(stage.wheel)}"'


def of_metadata(stage, reply):
    assert reply.body == metadata_of(stage.wheel)


def json_page(project):
    return lambda _, reply: wire.check_json_page(reply.json(), project)


def problem(_, reply):
    document = reply.json()
    assert document["status"] == reply.status and document["title"] and document["detail"]


def says(text):
    def check(_, reply):
        assert text in reply.text

    return check


def html_page(_, reply):
    assert reply.text.startswith("<!DOCTYPE html>") and reply.text.endswith("</html>\n")
    assert re.fullmatch(r"1\.[0-4]", wire.metas(reply)["pypi:repository-version"])
    assert '<meta charset="utf-8">' in reply.text and "<base" not in reply.text


def html_links(_, reply):
    links = wire.anchors(reply)
    assert links
    for link in links:
        target = urlsplit(link["href"])
        assert link["text"] == unquote(target.path.rsplit("/", 1)[-1])
        assert not target.query and "+" not in link["href"]
        assert re.fullmatch("(sha256=[0-9a-f]{64})?", target.fragment)


def html_escapes(_, reply):
    assert 'data-requires-python="&gt;=3.9,&lt;4"' in reply.text
    yanked = [link["data-yanked"] for link in wire.anchors(reply) if "data-yanked" in link]
    assert yanked == [YANKED]
    assert "%2Bcu126" in reply.text and "false" not in reply.text


def html_metadata(_, reply):
    told = [a for a in wire.anchors(reply) if "data-core-metadata" in a]
    assert told
    for link in told:
        assert re.fullmatch("true|sha256=[0-9a-f]{64}", link["data-core-metadata"])
        assert link["data-dist-info-metadata"] == link["data-core-metadata"]


def listing(*names):
    def check(_, reply):
        listed = [project["name"] for project in reply.json()["projects"]]
        assert set(names) <= set(listed) and listed == sorted(set(listed))
        assert reply.json()["meta"]["api-version"].startswith("1.")

    return check


def html_listing(*names):
    def check(_, reply):
        listed = [(link["href"], link["text"]) for link in wire.anchors(reply)]
        assert {(f"{name}/", name) for name in names} <= set(listed)
        assert len(set(listed)) == len(listed)

    return check


def file_of(reply, name):
    return next(file for file in reply.json()["files"] if file["filename"] == name)


def json_everything(_, reply):
    page = reply.json()
    assert page["meta"]["api-version"] == "1.4" and page["name"] == "widgets"
    assert page["project-status"] == {"status": "archived", "reason": "gone <away>"}
    assert page["versions"] == ["2.0rc1", "2.0"] or page["versions"] == ["2.0.0rc1", "2.0"]
    wheel = file_of(reply, "widgets-2.0-py3-none-any.whl")
    assert wheel["hashes"] == {"sha256": "ab" * 32} and wheel["size"] == 1234
    assert wheel["upload-time"] == "2025-10-15T18:04:00.123456Z"
    assert wheel["core-metadata"] == {"sha256": "ef" * 32}
    assert "yanked" not in wheel or wheel["yanked"] is False
    assert file_of(reply, "widgets-2.0.tar.gz")["yanked"] == YANKED
    assert file_of(reply, "widgets-2.0.0rc1-py3-none-any.whl")["yanked"] is True


def json_clean(_, reply):
    for banned in ("null", '"dist-info-metadata"', '"tracks"', '"alternate-locations"', ":false"):
        assert banned not in reply.text
    assert reply.text.endswith("}\n")


def json_versions(_, reply):
    page = reply.json()
    assert "2.9.0+cu126" in page["versions"]
    assert {file["filename"].split("-")[1] for file in page["files"]} == set(page["versions"])


def json_private(_, reply):
    public = {"filename", "url", "hashes", "requires-python", "core-metadata", "yanked", "size"}
    for file in reply.json()["files"]:
        odd = file.keys() - public - {"upload-time"}
        assert odd and all(key.startswith("_") for key in odd)


def sizeless(_, reply):
    page = reply.json()
    assert page["meta"]["api-version"] == "1.0"
    assert not any("size" in file for file in page["files"]), "for all or for none"
    assert [("_size" in file) for file in page["files"]].count(False) == 1


def untimed(_, reply):
    files = reply.json()["files"]
    assert all("upload-time" in file for file in files), "the one that has none was seen first"
    assert [file.get("_upload-time-source") for file in files].count("first-seen") == 1
