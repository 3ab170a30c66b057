// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which member of a bundle lies where. Members go one after the other, in the order of the
 * manifest; where the next one does not fit, a new part begins.
 *
 * A member that is larger than a whole part is cut into pieces that fill parts. Refusing it would
 * be simpler, but a wheel of 4.1 GB and a stick with FAT32 (files below 4 GiB) are both ordinary.
 * In the archive the pieces are FILE.piece001, FILE.piece002 ...: plain files for tar, which
 * `cat` joins. The bundle's README.txt says so, and whoever imports the parts needs no joining.
 *
 * The manifest comes first in each part, so its size counts, and it depends on the layout. The
 * caller gives what it believes of it (`head_bytes`), and looks afterwards.
 *
 * Pure; any thread.
 */
#include <stddef.h>
#include <stdint.h>

#include "bundle/manifest.h"

/* A piece of a member, in the order in which they lie. */
struct layout_piece {
    const struct manifest_piece *piece;
    const struct manifest_member *member;
    const struct manifest_file *file;   /* whose bytes or METADATA it is; or NULL */
    const struct manifest_other *other; /* or NULL */
    uint32_t number;                    /* of the member's pieces, from 0 */
};

/*
 * Gives every member with `is_carried` its pieces, and the manifest its parts. No part is larger
 * than part_bytes, of which head_bytes are not payload. Digests of pieces of a member that has
 * several are left "". ERROR_TOO_BIG: head_bytes leave no room, or there are too many parts.
 */
int layout_plan(struct manifest *manifest, int64_t part_bytes, int64_t head_bytes);
/* Marks a member as one that layout_plan shall place, or not. ERROR_NO_MEMORY. */
int layout_carry(struct manifest_member *member, bool is_carried);

/* All pieces, as an array (free() it). ERROR_CORRUPT: members do not follow each other without a
 * gap, or a payload has another length; *ret_why (free() it) says where. ERROR_NO_MEMORY. */
int layout_pieces(const struct manifest *manifest, struct layout_piece **ret, size_t *ret_count,
                  char **ret_why);

/* The piece's name in the archive: "files/pypi/packages/a-1.tar.gz.piece002". */
void layout_name(const struct layout_piece *piece, struct buf *to);

/* Bytes of what comes before the payload: manifest, and signature where it is not 0. */
int64_t layout_head(int64_t manifest_bytes, int64_t signature_bytes);
extern const char layout_manifest_name[];  /* "manifest.json" */
extern const char layout_signature_name[]; /* "manifest.json.minisig" */
