/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82441FX PMC. Documents: see i440fx.h.
 *
 * PAM and SMRAM store what is written and do nothing: under Xen the shadowed ROM area is RAM that
 * the toolstack filled, and there is no SMM. Not modelled: DRAM timing (the registers store), AGP.
 */
#include "pc/i440fx.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

enum {
    CONFADD = 0,      /* offsets from port 0xcf8 */
    CONFDATA = 4,
    CONFADD_ENABLE = 1u << 31,
    /* configuration registers, 3.2 */
    PMCCFG = 0x50, DETURBO = 0x52, DBC = 0x53, AXC = 0x54, DRT = 0x55, DRAMC = 0x57, DRAMT = 0x58,
    PAM0 = 0x59, PAM6 = 0x5f, DRB0 = 0x60, DRB7 = 0x67, FDHC = 0x68, MTT = 0x70, CLT = 0x71,
    SMRAM = 0x72, ERRCMD = 0x90, ERRSTS = 0x91, TRC = 0x93,
};

struct i440fx {
    /* registers */
    struct pci_function pci;
    uint32_t confadd;
    /* wires and derived */
    struct pci_bus *bus;
    struct io_region ports;
};

static const struct field fields[] = {F_STRUCT(struct i440fx, pci, pci_fields),
                                      F(struct i440fx, confadd), F_END};

static uint64_t ports_read(void *dev, uint64_t off, unsigned size) {
    struct i440fx *d = dev;
    if (off == CONFADD && size == 4)
        return d->confadd;
    if (off < CONFDATA || !(d->confadd & CONFADD_ENABLE))
        return size_mask(size);
    unsigned reg = (d->confadd & 0xfc) + (unsigned)(off - CONFDATA);
    return pci_config_read(d->bus, d->confadd >> 8 & 0xffff, reg, size);
}

static void ports_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i440fx *d = dev;
    if (off == CONFADD && size == 4) {
        d->confadd = (uint32_t)val & 0x80fffffc;
        return;
    }
    if (off < CONFDATA || !(d->confadd & CONFADD_ENABLE))
        return;
    unsigned reg = (d->confadd & 0xfc) + (unsigned)(off - CONFDATA);
    pci_config_write(d->bus, d->confadd >> 8 & 0xffff, reg, size, (uint32_t)val);
}

static const struct io_ops ports_ops = {.read = ports_read, .write = ports_write, .max = 4};

static void i440fx_reset(void *dev) {
    struct i440fx *d = dev;
    pci_reset(&d->pci);
    d->confadd = 0;
}

static bool i440fx_loaded(void *dev, char *why, size_t why_len) {
    (void)why;
    (void)why_len;
    struct i440fx *d = dev;
    pci_loaded(&d->pci);
    return true;
}

static void i440fx_free(void *dev) {
    struct i440fx *d = dev;
    io_unmap(&d->ports);
    pci_remove(&d->pci);
    mem_free(d);
}

static const struct state state = {"i440fx", 1, fields, i440fx_loaded};

const struct device_ops i440fx_device = {
    .name = "i440fx", .state = &state, .reset = i440fx_reset, .free = i440fx_free};

struct i440fx *i440fx_new(const struct i440fx_pins *pins) {
    struct i440fx *d = mem_new(sizeof(*d));
    d->bus = pins->pci;
    static const struct pci_id id = {.vendor = 0x8086, .device = 0x1237, .revision = 2,
                                     .class_ = 0x0600, .sub_vendor = 0x1af4, .subsystem = 0x1100};
    pci_init(&d->pci, "82441FX", &id, d);
    static const uint8_t stores[] = {PMCCFG, PMCCFG + 1, DETURBO, DBC, AXC, DRT, DRT + 1, DRAMC,
                                     DRAMT, FDHC, MTT, CLT, ERRCMD, TRC};
    for (unsigned i = 0; i < sizeof(stores); i++)
        d->pci.wmask[stores[i]] = 0xff;
    memset(&d->pci.wmask[PAM0], 0xff, PAM6 - PAM0 + 1);
    memset(&d->pci.wmask[DRB0], 0xff, DRB7 - DRB0 + 1);
    d->pci.wmask[SMRAM] = 0x7f;
    d->pci.w1c[ERRSTS] = 0x11;
    d->pci.config[PAM0] = 0x03; /* as firmware finds it: the area is RAM */
    d->pci.config[SMRAM] = 0x02;
    pci_add(d->bus, &d->pci, 0);
    io_map_new(pins->io, &d->ports, "PCI configuration", &ports_ops, d, IO_PORT, 0xcf8, 8);
    return d;
}
