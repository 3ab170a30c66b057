# SPDX-License-Identifier: Apache-2.0
"""Shows that the simulator finds mistakes: mutants.py SOURCE_ROOT SEEDS CC [FLAG...]

Each mutant is the code of the daemon with one mistake planted; the simulator built from it must fail
within so many schedules. A line that is not there exactly once is an error: the list follows
the code.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BASE = ["base/str.c", "base/error.c", "base/clock.c", "base/digest.c"]
MODEL = [f"tests/sim/{name}.c" for name in ("checks", "claims", "content", "crash", "disk", "judge", "mirror", "owner", "readers", "sharing", "simulate", "world")]
FLIGHT = ["engine/flight/flight.c", "engine/flight/flight_plan.c", "engine/flight/flight_traffic.c", "engine/mirrors/budget.c", "engine/files/refusals.c", "engine/mirrors/precedence.c", "engine/claims/claims.c", "engine/mirrors/portal.c",
          "cache/map.c"]
PROGRESS = ["engine/files/progress.c", "engine/loop/wait.c"]
# program: what is mutated, what else it is made of
PROGRAMS = {"simulate": (FLIGHT, ["engine/flight/extents.c", "index/digests.c", *MODEL, *BASE]),
            "threads": (PROGRESS, ["engine/flight/extents.c", "tests/sim/threads.c", *BASE])}
# As in meson.build.
DIVERTED = [f"-D{name}=model_{name.removeprefix('pthread_mutex_')}" for name in (
    "pthread_mutex_lock", "pthread_mutex_unlock", "extents_add", "extents_end", "extents_missing",
    "lane_post", "saved_release")]

# name, line as it stands (without indentation), line instead
MUTANTS = [
    # what readers may read
    ("hold back a byte less", "int64_t last = f->size - (f->size > FLIGHT_HOLD_BACK ? FLIGHT_HOLD_BACK : 1);",
     "int64_t last = f->size - (f->size > FLIGHT_HOLD_BACK ? FLIGHT_HOLD_BACK - 1 : 0);"),
    ("release before verified", "if (f->verified) {", "if (f->verified || flight_is_whole(f)) {"),
    ("release before the verdict", "if (f->verified) {", "if (f->verified || f->judging) {"),
    # verification and blame
    ("commit whatever the digest", "if (verdict == FLIGHT_AGREED || verdict == FLIGHT_SOUND)",
     "if (verdict == FLIGHT_AGREED || verdict == FLIGHT_SOUND || verdict == FLIGHT_WRONG)"),
    ("commit what is no such file", "if (verdict == FLIGHT_AGREED || verdict == FLIGHT_SOUND)", "if (verdict != FLIGHT_WRONG)"),
    ("keep what nothing vouches for", "if (!agreed && !f->has_length) {",
     "if (0) {"),
    ("ask again who was refused", "f->refused |= 1u << mirror;\n}\n\n/* The bytes are not", "}\n\n/* The bytes are not"),
    ("refuse one of several", "bool mixed = is_mixed(f);",
     "bool mixed = false;"),
    ("mix again after a mixture", "f->alone |= mixed && !innocent;", ";"),
    ("refuse a mirror for the disk", "bool innocent = f->resumed || flight_has_old_size(f);",
     "bool innocent = flight_has_old_size(f);"),
    ("refuse a mirror for a length of long ago", "bool innocent = f->resumed || flight_has_old_size(f);",
     "bool innocent = f->resumed;"),
    ("never ask again who was wrong once", "if (!(f->blamed & ~f->refused & ~f->dead))", "if (1)"),
    ("blame whose bytes were right", "if (has(r, m) && strcmp(r->copy[m].sha256, sha256) != 0)", "if (has(r, m))"),
    ("wait an hour for who may be right by then", "r->until_ms = now_ms + (wait_ms < WAIT_MOST_MS ? wait_ms : WAIT_MOST_MS);", "r->until_ms = now_ms + 3600000;"),
    ("refuse for ever who may be right by the new word", "f->refused = 0;\n    if (!f->vouched)", "if (!f->vouched)"),
    # what is claimed
    ("a mirror's word is as good as the site's", "return c->is_site ? SITE_SAYS : MIRROR_SAYS;", "return SITE_SAYS;"),
    ("what was said once counts for ever", "return !c->is_remembered && now_s - c->said_s <= CLAIM_CURRENT_S;", "return true;"),
    ("what was said once counts no more", "return c->is_site ? SITE_SAID : MIRROR_SAID;", "return SAYS_NOTHING;"),
    ("believe all that ever was said", "if (weight > best)\n            ret->counting = 0;", ""),
    ("accept what is claimed otherwise", "return !choice->counting;", "return true;"),
    ("agree though two contradict each other", "if (choice->counting & (1u << k))\n                choice->is_disputed |=", "if (0)\n                choice->is_disputed |="),
    ("mirrors never agree against a claim", "if (same & (same - 1) && !best)", "if (0)"),
    ("mirrors agree that sent different bytes", "if (has(r, m) && has(r, o) && strcmp(r->copy[m].sha256, r->copy[o].sha256) == 0)", "if (has(r, m) && has(r, o))"),
    ("put out for one file", "now_ms - h->lie[LIES_MOST - 1].ms < LIE_MS)", "now_ms - h->lie[0].ms < LIE_MS)"),
    # captive portals
    ("one page is a portal's", "page->file != file &&", "1 &&"),
    ("never recognise a portal", "strcmp(page->sha256, sha256) == 0;\n    }\n    p->is_open |=", "0;\n    }\n    p->is_open |="),
    ("a portal stays", "bool was_open = p->is_open;\n    forget(p);", "bool was_open = p->is_open;"),
    # slow mirrors
    ("never leave who trickles", "if (!has_trickled(f, m, passed_ms))", "if (1)"),
    ("a race that is in vain goes on", "(raced && f->trickle[m].times < TRICKLES_MOST))", "raced)"),
    # sameness
    ("mix two files", "return has_begun(f, s) && matters && !f->vouched && !a->same_validator;", "return false;"),
    # coalescing
    ("ask for present bytes", "s->from = s->at = run.from;", ";"),
    ("ask for what is under way", "covered = o->from <= ret->from && ret->from < end;", "covered = false;"),
    ("run on into others' bytes", "return run.from >= s->at + SKIP_BYTES;", "return false;"),
    ("hedge again and again", "any |= h->state != SLOT_IDLE && h->rival && same && flight_is_racing(f, h);", ";"),
    ("more connections than allowed", "if (s->state == SLOT_RUNNING && !s->head && ++count[s->mirror] >= f->connections)",
     "if (s->state == SLOT_RUNNING && !s->head && ++count[s->mirror] > f->connections)"),
    # nobody is forgotten
    ("lose a reader", "f->readers = r;\n    }\n    f->was_whole |= use == FLIGHT_WHOLE;",
     "f->readers = id % 16 ? r : f->readers;\n    }\n    f->was_whole |= use == FLIGHT_WHOLE;"),
    ("lose who is far ahead", "if (uncovered(f, s, first.from, first.to, &run) && run.from == first.from)", "if (0)"),
    ("forget late bytes", "if ((f->phase != FILLING && f->phase != PARKED) ||",
     "if (!s || (f->phase != FILLING && f->phase != PARKED) ||"),
    ("a sole mirror has no second chance", "return busy || later ? BUDGET_BUSY : BUDGET_NONE;",
     "return BUDGET_NONE;"),
    ("believe a length of long ago", "f->first_size = -1;\n    f->phase", "f->phase"),
    # everybody has a turn
    ("no place for what is brief", "(h->connections - h->bulk < own && h->connections < 2 * b->connections);", "0;"),
    ("serve who came last", "return a->since_ms < b->since_ms ? -1 : a->since_ms > b->since_ms;",
     "return a->since_ms > b->since_ms ? -1 : a->since_ms < b->since_ms;"),
    ("bulk before what is brief", "return -1;\n    return t->unread", "return FLIGHT_RANK_AHEAD;\n    return t->unread"),
    # the end
    ("never park", "else if (now_ms - f->idle_since_ms >= GRACE_MS)", "else if (0)"),
    ("reserve again and again", "f->reserved = true;", ";"),
    # the disk
    ("never sync", "f->unsynced = true;", ";"),
    ("throw away what was there at the stop", "end(f, f->present.count > 0 && f->size >= 0 && !f->alone &&",
     "end(f, f->present.count > 0 && f->size >= 0 && f->alone &&"),
    ("sync the map before the data", "int r = disk->sync_data(disk->context);\n    if (r)\n        return r;\n"
     "    map_seal(block, copy);\n    return disk->sync_map(disk->context);",
     "map_seal(block, copy);\n    int r = disk->sync_map(disk->context);\n    if (r)\n        return r;\n"
     "    return disk->sync_data(disk->context);"),
    ("seal what came during the sync", "seal.generation++;", "seal.generation++;\n    copy = (const uint8_t *)block + MAP_HEAD;"),
    ("seal over the copy that counts", "int which = 1 - newest_seal(", "int which = newest_seal("),
    ("trust written bytes after a power cut", "opened.same_boot = is_boot(&header, boot_id);", "opened.same_boot = true;"),
    ("count chunks that are half there", "for (size_t i = from > 0 ? chunks_of(from) : 0; i < end; i++)",
     "for (size_t i = from > 0 ? (size_t)(from / MAP_CHUNK) : 0; i < end; i++)"),
    ("adopt a map without its table", "if (table)\n        memcpy(live, table, chunks_of(header.size));", "if (0)\n        ;"),
    ("keep the old base", "about.validator_etag = etag;", ";"),
    # the progress of a download, and its waiters
    ("look before the lock is taken", "pthread_mutex_lock(&list->lock);\n    if (!list->closed && !ready(arg)) {",
     "bool is_ready = ready(arg);\n    pthread_mutex_lock(&list->lock);\n    if (!list->closed && !is_ready) {"),
    ("publish without waking", "b->has_bytes = b->present.count > 0;\n    pthread_mutex_unlock(&b->waiters.lock);\n    waitlist_wake(&b->waiters, from, to);",
     "b->has_bytes = b->present.count > 0;\n    pthread_mutex_unlock(&b->waiters.lock);"),
    ("publish without the lock", "pthread_mutex_lock(&b->waiters.lock);\n    (void)extents_add(", "(void)extents_add("),
    ("read the set without the lock", "pthread_mutex_lock(&b->waiters.lock);\n        end = extents_end(&b->present, offset);\n"
     "        pthread_mutex_unlock(&b->waiters.lock);", "end = extents_end(&b->present, offset);"),
    ("claim without the lock", "pthread_mutex_lock(&p->lock);\n    bool found", "bool found"),
    ("wake only the first", "if (w->want >= from && w->want < to)\n            wake_one(list, w);",
     "if (w->want >= from && w->want < to) {\n            wake_one(list, w);\n            break;\n        }"),
    ("touch a waiter after its resume", "DL_DELETE(list->first, waiter);\n    waiter->class->resume(waiter);",
     "waiter->class->resume(waiter);\n    DL_DELETE(list->first, waiter);"),
    ("release without waking", "b->limit = limit;\n    pthread_mutex_unlock(&b->waiters.lock);\n    waitlist_wake(&b->waiters, 0, limit);",
     "b->limit = limit;\n    pthread_mutex_unlock(&b->waiters.lock);"),
]


class Builder:
    def __init__(self, root, work, compiler):
        self.root, self.work, self.compiler = root, work, compiler

    def object(self, source, text=None, name=None):
        """Compiles a file of the project, or another text in its place."""
        path = self.root / source
        if text is not None:
            path = self.work / f"{name}.c"
            path.write_text(text)
        out = self.work / ((name or source.replace("/", "_")) + ".o")
        flags = ["-std=c17", "-D_GNU_SOURCE", "-O1", "-w", f"-I{self.root}", *(DIVERTED if source in PROGRESS else [])]
        subprocess.run([*self.compiler, *flags, "-c", str(path), "-o", str(out)], check=True)
        return str(out)

    def link(self, objects, name):
        exe = self.work / name
        subprocess.run([*self.compiler, *objects, "-o", str(exe), "-lcrypto"], check=True)
        return str(exe)


def home_of(root, old):
    hits = [(p, s) for p, (mutable, _) in PROGRAMS.items() for s in mutable if (root / s).read_text().count(old) == 1]
    return hits[0] if len(hits) == 1 else None


def is_found(builder, objects, number, seeds):
    name, old, new = MUTANTS[number]
    home = home_of(builder.root, old)
    if not home:
        print(f"{name:38} is not there exactly once", flush=True)
        return False
    program, source = home
    text = (builder.root / source).read_text().replace(old, new)
    mutant = builder.object(source, text, f"mutant{number}")
    mutable, others = PROGRAMS[program]
    exe = builder.link([mutant if s == source else objects[s] for s in [*mutable, *others]], f"{program}{number}")
    begun = time.monotonic()
    run = subprocess.run([exe, "--seeds", seeds], stdout=subprocess.PIPE, text=True)
    first = run.stdout.splitlines()[0] if run.stdout else f"exit {run.returncode}"
    print(f"{name:38} {time.monotonic() - begun:6.2f} s   {first}", flush=True)
    return run.returncode != 0


def main():
    root, seeds, compiler = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    wanted = os.environ.get("MUTANT", "")
    numbers = [i for i, m in enumerate(MUTANTS) if wanted in m[0]]
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(2) as pool:
        builder = Builder(root, pathlib.Path(work), compiler)
        sources = sorted({s for mutable, others in PROGRAMS.values() for s in [*mutable, *others]})
        objects = dict(zip(sources, pool.map(builder.object, sources)))
        found = list(pool.map(lambda i: is_found(builder, objects, i, seeds), numbers))
    alive = [MUTANTS[i][0] for i, ok in zip(numbers, found) if not ok]
    sys.exit("not found: " + ", ".join(alive) if alive else 0)


main()
