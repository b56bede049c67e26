/* SPDX-License-Identifier: MIT */
/*
 * Options of tables. Most of them steer parts of Cassandra that are not here; they are checked as
 * it checks them, kept, and shown by DESCRIBE. One means something: default_time_to_live.
 */
#include "serve/cql/ddl.h"

enum option_form { FORM_STRING, FORM_INTEGER, FORM_REAL, FORM_YES_NO, FORM_OF_MAP };
static const struct {
    const char *name;
    enum option_form form;
    double least, most;
    const char *words; /* of the error for a number that is not between them */
} options_known[] = {
    {"additional_write_policy", FORM_STRING, 0, 0, NULL},
    {"allow_auto_snapshot", FORM_YES_NO, 0, 0, NULL},
    {"auto_repair", FORM_OF_MAP, 0, 0, NULL},
    {"bloom_filter_fp_chance", FORM_REAL, 6.71e-5, 1,
     "must be larger than 6.71E-5 and less than or equal to 1.0"},
    {"caching", FORM_OF_MAP, 0, 0, NULL},
    {"cdc", FORM_YES_NO, 0, 0, NULL},
    {"comment", FORM_STRING, 0, 0, NULL},
    {"compaction", FORM_OF_MAP, 0, 0, NULL},
    {"compression", FORM_OF_MAP, 0, 0, NULL},
    {"crc_check_chance", FORM_REAL, 0, 1,
     "must be larger than or equal to 0 and smaller than or equal to 1.0"},
    {"default_time_to_live", FORM_INTEGER, 0, 630720000, NULL},
    {"extensions", FORM_OF_MAP, 0, 0, NULL},
    {"gc_grace_seconds", FORM_INTEGER, 0, 2147483647, "must be greater than or equal to 0"},
    {"id", FORM_STRING, 0, 0, NULL},
    {"incremental_backups", FORM_YES_NO, 0, 0, NULL},
    {"max_index_interval", FORM_INTEGER, -2147483648.0, 2147483647, NULL},
    {"memtable", FORM_STRING, 0, 0, NULL},
    {"memtable_flush_period_in_ms", FORM_INTEGER, 0, 2147483647,
     "must be greater than or equal to 0"},
    {"min_index_interval", FORM_INTEGER, 1, 2147483647, "must be greater than or equal to 1"},
    {"read_repair", FORM_STRING, 0, 0, NULL},
    {"speculative_retry", FORM_STRING, 0, 0, NULL},
};
enum { KNOWN_COUNT = sizeof(options_known) / sizeof(options_known[0]) };

static size_t find_known(struct str name)
{
    size_t i = 0;
    while (i < KNOWN_COUNT && !str_equal(name, str_of(options_known[i].name)))
        i++;
    return i;
}

/* ---- numbers ---- */

/* A double as Java prints it, for messages: 2.0, 0.01. */
static char *java_double(struct arena *arena, double value)
{
    char *text = arena_printf(arena, "%.17g", value);
    for (int digits = 1; digits < 17; digits++) {
        char *shorter = arena_printf(arena, "%.*g", digits, value);
        double back;
        if (str_to_f64(str_of(shorter), &back) == OK && back == value) {
            text = shorter;
            break;
        }
    }
    return strpbrk(text, ".en") ? text : arena_printf(arena, "%s.0", text);
}

static enum err check_integer(struct ddl *ddl, size_t known, struct str text, bool early)
{
    const char *name = options_known[known].name;
    int64_t value;
    if (str_to_i64(text, &value) != OK || value > INT32_MAX || value < INT32_MIN)
        return DDL_SYNTAX(ddl, "Invalid integer value %.*s for '%s'", STR_ARG(text), name);
    double number = (double)value;
    if (early || (number >= options_known[known].least && number <= options_known[known].most))
        return OK;
    if (options_known[known].words)
        return DDL_CONFIG(ddl, "%s %s (got %.*s)", name, options_known[known].words, STR_ARG(text));
    return value < 0 ? DDL_CONFIG(ddl, "%s must be greater than or equal to 0 (got %.*s)", name,
                                  STR_ARG(text))
                     : DDL_CONFIG(ddl, "%s must be less than or equal to 630720000 (got %.*s)",
                                  name, STR_ARG(text));
}

static enum err check_real(struct ddl *ddl, size_t known, struct str text, bool early)
{
    const char *name = options_known[known].name;
    double value;
    if (str_to_f64(text, &value) != OK)
        return DDL_SYNTAX(ddl, "Invalid double value %.*s for '%s'", STR_ARG(text), name);
    bool open = options_known[known].least > 0; /* the least is not allowed itself */
    if (early)
        return OK;
    if (value <= options_known[known].most &&
        (open ? value > options_known[known].least : value >= options_known[known].least))
        return OK;
    return DDL_CONFIG(ddl, "%s %s (got %s)", name, options_known[known].words,
                      java_double(ddl->arena, value));
}

static enum err check_boolean(struct ddl *ddl, const char *name, struct str text)
{
    static const char *const words[] = {"1", "true", "yes", "0", "false", "no"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_equal_nocase(text, str_of(words[i])))
            return OK;
    return DDL_SYNTAX(ddl,
                      "Invalid boolean value %.*s for '%s'. Positive values can be '1', 'true' or "
                      "'yes'. Negative values can be '0', 'false' or 'no'.",
                      STR_ARG(text), name);
}

/* ---- maps ---- */

static struct str after_dot(struct str class)
{
    for (size_t i = class.bytes; i > 0; i--)
        if (class.ptr[i - 1] == '.')
            return str_slice(class, i, class.bytes);
    return class;
}

static bool one_of(struct str name, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (str_equal(name, str_of(names[i])))
            return true;
    return false;
}

static const char *const compaction_known[] = {"class",
                                               "enabled",
                                               "tombstone_threshold",
                                               "tombstone_compaction_interval",
                                               "unchecked_tombstone_compaction",
                                               "only_purge_repaired_tombstones",
                                               "log_all",
                                               "provide_overlapping_tombstones",
                                               "min_threshold",
                                               "max_threshold",
                                               "min_sstable_size",
                                               "bucket_low",
                                               "bucket_high",
                                               "sstable_size_in_mb",
                                               "fanout_size",
                                               "single_sstable_uplevel",
                                               "compaction_window_unit",
                                               "compaction_window_size",
                                               "timestamp_resolution",
                                               "expired_sstable_check_frequency_seconds",
                                               "unsafe_aggressive_sstable_expiration",
                                               "scaling_parameters",
                                               "target_sstable_size",
                                               "flush_size_override",
                                               "base_shard_count",
                                               "sstable_growth",
                                               "max_sstables_to_compact",
                                               "overlap_inclusion_method",
                                               "survival_factor",
                                               "num_shards",
                                               NULL};

/* Names in a map that nobody knows. */
static struct str unknown_names(struct ddl *ddl, const struct cql_option *option,
                                const char *const *known)
{
    CLEAN(buf_deinit) struct buf names = {0};
    for (size_t i = 0; i + 1 < option->value->count; i += 2)
        if (!one_of(option->value->items[i]->text, known))
            buf_printf(&names, "%s%.*s", names.bytes ? ", " : "",
                       STR_ARG(option->value->items[i]->text));
    return arena_str(ddl->arena, buf_str(&names));
}

static enum err check_threshold(struct ddl *ddl, const struct cql_option *option, const char *name,
                                int64_t otherwise, int64_t *ret_value)
{
    struct str text = option_map_get(option, name);
    *ret_value = otherwise;
    if (!text.ptr || str_to_i64(text, ret_value) == OK)
        return OK;
    return DDL_CONFIG(ddl, "Invalid value %.*s for '%s' compaction sub-option - must be an integer",
                      STR_ARG(text), name);
}

static enum err check_compaction(struct ddl *ddl, const struct cql_option *option, bool early)
{
    static const char *const classes[] = {
        "SizeTieredCompactionStrategy", "LeveledCompactionStrategy",
        "TimeWindowCompactionStrategy", "UnifiedCompactionStrategy",
        "DateTieredCompactionStrategy", NULL};
    struct str class = option_map_get(option, "class");
    if (!class.ptr)
        return DDL_CONFIG(ddl, "Missing sub-option 'class' for the 'compaction' option");
    if (!one_of(after_dot(class), classes))
        return DDL_CONFIG(
            ddl, "Unable to find compaction strategy class '%s%.*s'",
            memchr(class.ptr, '.', class.bytes) ? "" : "org.apache.cassandra.db.compaction.",
            STR_ARG(class));
    if (early)
        return OK;
    struct str unknown = unknown_names(ddl, option, compaction_known);
    if (unknown.bytes)
        return DDL_CONFIG(ddl, "Properties specified [%.*s] are not understood by %.*s",
                          STR_ARG(unknown), STR_ARG(after_dot(class)));
    int64_t least, most;
    TRY(check_threshold(ddl, option, "min_threshold", 4, &least));
    TRY(check_threshold(ddl, option, "max_threshold", 32, &most));
    if (least <= 0 || most <= 0)
        return DDL_CONFIG(ddl,
                          "Disabling compaction by setting compaction thresholds to 0 has been "
                          "removed, set the compaction option 'enabled' to false instead.");
    if (least <= 1)
        return DDL_CONFIG(ddl, "Min compaction threshold cannot be less than 2 (got %lld)",
                          (long long)least);
    struct str sstable = option_map_get(option, "sstable_size_in_mb");
    int64_t megabytes;
    if (sstable.ptr && str_ends(class, STR("LeveledCompactionStrategy"))) {
        if (str_to_i64(sstable, &megabytes) != OK)
            return DDL_CONFIG(ddl, "%.*s is not a parsable int (base10) for sstable_size_in_mb",
                              STR_ARG(sstable));
        if (megabytes < 1)
            return DDL_CONFIG(ddl, "sstable_size_in_mb must be larger than 0, but was %lld",
                              (long long)megabytes);
    }
    if (least > most)
        return DDL_CONFIG(ddl,
                          "Min compaction threshold (got %lld) cannot be greater than max "
                          "compaction threshold (got %lld)",
                          (long long)least, (long long)most);
    return OK;
}

static enum err check_chunk(struct ddl *ddl, struct str text)
{
    int64_t kib;
    if (str_to_i64(text, &kib) != OK)
        return DDL_CONFIG(ddl, "Invalid value for chunk_length_in_kb");
    if (kib > INT32_MAX / 1024)
        return DDL_CONFIG(ddl, "Value of chunk_length_in_kb is too large (%lld)", (long long)kib);
    if (kib <= 0)
        return DDL_CONFIG(ddl, "Invalid negative or null chunk_length_in_kb");
    return kib & (kib - 1) ? DDL_CONFIG(ddl, "chunk_length_in_kb must be a power of 2") : OK;
}

static const char *const compression_known[] = {"class",
                                                "enabled",
                                                "chunk_length_in_kb",
                                                "min_compress_ratio",
                                                "crc_check_chance",
                                                "compression_level",
                                                "lz4_compressor_type",
                                                "lz4_high_compressor_level",
                                                NULL};

static enum err check_compression(struct ddl *ddl, const struct cql_option *option)
{
    static const char *const classes[] = {"LZ4Compressor",  "SnappyCompressor", "DeflateCompressor",
                                          "ZstdCompressor", "NoopCompressor",   NULL};
    struct str class = option_map_get(option, "class"), enabled = option_map_get(option, "enabled");
    struct str chunk = option_map_get(option, "chunk_length_in_kb");
    if (enabled.ptr && str_equal_nocase(enabled, STR("false"))) {
        return option->value->count > 2
                   ? DDL_CONFIG(ddl, "If the 'enabled' option is set to false no other options "
                                     "must be specified")
                   : OK;
    }
    if (!class.ptr && option->value->count)
        return DDL_CONFIG(ddl, "Missing sub-option 'class' for the 'compression' option.");
    if (class.ptr && !class.bytes)
        return DDL_CONFIG(ddl, "The 'class' option must not be empty. To disable compression use "
                               "'enabled' : false");
    if (class.ptr && !one_of(after_dot(class), classes))
        return DDL_CONFIG(ddl, "Could not create Compression for type %s%.*s",
                          memchr(class.ptr, '.', class.bytes) ? ""
                                                              : "org.apache.cassandra.io.compress.",
                          STR_ARG(class));
    struct str unknown = unknown_names(ddl, option, compression_known);
    if (unknown.bytes)
        return DDL_CONFIG(ddl, "Unknown compression options %.*s", STR_ARG(unknown));
    return chunk.ptr ? check_chunk(ddl, chunk) : OK;
}

static enum err check_caching(struct ddl *ddl, const struct cql_option *option)
{
    static const char *const both[] = {"ALL", "NONE", "all", "none", NULL};
    struct str keys = option_map_get(option, "keys");
    struct str rows = option_map_get(option, "rows_per_partition");
    size_t known = (keys.ptr != NULL) + (rows.ptr != NULL);
    int64_t count;
    if (option->value->count / 2 != known) {
        CLEAN(buf_deinit) struct buf names = {0};
        for (size_t i = 0; i + 1 < option->value->count; i += 2)
            if (!str_equal(option->value->items[i]->text, STR("keys")) &&
                !str_equal(option->value->items[i]->text, STR("rows_per_partition")))
                buf_printf(&names, "%s%.*s", names.bytes ? ", " : "",
                           STR_ARG(option->value->items[i]->text));
        return DDL_CONFIG(ddl,
                          "Invalid caching sub-options [%.*s]: only 'keys' and "
                          "'rows_per_partition' are allowed",
                          STR_ARG(buf_str(&names)));
    }
    if (keys.ptr && !one_of(keys, both))
        return DDL_CONFIG(ddl,
                          "Invalid value '%.*s' for caching sub-option 'keys': only 'ALL' and "
                          "'NONE' are allowed",
                          STR_ARG(keys));
    if (rows.ptr && !one_of(rows, both) && str_to_i64(rows, &count) != OK)
        return DDL_CONFIG(ddl,
                          "Invalid value '%.*s' for caching sub-option 'rows_per_partition': only "
                          "'ALL', 'NONE', and integer values are allowed",
                          STR_ARG(rows));
    return OK;
}

static enum err check_map(struct ddl *ddl, const struct cql_option *option, bool early)
{
    if (str_equal(option->name, STR("compaction")))
        return check_compaction(ddl, option, early);
    if (str_equal(option->name, STR("compression")))
        return check_compression(ddl, option);
    if (str_equal(option->name, STR("caching")))
        return check_caching(ddl, option);
    if (str_equal(option->name, STR("extensions")))
        return OK; /* taken and not kept, as there */
    return DDL_CONFIG(ddl, "auto_repair option is not supported unless auto-repair is enabled with "
                           "-Dcassandra.autorepair.enable=true");
}

/* ---- texts ---- */

/* 99p, 99PERCENTILE. */
static bool is_percentile(struct str text, double *ret_number)
{
    struct str word = STR("PERCENTILE");
    size_t tail = 0;
    if (text.bytes > word.bytes &&
        str_equal_nocase(str_slice(text, text.bytes - word.bytes, text.bytes), word))
        tail = word.bytes;
    else if (text.bytes > 1 && (text.ptr[text.bytes - 1] | 0x20) == 'p')
        tail = 1;
    return tail && str_to_f64(str_slice(text, 0, text.bytes - tail), ret_number) == OK;
}

/* 99p, 50ms, ALWAYS, NEVER, MIN(99p,50ms). */
static bool is_retry_policy(struct str text)
{
    double number;
    if (str_equal_nocase(text, STR("ALWAYS")) || str_equal_nocase(text, STR("NEVER")) ||
        str_equal_nocase(text, STR("NONE")))
        return true;
    if (text.bytes > 4 && (str_equal_nocase(str_slice(text, 0, 4), STR("MIN(")) ||
                           str_equal_nocase(str_slice(text, 0, 4), STR("MAX("))))
        return text.ptr[text.bytes - 1] == ')';
    if (text.bytes > 2 && str_equal_nocase(str_slice(text, text.bytes - 2, text.bytes), STR("ms")))
        return str_to_f64(str_slice(text, 0, text.bytes - 2), &number) == OK;
    return is_percentile(text, &number);
}

static enum err check_string(struct ddl *ddl, const struct cql_option *option)
{
    static const char *const repairs[] = {"NONE", "BLOCKING", "none", "blocking", NULL};
    static const char *const memtables[] = {"default", "skiplist", "trie", NULL};
    struct str name = option->name, text = option->value->text;
    double percent;
    bool retry = str_equal(name, STR("speculative_retry")) ||
                 str_equal(name, STR("additional_write_policy"));
    if (retry && (!is_retry_policy(text) || str_starts(text, STR("-"))))
        return DDL_CONFIG(ddl, "Invalid value %.*s for option 'speculative_retry'", STR_ARG(text));
    if (retry && is_percentile(text, &percent) && !(percent > 0 && percent < 100))
        return DDL_CONFIG(ddl,
                          "Invalid value %.*s for PERCENTILE option 'speculative_retry': must be "
                          "between (0.0 and 100.0)",
                          STR_ARG(text));
    if (str_equal(name, STR("read_repair")) && !one_of(text, repairs))
        return DDL_CONFIG(ddl, "Invalid value for read repair strategy: %.*s", STR_ARG(text));
    if (str_equal(name, STR("memtable")) && !one_of(text, memtables))
        return DDL_CONFIG(ddl, "Memtable configuration \"%.*s\" not found.", STR_ARG(text));
    return OK;
}

static enum err check_option(struct ddl *ddl, size_t known, const struct cql_option *option,
                             bool early)
{
    bool map = option->value->kind == TERM_MAP;
    const char *name = options_known[known].name;
    enum option_form form = options_known[known].form;
    if (map && form != FORM_OF_MAP)
        return DDL_SYNTAX(ddl, "Invalid value for property '%s'. It should be a string", name);
    if (!map && form == FORM_OF_MAP)
        return DDL_SYNTAX(ddl, "Invalid value for property '%s'. It should be a map.", name);
    switch (form) {
    case FORM_INTEGER:
        return check_integer(ddl, known, option->value->text, early);
    case FORM_REAL:
        return check_real(ddl, known, option->value->text, early);
    case FORM_YES_NO:
        return check_boolean(ddl, name, option->value->text);
    case FORM_OF_MAP:
        return check_map(ddl, option, early);
    default:
        return check_string(ddl, option);
    }
}

/* ---- all of them ---- */

static int64_t integer_of(const struct cql_option *options, size_t count, const char *name,
                          int64_t otherwise)
{
    const struct cql_option *option = option_find(options, count, name);
    int64_t value = otherwise;
    return option && str_to_i64(option->value->text, &value) == OK ? value : otherwise;
}

enum err ddl_check_option_forms(struct ddl *ddl, const struct cql_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find_known(options[i].name) < KNOWN_COUNT)
            TRY(check_option(ddl, find_known(options[i].name), &options[i], true));
    return OK;
}

enum err ddl_check_table_options(struct ddl *ddl, const struct cql_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find_known(options[i].name) == KNOWN_COUNT)
            return DDL_SYNTAX(ddl, "Unknown property '%.*s'", STR_ARG(options[i].name));
    for (size_t i = 0; i < count; i++)
        TRY(check_option(ddl, find_known(options[i].name), &options[i], false));
    int64_t least = integer_of(options, count, "min_index_interval", 128);
    int64_t most = integer_of(options, count, "max_index_interval", 2048);
    if (most < least)
        return DDL_CONFIG(ddl,
                          "max_index_interval must be greater than or equal to min_index_interval "
                          "(%lld) (got %lld)",
                          (long long)least, (long long)most);
    return OK;
}

int64_t ddl_ttl_default(const struct cql_option *options, size_t count)
{
    return integer_of(options, count, "default_time_to_live", 0);
}

struct cql_option *ddl_merge_options(struct arena *arena, const struct cql_option *old,
                                     size_t old_count, const struct cql_option *new,
                                     size_t new_count, size_t *ret_count)
{
    struct cql_option *all = arena_array(arena, old_count + new_count + 1, sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < old_count; i++) {
        bool replaced = false;
        for (size_t k = 0; k < new_count; k++)
            replaced |= str_equal(old[i].name, new[k].name);
        if (!replaced)
            all[count++] = old[i];
    }
    for (size_t i = 0; i < new_count; i++)
        all[count++] = new[i];
    *ret_count = count;
    return all;
}
