# SPDX-License-Identifier: Apache-2.0
"""The fenced blocks of the documents, and what a terminal picture in one of them must show."""

import re
from dataclasses import dataclass

from daemon import ROOT

HERE = "http://localhost:8503"
LANGUAGES = {"caddyfile", "console", "dockerfile", "ini", "json", "nginx", "sh", "toml"}


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    language: str
    text: str

    @property
    def name(self):
        return f"{self.document}:{self.line}"


def blocks_of(document):
    """All fenced blocks of a document, in order; a fence without an end, or language, is an error."""
    found, begun = [], None
    for number, line in enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1):
        if begun is None and line.startswith("```"):
            begun, body = (number, line[3:]), []
            assert begun[1] in LANGUAGES, f"{document}:{number}: no language that the tests know"
        elif begun is not None and line == "```":
            found.append(Block(document, *begun, "".join(f"{row}\n" for row in body)))
            begun = None
        elif begun is not None:
            body.append(line)
    assert begun is None, f"{document}:{begun}: a fence without an end"
    return found


def manual():
    """Every document for users, as a path from the top; those in Chinese are compared with them."""
    found = ["README.md", "CONTRIBUTING.md"]
    found += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
    return found


def commands(block):
    """The lines of a block that somebody types, without the prompt and what was printed."""
    if block.language == "console":
        return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
    lines = [line.strip() for line in block.text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def sessions(block):
    """(command, lines it printed) for each command of a picture; "..." stands for lines left out."""
    found = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line and line.strip() != "...":
            found[-1][1].append(line)
    return found


def plain(line):
    """Numbers, units of time and runs of spaces differ from run to run."""
    line = re.sub(r"\d[\d.]*\+?\w*", "N", line)
    return re.sub(r"\s+", " ", line).strip()


def assert_shows(picture, output):
    """Each line of the picture stands in the output, in the picture's order."""
    rows = iter([plain(line) for line in output.splitlines()])
    for line in picture:
        assert any(row == plain(line) for row in rows), f"not in the output, or not there: {line}\n{output}"
