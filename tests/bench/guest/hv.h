/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's side of the make-believe hypervisor: the domain's memory, its event channels and its
 * ioreq pages. One thread only, except hv_world(), whose counters are atomic.
 */
#ifndef GUEST_HV_H
#define GUEST_HV_H

#include <stdint.h>

#include <xen/xen.h>
#include <xen/hvm/ioreq.h>

#include "../fakexen/world.h"

enum hv_error { HV_OK, HV_TIMEOUT, HV_GONE, HV_BAD_STATE, HV_NOT_READY };

/* Memory as libxl lays it out: RAM below 0xf0000000 and above 4 GiB, nothing at 0xa0000..0xbffff,
 * special pages. 0, or -1 with a line on stderr. */
int hv_new(unsigned domid, unsigned ram_mib, unsigned video_mib, unsigned vcpus);

/* In the child: leave the descriptors open for the device model and name them in FAKEXEN. */
void hv_lend(void);
/* In the parent: the device model's ends of the channels are the child's alone. */
void hv_lent(void);

struct world *hv_world(void);
const char *hv_error(enum hv_error e);

/* A byte of guest RAM below 256 MiB; NULL where there is none. */
uint8_t *hv_ram(uint64_t gpa);
/* n frames that lie one after the other in the machine, too; NULL: they don't. */
uint8_t *hv_map(uint64_t gfn, uint64_t n);
/* Take frames away from the guest, as its balloon driver would. */
void hv_balloon(uint64_t gfn, uint64_t n);

volatile ioreq_t *hv_slot(unsigned vcpu);
volatile buffered_iopage_t *hv_ring(void);

/* Make a port of the guest's that the device model may bind. */
void hv_offer(unsigned remote_port);
/* How often the device model notified that port since last asked. */
unsigned hv_notified(unsigned remote_port);

/* Raise the guest's end of a channel; masked ports stay pending, as in Linux' evtchn driver. */
enum hv_error hv_event(unsigned remote_port);
/* An event even though the port is masked: what no kernel would do. */
enum hv_error hv_event_forced(unsigned remote_port);
/* Take in what the device model wrote: notifies and unmasks.  Waits at most timeout_ms. */
enum hv_error hv_pump(int timeout_ms);

/* Fill the slot but for state and port, set it ready. */
void hv_post(unsigned vcpu, const ioreq_t *request);
/* Wait for the answer and free the slot. */
enum hv_error hv_answer(unsigned vcpu, int timeout_ms, uint64_t *data);
/* hv_post, hv_event, hv_answer; but an access that no ioreq server claimed Xen answers itself. */
enum hv_error hv_access(unsigned vcpu, const ioreq_t *request, uint64_t *data);
/* The same for anything, claimed or not. */
enum hv_error hv_request(unsigned vcpu, const ioreq_t *request, uint64_t *data);

/* Whether the server is enabled and claimed all of it, adjacent ranges counting as one. */
int hv_claimed(unsigned type, uint64_t start, uint64_t end);

/* Put a write into the buffered ring, size code 0..3, waiting while the ring is full. */
enum hv_error hv_buffered(uint64_t addr, unsigned size_code, uint64_t data);

extern int hv_timeout_ms;

#endif
