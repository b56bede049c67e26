/* SPDX-License-Identifier: MIT */
/*
 * The rows of system tables. Values are given in the order of the table's columns: keys, then the
 * rest by name (system_list.c). Rows are gathered under the catalogue's mutex and given out behind
 * it, since who takes them may ask the catalogue something.
 *
 * One node is all there is: peers are empty, and the whole ring is one token.
 */
#include "base/check.h"
#include "base/reader.h"
#include "serve/cql/catalog_private.h"
#include "serve/cql/compact.h"
#include "serve/cql/options.h"
#include "serve/cql/record.h"
#include "serve/cql/system_list.h"
#include "serve/cql/trace.h"

#include <stdlib.h>

enum { COLUMNS_MAX = 32 };

struct gather {
    struct cql_catalog *catalog;
    struct cql_virtual_rows *out;
    struct arena *arena;
    struct str **rows;
    size_t count;
    struct str *row; /* the one that is made */
    size_t at;
};

/* ---- one value after the other ---- */

static void begin_row(struct gather *g)
{
    if (!g->count || (g->count >= 16 && (g->count & (g->count - 1)) == 0)) {
        struct str **more = arena_array(g->arena, g->count ? g->count * 2 : 16, sizeof(*more));
        if (g->count)
            memcpy(more, g->rows, g->count * sizeof(*more));
        g->rows = more;
    }
    g->row = arena_zero(g->arena, COLUMNS_MAX * sizeof(*g->row));
    g->rows[g->count++] = g->row;
    g->at = 0;
}

static void put(struct gather *g, struct str value)
{
    check(g->at < COLUMNS_MAX);
    g->row[g->at++] = value.ptr ? arena_str(g->arena, value) : STR_NONE;
}
static void put_text(struct gather *g, const char *text)
{
    put(g, str_of(text));
}
static void put_null(struct gather *g)
{
    put(g, STR_NONE);
}
static void put_bool(struct gather *g, bool value)
{
    put(g, value ? STR("\1") : STR("\0"));
}
static void put_int(struct gather *g, int64_t value)
{
    CLEAN(buf_deinit) struct buf out = {0};
    buf_be32(&out, (uint32_t)value);
    put(g, buf_str(&out));
}
static void put_long(struct gather *g, int64_t value)
{
    CLEAN(buf_deinit) struct buf out = {0};
    buf_be64(&out, (uint64_t)value);
    put(g, buf_str(&out));
}
/* The text of an integer, a double, an address as a value. */
static void put_from_text(struct gather *g, enum cql_kind kind, struct str text)
{
    CLEAN(buf_deinit) struct buf out = {0};
    bool ok = cql_value_from_text(cql_simple(kind), text, &out, NULL) == OK;
    put(g, ok ? buf_str(&out) : STR_NONE);
}
/* A list, set or map of texts: entries times per values. */
static void put_texts(struct gather *g, const struct str *texts, size_t entries, size_t per)
{
    CLEAN(buf_deinit) struct buf out = {0};
    buf_be32(&out, (uint32_t)entries);
    for (size_t i = 0; i < entries * per; i++) {
        buf_be32(&out, (uint32_t)texts[i].bytes);
        buf_str_append(&out, texts[i]);
    }
    put(g, buf_str(&out));
}

static struct gather gather_begin(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    catalog_lock(catalog);
    catalog_refresh(catalog);
    return (struct gather){.catalog = catalog, .out = rows, .arena = rows->arena};
}

static void gather_end(struct gather *g)
{
    catalog_unlock(g->catalog);
    for (size_t i = 0; i < g->count; i++)
        g->out->row(g->out, g->rows[i]);
}

/* ---- system ---- */

static void fill_local(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    const struct cql_node *node = &catalog->node;
    const uint8_t *version = cql_catalog_version(catalog);
    struct gather g = gather_begin(catalog, rows);
    begin_row(&g);
    put_text(&g, "local");
    put_text(&g, "COMPLETED");
    put_from_text(&g, CQL_INET, node->address);
    put_int(&g, 7000);
    put(&g, node->cluster_name);
    put(&g, node->cql_version);
    put(&g, node->data_center);
    put_int(&g, 1);
    put(&g, str_from(node->host_id, 16));
    put_from_text(&g, CQL_INET, node->address);
    put_int(&g, 7000);
    put_text(&g, "5");
    put_text(&g, "org.apache.cassandra.dht.Murmur3Partitioner");
    put(&g, node->rack);
    put(&g, node->release_version);
    put_from_text(&g, CQL_INET, node->address);
    put_int(&g, node->port);
    put(&g, str_from(version, 16));
    const struct str token = STR("-9223372036854775808");
    put_texts(&g, &token, 1, 1);
    put_null(&g);
    gather_end(&g);
}

/* Rows and bytes of every table, for those who plan scans. */
static void fill_estimates(struct cql_catalog *catalog, struct cql_virtual_rows *rows,
                           bool with_type)
{
    struct gather g = gather_begin(catalog, rows);
    size_t count;
    struct table_entry **tables = catalog_tables(catalog, g.arena, &count);
    for (size_t i = 0; i < count * (with_type ? 2 : 1); i++) {
        const struct table_entry *entry = tables[with_type ? i / 2 : i];
        struct table_stats stats;
        table_stats(entry->table, &stats);
        begin_row(&g);
        put(&g, entry->record.keyspace);
        put(&g, entry->record.name);
        if (with_type)
            put_text(&g, i % 2 ? "local_primary" : "primary");
        put_text(&g, "-9223372036854775808");
        put_text(&g, "-9223372036854775808");
        put_long(&g,
                 stats.rows_estimated ? (int64_t)(stats.bytes_on_disk / stats.rows_estimated) : 0);
        put_long(&g, (int64_t)stats.rows_estimated);
    }
    gather_end(&g);
}

static void fill_size_estimates(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    fill_estimates(catalog, rows, false);
}

static void fill_table_estimates(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    fill_estimates(catalog, rows, true);
}

/* "cql/prepared/ID in hex" */
static bool found_prepared(void *owner, struct str key, struct str value)
{
    struct gather *g = owner;
    struct str hex = str_slice(key, sizeof("cql/prepared/") - 1, key.bytes);
    struct prepared_record record;
    if (prepared_record_decode(value, &record) != OK || record.flags & PREPARED_GONE)
        return true;
    CLEAN(buf_deinit) struct buf id = {0};
    struct str with_prefix = str_of(arena_printf(g->arena, "0x%.*s", STR_ARG(hex)));
    if (cql_value_from_text(cql_simple(CQL_BLOB), with_prefix, &id, NULL) != OK)
        return true;
    begin_row(g);
    put(g, buf_str(&id));
    put(g, record.keyspace);
    put(g, record.text);
    return true;
}

static void fill_prepared(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    enum err err = table_state_each(catalog->store, STR("cql/prepared/"), found_prepared, &g);
    if (err != OK)
        g.count = 0;
    gather_end(&g);
}

/* ---- system_auth ---- */

static void put_role(struct gather *g, const struct role_record *role)
{
    begin_row(g);
    put(g, role->name);
    put_bool(g, role->login);
    put_bool(g, role->superuser);
    if (role->member_count)
        put_texts(g, role->member_of, role->member_count, 1);
    else
        put_null(g);
    put(g, role->hash.bytes ? role->hash : STR_NONE);
}

struct gather_roles {
    struct gather g;
    void (*put)(struct gather *g, const struct role_record *role);
    bool superuser; /* has a record */
};

static bool found_role(void *owner, struct str key, struct str value)
{
    struct gather_roles *roles = owner;
    struct role_record role;
    if (role_record_decode(roles->g.arena, value, &role) != OK)
        return true;
    roles->superuser |= str_equal(role.name, catalog_superuser(roles->g.catalog));
    roles->put(&roles->g, &role);
    return true;
}

static void each_role(struct cql_catalog *catalog, struct cql_virtual_rows *rows,
                      void (*put_one)(struct gather *g, const struct role_record *role))
{
    struct gather_roles roles = {gather_begin(catalog, rows), put_one, false};
    if (table_state_each(catalog->store, STR("cql/role/"), found_role, &roles) != OK)
        roles.g.count = 0;
    if (catalog->node.auth && !roles.superuser)
        put_one(&roles.g, &(struct role_record){.name = catalog_superuser(catalog),
                                                .login = true,
                                                .superuser = true});
    gather_end(&roles.g);
}

static void fill_roles(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    each_role(catalog, rows, put_role);
}

static void put_members(struct gather *g, const struct role_record *role)
{
    for (size_t i = 0; i < role->member_count; i++) {
        begin_row(g);
        put(g, role->member_of[i]);
        put(g, role->name);
    }
}

static void fill_role_members(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    each_role(catalog, rows, put_members);
}

/* ---- system_schema ---- */

static void put_keyspace(struct gather *g, const struct cql_keyspace *keyspace)
{
    begin_row(g);
    put(g, keyspace->name);
    put_bool(g, keyspace->durable_writes);
    struct str *pairs = arena_array(g->arena, 2 * keyspace->replication_count + 1, sizeof(*pairs));
    for (size_t i = 0; i < keyspace->replication_count; i++) {
        pairs[2 * i] = keyspace->replication[i].name;
        pairs[2 * i + 1] = keyspace->replication[i].value->text;
    }
    put_texts(g, pairs, keyspace->replication_count, 2);
}

static void fill_keyspaces(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    size_t count, system_count;
    struct keyspace_entry **list = catalog_keyspaces(catalog, g.arena, &count);
    const struct system_keyspace *system = system_keyspaces(&system_count);
    for (size_t i = 0; i < count; i++)
        put_keyspace(&g, &list[i]->keyspace);
    for (size_t i = 0; i < system_count; i++)
        if (system[i].strategy)
            put_keyspace(&g, &catalog->system_keyspaces[i]);
    gather_end(&g);
}

/* Calls put for the tables of users and of the system, or for the virtual ones. */
static void each_table(struct gather *g, bool virtual,
                       void (*put_one)(struct gather *g, const struct cql_table *table))
{
    struct cql_catalog *catalog = g->catalog;
    size_t count = 0;
    struct table_entry **tables = catalog_tables(catalog, g->arena, &count);
    for (size_t i = 0; i < count && !virtual; i++)
        put_one(g, table_entry_snapshot(catalog, tables[i]));
    for (size_t i = 0; i < catalog->system_table_count; i++)
        if (catalog_is_virtual(catalog->system_tables[i]->keyspace) == virtual)
            put_one(g, catalog->system_tables[i]);
}

static void put_option(struct gather *g, const struct cql_table *table, const char *name,
                       enum cql_kind kind)
{
    struct str text = option_text(table, name, g->arena);
    if (kind == CQL_TEXT)
        put(g, text);
    else
        put_from_text(g, kind, text);
}

static void put_option_map(struct gather *g, const struct cql_table *table, const char *name)
{
    struct str *pairs;
    size_t count = option_map(table, name, g->arena, &pairs);
    put_texts(g, pairs, count, 2);
}

static void put_table(struct gather *g, const struct cql_table *table)
{
    struct str flags[3];
    size_t flag_count = 0;
    if (!table->compact || table->clustering_count > 1)
        flags[flag_count++] = STR("compound");
    if (table->is_counter)
        flags[flag_count++] = STR("counter");
    if (compact_is_dense(table))
        flags[flag_count++] = STR("dense");
    begin_row(g);
    put(g, table->keyspace);
    put(g, table->name);
    put_option(g, table, "additional_write_policy", CQL_TEXT);
    put_null(g); /* allow_auto_snapshot: null is the default */
    put_option(g, table, "bloom_filter_fp_chance", CQL_DOUBLE);
    put_option_map(g, table, "caching");
    put_null(g); /* cdc */
    put_option(g, table, "comment", CQL_TEXT);
    put_option_map(g, table, "compaction");
    put_option_map(g, table, "compression");
    put_option(g, table, "crc_check_chance", CQL_DOUBLE);
    put_from_text(g, CQL_DOUBLE, STR("0.0")); /* dclocal_read_repair_chance */
    put_int(g, table->ttl_default_s);
    put_texts(g, NULL, 0, 2); /* extensions */
    put_texts(g, flags, flag_count, 1);
    put_option(g, table, "gc_grace_seconds", CQL_INT);
    put(g, str_from(table->id, 16));
    put_null(g); /* incremental_backups */
    put_option(g, table, "max_index_interval", CQL_INT);
    put_null(g); /* memtable */
    put_option(g, table, "memtable_flush_period_in_ms", CQL_INT);
    put_option(g, table, "min_index_interval", CQL_INT);
    put_option(g, table, "read_repair", CQL_TEXT);
    put_from_text(g, CQL_DOUBLE, STR("0.0")); /* read_repair_chance */
    put_option(g, table, "speculative_retry", CQL_TEXT);
}

static void fill_tables(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    each_table(&g, false, put_table);
    gather_end(&g);
}

static int compare_columns(const void *a, const void *b)
{
    return str_compare(((const struct compact_column *)a)->name,
                       ((const struct compact_column *)b)->name);
}

static void put_columns(struct gather *g, const struct cql_table *table)
{
    static const char *const kinds[] = {"partition_key", "clustering", "static", "regular"};
    struct compact_column *list =
        arena_array(g->arena, table->column_count + COMPACT_COLUMNS_MAX, sizeof(*list));
    size_t count = compact_columns(table, g->arena, list);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct cql_table_column *column = &table->columns[i];
        bool of_static = column->kind == CQL_REGULAR && table->compact && !table->clustering_count;
        list[count++] = (struct compact_column){
            .name = column->name,
            .kind = kinds[of_static ? CQL_STATIC : column->kind],
            .order = column->kind != CQL_CLUSTERING ? "none"
                     : column->descending           ? "desc"
                                                    : "asc",
            .position = column->kind <= CQL_CLUSTERING ? (int)column->position : -1,
            .type = catalog_type_text(g->arena, column->type)};
    }
    qsort(list, count, sizeof(*list), compare_columns);
    for (size_t i = 0; i < count; i++) {
        begin_row(g);
        put(g, table->keyspace);
        put(g, table->name);
        put(g, list[i].name);
        put_text(g, list[i].order);
        put(g, list[i].name);
        put_text(g, list[i].kind);
        put_int(g, list[i].position);
        put(g, list[i].type);
    }
}

static void fill_columns(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    each_table(&g, false, put_columns);
    gather_end(&g);
}

static void fill_dropped(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    size_t count;
    struct table_entry **tables = catalog_tables(catalog, g.arena, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < tables[i]->record.dropped_count; k++) {
            const struct dropped_column *column = &tables[i]->record.dropped[k];
            begin_row(&g);
            put(&g, tables[i]->record.keyspace);
            put(&g, tables[i]->record.name);
            put(&g, column->name);
            put_long(&g, column->time_us / 1000);
            put_text(&g, column->is_static ? "static" : "regular");
            put(&g, column->type);
        }
    gather_end(&g);
}

static void fill_types(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    size_t count;
    struct type_entry **types = catalog_types(catalog, g.arena, &count);
    for (size_t i = 0; i < count; i++) {
        const struct type_record *record = &types[i]->record;
        begin_row(&g);
        put(&g, record->keyspace);
        put(&g, record->name);
        put_texts(&g, record->field_names, record->count, 1);
        put_texts(&g, record->field_types, record->count, 1);
    }
    gather_end(&g);
}

static void put_index(struct gather *g, const struct table_record *table,
                      const struct index_record *index, const struct cql_table *snapshot)
{
    struct str *pairs = arena_array(g->arena, 64, sizeof(*pairs));
    size_t count = 0;
    const struct cql_term *map = index->option_count ? index->options[0].value : NULL;
    for (size_t i = 0; map && i + 1 < map->count && count < 24; i += 2, count++) {
        pairs[2 * count] = map->items[i]->text;
        pairs[2 * count + 1] = map->items[i + 1]->text;
    }
    if (index->custom_class.ptr) {
        pairs[2 * count] = STR("class_name");
        pairs[2 * count++ + 1] = index->custom_class;
    }
    pairs[2 * count] = STR("target");
    pairs[2 * count++ + 1] = index_target_text(g->arena, snapshot, index->column, index->target);
    begin_row(g);
    put(g, table->keyspace);
    put(g, table->name);
    put(g, index->name);
    put_text(g, index->custom_class.ptr ? "CUSTOM" : "COMPOSITES");
    put_texts(g, pairs, count, 2);
}

static int compare_indexes(const void *a, const void *b)
{
    return str_compare((*(const struct index_record *const *)a)->name,
                       (*(const struct index_record *const *)b)->name);
}

static void put_indexes(struct gather *g, const struct table_record *table,
                        const struct cql_table *snapshot)
{
    size_t count = table->index_count;
    const struct index_record **sorted = arena_array(g->arena, count + 1, sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &table->indexes[i];
    qsort(sorted, count, sizeof(*sorted), compare_indexes);
    for (size_t i = 0; i < count; i++)
        put_index(g, table, sorted[i], snapshot);
}

static void fill_indexes(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    size_t count;
    struct table_entry **tables = catalog_tables(catalog, g.arena, &count);
    for (size_t i = 0; i < count; i++)
        put_indexes(&g, &tables[i]->record, table_entry_snapshot(catalog, tables[i]));
    gather_end(&g);
}

/* Clients that have made an index wait until it is told of here. */
static void fill_built_indexes(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    size_t count;
    struct table_entry **tables = catalog_tables(catalog, g.arena, &count);
    for (size_t i = 0; i < count; i++) {
        const struct table_record *record = &tables[i]->record;
        for (size_t k = 0; k < record->index_count; k++) {
            if (!record->indexes[k].built)
                continue;
            begin_row(&g);
            put(&g, record->keyspace);
            put(&g, record->indexes[k].name);
            put_null(&g);
        }
    }
    gather_end(&g);
}

/* ---- system_virtual_schema ---- */

static void fill_virtual_keyspaces(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    size_t count;
    const struct system_keyspace *system = system_keyspaces(&count);
    for (size_t i = 0; i < count; i++) {
        if (system[i].strategy)
            continue;
        begin_row(&g);
        put_text(&g, system[i].name);
    }
    gather_end(&g);
}

static void put_virtual_table(struct gather *g, const struct cql_table *table)
{
    begin_row(g);
    put(g, table->keyspace);
    put(g, table->name);
    put_option(g, table, "comment", CQL_TEXT);
}

static void fill_virtual_tables(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    each_table(&g, true, put_virtual_table);
    gather_end(&g);
}

static void fill_virtual_columns(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather g = gather_begin(catalog, rows);
    each_table(&g, true, put_columns);
    gather_end(&g);
}

/* ---- system_views ---- */

struct client {
    struct str address; /* a value of inet */
    int64_t port;
    struct cql_session session;
};

struct gather_clients {
    struct arena *arena;
    struct client *clients;
    size_t count, room;
};

/* "127.0.0.1:40000", "[::1]:40000"; an address of IPv4 inside of one of IPv6 is one of IPv4. */
static void split_peer(struct arena *arena, struct str peer, struct client *client)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    CLEAN(buf_deinit) struct buf value = {0};
    size_t colon = peer.bytes;
    while (colon && peer.ptr[colon - 1] != ':')
        colon--;
    struct str host = str_slice(peer, 0, colon ? colon - 1 : peer.bytes);
    if (host.bytes > 2 && host.ptr[0] == '[')
        host = str_slice(host, 1, host.bytes - 1);
    if (str_to_i64(str_slice(peer, colon, peer.bytes), &client->port) != OK)
        client->port = 0;
    if (cql_value_from_text(cql_simple(CQL_INET), host, &value, NULL) != OK)
        buf_be32(&value, 0);
    struct str address = buf_str(&value);
    if (address.bytes == 16 && memcmp(address.ptr, mapped, sizeof(mapped)) == 0)
        address = str_slice(address, sizeof(mapped), address.bytes);
    client->address = arena_str(arena, address);
}

static void found_client(void *to, const struct cql_session *session)
{
    struct gather_clients *all = to;
    if (all->count == all->room) {
        size_t room = all->room ? all->room * 2 : 16;
        struct client *more = arena_array(all->arena, room, sizeof(*more));
        if (all->count)
            memcpy(more, all->clients, all->count * sizeof(*more));
        all->clients = more;
        all->room = room;
    }
    struct client *client = &all->clients[all->count++];
    client->session = *session;
    split_peer(all->arena, str_of(session->peer), client);
}

static int compare_clients(const void *a, const void *b)
{
    const struct client *one = a, *other = b;
    int order = str_compare(one->address, other->address);
    return order ? order : (one->port > other->port) - (one->port < other->port);
}

/* The value of a key in a map of texts. */
static struct str map_text(struct str map, struct str key)
{
    struct reader r = reader_of(map.ptr, map.bytes);
    uint32_t count = map.ptr ? reader_be32(&r) : 0;
    for (uint32_t i = 0; i < count && r.err == OK; i++) {
        struct str name = reader_str(&r, reader_be32(&r));
        struct str value = reader_str(&r, reader_be32(&r));
        if (r.err == OK && str_equal(name, key))
            return value;
    }
    return STR_NONE;
}

/* Nobody is asked for names: the machine itself has one that is known. */
static void put_host(struct gather *g, struct str address)
{
    static const uint8_t loopback[16] = {[15] = 1};
    CLEAN(buf_deinit) struct buf text = {0};
    bool local = str_equal(address, STR("\x7f\0\0\1")) ||
                 str_equal(address, str_from(loopback, sizeof(loopback)));
    cql_value_print(cql_simple(CQL_INET), address, &text);
    struct str shown = buf_str(&text);
    if (shown.bytes > 2 && shown.ptr[0] == '\'')
        shown = str_slice(shown, 1, shown.bytes - 1);
    put(g, local ? STR("localhost") : shown);
}

static void put_client(struct gather *g, const struct client *client)
{
    const struct cql_session *session = &client->session;
    begin_row(g);
    put(g, client->address);
    put_int(g, client->port);
    put(g, session->options);
    put_text(g, session->stage);
    put(g, map_text(session->options, STR("DRIVER_NAME")));
    put(g, map_text(session->options, STR("DRIVER_VERSION")));
    put_host(g, client->address);
    put(g, session->keyspace);
    put_int(g, session->version);
    put_long(g, (int64_t)session->requests);
    put_null(g); /* no connection is encrypted */
    put_bool(g, false);
    put_null(g);
    put(g, session->user);
}

static void fill_clients(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    struct gather_clients all = {.arena = rows->arena};
    const struct cql_sessions *sessions = &catalog->sessions;
    if (sessions->each)
        sessions->each(sessions->owner, found_client, &all);
    if (all.count)
        qsort(all.clients, all.count, sizeof(*all.clients), compare_clients);
    struct gather g = gather_begin(catalog, rows);
    for (size_t i = 0; i < all.count; i++)
        put_client(&g, &all.clients[i]);
    gather_end(&g);
}

/* ---- system_traces ---- */

static void fill_sessions(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    cql_traces_fill_sessions(catalog->traces, rows);
}

static void fill_events(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
    cql_traces_fill_events(catalog->traces, rows);
}

static void fill_nothing(struct cql_catalog *catalog, struct cql_virtual_rows *rows)
{
}

typeof(((struct cql_table *)0)->fill) system_fill_find(struct str keyspace, struct str name)
{
    static const struct {
        const char *keyspace, *name;
        void (*fill)(struct cql_catalog *catalog, struct cql_virtual_rows *rows);
    } fills[] = {
        {"system", "IndexInfo", fill_built_indexes},
        {"system", "local", fill_local},
        {"system", "prepared_statements", fill_prepared},
        {"system", "size_estimates", fill_size_estimates},
        {"system", "table_estimates", fill_table_estimates},
        {"system_auth", "role_members", fill_role_members},
        {"system_auth", "roles", fill_roles},
        {"system_schema", "columns", fill_columns},
        {"system_schema", "dropped_columns", fill_dropped},
        {"system_schema", "indexes", fill_indexes},
        {"system_schema", "keyspaces", fill_keyspaces},
        {"system_schema", "tables", fill_tables},
        {"system_schema", "types", fill_types},
        {"system_traces", "events", fill_events},
        {"system_traces", "sessions", fill_sessions},
        {"system_views", "clients", fill_clients},
        {"system_virtual_schema", "columns", fill_virtual_columns},
        {"system_virtual_schema", "keyspaces", fill_virtual_keyspaces},
        {"system_virtual_schema", "tables", fill_virtual_tables},
    };
    for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++)
        if (str_equal(keyspace, str_of(fills[i].keyspace)) &&
            str_equal(name, str_of(fills[i].name)))
            return fills[i].fill;
    return fill_nothing;
}
