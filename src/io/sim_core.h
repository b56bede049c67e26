/* SPDX-License-Identifier: MIT */
#ifndef IO_SIM_CORE_H
#define IO_SIM_CORE_H

#include "io/core.h"
#include "io/sim.h"

/* The inside of the simulator: sim.c (clock, process, table), sim_image.c (content of a file),
 * sim_disk.c (directories, crash), sim_file.c (files), sim_net.c (loop and network). */

enum { SIM_PAGE_BYTES = 4096, SIM_SECTOR_BYTES = 512 };

/* Content in pages; a NULL page is zeros, so that reserved space costs nothing. */
struct sim_image {
    uint8_t **pages;
    size_t page_count;
    uint64_t bytes;
};

/* A change of a file since its last sync. data NULL = zeros; is_resize: bytes is the new size. */
struct sim_write {
    struct sim_write *next;
    bool is_resize;
    uint64_t offset;
    uint64_t bytes;
    uint8_t *data;
};

struct sim_entry {
    char *name;
    struct sim_inode *inode;
};

struct sim_entries {
    struct sim_entry *at; /* sorted by name */
    size_t count;
    size_t room;
};

/* A change of a directory since its last sync; both names: a rename. */
struct sim_change {
    struct sim_change *next;
    char *removed;
    char *set;
    struct sim_inode *inode;
};

struct sim_inode {
    uint64_t number;
    bool is_directory;
    bool locked;
    uint32_t refs;  /* from everywhere: keeps the memory */
    uint32_t links; /* names in current directories */
    uint32_t opens;
    int64_t modified_us;
    struct sim_image current, durable;
    struct sim_write *writes, **writes_end;
    struct sim_entries names, durable_names;
    struct sim_change *changes, **changes_end;
};

struct sim_file {
    struct io_file base;
    struct sim_inode *inode;
    unsigned flags;
    bool failed; /* a sync did */
    bool dead;   /* a crash came */
    bool holds_lock;
    struct sim_file *next, **at;
};

struct sim {
    struct io base;
    struct io_sim_options options;
    struct prng prng;
    bool faults;
    bool halted;       /* the disk changes no more */
    uint64_t halts_in; /* changes until then, and one; 0 = not planned */
    int64_t now_ns;
    uint64_t next_inode;
    uint64_t used_bytes;
    struct sim_inode *root;
    struct sim_file *open_files;
    struct sim_net *net;
};

static inline struct sim *sim_of(struct io *io)
{
    return (struct sim *)io;
}

/* True by the chance given in 1,000,000, while faults are on. */
bool io_sim_strikes(struct sim *sim, uint32_t chance);
bool io_sim_coin(struct sim *sim);
/* Asked before each change of the disk: ERR_IO when the machine has stopped. */
enum err io_sim_alive(struct sim *sim);
int64_t io_sim_wall_us(struct io *io);

/* ---- sim_image.c ---- */
void io_image_write(struct sim_image *image, uint64_t offset, const uint8_t *data, uint64_t bytes);
size_t io_image_read(const struct sim_image *image, uint64_t offset, uint8_t *ret_data,
                     size_t bytes);
void io_image_resize(struct sim_image *image, uint64_t bytes);
void io_image_copy(struct sim_image *to, const struct sim_image *from);
void io_image_deinit(struct sim_image *image);
void io_writes_add(struct sim_inode *inode, bool is_resize, uint64_t offset, const uint8_t *data,
                   uint64_t bytes);
/* Sync: all become durable; with loss, each by chance and never again. */
void io_writes_settle(struct sim *sim, struct sim_inode *inode, bool lossy);
/* Power cut: each survives, is lost or is torn. */
void io_writes_crash(struct sim *sim, struct sim_inode *inode);

/* ---- sim_disk.c ---- */
struct sim_place {
    struct sim_inode *parent;
    struct sim_inode *inode; /* NULL = not there */
    char name[256];
};
/* ERR_NOT_FOUND when the parent is not there. The root has no parent. */
enum err io_disk_find(struct sim *sim, const char *path, struct sim_place *ret_place);
struct sim_inode *io_disk_create(struct sim *sim, const struct sim_place *place, bool is_directory);
void io_inode_ref(struct sim_inode *inode);
void io_inode_unref(struct sim_inode *inode);
/* Gives the space back when neither a name nor an open file is left. */
void io_disk_forget(struct sim *sim, struct sim_inode *inode);
void io_disk_init(struct sim *sim);
void io_disk_deinit(struct sim *sim);
void io_disk_crash(struct sim *sim);
/* Everything that has a name becomes durable, or each change by chance. */
void io_disk_settle(struct sim *sim, bool lossy);
enum err io_disk_stat(struct io *io, const char *path, struct io_stat *ret_stat);
enum err io_disk_make_directory(struct io *io, const char *path);
enum err io_disk_list(struct io *io, const char *path, char ***ret_names, size_t *ret_count);
enum err io_disk_rename(struct io *io, const char *from, const char *to);
enum err io_disk_remove(struct io *io, const char *path);
enum err io_disk_remove_directory(struct io *io, const char *path);
enum err io_disk_sync_directory(struct io *io, const char *path);
enum err io_disk_free_bytes(struct io *io, const char *path, uint64_t *ret_bytes);

/* ---- sim_file.c ---- */
enum err io_sim_file_open(struct io *io, const char *path, unsigned flags,
                          struct io_file **ret_file);
void io_sim_file_close(struct io_file *file);
enum err io_sim_file_read(struct io_file *file, uint64_t offset, void *ret_data, size_t bytes,
                          size_t *ret_bytes);
enum err io_sim_file_writev(struct io_file *file, uint64_t offset, const struct str *pieces,
                            size_t count);
enum err io_sim_file_sync(struct io_file *file);
enum err io_sim_file_sync_all(struct io_file *file);
bool io_sim_file_is_ready(struct io_file *file, uint64_t offset, uint64_t bytes);
enum err io_sim_file_reserve(struct io_file *file, uint64_t offset, uint64_t bytes);
enum err io_sim_file_truncate(struct io_file *file, uint64_t bytes);
enum err io_sim_file_size(struct io_file *file, uint64_t *ret_bytes);
int io_sim_file_fd(const struct io_file *file);
enum err io_sim_file_lock(struct io *io, const char *path, struct io_file **ret_file);
/* The process is gone: its files are closed and its locks free. */
void io_sim_files_die(struct sim *sim);

/* ---- sim_net.c ---- */
extern const struct io_net_ops io_sim_net_ops;
void io_sim_net_init(struct sim *sim);
void io_sim_net_deinit(struct sim *sim);

#endif
