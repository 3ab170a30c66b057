# SPDX-License-Identifier: Apache-2.0
"""Clients that work on a project: each locks torch through us, installs it from its lock, and
installs it again on another machine when no mirror can be reached any more."""

import shutil

import pytest

import clients
import wheels
from clients import REQUIRES_PYTHON, installed
from daemon import all_mirrors, flat_and_pypi

PROJECT = f"""
[project]
name = "app"
version = "0"
requires-python = "{REQUIRES_PYTHON}"
dependencies = ["torch"]
"""


class Program(clients.Client):
    """A client of PyPI's, in an environment of its own, that keeps its project's under .venv."""

    settings = {}
    wanted = ""

    def __init__(self, home):
        program = wheels.fetch_program(type(self).__name__.lower(), self.wanted)
        super().__init__(home, [program], self.settings)

    def write(self, folder, index):
        raise NotImplementedError

    def lock(self, folder):
        raise NotImplementedError

    def sync(self, folder):
        raise NotImplementedError


class Poetry(Program):
    settings = {
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "POETRY_NO_INTERACTION": "1",
        "POETRY_KEYRING_ENABLED": "false",
    }
    locked = ("pyproject.toml", "poetry.lock")

    def write(self, folder, index):
        source = f'[[tool.poetry.source]]\nname = "wheelyard"\nurl = "{index}"\n'
        text = f"{PROJECT}\n[tool.poetry]\npackage-mode = false\n\n{source}"
        (folder / "pyproject.toml").write_text(text)

    def lock(self, folder):
        self.run("lock", cwd=folder)

    def sync(self, folder):
        self.run("sync", cwd=folder)


class Pdm(Program):
    settings = {"PDM_CHECK_UPDATE": "0"}
    wanted = "[locked]"  # it does not start with the newest of all that it needs
    locked = ("pyproject.toml", "pdm.lock")

    def write(self, folder, index):
        source = f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{index}"\n'
        text = f"{PROJECT}\n[tool.pdm]\ndistribution = false\n\n{source}"
        (folder / "pyproject.toml").write_text(text)

    def lock(self, folder):
        self.run("lock", cwd=folder)

    def sync(self, folder):
        self.run("sync", cwd=folder)


class Pipenv(Program):
    settings = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_NOSPIN": "1", "PIPENV_YES": "1"}
    locked = ("Pipfile", "Pipfile.lock")

    def write(self, folder, index):
        source = f'[[source]]\nname = "wheelyard"\nurl = "{index}"\nverify_ssl = false\n'
        (folder / "Pipfile").write_text(f'{source}\n[packages]\ntorch = "*"\n')

    def lock(self, folder):
        self.run("lock", cwd=folder)

    def sync(self, folder):
        self.run("sync", cwd=folder)


class Uv(clients.Uv):
    """The newest of an older minor version."""

    locked = ("pyproject.toml", "uv.lock")

    def __init__(self, home, minor):
        super().__init__(home, wheels.fetch_program("uv", f"=={minor}.*"))

    def write(self, folder, index):
        source = f'[[tool.uv.index]]\nname = "wheelyard"\nurl = "{index}"\ndefault = true\n'
        (folder / "pyproject.toml").write_text(f"{PROJECT}\n{source}")

    def lock(self, folder):
        self.run("lock", cwd=folder)

    def sync(self, folder):
        self.run("sync", "--frozen", cwd=folder)


MAKERS = {
    "poetry": Poetry,
    "pdm": Pdm,
    "pipenv": Pipenv,
    "uv-0.12": lambda home: Uv(home, "0.12"),
    "uv-0.11": lambda home: Uv(home, "0.11"),
}


def site_packages(folder):
    return next((folder / ".venv" / "lib").glob("python3*/site-packages"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mirrored", [flat_and_pypi, all_mirrors], ids=["flat", "all"])
@pytest.mark.parametrize("name", MAKERS)
def test_a_project_is_locked_and_installed(own_mirrors, serve, tmp_path, name, mirrored):
    daemon = serve(mirrored(own_mirrors))
    first = MAKERS[name](tmp_path / "first")
    folder = first.home / "app"
    folder.mkdir()
    first.write(folder, daemon.index("cu126"))
    first.lock(folder)
    first.sync(folder)
    assert installed(site_packages(folder))["torch"] == "2.9.0+cu126"

    own_mirrors.stop()
    second = MAKERS[name](tmp_path / "second")
    again = second.home / "app"
    again.mkdir()
    for file in first.locked:
        shutil.copy(folder / file, again / file)
    second.sync(again)
    assert installed(site_packages(again)) == installed(site_packages(folder))
