// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `wheelyard verify` and `wheelyard import` have in common: the arguments, the key, and the
 * check of all bytes with its progress. Main thread of a command.
 */
#include <stdbool.h>

#include "bundle/reader.h"

enum { BUNDLE_GO_ON = -1 };

struct bundle_arguments {
    const char *command, *usage;       /* of the caller */
    bool takes_socket;                 /* likewise: whether there is a --socket */
    const char *key, *config, *socket; /* as given, or NULL */
    bool takes_unsigned, as_json;
    const char **paths; /* in argv, whose words move to the front */
    size_t path_count;
};

/* Flags may stand anywhere; after `--` all words are paths. BUNDLE_GO_ON, or the exit code after
 * the help or a message. */
int bundle_parse(struct bundle_arguments *arguments, int argc, char **argv);

/* The public key that bundles must be signed with. key: --key (a key's line, or its file), or NULL:
 * bundle_key of the configuration `config` (NULL: the usual one). BUNDLE_GO_ON, with *ret_has false
 * where there is no key; else the exit code for wrong usage, and what is wrong has been said. */
int bundle_find_key(const char *command, const char *key, const char *config,
                    struct minisign_public *ret, bool *ret_has);

/* reader_check, with progress where the standard error is a terminal. */
int bundle_check(struct reader *reader);

/* Whether a bundle may be used: signed by the key; or, where unsigned ones are taken, not signed at
 * all or by a key that nobody has named. */
bool bundle_is_trusted(const struct reader_bundle *bundle, bool takes_unsigned);
