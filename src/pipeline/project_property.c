/* SPDX-License-Identifier: MIT */
/*
 * TBLPROPERTIES of a created table. Keys that do not begin with millrace. are Spark's or somebody
 * else's and are left alone; one of ours changes what rows come out, so one that this release does
 * not honour is a mistake and never passed over.
 *
 * millrace.key may repeat the key of the target in millrace.yml, where a table's key stands.
 */
#include "pipeline/project_private.h"

#include <stdio.h>

static const char *const property_names[] = {
    "millrace.outputMode",
    "millrace.key",
    "millrace.dedup.keys",
    "millrace.late",
};

static void refuse(struct loading *loading, const struct project_table *table, const char *hint,
                   const struct query_property *property)
{
    struct diag diag = {0};
    diag_set(&diag, ERR_UNSUPPORTED, table->statement->line, table->column,
             "'%.*s' = '%.*s' is not supported yet", STR_ARG(property->key),
             STR_ARG(property->value));
    diag_class(&diag, "UNSUPPORTED_FEATURE", "0A000");
    if (hint)
        diag_hint(&diag, "%s", hint);
    snprintf(diag.file, sizeof diag.file, "%.*s", STR_ARG(table->file));
    diag_list_add(loading->diags, &diag);
}

/* True when the list names the columns of the target's key, in order. */
static bool is_key(const struct project_target *target, struct str list)
{
    const struct setting *key = target ? setting_get(target->place, "key") : NULL;
    struct str part;
    size_t at = 0;
    if (!key || key->kind != SETTING_LIST)
        return false;
    for (; str_cut(&list, ',', &part); at++) {
        if (at >= key->count || key->items[at].kind != SETTING_TEXT ||
            !str_equal_nocase(str_trim(part), key->items[at].text))
            return false;
    }
    return at == key->count;
}

static void check_property(struct loading *loading, const struct project_table *table,
                           const struct query_property *property)
{
    if (str_equal(property->key, STR("millrace.outputMode"))) {
        if (!str_equal_nocase(property->value, STR("append")))
            refuse(loading, table, "rows are appended, or replaced by the key in millrace.yml",
                   property);
    } else if (str_equal(property->key, STR("millrace.key"))) {
        if (!is_key(table->target, property->value))
            refuse(loading, table, "name the key of the table in millrace.yml", property);
    } else if (str_equal(property->key, STR("millrace.dedup.keys"))) {
        refuse(loading, table, "with a key in millrace.yml the newest row of each key stays",
               property);
    } else if (str_equal(property->key, STR("millrace.late"))) {
        refuse(loading, table, NULL, property);
    } else {
        const char *near = loading_nearest(loading, property->key, property_names,
                                           sizeof property_names / sizeof *property_names);
        loading_mistake(loading, table->file.ptr, table->statement->line, table->column, near,
                        "'%.*s' is no property of a table", STR_ARG(property->key));
    }
}

void check_properties(struct loading *loading, const struct project_table *table)
{
    for (size_t i = 0; i < table->statement->property_count; i++) {
        const struct query_property *property = &table->statement->properties[i];
        if (str_starts(property->key, STR("millrace.")))
            check_property(loading, table, property);
    }
}
