/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the 82540EM share. Names and numbers are those of chapter 13 of the "PCI/PCI-X
 * Family of Gigabit Ethernet Controllers Software Developer's Manual" (Intel 317453).
 */
#ifndef DEVICES_NET_E1000_CHIP_H
#define DEVICES_NET_E1000_CHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/io.h"
#include "core/log.h"
#include "core/net_frame.h"
#include "core/pci.h"
#include "core/state.h"
#include "net/e1000.h"
#include "net/eeprom93c46.h"

enum { /* table 13-2: register offsets */
    CTRL = 0x0000, CTRL_DUP = 0x0004, STATUS = 0x0008, EECD = 0x0010, EERD = 0x0014,
    CTRL_EXT = 0x0018, MDIC = 0x0020, ICR = 0x00c0, ITR = 0x00c4, ICS = 0x00c8, IMS = 0x00d0,
    IMC = 0x00d8, RCTL = 0x0100, TCTL = 0x0400, RDBAL = 0x2800, RDBAH = 0x2804, RDLEN = 0x2808,
    RDH = 0x2810, RDT = 0x2818, RDTR = 0x2820, TDBAL = 0x3800, TDBAH = 0x3804, TDLEN = 0x3808,
    TDH = 0x3810, TDT = 0x3818, TIDV = 0x3820, STATISTICS = 0x4000, RXCSUM = 0x5000, MTA = 0x5200,
    RA = 0x5400, VFTA = 0x5600,
};

enum { /* 13.4.1 */
    CTRL_VME = 1 << 30, CTRL_RST = 1 << 26, CTRL_EXT_EE_RST = 1 << 13,
};
#define CTRL_PHY_RST (1u << 31)
enum { STATUS_LU = 0x02, STATUS_FIXED = 0x0781 /* full duplex, 1000 Mb/s, as detected */ };

enum { /* 13.4.17 */
    CAUSE_TXDW = 0x00001, CAUSE_TXQE = 0x00002, CAUSE_LSC = 0x00004, CAUSE_RXDMT0 = 0x00010,
    CAUSE_RXO = 0x00040, CAUSE_RXT0 = 0x00080, CAUSE_MDAC = 0x00200, CAUSE_TXD_LOW = 0x08000,
    CAUSE_SRPD = 0x10000,
    /* with bit 5, which the manual reserves: the self-test of Linux' driver raises each of 9:0 */
    CAUSES = 0x1f7ff,
};

enum { /* 13.4.22 */
    RCTL_EN = 1 << 1, RCTL_UPE = 1 << 3, RCTL_MPE = 1 << 4, RCTL_LPE = 1 << 5,
    RCTL_RDMTS_SHIFT = 8, RCTL_MO_SHIFT = 12, RCTL_BAM = 1 << 15, RCTL_BSIZE_SHIFT = 16,
    RCTL_VFE = 1 << 18, RCTL_CFIEN = 1 << 19, RCTL_CFI = 1 << 20, RCTL_DPF = 1 << 22,
    RCTL_PMCF = 1 << 23, RCTL_BSEX = 1 << 25, RCTL_SECRC = 1 << 26, RCTL_LBM = 3 << 6,
};
enum { TCTL_EN = 1 << 1, TCTL_PSP = 1 << 3 };
enum { RXCSUM_IPOFL = 1 << 8, RXCSUM_TUOFL = 1 << 9 };
#define DELAY_FPD (1u << 31) /* RDTR and TIDV */
#define RAH_AV (1u << 31)

enum { DESCRIPTOR = 16, DESC_DD = 1, DESC_EOP = 2 };

enum { /* 13.7, as words from 0x4000 on */
    MPC = 0x10 / 4, PRC64 = 0x5c / 4, GPRC = 0x74 / 4, BPRC = 0x78 / 4, MPRC = 0x7c / 4,
    GPTC = 0x80 / 4, GORCL = 0x88 / 4, GOTCL = 0x90 / 4, RNBC = 0xa0 / 4, RUC = 0xa4 / 4,
    ROC = 0xac / 4, TORL = 0xc0 / 4, TOTL = 0xc8 / 4, TPR = 0xd0 / 4, TPT = 0xd4 / 4,
    PTC64 = 0xd8 / 4, MPTC = 0xf0 / 4, BPTC = 0xf4 / 4, TSCTC = 0xf8 / 4, STAT_WORDS = 64,
};

enum { DELAY_UNIT = 1024 /* ns: of RDTR, RADV, TIDV, TADV */ };

enum { FCS = 4, FRAME_MIN = 60, FRAME_MAX = 1522, JUMBO_MAX = 16384 };

enum { PHY_REGS = 32, RA_ENTRIES = 16, TABLE_WORDS = 128, TX_PARTS = 128 };

/* 13.5: registers of the PHY, an M88E1011 */
enum { PHY_BMCR = 0, PHY_BMSR = 1, PHY_PSSR = 17 };
enum { BMCR_LOOPBACK = 0x4000, BMSR_LINK = 0x0004 };

/* A context descriptor (3.3.6): what is to be done for frames that refer to it. */
struct e1000_context {
    uint8_t ipcss, ipcso, tucss, tucso, hdrlen;
    uint16_t ipcse, tucse, mss;
    uint32_t paylen;
    bool tcp;
};

/* The frame whose descriptors are being read; memory is held only while it is sent. */
struct e1000_tx {
    uint64_t addr[TX_PARTS];
    uint32_t len[TX_PARTS];
    uint32_t parts, bytes;
    bool begun, tse, sum_ip, sum_l4, legacy, overlong;
    bool stalled;     /* complete; the link had no room for it */
    uint32_t segment; /* of it, to go on with */
    uint8_t cmd, cso, css; /* of its last descriptor */
    uint16_t special;
};

struct e1000 {
    struct pci_function pci;
    /* registers */
    uint32_t ctrl, eecd, eerd, ctrl_ext, mdic, fcal, fcah, fct, vet, fcttv, txcw, itr;
    uint32_t icr, ims, rctl, tctl, tipg, tbt, ait, ledctl, pba, fcrtl, fcrth;
    uint32_t rdfh, rdft, rdfhs, rdfts, rdfpc, rdbal, rdbah, rdlen, rdh, rdt, rdtr, rxdctl, radv;
    uint32_t rsrpd, txdmac, tdfh, tdft, tdfhs, tdfts, tdfpc, tdbal, tdbah, tdlen, tdh, tdt, tidv;
    uint32_t txdctl, tadv, tspmt, rxcsum, wuc, wufc, wus, manc, ipav, wupl, ioaddr;
    uint32_t ra[2 * RA_ENTRIES], mta[TABLE_WORDS], vfta[TABLE_WORDS], stats[STAT_WORDS];
    uint16_t phy[PHY_REGS];
    /* hidden state */
    bool fell; /* the link, since BMSR was read */
    struct eeprom eeprom;
    struct e1000_context context[2]; /* [1]: of segmentation */
    struct e1000_tx tx;
    bool throttled;         /* an interrupt waits for the end of ITR's interval */
    struct timer throttle;  /* its end */
    struct timer rx_delay, rx_absolute, tx_delay, tx_absolute;
    uint32_t tx_untold; /* descriptors that were done since the tx_delay began */
    struct timer autoneg;
    /* wires and derived */
    struct clock *clock;
    struct net *net;
    uint8_t mac[6];
    struct timer tx_more; /* the rest of a very long queue */
    bool sending, up;
    struct io_region memory, io, rom;
    struct log_limit odd;
};

extern const struct field e1000_tx_fields[], e1000_context_fields[];

/* e1000.c */
void e1000_cause(struct e1000 *s, uint32_t causes);
void e1000_count(struct e1000 *s, unsigned stat, uint64_t n);
void e1000_count64(struct e1000 *s, unsigned stat, uint64_t n);
/* The statistics of n frames of `len` bytes each, without FCS. */
void e1000_count_frame(struct e1000 *s, bool tx, const uint8_t *dest, size_t len, unsigned n);
/* A cause after a delay of `wait` ns, which begins anew each time but for `limit` ns at most (0:
 * for ever). */
void e1000_delay(struct timer *delay, struct timer *absolute, uint64_t wait, uint64_t limit);
/* A descriptor is done whose driver wants to know soon, but not at once (IDE). */
void e1000_tx_note(struct e1000 *s);

/* e1000_phy.c: the EEPROM, and the PHY behind MDIC */
void e1000_eeprom_burn(struct e1000 *s); /* as it leaves the factory */
void e1000_eecd_write(struct e1000 *s, uint32_t val);
uint32_t e1000_eecd_read(const struct e1000 *s);
void e1000_eerd_write(struct e1000 *s, uint32_t val);
void e1000_mdic_write(struct e1000 *s, uint32_t val);
void e1000_phy_reset(struct e1000 *s);
void e1000_phy_negotiate(struct e1000 *s); /* the link is down meanwhile */
/* s->up is what cable and negotiation say; no interrupt. */
void e1000_link_settle(struct e1000 *s);
void e1000_link_changed(struct e1000 *s);
void e1000_negotiated(void *dev);

/* e1000_tx.c */
void e1000_tx_go(void *dev);
/* The link has room again, or there is more to send. */
void e1000_tx_resume(void *dev);

/* e1000_rx.c */
void e1000_rx_settle(struct e1000 *s); /* listens or not */
void e1000_rx_arrived(void *dev);
/* A frame that was sent in loopback. */
void e1000_rx_loop(struct e1000 *s, const struct iovec *iov, unsigned n);

#endif
