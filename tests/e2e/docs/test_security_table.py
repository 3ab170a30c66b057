# SPDX-License-Identifier: Apache-2.0
"""docs/SECURITY.md names a test for each promise, and each of them exists."""

import importlib
import re
from pathlib import Path

import pytest

from daemon import ROOT

TEXT = (ROOT / "docs" / "SECURITY.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`((?:\w+/)?test_\w+)\.py::(\w+)(?:\[([^\]`]+)\])?`", TEXT)))
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "| test |" not in line]


@pytest.mark.parametrize("file, name, parameter", NAMES, ids=[f"{n[1]}-{n[2]}" for n in NAMES])
def test_the_test_exists(file, name, parameter):
    folder, _, name_of_module = file.rpartition("/")
    module = importlib.import_module(name_of_module)
    assert folder in ("", Path(module.__file__).parent.name)
    assert callable(getattr(module, name))


def test_each_promise_names_its_test():
    assert len(ROWS) > 15
    assert [r for r in ROWS if not re.search(r"\| `(\w+/)?test_\w+\.py::[^`]+` \|$", r)] == []
