#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants lines in a small tree and looks whether check_layers.py finds exactly those."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from check_layers import MAY_INCLUDE

CHECK = Path(__file__).resolve().parent / "check_layers.py"

# Where, what, and the complaint (None: fine).
PLANTED = (
    ("index/a.c", '#include "base/buf.h"', None),
    ("index/a.c", '#include "cache/store.h"', "cache/store.h: index/ may not include cache/"),
    ("lock/a.c", '#include "index/name.h"', None),
    ("lock/a.c", '#include "engine/engine.h"', "lock/ may not include engine/"),
    ("index/a.c", '#include "lock/lock.h"', "index/ may not include lock/"),
    ("server/a.c", '#include "lock/lock.h"', "server/ may not include lock/"),
    ("cli/a.c", '#include "lock/lock.h"', None),
    ("base/a.c", "#include <yaml.h>", "yaml.h: belongs to lock/"),
    ("cache/a.c", '#include "upstream/fetcher.h"', "cache/ may not include upstream/"),
    ("upstream/a.h", '  #  include   "index/name.h"', "upstream/ may not include index/"),
    ("base/a.c", '#include "engine/engine.h"', "base/ may not include engine/"),
    ("engine/a.c", '#include "server/httpd.h"', "engine/ may not include server/"),
    ("engine/a.c", '#include "cache/store.h"', None),
    ("server/a.c", '#include "cache/store.h"', "server/ may not include cache/"),
    ("engine/files/a.c", '#include "engine/flight/flight.h"', None),
    ("engine/listings/a.c", '#include "engine/files/files.h"', "engine/listings/ may not include"),
    ("engine/files/a.c", '#include "engine/pages/page_entry.h"', "engine/files/ may not include engine/pages/"),
    ("engine/flight/a.h", '#include "engine/loop/wait.h"', None),
    ("engine/flight/a.h", '#include "engine/engine.h"', "engine/flight/ may not include engine/"),
    ("engine/a.c", '#include "engine/pages/page_entry.h"', None),
    ("engine/flight/deeper/a.c", '#include "engine/files/progress.h"', "engine/flight/ may not include"),
    ("config/a.c", '#include "server/reply.h"', "config/ may not include server/"),
    ("control/a.c", '#include "config/options.h"', None),
    ("server/a.c", '#include "cli/query.h"', "server/ may not include cli/"),
    ("cli/doctor/a.c", '#include "config/ini.h"', None),
    ("cli/setup/a.c", '#include "cli/query.h"', "cli/setup/ may not include cli/"),
    ("index/a.c", '#include "name.h"', "name.h: is not spelled from the root"),
    ("base/a.c", "#include <curl/curl.h>", "curl/curl.h: belongs to upstream/"),
    ("engine/a.c", "#include <sqlite3.h>", "sqlite3.h: belongs to cache/"),
    ("base/a.cpp", "#include <toml++/toml.h>", None),
    ("cache/a.h", "#include <sqlite3.h>", None),
    ("cache/a.c", '#include "cache/private.h"', None),
    ("engine/a.c", '#include "cache/public.h"', None),
    ("engine/a.c", '#include "cache/private.h"', "cache/private.h: shows a library's types"),
    ("engine/a.c", '#include "cache/indirect.h"', "cache/indirect.h: shows a library's types"),
    ("server/a.h", "#include <microhttpd.h>", None),
    ("cache/a.h", "#include <uthash.h>", None),
    ("engine/files/a.c", '#include "engine/files/files_state.h"', None),
    ("engine/pages/a.c", '#include "engine/files/files_state.h"', "is the inside of engine/files/"),
    ("engine/loop/a.h", "struct services;", None),
    ("engine/loop/a.h", "struct engine;", "struct engine is not for rooms"),
    ("engine/claims/a.c", "static void run(const struct engine *e) {}", "struct engine is not for rooms"),
    ("engine/loop/a.c", "static struct engine_options options;", None),
    ("engine/a.c", "struct engine {};", None),
    ("engine/sub/a.c", "#include <libxml/parser.h>", "libxml/parser.h: belongs to index/"),
)


def run(root):
    return subprocess.run(
        [sys.executable, CHECK, root], capture_output=True, text=True, check=False
    )


# What stands in the small tree already.
HEADERS = {
    "cache/public.h": "#include <stddef.h>\n",
    "cache/private.h": "#include <sqlite3.h>\n",
    "cache/indirect.h": '#include "cache/private.h"\n#include "cache/indirect.h"\n',
}


class Planted(unittest.TestCase):
    def test_each(self):
        for place, include, complaint in PLANTED:
            with self.subTest(place=place, include=include):
                with tempfile.TemporaryDirectory() as top:
                    root = Path(top)
                    for room in MAY_INCLUDE:
                        (root / room).mkdir(parents=True, exist_ok=True)
                    for name, text in HEADERS.items():
                        (root / name).write_text(text)
                    (root / place).parent.mkdir(parents=True, exist_ok=True)
                    (root / place).write_text(f"// first\n{include}\n")
                    done = run(root)
                    self.assertEqual(done.returncode, 1 if complaint else 0, done.stdout)
                    if complaint:
                        self.assertEqual(done.stdout.count("\n"), 1)
                        self.assertTrue(done.stdout.startswith(f"{place}:2: "), done.stdout)
                        self.assertIn(complaint, done.stdout)

    def test_a_tree_that_is_none(self):
        with tempfile.TemporaryDirectory() as top:
            self.assertNotEqual(run(Path(top)).returncode, 0)


if __name__ == "__main__":
    unittest.main()
