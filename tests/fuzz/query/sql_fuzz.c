/* SPDX-License-Identifier: MIT */
/*
 * SQL text through parser, binder and planner over a small catalog; queries without input are also
 * run, streams get two rows. Nothing may crash, leak or hang, and whatever fails must say why.
 */
#include "base/check.h"
#include "query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct type *schema;

static enum err find(void *owner, const struct str *parts, size_t part_count,
                     struct query_relation *ret_relation)
{
    struct str name = parts[part_count - 1];
    bool table = str_equal_nocase(name, STR("t"));
    if (!table && !str_equal_nocase(name, STR("s")))
        return ERR_NOT_FOUND;
    *ret_relation = (struct query_relation){.schema = schema, .stream = !table, .table = table};
    return OK;
}

static size_t names(void *owner, struct arena *arena, const char *const **ret_names)
{
    static const char *const list[] = {"s", "t"};
    *ret_names = list;
    return 2;
}

static void append_default(struct builder *builder, uint32_t i)
{
    switch (builder->type->kind) {
    case TYPE_STRUCT:
        for (uint32_t c = 0; c < builder->child_count; c++)
            append_default(builder->children[c], i);
        builder_valid(builder);
        break;
    case TYPE_ARRAY:
        append_default(builder->children[0], i);
        append_default(builder->children[0], i + 1);
        builder_valid(builder);
        break;
    case TYPE_MAP:
        append_default(builder->children[0], i);
        append_default(builder->children[1], i);
        builder_valid(builder);
        break;
    case TYPE_STRING:
        builder_str(builder, i % 2 ? STR("12") : STR("a,b"));
        break;
    case TYPE_BOOLEAN:
        builder_bool(builder, i % 2);
        break;
    case TYPE_DECIMAL:
        builder_i128(builder, 150 + i);
        break;
    case TYPE_DOUBLE:
        builder_f64(builder, 0.5 + i);
        break;
    default:
        builder_i64(builder, i);
    }
}

static struct batch *make_batch(const struct type *wanted)
{
    enum { ROWS = 3 };
    struct column *columns[64];
    for (uint32_t c = 0; c < wanted->field_count; c++) {
        struct builder *builder = builder_new(wanted->fields[c].type, ROWS, 0);
        for (uint32_t i = 0; i + 1 < ROWS; i++)
            append_default(builder, i);
        builder_null(builder);
        enum err err = builder_finish(builder, &columns[c]);
        check(err == OK);
        builder_free(builder);
    }
    return batch_new(wanted, ROWS, columns);
}

static void check_output(struct query_output *output)
{
    if (output->batch) {
        for (uint32_t c = 0; c < output->batch->column_count; c++)
            column_check(output->batch->columns[c]);
    }
    query_output_deinit(output);
}

static void run(const struct query_plan *plan, bool collect)
{
    const struct query_input *inputs;
    size_t count = query_plan_inputs(plan, &inputs);
    struct query_run *run;
    struct query_output output;
    struct diag diag = {0};
    enum err err = query_run_new(plan, collect, 16 << 20, &run);
    check(err == OK);
    for (size_t i = 0; i < count && err == OK; i++) {
        struct batch *batch = make_batch(inputs[i].wanted);
        err = query_run_push(run, i, batch, &diag, &output);
        if (err == OK)
            check_output(&output);
        batch_unref(batch);
    }
    if (err == OK)
        err = query_run_finish(run, &diag, &output);
    if (err == OK)
        check_output(&output);
    else
        check(diag.err != OK);
    query_run_free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct arena types;
    if (!schema) {
        arena_init(&types, 1 << 20);
        enum err err = type_parse_ddl(
            &types,
            STR("i INT, l BIGINT, d DOUBLE, c DECIMAL(10,2), s STRING, b BOOLEAN, ts TIMESTAMP, dt "
                "DATE, a ARRAY<INT>, m MAP<STRING, INT>, st STRUCT<x: INT, y: STRING, z: "
                "ARRAY<STRUCT<p: INT, q: STRING>>>"),
            NULL, &schema);
        check(err == OK);
    }
    struct arena arena;
    struct diag_list diags = {0};
    struct query_script script;
    struct query_catalog catalog = {find, names, NULL};
    struct query_session session = {.ansi = true, .now_us = 1700000000000000};
    arena_init(&arena, 32 << 20);
    enum err err = query_parse(&arena, str_from(data, bytes), &diags, &script);
    check((err == OK) == (diags.count == 0));
    for (size_t i = 0; i < script.count; i++) {
        struct diag diag = {0};
        const struct query_plan *plan;
        err = query_plan(&arena, &script.statements[i], &catalog, &session, &diag, &plan);
        check((err == OK) == (diag.err == OK));
        if (err != OK)
            continue;
        struct buf text = {0};
        query_plan_print(plan, &text);
        buf_deinit(&text);
        run(plan, false);
        run(plan, true);
    }
    diag_list_deinit(&diags);
    arena_deinit(&arena);
    return 0;
}
