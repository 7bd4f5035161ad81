/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI: eXtensible Host Controller Interface for Universal Serial Bus 1.1; registers as NEC's
 * uPD720200 shows them in QEMU. See xhci.h and xhci_chip.h.
 *
 * Not modelled: isochronous endpoints (an endpoint that asks for one is refused with Bandwidth
 * Error: their TDs would go to xhci_transfer.c), streams, 64-byte contexts, scratchpad buffers,
 * saving and restoring by the guest (CSS is taken, CRS answered with Save/Restore Error, upon
 * which drivers begin anew), bandwidth, virtualization, the debug capability, 64-bit BARs.
 */
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "usb/xhci_chip.h"

enum { /* where things are in the BAR */
    OPERATIONAL = 0x40, PORTS = 0x440, RUNTIME = 0x1000, INTRS = 0x1020, DOORBELLS = 0x2000,
    MSIX_TABLE = 0x3000, MSIX_PBA = 0x3800, BAR_SIZE = 0x4000,
};

enum { /* capability registers: 5.3 */
    HCIVERSION = 0x00, HCSPARAMS1 = 0x04, HCSPARAMS2 = 0x08, HCCPARAMS = 0x10, DBOFF = 0x14,
    RTSOFF = 0x18, PROTOCOL2 = 0x20, PROTOCOL3 = 0x30,
    VERSION_1_0 = 0x0100, IST_8_FRAMES = 0x0f, ERST_MAX_8 = 3 << 4, AC64 = 1, XECP = 8 << 16,
};

enum { /* operational registers: 5.4 */
    USBCMD = 0x40, USBSTS = 0x44, PAGESIZE = 0x48, DNCTRL = 0x54, CRCR = 0x58, CRCR_HIGH = 0x5c,
    DCBAAP = 0x70, DCBAAP_HIGH = 0x74, CONFIG = 0x78,
    CRCR_RCS = 1, CRCR_CS = 2, CRCR_CA = 4, CRCR_CRR = 8, PAGES_OF_4K = 1,
};

enum { PROTOCOL_NAME = 0x20425355 /* "USB " */, MFINDEX_BITS = 14, NS_PER_MICROFRAME = 125000 };
enum { SBRN = 0x60, SBRN_USB_3_0 = 0x30, MSI_AT = 0x70, MSIX_AT = 0x90 };

/* A millisecond's share of steps, and how many links may follow each other. */
enum { BUDGET = 4096, LINKS_MAX = 32 };

static const struct field intr_fields[] = {
    F_MAX(struct xhci_intr, iman, 3), F_MAX(struct xhci_intr, imod, 0xffff),
    F_MAX(struct xhci_intr, erstsz, XHCI_SEGMENTS), F(struct xhci_intr, erstba),
    F(struct xhci_intr, erdp), F(struct xhci_intr, loaded), F(struct xhci_intr, cycle),
    F(struct xhci_intr, pending), F(struct xhci_intr, full), F(struct xhci_intr, quiet_until),
    F(struct xhci_intr, enqueue), F_ARRAY_MAX(struct xhci_intr, size, 4096),
    F_ARRAY(struct xhci_intr, base), F_END
};

static const struct field port_fields[] = {
    F(struct xhci_port, portsc), F(struct xhci_port, told), F_END
};

static const struct field slot_fields[] = {
    F_MAX(struct xhci_slot, state, SLOT_CONFIGURED), F_MAX(struct xhci_slot, port, XHCI_REGS - 1),
    F_MAX(struct xhci_slot, route, 0xfffff), F(struct xhci_slot, context),
    F_ARRAY_MAX(struct xhci_slot, ep_state, EP_ERROR), F_ARRAY_MAX(struct xhci_slot, ep_type, 7),
    F_ARRAY(struct xhci_slot, max_packet), F_ARRAY(struct xhci_slot, dequeue),
    F_ARRAY(struct xhci_slot, moved), F(struct xhci_slot, armed),
    F(struct xhci_slot, due), F_END
};

static const struct field xhci_fields[] = {
    F_STRUCT(struct xhci, pci, pci_fields), F_STRUCT(struct xhci, msix, msix_fields),
    F_MAX(struct xhci, usbcmd, CMD_STORED), F(struct xhci, usbsts),
    F_MAX(struct xhci, dnctrl, 0xffff), F_MAX(struct xhci, config, 0xff), F(struct xhci, dcbaap),
    F_STRUCTS(struct xhci, intr, intr_fields), F_STRUCTS(struct xhci, port, port_fields),
    F(struct xhci, commands), F(struct xhci, commands_run),
    F(struct xhci, commands_armed), F(struct xhci, commands_due), F(struct xhci, starved),
    F(struct xhci, crcr_taken),
    F(struct xhci, start), F(struct xhci, wrap_at), F_STRUCTS(struct xhci, slot, slot_fields), F_END
};

/* ---- rings ---- */

void xhci_die(struct xhci *x, const char *what, uint64_t addr) {
    static struct log_limit limit;
    log_guest(&limit, "xHCI: %s (%#llx): the controller halts", what, (unsigned long long)addr);
    x->usbcmd &= ~(uint32_t)CMD_RUN;
    x->usbsts |= STS_HSE | STS_HCH;
    x->commands_run = x->commands_armed = false;
}

bool xhci_spend(struct xhci *x, unsigned cost) {
    uint64_t ms = clock_now(x->clock) / NS_PER_MS;
    if (x->budget_ms != ms) {
        x->budget_ms = ms;
        x->budget = BUDGET;
    }
    if (!x->budget)
        return false;
    x->budget -= MIN(x->budget, cost);
    return true;
}

enum xhci_fetch xhci_fetch(struct xhci *x, uint64_t *dequeue, struct xhci_trb *trb) {
    uint8_t b[16];
    for (unsigned links = 0; links <= LINKS_MAX; links++) {
        trb->at = *dequeue & ~(uint64_t)0xf;
        if (!dma_read(&x->pci.dma, trb->at, b, sizeof(b))) {
            xhci_die(x, "a ring is not in memory", trb->at);
            return FETCH_DEAD;
        }
        trb->param = load_le64(b);
        trb->status = load_le32(b + 8);
        trb->control = load_le32(b + 12);
        if ((trb->control & TRB_CYCLE) != (*dequeue & 1))
            return FETCH_NONE;
        if (trb_type(trb) != TRB_LINK) {
            *dequeue += sizeof(b);
            return FETCH_TRB;
        }
        uint64_t cycle = (*dequeue & 1) ^ (trb->control & LINK_TOGGLE ? 1 : 0);
        *dequeue = (trb->param & ~(uint64_t)0xf) | cycle;
    }
    xhci_die(x, "a ring has nothing but links", trb->at);
    return FETCH_DEAD;
}

/* ---- work ---- */

static bool serve_next(struct xhci *x) {
    if (x->commands_due) {
        x->commands_due = false;
        xhci_run_commands(x);
        return true;
    }
    if (!x->due_slots)
        return false;
    do
        x->turn = (x->turn + 1) % XHCI_SLOTS;
    while (!(x->due_slots >> x->turn & 1));
    struct xhci_slot *s = &x->slot[x->turn];
    for (unsigned ep = 1; ep < XHCI_EPS; ep++)
        if (s->due >> ep & 1) {
            s->due &= ~(UINT32_C(1) << ep);
            xhci_run_ep(x, x->turn + 1, ep);
        }
    if (!s->due)
        x->due_slots &= ~(UINT64_C(1) << x->turn);
    return true;
}

static bool runs(const struct xhci *x) {
    return x->usbcmd & CMD_RUN && x->pci.master;
}

void xhci_work(struct xhci *x) {
    if (x->working)
        return; /* what was made due is served below */
    x->working = true;
    while (runs(x) && xhci_spend(x, 1) && serve_next(x))
        ;
    x->working = false;
    xhci_update(x);
}

void xhci_update(struct xhci *x) {
    if (x->working)
        return;
    xhci_raise(x);
    uint64_t at = MIN(xhci_moderated(x), x->wrap_at);
    if (runs(x) && (x->commands_due || x->due_slots))
        at = MIN(at, (x->budget_ms + 1) * NS_PER_MS);
    if (at == TIMER_NEVER)
        timer_off(&x->timer);
    else if (at != x->timer.deadline)
        timer_at(&x->timer, at);
}

static uint64_t next_wrap(const struct xhci *x) {
    uint64_t period = (uint64_t)NS_PER_MICROFRAME << MFINDEX_BITS;
    uint64_t since = clock_now(x->clock) - x->start;
    return clock_now(x->clock) + period - since % period;
}

static void timer_expired(void *dev) {
    struct xhci *x = dev;
    if (x->wrap_at <= clock_now(x->clock) && x->pci.master) {
        xhci_event(x, 0, &(struct xhci_event){.type = EVENT_MFINDEX, .code = CC_SUCCESS});
    }
    if (x->wrap_at <= clock_now(x->clock))
        x->wrap_at = next_wrap(x);
    xhci_work(x);
}

/* ---- the controller ---- */

/* The controller stands still first: what ends may make a device want to go on. */
static void cancel_all(struct xhci *x) {
    x->usbcmd = 0;
    for (unsigned slot = 1; slot <= XHCI_SLOTS; slot++)
        for (unsigned ep = 1; xhci_slot(x, slot)->busy && ep < XHCI_EPS; ep++)
            xhci_cancel(x, slot, ep);
}

static void power_on(struct xhci *x) {
    cancel_all(x);
    x->dnctrl = x->config = 0;
    x->usbsts = STS_HCH;
    x->dcbaap = x->commands = x->start = 0;
    x->commands_run = x->commands_armed = x->crcr_taken = false;
    x->wrap_at = TIMER_NEVER;
    memset(x->intr, 0, sizeof(x->intr));
    memset(x->slot, 0, sizeof(x->slot));
    x->commands_due = x->starved = false;
    x->due_slots = 0;
    x->turn = 0;
    xhci_ports_reset(x);
}

static void write_command(struct xhci *x, uint32_t val) {
    uint32_t old = x->usbcmd;
    if (val & CMD_HCRST) {
        power_on(x);
        return;
    }
    if (val & CMD_CSS)
        x->usbsts &= ~(uint32_t)STS_SRE;
    if (val & CMD_CRS)
        x->usbsts |= STS_SRE;
    x->usbcmd = val & CMD_STORED;
    if (val & CMD_RUN && !(old & CMD_RUN)) {
        x->usbsts &= ~(uint32_t)STS_HCH;
        x->start = clock_now(x->clock);
        xhci_ports_tell(x);
        xhci_all_due(x);
    } else if (!(val & CMD_RUN) && old & CMD_RUN) {
        x->usbsts |= STS_HCH;
        x->commands_run = x->commands_armed = false;
    }
    x->wrap_at = (val & (CMD_RUN | CMD_EWE)) == (CMD_RUN | CMD_EWE) ? next_wrap(x) : TIMER_NEVER;
}

/* While the ring runs its pointer stays, and a stop or an abort ends it. */
static void write_crcr(struct xhci *x, uint32_t val) {
    x->crcr_taken = x->commands_run;
    if (!x->commands_run) {
        x->commands = (x->commands & ~(uint64_t)UINT32_MAX) | (val & 0xffffffc0) | (val & CRCR_RCS);
    } else if (val & (CRCR_CS | CRCR_CA)) {
        xhci_stop_commands(x);
    }
}

static void write_operational(struct xhci *x, unsigned reg, uint32_t val) {
    switch (reg) {
    case USBCMD:
        write_command(x, val);
        break;
    case USBSTS:
        x->usbsts &= ~(val & STS_W1C);
        break;
    case DNCTRL:
        x->dnctrl = val & 0xffff;
        break;
    case CRCR:
        write_crcr(x, val);
        break;
    case CRCR_HIGH:
        if (!x->crcr_taken && !x->commands_run)
            x->commands = (uint64_t)val << 32 | (uint32_t)x->commands;
        x->crcr_taken = false;
        break;
    case DCBAAP:
        x->dcbaap = (x->dcbaap & ~(uint64_t)UINT32_MAX) | (val & 0xffffffc0);
        break;
    case DCBAAP_HIGH:
        x->dcbaap = (uint64_t)val << 32 | (uint32_t)x->dcbaap;
        break;
    case CONFIG:
        x->config = val & 0xff;
        break;
    }
}

static void ring_doorbell(struct xhci *x, unsigned n, uint32_t val) {
    if (!(x->usbcmd & CMD_RUN))
        return;
    if (n)
        xhci_doorbell(x, n, val & 0xff);
    else if (!(val & 0xff))
        x->commands_run = x->commands_armed = x->commands_due = true;
}

static void xhci_write(void *dev, uint64_t off, unsigned size, uint64_t value) {
    struct xhci *x = dev;
    unsigned at = (unsigned)off & ~3u, port = (at - PORTS) / 16;
    uint32_t val = (uint32_t)value;
    if (msix_covers(&x->msix, off))
        msix_write(&x->msix, off, size, value);
    else if (at >= DOORBELLS && at <= DOORBELLS + 4 * XHCI_SLOTS)
        ring_doorbell(x, (at - DOORBELLS) / 4, val);
    else if (at >= INTRS && at < INTRS + 32 * XHCI_INTRS)
        xhci_intr_write(x, (at - INTRS) / 32, at % 32, val);
    else if (at >= PORTS && port < x->usb2 + x->usb3 && at % 16 == 0)
        xhci_port_write(x, port, val);
    else if (at >= OPERATIONAL && at < PORTS)
        write_operational(x, at, val);
    xhci_work(x);
}

/* A Supported Protocol Capability: 7.2. */
static uint32_t read_protocol(unsigned word, unsigned major, unsigned next, unsigned first,
                              unsigned count) {
    switch (word) {
    case 0:
        return major << 24 | next << 8 | 2;
    case 1:
        return PROTOCOL_NAME;
    case 2:
        return count << 8 | first;
    default:
        return 0;
    }
}

static uint32_t read_capability(const struct xhci *x, unsigned at) {
    switch (at) {
    case HCIVERSION:
        return VERSION_1_0 << 16 | OPERATIONAL;
    case HCSPARAMS1:
        return (x->usb2 + x->usb3) << 24 | XHCI_INTRS << 8 | XHCI_SLOTS;
    case HCSPARAMS2:
        return IST_8_FRAMES | ERST_MAX_8;
    case HCCPARAMS:
        return XECP | AC64;
    case DBOFF:
        return DOORBELLS;
    case RTSOFF:
        return RUNTIME;
    default:
        if (at >= PROTOCOL3)
            return read_protocol((at - PROTOCOL3) / 4, 3, 0, 1, x->usb3);
        if (at >= PROTOCOL2)
            return read_protocol((at - PROTOCOL2) / 4, 2, 4, x->usb3 + 1, x->usb2);
        return 0;
    }
}

static uint32_t read_operational(const struct xhci *x, unsigned at) {
    switch (at) {
    case USBCMD:
        return x->usbcmd;
    case USBSTS:
        return x->usbsts;
    case PAGESIZE:
        return PAGES_OF_4K;
    case DNCTRL:
        return x->dnctrl;
    case CRCR:
        return x->commands_run ? CRCR_CRR : 0;
    case DCBAAP:
        return (uint32_t)x->dcbaap;
    case DCBAAP_HIGH:
        return (uint32_t)(x->dcbaap >> 32);
    case CONFIG:
        return x->config;
    default:
        return 0;
    }
}

static uint32_t read_mfindex(const struct xhci *x) {
    uint64_t since = x->usbcmd & CMD_RUN ? clock_now(x->clock) - x->start : 0;
    return (uint32_t)(since / NS_PER_MICROFRAME & ((1u << MFINDEX_BITS) - 1));
}

static uint64_t xhci_read(void *dev, uint64_t off, unsigned size) {
    struct xhci *x = dev;
    unsigned at = (unsigned)off & ~3u, port = (at - PORTS) / 16;
    if (msix_covers(&x->msix, off))
        return msix_read(&x->msix, off, size);
    if (at < OPERATIONAL)
        return read_capability(x, at);
    if (at < PORTS)
        return read_operational(x, at);
    if (port < x->usb2 + x->usb3)
        return at % 16 ? 0 : x->port[port].portsc;
    if (at == RUNTIME)
        return read_mfindex(x);
    if (at >= INTRS && at < INTRS + 32 * XHCI_INTRS)
        return xhci_intr_read(x, (at - INTRS) / 32, at % 32);
    return 0;
}

static const struct io_ops xhci_ops = {.read = xhci_read, .write = xhci_write, .min = 4, .max = 4};

static void config_wrote(void *dev, unsigned off, unsigned len) {
    struct xhci *x = dev;
    if (x->nec)
        msi_config_wrote(&x->msi, off, len);
    msix_config_wrote(&x->msix, off, len);
    if (off <= PCI_COMMAND && x->usbcmd & CMD_RUN) {
        xhci_ports_tell(x);
        xhci_all_due(x);
    }
    xhci_work(x);
}

/* ---- life ---- */

static void xhci_reset(void *dev) {
    struct xhci *x = dev;
    power_on(x);
    pci_reset(&x->pci);
    msix_reset(&x->msix);
    xhci_update(x);
}

static bool xhci_idle(void *dev) {
    return xhci_transfers_idle(dev);
}

static void xhci_free(void *dev) {
    struct xhci *x = dev;
    cancel_all(x);
    timer_off(&x->timer);
    for (unsigned i = 0; i < x->places; i++)
        if (x->place[i].device)
            x->place[i].device->port = NULL;
    pci_remove(&x->pci);
    mem_free(x->transfer);
    mem_free(x);
}

/* What was due goes on when the machine runs again, and not before. */
static bool xhci_loaded(void *dev, char *why, size_t why_len) {
    struct xhci *x = dev;
    if (!xhci_events_loaded(x, why, why_len))
        return false;
    for (unsigned i = 0; i < XHCI_SLOTS; i++)
        if (x->slot[i].port >= x->usb2 + x->usb3) {
            snprintf(why, why_len, "slot %u: a device on port %u of %u", i + 1, x->slot[i].port + 1,
                     x->usb2 + x->usb3);
            return false;
        }
    x->usbcmd &= CMD_STORED;
    x->usbsts &= STS_W1C | STS_HCH;
    x->commands &= ~(uint64_t)0xe;
    if ((x->usbcmd & (CMD_RUN | CMD_EWE)) != (CMD_RUN | CMD_EWE))
        x->wrap_at = TIMER_NEVER;
    xhci_ports_loaded(x);
    if (x->nec)
        msi_loaded(&x->msi);
    msix_loaded(&x->msix);
    pci_loaded(&x->pci);
    bool line = false;
    for (unsigned i = 0; i < XHCI_INTRS; i++)
        line |= x->intr[i].iman == (IMAN_IP | IMAN_IE) && x->usbcmd & CMD_INTE;
    pci_irq_restore(&x->pci, line);
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        x->slot[i].due &= ~UINT32_C(1); /* there is no endpoint 0 */
        x->due_slots |= x->slot[i].due ? UINT64_C(1) << i : 0;
    }
    if (x->commands_due || x->due_slots || xhci_moderated(x) != TIMER_NEVER ||
        x->wrap_at != TIMER_NEVER)
        timer_at(&x->timer, clock_now(x->clock));
    return true;
}

static const struct state xhci_state = {"xhci", 1, xhci_fields, xhci_loaded};

const struct device_ops xhci_device = {
    .name = "xhci", .state = &xhci_state, .reset = xhci_reset, .idle = xhci_idle,
    .free = xhci_free,
};

static void init_function(struct xhci *x, const struct xhci_pins *pins) {
    const struct pci_id id = {
        .vendor = x->nec ? 0x1033 : 0x1b36, .device = x->nec ? 0x0194 : 0x000d,
        .sub_vendor = 0x1af4, .subsystem = 0x1100, .class_ = 0x0c03, .prog_if = 0x30,
        .revision = x->nec ? 3 : 1, .int_pin = 1};
    pci_init(&x->pci, "xhci", &id, x);
    x->pci.qdev_id = pins->qdev_id ? pins->qdev_id : "";
    x->pci.config[SBRN] = SBRN_USB_3_0;
    x->pci.config_wrote = config_wrote;
    x->region = (struct io_region){.name = "xHCI", .ops = &xhci_ops, .dev = x};
    pci_add_bar(&x->pci, 0, PCI_BAR_MEM, BAR_SIZE, &x->region);
    msix_add(&x->msix, &x->pci, MSIX_AT, XHCI_INTRS, 0, MSIX_TABLE, MSIX_PBA);
    if (x->nec)
        msi_add(&x->msi, &x->pci, MSI_AT, XHCI_INTRS, MSI_64);
}

struct xhci *xhci_new(const struct xhci_pins *pins) {
    struct xhci *x = mem_new(sizeof(*x));
    x->clock = pins->clock;
    x->nec = pins->nec;
    x->usb2 = pins->usb2;
    x->usb3 = pins->usb3;
    init_function(x, pins);
    if (!pci_add(pins->pci, &x->pci, pins->devfn)) {
        mem_free(x);
        return NULL;
    }
    x->transfer = mem_new(XHCI_TRANSFERS * sizeof(*x->transfer));
    timer_init(&x->timer, pins->clock, timer_expired, x);
    xhci_ports_init(x);
    xhci_reset(x);
    return x;
}

struct usb_port *xhci_ports(struct xhci *x, unsigned *count) {
    *count = x->places;
    return x->place;
}

struct pci_function *xhci_function(struct xhci *x) {
    return &x->pci;
}
