/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See int13.h. The guest's operating system can reach the ports too; all it can have is its own
 * disk in its own memory.
 */
#include "int13.h"

#include <string.h>

#include "core/bits.h"
#include "core/dma.h"
#include "core/mem.h"
#include "core/state.h"
#include "int13_rom.h"
#include "rom_sum.h"

enum { PORT = 0x520, PORTS = 4, REQUEST = 20, SECTORS = 127, CONVENTIONAL = 0xa0000 };

struct int13 {
    /* registers */
    uint8_t status;
    /* wires and derived */
    struct int13_pins pins;
    struct dma dma;
    struct dma_sg sg;
    struct block *block; /* held while BUSY */
    struct block_req req;
    uint8_t *rom;
    struct io_region region;
};

/* Never saved BUSY: a pause waits for what is in flight. */
static const struct field fields[] = {F(struct int13, status), F_END};

static bool loaded(void *dev, char *why, size_t why_len) {
    struct int13 *s = dev;
    if (s->status != INT13_BUSY && s->status <= INT13_FAILED)
        return true;
    snprintf(why, why_len, "int13: status %u: expected done or failed", s->status);
    return false;
}

static void done(struct block_req *req, int err) {
    struct int13 *s = req->owner;
    dma_sg_done(&s->dma, &s->sg, true);
    s->status = err ? INT13_FAILED : INT13_DONE;
    block_put(s->block);
    s->block = NULL;
}

/* The drive whose task file is at `base`. */
static struct block *find(struct int13 *s, uint16_t base, uint8_t device, unsigned *sector) {
    unsigned slave = device >> 4 & 1;
    if (base != 0x1f0 && base != 0x170)
        return NULL;
    return s->pins.medium(s->pins.board, (base == 0x170) * 2 + slave, sector);
}

static bool start(struct int13 *s, const uint8_t *raw) {
    unsigned sector = 0;
    struct block *block = find(s, load_le16(raw), raw[2], &sector);
    uint32_t to = load_le32(raw + 4), n = load_le32(raw + 8);
    uint64_t lba = load_le64(raw + 12);
    if (!block || !n || n > SECTORS || lba > block->size / sector ||
        to > CONVENTIONAL - n * sector)
        return false;
    size_t len = n * sector;
    if (dma_sg_add(&s->dma, &s->sg, to, len, true) != len) {
        dma_sg_done(&s->dma, &s->sg, false);
        return false;
    }
    s->block = block_get(block);
    s->status = INT13_BUSY;
    s->req = (struct block_req){.op = BLOCK_READ, .offset = lba * sector, .len = len,
                                .iov = s->sg.iov, .niov = s->sg.n, .done = done, .owner = s};
    block_submit(block, &s->req);
    return true;
}

static void port_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct int13 *s = dev;
    uint8_t raw[REQUEST];
    if (off || size != 4 || s->status == INT13_BUSY)
        return;
    if (!dma_read(&s->dma, val, raw, sizeof(raw)) || !start(s, raw))
        s->status = INT13_FAILED;
}

static uint64_t port_read(void *dev, uint64_t off, unsigned size) {
    const struct int13 *s = dev;
    return off || size != 1 ? size_mask(size) : s->status;
}

static const struct io_ops ops = {.read = port_read, .write = port_write, .min = 1, .max = 4};

static void finish(struct int13 *s) {
    if (s->status == INT13_BUSY)
        block_drain(s->block);
}

static void int13_reset(void *dev) {
    struct int13 *s = dev;
    finish(s);
    s->status = INT13_DONE;
}

static bool int13_idle(void *dev) {
    const struct int13 *s = dev;
    return s->status != INT13_BUSY;
}

static void int13_free(void *dev) {
    struct int13 *s = dev;
    finish(s);
    io_unmap(&s->region);
    mem_free(s->rom);
    mem_free(s);
}

static const struct state state = {"int13", 1, fields, loaded};

const struct device_ops int13_device = {.name = "int13", .state = &state, .reset = int13_reset,
                                        .idle = int13_idle, .free = int13_free};

static void publish(struct int13 *s) {
    size_t len = (size_t)(int13_rom_end - int13_rom);
    s->rom = mem_new(len);
    memcpy(s->rom, int13_rom, len);
    rom_seal(s->rom, len, (size_t)(int13_rom_pnp - int13_rom));
    fw_cfg_add_file(s->pins.fw_cfg, "genroms/int13.bin", s->rom, (uint32_t)len);
}

struct int13 *int13_new(const struct int13_pins *pins) {
    struct int13 *s = mem_new(sizeof(*s));
    s->pins = *pins;
    s->dma = (struct dma){.engine = pins->engine};
    if (pins->fw_cfg)
        publish(s);
    io_map_new(pins->io, &s->region, "INT 13h", &ops, s, IO_PORT, PORT, PORTS);
    return s;
}
