/* SPDX-License-Identifier: MIT */
/*
 * Plays seeds one after the other and reports them as TAP: the seeds themselves, that the same seed
 * gives the same run, and that the traffic met what it is meant to meet (a run that never sees a
 * fenced producer proves nothing about fencing).
 */
#include "seeds.h"

#include "base/hash.h"
#include "base/logline.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MARKS_MAX = 64, MARKS_FROM = 100, FAILURES_SHOWN = 20 };

void seed_fail(struct seed_run *run, const char *format, ...)
{
    va_list args;
    if (run->failure[0])
        return;
    va_start(args, format);
    vsnprintf(run->failure, sizeof run->failure, format, args);
    va_end(args);
    seed_trace(run, "FAILED: %s", run->failure);
}

void seed_trace(const struct seed_run *run, const char *format, ...)
{
    va_list args;
    if (!run->trace)
        return;
    va_start(args, format);
    fputs("# ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void seed_digest(struct seed_run *run, const void *data, size_t bytes)
{
    run->digest = prng_mix(run->digest ^ hash_bytes(data, bytes, 0));
}

static bool play(uint64_t seed, bool trace, bool *reached, uint64_t *ret_digest)
{
    struct seed_run *run = mem_zero(sizeof *run);
    run->seed = seed;
    run->trace = trace;
    run->reached = reached;
    seed_play(run);
    *ret_digest = run->digest;
    bool good = !run->failure[0];
    if (!good)
        printf("# seed %llu: %s\n", (unsigned long long)seed, run->failure);
    mem_free(run);
    return good;
}

static bool tell_marks(const bool *reached)
{
    bool all = true;
    for (size_t i = 0; seed_marks[i]; i++) {
        if (!reached[i])
            printf("# never seen: %s\n", seed_marks[i]);
        all = all && reached[i];
    }
    return all;
}

static uint64_t number_of(const char *text, uint64_t otherwise)
{
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

int seed_main(int argc, char **argv)
{
    uint64_t from = number_of(getenv("SIM_FROM"), 1), count = number_of(getenv("SIM_SEEDS"), 100);
    bool trace = argc > 1 && strcmp(argv[argc - 1], "--trace") == 0;
    bool reached[MARKS_MAX] = {false};
    uint64_t failed = 0, first = 0, again = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_level_set(trace ? LOG_INFO : LOG_OFF);
    if (number_of(getenv("SIM_SEED"), 0)) {
        from = number_of(getenv("SIM_SEED"), 1);
        count = 1;
    }
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0) {
        from = number_of(argv[2], 1);
        count = 1;
    } else if (argc >= 4 && strcmp(argv[1], "--seeds") == 0) {
        from = number_of(argv[2], 1);
        count = number_of(argv[3], 1);
    }
    for (uint64_t i = 0; i < count && failed < FAILURES_SHOWN; i++)
        failed += !play(from + i, trace, reached, i == 0 ? &first : &again);
    printf("1..3\n%sok 1 - %llu seeds from %llu, %llu failed\n", failed ? "not " : "",
           (unsigned long long)count, (unsigned long long)from, (unsigned long long)failed);
    play(from, false, reached, &again);
    printf("%sok 2 - the same seed is the same run\n", first == again ? "" : "not ");
    bool met = count < MARKS_FROM || tell_marks(reached);
    printf("%sok 3 - the traffic met what it is for\n", met ? "" : "not ");
    return failed || first != again || !met;
}
