/* SPDX-License-Identifier: MIT */
#include "serve/cql/ast.h"

#include "test.h"

static const char *folder;

struct parsed {
    struct arena arena;
    struct diag diag;
    struct cql_statement *st;
    enum err err;
};

static struct parsed parse(struct str text)
{
    struct parsed p = {.st = NULL};
    arena_init(&p.arena, 1 << 26);
    /* The bytes stand alone, so that reading behind them is seen. */
    char *copy = arena_alloc(&p.arena, text.bytes ? text.bytes : 1);
    memcpy(copy, text.ptr, text.bytes);
    p.err = cql_parse(&p.arena, str_from(copy, text.bytes), &p.diag, &p.st);
    return p;
}

static struct cql_statement *parse_ok(struct parsed *p, const char *text)
{
    *p = parse(str_of(text));
    if (p->err != OK)
        fail_msg("%s: %s", text, p->diag.message);
    return p->st;
}

/* syntax.txt: what a Cassandra said to wrong statements, and where ours say something else. */
static void test_words(void **state)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/syntax.txt", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL, statement[4096] = "";
    size_t room = 0, count = 0, differ = 0, bytes = 0;
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || !line[0])
            continue;
        if (strncmp(line, "   => ", 6) != 0) {
            bytes = 0;
            for (const char *c = line; *c && bytes + 1 < sizeof statement; c++) {
                bool feed = c[0] == '\\' && c[1] == 'n';
                statement[bytes++] = feed ? '\n' : *c;
                c += feed;
            }
            continue;
        }
        struct parsed p = parse(str_from(statement, bytes));
        const char *have = p.err == OK ? "OK" : p.diag.message;
        count++;
        if (strcmp(have, line + 6) != 0) {
            differ++;
            print_message("%.*s\n  want %s\n  have %s\n", (int)bytes, statement, line + 6, have);
        }
        arena_deinit(&p.arena);
    }
    free(line);
    fclose(file);
    assert_true(count > 200);
    assert_int_equal(differ, 0);
}

static void test_literals(void **state)
{
    static const struct {
        const char *text;
        enum cql_term_kind kind;
        const char *value;
    } cases[] = {
        {"'it''s'", TERM_STRING, "it's"},
        {"$$it's$$", TERM_STRING, "it's"},
        {"''", TERM_STRING, ""},
        {"-12", TERM_INTEGER, "-12"},
        {"1.5e-3", TERM_FLOAT, "1.5e-3"},
        {"1.", TERM_FLOAT, "1."},
        {"NaN", TERM_FLOAT, "NaN"},
        {"-nan", TERM_FLOAT, "NaN"},
        {"-Infinity", TERM_FLOAT, "-Infinity"},
        {"TRUE", TERM_BOOLEAN, "TRUE"},
        {"0xCAfe", TERM_HEX, "CAfe"},
        {"0x", TERM_HEX, ""},
        {"550e8400-e29b-41d4-a716-446655440000", TERM_UUID, "550e8400-e29b-41d4-a716-446655440000"},
        {"deadbeef-e29b-41d4-a716-446655440000", TERM_UUID, "deadbeef-e29b-41d4-a716-446655440000"},
        {"1y2mo3w4d5h6m7s8ms9us10ns", TERM_DURATION, "1y2mo3w4d5h6m7s8ms9us10ns"},
        {"-1mo", TERM_DURATION, "-1mo"},
        {"P1Y2DT3H", TERM_DURATION, "P1Y2DT3H"},
        {"-P2W", TERM_DURATION, "-P2W"},
        {"P0001-02-03T04:05:06", TERM_DURATION, "P0001-02-03T04:05:06"},
        {"null", TERM_NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        struct parsed p;
        snprintf(text, sizeof text, "SELECT * FROM t WHERE a = %s;", cases[i].text);
        const struct cql_select *select = &parse_ok(&p, text)->select;
        const struct cql_term *term = select->where[0].values[0];
        assert_int_equal(term->kind, cases[i].kind);
        assert_str(cases[i].value, term->text);
        arena_deinit(&p.arena);
    }
}

static void test_select(void **state)
{
    struct parsed p;
    const struct cql_statement *st =
        parse_ok(&p, "SELECT DISTINCT json, Count(*) AS n, max(k.f(\"X\"), :m) , a.b[1..?].c, "
                     "(int) 5, -x + 2 * y -- comment\n FROM Ks.\"T\" WHERE token(a, b) > ? AND "
                     "(c, d) IN ((1, 2), (3, 4)) AND e IN ? AND m['k'] = 1 /* c */ AND f CONTAINS "
                     "KEY 2 GROUP BY a ORDER BY c DESC, d PER PARTITION LIMIT 2 LIMIT :l ALLOW "
                     "FILTERING");
    const struct cql_select *s = &st->select;
    assert_true(s->distinct);
    assert_false(s->json);
    assert_int_equal(s->selector_count, 6);
    assert_str("json", s->selectors[0].term->name);
    assert_int_equal(s->selectors[1].term->items[0]->kind, TERM_STAR);
    assert_str("n", s->selectors[1].alias);
    assert_str("k", s->selectors[2].term->items[0]->keyspace);
    assert_str("X", s->selectors[2].term->items[0]->items[0]->name);
    assert_int_equal(s->selectors[3].term->kind, TERM_FIELD);
    assert_str("a.b[1..?].c", s->selectors[3].term->source);
    assert_int_equal(s->selectors[3].term->items[0]->kind, TERM_SLICE);
    assert_int_equal(s->selectors[4].term->kind, TERM_TYPED);
    assert_int_equal(s->selectors[5].term->op, '+');
    assert_str("ks", s->table.keyspace);
    assert_str("T", s->table.name);
    assert_int_equal(s->where_count, 5);
    assert_true(s->where[0].token);
    assert_true(s->where[1].multi);
    assert_int_equal(s->where[1].value_count, 2);
    assert_true(s->where[2].in_marker);
    assert_non_null(s->where[3].element);
    assert_int_equal(s->where[4].op, CQL_CONTAINS_KEY);
    assert_true(s->order_by[0].descending);
    assert_true(s->allow_filtering);
    assert_int_equal(st->marker_count, 5);
    assert_str("m", st->marker_names[0]);
    assert_null(st->marker_names[1].ptr);
    assert_str("l", st->marker_names[4]);
    arena_deinit(&p.arena);
}

static void test_modify(void **state)
{
    struct parsed p;
    const struct cql_statement *st = parse_ok(
        &p, "BEGIN UNLOGGED BATCH USING TIMESTAMP 5 INSERT INTO t (a, b) VALUES (1, {x: 2}) IF NOT "
            "EXISTS USING TTL ?; UPDATE t SET a = a + 1, b=b-3, l = [1] + l, m[2] = 3, u.f = 4, "
            "s -= {5} WHERE k = 1 IF a = 2 AND u.f IN (1, 2) DELETE a, m[1], u.f FROM t WHERE k = "
            "1 IF EXISTS; INSERT INTO t JSON '{}' DEFAULT UNSET; APPLY BATCH;");
    assert_int_equal(st->batch.kind, BATCH_IS_UNLOGGED);
    assert_int_equal(st->batch.count, 4);
    const struct cql_modify *m = st->batch.items;
    assert_true(m[0].if_not_exists);
    assert_int_equal(m[0].assignments[1].value->kind, TERM_UDT);
    static const enum cql_assignment_kind kinds[] = {ASSIGN_ADD,     ASSIGN_ADD,   ASSIGN_PREPEND,
                                                     ASSIGN_ELEMENT, ASSIGN_FIELD, ASSIGN_SUBTRACT};
    assert_int_equal(m[1].assignment_count, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(m[1].assignments[i].kind, kinds[i]);
    assert_str("-3", m[1].assignments[1].value->text);
    assert_int_equal(m[1].condition_count, 2);
    assert_int_equal(m[2].deletion_count, 3);
    assert_true(m[2].if_exists);
    assert_true(m[3].default_unset);
    arena_deinit(&p.arena);
}

static void test_definitions(void **state)
{
    struct parsed p;
    const struct cql_create_table *t =
        &parse_ok(&p, "CREATE TABLE IF NOT EXISTS k.t (a INT, b Frozen<List<\"U\">> static, "
                      "key map < text,tuple<int , vector<float,3>> >, PRIMARY KEY ((a, b), key)) "
                      "WITH CLUSTERING ORDER BY (key DESC) AND comment = 'x' AND caching = "
                      "{'keys': 'ALL'} AND compaction={}")
             ->table;
    assert_str("frozen<list<\"U\">>", t->columns[1].type);
    assert_str("map<text, tuple<int, vector<float, 3>>>", t->columns[2].type);
    assert_true(t->columns[1].is_static);
    assert_int_equal(t->partition_count, 2);
    assert_int_equal(t->clustering_count, 1);
    assert_true(t->clustering_order[0].descending);
    assert_int_equal(t->option_count, 3);
    arena_deinit(&p.arena);
    const struct cql_describe *d = &parse_ok(&p, "DESC FULL SCHEMA WITH INTERNALS;")->describe;
    assert_int_equal(d->kind, DESCRIBE_SCHEMA);
    assert_true(d->full && d->internals);
    arena_deinit(&p.arena);
    d = &parse_ok(&p, "describe type")->describe;
    assert_int_equal(d->kind, DESCRIBE_ANY);
    arena_deinit(&p.arena);
}

/* Nesting is bounded, in every way to nest; what is long but flat is not. */
static void test_limits(void **state)
{
    static const struct {
        const char *before, *open, *close, *after;
    } nests[] = {
        {"SELECT * FROM t WHERE a = ", "[", "]", ""},
        {"SELECT * FROM t WHERE a = ", "(", ")", ""},
        {"SELECT * FROM t WHERE a = ", "{", "}", ""},
        {"SELECT ", "-", "", " a FROM t"},
        {"SELECT ", "f(", ")", " FROM t"},
        {"SELECT * FROM t WHERE ", "(", ")", ""},
        {"SELECT a", "[1]", "", " FROM t"},
        {"SELECT a", " + 1", "", " FROM t"},
        {"CREATE TABLE t (a ", "frozen<list<", "", ""},
    };
    for (size_t i = 0; i < sizeof nests / sizeof nests[0]; i++) {
        CLEAN(buf_deinit) struct buf text = {0};
        buf_text(&text, nests[i].before);
        for (int k = 0; k < 100000; k++)
            buf_text(&text, nests[i].open);
        buf_text(&text, "1");
        for (int k = 0; k < 100000; k++)
            buf_text(&text, nests[i].close);
        buf_text(&text, nests[i].after);
        struct parsed p = parse(buf_str(&text));
        assert_true(p.err == ERR_LIMIT || p.err == ERR_SYNTAX);
        arena_deinit(&p.arena);
    }
    CLEAN(buf_deinit) struct buf list = {0};
    buf_text(&list, "INSERT INTO t (a) VALUES ([0");
    for (int k = 0; k < 20000; k++)
        buf_printf(&list, ", %d", k);
    buf_text(&list, "])");
    struct parsed p = parse(buf_str(&list));
    assert_ok(p.err);
    assert_int_equal(p.st->modify.assignments[0].value->count, 20001);
    arena_deinit(&p.arena);
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),       cmocka_unit_test(test_literals),
        cmocka_unit_test(test_select),      cmocka_unit_test(test_modify),
        cmocka_unit_test(test_definitions), cmocka_unit_test(test_limits),
    };
    return RUN_TESTS(tests);
}
