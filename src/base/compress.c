/* SPDX-License-Identifier: MIT */
#include "base/compress.h"
