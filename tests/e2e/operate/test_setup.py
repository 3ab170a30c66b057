# SPDX-License-Identifier: Apache-2.0
"""`wheelyard setup`: what it prints and writes is what the real clients read."""

import configparser
import random
import re
import subprocess
import tomllib

import pytest

from clients import REQUIRES_PYTHON, installed
from daemon import all_mirrors, binary, daemon_environment, run_wheelyard

DONE, FAILED, USAGE = 0, 1, 2
URL = "http://wheels.lab:8503"
VERIFY = 'python -c "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.is_available())"'
PROJECT = """\
[project]
name = "app"  # a comment that stays
version = "0"
"""


def setup(home, *arguments, code=DONE, url=URL):
    where = ("--url", url) if url else ()
    done = run_wheelyard("setup", *arguments, *where, home=home)
    assert done.returncode == code, done
    return done.stdout if code == DONE else done.stderr


def _write(home, client, **options):
    return setup(home, client, "--index", "cu126", "--write", **options)


def _unpatch(new, told):
    """What a file was before the diff that was shown: its one hunk, turned round."""
    start, lines = re.search(r"^@@ -\d+,\d+ \+(\d+),\d+ @@\n((?:[-+ ].*\n)*)", told, re.M).groups()
    kept = new.splitlines()
    shown = lines.splitlines()
    after = [line[1:] for line in shown if line[0] in " +"]
    at = int(start) - 1
    assert kept[at : at + len(after)] == after, told
    kept[at : at + len(after)] = [line[1:] for line in shown if line[0] in " -"]
    return "\n".join(kept)


# ------------------------------------------------------------- real clients


def test_pip_reads_what_is_written(mirrors, serve, pip):
    daemon = serve(all_mirrors(mirrors))
    _write(pip.home, "pip", url=daemon.url)
    del pip.environment["PIP_CONFIG_FILE"]
    assert installed(pip.install("torch"))["torch"] == "2.9.0+cu126"


def test_uv_reads_what_is_written(mirrors, serve, uv):
    daemon = serve(all_mirrors(mirrors))
    _write(uv.home, "uv", url=daemon.url)
    assert installed(uv.install("torch"))["torch"] == "2.9.0+cu126"


def test_pip_reads_what_is_printed(mirrors, serve, pip):
    daemon = serve(all_mirrors(mirrors))
    told = setup(pip.home, "pip", "--index", "cu126", url=daemon.url)
    file = pip.home / "pip.conf"
    file.write_text(told)
    pip.environment["PIP_CONFIG_FILE"] = str(file)
    assert installed(pip.install("torch"))["torch"] == "2.9.0+cu126"


# ------------------------------------------------------------------- printed


def test_printed_for_each_client(tmp_path):
    index = f"{URL}/cu126/simple"
    told = {c: setup(tmp_path, c, "--index=cu126") for c in ("pip", "uv", "pixi", "poetry", "pdm", "pipenv")}
    assert all(VERIFY in text for text in told.values())
    assert all(place in told["pip"] for place in ("pip.conf", "pip.ini", "Application Support"))
    options = configparser.ConfigParser()
    options.read_string(told["pip"])
    assert dict(options["global"]) == {"index-url": index, "trusted-host": "wheels.lab"}
    uv, pixi, poetry, pdm = (tomllib.loads(told[c]) for c in ("uv", "pixi", "poetry", "pdm"))
    assert uv["index"] == [{"name": "wheelyard", "url": index, "default": True}]
    assert pixi["pypi-options"]["index-url"] == index
    assert poetry["tool"]["poetry"]["source"][0]["url"] == index
    assert pdm["tool"]["pdm"]["source"][0] == {"name": "pypi", "url": index, "verify_ssl": False}
    pipenv = tomllib.loads(told["pipenv"])
    assert pipenv["source"] == [{"name": "pypi", "url": index, "verify_ssl": False}]
    assert "PIPENV_PYPI_MIRROR" in told["pipenv"]


def test_this_machine_needs_no_trust(tmp_path):
    for url in ("http://localhost:8503", "http://127.0.0.1:1", "http://[::1]:2/"):
        assert "trusted-host" not in setup(tmp_path, "pip", "--index", "simple", url=url)
        assert f"index-url = {url.rstrip('/')}/simple\n" in setup(
            tmp_path, "pip", "--index", "simple", url=url
        )


def test_the_address_of_the_configuration(tmp_path):
    config = tmp_path / "own.toml"
    config.write_text('listen = ["0.0.0.0:4242"]\n')
    told = setup(tmp_path, "uv", "--config", config, url=None)
    assert 'url = "http://localhost:4242/cu126/simple"' in told


# ------------------------------------------------------------- which index

SILENT = "http://0.0.0.0:9"  # refused at once, and no name of loopback's
OWN = """\
[origin.pytorch]
channels = ["cpu", "cu*", "nightly/*"]
owns = ["torch"]
[[origin.pytorch.mirror]]
name = "m"
layout = "flat"
index = "http://127.0.0.1:9/{channel}/"
files = "http://127.0.0.1:9/"
[origin.pypi]
[[origin.pypi.mirror]]
name = "m"
layout = "simple"
index = "http://127.0.0.1:9/{project}/"
files = "http://127.0.0.1:9/"
[index.lab]
origins = ["pypi"]
"""


@pytest.fixture(name="own")
def _own(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    return file


def index_url(text):
    return re.search(r"^index-url = (\S+)$", text, re.M).group(1)


def told_of(home, *arguments, **options):
    """The address that pip is given."""
    return index_url(setup(home, "pip", *arguments, **options))


def test_an_index_that_is_not_configured(tmp_path, own):
    said = setup(tmp_path, "pip", "--index", "nope", "--config", own, code=USAGE, url=None)
    assert "nope: there is no such index; there are: simple, lab, cpu, cu*, nightly/*" in said
    for index in ("lab", "cu999", "nightly/cu130"):
        assert f"/{index}/simple" in told_of(tmp_path, "--index", index, "--config", own, url=None)
    here = "http://localhost:9"
    said = setup(tmp_path, "pip", "--index", "nope", "--config", own, code=USAGE, url=here)
    assert "there are: simple, lab" in said


def test_an_index_of_another_daemon(tmp_path, own, serve, mirrors):
    """It has indexes of its own: it is asked for what our configuration does not know."""
    text = all_mirrors(mirrors) + '\n[index.team]\norigins = ["pypi"]\n'
    daemon = serve(text)
    assert told_of(tmp_path, "--index", "team", "--config", own, url=daemon.url) == f"{daemon.url}/team/simple"
    said = setup(tmp_path, "pip", "--index", "nope", "--config", own, code=USAGE, url=daemon.url)
    assert f"nope: {daemon.url} has no such index" in said


def test_a_channel_that_a_pattern_allows_and_no_mirror_has(tmp_path, serve, mirrors):
    """The daemon that runs is asked: cu* allows cuda126, which no mirror has."""
    daemon = serve(all_mirrors(mirrors))
    assert told_of(tmp_path, "--index", "cu126", url=daemon.url) == f"{daemon.url}/cu126/simple"
    said = setup(tmp_path, "pip", "--index", "cuda126", code=USAGE, url=daemon.url)
    assert f"cuda126: {daemon.url} has no such index; did you mean cu126?" in said
    assert "There are: simple, cu126" in said
    said = setup(tmp_path, "pip", "--index", "simpel", code=USAGE, url=daemon.url)
    assert "did you mean simple?" in said


def test_another_machine_that_does_not_answer(tmp_path, own):
    """It may be there tomorrow, so it is believed."""
    arguments = ("setup", "pip", "--index", "team", "--config", own, "--url", SILENT)
    done = run_wheelyard(*arguments, home=tmp_path)
    assert done.returncode == DONE and index_url(done.stdout) == f"{SILENT}/team/simple"
    assert "does not say whether it has this index" in done.stderr


@pytest.mark.parametrize(
    "path, arguments, index",
    [
        ("/cu126/simple", [], "cu126"),
        ("/cu126/simple/", [], "cu126"),
        ("/nightly/cu130/simple", [], "nightly/cu130"),
        ("/simple", [], ""),
        ("/simple/", ["--index", "cpu"], "cpu"),
        ("/cu126/simple", ["--index", "lab"], "lab"),
        ("/cu126/simple/", ["--index", "simple"], ""),
        ("/behind/a/proxy/cu126/simple", [], "behind/a/proxy/cu126"),
        ("/behind/a/proxy/", ["--index", "cu126"], "behind/a/proxy/cu126"),
        ("/behind/nightly/cu130/simple", ["--index", "lab"], "behind/lab"),
        ("//", ["--index", "cu126"], "cu126"),
    ],
)
def test_an_address_with_an_index_in_it(tmp_path, own, path, arguments, index):
    slash = "/" if index else ""
    told = told_of(tmp_path, *arguments, "--config", own, url=URL + path)
    assert told == f"{URL}{slash}{index}/simple"


def test_a_configuration_that_is_wrong_is_needed_only_for_what_is_not_said(tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("max_sise = '1GB'\n")
    index = f"{SILENT}/cu126/simple"
    assert told_of(tmp_path, "--config", wrong, url=index) == index
    assert f"{wrong}:1: max_sise" in setup(
        tmp_path, "pip", "--config", wrong, code=USAGE, url=SILENT
    )


# ------------------------------------------------------------------- written

OLD_PIP = """\
# mine
[global]
timeout = 60
index_url = https://mirrors.example/simple
trusted-host =
    one.lab
    two.lab
[install]
no-compile = true"""


def test_a_file_that_is_there(tmp_path):
    file = tmp_path / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text(OLD_PIP)
    file.chmod(0o600)
    told = _write(tmp_path, "pip")
    options = configparser.ConfigParser()
    options.read_string(file.read_text())
    assert options["global"]["index-url"] == f"{URL}/cu126/simple"
    assert options["global"]["timeout"] == "60" and options["install"]["no-compile"] == "true"
    assert set(options["global"]["trusted-host"].split()) == {"one.lab", "two.lab", "wheels.lab"}
    assert file.read_text().startswith("# mine\n")
    copy = file.with_name("pip.conf.bak")
    assert copy.read_text() == OLD_PIP and str(copy) in told
    assert {oct(f.stat().st_mode & 0o777) for f in (file, copy)} == {"0o600"}
    assert _unpatch(file.read_text(), told) == OLD_PIP

    again = _write(tmp_path, "pip")
    assert "already so" in again and "@@" not in again
    assert sorted(f.name for f in file.parent.iterdir()) == ["pip.conf", "pip.conf.bak"]


def test_each_change_keeps_a_copy(tmp_path):
    file = tmp_path / ".config" / "uv" / "uv.toml"
    for index in ("cu126", "cu130", "cpu"):
        setup(tmp_path, "uv", "--index", index, "--write")
        (only,) = tomllib.loads(file.read_text())["index"]
        assert only["url"] == f"{URL}/{index}/simple"
    names = sorted(f.name for f in file.parent.iterdir())
    assert names == ["uv.toml", "uv.toml.bak", "uv.toml.bak2"]


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "dotfiles" / "uv.toml"
    link = tmp_path / ".config" / "uv" / "uv.toml"
    real.parent.mkdir()
    link.parent.mkdir(parents=True)
    real.write_text('[pip]\nstrict = true\n[[index]]\nname = "lab"\nurl = "https://lab.example/simple"\n')
    link.symlink_to(real)
    told = _write(tmp_path, "uv")
    assert link.is_symlink()
    document = tomllib.loads(real.read_text())
    assert [i["name"] for i in document["index"]] == ["lab", "wheelyard"]
    assert document["pip"] == {"strict": True}
    assert _unpatch(real.read_text(), told).startswith("[pip]\nstrict = true\n")


@pytest.mark.parametrize(
    "text, says",
    [
        ('[[index]]\nurl = "https://x.example/simple"\ndefault = true\n', "default already"),
        ("index = []\n", "cannot be changed here"),
        ("[pip\n", "cannot be changed here"),
    ],
)
def test_what_would_break_is_left_alone(tmp_path, text, says):
    file = tmp_path / ".config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert says in _write(tmp_path, "uv", code=FAILED)
    assert file.read_text() == text and [f.name for f in file.parent.iterdir()] == ["uv.toml"]


@pytest.mark.parametrize("client", ["pixi", "poetry", "pdm"])
def test_projects(tmp_path, client):
    assert "no pyproject.toml" in _write(tmp_path, client, code=FAILED)
    file = tmp_path / "pyproject.toml"
    file.write_text(PROJECT)
    told = _write(tmp_path, client)
    assert file.read_text().startswith(PROJECT) and f"{client} run {VERIFY}" in told
    tool = tomllib.loads(file.read_text())["tool"][client]
    entry = tool["pypi-options"]["index-url"] if client == "pixi" else tool["source"][0]["url"]
    assert entry == f"{URL}/cu126/simple"


def test_pixi_toml_comes_first(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    manifest = tmp_path / "pixi.toml"
    manifest.write_text('[pypi-options]\nindex-url = "https://old.example/simple"\n\n[tasks]\n')
    _write(tmp_path, "pixi")
    assert tomllib.loads(manifest.read_text())["pypi-options"] == {"index-url": f"{URL}/cu126/simple"}
    assert (tmp_path / "pyproject.toml").read_text() == PROJECT


def test_pixi_is_shown_the_table_of_the_file_that_is_there(tmp_path):
    """In a pyproject.toml pixi passes [pypi-options] over, and goes to the public index."""
    own = {"index-url": f"{URL}/cu126/simple"}
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    told = setup(tmp_path, "pixi", "--index", "cu126")
    assert tomllib.loads(told) == {"tool": {"pixi": {"pypi-options": own}}}
    (tmp_path / "pixi.toml").write_text("[workspace]\n")
    assert tomllib.loads(setup(tmp_path, "pixi", "--index", "cu126")) == {"pypi-options": own}
    (tmp_path / "pixi.toml").unlink()
    (tmp_path / "pyproject.toml").write_text(PROJECT + '[pypi-options]\nindex-url = "http://x"\n')
    assert "pixi does not read [pypi-options] in a pyproject.toml" in _write(tmp_path, "pixi")


def test_pipenv(tmp_path):
    file = tmp_path / "Pipfile"
    assert "no Pipfile" in _write(tmp_path, "pipenv", code=FAILED)
    old = '[[source]]\nurl = "https://pypi.org/simple"\nverify_ssl = true\nname = "pypi"\n\n[packages]\ntorch = "*"\n'
    file.write_text(old)
    _write(tmp_path, "pipenv")
    written = tomllib.loads(file.read_text())
    assert written["source"] == [{"name": "pypi", "url": f"{URL}/cu126/simple", "verify_ssl": False}]
    assert written["packages"] == {"torch": "*"}


def test_uv_for_all_projects_or_for_one(tmp_path):
    """What is set for this user gets into every lock from then on, so that is said."""
    told = _write(tmp_path, "uv")
    assert "uv.lock of every project" in told and "--project" in told
    assert "uv.lock of every project" in setup(tmp_path, "uv", "--index", "cu126")
    (tmp_path / ".config" / "uv" / "uv.toml").unlink()
    why = setup(tmp_path, "uv", "--index", "cu126", "--write", "--project", code=FAILED)
    assert "no pyproject.toml and no uv.toml" in why
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    told = setup(tmp_path, "uv", "--index", "cu126", "--write", "--project")
    assert "every project" not in told
    (index,) = tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["uv"]["index"]
    assert index == {"name": "wheelyard", "url": f"{URL}/cu126/simple", "default": True}
    assert not (tmp_path / ".config" / "uv" / "uv.toml").exists()
    (tmp_path / "uv.toml").write_text("")  # beside it uv reads nothing of a pyproject.toml
    setup(tmp_path, "uv", "--index", "cu130", "--write", "--project")
    (index,) = tomllib.loads((tmp_path / "uv.toml").read_text())["index"]
    assert index["url"] == f"{URL}/cu130/simple"


def test_uv_reads_what_is_written_into_a_project(mirrors, serve, uv):
    daemon = serve(all_mirrors(mirrors))
    (uv.home / "pyproject.toml").write_text(
        PROJECT + f'requires-python = "{REQUIRES_PYTHON}"\ndependencies = ["torch"]\n'
    )
    setup(uv.home, "uv", "--index", "cu126", "--write", "--project", url=daemon.url)
    uv.run("lock")
    assert f"{daemon.url}/cu126/simple" in (uv.home / "uv.lock").read_text()


def test_pip_beside_another_index_is_warned_of(tmp_path):
    file = tmp_path / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[install]\nextra-index-url = https://joe:s3cr3t@old.example/simple\n")
    environment = daemon_environment(tmp_path)
    del environment["PIP_CONFIG_FILE"]
    command = [binary(), "setup", "pip", "--index", "cu126", "--url", URL]
    for more in (["--write"], ["--write"], []):
        told = subprocess.run(
            command + more, env=environment, capture_output=True, text=True, check=True
        ).stdout
        (line,) = [line for line in told.splitlines() if "extra-index-url" in line and line[0] == "#"]
        assert "old.example" in line and str(file) in line and "either index" in line
        assert "s3cr3t" not in line


# -------------------------------------------------------------------- undone

BEFORE = {
    "pip": (".config/pip/pip.conf", OLD_PIP),
    "uv": (".config/uv/uv.toml", '# mine\n[pip]\nstrict = true\n\n[[index]]\nname = "lab"\nurl = "https://lab.example/"\n'),
    "pixi": ("pixi.toml", '[pypi-options]\nindex-url = "https://old.example/simple" # why\n\n[tasks]\n'),
    "poetry": ("pyproject.toml", PROJECT),
    "pdm": ("pyproject.toml", PROJECT + '[[tool.pdm.source]]\nname = "pypi"\nurl = "https://x.example/simple"\n'),
    "pipenv": ("Pipfile", '[[source]]\nurl = "https://pypi.org/simple"\nverify_ssl = true\nname = "pypi"\n\n[packages]\n'),
}  # fmt: skip


def _undo(home, client, **options):
    return setup(home, client, "--undo", **options)


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "no line feed at the end"])
@pytest.mark.parametrize("client", BEFORE)
def test_undo_leaves_what_was_there_before(tmp_path, client, ending):
    name, old = BEFORE[client]
    old += f"# {ending}" if ending.startswith("no") else ending
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(old)
    for index in ("cu126", "cu130"):  # twice: back to what the first found
        setup(tmp_path, client, "--index", index, "--write")
    assert file.read_text() != old
    told = _undo(tmp_path, client)
    assert file.read_text() == old and "@@" in told
    assert "nothing to undo" in _undo(tmp_path, client, code=FAILED)
    assert file.read_text() == old


@pytest.mark.parametrize("client", BEFORE)
def test_undo_leaves_what_was_changed_since(tmp_path, client):
    name, old = BEFORE[client]
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(old)
    _write(tmp_path, client)
    more = "\n[added]\nsince = 1\n"
    file.write_text(file.read_text() + more)
    _undo(tmp_path, client)
    kept = file.read_text()
    assert URL not in kept and "wheels.lab" not in kept and kept.endswith(more)
    if client == "pip":
        assert _options(kept) == _options(old + more)
    else:
        assert tomllib.loads(kept) == tomllib.loads(old + more)
    wrong = "".join(line for line in kept.splitlines(True) if line.strip())
    assert wrong == "".join(line for line in (old + more).splitlines(True) if line.strip())


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_undo_takes_away_a_file_that_setup_made(tmp_path, client):
    file = tmp_path / BEFORE[client][0]
    _write(tmp_path, client)
    assert file.exists()
    assert "removed" in _undo(tmp_path, client)
    assert not file.exists() and not list(file.parent.iterdir())
    assert "nothing to undo" in _undo(tmp_path, client, code=FAILED)


def test_undo_knows_its_own(tmp_path):
    file = tmp_path / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    for url in ("https://pypi.example/simple", f"{URL}.example/cu126/simple", f"{URL}/else"):
        file.write_text(f"[global]\nindex-url = {url}\n")
        assert "names no index of" in _undo(tmp_path, "pip", code=FAILED)
        assert url in file.read_text()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    _write(tmp_path, "poetry")
    mixed = (tmp_path / "pyproject.toml").read_text() + 'mine = "too"\n'
    (tmp_path / "pyproject.toml").write_text(mixed)
    assert "by hand" in _undo(tmp_path, "poetry", code=FAILED)
    assert (tmp_path / "pyproject.toml").read_text() == mixed


def test_undo_of_the_hosts_that_pip_trusts(tmp_path):
    """Of a list our word goes, and the rest of it stays."""
    file = tmp_path / ".config" / "pip" / "pip.conf"
    _write(tmp_path, "pip")
    file.write_text(file.read_text() + "    more.lab\n")
    _undo(tmp_path, "pip")
    assert _options(file.read_text()) == {("global", "trusted-host"): "\nmore.lab"}


@pytest.mark.parametrize(
    "arguments, says",
    [
        ((), "which client"),
        (("pip", "--undo", "--write"), "not together"),
        (("pip", "--project"), "no configuration of a project"),
        (("conda",), "pip, uv, pixi"),
        (("pip", "uv"), "one client"),
        (("pip", "--index", "a b"), "not the name of an index"),
        (("pip", "--index"), "value is missing"),
        (("pip", "--force"), "unknown flag"),
        (("pip", "--url", 'http://x/"y'), "not an address"),
        (("pip", "--url", "localhost:8503"), "not an address"),
        (("pip", "--url", "http:///simple/"), "not an address"),
        (("pip", "--url", "http://"), "not an address"),
    ],
)
def test_usage(tmp_path, arguments, says):
    assert says in setup(tmp_path, *arguments, code=USAGE, url=None)


def test_help(tmp_path):
    assert setup(tmp_path, "--help").startswith("usage: wheelyard setup")


# -------------------------------------------------- any pip.conf, to configparser


PIECES = [
    "[global]\n", "[install]\n", "  [install]\n", "index-url = https://old.example/simple\n",
    "  index-url: https://old.example/simple\n", "index-url =\n    https://old.example/simple\n",
    "trusted-host = a.example\n", "trusted-host =a.example\n    b.example\n", "    more = of it\n",
    "  trusted-host = a.example\n\n# not the end\n     index_url = of the list\n", "timeout = 60\n",
    "  timeout = 60\n", "\ttimeout = 60\n", "# a comment\n", "  ; another\n", "\n",
]  # fmt: skip


def _options(text):
    """What configparser reads, or None where it refuses the file."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {
        (section, name.replace("_", "-")): value
        for section in parser.sections()
        for name, value in parser.items(section)
    }


def test_whatever_pip_conf_says_it_says_still(tmp_path):
    """Indented lines are more of the value above them: they are neither keys nor headings."""
    draw = random.Random(20)
    ours = {("global", "index-url"), ("global", "trusted-host")}
    changed = 0
    path = tmp_path / ".config/pip/pip.conf"
    path.parent.mkdir(parents=True)
    while changed < 150:
        old = "".join(draw.choices(PIECES, k=draw.randrange(1, 8)))
        before = _options(old)
        if before is None:
            continue
        path.write_text(old)
        _write(tmp_path, "pip")
        after = _options(path.read_text())
        hosts = before.get(("global", "trusted-host"), "").split()
        assert after[("global", "index-url")] == f"{URL}/cu126/simple", old
        assert sorted(after[("global", "trusted-host")].split()) == sorted(hosts + ["wheels.lab"])
        rest = {key: value for key, value in after.items() if key not in ours}
        assert rest == {key: value for key, value in before.items() if key not in ours}, old
        for copy in path.parent.glob("pip.conf.bak*"):
            copy.unlink()
        changed += 1
