# SPDX-License-Identifier: Apache-2.0
"""A bad line to a stand-in mirror: far, slow, and cut now and then.

    with Origin() as origin, Line(origin.url, latency_s=0.3, rate=150_000) as line:
        client.install("--find-links", f"{line.url}/pytorch-wheels/cpu/", ...)
        assert line.sent < 3_000_000

A forwarder of TCP connections on loopback. All connections of a line share its rate in turn, as
downloads over one modem do. A request waits one latency before the server sees it, the first of a
connection two (a handshake comes before it). With `cut_every` a connection ends without a word after so
many bytes. Bytes towards the server cost nothing: they are few.

A captive portal stands in the line when portal() says so: from a certain request on it answers, in the
place of the server, a certain number of requests.
"""

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

BLOCK = 8 << 10  # what a connection sends before it is the next one's turn
BUFFER = 64 << 10  # as little as possible lies in kernels, where no rate holds it back


class _Turns:
    """The time at which the next block has crossed the line. Each connection waits for its block before it takes another,
    so all of them have the same share."""

    def __init__(self, rate):
        self._rate, self._free_at, self._lock = rate, 0.0, threading.Lock()

    def wait(self, count):
        if self._rate is None:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / self._rate
            delay = self._free_at - time.monotonic()
        time.sleep(max(0.0, delay))


class Line:
    def __init__(self, url, latency_s=0.0, rate=None, cut_every=None):
        """`rate` in bytes per second; None: no limit."""
        there = urlsplit(url)
        self._there = there.hostname, there.port
        self._latency_s, self._cut_every, self._turns = latency_s, cut_every, _Turns(rate)
        self._lock, self._sockets = threading.Lock(), set()
        self.sent = 0  # bytes towards clients, headers included
        self.cuts = 0
        self.asked = []  # request lines, those that the portal answered included
        self.portal_answers = 0
        self._portal = None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def portal(self, after, times, answer):
        """After that many further requests, answers this number of requests with these bytes."""
        with self._lock:
            self._portal = [after, times, answer]

    def portal_ends(self):
        """Ends it now. Returns how many requests it has answered."""
        with self._lock:
            self._portal = None
            return self.portal_answers

    def close(self):
        with self._lock:
            left = [self._listener, *self._sockets]
        for each in left:
            _end(each)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = stack.enter_context(socket.socket())
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.connect(self._there)
            pair = {client, server}
            with self._lock:
                self._sockets |= pair
            stack.callback(self._forget, pair)
            asking = threading.Thread(target=self._ask, args=(client, server), daemon=True)
            asking.start()
            self._answer(server, client)
            for each in pair:
                _end(each)
            asking.join()

    def _forget(self, pair):
        with self._lock:
            self._sockets -= pair

    def _ask(self, client, server):
        """Copies from the client to the server, request by request; no request has a body."""
        with contextlib.suppress(OSError):
            time.sleep(self._latency_s)
            waiting = b""
            while more := client.recv(BUFFER):
                waiting += more
                while b"\r\n\r\n" in waiting:
                    head, waiting = waiting.split(b"\r\n\r\n", 1)
                    time.sleep(self._latency_s)
                    if answer := self._note(head):
                        client.sendall(answer)
                        return _end(server)
                    server.sendall(head + b"\r\n\r\n")
            server.shutdown(socket.SHUT_WR)

    def _note(self, head):
        """Counts a request. Returns the portal's answer when the portal is on."""
        with self._lock:
            self.asked.append(head.split(b"\r\n", 1)[0].decode())
            if not self._portal:
                return None
            after, times, answer = self._portal
            if after > 0:
                self._portal[0] -= 1
                return None
            self._portal = [0, times - 1, answer] if times > 1 else None
            self.portal_answers += 1
            return answer

    def _answer(self, server, client):
        """Copies from the server to the client, block by block."""
        left = self._cut_every
        while block := server.recv(BLOCK if left is None else min(BLOCK, left)):
            self._turns.wait(len(block))
            client.sendall(block)
            with self._lock:
                self.sent += len(block)
            if left is not None:
                left -= len(block)
                if not left:
                    with self._lock:
                        self.cuts += 1
                    return


def _end(each):
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


def portal_page(body):
    """A sign-in page in place of the requested thing."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode() + body


def portal_redirect(url):
    """A redirect to the host of the sign-in page."""
    head = f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n"
    return f"{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode()
