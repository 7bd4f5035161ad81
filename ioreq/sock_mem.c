/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory of the socket engine, as the peer and bus masters see it. In this order answer:
 * video memory where it is placed, what the machine has claimed, RAM. RAM is below 640 KiB, from 1
 * MiB to the hole below 4 GiB, and above 4 GiB, as on a PC; the space between is for option ROMs
 * and windows. Not modelled: shadow RAM there (PAM), a firmware ROM below 4 GiB.
 */
#include <string.h>

#include "core/bits.h"
#include "sock_priv.h"

enum span_kind { SPAN_NOTHING, SPAN_RAM, SPAN_CLAIMED };

/* What answers at an address, and for how many bytes from there on. */
struct span {
    enum span_kind kind;
    uint64_t len;
    uint8_t *host;
    struct vram *vram; /* when host points into it */
};

/* False when [base, base + size) does not hold addr; then it may end what does. */
static bool holds(uint64_t base, uint64_t size, uint64_t addr, struct span *span) {
    if (addr >= base && addr - base < size) {
        span->len = MIN(span->len, size - (addr - base));
        return true;
    }
    if (base > addr)
        span->len = MIN(span->len, base - addr);
    return false;
}

static bool find_vram(struct sock *s, uint64_t addr, struct span *span) {
    for (struct sock_vram *v = s->vrams; v; v = v->next)
        if (v->vram.base != VRAM_NOWHERE && holds(v->vram.base, v->vram.size, addr, span)) {
            span->kind = SPAN_RAM;
            span->vram = &v->vram;
            span->host = v->vram.bytes + (addr - v->vram.base);
            return true;
        }
    return false;
}

static bool find_ram(struct sock *s, uint64_t addr, struct span *span) {
    const uint64_t hole = 0xa0000, high = MIB(1), above = GIB(4);
    const struct {
        uint64_t base, size, at; /* guest-physical, bytes, in s->ram */
    } parts[] = {
        {0, MIN(s->low, hole), 0},
        {high, s->low > high ? s->low - high : 0, high},
        {above, s->ram_size - s->low, s->low},
    };
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
        if (holds(parts[i].base, parts[i].size, addr, span)) {
            span->kind = SPAN_RAM;
            span->host = s->ram + parts[i].at + (addr - parts[i].base);
            return true;
        }
    return false;
}

static struct span span_at(struct sock *s, uint64_t addr) {
    struct span span = {.len = addr ? UINT64_MAX - addr + 1 : UINT64_MAX};
    if (find_vram(s, addr, &span))
        return span;
    for (unsigned i = 0; i < s->claim_count; i++) {
        const struct sock_range *r = &s->claims[i];
        if (holds(r->first, r->last - r->first + 1, addr, &span)) {
            span.kind = SPAN_CLAIMED;
            return span;
        }
    }
    find_ram(s, addr, &span);
    return span;
}

void *sock_mem_map(struct engine *e, uint64_t gpa, size_t *len, bool write) {
    struct sock *s = CONTAINER_OF(e, struct sock, engine);
    struct span span = {.len = *len};
    (void)write;
    /* a bus master reaches RAM even where a chip's window hides it from the CPU */
    if (!find_vram(s, gpa, &span))
        find_ram(s, gpa, &span);
    *len = span.len;
    return span.host;
}

void sock_mem_unmap(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote) {
    struct sock *s = CONTAINER_OF(e, struct sock, engine);
    (void)gpa;
    for (struct sock_vram *v = s->vrams; wrote && v; v = v->next) {
        const uint8_t *at = host;
        if (at >= v->vram.bytes && at < v->vram.bytes + v->vram.size)
            sock_mem_dirtied(e, &v->vram, (size_t)(at - v->vram.bytes), len);
    }
}

void sock_mem_dirtied(struct engine *e, struct vram *vram, size_t offset, size_t len) {
    enum { PAGE = 4096 };
    struct sock_vram *v = CONTAINER_OF(vram, struct sock_vram, vram);
    (void)e;
    for (size_t page = offset / PAGE; len && page <= (offset + len - 1) / PAGE; page++)
        bitmap_set(v->dirty, page);
}

static void wrote(struct sock *s, const struct span *span, size_t len) {
    if (span->vram)
        sock_mem_dirtied(&s->engine, span->vram, (size_t)(span->host - span->vram->bytes), len);
}

uint64_t sock_mem_read(struct sock *s, uint64_t addr, unsigned size) {
    struct span span = span_at(s, addr);
    if (span.len < size) { /* two answer: each its bytes */
        uint64_t val = 0;
        for (unsigned i = 0; i < size; i++)
            val |= sock_mem_read(s, addr + i, 1) << (8 * i);
        return val;
    }
    if (span.kind == SPAN_RAM)
        return load_le(span.host, size);
    if (span.kind == SPAN_CLAIMED)
        return s->engine.sink.read(s->engine.sink.dev, IO_MEM, addr, size) & size_mask(size);
    return size_mask(size);
}

void sock_mem_write(struct sock *s, uint64_t addr, unsigned size, uint64_t val) {
    struct span span = span_at(s, addr);
    val &= size_mask(size);
    if (span.len < size) {
        for (unsigned i = 0; i < size; i++)
            sock_mem_write(s, addr + i, 1, val >> (8 * i) & 0xff);
    } else if (span.kind == SPAN_RAM) {
        store_le(span.host, size, val);
        wrote(s, &span, size);
    } else if (span.kind == SPAN_CLAIMED) {
        s->engine.sink.write(s->engine.sink.dev, IO_MEM, addr, size, val);
    }
}

/* The widest aligned access of at most four bytes that fits. */
static unsigned step(uint64_t addr, uint64_t len) {
    unsigned size = 4;
    while (size > len || addr % size)
        size /= 2;
    return size;
}

void sock_mem_fetch(struct sock *s, uint64_t addr, void *buf, uint64_t len) {
    uint8_t *to = buf;
    while (len) {
        struct span span = span_at(s, addr);
        uint64_t n = MIN(span.len, len);
        if (span.kind == SPAN_CLAIMED) {
            n = step(addr, n);
            store_le(to, (unsigned)n, sock_mem_read(s, addr, (unsigned)n));
        } else if (span.kind == SPAN_RAM) {
            memcpy(to, span.host, n);
        } else {
            memset(to, 0xff, n);
        }
        to += n;
        addr += n;
        len -= n;
    }
}

void sock_mem_store(struct sock *s, uint64_t addr, const void *buf, uint64_t len) {
    const uint8_t *from = buf;
    while (len) {
        struct span span = span_at(s, addr);
        uint64_t n = MIN(span.len, len);
        if (span.kind == SPAN_CLAIMED) {
            n = step(addr, n);
            sock_mem_write(s, addr, (unsigned)n, load_le(from, (unsigned)n));
        } else if (span.kind == SPAN_RAM) {
            memcpy(span.host, from, n);
            wrote(s, &span, n);
        }
        from += n;
        addr += n;
        len -= n;
    }
}

void sock_mem_fill(struct sock *s, uint64_t addr, uint8_t val, uint64_t len) {
    while (len) {
        struct span span = span_at(s, addr);
        uint64_t n = MIN(span.len, len);
        if (span.kind == SPAN_CLAIMED) {
            n = step(addr, n);
            sock_mem_write(s, addr, (unsigned)n, val * UINT64_C(0x01010101));
        } else if (span.kind == SPAN_RAM) {
            memset(span.host, val, n);
            wrote(s, &span, n);
        }
        addr += n;
        len -= n;
    }
}
