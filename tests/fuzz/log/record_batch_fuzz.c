/* SPDX-License-Identifier: MIT */
/* Any bytes as a run of record batches: parsed, walked with their headers, inflated within bounds.
 * Sums are not checked, so that the walk is reached. What is walked whole is built again, and gives
 * the same records. */
#include "base/check.h"
#include "base/mem.h"
#include "log/record_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { INFLATED_MAX = 1 << 20 };

static void walk(const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    struct record_header header;
    struct record_batch_builder builder;
    CLEAN(buf_deinit) struct buf again = {0};
    if (record_iterator_init(&it, batch, INFLATED_MAX) != OK)
        return;
    check(it.inflated.bytes <= INFLATED_MAX);
    record_batch_builder_init(&builder, CODEC_NONE, 0);
    int32_t count = 0;
    while (record_iterator_next(&it, &record)) {
        uint32_t headers = 0;
        while (record_header_next(&record.headers_raw, &header))
            headers++;
        check(headers == record.header_count);
        record_batch_builder_add(&builder, record.timestamp_ms, record.key, record.value, NULL, 0);
        count++;
    }
    check(it.reader.err != OK || count == batch->count);
    if (record_batch_builder_finish(&builder, &again) == OK && count) {
        struct record_batch second;
        check(record_batch_parse(again.ptr, again.bytes, true, &second) == OK);
        check(second.count == count);
    }
    record_batch_builder_deinit(&builder);
    record_iterator_deinit(&it);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        struct record_batch batch;
        if (record_batch_parse(data + at, bytes - at, false, &batch) != OK)
            break;
        check(batch.bytes_count <= bytes - at);
        walk(&batch);
        at += batch.bytes_count;
    }
    return 0;
}
