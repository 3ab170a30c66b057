#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_rooms.py LIBRARY...: lowest first. No library needs a name that a later one defines.

Includes can hide a call upwards (a prototype may stand anywhere); the symbols of the objects cannot.
Prints every such name; exit 1.
"""
import subprocess
import sys


def names(library):
    """(defined, needed): the second by object."""
    run = subprocess.run(["nm", "-A", library], capture_output=True, text=True, check=True)
    defined, needed = set(), {}
    for line in run.stdout.splitlines():
        place, *_, kind, name = line.split()
        if kind == "U":
            needed.setdefault(name, place.split(":")[-2].rsplit("/", 1)[-1])
        elif kind.isupper():
            defined.add(name)
    return defined, needed


def main():
    libraries = [(path, *names(path)) for path in sys.argv[1:]]
    found = [
        f"{path}: {needed[name]} calls {name} of {above}"
        for n, (path, _, needed) in enumerate(libraries)
        for above, defined, _ in libraries[n + 1 :]
        for name in sorted(needed.keys() & defined)
    ]
    print(*found, sep="\n")
    sys.exit(1 if found else 0)


main()
