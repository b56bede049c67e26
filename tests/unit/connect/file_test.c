/* SPDX-License-Identifier: MIT */
/* Files: each line once, through growth, rotation, partial lines and restarts. */
#include "connect/connect.h"
#include "connect/file_source.h"
#include "source.h"

static void path_of(struct bench *b, const char *name, char *out, size_t room)
{
    snprintf(out, room, "%s/in/%s", b->w.dir, name);
}

static void add(struct bench *b, const char *name, const char *text)
{
    char path[256];
    struct io_file *file = NULL;
    uint64_t bytes = 0;
    path_of(b, name, path, sizeof path);
    assert_ok(io_file_open(b->w.io, path, IO_WRITE | IO_CREATE, &file));
    assert_ok(io_file_size(file, &bytes));
    assert_ok(io_file_write(file, bytes, text, strlen(text)));
    io_file_close(file);
}

static void open_files(struct bench *b, const char *pattern, bool follow)
{
    char path[256];
    bench_open(b, "file", 1);
    path_of(b, "", path, sizeof path);
    assert_ok(io_path_make_directory(b->w.io, path));
    char relative[64];
    snprintf(relative, sizeof relative, "in/%s", pattern);
    tree_set(&b->settings, "path", relative);
    tree_set(&b->settings, "every", "5ms");
    if (follow)
        tree_set(&b->settings, "follow", "true");
}

static void assert_values(struct bench *b, const char *want)
{
    struct buf have = {0};
    bench_collect(b, &have);
    assert_str(want, buf_str(&have));
    buf_deinit(&have);
}

static void test_whole_files(void **state)
{
    struct bench b;
    open_files(&b, "*.ndjson", false);
    add(&b, "b.ndjson", "3\n4"); /* no line feed at the end */
    add(&b, "a.ndjson", "1\r\n\n  \n2\n");
    add(&b, "c.txt", "9\n");
    bench_start(&b);
    world_until(&b.w, bench_is_over, &b);
    bench_until_count(&b, 4);
    assert_values(&b, "1;2;3;4;");
    bench_restart(&b);
    world_until(&b.w, bench_is_over, &b);
    bench_until_count(&b, 4);
    add(&b, "d.ndjson", "5\n");
    bench_restart(&b);
    bench_until_count(&b, 5);
    bench_close(&b);
}

static void test_follow(void **state)
{
    struct bench b;
    open_files(&b, "app.log", true);
    bench_start(&b);
    world_turn(&b.w, 20); /* the file is not there yet */
    add(&b, "app.log", "1\n2\n3");
    bench_until_count(&b, 2); /* a half line waits */
    add(&b, "app.log", "3\n4\n");
    bench_until_count(&b, 4);
    assert_values(&b, "1;2;33;4;");
    bench_restart(&b);
    add(&b, "app.log", "5\n");
    bench_until_count(&b, 5);
    bench_close(&b);
}

static void rotate(struct bench *b)
{
    char from[256], to[256];
    path_of(b, "app.log", from, sizeof from);
    path_of(b, "app.log.1", to, sizeof to);
    assert_ok(io_path_rename(b->w.io, from, to));
}

static void test_rotation(void **state)
{
    struct bench b;
    open_files(&b, "app.log", true);
    add(&b, "app.log", "1\n2\n");
    bench_start(&b);
    bench_until_count(&b, 2);
    /* While it runs: the rest of the old one comes first, or at least comes. */
    add(&b, "app.log", "3\n4");
    rotate(&b);
    add(&b, "app.log", "5\n");
    bench_until_count(&b, 5);
    /* While it is stopped: the old file is found by its inode under its new name. */
    bench_stop(&b);
    add(&b, "app.log", "6\n");
    rotate(&b);
    add(&b, "app.log", "7\n");
    world_restart(&b.w);
    bench_start(&b);
    bench_until_count(&b, 7);
    /* Cut and written anew in place. */
    char path[256];
    struct io_file *file = NULL;
    path_of(&b, "app.log", path, sizeof path);
    assert_ok(io_file_open(b.w.io, path, IO_WRITE, &file));
    assert_ok(io_file_truncate(file, 0));
    io_file_close(file);
    world_turn(&b.w, 30);
    add(&b, "app.log", "8\n");
    bench_until_count(&b, 8);
    bench_close(&b);
}

static void test_many_lines_over_restarts(void **state)
{
    struct bench b;
    struct buf text = {0};
    open_files(&b, "big.*", false);
    for (int i = 0; i < 60000; i++)
        buf_printf(&text, "{\"n\":%d,\"fill\":\"0123456789012345678901234567890123456789\"}\n", i);
    add(&b, "big.1", buf_c_str(&text));
    add(&b, "big.2", buf_c_str(&text));
    tree_set(&b.settings, "key", "$.n");
    bench_start(&b);
    for (int i = 0; i < 4; i++) {
        world_turn(&b.w, 3);
        bench_restart(&b);
    }
    world_until(&b.w, bench_is_over, &b);
    bench_until_count(&b, 120000);
    buf_deinit(&text);
    bench_close(&b);
}

/* A line that is longer than a piece is read whole; one that the topic cannot hold stops the source
 * with its place. */
static void test_long_lines(void **state)
{
    struct bench b;
    struct source_status status;
    open_files(&b, "*", false);
    char *line = mem_alloc(20000001);
    memset(line, 'x', 20000000);
    line[20000000] = 0;
    line[5000000] = '\n';
    add(&b, "a", "1\n");
    add(&b, "a", line);
    bench_start(&b);
    world_until(&b.w, bench_is_over, &b);
    b.connector->status(b.source, &status);
    assert_int_equal(SOURCE_DONE, status.state);
    bench_until_count(&b, 3);
    line[5000000] = 'x';
    add(&b, "b", "2\n");
    add(&b, "b", line);
    bench_restart(&b);
    world_until(&b.w, bench_is_over, &b);
    b.connector->status(b.source, &status);
    assert_int_equal(SOURCE_FAILED, status.state);
    bench_until_count(&b, 4);
    mem_free(line);
    bench_close(&b);
}

static void test_csv_header(void **state)
{
    struct bench b;
    open_files(&b, "*.csv", false);
    tree_set(&b.settings, "format", "csv");
    tree_set(&b.settings, "header", "true");
    add(&b, "a.csv", "id,name\n1,a\n2,b\n");
    add(&b, "b.csv", "id,name\n3,c\n");
    bench_start(&b);
    world_until(&b.w, bench_is_over, &b);
    bench_until_count(&b, 3);
    assert_values(&b, "1,a;2,b;3,c;");
    bench_close(&b);
}

static void test_patterns(void **state)
{
    assert_true(file_pattern_fits("*.json", "a.json"));
    assert_true(file_pattern_fits("a*b*c", "aXbYbZc"));
    assert_true(file_pattern_fits("?.*", "a.b"));
    assert_true(file_pattern_fits("*", ""));
    assert_false(file_pattern_fits("*.json", "a.jsonx"));
    assert_false(file_pattern_fits("a?c", "ac"));
    assert_false(file_pattern_fits("a", "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_files), cmocka_unit_test(test_follow),
        cmocka_unit_test(test_rotation),    cmocka_unit_test(test_many_lines_over_restarts),
        cmocka_unit_test(test_long_lines),  cmocka_unit_test(test_csv_header),
        cmocka_unit_test(test_patterns),
    };
    return RUN_TESTS(tests);
}
