/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB mass storage: Universal Serial Bus Mass Storage Class, Bulk-Only Transport 1.0. The disk's
 * commands are in storage_scsi.c.
 *
 * A transfer that has memory for whole sectors goes straight between that memory and the image; the
 * packets of a small controller go through a buffer, which reads ahead as far as the command goes
 * and no further. What a command has less than its host wants is made up with zeros, and what it
 * takes less of is thrown away, as 6.7.2 and 6.7.3 allow: firmware that doesn't know how to clear
 * a stalled pipe lives. Not modelled: several logical units.
 */
#include "usb/storage.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "usb/storage_chip.h"

enum { /* bmRequestType << 8 | bRequest: 3.1, 3.2 */
    MASS_STORAGE_RESET = 0x21ff, GET_MAX_LUN = 0xa1fe,
};

enum { EP_IN = 1, EP_OUT = 2 };

enum { /* 5.1, 5.2 */
    CBW_LEN = 31, CBW_SIGNATURE = 0x43425355, CBW_TAG = 4, CBW_DATA_LEN = 8, CBW_FLAGS = 12,
    CBW_LUN = 13, CBW_CDB_LEN = 14, CBW_CDB = 15, CBW_FLAG_IN = 0x80,
    CSW_LEN = 13, CSW_SIGNATURE = 0x53425355,
};

static const struct field storage_fields[] = {
    F_STRUCT(struct storage, usb, usb_fields), F_MAX(struct storage, phase, PHASE_BROKEN),
    F_MAX(struct storage, status, CSW_PHASE_ERROR), F(struct storage, writes),
    F(struct storage, tag), F(struct storage, expected), F(struct storage, residue),
    F_BYTES(struct storage, cdb), F(struct storage, sense_key), F(struct storage, asc),
    F(struct storage, ascq), F(struct storage, attention), F(struct storage, locked),
    F_ARRAY(struct storage, refused),
    F(struct storage, medium_at), F(struct storage, medium_left),
    F_MAX(struct storage, buf_at, STORAGE_BUFFER), F_MAX(struct storage, buf_len, STORAGE_BUFFER),
    F_DYNAMIC_USED(struct storage, buf, STORAGE_BUFFER, buf_len), F_END
};

/* ---- descriptors ---- */

#define DEVICE_DESC                                                                                \
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0xf4, 0x46, 0x01, 0x00, 0x00, 0x00, 1, 2, 3, 1
#define CONFIG_DESC(total) 9, 2, total, 0, 1, 1, 0, 0xc0, 0
#define INTERFACE_DESC 9, 4, 0, 0, 2, 8 /* storage */, 6 /* SCSI */, 0x50 /* bulk-only */, 0
#define BULK_DESC(address, packet) 7, 5, address, 2, (packet) & 0xff, (packet) >> 8, 0
#define COMPANION_DESC 6, 0x30, 15 /* burst */, 0, 0, 0

static const uint8_t device_desc[] = {DEVICE_DESC};
static const uint8_t config_full[] = {CONFIG_DESC(32), INTERFACE_DESC, BULK_DESC(0x80 | EP_IN, 64),
                                      BULK_DESC(EP_OUT, 64)};
static const uint8_t config_high[] = {CONFIG_DESC(32), INTERFACE_DESC,
                                      BULK_DESC(0x80 | EP_IN, 512), BULK_DESC(EP_OUT, 512)};
static const uint8_t config_super[] = {CONFIG_DESC(44), INTERFACE_DESC,
                                       BULK_DESC(0x80 | EP_IN, 1024), COMPANION_DESC,
                                       BULK_DESC(EP_OUT, 1024), COMPANION_DESC};
/* USB 3.2, 9.6.2: the capabilities "USB 2.0 extension" and "SuperSpeed" */
static const uint8_t bos_desc[] = {5, 15, 22, 0, 2, 7, 16, 2, 0, 0, 0, 0,
                                   10, 16, 3, 0, 0x0e, 0, 1, 10, 0xff, 0x07};
static const char *const strings[] = {"hvm-dm", "USB disk", "1", NULL};

_Static_assert(sizeof(device_desc) == 18, "USB 2.0, 9.6.1");
_Static_assert(sizeof(config_full) == 32 && sizeof(config_high) == 32, "wTotalLength");
_Static_assert(sizeof(config_super) == 44 && sizeof(bos_desc) == 22, "wTotalLength");

static const struct usb_descriptors descriptors = {
    .device = device_desc,
    .config = {[USB_FULL] = config_full, [USB_HIGH] = config_high, [USB_SUPER] = config_super},
    .bos = bos_desc,
    .strings = strings,
};

/* ---- the image ---- */

static enum usb_result pump(struct storage *s, struct usb_transfer *t);

static void tell_ready(struct storage *s) {
    for (unsigned in = 0; in < 2; in++)
        if (s->refused[in]) {
            s->refused[in] = false;
            usb_ready(&s->usb, in ? EP_IN : EP_OUT, in);
        }
}

static enum usb_result not_now(struct storage *s, const struct usb_transfer *t) {
    s->refused[t->pid == USB_IN] = true;
    return USB_NAK;
}

/* The part of a transfer's memory from `skip` on; 0: it has too many pieces. */
static unsigned slice(struct storage *s, const struct usb_transfer *t, size_t skip, size_t len) {
    unsigned n = 0;
    for (unsigned i = 0; i < t->niov && len; i++) {
        struct iovec piece = t->iov[i];
        if (skip >= piece.iov_len) {
            skip -= piece.iov_len;
            continue;
        }
        if (n == STORAGE_IOVS)
            return 0;
        s->iov[n].iov_base = (uint8_t *)piece.iov_base + skip;
        s->iov[n].iov_len = MIN(piece.iov_len - skip, len);
        len -= s->iov[n++].iov_len;
        skip = 0;
    }
    return len ? 0 : n;
}

static void io_done(struct block_req *req, int err);

static void start(struct storage *s, enum block_op op, uint8_t moves, unsigned niov, size_t len) {
    s->busy = true;
    s->moves = moves;
    s->req = (struct block_req){.op = op, .offset = s->medium_at, .len = len, .iov = s->iov,
                                .niov = niov, .done = io_done, .owner = s};
    block_submit(s->block, &s->req);
}

/* True when the sectors that the transfer has memory for are under way. */
static bool start_direct(struct storage *s, struct usb_transfer *t, size_t room) {
    size_t len = (size_t)MIN((uint64_t)room, s->medium_left) & ~(size_t)(STORAGE_SECTOR - 1);
    unsigned n = len ? slice(s, t, t->actual, len) : 0;
    if (n)
        start(s, s->writes ? BLOCK_WRITE : BLOCK_READ, MOVE_DIRECT, n, len);
    return n;
}

static void start_buffered(struct storage *s, size_t len) {
    s->iov[0] = (struct iovec){s->buf, len};
    start(s, s->writes ? BLOCK_WRITE : BLOCK_READ, MOVE_BUFFER, 1, len);
}

void storage_flush(struct storage *s) {
    start(s, BLOCK_FLUSH, MOVE_NOTHING, 0, 0);
}

static void moved(struct storage *s, struct usb_transfer *t, size_t n) {
    t->actual += n;
    s->expected -= (uint32_t)n;
}

static void account(struct storage *s) {
    uint32_t n = (uint32_t)s->req.len;
    if (s->moves == MOVE_NOTHING)
        return;
    s->medium_at += n;
    s->medium_left -= n;
    if (s->moves == MOVE_DIRECT)
        moved(s, s->transfer, n);
    if (s->moves == MOVE_DIRECT || s->writes)
        s->residue -= n;
    s->buf_at = 0;
    s->buf_len = s->moves == MOVE_BUFFER && !s->writes ? n : 0;
}

static void io_done(struct block_req *req, int err) {
    struct storage *s = req->owner;
    struct usb_transfer *t = s->transfer;
    s->busy = false;
    if (s->dropped) {
        s->dropped = false;
        return;
    }
    if (err)
        storage_io_failed(s, err);
    else
        account(s);
    enum usb_result result = t ? pump(s, t) : USB_PENDING;
    if (t && result != USB_PENDING) {
        s->transfer = NULL;
        usb_done(t, result);
    }
    tell_ready(s);
}

/* The request's result is for nobody; the memory that it moves is free afterwards. */
static void drop(struct storage *s) {
    if (!s->busy)
        return;
    s->dropped = true;
    block_drain(s->block);
}

/* ---- data and status ---- */

static enum usb_result data_in(struct storage *s, struct usb_transfer *t) {
    static const uint8_t zeros[4096];
    size_t room;
    while ((room = MIN(t->len - t->actual, (size_t)s->expected))) {
        if (s->buf_at < s->buf_len) {
            size_t n = MIN(room, (size_t)(s->buf_len - s->buf_at));
            moved(s, t, usb_give(t, t->actual, s->buf + s->buf_at, n));
            s->buf_at += (uint32_t)n;
            s->residue -= (uint32_t)n;
        } else if (s->medium_left) {
            s->buf_at = s->buf_len = 0;
            if (!start_direct(s, t, room))
                start_buffered(s, (size_t)MIN(s->medium_left, (uint64_t)STORAGE_BUFFER));
            return USB_PENDING;
        } else {
            moved(s, t, usb_give(t, t->actual, zeros, MIN(room, sizeof(zeros))));
        }
    }
    if (!s->expected)
        s->phase = PHASE_STATUS;
    return USB_OK;
}

static enum usb_result data_out(struct storage *s, struct usb_transfer *t) {
    size_t room;
    while ((room = MIN(t->len - t->actual, (size_t)s->expected))) {
        uint32_t want = (uint32_t)MIN(s->medium_left, (uint64_t)STORAGE_BUFFER);
        if (!want) {
            moved(s, t, room);
            continue;
        }
        if (!s->buf_len && start_direct(s, t, room))
            return USB_PENDING;
        size_t n = MIN(room, (size_t)(want - s->buf_len));
        moved(s, t, usb_take(t, t->actual, s->buf + s->buf_len, n));
        s->buf_len += (uint32_t)n;
        if (s->buf_len == want) {
            start_buffered(s, want);
            return USB_PENDING;
        }
    }
    if (!s->expected)
        s->phase = PHASE_STATUS;
    return USB_OK;
}

static enum usb_result give_status(struct storage *s, struct usb_transfer *t) {
    uint8_t csw[CSW_LEN];
    store_le32(csw, CSW_SIGNATURE);
    store_le32(csw + 4, s->tag);
    store_le32(csw + 8, s->residue);
    csw[12] = s->status;
    t->actual = usb_give(t, 0, csw, sizeof(csw));
    s->phase = PHASE_COMMAND;
    s->buf_at = s->buf_len = 0;
    return t->len < CSW_LEN ? USB_BABBLE : USB_OK;
}

/* ---- commands ---- */

static enum usb_result broken(struct storage *s) {
    s->phase = PHASE_BROKEN;
    return USB_STALL;
}

/* What the host and the command mean to move must fit together: table 6.1, the thirteen cases. */
static void begin_data(struct storage *s, bool in) {
    uint64_t wants = s->buf_len + s->medium_left;
    if (wants && (s->writes == in || wants > s->expected)) {
        s->buf_len = 0;
        s->medium_left = 0;
        s->status = CSW_PHASE_ERROR;
    }
    s->phase = !s->expected ? PHASE_STATUS : in ? PHASE_IN : PHASE_OUT;
}

/* Valid and meaningful: 6.2. */
static enum usb_result take_command(struct storage *s, struct usb_transfer *t) {
    uint8_t cbw[CBW_LEN];
    t->actual = usb_take(t, 0, cbw, sizeof(cbw));
    if (t->len != CBW_LEN || load_le32(cbw) != CBW_SIGNATURE || cbw[CBW_LUN] & 0x0f ||
        !(cbw[CBW_CDB_LEN] & 0x1f) || (cbw[CBW_CDB_LEN] & 0x1f) > STORAGE_CDB)
        return broken(s);
    unsigned cdb_len = cbw[CBW_CDB_LEN] & 0x1f;
    s->tag = load_le32(cbw + CBW_TAG);
    s->expected = s->residue = load_le32(cbw + CBW_DATA_LEN);
    memset(s->cdb, 0, sizeof(s->cdb));
    memcpy(s->cdb, cbw + CBW_CDB, cdb_len);
    s->status = CSW_GOOD;
    s->writes = false;
    s->buf_at = s->buf_len = 0;
    s->medium_left = 0;
    storage_command(s, cdb_len);
    begin_data(s, cbw[CBW_FLAGS] & CBW_FLAG_IN);
    tell_ready(s);
    return USB_OK;
}

/* A transfer in the phase that it belongs to. */
static enum usb_result pump(struct storage *s, struct usb_transfer *t) {
    bool in = t->pid == USB_IN;
    switch (s->phase) {
    case PHASE_COMMAND:
        return in ? not_now(s, t) : take_command(s, t);
    case PHASE_IN:
        return in ? data_in(s, t) : not_now(s, t);
    case PHASE_OUT:
        if (!in && t->len > s->expected && !t->actual)
            return broken(s); /* more than it said */
        return in ? not_now(s, t) : data_out(s, t);
    case PHASE_STATUS:
        return in ? give_status(s, t) : not_now(s, t);
    default:
        return USB_STALL; /* until there was a reset recovery: 5.3.4 */
    }
}

static enum usb_result storage_data(struct usb_device *dev, struct usb_transfer *t) {
    struct storage *s = (struct storage *)dev;
    if (t->ep != (t->pid == USB_IN ? EP_IN : EP_OUT))
        return USB_STALL;
    if (s->transfer || (s->busy && t->pid != USB_IN))
        return not_now(s, t);
    if (s->busy) { /* the status of a command that takes its time */
        s->transfer = t;
        return USB_PENDING;
    }
    enum usb_result result = pump(s, t);
    if (result == USB_PENDING)
        s->transfer = t;
    return result;
}

/* What the transfer has had stays the host's to send or to fetch again. */
static void storage_cancel(struct usb_device *dev, struct usb_transfer *t) {
    struct storage *s = (struct storage *)dev;
    if (s->transfer != t)
        return;
    s->transfer = NULL;
    if (s->moves == MOVE_NOTHING)
        return;
    drop(s);
    if (s->moves == MOVE_BUFFER && s->writes) {
        uint32_t n = (uint32_t)MIN(t->actual, (size_t)s->buf_len);
        s->buf_len -= n;
        s->expected += n;
        t->actual -= n;
    }
    tell_ready(s);
}

/* Nothing of the command under way is left: 3.1. */
static void forget_command(struct storage *s) {
    struct usb_transfer *t = s->transfer;
    s->transfer = NULL;
    drop(s);
    s->phase = PHASE_COMMAND;
    s->status = CSW_GOOD;
    s->writes = false;
    s->tag = s->expected = s->residue = 0;
    memset(s->cdb, 0, sizeof(s->cdb));
    s->medium_at = s->medium_left = 0;
    s->buf_at = s->buf_len = 0;
    if (t)
        usb_done(t, USB_ERROR);
    tell_ready(s);
}

static enum usb_result storage_control(struct usb_device *dev, const struct usb_setup *setup,
                                       uint8_t *data, size_t *len) {
    struct storage *s = (struct storage *)dev;
    if (setup->index)
        return USB_STALL;
    switch (setup->request_type << 8 | setup->request) {
    case MASS_STORAGE_RESET:
        forget_command(s);
        return USB_OK;
    case GET_MAX_LUN:
        data[0] = 0;
        *len = 1;
        return USB_OK;
    default:
        return USB_STALL;
    }
}

/* ---- life ---- */

static void storage_bus_reset(struct usb_device *dev) {
    struct storage *s = (struct storage *)dev;
    forget_command(s);
    s->sense_key = s->asc = s->ascq = 0;
    s->attention = ASC_RESET;
    s->locked = false;
}

static void storage_configured(struct usb_device *dev) {
    if (!dev->configuration)
        forget_command((struct storage *)dev);
}

static void resized(void *arg) {
    ((struct storage *)arg)->attention = ASC_CAPACITY_CHANGED;
}

static void storage_reset(void *dev) {
    usb_reset(dev);
}

static bool storage_idle(void *dev) {
    return !((struct storage *)dev)->busy;
}

static void storage_free(void *dev) {
    struct storage *s = dev;
    usb_detach(&s->usb);
    drop(s);
    block_unwatch(s->block, &s->watch);
    block_put(s->block);
    mem_free(s->buf);
    mem_free(s);
}

static bool storage_loaded(void *dev, char *why, size_t why_len) {
    struct storage *s = dev;
    uint64_t taken = s->phase == PHASE_OUT ? s->buf_len : 0;
    bool good = s->buf_at <= s->buf_len && s->expected + taken <= s->residue &&
                taken <= s->medium_left && s->medium_at <= INT64_MAX &&
                s->medium_left <= UINT32_MAX &&
                !((s->medium_at | s->medium_left) % STORAGE_SECTOR);
    if (s->medium_left && (s->phase == PHASE_IN || s->phase == PHASE_OUT))
        good = good && s->writes == (s->phase == PHASE_OUT);
    if (!good) {
        snprintf(why, why_len, "a command that moves %u bytes from %llu on", s->expected,
                 (unsigned long long)s->medium_at);
        return false;
    }
    return usb_loaded(&s->usb, why, why_len);
}

static const struct state storage_state = {"usb-storage", 1, storage_fields, storage_loaded};

const struct device_ops usb_storage_device = {
    .name = "usb-storage", .state = &storage_state, .reset = storage_reset,
    .idle = storage_idle, .free = storage_free};

static const struct usb_device_ops storage_ops = {
    .chip = &usb_storage_device, .reset = storage_bus_reset, .control = storage_control,
    .data = storage_data, .cancel = storage_cancel, .configured = storage_configured};

struct usb_device *storage_new(const struct storage_pins *pins) {
    struct storage *s = mem_new(sizeof(*s));
    s->buf = mem_new(STORAGE_BUFFER);
    s->block = block_get(pins->block);
    s->removable = pins->removable;
    usb_init(&s->usb, &storage_ops, &descriptors,
             1u << USB_FULL | 1u << USB_HIGH | 1u << USB_SUPER);
    s->usb.id = pins->id ? pins->id : "";
    s->usb.serial = pins->serial;
    s->watch = (struct block_watch){.resized = resized, .arg = s};
    block_watch(s->block, &s->watch);
    storage_reset(s);
    return &s->usb;
}
