/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load on a disk that knows what it wrote, for a guest in the lab: a static program that keeps
 * O_DIRECT requests of random places and lengths under way, by the kernel's asynchronous I/O, and
 * compares whatever it reads with what it wrote there last.
 *
 *     diskcheck load DEVICE FIRST-MIB MIB SEED OPERATIONS DEPTH
 *     diskcheck check DEVICE FIRST-MIB MIB SEED OPERATIONS
 *     diskcheck unplug
 *
 * `load` ends with a flush; OPERATIONS 0: it never ends. `check` goes through the same operations
 * without doing them and then reads all of it: also another day, by another way to the same disk.
 * `unplug` asks Xen's platform device for the emulated disks to go.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCK = 4096, WORDS = BLOCK / 8, LONGEST = 32, DEPTH_MAX = 64, FLUSH_EVERY = 500 };

struct operation {
    uint64_t at; /* blocks */
    unsigned length;
    int writes;
};

struct slot {
    struct iocb iocb;
    struct operation op;
    int used;
};

static uint64_t seed, state;
static uint64_t first, blocks;
static uint32_t *generation; /* of each block: the operation that wrote it last; 0: none */
static int fd;
static struct slot slots[DEPTH_MAX];

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static struct operation next_operation(void) {
    uint64_t r = mix(state += 0x9e3779b97f4a7c15ull);
    struct operation op = {.writes = r % 8 < 5};
    op.length = 1 + (r & 8 ? (unsigned)(r >> 8) % LONGEST : (unsigned)(r >> 8) % 2);
    op.at = (r >> 24) % (blocks - op.length + 1);
    return op;
}

/* Each word says where it should be, who wrote it, and when. */
static uint64_t word(uint64_t block, uint32_t gen, unsigned i) {
    return mix(seed ^ (block * WORDS + i) * 0x9e3779b97f4a7c15ull ^ (uint64_t)gen << 32);
}

static void fill(uint64_t *to, uint64_t block, uint32_t gen) {
    for (unsigned i = 0; i < WORDS; i++)
        to[i] = word(block, gen, i);
}

static void compare(const uint64_t *got, uint64_t block) {
    for (unsigned i = 0; generation[block] && i < WORDS; i++)
        if (got[i] != word(block, generation[block], i)) {
            printf("BAD: block %lu, byte %u: %016lx, operation %u wrote %016lx\n",
                   (unsigned long)(first + block), i * 8, (unsigned long)got[i],
                   generation[block], (unsigned long)word(block, generation[block], i));
            exit(1);
        }
}

static void give_up(const char *what) {
    perror(what);
    exit(1);
}

static int overlaps(const struct operation *op) {
    for (unsigned i = 0; i < DEPTH_MAX; i++) {
        const struct operation *other = &slots[i].op;
        if (slots[i].used && op->at < other->at + other->length &&
            other->at < op->at + op->length && (op->writes || other->writes))
            return 1;
    }
    return 0;
}

static void start(aio_context_t context, struct slot *slot, struct operation op, uint32_t gen) {
    struct iocb *iocb = &slot->iocb;
    uint64_t *memory = (uint64_t *)(uintptr_t)iocb->aio_buf;
    for (unsigned i = 0; op.writes && i < op.length; i++) {
        generation[op.at + i] = gen;
        fill(memory + (size_t)i * WORDS, op.at + i, gen);
    }
    iocb->aio_fildes = (uint32_t)fd;
    iocb->aio_lio_opcode = op.writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    iocb->aio_nbytes = (uint64_t)op.length * BLOCK;
    iocb->aio_offset = (int64_t)((first + op.at) * BLOCK);
    slot->op = op;
    slot->used = 1;
    if (syscall(SYS_io_submit, context, 1L, &iocb) != 1)
        give_up("io_submit");
}

static void finish(aio_context_t context, unsigned *under_way) {
    struct io_event events[DEPTH_MAX];
    long got = syscall(SYS_io_getevents, context, 1L, (long)DEPTH_MAX, events, NULL);
    for (long i = 0; i < got; i++) {
        struct slot *slot = (struct slot *)(uintptr_t)events[i].obj;
        const uint64_t *memory = (const uint64_t *)(uintptr_t)slot->iocb.aio_buf;
        if (events[i].res != (int64_t)slot->iocb.aio_nbytes) {
            printf("BAD: a request of block %lu ends with %ld\n",
                   (unsigned long)(first + slot->op.at), (long)events[i].res);
            exit(1);
        }
        for (unsigned j = 0; !slot->op.writes && j < slot->op.length; j++)
            compare(memory + (size_t)j * WORDS, slot->op.at + j);
        slot->used = 0;
        (*under_way)--;
    }
}

static void load(unsigned long operations, unsigned depth) {
    aio_context_t context = 0;
    unsigned under_way = 0;
    if (syscall(SYS_io_setup, depth, &context))
        give_up("io_setup");
    for (unsigned i = 0; i < depth; i++)
        slots[i].iocb = (struct iocb){
            .aio_buf = (uint64_t)(uintptr_t)aligned_alloc(BLOCK, (size_t)LONGEST * BLOCK)};
    for (unsigned long n = 1; !operations || n <= operations; n++) {
        struct operation op = next_operation();
        struct slot *slot = slots;
        while (under_way == depth || overlaps(&op))
            finish(context, &under_way);
        while (slot->used)
            slot++;
        start(context, slot, op, (uint32_t)n);
        under_way++;
        if (n % FLUSH_EVERY == 0 && fdatasync(fd))
            give_up("fdatasync");
    }
    while (under_way)
        finish(context, &under_way);
    if (fsync(fd))
        give_up("fsync");
}

static void check(unsigned long operations) {
    uint64_t *memory = aligned_alloc(BLOCK, (size_t)LONGEST * BLOCK);
    for (unsigned long n = 1; n <= operations; n++) {
        struct operation op = next_operation();
        for (unsigned i = 0; op.writes && i < op.length; i++)
            generation[op.at + i] = (uint32_t)n;
    }
    for (uint64_t i = 0; i < blocks; i++) {
        if (i % LONGEST == 0 && pread(fd, memory, (size_t)LONGEST * BLOCK,
                                      (off_t)((first + i) * BLOCK)) != LONGEST * BLOCK)
            give_up("read");
        compare(memory + i % LONGEST * WORDS, i);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "unplug")) {
        if (ioperm(0x10, 2, 1))
            give_up("ioperm");
        outw(1, 0x10);
        return 0;
    }
    if (argc < 7)
        return 2;
    first = strtoul(argv[3], NULL, 10) << 8;
    blocks = strtoul(argv[4], NULL, 10) << 8;
    seed = state = strtoul(argv[5], NULL, 10);
    unsigned long operations = strtoul(argv[6], NULL, 10), depth = 1;
    if (argc > 7)
        depth = strtoul(argv[7], NULL, 10);
    generation = calloc(blocks, sizeof(*generation));
    fd = open(argv[2], O_RDWR | O_DIRECT);
    if (fd < 0 || blocks < LONGEST || !depth || depth > DEPTH_MAX)
        give_up(argv[2]);
    if (!strcmp(argv[1], "load"))
        load(operations, (unsigned)depth);
    else
        check(operations);
    puts("good");
    return 0;
}
