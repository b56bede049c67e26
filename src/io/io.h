/* SPDX-License-Identifier: MIT */
#ifndef IO_IO_H
#define IO_IO_H

#include "base/buf.h"
#include "base/diag.h"

/*
 * The only door to the kernel. Nobody outside this folder makes a system call, reads a clock,
 * sleeps or asks for randomness: they are handed a struct io. There are two: the kernel
 * (io_kernel_new) and the simulator (io/sim.h) with a virtual clock and a seeded disk and network.
 *
 * Files are synchronous: the caller chooses the thread. Sockets and timers belong to a loop
 * (io/loop.h), threads and queues are in io/thread.h.
 */
struct io;

struct io *io_kernel_new(void);
void io_free(struct io *io);

/* Monotonic clock, ns from an arbitrary start. Any thread. */
int64_t io_now_ns(struct io *io);
/* Wall clock, us since 1970 UTC. Any thread. */
int64_t io_wall_us(struct io *io);
/* Randomness good enough for ids and secrets. Any thread. */
void io_random(struct io *io, void *ret_bytes, size_t bytes);
/* Blocks this thread; in the simulator moves the virtual clock. */
void io_sleep_ns(struct io *io, int64_t ns);
/* An environment variable or NULL; borrowed. */
const char *io_env(struct io *io, const char *name);

/* ---- files -------------------------------------------------------------------------------- */

struct io_file;

enum io_open {
    IO_READ = 1,
    IO_WRITE = 2,
    IO_CREATE = 4,    /* create when missing */
    IO_EXCLUSIVE = 8, /* with IO_CREATE: ERR_EXISTS when there */
    IO_TRUNCATE = 16,
};

/* All paths are byte strings ended by NUL, relative to the working directory. Errors of this block:
 * ERR_NOT_FOUND, ERR_EXISTS, ERR_DENIED, ERR_DISK_FULL, ERR_IO, ERR_LIMIT. After a failed sync a
 * file answers ERR_IO to every write and sync: an fsync is never tried again. */
enum err io_file_open(struct io *io, const char *path, unsigned flags,
                      struct io_file **ret_file) MUST_USE;
/* NULL is fine. Does not sync. */
void io_file_close(struct io_file *file);
/* Reads up to bytes; fewer only at the end of the file. */
enum err io_file_read(struct io_file *file, uint64_t offset, void *ret_data, size_t bytes,
                      size_t *ret_bytes) MUST_USE;
/* Writes all or fails; after a failure any part may be there. */
enum err io_file_write(struct io_file *file, uint64_t offset, const void *data,
                       size_t bytes) MUST_USE;
/* The same for several pieces, in one call to the kernel where possible. */
enum err io_file_writev(struct io_file *file, uint64_t offset, const struct str *pieces,
                        size_t count) MUST_USE;
/* fdatasync: content and size are durable afterwards. */
enum err io_file_sync(struct io_file *file) MUST_USE;
/* The same for everything that was written to the disk that holds the file, names too; errors since
 * the file was opened count. For many files at once. */
enum err io_file_sync_all(struct io_file *file) MUST_USE;
/* Of these bytes nothing need stay in the system's cache once it is on the disk: a hint, which
 * changes nothing that can be read. */
void io_file_forget(struct io_file *file, uint64_t offset, uint64_t bytes);
/* Begins to write these bytes to the disk, without waiting: a hint too, which promises nothing. */
void io_file_write_out(struct io_file *file, uint64_t offset, uint64_t bytes);
/* False: a read of these bytes would wait for the disk, by samples of what the system caches. Does
 * not wait; where nothing can be told, true. */
bool io_file_is_ready(struct io_file *file, uint64_t offset, uint64_t bytes);
/* Brings these bytes into the system's cache and waits for it, and asks for some behind them: a
 * hint, for another thread. */
void io_file_warm(struct io_file *file, uint64_t offset, uint64_t bytes);
/* Reserves space with zeros (the size grows): ERR_DISK_FULL now rather than later. write_zeros
 * also writes the zeros, which makes later synced writes 3-5 times cheaper on some disks. */
enum err io_file_allocate(struct io_file *file, uint64_t offset, uint64_t bytes,
                          bool write_zeros) MUST_USE;
enum err io_file_truncate(struct io_file *file, uint64_t bytes) MUST_USE;
enum err io_file_size(struct io_file *file, uint64_t *ret_bytes) MUST_USE;
/* The descriptor for sendfile and poll; -1 in the simulator. */
int io_file_fd(const struct io_file *file);

/* Takes the lock file (created when missing) until it is closed or the process ends. ERR_CONFLICT
 * when another holds it. */
enum err io_file_lock(struct io *io, const char *path, struct io_file **ret_file) MUST_USE;

/* Whole small files. read: ERR_LIMIT over bytes_max. replace: writes path.new, syncs, renames,
 * syncs the directory: the old or the new content is there after a crash. */
enum err io_path_read(struct io *io, const char *path, size_t bytes_max, struct buf *out) MUST_USE;
enum err io_path_replace(struct io *io, const char *path, const void *data, size_t bytes) MUST_USE;

struct io_stat {
    uint64_t bytes;
    int64_t modified_us; /* wall time */
    uint64_t inode;      /* tells a rotated file from the one before */
    bool is_directory;
};
enum err io_path_stat(struct io *io, const char *path, struct io_stat *ret_stat) MUST_USE;
/* Creates missing parents too; fine when it is there. */
enum err io_path_make_directory(struct io *io, const char *path) MUST_USE;
/* Names (not . and ..) sorted by byte order; each is mem_free'd by the caller with the array. */
enum err io_path_list(struct io *io, const char *path, char ***ret_names,
                      size_t *ret_count) MUST_USE;
void io_names_free(char **names, size_t count);
enum err io_path_rename(struct io *io, const char *from, const char *to) MUST_USE;
enum err io_path_remove(struct io *io, const char *path) MUST_USE;      /* file */
enum err io_path_remove_tree(struct io *io, const char *path) MUST_USE; /* directory and all */
/* Makes creations, renames and removals in the directory durable. */
enum err io_path_sync_directory(struct io *io, const char *path) MUST_USE;
/* Bytes that an ordinary user may still write on the disk that holds path. */
enum err io_path_free_bytes(struct io *io, const char *path, uint64_t *ret_bytes) MUST_USE;

/* ---- the process -------------------------------------------------------------------------- */

struct io_usage {
    uint64_t rss_bytes;
    int64_t cpu_us; /* user + system of the process so far */
    uint32_t threads;
};
void io_usage(struct io *io, struct io_usage *ret_usage);
uint32_t io_cpu_count(struct io *io);

/* Standard input, output and error for the commands: bytes as they are. */
enum err io_stdout_write(struct io *io, const void *data, size_t bytes) MUST_USE;
enum err io_stdin_read(struct io *io, void *ret_data, size_t bytes, size_t *ret_bytes) MUST_USE;
bool io_is_terminal(struct io *io, int number); /* 0, 1, 2 */
uint32_t io_terminal_columns(struct io *io);    /* 80 when unknown */

#endif
