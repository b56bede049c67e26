/* SPDX-License-Identifier: MIT */
/*
 * The simulator's clock, process and table of operations. Time moves only when somebody waits:
 * io_sleep_ns, a turn of a loop, io_sim_advance_ns. The wall clock is 2024-01-01 plus the virtual
 * time. Everything that chance decides comes from one generator, so that a seed tells a whole run;
 * addresses of memory, threads and real time have no part in it.
 *
 * Standard output of a simulated program goes nowhere and its input is at the end.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/sim_core.h"

static const int64_t wall_start_us = 1704067200LL * 1000000;
static const int64_t clock_start_ns = 1000000000;

bool io_sim_strikes(struct sim *sim, uint32_t chance)
{
    return sim->faults && chance && prng_below(&sim->prng, 1000000) < chance;
}

enum err io_sim_alive(struct sim *sim)
{
    if (sim->halts_in && --sim->halts_in == 0)
        sim->halted = true;
    return sim->halted ? ERR_IO : OK;
}

bool io_sim_coin(struct sim *sim)
{
    return prng_below(&sim->prng, 2) == 0;
}

static int64_t now_ns(struct io *io)
{
    return sim_of(io)->now_ns;
}

int64_t io_sim_wall_us(struct io *io)
{
    return wall_start_us + (sim_of(io)->now_ns - clock_start_ns) / 1000;
}

static void fill_random(struct io *io, void *ret_bytes, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)ret_bytes)[i] = (uint8_t)prng_next(&sim_of(io)->prng);
}

static void sleep_ns(struct io *io, int64_t ns)
{
    io_sim_advance_ns(io, ns);
}

static const char *env(struct io *io, const char *name)
{
    return NULL;
}

static void usage(struct io *io, struct io_usage *ret_usage)
{
    *ret_usage = (struct io_usage){.threads = 1};
}

static uint32_t cpu_count(struct io *io)
{
    return 1;
}

static enum err stdout_write(struct io *io, const void *data, size_t bytes)
{
    return OK;
}

static enum err stdin_read(struct io *io, void *ret_data, size_t bytes, size_t *ret_bytes)
{
    *ret_bytes = 0;
    return OK;
}

static bool is_terminal(struct io *io, int number)
{
    return false;
}

static uint32_t terminal_columns(struct io *io)
{
    return 80;
}

static void sim_free(struct io *io)
{
    struct sim *sim = sim_of(io);
    check(!sim->open_files);
    io_sim_net_deinit(sim);
    io_disk_deinit(sim);
    mem_free(sim);
}

static const struct io_ops sim_ops = {
    .free = sim_free,
    .now_ns = now_ns,
    .wall_us = io_sim_wall_us,
    .random = fill_random,
    .sleep_ns = sleep_ns,
    .env = env,
    .file_open = io_sim_file_open,
    .file_close = io_sim_file_close,
    .file_read = io_sim_file_read,
    .file_writev = io_sim_file_writev,
    .file_sync = io_sim_file_sync,
    .file_sync_all = io_sim_file_sync_all,
    .file_is_ready = io_sim_file_is_ready,
    .file_reserve = io_sim_file_reserve,
    .file_truncate = io_sim_file_truncate,
    .file_size = io_sim_file_size,
    .file_fd = io_sim_file_fd,
    .file_lock = io_sim_file_lock,
    .path_stat = io_disk_stat,
    .path_make_directory = io_disk_make_directory,
    .path_list = io_disk_list,
    .path_rename = io_disk_rename,
    .path_remove = io_disk_remove,
    .path_remove_directory = io_disk_remove_directory,
    .path_sync_directory = io_disk_sync_directory,
    .path_free_bytes = io_disk_free_bytes,
    .usage = usage,
    .cpu_count = cpu_count,
    .stdout_write = stdout_write,
    .stdin_read = stdin_read,
    .is_terminal = is_terminal,
    .terminal_columns = terminal_columns,
    .net = &io_sim_net_ops,
};

struct io *io_sim_new(const struct io_sim_options *options)
{
    struct sim *sim = mem_zero(sizeof *sim);
    sim->base.ops = &sim_ops;
    sim->options = *options;
    sim->prng.state = options->seed;
    sim->faults = true;
    sim->now_ns = clock_start_ns;
    sim->next_inode = 1;
    io_disk_init(sim);
    io_sim_net_init(sim);
    return &sim->base;
}

static struct sim *sim_checked(struct io *io)
{
    check(io->ops == &sim_ops);
    return sim_of(io);
}

void io_sim_faults(struct io *io, bool on)
{
    sim_checked(io)->faults = on;
}

void io_sim_set_disk_bytes(struct io *io, uint64_t disk_bytes)
{
    sim_checked(io)->options.disk_bytes = disk_bytes;
}

void io_sim_crash(struct io *io)
{
    struct sim *sim = sim_checked(io);
    io_sim_files_die(sim);
    io_disk_crash(sim);
}

void io_sim_kill(struct io *io)
{
    io_sim_files_die(sim_checked(io));
}

void io_sim_halt_after(struct io *io, uint64_t changes)
{
    sim_checked(io)->halts_in = changes + 1;
}

bool io_sim_is_halted(struct io *io)
{
    return sim_checked(io)->halted;
}

void io_sim_resume(struct io *io)
{
    struct sim *sim = sim_checked(io);
    sim->halted = false;
    sim->halts_in = 0;
}

void io_sim_advance_ns(struct io *io, int64_t ns)
{
    check(ns >= 0);
    sim_checked(io)->now_ns += ns;
}

struct prng *io_sim_prng(struct io *io)
{
    return &sim_checked(io)->prng;
}
