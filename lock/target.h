// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A target: the Python and the platform that files are wanted for. It knows which wheels fit
 * (index/tags.h) and what markers say there (lock/marker.h); the machine that asks plays no part.
 *
 *     const struct target_request request = {.python = "3.12", .platform = "linux_x86_64"};
 *     r = target_new(&request, &target);
 *     ... target_tags(target), target_environment(target) ...
 *     target_free(target);
 *
 * Platforms, in any of these spellings:
 *
 *     manylinux_2_28_x86_64, musllinux_1_2_x86_64, macosx_11_0_arm64, win_amd64    tags of wheels
 *     linux_x86_64, linux_aarch64                         a machine of glibc 2.28
 *     macos_arm64, macos_x86_64                           macOS 13
 *     x86_64-unknown-linux-gnu, aarch64-apple-darwin, x86_64-pc-windows-msvc,
 *     x86_64-unknown-linux-musl, x86_64-manylinux_2_31, linux, macos, windows      uv's words
 *     linux-64, linux-aarch64, osx-64, osx-arm64, win-64, win-arm64                pixi's words
 *
 * Pure; any thread.
 */
#include "index/tags.h"
#include "lock/marker.h"

struct target;

struct target_request {
    const char *python; /* "3.12", "3.12.4", "3.13t" */
    const char *platform;
    int glibc_minor;     /* of linux_*: 2.<this>; 0: 28 */
    const char *release; /* platform_release and platform_version; NULL: "" */
    const char *version;
};

/* ERROR_BAD_REQUEST when Python or platform is none; ERROR_NO_MEMORY. */
int target_new(const struct target_request *request, struct target **ret);
void target_free(struct target *target);

const struct tags *target_tags(const struct target *target);
/* Its strings; the sets are empty. They live as long as the target. */
struct marker_environment target_environment(const struct target *target);
/* "3.12.0": as requires-python is compared with it. */
const char *target_python(const struct target *target);
/* pixi's word for it: "linux-64"; "" where pixi has none. */
const char *target_pixi_platform(const struct target *target);
