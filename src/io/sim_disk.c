/* SPDX-License-Identifier: MIT */
/*
 * Directories of the simulated disk. Each has the names that the program sees and those that the
 * disk surely has, with the changes between them, just as files have (sim_image.c): a sync of the
 * directory settles them, a power cut leaves each by chance. A file whose name is not durable is
 * lost with all its synced content: this is what makes a forgotten directory sync show.
 *
 * Paths are split at slashes, "." is skipped, ".." refused: no program of ours writes it. The root
 * is durable and is also the working directory.
 *
 * Inodes are counted (refs) by every list that names them, so that what a crash may bring back is
 * still there, and space is given back when the last name and the last open file are gone.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/sim_core.h"

static struct sim_inode *inode_new(struct sim *sim, bool is_directory)
{
    struct sim_inode *inode = mem_zero(sizeof *inode);
    inode->number = sim->next_inode++;
    inode->is_directory = is_directory;
    inode->modified_us = io_sim_wall_us(&sim->base);
    inode->writes_end = &inode->writes;
    inode->changes_end = &inode->changes;
    return inode;
}

void io_inode_ref(struct sim_inode *inode)
{
    inode->refs++;
}

static void entries_clear(struct sim_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        mem_free(entries->at[i].name);
        io_inode_unref(entries->at[i].inode);
    }
    mem_free(entries->at);
    *entries = (struct sim_entries){0};
}

static void change_free(struct sim_change *change)
{
    mem_free(change->removed);
    mem_free(change->set);
    if (change->inode)
        io_inode_unref(change->inode);
    mem_free(change);
}

void io_inode_unref(struct sim_inode *inode)
{
    check(inode->refs > 0);
    if (--inode->refs)
        return;
    entries_clear(&inode->names);
    entries_clear(&inode->durable_names);
    for (struct sim_change *change = inode->changes, *next; change; change = next) {
        next = change->next;
        change_free(change);
    }
    for (struct sim_write *write = inode->writes, *next; write; write = next) {
        next = write->next;
        mem_free(write->data);
        mem_free(write);
    }
    io_image_deinit(&inode->current);
    io_image_deinit(&inode->durable);
    mem_free(inode);
}

/* Index of the name, or where it would stand. */
static size_t entries_find(const struct sim_entries *entries, const char *name, bool *ret_there)
{
    size_t low = 0, high = entries->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(entries->at[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_there = low < entries->count && strcmp(entries->at[low].name, name) == 0;
    return low;
}

static void entries_remove(struct sim_entries *entries, const char *name)
{
    bool there = false;
    size_t i = entries_find(entries, name, &there);
    if (!there)
        return;
    mem_free(entries->at[i].name);
    struct sim_inode *inode = entries->at[i].inode;
    memmove(&entries->at[i], &entries->at[i + 1], (--entries->count - i) * sizeof entries->at[0]);
    io_inode_unref(inode);
}

static void entries_set(struct sim_entries *entries, const char *name, struct sim_inode *inode)
{
    io_inode_ref(inode);
    entries_remove(entries, name);
    bool there = false;
    size_t i = entries_find(entries, name, &there);
    if (entries->count == entries->room) {
        entries->room = entries->room ? entries->room * 2 : 8;
        entries->at = mem_realloc_array(entries->at, entries->room, sizeof *entries->at);
    }
    memmove(&entries->at[i + 1], &entries->at[i], (entries->count++ - i) * sizeof entries->at[0]);
    entries->at[i] = (struct sim_entry){str_dup(str_of(name)), inode};
}

void io_disk_forget(struct sim *sim, struct sim_inode *inode)
{
    if (inode->links || inode->opens)
        return;
    sim->used_bytes -= inode->current.bytes;
    io_image_deinit(&inode->current);
}

/* The one way in which a directory changes: in the program's sight at once, on disk later. */
static void change(struct sim *sim, struct sim_inode *parent, const char *removed, const char *set,
                   struct sim_inode *inode)
{
    struct sim_change *made = mem_zero(sizeof *made);
    parent->modified_us = io_sim_wall_us(&sim->base);
    const char *gone[] = {removed, set};
    for (size_t i = 0; i < 2; i++) {
        bool there = false;
        size_t at = gone[i] ? entries_find(&parent->names, gone[i], &there) : 0;
        if (!there)
            continue;
        struct sim_inode *old = parent->names.at[at].inode;
        io_inode_ref(old);
        entries_remove(&parent->names, gone[i]);
        old->links--;
        /* A rename moves the inode: it is about to get its link back. */
        if (old != inode)
            io_disk_forget(sim, old);
        io_inode_unref(old);
    }
    made->removed = removed ? str_dup(str_of(removed)) : NULL;
    if (set) {
        made->set = str_dup(str_of(set));
        made->inode = inode;
        io_inode_ref(inode);
        entries_set(&parent->names, set, inode);
        inode->links++;
    }
    *parent->changes_end = made;
    parent->changes_end = &made->next;
}

static void changes_settle(struct sim *sim, struct sim_inode *directory, bool lossy)
{
    struct sim_change *list = directory->changes;
    directory->changes = NULL;
    directory->changes_end = &directory->changes;
    for (struct sim_change *made = list, *next; made; made = next) {
        next = made->next;
        if (!lossy || io_sim_coin(sim)) {
            if (made->removed)
                entries_remove(&directory->durable_names, made->removed);
            if (made->set)
                entries_set(&directory->durable_names, made->set, made->inode);
        }
        change_free(made);
    }
}

enum err io_disk_find(struct sim *sim, const char *path, struct sim_place *ret_place)
{
    struct sim_inode *parent = NULL, *at = sim->root;
    struct str rest = str_of(path), part, last = STR_NONE;
    while (str_cut(&rest, '/', &part)) {
        if (part.bytes == 0 || str_equal(part, STR(".")))
            continue;
        if (str_equal(part, STR("..")))
            return ERR_INVALID;
        if (part.bytes >= sizeof ret_place->name)
            return ERR_LIMIT;
        if (!at || !at->is_directory)
            return ERR_NOT_FOUND;
        char name[256] = "";
        memcpy(name, part.ptr, part.bytes);
        bool there = false;
        size_t i = entries_find(&at->names, name, &there);
        parent = at;
        at = there ? at->names.at[i].inode : NULL;
        last = part;
    }
    *ret_place = (struct sim_place){.parent = parent, .inode = at};
    if (last.bytes)
        memcpy(ret_place->name, last.ptr, last.bytes);
    return OK;
}

struct sim_inode *io_disk_create(struct sim *sim, const struct sim_place *place, bool is_directory)
{
    struct sim_inode *inode = inode_new(sim, is_directory);
    change(sim, place->parent, NULL, place->name, inode);
    return inode;
}

static enum err find_there(struct io *io, const char *path, struct sim_place *ret_place)
{
    TRY(io_disk_find(sim_of(io), path, ret_place));
    return ret_place->inode ? OK : ERR_NOT_FOUND;
}

enum err io_disk_stat(struct io *io, const char *path, struct io_stat *ret_stat)
{
    struct sim_place place;
    TRY(find_there(io, path, &place));
    *ret_stat = (struct io_stat){
        .bytes = place.inode->current.bytes,
        .modified_us = place.inode->modified_us,
        .inode = place.inode->number,
        .is_directory = place.inode->is_directory,
    };
    return OK;
}

enum err io_disk_make_directory(struct io *io, const char *path)
{
    struct sim_place place;
    TRY(io_disk_find(sim_of(io), path, &place));
    if (place.inode)
        return ERR_EXISTS;
    TRY(io_sim_alive(sim_of(io)));
    io_disk_create(sim_of(io), &place, true);
    return OK;
}

enum err io_disk_list(struct io *io, const char *path, char ***ret_names, size_t *ret_count)
{
    struct sim_place place;
    TRY(find_there(io, path, &place));
    if (!place.inode->is_directory)
        return ERR_NOT_FOUND;
    const struct sim_entries *entries = &place.inode->names;
    char **names = mem_array(entries->count ? entries->count : 1, sizeof *names);
    for (size_t i = 0; i < entries->count; i++)
        names[i] = str_dup(str_of(entries->at[i].name));
    *ret_names = names;
    *ret_count = entries->count;
    return OK;
}

enum err io_disk_rename(struct io *io, const char *from, const char *to)
{
    struct sim *sim = sim_of(io);
    struct sim_place source, target;
    TRY(find_there(io, from, &source));
    TRY(io_disk_find(sim, to, &target));
    if (!source.parent || !target.parent)
        return ERR_INVALID;
    struct sim_inode *inode = source.inode;
    if (inode == target.inode)
        return OK;
    if (target.inode && target.inode->is_directory &&
        (!inode->is_directory || target.inode->names.count))
        return inode->is_directory ? ERR_EXISTS : ERR_INVALID;
    if (target.inode && inode->is_directory && !target.inode->is_directory)
        return ERR_NOT_FOUND;
    TRY(io_sim_alive(sim));
    io_inode_ref(inode);
    if (source.parent == target.parent) {
        change(sim, source.parent, source.name, target.name, inode);
    } else {
        change(sim, target.parent, NULL, target.name, inode);
        change(sim, source.parent, source.name, NULL, NULL);
    }
    io_inode_unref(inode);
    return OK;
}

enum err io_disk_remove(struct io *io, const char *path)
{
    struct sim_place place;
    TRY(find_there(io, path, &place));
    if (place.inode->is_directory)
        return ERR_INVALID;
    TRY(io_sim_alive(sim_of(io)));
    change(sim_of(io), place.parent, place.name, NULL, NULL);
    return OK;
}

enum err io_disk_remove_directory(struct io *io, const char *path)
{
    struct sim_place place;
    TRY(find_there(io, path, &place));
    if (!place.inode->is_directory || !place.parent)
        return ERR_INVALID;
    if (place.inode->names.count)
        return ERR_EXISTS;
    TRY(io_sim_alive(sim_of(io)));
    change(sim_of(io), place.parent, place.name, NULL, NULL);
    return OK;
}

enum err io_disk_sync_directory(struct io *io, const char *path)
{
    struct sim *sim = sim_of(io);
    struct sim_place place;
    TRY(find_there(io, path, &place));
    if (!place.inode->is_directory)
        return ERR_NOT_FOUND;
    TRY(io_sim_alive(sim));
    bool fails = io_sim_strikes(sim, sim->options.sync_fails);
    changes_settle(sim, place.inode, fails);
    return fails ? ERR_IO : OK;
}

static void settle(struct sim *sim, struct sim_inode *inode, bool lossy)
{
    if (!inode->is_directory) {
        io_writes_settle(sim, inode, lossy);
        return;
    }
    changes_settle(sim, inode, lossy);
    for (size_t i = 0; i < inode->names.count; i++)
        settle(sim, inode->names.at[i].inode, lossy);
}

void io_disk_settle(struct sim *sim, bool lossy)
{
    settle(sim, sim->root, lossy);
}

enum err io_disk_free_bytes(struct io *io, const char *path, uint64_t *ret_bytes)
{
    struct sim *sim = sim_of(io);
    struct sim_place place;
    TRY(find_there(io, path, &place));
    uint64_t disk_bytes = sim->options.disk_bytes;
    if (!disk_bytes)
        *ret_bytes = (uint64_t)1 << 50;
    else
        *ret_bytes = disk_bytes > sim->used_bytes ? disk_bytes - sim->used_bytes : 0;
    return OK;
}

void io_disk_init(struct sim *sim)
{
    sim->root = inode_new(sim, true);
    io_inode_ref(sim->root);
    sim->root->links = 1;
}

void io_disk_deinit(struct sim *sim)
{
    io_inode_unref(sim->root);
}

/* What the program saw is gone, from the leaves up. */
static void forget_names(struct sim_inode *directory)
{
    for (size_t i = 0; i < directory->names.count; i++) {
        struct sim_inode *inode = directory->names.at[i].inode;
        if (inode->is_directory)
            forget_names(inode);
        inode->links = 0;
    }
    entries_clear(&directory->names);
}

/* What is durable is there again. A file may have two names when half of a move survived. */
static void recover(struct sim *sim, struct sim_inode *directory)
{
    changes_settle(sim, directory, true);
    for (size_t i = 0; i < directory->durable_names.count; i++) {
        const struct sim_entry *entry = &directory->durable_names.at[i];
        entries_set(&directory->names, entry->name, entry->inode);
        if (entry->inode->links++)
            continue;
        if (entry->inode->is_directory) {
            recover(sim, entry->inode);
        } else {
            io_writes_crash(sim, entry->inode);
            sim->used_bytes += entry->inode->current.bytes;
        }
    }
}

void io_disk_crash(struct sim *sim)
{
    forget_names(sim->root);
    sim->used_bytes = 0;
    recover(sim, sim->root);
}
