/* SPDX-License-Identifier: MIT */
/*
 * Paths into documents: $.results[*].name['first name'][0].
 *
 * A path is compiled to steps; a walk goes down one step at a time over the text itself, passing
 * over what does not match with json_pass_value(). Nothing is built, so $.results[*] over a big
 * answer costs one pass over its bytes for each level that has a [*] above it and no memory.
 * Recursion is as deep as the path has steps, STEPS_MAX at most.
 *
 * Grammar: $ then any of  .name  ['name']  ["name"]  [3]  [*]  .*  ; a .name ends at a dot or an
 * opening bracket. In quotes \ takes the next character as it is. [*] and .* match the children of
 * arrays and of objects alike. When a name occurs twice in an object the first one is taken.
 * Not there: .. (descent), slices, filters, negative indices; they are refused with a message.
 */
#include "base/mem.h"
#include "format/json.h"
#include "format/json_scan.h"

enum { STEPS_MAX = 64 };

enum step_kind { STEP_NAME, STEP_INDEX, STEP_ALL };

struct step {
    enum step_kind kind;
    struct str name; /* into the text of the path */
    uint64_t index;
};

struct json_path {
    struct arena arena;
    size_t step_count;
    struct step steps[STEPS_MAX];
};

struct walk {
    const struct json_path *path;
    bool (*found)(void *owner, struct str value);
    void *owner;
    size_t count;
};

/* ---- parsing ---- */

struct path_text {
    struct str text;
    size_t at;
    struct diag *diag;
    struct json_path *path;
};

static enum err bad(struct path_text *t, const char *what)
{
    return diag_set(t->diag, ERR_SYNTAX, 1, (uint32_t)t->at + 1, "path: %s", what);
}

static char peek(const struct path_text *t)
{
    return t->at < t->text.bytes ? t->text.ptr[t->at] : 0;
}

static enum err step_add(struct path_text *t, struct step step)
{
    if (t->path->step_count == STEPS_MAX)
        return bad(t, "more than 64 steps");
    t->path->steps[t->path->step_count++] = step;
    return OK;
}

static enum err dot_step(struct path_text *t)
{
    size_t from = ++t->at;
    if (peek(t) == '.')
        return bad(t, "'..' is not offered");
    if (peek(t) == '*') {
        t->at++;
        return step_add(t, (struct step){.kind = STEP_ALL});
    }
    while (t->at < t->text.bytes && peek(t) != '.' && peek(t) != '[')
        t->at++;
    if (t->at == from)
        return bad(t, "a name was expected");
    struct str name = str_slice(t->text, from, t->at);
    return step_add(t, (struct step){.kind = STEP_NAME, .name = arena_str(&t->path->arena, name)});
}

static enum err quoted_step(struct path_text *t)
{
    char quote = peek(t);
    char *name = arena_alloc(&t->path->arena, t->text.bytes);
    size_t bytes = 0;
    for (t->at++; peek(t) != quote; t->at++) {
        if (t->at < t->text.bytes && peek(t) == '\\')
            t->at++;
        if (t->at >= t->text.bytes)
            return bad(t, "the quoted name does not end");
        name[bytes++] = peek(t);
    }
    t->at++;
    return step_add(t, (struct step){.kind = STEP_NAME, .name = str_from(name, bytes)});
}

static enum err bracket_step(struct path_text *t)
{
    t->at++;
    size_t from = t->at;
    if (peek(t) == '\'' || peek(t) == '"') {
        TRY(quoted_step(t));
    } else if (peek(t) == '*') {
        t->at++;
        TRY(step_add(t, (struct step){.kind = STEP_ALL}));
    } else {
        struct step step = {.kind = STEP_INDEX};
        while (peek(t) >= '0' && peek(t) <= '9')
            t->at++;
        if (str_to_u64(str_slice(t->text, from, t->at), &step.index) != OK)
            return bad(t, "an index, '*' or a name in quotes was expected");
        TRY(step_add(t, step));
    }
    if (peek(t) != ']')
        return bad(t, "']' was expected");
    t->at++;
    return OK;
}

static enum err path_parse(struct path_text *t)
{
    if (peek(t) != '$')
        return bad(t, "it must start with $");
    t->at++;
    while (t->at < t->text.bytes) {
        if (peek(t) == '.')
            TRY(dot_step(t));
        else if (peek(t) == '[')
            TRY(bracket_step(t));
        else
            return bad(t, "'.' or '[' was expected");
    }
    return OK;
}

enum err json_path_parse(struct str text, struct diag *diag, struct json_path **ret_path)
{
    if (text.bytes > 4096)
        return diag_set(diag, ERR_SYNTAX, 1, 4097, "path: more than 4096 characters");
    struct json_path *path = mem_zero(sizeof *path);
    arena_init(&path->arena, 1 << 20);
    struct path_text t = {.text = text, .diag = diag, .path = path};
    enum err err = path_parse(&t);
    if (err != OK) {
        json_path_free(path);
        return err;
    }
    *ret_path = path;
    return OK;
}

void json_path_free(struct json_path *path)
{
    if (!path)
        return;
    arena_deinit(&path->arena);
    mem_free(path);
}

bool json_path_is_many(const struct json_path *path)
{
    for (size_t i = 0; i < path->step_count; i++)
        if (path->steps[i].kind == STEP_ALL)
            return true;
    return false;
}

/* ---- walking ---- */

/* False when found() has had enough. */
static bool walk_step(struct walk *walk, size_t step_index, struct str value)
{
    if (step_index == walk->path->step_count) {
        walk->count++;
        return walk->found(walk->owner, value);
    }
    const struct step *step = &walk->path->steps[step_index];
    size_t state = 0;
    struct str key, child;
    if (step->kind == STEP_NAME) {
        child = json_member_str(value, step->name);
        return !child.ptr || walk_step(walk, step_index + 1, child);
    }
    if (step->kind == STEP_INDEX && json_kind(value) != JSON_KIND_ARRAY)
        return true;
    for (uint64_t i = 0; json_next(value, &state, &key, &child); i++) {
        if (step->kind == STEP_ALL) {
            if (!walk_step(walk, step_index + 1, child))
                return false;
        } else if (i == step->index) {
            return walk_step(walk, step_index + 1, child);
        }
    }
    return true;
}

static struct str trimmed(struct str document)
{
    const uint8_t *start = (const uint8_t *)document.ptr, *end = start + document.bytes;
    const uint8_t *p = json_blanks(start, end);
    while (end > p && json_is_blank(end[-1]))
        end--;
    return str_from(p, (size_t)(end - p));
}

size_t json_path_each(const struct json_path *path, struct str document,
                      bool (*found)(void *owner, struct str value), void *owner)
{
    struct walk walk = {.path = path, .found = found, .owner = owner};
    struct str value = trimmed(document);
    if (value.bytes)
        walk_step(&walk, 0, value);
    return walk.count;
}

static bool take_first(void *owner, struct str value)
{
    *(struct str *)owner = value;
    return false;
}

struct str json_path_first(const struct json_path *path, struct str document)
{
    struct str first = STR_NONE;
    json_path_each(path, document, take_first, &first);
    return first;
}
