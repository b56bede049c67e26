/* SPDX-License-Identifier: MIT */
/*
 * Files of the simulated disk: each call first meets chance (a fault), then the size of the disk,
 * then changes the current content and notes the change as not yet durable. A write that fails
 * leaves a part of itself behind, as the contract of io/io.h allows.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/sim_core.h"

static struct sim_file *of(struct io_file *file)
{
    return (struct sim_file *)file;
}

static void resize(struct sim *sim, struct sim_inode *inode, uint64_t bytes)
{
    sim->used_bytes = sim->used_bytes - inode->current.bytes + bytes;
    io_image_resize(&inode->current, bytes);
    inode->modified_us = io_sim_wall_us(&sim->base);
    io_writes_add(inode, true, 0, NULL, bytes);
}

static enum err find_or_create(struct sim *sim, const char *path, unsigned flags,
                               struct sim_inode **ret_inode)
{
    struct sim_place place;
    TRY(io_disk_find(sim, path, &place));
    if (!place.inode && !(flags & IO_CREATE))
        return ERR_NOT_FOUND;
    if (place.inode && (flags & IO_EXCLUSIVE))
        return ERR_EXISTS;
    if (place.inode && place.inode->is_directory && (flags & IO_WRITE))
        return ERR_INVALID;
    if (!place.inode || (flags & IO_TRUNCATE))
        TRY(io_sim_alive(sim));
    *ret_inode = place.inode ? place.inode : io_disk_create(sim, &place, false);
    return OK;
}

enum err io_sim_file_open(struct io *io, const char *path, unsigned flags,
                          struct io_file **ret_file)
{
    struct sim *sim = sim_of(io);
    struct sim_inode *inode = NULL;
    TRY(find_or_create(sim, path, flags, &inode));
    struct sim_file *file = mem_zero(sizeof *file);
    file->base.io = io;
    file->inode = inode;
    file->flags = flags;
    io_inode_ref(inode);
    inode->opens++;
    file->next = sim->open_files;
    file->at = &sim->open_files;
    if (file->next)
        file->next->at = &file->next;
    sim->open_files = file;
    if ((flags & IO_TRUNCATE) && inode->current.bytes)
        resize(sim, inode, 0);
    *ret_file = &file->base;
    return OK;
}

static void die(struct sim_file *file)
{
    if (file->dead)
        return;
    file->dead = true;
    if (file->holds_lock)
        file->inode->locked = false;
    file->inode->opens--;
    io_disk_forget(sim_of(file->base.io), file->inode);
    io_inode_unref(file->inode);
    file->inode = NULL;
    *file->at = file->next;
    if (file->next)
        file->next->at = file->at;
}

void io_sim_file_close(struct io_file *file)
{
    die(of(file));
    mem_free(file);
}

void io_sim_files_die(struct sim *sim)
{
    while (sim->open_files)
        die(sim->open_files);
}

enum err io_sim_file_read(struct io_file *file, uint64_t offset, void *ret_data, size_t bytes,
                          size_t *ret_bytes)
{
    struct sim *sim = sim_of(file->io);
    if (of(file)->dead)
        return ERR_CLOSED;
    if (of(file)->inode->is_directory)
        return ERR_INVALID;
    if (!(of(file)->flags & IO_READ))
        return ERR_IO;
    if (io_sim_strikes(sim, sim->options.read_fails))
        return ERR_IO;
    *ret_bytes = io_image_read(&of(file)->inode->current, offset, ret_data, bytes);
    return OK;
}

bool io_sim_file_is_ready(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    struct sim *sim = sim_of(file->io);
    return !io_sim_strikes(sim, sim->options.read_cold);
}

/* May the file change at all? */
static enum err may_write(struct sim_file *file)
{
    if (file->dead)
        return ERR_CLOSED;
    return file->failed || !(file->flags & IO_WRITE) ? ERR_IO : OK;
}

/* How much of a write up to end fits on the disk. */
static uint64_t fitting(const struct sim *sim, const struct sim_inode *inode, uint64_t offset,
                        uint64_t bytes)
{
    if (!sim->options.disk_bytes || offset + bytes <= inode->current.bytes)
        return bytes;
    uint64_t disk_bytes = sim->options.disk_bytes;
    uint64_t left = disk_bytes > sim->used_bytes ? disk_bytes - sim->used_bytes : 0;
    uint64_t end = inode->current.bytes + left;
    if (offset + bytes <= end)
        return bytes;
    return end > offset ? end - offset : 0;
}

static void put(struct sim *sim, struct sim_inode *inode, uint64_t offset, const uint8_t *data,
                uint64_t bytes)
{
    if (bytes == 0)
        return;
    uint64_t before = inode->current.bytes;
    io_image_write(&inode->current, offset, data, bytes);
    sim->used_bytes += inode->current.bytes - before;
    inode->modified_us = io_sim_wall_us(&sim->base);
    io_writes_add(inode, false, offset, data, bytes);
}

static enum err write_piece(struct sim_file *file, uint64_t offset, struct str piece)
{
    struct sim *sim = sim_of(file->base.io);
    uint64_t bytes = piece.bytes;
    enum err err = OK;
    if (bytes == 0)
        return OK;
    TRY(io_sim_alive(sim));
    if (io_sim_strikes(sim, sim->options.write_fails))
        err = ERR_IO;
    else if (io_sim_strikes(sim, sim->options.write_full))
        err = ERR_DISK_FULL;
    if (err != OK)
        bytes = prng_below(&sim->prng, bytes + 1);
    uint64_t fits = fitting(sim, file->inode, offset, bytes);
    if (fits < bytes && err == OK)
        err = ERR_DISK_FULL;
    put(sim, file->inode, offset, (const uint8_t *)piece.ptr, fits);
    return err;
}

enum err io_sim_file_writev(struct io_file *file, uint64_t offset, const struct str *pieces,
                            size_t count)
{
    TRY(may_write(of(file)));
    for (size_t i = 0; i < count; i++) {
        if (offset > INT64_MAX - pieces[i].bytes)
            return ERR_LIMIT;
        TRY(write_piece(of(file), offset, pieces[i]));
        offset += pieces[i].bytes;
    }
    return OK;
}

enum err io_sim_file_sync(struct io_file *file)
{
    struct sim *sim = sim_of(file->io);
    if (of(file)->dead)
        return ERR_CLOSED;
    if (of(file)->failed)
        return ERR_IO;
    TRY(io_sim_alive(sim));
    bool fails = io_sim_strikes(sim, sim->options.sync_fails);
    io_writes_settle(sim, of(file)->inode, fails);
    of(file)->failed = fails;
    return fails ? ERR_IO : OK;
}

enum err io_sim_file_sync_all(struct io_file *file)
{
    struct sim *sim = sim_of(file->io);
    if (of(file)->dead)
        return ERR_CLOSED;
    if (of(file)->failed)
        return ERR_IO;
    TRY(io_sim_alive(sim));
    bool fails = io_sim_strikes(sim, sim->options.sync_fails);
    io_disk_settle(sim, fails);
    of(file)->failed = fails;
    return fails ? ERR_IO : OK;
}

enum err io_sim_file_reserve(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    struct sim *sim = sim_of(file->io);
    TRY(may_write(of(file)));
    TRY(io_sim_alive(sim));
    if (io_sim_strikes(sim, sim->options.write_full))
        return ERR_DISK_FULL;
    struct sim_inode *inode = of(file)->inode;
    if (fitting(sim, inode, offset, bytes) < bytes)
        return ERR_DISK_FULL;
    if (offset + bytes > inode->current.bytes)
        resize(sim, inode, offset + bytes);
    return OK;
}

enum err io_sim_file_truncate(struct io_file *file, uint64_t bytes)
{
    struct sim *sim = sim_of(file->io);
    TRY(may_write(of(file)));
    if (bytes > INT64_MAX)
        return ERR_LIMIT;
    TRY(io_sim_alive(sim));
    struct sim_inode *inode = of(file)->inode;
    /* Growing by truncate reserves nothing on a real disk either, but it counts here: the
     * simulated disk has no holes. */
    if (bytes > inode->current.bytes &&
        fitting(sim, inode, inode->current.bytes, bytes - inode->current.bytes) <
            bytes - inode->current.bytes)
        return ERR_DISK_FULL;
    resize(sim, inode, bytes);
    return OK;
}

enum err io_sim_file_size(struct io_file *file, uint64_t *ret_bytes)
{
    if (of(file)->dead)
        return ERR_CLOSED;
    *ret_bytes = of(file)->inode->current.bytes;
    return OK;
}

int io_sim_file_fd(const struct io_file *file)
{
    return -1;
}

enum err io_sim_file_lock(struct io *io, const char *path, struct io_file **ret_file)
{
    struct io_file *file = NULL;
    TRY(io_sim_file_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file));
    if (of(file)->inode->locked) {
        io_sim_file_close(file);
        return ERR_CONFLICT;
    }
    of(file)->inode->locked = of(file)->holds_lock = true;
    *ret_file = file;
    return OK;
}
