/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of mapped images: their transfers, who waits for what, and the end of each. See
 * image_map.h; tables and flushes are image_table.c.
 */
#include "image_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"

#define OUT_OF_LINE __attribute__((noinline)) /* keeps the common case short */

/* ---- memory ---- */

bool map_list_room(struct map_op *op, unsigned n) {
    if (n <= op->list_room)
        return true;
    struct iovec *list = realloc(op->list, n * sizeof(*list));
    if (!list)
        return false;
    op->list = list;
    op->list_room = n;
    return true;
}

unsigned map_list_add(struct map_op *op, unsigned n, const struct cursor *cursor, uint64_t pos,
                      size_t len) {
    uint64_t skip = pos - cursor->start;
    for (unsigned i = 0; i < cursor->niov && len; i++) {
        const struct iovec *iov = &cursor->iov[i];
        if (skip >= iov->iov_len) {
            skip -= iov->iov_len;
            continue;
        }
        size_t part = MIN(iov->iov_len - skip, len);
        op->list[n++] = (struct iovec){(char *)iov->iov_base + skip, part};
        len -= part;
        skip = 0;
    }
    return n;
}

/* Bytes or, from NULL, zeros into the cursor's memory. */
static void fill(struct cursor *cursor, const uint8_t *from, size_t len) {
    uint64_t skip = cursor->pos - cursor->start;
    cursor->pos += len;
    for (unsigned i = 0; i < cursor->niov && len; i++) {
        const struct iovec *iov = &cursor->iov[i];
        if (skip >= iov->iov_len) {
            skip -= iov->iov_len;
            continue;
        }
        size_t part = MIN(iov->iov_len - skip, len);
        if (from) {
            memcpy((char *)iov->iov_base + skip, from, part);
            from += part;
        } else {
            memset((char *)iov->iov_base + skip, 0, part);
        }
        len -= part;
        skip = 0;
    }
}

/* ---- the life of a request ---- */

static void run(struct map_op *op);

enum step map_fail(struct map_op *op, int err) {
    op->err = err;
    return STEP_FAIL;
}

enum step map_corrupt(struct map *map, int *err, const char *what, uint64_t value) {
    log_guest(&map->corrupt, "image '%s' is corrupt: %s 0x%llx", map->block.name, what,
              (unsigned long long)value);
    *err = EIO;
    return STEP_FAIL;
}

static struct map_op *take_op(struct map *map) {
    struct map_op *op = map->spare;
    if (op) {
        map->spare = op->next;
        return op;
    }
    if (map->made >= MAP_OPS)
        return NULL;
    op = calloc(1, sizeof(*op));
    if (op) {
        op->map = map;
        map->made++;
    }
    return op;
}

static void whole(struct map_op *op, const struct block_req *req) {
    op->at = (struct cursor){req->offset, req->offset, req->offset + req->len, req->iov, req->niov};
}

static void begin(struct map_op *op, struct block_req *req) {
    struct map *map = op->map;
    op->req = req;
    op->err = 0;
    op->state = 0;
    op->epoch = map->epoch;
    map->in_flight[op->epoch]++;
    map->busy++;
}

static void release_epoch(struct map_op *op) {
    struct map *map = op->map;
    if (!--map->in_flight[op->epoch] && op->epoch != map->epoch)
        map_wake(map);
}

void map_op_renew(struct map_op *op) {
    release_epoch(op);
    op->epoch = op->map->epoch;
    op->map->in_flight[op->epoch]++;
}

bool map_epoch_over(const struct map *map) {
    return !map->in_flight[map->epoch ^ 1];
}

void map_epoch_next(struct map *map) {
    map->epoch ^= 1;
}

static void append(struct map_op ***end, struct map_op *op) {
    op->next = NULL;
    **end = op;
    *end = &op->next;
}

static void later(struct map *map) {
    loop_defer(map->loop, &map->task);
}

/* The user's `done` is called from the loop; the op is free by then. */
static void end_op(struct map_op *op) {
    struct map *map = op->map;
    struct block_req *req = op->req;
    int err = op->err;
    if (op->bounce) {
        free(op->bounce);
        op->bounce = NULL;
    }
    release_epoch(op);
    op->next = map->spare;
    map->spare = op;
    map->busy--;
    if (map->queue)
        later(map);
    if (err)
        map->block.stats.errors++;
    req->done(req, err);
}

void map_finish(struct map_op *op) {
    struct map *map = op->map;
    if (!map->submitting) {
        end_op(op);
        return;
    }
    append(&map->finished_end, op);
    later(map);
}

static enum step step(struct map_op *op) {
    struct map *map = op->map;
    switch (op->req->op) {
    case BLOCK_READ:
        return map_read(op, &op->at);
    case BLOCK_WRITE:
        return map->ops->write(op);
    case BLOCK_DISCARD:
        return map->block.read_only ? STEP_DONE : map->ops->discard(op);
    case BLOCK_FLUSH:
        break;
    }
    append(&map->flush.waiting_end, op);
    map_flush(map);
    return STEP_WAIT;
}

static void run(struct map_op *op) {
    enum step s = op->err ? STEP_FAIL : step(op);
    if (s == STEP_WAIT)
        return;
    if (op->flying) { /* into the request's memory */
        op->awaits = true;
        return;
    }
    if (s == STEP_FAIL && op->claims)
        op->map->ops->abandon(op);
    map_finish(op);
}

enum step map_park(struct map_op *op) {
    append(&op->map->parked_end, op);
    return STEP_WAIT;
}

void map_wake(struct map *map) {
    map->wake = true;
    later(map);
}

/* ---- transfers ---- */

static void transferred(struct block_req *child, int err) {
    struct map_op *op = child->owner;
    struct map *map = op->map;
    map->inside++;
    if (err)
        op->err = err;
    else if (op->moving)
        op->moving->pos += child->len;
    run(op);
    map_leave(map);
}

enum step map_transfer_list(struct map_op *op, struct block *where, enum block_op kind,
                            uint64_t offset, unsigned niov, size_t len) {
    op->moving = NULL;
    op->child = (struct block_req){.op = kind, .offset = offset, .len = len, .iov = op->list,
                                   .niov = niov, .done = transferred, .owner = op};
    block_submit(where, &op->child);
    return STEP_WAIT;
}

enum step map_transfer(struct map_op *op, struct block *where, enum block_op kind, uint64_t offset,
                       struct cursor *cursor, size_t len) {
    struct block_req *child = &op->child;
    op->moving = cursor;
    child->op = kind;
    child->offset = offset;
    child->len = len;
    child->done = transferred;
    child->owner = op;
    if (cursor->pos == cursor->start && cursor->pos + len == cursor->end) {
        child->iov = cursor->iov;
        child->niov = cursor->niov;
    } else {
        if (!map_list_room(op, cursor->niov))
            return map_fail(op, ENOMEM);
        child->iov = op->list;
        child->niov = map_list_add(op, 0, cursor, cursor->pos, len);
    }
    block_submit(where, child);
    return STEP_WAIT;
}

/* ---- packed clusters: the last one is kept ---- */

static void unpacked(struct block_req *req, int err) {
    struct map *map = req->owner;
    map->inside++;
    map->packed.busy = false;
    map->packed.valid = false;
    map->packed.err = err;
    map->packed.host = map->packed.loading;
    size_t before = map->packed.host & 511; /* of the first sector */
    if (!err && map->ops->unpack(map, map->packed.in + before, map->packed.len - before,
                                 map->packed.out))
        map->packed.valid = true;
    else if (!err)
        map_corrupt(map, &map->packed.err, "what is packed can't be unpacked, at",
                    map->packed.host);
    map_wake(map);
    map_leave(map);
}

static bool packed_room(struct map *map, size_t len) {
    if (!map->packed.out)
        map->packed.out = malloc(map->packed.size);
    if (map->packed.in_room < len) {
        free(map->packed.in);
        map->packed.in = malloc(len);
        map->packed.in_room = map->packed.in ? len : 0;
    }
    return map->packed.out && map->packed.in;
}

static enum step read_packed(struct map_op *op, struct cursor *cursor, const struct extent *e) {
    struct map *map = op->map;
    if (map->packed.busy)
        return map_park(op);
    if (map->packed.host == e->host && map->packed.valid) {
        fill(cursor, map->packed.out + e->skip, e->len);
        return STEP_DONE;
    }
    if (map->packed.host == e->host && map->packed.err) {
        int err = map->packed.err;
        map->packed.err = 0;
        return map_fail(op, err);
    }
    /* whole sectors around it, and not past the end of what has one */
    uint64_t from = e->host & ~UINT64_C(511), to = (e->host + e->packed + 511) & ~UINT64_C(511);
    if (!map->file->growable)
        to = MIN(to, map->file->size);
    if (to <= from || !packed_room(map, to - from))
        return map_fail(op, to <= from ? EIO : ENOMEM);
    map->packed.busy = true;
    map->packed.loading = e->host;
    map->packed.len = (uint32_t)(to - from);
    map->packed.iov = (struct iovec){map->packed.in, to - from};
    map->packed.req = (struct block_req){.op = BLOCK_READ, .offset = from, .len = to - from,
                                         .iov = &map->packed.iov, .niov = 1, .done = unpacked,
                                         .owner = map};
    block_submit(map->file, &map->packed.req);
    return map_park(op);
}

static void piece_done(struct block_req *req, int err) {
    struct map_op *op = ((struct map_piece *)req->owner)->op;
    struct map *map = op->map;
    map->inside++;
    if (err)
        op->err = err;
    if (!--op->flying) {
        op->pieces = op->list_used = 0;
        if (op->awaits) {
            op->awaits = false;
            run(op);
        }
    }
    map_leave(map);
}

/* Has the lists of all pieces that may come; they stay where they are while any is flying. */
static bool piece_room(struct map_op *op, const struct cursor *cursor) {
    if (op->pieces)
        return op->pieces < MAP_PIECES;
    if (!op->piece)
        op->piece = calloc(MAP_PIECES, sizeof(*op->piece));
    return op->piece && map_list_room(op, cursor->niov + MAP_PIECES);
}

enum step map_settle(struct map_op *op) {
    op->awaits = op->flying;
    return op->flying ? STEP_WAIT : STEP_DONE;
}

/* Starts the transfer of len bytes and goes past them. WAIT: it runs again when others are over. */
static enum step fly(struct map_op *op, struct block *where, uint64_t offset, struct cursor *cursor,
                     size_t len) {
    enum block_op kind = op->req->op;
    if (!piece_room(op, cursor)) {
        enum step s = map_settle(op);
        return s == STEP_DONE ? map_transfer(op, where, kind, offset, cursor, len) : s;
    }
    struct map_piece *piece = &op->piece[op->pieces++];
    unsigned end = map_list_add(op, op->list_used, cursor, cursor->pos, len);
    piece->op = op;
    piece->req = (struct block_req){
        .op = kind, .offset = offset, .len = len, .iov = op->list + op->list_used,
        .niov = end - op->list_used, .done = piece_done, .owner = piece};
    op->list_used = end;
    op->flying++;
    cursor->pos += len;
    block_submit(where, &piece->req);
    return STEP_DONE;
}

/* A write's own reading goes one by one: what comes next needs all of it. */
enum step map_move(struct map_op *op, struct block *where, enum block_op kind, uint64_t offset,
                   struct cursor *cursor, uint64_t len) {
    bool alone = !op->flying && len == cursor->end - cursor->pos;
    if (alone || kind != op->req->op)
        return map_transfer(op, where, kind, offset, cursor, len);
    return fly(op, where, offset, cursor, len);
}

enum step map_read(struct map_op *op, struct cursor *cursor) {
    struct map *map = op->map;
    while (cursor->pos < cursor->end) {
        struct extent e;
        enum step s = map->ops->map(op, cursor->pos, cursor->end - cursor->pos, &e);
        if (s != STEP_DONE)
            return s;
        if (e.kind == EXTENT_BACKING && cursor->pos >= map->backing->size)
            e.kind = EXTENT_ZERO;
        switch (e.kind) {
        case EXTENT_ZERO:
            fill(cursor, NULL, e.len);
            break;
        case EXTENT_DATA:
            s = map_move(op, map->file, BLOCK_READ, e.host, cursor, e.len);
            break;
        case EXTENT_BACKING:
            s = map_move(op, map->backing, BLOCK_READ, cursor->pos, cursor,
                         MIN(e.len, map->backing->size - cursor->pos));
            break;
        case EXTENT_PACKED:
            s = read_packed(op, cursor, &e);
            break;
        }
        if (s != STEP_DONE)
            return s;
    }
    return STEP_DONE;
}

/* ---- the task: what has ended, who may go on, who may begin ---- */

static void start_queued(struct map *map) {
    while (map->queue) {
        struct block_req *req = map->queue;
        bool refused = req->scratch[0];
        struct map_op *op = refused ? NULL : take_op(map);
        if (!refused && !op && map->busy)
            return;
        map->queue = req->next;
        if (!map->queue)
            map->queue_end = &map->queue;
        if (op) {
            begin(op, req);
            whole(op, req);
            run(op);
            continue;
        }
        int err = refused ? (int)req->scratch[1] : ENOMEM;
        map->block.stats.errors += !refused;
        req->done(req, err);
    }
}

static void turn(struct map *map) {
    while (map->finished) {
        struct map_op *op = map->finished;
        map->finished = op->next;
        if (!map->finished)
            map->finished_end = &map->finished;
        end_op(op);
    }
    if (map->wake) {
        map->wake = false;
        *map->runnable_end = map->parked;
        if (map->parked)
            map->runnable_end = map->parked_end;
        map->parked = NULL;
        map->parked_end = &map->parked;
        if (map->ops->woken)
            map->ops->woken(map);
    }
    while (map->runnable) {
        struct map_op *op = map->runnable;
        map->runnable = op->next;
        if (!map->runnable)
            map->runnable_end = &map->runnable;
        run(op);
    }
    start_queued(map);
}

static void run_task(void *arg) {
    struct map *map = arg;
    map->inside++;
    turn(map);
    map_leave(map);
}

/* ---- what core/block.h asks ---- */

static void enqueue(struct map *map, struct block_req *req, bool refused, int err) {
    req->scratch[0] = refused;
    req->scratch[1] = (uint64_t)err;
    req->next = NULL;
    *map->queue_end = req;
    map->queue_end = &req->next;
    later(map);
}

static void map_refuse(struct block *block, struct block_req *req, int err) {
    enqueue(map_of(block), req, true, err);
}

/* A read that is one piece of the file: nothing comes after its transfer. */
static void read_at_once(struct block_req *child, int err) {
    struct map_op *op = child->owner;
    struct map *map = op->map;
    map->inside++;
    op->err = err;
    end_op(op);
    map_leave(map);
}

static void submit_piece(struct map_op *op, struct block_req *req, uint64_t host) {
    struct block *file = op->map->file;
    struct block_req *child = &op->child;
    child->op = BLOCK_READ;
    child->offset = host;
    child->len = req->len;
    child->iov = req->iov;
    child->niov = req->niov;
    child->done = read_at_once;
    child->owner = op;
    file->ops->submit(file, child);
}

static void submit_read(struct map_op *op, struct block_req *req) {
    const struct block *file = op->map->file;
    struct extent e;
    enum step s = op->map->ops->map(op, req->offset, req->len, &e);
    if (s == STEP_DONE && e.kind == EXTENT_DATA && e.len >= req->len &&
        (file->growable || e.host + e.len <= file->size)) {
        submit_piece(op, req, e.host);
        return;
    }
    whole(op, req);
    if (s != STEP_WAIT)
        run(op);
}

/* Most reads of most images: nothing to be looked up, nothing to be put together. */
static bool submit_at_once(struct map *map, struct block_req *req) {
    const struct block *file = map->file;
    struct map_op *op = map->spare;
    if (req->op != BLOCK_READ || !op || map->queue || !map->ops->at_once)
        return false;
    uint64_t host = map->ops->at_once(map, req->offset, req->len);
    if (!host || (!file->growable && host + req->len > file->size))
        return false;
    map->spare = op->next;
    begin(op, req);
    submit_piece(op, req, host);
    return true;
}

OUT_OF_LINE static void submit_op(struct map *map, struct block_req *req) {
    if (req->op == BLOCK_FLUSH && map->block.read_only) {
        enqueue(map, req, true, 0);
        return;
    }
    struct map_op *op = map->queue ? NULL : take_op(map);
    if (!op) {
        enqueue(map, req, false, 0);
        return;
    }
    begin(op, req);
    bool nested = map->submitting;
    map->submitting = true;
    if (req->op == BLOCK_READ && req->len) {
        submit_read(op, req);
    } else {
        whole(op, req);
        run(op);
    }
    map->submitting = nested;
}

static void map_submit(struct block *block, struct block_req *req) {
    struct map *map = map_of(block);
    if (!submit_at_once(map, req))
        submit_op(map, req);
}

/* Transfers that no request stands for. */
static bool under_way(const struct map *map) {
    return map->flush.state != FLUSH_IDLE || map->tables.loading || map->packed.busy ||
           (map->ops->busy && map->ops->busy(map));
}

static void map_drain(struct block *block) {
    struct map *map = map_of(block);
    /* what was freed by the first flush is counted down by the second */
    unsigned flushes = block->read_only ? 0 : 3;
    map->inside++;
    for (;;) {
        bool something = map->wake || map->runnable || map->finished || map->queue;
        turn(map);
        if (map->busy || under_way(map)) {
            block_drain(map->file);
            if (map->backing)
                block_drain(map->backing);
        } else if (!something) {
            if (!map->tables.dirty || !flushes--)
                break;
            map_flush(map);
        }
    }
    map_leave(map);
}

static void map_free(struct block *block) {
    struct map *map = map_of(block);
    map->inside++;
    map->freed = true;
    map_leave(map);
}

/* A `done` may have put the image away. */
void map_leave(struct map *map) {
    if (--map->inside || !map->freed)
        return;
    struct block *file = map->file, *backing = map->backing;
    map_unmake(map);
    block_put(file);
    block_put(backing);
}

void map_unmake(struct map *map) {
    loop_cancel(map->loop, &map->task);
    while (map->spare) {
        struct map_op *op = map->spare;
        map->spare = op->next;
        free(op->list);
        free(op->piece);
        free(op);
    }
    tables_free(map);
    free(map->packed.in);
    free(map->packed.out);
    map->ops->free(map);
}

static const struct block_ops map_block_ops = {
    .submit = map_submit, .refuse = map_refuse, .drain = map_drain, .free = map_free,
};

void map_init(struct map *map, const struct map_ops *ops, struct loop *loop, struct block *file,
              struct block *backing, const char *name, uint64_t size, bool read_only,
              uint32_t slice_size) {
    map->block = (struct block){.ops = &map_block_ops, .name = name, .size = size,
                                .read_only = read_only, .users = 1};
    map->ops = ops;
    map->loop = loop;
    map->task = (struct loop_task){.run = run_task, .arg = map};
    map->file = file;
    map->backing = backing;
    map->queue_end = &map->queue;
    map->parked_end = &map->parked;
    map->runnable_end = &map->runnable;
    map->finished_end = &map->finished;
    map->tables.size = slice_size;
    map->flush.waiting_end = &map->flush.waiting;
}
