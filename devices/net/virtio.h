/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device behind PCI: "Virtual I/O Device (VIRTIO) Version 1.1", 2.6 (split rings), 4.1
 * (PCI), transitional: the old interface in an I/O BAR, the new one in a memory BAR. Rings belong
 * to the guest: what is read of them is read once and bounded, a ring that can't be stops its
 * device until it is reset. See virtio_pci.c and virtio_ring.c.
 */
#ifndef DEVICES_NET_VIRTIO_H
#define DEVICES_NET_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/io.h"
#include "core/log.h"
#include "core/msi.h"
#include "core/pci.h"
#include "core/state.h"

enum { VIRTIO_QUEUES = 17, VIRTIO_QUEUE_SIZE = 256, VIRTIO_NO_VECTOR = 0xffff };

enum { /* device status, 2.1 */
    VIRTIO_DRIVER_OK = 0x04, VIRTIO_FEATURES_OK = 0x08, VIRTIO_NEEDS_RESET = 0x40,
};

enum { /* feature bits of all devices, 6 */
    VIRTIO_F_ANY_LAYOUT = 27, VIRTIO_F_INDIRECT = 28, VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_VERSION_1 = 32,
};
#define VIRTIO_BIT(n) (UINT64_C(1) << (n))

struct virtq {
    /* registers */
    uint16_t size, vector;
    bool enabled;
    uint64_t desc, avail, used;
    /* hidden state */
    uint16_t next;      /* of the available ring, to be taken */
    uint16_t done;      /* of the used ring, to be filled */
    uint16_t told;      /* `done` when the guest was last told */
    bool quiet;         /* without event index: the guest was asked not to notify */
};

struct virtio;

struct virtio_type {
    uint16_t device_id, subsystem, class_; /* of the transitional function */
    void (*config_read)(void *dev, uint8_t *config);
    void (*config_write)(void *dev, unsigned off, uint8_t val); /* the old interface only */
    void (*notify)(void *dev, unsigned queue);
    void (*status)(void *dev); /* it was written, or Bus Master Enable changed */
    void (*reset)(void *dev);  /* by status 0 */
};

/* What one device of a type has. */
struct virtio_shape {
    uint64_t offered; /* features of the type */
    unsigned queues, config_len;
    unsigned vectors; /* of MSI-X; with fewer than queues and one the driver shares them */
};

struct virtio {
    struct pci_function pci;
    struct msix msix;
    /* registers */
    uint64_t features;
    uint32_t offered_select, chosen_select;
    uint16_t config_vector, queue_select;
    uint8_t status, isr, generation;
    struct virtq q[VIRTIO_QUEUES];
    /* wires and derived */
    struct virtio_shape shape;
    const struct virtio_type *type;
    void *dev;
    struct io_region old, modern, rom;
    struct log_limit odd;
};

extern const struct field virtio_fields[];

/* ---- the function: virtio_pci.c ---- */

/* Before pci_add. */
void virtio_init(struct virtio *v, const struct virtio_type *type, void *dev,
                 const struct virtio_shape *shape);
void virtio_reset(struct virtio *v);  /* power-on */
bool virtio_loaded(struct virtio *v, char *why, size_t why_len);
static inline bool virtio_has(const struct virtio *v, unsigned bit) {
    return v->features >> bit & 1;
}
bool virtio_running(const struct virtio *v); /* the driver is there and memory can be reached */
void virtio_config_changed(struct virtio *v);
void virtio_interrupt(struct virtio *v, uint16_t vector, uint8_t isr);
/* The guest broke the rules. */
void virtio_broken(struct virtio *v, const char *what, unsigned val);

/* ---- rings: virtio_ring.c ---- */

/* A chain of descriptors: `in` for the device to write to. */
struct virtio_chain {
    uint16_t head;
    bool overlong;   /* more parts or readable bytes than a device takes: not all are listed */
    size_t in_bytes; /* that it added to `in` */
};

bool virtq_ready(const struct virtio *v, unsigned q);
/* How many chains the guest has put there. */
unsigned virtq_waiting(struct virtio *v, unsigned q);
/*
 * Takes the next chain and adds its memory to the lists, of `out` at most max bytes and of `in` as
 * much as is of use. False: there is none, or the ring is broken. NULL lists skip.
 */
bool virtq_take(struct virtio *v, unsigned q, struct dma_sg *out, struct dma_sg *in, size_t max,
                struct virtio_chain *chain);
/* The last n chains were not taken after all. */
void virtq_untake(struct virtio *v, unsigned q, unsigned n);
/* Gives a chain back; the guest sees it after virtq_tell. */
void virtq_give(struct virtio *v, unsigned q, uint16_t head, uint32_t written);
void virtq_tell(struct virtio *v, unsigned q);
/* The guest shall notify of more chains. True: there are some already. */
bool virtq_want(struct virtio *v, unsigned q);
void virtq_want_none(struct virtio *v, unsigned q);

#endif
