/* SPDX-License-Identifier: MIT */
/* The program's door. */
#include "base/str.h"

int main(void)
{
    return 2;
}
