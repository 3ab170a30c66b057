# SPDX-License-Identifier: Apache-2.0
"""Raw HTTP for tests: no redirect is followed, no error is repaired; and the rules
that installers hold pages to."""

import ctypes
import gzip
import hashlib
import http.client
import json
import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

HTML = "application/vnd.pypi.simple.v1+html"
JSON = "application/vnd.pypi.simple.v1+json"
# What uv (and pixi, which has uv inside) sends for a page, word for word.
UV_PAGE = {
    "Accept": f"{JSON}, {HTML};q=0.2, text/html;q=0.01",
    "Accept-Encoding": "gzip, deflate, zstd",
}
PIP_PAGE = {
    "Accept": f"{JSON}, {HTML}; q=0.1, text/html; q=0.01",
    "Accept-Encoding": "gzip, deflate",
}
PATIENCE_S = 60


def _unpack_zstd(frame):
    library = ctypes.CDLL("libzstd.so.1")  # apt has it
    library.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
    library.ZSTD_decompress.restype = ctypes.c_size_t
    size = library.ZSTD_getFrameContentSize(frame, ctypes.c_size_t(len(frame)))
    plain = ctypes.create_string_buffer(size)
    got = library.ZSTD_decompress(
        plain, ctypes.c_size_t(size), frame, ctypes.c_size_t(len(frame))
    )
    assert got == size
    return plain.raw


UNPACK = {None: bytes, "gzip": gzip.decompress, "zstd": _unpack_zstd}


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    cut: bool  # the connection ended before the body did

    def __getitem__(self, name):
        return self.headers.get(name)

    @property
    def text(self):
        return UNPACK[self["Content-Encoding"]](self.body).decode()

    def json(self):
        return json.loads(self.text)


def _open(url, method, headers, target=None, ca_file=None):
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=PATIENCE_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    target = target or (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = headers or {}
    connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def _read_all(response):
    """(body, cut). http.client sees a short body by its length or its missing last chunk."""
    try:
        return response.read(), False
    except http.client.IncompleteRead as short:
        return short.partial, True
    except ConnectionError:
        return b"", True


def ask(url, method="GET", headers=None, target=None, ca_file=None):
    """One request on a connection of its own. `target` replaces the path, unchecked; `ca_file` is
    believed for https."""
    connection = _open(url, method, headers, target, ca_file)
    try:
        response = connection.getresponse()
        body, cut = _read_all(response)
        return Reply(response.status, response.headers, body, cut)
    except (http.client.RemoteDisconnected, ConnectionError):
        return Reply(0, http.client.HTTPMessage(), b"", True)
    finally:
        connection.close()


def ask_until_whole(url, headers=None, tries=5):
    """Like an installer: asks again after a cut. Returns every reply; the last one is hopefully
    whole."""
    replies = []
    while len(replies) < tries and (not replies or replies[-1].cut):
        replies.append(ask(url, headers=headers))
    return replies


class Download(threading.Thread):
    """A separate client that reads a body as it arrives; the test watches how much it has. With
    keep=False only the count and the digest are held: twenty times 200 MB is a lot of memory."""

    def __init__(self, url, headers=None, keep=True):
        super().__init__(daemon=True)
        self.url, self.request_headers, self._keep = url, headers, keep
        self.body, self.status, self.headers = bytearray(), None, None
        self.held, self.whole = 0, False
        self._digest = hashlib.sha256()
        self._ended = False
        self._change = threading.Condition()
        self._connection = None
        self.start()

    def run(self):
        try:
            opened = _open(self.url, "GET", self.request_headers)
            with self._change:
                self._connection = opened
                self._change.notify_all()
            response = self._connection.getresponse()
            with self._change:
                self.status, self.headers = response.status, response.headers
                self._change.notify_all()
            self._read(response)
        except (OSError, http.client.HTTPException, AttributeError, ValueError):
            pass  # cut, or left: `whole` stays false
        with self._change:
            self._ended = True
            self._change.notify_all()

    def _read(self, response):
        length = response.headers.get("Content-Length")
        while data := response.read1(1 << 18):
            self._digest.update(data)
            with self._change:
                self.body += data if self._keep else b""
                self.held += len(data)
                self._change.notify_all()
        self.whole = length is None or self.held == int(length)

    def sha256(self):
        return self._digest.hexdigest()

    def wait_answer(self, seconds=PATIENCE_S):
        self._wait(lambda: self.status is not None, seconds, "an answer")

    def wait_held(self, count, seconds=PATIENCE_S):
        self._wait(lambda: self.held >= count, seconds, f"{count} bytes")

    def _wait(self, condition, seconds, what):
        with self._change:
            self._change.wait_for(lambda: condition() or self._ended, seconds)
            if not condition():
                held = f"{self.held} bytes, status {self.status}, ended {self._ended}"
                raise AssertionError(f"the client waited for {what}; it has {held}")

    def wait_end(self, seconds=PATIENCE_S):
        self.join(seconds)
        assert not self.is_alive(), f"still waiting with {self.held} bytes"
        return self

    def leave(self, reset=False):
        """Ends the connection in the middle, as a client that is interrupted does; with `reset` as
        the kernel ends it for a program that goes with bytes unread."""
        with self._change:  # the daemon may have the request before we have the connection
            self._change.wait_for(lambda: self._connection or self._ended, PATIENCE_S)
        if self._connection and self._connection.sock:
            if reset:
                at_once = struct.pack("ii", 1, 0)
                self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self._connection.sock.shutdown(2)
        self.wait_end()
        if reset and self._connection:
            self._connection.close()


# ------------------------------------------------------------------ pages


class _Anchors(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.metas, self._open = [], {}, None

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "meta" and "name" in attributes:
            self.metas[attributes["name"]] = attributes.get("content")
        if tag == "a":
            self._open = {**attributes, "text": ""}
            self.found.append(self._open)

    def handle_data(self, data):
        if self._open is not None:
            self._open["text"] += data

    def handle_endtag(self, tag):
        if tag == "a":
            self._open = None


def anchors(reply):
    """The links of an HTML page, each a dict of its attributes and its text."""
    parser = _Anchors()
    parser.feed(reply.text)
    return parser.found


def metas(reply):
    parser = _Anchors()
    parser.feed(reply.text)
    return parser.metas


def file_names(reply):
    """The file names on a project page, HTML or JSON, as installers derive them."""
    if "json" in reply["Content-Type"]:
        return [file["filename"] for file in reply.json()["files"]]
    return [unquote(urlsplit(link["href"]).path.rsplit("/", 1)[-1]) for link in anchors(reply)]


def file_urls(page_url, reply):
    """File name -> absolute URL, from a JSON project page."""
    return {f["filename"]: urljoin(page_url, f["url"]) for f in reply.json()["files"]}


def check_json_page(document, project):
    """Checks the rules of every JSON project page: those that uv, pip and PEP 691 enforce."""
    assert document["name"] == project
    assert document["meta"]["api-version"] in ("1.0", "1.1", "1.2", "1.3", "1.4")
    assert "null" not in re.findall(r"\bnull\b", json.dumps(document)), "uv refuses null"
    for file in document["files"]:
        _check_json_file(file)
    if document["meta"]["api-version"] != "1.0":
        assert document["versions"] and all("size" in file for file in document["files"])
    if "versions" in document:
        assert len(set(document["versions"])) == len(document["versions"])
    assert len({bool("upload-time" in f) for f in document["files"]}) <= 1
    _check_all_or_none(document["files"])


def _check_json_file(file):
    assert {"filename", "url", "hashes"} <= file.keys()
    assert "dist-info-metadata" not in file, "pip before 23.2 crashes on it"
    assert file.get("core-metadata") is not False, "pip asks for it nevertheless"
    assert "+" not in file["url"], "always %2B in what we emit"
    assert not urlsplit(file["url"]).netloc and not file["url"].startswith("/"), file["url"]
    for digest in file["hashes"].values():
        assert re.fullmatch("[0-9a-f]{64}", digest)


def _check_all_or_none(files):
    """Checks that a release shows digests for all of its files or for none."""
    by_version = {}
    for file in files:
        version = file["filename"].split("-")[1]
        by_version.setdefault(version, set()).add("sha256" in file["hashes"])
    assert all(len(states) == 1 for states in by_version.values()), by_version
