# SPDX-License-Identifier: Apache-2.0
"""What is chosen of a lock for a target: of a uv.lock the releases that uv itself exports, of the other
formats those whose markers `packaging` finds true; of each release the wheel that its tags put first."""

import gzip
import os
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from packaging import _manylinux, markers, requirements, tags, utils

from clients import bare_environment
from daemon import ROOT, binary

DATA = Path(os.environ.get("WHEELYARD_DATA", ROOT.parent / "shared" / "data"))
LOCKS = DATA / "locks"
UV = ROOT / ".venv" / "bin" / "uv"
# Python, platform as we are told it, and what markers see there.
LINUX = ("3.12", "linux_x86_64", ("posix", "x86_64", "Linux", "linux"))
MAC = ("3.11", "aarch64-apple-darwin", ("posix", "arm64", "Darwin", "darwin"))
WINDOWS = ("3.13", "win_amd64", ("nt", "AMD64", "Windows", "win32"))
TARGETS = [LINUX, MAC, WINDOWS]

if not LOCKS.is_dir():
    pytest.skip(f"no saved locks in {LOCKS}", allow_module_level=True)


def environment(target, **sets):
    python, _, (os_name, machine, system, platform) = target
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": os_name,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": platform,
        "extra": "",
        **sets,
    }


def read(name):
    data = (LOCKS / name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode()


def choose(path, target, *flags):
    """{(project, version): what is taken}"""
    program = binary().parent / "tests" / "lock" / "choose-lock"
    command = [program, path, *target[:2], *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len({(row[0], row[1]) for row in rows}) == len(rows)
    return {(row[0], row[1]): row[2:] for row in rows}


# ------------------------------------------------------------------------ uv


def _project(lock, folder):
    """A pyproject.toml that this lock can be of, as far as an export looks at it."""
    parsed = tomllib.loads(lock)
    own = next((p for p in parsed["package"] if p["source"].get("editable") == "." or p["source"].get("virtual") == "."), None)
    assert own
    extras = own.get("metadata", {}).get("provides-extras", list(own.get("optional-dependencies", {})))
    text = f'[project]\nname = "{own["name"]}"\nversion = "{own["version"]}"\n'
    text += f'requires-python = "{parsed["requires-python"]}"\n[project.optional-dependencies]\n'
    text += "".join(f'"{extra}" = []\n' for extra in extras) + "[dependency-groups]\n"
    text += "".join(f'"{group}" = []\n' for group in own.get("dev-dependencies", {}))
    if sets := parsed.get("conflicts"):
        items = ["[" + ", ".join("{ extra = \"%s\" }" % i["extra"] for i in one) + "]" for one in sets]
        text += f"[tool.uv]\nconflicts = [{', '.join(items)}]\n"
    (folder / "pyproject.toml").write_text(text)
    (folder / "uv.lock").write_text(lock)
    return folder / "uv.lock"


def exported(folder, target, flags):
    command = [UV, "export", "--frozen", "--offline", "--no-hashes", "--no-annotate", "--no-emit-project", *flags]
    env = bare_environment(folder / "home") | {"UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = set()
    for line in done.stdout.splitlines():
        line = line.partition(" #")[0].strip()
        if line and not line.startswith(("#", "-")):
            one = requirements.Requirement(line)
            if one.marker is None or one.marker.evaluate(environment(target)):
                (only,) = one.specifier
                found.add((utils.canonicalize_name(one.name), only.version))
    return found


UV_CASES = [
    ("benchmark.uv.lock", ()),
    ("built-by-uv.uv.lock", ()),
    ("built-by-uv.uv.lock", ("--no-default-groups",)),
    ("nanochat.uv.lock", ()),
    ("nanochat.uv.lock", ("--extra", "cpu")),
    ("nanochat.uv.lock", ("--extra", "gpu", "--no-default-groups")),
    ("semantic-kernel.uv.lock.gz", ()),
    ("semantic-kernel.uv.lock.gz", ("--all-extras",)),
    ("semantic-kernel.uv.lock.gz", ("--extra", "milvus", "--extra", "redis", "--no-default-groups")),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t[1])
@pytest.mark.parametrize("name, flags", UV_CASES, ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_uv_exports_the_same_releases(tmp_path, name, flags, target):
    lock = _project(read(f"uv/{name}"), tmp_path)
    own = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["name"]
    found = {release for release in choose(lock, target, *flags) if release[0] != own}
    expected = exported(tmp_path, target, flags)
    assert len(expected) >= 3
    assert found == expected


def test_a_script_wants_what_its_manifest_says(tmp_path):
    path = tmp_path / "script.py.lock"
    path.write_text(read("uv/script.py.lock"))
    assert {name for name, _ in choose(path, LINUX)} == {"rich", "markdown-it-py", "mdurl", "pygments"}


# ------------------------------------------------------------------ best wheels


def _tags(monkeypatch, target):
    python, platform, _ = target
    version = tuple(map(int, python.split(".")))
    if platform == "linux_x86_64":
        monkeypatch.setattr(_manylinux, "_get_glibc_version", lambda: (2, 28))
        monkeypatch.setattr(_manylinux, "_have_compatible_abi", lambda *_: True)
        platforms = ["linux_x86_64", *_manylinux.platform_tags(["x86_64"])]
    elif platform == "win_amd64":
        platforms = ["win_amd64"]
    else:
        platforms = list(tags.mac_platforms((13, 0), "arm64"))
    abi = "cp" + python.replace(".", "")
    every = [*tags.cpython_tags(version, [abi], platforms), *tags.compatible_tags(version, abi, platforms)]
    return {tag: place for place, tag in reversed(list(enumerate(every)))}


def best(files, rank):
    """As an installer does: the wheel whose best tag stands first, else the sdist."""

    def key(name):
        _, _, build, of_wheel = utils.parse_wheel_filename(name)
        places = [rank[tag] for tag in of_wheel if tag in rank]
        return (min(places), [-n for n in build[:1]]) if places else None

    keys = {name: key(name) for name in files if name.endswith(".whl")}
    fitting = sorted((k, name) for name, k in keys.items() if k)
    return fitting[0][1] if fitting else next((n for n in files if not n.endswith(".whl")), None)


def file_name(file):
    return file.get("filename") or unquote(file["url"].split("/")[-1])


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t[1])
@pytest.mark.parametrize("name", ["nanochat.uv.lock", "semantic-kernel.uv.lock.gz", "benchmark.uv.lock"])
def test_the_best_wheel_is_taken(monkeypatch, tmp_path, name, target):
    rank = _tags(monkeypatch, target)
    path = tmp_path / "uv.lock"
    path.write_text(read(f"uv/{name}"))
    flags = ["--all-extras"] if "semantic" in name else []
    chosen = choose(path, target, *flags)
    files = {}
    for package in tomllib.loads(path.read_text())["package"]:
        every = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        key = (utils.canonicalize_name(package["name"]), package.get("version", "-"))
        files.setdefault(key, []).append([file_name(f) for f in every])
    checked = 0
    for release, taken in chosen.items():
        candidates = [best(f, rank) for f in files[release]]
        if taken[:1] == ["!"]:
            assert None in candidates, (release, taken)
        elif taken:
            assert taken[0] in candidates and len(taken) == 1, (release, taken, candidates)
            checked += 1
    assert checked > 30


# ------------------------------------------------------------- other formats


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t[1])
def test_pylock_by_markers(tmp_path, target):
    cases = [("odh-codeserver-baseline.pylock.toml", ()), ("odh-pytorch-cuda.pylock.toml", ()),
             ("pdm-demo.pylock.toml", ()), ("pdm-demo.pylock.toml", ("security",)),
             ("pdm-demo.pylock.toml", ("tests", "security"))]
    for name, extras in cases:
        text = read(f"pylock/{name}")
        parsed = tomllib.loads(text)
        path = tmp_path / "pylock.toml"
        path.write_text(text)
        there = environment(target, extras=set(extras), dependency_groups=set(parsed.get("default-groups", [])))
        expected = {
            (utils.canonicalize_name(p["name"]), p["version"])
            for p in parsed["packages"]
            if "marker" not in p or markers.Marker(p["marker"]).evaluate(there, "lock_file")
        }
        found = choose(path, target, *(word for extra in extras for word in ("--extra", extra)))
        assert set(found) == expected, name


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t[1])
def test_requirements_by_markers(tmp_path, target):
    for name in ("odh-pytorch-cuda.txt", "warehouse-main.txt"):
        text = read(f"requirements/{name}")
        path = tmp_path / "requirements.txt"
        path.write_text(text)
        expected = set()
        for line in re.sub(r"\\\n", " ", text).splitlines():
            line = re.split(r"(?:^|\s)#", line)[0].partition(" --hash")[0].strip()
            if line and not line.startswith("-"):
                one = requirements.Requirement(line)
                if one.marker is None or one.marker.evaluate(environment(target)):
                    expected.add((utils.canonicalize_name(one.name), next(iter(one.specifier)).version))
        assert set(choose(path, target)) == expected, name


def holds(marker, target):
    return not marker or markers.Marker(marker).evaluate(environment(target))


def _markers(written, groups):
    """One for all groups, or one for each."""
    return [written.get(group) for group in groups] if isinstance(written, dict) else [written]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t[1])
def test_poetry_and_pdm_by_groups(tmp_path, target):
    for name, kind, groups in (("poetry/poetry-2.1.poetry.lock", "markers", {"main", "dev"}),
                               ("pdm/pdm.pdm.lock", "marker", {"default", "dev"})):
        path = tmp_path / Path(name).name
        path.write_text(read(name))
        expected = {
            (utils.canonicalize_name(p["name"]), p["version"])
            for p in tomllib.loads(path.read_text())["package"]
            if groups & set(p["groups"])
            and not p.get("optional")
            and any(holds(marker, target) for marker in _markers(p.get(kind), groups & set(p["groups"])))
        }
        assert len(expected) > 20
        assert set(choose(path, target)) == expected, name


def test_pixi_by_environment_and_platform(tmp_path):
    yaml = read("pixi/pypi-v6.pixi.lock")
    path = tmp_path / "pixi.lock"
    path.write_text(yaml)
    block = yaml.split("\npackages:\n")[0] + "\n"
    for platform, target in (("linux-64", LINUX), ("osx-arm64", MAC), ("win-64", WINDOWS)):
        part = re.search(rf"  default:.*?\n      {platform}:\n((?:      - [^\n]*\n)+)", block, re.S)
        urls = re.findall(r"- pypi: \S*/(\S+)\n", part[1]) if part else []
        found = choose(path, target)
        taken = {file for files in found.values() for file in files}
        assert len(found) == len(urls)
        if urls:
            assert taken == set(urls)
