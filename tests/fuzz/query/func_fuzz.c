/* SPDX-License-Identifier: MIT */
/*
 * Random calls of functions: the bytes choose a function, the types of its arguments, their values
 * and which of them are constants. What binds is evaluated as the binder would have it: arguments
 * cast to the bound types, some rows inactive. Whatever comes out must be a sound column of the
 * bound type with as many rows as went in; a row that fails says why.
 */
#include "base/check.h"
#include "base/zone.h"
#include "query/func.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { ROWS_MAX = 9, ARGS_MAX = 5 };

struct source {
    const uint8_t *data;
    size_t bytes, at;
};

static uint8_t take(struct source *s)
{
    return s->at < s->bytes ? s->data[s->at++] : 0;
}

static uint64_t take_many(struct source *s, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 8 | take(s);
    return value;
}

static const char *const types[] = {
    "VOID",
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL(10,2)",
    "DECIMAL(38,0)",
    "DECIMAL(38,18)",
    "STRING",
    "STRING",
    "STRING",
    "BINARY",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP_NTZ",
    "INTERVAL YEAR TO MONTH",
    "INTERVAL DAY TO SECOND",
    "INTERVAL",
    "ARRAY<INT>",
    "ARRAY<STRING>",
    "ARRAY<ARRAY<DOUBLE>>",
    "MAP<STRING,INT>",
    "STRUCT<a:INT,b:STRING>",
    "ARRAY<STRUCT<a:INT,b:ARRAY<STRING>>>",
};

/* What functions look for in texts. */
static const char *const words[] = {
    "",
    "a",
    "yyyy-MM-dd HH:mm:ss",
    "2024-02-29 23:59:59.5",
    "UTC",
    "America/Lima",
    "{\"a\":1}",
    "$.a[*].b",
    "a,b,,c",
    "(a+)(b?)",
    "%a_",
    "\\",
    "12.50",
    "-1e308",
    "NaN",
    "Infinity",
    "year",
    "MON",
    "a INT",
    "0x1F",
    "\xC3\xA4\xF0\x9F\x98\x80",
};

static void put_text(struct source *s, struct builder *builder, bool utf8)
{
    uint8_t kind = take(s);
    char raw[32];
    if (utf8 && kind % 4) {
        builder_str(builder, str_of(words[kind / 4 % (sizeof words / sizeof *words)]));
        return;
    }
    size_t n = take(s) % sizeof raw;
    for (size_t i = 0; i < n; i++)
        raw[i] = (char)(utf8 ? take(s) & 0x7F : take(s));
    builder_str(builder, str_from(raw, n));
}

static int64_t whole(struct source *s)
{
    static const int64_t edges[] = {0,   1,         -1,        2,         7,
                                    100, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    uint8_t kind = take(s);
    if (kind % 2)
        return edges[kind / 2 % (sizeof edges / sizeof *edges)];
    return kind % 8 == 0 ? (int64_t)take_many(s, 8) : (int8_t)take(s);
}

static __int128 decimal_of(struct source *s, unsigned precision)
{
    __int128 value = (__int128)whole(s) * (take(s) % 3 ? 1 : whole(s));
    __int128 limit = decimal_power10(precision);
    return value % limit;
}

static void put(struct source *s, struct builder *builder, int depth)
{
    const struct type *type = builder->type;
    if (type->kind == TYPE_NULL || take(s) % 6 == 0) {
        builder_null(builder);
        return;
    }
    switch (type->kind) {
    case TYPE_STRUCT:
        for (uint32_t c = 0; c < builder->child_count; c++)
            put(s, builder->children[c], depth + 1);
        builder_valid(builder);
        return;
    case TYPE_ARRAY:
        for (int n = take(s) % 4; n > 0; n--)
            put(s, builder->children[0], depth + 1);
        builder_valid(builder);
        return;
    case TYPE_MAP:
        if (take(s) % 2) {
            builder_str(builder->children[0], STR("k"));
            put(s, builder->children[1], depth + 1);
        }
        builder_valid(builder);
        return;
    case TYPE_STRING:
    case TYPE_BINARY:
        put_text(s, builder, type->kind == TYPE_STRING);
        return;
    case TYPE_BOOLEAN:
        builder_bool(builder, take(s) % 2);
        return;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        builder_f64(builder, (double)whole(s) / (take(s) % 4 ? 1 : 0.0 + take(s) % 5));
        return;
    case TYPE_DECIMAL:
        builder_i128(builder, decimal_of(s, type->precision));
        return;
    case TYPE_INTERVAL:
        builder_interval(builder,
                         (struct interval){(int32_t)whole(s), (int32_t)whole(s), whole(s)});
        return;
    case TYPE_DATE:
        builder_i64(builder, whole(s) % 3000000);
        return;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        builder_i64(builder, whole(s) % (3000000 * US_PER_DAY));
        return;
    case TYPE_TINYINT:
        builder_i64(builder, (int8_t)whole(s));
        return;
    case TYPE_SMALLINT:
        builder_i64(builder, (int16_t)whole(s));
        return;
    case TYPE_INT:
    case TYPE_INTERVAL_YM:
        builder_i64(builder, (int32_t)whole(s));
        return;
    default:
        builder_i64(builder, whole(s));
    }
}

/* A constant is one value in all rows. */
static struct column *make_column(struct source *s, const struct type *type, uint32_t rows,
                                  bool constant)
{
    struct builder *builder = builder_new(type, rows, 0);
    struct column *column;
    put(s, builder, 0);
    for (uint32_t i = 1; i < rows && !constant; i++)
        put(s, builder, 0);
    enum err err = builder_finish(builder, &column);
    check(err == OK);
    builder_free(builder);
    if (constant) {
        uint32_t same[ROWS_MAX] = {0};
        struct column *all;
        err = column_take(column, same, rows, &all);
        check(err == OK);
        column_unref(column);
        return all;
    }
    return column;
}

static void on_failed(struct eval *eval, uint32_t row, const struct diag *diag)
{
    check(diag->err != OK && diag->message[0] && eval_active(eval, row));
}

static void call(struct eval *eval, struct func_bind *bind, struct column *const *columns,
                 uint32_t rows)
{
    struct column *cast[ARGS_MAX] = {NULL}, *result = NULL;
    enum err err = OK;
    for (size_t i = 0; i < bind->count && err == OK; i++) {
        struct diag ignored = {0};
        check(bind->out.args[i] != NULL);
        err = cast_check(columns[i]->type, bind->out.args[i], eval->session, true, &ignored);
        if (err == OK)
            err = cast_eval(eval, columns[i], bind->out.args[i], true, &cast[i]);
    }
    if (err == OK)
        err = func_call_eval(eval, &bind->out, (const struct column *const *)cast, rows, &result);
    if (err == OK) {
        column_check(result);
        check(result->rows == rows && type_equal(result->type, bind->out.result));
        column_unref(result);
    }
    for (size_t i = 0; i < bind->count; i++)
        column_unref(cast[i]);
}

static void one_call(struct source *s, struct arena *arena, const struct query_session *session)
{
    const struct func_info *const *infos;
    size_t info_count = func_list(&infos), count = take(s) % (ARGS_MAX + 1);
    const struct func_info *info = infos[take_many(s, 2) % info_count];
    uint32_t rows = take(s) % (ROWS_MAX - 1) + 1;
    uint64_t active = take_many(s, 2) | 1;
    struct func_arg args[ARGS_MAX];
    struct column *columns[ARGS_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct type *type;
        struct diag diag = {0};
        enum err err = type_parse(arena, str_of(types[take(s) % (sizeof types / sizeof *types)]),
                                  &diag, &type);
        check(err == OK);
        bool constant = take(s) % 2;
        columns[i] = make_column(s, type, rows, constant);
        args[i] = (struct func_arg){type, constant ? columns[i] : NULL, constant};
    }
    struct diag diag = {0};
    struct func_bind bind = {
        .arena = arena, .session = session, .args = args, .count = count, .diag = &diag};
    struct eval eval = {.session = session,
                        .scratch = arena,
                        .active = active % 3 ? &active : NULL,
                        .failed = on_failed};
    enum err err = func_call_bind(info, &bind);
    check(err == OK || diag.message[0] || err == ERR_LIMIT);
    if (err == OK)
        call(&eval, &bind, columns, rows);
    for (size_t i = 0; i < count; i++)
        column_unref(columns[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct source source = {data, bytes, 0};
    struct arena arena;
    uint8_t settings = take(&source);
    struct query_session session = {.ansi = settings & 1,
                                    .timestamp_ntz = settings & 2,
                                    .now_us = 1700000000000000,
                                    .database = STR("default")};
    if (settings & 4 && zone_find(STR("America/Los_Angeles"), &session.zone) != OK)
        return 0;
    arena_init(&arena, 64 << 20);
    one_call(&source, &arena, &session);
    arena_deinit(&arena);
    return 0;
}
