/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's driver for the primary master: reading by PIO (ATA-2, 9.24 READ SECTOR(S)) and by bus
 * master (ATA-2, 9.20 READ DMA; Programming Interface for Bus Master IDE Controller, rev. 1.0),
 * each driven by interrupts.
 */
#include "plays.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DATA 0x1f0
#define COUNT 0x1f2
#define DEVICE 0x1f6
#define COMMAND 0x1f7
#define STATUS 0x1f7
#define ALTERNATE_STATUS 0x3f6
#define STATUS_DRQ 0x08
#define STATUS_ERR 0x01
#define STATUS_BSY 0x80
#define READ_SECTORS 0x20
#define READ_DMA 0xc8

#define IDE_DEVFN 0x09
#define BMIBA 0xc000
#define BMICX (BMIBA + 0)
#define BMISX (BMIBA + 2)
#define BMIDTPX (BMIBA + 4)
#define BMICX_START 0x01
#define BMICX_TO_MEMORY 0x08
#define BMISX_CLEAR 0x06
#define PRD_GPA 0x8000u
#define PRD_END 0x80000000u

static enum hv_error in(unsigned port, uint64_t *data) {
    *data = 0;
    return play_port(IOREQ_READ, port, 1, data);
}

static enum hv_error out(unsigned port, unsigned size, uint64_t data) {
    return play_port(IOREQ_WRITE, port, size, &data);
}

static long now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint32_t raised(void) {
    return __atomic_load_n(&hv_world()->isa_raised[14], __ATOMIC_ACQUIRE);
}

/* Waits, as a guest does that halts until its interrupt comes. */
static enum hv_error wait_raised(uint32_t before) {
    long until = now_us() + hv_timeout_ms * 1000l;

    while (raised() == before) {
        if (hv_pump(1) == HV_GONE)
            return HV_GONE;
        if (now_us() > until)
            return HV_TIMEOUT;
    }
    return HV_OK;
}

struct write {
    uint16_t port;
    uint8_t size;
    uint32_t value;
};

static enum hv_error write_all(const struct write *w, size_t n) {
    enum hv_error e = HV_OK;

    for (size_t i = 0; i < n && e == HV_OK; i++)
        e = out(w[i].port, w[i].size, w[i].value);
    return e;
}

static enum hv_error command(unsigned code, uint32_t lba, unsigned sectors) {
    const struct write w[] = {
        { DEVICE, 1, 0xe0 | (lba >> 24 & 15) }, { COUNT, 1, sectors & 0xff },
        { COUNT + 1, 1, lba & 0xff },           { COUNT + 2, 1, lba >> 8 & 0xff },
        { COUNT + 3, 1, lba >> 16 & 0xff },     { COMMAND, 1, code },
    };

    return write_all(w, sizeof w / sizeof *w);
}

/* One interrupt a sector, then rep insw. */
static const char *read_pio(uint32_t lba, unsigned sectors) {
    const ioreq_t insw = { .type = IOREQ_TYPE_PIO,
                           .dir = IOREQ_READ,
                           .data_is_ptr = 1,
                           .addr = DATA,
                           .size = 2,
                           .count = 256,
                           .data = BUFFER_GPA };
    uint32_t before = raised();
    uint64_t status = 0, data;
    enum hv_error e = command(READ_SECTORS, lba, sectors);

    for (unsigned i = 0; i < sectors && e == HV_OK; i++) {
        e = wait_raised(before + i);
        if (e == HV_OK)
            e = in(ALTERNATE_STATUS, &status);
        if (e == HV_OK)
            e = in(STATUS, &status);
        if (e == HV_OK && (status & (STATUS_DRQ | STATUS_ERR)) != STATUS_DRQ)
            return "the drive reports no data";
        if (e == HV_OK)
            e = hv_access(0, &insw, &data);
    }
    return e == HV_OK ? NULL : hv_error(e);
}

/* BAR 4 and bus mastering on, as firmware and driver leave them. */
static enum hv_error set_up_bus_master(void) {
    ioreq_t r = { .type = IOREQ_TYPE_PCI_CONFIG, .dir = IOREQ_WRITE, .size = 4, .count = 1 };
    const uint32_t value[][2] = { { 0x20, BMIBA | 1 }, { 0x04, 5 } };
    enum hv_error e = HV_OK;
    uint64_t data;

    for (int i = 0; i < 2 && e == HV_OK; i++) {
        r.addr = (uint64_t)IDE_DEVFN << 32 | value[i][0];
        r.data = value[i][1];
        e = hv_access(0, &r, &data);
    }
    return e;
}

/* The whole transfer in one descriptor, one interrupt. */
static const char *read_dma(uint32_t lba, unsigned sectors) {
    const uint32_t prd[2] = { BUFFER_GPA, (sectors * 512 & 0xffff) | PRD_END };
    const struct write prepare[] = {
        { BMIDTPX, 4, PRD_GPA },
        { BMICX, 1, BMICX_TO_MEMORY },
        { BMISX, 1, BMISX_CLEAR },
    };
    uint32_t before = raised();
    uint64_t bmisx = 0, status = 0;
    enum hv_error e;

    memcpy(hv_ram(PRD_GPA), prd, sizeof prd);
    e = write_all(prepare, sizeof prepare / sizeof *prepare);
    if (e == HV_OK)
        e = command(READ_DMA, lba, sectors);
    if (e == HV_OK)
        e = out(BMICX, 1, BMICX_TO_MEMORY | BMICX_START);
    if (e == HV_OK)
        e = wait_raised(before);
    if (e == HV_OK)
        e = in(BMISX, &bmisx);
    if (e == HV_OK)
        e = in(STATUS, &status);
    if (e == HV_OK)
        e = out(BMICX, 1, 0);
    if (e == HV_OK)
        e = out(BMISX, 1, BMISX_CLEAR);
    if (e != HV_OK)
        return hv_error(e);
    if ((bmisx & 7) != 4 || (status & (STATUS_BSY | STATUS_DRQ | STATUS_ERR)))
        return "the bus master or the drive reports an error";
    return NULL;
}

static const char *play_sectors(int argc, char **argv, char *answer) {
    unsigned long n = play_number(argc, argv, 0, 1);
    unsigned sectors = (unsigned)play_number(argc, argv, 1, 1);
    uint32_t lba = (uint32_t)play_number(argc, argv, 2, 0);

    (void)answer;
    for (unsigned long i = 0; i < n; i++) {
        const char *error = read_pio(lba + (uint32_t)(i % 1000 * sectors), sectors);

        if (error)
            return error;
    }
    return NULL;
}

static const char *play_dma(int argc, char **argv, char *answer) {
    unsigned long n = play_number(argc, argv, 0, 1);
    unsigned sectors = (unsigned)play_number(argc, argv, 1, 128);
    uint32_t lba = (uint32_t)play_number(argc, argv, 2, 0);
    enum hv_error e = set_up_bus_master();

    (void)answer;
    if (!sectors || sectors > 128 || e != HV_OK)
        return e == HV_OK ? "1 to 128 sectors" : hv_error(e);
    for (unsigned long i = 0; i < n; i++) {
        const char *error = read_dma(lba + (uint32_t)(i % 500 * sectors), sectors);

        if (error)
            return error;
    }
    return NULL;
}

const struct play ide_plays[] = {
    { "sectors", "[TIMES [SECTORS [LBA]]]", "READ SECTORS by PIO, primary master", 0,
      play_sectors },
    { "dma", "[TIMES [SECTORS [LBA]]]", "READ DMA by bus master, primary master", 0, play_dma },
    { NULL, NULL, NULL, 0, NULL },
};
