# SPDX-License-Identifier: Apache-2.0
"""wheelyard under a service manager: what it says, what it takes over, what a reload changes."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from statistics import median
from urllib.parse import urlsplit

import pytest

import wire
from daemon import (
    PATIENCE,
    ROOT,
    binary,
    configuration,
    flat_and_pypi,
    is_sanitized,
    official_mirror,
    run_wheelyard,
)
from manager import Manager, standing_still
from origin import Gate
from standins import wait_until
from test_fanout import publish
from wheels import build

WATCHDOG_MS = int(1000 * PATIENCE)


@pytest.fixture
def manager(tmp_path):
    running = Manager(tmp_path, watchdog_ms=WATCHDOG_MS)
    yield running
    running.close()


def reload(daemon, manager, config):
    """SIGHUP with that configuration; back when the daemon says that it is through."""
    daemon.reconfigure(config)
    notice = manager.wait("RELOADING")
    assert notice["RELOADING"] == "1" and int(notice["MONOTONIC_USEC"]) > 0
    return manager.wait("READY")


def logged(daemon, text):
    """The log's lines up to the first with this text."""
    return daemon.wait_log(text).partition(text)[0].splitlines()


# ------------------------------------------------------------------ notices


def test_ready_and_stopping(mirrors, serve, manager):
    daemon = serve(flat_and_pypi(mirrors), **manager.options())
    assert manager.next()["READY"] == "1"
    daemon.stop()
    assert manager.wait("STOPPING")["STOPPING"] == "1"


def test_not_ready_when_the_start_fails(mirrors, serve, manager, tmp_path):
    taken = urlsplit(serve(flat_and_pypi(mirrors)).url).netloc
    with pytest.raises(RuntimeError):
        serve(flat_and_pypi(mirrors), listen=taken, **manager.options())
    said = manager.next(0.1)
    assert said is None or "READY" not in said


@pytest.mark.alone
def test_pings_come_at_the_rate_that_is_asked_for(mirrors, serve, manager):
    serve(flat_and_pypi(mirrors), **manager.options())
    manager.wait("READY")
    times = [time.monotonic()]
    for _ in range(5):
        manager.wait("WATCHDOG")
        times.append(time.monotonic())
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert median(gaps) < WATCHDOG_MS / 1000, gaps  # a busy machine may stand still for a moment


def test_no_pings_when_nobody_asks(mirrors, serve, tmp_path):
    manager = Manager(tmp_path)
    daemon = serve(flat_and_pypi(mirrors), **manager.options())
    daemon.stop()
    said = []
    while notice := manager.next(0.1):
        said.append(notice)
    manager.close()
    assert ["READY" in said[0], "STOPPING" in said[-1], len(said)] == [True, True, 2]


@pytest.mark.alone
def test_no_pings_while_the_flight_thread_hangs(mirrors, serve, manager):
    daemon = serve(flat_and_pypi(mirrors), **manager.options())
    manager.wait("WATCHDOG")
    try:
        with standing_still(daemon.process, "flight"):
            seconds = 2 * WATCHDOG_MS / 1000 / PATIENCE
            if manager.next(seconds):  # a question may have been answered before
                assert manager.next(seconds) is None
            assert daemon.get("/-/health").status == 200, "the others live"
    except PermissionError:
        pytest.skip("may not trace")
    assert manager.wait("WATCHDOG")


# ------------------------------------------------------------------ sockets


def test_inherited_sockets(mirrors, serve, manager):
    four = manager.listen("127.0.0.1")
    urls = [f"http://127.0.0.1:{four}"]
    if socket.has_ipv6:
        urls.append(f"http://[::1]:{manager.listen('::1', socket.AF_INET6)}")
    daemon = serve(flat_and_pypi(mirrors), listen="127.0.0.1:1", **manager.options())
    assert daemon.url == urls[0], "`listen` does not count"
    for url in urls:
        assert wire.ask(f"{url}/-/ready").status == 200
    logged(daemon, "listen is not used")


@pytest.mark.concurrent
def test_no_connection_is_lost_on_a_shared_socket(mirrors, serve, manager):
    """All workers wake for each connection; every one is accepted by some."""
    port = manager.listen("127.0.0.1")
    daemon = serve(flat_and_pypi(mirrors, workers=4), **manager.options())
    for _ in range(5):
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        for client in clients:
            client.sendall(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for client in clients:
            client.settimeout(20 * PATIENCE)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
            client.close()
    daemon.stop()


class Visitors:
    """Clients that come one after the other, each with a connection of its own."""

    def __init__(self, url, count=3):
        self._url, self._leave = url, threading.Event()
        self.seen, self._change = [], threading.Condition()
        self._threads = [threading.Thread(target=self._come, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _come(self):
        while not self._leave.is_set():
            try:
                status = wire.ask(f"{self._url}/-/health").status
            except OSError as error:
                status = error
            with self._change:
                self.seen.append(status)
                self._change.notify_all()

    def wait_more(self, count):
        with self._change:
            want = len(self.seen) + count
            assert self._change.wait_for(lambda: len(self.seen) >= want, 30 * PATIENCE)

    def leave(self):
        self._leave.set()
        for thread in self._threads:
            thread.join(30 * PATIENCE)
        return self.seen


@pytest.mark.concurrent
def test_a_restart_refuses_and_cuts_nobody(mirrors, serve, manager):
    manager.listen("127.0.0.1")
    config = flat_and_pypi(mirrors)
    daemon = serve(config, **manager.options())
    visitors = Visitors(daemon.url)
    for _ in range(3):
        visitors.wait_more(50)
        daemon.stop()
        daemon = serve(config, cache_dir=daemon.cache_dir, **manager.options())
    visitors.wait_more(50)
    assert set(visitors.leave()) == {200}


def test_who_was_just_accepted_is_answered_before_the_end(mirrors, serve, manager):
    port = manager.listen("127.0.0.1")
    daemon = serve(flat_and_pypi(mirrors, workers=1), **manager.options())
    with socket.create_connection(("127.0.0.1", port)) as client:
        daemon.get("/-/health")  # accepted behind it
        daemon.process.send_signal(signal.SIGTERM)
        manager.wait("STOPPING")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)  # neither cut nor answered
        client.settimeout(20 * PATIENCE)
        client.sendall(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert daemon.process.wait(5 * PATIENCE) == 0


def test_a_socket_of_another_kind_is_refused(mirrors, serve, manager):
    manager.listen("127.0.0.1", kind=socket.SOCK_DGRAM)
    with pytest.raises(RuntimeError, match="not a listening TCP socket"):
        serve(flat_and_pypi(mirrors), **manager.options())


# ------------------------------------------------------------------ reload


def _status_for(daemon, host):
    return daemon.get("/-/health", {"Host": host}).status


def test_reload(mirrors, serve, manager):
    daemon = serve(flat_and_pypi(mirrors), **manager.options())
    assert _status_for(daemon, "wheels.lab") == 421
    reload(daemon, manager, flat_and_pypi(mirrors, hosts=["wheels.lab"], log_level="debug"))
    assert _status_for(daemon, "wheels.lab") == 200
    reload(daemon, manager, flat_and_pypi(mirrors))
    assert _status_for(daemon, "wheels.lab") == 421


@pytest.mark.parametrize(
    "broken, message",
    [
        ('hosts = ["wheels.lab"]\nmax_size = "a lot"\n', ":2: max_size: "),
        ('hosts = ["wheels.lab"\n', "not TOML"),
        ('hosts = ["wheels.lab"]\n[origin.pypi]\ncanonical = "ftp://x/"\n', "canonical"),
    ],
)
def test_a_wrong_configuration_is_refused_and_the_old_stays(
    mirrors, serve, manager, broken, message
):
    daemon = serve(flat_and_pypi(mirrors, hosts=["old.lab"]), **manager.options())
    said = reload(daemon, manager, broken)
    assert "refused" in said["STATUS"]
    (line,) = [line for line in logged(daemon, "reload refused") if message in line]
    assert "config.toml" in line
    assert (_status_for(daemon, "old.lab"), _status_for(daemon, "wheels.lab")) == (200, 421)
    assert daemon.page("torch").status == 200
    reload(daemon, manager, flat_and_pypi(mirrors, hosts=["wheels.lab"]))
    assert _status_for(daemon, "wheels.lab") == 200


def test_what_takes_a_restart_is_named(mirrors, serve, manager):
    daemon = serve(flat_and_pypi(mirrors), **manager.options())
    reload(daemon, manager, flat_and_pypi(mirrors, workers=3, max_size="7GB"))
    before = logged(daemon, "configuration reloaded")
    warned = [line for line in before if "needs a restart" in line]
    assert len(warned) == 1 and "workers" in warned[0]


@pytest.mark.concurrent
def test_a_reload_cuts_nobody(origin, serve, manager, tmp_path):
    wheel = build(tmp_path / "built", "torch", "2.9.0+cu126", padding=1_000_000)
    gate = Gate(500_000)
    publish(origin, wheel.name, wheel.read_bytes(), gate=gate)
    config = configuration(pytorch=[official_mirror("slow", origin.url)])
    daemon = serve(config, **manager.options())
    assert daemon.page("torch").status == 200
    download = wire.Download(daemon.file_url("pytorch", f"cu126/{wheel.name}"))
    download.wait_held(500_000)
    for _ in range(3):
        reload(daemon, manager, config)
    gate.open()
    assert download.wait_end().whole and download.body == wheel.read_bytes()


def _wheel(tmp_path, where, version, **options):
    """(name, bytes) of a torch, published at that origin."""
    wheel = build(tmp_path / f"{version}-built", "torch", version, **options)
    publish(where, wheel.name, wheel.read_bytes())
    return wheel.name, wheel.read_bytes()


def test_other_mirrors(origin, second_origin, serve, manager, tmp_path):
    """Also one on loopback that was not allowed before, and for pages and files seen before."""
    name, body = _wheel(tmp_path, origin, "2.9.0+cu126")
    publish(second_origin, name, body)
    before = configuration(pytorch=[official_mirror("first", origin.url)])
    after = configuration(pytorch=[official_mirror("second", second_origin.url)])
    daemon = serve(before, **manager.options())
    assert daemon.page("torch")["X-Mirror"] == "first"
    reload(daemon, manager, after)
    assert [m["name"] for m in daemon.status()["mirrors"]] == ["second"]
    reply = daemon.page("torch")
    assert (reply.status, reply["X-Mirror"], wire.file_names(reply)) == (200, "second", [name])
    asked = len(origin.requests)
    reply = daemon.get(f"/files/pytorch/cu126/{name.replace('+', '%2B')}")
    assert (reply.body, reply["X-Mirror"]) == (body, "second")
    assert len(origin.requests) == asked


def test_other_mirrors_for_what_the_old_ones_left_undone(
    origin, second_origin, serve, manager, tmp_path
):
    """It is gone on with: what the first brought is not fetched again."""
    name, body = _wheel(tmp_path, origin, "2.9.0+cu126", padding=4_000_000)
    origin.change(f"/whl/cu126/{name}", cut_after=3_000_000)
    publish(second_origin, name, body)
    before = configuration(pytorch=[official_mirror("first", origin.url)])
    after = configuration(pytorch=[official_mirror("second", second_origin.url)])
    daemon = serve(before, **manager.options())
    assert daemon.page("torch").status == 200
    url = daemon.file_url("pytorch", f"cu126/{name}")
    assert wire.ask(url).cut
    reload(daemon, manager, after)
    wait_until(lambda: wire.ask(url).body == body, 20 * PATIENCE, "it comes from the second mirror")
    assert second_origin.body_bytes(f"/whl/cu126/{name}") < len(body) / 2


def test_a_mirror_that_was_taken_out_is_asked_no_more(origin, second_origin, serve, manager):
    """Another that fails as it does is: its requests are the clock."""
    page = "/whl/cu126/torch/"
    for where in (origin, second_origin):
        where.put_page(page, "broken", status=503)
    gone, stays = official_mirror("gone", origin.url), official_mirror("stays", second_origin.url)
    daemon = serve(configuration(pytorch=[gone, stays]), **manager.options())
    assert daemon.page("torch").status == 503
    reload(daemon, manager, configuration(pytorch=[stays]))
    assert daemon.page("torch").status == 503
    so_far = len(second_origin.asked(page))
    second_origin.wait_asked(page, so_far + 1)
    asked = len(origin.requests)
    second_origin.wait_asked(page, so_far + 2)
    assert len(origin.requests) == asked


def test_pages_stay_when_origins_do(origin, serve, manager, tmp_path):
    _wheel(tmp_path, origin, "2.9.0+cu126")
    mirrors = [official_mirror("m", origin.url)]
    daemon = serve(configuration(pytorch=mirrors), **manager.options())
    assert daemon.page("torch").status == 200
    asked = len(origin.requests)
    reload(daemon, manager, configuration(pytorch=mirrors, max_size="7GB"))
    assert daemon.status()["cache"]["max_bytes"] == 7 * 10**9
    assert daemon.page("torch")["X-Cache"] == "hit" and len(origin.requests) == asked


def test_other_owners_and_channels(mirrors, serve, manager):
    daemon = serve(flat_and_pypi(mirrors), **manager.options())
    assert daemon.page("torch").status == 200 == daemon.page("torch", index="cpu").status
    fewer = flat_and_pypi(mirrors).replace('"cu*", ', "").replace('"torch", ', "")
    for _ in range(2):
        reload(daemon, manager, fewer)
        assert daemon.page("torch").status == 400
        reply = daemon.page("torch", index="cpu")
        assert reply.status == 404 or reply["X-Mirror"] == "tuna", "pypi answers for it now"
        reload(daemon, manager, flat_and_pypi(mirrors))
        assert daemon.page("torch")["X-Mirror"] == "aliyun"
        assert daemon.page("torch", index="cpu")["X-Mirror"] == "aliyun"


@pytest.mark.concurrent
def test_who_waits_for_a_page_gets_it_from_the_new_mirrors(
    origin, second_origin, serve, manager, tmp_path
):
    _wheel(tmp_path, second_origin, "2.9.0+cu126")
    origin.put_page("/whl/cu126/torch/", "", silent=threading.Event())
    before = configuration(pytorch=[official_mirror("mute", origin.url)], listing_timeout="60s")
    after = configuration(pytorch=[official_mirror("good", second_origin.url)])
    daemon = serve(before, **manager.options())
    page = wire.Download(f"{daemon.index()}/torch/", {"Accept": wire.JSON})
    origin.wait_asked("/whl/cu126/torch/")
    reload(daemon, manager, after)
    assert page.wait_end(8).status == 200
    assert page.headers["X-Mirror"] == "good"


def test_a_mirror_that_stays_keeps_its_health(origin, mirrors, serve, manager):
    def last_error(daemon):
        return {m["name"]: m["last_error"] for m in daemon.status()["mirrors"]}["dead"]

    origin.put_page("/whl/cu126/torch/", "", status=503)
    dead = official_mirror("dead", origin.url)
    sound = official_mirror("sound", mirrors.official.url)
    daemon = serve(configuration(pytorch=[dead, sound]), **manager.options())
    daemon.page("torch")
    said = last_error(daemon)
    assert said
    reload(daemon, manager, configuration(pytorch=[sound, dead]))
    assert last_error(daemon) == said


# ------------------------------------------------------------------ what is installed


@pytest.fixture(scope="session")
def installed(shared, tmp_path_factory):
    """`make install` of the build under test, for /usr, into a folder of its own."""
    if not (binary().parent / "build.ninja").exists():
        pytest.skip("the program under test does not stand where it was built")

    def make():
        folder = tmp_path_factory.mktemp("installed")
        made = subprocess.run(
            ["make", "install", f"BUILD={binary().parent}", f"DESTDIR={folder}", "PREFIX=/usr"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        return folder / "usr"

    return shared("installed", make)


@pytest.mark.alone  # it builds where the program under test stands
def test_what_is_installed(installed, tmp_path):
    doc = installed / "share/doc/wheelyard"
    assert "Apache License" in (doc / "LICENSE").read_text()
    program = [installed / "bin/wheelyard"]
    shown = subprocess.run([*program, "config", "show", "--default"], capture_output=True, check=True)
    example = doc / "wheelyard.conf.example"
    assert example.read_bytes() == shown.stdout
    done = run_wheelyard("config", "check", "--config", example, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_version_tells_the_commit_and_the_libraries(tmp_path):
    said = run_wheelyard("--version", home=tmp_path).stdout.splitlines()
    assert re.fullmatch(r"wheelyard \d+\.\d+\.\d+", said[0])
    if said[1].startswith("commit "):
        commit = re.fullmatch(r"commit ([0-9a-f]{12})(-dirty)?", said.pop(1)).group(1)
        _quiet("git", "-C", ROOT, "cat-file", "-e", commit)
    else:
        assert not (ROOT / ".git").exists()
    assert re.search(r"^built with libmicrohttpd \d.*, libcurl \d.*, sqlite3 \d", said[1])


@pytest.mark.alone  # it builds where the program under test stands
def test_the_installed_program_is_hardened_and_stripped(installed):
    if is_sanitized():
        pytest.skip("a sanitizer's program is built otherwise")
    program = installed / "bin/wheelyard"
    shown = _quiet("readelf", "--file-header", "--program-headers", "--dynamic", "--wide", program)
    assert "DYN (Position-Independent" in shown and "BIND_NOW" in shown and "GNU_RELRO" in shown
    names = _quiet("nm", "--dynamic", program)
    assert "__stack_chk_fail" in names and "__snprintf_chk" in names
    assert ".debug_info" not in _quiet("readelf", "--sections", "--wide", program)


def _quiet(*command, **environment):
    """It succeeds and has nothing to say."""
    environment = {**os.environ, **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.alone  # it builds where the program under test stands
@pytest.mark.parametrize("page", ["man1/wheelyard.1", "man5/wheelyard.conf.5"])
def test_manual_pages(installed, page):
    path = installed / "share/man" / page
    _quiet("groff", "-man", "-ww", "-z", path)
    text = _quiet("groff", "-man", "-Tascii", "-P-cbou", path)
    shown = run_wheelyard("config", "show", "--default", home=installed).stdout
    options, policies = shown.split("[origin")[0].split("# Which files clients may have")
    options, policies = (re.findall(r"^#? ?(\w+) +=", part, re.M) for part in (options, policies))
    assert len(options) > 10 and len(policies) > 4
    for key in options:
        flag = "--" + key.replace("_", "-")
        assert (flag if "man1" in page else f"{key} (") in text
    for key in policies:  # they have no flags
        assert "man1" in page or key in text


@pytest.mark.alone  # it builds where the program under test stands
def test_units(installed, tmp_path):
    """systemd-analyze wants the program and the manual pages that they name to be there."""
    environment = {"MANPATH": str(installed / "share/man"), "XDG_RUNTIME_DIR": str(tmp_path)}
    for folder, mode, names in (
        ("system", "--system", ("wheelyard.service", "wheelyard.socket")),
        ("user", "--user", ("wheelyard.service",)),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            text = (installed / "lib/systemd" / folder / name).read_text()
            text = text.replace("=/usr/bin/", f"={installed}/bin/")
            (tmp_path / folder / name).write_text(text)
        units = [tmp_path / folder / name for name in names]
        _quiet("systemd-analyze", mode, "verify", *units, **environment)


def test_the_socket_unit_has_the_default_addresses():
    unit = (ROOT / "systemd/wheelyard.socket").read_text()
    default = (ROOT / "config/default.toml").read_text()
    listen = re.search(r"^listen += (.*)$", default, re.M)[1]
    assert re.findall(r"^ListenStream=(.*)$", unit, re.M) == json.loads(listen)


def test_the_unit_is_sandboxed():
    unit = ROOT / "systemd/wheelyard.service"
    _quiet("systemd-analyze", "security", "--offline=yes", "--threshold=12", unit)
