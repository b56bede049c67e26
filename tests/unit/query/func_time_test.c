/* SPDX-License-Identifier: MIT */
/* Dates and times, arrays and maps. */
#include "func_cases.h"
#include "test.h"

static const struct func_case utc[] = {
    {"year", {"DATE=2024-02-29"}, "INT:2024"},
    {"year", {"TIMESTAMP#1951-05-07 01:02:03"}, "1951"},
    {"quarter", {"DATE=2016-08-31"}, "3"},
    {"dayofweek", {"DATE=2009-07-30"}, "5"},
    {"weekday", {"DATE=2009-07-30"}, "3"},
    {"dayofyear", {"DATE=2016-04-09"}, "100"},
    {"weekofyear", {"DATE=2008-02-20"}, "8"},
    {"weekofyear", {"DATE=2021-01-03"}, "53"},
    {"hour", {"TIMESTAMP=2009-07-30 12:58:59"}, "12"},
    {"extract",
     {"STRING=SECONDS", "TIMESTAMP=2019-10-01 00:00:01.000001"},
     "DECIMAL(8,6):1.000001"},
    {"extract", {"STRING=yearofweek", "DATE=2005-01-01"}, "2004"},
    {"extract", {"STRING=fortnight", "DATE=2005-01-01"}, "!INVALID_EXTRACT_FIELD"},
    {"date_format", {"TIMESTAMP=2016-04-08 00:00:00", "STRING=EEEE"}, "Friday"},
    {"date_format",
     {"TIMESTAMP=2016-04-08 13:05:09.123456", "STRING=yyyy-MM-dd hh:mm:ss.SSSSSS a z"},
     "2016-04-08 01:05:09.123456 PM UTC"},
    {"date_format",
     {"DATE=2016-04-08", "STRING=d MMM y 'o''clock' QQQ D"},
     "8 Apr 2016 o'clock Q2 99"},
    {"date_format",
     {"DATE=2016-04-08", "STRING=YYYY"},
     "!INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN"},
    {"date_format",
     {"DATE=2016-04-08", "STRING=qqqqq"},
     "!INVALID_DATETIME_PATTERN.WITH_SUGGESTION"},
    {"to_timestamp", {"STRING=2016-12-31", "STRING=yyyy-MM-dd"}, "2016-12-31 00:00:00"},
    {"to_timestamp", {"STRING=20161231 1405", "STRING=yyyyMMdd HHmm"}, "2016-12-31 14:05:00"},
    {"to_timestamp",
     {"STRING=31/Dec/2016:01:02:03 +0100", "STRING=dd/MMM/yyyy:HH:mm:ss Z"},
     "2016-12-31 00:02:03"},
    {"to_timestamp", {"STRING=2016-13-31", "STRING=yyyy-MM-dd"}, "!CANNOT_PARSE_TIMESTAMP"},
    {"to_timestamp", {"STRING=2016-12-31 x", "STRING=yyyy-MM-dd"}, "!CANNOT_PARSE_TIMESTAMP"},
    {"try_to_timestamp", {"STRING=foo", "STRING=yyyy-MM-dd"}, "NULL"},
    {"to_timestamp",
     {"STRING=2016-12-31 12:30 am", "STRING=yyyy-MM-dd hh:mm a"},
     "2016-12-31 00:30:00"},
    {"to_timestamp", {"STRING=2016-12-31", "STRING=yyyy-MM-dd[ HH:mm]"}, "2016-12-31 00:00:00"},
    {"to_date", {"STRING=12/31/16", "STRING=MM/dd/yy"}, "2016-12-31"},
    {"to_date", {"STRING=2009-07-30 04:17:52"}, "2009-07-30"},
    {"unix_timestamp", {"STRING=2016-04-08", "STRING=yyyy-MM-dd"}, "1460073600"},
    {"from_unixtime", {"BIGINT=0"}, "1970-01-01 00:00:00"},
    {"timestamp_seconds", {"BIGINT=1230219000"}, "2008-12-25 15:30:00"},
    {"timestamp_seconds", {"DOUBLE=1230219000.123"}, "2008-12-25 15:30:00.123"},
    {"timestamp_millis", {"BIGINT=-1"}, "1969-12-31 23:59:59.999"},
    {"timestamp_seconds", {"BIGINT=9223372036854775807"}, "!ARITHMETIC_OVERFLOW"},
    {"datediff", {"DATE=2009-07-31", "DATE=2009-07-30"}, "1"},
    {"datediff", {"TIMESTAMP#2021-06-01 23:00:00", "TIMESTAMP#2021-06-01 01:00:00"}, "0"},
    {"add_months", {"DATE=2016-08-31", "INT=-6"}, "2016-02-29"},
    {"months_between", {"TIMESTAMP=1997-02-28 10:30:00", "TIMESTAMP=1996-10-30"}, "3.94959677"},
    {"last_day", {"DATE=2009-01-12"}, "2009-01-31"},
    {"next_day", {"DATE=2015-01-14", "STRING=TU"}, "2015-01-20"},
    {"next_day", {"DATE=2015-01-14", "STRING=xx"}, "!ILLEGAL_DAY_OF_WEEK"},
    {"trunc", {"DATE=2019-08-04", "STRING=week"}, "2019-07-29"},
    {"trunc", {"DATE=2019-08-04", "STRING=quarter"}, "2019-07-01"},
    {"date_trunc", {"STRING=HOUR", "TIMESTAMP=2015-03-05 09:32:05.359"}, "2015-03-05 09:00:00"},
    {"make_date", {"INT=2013", "INT=7", "INT=15"}, "2013-07-15"},
    {"make_date", {"INT=2019", "INT=2", "INT=30"}, "!DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION"},
    {"timestampdiff",
     {"STRING=MONTH", "TIMESTAMP=2021-02-28 12:00:00", "TIMESTAMP=2021-03-28 11:00:00"},
     "0"},
    {"timestampadd",
     {"STRING=HOUR", "INT=8", "TIMESTAMP_NTZ=2022-02-11 20:30:00"},
     "TIMESTAMP_NTZ:2022-02-12 04:30:00"},
    {"from_utc_timestamp", {"TIMESTAMP=2016-08-31", "STRING=Asia/Seoul"}, "2016-08-31 09:00:00"},
    {"sequence",
     {"DATE=2018-01-01", "DATE=2018-03-01", "INTERVAL MONTH=1"},
     "[2018-01-01, 2018-02-01, 2018-03-01]"},
    {"sequence", {"INT=5", "INT=1"}, "[5, 4, 3, 2, 1]"},
    {"sequence", {"INT=5", "INT=1", "INT=1"}, "!ILLEGAL_SEQUENCE_BOUNDARIES"},
    /* arrays and maps */
    {"[]", {"ARRAY<INT>#[1,2]", "INT=1"}, "INT:2"},
    {"[]", {"ARRAY<INT>#[1,2]", "INT=2"}, "!INVALID_ARRAY_INDEX"},
    {"get", {"ARRAY<INT>#[1,2]", "INT=2"}, "NULL"},
    {"element_at", {"ARRAY<INT>#[1,2]", "INT=-1"}, "2"},
    {"element_at", {"ARRAY<INT>#[1,2]", "INT=0"}, "!INVALID_INDEX_OF_ZERO"},
    {"element_at", {"ARRAY<INT>#[1,2]", "INT=3"}, "!INVALID_ARRAY_INDEX_IN_ELEMENT_AT"},
    {"[]", {"MAP<STRING,INT>#{\"a\":1}", "STRING=a"}, "1"},
    {"[]", {"MAP<STRING,INT>#{\"a\":1}", "STRING=b"}, "NULL"},
    {"size", {"ARRAY<INT>#[1,null]"}, "2"},
    {"size", {"ARRAY<INT>!"}, "NULL"},
    {"array", {"INT=1", "DOUBLE=2.5", "INT!"}, "[1.0, 2.5, null]"},
    {"map", {"STRING=a", "INT=1"}, "{a -> 1}"},
    {"map", {"STRING=a", "INT=1", "STRING=a", "INT=2"}, "!DUPLICATED_MAP_KEY"},
    {"named_struct", {"STRING=x", "INT=1", "STRING=y", "STRING!"}, "{1, null}"},
    {"array_contains", {"ARRAY<INT>#[1,null]", "INT=2"}, "NULL"},
    {"array_distinct", {"ARRAY<STRING>#[\"a\",null,\"a\",null]"}, "[a, null]"},
    {"array_sort", {"ARRAY<STRING>#[\"b\",null,\"a\"]"}, "[a, b, null]"},
    {"sort_array", {"ARRAY<INT>#[2,null,1]", "BOOLEAN=false"}, "[2, 1, null]"},
    {"sort_array", {"ARRAY<INT>#[2,null,1]"}, "[null, 1, 2]"},
    {"array_join", {"ARRAY<STRING>#[\"b\",null,\"a\"]", "STRING=|"}, "b|a"},
    {"array_join", {"ARRAY<STRING>#[\"b\",null,\"a\"]", "STRING=|", "STRING=-"}, "b|-|a"},
    {"slice", {"ARRAY<INT>#[1,2,3,4]", "INT=-2", "INT=2"}, "[3, 4]"},
    {"array_except", {"ARRAY<INT>#[1,2,2,null]", "ARRAY<INT>#[1]"}, "[2, null]"},
    {"array_insert", {"ARRAY<INT>#[1,2]", "INT=4", "INT=9"}, "[1, 2, null, 9]"},
    {"flatten", {"ARRAY<ARRAY<INT>>#[[1],[2,3]]"}, "[1, 2, 3]"},
    {"map_keys", {"MAP<STRING,INT>#{\"a\":1,\"b\":2}"}, "[a, b]"},
    {"map_entries", {"MAP<STRING,INT>#{\"a\":1}"}, "[{a, 1}]"},
    {"arrays_zip", {"ARRAY<INT>#[1,2]", "ARRAY<STRING>#[\"a\"]"}, "[{1, a}, {2, null}]"},
};

static const struct func_case los_angeles[] = {
    {"date_format",
     {"TIMESTAMP=2024-07-01 12:00:00", "STRING=XXX VV z O"},
     "-07:00 America/Los_Angeles PDT GMT-7"},
    {"date_trunc", {"STRING=DAY", "TIMESTAMP=2024-03-10 12:00:00"}, "2024-03-10 00:00:00"},
    {"+", {"TIMESTAMP=2024-03-09 12:00:00", "INTERVAL DAY=1"}, "2024-03-10 13:00:00"},
    {"+", {"TIMESTAMP=2024-02-10 02:30:00", "INTERVAL MONTH=1"}, "2024-03-10 03:30:00"},
    {"to_date",
     {"STRING=2024-01-01T23:30:00 -0800", "STRING=yyyy-MM-dd'T'HH:mm:ss Z"},
     "2024-01-01"},
};

static void in_utc(void **state)
{
    func_cases_run(utc, sizeof utc / sizeof *utc, true, "UTC");
}

static void in_los_angeles(void **state)
{
    func_cases_run(los_angeles, sizeof los_angeles / sizeof *los_angeles, true,
                   "America/Los_Angeles");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_utc), cmocka_unit_test(in_los_angeles)};
    return RUN_TESTS(tests);
}
