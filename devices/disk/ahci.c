/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82801IR (ICH9R) SATA controller in AHCI mode: Intel 316972-004, 15 (configuration, index and data
 * pair), AHCI 1.3, 2 and 3.1 (the controller's own registers). Ports are in ahci_port.c. Not
 * modelled: command completion coalescing, enclosure management, the legacy IDE mode, PCI power
 * management.
 */
#include "disk/ahci.h"

#include "core/bits.h"
#include "core/mem.h"
#include "core/msi.h"
#include "disk/ahci_port.h"

/* Generic host control */
enum { CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, VS = 0x10, PORTS = 0x100, MEM_SIZE = 0x1000 };
enum {
    CAP_S64A = (int)0x80000000, CAP_SNCQ = 1 << 30, CAP_SCLO = 1 << 24, CAP_SAM = 1 << 18,
    CAP_GEN2 = 2 << 20, CAP_NCS_SHIFT = 8,
    CAP_VALUE = CAP_S64A | CAP_SNCQ | CAP_SCLO | CAP_GEN2 | CAP_SAM |
                (AHCI_SLOTS - 1) << CAP_NCS_SHIFT | (AHCI_PORTS - 1),
};
enum { GHC_HR = 1, GHC_IE = 2, GHC_AE = (int)0x80000000 };
enum { VS_1_2 = 0x00010200, ALL_PORTS = (1 << AHCI_PORTS) - 1 };
enum { INDEX = 0x10, DATA = 0x14, IO_SIZE = 0x20 };
enum { MAP = 0x90, MAP_AHCI = 0x40, MSI_CAP = 0x80, SATA_CAP = 0xa8 };

struct ahci {
    struct pci_function pci;
    struct ahci_port port[AHCI_PORTS];
    /* registers */
    uint32_t ghc, is, index;
    /* wires and derived */
    struct msi msi;
    struct io_region mem, io;
};

static const struct field ahci_fields[] = {
    F_STRUCT(struct ahci, pci, pci_fields), F_STRUCTS(struct ahci, port, ahci_port_fields),
    F_MAX(struct ahci, ghc, GHC_IE), F_MAX(struct ahci, is, ALL_PORTS),
    F_MAX(struct ahci, index, MEM_SIZE - 4), F_END
};

/* ---- the interrupt ---- */

static bool level(const struct ahci *s) {
    return s->is && s->ghc & GHC_IE;
}

static void look_at(struct ahci *s, const struct ahci_port *p) {
    if (ahci_port_interrupts(p))
        s->is |= 1u << p->number;
}

static void port_changed(struct ahci_port *p) {
    look_at(p->ahci, p);
    msi_irq(&((struct ahci *)p->ahci)->msi, level(p->ahci));
}

/* A port's bit is set again for as long as the port asks. */
static void update_irq(struct ahci *s) {
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        look_at(s, &s->port[i]);
    msi_irq(&s->msi, level(s));
}

/* ---- registers ---- */

static void reset_controller(struct ahci *s) {
    s->ghc = s->is = 0;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        ahci_port_reset(&s->port[i]);
}

static uint32_t read_register(struct ahci *s, unsigned off) {
    unsigned port = (off - PORTS) / AHCI_PORT_SIZE;
    if (off >= PORTS)
        return port < AHCI_PORTS ? ahci_port_read(&s->port[port], off % AHCI_PORT_SIZE) : 0;
    switch (off) {
    case CAP:
        return (uint32_t)CAP_VALUE;
    case GHC:
        return s->ghc | (uint32_t)GHC_AE;
    case IS:
        return s->is;
    case PI:
        return ALL_PORTS;
    case VS:
        return VS_1_2;
    default:
        return 0;
    }
}

static void write_register(struct ahci *s, unsigned off, uint32_t val) {
    unsigned port = (off - PORTS) / AHCI_PORT_SIZE;
    if (off >= PORTS) {
        if (port < AHCI_PORTS) {
            ahci_port_write(&s->port[port], off % AHCI_PORT_SIZE, val);
            port_changed(&s->port[port]);
        }
        return;
    }
    if (off == GHC) {
        s->ghc = val & GHC_IE;
        if (val & GHC_HR)
            reset_controller(s);
    } else if (off == IS) {
        s->is &= ~val;
        if (msi_enabled(&s->msi)) /* what still asks sends another message */
            msi_irq(&s->msi, level(s));
    }
    update_irq(s);
}

static uint64_t mem_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    return off % 4 ? 0 : read_register(dev, (unsigned)off);
}

static void mem_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)size;
    if (off % 4 == 0)
        write_register(dev, (unsigned)off, (uint32_t)val);
}

static const struct io_ops mem_ops = {.read = mem_read, .write = mem_write, .min = 4, .max = 4};

/* The same registers for who can't reach memory. */
static uint64_t io_port_read(void *dev, uint64_t off, unsigned size) {
    struct ahci *s = dev;
    (void)size;
    return off == INDEX ? s->index : off == DATA ? read_register(s, s->index) : 0;
}

static void io_port_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct ahci *s = dev;
    (void)size;
    if (off == INDEX)
        s->index = (uint32_t)val & (MEM_SIZE - 4);
    else if (off == DATA)
        write_register(s, s->index, (uint32_t)val);
}

static const struct io_ops pair_ops = {
    .read = io_port_read, .write = io_port_write, .min = 4, .max = 4};

/* ---- life ---- */

static void ahci_reset(void *dev) {
    struct ahci *s = dev;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        ahci_port_power_on(&s->port[i]);
    s->ghc = s->is = s->index = 0;
    pci_reset(&s->pci);
}

static bool ahci_idle(void *dev) {
    const struct ahci *s = dev;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        if (!ahci_port_idle(&s->port[i]))
            return false;
    return true;
}

static void ahci_free(void *dev) {
    struct ahci *s = dev;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        ahci_port_free(&s->port[i]);
    pci_remove(&s->pci);
    mem_free(s);
}

static bool ahci_loaded(void *dev, char *why, size_t why_len) {
    struct ahci *s = dev;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        if (!ahci_port_loaded(&s->port[i], why, why_len))
            return false;
    s->index &= MEM_SIZE - 4;
    s->ghc &= GHC_IE;
    pci_irq_restore(&s->pci, level(s));
    msi_loaded(&s->msi);
    pci_loaded(&s->pci);
    return true;
}

static const struct state ahci_state = {"ahci", 1, ahci_fields, ahci_loaded};

const struct device_ops ahci_device = {.name = "ahci", .state = &ahci_state, .reset = ahci_reset,
                                       .idle = ahci_idle, .free = ahci_free};

static void config_wrote(void *dev, unsigned off, unsigned len) {
    msi_config_wrote(&((struct ahci *)dev)->msi, off, len);
}

/* Serial ATA capability (SATA 2.6, AHCI 1.3, 2.4): the pair is in BAR 4, four words in. */
static void add_sata_capability(struct ahci *s) {
    uint8_t *cap = &s->pci.config[SATA_CAP];
    pci_add_capability(&s->pci, 0x12, SATA_CAP);
    cap[2] = 0x10; /* revision 1.0 */
    store_le32(cap + 4, (INDEX / 4) << 4 | (PCI_BAR0 / 4 + 4));
}

struct ahci *ahci_new(const struct ahci_pins *pins) {
    static const struct pci_id id = {.vendor = 0x8086, .device = 0x2922, .class_ = 0x0106,
                                     .prog_if = 0x01, .revision = 0x02, .int_pin = 1};
    struct ahci *s = mem_new(sizeof(*s));
    pci_init(&s->pci, "ahci", &id, s);
    if (pins->qdev_id)
        s->pci.qdev_id = pins->qdev_id;
    store_le16(&s->pci.config[PCI_STATUS], 0x0280);
    s->pci.config[MAP] = MAP_AHCI;
    s->pci.config_wrote = config_wrote;
    msi_add(&s->msi, &s->pci, MSI_CAP, 1, 0);
    add_sata_capability(s);
    s->io = (struct io_region){.name = "AHCI index and data", .ops = &pair_ops, .dev = s};
    s->mem = (struct io_region){.name = "AHCI", .ops = &mem_ops, .dev = s};
    pci_add_bar(&s->pci, 4, PCI_BAR_IO, IO_SIZE, &s->io);
    pci_add_bar(&s->pci, 5, PCI_BAR_MEM, MEM_SIZE, &s->mem);
    if (!pci_add(pins->pci, &s->pci, pins->devfn)) {
        mem_free(s);
        return NULL;
    }
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        struct ahci_port *p = &s->port[i];
        p->number = i;
        p->pci = &s->pci;
        p->changed = port_changed;
        p->ahci = s;
        ahci_port_init(p, &pins->drive[i], pins->place + i);
    }
    ahci_reset(s);
    return s;
}

/* ---- what the machine and the monitor do ---- */

void ahci_unplug(struct ahci *s, bool keep_first) {
    for (unsigned i = keep_first ? 1 : 0; i < AHCI_PORTS; i++)
        ahci_port_unplug(&s->port[i]);
    update_irq(s);
}

struct block *ahci_block(const struct ahci *s, unsigned port) {
    return s->port[port].drive.block;
}

void *ahci_cd(struct ahci *s, unsigned port) {
    struct ata_drive *d = &s->port[port].drive;
    return d->kind == ATA_CDROM ? d : NULL;
}
