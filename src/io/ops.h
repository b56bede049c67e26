/* SPDX-License-Identifier: MIT */
#ifndef IO_OPS_H
#define IO_OPS_H

#include "io/io.h"

/*
 * The seam between the public functions and their two implementations. io.c holds what both share
 * (whole files, trees, parents); a row here is one thing that kernel and simulator do differently.
 * Each implementation embeds struct io and struct io_file as the first member of its own.
 */
struct io_loop;
struct io_net_ops;

struct io {
    const struct io_ops *ops;
};

struct io_file {
    struct io *io;
};

struct io_ops {
    void (*free)(struct io *io);
    int64_t (*now_ns)(struct io *io);
    int64_t (*wall_us)(struct io *io);
    void (*random)(struct io *io, void *ret_bytes, size_t bytes);
    void (*sleep_ns)(struct io *io, int64_t ns);
    const char *(*env)(struct io *io, const char *name);

    enum err (*file_open)(struct io *io, const char *path, unsigned flags,
                          struct io_file **ret_file);
    void (*file_close)(struct io_file *file);
    enum err (*file_read)(struct io_file *file, uint64_t offset, void *ret_data, size_t bytes,
                          size_t *ret_bytes);
    enum err (*file_writev)(struct io_file *file, uint64_t offset, const struct str *pieces,
                            size_t count);
    enum err (*file_sync)(struct io_file *file);
    enum err (*file_sync_all)(struct io_file *file);
    void (*file_forget)(struct io_file *file, uint64_t offset, uint64_t bytes);    /* may be NULL */
    void (*file_write_out)(struct io_file *file, uint64_t offset, uint64_t bytes); /* likewise */
    bool (*file_is_ready)(struct io_file *file, uint64_t offset, uint64_t bytes);  /* likewise */
    void (*file_warm)(struct io_file *file, uint64_t offset, uint64_t bytes);      /* likewise */
    enum err (*file_reserve)(struct io_file *file, uint64_t offset, uint64_t bytes);
    enum err (*file_truncate)(struct io_file *file, uint64_t bytes);
    enum err (*file_size)(struct io_file *file, uint64_t *ret_bytes);
    int (*file_fd)(const struct io_file *file);
    enum err (*file_lock)(struct io *io, const char *path, struct io_file **ret_file);

    enum err (*path_stat)(struct io *io, const char *path, struct io_stat *ret_stat);
    enum err (*path_make_directory)(struct io *io, const char *path); /* one level */
    enum err (*path_list)(struct io *io, const char *path, char ***ret_names, size_t *ret_count);
    enum err (*path_rename)(struct io *io, const char *from, const char *to);
    enum err (*path_remove)(struct io *io, const char *path); /* ERR_INVALID for a directory */
    enum err (*path_remove_directory)(struct io *io, const char *path); /* an empty one */
    enum err (*path_sync_directory)(struct io *io, const char *path);
    enum err (*path_free_bytes)(struct io *io, const char *path, uint64_t *ret_bytes);

    void (*usage)(struct io *io, struct io_usage *ret_usage);
    uint32_t (*cpu_count)(struct io *io);
    enum err (*stdout_write)(struct io *io, const void *data, size_t bytes);
    enum err (*stdin_read)(struct io *io, void *ret_data, size_t bytes, size_t *ret_bytes);
    bool (*is_terminal)(struct io *io, int number);
    uint32_t (*terminal_columns)(struct io *io);

    bool has_threads;
    bool has_tls; /* its randomness and time are the process's own: not in the simulator */
    const struct io_net_ops *net; /* io/net.h */
};

/* kernel_process.c */
int64_t io_kernel_now_ns(struct io *io);
int64_t io_kernel_wall_us(struct io *io);
void io_kernel_random(struct io *io, void *ret_bytes, size_t bytes);
void io_kernel_sleep_ns(struct io *io, int64_t ns);
const char *io_kernel_env(struct io *io, const char *name);
void io_kernel_usage(struct io *io, struct io_usage *ret_usage);
uint32_t io_kernel_cpu_count(struct io *io);
enum err io_kernel_stdout_write(struct io *io, const void *data, size_t bytes);
enum err io_kernel_stdin_read(struct io *io, void *ret_data, size_t bytes, size_t *ret_bytes);
bool io_kernel_is_terminal(struct io *io, int number);
uint32_t io_kernel_terminal_columns(struct io *io);

/* io.c: sorts names by byte order. */
void io_names_sort(char **names, size_t count);

#endif
