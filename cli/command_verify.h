// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard verify`: bundles, checked without a daemon. argv[0] is its first argument. Gives the
 * exit code: 0 all bundles are whole and signed, 1 not, 2 usage. Main thread. */
int command_verify(int argc, char **argv);
