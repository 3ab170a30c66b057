# SPDX-License-Identifier: Apache-2.0
"""What the system refuses, and what is said of it: which path or port, who has it, what to do."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from daemon import binary, configuration, daemon_environment, flat_mirror, official_mirror, pypi_mirror
from origin import Origin
from standins import anchor, free_port, simple_page
from test_doctor import run_doctor
from wheels import build, sha256_of

CONFIG = configuration(pypi=[pypi_mirror("m", "http://127.0.0.1:9")])
# root without what makes it more than another user
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
NO_LOW_PORTS = ["unshare", "--net", "setpriv", "--bounding-set=-net_bind_service"]


def _refused(tmp_path, *flags, wrap=(), environment=None):
    """What `wheelyard serve` says that cannot start."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    done = subprocess.run(
        [*wrap, binary(), "serve", "--config", config, *map(str, flags)],
        env={**daemon_environment(tmp_path), **(environment or {})},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return done.stderr


def _needs(wrap):
    if os.geteuid() != 0 or subprocess.run([*wrap, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can give up rights one by one")


@pytest.fixture(name="closed")
def _closed(tmp_path):
    """A folder of another user's, which nobody else may enter."""
    _needs(WITHOUT_RIGHTS)
    folder = Path(tempfile.mkdtemp(prefix="wy", dir=tmp_path.parent))
    folder.chmod(0o700)
    os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder)


def test_a_port_that_another_program_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _refused(tmp_path, "--cache-dir", tmp_path / "cache", "--listen", f"127.0.0.1:{port}")
    name = Path("/proc/self/comm").read_text().strip()
    assert f"cannot listen on 127.0.0.1:{port}: another process has the port" in said
    assert f"({name}, pid {os.getpid()})" in said and "set listen" in said


def test_a_port_that_takes_rights(tmp_path):
    _needs(NO_LOW_PORTS)
    said = _refused(
        tmp_path, "--cache-dir", tmp_path / "cache", "--listen", "127.0.0.1:80", wrap=NO_LOW_PORTS
    )
    assert "cannot listen on 127.0.0.1:80" in said and "this user may not open port 80" in said
    assert "set listen" in said and "cache" not in said.replace("--cache-dir", "")


def test_a_cache_in_a_folder_of_somebody_else(tmp_path, closed):
    listen = ("--listen", "127.0.0.1:0")
    said = _refused(tmp_path, "--cache-dir", closed, *listen, wrap=WITHOUT_RIGHTS)
    assert f"{closed} belongs to nobody: user root may not write there" in said
    assert "set cache_dir" in said
    os.chmod(closed, 0o755)
    said = _refused(tmp_path, "--cache-dir", closed / "new", *listen, wrap=WITHOUT_RIGHTS)
    assert f"{closed}/new cannot be made in {closed}, which belongs to nobody" in said


def test_no_place_for_the_control_socket(tmp_path, closed, serve):
    """A daemon without one serves; it says where it could not be, why, and what to do."""
    daemon = serve(f'socket = "{closed}/control.sock"\n{CONFIG}', wrap=WITHOUT_RIGHTS)
    log = daemon.wait_log("no control socket")
    (said,) = [line for line in log.splitlines() if "no control socket" in line]
    assert f"no control socket at {closed}/control.sock: {closed} belongs to nobody" in said
    assert "key socket" in said and "cache directory" not in log
    daemon.stop()


# -------------------------------------------------------------------- proxies


@pytest.mark.parametrize("by", ["key", "environment"])
def test_a_proxy_that_is_not_running(tmp_path, serve, by):
    """It is named, in answers, problems and by doctor: the mirror has done nothing wrong."""
    port = free_port()
    proxy = f"http://joe:s3cr3t@127.0.0.1:{port}"
    top = {"proxy": proxy} if by == "key" else {}
    place = Path(tempfile.mkdtemp(prefix="wy"))
    config = configuration(
        pytorch=[flat_mirror("flat", "http://mirror.lab:9")], socket=str(place / "control.sock"), **top
    )
    wrap = () if by == "key" else ("env", f"http_proxy={proxy}")
    daemon = serve(config, wrap=wrap)
    told = f"proxy 127.0.0.1:{port} refused the connection"
    reply = daemon.page("torch")
    assert reply.status in (502, 503) and told in reply.body.decode(), reply.body
    file = daemon.get("/files/pytorch/cu126/torch-2.9.0%2Bcu126-cp312-cp312-linux_x86_64.whl")
    assert told in file.body.decode() or file.status == 200
    own = ("--config", daemon.folder / "config.toml", "--url", daemon.url)
    report = run_doctor(tmp_path / "home", *own, "--socket", place / "control.sock")
    (check,) = report.of("mirror-listing", "pytorch/flat")
    assert told in check["text"] and "start the proxy" in check["remedy"]
    assert "s3cr3t" not in report.text + daemon.log() + str(daemon.status())
    shutil.rmtree(place)


# ----------------------------------------------------------------------- room


@pytest.mark.parametrize(
    "limits, says",
    [
        (dict(max_size="1MB", min_free=0), "no room below max_size"),
        (dict(max_size="1TB", min_free="1000TB"), "no room above min_free"),
    ],
)
def test_which_limit_has_no_room(tmp_path, serve, limits, says):
    wheel = build(tmp_path / "built", "torch", "1.0", padding=3_000_000)
    body = wheel.read_bytes()
    with Origin() as origin:
        path = f"/whl/cu126/{wheel.name}"
        origin.put_page("/whl/cu126/torch/", simple_page("torch", [anchor(path, wheel.name, sha256_of(body))]))
        origin.put(path, body)
        daemon = serve(configuration(pytorch=[official_mirror("m", origin.url)], **limits))
        assert daemon.page("torch").status == 200
        reply = daemon.get(f"/files/pytorch/cu126/{wheel.name}")
        assert reply.body == body
        status = daemon.wait_status(lambda s: s["problems"], what="the problem")
        (problem,) = status["problems"]
        assert problem["kind"] == "not-kept" and says in problem["detail"]
        daemon.stop()
