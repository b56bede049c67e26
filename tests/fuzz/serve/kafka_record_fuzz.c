/* SPDX-License-Identifier: MIT */
/* Any bytes as the value of a coordinator's record: refused, or a group or a transactional id that
 * writes a record of the same meaning. */
#include "base/check.h"
#include "serve/kafka/coordinator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void try_group(struct str value)
{
    static const struct group_settings settings = {.new_member_ms = 1000};
    struct group group, again;
    CLEAN(buf_deinit) struct buf first = {0}, second = {0};
    group_init(&group, STR("g"), &settings);
    group_init(&again, STR("g"), &settings);
    if (group_value_decode(value, &group, 0) == OK) {
        group_value_encode(&group, &first);
        check(group_value_decode(buf_str(&first), &again, 0) == OK);
        group_value_encode(&again, &second);
        check(str_equal(buf_str(&first), buf_str(&second)));
        group_tick(&group, 1LL << 50);
        while (group_action(&group))
            ;
    }
    group_deinit(&group);
    group_deinit(&again);
}

static void try_txn(struct str value)
{
    struct txn txn, again;
    CLEAN(buf_deinit) struct buf first = {0}, second = {0};
    txn_init(&txn, STR("t"), 0);
    txn_init(&again, STR("t"), 0);
    if (txn_value_decode(value, &txn) == OK) {
        txn_value_encode(&txn, &first);
        check(txn_value_decode(buf_str(&first), &again) == OK);
        txn_value_encode(&again, &second);
        check(str_equal(buf_str(&first), buf_str(&second)));
    }
    txn_deinit(&txn);
    txn_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct str key, value = str_from(data, bytes);
    try_group(value);
    try_txn(value);
    (void)(group_key_decode(value, &key) || txn_key_decode(value, &key));
    return 0;
}
