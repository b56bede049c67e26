/* SPDX-License-Identifier: MIT */
#ifndef PIPELINE_PROJECT_PRIVATE_H
#define PIPELINE_PROJECT_PRIVATE_H

#include "pipeline/project.h"
#include "pipeline/yaml.h"

/* Shared by the files that load a project, one part each. */
struct loading {
    struct project *project;
    struct arena *arena;
    struct diag_list *diags;
    struct env_file env;
    const struct setting *spec;
    struct str spec_text;
    const char *spec_file;
    bool sources_unknown; /* their text has a mistake: a name that SQL reads may be one of them */
};

/* Adds one mistake and counts it. hint may be NULL. */
void loading_mistake(struct loading *loading, const char *file, uint32_t line, uint32_t column,
                     const char *hint, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* The URL of an engine with the files that it names taken from the project (project_log.c). */
struct str project_engine_url(struct loading *loading, struct str url);
/* A name of a keyspace or table. */
bool is_table_name(struct str name); /* project_target.c */
/* "did you mean 'x'?" for the nearest of the names, or NULL. Lives in the arena. */
const char *loading_nearest(struct loading *loading, struct str name, const char *const *names,
                            size_t count);
/* A file of the project: STR_NONE with the error when it cannot be read. */
enum err loading_read(struct loading *loading, const char *relative, struct str *ret_text);

/* ** any folders, * within a name, ? one character of a name. */
bool project_glob_match(const char *pattern, const char *path); /* project_sql.c */

void load_spec(struct loading *loading);     /* project_spec.c */
void load_listeners(struct loading *loading, /* project_listen.c */
                    const struct setting *listeners);
void load_sources(struct loading *loading, const struct setting *root); /* project_source.c */
void load_targets(struct loading *loading, const struct setting *root); /* project_target.c */
void load_sql(struct loading *loading);                                 /* project_sql.c */
void check_properties(struct loading *loading,                          /* project_property.c */
                      const struct project_table *table);
void link_targets(struct loading *loading); /* project_target.c */

#endif
