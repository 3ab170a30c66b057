// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The [origin] and [index] tables of a configuration file: reading with every check that needs no
 * network, and writing back. Used by config/config.c alone.
 */
#include "base/buf.h"
#include "base/toml.h"
#include "config/config_reader.h"
#include "engine/mirrors/origins.h"

/* Reads the table `origin` and the table `index`; either may be NULL. Complaints are only counted:
 * with any, the result may have gaps and is good for nothing but origins_release.
 * ERROR_NO_MEMORY. */
int config_read_origins(const struct toml_node *origin_table, const struct toml_node *index_table,
                        struct config_report *report, struct origins *ret);

void config_write_origins(const struct origins *origins, struct buf *to);
