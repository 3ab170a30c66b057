// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The policy keys of a configuration file: min_age, min_age_except, deny, allow, advisories. They
 * stand at the top, in [index.NAME] or in [channel."PATTERN"]. index/policy.h says what they mean.
 * Only config/config_origins.c and config/config.c use it. */
#include "base/buf.h"
#include "config/config_reader.h"
#include "engine/mirrors/origins.h"

/* Whether a key at the top of the file is read here: a policy key, or `channel`. */
bool config_policy_is_key(const char *key);
/* Ends with NULL. */
extern const char *const config_policy_keys[];

/* Reads the policy of one table and adds it to origins->policies, if the table has any policy key.
 * Mistakes are reported. `index` or `channel` names what it holds for; both NULL: everything. */
void config_read_policy(const struct reader *in, const char *index, const char *channel,
                        struct origins *origins);
/* Writes the keys of the policies that hold for everything, before any table is begun. */
void config_write_top_policy(const struct origins *origins, struct buf *to);
/* Writes the keys of an index's policy below its heading. */
void config_write_index_policy(const struct origins *origins, const char *index, struct buf *to);
/* Writes the tables [channel."PATTERN"]. */
void config_write_channel_policies(const struct origins *origins, struct buf *to);
