/* SPDX-License-Identifier: MIT */
/* Calendar steps: months first, then days, then exact time, each on the wall clock of the zone. */
#include "query/func/when.h"

int64_t when_local(int64_t us, const struct zone *zone)
{
    return zone ? us + zone_offset_at(zone, us) * US_PER_SECOND : us;
}

int64_t when_instant(int64_t local_us, const struct zone *zone)
{
    return zone ? zone_local_to_us(zone, local_us) : local_us;
}

int64_t when_add_months(int64_t days, int64_t months)
{
    struct civil c;
    if (months == 0)
        return days;
    civil_from_days(days, &c);
    int64_t total = c.year * 12 + c.month - 1 + months;
    int64_t year = when_floor(total, 12);
    int month = (int)(total - year * 12) + 1;
    int last = civil_days_in_month(year, month);
    return civil_days(year, month, c.day < last ? c.day : last);
}

bool when_add_span(int64_t us, struct interval span, int sign, const struct zone *zone,
                   int64_t *ret_us)
{
    int64_t moved = us, exact;
    if (span.months || span.days) {
        int64_t local = when_local(us, zone);
        int64_t day = when_floor(local, US_PER_DAY), rest = local - day * US_PER_DAY;
        day = when_add_months(day, (int64_t)span.months * sign) + (int64_t)span.days * sign;
        if (__builtin_mul_overflow(day, US_PER_DAY, &moved) ||
            __builtin_add_overflow(moved, rest, &moved))
            return false;
        moved = when_instant(moved, zone);
    }
    if (__builtin_mul_overflow(span.us, (int64_t)sign, &exact))
        return false;
    return !__builtin_add_overflow(moved, exact, ret_us);
}
