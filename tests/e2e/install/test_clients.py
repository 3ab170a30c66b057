# SPDX-License-Identifier: Apache-2.0
"""What docs/clients.md tells users to write and to type, taken from its text, is what works."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field

import pytest

import clients
import wire
from clients import REQUIRES_PYTHON
from daemon import ROOT, all_mirrors, binary, run_wheelyard
from standins import Nginx
from test_pixi import PAGE, newest_wheel, whole_wheel
from test_projects import Pdm, Pipenv, Poetry

TEXT = (ROOT / "docs" / "clients.md").read_text()
HERE, LAN = "http://localhost:8503", "http://wheels.lab:8503"
VERSION = "2.9.0+cu126"
PROJECT = f"""\
[project]
name = "app"
version = "0"
requires-python = "{REQUIRES_PYTHON}"
dependencies = ["torch", "torchvision"]

"""
# Plays a Dockerfile in this folder: what its lines set, and what they run.
DOCKER = """\
import os, subprocess, sys
given = dict(word.split("=", 1) for word in sys.argv if "=" in word and not word.startswith("-"))
assert sys.argv[1] == "build" and "--network=host" in sys.argv and sys.argv[-1] == "."
for line in open("Dockerfile"):
    word, _, rest = line.strip().partition(" ")
    if word == "ARG" and rest in given:
        os.environ[rest] = given[rest]
    elif word == "RUN":
        subprocess.run(rest, shell=True, check=True)
    else:
        assert word in ("", "#", "ARG", "FROM"), line
"""


@dataclass
class Recipe:
    """A section with blocks: its files, in the order of the text, and its commands."""

    section: str
    title: str
    files: list = field(default_factory=list)  # (path, text)
    commands: list = field(default_factory=list)

    @property
    def script(self):
        return "".join(self.commands)

    @property
    def is_elsewhere(self):
        return LAN in self.script or any(LAN in text for _, text in self.files)

    @property
    def name(self):
        return re.sub("[^a-z0-9]+", "-", f"{self.section} {self.title}".lower()).strip("-")


def _recipes():
    """A section is one recipe, or each of its parts is."""
    found, recipe = [], None
    for heading, name, language, block in re.findall(
        r"^(##+) ([^\n]+)\n|^```(\w+)\n(.*?)^```$", TEXT, re.M | re.S
    ):
        if heading:
            is_part = recipe and heading == "###"
            recipe = Recipe(recipe.section if is_part else name, name if is_part else "")
            found.append(recipe)
        elif language == "sh":
            recipe.commands.append(block)
        else:
            first, text = block.split("\n", 1)
            recipe.files.append((first.removeprefix("# "), text))
    return [recipe for recipe in found if recipe.files or recipe.commands]


RECIPES = _recipes()
PLAYED = [recipe for recipe in RECIPES if recipe.commands]
REPLAYED = [recipe for recipe in RECIPES if recipe.section == "pixi"]
SERVED = [recipe for recipe in RECIPES if recipe.files and not recipe.commands]
LOCKS = dict(re.findall(r"^\| `([\w.]+)`[^|]* \| (yes|no) \|", TEXT, re.M))


class Machine:
    """A home with a project in it, and every program of the text in PATH."""

    def __init__(self, folder, recipe, here):
        self.home, self.here, self.recipe = folder / "home", here, recipe
        self.project = self.home / "app"
        self.project.mkdir(parents=True)
        self.environment = clients.bare_environment(self.home)
        del self.environment["PIP_CONFIG_FILE"]
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        # A false value is what makes pip not compile.
        self.environment.update(UV_PYTHON=str(venv / "bin" / "python"), PIP_NO_COMPILE="0")
        self._add_programs(folder / "bin", venv)
        self._write_files()

    def _add_programs(self, folder, venv):
        folder.mkdir()
        pip = clients.pip_wheel("newest")
        self._add(folder, "pip", f'PYTHONPATH={pip} exec {venv}/bin/python -m pip "$@"')
        (folder / "docker.py").write_text(DOCKER)
        self._add(folder, "docker", f'exec {sys.executable} {folder}/docker.py "$@"')
        self._add(folder, "wheelyard", f'exec {binary()} "$@"')
        (uv,) = clients.Uv(folder.parent / "unused").command
        self._add(folder, "uv", f'exec {uv} "$@"')
        for kind in (Poetry, Pdm, Pipenv):
            name = kind.__name__.lower()
            if name in self.recipe.script:
                (program,) = kind(folder.parent / "unused").command
                self._add(folder, name, f'exec {program} "$@"')
                self.environment.update(kind.settings)
                break
        else:
            self.environment["VIRTUAL_ENV"] = str(venv)
        self.environment["PATH"] = f"{folder}:{venv}/bin:{os.environ['PATH']}"

    @staticmethod
    def _add(folder, name, line):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def _write_files(self):
        (self.project / "pyproject.toml").write_text(PROJECT)
        for name, text in self.recipe.files:
            path = self.project / name.replace("~", str(self.home))
            assert path.is_relative_to(self.home), name
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf-8") as file:
                file.write(text.replace(HERE, self.here))

    def run(self):
        """All commands of the recipe in one shell; returns what they print."""
        done = subprocess.run(
            ["sh", "-eu", "-c", self.recipe.script.replace(HERE, self.here)],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def locks(self):
        """Which lock files there are, and whether they hold our address."""
        return {
            file.name: "yes" if self.here in file.read_text() else "no"
            for file in self.project.iterdir()
            if file.name in LOCKS
        }


def the_lan(recipe):
    """What the daemon of a section on other machines is configured by."""
    return "".join(
        text for other in SERVED if other.section == recipe.section for _, text in other.files
    )


@pytest.fixture
def proxied(tmp_path):
    """proxied(daemon): a proxy that knows the daemon by its name in the LAN, as nobody else does."""
    running = []

    def start(daemon):
        rule = f"location / {{ proxy_pass {daemon.url}; proxy_set_header Host $http_host; }}"
        running.append(Nginx(tmp_path, tmp_path / "proxy", rule))
        return running[-1]

    yield start
    for proxy in running:
        proxy.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("recipe", PLAYED, ids=[recipe.name for recipe in PLAYED])
def test_recipes(mirrors, serve, proxied, tmp_path, recipe):
    daemon = serve((the_lan(recipe) if recipe.is_elsewhere else "") + all_mirrors(mirrors))
    machine = Machine(tmp_path, recipe, daemon.url)
    if recipe.is_elsewhere:
        machine.environment["http_proxy"] = proxied(daemon).url
    assert VERSION in machine.run().splitlines()
    found = machine.locks()
    is_official = "official" in recipe.title
    assert found == {name: "no" if is_official else LOCKS[name] for name in found}
    assert found or not (is_official or recipe.section in ("Poetry", "PDM", "pipenv"))


@pytest.mark.parametrize("recipe", REPLAYED, ids=[recipe.name for recipe in REPLAYED])
def test_pixi_replayed(mirrors, serve, tmp_path, recipe):
    """What pixi makes of these files: the longest prefix of `[mirrors]` is replaced, in pages' and
    in files' addresses; a lock gets the addresses as the page has them."""
    daemon = serve(all_mirrors(mirrors))
    machine = Machine(tmp_path, recipe, daemon.url)
    table = tomllib.loads((machine.project / "pyproject.toml").read_text())["tool"]["pixi"]
    config = machine.home / ".config" / "pixi" / "config.toml"
    replaced = tomllib.loads(config.read_text())["mirrors"] if config.exists() else {}

    def rewritten(url):
        prefix = max((p for p in replaced if url.startswith(p)), key=len, default=None)
        return url if prefix is None else url.replace(prefix, replaced[prefix][0], 1)

    index = table.get("pypi-options", {}).get("index-url", "https://pypi.org/simple")
    torch = table.get("pypi-dependencies", {}).get("torch", {}).get("index", index)
    for project, index, tags in (
        ("torch", torch, "cp311-manylinux_2_28_x86_64"),
        ("filelock", index, "any"),
    ):
        url = f"{rewritten(index)}/{project}/"
        reply = wire.ask(url, headers=PAGE)
        assert reply.status == 200
        wheel = newest_wheel(url, reply, tags)
        assert wheel.startswith("https://" if "official" in recipe.title else daemon.url)
        assert whole_wheel(rewritten(wheel))


def test_what_is_played():
    """No block is forgotten, and each client has its section."""
    blocks = len(re.findall(r"^```\w", TEXT, re.M))
    assert sum(len(recipe.files) + len(recipe.commands) for recipe in RECIPES) == blocks
    played = {recipe.section for recipe in PLAYED}
    assert played == {"pip", "uv", "Poetry", "PDM", "pipenv", "Docker and CI", "Other machines"}
    assert len(PLAYED) >= 14 and len(REPLAYED) == 2 and len(SERVED) == 3
    assert set(LOCKS) > {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt"}


def test_the_daemon_takes_what_is_told_of_it(tmp_path):
    (served,) = [r for r in SERVED if r.section == "Other machines"]
    (config,) = [text for name, text in served.files if name == "/etc/wheelyard/wheelyard.conf"]
    (tmp_path / "own.toml").write_text(config)
    done = run_wheelyard("config", "check", "--config", tmp_path / "own.toml", home=tmp_path)
    assert done.returncode == 0, done.stderr
