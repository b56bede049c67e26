/* SPDX-License-Identifier: MIT */
/*
 * Definitions of tables: checked, copied, compared, written to the catalogue and read again.
 *
 *   u8       2 (version of this record)
 *   u8       1 append only + 2 declared decimals of keys in 16 bytes, as version 1 has them
 *   varint   default ttl, s
 *   string   keyspace, name (uvarint length, bytes)
 *   uvarint  above every id ever given
 *   uvarint  columns, each: string name, string declared, u8 role, u8 cells, uvarint id, type
 *   type     u8 kind, u8 precision, u8 scale, uvarint fields,
 *            each: string name, u8 not null, string comment, type
 *   version 4, where columns were dropped that may come again:
 *   uvarint  how many, each: string name, uvarint id, u8 cells, varint the time it was dropped, us
 *
 * Version 1 has no limit of ids, no cells and no comments.
 *
 * The kinds are the numbers of enum type_kind and the roles those of enum table_column_role: both
 * lists may grow at the end only (a unit test pins the bytes of a record).
 *
 * Invariants
 * 1. Columns stand as: partition keys, clustering keys, the rest.
 * 2. A column's id never changes and is never given to another column of the table.
 */
#include "table/shape.h"

#include "base/check.h"
#include "base/reader.h"
#include "table/cells.h"
#include "table/key.h"

enum {
    SHAPE_VERSION = 3,
    SHAPE_VERSION_DROPPED = 4,
    APPEND_ONLY = 1,
    NARROW_DECIMALS = 2,
    ALL_FIELDS = 4,
    COLUMNS_MAX = 10000,
    IDS_MAX = 1 << 20,
    TYPE_DEPTH_MAX = 512,
    NAME_BYTES_MAX = 4096
};

/* ---- checks ---- */

static bool role_is_key(enum table_column_role role)
{
    return role == TABLE_PARTITION_KEY || role == TABLE_CLUSTERING_ASC ||
           role == TABLE_CLUSTERING_DESC;
}

/* 0 partition, 1 clustering, 2 the rest. */
static int role_rank(enum table_column_role role)
{
    return role == TABLE_PARTITION_KEY ? 0 : role_is_key(role) ? 1 : 2;
}

static enum err check_name(struct str name, const char *what, struct diag *diag)
{
    if (!name.bytes || name.bytes > NAME_BYTES_MAX || memchr(name.ptr, 0, name.bytes))
        return diag_set(diag, ERR_INVALID, 0, 0, "a %s needs a name of 1 to %d bytes without NUL",
                        what, NAME_BYTES_MAX);
    return OK;
}

static enum err check_cells(const struct table_column *column, struct diag *diag)
{
    enum type_kind kind = column->type->kind;
    bool nested = kind == TYPE_ARRAY || kind == TYPE_MAP || kind == TYPE_STRUCT;
    if (column->cells == TABLE_MANY_CELLS && (!nested || role_is_key(column->role)))
        return diag_set(diag, ERR_INVALID, 0, 0, "column %.*s: only collections have many cells",
                        STR_ARG(column->name));
    if (column->cells == TABLE_COUNTER && (kind != TYPE_BIGINT || role_is_key(column->role)))
        return diag_set(diag, ERR_INVALID, 0, 0, "column %.*s: only a BIGINT can be a counter",
                        STR_ARG(column->name));
    return OK;
}

static enum err check_column(const struct table_definition *definition, size_t index,
                             struct diag *diag)
{
    const struct table_column *column = &definition->columns[index];
    TRY(check_name(column->name, "column", diag));
    TRY(check_cells(column, diag));
    for (size_t i = 0; i < index; i++)
        if (str_equal(definition->columns[i].name, column->name))
            return diag_set(diag, ERR_INVALID, 0, 0, "two columns are named %.*s",
                            STR_ARG(column->name));
    if (definition->append_only)
        return column->role == TABLE_REGULAR
                   ? OK
                   : diag_set(diag, ERR_INVALID, 0, 0,
                              "column %.*s: an append-only table has no keys",
                              STR_ARG(column->name));
    if (index && role_rank(column->role) < role_rank(definition->columns[index - 1].role))
        return diag_set(diag, ERR_INVALID, 0, 0,
                        "column %.*s: partition keys come first, then clustering keys",
                        STR_ARG(column->name));
    return OK;
}

static enum err check_definition(const struct table_definition *definition, struct diag *diag)
{
    TRY(check_name(definition->keyspace, "keyspace", diag));
    TRY(check_name(definition->name, "table", diag));
    if (definition->column_count > COLUMNS_MAX)
        return diag_set(diag, ERR_INVALID, 0, 0, "a table has at most %d columns", COLUMNS_MAX);
    if (definition->ttl_default_s < 0 || definition->ttl_default_s > TABLE_TTL_MAX_S)
        return diag_set(diag, ERR_INVALID, 0, 0, "the default ttl is 0 to %d seconds",
                        TABLE_TTL_MAX_S);
    for (size_t i = 0; i < definition->column_count; i++)
        TRY(check_column(definition, i, diag));
    return OK;
}

/* ---- from a definition ---- */

static void copy_definition(struct shape *shape, const struct table_definition *from)
{
    struct arena *arena = &shape->arena;
    struct table_column *columns = arena_array(arena, from->column_count, sizeof *columns);
    for (size_t i = 0; i < from->column_count; i++)
        columns[i] = (struct table_column){
            .name = arena_str(arena, from->columns[i].name),
            .type = type_copy(arena, from->columns[i].type),
            .declared = arena_str(arena, from->columns[i].declared),
            .role = from->columns[i].role,
            .cells = from->columns[i].cells,
        };
    shape->definition = *from;
    shape->definition.keyspace = arena_str(arena, from->keyspace);
    shape->definition.name = arena_str(arena, from->name);
    shape->definition.columns = columns;
}

static void build_schema(struct shape *shape)
{
    size_t count = shape->definition.column_count;
    struct field *fields = mem_array(count, sizeof *fields);
    for (size_t i = 0; i < count; i++)
        fields[i] = (struct field){
            .name = shape->definition.columns[i].name,
            .type = shape->definition.columns[i].type,
            .not_null = role_is_key(shape->definition.columns[i].role),
        };
    shape->schema = type_struct(&shape->arena, fields, count);
    mem_free(fields);
}

static void index_ids(struct shape *shape)
{
    shape->index_of_id = arena_array(&shape->arena, shape->id_limit, sizeof *shape->index_of_id);
    for (uint32_t id = 0; id < shape->id_limit; id++)
        shape->index_of_id[id] = UINT32_MAX;
    for (size_t i = 0; i < shape->definition.column_count; i++)
        if (shape->ids[i])
            shape->index_of_id[shape->ids[i]] = (uint32_t)i;
}

/* Tuples of keys as stores of version 2 have them. */
static const struct encoding *with_all_fields(struct shape *shape, const struct encoding *from)
{
    uint32_t count = from->type->field_count;
    struct encoding *made = arena_array(&shape->arena, 1, sizeof *made);
    struct encoding *children = arena_array(&shape->arena, (size_t)count + 1, sizeof *children);
    for (uint32_t i = 0; i < count; i++)
        children[i] = *with_all_fields(shape, &from->children[i]);
    *made = *from;
    made->children = count ? children : from->children;
    made->all_fields = from->form == FORM_ROW;
    return made;
}

static enum err derive_encoding(struct shape *shape, size_t index, struct diag *diag)
{
    const struct table_column *column = &shape->definition.columns[index];
    struct encoding *encoding = &shape->encodings[index];
    TRY(encoding_make(&shape->arena, column->type, column->declared, diag, encoding));
    if (shape->narrow_decimals && role_is_key(column->role))
        encoding->wide = false;
    if (shape->all_fields && role_is_key(column->role))
        *encoding = *with_all_fields(shape, encoding);
    if (encoding->foreign && column->cells == TABLE_MANY_CELLS)
        return diag_set(diag, ERR_INVALID, 0, 0, "a collection of many cells needs a CQL type");
    if (role_is_key(column->role) &&
        !key_encoding_fits(column->role, encoding, column->declared.bytes != 0))
        return diag_set(diag, ERR_INVALID, 0, 0, "its type cannot be part of a key");
    return OK;
}

/* Encodings, ids (from shape->id_limit for those that have none) and the counts of keys. */
static enum err derive(struct shape *shape, struct diag *diag)
{
    const struct table_definition *definition = &shape->definition;
    bool all_fixed = true;
    for (size_t i = 0; i < definition->column_count; i++) {
        const struct table_column *column = &definition->columns[i];
        const struct encoding *encoding = &shape->encodings[i];
        enum err err = derive_encoding(shape, i, diag);
        if (err) {
            diag_hint(diag, "this is about column %.*s", STR_ARG(column->name));
            return err;
        }
        shape->partition_count += column->role == TABLE_PARTITION_KEY;
        shape->clustering_count += role_rank(column->role) == 1;
        shape->has_static |= column->role == TABLE_STATIC;
        shape->has_many |= column->cells == TABLE_MANY_CELLS;
        if (column->role == TABLE_PARTITION_KEY) {
            all_fixed &= encoding->fixed_bytes != 0;
            shape->partition_bytes += encoding->fixed_bytes;
        }
        if (!role_is_key(column->role) && !shape->ids[i])
            shape->ids[i] = shape->id_limit++;
    }
    index_ids(shape);
    if (shape->partition_count > 1)
        shape->partition_bytes += 3 * shape->partition_count;
    if (!all_fixed)
        shape->partition_bytes = 0;
    if (!definition->append_only && !shape->partition_count)
        return diag_set(diag, ERR_INVALID, 0, 0, "a table that is not append-only needs a key");
    if (shape->has_static && !shape->clustering_count)
        return diag_set(diag, ERR_INVALID, 0, 0,
                        "static columns need a table with clustering columns");
    return OK;
}

/* What keys have as older stores wrote it. */
static unsigned legacy_of(const struct shape *shape)
{
    return (shape->narrow_decimals ? NARROW_DECIMALS : 0) | (shape->all_fields ? ALL_FIELDS : 0);
}

static enum err shape_build(const struct table_definition *definition, const uint32_t *ids,
                            size_t id_count, uint32_t id_limit, unsigned legacy, struct diag *diag,
                            struct shape **ret_shape)
{
    TRY(check_definition(definition, diag));
    struct shape *shape = mem_zero(sizeof *shape);
    arena_init(&shape->arena, SIZE_MAX);
    copy_definition(shape, definition);
    size_t count = definition->column_count;
    shape->encodings = arena_array(&shape->arena, count, sizeof *shape->encodings);
    shape->ids = arena_array(&shape->arena, count, sizeof *shape->ids);
    memset(shape->ids, 0, count * sizeof *shape->ids);
    if (id_count)
        memcpy(shape->ids, ids, id_count * sizeof *ids);
    shape->id_limit = id_limit;
    shape->narrow_decimals = legacy & NARROW_DECIMALS;
    shape->all_fields = legacy & ALL_FIELDS;
    enum err err = derive(shape, diag);
    if (err) {
        shape_free(shape);
        return err;
    }
    build_schema(shape);
    *ret_shape = shape;
    return OK;
}

/* ---- columns that were dropped ---- */

void shape_set_dropped(struct shape *shape, const struct shape_dropped *dropped, size_t count)
{
    shape->dropped = arena_array(&shape->arena, count + 1, sizeof *shape->dropped);
    shape->dropped_count = count;
    for (size_t i = 0; i < count; i++) {
        shape->dropped[i] = dropped[i];
        shape->dropped[i].name = arena_str(&shape->arena, dropped[i].name);
        if (dropped[i].id >= shape->id_limit || shape->index_of_id[dropped[i].id] == UINT32_MAX)
            continue;
        if (!shape->until_us) {
            shape->until_us = arena_array(&shape->arena, shape->id_limit, sizeof(int64_t));
            for (uint32_t id = 0; id < shape->id_limit; id++)
                shape->until_us[id] = INT64_MIN;
        }
        shape->until_us[dropped[i].id] = dropped[i].until_us;
    }
}

const struct shape_dropped *shape_find_dropped(const struct shape *shape, struct str name)
{
    for (size_t i = 0; i < shape->dropped_count; i++)
        if (str_equal(shape->dropped[i].name, name))
            return &shape->dropped[i];
    return NULL;
}

enum err shape_new(const struct table_definition *definition, struct diag *diag,
                   struct shape **ret_shape)
{
    return shape_build(definition, NULL, 0, 1, false, diag, ret_shape);
}

void table_column_cql(const struct table_column *column, struct buf *out)
{
    if (!column->declared.bytes)
        encoding_cql(column->type, column->cells != TABLE_MANY_CELLS, out);
    else if (str_equal_nocase(column->declared, STR("string")))
        buf_text(out, "text");
    else
        buf_str_append(out, column->declared);
}

void shape_free(struct shape *shape)
{
    while (shape) {
        struct shape *older = shape->older;
        arena_deinit(&shape->arena);
        mem_free(shape);
        shape = older;
    }
}

size_t shape_column(const struct shape *shape, struct str name)
{
    return type_field(shape->schema, name);
}

/* ---- extending ---- */

static size_t find_column(const struct table_definition *definition, struct str name)
{
    for (size_t i = 0; i < definition->column_count; i++)
        if (str_equal(definition->columns[i].name, name))
            return i;
    for (size_t i = 0; i < definition->column_count; i++)
        if (str_equal_nocase(definition->columns[i].name, name))
            return i;
    return SIZE_MAX;
}

static enum err compare_column(const struct table_column *old, const struct table_column *new,
                               struct diag *diag)
{
    const char *what = NULL;
    if (old->role != new->role)
        what = "role";
    else if (!type_equal(old->type, new->type))
        what = "type";
    else if (!str_equal_nocase(old->declared, new->declared))
        what = "declared type";
    else if (old->cells != new->cells)
        what = "kind of cells";
    if (!what)
        return OK;
    return diag_set(diag, ERR_EXISTS, 0, 0, "the table exists with another %s of column %.*s", what,
                    STR_ARG(old->name));
}

static enum err compare_definitions(const struct table_definition *old,
                                    const struct table_definition *new, struct diag *diag)
{
    if (old->append_only != new->append_only)
        return diag_set(diag, ERR_EXISTS, 0, 0, "the table exists and is %sappend-only",
                        old->append_only ? "" : "not ");
    if (old->ttl_default_s != new->ttl_default_s)
        return diag_set(diag, ERR_EXISTS, 0, 0, "the table exists with a default ttl of %lld s",
                        (long long)old->ttl_default_s);
    for (size_t i = 0; i < old->column_count; i++) {
        size_t at = find_column(new, old->columns[i].name);
        if (at == SIZE_MAX)
            return diag_set(diag, ERR_EXISTS, 0, 0, "the table exists with a column %.*s",
                            STR_ARG(old->columns[i].name));
        TRY(compare_column(&old->columns[i], &new->columns[at], diag));
        if (role_is_key(old->columns[i].role) && at != i)
            return diag_set(diag, ERR_EXISTS, 0, 0, "the table exists with another order of keys");
    }
    for (size_t i = 0; i < new->column_count; i++)
        if (find_column(old, new->columns[i].name) == SIZE_MAX &&
            new->columns[i].role != TABLE_REGULAR)
            return diag_set(diag, ERR_EXISTS, 0, 0,
                            "the table exists and only regular columns can be added, not %.*s",
                            STR_ARG(new->columns[i].name));
    return OK;
}

enum err shape_extend(const struct shape *old, const struct table_definition *definition,
                      struct diag *diag, struct shape **ret_shape)
{
    TRY(compare_definitions(&old->definition, definition, diag));
    size_t old_count = old->definition.column_count;
    if (definition->column_count == old_count) {
        *ret_shape = NULL;
        return OK;
    }
    CLEAN(mem_free_at)
    struct table_column *columns = mem_array(old_count + definition->column_count, sizeof *columns);
    size_t count = 0;
    for (; count < old_count; count++)
        columns[count] = old->definition.columns[count];
    for (size_t i = 0; i < definition->column_count; i++)
        if (find_column(&old->definition, definition->columns[i].name) == SIZE_MAX)
            columns[count++] = definition->columns[i];
    struct table_definition extended = old->definition;
    extended.columns = columns;
    extended.column_count = count;
    TRY(shape_build(&extended, old->ids, old_count, old->id_limit, legacy_of(old), diag,
                    ret_shape));
    shape_set_dropped(*ret_shape, old->dropped, old->dropped_count);
    return OK;
}

enum err shape_change(const struct shape *old, const struct table_definition *definition,
                      const uint32_t *ids, struct diag *diag, struct shape **ret_shape)
{
    TRY(shape_build(definition, ids, definition->column_count, old->id_limit, legacy_of(old), diag,
                    ret_shape));
    shape_set_dropped(*ret_shape, old->dropped, old->dropped_count);
    return OK;
}

/* ---- as bytes ---- */

static void put_str(struct buf *out, struct str s)
{
    buf_uvarint(out, s.bytes);
    buf_str_append(out, s);
}

static struct str get_str(struct reader *r)
{
    return reader_str(r, reader_uvarint(r, 32));
}

static void put_type(struct buf *out, const struct type *type)
{
    buf_u8(out, (uint8_t)type->kind);
    buf_u8(out, type->precision);
    buf_u8(out, type->scale);
    buf_uvarint(out, type->field_count);
    for (uint32_t i = 0; i < type->field_count; i++) {
        put_str(out, type->fields[i].name);
        buf_u8(out, type->fields[i].not_null);
        put_str(out, type->fields[i].comment);
        put_type(out, type->fields[i].type);
    }
}

static const struct type *get_type(struct reader *r, struct arena *arena, int version, int depth)
{
    struct type *type = arena_zero(arena, sizeof *type);
    uint8_t kind = reader_u8(r);
    type->kind = (enum type_kind)kind;
    type->precision = reader_u8(r);
    type->scale = reader_u8(r);
    type->field_count = (uint32_t)reader_uvarint(r, 32);
    if (kind >= TYPE_KIND_COUNT || type->field_count > r->left || depth > TYPE_DEPTH_MAX)
        reader_fail(r, ERR_CORRUPT);
    if (r->err)
        return type;
    struct field *fields = arena_array(arena, type->field_count, sizeof *fields);
    for (uint32_t i = 0; i < type->field_count && !r->err; i++) {
        fields[i] = (struct field){.name = get_str(r), .not_null = reader_u8(r) != 0};
        struct str comment = version > 1 ? get_str(r) : STR_NONE;
        fields[i].comment = comment.bytes ? comment : STR_NONE;
        fields[i].type = get_type(r, arena, version, depth + 1);
    }
    type->fields = fields;
    return type;
}

void shape_encode(const struct shape *shape, struct buf *out)
{
    const struct table_definition *definition = &shape->definition;
    buf_u8(out, shape->dropped_count ? SHAPE_VERSION_DROPPED : SHAPE_VERSION);
    buf_u8(out, (uint8_t)((definition->append_only ? APPEND_ONLY : 0) | legacy_of(shape)));
    buf_varint(out, definition->ttl_default_s);
    put_str(out, definition->keyspace);
    put_str(out, definition->name);
    buf_uvarint(out, shape->id_limit);
    buf_uvarint(out, definition->column_count);
    for (size_t i = 0; i < definition->column_count; i++) {
        put_str(out, definition->columns[i].name);
        put_str(out, definition->columns[i].declared);
        buf_u8(out, (uint8_t)definition->columns[i].role);
        buf_u8(out, (uint8_t)definition->columns[i].cells);
        buf_uvarint(out, shape->ids[i]);
        put_type(out, definition->columns[i].type);
    }
    if (shape->dropped_count)
        buf_uvarint(out, shape->dropped_count);
    for (size_t i = 0; i < shape->dropped_count; i++) {
        put_str(out, shape->dropped[i].name);
        buf_uvarint(out, shape->dropped[i].id);
        buf_u8(out, (uint8_t)shape->dropped[i].cells);
        buf_varint(out, shape->dropped[i].until_us);
    }
}

static enum err decode_dropped(struct reader *r, struct arena *scratch, struct shape *shape)
{
    uint64_t count = reader_uvarint(r, 32);
    if (r->err || count > r->left)
        return ERR_CORRUPT;
    struct shape_dropped *dropped = arena_array(scratch, count + 1, sizeof *dropped);
    for (size_t i = 0; i < count; i++) {
        dropped[i].name = get_str(r);
        dropped[i].id = (uint32_t)reader_uvarint(r, 32);
        uint8_t cells = reader_u8(r);
        dropped[i].cells = (enum table_column_cells)cells;
        dropped[i].until_us = reader_varint(r, 64);
        if (r->err || cells > TABLE_COUNTER || dropped[i].id >= shape->id_limit)
            return ERR_CORRUPT;
    }
    shape_set_dropped(shape, dropped, count);
    return OK;
}

static enum err decode_columns(struct reader *r, int version, unsigned legacy,
                               struct table_definition *definition, struct arena *scratch,
                               struct shape **ret_shape)
{
    uint64_t id_limit = version > 1 ? reader_uvarint(r, 32) : 1;
    uint64_t count = reader_uvarint(r, 32);
    if (r->err || count > COLUMNS_MAX || !id_limit || id_limit > IDS_MAX)
        return ERR_CORRUPT;
    struct table_column *columns = arena_array(scratch, count, sizeof *columns);
    uint32_t *ids = arena_array(scratch, count, sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        columns[i].name = get_str(r);
        columns[i].declared = get_str(r);
        uint8_t role = reader_u8(r), cells = version > 1 ? reader_u8(r) : TABLE_ONE_CELL;
        columns[i].role = (enum table_column_role)role;
        columns[i].cells = (enum table_column_cells)cells;
        ids[i] = (uint32_t)reader_uvarint(r, 32);
        columns[i].type = get_type(r, scratch, version, 0);
        if (r->err || role > TABLE_STATIC || cells > TABLE_COUNTER || ids[i] >= IDS_MAX ||
            (version > 1 && ids[i] >= id_limit))
            return ERR_CORRUPT;
        if (ids[i] >= id_limit)
            id_limit = ids[i] + 1;
    }
    definition->columns = columns;
    definition->column_count = count;
    struct shape *shape = NULL;
    if (shape_build(definition, ids, count, (uint32_t)id_limit, legacy, NULL, &shape) != OK)
        return ERR_CORRUPT;
    if (version >= SHAPE_VERSION_DROPPED && decode_dropped(r, scratch, shape) != OK) {
        shape_free(shape);
        return ERR_CORRUPT;
    }
    *ret_shape = shape;
    return OK;
}

enum err shape_decode(struct str bytes, struct shape **ret_shape)
{
    struct reader r = reader_of(bytes.ptr, bytes.bytes);
    struct table_definition definition = {0};
    uint8_t version = reader_u8(&r), flags = reader_u8(&r);
    if (version < 1 || version > SHAPE_VERSION_DROPPED ||
        flags & ~(APPEND_ONLY | NARROW_DECIMALS | ALL_FIELDS))
        return ERR_CORRUPT;
    definition.append_only = flags & APPEND_ONLY;
    definition.ttl_default_s = reader_varint(&r, 64);
    definition.keyspace = get_str(&r);
    definition.name = get_str(&r);
    if (r.err)
        return ERR_CORRUPT;
    struct arena scratch;
    arena_init(&scratch, SIZE_MAX);
    unsigned legacy = (flags & (NARROW_DECIMALS | ALL_FIELDS)) |
                      (version == 1 ? NARROW_DECIMALS : 0u) | (version < 3 ? ALL_FIELDS : 0u);
    enum err err = decode_columns(&r, version, legacy, &definition, &scratch, ret_shape);
    arena_deinit(&scratch);
    if (!err)
        (*ret_shape)->from_version_1 = version == 1;
    return err;
}
