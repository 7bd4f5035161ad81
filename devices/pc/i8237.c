/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 8237A "High Performance Programmable DMA Controller" (1993), twice, and the 74LS612 page
 * registers, as the PC AT Technical Reference wires them: the second controller's registers are two
 * ports apart and its channel 0 is the cascade of the first.
 *
 * A transfer happens when the chip that asked for it moves its bytes: as many at once as there are,
 * whatever the mode says of single bytes and blocks. Not modelled: memory to memory, transfers that
 * the request register starts, the timing bits of the command register, the cascade's own mask (who
 * boots without a BIOS has not opened it). Port 80, where firmware puts its progress, is a page
 * register without a channel.
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

/* Who is wired to a channel. */
struct user {
    void (*ready)(void *user);
    void *dev;
    bool dreq;
};

struct i8237 {
    /* registers */
    struct controller dma[CONTROLLERS];
    uint8_t page[PAGE_COUNT];
    /* wires and derived */
    struct user user[CONTROLLERS * CHANNELS];
    struct dma memory;
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

static uint8_t requests(const struct i8237 *s, unsigned which) {
    uint8_t bits = s->dma[which].request;
    for (unsigned i = 0; i < CHANNELS; i++)
        bits |= (uint8_t)(s->user[which * CHANNELS + i].dreq << i);
    return bits;
}

static uint8_t controller_read(struct i8237 *s, unsigned which, unsigned reg) {
    struct controller *c = &s->dma[which];
    const struct channel *ch = &c->channel[reg / 2 % CHANNELS];
    switch (reg) {
    case 0 ... STATUS_COMMAND - 1:
        return half_of(c, reg % 2 ? ch->count : ch->address);
    case STATUS_COMMAND: { /* reading takes the terminal counts away; requests stay */
        uint8_t val = (uint8_t)(c->status | requests(s, which) << 4);
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

/* ---- transfers ---- */

enum { COMMAND_OFF = 0x04, MODE_AUTO = 0x10, MODE_DOWN = 0x20, MODE_CASCADE = 3 };
enum { TYPE_VERIFY, TYPE_TO_MEMORY, TYPE_FROM_MEMORY };

static bool can_run(const struct controller *c, unsigned i) {
    return !(c->command & COMMAND_OFF) && !(c->mask >> i & 1) &&
           c->channel[i].mode >> 6 != MODE_CASCADE;
}

/* The page registers' places (PC AT Technical Reference, 1-9). */
static uint32_t page_of(const struct i8237 *s, unsigned channel) {
    static const uint8_t place[] = {7, 3, 1, 2, 15, 11, 9, 10};
    uint32_t page = s->page[place[channel]];
    return channel < CHANNELS ? page : page & ~1u;
}

/* n units of the channel's width; the address stays in its page. */
static void copy(struct i8237 *s, unsigned channel, uint8_t *buf, size_t n, bool to_memory) {
    const struct channel *ch = &s->dma[channel / CHANNELS].channel[channel % CHANNELS];
    unsigned shift = channel / CHANNELS;
    bool down = ch->mode & MODE_DOWN;
    uint16_t at = ch->address;
    while (n) {
        size_t run = down ? 1 : MIN(n, (size_t)0x10000 - at);
        uint64_t gpa = (uint64_t)page_of(s, channel) << 16 | (uint32_t)at << shift;
        if (to_memory)
            dma_write(&s->memory, gpa, buf, run << shift);
        else
            dma_read(&s->memory, gpa, buf, run << shift);
        at = (uint16_t)(down ? at - 1u : at + run);
        buf += run << shift;
        n -= run;
    }
}

static void count_down(struct controller *c, unsigned i, size_t n, bool end) {
    struct channel *ch = &c->channel[i];
    ch->address = (uint16_t)(ch->mode & MODE_DOWN ? ch->address - n : ch->address + n);
    ch->count = (uint16_t)(ch->count - n);
    if (!end)
        return;
    c->status |= (uint8_t)(1 << i);
    if (ch->mode & MODE_AUTO) {
        ch->address = ch->base_address;
        ch->count = ch->base_count;
    } else {
        c->mask |= (uint8_t)(1 << i);
    }
}

static size_t channel_move(void *dev, unsigned channel, void *buf, size_t len, bool to_memory,
                           bool *tc) {
    struct i8237 *s = dev;
    unsigned i = channel % CHANNELS, shift = channel / CHANNELS;
    struct controller *c = &s->dma[channel / CHANNELS];
    unsigned type = c->channel[i].mode >> 2 & 3;
    if (!can_run(c, i) ||
        (type != TYPE_VERIFY && type != (to_memory ? TYPE_TO_MEMORY : TYPE_FROM_MEMORY)))
        return 0;
    size_t left = (size_t)c->channel[i].count + 1, n = MIN(len >> shift, left);
    if (type != TYPE_VERIFY)
        copy(s, channel, buf, n, to_memory);
    else if (!to_memory)
        memset(buf, 0, n << shift);
    *tc = n == left;
    count_down(c, i, n, *tc);
    return n << shift;
}

static void channel_request(void *dev, unsigned channel, bool level) {
    struct i8237 *s = dev;
    s->user[channel].dreq = level;
}

static void channel_attach(void *dev, unsigned channel, void (*ready)(void *), void *user) {
    struct i8237 *s = dev;
    s->user[channel] = (struct user){.ready = ready, .dev = user};
}

static const struct isa_dma_ops channel_ops = {
    .attach = channel_attach, .request = channel_request, .move = channel_move};

struct isa_dma i8237_channel(struct i8237 *s, unsigned channel) {
    return (struct isa_dma){&channel_ops, s, channel};
}

/* What was written may let a channel go on. */
static void wake(struct i8237 *s, unsigned which) {
    for (unsigned i = 0; i < CHANNELS; i++) {
        const struct user *user = &s->user[which * CHANNELS + i];
        if (user->dreq && can_run(&s->dma[which], i))
            user->ready(user->dev);
    }
}

/* ---- ports ---- */

static uint64_t dma1_read(void *dev, uint64_t off, unsigned size) {
    struct i8237 *s = dev;
    (void)size;
    return controller_read(s, 0, (unsigned)off);
}

static void dma1_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i8237 *s = dev;
    (void)size;
    controller_write(&s->dma[0], (unsigned)off, (uint8_t)val);
    wake(s, 0);
}

static uint64_t dma2_read(void *dev, uint64_t off, unsigned size) {
    struct i8237 *s = dev;
    (void)size;
    return off % 2 ? 0xff : controller_read(s, 1, (unsigned)off / 2);
}

static void dma2_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i8237 *s = dev;
    (void)size;
    if (off % 2)
        return;
    controller_write(&s->dma[1], (unsigned)off / 2, (uint8_t)val);
    wake(s, 1);
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
    s->memory = (struct dma){.engine = pins->engine};
    i8237_reset(s);
    io_map_new(pins->io, &s->io[0], "DMA controller 1", &dma1_ops, s, IO_PORT, DMA1, REGISTERS);
    io_map_new(pins->io, &s->io[1], "DMA controller 2", &dma2_ops, s, IO_PORT, DMA2,
               2 * REGISTERS);
    io_map_new(pins->io, &s->page_io, "DMA pages", &page_ops, s, IO_PORT, PAGES, PAGE_COUNT);
    return s;
}
