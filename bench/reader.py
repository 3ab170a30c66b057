# SPDX-License-Identifier: Apache-2.0
"""Clients that throw the bytes away inside the kernel (MSG_TRUNC), so that they are not the bottleneck.

    readers = [Reader(port, path) for _ in range(20)]
    read_all(readers, limit_s=60)                     # to the end of each
    read_until(readers, lambda: readers[0].got > n)   # or until something is so

A reader whose reply is no 2xx, or ends before its length, has `fault` set and is done. One that was
given the `truth` takes the bytes out of the kernel and compares each of them.
"""
import select
import socket
import time
import urllib.parse

BLOCK = 1 << 20


class Reader:
    """One request on a connection of its own; `begin`, `first` and `done` are monotonic times.

    `truth`: what the body must be, sliceable (an mmap), from `at` on.
    """

    def __init__(self, port, path, headers="", method="GET", truth=None, at=0):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.method, self.truth, self.at = method, truth, at
        self.head, self.length = b"", -1
        self.got, self.first, self.done, self.fault = 0, 0.0, 0.0, ""
        self.begin = time.monotonic()
        request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\n{headers}\r\n"
        self.socket.sendall(request.encode())

    def readable(self, block):
        try:
            if self.length < 0:
                self._read_head()
            else:
                got = self.socket.recv_into(block, BLOCK, 0 if self.truth else socket.MSG_TRUNC)
                self._take(block, got)
        except OSError as error:
            self._fail(str(error))

    def _read_head(self):
        got = self.socket.recv(4096)
        self.head += got
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not got:
            self._fail("no reply")
        elif end:
            lines = head.split(b"\r\n")
            fields = dict(line.lower().split(b":", 1) for line in lines[1:])
            status = lines[0].split()[1].decode()
            if status[0] != "2" or b"content-length" not in fields:
                self._fail(status if status[0] != "2" else "no length")
                return
            self.length = int(fields[b"content-length"]) if self.method != "HEAD" else 0
            if body or self.length == 0:
                self._take(body, len(body))

    def _take(self, block, got):
        at = self.at + self.got
        self._count(got)
        if self.truth and block[:got] != self.truth[at:at + got]:
            self._fail(f"**wrong bytes** at {at}")

    def _count(self, got):
        now = time.monotonic()
        self.first = self.first or now
        self.got += got
        if self.got == self.length:
            self.done = now
        elif not got:
            self._fail(f"cut at {self.got}")

    def _fail(self, fault):
        self.fault, self.done = fault, time.monotonic()

    def first_s(self):
        return self.first - self.begin

    def total_s(self):
        return self.done - self.begin

    def close(self):
        self.socket.close()


def read_until(readers, is_enough, limit_s=120, each=lambda: None):
    """Reads until `is_enough()`, all are done, or the limit; `each` is called about every 50 ms."""
    poll, block = select.epoll(), bytearray(BLOCK)
    active = {reader.socket.fileno(): reader for reader in readers if not reader.done}
    for fd in active:
        poll.register(fd, select.EPOLLIN)
    end, next_at = time.monotonic() + limit_s, 0.0
    while active and not is_enough() and time.monotonic() < end:
        for fd, _ in poll.poll(0.02):
            active[fd].readable(block)
            if active[fd].done:
                poll.unregister(fd)
                del active[fd]
        if time.monotonic() >= next_at:
            each()
            next_at = time.monotonic() + 0.05
    poll.close()


def read_all(readers, limit_s=120, each=lambda: None):
    """To the end of each; closes them. A reader that had no end in time has a fault, too."""
    read_until(readers, lambda: False, limit_s, each)
    for reader in readers:
        if not reader.done:
            reader.fault, reader.done = "no end", time.monotonic()
        reader.close()


def ask_again(url, headers, connections, seconds):
    """For so long one request after the other over each connection; how many were answered by 304."""
    address = urllib.parse.urlsplit(url)
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {address.path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()
    poll, sockets, answered = select.epoll(), {}, 0
    for _ in range(connections):
        one = socket.create_connection((address.hostname, address.port))
        sockets[one.fileno()] = one
        poll.register(one, select.EPOLLIN)
        one.sendall(request)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for fd, _ in poll.poll(1):
            head = sockets[fd].recv(4096)
            if not head.startswith(b"HTTP/1.1 304 ") or not head.endswith(b"\r\n\r\n"):
                raise ValueError(f"{url}: {head[:80]}")
            answered += 1
            sockets[fd].sendall(request)
    for one in sockets.values():
        one.close()
    return answered
