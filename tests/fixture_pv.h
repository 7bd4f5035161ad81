/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PV backend sees of Xen, in memory: a store with watches, granted pages, event channels.
 * One at a time.
 */
#ifndef TESTS_FIXTURE_PV_H
#define TESTS_FIXTURE_PV_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pv.h"

enum { FAKE_PAGES = 64, FAKE_PORTS = 20, FAKE_PORT = 7 /* the first one that can be bound */ };

struct fake_pv {
    struct pv pv;
    uint8_t (*pages)[PV_PAGE];
    bool revoked[FAKE_PAGES];
    struct pv_port *port[FAKE_PORTS];
    unsigned notified[FAKE_PORTS];
    unsigned maps, copies, copy_calls; /* pages held; pieces; hypercalls */
    unsigned split; /* pieces that lie across two pages of ours: two for the hypervisor */
};

/* Its devices are those of backend/TYPE/1/. */
struct fake_pv *fake_pv_new(void);
void fake_pv_free(struct fake_pv *f);
void fake_put(struct fake_pv *f, const char *path, const char *val);
const char *fake_got(struct fake_pv *f, const char *path); /* "(absent)" */
/* Calls watches until nothing changes any more; true if one was called. */
bool fake_settle(struct fake_pv *f);
/* The guest notifies. */
void fake_kick(struct fake_pv *f, unsigned port);

#endif
