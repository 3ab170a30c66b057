# SPDX-License-Identifier: Apache-2.0
"""A scripted origin: an HTTP/1.1 server that misbehaves on command and counts its requests.

    with Origin() as origin:
        gate = Gate(10_000_000)
        origin.put("/whl/x.whl", body, gate=gate)       stops each body at 10 MB
        ...
        gate.wait_reached(10_000_000); gate.open()
        assert origin.body_bytes("/whl/x.whl") == len(body)

Without commands it does everything right: strong ETag, Last-Modified, If-None-Match, single ranges,
If-Range, HEAD. Paths are kept decoded (`+`, not %2B); Request.target is the text that the client sent.
"""

import gzip
import hashlib
import re
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Optional
from urllib.parse import unquote, urlsplit

PATIENCE_S = 60
BLOCK = 64 * 1024
SO_MAX_PACING_RATE = 47  # of Linux; Python has no name for it
LAST_MODIFIED = "Wed, 15 Oct 2025 18:04:00 GMT"
PORTAL_PAGE = b"<html><title>Sign in</title><body><a href='/login'>Sign in</a></body></html>"
ACCESS_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class Gate:
    """How many bytes of a file bodies may send. The test raises the limit; positions are file offsets, so
    a ranged request that starts beyond the limit waits too."""

    def __init__(self, limit=0):
        self._limit = limit
        self._reached = 0
        self._change = threading.Condition()

    def allow(self, limit):
        with self._change:
            self._limit = max(self._limit, limit)
            self._change.notify_all()

    def open(self):
        self.allow(1 << 62)

    def wait_reached(self, position, seconds=PATIENCE_S):
        """Waits until a body has been sent up to this offset."""
        with self._change:
            if not self._change.wait_for(lambda: self._reached >= position, seconds):
                raise TimeoutError(f"the origin sent {self._reached} bytes, not {position}")

    def pass_from(self, position):
        """For the server: waits until it may send bytes after `position`; returns the limit."""
        with self._change:
            self._change.wait_for(lambda: self._limit > position, PATIENCE_S)
            return self._limit

    def note(self, position):
        with self._change:
            self._reached = max(self._reached, position)
            self._change.notify_all()


@dataclass
class Resource:
    """One path: its bytes, and the faults of its answers."""

    body: bytes
    type: str = "application/octet-stream"
    etag: Optional[Callable[[int], str]] = None  # number of the request, from 1 -> ETag, None: none
    gate: Optional[Gate] = None
    cut_after: Optional[int] = None  # no response goes beyond this offset: it is cut there
    length: Optional[int] = None  # the Content-Length that is claimed
    framing: str = "length"  # or "chunked", or "close": no length, ended by closing
    status: Optional[int] = None  # refuse with it; `body` is the explanation
    head_status: Optional[int] = None  # the same, but HEAD alone
    retry_after: Optional[int] = None  # said with the status
    location: Optional[str] = None  # redirect there
    ignore_range: bool = False
    refuse_range: Optional[int] = None  # a status for whoever asks for a range
    gzip: bool = False
    label: Optional[str] = None  # a Content-Encoding that nothing was done for
    piece: Optional[int] = None  # of a range it sends no more at once
    part_of_all: bool = False  # 206 also to whoever asks for no range
    html_only: Optional[int] = None  # a status for whoever would rather have JSON
    query: Optional[str] = None  # 403 without it, or, when it is there, what stands in
    otherwise: Optional[bytes] = None  # ... this
    silent: Optional[threading.Event] = None  # no answer until it is set
    pace: Optional[int] = None  # bytes a second and connection, by the kernel
    latency: float = 0  # seconds before each answer: a line that is long
    date: Optional[str] = None  # what its clock says, as an HTTP-date
    modified: Optional[str] = LAST_MODIFIED  # None: no such header
    times: Optional[int] = None  # the trouble ends after so many requests

    def sound(self):
        return Resource(self.body, self.type)


@dataclass
class Request:
    method: str
    target: str  # as it came over the wire
    path: str  # decoded
    headers: dict  # lower-case names
    status: int = 0
    sent: int = 0  # bytes of body
    range: Optional[str] = field(default=None)

    @property
    def is_try(self):
        return self.range == "bytes=1-1"

    @property
    def is_inquiry(self):
        return self.method == "HEAD" and "q=0.9" in self.headers.get("accept", "")

    @property
    def is_aside(self):
        return self.is_try or self.is_inquiry


class Origin:
    def __init__(self, address="127.0.0.1"):
        self._resources = {}
        self._asked = {}
        self._change = threading.Condition()
        self._connections = set()
        self._bodies = {}  # connection -> path, while a body is sent there
        self.most_at_once = {}  # path -> bodies that were sent at one time; None: of all paths
        self.requests = []
        self.tries = []  # whether it honours ranges: asked once, and no part of other stories
        self.inquiries = []  # HEADs for what a listing does not say of a file; likewise
        self._server = ThreadingHTTPServer((address, 0), _Handler)
        self._server.daemon_threads = True
        self._server.origin = self
        self.port = self._server.server_address[1]
        self.url = f"http://{address}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stops listening, releases all waiting threads, cuts every connection."""
        self._server.shutdown()
        self._server.server_close()
        with self._change:
            resources, connections = list(self._resources.values()), list(self._connections)
        for resource in resources:
            if resource.gate:
                resource.gate.open()
            if resource.silent:
                resource.silent.set()
        for connection in connections:
            _cut(connection)

    # ---------------------------------------------------------------- what it serves

    def put(self, path, body, **trouble):
        """Serves bytes (or the file at a Path) at a decoded path; faults as in Resource."""
        body = body.read_bytes() if hasattr(body, "read_bytes") else body
        with self._change:
            self._resources[path] = Resource(body, **trouble)

    def put_page(self, path, text, **trouble):
        self.put(path, text.encode(), type="text/html; charset=utf-8", **trouble)

    def change(self, path, **trouble):
        """Changes some members of a path's Resource; the others stay."""
        with self._change:
            self._resources[path] = replace(self._resources[path], **trouble)

    def remove(self, path):
        with self._change:
            del self._resources[path]

    def paths(self):
        with self._change:
            return list(self._resources)

    def find(self, path, is_aside=False):
        """For the handler: the resource and the number of its requests, with this one."""
        with self._change:
            resource = self._resources.get(path)
            count = self._asked[path] = self._asked.get(path, 0) + (not is_aside)
        if resource and resource.times is not None and count > resource.times:
            resource = resource.sound()
        return resource, count

    # ---------------------------------------------------------------- what it was asked

    def note(self, request=None, connection=None):
        """For the handler: notes an event, which wakes wait()."""
        with self._change:
            if request:
                self._list_for(request).append(request)
            if connection:
                self._connections.add(connection)
            self._change.notify_all()

    def _list_for(self, request):
        if request.is_try:
            return self.tries
        return self.inquiries if request.is_inquiry else self.requests

    def begin_body(self, connection, path):
        """For the handler. A request whose client has left is not counted, even if the handler does not know."""
        with self._change:
            self._bodies[connection] = path
            paths = [p for c, p in self._bodies.items() if _is_open(c)]
            for key, count in ((None, len(paths)), (path, paths.count(path))):
                self.most_at_once[key] = max(count, self.most_at_once.get(key, 0))

    def end_body(self, connection):
        """Counts before the last block: a client that has it may ask for more at once."""
        with self._change:
            self._bodies.pop(connection, None)

    def asked(self, path, method=None):
        with self._change:
            return [r for r in self.requests if r.path == path and method in (None, r.method)]

    def body_bytes(self, path):
        """The bytes of body sent for a path, over all requests."""
        return sum(request.sent for request in self.asked(path))

    def wait(self, condition, seconds=PATIENCE_S):
        """Waits until condition() holds; checks it again after each request."""
        with self._change:
            if not self._change.wait_for(condition, seconds):
                raise TimeoutError("the origin was not asked as expected")

    def wait_asked(self, path, count=1, seconds=PATIENCE_S):
        self.wait(lambda: sum(r.path == path for r in self.requests) >= count, seconds)


def _is_open(connection):
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _cut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was first


def _one_range(text, size):
    """(first, last + 1) of a single byte range; None when it cannot be satisfied."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if not found or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if first == "":
        return max(0, size - int(last)), size
    if int(first) >= size:
        return None
    return int(first), min(size, int(last) + 1) if last else size


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        self.server.origin.note(connection=self.connection)
        try:
            super().handle()
        except OSError:
            pass  # a client that leaves is part of many stories

    def date_time_string(self, timestamp=None):
        return getattr(self, "_date", None) or super().date_time_string(timestamp)

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._request = Request(self.command, self.path, path, headers, range=headers.get("range"))
        resource, count = self.server.origin.find(path, self._request.is_aside)
        self.server.origin.note(self._request)
        self._date = resource.date if resource else None
        if resource is None:
            return self._refuse(404, b"no such thing here")
        if resource.silent:
            resource.silent.wait(PATIENCE_S)
        if resource.latency:
            time.sleep(resource.latency)
        if resource.location:
            return self._refuse(302, b"", Location=resource.location)
        if resource.head_status and self.command == "HEAD":
            return self._refuse(resource.head_status, b"")
        if resource.refuse_range and "range" in headers:
            return self._refuse(resource.refuse_range, b"no ranges")
        if resource.status:
            later = {"Retry-After": str(resource.retry_after)} if resource.retry_after else {}
            return self._refuse(resource.status, resource.body, resource.type, **later)
        if resource.query is not None and urlsplit(self.path).query != resource.query:
            if resource.otherwise is None:
                return self._refuse(403, b"no signature, or an old one")
            resource = replace(resource, body=resource.otherwise)
        if resource.html_only and "json" in headers.get("accept", ""):
            return self._refuse(resource.html_only, b"not in this form")
        return self._serve(resource, count)

    def _refuse(self, status, body, type="text/plain", **headers):
        self._start(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET" and status not in (204, 304):
            self._send(body)

    def _start(self, status):
        self._request.status = status
        self.send_response(status)

    def _etag(self, resource, count):
        if resource.etag:
            return resource.etag(count)
        return f'"{hashlib.md5(resource.body).hexdigest()}"'

    def _not_modified(self, resource, etag):
        seen = self.headers.get("If-None-Match")
        if seen is not None:
            return seen == "*" or bool(etag) and etag in seen
        return self.headers.get("If-Modified-Since") == (resource.modified or "")

    def _wanted(self, resource, etag):
        """The bytes to send: (first, end, partial), or None when out of range."""
        size = len(resource.body)
        text = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        if not text or resource.ignore_range or (condition and condition not in (etag, resource.modified)):
            return 0, size, resource.part_of_all
        span = _one_range(text, size)
        if span and resource.piece:
            span = (span[0], min(span[1], span[0] + resource.piece))
        return (*span, True) if span else None

    def _serve(self, resource, count):
        etag = self._etag(resource, count)
        if self._not_modified(resource, etag):
            return self._refuse(304, b"", ETag=etag)
        if resource.gzip:
            resource = replace(resource, body=gzip.compress(resource.body), ignore_range=True)
        wanted = self._wanted(resource, etag)
        size = len(resource.body)
        if wanted is None:
            return self._refuse(416, b"", **{"Content-Range": f"bytes */{size}"})
        first, end, partial = wanted
        self._start(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
        self._describe(resource, etag, end - first)
        self.end_headers()
        if self.command == "GET":
            self._send_body(resource, first, end)
        return None

    def _describe(self, resource, etag, length):
        self.send_header("Content-Type", resource.type)
        if etag:
            self.send_header("ETag", etag)
        if resource.modified:
            self.send_header("Last-Modified", resource.modified)
        self.send_header("Age", "86400")  # as caches in front of a mirror say: not to be passed on
        if not resource.ignore_range:
            self.send_header("Accept-Ranges", "bytes")
        if resource.gzip:
            self.send_header("Content-Encoding", "gzip")
        elif resource.label:
            self.send_header("Content-Encoding", resource.label)
        if resource.framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif resource.framing == "close":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            claimed = length if resource.length is None else resource.length
            self.send_header("Content-Length", str(claimed))

    def _set_pace(self, pace):
        if pace:  # else megabytes would be in the kernel's hands, and count as sent
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK)
        self.connection.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, pace or -1)

    def _send_body(self, resource, first, end):
        self._set_pace(resource.pace)
        self.server.origin.begin_body(self.connection, self._request.path)
        try:
            self._send_blocks(resource, first, end)
        finally:
            self.server.origin.end_body(self.connection)

    def _send_blocks(self, resource, first, end):
        stop = end if resource.cut_after is None else min(end, resource.cut_after)
        gate = None if self._request.is_try else resource.gate
        position = first
        while position < stop:
            limit = gate.pass_from(position) if gate else stop
            until = min(stop, limit, position + BLOCK)
            if until == stop:
                self.server.origin.end_body(self.connection)
            self._send(resource.body[position:until], resource.framing == "chunked")
            position = until
            if gate:
                gate.note(position)
        lies = resource.length not in (None, end - first)
        if resource.cut_after is not None or lies:
            self.close_connection = True
            _cut(self.connection)
        elif resource.framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, data, chunked=False):
        # Counted first: a client that has the last byte may look at the count at once.
        self._request.sent += len(data)
        if chunked:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self.wfile.write(data)
        self.server.origin.note()
