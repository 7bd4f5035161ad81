/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB mass storage: the bulk-only transport (Bulk-Only Transport 1.0) and the commands of its disk
 * (SPC-3, SBC-2), in packets of 64 bytes as a UHCI's and in transfers as large as the data.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_usb.h"
#include "usb/storage.h"

enum { SECTORS = 512, SIZE = SECTORS * 512, DATA_MAX = 160 << 10, TAG = 0x11223344 };
enum { OUT = 0, IN = 0x80 };
enum { GOOD, FAILED, PHASE_ERROR };

struct ctx {
    struct fixture fx;
    struct usb_bench bench;
    struct block *block;
    struct usb_device *dev;
    uint8_t data[DATA_MAX];
    size_t packet;
    uint32_t residue;
    /* the transfer that is under way */
    struct usb_transfer t;
    struct iovec iov[2];
    unsigned done;
};

static void plug(struct ctx *c, unsigned speeds, bool read_only, bool removable) {
    memset(c, 0, sizeof(*c));
    fixture_init(&c->fx);
    c->packet = 64;
    c->block = fixture_block(&c->fx, SIZE, read_only);
    for (unsigned i = 0; i < SIZE; i++)
        fixture_bytes(c->block)[i] = (uint8_t)(i / 512 + i % 512);
    usb_bench_init(&c->bench, speeds);
    c->dev = storage_new(&(struct storage_pins){
        .block = c->block, .removable = removable, .serial = "S-1"});
    assert_true(usb_attach(&c->bench.port, c->dev));
    assert_true(usb_bench_configure(c->dev, 5));
}

static void end(struct ctx *c) {
    c->dev->ops->chip->free(c->dev);
    fixture_done(&c->fx);
}

static void transfer_done(struct usb_transfer *t) {
    ((struct ctx *)t->owner)->done++;
}

/* Starts a transfer on one of the bulk endpoints. */
static enum usb_result submit(struct ctx *c, enum usb_pid pid, void *buf, size_t len) {
    c->iov[0] = (struct iovec){buf, len};
    c->done = 0;
    c->t = (struct usb_transfer){.pid = pid, .ep = pid == USB_IN ? 1 : 2, .iov = c->iov,
                                 .niov = 1, .len = len, .done = transfer_done, .owner = c};
    return usb_submit(c->dev, &c->t);
}

/* To its end. */
static enum usb_result transfer(struct ctx *c, enum usb_pid pid, void *buf, size_t *len) {
    if (submit(c, pid, buf, *len) == USB_PENDING) {
        fixture_io(&c->fx);
        assert_int_equal(c->done, 1);
    }
    *len = c->t.actual;
    return c->t.result;
}

static enum usb_result send_cbw(struct ctx *c, unsigned flags, uint32_t len, const uint8_t *cdb,
                                unsigned cdb_len) {
    uint8_t cbw[31] = {'U', 'S', 'B', 'C'};
    size_t n = sizeof(cbw);
    store_le32(cbw + 4, TAG);
    store_le32(cbw + 8, len);
    cbw[12] = (uint8_t)flags;
    cbw[14] = (uint8_t)cdb_len;
    memcpy(cbw + 15, cdb, cdb_len);
    return transfer(c, USB_OUT, cbw, &n);
}

static int get_csw(struct ctx *c) {
    uint8_t csw[13];
    size_t n = sizeof(csw);
    assert_int_equal(transfer(c, USB_IN, csw, &n), USB_OK);
    assert_int_equal(n, 13);
    assert_memory_equal(csw, "USBS", 4);
    assert_int_equal(load_le32(csw + 4), TAG);
    c->residue = load_le32(csw + 8);
    return csw[12];
}

static void move_data(struct ctx *c, unsigned flags, uint32_t len) {
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN(c->packet, len - at);
        size_t want = n;
        assert_int_equal(transfer(c, flags ? USB_IN : USB_OUT, c->data + at, &n), USB_OK);
        assert_int_equal(n, want);
    }
}

/* A command from CBW to CSW; the status. */
static int command(struct ctx *c, unsigned flags, uint32_t len, const uint8_t *cdb,
                   unsigned cdb_len) {
    assert_int_equal(send_cbw(c, flags, len, cdb, cdb_len), USB_OK);
    move_data(c, flags, len);
    return get_csw(c);
}

#define CMD(c, flags, len, ...)                                                                    \
    command(c, flags, len, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Sense key, ASC and ASCQ, as 0xKKAAQQ. */
static unsigned sense(struct ctx *c) {
    assert_int_equal(CMD(c, IN, 18, 0x03, 0, 0, 0, 18, 0), GOOD);
    assert_int_equal(c->data[0], 0x70);
    return (unsigned)c->data[2] << 16 | (unsigned)c->data[12] << 8 | c->data[13];
}

static void begin(struct ctx *c) {
    plug(c, 1u << USB_FULL, false, false);
    assert_int_equal(sense(c), 0x062900); /* power on */
}

/* ---- the device ---- */

static void test_descriptors(void **state) {
    static const struct {
        enum usb_speed speed;
        uint16_t packet;
    } rows[] = {{USB_FULL, 64}, {USB_HIGH, 512}, {USB_SUPER, 1024}};
    struct ctx c;
    uint8_t b[64];
    size_t n;
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        plug(&c, 1u << rows[i].speed, false, false);
        assert_int_equal(usb_bench_control(c.dev, 0x80, 6, 0x0200, 0, 64, b, 64, &n), USB_OK);
        assert_int_equal(n, load_le16(b + 2));
        assert_int_equal(b[9 + 5], 8);    /* mass storage */
        assert_int_equal(b[9 + 6], 6);    /* SCSI transparent */
        assert_int_equal(b[9 + 7], 0x50); /* bulk-only */
        assert_int_equal(b[18 + 2], 0x81);
        assert_int_equal(load_le16(b + 18 + 4), rows[i].packet);
        assert_int_equal(usb_bench_control(c.dev, 0x80, 6, 0x0303, 0x409, 64, b, 64, &n), USB_OK);
        assert_memory_equal(b, "\x08\x03S\0-\0001\0", 8);
        assert_int_equal(usb_bench_control(c.dev, 0xa1, 0xfe, 0, 0, 1, b, 64, &n), USB_OK);
        assert_int_equal(b[0], 0); /* Get Max LUN */
        assert_int_equal(usb_bench_control(c.dev, 0xa1, 0xfe, 0, 1, 1, b, 64, &n), USB_STALL);
        end(&c);
    }
}

static void test_inquiry(void **state) {
    struct ctx c;
    (void)state;
    plug(&c, 1u << USB_FULL, false, true);
    assert_int_equal(CMD(&c, IN, 36, 0x12, 0, 0, 0, 36, 0), GOOD); /* in spite of the attention */
    assert_int_equal(c.residue, 0);
    assert_int_equal(c.data[0], 0);
    assert_int_equal(c.data[1], 0x80); /* removable */
    assert_int_equal(c.data[4], 31);
    assert_memory_equal(c.data + 8, "HVM-DM  USB DISK        1.0 ", 28);
    assert_int_equal(CMD(&c, IN, 255, 0x12, 1, 0, 0, 255, 0), GOOD);
    assert_memory_equal(c.data, "\0\0\0\x03\0\x80\x83", 7);
    assert_int_equal(c.residue, 248);
    assert_int_equal(CMD(&c, IN, 255, 0x12, 1, 0x80, 0, 255, 0), GOOD);
    assert_memory_equal(c.data, "\0\x80\0\x03S-1", 7);
    assert_int_equal(CMD(&c, IN, 255, 0x12, 1, 0x83, 0, 255, 0), GOOD);
    assert_memory_equal(c.data, "\0\x83\0\x0f\x02\x01\0\x0bHVM-DM  S-1", 19);
    assert_int_equal(CMD(&c, IN, 255, 0x12, 1, 0xb0, 0, 255, 0), FAILED);
    assert_int_equal(c.residue, 255);
    assert_int_equal(sense(&c), 0x062900); /* what was first */
    end(&c);
}

static void test_about_the_disk(void **state) {
    struct ctx c;
    (void)state;
    plug(&c, 1u << USB_FULL, true, false);
    assert_int_equal(CMD(&c, OUT, 0, 0x00, 0, 0, 0, 0, 0), FAILED);
    assert_int_equal(sense(&c), 0x062900);
    assert_int_equal(sense(&c), 0);
    assert_int_equal(CMD(&c, OUT, 0, 0x00, 0, 0, 0, 0, 0), GOOD);
    assert_int_equal(CMD(&c, IN, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), GOOD);
    assert_int_equal(load_be32(c.data), SECTORS - 1);
    assert_int_equal(load_be32(c.data + 4), 512);
    assert_int_equal(
        CMD(&c, IN, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), GOOD);
    assert_int_equal(load_be64(c.data), SECTORS - 1);
    assert_int_equal(CMD(&c, IN, 12, 0x23, 0, 0, 0, 0, 0, 0, 0, 12, 0), GOOD);
    assert_int_equal(load_be32(c.data + 4), SECTORS);
    assert_int_equal(CMD(&c, IN, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), GOOD);
    assert_int_equal(load_be32(c.data), 8);
    assert_int_equal(CMD(&c, IN, 192, 0x1a, 0, 0x3f, 0, 192, 0), GOOD);
    assert_int_equal(c.data[0], 4 + 8 + 20 + 12 - 1);
    assert_int_equal(c.data[2], 0x80); /* write-protected */
    assert_int_equal(c.data[12], 0x08);
    assert_int_equal(c.data[14], 4); /* WCE */
    assert_int_equal(c.residue, 192 - 44);
    assert_int_equal(CMD(&c, IN, 28, 0x5a, 8, 8, 0, 0, 0, 0, 0, 28, 0), GOOD);
    assert_int_equal(load_be16(c.data), 26);
    assert_int_equal(CMD(&c, IN, 28, 0x1a, 0, 0x05, 0, 28, 0), FAILED);
    assert_int_equal(sense(&c), 0x052400);
    assert_int_equal(CMD(&c, OUT, 0, 0xfe, 0, 0, 0, 0, 0), FAILED);
    assert_int_equal(sense(&c), 0x052000);
    assert_int_equal(CMD(&c, OUT, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), FAILED);
    assert_int_equal(sense(&c), 0x072700); /* write-protected */
    end(&c);
}

static void test_prevent_allow(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(CMD(&c, OUT, 0, 0x1e, 0, 0, 0, 1, 0), FAILED); /* a fixed disk */
    assert_int_equal(sense(&c), 0x052400);
    assert_int_equal(CMD(&c, OUT, 0, 0x1e, 0, 0, 0, 0, 0), GOOD);
    end(&c);
    plug(&c, 1u << USB_FULL, false, true);
    sense(&c);
    assert_int_equal(CMD(&c, OUT, 0, 0x1e, 0, 0, 0, 1, 0), GOOD);
    assert_int_equal(CMD(&c, OUT, 0, 0x1b, 0, 0, 0, 2, 0), FAILED); /* LOEJ */
    end(&c);
}

/* ---- reading and writing ---- */

static void check_moves(size_t packet) {
    struct ctx c;
    begin(&c);
    c.packet = packet;
    const uint8_t *disk = fixture_bytes(c.block);
    assert_int_equal(CMD(&c, IN, 512 * 200, 0x28, 0, 0, 0, 0, 3, 0, 0, 200, 0), GOOD);
    assert_memory_equal(c.data, disk + 3 * 512, 512 * 200);
    assert_int_equal(c.residue, 0);
    for (unsigned i = 0; i < 512 * 200; i++)
        c.data[i] = (uint8_t)(i * 7 + i / 512);
    assert_int_equal(CMD(&c, OUT, 512 * 200, 0x2a, 0, 0, 0, 0, 9, 0, 0, 200, 0), GOOD);
    assert_memory_equal(disk + 9 * 512, c.data, 512 * 200);
    assert_int_equal(disk[9 * 512 - 1], (uint8_t)(8 + 511));
    assert_int_equal(disk[209 * 512], 209);
    assert_int_equal(c.residue, 0);
    memset(c.data, 0x5a, 1024);
    assert_int_equal(CMD(&c, OUT, 1024, 0xaa, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0), GOOD);
    assert_memory_equal(disk + 256 * 512, c.data, 1024);
    assert_int_equal(CMD(&c, OUT, 512, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0), GOOD);
    assert_memory_equal(disk + 512, c.data, 512);
    assert_int_equal(CMD(&c, OUT, 512, 0x0a, 0, 0, 2, 1, 0), GOOD);
    assert_memory_equal(disk + 1024, c.data, 512);
    memset(c.data, 0, 1024);
    assert_int_equal(CMD(&c, IN, 1024, 0xa8, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0), GOOD);
    assert_memory_equal(c.data, disk + 256 * 512, 1024);
    assert_int_equal(CMD(&c, IN, 512, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0), GOOD);
    assert_memory_equal(c.data, disk + 512, 512);
    assert_int_equal(CMD(&c, IN, 512, 0x08, 0, 0, 2, 1, 0), GOOD);
    assert_memory_equal(c.data, disk + 1024, 512);
    end(&c);
}

static void test_moves(void **state) {
    static const size_t packets[] = {64, 512, 100, 1000, 1024, 20480, DATA_MAX};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(packets); i++)
        check_moves(packets[i]);
}

/* A large transfer is the image's own request: one, into the memory of the transfer. */
static void test_direct(void **state) {
    static const uint8_t cdb[] = {0x28, 0, 0, 0, 0, 0, 0, 0, 250, 0};
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(send_cbw(&c, IN, 250 * 512, cdb, sizeof(cdb)), USB_OK);
    uint64_t before = c.block->stats.rd_ops;
    assert_int_equal(submit(&c, USB_IN, c.data, 250 * 512), USB_PENDING);
    assert_int_equal(fixture_pending(&c.fx), 1);
    fixture_io(&c.fx);
    assert_int_equal(c.block->stats.rd_ops - before, 1);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.t.actual, 250 * 512);
    assert_int_equal(get_csw(&c), GOOD);
    end(&c);
}

/* Packets of a small controller: what a command reads comes in pieces of 64 KiB. */
static void test_read_ahead(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    uint64_t before = c.block->stats.rd_ops;
    assert_int_equal(CMD(&c, IN, 250 * 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 250, 0), GOOD);
    assert_int_equal(c.block->stats.rd_ops - before, 2);
    assert_int_equal(c.block->stats.rd_bytes, 250 * 512);
    end(&c);
}

static void test_range(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(CMD(&c, IN, 1024, 0x28, 0, 0, 0, 1, 0xff, 0, 0, 2, 0), FAILED);
    assert_int_equal(c.residue, 1024);
    assert_int_equal(c.data[0] | c.data[1023], 0); /* made up with zeros */
    assert_int_equal(sense(&c), 0x052100);
    assert_int_equal(CMD(&c, IN, 512, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0,
                         0, 1, 0, 0), FAILED);
    assert_int_equal(sense(&c), 0x052100);
    assert_int_equal(CMD(&c, OUT, 0, 0x2f, 0, 0, 0, 1, 0xff, 0, 0, 1, 0), GOOD);
    assert_int_equal(CMD(&c, OUT, 0, 0x2f, 0, 0, 0, 1, 0xff, 0, 0, 2, 0), FAILED);
    assert_int_equal(CMD(&c, OUT, 512, 0x2a, 8, 0, 0, 0, 0, 0, 0, 1, 0), FAILED); /* FUA */
    assert_int_equal(sense(&c), 0x052400);
    end(&c);
}

static void test_errors(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    fixture_fail(c.block, EIO, 1);
    assert_int_equal(CMD(&c, IN, 1024, 0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0), FAILED);
    assert_int_equal(c.residue, 1024);
    assert_int_equal(sense(&c), 0x031100);
    fixture_fail(c.block, EIO, 1);
    assert_int_equal(CMD(&c, OUT, 1024, 0x2a, 0, 0, 0, 0, 1, 0, 0, 2, 0), FAILED);
    assert_int_equal(c.residue, 1024);
    assert_int_equal(sense(&c), 0x030c00);
    fixture_fail(c.block, EIO, 1);
    assert_int_equal(CMD(&c, OUT, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), FAILED);
    assert_int_equal(sense(&c), 0x030c00);
    end(&c);
}

/* The status waits for the flush. */
static void test_flush(void **state) {
    static const uint8_t cdb[] = {0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct ctx c;
    uint8_t csw[13];
    (void)state;
    begin(&c);
    assert_int_equal(send_cbw(&c, OUT, 0, cdb, sizeof(cdb)), USB_OK);
    assert_int_equal(submit(&c, USB_IN, csw, 13), USB_PENDING);
    assert_false(c.dev->ops->chip->idle(c.dev));
    fixture_io(&c.fx);
    assert_int_equal(c.done, 1);
    assert_int_equal(csw[12], GOOD);
    assert_int_equal(c.block->stats.flush_ops, 1);
    assert_true(c.dev->ops->chip->idle(c.dev));
    assert_int_equal(CMD(&c, OUT, 0, 0x1b, 0, 0, 0, 0, 0), GOOD); /* STOP */
    assert_int_equal(c.block->stats.flush_ops, 2);
    end(&c);
}

/* ---- the transport ---- */

/* Bulk-Only Transport 1.0, table 6.1: what host and device mean to move. */
static void test_thirteen_cases(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(CMD(&c, OUT, 0, 0x00, 0, 0, 0, 0, 0), GOOD);                  /* 1 */
    assert_int_equal(CMD(&c, OUT, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), PHASE_ERROR); /* 2 */
    assert_int_equal(CMD(&c, OUT, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), PHASE_ERROR); /* 3 */
    assert_int_equal(CMD(&c, IN, 100, 0x00, 0, 0, 0, 0, 0), GOOD);                 /* 4 */
    assert_int_equal(c.residue, 100);
    assert_int_equal(CMD(&c, IN, 1000, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), GOOD);    /* 5 */
    assert_int_equal(c.residue, 488);
    assert_int_equal(CMD(&c, IN, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), GOOD);     /* 6 */
    assert_int_equal(CMD(&c, IN, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0), PHASE_ERROR); /* 7 */
    assert_int_equal(CMD(&c, IN, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), PHASE_ERROR); /* 8 */
    assert_int_equal(CMD(&c, OUT, 100, 0x00, 0, 0, 0, 0, 0), GOOD);                /* 9 */
    assert_int_equal(c.residue, 100);
    assert_int_equal(CMD(&c, OUT, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), PHASE_ERROR); /* 10 */
    assert_int_equal(CMD(&c, OUT, 1000, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), GOOD);   /* 11 */
    assert_int_equal(c.residue, 488);
    assert_int_equal(CMD(&c, OUT, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), GOOD);    /* 12 */
    assert_int_equal(CMD(&c, OUT, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0), PHASE_ERROR); /* 13 */
    end(&c);
}

static enum usb_result clear_halt(struct ctx *c, uint8_t ep) {
    return usb_bench_control(c->dev, 2, 1, 0, ep, 0, NULL, 64, NULL);
}

/* 5.3.4: both pipes stall, cleared or not, until there was a reset and the halts are cleared. */
static void test_reset_recovery(void **state) {
    struct ctx c;
    size_t n = 31;
    (void)state;
    begin(&c);
    assert_int_equal(transfer(&c, USB_OUT, c.data, &n), USB_STALL); /* no signature */
    n = 13;
    assert_int_equal(transfer(&c, USB_IN, c.data, &n), USB_STALL);
    assert_int_equal(clear_halt(&c, 0x81), USB_OK);
    assert_int_equal(clear_halt(&c, 0x02), USB_OK);
    assert_int_equal(transfer(&c, USB_IN, c.data, &n), USB_STALL);
    assert_int_equal(usb_bench_control(c.dev, 0x21, 0xff, 0, 0, 0, NULL, 64, NULL), USB_OK);
    assert_int_equal(transfer(&c, USB_IN, c.data, &n), USB_STALL); /* halted still */
    assert_int_equal(clear_halt(&c, 0x81), USB_OK);
    assert_int_equal(clear_halt(&c, 0x02), USB_OK);
    assert_int_equal(CMD(&c, OUT, 0, 0x00, 0, 0, 0, 0, 0), GOOD);
    end(&c);
}

static void test_invalid_cbws(void **state) {
    static const struct {
        uint8_t at, value;
        size_t len;
    } rows[] = {{0, 'u', 31}, {13, 1, 31}, {14, 0, 31}, {14, 17, 31}, {14, 6, 30}, {14, 6, 32}};
    struct ctx c;
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t cbw[32] = {'U', 'S', 'B', 'C', [14] = 6};
        size_t n = rows[i].len;
        begin(&c);
        cbw[rows[i].at] = rows[i].value;
        assert_int_equal(transfer(&c, USB_OUT, cbw, &n), USB_STALL);
        end(&c);
    }
}

/* An IN that comes before its command waits, and is told. */
static void test_early_in(void **state) {
    static const uint8_t cdb[] = {0, 0, 0, 0, 0, 0};
    struct ctx c;
    size_t n = 13;
    (void)state;
    begin(&c);
    assert_int_equal(transfer(&c, USB_IN, c.data, &n), USB_NAK);
    assert_int_equal(c.bench.ready[1][1], 0);
    assert_int_equal(send_cbw(&c, OUT, 0, cdb, sizeof(cdb)), USB_OK);
    assert_int_equal(c.bench.ready[1][1], 1);
    assert_int_equal(get_csw(&c), GOOD);
    end(&c);
}

/* A transfer that is taken back has not happened: what follows is as if it came first. */
static void test_cancel(void **state) {
    static const uint8_t read[] = {0x28, 0, 0, 0, 0, 4, 0, 0, 2, 0};
    static const uint8_t write[] = {0x2a, 0, 0, 0, 0, 4, 0, 0, 1, 0};
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(send_cbw(&c, IN, 1024, read, sizeof(read)), USB_OK);
    assert_int_equal(submit(&c, USB_IN, c.data, 1024), USB_PENDING);
    usb_cancel(&c.t);
    assert_int_equal(fixture_pending(&c.fx), 0); /* nobody moves its memory any more */
    assert_int_equal(c.done, 0);
    move_data(&c, IN, 1024);
    assert_memory_equal(c.data, fixture_bytes(c.block) + 4 * 512, 1024);
    assert_int_equal(get_csw(&c), GOOD);
    assert_int_equal(send_cbw(&c, OUT, 512, write, sizeof(write)), USB_OK);
    memset(c.data, 0x77, 512);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(submit(&c, USB_OUT, c.data + 64 * i, 64), USB_OK);
    assert_int_equal(submit(&c, USB_OUT, c.data + 448, 64), USB_PENDING);
    usb_cancel(&c.t);
    size_t n = 64;
    assert_int_equal(transfer(&c, USB_OUT, c.data + 448, &n), USB_OK);
    assert_int_equal(get_csw(&c), GOOD);
    assert_int_equal(c.residue, 0);
    assert_memory_equal(fixture_bytes(c.block) + 4 * 512, c.data, 512);
    end(&c);
}

/* In the middle of a request: by the class's request, by the bus, by pulling the plug. */
static void test_interrupted(void **state) {
    static const uint8_t cdb[] = {0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0};
    struct ctx c;
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        begin(&c);
        assert_int_equal(send_cbw(&c, IN, 4096, cdb, sizeof(cdb)), USB_OK);
        assert_int_equal(submit(&c, USB_IN, c.data, 4096), USB_PENDING);
        if (how == 0)
            usb_bench_control(c.dev, 0x21, 0xff, 0, 0, 0, NULL, 64, NULL);
        else if (how == 1)
            usb_reset(c.dev);
        else
            usb_detach(c.dev);
        assert_int_equal(c.done, 1);
        assert_int_equal(c.t.result, USB_ERROR);
        assert_true(c.dev->ops->chip->idle(c.dev));
        if (how == 2)
            assert_true(usb_attach(&c.bench.port, c.dev));
        if (how)
            assert_true(usb_bench_configure(c.dev, 3));
        assert_int_equal(sense(&c), how ? 0x062900 : 0);
        end(&c);
    }
}

static void test_resize(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    block_resized(c.block, SIZE / 2);
    assert_int_equal(CMD(&c, OUT, 0, 0x00, 0, 0, 0, 0, 0), FAILED);
    assert_int_equal(sense(&c), 0x062a09); /* capacity data has changed */
    assert_int_equal(CMD(&c, IN, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), GOOD);
    assert_int_equal(load_be32(c.data), SECTORS / 2 - 1);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors), cmocka_unit_test(test_inquiry),
        cmocka_unit_test(test_about_the_disk), cmocka_unit_test(test_prevent_allow),
        cmocka_unit_test(test_moves), cmocka_unit_test(test_direct),
        cmocka_unit_test(test_read_ahead), cmocka_unit_test(test_range),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_flush),
        cmocka_unit_test(test_thirteen_cases), cmocka_unit_test(test_reset_recovery),
        cmocka_unit_test(test_invalid_cbws), cmocka_unit_test(test_early_in),
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_resize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
