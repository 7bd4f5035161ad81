/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message signalled interrupts of a PCI function: PCI Local Bus Specification 3.0, 6.8.1 (MSI) and
 * 6.8.2 (MSI-X). A chip adds the capability before pci_add, tells of config writes, resets and
 * loads, and sends; what the guest has masked stays pending here. A message is a memory write of
 * the function, so without Bus Master Enable it is lost. One thread.
 */
#ifndef CORE_MSI_H
#define CORE_MSI_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"
#include "pci.h"
#include "state.h"

enum { PCI_CAP_MSI = 0x05, PCI_CAP_MSIX = 0x11 };

/* ---- MSI ---- */

enum { MSI_64 = 1 /* 64-bit addresses */, MSI_MASKABLE = 2 /* a mask bit for each vector */ };

/* All that is saved is in the function's config. */
struct msi {
    struct pci_function *fn;
    uint8_t cap, vectors, data; /* where the capability is; a power of two; where its data is */
    bool maskable;
};

/* Adds the capability at config offset `cap`; vectors is 1, 2, 4 ... 32. Returns its length. */
unsigned msi_add(struct msi *msi, struct pci_function *fn, unsigned cap, unsigned vectors,
                 unsigned flags);
bool msi_enabled(const struct msi *msi);
/* Sends; of vectors that the guest did not allocate the low bits count. Nothing while off. */
void msi_send(struct msi *msi, unsigned vector);
/* From config_wrote: what was unmasked is sent. */
void msi_config_wrote(struct msi *msi, unsigned off, unsigned len);
void msi_loaded(struct msi *msi); /* before pci_loaded */

/*
 * For a chip with one interrupt, whose condition is now `level`: the INTx line, or one message when
 * the level rises while MSI is enabled. The level is kept in fn->intx.
 */
void msi_irq(struct msi *msi, bool level);

/* ---- MSI-X ---- */

enum { MSIX_ENTRY = 16, MSIX_VECTORS_MAX = 128 };

struct msix {
    /* registers */
    uint8_t table[MSIX_VECTORS_MAX * MSIX_ENTRY];
    uint64_t pending[MSIX_VECTORS_MAX / 64];
    /* wires and derived */
    struct pci_function *fn;
    uint8_t cap;
    uint16_t vectors;
    uint32_t table_off, pba_off; /* in their BAR */
    struct io_region region;
};

/* For a chip's table: F_STRUCT(struct chip, msix, msix_fields). */
extern const struct field msix_fields[];

/* Adds the capability (12 bytes) at config offset `cap`, with table and PBA at these offsets
 * (multiples of 8) of a BAR that the chip has: its handlers pass on what msix_covers. */
void msix_add(struct msix *msix, struct pci_function *fn, unsigned cap, unsigned vectors,
              unsigned bar, uint32_t table_off, uint32_t pba_off);
/* The same with a memory BAR of 4 KiB for nothing else: table at 0, PBA at 2048. */
void msix_add_bar(struct msix *msix, struct pci_function *fn, unsigned cap, unsigned vectors,
                  unsigned bar);

bool msix_covers(const struct msix *msix, uint64_t off);
/* Offsets in the BAR; any size up to 8. */
uint64_t msix_read(const struct msix *msix, uint64_t off, unsigned size);
void msix_write(struct msix *msix, uint64_t off, unsigned size, uint64_t val);

bool msix_enabled(const struct msix *msix);
/* Sends, or keeps it pending while masked. Nothing while off, nor for a vector beyond the table. */
void msix_send(struct msix *msix, unsigned vector);
/* What a masked vector was to tell is settled otherwise. */
void msix_withdraw(struct msix *msix, unsigned vector);

void msix_config_wrote(struct msix *msix, unsigned off, unsigned len);
void msix_reset(struct msix *msix);  /* after pci_reset */
void msix_loaded(struct msix *msix); /* before pci_loaded */

#endif
