/* SPDX-License-Identifier: MIT */
/*
 * The state machine of a consumer group by tables of events: each row is an event and the actions
 * that it is to have, as text. Tokens are letters, so that a row reads "who asked: what it was
 * told".
 */
#include "serve/kafka/coordinator.h"
#include "test.h"

struct bench {
    struct group group;
    struct group_settings settings;
    int64_t now_ms;
    uint64_t store; /* the last asked for */
    int fresh;
    struct buf out;
};

static void bench_init(struct bench *b, int64_t delay_ms)
{
    memset(b, 0, sizeof *b);
    b->settings = (struct group_settings){.rebalance_delay_ms = delay_ms, .new_member_ms = 300000};
    group_init(&b->group, STR("g"), &b->settings);
}

static void bench_deinit(struct bench *b)
{
    group_deinit(&b->group);
    buf_deinit(&b->out);
}

static void say_joined(struct bench *b, const struct group_action *a)
{
    buf_printf(&b->out, " %c:", (char)(uintptr_t)a->token);
    if (a->error) {
        buf_printf(&b->out, "%s", kafka_error_name(a->error));
        if (a->error == KAFKA_MEMBER_ID_REQUIRED)
            buf_printf(&b->out, "=%.*s", STR_ARG(a->member_id));
        return;
    }
    buf_printf(&b->out, "gen%d/%.*s/%.*s", a->generation, STR_ARG(a->protocol),
               STR_ARG(a->member_id));
    if (str_equal(a->leader, a->member_id))
        buf_text(&b->out, "/leads");
    if (a->skip_assignment)
        buf_text(&b->out, "/skip");
    for (size_t i = 0; i < a->member_count; i++)
        buf_printf(&b->out, "%c%.*s=%.*s", i ? ',' : '/', STR_ARG(a->members[i].id),
                   STR_ARG(a->members[i].metadata));
}

static const char *drain(struct bench *b)
{
    for (const struct group_action *a; (a = group_action(&b->group));) {
        if (a->kind == GROUP_STORE) {
            b->store = a->store;
            buf_text(&b->out, " store");
        } else if (a->kind == GROUP_JOINED) {
            say_joined(b, a);
        } else {
            buf_printf(&b->out, " %c:", (char)(uintptr_t)a->token);
            if (a->error)
                buf_text(&b->out, kafka_error_name(a->error));
            else
                buf_printf(&b->out, "'%.*s'", STR_ARG(a->assignment));
        }
    }
    return buf_c_str(&b->out);
}

#define expect(want)                                                                               \
    do {                                                                                           \
        const char *have_ = drain(&b);                                                             \
        assert_string_equal(want, *have_ == ' ' ? have_ + 1 : have_);                              \
        buf_reset(&b.out);                                                                         \
    } while (0)

struct who {
    const char *id, *instance;
    int version;           /* 0 = 3 */
    const char *protocols; /* "range:x sticky:y"; NULL = "range:x" */
    const char *type;      /* NULL = consumer */
    int32_t rebalance_ms, session_ms;
};

static void join(struct bench *b, char token, struct who who)
{
    struct group_protocol protocols[8];
    int32_t count = 0;
    struct str rest = str_of(who.protocols ? who.protocols : "range:x"), part;
    while (str_cut(&rest, ' ', &part)) {
        struct str name;
        str_cut(&part, ':', &name);
        protocols[count++] = (struct group_protocol){name, part};
    }
    char fresh[32];
    snprintf(fresh, sizeof fresh, "m%d", ++b->fresh);
    struct group_join join = {
        .member_id = str_of(who.id ? who.id : ""),
        .instance_id = str_of(who.instance),
        .fresh_id = str_of(fresh),
        .client_id = STR("c"),
        .client_host = STR("/h"),
        .rebalance_timeout_ms = who.rebalance_ms ? who.rebalance_ms : 60000,
        .session_timeout_ms = who.session_ms ? who.session_ms : 10000,
        .protocol_type = str_of(who.type ? who.type : "consumer"),
        .protocols = protocols,
        .protocol_count = count,
        .id_required = who.version >= 4,
        .skip_assignment = who.version >= 9,
        .token = (void *)(uintptr_t)token,
    };
    group_join(&b->group, &join, b->now_ms);
}

/* assignments: "m1:bytes m2:bytes" */
static void sync_as(struct bench *b, char token, const char *id, const char *instance,
                    int32_t generation, const char *assignments)
{
    struct group_protocol given[8];
    int32_t count = 0;
    struct str rest = str_of(assignments ? assignments : ""), part;
    while (str_cut(&rest, ' ', &part)) {
        struct str name;
        str_cut(&part, ':', &name);
        given[count++] = (struct group_protocol){name, part};
    }
    struct group_sync sync = {.member_id = str_of(id),
                              .instance_id = str_of(instance),
                              .generation = generation,
                              .assignments = given,
                              .assignment_count = count,
                              .token = (void *)(uintptr_t)token};
    group_sync(&b->group, &sync, b->now_ms);
}

static void stored(struct bench *b)
{
    drain(b);
    group_stored(&b->group, b->store, KAFKA_NONE, b->now_ms);
}

static void pass(struct bench *b, int64_t ms)
{
    b->now_ms += ms;
    group_tick(&b->group, b->now_ms);
}

static int16_t beat(struct bench *b, const char *id, int32_t generation)
{
    return group_heartbeat(&b->group, str_of(id), STR_NONE, generation, b->now_ms);
}

/* Two members, m1 leads, generation 1, stable. */
static void two(struct bench *b)
{
    join(b, 'a', (struct who){0});
    join(b, 'b', (struct who){0});
    pass(b, 0);
    drain(b);
    sync_as(b, 'a', "m1", NULL, 1, "m1:one m2:two");
    sync_as(b, 'b', "m2", NULL, 1, NULL);
    stored(b);
    drain(b);
    buf_reset(&b->out);
    assert_int_equal(b->group.state, GROUP_STABLE);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void first_generation(void **state)
{
    struct bench b;
    bench_init(&b, 3000);
    join(&b, 'a', (struct who){0});
    expect("");
    pass(&b, 2999);
    expect("");
    join(&b, 'b', (struct who){0}); /* one more: the delay begins again */
    pass(&b, 1);
    expect("");
    pass(&b, 2999);
    expect("");
    pass(&b, 1);
    expect("a:gen1/range/m1/leads/m1=x,m2=x b:gen1/range/m2");
    assert_int_equal(b.group.state, GROUP_COMPLETING);
    sync_as(&b, 'b', "m2", NULL, 1, NULL);
    expect("");
    sync_as(&b, 'a', "m1", NULL, 1, "m1:one");
    expect("store");
    stored(&b);
    expect("a:'one' b:''"); /* who was not given anything has empty bytes */
    assert_int_equal(b.group.state, GROUP_STABLE);
    bench_deinit(&b);
}

static void delay_ends_with_the_rebalance_timeout(void **state)
{
    struct bench b;
    bench_init(&b, 3000);
    join(&b, 'a', (struct who){.rebalance_ms = 5000});
    for (int i = 0; i < 2; i++) {
        pass(&b, 1000);
        join(&b, (char)('b' + i), (struct who){.rebalance_ms = 5000});
    }
    pass(&b, 1000); /* 3 s: two came, 2 s are left */
    expect("");
    join(&b, 'd', (struct who){.rebalance_ms = 5000});
    pass(&b, 1999);
    expect("");
    pass(&b, 1);
    assert_int_equal(b.group.generation, 1);
    bench_deinit(&b);
}

static void id_is_required(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    join(&b, 'a', (struct who){.version = 4});
    expect("a:MEMBER_ID_REQUIRED=m1");
    assert_int_equal(b.group.state, GROUP_EMPTY);
    join(&b, 'b', (struct who){.id = "m9", .version = 4});
    expect("b:UNKNOWN_MEMBER_ID");
    join(&b, 'c', (struct who){.id = "m1", .version = 4});
    pass(&b, 0);
    expect("c:gen1/range/m1/leads/m1=x");
    /* An id that was handed out is waited for, and no longer than its session. */
    join(&b, 'd', (struct who){.version = 4});
    expect("d:MEMBER_ID_REQUIRED=m4");
    join(&b, 'e', (struct who){.id = "m1", .protocols = "range:y"});
    expect("");
    pass(&b, 9999);
    expect("");
    pass(&b, 1);
    expect("e:gen2/range/m1/leads/m1=y");
    bench_deinit(&b);
}

static void protocols_are_voted_for(void **state)
{
    struct bench b;
    bench_init(&b, 100);
    join(&b, 'a', (struct who){.protocols = "range:1 sticky:2 own:3"});
    join(&b, 'b', (struct who){.protocols = "sticky:4 range:5"});
    join(&b, 'c', (struct who){.protocols = "coop:6 sticky:7 range:8"});
    join(&b, 'd', (struct who){.protocols = "other:1"});
    expect("d:INCONSISTENT_GROUP_PROTOCOL");
    join(&b, 'e', (struct who){.type = "connect"});
    expect("e:INCONSISTENT_GROUP_PROTOCOL");
    join(&b, 'f', (struct who){.protocols = ""});
    expect("f:INCONSISTENT_GROUP_PROTOCOL");
    pass(&b, 100);
    pass(&b, 100);
    expect("a:gen1/sticky/m1/leads/m1=2,m2=4,m3=7 b:gen1/sticky/m2 c:gen1/sticky/m3");
    bench_deinit(&b);
}

static void foreign_types_are_opaque(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    join(&b, 'a', (struct who){.type = "connect", .protocols = "sessioned:u compatible:v"});
    pass(&b, 0);
    expect("a:gen1/sessioned/m1/leads/m1=u");
    assert_false(group_subscribes(&b.group, STR("t")));
    bench_deinit(&b);
}

static void rebalances(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    /* A follower with the same protocols learns the generation; the leader begins a new one. */
    join(&b, 'a', (struct who){.id = "m2"});
    expect("a:gen1/range/m2");
    join(&b, 'a', (struct who){.id = "m1"});
    expect("");
    assert_int_equal(beat(&b, "m2", 1), KAFKA_REBALANCE_IN_PROGRESS);
    sync_as(&b, 'x', "m2", NULL, 1, NULL);
    expect("x:REBALANCE_IN_PROGRESS");
    join(&b, 'b', (struct who){.id = "m2"});
    expect("a:gen2/range/m1/leads/m1=x,m2=x b:gen2/range/m2");
    /* In Completing the same join is a repetition; another one begins anew, and the syncs end. */
    sync_as(&b, 's', "m2", NULL, 2, NULL);
    join(&b, 'a', (struct who){.id = "m1"});
    expect("a:gen2/range/m1/leads/m1=x,m2=x");
    join(&b, 'a', (struct who){.id = "m1", .protocols = "range:new"});
    expect("s:REBALANCE_IN_PROGRESS");
    join(&b, 'b', (struct who){.id = "m2"});
    expect("a:gen3/range/m1/leads/m1=new,m2=x b:gen3/range/m2");
    assert_int_equal(beat(&b, "m1", 2), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(beat(&b, "m1", 3), KAFKA_NONE);
    assert_int_equal(beat(&b, "m7", 3), KAFKA_UNKNOWN_MEMBER_ID);
    bench_deinit(&b);
}

static void who_does_not_rejoin_is_out(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    join(&b, 'c', (struct who){.rebalance_ms = 90000}); /* the longest counts */
    for (int i = 0; i < 9; i++) {
        pass(&b, 9900);
        assert_int_equal(beat(&b, "m1", 1), KAFKA_REBALANCE_IN_PROGRESS);
        assert_int_equal(beat(&b, "m2", 1), KAFKA_REBALANCE_IN_PROGRESS);
    }
    join(&b, 'b', (struct who){.id = "m2"});
    expect("");
    pass(&b, 900);
    /* The leader did not come: another one leads. */
    expect("b:gen2/range/m2/leads/m2=x,m3=x c:gen2/range/m3");
    assert_null(group_member(&b.group, STR("m1")));
    bench_deinit(&b);
}

static void sessions_end(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    pass(&b, 9000);
    assert_int_equal(beat(&b, "m1", 1), KAFKA_NONE);
    pass(&b, 1000); /* m2 is out */
    expect("");
    assert_int_equal(b.group.state, GROUP_PREPARING);
    join(&b, 'a', (struct who){.id = "m1"});
    expect("a:gen2/range/m1/leads/m1=x");
    sync_as(&b, 'a', "m1", NULL, 2, "m1:all");
    expect("store");
    stored(&b);
    expect("a:'all'");
    pass(&b, 10000);
    pass(&b, 0);
    expect("store"); /* the empty group */
    assert_int_equal(b.group.state, GROUP_EMPTY);
    assert_int_equal(b.group.generation, 3);
    stored(&b);
    expect("");
    bench_deinit(&b);
}

static void waiting_needs_no_heartbeats(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    join(&b, 'a', (struct who){.id = "m1"});
    for (int i = 0; i < 5; i++) {
        pass(&b, 9000);
        assert_int_equal(beat(&b, "m2", 1), KAFKA_REBALANCE_IN_PROGRESS);
    }
    expect(""); /* m1 waits since 45 s, and is there */
    join(&b, 'b', (struct who){.id = "m2"});
    expect("a:gen2/range/m1/leads/m1=x,m2=x b:gen2/range/m2");
    sync_as(&b, 'b', "m2", NULL, 2, NULL);
    for (int i = 0; i < 5; i++) {
        pass(&b, 9000);
        assert_int_equal(beat(&b, "m1", 2), KAFKA_NONE);
    }
    expect("");
    sync_as(&b, 'a', "m1", NULL, 2, "m2:two");
    stored(&b);
    expect("store a:'' b:'two'");
    pass(&b, 9999); /* the sessions begin with the answers */
    expect("");
    assert_int_equal(beat(&b, "m2", 2), KAFKA_NONE);
    bench_deinit(&b);
}

static void one_who_never_syncs_is_out(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    join(&b, 'a', (struct who){.id = "m1"});
    join(&b, 'b', (struct who){.id = "m2"});
    drain(&b);
    buf_reset(&b.out);
    sync_as(&b, 'b', "m2", NULL, 2, NULL); /* the leader only beats */
    for (int i = 0; i < 6; i++) {
        pass(&b, 9500);
        assert_int_equal(beat(&b, "m1", 2), KAFKA_NONE);
    }
    expect("");
    pass(&b, 3000);
    expect("b:REBALANCE_IN_PROGRESS");
    assert_null(group_member(&b.group, STR("m1")));
    assert_int_equal(b.group.state, GROUP_PREPARING);
    bench_deinit(&b);
}

static void leaving(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    join(&b, 'a', (struct who){.id = "m1"});
    assert_int_equal(group_leave(&b.group, STR("m2"), STR_NONE, b.now_ms), KAFKA_NONE);
    expect("a:gen2/range/m1/leads/m1=x"); /* all who are left have joined */
    assert_int_equal(group_leave(&b.group, STR("m2"), STR_NONE, b.now_ms), KAFKA_UNKNOWN_MEMBER_ID);
    sync_as(&b, 's', "m1", NULL, 2, "m1:x");
    assert_int_equal(group_leave(&b.group, STR("m1"), STR_NONE, b.now_ms), KAFKA_NONE);
    expect("store s:UNKNOWN_MEMBER_ID store");
    assert_int_equal(b.group.state, GROUP_EMPTY);
    bench_deinit(&b);
}

static void stale_records(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    join(&b, 'a', (struct who){.id = "m1"});
    join(&b, 'b', (struct who){.id = "m2"});
    sync_as(&b, 'a', "m1", NULL, 2, "m1:old");
    uint64_t old = b.store + 1;
    drain(&b);
    assert_int_equal(b.store, old);
    buf_reset(&b.out);
    join(&b, 'c', (struct who){0});
    expect("a:REBALANCE_IN_PROGRESS");
    join(&b, 'a', (struct who){.id = "m1"});
    join(&b, 'b', (struct who){.id = "m2"});
    drain(&b);
    buf_reset(&b.out);
    sync_as(&b, 'b', "m2", NULL, 3, NULL);
    group_stored(&b.group, old, KAFKA_NONE, b.now_ms); /* of generation 2: says nothing now */
    expect("");
    assert_int_equal(b.group.state, GROUP_COMPLETING);
    /* A record that cannot be written ends the generation. */
    sync_as(&b, 'a', "m1", NULL, 3, "m2:two");
    expect("store");
    group_stored(&b.group, b.store, KAFKA_COORDINATOR_NOT_AVAILABLE, b.now_ms);
    expect("a:COORDINATOR_NOT_AVAILABLE b:COORDINATOR_NOT_AVAILABLE");
    assert_int_equal(b.group.state, GROUP_PREPARING);
    bench_deinit(&b);
}

/* Two static members, stable in generation 1: m1 = s1 leads, m2 = s2. */
static void two_static(struct bench *b)
{
    join(b, 'a', (struct who){.instance = "s1", .version = 9});
    join(b, 'b', (struct who){.instance = "s2", .version = 9});
    pass(b, 0);
    sync_as(b, 'a', "m1", "s1", 1, "m1:one m2:two");
    sync_as(b, 'b', "m2", "s2", 1, NULL);
    drain(b);
    stored(b);
    drain(b);
    buf_reset(&b->out);
    assert_int_equal(b->group.state, GROUP_STABLE);
}

static void static_members_keep_their_place(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two_static(&b);
    join(&b, 'c', (struct who){.instance = "s2", .version = 9});
    expect("store");
    stored(&b);
    expect("c:gen1/range/m3");
    assert_int_equal(b.group.state, GROUP_STABLE);
    sync_as(&b, 'c', "m3", "s2", 1, NULL);
    expect("c:'two'");
    assert_int_equal(group_heartbeat(&b.group, STR("m2"), STR("s2"), 1, b.now_ms),
                     KAFKA_FENCED_INSTANCE_ID);
    sync_as(&b, 'x', "m2", "s2", 1, NULL);
    expect("x:FENCED_INSTANCE_ID");
    join(&b, 'x', (struct who){.id = "m2", .instance = "s2", .version = 9});
    expect("x:FENCED_INSTANCE_ID");
    assert_int_equal(group_commit(&b.group, STR("m2"), STR("s2"), 1, false, b.now_ms),
                     KAFKA_FENCED_INSTANCE_ID);
    /* The leader is told to leave the assignment alone; older versions are told the old leader. */
    join(&b, 'd', (struct who){.instance = "s1", .version = 9});
    expect("store");
    stored(&b);
    expect("d:gen1/range/m5/leads/skip/m5=x,m3=x");
    join(&b, 'e', (struct who){.instance = "s1", .version = 5});
    expect("store");
    stored(&b);
    expect("e:gen1/range/m6");
    /* Another choice of protocol needs a generation. */
    join(&b, 'f', (struct who){.id = "m6", .instance = "s1", .protocols = "sticky:y range:x"});
    expect("");
    assert_int_equal(b.group.state, GROUP_PREPARING);
    bench_deinit(&b);
}

/* As in Kafka: what members subscribe to is known from the first generation on, if it can be read.
 */
static void subscriptions_are_known_by_generation(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    assert_false(group_subscribes(&b.group, STR("any"))); /* nobody was ever here */
    join(&b, 'a', (struct who){0});
    assert_true(group_subscribes(&b.group, STR("any")));
    pass(&b, 0);
    drain(&b);
    buf_reset(&b.out);
    assert_true(group_subscribes(&b.group, STR("any"))); /* "x" is no subscription */
    assert_int_equal(group_leave(&b.group, STR("m1"), STR_NONE, b.now_ms), KAFKA_NONE);
    pass(&b, 60000);
    drain(&b);
    assert_int_equal(b.group.state, GROUP_EMPTY);
    assert_false(group_subscribes(&b.group, STR("any")));
    bench_deinit(&b);
}

static void an_unwritten_replacement_is_undone(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two_static(&b);
    join(&b, 'c', (struct who){.instance = "s1", .version = 9, .session_ms = 20000});
    expect("store");
    assert_int_equal(group_heartbeat(&b.group, STR("m1"), STR("s1"), 1, b.now_ms),
                     KAFKA_FENCED_INSTANCE_ID);
    group_stored(&b.group, b.store, KAFKA_COORDINATOR_NOT_AVAILABLE, b.now_ms);
    expect("c:COORDINATOR_NOT_AVAILABLE");
    assert_int_equal(group_heartbeat(&b.group, STR("m1"), STR("s1"), 1, b.now_ms), KAFKA_NONE);
    assert_int_equal(group_heartbeat(&b.group, STR("m3"), STR("s1"), 1, b.now_ms),
                     KAFKA_FENCED_INSTANCE_ID);
    assert_true(str_equal(b.group.leader, STR("m1")));
    assert_int_equal(group_member(&b.group, STR("m1"))->session_timeout_ms, 10000);
    /* Twice, and both fail: who came last is undone, the first is nobody any more. */
    join(&b, 'd', (struct who){.instance = "s1", .version = 9});
    expect("store");
    uint64_t first = b.store;
    join(&b, 'e', (struct who){.instance = "s1", .version = 9});
    expect("store");
    group_stored(&b.group, first, KAFKA_COORDINATOR_NOT_AVAILABLE, b.now_ms);
    expect("d:COORDINATOR_NOT_AVAILABLE");
    group_stored(&b.group, b.store, KAFKA_COORDINATOR_NOT_AVAILABLE, b.now_ms);
    expect("e:COORDINATOR_NOT_AVAILABLE");
    join(&b, 'f', (struct who){.instance = "s1", .version = 9});
    expect("store");
    stored(&b);
    expect("f:gen1/range/m6/leads/skip/m6=x,m2=x");
    bench_deinit(&b);
}

static void static_members_have_their_session(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two_static(&b);
    /* A new member: s2 is away and stays in the group when the rebalance ends. */
    join(&b, 'c', (struct who){.rebalance_ms = 5000});
    join(&b, 'a', (struct who){.id = "m1", .instance = "s1", .rebalance_ms = 5000});
    for (int i = 0; i < 6; i++) {
        pass(&b, 9990);
        group_heartbeat(&b.group, STR("m2"), STR("s2"), 1, b.now_ms);
    }
    expect("");
    pass(&b, 60);
    expect("a:gen2/range/m1/leads/m1=x,m2=x,m3=x c:gen2/range/m3");
    assert_int_equal(group_leave(&b.group, STR(""), STR("s9"), b.now_ms), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_leave(&b.group, STR("mx"), STR("s2"), b.now_ms),
                     KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(group_leave(&b.group, STR(""), STR("s2"), b.now_ms), KAFKA_NONE);
    assert_int_equal(b.group.member_count, 2);
    bench_deinit(&b);
}

static void a_static_double_is_fenced_while_it_waits(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two_static(&b);
    join(&b, 'a', (struct who){.id = "m1", .instance = "s1", .protocols = "range:new"});
    join(&b, 'x', (struct who){.instance = "s1", .protocols = "range:new", .version = 9});
    expect("a:FENCED_INSTANCE_ID");
    join(&b, 'b', (struct who){.id = "m2", .instance = "s2"});
    expect("x:gen2/range/m4/leads/m4=new,m2=x b:gen2/range/m2");
    bench_deinit(&b);
}

static void commits(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    struct group *g = &b.group;
    assert_int_equal(group_commit(g, STR(""), STR_NONE, -1, false, 0), KAFKA_NONE);
    assert_int_equal(group_commit(g, STR("m"), STR_NONE, 3, false, 0), KAFKA_UNKNOWN_MEMBER_ID);
    two(&b);
    assert_int_equal(group_commit(g, STR(""), STR_NONE, -1, false, 0), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_commit(g, STR(""), STR_NONE, -1, true, 0), KAFKA_NONE);
    assert_int_equal(group_commit(g, STR("m1"), STR_NONE, 1, false, 0), KAFKA_NONE);
    assert_int_equal(group_commit(g, STR("m1"), STR_NONE, 1, true, 0), KAFKA_NONE);
    assert_int_equal(group_commit(g, STR("m1"), STR_NONE, 0, true, 0), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(group_commit(g, STR("m9"), STR_NONE, 1, true, 0), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_commit(g, STR("m1"), STR_NONE, 2, false, 0), KAFKA_ILLEGAL_GENERATION);
    /* A commit is a sign of life, and is let in while the others are awaited. */
    pass(&b, 9000);
    assert_int_equal(group_commit(g, STR("m1"), STR_NONE, 1, false, b.now_ms), KAFKA_NONE);
    assert_int_equal(group_commit(g, STR("m2"), STR_NONE, 1, false, b.now_ms), KAFKA_NONE);
    pass(&b, 9000);
    assert_int_equal(g->member_count, 2);
    join(&b, 'a', (struct who){.id = "m1"});
    assert_int_equal(group_commit(g, STR("m2"), STR_NONE, 1, false, b.now_ms), KAFKA_NONE);
    join(&b, 'b', (struct who){.id = "m2"});
    drain(&b);
    assert_int_equal(group_commit(g, STR("m2"), STR_NONE, 2, false, b.now_ms),
                     KAFKA_REBALANCE_IN_PROGRESS);
    bench_deinit(&b);
}

static void groups_are_bounded(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    b.settings.members_max = 2;
    two(&b);
    join(&b, 'c', (struct who){0});
    expect("c:GROUP_MAX_SIZE_REACHED");
    assert_int_equal(b.group.state, GROUP_STABLE);
    join(&b, 'a', (struct who){.id = "m1"});
    join(&b, 'c', (struct who){0});
    join(&b, 'b', (struct who){.id = "m2"});
    expect("a:gen2/range/m1/leads/m1=x,m5=x c:gen2/range/m5 b:GROUP_MAX_SIZE_REACHED");
    bench_deinit(&b);
}

static void those_who_do_not_listen(void **state)
{
    struct bench b;
    bench_init(&b, 0);
    two(&b);
    join(&b, 'a', (struct who){.id = "m1"});
    group_detach(&b.group, (void *)(uintptr_t)'a');
    join(&b, 'b', (struct who){.id = "m2"});
    expect("b:gen2/range/m2"); /* m1 joined, and its answer went nowhere */
    join(&b, 'c', (struct who){.id = "m1", .protocols = "range:z"});
    join(&b, 'd', (struct who){.id = "m1", .protocols = "range:z"}); /* its own retry */
    expect("c:REBALANCE_IN_PROGRESS");
    group_close(&b.group, KAFKA_NOT_COORDINATOR);
    expect("d:NOT_COORDINATOR");
    join(&b, 'e', (struct who){0});
    expect("e:COORDINATOR_NOT_AVAILABLE");
    bench_deinit(&b);
}

/* ---- records ------------------------------------------------------------------------------- */

static void record_round_trip(void **state)
{
    struct bench b, again;
    bench_init(&b, 0);
    bench_init(&again, 0);
    b.group.wall_ms = 1234567;
    two_static(&b);
    CLEAN(buf_deinit) struct buf value = {0}, second = {0}, key = {0};
    group_value_encode(&b.group, &value);
    assert_ok(group_value_decode(buf_str(&value), &again.group, 5000));
    assert_int_equal(again.group.state, GROUP_STABLE);
    assert_int_equal(again.group.state_ms, 1234567);
    group_value_encode(&again.group, &second);
    assert_true(str_equal(buf_str(&value), buf_str(&second)));
    /* Members go on without a generation, also a static one under a new id. */
    assert_int_equal(group_heartbeat(&again.group, STR("m1"), STR("s1"), 1, 6000), KAFKA_NONE);
    again.now_ms = 6000;
    again.fresh = 10;
    join(&again, 'b', (struct who){.instance = "s2", .version = 9});
    group_stored(&again.group, 1, KAFKA_NONE, 6000);
    const char *said = drain(&again);
    assert_string_equal(said, " store b:gen1/range/m11");
    /* Both were heard of at 6 s. */
    pass(&again, 9999);
    assert_int_equal(again.group.member_count, 2);
    pass(&again, 1);
    assert_int_equal(again.group.member_count, 0);
    for (size_t cut = 0; cut < value.bytes; cut++) {
        struct bench broken;
        bench_init(&broken, 0);
        assert_true(group_value_decode(str_from(value.ptr, cut), &broken.group, 0) != OK);
        bench_deinit(&broken);
    }
    struct str id;
    group_key_encode(STR("g1"), &key);
    assert_int_equal(key.bytes, 6);
    assert_memory_equal(key.ptr, "\0\2\0\2g1", 6);
    assert_true(group_key_decode(buf_str(&key), &id));
    assert_str("g1", id);
    assert_false(group_key_decode(str_from("\0\1\0\2g1", 6), &id));
    bench_deinit(&b);
    bench_deinit(&again);
}

/* The bytes that Kafka itself writes: value version 3 of a group with one member. */
static void record_of_kafka(void **state)
{
    static const char bytes[] = "\0\3\0\10consumer\0\0\0\7\0\5range\0\2m1"
                                "\0\0\1\x8b\xcf\xe5\x68\0\0\0\0\1"
                                "\0\2m1\xff\xff\0\1c\0\2/h\0\0\xea\x60\0\0\x27\x10"
                                "\0\0\0\2xy\0\0\0\3abc";
    struct bench b;
    bench_init(&b, 0);
    assert_ok(group_value_decode(str_from(bytes, sizeof bytes - 1), &b.group, 0));
    assert_int_equal(b.group.generation, 7);
    const struct group_member *m = group_member(&b.group, STR("m1"));
    assert_non_null(m);
    assert_null(m->instance_id.ptr);
    assert_int_equal(m->rebalance_timeout_ms, 60000);
    assert_int_equal(m->session_timeout_ms, 10000);
    assert_str("xy", group_metadata(&b.group, m));
    assert_str("abc", m->assignment);
    CLEAN(buf_deinit) struct buf out = {0};
    group_value_encode(&b.group, &out);
    assert_int_equal(out.bytes, sizeof bytes - 1);
    assert_memory_equal(out.ptr, bytes, out.bytes);
    bench_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_generation),
        cmocka_unit_test(delay_ends_with_the_rebalance_timeout),
        cmocka_unit_test(id_is_required),
        cmocka_unit_test(protocols_are_voted_for),
        cmocka_unit_test(foreign_types_are_opaque),
        cmocka_unit_test(rebalances),
        cmocka_unit_test(who_does_not_rejoin_is_out),
        cmocka_unit_test(sessions_end),
        cmocka_unit_test(waiting_needs_no_heartbeats),
        cmocka_unit_test(one_who_never_syncs_is_out),
        cmocka_unit_test(leaving),
        cmocka_unit_test(stale_records),
        cmocka_unit_test(static_members_keep_their_place),
        cmocka_unit_test(subscriptions_are_known_by_generation),
        cmocka_unit_test(an_unwritten_replacement_is_undone),
        cmocka_unit_test(static_members_have_their_session),
        cmocka_unit_test(a_static_double_is_fenced_while_it_waits),
        cmocka_unit_test(commits),
        cmocka_unit_test(groups_are_bounded),
        cmocka_unit_test(those_who_do_not_listen),
        cmocka_unit_test(record_round_trip),
        cmocka_unit_test(record_of_kafka),
    };
    return RUN_TESTS(tests);
}
