// SPDX-License-Identifier: Apache-2.0
/* Which digest of a file is believed: a table of what is claimed, and by whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/claims/claims.h"

#define H32 "0123456789abcdef0123456789abcdef"
#define A "sha256=" H32 H32
#define B "sha256=ffffffffffffffffffffffffffffffff" H32
#define A_OR_B A " " B
#define M "md5=" H32
#define N "md5=ffffffffffffffffffffffffffffffff"
#define L "sha512=" H32 H32 H32 H32
#define K "sha512=ffffffffffffffffffffffffffffffff" H32 H32 H32

enum { DAY_S = 24 * 3600, NOW_S = 1000 * DAY_S, CLAIMS = 4 };
enum { SITE = 1, TAKEN_BACK = 2 };

struct word {
    const char *digests;
    int days; /* since it was said */
    int how;
};

static const struct {
    const char *name;
    struct word words[CLAIMS];
    const char *agreed; /* or NULL */
    enum claim_rank rank;
    bool is_disputed, is_opposed;
    const char *right, *wrong; /* bytes that are taken, and that are not; or NULL */
} table[] = {
    {"nobody says anything", {{0}}, NULL, CLAIM_NONE, .right = A},
    {"the site says it", {{A, 0, SITE}}, A, CLAIM_SITE, .right = A, .wrong = B},
    {"a mirror says it", {{A, 0, 0}}, A, CLAIM_MIRRORS, .right = A, .wrong = B},
    {"all say the same", {{A, 0, SITE}, {A, 0, 0}}, A, CLAIM_SITE, .right = A, .wrong = B},
    {"a mirror against the site",
     {{B, 0, 0}, {A, 0, SITE}},
     A,
     CLAIM_SITE,
     .is_opposed = true,
     .right = A,
     .wrong = B},
    {"many mirrors against the site",
     {{B, 0, 0}, {B, 0, 0}, {A, 6, SITE}, {B, 0, 0}},
     A,
     CLAIM_SITE,
     .is_opposed = true,
     .right = A,
     .wrong = B},
    {"the site of last week", {{B, 0, 0}, {A, 8, SITE}}, B, CLAIM_MIRRORS, .right = B, .wrong = A},
    {"to the second", {{B, 0, 0}, {A, 7, SITE}}, A, CLAIM_SITE, .is_opposed = true, .right = A},
    {"the site has taken it back",
     {{B, 0, 0}, {A, 0, SITE | TAKEN_BACK}},
     B,
     CLAIM_MIRRORS,
     .right = B,
     .wrong = A},
    {"mirrors that disagree",
     {{A, 0, 0}, {B, 0, 0}},
     NULL,
     CLAIM_MIRRORS,
     .is_disputed = true,
     .right = B,
     .wrong = M},
    {"an old word disputes nothing",
     {{A, 0, 0}, {B, 8, 0}},
     A,
     CLAIM_MIRRORS,
     .right = A,
     .wrong = B},
    {"all is long ago", {{A, 30, 0}, {A, 40, 0}}, A, CLAIM_REMEMBERED, .right = A, .wrong = B},
    {"the site said it last month", {{B, 30, 0}, {A, 31, SITE}}, A, CLAIM_REMEMBERED, .wrong = B},
    {"remembered mirrors disagree",
     {{A, 30, 0}, {B, 31, 0}},
     NULL,
     CLAIM_REMEMBERED,
     .is_disputed = true,
     .right = A},
    {"one page, two digests",
     {{A_OR_B, 0, SITE}},
     NULL,
     CLAIM_SITE,
     .is_disputed = true,
     .right = B,
     .wrong = M},
    {"one of two digests, said by another",
     {{A_OR_B, 0, 0}, {A, 0, 0}},
     NULL,
     CLAIM_MIRRORS,
     .is_disputed = true,
     .right = B},
    {"other algorithms add up", {{A, 0, 0}, {L, 0, 0}}, A " " L, CLAIM_MIRRORS, .right = A " " L},
    {"of what is forged easily nothing is added",
     {{A, 0, 0}, {M, 0, 0}},
     A,
     CLAIM_MIRRORS,
     .right = A},
    {"one of two algorithms is contradicted",
     {{A " " L, 0, 0}, {A " " K, 0, 0}},
     NULL,
     CLAIM_MIRRORS,
     .is_disputed = true,
     .right = A " " K,
     .wrong = A},
    {"each algorithm must agree",
     {{A " " L, 0, SITE}},
     A " " L,
     CLAIM_SITE,
     .right = A " " L,
     .wrong = A " " K},
    {"md5 alone", {{M, 0, 0}}, M, CLAIM_MIRRORS, .right = A " " M, .wrong = A " " N},
    {"what cannot be compared does not oppose",
     {{M, 0, 0}, {A, 0, SITE}},
     A,
     CLAIM_SITE,
     .right = A " " N,
     .wrong = B " " M},
    {"empty words say nothing", {{"", 0, SITE}, {A, 0, 0}}, A, CLAIM_MIRRORS, .right = A},
};

static size_t claims_of(const struct word *words, struct claim *ret)
{
    size_t count = 0;
    for (; count < CLAIMS && words[count].digests; count++)
        ret[count] = (struct claim){.digests = words[count].digests,
                                    .mirror = "m",
                                    .said_s = NOW_S - words[count].days * (int64_t)DAY_S,
                                    .is_site = words[count].how & SITE,
                                    .is_remembered = words[count].how & TAKEN_BACK};
    return count;
}

static struct digests found_of(const char *text)
{
    struct digests d = {.count = 0};
    digests_add_text(&d, text, ' ');
    return d;
}

static void the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct claim claims[CLAIMS];
        struct claims_choice choice;
        size_t count = claims_of(table[i].words, claims);
        print_message("  %s\n", table[i].name);
        claims_choose(claims, count, NOW_S, &choice);
        assert_int_equal(choice.rank, table[i].rank);
        assert_int_equal(choice.is_disputed, table[i].is_disputed);
        assert_int_equal(choice.is_opposed, table[i].is_opposed);
        assert_int_equal(choice.agreed != NULL, table[i].agreed != NULL);
        if (choice.agreed)
            assert_string_equal(choice.agreed, table[i].agreed);
        if (table[i].right) {
            const struct digests right = found_of(table[i].right);
            assert_true(claims_accept(claims, count, &choice, &right));
        }
        if (table[i].wrong) {
            const struct digests wrong = found_of(table[i].wrong);
            assert_false(claims_accept(claims, count, &choice, &wrong));
        }
    }
}

/* In whatever order they are said. */
static void the_order_does_not_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct claim claims[CLAIMS], turned[CLAIMS];
        struct claims_choice choice, other;
        size_t count = claims_of(table[i].words, claims);
        for (size_t k = 0; k < count; k++)
            turned[count - 1 - k] = claims[k];
        claims_choose(claims, count, NOW_S, &choice);
        claims_choose(turned, count, NOW_S, &other);
        assert_int_equal(choice.rank, other.rank);
        assert_int_equal(choice.is_disputed, other.is_disputed);
        assert_int_equal(choice.is_opposed, other.is_opposed);
        assert_int_equal(choice.agreed != NULL, other.agreed != NULL);
        if (choice.agreed)
            assert_string_equal(choice.agreed, other.agreed);
    }
}

static void which_algorithms_are_wanted(void **state)
{
    (void)state;
    const struct word words[CLAIMS] = {{M, 0, SITE}, {A, 0, 0}, {L, 9, SITE}};
    struct claim claims[CLAIMS];
    struct claims_choice choice;
    size_t count = claims_of(words, claims);
    claims_choose(claims, count, NOW_S, &choice);
    assert_int_equal(claims_algorithms(claims, count, &choice), 1u << DIGEST_MD5);
}

static void a_dispute_in_words(void **state)
{
    (void)state;
    struct claim claims[] = {{.digests = A, .mirror = "official", .said_s = NOW_S, .is_site = true},
                             {.digests = B, .mirror = "nju", .said_s = NOW_S - DAY_S},
                             {.digests = A, .mirror = "sjtu", .said_s = NOW_S},
                             {.digests = B, .mirror = "old", .said_s = 5}};
    struct claims_choice choice;
    char text[400];
    claims_choose(claims, 4, NOW_S, &choice);
    claims_describe(claims, 4, &choice, NOW_S, text, sizeof(text));
    assert_string_equal(text, "official: " A " said 1972-09-27T00:00:00Z; "
                              "nju: " B " said 1972-09-26T00:00:00Z");
    claims_describe(claims, 4, &choice, NOW_S, text, 20);
    assert_int_equal(strlen(text), 19);
}

static void more_claims_than_are_looked_at(void **state)
{
    (void)state;
    struct claim claims[CLAIMS_MOST + 8];
    struct claims_choice choice;
    const struct digests right = found_of(A);
    for (size_t i = 0; i < CLAIMS_MOST + 8; i++)
        claims[i] = (struct claim){.digests = A, .mirror = "m", .said_s = NOW_S};
    claims_choose(claims, CLAIMS_MOST + 8, NOW_S, &choice);
    assert_string_equal(choice.agreed, A);
    assert_true(claims_accept(claims, CLAIMS_MOST + 8, &choice, &right));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),
        cmocka_unit_test(the_order_does_not_count),
        cmocka_unit_test(which_algorithms_are_wanted),
        cmocka_unit_test(a_dispute_in_words),
        cmocka_unit_test(more_claims_than_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
