/* SPDX-License-Identifier: MIT */
/* The kinds of databases that can hold a project's tables, by the scheme of their URL. */
#include "pipeline/remote.h"

static const struct remote_kind *const kinds[] = {&remote_cassandra};

const struct remote_kind *remote_kind_find(struct str url)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct str scheme = str_of(kinds[i]->scheme);
        if (str_starts(url, scheme) &&
            str_starts(str_slice(url, scheme.bytes, url.bytes), STR("://")))
            return kinds[i];
    }
    return NULL;
}
