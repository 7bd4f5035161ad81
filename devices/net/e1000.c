/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82540EM: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual"
 * (317453); sections cited are its. Registers, interrupts and life are here; the EEPROM and the PHY
 * in e1000_phy.c, the rings in e1000_tx.c and e1000_rx.c.
 *
 * Not modelled: power management and wake-up (the registers store), the flash, the packet buffer
 * behind 0x10000, flow control on the wire, speeds below 1 Gb/s, MSI (drivers of this card use the
 * line).
 */
#include "net/e1000.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/regs.h"
#include "net/e1000_chip.h"

enum { MEMORY_SIZE = 0x20000, IO_SIZE = 64, IOADDR = 0, IODATA = 4 };

static const struct field e1000_fields[] = {
    F_STRUCT(struct e1000, pci, pci_fields), F(struct e1000, ctrl),
    F(struct e1000, eecd), F(struct e1000, eerd), F(struct e1000, ctrl_ext),
    F(struct e1000, mdic), F(struct e1000, fcal), F(struct e1000, fcah), F(struct e1000, fct),
    F(struct e1000, vet), F(struct e1000, fcttv), F(struct e1000, txcw), F(struct e1000, itr),
    F(struct e1000, icr), F(struct e1000, ims), F(struct e1000, rctl), F(struct e1000, tctl),
    F(struct e1000, tipg), F(struct e1000, tbt), F(struct e1000, ait), F(struct e1000, ledctl),
    F(struct e1000, pba), F(struct e1000, fcrtl), F(struct e1000, fcrth), F(struct e1000, rdfh),
    F(struct e1000, rdft), F(struct e1000, rdfhs), F(struct e1000, rdfts),
    F(struct e1000, rdfpc), F(struct e1000, rdbal), F(struct e1000, rdbah),
    F_MAX(struct e1000, rdlen, 0xfff80), F_MAX(struct e1000, rdh, 0xffff),
    F_MAX(struct e1000, rdt, 0xffff), F(struct e1000, rdtr), F(struct e1000, rxdctl),
    F(struct e1000, radv), F(struct e1000, rsrpd), F(struct e1000, txdmac),
    F(struct e1000, tdfh), F(struct e1000, tdft), F(struct e1000, tdfhs), F(struct e1000, tdfts),
    F(struct e1000, tdfpc), F(struct e1000, tdbal), F(struct e1000, tdbah),
    F_MAX(struct e1000, tdlen, 0xfff80), F_MAX(struct e1000, tdh, 0xffff),
    F_MAX(struct e1000, tdt, 0xffff), F(struct e1000, tidv), F(struct e1000, txdctl),
    F(struct e1000, tadv), F(struct e1000, tspmt), F(struct e1000, rxcsum), F(struct e1000, wuc),
    F(struct e1000, wufc), F(struct e1000, wus), F(struct e1000, manc), F(struct e1000, ipav),
    F(struct e1000, wupl), F(struct e1000, ioaddr), F_ARRAY(struct e1000, ra),
    F_ARRAY(struct e1000, mta), F_ARRAY(struct e1000, vfta), F_ARRAY(struct e1000, stats),
    F_ARRAY(struct e1000, phy), F(struct e1000, fell),
    F_STRUCT(struct e1000, eeprom, eeprom_fields),
    F_STRUCTS(struct e1000, context, e1000_context_fields),
    F_STRUCT(struct e1000, tx, e1000_tx_fields), F(struct e1000, throttled),
    F_TIMER(struct e1000, throttle), F_TIMER(struct e1000, rx_delay),
    F_TIMER(struct e1000, rx_absolute), F_TIMER(struct e1000, tx_delay),
    F_TIMER(struct e1000, tx_absolute), F_MAX(struct e1000, tx_untold, 0xffff),
    F_TIMER(struct e1000, autoneg), F_END};

/* ---- interrupts: 3.2.7, 3.4.3, 13.4.17 to 13.4.21 ---- */

/* Takes a timer off the clock and keeps its time: who asks for it later compares. */
static void keep_time(struct timer *timer, uint64_t deadline) {
    timer_off(timer);
    timer->deadline = deadline;
}

/* Until ITR's interval is over the line does not rise again; only then is there a timer. */
static bool too_early(struct e1000 *s, uint64_t now) {
    return s->itr && timer_is_on(&s->throttle) && s->throttle.deadline > now;
}

static void update_irq(struct e1000 *s) {
    bool wanted = s->icr & s->ims;
    if (wanted == s->pci.intx && !s->throttled)
        return;
    if (!wanted) {
        if (s->throttled)
            keep_time(&s->throttle, s->throttle.deadline);
        s->throttled = false;
        pci_irq(&s->pci, false);
        return;
    }
    uint64_t now = s->itr ? clock_now(s->clock) : 0;
    if (too_early(s, now)) {
        if (!s->throttled)
            timer_at(&s->throttle, s->throttle.deadline);
        s->throttled = true;
        return;
    }
    keep_time(&s->throttle, s->itr ? now + s->itr * UINT64_C(256) : TIMER_NEVER);
    s->throttled = false;
    pci_irq(&s->pci, true);
}

static void interval_over(void *dev) {
    update_irq(dev);
}

/* ICR is read or the line rises for another reason: what waits for its delay goes with it. */
static void take_tx(struct e1000 *s) {
    if (!timer_is_on(&s->tx_delay))
        return;
    timer_off(&s->tx_delay);
    timer_off(&s->tx_absolute);
    s->tx_untold = 0;
    s->icr |= CAUSE_TXDW;
}

void e1000_cause(struct e1000 *s, uint32_t causes) {
    s->icr |= causes & CAUSES;
    if (s->icr & s->ims)
        take_tx(s);
    update_irq(s);
}

void e1000_delay(struct timer *delay, struct timer *absolute, uint64_t wait, uint64_t limit) {
    uint64_t now = clock_now(delay->clock), at = now + wait;
    if (limit && !timer_is_on(absolute))
        keep_time(absolute, now + limit);
    if (limit)
        at = MIN(at, absolute->deadline);
    timer_at(delay, at);
}

static void rx_waited(void *dev) {
    struct e1000 *s = dev;
    timer_off(&s->rx_delay);
    timer_off(&s->rx_absolute);
    e1000_cause(s, CAUSE_RXT0);
}

static void tx_waited(void *dev) {
    struct e1000 *s = dev;
    take_tx(s);
    s->icr |= CAUSE_TXDW;
    update_irq(s);
}

/* Nobody is woken for a cause that is masked; it is there when it no longer is. */
static void settle_tx_delay(struct e1000 *s) {
    if (!timer_is_on(&s->tx_delay))
        return;
    if (!(s->ims & CAUSE_TXDW))
        keep_time(&s->tx_delay, s->tx_delay.deadline);
    else if (s->tx_delay.deadline <= clock_now(s->clock))
        tx_waited(s);
    else
        timer_restore(&s->tx_delay);
}

/*
 * Drivers ask for 8 us, which is much on a wire that takes 12 us for a frame, and nothing beside
 * the five exits of an interrupt. What a driver has sent is of no hurry to it, unless its ring gets
 * full: it waits as long as between two interrupts of drivers under load (4000 a second).
 */
void e1000_tx_note(struct e1000 *s) {
    enum { WAIT = 250000 };
    uint64_t wait = (s->tidv & 0xffff) * DELAY_UNIT, limit = (s->tadv & 0xffff) * DELAY_UNIT;
    if (++s->tx_untold >= s->tdlen / DESCRIPTOR / 2) {
        take_tx(s);
        s->tx_untold = 0;
        e1000_cause(s, CAUSE_TXDW);
        return;
    }
    if (wait <= WAIT && timer_is_on(&s->tx_delay))
        return;
    e1000_delay(&s->tx_delay, &s->tx_absolute, MAX(wait, (uint64_t)WAIT),
                limit ? MAX(limit, (uint64_t)WAIT) : 0);
    settle_tx_delay(s);
}

/* ---- statistics: 13.7 ---- */

void e1000_count(struct e1000 *s, unsigned stat, uint64_t n) {
    s->stats[stat] = (uint32_t)MIN(s->stats[stat] + n, (uint64_t)UINT32_MAX);
}

void e1000_count64(struct e1000 *s, unsigned stat, uint64_t n) {
    uint64_t v = (s->stats[stat] | (uint64_t)s->stats[stat + 1] << 32) + n;
    s->stats[stat] = (uint32_t)v;
    s->stats[stat + 1] = (uint32_t)(v >> 32);
}

/* Which of the six buckets of lengths with FCS; above 1522 the last one takes them, too. */
static unsigned bucket(size_t len) {
    static const uint16_t up_to[] = {64, 127, 255, 511, 1023};
    unsigned i = 0;
    while (i < ARRAY_LEN(up_to) && len > up_to[i])
        i++;
    return i;
}

void e1000_count_frame(struct e1000 *s, bool tx, const uint8_t *dest, size_t len, unsigned n) {
    uint64_t bytes = (uint64_t)n * (len + FCS);
    e1000_count(s, (tx ? PTC64 : PRC64) + bucket(len + FCS), n);
    e1000_count(s, tx ? GPTC : GPRC, n);
    e1000_count64(s, tx ? GOTCL : GORCL, bytes);
    if (net_is_broadcast(dest))
        e1000_count(s, tx ? BPTC : BPRC, n);
    else if (net_is_multicast(dest))
        e1000_count(s, tx ? MPTC : MPRC, n);
    if (tx) {
        e1000_count(s, TPT, n);
        e1000_count64(s, TOTL, bytes);
    }
}

/* A read clears; of those with 64 bits the high half clears both. */
static uint32_t read_stat(struct e1000 *s, unsigned stat) {
    uint32_t val = s->stats[stat];
    if (stat == GORCL || stat == GOTCL || stat == TORL || stat == TOTL)
        return val;
    if (stat == GORCL + 1 || stat == GOTCL + 1 || stat == TORL + 1 || stat == TOTL + 1)
        s->stats[stat - 1] = 0;
    s->stats[stat] = 0;
    return val;
}

/* ---- registers that store ---- */

static void rctl_wrote(void *dev, uint64_t old) {
    (void)old;
    e1000_rx_settle(dev);
}

static void abandon_tx(struct e1000 *s) {
    memset(&s->tx, 0, sizeof(s->tx));
}

static void tctl_wrote(void *dev, uint64_t old) {
    struct e1000 *s = dev;
    if (old & TCTL_EN && !(s->tctl & TCTL_EN))
        abandon_tx(s);
    e1000_tx_go(s);
}

static void tdh_wrote(void *dev, uint64_t old) {
    (void)old;
    abandon_tx(dev);
}

static void rdtr_wrote(void *dev, uint64_t old) {
    struct e1000 *s = dev;
    (void)old;
    if (s->rdtr & DELAY_FPD && timer_is_on(&s->rx_delay))
        rx_waited(s);
    s->rdtr &= ~DELAY_FPD;
}

static void tidv_wrote(void *dev, uint64_t old) {
    struct e1000 *s = dev;
    (void)old;
    if (s->tidv & DELAY_FPD && timer_is_on(&s->tx_delay))
        tx_waited(s);
    s->tidv &= ~DELAY_FPD;
}

static void itr_wrote(void *dev, uint64_t old) {
    struct e1000 *s = dev;
    (void)old;
    if (!s->itr)
        timer_off(&s->throttle);
    update_irq(s);
}

static void load_address(struct e1000 *s) {
    s->ra[0] = load_le32(s->mac);
    s->ra[1] = load_le16(s->mac + 4) | RAH_AV;
}

static void ctrl_ext_wrote(void *dev, uint64_t old) {
    struct e1000 *s = dev;
    (void)old;
    if (s->ctrl_ext & CTRL_EXT_EE_RST)
        load_address(s);
    s->ctrl_ext &= ~(uint32_t)CTRL_EXT_EE_RST;
}

#define ROW(member, offset, ...) REG(struct e1000, member, offset, __VA_ARGS__)

static const struct reg regs[] = {
    ROW(eerd, EERD),
    ROW(ctrl_ext, CTRL_EXT, .rw = 0x0fffffff, .wrote = ctrl_ext_wrote),
    ROW(mdic, MDIC, .reset = 0x10000000),
    ROW(fcal, 0x0028, .rw = 0xffffffff),
    ROW(fcah, 0x002c, .rw = 0xffff),
    ROW(fct, 0x0030, .rw = 0xffff),
    ROW(vet, 0x0038, .reset = NET_ETH_VLAN, .rw = 0xffff),
    ROW(itr, ITR, .rw = 0xffff, .wrote = itr_wrote),
    ROW(rctl, RCTL, .rw = 0x07fffffe, .wrote = rctl_wrote),
    ROW(fcttv, 0x0170, .rw = 0xffff),
    ROW(txcw, 0x0178, .rw = 0xc000ffff),
    ROW(tctl, TCTL, .rw = 0x03fffffa, .wrote = tctl_wrote),
    ROW(tipg, 0x0410, .reset = 0x00602008, .rw = 0x3fffffff),
    ROW(tbt, 0x0448, .rw = 0xffffffff),
    ROW(ait, 0x0458, .rw = 0xffff),
    ROW(ledctl, 0x0e00, .reset = 0x07068302, .rw = 0xcfcfcfcf),
    ROW(pba, 0x1000, .reset = 0x00100030, .rw = 0xffff),
    ROW(fcrtl, 0x2160, .rw = 0x8000fff8),
    ROW(fcrth, 0x2168, .rw = 0xfff8),
    ROW(rdfh, 0x2410, .rw = 0x1fff),
    ROW(rdft, 0x2418, .rw = 0x1fff),
    ROW(rdfhs, 0x2420, .rw = 0x1fff),
    ROW(rdfts, 0x2428, .rw = 0x1fff),
    ROW(rdfpc, 0x2430, .rw = 0x1fff),
    ROW(rdbal, RDBAL, .rw = 0xfffffff0),
    ROW(rdbah, RDBAH, .rw = 0xffffffff),
    ROW(rdlen, RDLEN, .rw = 0xfff80, .wrote = rctl_wrote),
    ROW(rdh, RDH, .rw = 0xffff, .wrote = rctl_wrote),
    ROW(rdtr, RDTR, .rw = 0x8000ffff, .wrote = rdtr_wrote),
    ROW(rxdctl, 0x2828, .reset = 0x01000000, .rw = 0x013f3f3f),
    ROW(radv, 0x282c, .rw = 0xffff),
    ROW(rsrpd, 0x2c00, .rw = 0xfff),
    ROW(txdmac, 0x3000, .rw = 1),
    ROW(tdfh, 0x3410, .rw = 0x1fff),
    ROW(tdft, 0x3418, .rw = 0x1fff),
    ROW(tdfhs, 0x3420, .rw = 0x1fff),
    ROW(tdfts, 0x3428, .rw = 0x1fff),
    ROW(tdfpc, 0x3430, .rw = 0x1fff),
    ROW(tdbal, TDBAL, .rw = 0xfffffff0),
    ROW(tdbah, TDBAH, .rw = 0xffffffff),
    ROW(tdlen, TDLEN, .rw = 0xfff80),
    ROW(tdh, TDH, .rw = 0xffff, .wrote = tdh_wrote),
    ROW(tidv, TIDV, .rw = 0x8000ffff, .wrote = tidv_wrote),
    ROW(txdctl, 0x3828, .rw = 0xff3f3f3f),
    ROW(tadv, 0x382c, .rw = 0xffff),
    ROW(tspmt, 0x3830, .reset = 0x01000400, .rw = 0xffffffff),
    ROW(rxcsum, RXCSUM, .rw = 0x7ff),
    ROW(wuc, 0x5800, .rw = 0x0f),
    ROW(wufc, 0x5808, .rw = 0x000f80ff),
    ROW(wus, 0x5810, .w1c = 0xffffffff),
    ROW(manc, 0x5820, .rw = 0xffffffff),
    ROW(ipav, 0x5838, .rw = 0x1000f),
    ROW(wupl, 0x5900),
};

/* ---- reset: 14.4 ---- */

static void stop(struct e1000 *s) {
    struct timer *const timers[] = {&s->throttle, &s->rx_delay, &s->rx_absolute, &s->tx_delay,
                                    &s->tx_absolute, &s->tx_more};
    for (unsigned i = 0; i < ARRAY_LEN(timers); i++)
        timer_off(timers[i]);
}

/* CTRL.RST: all but the PHY, and what PCI is. */
static void software_reset(struct e1000 *s) {
    stop(s);
    regs_reset(regs, ARRAY_LEN(regs), s);
    s->ctrl = 0x00000201; /* full duplex, speed as detected */
    s->icr = s->ims = s->rdt = s->tdt = s->eecd = 0;
    eeprom_wires(&s->eeprom, false, false, false);
    memset(s->ra, 0, sizeof(s->ra));
    memset(s->mta, 0, sizeof(s->mta));
    memset(s->vfta, 0, sizeof(s->vfta));
    memset(s->stats, 0, sizeof(s->stats));
    memset(s->context, 0, sizeof(s->context));
    abandon_tx(s);
    load_address(s);
    s->throttled = false;
    s->tx_untold = 0;
    update_irq(s);
    e1000_link_settle(s);
}

static void ctrl_write(struct e1000 *s, uint32_t val) {
    if (val & CTRL_RST) {
        software_reset(s);
        return;
    }
    s->ctrl = val & ~CTRL_PHY_RST;
    if (val & CTRL_PHY_RST) {
        e1000_phy_reset(s);
        e1000_phy_negotiate(s);
    }
}

/* ---- registers that act ---- */

static uint64_t e1000_read(void *dev, uint64_t off, unsigned size) {
    struct e1000 *s = dev;
    uint32_t val;
    (void)size;
    off &= ~UINT64_C(3);
    switch (off) {
    case ICR:
        take_tx(s);
        val = s->icr;
        s->icr = 0;
        update_irq(s);
        return val;
    case CTRL:
    case CTRL_DUP:
        return s->ctrl;
    case STATUS:
        return STATUS_FIXED | (s->up ? STATUS_LU : 0);
    case EECD:
        return e1000_eecd_read(s);
    case IMS:
        return s->ims;
    case RDT:
        return s->rdt;
    case TDT:
        return s->tdt;
    }
    if (off >= STATISTICS && off < STATISTICS + 4 * STAT_WORDS)
        return read_stat(s, (unsigned)(off - STATISTICS) / 4);
    if (off >= MTA && off < MTA + 4 * TABLE_WORDS)
        return s->mta[(off - MTA) / 4];
    if (off >= RA && off < RA + 8 * RA_ENTRIES)
        return s->ra[(off - RA) / 4];
    if (off >= VFTA && off < VFTA + 4 * TABLE_WORDS)
        return s->vfta[(off - VFTA) / 4];
    return regs_read(regs, ARRAY_LEN(regs), s, off, 4);
}

static void write_table(struct e1000 *s, uint64_t off, uint32_t val) {
    if (off >= MTA && off < MTA + 4 * TABLE_WORDS)
        s->mta[(off - MTA) / 4] = val;
    else if (off >= RA && off < RA + 8 * RA_ENTRIES)
        s->ra[(off - RA) / 4] = off & 4 ? val & 0x8003ffff : val;
    else if (off >= VFTA && off < VFTA + 4 * TABLE_WORDS)
        s->vfta[(off - VFTA) / 4] = val;
    else
        regs_write(regs, ARRAY_LEN(regs), s, off, 4, val);
}

static void e1000_write(void *dev, uint64_t off, unsigned size, uint64_t value) {
    struct e1000 *s = dev;
    uint32_t val = (uint32_t)value;
    (void)size;
    off &= ~UINT64_C(3);
    switch (off) {
    case TDT:
        s->tdt = val & 0xffff;
        e1000_tx_go(s);
        break;
    case RDT:
        s->rdt = val & 0xffff;
        e1000_rx_settle(s);
        break;
    case IMS:
        s->ims |= val & CAUSES;
        settle_tx_delay(s);
        update_irq(s);
        break;
    case IMC:
        s->ims &= ~val;
        settle_tx_delay(s);
        update_irq(s);
        break;
    case ICS:
        e1000_cause(s, val);
        break;
    case ICR:
        s->icr &= ~val;
        update_irq(s);
        break;
    case CTRL:
    case CTRL_DUP:
        ctrl_write(s, val);
        break;
    case EECD:
        e1000_eecd_write(s, val);
        break;
    case EERD:
        e1000_eerd_write(s, val);
        break;
    case MDIC:
        e1000_mdic_write(s, val);
        break;
    default:
        write_table(s, off, val);
    }
}

static const struct io_ops memory_ops = {
    .read = e1000_read, .write = e1000_write, .min = 4, .max = 4};

/* ---- the same through two ports: 13.2.1 ---- */

static uint64_t io_read_port(void *dev, uint64_t off, unsigned size) {
    struct e1000 *s = dev;
    if (off == IOADDR)
        return s->ioaddr;
    if (off == IODATA && s->ioaddr < MEMORY_SIZE)
        return e1000_read(s, s->ioaddr, size);
    return 0;
}

static void io_write_port(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct e1000 *s = dev;
    if (off == IOADDR)
        s->ioaddr = (uint32_t)val;
    else if (off == IODATA && s->ioaddr < MEMORY_SIZE)
        e1000_write(s, s->ioaddr, size, val);
}

static const struct io_ops io_ops = {
    .read = io_read_port, .write = io_write_port, .min = 4, .max = 4};

/* ---- life ---- */

static void link_wire(void *dev, bool up) {
    (void)up;
    e1000_link_changed(dev);
}

static void config_wrote(void *dev, unsigned off, unsigned len) {
    struct e1000 *s = dev;
    if (off >= PCI_COMMAND + 2 || off + len <= PCI_COMMAND)
        return;
    e1000_rx_settle(s);
    e1000_tx_go(s);
}

static void e1000_reset(void *dev) {
    struct e1000 *s = dev;
    pci_reset(&s->pci);
    s->ioaddr = 0;
    eeprom_reset(&s->eeprom);
    e1000_eeprom_burn(s);
    software_reset(s);
    e1000_phy_reset(s);
}

static bool e1000_loaded(void *dev, char *why, size_t why_len) {
    struct e1000 *s = dev;
    (void)why, (void)why_len;
    pci_loaded(&s->pci);
    s->throttled = s->throttled && s->icr & s->ims && !s->pci.intx;
    if (!s->throttled)
        keep_time(&s->throttle, s->throttle.deadline);
    keep_time(&s->rx_absolute, s->rx_absolute.deadline);
    keep_time(&s->tx_absolute, s->tx_absolute.deadline);
    if (!(s->ims & CAUSE_TXDW))
        keep_time(&s->tx_delay, s->tx_delay.deadline);
    pci_irq_restore(&s->pci, s->pci.intx && s->icr & s->ims);
    bool fell = s->fell; /* not by this load */
    e1000_link_settle(s);
    s->fell = fell;
    if (s->tdh != s->tdt)
        timer_after(&s->tx_more, 0);
    return true;
}

static void e1000_free(void *dev) {
    struct e1000 *s = dev;
    stop(s);
    timer_off(&s->autoneg);
    net_listen(s->net, false);
    if (s->net)
        s->net->user = (struct net_user){0};
    pci_remove(&s->pci);
    mem_free(s);
}

static const struct state e1000_state = {"e1000", 1, e1000_fields, e1000_loaded};

const struct device_ops e1000_device = {
    .name = "e1000", .state = &e1000_state, .reset = e1000_reset, .free = e1000_free};

static void init_timers(struct e1000 *s) {
    timer_init(&s->throttle, s->clock, interval_over, s);
    timer_init(&s->rx_delay, s->clock, rx_waited, s);
    timer_init(&s->rx_absolute, s->clock, rx_waited, s);
    timer_init(&s->tx_delay, s->clock, tx_waited, s);
    timer_init(&s->tx_absolute, s->clock, tx_waited, s);
    timer_init(&s->tx_more, s->clock, e1000_tx_resume, s);
    timer_init(&s->autoneg, s->clock, e1000_negotiated, s);
}

void *e1000_new(const struct nic_pins *pins) {
    static const struct pci_id id = {.vendor = 0x8086, .device = 0x100e, .sub_vendor = 0x1af4,
                                     .subsystem = 0x1100, .class_ = 0x0200, .revision = 3,
                                     .int_pin = 1};
    struct e1000 *s = mem_new(sizeof(*s));
    pci_init(&s->pci, "e1000", &id, s);
    s->pci.qdev_id = pins->qdev_id;
    s->pci.config_wrote = config_wrote;
    s->pci.hotplug = true;
    s->clock = pins->clock;
    s->net = pins->net;
    memcpy(s->mac, pins->mac, sizeof(s->mac));
    s->memory = (struct io_region){.name = "e1000", .ops = &memory_ops, .dev = s};
    s->io = (struct io_region){.name = "e1000 I/O", .ops = &io_ops, .dev = s};
    pci_add_bar(&s->pci, 0, PCI_BAR_MEM, MEMORY_SIZE, &s->memory);
    pci_add_bar(&s->pci, 1, PCI_BAR_IO, IO_SIZE, &s->io);
    if (pins->rom)
        pci_add_rom(&s->pci, &s->rom, pins->rom, pins->rom_len);
    if (!pci_add(pins->pci, &s->pci, pins->devfn)) {
        mem_free(s);
        return NULL;
    }
    init_timers(s);
    if (s->net)
        s->net->user = (struct net_user){.dev = s, .arrived = e1000_rx_arrived,
                                         .sendable = e1000_tx_resume, .link = link_wire};
    net_accept(s->net, NET_CSUM);
    e1000_reset(s);
    return s;
}

struct pci_function *e1000_function(void *dev) {
    return &((struct e1000 *)dev)->pci;
}
