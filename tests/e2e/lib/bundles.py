# SPDX-License-Identifier: Apache-2.0
"""Bundles of the suite's own wheels, written by tests/bundle/make-bundle, and minisign beside it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import wheels
from daemon import binary

DATE = 1_780_000_000
PASSWORD = "password"


def make_bundle_binary():
    return binary().parent / "tests" / "bundle" / "make-bundle"


class Key:
    """A pair of minisign's own keys. With a password it takes a second and 1 GiB to be opened."""

    def __init__(self, folder, with_password=False):
        self.public, self.secret = Path(folder) / "key.pub", Path(folder) / "key.sec"
        self.public.parent.mkdir(parents=True, exist_ok=True)
        command = ["minisign", "-G", "-f", "-p", self.public, "-s", self.secret]
        says = f"{PASSWORD}\n{PASSWORD}\n" if with_password else ""
        command += [] if with_password else ["-W"]
        subprocess.run(command, input=says, text=True, check=True, capture_output=True)

    @property
    def line(self):
        return self.public.read_text().splitlines()[1]

    def verify(self, file):
        """What `minisign -V` says of a file with its signature beside it."""
        command = ["minisign", "-V", "-p", self.public, "-m", file]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def sign(self, file, *options):
        command = ["minisign", "-S", "-s", self.secret, "-m", file, "-W", *options]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def row(path, origin, folder, metadata=True, **more):
    """The row of a wheel that was built; METADATA is put beside it."""
    found = {"origin": origin, "path": f"{folder}/{path.name}", "file": str(path), **more}
    if metadata:
        beside = path.with_name(path.name + ".metadata")
        beside.write_bytes(wheels.metadata_of(path))
        found["metadata"] = str(beside)
    return found


def command(folder, part_bytes, key=None, name="lab", date=DATE, since=None):
    arguments = [make_bundle_binary(), folder, name, date, part_bytes]
    arguments += [key.secret if key else "-"] + ([since] if since else [])
    return [str(a) for a in arguments]


def rows_text(rows):
    return "".join(json.dumps(r) + "\n" for r in rows)


def write(folder, rows, part_bytes, **options):
    """Writes a bundle; returns its parts in their order."""
    done = subprocess.run(
        command(folder, part_bytes, **options),
        input=rows_text(rows),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(Path(folder).glob("*.part*.tar"))


def unpack(parts, folder):
    """By Debian's tar, as README.txt says."""
    Path(folder).mkdir()
    for part in parts:
        subprocess.run(["tar", "-xf", part, "-C", folder], check=True)


def join_pieces(folder):
    """Of files that are larger than a part, by the commands in its README.txt."""
    readme = (Path(folder) / "README.txt").read_text()
    script = re.search(r"(    find files.*?\n    done\n)", readme, re.DOTALL).group(1)
    subprocess.run(["sh", "-euc", script], cwd=folder, check=True)


def has_minisign():
    return shutil.which("minisign") is not None
