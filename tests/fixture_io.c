/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixture's disks and character backends. A disk's requests wait until fixture_io or a drain
 * and are then done in order, as core/block.h promises: never from inside submit. See fixture.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bits.h"
#include "fixture_priv.h"

/* ---- disks ---- */

struct fake_block {
    struct block block;
    struct fixture_priv *priv;
    uint8_t *bytes; /* sparse, so that a disk may be larger than this machine */
    size_t mapped;
    struct block_req *head, **tail;
    int fail_err;
    unsigned fail_count;
    int bad_err;
    uint64_t bad_at;
    struct fake_block *next;
};

static struct fake_block *fake_of(struct block *block) {
    return CONTAINER_OF(block, struct fake_block, block);
}

static void enqueue(struct fake_block *b, struct block_req *req, int err) {
    req->scratch[0] = (uint64_t)err;
    req->next = NULL;
    *b->tail = req;
    b->tail = &req->next;
}

static void fake_submit(struct block *block, struct block_req *req) {
    size_t sum = 0;
    bool data = req->op == BLOCK_READ || req->op == BLOCK_WRITE;
    for (unsigned i = 0; data && i < req->niov; i++)
        sum += req->iov[i].iov_len;
    if (data && sum != req->len)
        fixture_wrong("a request's iovec does not hold its length", req->len);
    struct fake_block *b = fake_of(block);
    int err = 0;
    if (b->fail_count) {
        b->fail_count--;
        err = b->fail_err;
    } else if (data && b->bad_at - req->offset < req->len) {
        err = b->bad_err;
    }
    enqueue(b, req, err);
}

static void fake_refuse(struct block *block, struct block_req *req, int err) {
    enqueue(fake_of(block), req, err);
}

static void perform(struct fake_block *b, const struct block_req *req) {
    uint8_t *at = b->bytes + req->offset;
    if (req->op == BLOCK_DISCARD)
        memset(at, 0, req->len);
    if (req->op != BLOCK_READ && req->op != BLOCK_WRITE)
        return;
    for (unsigned i = 0; i < req->niov; i++) {
        if (req->op == BLOCK_READ)
            memcpy(req->iov[i].iov_base, at, req->iov[i].iov_len);
        else
            memcpy(at, req->iov[i].iov_base, req->iov[i].iov_len);
        at += req->iov[i].iov_len;
    }
}

static bool finish_one(struct fake_block *b) {
    struct block_req *req = b->head;
    if (!req)
        return false;
    b->head = req->next;
    if (!b->head)
        b->tail = &b->head;
    int err = (int)req->scratch[0];
    if (!err)
        perform(b, req);
    req->done(req, err);
    return true;
}

static void fake_drain(struct block *block) {
    while (finish_one(fake_of(block))) {
    }
}

static void fake_block_free(struct block *block) {
    struct fake_block *b = fake_of(block), **p = &b->priv->blocks;
    while (*p != b)
        p = &(*p)->next;
    *p = b->next;
    munmap(b->bytes, b->mapped);
    free(b);
}

static bool fake_resize(struct block *block, uint64_t size, char *why, size_t why_len) {
    struct fake_block *b = fake_of(block);
    void *bytes = mremap(b->bytes, b->mapped, size, MREMAP_MAYMOVE);
    if (bytes == MAP_FAILED) {
        strncpy(why, "no address space for a disk", why_len);
        return false;
    }
    b->bytes = bytes;
    b->mapped = size;
    block_resized(block, size);
    return true;
}

static const struct block_ops fake_block_ops = {
    .submit = fake_submit, .refuse = fake_refuse, .drain = fake_drain, .free = fake_block_free,
    .resize = fake_resize};

struct block *fixture_block(struct fixture *fx, uint64_t size, bool read_only) {
    struct fixture_priv *priv = fx->priv;
    struct fake_block *b = calloc(1, sizeof(*b));
    b->mapped = size ? size : 1;
    b->bytes = mmap(NULL, b->mapped, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->bytes == MAP_FAILED)
        fixture_wrong("no address space for a disk", size);
    b->block = (struct block){.ops = &fake_block_ops, .name = "fixture.img", .size = size,
                              .read_only = read_only, .users = 1};
    b->priv = priv;
    b->tail = &b->head;
    b->next = priv->blocks;
    priv->blocks = b;
    return &b->block;
}

struct block *fixture_disk(const struct fixture *fx) {
    const struct fixture_priv *priv = fx->priv;
    return priv->blocks ? &priv->blocks->block : NULL;
}

uint8_t *fixture_bytes(struct block *block) {
    return fake_of(block)->bytes;
}

void fixture_fail(struct block *block, int err, unsigned n) {
    fake_of(block)->fail_err = err;
    fake_of(block)->fail_count = n;
}

void fixture_bad(struct block *block, int err, uint64_t offset) {
    fake_of(block)->bad_err = err;
    fake_of(block)->bad_at = offset;
}

void fixture_fail_all(struct fixture *fx, int err, unsigned n) {
    const struct fixture_priv *priv = fx->priv;
    for (struct fake_block *b = priv->blocks; b; b = b->next)
        fixture_fail(&b->block, err, n);
}

void fixture_copy_blocks(struct fixture *to, struct fixture *from) {
    const struct fixture_priv *a = from->priv, *b = to->priv;
    for (struct fake_block *x = a->blocks, *y = b->blocks; x && y; x = x->next, y = y->next)
        if (x->mapped == y->mapped) {
            memcpy(y->bytes, x->bytes, MIN(x->mapped, (size_t)MIB(64)));
            y->fail_err = x->fail_err;
            y->fail_count = x->fail_count;
        }
}

/* Starts over after each one, because what `done` runs may put away or make a disk. */
unsigned fixture_io(struct fixture *fx) {
    const struct fixture_priv *priv = fx->priv;
    unsigned n = 0;
    for (struct fake_block *b = priv->blocks; b;) {
        if (finish_one(b)) {
            n++;
            b = priv->blocks;
        } else {
            b = b->next;
        }
    }
    return n;
}

unsigned fixture_pending(const struct fixture *fx) {
    const struct fixture_priv *priv = fx->priv;
    unsigned n = 0;
    for (const struct fake_block *b = priv->blocks; b; b = b->next)
        for (const struct block_req *req = b->head; req; req = req->next)
            n++;
    return n;
}

/* ---- chars ---- */

struct fake_chars {
    struct chars chars;
    uint8_t bytes[65536]; /* written by the chip; what does not fit is dropped */
    size_t len, room;
    bool short_write;
    struct fake_chars *next;
};

static struct fake_chars *fake_chars_of(struct chars *chars) {
    return CONTAINER_OF(chars, struct fake_chars, chars);
}

static size_t fake_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    struct fake_chars *c = fake_chars_of(chars);
    size_t took = MIN(n, c->room);
    c->short_write = took < n;
    c->room -= took;
    size_t keep = MIN(took, sizeof(c->bytes) - c->len);
    memcpy(c->bytes + c->len, bytes, keep);
    c->len += keep;
    return took;
}

static void fake_accept(struct chars *chars) {
    (void)chars; /* fixture_type asks for room anyway */
}

static void fake_chars_free(struct chars *chars) {
    (void)chars; /* with the fixture */
}

static const struct chars_ops fake_chars_ops = {fake_write, fake_accept, fake_chars_free};

struct chars *fixture_chars(struct fixture *fx) {
    struct fixture_priv *priv = fx->priv;
    struct fake_chars *c = calloc(1, sizeof(*c));
    c->chars = (struct chars){.ops = &fake_chars_ops, .id = "fixture", .filename = "fixture",
                              .open = true};
    c->room = SIZE_MAX;
    c->next = priv->chars;
    priv->chars = c;
    return &c->chars;
}

struct chars *fixture_line(const struct fixture *fx) {
    const struct fixture_priv *priv = fx->priv;
    return priv->chars ? &priv->chars->chars : NULL;
}

size_t fixture_written(struct chars *chars, uint8_t *bytes, size_t max) {
    struct fake_chars *c = fake_chars_of(chars);
    size_t n = MIN(max, c->len);
    memcpy(bytes, c->bytes, n);
    memmove(c->bytes, c->bytes + n, c->len - n);
    c->len -= n;
    return n;
}

void fixture_chars_room(struct chars *chars, size_t room) {
    struct fake_chars *c = fake_chars_of(chars);
    c->room = room;
    if (c->short_write && room) {
        c->short_write = false;
        if (chars->user.writable)
            chars->user.writable(chars->user.dev);
    }
}

size_t fixture_type(struct chars *chars, const uint8_t *bytes, size_t n) {
    size_t went = 0;
    while (went < n) {
        size_t room = chars->user.room ? chars->user.room(chars->user.dev) : 0;
        size_t now = MIN(room, n - went);
        if (!now)
            break;
        chars->user.received(chars->user.dev, bytes + went, now);
        went += now;
    }
    return went;
}

void fixture_copy_chars(struct fixture *to, struct fixture *from) {
    const struct fixture_priv *a = from->priv, *b = to->priv;
    for (struct fake_chars *x = a->chars, *y = b->chars; x && y; x = x->next, y = y->next) {
        y->room = x->room;
        y->short_write = x->short_write;
    }
}

void fixture_io_done(struct fixture *fx) {
    struct fixture_priv *priv = fx->priv;
    struct fake_block *next;
    for (struct fake_block *b = priv->blocks; b; b = next) {
        next = b->next;
        block_put(&b->block);
    }
    while (priv->chars) {
        struct fake_chars *c = priv->chars;
        priv->chars = c->next;
        free(c);
    }
}
