/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of foreign mappings, against a stand-in for libxenforeignmemory in this file: guest
 * pages are pages of a memfd, some are absent, each mapping is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/bits.h"
#include "xen_map.h"

enum { PAGE = 4096, PAGES = 4096, CHUNK = 512 };

static int memory = -1;
static bool present[PAGES], refuse;
static uint64_t high; /* this one page is there too, far up */
static unsigned maps, unmaps, widest;

static bool is_present(uint64_t gfn) {
    return gfn < PAGES ? present[gfn] : high && gfn == high;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *fmem, uint32_t dom, void *addr, int prot,
                            int flags, size_t pages, const xen_pfn_t *gfns, int *errs) {
    (void)fmem;
    assert_int_equal(dom, 7);
    assert_null(addr);
    assert_int_equal(flags, 0);
    maps++;
    widest = MAX(widest, (unsigned)pages);
    if (refuse) {
        errno = ESRCH;
        maps--;
        return NULL;
    }
    uint8_t *host = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(host != MAP_FAILED);
    for (size_t i = 0; i < pages; i++) {
        errs[i] = is_present(gfns[i]) ? 0 : -EINVAL;
        if (!errs[i])
            assert_true(mmap(host + i * PAGE, PAGE, prot, MAP_SHARED | MAP_FIXED, memory,
                             (off_t)((gfns[i] % PAGES) * PAGE)) != MAP_FAILED);
    }
    return host;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr, size_t pages) {
    (void)fmem;
    unmaps++;
    return munmap(addr, pages * PAGE);
}

static int setup(void **state) {
    static struct xen_map map;
    memory = memfd_create("guest", MFD_CLOEXEC);
    memset(present, 1, sizeof(present));
    maps = unmaps = widest = 0;
    refuse = false;
    high = 0;
    *state = &map;
    if (memory < 0 || ftruncate(memory, (off_t)PAGES * PAGE))
        return -1;
    return xen_map_init(&map, NULL, 7, PAGES, false) ? 0 : -1;
}

static int teardown(void **state) {
    refuse = false;
    xen_map_done(*state);
    assert_int_equal(maps, unmaps);
    return close(memory);
}

static void *get(struct xen_map *map, uint64_t gpa, size_t want, size_t expect_len) {
    size_t len = want;
    void *host = xen_map_get(map, gpa, &len);
    assert_int_equal(len, expect_len);
    return host;
}

static void a_chunk_is_mapped_once(void **state) {
    struct xen_map *map = *state;
    uint8_t *a = get(map, 0x1234, 100, 100);
    unsigned first = maps - unmaps;
    assert_int_equal(first, 1);
    unsigned before = maps;
    uint8_t *c = get(map, 0x1ff000, 0x5000, 0x1000); /* cut at the chunk's end */
    assert_int_equal(maps, before);
    assert_ptr_equal(c, a - 0x1234 + 0x1ff000);
    strcpy((char *)a, "hello");
    char buf[6];
    assert_int_equal(pread(memory, buf, 6, 0x1234), 6);
    assert_string_equal(buf, "hello");
    xen_map_put(map, a, 0x1234);
    xen_map_put(map, c, 0x1ff000);
    assert_non_null(get(map, 0x200000, 1, 1));
    xen_map_put(map, map, 0x200000); /* of something else: nothing happens */
}

static void holes_cut_runs_and_answer_nothing(void **state) {
    struct xen_map *map = *state;
    for (unsigned p = 0xa0; p < 0xc0; p++)
        present[p] = false;
    uint8_t *host = get(map, 0x9f800, 0x4000, 0x800);
    assert_non_null(host);
    xen_map_put(map, host, 0x9f800);
    assert_null(get(map, 0xa0010, 0x30000, 0x20000 - 0x10));
    assert_null(get(map, 0xa0010, 16, 16));
    host = get(map, 0xc0000, 0x40000, 0x40000);
    assert_non_null(host);
    xen_map_put(map, host, 0xc0000);
}

static void a_page_that_comes_back_is_found(void **state) {
    struct xen_map *map = *state;
    present[5] = false;
    uint8_t *held = get(map, 0x4000, 0x1000, 0x1000);
    assert_null(get(map, 0x5000, 1, 1));
    present[5] = true;
    strcpy((char *)held, "still here");
    uint8_t *host = get(map, 0x4000, 0x3000, 0x1000); /* the old view, while nobody wants page 5 */
    xen_map_put(map, host, 0x4000);
    host = get(map, 0x5000, 0x1000, 0x1000);
    assert_non_null(host);
    assert_string_equal((char *)host - 0x1000, "still here");
    assert_string_equal((char *)held, "still here"); /* held across the new mapping */
    xen_map_put(map, held, 0x4000);
    xen_map_put(map, host, 0x5000);
    assert_int_equal(maps - unmaps, 1);
}

static void invalidate_drops_what_nobody_holds(void **state) {
    struct xen_map *map = *state;
    uint8_t *a = get(map, 0, 1, 1), *c = get(map, 0x200000, 1, 1);
    xen_map_put(map, c, 0x200000);
    assert_int_equal(maps - unmaps, 2);
    xen_map_invalidate(map);
    assert_int_equal(maps - unmaps, 1);
    *a = 42;
    uint8_t *again = get(map, 0, 1, 1);
    assert_ptr_not_equal(again, a);
    assert_int_equal(*again, 42);
    uint8_t *twice = get(map, 0, 1, 1);
    assert_ptr_equal(twice, again);
    xen_map_put(map, a, 0);
    assert_int_equal(maps - unmaps, 1);
    xen_map_put(map, again, 0);
    xen_map_put(map, twice, 0);
    xen_map_invalidate(map);
    assert_int_equal(maps - unmaps, 0);
}

static void invalidate_sees_ballooned_pages_go(void **state) {
    struct xen_map *map = *state;
    uint8_t *a = get(map, 0x3000, 1, 1);
    xen_map_put(map, a, 0x3000);
    present[3] = false;
    xen_map_invalidate(map);
    assert_null(get(map, 0x3000, 1, 1));
}

static void absurd_addresses(void **state) {
    struct xen_map *map = *state;
    static const uint64_t gpas[] = {UINT64_MAX, UINT64_MAX - 4095, UINT64_C(1) << 63,
                                    UINT64_C(1) << 48, (UINT64_C(1) << 48) - 1, 0x1000000};
    for (unsigned i = 0; i < ARRAY_LEN(gpas); i++) {
        size_t len = SIZE_MAX;
        assert_null(xen_map_get(map, gpas[i], &len));
        assert_true(len > 0 && len <= CHUNK * PAGE);
        assert_true(gpas[i] + (len - 1) >= gpas[i]);
    }
    assert_int_equal(maps, unmaps);
    assert_int_equal(map->count, PAGES / CHUNK + 1); /* nothing grows for what is not there */
    get(map, 0x1000, 0, 0);
}

static void memory_may_be_higher_than_was_said(void **state) {
    struct xen_map *map = *state;
    high = (UINT64_C(5) << 30) / PAGE + 3;
    uint8_t *low = get(map, 0x1000, 1, 1);
    uint8_t *host = get(map, high * PAGE, 0x2000, 0x1000);
    assert_non_null(host);
    xen_map_put(map, low, 0x1000);
    xen_map_put(map, host, high * PAGE);
    unsigned before = maps;
    assert_ptr_equal(get(map, high * PAGE, 1, 1), host);
    assert_ptr_equal(get(map, 0x1000, 1, 1), low);
    assert_int_equal(maps, before);
}

static void what_is_mapped_is_bounded(void **state) {
    struct xen_map *map = *state;
    xen_map_done(map);
    enum { CHUNKS = 700 };
    assert_true(xen_map_init(map, NULL, 7, CHUNKS * CHUNK, false));
    uint8_t *kept = get(map, 0, 1, 1);
    for (unsigned i = 1; i < CHUNKS; i++) {
        high = (uint64_t)i * CHUNK;
        uint8_t *host = get(map, high * PAGE, 1, 1);
        assert_non_null(host);
        xen_map_put(map, host, high * PAGE);
        assert_true(maps - unmaps <= 512);
    }
    assert_ptr_equal(get(map, 0, 1, 1), kept); /* who is held stays */
}

static void populated_on_demand_maps_little(void **state) {
    struct xen_map *map = *state;
    xen_map_done(map);
    assert_true(xen_map_init(map, NULL, 7, PAGES, true));
    widest = 0;
    uint8_t *host = get(map, 0x1fff0, 0x100, 0x10);
    assert_non_null(host);
    assert_int_equal(widest, 16);
    xen_map_put(map, host, 0x1fff0);
}

static void a_dying_domain_has_no_memory(void **state) {
    struct xen_map *map = *state;
    refuse = true;
    assert_null(get(map, 0x1000, 0x2000, 0x2000));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_chunk_is_mapped_once),
        T(holes_cut_runs_and_answer_nothing),
        T(a_page_that_comes_back_is_found),
        T(invalidate_drops_what_nobody_holds),
        T(invalidate_sees_ballooned_pages_go),
        T(absurd_addresses),
        T(memory_may_be_higher_than_was_said),
        T(what_is_mapped_is_bounded),
        T(populated_on_demand_maps_little),
        T(a_dying_domain_has_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
