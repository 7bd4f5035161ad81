/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV devices that we serve to a guest: beside its machine, or alone (-machine xenpv: PV and PVH
 * guests, driver domains). One thread.
 */
#ifndef DM_BACKENDS_H
#define DM_BACKENDS_H

struct backends;
struct clock;
struct loop;
struct machine;
struct pv;

/*
 * Serves them from now on; those that exist already are found from the loop. machine: whose drives'
 * images are those of PV disks with the same file; NULL: there is none. All outlive the backends.
 */
struct backends *backends_new(struct loop *loop, struct clock *clock, struct pv *pv,
                              struct machine *machine);
void backends_free(struct backends *backends); /* disconnects all; NULL is nothing to do */

#endif
