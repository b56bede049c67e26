/* SPDX-License-Identifier: MIT */
/* Calls functions as the binder does: bind with the arguments' types, cast them to the bound types,
 * evaluate over three equal rows with the same outcome in each. */
#include "func_cases.h"
#include "base/zone.h"
#include "test.h"

enum { ROWS = 3, ARGS_MAX = 8 };

struct scene {
    struct arena arena;
    struct query_session session;
    struct eval eval;
    struct diag failed;
    size_t wrong;
};

static void on_failed(struct eval *eval, uint32_t row, const struct diag *diag)
{
    struct scene *scene = eval->owner;
    if (!scene->failed.err)
        scene->failed = *diag;
}

/* All wrong cases are shown, not only the first. */
static void wrong(struct scene *scene, const char *format, ...)
{
    va_list args;
    scene->wrong++;
    va_start(args, format);
    fputs("# ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

static struct column *text_column(struct str text, bool null)
{
    struct builder *b = builder_new(type_simple(TYPE_STRING), ROWS, 0);
    struct column *column;
    for (int i = 0; i < ROWS; i++) {
        if (null)
            builder_null(b);
        else
            builder_str(b, text);
    }
    assert_ok(builder_finish(b, &column));
    builder_free(b);
    return column;
}

static struct column *call_columns(struct scene *scene, const char *name, struct func_arg *args,
                                   struct column **columns, size_t count, struct diag *diag);

static struct column *nested_column(struct scene *scene, const struct type *type, struct str text)
{
    struct buf ddl = {0};
    type_print(type, &ddl);
    struct column *columns[2] = {text_column(text, false), text_column(buf_str(&ddl), false)};
    struct func_arg args[2] = {{columns[0]->type, NULL, false},
                               {columns[1]->type, columns[1], true}};
    struct diag diag = {0};
    struct column *made = call_columns(scene, "from_json", args, columns, 2, &diag);
    if (!made)
        fail_msg("%.*s: %s", STR_ARG(text), diag.message);
    column_unref(columns[0]);
    column_unref(columns[1]);
    buf_deinit(&ddl);
    return made;
}

static struct column *read_arg(struct scene *scene, const char *spec, struct func_arg *ret_arg)
{
    size_t at = strcspn(spec, "=#!");
    const struct type *type;
    struct diag diag = {0};
    assert_ok(type_parse(&scene->arena, str_from(spec, at), &diag, &type));
    struct str text = str_of(spec + at + 1);
    struct column *column, *cast;
    if (type_is_nested(type) && spec[at] != '!') {
        cast = nested_column(scene, type, text);
    } else if (spec[at] == '!') {
        cast = column_nulls(type, ROWS);
    } else {
        column = text_column(text, false);
        assert_ok(cast_eval(&scene->eval, column, type, false, &cast));
        column_unref(column);
        if (scene->failed.err)
            fail_msg("%s: %s", spec, scene->failed.message);
    }
    bool constant = spec[at] != '#';
    *ret_arg = (struct func_arg){type, constant ? cast : NULL, constant};
    return cast;
}

static struct column *call_columns(struct scene *scene, const char *name, struct func_arg *args,
                                   struct column **columns, size_t count, struct diag *diag)
{
    const struct func_info *info = func_find(str_of(name));
    if (!info)
        fail_msg("there is no function %s", name);
    struct func_bind bind = {.arena = &scene->arena,
                             .session = &scene->session,
                             .args = args,
                             .count = count,
                             .diag = diag};
    if (func_call_bind(info, &bind) != OK)
        return NULL;
    struct column *cast[ARGS_MAX], *result;
    for (size_t i = 0; i < count; i++)
        assert_ok(cast_eval(&scene->eval, columns[i], bind.out.args[i], false, &cast[i]));
    assert_ok(
        func_call_eval(&scene->eval, &bind.out, (const struct column *const *)cast, ROWS, &result));
    for (size_t i = 0; i < count; i++)
        column_unref(cast[i]);
    column_check(result);
    assert_true(type_equal(result->type, bind.out.result));
    return result;
}

static void show(const struct scene *scene, const struct column *column, size_t row,
                 struct buf *out)
{
    if (column_is_null(column, row))
        buf_text(out, "NULL");
    else
        text_of_value(column, row, scene->session.zone, out);
}

static void check_value(struct scene *scene, const struct func_case *c, const struct column *result)
{
    struct buf have = {0}, other = {0};
    const char *want = c->want, *colon = strstr(want, ":");
    if (colon && want[0] >= 'A' && want[0] <= 'Z' && strcspn(want, " '") > (size_t)(colon - want)) {
        type_print_sql(result->type, &have);
        buf_char(&have, ':');
    }
    show(scene, result, 0, &have);
    show(scene, result, ROWS - 1, &other);
    if (!str_equal(buf_str(&have), str_of(want)))
        wrong(scene, "%s(%s, %s, ..): want '%s', have '%.*s'", c->name,
              c->args[0] ? c->args[0] : "", c->args[1] ? c->args[1] : "", want,
              STR_ARG(buf_str(&have)));
    assert_true(str_ends(buf_str(&have), buf_str(&other)));
    buf_deinit(&have);
    buf_deinit(&other);
}

static void run(struct scene *scene, const struct func_case *c)
{
    struct func_arg args[ARGS_MAX];
    struct column *columns[ARGS_MAX];
    struct diag diag = {0};
    size_t count = 0;
    scene->failed = (struct diag){0};
    for (; count < ARGS_MAX && c->args[count]; count++)
        columns[count] = read_arg(scene, c->args[count], &args[count]);
    struct column *result = call_columns(scene, c->name, args, columns, count, &diag);
    if (scene->failed.err)
        diag = scene->failed;
    if (*c->want == '!') {
        if (strcmp(diag.error_class, c->want + 1) != 0)
            wrong(scene, "%s(%s, ..): want %s, have '%s' %s", c->name, c->args[0], c->want,
                  diag.error_class, diag.message);
    } else if (diag.err) {
        wrong(scene, "%s(%s, ..): want '%s', have %s: %s", c->name, c->args[0], c->want,
              diag.error_class, diag.message);
    } else {
        check_value(scene, c, result);
    }
    for (size_t i = 0; i < count; i++)
        column_unref(columns[i]);
    column_unref(result);
}

void func_cases_run(const struct func_case *cases, size_t count, bool ansi, const char *zone)
{
    struct scene scene = {.session = {.ansi = ansi}};
    arena_init(&scene.arena, 64 << 20);
    assert_ok(zone_find(str_of(zone), &scene.session.zone));
    scene.eval = (struct eval){
        .session = &scene.session, .scratch = &scene.arena, .failed = on_failed, .owner = &scene};
    for (size_t i = 0; i < count; i++)
        run(&scene, &cases[i]);
    arena_deinit(&scene.arena);
    assert_int_equal(scene.wrong, 0);
}
