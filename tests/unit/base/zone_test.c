/* SPDX-License-Identifier: MIT */
/* Time zones: names, offsets, gaps and overlaps at places that got it wrong elsewhere. */
#include "test.h"

#include "base/prng.h"
#include "base/zone.h"

static const struct zone *find(const char *name)
{
    const struct zone *zone;
    if (zone_find(str_of(name), &zone) != OK)
        fail_msg("no zone %s", name);
    return zone;
}

static int64_t at(int64_t year, int month, int day, int hour, int minute)
{
    struct civil c = {.year = year, .month = month, .day = day, .hour = hour, .minute = minute};
    return civil_to_us(&c);
}

/* The instant of a local time, as hours and minutes of UTC behind the same date. */
static void assert_local(const char *zone, int64_t local, int64_t want)
{
    int64_t have = zone_local_to_us(find(zone), local);
    if (have != want)
        fail_msg("%s: off by %lld s", zone, (long long)(have - want) / 1000000);
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *normal;
        int32_t offset;
    } fixed[] = {
        {"UTC", "UTC", 0},
        {"Z", "Z", 0},
        {"GMT", "GMT", 0},
        {"UTC+1", "UTC+01:00", 3600},
        {"GMT-8", "GMT-08:00", -28800},
        {"+02:00", "+02:00", 7200},
        {"+2", "+02:00", 7200},
        {"-0730", "-07:30", -27000},
        {"+1:30", "+01:30", 5400},
        {"+01:5", "+01:05", 3900},
        {"+18:00", "+18:00", 64800},
        {"-07:52:58", "-07:52:58", -28378},
        {"UT+05:45", "UT+05:45", 20700},
        {"+00:00", "Z", 0},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const struct zone *zone = find(fixed[i].name);
        assert_str(fixed[i].normal, zone_name(zone));
        assert_int_equal(fixed[i].offset, zone_offset_at(zone, 1234567890));
        assert_ptr_equal(zone, find(fixed[i].name));
    }
    static const char *const bad[] = {
        "",  "utc",  "europe/berlin", "+19:00",   "+18:01", "+1:60",  "+130",
        "+", "UTC+", "+0a:00",        "+01:00:0", "Mars/X", "+1:2:3", "+01:00 "};
    const struct zone *zone;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_err(ERR_NOT_FOUND, zone_find(str_of(bad[i]), &zone));
    assert_ptr_equal(zone_utc(), find("UTC"));
    assert_str("Europe/Berlin", zone_name(find("Europe/Berlin")));
    assert_int_equal(-28800, zone_offset_at(find("PST"), 0));
    assert_int_equal(-18000, zone_offset_at(find("EST"), at(2024, 7, 1, 0, 0)));
    assert_int_equal(-18000, zone_offset_at(find("Etc/GMT+5"), 0));
}

static void test_los_angeles(void **state)
{
    const char *la = "America/Los_Angeles";
    /* 2024-03-10: 02:00 becomes 03:00 at 10:00Z. */
    assert_local(la, at(2024, 3, 10, 1, 59), at(2024, 3, 10, 9, 59));
    assert_local(la, at(2024, 3, 10, 2, 30), at(2024, 3, 10, 10, 30));
    assert_local(la, at(2024, 3, 10, 3, 0), at(2024, 3, 10, 10, 0));
    /* 2024-11-03: 02:00 becomes 01:00 at 09:00Z; the first 01:30 is taken. */
    assert_local(la, at(2024, 11, 3, 1, 30), at(2024, 11, 3, 8, 30));
    assert_local(la, at(2024, 11, 3, 2, 0), at(2024, 11, 3, 10, 0));
    assert_int_equal(-25200, zone_offset_at(find(la), at(2024, 3, 10, 10, 0)));
    assert_int_equal(-28800, zone_offset_at(find(la), at(2024, 3, 10, 10, 0) - 1));
    assert_int_equal(-28378, zone_offset_at(find(la), at(1800, 1, 1, 0, 0)));
    assert_str("PDT", zone_abbreviation(find(la), at(2024, 7, 1, 0, 0)));
    /* By the rule of the footer. */
    assert_int_equal(-25200, zone_offset_at(find(la), at(2500, 7, 1, 0, 0)));
    assert_int_equal(-28800, zone_offset_at(find(la), at(9999, 12, 31, 0, 0)));
}

static void test_berlin(void **state)
{
    const char *berlin = "Europe/Berlin";
    assert_local(berlin, at(2024, 3, 31, 2, 30), at(2024, 3, 31, 1, 30));
    assert_local(berlin, at(2024, 10, 27, 2, 30), at(2024, 10, 27, 0, 30));
    assert_local(berlin, at(2024, 10, 27, 3, 0), at(2024, 10, 27, 2, 0));
    assert_local(berlin, at(2060, 3, 28, 2, 30), at(2060, 3, 28, 1, 30));
    assert_str("CEST", zone_abbreviation(find(berlin), at(2024, 7, 1, 0, 0)));
    assert_str("CET", zone_abbreviation(find(berlin), at(2024, 1, 1, 0, 0)));
}

static void test_lost_days(void **state)
{
    /* Kwajalein went from -12 to +12 at the end of 1993-08-20: the 21st is missing. */
    assert_local("Pacific/Kwajalein", at(1993, 8, 20, 23, 59), at(1993, 8, 21, 11, 59));
    assert_local("Pacific/Kwajalein", at(1993, 8, 21, 12, 0), at(1993, 8, 22, 0, 0));
    assert_local("Pacific/Kwajalein", at(1993, 8, 22, 0, 0), at(1993, 8, 21, 12, 0));
    /* Samoa went from -10 to +14 at the end of 2011-12-29. */
    assert_local("Pacific/Apia", at(2011, 12, 29, 23, 59), at(2011, 12, 30, 9, 59));
    assert_local("Pacific/Apia", at(2011, 12, 30, 6, 0), at(2011, 12, 30, 16, 0));
    assert_local("Pacific/Apia", at(2011, 12, 31, 0, 0), at(2011, 12, 30, 10, 0));
    /* Half an hour of daylight time; negative daylight time in winter. */
    assert_local("Australia/Lord_Howe", at(2024, 10, 6, 2, 15), at(2024, 10, 5, 15, 45));
    assert_int_equal(3600, zone_offset_at(find("Europe/Dublin"), at(2024, 7, 1, 0, 0)));
    assert_int_equal(0, zone_offset_at(find("Europe/Dublin"), at(2024, 1, 1, 0, 0)));
}

/* Spans tile time: constant inside, the next one starts where one ends, and what a local time is
 * turned into reads back as that local time unless it was in a gap. */
static void test_spans(void **state)
{
    static const char *const names[] = {"Europe/Berlin", "America/Los_Angeles", "Pacific/Apia",
                                        "Asia/Tehran",   "Africa/Casablanca",   "UTC",
                                        "+05:30"};
    struct prng prng = {9};
    for (int i = 0; i < 40000; i++) {
        const struct zone *zone = find(names[prng_below(&prng, 7)]);
        int64_t us = ((int64_t)prng_below(&prng, 8000000000) - 3000000000) * US_PER_SECOND;
        int64_t from, until, next_from, next_until;
        int32_t offset = zone_offset_span(zone, us, &from, &until);
        assert_true(from <= us && us < until);
        assert_int_equal(offset, zone_offset_at(zone, us));
        if (from != INT64_MIN)
            assert_int_equal(offset, zone_offset_at(zone, from));
        if (until != INT64_MAX) {
            assert_int_equal(offset, zone_offset_at(zone, until - 1));
            zone_offset_span(zone, until, &next_from, &next_until);
            assert_true(next_from == until);
        }
        int64_t instant = zone_local_to_us(zone, us);
        int64_t again = instant + zone_offset_at(zone, instant) * US_PER_SECOND;
        assert_true(again == us || (again > us && again - us <= 86400 * US_PER_SECOND));
    }
    int64_t from, until;
    (void)zone_local_to_us(find("Europe/Berlin"), INT64_MIN);
    (void)zone_local_to_us(find("Europe/Berlin"), INT64_MAX);
    (void)zone_offset_span(find("Europe/Berlin"), INT64_MAX, &from, &until);
    (void)zone_offset_span(find("Europe/Berlin"), INT64_MIN, &from, &until);
    assert_true(from == INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_los_angeles),
        cmocka_unit_test(test_berlin), cmocka_unit_test(test_lost_days),
        cmocka_unit_test(test_spans),
    };
    return RUN_TESTS(tests);
}
