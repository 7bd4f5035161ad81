/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine on Xen: an ioreq server of one HVM domain. Only libraries with a stable interface, so
 * one binary serves every Xen since 4.10. One thread.
 */
#ifndef IOREQ_XEN_H
#define IOREQ_XEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/engine.h"
#include "core/loop.h"

/*
 * Opens all handles and makes the ioreq server, which gets accesses from xen_engine_start on.
 * `restored`: the domain's memory came with its state, video memory included. NULL: `why` says what
 * was asked of whom and what it answered.
 */
struct engine *xen_engine_new(struct loop *loop, unsigned domid, unsigned max_vcpus, bool restored,
                              char *why, size_t why_len);

/* After the machine is built and loaded, with ops->free as its way back. */
bool xen_engine_start(struct engine *engine, char *why, size_t why_len);

/* Does what the guest wrote but nobody looked at yet, and tells Xen of all pages that we dirtied:
 * before the state is saved. */
void xen_engine_flush(struct engine *engine);

/* From now on (or no more) Xen wants to know which pages we write: live migration. */
void xen_engine_log_dirty(struct engine *engine, bool on);

/* Every Xen handle of the process can from now on reach only this domain; video memory can no more
 * be made, xenstore and S3 no more reached. */
bool xen_engine_restrict(struct engine *engine, char *why, size_t why_len);

#endif
