/* SPDX-License-Identifier: MIT */
/*
 * Java's regular expressions translated to PCRE2 and compiled by its JIT.
 *
 * Both are backtracking engines of nearly one language. What differs is translated
 *
 *   \uXXXX \0ooo       \x{XXXX} \o{ooo}
 *   \p{Alpha} ..       ASCII classes of Java spelled out; \p{IsAlphabetic} as \p{L}\p{Nl}
 *   \p{IsL} \p{IsHan}  \p{L} \p{Han}
 *   [ inside a class   refused: a union or intersection there
 *   (?u) (?U) (?d)     refused
 *
 * \d \w \s \b are ASCII in both (no UCP). Lines end at any Unicode newline. Texts that are not
 * UTF-8 match as far as they are (PCRE2_MATCH_INVALID_UTF). Matching has limits on steps and
 * memory, so that a hostile pattern ends with an error instead of never.
 */
#include "query/func/regex.h"
#include "base/mem.h"
#include "query/func/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { STEPS_MAX = 10000000, HEAP_KIB_MAX = 20000, STACK_BYTES = 1 << 18, STACK_MAX = 1 << 22 };

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint32_t groups;
};

/* ---- translation ---- */

struct java_class {
    const char *name, *inside; /* what stands between brackets */
};
static const struct java_class java_classes[] = {
    {"Lower", "a-z"},
    {"Upper", "A-Z"},
    {"ASCII", "\\x00-\\x7F"},
    {"Alpha", "a-zA-Z"},
    {"Digit", "0-9"},
    {"Alnum", "a-zA-Z0-9"},
    {"Punct", "!-\\/:-@\\[-`{-~"},
    {"Graph", "!-~"},
    {"Print", " -~"},
    {"Blank", " \\t"},
    {"Cntrl", "\\x00-\\x1F\\x7F"},
    {"XDigit", "0-9a-fA-F"},
    {"Space", " \\t\\n\\x0B\\f\\r"},
};

struct translation {
    struct str in;
    size_t at;
    struct buf *out;
    bool in_class;
};

static struct str rest_of(const struct translation *t)
{
    return str_slice(t->in, t->at, t->in.bytes);
}

static enum err property(struct translation *t, bool negated)
{
    struct str rest = rest_of(t);
    struct str name = str_slice(rest, 0, 1);
    if (!rest.bytes)
        return ERR_SYNTAX;
    if (*rest.ptr == '{') {
        size_t end = str_find(rest, STR("}"), 0);
        if (end == SIZE_MAX)
            return ERR_SYNTAX;
        name = str_slice(rest, 1, end);
        t->at += end + 1;
    } else {
        t->at++;
    }
    for (size_t i = 0; i < sizeof java_classes / sizeof *java_classes; i++) {
        if (!str_equal(name, str_of(java_classes[i].name)))
            continue;
        if (t->in_class && negated)
            return ERR_UNSUPPORTED;
        buf_text(t->out, t->in_class ? "" : negated ? "[^" : "[");
        buf_text(t->out, java_classes[i].inside);
        buf_text(t->out, t->in_class ? "" : "]");
        return OK;
    }
    if (str_starts(name, STR("java")) || str_find(name, STR("="), 0) != SIZE_MAX ||
        str_starts(name, STR("In")))
        return ERR_UNSUPPORTED;
    if (str_starts(name, STR("Is")))
        name = str_slice(name, 2, name.bytes);
    if (str_equal(name, STR("Alphabetic")))
        name = STR("L");
    buf_printf(t->out, "\\%c{%.*s}", negated ? 'P' : 'p', STR_ARG(name));
    return OK;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.bytes; i++)
        if (!strchr("0123456789abcdefABCDEF", s.ptr[i]))
            return false;
    return s.bytes > 0;
}

static enum err escape(struct translation *t)
{
    t->at++;
    if (t->at == t->in.bytes)
        return ERR_SYNTAX;
    char c = t->in.ptr[t->at++];
    struct str rest = rest_of(t);
    size_t end = 0;
    switch (c) {
    case 'p':
    case 'P':
        return property(t, c == 'P');
    case 'u':
        if (rest.bytes < 4 || !is_hex(str_slice(rest, 0, 4)))
            return ERR_SYNTAX;
        buf_printf(t->out, "\\x{%.4s}", rest.ptr);
        t->at += 4;
        return OK;
    case '0':
        while (end < 3 && end < rest.bytes && rest.ptr[end] >= '0' && rest.ptr[end] <= '7')
            end++;
        if (end == 0)
            return ERR_SYNTAX;
        buf_printf(t->out, "\\o{%.*s}", (int)end, rest.ptr);
        t->at += end;
        return OK;
    case 'Q':
        end = str_find(rest, STR("\\E"), 0);
        end = end == SIZE_MAX ? rest.bytes : end;
        for (size_t i = 0; i < end; i++) {
            if (strchr("^$\\.[]|()?*+{}-#&~ ", rest.ptr[i]))
                buf_char(t->out, '\\');
            buf_char(t->out, rest.ptr[i]);
        }
        t->at += end + 2 > rest.bytes ? rest.bytes : end + 2;
        return OK;
    case 'N':
    case 'C':
    case 'K':
    case 'g':
    case 'o':
        return ERR_UNSUPPORTED;
    default:
        buf_char(t->out, '\\');
        buf_append(t->out, &c, 1);
        return OK;
    }
}

/* (?flags) and (?flags:..): i m s x - pass. */
static enum err group_flags(struct translation *t)
{
    struct str rest = rest_of(t);
    if (!str_starts(rest, STR("(?")))
        return OK;
    for (size_t i = 2; i < rest.bytes; i++) {
        char c = rest.ptr[i];
        if (c == ')' || c == ':' || c == '<' || c == '=' || c == '!' || c == '>')
            return OK;
        if (strchr("uUd", c))
            return ERR_UNSUPPORTED;
        if (!strchr("imsx-", c))
            return ERR_SYNTAX;
    }
    return ERR_SYNTAX;
}

static enum err open_class(struct translation *t)
{
    t->in_class = true;
    buf_char(t->out, '[');
    t->at++;
    if (t->at < t->in.bytes && t->in.ptr[t->at] == '^') {
        buf_char(t->out, '^');
        t->at++;
    }
    return t->at < t->in.bytes && t->in.ptr[t->at] == ']' ? ERR_SYNTAX : OK;
}

enum err regex_translate(struct str pattern, struct buf *out)
{
    struct translation t = {.in = pattern, .out = out};
    while (t.at < pattern.bytes) {
        char c = pattern.ptr[t.at];
        if (c == '\\') {
            TRY(escape(&t));
            continue;
        }
        if (t.in_class) {
            if (c == '[' || (c == '&' && str_starts(rest_of(&t), STR("&&"))))
                return ERR_UNSUPPORTED;
            t.in_class = c != ']';
        } else if (c == '[') {
            TRY(open_class(&t));
            continue;
        } else if (c == '(') {
            TRY(group_flags(&t));
        } else if (c == '{' && t.at > 0 &&
                   (t.at + 1 == pattern.bytes || !strchr("0123456789", pattern.ptr[t.at + 1]))) {
            return ERR_SYNTAX;
        }
        buf_append(out, &c, 1);
        t.at++;
    }
    return t.in_class ? ERR_SYNTAX : buf_error(out);
}

/* ---- matching ---- */

enum err regex_new(struct str pattern, struct regex **ret_regex)
{
    CLEAN(buf_deinit_at) struct buf text = {0};
    TRY(regex_translate(pattern, &text));
    int code;
    PCRE2_SIZE at;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANY);
    pcre2_code *compiled = pcre2_compile(text.ptr ? text.ptr : (const uint8_t *)"", text.bytes,
                                         PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                                             PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NEVER_UCP,
                                         &code, &at, context);
    pcre2_compile_context_free(context);
    if (!compiled)
        return ERR_SYNTAX;
    struct regex *regex = mem_zero(sizeof *regex);
    regex->code = compiled;
    regex->match = pcre2_match_data_create_from_pattern(compiled, NULL);
    regex->context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(regex->context, STEPS_MAX);
    pcre2_set_heap_limit(regex->context, HEAP_KIB_MAX);
    if (pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE) == 0) {
        regex->stack = pcre2_jit_stack_create(STACK_BYTES, STACK_MAX, NULL);
        pcre2_jit_stack_assign(regex->context, NULL, regex->stack);
    }
    pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    *ret_regex = regex;
    return OK;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_jit_stack_free(regex->stack);
    pcre2_match_context_free(regex->context);
    pcre2_match_data_free(regex->match);
    pcre2_code_free(regex->code);
    mem_free(regex);
}

size_t regex_groups(const struct regex *regex)
{
    return regex->groups;
}

size_t regex_group_number(const struct regex *regex, struct str name)
{
    char text[64];
    if (name.bytes >= sizeof text)
        return 0;
    memcpy(text, name.ptr, name.bytes);
    text[name.bytes] = 0;
    int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)text);
    return number > 0 ? (size_t)number : 0;
}

enum err regex_find(struct regex *regex, struct str text, size_t from)
{
    if (from > text.bytes)
        return ERR_NOT_FOUND;
    const char *ptr = text.ptr ? text.ptr : "";
    int got = pcre2_match(regex->code, (PCRE2_SPTR)ptr, text.bytes, from, 0, regex->match,
                          regex->context);
    if (got > 0)
        return OK;
    return got == PCRE2_ERROR_NOMATCH ? ERR_NOT_FOUND : ERR_LIMIT;
}

bool regex_group(const struct regex *regex, size_t group, size_t *ret_from, size_t *ret_to)
{
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(regex->match);
    if (group > regex->groups || bounds[2 * group] == PCRE2_UNSET)
        return false;
    *ret_from = bounds[2 * group];
    *ret_to = bounds[2 * group + 1];
    return *ret_from <= *ret_to; /* \K in a lookaround could turn them round */
}

size_t regex_next(const struct regex *regex, struct str text)
{
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(regex->match);
    if (bounds[1] > bounds[0])
        return bounds[1];
    return bounds[1] + (bounds[1] < text.bytes ? text_point_bytes(text, bounds[1]) : 1);
}
