/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypervisor, as seen by everything above it: Xen, or a socket on which a peer plays CPU,
 * memory and clock, or a test's own. It has guest memory, interrupt inputs and the accesses that
 * nobody else answered; it hands those to one sink. One thread.
 */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum io_space { IO_PORT, IO_MEM };

enum engine_shutdown { ENGINE_POWEROFF, ENGINE_REBOOT, ENGINE_CRASH };

/*
 * Upward: what the engine asks of the machine. Sizes are 1, 2, 4 or 8; values are masked to them.
 * Strings are n elements of `size` bytes in ascending order: to one port, or to ascending memory
 * addresses; the number of elements taken is returned, and the engine gives the rest one by one.
 * PCI: bdf is bus << 8 | dev << 3 | fn.
 */
struct engine_sink {
    void *dev;
    uint64_t (*read)(void *dev, enum io_space space, uint64_t addr, unsigned size);
    void (*write)(void *dev, enum io_space space, uint64_t addr, unsigned size, uint64_t val);
    unsigned (*read_string)(void *dev, enum io_space space, uint64_t addr, unsigned size, void *buf,
                            unsigned n);
    unsigned (*write_string)(void *dev, enum io_space space, uint64_t addr, unsigned size,
                             const void *buf, unsigned n);
    uint32_t (*pci_read)(void *dev, unsigned bdf, unsigned reg, unsigned size);
    void (*pci_write)(void *dev, unsigned bdf, unsigned reg, unsigned size, uint32_t val);
};

#define VRAM_NOWHERE UINT64_MAX

/* Video memory: RAM of the guest that a BAR moves about. The bytes stay where they are for us. */
struct vram {
    uint8_t *bytes;
    size_t size;
    uint64_t base; /* guest-physical, or VRAM_NOWHERE */
};

struct engine {
    const struct engine_ops *ops;
    struct engine_sink sink;
};

struct engine_ops {
    /* A range [base, base + size) whose accesses shall come to the sink; ranges never overlap. */
    bool (*claim)(struct engine *e, enum io_space space, uint64_t base, uint64_t size);
    void (*unclaim)(struct engine *e, enum io_space space, uint64_t base, uint64_t size);
    bool (*claim_pci)(struct engine *e, unsigned bdf);
    void (*unclaim_pci)(struct engine *e, unsigned bdf);

    /* Called on changes only. */
    void (*isa_irq)(struct engine *e, unsigned irq, bool level);
    void (*pci_intx)(struct engine *e, unsigned dev, unsigned pin, bool level);
    void (*pci_link)(struct engine *e, unsigned link, unsigned irq); /* irq 0: disconnected */
    void (*msi)(struct engine *e, uint64_t addr, uint32_t data);

    /*
     * Guest RAM at gpa as host memory: the longest run up to *len that is contiguous here; *len is
     * set to it. NULL: no RAM there (a hole, ballooned out), and *len is how far that holds. The
     * memory stays until unmap with the same host address and length, even across an invalidate.
     * `wrote` marks the pages dirty for migration.
     */
    void *(*map)(struct engine *e, uint64_t gpa, size_t *len, bool write);
    void (*unmap)(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote);

    /* NULL with a sentence in the log when it can't be had. */
    struct vram *(*vram_new)(struct engine *e, size_t size);
    void (*vram_free)(struct engine *e, struct vram *vram);
    void (*vram_place)(struct engine *e, struct vram *vram, uint64_t base);
    /*
     * Which 4 KiB pages the guest wrote since the last call, one bit each, for the page range
     * [first, first + n) of the video memory (first and n multiples of 64). False: not known, take
     * all as written. Expensive (stops the domain): only while somebody looks. n = 0 stops
     * tracking.
     */
    bool (*vram_dirty)(struct engine *e, struct vram *vram, size_t first, size_t n,
                       uint64_t *bitmap);
    /* We wrote to video memory ourselves: for the bitmap above and for migration. */
    void (*vram_dirtied)(struct engine *e, struct vram *vram, size_t offset, size_t len);

    /* Pages [gpa, gpa + len) read-only for the guest or not (ROM lock of the platform device). */
    void (*protect)(struct engine *e, uint64_t gpa, uint64_t len, bool read_only);

    /* The guest asked to power off or reset: before the access that asked for it is completed. */
    void (*shutdown)(struct engine *e, enum engine_shutdown how);
    /* The power button, where the hypervisor owns PM1_STS. False: it does not, the chip's shall be
     * used. */
    bool (*power_button)(struct engine *e);
    /* ACPI S3 entered, or left again. */
    void (*suspend)(struct engine *e, bool suspended);

    void (*free)(struct engine *e);
};

#endif
