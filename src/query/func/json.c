/* SPDX-License-Identifier: MIT */
/*
 * JSON in texts: from_json, to_json, get_json_object, json_array_length, json_object_keys.
 *
 * from_json decodes the whole column at once with format/json. A schema that is no STRUCT is read
 * as the only field of one: the document becomes {"value": document}. Of options, mode and
 * columnNameOfCorruptRecord = _corrupt_record are known; the others are refused.
 */
#include "format/json.h"
#include "query/func/kernel.h"
#include "query/func/text.h"

struct from_json {
    const struct type *schema; /* STRUCT */
    bool wrapped;
    bool fail_fast;
    bool lists; /* an array of structs: one object stands for an array of it */
};

static enum err schema_of(struct func_bind *bind, struct str ddl, const struct type **ret_type)
{
    struct diag ignored = {0}, diag = {0};
    if (str_starts(str_trim(ddl), STR("{")))
        return bind_unsupported(bind, "%s: a schema written as JSON", bind->info->name);
    if (type_parse(bind->arena, ddl, &ignored, ret_type) == OK && (*ret_type)->kind != TYPE_NULL)
        return OK;
    enum err err = type_parse_ddl(bind->arena, ddl, &diag, ret_type);
    if (err == OK)
        return OK;
    if (err == ERR_UNSUPPORTED || ignored.err == ERR_UNSUPPORTED)
        return bind_unsupported(bind, "%s: the schema: %s", bind->info->name,
                                err == ERR_UNSUPPORTED ? diag.message : ignored.message);
    return bind_fail(bind, "PARSE_SYNTAX_ERROR", "42601", "from_json: the schema: %s",
                     diag.message);
}

static enum err read_options(struct func_bind *bind, size_t at, bool *ret_fail_fast)
{
    const struct column *map = bind->args[at].constant;
    if (bind_kind(bind, at) != TYPE_MAP || !map || map->type->fields[0].type->kind != TYPE_STRING ||
        map->type->fields[1].type->kind != TYPE_STRING)
        return bind_fail(bind, "INVALID_OPTIONS.NON_MAP_FUNCTION", "42K06",
                         "%s: the options must be a constant map of texts", bind->info->name);
    for (int32_t i = map->offsets[0]; i < map->offsets[1]; i++) {
        struct str key = column_str(map->children[0], (size_t)i);
        struct str value = column_str(map->children[1], (size_t)i);
        if (str_equal_nocase(key, STR("mode")) && str_equal_nocase(value, STR("FAILFAST")))
            *ret_fail_fast = true;
        else if (!(str_equal_nocase(key, STR("mode")) &&
                   str_equal_nocase(value, STR("PERMISSIVE"))) &&
                 !(str_equal_nocase(key, STR("columnNameOfCorruptRecord")) &&
                   str_equal(value, STR("_corrupt_record"))))
            return bind_unsupported(bind, "%s: the option %.*s", bind->info->name, STR_ARG(key));
    }
    return OK;
}

static enum err from_json_bind(struct func_bind *bind)
{
    struct from_json *state = arena_zero(bind->arena, sizeof *state);
    struct str ddl = bind_text(bind, 1);
    const struct type *type;
    bind->out.state = state;
    if (!ddl.ptr)
        return bind_fail(bind, "INVALID_SCHEMA.NON_STRING_LITERAL", "42K07",
                         "from_json: the schema must be a constant text");
    TRY(schema_of(bind, ddl, &type));
    if (bind->count == 3)
        TRY(read_options(bind, 2, &state->fail_fast));
    bind->out.args[0] = type_implicit(bind, 0, type_simple(TYPE_STRING));
    if (!bind->out.args[0])
        return bind_bad_input(bind, 0, "STRING");
    struct field field = {.name = STR("value"), .type = type};
    state->wrapped = type->kind != TYPE_STRUCT;
    state->lists = type->kind == TYPE_ARRAY && type->fields[0].type->kind == TYPE_STRUCT;
    if (state->wrapped && type->kind != TYPE_ARRAY && type->kind != TYPE_MAP)
        return bind_fail(bind, "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA", "42K09",
                         "from_json: the schema must be a STRUCT, ARRAY or MAP");
    state->schema = state->wrapped ? type_struct(bind->arena, &field, 1) : type;
    bind->out.result = type;
    return OK;
}

/* The documents of the column; wrapped ones are copied into text. */
static void documents_of(const struct from_json *state, const struct column *column,
                         struct str *documents, struct buf *text)
{
    size_t room = 0;
    for (uint32_t i = 0; state->wrapped && i < column->rows; i++)
        if (!column_is_null(column, i))
            room += column_str(column, i).bytes + 16;
    uint8_t *to = room ? buf_reserve(text, room) : NULL;
    for (uint32_t i = 0; i < column->rows; i++) {
        documents[i] = STR_NONE;
        if (column_is_null(column, i))
            continue;
        documents[i] = column_str(column, i);
        if (!documents[i].ptr)
            documents[i] = STR("");
        if (!state->wrapped || str_trim(documents[i]).bytes == 0 || !to)
            continue;
        size_t from = text->bytes;
        bool one = state->lists && *str_trim(documents[i]).ptr == '{';
        buf_text(text, one ? "{\"value\":[" : "{\"value\":");
        buf_str_append(text, documents[i]);
        buf_text(text, one ? "]}" : "}");
        documents[i] = str_from(text->ptr + from, text->bytes - from);
    }
}

static bool row_is_null(const struct from_json *state, const struct column *struct_like,
                        uint8_t outcome, uint32_t row)
{
    if (outcome == JSON_NULL)
        return true;
    return state->wrapped && column_is_null(struct_like, row);
}

/* A batch as one STRUCT column. */
static enum err put_rows(struct eval *eval, const struct from_json *state,
                         const struct func_binding *binding, const struct batch *batch,
                         const uint8_t *outcomes, struct column **ret_column)
{
    struct builder *out = builder_new(binding->result, batch->rows, 0);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (state->fail_fast && outcomes[row] == JSON_CORRUPT) {
            eval_fail(eval, row, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "22023",
                      "from_json: the document does not fit the schema (mode FAILFAST)");
            builder_null(out);
        } else if (row_is_null(state, batch->columns[0], outcomes[row], row)) {
            builder_null(out);
        } else if (state->wrapped) {
            builder_copy(out, batch->columns[0], row);
        } else {
            for (uint32_t i = 0; i < batch->column_count; i++)
                builder_copy(out->children[i], batch->columns[i], row);
            builder_valid(out);
        }
    }
    return kernel_built(out, ret_column);
}

static enum err from_json_eval(struct eval *eval, const struct func_binding *binding,
                               const struct column *const *args, uint32_t rows,
                               struct column **ret_column)
{
    const struct from_json *state = binding->state;
    struct json_decode_options options = {.zone = eval->session->zone};
    struct json_decoder *decoder;
    struct batch *batch = NULL;
    if (args[0]->type->kind == TYPE_NULL || state->schema->field_count == 0) {
        *ret_column = column_nulls(binding->result, rows);
        return OK;
    }
    TRY(json_decoder_new(state->schema, NULL, &options, &decoder));
    CLEAN(mem_free_at) struct str *documents = mem_array(rows + 1, sizeof *documents);
    CLEAN(mem_free_at) uint8_t *outcomes = mem_zero(rows + 1);
    CLEAN(buf_deinit_at) struct buf text = {0};
    size_t faults;
    documents_of(state, args[0], documents, &text);
    enum err err = json_decode(decoder, documents, rows, &batch, outcomes, NULL, 0, &faults);
    if (err == OK)
        err = put_rows(eval, state, binding, batch, outcomes, ret_column);
    batch_unref(batch);
    json_decoder_free(decoder);
    return err;
}

/* ---- to_json ---- */

static bool has_nested_key(const struct type *type)
{
    if (type->kind == TYPE_MAP && type_is_nested(type->fields[0].type))
        return true;
    for (uint32_t i = 0; i < type->field_count; i++)
        if (has_nested_key(type->fields[i].type))
            return true;
    return false;
}

static enum err to_json_bind(struct func_bind *bind)
{
    enum type_kind kind = bind_kind(bind, 0);
    bind->out.result = type_simple(TYPE_STRING);
    if (bind->count == 2)
        return bind_unsupported(bind, "to_json with options");
    if (has_nested_key(bind->args[0].type))
        return bind_unsupported(bind, "to_json of a map whose keys are no plain values");
    if (kind == TYPE_STRUCT || kind == TYPE_ARRAY || kind == TYPE_MAP)
        return OK;
    return bind_fail(bind, "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA", "42K09",
                     "to_json takes a STRUCT, ARRAY or MAP");
}

static void to_json_row(struct func_call *call)
{
    struct json_encode_options options = {.zone = call->eval->session->zone, .skip_nulls = true};
    json_encode_value(call->args[0], call->row, &options, &call->buf);
    builder_str(call->out, buf_str(&call->buf));
}

/* ---- get_json_object ---- */

struct found {
    struct str first;
    struct buf *list;
    size_t count;
};

static bool collect(void *owner, struct str value)
{
    struct found *found = owner;
    if (found->count == 0)
        found->first = value;
    if (found->count > 0)
        buf_char(found->list, ',');
    buf_str_append(found->list, value);
    found->count++;
    return true;
}

static void get_object_row(struct func_call *call)
{
    struct json_path *path;
    struct str text = call_str(call, 0);
    struct diag diag = {0};
    if (json_path_parse(call_str(call, 1), &diag, &path) != OK ||
        json_validate(text, 1000, &diag) != OK) {
        builder_null(call->out);
        return;
    }
    CLEAN(buf_deinit_at) struct buf list = {0};
    struct found found = {.list = &list};
    json_path_each(path, text, collect, &found);
    bool many = json_path_is_many(path) && found.count > 1;
    json_path_free(path);
    if (found.count == 0 || (!many && json_kind(found.first) == JSON_KIND_NULL)) {
        builder_null(call->out);
        return;
    }
    if (many)
        buf_printf(&call->buf, "[%.*s]", STR_ARG(buf_str(&list)));
    else
        json_text(found.first, &call->buf);
    builder_str(call->out, buf_str(&call->buf));
}

static void array_length_row(struct func_call *call)
{
    struct str text = str_trim(call_str(call, 0)), key, value;
    struct diag diag = {0};
    size_t state = 0;
    int64_t count = 0;
    if (json_validate(text, 1000, &diag) != OK || json_kind(text) != JSON_KIND_ARRAY) {
        builder_null(call->out);
        return;
    }
    while (json_next(text, &state, &key, &value))
        count++;
    builder_i64(call->out, count);
}

static enum err keys_bind(struct func_bind *bind)
{
    TRY(bind_signature(bind));
    bind->out.result = type_array(bind->arena, type_simple(TYPE_STRING), true);
    return OK;
}

static void object_keys_row(struct func_call *call)
{
    struct str text = str_trim(call_str(call, 0)), key, value;
    struct diag diag = {0};
    size_t state = 0;
    if (json_validate(text, 1000, &diag) != OK || json_kind(text) != JSON_KIND_OBJECT) {
        builder_null(call->out);
        return;
    }
    while (json_next(text, &state, &key, &value)) {
        buf_reset(&call->buf);
        json_text(key, &call->buf);
        builder_str(call->out->children[0], buf_str(&call->buf));
    }
    builder_valid(call->out);
}

const struct func_info func_json[] = {
    {"from_json", 2, 3, false, false, from_json_bind, from_json_eval,
     "from_json(text, schema[, options])", .variant = 0},
    {"to_json", 1, 2, true, false, to_json_bind, kernel_rows, "to_json(value)", .row = to_json_row},
    {"get_json_object", 2, 2, true, false, bind_signature, kernel_rows,
     "get_json_object(text, path)", "s(s,s)", .row = get_object_row},
    {"json_array_length", 1, 1, true, false, bind_signature, kernel_rows, "json_array_length(text)",
     "i(s)", .row = array_length_row},
    {"json_object_keys", 1, 1, true, false, keys_bind, kernel_rows, "json_object_keys(text)",
     "A(s)", .row = object_keys_row},
    {.name = NULL},
};
