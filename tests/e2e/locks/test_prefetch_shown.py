# SPDX-License-Identifier: Apache-2.0
"""What `wheelyard prefetch` shows while it runs, and how it ends early."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest

from daemon import PATIENCE, binary, configuration, daemon_environment, flat_mirror, run_wheelyard
from origin import Gate
from standins import flat_page
from wheels import build, sha256_of

DONE, FAILED, UNREACHABLE = 0, 1, 3
SMALL, LARGE = (f"torch-2.{minor}.0+cu126-py3-none-any.whl" for minor in (8, 9))


@pytest.fixture
def gate():
    """Of the large wheel: its bodies stop after a quarter of it."""
    closed = Gate(1_000_000)
    yield closed
    closed.open()


@pytest.fixture
def world(origin, serve, place, tmp_path, gate):
    """(daemon, lock): a lock that wants two wheels."""
    text = 'lock-version = "1.0"\ncreated-by = "a test"\n'
    rows = []
    for name, padding in ((SMALL, 100_000), (LARGE, 4_000_000)):
        wheel = build(tmp_path / "wheels", "torch", name.split("-")[1], padding=padding)
        rows.append((name, wheel.stat().st_size))
        origin.put(f"/pytorch-wheels/cu126/{name}", wheel, **({"gate": gate} if name == LARGE else {}))
        url = f"https://download.pytorch.org/whl/cu126/{name.replace('+', '%2B')}"
        text += f'[[packages]]\nname = "torch"\nversion = "{name.split("-")[1]}"\n[[packages.wheels]]\n'
        text += f'url = "{url}"\nsize = {rows[-1][1]}\nhashes = {{ sha256 = "{sha256_of(wheel)}" }}\n'
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", rows))
    lock = tmp_path / "pylock.toml"
    lock.write_text(text)
    mirrors = [flat_mirror("flat", origin.url)]
    return serve(configuration(pytorch=mirrors, socket=str(place), stall_timeout="60s")), lock


@pytest.fixture
def begin(world, place, tmp_path):
    """begin(...): a prefetch that runs."""
    daemon, lock = world
    running = []

    def run(*arguments, **options):
        command = [binary(), "prefetch", lock, "--config", daemon.folder / "config.toml", "--socket", place]
        command += [*arguments]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        running.append(subprocess.Popen(command, env=daemon_environment(tmp_path), cwd=tmp_path, **options))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Terminal:
    """A pseudo-terminal of 100 columns, and all that was written to it."""

    def __init__(self):
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.text = ""

    def read_until(self, condition):
        while not condition(self.text):
            try:
                more = os.read(self._ours, 65536).decode()
            except OSError:  # nobody has the other end
                more = ""
            assert more, self.text
            self.text += more

    def read_all(self):
        os.close(self.theirs)
        try:
            while more := os.read(self._ours, 65536):
                self.text += more.decode()
        except OSError:
            pass
        os.close(self._ours)

    def blocks(self):
        """The lines of each drawing."""
        blocks = re.split(r"\033\[\d+A\r\033\[J", self.text)
        return [block.replace("\r", "").replace("\033[K", "").splitlines() for block in blocks]


def test_a_bar_and_a_line_for_each_running_file(begin, gate):
    terminal = Terminal()
    process = begin(stdout=terminal.theirs, stderr=terminal.theirs)
    gate.wait_reached(1_000_000)
    terminal.read_until(lambda text: "1 of 2 files" in text and f"{LARGE}\r\n" in text and " 24 % of" in text)
    gate.open()
    assert process.wait(60 * PATIENCE) == DONE
    terminal.read_all()
    drawn = [block[-2:] for block in terminal.blocks() if len(block) > 1 and block[-1].endswith(".whl")]
    whole, file = next(pair for pair in drawn if "1 of 2 files" in pair[0] and " 24 % of" in pair[1])
    assert whole.startswith("[#") and "] " in whole and " of 4.1 MB" in whole
    assert file.startswith("   24 % of 4.0 MB  torch-2.9.0+cu126")
    assert all(len(line) < 100 for block in terminal.blocks() for line in block if "%" in line)
    assert terminal.blocks()[-1] == ["2 of 2 files are in the cache"]  # the bar has gone


def test_lines_for_a_pipe(begin, gate):
    gate.open()
    process = begin()
    out, err = process.communicate(timeout=60 * PATIENCE)
    assert (process.returncode, err) == (DONE, b"")
    lines = out.decode().splitlines()
    assert lines[0] == "2 files, 4 MB; 0 are held, 2 are to be fetched (4 MB)"
    assert sorted(line.split(": ")[1] for line in lines[2:]) == [SMALL, LARGE]
    assert [line.split(":")[0] for line in lines[2:]] == ["1 of 2", "2 of 2"]
    assert "\033" not in out.decode()


def test_the_plan_says_how_long(world, begin, gate, place, tmp_path):
    daemon, _ = world
    gate.open()
    first = begin("--dry-run").communicate(timeout=60)[0].decode()
    assert "how long it takes is not known" in first
    assert json.loads(begin("--dry-run", "--json").communicate(timeout=60)[0])["seconds"] is None
    assert begin().wait(60 * PATIENCE) == DONE
    held = json.loads(begin("--dry-run", "--json").communicate(timeout=60)[0])
    assert held["seconds"] == 0 and held["stopped"] is False
    run_wheelyard("cache", "rm", LARGE, "--socket", place, home=tmp_path)
    daemon.wait_status(lambda s: s["mirrors"][0]["rate_bytes_s"] > 0, what="the mirror is measured")
    again = begin("--dry-run").communicate(timeout=60)[0].decode()
    assert "about 1 s at the rates that the mirrors have shown" in again


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_it_cleanly(world, begin, gate, number):
    daemon, _ = world
    process = begin()
    assert process.stdout.readline() and process.stdout.readline()
    assert process.stdout.readline().decode() == f"1 of 2: {SMALL}\n"
    gate.wait_reached(1_000_000)
    process.send_signal(number)
    out, err = process.communicate(timeout=10 * PATIENCE)
    assert process.returncode == FAILED and out == b""
    assert err == b"wheelyard prefetch: stopped; 1 of 2 files are in the cache; run it again to go on\n"
    # Nobody waits for the file any more, in the daemon neither.
    daemon.wait_status(lambda s: not any(f["readers"] for f in s["flights"]), what="no reader")
    gate.open()
    assert begin().wait(60 * PATIENCE) == DONE


def test_a_signal_leaves_json_whole(begin, gate):
    process = begin("--json")
    gate.wait_reached(1_000_000)
    process.send_signal(signal.SIGINT)
    said = json.loads(process.communicate(timeout=10 * PATIENCE)[0])
    assert process.returncode == FAILED and said["stopped"] is True and said["problems"] == []
    assert not {f["name"]: f["held"] for f in said["files"]}[LARGE]


def test_killed_commands_hold_nothing_up(world, begin, gate, place, tmp_path):
    """More of them than the daemon has threads for requests."""
    daemon, _ = world
    for count in range(12):
        process = begin()
        gate.wait_reached(1_000_000)
        daemon.wait_status(
            lambda s: any(f["path"].endswith(LARGE) and f["readers"] for f in s["flights"]), what="it is read"
        )
        process.kill()
        process.communicate()
        daemon.wait_status(lambda s: not any(f["readers"] for f in s["flights"]), what=f"no reader, {count}")
    done = run_wheelyard("cache", "ls", "--socket", place, home=tmp_path)
    assert done.returncode == DONE and SMALL in done.stdout
    gate.open()
    assert begin().wait(60 * PATIENCE) == DONE


def test_commands_answer_while_many_fetch(world, begin, gate, place, tmp_path):
    """The large file of six commands waits for the mirror, and `cache ls` does not."""
    daemon, _ = world
    processes = [begin() for _ in range(6)]
    daemon.wait_status(
        lambda s: any(f["path"].endswith(LARGE) and f["readers"] == 6 for f in s["flights"]), what="all read it"
    )
    done = run_wheelyard("cache", "ls", "--socket", place, home=tmp_path, seconds=10)
    assert done.returncode == DONE and SMALL in done.stdout
    gate.open()
    for process in processes:
        assert process.wait(60 * PATIENCE) == DONE


def test_the_daemon_goes_away(world, begin, gate):
    daemon, _ = world
    process = begin()
    gate.wait_reached(1_000_000)
    daemon.process.kill()
    _, err = process.communicate(timeout=20 * PATIENCE)
    assert process.returncode == UNREACHABLE and b"run the command again when the daemon is there" in err
