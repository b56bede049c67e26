/* SPDX-License-Identifier: MIT */
/*
 * Binding: are the arguments what the function takes, and what comes out.
 *
 * Most functions say it in a signature, one letter a type:
 *
 *   s STRING    b BOOLEAN   i INT       l BIGINT    d DOUBLE    f FLOAT    y BINARY
 *   D DATE      T TIMESTAMP N TIMESTAMP_NTZ
 *   t TIMESTAMP or TIMESTAMP_NTZ as it comes; text and dates become TIMESTAMP
 *   u STRING or BINARY as it comes; others become STRING
 *   n any number as it comes; text becomes DOUBLE
 *   S array of STRING
 *   . anything as it comes (NULL stays NULL)
 *   c common type of all c
 *
 * "s(s,i)" takes two; a star behind the last letter repeats it. Letters behind args_min are
 * optional. The result is a letter too; a digit means "the bound type of that argument", c the
 * common type.
 */
#include "query/func/kernel.h"

#include <stdio.h>

enum err bind_fail(struct func_bind *bind, const char *error_class, const char *sqlstate,
                   const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    diag_set(bind->diag, ERR_INVALID, bind->diag ? bind->diag->line : 0,
             bind->diag ? bind->diag->column : 0, "%s", message);
    diag_class(bind->diag, error_class, sqlstate);
    return ERR_INVALID;
}

enum err bind_unsupported(struct func_bind *bind, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return diag_set(bind->diag, ERR_UNSUPPORTED, bind->diag ? bind->diag->line : 0,
                    bind->diag ? bind->diag->column : 0, "%s", message);
}

enum err bind_bad_input(struct func_bind *bind, size_t i, const char *required)
{
    return bind_fail(bind, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                     "%s: argument %zu must be %s, but it is %s", bind->info->name, i + 1, required,
                     type_text(bind->arena, bind->args[i].type));
}

struct str bind_text(const struct func_bind *bind, size_t i)
{
    const struct column *constant = bind->args[i].constant;
    if (!constant || constant->type->kind != TYPE_STRING || column_is_null(constant, 0))
        return STR_NONE;
    return arena_str(bind->arena, column_str(constant, 0));
}

enum err bind_common(struct func_bind *bind, size_t from, const struct type *result)
{
    const struct type *common = from < bind->count ? bind->args[from].type : NULL;
    for (size_t i = from + 1; i < bind->count; i++) {
        const struct type *next =
            type_common(bind->arena, common, bind->args[i].type, bind->session);
        if (!next)
            return bind_fail(bind, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09",
                             "%s: the arguments should have one type, but they are %s and %s",
                             bind->info->name, type_text(bind->arena, common),
                             type_text(bind->arena, bind->args[i].type));
        common = next;
    }
    for (size_t i = from; i < bind->count; i++)
        bind->out.args[i] = common;
    bind->out.result = result ? result : common;
    return OK;
}

static const struct type *letter_type(struct func_bind *bind, char letter)
{
    switch (letter) {
    case 's':
        return type_simple(TYPE_STRING);
    case 'b':
        return type_simple(TYPE_BOOLEAN);
    case 'i':
        return type_simple(TYPE_INT);
    case 'l':
        return type_simple(TYPE_BIGINT);
    case 'd':
        return type_simple(TYPE_DOUBLE);
    case 'f':
        return type_simple(TYPE_FLOAT);
    case 'y':
        return type_simple(TYPE_BINARY);
    case 'D':
        return type_simple(TYPE_DATE);
    case 'T':
        return type_simple(TYPE_TIMESTAMP);
    case 'N':
        return type_simple(TYPE_TIMESTAMP_NTZ);
    case 'S':
        return type_array(bind->arena, type_simple(TYPE_STRING), true);
    default:
        return NULL;
    }
}

static const struct type *as_it_comes(struct func_bind *bind, size_t i, char letter)
{
    const struct type *from = bind->args[i].type;
    bool text = from->kind == TYPE_STRING;
    switch (letter) {
    case 't':
        if (kind_is_instant(from->kind))
            return from;
        return text || from->kind == TYPE_NULL || from->kind == TYPE_DATE
                   ? type_simple(TYPE_TIMESTAMP)
                   : NULL;
    case 'u':
        if (from->kind == TYPE_STRING || from->kind == TYPE_BINARY)
            return from;
        return type_implicit(bind, i, type_simple(TYPE_STRING));
    case 'n':
        if (kind_is_numeric(from->kind))
            return from;
        return text || from->kind == TYPE_NULL ? type_simple(TYPE_DOUBLE) : NULL;
    default:
        return from;
    }
}

static enum err bind_letter(struct func_bind *bind, size_t i, char letter)
{
    static const char *const wanted[128] = {
        ['s'] = "STRING",        ['b'] = "BOOLEAN",       ['i'] = "INT",
        ['l'] = "BIGINT",        ['d'] = "DOUBLE",        ['f'] = "FLOAT",
        ['y'] = "BINARY",        ['D'] = "DATE",          ['T'] = "TIMESTAMP",
        ['N'] = "TIMESTAMP_NTZ", ['t'] = "TIMESTAMP",     ['u'] = "STRING or BINARY",
        ['n'] = "a number",      ['S'] = "ARRAY<STRING>",
    };
    const struct type *to = letter_type(bind, letter);
    bind->out.args[i] = to ? type_implicit(bind, i, to) : as_it_comes(bind, i, letter);
    if (bind->out.args[i])
        return OK;
    return bind_bad_input(bind, i, wanted[letter & 127] ? wanted[letter & 127] : "another type");
}

enum err bind_signature(struct func_bind *bind)
{
    const char *at = strchr(bind->info->signature, '(') + 1;
    const struct type *common = NULL;
    for (size_t i = 0; i < bind->count; i++) {
        TRY(bind_letter(bind, i, *at));
        if (*at == 'c')
            common = common ? type_common(bind->arena, common, bind->args[i].type, bind->session)
                            : bind->args[i].type;
        if (*at == 'c' && !common)
            return bind_fail(bind, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09",
                             "%s: the arguments have no common type", bind->info->name);
        if (at[1] == ',')
            at += 2;
    }
    at = strchr(bind->info->signature, '(') + 1;
    for (size_t i = 0; i < bind->count && common; i++) {
        if (*at == 'c')
            bind->out.args[i] = common;
        if (at[1] == ',')
            at += 2;
    }
    char result = bind->info->signature[0];
    if (result >= '0' && result <= '9')
        bind->out.result = bind->out.args[result - '0'];
    else
        bind->out.result = result == 'c' ? common : letter_type(bind, result);
    return OK;
}

static const char *wanted_count(struct func_bind *bind)
{
    const struct func_info *info = bind->info;
    if (info->args_max == 255)
        return arena_printf(bind->arena, "> %d", info->args_min - 1);
    if (info->args_min == info->args_max)
        return arena_printf(bind->arena, "%u", info->args_min);
    struct buf list = {0};
    for (unsigned i = info->args_min; i <= info->args_max; i++)
        buf_printf(&list, i > info->args_min ? ", %u" : "[%u", i);
    buf_char(&list, ']');
    char *text = arena_text(bind->arena, buf_str(&list));
    buf_deinit(&list);
    return text;
}

enum err func_call_bind(const struct func_info *info, struct func_bind *bind)
{
    bind->info = info;
    if (bind->count < info->args_min || (info->args_max != 255 && bind->count > info->args_max))
        return bind_fail(bind, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                         "The `%s` requires %s parameters but the actual number is %zu: %s",
                         info->name, wanted_count(bind), bind->count, info->usage);
    bind->out = (struct func_binding){.info = info, .count = bind->count};
    bind->out.args = arena_array(bind->arena, bind->count + 1, sizeof *bind->out.args);
    for (size_t i = 0; i < bind->count; i++)
        bind->out.args[i] = bind->args[i].type;
    return info->bind(bind);
}

enum err func_call_eval(struct eval *eval, const struct func_binding *binding,
                        const struct column *const *args, uint32_t rows, struct column **ret_column)
{
    return binding->info->eval(eval, binding, args, rows, ret_column);
}
