/* SPDX-License-Identifier: MIT */
/* Lines as documents against a schema of every type, with both string kernels: same outcomes, same
 * rows, and what comes out is JSON again. */
#include "base/check.h"
#include "base/mem.h"
#include "data/column.h"
#include "format/json.h"
#include "format/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { DOCUMENTS = 64 };

static struct json_decoder *decoder(void)
{
    static struct arena arena;
    static struct json_decoder *made;
    static const char schema[] =
        "a INT, b STRING, c DOUBLE, d BOOLEAN, e ARRAY<INT>, f STRUCT<g: STRING, h: "
        "ARRAY<STRUCT<i: "
        "SMALLINT, j: MAP<STRING,ARRAY<STRING>>>>>, t TIMESTAMP, m MAP<STRING,INT>, n "
        "DECIMAL(10,2), l BIGINT, bin BINARY, day DATE, by TINYINT, fl FLOAT, w TIMESTAMP_NTZ, "
        "_corrupt_record STRING";
    if (!made) {
        const struct type *type;
        arena_init(&arena, 1 << 20);
        check(type_parse_ddl(&arena, str_of(schema), NULL, &type) == OK);
        check(json_decoder_new(type, NULL, NULL, &made) == OK);
    }
    return made;
}

static void decode(const struct str *docs, size_t count, uint8_t *outcomes, struct buf *rows)
{
    struct batch *batch;
    struct json_fault faults[4];
    size_t corrupt, seen = 0;
    check(json_decode(decoder(), docs, count, &batch, outcomes, faults, 4, &corrupt) == OK);
    check(batch->rows == count);
    for (uint32_t i = 0; i < batch->column_count; i++)
        column_check(batch->columns[i]);
    for (size_t i = 0; i < count; i++) {
        size_t from = rows->bytes;
        json_encode_row(batch, i, NULL, rows);
        check(json_validate(str_from(rows->ptr + from, rows->bytes - from), 0, NULL) == OK);
        seen += outcomes[i] == JSON_CORRUPT;
    }
    check(seen == corrupt);
    batch_unref(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    CLEAN(mem_free_at) char *copy = mem_alloc(bytes ? bytes : 1);
    memcpy(copy, data, bytes);
    struct str docs[DOCUMENTS], rest = str_from(copy, bytes);
    size_t count = 0;
    while (count < DOCUMENTS && str_cut(&rest, '\n', &docs[count]))
        count++;
    uint8_t outcomes[2][DOCUMENTS];
    CLEAN(buf_deinit) struct buf rows = {0};
    CLEAN(buf_deinit) struct buf again = {0};
    json_scan_choose(true);
    decode(docs, count, outcomes[0], &rows);
    json_scan_choose(false);
    decode(docs, count, outcomes[1], &again);
    check(memcmp(outcomes[0], outcomes[1], count) == 0);
    check(str_equal(buf_str(&rows), buf_str(&again)));
    return 0;
}
