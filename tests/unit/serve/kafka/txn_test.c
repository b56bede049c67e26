/* SPDX-License-Identifier: MIT */
/*
 * The states of a transactional id by tables of requests and what they are told, its record, and a
 * long random walk with two producers beside a twin that knows only epochs.
 */
#include "base/prng.h"
#include "serve/kafka/coordinator.h"
#include "test.h"

enum ask { INIT, ADD, COMMIT, ABORT, EXPIRE, RESUME, WRITTEN, FAILED };

/* One request of the table: who (producer id and epoch), and what comes of it. */
struct row {
    enum ask ask;
    int64_t pid;
    int16_t epoch;
    int16_t code;
    enum txn_op op;
    enum txn_state state; /* afterwards; of the plan while one is pending */
};

static const struct txn_partition parts[] = {{{"a", 1}, 0}, {{"b", 1}, 1}, {{"a", 1}, 2}};

static int16_t ask_one(struct txn *txn, const struct row *row, int64_t now_ms, enum txn_op *ret_op)
{
    struct txn_init_request init = {
        .timeout_ms = 1000, .producer_id = row->pid, .epoch = row->epoch};
    *ret_op = TXN_NOTHING;
    switch (row->ask) {
    case INIT:
        return txn_begin(txn, &init, 77, now_ms, ret_op);
    case ADD:
        return txn_add(txn, row->pid, row->epoch, parts, 3, now_ms, ret_op);
    case COMMIT:
    case ABORT:
        return txn_end(txn, row->pid, row->epoch, row->ask == COMMIT, now_ms, ret_op);
    case EXPIRE:
        return txn_expire(txn, now_ms + 1001, ret_op) ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
    case RESUME:
        if (!txn_resume(txn, now_ms))
            return KAFKA_INVALID_TXN_STATE;
        *ret_op = TXN_END;
        return KAFKA_NONE;
    case WRITTEN:
        txn_written(txn);
        return KAFKA_NONE;
    default:
        txn_failed(txn);
        return KAFKA_NONE;
    }
}

static void run_rows(struct txn *txn, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum txn_op op;
        int16_t code = ask_one(txn, &rows[i], 5000 + (int64_t)i, &op);
        enum txn_state state = txn->pending ? txn->plan.state : txn->data.state;
        if (code != rows[i].code || op != rows[i].op || state != rows[i].state)
            fail_msg("row %zu: %s, op %d, %s", i, kafka_error_name(code), (int)op,
                     txn_state_name(state));
    }
}
#define RUN(txn, rows) run_rows(txn, rows, sizeof(rows) / sizeof(rows)[0])

static void a_life(void **state)
{
    static const struct row rows[] = {
        {INIT, -1, -1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {INIT, -1, -1, KAFKA_CONCURRENT_TRANSACTIONS, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 0, KAFKA_INVALID_PRODUCER_ID_MAPPING, TXN_NOTHING,
         TXN_EMPTY}, /* not handed out yet */
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {COMMIT, 77, 0, KAFKA_INVALID_TXN_STATE, TXN_NOTHING, TXN_EMPTY},
        {ADD, 76, 0, KAFKA_INVALID_PRODUCER_ID_MAPPING, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 1, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 0, KAFKA_NONE, TXN_WRITE, TXN_ONGOING},
        {ADD, 77, 0, KAFKA_CONCURRENT_TRANSACTIONS, TXN_NOTHING, TXN_ONGOING},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING},
        {ADD, 77, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING}, /* nothing new */
        {COMMIT, 77, 1, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_ONGOING},
        {COMMIT, 77, 0, KAFKA_NONE, TXN_END, TXN_COMPLETE_COMMIT},
        {COMMIT, 77, 0, KAFKA_CONCURRENT_TRANSACTIONS, TXN_NOTHING, TXN_COMPLETE_COMMIT},
        {FAILED, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING},
        {COMMIT, 77, 0, KAFKA_NONE, TXN_END, TXN_COMPLETE_COMMIT},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_COMMIT},
        {COMMIT, 77, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_COMMIT}, /* said twice */
        {ABORT, 77, 0, KAFKA_INVALID_TXN_STATE, TXN_NOTHING, TXN_COMPLETE_COMMIT},
        {ADD, 77, 0, KAFKA_NONE, TXN_WRITE, TXN_ONGOING},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING},
        {ABORT, 77, 0, KAFKA_NONE, TXN_END, TXN_COMPLETE_ABORT},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {ABORT, 77, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {COMMIT, 77, 0, KAFKA_INVALID_TXN_STATE, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {EXPIRE, 0, 0, KAFKA_INVALID_TXN_STATE, TXN_NOTHING, TXN_COMPLETE_ABORT},
    };
    struct txn txn;
    txn_init(&txn, STR("t"), 0);
    RUN(&txn, rows);
    assert_int_equal(txn.partition_count, 0);
    txn_deinit(&txn);
}

/* What partitions know of lost epochs is not given out again, and fences who has it. */
static void lost_epochs(void **state)
{
    static const struct row rows[] = {
        {INIT, -1, -1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
    };
    struct txn txn;
    txn_init(&txn, STR("t"), 0);
    RUN(&txn, rows);
    txn_adopt_epoch(&txn, 0); /* its own */
    assert_int_equal(txn.data.epoch, 0);
    txn_adopt_epoch(&txn, 4);
    assert_int_equal(txn.data.epoch, 5);
    static const struct row later[] = {
        {ADD, 77, 4, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_EMPTY},
        {INIT, -1, -1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 6, KAFKA_NONE, TXN_WRITE, TXN_ONGOING},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING},
    };
    RUN(&txn, later);
    /* No epoch is left behind the last ones: the next producer has another id. */
    txn_adopt_epoch(&txn, INT16_MAX - 1);
    assert_int_equal(txn.data.epoch, INT16_MAX - 1);
    txn_deinit(&txn);
}

static void fencing(void **state)
{
    static const struct row rows[] = {
        {INIT, -1, -1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 0, KAFKA_NONE, TXN_WRITE, TXN_ONGOING},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING},
        /* Another one begins: the open transaction is aborted with an epoch of nobody, */
        {INIT, -1, -1, KAFKA_NONE, TXN_END, TXN_COMPLETE_ABORT},
        {INIT, -1, -1, KAFKA_CONCURRENT_TRANSACTIONS, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {COMMIT, 77, 0, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_COMPLETE_ABORT},
        /* and the next one is for the one that asked. */
        {INIT, -1, -1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 1, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 2, KAFKA_NONE, TXN_WRITE, TXN_ONGOING},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING},
        /* Its time ends. */
        {EXPIRE, 0, 0, KAFKA_NONE, TXN_END, TXN_COMPLETE_ABORT},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {COMMIT, 77, 2, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {INIT, 77, 2, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_COMPLETE_ABORT},
    };
    struct txn txn;
    txn_init(&txn, STR("t"), 0);
    RUN(&txn, rows);
    assert_int_equal(txn.data.epoch, 3);
    txn_deinit(&txn);
}

/* KIP-360. */
static void continuing(void **state)
{
    static const struct row first[] = {
        {INIT, -1, -1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {INIT, 77, 0, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {INIT, 77, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY}, /* the answer was lost: the same again */
    };
    static const struct row second[] = {
        {INIT, 99, 0, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_EMPTY},
        {INIT, 77, 1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {INIT, 77, 0, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_EMPTY},
        {INIT, -1, -1, KAFKA_NONE, TXN_WRITE, TXN_EMPTY}, /* a new one: no going back */
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {INIT, 77, 2, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_EMPTY},
    };
    static const struct row third[] = {
        {INIT, 77, 3, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {ADD, 77, 4, KAFKA_NONE, TXN_WRITE, TXN_ONGOING},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_ONGOING},
        {EXPIRE, 0, 0, KAFKA_NONE, TXN_END, TXN_COMPLETE_ABORT},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_ABORT},
        {INIT, 77, 3, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_COMPLETE_ABORT}, /* too late */
    };
    struct txn txn;
    txn_init(&txn, STR("t"), 0);
    RUN(&txn, first);
    assert_int_equal(txn.data.epoch, 1);
    RUN(&txn, second);
    assert_int_equal(txn.data.epoch, 3);
    RUN(&txn, third);
    txn_deinit(&txn);
}

static void epochs_end(void **state)
{
    static const struct row rows[] = {
        {INIT, 5, 32765, KAFKA_PRODUCER_FENCED, TXN_NOTHING, TXN_EMPTY},
        {INIT, 5, 32766, KAFKA_NONE, TXN_WRITE, TXN_EMPTY},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY},
        {ADD, 5, 32766, KAFKA_INVALID_PRODUCER_ID_MAPPING, TXN_NOTHING, TXN_EMPTY},
        {INIT, 5, 32766, KAFKA_NONE, TXN_NOTHING, TXN_EMPTY}, /* said twice */
        {ADD, 77, 0, KAFKA_NONE, TXN_WRITE, TXN_ONGOING},
    };
    struct txn txn;
    struct txn_data data = {
        .producer_id = 5, .epoch = 32766, .epoch_last = -1, .producer_id_last = -1, .start_ms = -1};
    txn_init(&txn, STR("t"), 0);
    txn_restore(&txn, &data, NULL, 0);
    assert_true(txn_wants_id(&txn));
    RUN(&txn, rows);
    txn_deinit(&txn);
}

static void prepared_ones_are_resumed(void **state)
{
    struct txn txn;
    struct txn_data data = {.producer_id = 5, .epoch = 3, .state = TXN_PREPARE_COMMIT};
    static const struct row rows[] = {
        {INIT, -1, -1, KAFKA_CONCURRENT_TRANSACTIONS, TXN_NOTHING, TXN_PREPARE_COMMIT},
        {ADD, 5, 3, KAFKA_CONCURRENT_TRANSACTIONS, TXN_NOTHING, TXN_PREPARE_COMMIT},
        {COMMIT, 5, 3, KAFKA_CONCURRENT_TRANSACTIONS, TXN_NOTHING, TXN_PREPARE_COMMIT},
        {ABORT, 5, 3, KAFKA_INVALID_TXN_STATE, TXN_NOTHING, TXN_PREPARE_COMMIT},
        {RESUME, 0, 0, KAFKA_NONE, TXN_END, TXN_COMPLETE_COMMIT},
        {WRITTEN, 0, 0, KAFKA_NONE, TXN_NOTHING, TXN_COMPLETE_COMMIT},
        {RESUME, 0, 0, KAFKA_INVALID_TXN_STATE, TXN_NOTHING, TXN_COMPLETE_COMMIT},
    };
    txn_init(&txn, STR("t"), 0);
    txn_restore(&txn, &data, parts, 2);
    assert_int_equal(txn.partition_count, 2);
    RUN(&txn, rows);
    assert_int_equal(txn.data.epoch, 3);
    txn_deinit(&txn);
}

static void who_may_write(void **state)
{
    struct txn txn;
    struct txn_data data = {.producer_id = 5, .epoch = 3, .state = TXN_ONGOING};
    txn_init(&txn, STR("t"), 0);
    txn_restore(&txn, &data, parts, 2);
    assert_int_equal(txn_check(&txn, 5, 3, STR("b"), 1), KAFKA_NONE);
    assert_int_equal(txn_check(&txn, 5, 3, STR("a"), 2), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(txn_check(&txn, 5, 2, STR("b"), 1), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(txn_check(&txn, 6, 3, STR("b"), 1), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    enum txn_op op;
    assert_int_equal(txn_add(&txn, 5, 3, parts, 3, 9, &op), KAFKA_NONE);
    assert_int_equal(txn_check(&txn, 5, 3, STR("a"), 2), KAFKA_CONCURRENT_TRANSACTIONS);
    txn_failed(&txn);
    assert_int_equal(txn_check(&txn, 5, 3, STR("a"), 2), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(txn_add(&txn, 5, 3, parts, 3, 9, &op), KAFKA_NONE);
    txn_written(&txn);
    assert_int_equal(txn_check(&txn, 5, 3, STR("a"), 2), KAFKA_NONE);
    txn_deinit(&txn);
}

/* ---- records ------------------------------------------------------------------------------- */

static void record_round_trip(void **state)
{
    struct txn txn, again;
    CLEAN(buf_deinit) struct buf out = {0}, second = {0};
    struct txn_data data = {.producer_id = 1LL << 40,
                            .epoch = 9,
                            .timeout_ms = 60000,
                            .state = TXN_ONGOING,
                            .start_ms = 1700000000000,
                            .update_ms = 1700000000001};
    txn_init(&txn, STR("t"), 0);
    txn_init(&again, STR("t"), 0);
    txn_restore(&txn, &data, parts, 3);
    txn_value_encode(&txn, &out);
    assert_ok(txn_value_decode(buf_str(&out), &again));
    assert_int_equal(again.data.start_ms, data.start_ms);
    assert_int_equal(again.data.update_ms, data.update_ms);
    assert_int_equal(again.partition_count, 3);
    txn_value_encode(&again, &second);
    assert_true(str_equal(buf_str(&out), buf_str(&second)));
    for (size_t cut = 0; cut < out.bytes; cut++)
        assert_true(txn_value_decode(str_from(out.ptr, cut), &again) != OK);
    txn_deinit(&txn);
    txn_deinit(&again);
}

/* As Kafka writes it: version 0 of an ongoing and of an empty transaction. */
static void records_of_kafka(void **state)
{
    static const char ongoing[] = "\0\0\0\0\0\0\0\0\3\xe8\0\2\0\0\xea\x60\1"
                                  "\0\0\0\1\0\1a\0\0\0\2\0\0\0\0\0\0\0\2"
                                  "\0\0\1\x8b\xcf\xe5\x68\1\0\0\1\x8b\xcf\xe5\x68\0";
    static const char empty[] = "\0\0\0\0\0\0\0\0\3\xe8\0\2\0\0\xea\x60\0\xff\xff\xff\xff"
                                "\0\0\1\x8b\xcf\xe5\x68\1\xff\xff\xff\xff\xff\xff\xff\xff";
    struct txn txn;
    CLEAN(buf_deinit) struct buf out = {0}, key = {0};
    txn_init(&txn, STR("t"), 0);
    assert_ok(txn_value_decode(str_from(ongoing, sizeof ongoing - 1), &txn));
    assert_int_equal(txn.data.producer_id, 1000);
    assert_int_equal(txn.partition_count, 2);
    assert_int_equal(txn.partitions[1].partition, 2);
    txn_value_encode(&txn, &out);
    assert_int_equal(out.bytes, sizeof ongoing - 1);
    assert_memory_equal(out.ptr, ongoing, out.bytes);
    assert_ok(txn_value_decode(str_from(empty, sizeof empty - 1), &txn));
    buf_reset(&out);
    txn_value_encode(&txn, &out);
    assert_int_equal(out.bytes, sizeof empty - 1);
    assert_memory_equal(out.ptr, empty, out.bytes);
    txn_key_encode(STR("tx"), &key);
    assert_memory_equal(key.ptr, "\0\0\0\2tx", 6);
    txn_deinit(&txn);
}

/* ---- a random walk ------------------------------------------------------------------------- */

struct producer {
    int64_t pid;
    int16_t epoch;
    bool open; /* it added partitions and was told so */
};

/* Epochs of one producer id never go back; only the newest producer gets anything done; what is
 * committed was open; nothing changes but by a plan that was written. */
static void walk(uint64_t seed)
{
    struct prng prng = {seed};
    struct txn txn;
    struct producer producers[2] = {{-1, -1, false}, {-1, -1, false}};
    int newest = -1;
    int64_t now_ms = 0, ids = 100;
    txn_init(&txn, STR("t"), 0);
    for (int i = 0; i < 4000; i++) {
        int who = (int)prng_below(&prng, 2);
        struct producer *p = &producers[who];
        enum txn_op op = TXN_NOTHING;
        enum txn_state before = txn.data.state;
        int16_t epoch = txn.data.epoch;
        int64_t pid = txn.data.producer_id;
        int16_t code = KAFKA_NONE;
        bool init = false, ended = false;
        now_ms += (int64_t)prng_below(&prng, 100);
        struct txn_init_request request = {1000, -1, -1};
        switch (prng_below(&prng, 12)) {
        case 0:
            if (prng_below(&prng, 2))
                request = (struct txn_init_request){1000, p->pid, p->epoch};
            code = txn_begin(&txn, &request, ids++, now_ms, &op);
            init = true;
            break;
        case 1:
            ended = txn_expire(&txn, now_ms, &op);
            break;
        case 2:
        case 3:
        case 4:
            code = txn_end(&txn, p->pid, p->epoch, prng_below(&prng, 2), now_ms, &op);
            break;
        default:
            code = txn_add(&txn, p->pid, p->epoch, parts + prng_below(&prng, 3), 1, now_ms, &op);
        }
        assert_int_equal(txn.data.state, before);
        assert_int_equal(txn.data.epoch, epoch);
        assert_int_equal(txn.pending, op != TXN_NOTHING);
        if (op != TXN_NOTHING) {
            assert_int_equal(code, KAFKA_NONE);
            bool by_client = !init && !ended;
            if (by_client)
                assert_int_equal(who, newest);
            if (op == TXN_END)
                assert_int_equal(before, TXN_ONGOING);
            if (prng_below(&prng, 8) == 0) {
                txn_failed(&txn);
                assert_int_equal(txn.data.state, before);
                continue;
            }
            txn_written(&txn);
            assert_int_equal(txn.partition_count > 0, txn.data.state == TXN_ONGOING);
            if (txn.data.producer_id == pid)
                assert_true(txn.data.epoch >= epoch);
            if (init || ended)
                newest = -1; /* all are fenced */
        }
        if (init && code == KAFKA_NONE && op != TXN_END) {
            newest = who;
            *p = (struct producer){txn.data.producer_id, txn.data.epoch, false};
            assert_true(p->epoch >= 0);
        }
    }
    txn_deinit(&txn);
}

static void random_walks(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        walk(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(fencing),
        cmocka_unit_test(continuing),
        cmocka_unit_test(epochs_end),
        cmocka_unit_test(prepared_ones_are_resumed),
        cmocka_unit_test(lost_epochs),
        cmocka_unit_test(who_may_write),
        cmocka_unit_test(record_round_trip),
        cmocka_unit_test(records_of_kafka),
        cmocka_unit_test(random_walks),
    };
    return RUN_TESTS(tests);
}
