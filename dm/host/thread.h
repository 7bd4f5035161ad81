/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads beside the loop's, for what would block it: pthreads(7). Any thread may call.
 */
#ifndef HVMDM_HOST_THREAD_H
#define HVMDM_HOST_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* stack: bytes. All signals are blocked in it: they are the loop's thread's. 0 or an errno. */
int thread_start(pthread_t *thread, size_t stack, void *(*run)(void *arg), void *arg);

#endif
