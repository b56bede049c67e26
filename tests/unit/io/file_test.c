/* SPDX-License-Identifier: MIT */
/*
 * Files, paths and the process, as the public header promises them. The same promises are checked
 * against the real disk and the simulated one, so that the twin cannot drift away.
 */
#include "test.h"

#include "base/mem.h"
#include "io/sim.h"

#include <fcntl.h>
#include <unistd.h>

static char root[64];

static const char *at(const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *to = path[next++ % 4];
    snprintf(to, 256, "%s/%s", root, name);
    return to;
}

static int kernel_setup(void **state)
{
    snprintf(root, sizeof root, "/tmp/io-test-XXXXXX");
    *state = io_kernel_new();
    return mkdtemp(root) ? 0 : -1;
}

static int sim_setup(void **state)
{
    snprintf(root, sizeof root, "data");
    struct io_sim_options options = {.seed = 1};
    *state = io_sim_new(&options);
    return io_path_make_directory(*state, root) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct io *io = *state;
    enum err err = io_path_remove_tree(io, root);
    io_free(io);
    return err == OK ? 0 : -1;
}

static void test_read_write(void **state)
{
    struct io *io = *state;
    struct io_file *file = NULL;
    assert_err(ERR_NOT_FOUND, io_file_open(io, at("a"), IO_READ, &file));
    assert_ok(io_file_open(io, at("a"), IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &file));
    assert_ok(io_file_write(file, 0, "hello world", 11));
    assert_ok(io_file_write(file, 6, "W", 1));
    struct str pieces[] = {STR("abc"), STR_NONE, STR("def"), STR("g")};
    assert_ok(io_file_writev(file, 20, pieces, 4));
    uint64_t size = 0;
    assert_ok(io_file_size(file, &size));
    assert_int_equal(27, size);
    char data[64];
    size_t got = 0;
    assert_ok(io_file_read(file, 0, data, sizeof data, &got));
    assert_int_equal(27, got);
    assert_memory_equal("hello World\0\0\0\0\0\0\0\0\0abcdefg", data, 27);
    assert_ok(io_file_read(file, 27, data, sizeof data, &got));
    assert_int_equal(0, got);
    assert_ok(io_file_sync(file));
    assert_ok(io_file_truncate(file, 5));
    assert_ok(io_file_read(file, 3, data, sizeof data, &got));
    assert_int_equal(2, got);
    io_file_close(file);
    assert_err(ERR_EXISTS, io_file_open(io, at("a"), IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &file));
    assert_ok(io_file_open(io, at("a"), IO_WRITE | IO_TRUNCATE, &file));
    assert_ok(io_file_size(file, &size));
    assert_int_equal(0, size);
    io_file_close(file);
    io_file_close(NULL);
}

static void test_many_pieces(void **state)
{
    struct io *io = *state;
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, at("pieces"), IO_READ | IO_WRITE | IO_CREATE, &file));
    struct str pieces[200];
    for (size_t i = 0; i < 200; i++)
        pieces[i] = i % 7 == 3 ? STR_NONE : STR("0123456789");
    assert_ok(io_file_writev(file, 5, pieces, 200));
    uint64_t size = 0;
    assert_ok(io_file_size(file, &size));
    size_t empty = 0;
    for (size_t i = 0; i < 200; i++)
        empty += i % 7 == 3;
    assert_int_equal(5 + (200 - empty) * 10, size);
    char last[10];
    size_t got = 0;
    assert_ok(io_file_read(file, size - 10, last, 10, &got));
    assert_memory_equal("0123456789", last, 10);
    io_file_close(file);
}

static void test_allocate(void **state)
{
    struct io *io = *state;
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, at("space"), IO_READ | IO_WRITE | IO_CREATE, &file));
    assert_ok(io_file_write(file, 0, "keep", 4));
    assert_ok(io_file_allocate(file, 0, 3u << 19, true));
    uint64_t size = 0;
    assert_ok(io_file_size(file, &size));
    assert_int_equal(3u << 19, size);
    char data[8];
    size_t got = 0;
    assert_ok(io_file_read(file, 0, data, 8, &got));
    assert_memory_equal("keep\0\0\0\0", data, 8);
    assert_ok(io_file_allocate(file, 3u << 19, 100, false));
    assert_ok(io_file_size(file, &size));
    assert_int_equal((3u << 19) + 100, size);
    assert_err(ERR_OUT_OF_RANGE, io_file_allocate(file, UINT64_MAX - 5, 100, false));
    io_file_close(file);
}

static void test_lock(void **state)
{
    struct io *io = *state;
    struct io_file *first = NULL, *second = NULL;
    assert_ok(io_file_lock(io, at("lock"), &first));
    assert_err(ERR_CONFLICT, io_file_lock(io, at("lock"), &second));
    io_file_close(first);
    assert_ok(io_file_lock(io, at("lock"), &second));
    io_file_close(second);
}

static void test_whole_files(void **state)
{
    struct io *io = *state;
    struct buf out;
    buf_init(&out, 0);
    buf_text(&out, "before ");
    assert_err(ERR_NOT_FOUND, io_path_read(io, at("whole"), 100, &out));
    assert_ok(io_path_replace(io, at("whole"), "0123456789", 10));
    assert_err(ERR_LIMIT, io_path_read(io, at("whole"), 9, &out));
    assert_ok(io_path_read(io, at("whole"), 10, &out));
    assert_str("before 0123456789", buf_str(&out));
    buf_reset(&out);
    assert_ok(io_path_replace(io, at("whole"), "", 0));
    assert_ok(io_path_read(io, at("whole"), 10, &out));
    assert_str("", buf_str(&out));
    struct io_stat stat;
    assert_err(ERR_NOT_FOUND, io_path_stat(io, at("whole.new"), &stat));
    assert_err(ERR_NOT_FOUND, io_path_replace(io, at("no/where"), "x", 1));

    size_t bytes = 300000;
    CLEAN(mem_free_at) char *big = mem_alloc(bytes);
    memset(big, 'x', bytes);
    assert_ok(io_path_replace(io, at("whole"), big, bytes));
    assert_ok(io_path_read(io, at("whole"), bytes, &out));
    assert_int_equal(bytes, out.bytes);
    assert_memory_equal(big, out.ptr, bytes);
    buf_deinit(&out);
}

static void test_directories(void **state)
{
    struct io *io = *state;
    assert_ok(io_path_make_directory(io, at("d/e/f")));
    assert_ok(io_path_make_directory(io, at("d/e/f")));
    assert_ok(io_path_replace(io, at("d/e/z"), "12", 2));
    assert_ok(io_path_replace(io, at("d/e/B"), "1", 1));
    assert_err(ERR_EXISTS, io_path_make_directory(io, at("d/e/z")));
    assert_err(ERR_EXISTS, io_path_make_directory(io, at("d/e/z/y")));
    char **names = NULL;
    size_t count = 0;
    assert_ok(io_path_list(io, at("d/e"), &names, &count));
    assert_int_equal(3, count);
    assert_string_equal("B", names[0]);
    assert_string_equal("f", names[1]);
    assert_string_equal("z", names[2]);
    io_names_free(names, count);
    assert_err(ERR_NOT_FOUND, io_path_list(io, at("none"), &names, &count));

    struct io_stat stat, moved;
    assert_ok(io_path_stat(io, at("d/e/z"), &stat));
    assert_int_equal(2, stat.bytes);
    assert_false(stat.is_directory);
    assert_ok(io_path_rename(io, at("d/e/z"), at("d/e/B")));
    assert_ok(io_path_stat(io, at("d/e/B"), &moved));
    assert_int_equal(stat.inode, moved.inode);
    assert_int_equal(2, moved.bytes);
    assert_err(ERR_NOT_FOUND, io_path_stat(io, at("d/e/z"), &stat));
    assert_err(ERR_NOT_FOUND, io_path_rename(io, at("d/e/z"), at("d/e/y")));
    assert_ok(io_path_stat(io, at("d"), &stat));
    assert_true(stat.is_directory);
    assert_ok(io_path_sync_directory(io, at("d/e")));
    assert_err(ERR_NOT_FOUND, io_path_sync_directory(io, at("none")));

    assert_err(ERR_INVALID, io_path_remove(io, at("d/e")));
    assert_ok(io_path_remove(io, at("d/e/B")));
    assert_err(ERR_NOT_FOUND, io_path_remove(io, at("d/e/B")));
    assert_ok(io_path_replace(io, at("d/e/f/deep"), "1", 1));
    assert_ok(io_path_remove_tree(io, at("d")));
    assert_err(ERR_NOT_FOUND, io_path_stat(io, at("d"), &stat));
    assert_err(ERR_NOT_FOUND, io_path_remove_tree(io, at("d")));
}

static void test_removed_file_lives_on(void **state)
{
    struct io *io = *state;
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, at("gone"), IO_READ | IO_WRITE | IO_CREATE, &file));
    assert_ok(io_path_remove(io, at("gone")));
    assert_ok(io_file_write(file, 0, "x", 1));
    char byte = 0;
    size_t got = 0;
    assert_ok(io_file_read(file, 0, &byte, 1, &got));
    assert_int_equal('x', byte);
    io_file_close(file);
}

static void test_process(void **state)
{
    struct io *io = *state;
    int64_t before = io_now_ns(io);
    io_sleep_ns(io, 2000000);
    assert_true(io_now_ns(io) - before >= 2000000);
    assert_true(io_wall_us(io) > 1500000000LL * 1000000);
    uint8_t a[32] = {0}, b[32] = {0};
    io_random(io, a, sizeof a);
    io_random(io, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_null(io_env(io, "MILLRACE_NO_SUCH_VARIABLE"));
    assert_true(io_cpu_count(io) >= 1);
    struct io_usage usage;
    io_usage(io, &usage);
    assert_true(usage.threads >= 1);
    assert_true(io_terminal_columns(io) >= 1);
    uint64_t bytes = 0;
    assert_ok(io_path_free_bytes(io, root, &bytes));
    assert_true(bytes > 0);
}

static void test_kernel_only(void **state)
{
    struct io *io = *state;
    assert_non_null(io_env(io, "PATH"));
    struct io_usage usage;
    io_usage(io, &usage);
    assert_true(usage.rss_bytes > 100000);
    assert_false(io_is_terminal(io, 77));
    struct io_file *file = NULL;
    assert_ok(io_file_open(io, at("fd"), IO_WRITE | IO_CREATE, &file));
    assert_true(io_file_fd(file) >= 0);
    io_file_close(file);
    struct io_file *full = NULL;
    assert_ok(io_file_open(io, "/dev/full", IO_WRITE, &full));
    assert_err(ERR_DISK_FULL, io_file_write(full, 0, "x", 1));
    /* A device that cannot be synced stands for a disk whose sync fails. */
    assert_err(ERR_IO, io_file_sync(full));
    assert_err(ERR_IO, io_file_write(full, 0, "x", 1));
    assert_err(ERR_IO, io_file_truncate(full, 0));
    io_file_close(full);
}

static void test_standard_descriptors(void **state)
{
    struct io *io = *state;
    int in[2], out[2];
    assert_int_equal(0, pipe2(in, O_CLOEXEC));
    assert_int_equal(0, pipe2(out, O_CLOEXEC));
    int saved_in = dup(0), saved_out = dup(1);
    fflush(stdout);
    dup2(in[0], 0);
    dup2(out[1], 1);
    ssize_t typed = write(in[1], "typed", 5);
    close(in[1]);
    char data[16] = "", shown[16] = "";
    size_t got = 0, end = 1;
    enum err read_err = io_stdin_read(io, data, sizeof data, &got);
    enum err end_err = io_stdin_read(io, shown, sizeof shown, &end);
    enum err write_err = io_stdout_write(io, "a\0b", 3);
    ssize_t n = read(out[0], shown, sizeof shown);
    close(out[0]);
    enum err gone_err = io_stdout_write(io, "x", 1);
    bool terminal = io_is_terminal(io, 0);
    dup2(saved_in, 0);
    dup2(saved_out, 1);
    close(saved_in);
    close(saved_out);
    close(in[0]);
    close(out[1]);
    assert_int_equal(5, typed);
    assert_ok(read_err);
    assert_int_equal(5, got);
    assert_memory_equal("typed", data, 5);
    assert_ok(end_err);
    assert_int_equal(0, end);
    assert_ok(write_err);
    assert_int_equal(3, n);
    assert_memory_equal("a\0b", shown, 3);
    assert_err(ERR_CLOSED, gone_err);
    assert_false(terminal);
}

/* What was just written is in memory; what the system forgot is there again after warming. */
static void test_ready(void **state)
{
    enum { BYTES = 1 << 20 };
    struct io *io = *state;
    CLEAN(mem_free_at) uint8_t *data = mem_zero(BYTES);
    struct io_file *file;
    assert_ok(io_file_open(io, at("ready"), IO_READ | IO_WRITE | IO_CREATE, &file));
    assert_ok(io_file_write(file, 0, data, BYTES));
    assert_true(io_file_is_ready(file, 0, BYTES));
    assert_true(io_file_is_ready(file, BYTES, 100)); /* behind the end there is nothing to read */
    assert_ok(io_file_sync(file));
    io_file_forget(file, 0, BYTES);
    /* Not every file system lets go; the simulator keeps everything. */
    bool kept = io_file_is_ready(file, 0, BYTES);
    assert_true(kept || io_file_fd(file) >= 0);
    io_file_warm(file, 0, BYTES);
    assert_true(io_file_is_ready(file, 0, BYTES));
    io_file_warm(file, BYTES, 1);
    io_file_close(file);
}

#define CASES(setup)                                                                               \
    cmocka_unit_test_setup_teardown(test_read_write, setup, teardown),                             \
        cmocka_unit_test_setup_teardown(test_many_pieces, setup, teardown),                        \
        cmocka_unit_test_setup_teardown(test_allocate, setup, teardown),                           \
        cmocka_unit_test_setup_teardown(test_ready, setup, teardown),                              \
        cmocka_unit_test_setup_teardown(test_lock, setup, teardown),                               \
        cmocka_unit_test_setup_teardown(test_whole_files, setup, teardown),                        \
        cmocka_unit_test_setup_teardown(test_directories, setup, teardown),                        \
        cmocka_unit_test_setup_teardown(test_removed_file_lives_on, setup, teardown),              \
        cmocka_unit_test_setup_teardown(test_process, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(kernel_setup),
        cmocka_unit_test_setup_teardown(test_kernel_only, kernel_setup, teardown),
        cmocka_unit_test_setup_teardown(test_standard_descriptors, kernel_setup, teardown),
        CASES(sim_setup),
    };
    return RUN_TESTS(tests);
}
