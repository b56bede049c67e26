/* SPDX-License-Identifier: MIT */
/* Any bytes as any message in any version: what is taken can be printed and sent again, and comes
 * back as the same bytes the second time. The first three bytes choose API, direction, version. */
#include "base/check.h"
#include "wire/kafka/kafka.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void message(const struct kafka_message *message, int16_t version, struct str body,
                    struct arena *arena)
{
    void *value = arena_alloc(arena, message->bytes);
    if (kafka_decode(message, version, body, arena, value) != OK)
        return;
    void *other = arena_alloc(arena, message->bytes);
    struct buf first = {0}, second = {0}, text = {0};
    kafka_print(message, version, value, &text);
    /* Bytes may say the same in more than one way (a bool of 2, tags in another order); what we
     * write is one of them. */
    check(kafka_encode(message, version, value, &first) == OK);
    check(kafka_decode(message, version, buf_str(&first), arena, other) == OK);
    check(kafka_encode(message, version, other, &second) == OK);
    check(str_equal(buf_str(&first), buf_str(&second)));
    buf_deinit(&first);
    buf_deinit(&second);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct arena arena;
    struct kafka_request_header header;
    if (bytes < 3)
        return 0;
    struct str body = str_from(data + 3, bytes - 3);
    arena_init(&arena, 16 << 20);
    const struct kafka_api *api = &kafka_apis[data[0] % KAFKA_APIS];
    const struct kafka_message *m = data[1] & 1 ? api->response : api->request;
    int versions = m->version_max - m->version_min + 1;
    message(m, (int16_t)(m->version_min + data[2] % versions), body, &arena);
    if (kafka_request_header(body, &header) == OK) {
        check(header.bytes <= body.bytes);
        message(kafka_api_find(header.api_key)->request, header.api_version,
                str_slice(body, header.bytes, body.bytes), &arena);
    }
    arena_deinit(&arena);
    return 0;
}
