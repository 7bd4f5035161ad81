/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The root hub's ports: xHCI 1.1, 4.19 and 5.4.8. See xhci_chip.h. The register sets of SuperSpeed
 * come first, then those of USB 2, as guests know it from QEMU. Reset and link training take no
 * time. Not modelled: over-current, link power states but U0 and U3, compliance mode.
 */
#include "core/bits.h"
#include "usb/xhci_chip.h"

enum { /* PORTSC */
    PORT_CCS = 1 << 0, PORT_PED = 1 << 1, PORT_PR = 1 << 4, PORT_PP = 1 << 9, PORT_LWS = 1 << 16,
    PORT_CSC = 1 << 17, PORT_PEC = 1 << 18, PORT_WRC = 1 << 19, PORT_PRC = 1 << 21,
    PORT_PLC = 1 << 22, PORT_CHANGES = 0x00fe0000, PORT_RW = 0x0e00c200 /* PP, PIC, wake bits */,
    PORT_SPEED = 0xf << 10, PORT_PLS = 0xf << 5,
};

#define PORT_WPR (UINT32_C(1) << 31)
#define PORT_STORED (PORT_RW | PORT_CHANGES | PORT_SPEED | PORT_PLS | PORT_CCS | PORT_PED)

enum { /* link states */
    LINK_U0 = 0, LINK_U3 = 3, LINK_DISABLED = 4, LINK_RX_DETECT = 5, LINK_POLLING = 7,
    LINK_RESUME = 15,
};

static bool is_super(const struct xhci *x, unsigned reg) {
    return reg < x->usb3;
}

/* Where that register set's devices are plugged in. */
static struct usb_port *place_of(struct xhci *x, unsigned reg) {
    return &x->place[is_super(x, reg) ? reg : reg - x->usb3];
}

static struct usb_device *device_of(struct xhci *x, unsigned reg) {
    struct usb_device *dev = place_of(x, reg)->device;
    return dev && (dev->speed == USB_SUPER) == is_super(x, reg) ? dev : NULL;
}

/* The set in which a device shows. */
static unsigned reg_of(const struct xhci *x, unsigned place) {
    return x->place[place].device->speed == USB_SUPER ? place : x->usb3 + place;
}

static unsigned link_of(uint32_t portsc) {
    return portsc >> 5 & 15;
}

static void set_link(struct xhci_port *p, unsigned link) {
    p->portsc = (p->portsc & ~(uint32_t)PORT_PLS) | link << 5;
}

static void settle(struct xhci *x, unsigned reg) {
    struct usb_port *place = place_of(x, reg);
    if (!place->device)
        place->enabled = false;
    else if (device_of(x, reg))
        place->enabled = x->port[reg].portsc & PORT_PED && link_of(x->port[reg].portsc) < LINK_U3;
}

/* ---- changes ---- */

void xhci_ports_tell(struct xhci *x) {
    for (unsigned i = 0; i < x->usb2 + x->usb3; i++) {
        struct xhci_port *p = &x->port[i];
        if (p->told || !(p->portsc & PORT_CHANGES))
            continue;
        if (!(x->usbcmd & CMD_RUN) || !x->pci.master || !xhci_event_room(x, 0, 1))
            return;
        p->told = true;
        x->usbsts |= STS_PCD;
        xhci_event(x, 0, &(struct xhci_event){.type = EVENT_PORT, .code = CC_SUCCESS,
                                              .param = (uint64_t)(i + 1) << 24});
    }
}

static void change(struct xhci *x, unsigned reg, uint32_t bits) {
    struct xhci_port *p = &x->port[reg];
    if ((p->portsc & bits) != bits)
        p->told = false;
    p->portsc |= bits;
    settle(x, reg);
    xhci_ports_tell(x);
}

/* A SuperSpeed link trains by itself; a USB 2 device waits for a reset. */
static void connect(struct xhci *x, unsigned reg) {
    struct xhci_port *p = &x->port[reg];
    const struct usb_device *dev = device_of(x, reg);
    static const uint8_t speeds[] = {
        [USB_LOW] = 2, [USB_FULL] = 1, [USB_HIGH] = 3, [USB_SUPER] = 4};
    p->portsc &= PORT_RW | PORT_CHANGES;
    set_link(p, p->portsc & PORT_PP ? LINK_RX_DETECT : LINK_DISABLED);
    if (dev && p->portsc & PORT_PP) {
        p->portsc |= PORT_CCS | (uint32_t)speeds[dev->speed] << 10;
        set_link(p, is_super(x, reg) ? LINK_U0 : LINK_POLLING);
        p->portsc |= is_super(x, reg) ? PORT_PED : 0;
    }
    settle(x, reg);
}

static void port_attached(void *dev, unsigned n) {
    struct xhci *x = dev;
    unsigned reg = reg_of(x, n);
    connect(x, reg);
    if (x->port[reg].portsc & PORT_CCS)
        change(x, reg, PORT_CSC);
    xhci_update(x);
}

static void port_detached(void *dev, unsigned n) {
    struct xhci *x = dev;
    for (unsigned reg = n; reg < x->usb2 + x->usb3; reg++) {
        uint32_t before = x->port[reg].portsc;
        if (place_of(x, reg) != &x->place[n] || !(before & PORT_CCS))
            continue;
        connect(x, reg);
        /* a USB 2 port that was enabled says so: 4.19.1.1.8 */
        change(x, reg, PORT_CSC | (before & PORT_PED && !is_super(x, reg) ? PORT_PEC : 0));
    }
    x->place[n].enabled = false;
    xhci_all_due(x); /* those that wait for it hear that nobody is there */
    xhci_work(x);
}

static void port_ready(void *dev, struct usb_device *device, unsigned ep, bool in) {
    struct xhci *x = dev;
    for (unsigned slot = 1; slot <= XHCI_SLOTS; slot++)
        if (xhci_slot(x, slot)->state > SLOT_ENABLED &&
            xhci_find_device(x, xhci_slot(x, slot)) == device) {
            unsigned index = ep ? 2 * ep + in : 1;
            if (xhci_slot(x, slot)->armed >> index & 1)
                xhci_make_due(x, slot, index);
            break;
        }
    xhci_work(x);
}

static void port_wakeup(void *dev, unsigned n) {
    struct xhci *x = dev;
    unsigned reg = reg_of(x, n);
    if (link_of(x->port[reg].portsc) != LINK_U3)
        return;
    set_link(&x->port[reg], LINK_RESUME);
    change(x, reg, PORT_PLC);
    xhci_update(x);
}

static const struct usb_port_ops port_ops = {port_attached, port_detached, port_ready,
                                             port_wakeup};

/* ---- what the guest asks for ---- */

static void reset_port(struct xhci *x, unsigned reg, bool warm) {
    struct usb_device *dev = device_of(x, reg);
    struct xhci_port *p = &x->port[reg];
    if (!dev || !(p->portsc & PORT_CCS))
        return;
    usb_reset(dev);
    set_link(p, LINK_U0);
    p->portsc |= PORT_PED;
    change(x, reg, PORT_PRC | (warm ? PORT_WRC : 0));
}

static void move_link(struct xhci *x, unsigned reg, unsigned link) {
    struct xhci_port *p = &x->port[reg];
    unsigned old = link_of(p->portsc);
    bool enabled = p->portsc & PORT_PED;
    if (link == LINK_U0 && enabled && old != LINK_U0) {
        set_link(p, LINK_U0);
        change(x, reg, PORT_PLC);
        xhci_all_due(x); /* devices that had news while they slept */
    } else if (link == LINK_U3 && enabled && old < LINK_U3) {
        set_link(p, LINK_U3);
    } else if (link == LINK_RESUME && !is_super(x, reg) && enabled && old == LINK_U3) {
        set_link(p, LINK_RESUME);
    } else if (link == LINK_RX_DETECT && is_super(x, reg) && old == LINK_DISABLED) {
        connect(x, reg);
        if (p->portsc & PORT_CCS)
            change(x, reg, PORT_CSC);
    }
    settle(x, reg);
}

void xhci_port_write(struct xhci *x, unsigned reg, uint32_t val) {
    struct xhci_port *p = &x->port[reg];
    uint32_t old = p->portsc;
    p->portsc &= ~(val & PORT_CHANGES);
    p->portsc = (p->portsc & ~(uint32_t)PORT_RW) | (val & PORT_RW);
    if (!(p->portsc & PORT_CHANGES))
        p->told = false;
    if ((old ^ val) & PORT_PP) {
        connect(x, reg);
        if (p->portsc & PORT_CCS)
            change(x, reg, PORT_CSC);
    } else if (is_super(x, reg) ? val & (PORT_PR | PORT_WPR) : val & PORT_PR) {
        reset_port(x, reg, val & PORT_WPR);
    } else if (val & old & PORT_PED) {
        p->portsc &= ~(uint32_t)PORT_PED;
        set_link(p, is_super(x, reg) ? LINK_DISABLED : LINK_POLLING);
    } else if (val & PORT_LWS) {
        move_link(x, reg, link_of(val));
    }
    settle(x, reg);
}

/* ---- life ---- */

void xhci_ports_init(struct xhci *x) {
    x->places = MAX(x->usb2, x->usb3);
    for (unsigned i = 0; i < x->places; i++) {
        unsigned speeds = i < x->usb3 ? 1u << USB_SUPER : 0;
        if (i < x->usb2)
            speeds |= 1u << USB_LOW | 1u << USB_FULL | 1u << USB_HIGH;
        x->place[i] = (struct usb_port){.ops = &port_ops, .dev = x, .number = i, .speeds = speeds};
    }
}

void xhci_ports_reset(struct xhci *x) {
    for (unsigned i = 0; i < x->usb2 + x->usb3; i++) {
        x->port[i] = (struct xhci_port){.portsc = PORT_PP};
        connect(x, i);
        x->port[i].portsc |= x->port[i].portsc & PORT_CCS ? PORT_CSC : 0;
    }
}

/* What is plugged in here counts, and not what the state remembers. */
void xhci_ports_loaded(struct xhci *x) {
    for (unsigned i = 0; i < x->usb2 + x->usb3; i++) {
        struct xhci_port *p = &x->port[i];
        p->portsc &= PORT_STORED;
        bool is_there = device_of(x, i) && p->portsc & PORT_PP;
        if (is_there != (p->portsc & PORT_CCS)) {
            connect(x, i);
            p->portsc |= PORT_CSC;
            p->told = false;
        }
        settle(x, i);
    }
}
