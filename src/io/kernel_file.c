/* SPDX-License-Identifier: MIT */
/*
 * Files of the real disk: thin calls of the kernel that are repeated after a signal and go on after
 * a short transfer.
 *
 * After a failed fdatasync the kernel has marked the pages clean, so that a second one would say
 * that all is well although the bytes are lost. A file therefore remembers a failed sync and
 * answers ERR_IO from then on to whatever would change or sync it. The flag is atomic, since one
 * thread may write while another syncs.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIECES_AT_ONCE = 64, SAMPLE_BYTES = 128 << 10, AHEAD_BYTES = 8 << 20 };

struct kernel_file {
    struct io_file base;
    int fd;
    atomic_bool sync_failed;
};

static struct kernel_file *of(struct io_file *file)
{
    return (struct kernel_file *)file;
}

static enum err path_error(void)
{
    switch (errno) {
    case ENAMETOOLONG:
        return ERR_LIMIT;
    case EISDIR:
        return ERR_INVALID;
    default:
        return err_from_errno(errno);
    }
}

static int open_again(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, 0644);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static enum err file_open(struct io *io, const char *path, unsigned flags,
                          struct io_file **ret_file)
{
    int mode = (flags & IO_WRITE) ? (flags & IO_READ) ? O_RDWR : O_WRONLY : O_RDONLY;
    mode |= (flags & IO_CREATE) ? O_CREAT : 0;
    mode |= (flags & IO_EXCLUSIVE) ? O_EXCL : 0;
    mode |= (flags & IO_TRUNCATE) ? O_TRUNC : 0;
    int fd = open_again(path, mode);
    if (fd < 0)
        return path_error();
    struct kernel_file *file = mem_zero(sizeof *file);
    file->base.io = io;
    file->fd = fd;
    *ret_file = &file->base;
    return OK;
}

static void file_close(struct io_file *file)
{
    close(of(file)->fd);
    mem_free(file);
}

static enum err file_read(struct io_file *file, uint64_t offset, void *ret_data, size_t bytes,
                          size_t *ret_bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n =
            pread(of(file)->fd, (char *)ret_data + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return path_error();
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_bytes = done;
    return OK;
}

/* Writes all of vec, which is changed. */
static enum err write_all(int fd, uint64_t offset, struct iovec *vec, size_t count)
{
    while (count > 0) {
        ssize_t n = pwritev(fd, vec, (int)count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return path_error();
        size_t done = (size_t)n;
        offset += done;
        while (count > 0 && done >= vec->iov_len) {
            done -= vec->iov_len;
            vec++;
            count--;
        }
        if (count > 0) {
            vec->iov_base = (char *)vec->iov_base + done;
            vec->iov_len -= done;
        }
    }
    return OK;
}

static enum err file_writev(struct io_file *file, uint64_t offset, const struct str *pieces,
                            size_t count)
{
    if (atomic_load(&of(file)->sync_failed))
        return ERR_IO;
    struct iovec vec[PIECES_AT_ONCE];
    while (count > 0) {
        size_t used = 0, taken = 0, bytes = 0;
        for (; taken < count && used < PIECES_AT_ONCE; taken++) {
            if (pieces[taken].bytes == 0)
                continue;
            vec[used].iov_base = (void *)(uintptr_t)pieces[taken].ptr;
            vec[used++].iov_len = pieces[taken].bytes;
            bytes += pieces[taken].bytes;
        }
        TRY(write_all(of(file)->fd, offset, vec, used));
        offset += bytes;
        pieces += taken;
        count -= taken;
    }
    return OK;
}

static enum err file_sync(struct io_file *file)
{
    if (atomic_load(&of(file)->sync_failed))
        return ERR_IO;
    int rc;
    do
        rc = fdatasync(of(file)->fd);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return OK;
    atomic_store(&of(file)->sync_failed, true);
    return ERR_IO;
}

static enum err file_sync_all(struct io_file *file)
{
    if (atomic_load(&of(file)->sync_failed))
        return ERR_IO;
    int rc;
    do
        rc = syncfs(of(file)->fd);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return OK;
    atomic_store(&of(file)->sync_failed, true);
    return ERR_IO;
}

static void file_forget(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    (void)posix_fadvise(of(file)->fd, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}

static void file_write_out(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    (void)sync_file_range(of(file)->fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

/* The kernel reads ahead in pieces of this size or more: one byte of each tells. */
static bool file_is_ready(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset;; at += SAMPLE_BYTES) {
        char byte;
        struct iovec vec = {&byte, 1};
        uint64_t last = offset + bytes - 1;
        ssize_t n = preadv2(of(file)->fd, &vec, 1, (off_t)(at < last ? at : last), RWF_NOWAIT);
        if (n < 0 && errno == EAGAIN)
            return false;
        /* Where the file system cannot tell, the read itself will. */
        if (n <= 0 || at >= last)
            return true;
    }
}

/* Who reads here goes on reading: what follows is asked for too, and not waited for. */
static void file_warm(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    (void)posix_fadvise(of(file)->fd, (off_t)offset, (off_t)(bytes + AHEAD_BYTES),
                        POSIX_FADV_WILLNEED);
    for (uint64_t at = offset;; at += SAMPLE_BYTES) {
        char byte;
        uint64_t last = offset + bytes - 1;
        ssize_t n = pread(of(file)->fd, &byte, 1, (off_t)(at < last ? at : last));
        if (n <= 0 || at >= last)
            return;
    }
}

static enum err file_truncate(struct io_file *file, uint64_t bytes)
{
    if (atomic_load(&of(file)->sync_failed))
        return ERR_IO;
    int rc;
    do
        rc = ftruncate(of(file)->fd, (off_t)bytes);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? OK : path_error();
}

static enum err file_size(struct io_file *file, uint64_t *ret_bytes)
{
    struct stat st;
    if (fstat(of(file)->fd, &st) != 0)
        return path_error();
    *ret_bytes = (uint64_t)st.st_size;
    return OK;
}

static enum err file_reserve(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    if (atomic_load(&of(file)->sync_failed))
        return ERR_IO;
    int rc;
    do
        rc = fallocate(of(file)->fd, 0, (off_t)offset, (off_t)bytes);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return OK;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return path_error();
    /* A file system that cannot reserve: the size grows, and a full disk is noticed later. */
    uint64_t size = 0;
    TRY(file_size(file, &size));
    return size < offset + bytes ? file_truncate(file, offset + bytes) : OK;
}

static int file_fd(const struct io_file *file)
{
    return ((const struct kernel_file *)file)->fd;
}

static enum err file_lock(struct io *io, const char *path, struct io_file **ret_file)
{
    struct io_file *file = NULL;
    TRY(file_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file));
    int rc;
    do
        rc = flock(of(file)->fd, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        enum err err = errno == EWOULDBLOCK ? ERR_CONFLICT : path_error();
        file_close(file);
        return err;
    }
    *ret_file = file;
    return OK;
}

static enum err path_stat(struct io *io, const char *path, struct io_stat *ret_stat)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return path_error();
    *ret_stat = (struct io_stat){
        .bytes = (uint64_t)st.st_size,
        .modified_us = st.st_mtim.tv_sec * 1000000LL + st.st_mtim.tv_nsec / 1000,
        .inode = (uint64_t)st.st_ino,
        .is_directory = S_ISDIR(st.st_mode),
    };
    return OK;
}

static enum err path_make_directory(struct io *io, const char *path)
{
    return mkdir(path, 0755) == 0 ? OK : path_error();
}

static enum err path_list(struct io *io, const char *path, char ***ret_names, size_t *ret_count)
{
    DIR *dir = opendir(path);
    if (!dir)
        return path_error();
    char **names = NULL;
    size_t count = 0, room = 0;
    struct dirent *entry;
    while ((errno = 0, entry = readdir(dir))) {
        struct str name = str_of(entry->d_name);
        if (str_equal(name, STR(".")) || str_equal(name, STR("..")))
            continue;
        if (count == room) {
            room = room ? room * 2 : 16;
            names = mem_realloc_array(names, room, sizeof *names);
        }
        names[count++] = str_dup(name);
    }
    int failed = errno;
    closedir(dir);
    if (failed) {
        io_names_free(names, count);
        return err_from_errno(failed);
    }
    io_names_sort(names, count);
    *ret_names = names;
    *ret_count = count;
    return OK;
}

static enum err path_rename(struct io *io, const char *from, const char *to)
{
    return rename(from, to) == 0 ? OK : path_error();
}

static enum err path_remove(struct io *io, const char *path)
{
    return unlink(path) == 0 ? OK : path_error();
}

static enum err path_remove_directory(struct io *io, const char *path)
{
    return rmdir(path) == 0 ? OK : path_error();
}

static enum err path_sync_directory(struct io *io, const char *path)
{
    int fd = open_again(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return path_error();
    int rc;
    do
        rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    close(fd);
    return rc == 0 ? OK : ERR_IO;
}

static enum err path_free_bytes(struct io *io, const char *path, uint64_t *ret_bytes)
{
    struct statvfs st;
    int rc;
    do
        rc = statvfs(path, &st);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return path_error();
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return OK;
}

static void kernel_free(struct io *io)
{
    mem_free(io);
}

static const struct io_ops kernel_ops = {
    .free = kernel_free,
    .now_ns = io_kernel_now_ns,
    .wall_us = io_kernel_wall_us,
    .random = io_kernel_random,
    .sleep_ns = io_kernel_sleep_ns,
    .env = io_kernel_env,
    .file_open = file_open,
    .file_close = file_close,
    .file_read = file_read,
    .file_writev = file_writev,
    .file_sync = file_sync,
    .file_sync_all = file_sync_all,
    .file_forget = file_forget,
    .file_write_out = file_write_out,
    .file_is_ready = file_is_ready,
    .file_warm = file_warm,
    .file_reserve = file_reserve,
    .file_truncate = file_truncate,
    .file_size = file_size,
    .file_fd = file_fd,
    .file_lock = file_lock,
    .path_stat = path_stat,
    .path_make_directory = path_make_directory,
    .path_list = path_list,
    .path_rename = path_rename,
    .path_remove = path_remove,
    .path_remove_directory = path_remove_directory,
    .path_sync_directory = path_sync_directory,
    .path_free_bytes = path_free_bytes,
    .usage = io_kernel_usage,
    .cpu_count = io_kernel_cpu_count,
    .stdout_write = io_kernel_stdout_write,
    .stdin_read = io_kernel_stdin_read,
    .is_terminal = io_kernel_is_terminal,
    .terminal_columns = io_kernel_terminal_columns,
    .has_threads = true,
    .has_tls = true,
    .net = &io_kernel_net,
};

struct io *io_kernel_new(void)
{
    /* A reader that went away is an error of the write, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    struct io *io = mem_zero(sizeof *io);
    io->ops = &kernel_ops;
    return io;
}
