/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network interface's rings as bytes. Documents: xen/io/netif.h, xen/io/ring.h. A slot is
 * copied out once and read from the copy; a ring is one page.
 */
#ifndef DEVICES_PV_NETIF_H
#define DEVICES_PV_NETIF_H

enum { NETIF_REQ_PROD = 0, NETIF_REQ_EVENT = 4, NETIF_RSP_PROD = 8, NETIF_RSP_EVENT = 12,
       NETIF_SLOTS_AT = 64, NETIF_SLOTS = 256, NETIF_TX_SLOT = 12, NETIF_RX_SLOT = 8 };

enum { /* of tx requests: gref 4, offset 2, flags 2, id 2, size 2; answers: id 2, status 2 */
    NETTX_CSUM_BLANK = 1, NETTX_VALIDATED = 2, NETTX_MORE = 4, NETTX_EXTRA = 8,
};
enum { /* of rx answers: id 2, offset 2, flags 2, status 2; requests: id 2, pad 2, gref 4 */
    NETRX_VALIDATED = 1, NETRX_CSUM_BLANK = 2, NETRX_MORE = 4, NETRX_EXTRA = 8,
};
enum { /* extra info: type 1, flags 1, then by type */
    NETEXTRA_GSO = 1, NETEXTRA_MCAST_ADD = 2, NETEXTRA_MCAST_DEL = 3, NETEXTRA_MORE = 1,
    NETGSO_TCP4 = 1, NETGSO_TCP6 = 2,
};
enum { NETIF_OKAY = 0, NETIF_NULL = 1, NETIF_ERROR = -1, NETIF_DROPPED = -2 };

#endif
