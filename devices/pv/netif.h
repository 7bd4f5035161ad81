/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network interface's rings as bytes. Documents: xen/io/netif.h, xen/io/ring.h. A slot is
 * copied out once and read from the copy; a ring is one page.
 */
#ifndef DEVICES_PV_NETIF_H
#define DEVICES_PV_NETIF_H

enum { NETIF_SLOTS = 256, NETIF_TX_SLOT = 12, NETIF_RX_SLOT = 8, NETIF_CTRL_SLOTS = 128,
       NETIF_CTRL_SLOT = 16 };

enum { /* of tx requests: gref 4, offset 2, flags 2, id 2, size 2; answers: id 2, status 2 */
    NETTX_CSUM_BLANK = 1, NETTX_VALIDATED = 2, NETTX_MORE = 4, NETTX_EXTRA = 8,
};
enum { /* of rx answers: id 2, offset 2, flags 2, status 2; requests: id 2, pad 2, gref 4 */
    NETRX_VALIDATED = 1, NETRX_CSUM_BLANK = 2, NETRX_MORE = 4, NETRX_EXTRA = 8,
};
enum { /* extra info: type 1, flags 1, then by type: size 2, type 1; address 6; */
       /* hash type 1, algorithm 1, hash 4 */
    NETEXTRA_GSO = 1, NETEXTRA_MCAST_ADD = 2, NETEXTRA_MCAST_DEL = 3, NETEXTRA_HASH = 4,
    NETEXTRA_MORE = 1,
    NETGSO_TCP4 = 1, NETGSO_TCP6 = 2,
};
enum { NETIF_OKAY = 0, NETIF_NULL = 1, NETIF_ERROR = -1, NETIF_DROPPED = -2 };

enum { /* control requests: id 2, type 2, data 3 * 4; answers: id 2, type 2, status 4, data 4 */
    NETCTRL_GET_HASH_FLAGS = 1, NETCTRL_SET_HASH_FLAGS = 2, NETCTRL_SET_HASH_KEY = 3,
    NETCTRL_GET_HASH_MAPPING_SIZE = 4, NETCTRL_SET_HASH_MAPPING_SIZE = 5,
    NETCTRL_SET_HASH_MAPPING = 6, NETCTRL_SET_HASH_ALGORITHM = 7,
    NETCTRL_GET_GREF_MAPPING_SIZE = 8, NETCTRL_ADD_GREF_MAPPING = 9,
    NETCTRL_DEL_GREF_MAPPING = 10,
};
enum { NETCTRL_SUCCESS = 0, NETCTRL_NOT_SUPPORTED = 1, NETCTRL_INVALID_PARAMETER = 2,
       NETCTRL_BUFFER_OVERFLOW = 3 };
enum { NETHASH_IP4 = 0, NETHASH_TCP4 = 1, NETHASH_IP6 = 2, NETHASH_TCP6 = 3 /* bits of flags */,
       NETHASH_NONE = 0, NETHASH_TOEPLITZ = 1 /* algorithms */ };
enum { /* a list of grants: ref 4, flags 2, status 2 */
    NETGREF = 8, NETGREF_READONLY = 1,
};

#endif
