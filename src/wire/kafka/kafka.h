/* SPDX-License-Identifier: MIT */
#ifndef WIRE_KAFKA_KAFKA_H
#define WIRE_KAFKA_KAFKA_H

#include "base/buf.h"
#include "base/mem.h"
#include "base/reader.h"
#include "gen/kafka_messages.h"

/*
 * Kafka's protocol, pure: bytes in, structs out. One table (messages.txt beside this file) says of
 * every message its fields with their version ranges, nullability, defaults and the first flexible
 * version; tools/kafka/messages.py makes gen/kafka_messages.{h,c} from it while building: a struct
 * a message (struct kafka_fetch_request, nested: struct kafka_fetch_request_topic) and the tables
 * that the codec below walks. Fields keep the specification's names in snake case.
 *
 * In structs: strings and bytes are struct str (ptr NULL = null), records too; arrays are a pointer
 * and NAME_count (int32_t; -1 = null); uuids uint8_t[16]; tagged fields are ordinary fields;
 * structs lie inline, nullable ones are a pointer (NULL = null). Where a string may not be null, a
 * struct that is only zeroed does not encode: take structs from KAFKA_NEW() or kafka_defaults().
 */

/* One message in one direction. */
struct kafka_message {
    const char *name; /* "FetchRequest" */
    int16_t version_min, version_max;
    int16_t flexible_from; /* INT16_MAX = never */
    size_t bytes;          /* of the struct */
    const struct kafka_field *fields;
    size_t field_count;
    const void *defaults; /* a struct that has them */
    uint16_t bytes_min;   /* on the wire, of any version */
    bool tagged;          /* has tagged fields */
};

enum kafka_type {
    KAFKA_BOOL,
    KAFKA_INT8,
    KAFKA_INT16,
    KAFKA_UINT16,
    KAFKA_INT32,
    KAFKA_INT64,
    KAFKA_FLOAT64,
    KAFKA_UUID,
    KAFKA_STRING,
    KAFKA_BYTES,
    KAFKA_RECORDS,
    KAFKA_STRUCT,
};
struct kafka_field {
    const char *name; /* the specification's spelling */
    enum kafka_type type;
    bool array;
    int16_t version_min, version_max;
    int16_t nullable_from; /* INT16_MAX = never null */
    int32_t tag;           /* -1 = not tagged */
    bool ignorable;        /* left out silently by versions that have it not */
    size_t offset;                  /* in the struct; of an array that of its pointer */
    size_t count_offset;            /* arrays */
    const struct kafka_message *of; /* KAFKA_STRUCT */
};

/* One request of the protocol and its answer. */
struct kafka_api {
    int16_t key;
    const char *name; /* "Fetch" */
    const struct kafka_message *request, *response;
};
extern const struct kafka_api kafka_apis[]; /* by key; KAFKA_APIS of them, ended by name NULL */
/* NULL when unknown. */
const struct kafka_api *kafka_api_find(int16_t key);

/* ---- messages ---- */

/* Fills the struct with defaults. */
void kafka_defaults(const struct kafka_message *message, void *value);
/* Count structs with defaults, NULL for count 0. Sets arena->over when it is used up. */
void *kafka_structs(const struct kafka_message *message, struct arena *arena, size_t count);
/* The same by name: KAFKA_NEW(&call->arena, kafka_metadata_response_topic, 3). */
#define KAFKA_NEW(arena, name, count) ((struct name *)kafka_structs(&name##_message, arena, count))
/* Decodes a body. Strings and records are borrowed from the bytes; arrays live in the arena.
 * ERR_TRUNCATED, ERR_CORRUPT (lengths, null where it may not be), ERR_LIMIT (more elements than the
 * bytes can hold, or the arena is used up). Unknown tagged fields are passed over, and so are bytes
 * behind the message, as Kafka does: librdkafka 2.x writes some behind Metadata. */
enum err kafka_decode(const struct kafka_message *message, int16_t version, struct str bytes,
                      struct arena *arena, void *ret_value) MUST_USE;
/* Appends a body. ERR_INVALID: a field that this version has not and that may not be left out
 * differs from its default, or a null where the version has none. */
enum err kafka_encode(const struct kafka_message *message, int16_t version, const void *value,
                      struct buf *out) MUST_USE;
/* The same, but of records only the length is appended; where their bytes belong in out is told in
 * places, in the order of the message (null ones have no place). For answers that are sent from
 * files. */
enum err kafka_encode_apart(const struct kafka_message *message, int16_t version, const void *value,
                            struct buf *out, size_t *places, size_t place_max,
                            size_t *ret_place_count) MUST_USE;
/* Readable text of a decoded message, one field a line, nested ones indented: for inspect. */
void kafka_print(const struct kafka_message *message, int16_t version, const void *value,
                 struct buf *out);

/* ---- frames: i32 size, header, body ---- */

struct kafka_request_header {
    int16_t api_key, api_version;
    int32_t correlation_id;
    struct str client_id; /* ptr NULL = null */
    size_t bytes;         /* of the header: the body begins there */
};
/* frame is without its size. Reads the key, the version and, when the pair is one of the table,
 * the whole header in its own version (flexible ones end with tagged fields). ERR_UNSUPPORTED with
 * key, version and correlation id set: not in the table. */
enum err kafka_request_header(struct str frame, struct kafka_request_header *ret_header) MUST_USE;
/* Appends size (patched by kafka_frame_end) and header of an answer. ApiVersions' is always v0. */
size_t kafka_response_begin(int16_t api_key, int16_t api_version, int32_t correlation_id,
                            struct buf *out);
/* The same for a request. */
size_t kafka_request_begin(int16_t api_key, int16_t api_version, int32_t correlation_id,
                           struct str client_id, struct buf *out);
void kafka_frame_end(struct buf *out, size_t at);

/* All codes of the protocol; errors.c has their names and texts. */
enum kafka_error {
    KAFKA_UNKNOWN_SERVER_ERROR = -1,
    KAFKA_NONE = 0,
    KAFKA_OFFSET_OUT_OF_RANGE = 1,
    KAFKA_CORRUPT_MESSAGE = 2,
    KAFKA_UNKNOWN_TOPIC_OR_PARTITION = 3,
    KAFKA_INVALID_FETCH_SIZE = 4,
    KAFKA_LEADER_NOT_AVAILABLE = 5,
    KAFKA_NOT_LEADER_OR_FOLLOWER = 6,
    KAFKA_REQUEST_TIMED_OUT = 7,
    KAFKA_BROKER_NOT_AVAILABLE = 8,
    KAFKA_REPLICA_NOT_AVAILABLE = 9,
    KAFKA_MESSAGE_TOO_LARGE = 10,
    KAFKA_STALE_CONTROLLER_EPOCH = 11,
    KAFKA_OFFSET_METADATA_TOO_LARGE = 12,
    KAFKA_NETWORK_EXCEPTION = 13,
    KAFKA_COORDINATOR_LOAD_IN_PROGRESS = 14,
    KAFKA_COORDINATOR_NOT_AVAILABLE = 15,
    KAFKA_NOT_COORDINATOR = 16,
    KAFKA_INVALID_TOPIC_EXCEPTION = 17,
    KAFKA_RECORD_LIST_TOO_LARGE = 18,
    KAFKA_NOT_ENOUGH_REPLICAS = 19,
    KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20,
    KAFKA_INVALID_REQUIRED_ACKS = 21,
    KAFKA_ILLEGAL_GENERATION = 22,
    KAFKA_INCONSISTENT_GROUP_PROTOCOL = 23,
    KAFKA_INVALID_GROUP_ID = 24,
    KAFKA_UNKNOWN_MEMBER_ID = 25,
    KAFKA_INVALID_SESSION_TIMEOUT = 26,
    KAFKA_REBALANCE_IN_PROGRESS = 27,
    KAFKA_INVALID_COMMIT_OFFSET_SIZE = 28,
    KAFKA_TOPIC_AUTHORIZATION_FAILED = 29,
    KAFKA_GROUP_AUTHORIZATION_FAILED = 30,
    KAFKA_CLUSTER_AUTHORIZATION_FAILED = 31,
    KAFKA_INVALID_TIMESTAMP = 32,
    KAFKA_UNSUPPORTED_SASL_MECHANISM = 33,
    KAFKA_ILLEGAL_SASL_STATE = 34,
    KAFKA_UNSUPPORTED_VERSION = 35,
    KAFKA_TOPIC_ALREADY_EXISTS = 36,
    KAFKA_INVALID_PARTITIONS = 37,
    KAFKA_INVALID_REPLICATION_FACTOR = 38,
    KAFKA_INVALID_REPLICA_ASSIGNMENT = 39,
    KAFKA_INVALID_CONFIG = 40,
    KAFKA_NOT_CONTROLLER = 41,
    KAFKA_INVALID_REQUEST = 42,
    KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT = 43,
    KAFKA_POLICY_VIOLATION = 44,
    KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
    KAFKA_DUPLICATE_SEQUENCE_NUMBER = 46,
    KAFKA_INVALID_PRODUCER_EPOCH = 47,
    KAFKA_INVALID_TXN_STATE = 48,
    KAFKA_INVALID_PRODUCER_ID_MAPPING = 49,
    KAFKA_INVALID_TRANSACTION_TIMEOUT = 50,
    KAFKA_CONCURRENT_TRANSACTIONS = 51,
    KAFKA_TRANSACTION_COORDINATOR_FENCED = 52,
    KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
    KAFKA_SECURITY_DISABLED = 54,
    KAFKA_OPERATION_NOT_ATTEMPTED = 55,
    KAFKA_STORAGE_ERROR = 56,
    KAFKA_LOG_DIR_NOT_FOUND = 57,
    KAFKA_SASL_AUTHENTICATION_FAILED = 58,
    KAFKA_UNKNOWN_PRODUCER_ID = 59,
    KAFKA_REASSIGNMENT_IN_PROGRESS = 60,
    KAFKA_DELEGATION_TOKEN_AUTH_DISABLED = 61,
    KAFKA_DELEGATION_TOKEN_NOT_FOUND = 62,
    KAFKA_DELEGATION_TOKEN_OWNER_MISMATCH = 63,
    KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64,
    KAFKA_DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65,
    KAFKA_DELEGATION_TOKEN_EXPIRED = 66,
    KAFKA_INVALID_PRINCIPAL_TYPE = 67,
    KAFKA_NON_EMPTY_GROUP = 68,
    KAFKA_GROUP_ID_NOT_FOUND = 69,
    KAFKA_FETCH_SESSION_ID_NOT_FOUND = 70,
    KAFKA_INVALID_FETCH_SESSION_EPOCH = 71,
    KAFKA_LISTENER_NOT_FOUND = 72,
    KAFKA_TOPIC_DELETION_DISABLED = 73,
    KAFKA_FENCED_LEADER_EPOCH = 74,
    KAFKA_UNKNOWN_LEADER_EPOCH = 75,
    KAFKA_UNSUPPORTED_COMPRESSION_TYPE = 76,
    KAFKA_STALE_BROKER_EPOCH = 77,
    KAFKA_OFFSET_NOT_AVAILABLE = 78,
    KAFKA_MEMBER_ID_REQUIRED = 79,
    KAFKA_PREFERRED_LEADER_NOT_AVAILABLE = 80,
    KAFKA_GROUP_MAX_SIZE_REACHED = 81,
    KAFKA_FENCED_INSTANCE_ID = 82,
    KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE = 83,
    KAFKA_ELECTION_NOT_NEEDED = 84,
    KAFKA_NO_REASSIGNMENT_IN_PROGRESS = 85,
    KAFKA_GROUP_SUBSCRIBED_TO_TOPIC = 86,
    KAFKA_INVALID_RECORD = 87,
    KAFKA_UNSTABLE_OFFSET_COMMIT = 88,
    KAFKA_THROTTLING_QUOTA_EXCEEDED = 89,
    KAFKA_PRODUCER_FENCED = 90,
    KAFKA_RESOURCE_NOT_FOUND = 91,
    KAFKA_DUPLICATE_RESOURCE = 92,
    KAFKA_UNACCEPTABLE_CREDENTIAL = 93,
    KAFKA_INCONSISTENT_VOTER_SET = 94,
    KAFKA_INVALID_UPDATE_VERSION = 95,
    KAFKA_FEATURE_UPDATE_FAILED = 96,
    KAFKA_PRINCIPAL_DESERIALIZATION_FAILURE = 97,
    KAFKA_SNAPSHOT_NOT_FOUND = 98,
    KAFKA_POSITION_OUT_OF_RANGE = 99,
    KAFKA_UNKNOWN_TOPIC_ID = 100,
    KAFKA_DUPLICATE_BROKER_REGISTRATION = 101,
    KAFKA_BROKER_ID_NOT_REGISTERED = 102,
    KAFKA_INCONSISTENT_TOPIC_ID = 103,
    KAFKA_INCONSISTENT_CLUSTER_ID = 104,
    KAFKA_TRANSACTIONAL_ID_NOT_FOUND = 105,
    KAFKA_FETCH_SESSION_TOPIC_ID_ERROR = 106,
    KAFKA_INELIGIBLE_REPLICA = 107,
    KAFKA_NEW_LEADER_ELECTED = 108,
    KAFKA_OFFSET_MOVED_TO_TIERED_STORAGE = 109,
    KAFKA_FENCED_MEMBER_EPOCH = 110,
    KAFKA_UNRELEASED_INSTANCE_ID = 111,
    KAFKA_UNSUPPORTED_ASSIGNOR = 112,
    KAFKA_STALE_MEMBER_EPOCH = 113,
    KAFKA_MISMATCHED_ENDPOINT_TYPE = 114,
    KAFKA_UNSUPPORTED_ENDPOINT_TYPE = 115,
    KAFKA_UNKNOWN_CONTROLLER_ID = 116,
    KAFKA_UNKNOWN_SUBSCRIPTION_ID = 117,
    KAFKA_TELEMETRY_TOO_LARGE = 118,
    KAFKA_INVALID_REGISTRATION = 119,
    KAFKA_TRANSACTION_ABORTABLE = 120,
    KAFKA_INVALID_RECORD_STATE = 121,
    KAFKA_SHARE_SESSION_NOT_FOUND = 122,
    KAFKA_INVALID_SHARE_SESSION_EPOCH = 123,
    KAFKA_FENCED_STATE_EPOCH = 124,
    KAFKA_INVALID_VOTER_KEY = 125,
    KAFKA_DUPLICATE_VOTER = 126,
    KAFKA_VOTER_NOT_FOUND = 127,
    KAFKA_INVALID_REGULAR_EXPRESSION = 128,
    KAFKA_REBOOTSTRAP_REQUIRED = 129,
    KAFKA_STREAMS_INVALID_TOPOLOGY = 130,
    KAFKA_STREAMS_INVALID_TOPOLOGY_EPOCH = 131,
    KAFKA_STREAMS_TOPOLOGY_FENCED = 132,
    KAFKA_SHARE_SESSION_LIMIT_REACHED = 133,
    KAFKA_GROUP_DELETION_FAILED = 134,
    KAFKA_STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135,
    KAFKA_CONTROLLER_ID_NOT_REGISTERED = 136,
};
/* "UNKNOWN_TOPIC_OR_PARTITION"; NULL for a code that Kafka has not. */
const char *kafka_error_name(int16_t code);
/* Human text for error_message fields: never NULL. */
const char *kafka_error_text(int16_t code);

#endif
