/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as millrace.yml and as .env: loading ends, mistakes have a place inside the file, what
 * loads is a map whose places are in the file too, every byte of a value finds a place, and the
 * check against the key tables goes through.
 */
#include "base/check.h"
#include "pipeline/project.h"
#include "pipeline/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *fake_get(void *owner, struct str name)
{
    return name.bytes % 3 == 0 ? NULL : name.bytes % 3 == 1 ? "" : "a: [b\n";
}

static uint32_t lines_of(struct str text)
{
    uint32_t lines = 1;
    for (size_t i = 0; i < text.bytes; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

static void check_mistakes(struct diag_list *diags, uint32_t lines)
{
    for (size_t i = 0; i < diags->count; i++) {
        check(diags->items[i].message[0]);
        check(diags->items[i].line <= lines + 1);
    }
}

static void check_setting(struct str text, const struct setting *s, uint32_t lines, int depth)
{
    uint32_t line, column;
    check(s->line >= 1 && s->line <= lines && s->column >= 1);
    check(depth <= 70);
    for (size_t i = 0; s->kind == SETTING_TEXT && i <= s->text.bytes && i < 40; i++) {
        yaml_place(text, s, i, &line, &column);
        check(line >= s->line && line <= lines + 1 && column >= 1);
    }
    for (size_t i = 0; i < s->count && depth < 8; i++)
        check_setting(text, &s->items[i], lines, depth + 1);
}

static void check_keys(struct arena *arena, const struct setting *root)
{
    struct diag_list diags = {0};
    (void)!settings_check(root, project_keys, "millrace.yml", &diags);
    (void)!settings_check(root, spark_spec_keys, "spark-pipeline.yml", &diags);
    const struct setting *sources = setting_get(root, "sources");
    for (size_t i = 0; sources && sources->kind == SETTING_MAP && i < sources->count && i < 20;
         i++) {
        const struct setting *from = setting_get(&sources->items[i], "from");
        (void)!settings_check(&sources->items[i], source_keys, "millrace.yml", &diags);
        for (size_t k = 0; from && from->kind == SETTING_MAP && k < from->count && k < 4; k++) {
            const struct connector *connector = connector_find(from->items[k].key);
            if (connector &&
                settings_check(&from->items[k], connector->keys, "millrace.yml", &diags) == OK &&
                connector->check)
                (void)!(connector->check)(&from->items[k], "millrace.yml", &diags);
        }
    }
    diag_list_deinit(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > 16384)
        return 0;
    struct arena arena = {.bytes_max = 64 << 20};
    struct diag_list diags = {0};
    struct yaml_environment environment = {fake_get, NULL};
    const struct setting *root = NULL;
    struct env_file env = {0};
    CLEAN(mem_free_at) char *copy = mem_alloc(bytes ? bytes : 1);
    memcpy(copy, data, bytes);
    struct str text = str_from(copy, bytes);
    uint32_t lines = lines_of(text);
    enum err err = yaml_load(&arena, text, "millrace.yml", &environment, &diags, &root);
    check((err == OK) == (diags.count == 0));
    check_mistakes(&diags, lines);
    if (err == OK) {
        check(root->kind == SETTING_MAP);
        check_setting(text, root, lines, 0);
        check_keys(&arena, root);
    }
    diag_list_deinit(&diags);
    if (env_load(&arena, text, ".env", &diags, &env) == OK)
        map_deinit(&env.values);
    check_mistakes(&diags, lines);
    diag_list_deinit(&diags);
    arena_deinit(&arena);
    return 0;
}
