/* SPDX-License-Identifier: MIT */
/*
 * Definitions that change: each change makes a new shape of the table, which is written to the
 * catalogue and then takes the place of the old one; who still looks at that goes on to.
 *
 * Invariants
 * 1. The ids of columns only rise with their places: new columns come last, and one that gets its
 *    old id back comes to its old place.
 * 2. A dropped column's id stays below the record's limit of ids, so that it is given to no other;
 *    its cells stay where they are and belong to no column any more. Where the time of the drop was
 *    said, a column of the same name that is added later gets the id again, and cells up to that
 *    time are passed over by whoever reads.
 */
#include "base/mem.h"
#include "table/cells.h"
#include "table/store.h"

/* The definition under change: copies of the columns, with their ids (0 = a new one). */
struct change {
    struct table_definition definition;
    struct table_column *columns;
    uint32_t *ids;
    size_t count;
    const struct shape *shape;
    struct shape_dropped dropped; /* id 0 = none is */
};

static void change_begin(struct change *change, const struct shape *shape, size_t more)
{
    change->definition = shape->definition;
    change->shape = shape;
    change->dropped = (struct shape_dropped){.id = 0};
    change->count = shape->definition.column_count;
    change->columns = mem_array(change->count + more + 1, sizeof *change->columns);
    change->ids = mem_array(change->count + more + 1, sizeof *change->ids);
    for (size_t i = 0; i < change->count; i++) {
        change->columns[i] = shape->definition.columns[i];
        change->ids[i] = shape->ids[i];
    }
}

static void change_end(struct change *change)
{
    mem_free(change->columns);
    mem_free(change->ids);
}

/* Instead of what was dropped under the name before. */
static void note_dropped(struct shape *shape, const struct shape_dropped *dropped)
{
    struct shape_dropped *list = mem_array(shape->dropped_count + 1, sizeof *list);
    size_t count = 0;
    for (size_t i = 0; i < shape->dropped_count; i++)
        if (!str_equal(shape->dropped[i].name, dropped->name))
            list[count++] = shape->dropped[i];
    list[count++] = *dropped;
    shape_set_dropped(shape, list, count);
    mem_free(list);
}

/* Durable and seen by all when it returns. With the mutex. */
static enum err change_apply(struct change *change, struct table_store *store, struct table *table)
{
    struct shape *old = table->shape, *shape;
    change->definition.columns = change->columns;
    change->definition.column_count = change->count;
    TRY(shape_change(old, &change->definition, change->ids, NULL, &shape));
    if (change->dropped.id)
        note_dropped(shape, &change->dropped);
    enum err err = store_save_table(store, table->id, shape, table_has_heads(table));
    if (err) {
        shape_free(shape);
        return err;
    }
    shape->older = old;
    __atomic_store_n(&table->shape, shape, __ATOMIC_RELEASE);
    return OK;
}

static size_t find(const struct change *change, struct str name)
{
    for (size_t i = 0; i < change->count; i++)
        if (str_equal(change->columns[i].name, name))
            return i;
    return SIZE_MAX;
}

/* What is asked for; done edits the copies. */
struct wish {
    enum err (*edit)(const struct wish *wish, struct change *change);
    const struct table_column *columns;
    size_t column_count;
    struct str name, new_name;
    int64_t until_us; /* INT64_MAX: nothing comes again */
    int64_t ttl_default_s;
    const struct type *type;
    struct str declared;
};

static enum err fulfil(struct table_store *store, struct table *table, const struct wish *wish)
{
    if (store->read_only)
        return ERR_DENIED;
    struct change change;
    io_mutex_lock(&store->mutex);
    change_begin(&change, table->shape, wish->column_count);
    enum err err = table_is_dropped(table) ? ERR_NOT_FOUND : wish->edit(wish, &change);
    if (!err)
        err = change_apply(&change, store, table);
    io_mutex_unlock(&store->mutex);
    change_end(&change);
    return err;
}

static size_t keys_of(const struct change *change)
{
    return change->shape->partition_count + change->shape->clustering_count;
}

static bool id_is_used(const struct change *change, uint32_t id)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->ids[i] == id)
            return true;
    return false;
}

/* At the end with a new id, or where its old id belongs. */
static void put_column(struct change *change, const struct table_column *column)
{
    const struct shape_dropped *before = shape_find_dropped(change->shape, column->name);
    size_t at = change->count;
    uint32_t id = 0;
    if (before && before->cells == column->cells && !id_is_used(change, before->id))
        id = before->id;
    for (; id && at > 0 && (!change->ids[at - 1] ? at > keys_of(change) : change->ids[at - 1] > id);
         at--) {
        change->columns[at] = change->columns[at - 1];
        change->ids[at] = change->ids[at - 1];
    }
    change->columns[at] = *column;
    change->ids[at] = id;
    change->count++;
}

static enum err add(const struct wish *wish, struct change *change)
{
    for (size_t i = 0; i < wish->column_count; i++) {
        enum table_column_role role = wish->columns[i].role;
        if (role != TABLE_REGULAR && role != TABLE_STATIC)
            return ERR_INVALID;
        if (find(change, wish->columns[i].name) != SIZE_MAX)
            return ERR_EXISTS;
        put_column(change, &wish->columns[i]);
    }
    return OK;
}

static enum err drop(const struct wish *wish, struct change *change)
{
    size_t at = find(change, wish->name);
    if (at == SIZE_MAX)
        return ERR_NOT_FOUND;
    if (!change->ids[at])
        return ERR_INVALID; /* a key */
    const struct shape_dropped *before = shape_find_dropped(change->shape, wish->name);
    /* Bytes that are not those of the type's name would be read wrongly by who adds it again. */
    if (wish->until_us != INT64_MAX && !change->shape->encodings[at].foreign)
        change->dropped = (struct shape_dropped){.name = wish->name,
                                                 .id = change->ids[at],
                                                 .cells = change->columns[at].cells,
                                                 .until_us = wish->until_us};
    if (change->dropped.id && before && before->id == change->dropped.id &&
        before->until_us > wish->until_us)
        change->dropped.until_us = before->until_us;
    for (change->count--; at < change->count; at++) {
        change->columns[at] = change->columns[at + 1];
        change->ids[at] = change->ids[at + 1];
    }
    return OK;
}

static enum err rename_one(const struct wish *wish, struct change *change)
{
    size_t at = find(change, wish->name);
    if (at == SIZE_MAX)
        return ERR_NOT_FOUND;
    if (find(change, wish->new_name) != SIZE_MAX)
        return ERR_EXISTS;
    change->columns[at].name = wish->new_name;
    return OK;
}

static enum err set_ttl(const struct wish *wish, struct change *change)
{
    change->definition.ttl_default_s = wish->ttl_default_s;
    return OK;
}

static enum err retype(const struct wish *wish, struct change *change)
{
    size_t at = find(change, wish->name);
    if (at == SIZE_MAX)
        return ERR_NOT_FOUND;
    if (wish->type->kind != change->columns[at].type->kind)
        return ERR_INVALID;
    change->columns[at].type = wish->type;
    change->columns[at].declared = wish->declared;
    return OK;
}

enum err table_add_columns(struct table_store *store, struct table *table,
                           const struct table_column *columns, size_t count)
{
    return fulfil(store, table,
                  &(struct wish){.edit = add, .columns = columns, .column_count = count});
}

enum err table_drop_column(struct table_store *store, struct table *table, struct str name)
{
    return fulfil(store, table, &(struct wish){.edit = drop, .name = name, .until_us = INT64_MAX});
}

enum err table_drop_column_at(struct table_store *store, struct table *table, struct str name,
                              int64_t timestamp_us)
{
    return fulfil(store, table,
                  &(struct wish){.edit = drop, .name = name, .until_us = timestamp_us});
}

enum err table_rename_column(struct table_store *store, struct table *table, struct str from,
                             struct str to)
{
    return fulfil(store, table, &(struct wish){.edit = rename_one, .name = from, .new_name = to});
}

enum err table_set_ttl_default(struct table_store *store, struct table *table,
                               int64_t ttl_default_s)
{
    return fulfil(store, table, &(struct wish){.edit = set_ttl, .ttl_default_s = ttl_default_s});
}

enum err table_retype_column(struct table_store *store, struct table *table, struct str name,
                             const struct type *type, struct str declared)
{
    return fulfil(store, table,
                  &(struct wish){.edit = retype, .name = name, .type = type, .declared = declared});
}
