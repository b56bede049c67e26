/* SPDX-License-Identifier: MIT */
/*
 * millrace inspect: what is in a segment file, batch by batch, read-only and also on damage: what
 * does not parse is named with its place, and the search goes on at the next byte that looks like
 * the head of a batch.
 */
#include "base/civil.h"
#include "cli/commands.h"
#include "format/json.h"
#include "log/record_batch.h"

#include <string.h>

enum { FILE_MAX = 1 << 30, INFLATED_MAX = 256 << 20 };

static void print_records(struct cli *cli, const struct record_batch *batch)
{
    struct record_iterator it;
    if (record_iterator_init(&it, batch, INFLATED_MAX) != OK) {
        cli_print(cli, "    the records cannot be inflated\n");
        return;
    }
    for (struct record r; record_iterator_next(&it, &r);) {
        CLEAN(buf_deinit) struct buf value = {0};
        json_quote(str_slice(r.value, 0, 200), &value);
        cli_print(cli, "    %lld key %.*s value %.*s%s headers %u\n", (long long)r.offset,
                  STR_ARG(r.key.ptr ? r.key : STR("null")),
                  STR_ARG(r.value.ptr ? buf_str(&value) : STR("null")),
                  r.value.bytes > 200 ? ".." : "", r.header_count);
    }
    if (it.reader.err != OK)
        cli_print(cli, "    damaged here: %s\n", err_text(it.reader.err));
    record_iterator_deinit(&it);
}

static void print_batch(struct cli *cli, size_t at, const struct record_batch *batch, bool good)
{
    CLEAN(buf_deinit) struct buf time = {0};
    civil_print_iso(&time, batch->max_timestamp * 1000, 3);
    cli_print(cli, "%10zu  offsets %lld..%lld  %d records  %zu bytes  %s  %.*s%s%s  crc %s\n", at,
              (long long)batch->base_offset,
              (long long)batch->base_offset + batch->last_offset_delta, batch->count,
              batch->bytes_count, codec_name(record_batch_codec(batch)), STR_ARG(buf_str(&time)),
              batch->attributes & BATCH_TRANSACTIONAL ? "  transactional" : "",
              batch->attributes & BATCH_CONTROL ? "  control" : "", good ? "ok" : "BAD");
}

static bool is_zero(struct str s)
{
    for (size_t i = 0; i < s.bytes; i++)
        if (s.ptr[i])
            return false;
    return true;
}

static size_t inspect(struct cli *cli, struct str file, bool records)
{
    size_t damaged = 0;
    for (size_t at = 0; at < file.bytes;) {
        struct record_batch batch;
        struct str rest = str_slice(file, at, file.bytes);
        enum err err = record_batch_parse(rest.ptr, rest.bytes, false, &batch);
        if (err == OK) {
            struct record_batch checked;
            bool good = record_batch_parse(rest.ptr, rest.bytes, true, &checked) == OK;
            print_batch(cli, at, &batch, good);
            damaged += !good;
            if (records && good)
                print_records(cli, &batch);
            at += batch.bytes_count;
            continue;
        }
        if (is_zero(rest)) {
            cli_print(cli, "%10zu  %zu bytes of preallocated zeros to the end\n", at, rest.bytes);
            break;
        }
        size_t from = at++;
        for (; at < file.bytes; at++)
            if (file.bytes - at > RECORD_BATCH_HEADER && file.ptr[at + 16] == 2 &&
                record_batch_parse(file.ptr + at, file.bytes - at, true, &batch) == OK)
                break;
        cli_print(cli, "%10zu  %zu bytes that are no batch (%s)\n", from, at - from, err_text(err));
        damaged++;
    }
    return damaged;
}

static int run_inspect(struct cli *cli)
{
    const char *path = cli_argument(cli, 0, "");
    CLEAN(buf_deinit) struct buf file = {0};
    enum err err = io_path_read(cli->io, path, FILE_MAX, &file);
    if (err != OK) {
        cli_error(cli, "cannot read %s: %s", path, err_text(err));
        return EXIT_FAILED;
    }
    size_t damaged = inspect(cli, buf_str(&file), cli_option(cli, "records"));
    cli_print(cli, "%s: %zu bytes, %s\n", path, file.bytes,
              damaged ? "DAMAGED" : "all batches are fine");
    return damaged ? EXIT_FAILED : EXIT_DONE;
}

static const struct cli_option options[] = {
    {"records", 'r', NULL, "show the records too"},
    {0},
};

const struct cli_command command_inspect = {
    .name = "inspect",
    .arguments = "FILE",
    .summary = "decodes a segment file, also a damaged one",
    .examples = "  millrace inspect users/data/log/topics/users_created-0/00000000000000000000.log",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_inspect,
};
