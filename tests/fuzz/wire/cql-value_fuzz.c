/* SPDX-License-Identifier: MIT */
/* Values: text that a type takes gives bytes that pass its check, equal themselves, print, and (but
 * for text and decimals, which print in another form) read back from what was printed. The first
 * byte chooses the type, and whether the rest is text or bytes. */
#include "base/check.h"
#include "wire/cql/cql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const types[] = {"ascii",
                                    "bigint",
                                    "blob",
                                    "boolean",
                                    "decimal",
                                    "double",
                                    "float",
                                    "int",
                                    "timestamp",
                                    "uuid",
                                    "text",
                                    "varint",
                                    "timeuuid",
                                    "inet",
                                    "date",
                                    "time",
                                    "smallint",
                                    "tinyint",
                                    "duration",
                                    "list<duration>",
                                    "map<text, frozen<set<decimal>>>",
                                    "frozen<tuple<int, text, inet>>",
                                    "vector<varint, 3>",
                                    "vector<float, 2>"};

static void text(const struct cql_type *type, struct str input)
{
    struct buf value = {0}, out = {0}, again = {0};
    struct diag diag = {0};
    if (cql_value_from_text(type, input, &value, &diag) == OK) {
        struct str bytes = str_from(value.ptr ? (const void *)value.ptr : "", value.bytes);
        check(cql_value_check(type, bytes, NULL) == OK);
        check(cql_value_compare(type, bytes, bytes) == 0);
        cql_value_print(type, bytes, &out);
        struct str literal = buf_str(&out);
        if (literal.ptr[0] == '\'')
            literal = str_slice(literal, 1, literal.bytes - 1);
        if (type->kind != CQL_TEXT && type->kind != CQL_ASCII && type->kind != CQL_DECIMAL) {
            check(cql_value_from_text(type, literal, &again, NULL) == OK);
            check(cql_value_compare(type, buf_str(&again), bytes) == 0);
        }
    } else {
        check(!value.bytes);
    }
    buf_deinit(&value);
    buf_deinit(&out);
    buf_deinit(&again);
}

static void raw(const struct cql_type *type, struct str input)
{
    struct buf out = {0};
    cql_value_print(type, input, &out);
    cql_value_print_json(type, input, &out);
    struct str half = str_slice(input, 0, input.bytes / 2);
    int order = cql_value_compare(type, input, half), back = cql_value_compare(type, half, input);
    check((order > 0) == (back < 0) && (order < 0) == (back > 0));
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes || bytes > 4096)
        return 0;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cql_type *type;
    size_t which = (data[0] >> 1) % (sizeof types / sizeof types[0]);
    check(cql_type_parse(&arena, str_of(types[which]), NULL, NULL, NULL, &type) == OK);
    struct str input = str_from(data + 1, bytes - 1);
    if (data[0] & 1 && !type->items)
        text(type, input);
    else
        raw(type, input);
    arena_deinit(&arena);
    return 0;
}
