// SPDX-License-Identifier: Apache-2.0
/*
 * Each file gets one verdict. Last resorts (pre-releases, yanked files) are then dropped when
 * something better fits, and the best of the fitting files is kept. The reasons for people are
 * computed only on demand: a survey counts what the rejected files have, and the first missing
 * thing is named. Labels such as "cp313" group files, so that a sentence stays short.
 */
#include "index/choice.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "index/version.h"

/* What a file fails at; in the order in which the rules are applied. */
enum verdict {
    VERDICT_FITS,
    VERDICT_UNKNOWN, /* not the name of a wheel or sdist */
    VERDICT_VERSION, /* the specifiers exclude it */
    VERDICT_YANKED,
    VERDICT_TAGS,            /* for another Python or platform */
    VERDICT_REQUIRES_PYTHON, /* its requires-python excludes this Python */
    VERDICT_PRERELEASE       /* would fit, but a final release fits as well */
};

/* People are shown at most this many Pythons or platforms. */
enum { GROUPS_MAX = 64, GROUPS_SHOWN = 4 };

/* A file of the page with everything that its name says. */
struct candidate {
    const struct choice_file *file;
    struct file_name name;
    struct wheel_tags tags; /* of a wheel */
    bool is_wheel;
    int rank; /* INT_MAX for a source archive; -1 when no tag fits */
    enum verdict verdict;
    bool usable; /* whatever the specifiers say */
};

struct choice {
    const struct tags *tags;
    const struct specifiers *specifiers;
    struct candidate *list;
    size_t count;
    size_t best;
};

DEFINE_CLEANUP(struct choice, choice_free)

/* ------------------------------------------------------------------- judging */

/* A malformed requires-python excludes nothing, as in pip. */
static bool python_is_required(const struct choice *c, const struct choice_file *file)
{
    struct specifiers *s;
    bool fits;

    if (!file->requires_python || specifiers_parse(file->requires_python, &s))
        return true;
    fits = specifiers_contain(s, tags_python(c->tags));
    specifiers_free(s);
    return fits;
}

/* In pip's order, so that the reason is the one that pip would have. */
static enum verdict judge(const struct choice *c, const struct candidate *a, bool python_fits)
{
    if (!specifiers_contain(c->specifiers, a->name.version))
        return VERDICT_VERSION;
    if (a->file->yanked && !specifiers_are_pinned(c->specifiers))
        return VERDICT_YANKED;
    if (a->rank < 0)
        return VERDICT_TAGS;
    return python_fits ? VERDICT_FITS : VERDICT_REQUIRES_PYTHON;
}

/* Files whose names say nothing keep the verdict "unknown". */
static int take(struct choice *c, struct candidate *a, const struct choice_file *file)
{
    bool python_fits;
    int r;

    *a = (struct candidate){.file = file, .verdict = VERDICT_UNKNOWN, .rank = -1};
    r = file_name_parse(file->name, &a->name);
    if (r || (a->name.kind != FILE_WHEEL && a->name.kind != FILE_SDIST))
        return r;
    a->is_wheel = a->name.kind == FILE_WHEEL && wheel_tags_parse(file->name, &a->tags);
    a->rank = a->is_wheel ? tags_rank(c->tags, &a->tags) : INT_MAX;
    python_fits = python_is_required(c, file);
    a->verdict = judge(c, a, python_fits);
    a->usable = a->rank >= 0 && python_fits && !file->yanked;
    return 0;
}

/* Drops files that are only a last resort: pre-releases that are not named, and yanked files. */
static void drop(struct choice *c, bool (*is_last_resort)(const struct candidate *),
                 enum verdict verdict)
{
    bool has_better = false;

    for (size_t i = 0; i < c->count; i++)
        has_better |= c->list[i].verdict == VERDICT_FITS && !is_last_resort(&c->list[i]);
    for (size_t i = 0; i < c->count && has_better; i++)
        if (c->list[i].verdict == VERDICT_FITS && is_last_resort(&c->list[i]))
            c->list[i].verdict = verdict;
}

static bool is_prerelease(const struct candidate *a)
{
    return version_is_prerelease(a->name.version);
}

static bool is_yanked(const struct candidate *a)
{
    return a->file->yanked;
}

/* Version, then tag, then build number. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    int c = version_compare(a->name.version, b->name.version);

    if (c)
        return c > 0;
    return a->rank != b->rank ? a->rank < b->rank : a->tags.build > b->tags.build;
}

int choice_make(const struct tags *tags, const struct specifiers *specifiers,
                const struct choice_file *files, size_t count, struct choice **ret)
{
    AUTO(choice_free) struct choice *c = calloc(1, sizeof(*c));
    int r = 0;

    if (!c || !(c->list = calloc(count + 1, sizeof(*c->list))))
        return ERROR_NO_MEMORY;
    c->tags = tags;
    c->specifiers = specifiers;
    c->best = CHOICE_NONE;
    for (size_t i = 0; i < count && r == 0; i++)
        r = take(c, &c->list[c->count++], &files[i]);
    if (r)
        return r;
    if (!specifiers_name_prerelease(specifiers))
        drop(c, is_prerelease, VERDICT_PRERELEASE);
    drop(c, is_yanked, VERDICT_YANKED);
    for (size_t i = 0; i < count; i++)
        if (c->list[i].verdict == VERDICT_FITS &&
            (c->best == CHOICE_NONE || is_better(&c->list[i], &c->list[c->best])))
            c->best = i;
    *ret = c;
    c = NULL;
    return 0;
}

void choice_free(struct choice *choice)
{
    if (!choice)
        return;
    for (size_t i = 0; i < choice->count; i++)
        file_name_release(&choice->list[i].name);
    free(choice->list);
    free(choice);
}

size_t choice_best(const struct choice *choice)
{
    return choice->best;
}

/* Quadratic, but only over the few files that fit. */
size_t choice_version_count(const struct choice *choice)
{
    size_t versions = 0;

    for (size_t i = 0; i < choice->count; i++) {
        const struct candidate *a = &choice->list[i];
        bool seen = a->verdict != VERDICT_FITS;

        for (size_t k = 0; k < i && !seen; k++)
            seen = choice->list[k].verdict == VERDICT_FITS &&
                   version_compare(choice->list[k].name.version, a->name.version) == 0;
        versions += !seen;
    }
    return versions;
}

void choice_tag(const struct choice *choice, char *ret)
{
    const struct candidate *best = &choice->list[choice->best];

    *ret = '\0';
    if (best->is_wheel)
        tags_write(choice->tags, (size_t)best->rank, ret);
}

/* -------------------------------------------------------------------- groups */

/* The versions of one label. */
struct group {
    char label[NAME_MAX_BYTES + 1];
    const char *lowest, *highest;
};

/* Labels with the versions that have them, for one sentence. */
struct groups {
    struct group list[GROUPS_MAX];
    size_t count;
};

static void widen(struct group *g, const char *version)
{
    if (!g->lowest || version_compare(version, g->lowest) < 0)
        g->lowest = version;
    if (!g->highest || version_compare(version, g->highest) > 0)
        g->highest = version;
}

/* Beyond GROUPS_MAX labels are dropped: nobody reads that many. */
static void group_add(struct groups *groups, const char *label, const char *version)
{
    size_t i = 0;

    while (i < groups->count && strcmp(groups->list[i].label, label) != 0)
        i++;
    if (i == GROUPS_MAX)
        return;
    if (i == groups->count)
        (void)snprintf(groups->list[groups->count++].label, NAME_MAX_BYTES + 1, "%s", label);
    widen(&groups->list[i], version);
}

/* Newest first. */
static int by_python(const void *a, const void *b)
{
    return python_label_compare(((const struct group *)b)->label, ((const struct group *)a)->label);
}

static int by_label(const void *a, const void *b)
{
    return strcmp(((const struct group *)a)->label, ((const struct group *)b)->label);
}

/* A local part such as "+cu126" is the same for all versions of an index, so it is not shown. */
static int public_length(const char *version)
{
    return (int)strcspn(version, "+");
}

/* One version, or the lowest and the highest. */
static void write_range(const struct group *g, struct buf *to)
{
    int low = public_length(g->lowest);
    int high = public_length(g->highest);

    buf_printf(to, "%.*s", low, g->lowest);
    if (low != high || strncmp(g->lowest, g->highest, (size_t)low) != 0)
        buf_printf(to, " to %.*s", high, g->highest);
}

/* "; cp314 has 2.9.0 to 2.14.0, cp313 has ..." */
static void write_groups(struct groups *groups, int (*order)(const void *, const void *),
                         struct buf *to)
{
    qsort(groups->list, groups->count, sizeof(*groups->list), order);
    buf_puts(to, groups->count ? "; " : "");
    for (size_t i = 0; i < groups->count && i < GROUPS_SHOWN; i++) {
        buf_printf(to, "%s%s has ", i ? ", " : "", groups->list[i].label);
        write_range(&groups->list[i], to);
    }
    if (groups->count > GROUPS_SHOWN)
        buf_printf(to, " and %zu more", groups->count - GROUPS_SHOWN);
}

/* ------------------------------------------------------------------- reasons */

/* What the survey found among the candidates. */
struct survey {
    const struct choice *choice;
    const char *above; /* a version; NULL: all admitted ones */
    struct group admitted, yanked, requires;
    const char *requires_python;
    size_t wheels, for_platform, for_python, fitting;
    char near[NAME_MAX_BYTES + 1]; /* a platform of the right kind that is too new */
};

static bool is_admitted(const struct survey *s, const struct candidate *a)
{
    if (a->verdict == VERDICT_UNKNOWN || a->verdict == VERDICT_VERSION)
        return false;
    return !s->above || version_compare(a->name.version, s->above) > 0;
}

/* Which half of the wheel fits, for a reason that helps. */
static void survey_wheel(struct survey *s, const struct candidate *a)
{
    char wanted[NAME_MAX_BYTES + 1];
    char label[NAME_MAX_BYTES + 1];

    s->wheels++;
    if (tags_fit_platform(s->choice->tags, &a->tags)) {
        s->for_platform++;
        s->for_python += tags_fit_python(s->choice->tags, &a->tags);
        return;
    }
    platform_label(tags_platform(s->choice->tags), wanted);
    wheel_tags_platform_label(&a->tags, label);
    if (!strcmp(wanted, label) && tags_fit_python(s->choice->tags, &a->tags))
        (void)snprintf(s->near, sizeof s->near, "%s", a->tags.platform);
}

/* One pass over the files that are not taken. */
static void survey_all(struct survey *s)
{
    for (size_t i = 0; i < s->choice->count; i++) {
        const struct candidate *a = &s->choice->list[i];

        if (!is_admitted(s, a))
            continue;
        if (a->verdict == VERDICT_YANKED) {
            widen(&s->yanked, a->name.version);
            continue;
        }
        widen(&s->admitted, a->name.version);
        if (a->verdict == VERDICT_REQUIRES_PYTHON) {
            widen(&s->requires, a->name.version);
            s->requires_python = a->file->requires_python;
        }
        s->fitting += a->rank >= 0;
        if (a->is_wheel)
            survey_wheel(s, a);
    }
}

/* Names the existing versions, for a requirement that none of them fits. */
static void write_versions(const struct choice *c, struct buf *to)
{
    struct group all = {.lowest = NULL};

    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].verdict != VERDICT_UNKNOWN)
            widen(&all, c->list[i].name.version);
    if (!all.lowest) {
        buf_puts(to, "the page lists no wheel and no source archive\n");
        return;
    }
    buf_puts(to, "no such version; there are ");
    write_range(&all, to);
    buf_putc(to, '\n');
}

/* A platform that is only too new is named alone: it is the likely cause. */
static void write_platforms(const struct survey *s, struct buf *to)
{
    struct groups groups = {.count = 0};
    char label[NAME_MAX_BYTES + 1];

    if (*s->near) {
        buf_printf(to, "built for %s, which is newer than %s\n", s->near,
                   tags_platform(s->choice->tags));
        return;
    }
    platform_label(tags_platform(s->choice->tags), label);
    buf_printf(to, "no wheel for %s", label);
    for (size_t i = 0; i < s->choice->count; i++) {
        const struct candidate *a = &s->choice->list[i];

        if (!a->is_wheel || !is_admitted(s, a))
            continue;
        wheel_tags_platform_label(&a->tags, label);
        group_add(&groups, label, a->name.version);
    }
    write_groups(&groups, by_label, to);
    buf_putc(to, '\n');
}

/* A "cp314t" wheel (no global lock) does not help a user of cp314. */
static bool is_of_use(const struct choice *c, const char *label)
{
    const char *own = tags_interpreter(c->tags);

    return own[strlen(own) - 1] == 't' || label[strlen(label) - 1] != 't';
}

/* All versions count here: a user who can choose the Python can also choose the version. */
static void write_pythons(const struct survey *s, struct buf *to)
{
    struct groups groups = {.count = 0};
    char label[NAME_MAX_BYTES + 1];

    platform_label(tags_platform(s->choice->tags), label);
    buf_printf(to, "no %s wheel for %s", tags_interpreter(s->choice->tags), label);
    for (size_t i = 0; i < s->choice->count; i++) {
        const struct candidate *a = &s->choice->list[i];

        if (!a->is_wheel || a->file->yanked || !tags_fit_platform(s->choice->tags, &a->tags))
            continue;
        wheel_tags_python_label(&a->tags, label);
        if (is_of_use(s->choice, label))
            group_add(&groups, label, a->name.version);
    }
    write_groups(&groups, by_python, to);
    buf_putc(to, '\n');
}

static void write_required(const struct survey *s, struct buf *to)
{
    write_range(&s->requires, to);
    buf_printf(to, " requires Python %s\n", s->requires_python);
}

static void write_yanked(const struct survey *s, struct buf *to)
{
    write_range(&s->yanked, to);
    buf_puts(to, " is yanked: only == takes it\n");
}

/* From the general to the special; the first missing thing is the reason. */
void choice_write_reasons(const struct choice *choice, bool newer, struct buf *to)
{
    struct survey s = {.choice = choice};

    if (newer && choice->best == CHOICE_NONE)
        return;
    s.above = newer ? choice->list[choice->best].name.version : NULL;
    survey_all(&s);
    if (s.yanked.lowest)
        write_yanked(&s, to);
    if (!s.admitted.lowest && !s.yanked.lowest && !newer)
        write_versions(choice, to);
    if (s.wheels && !s.for_platform)
        write_platforms(&s, to);
    else if (s.wheels && !s.for_python)
        write_pythons(&s, to);
    else if (s.wheels && !s.fitting)
        buf_puts(to, "no wheel is for this Python and this platform at once\n");
    if (s.requires.lowest)
        write_required(&s, to);
}

/* Whatever the specifiers say: the user may relax them. */
void choice_write_others(const struct choice *choice, struct buf *to)
{
    struct group usable = {.lowest = NULL};
    char label[NAME_MAX_BYTES + 1];

    for (size_t i = 0; i < choice->count; i++)
        if (choice->list[i].usable)
            widen(&usable, choice->list[i].name.version);
    if (!usable.lowest)
        return;
    platform_label(tags_platform(choice->tags), label);
    write_range(&usable, to);
    buf_printf(to, " has a file for %s on %s\n", tags_interpreter(choice->tags), label);
}
