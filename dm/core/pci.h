/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI 2.1 functions on bus 0, and what is the same for all of them: configuration space as bytes
 * with write masks, capabilities, BARs that come and go with COMMAND, INTx (messages: msi.h). A
 * chip fills in a pci_function with pci_init, adds its BARs and pci_add()s it; the core maps the
 * regions. One thread.
 */
#ifndef CORE_PCI_H
#define CORE_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "dma.h"
#include "engine.h"
#include "io.h"
#include "irq.h"
#include "state.h"

/* Registers of the type 0 header (PCI 2.1, 6.1) */
enum {
    PCI_VENDOR = 0x00, PCI_DEVICE = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06,
    PCI_REVISION = 0x08, PCI_PROG_IF = 0x09, PCI_CLASS = 0x0a, PCI_CACHE_LINE = 0x0c,
    PCI_LATENCY = 0x0d, PCI_HEADER_TYPE = 0x0e, PCI_BAR0 = 0x10, PCI_SUB_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e, PCI_ROM = 0x30, PCI_CAP_PTR = 0x34, PCI_INT_LINE = 0x3c,
    PCI_INT_PIN = 0x3d,
};

enum {
    PCI_CMD_IO = 0x0001, PCI_CMD_MEM = 0x0002, PCI_CMD_MASTER = 0x0004,
    PCI_CMD_INTX_OFF = 0x0400,
    PCI_STS_INTX = 0x0008, PCI_STS_CAP = 0x0010, PCI_STS_W1C = 0xf900,
};

enum { PCI_BARS = 7, PCI_BAR_ROM = 6, PCI_CONFIG_SIZE = 256, PCI_DEVFN_FREE = 256 };

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM, PCI_BAR_MEM_PREFETCH };

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size;            /* a power of two; at least 4 (I/O) or 16 (memory) */
    struct io_region *region; /* what answers there, its size set by the core; or */
    struct vram *vram;        /* RAM that is placed there */
};

struct pci_bus;

struct pci_function {
    const char *name;
    const char *qdev_id; /* the id= of the command line, or "" */
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t wmask[PCI_CONFIG_SIZE]; /* bits that a write stores */
    uint8_t w1c[PCI_CONFIG_SIZE];   /* bits that writing 1 clears */
    /* wires and derived */
    void *dev;
    /* After the bytes [off, off + len) were written and BARs remapped; optional. */
    void (*config_wrote)(void *dev, unsigned off, unsigned len);
    /* Before they are read: for registers whose value is elsewhere; optional. */
    void (*config_reads)(void *dev, unsigned off, unsigned len);
    struct pci_bar bar[PCI_BARS];
    const uint8_t *rom; /* what pci_add_rom was given */
    uint32_t rom_len;
    uint8_t power_on[PCI_CONFIG_SIZE]; /* config as pci_add saw it */
    struct pci_bus *bus;               /* NULL: not on the bus */
    unsigned devfn;
    bool master; /* Bus Master Enable, for dma */
    struct dma dma;
    bool intx;         /* the level that the chip asserts */
    uint8_t messages;  /* not 0: MSI or MSI-X is on, the line stays low */
    bool multifunction;
    bool hotplug; /* may be ejected by the guest */
};

/* The state of a function, for a chip's table: F_STRUCT(struct ide, pci, pci_fields). */
extern const struct field pci_fields[];

struct pci_id {
    uint16_t vendor, device, sub_vendor, subsystem;
    uint16_t class_; /* base class << 8 | sub-class */
    uint8_t prog_if, revision, int_pin; /* int_pin: 0 none, 1 INTA ... */
};

void pci_init(struct pci_function *fn, const char *name, const struct pci_id *id, void *dev);
void pci_add_bar(struct pci_function *fn, unsigned n, enum pci_bar_kind kind, uint32_t size,
                 struct io_region *region);
void pci_add_vram(struct pci_function *fn, unsigned n, struct vram *vram);
/* The option ROM, len bytes that outlive the function; padded to a power of two. */
void pci_add_rom(struct pci_function *fn, struct io_region *region, const uint8_t *rom,
                 uint32_t len);

/* Puts a capability's id at config offset `at` and links it after those that are there. */
void pci_add_capability(struct pci_function *fn, uint8_t id, unsigned at);

struct pci_bus *pci_bus_new(struct engine *engine, struct io_bus *io);
void pci_bus_free(struct pci_bus *bus);

/* devfn or PCI_DEVFN_FREE for the lowest free slot. False: taken, or no slot is free. */
bool pci_add(struct pci_bus *bus, struct pci_function *fn, unsigned devfn);
/* Unmaps everything; its line falls; configuration reads give ones. */
void pci_remove(struct pci_function *fn);

struct pci_function *pci_find(struct pci_bus *bus, unsigned devfn);

/* Configuration back to power-on, BARs unmapped, INTx low. A chip's reset calls it. */
void pci_reset(struct pci_function *fn);
/* A chip's `loaded` calls it: maps what the loaded bytes say. The line is the chip's to restore:
 * pci_irq_restore. */
void pci_loaded(struct pci_function *fn);

void pci_irq(struct pci_function *fn, bool level);
void pci_irq_restore(struct pci_function *fn, bool level);

/* For msi.c: bit `kind` of fn->messages. */
void pci_messages(struct pci_function *fn, uint8_t kind, bool on);

/* For the sink and the host bridge. reg + size <= 256. */
uint32_t pci_config_read(struct pci_bus *bus, unsigned bdf, unsigned reg, unsigned size);
void pci_config_write(struct pci_bus *bus, unsigned bdf, unsigned reg, unsigned size,
                      uint32_t val);

/* Where a BAR is now, or UINT64_MAX. */
uint64_t pci_bar_address(const struct pci_function *fn, unsigned n);

#endif
