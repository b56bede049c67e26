/* SPDX-License-Identifier: MIT */
#ifndef IO_SIM_H
#define IO_SIM_H

#include "base/prng.h"
#include "io/io.h"

/*
 * The simulated twin of the kernel: virtual clock, a disk in memory that forgets what was not
 * synced, and a network in memory, all from one seed. One thread. The same seed gives the same
 * run, byte by byte. Time moves only when somebody waits: io_sleep_ns(), a turn of a loop (to the
 * next thing that is due in any loop), io_sim_advance_ns(). No TLS, no io_watch, no signals.
 */
struct io_sim_options {
    uint64_t seed;
    uint64_t disk_bytes; /* 0 = unlimited; ERR_DISK_FULL beyond */
    /* Chances in 1,000,000 of each call. */
    uint32_t write_fails; /* ERR_IO, a part may be written */
    uint32_t write_full;  /* ERR_DISK_FULL, a part may be written */
    uint32_t sync_fails;  /* ERR_IO: some unsynced pages are lost although they read back fine */
    uint32_t read_fails;  /* ERR_IO */
    uint32_t read_cold;   /* io_file_is_ready() says no */
    uint32_t net_drop;    /* a connection breaks at a write */
    uint32_t net_delay_ms_max;
};

struct io *io_sim_new(const struct io_sim_options *options);
/* Switches faults on and off (a run starts with them on). */
void io_sim_faults(struct io *io, bool on);
void io_sim_set_disk_bytes(struct io *io, uint64_t disk_bytes);
/* Power cut: every write since the file's last sync survives, is lost, or is torn at a 512-byte
 * sector, each by chance; so do creations, renames and removals since their directory's last sync.
 * All open files are closed (further use answers ERR_CLOSED; close them still). Streams and loops
 * of the dead process are aborted and freed by whoever plays the machine. */
void io_sim_crash(struct io *io);
/* The process is killed: everything written is there, only memory is gone. */
void io_sim_kill(struct io *io);
/* The machine stops at that change of the disk from now on (0 = the next one): it and every change
 * after it answer ERR_IO and do nothing, so that whoever plays the machine can take the dead
 * process apart without leaving a trace; then io_sim_crash() or io_sim_kill(), then
 * io_sim_resume(). A sync and the creation of a file are changes too. */
void io_sim_halt_after(struct io *io, uint64_t changes);
bool io_sim_is_halted(struct io *io);
void io_sim_resume(struct io *io);
void io_sim_advance_ns(struct io *io, int64_t ns);
struct prng *io_sim_prng(struct io *io);

#endif
