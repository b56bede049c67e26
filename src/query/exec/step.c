/* SPDX-License-Identifier: MIT */
/*
 * Steps of a program that are no functions: logic in three values, a struct's field, and picking
 * rows from branches (CASE, COALESCE).
 *
 * Logic works on words of 64 rows: v = there is a value, b = it is true.
 *   AND: true where all are v&b; false where one is v&~b; else null
 *   OR:  true where one is v&b; false where all are v&~b; else null
 */
#include "query/exec/program.h"

#include "base/check.h"

static struct column *new_bools(uint32_t rows, uint64_t **ret_valid, uint64_t **ret_bits)
{
    struct builder *builder = builder_new(type_simple(TYPE_BOOLEAN), rows, 0);
    builder_reserve(builder, rows);
    /* all null for now, so that the column keeps its validity */
    memset(builder->validity, 0, bit_words(rows) * sizeof(uint64_t));
    memset(builder->bits, 0, bit_words(rows) * sizeof(uint64_t));
    builder->rows = builder->nulls = rows;
    struct column *column;
    enum err err = builder_finish(builder, &column);
    check(err == OK);
    builder_free(builder);
    *ret_valid = column->validity;
    *ret_bits = column->bits;
    return column;
}

/* Counts the nulls; a column without any has no validity. */
static void count_nulls(struct column *column)
{
    uint32_t valid = 0;
    size_t words = bit_words(column->rows);
    for (size_t i = 0; i < words; i++) {
        uint64_t last =
            i + 1 == words && column->rows % 64 ? (1ull << column->rows % 64) - 1 : UINT64_MAX;
        column->validity[i] &= last;
        column->bits[i] &= last;
        valid += (uint32_t)__builtin_popcountll(column->validity[i]);
    }
    column->nulls = column->rows - valid;
    if (column->nulls == 0) {
        mem_free(column->validity);
        column->validity = NULL;
    }
}

static void read_word(const struct column *column, size_t i, uint64_t *valid, uint64_t *bits)
{
    bool none = !column || column->type->kind == TYPE_NULL;
    *valid = none ? 0 : column->validity ? column->validity[i] : UINT64_MAX;
    *bits = none ? 0 : column->bits[i];
}

struct column *step_not(const struct column *column, uint32_t rows)
{
    uint64_t *valid, *bits, v, b;
    struct column *out = new_bools(rows, &valid, &bits);
    for (size_t i = 0; i < bit_words(rows); i++) {
        read_word(column, i, &v, &b);
        valid[i] = v;
        bits[i] = ~b & v;
    }
    if (rows)
        count_nulls(out);
    return out;
}

struct column *step_logical(const struct column *const *args, uint32_t count, uint32_t rows,
                            bool is_and)
{
    uint64_t *valid, *bits, v, b;
    struct column *out = new_bools(rows, &valid, &bits);
    for (size_t i = 0; i < bit_words(rows); i++) {
        uint64_t all = UINT64_MAX, decided = 0;
        for (uint32_t k = 0; k < count; k++) {
            if (!args[k])
                continue;
            read_word(args[k], i, &v, &b);
            all &= is_and ? v & b : v & ~b;
            decided |= is_and ? v & ~b : v & b;
        }
        valid[i] = all | decided;
        bits[i] = is_and ? all : decided;
    }
    if (rows)
        count_nulls(out);
    return out;
}

/* ---- fields ---- */

/* An array of structs to the array of one field: the same offsets over another child. */
static enum err array_field(const struct column *column, const struct expr *expr,
                            struct column **ret_column)
{
    struct builder *builder = builder_new(expr->type, column->rows, 0);
    const struct column *values = column->children[0]->children[expr->index];
    for (uint32_t r = 0; r < column->rows; r++) {
        if (column_is_null(column, r)) {
            builder_null(builder);
            continue;
        }
        for (int32_t i = column->offsets[r]; i < column->offsets[r + 1]; i++)
            builder_copy(builder->children[0], values, (size_t)i);
        builder_valid(builder);
    }
    enum err err = builder_finish(builder, ret_column);
    builder_free(builder);
    return err;
}

enum err step_field(const struct column *column, const struct expr *expr,
                    struct column **ret_column)
{
    if (column->type->kind == TYPE_ARRAY)
        return array_field(column, expr, ret_column);
    check(column->type->kind == TYPE_STRUCT);
    check(expr->index < column->child_count);
    *ret_column = column_ref(column->children[expr->index]);
    return OK;
}

/* ---- picking rows ---- */

enum { CHOICE_NULL = UINT16_MAX };

/* Branch after branch in one column, then the rows of each. */
enum err select_rows(const struct type *type, struct column *const *columns, size_t count,
                     const uint16_t *choice, uint32_t rows, struct column **ret_column)
{
    struct column **parts = mem_array(count + 1, sizeof(*parts));
    uint32_t *base = mem_array(count + 1, sizeof(*base));
    uint32_t *take = mem_array(rows + 1u, sizeof(*take)), total = 0;
    size_t part_count = 0;
    for (size_t i = 0; i < count; i++) {
        base[i] = total;
        if (!columns[i])
            continue;
        parts[part_count++] = columns[i];
        total += columns[i]->rows;
    }
    bool only_nulls = true;
    for (uint32_t r = 0; r < rows; r++) {
        bool none = choice[r] == CHOICE_NULL || !columns[choice[r]];
        take[r] = none ? UINT32_MAX : base[choice[r]] + r;
        only_nulls &= none;
    }
    enum err err = OK;
    struct column *all = NULL;
    if (part_count == 0 || only_nulls) {
        *ret_column = column_nulls(type, rows);
    } else {
        err = column_concat(parts, part_count, &all);
        if (err == OK)
            err = column_take(all, take, rows, ret_column);
        column_unref(all);
    }
    mem_free(parts);
    mem_free(base);
    mem_free(take);
    return err;
}

enum err step_case(struct eval *eval, const struct expr *expr, const struct column *const *args,
                   uint32_t count, uint32_t rows, struct column **ret_column)
{
    uint32_t pairs = count / 2, values = pairs + count % 2;
    uint16_t *choice = mem_array(rows + 1u, sizeof(*choice));
    struct column **columns = mem_array(values + 1u, sizeof(*columns));
    for (uint32_t i = 0; i < pairs; i++)
        columns[i] = (struct column *)args[2 * i + 1];
    if (count % 2)
        columns[pairs] = (struct column *)args[count - 1];
    for (uint32_t r = 0; r < rows; r++) {
        choice[r] = count % 2 ? (uint16_t)pairs : CHOICE_NULL;
        for (uint32_t i = 0; i < pairs; i++) {
            const struct column *when = args[2 * i];
            if (when && !column_is_null(when, r) && bit_get(when->bits, r)) {
                choice[r] = (uint16_t)i;
                break;
            }
        }
    }
    enum err err = select_rows(expr->type, columns, values, choice, rows, ret_column);
    mem_free(choice);
    mem_free(columns);
    return err;
}

enum err step_coalesce(struct eval *eval, const struct expr *expr, const struct column *const *args,
                       uint32_t count, uint32_t rows, struct column **ret_column)
{
    if (args[0] && args[0]->nulls == 0) {
        *ret_column = column_ref((struct column *)args[0]);
        return OK;
    }
    uint16_t *choice = mem_array(rows + 1u, sizeof(*choice));
    for (uint32_t r = 0; r < rows; r++) {
        choice[r] = CHOICE_NULL;
        for (uint32_t i = 0; i < count && choice[r] == CHOICE_NULL; i++) {
            if (args[i] && !column_is_null(args[i], r))
                choice[r] = (uint16_t)i;
        }
    }
    enum err err =
        select_rows(expr->type, (struct column *const *)args, count, choice, rows, ret_column);
    mem_free(choice);
    return err;
}
