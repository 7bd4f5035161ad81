/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4): what guards state records.
 */
#ifndef CORE_CRC_H
#define CORE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *bytes, size_t len);

/* The same without the processor's instruction: for its test. */
uint32_t crc32c_plain(const void *bytes, size_t len);

#endif
