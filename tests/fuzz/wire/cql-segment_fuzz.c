/* SPDX-License-Identifier: MIT */
/* Segments: input as segments is refused or stays inside itself; input as envelopes survives being
 * wrapped and unwrapped, plain and with LZ4. The first byte chooses. */
#include "base/check.h"
#include "wire/cql/cql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return 0;
    enum cql_compression how = data[0] & 1 ? CQL_LZ4 : CQL_UNCOMPRESSED;
    struct str input = str_from(data + 1, bytes - 1);
    struct buf wrapped = {0}, scratch = {0}, back = {0};
    struct cql_segment segment;
    if (data[0] & 2) {
        if (cql_segment_parse((const uint8_t *)input.ptr, input.bytes, how, &scratch, &segment) ==
            OK)
            check(segment.bytes <= input.bytes && segment.payload.bytes <= CQL_SEGMENT_PAYLOAD_MAX);
    } else {
        cql_segments_append(input, how, &wrapped);
        check(buf_error(&wrapped) == OK);
        for (struct str rest = buf_str(&wrapped); rest.bytes;
             rest = str_slice(rest, segment.bytes, rest.bytes)) {
            check(cql_segment_parse((const uint8_t *)rest.ptr, rest.bytes, how, &scratch,
                                    &segment) == OK);
            buf_str_append(&back, segment.payload);
        }
        check(str_equal(buf_str(&back), input));
    }
    buf_deinit(&wrapped);
    buf_deinit(&scratch);
    buf_deinit(&back);
    return 0;
}
