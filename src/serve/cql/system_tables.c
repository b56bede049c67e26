/* SPDX-License-Identifier: MIT */
/*
 * System tables as tables of the catalogue: made once, when it opens, from system_list.c. They have
 * no table in the store; the executor asks system_fill.c for their rows and filters those itself.
 */
#include "base/check.h"
#include "serve/cql/catalog_private.h"
#include "serve/cql/system_list.h"

static struct system_keyspace keyspaces[] = {
    {.name = "system", .strategy = "LocalStrategy"},
    {.name = "system_auth", .strategy = "SimpleStrategy", .factor = "1"},
    {.name = "system_distributed", .strategy = "SimpleStrategy", .factor = "3"},
    {.name = "system_schema", .strategy = "LocalStrategy"},
    {.name = "system_traces", .strategy = "SimpleStrategy", .factor = "2"},
    {.name = "system_views"},
    {.name = "system_virtual_schema"},
};
enum { KEYSPACE_COUNT = sizeof(keyspaces) / sizeof(keyspaces[0]) };

const struct system_keyspace *system_keyspaces(size_t *ret_count)
{
    *ret_count = KEYSPACE_COUNT;
    return keyspaces;
}

const struct cql_keyspace *system_keyspace_find(const struct cql_catalog *catalog, struct str name)
{
    for (size_t i = 0; i < KEYSPACE_COUNT; i++)
        if (str_equal(name, str_of(keyspaces[i].name)))
            return &catalog->system_keyspaces[i];
    return NULL;
}

static struct cql_term *text_term(struct arena *arena, const char *text)
{
    struct cql_term *term = arena_zero(arena, sizeof(*term));
    term->kind = TERM_STRING;
    term->text = str_of(text);
    return term;
}

static void make_keyspaces(struct cql_catalog *catalog)
{
    struct arena *arena = &catalog->arena;
    catalog->system_keyspaces =
        arena_array(arena, KEYSPACE_COUNT, sizeof(*catalog->system_keyspaces));
    for (size_t i = 0; i < KEYSPACE_COUNT; i++) {
        struct cql_option *options = arena_array(arena, 2, sizeof(*options));
        size_t count = 0;
        if (keyspaces[i].strategy)
            options[count++] = (struct cql_option){
                STR("class"),
                text_term(arena, arena_printf(arena, "org.apache.cassandra.locator.%s",
                                              keyspaces[i].strategy))};
        if (keyspaces[i].factor)
            options[count++] = (struct cql_option){STR("replication_factor"),
                                                   text_term(arena, keyspaces[i].factor)};
        catalog->system_keyspaces[i] = (struct cql_keyspace){.name = str_of(keyspaces[i].name),
                                                             .replication = options,
                                                             .replication_count = count,
                                                             .durable_writes = true,
                                                             .system = true};
    }
}

/* ---- tables ---- */

/* "name type K": K is one letter, when there is one. */
static void add_column(struct cql_table *t, struct str text)
{
    text = str_trim(text);
    struct str mark = str_slice(text, text.bytes - 2, text.bytes);
    bool marked = mark.ptr[0] == ' ' && mark.ptr[1] >= 'A' && mark.ptr[1] <= 'Z';
    char letter = marked ? mark.ptr[1] : 0;
    size_t blank = str_find(text, STR(" "), 0);
    struct str cql_type_text = str_slice(text, blank + 1, marked ? text.bytes - 2 : text.bytes);
    struct cql_table_column *column = &t->columns[t->column_count];
    *column = (struct cql_table_column){.name = str_slice(text, 0, blank), .kind = CQL_REGULAR};
    column->index = t->column_count++;
    enum err err = cql_type_parse(&t->arena, cql_type_text, NULL, NULL, NULL, &column->type);
    check(err == OK);
    if (letter == 'P') {
        column->kind = CQL_PARTITION_KEY;
        column->position = t->partition_count++;
    } else if (letter) {
        column->kind = CQL_CLUSTERING;
        column->position = t->clustering_count++;
        column->descending = letter == 'D';
    }
}

static void add_option(struct cql_table *t, const char *name, const char *text)
{
    t->options[t->option_count++] = (struct cql_option){str_of(name), text_term(&t->arena, text)};
}

static struct cql_table *make_table(struct cql_catalog *catalog,
                                    const struct system_definition *definition)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct cql_table *t = arena_zero(&arena, sizeof(*t));
    t->arena = arena;
    t->refs = 1;
    t->catalog = catalog;
    t->keyspace = str_of(definition->keyspace);
    t->name = str_of(definition->name);
    t->columns = arena_array(&t->arena, 32, sizeof(*t->columns));
    struct str rest = str_of(definition->columns), part;
    while (str_cut(&rest, ';', &part)) {
        check(t->column_count < 32);
        add_column(t, part);
    }
    t->fill = system_fill_find(t->keyspace, t->name);
    t->options = arena_array(&t->arena, 4, sizeof(*t->options));
    add_option(t, "comment", definition->comment);
    add_option(t, "gc_grace_seconds", arena_printf(&t->arena, "%d", (int)definition->gc_grace_s));
    bool local =
        str_equal(t->keyspace, STR("system")) || str_equal(t->keyspace, STR("system_schema"));
    if (local)
        add_option(t, "memtable_flush_period_in_ms", "3600000");
    t->ttl_default_s = definition->ttl_default_s;
    CLEAN(buf_deinit) struct buf id = {0};
    if (cql_value_from_text(cql_simple(CQL_UUID), str_of(definition->id), &id, NULL) == OK &&
        id.bytes == sizeof(t->id))
        memcpy(t->id, id.ptr, sizeof(t->id));
    return t;
}

void system_tables_make(struct cql_catalog *catalog)
{
    make_keyspaces(catalog);
    catalog->system_table_count = system_definition_count;
    catalog->system_tables =
        arena_array(&catalog->arena, system_definition_count, sizeof(*catalog->system_tables));
    for (size_t i = 0; i < system_definition_count; i++)
        catalog->system_tables[i] = make_table(catalog, &system_definitions[i]);
}

struct cql_table *system_table_find(const struct cql_catalog *catalog, struct str keyspace,
                                    struct str name)
{
    if (!str_starts(keyspace, STR("system")))
        return NULL;
    for (size_t i = 0; i < catalog->system_table_count; i++)
        if (str_equal(catalog->system_tables[i]->keyspace, keyspace) &&
            str_equal(catalog->system_tables[i]->name, name))
            return catalog->system_tables[i];
    return NULL;
}
