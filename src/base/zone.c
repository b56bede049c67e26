/* SPDX-License-Identifier: MIT */
#include "base/zone.h"
