# SPDX-License-Identifier: Apache-2.0
"""uv's resolver scenarios as mirrors: each becomes a few tiny wheels and source distributions
in a channel of its own, on a flat page (`flat-<name>`) and on simple pages (`simple-<name>`)."""

import io
import json
import re
import tarfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import wheels
from standins import anchor, flat_page, href_of, simple_page

# What a source distribution is built by, for who must: nothing is fetched for it.
BACKEND = """\
import pathlib, re
def prepare_metadata_for_build_wheel(folder, settings=None):
    text = pathlib.Path("PKG-INFO").read_text()
    name, version = (re.search(f"^{k}: (.+)$", text, re.M).group(1) for k in ("Name", "Version"))
    info = pathlib.Path(folder, f"{name.replace('-', '_')}-{version}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(text)
    return info.name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@dataclass
class Scenario:
    """What one file says, without what only its own project's tests need."""

    kind: str  # its folder: local, wheels, yanked ...
    name: str
    requires: list  # what is asked for
    is_satisfiable: bool
    packages: dict  # expected: name -> version; empty when it does not say
    python: str  # that it is resolved for; None is the one that runs
    options: dict
    projects: dict = field(repr=False)  # name -> version -> what is said of it

    @property
    def has_yanked(self):
        return any(r.get("yanked") for p in self.projects.values() for r in p.values())

    @property
    def has_files(self):
        """Else its flat channel is not there, and asking for it is a 400."""
        releases = [r for p in self.projects.values() for r in p.values()]
        return any(r.get("wheel", True) or r.get("sdist", True) for r in releases)


def _read(path):
    told = tomllib.loads(path.read_text())
    options = told.get("resolver_options", {})
    return Scenario(
        kind=path.parent.name,
        name=path.stem,
        requires=told["root"]["requires"],
        is_satisfiable=told["expected"]["satisfiable"],
        packages=told["expected"].get("packages", {}),
        python=options.get("python") or told.get("environment", {}).get("python"),
        options=options,
        projects={name: p.get("versions", {}) for name, p in told["packages"].items()},
    )


def read_all(folder):
    return [_read(path) for path in sorted(Path(folder).glob("*/*.toml"))]


# ------------------------------------------------------------------ files


def _header(release):
    """The lines of METADATA that a release has besides name, version and needs."""
    lines = [f"Requires-Python: {release.get('requires_python', '>=3.8')}"]
    for extra, needs in release.get("extras", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {need} ; extra == '{extra}'" for need in needs]
    return "".join(f"{line}\n" for line in lines)


def _sdist(folder, project, version, release):
    """With metadata that is static (2.2), so that uv need not build it."""
    stem = f"{project.replace('-', '_')}-{version}"
    about = f"Metadata-Version: 2.2\nName: {project}\nVersion: {version}\n{_header(release)}"
    about += "".join(f"Requires-Dist: {need}\n" for need in release.get("requires", []))
    path = folder / f"{stem}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, text in (
            ("PKG-INFO", about),
            ("pyproject.toml", PYPROJECT),
            ("backend.py", BACKEND),
        ):
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def _files(folder, project, version, release):
    """A release has a source distribution and one wheel, unless it says otherwise."""
    requires = release.get("requires", [])
    if release.get("wheel", True):
        for tags in release.get("wheel_tags", ["py3-none-any"]):
            yield wheels.build(folder, project, version, tags, requires, header=_header(release))
    if release.get("sdist", True):
        yield _sdist(folder, project, version, release)


def _simple_anchor(path, channel, release):
    metadata = None
    if path.suffix == ".whl":
        beside = path.with_name(f"{path.name}.metadata")
        beside.write_bytes(wheels.metadata_of(path))
        metadata = wheels.sha256_of(beside)
    return anchor(
        f"/{channel}/{href_of(path.name)}",
        path.name,
        wheels.sha256_of(path),
        metadata,
        release.get("requires_python"),
        yanked="" if release.get("yanked") else None,
    )


def build(root, scenario):
    """Puts both channels of a scenario below `root`; a flat page cannot say what is yanked."""
    flat, simple = root / f"flat-{scenario.name}", root / f"simple-{scenario.name}"
    simple.mkdir(parents=True)
    rows = []
    for project, releases in scenario.projects.items():
        links = []
        for version, release in releases.items():
            for path in _files(simple, project, version, release):
                links.append(_simple_anchor(path, simple.name, release))
                rows.append(path)
        (simple / project).mkdir()
        (simple / project / "index.html").write_text(simple_page(project, links))
    if rows and not scenario.has_yanked:
        flat.mkdir()
        for path in rows:
            (flat / path.name).hardlink_to(path)
        page = flat_page(flat.name, [(path.name, path.stat().st_size) for path in rows])
        (flat / "index.html").write_text(page)


def configuration(url):
    """One origin for each form; a channel for each scenario."""
    text = ""
    for layout, index in (("flat", "{channel}/"), ("simple", "{channel}/{project}/")):
        text += f'[origin.{layout}]\nchannels = ["{layout}-*"]\n[[origin.{layout}.mirror]]\n'
        text += f'name = "standin"\nlayout = "{layout}"\n'
        text += f'index = "{url}/{index}"\nfiles = "{url}/"\n'
    return text


# ------------------------------------------------------------------ asking


@dataclass
class Answer:
    """What a client makes of a scenario: its packages, or what it says when it finds none."""

    is_solved: bool
    packages: dict
    text: str


def _restrictions(scenario):
    """Options that both clients call the same."""
    for option, flag in (("no_binary", "--no-binary"), ("no_build", "--only-binary")):
        for project in scenario.options.get(option, []):
            yield from (flag, project)
    if scenario.python:
        yield from ("--python-version", scenario.python)


class Uv:
    @staticmethod
    def says_so(scenario, layout, text):
        """Whether it gives up for the reason that there is."""
        if layout == "flat" and not scenario.has_files:
            return "no mirror of flat has such a channel" in text
        return "No solution found when resolving dependencies" in text

    @staticmethod
    def can_say(_):
        return True

    @staticmethod
    def can_solve(scenario):
        return scenario.is_satisfiable

    @staticmethod
    def ask(client, scenario, index):
        options = scenario.options
        command = ["pip", "compile", "--no-header", "--no-annotate", "--default-index", index]
        command += ["--resolution", options.get("resolution", "highest")]
        command += ["--prerelease", "allow"] if options.get("prereleases") else []
        command += ["--universal"] if options.get("universal") else []
        if "python_platform" in options:
            command += ["--python-platform", options["python_platform"]]
        command += [*_restrictions(scenario), "-"]
        done = client.start(*command, says="\n".join(scenario.requires))
        if done.returncode:
            return Answer(False, {}, done.stderr)
        pins = (line.split(" ")[0].split("==") for line in done.stdout.splitlines())
        return Answer(True, {name: version for name, version in pins}, done.stdout)


class Pip:
    REFUSAL = re.compile("No matching distribution|ResolutionImpossible|a different Python")

    @classmethod
    def says_so(cls, scenario, layout, text):
        return bool(cls.REFUSAL.search(text))

    # Unlike uv it heeds upper bounds, and builds nothing for another Python than its own.
    REFUSED = re.compile("python-less-than-current|incompatible-python-compatible-override-.+")
    # Unlike uv it takes what is yanked when anything pins it.
    TAKEN = "transitive-yanked-and-unyanked-dependency"

    @staticmethod
    def can_say(scenario):
        """It resolves for one platform and one Python, and takes the highest."""
        return not scenario.options.get("universal") and "resolution" not in scenario.options

    @classmethod
    def can_solve(cls, scenario):
        if scenario.name == cls.TAKEN:
            return True
        return scenario.is_satisfiable and not cls.REFUSED.fullmatch(scenario.name)

    @staticmethod
    def ask(client, scenario, index):
        report = client.home / "report.json"
        command = ["install", "--dry-run", "--ignore-installed", "--report", report]
        command += ["--index-url", index, "--target", client.home / "target"]
        command += ["--pre"] if scenario.options.get("prereleases") else []
        command += ["--only-binary=:all:"] if scenario.python else []
        code, output = client.ask(*command, *_restrictions(scenario), *scenario.requires)
        if code:
            return Answer(False, {}, output)
        found = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
        return Answer(True, {about["name"]: about["version"] for about in found}, output)
