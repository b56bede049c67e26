/* SPDX-License-Identifier: MIT */
#ifndef SERVE_CQL_PASSWORD_H
#define SERVE_CQL_PASSWORD_H

#include "io/io.h"

/* Passwords of roles as they are kept: "pbkdf2-sha256$ROUNDS$SALT$HASH", the last two in hex. Both
 * take some hundredths of a second: not for the loop's thread. */
void cql_password_hash(struct io *io, struct str password, struct buf *out);
bool cql_password_matches(struct str hash, struct str password);

#endif
