# SPDX-License-Identifier: Apache-2.0
"""What `wheelyard doctor` says of the clients' configuration, and that it is so: where it speaks of
a bypass the real pip and uv ask elsewhere, and where it does not they do not."""

import configparser
import os
import random
import shlex

import pytest

from daemon import Daemon, all_mirrors, run_wheelyard
from test_doctor import UNREACHABLE, run_doctor

URL = "http://localhost:8503"
INDEX = f"{URL}/cu126/simple"
ELSEWHERE = "https://pypi.example/simple"


# ------------------------------------------------------------- real clients


class Stage:
    """One client, the daemon, and an index elsewhere that knows whether it was asked."""

    def __init__(self, client, daemon, elsewhere):
        self.client, self.daemon, self.elsewhere = client, daemon, elsewhere
        elsewhere.put_page("/flat/", "<html><body><a href='x/'>x</a></body></html>")
        self.project = client.home / "project"
        self.project.mkdir()
        client.environment.pop("PIP_CONFIG_FILE", None)
        client.environment["NO_COLOR"] = "1"

    def fill(self, text):
        return text.format(
            index=self.daemon.index(), away=self.elsewhere.url, url=self.daemon.url, home=self.client.home
        )

    def environment(self, values):
        self.client.environment |= {k: self.fill(v) for k, v in values.items()}

    def file(self, name, text):
        path = self.client.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.fill(text))

    def report(self):
        return run_doctor(
            self.client.home,
            *("--url", self.daemon.url),
            environment={"PIP_CONFIG_FILE": "", **self.client.environment},
            folder=self.project,
        )

    def asks_elsewhere(self, command):
        """Runs the client, whatever comes of it."""
        before = len(self.elsewhere.requests)
        try:
            self.client.run(*command, cwd=self.project)
            self.installed = True
        except AssertionError as failure:
            self.installed, self.failure = False, str(failure)
        return len(self.elsewhere.requests) > before


PIP = ("download", "--no-deps", "--only-binary=:all:", "--retries=0", "-d", "wheels", "torch")
UV = ("pip", "install", "--no-deps", "--target", "wheels", "torch")
USER_PIP = ".config/pip/pip.conf"
USER_UV = ".config/uv/uv.toml"
OURS = {"PIP_INDEX_URL": "{index}", "UV_DEFAULT_INDEX": "{index}"}
EXTRA, INDEX_CHECK, LINKS, PROXY = "client-extra-index", "client-index", "client-find-links", "proxy"

# What is set, and the check that must speak of it; None: all is well.
PIP_CASES = [
    (OURS, {}, None),
    ({}, {USER_PIP: "[global]\nindex-url = {index}\n"}, None),
    (OURS | {"PIP_EXTRA_INDEX_URL": "{away}/simple"}, {}, EXTRA),
    (OURS | {"PIP_FIND_LINKS": "{away}/flat/"}, {}, LINKS),
    ({"PIP_INDEX_URL": "{away}/simple"}, {USER_PIP: "[global]\nindex-url = {index}\n"}, INDEX_CHECK),
    ({}, {USER_PIP: "[download]\nx = y\n[global]\nindex-url={index}\nextra_index_url:\n  {away}/a\n"}, EXTRA),
    (
        {"PIP_CONFIG_FILE": "{home}/own.ini"},
        {"own.ini": "[global]\nindex-url = {index}\n", USER_PIP: "[global]\nextra-index-url = {away}/a\n"},
        None,
    ),
    (OURS | {"http_proxy": "{away}"}, {}, PROXY),
    (OURS | {"http_proxy": "{away}", "no_proxy": "x.lab,127.0.0.1"}, {}, None),
    (OURS | {"PIP_PROXY": "{away}", "no_proxy": "127.0.0.1"}, {}, "client-proxy"),
]
UV_CASES = [
    (OURS, {}, None),
    ({}, {USER_UV: '[[index]]\nurl = "{index}"\ndefault = true\n'}, None),
    ({}, {USER_UV: 'index-url = "{index}"\n'}, None),
    (OURS | {"UV_EXTRA_INDEX_URL": "{away}/simple"}, {}, EXTRA),
    (OURS | {"UV_INDEX": "other={away}/simple"}, {}, EXTRA),
    (OURS | {"UV_FIND_LINKS": "{away}/flat/"}, {}, LINKS),
    ({"UV_DEFAULT_INDEX": "{away}/simple"}, {USER_UV: 'index-url = "{index}"\n'}, INDEX_CHECK),
    (OURS | {"UV_INDEX_URL": "{away}/simple"}, {}, None),
    (OURS, {USER_UV: '[[index]]\nurl = "{away}/simple"\ndefault = true\n'}, None),
    (OURS, {USER_UV: '[[index]]\nurl = "{away}/simple"\n'}, EXTRA),
    (OURS, {USER_UV: '[pip]\nextra-index-url = ["{away}/simple"]\n'}, EXTRA),
    (OURS, {"project/uv.toml": 'find-links = ["{away}/flat/"]\n'}, LINKS),
    (OURS, {"project/pyproject.toml": '[[tool.uv.index]]\nurl = "{away}/simple"\n'}, EXTRA),
    (OURS, {"pyproject.toml": '[[tool.uv.index]]\nurl = "{away}/simple"\n'}, EXTRA),
    (
        OURS,
        {"pyproject.toml": '[[tool.uv.index]]\nurl = "{away}/simple"\n', "project/uv.toml": "offline = false\n"},
        None,
    ),
    (OURS | {"UV_NO_CONFIG": "1"}, {USER_UV: 'extra-index-url = ["{away}/simple"]\n'}, None),
    (
        OURS | {"UV_CONFIG_FILE": "{home}/own.toml"},
        {"own.toml": "", USER_UV: 'extra-index-url = ["{away}/simple"]\n'},
        None,
    ),
    (OURS | {"http_proxy": "{away}"}, {}, PROXY),
    (OURS | {"ALL_PROXY": "{away}"}, {}, PROXY),
    (OURS | {"http_proxy": "{away}", "no_proxy": "127.0.0.1"}, {}, None),
    (OURS | {"http_proxy": "{away}", "no_proxy": "127.0.0.0/8"}, {}, None),
]


def _judge(stage, name, command, environment, files, check):
    stage.environment(environment)
    for path, text in files.items():
        stage.file(path, text)
    report = stage.report()
    found = {
        c["check"] for c in report.checks if c["subject"] in (name, "proxy") and c["state"] != "ok"
    }
    assert found == ({check} if check else set()), report.checks
    assert stage.asks_elsewhere(command) == bool(check), report.checks
    assert stage.installed or check


@pytest.fixture(name="daemon", scope="module")
def _daemon(mirrors, tmp_path_factory):
    """One for all: nothing here changes it."""
    running = Daemon(tmp_path_factory.mktemp("daemon"), all_mirrors(mirrors))
    yield running
    running.stop()


@pytest.mark.parametrize("environment, files, check", PIP_CASES)
def test_what_pip_does(daemon, origin, pip, environment, files, check):
    stage = Stage(pip, daemon, origin)
    _judge(stage, "pip", PIP, environment, files, check)


@pytest.mark.parametrize("environment, files, check", UV_CASES)
def test_what_uv_does(daemon, origin, uv, environment, files, check):
    stage = Stage(uv, daemon, origin)
    _judge(stage, "uv", UV, environment, files, check)


def test_plain_http_from_another_machine(daemon, origin, pip):
    """0.0.0.0 is this machine, and none that pip trusts by itself."""
    stage = Stage(pip, daemon, origin)
    index = stage.daemon.index().replace("127.0.0.1", "0.0.0.0")
    stage.environment({"PIP_INDEX_URL": index})
    report = stage.report()
    assert report.code == 1 and report.state("client-trusted-host", "pip") == "failed"
    stage.asks_elsewhere(PIP)
    assert not stage.installed and "not a trusted or secure host" in stage.failure

    stage.environment({"PIP_TRUSTED_HOST": "other.lab 0.0.0.0"})
    assert stage.report().of("client-trusted-host") == []
    stage.asks_elsewhere(PIP)
    assert stage.installed


def test_what_setup_writes_is_well(tmp_path):
    for client in ("pip", "uv"):
        done = run_wheelyard("setup", client, "--index=cu126", "--url", URL, "--write", home=tmp_path)
        assert done.returncode == 0
    (tmp_path / "pyproject.toml").write_text("[tool.poetry]\n[tool.pdm]\n[tool.pixi.project]\n")
    for client in ("pixi", "poetry", "pdm"):
        done = run_wheelyard("setup", client, "--index=cu126", "--url", URL, "--write", home=tmp_path)
        assert done.returncode == 0
    report = _look(tmp_path)
    for client in ("pip", "uv", "pixi", "poetry", "pdm"):
        assert report.state("client-index", client) == "ok"
    assert {c["check"] for c in report.checks if c["state"] != "ok"} == {"daemon"}


# ------------------------------------------------------------------- on paper


def _look(home, url=URL, **environment):
    environment = {"PIP_CONFIG_FILE": ""} | environment
    report = run_doctor(home, "--url", url, environment=environment)
    assert report.code == UNREACHABLE
    return report


def _of(report, client):
    return sorted((c["check"], c["state"]) for c in report.checks if c["subject"] == client)


def test_nobody_is_set_up(tmp_path):
    report = _look(tmp_path)
    assert all(c["state"] == "warning" for c in report.of("client-index"))
    assert not {"pixi", "poetry", "pdm"} & {c["subject"] for c in report.checks}


def test_the_remedy_is_one(tmp_path):
    """What is said to be typed is typed, and then all is well."""
    (tmp_path / "pyproject.toml").write_text("[tool.poetry]\n[tool.pdm]\n[tool.pixi.project]\n")
    for client in ("pip", "uv"):  # who is installed is looked at
        program = tmp_path / "bin" / client
        program.parent.mkdir(exist_ok=True)
        program.touch(mode=0o755)
    for client in ("pip", "uv", "pixi"):
        (told,) = _look(tmp_path, PATH=str(tmp_path / "bin")).of("client-index", client)
        command = shlex.split(told["remedy"])
        assert command[:3] == ["wheelyard", "setup", client]
        assert run_wheelyard(*command[1:], home=tmp_path).returncode == 0
        assert _look(tmp_path).state("client-index", client) == "ok"


PROJECTS = [
    ("poetry", '[tool.poetry]\nname = "x"\n', [(INDEX_CHECK, "warning")]),
    (
        "poetry",
        f'[[tool.poetry.source]]\nname = "a"\nurl = "{INDEX}"\n'
        f'[[tool.poetry.source]]\nname = "b"\nurl = "{ELSEWHERE}"\n',
        [(EXTRA, "warning"), (INDEX_CHECK, "ok")],
    ),
    (
        "poetry",
        f'[[tool.poetry.source]]\nname = "a"\nurl = "{INDEX}"\npriority = "explicit"\n',
        [(INDEX_CHECK, "warning")],
    ),
    (
        "poetry",
        f'[[tool.poetry.source]]\nname = "a"\nurl = "{INDEX}"\n[[tool.poetry.source]]\nname = "PyPI"\n',
        [(EXTRA, "warning"), (INDEX_CHECK, "ok")],
    ),
    ("pdm", f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{INDEX}"\n', [(INDEX_CHECK, "ok")]),
    ("pdm", f'[[tool.pdm.source]]\nname = "lab"\nurl = "{INDEX}"\n', [(INDEX_CHECK, "warning")]),
    ("pixi", f'[tool.pixi.pypi-options]\nindex-url = "{INDEX}"\n', [(INDEX_CHECK, "ok")]),
    ("pixi", "[tool.pixi.dependencies]\n", [(INDEX_CHECK, "warning")]),
    (
        "pixi",
        f'[tool.pixi.pypi-options]\nindex-url = "{INDEX}"\nextra-index-urls = ["{ELSEWHERE}"]\n'
        'find-links = [{ url = "https://x.example/" }, { path = "./wheels" }]\n'
        f'[tool.pixi.feature.a.pypi-dependencies]\ntorch = {{ version = "*", index = "{ELSEWHERE}" }}\n',
        [(EXTRA, "warning"), (LINKS, "warning"), (INDEX_CHECK, "ok"), ("client-pinned-index", "warning")],
    ),
    (
        "uv",
        f'[[tool.uv.index]]\nurl = "{INDEX}"\ndefault = true\n'
        '[[tool.uv.index]]\nname = "p"\nurl = "https://download.pytorch.org/whl/cu126"\nexplicit = true\n',
        [(INDEX_CHECK, "ok"), ("client-pinned-index", "warning")],
    ),
    ("uv", f'[[tool.uv.index]]\nurl = "{INDEX}"\n', [(INDEX_CHECK, "warning")]),
    (
        "uv",
        f'[tool.uv]\nindex-url = "{INDEX}"\n[tool.uv.pip]\ntorch-backend = "cu126"\n',
        [(INDEX_CHECK, "ok"), ("client-torch-backend", "warning")],
    ),
    ("uv", "[tool.uv\n", [("client-file", "failed")]),
]


@pytest.mark.parametrize("client, text, expected", PROJECTS)
def test_a_project(tmp_path, client, text, expected):
    (tmp_path / "pyproject.toml").write_text(text)
    found = _of(_look(tmp_path), client)
    if ("client-file", "failed") in expected:
        found = [f for f in found if f[0] == "client-file"]
    assert found == sorted(expected)


def test_pixi_by_its_mirrors(tmp_path):
    (tmp_path / "pixi.toml").write_text('[pypi-dependencies]\ntorch = "*"\n')
    file = tmp_path / ".pixi" / "config.toml"
    file.parent.mkdir()
    to_us = f'"https://pypi.org" = ["{URL}/mirror/pypi.org"]\n'
    file.write_text(f"[mirrors]\n{to_us}")
    assert _of(_look(tmp_path), "pixi") == [("client-index", "ok")]
    file.write_text(f'[mirrors]\n{to_us}"https://pypi.org/simple" = ["{ELSEWHERE}"]\n')
    assert ("client-mirrors", "warning") in _of(_look(tmp_path), "pixi")
    other = tmp_path / "pixi-home"
    other.mkdir()
    file.rename(other / "config.toml")
    report = _look(tmp_path, PIXI_HOME=str(other))
    assert ("client-mirrors", "warning") in _of(report, "pixi")


def test_a_torch_backend(tmp_path):
    report = _look(tmp_path, UV_DEFAULT_INDEX=INDEX, UV_TORCH_BACKEND="auto")
    assert ("client-torch-backend", "warning") in _of(report, "uv")


def test_no_index_at_all(tmp_path):
    environment = {"PIP_INDEX_URL": INDEX, "UV_DEFAULT_INDEX": INDEX}
    report = _look(tmp_path, **environment, PIP_NO_INDEX="1", UV_NO_INDEX="true")
    assert [c["subject"] for c in report.of("client-no-index")] == ["pip", "uv"]
    (tmp_path / "uv.toml").write_text("no-index = true\n")
    report = _look(tmp_path, **environment, PIP_NO_INDEX="0")
    assert [c["subject"] for c in report.of("client-no-index")] == ["uv"]


def test_passwords_stay_unseen(tmp_path):
    secret = "http://joe:s3cr3t@pypi.example/simple"
    names = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "http_proxy", "UV_DEFAULT_INDEX")
    report = _look(tmp_path, **{name: secret for name in names})
    assert "s3cr3t" not in report.text and "***@pypi.example" in report.text
    assert "s3cr3t" not in _look(tmp_path, http_proxy="joe:s3cr3t@proxy.lab:3128").text


def test_a_proxy_elsewhere_cannot_reach_us(tmp_path):
    report = _look(tmp_path, http_proxy="http://proxy.lab:3128")
    assert report.state("proxy") == "failed"
    assert "no_proxy=localhost" in report.of("proxy")[0]["remedy"]
    assert _look(tmp_path, http_proxy="127.0.0.1:3128").state("proxy") == "warning"
    assert _look(tmp_path, http_proxy="http://[::1]:1/", no_proxy=".localhost").state("proxy") == "ok"


def test_all_our_names(tmp_path):
    """What an address that stands for all is called, and what the configuration calls it."""
    file = tmp_path / "own.toml"
    file.write_text('listen = ["0.0.0.0:8503"]\nhosts = ["wheels.lab"]\n')
    for host in ("localhost", "127.0.0.1", "[::1]", "wheels.lab", os.uname().nodename):
        environment = {"UV_DEFAULT_INDEX": f"http://{host}:8503/cu126/simple"}
        own = ("--config", file, "--socket", tmp_path / "none")
        report = run_doctor(tmp_path, *own, environment=environment)
        assert report.state("client-index", "uv") == "ok", host
    environment = {"UV_DEFAULT_INDEX": "http://localhost:8504/cu126/simple"}
    assert run_doctor(tmp_path, *own, environment=environment).state("client-index", "uv") == "warning"


def _random_ini(source):
    lines = ["[install]", "[other]", "index-url = http://a.example/{n}", "INDEX_URL: http://b/{n}"]
    lines += ["extra-index-url =", "    http://c.example/{n}", "  http://d.example/{n}", "# x = y", "   ; z", ""]
    lines += ["find-links =http://f.example/{n} http://g.example/{n}", "timeout = 3"]
    chosen = ["[global]"] + source.choices(lines, k=source.randint(1, 9))
    return "\n".join(line.replace("{n}", str(i)) for i, line in enumerate(chosen))


def test_ini_files_are_read_as_python_reads_them(tmp_path):
    source, compared = random.Random(8503), 0
    while compared < 40:
        text = _random_ini(source)
        options = configparser.RawConfigParser()
        try:
            options.read_string(text)
        except configparser.Error:
            continue
        told = {}
        for section in ("global", "install"):
            for key, value in options[section].items() if section in options else ():
                told[key.replace("_", "-")] = value
        (tmp_path / "pip.conf").write_text(text)
        report = _look(tmp_path, PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
        shown = "\n\n".join(c["text"] for c in report.checks if c["subject"] == "pip")
        expected = [("index-url", told[key]) for key in ("index-url",) if told.get(key)]
        for key in ("extra-index-url", "find-links"):
            expected += [(key, word) for word in told.get(key, "").split()]
        for key, value in expected:
            assert f"{key} = {value} (" in shown, (text, shown)
        compared += 1
