# SPDX-License-Identifier: Apache-2.0
"""What mirrors write reaches a terminal without what terminals obey, and without what turns the
direction of writing: commands, their JSON, the log."""

import html
import json
import re

import pytest

import wire
from daemon import configuration, pypi_mirror, run_wheelyard
from standins import simple_page
from wheels import build

HARM = "\x9b31m\u202eevil\u2066\u200f\u061c\x7f"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture(name="daemon")
def _daemon(origin, serve, tmp_path):
    body = build(tmp_path / "built", "demo", "1.0").read_bytes()
    reason = html.escape(f"bad {HARM}")
    link = f'<a href="/packages/{WHEEL}" data-yanked="{reason}">x</a>'
    other = f'<a href="/packages/demo-2.0-py3-none-any.whl" data-requires-python="{reason}">x</a>'
    origin.put_page("/simple/demo/", simple_page("demo", [link, other]))
    origin.put(f"/packages/{WHEEL}", body)
    return serve(configuration(pypi=[pypi_mirror("lan", origin.url)]))


@pytest.mark.parametrize("command", [
    ("wheels", "demo"), ("wheels", "demo", "--json"), ("wheels", "demo==1.0", "--json"),
    ("explain", "demo==1.0", "--python", "3.11"), ("explain", "demo==2.0", "--python", "3.11"),
    ("explain", "demo", "--python", "3.11", "--json"),
])  # fmt: skip
def test_what_a_page_says_is_printed_harmless(daemon, tmp_path, command):
    done = run_wheelyard(*command, "--url", daemon.index(""), home=tmp_path)
    assert done.stdout + done.stderr and not OBEYED.search(done.stdout + done.stderr)
    if "--json" in command:
        json.loads(done.stdout)


def test_json_is_harmless_and_still_says_it(daemon):
    reply = daemon.page("demo", index="")
    assert not OBEYED.search(reply.body.decode())
    (yanked,) = [f["yanked"] for f in reply.json()["files"] if f["filename"] == WHEEL]
    assert "evil" in yanked and "\u202e" in yanked
    assert not OBEYED.search(daemon.get("/-/status").body.decode())


def test_the_log_is_harmless(daemon):
    wire.ask(daemon.file_url("pypi", "packages/demo-1.0%C2%9B31m%E2%80%AE-py3-none-any.whl"))
    log = daemon.wait_log("demo-1.0")
    assert not OBEYED.search(log)
