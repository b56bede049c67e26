/* SPDX-License-Identifier: MIT */
/*
 * Passwords of roles: PBKDF2 with SHA-256 (RFC 8018), a salt of 16 random bytes each. Cassandra has
 * bcrypt there; the text says which way it was made, so that another can be added. Many rounds make
 * guessing dear for whoever gets hold of the store.
 */
#include "serve/cql/password.h"

#include "base/buf.h"

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

bool cql_password_matches(struct str hash, struct str password)
{
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
