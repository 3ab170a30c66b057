# SPDX-License-Identifier: Apache-2.0
"""`wheelyard doctor`: each fault of a mirror, of the daemon and of the disk is found and named."""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from daemon import (
    PATIENCE,
    REPORTS,
    binary,
    configuration,
    daemon_environment,
    flat_mirror,
    official_mirror,
    pypi_mirror,
)
from origin import PORTAL_PAGE, Origin
from standins import Nginx, anchor, flat_page, free_port, simple_page, wait_until
from test_full_disk import disk  # noqa: F401  pylint: disable=unused-import
from wheels import build, sha256_of

WELL, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
MEGABYTE = 1 << 20
FLAT = "/pytorch-wheels/cu126/"
PIP = "/simple/pip/"


class Report:
    def __init__(self, done):
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        assert not REPORTS.search(self.text), self.text
        try:
            document = json.loads(done.stdout)
            assert document["code"] == self.code
            self.checks = document["checks"]
        except ValueError:
            self.checks = []

    def of(self, check, subject=None):
        return [c for c in self.checks if c["check"] == check and subject in (None, c["subject"])]

    def state(self, check, subject=None):
        (only,) = self.of(check, subject)
        assert only["state"] == "ok" or only.get("remedy"), f"what is to be done? {only}"
        return only["state"]

    def troubles(self):
        """What is not ok, but for what the machine that runs the tests brings along."""
        own = {"disk-kind", "disk-sparse", "disk-fallocate", "client-index", "mirror-speed"}
        return {
            (c["subject"], c["check"], c["state"])
            for c in self.checks
            if c["state"] != "ok" and c["check"] not in own
        }


def run_doctor(home, *arguments, environment=None, folder=None, as_json=True):
    home = Path(home)
    home.mkdir(parents=True, exist_ok=True)
    return Report(
        subprocess.run(
            [binary(), "doctor", *(["--json"] if as_json else []), *map(str, arguments)],
            env={**daemon_environment(home), **(environment or {})},
            cwd=folder or home,
            capture_output=True,
            text=True,
            timeout=60 * PATIENCE,
            check=False,
        )
    )


@pytest.fixture(name="place")
def _place():
    """A short path: a socket's name may have a hundred bytes only."""
    folder = Path(tempfile.mkdtemp(prefix="wy"))
    yield folder / "own" / "control.sock"
    shutil.rmtree(folder)


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("torch"), "torch", "2.9.0+cu126", padding=3 * MEGABYTE)


@pytest.fixture(name="site")
def _site(origin, wheel):
    """A flat mirror of torch and a simple one of pip, without fault."""
    origin.put_page(FLAT, flat_page("cu126", [(wheel.name, wheel.stat().st_size)]))
    origin.put(FLAT + wheel.name, wheel)
    pip = build(wheel.parent, "pip", "25.0")
    link = anchor(f"../../packages/{pip.name}", pip.name, sha256_of(pip.read_bytes()))
    origin.put_page(PIP, simple_page("pip", [link]))
    origin.put(f"/packages/{pip.name}", pip)
    return origin


@pytest.fixture(name="doctor")
def _doctor(site, serve, place, tmp_path):
    """doctor(...): starts a daemon over the site and examines it."""

    def run(*arguments, pytorch=None, pypi=None, edit=str, cache_dir=None, **top):
        patience = {"listing_timeout": "60s", "stall_timeout": "60s", "connect_timeout": "60s"}
        sizes = {"min_free": "1MB", "max_size": "2MB"}
        top = {"socket": str(place), **sizes, **patience, **top}
        text = configuration(
            pytorch=pytorch or [flat_mirror("flat", site.url)],
            pypi=[pypi_mirror("tuna", site.url)] if pypi is None else pypi,
            **top,
        )
        run.daemon = serve(edit(text), cache_dir=cache_dir)
        return run.again(*arguments)

    def again(*arguments):
        config = run.daemon.folder / "config.toml"
        own = ("--config", config, "--url", run.daemon.url, "--socket", place)
        return run_doctor(tmp_path / "home", *own, *arguments)

    run.again = again
    return run


# ------------------------------------------------------------------ mirrors


def test_all_is_well(doctor, site, wheel):
    report = doctor()
    assert report.code == WELL
    assert report.troubles() == {("pytorch", "digests", "warning")}
    assert report.state("configuration") == report.state("clock") == "ok"
    assert report.state("daemon", doctor.daemon.url) == "ok"
    assert report.state("mirror", "pytorch/flat") == report.state("mirror", "pypi/tuna") == "ok"
    (told,) = report.of("mirror", "pytorch/flat")
    assert "1 files" in told["text"] and "HEAD" in told["text"] and "ranges" in told["text"]
    # A handful of requests, a megabyte at most, and nothing of it is kept.
    asked = [(r.method, r.path) for r in site.requests]
    assert sorted(asked) == sorted(
        [("GET", FLAT), ("HEAD", FLAT + wheel.name), ("GET", FLAT + wheel.name)]
        + [("GET", PIP), ("HEAD", "/packages/pip-25.0-py3-none-any.whl")]
        + [("GET", "/packages/pip-25.0-py3-none-any.whl")]
    )
    wait_until(lambda: site.body_bytes(FLAT + wheel.name) == MEGABYTE, what="its end is noted")
    status = doctor.daemon.status()
    assert (status["cache"]["bytes"], status["flights"]) == (0, [])


def test_what_people_see(doctor, tmp_path, place):
    doctor()
    own = ("--url", doctor.daemon.url, "--socket", place)
    told = run_doctor(tmp_path / "home", *own, as_json=False)
    assert told.code == WELL
    lines = told.text.splitlines()
    assert all(line.split()[0] in ("ok", "warning", "failed") for line in lines)
    assert all(" -> " in line for line in lines if not line.startswith("ok"))
    assert any(line.startswith("ok       pytorch/flat ") for line in lines)


WHEEL_FAULTS = [
    (dict(head_status=405), "mirror-head", "warning"),
    (dict(ignore_range=True), "mirror-ranges", "warning"),
    (dict(refuse_range=403), "mirror-ranges", "failed"),
    (dict(status=404), "mirror-file", "failed"),
    (dict(pace=100_000), "mirror-speed", "warning"),
    (dict(location="http://127.0.0.1:9/elsewhere.whl"), "mirror-file", "failed"),
]


@pytest.mark.parametrize("trouble, check, state", WHEEL_FAULTS)
def test_a_fault_of_wheels(doctor, site, wheel, trouble, check, state):
    site.change(FLAT + wheel.name, **trouble)
    report = doctor()
    found = {t for t in report.troubles() if t[0] == "pytorch/flat"}
    assert found == ({("pytorch/flat", check, state)} if check != "mirror-speed" else set())
    assert report.code == (FAILED if state == "failed" else WELL)
    assert report.state("mirror", "pypi/tuna") == "ok"
    assert report.state(check, "pytorch/flat") == state


LISTING_FAULTS = [
    (dict(status=503), "failed"),
    (dict(status=401), "failed"),
    (dict(body=PORTAL_PAGE), "failed"),
    (dict(status=404), "warning"),
    (dict(location="http://127.0.0.1:9/"), "failed"),
    (dict(silent=threading.Event()), "failed"),
]


@pytest.mark.parametrize("trouble, state", LISTING_FAULTS)
def test_a_fault_of_listings(doctor, site, trouble, state):
    site.change(FLAT, **trouble)
    report = doctor(listing_timeout="500ms") if "silent" in trouble else doctor()
    assert report.state("mirror-listing", "pytorch/flat") == state
    assert report.of("mirror", "pytorch/flat") == []
    assert report.code == (FAILED if state == "failed" else WELL)
    assert len(site.asked(FLAT)) == 1


@pytest.mark.parametrize("where", ("listing", "wheel"))
def test_passwords_of_mirrors_stay_unseen(doctor, site, wheel, where):
    site.change(FLAT if where == "listing" else FLAT + wheel.name, status=404)
    secret = site.url.replace("http://", "http://joe:s3cr3t@")
    report = doctor(pytorch=[flat_mirror("flat", secret)])
    assert [c for c in report.checks if f"{site.url}{FLAT}" in c["text"]]
    assert "s3cr3t" not in report.text


def test_nobody_is_there(doctor):
    with Origin() as gone:
        url = gone.url
    report = doctor(pytorch=[flat_mirror("gone", url)])
    assert report.state("mirror-listing", "pytorch/gone") == "failed"
    (check,) = report.of("mirror-listing", "pytorch/gone")
    assert "connect" in check["text"], check
    assert "network" in check["remedy"], "curl's \"connect\" is no proxy's CONNECT"


def test_a_silent_mirror_does_not_hold_up_the_others(doctor, site, wheel):
    site.change(FLAT + wheel.name, silent=threading.Event())
    report = doctor(stall_timeout="1s")
    assert report.state("mirror-file", "pytorch/flat") == "failed"
    assert report.state("mirror", "pypi/tuna") == "ok"


@pytest.mark.parametrize("official, state", [(False, "ok"), (True, "warning")])
def test_a_mirror_that_sends_on(doctor, site, second_origin, wheel, official, state):
    named = second_origin.url.replace("127.0.0.1", "localhost")
    second_origin.put("/whl/cu126/" + wheel.name, wheel)
    site.change(FLAT + wheel.name, location=f"{named}/whl/cu126/{wheel.name}")
    alias = f"{named}/whl/" if official else "https://download-r2.pytorch.org/whl/"
    report = doctor(
        pypi=[pypi_mirror("other", named)],
        edit=lambda text: text.replace("https://download-r2.pytorch.org/whl/", alias),
    )
    assert report.state("mirror-redirect", "pytorch/flat") == state


def test_links_that_lead_elsewhere(doctor, site, wheel):
    page = flat_page("cu126", [(wheel.name, 1)])
    site.put_page(FLAT, page.replace('href="torch', 'href="https://cdn.example/there/torch'))
    report = doctor()
    assert report.state("mirror-links", "pytorch/flat") == "warning"


def test_an_authority_for_digests(doctor, site, wheel):
    link = anchor(wheel.name, wheel.name, sha256_of(wheel.read_bytes()))
    site.put_page("/whl/cu126/torch/", simple_page("torch", [link]))
    site.put("/whl/cu126/torch/" + wheel.name, wheel)
    mirrors = [flat_mirror("flat", site.url), official_mirror("official", site.url)]
    report = doctor(pytorch=mirrors)
    assert report.of("digests") == [] and report.code == WELL
    assert "1 with digests" in report.of("mirror", "pytorch/official")[0]["text"]


def _with_folder(folder):
    lab = f'\n[origin.lab]\ndirectory = "{folder}"\nowns = ["lab"]\n[index.lab]\norigins = ["lab"]\n'
    return lambda text: text + lab


def test_a_folder_of_wheels(doctor, tmp_path):
    folder = tmp_path / "wheels"
    build(folder, "lab", "1.0")
    build(folder, "lab", "2.0")
    report = doctor(edit=_with_folder(folder))
    daemon = doctor.daemon
    wait_until(lambda: daemon.page("lab", "lab").status == 200, 20 * PATIENCE)
    report = doctor.again()
    assert report.code == WELL and report.state("folder", "lab") == "ok"
    told = report.of("folder")[0]["text"]
    assert told == f"2 wheels and 0 source distributions listed: {folder}"
    assert not [c for c in report.checks if c["subject"].startswith("lab/")], "it is no mirror"

    (folder / "lab-3.0-py3-none-any.whl").write_bytes(b"no archive")
    daemon.wait_status(lambda s: s["problems"])
    report = doctor.again()
    assert report.code == WELL and report.state("folder-files", "lab") == "warning"
    assert "lab-3.0-py3-none-any.whl" in report.of("folder-files")[0]["text"]


def test_a_folder_of_wheels_that_is_not_there(doctor, tmp_path):
    folder = tmp_path / "wheels"
    doctor(edit=_with_folder(folder))
    doctor.daemon.wait_status(lambda s: s["problems"])
    report = doctor.again()
    assert (report.code, report.state("folder", "lab")) == (FAILED, "failed")
    assert report.of("folder")[0]["text"] == f"{folder}: No such file or directory"
    (problem,) = report.of("problems", "lab")
    assert problem["text"] == f"directory: {folder}: {folder}: No such file or directory"
    assert "mount it" in problem["remedy"]
    assert "directory: directory:" not in report.text + doctor.daemon.log()


@pytest.mark.parametrize("made, state", [(False, "warning"), (True, "ok")])
def test_a_folder_of_wheels_without_a_daemon(tmp_path, made, state):
    folder = tmp_path / "wheels"
    file = tmp_path / "own.toml"
    text = f'listen = ["127.0.0.1:{free_port()}"]\ncache_dir = "{tmp_path}/cache"\n'
    file.write_text(_with_folder(folder)(text))
    if made:
        folder.mkdir()
    report = run_doctor(tmp_path, "--config", file, "--socket", tmp_path / "none")
    assert report.state("folder", "lab") == state and str(folder) in report.of("folder")[0]["text"]


def test_the_address_of_an_index(doctor):
    doctor()
    url = doctor.daemon.url
    report = run_doctor(doctor.daemon.folder / "home", "--url", f"{url}/cu126/simple/")
    assert report.code == WELL and report.state("daemon", url) == "ok"


def test_an_index_that_is_not_configured(doctor):
    report = doctor("--index", "nope")
    assert (report.code, report.state("index", "nope")) == (FAILED, "failed")
    assert "simple" in report.of("index")[0]["remedy"]


def test_a_clock_that_is_wrong(doctor, site):
    for path in site.paths():
        site.change(path, date="Wed, 15 Oct 2025 18:04:00 GMT")
    assert doctor().state("clock") == "failed"


def test_a_clock_behind_a_cache(doctor, site):
    """What was kept for a day is dated by Date and Age (the site says 86400)."""
    for path in site.paths():
        site.change(path, date=formatdate(time.time() - 86400, usegmt=True))
    assert doctor().state("clock") == "ok"


def test_a_certificate_of_nobody(doctor, trees, tmp_path):
    certificate = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", tmp_path / "key.pem", "-out", tmp_path / "ca.pem"),
    ]
    subprocess.run(certificate, check=True, capture_output=True)
    extra = f"ssl_certificate {tmp_path}/ca.pem; ssl_certificate_key {tmp_path}/key.pem;"
    nginx = Nginx(trees.flat, tmp_path / "tls", extra, tls=True)
    try:
        mirrors = [flat_mirror("flat", nginx.url)]
        report = doctor(pytorch=mirrors)
        assert report.state("mirror-tls", "pytorch/flat") == "failed"
        assert "ca_file" in report.of("mirror-tls")[0]["remedy"]
        doctor.daemon.stop()
        report = doctor(pytorch=mirrors, ca_file=str(tmp_path / "ca.pem"))
        assert "TLS good" in report.of("mirror", "pytorch/flat")[0]["text"]
    finally:
        nginx.stop()


def test_a_daemon_that_stops_meanwhile(doctor, site):
    """It does not wait for the mirrors, and who asked is told."""
    doctor()
    site.change(FLAT, silent=threading.Event())
    reports = []
    asking = threading.Thread(target=lambda: reports.append(doctor.again()))
    asking.start()
    site.wait_asked(FLAT, 2)
    doctor.daemon.stop()
    asking.join()
    assert reports[0].state("control") == "failed" and reports[0].code == FAILED


# ------------------------------------------------------------ daemon and disk


def test_no_daemon(tmp_path):
    file = tmp_path / "own.toml"
    port = free_port()
    file.write_text(f'listen = ["127.0.0.1:{port}"]\ncache_dir = "{tmp_path}/a/b"\nmax_size = "1MB"\n')
    report = run_doctor(tmp_path, "--config", file, "--socket", tmp_path / "none")
    assert report.code == UNREACHABLE
    assert report.state("daemon", f"http://127.0.0.1:{port}") == "failed"
    assert report.state("control") == "failed"
    assert report.state("configuration") == report.state("disk") == "ok"


def test_a_port_that_another_program_has(tmp_path, origin):
    file = tmp_path / "own.toml"
    file.write_text(f'listen = ["127.0.0.1:{origin.port}"]\n')
    report = run_doctor(tmp_path, "--config", file, "--socket", tmp_path / "none")
    assert (report.code, report.state("port")) == (UNREACHABLE, "failed")
    told = report.of("port")[0]
    assert "another program" in told["text"] and "python" in told["text"]


def test_a_program_that_speaks_no_http(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        def answer():
            guest, _ = other.accept()
            guest.sendall(b"220 mail.lab ESMTP\r\n")
            guest.recv(4096)
            guest.close()

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        report = run_doctor(tmp_path, "--url", url)
    assert report.code == UNREACHABLE and report.state("port", url) == "failed"


def test_a_daemon_whose_socket_is_elsewhere(doctor, tmp_path):
    doctor(edit=lambda text: f'cache_dir = "{tmp_path}/none-yet"\n{text}')
    own = ("--config", doctor.daemon.folder / "config.toml", "--url", doctor.daemon.url)
    report = run_doctor(tmp_path / "home", *own, "--socket", tmp_path / "none")
    assert report.code == WELL and report.state("control") == "warning"
    assert report.of("mirror") == [] and report.state("disk") == "ok"


def test_a_configuration_with_errors(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('max_size = "much"\nlisten = 8503\n')
    report = run_doctor(tmp_path, "--config", file, "--socket", tmp_path / "none")
    told = [c["text"] for c in report.of("configuration")]
    assert len(told) == 2 and all(c["state"] == "failed" for c in report.of("configuration"))
    assert any("own.toml:1: max_size" in text for text in told)
    assert report.of("disk") or report.of("disk-space")


@pytest.mark.parametrize(
    "sizes, state",
    [
        (dict(min_free="1MB", max_size="2MB"), "ok"),
        (dict(min_free="1MB", max_size="900000TB"), "warning"),
        (dict(min_free="900000TB", max_size="2MB"), "failed"),
    ],
)
def test_room(doctor, sizes, state):
    report = doctor(**sizes)
    assert report.state("disk-space", str(doctor.daemon.cache_dir)) == state
    assert report.code == (FAILED if state == "failed" else WELL)


@pytest.mark.parametrize("more, state", [(1_000_000, "warning"), (9_000_000, "failed")])
def test_a_cache_that_is_full(doctor, disk, wheel, more, state):
    """What is new takes the place of something old, where there is enough of that."""
    doctor(cache_dir=disk / "cache", max_size="8MB")
    path = f"/files/pytorch/cu126/{wheel.name.replace('+', '%2B')}"
    assert doctor.daemon.get(path).status == 200
    doctor.daemon.wait_status(lambda s: s["cache"]["blobs"] == 1 and not s["flights"])
    free = shutil.disk_usage(disk).free
    _reload(doctor.daemon, 'min_free = "1MB"', f"min_free = {free + more}")
    assert doctor.again().state("disk-space", str(disk / "cache")) == state


def _reload(daemon, old, new):
    file = daemon.folder / "config.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    before = daemon.log().count("configuration reloaded")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count("configuration reloaded") > before, 10 * PATIENCE)


def test_a_cache_in_memory(tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or "tmpfs /dev/shm " not in Path("/proc/mounts").read_text():
        pytest.skip("/dev/shm is no tmpfs here")
    file = tmp_path / "own.toml"
    file.write_text(f'cache_dir = "{shm}"\nlisten = ["127.0.0.1:{free_port()}"]\n')
    report = run_doctor(tmp_path, "--config", file, "--socket", tmp_path / "none")
    assert report.state("disk-kind", str(shm)) == "warning"


def test_a_cache_that_is_no_folder(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(f'cache_dir = "{file}"\nlisten = ["127.0.0.1:{free_port()}"]\n')
    report = run_doctor(tmp_path, "--config", file, "--socket", tmp_path / "none")
    assert report.state("disk", str(file)) == "failed"


@pytest.mark.parametrize(
    "arguments", [["--what"], ["--index", "../x"], ["--url", "ftp://x"], ["torch"], ["--url"]]
)
def test_usage(tmp_path, arguments):
    assert run_doctor(tmp_path, *arguments, as_json=False).code == USAGE


def test_help(tmp_path):
    told = run_doctor(tmp_path, "--help", as_json=False)
    assert told.code == WELL and "Exit: 0" in told.text
