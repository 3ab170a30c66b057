# SPDX-License-Identifier: Apache-2.0
"""The lines that README.md tells users to type are the lines that work."""

import re
import shlex
import tomllib

import pytest

from clients import REQUIRES_PYTHON, installed
from daemon import all_mirrors, run_wheelyard
from documents import HERE, assert_shows, blocks_of, commands, sessions
from test_pixi import newest_wheel, page_of, whole_wheel

BLOCKS = blocks_of("README.md")
FLAT = "https://mirrors.aliyun.com/pytorch-wheels/cu126/"
PICTURES = [each for block in BLOCKS if block.language == "console" for each in sessions(block)]


def typed(program):
    lines = [line for block in BLOCKS if block.language == "sh" for line in commands(block)]
    return [line for line in lines if line.startswith(f"{program} ")]


def tables(name):
    """The blocks that have this table of [tool]."""
    return [b.text for b in BLOCKS if re.search(rf"^\[+tool\.{name}\b", b.text, re.M)]


def pictures(program):
    return [(line, shown) for line, shown in PICTURES if line.startswith(f"{program} ")]


@pytest.mark.parametrize("line, shown", pictures("uv"), ids=["flat", "through-us"])
def test_the_picture_of_uv(mirrors, serve, uv, line, shown):
    """Real uv prints these lines: it fails on the flat page, and installs through us."""
    daemon = serve(all_mirrors(mirrors))
    uv.run("venv", "picture")
    uv.environment["VIRTUAL_ENV"] = str(uv.home / "picture")
    del uv.environment["UV_PYTHON"]  # else it would install there
    words = shlex.split(line.replace(FLAT, mirrors.flat_url()).replace(HERE, daemon.url))[1:]
    fails = shown[0].startswith("error")
    assert_shows(shown, uv.run(*words, fails=fails))
    assert fails == (mirrors.flat_url() in words)


def test_the_picture_of_the_doctor(mirrors, serve, tmp_path):
    ((_, shown),) = pictures("wheelyard")
    daemon = serve(f'socket = "{tmp_path}/own/socket"\n' + all_mirrors(mirrors))
    config = tmp_path / "wheelyard.conf"
    listen = f'listen = ["{daemon.url.removeprefix("http://")}"]\ncache_dir = "{daemon.cache_dir}"\n'
    config.write_text(listen + (daemon.folder / "config.toml").read_text())
    done = run_wheelyard("doctor", "--config", config, home=tmp_path, seconds=60)
    told = done.stdout.replace(str(config), "/etc/wheelyard/wheelyard.conf")
    told = told.replace(str(daemon.cache_dir), "/var/cache/wheelyard")
    told = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:8503", told)
    assert len(shown) == 6
    assert_shows(shown, told)


@pytest.mark.parametrize("line", typed("pip"))
def test_pip_lines(mirrors, serve, pip, line):
    daemon = serve(all_mirrors(mirrors))
    words = shlex.split(line.replace(HERE, daemon.url))
    assert words[:2] == ["pip", "install"]
    assert installed(pip.install(*words[2:]))["torch"] == "2.9.0+cu126"


@pytest.mark.parametrize("line", typed("uv"))
def test_uv_lines(mirrors, serve, uv, line):
    daemon = serve(all_mirrors(mirrors))
    words = shlex.split(line.replace(HERE, daemon.url))
    assert words[:3] == ["uv", "pip", "install"]
    assert installed(uv.install(*words[3:]))["torch"] == "2.9.0+cu126"


@pytest.mark.parametrize("table", tables("uv"))
def test_uv_projects(mirrors, serve, uv, table):
    daemon = serve(all_mirrors(mirrors))
    project = f'[project]\nname = "app"\nversion = "0"\nrequires-python = "{REQUIRES_PYTHON}"\n'
    project += 'dependencies = ["torch", "torchvision"]\n'
    pypi = f'[[tool.uv.index]]\nname = "pypi"\nurl = "{daemon.index("")}"\ndefault = true\n'
    text = table.replace(HERE, daemon.url)
    folder = uv.home / "app"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        project + text + ("" if "default = true" in text else pypi)
    )
    uv.run("sync", cwd=folder)
    (site,) = (folder / ".venv" / "lib").glob("python*/site-packages")
    assert installed(site)["torch"] == "2.9.0+cu126"


@pytest.mark.parametrize("table", tables("pixi"))
def test_pixi_lines(mirrors, serve, table):
    daemon = serve(all_mirrors(mirrors))
    options = tomllib.loads(table.replace(HERE, daemon.url))["tool"]["pixi"]["pypi-options"]
    url, reply = page_of(options["index-url"], "torch")
    assert whole_wheel(newest_wheel(url, reply, "cp311-manylinux_2_28_x86_64"))


def test_every_client_has_lines():
    assert typed("pip") and typed("uv") and tables("uv") and tables("pixi")
