/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the host (core/real_usb.h) on a guest's bus. USB 2.0, chapters 8.5.3 and 9.4.
 *
 * What the guest asks for goes to the device as it is, but for what the host must know of:
 * addresses are the guest's alone; configurations, settings of interfaces and HALT are the host's
 * to change. A device that runs faster than the guest's bus looks as one that doesn't.
 *
 * Not modelled: isochronous endpoints and streams: a transfer on one is never answered, and one
 * line says so. TEST_MODE is refused. Of a device's state only the guest's half can be saved.
 */
#include "usb/real.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"

enum stage { /* of the control transfer */
    STAGE_IDLE, STAGE_DATA_IN, STAGE_DATA_OUT, STAGE_STATUS_IN, STAGE_STALLED,
};

enum answer { ANSWER_NONE, ANSWER_ASKED, ANSWER_THERE };

enum { /* bmRequestType and bRequest as one number: table 9-3 */
    SET_ADDRESS = 0x0005, GET_DEVICE_DESCRIPTOR = 0x8006, GET_CONFIGURATION = 0x8008,
    SET_CONFIGURATION = 0x0009, SET_INTERFACE = 0x010b, CLEAR_ENDPOINT_FEATURE = 0x0201,
    SET_DEVICE_FEATURE = 0x0003,
};

enum { DESC_DEVICE = 1, ENDPOINT_HALT = 0, TEST_MODE = 2, DEVICE_LEN = 18, SETUP_IN = 0x80 };

struct real {
    struct usb_device usb;
    struct real_usb *real;
    /* hidden state: the control transfer under way, */
    uint8_t stage;   /* enum stage */
    uint8_t answer;  /* enum answer */
    uint8_t verdict; /* enum usb_result, once it is there */
    struct usb_setup setup;
    uint16_t len, at; /* of its data, and what of it has moved */
    uint8_t data[REAL_CONTROL_MAX];
    struct iovec iov;
    void *job;                    /* the host's, or NULL */
    struct usb_transfer *waiting; /* for it, or NULL */
    /* and all others */
    struct usb_transfer *pending, *ending; /* ending: a reset does, they wait for their `done` */
    uint8_t settings[USB_DESC_INTERFACES];
    struct usb_endpoint endpoints[2][USB_DESC_ENDPOINTS]; /* [out, in], as configured */
    struct log_limit iso;
    bool lost; /* the real device is */
};

static struct real *real_of(struct usb_device *dev) {
    return (struct real *)dev;
}

static enum usb_result result_of(enum real_usb_result result) {
    switch (result) {
    case REAL_OK:
        return USB_OK;
    case REAL_STALL:
        return USB_STALL;
    case REAL_BABBLE:
        return USB_BABBLE;
    default:
        return USB_ERROR;
    }
}

static void settle_endpoints(struct real *r) {
    const struct real_usb *real = r->real;
    usb_desc_endpoints(real->descriptors, real->descriptors_len, r->usb.configuration,
                       r->settings, r->endpoints);
}

/* ---- control transfers ---- */

static unsigned code_of(const struct usb_setup *s) {
    return (unsigned)s->request_type << 8 | s->request;
}

static void answer(struct real *r, enum usb_result verdict, size_t len) {
    r->answer = ANSWER_THERE;
    r->verdict = (uint8_t)verdict;
    if (r->stage == STAGE_DATA_IN)
        r->len = (uint16_t)MIN(len, (size_t)r->len);
}

/* The device has obeyed: what that means here. */
static void obeyed(struct real *r) {
    const struct usb_setup *s = &r->setup;
    switch (code_of(s)) {
    case SET_CONFIGURATION:
        r->usb.configuration = (uint8_t)s->value;
        memset(r->settings, 0, sizeof(r->settings));
        break;
    case SET_INTERFACE:
        r->settings[s->index % USB_DESC_INTERFACES] = (uint8_t)s->value;
        break;
    case CLEAR_ENDPOINT_FEATURE:
        r->usb.halted[s->index >> 7 & 1] &= (uint16_t) ~(1u << (s->index & 0x0f));
        return;
    default:
        if (s->request_type == SETUP_IN && s->request == (GET_DEVICE_DESCRIPTOR & 0xff))
            usb_desc_fit(r->data, r->len, r->real->speed, r->usb.speed);
        return;
    }
    memset(r->usb.halted, 0, sizeof(r->usb.halted));
    settle_endpoints(r);
}

static void start_job(struct real *r, const struct real_usb_req *req) {
    r->answer = ANSWER_ASKED;
    r->job = r->lost ? NULL : r->real->ops->start(r->real, req, r);
    if (!r->job)
        answer(r, USB_ERROR, 0);
}

static void ask_device(struct real *r) {
    const struct usb_setup *s = &r->setup;
    struct real_usb_req req = {.kind = REAL_CONTROL, .endpoint = s->request_type & SETUP_IN,
                               .iov = &r->iov, .niov = r->len ? 1 : 0, .len = r->len};
    r->iov = (struct iovec){r->data, r->len};
    req.setup[0] = s->request_type;
    req.setup[1] = s->request;
    store_le16(&req.setup[2], s->value);
    store_le16(&req.setup[4], s->index);
    store_le16(&req.setup[6], r->len);
    start_job(r, &req);
}

static void change_interface(struct real *r) {
    const struct usb_setup *s = &r->setup;
    if (s->index >= USB_DESC_INTERFACES || s->value > 0xff)
        answer(r, USB_STALL, 0);
    else
        start_job(r, &(struct real_usb_req){.kind = REAL_INTERFACE, .value = (uint8_t)s->index,
                                            .setting = (uint8_t)s->value});
}

static void give_device_descriptor(struct real *r) {
    memcpy(r->data, r->real->descriptors, DEVICE_LEN);
    answer(r, USB_OK, DEVICE_LEN);
    usb_desc_fit(r->data, r->len, r->real->speed, r->usb.speed);
}

/* Carries out what the setup packet, and the data that came with it, ask for. */
static void obey(struct real *r) {
    const struct usb_setup *s = &r->setup;
    switch (code_of(s)) {
    case SET_ADDRESS: /* the host has given it another */
        if (s->value <= 127)
            r->usb.address = (uint8_t)s->value;
        answer(r, s->value <= 127 ? USB_OK : USB_STALL, 0);
        return;
    case GET_CONFIGURATION:
        r->data[0] = r->usb.configuration;
        answer(r, USB_OK, 1);
        return;
    case GET_DEVICE_DESCRIPTOR:
        if (s->value == DESC_DEVICE << 8)
            give_device_descriptor(r); /* it waits for nothing, not even for the device's reset */
        else
            ask_device(r);
        return;
    case SET_CONFIGURATION:
        start_job(r, &(struct real_usb_req){.kind = REAL_CONFIGURE, .value = (uint8_t)s->value});
        return;
    case SET_INTERFACE:
        change_interface(r);
        return;
    case CLEAR_ENDPOINT_FEATURE:
        if (s->value == ENDPOINT_HALT && s->index & 0x0f)
            start_job(r, &(struct real_usb_req){.kind = REAL_UNHALT,
                                                .endpoint = (uint8_t)(s->index & 0x8f)});
        else
            ask_device(r);
        return;
    case SET_DEVICE_FEATURE:
        if (s->value == TEST_MODE)
            answer(r, USB_STALL, 0);
        else
            ask_device(r);
        return;
    default:
        ask_device(r);
        return;
    }
}

/* What was under way is of no interest any more. */
static void drop_control(struct real *r) {
    if (r->job)
        r->real->ops->cancel(r->real, r->job);
    r->job = NULL;
    r->waiting = NULL;
    r->answer = ANSWER_NONE;
    r->stage = STAGE_IDLE;
}

/* A new setup packet ends whatever was before: 8.5.3.1. It is never refused. */
static enum usb_result take_setup(struct real *r, struct usb_transfer *t) {
    uint8_t b[8] = {0};
    struct usb_transfer *old = r->waiting;
    drop_control(r);
    if (old)
        usb_done(old, USB_ERROR);
    t->actual = usb_take(t, 0, b, sizeof(b));
    r->setup = (struct usb_setup){b[0], b[1], load_le16(&b[2]), load_le16(&b[4]),
                                  load_le16(&b[6])};
    r->at = 0;
    r->len = MIN(r->setup.length, (uint16_t)sizeof(r->data));
    bool in = r->setup.request_type & SETUP_IN;
    if (t->actual < sizeof(b) || (!in && r->len < r->setup.length))
        r->stage = STAGE_STALLED;
    else if (!r->len)
        r->stage = STAGE_STATUS_IN;
    else
        r->stage = in ? STAGE_DATA_IN : STAGE_DATA_OUT;
    if (r->stage == STAGE_DATA_IN)
        obey(r);
    return USB_OK;
}

/* The answer is there: what an IN packet gets of it. */
static enum usb_result tell(struct real *r, struct usb_transfer *t) {
    if (r->verdict != USB_OK) {
        r->stage = STAGE_STALLED;
        return (enum usb_result)r->verdict;
    }
    if (r->stage == STAGE_DATA_IN) {
        t->actual = usb_give(t, 0, r->data + r->at, (size_t)(r->len - r->at));
        r->at = (uint16_t)(r->at + t->actual);
    } else {
        r->stage = STAGE_IDLE;
    }
    return USB_OK;
}

static enum usb_result control_in(struct real *r, struct usb_transfer *t) {
    if (r->stage == STAGE_DATA_OUT && r->at == r->len)
        r->stage = STAGE_STATUS_IN;
    if (r->stage != STAGE_DATA_IN && r->stage != STAGE_STATUS_IN)
        return USB_STALL;
    if (r->answer == ANSWER_NONE) {
        obey(r);
        if (r->answer == ANSWER_THERE && r->verdict == USB_OK)
            obeyed(r);
    }
    if (r->answer == ANSWER_THERE)
        return tell(r, t);
    r->waiting = t;
    return USB_PENDING;
}

static enum usb_result control_out(struct real *r, struct usb_transfer *t) {
    if (r->stage == STAGE_DATA_IN) { /* the status stage, early or not */
        drop_control(r);
        t->actual = t->len;
        return USB_OK;
    }
    if (r->stage != STAGE_DATA_OUT || t->len > (size_t)(r->len - r->at)) {
        r->stage = STAGE_STALLED;
        return USB_STALL;
    }
    t->actual = usb_take(t, 0, r->data + r->at, t->len);
    r->at = (uint16_t)(r->at + t->actual);
    return USB_OK;
}

static enum usb_result real_control(struct usb_device *dev, struct usb_transfer *t) {
    struct real *r = real_of(dev);
    if (t->pid == USB_SETUP)
        return take_setup(r, t);
    return t->pid == USB_IN ? control_in(r, t) : control_out(r, t);
}

static void control_done(struct real *r, enum usb_result verdict, size_t actual) {
    struct usb_transfer *t = r->waiting;
    r->job = NULL;
    r->waiting = NULL;
    answer(r, verdict, actual);
    if (verdict == USB_OK)
        obeyed(r);
    if (t)
        usb_done(t, tell(r, t));
}

/* ---- the other endpoints ---- */

static void add(struct usb_transfer **list, struct usb_transfer *t) {
    t->next = *list;
    *list = t;
}

/* False: it isn't one of them. */
static bool take(struct usb_transfer **p, const struct usb_transfer *t) {
    for (; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            return true;
        }
    return false;
}

static enum usb_result real_data(struct usb_device *dev, struct usb_transfer *t) {
    struct real *r = real_of(dev);
    bool in = t->pid == USB_IN;
    const struct usb_endpoint *ep = &r->endpoints[in][t->ep];
    if (!ep->there || r->lost)
        return USB_ERROR;
    if (ep->type != USB_EP_BULK && ep->type != USB_EP_INTERRUPT) {
        log_guest(&r->iso, "USB device %s: endpoint %#x is isochronous: not implemented",
                  r->real->name, t->ep | (in ? 0x80u : 0));
        return USB_ERROR;
    }
    struct real_usb_req req = {
        .kind = ep->type == USB_EP_BULK ? REAL_BULK : REAL_INTERRUPT,
        .endpoint = (uint8_t)(t->ep | (in ? 0x80 : 0)), .iov = t->iov, .niov = t->niov,
        .len = t->len, .packet = in && dev->speed != r->real->speed ? ep->packet : 0};
    t->scratch = r->real->ops->start(r->real, &req, t);
    if (!t->scratch)
        return USB_ERROR;
    add(&r->pending, t);
    return USB_PENDING;
}

static void real_cancel(struct usb_device *dev, struct usb_transfer *t) {
    struct real *r = real_of(dev);
    if (take(&r->pending, t)) {
        r->real->ops->cancel(r->real, t->scratch);
    } else if (!take(&r->ending, t) && t == r->waiting) {
        drop_control(r);
        r->stage = STAGE_STALLED;
    }
}

/* ---- what the host has to say ---- */

static void real_done(void *arg, void *owner, enum real_usb_result result, size_t actual) {
    struct real *r = arg;
    struct usb_transfer *t = owner;
    if (owner == r) {
        control_done(r, result_of(result), actual);
    } else if (take(&r->pending, t)) { /* else it was a reset */
        t->actual = actual;
        usb_done(t, result_of(result));
    }
}

static void real_gone(void *arg) {
    struct real *r = arg;
    r->lost = true;
    usb_detach(&r->usb);
}

/* ---- life ---- */

/* The controller may cancel some of them when it hears of others, and may submit anew. */
static void end_all(struct real *r) {
    struct usb_transfer *waiting = r->waiting, *t;
    drop_control(r);
    while ((t = r->pending)) {
        r->pending = t->next;
        r->real->ops->cancel(r->real, t->scratch);
        add(&r->ending, t);
    }
    if (waiting)
        usb_done(waiting, USB_ERROR);
    while ((t = r->ending)) {
        r->ending = t->next;
        usb_done(t, USB_ERROR);
    }
}

static void real_bus_reset(struct usb_device *dev) {
    struct real *r = real_of(dev);
    memset(r->settings, 0, sizeof(r->settings));
    memset(r->endpoints, 0, sizeof(r->endpoints));
    memset(r->data, 0, sizeof(r->data));
    r->setup = (struct usb_setup){0};
    r->len = r->at = 0;
    r->verdict = USB_OK;
    end_all(r);
    if (!r->lost)
        r->real->ops->start(r->real, &(struct real_usb_req){.kind = REAL_RESET}, NULL);
}

static void real_reset(void *dev) {
    usb_reset(dev);
}

static bool real_idle(void *dev) {
    const struct real *r = dev;
    return !r->pending && !r->job;
}

static void real_free(void *dev) {
    struct real *r = dev;
    usb_detach(&r->usb);
    end_all(r);
    r->real->ops->close(r->real);
    mem_free(r);
}

static bool real_loaded(void *dev, char *why, size_t why_len) {
    struct real *r = dev;
    if (r->at > r->len) {
        snprintf(why, why_len, "control transfer: %u of %u bytes have moved", r->at, r->len);
        return false;
    }
    if (r->answer == ANSWER_ASKED) /* nobody would answer */
        answer(r, USB_ERROR, 0);
    settle_endpoints(r);
    return usb_loaded(&r->usb, why, why_len);
}

/* The guest's half of it. */
static const struct field real_fields[] = {
    F_STRUCT(struct real, usb, usb_fields), F_MAX(struct real, stage, STAGE_STALLED),
    F_MAX(struct real, answer, ANSWER_THERE), F_MAX(struct real, verdict, USB_BABBLE),
    F(struct real, setup.request_type), F(struct real, setup.request), F(struct real, setup.value),
    F(struct real, setup.index), F(struct real, setup.length),
    F_MAX(struct real, len, REAL_CONTROL_MAX), F_MAX(struct real, at, REAL_CONTROL_MAX),
    F_BYTES(struct real, data), F_BYTES(struct real, settings), F_END
};
static const struct state real_state = {"usb-host", 1, real_fields, real_loaded};

const struct device_ops usb_real_device = {
    .name = "usb-host", .state = &real_state, .reset = real_reset, .idle = real_idle,
    .free = real_free,
};

static const struct usb_device_ops real_ops = {
    .chip = &usb_real_device, .reset = real_bus_reset, .data = real_data, .cancel = real_cancel,
    .raw = real_control, .runs = true,
};

struct usb_device *real_new(const struct real_pins *pins) {
    struct real *r = mem_new(sizeof(*r));
    struct real_usb *real = pins->real;
    usb_init(&r->usb, &real_ops, NULL,
             usb_desc_speeds(real->descriptors, real->descriptors_len, real->speed));
    r->usb.id = pins->id ? pins->id : "";
    r->real = real;
    real->done = real_done;
    real->gone = real_gone;
    real->arg = r;
    return &r->usb;
}
