# SPDX-License-Identifier: Apache-2.0
"""The lines that README.md tells users to type are the lines that work."""

import re
import shlex
import textwrap
import tomllib

import pytest

from clients import REQUIRES_PYTHON, installed
from daemon import ROOT, all_mirrors
from test_pixi import newest_wheel, page_of, whole_wheel

HERE = "http://localhost:8503"


def blocks():
    """The indented blocks, each as text without its indentation."""
    found = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", (ROOT / "README.md").read_text(), re.M)
    return [textwrap.dedent(block) for block in found if HERE in block]


def commands(program):
    lines = [line for block in blocks() for line in block.splitlines()]
    return [line for line in lines if line.startswith(f"{program} ")]


def tables(name):
    """The blocks that are TOML and have this table of [tool]."""
    return [block for block in blocks() if re.search(rf"^\[+tool\.{name}\b", block, re.M)]


@pytest.mark.parametrize("line", commands("pip"))
def test_pip_lines(mirrors, serve, pip, line):
    daemon = serve(all_mirrors(mirrors))
    words = shlex.split(line.replace(HERE, daemon.url))
    assert words[:2] == ["pip", "install"]
    assert installed(pip.install(*words[2:]))["torch"] == "2.9.0+cu126"


@pytest.mark.parametrize("line", commands("uv"))
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
    assert commands("pip") and commands("uv") and tables("uv") and tables("pixi")
