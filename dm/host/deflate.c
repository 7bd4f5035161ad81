/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 1951. Repetitions are looked for where the same four bytes were last, and taken as they come;
 * where there are none, fewer places are looked at. Each block goes as it is, with the fixed codes
 * or with its own, whatever is shortest. See deflate.h.
 */
#include "deflate.h"

#include <string.h>

#include "core/bits.h"

enum {
    WINDOW = 32768, SHORTEST = 4, LONGEST = 258, HEAD_BITS = 13,
    LITERALS = 288, LAST_LITERAL = 286, DISTANCES = 30, END = 256, LENGTHS = 19,
    MOST_BITS = 15, MOST_LENGTH_BITS = 7,
    SMALL = 512, /* tokens, below which own codes are not tried */
};

struct codes {
    uint16_t code[LITERALS]; /* the first bit is the lowest */
    uint8_t bits[LITERALS];
};

struct block {
    unsigned token_count;
    unsigned literals[LITERALS], distances[LITERALS]; /* how often */
    size_t extra;                                     /* bits beside the codes */
};

/* ---- bits ---- */

struct writer {
    uint8_t *to;
    uint64_t bits;
    unsigned count;
};

/* At most 56 bits may wait. */
static inline void put(struct writer *w, uint64_t bits, unsigned count) {
    w->bits |= bits << w->count;
    w->count += count;
}

/* Writes beyond what it counts: the room has to be there. */
static inline void spill(struct writer *w) {
    store_le64(w->to, w->bits);
    w->to += w->count / 8;
    w->bits >>= w->count & ~7u;
    w->count &= 7;
}

static void align(struct writer *w) {
    w->count = (w->count + 7) & ~7u;
    spill(w);
}

/* ---- lengths and distances ---- */

static inline unsigned top_bit(unsigned v) {
    return 31 - (unsigned)__builtin_clz(v);
}

static inline unsigned length_code(unsigned length, unsigned *extra) {
    unsigned x = length - 3, top = x < 8 ? 2 : top_bit(x);
    *extra = length == LONGEST ? 0 : top - 2;
    if (length == LONGEST)
        return 285;
    return x < 8 ? 257 + x : 257 + 4 * (top - 1) + (x >> (top - 2) & 3);
}

static inline unsigned distance_code(unsigned distance, unsigned *extra) {
    unsigned x = distance - 1, top = x < 4 ? 1 : top_bit(x);
    *extra = top - 1;
    return x < 4 ? x : 2 * top + (x >> (top - 1) & 1);
}

/* ---- codes ---- */

static unsigned turn16(unsigned v) {
    v = (v & 0x5555) << 1 | (v >> 1 & 0x5555);
    v = (v & 0x3333) << 2 | (v >> 2 & 0x3333);
    v = (v & 0x0f0f) << 4 | (v >> 4 & 0x0f0f);
    return (v & 0x00ff) << 8 | v >> 8;
}

/* Canonical codes from their lengths (RFC 1951, 3.2.2), turned around. */
static void assign(struct codes *c, unsigned n) {
    unsigned count[MOST_BITS + 2] = {0}, next[MOST_BITS + 2] = {0};
    for (unsigned i = 0; i < n; i++)
        count[c->bits[i]]++;
    count[0] = 0;
    for (unsigned b = 1; b <= MOST_BITS; b++)
        next[b] = (next[b - 1] + count[b - 1]) << 1;
    for (unsigned i = 0; i < n; i++)
        c->code[i] = (uint16_t)(turn16(next[c->bits[i]]++) >> (16 - c->bits[i]));
}

static void sort(uint32_t *v, unsigned n) {
    static const unsigned gaps[] = {57, 23, 10, 4, 1}; /* Shell's, by Ciura */
    for (unsigned g = 0; g < ARRAY_LEN(gaps); g++)
        for (unsigned i = gaps[g]; i < n; i++) {
            uint32_t val = v[i];
            unsigned at = i;
            for (; at >= gaps[g] && v[at - gaps[g]] > val; at -= gaps[g])
                v[at] = v[at - gaps[g]];
            v[at] = val;
        }
}

/* How deep each of the n leaves of Huffman's tree is; `leaves` are weights << 9 and symbols, in
 * order. Returns the greatest depth. */
static unsigned depths(const uint32_t *leaves, unsigned n, uint8_t *bits) {
    uint32_t weight[2 * LITERALS];
    uint16_t parent[2 * LITERALS];
    uint8_t depth[2 * LITERALS];
    unsigned leaf = 0, inner = n, most = 0;
    for (unsigned i = 0; i < n; i++)
        weight[i] = leaves[i] >> 9;
    for (unsigned made = n; made < 2 * n - 1; made++) {
        weight[made] = 0;
        for (unsigned i = 0; i < 2; i++) {
            bool is_leaf = leaf < n && (inner == made || weight[leaf] <= weight[inner]);
            unsigned least = is_leaf ? leaf++ : inner++;
            weight[made] += weight[least];
            parent[least] = (uint16_t)made;
        }
    }
    depth[2 * n - 2] = 0;
    for (unsigned i = 2 * n - 2; i-- > 0;) {
        depth[i] = (uint8_t)(depth[parent[i]] + 1);
        if (i < n) {
            bits[leaves[i] & 511] = depth[i];
            most = MAX(most, (unsigned)depth[i]);
        }
    }
    return most;
}

/* Codes of at most `limit` bits for n symbols by how often each is there; two at least get one,
 * for not every unpacker takes a code that leaves something out. */
static void make_codes(struct codes *c, unsigned *often, unsigned n, unsigned limit) {
    uint32_t leaves[LITERALS];
    for (unsigned i = 0, used = 0; used < 2; i++) {
        used = 0;
        for (unsigned s = 0; s < n; s++)
            used += often[s] != 0;
        if (used < 2 && !often[i])
            often[i] = 1;
    }
    for (;;) {
        unsigned count = 0;
        for (unsigned i = 0; i < n; i++)
            if (often[i])
                leaves[count++] = often[i] << 9 | i;
        memset(c->bits, 0, sizeof(c->bits));
        sort(leaves, count);
        if (depths(leaves, count, c->bits) <= limit)
            break;
        for (unsigned i = 0; i < n; i++) /* flatter */
            often[i] = often[i] ? often[i] / 2 + 1 : 0;
    }
    assign(c, n);
}

/* RFC 1951, 3.2.6; made when they are first needed. */
static struct codes fixed_literals, fixed_distances;

static void make_fixed_codes(void) {
    if (fixed_literals.bits[0])
        return;
    for (unsigned i = 0; i < LITERALS; i++)
        fixed_literals.bits[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    assign(&fixed_literals, LITERALS);
    memset(fixed_distances.bits, 5, 32);
    assign(&fixed_distances, 32);
}

static size_t cost(const struct block *b, const struct codes *literals,
                   const struct codes *distances) {
    size_t bits = b->extra;
    for (unsigned i = 0; i < LAST_LITERAL; i++)
        bits += (size_t)b->literals[i] * literals->bits[i];
    for (unsigned i = 0; i < DISTANCES; i++)
        bits += (size_t)b->distances[i] * distances->bits[i];
    return bits;
}

/* ---- repetitions ---- */

static unsigned match(const uint8_t *a, const uint8_t *b, unsigned most) {
    unsigned n = SHORTEST;
    while (n + 8 <= most) {
        uint64_t differs = load_le64(a + n) ^ load_le64(b + n);
        if (differs)
            return n + (unsigned)__builtin_ctzll(differs) / 8;
        n += 8;
    }
    while (n < most && a[n] == b[n])
        n++;
    return n;
}

static inline void take_literals(struct deflate *d, struct block *b, unsigned at, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        uint8_t byte = d->bytes[at + i];
        d->tokens[b->token_count++] = byte;
        b->literals[byte]++;
    }
}

/* bytes[from, to) as tokens. */
static void tokenize(struct deflate *d, struct block *b, unsigned from, unsigned to) {
    unsigned at = from, misses = 0;
    while (at + SHORTEST <= to) {
        uint32_t four = load_le32(d->bytes + at);
        uint16_t *head = &d->heads[four * 2654435761u >> (32 - HEAD_BITS)];
        unsigned last = *head, length, extra;
        *head = (uint16_t)at;
        /* what the table says may be long gone: the bytes decide */
        if (last >= at || at - last > WINDOW || load_le32(d->bytes + last) != four) {
            unsigned n = MIN(1 + misses++ / 32, to - at);
            take_literals(d, b, at, n);
            at += n;
            continue;
        }
        misses = 0;
        length = match(d->bytes + at, d->bytes + last, MIN((unsigned)LONGEST, to - at));
        d->tokens[b->token_count++] = length << 16 | (at - last);
        b->literals[length_code(length, &extra)]++;
        b->extra += extra;
        b->distances[distance_code(at - last, &extra)]++;
        b->extra += extra;
        at += length;
    }
    take_literals(d, b, at, to - at);
    b->literals[END]++;
}

/* ---- blocks ---- */

/* The lengths of both codes, as lengths of zeros and others (3.2.7); the order is the RFC's. */
struct lengths {
    uint8_t symbol[LITERALS + 32], extra[LITERALS + 32];
    unsigned count, literals, distances;
    struct codes codes;
    size_t bits;
};

static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14,
                                       1, 15};
static const uint8_t extra_bits[LENGTHS] = {[16] = 2, [17] = 3, [18] = 7};

static unsigned last_used(const struct codes *c, unsigned n) {
    while (n > 1 && !c->bits[n - 1])
        n--;
    return n;
}

static void describe(struct lengths *l, const struct codes *literals,
                     const struct codes *distances) {
    uint8_t all[LITERALS + 32];
    unsigned often[LENGTHS] = {0};
    l->count = 0;
    l->literals = MAX(last_used(literals, LAST_LITERAL), 257u);
    l->distances = last_used(distances, DISTANCES);
    memcpy(all, literals->bits, l->literals);
    memcpy(all + l->literals, distances->bits, l->distances);
    for (unsigned i = 0, n = l->literals + l->distances, run; i < n; i += run) {
        for (run = 1; i + run < n && all[i + run] == all[i] && run < 138;)
            run++;
        unsigned symbol = all[i];
        if (!symbol && run >= 3)
            symbol = run < 11 ? 17 : 18;
        else
            run = 1;
        l->symbol[l->count] = (uint8_t)symbol;
        l->extra[l->count++] = (uint8_t)(symbol == 17 ? run - 3 : symbol == 18 ? run - 11 : 0);
        often[symbol]++;
    }
    make_codes(&l->codes, often, LENGTHS, MOST_LENGTH_BITS);
    l->bits = 5 + 5 + 4 + 3 * LENGTHS;
    for (unsigned i = 0; i < l->count; i++)
        l->bits += l->codes.bits[l->symbol[i]] + extra_bits[l->symbol[i]];
}

static void put_lengths(struct writer *w, const struct lengths *l) {
    put(w, l->literals - 257, 5);
    put(w, l->distances - 1, 5);
    put(w, LENGTHS - 4, 4);
    spill(w);
    for (unsigned i = 0; i < LENGTHS; i++) {
        put(w, l->codes.bits[order[i]], 3);
        spill(w);
    }
    for (unsigned i = 0; i < l->count; i++) {
        unsigned s = l->symbol[i];
        put(w, l->codes.code[s], l->codes.bits[s]);
        put(w, l->extra[i], extra_bits[s]);
        spill(w);
    }
}

/* The writer is a copy, which needs not be in memory after each byte that goes there. */
static struct writer put_tokens(struct writer w, const struct deflate *d, const struct block *b,
                                const struct codes *literals, const struct codes *distances) {
    for (unsigned i = 0; i < b->token_count; i++) {
        unsigned token = d->tokens[i], length = token >> 16, distance = token & 0xffff, extra, code;
        if (!length) {
            put(&w, literals->code[token], literals->bits[token]);
            if (w.count > 56 - MOST_BITS)
                spill(&w);
            continue;
        }
        spill(&w);
        code = length_code(length, &extra);
        put(&w, literals->code[code], literals->bits[code]);
        put(&w, (length - 3) & ((1u << extra) - 1), extra);
        code = distance_code(distance, &extra);
        put(&w, distances->code[code], distances->bits[code]);
        put(&w, (distance - 1) & ((1u << extra) - 1), extra);
        spill(&w);
    }
    put(&w, literals->code[END], literals->bits[END]);
    spill(&w);
    return w;
}

static void put_stored(struct writer *w, const uint8_t *bytes, unsigned n) {
    put(w, 0, 3);
    align(w);
    put(w, n, 16);
    put(w, ~n & 0xffff, 16);
    spill(w);
    if (n)
        memcpy(w->to, bytes, n);
    w->to += n;
}

enum { FIXED = 1 << 1, OWN = 2 << 1 }; /* BTYPE, behind BFINAL */

static void put_block(struct writer *w, struct deflate *d, unsigned from, unsigned to) {
    struct block b = {0};
    struct codes literals, distances;
    struct lengths l;
    tokenize(d, &b, from, to);
    size_t stored = (to - from) * 8 + 40, bits = stored;
    if (b.token_count >= SMALL) {
        struct block copy = b; /* the making may flatten it */
        make_codes(&literals, copy.literals, LAST_LITERAL, MOST_BITS);
        make_codes(&distances, copy.distances, DISTANCES, MOST_BITS);
        describe(&l, &literals, &distances);
        bits = cost(&b, &literals, &distances) + l.bits;
    }
    if (bits < stored) {
        put(w, OWN, 3);
        put_lengths(w, &l);
        *w = put_tokens(*w, d, &b, &literals, &distances);
        return;
    }
    make_fixed_codes();
    if (cost(&b, &fixed_literals, &fixed_distances) >= stored) {
        put_stored(w, d->bytes + from, to - from);
        return;
    }
    put(w, FIXED, 3);
    *w = put_tokens(*w, d, &b, &fixed_literals, &fixed_distances);
}

/* ---- the stream ---- */

size_t deflate_room(size_t n) {
    /* its head and end, and a stored block for each chunk; what spills beyond the end */
    return n + (n / DEFLATE_CHUNK + 2) * 8 + 32;
}

/* Keeps a window's worth. */
static void slide(struct deflate *d) {
    unsigned by = d->used - WINDOW;
    memmove(d->bytes, d->bytes + by, WINDOW);
    d->used = WINDOW;
    for (unsigned i = 0; i < DEFLATE_HEADS; i++)
        d->heads[i] = (uint16_t)(d->heads[i] > by ? d->heads[i] - by : 0);
}

size_t deflate_append(struct deflate *d, uint8_t *to, const uint8_t *from, size_t n) {
    struct writer w = {.to = to};
    if (!d->begun) {
        put(&w, 0x0178, 16); /* a window of 32 KiB, quick */
        d->begun = true;
    }
    while (n) {
        unsigned piece = (unsigned)MIN(n, (size_t)DEFLATE_CHUNK);
        if (d->used + piece > DEFLATE_BYTES)
            slide(d);
        memcpy(d->bytes + d->used, from, piece);
        put_block(&w, d, d->used, d->used + piece);
        d->used += piece;
        from += piece;
        n -= piece;
    }
    put_stored(&w, NULL, 0); /* so that everything can be unpacked */
    return (size_t)(w.to - to);
}
