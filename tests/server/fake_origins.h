// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Two origins with a few channels and an index of their own, for tests. */
#include "engine/mirrors/origins.h"

extern const struct origins fake_origins;
