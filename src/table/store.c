/* SPDX-License-Identifier: MIT */
/*
 * The store: opening a backend, the catalogue of tables, state beside the rows, and care.
 *
 *   key                              value
 *   u8 0, "version"                  u8 2: the format of the store; 1 can be read and becomes 2
 *   u8 0, "next"                     u32: the next table's id
 *   u8 0, "heads", u32 table id      u8 1: partitions of the table may have heads
 *   u8 0, "fedby", u32 table id      u8 1: column batches were written to the table
 *   u8 1, keyspace, 0, name          u32 id, then a shape (shape.c)
 *   u8 2, state key                  state
 *   u8 3, ...                        rows (key.c, cell.c)
 *
 * Invariants
 * 1. The catalogue in memory is that on disk: it is changed behind a durable commit.
 * 2. A table's id is never used again, so what a late batch writes to a dropped table is never
 *    seen in another.
 * 3. struct table lives until the store is closed, dropped or not.
 */
#include "table/store.h"

#include "base/endian.h"
#include "base/mem.h"
#include "table/ops.h"

#include <stdlib.h>

#define VERSION_KEY STR("\0version")
#define NEXT_KEY STR("\0next")
enum {
    STORE_VERSION = 2,
    CACHE_DEFAULT = 32 << 20,
    ROW_CACHE_DEFAULT = 64 << 20,
    MEMTABLE_DEFAULT = 32 << 20
};

static int64_t wall_us(void *owner)
{
    return io_wall_us(owner);
}

/* ---- the catalogue ---- */

static void put_name(struct buf *out, struct str keyspace, struct str name)
{
    buf_str_append(out, keyspace);
    buf_u8(out, 0);
    buf_str_append(out, name);
}

void store_heads_key(uint32_t table_id, uint8_t ret_key[STORE_HEADS_KEY_BYTES])
{
    memcpy(ret_key, "\0heads", 6);
    put_be32(ret_key + 6, table_id);
}

void store_fed_key(uint32_t table_id, uint8_t ret_key[STORE_HEADS_KEY_BYTES])
{
    memcpy(ret_key, "\0fedby", 6);
    put_be32(ret_key + 6, table_id);
}

static enum err load_mark(struct table_store *store, const uint8_t *key, bool *ret_there)
{
    CLEAN(buf_deinit) struct buf value = {0};
    enum err err = store->backend->ops->get(store->backend, NULL,
                                            str_from(key, STORE_HEADS_KEY_BYTES), &value);
    *ret_there = err == OK;
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err load_marks(struct table_store *store, struct table *table)
{
    uint8_t key[STORE_HEADS_KEY_BYTES];
    store_heads_key(table->id, key);
    TRY(load_mark(store, key, &table->has_heads));
    if (table->shape->from_version_1 && table->shape->clustering_count)
        table->has_heads = true;
    store_fed_key(table->id, key);
    TRY(load_mark(store, key, &table->fed));
    /* Before there was the mark, column batches were all that was written. */
    table->fed |= table->shape->from_version_1;
    return OK;
}

bool table_is_fed(const struct table *table)
{
    return __atomic_load_n(&table->fed, __ATOMIC_ACQUIRE);
}

static struct table *add_table(struct table_store *store, uint32_t id, struct shape *shape)
{
    struct table *table = mem_zero(sizeof *table);
    table->store = store;
    table->id = id;
    table->shape = shape;
    store->tables = mem_realloc_array(store->tables, store->table_count + 1, sizeof *store->tables);
    store->tables[store->table_count++] = table;
    struct buf name = {0};
    put_name(&name, shape->definition.keyspace, shape->definition.name);
    map_set(&store->by_name, buf_str(&name), table);
    buf_deinit(&name);
    return table;
}

static enum err load_number(struct table_store *store, struct str key, size_t bytes,
                            uint32_t *ret_number)
{
    struct buf value = {0};
    enum err err = store->backend->ops->get(store->backend, NULL, key, &value);
    if (!err && value.bytes != bytes)
        err = ERR_CORRUPT;
    if (!err)
        *ret_number = bytes == 1 ? value.ptr[0] : get_be32(value.ptr);
    buf_deinit(&value);
    return err;
}

static enum err load_tables(struct table_store *store)
{
    const struct backend_ops *ops = store->backend->ops;
    void *snapshot = ops->snapshot_new(store->backend);
    if (!snapshot)
        return ERR_DISK_FULL;
    struct cursor *cursor = ops->cursor_open(store->backend, snapshot, STR("\1"), STR("\2"), 0);
    enum err err = OK;
    for (; cursor->valid && !err; ops->cursor_next(cursor)) {
        struct shape *shape;
        if (cursor->value.bytes < 4) {
            err = ERR_CORRUPT;
            break;
        }
        err = shape_decode(str_slice(cursor->value, 4, cursor->value.bytes), &shape);
        if (!err)
            err = load_marks(store, add_table(store, get_be32(cursor->value.ptr), shape));
    }
    if (!err)
        err = cursor->err;
    ops->cursor_close(cursor);
    ops->snapshot_free(store->backend, snapshot);
    return err;
}

static enum err load(struct table_store *store, struct diag *diag)
{
    uint32_t version;
    enum err err = load_number(store, VERSION_KEY, 1, &version);
    if (err == ERR_NOT_FOUND)
        return OK; /* a new store: the version comes with the first table */
    TRY(err);
    if (version < 1 || version > STORE_VERSION)
        return diag_set(diag, ERR_UNSUPPORTED, 0, 0,
                        "the table store has format %u, this program reads up to %d", version,
                        STORE_VERSION);
    TRY(load_number(store, NEXT_KEY, 4, &store->next_id));
    return load_tables(store);
}

enum err store_save_table(struct table_store *store, uint32_t id, const struct shape *shape,
                          bool has_heads)
{
    struct buf ops = {0}, key = {0}, value = {0};
    ops_reset(&ops);
    uint8_t next[4], version = STORE_VERSION;
    put_be32(next, store->next_id > id ? store->next_id : id + 1);
    ops_add(&ops, OP_PUT, VERSION_KEY, str_from(&version, 1));
    ops_add(&ops, OP_PUT, NEXT_KEY, str_from(next, sizeof next));
    /* A table of version 1 may have heads that nobody noted. */
    uint8_t heads[STORE_HEADS_KEY_BYTES], one = 1;
    store_heads_key(id, heads);
    if (has_heads)
        ops_add(&ops, OP_PUT, str_from(heads, sizeof heads), str_from(&one, 1));
    buf_u8(&key, KEY_TABLE);
    put_name(&key, shape->definition.keyspace, shape->definition.name);
    buf_be32(&value, id);
    shape_encode(shape, &value);
    ops_add(&ops, OP_PUT, buf_str(&key), buf_str(&value));
    enum err err = buf_error(&ops);
    if (!err)
        err = store->backend->ops->commit(store->backend, buf_str(&ops), true);
    buf_deinit(&ops);
    buf_deinit(&key);
    buf_deinit(&value);
    return err;
}

static struct table *find_locked(struct table_store *store, struct str keyspace, struct str name)
{
    struct buf key = {0};
    put_name(&key, keyspace, name);
    struct table *table = map_get(&store->by_name, buf_str(&key));
    buf_deinit(&key);
    return table;
}

static enum err create_locked(struct table_store *store, const struct table_definition *definition,
                              struct diag *diag, struct table **ret_table)
{
    struct table *table = find_locked(store, definition->keyspace, definition->name);
    struct shape *shape = NULL;
    if (!table) {
        TRY(shape_new(definition, diag, &shape));
        enum err err = store_save_table(store, store->next_id, shape, false);
        if (err) {
            shape_free(shape);
            return err;
        }
        *ret_table = add_table(store, store->next_id++, shape);
        return OK;
    }
    struct shape *old = table->shape;
    TRY(shape_extend(old, definition, diag, &shape));
    if (shape) {
        enum err err = store_save_table(store, table->id, shape, table_has_heads(table));
        if (err) {
            shape_free(shape);
            return err;
        }
        shape->older = old;
        __atomic_store_n(&table->shape, shape, __ATOMIC_RELEASE);
    }
    *ret_table = table;
    return OK;
}

enum err table_create(struct table_store *store, const struct table_definition *definition,
                      struct diag *diag, struct table **ret_table)
{
    io_mutex_lock(&store->mutex);
    enum err err = create_locked(store, definition, diag, ret_table);
    io_mutex_unlock(&store->mutex);
    return err;
}

struct table *table_find(struct table_store *store, struct str keyspace, struct str name)
{
    io_mutex_lock(&store->mutex);
    struct table *table = find_locked(store, keyspace, name);
    io_mutex_unlock(&store->mutex);
    return table;
}

/* The keys from..to that hold all rows of a table. */
static void row_range(const struct table *table, uint8_t from[KEY_PREFIX_BYTES],
                      uint8_t to[KEY_PREFIX_BYTES])
{
    key_put_prefix(from, table->id);
    key_put_prefix(to, table->id + 1);
}

static enum err remove_rows(struct table *table, struct str catalogue_key)
{
    uint8_t from[KEY_PREFIX_BYTES], to[KEY_PREFIX_BYTES];
    row_range(table, from, to);
    struct buf ops = {0};
    ops_reset(&ops);
    if (catalogue_key.bytes) {
        uint8_t heads[STORE_HEADS_KEY_BYTES];
        store_heads_key(table->id, heads);
        ops_add(&ops, OP_DELETE, catalogue_key, STR_NONE);
        ops_add(&ops, OP_DELETE, str_from(heads, sizeof heads), STR_NONE);
        store_fed_key(table->id, heads);
        ops_add(&ops, OP_DELETE, str_from(heads, sizeof heads), STR_NONE);
    }
    ops_add(&ops, OP_DELETE_RANGE, str_from(from, sizeof from), str_from(to, sizeof to));
    struct backend *backend = table->store->backend;
    enum err err = backend->ops->commit(backend, buf_str(&ops), true);
    buf_deinit(&ops);
    return err;
}

enum err table_drop(struct table_store *store, struct str keyspace, struct str name)
{
    struct buf key = {0};
    buf_u8(&key, KEY_TABLE);
    put_name(&key, keyspace, name);
    io_mutex_lock(&store->mutex);
    struct table *table = find_locked(store, keyspace, name);
    enum err err = table ? remove_rows(table, buf_str(&key)) : ERR_NOT_FOUND;
    if (!err) {
        map_remove(&store->by_name, str_slice(buf_str(&key), 1, key.bytes));
        __atomic_store_n(&table->dropped, true, __ATOMIC_RELEASE);
    }
    io_mutex_unlock(&store->mutex);
    buf_deinit(&key);
    return err;
}

enum err table_truncate(struct table_store *store, struct table *table)
{
    if (table_is_dropped(table))
        return ERR_NOT_FOUND;
    return remove_rows(table, STR_NONE);
}

static int compare_tables(const void *a, const void *b)
{
    const struct table_definition *one = table_definition(*(struct table *const *)a);
    const struct table_definition *two = table_definition(*(struct table *const *)b);
    int order = str_compare(one->keyspace, two->keyspace);
    return order ? order : str_compare(one->name, two->name);
}

size_t table_list(struct table_store *store, struct table ***ret_tables)
{
    io_mutex_lock(&store->mutex);
    struct table **tables = mem_array(store->table_count + 1, sizeof *tables);
    size_t count = 0;
    for (size_t i = 0; i < store->table_count; i++)
        if (!table_is_dropped(store->tables[i]))
            tables[count++] = store->tables[i];
    io_mutex_unlock(&store->mutex);
    if (count)
        qsort(tables, count, sizeof *tables, compare_tables);
    *ret_tables = tables;
    return count;
}

const struct table_definition *table_definition(const struct table *table)
{
    return &table_shape(table)->definition;
}

const struct type *table_schema(const struct table *table)
{
    return table_shape(table)->schema;
}

void table_stats(struct table *table, struct table_stats *ret_stats)
{
    uint8_t from[KEY_PREFIX_BYTES], to[KEY_PREFIX_BYTES];
    row_range(table, from, to);
    struct backend *backend = table->store->backend;
    backend->ops->range_stats(backend, str_from(from, sizeof from), str_from(to, sizeof to),
                              ret_stats);
}

/* ---- state ---- */

enum err table_state_get(struct table_store *store, struct str key, struct buf *out)
{
    struct buf full = {0};
    buf_u8(&full, KEY_STATE);
    buf_str_append(&full, key);
    enum err err = store->backend->ops->get(store->backend, NULL, buf_str(&full), out);
    buf_deinit(&full);
    return err;
}

/* The first key behind all that start with prefix, in place; a prefix starts with KEY_STATE. */
static void prefix_end(struct buf *prefix)
{
    while (prefix->ptr[prefix->bytes - 1] == 0xFF)
        buf_truncate(prefix, prefix->bytes - 1);
    prefix->ptr[prefix->bytes - 1]++;
}

enum err table_state_each(struct table_store *store, struct str prefix,
                          bool (*found)(void *owner, struct str key, struct str value), void *owner)
{
    const struct backend_ops *ops = store->backend->ops;
    void *snapshot = ops->snapshot_new(store->backend);
    if (!snapshot)
        return ERR_DISK_FULL;
    struct buf from = {0}, to = {0};
    buf_u8(&from, KEY_STATE);
    buf_str_append(&from, prefix);
    buf_str_append(&to, buf_str(&from));
    prefix_end(&to);
    struct cursor *cursor =
        ops->cursor_open(store->backend, snapshot, buf_str(&from), buf_str(&to), 0);
    while (cursor->valid &&
           found(owner, str_slice(cursor->key, 1, cursor->key.bytes), cursor->value))
        ops->cursor_next(cursor);
    enum err err = cursor->err;
    ops->cursor_close(cursor);
    ops->snapshot_free(store->backend, snapshot);
    buf_deinit(&from);
    buf_deinit(&to);
    return err;
}

/* ---- opening, closing, care ---- */

static enum err open_backend(struct table_store *store, const char *dir,
                             const struct table_store_options *options, struct diag *diag)
{
    if (options->memory) {
        store->backend = memory_open();
        return OK;
    }
    struct backend_options settings = {
        .io = store->io,
        .dir = dir,
        .disk = options->disk,
        .read_only = options->read_only,
        .cache_bytes = options->cache_bytes ? options->cache_bytes : CACHE_DEFAULT,
        .row_cache_bytes = options->row_cache_bytes ? options->row_cache_bytes : ROW_CACHE_DEFAULT,
        .memtable_bytes = options->memtable_bytes ? options->memtable_bytes : MEMTABLE_DEFAULT,
        .now_us = store->now_us,
        .now_owner = store->now_owner,
    };
    return rocks_open(&settings, diag, &store->backend);
}

enum err table_store_open(struct io *io, const char *dir, const struct table_store_options *options,
                          struct diag *diag, struct table_store **ret_store)
{
    static const struct table_store_options defaults;
    if (!options)
        options = &defaults;
    struct table_store *store = mem_zero(sizeof *store);
    store->io = io;
    store->read_only = options->read_only;
    store->now_us = options->now_us ? options->now_us : wall_us;
    store->now_owner = options->now_us ? options->now_owner : io;
    store->next_id = 1;
    io_mutex_init(&store->mutex);
    enum err err = open_backend(store, dir, options, diag);
    if (!err)
        err = load(store, diag);
    if (!err)
        store->commits = commits_new(store);
    if (err) {
        table_store_close(store);
        return diag_set(diag, err, 0, 0, "the table store %s cannot be read: %s", dir,
                        err_text(err));
    }
    *ret_store = store;
    return OK;
}

void table_store_close(struct table_store *store)
{
    if (!store)
        return;
    commits_free(store->commits);
    if (store->backend)
        store->backend->ops->close(store->backend);
    for (size_t i = 0; i < store->table_count; i++) {
        shape_free(store->tables[i]->shape);
        mem_free(store->tables[i]);
    }
    mem_free(store->tables);
    map_deinit(&store->by_name);
    io_mutex_deinit(&store->mutex);
    mem_free(store);
}

enum err table_store_health(struct table_store *store)
{
    return store->backend->ops->health(store->backend);
}

enum err table_checkpoint(struct table_store *store, const char *dir)
{
    return store->backend->ops->checkpoint(store->backend, dir);
}

enum err table_flush(struct table_store *store)
{
    return store->backend->ops->flush(store->backend);
}

enum err table_compact(struct table_store *store)
{
    return store->backend->ops->compact(store->backend);
}
