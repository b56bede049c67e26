/* SPDX-License-Identifier: MIT */
/* Standard input: whole, or by lines for commands that take a record a line. */
#include "base/mem.h"
#include "cli/cli.h"

enum { LINE_MAX_BYTES = 64 << 20, READ_BYTES = 64 << 10 };

enum err cli_read_input(struct cli *cli, struct buf *out)
{
    for (;;) {
        size_t got = 0;
        uint8_t *to = buf_reserve(out, READ_BYTES);
        if (!to)
            return ERR_LIMIT;
        TRY(io_stdin_read(cli->io, to, READ_BYTES, &got));
        if (!got)
            return OK;
        buf_advance(out, got);
    }
}

enum err cli_each_line(struct cli *cli, enum err (*line)(void *owner, struct str line), void *owner)
{
    CLEAN(buf_deinit) struct buf input = {.bytes_max = LINE_MAX_BYTES};
    for (;;) {
        size_t got = 0, start = 0, seen = input.bytes; /* no line feed before seen */
        uint8_t *to = buf_reserve(&input, READ_BYTES);
        if (!to) {
            cli_error(cli, "a line is over %d MB", LINE_MAX_BYTES >> 20);
            return ERR_LIMIT;
        }
        TRY(io_stdin_read(cli->io, to, READ_BYTES, &got));
        buf_advance(&input, got);
        for (size_t end; (end = str_find(buf_str(&input), STR("\n"), seen)) != SIZE_MAX;
             start = seen = end + 1)
            TRY(line(owner, str_slice(buf_str(&input), start, end)));
        buf_consume(&input, start);
        if (got == 0)
            break;
    }
    return input.bytes ? line(owner, buf_str(&input)) : OK;
}
