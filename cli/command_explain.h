// SPDX-License-Identifier: Apache-2.0
#pragma once

/* `wheelyard explain REQUIREMENT --index NAME --python VERSION [...]` and `wheelyard wheels
 * REQUIREMENT --index NAME`: what the running daemon has, and which of it fits. Each returns the
 * exit code: 0 something fits, 1 nothing does, 2 usage, 3 no daemon. Main thread. */
int command_explain(int argc, char **argv);
int command_wheels(int argc, char **argv);
