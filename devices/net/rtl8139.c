/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Realtek RTL8139C(L)+ (10ec:8139, revision 20): "RTL8139C(L)+ Advanced Fast Ethernet Controller"
 * (2001) and, for what both have, "RTL8139C(L)" (2002); sections cited are of the former. The two
 * data paths are in rtl8139_rx.c and rtl8139_tx.c.
 *
 * Not modelled: early interrupts and thresholds, collisions, the wire's speed, wake-up frames and
 * power states, CardBus registers, the boot flash's window. The FCS that a received frame ends with
 * is zeros: no driver looks at it. While there is no room for a frame it waits on the host and is
 * not missed.
 */
#include "net/rtl8139.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/regs.h"
#include "net/rtl8139_chip.h"

enum { EEM = 0xc0, EEM_LOAD = 0x40, EEM_PROGRAM = 0x80, EEM_UNLOCK = 0xc0, EECS = 0x08,
       EESK = 0x04, EEDI = 0x02, EEDO = 0x01 };

enum { TPPOLL_HPQ = 0x80, TPPOLL_NPQ = 0x40, TPPOLL_SW = 0x01, DTCCR_CMD = 0x08 };

enum { MSR_TXFCE = 0x80, MSR_RXFCE = 0x40, MSR_AUX = 0x10, MSR_LINKB = 0x04 };

enum { BMCR_RESET = 0x8000, BMCR_ANE = 0x1000, BMCR_RESTART = 0x0200, BMCR_RW = 0x3100,
       BMSR_ABLE = 0x7809, BMSR_DONE = 0x0020, BMSR_LINK = 0x0004, CSCR_STATUS = 0x0008 };

enum { TICK_NS = 30 /* of TCTR: the PCI clock */, ROM_BAR = PCI_BAR_ROM };
#define COUNTER_SPAN (UINT64_C(1) << 62)

static const struct field tally_fields[] = {
    F(struct tally, tx_ok), F(struct tally, rx_ok), F(struct tally, tx_err),
    F(struct tally, rx_ok_phy), F(struct tally, rx_ok_brd), F(struct tally, rx_err),
    F(struct tally, rx_ok_mul), F(struct tally, one_col), F(struct tally, more_cols),
    F(struct tally, miss), F(struct tally, fae), F(struct tally, aborted),
    F(struct tally, underrun), F_END
};

static const struct field fields[] = {
    F_STRUCT(struct rtl8139, pci, pci_fields), F_BYTES(struct rtl8139, idr),
    F(struct rtl8139, mar), F_ARRAY(struct rtl8139, tsd), F_ARRAY(struct rtl8139, tsad),
    F(struct rtl8139, rbstart), F_MAX(struct rtl8139, cr, CR_TE | CR_RE), F(struct rtl8139, capr),
    F(struct rtl8139, cbr), F(struct rtl8139, imr), F(struct rtl8139, isr), F(struct rtl8139, tcr),
    F(struct rtl8139, rcr), F(struct rtl8139, mpc), F(struct rtl8139, timer_int),
    F(struct rtl8139, eecr), F(struct rtl8139, config0), F(struct rtl8139, config1),
    F(struct rtl8139, config3), F(struct rtl8139, config4), F(struct rtl8139, config5),
    F(struct rtl8139, msr), F(struct rtl8139, mulint), F(struct rtl8139, bmcr),
    F(struct rtl8139, anar), F(struct rtl8139, nwaytr), F(struct rtl8139, cscr),
    F(struct rtl8139, phy1), F(struct rtl8139, tw), F(struct rtl8139, phy2),
    F_ARRAY(struct rtl8139, wake), F(struct rtl8139, cpcr), F_ARRAY(struct rtl8139, rdsar),
    F(struct rtl8139, etthr), F_STRUCT(struct rtl8139, tally, tally_fields),
    F_STRUCT(struct rtl8139, eeprom, eeprom_fields), F_MAX(struct rtl8139, tx_next, 3),
    F_ARRAY_MAX(struct rtl8139, ring_next, RING - 1), F_MAX(struct rtl8139, rx_next, RING - 1),
    F_MAX(struct rtl8139, polled, 3), F(struct rtl8139, tx_waits), F(struct rtl8139, rx_starved),
    F(struct rtl8139, segment), F_MAX(struct rtl8139, patience, NS_PER_SEC),
    F_MAX(struct rtl8139, untold, RING), F_TIMER(struct rtl8139, hold),
    F_TIMER(struct rtl8139, retry), F_TIMER(struct rtl8139, counter),
    F_TIMER(struct rtl8139, timeout), F_END
};

/* ---- interrupts ---- */

static bool line(const struct rtl8139 *s) {
    unsigned wanted = s->isr & s->imr;
    return wanted & ~(unsigned)INT_TOK || (wanted && !timer_is_on(&s->hold));
}

void rtl8139_update_irq(struct rtl8139 *s) {
    if (!(s->isr & s->imr & INT_TOK))
        timer_off(&s->hold);
    pci_irq(&s->pci, line(s));
}

/*
 * What a driver has sent is of no hurry to it, unless it has no descriptor left, and an interrupt
 * costs it as much as several frames: it comes when two long frames would have gone over the wire,
 * or with any other. ISR says it at once to those that look.
 */
void rtl8139_sent(struct rtl8139 *s) {
    enum { HOLD = 250000 };
    unsigned many = s->cpcr & CPCR_TX ? RING / 2 : 2;
    bool first = !(s->isr & INT_TOK);
    s->isr |= INT_TOK;
    s->untold = first ? 1 : MIN(s->untold + 1, (uint32_t)RING);
    if (s->untold >= many)
        timer_off(&s->hold);
    else if (first && s->imr & INT_TOK && !s->pci.intx)
        timer_after(&s->hold, HOLD);
}

static void held(void *dev) {
    rtl8139_update_irq(dev);
}

static bool link_up(const struct rtl8139 *s) {
    return s->net && s->net->link_up;
}

/* ---- the timer: 5.18, 5.24; it runs down once, and again after its bit was cleared ---- */

static uint64_t ticks(const struct rtl8139 *s) {
    uint64_t now = clock_now(s->counter.clock);
    return (now + COUNTER_SPAN - s->counter.deadline) / TICK_NS;
}

static void time_out(struct rtl8139 *s) {
    if (!s->timer_int || s->isr & INT_TIMEOUT) {
        timer_off(&s->timeout);
        return;
    }
    uint64_t now = ticks(s);
    uint32_t left = s->timer_int - (uint32_t)now;
    uint64_t at = now + (left ? left : UINT64_C(1) << 32);
    timer_at(&s->timeout, s->counter.deadline - COUNTER_SPAN + at * TICK_NS);
}

static void timed_out(void *dev) {
    rtl8139_raise(dev, INT_TIMEOUT);
}

static void restart_counter(struct rtl8139 *s) {
    s->counter.deadline = clock_now(s->counter.clock) + COUNTER_SPAN;
    time_out(s);
}

/* ---- EEPROM and what it holds: 6, "EEPROM (93C46) contents" ---- */

static void burn(struct rtl8139 *s) {
    static const uint16_t head[] = {0x8129, 0x10ec, 0x8139, 0x1af4, 0x1100, 0x4020, 0x01e1};
    uint16_t *words = s->eeprom.words;
    memset(words, 0, sizeof(s->eeprom.words));
    memcpy(words, head, sizeof(head));
    for (unsigned i = 0; i < 3; i++)
        words[7 + i] = load_le16(s->mac + 2 * i);
    words[10] = 0x0c00; /* CONFIG1, CONFIG0 */
}

static void autoload(struct rtl8139 *s) {
    for (unsigned i = 0; i < 3; i++)
        store_le16(s->idr + 2 * i, s->eeprom.words[7 + i]);
    s->config0 = (uint8_t)s->eeprom.words[10];
    s->config1 = (uint8_t)(s->eeprom.words[10] >> 8 | 0x0c); /* I/O and memory are mapped */
    s->config3 = (uint8_t)(s->eeprom.words[6] >> 8);
    s->config4 = s->config5 = 0;
}

static void write_eecr(struct rtl8139 *s, uint8_t val) {
    s->eecr = val & (EEM | EECS | EESK | EEDI);
    bool program = (val & EEM) == EEM_PROGRAM;
    eeprom_wires(&s->eeprom, program && val & EECS, val & EESK, val & EEDI);
    if ((val & EEM) == EEM_LOAD) {
        autoload(s);
        s->eecr = 0;
    }
}

static uint64_t fetch_eecr(void *dev) {
    const struct rtl8139 *s = dev;
    bool program = (s->eecr & EEM) == EEM_PROGRAM;
    return s->eecr | (program && s->eeprom.data_out ? EEDO : 0);
}

/* ---- reset ---- */

static void phy_reset(struct rtl8139 *s) {
    s->bmcr = BMCR_ANE;
    s->anar = 0x05e1;
    s->nwaytr = 0;
    s->cscr = 0x03c0;
}

/* CR.RST, 5.7: the addresses and configuration stay. */
static void soft_reset(struct rtl8139 *s) {
    for (unsigned i = 0; i < 4; i++) {
        s->tsd[i] = TSD_OWN;
        s->tsad[i] = 0;
    }
    s->rbstart = 0;
    s->cr = 0;
    s->capr = 0xfff0;
    s->cbr = s->imr = s->isr = s->mulint = s->cpcr = 0;
    s->tcr = 0x00000700;
    s->rcr = s->mpc = s->timer_int = 0;
    s->rdsar[0] = s->rdsar[1] = 0;
    s->etthr = s->tx_next = s->ring_next[0] = s->ring_next[1] = s->rx_next = s->polled = 0;
    s->tx_waits = s->rx_starved = false;
    s->segment = s->patience = 0;
    timer_off(&s->retry);
    timer_off(&s->hold);
    s->untold = 0;
    s->msr = MSR_TXFCE | MSR_RXFCE;
    timer_off(&s->resume);
    restart_counter(s);
    phy_reset(s);
    rtl8139_update_irq(s);
    rtl8139_listen(s);
}

/* ---- commands ---- */

enum { STALE = 1024 };

static void write_cr(struct rtl8139 *s, uint8_t val) {
    if (val & CR_RST) {
        soft_reset(s);
        return;
    }
    uint8_t on = val & (uint8_t)~s->cr;
    s->cr = val & (CR_TE | CR_RE);
    if (on & CR_RE) {
        s->rx_next = 0;
        /* what came while nobody wanted it is not heard */
        for (unsigned i = 0; i < STALE && net_receive(s->net, NULL, 0, NULL); i++)
            ;
    }
    if (on & CR_TE)
        s->tx_next = s->ring_next[0] = s->ring_next[1] = 0;
    rtl8139_fed(s);
}

/* 5.3: to a multiple of 64 bytes; the layout is that of table 3. */
static void dump_tally(struct rtl8139 *s) {
    uint8_t b[64];
    const struct tally *t = &s->tally;
    store_le64(b, t->tx_ok);
    store_le64(b + 8, t->rx_ok);
    store_le64(b + 16, t->tx_err);
    store_le32(b + 24, t->rx_err);
    store_le16(b + 28, t->miss);
    store_le16(b + 30, t->fae);
    store_le32(b + 32, t->one_col);
    store_le32(b + 36, t->more_cols);
    store_le64(b + 40, t->rx_ok_phy);
    store_le64(b + 48, t->rx_ok_brd);
    store_le32(b + 56, t->rx_ok_mul);
    store_le16(b + 60, t->aborted);
    store_le16(b + 62, t->underrun);
    dma_write(&s->pci.dma, (uint64_t)s->tsd[1] << 32 | (s->tsd[0] & ~0x3fu), b, sizeof(b));
    s->tsd[0] &= ~(uint32_t)DTCCR_CMD;
}

static void write_tsd(struct rtl8139 *s, unsigned n, uint32_t val) {
    if (rtl8139_plus(s)) {
        s->tsd[n] = val;
        if (n == 0 && val & DTCCR_CMD)
            dump_tally(s);
        return;
    }
    s->tsd[n] = val & (TSD_SIZE | TSD_OWN | TSD_ERTXTH);
    rtl8139_transmit(s);
}

static void write_tppoll(struct rtl8139 *s, uint8_t val) {
    s->polled |= (uint8_t)((val & TPPOLL_NPQ ? 1 : 0) | (val & TPPOLL_HPQ ? 2 : 0));
    if (val & TPPOLL_SW)
        rtl8139_raise(s, INT_SW);
    if (s->polled)
        rtl8139_transmit(s);
}

static void write_bmcr(void *dev, uint64_t old) {
    struct rtl8139 *s = dev;
    (void)old;
    if (s->bmcr & BMCR_RESET)
        phy_reset(s);
    s->bmcr &= BMCR_RW;
}

/* The driver looks at the card: its ring may have room again. */
static void interrupts_wrote(void *dev, uint64_t old) {
    struct rtl8139 *s = dev;
    (void)old;
    if (s->timer_int)
        time_out(s);
    rtl8139_fed(s);
    rtl8139_update_irq(s);
}

static void timer_wrote(void *dev, uint64_t old) {
    (void)old;
    time_out(dev);
}

static void receiver_wrote(void *dev, uint64_t old) {
    struct rtl8139 *s = dev;
    (void)old;
    rtl8139_fed(s);
}

/* 5.6: where it is writable the ring begins anew. */
static void rbstart_wrote(void *dev, uint64_t old) {
    (void)old;
    rtl8139_listen(dev);
}

static uint64_t fetch_cr(void *dev) {
    const struct rtl8139 *s = dev;
    return s->cr | (rtl8139_rx_empty(s) ? CR_BUFE : 0);
}

static uint64_t fetch_tcr(void *dev) {
    return ((struct rtl8139 *)dev)->tcr | TCR_VERSION;
}

static uint64_t fetch_tctr(void *dev) {
    return (uint32_t)ticks(dev);
}

static uint64_t fetch_msr(void *dev) {
    const struct rtl8139 *s = dev;
    return s->msr | MSR_AUX | (link_up(s) ? 0 : MSR_LINKB);
}

static uint64_t fetch_bmsr(void *dev) {
    const struct rtl8139 *s = dev;
    bool done = link_up(s) && s->bmcr & BMCR_ANE;
    return BMSR_ABLE | (done ? BMSR_DONE : 0) | (link_up(s) ? BMSR_LINK : 0);
}

static uint64_t fetch_anlpar(void *dev) {
    return link_up(dev) ? 0x45e1 : 0;
}

static uint64_t fetch_aner(void *dev) {
    return link_up(dev) ? 0x0001 : 0;
}

static uint64_t fetch_cscr(void *dev) {
    const struct rtl8139 *s = dev;
    return s->cscr | (link_up(s) ? CSCR_STATUS : 0);
}

static uint64_t fetch_rerid(void *dev) {
    (void)dev;
    return 0x10;
}

/* 5.25: four bits each of OWN, TABT, TUN, TOK */
static uint64_t fetch_tsad(void *dev) {
    static const uint32_t bits[] = {TSD_OWN, TSD_TABT, TSD_TUN, TSD_TOK};
    const struct rtl8139 *s = dev;
    unsigned val = 0;
    for (unsigned i = 0; i < 16; i++)
        val |= s->tsd[i % 4] & bits[i / 4] ? 1u << i : 0;
    return val;
}

/* ---- registers ---- */

#define AT(member) offsetof(struct rtl8139, member)
#define ROW(member, offset, ...) REG(struct rtl8139, member, offset, __VA_ARGS__)

/* Writable only while EECR says so. */
static const struct reg locked_regs[] = {
    {"idr0", IDR0, 4, AT(idr[0]), .rw = UINT32_MAX},
    {"idr4", IDR0 + 4, 2, AT(idr[4]), .rw = 0xffff},
    ROW(config0, CONFIG0, .rw = 0),
    ROW(config1, CONFIG1, .rw = 0xf1),
    ROW(config3, CONFIG3, .rw = 0x70),
    ROW(config4, CONFIG4, .rw = 0xff),
    ROW(config5, CONFIG5, .rw = 0x7f),
};

static const struct reg regs[] = {
    ROW(mar, MAR0, .rw = UINT64_MAX),
    {"tsd0", TSD0, 4, AT(tsd[0]), .rw = 0},
    {"tsd1", TSD0 + 4, 4, AT(tsd[1]), .rw = 0},
    {"tsd2", TSD0 + 8, 4, AT(tsd[2]), .rw = 0},
    {"tsd3", TSD0 + 12, 4, AT(tsd[3]), .rw = 0},
    {"tsad0", TSAD0, 4, AT(tsad[0]), .rw = UINT32_MAX},
    {"tsad1", TSAD0 + 4, 4, AT(tsad[1]), .rw = UINT32_MAX},
    {"tsad2", TSAD0 + 8, 4, AT(tsad[2]), .rw = UINT32_MAX},
    {"tsad3", TSAD0 + 12, 4, AT(tsad[3]), .rw = UINT32_MAX},
    ROW(rbstart, RBSTART, .rw = UINT32_MAX, .wrote = rbstart_wrote),
    ROW(cr, CR, .rw = 0, .fetch = fetch_cr),
    ROW(capr, CAPR, .rw = 0xffff, .wrote = receiver_wrote),
    ROW(cbr, CBR, .rw = 0),
    ROW(imr, IMR, .rw = INT_BITS, .wrote = interrupts_wrote),
    ROW(isr, ISR, .w1c = 0xffff, .wrote = interrupts_wrote),
    ROW(tcr, TCR, .rw = TCR_RW, .fetch = fetch_tcr),
    ROW(rcr, RCR, .rw = RCR_RW, .wrote = receiver_wrote),
    {"tctr", TCTR, 4, AT(timer_int), .fetch = fetch_tctr},
    ROW(mpc, MPC, .rw = 0),
    ROW(eecr, EECR, .fetch = fetch_eecr),
    ROW(timer_int, TIMERINT, .rw = UINT32_MAX, .wrote = timer_wrote),
    ROW(msr, MSR, .rw = MSR_TXFCE | MSR_RXFCE, .fetch = fetch_msr),
    ROW(mulint, MULINT, .rw = 0x0fff),
    {"rerid", RERID, 1, AT(cr), .fetch = fetch_rerid},
    {"tsad", TSAD, 2, AT(mulint), .fetch = fetch_tsad},
    ROW(bmcr, BMCR, .rw = BMCR_RW | BMCR_RESET | BMCR_RESTART, .wrote = write_bmcr),
    {"bmsr", BMSR, 2, AT(mulint), .fetch = fetch_bmsr},
    ROW(anar, ANAR, .rw = 0x25ff),
    {"anlpar", ANLPAR, 2, AT(mulint), .fetch = fetch_anlpar},
    {"aner", ANER, 2, AT(mulint), .fetch = fetch_aner},
    ROW(nwaytr, NWAYTR, .rw = 0x00ff),
    ROW(cscr, CSCR, .rw = 0x83e5, .fetch = fetch_cscr),
    ROW(phy1, PHY1_PARM, .rw = UINT32_MAX),
    ROW(tw, TW_PARM, .rw = UINT32_MAX),
    ROW(phy2, PHY2_PARM, .rw = 0xff),
    {"wake0", CRC0, 8, AT(wake[0]), .rw = UINT64_MAX},
    {"wake1", CRC0 + 8, 8, AT(wake[1]), .rw = UINT64_MAX},
    {"wake2", CRC0 + 16, 8, AT(wake[2]), .rw = UINT64_MAX},
    {"wake3", CRC0 + 24, 8, AT(wake[3]), .rw = UINT64_MAX},
    {"wake4", CRC0 + 32, 8, AT(wake[4]), .rw = UINT64_MAX},
    {"wake5", CRC0 + 40, 8, AT(wake[5]), .rw = UINT64_MAX},
    {"wake6", CRC0 + 48, 8, AT(wake[6]), .rw = UINT64_MAX},
    {"wake7", CRC0 + 56, 8, AT(wake[7]), .rw = UINT64_MAX},
    {"wake8", CRC0 + 64, 8, AT(wake[8]), .rw = UINT64_MAX},
    {"wake9", CRC0 + 72, 8, AT(wake[9]), .rw = UINT64_MAX},
    ROW(cpcr, CPCR, .rw = CPCR_RW, .wrote = receiver_wrote),
    {"rdsar0", RDSAR, 4, AT(rdsar[0]), .rw = 0xffffff00, .wrote = receiver_wrote},
    {"rdsar1", RDSAR + 4, 4, AT(rdsar[1]), .rw = UINT32_MAX, .wrote = receiver_wrote},
    ROW(etthr, ETTHR, .rw = 0x3f),
};

/* What interrupt handlers read comes first; the tables have the rest. */
static uint64_t rtl8139_read(void *dev, uint64_t off, unsigned size) {
    struct rtl8139 *s = dev;
    if (off == ISR && size == 2)
        return s->isr;
    if (off == CR && size == 1)
        return fetch_cr(s);
    return regs_read(regs, ARRAY_LEN(regs), s, off, size) |
           regs_read(locked_regs, ARRAY_LEN(locked_regs), s, off, size);
}

/* Registers of a byte that act, wherever in a wider write they are. */
static void write_acting(struct rtl8139 *s, uint64_t off, unsigned size, uint64_t val) {
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(val >> (8 * i));
        switch (off + i) {
        case CR:
            write_cr(s, byte);
            break;
        case TCTR:
            restart_counter(s);
            break;
        case MPC:
            s->mpc = 0;
            break;
        case EECR:
            write_eecr(s, byte);
            break;
        case TPPOLL:
            write_tppoll(s, byte);
            break;
        }
    }
}

static void rtl8139_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct rtl8139 *s = dev;
    if (off >= TSD0 && off < TSAD0) { /* 5.5: by double words only */
        if (size == 4 && off % 4 == 0)
            write_tsd(s, (unsigned)(off - TSD0) / 4, (uint32_t)val);
        return;
    }
    if ((s->eecr & EEM) == EEM_UNLOCK)
        regs_write(locked_regs, ARRAY_LEN(locked_regs), s, off, size, val);
    if (off != TPPOLL || size != 1)
        regs_write(regs, ARRAY_LEN(regs), s, off, size, val);
    write_acting(s, off, size, val);
}

static const struct io_ops register_ops = {
    .read = rtl8139_read, .write = rtl8139_write, .min = 1, .max = 4};

/* ---- life ---- */

static void link_changed(void *dev, bool up) {
    (void)up;
    rtl8139_raise(dev, INT_LINK);
}

static void config_wrote(void *dev, unsigned off, unsigned len) {
    (void)len;
    if (off <= PCI_COMMAND + 1)
        rtl8139_listen(dev);
}

static void resume(void *dev) {
    rtl8139_transmit(dev);
}

static void rtl8139_reset(void *dev) {
    struct rtl8139 *s = dev;
    pci_reset(&s->pci);
    eeprom_reset(&s->eeprom);
    burn(s);
    memset(s->idr, 0, sizeof(s->idr));
    autoload(s);
    s->mar = 0;
    s->eecr = 0;
    s->phy1 = s->tw = s->phy2 = 0;
    memset(s->wake, 0, sizeof(s->wake));
    s->tally = (struct tally){0};
    soft_reset(s);
}

static bool rtl8139_loaded(void *dev, char *why, size_t why_len) {
    struct rtl8139 *s = dev;
    (void)why, (void)why_len;
    pci_loaded(&s->pci);
    timer_restore(&s->timeout);
    timer_restore(&s->retry);
    timer_restore(&s->hold);
    pci_irq_restore(&s->pci, line(s));
    if (s->tx_waits)
        timer_after(&s->resume, 0);
    rtl8139_listen(s);
    return true;
}

static void rtl8139_free(void *dev) {
    struct rtl8139 *s = dev;
    if (s->net) {
        net_listen(s->net, false);
        s->net->user = (struct net_user){0};
    }
    timer_off(&s->timeout);
    timer_off(&s->resume);
    timer_off(&s->retry);
    timer_off(&s->hold);
    pci_remove(&s->pci);
    mem_free(s);
}

static const struct state state = {"rtl8139", 1, fields, rtl8139_loaded};

const struct device_ops rtl8139_device = {
    .name = "rtl8139", .state = &state, .reset = rtl8139_reset, .free = rtl8139_free};

struct pci_function *rtl8139_function(void *dev) {
    return &((struct rtl8139 *)dev)->pci;
}

void *rtl8139_new(const struct nic_pins *pins) {
    static const struct pci_id id = {.vendor = 0x10ec, .device = 0x8139, .sub_vendor = 0x1af4,
                                     .subsystem = 0x1100, .class_ = 0x0200, .revision = 0x20,
                                     .int_pin = 1};
    struct rtl8139 *s = mem_new(sizeof(*s));
    s->net = pins->net;
    memcpy(s->mac, pins->mac, sizeof(s->mac));
    timer_init(&s->counter, pins->clock, NULL, s);
    timer_init(&s->timeout, pins->clock, timed_out, s);
    timer_init(&s->retry, pins->clock, rtl8139_look_again, s);
    timer_init(&s->resume, pins->clock, resume, s);
    timer_init(&s->hold, pins->clock, held, s);
    pci_init(&s->pci, "rtl8139", &id, s);
    s->pci.qdev_id = pins->qdev_id;
    s->pci.config_wrote = config_wrote;
    s->io = (struct io_region){.name = "rtl8139 ports", .ops = &register_ops, .dev = s};
    s->memory = (struct io_region){.name = "rtl8139 memory", .ops = &register_ops, .dev = s};
    pci_add_bar(&s->pci, 0, PCI_BAR_IO, REGISTERS, &s->io);
    pci_add_bar(&s->pci, 1, PCI_BAR_MEM, REGISTERS, &s->memory);
    if (pins->rom)
        pci_add_rom(&s->pci, &s->rom, pins->rom, pins->rom_len);
    if (!pci_add(pins->pci, &s->pci, pins->devfn)) {
        mem_free(s);
        return NULL;
    }
    if (s->net)
        s->net->user = (struct net_user){.dev = s, .arrived = rtl8139_arrived,
                                         .sendable = rtl8139_sendable, .link = link_changed};
    rtl8139_reset(s);
    return s;
}
