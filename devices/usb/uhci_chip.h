/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the UHCI controller: registers and ports are in uhci.c, the schedule in
 * uhci_schedule.c.
 */
#ifndef DEVICES_USB_UHCI_CHIP_H
#define DEVICES_USB_UHCI_CHIP_H

#include "usb/uhci.h"

enum { /* USBCMD: UHCI 1.1, 2.1.1 */
    CMD_RUN = 0x01, CMD_HCRESET = 0x02, CMD_GRESET = 0x04, CMD_SUSPEND = 0x08, CMD_RESUME = 0x10,
};

enum { /* USBSTS: 2.1.2 */
    STS_USBINT = 0x01, STS_ERROR = 0x02, STS_RESUME = 0x04, STS_SYSTEM = 0x08, STS_PROCESS = 0x10,
    STS_HALTED = 0x20, STS_W1C = 0x1f,
};

/* What is behind USBINT; each has an enable bit of its own. */
enum { CAUSE_IOC = 1, CAUSE_SHORT = 2 };

enum { UHCI_FRAMES = 1024, UHCI_FRAME_NUMBERS = 2048, UHCI_PACKET_MAX = 1280 };

/* Transfers that a device keeps for a while; runs: those of several TDs. */
enum { UHCI_PENDING = 16, UHCI_RUNS = 4, UHCI_RUN_MAX = 16 << 10 };

struct uhci_pending {
    struct usb_transfer transfer;
    struct iovec iov;
    struct uhci *uhci;
    uint32_t td, token; /* whose it is; token 0: free */
    uint32_t pass;      /* in which it was seen last */
    bool finished;
    unsigned left; /* TDs that it has to end, `td` is the first */
    size_t at;     /* bytes of those that it has ended */
    uint8_t *data; /* `bytes`, or a run's */
    uint8_t bytes[UHCI_PACKET_MAX];
};

/* Queue heads that a pass has seen, by address. */
enum { UHCI_SEEN = 512 };

struct uhci_seen {
    uint32_t addr, pass;
    uint32_t progress; /* TDs that had ended when it was seen */
};

struct uhci {
    struct pci_function pci;
    /* registers */
    uint16_t usbcmd, usbsts, usbintr;
    uint16_t frnum; /* while it runs: the number at time 0 of the clock */
    uint32_t flbaseadd;
    uint8_t sofmod;
    uint16_t portsc[UHCI_PORTS];
    /* hidden state */
    uint8_t causes;
    uint16_t last_frame; /* the frame of the last pass */
    uint8_t quiet;       /* looks by the timer in a row that found nothing to do */
    struct timer tick;
    /* wires and derived */
    struct clock *clock;
    struct io_region region;
    struct usb_port port[UHCI_PORTS];
    bool in_pass, stirred; /* stirred: something happened since this pass began */
    uint32_t pass, progress;
    unsigned steps, budget;
    bool timed;    /* the last pass saw TDs that belong to one frame, */
    bool short_of; /* or ended before all was done, */
    bool hasty;    /* or ended TDs that had not waited: more of their kind is likely */
    struct uhci_seen seen[UHCI_SEEN];
    struct uhci_pending pending[UHCI_PENDING];
    uint8_t runs[UHCI_RUNS][UHCI_RUN_MAX];
};

/* The current frame's number. */
unsigned uhci_frame(const struct uhci *u);
void uhci_update_irq(struct uhci *u);

enum { UHCI_QUIET_MAX = 32 };

/* Looks through the schedule now and does what can be done. */
void uhci_look(struct uhci *u);
void uhci_tick(void *uhci); /* the same, by the timer */
/* The guest or a device did something: looks now, and again soon. */
void uhci_stir(struct uhci *u);
/* Ends what devices keep; without a result for the guest. */
void uhci_cancel_all(struct uhci *u);

#endif
