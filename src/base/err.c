/* SPDX-License-Identifier: MIT */
/*
 * The table of errors. Kafka codes are those of the protocol's error list, CQL codes those of the
 * native protocol (section 9 of its specification), SQLSTATE values those of the SQL standard's
 * classes. A code that a protocol has no word for maps to its "server error".
 */
#include "base/err.h"

#include "base/check.h"

#include <errno.h>

static const struct err_info table[ERR_COUNT_] = {
    [OK] = {"OK", "done", 0, 200, 0, "00000"},
    [ERR_INVALID] = {"INVALID", "not a valid value", 42, 400, 0x2200, "22023"},
    [ERR_SYNTAX] = {"SYNTAX", "does not parse", 42, 400, 0x2000, "42601"},
    [ERR_CORRUPT] = {"CORRUPT", "the bytes fail their check", 2, 400, 0x000A, "XX001"},
    [ERR_TRUNCATED] = {"TRUNCATED", "the data ends too early", 2, 400, 0x000A, "XX001"},
    [ERR_LIMIT] = {"LIMIT", "a limit is reached", 10, 413, 0x1001, "54000"},
    [ERR_NOT_FOUND] = {"NOT_FOUND", "not found", 3, 404, 0x2200, "42704"},
    [ERR_EXISTS] = {"EXISTS", "exists already", 36, 409, 0x2400, "42710"},
    [ERR_UNSUPPORTED] = {"UNSUPPORTED", "not supported", 35, 501, 0x2200, "0A000"},
    [ERR_OUT_OF_RANGE] = {"OUT_OF_RANGE", "out of range", 1, 416, 0x2200, "22003"},
    [ERR_CONFLICT] = {"CONFLICT", "in use by another", 51, 409, 0x2200, "55006"},
    [ERR_TIMEOUT] = {"TIMEOUT", "timed out", 7, 504, 0x1100, "57014"},
    [ERR_CLOSED] = {"CLOSED", "closed", 13, 503, 0x1000, "08006"},
    [ERR_CANCELLED] = {"CANCELLED", "cancelled", -1, 503, 0x0000, "57014"},
    [ERR_DENIED] = {"DENIED", "not allowed", 29, 403, 0x2100, "42501"},
    [ERR_IO] = {"IO", "the disk failed", 56, 500, 0x0000, "58030"},
    [ERR_DISK_FULL] = {"DISK_FULL", "the disk is full", 56, 507, 0x1001, "53100"},
    [ERR_NETWORK] = {"NETWORK", "the connection failed", 13, 502, 0x1000, "08006"},
    [ERR_AGAIN] = {"AGAIN", "try again later", 14, 503, 0x1001, "55P03"},
    [ERR_FENCED] = {"FENCED", "a newer owner took over", 47, 409, 0x2200, "40001"},
    [ERR_DISORDER] = {"DISORDER", "out of order", 45, 409, 0x2200, "40001"},
    [ERR_STATE] = {"STATE", "not possible in this state", 48, 409, 0x2200, "55000"},
};

const struct err_info *err_info(enum err err)
{
    check(err >= OK && err < ERR_COUNT_);
    return &table[err];
}

const char *err_text(enum err err)
{
    return err_info(err)->text;
}

enum err err_from_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return ERR_DISK_FULL;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case EAGAIN:
        return ERR_AGAIN;
    case EINVAL:
        return ERR_INVALID;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EFBIG:
        return ERR_LIMIT;
    case EADDRINUSE:
    case EBUSY:
        return ERR_CONFLICT;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENOTCONN:
    case ECONNABORTED:
        return ERR_NETWORK;
    default:
        return ERR_IO;
    }
}
