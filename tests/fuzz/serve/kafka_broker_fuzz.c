/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of requests, to a whole broker in the simulator. The input is read as choices: which
 * request in which version, and for each field a value of those that mean something here or at the
 * edges of its type; so most requests get through the decoder, and those that follow refer to what
 * those before have made. A choice also breaks a byte of a frame, ends a connection, lets time pass
 * or stops the disk for a while. It has to end cleanly with whatever is under way.
 */
#include "base/check.h"
#include "base/logline.h"
#include "io/sim.h"
#include "log/record_batch.h"
#include "serve/kafka/broker.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { CLIENTS = 3, REQUESTS_MAX = 60 };

static struct {
    struct io *io;
    struct io_loop *loop;
    struct log *log;
    struct kafka_broker *broker;
    struct io_stream *clients[CLIENTS];
    bool connected[CLIENTS];
    struct arena arena;
    struct str batch;
    uint16_t port;
    uint64_t bytes_back;
} rig;

/* ---- choices ---- */

static uint8_t choose(struct reader *r)
{
    return reader_u8(r); /* 0 at the end */
}

static const struct str *texts(size_t *ret_count)
{
    static const struct str list[] = {
        STR("t"), STR("t"), STR("u"),        STR("g"),     STR("m"),      STR("x"),
        STR(""),  STR("1"), STR("consumer"), STR("range"), STR("../bad"), STR("__consumer_offsets"),
    };
    *ret_count = sizeof list / sizeof *list;
    return list;
}

static void number(struct reader *r, char *to, size_t width)
{
    static const int64_t list[] = {0, 1, -1, 2, 3, 100, -2, 1000, INT64_MAX, INT64_MIN, 5, 30000};
    uint8_t choice = choose(r);
    int64_t value = list[choice % (sizeof list / sizeof *list)];
    if (choice >= 200)
        value = choice - 200;
    memcpy(to, &value, width); /* little endian: the low bytes */
}

static struct str text(struct reader *r, const struct kafka_field *field, int16_t version)
{
    size_t count;
    const struct str *list = texts(&count);
    uint8_t choice = choose(r);
    if (field->type == KAFKA_RECORDS && choice < 200)
        return rig.batch;
    if (choice > 240 && version >= field->nullable_from && !field->array)
        return STR_NONE;
    return list[choice % count];
}

static void fill(struct reader *r, const struct kafka_message *message, int16_t version,
                 char *value);

static void fill_value(struct reader *r, const struct kafka_field *field, int16_t version, char *to)
{
    static const size_t widths[] = {
        [KAFKA_INT8] = 1,  [KAFKA_INT16] = 2, [KAFKA_UINT16] = 2,
        [KAFKA_INT32] = 4, [KAFKA_INT64] = 8, [KAFKA_FLOAT64] = 8,
    };
    struct str s;
    bool flag;
    switch (field->type) {
    case KAFKA_BOOL:
        flag = choose(r) & 1;
        memcpy(to, &flag, sizeof flag);
        return;
    case KAFKA_UUID: {
        struct log_topic *topic = log_topic_find(rig.log, STR("t"));
        memset(to, choose(r) & 3, 16);
        if (topic && (choose(r) & 7))
            memcpy(to, log_topic_id(topic), 16);
        return;
    }
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        s = text(r, field, version);
        memcpy(to, &s, sizeof s);
        return;
    case KAFKA_STRUCT:
        fill(r, field->of, version, to);
        return;
    default:
        number(r, to, widths[field->type]);
    }
}

static void fill_array(struct reader *r, const struct kafka_field *field, int16_t version,
                       char *value)
{
    static const size_t widths[] = {
        [KAFKA_BOOL] = 1,
        [KAFKA_INT8] = 1,
        [KAFKA_INT16] = 2,
        [KAFKA_UINT16] = 2,
        [KAFKA_INT32] = 4,
        [KAFKA_INT64] = 8,
        [KAFKA_FLOAT64] = 8,
        [KAFKA_UUID] = 16,
        [KAFKA_STRING] = sizeof(struct str),
        [KAFKA_BYTES] = sizeof(struct str),
        [KAFKA_RECORDS] = sizeof(struct str),
    };
    uint8_t choice = choose(r);
    int32_t count = choice % 4 ? 1 : choice % 3;
    size_t width = field->type == KAFKA_STRUCT ? field->of->bytes : widths[field->type];
    char *elements = arena_array(&rig.arena, (size_t)count, width);
    if (choice > 240 && version >= field->nullable_from)
        count = -1;
    for (int32_t i = 0; i < count; i++)
        fill_value(r, field, version, elements + (size_t)i * width);
    memcpy(value + field->offset, &elements, sizeof elements);
    memcpy(value + field->count_offset, &count, sizeof count);
}

static void fill(struct reader *r, const struct kafka_message *message, int16_t version,
                 char *value)
{
    kafka_defaults(message, value);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        if (version < field->version_min || version > field->version_max)
            continue;
        if (field->array)
            fill_array(r, field, version, value);
        else if (field->type != KAFKA_STRUCT || field->nullable_from == INT16_MAX)
            fill_value(r, field, version, value + field->offset);
    }
}

/* ---- the rig ---- */

static size_t client_data(void *owner, struct io_stream *stream, const uint8_t *data, size_t bytes)
{
    rig.bytes_back += bytes;
    return bytes;
}

static void client_closed(void *owner, struct io_stream *stream, enum err why)
{
    *(bool *)owner = false;
}

static struct io_stream *client(size_t index)
{
    static const struct io_stream_events events = {.data = client_data, .closed = client_closed};
    static const struct io_stream_limits limits = {.out_max = 64 << 20};
    char address[32];
    if (rig.connected[index])
        return rig.clients[index];
    snprintf(address, sizeof address, "127.0.0.1:%u", rig.port);
    check(io_connect(rig.loop, address, NULL, NULL, &events, &limits, &rig.connected[index],
                     &rig.clients[index]) == OK);
    rig.connected[index] = true;
    return rig.clients[index];
}

static void turns(int count, int64_t wait_ns, bool disk)
{
    for (int i = 0; i < count; i++) {
        if (disk)
            log_step(rig.log);
        io_loop_turn(rig.loop, wait_ns);
    }
}

static void up(uint64_t seed)
{
    struct io_sim_options sim = {.seed = seed};
    struct log_options options = {.durability = LOG_OS};
    struct kafka_broker_options broker = {.memory_bytes_max = 16 << 20};
    struct kafka_listener_options listen = {.address = "127.0.0.1:0"};
    struct record_batch_builder builder = {0};
    struct log_topic_config topic;
    struct log_topic *made;
    struct buf out = {0};
    log_topic_config_default(&topic);
    topic.partitions = 2;
    log_level_set(LOG_OFF);
    arena_init(&rig.arena, SIZE_MAX / 2);
    rig.io = io_sim_new(&sim);
    check(io_loop_new(rig.io, &rig.loop) == OK);
    check(log_open(rig.io, "data", &options, NULL, &rig.log) == OK);
    check(log_topic_create(rig.log, STR("t"), &topic, NULL, &made) == OK);
    check(kafka_broker_new(rig.loop, rig.log, &broker, NULL, &rig.broker) == OK);
    check(kafka_broker_listen(rig.broker, &listen, &rig.port) == OK);
    record_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
    record_batch_builder_add(&builder, 1, STR("k"), STR("v"), NULL, 0);
    check(record_batch_builder_finish(&builder, &out) == OK);
    record_batch_builder_deinit(&builder);
    rig.batch = arena_str(&rig.arena, buf_str(&out));
    buf_deinit(&out);
}

static void down(void)
{
    kafka_broker_free(rig.broker);
    for (size_t i = 0; i < CLIENTS; i++)
        if (rig.connected[i])
            io_stream_abort(rig.clients[i], OK);
    turns(5, 0, false);
    log_close(rig.log);
    io_loop_free(rig.loop);
    io_free(rig.io);
    arena_deinit(&rig.arena);
    memset(rig.connected, 0, sizeof rig.connected);
}

static void request(struct reader *r, struct buf *out)
{
    size_t count = 0;
    while (kafka_handlers[count].handle)
        count++;
    const struct kafka_handler *handler = &kafka_handlers[choose(r) % count];
    int versions = handler->version_max - handler->version_min + 1;
    int16_t version = (int16_t)(handler->version_min + choose(r) % versions);
    const struct kafka_message *message = kafka_api_find(handler->api_key)->request;
    char *value = arena_alloc(&rig.arena, message->bytes);
    fill(r, message, version, value);
    buf_reset(out);
    size_t at = kafka_request_begin(handler->api_key, version, 1, STR("f"), out);
    if (kafka_encode(message, version, value, out) != OK) {
        buf_reset(out);
        return;
    }
    kafka_frame_end(out, at);
    uint8_t choice = choose(r);
    if (choice > 230)
        out->ptr[4 + choose(r) % (out->bytes - 4)] ^= (uint8_t)(1 << (choice & 7));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    struct buf out = {0};
    up(bytes);
    for (int i = 0; i < REQUESTS_MAX && r.left; i++) {
        uint8_t choice = choose(&r);
        size_t index = choice % CLIENTS;
        struct io_stream *stream = client(index);
        request(&r, &out);
        if (out.bytes && io_stream_write(stream, out.ptr, out.bytes) != OK)
            turns(2, 0, true);
        if (choice > 220 && rig.connected[index])
            io_stream_abort(rig.clients[index], OK);
        turns(3, choice % 5 == 0 ? 200000000 : 0, choice < 200);
    }
    turns(20, 0, true);
    down();
    buf_deinit(&out);
    return 0;
}
