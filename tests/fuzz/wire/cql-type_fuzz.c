/* SPDX-License-Identifier: MIT */
/* Types: text that parses prints as text that parses to an equal type (a user type of a class
 * brings its own fields, where its name finds others: that one is printed alike), and its option of
 * every version decodes; options that decode can be encoded. */
#include "base/check.h"
#include "wire/cql/cql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct cql_type *any(void *owner, struct str name)
{
    static const struct str names[] = {{"a", 1}, {"B c", 3}};
    const struct cql_type *items[] = {cql_simple(CQL_TEXT), cql_simple(CQL_DATE)};
    return cql_udt(owner, STR("ks"), name, names, items, 2, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct arena arena;
    arena_init(&arena, 8 << 20);
    struct buf out = {0};
    const struct cql_type *type, *again;
    struct reader r = reader_of(data, bytes);
    if (cql_type_decode(&r, &arena, &type) == OK) {
        cql_type_encode(type, 4, &out);
        cql_type_print(type, &out);
        cql_type_print_class(type, &out);
        buf_reset(&out);
    }
    if (cql_type_parse(&arena, str_from(data, bytes), any, &arena, NULL, &type) == OK) {
        cql_type_print(type, &out);
        check(cql_type_parse(&arena, buf_str(&out), any, &arena, NULL, &again) == OK);
        struct buf text = {0};
        cql_type_print(again, &text);
        check(str_equal(buf_str(&out), buf_str(&text)));
        buf_deinit(&text);
        bool own_fields = str_find(str_from(data, bytes), STR("UserType"), 0) != SIZE_MAX;
        check(own_fields || cql_type_equal(type, again));
        check(cql_type_equal(type, cql_type_copy(&arena, type)));
        for (unsigned version = 3; version <= 5; version++) {
            buf_reset(&out);
            cql_type_encode(type, version, &out);
            r = reader_of(out.ptr, out.bytes);
            check(buf_error(&out) != OK || cql_type_decode(&r, &arena, &again) == OK);
        }
    }
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
