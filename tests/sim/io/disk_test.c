/* SPDX-License-Identifier: MIT */
/* What the simulated disk does to a program: power cuts, faults, a full disk, the same from the
 * same seed. Each property is tried with many seeds, and what chance may do must also be seen. */
#include "test.h"

#include "base/hash.h"
#include "base/mem.h"
#include "io/sim.h"

enum { SEEDS = 300 };

static struct io *sim_with(uint64_t seed)
{
    struct io_sim_options options = {.seed = seed};
    return io_sim_new(&options);
}

static struct io_file *opened(struct io *io, const char *path)
{
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file));
    return file;
}

static void fill(uint8_t *data, size_t bytes, uint8_t with)
{
    memset(data, with, bytes);
}

static void test_synced_survives(void **state)
{
    uint8_t data[5000], back[5000];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct io *io = sim_with(seed);
        struct io_file *file = opened(io, "a");
        fill(data, sizeof data, 1);
        assert_ok(io_file_write(file, 0, data, sizeof data));
        assert_ok(io_file_sync(file));
        assert_ok(io_path_sync_directory(io, "."));
        io_sim_crash(io);
        size_t got = 0;
        assert_err(ERR_CLOSED, io_file_read(file, 0, back, 1, &got));
        assert_err(ERR_CLOSED, io_file_write(file, 0, data, 1));
        assert_err(ERR_CLOSED, io_file_sync(file));
        io_file_close(file);
        file = opened(io, "a");
        assert_ok(io_file_read(file, 0, back, sizeof back, &got));
        assert_int_equal(sizeof back, got);
        assert_memory_equal(data, back, sizeof back);
        io_file_close(file);
        io_free(io);
    }
}

/* Unsynced bytes: each sector is old or new, all fates are met, and what was synced and not
 * written again is untouched. */
static void test_unsynced_tears(void **state)
{
    enum { BYTES = 4 * 512 };
    size_t survived = 0, lost = 0, torn = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct io *io = sim_with(seed);
        struct io_file *file = opened(io, "a");
        uint8_t data[2 * BYTES], back[2 * BYTES];
        fill(data, sizeof data, 1);
        assert_ok(io_file_write(file, 0, data, sizeof data));
        assert_ok(io_file_sync(file));
        assert_ok(io_path_sync_directory(io, "."));
        fill(data, BYTES, 2);
        assert_ok(io_file_write(file, 0, data, BYTES));
        io_sim_crash(io);
        io_file_close(file);
        file = opened(io, "a");
        size_t got = 0, fresh = 0;
        assert_ok(io_file_read(file, 0, back, sizeof back, &got));
        assert_int_equal(sizeof back, got);
        for (size_t sector = 0; sector < 8; sector++) {
            uint8_t first = back[sector * 512];
            assert_true(first == 1 || (first == 2 && sector < 4));
            for (size_t i = 0; i < 512; i++)
                assert_int_equal(first, back[sector * 512 + i]);
            fresh += first == 2;
        }
        survived += fresh == 4;
        lost += fresh == 0;
        torn += fresh > 0 && fresh < 4;
        io_file_close(file);
        io_free(io);
    }
    assert_true(survived > SEEDS / 10);
    assert_true(lost > SEEDS / 10);
    assert_true(torn > SEEDS / 10);
}

static void test_append_may_leave_zeros(void **state)
{
    size_t shorter = 0, zeros = 0, whole = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct io *io = sim_with(seed);
        struct io_file *file = opened(io, "a");
        assert_ok(io_path_sync_directory(io, "."));
        uint8_t data[1024], back[1024] = {0};
        fill(data, sizeof data, 7);
        assert_ok(io_file_write(file, 0, data, sizeof data));
        io_sim_crash(io);
        io_file_close(file);
        file = opened(io, "a");
        size_t got = 0;
        assert_ok(io_file_read(file, 0, back, sizeof back, &got));
        shorter += got < sizeof data;
        whole += got == sizeof data && memcmp(data, back, sizeof data) == 0;
        zeros += got == sizeof data && memcmp(data, back, sizeof data) != 0;
        io_file_close(file);
        io_free(io);
    }
    assert_true(shorter > 0);
    assert_true(zeros > 0);
    assert_true(whole > 0);
}

static void test_names_need_directory_sync(void **state)
{
    size_t created = 0, renamed = 0, removed = 0;
    struct io_stat stat;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct io *io = sim_with(seed);
        assert_ok(io_path_make_directory(io, "d"));
        assert_ok(io_path_sync_directory(io, "."));
        assert_ok(io_path_replace(io, "d/old", "1", 1));
        assert_ok(io_path_replace(io, "d/away", "1", 1));
        struct io_file *file = opened(io, "d/new");
        assert_ok(io_file_sync(file));
        io_file_close(file);
        assert_ok(io_path_rename(io, "d/old", "d/moved"));
        assert_ok(io_path_remove(io, "d/away"));
        io_sim_crash(io);
        bool has_old = io_path_stat(io, "d/old", &stat) == OK;
        bool has_moved = io_path_stat(io, "d/moved", &stat) == OK;
        assert_true(has_old != has_moved); /* a rename is one step */
        created += io_path_stat(io, "d/new", &stat) == OK;
        renamed += has_moved;
        removed += io_path_stat(io, "d/away", &stat) != OK;
        io_free(io);

        io = sim_with(seed);
        assert_ok(io_path_replace(io, "old", "1", 1));
        assert_ok(io_path_rename(io, "old", "moved"));
        assert_ok(io_path_sync_directory(io, "."));
        io_sim_crash(io);
        assert_err(ERR_NOT_FOUND, io_path_stat(io, "old", &stat));
        assert_ok(io_path_stat(io, "moved", &stat));
        io_free(io);
    }
    assert_in_range(created, 1, SEEDS - 1);
    assert_in_range(renamed, 1, SEEDS - 1);
    assert_in_range(removed, 1, SEEDS - 1);
}

static void test_replace_is_atomic(void **state)
{
    size_t fresh = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct io_sim_options options = {.seed = seed, .write_fails = 100000, .sync_fails = 100000};
        struct io *io = io_sim_new(&options);
        io_sim_faults(io, false);
        assert_ok(io_path_replace(io, "f", "old content", 11));
        io_sim_faults(io, true);
        enum err err = io_path_replace(io, "f", "new", 3);
        io_sim_faults(io, false);
        io_sim_crash(io);
        struct buf out;
        buf_init(&out, 0);
        assert_ok(io_path_read(io, "f", 100, &out));
        bool is_new = str_equal(buf_str(&out), STR("new"));
        assert_true(is_new || str_equal(buf_str(&out), STR("old content")));
        if (err == OK)
            assert_true(is_new);
        fresh += is_new;
        buf_deinit(&out);
        io_free(io);
    }
    assert_in_range(fresh, 1, SEEDS - 1);
}

static void test_kill_keeps_all(void **state)
{
    struct io *io = sim_with(1);
    struct io_file *file = opened(io, "a"), *lock = NULL, *again = NULL;
    assert_ok(io_file_lock(io, "lock", &lock));
    assert_ok(io_file_write(file, 0, "written", 7));
    io_sim_kill(io);
    assert_err(ERR_CLOSED, io_file_write(file, 0, "x", 1));
    io_file_close(file);
    io_file_close(lock);
    assert_ok(io_file_lock(io, "lock", &again));
    io_file_close(again);
    struct buf out;
    buf_init(&out, 0);
    assert_ok(io_path_read(io, "a", 100, &out));
    assert_str("written", buf_str(&out));
    buf_deinit(&out);
    io_free(io);
}

static void test_disk_full(void **state)
{
    struct io_sim_options options = {.seed = 1, .disk_bytes = 10000};
    struct io *io = io_sim_new(&options);
    struct io_file *file = opened(io, "a");
    static const uint8_t data[8000];
    uint64_t left = 0;
    assert_ok(io_file_write(file, 0, data, 8000));
    assert_ok(io_file_write(file, 0, data, 8000)); /* in place */
    assert_ok(io_path_free_bytes(io, ".", &left));
    assert_int_equal(2000, left);
    assert_err(ERR_DISK_FULL, io_file_write(file, 8000, data, 2001));
    assert_err(ERR_DISK_FULL, io_file_allocate(file, 0, 10001, false));
    assert_ok(io_file_truncate(file, 5000));
    assert_ok(io_file_allocate(file, 0, 10000, true));
    assert_ok(io_path_free_bytes(io, ".", &left));
    assert_int_equal(0, left);
    io_sim_set_disk_bytes(io, 20000);
    assert_ok(io_file_write(file, 10000, data, 8000));
    assert_ok(io_path_remove(io, "a"));
    assert_ok(io_path_free_bytes(io, ".", &left));
    assert_int_equal(2000, left); /* the open file still holds it */
    io_file_close(file);
    assert_ok(io_path_free_bytes(io, ".", &left));
    assert_int_equal(20000, left);
    io_free(io);
}

static void test_failed_sync(void **state)
{
    size_t lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct io_sim_options options = {.seed = seed, .sync_fails = 1000000};
        struct io *io = io_sim_new(&options);
        struct io_file *file = opened(io, "a");
        io_sim_faults(io, false);
        assert_ok(io_path_sync_directory(io, "."));
        assert_ok(io_file_write(file, 0, "abc", 3));
        io_sim_faults(io, true);
        assert_err(ERR_IO, io_file_sync(file));
        io_sim_faults(io, false);
        assert_err(ERR_IO, io_file_sync(file));
        assert_err(ERR_IO, io_file_write(file, 0, "x", 1));
        assert_err(ERR_IO, io_file_truncate(file, 0));
        assert_err(ERR_IO, io_file_allocate(file, 0, 10, false));
        char data[4];
        size_t got = 0;
        assert_ok(io_file_read(file, 0, data, 3, &got)); /* reads back fine */
        assert_memory_equal("abc", data, 3);
        io_file_close(file);
        /* Another handle does not bring back what is lost. */
        file = opened(io, "a");
        assert_ok(io_file_sync(file));
        io_file_close(file);
        io_sim_crash(io);
        struct io_stat stat;
        assert_ok(io_path_stat(io, "a", &stat));
        lost += stat.bytes == 0;
        io_free(io);
    }
    assert_in_range(lost, 1, SEEDS - 1);
}

static void test_faults_strike(void **state)
{
    struct io_sim_options options = {
        .seed = 9, .write_fails = 300000, .write_full = 300000, .read_fails = 300000};
    struct io *io = io_sim_new(&options);
    struct io_file *file = opened(io, "a");
    size_t seen[ERR_COUNT_] = {0}, reads[ERR_COUNT_] = {0};
    for (size_t i = 0; i < 300; i++) {
        char byte = 0;
        size_t got = 0;
        seen[io_file_write(file, 0, "x", 1)]++;
        reads[io_file_read(file, 0, &byte, 1, &got)]++;
    }
    assert_true(seen[OK] > 50);
    assert_true(seen[ERR_IO] > 50);
    assert_true(seen[ERR_DISK_FULL] > 30);
    assert_true(reads[OK] > 150);
    assert_true(reads[ERR_IO] > 50);
    io_sim_faults(io, false);
    for (size_t i = 0; i < 100; i++)
        assert_ok(io_file_write(file, 0, "x", 1));
    io_file_close(file);
    io_free(io);
}

/* A thousand random steps with crashes; the hash of all that was seen. */
static uint64_t random_run(uint64_t seed)
{
    struct io_sim_options options = {.seed = seed,
                                     .disk_bytes = 200000,
                                     .write_fails = 10000,
                                     .write_full = 10000,
                                     .sync_fails = 10000,
                                     .read_fails = 10000};
    struct io *io = io_sim_new(&options);
    struct prng prng = {seed + 1};
    struct io_file *files[4] = {NULL};
    const char *names[4] = {"a", "b", "d/c", "d/e"};
    uint64_t hash = 0;
    static uint8_t data[9000];
    assert_ok(io_path_make_directory(io, "d"));
    assert_ok(io_path_sync_directory(io, "."));
    for (size_t step = 0; step < 1000; step++) {
        size_t i = (size_t)prng_below(&prng, 4), got = 0;
        uint64_t at = prng_below(&prng, 40000), bytes = prng_below(&prng, sizeof data);
        enum err err = OK;
        if (!files[i] && io_file_open(io, names[i], IO_READ | IO_WRITE | IO_CREATE, &files[i]))
            files[i] = NULL;
        switch (files[i] ? prng_below(&prng, 9) : 9) {
        case 0:
            err = io_file_sync(files[i]);
            break;
        case 1:
            err = io_file_truncate(files[i], at);
            break;
        case 2:
            io_file_close(files[i]);
            files[i] = NULL;
            break;
        case 3:
            err = io_path_rename(io, names[i], names[prng_below(&prng, 4)]);
            break;
        case 4:
            err = io_path_sync_directory(io, i < 2 ? "." : "d");
            break;
        case 5:
            if (prng_below(&prng, 10) == 0)
                io_sim_crash(io);
            break;
        case 6:
            err = io_file_read(files[i], at, data, bytes, &got);
            hash = hash_bytes(data, got, hash);
            break;
        case 7:
            err = prng_below(&prng, 4) ? OK : io_path_remove(io, names[i]);
            break;
        default:
            memset(data, (int)step, bytes);
            err = files[i] ? io_file_write(files[i], at, data, bytes) : OK;
        }
        hash = hash_bytes(&err, sizeof err, hash);
    }
    for (size_t i = 0; i < 4; i++)
        io_file_close(files[i]);
    /* The books of the disk are right: what is used is what the files have. A file has two names
     * when half of a move between directories survived a crash. */
    uint64_t left = 0, used = 0, seen[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        struct io_stat stat = {0};
        bool counts = io_path_stat(io, names[i], &stat) == OK;
        for (size_t j = 0; j < i; j++)
            counts = counts && seen[j] != stat.inode;
        seen[i] = stat.inode;
        used += counts ? stat.bytes : 0;
    }
    assert_ok(io_path_free_bytes(io, ".", &left));
    assert_int_equal(200000 > used ? 200000 - used : 0, left);
    io_free(io);
    return hash;
}

static void test_same_seed_same_run(void **state)
{
    uint64_t first = random_run(1);
    assert_true(first == random_run(1));
    assert_true(first != random_run(2));
    for (uint64_t seed = 3; seed < 40; seed++)
        random_run(seed);
}

/* A machine that stops: what was changed before is as after any crash, nothing is changed after. */
static void test_halt_leaves_no_trace(void **state)
{
    for (uint64_t changes = 0; changes < 6; changes++) {
        struct io *io = sim_with(changes);
        struct io_stat stat;
        size_t done = 0;
        io_sim_halt_after(io, changes);
        struct io_file *file = NULL;
        done += io_file_open(io, "a", IO_READ | IO_WRITE | IO_CREATE, &file) == OK;
        done += file && io_file_write(file, 0, "one", 3) == OK;
        done += file && io_file_sync(file) == OK;
        done += io_path_sync_directory(io, ".") == OK;
        done += io_path_rename(io, "a", "b") == OK;
        done += io_path_remove(io, "b") == OK;
        assert_int_equal(done, changes);
        assert_int_equal(io_sim_is_halted(io), changes < 6);
        assert_err(ERR_IO, io_path_make_directory(io, "d"));
        io_file_close(file);
        io_sim_kill(io);
        io_sim_resume(io);
        assert_int_equal(io_path_stat(io, "a", &stat) == OK, changes >= 1 && changes < 5);
        assert_int_equal(io_path_stat(io, "b", &stat) == OK, changes == 5);
        assert_ok(io_path_make_directory(io, "d"));
        io_free(io);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synced_survives),
        cmocka_unit_test(test_unsynced_tears),
        cmocka_unit_test(test_append_may_leave_zeros),
        cmocka_unit_test(test_names_need_directory_sync),
        cmocka_unit_test(test_replace_is_atomic),
        cmocka_unit_test(test_kill_keeps_all),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_failed_sync),
        cmocka_unit_test(test_faults_strike),
        cmocka_unit_test(test_halt_leaves_no_trace),
        cmocka_unit_test(test_same_seed_same_run),
    };
    return RUN_TESTS(tests);
}
