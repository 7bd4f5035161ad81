/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371SB PIIX3, function 0. Documents: see piix3.h.
 *
 * Most registers only store: the ISA bus timing, the DMA and SMI logic they steer is not modelled.
 */
#include "pc/piix3.h"

#include "core/bits.h"
#include "core/mem.h"

enum {
    PIRQRC = 0x60, PIRQ_LINKS = 4, PIRQ_OFF = 0x80,
    RC_PORT = 0xcf9, RC_SRST = 0x02, RC_RCPU = 0x04,
};

/* Configuration registers beyond the header: offset, value at reset, bits that store. */
static const struct {
    uint8_t reg, reset, rw;
} regs[] = {
    {0x4c, 0x4d, 0xff}, /* IORT */
    {0x4e, 0x03, 0xff}, /* XBCS */
    {0x4f, 0x00, 0x01},
    {0x60, 0x80, 0x8f}, /* PIRQRCA */
    {0x61, 0x80, 0x8f},
    {0x62, 0x80, 0x8f},
    {0x63, 0x80, 0x8f}, /* PIRQRCD */
    {0x69, 0x02, 0xff}, /* TOM */
    {0x6a, 0x00, 0xff}, /* MSTAT */
    {0x6b, 0x00, 0xff},
    {0x70, 0x80, 0xef}, /* MBIRQ0 */
    {0x76, 0x0c, 0x8f}, /* MBDMA0 */
    {0x77, 0x0c, 0x8f},
    {0x78, 0x02, 0xff}, /* PCSC */
    {0x79, 0x00, 0xff},
    {0x80, 0x00, 0x7f}, /* APICBASE */
    {0x82, 0x00, 0x0f}, /* DLC */
    {0xa0, 0x08, 0x1f}, /* SMICNTL */
    {0xa2, 0x00, 0xff}, /* SMIEN */
    {0xa3, 0x00, 0xff},
    {0xa4, 0x00, 0xff}, /* SEE */
    {0xa5, 0x00, 0xff},
    {0xa6, 0x00, 0xff},
    {0xa7, 0x00, 0xff},
    {0xa8, 0x0f, 0xff}, /* FTMR */
    {0xaa, 0x00, 0xff}, /* SMIREQ */
    {0xab, 0x00, 0xff},
    {0xac, 0x00, 0xff}, /* CTLTMR */
    {0xae, 0x00, 0xff}, /* CTHTMR */
};

struct piix3 {
    /* registers */
    struct pci_function pci;
    uint8_t rc;
    /* wires and derived */
    struct engine *engine;
    void (*reset)(void *board);
    void *board;
    struct io_region rc_port;
};

static const struct field fields[] = {F_STRUCT(struct piix3, pci, pci_fields),
                                      F(struct piix3, rc), F_END};

static void route(struct piix3 *d, unsigned link) {
    uint8_t v = d->pci.config[PIRQRC + link];
    d->engine->ops->pci_link(d->engine, link, v & PIRQ_OFF ? 0 : v & 0x0f);
}

static void route_all(struct piix3 *d) {
    for (unsigned link = 0; link < PIRQ_LINKS; link++)
        route(d, link);
}

static void config_wrote(void *dev, unsigned off, unsigned len) {
    struct piix3 *d = dev;
    for (unsigned link = 0; link < PIRQ_LINKS; link++)
        if (off <= PIRQRC + link && PIRQRC + link < off + len)
            route(d, link);
}

static uint64_t rc_read(void *dev, uint64_t off, unsigned size) {
    (void)off;
    (void)size;
    const struct piix3 *d = dev;
    return d->rc;
}

static void rc_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)off;
    (void)size;
    struct piix3 *d = dev;
    bool fire = val & RC_RCPU;
    d->rc = val & RC_SRST; /* RCPU falls back once the reset is done */
    if (fire)
        d->reset(d->board);
}

static const struct io_ops rc_ops = {.read = rc_read, .write = rc_write, .max = 1};

static void piix3_reset(void *dev) {
    struct piix3 *d = dev;
    pci_reset(&d->pci);
    d->rc = 0;
    route_all(d);
}

static bool piix3_loaded(void *dev, char *why, size_t why_len) {
    (void)why;
    (void)why_len;
    struct piix3 *d = dev;
    pci_loaded(&d->pci);
    d->rc &= RC_SRST;
    route_all(d);
    return true;
}

static void piix3_free(void *dev) {
    struct piix3 *d = dev;
    io_unmap(&d->rc_port);
    pci_remove(&d->pci);
    mem_free(d);
}

static const struct state state = {"piix3", 1, fields, piix3_loaded};

const struct device_ops piix3_device = {
    .name = "piix3", .state = &state, .reset = piix3_reset, .free = piix3_free};

struct piix3 *piix3_new(const struct piix3_pins *pins) {
    struct piix3 *d = mem_new(sizeof(*d));
    d->engine = pins->engine;
    d->reset = pins->reset;
    d->board = pins->board;
    static const struct pci_id id = {.vendor = 0x8086, .device = 0x7000, .class_ = 0x0601,
                                     .sub_vendor = 0x1af4, .subsystem = 0x1100};
    pci_init(&d->pci, "PIIX3", &id, d);
    d->pci.multifunction = true;
    d->pci.config_wrote = config_wrote;
    store_le16(&d->pci.config[PCI_COMMAND], PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
    store_le16(&d->pci.wmask[PCI_COMMAND], 0x0008); /* PCICMD: only Special Cycle Enable */
    store_le16(&d->pci.config[PCI_STATUS], 0x0200);
    for (unsigned i = 0; i < ARRAY_LEN(regs); i++) {
        d->pci.config[regs[i].reg] = regs[i].reset;
        d->pci.wmask[regs[i].reg] = regs[i].rw;
    }
    pci_add(pins->pci, &d->pci, 1 << 3);
    /* Above the host bridge's 0xcf8 to 0xcff: a byte at 0xcf9 is RC, a dword at 0xcf8 CONFADD. */
    io_map_new(pins->io, &d->rc_port, "reset control", &rc_ops, d, IO_PORT, RC_PORT, 1);
    return d;
}
