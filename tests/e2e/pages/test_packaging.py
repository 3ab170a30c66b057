# SPDX-License-Identifier: Apache-2.0
"""Versions, specifiers and tags: we say what Python's `packaging` says, of every name and version in
the saved pages, and of many more made from them."""

import gzip
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from packaging import _manylinux, specifiers, tags, utils, version

from daemon import ROOT, binary

DATA = Path(os.environ.get("WHEELYARD_DATA", ROOT.parent / "shared" / "data"))
OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "~=", "===")
LEAST = 10_000
SEED = 440

if not DATA.is_dir():
    pytest.skip(f"no saved pages in {DATA}", allow_module_level=True)


def _rows():
    """File name, version and requires-python of every row of every table."""
    for table in sorted((DATA / "expected").rglob("*.tsv*")):
        opened = gzip.open if table.suffix == ".gz" else open
        with opened(table, "rt", encoding="utf-8") as lines:
            heading = next(lines).rstrip("\n").split("\t")
            if heading[:4] != ["project", "version", "kind", "filename"]:
                continue
            for line in lines:
                row = line.rstrip("\n").split("\t")
                yield row[3], row[1], row[6]


@pytest.fixture(scope="module")
def rows():
    return list(_rows())


@pytest.fixture(scope="module")
def versions(rows):
    written = {v for _, v, _ in rows}
    made = set()
    for text in sorted(written):
        made |= {f"{text}.dev1", f"{text}rc1", f"{text}.post2", f"{text}+Local-1.0x", f"1!{text}"}
        made |= {f" v{text}.0 ", f"{text}-1", f"{text}_ALPHA", f"{text}.", f"{text}.1.dev", f"{text}+"}
    return sorted(written | made)


@pytest.fixture(scope="module")
def files(rows):
    names = {f for f, _, _ in rows}
    for sizes in (DATA / "derived").glob("sizes.tsv"):
        names |= {line.split("\t")[1] for line in sizes.read_text().splitlines()[1:]}
    for table in (DATA / "official").rglob("names-*.tsv"):
        names |= set(re.findall(r"[^\s/]+\.whl", table.read_text()))
    return sorted(names)


def ask(questions):
    """The answers to lines of words, one each (none to `target`)."""
    program = binary().parent / "tests" / "index" / "answer"
    text = "".join("\t".join(map(str, words)) + "\n" for words in questions)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def parsed(text):
    try:
        return version.Version(text)
    except version.InvalidVersion:
        return None


def _sorted(versions):
    """Those that are versions, in their order."""
    return sorted(filter(parsed, versions), key=parsed)


def compare(questions, expected):
    answers = ask(questions)
    assert len(answers) == len(expected)
    wrong = [(q, e, a) for q, e, a in zip(questions, expected, answers) if e != a]
    assert not wrong, f"{len(wrong)} of {len(expected)} differ, such as {wrong[:5]}"


def test_normal_forms(versions):
    assert len(versions) > LEAST
    kinds = {False: "final", True: "pre"}
    read = [parsed(text) for text in versions]
    expected = [f"{v} {kinds[v.is_prerelease]}" if v else "-" for v in read]
    assert "-" in expected
    compare([("version", text) for text in versions], expected)


def test_order(versions):
    chance = random.Random(SEED)
    known = [(parsed(text), text) for text in _sorted(versions)]
    pairs = list(zip(known, known[1:]))
    pairs += [chance.sample(known, 2) for _ in range(20_000)]
    chance.shuffle(pairs)
    questions = [("compare", a[1], b[1]) for a, b in pairs]
    compare(questions, [str((a[0] > b[0]) - (a[0] < b[0])) for a, b in pairs])


def _near(chance, known, i):
    """Versions that stand beside one another in the order, where the rules are finest."""
    return known[max(0, min(len(known) - 1, i + chance.randint(-6, 6)))]


def _made_specifiers(versions):
    chance = random.Random(SEED)
    known = _sorted(versions)
    for _ in range(40_000):
        i = chance.randrange(len(known))
        one = chance.choice(OPERATORS) + chance.choice(("", " ")) + known[i].strip()
        if chance.random() < 0.2:
            one = f"{chance.choice(('==', '!='))}{re.match('[v0-9.!]*[0-9]', known[i].strip())[0]}.*"
        if chance.random() < 0.3:
            one += f", {chance.choice(OPERATORS)}{_near(chance, known, i).strip()}"
        yield one, _near(chance, known, i)


def _contains(text, candidate):
    try:
        return "yes" if specifiers.SpecifierSet(text).contains(candidate, True) else "no"
    except specifiers.InvalidSpecifier:
        return "-"


def _names_prerelease(text):
    try:
        return "yes" if specifiers.SpecifierSet(text).prereleases else "no"
    except specifiers.InvalidSpecifier:
        return "-"


def test_specifiers_made_from_versions(versions):
    pairs = list(_made_specifiers(versions))
    expected = [_contains(*pair) for pair in pairs]
    assert min(expected.count(answer) for answer in ("yes", "no", "-")) > 1000
    compare([("contain", *pair) for pair in pairs], expected)
    compare([("prerelease", text) for text, _ in pairs], [_names_prerelease(t) for t, _ in pairs])


def test_mistyped_specifiers(versions):
    """What is one and what is none: a character more, less or other."""
    chance = random.Random(SEED)
    pairs = []
    for text, candidate in _made_specifiers(versions):
        at = chance.randrange(len(text))
        typed = chance.choice(("", *".*+-_!=<>~ v0rac1;)(\v"))
        pairs.append((text[:at] + typed + text[at + chance.randint(0, 1) :], candidate))
    expected = [_contains(*pair) for pair in pairs]
    assert min(expected.count(answer) for answer in ("yes", "no", "-")) > 1000
    compare([("contain", *pair) for pair in pairs], expected)


def test_specifiers_of_the_saved_pages(rows):
    texts = {r for _, _, r in rows if "\\" not in r}
    for scenario in (DATA / "scenarios").rglob("*.toml"):
        for wanted in re.findall(r'"[a-z0-9-]+(?:\[[^]]*\])?([<>=!~][^";]*)"', scenario.read_text()):
            texts.add(wanted)
    pythons = ["2.7", "3", "3.9", "3.10.4", "3.13", "3.14.0rc1", "3.11.9+x", "3.8.1", "4.0"]
    pairs = [(text, python) for text in sorted(texts) for python in pythons]
    assert len(pairs) > 500
    compare([("contain", *pair) for pair in pairs], [_contains(*pair) for pair in pairs])


# ---------------------------------------------------------------------- tags

TARGETS = [
    ("3.13", "win_amd64", 0),
    ("3.13", "linux_x86_64", 39),
    ("3.10", "manylinux_2_28_x86_64", 0),
    ("3.14t", "manylinux_2_28_aarch64", 0),
    ("3.12", "manylinux2014_x86_64", 0),
    ("3.7", "manylinux1_i686", 0),
    ("3.11", "linux_mips64", 31),
    ("3.15", "linux_armv8l", 36),
    ("3.9", "musllinux_1_2_x86_64", 0),
    ("3.12", "macosx_14_0_arm64", 0),
    ("3.8", "macosx_11_0_x86_64", 0),
    ("3.6", "macosx_10_15_x86_64", 0),
    ("3.5", "macosx_10_5_i386", 0),
    ("3.4", "macosx_10_5_ppc", 0),
    ("3.3", "macosx_10_5_ppc64", 0),
    ("2.7", "win32", 0),
    ("3.1", "macosx_10_9_x86_64", 0),
    ("3.13t", "win_arm64", 0),
]


def _linux(monkeypatch, arch, glibc):
    """As packaging._linux_platforms for a machine that is not this one."""
    archs = {"armv8l": ["armv8l", "armv7l"]}.get(arch, [arch])
    known = _manylinux._ALLOWED_ARCHS | {"i686", "armv7l"}
    monkeypatch.setattr(_manylinux, "_get_glibc_version", lambda: (2, glibc))
    monkeypatch.setattr(_manylinux, "_have_compatible_abi", lambda _, them: known & set(them))
    # It names manylinux for armv8l as well, which no wheel can be tagged with.
    many = [p for p in _manylinux.platform_tags(archs) if not p.endswith("armv8l")]
    return [f"linux_{a}" for a in archs] + many


def _platforms(monkeypatch, platform, glibc):
    if found := re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", platform):
        return list(tags.mac_platforms((int(found[1]), int(found[2])), found[3]))
    if found := re.fullmatch(r"musllinux_(\d+)_(\d+)_(\w+)", platform):
        older = range(int(found[2]), -1, -1)
        return [f"linux_{found[3]}"] + [f"musllinux_{found[1]}_{m}_{found[3]}" for m in older]
    if found := re.fullmatch(r"manylinux(1|2010|2014|_2_\d+)_(\w+)", platform):
        legacy = {"1": 5, "2010": 12, "2014": 17}
        return _linux(monkeypatch, found[2], legacy.get(found[1]) or int(found[1][3:]))
    if platform.startswith("linux_"):
        return _linux(monkeypatch, platform.removeprefix("linux_"), glibc)
    return [platform]


def _expected_tags(monkeypatch, python, platform, glibc):
    platforms = _platforms(monkeypatch, platform, glibc)
    number = tuple(map(int, python.rstrip("t").split(".")))
    nodot = "".join(map(str, number))
    abi = f"cp{nodot}{'t' if python.endswith('t') else ''}{'m' if number < (3, 8) else ''}"
    found = list(tags.cpython_tags(number, [abi], platforms))
    return found + list(tags.compatible_tags(number, f"cp{nodot}", platforms))


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: "-".join(map(str, t)))
def test_tags(monkeypatch, files, target):
    assert len(files) > LEAST, len(files)
    expected = [str(tag) for tag in _expected_tags(monkeypatch, *target)]
    (answer,) = ask([("tags", *target)])
    assert answer.split() == expected

    rank = {}
    for place, tag in enumerate(expected):
        rank.setdefault(tag, place)
    places = []
    for file in files:
        try:
            of_wheel = utils.parse_wheel_filename(file)[3]
            found = [rank[tag] for tag in map(str, of_wheel) if tag in rank]
            places.append(str(min(found, default=-1)))
        except utils.InvalidWheelFilename:
            places.append("-")
    answers = ask([("target", *target), *(("rank", file) for file in files)])
    wrong = [(f, e, a) for f, e, a in zip(files, places, answers, strict=True) if e != a]
    assert not wrong, f"{len(wrong)} of {len(files)} differ, such as {wrong[:5]}"


@pytest.mark.parametrize(
    "python, platform",
    [
        ("3", "win_amd64"),
        ("three", "win_amd64"),
        ("3.13x", "win_amd64"),
        ("3.100", "win_amd64"),
        ("99999999999.1", "win_amd64"),
        ("3.13", ""),
        ("3.13", "win-amd64"),
        ("3.13", "macosx_x_arm64"),
        ("3.13", "macosx_14_0"),
        ("3.13", "manylinux_2_x86_64"),
        ("3.13", "musllinux_1_99999_x86_64"),
        ("3.13", "x" * 300),
    ],
)
def test_no_target(python, platform):
    assert ask([("tags", python, platform, 0)]) == ["-"]
