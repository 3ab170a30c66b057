# SPDX-License-Identifier: Apache-2.0
"""Markers: we say what Python's `packaging` says, of every marker in the saved lock files and of many
made from them, in forty environments."""

import gzip
import itertools
import os
import random
import re
import subprocess
from pathlib import Path

import packaging
import pytest
from packaging import markers
from packaging.version import Version

from daemon import ROOT, binary

DATA = Path(os.environ.get("WHEELYARD_DATA", ROOT.parent / "shared" / "data"))
SEED = 508
PLATFORMS = [
    # os_name, platform_machine, platform_system, sys_platform, platform_release
    ("posix", "x86_64", "Linux", "linux", "6.1.0-13-amd64"),
    ("posix", "aarch64", "Linux", "linux", "5.15"),
    ("posix", "arm64", "Darwin", "darwin", "23.4.0"),
    ("nt", "AMD64", "Windows", "win32", "10"),
    ("posix", "x86_64", "FreeBSD", "freebsd14", ""),
]
PYTHONS = ["3.8.18", "3.9.0", "3.10.2", "3.11.9", "3.12.0", "3.13.1", "3.14.0rc1", "4.0.0"]
EXTRAS = [set(), {"tests"}, {"Security", "extra-8-nanochat-cpu"}, {"cpu", "gpu", "socks"}]
GROUPS = [set(), {"default"}, {"Dev", "docs"}]
# What nobody locks, and a reader of markers meets all the same.
ODD = [
    "python_version in '3.8 3.9'", "'linux' in sys_platform", "sys_platform not   in 'win32,darwin'",
    "'3.9' <= python_version", "'3.9' > python_full_version", "python_version ~= '3.8'",
    "sys_platform ~= 'linux'", "sys_platform === 'linux'", "platform_release >= '6'",
    "platform_release > '6.1.0-13-amd64'", "platform_release == '10'", "'10' == platform_release",
    "os.name=='posix'and'a'in extras", "'A_b' in extras or 'tests' in extras",
    "'tests' not in extras", "'DEV' in dependency_groups", "extras == 'tests'", "'x' == extras",
    "'x' != dependency_groups", "'x' ~= extras", "extra != 'Tests'", "'tests' == extra",
    "extra in 'tests'", "extra >= 'tests'", "extra == ''", "os_name == sys_platform",
    "python_version == '3.1*'", "python_version == '3.*'", "python_version == ''",
    "python_version >= '3.8,<4'", "python_version < 'three'", "(os_name == 'nt')",
    "((os_name == 'nt') or (os_name == 'posix' and (python_version > '3')))", "os_name", "",
    "os_name == 'nt", "os_name == nt", "os_name = 'nt'", "not os_name == 'nt'", "'a' == 'a'",
    "os_name == 'nt' and", "(os_name == 'nt'", "os_name == 'nt')", "python_implementation == 'CPython'",
    "platform.python_implementation!='PyPy'", "os_names == 'nt'", "os_name in('nt')", "'nt' inos_name",
    "os_name not in 'nt' or extra ~= 'x'", "implementation_version >= '3.9.0'", "os_name < 'z'",
    "os_name <= 'posix'", "python_full_version == '3.14.0rc1'", "python_full_version < '3.14'",
]

if Version(packaging.__version__) < Version("26.4"):
    pytest.skip("packaging before 26.4 takes one extra at a time", allow_module_level=True)
if not DATA.is_dir():
    pytest.skip(f"no saved locks in {DATA}", allow_module_level=True)


def _texts():
    for path in sorted((DATA / "locks").rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    for path in sorted((DATA / "metadata").rglob("*")):
        if path.is_file():
            yield path.read_text(errors="replace")


def _found():
    """Quoted strings that hold a comparison, and what follows a semicolon."""
    for text in _texts():
        for quoted in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
            plain = re.sub(r"\\(.)", r"\1", quoted)
            yield plain
            yield plain.partition(";")[2].strip()
        for line in text.splitlines():
            after = line.partition(";")[2].partition(" --hash")[0].strip().rstrip("\\").strip()
            yield after.removesuffix("'").strip()


def is_marker(text):
    try:
        markers.Marker(text)
    except markers.InvalidMarker:
        return False
    return True


@pytest.fixture(scope="module", name="known")
def _known():
    looks = re.compile(r"(==|<|>|!=|\bin\b)")
    return sorted({t for t in set(_found()) if looks.search(t) and len(t) < 2000 and is_marker(t)})


def environments():
    chance = random.Random(SEED)
    for (os_name, machine, system, platform, release), full in itertools.product(PLATFORMS, PYTHONS):
        yield {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": chance.choice(["CPython", "PyPy"]),
            "platform_release": release,
            "platform_system": system,
            "platform_version": "#1 SMP",
            "python_full_version": full,
            "python_version": ".".join(re.findall(r"\d+", full)[:2]),
            "sys_platform": platform,
            "extra": chance.choice(EXTRAS),
            "extras": chance.choice(EXTRAS),
            "dependency_groups": chance.choice(GROUPS),
        }


def expected(text, environment):
    try:
        marker = markers.Marker(text)
    except markers.InvalidMarker:
        return "-"
    try:
        return "yes" if marker.evaluate(environment, "lock_file") else "no"
    except (markers.UndefinedComparison, KeyError):
        return "?"


def ask(lines):
    program = binary().parent / "tests" / "lock" / "answer-lock"
    text = "".join("\t".join(words) + "\n" for words in lines)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def compare(texts):
    (names,) = ask([("names",)])
    every = list(environments())
    assert len(every) == 40
    lines, wanted = [], []
    for one in every:
        lines.append(("environment", *(one[name] for name in names.split())))
        lines.append(("extra", *sorted(one["extra"])))
        lines.append(("extras", *sorted(one["extras"])))
        lines.append(("groups", *sorted(one["dependency_groups"])))
        for text in texts:
            lines.append(("marker", text))
            wanted.append((text, one, expected(text, one)))
    answers = ask(lines)
    assert len(answers) == len(wanted)
    wrong = [(t, e, a, dict(o)) for (t, o, e), a in zip(wanted, answers) if e != a]
    assert not wrong, f"{len(wanted)} asked, {len(wrong)} differ, such as {wrong[:3]}"
    return [answer for _, _, answer in wanted]


def test_every_marker_of_the_saved_locks(known):
    assert len(known) >= 200, len(known)
    answers = compare(known)
    assert min(answers.count(answer) for answer in ("yes", "no")) > 1000


def test_odd_markers():
    answers = compare(ODD)
    assert set(answers) == {"yes", "no", "-", "?"}


def test_mistyped_markers(known):
    """What is one and what is none: a character more, less or other."""
    chance = random.Random(SEED)
    texts = set()
    for text in known + ODD:
        for _ in range(4):
            at = chance.randrange(len(text) + 1)
            typed = chance.choice(("", *"()=<>!~ .andorit3'\""))
            texts.add(text[:at] + typed + text[at + chance.randint(0, 1) :])
    answers = compare(sorted(texts))
    assert min(answers.count(answer) for answer in ("yes", "no", "-")) > 1000
