/* SPDX-License-Identifier: MIT */
/* Random documents, whole and damaged, read three ways: by the decoder with the wide kernel, with
 * the portable one, and by the plain recursive reader below, which follows the rules as they are
 * written down and cares for nothing else. */
#include "base/mem.h"
#include "base/prng.h"
#include "data/column.h"
#include "format/json.h"
#include "format/json_scan.h"
#include "test.h"

#include <errno.h>

/* ---- the plain reader ---- */

struct plain {
    const char *at, *end;
    bool strict;
    bool bad;
    struct buf *out; /* the value rewritten, as a STRING field gets it; NULL = only checked */
};

static void plain_blanks(struct plain *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at)
        r->at++;
}

static bool plain_eat(struct plain *r, const char *text)
{
    size_t bytes = strlen(text);
    if ((size_t)(r->end - r->at) < bytes || memcmp(r->at, text, bytes) != 0)
        return false;
    r->at += bytes;
    return true;
}

static void plain_string(struct plain *r)
{
    char quote = *r->at++;
    CLEAN(buf_deinit) struct buf text = {0};
    const char *from = r->at;
    for (;;) {
        if (r->at == r->end || (unsigned char)*r->at < 0x20) {
            r->bad = true;
            return;
        }
        if (*r->at == quote)
            break;
        if (*r->at++ != '\\')
            continue;
        if (r->at == r->end || !*r->at ||
            !strchr(r->strict ? "\"\\/bfnrtu" : "\"\\/bfnrtu'", *r->at)) {
            r->bad = true;
            return;
        }
        if (*r->at++ == 'u')
            for (int i = 0; i < 4; i++, r->at++)
                if (r->at == r->end || !*r->at || !strchr("0123456789abcdefABCDEF", *r->at)) {
                    r->bad = true;
                    return;
                }
    }
    struct str body = str_from(from, (size_t)(r->at - from));
    r->at++;
    if (r->strict && !str_is_utf8(body))
        r->bad = true;
    if (r->out) {
        json_unescape(body, &text);
        json_quote(buf_str(&text), r->out);
    }
}

static void plain_number(struct plain *r)
{
    const char *from = r->at;
    bool is_float = false;
    r->at += *r->at == '-';
    const char *first = r->at;
#define DIGIT (r->at < r->end && *r->at >= '0' && *r->at <= '9')
    while (DIGIT)
        r->at++;
    r->bad |= r->at == first || (*first == '0' && r->at > first + 1);
    if (!r->bad && r->at < r->end && *r->at == '.') {
        is_float = true;
        r->at++;
        r->bad |= !DIGIT;
        while (DIGIT)
            r->at++;
    }
    if (!r->bad && r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        is_float = true;
        r->at++;
        r->at += r->at < r->end && (*r->at == '+' || *r->at == '-');
        r->bad |= !DIGIT;
        while (DIGIT)
            r->at++;
    }
#undef DIGIT
    if (r->bad || !r->out)
        return;
    char text[1024];
    size_t bytes = (size_t)(r->at - from);
    assert_true(bytes < sizeof text);
    memcpy(text, from, bytes);
    text[bytes] = 0;
    if (is_float)
        json_print_f64(strtod(text, NULL), r->out);
    else
        buf_text(r->out, strcmp(text, "-0") == 0 ? "0" : text);
}

static void plain_word(struct plain *r)
{
    static const char *const words[] = {"true", "false", "null"};
    static const char *const odd[] = {"NaN", "-Infinity", "+Infinity", "Infinity", "-INF", "+INF"};
    static const char *const odd_out[] = {"\"NaN\"",      "\"-Infinity\"", "\"Infinity\"",
                                          "\"Infinity\"", "\"-Infinity\"", "\"Infinity\""};
    const char *found = NULL;
    for (int i = 0; i < 3 && !found; i++)
        if (plain_eat(r, words[i]))
            found = words[i];
    for (int i = 0; i < 6 && !found && !r->strict; i++)
        if (plain_eat(r, odd[i]))
            found = odd_out[i];
    r->bad |= !found;
    if (r->at < r->end && (((unsigned char)*r->at >= 0x80) || *r->at == '_' || *r->at == '$' ||
                           (*r->at >= '0' && *r->at <= '9') || (*r->at >= 'a' && *r->at <= 'z') ||
                           (*r->at >= 'A' && *r->at <= 'Z')))
        r->bad = true;
    if (found && r->out)
        buf_text(r->out, found);
}

static void plain_value(struct plain *r);

static void plain_list(struct plain *r, char close)
{
    char open = *r->at++;
    if (r->out)
        buf_char(r->out, open);
    plain_blanks(r);
    for (bool first = true; !r->bad; first = false) {
        if (r->at < r->end && *r->at == close && first)
            break;
        if (close == '}') {
            if (r->at == r->end || (*r->at != '"' && (r->strict || *r->at != '\''))) {
                r->bad = true;
                return;
            }
            plain_string(r);
            plain_blanks(r);
            r->bad |= !plain_eat(r, ":");
            if (r->out)
                buf_char(r->out, ':');
        }
        if (!r->bad)
            plain_value(r);
        plain_blanks(r);
        if (r->bad || r->at == r->end || (*r->at != ',' && *r->at != close)) {
            r->bad = true;
            return;
        }
        if (*r->at == close)
            break;
        r->at++;
        if (r->out)
            buf_char(r->out, ',');
        plain_blanks(r);
    }
    r->at++;
    if (r->out)
        buf_char(r->out, close);
}

static void plain_value(struct plain *r)
{
    plain_blanks(r);
    if (r->at == r->end)
        r->bad = true;
    else if (*r->at == '{')
        plain_list(r, '}');
    else if (*r->at == '[')
        plain_list(r, ']');
    else if (*r->at == '"' || (*r->at == '\'' && !r->strict))
        plain_string(r);
    else if ((*r->at >= '0' && *r->at <= '9') ||
             (*r->at == '-' && r->end - r->at > 1 && r->at[1] != 'I'))
        plain_number(r);
    else
        plain_word(r);
}

/* ---- random documents ---- */

static void random_string(struct prng *prng, bool odd, struct buf *out)
{
    static const char *const parts[] = {"a",
                                        "\\n",
                                        "\\\"",
                                        "\\u00e9",
                                        "\\ud83d\\ude00",
                                        "\\ud800",
                                        "\xC3\xA9",
                                        "\xF0\x9F\x98\x80",
                                        "plain text, quite long; ",
                                        " ",
                                        "{[,:]}",
                                        "\\\\",
                                        "0",
                                        "\\/"};
    char quote = odd && prng_below(prng, 8) == 0 ? '\'' : '"';
    buf_char(out, quote);
    for (uint64_t n = prng_below(prng, 6); n; n--)
        buf_text(out, parts[prng_below(prng, sizeof parts / sizeof *parts)]);
    if (odd && prng_below(prng, 40) == 0)
        buf_text(out, "\xE2\x82");
    buf_char(out, quote);
}

static void random_value(struct prng *prng, bool odd, int depth, struct buf *out);

static void random_blank(struct prng *prng, struct buf *out)
{
    if (prng_below(prng, 6) == 0)
        buf_char(out, " \t\r\n"[prng_below(prng, 4)]);
}

static void random_list(struct prng *prng, bool odd, int depth, bool object, struct buf *out)
{
    buf_char(out, object ? '{' : '[');
    random_blank(prng, out);
    for (uint64_t n = prng_below(prng, 5), i = 0; i < n; i++) {
        if (i)
            buf_char(out, ',');
        random_blank(prng, out);
        if (object) {
            random_string(prng, odd, out);
            random_blank(prng, out);
            buf_char(out, ':');
            random_blank(prng, out);
        }
        random_value(prng, odd, depth + 1, out);
        random_blank(prng, out);
    }
    buf_char(out, object ? '}' : ']');
}

static void random_value(struct prng *prng, bool odd, int depth, struct buf *out)
{
    static const char *const words[] = {"true", "false", "null", "NaN", "-Infinity", "+INF"};
    uint64_t kind = prng_below(prng, depth > 5 ? 6 : 8);
    if (kind == 0)
        buf_text(out, words[prng_below(prng, odd ? 6 : 3)]);
    else if (kind == 1)
        buf_printf(out, "%lld", (long long)((int64_t)prng_next(prng) >> prng_below(prng, 64)));
    else if (kind == 2)
        buf_printf(out, "%.*e", (int)prng_below(prng, 20), prng_real(prng) * 1e6);
    else if (kind == 3)
        buf_printf(out, "%.*f", (int)prng_below(prng, 12), prng_real(prng) * 1000 - 500);
    else if (kind < 6)
        random_string(prng, odd, out);
    else
        random_list(prng, odd, depth, kind == 7, out);
}

static void damage(struct prng *prng, struct buf *text)
{
    static const char marks[] = "{}[]\",:'\\0-+.eE \nxtfnNI\x01\xC3";
    for (uint64_t n = prng_below(prng, 3); n && text->bytes > 1; n--) {
        size_t at = prng_below(prng, text->bytes);
        switch (prng_below(prng, 3)) {
        case 0:
            text->ptr[at] = (uint8_t)marks[prng_below(prng, sizeof marks - 1)];
            break;
        case 1:
            memmove(text->ptr + at, text->ptr + at + 1, text->bytes - at - 1);
            text->bytes--;
            break;
        default:
            text->bytes = at;
            break;
        }
    }
}

/* ---- the comparison ---- */

static struct json_decoder *open_decoder(struct arena *arena, const char *ddl)
{
    const struct type *type;
    struct json_decoder *decoder;
    assert_ok(type_parse_ddl(arena, str_of(ddl), NULL, &type));
    assert_ok(json_decoder_new(type, NULL, NULL, &decoder));
    return decoder;
}

/* The document is {"v":VALUE,..}: the field v is known, all else is not. */
static void compare(struct json_decoder *decoder, struct str document, bool is_integer)
{
    CLEAN(mem_free_at) char *copy = mem_alloc(document.bytes + 1);
    memcpy(copy, document.ptr, document.bytes);
    copy[document.bytes] = 0;
    CLEAN(mem_free_at) char *tight = mem_alloc(document.bytes ? document.bytes : 1);
    memcpy(tight, document.ptr, document.bytes);
    struct str text = str_from(tight, document.bytes);
    CLEAN(buf_deinit) struct buf whole = {0};
    struct plain r = {copy, copy + document.bytes, false, false, &whole};
    plain_value(&r);
    bool broken = r.bad, object = whole.bytes && whole.ptr[0] == '{';
    struct plain strict = {copy, copy + document.bytes, true, false, NULL};
    plain_value(&strict);
    plain_blanks(&strict);
    bool valid = !strict.bad && strict.at == strict.end;
    if (valid) {
        const uint8_t *start = (const uint8_t *)str_trim(text).ptr;
        assert_ptr_equal(json_pass_value(start, (const uint8_t *)text.ptr + text.bytes),
                         start + str_trim(text).bytes);
    }
    for (int wide = 0; wide < 2; wide++) {
        json_scan_choose(wide);
        assert_int_equal(json_validate(text, 0, NULL) == OK, valid);
        struct batch *batch;
        uint8_t outcome;
        assert_ok(json_decode(decoder, &text, 1, &batch, &outcome, NULL, 0, NULL));
        const struct column *v = batch->columns[0];
        bool null = column_is_null(v, 0);
        if (str_trim(text).bytes == 0) {
            assert_int_equal(outcome, JSON_NULL);
        } else if (broken || !object) {
            assert_int_equal(outcome, JSON_CORRUPT);
            assert_true(null);
        } else {
            /* The rewritten object is valid JSON: the last v in it is what counts. */
            struct str key, child, last = STR_NONE;
            size_t at = 0;
            while (json_next(buf_str(&whole), &at, &key, &child))
                if (str_equal(key, STR("\"v\"")))
                    last = child;
            bool is_null = !last.ptr || str_equal(last, STR("null"));
            if (is_integer) {
                CLEAN(mem_free_at) char *number = str_dup(last);
                char *end = number;
                errno = 0;
                long long want = is_null ? 0 : strtoll(number, &end, 10);
                bool fits = is_null || (*end == 0 && errno == 0 && *number != '"');
                assert_int_equal(outcome, fits ? JSON_FITS : JSON_CORRUPT);
                assert_int_equal(null, is_null || !fits);
                if (!null)
                    assert_true(v->i64[0] == want);
            } else {
                assert_int_equal(outcome, JSON_FITS);
                assert_int_equal(null, is_null);
                CLEAN(buf_deinit) struct buf want = {0};
                if (!is_null) {
                    json_text(last, &want);
                    if (!str_equal(buf_str(&want), column_str(v, 0)) &&
                        !str_equal(last, column_str(v, 0)))
                        fail_msg("%s: %.*s", copy, STR_ARG(column_str(v, 0)));
                }
            }
        }
        batch_unref(batch);
    }
    json_scan_choose(true);
}

static void test_random(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct json_decoder *texts = open_decoder(&arena, "v STRING");
    struct json_decoder *integers = open_decoder(&arena, "v BIGINT");
    struct prng prng = {.state = 2024};
    for (int round = 0; round < 30000; round++) {
        CLEAN(buf_deinit) struct buf text = {0};
        bool odd = prng_below(&prng, 2);
        bool number = prng_below(&prng, 2);
        buf_text(&text, prng_below(&prng, 4) ? "{" : " { ");
        if (prng_below(&prng, 3) == 0) {
            buf_text(&text, "\"u\":");
            random_value(&prng, odd, 0, &text);
            buf_char(&text, ',');
        }
        buf_text(&text, "\"v\":");
        if (number && prng_below(&prng, 2))
            buf_printf(&text, "%lld",
                       (long long)((int64_t)prng_next(&prng) >> prng_below(&prng, 64)));
        else
            random_value(&prng, odd, 0, &text);
        if (prng_below(&prng, 2)) {
            buf_text(&text, ",\"w\":");
            random_value(&prng, odd, 0, &text);
        }
        buf_char(&text, '}');
        if (round % 2)
            damage(&prng, &text);
        compare(number ? integers : texts, buf_str(&text), number);
    }
    json_decoder_free(texts);
    json_decoder_free(integers);
    arena_deinit(&arena);
}

/* Doubles as the C library reads them, with as many digits as come. */
static void test_doubles(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct json_decoder *decoder = open_decoder(&arena, "v DOUBLE, f FLOAT");
    struct prng prng = {.state = 5};
    for (int round = 0; round < 50000; round++) {
        char number[128], text[300];
        uint64_t bits = prng_next(&prng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (round % 2)
            value = (double)(int64_t)prng_next(&prng) / 1e6;
        if (value - value != 0)
            continue;
        snprintf(number, sizeof number, round % 3 ? "%.*g" : "%.*e", (int)prng_below(&prng, 22),
                 value);
        snprintf(text, sizeof text, "{\"v\":%s,\"f\":%s}", number, number);
        struct str document = str_of(text);
        struct batch *batch;
        uint8_t outcome;
        assert_ok(json_decode(decoder, &document, 1, &batch, &outcome, NULL, 0, NULL));
        assert_int_equal(outcome, JSON_FITS);
        double want = strtod(number, NULL);
        float want_float = strtof(number, NULL);
        if (memcmp(&want, &batch->columns[0]->f64[0], sizeof want) != 0 ||
            memcmp(&want_float, &batch->columns[1]->f32[0], sizeof want_float) != 0)
            fail_msg("%s", number);
        batch_unref(batch);
    }
    json_decoder_free(decoder);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_doubles),
    };
    return RUN_TESTS(tests);
}
