# SPDX-License-Identifier: Apache-2.0
"""Each client locks torch through us and installs it from its lock. Then no mirror can be reached any
more: on a second machine it installs from that lock, and on a third it makes the same lock again.
"""

import re
import shutil

import pytest

import clients
import wheels
from clients import REQUIRES_PYTHON, installed
from daemon import configuration, flat_and_pypi, official_mirror, pypi_mirror

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
    """The newest, or the newest of an older minor version."""

    locked = ("pyproject.toml", "uv.lock")

    def __init__(self, home, minor=None):
        super().__init__(home, minor and wheels.fetch_program("uv", f"=={minor}.*"))

    def write(self, folder, index):
        source = f'[[tool.uv.index]]\nname = "wheelyard"\nurl = "{index}"\ndefault = true\n'
        (folder / "pyproject.toml").write_text(f"{PROJECT}\n{source}")

    def lock(self, folder):
        self.run("lock", cwd=folder)

    def sync(self, folder):
        self.run("sync", "--frozen", cwd=folder)


class Pip(clients.Pip):
    """Its lock is what it downloads, with the digests that it computes."""

    locked = ("requirements.txt",)

    def __init__(self, home, kind):
        super().__init__(home, clients.pip_wheel(kind))
        self.environment["PIP_NO_COMPILE"] = "0"

    def write(self, folder, index):
        self.index = index
        (folder / "requirements.in").write_text(f"--index-url {index}\ntorch\n")

    def lock(self, folder):
        got = folder / "wheels"
        self.run("download", "--dest", got, "-r", "requirements.in", cwd=folder)
        told = self.run("hash", *sorted(got.iterdir()))
        pins = re.findall(r"/([^/-]+)-([^/-]+)-[^/]+\.whl:\n(--hash=sha256:\w{64})\n", told)
        lines = [f"{name}=={version} {digest}\n" for name, version, digest in pins]
        (folder / "requirements.txt").write_text(f"--index-url {self.index}\n{''.join(lines)}")

    def sync(self, folder):
        target = folder / ".venv" / "lib" / "python3" / "site-packages"
        options = ("--require-hashes", "--only-binary=:all:", "--target", target)
        self.run("install", *options, "-r", "requirements.txt", cwd=folder)


MAKERS = {
    "pip-newest": lambda home: Pip(home, "newest"),
    "pip-23.2.1": lambda home: Pip(home, "23.2.1"),
    "pip-debian": lambda home: Pip(home, "debian"),
    "poetry": Poetry,
    "pdm": Pdm,
    "pipenv": Pipenv,
    "uv": Uv,
    "uv-0.12": lambda home: Uv(home, "0.12"),
    "uv-0.11": lambda home: Uv(home, "0.11"),
}


def site_packages(folder):
    return next((folder / ".venv" / "lib").glob("python3*/site-packages"))


def simple_and_pypi(mirrors):
    """The official site without the flat page."""
    return configuration(
        pytorch=[official_mirror("official", mirrors.official.url, missing=[403, 404])],
        pypi=[pypi_mirror("tuna", mirrors.pypi.url)],
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mirrored", [flat_and_pypi, simple_and_pypi], ids=["flat", "simple"])
@pytest.mark.parametrize("name", MAKERS)
def test_a_project_is_locked_and_installed(own_mirrors, serve, tmp_path, name, mirrored):
    if name == "pip-debian" and not clients.debian_pip():
        pytest.skip("no pip of Debian 12 here (package python3-pip-whl)")
    daemon = serve(mirrored(own_mirrors))
    machines = [MAKERS[name](tmp_path / f"machine-{i}") for i in range(3)]
    first, second, third = [machine.home / "app" for machine in machines]
    for folder in (first, second, third):
        folder.mkdir()
    lock_file = machines[0].locked[-1]

    machines[0].write(first, daemon.index("cu126"))
    machines[0].lock(first)
    machines[0].sync(first)
    assert installed(site_packages(first))["torch"] == "2.9.0+cu126"

    own_mirrors.stop()
    for file in machines[0].locked:
        shutil.copy(first / file, second / file)
    machines[1].sync(second)
    assert installed(site_packages(second)) == installed(site_packages(first))

    machines[2].write(third, daemon.index("cu126"))
    machines[2].lock(third)
    assert (third / lock_file).read_text() == (first / lock_file).read_text()
