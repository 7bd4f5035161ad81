/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies between a guest's pages and ours: by one hypercall where that goes, by gntdev where
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xentoollog.h>

#include "xen_copy.h"

enum { OWN = 0, GUEST = 7, REF = 500 /* of our first page */, PAGES = 4 };

static uint8_t guest[PAGES][PV_PAGE], *ours;
static unsigned shared, hypercalls, ioctls, closed;
static bool no_sharing, refused;
static int16_t status_of_first;
static struct xen_copy copy;

/* ---- in the libraries' place ---- */

static int a_handle;

xencall_handle *xencall_open(xentoollog_logger *logger, unsigned flags) {
    (void)logger, (void)flags;
    return (xencall_handle *)&a_handle;
}

int xencall_close(xencall_handle *call) {
    (void)call;
    closed++;
    return 0;
}

void *xencall_alloc_buffer(xencall_handle *call, size_t size) {
    (void)call;
    return calloc(1, size);
}

void xencall_free_buffer(xencall_handle *call, void *p) {
    (void)call;
    free(p);
}

static uint8_t *page_of(uint16_t domid, uint32_t ref) {
    if (domid == GUEST)
        return ref < PAGES ? guest[ref] : NULL;
    assert_int_equal(domid, OWN);
    assert_in_range(ref, REF, REF + PAGES - 1);
    return ours + (size_t)(ref - REF) * PV_PAGE;
}

int xencall3(xencall_handle *call, unsigned int op, uint64_t arg1, uint64_t arg2, uint64_t arg3) {
    struct gnttab_copy *ops = (struct gnttab_copy *)(uintptr_t)arg2;
    assert_ptr_equal(call, (xencall_handle *)&a_handle);
    assert_int_equal(op, __HYPERVISOR_grant_table_op);
    assert_int_equal(arg1, GNTTABOP_copy);
    hypercalls++;
    for (unsigned i = 0; i < arg3 && !refused; i++) {
        struct gnttab_copy *o = &ops[i];
        uint8_t *from = page_of(o->source.domid, o->source.u.ref);
        uint8_t *to = page_of(o->dest.domid, o->dest.u.ref);
        assert_int_equal(o->flags, GNTCOPY_source_gref | GNTCOPY_dest_gref);
        assert_true(o->source.offset + o->len <= PV_PAGE && o->dest.offset + o->len <= PV_PAGE);
        o->status = !i && status_of_first ? status_of_first : from && to ? GNTST_okay
                                                                         : GNTST_bad_gntref;
        if (o->status == GNTST_okay)
            memcpy(to + o->dest.offset, from + o->source.offset, o->len);
    }
    return refused ? -1 : 0;
}

xengntshr_handle *xengntshr_open(xentoollog_logger *logger, unsigned flags) {
    (void)logger, (void)flags;
    return no_sharing ? NULL : (xengntshr_handle *)&a_handle;
}

int xengntshr_close(xengntshr_handle *h) {
    (void)h;
    closed++;
    return 0;
}

void *xengntshr_share_pages(xengntshr_handle *h, uint32_t domid, int count, uint32_t *refs,
                            int writable) {
    (void)h;
    assert_int_equal(domid, OWN);
    assert_int_equal(count, PAGES);
    assert_true(writable);
    for (int i = 0; i < count; i++)
        refs[i] = REF + (uint32_t)i;
    ours = aligned_alloc(PV_PAGE, PAGES * PV_PAGE);
    shared++;
    return ours;
}

int xengntshr_unshare(xengntshr_handle *h, void *at, uint32_t count) {
    (void)h;
    assert_ptr_equal(at, ours);
    assert_int_equal(count, PAGES);
    free(at);
    shared--;
    return 0;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags) {
    (void)logger, (void)flags;
    return (xengnttab_handle *)&a_handle;
}

int xengnttab_close(xengnttab_handle *h) {
    (void)h;
    closed++;
    return 0;
}

int xengnttab_grant_copy(xengnttab_handle *h, uint32_t count,
                         xengnttab_grant_copy_segment_t *segs) {
    (void)h;
    ioctls++;
    for (unsigned i = 0; i < count; i++) {
        xengnttab_grant_copy_segment_t *s = &segs[i];
        bool to_guest = s->flags & GNTCOPY_dest_gref;
        const union xengnttab_copy_ptr *far = to_guest ? &s->dest : &s->source;
        uint8_t *page = page_of(far->foreign.domid, far->foreign.ref);
        uint8_t *local = to_guest ? s->source.virt : s->dest.virt;
        s->status = page ? GNTST_okay : GNTST_bad_gntref;
        if (page && to_guest)
            memcpy(page + far->foreign.offset, local, s->len);
        else if (page)
            memcpy(local, page + far->foreign.offset, s->len);
    }
    return 0;
}

/* ---- tests ---- */

static int setup(void **state) {
    (void)state;
    copy = (struct xen_copy){.guest = GUEST, .own = OWN};
    hypercalls = ioctls = closed = 0;
    no_sharing = refused = false;
    status_of_first = 0;
    memset(guest, 0x11, sizeof(guest));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    xen_copy_close(&copy);
    assert_int_equal(shared, 0);
    return 0;
}

/* To the guest's page 1 and from its page 2; and to one that there is not. */
static void copies_go(uint8_t *area) {
    struct pv_copy c[] = {
        {.ref = 1, .offset = 100, .len = 50, .local = area + PV_PAGE + 8, .to_guest = true},
        {.ref = 2, .offset = 0, .len = PV_PAGE, .local = area + 2 * PV_PAGE},
        {.ref = 99, .len = 1, .local = area},
    };
    memset(area, 0x22, PAGES * PV_PAGE);
    memset(guest, 0x11, sizeof(guest));
    assert_true(xen_copy(&copy, c, 3));
    assert_true(c[0].ok && c[1].ok && !c[2].ok);
    assert_int_equal(guest[1][99], 0x11);
    assert_int_equal(guest[1][100], 0x22);
    assert_int_equal(guest[1][149], 0x22);
    assert_int_equal(guest[1][150], 0x11);
    assert_int_equal(area[2 * PV_PAGE - 1], 0x22);
    assert_int_equal(area[2 * PV_PAGE], 0x11);
    assert_int_equal(area[3 * PV_PAGE - 1], 0x11);
    assert_int_equal(area[3 * PV_PAGE], 0x22);
}

static void named_pages_take_one_hypercall(void **state) {
    (void)state;
    uint8_t *area = xen_copy_area(&copy, PAGES);
    assert_int_equal(area[0], 0);
    assert_int_equal(area[PAGES * PV_PAGE - 1], 0);
    copies_go(area);
    assert_int_equal(hypercalls, 1);
    assert_int_equal(ioctls, 0);
    xen_copy_free_area(&copy, area);
    assert_int_equal(shared, 0);
}

static void many_take_few(void **state) {
    (void)state;
    static struct pv_copy c[300];
    uint8_t *area = xen_copy_area(&copy, PAGES);
    for (unsigned i = 0; i < 300; i++)
        c[i] = (struct pv_copy){.ref = i % PAGES, .len = 8, .local = area, .to_guest = true};
    assert_true(xen_copy(&copy, c, 300));
    assert_int_equal(hypercalls, 3);
    for (unsigned i = 0; i < 300; i++)
        assert_true(c[i].ok);
}

static void memory_without_a_name_goes_by_gntdev(void **state) {
    (void)state;
    static uint8_t plain[PAGES * PV_PAGE];
    copies_go(plain);
    assert_int_equal(hypercalls, 0);
    no_sharing = true;
    uint8_t *area = xen_copy_area(&copy, PAGES);
    assert_int_equal((uintptr_t)area % PV_PAGE, 0);
    copies_go(area);
    assert_int_equal(hypercalls, 0);
    assert_int_equal(ioctls, 2);
}

/* What lies in two pages of ours has no one name. */
static void pieces_across_pages_go_by_gntdev(void **state) {
    (void)state;
    uint8_t *area = xen_copy_area(&copy, PAGES);
    struct pv_copy c = {.ref = 1, .len = 100, .local = area + PV_PAGE - 50, .to_guest = true};
    assert_true(xen_copy(&copy, &c, 1));
    c.local = area + PAGES * PV_PAGE - 100;
    assert_true(xen_copy(&copy, &c, 1));
    assert_int_equal(hypercalls, 1);
    assert_int_equal(ioctls, 1);
}

static void a_restricted_device_model_asks_once(void **state) {
    (void)state;
    uint8_t *area = xen_copy_area(&copy, PAGES);
    refused = true;
    copies_go(area);
    copies_go(area);
    assert_int_equal(hypercalls, 1);
    assert_int_equal(ioctls, 2);
}

/* gntdev waits until it is there again. */
static void a_page_that_is_paged_out_goes_by_gntdev(void **state) {
    (void)state;
    uint8_t *area = xen_copy_area(&copy, PAGES);
    status_of_first = GNTST_eagain;
    copies_go(area);
    assert_int_equal(ioctls, 1);
    status_of_first = 0;
    copies_go(area);
    assert_int_equal(ioctls, 1);
}

static void none_asks_whether_it_goes(void **state) {
    (void)state;
    assert_true(xen_copy(&copy, NULL, 0));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(named_pages_take_one_hypercall),       T(many_take_few),
        T(memory_without_a_name_goes_by_gntdev), T(pieces_across_pages_go_by_gntdev),
        T(a_restricted_device_model_asks_once),  T(a_page_that_is_paged_out_goes_by_gntdev),
        T(none_asks_whether_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
