/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_PASSWORD_H
#define SERVE_CQL_PASSWORD_H

#include "io/io.h"

/* Passwords of roles as they are kept: "pbkdf2-sha256$ROUNDS$SALT$HASH", the last two in hex, or
 * what bcrypt makes. Both take some hundredths of a second, the latter as long as its rounds say:
 * not for the loop's thread. */
void cql_password_hash(struct io *io, struct str password, struct buf *out);
/* Could it be what bcrypt made? As in Cassandra its end may be wrong: it matches nothing then. */
bool cql_password_is_bcrypt(struct str hash);
bool cql_password_matches(struct str hash, struct str password);

#endif
