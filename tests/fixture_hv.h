/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PV backend needs of the hypervisor, in memory: a store with watches, grants, event
 * channels (core/pv.h). A grant reference is the number of one of the guest's pages. Memory that is
 * not mapped is not there, and what is mapped for reading faults when written.
 */
#ifndef FIXTURE_HV_H
#define FIXTURE_HV_H

#include "core/pv.h"

enum { FHV_NODES = 160, FHV_WATCHES = 16, FHV_PAGES = 512, FHV_PORT = 7, FHV_PORTS = 20 };

struct fixture_hv {
    struct pv pv;
    struct {
        char path[128], val[1024];
    } nodes[FHV_NODES];
    struct {
        struct pv_watch *watch;
        char path[128];
        bool fire;
    } watches[FHV_WATCHES];
    int memory;                         /* a file of the guest's pages */
    uint8_t (*pages)[PV_PAGE];          /* all of them, as the guest sees them */
    bool revoked[FHV_PAGES];
    bool can_copy;
    unsigned mapped;                    /* pages, now */
    unsigned map_calls, copy_calls;
    unsigned split;                     /* pieces across two pages of ours: two for Xen */
    unsigned notified, told[FHV_PORTS]; /* in all; of each channel */
    struct pv_port *ports[FHV_PORTS];   /* bound, by the guest's port number from FHV_PORT on */
};

void fixture_hv_init(struct fixture_hv *f);
void fixture_hv_done(struct fixture_hv *f);

/* Sets a node, from whichever side. */
void fixture_hv_put(struct fixture_hv *f, const char *path, const char *val);
const char *fixture_hv_get(const struct fixture_hv *f, const char *path); /* or "(absent)" */
void fixture_hv_remove(struct fixture_hv *f, const char *path);           /* all below it */

/* Calls the watches that are due; returns how many. */
unsigned fixture_hv_watches(struct fixture_hv *f);
/* The same until nothing changes any more; true if one was due. */
bool fixture_hv_settle(struct fixture_hv *f);
void fixture_hv_event(struct fixture_hv *f, unsigned port); /* the guest's number */

#endif
