// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The [origin], [index] and [channel] tables of a configuration file: reading, with every check that needs no
 * network, and writing. Only config/config.c uses it. */
#include "base/buf.h"
#include "base/toml.h"
#include "config/config_reader.h"
#include "engine/mirrors/origins.h"

/* Reads the tables `origin` and `index`; either may be NULL. `root` is the file that may have
 * policies (config/config_policy.h), or NULL. Mistakes are reported and counted.
 * After a mistake the result may have gaps, and only origins_release may use it. ERROR_NO_MEMORY.
 */
int config_read_origins(const struct toml_node *origin_table, const struct toml_node *index_table,
                        const struct toml_node *root, struct config_report *report,
                        struct origins *ret);

void config_write_origins(const struct origins *origins, struct buf *to);
