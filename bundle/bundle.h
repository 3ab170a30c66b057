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
 * Export. A command that writes a bundle of a cache needs these rows of the daemon, one for each
 * file that it holds whole, by the control socket:
 *
 *     ["export","ls"]  ->  {"code":0,"files":[{
 *         "origin":"pypi", "path":"packages/.../a-1-py3-none-any.whl",
 *         "size":9, "sha256":"...", "blob":"blobs/ab/abcd...",        (below cache_dir)
 *         "requires-python":">=3.9", "yanked":"a reason" or true,
 *         "upload-time":"2026-01-02T03:04:05Z",                        (each only when known)
 *         "metadata":{"sha256":"...","text":"Metadata-Version: ..."}}]}
 *
 * `["cache","ls"]` has origin/path, size and digest of them. What an index said of a file (rows and
 * upload time) is what a page of the daemon would say of it now, so it belongs to the engine's
 * pages, which know listings and showings. METADATA is in the catalogue. A row becomes a struct
 * manifest_file, and writer_add takes it; writer_source opens the blob read-only, as the daemon's
 * user. A blob that is evicted meanwhile stops the run with the file's name, so the daemon should
 * pin what it has listed until the connection ends.
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
