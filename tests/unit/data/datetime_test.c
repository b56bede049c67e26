/* SPDX-License-Identifier: MIT */
/* Spark's cast of texts to dates and timestamps: every form, every refusal, and the fast path
 * against the general one. */
#include "test.h"

#include "base/prng.h"
#include "base/zone.h"
#include "data/column.h"

static void assert_time(const char *text, const char *zone_name, const char *want)
{
    const struct zone *zone;
    struct buf buf = {0};
    int64_t us;
    assert_ok(zone_find(str_of(zone_name), &zone));
    if (timestamp_parse(str_of(text), zone, &us) != OK)
        fail_msg("%s is refused", text);
    civil_print_iso(&buf, us, 6);
    assert_str(want, buf_str(&buf));
    buf_deinit(&buf);
}

static void test_forms(void **state)
{
    static const char *const cases[][3] = {
        {"2024", "UTC", "2024-01-01T00:00:00.000000Z"},
        {"2024-2", "UTC", "2024-02-01T00:00:00.000000Z"},
        {"2024-02-9", "UTC", "2024-02-09T00:00:00.000000Z"},
        {"2024-02-09", "Europe/Berlin", "2024-02-08T23:00:00.000000Z"},
        {"2024-02-09T7", "UTC", "2024-02-09T07:00:00.000000Z"},
        {"2024-02-09 07:5", "UTC", "2024-02-09T07:05:00.000000Z"},
        {"2024-02-09 07:5:3", "UTC", "2024-02-09T07:05:03.000000Z"},
        {"2024-02-09 07:05:03.", "UTC", "2024-02-09T07:05:03.000000Z"},
        {"2024-02-09 07:05:03.1", "UTC", "2024-02-09T07:05:03.100000Z"},
        {"2024-02-09T07:05:03.123456789Z", "UTC", "2024-02-09T07:05:03.123456Z"},
        {"2024-02-09T07:05:03Z", "Asia/Tokyo", "2024-02-09T07:05:03.000000Z"},
        {"2024-02-09T07:05:03+02:00", "UTC", "2024-02-09T05:05:03.000000Z"},
        {"2024-02-09T07:05:03-0230", "UTC", "2024-02-09T09:35:03.000000Z"},
        {"2024-02-09T07:05:03+2", "UTC", "2024-02-09T05:05:03.000000Z"},
        {"2024-02-09T07:05:03.5+02", "UTC", "2024-02-09T05:05:03.500000Z"},
        {"2024-02-09T07:05:03+2:5", "UTC", "2024-02-09T05:00:03.000000Z"},
        {"2024-02-09T07:05:03 UTC+1", "UTC", "2024-02-09T06:05:03.000000Z"},
        {"2024-02-09T07:05:03 GMT-03:00", "UTC", "2024-02-09T10:05:03.000000Z"},
        {"2024-02-09T07:05:03 Europe/Berlin", "UTC", "2024-02-09T06:05:03.000000Z"},
        {"2024-02-09T07:05:03Europe/Berlin", "UTC", "2024-02-09T06:05:03.000000Z"},
        {" \t2024-02-09T07:05:03Z\n ", "UTC", "2024-02-09T07:05:03.000000Z"},
        {"+2024-02-09", "UTC", "2024-02-09T00:00:00.000000Z"},
        {"12345-01-01", "UTC", "12345-01-01T00:00:00.000000Z"},
        {"0001-01-01 00:00:00", "UTC", "0001-01-01T00:00:00.000000Z"},
        {"9999-12-31T23:59:59.999999Z", "UTC", "9999-12-31T23:59:59.999999Z"},
        {"2024-03-10 02:30:00", "America/Los_Angeles", "2024-03-10T10:30:00.000000Z"},
        {"2024-11-03 01:30:00", "America/Los_Angeles", "2024-11-03T08:30:00.000000Z"},
        {"2024-03-31 02:30:00", "Europe/Berlin", "2024-03-31T01:30:00.000000Z"},
        {"2024-10-27 02:30:00", "Europe/Berlin", "2024-10-27T00:30:00.000000Z"},
        {"1993-08-21 12:00:00", "Pacific/Kwajalein", "1993-08-22T00:00:00.000000Z"},
        {"2011-12-30 06:00:00", "Pacific/Apia", "2011-12-30T16:00:00.000000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_time(cases[i][0], cases[i][1], cases[i][2]);
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "now",
        "T12:30",
        "12:30",
        "12:30:00",
        "202",
        "1234567",
        "2024-",
        "2024-13",
        "2024-00-01",
        "2024-02-30",
        "2023-02-29",
        "2024-001-01",
        "2024-01-001",
        "2024/01/01",
        "2024-01-01T",
        "2024-01-01Z",
        "2024-01-01T12Z",
        "2024-01-01T12:30Z",
        "2024-01-01x12:30:00",
        "2024-01-01T24:00:00",
        "2024-01-01T12:60:00",
        "2024-01-01T12:00:60",
        "2024-01-01T12:00:00X",
        "2024-01-01T12:00:00z",
        "2024-01-01T12:00:00+19:00",
        "2024-01-01T12:00:00+01:60",
        "2024-01-01T12:00:00 Mars/Crater",
        "2024-01-01T12:00:00.5.5",
        "2024-01-01T12:00:0",
        "2024-01-01T12:00:00ZZ",
        "2024-01-01T12:00:00.123-",
        "300000-01-01",
        "-300000-01-01",
        "--2024-01-01",
        "2024-01-01T1\xC3\xA4:00:00Z",
    };
    int64_t us;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        /* One digit of seconds is fine. */
        enum err want = strcmp(bad[i], "2024-01-01T12:00:0") == 0 ? OK : ERR_SYNTAX;
        if (timestamp_parse(str_of(bad[i]), zone_utc(), &us) != want ||
            timestamp_ntz_parse(str_of(bad[i]), &us) != want)
            fail_msg("%s", bad[i]);
    }
}

static void test_ntz(void **state)
{
    int64_t us, same;
    assert_ok(timestamp_ntz_parse(STR("2024-03-10 02:30:00"), &us));
    assert_ok(timestamp_ntz_parse(STR("2024-03-10T02:30:00+05:00"), &same));
    assert_true(us == same);
    assert_ok(timestamp_ntz_parse(STR("2024-03-10 02:30:00 Europe/Berlin"), &same));
    assert_true(us == same);
    assert_ok(timestamp_ntz_parse(STR("2024-03-10T02:30:00Z"), &same));
    assert_true(us == same);
}

static void test_dates(void **state)
{
    static const struct {
        const char *text;
        int32_t days;
    } good[] = {
        {"1970-01-01", 0},
        {"1970-01-01T", 0},
        {"1970-01-02 anything", 1},
        {"1970-1-2Tx", 1},
        {" 1970-02 ", 31},
        {"1971", 365},
        {"+1970-01-01", 0},
        {"-0001-01-01", -719893},
        {"2024-02-29", 19782},
        {"5881580-07-11", INT32_MAX},
        {"-5877641-06-23", INT32_MIN},
    };
    static const char *const bad[] = {"",
                                      "1970-",
                                      "1970-1-",
                                      "1970T",
                                      "1970-01 x",
                                      "1970-13-01",
                                      "1970-02-29",
                                      "197",
                                      "19700101x",
                                      "12345678",
                                      "1970-01-01x",
                                      "5881580-07-12",
                                      "-5877641-06-22",
                                      "1970-01-0a",
                                      "T1970"};
    int32_t days;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (date_parse(str_of(good[i].text), &days) != OK || days != good[i].days)
            fail_msg("%s: %d", good[i].text, days);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (date_parse(str_of(bad[i]), &days) != ERR_SYNTAX)
            fail_msg("%s", bad[i]);
}

/* A plus in front sends a text round the fast path. */
static void test_fast_path(void **state)
{
    static const char alphabet[] = "0123456789019-:T .Z+/a\xB0";
    struct prng prng = {41};
    char text[64];
    size_t accepted = 0;
    for (int i = 0; i < 300000; i++) {
        int bytes = snprintf(text, sizeof text, "+%04d-%02d-%02d%c%02d:%02d:%02d.%03dZ",
                             (int)prng_below(&prng, 10000), (int)prng_below(&prng, 14),
                             (int)prng_below(&prng, 33), prng_below(&prng, 2) ? 'T' : ' ',
                             (int)prng_below(&prng, 25), (int)prng_below(&prng, 61),
                             (int)prng_below(&prng, 61), (int)prng_below(&prng, 1000));
        if (i % 3)
            bytes -= (int)prng_below(&prng, 16);
        if (i % 2)
            text[1 + prng_below(&prng, (uint64_t)bytes - 1)] =
                alphabet[prng_below(&prng, sizeof alphabet - 1)];
        if (text[1] == '-' || text[1] == '+' || text[1] == ' ')
            continue;
        struct str slow = str_from(text, (size_t)bytes), fast = str_slice(slow, 1, slow.bytes);
        int64_t a = 0, b = 0;
        int32_t c = 0, d = 0;
        enum err err = timestamp_parse(slow, zone_utc(), &a);
        if (err != timestamp_parse(fast, zone_utc(), &b) || (err == OK && a != b))
            fail_msg("%s", text);
        accepted += err == OK;
        err = date_parse(slow, &c);
        if (err != date_parse(fast, &d) || (err == OK && c != d))
            fail_msg("%s", text);
        slow = str_slice(slow, 0, 11);
        fast = str_slice(fast, 0, 10);
        err = date_parse(slow, &c);
        if (err != date_parse(fast, &d) || (err == OK && c != d))
            fail_msg("%s", text);
    }
    assert_true(accepted > 10000);
}

static void test_every_day(void **state)
{
    char text[32];
    int32_t days;
    struct civil c;
    for (int64_t day = civil_days(0, 1, 1); day <= civil_days(9999, 12, 31); day++) {
        civil_from_days(day, &c);
        snprintf(text, sizeof text, "%04d-%02d-%02d", (int)c.year, c.month, c.day);
        if (date_parse(str_from(text, 10), &days) != OK || days != day)
            fail_msg("%s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ntz),       cmocka_unit_test(test_dates),
        cmocka_unit_test(test_fast_path), cmocka_unit_test(test_every_day),
    };
    return RUN_TESTS(tests);
}
