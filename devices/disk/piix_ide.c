/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82371SB (PIIX3) IDE controller: Intel 290550-002, 2.3 (configuration) and 2.6 (bus master);
 * "Programming Interface for Bus Master IDE Controller", revision 1.0. Legacy ports and ISA
 * interrupts only. The ports are decoded whatever IDETIM says, since firmware of this machine
 * expects so. Not modelled: timings.
 *
 * A descriptor list is walked in batches, each a scatter list that goes to the image as it is; a
 * list that loops ends with the command that it serves.
 */
#include "disk/piix_ide.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

/* Bus master registers of a channel */
enum { BMICOM = 0, BMISTA = 2, BMIDTP = 4, BM_CHANNEL = 8, BM_SIZE = 16 };
enum { BMICOM_START = 0x01, BMICOM_TO_MEMORY = 0x08 };
enum { BMISTA_ACTIVE = 0x01, BMISTA_ERROR = 0x02, BMISTA_INTERRUPT = 0x04, BMISTA_CAPABLE = 0x60 };
enum { PRD_EOT = 0x80000000u, PRD_BYTES = 0xfffe };
enum { IDETIM = 0x40, SIDETIM = 0x44 };

struct piix_channel {
    struct ata_cable cable;
    /* registers */
    uint8_t bmicom, bmista;
    uint32_t bmidtp;
    /* hidden state: where in the descriptor list the engine is */
    uint32_t next;       /* address of the next descriptor */
    uint32_t addr, left; /* of the current region */
    bool last;           /* the current one has EOT */
    /* wires and derived */
    struct piix_ide *ide;
    struct irq irq;
    struct io_region command, control;
};

struct piix_ide {
    struct pci_function pci;
    struct piix_channel channel[2];
    /* wires and derived */
    struct io_region bus_master;
};

static const struct field channel_fields[] = {
    F_STRUCT(struct piix_channel, cable, ata_cable_fields), F(struct piix_channel, bmicom),
    F(struct piix_channel, bmista), F(struct piix_channel, bmidtp), F(struct piix_channel, next),
    F(struct piix_channel, addr), F_MAX(struct piix_channel, left, 65536),
    F_MAX(struct piix_channel, last, 1), F_END
};

static const struct field piix_ide_fields[] = {
    F_STRUCT(struct piix_ide, pci, pci_fields),
    F_STRUCTS(struct piix_ide, channel, channel_fields), F_END
};

/* ---- the interrupt ---- */

static void update_irq(struct piix_channel *ch) {
    bool level = ata_cable_intrq(&ch->cable);
    if (level && !ch->irq.level)
        ch->bmista |= BMISTA_INTERRUPT;
    irq_set(&ch->irq, level);
}

static void host_interrupt(void *host, struct ata_drive *drive) {
    (void)drive;
    update_irq(host);
}

/* ---- the descriptor list ---- */

static bool is_active(const struct piix_channel *ch) {
    return ch->bmista & BMISTA_ACTIVE;
}

/* The engine stops by itself when it has moved the last region (table 2 of the Programming
 * Interface). */
static void settle(struct piix_channel *ch) {
    if (ch->last && !ch->left)
        ch->bmista &= (uint8_t)~BMISTA_ACTIVE;
}

/* There is a current region, fetched if need be. False: the list is at its end or can't be read. */
static bool have_region(struct piix_channel *ch) {
    if (ch->left)
        return true;
    if (ch->last)
        return false;
    uint8_t prd[8];
    if (!dma_read(&ch->ide->pci.dma, ch->next, prd, sizeof(prd))) {
        ch->bmista = (uint8_t)((ch->bmista & ~BMISTA_ACTIVE) | BMISTA_ERROR);
        return false;
    }
    uint32_t bytes = load_le32(prd + 4);
    ch->addr = load_le32(prd) & ~1u;
    ch->left = bytes & PRD_BYTES ? bytes & PRD_BYTES : 65536;
    ch->last = bytes & PRD_EOT;
    /* a list does not leave its 64 KiB */
    ch->next = (ch->next & 0xffff0000) | ((ch->next + 8) & 0xffff);
    return true;
}

static void advance(struct piix_channel *ch, uint32_t bytes) {
    ch->addr += bytes;
    ch->left -= bytes;
}

static bool host_dma_ready(void *host, struct ata_drive *drive, bool to_host) {
    struct piix_channel *ch = host;
    (void)drive;
    return is_active(ch) && !(ch->bmicom & BMICOM_TO_MEMORY) == !to_host;
}

/* Collects up to `len` bytes of the list. */
static void collect(struct piix_channel *ch, struct dma_sg *sg, size_t len, bool to_host) {
    while (sg->len < len && have_region(ch)) {
        size_t want = MIN((size_t)ch->left, len - sg->len);
        size_t added = dma_sg_add(&ch->ide->pci.dma, sg, ch->addr, want, to_host);
        advance(ch, (uint32_t)added);
        if (added < want)
            break;
    }
}

static bool host_dma_map(void *host, struct dma_sg *sg, size_t len, bool to_host) {
    struct piix_channel *ch = host;
    uint32_t next = ch->next, addr = ch->addr, left = ch->left;
    bool last = ch->last;
    uint8_t bmista = ch->bmista;
    collect(ch, sg, len, to_host);
    size_t whole = sg->len - sg->len % ATA_SECTOR;
    if (whole == sg->len)
        return whole;
    /* a list that ends or is cut within a sector: only its whole sectors */
    dma_sg_done(&ch->ide->pci.dma, sg, false);
    ch->next = next;
    ch->addr = addr;
    ch->left = left;
    ch->last = last;
    ch->bmista = bmista;
    if (whole)
        collect(ch, sg, whole, to_host);
    return whole;
}

static void host_dma_unmap(void *host, struct dma_sg *sg, bool wrote) {
    struct piix_channel *ch = host;
    dma_sg_done(&ch->ide->pci.dma, sg, wrote);
    settle(ch);
}

static size_t host_dma_copy(void *host, void *buf, size_t len, bool to_host) {
    struct piix_channel *ch = host;
    const struct dma *dma = &ch->ide->pci.dma;
    uint8_t *bytes = buf;
    size_t done = 0;
    while (done < len && have_region(ch)) {
        uint32_t n = (uint32_t)MIN((size_t)ch->left, len - done);
        if (to_host)
            dma_write(dma, ch->addr, bytes + done, n);
        else
            dma_read(dma, ch->addr, bytes + done, n);
        advance(ch, n);
        done += n;
    }
    settle(ch);
    return done;
}

static const struct ata_host host_ops = {
    .interrupt = host_interrupt, .dma_ready = host_dma_ready, .dma_map = host_dma_map,
    .dma_unmap = host_dma_unmap, .dma_copy = host_dma_copy,
};

/* ---- bus master registers ---- */

static void bmicom_write(struct piix_channel *ch, uint8_t val) {
    bool was = ch->bmicom & BMICOM_START, start = val & BMICOM_START;
    ch->bmicom = val & (BMICOM_START | BMICOM_TO_MEMORY);
    if (was && !start) {
        ch->bmista &= (uint8_t)~BMISTA_ACTIVE;
    } else if (!was && start) {
        ch->next = ch->bmidtp;
        ch->left = 0;
        ch->last = false;
        ch->bmista |= BMISTA_ACTIVE;
        for (unsigned i = 0; i < 2; i++)
            ata_dma_go(&ch->cable.drive[i]);
    }
}

static void bmista_write(struct piix_channel *ch, uint8_t val) {
    uint8_t kept = (uint8_t)(ch->bmista & ~val & (BMISTA_ERROR | BMISTA_INTERRUPT));
    ch->bmista = (uint8_t)((ch->bmista & BMISTA_ACTIVE) | kept | (val & BMISTA_CAPABLE));
}

static uint64_t bm_read(void *dev, uint64_t off, unsigned size) {
    struct piix_ide *ide = dev;
    uint8_t bytes[BM_SIZE] = {0};
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *to = bytes + BM_CHANNEL * i;
        to[BMICOM] = ide->channel[i].bmicom;
        to[BMISTA] = ide->channel[i].bmista;
        store_le32(to + BMIDTP, ide->channel[i].bmidtp);
    }
    return load_le(bytes + off, size);
}

static void bm_write_byte(struct piix_channel *ch, unsigned off, uint8_t val) {
    if (off == BMICOM)
        bmicom_write(ch, val);
    else if (off == BMISTA)
        bmista_write(ch, val);
    else if (off >= BMIDTP) {
        unsigned shift = 8 * (off - BMIDTP);
        ch->bmidtp = (ch->bmidtp & ~(0xffu << shift)) | (uint32_t)val << shift;
        ch->bmidtp &= ~3u;
    }
}

static void bm_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct piix_ide *ide = dev;
    for (unsigned i = 0; i < size; i++)
        bm_write_byte(&ide->channel[(off + i) / BM_CHANNEL], (unsigned)(off + i) % BM_CHANNEL,
                      (uint8_t)(val >> (8 * i)));
}

static const struct io_ops bm_ops = {.read = bm_read, .write = bm_write, .min = 1, .max = 4};

/* ---- life ---- */

static void channel_power_on(struct piix_channel *ch) {
    ata_cable_power_on(&ch->cable);
    ch->bmicom = ch->bmista = 0;
    ch->bmidtp = ch->next = ch->addr = ch->left = 0;
    ch->last = false;
    update_irq(ch);
}

static void piix_ide_reset(void *dev) {
    struct piix_ide *ide = dev;
    for (unsigned i = 0; i < 2; i++)
        channel_power_on(&ide->channel[i]);
    pci_reset(&ide->pci);
}

static bool piix_ide_idle(void *dev) {
    struct piix_ide *ide = dev;
    for (unsigned i = 0; i < 4; i++)
        if (ide->channel[i / 2].cable.drive[i % 2].inflight)
            return false;
    return true;
}

static void piix_ide_free(void *dev) {
    struct piix_ide *ide = dev;
    for (unsigned i = 0; i < 2; i++) {
        struct piix_channel *ch = &ide->channel[i];
        for (unsigned j = 0; j < 2; j++)
            ata_done_with(&ch->cable.drive[j]);
        io_unmap(&ch->command);
        io_unmap(&ch->control);
    }
    pci_remove(&ide->pci);
    mem_free(ide);
}

static bool piix_ide_loaded(void *dev, char *why, size_t why_len) {
    struct piix_ide *ide = dev;
    for (unsigned i = 0; i < 4; i++)
        if (!ata_loaded(&ide->channel[i / 2].cable.drive[i % 2], why, why_len))
            return false;
    for (unsigned i = 0; i < 2; i++)
        irq_restore(&ide->channel[i].irq, ata_cable_intrq(&ide->channel[i].cable));
    pci_loaded(&ide->pci);
    return true;
}

static const struct state piix_ide_state = {"piix_ide", 1, piix_ide_fields, piix_ide_loaded};

const struct device_ops piix_ide_device = {
    .name = "piix_ide", .state = &piix_ide_state, .reset = piix_ide_reset, .idle = piix_ide_idle,
    .free = piix_ide_free,
};

static void channel_new(struct piix_ide *ide, unsigned n, const struct piix_ide_pins *pins) {
    static const uint16_t command_ports[] = {0x1f0, 0x170}, control_ports[] = {0x3f6, 0x376};
    static const char *const names[] = {"primary IDE", "secondary IDE"};
    struct piix_channel *ch = &ide->channel[n];
    ch->ide = ide;
    ch->irq = n ? pins->irq15 : pins->irq14;
    for (unsigned i = 0; i < 2; i++)
        ata_init(&ch->cable.drive[i], &pins->drive[2 * n + i], &host_ops, ch, i,
                 2 * n + i);
    io_map_new(pins->io, &ch->command, names[n], &ata_command_ops, &ch->cable, IO_PORT,
               command_ports[n], ATA_REGISTERS);
    io_map_new(pins->io, &ch->control, names[n], &ata_control_ops, &ch->cable, IO_PORT,
               control_ports[n], 1);
}

struct piix_ide *piix_ide_new(const struct piix_ide_pins *pins) {
    static const struct pci_id id = {.vendor = 0x8086, .device = 0x7010, .class_ = 0x0101,
                                     .prog_if = 0x80};
    struct piix_ide *ide = mem_new(sizeof(*ide));
    pci_init(&ide->pci, "piix_ide", &id, ide);
    store_le16(&ide->pci.wmask[PCI_COMMAND], PCI_CMD_IO | PCI_CMD_MASTER);
    store_le16(&ide->pci.config[PCI_STATUS], 0x0280);
    memset(&ide->pci.wmask[IDETIM], 0xff, 5); /* both channels' IDETIM, and SIDETIM */
    ide->bus_master = (struct io_region){.name = "bus master IDE", .ops = &bm_ops, .dev = ide};
    pci_add_bar(&ide->pci, 4, PCI_BAR_IO, BM_SIZE, &ide->bus_master);
    if (!pci_add(pins->pci, &ide->pci, pins->devfn)) {
        mem_free(ide);
        return NULL;
    }
    for (unsigned i = 0; i < 2; i++)
        channel_new(ide, i, pins);
    piix_ide_reset(ide);
    return ide;
}

/* ---- what the machine and the monitor do ---- */

void piix_ide_unplug(struct piix_ide *ide, bool keep_primary_master) {
    for (unsigned i = keep_primary_master ? 1 : 0; i < 4; i++)
        ata_unplug(&ide->channel[i / 2].cable.drive[i % 2]);
    for (unsigned i = 0; i < 2; i++)
        channel_power_on(&ide->channel[i]);
}

struct block *piix_ide_block(const struct piix_ide *ide, unsigned place) {
    return ide->channel[place / 2].cable.drive[place % 2].block;
}

void *piix_ide_cd(struct piix_ide *ide, unsigned place) {
    struct ata_drive *d = &ide->channel[place / 2].cable.drive[place % 2];
    return d->kind == ATA_CDROM ? d : NULL;
}
