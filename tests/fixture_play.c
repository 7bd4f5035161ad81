/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Performing what happens to a specimen, and choosing it by bytes. The text form is in
 * fixture_script.c. See fixture_play.h.
 */
#include "fixture_play.h"

#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/crc.h"
#include "core/state.h"
#include "fixture_priv.h"

const struct specimen *play_specimen(const char *name) {
    for (unsigned i = 0; specimen_lists[i]; i++)
        for (const struct specimen *s = specimen_lists[i]; s->name; s++)
            if (strcmp(s->name, name) == 0)
                return s;
    return NULL;
}

void play_open(struct play *play, struct fixture *fx, const struct specimen *specimen) {
    *play = (struct play){.fx = fx, .specimen = specimen, .dev = specimen->build(fx)};
}

void play_close(struct play *play) {
    play_drain(play);
    play->specimen->ops->free(play->dev);
}

/* ---- where the chip is found ---- */

static struct pci_function *nth_function(struct fixture *fx, unsigned n, unsigned *count) {
    struct pci_function *found = NULL;
    *count = 0;
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        struct pci_function *fn = pci_find(fx->pci, devfn);
        if (fn && (*count)++ == n)
            found = fn;
    }
    return found;
}

void play_enable_bars(struct play *play) {
    unsigned count;
    uint32_t io = 0xc000, mem = 0xe0000000;
    struct pci_function *fn;
    for (unsigned i = 0; (fn = nth_function(play->fx, i, &count)); i++) {
        for (unsigned n = 0; n < PCI_BARS; n++) {
            const struct pci_bar *bar = &fn->bar[n];
            unsigned reg = n == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * n;
            uint32_t *next = bar->kind == PCI_BAR_IO ? &io : &mem;
            if (bar->kind == PCI_BAR_NONE)
                continue;
            *next = (*next + bar->size - 1) & ~(bar->size - 1);
            cfg_write(play->fx, fn->devfn, reg, 4, *next | (n == PCI_BAR_ROM));
            *next += bar->size;
        }
        cfg_write(play->fx, fn->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
    }
}

enum { BARS_AT = 0xc000, BARS_END = 0xd000 };

static unsigned count_ports(const struct play *play, unsigned *bars) {
    const struct fixture_priv *priv = play->fx->priv;
    unsigned named = 0;
    for (const uint16_t *p = play->specimen->ports; p && *p; p += 2)
        named += p[1];
    *bars = 0;
    for (unsigned p = BARS_AT; p < BARS_END; p++)
        *bars += bitmap_get(priv->ports, p);
    return named;
}

/* One of the ports: those that the specimen names, and the claimed ones above 0xc000 (BARs). */
static uint16_t choose_port(const struct play *play, unsigned x) {
    const struct fixture_priv *priv = play->fx->priv;
    const uint16_t *pairs = play->specimen->ports;
    unsigned bars, named = count_ports(play, &bars);
    if (!(named + bars))
        return (uint16_t)x;
    x %= named + bars;
    for (const uint16_t *p = pairs; x < named; x -= p[1], named -= p[1], p += 2)
        if (x < p[1])
            return (uint16_t)(p[0] + x);
    x -= named;
    for (unsigned p = BARS_AT; p < BARS_END; p++)
        if (bitmap_get(priv->ports, p) && !x--)
            return (uint16_t)p;
    return 0xffff;
}

/* A place in claimed memory, near its begin or anywhere; or in video memory; or in RAM. */
static uint64_t choose_memory(const struct play *play, unsigned which, unsigned x) {
    const struct fixture_priv *priv = play->fx->priv;
    unsigned vram = priv->vrams && priv->vrams->vram.base != VRAM_NOWHERE;
    unsigned count = priv->mem_count + vram;
    if (!count)
        return x;
    which %= count;
    if (which == priv->mem_count)
        return priv->vrams->vram.base + x % priv->vrams->vram.size;
    const struct fixture_range *r = &priv->mem[which];
    return r->first + x % (r->last - r->first + 1);
}

/* ---- performing ---- */

static void see(struct play *play, const void *bytes, size_t len) {
    play->hash = play->hash * UINT64_C(0x9e3779b97f4a7c15) + crc32c(bytes, len) + 1;
}

static void see_value(struct play *play, uint64_t val, unsigned size) {
    if (val & ~size_mask(size))
        fixture_wrong("a read gave more than its size", val);
    see(play, &val, sizeof(val));
}

static void fill(uint8_t *buf, size_t len, const struct play_op *op) {
    for (size_t i = 0; i < len; i++)
        buf[i] = op->data_len ? op->data[i % op->data_len] : 0;
}

static void play_string(struct play *play, const struct play_op *op) {
    struct io_bus *io = play->fx->io;
    bool port = op->kind == PLAY_INS || op->kind == PLAY_OUTS;
    bool in = op->kind == PLAY_INS || op->kind == PLAY_READS;
    enum io_space space = port ? IO_PORT : IO_MEM;
    size_t len = (size_t)op->n * op->size;
    uint8_t *buf = malloc(len + !len); /* exact, so that ASan sees one byte too many */
    fill(buf, len, op);
    for (unsigned i = 0; i < op->n;) {
        uint8_t *at = buf + (size_t)i * op->size;
        uint64_t addr = op->addr + (port ? 0 : (uint64_t)i * op->size);
        unsigned took = in ? io_read_string(io, space, addr, op->size, at, op->n - i)
                           : io_write_string(io, space, addr, op->size, at, op->n - i);
        if (took > op->n - i)
            fixture_wrong("a string took more than it was given", took);
        if (!took && in)
            store_le(at, op->size, port ? io_read(io, space, addr, op->size)
                                        : mem_read(play->fx, addr, op->size));
        else if (!took && port)
            io_write(io, space, addr, op->size, load_le(at, op->size));
        else if (!took)
            mem_write(play->fx, addr, op->size, load_le(at, op->size));
        i += took ? took : 1;
    }
    if (in)
        see(play, buf, len);
    free(buf);
}

void play_drain(struct play *play) {
    enum { ROUNDS = 64 };
    const struct device_ops *ops = play->specimen->ops;
    for (unsigned i = 0; i < ROUNDS; i++) {
        fixture_io(play->fx);
        if (!ops->idle || ops->idle(play->dev))
            return;
    }
    fixture_wrong("a chip is not idle after all its requests are done", 0);
}

static void play_reset(struct play *play) {
    play_drain(play);
    play->specimen->ops->reset(play->dev);
}

/* Loads what `buf` holds into the reset chip; a refused one is reset again. */
static bool reload(struct play *play, const struct state_buf *buf, char *why, size_t why_len) {
    const struct state *state = play->specimen->ops->state;
    size_t used;
    play->specimen->ops->reset(play->dev);
    if (state_load(buf->bytes, buf->len, &used, state, "it", play->dev, why, why_len))
        return true;
    if (!why[0])
        fixture_wrong("a load was refused without a reason", 0);
    play->specimen->ops->reset(play->dev);
    return false;
}

static void play_state(struct play *play, const struct play_op *op) {
    const struct state *state = play->specimen->ops->state;
    struct state_buf buf = {0}, again = {0};
    char why[256] = "";
    play_drain(play);
    if (!state)
        return;
    clock_pause(play->fx->clock, true);
    state_save(&buf, state, "it", play->dev);
    if (op->kind == PLAY_DAMAGE) {
        buf.bytes[op->addr % (buf.len - 4)] ^= (uint8_t)op->val;
        store_le32(buf.bytes + buf.len - 4, crc32c(buf.bytes, buf.len - 4));
    }
    bool ok = reload(play, &buf, why, sizeof(why));
    if (op->kind == PLAY_RELOAD) {
        state_save(&again, state, "it", play->dev);
        if (!ok)
            fixture_wrong(why, 0);
        if (buf.len != again.len || memcmp(buf.bytes, again.bytes, buf.len))
            fixture_wrong("what was saved and loaded is not what is saved again", 0);
    }
    state_buf_free(&buf);
    state_buf_free(&again);
    clock_pause(play->fx->clock, false);
}

static void play_ram(struct play *play, const struct play_op *op) {
    for (unsigned i = 0; i < op->data_len; i++)
        play->fx->ram[(op->addr + i) % FIXTURE_RAM] = op->data[i];
}

void play_op(struct play *play, const struct play_op *op) {
    struct fixture *fx = play->fx;
    switch (op->kind) {
    case PLAY_IN:
        see_value(play, io_read(fx->io, IO_PORT, op->addr, op->size), op->size);
        break;
    case PLAY_OUT:
        io_write(fx->io, IO_PORT, op->addr, op->size, op->val & size_mask(op->size));
        break;
    case PLAY_INS:
    case PLAY_OUTS:
    case PLAY_READS:
    case PLAY_WRITES:
        play_string(play, op);
        break;
    case PLAY_READ:
        see_value(play, mem_read(fx, op->addr, op->size), op->size);
        break;
    case PLAY_WRITE:
        mem_write(fx, op->addr, op->size, op->val & size_mask(op->size));
        break;
    case PLAY_CFG_READ:
        see_value(play, cfg_read(fx, (unsigned)op->addr >> 8, op->addr & 0xff, op->size),
                  op->size);
        break;
    case PLAY_CFG_WRITE:
        cfg_write(fx, (unsigned)op->addr >> 8, op->addr & 0xff, op->size,
                  (uint32_t)(op->val & size_mask(op->size)));
        break;
    case PLAY_RAM:
        play_ram(play, op);
        break;
    case PLAY_SLEEP:
        fixture_sleep(fx, op->addr);
        break;
    case PLAY_IO:
        fixture_io(fx);
        fixture_frames(fx);
        break;
    case PLAY_FAIL:
        fixture_fail_all(fx, (int)op->addr, op->n);
        break;
    case PLAY_POKE:
        if (play->specimen->poke)
            play->specimen->poke(fx, play->dev, (uint8_t)op->addr);
        break;
    case PLAY_RESET:
        play_reset(play);
        break;
    case PLAY_RELOAD:
    case PLAY_DAMAGE:
        play_state(play, op);
        break;
    case PLAY_BARS:
        play_enable_bars(play);
        break;
    case PLAY_KINDS:
        break;
    }
}

/* ---- from bytes ---- */

struct source {
    const uint8_t *at;
    size_t left;
};

/* Beyond the end there are zeros. */
static uint64_t take(struct source *s, unsigned size) {
    uint8_t bytes[8] = {0};
    unsigned n = (unsigned)MIN((size_t)size, s->left);
    memcpy(bytes, s->at, n);
    s->at += n;
    s->left -= n;
    return load_le(bytes, size);
}

static void take_data(struct source *s, struct play_op *op) {
    unsigned want = (unsigned)take(s, 1) % PLAY_DATA + 1;
    op->data_len = (unsigned)MIN((size_t)want, s->left);
    memcpy(op->data, s->at, op->data_len);
    s->at += op->data_len;
    s->left -= op->data_len;
}

static void take_access(const struct play *play, struct source *s, struct play_op *op) {
    if (op->kind <= PLAY_OUTS) {
        unsigned bars, named = count_ports(play, &bars);
        op->size = MIN(op->size, 4u);
        op->addr = choose_port(play, (unsigned)take(s, named + bars > 256 ? 2 : 1));
    } else {
        unsigned which = (unsigned)take(s, 1);
        op->addr = choose_memory(play, which, (unsigned)take(s, 3));
    }
    if (op->kind == PLAY_OUT || op->kind == PLAY_WRITE)
        op->val = take(s, op->size);
    if (op->kind == PLAY_INS || op->kind == PLAY_OUTS || op->kind == PLAY_READS ||
        op->kind == PLAY_WRITES)
        op->n = (unsigned)take(s, 2) % (PLAY_STRING + 1);
    if (op->kind == PLAY_OUTS || op->kind == PLAY_WRITES)
        take_data(s, op);
}

static void take_config(const struct play *play, struct source *s, struct play_op *op) {
    unsigned count;
    nth_function(play->fx, 0, &count);
    unsigned which = (unsigned)take(s, 1), reg = (unsigned)take(s, 1);
    struct pci_function *fn = count ? nth_function(play->fx, which % count, &count) : NULL;
    op->size = MIN(op->size, 4u);
    op->addr = (fn ? fn->devfn : which) << 8 | (reg & ~(op->size - 1));
    if (op->kind == PLAY_CFG_WRITE)
        op->val = take(s, op->size);
}

bool play_decode(const struct play *play, const uint8_t **bytes, size_t *len,
                 struct play_op *op) {
    struct source s = {*bytes, *len};
    if (!s.left)
        return false;
    uint8_t head = (uint8_t)take(&s, 1);
    /* the low bits choose what, so that one flipped bit makes another thing of the same place */
    *op = (struct play_op){.kind = head % 32 % PLAY_KINDS, .size = 1u << (head >> 5 & 3)};
    if (op->kind <= PLAY_WRITES)
        take_access(play, &s, op);
    else if (op->kind <= PLAY_CFG_WRITE)
        take_config(play, &s, op);
    else if (op->kind == PLAY_RAM) {
        op->addr = (take(&s, 2) << 4) % FIXTURE_RAM;
        take_data(&s, op);
    } else if (op->kind == PLAY_SLEEP) {
        op->addr = UINT64_C(1) << (take(&s, 1) % 34); /* up to 8 s */
    } else if (op->kind == PLAY_FAIL) {
        op->addr = 5;
        op->n = (unsigned)take(&s, 1) % 4;
    } else if (op->kind == PLAY_POKE) {
        op->addr = take(&s, 1);
    } else if (op->kind == PLAY_DAMAGE) {
        op->addr = take(&s, 2);
        op->val = take(&s, 1);
    }
    *bytes = s.at;
    *len = s.left;
    return true;
}

void play_bytes(struct play *play, const uint8_t *bytes, size_t len,
                void (*tell)(const struct play_op *op)) {
    struct play_op op;
    while (play_decode(play, &bytes, &len, &op)) {
        if (tell)
            tell(&op);
        play_op(play, &op);
    }
}

void play_input(const struct specimen *specimen, const uint8_t *bytes, size_t len,
                void (*tell)(const struct play_op *op)) {
    static const struct play_op bars = {.kind = PLAY_BARS};
    struct fixture fx;
    struct play play;
    fixture_init(&fx);
    play_open(&play, &fx, specimen);
    if (tell)
        tell(&bars);
    play_op(&play, &bars);
    play_bytes(&play, bytes, len, tell);
    play_close(&play);
    fixture_done(&fx);
}
