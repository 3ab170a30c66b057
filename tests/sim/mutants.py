# SPDX-License-Identifier: Apache-2.0
"""Shows that the simulator finds mistakes: mutants.py SOURCE_ROOT SECONDS CC [FLAG...]

Each mutant is a flight or a budget with one line changed; the simulator built from it
must fail within SECONDS. A line that is not there exactly once is an error: the list follows the
code.
"""

import pathlib
import subprocess
import sys
import tempfile

SOURCES = ["engine/flight.c", "engine/flight_plan.c", "engine/flight_traffic.c", "engine/budget.c", "engine/extents.c", "cache/map.c", "base/str.c", "base/error.c", "base/clock.c"]

# name, line as it stands (without indentation), line instead
MUTANTS = [
    ("hold back a byte less", "int64_t last = f->size - (f->size > FLIGHT_HOLD_BACK ? FLIGHT_HOLD_BACK : 1);",
     "int64_t last = f->size - (f->size > FLIGHT_HOLD_BACK ? FLIGHT_HOLD_BACK - 1 : 0);"),
    ("commit whatever the digest", "if (f->sha256[0] && strcmp(f->sha256, f->computed) != 0) {", "if (0) {"),
    ("blame nobody", "f->blamed |= senders;", "senders = 0;"),
    ("blame one of several", "if (is_mixed(f)) { /* nobody knows who. Next time from one alone, and then it shows */",
     "if (0) {"),
    ("keep nothing to compare", "c->compare = error == ERROR_DIGEST_MISMATCH && is_mixed(f);", "c->compare = false;"),
    ("forget to compare", "(void)flight_emit(f, FLIGHT_COMPARE);", ";"),
    ("release before verified", "if (f->verified) {", "if (f->verified || flight_is_whole(f)) {"),
    ("lose a reader", "f->readers = r;\n    }\n    f->was_whole |= use == FLIGHT_WHOLE;",
     "f->readers = id % 16 ? r : f->readers;\n    }\n    f->was_whole |= use == FLIGHT_WHOLE;"),
    ("ask for present bytes", "s->from = s->at = run.from;", ";"),
    ("ask for what is under way", "covered = o->from <= ret->from && ret->from < end;", "covered = false;"),
    ("more connections than allowed", "if (s->state == SLOT_RUNNING && !s->head && ++count[s->mirror] >= f->connections)",
     "if (s->state == SLOT_RUNNING && !s->head && ++count[s->mirror] > f->connections)"),
    ("lose who is far ahead", "if (uncovered(f, s, first.from, first.to, &run) && run.from == first.from)", "if (0)"),
    ("run on into others' bytes", "return run.from >= s->at + SKIP_BYTES;", "return false;"),
    ("forget late bytes", "if ((f->phase != FILLING && f->phase != PARKED) ||",
     "if (!s || (f->phase != FILLING && f->phase != PARKED) ||"),
    ("mix two files", "return has_begun(f, s) && matters && !f->sha256[0] && !a->same_validator;", "return false;"),
    ("keep what nothing vouches for", "if (!f->sha256[0] && !f->has_length) { /* nothing vouches for it: served, not kept */",
     "if (0) {"),
    ("never park", "else if (now_ms - f->idle_since_ms >= GRACE_MS)", "else if (0)"),
    ("a sole mirror has no second chance", "return busy || later ? BUDGET_BUSY : BUDGET_NONE;",
     "return BUDGET_NONE;"),
]


def mutate(root, work, old, new):
    hits = [s for s in SOURCES[:4] if (root / s).read_text().count(old) == 1]
    if len(hits) != 1:
        sys.exit(f"not there exactly once: {old}")
    path = work / pathlib.Path(hits[0]).name
    path.write_text((root / hits[0]).read_text().replace(old, new))
    return [str(path) if s == hits[0] else str(root / s) for s in SOURCES]


def survives(root, work, seconds, compiler, old, new):
    sim = [str(p) for p in sorted((root / "tests/sim").glob("*.c"))]
    exe = work / "mutant"
    flags = ["-std=c17", "-D_GNU_SOURCE", "-O1", "-w", f"-I{root}"]
    subprocess.run([*compiler, *flags, *sim, *mutate(root, work, old, new), "-o", str(exe)], check=True)
    run = subprocess.run([str(exe), "--seconds", seconds], stdout=subprocess.PIPE, text=True)
    print("   ", run.stdout.splitlines()[0] if run.stdout else f"exit {run.returncode}")
    return run.returncode == 0


def main():
    root, seconds, compiler = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    alive = []
    for name, old, new in MUTANTS:
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as work:
            if survives(root, pathlib.Path(work), seconds, compiler, old, new):
                alive.append(name)
    sys.exit("not found: " + ", ".join(alive) if alive else 0)


main()
