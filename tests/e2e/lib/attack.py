# SPDX-License-Identifier: Apache-2.0
"""Tools of an attacker, and eyes on the daemon that is attacked."""

import http.client
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import wire

ATTACKER, HONEST = "127.0.0.66", "127.0.0.7"
PATIENCE_S = 60


def connect(daemon, address=ATTACKER, receive=None):
    """A connection from that address; `receive` bytes of buffer for what comes back."""
    parts = urlsplit(daemon.url)
    plug = socket.socket()
    if receive:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    plug.settimeout(PATIENCE_S)
    plug.bind((address, 0))
    plug.connect((parts.hostname, parts.port))
    return plug


def request_for(daemon, path, accept=wire.JSON):
    host = urlsplit(daemon.url).netloc
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n".encode()


def ask(daemon, path, address=HONEST, accept=wire.JSON):
    """(status, body, seconds)"""
    parts = urlsplit(daemon.url)
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=PATIENCE_S, source_address=(address, 0)
    )
    began = time.monotonic()
    try:
        connection.request("GET", path, headers={"Accept": accept})
        reply = connection.getresponse()
        return reply.status, reply.read(), time.monotonic() - began
    finally:
        connection.close()


class Flood:
    """Clients of one address, each of which asks for one path after another and reads the answers."""

    def __init__(self, daemon, paths, clients):
        self.daemon = daemon
        self.count = 0
        self._paths = iter(paths)
        self._lock = threading.Lock()
        self._stopped = False
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _next(self):
        with self._lock:
            self.count += 1
            return None if self._stopped else next(self._paths, None)

    def _run(self):
        parts = urlsplit(self.daemon.url)
        connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=PATIENCE_S, source_address=(ATTACKER, 0)
        )
        while path := self._next():
            try:
                connection.request("GET", path, headers={"Accept": wire.JSON})
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
        connection.close()

    def stop(self):
        self._stopped = True
        for thread in self._threads:
            thread.join(PATIENCE_S)


class Watch(threading.Thread):
    """The most that the daemon had: memory of its own, descriptors."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.folder = Path(f"/proc/{daemon.process.pid}")
        self.bytes = self.descriptors = 0
        self._stopped = threading.Event()
        self.start()

    def look(self):
        for line in (self.folder / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                self.bytes = max(self.bytes, int(line.split()[1]) * 1024)
        self.descriptors = max(self.descriptors, len(os.listdir(self.folder / "fd")))

    def run(self):
        try:
            while not self._stopped.wait(0.05):
                self.look()
        except OSError:
            pass  # it has ended

    def stop(self):
        self._stopped.set()
        self.join()
        return self


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def cpu_seconds(daemon):
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
