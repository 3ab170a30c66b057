# SPDX-License-Identifier: Apache-2.0
"""Users and passwords of mirrors: where they stand, who gets them, and where they never show."""

import os

import pytest

import wire
from daemon import configuration, daemon_environment, flat_mirror, run_wheelyard
from standins import Nginx

SECRET = "s3cr3t"
LINE = "machine {host} login joe password " + SECRET + "\n"


@pytest.fixture
def guarded(tmp_path, trees):
    """A flat mirror that asks for a password."""
    (tmp_path / "htpasswd").write_text("joe:{PLAIN}" + SECRET + "\n")
    extra = f'autoindex on; auth_basic "lab"; auth_basic_user_file {tmp_path}/htpasswd;'
    nginx = Nginx(trees.flat, tmp_path / "guarded", extra)
    yield nginx
    nginx.stop()


def written(tmp_path, text, mode=0o600):
    place = tmp_path / "credentials"
    place.write_text(text)
    place.chmod(mode)
    return place


def shown_by(daemon):
    replies = [daemon.get(path) for path in ("/", "/-/status", "/cu126/simple/torch/", "/cu126/flat/")]
    replies.append(daemon.get("/cu126/simple/torch/", wire.UV_PAGE))
    return daemon.log() + "".join(reply.text for reply in replies)


def test_a_mirror_gets_its_password_and_nobody_sees_it(guarded, serve, library, tmp_path):
    credentials = written(tmp_path, LINE.format(host="127.0.0.1"))
    config = configuration(pytorch=[flat_mirror("lab", guarded.url)], credentials=str(credentials), log_level="debug")
    daemon = serve(config)
    assert daemon.page("torch").status == 200
    wheel = library.torch()
    assert wire.ask(daemon.file_url("pytorch", f"cu126/{wheel.name}")).body == wheel.read_bytes()
    assert SECRET not in shown_by(daemon)


def test_another_host_gets_nothing(origin, serve, tmp_path):
    """Neither a mirror that the file does not name, nor the place that the named one redirects to."""
    credentials = written(tmp_path, LINE.format(host="localhost"))
    near = origin.url.replace("127.0.0.1", "localhost")
    mirror = flat_mirror("lab", near) | {"redirects": [origin.url.removeprefix("http://")]}
    origin.put("/pytorch-wheels/cu126/", b"", location=f"{origin.url}/elsewhere/")
    origin.put("/elsewhere/", b"<a href='torch-2.9.0-py3-none-any.whl'>torch-2.9.0-py3-none-any.whl</a>")
    daemon = serve(configuration(pytorch=[mirror], credentials=str(credentials)))
    daemon.page("torch")
    (first,) = [r for r in origin.requests if r.path == "/pytorch-wheels/cu126/"]
    (second,) = [r for r in origin.requests if r.path == "/elsewhere/"]
    assert first.headers["authorization"].startswith("Basic ")
    assert "authorization" not in second.headers


def test_a_password_that_changes_needs_no_restart(guarded, serve, tmp_path):
    credentials = written(tmp_path, "")
    config = configuration(pytorch=[flat_mirror("lab", guarded.url)], credentials=str(credentials))
    daemon = serve(config)
    refused = daemon.page("torch", headers=wire.UV_PAGE)
    assert refused.status in (403, 503) and "401" in refused.json()["detail"]
    written(tmp_path, LINE.format(host="127.0.0.1"))
    daemon.get("/cu126/simple/torch/", {"Cache-Control": "no-cache"})
    daemon.wait_status(lambda s: s["mirrors"][0]["state"] == "ok")
    assert daemon.page("torch").status == 200


def test_what_systemd_loads_is_found(guarded, serve, tmp_path, monkeypatch):
    """LoadCredential=credentials:FILE gives a copy in $CREDENTIALS_DIRECTORY."""
    written(tmp_path, LINE.format(host="127.0.0.1"), mode=0o440)
    environment = lambda home: {**daemon_environment(home), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    monkeypatch.setattr("daemon.daemon_environment", environment)
    daemon = serve(configuration(pytorch=[flat_mirror("lab", guarded.url)]))
    assert daemon.page("torch").status == 200


@pytest.mark.parametrize("mode, said", [(0o640, "chmod 600"), (0o604, "chmod 600"), (None, "No such file")])
def test_a_file_that_others_may_read_is_refused(tmp_path, mode, said):
    place = tmp_path / "credentials"
    if mode is not None:
        written(tmp_path, LINE.format(host="lab"), mode)
    (tmp_path / "wheelyard.conf").write_text(f'credentials = "{place}"\n')
    done = run_wheelyard("config", "check", tmp_path / "wheelyard.conf", home=tmp_path)
    assert done.returncode == 2 and said in done.stderr and str(place) in done.stderr
    assert SECRET not in done.stderr


def test_a_daemon_that_cannot_read_it_does_not_start(serve, mirrors, tmp_path):
    with pytest.raises(RuntimeError, match="cannot read the credentials .*No such file"):
        serve(configuration(credentials=os.fspath(tmp_path / "nowhere")))
