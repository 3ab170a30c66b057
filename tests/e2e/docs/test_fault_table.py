# SPDX-License-Identifier: Apache-2.0
"""docs/FAULTS.md names a test in each row, and each of them exists."""

import importlib
import re
from pathlib import Path

import pytest

from daemon import ROOT

TEXT = (ROOT / "docs" / "FAULTS.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`((?:\w+/)?test_\w+)\.py::(\w+)(?:\[([^\]`]+)\])?`", TEXT)))
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "| test |" not in line]


def _parameters(function):
    return [
        str(value)
        for mark in getattr(function, "pytestmark", [])
        if mark.name == "parametrize"
        for value in (mark.kwargs.get("ids") or mark.args[1])
    ]


@pytest.mark.parametrize("file, name, parameter", NAMES, ids=[f"{n[1]}-{n[2]}" for n in NAMES])
def test_the_test_exists(file, name, parameter):
    folder, _, name_of_module = file.rpartition("/")
    module = importlib.import_module(name_of_module)
    assert folder in ("", Path(module.__file__).parent.name)
    function = getattr(module, name)
    assert not parameter or parameter in _parameters(function)


def test_each_row_names_its_test():
    assert len(ROWS) > 40
    named = re.compile(r"\| (`(?:\w+/)?test_\w+\.py::[^`]+`(, | \|$))+")
    assert [row for row in ROWS if not named.search(row)] == []


def test_each_fault_of_the_matrix_has_a_row():
    """By its stem: places and statuses that behave alike share one."""
    import test_faults  # pylint: disable=import-outside-toplevel

    named = {(name, parameter) for _, name, parameter in NAMES}
    alike = {"416": "500", "503": "500", "404": "large-404"}
    alike |= {"no-byte": "blank", "200-s3-403": "200-404-page"}
    for test, table in (("test_a_file", test_faults.FILE_FAULTS), ("test_a_page", test_faults.PAGE_FAULTS)):
        for fault in table:
            stem = re.sub("-(start|end)$", "-middle", fault)
            assert {(test, stem), (test, alike.get(fault))} & named, fault
