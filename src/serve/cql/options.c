/* SPDX-License-Identifier: MIT */
/*
 * Options of tables as they are shown: what was given over what Cassandra 5.0 has by itself. The
 * maps get what goes with their class, and the class its package.
 */
#include "serve/cql/options.h"

#include "serve/cql/record.h"

#include <stdlib.h>

static const struct {
    const char *name, *text;
} defaults[] = {
    {"additional_write_policy", "99p"},
    {"allow_auto_snapshot", "true"},
    {"bloom_filter_fp_chance", "0.01"},
    {"cdc", "false"},
    {"comment", ""},
    {"crc_check_chance", "1.0"},
    {"default_time_to_live", "0"},
    {"gc_grace_seconds", "864000"},
    {"incremental_backups", "true"},
    {"max_index_interval", "2048"},
    {"memtable", "default"},
    {"memtable_flush_period_in_ms", "0"},
    {"min_index_interval", "128"},
    {"read_repair", "BLOCKING"},
    {"speculative_retry", "99p"},
};

struct str option_real(struct arena *arena, struct str text)
{
    double value, back;
    if (str_to_f64(text, &value) != OK)
        return text;
    char *shown = arena_printf(arena, "%.17g", value);
    for (int digits = 1; digits < 17; digits++) {
        char *shorter = arena_printf(arena, "%.*g", digits, value);
        if (str_to_f64(str_of(shorter), &back) == OK && back == value) {
            shown = shorter;
            break;
        }
    }
    return str_of(strpbrk(shown, ".en") ? shown : arena_printf(arena, "%s.0", shown));
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static struct str upper(struct arena *arena, struct str text)
{
    char *copy = arena_text(arena, text);
    for (char *c = copy; *c; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    return str_from(copy, text.bytes);
}

/* The leveled strategy reads more with fewer files: it has another default. */
static bool is_leveled(const struct cql_table *table)
{
    const struct cql_option *option =
        option_find(table->options, table->option_count, "compaction");
    struct str class = option ? option_map_get(option, "class") : STR_NONE;
    return class.ptr && str_ends(class, STR("LeveledCompactionStrategy"));
}

/* 95PERCENTILE and 95p are one, so are never and NEVER. */
static struct str retry_policy(struct arena *arena, struct str text)
{
    struct str word = STR("PERCENTILE");
    size_t cut = text.bytes;
    if (text.bytes > word.bytes &&
        str_equal_nocase(str_slice(text, text.bytes - word.bytes, text.bytes), word))
        cut -= word.bytes;
    else if (text.bytes > 1 && (text.ptr[text.bytes - 1] == 'p' || text.ptr[text.bytes - 1] == 'P'))
        cut--;
    else
        return text.bytes && text.ptr[0] > '9' ? upper(arena, text) : text;
    double percent;
    if (str_to_f64(str_slice(text, 0, cut), &percent) != OK)
        return text;
    return str_of(arena_printf(arena, "%.6gp", percent));
}

struct str option_text(const struct cql_table *table, const char *name, struct arena *arena)
{
    static const char *const reals[] = {"bloom_filter_fp_chance", "crc_check_chance", NULL};
    static const char *const flags[] = {"allow_auto_snapshot", "cdc", "incremental_backups", NULL};
    const struct cql_option *option = option_find(table->options, table->option_count, name);
    struct str text = STR("");
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (strcmp(name, defaults[i].name) == 0)
            text = str_of(defaults[i].text);
    if (strcmp(name, "default_time_to_live") == 0)
        return str_of(arena_printf(arena, "%lld", (long long)table->ttl_default_s));
    if (!option && strcmp(name, "bloom_filter_fp_chance") == 0 && is_leveled(table))
        return STR("0.1");
    if (option)
        text = option->value->text;
    if (is_one_of(name, reals))
        return option_real(arena, text);
    if (option && is_one_of(name, flags))
        return str_equal(text, STR("1")) || str_equal_nocase(text, STR("true")) ||
                       str_equal_nocase(text, STR("yes"))
                   ? STR("true")
                   : STR("false");
    if (strcmp(name, "speculative_retry") == 0 || strcmp(name, "additional_write_policy") == 0)
        return retry_policy(arena, text);
    return strcmp(name, "read_repair") == 0 ? upper(arena, text) : text;
}

/* ---- maps ---- */

struct pairs {
    struct arena *arena;
    struct str *items;
    size_t count, room; /* of pairs */
};

static void set_pair(struct pairs *pairs, struct str name, struct str value, bool replace)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (str_equal(pairs->items[2 * i], name)) {
            if (replace)
                pairs->items[2 * i + 1] = value;
            return;
        }
    pairs->items[2 * pairs->count] = name;
    pairs->items[2 * pairs->count++ + 1] = value;
}

static int compare_pairs(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static struct str with_package(struct arena *arena, const char *package, struct str class)
{
    if (memchr(class.ptr, '.', class.bytes))
        return class;
    return str_of(arena_printf(arena, "%s%.*s", package, STR_ARG(class)));
}

static void finish_compaction(struct pairs *pairs)
{
    set_pair(pairs, STR("class"), STR("SizeTieredCompactionStrategy"), false);
    struct str class = STR("");
    for (size_t i = 0; i < pairs->count; i++)
        if (str_equal(pairs->items[2 * i], STR("class")))
            class = pairs->items[2 * i + 1];
    if (!str_ends(class, STR("UnifiedCompactionStrategy"))) {
        set_pair(pairs, STR("max_threshold"), STR("32"), false);
        set_pair(pairs, STR("min_threshold"), STR("4"), false);
    }
    set_pair(pairs, STR("class"),
             with_package(pairs->arena, "org.apache.cassandra.db.compaction.", class), true);
}

static void finish_compression(struct pairs *pairs, bool given)
{
    struct pairs out = {pairs->arena, pairs->items, 0, pairs->room};
    struct str class = given ? STR("") : STR("LZ4Compressor");
    bool enabled = true;
    size_t count = pairs->count;
    for (size_t i = 0; i < count; i++) {
        struct str name = pairs->items[2 * i], value = pairs->items[2 * i + 1];
        if (str_equal(name, STR("enabled")))
            enabled = !str_equal_nocase(value, STR("false"));
        else if (str_equal(name, STR("class")) || str_equal(name, STR("sstable_compression")))
            class = value;
        else
            set_pair(&out, name, value, true);
    }
    enabled &= class.bytes > 0;
    *pairs = out;
    if (!enabled) {
        pairs->count = 0;
        set_pair(pairs, STR("enabled"), STR("false"), true);
        return;
    }
    set_pair(pairs, STR("chunk_length_in_kb"), STR("16"), false);
    set_pair(pairs, STR("class"),
             with_package(pairs->arena, "org.apache.cassandra.io.compress.", class), true);
}

/* Who gives a map and says nothing of keys caches none. */
static void finish_caching(struct pairs *pairs, bool given)
{
    set_pair(pairs, STR("keys"), given ? STR("NONE") : STR("ALL"), false);
    set_pair(pairs, STR("rows_per_partition"), STR("NONE"), false);
    for (size_t i = 0; i < pairs->count; i++)
        pairs->items[2 * i + 1] = upper(pairs->arena, pairs->items[2 * i + 1]);
}

size_t option_map(const struct cql_table *table, const char *name, struct arena *arena,
                  struct str **ret_pairs)
{
    const struct cql_option *option = option_find(table->options, table->option_count, name);
    size_t given = option && option->value->kind == TERM_MAP ? option->value->count / 2 : 0;
    struct pairs pairs = {arena, arena_array(arena, 2 * given + 16, sizeof(struct str)), 0,
                          given + 8};
    for (size_t i = 0; i < given; i++)
        set_pair(&pairs, option->value->items[2 * i]->text, option->value->items[2 * i + 1]->text,
                 true);
    if (strcmp(name, "compaction") == 0)
        finish_compaction(&pairs);
    else if (strcmp(name, "compression") == 0)
        finish_compression(&pairs, option);
    else if (strcmp(name, "caching") == 0)
        finish_caching(&pairs, given > 0);
    qsort(pairs.items, pairs.count, 2 * sizeof(struct str), compare_pairs);
    *ret_pairs = pairs.items;
    return pairs.count;
}
