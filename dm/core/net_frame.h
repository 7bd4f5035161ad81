/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ethernet frames as scatter lists: checksums, segments, tags, filters. Pure; guest memory is read
 * and never written here. Offsets and lengths come from guests: all of them are bounded by the
 * frame. Documents: IEEE 802.3, 802.1Q; RFC 791, 793, 768, 8200, 1071.
 */
#ifndef CORE_NET_FRAME_H
#define CORE_NET_FRAME_H

#include "net.h"

enum { NET_IOVS = 256 /* runs of memory a frame may have; more are not sent */,
       NET_HEADERS_MAX = 256 /* bytes up to the TCP payload */, NET_MAC = 6, NET_TAG = 4 };

enum { NET_ETH_IP4 = 0x0800, NET_ETH_VLAN = 0x8100, NET_ETH_IP6 = 0x86dd };

/* ---- scatter lists ---- */

size_t net_iov_len(const struct iovec *iov, unsigned n);
/* Copies out or in from `off` bytes into the list on; returns bytes copied. */
size_t net_iov_fetch(const struct iovec *iov, unsigned n, size_t off, void *buf, size_t len);
size_t net_iov_fill(const struct iovec *iov, unsigned n, size_t off, const void *buf, size_t len);
/* Bytes [off, off + len) of the list as a list of their own, of at most `max` runs; returns how
 * many there are. *got, if wanted, is their length. */
unsigned net_iov_slice(struct iovec *to, unsigned max, const struct iovec *iov, unsigned n,
                       size_t off, size_t len, size_t *got);

/* ---- checksums ---- */

/* The ones' complement sum of [off, off + len), not inverted, added to `sum`; as it stands in
 * memory when read as a big-endian number. */
uint16_t net_sum(uint16_t sum, const void *bytes, size_t len);
uint16_t net_iov_sum(uint16_t sum, const struct iovec *iov, unsigned n, size_t off, size_t len);

/* ---- what is in a frame ---- */

enum { NET_PROTO_TCP = 6, NET_PROTO_UDP = 17 };

struct net_layout {
    uint16_t type;      /* EtherType, after a VLAN tag */
    uint8_t ip;         /* 4, 6, or 0: neither, or its header is no good */
    uint8_t proto;      /* of the IP payload */
    bool fragment;      /* part of a datagram: l4 means nothing */
    uint16_t l3, l4;    /* where the headers begin */
    uint16_t l4_header; /* bytes of the TCP or UDP header; 0: it is cut short */
    size_t end;         /* where the IP packet ends; padding may follow */
};

/* False: not even an Ethernet header. */
bool net_layout(const struct iovec *iov, unsigned n, struct net_layout *layout);

/* The pseudo header's sum, for an l4 part of `len` bytes. */
uint16_t net_pseudo_sum(const struct iovec *iov, unsigned n, const struct net_layout *layout,
                        size_t len);

/* Which checksums of a received frame can be told, and are they right. */
enum { NET_SUM_IP = 1, NET_SUM_IP_BAD = 2, NET_SUM_L4 = 4, NET_SUM_L4_BAD = 8 };
unsigned net_verify(const struct iovec *iov, unsigned n, const struct net_layout *layout);

/* ---- segments ---- */

/* A long TCP frame that is to be cut: what all of its segments share. */
struct net_segments {
    struct net_layout layout;
    unsigned header, mss, segments; /* bytes up to the payload, and of it in each */
    size_t payload;
    uint8_t bytes[NET_HEADERS_MAX];
};

/* A frame of `len` bytes at the beginning of the list. False: it contradicts its meta. */
bool net_segments_begin(struct net_segments *t, const struct iovec *iov, unsigned n, size_t len,
                        const struct net_meta *meta);
/* The headers of a segment, with all checksums, for `len` bytes of payload in the list. */
void net_segment(const struct net_segments *t, unsigned segment, uint8_t *headers,
                 const struct iovec *payload, unsigned count, size_t len);

/* The checksum that is undone in `meta`, put where it belongs. */
void net_complete_sum(const struct iovec *iov, unsigned n, size_t len,
                      const struct net_meta *meta);

/* ---- sending what the link may not be able to do ---- */

/*
 * net_send with whatever is undone in `meta`: left to the link if it can, else done here, without
 * copying the payload. A frame that is cut into segments may be refused between two: *segment, 0 at
 * first, says where the next call of the same frame goes on. A frame that contradicts its meta is
 * taken and dropped.
 */
bool net_send_undone(struct net *net, const struct iovec *iov, unsigned n,
                     const struct net_meta *meta, unsigned *segment);

/*
 * For NICs whose drivers ask for segmentation in their own way: the headers (up to the TCP payload)
 * of a frame with `payload` bytes, to be cut every `mss`. Lengths and checksums are put as
 * net_meta asks for them. False: not TCP over IP.
 */
bool net_prepare_tso(uint8_t *headers, size_t len, size_t payload, unsigned mss,
                     struct net_meta *meta);

/* ---- filters and tags ---- */

/* The FCS, as a number; what goes over the wire is it in little-endian order. */
uint32_t net_crc32(const void *bytes, size_t len);
/* As datasheets index multicast filters: the CRC's register without the last inversion and
 * reflection, of which they take the top 6 bits or more. */
uint32_t net_hash(const uint8_t mac[NET_MAC]);

static inline bool net_is_broadcast(const uint8_t *mac) {
    return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

static inline bool net_is_multicast(const uint8_t *mac) {
    return mac[0] & 1;
}

/* An 802.1Q tag, to go between the addresses and the type. */
void net_tag(uint8_t tag[NET_TAG], uint16_t tci);

#endif
