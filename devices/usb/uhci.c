/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI: Universal Host Controller Interface Design Guide 1.1, chapter 2; Intel 290562-001 (PIIX4),
 * 6 and 290550-002 (PIIX3) for the PCI side. See uhci.h.
 *
 * Not modelled: software debug mode (SWDBG), the length of a frame (SOFMOD is stored), what LEGSUP
 * does to port 60h and to the routing of the interrupt (its bits are stored).
 */
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "usb/uhci_chip.h"

enum { /* registers: 2.1 */
    USBCMD = 0x00, USBSTS = 0x02, USBINTR = 0x04, FRNUM = 0x06, FLBASEADD = 0x08,
    FLBASEADD_HIGH = 0x0a, SOFMOD = 0x0c, PORTSC = 0x10, PORTSC_END = 0x14, REGISTERS = 0x20,
};

enum { INTR_TIMEOUT = 1, INTR_RESUME = 2, INTR_IOC = 4, INTR_SHORT = 8 };

enum { /* PORTSC: 2.1.7 */
    PORT_CONNECTED = 0x0001, PORT_CONNECTED_CHANGE = 0x0002, PORT_ENABLED = 0x0004,
    PORT_ENABLED_CHANGE = 0x0008, PORT_D_PLUS = 0x0010, PORT_D_MINUS = 0x0020,
    PORT_RESUME = 0x0040, PORT_ONE = 0x0080, PORT_LOW_SPEED = 0x0100, PORT_RESET = 0x0200,
    PORT_SUSPEND = 0x1000, PORT_W1C = 0x000a, PORT_RW = 0x1244,
};

enum { SOFMOD_RESET = 0x40, NO_PORT = 0xff7f }; /* bit 7 clear ends a driver's count of ports */
enum { SBRN = 0x60, SBRN_USB_1_0 = 0x10, LEGSUP = 0xc0, LEGSUP_RESET = 0x2000 };

static const struct field uhci_fields[] = {
    F_STRUCT(struct uhci, pci, pci_fields), F_MAX(struct uhci, usbcmd, 0xff),
    F_MAX(struct uhci, usbsts, STS_W1C), F_MAX(struct uhci, usbintr, 0x0f),
    F_MAX(struct uhci, frnum, UHCI_FRAME_NUMBERS - 1), F(struct uhci, flbaseadd),
    F(struct uhci, sofmod), F_ARRAY(struct uhci, portsc),
    F_MAX(struct uhci, causes, CAUSE_IOC | CAUSE_SHORT),
    F_MAX(struct uhci, last_frame, UHCI_FRAME_NUMBERS - 1),
    F_MAX(struct uhci, quiet, UHCI_QUIET_MAX), F_TIMER(struct uhci, tick), F_END
};

/* ---- the interrupt ---- */

static bool irq_level(const struct uhci *u) {
    unsigned sts = u->usbsts, intr = u->usbintr;
    return (u->causes & CAUSE_IOC && intr & INTR_IOC) ||
           (u->causes & CAUSE_SHORT && intr & INTR_SHORT) ||
           (sts & STS_ERROR && intr & INTR_TIMEOUT) || (sts & STS_RESUME && intr & INTR_RESUME) ||
           sts & (STS_SYSTEM | STS_PROCESS);
}

void uhci_update_irq(struct uhci *u) {
    pci_irq(&u->pci, irq_level(u));
}

/* ---- frames ---- */

static unsigned clock_frames(const struct uhci *u) {
    return (unsigned)(clock_now(u->clock) / NS_PER_MS % UHCI_FRAME_NUMBERS);
}

unsigned uhci_frame(const struct uhci *u) {
    unsigned since = u->usbcmd & CMD_RUN ? clock_frames(u) : 0;
    return (u->frnum + since) % UHCI_FRAME_NUMBERS;
}

static void run(struct uhci *u) {
    u->last_frame = u->frnum;
    u->frnum = (uint16_t)((u->frnum - clock_frames(u)) % UHCI_FRAME_NUMBERS);
    u->usbcmd |= CMD_RUN;
}

static void stop(struct uhci *u) {
    u->frnum = (uint16_t)uhci_frame(u);
    u->usbcmd &= (uint16_t)~CMD_RUN;
}

/* ---- ports ---- */

/* A sleeping bus hears a device: 2.1.1, EGSM. */
static void bus_wakes(struct uhci *u) {
    if (u->usbcmd & CMD_SUSPEND)
        u->usbsts |= STS_RESUME;
    uhci_update_irq(u);
}

static void settle_port(struct uhci *u, unsigned n) {
    u->port[n].enabled = (u->portsc[n] & (PORT_ENABLED | PORT_SUSPEND | PORT_RESET)) ==
                         PORT_ENABLED;
}

static void port_attached(void *dev, unsigned n) {
    struct uhci *u = dev;
    u->portsc[n] &= (uint16_t)~(PORT_LOW_SPEED | PORT_ENABLED);
    u->portsc[n] |= PORT_CONNECTED | PORT_CONNECTED_CHANGE;
    if (u->port[n].device->speed == USB_LOW)
        u->portsc[n] |= PORT_LOW_SPEED;
    settle_port(u, n);
    bus_wakes(u);
}

static void port_detached(void *dev, unsigned n) {
    struct uhci *u = dev;
    if (u->portsc[n] & PORT_ENABLED)
        u->portsc[n] |= PORT_ENABLED_CHANGE;
    u->portsc[n] &= (uint16_t)~(PORT_CONNECTED | PORT_LOW_SPEED | PORT_ENABLED | PORT_SUSPEND |
                                PORT_RESUME);
    u->portsc[n] |= PORT_CONNECTED_CHANGE;
    settle_port(u, n);
    bus_wakes(u);
    uhci_stir(u);
}

static void port_ready(void *dev, struct usb_device *device, unsigned ep, bool in) {
    (void)device, (void)ep, (void)in;
    uhci_stir(dev);
}

static void port_wakeup(void *dev, unsigned n) {
    struct uhci *u = dev;
    if (u->portsc[n] & PORT_SUSPEND)
        u->portsc[n] |= PORT_RESUME;
    bus_wakes(u);
}

static const struct usb_port_ops port_ops = {port_attached, port_detached, port_ready,
                                             port_wakeup};

static void reset_device(struct uhci *u, unsigned n) {
    if (u->port[n].device)
        usb_reset(u->port[n].device);
}

static void write_port(struct uhci *u, unsigned n, uint16_t val, uint16_t mask) {
    uint16_t old = u->portsc[n], rw = PORT_RW & mask;
    uint16_t now = (uint16_t)(((old & ~rw) | (val & rw)) & ~(val & mask & PORT_W1C));
    if (!(now & PORT_CONNECTED) || now & PORT_RESET)
        now &= (uint16_t)~PORT_ENABLED;
    if (!(now & PORT_ENABLED))
        now &= (uint16_t)~(PORT_RESUME | PORT_SUSPEND);
    if (old & PORT_RESUME && !(now & PORT_RESUME))
        now &= (uint16_t)~PORT_SUSPEND; /* the end of resume signalling is the end of suspend */
    u->portsc[n] = now;
    settle_port(u, n);
    if (now & PORT_RESET && !(old & PORT_RESET))
        reset_device(u, n);
}

static uint16_t read_port(const struct uhci *u, unsigned n) {
    uint16_t val = u->portsc[n] | PORT_ONE;
    if (val & PORT_CONNECTED && !(val & PORT_RESET))
        val |= val & PORT_LOW_SPEED ? PORT_D_MINUS : PORT_D_PLUS;
    return val;
}

/* ---- registers ---- */

static void power_on(struct uhci *u) {
    u->usbcmd = u->usbsts = u->usbintr = u->frnum = u->last_frame = 0;
    u->flbaseadd = 0;
    u->sofmod = SOFMOD_RESET;
    u->causes = u->quiet = 0;
    uhci_cancel_all(u);
    timer_off(&u->tick);
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        u->portsc[i] = 0;
        settle_port(u, i);
        if (u->port[i].device)
            port_attached(u, i);
    }
    uhci_update_irq(u);
}

static void write_command(struct uhci *u, uint16_t val) {
    uint16_t old = u->usbcmd;
    if (val & CMD_HCRESET) {
        power_on(u);
        return;
    }
    if (val & CMD_GRESET && !(old & CMD_GRESET)) {
        power_on(u);
        for (unsigned i = 0; i < UHCI_PORTS; i++)
            reset_device(u, i);
        u->usbcmd = CMD_GRESET;
        return;
    }
    if (val & CMD_RUN && !(old & CMD_RUN))
        run(u);
    else if (!(val & CMD_RUN) && old & CMD_RUN)
        stop(u);
    u->usbcmd = val & 0xff;
}

static void write_status(struct uhci *u, uint16_t val) {
    u->usbsts &= (uint16_t)~(val & STS_W1C);
    if (val & STS_USBINT)
        u->causes = 0;
}

static uint16_t merge(uint16_t old, uint16_t val, uint16_t mask) {
    return (uint16_t)((old & ~mask) | (val & mask));
}

/* `mask`: the bytes that are written. */
static void write16(struct uhci *u, unsigned reg, uint16_t val, uint16_t mask) {
    uint16_t low = (uint16_t)u->flbaseadd, high = (uint16_t)(u->flbaseadd >> 16);
    switch (reg) {
    case USBCMD:
        write_command(u, merge(u->usbcmd, val, mask));
        break;
    case USBSTS:
        write_status(u, val & mask);
        break;
    case USBINTR:
        u->usbintr = merge(u->usbintr, val, mask) & 0x0f;
        break;
    case FRNUM:
        if (!(u->usbcmd & CMD_RUN))
            u->frnum = merge(u->frnum, val, mask) % UHCI_FRAME_NUMBERS;
        break;
    case FLBASEADD:
        u->flbaseadd = (uint32_t)high << 16 | (merge(low, val, mask) & 0xf000);
        break;
    case FLBASEADD_HIGH:
        u->flbaseadd = (uint32_t)merge(high, val, mask) << 16 | low;
        break;
    case SOFMOD:
        u->sofmod = merge(u->sofmod, val, mask) & 0x7f;
        break;
    case PORTSC:
    case PORTSC + 2:
        write_port(u, (reg - PORTSC) / 2, val, mask);
        break;
    }
}

static void uhci_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct uhci *u = dev;
    uint64_t mask = size_mask(size) << 8 * (off & 1);
    val <<= 8 * (off & 1);
    for (unsigned reg = (unsigned)off & ~1u; mask; reg += 2, mask >>= 16, val >>= 16)
        write16(u, reg, (uint16_t)val, (uint16_t)mask);
    uhci_update_irq(u);
    uhci_stir(u);
}

static uint16_t read16(struct uhci *u, unsigned reg) {
    switch (reg) {
    case USBCMD:
        return u->usbcmd;
    case USBSTS:
        return (uint16_t)(u->usbsts | (u->usbcmd & CMD_RUN ? 0 : STS_HALTED));
    case USBINTR:
        return u->usbintr;
    case FRNUM:
        return (uint16_t)uhci_frame(u);
    case FLBASEADD:
        return (uint16_t)u->flbaseadd;
    case FLBASEADD_HIGH:
        return (uint16_t)(u->flbaseadd >> 16);
    case SOFMOD:
        return u->sofmod;
    case PORTSC:
    case PORTSC + 2:
        return read_port(u, (reg - PORTSC) / 2);
    default:
        return reg < PORTSC ? 0 : NO_PORT;
    }
}

static uint64_t uhci_read(void *dev, uint64_t off, unsigned size) {
    struct uhci *u = dev;
    uint64_t val = 0;
    uhci_look(u);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)off + i;
        val |= (uint64_t)(read16(u, at & ~1u) >> 8 * (at & 1) & 0xff) << 8 * i;
    }
    return val;
}

static const struct io_ops uhci_ops = {.read = uhci_read, .write = uhci_write, .min = 1, .max = 4};

static void config_wrote(void *dev, unsigned off, unsigned len) {
    (void)len;
    if (off <= PCI_COMMAND)
        uhci_look(dev);
}

/* ---- life ---- */

static void uhci_reset(void *dev) {
    struct uhci *u = dev;
    power_on(u);
    pci_reset(&u->pci);
}

static bool uhci_idle(void *dev) {
    const struct uhci *u = dev;
    for (unsigned i = 0; i < UHCI_PENDING; i++)
        if (u->pending[i].token)
            return false;
    return true;
}

static void uhci_free(void *dev) {
    struct uhci *u = dev;
    uhci_cancel_all(u);
    timer_off(&u->tick);
    for (unsigned i = 0; i < UHCI_PORTS; i++)
        if (u->port[i].device)
            u->port[i].device->port = NULL;
    pci_remove(&u->pci);
    mem_free(u);
}

static bool uhci_loaded(void *dev, char *why, size_t why_len) {
    struct uhci *u = dev;
    (void)why, (void)why_len;
    u->flbaseadd &= 0xfffff000;
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        u->portsc[i] &= PORT_CONNECTED | PORT_LOW_SPEED | PORT_W1C | PORT_RW;
        /* what is plugged in here counts */
        if (u->port[i].device && !(u->portsc[i] & PORT_CONNECTED))
            port_attached(u, i);
        else if (!u->port[i].device && u->portsc[i] & PORT_CONNECTED)
            u->portsc[i] = PORT_CONNECTED_CHANGE;
        settle_port(u, i);
    }
    timer_restore(&u->tick);
    pci_loaded(&u->pci);
    pci_irq_restore(&u->pci, irq_level(u));
    return true;
}

static const struct state uhci_state = {"uhci", 1, uhci_fields, uhci_loaded};

const struct device_ops uhci_device = {
    .name = "uhci", .state = &uhci_state, .reset = uhci_reset, .idle = uhci_idle,
    .free = uhci_free,
};

struct uhci *uhci_new(const struct uhci_pins *pins) {
    const struct pci_id id = {.vendor = 0x8086, .device = pins->device_id, .sub_vendor = 0x1af4,
                              .subsystem = 0x1100, .class_ = 0x0c03, .revision = 1,
                              .int_pin = pins->int_pin};
    struct uhci *u = mem_new(sizeof(*u));
    pci_init(&u->pci, "uhci", &id, u);
    u->pci.qdev_id = pins->qdev_id ? pins->qdev_id : "";
    u->pci.config[SBRN] = SBRN_USB_1_0;
    store_le16(&u->pci.config[LEGSUP], LEGSUP_RESET);
    store_le16(&u->pci.wmask[LEGSUP], 0x20bf);
    store_le16(&u->pci.w1c[LEGSUP], 0x8f00);
    u->pci.config_wrote = config_wrote;
    u->clock = pins->clock;
    u->region = (struct io_region){.name = "UHCI", .ops = &uhci_ops, .dev = u};
    pci_add_bar(&u->pci, 4, PCI_BAR_IO, REGISTERS, &u->region);
    if (!pci_add(pins->pci, &u->pci, pins->devfn)) {
        mem_free(u);
        return NULL;
    }
    for (unsigned i = 0; i < UHCI_PORTS; i++)
        u->port[i] = (struct usb_port){.ops = &port_ops, .dev = u, .number = i,
                                       .speeds = 1u << USB_LOW | 1u << USB_FULL};
    timer_init(&u->tick, pins->clock, uhci_tick, u);
    uhci_reset(u);
    return u;
}

struct usb_port *uhci_ports(struct uhci *u) {
    return u->port;
}

struct pci_function *uhci_function(struct uhci *u) {
    return &u->pci;
}
