/* SPDX-License-Identifier: MIT */
/*
 * The public face of files, clock and process: hands each call to the implementation (io/ops.h),
 * and builds here, once for both, what is made of those calls: writing one piece, zeroing, whole
 * small files, parents of directories, trees.
 *
 * A tree is removed without following symbolic links: each name is first removed as a file, and
 * only what answers that it is a directory is entered.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/ops.h"

#include <stdlib.h>

enum { ZERO_PIECE_BYTES = 1 << 20, TREE_DEPTH_MAX = 64, PATH_BYTES_MAX = 4096 };

void io_free(struct io *io)
{
    if (io)
        io->ops->free(io);
}

int64_t io_now_ns(struct io *io)
{
    return io->ops->now_ns(io);
}

int64_t io_wall_us(struct io *io)
{
    return io->ops->wall_us(io);
}

void io_random(struct io *io, void *ret_bytes, size_t bytes)
{
    io->ops->random(io, ret_bytes, bytes);
}

void io_sleep_ns(struct io *io, int64_t ns)
{
    if (ns > 0)
        io->ops->sleep_ns(io, ns);
}

const char *io_env(struct io *io, const char *name)
{
    return io->ops->env(io, name);
}

enum err io_file_open(struct io *io, const char *path, unsigned flags, struct io_file **ret_file)
{
    check(flags & (IO_READ | IO_WRITE));
    check(!(flags & IO_EXCLUSIVE) || (flags & IO_CREATE));
    return io->ops->file_open(io, path, flags, ret_file);
}

void io_file_close(struct io_file *file)
{
    if (file)
        file->io->ops->file_close(file);
}

enum err io_file_read(struct io_file *file, uint64_t offset, void *ret_data, size_t bytes,
                      size_t *ret_bytes)
{
    return file->io->ops->file_read(file, offset, ret_data, bytes, ret_bytes);
}

enum err io_file_write(struct io_file *file, uint64_t offset, const void *data, size_t bytes)
{
    struct str piece = str_from(data, bytes);
    return file->io->ops->file_writev(file, offset, &piece, 1);
}

enum err io_file_writev(struct io_file *file, uint64_t offset, const struct str *pieces,
                        size_t count)
{
    return file->io->ops->file_writev(file, offset, pieces, count);
}

enum err io_file_sync(struct io_file *file)
{
    return file->io->ops->file_sync(file);
}

enum err io_file_sync_all(struct io_file *file)
{
    return file->io->ops->file_sync_all(file);
}

void io_file_forget(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    if (file->io->ops->file_forget && bytes && offset <= INT64_MAX && bytes <= INT64_MAX - offset)
        file->io->ops->file_forget(file, offset, bytes);
}

void io_file_write_out(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    if (file->io->ops->file_write_out)
        file->io->ops->file_write_out(file, offset, bytes);
}

bool io_file_is_ready(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    return !file->io->ops->file_is_ready || bytes == 0 ||
           file->io->ops->file_is_ready(file, offset, bytes);
}

void io_file_warm(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    if (file->io->ops->file_warm && bytes)
        file->io->ops->file_warm(file, offset, bytes);
}

enum err io_file_allocate(struct io_file *file, uint64_t offset, uint64_t bytes, bool write_zeros)
{
    if (bytes == 0)
        return OK;
    if (offset > INT64_MAX || bytes > INT64_MAX - offset)
        return ERR_OUT_OF_RANGE;
    uint64_t size = 0;
    TRY(io_file_size(file, &size));
    TRY(file->io->ops->file_reserve(file, offset, bytes));
    if (!write_zeros)
        return OK;
    /* What was there before keeps its content. */
    uint64_t at = offset > size ? offset : size;
    uint64_t end = offset + bytes;
    CLEAN(mem_free_at) void *zeros = mem_zero(ZERO_PIECE_BYTES);
    while (at < end) {
        size_t piece = end - at < ZERO_PIECE_BYTES ? (size_t)(end - at) : ZERO_PIECE_BYTES;
        TRY(io_file_write(file, at, zeros, piece));
        at += piece;
    }
    return OK;
}

enum err io_file_truncate(struct io_file *file, uint64_t bytes)
{
    return file->io->ops->file_truncate(file, bytes);
}

enum err io_file_size(struct io_file *file, uint64_t *ret_bytes)
{
    return file->io->ops->file_size(file, ret_bytes);
}

int io_file_fd(const struct io_file *file)
{
    return file->io->ops->file_fd(file);
}

enum err io_file_lock(struct io *io, const char *path, struct io_file **ret_file)
{
    return io->ops->file_lock(io, path, ret_file);
}

enum err io_path_read(struct io *io, const char *path, size_t bytes_max, struct buf *out)
{
    struct io_file *file = NULL;
    TRY(io_file_open(io, path, IO_READ, &file));
    size_t start = out->bytes;
    uint64_t offset = 0;
    enum err err = OK;
    for (;;) {
        /* The size is not asked first: files under /proc say 0. One byte more than allowed is
         * asked for, so that too long is seen. */
        size_t left = bytes_max - (size_t)offset;
        size_t want = left < 65536 ? left + 1 : 65536;
        uint8_t *to = buf_reserve(out, want);
        size_t got = 0;
        err = to ? io_file_read(file, offset, to, want, &got) : buf_error(out);
        if (err != OK)
            break;
        if (got > left) {
            err = ERR_LIMIT;
            break;
        }
        buf_advance(out, got);
        offset += got;
        if (got < want)
            break;
    }
    io_file_close(file);
    if (err != OK && buf_error(out) == OK)
        buf_truncate(out, start);
    return err;
}

/* The directory that holds path, as a path of its own. */
static enum err parent_of(const char *path, char *ret_parent, size_t room)
{
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    while (bytes > 0 && path[bytes - 1] != '/')
        bytes--;
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    if (bytes + 2 > room)
        return ERR_LIMIT;
    memcpy(ret_parent, bytes ? path : ".", bytes ? bytes : 1);
    ret_parent[bytes ? bytes : 1] = 0;
    return OK;
}

static enum err write_new(struct io *io, const char *path, const void *data, size_t bytes)
{
    struct io_file *file = NULL;
    TRY(io_file_open(io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file));
    enum err err = bytes ? io_file_write(file, 0, data, bytes) : OK;
    if (err == OK)
        err = io_file_sync(file);
    io_file_close(file);
    return err;
}

enum err io_path_replace(struct io *io, const char *path, const void *data, size_t bytes)
{
    char parent[PATH_BYTES_MAX], fresh[PATH_BYTES_MAX];
    TRY(parent_of(path, parent, sizeof parent));
    size_t path_bytes = strlen(path);
    if (path_bytes + sizeof ".new" > sizeof fresh)
        return ERR_LIMIT;
    memcpy(fresh, path, path_bytes);
    memcpy(fresh + path_bytes, ".new", sizeof ".new");
    enum err err = write_new(io, fresh, data, bytes);
    if (err == OK)
        err = io_path_rename(io, fresh, path);
    if (err != OK) {
        /* The half-written file is of no use, and does no harm when it cannot be removed. */
        (void)!io_path_remove(io, fresh);
        return err;
    }
    return io_path_sync_directory(io, parent);
}

enum err io_path_stat(struct io *io, const char *path, struct io_stat *ret_stat)
{
    return io->ops->path_stat(io, path, ret_stat);
}

enum err io_path_make_directory(struct io *io, const char *path)
{
    struct io_stat stat;
    if (io_path_stat(io, path, &stat) == OK)
        return stat.is_directory ? OK : ERR_EXISTS;
    char part[PATH_BYTES_MAX];
    size_t bytes = strlen(path);
    if (bytes >= sizeof part)
        return ERR_LIMIT;
    for (size_t i = 1; i <= bytes; i++) {
        if (i < bytes && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (io_path_stat(io, part, &stat) == OK) {
            if (!stat.is_directory)
                return ERR_EXISTS;
            continue;
        }
        enum err err = io->ops->path_make_directory(io, part);
        /* Somebody else may have made it meanwhile. */
        if (err != OK && err != ERR_EXISTS)
            return err;
    }
    return OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void io_names_sort(char **names, size_t count)
{
    if (count > 1)
        qsort(names, count, sizeof *names, compare_names);
}

enum err io_path_list(struct io *io, const char *path, char ***ret_names, size_t *ret_count)
{
    return io->ops->path_list(io, path, ret_names, ret_count);
}

void io_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(names[i]);
    mem_free(names);
}

enum err io_path_rename(struct io *io, const char *from, const char *to)
{
    return io->ops->path_rename(io, from, to);
}

enum err io_path_remove(struct io *io, const char *path)
{
    return io->ops->path_remove(io, path);
}

static enum err remove_tree(struct io *io, struct buf *path, unsigned depth)
{
    enum err err = io_path_remove(io, buf_c_str(path));
    if (err != ERR_INVALID)
        return err;
    if (depth == TREE_DEPTH_MAX)
        return ERR_LIMIT;
    char **names = NULL;
    size_t count = 0, bytes = path->bytes;
    TRY(io_path_list(io, buf_c_str(path), &names, &count));
    err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        buf_char(path, '/');
        buf_text(path, names[i]);
        err = buf_c_str(path) ? remove_tree(io, path, depth + 1) : buf_error(path);
        buf_truncate(path, bytes);
    }
    io_names_free(names, count);
    if (err != OK)
        return err;
    return io->ops->path_remove_directory(io, buf_c_str(path));
}

enum err io_path_remove_tree(struct io *io, const char *path)
{
    struct buf at;
    buf_init(&at, 16 * PATH_BYTES_MAX);
    buf_text(&at, path);
    enum err err = buf_c_str(&at) ? remove_tree(io, &at, 0) : buf_error(&at);
    buf_deinit(&at);
    return err;
}

enum err io_path_sync_directory(struct io *io, const char *path)
{
    return io->ops->path_sync_directory(io, path);
}

enum err io_path_free_bytes(struct io *io, const char *path, uint64_t *ret_bytes)
{
    return io->ops->path_free_bytes(io, path, ret_bytes);
}

void io_usage(struct io *io, struct io_usage *ret_usage)
{
    io->ops->usage(io, ret_usage);
}

uint32_t io_cpu_count(struct io *io)
{
    return io->ops->cpu_count(io);
}

enum err io_stdout_write(struct io *io, const void *data, size_t bytes)
{
    return io->ops->stdout_write(io, data, bytes);
}

enum err io_stdin_read(struct io *io, void *ret_data, size_t bytes, size_t *ret_bytes)
{
    return io->ops->stdin_read(io, ret_data, bytes, ret_bytes);
}

bool io_is_terminal(struct io *io, int number)
{
    return io->ops->is_terminal(io, number);
}

uint32_t io_terminal_columns(struct io *io)
{
    return io->ops->terminal_columns(io);
}
