/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV keyboard as a frontend meets it; layouts of xen/io/kbdif.h, the handshake as in Linux's
 * xen-kbdfront.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/input-event-codes.h>
#include <xen/io/kbdif.h>

#include "core/bits.h"
#include "core/input.h"
#include "pv/kbd.h"

#define BE "backend/vkbd/1/0"
#define FE "/local/domain/1/device/vkbd/0"

/* ---- a store, a page and a channel in memory ---- */

enum { NODES = 32, WATCHES = 4 };

static struct {
    char path[96], val[32];
} nodes[NODES];
static struct pv_watch *watches[WATCHES];
static union {
    struct xenkbd_page head;
    uint8_t bytes[PV_PAGE];
} page;
static unsigned mapped, notified;
static uint64_t asked_gfn;
static struct pv_port *bound;

static int find(const char *path) {
    for (int i = 0; i < NODES; i++)
        if (!strcmp(nodes[i].path, path))
            return i;
    return -1;
}

static bool store_read(struct pv *pv, const char *path, char *val, size_t len) {
    (void)pv;
    int n = find(path);
    if (n >= 0)
        snprintf(val, len, "%s", nodes[n].val);
    return n >= 0;
}

static bool store_write(struct pv *pv, const char *path, const char *val) {
    (void)pv;
    int n = find(path) >= 0 ? find(path) : find("");
    assert_true(n >= 0);
    snprintf(nodes[n].path, sizeof(nodes[n].path), "%s", path);
    snprintf(nodes[n].val, sizeof(nodes[n].val), "%s", val);
    return true;
}

static void store_list(struct pv *pv, const char *path, void (*each)(void *, const char *),
                       void *arg) {
    (void)pv;
    if (!strcmp(path, "backend/vkbd/1"))
        each(arg, "0");
}

static bool store_watch(struct pv *pv, struct pv_watch *watch, const char *path) {
    (void)pv;
    (void)path;
    for (unsigned i = 0; i < WATCHES; i++)
        if (!watches[i]) {
            watches[i] = watch;
            return true;
        }
    return false;
}

static void store_unwatch(struct pv *pv, struct pv_watch *watch) {
    (void)pv;
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i] == watch)
            watches[i] = NULL;
}

static void *map(struct pv *pv, const uint32_t *refs, unsigned n, bool write) {
    (void)pv;
    assert_true(n == 1 && write);
    mapped += *refs == 8;
    return *refs == 8 ? page.bytes : NULL;
}

static void unmap(struct pv *pv, void *pages, unsigned n) {
    (void)pv;
    assert_true(pages == page.bytes && n == 1 && mapped--);
}

static void *map_gfn(struct pv *pv, uint64_t gfn) {
    (void)pv;
    asked_gfn = gfn;
    mapped++;
    return page.bytes;
}

static void unmap_gfn(struct pv *pv, void *at) {
    unmap(pv, at, 1);
}

static bool bind(struct pv *pv, uint32_t remote, struct pv_port *port) {
    (void)pv;
    if (remote != 5)
        return false;
    bound = port;
    return true;
}

static void unbind(struct pv *pv, struct pv_port *port) {
    (void)pv;
    assert_ptr_equal(bound, port);
    bound = NULL;
}

static void notify(struct pv *pv, struct pv_port *port) {
    (void)pv;
    assert_ptr_equal(bound, port);
    notified++;
}

static const struct pv_ops ops = {
    .read = store_read, .write = store_write, .list = store_list, .watch = store_watch,
    .unwatch = store_unwatch, .map = map, .unmap = unmap, .map_gfn = map_gfn,
    .unmap_gfn = unmap_gfn, .bind = bind, .unbind = unbind, .notify = notify};
static struct pv pv = {&ops, 1};

/* ---- the guest ---- */

static struct input *input;
static struct xenbus *bus;
static unsigned ps2_events;

static void set(const char *path, const char *val) {
    store_write(&pv, path, val);
}

/* Everybody whose watch may have fired looks. */
static void settle(void) {
    for (unsigned round = 0; round < 4; round++)
        for (unsigned i = 0; i < WATCHES; i++)
            if (watches[i])
                watches[i]->changed(watches[i]->arg);
}

static void expect(const char *path, const char *val) {
    char got[32] = "";
    store_read(&pv, path, got, sizeof(got));
    assert_string_equal(got, val);
}

static void ps2_event(void *dev, const struct input_event *e) {
    (void)dev;
    (void)e;
    ps2_events++;
}

static struct input_sink ps2 = {.name = "ps2", .event = ps2_event,
                                .kinds = 1u << INPUT_KEY | 1u << INPUT_REL};

static int setup(void **state) {
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    memset(&page, 0, sizeof(page));
    notified = ps2_events = 0;
    input = input_new();
    input_add(input, &ps2);
    set(BE "/frontend", FE);
    set(BE "/online", "1");
    set(BE "/state", "1");
    set(FE "/state", "1");
    bus = xenbus_new(&pv, &pv_kbd_type, input);
    settle();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    xenbus_free(bus);
    input_free(input);
    assert_int_equal(mapped, 0);
    assert_null(bound);
    return 0;
}

static void connect_front(const char *node, const char *ref, bool absolute) {
    expect(BE "/state", "2");
    expect(BE "/feature-abs-pointer", "1");
    expect(BE "/feature-raw-pointer", "1");
    if (absolute)
        set(FE "/request-abs-pointer", "1");
    set(node, ref);
    set(FE "/event-channel", "5");
    set(FE "/state", "3");
    settle();
}

static void enter(bool absolute) {
    connect_front(FE "/page-gref", "8", absolute);
    expect(BE "/state", "4");
}

static void send(enum input_kind kind, unsigned code, int value) {
    input_send(input, &(struct input_event){kind, (uint16_t)code, value});
}

static union xenkbd_in_event take(void) {
    assert_int_not_equal(page.head.in_cons, page.head.in_prod);
    return XENKBD_IN_RING_REF(page.bytes, page.head.in_cons++);
}

static void expect_key(unsigned code, bool down) {
    union xenkbd_in_event e = take();
    assert_int_equal(e.type, XENKBD_TYPE_KEY);
    assert_int_equal(e.key.keycode, code);
    assert_int_equal(e.key.pressed, down);
}

/* Before the driver is there keys go to the PS/2 keyboard, then to it alone, then back. */
static void keys_go_to_one(void **state) {
    (void)state;
    send(INPUT_KEY, KEY_A, 1);
    assert_int_equal(ps2_events, 1);
    enter(true);
    send(INPUT_KEY, KEY_A, 1);
    assert_int_equal(ps2_events, 1);
    send(INPUT_KEY, KEY_A, 0);
    assert_int_equal(notified, 0); /* one for the group */
    input_sync(input);
    assert_int_equal(notified, 1);
    assert_int_equal(ps2_events, 2); /* where it was down before, it goes up too */
    expect_key(KEY_A, true);
    expect_key(KEY_A, false);
    input_sync(input);
    assert_int_equal(notified, 1);
    set(FE "/state", "5");
    settle();
    expect(BE "/state", "5");
    assert_int_equal(mapped, 0);
    send(INPUT_KEY, KEY_A, 1);
    assert_int_equal(ps2_events, 3);
}

static void positions(void **state) {
    (void)state;
    enter(true);
    expect(BE "/width", "32768");
    assert_true(input_has_abs(input));
    send(INPUT_ABS, INPUT_X, 0x7fff);
    send(INPUT_ABS, INPUT_Y, 0x1234);
    send(INPUT_REL, INPUT_WHEEL, 1);
    send(INPUT_BUTTON, BTN_LEFT, 1);
    input_sync(input);
    union xenkbd_in_event e = take();
    assert_int_equal(e.type, XENKBD_TYPE_POS);
    assert_int_equal(e.pos.abs_x, 0x7fff);
    assert_int_equal(e.pos.abs_y, 0x1234);
    assert_int_equal(e.pos.rel_z, -1);
    expect_key(BTN_LEFT, true);
    assert_int_equal(page.head.in_cons, page.head.in_prod);
}

static void motion(void **state) {
    (void)state;
    set(BE "/feature-disable-keyboard", "1");
    enter(false);
    assert_false(input_has_abs(input));
    send(INPUT_REL, INPUT_X, 3);
    send(INPUT_REL, INPUT_X, 4);
    send(INPUT_REL, INPUT_Y, -9);
    send(INPUT_KEY, KEY_A, 1);
    input_sync(input);
    union xenkbd_in_event e = take();
    assert_int_equal(e.type, XENKBD_TYPE_MOTION);
    assert_int_equal(e.motion.rel_x, 7);
    assert_int_equal(e.motion.rel_y, -9);
    assert_int_equal(ps2_events, 1); /* the key */
}

static void by_frame_number(void **state) {
    (void)state;
    connect_front(FE "/page-ref", "74565", true);
    expect(BE "/state", "4");
    assert_int_equal(asked_gfn, 74565);
}

static void bad_frontends(void **state) {
    (void)state;
    connect_front(FE "/page-gref", "9", true); /* not granted */
    expect(BE "/state", "5");
    set(FE "/state", "6");
    settle();
    set(FE "/state", "1");
    settle();
    set(FE "/page-gref", "8");
    set(FE "/event-channel", "6"); /* not there */
    set(FE "/state", "3");
    settle();
    expect(BE "/state", "5");
    assert_int_equal(mapped, 0);
}

/* A guest that does not read loses motion and presses, but no key stays down. */
static void full_ring(void **state) {
    (void)state;
    enter(true);
    send(INPUT_KEY, KEY_A, 1);
    for (unsigned i = 0; i < XENKBD_IN_RING_LEN; i++) {
        send(INPUT_ABS, INPUT_X, (int)i);
        input_sync(input);
    }
    send(INPUT_KEY, KEY_A, 0);
    send(INPUT_KEY, KEY_B, 1);
    send(INPUT_KEY, KEY_B, 0);
    input_sync(input);
    assert_int_equal(page.head.in_prod - page.head.in_cons, XENKBD_IN_RING_LEN);
    expect_key(KEY_A, true);
    for (unsigned i = 1; i < XENKBD_IN_RING_LEN; i++)
        assert_int_equal(take().type, XENKBD_TYPE_POS);
    bound->event(bound->arg);
    expect_key(KEY_A, false);
    assert_int_equal(page.head.in_cons, page.head.in_prod);
}

/* Whatever the guest writes into its page, only the ring and our index are written. */
static void hostile_pages(void **state) {
    (void)state;
    static uint8_t before[PV_PAGE];
    enter(true);
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        for (unsigned i = 0; i < 16; i++)
            page.bytes[i] = (uint8_t)rand();
        if (round % 2) /* near enough to be taken */
            page.head.in_cons = round / 7;
        page.bytes[rand() % PV_PAGE] = (uint8_t)rand();
        memcpy(before, page.bytes, PV_PAGE);
        send(round % 3 ? INPUT_KEY : INPUT_ABS, round % 3 ? (unsigned)rand() & 0xffff : 1, rand());
        input_sync(input);
        assert_memory_equal(page.bytes, before, 4);
        assert_memory_equal(page.bytes + 8, before + 8, 1024 - 8);
        assert_memory_equal(page.bytes + 1024 + 2040, before + 1024 + 2040, PV_PAGE - 3064);
        bound->event(bound->arg);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(keys_go_to_one), T(positions), T(motion), T(by_frame_number), T(bad_frontends),
        T(full_ring), T(hostile_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
