/* SPDX-License-Identifier: MIT */
/*
 * A group with a fleet of simulated clients that do as real ones do: join, sync, beat, leave, die,
 * come back, static and dynamic, while records fail now and then. At every step:
 *   - no token is answered twice;
 *   - a generation has one leader, which alone is told the members, and generations only grow;
 *   - who is answered a sync of a generation gets the bytes that its leader gave for it;
 *   - counters of the group are what a count finds.
 * At the end the trouble stops: then every token is answered, and the fleet is stable together. A
 * group made of the last stored record is the same as the one that stored it.
 */
#include "base/prng.h"
#include "serve/kafka/coordinator.h"
#include "test.h"

enum { CLIENTS = 12, OPS = 3000, SEEDS = 20, TOKENS = 40000, SESSION_MS = 10000 };

enum phase { OUT, JOINING, JOINED, SYNCING, STABLE };
struct client {
    enum phase phase;
    char id[64];
    char instance[32]; /* empty = dynamic */
    int32_t generation;
    bool leads;
    bool dead; /* its process is gone; the group does not know */
    int protocols;
    int version; /* 3: no ids are required first */
    struct group_joined_member *members;
    size_t member_count;
    char (*member_ids)[64];
    uint32_t token;
    int64_t beat_ms;
};
struct token {
    struct client *client;
    bool answered, detached;
};
struct model {
    struct group group;
    struct group_settings settings;
    struct prng prng;
    int64_t now_ms;
    struct client clients[CLIENTS];
    struct token tokens[TOKENS];
    uint32_t token_count, fresh;
    int32_t leader_generation; /* the last that a leader was told of */
    struct buf record;         /* the last durable */
    uint64_t stores[256];
    size_t store_count;
    uint32_t leaving; /* the token of one that leaves while it waits */
    bool calm;
};

static unsigned pick(struct model *m, unsigned below)
{
    return (unsigned)prng_below(&m->prng, below);
}

static void *token_new(struct model *m, struct client *client)
{
    assert_true(m->token_count + 1 < TOKENS);
    client->token = ++m->token_count;
    m->tokens[client->token].client = client;
    return (void *)(uintptr_t)client->token;
}

static struct str id_of(const char *text)
{
    return str_of(text);
}

static void out(struct client *client)
{
    client->phase = OUT;
    if (client->instance[0] == 0)
        client->id[0] = 0;
}

static void on_joined(struct model *m, struct client *client, const struct group_action *a)
{
    assert_int_equal(client->phase, JOINING);
    if (a->error == KAFKA_MEMBER_ID_REQUIRED) {
        snprintf(client->id, sizeof client->id, "%.*s", STR_ARG(a->member_id));
        client->phase = OUT;
        return;
    }
    if (a->error != KAFKA_NONE) {
        if (a->error == KAFKA_UNKNOWN_MEMBER_ID || a->error == KAFKA_FENCED_INSTANCE_ID)
            client->id[0] = 0;
        client->phase = OUT;
        return;
    }
    assert_true(a->member_id.bytes > 0);
    snprintf(client->id, sizeof client->id, "%.*s", STR_ARG(a->member_id));
    assert_int_equal(a->generation, m->group.generation);
    assert_true(a->protocol.bytes > 0);
    client->generation = a->generation;
    client->leads = str_equal(a->leader, a->member_id);
    if (client->leads && !a->skip_assignment)
        m->leader_generation = a->generation;
    if (!client->leads)
        assert_int_equal(a->member_count, 0);
    mem_free(client->member_ids);
    client->member_ids = mem_array(a->member_count + 1, sizeof *client->member_ids);
    client->member_count = a->member_count;
    for (size_t i = 0; i < a->member_count; i++)
        snprintf(client->member_ids[i], sizeof client->member_ids[i], "%.*s",
                 STR_ARG(a->members[i].id));
    client->phase = JOINED;
}

static void on_synced(struct model *m, struct client *client, const struct group_action *a)
{
    assert_int_equal(client->phase, SYNCING);
    if (a->error == KAFKA_NONE) {
        char want[96];
        assert_int_equal(client->generation, m->group.generation);
        /* A static member under a new id has the assignment of the old one. */
        if (client->instance[0] == 0) {
            snprintf(want, sizeof want, "%d:%s", client->generation, client->id);
            assert_str(want, a->assignment);
        } else {
            snprintf(want, sizeof want, "%d:", client->generation);
            assert_true(str_starts(a->assignment, str_of(want)));
        }
        client->phase = STABLE;
        client->beat_ms = m->now_ms;
    } else {
        if (a->error == KAFKA_UNKNOWN_MEMBER_ID || a->error == KAFKA_FENCED_INSTANCE_ID)
            client->id[0] = 0;
        client->phase = OUT;
    }
}

static void check_counts(struct model *m)
{
    struct group *g = &m->group;
    size_t joining = 0;
    for (size_t i = 0; i < g->member_count; i++) {
        joining += g->members[i]->joining;
        assert_ptr_equal(group_member(g, g->members[i]->id), g->members[i]);
        if (g->state == GROUP_STABLE || g->state == GROUP_EMPTY)
            assert_false(g->members[i]->joining);
        if (g->state != GROUP_COMPLETING)
            assert_false(g->members[i]->syncing);
    }
    assert_int_equal(joining, g->joining_count);
    assert_int_equal(g->by_id.count, g->member_count);
    for (size_t s = 0; s < g->support_count; s++) {
        uint32_t members = 0;
        for (size_t i = 0; i < g->member_count; i++)
            for (int32_t p = 0; p < g->members[i]->protocol_count; p++)
                members += str_equal(g->members[i]->protocols[p].name, g->supports[s].name);
        assert_int_equal(members, g->supports[s].members);
    }
    if (g->member_count > 0)
        assert_non_null(group_member(g, g->leader));
    if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING)
        assert_true(g->protocol.bytes > 0 && g->member_count > 0);
    if (g->state == GROUP_EMPTY)
        assert_int_equal(g->member_count, 0);
    if (g->state == GROUP_PREPARING && !g->initial && g->pending_count == 0)
        assert_true(g->joining_count < g->member_count);
    for (size_t i = 0; i < g->member_count; i++)
        if (!g->members[i]->joining && !g->members[i]->syncing)
            assert_true(g->members[i]->expires_ms > m->now_ms);
}

static void drain(struct model *m)
{
    for (const struct group_action *a; (a = group_action(&m->group));) {
        if (a->kind == GROUP_STORE) {
            assert_true(m->store_count < 256);
            m->stores[m->store_count++] = a->store;
            buf_reset(&m->record);
            group_value_encode(&m->group, &m->record);
            assert_ok(buf_error(&m->record));
            continue;
        }
        uint32_t number = (uint32_t)(uintptr_t)a->token;
        struct token *token = &m->tokens[number];
        assert_false(token->answered);
        assert_false(token->detached);
        token->answered = true;
        if (token->client->token != number || token->client->dead)
            continue; /* it asked again meanwhile, or does not listen */
        if (a->kind == GROUP_JOINED)
            on_joined(m, token->client, a);
        else
            on_synced(m, token->client, a);
    }
    check_counts(m);
}

static const struct group_protocol protocols[] = {
    {{"range", 5}, {"\0\1\0\0\0\1\0\1t", 9}},
    {{"sticky", 6}, {"meta-s", 6}},
    {{"cooperative", 11}, {"meta-c", 6}},
};

static void do_join(struct model *m, struct client *c)
{
    char fresh[80];
    snprintf(fresh, sizeof fresh, "%s-%u", c->instance[0] ? c->instance : "dyn", ++m->fresh);
    struct group_join join = {
        .member_id = id_of(c->id),
        .instance_id = c->instance[0] ? str_of(c->instance) : STR_NONE,
        .fresh_id = str_of(fresh),
        .client_id = STR("client"),
        .client_host = STR("/127.0.0.1"),
        .rebalance_timeout_ms = 20000,
        .session_timeout_ms = SESSION_MS,
        .protocol_type = STR("consumer"),
        .protocols = protocols,
        .protocol_count = c->protocols,
        .id_required = c->version >= 4,
        .skip_assignment = c->version >= 9,
        .token = token_new(m, c),
    };
    c->phase = JOINING;
    group_join(&m->group, &join, m->now_ms);
}

static void do_sync(struct model *m, struct client *c)
{
    size_t count = c->leads ? c->member_count : 0;
    struct group_protocol *assignments = mem_array(count + 1, sizeof *assignments);
    char(*texts)[96] = mem_array(count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%d:%s", c->generation, c->member_ids[i]);
        assignments[i] = (struct group_protocol){str_of(c->member_ids[i]), str_of(texts[i])};
    }
    struct group_sync sync = {.member_id = id_of(c->id),
                              .instance_id = c->instance[0] ? str_of(c->instance) : STR_NONE,
                              .generation = c->generation,
                              .assignments = assignments,
                              .assignment_count = (int32_t)count,
                              .token = token_new(m, c)};
    c->phase = SYNCING;
    group_sync(&m->group, &sync, m->now_ms);
    mem_free(assignments);
    mem_free(texts);
}

static void do_beat(struct model *m, struct client *c)
{
    int16_t error =
        group_heartbeat(&m->group, id_of(c->id), c->instance[0] ? str_of(c->instance) : STR_NONE,
                        c->generation, m->now_ms);
    c->beat_ms = m->now_ms;
    if (error == KAFKA_UNKNOWN_MEMBER_ID || error == KAFKA_FENCED_INSTANCE_ID)
        c->id[0] = 0;
    if (error != KAFKA_NONE)
        c->phase = OUT;
}

/* The process ends without a word; its connection goes sooner or later. */
static void do_die(struct model *m, struct client *c)
{
    if ((c->phase == JOINING || c->phase == SYNCING) && !m->tokens[c->token].answered) {
        group_detach(&m->group, (void *)(uintptr_t)c->token);
        m->tokens[c->token].detached = true;
    }
    c->phase = OUT;
    c->id[0] = 0;
    c->dead = true;
}

static void do_leave(struct model *m, struct client *c)
{
    if (c->id[0] == 0)
        return;
    if (c->phase == JOINING || c->phase == SYNCING)
        m->leaving = c->token;
    int16_t error = group_leave(&m->group, c->instance[0] ? STR("") : id_of(c->id),
                                c->instance[0] ? str_of(c->instance) : STR_NONE, m->now_ms);
    assert_true(error == KAFKA_NONE || error == KAFKA_UNKNOWN_MEMBER_ID);
    drain(m);
    if (m->leaving && error == KAFKA_NONE)
        assert_true(m->tokens[m->leaving].answered);
    m->leaving = 0;
    c->phase = OUT;
    c->id[0] = 0;
}

static void do_store(struct model *m)
{
    if (m->store_count == 0)
        return;
    uint64_t number = m->stores[0];
    memmove(m->stores, m->stores + 1, --m->store_count * sizeof *m->stores);
    bool fails = !m->calm && pick(m, 20) == 0;
    group_stored(&m->group, number, fails ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_NONE,
                 m->now_ms);
}

/* What a client does of itself. */
static void act(struct model *m, struct client *c)
{
    if (c->dead) {
        if (m->calm || pick(m, 10) == 0)
            c->dead = false;
    } else if (c->phase == OUT) {
        do_join(m, c);
    } else if (c->phase == JOINED) {
        do_sync(m, c);
    } else if (c->phase == STABLE && m->now_ms - c->beat_ms >= 3000) {
        do_beat(m, c);
    }
}

static void trouble(struct model *m, struct client *c)
{
    unsigned what = pick(m, 100);
    if (what < 3)
        do_die(m, c);
    else if (what < 5)
        do_leave(m, c);
    else if (what < 6 && c->phase == OUT)
        c->protocols = 1 + (int)pick(m, 3);
    else if (what < 7 && c->phase == STABLE)
        out(c); /* joins again of its own will */
    else if (what < 8 && (c->phase == JOINING || c->phase == SYNCING))
        c->phase = OUT, c->token = 0; /* gave up waiting, and asks again */
}

static void step_time(struct model *m, int64_t ms)
{
    m->now_ms += ms;
    m->group.wall_ms = m->now_ms;
    if (group_due_ms(&m->group) <= m->now_ms)
        group_tick(&m->group, m->now_ms);
    drain(m);
}

static void check_settled(struct model *m)
{
    assert_int_equal(m->group.state, GROUP_STABLE);
    assert_int_equal(m->group.member_count, CLIENTS);
    int leaders = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &m->clients[i];
        assert_int_equal(c->phase, STABLE);
        assert_int_equal(c->generation, m->group.generation);
        assert_non_null(group_member(&m->group, id_of(c->id)));
        leaders += str_equal(m->group.leader, id_of(c->id));
    }
    assert_int_equal(leaders, 1);
    for (uint32_t t = 1; t <= m->token_count; t++)
        assert_true(m->tokens[t].answered || m->tokens[t].detached);
}

static void check_record(struct model *m)
{
    struct group again;
    CLEAN(buf_deinit) struct buf value = {0};
    group_init(&again, STR("g"), &m->settings);
    assert_ok(group_value_decode(buf_str(&m->record), &again, m->now_ms));
    assert_int_equal(again.state, GROUP_STABLE);
    assert_int_equal(again.generation, m->group.generation);
    assert_int_equal(again.member_count, m->group.member_count);
    group_value_encode(&again, &value);
    assert_true(str_equal(buf_str(&value), buf_str(&m->record)));
    /* Members go on with it. */
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &m->clients[i];
        assert_int_equal(group_heartbeat(&again, id_of(c->id),
                                         c->instance[0] ? str_of(c->instance) : STR_NONE,
                                         c->generation, m->now_ms),
                         KAFKA_NONE);
    }
    group_deinit(&again);
}

static void run(uint64_t seed)
{
    struct model *m = mem_zero(sizeof *m);
    m->prng.state = seed;
    m->settings = (struct group_settings){.rebalance_delay_ms = (int64_t)pick(m, 2) * 3000,
                                          .new_member_ms = 60000};
    group_init(&m->group, STR("g"), &m->settings);
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &m->clients[i];
        const int versions[] = {3, 5, 9};
        c->protocols = 1 + (int)pick(m, 3);
        c->version = versions[pick(m, 3)];
        if (pick(m, 3) == 0)
            snprintf(c->instance, sizeof c->instance, "static%d", i);
    }
    for (int i = 0; i < OPS; i++) {
        struct client *c = &m->clients[pick(m, CLIENTS)];
        int32_t generation = m->group.generation;
        m->group.wall_ms = m->now_ms;
        if (pick(m, 100) < 8)
            trouble(m, c);
        else
            act(m, c);
        drain(m);
        if (pick(m, 12) == 0)
            do_store(m);
        drain(m);
        step_time(m, pick(m, 300));
        assert_true(m->group.generation >= generation);
    }
    m->calm = true;
    for (int64_t i = 0; i < 2000; i++) {
        for (int k = 0; k < CLIENTS; k++) {
            act(m, &m->clients[k]);
            drain(m);
        }
        do_store(m);
        drain(m);
        step_time(m, 100);
    }
    check_settled(m);
    check_record(m);
    for (int i = 0; i < CLIENTS; i++)
        mem_free(m->clients[i].member_ids);
    group_deinit(&m->group);
    buf_deinit(&m->record);
    mem_free(m);
}

static void fleets_come_to_rest(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fleets_come_to_rest)};
    return RUN_TESTS(tests);
}
