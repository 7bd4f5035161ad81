/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A xenstored in a thread: the wire protocol of public/io/xs_wire.h on a unix socket, a tree in
 * memory, watches. A device model finds it by XENSTORED_PATH.  Any thread may call these; paths are
 * absolute here.
 *
 * Not modelled: permissions (everything is n0), isolation of transactions, quotas, other domains.
 */
#ifndef GUEST_STORE_H
#define GUEST_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct world;

/* Listens on socket_path; counts requests in world.  0, or -1 with a line on stderr. */
int store_start(const char *socket_path, struct world *world);

/* Makes the node and its parents, fires watches.  Fails only for lack of memory. */
int store_write(const char *path, const void *value, size_t len);

/* Copies at most size - 1 bytes and a NUL; returns the value's length, -1 where there is no node.
 */
long store_read(const char *path, char *buf, size_t size);

/* Names of the children, each followed by a space; how many, -1 where there is no node. */
int store_list(const char *path, char *buf, size_t size);

int store_remove(const char *path);

/* call is called from the store's thread when a client writes exactly value to path, before the
 * client has its answer.  One such notice; before store_start. */
void store_notice(const char *path, const char *value, void (*call)(void));

/* Waits until path holds exactly value; when that was (CLOCK_MONOTONIC) goes to *at.  0, or -1
 * after timeout_ms. */
int store_wait(const char *path, const char *value, int timeout_ms, struct timespec *at);

#endif
