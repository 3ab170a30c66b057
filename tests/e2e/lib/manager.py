# SPDX-License-Identifier: Apache-2.0
"""An imitation of systemd for a service: the socket for notices, the sockets that it opened, the
watchdog it asks to be fed; and the one cruelty it cannot do, a thread that stands still."""

import contextlib
import ctypes
import os
import socket
import time
from pathlib import Path

from daemon import PATIENCE

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WAIT_FOR_THREADS = 0x40000000  # __WALL

# Run between fork and exec: descriptors from 3 on, and the variables that say so. They are moved out
# of the way first, because the numbers they come under may be among those.
ACTIVATE = """
import fcntl, os, sys
sockets = [fcntl.fcntl(int(n), fcntl.F_DUPFD, 256) for n in sys.argv[1].split(",")]
for number, opened in enumerate(sockets, 3):
    os.dup2(opened, number)
os.closerange(3 + len(sockets), 1024)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
os.environ.update(LISTEN_FDNAMES=":".join(["http"] * len(sockets)))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """serve(config, **manager.options()) starts a daemon under it."""

    def __init__(self, folder, watchdog_ms=0):
        self._watchdog_ms = watchdog_ms
        self._path = Path(folder) / "notify"
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(self._path))
        self.sockets = []

    def listen(self, address, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        opened = socket.socket(family, kind)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            opened.listen(128)
        self.sockets.append(opened)
        return opened.getsockname()[1]

    def options(self):
        """The options with which a daemon is started."""
        numbers = [opened.fileno() for opened in self.sockets]
        variables = [f"NOTIFY_SOCKET={self._path}"]
        if self._watchdog_ms:
            variables.append(f"WATCHDOG_USEC={self._watchdog_ms * 1000}")
        if not numbers:
            return {"wrap": ("env", *variables)}
        numbers = ",".join(map(str, numbers))
        return {
            "wrap": ("env", *variables, "/usr/bin/python3", "-c", ACTIVATE, numbers),
            "pass_fds": [opened.fileno() for opened in self.sockets],
        }

    def next(self, seconds=30):
        """The next notice, a dict; None when there is none in that time."""
        self._notices.settimeout(seconds * PATIENCE)
        try:
            lines = self._notices.recv(4096).decode().splitlines()
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in lines)

    def wait(self, name, seconds=30):
        """The next notice that sets `name`; pings and other notices are skipped."""
        deadline = time.monotonic() + seconds * PATIENCE
        while time.monotonic() < deadline:
            notice = self.next(seconds)
            if notice and name in notice:
                return notice
        raise AssertionError(f"no {name} within {seconds} s")

    def close(self):
        for opened in (*self.sockets, self._notices):
            opened.close()


@contextlib.contextmanager
def standing_still(process, name):
    """Stops the thread of that name for the duration, as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def trace(request, thread):
        if libc.ptrace(request, thread, None, None):
            raise OSError(ctypes.get_errno(), "ptrace")

    tasks = Path(f"/proc/{process.pid}/task")
    (thread,) = (
        int(task.name) for task in tasks.iterdir() if (task / "comm").read_text() == f"{name}\n"
    )
    trace(PTRACE_SEIZE, thread)
    trace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WAIT_FOR_THREADS)
    try:
        yield
    finally:
        trace(PTRACE_DETACH, thread)
