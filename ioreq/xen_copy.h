/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes between a guest's granted pages and ours. gntdev's call looks up and holds a page of ours
 * for each piece, and asks Xen for 16 at a time. Pages that this domain grants to itself have a
 * name that Xen knows: pieces of them are copied by one hypercall, of which dom0's kernel sees
 * nothing. Where such pages can't be had (no gntalloc, its limit) or the hypercall is refused (a
 * restricted device model), gntdev does it. One thread.
 */
#ifndef IOREQ_XEN_COPY_H
#define IOREQ_XEN_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <xencall.h>
#include <xengnttab.h>

#include "core/pv.h"

struct gnttab_copy;
struct xen_area;

/* All zeros but the first three: nothing is open. */
struct xen_copy {
    uint32_t guest, own; /* domains */
    bool unnamed;        /* `own` is not known */
    xengnttab_handle *gnttab;
    xengntshr_handle *granter;
    xencall_handle *call;
    struct gnttab_copy *ops; /* where a hypercall may have them */
    bool refused;
    struct xen_area *areas;
};

/* Zeroed pages for copies to and from. */
void *xen_copy_area(struct xen_copy *c, unsigned pages);
void xen_copy_free_area(struct xen_copy *c, void *area);

/* As pv_ops.copy. */
bool xen_copy(struct xen_copy *c, struct pv_copy *copies, unsigned n);

/* For what else is done with grants; NULL: there is none. */
xengnttab_handle *xen_copy_gntdev(struct xen_copy *c);

void xen_copy_close(struct xen_copy *c);

#endif
