/* SPDX-License-Identifier: MIT */
/* The table of connectors: one row for each word that may stand under `from:`. */
#include "connect/connect_private.h"

const struct connector *const *connectors(void)
{
    static const struct connector *const table[] = {&connector_http, &connector_webhook,
                                                    &connector_file, &connector_generator, NULL};
    return table;
}

const struct connector *connector_find(struct str name)
{
    for (const struct connector *const *row = connectors(); *row; row++) {
        if (str_equal(name, str_of((*row)->name)))
            return *row;
    }
    return NULL;
}
