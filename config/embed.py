#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py TEXT C-FILE NAME: writes a text as the C array NAME (ISO C limits string literals)."""

import sys

text_path, c_path, name = sys.argv[1:]
with open(text_path, encoding="ascii") as text:
    data = text.read().encode()
rows = [data[i : i + 20] for i in range(0, len(data), 20)]
with open(c_path, "w", encoding="ascii") as c:
    c.write(f"extern const char {name}[];\nconst char {name}[] = {{\n")
    for row in rows:
        c.write("    " + " ".join(f"{byte}," for byte in row) + "\n")
    c.write("    0,\n};\n")
