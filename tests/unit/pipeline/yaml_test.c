/* SPDX-License-Identifier: MIT */
/* YAML texts as settings: kinds, places, ${NAME}, mistakes; and the way back from a byte of a value
 * to the file. */
#include "pipeline/yaml.h"

#include "test.h"

struct loaded {
    struct arena arena;
    struct diag_list diags;
    struct str text;
    const struct setting *root;
    enum err err;
};

static const char *fake_get(void *owner, struct str name)
{
    if (str_equal(name, STR("HOME_URL")))
        return "http://127.0.0.1:1/";
    if (str_equal(name, STR("EMPTY")))
        return "";
    return str_equal(name, STR("SHORT")) ? "x" : NULL;
}

static void load(struct loaded *loaded, const char *text)
{
    static const struct yaml_environment environment = {fake_get, NULL};
    *loaded = (struct loaded){.text = str_of(text)};
    arena_init(&loaded->arena, 64 << 20);
    loaded->err = yaml_load(&loaded->arena, loaded->text, "a.yml", &environment, &loaded->diags,
                            &loaded->root);
}

static void load_good(struct loaded *loaded, const char *text)
{
    load(loaded, text);
    if (loaded->diags.count)
        fail_msg("%u:%u: %s", loaded->diags.items[0].line, loaded->diags.items[0].column,
                 loaded->diags.items[0].message);
    assert_ok(loaded->err);
}

static void unload(struct loaded *loaded)
{
    arena_deinit(&loaded->arena);
    diag_list_deinit(&loaded->diags);
}

static const struct setting *at(const struct loaded *loaded, const char *key)
{
    const struct setting *s = setting_get(loaded->root, key);
    assert_non_null(s);
    return s;
}

#define assert_place(want_line, want_column, s)                                                    \
    do {                                                                                           \
        assert_int_equal((want_line), (s)->line);                                                  \
        assert_int_equal((want_column), (s)->column);                                              \
    } while (0)

static void test_kinds(void **state)
{
    struct loaded l;
    load_good(&l, "plain: a b\nsingle: 'it''s'\ndouble: \"x\\ty\"\nnone:\ntilde: ~\nnull1: null\n"
                  "quoted_null: 'null'\nempty: ''\nlist: [1, two]\nmap: {a: 1}\ndeep:\n  - - x\n"
                  "    - y\n");
    assert_str("a b", at(&l, "plain")->text);
    assert_false(at(&l, "plain")->quoted);
    assert_str("it's", at(&l, "single")->text);
    assert_true(at(&l, "single")->quoted);
    assert_str("x\ty", at(&l, "double")->text);
    assert_int_equal(SETTING_NONE, at(&l, "none")->kind);
    assert_int_equal(SETTING_NONE, at(&l, "tilde")->kind);
    assert_int_equal(SETTING_NONE, at(&l, "null1")->kind);
    assert_str("null", at(&l, "quoted_null")->text);
    assert_int_equal(SETTING_TEXT, at(&l, "empty")->kind);
    assert_int_equal(2, at(&l, "list")->count);
    assert_str("two", at(&l, "list")->items[1].text);
    assert_str("1", setting_get(at(&l, "map"), "a")->text);
    assert_int_equal(SETTING_LIST, at(&l, "deep")->items[0].kind);
    assert_str("y", at(&l, "deep")->items[0].items[1].text);
    unload(&l);
}

static void test_empty(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "~\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct loaded l;
        load_good(&l, texts[i]);
        assert_int_equal(SETTING_MAP, l.root->kind);
        assert_int_equal(0, l.root->count);
        unload(&l);
    }
}

static void test_places(void **state)
{
    struct loaded l;
    load_good(&l, "a: 1\n"
                  "é: \"x\"\n"
                  "map: {k: [p, 'q'], z: {}}\n"
                  "list:\n"
                  "  - one\n"
                  "  - {n: 2}\n"
                  "  -\n"
                  "    m: 3\n"
                  "fold: >- # > no\n"
                  "  text\n"
                  "lit: |2\n"
                  "   text\n"
                  "none:\n"
                  "items:\n"
                  "  - # | no\n"
                  "    |\n"
                  "    x\n");
    assert_place(1, 4, at(&l, "a"));
    assert_place(2, 4, at(&l, "é"));
    assert_int_equal(2, at(&l, "é")->key_line);
    const struct setting *map = at(&l, "map"), *k = setting_get(map, "k");
    assert_place(3, 6, map);
    assert_int_equal(7, k->key_column);
    assert_place(3, 10, k);
    assert_place(3, 11, &k->items[0]);
    assert_place(3, 14, &k->items[1]);
    assert_place(3, 23, setting_get(map, "z"));
    const struct setting *list = at(&l, "list");
    assert_place(5, 3, list);
    assert_place(5, 5, &list->items[0]);
    assert_place(6, 5, &list->items[1]);
    assert_place(6, 9, setting_get(&list->items[1], "n"));
    assert_place(8, 8, setting_get(&list->items[2], "m"));
    assert_place(9, 7, at(&l, "fold"));
    assert_place(11, 6, at(&l, "lit"));
    assert_place(13, 1, at(&l, "none"));
    assert_place(16, 5, &at(&l, "items")->items[0]);
    unload(&l);
}

static void test_names(void **state)
{
    struct loaded l;
    load_good(&l, "a: ${HOME_URL}api\n"
                  "b: ${NOT_SET:-fall back}\n"
                  "c: ${NOT_SET-}|\n"
                  "d: ${EMPTY:-full}${EMPTY-no}\n"
                  "e: $$5 $x $\n"
                  "f: '${SHORT}${SHORT}'\n"
                  "g: [\"${SHORT}\", {h: '${NOT_SET:-a:b}'}]\n"
                  "${SHORT}: key\n"
                  "i: ${HOME_URL:-$}\n"
                  "j: $${SHORT}\n");
    assert_str("http://127.0.0.1:1/api", at(&l, "a")->text);
    assert_str("fall back", at(&l, "b")->text);
    assert_str("|", at(&l, "c")->text);
    assert_str("full", at(&l, "d")->text);
    assert_str("$5 $x $", at(&l, "e")->text);
    assert_str("xx", at(&l, "f")->text);
    assert_str("x", at(&l, "g")->items[0].text);
    assert_str("a:b", at(&l, "g")->items[1].items[0].text);
    assert_str("key", at(&l, "${SHORT}")->text);
    assert_str("http://127.0.0.1:1/", at(&l, "i")->text);
    assert_str("${SHORT}", at(&l, "j")->text);
    unload(&l);
}

static void test_aliases(void **state)
{
    struct loaded l;
    load_good(&l, "a: &x {n: 1}\nb: *x\nc: &t text\nd: [*t, *x]\n");
    assert_str("1", setting_get(at(&l, "b"), "n")->text);
    assert_place(2, 4, at(&l, "b"));
    assert_str("text", at(&l, "d")->items[0].text);
    assert_str("1", at(&l, "d")->items[1].items[0].text);
    unload(&l);
}

/* Each text is wrong at one place, and the message names it. */
static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *message;
    } cases[] = {
        {"a: ${MISSING}\n", 1, 4, "MISSING is not set"},
        {"a: \"b ${MISSING}\"\n", 1, 7, "MISSING is not set"},
        {"a: >\n  b\n  c ${MISSING}\n", 3, 5, "MISSING is not set"},
        {"a: b ${OPEN\n", 1, 6, "not closed"},
        {"a: ${}\n", 1, 4, "is not a name"},
        {"a: ${1x}\n", 1, 4, "is not a name"},
        {"a: ${A B}\n", 1, 4, "is not a name"},
        {"a: 1\nb: 2\na: 3\n", 3, 1, "stands twice (first in line 1)"},
        {"m: {a: 1, a: 2}\n", 1, 11, "stands twice"},
        {"a: 1\n\tb: 2\n", 2, 1, "tab"},
        {"\ta: 1\n", 1, 1, "tab"},
        {"a:\n  \t- b\n", 2, 3, "tab"},
        {"a: 1\n b: 2\n", 2, 2, "does not fit"},
        {"a: 1\n\n  b: 2\n", 3, 3, "does not fit"},
        {"a\nb: 1\n", 1, 1, "no ': '"},
        {"a:\n  b: 1\n c: 2\n", 3, 2, "like none above"},
        {"a: b: c\n", 1, 5, "a second ': '"},
        {"a: @x\n", 1, 4, "cannot start with '@'"},
        {"a: `x`\n", 1, 4, "cannot start with '`'"},
        {"a: \"x\n", 1, 5, "without closing quote"},
        {"a: \"\\q\"\n", 1, 5, "invalid escape"},
        {"a: [1, 2\nb: 3\n", 1, 4, "[ is not closed"},
        {"a: {x: 1\n", 1, 4, "{ is not closed"},
        {"{", 1, 1, "{ is not closed"},
        {"a: }\n", 1, 4, "extra closing"},
        {"- a\n- b\n", 1, 1, "has to be a map"},
        {"text\n", 1, 1, "has to be a map"},
        {"---\na: 1\n---\nb: 2\n", 3, 1, "second document"},
        {"a: *none\n", 1, 4, "no anchor 'none'"},
        {"a: &x {b: *x}\n", 1, 11, "no anchor 'x'"},
        {"a: &x {b: 1}\nc:\n  <<: *x\n", 3, 3, "merge keys"},
        {"a: |0\n  x\n", 1, 2, "indentation indicator 0"},
        {"[a]: 1\n", 1, 1, "a key has to be a text"},
        {"{a: 1}: 2\nb: 1\n", 1, 1, "a key has to be a text"},
        {"a: 1\nb: \xff\n", 2, 4, "not UTF-8"},
        {"é: 1\né: \xc3\n", 2, 4, "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loaded l;
        load(&l, cases[i].text);
        const struct diag *diag = l.diags.items;
        if (l.err != ERR_SYNTAX || l.diags.count != 1 || diag->line != cases[i].line ||
            diag->column != cases[i].column || !strstr(diag->message, cases[i].message))
            fail_msg("case %zu, %s: %s, %zu mistakes, %u:%u: %s", i, cases[i].text, err_text(l.err),
                     l.diags.count, l.diags.count ? diag->line : 0,
                     l.diags.count ? diag->column : 0, l.diags.count ? diag->message : "");
        assert_string_equal("a.yml", diag->file);
        unload(&l);
    }
}

static void test_many_mistakes(void **state)
{
    struct loaded l;
    load(&l, "a: ${A}\nb: [\"${B}\", ${\nc: 1\nc: ${C}]\n");
    assert_err(ERR_SYNTAX, l.err);
    unload(&l);
    load(&l, "a: ${A} and ${B}\nb: ['${C}']\nc: 1\nc: ${D}\n");
    assert_err(ERR_SYNTAX, l.err);
    assert_int_equal(5, l.diags.count);
    assert_int_equal(13, l.diags.items[1].column);
    unload(&l);
}

static void test_nesting(void **state)
{
    struct loaded l;
    char text[400];
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    text[399] = 0;
    load(&l, text);
    assert_err(ERR_SYNTAX, l.err);
    assert_int_equal(1, l.diags.count);
    unload(&l);
    struct buf deep = {0};
    for (int i = 0; i < 90; i++)
        buf_printf(&deep, "%*sa:\n", i, "");
    load(&l, buf_c_str(&deep));
    assert_err(ERR_SYNTAX, l.err);
    assert_non_null(strstr(l.diags.items[0].message, "deeper than"));
    unload(&l);
    buf_deinit(&deep);
}

/* ---- the way back ---- */

static void expect_place(const char *text, const char *key, const char *part, uint32_t line,
                         uint32_t column)
{
    struct loaded l;
    load_good(&l, text);
    const struct setting *s = at(&l, key);
    size_t offset = part ? str_find(s->text, str_of(part), 0) : s->text.bytes;
    assert_int_not_equal(SIZE_MAX, offset);
    uint32_t have_line, have_column;
    yaml_place(l.text, s, offset, &have_line, &have_column);
    if (have_line != line || have_column != column)
        fail_msg("'%s' of %s: want %u:%u, have %u:%u", part ? part : "(end)", text, line, column,
                 have_line, have_column);
    unload(&l);
}

static void test_way_back(void **state)
{
    const char *folded = "x:\n  s: >\n    id STRING,\n    name STRUCT<a: INT,\n      b: X>,\n\n"
                         "    last INT\nk: 1\n";
    expect_place("s: id STRING, b XX\n", "s", "XX", 1, 17);
    expect_place("s: id STRING, b XX\n", "s", NULL, 1, 19);
    expect_place("a: {s: é x, t: 1}\ns: é XX\n", "s", "XX", 2, 6);
    expect_place("s: 'it''s XX'\n", "s", "XX", 1, 11);
    expect_place("s: \"a\\tb\\u00e9\\x41 XX\"\n", "s", "XX", 1, 20);
    expect_place("s: \"a\\\n   b XX\"\n", "s", "XX", 2, 6);
    expect_place("s: a\n  b\n\n  c XX\n", "s", "XX", 4, 5);
    expect_place("s: 'a  \n  b\n\n  c XX'\n", "s", "XX", 4, 5);
    expect_place("s: |\n  a\n\n    b\n  c XX\nt: 1\n", "s", "XX", 5, 5);
    expect_place("s: >+ # c\n\n  a\n  b\n\n\n  c\n   d\n  XX\n\n\nt: 1\n", "s", "XX", 9, 3);
    expect_place("s: |2-\n    a\n  XX\n", "s", "XX", 3, 3);
    expect_place("s: >\r\n  a\r\n  XX\r\n", "s", "XX", 3, 3);
    expect_place("s: >\n  ${HOME_URL} XX\n  YY\n", "s", "XX", 2, 15);
    expect_place("s: >\n  ${HOME_URL} XX\n  YY\n", "s", "YY", 3, 3);
    expect_place("s: '$$ ${HOME_URL} a ${EMPTY:-b} XX'\n", "s", "XX", 1, 34);
    expect_place("s: ${HOME_URL} XX\n", "s", "XX", 1, 4);
    struct loaded l;
    load_good(&l, folded);
    const struct setting *s = setting_get(at(&l, "x"), "s");
    uint32_t line, column;
    yaml_place(l.text, s, str_find(s->text, STR("X>"), 0), &line, &column);
    assert_int_equal(5, line);
    assert_int_equal(10, column);
    yaml_place(l.text, s, str_find(s->text, STR("last"), 0), &line, &column);
    assert_int_equal(7, line);
    assert_int_equal(5, column);
    unload(&l);
}

/* Every letter of every value stands in the file where yaml_place says. */
static void test_way_back_everywhere(void **state)
{
    static const char *const texts[] = {
        "s: plain text over\n   two\n\n\n   lines\n",
        "s: 'single ''quoted'' over\n   two\n\n   lines'\n",
        "s: \"double over\n   two \\\n   \\  lines\n\n  end\"\n",
        "s: |\n  a\n   b\n\n\n  c\n",
        "s: |+\n\n\n  a\n   b\n\n\n\nt: u\n",
        "s: >\n  a\n  b\n   c\n   d\n\n   e\n\n  f\n  g\n\n\n  h\n",
        "s: >-\n  a\n\n\n\n   b\n  c\n\n\n",
        "s: >2\n   a\n  b\n\n  c\n",
        "s: >\n\n  a\n \n  b\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct loaded l;
        load_good(&l, texts[i]);
        const struct setting *s = at(&l, "s");
        for (size_t k = 0; k < s->text.bytes; k++) {
            uint32_t line, column;
            yaml_place(l.text, s, k, &line, &column);
            struct str rest = l.text, part = STR_NONE;
            while (line-- && str_cut(&rest, '\n', &part))
                ;
            char c = s->text.ptr[k];
            if (c == '\n' || c == ' ')
                continue;
            if (column > part.bytes || part.ptr[column - 1] != c)
                fail_msg("text %zu, byte %zu '%c': column %u of '%.*s'", i, k, c, column,
                         STR_ARG(part));
        }
        unload(&l);
    }
}

/* ---- .env ---- */

static void test_env(void **state)
{
    struct arena arena = {.bytes_max = 1 << 20};
    struct diag_list diags = {0};
    struct env_file env = {0};
    assert_ok(env_load(&arena,
                       STR("# comment\n\nA=1\nexport B = two words # comment\nC='x # y'\r\n"
                           "D=\"q\" # tail\nE=\n  F=a=b#c\nA=2\nG='$X'\n"),
                       ".env", &diags, &env));
    static const char *const want[][2] = {{"A", "2"}, {"B", "two words"}, {"C", "x # y"},
                                          {"D", "q"}, {"E", ""},          {"F", "a=b#c"},
                                          {"G", "$X"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const char *value = map_get(&env.values, str_of(want[i][0]));
        assert_non_null(value);
        assert_string_equal(want[i][1], value);
    }
    map_deinit(&env.values);
    assert_err(ERR_SYNTAX, env_load(&arena, STR("A\n=1\n  1B=2\nC='x\nD=\"a\" b\nGOOD=1\nA B=1\n"),
                                    ".env", &diags, &env));
    assert_int_equal(6, diags.count);
    static const uint32_t lines[] = {1, 2, 3, 4, 5, 7};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(lines[i], diags.items[i].line);
    assert_int_equal(3, diags.items[2].column);
    diag_list_deinit(&diags);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),         cmocka_unit_test(test_empty),
        cmocka_unit_test(test_places),        cmocka_unit_test(test_names),
        cmocka_unit_test(test_aliases),       cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_many_mistakes), cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_way_back),      cmocka_unit_test(test_way_back_everywhere),
        cmocka_unit_test(test_env),
    };
    return RUN_TESTS(tests);
}
