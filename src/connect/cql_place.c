/* SPDX-License-Identifier: MIT */
/*
 * cassandra://[USER:PASSWORD@]HOST[:PORT],..?key=value&..: one table of keys. A name or password
 * with reserved characters is written with %XX. Keyspaces are no part of it: targets name theirs.
 */
#include "connect/cql_private.h"

enum { HOSTS_MAX = 64, PORT_DEFAULT = 9042 };
#define FORM "cassandra://host1,host2:9042?datacenter=dc1&user=USER&password=PASSWORD"

static const char *const consistencies[] = {"ANY",    "ONE",          "TWO",          "THREE",
                                            "QUORUM", "ALL",          "LOCAL_QUORUM", "EACH_QUORUM",
                                            "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE"};
enum { CONSISTENCY_COUNT = sizeof consistencies / sizeof *consistencies, LOCAL_QUORUM = 6 };

enum err cql_consistency_parse(struct str name, uint16_t *ret_consistency)
{
    for (uint16_t i = 0; i < CONSISTENCY_COUNT; i++)
        if (str_equal_nocase(name, str_of(consistencies[i]))) {
            *ret_consistency = i;
            return OK;
        }
    return ERR_NOT_FOUND;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%40" -> "@". NULL when it is cut off or holds a NUL. */
static char *decode(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.bytes + 1);
    size_t bytes = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.bytes ? hex(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.bytes ? hex(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (!c)
            return NULL;
        out[bytes++] = c;
    }
    out[bytes] = 0;
    return out;
}

static enum err wrong(struct diag *diag, const char *text, struct str what)
{
    diag_hint(diag, "write " FORM);
    return diag_set(diag, ERR_INVALID, 0, 0, "%s '%.*s'", text, STR_ARG(str_slice(what, 0, 80)));
}

static enum err add_host(struct arena *arena, struct str text, struct diag *diag,
                         struct cql_place *place)
{
    struct str host = text, port = STR_NONE;
    int64_t number = PORT_DEFAULT;
    size_t colon = SIZE_MAX;
    if (host.bytes && host.ptr[0] == '[') {
        size_t end = str_find(host, STR("]"), 0);
        if (end == SIZE_MAX)
            return wrong(diag, "there is no ] in", text);
        if (end + 1 < host.bytes)
            colon = end + 1;
    } else {
        colon = str_find(host, STR(":"), 0);
    }
    if (colon != SIZE_MAX) {
        port = str_slice(text, colon + 1, text.bytes);
        host = str_slice(text, 0, colon);
        if (text.ptr[colon] != ':' || str_to_i64(port, &number) != OK || number < 1 ||
            number > 65535)
            return wrong(diag, "there is no port in", text);
    }
    if (!host.bytes)
        return wrong(diag, "there is no host in", text);
    for (size_t i = 0; i < host.bytes; i++)
        if ((unsigned char)host.ptr[i] <= ' ' || host.ptr[i] == '/' || host.ptr[i] == '?')
            return wrong(diag, "this is not a host:", text);
    if (place->host_count == HOSTS_MAX)
        return wrong(diag, "these are too many hosts:", text);
    place->hosts[place->host_count++] = arena_printf(arena, "%.*s:%d", STR_ARG(host), (int)number);
    return OK;
}

static void defaults(struct arena *arena, struct cql_place *place)
{
    *place = (struct cql_place){
        .consistency = LOCAL_QUORUM, .timeout_ms = 12000, .connections = 1, .replicas = 1};
    place->hosts = arena_array(arena, HOSTS_MAX, sizeof *place->hosts);
}

static enum err number_of(struct str key, const char *value, int64_t min, int64_t max,
                          struct diag *diag, int64_t *ret_number)
{
    if (str_to_i64(str_of(value), ret_number) == OK && *ret_number >= min && *ret_number <= max)
        return OK;
    return diag_set(diag, ERR_INVALID, 0, 0, "'%.*s' takes a number from %lld to %lld",
                    STR_ARG(key), (long long)min, (long long)max);
}

static enum err set_key(struct str key, char *value, struct diag *diag, struct cql_place *place)
{
    static const char *const keys[] = {"datacenter", "user",        "password", "tls",
                                       "ca",         "cert",        "key",      "consistency",
                                       "timeout_ms", "connections", "replicas"};
    int64_t number;
    if (str_equal(key, STR("datacenter")))
        place->datacenter = value;
    else if (str_equal(key, STR("user")))
        place->user = value;
    else if (str_equal(key, STR("password")))
        place->password = value;
    else if (str_equal(key, STR("ca")))
        place->ca_path = value;
    else if (str_equal(key, STR("cert")))
        place->cert_path = value;
    else if (str_equal(key, STR("key")))
        place->key_path = value;
    else if (str_equal(key, STR("tls"))) {
        place->tls = str_equal(str_of(value), STR("true"));
        if (!place->tls && !str_equal(str_of(value), STR("false")))
            return diag_set(diag, ERR_INVALID, 0, 0, "'tls' is true or false");
    } else if (str_equal(key, STR("consistency"))) {
        if (cql_consistency_parse(str_of(value), &place->consistency) != OK)
            return wrong(diag, "there is no consistency", str_of(value));
    } else if (str_equal(key, STR("timeout_ms"))) {
        TRY(number_of(key, value, 1, 3600000, diag, &place->timeout_ms));
    } else if (str_equal(key, STR("connections"))) {
        TRY(number_of(key, value, 1, 16, diag, &number));
        place->connections = (uint32_t)number;
    } else if (str_equal(key, STR("replicas"))) {
        TRY(number_of(key, value, 1, 100, diag, &number));
        place->replicas = (uint32_t)number;
    } else {
        struct str near = str_nearest(key, keys, sizeof keys / sizeof *keys);
        if (near.ptr)
            diag_hint(diag, "did you mean '%.*s'?", STR_ARG(near));
        return wrong(diag, "there is no setting", key);
    }
    return OK;
}

static enum err parse_query(struct arena *arena, struct str query, struct diag *diag,
                            struct cql_place *place)
{
    for (struct str part; str_cut(&query, '&', &part);) {
        size_t at = str_find(part, STR("="), 0);
        if (at == SIZE_MAX)
            /* It may be the end of a password: it is not shown. */
            return diag_hint(diag, "write %%26 for a & inside a value"),
                   diag_set(diag, ERR_INVALID, 0, 0, "there is no = behind a & of the URL");
        char *value = decode(arena, str_slice(part, at + 1, part.bytes));
        if (!value || !*value)
            return wrong(diag, "there is no value of", str_slice(part, 0, at));
        TRY(set_key(str_slice(part, 0, at), value, diag, place));
    }
    if (!place->user != !place->password)
        return diag_set(diag, ERR_INVALID, 0, 0, "user and password belong together");
    if (!place->cert_path != !place->key_path)
        return diag_set(diag, ERR_INVALID, 0, 0, "'cert' and 'key' belong together");
    if ((place->ca_path || place->cert_path) && !place->tls)
        return diag_set(diag, ERR_INVALID, 0, 0, "'%s' needs tls=true",
                        place->ca_path ? "ca" : "cert");
    return OK;
}

static enum err parse_login(struct arena *arena, struct str login, struct diag *diag,
                            struct cql_place *place)
{
    size_t colon = str_find(login, STR(":"), 0);
    if (colon == SIZE_MAX)
        return diag_set(diag, ERR_INVALID, 0, 0, "there is no password before the @");
    place->user = decode(arena, str_slice(login, 0, colon));
    place->password = decode(arena, str_slice(login, colon + 1, login.bytes));
    if (!place->user || !place->password || !*place->user)
        return diag_set(diag, ERR_INVALID, 0, 0, "the login before the @ cannot be read");
    return OK;
}

enum err cql_place_parse(struct arena *arena, struct str url, struct diag *diag,
                         struct cql_place *ret_place)
{
    struct cql_place place;
    defaults(arena, &place);
    if (!str_starts(url, STR("cassandra://")))
        return wrong(diag, "this is not a cassandra:// URL:", STR(".."));
    struct str rest = str_slice(url, strlen("cassandra://"), url.bytes), query = STR_NONE;
    size_t mark = str_find(rest, STR("?"), 0);
    if (mark != SIZE_MAX) {
        query = str_slice(rest, mark + 1, rest.bytes);
        rest = str_slice(rest, 0, mark);
    }
    if (str_ends(rest, STR("/")))
        rest.bytes--;
    for (size_t at = rest.bytes; at-- > 0;)
        if (rest.ptr[at] == '@') {
            TRY(parse_login(arena, str_slice(rest, 0, at), diag, &place));
            rest = str_slice(rest, at + 1, rest.bytes);
            break;
        }
    if (str_find(rest, STR("/"), 0) != SIZE_MAX) {
        diag_hint(diag, "targets name their keyspace: `table: keyspace.table`");
        return diag_set(diag, ERR_INVALID, 0, 0, "there is no place for a keyspace here");
    } else if (!place.user &&
               str_find(str_slice(query, 0, str_find(query, STR("="), 0)), STR("@"), 0) != SIZE_MAX)
        return diag_hint(diag, "write %%3F for a ? in a password"),
               diag_set(diag, ERR_INVALID, 0, 0, "there is a @ behind the ?");
    struct str host;
    for (struct str hosts = rest; str_cut(&hosts, ',', &host);)
        TRY(add_host(arena, host, diag, &place));
    if (!place.host_count)
        return diag_hint(diag, "write " FORM),
               diag_set(diag, ERR_INVALID, 0, 0, "the URL names no host");
    TRY(parse_query(arena, query, diag, &place));
    *ret_place = place;
    return OK;
}

enum err cql_place_of_host(struct arena *arena, struct str host, struct diag *diag,
                           struct cql_place *ret_place)
{
    struct cql_place place;
    defaults(arena, &place);
    TRY(add_host(arena, host, diag, &place));
    *ret_place = place;
    return OK;
}

void cql_place_print(const struct cql_place *place, struct buf *out)
{
    buf_text(out, "cassandra://");
    for (size_t i = 0; i < place->host_count; i++)
        buf_printf(out, "%s%s", i ? "," : "", place->hosts[i]);
}
