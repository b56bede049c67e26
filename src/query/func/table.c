/* SPDX-License-Identifier: MIT */
/*
 * The one table of functions: each family keeps an array of its own beside its kernels, ended by a
 * row without a name; here they are gathered once, sorted by name, and searched by halving.
 */
#include "query/func/kernel.h"

static const struct func_info *const families[] = {
    func_arith,    func_compare,  func_like,     func_string,       func_cond,
    func_regexp,   func_datetime, func_datestep, func_dateformat,   func_math,
    func_nested,   func_array,    func_hash,     func_json,         func_strings,
    func_sequence, func_typecast, func_url,      func_numberformat,
};

enum { FUNC_MAX = 1024 };
static const struct func_info *sorted[FUNC_MAX];
static size_t sorted_count;

/* Before main, so that threads find a finished table. */
__attribute__((constructor)) static void gather(void)
{
    for (size_t f = 0; f < LENGTH_OF(families); f++) {
        for (const struct func_info *info = families[f]; info->name; info++) {
            size_t at = sorted_count++;
            for (; at > 0 && strcmp(sorted[at - 1]->name, info->name) > 0; at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = info;
        }
    }
}

const struct func_info *func_find(struct str name)
{
    char lower[64];
    if (name.bytes >= sizeof lower)
        return NULL;
    for (size_t i = 0; i < name.bytes; i++)
        lower[i] =
            (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 32 : name.ptr[i]);
    lower[name.bytes] = 0;
    size_t low = 0, high = sorted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(sorted[middle]->name, lower);
        if (order == 0)
            return sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

size_t func_list(const struct func_info *const **ret_infos)
{
    *ret_infos = sorted;
    return sorted_count;
}
