/* SPDX-License-Identifier: MIT */
/*
 * to_number(text, format) and to_char(number, format).
 *
 *   format = [MI | S] [$] groups [. digits] [MI | S] [PR]
 *   groups = runs of 0 and 9 with , (or G) between; a point may be a D
 *
 * A run that begins with 0 stands for exactly as many digits, one with 9 for at most as many. Signs
 * may be left out of a text; PR stands for <..> around a negative number.
 *
 * to_char fills a run of 0 with zeros and one of 9 with blanks; a leading sign moves behind the
 * blanks, what follows goes before trailing blanks. A number that does not fit is shown as #.
 */
#include "query/func/kernel.h"
#include "query/func/text.h"

enum { NUMBER_TRY = 1, TOKENS_MAX = 16, GROUPS_MAX = 40 };

enum token { TOKEN_DIGITS, TOKEN_POINT, TOKEN_DOLLAR, TOKEN_SIGN, TOKEN_MINUS };

struct number_format {
    enum token tokens[TOKENS_MAX];
    size_t token_count;
    uint8_t groups[GROUPS_MAX]; /* digits of each, from the left */
    bool exact[GROUPS_MAX];     /* begins with 0 */
    size_t group_count;
    unsigned whole, fraction;
    bool brackets, point;
};

static void add_token(struct number_format *f, enum token token)
{
    if (f->token_count < TOKENS_MAX)
        f->tokens[f->token_count] = token;
    f->token_count++;
}

static bool has_token(const struct number_format *f, enum token token)
{
    for (size_t i = 0; i < f->token_count && i < TOKENS_MAX; i++)
        if (f->tokens[i] == token)
            return true;
    return false;
}

/* Groups of digits at the start of the text; false when a comma stands at an edge. */
static bool read_groups(struct number_format *f, struct str text, size_t *ret_bytes)
{
    size_t i = 0;
    bool open = false;
    for (; i < text.bytes; i++) {
        char c = text.ptr[i];
        bool comma = c == ',' || (c | 32) == 'g';
        if (comma && (!open || f->point))
            return false;
        if (comma) {
            open = false;
            continue;
        }
        if (c != '0' && c != '9')
            break;
        if (f->point) {
            f->fraction++;
            open = true;
            continue;
        }
        if (!open) {
            if (f->group_count == GROUPS_MAX)
                return false;
            f->exact[f->group_count] = c == '0';
            f->groups[f->group_count++] = 0;
        }
        open = true;
        f->groups[f->group_count - 1]++;
        f->whole++;
    }
    *ret_bytes = i;
    return open;
}

/* False when Spark refuses the format. */
static bool read_format(struct str text, struct number_format *f)
{
    *f = (struct number_format){0};
    while (text.bytes) {
        char c = (char)(text.ptr[0] | 32);
        bool digits = has_token(f, TOKEN_DIGITS);
        bool minus = str_equal_nocase(str_slice(text, 0, 2), STR("MI"));
        bool edge = f->token_count == 0 || digits || f->point;
        size_t used = 1;
        if (f->brackets)
            return false;
        if (text.ptr[0] == '0' || text.ptr[0] == '9' || text.ptr[0] == ',' || c == 'g') {
            if (!read_groups(f, text, &used))
                return false;
            add_token(f, TOKEN_DIGITS);
        } else if ((text.ptr[0] == '.' || c == 'd') && !f->point) {
            f->point = true;
            add_token(f, TOKEN_POINT);
        } else if (text.ptr[0] == '$' && !digits && !f->point && !has_token(f, TOKEN_DOLLAR)) {
            add_token(f, TOKEN_DOLLAR);
        } else if (c == 's' && edge && !has_token(f, TOKEN_SIGN)) {
            add_token(f, TOKEN_SIGN);
        } else if (minus && edge && !has_token(f, TOKEN_MINUS)) {
            add_token(f, TOKEN_MINUS);
            used = 2;
        } else if (str_equal_nocase(str_slice(text, 0, 2), STR("PR"))) {
            f->brackets = true;
            used = 2;
        } else {
            return false;
        }
        text = str_slice(text, used, text.bytes);
    }
    return f->token_count <= TOKENS_MAX && f->whole + f->fraction > 0 &&
           f->whole + f->fraction <= 38;
}

static enum err bind_format(struct func_bind *bind, const struct number_format **ret_format)
{
    struct number_format *format = arena_zero(bind->arena, sizeof *format);
    const struct column *constant = bind->args[1].constant;
    *ret_format = NULL;
    if (bind_kind(bind, 1) != TYPE_NULL && bind_kind(bind, 1) != TYPE_STRING)
        return bind_bad_input(bind, 1, "STRING");
    if (!constant)
        return bind_fail(bind, "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                         "%s: the format must be a constant (NON_FOLDABLE_INPUT)",
                         bind->info->name);
    bind->out.args[1] = type_simple(TYPE_STRING);
    if (column_is_null(constant, 0))
        return OK;
    struct str text = column_str(constant, 0);
    if (text.bytes == 0)
        return bind_fail(bind, "INVALID_FORMAT.EMPTY", "42601", "%s: the format is empty",
                         bind->info->name);
    if (!read_format(text, format))
        return bind_fail(bind, "INVALID_FORMAT.UNEXPECTED_TOKEN", "42601",
                         "%s: the format '%.*s' is no number format", bind->info->name,
                         STR_ARG(text));
    *ret_format = format;
    return OK;
}

/* ---- to_number ---- */

static enum err to_number_bind(struct func_bind *bind)
{
    const struct number_format *format;
    TRY(bind_format(bind, &format));
    bind->out.args[0] = type_implicit(bind, 0, type_simple(TYPE_STRING));
    if (!bind->out.args[0])
        return bind_bad_input(bind, 0, "STRING");
    bind->out.state = (void *)format;
    bind->out.result =
        format ? type_decimal(bind->arena, format->whole + format->fraction, format->fraction)
               : type_decimal(bind->arena, 38, 18);
    return OK;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct reading {
    struct str text;
    size_t at;
    bool negative, open, behind_point;
    unsigned digits, fraction;
    __int128 value;
};

static char peek(const struct reading *r)
{
    return r->at < r->text.bytes ? r->text.ptr[r->at] : 0;
}

static void skip_blanks(struct reading *r)
{
    while (r->at < r->text.bytes && is_blank(peek(r)))
        r->at++;
}

static void take_digit(struct reading *r)
{
    r->value = r->value * 10 + (r->text.ptr[r->at++] - '0');
    r->digits++;
}

/* Groups of the text against those of the format, from the right. */
static bool take_whole(const struct number_format *f, struct reading *r)
{
    unsigned sizes[GROUPS_MAX] = {0}, total = 0;
    size_t count = 1;
    for (;; r->at++) {
        char c = peek(r);
        if (c == ',') {
            if (++count > f->group_count || count > GROUPS_MAX)
                return false;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        if (++total > f->whole)
            return false;
        sizes[count - 1]++;
        take_digit(r);
        r->at--;
    }
    for (size_t i = 0; i < f->group_count; i++) {
        unsigned want = f->groups[f->group_count - 1 - i],
                 have = i < count ? sizes[count - 1 - i] : 0;
        if (have > want ||
            (f->exact[f->group_count - 1 - i] && i < count && have != want && total > 0 &&
             i + 1 < count) ||
            (i + 1 < count && have != want))
            return false;
    }
    return total > 0 || f->point;
}

static bool take_token(const struct number_format *f, enum token token, struct reading *r)
{
    char c = peek(r);
    switch (token) {
    case TOKEN_DIGITS:
        if (!r->behind_point)
            return take_whole(f, r);
        for (; peek(r) >= '0' && peek(r) <= '9'; r->fraction++) {
            if (r->fraction == f->fraction)
                return false;
            take_digit(r);
        }
        return true;
    case TOKEN_POINT:
        r->behind_point = true;
        r->at += c == '.';
        return true;
    case TOKEN_DOLLAR:
        r->at++;
        return c == '$';
    case TOKEN_SIGN:
    case TOKEN_MINUS:
        r->negative ^= c == '-';
        r->at += c == '-' || (c == '+' && token == TOKEN_SIGN);
        return true;
    }
    return false;
}

static bool read_number(const struct number_format *f, struct reading *r)
{
    skip_blanks(r);
    if (f->brackets && peek(r) == '<') {
        r->open = true;
        r->at++;
    }
    for (size_t i = 0; i < f->token_count; i++) {
        skip_blanks(r);
        if (!take_token(f, f->tokens[i], r))
            return false;
    }
    skip_blanks(r);
    if (r->open) {
        if (peek(r) != '>')
            return false;
        r->negative = !r->negative;
        r->at++;
        skip_blanks(r);
    }
    return r->at == r->text.bytes && r->digits > 0;
}

static void to_number_row(struct func_call *call)
{
    const struct number_format *format = call->binding->state;
    struct reading r = {.text = call_str(call, 0)};
    if (!format) {
        builder_null(call->out);
    } else if (read_number(format, &r)) {
        __int128 value = r.value * decimal_power10(format->fraction - r.fraction);
        builder_i128(call->out, r.negative ? -value : value);
    } else if (call->binding->info->variant & NUMBER_TRY) {
        builder_null(call->out);
    } else {
        call_fail(call, "INVALID_FORMAT.MISMATCH_INPUT", "42601",
                  "%s: the text '%.*s' does not fit the format", call->binding->info->name,
                  STR_ARG(r.text));
    }
}

/* ---- to_char ---- */

enum err number_format_bind(struct func_bind *bind)
{
    const struct number_format *format;
    const struct type *from = bind->args[0].type;
    TRY(bind_format(bind, &format));
    bind->out.state = (void *)format;
    bind->out.result = type_simple(TYPE_STRING);
    if (from->kind == TYPE_STRING)
        bind->out.args[0] = type_decimal(bind->arena, 38, 18);
    else if (from->kind != TYPE_DECIMAL)
        bind->out.args[0] = type_decimal_of(bind->arena, from);
    return OK;
}

/* Before trailing blanks. */
static void put_before_blanks(struct buf *out, char c)
{
    size_t n = out->bytes;
    while (n > 0 && ((const char *)out->ptr)[n - 1] == ' ')
        n--;
    buf_char(out, c);
    char *bytes = (char *)out->ptr;
    if (!bytes || buf_error(out) != OK)
        return;
    memmove(bytes + n + 1, bytes + n, out->bytes - 1 - n);
    bytes[n] = c;
}

/* A blank place of a group: a sign in front of it moves behind. */
static void put_blank(struct buf *out)
{
    char *bytes = (char *)out->ptr;
    char last = out->bytes ? bytes[out->bytes - 1] : 0;
    buf_char(out, ' ');
    if ((last == '+' || last == '-') && buf_error(out) == OK) {
        bytes = (char *)out->ptr;
        bytes[out->bytes - 1] = last;
        bytes[out->bytes - 2] = ' ';
    }
}

/* digits: the whole part without leading zeros. */
static void put_whole(struct buf *out, const struct number_format *f, const char *digits, size_t n)
{
    size_t place = f->whole;
    bool shown = false;
    for (size_t g = 0; g < f->group_count; g++) {
        if (g > 0 && shown)
            buf_char(out, ',');
        else if (g > 0)
            put_blank(out);
        for (unsigned i = 0; i < f->groups[g]; i++, place--) {
            bool zero = f->exact[g] || shown || (place == 1 && f->point);
            if (place <= n)
                buf_char(out, digits[n - place]);
            else if (zero)
                buf_char(out, '0');
            else
                put_blank(out);
            shown |= place <= n || zero;
        }
    }
}

static void put_overflow(struct buf *out, const struct number_format *f)
{
    for (size_t g = 0; g < f->group_count; g++) {
        if (g > 0)
            buf_char(out, ' ');
        for (unsigned i = 0; i < f->groups[g]; i++)
            buf_char(out, '#');
    }
    if (f->point)
        buf_char(out, '.');
    for (unsigned i = 0; i < f->fraction; i++)
        buf_char(out, '#');
}

static void put_token(struct buf *out, const struct number_format *f, enum token token,
                      bool negative, struct str whole, struct str fraction, bool *behind)
{
    switch (token) {
    case TOKEN_DIGITS:
        if (!*behind)
            put_whole(out, f, whole.ptr, whole.bytes);
        else
            for (size_t i = 0; i < f->fraction; i++)
                buf_char(out, i < fraction.bytes ? fraction.ptr[i] : '0');
        break;
    case TOKEN_POINT:
        buf_char(out, f->fraction ? '.' : ' ');
        *behind = true;
        break;
    case TOKEN_DOLLAR:
        buf_char(out, '$');
        break;
    case TOKEN_SIGN:
        put_before_blanks(out, negative ? '-' : '+');
        break;
    case TOKEN_MINUS:
        if (negative)
            put_before_blanks(out, '-');
        else
            buf_char(out, ' ');
        break;
    }
}

void number_format_row(struct func_call *call)
{
    const struct number_format *f = call->binding->state;
    __int128 value = call->args[0]->i128[call->row];
    bool negative = value < 0, behind = false;
    int scale = call->args[0]->type->scale;
    CLEAN(buf_deinit_at) struct buf text = {0};
    if (!f) {
        builder_null(call->out);
        return;
    }
    decimal_print(negative ? -value : value, (unsigned)scale, &text);
    struct str fraction = buf_str(&text), whole = STR("");
    (void)str_cut(&fraction, '.', &whole);
    if (!scale)
        fraction = STR("");
    while (whole.bytes && whole.ptr[0] == '0')
        whole = str_slice(whole, 1, whole.bytes);
    while (fraction.bytes && fraction.ptr[fraction.bytes - 1] == '0')
        fraction = str_slice(fraction, 0, fraction.bytes - 1);
    if (whole.bytes > f->whole || fraction.bytes > f->fraction) {
        bool plain = !has_token(f, TOKEN_SIGN) && !has_token(f, TOKEN_MINUS) &&
                     !has_token(f, TOKEN_DOLLAR) && !f->brackets;
        if (plain)
            put_overflow(&call->buf, f);
        else
            call_fail(call, "UNSUPPORTED_FEATURE", "0A000",
                      "%s: a number too big for a format with signs", call->binding->info->name);
        if (plain)
            builder_str(call->out, buf_str(&call->buf));
        return;
    }
    if (f->brackets && negative)
        buf_char(&call->buf, '<');
    for (size_t i = 0; i < f->token_count; i++)
        put_token(&call->buf, f, f->tokens[i], negative, whole, fraction, &behind);
    if (f->brackets && negative)
        put_before_blanks(&call->buf, '>');
    else if (f->brackets)
        buf_text(&call->buf, "  ");
    builder_str(call->out, buf_str(&call->buf));
}

const struct func_info func_numberformat[] = {
    {"to_number", 2, 2, true, false, to_number_bind, kernel_rows, "to_number(text, format)", NULL,
     to_number_row, 0},
    {"try_to_number", 2, 2, true, false, to_number_bind, kernel_rows, "try_to_number(text, format)",
     NULL, to_number_row, NUMBER_TRY},
    {.name = NULL},
};
