/* SPDX-License-Identifier: MIT */
/* Answers of an API and places from a topic: the first line is a place, the rest a document. What a
 * walk makes of them prints and reads back as the same place, and records lie in the document. */
#include "base/check.h"
#include "base/mem.h"
#include "connect/http_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct http_walk walks[3];

static void walks_make(void)
{
    for (int i = 0; i < 3; i++) {
        walks[i].kind = (enum walk_kind)(WALK_PAGE + i);
        walks[i].param = STR("p");
        walks[i].start = 1;
        walks[i].size = 2;
        check(json_path_parse(STR("$.items[*]"), NULL, &walks[i].records) == OK);
        check(json_path_parse(i == 2 ? STR("$.n") : STR("$.next"), NULL, &walks[i].from) == OK);
    }
}

static void check_round_trip(const struct http_walk *walk, const struct walk_place *place)
{
    struct buf text = {0}, again = {0};
    struct walk_place read = {0};
    walk_place_print(walk, place, &text);
    check(walk_place_parse(walk, buf_str(&text), &read) == OK);
    walk_place_print(walk, &read, &again);
    check(str_equal(buf_str(&text), buf_str(&again)));
    walk_place_deinit(&read);
    buf_deinit(&text);
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!walks[0].records)
        walks_make();
    struct str document = str_from(data, bytes), line = STR("");
    if (!str_cut(&document, '\n', &line) || !document.ptr || json_validate(document, 0, NULL) != OK)
        return 0;
    for (int i = 0; i < 3; i++) {
        struct walk_place place = {0}, next = {0};
        struct walk_records records;
        uint64_t fresh;
        if (walk_place_parse(&walks[i], line, &place) != OK)
            walk_place_start(&walks[i], &place);
        check_round_trip(&walks[i], &place);
        walk_answer(&walks[i], &place, document, &next, &records, &fresh);
        check(fresh <= records.count);
        for (uint64_t k = 0; records.items && k < records.count; k++) {
            check(records.items[k].ptr >= document.ptr);
            check(records.items[k].ptr + records.items[k].bytes <= document.ptr + document.bytes);
        }
        check_round_trip(&walks[i], &next);
        mem_free(records.items);
        walk_place_deinit(&place);
        walk_place_deinit(&next);
    }
    return 0;
}
