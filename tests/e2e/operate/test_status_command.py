# SPDX-License-Identifier: Apache-2.0
"""`wheelyard status` and `wheelyard health`: one screen, and exit codes that a script can use."""

import json
import os
import pty
import subprocess

import pytest

import wire
from daemon import PATIENCE, binary, configuration, daemon_environment, flat_and_pypi, flat_mirror
from daemon import run_wheelyard
from origin import Gate
from standins import flat_page
from wheels import build


def _run(daemon, *arguments, home):
    return run_wheelyard(*arguments, "--url", daemon.url, home=home)


def test_one_screen(serve, mirrors, tmp_path):
    daemon = serve(flat_and_pypi(mirrors))
    daemon.page("torch")
    shown = _run(daemon, "status", home=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"wheelyard 0.1.0 at {daemon.url}, up ")
    for part in ("\nDisk      [", "\nSaved     ", "\nIn all    ", "\nMirrors\n", "\nNo problems.\n"):
        assert part in shown.stdout
    assert "  pytorch    aliyun         well, answers in " in shown.stdout
    assert len(shown.stdout.splitlines()) < 24
    as_json = _run(daemon, "status", "--json", home=tmp_path)
    assert json.loads(as_json.stdout).keys() == daemon.status().keys()


def test_running_downloads_have_bars(serve, origin, tmp_path):
    wheel = build(tmp_path / "w", "torch", "2.9.0+cu126", padding=3_000_000)
    body = wheel.read_bytes()
    gate = Gate(1_000_000)
    origin.put_page("/pytorch-wheels/cu126/", flat_page("cu126", [(wheel.name, len(body))]))
    origin.put(f"/pytorch-wheels/cu126/{wheel.name}", body, gate=gate)
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", origin.url)]))
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    try:
        daemon.wait_status(lambda s: s["flights"] and s["flights"][0]["bytes"] > 0, what="bytes came")
        shown = _run(daemon, "status", home=tmp_path).stdout
        line = next(row for row in shown.splitlines() if row.startswith("  torch-2.9.0+cu126"))
        assert "[" in line and "of 3.0 MB, 1 reader, from aliyun" in line, line
    finally:
        gate.open()
        download.wait_end()


def test_problems_end_in_1_with_what_to_do(serve, origin, tmp_path):
    origin.put("/pytorch-wheels/cu126/", b"<html><body>Log in</body></html>", type="text/html")
    daemon = serve(configuration(pytorch=[flat_mirror("aliyun", origin.url)]))
    daemon.page("torch")
    daemon.wait_status(lambda s: s["problems"], what="a problem")
    shown = _run(daemon, "status", home=tmp_path)
    assert shown.returncode == 1
    assert "\nProblems\n  bad-listing: " in shown.stdout
    assert "\n    what to do: look at that page with a browser" in shown.stdout


def test_watching_draws_over_the_last_screen(serve, mirrors, tmp_path):
    """On a terminal; Ctrl-C ends it."""
    daemon = serve(flat_and_pypi(mirrors))
    ours, theirs = pty.openpty()
    command = [binary(), "status", "--watch", "--url", daemon.url]
    with subprocess.Popen(
        command, stdout=theirs, stderr=theirs, env=daemon_environment(tmp_path), cwd=tmp_path
    ) as watcher:
        os.close(theirs)
        seen = b""
        while seen.count(b"\x1b[H\x1b[J") < 3:
            seen += os.read(ours, 65536)
        daemon.stop()
        assert watcher.wait(20 * PATIENCE) == 3, "the daemon has gone"
    os.close(ours)
    assert seen.count(b"wheelyard 0.1.0 at ") >= 2


@pytest.mark.parametrize("command", ["status", "health"])
def test_exit_codes(serve, mirrors, tmp_path, command):
    daemon = serve(flat_and_pypi(mirrors))
    assert _run(daemon, command, home=tmp_path).returncode == 0
    assert _run(daemon, command, "--nonsense", home=tmp_path).returncode == 2
    assert _run(daemon, command, "--watch", "--help", home=tmp_path).returncode in (0, 2)
    daemon.stop()
    gone = _run(daemon, command, home=tmp_path)
    assert gone.returncode == 3 and gone.stderr


def test_health_is_1_while_it_cannot_serve(origin, tmp_path):
    origin.put("/-/ready", b"{}", status=503)
    shown = run_wheelyard("health", "--url", origin.url, home=tmp_path)
    assert shown.returncode == 1 and "503" in shown.stderr
