/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the xHCI controller. Registers and life are in xhci.c, event rings and interrupters
 * in xhci_event.c, the command ring and the contexts in xhci_command.c, endpoints in
 * xhci_endpoint.c, transfers in xhci_transfer.c, ports in xhci_port.c. Document: eXtensible Host
 * Controller Interface for Universal Serial Bus, revision 1.1; section numbers are its own.
 *
 * Nothing is walked but when a doorbell rings, a device answers or has news, or an event ring gets
 * room: each of these makes an endpoint due, and xhci_work serves what is due. What is more than
 * its share of a millisecond waits for the next one.
 */
#ifndef DEVICES_USB_XHCI_CHIP_H
#define DEVICES_USB_XHCI_CHIP_H

#include "core/msi.h"
#include "usb/xhci.h"

enum {
    XHCI_SLOTS = 64, XHCI_INTRS = 16, XHCI_EPS = 32 /* numbered from 1 */, XHCI_SEGMENTS = 8,
    XHCI_REGS = 2 * XHCI_PLACES,
    XHCI_TRANSFERS = 16, /* under way at once; and TRBs in one TD */
    XHCI_TD_TRBS = 512,
};

enum { /* USBCMD: 5.4.1 */
    CMD_RUN = 0x0001, CMD_HCRST = 0x0002, CMD_INTE = 0x0004, CMD_CSS = 0x0100, CMD_CRS = 0x0200,
    CMD_EWE = 0x0400, CMD_STORED = 0x0c0d,
};

enum { /* USBSTS: 5.4.2 */
    STS_HCH = 0x0001, STS_HSE = 0x0004, STS_EINT = 0x0008, STS_PCD = 0x0010, STS_SRE = 0x0400,
    STS_W1C = 0x041c,
};

enum { IMAN_IP = 1, IMAN_IE = 2, ERDP_EHB = 8 }; /* 5.5.2 */

enum { /* table 131 */
    TRB_NORMAL = 1, TRB_SETUP = 2, TRB_DATA = 3, TRB_STATUS = 4, TRB_ISOCH = 5, TRB_LINK = 6,
    TRB_EVENT_DATA = 7, TRB_NO_OP = 8,
    CMD_ENABLE_SLOT = 9, CMD_DISABLE_SLOT = 10, CMD_ADDRESS_DEVICE = 11,
    CMD_CONFIGURE_ENDPOINT = 12, CMD_EVALUATE_CONTEXT = 13, CMD_RESET_ENDPOINT = 14,
    CMD_STOP_ENDPOINT = 15, CMD_SET_TR_DEQUEUE = 16, CMD_RESET_DEVICE = 17,
    CMD_GET_PORT_BANDWIDTH = 21, CMD_NO_OP = 23,
    EVENT_TRANSFER = 32, EVENT_COMMAND = 33, EVENT_PORT = 34, EVENT_CONTROLLER = 37,
    EVENT_MFINDEX = 39, EVENT_NEC = 48, CMD_NEC_FIRMWARE = 49, CMD_NEC_CHALLENGE = 50,
};

enum { /* completion codes: table 130 */
    CC_SUCCESS = 1, CC_BABBLE = 3, CC_TRANSACTION = 4, CC_TRB = 5, CC_STALL = 6, CC_BANDWIDTH = 8,
    CC_NO_SLOTS = 9, CC_SLOT_NOT_ENABLED = 11, CC_EP_NOT_ENABLED = 12, CC_SHORT = 13,
    CC_PARAMETER = 17, CC_CONTEXT_STATE = 19, CC_RING_FULL = 21, CC_COMMANDS_STOPPED = 24,
    CC_STOPPED = 26,
};

enum { /* of TRBs; the type is in bits 15:10 */
    TRB_CYCLE = 0x001, LINK_TOGGLE = 0x002, EVENT_ED = 0x004, TRB_ISP = 0x004, TRB_CHAIN = 0x010,
    TRB_IOC = 0x020, TRB_IDT = 0x040, TRB_BEI = 0x200, DC_BSR = 0x200,
    DC_DECONFIGURE = 0x200, TRB_IN = 0x10000,
};

enum { SLOT_DISABLED, SLOT_ENABLED, SLOT_DEFAULT, SLOT_ADDRESSED, SLOT_CONFIGURED };

/* Slot states as in slot contexts: table 60. Endpoint states: table 61. */
enum { EP_DISABLED, EP_RUNNING, EP_HALTED, EP_STOPPED, EP_ERROR };

/* Endpoint types: table 61 */
enum { EP_ISOCH_OUT = 1, EP_BULK_OUT, EP_INTERRUPT_OUT, EP_CONTROL, EP_ISOCH_IN };

struct xhci_trb {
    uint64_t param;
    uint32_t status, control;
    uint64_t at;
};

struct xhci_slot {
    /* hidden state */
    uint8_t state;
    uint8_t port; /* the register set of the root port, from 0 */
    uint32_t route;
    uint64_t context; /* the output device context */
    /* of its endpoints, by Device Context Index */
    uint8_t ep_state[XHCI_EPS], ep_type[XHCI_EPS];
    uint16_t max_packet[XHCI_EPS];
    uint64_t dequeue[XHCI_EPS]; /* bit 0: the cycle state */
    uint32_t moved[XHCI_EPS];   /* bytes of the TD there */
    uint32_t armed; /* endpoints whose doorbell rang, and whose ring was not empty since */
    uint32_t due;   /* endpoints to be served */
    /* derived */
    uint32_t busy; /* endpoints with a transfer under way */
};

struct xhci_intr {
    /* registers */
    uint32_t iman, imod, erstsz;
    uint64_t erstba, erdp;
    /* hidden state */
    bool loaded;  /* the segment table was read */
    bool cycle;   /* the producer's */
    bool pending; /* an interrupt is due: IPE of 4.17.2 */
    bool full;    /* it was said that the ring is */
    uint64_t quiet_until;
    uint32_t enqueue; /* counted through all segments */
    uint32_t size[XHCI_SEGMENTS];
    uint64_t base[XHCI_SEGMENTS];
    /* derived */
    unsigned reserved; /* events that transfers under way may still bring */
};

struct xhci_port {
    uint32_t portsc;
    bool told; /* there is an event still to come */
};

/* One TD, from the ring to its events. */
struct xhci_transfer {
    struct usb_transfer usb;
    struct xhci *xhci;
    uint8_t slot, ep; /* ep 0: free */
    bool finished;    /* a result is there */
    bool in;
    unsigned intr, reserved;
    uint64_t next; /* the dequeue pointer after it */
    size_t len;    /* bytes in all; of the part under way */
    size_t part;
    struct iovec immediate;
    uint8_t bytes[8];
    struct dma_sg sg;
    struct iovec cut[DMA_SG_MAX];
    unsigned n;
    struct xhci_trb trb[XHCI_TD_TRBS];
};

struct xhci {
    struct pci_function pci;
    struct msix msix;
    /* registers */
    uint32_t usbcmd, usbsts, dnctrl, config;
    uint64_t dcbaap;
    struct xhci_intr intr[XHCI_INTRS];
    struct xhci_port port[XHCI_REGS];
    /* hidden state */
    uint64_t commands; /* the command ring's dequeue pointer, bit 0: its cycle state */
    bool commands_run; /* CRR */
    bool commands_armed, commands_due; /* as endpoints are */
    bool starved; /* something that is armed waits for room in an event ring */
    bool crcr_taken;   /* the high half that follows belongs to a stop or an abort */
    uint64_t start;    /* when it began to run */
    uint64_t wrap_at;  /* when MFINDEX wraps next and it must be told, or TIMER_NEVER */
    struct xhci_slot slot[XHCI_SLOTS];
    /* wires and derived */
    struct msi msi;
    struct clock *clock;
    struct io_region region;
    bool nec;
    unsigned usb2, usb3, places;
    struct usb_port place[XHCI_PLACES];
    struct timer timer;
    bool working;
    uint64_t due_slots;
    unsigned turn;         /* the slot that was served last */
    uint64_t budget_ms;    /* the millisecond that the budget is for */
    unsigned budget;
    struct xhci_transfer *transfer; /* XHCI_TRANSFERS of them */
};

/* ---- xhci.c ---- */

/* Guest memory that the controller itself needs is not there: it stops, and says so. */
void xhci_die(struct xhci *x, const char *what, uint64_t addr);
/* Interrupts and the timer from what is pending: at the end of whatever happens. */
void xhci_update(struct xhci *x);
/* Serves what is due. */
void xhci_work(struct xhci *x);
/* False: this millisecond's share is used up. */
bool xhci_spend(struct xhci *x, unsigned cost);

enum xhci_fetch { FETCH_NONE, FETCH_TRB, FETCH_DEAD };

/* The TRB at the ring's dequeue pointer, over links, and the pointer to after it. */
enum xhci_fetch xhci_fetch(struct xhci *x, uint64_t *dequeue, struct xhci_trb *trb);
static inline unsigned trb_type(const struct xhci_trb *trb) {
    return trb->control >> 10 & 0x3f;
}

/* ---- xhci_event.c ---- */

struct xhci_event {
    unsigned type, code, slot, ep, flags;
    uint64_t param;
    uint32_t length; /* 24 bits */
    bool quiet;      /* no interrupt for this one */
};

void xhci_event(struct xhci *x, unsigned intr, const struct xhci_event *event);
/* There is room for so many events beside those that are reserved; or there never will be. */
bool xhci_event_room(struct xhci *x, unsigned intr, unsigned events);
void xhci_raise(struct xhci *x);
/* When an interrupt that is pending may be raised, or TIMER_NEVER. */
uint64_t xhci_moderated(const struct xhci *x);
uint32_t xhci_intr_read(struct xhci *x, unsigned n, unsigned reg);
void xhci_intr_write(struct xhci *x, unsigned n, unsigned reg, uint32_t val);
bool xhci_events_loaded(struct xhci *x, char *why, size_t why_len);

/* ---- xhci_command.c ---- */

void xhci_run_commands(struct xhci *x);
void xhci_stop_commands(struct xhci *x);
/* Words `first` to `first + n` of a context, in memory. */
bool xhci_read_words(struct xhci *x, uint64_t addr, uint32_t *words, unsigned n);
void xhci_write_words(struct xhci *x, uint64_t addr, const uint32_t *words, unsigned n);

/* ---- xhci_endpoint.c ---- */

/* Slots count from 1 here, as everywhere in the interface. */
static inline struct xhci_slot *xhci_slot(struct xhci *x, unsigned slot) {
    return &x->slot[slot - 1];
}

/* A new state, also in the guest's context. */
void xhci_set_ep(struct xhci *x, unsigned slot, unsigned ep, unsigned state);
/* The completion code of an endpoint context that asks to become one. */
unsigned xhci_check_ep(unsigned ep, const uint32_t *context);
void xhci_enable_ep(struct xhci *x, unsigned slot, unsigned ep, const uint32_t *context);
void xhci_disable_ep(struct xhci *x, unsigned slot, unsigned ep);
unsigned xhci_reset_ep(struct xhci *x, unsigned slot, unsigned ep);
unsigned xhci_stop_ep(struct xhci *x, unsigned slot, unsigned ep);
unsigned xhci_set_dequeue(struct xhci *x, unsigned slot, unsigned ep, uint64_t dequeue);
void xhci_doorbell(struct xhci *x, unsigned slot, unsigned ep);
void xhci_make_due(struct xhci *x, unsigned slot, unsigned ep);
/* All that are armed; after a while in which nothing ran. */
void xhci_all_due(struct xhci *x);
/* The device that the slot is for, if traffic gets there. */
struct usb_device *xhci_find_device(struct xhci *x, const struct xhci_slot *s);
struct usb_device *xhci_device_at(struct xhci *x, unsigned port, uint32_t route, unsigned address);

/* ---- xhci_transfer.c ---- */

/* Serves an endpoint that runs; it may be due again afterwards. */
void xhci_run_ep(struct xhci *x, unsigned slot, unsigned ep);
/* Ends what is under way there without a word, and keeps count of what was moved. */
void xhci_cancel(struct xhci *x, unsigned slot, unsigned ep);
/* The TD that was begun stops here: 4.6.9. */
void xhci_report_stopped(struct xhci *x, unsigned slot, unsigned ep);
bool xhci_transfers_idle(const struct xhci *x);

/* ---- xhci_port.c ---- */

void xhci_ports_init(struct xhci *x);
void xhci_ports_reset(struct xhci *x);
void xhci_ports_loaded(struct xhci *x);
void xhci_port_write(struct xhci *x, unsigned reg, uint32_t val);
/* Events of ports that could not be told before. */
void xhci_ports_tell(struct xhci *x);

#endif
