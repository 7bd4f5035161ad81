/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV side of one guest on Xen: its nodes in the store, its grants, its event channels. Handles
 * are opened when the first device connects. Not to be had under dm_restrict. One thread.
 */
#ifndef IOREQ_XEN_PV_H
#define IOREQ_XEN_PV_H

#include "core/loop.h"
#include "core/pv.h"
#include "xen_store.h"

struct pv *xen_pv_new(struct loop *loop, struct xen_store *store, unsigned domid);
void xen_pv_free(struct pv *pv); /* all unbound, unmapped and unwatched before */

#endif
