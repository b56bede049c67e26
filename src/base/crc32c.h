/* SPDX-License-Identifier: MIT */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli) as Kafka's record batches use it. crc is 0 for a first part, or the result
 * of the part before. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
