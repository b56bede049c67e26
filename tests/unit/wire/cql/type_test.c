/* SPDX-License-Identifier: MIT */
/* CQL's types: as text, as Java classes, as options of the protocol. */
#include "wire/cql/cql.h"

#include "test.h"

static const struct cql_type *address(void *owner, struct str name)
{
    struct arena *arena = owner;
    static const struct str names[] = {{"street", 6}, {"Zip", 3}};
    const struct cql_type *items[] = {cql_simple(CQL_TEXT), cql_simple(CQL_INT)};
    if (str_equal(name, STR("address")) || str_equal(name, STR("My Type")) ||
        str_equal(name, STR("int")))
        return cql_udt(arena, STR("ks"), name, names, items, 2, false);
    return NULL;
}

struct text_case {
    const char *text, *printed, *class_name;
};
#define P "org.apache.cassandra.db.marshal."
static const struct text_case cases[] = {
    {"int", "int", P "Int32Type"},
    {" VarChar ", "text", P "UTF8Type"},
    {"list<int>", "list<int>", P "ListType(" P "Int32Type)"},
    {"frozen<list<int>>", "frozen<list<int>>", P "FrozenType(" P "ListType(" P "Int32Type))"},
    {"map<text, frozen<list<int>>>", "map<text, frozen<list<int>>>",
     P "MapType(" P "UTF8Type," P "FrozenType(" P "ListType(" P "Int32Type)))"},
    {"frozen<map<text,list<int>>>", "frozen<map<text, frozen<list<int>>>>",
     P "FrozenType(" P "MapType(" P "UTF8Type," P "ListType(" P "Int32Type)))"},
    {"tuple<int, text>", "frozen<tuple<int, text>>", P "TupleType(" P "Int32Type," P "UTF8Type)"},
    {"frozen<tuple<int,list<text>>>", "frozen<tuple<int, frozen<list<text>>>>",
     P "TupleType(" P "Int32Type," P "ListType(" P "UTF8Type))"},
    {"vector<float, 3>", "vector<float, 3>", P "VectorType(" P "FloatType , 3)"},
    {"set<frozen<address>>", "set<frozen<address>>",
     P "SetType(" P "FrozenType(" P "UserType(ks,61646472657373,737472656574:" P
       "UTF8Type,5a6970:" P "Int32Type)))"},
    {"ks.address", "address",
     P "UserType(ks,61646472657373,737472656574:" P "UTF8Type,5a6970:" P "Int32Type)"},
    {"\"My Type\"", "\"My Type\"",
     P "UserType(ks,4d792054797065,737472656574:" P "UTF8Type,5a6970:" P "Int32Type)"},
    {"tuple<int, \"int\">", "frozen<tuple<int, frozen<\"int\">>>",
     P "TupleType(" P "Int32Type," P "UserType(ks,696e74,737472656574:" P "UTF8Type,5a6970:" P
       "Int32Type))"},
    {"'org.apache.cassandra.db.marshal.LongType'", "bigint", P "LongType"},
    {"'LexicalUUIDType'", "'" P "LexicalUUIDType'", P "LexicalUUIDType"},
    {"'CompositeType(AsciiType, Int32Type)'", "'" P "CompositeType(" P "AsciiType," P "Int32Type)'",
     P "CompositeType(" P "AsciiType," P "Int32Type)"},
    {"'DynamicCompositeType(s => UTF8Type,i=>Int32Type)'",
     "'" P "DynamicCompositeType(s=>" P "UTF8Type,i=>" P "Int32Type)'",
     P "DynamicCompositeType(s=>" P "UTF8Type,i=>" P "Int32Type)"},
    {"duration", "duration", P "DurationType"},
    {"counter", "counter", P "CounterColumnType"},
};

static void texts(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct cql_type *type = NULL, *again = NULL;
        struct diag diag = {0};
        if (cql_type_parse(&arena, str_of(cases[i].text), address, &arena, &diag, &type) != OK)
            fail_msg("%s: %s", cases[i].text, diag.message);
        struct buf out = {0};
        cql_type_print(type, &out);
        assert_str(cases[i].printed, buf_str(&out));
        assert_ok(cql_type_parse(&arena, buf_str(&out), address, &arena, &diag, &again));
        assert_true(cql_type_equal(type, again));
        buf_reset(&out);
        cql_type_print_class(type, &out);
        assert_str(cases[i].class_name, buf_str(&out));
        assert_true(cql_type_equal(type, cql_type_copy(&arena, type)));
        buf_deinit(&out);
    }
    arena_deinit(&arena);
}

struct refused_case {
    const char *text;
    enum err err;
    const char *message;
};
static const struct refused_case refused[] = {
    {"", ERR_SYNTAX, NULL},
    {"list", ERR_SYNTAX, NULL},
    {"list<int", ERR_SYNTAX, NULL},
    {"list<int>>", ERR_SYNTAX, NULL},
    {"map<int>", ERR_SYNTAX, NULL},
    {"vector<float>", ERR_SYNTAX, NULL},
    {"vector<float, 0>", ERR_INVALID, "vectors may only have positive dimensions; given 0"},
    {"\"int", ERR_SYNTAX, NULL},
    {"\"text\"", ERR_NOT_FOUND, "Unknown type text"},
    {"'CompositeType()'", ERR_INVALID, "Unable to find abstract-type class 'CompositeType()'"},
    {"'CompositeType(Nope)'", ERR_INVALID,
     "Unable to find abstract-type class 'CompositeType(Nope)'"},
    {"'UserType(ks,,61:UTF8Type)'", ERR_INVALID,
     "Unable to find abstract-type class 'UserType(ks,,61:UTF8Type)'"},
    {"'DynamicCompositeType(UTF8Type)'", ERR_INVALID,
     "Unable to find abstract-type class 'DynamicCompositeType(UTF8Type)'"},
    {"nosuch", ERR_NOT_FOUND, "Unknown type nosuch"},
    {"other.address", ERR_INVALID,
     "Statement on keyspace ks cannot refer to a user type in keyspace other; user types can only "
     "be used in the keyspace they are defined in"},
    {"list<list<int>>", ERR_INVALID,
     "Non-frozen collections are not allowed inside collections: list<list<int>>"},
    {"set<address>", ERR_INVALID,
     "Non-frozen UDTs are not allowed inside collections: set<address>"},
    {"list<counter>", ERR_INVALID, "Counters are not allowed inside collections: list<counter>"},
    {"map<duration, int>", ERR_INVALID,
     "Durations are not allowed as map keys: map<duration, int>"},
    {"set<duration>", ERR_INVALID, "Durations are not allowed inside sets: set<duration>"},
    {"frozen<int>", ERR_INVALID,
     "frozen<> is only allowed on collections, tuples, and user-defined types (got int)"},
};

static void refusals(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const struct cql_type *type = NULL;
        struct diag diag = {0};
        enum err err =
            cql_type_parse(&arena, str_of(refused[i].text), address, &arena, &diag, &type);
        if (err != refused[i].err)
            fail_msg("'%s': %s", refused[i].text, err_text(err));
        assert_null(type);
        if (refused[i].message)
            assert_string_equal(refused[i].message, diag.message);
    }
    /* As deep as is allowed, and one more. */
    struct buf text = {0};
    for (unsigned depth = 10; depth < 3000; depth *= 3) {
        const struct cql_type *type = NULL;
        buf_reset(&text);
        for (unsigned i = 0; i < depth; i++)
            buf_text(&text, "tuple<");
        buf_text(&text, "int");
        for (unsigned i = 0; i < depth; i++)
            buf_char(&text, '>');
        enum err err = cql_type_parse(&arena, buf_str(&text), NULL, NULL, NULL, &type);
        assert_int_equal(err, depth < 512 ? OK : ERR_LIMIT);
    }
    /* As many fields as are allowed, and one more. */
    arena_deinit(&arena);
    arena_init(&arena, 1 << 20);
    for (unsigned count = 4096; count < 4098; count++) {
        const struct cql_type *type = NULL;
        buf_reset(&text);
        buf_text(&text, "tuple<int");
        for (unsigned i = 1; i < count; i++)
            buf_text(&text, ",int");
        buf_char(&text, '>');
        enum err err = cql_type_parse(&arena, buf_str(&text), NULL, NULL, NULL, &type);
        assert_int_equal(err, count == 4096 ? OK : ERR_LIMIT);
        if (type)
            assert_int_equal(type->count, 4096);
    }
    buf_deinit(&text);
    arena_deinit(&arena);
}

/* Every type through the option of every version; v3 and v4 send what they cannot number as
 * custom. Cut at every byte it is refused, never read past the end. */
static void options(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned version = 3; version <= 5; version++) {
            const struct cql_type *type = NULL, *back = NULL;
            assert_ok(cql_type_parse(&arena, str_of(cases[i].text), address, &arena, NULL, &type));
            struct buf out = {0};
            cql_type_encode(type, version, &out);
            assert_ok(buf_error(&out));
            struct reader r = reader_of(out.ptr, out.bytes);
            assert_ok(cql_type_decode(&r, &arena, &back));
            assert_int_equal(0, r.left);
            /* Frozen is not told by the protocol. */
            struct buf want = {0}, have = {0};
            cql_type_print_class(cql_type_frozen(&arena, type, true), &want);
            cql_type_print_class(cql_type_frozen(&arena, back, true), &have);
            assert_true(str_equal(buf_str(&want), buf_str(&have)));
            for (size_t cut = 0; cut < out.bytes; cut++) {
                uint8_t *copy = mem_alloc(cut ? cut : 1);
                memcpy(copy, out.ptr, cut);
                r = reader_of(copy, cut);
                assert_true(cql_type_decode(&r, &arena, &back) != OK);
                mem_free(copy);
            }
            buf_deinit(&out);
            buf_deinit(&want);
            buf_deinit(&have);
        }
    struct buf out = {0};
    cql_type_encode(cql_simple(CQL_DURATION), 4, &out);
    assert_int_equal(0, get_be16(out.ptr));
    buf_reset(&out);
    cql_type_encode(cql_simple(CQL_DURATION), 5, &out);
    assert_int_equal(0x15, get_be16(out.ptr));
    assert_int_equal(2, out.bytes);
    buf_reset(&out);
    cql_type_encode(cql_simple(CQL_DATE), 3, &out);
    assert_int_equal(0, get_be16(out.ptr));
    buf_deinit(&out);
    arena_deinit(&arena);
}

static void predicates(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct cql_type *type = NULL;
    assert_ok(cql_type_parse(&arena, STR("map<text, frozen<set<frozen<address>>>>"), address,
                             &arena, NULL, &type));
    assert_true(cql_type_is_multicell(type));
    assert_false(cql_type_is_multicell(type->items[1]));
    assert_true(cql_type_is_collection(type->items[1]));
    assert_true(cql_type_uses(type, STR("ks"), STR("address")));
    assert_false(cql_type_uses(type, STR("ks"), STR("Address")));
    assert_false(cql_type_is_multicell(cql_type_frozen(&arena, type, true)));
    assert_true(
        cql_type_equal(type, cql_type_frozen(&arena, cql_type_frozen(&arena, type, true), false)));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(refusals),
        cmocka_unit_test(options),
        cmocka_unit_test(predicates),
    };
    return RUN_TESTS(tests);
}
