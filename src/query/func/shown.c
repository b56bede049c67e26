/* SPDX-License-Identifier: MIT */
/* How Spark writes calls in the names of columns: some in upper case, some under their first name,
 * and with the arguments that were left out. */
#include "query/func.h"

struct shown {
    const char *name;
    const char *as; /* NULL = as name */
    uint8_t from;   /* index of the argument that is shown when it is missing */
    const char *missing;
};

static const struct shown calls[] = {
    {"dateadd", "date_add", 0, NULL},
    {"substring", NULL, 2, "2147483647"},
    {"substr", "substring", 2, "2147483647"},
    {"regexp_replace", NULL, 3, "1"},
    {"regexp_instr", NULL, 2, "0"},
    {"regexp_extract", NULL, 2, "1"},
    {"regexp_extract_all", NULL, 2, "1"},
    {"split", NULL, 2, "-1"},
    {"lpad", NULL, 2, " "},
    {"rpad", NULL, 2, " "},
    {"locate", NULL, 2, "1"},
    {"position", NULL, 2, "1"},
    {"months_between", NULL, 2, "true"},
    {"from_unixtime", NULL, 1, "yyyy-MM-dd HH:mm:ss"},
    {"unix_timestamp", NULL, 1, "yyyy-MM-dd HH:mm:ss"},
    {"to_unix_timestamp", NULL, 1, "yyyy-MM-dd HH:mm:ss"},
    {"sort_array", NULL, 1, "true"},
    {"round", NULL, 1, "0"},
    {"bround", NULL, 1, "0"},
    {"overlay", NULL, 3, "-1"},
    {"array_agg", "collect_list", 0, NULL},
    {"to_varchar", "to_char", 0, NULL},
    {"make_dt_interval", NULL, 0, "0"},
    {"make_dt_interval", NULL, 1, "0"},
    {"make_dt_interval", NULL, 2, "0"},
    {"make_dt_interval", NULL, 3, "0.000000"},
    {"make_ym_interval", NULL, 0, "0"},
    {"make_ym_interval", NULL, 1, "0"},
    {"unix_timestamp", NULL, 0, "current_timestamp()"},
};

/* Both take the same seven. */
static const char *const interval_makers[] = {"make_interval", "try_make_interval"};

/* Their last arguments say how, not what: they are not shown. From which on. */
static const struct {
    const char *name;
    size_t from;
} unshown[] = {
    {"first", 1},     {"first_value", 1}, {"last", 1},    {"last_value", 1},
    {"any_value", 1}, {"from_json", 1},   {"to_json", 1}, {"try_make_timestamp", 6},
};

/* Their names are shown in upper case. */
static const char upper[] = "acos acosh asin asinh atan atan2 atanh cbrt ceil cos cosh cot csc "
                            "degrees e exp expm1 floor hypot log log10 log1p log2 pi power radians "
                            "sec sin sinh sqrt tan tanh signum regexp_like rlike regexp";

static bool is_upper(struct str name)
{
    struct str list = str_of(upper), word;
    while (str_cut(&list, ' ', &word))
        if (str_equal_nocase(word, name))
            return true;
    return false;
}

void func_show_name(struct str name, size_t count, struct buf *out)
{
    bool two = str_equal_nocase(name, STR("ceil")) || str_equal_nocase(name, STR("floor"));
    bool capitals = is_upper(name) && !(two && count == 2);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].as && str_equal_nocase(name, str_of(calls[i].name)))
            name = str_of(calls[i].as);
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.ptr[i];
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        buf_char(out, !letter ? c : capitals ? (char)(c & ~32) : (char)(c | 32));
    }
}

const char *func_shown_argument(struct str name, size_t index)
{
    for (size_t i = 0; i < 2 && index < 7; i++)
        if (str_equal_nocase(name, str_of(interval_makers[i])))
            return index < 6 ? "0" : "0.000000";
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].missing && calls[i].from == index &&
            str_equal_nocase(name, str_of(calls[i].name)))
            return calls[i].missing;
    return NULL;
}

size_t func_shown_count(struct str name, size_t count)
{
    for (size_t i = 0; i < sizeof unshown / sizeof *unshown; i++)
        if (count > unshown[i].from && str_equal_nocase(name, str_of(unshown[i].name)))
            return unshown[i].from;
    return count;
}
