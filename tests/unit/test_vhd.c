/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHD images made here byte by byte (Microsoft's Virtual Hard Disk Image Format Specification 1.0):
 * footers, checksums, sizes, tables, parents. See also test_image_random and test_image_cut.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

/* Footer copy, header, table, one block of 4 KiB with its sector of bits, footer. */
enum { HEADER = 512, TABLE = 1536, PLACE = 2048, BLOCK = 4096, DISK = 64 * 1024,
       FOOTER = PLACE + 512 + BLOCK, FILE_SIZE = FOOTER + 512, MAX_FILE = 4 << 20 };
#define MADE_NAME "x.vhd"
#define MADE_OPEN vhd_open
#define MADE_SIZE FILE_SIZE
#define MADE_MAX MAX_FILE
#include "made_image.h"

enum { FIXED = 2, DYNAMIC = 3, DIFFERENCING = 4 };

/* One's complement of the sum of all bytes but those of the sum itself. */
static void sum(uint8_t *bytes, size_t len, size_t at) {
    uint32_t total = 0;
    store_be32(bytes + at, 0);
    for (size_t i = 0; i < len; i++)
        total += bytes[i];
    store_be32(bytes + at, ~total);
}

static void make_footer(uint8_t *footer, unsigned type, const char *creator, uint64_t size) {
    memset(footer, 0, 512);
    memcpy(footer, "conectix", 8);
    store_be32(footer + 8, 2);
    store_be32(footer + 12, 0x10000);
    store_be64(footer + 16, type == FIXED ? UINT64_MAX : HEADER);
    memcpy(footer + 28, creator, 4);
    store_be64(footer + 40, size);
    store_be64(footer + 48, size);
    store_be16(footer + 56, 3); /* 3 cylinders of 2 heads of 17 sectors: 52224 bytes */
    footer[58] = 2;
    footer[59] = 17;
    store_be32(footer + 60, type);
    memset(footer + 68, 0x5a, 16);
    sum(footer, 512, 64);
}

static void make_dynamic(unsigned type) {
    memset(image, 0, sizeof(image));
    make_footer(image, type, "win ", DISK);
    memcpy(image + HEADER, "cxsparse", 8);
    store_be64(image + HEADER + 8, UINT64_MAX);
    store_be64(image + HEADER + 16, TABLE);
    store_be32(image + HEADER + 24, 0x10000);
    store_be32(image + HEADER + 28, DISK / BLOCK);
    store_be32(image + HEADER + 32, BLOCK);
    sum(image + HEADER, 1024, 36);
    memset(image + TABLE, 0xff, DISK / BLOCK * 4);
    store_be32(image + TABLE + 4, PLACE / 512); /* the second block */
    image[PLACE] = 0xc1;                        /* its sectors 0, 1 and 7 */
    memset(image + PLACE + 512, 0x77, BLOCK);
    memcpy(image + FOOTER, image, 512);
}

static int setup(void **unused) {
    (void)unused;
    made_setup("vhd");
    make_dynamic(DYNAMIC);
    return 0;
}

/* ---- footers ---- */

static void bits_say_what_is_there(void **unused) {
    (void)unused;
    struct block *block = open_image();
    assert_int_equal(block->size, DISK);
    for (unsigned i = 0; i < 8; i++)
        reads(block, BLOCK + i * 512, 0xc1 << i & 0x80 ? 0x77 : 0);
    reads(block, 0, 0);
    reads(block, DISK - 512, 0);
    assert_int_equal(writes(block, BLOCK + 2 * 512, 9, 512), 0);
    reads(block, BLOCK + 2 * 512, 9);
    reads(block, BLOCK + 3 * 512, 0);
    assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(file->bytes[PLACE], 0xe1);
    block_put(block);
}

static void either_footer_will_do(void **unused) {
    (void)unused;
    image[70] ^= 1; /* the copy's sum is wrong now */
    struct block *block = open_image();
    reads(block, BLOCK, 0x77);
    block_put(block);
    make_dynamic(DYNAMIC);
    memset(image + FOOTER, 0, 512);
    block = open_image();
    reads(block, BLOCK, 0x77);
    assert_int_equal(writes(block, 0, 3, 512), 0); /* a new block goes past all there is */
    block_drain(block);
    assert_int_equal(load_be32(file->bytes + TABLE), FILE_SIZE / 512);
    assert_memory_equal(file->bytes + FILE_SIZE + 512 + BLOCK, image, 512);
    block_put(block);
    image[70] ^= 1;
    refused("bad checksum");
    memset(image, 0, 512);
    refused("is no VHD");
}

static void new_blocks(void **unused) {
    (void)unused;
    struct block *block = open_image();
    assert_int_equal(writes(block, 2 * BLOCK + 512, 5, 2 * BLOCK), 0);
    block_drain(block);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(load_be32(file->bytes + TABLE + 8 + i * 4),
                         (FOOTER + i * (512 + BLOCK)) / 512);
    assert_memory_equal(file->bytes + FOOTER + 3 * (512 + BLOCK), image, 512);
    reads(block, 2 * BLOCK, 0);
    reads(block, 2 * BLOCK + 512, 5);
    reads(block, 4 * BLOCK, 5);
    reads(block, 4 * BLOCK + 512, 0);
    block_put(block);
}

static void no_room(void **unused) {
    (void)unused;
    struct block *block = open_image();
    file->max = FILE_SIZE;
    assert_int_equal(writes(block, 0, 5, 512), ENOSPC);
    file->max = MAX_FILE;
    assert_int_equal(writes(block, 0, 5, 512), 0);
    file->block.growable = false;
    assert_int_equal(writes(block, 3 * BLOCK, 5, 512), ENOSPC);
    block_put(block);
}

static void whose_size_is_by_geometry(void **unused) {
    static const struct {
        const char *creator;
        uint64_t size;
    } rows[] = {{"win ", 6144}, {"tap", 6144}, {"qem2", 6144}, {"vpc ", 3072}, {"qemu", 3072},
                {"vs  ", 3072}};
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        memset(image, 0, sizeof(image));
        make_footer(image + FOOTER, FIXED, rows[i].creator, 6144);
        store_be16(image + FOOTER + 56, 1);
        image[FOOTER + 58] = 2;
        image[FOOTER + 59] = 3;
        sum(image + FOOTER, 512, 64);
        struct block *block = open_image();
        assert_int_equal(block->size, rows[i].size);
        block_put(block);
    }
}

static void fixed(void **unused) {
    (void)unused;
    memset(image, 0x11, sizeof(image));
    make_footer(image + FOOTER, FIXED, "win ", FOOTER);
    struct block *block = open_image();
    assert_int_equal(block->size, FOOTER);
    assert_int_equal(writes(block, 512, 0x22, 512), 0);
    reads(block, 0, 0x11);
    assert_int_equal(file->bytes[512], 0x22);
    assert_int_equal(writes(block, FOOTER, 1, 512), EINVAL); /* the footer is not the guest's */
    block_put(block);
    make_footer(image + FOOTER, FIXED, "win ", FOOTER + 4096);
    refused("the disk's size 10752: expected no more than the file's");
}

/* ---- what is refused ---- */

static void bad_headers(void **unused) {
    static const struct {
        unsigned at;
        uint32_t value;
        const char *sentence;
    } rows[] = {
        {12, 0x20000, "VHD version 2"},
        {60, 5, "VHD disk type 5"},
        {48, 0x7fffffff, "the disk's size"},
        {20, 700, "dynamic header at 700"},
        {20, 1 << 20, "dynamic header at 1048576, 1024 bytes, is not inside the file"},
        {20, 1024, "'cxsparse'"},
        {HEADER + 20, 4, "VHD block table offset 4"},
        {HEADER + 20, 1 << 20, "VHD block table offset 1048576"},
        {HEADER + 28, 3, "VHD block table entries 3"},
        {HEADER + 28, UINT32_MAX, "VHD block table entries 4294967295"},
        {HEADER + 32, 1000, "VHD block size 1000"},
        {HEADER + 32, 1u << 31, "VHD block size 2147483648"},
        {HEADER + 32, 0, "VHD block size 0"},
        {TABLE, 0, "VHD block at sector 0"},
        {TABLE, PLACE / 512 + 1, "VHD block at sector 5: expected a place of its own"},
        {TABLE, 3, "VHD block at sector 3"},
        {TABLE, 0x7fffffff, "VHD block at sector 2147483647"},
    };
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        make_dynamic(DYNAMIC);
        store_be32(image + rows[i].at, rows[i].value);
        sum(image, 512, 64);
        sum(image + HEADER, 1024, 36);
        refused(rows[i].sentence);
    }
    make_dynamic(DYNAMIC);
    image[HEADER + 100] = 1;
    refused("dynamic header with a bad checksum");
}

static void read_only_and_bad_table(void **unused) {
    uint8_t buf[512];
    (void)unused;
    store_be32(image + TABLE, 0x7fffffff);
    options.read_only = true;
    struct block *block = open_image();
    assert_int_equal(request(block, BLOCK_READ, 0, buf, 512), EIO);
    assert_non_null(strstr(last_line, "'x.vhd' is corrupt: a block is at 0xfffffffe00"));
    reads(block, BLOCK, 0x77);
    block_put(block);
}

/* ---- parents ---- */

static void put_file(const char *path, const void *bytes, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

/* The parent's name by a locator at the end of the file, or in the header. */
static void name_parent(uint8_t *bytes, const char *code, const char *name) {
    uint8_t *locator = bytes + HEADER + 576, *at = bytes + FILE_SIZE;
    bool wide = code && code[0] == 'W';
    memset(bytes + HEADER + 64, 0, 512 + 8 * 24);
    memset(at, 0, 512);
    memset(bytes + HEADER + 40, 0x5a, 16);
    for (size_t i = 0; !code && i < strlen(name); i++)
        bytes[HEADER + 65 + i * 2] = (uint8_t)name[i];
    if (code) {
        memcpy(locator, code, 4);
        store_be32(locator + 4, 512);
        store_be32(locator + 8, (uint32_t)(strlen(name) * (wide ? 2 : 1)));
        store_be64(locator + 16, FILE_SIZE);
        for (size_t i = 0; i < strlen(name); i++)
            at[wide ? i * 2 : i] = (uint8_t)name[i];
    }
    sum(bytes + HEADER, 1024, 36);
    memcpy(bytes + FILE_SIZE + 512, bytes, 512);
}

/* Of three blocks, of which the one in the middle is there; a part of that one. */
static void discard(void **unused) {
    (void)unused;
    struct block *block = open_image();
    assert_int_equal(request(block, BLOCK_DISCARD, BLOCK + 512, NULL, BLOCK), 0);
    reads(block, BLOCK, 0x77);
    reads(block, BLOCK + 512, 0);
    reads(block, BLOCK + 7 * 512, 0);
    assert_int_equal(file->bytes[PLACE + 512 + 511], 0x77);
    assert_int_equal(file->bytes[PLACE + 512 + 512], 0);
    assert_int_equal(file->bytes[PLACE + 512 + BLOCK - 1], 0);
    assert_memory_equal(file->bytes + TABLE, image + TABLE, 512);
    assert_memory_equal(file->bytes + FOOTER, image + FOOTER, 512);
    assert_int_equal(request(block, BLOCK_DISCARD, 0, NULL, DISK), 0);
    reads(block, BLOCK, 0);
    assert_memory_equal(file->bytes + FOOTER, image + FOOTER, 512);
    block_put(block);
}

static void parents(void **unused) {
    static const struct {
        const char *code, *name;
    } rows[] = {{"W2ru", ".\\base.vhd"}, {"W2ku", "base.vhd"}, {"MacX", "file://./base.vhd"},
                {NULL, "base.vhd"}};
    static uint8_t child[FILE_SIZE + 1024];
    char dir[] = "/tmp/hvm-dm-vhd-XXXXXX", path[64], base[64];
    (void)unused;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x.vhd", dir);
    snprintf(base, sizeof(base), "%s/base.vhd", dir);
    put_file(base, image, FILE_SIZE);
    make_dynamic(DIFFERENCING);
    memset(image + PLACE + 512, 0x99, BLOCK);
    memcpy(child, image, FOOTER);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        name_parent(child, rows[i].code, rows[i].name);
        put_file(path, child, sizeof(child));
        struct block *block = image_open(loop, path, &options, why, sizeof(why));
        if (!block)
            fail_msg("%s: %s", rows[i].name, why);
        reads(block, BLOCK, 0x99);
        reads(block, BLOCK + 2 * 512, 0);
        assert_int_equal(writes(block, BLOCK + 2 * 512, 0x33, 512), 0);
        assert_int_equal(writes(block, 2 * BLOCK, 0x44, 512), 0);
        reads(block, BLOCK + 2 * 512, 0x33);
        reads(block, 2 * BLOCK, 0x44);
        reads(block, 2 * BLOCK + 512, 0);
        block_put(block);
    }
    child[HEADER + 40] = 1; /* of another parent */
    sum(child + HEADER, 1024, 36);
    put_file(path, child, sizeof(child));
    assert_null(image_open(loop, path, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "unique ids differ"));
    name_parent(child, NULL, "x.vhd");
    put_file(path, child, sizeof(child));
    assert_null(image_open(loop, path, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "its own backing file"));
    unlink(path);
    unlink(base);
    rmdir(dir);
}

/* Three generations, each in a folder of its own: a name is relative to the image that has it. */
static void grandparents(void **unused) {
    static uint8_t child[FILE_SIZE + 1024];
    static const char *const folders[] = {"base", "middle", "top"};
    char dir[] = "/tmp/hvm-dm-vhd-XXXXXX", path[3][64];
    (void)unused;
    assert_non_null(mkdtemp(dir));
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path[i], sizeof(path[i]), "%s/%s", dir, folders[i]);
        assert_int_equal(mkdir(path[i], 0700), 0);
        strcat(path[i], "/x.vhd");
    }
    put_file(path[0], image, FILE_SIZE);
    make_dynamic(DIFFERENCING);
    memset(image + PLACE + 512, 0x99, BLOCK);
    memcpy(child, image, FOOTER);
    name_parent(child, "W2ru", "..\\base\\x.vhd");
    put_file(path[1], child, sizeof(child));
    child[PLACE] = 0x40; /* sector 1 alone */
    memset(child + PLACE + 512, 0xbb, BLOCK);
    name_parent(child, "W2ru", "..\\middle\\x.vhd");
    put_file(path[2], child, sizeof(child));
    struct block *block = image_open(loop, path[2], &options, why, sizeof(why));
    if (!block)
        fail_msg("%s", why);
    reads(block, BLOCK, 0x99);           /* the middle one's */
    reads(block, BLOCK + 512, 0xbb);     /* its own */
    reads(block, BLOCK + 7 * 512, 0x99);
    reads(block, BLOCK + 2 * 512, 0);    /* nobody's */
    block_put(block);
    for (unsigned i = 0; i < 3; i++) {
        unlink(path[i]);
        *strrchr(path[i], '/') = 0;
        rmdir(path[i]);
    }
    rmdir(dir);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* A write over two blocks that lie in the file the other way round, and of which all is marked. */
static void pieces_of_a_write(void **unused) {
    (void)unused;
    struct block *block = open_image();
    static uint8_t mine[2 * BLOCK];
    memset(mine, 3, sizeof(mine));
    assert_int_equal(request(block, BLOCK_WRITE, 4 * BLOCK, mine, BLOCK), 0);
    assert_int_equal(request(block, BLOCK_WRITE, 3 * BLOCK, mine, BLOCK), 0);
    for (unsigned i = 0; i < sizeof(mine); i++)
        mine[i] = (uint8_t)(i / 512 + 0x10);
    struct iovec iov = {mine, sizeof(mine)};
    int err = -1;
    struct block_req req = {.op = BLOCK_WRITE, .offset = 3 * BLOCK, .len = sizeof(mine),
                            .iov = &iov, .niov = 1, .done = done, .owner = &err};
    block_submit(block, &req);
    assert_int_equal(file->count, 2);
    block_drain(block);
    assert_int_equal(err, 0);
    for (unsigned i = 0; i < sizeof(mine) / 512; i++)
        reads(block, 3 * BLOCK + i * 512, (uint8_t)(i + 0x10));
    /* what must be marked after its data goes alone: most of the second block */
    assert_int_equal(request(block, BLOCK_WRITE, 0, mine, 512), 0);
    reads(block, BLOCK, 0x77); /* its bits are at hand */
    req.offset = 0;
    err = -1;
    block_submit(block, &req);
    assert_int_equal(file->count, 1);
    block_drain(block);
    assert_int_equal(err, 0);
    for (unsigned i = 0; i < sizeof(mine) / 512; i++)
        reads(block, i * 512, (uint8_t)(i + 0x10));
    block_put(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(bits_say_what_is_there), T(either_footer_will_do), T(new_blocks), T(discard), T(no_room),
        T(whose_size_is_by_geometry), T(fixed), T(bad_headers), T(read_only_and_bad_table),
        T(parents), T(grandparents), T(pieces_of_a_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
