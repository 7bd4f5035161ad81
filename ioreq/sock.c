/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket engine: claims, interrupts, video memory, time. PCI interrupts go through the PIIX3's
 * four links (82371SB, 2.4) as a PC's board wires them: slot n's INTA# to link (n - 1) mod 4, the
 * other pins after it. Not modelled: interrupt controllers and timers of the chipset, which belong
 * to the hypervisor; lines 16 to 23 of the I/O APIC stay low.
 */
#include "sock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "sock_priv.h"

enum { PAGE = 4096 };

static struct sock *sock_of(struct engine *e) {
    return CONTAINER_OF(e, struct sock, engine);
}

/* ---- claims: ports all come to the sink anyway, as does everything of PCI ---- */

static bool sock_claim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    struct sock *s = sock_of(e);
    if (space == IO_PORT)
        return true;
    if (s->claim_count == SOCK_RANGES)
        return false;
    s->claims[s->claim_count++] = (struct sock_range){base, base + size - 1};
    return true;
}

/* What is given back may be a part of a claim, or parts of several. */
static void sock_unclaim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    struct sock *s = sock_of(e);
    uint64_t last = base + size - 1;
    unsigned count = space == IO_MEM ? s->claim_count : 0;
    for (unsigned i = count; i-- > 0;) {
        struct sock_range r = s->claims[i];
        if (r.last < base || r.first > last)
            continue;
        s->claims[i] = s->claims[--s->claim_count];
        if (r.first < base)
            sock_claim(e, IO_MEM, r.first, base - r.first);
        if (r.last > last)
            sock_claim(e, IO_MEM, last + 1, r.last - last);
    }
}

static bool sock_claim_pci(struct engine *e, unsigned bdf) {
    (void)e;
    (void)bdf;
    return true;
}

static void sock_unclaim_pci(struct engine *e, unsigned bdf) {
    (void)e;
    (void)bdf;
}

/* ---- interrupts ---- */

/* The one place where the level of an ISA interrupt comes from. */
static void update_irq(struct sock *s, unsigned irq) {
    bool level = s->isa[irq];
    for (unsigned link = 0; link < SOCK_LINKS; link++)
        if (irq && s->link_irq[link] == irq && (s->intx[link][0] | s->intx[link][1]))
            level = true;
    if (level == s->lines[irq])
        return;
    s->lines[irq] = level;
    sock_proto_irq(s, irq, level);
}

static void sock_isa_irq(struct engine *e, unsigned irq, bool level) {
    struct sock *s = sock_of(e);
    if (irq >= SOCK_ISA_IRQS)
        return;
    s->isa[irq] = level;
    update_irq(s, irq);
}

static void sock_pci_intx(struct engine *e, unsigned dev, unsigned pin, bool level) {
    struct sock *s = sock_of(e);
    if (dev >= 32 || pin >= 4)
        return;
    unsigned link = (dev + pin + 3) % SOCK_LINKS;
    if (level)
        bitmap_set(s->intx[link], dev * 4 + pin);
    else
        bitmap_clear(s->intx[link], dev * 4 + pin);
    update_irq(s, s->link_irq[link]);
}

static void sock_pci_link(struct engine *e, unsigned link, unsigned irq) {
    struct sock *s = sock_of(e);
    if (link >= SOCK_LINKS || irq >= SOCK_ISA_IRQS)
        return;
    unsigned old = s->link_irq[link];
    s->link_irq[link] = irq;
    update_irq(s, old);
    update_irq(s, irq);
}

/* There is no local APIC: a peer that wants to see a message lets it go to RAM and looks there. */
static void sock_msi(struct engine *e, uint64_t addr, uint32_t data) {
    sock_mem_write(sock_of(e), addr, 4, data);
}

/* ---- video memory ---- */

static struct vram *sock_vram_new(struct engine *e, size_t size) {
    struct sock *s = sock_of(e);
    uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        log_error("%zu bytes of video memory can't be had: %s", size, strerror(errno));
        return NULL;
    }
    struct sock_vram *v = mem_new(sizeof(*v));
    v->vram = (struct vram){bytes, size, VRAM_NOWHERE};
    v->dirty = mem_new((size / PAGE / 64 + 1) * sizeof(uint64_t));
    v->next = s->vrams;
    s->vrams = v;
    return &v->vram;
}

static void sock_vram_free(struct engine *e, struct vram *vram) {
    struct sock *s = sock_of(e);
    struct sock_vram *v = CONTAINER_OF(vram, struct sock_vram, vram), **p = &s->vrams;
    while (*p != v)
        p = &(*p)->next;
    *p = v->next;
    munmap(v->vram.bytes, v->vram.size);
    mem_free(v->dirty);
    mem_free(v);
}

static void sock_vram_place(struct engine *e, struct vram *vram, uint64_t base) {
    (void)e;
    vram->base = base;
}

static bool sock_vram_dirty(struct engine *e, struct vram *vram, size_t first, size_t n,
                            uint64_t *bitmap) {
    struct sock_vram *v = CONTAINER_OF(vram, struct sock_vram, vram);
    (void)e;
    if (n) {
        memcpy(bitmap, v->dirty + first / 64, n / 8);
        memset(v->dirty + first / 64, 0, n / 8);
    }
    return true;
}

/* ---- events ---- */

static void sock_protect(struct engine *e, uint64_t gpa, uint64_t len, bool read_only) {
    (void)e; /* there is nothing at the option ROMs' place */
    (void)gpa;
    (void)len;
    (void)read_only;
}

static void sock_shutdown(struct engine *e, enum engine_shutdown how) {
    struct sock *s = sock_of(e);
    if (s->events.shutdown)
        s->events.shutdown(s->events.arg, how);
}

static bool sock_power_button(struct engine *e) {
    (void)e;
    return false;
}

static void sock_suspend(struct engine *e, bool suspended) {
    struct sock *s = sock_of(e);
    if (s->events.suspended)
        s->events.suspended(s->events.arg, suspended);
}

/* ---- time ---- */

static uint64_t sock_now(void *arg) {
    const struct sock *s = arg;
    return s->now;
}

void sock_clock_to(struct sock *s, uint64_t ns) {
    enum { STEPS = 1 << 20 }; /* the peer shall not wait for ever for a timer that is ever due */
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t next = clock_next(s->clock);
        if (next > ns)
            break;
        s->now = MAX(s->now, next);
        clock_run(s->clock);
    }
    s->now = MAX(s->now, ns);
}

struct clock *sock_engine_clock(struct engine *engine) {
    return sock_of(engine)->clock;
}

/* ---- life ---- */

static void sock_free(struct engine *e) {
    struct sock *s = sock_of(e);
    while (s->vrams)
        sock_vram_free(e, &s->vrams->vram);
    if (s->ram)
        munmap(s->ram, s->ram_size);
    if (s->memfd >= 0)
        close(s->memfd);
    s->chars->user = (struct chars_user){0};
    clock_free(s->clock);
    free(s->in.bytes);
    free(s->out.bytes);
    mem_free(s);
}

static const struct engine_ops sock_ops = {
    .claim = sock_claim,
    .unclaim = sock_unclaim,
    .claim_pci = sock_claim_pci,
    .unclaim_pci = sock_unclaim_pci,
    .isa_irq = sock_isa_irq,
    .pci_intx = sock_pci_intx,
    .pci_link = sock_pci_link,
    .msi = sock_msi,
    .map = sock_mem_map,
    .unmap = sock_mem_unmap,
    .vram_new = sock_vram_new,
    .vram_free = sock_vram_free,
    .vram_place = sock_vram_place,
    .vram_dirty = sock_vram_dirty,
    .vram_dirtied = sock_mem_dirtied,
    .protect = sock_protect,
    .shutdown = sock_shutdown,
    .power_button = sock_power_button,
    .suspend = sock_suspend,
    .free = sock_free,
};

static bool make_ram(struct sock *s) {
    s->memfd = memfd_create("hvm-dm guest memory", MFD_CLOEXEC);
    if (s->memfd < 0 || ftruncate(s->memfd, (off_t)s->ram_size) != 0)
        return false;
    void *ram = mmap(NULL, s->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                     s->memfd, 0);
    if (ram == MAP_FAILED)
        return false;
    s->ram = ram;
    return true;
}

struct engine *sock_engine_new(struct chars *chars, uint64_t ram_bytes, uint64_t low_bytes,
                               char *why, size_t why_len) {
    struct sock *s = mem_new(sizeof(*s));
    s->engine.ops = &sock_ops;
    s->chars = chars;
    s->memfd = -1;
    s->ram_size = MAX((ram_bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1), (uint64_t)PAGE);
    s->low = MIN(s->ram_size, MIN(low_bytes, GIB(4)));
    s->clock = clock_new(sock_now, s);
    if (!make_ram(s)) {
        snprintf(why, why_len, "%llu bytes of guest memory can't be had: %s",
                 (unsigned long long)s->ram_size, strerror(errno));
        sock_free(&s->engine);
        return NULL;
    }
    return &s->engine;
}

void sock_engine_start(struct engine *engine, const struct sock_events *events) {
    struct sock *s = sock_of(engine);
    if (events)
        s->events = *events;
    sock_proto_start(s);
}
