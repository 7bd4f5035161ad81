/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as ioreq slots and a buffered ring: decoding must end, stay inside what map gave, and
 * give back all it mapped. The first byte chooses where the memory behind strings has edges and
 * holes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>

#include "core/bits.h"
#include "ring.h"

enum { VCPUS = 4, RAM = 0x8000 };

static uint8_t *ram;
static unsigned held;
static uint8_t shape;

static uint64_t sink_read(void *dev, enum io_space space, uint64_t addr, unsigned size) {
    (void)dev, (void)space;
    return addr & size_mask(size);
}

static void sink_write(void *dev, enum io_space space, uint64_t addr, unsigned size, uint64_t val) {
    (void)dev, (void)space, (void)addr;
    if (val & ~size_mask(size))
        abort();
}

static unsigned sink_read_string(void *dev, enum io_space space, uint64_t addr, unsigned size,
                                 void *buf, unsigned n) {
    (void)dev, (void)space;
    n = MIN(n, shape & 0x7fu);
    memset(buf, (int)addr, (size_t)n * size);
    return n;
}

static unsigned sink_write_string(void *dev, enum io_space space, uint64_t addr, unsigned size,
                                  const void *buf, unsigned n) {
    (void)dev, (void)space, (void)addr;
    n = MIN(n, shape & 0x7fu);
    void *copy = malloc((size_t)n * size + 1); /* all of it is readable */
    if (copy)
        memcpy(copy, buf, (size_t)n * size);
    free(copy);
    return n;
}

static uint32_t sink_pci_read(void *dev, unsigned bdf, unsigned reg, unsigned size) {
    (void)dev;
    if (bdf > 0xffff || reg + size > 4096)
        abort();
    return reg & (uint32_t)size_mask(size);
}

static void sink_pci_write(void *dev, unsigned bdf, unsigned reg, unsigned size, uint32_t val) {
    (void)dev, (void)val;
    if (bdf > 0xffff || reg + size > 4096)
        abort();
}

/* Runs of 1 to 4 KiB and 2 bytes; a copy each, so that a step outside is seen by the sanitizer. */
static void *map(struct engine *e, uint64_t gpa, size_t *len, bool write) {
    (void)e, (void)write;
    uint64_t run = (shape & 3u) * 1024 + 1026;
    *len = MIN(*len, run - gpa % run);
    if (gpa >= RAM || (shape & 0x80 && gpa / run % 3 == 1))
        return NULL;
    *len = MIN(*len, RAM - gpa);
    uint8_t *host = malloc(*len);
    if (!host)
        return NULL;
    memcpy(host, ram + gpa, *len);
    held++;
    return host;
}

static void unmap(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote) {
    (void)e;
    if (wrote)
        memcpy(ram + gpa, host, len);
    free(host);
    held--;
}

static void invalidate(struct engine *e) {
    (void)e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct engine_ops ops = {.map = map, .unmap = unmap};
    static struct ioreq slots[VCPUS];
    static uint64_t page[512];
    if (!ram && !(ram = malloc(RAM)))
        return 0;
    if (!size)
        return 0;
    shape = *data++;
    size--;
    memset(slots, 0, sizeof(slots));
    memset(page, 0, sizeof(page));
    memcpy(slots, data, MIN(size, sizeof(slots)));
    if (size > sizeof(slots))
        memcpy(page, data + sizeof(slots), MIN(size - sizeof(slots), sizeof(page)));

    struct engine engine = {
        .ops = &ops,
        .sink = {NULL, sink_read, sink_write, sink_read_string, sink_write_string, sink_pci_read,
                 sink_pci_write},
    };
    struct ring ring = {.engine = &engine, .slots = slots, .vcpus = VCPUS,
                        .buffered = (void *)page, .invalidate = invalidate};
    for (unsigned i = 0; i < VCPUS; i++) {
        bool ready = slots[i].state == STATE_IOREQ_READY;
        if (ring_serve(&ring, i) != ready)
            abort();
        if (ready && slots[i].state != STATE_IORESP_READY)
            abort();
    }
    ring_drain(&ring);
    uint32_t pointers[2];
    memcpy(pointers, page, sizeof(pointers));
    if (held || pointers[0] != pointers[1])
        abort();
    return 0;
}
