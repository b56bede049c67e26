/* SPDX-License-Identifier: MIT */
/*
 * Making and reading nested values: array, map, named_struct, element access, keys and values.
 *
 * a[i] counts from 0 and fails outside (INVALID_ARRAY_INDEX under ANSI); get() gives NULL there;
 * element_at counts from 1, or from the end from -1. A missing key of a map is NULL. A map that
 * would hold a key twice or NULL as a key fails.
 */
#include "query/func/kernel.h"

static uint32_t begin_of(const struct column *c, uint32_t row)
{
    return (uint32_t)c->offsets[row];
}
static uint32_t end_of(const struct column *c, uint32_t row)
{
    return (uint32_t)c->offsets[row + 1];
}

/* ---- making ---- */

static enum err array_bind(struct func_bind *bind)
{
    const struct type *element = type_simple(TYPE_NULL);
    if (bind->count > 0)
        TRY(bind_common(bind, 0, NULL));
    if (bind->count > 0)
        element = bind->out.result;
    bind->out.result = type_array(bind->arena, element, true);
    return OK;
}

static void array_row(struct func_call *call)
{
    for (size_t i = 0; i < call->count; i++)
        builder_copy(call->out->children[0], call->args[i], call->row);
    builder_valid(call->out);
}

static enum err map_bind(struct func_bind *bind)
{
    const struct type *sides[2] = {type_simple(TYPE_NULL), type_simple(TYPE_NULL)};
    if (bind->count % 2)
        return bind_fail(bind, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                         "map takes pairs of keys and values");
    for (size_t i = 0; i < bind->count; i++) {
        const struct type *next =
            i < 2 ? bind->args[i].type
                  : type_common(bind->arena, sides[i % 2], bind->args[i].type, bind->session);
        if (!next)
            return bind_fail(bind,
                             i % 2 ? "DATATYPE_MISMATCH.CREATE_MAP_VALUE_DIFF_TYPES"
                                   : "DATATYPE_MISMATCH.CREATE_MAP_KEY_DIFF_TYPES",
                             "42K09", "the %s of a map should have one type",
                             i % 2 ? "values" : "keys");
        sides[i % 2] = next;
    }
    for (size_t i = 0; i < bind->count; i++)
        bind->out.args[i] = sides[i % 2];
    bind->out.result = type_map(bind->arena, sides[0], sides[1], true);
    return OK;
}

/* Adds a pair to the open map row; false after a reported failure. from: first key of the row. */
static bool add_pair(struct func_call *call, const struct column *keys, uint32_t key,
                     const struct column *values, uint32_t value)
{
    if (column_is_null(keys, key)) {
        call_fail(call, "NULL_MAP_KEY", "2200E", "%s: NULL cannot be a key",
                  call->binding->info->name);
        return false;
    }
    builder_copy(call->out->children[0], keys, key);
    builder_copy(call->out->children[1], values, value);
    return true;
}

static void duplicate_key(struct func_call *call)
{
    call_fail(call, "DUPLICATED_MAP_KEY", "23505", "%s: a key occurs twice",
              call->binding->info->name);
}

static void map_row(struct func_call *call)
{
    for (size_t i = 0; i < call->count; i += 2) {
        for (size_t k = 0; k < i; k += 2) {
            if (!call_null(call, i) &&
                column_value_equal(call->args[k], call->row, call->args[i], call->row)) {
                duplicate_key(call);
                return;
            }
        }
        if (!add_pair(call, call->args[i], call->row, call->args[i + 1], call->row))
            return;
    }
    builder_valid(call->out);
}

static bool twice_in(const struct column *keys, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        for (uint32_t k = from; k < i; k++)
            if (!column_is_null(keys, i) && column_value_equal(keys, k, keys, i))
                return true;
    return false;
}

static enum err from_arrays_bind(struct func_bind *bind)
{
    for (size_t i = 0; i < 2; i++) {
        if (bind_kind(bind, i) == TYPE_NULL)
            bind->out.args[i] = type_array(bind->arena, type_simple(TYPE_NULL), true);
        else if (bind_kind(bind, i) != TYPE_ARRAY)
            return bind_bad_input(bind, i, "ARRAY");
    }
    bind->out.result = type_map(bind->arena, bind->out.args[0]->fields[0].type,
                                bind->out.args[1]->fields[0].type, true);
    return OK;
}

static void from_arrays_row(struct func_call *call)
{
    const struct column *keys = call->args[0], *values = call->args[1];
    uint32_t k = begin_of(keys, call->row), k_end = end_of(keys, call->row);
    uint32_t v = begin_of(values, call->row), v_end = end_of(values, call->row);
    if (k_end - k != v_end - v) {
        call_fail(call, "_LEGACY_ERROR_TEMP_2017", "",
                  "map_from_arrays: there are %u keys and %u values", k_end - k, v_end - v);
        return;
    }
    if (twice_in(keys->children[0], k, k_end)) {
        duplicate_key(call);
        return;
    }
    for (; k < k_end; k++, v++)
        if (!add_pair(call, keys->children[0], k, values->children[0], v))
            return;
    builder_valid(call->out);
}

static enum err from_entries_bind(struct func_bind *bind)
{
    const struct type *type = bind->args[0].type;
    if (type->kind != TYPE_ARRAY || type->fields[0].type->kind != TYPE_STRUCT ||
        type->fields[0].type->field_count != 2)
        return bind_bad_input(bind, 0, "ARRAY of pair STRUCT");
    const struct field *pair = type->fields[0].type->fields;
    bind->out.result = type_map(bind->arena, pair[0].type, pair[1].type, true);
    return OK;
}

static void from_entries_row(struct func_call *call)
{
    const struct column *entries = call->args[0]->children[0];
    uint32_t from = begin_of(call->args[0], call->row), to = end_of(call->args[0], call->row);
    for (uint32_t i = from; i < to; i++) {
        if (column_is_null(entries, i)) {
            builder_null(call->out);
            return;
        }
    }
    if (twice_in(entries->children[0], from, to)) {
        duplicate_key(call);
        return;
    }
    for (uint32_t i = from; i < to; i++)
        if (!add_pair(call, entries->children[0], i, entries->children[1], i))
            return;
    builder_valid(call->out);
}

static enum err map_concat_bind(struct func_bind *bind)
{
    if (bind->count == 0) {
        bind->out.result =
            type_map(bind->arena, type_simple(TYPE_STRING), type_simple(TYPE_STRING), true);
        return OK;
    }
    for (size_t i = 0; i < bind->count; i++)
        if (bind_kind(bind, i) != TYPE_MAP)
            return bind_fail(bind, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09",
                             "map_concat takes maps");
    if (bind_common(bind, 0, NULL) == OK)
        return OK;
    diag_class(bind->diag, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09");
    return ERR_INVALID;
}

static bool occurs_before(const struct func_call *call, size_t map, uint32_t at)
{
    const struct column *keys = call->args[map]->children[0];
    for (size_t m = 0; m <= map; m++) {
        const struct column *c = call->args[m];
        uint32_t end = m == map ? at : end_of(c, call->row);
        for (uint32_t i = begin_of(c, call->row); i < end; i++)
            if (column_value_equal(c->children[0], i, keys, at))
                return true;
    }
    return false;
}

static void map_concat_row(struct func_call *call)
{
    for (size_t m = 0; m < call->count; m++) {
        const struct column *c = call->args[m];
        for (uint32_t i = begin_of(c, call->row); i < end_of(c, call->row); i++) {
            if (occurs_before(call, m, i)) {
                duplicate_key(call);
                return;
            }
            if (!add_pair(call, c->children[0], i, c->children[1], i))
                return;
        }
    }
    builder_valid(call->out);
}

static enum err named_struct_bind(struct func_bind *bind)
{
    bool named = bind->info->variant;
    size_t count = named ? bind->count / 2 : bind->count;
    struct field *fields = arena_array(bind->arena, count + 1, sizeof *fields);
    if (named && bind->count % 2)
        return bind_fail(bind, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                         "named_struct takes pairs of names and values");
    for (size_t i = 0; i < count; i++) {
        struct str name = str_of(arena_printf(bind->arena, "col%zu", i + 1));
        if (named)
            name = bind_text(bind, 2 * i);
        if (!name.ptr)
            return bind_fail(bind, "DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING",
                             "42K09", "named_struct: the names must be constant texts");
        fields[i] = (struct field){.name = name, .type = bind->args[named ? 2 * i + 1 : i].type};
    }
    bind->out.result = type_struct(bind->arena, fields, count);
    return OK;
}

static void named_struct_row(struct func_call *call)
{
    size_t step = call->binding->info->variant ? 2 : 1;
    for (size_t i = step - 1, field = 0; i < call->count; i += step, field++)
        builder_copy(call->out->children[field], call->args[i], call->row);
    builder_valid(call->out);
}

/* ---- elements ---- */

enum access { ACCESS_INDEX, ACCESS_GET, ACCESS_ELEMENT, ACCESS_TRY_ELEMENT };

static enum err access_bind(struct func_bind *bind)
{
    const struct type *type = bind->args[0].type;
    enum access access = (enum access)bind->info->variant;
    if (type->kind == TYPE_MAP && access != ACCESS_GET) {
        const struct type *key =
            type_common(bind->arena, type->fields[0].type, bind->args[1].type, bind->session);
        if (!key || (!type_equal(key, type->fields[0].type) && type_is_nested(key)))
            return bind_fail(bind, "DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES", "42K09",
                             "%s: the key should be %s, not %s", bind->info->name,
                             type_text(bind->arena, type->fields[0].type),
                             type_text(bind->arena, bind->args[1].type));
        bind->out.args[0] = type_map(bind->arena, key, type->fields[1].type, true);
        bind->out.args[1] = key;
        bind->out.result = type->fields[1].type;
        return OK;
    }
    if (type->kind == TYPE_NULL && access >= ACCESS_ELEMENT) {
        bind->out.result = type;
        return OK;
    }
    if (type->kind != TYPE_ARRAY)
        return bind_bad_input(bind, 0, access == ACCESS_GET ? "ARRAY" : "ARRAY or MAP");
    enum type_kind index = bind_kind(bind, 1);
    bool text = index == TYPE_STRING && bind->args[1].constant;
    if (!kind_is_integral(index) && index != TYPE_NULL && !text)
        return bind_bad_input(bind, 1, "INTEGRAL");
    if (access != ACCESS_INDEX && index == TYPE_BIGINT)
        return bind_bad_input(bind, 1, "INT");
    bind->out.args[1] = type_simple(index == TYPE_BIGINT ? TYPE_BIGINT : TYPE_INT);
    bind->out.result = type->fields[0].type;
    return OK;
}

static void map_value(struct func_call *call)
{
    const struct column *map = call->args[0];
    for (uint32_t i = begin_of(map, call->row); i < end_of(map, call->row); i++) {
        if (column_value_equal(map->children[0], i, call->args[1], call->row)) {
            builder_copy(call->out, map->children[1], i);
            return;
        }
    }
    builder_null(call->out);
}

static void access_row(struct func_call *call)
{
    const struct column *array = call->args[0];
    enum access access = (enum access)call->binding->info->variant;
    if (array->type->kind == TYPE_MAP) {
        map_value(call);
        return;
    }
    int64_t index = column_i64(call->args[1], call->row);
    int64_t count = end_of(array, call->row) - begin_of(array, call->row), at = index;
    if (access >= ACCESS_ELEMENT && index == 0) {
        call_fail(call, "INVALID_INDEX_OF_ZERO", STATE_NUMERIC,
                  "%s: elements count from 1, or from the end from -1", call->binding->info->name);
        return;
    }
    if (access >= ACCESS_ELEMENT)
        at = index < 0 ? count + index : index - 1;
    if (at >= 0 && at < count)
        builder_copy(call->out, array->children[0], begin_of(array, call->row) + (size_t)at);
    else if (access == ACCESS_GET || access == ACCESS_TRY_ELEMENT || !call->eval->session->ansi)
        builder_null(call->out);
    else
        call_fail(call,
                  access == ACCESS_INDEX ? "INVALID_ARRAY_INDEX"
                                         : "INVALID_ARRAY_INDEX_IN_ELEMENT_AT",
                  STATE_NUMERIC, "The index %lld is out of bounds. The array has %lld elements; %s",
                  (long long)index, (long long)count,
                  access == ACCESS_INDEX ? "get() gives NULL instead"
                                         : "try_element_at() gives NULL instead");
}

/* ---- size, keys, values ---- */

static enum err size_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.result = type_simple(TYPE_INT);
    bool good =
        kind == TYPE_ARRAY || kind == TYPE_NULL || (kind == TYPE_MAP && !bind->info->variant);
    return good ? OK : bind_bad_input(bind, 0, "ARRAY or MAP");
}

static void size_row(struct func_call *call)
{
    if (!call_null(call, 0))
        builder_i64(call->out,
                    end_of(call->args[0], call->row) - begin_of(call->args[0], call->row));
    else if (call->eval->session->ansi || call->binding->info->variant)
        builder_null(call->out);
    else
        builder_i64(call->out, -1);
}

/* variant: 0 keys, 1 values */
static enum err map_side_bind(struct func_bind *bind)
{
    const struct type *type = bind->args[0].type;
    if (type->kind != TYPE_MAP)
        return bind_bad_input(bind, 0, "MAP");
    bind->out.result =
        type_array(bind->arena, type->fields[bind->info->variant].type, bind->info->variant);
    return OK;
}

static void map_side_row(struct func_call *call)
{
    const struct column *map = call->args[0];
    for (uint32_t i = begin_of(map, call->row); i < end_of(map, call->row); i++)
        builder_copy(call->out->children[0], map->children[call->binding->info->variant], i);
    builder_valid(call->out);
}

static enum err map_entries_bind(struct func_bind *bind)
{
    const struct type *type = bind->args[0].type;
    if (type->kind != TYPE_MAP)
        return bind_bad_input(bind, 0, "MAP");
    struct field fields[2] = {type->fields[0], type->fields[1]};
    fields[0].name = STR("key");
    fields[1].name = STR("value");
    fields[0].not_null = true;
    bind->out.result = type_array(bind->arena, type_struct(bind->arena, fields, 2), false);
    return OK;
}

static void map_entries_row(struct func_call *call)
{
    const struct column *map = call->args[0];
    struct builder *entry = call->out->children[0];
    for (uint32_t i = begin_of(map, call->row); i < end_of(map, call->row); i++) {
        builder_copy(entry->children[0], map->children[0], i);
        builder_copy(entry->children[1], map->children[1], i);
        builder_valid(entry);
    }
    builder_valid(call->out);
}

static enum err has_key_bind(struct func_bind *bind)
{
    const struct type *type = bind->args[0].type;
    if (type->kind != TYPE_MAP)
        return bind_bad_input(bind, 0, "MAP");
    const struct type *key = type_tightest(bind, type->fields[0].type, bind->args[1].type);
    if (!key || bind_kind(bind, 1) == TYPE_NULL)
        return bind_fail(
            bind, key ? "DATATYPE_MISMATCH.NULL_TYPE" : "DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES",
            "42K09", "map_contains_key: the key should be %s",
            type_text(bind->arena, type->fields[0].type));
    bind->out.args[0] = type_map(bind->arena, key, type->fields[1].type, true);
    bind->out.args[1] = key;
    bind->out.result = type_simple(TYPE_BOOLEAN);
    return OK;
}

static void has_key_row(struct func_call *call)
{
    const struct column *map = call->args[0];
    bool found = false;
    for (uint32_t i = begin_of(map, call->row); i < end_of(map, call->row) && !found; i++)
        found = column_value_equal(map->children[0], i, call->args[1], call->row);
    builder_bool(call->out, found);
}

const struct func_info func_nested[] = {
    {"array", 0, 255, false, false, array_bind, kernel_rows, "array(expr, ..)", .row = array_row},
    {"map", 0, 254, false, false, map_bind, kernel_rows, "map(key, value, ..)", .row = map_row},
    {"map_from_arrays", 2, 2, true, false, from_arrays_bind, kernel_rows,
     "map_from_arrays(keys, values)", .row = from_arrays_row},
    {"map_from_entries", 1, 1, true, false, from_entries_bind, kernel_rows,
     "map_from_entries(array of pairs)", .row = from_entries_row},
    {"map_concat", 0, 255, true, false, map_concat_bind, kernel_rows, "map_concat(map, ..)",
     .row = map_concat_row},
    {"named_struct", 0, 255, false, false, named_struct_bind, kernel_rows,
     "named_struct(name, value, ..)", NULL, named_struct_row, 1},
    {"struct", 0, 255, false, false, named_struct_bind, kernel_rows, "struct(value, ..)", NULL,
     named_struct_row, 0},
    {"[]", 2, 2, true, false, access_bind, kernel_rows, "array[index], map[key]", NULL, access_row,
     ACCESS_INDEX},
    {"get", 2, 2, true, false, access_bind, kernel_rows, "get(array, index)", NULL, access_row,
     ACCESS_GET},
    {"element_at", 2, 2, true, false, access_bind, kernel_rows, "element_at(array or map, key)",
     NULL, access_row, ACCESS_ELEMENT},
    {"try_element_at", 2, 2, true, false, access_bind, kernel_rows,
     "try_element_at(array or map, key)", NULL, access_row, ACCESS_TRY_ELEMENT},
    {"size", 1, 1, false, false, size_bind, kernel_rows, "size(array or map)", NULL, size_row, 0},
    {"cardinality", 1, 1, false, false, size_bind, kernel_rows, "cardinality(array or map)", NULL,
     size_row, 0},
    {"array_size", 1, 1, false, false, size_bind, kernel_rows, "array_size(array)", NULL, size_row,
     1},
    {"map_keys", 1, 1, true, false, map_side_bind, kernel_rows, "map_keys(map)", NULL, map_side_row,
     0},
    {"map_values", 1, 1, true, false, map_side_bind, kernel_rows, "map_values(map)", NULL,
     map_side_row, 1},
    {"map_entries", 1, 1, true, false, map_entries_bind, kernel_rows, "map_entries(map)",
     .row = map_entries_row},
    {"map_contains_key", 2, 2, true, false, has_key_bind, kernel_rows, "map_contains_key(map, key)",
     .row = has_key_row},
    {.name = NULL},
};
