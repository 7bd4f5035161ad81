/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus, the backend's half. See xenbus.h.
 *
 * One function, settle, looks at both ends' states and does the one step that is due; it runs when
 * anything of the device changes. So the order in which libxl, the guest and we write does not
 * matter, and a node that vanishes in between is just another state.
 */
#include "pv/xenbus.h"

#include <string.h>

#include "core/mem.h"

struct xenbus {
    struct pv *pv;
    const struct xenbus_type *type;
    void *owner;
    struct pv_watch watch;
    struct xenbus_device *head;
};

/* ---- nodes ---- */

static void join(char *path, const char *folder, const char *node) {
    snprintf(path, PV_PATH + 64, "%s/%s", folder, node);
}

static uint64_t number(const char *text, uint64_t otherwise) {
    if (!*text)
        return otherwise;
    uint64_t v = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || v > UINT64_MAX / 10 - 1)
            return otherwise;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    return v;
}

bool xenbus_read(struct xenbus_device *dev, const char *node, char *val, size_t len) {
    char path[PV_PATH + 64];
    join(path, dev->backend, node);
    return dev->pv->ops->read(dev->pv, path, val, len);
}

uint64_t xenbus_read_number(struct xenbus_device *dev, const char *node, uint64_t otherwise) {
    char val[32];
    return xenbus_read(dev, node, val, sizeof(val)) ? number(val, otherwise) : otherwise;
}

void xenbus_write(struct xenbus_device *dev, const char *node, const char *val) {
    char path[PV_PATH + 64];
    join(path, dev->backend, node);
    dev->pv->ops->write(dev->pv, path, val);
}

void xenbus_write_number(struct xenbus_device *dev, const char *node, uint64_t val) {
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)val);
    xenbus_write(dev, node, text);
}

bool xenbus_read_frontend(struct xenbus_device *dev, const char *node, char *val, size_t len) {
    char path[PV_PATH + 64];
    join(path, dev->frontend, node);
    return dev->pv->ops->read(dev->pv, path, val, len);
}

uint64_t xenbus_frontend_number(struct xenbus_device *dev, const char *node, uint64_t otherwise) {
    char val[32];
    return xenbus_read_frontend(dev, node, val, sizeof(val)) ? number(val, otherwise) : otherwise;
}

/* ---- states ---- */

static void switch_state(struct xenbus_device *dev, enum xenbus_state state) {
    dev->state = state;
    xenbus_write_number(dev, "state", state);
}

void xenbus_tell(struct xenbus_device *dev) {
    if (dev->connected)
        switch_state(dev, dev->state);
}

static void disconnect(struct xenbus_device *dev) {
    if (dev->connected)
        dev->type->disconnect(dev->impl);
    dev->connected = false;
}

/* The driver begins anew, or another kernel has taken over: the old rings are nobody's. */
static void abandon(struct xenbus_device *dev) {
    dev->abandoned = true;
    disconnect(dev);
    dev->abandoned = false;
}

static void destroy(struct xenbus_device *dev) {
    disconnect(dev);
    if (dev->impl)
        dev->type->free(dev->impl);
    dev->pv->ops->unwatch(dev->pv, &dev->backend_watch);
    dev->pv->ops->unwatch(dev->pv, &dev->frontend_watch);
    struct xenbus_device **p = &dev->bus->head;
    while (*p != dev)
        p = &(*p)->next;
    *p = dev->next;
    mem_free(dev);
}

/*
 * The toolstack has let go of the device and it is closed. The folders are the toolstack's to
 * remove: it waits to read Closed there, and takes a folder that is gone for a failure.
 */
static void let_go(struct xenbus_device *dev) {
    dev->type->free(dev->impl);
    dev->impl = NULL;
}

static void init(struct xenbus_device *dev) {
    dev->impl = dev->type->init(dev, dev->bus->owner);
    if (!dev->impl)
        return;
    xenbus_write(dev, "hotplug-status", "connected");
    switch_state(dev, XENBUS_INIT_WAIT);
}

static void connect(struct xenbus_device *dev) {
    dev->connected = dev->type->connect(dev->impl);
    switch_state(dev, dev->connected ? XENBUS_CONNECTED : XENBUS_CLOSING);
}

static bool is_open(enum xenbus_state frontend) {
    return frontend >= XENBUS_INIT_WAIT && frontend <= XENBUS_CLOSING;
}

/*
 * libxl wrote Closing with online 0: the frontend is asked to close, or there is none to ask.
 * Closed it writes itself when the guest does not answer, or is no more.
 */
static void close_asked(struct xenbus_device *dev, enum xenbus_state written,
                        enum xenbus_state frontend) {
    dev->state = written;
    if (written == XENBUS_CLOSING && is_open(frontend))
        return;
    if (frontend == XENBUS_INITIALISING)
        abandon(dev);
    disconnect(dev);
    if (written != XENBUS_CLOSED)
        switch_state(dev, XENBUS_CLOSED);
}

static bool was_closed(const struct xenbus_device *dev) {
    return dev->state == XENBUS_CLOSED || dev->state == XENBUS_CLOSING;
}

/*
 * Initialised after it was connected: the driver has resumed, or another kernel has taken over,
 * with rings of its own.
 */
static bool starts_over(const struct xenbus_device *dev, enum xenbus_state frontend) {
    return dev->connected && frontend == XENBUS_INITIALISED &&
           dev->frontend_state == XENBUS_CONNECTED;
}

static void settle_frontend(struct xenbus_device *dev, enum xenbus_state frontend, bool online) {
    bool over = starts_over(dev, frontend);
    switch (frontend) {
    case XENBUS_INITIALISING:
        if (dev->connected || was_closed(dev)) {
            abandon(dev);
            switch_state(dev, online ? XENBUS_INIT_WAIT : XENBUS_CLOSED);
        }
        break;
    case XENBUS_INITIALISED:
    case XENBUS_CONNECTED:
        if (over)
            abandon(dev);
        if (over || dev->state == XENBUS_INIT_WAIT)
            connect(dev);
        break;
    case XENBUS_CLOSING:
        disconnect(dev);
        if (!was_closed(dev))
            switch_state(dev, XENBUS_CLOSING);
        break;
    case XENBUS_CLOSED:
    case XENBUS_UNKNOWN: /* its folder is gone */
        disconnect(dev);
        if (dev->state != XENBUS_CLOSED && dev->state != XENBUS_INIT_WAIT)
            switch_state(dev, XENBUS_CLOSED);
        break;
    default:
        break;
    }
    dev->frontend_state = frontend;
}

static void settle(void *arg) {
    struct xenbus_device *dev = arg;
    enum xenbus_state written = (enum xenbus_state)xenbus_read_number(dev, "state", 0);
    if (written == XENBUS_UNKNOWN) { /* the whole folder has gone: the domain is being destroyed */
        destroy(dev);
        return;
    }
    bool online = xenbus_read_number(dev, "online", 0) == 1;
    enum xenbus_state frontend = (enum xenbus_state)xenbus_frontend_number(dev, "state", 0);
    if (!dev->impl) {
        if (online && written == XENBUS_INITIALISING)
            init(dev);
        return;
    }
    if ((written == XENBUS_CLOSING || written == XENBUS_CLOSED) && !was_closed(dev))
        close_asked(dev, written, frontend);
    settle_frontend(dev, frontend, online);
    if (dev->state == XENBUS_CLOSED && !online)
        let_go(dev);
    else if (dev->type->changed)
        dev->type->changed(dev->impl);
}

/* ---- finding devices ---- */

static void found(void *arg, const char *name) {
    struct xenbus *bus = arg;
    uint64_t id = number(name, UINT64_MAX);
    if (id > UINT32_MAX)
        return;
    for (struct xenbus_device *dev = bus->head; dev; dev = dev->next)
        if (dev->id == id) {
            dev->seen = true;
            return;
        }
    struct xenbus_device *dev = mem_new(sizeof(*dev));
    *dev = (struct xenbus_device){.pv = bus->pv, .type = bus->type, .id = (unsigned)id,
                                  .bus = bus, .seen = true, .next = bus->head};
    snprintf(dev->backend, sizeof(dev->backend), "backend/%s/%u/%s", bus->type->name,
             bus->pv->domid, name);
    dev->backend_watch = (struct pv_watch){.changed = settle, .arg = dev};
    dev->frontend_watch = (struct pv_watch){.changed = settle, .arg = dev};
    bus->head = dev;
}

static void start(struct xenbus_device *dev) {
    if (!xenbus_read(dev, "frontend", dev->frontend, sizeof(dev->frontend)))
        return; /* not all written yet: it is found again by the next change */
    struct pv *pv = dev->pv;
    if (!pv->ops->watch(pv, &dev->backend_watch, dev->backend) ||
        !pv->ops->watch(pv, &dev->frontend_watch, dev->frontend))
        log_error("%s: can't be watched", dev->backend);
}

static void look(void *arg) {
    struct xenbus *bus = arg;
    char folder[PV_PATH];
    snprintf(folder, sizeof(folder), "backend/%s/%u", bus->type->name, bus->pv->domid);
    for (struct xenbus_device *dev = bus->head; dev; dev = dev->next)
        dev->seen = false;
    bus->pv->ops->list(bus->pv, folder, found, bus);
    for (struct xenbus_device *dev = bus->head, *next; dev; dev = next) {
        next = dev->next;
        if (!dev->seen)
            destroy(dev);
        else if (!*dev->frontend)
            start(dev);
    }
}

struct xenbus *xenbus_new(struct pv *pv, const struct xenbus_type *type, void *owner) {
    struct xenbus *bus = mem_new(sizeof(*bus));
    *bus = (struct xenbus){.pv = pv, .type = type, .owner = owner,
                           .watch = {.changed = look, .arg = bus}};
    char folder[PV_PATH];
    snprintf(folder, sizeof(folder), "backend/%s/%u", type->name, pv->domid);
    if (!pv->ops->watch(pv, &bus->watch, folder))
        log_error("%s can't be watched: the guest's PV devices of that type won't work", folder);
    return bus;
}

void xenbus_disconnect_all(struct xenbus *bus) {
    for (struct xenbus_device *dev = bus->head; dev; dev = dev->next)
        disconnect(dev);
}

void xenbus_free(struct xenbus *bus) {
    bus->pv->ops->unwatch(bus->pv, &bus->watch);
    while (bus->head)
        destroy(bus->head);
    mem_free(bus);
}
