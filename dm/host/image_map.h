/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What formats share whose sectors lie wherever tables in the file say: requests that are mapped
 * piece by piece, and a bounded cache of tables that is written back in order.
 *
 * A request is a machine that runs until it needs something that is not there: a transfer of its
 * own, or a table. Then it gives STEP_WAIT, and runs again when the transfer is done or something
 * has been loaded. So a driver looks its tables up anew at each step, and what it does between two
 * waits is atomic. Nothing blocks but opening.
 *
 * Tables are cached in slices, big endian as in the file, and written by a flush, which takes a
 * copy of all that is dirty at its beginning and writes it phase by phase, with a sync of the file
 * between the phases. A phase may so refer to what earlier phases and all data written before say;
 * whatever the host does to the writes in between, the file is whole.
 *
 * Thread of the loop.
 */
#ifndef HOST_IMAGE_MAP_H
#define HOST_IMAGE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/block.h"
#include "core/log.h"
#include "core/loop.h"

enum step { STEP_DONE, STEP_WAIT, STEP_FAIL }; /* FAIL: op->err says why */

enum extent_kind { EXTENT_ZERO, EXTENT_DATA, EXTENT_BACKING, EXTENT_PACKED };

struct extent {
    enum extent_kind kind;
    uint64_t len;    /* bytes from the position on that are of this kind, one after the other */
    uint64_t host;   /* DATA: where they are; PACKED: where the packed bytes begin */
    uint64_t skip;   /* PACKED: of the unpacked bytes, how many come before the position */
    uint32_t packed; /* PACKED: how many bytes to read there, at most */
};

/* Guest bytes [start, end), of which those before pos are done, and their memory. */
struct cursor {
    uint64_t start, pos, end;
    struct iovec *iov;
    unsigned niov;
};

struct map;
struct map_op;

enum { MAP_PIECES = 16 };

/* One of the transfers of a request whose parts lie here and there: they go side by side. */
struct map_piece {
    struct block_req req;
    struct map_op *op;
};

struct map_op {
    struct map_op *next;
    struct map *map;
    struct block_req *req; /* the user's */
    struct cursor at;
    int err;
    uint8_t epoch;
    /* its one transfer */
    struct block_req child;
    struct cursor *moving; /* moves on when the transfer is done, or NULL */
    struct iovec *list;
    unsigned list_room;
    /* or its pieces, MAP_PIECES at a time; NULL: it never had any. Their lists are in `list`. */
    struct map_piece *piece;
    unsigned pieces, flying, list_used;
    bool awaits; /* runs again when none is flying */
    /* the driver's, zero at the beginning of each request */
    uint8_t state;
    struct map_op *claim_next;
    bool claims; /* clusters [first, first + count) of the guest are being given a place */
    bool fresh, reused;
    uint64_t first, count, host, until;
    struct cursor fetch;
    struct iovec fetch_iov;
    uint8_t *bounce;
    size_t head, tail, skip_head, skip_tail;
};

/* ---- tables ---- */

enum { TABLE_PHASES = 3 };

struct slice {
    struct map *map;
    struct slice *next; /* of the same hash */
    uint64_t offset, used;
    uint8_t phase;
    enum { SLICE_EMPTY, SLICE_LOADING, SLICE_FAILED, SLICE_READY } state;
    bool dirty, writing;
    int err;
    uint8_t *data, *shadow;
    struct block_req req;
    struct iovec iov;
};

enum { TABLE_SLICES = 320, TABLE_BUCKETS = 256 };

struct tables {
    uint32_t size; /* of a slice, a power of two */
    unsigned count, loading, dirty;
    uint64_t tick, evictions;
    bool failed; /* the last flush */
    struct slice *slice[TABLE_SLICES], *bucket[TABLE_BUCKETS];
};

struct flush {
    enum { FLUSH_IDLE, FLUSH_WRITING, FLUSH_SYNCING } state;
    unsigned phase, busy;
    bool synced, again;
    int err;
    unsigned written[TABLE_PHASES];
    struct block_req req;
    struct map_op *waiting, **waiting_end; /* for the next one */
    struct map_op *current;
};

/* ---- the image ---- */

struct map_ops {
    /* What is at guest byte pos, for at most len bytes. */
    enum step (*map)(struct map_op *op, uint64_t pos, uint64_t len, struct extent *extent);
    /* Where all of [pos, pos + len) lies in the file, if that is known without any waiting and in
     * a few steps; 0: map says. Optional. */
    uint64_t (*at_once)(struct map *map, uint64_t pos, uint64_t len);
    enum step (*write)(struct map_op *op);
    enum step (*discard)(struct map_op *op);
    void (*abandon)(struct map_op *op); /* a write failed: takes back what it claims */
    bool (*unpack)(struct map *map, const uint8_t *packed, size_t len, uint8_t *out);
    void (*frozen)(struct map *map);               /* a flush took its copies */
    void (*flushed)(struct map *map, bool all_ok); /* and has ended */
    void (*woken)(struct map *map);                /* something was loaded or has ended */
    bool (*busy)(const struct map *map);           /* with transfers of its own */
    void (*free)(struct map *map);                 /* frees the struct too */
};

enum { MAP_OPS = 64 };

struct map {
    struct block block;
    const struct map_ops *ops;
    struct loop *loop;
    struct loop_task task;
    struct block *file, *backing;
    struct map_op *spare;
    unsigned made, busy;
    struct block_req *queue, **queue_end; /* waiting for an op, or refused */
    struct map_op *parked, **parked_end; /* until woken */
    struct map_op *runnable, **runnable_end, *finished, **finished_end;
    unsigned in_flight[2]; /* by epoch: who may use clusters freed at its end */
    uint8_t epoch;
    bool wake, submitting, freed;
    unsigned inside;
    struct tables tables;
    struct flush flush;
    /* the one unpacked cluster */
    struct {
        uint8_t *out, *in;
        size_t in_room, size; /* size: of out, the driver's */
        uint64_t host, loading;
        uint32_t len;
        bool valid, busy;
        int err;
        struct block_req req;
        struct iovec iov;
    } packed;
    struct log_limit corrupt;
};

static inline struct map *map_of(struct block *block) {
    return (struct map *)block; /* its first member */
}

/* The rest of a map that the driver has zeroed; `name` must live as long. */
void map_init(struct map *map, const struct map_ops *ops, struct loop *loop, struct block *file,
              struct block *backing, const char *name, uint64_t size, bool read_only,
              uint32_t slice_size);

/* Ends a map that was never used, and leaves file and backing alone. */
void map_unmake(struct map *map);

enum step map_fail(struct map_op *op, int err);
/* Ends a request; `done` is called now or, inside a submit, soon. */
void map_finish(struct map_op *op);
/* The image contradicts itself: one line, and EIO. */
enum step map_corrupt(struct map *map, int *err, const char *what, uint64_t value);
/* The op runs again when anything has been loaded or has ended. */
enum step map_park(struct map_op *op);
void map_wake(struct map *map);
/* Reads what the cursor covers into its memory. */
enum step map_read(struct map_op *op, struct cursor *cursor);
/* Starts the transfer of `len` bytes of the cursor, of what the request is or for it. DONE: it is
 * under way and the cursor past it, so that the next may go beside it. */
enum step map_move(struct map_op *op, struct block *where, enum block_op kind, uint64_t offset,
                   struct cursor *cursor, uint64_t len);
/* WAIT until nothing is under way beside what comes next: that needs the op's one transfer, or to
 * use nothing that it has looked up before. */
enum step map_settle(struct map_op *op);
/* Starts the op's one transfer, with none beside it: `len` bytes of the cursor, or its list of
 * `niov` if cursor is NULL. */
enum step map_transfer(struct map_op *op, struct block *where, enum block_op kind, uint64_t offset,
                       struct cursor *cursor, size_t len);
enum step map_transfer_list(struct map_op *op, struct block *where, enum block_op kind,
                            uint64_t offset, unsigned niov, size_t len);
/* Room for a list; false: no memory. Appends what the cursor has at [pos, pos + len): how many. */
bool map_list_room(struct map_op *op, unsigned n);
unsigned map_list_add(struct map_op *op, unsigned n, const struct cursor *cursor, uint64_t pos,
                      size_t len);
/* The op uses nothing that it has looked up before. */
void map_op_renew(struct map_op *op);
/* Was the last of an older epoch; the driver waits for it after `flushed`. */
bool map_epoch_over(const struct map *map);
void map_epoch_next(struct map *map);

/*
 * The slice that holds file offset `at`; NULL with *err 0: it is being loaded, park. Valid until
 * the eighth table_get after this one, or a wait.
 */
struct slice *table_get(struct map *map, uint64_t at, unsigned phase, int *err);
void table_dirty(struct slice *slice);
/* Forgets what is cached of a place that no longer holds a table. */
void table_forget(struct map *map, uint64_t offset, uint64_t len);
void tables_free(struct map *map);

static inline uint8_t *slice_at(const struct map *map, struct slice *slice, uint64_t at) {
    return slice->data + (at & (map->tables.size - 1));
}

/* Begins a flush, or has one follow that which is under way. */
void map_flush(struct map *map);

/* The end of a callback that began with inside++: a `done` may have put the image away. */
void map_leave(struct map *map);

#endif
