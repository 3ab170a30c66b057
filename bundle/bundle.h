// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The room of bundles: what a machine without a network gets, on media that are carried to it.
 *
 *     minisign   signatures               tar       headers of archives
 *     manifest   what a bundle says       layout    which member lies in which part, and where
 *     site       the index in it          writer    writes a bundle
 *     reader     opens, verifies, and says where each file lies
 *
 * The room knows no daemon and no cache. It stands beside cache/ and above base/ and index/, so
 * that `wheelyard verify` runs where nothing else of wheelyard does. What remains to be done by
 * others, and what they need of each other:
 *
 * Export. `wheelyard export --all` exists (cli/command_export.c). The daemon lists what it holds,
 * with what its indexes said (control/control_export.h); the command reads the blobs, takes
 * METADATA out of the wheels, and writes. What is not there yet:
 *
 *   - sets: `--lock` and `--pinned` choose rows of that list, and give the writer a lock's name,
 *     digest and wanted files (writer_add_lock);
 *   - a pin: a blob that is evicted while the command runs ends it with the file's name. The daemon
 *     could keep what it has listed as long as the connection stands;
 *   - folders of wheels (origins with `directory`) are not in the daemon's list.
 *
 * Import. reader_open and reader_check, then for each piece that is GOOD reader_place: descriptor,
 * offset, length. The daemon copies that run into a partial of its own (copy_file_range works, for
 * members lie in plain bytes), hashes it once more, and keeps it as a fetched file under origin and
 * path, with the digest as a claim. Pieces of one member follow each other. A file whose pieces are
 * not all there is named by reader_part_text; the lists of `locks` in the manifests tell what a
 * lock still lacks. All of it may be repeated: a file that is held by its digest is passed over.
 */
#include "bundle/layout.h"
#include "bundle/manifest.h"
#include "bundle/minisign.h"
#include "bundle/reader.h"
#include "bundle/site.h"
#include "bundle/tar.h"
#include "bundle/writer.h"
