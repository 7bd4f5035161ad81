/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 8237A "High Performance Programmable DMA Controller" (1993), twice, and the 74LS612 page
 * registers, as the PC AT Technical Reference wires them: the second controller's registers are two
 * ports apart and its channel 0 is the cascade of the first.
 *
 * Not modelled: transfers (no chip of the board asks for any), memory to memory, the timing bits of
 * the command register. Port 80, where firmware puts its progress, is a page register without a
 * channel.
 */
#include "pc/i8237.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/state.h"

enum { DMA1 = 0x00, DMA2 = 0xc0, PAGES = 0x80, CHANNELS = 4, CONTROLLERS = 2, PAGE_COUNT = 16 };

enum { /* registers behind the channels'; figure "Software Command Codes" */
    STATUS_COMMAND = 8, REQUEST = 9, SINGLE_MASK = 10, MODE = 11, CLEAR_POINTER = 12,
    TEMPORARY_MASTER_CLEAR = 13, CLEAR_MASK = 14, ALL_MASK = 15, REGISTERS = 16,
};

struct channel {
    uint16_t base_address, base_count; /* as programmed */
    uint16_t address, count;           /* as they go */
    uint8_t mode;
};

struct controller {
    struct channel channel[CHANNELS];
    uint8_t command, mask, request, status;
    bool high; /* the byte pointer flip-flop */
};

struct i8237 {
    /* registers */
    struct controller dma[CONTROLLERS];
    uint8_t page[PAGE_COUNT];
    /* wires and derived */
    struct io_region io[CONTROLLERS], page_io;
};

static const struct field channel_fields[] = {
    F(struct channel, base_address), F(struct channel, base_count), F(struct channel, address),
    F(struct channel, count), F(struct channel, mode), F_END,
};

static const struct field controller_fields[] = {
    F_STRUCTS(struct controller, channel, channel_fields),
    F(struct controller, command),
    F_MAX(struct controller, mask, 0x0f),
    F_MAX(struct controller, request, 0x0f),
    F(struct controller, status),
    F(struct controller, high),
    F_END,
};

static const struct field fields[] = {
    F_STRUCTS(struct i8237, dma, controller_fields),
    F_BYTES(struct i8237, page),
    F_END,
};

/* ---- one controller ---- */

/* Half of a 16-bit register, low byte first; each access turns the flip-flop. */
static uint8_t half_of(struct controller *c, uint16_t val) {
    c->high = !c->high;
    return (uint8_t)(c->high ? val : val >> 8);
}

static uint16_t with_half(struct controller *c, uint16_t old, uint8_t byte) {
    c->high = !c->high;
    return (uint16_t)(c->high ? (old & 0xff00) | byte : (old & 0x00ff) | byte << 8);
}

static void master_clear(struct controller *c) {
    c->command = c->status = c->request = 0;
    c->high = false;
    c->mask = 0x0f;
}

static uint8_t controller_read(struct controller *c, unsigned reg) {
    const struct channel *ch = &c->channel[reg / 2 % CHANNELS];
    switch (reg) {
    case 0 ... STATUS_COMMAND - 1:
        return half_of(c, reg % 2 ? ch->count : ch->address);
    case STATUS_COMMAND: { /* reading takes the terminal counts away; requests stay */
        uint8_t val = (uint8_t)(c->status | c->request << 4);
        c->status = 0;
        return val;
    }
    case TEMPORARY_MASTER_CLEAR: /* the temporary register, of memory to memory */
        return 0;
    case ALL_MASK: /* undefined by Intel; its successors give the mask */
        return c->mask | 0xf0;
    default:
        return 0xff;
    }
}

static void channel_write(struct controller *c, unsigned reg, uint8_t val) {
    struct channel *ch = &c->channel[reg / 2];
    if (reg % 2)
        ch->count = ch->base_count = with_half(c, ch->base_count, val);
    else
        ch->address = ch->base_address = with_half(c, ch->base_address, val);
}

static uint8_t with_bit(uint8_t bits, uint8_t val) {
    uint8_t bit = (uint8_t)(1 << (val & 3));
    return val & 4 ? bits | bit : bits & (uint8_t)~bit;
}

static void controller_write(struct controller *c, unsigned reg, uint8_t val) {
    switch (reg) {
    case STATUS_COMMAND:
        c->command = val;
        break;
    case REQUEST:
        c->request = with_bit(c->request, val);
        break;
    case SINGLE_MASK:
        c->mask = with_bit(c->mask, val);
        break;
    case MODE:
        c->channel[val & 3].mode = val;
        break;
    case CLEAR_POINTER:
        c->high = false;
        break;
    case TEMPORARY_MASTER_CLEAR:
        master_clear(c);
        break;
    case CLEAR_MASK:
        c->mask = 0;
        break;
    case ALL_MASK:
        c->mask = val & 0x0f;
        break;
    default:
        channel_write(c, reg, val);
    }
}

/* ---- ports ---- */

static uint64_t dma1_read(void *dev, uint64_t off, unsigned size) {
    struct i8237 *s = dev;
    (void)size;
    return controller_read(&s->dma[0], (unsigned)off);
}

static void dma1_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i8237 *s = dev;
    (void)size;
    controller_write(&s->dma[0], (unsigned)off, (uint8_t)val);
}

static uint64_t dma2_read(void *dev, uint64_t off, unsigned size) {
    struct i8237 *s = dev;
    (void)size;
    return off % 2 ? 0xff : controller_read(&s->dma[1], (unsigned)off / 2);
}

static void dma2_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i8237 *s = dev;
    (void)size;
    if (off % 2 == 0)
        controller_write(&s->dma[1], (unsigned)off / 2, (uint8_t)val);
}

static uint64_t page_read(void *dev, uint64_t off, unsigned size) {
    const struct i8237 *s = dev;
    (void)size;
    return s->page[off];
}

static void page_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i8237 *s = dev;
    (void)size;
    s->page[off] = (uint8_t)val;
}

static const struct io_ops dma1_ops = {.read = dma1_read, .write = dma1_write, .min = 1, .max = 1};
static const struct io_ops dma2_ops = {.read = dma2_read, .write = dma2_write, .min = 1, .max = 1};
static const struct io_ops page_ops = {.read = page_read, .write = page_write, .min = 1, .max = 1};

/* ---- life ---- */

static void i8237_reset(void *dev) {
    struct i8237 *s = dev;
    for (unsigned i = 0; i < CONTROLLERS; i++) {
        memset(s->dma[i].channel, 0, sizeof(s->dma[i].channel));
        master_clear(&s->dma[i]);
    }
    memset(s->page, 0, sizeof(s->page));
}

static void i8237_free(void *dev) {
    struct i8237 *s = dev;
    for (unsigned i = 0; i < CONTROLLERS; i++)
        io_unmap(&s->io[i]);
    io_unmap(&s->page_io);
    mem_free(s);
}

static const struct state state = {"i8237", 1, fields, NULL};

const struct device_ops i8237_device = {
    .name = "i8237", .state = &state, .reset = i8237_reset, .free = i8237_free};

struct i8237 *i8237_new(const struct i8237_pins *pins) {
    struct i8237 *s = mem_new(sizeof(*s));
    i8237_reset(s);
    io_map_new(pins->io, &s->io[0], "DMA controller 1", &dma1_ops, s, IO_PORT, DMA1, REGISTERS);
    io_map_new(pins->io, &s->io[1], "DMA controller 2", &dma2_ops, s, IO_PORT, DMA2,
               2 * REGISTERS);
    io_map_new(pins->io, &s->page_io, "DMA pages", &page_ops, s, IO_PORT, PAGES, PAGE_COUNT);
    return s;
}
