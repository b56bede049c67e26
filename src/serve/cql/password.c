/* SPDX-License-Identifier: MIT */
/*
 * Passwords of roles: PBKDF2 with SHA-256 (RFC 8018), a salt of 16 random bytes each; or as
 * Cassandra makes them, with bcrypt, when the hash is given instead of the password. The text says
 * which way it was made. Many rounds make guessing dear for whoever gets hold of the store.
 */
#include "serve/cql/password.h"

#include "base/buf.h"
#include "base/mem.h"

#include <crypt.h>

/* OpenSSL has a name of ours. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#undef ERR_STATE

enum { ROUNDS = 60000, ROUNDS_MAX = 10000000, SALT_BYTES = 16, HASH_BYTES = 32 };

static bool derive(struct str password, const uint8_t *salt, int rounds, uint8_t *ret_hash)
{
    return PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.bytes, salt,
                             SALT_BYTES, rounds, EVP_sha256(), HASH_BYTES, ret_hash) == 1;
}

static void put_hex(struct buf *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%02x", bytes[i]);
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_hex(struct str text, uint8_t *bytes, size_t count)
{
    if (text.bytes != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = nibble(text.ptr[2 * i]), low = nibble(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void cql_password_hash(struct io *io, struct str password, struct buf *out)
{
    uint8_t salt[SALT_BYTES], hash[HASH_BYTES];
    io_random(io, salt, sizeof salt);
    if (!derive(password, salt, ROUNDS, hash))
        return; /* an empty text matches nothing */
    buf_printf(out, "pbkdf2-sha256$%d$", ROUNDS);
    put_hex(out, salt, sizeof salt);
    buf_char(out, '$');
    put_hex(out, hash, sizeof hash);
}

/* ---- bcrypt: "$2a$ROUNDS$", 22 digits of salt, 31 of hash ---- */

enum { BCRYPT_HEAD_BYTES = 7, BCRYPT_SALT_BYTES = 22 };

static bool is_digit_64(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '/';
}

bool cql_password_is_bcrypt(struct str hash)
{
    uint64_t rounds;
    if (hash.bytes < BCRYPT_HEAD_BYTES + BCRYPT_SALT_BYTES || !str_starts(hash, STR("$2a$")) ||
        str_to_u64(str_slice(hash, 4, 6), &rounds) != OK || rounds < 4 || rounds > 31 ||
        hash.ptr[6] != '$')
        return false;
    for (size_t i = BCRYPT_HEAD_BYTES; i < BCRYPT_HEAD_BYTES + BCRYPT_SALT_BYTES; i++)
        if (!is_digit_64(hash.ptr[i]))
            return false;
    return true;
}

/* The system's bcrypt; it takes texts that end with a NUL. */
static bool bcrypt_matches(struct str hash, struct str password)
{
    if (!cql_password_is_bcrypt(hash) ||
        memchr(password.ptr ? password.ptr : "", 0, password.bytes))
        return false;
    CLEAN(buf_deinit) struct buf text = {0}, setting = {0};
    buf_str_append(&text, password);
    buf_str_append(&setting, hash);
    struct crypt_data *data = mem_zero(sizeof *data);
    const char *made = crypt_rn(buf_c_str(&text), buf_c_str(&setting), data, sizeof *data);
    bool same =
        made && strlen(made) == hash.bytes && CRYPTO_memcmp(made, hash.ptr, hash.bytes) == 0;
    mem_free(data);
    return same;
}

bool cql_password_matches(struct str hash, struct str password)
{
    if (str_starts(hash, STR("$2a$")))
        return bcrypt_matches(hash, password);
    uint8_t salt[SALT_BYTES], kept[HASH_BYTES], made[HASH_BYTES];
    struct str rest = hash, kind, rounds_text, salt_text;
    uint64_t rounds;
    if (!str_cut(&rest, '$', &kind) || !str_equal(kind, STR("pbkdf2-sha256")) ||
        !str_cut(&rest, '$', &rounds_text) || str_to_u64(rounds_text, &rounds) != OK ||
        rounds == 0 || rounds > ROUNDS_MAX || !str_cut(&rest, '$', &salt_text) ||
        !get_hex(salt_text, salt, sizeof salt) || !get_hex(rest, kept, sizeof kept))
        return false;
    return derive(password, salt, (int)rounds, made) && CRYPTO_memcmp(made, kept, sizeof kept) == 0;
}
