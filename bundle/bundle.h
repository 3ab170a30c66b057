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
 * that `wheelyard verify` runs where nothing else of wheelyard does. The commands join it with the
 * daemon:
 *
 * Export (cli/command_export.c). The daemon lists what it holds, with what its indexes said
 * (control/control_export.h). The command chooses rows, reads the blobs, takes METADATA out of the
 * wheels, and writes. A blob that is evicted meanwhile ends the command with the file's name.
 * Folders of wheels (origins with `directory`) are not in the daemon's list.
 *
 * Import (cli/command_import.c). reader_open and reader_check, then for each piece that is GOOD
 * reader_place: descriptor, offset, length. The daemon copies that run, hashes it once more, and
 * keeps it as a fetched file under origin and path, with the digest as a claim. All of it may be
 * repeated: a file that is held by its digest is passed over. The lists of `locks` in the manifests
 * tell what a lock still lacks.
 */
#include "bundle/layout.h"
#include "bundle/manifest.h"
#include "bundle/minisign.h"
#include "bundle/reader.h"
#include "bundle/site.h"
#include "bundle/tar.h"
#include "bundle/writer.h"
