/* SPDX-License-Identifier: MIT */
/* Rows as bytes and their merge: round trips, tie rules, and that no order or grouping matters. */
#include "base/mem.h"
#include "base/prng.h"
#include "table/merge.h"

#include "test.h"

static void put(struct buf *out, const struct deletion *deletion, const struct cell *cells,
                size_t count)
{
    struct row_base base = {count ? cells[0].timestamp_us : 0, 1000, 10};
    bool paths = false;
    for (size_t i = 0; i < count; i++)
        paths |= cells[i].path.ptr != NULL;
    buf_reset(out);
    if (paths)
        row_begin_paths(out, &base, true, deletion);
    else
        row_begin(out, &base, true, deletion);
    for (size_t i = 0; i < count; i++)
        if (paths)
            row_add_path(out, &base, &cells[i]);
        else
            row_add(out, &base, &cells[i]);
    assert_ok(buf_error(out));
}

static struct cell random_cell(struct prng *prng, uint32_t id)
{
    static const char *const values[] = {"", "a", "b", "ab", "zzzzzzzzzzzzzzzzzzzzzzzzzz"};
    struct cell cell = {.id = id,
                        .kind = (enum cell_kind)prng_below(prng, 3),
                        .timestamp_us = (int64_t)prng_below(prng, 4)};
    if (cell.kind != CELL_LIVE)
        cell.time_s = 1000 + (int64_t)prng_below(prng, 3);
    if (cell.kind == CELL_EXPIRING)
        cell.ttl_s = 10 + (int64_t)prng_below(prng, 2);
    if (cell.kind != CELL_TOMBSTONE && id)
        cell.value = str_of(values[prng_below(prng, 5)]);
    return cell;
}

/* Half of them with elements in columns 5 to 7. */
static void random_row(struct prng *prng, struct buf *out)
{
    static const char *const paths[] = {"", "a", "ab"};
    struct cell cells[20];
    size_t count = 0;
    bool elements = prng_below(prng, 2);
    for (uint32_t id = 0; id < 8; id++) {
        if (prng_below(prng, 2))
            cells[count++] = random_cell(prng, id);
        for (size_t i = 0; i < 3 && elements && id >= 5; i++) {
            if (prng_below(prng, 2))
                continue;
            cells[count] = random_cell(prng, id);
            cells[count++].path = str_of(paths[i]);
        }
    }
    struct deletion deletion = DELETION_NONE;
    if (prng_below(prng, 3) == 0)
        deletion = (struct deletion){(int64_t)prng_below(prng, 3), 1000, false};
    put(out, &deletion, cells, count);
}

static void merge_some(const struct str *rows, size_t count, struct buf *out)
{
    buf_reset(out);
    assert_ok(row_merge(rows, count, out));
}

static void order_and_grouping(void **state)
{
    struct prng prng = {42};
    enum { ROWS = 12 };
    struct buf rows[ROWS] = {0}, all = {0}, left = {0}, right = {0}, out = {0};
    for (int round = 0; round < 3000; round++) {
        size_t count = 1 + (size_t)prng_below(&prng, ROWS);
        struct str parts[ROWS];
        for (size_t i = 0; i < count; i++) {
            random_row(&prng, &rows[i]);
            parts[i] = buf_str(&rows[i]);
        }
        merge_some(parts, count, &all);
        for (size_t i = count - 1; i > 0; i--) {
            size_t other = (size_t)prng_below(&prng, i + 1);
            struct str swap = parts[i];
            parts[i] = parts[other];
            parts[other] = swap;
        }
        merge_some(parts, count, &out);
        assert_true(str_equal(buf_str(&all), buf_str(&out)));
        /* In two groups, the second first; a row may come twice. */
        size_t cut = (size_t)prng_below(&prng, count);
        merge_some(parts, cut + 1, &left);
        merge_some(parts + cut, count - cut, &right);
        struct str groups[] = {buf_str(&right), buf_str(&left)};
        merge_some(groups, 2, &out);
        assert_true(str_equal(buf_str(&all), buf_str(&out)));
        struct str once[] = {buf_str(&all)};
        merge_some(once, 1, &out);
        assert_true(str_equal(buf_str(&all), buf_str(&out)));
    }
    for (size_t i = 0; i < ROWS; i++)
        buf_deinit(&rows[i]);
    buf_deinit(&all);
    buf_deinit(&left);
    buf_deinit(&right);
    buf_deinit(&out);
}

/* The second of each pair stands. */
static void ties(void **state)
{
    static const struct cell pairs[][2] = {
        {{1, CELL_LIVE, 5, 0, 0, {"z", 1}, STR_NONE}, {1, CELL_LIVE, 6, 0, 0, {"a", 1}, STR_NONE}},
        {{1, CELL_LIVE, 5, 0, 0, {"a", 1}, STR_NONE}, {1, CELL_LIVE, 5, 0, 0, {"b", 1}, STR_NONE}},
        {{1, CELL_LIVE, 5, 0, 0, {"a", 1}, STR_NONE}, {1, CELL_LIVE, 5, 0, 0, {"ab", 2}, STR_NONE}},
        {{1, CELL_LIVE, 5, 0, 0, {"a", 1}, STR_NONE},
         {1, CELL_LIVE, 5, 0, 0, {"\x80", 1}, STR_NONE}},
        {{1, CELL_LIVE, 5, 0, 0, {"z", 1}, STR_NONE}, {1, CELL_TOMBSTONE, 5, 1, 0, {0}, STR_NONE}},
        {{1, CELL_LIVE, 5, 0, 0, {"z", 1}, STR_NONE},
         {1, CELL_EXPIRING, 5, 1, 1, {"a", 1}, STR_NONE}},
        {{1, CELL_EXPIRING, 5, 9, 1, {"z", 1}, STR_NONE},
         {1, CELL_TOMBSTONE, 5, 1, 0, {0}, STR_NONE}},
        {{1, CELL_EXPIRING, 5, 1, 1, {"z", 1}, STR_NONE},
         {1, CELL_EXPIRING, 5, 2, 1, {"a", 1}, STR_NONE}},
        {{1, CELL_EXPIRING, 5, 1, 1, {"a", 1}, STR_NONE},
         {1, CELL_EXPIRING, 5, 1, 1, {"b", 1}, STR_NONE}},
        {{1, CELL_TOMBSTONE, 5, 1, 0, {0}, STR_NONE}, {1, CELL_TOMBSTONE, 5, 2, 0, {0}, STR_NONE}},
        {{1, CELL_TOMBSTONE, 5, 9, 0, {0}, STR_NONE}, {1, CELL_LIVE, 6, 0, 0, {"a", 1}, STR_NONE}},
    };
    struct buf loser = {0}, winner = {0}, out = {0};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        put(&loser, &DELETION_NONE, &pairs[i][0], 1);
        put(&winner, &DELETION_NONE, &pairs[i][1], 1);
        struct str rows[] = {buf_str(&winner), buf_str(&loser)};
        struct row_reader reader;
        struct cell cell;
        merge_some(rows, 2, &out);
        assert_ok(row_reader_init(&reader, buf_str(&out)));
        assert_true(row_reader_next(&reader, &cell));
        assert_int_equal(0, cell_compare(&cell, &pairs[i][1]));
        assert_true(cell_compare(&pairs[i][0], &pairs[i][1]) < 0);
        assert_false(row_reader_next(&reader, &cell));
    }
    buf_deinit(&loser);
    buf_deinit(&winner);
    buf_deinit(&out);
}

static void deletions(void **state)
{
    struct cell cells[] = {{1, CELL_LIVE, 5, 0, 0, {"a", 1}, STR_NONE},
                           {2, CELL_LIVE, 7, 0, 0, {"b", 1}, STR_NONE}};
    struct deletion deletion = {5, 1000, true};
    struct buf row = {0}, gone = {0}, out = {0};
    put(&row, &DELETION_NONE, cells, 2);
    put(&gone, &deletion, NULL, 0);
    struct str rows[] = {buf_str(&row), buf_str(&gone)};
    merge_some(rows, 2, &out);
    struct row_reader reader;
    struct cell cell;
    assert_ok(row_reader_init(&reader, buf_str(&out)));
    assert_int_equal(5, reader.deletion.timestamp_us);
    assert_true(reader.deletion.of_partition);
    assert_true(row_reader_next(&reader, &cell));
    assert_int_equal(2, cell.id);
    assert_false(row_reader_next(&reader, &cell));
    buf_deinit(&row);
    buf_deinit(&gone);
    buf_deinit(&out);
}

static void purging(void **state)
{
    struct cell cells[] = {{1, CELL_LIVE, 5, 0, 0, {"a", 1}, STR_NONE},
                           {2, CELL_EXPIRING, 5, 100, 10, {"b", 1}, STR_NONE},
                           {3, CELL_TOMBSTONE, 9, 200, 0, {0}, STR_NONE}};
    struct deletion none = DELETION_NONE, cover = {5, 0, true};
    struct buf row = {0}, out = {0};
    bool changed = true;
    put(&row, &DELETION_NONE, cells, 3);
    assert_ok(row_purge(buf_str(&row), &none, 100, &changed, &out));
    assert_false(changed);
    assert_ok(row_purge(buf_str(&row), &none, 101, &changed, &out));
    assert_true(changed);
    struct row_reader reader;
    struct cell cell;
    assert_ok(row_reader_init(&reader, buf_str(&out)));
    assert_true(row_reader_next(&reader, &cell) && cell.id == 1);
    assert_true(row_reader_next(&reader, &cell) && cell.id == 3);
    assert_false(row_reader_next(&reader, &cell));
    buf_reset(&out);
    assert_ok(row_purge(buf_str(&row), &cover, 201, &changed, &out));
    assert_true(changed);
    assert_int_equal(0, out.bytes);
    buf_deinit(&row);
    buf_deinit(&out);
}

/* Cut or changed bytes are read to an error or to other cells, never past the end. */
static void damaged_rows(void **state)
{
    struct prng prng = {7};
    struct buf row = {0}, out = {0};
    for (int round = 0; round < 2000; round++) {
        random_row(&prng, &row);
        size_t bytes = (size_t)prng_below(&prng, row.bytes);
        char *cut = mem_alloc(bytes);
        memcpy(cut, row.ptr, bytes);
        if (bytes && prng_below(&prng, 2))
            cut[prng_below(&prng, bytes)] ^= (char)(1 << prng_below(&prng, 8));
        struct str rows[] = {str_from(cut, bytes), buf_str(&row)};
        buf_reset(&out);
        enum err err = row_merge(rows, 2, &out);
        assert_true(err == OK || err == ERR_CORRUPT);
        mem_free(cut);
    }
    buf_deinit(&row);
    buf_deinit(&out);
}

/* Long values and great ids, and the length that is put in afterwards. */
static void big_cells(void **state)
{
    static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 3000000};
    struct row_base base = {5, 0, 0};
    struct buf out = {0}, value = {0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        buf_reset(&out);
        buf_reset(&value);
        for (size_t at = 0; at < lengths[i]; at++)
            buf_u8(&value, (uint8_t)at);
        row_begin(&out, &base, false, &DELETION_NONE);
        struct cell cell = {.id = 3, .timestamp_us = 5};
        row_add_open(&out, &base, &cell);
        size_t at = out.bytes;
        buf_str_append(&out, buf_str(&value));
        row_length_patch(&out, at);
        row_add_live(&out, 4, buf_str(&value));
        row_add_head(&out, 1000000, value.bytes);
        buf_str_append(&out, buf_str(&value));
        struct row_reader reader;
        assert_ok(row_reader_init(&reader, buf_str(&out)));
        for (uint32_t id = 3; id; id = id == 3 ? 4 : id == 4 ? 1000000 : 0) {
            assert_true(row_reader_next(&reader, &cell));
            assert_int_equal(id, cell.id);
            assert_int_equal(5, cell.timestamp_us);
            assert_true(str_equal(buf_str(&value), cell.value));
        }
        assert_false(row_reader_next(&reader, &cell));
        assert_ok(reader.bytes.err);
    }
    buf_deinit(&out);
    buf_deinit(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_grouping), cmocka_unit_test(ties),
        cmocka_unit_test(deletions),          cmocka_unit_test(purging),
        cmocka_unit_test(damaged_rows),       cmocka_unit_test(big_cells),
    };
    return RUN_TESTS(tests);
}
