/* SPDX-License-Identifier: MIT */
#ifndef WIRE_CQL_CQL_H
#define WIRE_CQL_CQL_H

#include "wire/cql/type.h"

/*
 * Cassandra's native protocol v3, v4 and v5, pure, for both sides: envelopes, v5 segments, requests
 * and results. Strings and values are borrowed from the bytes they were read from.
 */
enum cql_opcode {
    CQL_ERROR = 0x00,
    CQL_STARTUP = 0x01,
    CQL_READY = 0x02,
    CQL_AUTHENTICATE = 0x03,
    CQL_OPTIONS = 0x05,
    CQL_SUPPORTED = 0x06,
    CQL_QUERY = 0x07,
    CQL_RESULT = 0x08,
    CQL_PREPARE = 0x09,
    CQL_EXECUTE = 0x0A,
    CQL_REGISTER = 0x0B,
    CQL_EVENT = 0x0C,
    CQL_BATCH = 0x0D,
    CQL_AUTH_CHALLENGE = 0x0E,
    CQL_AUTH_RESPONSE = 0x0F,
    CQL_AUTH_SUCCESS = 0x10,
};
enum cql_frame_flags {
    CQL_FLAG_COMPRESSED = 1,
    CQL_FLAG_TRACING = 2,
    CQL_FLAG_PAYLOAD = 4,
    CQL_FLAG_WARNINGS = 8,
    CQL_FLAG_BETA = 16,
};
enum cql_error_code {
    CQL_SERVER_ERROR = 0x0000,
    CQL_PROTOCOL_ERROR = 0x000A,
    CQL_BAD_CREDENTIALS = 0x0100,
    CQL_UNAVAILABLE = 0x1000,
    CQL_OVERLOADED = 0x1001,
    CQL_BOOTSTRAPPING = 0x1002,
    CQL_TRUNCATE_ERROR = 0x1003,
    CQL_WRITE_TIMEOUT = 0x1100,
    CQL_READ_TIMEOUT = 0x1200,
    CQL_READ_FAILURE = 0x1300,
    CQL_FUNCTION_FAILURE = 0x1400,
    CQL_WRITE_FAILURE = 0x1500,
    CQL_SYNTAX_ERROR = 0x2000,
    CQL_UNAUTHORIZED = 0x2100,
    CQL_INVALID = 0x2200,
    CQL_CONFIG_ERROR = 0x2300,
    CQL_ALREADY_EXISTS = 0x2400,
    CQL_UNPREPARED = 0x2500,
};
enum cql_result_kind {
    CQL_RESULT_VOID = 1,
    CQL_RESULT_ROWS = 2,
    CQL_RESULT_SET_KEYSPACE = 3,
    CQL_RESULT_PREPARED = 4,
    CQL_RESULT_SCHEMA_CHANGE = 5,
};

/* ---- envelopes: 9 bytes of header and a body ---- */
enum { CQL_HEADER_BYTES = 9, CQL_BODY_BYTES_MAX = 256 << 20 };
struct cql_header {
    uint8_t version; /* 3, 4, 5; of requests and responses alike */
    bool response;
    uint8_t flags;
    int16_t stream;
    uint8_t opcode;
    uint32_t body_bytes;
};
/* Of at least CQL_HEADER_BYTES bytes. ERR_LIMIT: the body is over bytes_max. The version is not
 * judged. */
enum err cql_header_parse(const uint8_t *data, size_t bytes_max,
                          struct cql_header *ret_header) MUST_USE;
/* Appends a header; cql_envelope_end patches the length. */
size_t cql_envelope_begin(struct buf *out, uint8_t version, bool response, uint8_t flags,
                          int16_t stream, uint8_t opcode);
void cql_envelope_end(struct buf *out, size_t at);

enum cql_compression { CQL_UNCOMPRESSED, CQL_LZ4, CQL_SNAPPY };
/* v3, v4: the body of one envelope. ERR_CORRUPT, ERR_LIMIT. */
enum err cql_body_decompress(enum cql_compression compression, struct str body, size_t bytes_max,
                             struct buf *out) MUST_USE;
/* Replaces the body behind the header at `at` and sets the flag, when that is shorter. */
void cql_body_compress(enum cql_compression compression, struct buf *out, size_t at);

/* ---- v5 segments ---- */
enum { CQL_SEGMENT_PAYLOAD_MAX = 131071 };
struct cql_segment {
    bool self_contained;
    struct str payload; /* borrowed from the input, or from scratch when it was compressed */
    size_t bytes;       /* of the whole segment in the input */
};
/* ERR_TRUNCATED: more bytes are needed; ERR_CORRUPT: a sum is wrong. */
enum err cql_segment_parse(const uint8_t *data, size_t bytes, enum cql_compression compression,
                           struct buf *scratch, struct cql_segment *ret_segment) MUST_USE;
/* Wraps whole envelopes: several small ones in one self-contained segment, a big one in several. */
void cql_segments_append(struct str envelopes, enum cql_compression compression, struct buf *out);

/* ---- requests ---- */
struct cql_value {
    struct str name;  /* ptr NULL = by position */
    struct str bytes; /* ptr NULL = null */
    bool unset;
};
enum cql_query_flags {
    CQL_QUERY_VALUES = 0x01,
    CQL_QUERY_SKIP_METADATA = 0x02,
    CQL_QUERY_PAGE_SIZE = 0x04,
    CQL_QUERY_PAGING_STATE = 0x08,
    CQL_QUERY_SERIAL = 0x10,
    CQL_QUERY_TIMESTAMP = 0x20,
    CQL_QUERY_NAMES = 0x40,
    CQL_QUERY_KEYSPACE = 0x80,
    CQL_QUERY_NOW = 0x100,
};
struct cql_parameters {
    uint16_t consistency;
    uint32_t flags;
    struct cql_value *values; /* in the arena */
    uint16_t value_count;
    int32_t page_size;       /* <= 0 = all */
    struct str paging_state; /* ptr NULL = none */
    uint16_t serial_consistency;
    int64_t timestamp_us; /* INT64_MIN = none */
    struct str keyspace;  /* ptr NULL = none */
    int32_t now_s;        /* INT32_MIN = none */
};
struct cql_batch_item {
    struct str query; /* ptr NULL: id */
    struct str id;
    struct cql_value *values;
    uint16_t value_count;
};
struct cql_request {
    struct cql_header header;
    struct str query;                 /* QUERY, PREPARE */
    struct str id, result_id;         /* EXECUTE; result_id v5 */
    struct cql_parameters parameters; /* QUERY, EXECUTE, BATCH; PREPARE: keyspace only */
    uint8_t batch_type;               /* 0 logged, 1 unlogged, 2 counter */
    struct cql_batch_item *items;
    uint16_t item_count;
    struct str *options; /* STARTUP: key, value, key ..; REGISTER: event names */
    uint16_t option_count;
    struct str token; /* AUTH_RESPONSE */
};
/* Decodes the body of a request (decompressed). ERR_CORRUPT with Cassandra-like words in diag. */
enum err cql_request_decode(const struct cql_header *header, struct str body, struct arena *arena,
                            struct diag *diag, struct cql_request *ret_request) MUST_USE;
/* Appends one envelope; the client's side. */
void cql_request_encode(const struct cql_request *request, struct buf *out);

/* ---- responses: what follows the header ---- */
void cql_string_append(struct buf *out, struct str s);      /* [string] */
void cql_long_string_append(struct buf *out, struct str s); /* [long string] */
void cql_bytes_append(struct buf *out, struct str s);       /* [bytes]; ptr NULL = null */
void cql_short_bytes_append(struct buf *out, struct str s); /* [short bytes] */
struct str cql_string_read(struct reader *r);
struct str cql_long_string_read(struct reader *r);
struct str cql_bytes_read(struct reader *r);
struct str cql_short_bytes_read(struct reader *r);

struct cql_column {
    struct str keyspace, table, name;
    const struct cql_type *type;
};
struct cql_rows_metadata {
    const struct cql_column *columns;
    size_t column_count;
    bool no_metadata;        /* only the count is sent */
    struct str paging_state; /* ptr NULL = no more pages */
    struct str new_id;       /* v5 metadata_changed; ptr NULL = none */
};
void cql_rows_metadata_append(struct buf *out, unsigned version,
                              const struct cql_rows_metadata *metadata);
enum err cql_rows_metadata_read(struct reader *r, unsigned version, struct arena *arena,
                                struct cql_rows_metadata *ret_metadata) MUST_USE;
/* The body of RESULT/Prepared behind the kind. pk: indexes of the partition key's markers in order,
 * or none. */
void cql_prepared_append(struct buf *out, unsigned version, struct str id, struct str result_id,
                         const struct cql_column *binds, size_t bind_count, const uint16_t *pk,
                         size_t pk_count, const struct cql_rows_metadata *result);
struct cql_prepared {
    struct str id, result_id;
    struct cql_column *binds;
    size_t bind_count;
    uint16_t *pk;
    size_t pk_count;
    struct cql_rows_metadata result;
};
enum err cql_prepared_read(struct reader *r, unsigned version, struct arena *arena,
                           struct cql_prepared *ret_prepared) MUST_USE;
/* change: "CREATED"; target: "TABLE"; name ptr NULL for keyspaces. Body of the event and of the
 * result alike; arguments (functions) are types' texts. */
void cql_schema_change_append(struct buf *out, const char *change, const char *target,
                              struct str keyspace, struct str name, const struct str *arguments,
                              size_t argument_count);

/* ERROR. What the code has beyond code and text. */
struct cql_error {
    enum cql_error_code code;
    struct str message;
    struct str keyspace, table; /* already exists */
    struct str id;              /* unprepared */
    uint16_t consistency;       /* unavailable, timeouts, failures */
    int32_t received, required;
    bool data_present;
    const char *write_type; /* "SIMPLE", "CAS" .. */
};
void cql_error_append(struct buf *out, unsigned version, const struct cql_error *error);
enum err cql_error_read(struct reader *r, unsigned version, struct arena *arena,
                        struct cql_error *ret_error) MUST_USE;
/* "BATCH", for inspect and logs. */
const char *cql_opcode_name(uint8_t opcode);
/* A whole envelope as text, for inspect. */
void cql_envelope_print(struct str envelope, struct buf *out);

#endif
