#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants a call upwards in two small libraries and looks whether check_rooms.py finds it."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).resolve().parent / "check_rooms.py"


def library(folder, name, text):
    source, made = folder / f"{name}.c", folder / f"lib{name}.a"
    source.write_text(text)
    subprocess.run(["cc", "-c", source, "-o", source.with_suffix(".o")], check=True)
    subprocess.run(["ar", "rc", made, source.with_suffix(".o")], check=True)
    return made


class Planted(unittest.TestCase):
    def test_up_and_down(self):
        with tempfile.TemporaryDirectory() as top:
            low = library(Path(top), "low", "void low(void) {}\n")
            high = library(Path(top), "high", "void low(void);\nvoid high(void) { low(); }\n")
            for order, complaint in (((low, high), ""), ((high, low), "high.o calls low of ")):
                done = subprocess.run(
                    [sys.executable, CHECK, *order], capture_output=True, text=True, check=False
                )
                self.assertEqual(done.returncode, 1 if complaint else 0, done.stdout)
                self.assertIn(complaint, done.stdout)


if __name__ == "__main__":
    unittest.main()
