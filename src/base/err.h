/* SPDX-License-Identifier: MIT */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * The one error type. Every fallible function returns it; results go through ret_ parameters that
 * are written only on success. err.c holds the table that maps each code to its name, its text and
 * to the codes of the protocols that we speak, so that five front ends tell one truth.
 */
enum err {
    OK = 0,
    ERR_INVALID,      /* a value that this place does not accept */
    ERR_SYNTAX,       /* text that does not parse; a struct diag tells where */
    ERR_CORRUPT,      /* bytes from disk or wire that fail their check */
    ERR_TRUNCATED,    /* the bytes end before the value does */
    ERR_LIMIT,        /* a budget or a maximum is used up */
    ERR_NOT_FOUND,    /* the named thing does not exist */
    ERR_EXISTS,       /* the named thing exists already */
    ERR_UNSUPPORTED,  /* understood, and not offered here */
    ERR_OUT_OF_RANGE, /* a number outside its type or an offset outside its log */
    ERR_CONFLICT,     /* another owner or a newer version is there */
    ERR_TIMEOUT,      /* the time ran out */
    ERR_CLOSED,       /* the other side or the object is gone */
    ERR_CANCELLED,    /* given up on request */
    ERR_DENIED,       /* not allowed */
    ERR_IO,           /* the disk failed; the file takes no more writes */
    ERR_DISK_FULL,    /* no room; may be tried again when there is */
    ERR_NETWORK,      /* a connection could not be made or broke */
    ERR_AGAIN,        /* nothing now; try later */
    ERR_FENCED,       /* a newer owner of the same name took over */
    ERR_DISORDER,     /* a number of a sequence was left out */
    ERR_STATE,        /* not in a state that allows it */
    ERR_COUNT_
};

#define MUST_USE __attribute__((warn_unused_result))

/* The only control-flow macro of the project: give the error to the caller. Locals are released by
 * cleanup attributes, which makes the hidden return safe. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum err try_err_ = (expression);                                                          \
        if (try_err_ != OK)                                                                        \
            return try_err_;                                                                       \
    } while (0)

/* One row of the table. kafka: error code of the Kafka protocol. http: status. cql: error code of
 * the native protocol. sqlstate: five characters. */
struct err_info {
    const char *name;
    const char *text;
    int kafka;
    int http;
    int cql;
    const char *sqlstate;
};

/* Never fails; an unknown code aborts. */
const struct err_info *err_info(enum err err);

/* Short English text without a full stop, "the disk is full". */
const char *err_text(enum err err);

/* The error that an errno value stands for. Only io/ has errno values to give. */
enum err err_from_errno(int number);

#endif
