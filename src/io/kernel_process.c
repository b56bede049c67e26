/* SPDX-License-Identifier: MIT */
/*
 * Clock, randomness, environment, usage and the three standard descriptors of the real process.
 *
 * The processors counted are those that we may use: the affinity mask, bounded by the quota of a
 * control group, since a container with half a processor gains nothing from eight threads.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

int64_t io_kernel_now_ns(struct io *io)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t io_kernel_wall_us(struct io *io)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void io_kernel_random(struct io *io, void *ret_bytes, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = getrandom((char *)ret_bytes + done, bytes - done, 0);
        check(n >= 0 || errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
}

void io_kernel_sleep_ns(struct io *io, int64_t ns)
{
    struct timespec left = {ns / NS_PER_S, ns % NS_PER_S};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

const char *io_kernel_env(struct io *io, const char *name)
{
    return getenv(name);
}

/* The start of a small file of /proc or /sys as text; empty when there is none. */
static void read_text(const char *path, char *ret_text, size_t room)
{
    ret_text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, ret_text, room - 1);
    ret_text[n > 0 ? n : 0] = 0;
    close(fd);
}

void io_kernel_usage(struct io *io, struct io_usage *ret_usage)
{
    *ret_usage = (struct io_usage){.threads = 1};
    char text[4096];
    unsigned long resident = 0;
    read_text("/proc/self/statm", text, sizeof text);
    if (sscanf(text, "%*u %lu", &resident) == 1)
        ret_usage->rss_bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
    read_text("/proc/self/status", text, sizeof text);
    const char *threads = strstr(text, "\nThreads:");
    if (threads)
        ret_usage->threads = (uint32_t)strtoul(threads + sizeof "\nThreads:" - 1, NULL, 10);
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) == 0)
        ret_usage->cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL +
                            used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

uint32_t io_kernel_cpu_count(struct io *io)
{
    cpu_set_t set;
    uint32_t count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = (uint32_t)CPU_COUNT(&set);
    char text[64];
    unsigned long quota = 0, period = 0;
    read_text("/sys/fs/cgroup/cpu.max", text, sizeof text);
    if (sscanf(text, "%lu %lu", &quota, &period) == 2 && period > 0) {
        uint32_t allowed = (uint32_t)((quota + period - 1) / period);
        count = allowed < count ? allowed : count;
    }
    return count ? count : 1;
}

enum err io_kernel_stdout_write(struct io *io, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(STDOUT_FILENO, (const char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EPIPE ? ERR_CLOSED : err_from_errno(errno);
        done += (size_t)n;
    }
    return OK;
}

enum err io_kernel_stdin_read(struct io *io, void *ret_data, size_t bytes, size_t *ret_bytes)
{
    ssize_t n;
    do
        n = read(STDIN_FILENO, ret_data, bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_from_errno(errno);
    *ret_bytes = (size_t)n;
    return OK;
}

bool io_kernel_is_terminal(struct io *io, int number)
{
    return isatty(number) == 1;
}

uint32_t io_kernel_terminal_columns(struct io *io)
{
    struct winsize size;
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            return size.ws_col;
    return 80;
}
