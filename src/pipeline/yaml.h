/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_YAML_H
#define PIPELINE_YAML_H

#include "base/hash.h"
#include "connect/connect.h"

/*
 * YAML text -> a tree of settings with places. ${NAME}, ${NAME:-fallback} and ${NAME-fallback} in
 * values are replaced (never in keys); $$ is a dollar. A missing NAME without a fallback is a
 * mistake at its place. Keys that stand twice are mistakes.
 */
struct yaml_environment {
    /* The value or NULL; borrowed for the load. */
    const char *(*get)(void *owner, struct str name);
    void *owner;
};

/* Everything lives in the arena; file is the name for messages. The root is a map; an empty text
 * gives an empty map. All mistakes go to diags; ERR_SYNTAX when there was one. */
enum err yaml_load(struct arena *arena, struct str text, const char *file,
                   const struct yaml_environment *environment, struct diag_list *diags,
                   const struct setting **ret_root) MUST_USE;

/* Where the byte at offset of a setting's text stands in the file that the setting came from: text.
 * Behind a ${NAME} of a plain value, and between two of others, the place of the first one. */
void yaml_place(struct str text, const struct setting *setting, size_t offset, uint32_t *ret_line,
                uint32_t *ret_column);

/* The same for an offset in the value as it is written, before ${NAME} is replaced. */
void yaml_place_written(struct str text, const struct setting *setting, size_t offset,
                        uint32_t *ret_line, uint32_t *ret_column);

/* Appends the value of the block (> or |) at that byte of the file. */
void yaml_block(struct str text, const struct setting *setting, size_t position, struct buf *out);

/* .env files: NAME=value lines, # comments, quotes, `export` in front. Later names win. */
struct env_file {
    struct map values; /* char * in the arena */
};
enum err env_load(struct arena *arena, struct str text, const char *file, struct diag_list *diags,
                  struct env_file *ret_env) MUST_USE;

#endif
