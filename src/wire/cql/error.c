/* SPDX-License-Identifier: MIT */
/*
 * ERROR: a code, a text, and what the code has beyond them. v5 replaces the number of failures by a
 * map from node to reason, which for one node that names nobody is empty; before v4 there were no
 * failures, only timeouts, and they are sent as those.
 */
#include "wire/cql/cql.h"

static bool is_failure(enum cql_error_code code)
{
    return code == CQL_READ_FAILURE || code == CQL_WRITE_FAILURE;
}

void cql_error_append(struct buf *out, unsigned version, const struct cql_error *error)
{
    enum cql_error_code code = error->code;
    if (version < 4 && is_failure(code))
        code = code == CQL_READ_FAILURE ? CQL_READ_TIMEOUT : CQL_WRITE_TIMEOUT;
    buf_be32(out, code);
    cql_string_append(out, str_slice(error->message, 0, UINT16_MAX));
    switch (code) {
    case CQL_UNAVAILABLE:
        buf_be16(out, error->consistency);
        buf_be32(out, (uint32_t)error->required);
        buf_be32(out, (uint32_t)error->received);
        break;
    case CQL_WRITE_TIMEOUT:
    case CQL_READ_TIMEOUT:
    case CQL_READ_FAILURE:
    case CQL_WRITE_FAILURE:
        buf_be16(out, error->consistency);
        buf_be32(out, (uint32_t)error->received);
        buf_be32(out, (uint32_t)error->required);
        if (is_failure(code))
            buf_be32(out, version >= 5 ? 0 : 1);
        if (code == CQL_READ_TIMEOUT || code == CQL_READ_FAILURE) {
            buf_u8(out, error->data_present);
            break;
        }
        cql_string_append(out, str_of(error->write_type ? error->write_type : "SIMPLE"));
        if (code == CQL_WRITE_TIMEOUT && version >= 5 && error->write_type &&
            strcmp(error->write_type, "CAS") == 0)
            buf_be16(out, 0);
        break;
    case CQL_FUNCTION_FAILURE:
        cql_string_append(out, error->keyspace);
        cql_string_append(out, error->table);
        buf_be16(out, 0);
        break;
    case CQL_ALREADY_EXISTS:
        cql_string_append(out, error->keyspace);
        cql_string_append(out, error->table);
        break;
    case CQL_UNPREPARED:
        cql_short_bytes_append(out, error->id);
        break;
    default:
        break;
    }
}

static const char *write_type_of(struct str text)
{
    static const char *const types[] = {"SIMPLE",    "BATCH", "UNLOGGED_BATCH", "COUNTER",
                                        "BATCH_LOG", "CAS",   "VIEW",           "CDC"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_equal(text, str_of(types[i])))
            return types[i];
    return "SIMPLE";
}

static void failures_read(struct reader *r, unsigned version)
{
    uint32_t count = reader_be32(r);
    for (uint32_t i = 0; version >= 5 && i < count && r->err == OK; i++) {
        reader_take(r, reader_u8(r));
        reader_be16(r);
    }
}

enum err cql_error_read(struct reader *r, unsigned version, struct arena *arena,
                        struct cql_error *ret_error)
{
    struct cql_error e = {.code = (enum cql_error_code)reader_be32(r)};
    e.message = arena_str(arena, cql_string_read(r));
    TRY(r->err);
    switch (e.code) {
    case CQL_UNAVAILABLE:
        e.consistency = reader_be16(r);
        e.required = (int32_t)reader_be32(r);
        e.received = (int32_t)reader_be32(r);
        break;
    case CQL_WRITE_TIMEOUT:
    case CQL_READ_TIMEOUT:
    case CQL_READ_FAILURE:
    case CQL_WRITE_FAILURE:
        e.consistency = reader_be16(r);
        e.received = (int32_t)reader_be32(r);
        e.required = (int32_t)reader_be32(r);
        if (is_failure(e.code))
            failures_read(r, version);
        if (e.code == CQL_READ_TIMEOUT || e.code == CQL_READ_FAILURE)
            e.data_present = reader_u8(r) != 0;
        else
            e.write_type = write_type_of(cql_string_read(r));
        break;
    case CQL_FUNCTION_FAILURE:
    case CQL_ALREADY_EXISTS:
        e.keyspace = arena_str(arena, cql_string_read(r));
        e.table = arena_str(arena, cql_string_read(r));
        break;
    case CQL_UNPREPARED:
        e.id = arena_str(arena, cql_short_bytes_read(r));
        break;
    default:
        break;
    }
    TRY(r->err);
    *ret_error = e;
    return OK;
}
