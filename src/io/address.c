/* SPDX-License-Identifier: MIT */
/* Addresses as people write them: "127.0.0.1:8080", "[::1]:8080", "localhost:8080". The port is
 * always there; a host that contains colons stands in brackets. */
#include "io/core.h"

enum err io_address_split(const char *text, struct address *ret_address)
{
    struct str rest = str_of(text), host, port;
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < rest.bytes; i++)
        if (text[i] == ':')
            colon = i;
    if (colon == SIZE_MAX)
        return ERR_INVALID;
    host = str_slice(rest, 0, colon);
    port = str_slice(rest, colon + 1, rest.bytes);
    if (host.bytes >= 2 && host.ptr[0] == '[' && host.ptr[host.bytes - 1] == ']')
        host = str_slice(host, 1, host.bytes - 1);
    else if (str_find(host, STR(":"), 0) != SIZE_MAX)
        return ERR_INVALID;
    uint64_t number = 0;
    if (host.bytes == 0 || host.bytes >= sizeof ret_address->host || port.bytes == 0 ||
        port.bytes >= sizeof ret_address->port || str_to_u64(port, &number) != OK || number > 65535)
        return ERR_INVALID;
    *ret_address = (struct address){0};
    memcpy(ret_address->host, host.ptr, host.bytes);
    memcpy(ret_address->port, port.ptr, port.bytes);
    return OK;
}
