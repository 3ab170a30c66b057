# SPDX-License-Identifier: Apache-2.0
"""Barriers inside the daemon (tests/preload/gates.c):

    daemon = serve(config, wrap=gates.wrap)
    gates.close("suspend")           # whoever is about to suspend a client stops there
    gates.wait_stopped("suspend")
    gates.open("suspend")
"""

import time

from daemon import PATIENCE, binary

LIBRARY = binary().parent / "tests/preload/libgates.so"


def wait_until(condition, what, seconds=30):
    """Polls for things that send no event: files, /proc, the log."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.002)


class Gates:
    def __init__(self, folder):
        self._folder = folder
        folder.mkdir()
        self._log = folder / "log"
        self._log.touch()
        self._before = {}

    @property
    def wrap(self):
        return ("env", f"LD_PRELOAD={LIBRARY}", f"WHEELYARD_GATES={self._folder}")

    def seen(self, line):
        return self._log.read_text().splitlines().count(line)

    def only(self, point, text):
        """From now on only threads that use a file whose path contains this text stop there."""
        (self._folder / f"{point}.only").write_text(text)

    def close(self, point):
        self._before[point] = self.seen(point)
        (self._folder / point).touch()

    def open(self, point):
        (self._folder / point).unlink()

    def open_all(self):
        for point in self._before:
            (self._folder / point).unlink(missing_ok=True)

    def trace(self, point):
        (self._folder / f"{point}.trace").touch()

    def wait_stopped(self, point, count=1):
        """Waits until that many threads have stopped there since the gate was closed."""
        wait_until(
            lambda: self.seen(point) >= self._before[point] + count, f"{count} stopped at {point}"
        )

    def fail_sync(self):
        """Lets the next thread go on."""
        (self._folder / "sync.fails").touch()

    def make_cold(self):
        """From now on no byte of the disk counts as in memory."""
        (self._folder / "cold").touch()
