# SPDX-License-Identifier: Apache-2.0
"""The wheels that the stand-in mirrors serve.

Real ones come from PyPI through pip, once per checkout (.cache/). The torch family is built here,
small, with true names and places and METADATA that requires those real projects: what matters to
installers and to wheelyard is names, tags, RECORD and dependencies, not the gigabyte inside.
The bytes are the same on every run.
"""

import base64
import compileall
import contextlib
import fcntl
import hashlib
import io
import os
import re
import random
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[2] / ".cache" / "e2e"
PYTHON_TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
PYTHON_TAGS = sorted({"cp310", "cp311", "cp312", "cp313", PYTHON_TAG})
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64")
CHUNK = 1 << 20


# ------------------------------------------------------------------ wheels from PyPI


@contextlib.contextmanager
def locked(path):
    """Holds a lock file: test processes that run side by side make a shared thing one at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the file, so also with a killed process
        yield


@contextlib.contextmanager
def _made_once(folder, wanted):
    """Yields whether the folder must be made, under its lock; `wanted` is the text whose change makes
    that true again."""
    marker = folder / ".complete"
    with locked(CACHE / f"{folder.name}.lock"):
        is_there = marker.exists() and marker.read_text() == wanted
        yield not is_there
        if not is_there:
            marker.write_text(wanted)


def _pip_download(folder, wanted, *what):
    """Asks PyPI through the index that this machine's pip is configured for; `wanted` is the text
    whose change makes it ask again."""
    with _made_once(folder, wanted + sys.version) as is_missing:
        if is_missing:
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
            environment = {k: v for k, v in os.environ.items() if k != "PIP_FIND_LINKS"}
            subprocess.run([*command, "--dest", folder, *what], check=True, env=environment)


def fetch_real():
    """About a dozen small wheels from PyPI; fetched once, then kept in .cache/."""
    listed = HERE / "requirements.txt"
    _pip_download(CACHE / "wheels", listed.read_text(), "-r", listed)
    return sorted((CACHE / "wheels").glob("*.whl"))


def fetch_pip(version=""):
    """pip itself as a wheel, which runs from PYTHONPATH. Without a version: the newest."""
    folder = CACHE / f"pip-{version or 'newest'}"
    project = f"pip=={version}" if version else "pip"
    _pip_download(folder, project, "--no-deps", project)
    return next(folder.glob("pip-*.whl"))


def unpacked(wheel):
    """A wheel's files in a folder, compiled. pip starts from there in a third of the time it takes from the
    archive, where nothing is compiled."""
    wheel = Path(wheel)
    folder = CACHE / f"unpacked-{wheel.stem}"
    with _made_once(folder, f"{wheel} {wheel.stat().st_mtime_ns} {sys.version}") as is_missing:
        if is_missing:
            shutil.rmtree(folder, ignore_errors=True)
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            compileall.compile_dir(folder, quiet=2)
    return folder


def fetch_program(project, wanted=""):
    """A Python program of PyPI's in an environment of its own: the path to run it by."""
    folder = CACHE / re.sub("[^a-z0-9.]+", "-", f"{project}{wanted}").strip("-.")
    with _made_once(folder, sys.version) as is_missing:
        if is_missing:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            command = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check"]
            install = ["install", "--quiet", "--only-binary=:all:", f"{project}{wanted}"]
            subprocess.run([*command, *install], check=True)
    return folder / "bin" / project


# ------------------------------------------------------------------ wheels of our own


def _record_line(name, digest, size):
    text = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return f"{name},sha256={text},{size}\n"


def _add(archive, name, chunks):
    """Writes one member, stored, with a fixed date; returns its line in RECORD."""
    info = zipfile.ZipInfo(name, (2025, 10, 15, 0, 0, 0))
    info.external_attr = 0o644 << 16
    digest, size = hashlib.sha256(), 0
    with archive.open(info, "w") as member:
        for chunk in chunks:
            member.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return _record_line(name, digest.digest(), size)


def _padding(seed, size):
    """Bytes that do not compress; always the same ones."""
    source = random.Random(seed)
    while size > 0:
        yield source.randbytes(min(CHUNK, size))
        size -= CHUNK


def build(folder, project, version, tags="py3-none-any", requires=(), padding=0, says="", header=""):
    """Builds `project-version-tags.whl` in a folder. `padding` adds that many bytes to it; `says`
    is what `module.ORIGIN` holds when it is installed, to tell apart two copies of one name;
    `header` are further lines of METADATA."""
    module = project.replace("-", "_").lower()
    stem = f"{project.replace('-', '_')}-{version}"
    path = Path(folder) / f"{stem}-{tags}.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    metadata += header
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    wheel = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tags}\n"
    source = f"__version__ = {version!r}\nORIGIN = {says!r}\n"
    with zipfile.ZipFile(path, "w") as archive:
        record = _add(archive, f"{module}/__init__.py", [source.encode()])
        if padding:
            record += _add(archive, f"{module}/lib/padding.bin", _padding(path.name, padding))
        record += _add(archive, f"{stem}.dist-info/METADATA", [metadata.encode()])
        record += _add(archive, f"{stem}.dist-info/WHEEL", [wheel.encode()])
        record += f"{stem}.dist-info/RECORD,,\n"
        _add(archive, f"{stem}.dist-info/RECORD", [record.encode()])
    return path


def sound(name, size=0, seed="", padding=None):
    """The bytes of a whole wheel of that file name, of exactly `size` where that is enough for one,
    with its RECORD. Two seeds are two wheels. `padding` replaces the bytes that fill it."""
    project, version = name.split("-")[:2]
    info = f"{project}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"

    def pack(filling):
        packed = io.BytesIO()
        members = {f"{project}/filling.bin": filling, f"{info}/METADATA": metadata.encode()}
        members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        members[f"{project}/__init__.py"] = f"SEED = {seed!r}\n".encode()
        record = ""
        with zipfile.ZipFile(packed, "w") as archive:
            for member, data in members.items():
                record += _add(archive, member, [data]).rsplit(",", 1)[0] + ",\n"  # no sizes
            _add(archive, f"{info}/RECORD", [f"{record}{info}/RECORD,,\n".encode()])
        return packed.getvalue()

    if padding is None:
        room = max(0, size - len(pack(b"")))
        padding = random.Random(f"{name} {seed}").randbytes(room)
    return pack(padding)


TORCH_REQUIRES = (
    "filelock",
    "typing-extensions>=4.10.0",
    "sympy>=1.13.3",
    "networkx>=2.5.1",
    "jinja2",
    "fsspec>=0.8.5",
)
TORCH_ON_LINUX = {
    "cu126": (
        'nvidia-cublas-cu12==12.6.4.1; platform_system == "Linux"',
        'triton==3.5.0; platform_system == "Linux"',
    ),
    "cpu": (),
}


def _build_channel(folder, channel):
    """torch and torchvision of one channel, for every Python and platform that has them."""
    built = {"torch": [], "torchvision": []}
    requires = TORCH_REQUIRES + TORCH_ON_LINUX[channel]
    for python in PYTHON_TAGS:
        for platform in PLATFORMS:
            tags = f"{python}-{python}-{platform}"
            for version in ("2.8.0", "2.9.0"):
                built["torch"].append(
                    build(folder, "torch", f"{version}+{channel}", tags, requires, says=channel)
                )
            needs = ("torch==2.9.0", "packaging")
            built["torchvision"].append(
                build(folder, "torchvision", f"0.24.0+{channel}", tags, needs, says=channel)
            )
    return built


def _build_stale(folder):
    """Old copies of PyPI's projects that the official site lists and no client must get."""
    return {
        "certifi": [build(folder, "certifi", "2099.1.1", says="stale")],
        "jinja2": [build(folder, "Jinja2", "99.1.2", says="stale")],
        "requests": [build(folder, "requests", "99.28.1", says="stale")],
    }


def _build_for_pypi(folder):
    built = []
    for python in PYTHON_TAGS:
        tags = f"{python}-{python}-manylinux_2_27_x86_64.manylinux_2_28_x86_64"
        built.append(build(folder, "triton", "3.5.0", tags, says="pypi"))
    built.append(build(folder, "triton", "3.5.0", f"cp314-cp314-{PLATFORMS[1]}", says="pypi"))
    tags = "py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64"
    built.append(build(folder, "nvidia-cublas-cu12", "12.6.4.1", tags, says="pypi"))
    return built


@dataclass
class Library:
    """All wheels, by the mirror they belong to."""

    channels: dict  # channel -> project -> [paths]
    stale: dict  # project -> [paths], listed by the official site only
    pypi: list  # [paths]

    def torch(self, channel="cu126", version="2.9.0"):
        """The torch wheel that this Python on Linux installs."""
        start, end = f"torch-{version}+", f"{PYTHON_TAG}-{PLATFORMS[0]}.whl"
        named = (p for p in self.channels[channel]["torch"] if p.name.startswith(start))
        return next(path for path in named if path.name.endswith(end))


def build_library(folder):
    folder = Path(folder)
    channels = {c: _build_channel(folder / "whl" / c, c) for c in ("cu126", "cpu")}
    stale = _build_stale(folder / "whl")
    pypi = fetch_real() + _build_for_pypi(folder / "pypi")
    return Library(channels, stale, pypi)


# ------------------------------------------------------------------ looking into wheels


def metadata_of(path):
    """The METADATA document inside a wheel, as bytes."""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name)


def sha256_of(data):
    """The SHA-256 of bytes or of the file at a path, as hex."""
    if isinstance(data, Path):
        data = data.read_bytes()
    return hashlib.sha256(data).hexdigest()


def project_of(path):
    """The normalised project name in a wheel's file name."""
    return Path(path).name.split("-")[0].lower().replace("_", "-").replace(".", "-")
