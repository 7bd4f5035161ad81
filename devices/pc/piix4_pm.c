/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371AB PIIX4, function 3. Documents: see piix4_pm.h.
 *
 * Not modelled: SMBus (hvmloader disables it in SMBHSTCFG), the device monitors, the overflow
 * interrupt of the timer (Xen's to give), global release.
 */
#include "pc/piix4_pm.h"

#include "core/bits.h"
#include "core/mem.h"
#include "core/regs.h"

enum {
    PMBA = 0x40, PMREGMISC = 0x80, PMREGMISC_PMIOSE = 0x01, PMBA_SIZE = 64,
    PWRBTN = 0x0100, PM1_BITS = 0x8521, /* RSM, RTC, PWRBTN, GBL, TMROF */
    SCI_EN = 0x0001, SUS_TYP_SHIFT = 10, SUS_TYP_MASK = 7, SUS_EN = 0x2000,
    APM_ENABLE_ACPI = 0xf1, APM_DISABLE_ACPI = 0xf0,
    PM_TIMER_HZ = 3579545, PM_TIMER_MASK = 0xffffff,
};

/* What SLP_TYP means: the values of \_S3 and \_S5 in Xen's tables; 2 is the PIIX4's own S4. */
enum { SUS_S5 = 0, SUS_S3 = 1, SUS_S4 = 2 };

struct piix4_pm {
    /* registers */
    struct pci_function pci;
    uint16_t pmsts, pmen, pmcntrl;
    uint32_t pmtmr; /* never stored: computed */
    uint8_t apmc, apms;
    /* wires and derived */
    struct clock *clock;
    struct irq sci;
    struct io_bus *io;
    struct io_region pm_region, apm_region;
    void (*power_off)(void *board);
    void (*suspend)(void *board);
    void *board;
};

static const struct field fields[] = {
    F_STRUCT(struct piix4_pm, pci, pci_fields),
    F_MAX(struct piix4_pm, pmsts, PM1_BITS), F_MAX(struct piix4_pm, pmen, PM1_BITS),
    F(struct piix4_pm, pmcntrl), F(struct piix4_pm, apmc), F(struct piix4_pm, apms), F_END};

static bool sci_level(const struct piix4_pm *d) {
    return d->pmcntrl & SCI_EN && d->pmsts & d->pmen;
}

static void update_sci(void *dev, uint64_t old) {
    (void)old;
    struct piix4_pm *d = dev;
    irq_set(&d->sci, sci_level(d));
}

static void pmcntrl_wrote(void *dev, uint64_t old) {
    struct piix4_pm *d = dev;
    bool enter = d->pmcntrl & SUS_EN;
    d->pmcntrl &= (uint16_t)~SUS_EN; /* reads as 0 */
    update_sci(d, old);
    if (!enter)
        return;
    switch (d->pmcntrl >> SUS_TYP_SHIFT & SUS_TYP_MASK) {
    case SUS_S5:
    case SUS_S4:
        d->power_off(d->board);
        break;
    case SUS_S3:
        d->suspend(d->board);
        break;
    }
}

static uint64_t pmtmr_fetch(void *dev) {
    const struct piix4_pm *d = dev;
    unsigned __int128 ticks = (unsigned __int128)clock_now(d->clock) * PM_TIMER_HZ / NS_PER_SEC;
    return (uint64_t)ticks & PM_TIMER_MASK;
}

/* 7.2: the power management I/O registers, from PMBA on */
static const struct reg pm_regs[] = {
    REG(struct piix4_pm, pmsts, 0x00, .w1c = PM1_BITS, .wrote = update_sci),
    REG(struct piix4_pm, pmen, 0x02, .rw = 0x0521, .wrote = update_sci),
    REG(struct piix4_pm, pmcntrl, 0x04, .rw = 0x3c03, .wrote = pmcntrl_wrote),
    REG(struct piix4_pm, pmtmr, 0x08, .fetch = pmtmr_fetch),
};

static uint64_t pm_read(void *dev, uint64_t off, unsigned size) {
    return regs_read(pm_regs, ARRAY_LEN(pm_regs), dev, off, size);
}

static void pm_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    regs_write(pm_regs, ARRAY_LEN(pm_regs), dev, off, size, val);
}

static const struct io_ops pm_ops = {.read = pm_read, .write = pm_write, .max = 4};

static uint64_t apm_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    const struct piix4_pm *d = dev;
    return off ? d->apms : d->apmc;
}

/* There is no SMM: what the SMI handler of a PC would do on these two commands happens here. */
static void apm_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)size;
    struct piix4_pm *d = dev;
    if (off) {
        d->apms = (uint8_t)val;
        return;
    }
    d->apmc = (uint8_t)val;
    if (val == APM_ENABLE_ACPI)
        d->pmcntrl |= SCI_EN;
    else if (val == APM_DISABLE_ACPI)
        d->pmcntrl &= (uint16_t)~SCI_EN;
    update_sci(d, 0);
}

static const struct io_ops apm_ops = {.read = apm_read, .write = apm_write, .max = 1};

/* PMBA and PMREGMISC say where the registers are; COMMAND has no part in it. */
static void place(struct piix4_pm *d) {
    uint16_t base = load_le16(&d->pci.config[PMBA]) & ~(PMBA_SIZE - 1);
    bool on = d->pci.config[PMREGMISC] & PMREGMISC_PMIOSE;
    if (d->pm_region.mapped && on && d->pm_region.base == base)
        return;
    io_unmap(&d->pm_region);
    if (on)
        io_map(d->io, &d->pm_region, IO_PORT, base);
}

static void config_wrote(void *dev, unsigned off, unsigned len) {
    (void)off;
    (void)len;
    place(dev);
}

void piix4_pm_power_button(struct piix4_pm *d) {
    d->pmsts |= PWRBTN;
    update_sci(d, 0);
}

static void piix4_pm_reset(void *dev) {
    struct piix4_pm *d = dev;
    regs_reset(pm_regs, ARRAY_LEN(pm_regs), d);
    d->apmc = 0;
    d->apms = 0;
    pci_reset(&d->pci);
    place(d);
    update_sci(d, 0);
}

static bool piix4_pm_loaded(void *dev, char *why, size_t why_len) {
    (void)why;
    (void)why_len;
    struct piix4_pm *d = dev;
    pci_loaded(&d->pci);
    place(d);
    irq_restore(&d->sci, sci_level(d));
    return true;
}

static void piix4_pm_free(void *dev) {
    struct piix4_pm *d = dev;
    io_unmap(&d->pm_region);
    io_unmap(&d->apm_region);
    pci_remove(&d->pci);
    mem_free(d);
}

static const struct state state = {"piix4_pm", 1, fields, piix4_pm_loaded};

const struct device_ops piix4_pm_device = {
    .name = "piix4_pm", .state = &state, .reset = piix4_pm_reset, .free = piix4_pm_free};

struct piix4_pm *piix4_pm_new(const struct piix4_pm_pins *pins) {
    struct piix4_pm *d = mem_new(sizeof(*d));
    d->clock = pins->clock;
    d->sci = pins->sci;
    d->io = pins->io;
    d->power_off = pins->power_off;
    d->suspend = pins->suspend;
    d->board = pins->board;
    static const struct pci_id id = {.vendor = 0x8086, .device = 0x7113, .revision = 3,
                                     .class_ = 0x0680, .int_pin = 1, .sub_vendor = 0x1af4,
                                     .subsystem = 0x1100};
    pci_init(&d->pci, "PIIX4 PM", &id, d);
    d->pci.config_wrote = config_wrote;
    uint8_t *config = d->pci.config, *wmask = d->pci.wmask;
    store_le16(&config[PCI_STATUS], 0x0280);
    store_le32(&config[PMBA], 1);
    store_le32(&wmask[PMBA], 0xffc0);
    for (unsigned reg = 0x44; reg < PMREGMISC; reg++)
        wmask[reg] = 0xff; /* device activity and resource registers: they store */
    config[0x5b] = 0x02; /* DEVRESC */
    config[0x5f] = 0x10; /* DEVRESB */
    config[0x63] = 0x60; /* DEVRESF */
    config[0x67] = (uint8_t)((pins->com1 ? 0x08 : 0) | (pins->com2 ? 0x90 : 0)); /* DEVRESH/I */
    wmask[PMREGMISC] = PMREGMISC_PMIOSE;
    store_le32(&config[0x90], 0xb101); /* SMBBA */
    store_le32(&wmask[0x90], 0xfff0);
    config[0xd2] = 0x09; /* SMBHSTCFG */
    for (unsigned reg = 0xd2; reg <= 0xd6; reg++)
        wmask[reg] = 0xff;
    d->pm_region = (struct io_region){
        .name = "power management", .ops = &pm_ops, .dev = d, .size = PMBA_SIZE};
    pci_add(pins->pci, &d->pci, 1 << 3 | 3);
    io_map_new(d->io, &d->apm_region, "APM", &apm_ops, d, IO_PORT, 0xb2, 2);
    return d;
}
