# SPDX-License-Identifier: Apache-2.0
"""docs/SECURITY.md names a test for each promise, and each of them exists."""

import importlib.util
import re

import pytest

from daemon import ROOT

TEXT = (ROOT / "docs" / "SECURITY.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`((?:hostile/)?test_\w+)\.py::(\w+)(?:\[([^\]`]+)\])?`", TEXT)))
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "| test |" not in line]


def _module(file):
    path = ROOT / "tests" / "e2e" / f"{file}.py"
    spec = importlib.util.spec_from_file_location(file.replace("/", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file, name, parameter", NAMES, ids=[f"{n[1]}-{n[2]}" for n in NAMES])
def test_the_test_exists(file, name, parameter):
    assert callable(getattr(_module(file), name))


def test_each_promise_names_its_test():
    assert len(ROWS) > 15
    assert [r for r in ROWS if not re.search(r"\| `(hostile/)?test_\w+\.py::[^`]+` \|$", r)] == []
