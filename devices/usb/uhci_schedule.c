/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UHCI schedule: Universal Host Controller Interface Design Guide 1.1, chapters 1.4 and 3.
 *
 * A pass looks through the whole frame list and carries out what is active until everything that is
 * left waits for a device; only TDs that stand in the list themselves (isochronous ones) belong to
 * one frame. So an interrupt endpoint is served when its device has news, not when its frame comes
 * round, and a control transfer doesn't take a frame a packet. Where a device would rather have it
 * so, the TDs that one URB of the guest's became are one transfer again: a run.
 *
 * Guests put work into memory and tell nobody. Linux and Windows submit without touching a
 * register, but their root hub polling reads some two to four times a second. Hence, passes are
 * made when a device has news; at every register access; and by a timer that runs ever more seldom
 * after the last thing that happened: after 1, 2, 4, ... ms, at last SLOWEST_MS after the last
 * look of any kind. A guest that polls never lets it get there: such an idle guest costs no wakeup
 * beyond its own accesses.
 */
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "usb/uhci_chip.h"

enum { /* link pointers: 3.1, 3.2 */
    LINK_END = 1, LINK_QH = 2, LINK_DEPTH = 4, LINK_ADDR = ~0xf,
};

enum { /* TD control and status: 3.2.2 */
    TD_LEN = 0x7ff, TD_TIMEOUT = 1 << 18, TD_NAK = 1 << 19, TD_BABBLE = 1 << 20,
    TD_STALLED = 1 << 22, TD_ACTIVE = 1 << 23, TD_IOC = 1 << 24, TD_ISO = 1 << 25,
    TD_ERRORS = 3 << 27, TD_SHORT = 1 << 29, TD_RESULTS = 0x7e << 16,
    TOKEN_ENDPOINT = 0x7ffff, /* PID, address and endpoint */
};

/* Bounds of one pass, against lists that never end; and what it moves at most: the rest comes a
 * millisecond later. */
enum { STEPS_MAX = 4096, SINGLES_MAX = 64, DULL = 16, BUDGET = 64 << 10 };

/* After something happened, this many looks a millisecond apart before they get rarer. */
enum { QUICK_LOOKS = 4, SLOWEST_MS = 1000 };

struct td {
    uint32_t addr, link, ctrl, token, buffer;
};

enum step { STEP_NEXT, STEP_STAY, STEP_STOP };

/* ---- the chip stops by itself ---- */

static enum step fail(struct uhci *u, uint16_t status, const char *what, uint32_t addr) {
    static struct log_limit limit;
    log_guest(&limit, "UHCI: %s at %#x: the controller halts", what, addr);
    u->frnum = (uint16_t)uhci_frame(u);
    u->usbcmd &= (uint16_t)~CMD_RUN;
    u->usbsts |= status;
    return STEP_STOP;
}

static bool fetch(struct uhci *u, uint32_t addr, uint32_t *words, unsigned n) {
    uint8_t bytes[16];
    if (u->steps++ >= STEPS_MAX)
        return false; /* the pass ends here; no error: the guest may mend it */
    if (!dma_read(&u->pci.dma, addr, bytes, n * 4u)) {
        fail(u, STS_SYSTEM, "a pointer leads out of memory", addr);
        return false;
    }
    for (unsigned i = 0; i < n; i++)
        words[i] = load_le32(bytes + 4 * i);
    return true;
}

static void put(struct uhci *u, uint32_t addr, uint32_t word) {
    uint8_t bytes[4];
    store_le32(bytes, word);
    dma_write(&u->pci.dma, addr, bytes, sizeof(bytes));
}

static bool get_td(struct uhci *u, uint32_t link, struct td *td) {
    uint32_t words[4];
    uint32_t addr = link & (uint32_t)LINK_ADDR;
    if (!fetch(u, addr, words, 4))
        return false;
    *td = (struct td){addr, words[0], words[1], words[2], words[3]};
    return true;
}

/* ---- what devices keep ---- */

static struct uhci_pending *find_pending(struct uhci *u, const struct td *td) {
    for (unsigned i = 0; i < UHCI_PENDING; i++)
        if (u->pending[i].token && u->pending[i].td == td->addr)
            return &u->pending[i];
    return NULL;
}

static void release(struct uhci_pending *p) {
    if (p->token && !p->finished)
        usb_cancel(&p->transfer);
    p->token = 0;
}

void uhci_cancel_all(struct uhci *u) {
    for (unsigned i = 0; i < UHCI_PENDING; i++)
        release(&u->pending[i]);
}

/* What the guest has taken out of the schedule, or put something else into its place. */
static void forget_unseen(struct uhci *u) {
    for (unsigned i = 0; i < UHCI_PENDING; i++)
        if (u->pending[i].token && u->pending[i].pass != u->pass)
            release(&u->pending[i]);
}

static void transfer_done(struct usb_transfer *t) {
    struct uhci_pending *p = CONTAINER_OF(t, struct uhci_pending, transfer);
    p->finished = true;
    uhci_stir(p->uhci);
}

/* ---- one TD ---- */

static unsigned td_max(const struct td *td) {
    return ((td->token >> 21) + 1) & TD_LEN;
}

static struct usb_device *find_device(struct uhci *u, uint8_t addr) {
    struct usb_device *dev = NULL;
    for (unsigned i = 0; i < UHCI_PORTS && !dev; i++)
        dev = usb_find(&u->port[i], addr);
    return dev;
}

static uint8_t *free_run(struct uhci *u) {
    unsigned used = 0, n = 0;
    for (unsigned i = 0; i < UHCI_PENDING; i++)
        for (unsigned k = 0; k < UHCI_RUNS; k++)
            if (u->pending[i].token && u->pending[i].data == u->runs[k])
                used |= 1u << k;
    while (n < UHCI_RUNS && used >> n & 1)
        n++;
    return n < UHCI_RUNS ? u->runs[n] : NULL;
}

/* The data of one TD more, on its way out. */
static bool take_out(struct uhci *u, const struct td *td, struct uhci_pending *p, size_t len) {
    bool in = p->transfer.pid == USB_IN;
    return in || dma_read(&u->pci.dma, td->buffer, p->data + len, td_max(td));
}

/*
 * Adds the TDs behind the first one to its transfer: as many as are sure to belong to it. A URB of
 * Linux' or Windows' ends with an interrupt, or where a short packet is no reason to stop.
 * Returns the length of all.
 */
static size_t add_run(struct uhci *u, const struct td *first, struct uhci_pending *p) {
    struct td td = *first, next;
    size_t packet = td_max(first), len = packet;
    while (packet && !(td.link & (LINK_END | LINK_QH)) && !(td.ctrl & TD_IOC) &&
           td_max(&td) == packet && (td.ctrl & TD_SHORT || p->transfer.pid == USB_OUT) &&
           get_td(u, td.link, &next) && next.ctrl & TD_ACTIVE && td_max(&next) <= packet &&
           !((next.token ^ td.token) & TOKEN_ENDPOINT) && len + td_max(&next) <= UHCI_RUN_MAX &&
           take_out(u, &next, p, len)) {
        td = next;
        len += td_max(&td);
        p->left++;
    }
    return len;
}

/* Hands the TD's packet to its device. In the end, IN data is in p->data. */
static enum usb_result submit(struct uhci *u, const struct td *td, struct uhci_pending *p,
                              bool queued) {
    struct usb_device *dev = find_device(u, td->token >> 8 & 0x7f);
    unsigned ep = td->token >> 15 & 15;
    p->uhci = u;
    p->finished = false;
    p->left = 1;
    p->at = 0;
    p->data = p->bytes;
    p->transfer = (struct usb_transfer){
        .pid = (enum usb_pid)(td->token & 0xff), .ep = (uint8_t)ep, .iov = &p->iov, .niov = 1,
        .len = td_max(td), .done = transfer_done, .owner = u};
    if (!dev)
        return USB_ERROR;
    uint8_t *run = queued && ep && dev->ops->runs ? free_run(u) : NULL;
    if (run)
        p->data = run;
    if (!take_out(u, td, p, 0))
        return USB_ERROR;
    if (run)
        p->transfer.len = add_run(u, td, p);
    p->iov = (struct iovec){p->data, p->transfer.len};
    return usb_submit(dev, &p->transfer);
}

static void retire(struct uhci *u, struct td *td, uint32_t result, size_t actual) {
    u->hasty |= !(td->ctrl & TD_NAK); /* what had to wait for its device is seldom in a hurry */
    td->ctrl &= ~(uint32_t)(TD_ACTIVE | TD_RESULTS | TD_LEN);
    td->ctrl |= result | (((uint32_t)actual - 1) & TD_LEN);
    put(u, td->addr + 4, td->ctrl);
    if (result)
        u->usbsts |= STS_ERROR;
    if (td->ctrl & TD_IOC)
        u->causes |= CAUSE_IOC;
    u->progress++;
}

/* Bytes of the transfer that are this TD's. */
static size_t share(const struct td *td, const struct uhci_pending *p) {
    return MIN(p->transfer.actual - p->at, (size_t)td_max(td));
}

static enum step retire_ok(struct uhci *u, struct td *td, const struct uhci_pending *p,
                           bool queued) {
    size_t actual = share(td, p);
    bool in = p->transfer.pid == USB_IN;
    if (in)
        dma_write(&u->pci.dma, td->buffer, p->data + p->at, actual);
    u->budget -= MIN(u->budget, (unsigned)actual + 64); /* 64: what the packet's frame costs */
    retire(u, td, 0, actual);
    if (!in || !queued || actual >= td_max(td) || !(td->ctrl & TD_SHORT))
        return STEP_NEXT;
    u->causes |= CAUSE_SHORT; /* the queue waits for the driver: 3.2.2, bit 29 */
    return STEP_STAY;
}

/* No answer. The tries that C_ERR allows are made at once; 0 means for ever: 3.2.2, bits 28:27. */
static enum step no_answer(struct uhci *u, struct td *td) {
    if (td->ctrl & TD_ISO) {
        retire(u, td, TD_TIMEOUT, 0);
        return STEP_NEXT;
    }
    if (td->ctrl & TD_ERRORS) {
        td->ctrl &= ~(uint32_t)TD_ERRORS;
        retire(u, td, TD_TIMEOUT | TD_STALLED, 0);
    } else if (!(td->ctrl & TD_TIMEOUT)) {
        put(u, td->addr + 4, td->ctrl |= TD_TIMEOUT);
    }
    return STEP_STAY;
}

static enum step not_now(struct uhci *u, struct td *td) {
    if (td->ctrl & TD_ISO) {
        retire(u, td, 0, 0);
        return STEP_NEXT;
    }
    if (!(td->ctrl & TD_NAK))
        put(u, td->addr + 4, td->ctrl |= TD_NAK);
    return STEP_STAY;
}

static enum step conclude(struct uhci *u, struct td *td, struct uhci_pending *p,
                          enum usb_result result, bool queued) {
    switch (result) {
    case USB_OK:
        return retire_ok(u, td, p, queued);
    case USB_NAK:
        return not_now(u, td);
    case USB_STALL:
        retire(u, td, TD_STALLED, 0);
        return STEP_STAY;
    case USB_BABBLE:
        retire(u, td, TD_BABBLE | TD_STALLED, share(td, p));
        return STEP_STAY;
    default:
        return no_answer(u, td);
    }
}

/* A finished transfer ends its TD; one of a run that is not the last of it goes on with the next,
 * which the queue comes to next. */
static enum step end_td(struct uhci *u, struct td *td, struct uhci_pending *p, bool queued) {
    size_t n = share(td, p);
    if (p->left == 1 || n < td_max(td)) {
        p->token = 0;
        return conclude(u, td, p, p->transfer.result, queued);
    }
    enum step step = retire_ok(u, td, p, queued);
    p->left--;
    p->at += n;
    p->td = td->link & (uint32_t)LINK_ADDR;
    return step;
}

/* The next TD of a run has another toggle bit, the last another length. */
static bool is_its(const struct uhci_pending *p, const struct td *td) {
    return !((p->token ^ td->token) & (p->at ? TOKEN_ENDPOINT : UINT32_MAX));
}

static struct uhci_pending *free_pending(struct uhci *u) {
    for (unsigned i = 0; i < UHCI_PENDING; i++)
        if (!u->pending[i].token)
            return &u->pending[i];
    return NULL;
}

/* An active TD; `queued`: it is in a queue. */
static enum step run_td(struct uhci *u, struct td *td, bool queued) {
    uint8_t pid = (uint8_t)td->token;
    if ((pid != USB_IN && pid != USB_OUT && pid != USB_SETUP) || td_max(td) > UHCI_PACKET_MAX)
        return fail(u, STS_PROCESS, "a TD makes no sense", td->addr);
    struct uhci_pending *p = find_pending(u, td);
    if (p && !is_its(p, td)) {
        release(p); /* another transfer is in its place now */
        p = NULL;
    }
    if (p) {
        p->pass = u->pass;
        return p->finished ? end_td(u, td, p, queued) : STEP_STAY;
    }
    p = free_pending(u);
    if (!p || !u->budget) {
        u->short_of = true;
        return STEP_STAY;
    }
    enum usb_result result = submit(u, td, p, queued);
    p->td = td->addr;
    p->token = td->token;
    p->pass = u->pass;
    if (result == USB_PENDING)
        return STEP_STAY;
    p->finished = true;
    p->transfer.result = result;
    return end_td(u, td, p, queued);
}

/* ---- queues and frames ---- */

/* Nothing has happened since this pass saw the queue: nor will it, there or behind it. */
static bool is_old(struct uhci *u, uint32_t addr) {
    unsigned at = addr >> 4;
    for (unsigned i = 0; i < UHCI_SEEN; i++) {
        struct uhci_seen *s = &u->seen[(at + i) % UHCI_SEEN];
        if (s->pass != u->pass) {
            *s = (struct uhci_seen){addr, u->pass, u->progress};
            return false;
        }
        if (s->addr == addr) {
            bool old = s->progress == u->progress;
            s->progress = u->progress;
            return old;
        }
    }
    return false; /* more than any driver has: the steps are bounded too */
}

/* Runs what is active in the queue and returns where to go on; LINK_END: nowhere. */
static uint32_t run_queue(struct uhci *u, uint32_t addr) {
    uint32_t words[2];
    struct td td;
    if (is_old(u, addr) || !fetch(u, addr, words, 2))
        return LINK_END;
    uint32_t element = words[1];
    while (!(element & LINK_END)) {
        if (element & LINK_QH)
            return element;
        if (!get_td(u, element, &td))
            return LINK_END;
        if (!(td.ctrl & TD_ACTIVE))
            break;
        enum step step = run_td(u, &td, true);
        if (step == STEP_STOP)
            return LINK_END;
        if (step == STEP_STAY)
            break;
        element = td.link;
        put(u, addr + 4, element);
        if (!(element & LINK_DEPTH))
            break;
    }
    return words[0];
}

/* A TD in the frame list itself: carried out in its frame only. */
static uint32_t run_single(struct uhci *u, uint32_t link, bool due) {
    struct td td;
    if (!get_td(u, link, &td))
        return LINK_END;
    if (td.ctrl & TD_ACTIVE) {
        u->timed = true;
        if (due && run_td(u, &td, false) == STEP_STOP)
            return LINK_END;
    }
    return td.link;
}

static void run_frame(struct uhci *u, uint32_t link, bool due) {
    unsigned singles = 0; /* a bus has no room for more in one frame: the list must be a ring */
    while (!(link & LINK_END) && u->usbcmd & CMD_RUN && u->steps < STEPS_MAX &&
           singles < SINGLES_MAX) {
        singles += !(link & LINK_QH);
        link = link & LINK_QH ? run_queue(u, link & (uint32_t)LINK_ADDR)
                              : run_single(u, link, due);
    }
}

/* The frame list may be any memory: copied, so that it stays what it was during the walk. */
static void run_list(struct uhci *u) {
    uint8_t list[UHCI_FRAMES * 4];
    unsigned now = uhci_frame(u);
    unsigned late = (now - u->last_frame) % UHCI_FRAME_NUMBERS; /* frames since the last pass */
    if (!dma_read(&u->pci.dma, u->flbaseadd, list, sizeof(list))) {
        fail(u, STS_SYSTEM, "the frame list is not in memory", u->flbaseadd);
        return;
    }
    unsigned due = MAX(MIN(late, (unsigned)UHCI_FRAMES), 1u), first = now + 1 - due;
    uint32_t dull[DULL] = {0}; /* links behind which nothing was done, nor waits for its frame */
    uint32_t done = u->progress;
    for (unsigned i = 0; i < UHCI_FRAMES && u->usbcmd & CMD_RUN; i++) {
        uint32_t link = load_le32(&list[4 * ((first + i) % UHCI_FRAMES)]);
        uint32_t *slot = &dull[link >> 4 & (DULL - 1)];
        if (link & LINK_END || (*slot == link + 1 && u->progress == done))
            continue;
        bool timed = u->timed;
        u->timed = false;
        run_frame(u, link, i < due);
        if (u->progress != done)
            memset(dull, 0, sizeof(dull));
        else if (!u->timed)
            *slot = link + 1; /* never 0 */
        done = u->progress;
        u->timed |= timed;
    }
    u->last_frame = (uint16_t)now;
}

/* How long until the next look if nothing happens. */
static uint64_t rest(const struct uhci *u) {
    unsigned shift = u->quiet > QUICK_LOOKS ? u->quiet - QUICK_LOOKS : 0;
    return u->timed || u->short_of ? 1 : shift < 10 ? 1u << shift : SLOWEST_MS;
}

/* `sooner`: a look that was to come earlier stays. */
static void set_tick(struct uhci *u, bool sooner) {
    if (!(u->usbcmd & CMD_RUN) || !u->pci.master) {
        timer_off(&u->tick);
        return;
    }
    uint64_t ms = rest(u);
    if (!sooner || !timer_is_on(&u->tick) || ms == SLOWEST_MS)
        timer_after(&u->tick, ms * NS_PER_MS);
}

static void make_pass(struct uhci *u) {
    uint32_t before;
    u->in_pass = true;
    u->budget = BUDGET;
    u->steps = 0;
    u->timed = u->short_of = u->hasty = false;
    do {
        u->pass++;
        u->stirred = false;
        before = u->progress;
        run_list(u);
    } while ((u->progress != before || u->stirred) && u->budget && u->steps < STEPS_MAX &&
             u->usbcmd & CMD_RUN);
    u->in_pass = false;
    if (u->steps < STEPS_MAX && u->usbcmd & CMD_RUN)
        forget_unseen(u);
}

/* True when something was done. */
static bool look(struct uhci *u) {
    uint32_t before = u->progress;
    if (!(u->usbcmd & CMD_RUN) || !u->pci.master)
        return false;
    make_pass(u);
    if (u->causes)
        u->usbsts |= STS_USBINT;
    uhci_update_irq(u);
    if (u->progress != before)
        u->quiet = u->hasty ? 0 : QUICK_LOOKS;
    return u->progress != before;
}

void uhci_look(struct uhci *u) {
    if (u->in_pass)
        u->stirred = true;
    else
        set_tick(u, !look(u));
}

void uhci_stir(struct uhci *u) {
    u->quiet = 0;
    if (u->in_pass) {
        u->stirred = true;
        return;
    }
    look(u);
    set_tick(u, false);
}

void uhci_tick(void *dev) {
    struct uhci *u = dev;
    if (!look(u))
        u->quiet = (uint8_t)MIN(u->quiet + 1, UHCI_QUIET_MAX);
    set_tick(u, false);
}
