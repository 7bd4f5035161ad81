/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of things that live as long as the machine. Chips may not call malloc (their build poisons
 * it): what a chip needs it takes here, when it is made, and never again while the guest runs.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stddef.h>

/* Zeroed memory; never NULL: a host without memory for a start ends the process with a sentence. */
void *mem_new(size_t size);

/* Zeroed memory whose size a guest or a user chose, or NULL. */
void *mem_try(size_t size);

/* The same as mem_new, of pages of 4096 bytes, at the beginning of one. */
void *mem_pages(unsigned n);

void mem_free(void *p);

#endif
