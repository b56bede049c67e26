/* SPDX-License-Identifier: MIT */
/*
 * A driver for the fuzz targets where libFuzzer is not linked: runs every file of the corpus
 * folders given, then mutations of them from a seed (FUZZ_RUNS, default 20,000; FUZZ_SEED), and
 * prints TAP. With clang and -Dfuzzers=true the same targets are linked with libFuzzer instead.
 */
#include "base/mem.h"
#include "base/prng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { INPUT_MAX = 1 << 20 };

struct input {
    uint8_t *data;
    size_t bytes;
};
static struct input *inputs;
static size_t input_count;

static void add(const void *data, size_t bytes)
{
    inputs = mem_realloc_array(inputs, input_count + 1, sizeof *inputs);
    inputs[input_count].data = mem_alloc(bytes);
    memcpy(inputs[input_count].data, data, bytes);
    inputs[input_count++].bytes = bytes;
}

static void add_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    static uint8_t content[INPUT_MAX];
    for (struct dirent *e; (e = readdir(dir));) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        FILE *file = e->d_name[0] == '.' ? NULL : fopen(name, "rb");
        if (!file)
            continue;
        add(content, fread(content, 1, sizeof content, file));
        fclose(file);
    }
    closedir(dir);
}

static void mutate(struct prng *prng, uint8_t *data, size_t *bytes)
{
    for (uint64_t edits = 1 + prng_below(prng, 4); edits; edits--) {
        size_t at = *bytes ? (size_t)prng_below(prng, *bytes) : 0;
        switch (prng_below(prng, 6)) {
        case 0:
            if (*bytes)
                data[at] ^= (uint8_t)(1u << prng_below(prng, 8));
            break;
        case 1:
            if (*bytes)
                data[at] = (uint8_t)prng_next(prng);
            break;
        case 2:
            *bytes = at;
            break;
        case 3:
            if (*bytes < INPUT_MAX) {
                memmove(data + at + 1, data + at, *bytes - at);
                data[at] = "\"{}[],:\\0-+.eE \n\xff\x80"[prng_below(prng, 19)];
                ++*bytes;
            }
            break;
        case 4: {
            const struct input *other = &inputs[prng_below(prng, input_count)];
            size_t from = other->bytes ? (size_t)prng_below(prng, other->bytes) : 0;
            size_t count = other->bytes - from;
            if (count > INPUT_MAX - at)
                count = INPUT_MAX - at;
            memcpy(data + at, other->data + from, count);
            if (at + count > *bytes)
                *bytes = at + count;
            break;
        }
        default:
            if (*bytes >= 8) {
                size_t to = (size_t)prng_below(prng, *bytes - 7);
                uint64_t value = prng_next(prng) >> prng_below(prng, 64);
                memcpy(data + to, &value, 1 + prng_below(prng, 8));
            }
        }
    }
}

int main(int argc, char **argv)
{
    const char *runs_text = getenv("FUZZ_RUNS"), *seed_text = getenv("FUZZ_SEED");
    long runs = runs_text ? strtol(runs_text, NULL, 10) : 20000;
    struct prng prng = {seed_text ? strtoull(seed_text, NULL, 10) : 1};
    for (int i = 1; i < argc; i++)
        add_folder(argv[i]);
    size_t corpus = input_count;
    if (!input_count)
        add("", 0);
    for (size_t i = 0; i < input_count; i++)
        LLVMFuzzerTestOneInput(inputs[i].data, inputs[i].bytes);
    uint8_t *data = mem_alloc(INPUT_MAX);
    for (long run = 0; run < runs; run++) {
        const struct input *from = &inputs[prng_below(&prng, input_count)];
        size_t bytes = from->bytes;
        memcpy(data, from->data, bytes);
        mutate(&prng, data, &bytes);
        /* A copy of the exact size, so that the sanitizer sees a read past the end. */
        uint8_t *exact = mem_alloc(bytes);
        memcpy(exact, data, bytes);
        LLVMFuzzerTestOneInput(exact, bytes);
        mem_free(exact);
    }
    mem_free(data);
    for (size_t i = 0; i < input_count; i++)
        mem_free(inputs[i].data);
    mem_free(inputs);
    printf("1..1\nok 1 - %zu inputs and %ld mutations\n", corpus, runs);
    return 0;
}
