/* SPDX-License-Identifier: MIT */
/*
 * Statements that are kept: plans of texts that come again, and prepared statements.
 *
 * A text's plan is kept from the second time on that the text comes (a table of hashes remembers
 * the first), so that a load of texts that are all different, each with its values in it, pushes
 * nothing out. Plans that are stale are made again when they are asked for.
 *
 * A prepared statement's id is MD5 of keyspace and text, so that it is the same on every server and
 * after every start. Statements are kept in the store's state under "cql/prepared/<id in hex>"
 * (record.c). They are read at the start and planned when they are first executed.
 *
 * When what a statement was planned by changes (`about`: columns, indexes, the table itself), it is
 * gone: whoever executes it is told UNPREPARED and prepares it again, as with Cassandra. Because
 * the id stays the same, another client may have done so before: v5 clients say which columns they
 * know; those of older versions are sent the columns with every answer from the first time on that
 * they changed (`moved`), since some of them know the old ones. Therefore what is gone stays in
 * the table and in the store, and ids that were pushed out are remembered in `moved_before`.
 *
 * Both are bounded: the one that was not used for longest goes, a prepared one from the store too;
 * a client that executes it is told UNPREPARED and prepares it again.
 */
#include "base/check.h"
#include "base/logline.h"
#include "serve/cql/net.h"
#include "serve/cql/options.h"
#include "serve/cql/record.h"
#include "table/cells.h"

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

enum {
    TEXTS_MAX = 1024,
    TEXT_BUCKETS = 1024,
    TEXT_BYTES_MAX = 64 << 10, /* longer ones are planned each time */
    SEEN_COUNT = 8192,
    PREPARED_MAX = 8192,
    PREPARED_BUCKETS = 8192,
    STATE_TEXT_BYTES_MAX = 1 << 20,
    MOVED_BITS = 1 << 16,
};
#define STATE_PREFIX "cql/prepared/"

struct kept_text {
    uint64_t hash, used;
    struct cql_plan *plan;
    struct kept_text *next;
};

struct cql_statements {
    struct cql_server *server;
    uint64_t clock;
    struct kept_text *texts[TEXT_BUCKETS];
    uint32_t text_count;
    uint32_t seen[SEEN_COUNT];
    struct cql_prepared_entry *prepared[PREPARED_BUCKETS];
    uint32_t prepared_count, gone_count;
    uint8_t moved_before[MOVED_BITS / 8]; /* by the first bits of ids; too many do no harm */
    size_t busy;
};

struct cql_statements *cql_statements_new(struct cql_server *server)
{
    struct cql_statements *statements = mem_zero(sizeof *statements);
    statements->server = server;
    return statements;
}

void cql_prepared_unref(struct cql_prepared_entry *entry)
{
    if (--entry->refs > 0)
        return;
    cql_plan_unref(entry->plan);
    mem_free((char *)entry->keyspace.ptr);
    mem_free((char *)entry->text.ptr);
    mem_free(entry);
}

void cql_statements_free(struct cql_statements *statements)
{
    if (!statements)
        return;
    for (size_t i = 0; i < TEXT_BUCKETS; i++)
        for (struct kept_text *text = statements->texts[i], *next; text; text = next) {
            next = text->next;
            cql_plan_unref(text->plan);
            mem_free(text);
        }
    for (size_t i = 0; i < PREPARED_BUCKETS; i++)
        for (struct cql_prepared_entry *entry = statements->prepared[i], *next; entry;
             entry = next) {
            next = entry->next;
            cql_prepared_unref(entry);
        }
    mem_free(statements);
}

size_t cql_statements_busy(const struct cql_statements *statements)
{
    return statements ? statements->busy : 0;
}

uint32_t cql_statements_count(const struct cql_statements *statements)
{
    return statements->prepared_count - statements->gone_count;
}

/* ---- texts ---- */

static void texts_evict(struct cql_statements *statements)
{
    struct kept_text **oldest = NULL;
    for (size_t i = 0; i < TEXT_BUCKETS; i++)
        for (struct kept_text **link = &statements->texts[i]; *link; link = &(*link)->next)
            if (!oldest || (*link)->used < (*oldest)->used)
                oldest = link;
    if (!oldest)
        return;
    struct kept_text *text = *oldest;
    *oldest = text->next;
    cql_plan_unref(text->plan);
    mem_free(text);
    statements->text_count--;
}

static bool same_keyspace(struct str a, struct str b)
{
    return !a.ptr == !b.ptr && str_equal(a, b);
}

static struct kept_text *text_find(struct cql_statements *statements, uint64_t hash,
                                   struct str keyspace, struct str text)
{
    struct kept_text *kept = statements->texts[hash % TEXT_BUCKETS];
    while (kept && !(kept->hash == hash && str_equal(kept->plan->text, text) &&
                     same_keyspace(kept->plan->keyspace, keyspace)))
        kept = kept->next;
    return kept;
}

static bool is_kept(const struct cql_plan *plan)
{
    enum cql_statement_kind kind = plan->statement->kind;
    return kind == CQL_SELECT || kind == CQL_MODIFY || kind == CQL_BATCH_STATEMENT;
}

enum err cql_plan_of(struct cql_server *server, struct str keyspace, struct str text,
                     struct arena *arena, struct cql_error *error, struct cql_plan **ret_plan)
{
    struct cql_statements *statements = server->statements;
    uint64_t hash = hash_bytes(text.ptr, text.bytes, hash_bytes(keyspace.ptr, keyspace.bytes, 1));
    struct kept_text *kept = text_find(statements, hash, keyspace, text);
    if (kept && !cql_plan_is_stale(kept->plan)) {
        kept->used = ++statements->clock;
        *ret_plan = cql_plan_ref(kept->plan);
        return OK;
    }
    struct cql_plan *plan;
    TRY(cql_plan_new(server->executor, keyspace, text, arena, error, &plan));
    uint32_t *seen = &statements->seen[hash % SEEN_COUNT];
    bool again = *seen == (uint32_t)(hash >> 32);
    *seen = (uint32_t)(hash >> 32);
    if (kept) {
        cql_plan_unref(kept->plan);
        kept->plan = cql_plan_ref(plan);
        kept->used = ++statements->clock;
    } else if (again && is_kept(plan) && text.bytes <= TEXT_BYTES_MAX) {
        if (statements->text_count == TEXTS_MAX)
            texts_evict(statements);
        kept = mem_zero(sizeof *kept);
        kept->hash = hash;
        kept->used = ++statements->clock;
        kept->plan = cql_plan_ref(plan);
        kept->next = statements->texts[hash % TEXT_BUCKETS];
        statements->texts[hash % TEXT_BUCKETS] = kept;
        statements->text_count++;
    }
    *ret_plan = plan;
    return OK;
}

/* ---- the store's side ---- */

struct state_write {
    struct cql_statements *statements;
    struct table_job job;
};

static void state_key(const uint8_t *id, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    buf_text(out, STATE_PREFIX);
    for (size_t i = 0; i < CQL_ID_BYTES; i++) {
        buf_char(out, digits[id[i] >> 4]);
        buf_char(out, digits[id[i] & 15]);
    }
}

static void state_written(struct table_job *job)
{
    struct state_write *write = job->owner;
    write->statements->busy--;
    if (job->err != OK)
        log_line(LOG_WARN, "cql", "a prepared statement is not kept: %s", err_text(job->err));
    table_batch_free(job->batch);
    mem_free(write);
}

/* value ptr NULL deletes. Nobody waits for it: a statement that is lost is prepared again. */
static void state_put(struct cql_statements *statements, const uint8_t *id, struct str value)
{
    struct state_write *write = mem_zero(sizeof *write);
    struct buf key = {0};
    write->statements = statements;
    write->job = (struct table_job){.batch = table_batch_new(statements->server->store),
                                    .done = state_written,
                                    .owner = write,
                                    .loop = statements->server->loop};
    state_key(id, &key);
    table_batch_state(write->job.batch, buf_str(&key), value);
    buf_deinit(&key);
    statements->busy++;
    table_submit(statements->server->store, &write->job);
}

static void state_keep(struct cql_statements *statements, const struct cql_prepared_entry *entry)
{
    struct buf value = {0};
    struct prepared_record record = {.keyspace = entry->keyspace,
                                     .text = entry->text,
                                     .known = entry->known,
                                     .flags = (uint8_t)((entry->gone ? PREPARED_GONE : 0) |
                                                        (entry->moved ? PREPARED_MOVED : 0))};
    if (entry->text.bytes > STATE_TEXT_BYTES_MAX || entry->keyspace.bytes > INT16_MAX)
        return;
    memcpy(record.result_id, entry->result_id, CQL_ID_BYTES);
    memcpy(record.about, entry->about, CQL_ID_BYTES);
    prepared_record_encode(&record, &value);
    state_put(statements, entry->id, buf_str(&value));
    buf_deinit(&value);
}

/* ---- prepared statements ---- */

static void id_of(struct str keyspace, struct str text, uint8_t ret_id[CQL_ID_BYTES])
{
    struct buf both = {0};
    unsigned bytes = 0;
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    buf_str_append(&both, keyspace);
    buf_str_append(&both, text);
    int done = EVP_Digest(both.ptr ? both.ptr : (uint8_t *)"", both.bytes, digest, &bytes,
                          EVP_md5(), NULL);
    check(done == 1 && bytes == CQL_ID_BYTES);
    memcpy(ret_id, digest, CQL_ID_BYTES);
    buf_deinit(&both);
}

static void columns_append(struct buf *out, const struct cql_column *columns, size_t count)
{
    struct cql_rows_metadata metadata = {.columns = columns, .column_count = count};
    cql_rows_metadata_append(out, CQL_VERSION_MAX, &metadata);
}

/* Of the columns of its result. */
static void result_id_of(const struct cql_plan *plan, uint8_t ret_id[CQL_ID_BYTES])
{
    struct buf columns = {0};
    columns_append(&columns, plan->results, plan->result_count);
    id_of(STR_NONE, buf_str(&columns), ret_id);
    buf_deinit(&columns);
}

static void index_append(struct buf *out, const struct cql_index *index)
{
    cql_string_append(out, index->name);
    cql_string_append(out, index->column);
    cql_string_append(out, index->target);
    cql_string_append(out, index->custom_class);
}

/* What Cassandra compares: columns, indexes, and two of the options. */
static void table_append(struct buf *out, const struct cql_table *table, struct arena *arena)
{
    buf_append(out, table->id, sizeof table->id);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct cql_table_column *column = &table->columns[i];
        struct cql_column one = {table->keyspace, table->name, column->name, column->type};
        buf_u8(out, (uint8_t)column->kind);
        buf_u8(out, column->descending);
        columns_append(out, &one, 1);
    }
    for (size_t i = 0; i < table->index_count; i++)
        index_append(out, &table->indexes[i]);
    buf_be64(out, (uint64_t)table->ttl_default_s);
    cql_string_append(out, option_text(table, "gc_grace_seconds", arena));
}

static void about_of(const struct cql_plan *plan, uint8_t ret_id[CQL_ID_BYTES])
{
    struct buf all = {0};
    struct arena arena;
    size_t count;
    struct cql_table *const *tables = cql_plan_tables(plan, &count);
    arena_init(&arena, SIZE_MAX);
    columns_append(&all, plan->results, plan->result_count);
    columns_append(&all, plan->binds, plan->bind_count);
    for (size_t i = 0; i < count; i++)
        if (tables[i])
            table_append(&all, tables[i], &arena);
    id_of(STR_NONE, buf_str(&all), ret_id);
    arena_deinit(&arena);
    buf_deinit(&all);
}

static struct cql_prepared_entry **entry_link(struct cql_statements *statements, const uint8_t *id)
{
    struct cql_prepared_entry **link = &statements->prepared[get_be32(id) % PREPARED_BUCKETS];
    while (*link && memcmp((*link)->id, id, CQL_ID_BYTES) != 0)
        link = &(*link)->next;
    return link;
}

static uint8_t *moved_bit(struct cql_statements *statements, const uint8_t *id)
{
    return &statements->moved_before[get_be16(id) / 8];
}

static uint8_t moved_mask(const uint8_t *id)
{
    return (uint8_t)(1 << (id[1] & 7));
}

static void prepared_evict(struct cql_statements *statements)
{
    struct cql_prepared_entry **oldest = NULL;
    for (size_t i = 0; i < PREPARED_BUCKETS; i++)
        for (struct cql_prepared_entry **link = &statements->prepared[i]; *link;
             link = &(*link)->next)
            if (!oldest || (*link)->used < (*oldest)->used)
                oldest = link;
    if (!oldest)
        return;
    struct cql_prepared_entry *entry = *oldest;
    *oldest = entry->next;
    statements->prepared_count--;
    if (entry->gone)
        statements->gone_count--;
    if (entry->moved || entry->gone)
        *moved_bit(statements, entry->id) |= moved_mask(entry->id);
    state_put(statements, entry->id, STR_NONE);
    cql_prepared_unref(entry);
}

static struct cql_prepared_entry *entry_add(struct cql_statements *statements, const uint8_t *id,
                                            struct str keyspace, struct str text)
{
    if (statements->prepared_count >= PREPARED_MAX)
        prepared_evict(statements);
    struct cql_prepared_entry **link = entry_link(statements, id);
    struct cql_prepared_entry *entry = mem_zero(sizeof *entry);
    memcpy(entry->id, id, CQL_ID_BYTES);
    entry->refs = 1;
    entry->moved = *moved_bit(statements, id) & moved_mask(id);
    if (keyspace.ptr)
        entry->keyspace = (struct str){str_dup(keyspace), keyspace.bytes};
    entry->text = (struct str){str_dup(text), text.bytes};
    *link = entry;
    statements->prepared_count++;
    return entry;
}

static void set_gone(struct cql_statements *statements, struct cql_prepared_entry *entry)
{
    cql_plan_unref(entry->plan);
    entry->plan = NULL;
    if (entry->gone)
        return;
    entry->gone = true;
    statements->gone_count++;
    state_keep(statements, entry);
}

/* Plans what is gone, stale, or not planned since the start. again: somebody prepares it, who is
 * told its columns; otherwise it is gone when it has become another one. */
static enum err entry_plan(struct cql_server *server, struct cql_prepared_entry *entry, bool again,
                           struct arena *arena, struct cql_error *error)
{
    struct cql_plan *plan;
    uint8_t result_id[CQL_ID_BYTES], about[CQL_ID_BYTES];
    TRY(cql_plan_new(server->executor, entry->keyspace, entry->text, arena, error, &plan));
    result_id_of(plan, result_id);
    about_of(plan, about);
    bool same = entry->known && memcmp(about, entry->about, CQL_ID_BYTES) == 0;
    if (entry->known && !same && !again) {
        cql_plan_unref(plan);
        return ERR_NOT_FOUND;
    }
    if (!entry->known || memcmp(result_id, entry->result_id, CQL_ID_BYTES) != 0)
        entry->moved = true; /* what was kept without its columns may have had others */
    memcpy(entry->result_id, result_id, CQL_ID_BYTES);
    memcpy(entry->about, about, CQL_ID_BYTES);
    cql_plan_unref(entry->plan);
    entry->plan = plan;
    if (entry->gone)
        server->statements->gone_count--;
    if (!same || entry->gone) {
        entry->known = true;
        entry->gone = false;
        state_keep(server->statements, entry);
    }
    return OK;
}

static bool is_ready(const struct cql_prepared_entry *entry)
{
    return entry->plan && !cql_plan_is_stale(entry->plan);
}

void cql_prepared_check(struct cql_server *server)
{
    struct cql_statements *statements = server->statements;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < PREPARED_BUCKETS; i++)
        for (struct cql_prepared_entry *entry = statements->prepared[i]; entry;
             entry = entry->next) {
            struct cql_error error = {0};
            if (entry->plan && !is_ready(entry) &&
                entry_plan(server, entry, false, &arena, &error) != OK)
                set_gone(statements, entry);
            arena_reset(&arena);
        }
    arena_deinit(&arena);
}

enum err cql_prepare(struct cql_server *server, struct str keyspace, struct str text,
                     struct arena *arena, struct cql_error *error,
                     struct cql_prepared_entry **ret_entry)
{
    struct cql_statements *statements = server->statements;
    uint8_t id[CQL_ID_BYTES];
    id_of(keyspace, text, id);
    struct cql_prepared_entry *entry = *entry_link(statements, id);
    if (entry) {
        if (!is_ready(entry))
            TRY(entry_plan(server, entry, true, arena, error));
    } else {
        struct cql_plan *plan;
        TRY(cql_plan_new(server->executor, keyspace, text, arena, error, &plan));
        entry = entry_add(statements, id, keyspace, text);
        entry->plan = plan;
        entry->known = true;
        result_id_of(plan, entry->result_id);
        about_of(plan, entry->about);
        state_keep(statements, entry);
    }
    entry->used = ++statements->clock;
    entry->refs++;
    *ret_entry = entry;
    return OK;
}

static enum err unprepared(struct str id, struct arena *arena, struct cql_error *error)
{
    *error = (struct cql_error){.code = CQL_UNPREPARED, .id = id};
    struct buf text = {.bytes_max = 4096};
    buf_text(&text, "Prepared query with ID ");
    for (size_t i = 0; i < id.bytes && i < 32; i++)
        buf_printf(&text, "%02x", (uint8_t)id.ptr[i]);
    buf_text(&text, " not found (either the query was not prepared on this host (maybe the "
                    "host has been restarted?) or you have prepared too many queries and it "
                    "has been evicted from the internal cache)");
    error->message = arena_str(arena, buf_str(&text));
    buf_deinit(&text);
    return ERR_NOT_FOUND;
}

enum err cql_prepared_find(struct cql_server *server, struct str id, struct arena *arena,
                           struct cql_error *error, struct cql_prepared_entry **ret_entry)
{
    struct cql_statements *statements = server->statements;
    struct cql_prepared_entry *entry =
        id.bytes == CQL_ID_BYTES ? *entry_link(statements, (const uint8_t *)id.ptr) : NULL;
    if (!entry || entry->gone)
        return unprepared(id, arena, error);
    if (!is_ready(entry) && entry_plan(server, entry, false, arena, error) != OK) {
        set_gone(statements, entry);
        return unprepared(id, arena, error);
    }
    entry->used = ++statements->clock;
    entry->refs++;
    *ret_entry = entry;
    return OK;
}

/* ---- at the start ---- */

static void entry_found(struct cql_statements *statements, const uint8_t *id,
                        const struct prepared_record *record)
{
    struct cql_prepared_entry *entry = entry_add(statements, id, record->keyspace, record->text);
    entry->known = record->known;
    entry->gone = record->flags & PREPARED_GONE;
    entry->moved = record->flags & PREPARED_MOVED;
    statements->gone_count += entry->gone;
    memcpy(entry->result_id, record->result_id, CQL_ID_BYTES);
    memcpy(entry->about, record->about, CQL_ID_BYTES);
}

static bool state_found(void *owner, struct str key, struct str value)
{
    struct cql_statements *statements = owner;
    struct prepared_record record;
    uint8_t id[CQL_ID_BYTES];
    if (prepared_record_decode(value, &record) != OK)
        return true;
    if (statements->prepared_count >= PREPARED_MAX)
        return false;
    id_of(record.keyspace, record.text, id);
    /* What has another key than its text says is not ours to run under that key. */
    struct buf want = {0};
    state_key(id, &want);
    if (str_equal(buf_str(&want), key))
        entry_found(statements, id, &record);
    buf_deinit(&want);
    return true;
}

enum err cql_statements_load(struct cql_statements *statements)
{
    enum err err =
        table_state_each(statements->server->store, STR(STATE_PREFIX), state_found, statements);
    return err == ERR_NOT_FOUND ? OK : err;
}
