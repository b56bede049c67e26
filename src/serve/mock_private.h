/* SPDX-License-Identifier: MIT */
#ifndef SERVE_MOCK_PRIVATE_H
#define SERVE_MOCK_PRIVATE_H

/* Shared by mock_api.c (the server), mock_user.c (the users) and mock_data.c (value lists). */
#include "serve/mock_api.h"

#include <stdio.h>

/* Lists are parted by |. */
struct mock_nation {
    const char *code;
    const char *country;
    const char *men, *women, *last_names;
    const char *cities, *states, *streets;
    const char *titles_men, *titles_women;
    uint32_t postcode_min, postcode_max; /* an integer .. */
    const char *postcode;                /* .. or a pattern, sent as a string */
    const char *phone, *cell;
    const char *id_name;
    const char *id_value; /* NULL = null */
};
struct mock_zone {
    const char *offset;
    const char *description;
};
extern const struct mock_nation mock_nations[];
extern const size_t mock_nation_count;
extern const struct mock_zone mock_zones[];
extern const size_t mock_zone_count;
extern const char mock_adjectives[], mock_animals[], mock_passwords[];

/* In the order in which they stand in a user. */
enum mock_field {
    MOCK_GENDER = 1,
    MOCK_NAME = 2,
    MOCK_LOCATION = 4,
    MOCK_EMAIL = 8,
    MOCK_LOGIN = 16,
    MOCK_DOB = 32,
    MOCK_REGISTERED = 64,
    MOCK_PHONE = 128,
    MOCK_CELL = 256,
    MOCK_ID = 512,
    MOCK_PICTURE = 1024,
    MOCK_NAT = 2048,
    MOCK_ALL = 4095,
};
/* 0 when unknown. */
unsigned mock_field_parse(struct str name);

struct mock_filter {
    unsigned fields;
    uint32_t nations; /* a bit each; 0 = all */
    char gender;      /* 'm', 'f', 0 = both */
};
void mock_user_append(uint64_t seed, uint64_t index, const struct mock_filter *filter,
                      struct buf *out);

#endif
