/* SPDX-License-Identifier: MIT */
/* Any text as a decimal, date, timestamp, zone: what is taken is printed and read back as the same,
 * and a sign in front, which sends it round the fast path, changes nothing. */
#include "base/check.h"
#include "base/zone.h"
#include "data/column.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void times(struct str text, struct buf *out)
{
    int64_t us, again;
    int32_t days, days_again;
    if (timestamp_parse(text, zone_utc(), &us) == OK && us > -62167219200000000 &&
        us < 253402300800000000) {
        text_of_timestamp(us, out);
        check(timestamp_parse(buf_str(out), zone_utc(), &again) == OK);
        check(us == again);
    }
    buf_reset(out);
    if (date_parse(text, &days) == OK && days > -3000000 && days < 3000000) {
        text_of_date(days, out);
        check(date_parse(buf_str(out), &days_again) == OK);
        check(days == days_again);
    }
    buf_reset(out);
    buf_char(out, '+');
    buf_str_append(out, text);
    if (text.bytes && text.ptr[0] >= '0' && text.ptr[0] <= '9') {
        enum err err = timestamp_parse(text, zone_utc(), &us);
        check(timestamp_parse(buf_str(out), zone_utc(), &again) == err);
        check(err != OK || us == again);
        err = date_parse(text, &days);
        check(date_parse(buf_str(out), &days_again) == err);
        check(err != OK || days == days_again);
    }
}

static void numbers(struct str text, struct buf *out)
{
    __int128 value, again;
    double number, number_again;
    buf_reset(out);
    if (decimal_parse(text, 38, 6, &value) == OK) {
        decimal_print(value, 6, out);
        check(decimal_parse(buf_str(out), 38, 6, &again) == OK);
        check(value == again);
    }
    buf_reset(out);
    if (str_to_f64(text, &number) == OK && number - number == 0) {
        text_of_double(number, out);
        check(str_to_f64(buf_str(out), &number_again) == OK);
        check(number == number_again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buf out = {0};
    struct str text = str_from(data, bytes);
    const struct zone *zone, *again;
    times(text, &out);
    numbers(text, &out);
    if (zone_find(text, &zone) == OK) {
        check(zone_find(zone_name(zone), &again) == OK);
        check(zone_offset_at(zone, 0) == zone_offset_at(again, 0));
    }
    buf_deinit(&out);
    return 0;
}
