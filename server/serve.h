// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard serve`: start, wait for a signal, stop, in this order and backwards. Gives the exit
 * code. */
int command_serve(int argc, char **argv);
