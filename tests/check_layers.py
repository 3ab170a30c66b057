#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_layers.py [ROOT]: includes go downwards, and each library has one room that knows it.

A room is a folder of ROOMS; what lies in a deeper folder belongs to the longest that fits. A room may
include what MAY_INCLUDE says. A library's headers may stand only in the room that LIBRARIES names
(uthash is free), and what includes them, directly or not, is private to that room. No room of the engine
knows `struct engine`: it has services and its own handle. A header NAME_state.h is the inside of its room. Prints every breach; exit 1.
"""
import re
import sys
from pathlib import Path

STORES = ["base", "index", "cache", "upstream"]
# The engine's rooms, lowest first: each may include those before it, and the layers below.
INNER = ["loop", "flight", "mirrors", "policy", "claims", "listings", "files", "metadata", "folders", "pages"]
ENGINE = [*(f"engine/{room}" for room in INNER), "engine"]
COMMANDS = ["cli/doctor", "cli/setup", "cli"]

MAY_INCLUDE = {
    "base": {"base"},
    "index": {"base", "index"},
    "lock": {"base", "index", "lock"},
    "cache": {"base", "cache"},
    "upstream": {"base", "upstream"},
    "bundle": {"base", "index", "bundle"},
    **{room: {*STORES, *ENGINE[: n + 1]} for n, room in enumerate(ENGINE)},
    "config": {"base", "index", *ENGINE, "config"},
    "control": {"base", "index", *ENGINE, "config", "control"},
    "server": {"base", "index", *ENGINE, "config", "control", "server"},
    **{
        room: {"base", "index", "lock", "bundle", "upstream", *ENGINE, "config", "control", "server", *COMMANDS[: n + 1]}
        for n, room in enumerate(COMMANDS)
    },
}

# Prefix of what stands in <>, and the folder that owns it.
LIBRARIES = {
    "libxml/": "index",
    "zip.h": "index",
    "yaml.h": "lock",
    "sqlite3.h": "cache",
    "curl/": "upstream",
    "microhttpd.h": "server",
    "systemd/": "server",
    "cjson/": "base",
    "toml++/": "base",
    "zlib.h": "base",
    "zstd": "base",
    "openssl/": "base",
}

ENGINE_STRUCT = re.compile(r"\bstruct engine\b")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
SOURCES = {".c", ".h", ".cpp"}


def includes(path):
    """Yields (line, our header or None, library header or None)."""
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, *match.groups()


def owner_of(library):
    """The folder whose library this is; None for libc's and uthash."""
    return next((o for prefix, o in LIBRARIES.items() if library.startswith(prefix)), None)


def knows_library(root, name, seen):
    """Whether one of our headers shows a library's types to whoever includes it."""
    path = root / name
    if name in seen or not path.exists():
        return False
    seen.add(name)
    return any(
        knows_library(root, own, seen) if own else owner_of(library)
        for _, own, library in includes(path)
    )


def room_of(name):
    """The room that a path from the root belongs to, or None."""
    return max((r for r in MAY_INCLUDE if name.startswith(f"{r}/")), key=len, default=None)


def wrong_own(root, folder, name):
    """What is wrong with including one of our own headers."""
    target = room_of(name)
    if name.endswith("_state.h") and target != folder:
        return f"is the inside of {target}/"
    if target is None:
        return "is not spelled from the root"
    if target not in MAY_INCLUDE[folder]:
        return f"{folder}/ may not include {target}/"
    if target != folder and knows_library(root, name, set()):
        return f"shows a library's types and is private to {target}/"
    return None


def wrong_library(folder, name):
    """What is wrong with including a header in angle brackets."""
    owner = owner_of(name)
    return f"belongs to {owner}/" if owner not in (None, folder) else None


def engine_lines(path, room):
    """Lines of a room of the engine that name struct engine."""
    if not room.startswith("engine/"):
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if ENGINE_STRUCT.search(line):
            yield number


def breaches(root):
    """Yields `file:line: include: what is wrong`."""
    for top in sorted({room.split("/")[0] for room in MAY_INCLUDE}):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in SOURCES:
                continue
            name = str(path.relative_to(root))
            room = room_of(name)
            for line, own, library in includes(path):
                wrong = wrong_own(root, room, own) if own else wrong_library(room, library)
                if wrong:
                    yield f"{name}:{line}: {own or library}: {wrong}"
            for line in engine_lines(path, room):
                yield f"{name}:{line}: struct engine is not for rooms"


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    if not all((root / room).is_dir() for room in MAY_INCLUDE):
        sys.exit(f"{root}: not the top of the checkout")
    found = list(breaches(root))
    for breach in found:
        print(breach)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
