/* SPDX-License-Identifier: MIT */
/* Any text as DDL: refused with a place inside the text, or a type whose SQL form is read back as
 * the same type. */
#include "base/check.h"
#include "data/type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_refusal(const struct diag *diag, enum err err, struct str text)
{
    uint32_t lines = 1;
    for (size_t i = 0; i < text.bytes; i++)
        lines += text.ptr[i] == '\n';
    check(diag->err == err);
    check(diag->message[0] != 0);
    check(diag->line >= 1 && diag->line <= lines);
    check(diag->column >= 1 && diag->column <= text.bytes + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct arena arena;
    struct buf printed = {0};
    struct diag diag = {0};
    const struct type *type, *again;
    struct str text = str_from(data, bytes);
    arena_init(&arena, 1 << 24);
    enum err err = type_parse_ddl(&arena, text, &diag, &type);
    if (err != OK) {
        check_refusal(&diag, err, text);
    } else {
        type_print_sql(type, &printed);
        check(type_parse_ddl(&arena, buf_str(&printed), NULL, &again) == OK);
        check(type_equal(type, again));
        check(type_equal(type, type_copy(&arena, type)));
    }
    buf_deinit(&printed);
    arena_deinit(&arena);
    return 0;
}
