/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI and MSI-X. See msi.h.
 */
#include "msi.h"

#include <string.h>

#include "bits.h"

/* MSI: message control and what follows it (6.8.1) */
enum {
    MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_ADDRESS_HI = 8,
    MSI_ENABLE = 0x0001, MSI_CAPABLE_SHIFT = 1, MSI_ALLOCATED_SHIFT = 4, MSI_ALLOCATED = 0x0070,
    MSI_IS_64 = 0x0080, MSI_IS_MASKABLE = 0x0100,
};
/* after the data: 4 bytes of mask and 4 of pending bits */
enum { MSI_MASK = 4, MSI_PENDING = 8 };

/* MSI-X (6.8.2) */
enum {
    MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_PBA = 8,
    MSIX_FUNCTION_MASK = 0x4000, MSIX_ENABLE = 0x8000,
    MSIX_DATA = 8, MSIX_VECTOR_CONTROL = 12, MSIX_MASKED = 1,
    MSIX_OWN_BAR = 4096, MSIX_OWN_PBA = 2048,
};

/* bits of fn->messages */
enum { MESSAGES_MSI = 1, MESSAGES_MSIX = 2 };

static bool touches(unsigned off, unsigned len, unsigned from, unsigned n) {
    return off < from + n && from < off + len;
}

static void message(const struct pci_function *fn, uint64_t addr, uint32_t data) {
    if (fn->master)
        fn->dma.engine->ops->msi(fn->dma.engine, addr, data);
}

/* ---- MSI ---- */

static uint16_t msi_control(const struct msi *msi) {
    return load_le16(&msi->fn->config[msi->cap + MSI_CONTROL]);
}

unsigned msi_add(struct msi *msi, struct pci_function *fn, unsigned cap, unsigned vectors,
                 unsigned flags) {
    unsigned log = 0;
    while (1u << log < vectors)
        log++;
    unsigned data = flags & MSI_64 ? 12 : 8;
    unsigned len = flags & MSI_MASKABLE ? data + MSI_PENDING + 4 : data + 2;
    *msi = (struct msi){.fn = fn, .cap = (uint8_t)cap, .vectors = (uint8_t)vectors,
                        .data = (uint8_t)(cap + data), .maskable = flags & MSI_MASKABLE};
    pci_add_capability(fn, PCI_CAP_MSI, cap);
    store_le16(&fn->config[cap + MSI_CONTROL],
               (uint16_t)(log << MSI_CAPABLE_SHIFT | (flags & MSI_64 ? MSI_IS_64 : 0) |
                          (msi->maskable ? MSI_IS_MASKABLE : 0)));
    store_le16(&fn->wmask[cap + MSI_CONTROL], MSI_ENABLE | MSI_ALLOCATED);
    store_le32(&fn->wmask[cap + MSI_ADDRESS], 0xfffffffc);
    if (flags & MSI_64)
        store_le32(&fn->wmask[cap + MSI_ADDRESS_HI], 0xffffffff);
    store_le16(&fn->wmask[msi->data], 0xffff);
    if (msi->maskable)
        store_le32(&fn->wmask[msi->data + MSI_MASK], (uint32_t)((UINT64_C(1) << vectors) - 1));
    return len;
}

bool msi_enabled(const struct msi *msi) {
    return msi_control(msi) & MSI_ENABLE;
}

/* Never more than the function is capable of, whatever the guest wrote there. */
static unsigned msi_allocated(const struct msi *msi) {
    unsigned n = 1u << ((msi_control(msi) & MSI_ALLOCATED) >> MSI_ALLOCATED_SHIFT);
    return MIN(n, (unsigned)msi->vectors);
}

static void msi_fire(struct msi *msi, unsigned vector) {
    const uint8_t *config = msi->fn->config;
    uint64_t addr = load_le32(&config[msi->cap + MSI_ADDRESS]);
    if (msi_control(msi) & MSI_IS_64)
        addr |= (uint64_t)load_le32(&config[msi->cap + MSI_ADDRESS_HI]) << 32;
    uint32_t data = load_le16(&config[msi->data]);
    message(msi->fn, addr, (data & ~(msi_allocated(msi) - 1)) | vector);
}

void msi_send(struct msi *msi, unsigned vector) {
    if (!msi_enabled(msi))
        return;
    vector &= msi_allocated(msi) - 1;
    if (msi->maskable) {
        uint8_t *pending = &msi->fn->config[msi->data + MSI_PENDING];
        if (load_le32(&msi->fn->config[msi->data + MSI_MASK]) >> vector & 1) {
            store_le32(pending, load_le32(pending) | 1u << vector);
            return;
        }
    }
    msi_fire(msi, vector);
}

void msi_config_wrote(struct msi *msi, unsigned off, unsigned len) {
    pci_messages(msi->fn, MESSAGES_MSI, msi_enabled(msi));
    if (!msi->maskable || !msi_enabled(msi) ||
        !(touches(off, len, msi->data + MSI_MASK, 4) ||
          touches(off, len, msi->cap + MSI_CONTROL, 2)))
        return;
    uint8_t *at = &msi->fn->config[msi->data + MSI_PENDING];
    uint32_t pending = load_le32(at), mask = load_le32(at - MSI_PENDING + MSI_MASK);
    store_le32(at, pending & mask);
    for (unsigned v = 0; v < msi->vectors; v++)
        if (pending & ~mask & 1u << v)
            msi_fire(msi, v & (msi_allocated(msi) - 1));
}

void msi_loaded(struct msi *msi) {
    msi->fn->messages |= msi_enabled(msi) ? MESSAGES_MSI : 0;
}

void msi_irq(struct msi *msi, bool level) {
    if (level && !msi->fn->intx)
        msi_send(msi, 0);
    pci_irq(msi->fn, level);
}

/* ---- MSI-X ---- */

const struct field msix_fields[] = {F_BYTES(struct msix, table), F_ARRAY(struct msix, pending),
                                    F_END};

static uint16_t msix_control(const struct msix *msix) {
    return load_le16(&msix->fn->config[msix->cap + MSIX_CONTROL]);
}

bool msix_enabled(const struct msix *msix) {
    return msix_control(msix) & MSIX_ENABLE;
}

/*
 * No interrupt has vector 0: under Xen a guest gives such a message to an event channel instead
 * (a pirq), masks it there, and leaves the entry as the BIOS did, masked.
 */
static bool to_event_channel(const uint8_t *entry) {
    return load_le32(entry) >> 20 == 0xfee && !entry[MSIX_DATA];
}

static bool msix_masked(const struct msix *msix, unsigned vector) {
    const uint8_t *entry = &msix->table[vector * MSIX_ENTRY];
    return msix_control(msix) & MSIX_FUNCTION_MASK ||
           (entry[MSIX_VECTOR_CONTROL] & MSIX_MASKED && !to_event_channel(entry));
}

static void msix_fire(struct msix *msix, unsigned vector) {
    const uint8_t *entry = &msix->table[vector * MSIX_ENTRY];
    message(msix->fn, load_le64(entry), load_le32(entry + MSIX_DATA));
}

void msix_send(struct msix *msix, unsigned vector) {
    if (vector >= msix->vectors || !msix_enabled(msix))
        return;
    if (msix_masked(msix, vector))
        bitmap_set(msix->pending, vector);
    else
        msix_fire(msix, vector);
}

void msix_withdraw(struct msix *msix, unsigned vector) {
    if (vector < msix->vectors)
        bitmap_clear(msix->pending, vector);
}

/* Sends what is pending of vectors [first, last] and no longer masked. */
static void msix_settle(struct msix *msix, unsigned first, unsigned last) {
    for (unsigned v = first; v <= last && v < msix->vectors; v++)
        if (bitmap_get(msix->pending, v) && msix_enabled(msix) && !msix_masked(msix, v)) {
            bitmap_clear(msix->pending, v);
            msix_fire(msix, v);
        }
}

void msix_config_wrote(struct msix *msix, unsigned off, unsigned len) {
    if (!touches(off, len, msix->cap + MSIX_CONTROL, 2))
        return;
    pci_messages(msix->fn, MESSAGES_MSIX, msix_enabled(msix));
    msix_settle(msix, 0, msix->vectors - 1u);
}

void msix_reset(struct msix *msix) {
    memset(msix->table, 0, sizeof(msix->table));
    memset(msix->pending, 0, sizeof(msix->pending));
    for (unsigned v = 0; v < msix->vectors; v++)
        msix->table[v * MSIX_ENTRY + MSIX_VECTOR_CONTROL] = MSIX_MASKED;
}

void msix_loaded(struct msix *msix) {
    msix->fn->messages |= msix_enabled(msix) ? MESSAGES_MSIX : 0;
}

/* ---- the table and the pending bits as memory ---- */

static uint32_t table_size(const struct msix *msix) {
    return msix->vectors * (uint32_t)MSIX_ENTRY;
}

/* The pending bits are read as quadwords. */
static uint32_t pba_size(const struct msix *msix) {
    return (msix->vectors + 63u) / 64 * 8;
}

bool msix_covers(const struct msix *msix, uint64_t off) {
    return (off >= msix->table_off && off < msix->table_off + table_size(msix)) ||
           (off >= msix->pba_off && off < msix->pba_off + pba_size(msix));
}

static uint8_t read_byte(const struct msix *msix, uint64_t off) {
    if (off >= msix->table_off && off < msix->table_off + table_size(msix))
        return msix->table[off - msix->table_off];
    if (off < msix->pba_off || off >= msix->pba_off + pba_size(msix))
        return 0;
    off -= msix->pba_off;
    return (uint8_t)(msix->pending[off / 8] >> off % 8 * 8);
}

uint64_t msix_read(const struct msix *msix, uint64_t off, unsigned size) {
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++)
        val |= (uint64_t)read_byte(msix, off + i) << 8 * i;
    return val;
}

/* Messages go to dwords; of the vector control only the mask bit is there. */
static uint8_t entry_wmask(unsigned at) {
    if (at < MSIX_VECTOR_CONTROL)
        return at ? 0xff : 0xfc;
    return at == MSIX_VECTOR_CONTROL ? MSIX_MASKED : 0;
}

void msix_write(struct msix *msix, uint64_t off, unsigned size, uint64_t val) {
    if (off + size <= msix->table_off || off >= msix->table_off + table_size(msix))
        return;
    for (unsigned i = 0; i < size; i++) {
        uint64_t at = off + i - msix->table_off;
        if (at < table_size(msix))
            msix->table[at] = (uint8_t)(val >> 8 * i) & entry_wmask(at % MSIX_ENTRY);
    }
    uint64_t first = off > msix->table_off ? off - msix->table_off : 0;
    msix_settle(msix, (unsigned)(first / MSIX_ENTRY),
                (unsigned)((off + size - 1 - msix->table_off) / MSIX_ENTRY));
}

static uint64_t own_read(void *dev, uint64_t off, unsigned size) {
    return msix_read(dev, off, size);
}

static void own_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    msix_write(dev, off, size, val);
}

static const struct io_ops own_ops = {.read = own_read, .write = own_write, .min = 4, .max = 8};

void msix_add(struct msix *msix, struct pci_function *fn, unsigned cap, unsigned vectors,
              unsigned bar, uint32_t table_off, uint32_t pba_off) {
    *msix = (struct msix){.fn = fn, .cap = (uint8_t)cap, .vectors = (uint16_t)vectors,
                          .table_off = table_off, .pba_off = pba_off};
    pci_add_capability(fn, PCI_CAP_MSIX, cap);
    store_le16(&fn->config[cap + MSIX_CONTROL], (uint16_t)(vectors - 1));
    store_le16(&fn->wmask[cap + MSIX_CONTROL], MSIX_FUNCTION_MASK | MSIX_ENABLE);
    store_le32(&fn->config[cap + MSIX_TABLE], table_off | bar);
    store_le32(&fn->config[cap + MSIX_PBA], pba_off | bar);
    msix_reset(msix);
}

void msix_add_bar(struct msix *msix, struct pci_function *fn, unsigned cap, unsigned vectors,
                  unsigned bar) {
    msix_add(msix, fn, cap, vectors, bar, 0, MSIX_OWN_PBA);
    msix->region = (struct io_region){.name = "MSI-X", .ops = &own_ops, .dev = msix};
    pci_add_bar(fn, bar, PCI_BAR_MEM, MSIX_OWN_BAR, &msix->region);
}
