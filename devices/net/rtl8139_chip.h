/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of an RTL8139C+: what its registers (rtl8139.c), its receiver (rtl8139_rx.c) and its
 * transmitter (rtl8139_tx.c) share. Names are those of the RTL8139C(L)+ datasheet, 5 and 6.
 */
#ifndef NET_RTL8139_CHIP_H
#define NET_RTL8139_CHIP_H

#include "core/log.h"
#include "net/eeprom93c46.h"
#include "net/nic.h"

enum { /* offsets */
    IDR0 = 0x00, MAR0 = 0x08, TSD0 = 0x10, TSAD0 = 0x20, RBSTART = 0x30, ERBCR = 0x34, CR = 0x37,
    CAPR = 0x38, CBR = 0x3a, IMR = 0x3c, ISR = 0x3e, TCR = 0x40, RCR = 0x44, TCTR = 0x48,
    MPC = 0x4c, EECR = 0x50, CONFIG0 = 0x51, CONFIG1 = 0x52, TIMERINT = 0x54, MSR = 0x58,
    CONFIG3 = 0x59, CONFIG4 = 0x5a, MULINT = 0x5c, RERID = 0x5e, TSAD = 0x60, BMCR = 0x62,
    BMSR = 0x64, ANAR = 0x66, ANLPAR = 0x68, ANER = 0x6a, DIS = 0x6c, FCSC = 0x6e, NWAYTR = 0x70,
    REC = 0x72, CSCR = 0x74, PHY1_PARM = 0x78, TW_PARM = 0x7c, PHY2_PARM = 0x80, CRC0 = 0x84,
    CONFIG5 = 0xd8, TPPOLL = 0xd9, CPCR = 0xe0, RDSAR = 0xe4, ETTHR = 0xec, REGISTERS = 0x100,
};

enum { CR_BUFE = 0x01, CR_TE = 0x04, CR_RE = 0x08, CR_RST = 0x10 };

enum {
    INT_ROK = 0x0001, INT_RER = 0x0002, INT_TOK = 0x0004, INT_TER = 0x0008, INT_RDU = 0x0010,
    INT_LINK = 0x0020, INT_FOVW = 0x0040, INT_TDU = 0x0080, INT_SW = 0x0100, INT_TIMEOUT = 0x4000,
    INT_SERR = 0x8000, INT_BITS = 0xe1ff,
};

enum { TSD_SIZE = 0x1fff, TSD_OWN = 0x2000, TSD_TUN = 0x4000, TSD_TOK = 0x8000,
       TSD_ERTXTH = 0x003f0000, TSD_TABT = 0x40000000 };

enum { TCR_LBK = 0x00060000, TCR_RW = 0x030f07f0, TCR_VERSION = 0x74800000 };

enum { RCR_AAP = 0x01, RCR_APM = 0x02, RCR_AM = 0x04, RCR_AB = 0x08, RCR_AR = 0x10,
       RCR_WRAP = 0x80, RCR_RBLEN = 11, RCR_RW = 0x0f03ffbf };

enum { CPCR_TX = 0x01, CPCR_RX = 0x02, CPCR_RX_CHECKSUM = 0x20, CPCR_RX_VLAN = 0x40,
       CPCR_RW = 0x027b };

enum { RINGS = 2 /* normal and high priority */, RING = 64 /* descriptors */, DESCRIPTOR = 16,
       RX_MAX = 1518 /* a tagged frame without its FCS */, RX_MIN = 60, FCS = 4 };

struct tally {
    uint64_t tx_ok, rx_ok, tx_err, rx_ok_phy, rx_ok_brd;
    uint32_t rx_err, rx_ok_mul, one_col, more_cols;
    uint16_t miss, fae, aborted, underrun;
};

struct rtl8139 {
    struct pci_function pci;
    /* registers */
    uint8_t idr[8]; /* the last two are holes */
    uint64_t mar;
    uint32_t tsd[4], tsad[4]; /* tsd[0], [1] are DTCCR, tsad TNPDS and THPDS in C+ mode */
    uint32_t rbstart;
    uint8_t cr;
    uint16_t capr, cbr, imr, isr;
    uint32_t tcr, rcr, mpc, timer_int;
    uint8_t eecr, config0, config1, config3, config4, config5, msr;
    uint16_t mulint, bmcr, anar, nwaytr, cscr;
    uint32_t phy1, tw, phy2;
    uint64_t wake[10]; /* CRCs, masks and bytes of wake-up frames: 84 to d3 */
    uint16_t cpcr;
    uint32_t rdsar[2];
    uint8_t etthr;
    struct tally tally;
    struct eeprom eeprom;
    /* hidden state */
    uint8_t tx_next;          /* which of the four is sent next */
    uint8_t ring_next[RINGS]; /* C+ transmitter */
    uint8_t rx_next;          /* C+ receiver */
    uint8_t polled;           /* rings that were asked to go, a bit each */
    bool tx_waits;            /* the link had no room */
    bool rx_starved;          /* no descriptor was there, and the driver was told so */
    uint32_t segment;         /* of a long frame, where the link had no room */
    uint32_t patience;        /* ns until an empty ring is looked at without being told; 0: it is
                               * not empty */
    uint32_t untold;          /* frames that were sent since ISR.TOK was set */
    struct timer hold;        /* until then the line does not rise for ISR.TOK alone */
    struct timer retry;
    struct timer counter;     /* TCTR: when it will have counted COUNTER_SPAN; never queued */
    /* wires and derived */
    struct timer timeout;     /* TCTR reaches TimerInt */
    struct timer resume;      /* after a load: sends what had no room */
    struct net *net;
    uint8_t mac[6];
    struct io_region io, memory, rom;
    struct log_limit odd;
};

void rtl8139_update_irq(struct rtl8139 *s);
void rtl8139_sent(struct rtl8139 *s); /* a frame: sets ISR.TOK */
static inline void rtl8139_raise(struct rtl8139 *s, unsigned bits) {
    s->isr |= (uint16_t)bits;
    rtl8139_update_irq(s);
}

/* rtl8139_rx.c */
bool rtl8139_rx_empty(const struct rtl8139 *s); /* CR.BUFE */
void rtl8139_listen(struct rtl8139 *s);         /* something changed that may let frames in */
void rtl8139_arrived(void *dev);
void rtl8139_fed(struct rtl8139 *s);            /* the driver did something: its ring may be full */
void rtl8139_look_again(void *dev);             /* the timer `retry` */
/* A frame of our own comes back (TCR.LBK). */
void rtl8139_loop_back(struct rtl8139 *s, const struct iovec *iov, unsigned n);

/* rtl8139_tx.c */
void rtl8139_transmit(struct rtl8139 *s); /* all that can go, as long as the link has room */
void rtl8139_sendable(void *dev);

static inline bool rtl8139_plus(const struct rtl8139 *s) {
    return s->cpcr & (CPCR_TX | CPCR_RX);
}

#endif
