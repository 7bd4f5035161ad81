/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PV disk's frontend (public/io/blkif.h) and libxl's part of its birth and death, for one disk at
 * a time. A grant reference is a frame number here, so taking the frame away with `balloon` revokes
 * the grant.
 *
 * Not played: rings of more than one page, several queues.
 */
#include "plays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define xen_mb() __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#include "store.h"

#define PORT 300u
#define RING_GFN 0x2000u
#define DATA_GFN 0x2100u
#define TABLE_GFN 0x2f00u /* a page of segments for each slot */
#define MAX_SEGMENTS 32u  /* as many as Linux asks for */
#define SECTORS_A_PAGE 8u

static blkif_front_ring_t ring;
static char frontend[64], backend[64];

static void put(const char *dir, const char *key, const char *value) {
    char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, key);
    store_write(path, value, strlen(value));
}

static void put_number(const char *dir, const char *key, unsigned value) {
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    put(dir, key, text);
}

static const char *wait_state(const char *dir, unsigned state) {
    char path[128], value[8];
    struct timespec at;
    int waited = 0;

    snprintf(path, sizeof path, "%s/state", dir);
    snprintf(value, sizeof value, "%u", state);
    /* the device model may want events taken in meanwhile */
    while (store_wait(path, value, 20, &at)) {
        hv_pump(0);
        waited += 20;
        if (waited > hv_timeout_ms)
            return "the backend does not come to that state";
    }
    return NULL;
}

static void name_paths(unsigned devnum) {
    snprintf(frontend, sizeof frontend, "/local/domain/%u/device/vbd/%u", hv_world()->domid,
             devnum);
    snprintf(backend, sizeof backend, "/local/domain/0/backend/qdisk/%u/%u", hv_world()->domid,
             devnum);
}

/* What libxl writes when it attaches the disk. */
static const char *play_new(int argc, char **argv, char *answer) {
    unsigned devnum = (unsigned)play_number(argc, argv, 0, 51712);
    const char *mode = argc > 2 ? argv[2] : "w", *kind = argc > 3 ? argv[3] : "disk";

    (void)answer;
    name_paths(devnum);
    put(frontend, "backend", backend);
    put_number(frontend, "backend-id", 0);
    put_number(frontend, "virtual-device", devnum);
    put(frontend, "device-type", kind);
    put_number(frontend, "state", XenbusStateInitialising);
    put(backend, "frontend", frontend);
    put_number(backend, "frontend-id", hv_world()->domid);
    put(backend, "online", "1");
    put(backend, "removable", strcmp(kind, "cdrom") ? "0" : "1");
    put(backend, "bootable", "1");
    put(backend, "dev", "xvda");
    put(backend, "type", "qdisk");
    put(backend, "mode", mode);
    put(backend, "device-type", kind);
    put(backend, "discard-enable", *mode == 'w' ? "1" : "0");
    put(backend, "specification", "xen");
    put(backend, "params", argv[1]);
    put_number(backend, "state", XenbusStateInitialising);
    return wait_state(backend, XenbusStateInitWait);
}

/* What blkfront does then; "grants" afresh for each request is what older and other ones do. */
static const char *play_connect(int argc, char **argv, char *answer) {
    int afresh = argc > 1 && !strcmp(argv[1], "fresh");
    blkif_sring_t *shared = (blkif_sring_t *)hv_ram((uint64_t)RING_GFN * WORLD_PAGE);
    const char *error;

    (void)answer;
    if (argc)
        name_paths((unsigned)play_number(argc, argv, 0, 51712));
    if (!shared)
        return "no RAM for the ring";
    SHARED_RING_INIT(shared);
    FRONT_RING_INIT(&ring, shared, WORLD_PAGE);
    hv_offer(PORT);
    put_number(frontend, "ring-ref", RING_GFN);
    put_number(frontend, "event-channel", PORT);
    put(frontend, "protocol", "x86_64-abi");
    put(frontend, "feature-persistent", afresh ? "0" : "1");
    put_number(frontend, "state", XenbusStateInitialised);
    error = wait_state(backend, XenbusStateConnected);
    if (!error)
        put_number(frontend, "state", XenbusStateConnected);
    return error;
}

static const char *play_close(int argc, char **argv, char *answer) {
    const char *error;

    (void)argc, (void)argv, (void)answer;
    put_number(frontend, "state", XenbusStateClosing);
    error = wait_state(backend, XenbusStateClosing);
    put_number(frontend, "state", XenbusStateClosed);
    return error ? error : wait_state(backend, XenbusStateClosed);
}

/* libxl detaching it for good. */
static const char *play_remove(int argc, char **argv, char *answer) {
    (void)argc, (void)argv, (void)answer;
    put(backend, "online", "0");
    put_number(backend, "state", XenbusStateClosing);
    put_number(frontend, "state", XenbusStateClosed);
    return NULL;
}

static void push(void) {
    int notify;

    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
    if (notify)
        hv_event(PORT);
}

/* Waits for an event of the backend's, unless there is a response already. */
static const char *wait_response(int timeout_ms) {
    struct timespec from, now;
    int more;

    clock_gettime(CLOCK_MONOTONIC, &from);
    for (;;) {
        RING_FINAL_CHECK_FOR_RESPONSES(&ring, more);
        if (more)
            return NULL;
        if (hv_pump(timeout_ms < 100 ? timeout_ms : 100) == HV_GONE)
            return hv_error(HV_GONE);
        hv_notified(PORT);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 > timeout_ms)
            return hv_error(HV_TIMEOUT);
    }
}

static void segment(struct blkif_request_segment *s, unsigned slot, unsigned n) {
    *s = (struct blkif_request_segment){ .gref = DATA_GFN + slot * MAX_SEGMENTS + n,
                                         .last_sect = SECTORS_A_PAGE - 1 };
}

static void indirect(unsigned op, unsigned slot, unsigned segments, uint64_t sector) {
    blkif_request_indirect_t *r = (void *)RING_GET_REQUEST(&ring, ring.req_prod_pvt);
    uint64_t table = (uint64_t)(TABLE_GFN + slot) * WORLD_PAGE;
    struct blkif_request_segment *s = (void *)hv_ram(table);

    memset(r, 0, sizeof *r);
    r->operation = BLKIF_OP_INDIRECT;
    r->indirect_op = (uint8_t)op;
    r->nr_segments = (uint16_t)segments;
    r->id = slot;
    r->sector_number = sector;
    r->indirect_grefs[0] = TABLE_GFN + slot;
    for (unsigned i = 0; i < segments; i++)
        segment(&s[i], slot, i);
    ring.req_prod_pvt++;
}

static void request(unsigned op, unsigned slot, unsigned segments, uint64_t sector) {
    blkif_request_t *r = RING_GET_REQUEST(&ring, ring.req_prod_pvt);

    if (segments > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
        indirect(op, slot, segments, sector);
        return;
    }
    memset(r, 0, sizeof *r);
    r->operation = (uint8_t)op;
    r->nr_segments = (uint8_t)segments;
    r->id = slot;
    r->sector_number = sector;
    for (unsigned i = 0; i < segments; i++)
        segment(&r->seg[i], slot, i);
    ring.req_prod_pvt++;
}

struct load {
    unsigned op, depth, segments;
    unsigned long n;
    uint64_t sectors; /* of the disk */
    unsigned long sent, done, failed;
    uint32_t free_slots;
    uint64_t seed;
};

static void fill(struct load *l) {
    while (l->sent < l->n && l->sent - l->done < l->depth) {
        unsigned slot = (unsigned)__builtin_ctz(l->free_slots);
        uint64_t places = l->sectors / SECTORS_A_PAGE - l->segments;

        l->free_slots &= ~(1u << slot);
        l->seed = l->seed * 6364136223846793005ull + 1;
        request(l->op, slot, l->op == BLKIF_OP_FLUSH_DISKCACHE ? 0 : l->segments,
                l->op == BLKIF_OP_FLUSH_DISKCACHE ? 0 : (l->seed >> 33) % places * SECTORS_A_PAGE);
        l->sent++;
    }
    push();
}

static void reap(struct load *l) {
    RING_IDX prod = ring.sring->rsp_prod;

    xen_rmb();
    for (; ring.rsp_cons != prod; ring.rsp_cons++) {
        blkif_response_t r = *RING_GET_RESPONSE(&ring, ring.rsp_cons);

        l->failed += r.status != BLKIF_RSP_OKAY;
        l->free_slots |= 1u << (r.id & 31);
        l->done++;
    }
}

static const char *play_blk(int argc, char **argv, char *answer) {
    struct load l = { .n = play_number(argc, argv, 1, 1), .free_slots = ~0u, .seed = 12345 };
    char path[128], value[32];

    l.op = !strcmp(argv[0], "write")   ? BLKIF_OP_WRITE
           : !strcmp(argv[0], "flush") ? BLKIF_OP_FLUSH_DISKCACHE
                                       : BLKIF_OP_READ;
    l.depth = (unsigned)play_number(argc, argv, 2, 1);
    l.segments = (unsigned)play_number(argc, argv, 3, 1);
    snprintf(path, sizeof path, "%s/sectors", backend);
    if (store_read(path, value, sizeof value) < 0)
        return "the backend has not said how many sectors";
    l.sectors = strtoull(value, NULL, 10);
    if (!l.depth || l.depth > 32 || !l.segments || l.segments > MAX_SEGMENTS
        || l.sectors / SECTORS_A_PAGE <= l.segments)
        return "depth 1 to 32, 1 to 32 segments, on a disk that has as much";
    while (l.done < l.n) {
        const char *error;

        fill(&l);
        error = wait_response(hv_timeout_ms);
        if (error)
            return error;
        reap(&l);
    }
    sprintf(answer, "%lu", l.failed);
    return NULL;
}

/* One request of any content; its status, or "none". */
static const char *play_raw(int argc, char **argv, char *answer) {
    unsigned op = (unsigned)play_number(argc, argv, 0, 0),
             segments = (unsigned)play_number(argc, argv, 1, 1);
    blkif_request_t *r = RING_GET_REQUEST(&ring, ring.req_prod_pvt);
    const char *error;

    memset(r, 0, sizeof *r);
    r->operation = (uint8_t)op;
    r->nr_segments = (uint8_t)segments;
    r->id = 7;
    r->sector_number = play_number(argc, argv, 2, 0);
    for (unsigned i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        r->seg[i] = (struct blkif_request_segment){
            .gref = (grant_ref_t)play_number(argc, argv, 3, DATA_GFN) + i,
            .first_sect = (uint8_t)play_number(argc, argv, 4, 0),
            .last_sect = (uint8_t)play_number(argc, argv, 5, SECTORS_A_PAGE - 1),
        };
    ring.req_prod_pvt++;
    push();
    error = wait_response(1000);
    if (error) {
        strcpy(answer, "none");
        return strcmp(error, hv_error(HV_GONE)) ? NULL : error;
    }
    sprintf(answer, "%d", RING_GET_RESPONSE(&ring, ring.rsp_cons)->status);
    ring.rsp_cons++;
    return NULL;
}

/* The shared indices as given, and the event. */
static const char *play_indices(int argc, char **argv, char *answer) {
    enum hv_error e = HV_OK;

    (void)answer;
    ring.sring->req_prod = (RING_IDX)play_number(argc, argv, 0, 0);
    ring.sring->rsp_prod = (RING_IDX)play_number(argc, argv, 1, 0);
    ring.sring->req_event = (RING_IDX)play_number(argc, argv, 2, 1);
    xen_mb();
    hv_event(PORT);
    for (int i = 0; i < 20 && e != HV_GONE; i++)
        e = hv_pump(5);
    return e == HV_GONE ? hv_error(e) : NULL;
}

const struct play blk_plays[] = {
    { "blk-new", "DEVNUM PARAMS [r|w [disk|cdrom]]", "libxl attaches a PV disk", 2, play_new },
    { "blk-connect", "[DEVNUM [fresh]]", "the frontend connects", 0, play_connect },
    { "blk", "read|write|flush [TIMES [DEPTH [SEGMENTS]]]", "requests; how many failed", 1,
      play_blk },
    { "blk-raw", "OP SEGMENTS SECTOR [GREF [FIRST [LAST]]]", "any request; its status", 3,
      play_raw },
    { "blk-indices", "REQ_PROD RSP_PROD [REQ_EVENT]", "set the ring's indices", 2, play_indices },
    { "blk-close", "", "the frontend disconnects", 0, play_close },
    { "blk-remove", "", "libxl detaches the disk", 0, play_remove },
    { NULL, NULL, NULL, 0, NULL },
};
