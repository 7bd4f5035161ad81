/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two 8237A and the page registers. Documents: see i8237.h.
 *
 * Not modelled: transfers (no chip of the board asks for one yet), memory-to-memory mode, rotating
 * priority, the command register's timing bits; they store.
 */
#include "pc/i8237.h"

#include "core/bits.h"
#include "core/mem.h"
#include "core/state.h"

/* Registers of one controller, in steps of 1 (0x00) or 2 (0xc0) */
enum {
    CHANNEL_REGS = 8, /* address and count, alternating */
    COMMAND = 8,      /* reads as status */
    REQUEST, SINGLE_MASK, MODE, CLEAR_FLIP_FLOP,
    MASTER_CLEAR,     /* reads as temporary register */
    CLEAR_MASK, ALL_MASK,
};

enum { CHANNELS = 4, CHANNEL = 3, MASK_ALL = 0x0f, SET_BIT = 4, PAGES = 16, STATUS_REQUESTS = 0xf0 };

struct channel {
    uint16_t base_address, base_count, address, count;
    uint8_t mode;
};

struct controller {
    struct channel channel[CHANNELS];
    uint8_t command, status, mask, request;
    bool high; /* the flip-flop: the next byte is the high one */
};

struct i8237 {
    /* registers */
    struct controller ctl[2];
    uint8_t page[PAGES];
    /* wires and derived */
    struct io_region low, high, pages;
};

static const struct field channel_fields[] = {
    F(struct channel, base_address), F(struct channel, base_count), F(struct channel, address),
    F(struct channel, count), F(struct channel, mode), F_END};

static const struct field controller_fields[] = {
    F_STRUCTS(struct controller, channel, channel_fields), F(struct controller, command),
    F(struct controller, status), F_MAX(struct controller, mask, MASK_ALL),
    F_MAX(struct controller, request, MASK_ALL), F(struct controller, high), F_END};

static const struct field fields[] = {F_STRUCTS(struct i8237, ctl, controller_fields),
                                      F_BYTES(struct i8237, page), F_END};

static void master_clear(struct controller *c) {
    c->command = 0;
    c->status = 0;
    c->request = 0;
    c->high = false;
    c->mask = MASK_ALL;
}

static uint8_t controller_read(struct controller *c, unsigned reg) {
    if (reg < CHANNEL_REGS) {
        const struct channel *ch = &c->channel[reg / 2];
        uint16_t v = reg & 1 ? ch->count : ch->address;
        c->high = !c->high;
        return (uint8_t)(c->high ? v : v >> 8); /* it has just been turned round */
    }
    switch (reg) {
    case COMMAND: {
        uint8_t status = c->status;
        c->status &= STATUS_REQUESTS; /* terminal counts are cleared by reading */
        return status;
    }
    case MASTER_CLEAR:
        return 0; /* the temporary register, of memory-to-memory transfers */
    case ALL_MASK:
        return c->mask;
    default:
        return 0xff;
    }
}

static void set_half(uint16_t *reg, bool high, uint8_t val) {
    *reg = high ? (uint16_t)((*reg & 0x00ff) | val << 8) : (uint16_t)((*reg & 0xff00) | val);
}

static void set_bit(uint8_t *reg, uint8_t val) {
    uint8_t bit = (uint8_t)(1u << (val & CHANNEL));
    *reg = val & SET_BIT ? *reg | bit : (uint8_t)(*reg & ~bit);
}

static void controller_write(struct controller *c, unsigned reg, uint8_t val) {
    if (reg < CHANNEL_REGS) {
        struct channel *ch = &c->channel[reg / 2];
        set_half(reg & 1 ? &ch->base_count : &ch->base_address, c->high, val);
        set_half(reg & 1 ? &ch->count : &ch->address, c->high, val);
        c->high = !c->high;
        return;
    }
    switch (reg) {
    case COMMAND:
        c->command = val;
        break;
    case REQUEST:
        set_bit(&c->request, val);
        break;
    case SINGLE_MASK:
        set_bit(&c->mask, val);
        break;
    case MODE:
        c->channel[val & CHANNEL].mode = val;
        break;
    case CLEAR_FLIP_FLOP:
        c->high = false;
        break;
    case MASTER_CLEAR:
        master_clear(c);
        break;
    case CLEAR_MASK:
        c->mask = 0;
        break;
    case ALL_MASK:
        c->mask = val & MASK_ALL;
        break;
    }
}

static uint64_t low_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    return controller_read(&((struct i8237 *)dev)->ctl[0], (unsigned)off);
}

static void low_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)size;
    controller_write(&((struct i8237 *)dev)->ctl[0], (unsigned)off, (uint8_t)val);
}

/* A0 is not connected: each register answers at two ports. */
static uint64_t high_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    return controller_read(&((struct i8237 *)dev)->ctl[1], (unsigned)off / 2);
}

static void high_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)size;
    controller_write(&((struct i8237 *)dev)->ctl[1], (unsigned)off / 2, (uint8_t)val);
}

/* The unused ones store too: port 0x80 shows firmware's progress codes, 0x84 to 0x88 delay. */
static uint64_t page_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    return ((struct i8237 *)dev)->page[off];
}

static void page_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)size;
    ((struct i8237 *)dev)->page[off] = (uint8_t)val;
}

static const struct io_ops low_ops = {.read = low_read, .write = low_write, .max = 1};
static const struct io_ops high_ops = {.read = high_read, .write = high_write, .max = 1};
static const struct io_ops page_ops = {.read = page_read, .write = page_write, .max = 1};

static void i8237_reset(void *dev) {
    struct i8237 *d = dev;
    for (unsigned i = 0; i < ARRAY_LEN(d->ctl); i++) {
        d->ctl[i] = (struct controller){0};
        master_clear(&d->ctl[i]);
    }
    for (unsigned i = 0; i < PAGES; i++)
        d->page[i] = 0; /* 0x88 must not read as 0x1f: hvmloader takes that for a laptop's battery */
}

static void i8237_free(void *dev) {
    struct i8237 *d = dev;
    io_unmap(&d->low);
    io_unmap(&d->high);
    io_unmap(&d->pages);
    mem_free(d);
}

static const struct state state = {"i8237", 1, fields, NULL};

const struct device_ops i8237_device = {
    .name = "i8237", .state = &state, .reset = i8237_reset, .free = i8237_free};

struct i8237 *i8237_new(const struct i8237_pins *pins) {
    struct i8237 *d = mem_new(sizeof(*d));
    i8237_reset(d);
    io_map_new(pins->io, &d->low, "DMA 1", &low_ops, d, IO_PORT, 0x00, 16);
    io_map_new(pins->io, &d->pages, "DMA pages", &page_ops, d, IO_PORT, 0x80, PAGES);
    io_map_new(pins->io, &d->high, "DMA 2", &high_ops, d, IO_PORT, 0xc0, 32);
    return d;
}
