/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of physical regions behind a command table: AHCI 1.3, 4.2.3.3. It belongs to the
 * controller until the command is done, so regions are read ahead, some at a time.
 */
#include <string.h>

#include "core/bits.h"
#include "disk/ahci_port.h"

enum { DBC_MASK = 0x3fffff, DBC_INTERRUPT = 0x80000000u };

void ahci_list_start(struct ahci_list *l, uint64_t table, unsigned entries, const uint8_t *ahead,
                     unsigned have) {
    l->table = table;
    l->entries = entries;
    l->next = 0;
    l->addr = l->left = 0;
    l->marked = l->fault = false;
    l->first = 0;
    l->have = have;
    memcpy(l->ahead, ahead, have * AHCI_PRD);
}

static const uint8_t *region(struct ahci_list *l, const struct dma *dma) {
    if (l->next - l->first >= l->have) { /* also after a step back before the first */
        l->first = l->next;
        l->have = MIN(l->entries - l->next, (unsigned)AHCI_PRD_AHEAD);
        if (!dma_read(dma, l->table + (uint64_t)l->next * AHCI_PRD, l->ahead, l->have * AHCI_PRD)) {
            l->fault = true;
            l->have = 0;
            return NULL;
        }
    }
    return l->ahead + (l->next - l->first) * AHCI_PRD;
}

static bool have_region(struct ahci_list *l, const struct dma *dma) {
    if (l->left)
        return true;
    if (l->next >= l->entries || l->fault)
        return false;
    const uint8_t *prd = region(l, dma);
    if (!prd)
        return false;
    uint32_t count = load_le32(prd + 12);
    l->addr = load_le64(prd) & ~UINT64_C(1);
    l->left = ((count & DBC_MASK) | 1) + 1;
    l->marked |= !!(count & DBC_INTERRUPT);
    l->next++;
    return true;
}

bool ahci_list_ended(struct ahci_list *l, const struct dma *dma) {
    return !have_region(l, dma);
}

static void collect(struct ahci_list *l, const struct dma *dma, struct dma_sg *sg, size_t len,
                    bool to_host) {
    while (sg->len < len && have_region(l, dma)) {
        size_t want = MIN((size_t)l->left, len - sg->len);
        size_t added = dma_sg_add(dma, sg, l->addr, want, to_host);
        l->addr += added;
        l->left -= (uint32_t)added;
        if (added < want)
            break;
    }
}

size_t ahci_list_map(struct ahci_list *l, const struct dma *dma, struct dma_sg *sg, size_t len,
                     bool to_host) {
    unsigned next = l->next;
    uint64_t addr = l->addr;
    uint32_t left = l->left;
    collect(l, dma, sg, len, to_host);
    size_t whole = sg->len - sg->len % ATA_SECTOR;
    if (whole == sg->len)
        return whole;
    /* a list that ends or is cut within a sector: only its whole sectors */
    dma_sg_done(dma, sg, false);
    l->next = next;
    l->addr = addr;
    l->left = left;
    if (whole)
        collect(l, dma, sg, whole, to_host);
    return whole;
}

size_t ahci_list_copy(struct ahci_list *l, const struct dma *dma, void *buf, size_t len,
                      bool to_host) {
    uint8_t *bytes = buf;
    size_t done = 0;
    while (done < len && have_region(l, dma)) {
        uint32_t n = (uint32_t)MIN((size_t)l->left, len - done);
        if (to_host)
            dma_write(dma, l->addr, bytes + done, n);
        else
            dma_read(dma, l->addr, bytes + done, n);
        l->addr += n;
        l->left -= n;
        done += n;
    }
    return done;
}
