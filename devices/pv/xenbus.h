/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend's half of xenbus: finds the devices of one type that the toolstack has made for the
 * guest, and takes each through the states of its connection. What a type does is in xenbus_type.
 * Document: xen/io/xenbus.h; the rules of libxl's backends in docs/misc/ and its sources. One
 * thread.
 */
#ifndef DEVICES_PV_XENBUS_H
#define DEVICES_PV_XENBUS_H

#include "core/log.h"
#include "core/pv.h"

enum xenbus_state {
    XENBUS_UNKNOWN, XENBUS_INITIALISING, XENBUS_INIT_WAIT, XENBUS_INITIALISED, XENBUS_CONNECTED,
    XENBUS_CLOSING, XENBUS_CLOSED,
};

struct xenbus_device;

struct xenbus_type {
    const char *name; /* as in the store: "qdisk" */
    /*
     * Makes the device and writes its features; NULL: it can't be yet (an empty drive): asked again
     * when its nodes change.
     */
    void *(*init)(struct xenbus_device *dev, void *owner);
    /* The frontend is ready: maps its rings. False: it is told to close, the log says why. */
    bool (*connect)(void *backend);
    /* Nodes of its own folder may have changed; NULL: none that matter. */
    void (*changed)(void *backend);
    /*
     * Finishes what is in flight, tells a frontend that still listens, and gives back all that it
     * granted.
     */
    void (*disconnect)(void *backend);
    void (*free)(void *backend); /* disconnected before */
};

struct xenbus_device {
    struct pv *pv;
    const struct xenbus_type *type;
    char backend[PV_PATH], frontend[PV_PATH]; /* their folders in the store */
    unsigned id;   /* the number of its folder */
    void *impl;    /* what init gave; NULL: not yet */
    enum xenbus_state state; /* as we last wrote it */
    enum xenbus_state frontend_state; /* as we last saw it */
    bool connected;
    bool abandoned; /* while it disconnects: nobody reads its rings any more */
    struct pv_watch backend_watch, frontend_watch;
    struct xenbus *bus;
    struct xenbus_device *next;
    bool seen;
};

struct xenbus;

/* Watches for devices of the type; owner is handed to init. */
struct xenbus *xenbus_new(struct pv *pv, const struct xenbus_type *type, void *owner);
void xenbus_free(struct xenbus *bus); /* disconnects all */
/* Before a save: no device has anything in flight afterwards. */
void xenbus_disconnect_all(struct xenbus *bus);

/* Nodes of a device's own folder and of its frontend's. Numbers that aren't read as `otherwise`. */
bool xenbus_read(struct xenbus_device *dev, const char *node, char *val, size_t len);
uint64_t xenbus_read_number(struct xenbus_device *dev, const char *node, uint64_t otherwise);
void xenbus_write(struct xenbus_device *dev, const char *node, const char *val);
void xenbus_write_number(struct xenbus_device *dev, const char *node, uint64_t val);
bool xenbus_read_frontend(struct xenbus_device *dev, const char *node, char *val, size_t len);
uint64_t xenbus_frontend_number(struct xenbus_device *dev, const char *node, uint64_t otherwise);

/* A connected frontend looks at the device's nodes again: its state is written once more. */
void xenbus_tell(struct xenbus_device *dev);

#endif
