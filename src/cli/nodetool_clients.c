/* SPDX-License-Identifier: MIT */
/*
 * nodetool clientstats: tables of connections, laid out as Cassandra's nodetool does: each column
 * as wide as its widest cell, one blank between. Users and addresses are sorted, which Cassandra's
 * are not.
 */
#include "cli/nodetool.h"

#include "base/civil.h"
#include "base/mem.h"
#include "format/json.h"

#include <stdlib.h>

enum { ARENA_BYTES_MAX = 256 << 20, COLUMNS_MAX = 10 };
/* The columns of CLIENTS_QUERY. */
enum client_column {
    ADDRESS,
    PORT,
    HOSTNAME,
    SSL_ENABLED,
    CIPHER,
    PROTOCOL,
    VERSION,
    USER,
    KEYSPACE,
    REQUESTS,
    DRIVER_NAME,
    DRIVER_VERSION,
    COLUMN_COUNT,
};

struct client {
    struct str columns[COLUMN_COUNT]; /* ptr NULL = null */
};

struct clients {
    struct arena arena;
    struct client *all;
    size_t count;
};

static void read_clients(struct str rows, struct clients *clients)
{
    struct str key, row, cell;
    size_t state = 0, room = 0;
    arena_init(&clients->arena, ARENA_BYTES_MAX);
    while (json_next(rows, &state, &key, &row))
        room++;
    clients->all = arena_zero(&clients->arena, (room + 1) * sizeof *clients->all);
    for (state = 0; json_next(rows, &state, &key, &row);) {
        struct client *client = &clients->all[clients->count++];
        size_t at = 0;
        for (size_t i = 0; i < COLUMN_COUNT && json_next(row, &at, &key, &cell); i++) {
            CLEAN(buf_deinit) struct buf text = {0};
            if (json_kind(cell) == JSON_KIND_NULL)
                continue;
            json_text(cell, &text);
            client->columns[i] = text.bytes ? arena_str(&clients->arena, buf_str(&text)) : STR("");
        }
    }
}

/* ---- a table ---- */

struct lines {
    struct clients *clients;
    size_t width, count; /* cells of a line, lines */
    struct str *cells;
};

static struct lines lines_new(struct clients *clients, const char *const *titles, size_t width)
{
    struct lines lines = {clients, width, 1, NULL};
    lines.cells =
        arena_zero(&clients->arena, (clients->count + 1) * COLUMNS_MAX * sizeof *lines.cells);
    for (size_t i = 0; i < width; i++)
        lines.cells[i] = str_of(titles[i]);
    return lines;
}

static struct str *next_line(struct lines *lines)
{
    return lines->cells + lines->width * lines->count++;
}

static int compare_cells(const void *a, const void *b)
{
    const struct str *one = a, *other = b;
    int order = str_compare(one[0], other[0]);
    return order ? order : str_compare(one[1], other[1]);
}

static void print_lines(const struct lines *lines, struct buf *out)
{
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < lines->count * lines->width; i++)
        if (lines->cells[i].bytes > widths[i % lines->width])
            widths[i % lines->width] = lines->cells[i].bytes;
    for (size_t i = 0; i < lines->count * lines->width; i++) {
        size_t column = i % lines->width;
        buf_str_append(out, lines->cells[i]);
        for (size_t pad = lines->cells[i].bytes; pad < widths[column]; pad++)
            buf_char(out, ' ');
        buf_char(out, column + 1 < lines->width ? ' ' : '\n');
    }
}

static struct str or_undefined(struct str value)
{
    return value.ptr ? value : STR("undefined");
}

static struct str shown_address(struct clients *clients, const struct client *client)
{
    struct str address = client->columns[ADDRESS];
    bool six = str_find(address, STR(":"), 0) != SIZE_MAX;
    return str_of(arena_printf(&clients->arena, "/%s%.*s%s:%.*s", six ? "[" : "", STR_ARG(address),
                               six ? "]" : "", STR_ARG(client->columns[PORT])));
}

/* ---- what is asked for ---- */

static void print_all(struct clients *clients, struct buf *out)
{
    static const char *const titles[] = {"Address",     "SSL",           "Cipher",   "Protocol",
                                         "Version",     "User",          "Keyspace", "Requests",
                                         "Driver-Name", "Driver-Version"};
    static const enum client_column columns[] = {CIPHER,   PROTOCOL, VERSION,     USER,
                                                 KEYSPACE, REQUESTS, DRIVER_NAME, DRIVER_VERSION};
    struct lines lines = lines_new(clients, titles, 10);
    for (size_t i = 0; i < clients->count; i++) {
        const struct client *client = &clients->all[i];
        struct str *line = next_line(&lines);
        line[0] = shown_address(clients, client);
        line[1] = str_equal_nocase(client->columns[SSL_ENABLED], STR("true")) ? STR("true")
                                                                              : STR("false");
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
            struct str value = client->columns[columns[c]];
            line[2 + c] = columns[c] == KEYSPACE && !value.ptr ? STR("") : or_undefined(value);
        }
    }
    print_lines(&lines, out);
    buf_char(out, '\n');
}

void nodetool_clients(struct str rows, bool all, struct buf *out)
{
    static const char *const titles[] = {"User", "Connections"};
    struct clients clients = {0};
    read_clients(rows, &clients);
    if (all && clients.count)
        print_all(&clients, out);
    buf_printf(out, "Total connected clients: %zu\n\n", clients.count);
    struct lines users = lines_new(&clients, titles, 2);
    struct str *names = arena_zero(&clients.arena, (clients.count + 1) * 2 * sizeof *names);
    for (size_t i = 0; i < clients.count; i++)
        names[2 * i] = or_undefined(clients.all[i].columns[USER]);
    if (clients.count)
        qsort(names, clients.count, 2 * sizeof *names, compare_cells);
    for (size_t i = 0, same; i < clients.count; i += same) {
        struct str *line = next_line(&users);
        for (same = 1; i + same < clients.count && str_equal(names[2 * i], names[2 * (i + same)]);)
            same++;
        line[0] = names[2 * i];
        line[1] = str_of(arena_printf(&clients.arena, "%zu", same));
    }
    print_lines(&users, out);
    arena_deinit(&clients.arena);
}

void nodetool_clients_by_protocol(struct str rows, int64_t now_us, struct buf *out)
{
    static const char *const titles[] = {"Protocol-Version", "IP-Address", "Last-Seen"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct clients clients = {0};
    struct civil now;
    read_clients(rows, &clients);
    civil_from_us(now_us, &now);
    struct str seen =
        str_of(arena_printf(&clients.arena, "%s %02d, %lld %02d:%02d:%02d", months[now.month - 1],
                            now.day, (long long)now.year, now.hour, now.minute, now.second));
    struct lines lines = lines_new(&clients, titles, 3), once = lines_new(&clients, titles, 3);
    for (size_t i = 0; i < clients.count; i++) {
        const struct str *columns = clients.all[i].columns;
        struct str *line = next_line(&lines);
        line[0] = str_of(arena_printf(&clients.arena, "%.*s/v%.*s", STR_ARG(columns[VERSION]),
                                      STR_ARG(columns[VERSION])));
        line[1] = str_of(arena_printf(&clients.arena, "%.*s/%.*s", STR_ARG(columns[HOSTNAME]),
                                      STR_ARG(columns[ADDRESS])));
        line[2] = seen;
    }
    if (clients.count)
        qsort(lines.cells + 3, clients.count, 3 * sizeof *lines.cells, compare_cells);
    for (size_t i = 1; i < lines.count; i++)
        if (i == 1 || compare_cells(lines.cells + 3 * i, lines.cells + 3 * (i - 1)))
            memcpy(next_line(&once), lines.cells + 3 * i, 3 * sizeof *once.cells);
    buf_text(out, "Clients by protocol version\n\n");
    if (clients.count) {
        print_lines(&once, out);
        buf_char(out, '\n');
    }
    arena_deinit(&clients.arena);
}
