/* SPDX-License-Identifier: MIT */
/* First line: a path. The rest: a document, used when it is valid. */
#include "base/check.h"
#include "base/mem.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool found(void *owner, struct str value)
{
    ++*(size_t *)owner;
    check(json_validate(value, 0, NULL) == OK);
    return *(size_t *)owner < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    CLEAN(mem_free_at) char *copy = mem_alloc(bytes ? bytes : 1);
    memcpy(copy, data, bytes);
    struct str document = str_from(copy, bytes), text = STR("");
    str_cut(&document, '\n', &text);
    struct json_path *path;
    struct diag diag = {0};
    if (json_path_parse(text, &diag, &path) != OK) {
        check(diag.column >= 1 && diag.column <= 4097);
        return 0;
    }
    if (document.bytes && json_validate(document, 0, NULL) == OK) {
        size_t count = 0;
        check(json_path_each(path, document, found, &count) == count);
        check(json_path_is_many(path) || count <= 1);
    }
    json_path_free(path);
    return 0;
}
