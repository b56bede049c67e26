/* SPDX-License-Identifier: MIT */
/*
 * Bytes of the catalogue's records. Each is u8 1, the format, and fields: strings are uvarint
 * length and bytes, an absent one has the length 2^32 - 1; counts are uvarints; numbers are
 * varints. An option is its name, u8 0 and a string or u8 1 and a count of strings, name and value
 * in turn. A table's record ends with u8 1 when it has COMPACT STORAGE, else with nothing.
 *
 * A prepared statement has another form: u16 bytes of the keyspace, keyspace, text; or with the
 * highest bit of the u16 set, and behind it u8 flags and two ids of 16 bytes.
 */
#include "serve/cql/record.h"

enum { FORMAT = 1, ITEMS_MAX = 1 << 20 };

/* ---- writing ---- */

static void put_str(struct buf *out, struct str s)
{
    buf_uvarint(out, s.ptr ? s.bytes : UINT32_MAX);
    buf_str_append(out, s);
}

static void put_options(struct buf *out, const struct cql_option *options, size_t count)
{
    buf_uvarint(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct cql_term *value = options[i].value;
        bool many = value->kind == TERM_MAP || value->kind == TERM_SET;
        put_str(out, options[i].name);
        buf_u8(out, many);
        if (!many) {
            put_str(out, value->text);
            continue;
        }
        buf_uvarint(out, value->count);
        for (size_t k = 0; k < value->count; k++)
            put_str(out, value->items[k]->text);
    }
}

void keyspace_record_encode(const struct cql_keyspace *keyspace, struct buf *out)
{
    buf_u8(out, FORMAT);
    put_str(out, keyspace->name);
    buf_u8(out, keyspace->durable_writes);
    put_options(out, keyspace->replication, keyspace->replication_count);
}

void type_record_encode(const struct type_record *record, struct buf *out)
{
    buf_u8(out, FORMAT);
    put_str(out, record->keyspace);
    put_str(out, record->name);
    buf_uvarint(out, record->count);
    for (size_t i = 0; i < record->count; i++) {
        put_str(out, record->field_names[i]);
        put_str(out, record->field_types[i]);
    }
}

void table_record_encode(const struct table_record *record, struct buf *out)
{
    buf_u8(out, FORMAT);
    put_str(out, record->keyspace);
    put_str(out, record->name);
    buf_append(out, record->id, sizeof(record->id));
    put_options(out, record->options, record->option_count);
    buf_uvarint(out, record->dropped_count);
    for (size_t i = 0; i < record->dropped_count; i++) {
        const struct dropped_column *column = &record->dropped[i];
        put_str(out, column->name);
        put_str(out, column->type);
        buf_varint(out, column->time_us);
        buf_u8(out, column->is_static);
    }
    buf_uvarint(out, record->index_count);
    for (size_t i = 0; i < record->index_count; i++) {
        const struct index_record *index = &record->indexes[i];
        put_str(out, index->name);
        put_str(out, index->column);
        put_str(out, index->target);
        put_str(out, index->custom_class);
        put_options(out, index->options, index->option_count);
        buf_u8(out, index->built);
    }
    if (record->compact)
        buf_u8(out, 1);
}

void role_record_encode(const struct role_record *record, struct buf *out)
{
    buf_u8(out, FORMAT);
    put_str(out, record->name);
    put_str(out, record->hash);
    buf_u8(out, (uint8_t)(record->login + record->superuser * 2));
    buf_uvarint(out, record->member_count);
    for (size_t i = 0; i < record->member_count; i++)
        put_str(out, record->member_of[i]);
    put_options(out, record->options, record->option_count);
}

/* ---- reading ---- */

static struct str get_str(struct reader *r, struct arena *arena)
{
    uint64_t bytes = reader_uvarint(r, 64);
    if (bytes == UINT32_MAX || r->err)
        return STR_NONE;
    struct str s = reader_str(r, bytes);
    return r->err ? STR_NONE : arena_str(arena, s);
}

/* A count of things that take at least a byte each. */
static size_t get_count(struct reader *r)
{
    uint64_t count = reader_uvarint(r, 64);
    if (count > r->left || count > ITEMS_MAX)
        reader_fail(r, ERR_CORRUPT);
    return r->err ? 0 : count;
}

static struct cql_term *string_term(struct arena *arena, struct str text)
{
    struct cql_term *term = arena_zero(arena, sizeof(*term));
    term->kind = TERM_STRING;
    term->text = text;
    return term;
}

static struct cql_option *get_options(struct reader *r, struct arena *arena, size_t *ret_count)
{
    size_t count = get_count(r);
    struct cql_option *options = arena_array(arena, count + 1, sizeof(*options));
    for (size_t i = 0; i < count; i++) {
        options[i].name = get_str(r, arena);
        bool many = reader_u8(r) == 1;
        if (!many) {
            options[i].value = string_term(arena, get_str(r, arena));
            continue;
        }
        struct cql_term *map = string_term(arena, STR_NONE);
        map->kind = TERM_MAP;
        map->count = get_count(r);
        map->items = arena_array(arena, map->count + 1, sizeof(struct cql_term *));
        for (size_t k = 0; k < map->count; k++)
            map->items[k] = string_term(arena, get_str(r, arena));
        options[i].value = map;
    }
    *ret_count = count;
    return options;
}

/* ERR_CORRUPT unless all was read. */
static enum err done(const struct reader *r)
{
    return r->err || r->left ? ERR_CORRUPT : OK;
}

static struct reader begin(struct str bytes)
{
    struct reader r = reader_of(bytes.ptr, bytes.bytes);
    if (reader_u8(&r) != FORMAT)
        reader_fail(&r, ERR_CORRUPT);
    return r;
}

enum err keyspace_record_decode(struct arena *arena, struct str bytes,
                                struct cql_keyspace *ret_keyspace)
{
    struct reader r = begin(bytes);
    struct cql_keyspace keyspace = {.system = false};
    keyspace.name = get_str(&r, arena);
    keyspace.durable_writes = reader_u8(&r);
    keyspace.replication = get_options(&r, arena, &keyspace.replication_count);
    TRY(done(&r));
    *ret_keyspace = keyspace;
    return OK;
}

enum err type_record_decode(struct arena *arena, struct str bytes, struct type_record *ret_record)
{
    struct reader r = begin(bytes);
    struct type_record record = {.count = 0};
    record.keyspace = get_str(&r, arena);
    record.name = get_str(&r, arena);
    record.count = get_count(&r);
    record.field_names = arena_array(arena, record.count + 1, sizeof(struct str));
    record.field_types = arena_array(arena, record.count + 1, sizeof(struct str));
    for (size_t i = 0; i < record.count; i++) {
        record.field_names[i] = get_str(&r, arena);
        record.field_types[i] = get_str(&r, arena);
    }
    TRY(done(&r));
    *ret_record = record;
    return OK;
}

static void get_indexes(struct reader *r, struct arena *arena, struct table_record *record)
{
    record->index_count = get_count(r);
    record->indexes = arena_array(arena, record->index_count + 1, sizeof(*record->indexes));
    for (size_t i = 0; i < record->index_count; i++) {
        struct index_record *index = &record->indexes[i];
        index->name = get_str(r, arena);
        index->column = get_str(r, arena);
        index->target = get_str(r, arena);
        index->custom_class = get_str(r, arena);
        index->options = get_options(r, arena, &index->option_count);
        index->built = reader_u8(r) == 1;
    }
}

enum err table_record_decode(struct arena *arena, struct str bytes, struct table_record *ret_record)
{
    struct reader r = begin(bytes);
    struct table_record record = {.option_count = 0};
    record.keyspace = get_str(&r, arena);
    record.name = get_str(&r, arena);
    const uint8_t *id = reader_take(&r, sizeof(record.id));
    if (id)
        memcpy(record.id, id, sizeof(record.id));
    record.options = get_options(&r, arena, &record.option_count);
    record.dropped_count = get_count(&r);
    record.dropped = arena_array(arena, record.dropped_count + 1, sizeof(*record.dropped));
    for (size_t i = 0; i < record.dropped_count; i++) {
        struct dropped_column *column = &record.dropped[i];
        column->name = get_str(&r, arena);
        column->type = get_str(&r, arena);
        column->time_us = reader_varint(&r, 64);
        column->is_static = reader_u8(&r) == 1;
    }
    get_indexes(&r, arena, &record);
    record.compact = r.left && reader_u8(&r) == 1;
    TRY(done(&r));
    *ret_record = record;
    return OK;
}

enum err role_record_decode(struct arena *arena, struct str bytes, struct role_record *ret_record)
{
    struct reader r = begin(bytes);
    struct role_record record = {.member_count = 0};
    record.name = get_str(&r, arena);
    record.hash = get_str(&r, arena);
    uint8_t flags = reader_u8(&r);
    record.login = flags & 1;
    record.superuser = flags & 2;
    record.member_count = get_count(&r);
    record.member_of = arena_array(arena, record.member_count + 1, sizeof(struct str));
    for (size_t i = 0; i < record.member_count; i++)
        record.member_of[i] = get_str(&r, arena);
    record.options = get_options(&r, arena, &record.option_count);
    TRY(done(&r));
    *ret_record = record;
    return OK;
}

/* ---- prepared statements ---- */

enum { PREPARED_IDS = 0x8000 };

static void copy_id(struct reader *r, uint8_t id[16])
{
    struct str bytes = reader_str(r, 16);
    if (r->err == OK)
        memcpy(id, bytes.ptr, 16);
}

void prepared_record_encode(const struct prepared_record *record, struct buf *out)
{
    buf_be16(out, (uint16_t)(record->keyspace.bytes | (record->known ? PREPARED_IDS : 0)));
    if (record->known) {
        buf_u8(out, record->flags);
        buf_append(out, record->result_id, sizeof record->result_id);
        buf_append(out, record->about, sizeof record->about);
    }
    buf_str_append(out, record->keyspace);
    buf_str_append(out, record->text);
}

enum err prepared_record_decode(struct str bytes, struct prepared_record *ret_record)
{
    struct prepared_record record = {0};
    struct reader r = reader_of(bytes.ptr, bytes.bytes);
    uint16_t head = reader_be16(&r);
    record.known = head & PREPARED_IDS;
    if (record.known) {
        record.flags = reader_u8(&r);
        copy_id(&r, record.result_id);
        copy_id(&r, record.about);
    }
    record.keyspace = reader_str(&r, head & ~PREPARED_IDS);
    if (r.err != OK)
        return ERR_CORRUPT;
    if (!record.keyspace.bytes)
        record.keyspace = STR_NONE;
    record.text = str_from(r.ptr, r.left);
    *ret_record = record;
    return OK;
}

/* ---- options ---- */

struct cql_option *options_copy(struct arena *arena, const struct cql_option *options, size_t count)
{
    struct cql_option *copy = arena_array(arena, count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        const struct cql_term *from = options[i].value;
        bool many = from->kind == TERM_MAP || from->kind == TERM_SET;
        struct cql_term *to = string_term(arena, arena_str(arena, from->text));
        to->kind = many ? TERM_MAP : TERM_STRING;
        to->count = many ? from->count : 0;
        to->items = arena_array(arena, to->count + 1, sizeof(struct cql_term *));
        for (size_t k = 0; k < to->count; k++)
            to->items[k] = string_term(arena, arena_str(arena, from->items[k]->text));
        copy[i] = (struct cql_option){arena_str(arena, options[i].name), to};
    }
    return copy;
}

const struct cql_option *option_find(const struct cql_option *options, size_t count,
                                     const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(options[i].name, str_of(name)))
            return &options[i];
    return NULL;
}

struct str option_map_get(const struct cql_option *option, const char *key)
{
    if (option->value->kind != TERM_MAP)
        return STR_NONE;
    for (size_t i = 0; i + 1 < option->value->count; i += 2)
        if (str_equal(option->value->items[i]->text, str_of(key)))
            return option->value->items[i + 1]->text;
    return STR_NONE;
}
