/* SPDX-License-Identifier: MIT */
/*
 * How fast JSON becomes columns, on one core, from memory.
 *
 *   bench-json [SECONDS]      runs each case for about so long (default 1); prints the sum of the
 *                             best times of its batches, so that other work on the machine counts
 *                             little
 *   bench-json --file F DDL   decodes the lines of a file by a schema
 *   bench-json --bids COUNT   prints the bids instead: the same bytes as ../shared/bench/bids.py
 *
 * bids: 233 bytes, 7 members; 5 of them into columns, or all. users: random people of about 1 KB
 * with nested objects, 8 columns of theirs. The batch is 2,048 documents; 40,000 documents are made
 * once, so that they do not fit the second-level cache.
 */
#include "base/mem.h"
#include "base/prng.h"
#include "data/column.h"
#include "format/json.h"
#include "format/json_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DOCUMENTS = 40960, BATCH = 2048, BID_BYTES = 233 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- documents ---- */

static void bid(uint64_t i, struct buf *out)
{
    static const char *const named[] = {"Google", "Facebook", "Baidu", "Apple"};
    static const char pad[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t r = prng_mix(i), hundred = i / 100 * 100, h = r >> 48, n = (r >> 33) % 10000;
    uint64_t auction = 1000 + (r & 1 ? hundred : hundred + (r >> 1) % 100);
    size_t from = out->bytes;
    buf_printf(out, "{\"auction\":%" PRIu64 ",\"bidder\":%" PRIu64 ",\"price\":%" PRIu64, auction,
               1000 + (r >> 8) % 50000, 100 + (r >> 24) % 9999900);
    if (h & 1)
        buf_printf(out,
                   ",\"channel\":\"%s\",\"url\":\"https://www.nexmark.example/item.htm?query=1",
                   named[h >> 1 & 3]);
    else
        buf_printf(out,
                   ",\"channel\":\"channel-%d\",\"url\":\"https://www.nexmark.example/"
                   "item.htm?query=1&channel_id=%d",
                   (int)n, (int)n);
    buf_text(out, "\",\"dateTime\":\"");
    civil_print_iso(out, 1704067200 * US_PER_SECOND + (int64_t)i * 100, 3);
    buf_text(out, "\",\"extra\":\"");
    for (size_t at = 0; out->bytes - from < BID_BYTES - 3; at++)
        buf_char(out, pad[at % (sizeof pad - 1)]);
    buf_text(out, "\"}");
}

static void user(uint64_t i, struct buf *out)
{
    static const char *const first[] = {"Brad", "\xC3\x96m\xC3\xBCr", "Louane", "Vi\xC5\xA1nja"};
    static const char *const city[] = {"Kilcoole", "Sandnessj\303\270en", "Billings", "Tehran"};
    uint64_t r = prng_mix(i);
    const char *name = first[r & 3], *place = city[r >> 2 & 3];
    buf_printf(
        out,
        "{\"gender\":\"%s\",\"name\":{\"title\":\"Mr\",\"first\":\"%s\",\"last\":\"Gibson\"},"
        "\"location\":{\"street\":{\"number\":%d,\"name\":\"New Road\"},\"city\":\"%s\","
        "\"state\":\"Waterford\",\"country\":\"Ireland\",\"postcode\":%d,\"coordinates\":"
        "{\"latitude\":\"20.9267\",\"longitude\":\"-7.9310\"},\"timezone\":{\"offset\":\"-3:30\","
        "\"description\":\"Newfoundland\"}},",
        r & 1 ? "male" : "female", name, (int)(r >> 8 & 8191), place, (int)(r >> 20 & 0xFFFF));
    buf_printf(
        out,
        "\"email\":\"gibson.%d@example.com\",\"login\":{\"uuid\":\"155e77ee-ba6d-486f-95ce-"
        "0e0c0fb4b919\",\"username\":\"silverswan131\",\"password\":\"firewall\",\"salt\":"
        "\"TQA1Gz7x\",\"md5\":\"dc523cb313b63dfe5be2140b0c05b3bc\",\"sha1\":"
        "\"7a4aa07d1bedcc6bcf4b7f8856643492c191540d\",\"sha256\":\"74364e96174afa7d17ee52dd2c9c7a"
        "4651fe1254f471a78bda0190135dcd3480\"},",
        (int)i);
    buf_printf(
        out,
        "\"dob\":{\"date\":\"1993-07-20T09:44:18.674Z\",\"age\":%d},\"registered\":{\"date\":"
        "\"2002-05-21T10:59:49.966Z\",\"age\":22},\"phone\":\"011-962-7516\",\"cell\":"
        "\"081-454-0666\",\"id\":{\"name\":\"PPS\",\"value\":\"0390511T\"},\"picture\":{\"large\":"
        "\"https://randomuser.me/api/portraits/men/75.jpg\",\"medium\":\"https://randomuser.me/api"
        "/portraits/med/men/75.jpg\",\"thumbnail\":\"https://randomuser.me/api/portraits/thumb/men/"
        "75.jpg\"},\"nat\":\"IE\"}",
        (int)(r >> 40 & 63));
}

static void documents(void (*make)(uint64_t, struct buf *), struct buf *text, struct str *docs)
{
    CLEAN(mem_free_at) size_t *ends = mem_array(DOCUMENTS, sizeof *ends);
    for (uint64_t i = 0; i < DOCUMENTS; i++) {
        make(i, text);
        ends[i] = text->bytes;
        buf_char(text, '\n');
    }
    for (size_t i = 0, from = 0; i < DOCUMENTS; from = ends[i++] + 1)
        docs[i] = str_from(text->ptr + from, ends[i] - from);
}

/* ---- cases ---- */

static void report(const char *name, double seconds, size_t count, size_t bytes)
{
    printf("%-34s %7.2f M records/s %6.2f GB/s %7.1f ns\n", name, (double)count / seconds / 1e6,
           (double)bytes / seconds / 1e9, seconds / (double)count * 1e9);
}

static void run_decode(const char *name, const char *schema, const char *wanted,
                       const struct str *docs, size_t count, double limit_s)
{
    struct arena arena;
    const struct type *type, *part = NULL;
    struct json_decoder *decoder;
    static uint8_t outcomes[BATCH];
    arena_init(&arena, 1 << 20);
    if (type_parse_ddl(&arena, str_of(schema), NULL, &type) != OK ||
        (wanted && type_parse_ddl(&arena, str_of(wanted), NULL, &part) != OK) ||
        json_decoder_new(type, part, NULL, &decoder) != OK)
        abort();
    double best[DOCUMENTS / BATCH], sum = 0, start = now_s();
    size_t bytes = 0, batches = (count + BATCH - 1) / BATCH, misfits = 0;
    for (size_t i = 0; i < count; i++)
        bytes += docs[i].bytes;
    for (size_t i = 0; i < batches; i++)
        best[i] = 1e9;
    for (bool first = true; first || now_s() - start < limit_s; first = false) {
        for (size_t i = 0; i < count; i += BATCH) {
            struct batch *batch;
            size_t corrupt;
            double from = now_s();
            size_t rows = count - i < BATCH ? count - i : BATCH;
            if (json_decode(decoder, docs + i, rows, &batch, outcomes, NULL, 0, &corrupt) != OK)
                abort();
            misfits += first ? corrupt : 0;
            batch_unref(batch);
            double took = now_s() - from;
            best[i / BATCH] = took < best[i / BATCH] ? took : best[i / BATCH];
        }
    }
    for (size_t i = 0; i < batches; i++)
        sum += best[i];
    report(name, sum, count, bytes);
    if (misfits)
        printf("    %zu of %zu do not fit\n", misfits, count);
    json_decoder_free(decoder);
    arena_deinit(&arena);
}

static bool count_one(void *owner, struct str value)
{
    *(size_t *)owner += value.bytes > 2;
    return true;
}

/* A response of 5,000 users. */
static void run_response(const struct str *docs, double limit_s)
{
    CLEAN(buf_deinit) struct buf text = {0};
    struct json_path *path;
    buf_text(&text, "{\"results\":[");
    for (int i = 0; i < 5000; i++) {
        if (i)
            buf_char(&text, ',');
        buf_str_append(&text, docs[i]);
    }
    buf_text(&text, "],\"info\":{\"seed\":\"x\"}}");
    if (json_path_parse(STR("$.results[*]"), NULL, &path) != OK)
        abort();
    double best[2] = {1e9, 1e9}, start = now_s();
    while (now_s() - start < limit_s) {
        double from = now_s();
        if (json_validate(buf_str(&text), 0, NULL) != OK)
            abort();
        double between = now_s();
        size_t count = 0;
        json_path_each(path, buf_str(&text), count_one, &count);
        double to = now_s();
        if (count != 5000)
            abort();
        best[0] = between - from < best[0] ? between - from : best[0];
        best[1] = to - between < best[1] ? to - between : best[1];
    }
    report("response of 5000 users: validate", best[0], 5000, text.bytes);
    report("response of 5000 users: $.results[*]", best[1], 5000, text.bytes);
    json_path_free(path);
}

static void run_encode(const char *name, const char *schema, const struct str *docs, double limit_s)
{
    struct arena arena;
    const struct type *type;
    struct json_decoder *decoder;
    struct batch *batch;
    static uint8_t outcomes[BATCH];
    CLEAN(buf_deinit) struct buf out = {0};
    arena_init(&arena, 1 << 20);
    if (type_parse_ddl(&arena, str_of(schema), NULL, &type) != OK ||
        json_decoder_new(type, NULL, NULL, &decoder) != OK ||
        json_decode(decoder, docs, BATCH, &batch, outcomes, NULL, 0, NULL) != OK)
        abort();
    double best = 1e9, start = now_s();
    while (now_s() - start < limit_s) {
        double from = now_s();
        buf_reset(&out);
        for (size_t i = 0; i < BATCH; i++)
            json_encode_row(batch, i, NULL, &out);
        double took = now_s() - from;
        best = took < best ? took : best;
    }
    report(name, best, BATCH, out.bytes);
    batch_unref(batch);
    json_decoder_free(decoder);
    arena_deinit(&arena);
}

static int run_file(const char *path, const char *ddl)
{
    CLEAN(buf_deinit) struct buf text = {0};
    CLEAN(mem_free_at) struct str *docs = mem_array(DOCUMENTS, sizeof *docs);
    FILE *file = fopen(path, "rb");
    if (!file)
        return 1;
    for (size_t n = 1; n > 0;) {
        uint8_t *to = buf_reserve(&text, 1 << 20);
        n = fread(to, 1, 1 << 20, file);
        buf_advance(&text, n);
    }
    fclose(file);
    struct str rest = buf_str(&text);
    size_t count = 0;
    while (count < DOCUMENTS && str_cut(&rest, '\n', &docs[count]))
        count += docs[count].bytes > 0;
    run_decode(path, ddl, NULL, docs, count, 1);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--file") == 0)
        return run_file(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "--bids") == 0) {
        CLEAN(buf_deinit) struct buf text = {0};
        for (uint64_t i = 0; i < strtoull(argv[2], NULL, 10); i++) {
            bid(i, &text);
            buf_char(&text, '\n');
        }
        return fwrite(text.ptr, 1, text.bytes, stdout) != text.bytes;
    }
    static const char bids_five[] =
        "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, `dateTime` TIMESTAMP";
    static const char bids_all[] = "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, "
                                   "url STRING, `dateTime` TIMESTAMP, extra STRING";
    static const char people[] =
        "gender STRING, name STRUCT<first: STRING, last: STRING>, location STRUCT<city: STRING, "
        "country: STRING, postcode: STRING>, email STRING, dob STRUCT<date: TIMESTAMP, age: INT>";
    double limit_s = argc > 1 ? strtod(argv[1], NULL) : 1;
    CLEAN(buf_deinit) struct buf bid_text = {0}, user_text = {0};
    CLEAN(mem_free_at) struct str *bids = mem_array(DOCUMENTS, sizeof *bids);
    CLEAN(mem_free_at) struct str *users = mem_array(DOCUMENTS, sizeof *users);
    documents(bid, &bid_text, bids);
    documents(user, &user_text, users);
    for (int wide = 1; wide >= 0; wide--) {
        json_scan_choose(wide);
        printf("strings by %s\n", wide ? "the best kernel of this machine" : "64-bit words");
        run_decode("bids, 5 of 7 members", bids_five, NULL, bids, DOCUMENTS, limit_s);
        run_decode("bids, all in schema, 5 wanted", bids_all, bids_five, bids, DOCUMENTS, limit_s);
        run_decode("bids, all 7", bids_all, NULL, bids, DOCUMENTS, limit_s);
        run_decode("users, 8 columns", people, NULL, users, DOCUMENTS, limit_s);
        run_response(users, limit_s);
    }
    run_encode("encode bids, all 7", bids_all, bids, limit_s);
    run_encode("encode users, 8 columns", people, users, limit_s);
    return 0;
}
