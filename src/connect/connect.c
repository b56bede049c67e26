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

void base64_append(struct str text, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < text.bytes; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)text.ptr[i] << 16;
        v |= i + 1 < text.bytes ? (uint32_t)(uint8_t)text.ptr[i + 1] << 8 : 0;
        v |= i + 2 < text.bytes ? (uint32_t)(uint8_t)text.ptr[i + 2] : 0;
        buf_char(out, digits[v >> 18]);
        buf_char(out, digits[v >> 12 & 63]);
        buf_char(out, i + 1 < text.bytes ? digits[v >> 6 & 63] : '=');
        buf_char(out, i + 2 < text.bytes ? digits[v & 63] : '=');
    }
}
