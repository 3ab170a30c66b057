// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Addresses of files at a wheelyard: http://HOST/files/ORIGIN/PATH, the path percent-encoded. Pure.
 */

/* "http://lab:8503/files/pytorch/cu126/torch-2.9.0%2Bcu126-...whl?x#y" is origin "pytorch" and path
 * "cu126/torch-2.9.0+cu126-...whl"; free() both. ERROR_BAD_REQUEST: it is no such address, or its
 * path is malformed. ERROR_TOO_BIG, ERROR_NO_MEMORY. */
int file_address_split(const char *address, char **ret_origin, char **ret_path);
/* The path alone, from its percent-encoded text; a query and a fragment do not belong to it. */
int file_address_path(const char *text, char **ret_path);
