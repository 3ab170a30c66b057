# SPDX-License-Identifier: Apache-2.0
"""`audit_log`: one JSON object for each answer with a file and each refusal."""

import json
import os
import stat

import pytest

import wire
from daemon import all_mirrors
from standins import wait_until
from wheels import sha256_of


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.json"


@pytest.fixture
def wheel(library):
    return library.torch()


def url_of(daemon, wheel):
    return daemon.file_url("pytorch", f"cu126/{wheel.name}")


def wait_lines(path, count):
    wait_until(lambda: len(lines(path)) >= count, what=f"{count} lines")
    return lines(path)


def test_what_a_line_says(own_mirrors, serve, wheel, log):
    daemon = serve(all_mirrors(own_mirrors, audit_log=str(log)))
    wire.ask(url_of(daemon, wheel))
    daemon.wait_status(lambda status: status["cache"]["blobs"] == 1, what="kept")
    wire.ask(url_of(daemon, wheel), headers={"Range": "bytes=0-9"})
    wire.ask(url_of(daemon, wheel) + "x")
    daemon.page("torch")
    wait_until(lambda: lines(log)[-1:] and lines(log)[-1]["status"] == 404, what="the last line")
    first, *_, ranged, missing = lines(log)
    assert first["method"] == "GET" and first["client"] == "127.0.0.1" and first["complete"]
    assert first["what"] == f"pytorch/cu126/{wheel.name}" and first["decision"] == "allowed"
    assert first["bytes"] == wheel.stat().st_size and first["time"].endswith("Z")
    assert ranged["status"] == 206 and ranged["trust"] == "authority"
    assert ranged["digest"] == f"sha256:{sha256_of(wheel)}"
    assert missing["decision"] == "failed" and "digest" not in missing
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o640


def test_what_is_denied_has_its_rule(own_mirrors, serve, wheel, log):
    deny = [{"what": "torch", "reason": "not here"}]
    daemon = serve(all_mirrors(own_mirrors, audit_log=str(log), deny=deny))
    assert wire.ask(url_of(daemon, wheel)).status == 403
    (line,) = wait_lines(log, 1)
    assert line["decision"] == "denied" and line["rule"].endswith('by "torch": not here')


def test_a_reload_opens_it_anew(own_mirrors, serve, wheel, log, tmp_path):
    config = all_mirrors(own_mirrors, audit_log=str(log))
    daemon = serve(config)
    wire.ask(url_of(daemon, wheel), "HEAD")
    wait_lines(log, 1)
    log.rename(tmp_path / "rotated")
    daemon.reconfigure(config)
    wait_until(log.exists, what="a new file")
    wire.ask(url_of(daemon, wheel), "HEAD")
    wait_lines(log, 1)
    assert len(lines(tmp_path / "rotated")) == 1
    daemon.reconfigure(all_mirrors(own_mirrors))
    wait_until(lambda: daemon.log().count("configuration reloaded") == 2, what="reloaded")
    wire.ask(url_of(daemon, wheel), "HEAD")
    daemon.stop()
    assert len(lines(log)) == 1


def test_a_log_that_cannot_be_written(own_mirrors, serve, wheel, tmp_path):
    """Clients are answered; the status says so, until it can be written."""
    log = tmp_path / "folder" / "audit.json"
    daemon = serve(all_mirrors(own_mirrors, audit_log=str(log)))
    assert wire.ask(url_of(daemon, wheel), "HEAD").status == 200

    def is_told(status):
        return [p for p in status["problems"] if p["kind"] == "audit-log"]

    (problem,) = is_told(daemon.wait_status(is_told, what="a problem"))
    assert problem["path"] == str(log) and "No such file" in problem["detail"]
    log.parent.mkdir()
    assert wire.ask(url_of(daemon, wheel), "HEAD").status == 200
    told = lambda: sum(1 + line.get("lost", 0) for line in lines(log))
    wait_until(lambda: told() == 2, what="a line, and how many were lost before it")
    daemon.wait_status(lambda status: not is_told(status), what="no problem")
