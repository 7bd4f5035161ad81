/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82540EM: the serial EEPROM, a 93C46 of 64 words (manual, 5.3 to 5.6), and the PHY, an M88E1011
 * behind MDIC (8.1, 13.4.8, 13.5). Not modelled: the PHY's interrupt, its further pages. What a
 * driver writes into the EEPROM is gone with the next power-on.
 */
#include <string.h>

#include "core/bits.h"
#include "net/e1000_chip.h"

/* ---- the EEPROM ---- */

enum { /* 13.4.3 */
    EECD_SK = 0x01, EECD_CS = 0x02, EECD_DI = 0x04, EECD_DO = 0x08, EECD_FWE = 0x30,
    EECD_REQ = 0x40, EECD_GNT = 0x80, EECD_PRES = 0x100,
};
enum { EERD_START = 0x01, EERD_DONE = 0x10, EERD_ADDR_SHIFT = 8, EERD_DATA_SHIFT = 16 };
enum { EE_CHECKSUM = 0x3f, EE_SUM = 0xbaba };

void e1000_eeprom_burn(struct e1000 *s) {
    /* table 5-2, the words that this board has */
    static const struct {
        uint8_t at;
        uint16_t val;
    } words[] = {
        {0x04, 0xffff}, {0x05, 0xffff}, {0x06, 0xffff}, {0x07, 0xffff}, /* no serdes settings */
        {0x0a, 0x4408}, /* signature; subsystem ids are loaded */
        {0x0b, 0x1100}, {0x0c, 0x1af4}, {0x0d, 0x100e}, {0x0e, 0x8086}, /* as in config space */
        {0x0f, 0x3040}, /* flow control in both directions */
        {0x10, 0x0008}, {0x2f, 0x0602}, /* LEDs */
    };
    uint16_t sum = 0, *ee = s->eeprom.words;
    memset(ee, 0, sizeof(s->eeprom.words));
    for (unsigned i = 0; i < 3; i++)
        ee[i] = load_le16(s->mac + 2 * i);
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        ee[words[i].at] = words[i].val;
    for (unsigned i = 0; i < EE_CHECKSUM; i++)
        sum = (uint16_t)(sum + ee[i]);
    ee[EE_CHECKSUM] = (uint16_t)(EE_SUM - sum);
}

void e1000_eerd_write(struct e1000 *s, uint32_t val) {
    if (!(val & EERD_START))
        return;
    unsigned addr = val >> EERD_ADDR_SHIFT & 0xff;
    uint32_t word = addr < EEPROM_WORDS ? s->eeprom.words[addr] : 0;
    s->eerd = (addr << EERD_ADDR_SHIFT) | word << EERD_DATA_SHIFT | EERD_DONE;
}

void e1000_eecd_write(struct e1000 *s, uint32_t val) {
    s->eecd = val & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ);
    eeprom_wires(&s->eeprom, val & EECD_CS, val & EECD_SK, val & EECD_DI);
}

uint32_t e1000_eecd_read(const struct e1000 *s) {
    return s->eecd | EECD_PRES | (s->eeprom.data_out ? EECD_DO : 0) |
           (s->eecd & EECD_REQ ? EECD_GNT : 0);
}

/* ---- the PHY ---- */

enum { /* 13.4.8 */
    MDIC_DATA = 0xffff, MDIC_REG_SHIFT = 16, MDIC_PHY_SHIFT = 21, MDIC_WRITE = 1 << 26,
    MDIC_READ = 1 << 27, MDIC_READY = 1 << 28, MDIC_INTERRUPT = 1 << 29, MDIC_ERROR = 1 << 30,
    MDIC_PHY_1 = 1,
};
enum { BMCR_RESET = 0x8000, BMCR_AUTONEG = 0x1000, BMCR_RESTART = 0x0200 };
enum { BMSR_DONE = 0x0020, PSSR_LINK = 0x0400, PSSR_RESOLVED = 0x0800 };
enum { AUTONEG_MS = 100 };

static const struct {
    uint16_t reset, rw;
} phy_regs[PHY_REGS] = {
    [PHY_BMCR] = {0x1140, 0x7dc0},
    [PHY_BMSR] = {0x7949, 0}, /* all of 10 and 100, extended status, autonegotiation */
    [2] = {0x0141, 0}, [3] = {0x0c20, 0}, /* M88E1011 */
    [4] = {0x0de1, 0xffff}, /* what we advertise: 10, 100, both pauses */
    [5] = {0x4de1, 0}, [6] = {0x000f, 0}, /* ... and the partner */
    [9] = {0x0e00, 0xff00}, [10] = {0x3c00, 0}, /* 1000BASE-T, both ends */
    [15] = {0x3000, 0},
    [16] = {0x0368, 0xffff}, [PHY_PSSR] = {0xa040, 0}, /* 1000 Mb/s, full duplex, MDI-X */
    [18] = {0x0000, 0xffff}, [20] = {0x0c68, 0xffff}, [22] = {0x0000, 0x00ff},
    [24] = {0x4100, 0xffff}, [29] = {0x0000, 0xffff}, [30] = {0x0000, 0xffff},
};

static bool plugged(const struct e1000 *s) {
    return s->net && s->net->link_up;
}

void e1000_link_settle(struct e1000 *s) {
    bool up = plugged(s) && !timer_is_on(&s->autoneg);
    s->fell |= s->up && !up;
    s->up = up;
    e1000_rx_settle(s);
}

void e1000_link_changed(struct e1000 *s) {
    bool before = s->up;
    e1000_link_settle(s);
    if (before != s->up)
        e1000_cause(s, CAUSE_LSC);
}

void e1000_negotiated(void *dev) {
    struct e1000 *s = dev;
    e1000_link_changed(s);
    e1000_tx_go(s);
}

void e1000_phy_negotiate(struct e1000 *s) {
    timer_after(&s->autoneg, AUTONEG_MS * NS_PER_MS);
    e1000_link_settle(s);
}

void e1000_phy_reset(struct e1000 *s) {
    for (unsigned i = 0; i < PHY_REGS; i++)
        s->phy[i] = phy_regs[i].reset;
    timer_off(&s->autoneg);
    e1000_link_settle(s);
    s->fell = false;
}

/* Link in BMSR stays low until it is read (IEEE 802.3, 22.2.4.2.13). */
static uint16_t phy_read(struct e1000 *s, unsigned reg) {
    uint16_t val = s->phy[reg];
    if (reg == PHY_PSSR && s->up)
        val |= PSSR_LINK | PSSR_RESOLVED;
    if (reg != PHY_BMSR)
        return val;
    if (s->up && !s->fell)
        val |= BMSR_LINK | BMSR_DONE;
    s->fell = false;
    return val;
}

static void phy_write(struct e1000 *s, unsigned reg, uint16_t val) {
    uint16_t rw = phy_regs[reg].rw;
    s->phy[reg] = (uint16_t)((s->phy[reg] & ~rw) | (val & rw));
    if (reg != PHY_BMCR)
        return;
    if (val & BMCR_RESET) {
        e1000_phy_reset(s);
        e1000_phy_negotiate(s);
    } else if (val & BMCR_RESTART && val & BMCR_AUTONEG) {
        e1000_phy_negotiate(s);
    }
}

void e1000_mdic_write(struct e1000 *s, uint32_t val) {
    unsigned reg = val >> MDIC_REG_SHIFT & (PHY_REGS - 1);
    s->mdic = (val & 0x23ffffff) | MDIC_READY | (val & (MDIC_READ | MDIC_WRITE));
    if ((val >> MDIC_PHY_SHIFT & 0x1f) != MDIC_PHY_1)
        s->mdic |= MDIC_ERROR; /* nobody answers */
    if (!(s->mdic & MDIC_ERROR) && val & MDIC_READ)
        s->mdic = (s->mdic & ~(uint32_t)MDIC_DATA) | phy_read(s, reg);
    else if (!(s->mdic & MDIC_ERROR) && val & MDIC_WRITE)
        phy_write(s, reg, (uint16_t)val);
    if (val & MDIC_INTERRUPT)
        e1000_cause(s, CAUSE_MDAC);
}
