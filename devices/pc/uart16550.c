/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * National Semiconductor PC16550D, "Universal Asynchronous Receiver/Transmitter with FIFOs" (1995);
 * sections cited are of its chapter 8, "Registers".
 *
 * Not modelled: the time a character takes on the line (what is written is sent at once, as long as
 * the other end takes it), parity and framing errors, DMA mode. The modem's lines always say that
 * somebody is ready: a guest that waits for a carrier would hang where nobody looks at its console.
 */
#include "pc/uart16550.h"

#include "core/bits.h"
#include "core/fifo.h"
#include "core/mem.h"

enum { /* offsets; with DLAB set 0 and 1 are the divisor latch */
    RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7, PORTS = 8,
};

enum { IER_ERBFI = 0x01, IER_ETBEI = 0x02, IER_ELSI = 0x04, IER_EDSSI = 0x08, IER_BITS = 0x0f };

enum { /* IIR, table II */
    IIR_MODEM = 0x00, IIR_NONE = 0x01, IIR_THRE = 0x02, IIR_DATA = 0x04, IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c, IIR_FIFOS = 0xc0,
};

enum { FCR_ENABLE = 0x01, FCR_RX_RESET = 0x02, FCR_TX_RESET = 0x04, FCR_STORED = 0xc9 };

enum { LCR_WORD = 0x03, LCR_STOP = 0x04, LCR_PARITY = 0x08, LCR_DLAB = 0x80 };

enum { MCR_DTR = 0x01, MCR_RTS = 0x02, MCR_OUT1 = 0x04, MCR_OUT2 = 0x08, MCR_LOOP = 0x10,
       MCR_BITS = 0x1f };

enum { LSR_DR = 0x01, LSR_OE = 0x02, LSR_ERRORS = 0x1e, LSR_THRE = 0x20, LSR_TEMT = 0x40 };

enum {
    MSR_DCTS = 0x01, MSR_DDSR = 0x02, MSR_TERI = 0x04, MSR_DDCD = 0x08, MSR_DELTAS = 0x0f,
    MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80,
};

enum { DEPTH = 16, DIVISOR_9600 = 12, CLOCK_HZ = 1843200 };

struct uart16550 {
    /* registers */
    uint8_t ier, fcr, lcr, mcr, msr, scr;
    uint8_t errors; /* of LSR */
    uint16_t divisor;
    /* hidden state */
    struct fifo rx, tx; /* without FIFOs the holding registers: one byte deep */
    uint8_t rbr;        /* the byte read last */
    bool thre_pending, timeout_pending;
    struct timer timeout;
    /* wires and derived */
    struct uart16550_pins pins;
    struct timer resume; /* after a load: sends what was on its way */
    struct io_region region;
};

static const struct field fields[] = {
    F_MAX(struct uart16550, ier, IER_BITS),
    F(struct uart16550, fcr),
    F(struct uart16550, lcr),
    F_MAX(struct uart16550, mcr, MCR_BITS),
    F(struct uart16550, msr),
    F(struct uart16550, scr),
    F(struct uart16550, errors),
    F(struct uart16550, divisor),
    F_STRUCT(struct uart16550, rx, fifo_fields),
    F_STRUCT(struct uart16550, tx, fifo_fields),
    F(struct uart16550, rbr),
    F(struct uart16550, thre_pending),
    F(struct uart16550, timeout_pending),
    F_TIMER(struct uart16550, timeout),
    F_END,
};

static bool has_fifos(const struct uart16550 *s) {
    return s->fcr & FCR_ENABLE;
}

static unsigned depth(const struct uart16550 *s) {
    return has_fifos(s) ? DEPTH : 1;
}

/* ---- interrupts: 8.6.3, in order of priority ---- */

static unsigned trigger(const struct uart16550 *s) {
    static const uint8_t levels[] = {1, 4, 8, 14};
    return has_fifos(s) ? levels[s->fcr >> 6] : 1;
}

static uint8_t interrupt(const struct uart16550 *s) {
    if (s->ier & IER_ELSI && s->errors & LSR_ERRORS)
        return IIR_LINE;
    if (s->ier & IER_ERBFI && s->rx.count >= trigger(s))
        return IIR_DATA;
    if (s->ier & IER_ERBFI && s->timeout_pending)
        return IIR_TIMEOUT;
    if (s->ier & IER_ETBEI && s->thre_pending)
        return IIR_THRE;
    if (s->ier & IER_EDSSI && s->msr & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_irq(struct uart16550 *s) {
    irq_set(&s->pins.irq, interrupt(s) != IIR_NONE);
}

/* ---- receiving ---- */

/* Four characters of start, data, parity and stop bits, sixteen clocks each. */
static uint64_t timeout_ns(const struct uart16550 *s) {
    unsigned bits = 1 + 5 + (s->lcr & LCR_WORD) + !!(s->lcr & LCR_PARITY) +
                    (s->lcr & LCR_STOP ? 2 : 1);
    return UINT64_C(4) * bits * 16 * MAX(s->divisor, 1) * NS_PER_SEC / CLOCK_HZ;
}

/* 8.10.1: starts anew with each character that comes or goes while some are left below the
 * level. */
static void time_rx(struct uart16550 *s) {
    if (has_fifos(s) && s->rx.count && s->rx.count < trigger(s) && !s->timeout_pending)
        timer_after(&s->timeout, timeout_ns(s));
    else
        timer_off(&s->timeout);
}

static void timed_out(void *dev) {
    struct uart16550 *s = dev;
    s->timeout_pending = true;
    update_irq(s);
}

static size_t rx_room(void *dev) {
    const struct uart16550 *s = dev;
    unsigned max = depth(s);
    return s->mcr & MCR_LOOP || s->rx.count >= max ? 0 : max - s->rx.count;
}

static void rx_bytes(void *dev, const uint8_t *bytes, size_t n) {
    struct uart16550 *s = dev;
    for (size_t i = 0; i < n; i++)
        fifo_put(&s->rx, depth(s), bytes[i]);
    time_rx(s);
    update_irq(s);
}

static uint8_t read_rbr(struct uart16550 *s) {
    if (!s->rx.count)
        return s->rbr;
    s->rbr = fifo_get(&s->rx);
    s->timeout_pending = false;
    time_rx(s);
    update_irq(s);
    if (!s->rx.count)
        chars_accept(s->pins.chars);
    return s->rbr;
}

static void clear_rx(struct uart16550 *s) {
    fifo_reset(&s->rx);
    s->timeout_pending = false;
    timer_off(&s->timeout);
}

/* ---- sending ---- */

/* 8.4: an overrun replaces the character in the holding register, but not those in the FIFO. */
static void loop_back(struct uart16550 *s, uint8_t byte) {
    byte &= (uint8_t)(0x1f << (s->lcr & LCR_WORD) | 0x1f);
    if (fifo_put(&s->rx, depth(s), byte)) {
        time_rx(s);
        return;
    }
    s->errors |= LSR_OE;
    if (!has_fifos(s))
        s->rx.bytes[s->rx.head] = byte;
}

static void send_held(struct uart16550 *s) {
    while (s->tx.count) {
        uint8_t byte = fifo_peek(&s->tx);
        if (!chars_write(s->pins.chars, &byte, 1))
            return;
        fifo_get(&s->tx);
    }
    s->thre_pending = true;
}

/* Straight to the line; what it does not take waits, and what then overflows is lost. */
static void transmit(struct uart16550 *s, const uint8_t *bytes, size_t n) {
    s->thre_pending = false;
    if (s->mcr & MCR_LOOP) {
        for (size_t i = 0; i < n; i++)
            loop_back(s, bytes[i]);
    } else {
        size_t sent = s->tx.count ? 0 : chars_write(s->pins.chars, bytes, n);
        while (sent < n)
            fifo_put(&s->tx, depth(s), bytes[sent++]);
    }
    s->thre_pending = !s->tx.count;
    update_irq(s);
}

static void tx_writable(void *dev) {
    struct uart16550 *s = dev;
    if (!s->tx.count)
        return;
    send_held(s);
    update_irq(s);
}

static void clear_tx(struct uart16550 *s) {
    s->thre_pending |= s->tx.count != 0;
    fifo_reset(&s->tx);
}

/* ---- modem lines ---- */

static uint8_t modem_lines(const struct uart16550 *s) {
    if (!(s->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    /* 8.7: in loopback the four outputs are wired to the four inputs */
    return (uint8_t)((s->mcr & MCR_DTR ? MSR_DSR : 0) | (s->mcr & MCR_RTS ? MSR_CTS : 0) |
                     (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void write_mcr(struct uart16550 *s, uint8_t val) {
    bool looped = s->mcr & MCR_LOOP;
    s->mcr = val & MCR_BITS;
    uint8_t before = s->msr & (uint8_t)~MSR_DELTAS, now = modem_lines(s), changed = before ^ now;
    uint8_t deltas = s->msr & MSR_DELTAS;
    deltas |= (uint8_t)((changed & MSR_CTS ? MSR_DCTS : 0) | (changed & MSR_DSR ? MSR_DDSR : 0) |
                        (changed & before & MSR_RI ? MSR_TERI : 0) |
                        (changed & MSR_DCD ? MSR_DDCD : 0));
    s->msr = now | deltas;
    if (looped && !(s->mcr & MCR_LOOP))
        chars_accept(s->pins.chars);
}

/* ---- registers ---- */

/* 8.5: a change of bit 0 empties both FIFOs; the other bits count only while it is written 1. */
static void write_fcr(struct uart16550 *s, uint8_t val) {
    bool toggled = (s->fcr ^ val) & FCR_ENABLE;
    if (toggled || (val & FCR_ENABLE && val & FCR_RX_RESET))
        clear_rx(s);
    if (toggled || (val & FCR_ENABLE && val & FCR_TX_RESET))
        clear_tx(s);
    s->fcr = val & FCR_ENABLE ? val & FCR_STORED : 0;
    time_rx(s);
    chars_accept(s->pins.chars);
}

static void write_ier(struct uart16550 *s, uint8_t val) {
    uint8_t on = val & (uint8_t)~s->ier;
    s->ier = val & IER_BITS;
    /* 8.10.2: enabling it while the transmitter is empty interrupts at once */
    if (on & IER_ETBEI && !s->tx.count)
        s->thre_pending = true;
}

static uint8_t read_iir(struct uart16550 *s) {
    uint8_t source = interrupt(s);
    if (source == IIR_THRE)
        s->thre_pending = false;
    update_irq(s);
    return source | (has_fifos(s) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart16550 *s) {
    uint8_t val = s->errors | (s->rx.count ? LSR_DR : 0) |
                  (s->tx.count ? 0 : LSR_THRE | LSR_TEMT);
    s->errors = 0;
    update_irq(s);
    return val;
}

static uint8_t read_msr(struct uart16550 *s) {
    uint8_t val = s->msr;
    s->msr &= (uint8_t)~MSR_DELTAS;
    update_irq(s);
    return val;
}

static uint64_t uart_read(void *dev, uint64_t off, unsigned size) {
    struct uart16550 *s = dev;
    bool dlab = s->lcr & LCR_DLAB;
    (void)size;
    switch (off) {
    case RBR_THR:
        return dlab ? s->divisor & 0xff : read_rbr(s);
    case IER:
        return dlab ? s->divisor >> 8 : s->ier;
    case IIR_FCR:
        return read_iir(s);
    case LCR:
        return s->lcr;
    case MCR:
        return s->mcr;
    case LSR:
        return read_lsr(s);
    case MSR:
        return read_msr(s);
    default:
        return s->scr;
    }
}

static void uart_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct uart16550 *s = dev;
    bool dlab = s->lcr & LCR_DLAB;
    uint8_t byte = (uint8_t)val;
    (void)size;
    switch (off) {
    case RBR_THR:
        if (dlab)
            s->divisor = (uint16_t)((s->divisor & 0xff00) | byte);
        else
            transmit(s, &byte, 1);
        break;
    case IER:
        if (dlab)
            s->divisor = (uint16_t)((s->divisor & 0x00ff) | byte << 8);
        else
            write_ier(s, byte);
        break;
    case IIR_FCR:
        write_fcr(s, byte);
        break;
    case LCR:
        s->lcr = byte;
        break;
    case MCR:
        write_mcr(s, byte);
        break;
    case SCR:
        s->scr = byte;
        break;
    }
    update_irq(s);
}

static unsigned uart_read_string(void *dev, uint64_t off, unsigned size, void *buf, unsigned n) {
    struct uart16550 *s = dev;
    uint8_t *to = buf;
    if (off != RBR_THR || size != 1 || s->lcr & LCR_DLAB)
        return 0;
    for (unsigned i = 0; i < n; i++)
        to[i] = read_rbr(s);
    return n;
}

static unsigned uart_write_string(void *dev, uint64_t off, unsigned size, const void *buf,
                                  unsigned n) {
    struct uart16550 *s = dev;
    if (off != RBR_THR || size != 1 || s->lcr & LCR_DLAB)
        return 0;
    transmit(s, buf, n);
    return n;
}

static const struct io_ops uart_ops = {
    .read = uart_read, .write = uart_write, .read_string = uart_read_string,
    .write_string = uart_write_string, .min = 1, .max = 1};

/* ---- life: table I, "Reset" ---- */

static void uart_reset(void *dev) {
    struct uart16550 *s = dev;
    s->ier = s->fcr = s->lcr = s->mcr = s->scr = s->errors = s->rbr = 0;
    s->msr = modem_lines(s);
    s->divisor = DIVISOR_9600;
    clear_rx(s);
    fifo_reset(&s->tx);
    timer_off(&s->resume);
    s->thre_pending = false;
    update_irq(s);
    chars_accept(s->pins.chars);
}

static bool uart_loaded(void *dev, char *why, size_t why_len) {
    struct uart16550 *s = dev;
    (void)why, (void)why_len;
    timer_restore(&s->timeout);
    irq_restore(&s->pins.irq, interrupt(s) != IIR_NONE);
    if (s->tx.count)
        timer_after(&s->resume, 0);
    return true;
}

static void uart_free(void *dev) {
    struct uart16550 *s = dev;
    timer_off(&s->timeout);
    timer_off(&s->resume);
    io_unmap(&s->region);
    if (s->pins.chars)
        s->pins.chars->user = (struct chars_user){0};
    mem_free(s);
}

static const struct state state = {"uart16550", 1, fields, uart_loaded};

const struct device_ops uart16550_device = {
    .name = "uart16550", .state = &state, .reset = uart_reset, .free = uart_free};

struct uart16550 *uart16550_new(const struct uart16550_pins *pins) {
    struct uart16550 *s = mem_new(sizeof(*s));
    s->pins = *pins;
    timer_init(&s->timeout, pins->clock, timed_out, s);
    timer_init(&s->resume, pins->clock, tx_writable, s);
    if (pins->chars)
        pins->chars->user = (struct chars_user){
            .dev = s, .room = rx_room, .received = rx_bytes, .writable = tx_writable};
    io_map_new(pins->io, &s->region, "serial port", &uart_ops, s, IO_PORT, pins->base, PORTS);
    uart_reset(s);
    return s;
}
