/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GPE0, PCI hot-plug, CPU hot-plug. Documents: see acpi_gpe.h. Only GPE0's first byte takes part in
 * the SCI; events 1 (PCI) and 2 (CPU) are in it. Not modelled: CPU ejection, which Xen's tables
 * lack.
 */
#include "pc/acpi_gpe.h"

#include "core/bits.h"
#include "core/mem.h"
#include "core/regs.h"

enum {
    GPE_PORT = 0xafe0, GPE_PORTS = 4, PCI_PORT = 0xae00, PCI_PORTS = 16, CPU_PORT = 0xaf00,
    CPU_PORTS = 32, GPE_PCI = 0x02, GPE_CPU = 0x04, SLOTS = 32,
};

struct acpi_gpe {
    /* registers */
    uint8_t sts[2], en[2];
    uint32_t up, down, eject, removable;
    uint8_t cpus[ACPI_CPUS / 8];
    /* wires and derived */
    struct irq sci;
    struct pci_bus *pci;
    unsigned boot_cpus;
    void (*eject_slot)(void *board, unsigned slot);
    void *board;
    struct io_region gpe_region, pci_region, cpu_region;
};

static const struct field fields[] = {
    F_BYTES(struct acpi_gpe, sts), F_BYTES(struct acpi_gpe, en), F(struct acpi_gpe, up),
    F(struct acpi_gpe, down), F(struct acpi_gpe, removable), F_BYTES(struct acpi_gpe, cpus),
    F_END};

static bool sci_level(const struct acpi_gpe *d) {
    return d->sts[0] & d->en[0];
}

static void update_sci(void *dev, uint64_t old) {
    (void)old;
    struct acpi_gpe *d = dev;
    irq_set(&d->sci, sci_level(d));
}

static void raise(struct acpi_gpe *d, uint8_t event) {
    d->sts[0] |= event;
    update_sci(d, 0);
}

/* B0EJ: the lowest set bit is the slot that the guest has let go. */
static void eject_wrote(void *dev, uint64_t old) {
    (void)old;
    struct acpi_gpe *d = dev;
    uint32_t wrote = d->eject;
    d->eject = 0;
    if (!wrote)
        return;
    unsigned slot = (unsigned)__builtin_ctz(wrote);
    d->up &= ~(1u << slot);
    d->down &= ~(1u << slot);
    if (d->removable >> slot & 1)
        d->eject_slot(d->board, slot);
}

static const struct reg gpe_regs[] = {
    {"gpe0_sts0", 0, 1, offsetof(struct acpi_gpe, sts[0]), .w1c = 0xff, .wrote = update_sci},
    {"gpe0_sts1", 1, 1, offsetof(struct acpi_gpe, sts[1]), .w1c = 0xff},
    {"gpe0_en0", 2, 1, offsetof(struct acpi_gpe, en[0]), .rw = 0xff, .wrote = update_sci},
    {"gpe0_en1", 3, 1, offsetof(struct acpi_gpe, en[1]), .rw = 0xff},
};

static const struct reg pci_regs[] = {
    REG(struct acpi_gpe, up, 0x0),        /* PCIU */
    REG(struct acpi_gpe, down, 0x4),      /* PCID */
    REG(struct acpi_gpe, eject, 0x8, .rw = UINT32_MAX, .wrote = eject_wrote), /* B0EJ */
    REG(struct acpi_gpe, removable, 0xc), /* B0RM */
};

static uint64_t gpe_read(void *dev, uint64_t off, unsigned size) {
    return regs_read(gpe_regs, ARRAY_LEN(gpe_regs), dev, off, size);
}

static void gpe_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    regs_write(gpe_regs, ARRAY_LEN(gpe_regs), dev, off, size, val);
}

static uint64_t pci_read(void *dev, uint64_t off, unsigned size) {
    return regs_read(pci_regs, ARRAY_LEN(pci_regs), dev, off, size);
}

static void pci_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    regs_write(pci_regs, ARRAY_LEN(pci_regs), dev, off, size, val);
}

static uint64_t cpu_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    const struct acpi_gpe *d = dev;
    return off < sizeof(d->cpus) ? d->cpus[off] : 0;
}

static const struct io_ops gpe_ops = {.read = gpe_read, .write = gpe_write, .max = 4};
static const struct io_ops pci_ops = {.read = pci_read, .write = pci_write, .max = 4};
static const struct io_ops cpu_ops = {.read = cpu_read, .max = 1};

void acpi_gpe_slot_up(struct acpi_gpe *d, unsigned slot) {
    d->up |= 1u << slot;
    raise(d, GPE_PCI);
}

void acpi_gpe_slot_down(struct acpi_gpe *d, unsigned slot) {
    d->down |= 1u << slot;
    raise(d, GPE_PCI);
}

void acpi_gpe_cpu_up(struct acpi_gpe *d, unsigned cpu) {
    d->cpus[cpu / 8] |= (uint8_t)(1u << cpu % 8);
    raise(d, GPE_CPU);
}

bool acpi_gpe_cpu_online(const struct acpi_gpe *d, unsigned cpu) {
    return cpu < ACPI_CPUS && d->cpus[cpu / 8] >> cpu % 8 & 1;
}

/* A slot is removable unless a function in it can't be pulled; empty slots are. */
static uint32_t removable_slots(const struct acpi_gpe *d) {
    uint32_t mask = UINT32_MAX;
    for (unsigned devfn = 0; devfn < SLOTS * 8; devfn++) {
        const struct pci_function *fn = pci_find(d->pci, devfn);
        if (fn && !fn->hotplug)
            mask &= ~(1u << (devfn >> 3));
    }
    return mask;
}

static void acpi_gpe_reset(void *dev) {
    struct acpi_gpe *d = dev;
    d->sts[0] = d->sts[1] = d->en[0] = d->en[1] = 0;
    d->up = d->down = d->eject = 0;
    d->removable = removable_slots(d);
    for (unsigned i = 0; i < sizeof(d->cpus); i++)
        d->cpus[i] = 0;
    for (unsigned cpu = 0; cpu < d->boot_cpus && cpu < ACPI_CPUS; cpu++)
        d->cpus[cpu / 8] |= (uint8_t)(1u << cpu % 8);
    update_sci(d, 0);
}

static bool acpi_gpe_loaded(void *dev, char *why, size_t why_len) {
    (void)why;
    (void)why_len;
    struct acpi_gpe *d = dev;
    irq_restore(&d->sci, sci_level(d));
    return true;
}

static void acpi_gpe_free(void *dev) {
    struct acpi_gpe *d = dev;
    io_unmap(&d->gpe_region);
    io_unmap(&d->pci_region);
    io_unmap(&d->cpu_region);
    mem_free(d);
}

static const struct state state = {"acpi_gpe", 1, fields, acpi_gpe_loaded};

const struct device_ops acpi_gpe_device = {
    .name = "acpi_gpe", .state = &state, .reset = acpi_gpe_reset, .free = acpi_gpe_free};

struct acpi_gpe *acpi_gpe_new(const struct acpi_gpe_pins *pins) {
    struct acpi_gpe *d = mem_new(sizeof(*d));
    d->sci = pins->sci;
    d->pci = pins->pci;
    d->boot_cpus = pins->cpus;
    d->eject_slot = pins->eject;
    d->board = pins->board;
    acpi_gpe_reset(d);
    io_map_new(pins->io, &d->gpe_region, "GPE0", &gpe_ops, d, IO_PORT, GPE_PORT, GPE_PORTS);
    io_map_new(pins->io, &d->pci_region, "PCI hot-plug", &pci_ops, d, IO_PORT, PCI_PORT,
               PCI_PORTS);
    io_map_new(pins->io, &d->cpu_region, "CPU hot-plug", &cpu_ops, d, IO_PORT, CPU_PORT,
               CPU_PORTS);
    return d;
}
