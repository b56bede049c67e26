/* SPDX-License-Identifier: MIT */
/* Every offered request in every offered version, with random content that half of the time means
 * something: each is answered, with an answer that can be laid out, and the server goes on. */
#include "serve/kafka/broker.h"
#include "serve/kafka/harness.h"
#include "wire/kafka/random_message.h"

enum { ROUNDS = 12 };

static const char *const words[] = {"t",
                                    "u",
                                    "t.u",
                                    "t_u",
                                    "1",
                                    "user",
                                    "compact",
                                    "-1",
                                    "",
                                    "a b",
                                    "retention.ms",
                                    "cleanup.policy",
                                    "nope",
                                    "10",
                                    "*",
                                    NULL};

/* They wait for others or may answer nothing, and have tests of their own. */
static bool waits(int16_t key)
{
    return key == KAFKA_KEY_PRODUCE || key == KAFKA_KEY_FETCH || key == KAFKA_KEY_JOIN_GROUP ||
           key == KAFKA_KEY_SYNC_GROUP;
}

static void test_sweep(void **state)
{
    struct rig rig;
    struct prng prng = {2026};
    struct arena arena;
    int answers = 0;
    rig_up(&rig, NULL);
    arena_init(&arena, 64 << 20);
    random_words = words;
    struct client *client = client_new(&rig);
    rig_topic(&rig, "t", 2);
    rig_append(&rig, "t", 0, rig_batch(&rig, 0, 5));
    for (const struct kafka_handler *handler = kafka_handlers; handler->handle; handler++) {
        const struct kafka_message *request = kafka_api_find(handler->api_key)->request;
        for (int16_t v = handler->served_from; v <= handler->version_max; v++) {
            print_message("# %s v%d\n", request->name, v);
            for (int i = 0; i < ROUNDS && !waits(handler->api_key); i++) {
                void *value = arena_alloc(&arena, request->bytes);
                random_struct(request, v, &prng, &arena, value);
                assert_non_null(client_call(client, handler->api_key, v, value));
                answers++;
                arena_reset(&arena);
                arena_reset(&rig.arena);
            }
        }
    }
    assert_true(answers > 1000);
    client_free(client);
    arena_deinit(&arena);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweep)};
    return RUN_TESTS(tests);
}
