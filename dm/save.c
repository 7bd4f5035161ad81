/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a whole machine. See save.h.
 */
#include "save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board.h"
#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/state.h"
#include "drives.h"

enum {
    FUNCTIONS = 256,     /* of a PCI bus */
    FILE_MAX = 32 << 20, /* bytes; what there is of chips is a fraction of it */
    READ_BYTES = 1 << 20,
    NAME_LEN = 256,
};

/* What is the board's own. */
struct whole {
    uint32_t records;         /* chips that follow */
    bool asleep;              /* the guest is in S3 */
    uint32_t pci[FUNCTIONS];  /* device << 16 | vendor, by devfn; 0: nothing there */
};

static const struct field whole_fields[] = {
    F(struct whole, records), F(struct whole, asleep), F_ARRAY(struct whole, pci), F_END};
static const struct state whole_state = {"machine", 1, whole_fields, NULL};

/* A record whose chip is not here yet. */
struct save_waiting {
    struct save_waiting *next;
    char name[NAME_LEN], id[NAME_LEN];
    size_t len;
    uint8_t bytes[];
};

static bool fail(char *why, size_t why_len, const char *what) {
    snprintf(why, why_len, "the saved machine can't be %s: %s", what, strerror(errno));
    return false;
}

static void look_at_bus(struct machine *m, uint32_t pci[FUNCTIONS]) {
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        const struct pci_function *fn = pci_find(m->pci, i);
        pci[i] = fn ? load_le32(fn->config + PCI_VENDOR) : 0;
    }
}

/* ---- saving ---- */

static bool all_idle(const struct machine *m, char *why, size_t why_len) {
    for (unsigned i = 0; i < m->device_count; i++) {
        const struct device *d = &m->devices[i];
        if (!d->ops->idle || d->ops->idle(d->dev))
            continue;
        snprintf(why, why_len, "%s \"%s\" has something under way that does not end; a USB device "
                 "of the host has to be detached before its guest is saved", d->ops->name, d->id);
        return false;
    }
    return true;
}

static bool write_all(int fd, const uint8_t *bytes, size_t len, char *why, size_t why_len) {
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(why, why_len, "written");
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool save_machine(struct machine *m, int fd, char *why, size_t why_len) {
    struct whole whole = {.asleep = m->asleep};
    struct state_buf buf = {0};
    if (!drives_flush(m, why, why_len) || !all_idle(m, why, why_len))
        return false;
    look_at_bus(m, whole.pci);
    for (unsigned i = 0; i < m->device_count; i++)
        whole.records += m->devices[i].ops->state != NULL;
    state_save(&buf, &whole_state, "", &whole);
    for (unsigned i = 0; i < m->device_count; i++)
        if (m->devices[i].ops->state)
            state_save(&buf, m->devices[i].ops->state, m->devices[i].id, m->devices[i].dev);
    bool ok = write_all(fd, buf.bytes, buf.len, why, why_len);
    if (ok)
        log_info("saved: %zu bytes of %u chips", buf.len, whole.records);
    state_buf_free(&buf);
    return ok;
}

/* ---- loading ---- */

struct loader {
    struct machine *m;
    const uint8_t *at;
    size_t left;
    bool loaded[MACHINE_DEVICES];
    char *why;
    size_t why_len;
};

static bool read_all(int fd, struct state_buf *buf, char *why, size_t why_len) {
    for (;;) {
        uint8_t *bytes = buf->len <= FILE_MAX ? realloc(buf->bytes, buf->len + READ_BYTES) : NULL;
        if (!bytes) {
            snprintf(why, why_len, "the saved machine has more than %zu bytes", buf->len);
            return false;
        }
        buf->bytes = bytes;
        ssize_t n = read(fd, buf->bytes + buf->len, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(why, why_len, "read");
        if (!n)
            return true;
        buf->len += (size_t)n;
    }
}

static bool is_of(const struct device *d, const char *name, const char *id) {
    return d->ops->state && !strcmp(d->ops->state->name, name) && !strcmp(d->id, id);
}

/* Two chips may go by one name; they come in the order in which they were saved. */
static unsigned find(const struct loader *l, const char *name, const char *id) {
    unsigned i = 0;
    while (i < l->m->device_count && (l->loaded[i] || !is_of(&l->m->devices[i], name, id)))
        i++;
    return i;
}

static void keep(struct loader *l, size_t len, const char *name, const char *id) {
    struct board *b = l->m->board;
    struct save_waiting *w = mem_new(sizeof(*w) + len);
    *w = (struct save_waiting){.next = b->waiting, .len = len};
    snprintf(w->name, sizeof(w->name), "%s", name);
    snprintf(w->id, sizeof(w->id), "%s", id);
    memcpy(w->bytes, l->at, len);
    b->waiting = w;
    log_info("the saved machine had %s \"%s\": it goes on when one of that name is plugged in",
             name, id);
}

static bool load_record(struct loader *l) {
    char name[NAME_LEN], id[NAME_LEN];
    size_t used = state_peek(l->at, l->left, name, sizeof(name), id, sizeof(id), l->why,
                             l->why_len);
    if (!used)
        return false;
    unsigned i = find(l, name, id);
    if (i < l->m->device_count) {
        const struct device *d = &l->m->devices[i];
        if (!state_load(l->at, used, &used, d->ops->state, id, d->dev, l->why, l->why_len))
            return false;
        l->loaded[i] = true;
    } else {
        keep(l, used, name, id);
    }
    l->at += used;
    l->left -= used;
    return true;
}

/* A guest's drivers know their cards by the place. What is not there yet may still come. */
static bool same_bus(const struct loader *l, const struct whole *whole) {
    uint32_t here[FUNCTIONS];
    look_at_bus(l->m, here);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        uint32_t was = whole->pci[i], is = here[i];
        if (was && is && was != is) {
            snprintf(l->why, l->why_len,
                     "the saved machine had PCI device %04x:%04x at %02x.%u, this one has "
                     "%04x:%04x there", was & 0xffff, was >> 16, i >> 3, i & 7, is & 0xffff,
                     is >> 16);
            return false;
        }
    }
    return true;
}

static bool load_all(struct loader *l) {
    struct whole whole = {0};
    size_t used = 0;
    if (l->left >= 4 && !memcmp(l->at, "QEVM", 4)) {
        snprintf(l->why, l->why_len, "the machine was saved under QEMU, whose states are not read "
                 "here: without device_model_override= it goes on where it was");
        return false;
    }
    if (!state_load(l->at, l->left, &used, &whole_state, "", &whole, l->why, l->why_len))
        return false;
    l->at += used;
    l->left -= used;
    for (uint32_t i = 0; i < whole.records; i++)
        if (!load_record(l))
            return false;
    if (l->left) {
        snprintf(l->why, l->why_len, "the saved machine has %zu bytes more than its %u chips",
                 l->left, whole.records);
        return false;
    }
    l->m->asleep = whole.asleep;
    return same_bus(l, &whole);
}

/* Xen doesn't keep that a domain is asleep. */
static void settle(struct machine *m) {
    if (m->asleep)
        m->engine->ops->suspend(m->engine, true);
    m->state = RUN_PAUSED;
}

bool save_load(struct machine *m, int fd, char *why, size_t why_len) {
    struct state_buf buf = {0};
    bool ok = read_all(fd, &buf, why, why_len);
    struct loader l = {.m = m, .at = buf.bytes, .left = buf.len, .why = why, .why_len = why_len};
    ok = ok && load_all(&l);
    for (unsigned i = 0; ok && i < m->device_count; i++)
        if (m->devices[i].ops->state && !l.loaded[i])
            log_warn("%s \"%s\" is not in the saved machine: it is new to the guest",
                     m->devices[i].ops->name, m->devices[i].id);
    if (ok) {
        log_info("restored: %zu bytes", buf.len);
        settle(m);
    }
    state_buf_free(&buf);
    return ok;
}

/* ---- what is plugged in afterwards ---- */

void save_added(struct board *b) {
    const struct device *d = &b->machine->devices[b->machine->device_count - 1];
    for (struct save_waiting **p = &b->waiting; *p; p = &(*p)->next) {
        struct save_waiting *w = *p;
        if (!is_of(d, w->name, w->id))
            continue;
        char why[256];
        size_t used;
        *p = w->next;
        b->knew = d->dev;
        if (!state_load(w->bytes, w->len, &used, d->ops->state, d->id, d->dev, why, sizeof(why))) {
            log_error("the saved state of \"%s\" does not fit, it begins anew: %s", d->id, why);
            d->ops->reset(d->dev);
        }
        mem_free(w);
        return;
    }
}

bool save_knew(const struct board *b, const void *dev) {
    return b->knew == dev;
}

void save_free(struct board *b) {
    while (b->waiting) {
        struct save_waiting *w = b->waiting;
        b->waiting = w->next;
        mem_free(w);
    }
}
