# SPDX-License-Identifier: Apache-2.0
"""The documents as a whole: blocks that are true, links that lead somewhere, one text in two languages.

test_readme.py installs by what README.md says, test_clients.py by docs/clients.md, test_airgap.py goes
the way of docs/airgap.md, test_listed.py from the sites of docs/indexes.md. Here is what every block has in common.
"""

import json
import re
import shlex
from urllib.parse import unquote

import pytest

import wire
from daemon import ROOT, all_mirrors, run_wheelyard
from documents import HERE, assert_shows, blocks_of, commands, manual, sessions
from standins import wait_until

WHEEL = "cu126/torch-2.9.0%2Bcu126-cp311-cp311-manylinux_2_28_x86_64.whl"
BLOCKS = [block for document in manual() for block in blocks_of(document)]
CONFIGURATIONS = [
    block
    for block in BLOCKS
    if block.language == "toml"
    and not re.match(r"# .*(pyproject|uv|config)\.toml|# Pipfile|\[+tool\.", block.text)
]
TYPED = [(b, line) for b in BLOCKS if b.language in ("sh", "console") for line in commands(b)]
WALK = "docs/airgap.md"  # test_airgap.py plays it, in its order
OURS = [(b, s) for b, s in TYPED if s.startswith("wheelyard ") and b.document != WALK]
MAKE = [(b, line) for b, line in TYPED if re.match(r"(sudo |\w+=\S+ )*make ", line)]
UNITS = [(b, line) for b, line in TYPED if "systemctl" in line]
EXPLAINED = [
    (b, line, shown) for b in BLOCKS if b.language == "console" for line, shown in sessions(b)
    if line.startswith("wheelyard explain")
]
CHINESE = {"README.zh-CN.md": "README.md", "docs/zh-CN/clients.md": "docs/clients.md"}


def _ids(pairs):
    return [f"{pair[0].name}-{pair[1]}" for pair in pairs]


# ------------------------------------------------------------------ blocks


def test_json_is_json():
    assert all(json.loads(block.text) for block in BLOCKS if block.language == "json")


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=[b.name for b in CONFIGURATIONS])
def test_configurations_are_right(tmp_path, block):
    """As they stand, below the built-in origins where they only add to those."""
    text = block.text
    if "[[origin.pytorch.mirror]]" in text and "[origin.pytorch]" not in text:
        text = run_wheelyard("config", "show", "--default", home=tmp_path).stdout + text
    if '"pypi"' in text and "[origin.pypi]" not in text:
        text = _mirrors() + text
    for named, there in (
        ("/srv/wheels", tmp_path),
        ("/data/wheelyard", tmp_path / "cache"),
        ("/etc/ssl/lab.pem", "/etc/ssl/certs/ca-certificates.crt"),
        ("/etc/wheelyard/credentials", tmp_path / "credentials"),
    ):
        text = text.replace(f'"{named}"', f'"{there}"')
    (tmp_path / "credentials").touch(0o600)
    (tmp_path / "wheelyard.conf").write_text(text)
    done = run_wheelyard("config", "check", tmp_path / "wheelyard.conf", home=tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def _mirrors():
    """The block of docs/indexes.md that has one mirror of each kind."""
    (found,) = [b.text for b in BLOCKS if b.document == "docs/indexes.md" and "owns_in" in b.text]
    return found


@pytest.mark.parametrize("block, line", OURS, ids=_ids(OURS))
def test_our_commands_are_understood(mirrors, serve, tmp_path, block, line):
    """As it stands, but for where the daemon is."""
    daemon = serve(f'socket = "{tmp_path}/own/socket"\n' + all_mirrors(mirrors))
    assert wire.ask(daemon.file_url("pytorch", WHEEL)).status == 200
    wait_until(lambda: daemon.status()["cache"]["blobs"] == 1)
    (tmp_path / "wheelyard.conf").write_text((daemon.folder / "config.toml").read_text())
    (tmp_path / "uv.lock").write_text("version = 1\n")
    words = shlex.split(line.split(" > ")[0])[1:]
    where = {"cache": ["--socket", f"{tmp_path}/own/socket"], "indexes": ["--url", daemon.url]}
    where |= {"wheels": where["indexes"], "explain": where["indexes"], "setup": where["indexes"]}
    where["doctor"] = [*where["indexes"], *where["cache"]]
    more = where.get(words[0], [])
    done = run_wheelyard(*words, *more, home=tmp_path, seconds=60)
    finds_nothing = words[0] == "explain" and "3.15" in words
    assert done.returncode == (1 if finds_nothing else 0), done.stdout + done.stderr


@pytest.mark.parametrize("block, line, shown", EXPLAINED, ids=_ids(EXPLAINED))
def test_explain_says_what_is_shown(mirrors, serve, tmp_path, block, line, shown):
    daemon = serve(all_mirrors(mirrors))
    done = run_wheelyard(*shlex.split(line)[1:], "--url", daemon.url, home=tmp_path)
    assert shown and block
    assert_shows(shown, done.stdout)


@pytest.mark.parametrize("block, line", MAKE, ids=_ids(MAKE))
def test_make_has_the_target(block, line):
    words = shlex.split(line.removeprefix("sudo "))
    (target,) = [w for w in words if "=" not in w and w != "make"] or ["build"]
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.M), block.name


@pytest.mark.parametrize("block, line", UNITS, ids=_ids(UNITS))
def test_the_units_are_there(block, line):
    words = [w for w in shlex.split(line) if w.startswith("wheelyard")]
    for name in words:
        unit = name if "." in name else f"{name}.service"
        folder = "systemd/user" if "--user" in line else "systemd"
        assert (ROOT / folder / unit).exists(), block.name


def test_every_block_is_looked_at():
    """A block of a new kind needs a test of its own."""
    seen = {b.name for b in CONFIGURATIONS} | {b.name for b, _ in [*OURS, *MAKE, *UNITS]}
    seen |= {b.name for b, _, _ in EXPLAINED}
    elsewhere = {"docs/clients.md", WALK}  # test_clients.py plays every block of the first
    seen |= {b.name for b in BLOCKS if b.language in ("nginx", "caddyfile")}  # test_lan.py
    seen |= {b.name for b in BLOCKS if "LoadCredential=" in b.text}  # test_credentials.py
    seen |= {b.name for b in BLOCKS if b.language == "json"}  # test_policy.py
    left = [b for b in BLOCKS if b.name not in seen and b.document not in elsewhere]
    assert {b.document for b in left} == {"README.md"}  # test_readme.py
    assert all(HERE in b.text for b in left)


# ------------------------------------------------------------------ links


def _anchors(text):
    """What GitHub makes of headings."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", [*manual(), *CHINESE, "CHANGELOG.md"])
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / document).parent / path if path else ROOT / document
        assert there.exists(), f"{document}: {target}"
        if anchor:
            assert unquote(anchor) in _anchors(there.read_text(encoding="utf-8")), f"{document}: {target}"


def test_readme_leads_to_every_document():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    about_the_inside = {"docs/ARCHITECTURE.md", "docs/HACKING.md"}
    missing = {d for d in manual() if d != "README.md" and f"]({d})" not in text}
    assert missing <= about_the_inside
    inside = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [d for d in missing if f"]({d})" not in inside] == []


def test_sizes():
    """What keeps them readable."""
    assert len((ROOT / "docs/ARCHITECTURE.md").read_bytes()) <= 10 * 1024
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 180


# ------------------------------------------------------------------ languages


@pytest.mark.parametrize("chinese", CHINESE)
def test_both_languages_have_the_same_blocks(chinese):
    """And the same sections and tables, so that neither is behind."""
    english = CHINESE[chinese]
    pairs = [(b.language, b.text) for b in blocks_of(english)]
    assert [(b.language, b.text) for b in blocks_of(chinese)] == pairs and pairs

    def shape(document):
        prose = re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.M | re.S)
        return [line.split()[0] for line in prose.splitlines() if re.match(r"#+ |\| ", line)]

    assert shape(chinese) == shape(english)


def test_chinese_documents_are_linked():
    assert "(README.zh-CN.md)" in (ROOT / "README.md").read_text(encoding="utf-8")[:200]
    assert "(README.md)" in (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")[:200]
    assert "(zh-CN/clients.md)" in (ROOT / "docs/clients.md").read_text(encoding="utf-8")[:200]


def test_the_figures_are_measured():
    """Every number in README's table stands in bench/RESULTS.md; both languages have the same."""
    results = (ROOT / "bench/RESULTS.md").read_text(encoding="utf-8")
    tables = []
    for document in ("README.md", "README.zh-CN.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        rows = [row.split("|")[2:] for row in text.splitlines() if row.startswith("| ") and "?" in row]
        tables.append([n for row in rows for n in re.findall(r"\d[\d,.]*\d", "|".join(row))])
    assert tables[0] == tables[1] and len(tables[0]) >= 8
    assert [n for n in tables[0] if n not in results] == []
