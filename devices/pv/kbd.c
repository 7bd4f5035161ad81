/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of kbdfront. Document: see kbd.h.
 *
 * Events go into a ring of 51 in one page that the guest shares, by a grant (page-gref) or, as
 * older frontends have it, by its number (page-ref). The guest may write there whatever it likes:
 * our index is our own, and of the guest's only the distance counts. When the ring is full motion
 * is lost, but no release: what is owed is sent when the guest has read.
 *
 * Positions go from 0 to 7fffh in both directions, which width and height tell; a toolstack that
 * has written others there gets its own. Not modelled: touch screens.
 */
#include "pv/kbd.h"

#include <string.h>

#include "core/bits.h"
#include "core/input.h"
#include "core/mem.h"

enum {
    IN_CONS = 0, IN_PROD = 4, IN_RING = 1024, EVENT = 40, EVENTS = 2048 / EVENT,
    MOTION = 1, KEY = 3, POSITION = 4,
    CODES = 0x300, /* KEY_* and BTN_* */
};

struct pv_kbd {
    struct xenbus_device *dev;
    struct input *input;
    struct input_sink sink;
    uint32_t width, height;
    /* connected */
    uint8_t *page;
    bool granted, raw;
    struct pv_port port;
    uint32_t prod;
    bool told; /* something is in the ring that the guest was not told of */
    /* motion that waits for the end of its group */
    bool moved;
    int32_t x, y, wheel;
    uint64_t down[CODES / 64], owed[CODES / 64];
};

/* ---- the ring ---- */

static bool put(struct pv_kbd *k, const uint8_t event[EVENT]) {
    uint32_t cons = __atomic_load_n((uint32_t *)(void *)(k->page + IN_CONS), __ATOMIC_ACQUIRE);
    if (k->prod - cons >= EVENTS) /* full, or no index at all */
        return false;
    memcpy(k->page + IN_RING + k->prod % EVENTS * EVENT, event, EVENT);
    k->prod++;
    __atomic_store_n((uint32_t *)(void *)(k->page + IN_PROD), k->prod, __ATOMIC_RELEASE);
    k->told = true;
    return true;
}

static void tell(struct pv_kbd *k) {
    if (k->told)
        k->dev->pv->ops->notify(k->dev->pv, &k->port);
    k->told = false;
}

static bool put_key(struct pv_kbd *k, unsigned code, bool down) {
    uint8_t event[EVENT] = {KEY, down};
    store_le32(event + 4, code);
    return put(k, event);
}

/* Releases for which there was no room. */
static bool pay(struct pv_kbd *k) {
    for (unsigned word = 0; word < CODES / 64; word++)
        while (k->owed[word]) {
            unsigned code = word * 64 + (unsigned)__builtin_ctzll(k->owed[word]);
            if (!put_key(k, code, false))
                return false;
            bitmap_clear(k->owed, code);
        }
    return true;
}

static void key(struct pv_kbd *k, unsigned code, bool down) {
    if (code >= CODES)
        return;
    bool sent = pay(k) && put_key(k, code, down);
    if (down && sent)
        bitmap_set(k->down, code);
    if (down || !bitmap_get(k->down, code))
        return;
    bitmap_clear(k->down, code);
    if (!sent)
        bitmap_set(k->owed, code);
}

static int32_t scale(int32_t at, uint32_t size) {
    return (int32_t)((uint64_t)(uint32_t)at * size / (INPUT_ABS_MAX + 1));
}

static void move(struct pv_kbd *k) {
    bool absolute = k->sink.kinds & 1u << INPUT_ABS;
    uint8_t event[EVENT] = {absolute ? POSITION : MOTION};
    if (!k->moved)
        return;
    k->moved = false;
    store_le32(event + 4, (uint32_t)(absolute && !k->raw ? scale(k->x, k->width) : k->x));
    store_le32(event + 8, (uint32_t)(absolute && !k->raw ? scale(k->y, k->height) : k->y));
    store_le32(event + 12, (uint32_t)-k->wheel); /* + is towards the user there */
    put(k, event);
    k->wheel = 0;
    if (!absolute)
        k->x = k->y = 0;
}

/* ---- what people do ---- */

static int32_t add(int32_t a, int32_t b) {
    return (int32_t)MAX(MIN((int64_t)a + b, (int64_t)INPUT_ABS_MAX), -(int64_t)INPUT_ABS_MAX);
}

static void on_event(void *dev, const struct input_event *e) {
    struct pv_kbd *k = dev;
    int32_t *axis = e->code == INPUT_X ? &k->x : e->code == INPUT_Y ? &k->y : &k->wheel;
    switch (e->kind) {
    case INPUT_KEY:
    case INPUT_BUTTON:
        move(k); /* a click is where the pointer is by now */
        key(k, e->code, e->value);
        break;
    case INPUT_REL:
        *axis = add(*axis, e->value);
        k->moved = true;
        break;
    case INPUT_ABS:
        *axis = e->value;
        k->moved = true;
        break;
    }
}

static void on_sync(void *dev) {
    struct pv_kbd *k = dev;
    move(k);
    tell(k);
}

/* The guest has read. */
static void on_port(void *arg) {
    struct pv_kbd *k = arg;
    pay(k);
    tell(k);
}

/* ---- the device ---- */

static void *kbd_init(struct xenbus_device *dev, void *owner) {
    struct pv_kbd *k = mem_new(sizeof(*k));
    *k = (struct pv_kbd){.dev = dev, .input = owner};
    xenbus_write_number(dev, "feature-abs-pointer", 1);
    xenbus_write_number(dev, "feature-raw-pointer", 1);
    k->width = (uint32_t)xenbus_read_number(dev, "width", 0);
    k->height = (uint32_t)xenbus_read_number(dev, "height", 0);
    if (!k->width || !k->height) {
        k->width = k->height = INPUT_ABS_MAX + 1;
        xenbus_write_number(dev, "width", k->width);
        xenbus_write_number(dev, "height", k->height);
    }
    return k;
}

static bool map_page(struct pv_kbd *k) {
    struct pv *pv = k->dev->pv;
    uint32_t ref = (uint32_t)xenbus_frontend_number(k->dev, "page-gref", 0);
    uint64_t gfn = xenbus_frontend_number(k->dev, "page-ref", 0);
    k->page = ref ? pv->ops->map(pv, &ref, 1, true) : NULL;
    k->granted = k->page;
    if (!k->page && gfn && pv->ops->map_gfn)
        k->page = pv->ops->map_gfn(pv, gfn);
    return k->page;
}

static void unmap_page(struct pv_kbd *k) {
    struct pv *pv = k->dev->pv;
    if (k->granted)
        pv->ops->unmap(pv, k->page, 1);
    else
        pv->ops->unmap_gfn(pv, k->page);
    k->page = NULL;
}

static unsigned kinds_of(struct pv_kbd *k) {
    unsigned kinds = 0;
    if (!xenbus_read_number(k->dev, "feature-disable-keyboard", 0))
        kinds |= 1u << INPUT_KEY;
    if (!xenbus_read_number(k->dev, "feature-disable-pointer", 0))
        kinds |= xenbus_frontend_number(k->dev, "request-abs-pointer", 0) ? 1u << INPUT_ABS
                                                                          : 1u << INPUT_REL;
    return kinds;
}

static bool kbd_connect(void *backend) {
    struct pv_kbd *k = backend;
    uint32_t remote = (uint32_t)xenbus_frontend_number(k->dev, "event-channel", UINT32_MAX);
    if (!map_page(k)) {
        log_error("%s: the guest's page can't be had", k->dev->backend);
        return false;
    }
    k->port = (struct pv_port){.event = on_port, .arg = k};
    if (!k->dev->pv->ops->bind(k->dev->pv, remote, &k->port)) {
        log_error("%s: event channel %u can't be had", k->dev->backend, remote);
        unmap_page(k);
        return false;
    }
    k->prod = load_le32(k->page + IN_PROD);
    k->raw = xenbus_frontend_number(k->dev, "request-raw-pointer", 0);
    k->moved = k->told = false;
    k->x = k->y = k->wheel = 0;
    memset(k->down, 0, sizeof(k->down));
    memset(k->owed, 0, sizeof(k->owed));
    k->sink = (struct input_sink){.name = "xen-kbd", .kinds = kinds_of(k), .dev = k,
                                  .event = on_event, .sync = on_sync};
    input_add(k->input, &k->sink);
    return true;
}

static void kbd_disconnect(void *backend) {
    struct pv_kbd *k = backend;
    input_remove(k->input, &k->sink);
    k->dev->pv->ops->unbind(k->dev->pv, &k->port);
    unmap_page(k);
}

static void kbd_free(void *backend) {
    mem_free(backend);
}

const struct xenbus_type pv_kbd_type = {
    .name = "vkbd", .init = kbd_init, .connect = kbd_connect, .disconnect = kbd_disconnect,
    .free = kbd_free,
};
