/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's driver for the disk on port 0 of an AHCI controller (AHCI 1.3): READ DMA EXT, one at a
 * time, and READ FPDMA QUEUED, several at once. An interrupt is served as Linux' driver does it:
 * the controller's status, the port's, what is done, and both cleared.
 */
#include "plays.h"

#include <string.h>
#include <time.h>

#define AHCI_ID 0x29228086u
#define BAR5 0xf3000000u
#define IS 0x08
#define GHC 0x04
#define PXCLB 0x100
#define PXFB 0x108
#define PXIS 0x110
#define PXIE 0x114
#define PXCMD 0x118
#define PXTFD 0x120
#define PXSERR 0x130
#define PXSACT 0x134
#define PXCI 0x138
#define PXIS_TFES 0x40000000u
#define LIST_GPA 0x9000u
#define FIS_GPA 0x9400u
#define TABLE_GPA 0xa000u
#define TABLE_SIZE 0x100u
#define READ_DMA_EXT 0x25
#define READ_FPDMA 0x60

static enum hv_error mmio(unsigned dir, unsigned reg, uint64_t *data) {
    ioreq_t r = { .type = IOREQ_TYPE_COPY,
                  .dir = dir & 1,
                  .addr = BAR5 + reg,
                  .size = 4,
                  .data = *data,
                  .count = 1 };

    return hv_access(0, &r, data);
}

static enum hv_error put(unsigned reg, uint64_t val) {
    return mmio(IOREQ_WRITE, reg, &val);
}

static enum hv_error get(unsigned reg, uint64_t *val) {
    *val = 0;
    return mmio(IOREQ_READ, reg, val);
}

static enum hv_error config(unsigned dir, unsigned devfn, unsigned reg, uint64_t *data) {
    ioreq_t r = { .type = IOREQ_TYPE_PCI_CONFIG,
                  .dir = dir & 1,
                  .addr = (uint64_t)devfn << 32 | reg,
                  .size = 4,
                  .data = *data,
                  .count = 1 };

    return hv_access(0, &r, data);
}

static unsigned find(void) {
    for (unsigned devfn = 0x10; devfn < 256; devfn += 8) {
        uint64_t id = 0;

        if (config(IOREQ_READ, devfn, 0, &id) == HV_OK && (uint32_t)id == AHCI_ID)
            return devfn;
    }
    return 0;
}

/* BAR 5, bus mastering, and the port started, once. */
static const char *set_up(void) {
    static const uint32_t writes[][2] = { { PXCLB, LIST_GPA },   { PXFB, FIS_GPA },
                                          { PXCMD, 0x16 },       { PXSERR, ~0u },
                                          { PXIS, ~0u },         { PXCMD, 0x17 },
                                          { PXIE, 0x7840003fu }, { GHC, 0x80000002u } };
    static int done;
    unsigned devfn = find();
    uint64_t bar = BAR5, command = 6;

    if (done)
        return NULL;
    if (!devfn)
        return "no AHCI controller";
    if (config(IOREQ_WRITE, devfn, 0x24, &bar) != HV_OK ||
        config(IOREQ_WRITE, devfn, 0x04, &command) != HV_OK)
        return "the controller does not answer";
    memset(hv_ram(LIST_GPA), 0, 0x800);
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        enum hv_error e = put(writes[i][0], writes[i][1]);

        if (e != HV_OK)
            return hv_error(e);
    }
    done = 1;
    return NULL;
}

static void fill(unsigned slot, uint8_t code, uint32_t lba, unsigned sectors) {
    uint8_t *table = hv_ram(TABLE_GPA + slot * TABLE_SIZE);
    uint32_t header[4] = { 5 | 1 << 16, 0, TABLE_GPA + slot * TABLE_SIZE, 0 };
    uint32_t prd[4] = { BUFFER_GPA + slot * 0x10000u, 0, 0, sectors * 512 - 1 };
    int queued = code == READ_FPDMA;
    unsigned count = queued ? slot << 3 : sectors;
    const uint8_t fis[20] = { 0x27,
                              0x80,
                              code,
                              (uint8_t)(queued ? sectors : 0),
                              (uint8_t)lba,
                              (uint8_t)(lba >> 8),
                              (uint8_t)(lba >> 16),
                              0x40,
                              [11] = (uint8_t)(queued ? sectors >> 8 : 0),
                              [12] = (uint8_t)count,
                              [13] = (uint8_t)(count >> 8) };

    memcpy(table, fis, sizeof fis);
    memcpy(table + 0x80, prd, sizeof prd);
    memcpy(hv_ram(LIST_GPA + slot * 32), header, sizeof header);
}

static long now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int line_is_high(void) {
    const struct world *w = hv_world();
    unsigned high = 0;

    for (unsigned i = 0; i < 32; i++)
        high |= __atomic_load_n(&w->intx[i][0], __ATOMIC_ACQUIRE);
    return (int)high;
}

static enum hv_error wait_line(void) {
    long until = now_us() + hv_timeout_ms * 1000l;

    while (!line_is_high()) {
        if (hv_pump(1) == HV_GONE)
            return HV_GONE;
        if (now_us() > until)
            return HV_TIMEOUT;
    }
    return HV_OK;
}

/* Serves interrupts until nothing of PxSACT or PxCI is left. */
static const char *serve(unsigned outstanding) {
    uint64_t status = 0, pending = 0, left = 1;

    while (left) {
        enum hv_error e = wait_line();

        if (e == HV_OK)
            e = get(IS, &status);
        if (e == HV_OK)
            e = get(PXIS, &pending);
        if (e == HV_OK)
            e = put(PXIS, pending);
        if (e == HV_OK)
            e = get(outstanding, &left);
        if (e == HV_OK)
            e = put(IS, status);
        if (e != HV_OK)
            return hv_error(e);
        if (pending & PXIS_TFES)
            return "the drive reports an error";
    }
    return NULL;
}

static const char *play_ahci(int argc, char **argv, char *answer) {
    unsigned long n = play_number(argc, argv, 0, 1);
    unsigned sectors = (unsigned)play_number(argc, argv, 1, 128);
    const char *error = set_up();

    (void)answer;
    for (unsigned long i = 0; i < n && !error; i++) {
        fill(0, READ_DMA_EXT, (uint32_t)(i % 500 * sectors), sectors);
        enum hv_error e = put(PXCI, 1);

        error = e == HV_OK ? serve(PXCI) : hv_error(e);
    }
    return error;
}

static const char *play_queued(int argc, char **argv, char *answer) {
    unsigned long n = play_number(argc, argv, 0, 1);
    unsigned sectors = (unsigned)play_number(argc, argv, 1, 8);
    unsigned depth = (unsigned)play_number(argc, argv, 2, 1);
    const char *error = set_up();

    (void)answer;
    if (!depth || depth > 32 || sectors > 128)
        return "1 to 32 at once, of at most 128 sectors";
    for (unsigned long i = 0; i < n && !error; i += depth) {
        for (unsigned slot = 0; slot < depth && !error; slot++) {
            fill(slot, READ_FPDMA, (uint32_t)((i + slot) % 500 * sectors), sectors);
            enum hv_error e = put(PXSACT, 1u << slot);

            if (e == HV_OK)
                e = put(PXCI, 1u << slot);
            error = e == HV_OK ? NULL : hv_error(e);
        }
        if (!error)
            error = serve(PXSACT);
    }
    return error;
}

const struct play ahci_plays[] = {
    { "ahci", "[TIMES [SECTORS]]", "READ DMA EXT on AHCI port 0", 0, play_ahci },
    { "ncq", "[TIMES [SECTORS [DEPTH]]]", "READ FPDMA QUEUED on AHCI port 0", 0, play_queued },
    { NULL, NULL, NULL, 0, NULL },
};
