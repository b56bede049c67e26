/* SPDX-License-Identifier: MIT */
/*
 * Users as randomuser.me 1.4 sends them: every field with its type, compact JSON, ~1.1 KB.
 *
 * User i of a seed is a pure function of both, so a page can be made again at any time and pages of
 * any size show the same people. Speed comes from tables made once: the lists cut into pieces with
 * the forms of the names that e-mail addresses use, and a thousand logins whose md5, sha1 and
 * sha256 are really those of password + salt. A user is then a run of short copies into reserved
 * room (about half a microsecond).
 *
 * Ages are counted to a fixed day, not to today: the same seed gives the same bytes for ever.
 */
#include "serve/mock_private.h"

#include "base/check.h"
#include "base/civil.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/prng.h"

/* The library has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE
#include <stdatomic.h>

enum { LIST_MAX = 32, LOGIN_COUNT = 1024, USER_BYTES_MAX = 4096 };
static const int64_t today_days = 20454; /* 2026-01-01 */

struct word {
    struct str text;
    char ascii[32]; /* as it stands in an e-mail address */
    uint8_t ascii_bytes;
};
struct word_list {
    struct word words[LIST_MAX];
    uint32_t count;
};
struct nation_tables {
    struct word_list men, women, last_names, cities, states, streets, titles_men, titles_women;
};
struct login {
    char password[16], salt[9];
    char md5[33], sha1[41], sha256[65];
};
struct mock_tables {
    struct nation_tables nations[32];
    struct word_list adjectives, animals, passwords;
    struct login logins[LOGIN_COUNT];
};

static const struct {
    const char *name;
    unsigned bit;
} fields[] = {
    {"gender", MOCK_GENDER},
    {"name", MOCK_NAME},
    {"location", MOCK_LOCATION},
    {"email", MOCK_EMAIL},
    {"login", MOCK_LOGIN},
    {"dob", MOCK_DOB},
    {"registered", MOCK_REGISTERED},
    {"phone", MOCK_PHONE},
    {"cell", MOCK_CELL},
    {"id", MOCK_ID},
    {"picture", MOCK_PICTURE},
    {"nat", MOCK_NAT},
};

unsigned mock_field_parse(struct str name)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (str_equal_nocase(name, str_of(fields[i].name)))
            return fields[i].bit;
    }
    return 0;
}

/* ---- the tables ---- */

/* Letters with marks and Persian letters, in the order of their code points. */
static const struct {
    uint16_t code;
    const char *ascii;
} letters[] = {
    {0xC1, "a"},   {0xC5, "a"},   {0xC6, "ae"}, {0xC7, "c"},   {0xC9, "e"},  {0xCD, "i"},
    {0xD3, "o"},   {0xD6, "o"},   {0xD8, "o"},  {0xDC, "u"},   {0xDF, "ss"}, {0xE0, "a"},
    {0xE1, "a"},   {0xE2, "a"},   {0xE3, "a"},  {0xE4, "a"},   {0xE5, "a"},  {0xE6, "ae"},
    {0xE7, "c"},   {0xE8, "e"},   {0xE9, "e"},  {0xEA, "e"},   {0xEB, "e"},  {0xED, "i"},
    {0xEE, "i"},   {0xEF, "i"},   {0xF1, "n"},  {0xF3, "o"},   {0xF4, "o"},  {0xF5, "o"},
    {0xF6, "o"},   {0xF8, "o"},   {0xFA, "u"},  {0xFB, "u"},   {0xFC, "u"},  {0x106, "c"},
    {0x107, "c"},  {0x10C, "c"},  {0x10D, "c"}, {0x110, "d"},  {0x111, "d"}, {0x11F, "g"},
    {0x130, "i"},  {0x131, "i"},  {0x15E, "s"}, {0x15F, "s"},  {0x160, "s"}, {0x161, "s"},
    {0x17D, "z"},  {0x17E, "z"},  {0x627, "a"}, {0x628, "b"},  {0x62A, "t"}, {0x62C, "j"},
    {0x62D, "h"},  {0x62E, "kh"}, {0x62F, "d"}, {0x631, "r"},  {0x632, "z"}, {0x633, "s"},
    {0x634, "sh"}, {0x635, "s"},  {0x636, "z"}, {0x639, "aa"}, {0x641, "f"}, {0x642, "gh"},
    {0x644, "l"},  {0x645, "m"},  {0x646, "n"}, {0x647, "h"},  {0x648, "w"}, {0x67E, "p"},
    {0x6A9, "k"},  {0x6CC, "y"},
};

static void word_ascii(struct word *word)
{
    struct str s = word->text;
    for (size_t i = 0; i < s.bytes; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        char one[2] = {0};
        const char *ascii = one;
        if (c < 0x80) {
            if (c >= 'A' && c <= 'Z')
                c |= 0x20;
            one[0] = (c >= 'a' && c <= 'z') || c == '-' ? (char)c : 0;
        } else {
            unsigned code = (unsigned)(c & 0x1F) << 6 | ((uint8_t)s.ptr[++i] & 0x3F);
            for (size_t k = 0; k < sizeof letters / sizeof *letters; k++) {
                if (letters[k].code == code)
                    ascii = letters[k].ascii;
            }
        }
        for (; *ascii && word->ascii_bytes < sizeof word->ascii; ascii++)
            word->ascii[word->ascii_bytes++] = *ascii;
    }
}

static void list_cut(struct word_list *list, const char *text)
{
    struct str rest = str_of(text), part;
    while (str_cut(&rest, '|', &part)) {
        check(list->count < LIST_MAX);
        list->words[list->count].text = part;
        word_ascii(&list->words[list->count++]);
    }
}

static void digest_hex(const EVP_MD *md, const char *text, char *ret_hex)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    check(EVP_Digest(text, strlen(text), digest, &bytes, md, NULL) == 1);
    for (unsigned i = 0; i < bytes; i++)
        snprintf(ret_hex + 2 * (size_t)i, 3, "%02x", digest[i]);
}

static void login_make(struct login *login, const struct word_list *passwords, struct prng *prng)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct str password = passwords->words[prng_below(prng, passwords->count)].text;
    snprintf(login->password, sizeof login->password, "%.*s", STR_ARG(password));
    for (int i = 0; i < 8; i++)
        login->salt[i] = alphabet[prng_below(prng, sizeof alphabet - 1)];
    char salted[32];
    snprintf(salted, sizeof salted, "%s%s", login->password, login->salt);
    digest_hex(EVP_md5(), salted, login->md5);
    digest_hex(EVP_sha1(), salted, login->sha1);
    digest_hex(EVP_sha256(), salted, login->sha256);
}

static struct mock_tables *tables_make(void)
{
    struct mock_tables *t = mem_zero(sizeof *t);
    check(mock_nation_count <= sizeof t->nations / sizeof *t->nations);
    for (size_t i = 0; i < mock_nation_count; i++) {
        const struct mock_nation *from = &mock_nations[i];
        struct nation_tables *to = &t->nations[i];
        list_cut(&to->men, from->men);
        list_cut(&to->women, from->women);
        list_cut(&to->last_names, from->last_names);
        list_cut(&to->cities, from->cities);
        list_cut(&to->states, from->states);
        list_cut(&to->streets, from->streets);
        list_cut(&to->titles_men, from->titles_men);
        list_cut(&to->titles_women, from->titles_women);
    }
    list_cut(&t->adjectives, mock_adjectives);
    list_cut(&t->animals, mock_animals);
    list_cut(&t->passwords, mock_passwords);
    struct prng prng = {42};
    for (size_t i = 0; i < LOGIN_COUNT; i++)
        login_make(&t->logins[i], &t->passwords, &prng);
    return t;
}

/* Made by the first caller and kept for the life of the program; a second maker that loses the race
 * throws its own away. */
static const struct mock_tables *tables(void)
{
    static _Atomic(struct mock_tables *) made;
    struct mock_tables *t = atomic_load_explicit(&made, memory_order_acquire);
    if (t)
        return t;
    struct mock_tables *mine = tables_make(), *none = NULL;
    if (atomic_compare_exchange_strong(&made, &none, mine))
        return mine;
    mem_free(mine);
    return none;
}

/* ---- one user ---- */

struct pen {
    char *at;
};

static inline void put(struct pen *p, const char *text, size_t bytes)
{
    memcpy(p->at, text, bytes);
    p->at += bytes;
}
#define PUT(p, literal) put((p), (literal), sizeof(literal) - 1)

static inline void put_word(struct pen *p, const struct word *word)
{
    put(p, word->text.ptr, word->text.bytes);
}

static void put_uint(struct pen *p, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put(p, digits + at, sizeof digits - at);
}

static void put_digits(struct pen *p, uint64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        p->at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    p->at += count;
}

struct user {
    const struct mock_nation *nation;
    const struct nation_tables *lists;
    bool woman;
    const struct word *first, *last;
    int64_t born_ms;
    struct civil born;
    uint64_t number;
};

static void put_pattern(struct pen *p, const char *pattern, const struct user *u, uint64_t bits)
{
    for (; *pattern; pattern++) {
        switch (*pattern) {
        case '#':
            *p->at++ = (char)('0' + bits % 10);
            bits = prng_mix(bits);
            break;
        case '@':
            *p->at++ = (char)('A' + bits % 26);
            bits = prng_mix(bits);
            break;
        case '~':
            put_digits(p, (uint64_t)u->born.day, 2);
            put_digits(p, (uint64_t)u->born.month, 2);
            put_digits(p, (uint64_t)u->born.year % 100, 2);
            break;
        case '^':
            put_digits(p, (uint64_t)u->born.year % 100, 2);
            put_digits(p, (uint64_t)u->born.month, 2);
            break;
        case '&':
            *p->at++ = u->woman ? '2' : '1';
            break;
        case '$':
            *p->at++ = u->last->ascii_bytes ? (char)(u->last->ascii[0] & ~0x20) : 'X';
            break;
        default:
            *p->at++ = *pattern;
        }
    }
}

static void put_coordinate(struct pen *p, const char *name, uint64_t below, struct prng *prng)
{
    uint64_t tenthousandths = prng_below(prng, 2 * below * 10000);
    bool negative = tenthousandths < below * 10000;
    uint64_t value = negative ? below * 10000 - tenthousandths : tenthousandths - below * 10000;
    put(p, name, strlen(name));
    if (negative)
        *p->at++ = '-';
    put_uint(p, value / 10000);
    *p->at++ = '.';
    put_digits(p, value % 10000, 4);
    *p->at++ = '"';
}

static const struct word *pick(const struct word_list *list, struct prng *prng)
{
    return &list->words[prng_below(prng, list->count)];
}

static void put_location(struct pen *p, const struct user *u, struct prng *prng)
{
    PUT(p, "\"location\":{\"street\":{\"number\":");
    put_uint(p, 1 + prng_below(prng, 9999));
    PUT(p, ",\"name\":\"");
    put_word(p, pick(&u->lists->streets, prng));
    PUT(p, "\"},\"city\":\"");
    put_word(p, pick(&u->lists->cities, prng));
    PUT(p, "\",\"state\":\"");
    put_word(p, pick(&u->lists->states, prng));
    PUT(p, "\",\"country\":\"");
    put(p, u->nation->country, strlen(u->nation->country));
    PUT(p, "\",\"postcode\":");
    if (u->nation->postcode) {
        *p->at++ = '"';
        put_pattern(p, u->nation->postcode, u, prng_next(prng));
        *p->at++ = '"';
    } else {
        uint32_t span = u->nation->postcode_max - u->nation->postcode_min + 1;
        put_uint(p, u->nation->postcode_min + prng_below(prng, span));
    }
    put_coordinate(p, ",\"coordinates\":{\"latitude\":\"", 90, prng);
    put_coordinate(p, ",\"longitude\":\"", 180, prng);
    const struct mock_zone *zone = &mock_zones[prng_below(prng, mock_zone_count)];
    PUT(p, "},\"timezone\":{\"offset\":\"");
    put(p, zone->offset, strlen(zone->offset));
    PUT(p, "\",\"description\":\"");
    put(p, zone->description, strlen(zone->description));
    PUT(p, "\"}},");
}

static void put_uuid(struct pen *p, uint64_t high, uint64_t low)
{
    static const char hex[] = "0123456789abcdef";
    high = (high & ~0xF000ull) | 0x4000; /* version 4 */
    low = (low & ~(3ull << 62)) | 2ull << 62;
    for (int i = 0; i < 32; i++) {
        uint64_t word = i < 16 ? high : low;
        *p->at++ = hex[word >> (60 - 4 * (i & 15)) & 15];
        if (i == 7 || i == 11 || i == 15 || i == 19)
            *p->at++ = '-';
    }
}

static void put_login(struct pen *p, const struct mock_tables *t, const struct user *u,
                      uint64_t seed, struct prng *prng)
{
    PUT(p, "\"login\":{\"uuid\":\"");
    put_uuid(p, prng_mix(seed ^ prng_mix(u->number)), prng_mix(prng_mix(seed + 1) + u->number));
    PUT(p, "\",\"username\":\"");
    put_word(p, pick(&t->adjectives, prng));
    put_word(p, pick(&t->animals, prng));
    put_digits(p, 100 + prng_below(prng, 900), 3);
    const struct login *login = &t->logins[prng_below(prng, LOGIN_COUNT)];
    PUT(p, "\",\"password\":\"");
    put(p, login->password, strlen(login->password));
    PUT(p, "\",\"salt\":\"");
    put(p, login->salt, 8);
    PUT(p, "\",\"md5\":\"");
    put(p, login->md5, 32);
    PUT(p, "\",\"sha1\":\"");
    put(p, login->sha1, 40);
    PUT(p, "\",\"sha256\":\"");
    put(p, login->sha256, 64);
    PUT(p, "\"},");
}

static void put_date(struct pen *p, int64_t ms, const struct civil *date)
{
    int64_t of_day = ms - civil_days(date->year, date->month, date->day) * 86400000;
    put_digits(p, (uint64_t)date->year, 4);
    *p->at++ = '-';
    put_digits(p, (uint64_t)date->month, 2);
    *p->at++ = '-';
    put_digits(p, (uint64_t)date->day, 2);
    *p->at++ = 'T';
    put_digits(p, (uint64_t)(of_day / 3600000), 2);
    *p->at++ = ':';
    put_digits(p, (uint64_t)(of_day / 60000 % 60), 2);
    *p->at++ = ':';
    put_digits(p, (uint64_t)(of_day / 1000 % 60), 2);
    *p->at++ = '.';
    put_digits(p, (uint64_t)(of_day % 1000), 3);
    *p->at++ = 'Z';
}

/* Whole years until the fixed day, which is a first of January. */
static void put_date_and_age(struct pen *p, int64_t ms, const struct civil *date)
{
    PUT(p, "{\"date\":\"");
    put_date(p, ms, date);
    PUT(p, "\",\"age\":");
    put_uint(p, (uint64_t)(2025 - date->year));
    PUT(p, "},");
}

static void put_contact(struct pen *p, const struct user *u, unsigned wanted, struct prng *prng)
{
    const struct mock_nation *n = u->nation;
    uint64_t phone = prng_next(prng), cell = prng_next(prng), id = prng_next(prng);
    if (wanted & MOCK_PHONE) {
        PUT(p, "\"phone\":\"");
        put_pattern(p, n->phone, u, phone);
        PUT(p, "\",");
    }
    if (wanted & MOCK_CELL) {
        PUT(p, "\"cell\":\"");
        put_pattern(p, n->cell, u, cell);
        PUT(p, "\",");
    }
    if (wanted & MOCK_ID) {
        PUT(p, "\"id\":{\"name\":\"");
        put(p, n->id_name, strlen(n->id_name));
        if (n->id_value) {
            PUT(p, "\",\"value\":\"");
            put_pattern(p, n->id_value, u, id);
            PUT(p, "\"},");
        } else {
            PUT(p, "\",\"value\":null},");
        }
    }
}

static void put_picture(struct pen *p, const struct user *u, struct prng *prng)
{
    static const char *const sizes[] = {
        "\"picture\":{\"large\":\"https://randomuser.me/api/portraits/",
        "\"medium\":\"https://randomuser.me/api/portraits/med/",
        "\"thumbnail\":\"https://randomuser.me/api/portraits/thumb/"};
    uint64_t number = prng_below(prng, u->woman ? 97 : 100);
    for (int i = 0; i < 3; i++) {
        put(p, sizes[i], strlen(sizes[i]));
        if (u->woman)
            PUT(p, "women/");
        else
            PUT(p, "men/");
        put_uint(p, number);
        PUT(p, ".jpg\",");
    }
    p->at[-1] = '}';
    *p->at++ = ',';
}

static void put_name(struct pen *p, const struct user *u, unsigned wanted, struct prng *prng)
{
    const struct word *title =
        pick(u->woman ? &u->lists->titles_women : &u->lists->titles_men, prng);
    if (wanted & MOCK_GENDER) {
        if (u->woman)
            PUT(p, "\"gender\":\"female\",");
        else
            PUT(p, "\"gender\":\"male\",");
    }
    if (wanted & MOCK_NAME) {
        PUT(p, "\"name\":{\"title\":\"");
        put_word(p, title);
        PUT(p, "\",\"first\":\"");
        put_word(p, u->first);
        PUT(p, "\",\"last\":\"");
        put_word(p, u->last);
        PUT(p, "\"},");
    }
}

/* The nation number k among the wanted ones. */
static size_t nation_pick(uint32_t wanted, struct prng *prng)
{
    if (wanted == 0)
        return (size_t)prng_below(prng, mock_nation_count);
    uint64_t k = prng_below(prng, (uint64_t)__builtin_popcount(wanted));
    while (k--)
        wanted &= wanted - 1;
    return (size_t)__builtin_ctz(wanted);
}

/* The fields draw from streams of their own, so that leaving one out does not change the others. */
static struct prng stream(uint64_t base, uint64_t field)
{
    return (struct prng){prng_mix(base + field * 0x632BE59BD9B4E019u)};
}

void mock_user_append(uint64_t seed, uint64_t index, const struct mock_filter *filter,
                      struct buf *out)
{
    const struct mock_tables *t = tables();
    char *room = (char *)buf_reserve(out, USER_BYTES_MAX);
    if (!room)
        return;
    struct pen pen = {room}, *p = &pen;
    uint64_t base = prng_mix(seed) ^ prng_mix(index + 0x5851F42D4C957F2Du);
    struct prng who = stream(base, 0), place = stream(base, 1), login = stream(base, 2);
    struct prng contact = stream(base, 3), picture = stream(base, 4);
    size_t n = nation_pick(filter->nations, &who);
    struct user u = {.nation = &mock_nations[n], .lists = &t->nations[n], .number = index};
    bool coin = prng_next(&who) >> 63;
    u.woman = filter->gender ? filter->gender == 'f' : coin;
    u.first = pick(u.woman ? &u.lists->women : &u.lists->men, &who);
    u.last = pick(&u.lists->last_names, &who);
    u.born_ms =
        (today_days - 365 * 82) * 86400000 + (int64_t)prng_below(&who, 365ull * 60 * 86400000);
    int64_t registered_ms =
        (today_days - 365 * 23) * 86400000 + (int64_t)prng_below(&who, 365ull * 20 * 86400000);
    struct civil registered;
    civil_from_days(u.born_ms >= 0 ? u.born_ms / 86400000 : (u.born_ms - 86399999) / 86400000,
                    &u.born);
    civil_from_days(registered_ms / 86400000, &registered);
    *p->at++ = '{';
    put_name(p, &u, filter->fields, &who);
    if (filter->fields & MOCK_LOCATION)
        put_location(p, &u, &place);
    if (filter->fields & MOCK_EMAIL) {
        PUT(p, "\"email\":\"");
        put(p, u.first->ascii, u.first->ascii_bytes);
        *p->at++ = '.';
        put(p, u.last->ascii, u.last->ascii_bytes);
        PUT(p, "@example.com\",");
    }
    if (filter->fields & MOCK_LOGIN)
        put_login(p, t, &u, seed, &login);
    if (filter->fields & MOCK_DOB) {
        PUT(p, "\"dob\":");
        put_date_and_age(p, u.born_ms, &u.born);
    }
    if (filter->fields & MOCK_REGISTERED) {
        PUT(p, "\"registered\":");
        put_date_and_age(p, registered_ms, &registered);
    }
    put_contact(p, &u, filter->fields, &contact);
    if (filter->fields & MOCK_PICTURE)
        put_picture(p, &u, &picture);
    if (filter->fields & MOCK_NAT) {
        PUT(p, "\"nat\":\"");
        put(p, u.nation->code, 2);
        PUT(p, "\",");
    }
    if (p->at[-1] == ',')
        p->at--;
    *p->at++ = '}';
    buf_advance(out, (size_t)(p->at - room));
}

void mock_api_user(uint64_t seed, uint64_t index, struct buf *out)
{
    static const struct mock_filter all = {.fields = MOCK_ALL};
    mock_user_append(seed, index, &all, out);
}
