/* SPDX-License-Identifier: MIT */
/*
 * SELECT while running.
 *
 *   the whole key is known          one lookup, at the end of the turn (points.c)
 *   everything else                 rows one by one: filter, limits, group or give out
 *
 * A long read must not hold the loop: after some rows it is posted to the loop's next turn and goes
 * on there. What it holds is a snapshot, a page of rows and, for sums, one state a function.
 *
 * A page ends when it has enough rows; then one row more is looked for, so that "there is more" is
 * true. Aggregates without GROUP BY are one row and never paged; with GROUP BY a page ends between
 * groups.
 *
 * Invariants: 1. rows are encoded as they are found; nothing of a row lives on behind it but what
 * aggregates and sorting keep. 2. select_end() is reached once.
 */
#include "serve/cql/index_read.h"
#include "serve/cql/points.h"
#include "serve/cql/trace.h"

#include "base/check.h"

enum { ROWS_A_TURN = 512, PAGE_BYTES_SOFT = 16 << 20, SCRATCH_BYTES_MAX = 256 << 20 };

/* ---- rows that go out ---- */

static void value_append(struct buf *out, struct str value)
{
    if (!value.ptr) {
        buf_be32(out, UINT32_MAX);
        return;
    }
    uint8_t *at = buf_reserve(out, value.bytes + 4);
    if (!at)
        return;
    uint32_t bytes = __builtin_bswap32((uint32_t)value.bytes);
    memcpy(at, &bytes, 4);
    memcpy(at + 4, value.ptr, value.bytes);
    buf_advance(out, value.bytes + 4);
}

static void json_name(struct buf *out, struct str name)
{
    bool quoted = false;
    for (size_t i = 0; i < name.bytes; i++)
        quoted = quoted || (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z');
    buf_text(out, quoted ? "\"\\\"" : "\"");
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.ptr[i] == '"' || name.ptr[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, name.ptr[i]);
    }
    buf_text(out, quoted ? "\\\"\": " : "\": ");
}

enum err select_row_append(struct arena *arena, const struct select_plan *p,
                           const struct str *items, struct buf *out)
{
    if (!p->json) {
        for (size_t i = 0; i < p->item_count; i++)
            value_append(out, items[i]);
        return buf_error(out);
    }
    struct buf json = {0};
    buf_char(&json, '{');
    for (size_t i = 0; i < p->item_count; i++) {
        if (i)
            buf_text(&json, ", ");
        json_name(&json, p->items[i]->name);
        if (items[i].ptr)
            cql_value_print_json(p->items[i]->type, items[i], &json);
        else
            buf_text(&json, "null");
    }
    buf_char(&json, '}');
    value_append(out, buf_str(&json));
    buf_deinit(&json);
    (void)arena;
    return buf_error(out);
}

enum err select_eval_items(struct expr_run *eval, const struct select_plan *p,
                           struct str *ret_items)
{
    for (size_t i = 0; i < p->item_count; i++) {
        TRY(expr_eval(eval, p->items[i], &ret_items[i]));
        if (expr_is_unset(ret_items[i]))
            return cql_fail(eval->error, eval->arena, CQL_INVALID,
                            "Invalid unset value for a selection");
    }
    return OK;
}

static bool sends_metadata(const struct cql_run *run)
{
    return !(run->parameters->flags & CQL_QUERY_SKIP_METADATA);
}

static void answer_rows(struct cql_run *run, struct str paging_state, uint32_t count,
                        struct str rows)
{
    struct cql_rows_metadata metadata = {.columns = run->plan->results,
                                         .column_count = run->plan->result_count,
                                         .no_metadata = !sends_metadata(run),
                                         .paging_state = paging_state};
    buf_be32(&run->out, CQL_RESULT_ROWS);
    cql_rows_metadata_append(&run->out, run->version, &metadata);
    buf_be32(&run->out, count);
    buf_str_append(&run->out, rows);
}

/* ---- limits ---- */

static enum err limit_value(struct expr_run *eval, const struct expr *x, int64_t *ret_limit)
{
    struct str value;
    *ret_limit = -1;
    if (!x)
        return OK;
    TRY(expr_eval(eval, x, &value));
    if (expr_is_unset(value))
        return OK;
    if (!value.ptr)
        return cql_fail(eval->error, eval->arena, CQL_INVALID, "Invalid null value of limit");
    if (value.bytes != 4)
        return cql_fail(eval->error, eval->arena, CQL_INVALID, "Invalid limit value");
    int32_t limit =
        (int32_t)((uint32_t)(uint8_t)value.ptr[0] << 24 | (uint32_t)(uint8_t)value.ptr[1] << 16 |
                  (uint32_t)(uint8_t)value.ptr[2] << 8 | (uint8_t)value.ptr[3]);
    if (limit <= 0)
        return cql_fail(eval->error, eval->arena, CQL_INVALID, "LIMIT must be strictly positive");
    *ret_limit = limit;
    return OK;
}

/* ---- one row by its key ---- */

static enum err select_one(struct cql_run *run, const struct select_plan *p, struct expr_run *eval,
                           struct table_reader *reader)
{
    const struct cql_table *table = p->table;
    int64_t limit;
    TRY(limit_value(eval, p->limit, &limit));
    TRY(limit_value(eval, p->per_partition_limit, &limit));
    const struct str **keys;
    struct slice *slices;
    size_t key_count, slice_count;
    TRY(where_partitions(eval, &p->where, &keys, &key_count));
    TRY(where_slices(eval, &p->where, &slices, &slice_count));
    TRY(where_check_keys(eval, keys, key_count));
    struct table_key key = {.partition = keys[0],
                            .clustering = slices[0].from.values,
                            .clustering_count = table->clustering_count};
    const struct table_row *row;
    enum err err =
        table_read_row(reader, table->table, &key, p->wanted, eval->now_us / 1000000, &row);
    if (err == ERR_NOT_FOUND) {
        answer_rows(run, STR_NONE, 0, STR_NONE);
        return OK;
    }
    TRY(err);
    struct str *values = arena_array(run->arena, table->column_count + 1, sizeof *values);
    struct str *items = arena_array(run->arena, p->item_count + 1, sizeof *items);
    row_values(run->arena, table, p->by_storage, row, values);
    eval->values = values;
    eval->row = row;
    TRY(select_eval_items(eval, p, items));
    answer_rows(run, STR_NONE, 1, STR_NONE);
    return select_row_append(run->arena, p, items, &run->out);
}

enum err select_point(struct cql_run *run, struct table_reader *reader)
{
    struct expr_run eval;
    TRY(run_bind(run, &eval));
    TRY(select_one(run, run->plan->private, &eval, reader));
    return buf_error(&run->out);
}

/* ---- sorting behind the read ---- */

static int compare_held(const struct select_run *s, const struct select_held *a,
                        const struct select_held *b)
{
    for (size_t i = 0; i < s->plan->order_count; i++) {
        const struct select_order *order = &s->plan->order[i];
        if (s->plan->ann)
            return ann_compare(s, a->keys[0], b->keys[0]);
        int result =
            cql_value_compare(s->plan->table->columns[order->column].type, a->keys[i], b->keys[i]);
        if (result)
            return order->descending ? -result : result;
    }
    return 0;
}

static enum err hold_row(struct select_run *s, const struct str *items)
{
    struct str score = STR_NONE;
    bool wanted = true;
    if (s->plan->ann)
        TRY(ann_score(s, &wanted, &score));
    if (!wanted)
        return OK;
    if (s->held_count == s->held_room) {
        s->held_room = s->held_room ? s->held_room * 2 : 64;
        s->held = mem_realloc_array(s->held, s->held_room, sizeof *s->held);
    }
    struct select_held *held = &s->held[s->held_count++];
    held->keys = arena_array(&s->held_arena, s->plan->order_count, sizeof(struct str));
    for (size_t i = 0; i < s->plan->order_count; i++)
        held->keys[i] = arena_str(&s->held_arena,
                                  s->plan->ann ? score : s->eval.values[s->plan->order[i].column]);
    struct buf row = {0};
    enum err err = select_row_append(s->eval.arena, s->plan, items, &row);
    held->bytes = value_of_buf(&s->held_arena, &row);
    buf_deinit(&row);
    if (s->plan->ann)
        ann_prune(s);
    return err == OK && s->held_arena.over ? ERR_LIMIT : err;
}

void select_sort_held(struct select_run *s)
{
    if (s->held_count < 2)
        return;
    struct select_held *from = s->held, *to = mem_array(s->held_count, sizeof *to);
    for (size_t width = 1; width < s->held_count; width *= 2) {
        for (size_t at = 0; at < s->held_count; at += 2 * width) {
            size_t middle = at + width < s->held_count ? at + width : s->held_count;
            size_t end = at + 2 * width < s->held_count ? at + 2 * width : s->held_count;
            size_t a = at, b = middle;
            for (size_t i = at; i < end; i++) {
                bool left = a < middle && (b >= end || compare_held(s, &from[a], &from[b]) <= 0);
                to[i] = left ? from[a++] : from[b++];
            }
        }
        struct select_held *swap = from;
        from = to;
        to = swap;
    }
    s->held = from;
    mem_free(to);
}

static void give_held(struct select_run *s)
{
    select_sort_held(s);
    for (size_t i = 0; i < s->held_count && s->limit_left != 0; i++) {
        buf_str_append(&s->rows, s->held[i].bytes);
        s->row_count++;
        if (s->limit_left > 0)
            s->limit_left--;
    }
}

/* ---- row by row ---- */

enum err select_give(struct select_run *s, const struct str *items)
{
    if (s->plan->order_count) {
        if (s->partition_left > 0)
            s->partition_left--;
        return hold_row(s, items);
    }
    TRY(select_row_append(s->eval.arena, s->plan, items, &s->rows));
    s->row_count++;
    if (s->limit_left > 0)
        s->limit_left--;
    if (s->partition_left > 0)
        s->partition_left--;
    if (s->page_left > 0)
        s->page_left--;
    return OK;
}

static bool page_is_full(const struct select_run *s)
{
    return s->page_left == 0 || (s->page_left > 0 && s->rows.bytes > PAGE_BYTES_SOFT);
}

static bool groups(const struct select_plan *p)
{
    return p->grouped || p->aggregate_count > 0;
}

/* *ret_page: the page ends before this row, at the position that was kept. */
static enum err take_grouped(struct select_run *s, bool begins, bool *ret_page)
{
    bool changes;
    *ret_page = false;
    TRY(select_group_changes(s, begins, &changes));
    if (changes) {
        TRY(select_group_finish(s));
        if (s->limit_left == 0)
            return OK;
        if (page_is_full(s)) {
            *ret_page = true;
            select_position_limits(s);
            return OK;
        }
    }
    if (begins)
        s->partition_left = s->partition_limit;
    if (s->partition_left == 0) {
        select_skip_partition(s);
        return OK;
    }
    bool finished;
    TRY(select_group_add(s, begins, &finished));
    return s->page_left > 0 ? select_position(s, &s->position) : OK;
}

static enum err take_row(struct select_run *s, bool begins, bool *ret_page)
{
    const struct select_plan *p = s->plan;
    bool matches = true;
    *ret_page = false;
    if (p->distinct && !begins) {
        select_skip_partition(s);
        return OK;
    }
    s->eval.values = s->values;
    if (s->filter_count)
        TRY(where_matches(&s->eval, s->filters, s->filter_count, &matches));
    if (begins && !groups(p))
        s->partition_left = s->partition_limit;
    if (groups(p)) {
        /* A partition begins with its first row that counts. */
        begins = begins || s->begins;
        s->begins = begins && !matches;
    }
    if (!matches) {
        /* The first row decides for a whole partition: only static columns are looked at. */
        if (p->distinct)
            select_skip_partition(s);
        return OK;
    }
    if (groups(p))
        return take_grouped(s, begins, ret_page);
    if (s->partition_left == 0) {
        select_skip_partition(s);
        return OK;
    }
    struct str *items = arena_array(&s->scratch, p->item_count + 1, sizeof *items);
    TRY(select_eval_items(&s->eval, p, items));
    TRY(select_give(s, items));
    if (p->distinct)
        select_skip_partition(s);
    return OK;
}

/* ---- the ends ---- */

static void select_free(struct select_run *s)
{
    select_close(s);
    select_group_deinit(s);
    buf_deinit(&s->partition);
    buf_deinit(&s->partition_next);
    buf_deinit(&s->position);
    buf_deinit(&s->rows);
    buf_deinit(&s->group);
    arena_deinit(&s->scratch);
    arena_deinit(&s->group_arena);
    arena_deinit(&s->held_arena);
    mem_free(s->held);
}

static void select_end(struct select_run *s, enum err err, bool more)
{
    struct cql_run *run = s->run;
    if (err == OK && s->plan->order_count)
        give_held(s);
    if (err == OK) {
        struct str state = more ? arena_str(run->arena, buf_str(&s->position)) : STR_NONE;
        answer_rows(run, state, s->row_count, buf_str(&s->rows));
        err = buf_error(&s->rows) != OK ? buf_error(&s->rows) : buf_error(&run->out);
    } else if (run->error.message.ptr) {
        run->error.message = arena_str(run->arena, run->error.message);
    }
    if (run->trace)
        cql_trace_event(run->trace, "Read %u rows%s", s->row_count, more ? ", there are more" : "");
    select_free(s);
    run->executor->under_way--;
    if (err == OK)
        run->done(run);
    else
        run_fail(run, err);
}

/* Through an index whose entries are a row each? */
static bool reads_entries(const struct select_run *s)
{
    const struct where_relation *r = s->plan->where.indexed;
    if (!s->entries || !r)
        return false;
    enum cql_column_kind kind = s->plan->table->columns[r->columns[0]].kind;
    return kind == CQL_CLUSTERING || kind == CQL_REGULAR;
}

/* The page is full: is there one row more? Behind the entries of an index that is not looked for:
 * some clients know its last page by its being short, as it is in Cassandra. */
static void end_page(struct select_run *s)
{
    bool there = true, begins;
    enum err err = select_position(s, &s->position);
    if (err == OK && !reads_entries(s))
        err = select_next(s, &there, &begins);
    select_end(s, err, there);
}

static enum err finish_groups(struct select_run *s)
{
    if (!groups(s->plan))
        return OK;
    /* Nothing at all is still one row of a count. */
    if (s->in_group || (!s->plan->grouped && !s->resuming))
        return select_group_finish(s);
    return OK;
}

static void select_step(struct select_run *s)
{
    for (size_t i = 0; i < ROWS_A_TURN; i++) {
        bool there, begins, page;
        enum err err = select_next(s, &there, &begins);
        if (err == OK && !there) {
            select_end(s, finish_groups(s), false);
            return;
        }
        if (err == OK)
            err = take_row(s, begins, &page);
        if (err == OK && s->scratch.over)
            err = ERR_LIMIT;
        if (err != OK || s->limit_left == 0) {
            select_end(s, err, false);
            return;
        }
        if (page) {
            select_end(s, OK, true);
            return;
        }
        if (!groups(s->plan) && page_is_full(s)) {
            end_page(s);
            return;
        }
    }
    io_loop_post(s->run->executor->loop, &s->post);
}

static void select_go_on(struct io_post *post)
{
    select_step(post->owner);
}

/* ---- the beginning ---- */

static enum err check_sorted_paging(struct select_run *s)
{
    int32_t page = s->run->parameters->page_size;
    if (s->plan->order_count && !s->plan->ann && page > 0)
        return cql_fail(&s->run->error, s->run->arena, CQL_INVALID,
                        "Cannot page queries with both ORDER BY and a IN restriction on the "
                        "partition key; you must either remove the ORDER BY or the IN and sort "
                        "client side, or disable paging for this query");
    return OK;
}

static bool restricts_key(const struct select_plan *p)
{
    for (size_t i = 0; i < p->where.count; i++) {
        const struct where_relation *r = &p->where.relations[i];
        for (size_t j = 0; j < r->column_count; j++)
            if (p->table->columns[r->columns[j]].kind == CQL_PARTITION_KEY)
                return true;
    }
    return false;
}

static void warn(struct select_run *s)
{
    if (!groups(s->plan))
        return;
    if (s->plan->where.key_range && !restricts_key(s->plan))
        s->run->warnings[0] = STR("Aggregation query used without partition key");
    else if (s->plan->where.key_in)
        s->run->warnings[0] =
            STR("Aggregation query used on multiple partition keys (IN restriction)");
}

/* What cannot have rows by its own terms is not looked at any further. */
static enum err find_keys(struct select_run *s, bool *ret_empty)
{
    const struct where *where = &s->plan->where;
    TRY(where_partitions(&s->eval, where, &s->keys, &s->key_count));
    *ret_empty = s->key_count == 0;
    if (*ret_empty)
        return OK;
    TRY(where_slices(&s->eval, where, &s->slices, &s->slice_count));
    *ret_empty = s->slice_count == 0;
    return *ret_empty ? OK : where_check_keys(&s->eval, s->keys, s->key_count);
}

static enum err select_begin(struct select_run *s)
{
    const struct select_plan *p = s->plan;
    struct cql_run *run = s->run;
    TRY(limit_value(&s->eval, p->limit, &s->limit_left));
    TRY(limit_value(&s->eval, p->per_partition_limit, &s->partition_limit));
    if (p->aggregate_count && !p->grouped)
        s->limit_left = -1;
    s->partition_left = s->partition_limit;
    s->page_left =
        run->parameters->page_size > 0 && !p->order_count && !(p->aggregate_count && !p->grouped)
            ? run->parameters->page_size
            : -1;
    bool empty = false, system = p->table->table == NULL;
    s->scans =
        p->where.index && p->where.key_range && select_state_scans(run->parameters->paging_state);
    TRY(where_filters(&s->eval, &p->where, system || s->scans, &s->filters, &s->filter_count));
    if (p->where.key_range || system)
        TRY(where_tokens(&s->eval, &p->where, &s->token_from, &s->token_to, &empty));
    else
        TRY(find_keys(s, &empty));
    if (!empty || groups(p)) /* an aggregate is paged inside, whatever there is */
        TRY(check_sorted_paging(s));
    if (p->ann)
        TRY(ann_begin(s));
    s->ended = empty;
    if (run->parameters->paging_state.ptr) {
        s->resuming = true;
        TRY(select_resume(s, run->parameters->paging_state));
    }
    if (system)
        TRY(select_open_system(s));
    else if (p->where.index && p->where.key_range && !empty && !table_is_fed(p->table->table) &&
             !s->scans)
        TRY(index_read_open(s, &s->entries));
    TRY(select_group_init(s));
    warn(s);
    /* From here on what is evaluated belongs to one row. */
    s->eval.arena = &s->scratch;
    return OK;
}

static void select_start(struct cql_run *run, const struct select_plan *p,
                         const struct expr_run *eval)
{
    struct select_run *s = arena_zero(run->arena, sizeof *s);
    s->run = run;
    s->plan = p;
    s->eval = *eval;
    s->post = (struct io_post){.run = select_go_on, .owner = s};
    s->values = arena_array(run->arena, p->table->column_count + 1, sizeof *s->values);
    arena_init(&s->scratch, SCRATCH_BYTES_MAX);
    arena_init(&s->group_arena, SCRATCH_BYTES_MAX);
    arena_init(&s->held_arena, SCRATCH_BYTES_MAX);
    buf_init(&s->rows, CQL_BODY_BYTES_MAX);
    run->executor->under_way++;
    if (run->trace)
        cql_trace_event(run->trace, "Executing %s query on %.*s",
                        !p->where.key_range ? "single-partition"
                        : p->where.index    ? "index"
                                            : "range",
                        STR_ARG(p->table->name));
    enum err err = select_begin(s);
    if (err != OK)
        select_end(s, err, false);
    else
        select_step(s);
}

void select_run(struct cql_run *run)
{
    const struct select_plan *p = run->plan->private;
    struct expr_run eval;
    enum err err = consistency_check(run, false, false);
    if (err == OK && p->single_row && !run->trace) {
        points_add(run->executor->points, run);
        return;
    }
    if (err == OK)
        err = run_bind(run, &eval);
    if (err != OK) {
        run_fail(run, err);
        return;
    }
    if (!p->single_row) {
        select_start(run, p, &eval);
        return;
    }
    if (run->trace)
        cql_trace_event(run->trace, "Executing single-row query on %.*s", STR_ARG(p->table->name));
    err = select_one(run, p, &eval, run->executor->reader);
    if (err == OK && run->trace)
        cql_trace_event(run->trace, "Read the row");
    if (err == OK)
        err = buf_error(&run->out);
    if (err == OK)
        run->done(run);
    else
        run_fail(run, err);
}
