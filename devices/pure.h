/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forced into every file of devices/ and bios/: a chip is a pure state machine. It has no memory
 * but core/mem.h's, no time but its clock, no files, no threads, no output but core/log.h.
 */
#ifndef DEVICES_PURE_H
#define DEVICES_PURE_H

/* What the libc headers themselves name comes first. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#pragma GCC poison malloc calloc realloc strdup
#pragma GCC poison time gettimeofday clock_gettime nanosleep usleep sleep
#pragma GCC poison printf fprintf puts perror fopen exit
#pragma GCC poison pthread_create event_new

#endif
