/* SPDX-License-Identifier: MIT */
/* Any text: both kernels judge it alike; a valid one is walked, and every child found by the quick
 * walker is a valid text that ends where the checking one ends. */
#include "base/check.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void walk(struct str value, int depth)
{
    size_t state = 0;
    struct str key, child;
    CLEAN(buf_deinit) struct buf text = {0};
    json_text(value, &text);
    if (json_kind(value) == JSON_KIND_STRING)
        check(str_is_utf8(buf_str(&text)));
    while (json_next(value, &state, &key, &child)) {
        check(json_validate(child, 0, NULL) == OK);
        if (key.ptr)
            check(json_kind(key) == JSON_KIND_STRING && json_validate(key, 0, NULL) == OK);
        if (depth < 6)
            walk(child, depth + 1);
    }
    /* Nothing but the closing bracket is left. */
    if (json_kind(value) == JSON_KIND_OBJECT || json_kind(value) == JSON_KIND_ARRAY)
        if (state)
            check(str_trim(str_slice(value, state, value.bytes)).bytes == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    CLEAN(mem_free_at) char *copy = mem_alloc(bytes ? bytes : 1);
    memcpy(copy, data, bytes);
    struct str text = str_from(copy, bytes);
    struct diag diag[2] = {0};
    json_scan_choose(true);
    enum err wide = json_validate(text, 0, &diag[0]);
    json_scan_choose(false);
    enum err narrow = json_validate(text, 0, &diag[1]);
    check(wide == narrow && diag[0].line == diag[1].line && diag[0].column == diag[1].column);
    if (wide == OK)
        walk(str_trim(text), 0);
    json_scan_choose(true);
    return 0;
}
