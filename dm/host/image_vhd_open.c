/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The headers of a VHD: footer and its copy, dynamic header, block table, parent. See image_vhd.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "image_priv.h"
#include "image_vhd.h"

/* Footer, by offset. */
enum {
    VF_VERSION = 12, VF_HEADER_OFFSET = 16, VF_CREATOR = 28, VF_SIZE = 48, VF_CYLINDERS = 56,
    VF_HEADS = 58, VF_SECTORS = 59, VF_TYPE = 60, VF_CHECKSUM = 64, VF_ID = 68,
};

/* Dynamic header, by offset. */
enum {
    VH_TABLE_OFFSET = 16, VH_ENTRIES = 28, VH_BLOCK_SIZE = 32, VH_CHECKSUM = 36, VH_PARENT_ID = 40,
    VH_PARENT_NAME = 64, VH_PARENT_NAME_LEN = 512, VH_LOCATORS = 576, VH_LOCATOR_SIZE = 24,
    VH_LOCATOR_COUNT = 8,
};

/* Codes of parent locators. */
#define LOCATOR_W2RU UINT32_C(0x57327275) /* relative, UTF-16 little endian */
#define LOCATOR_W2KU UINT32_C(0x57326b75) /* absolute, the same */
#define LOCATOR_MACX UINT32_C(0x4d616358) /* file:// and UTF-8 */

enum { MAX_ENTRIES = 1 << 24, PATH_LEN = 1024 };

struct opening {
    struct loop *loop;
    struct block *file;
    const char *name;
    const struct image_options *options;
    char *why;
    size_t why_len;
    uint8_t header[VHD_HEADER];
};

static bool refuse(struct opening *o, const char *sentence) {
    snprintf(o->why, o->why_len, "image '%s' %s", o->name, sentence);
    return false;
}

static bool fail(struct opening *o, const char *what, uint64_t value, const char *expected) {
    snprintf(o->why, o->why_len, "image '%s': %s %llu: expected %s", o->name, what,
             (unsigned long long)value, expected);
    return false;
}

static bool read_at(struct opening *o, const char *what, uint64_t offset, void *buf, size_t len) {
    if (offset % 512 || offset > o->file->size || len > o->file->size - offset) {
        snprintf(o->why, o->why_len, "image '%s': its %s at %llu, %zu bytes, is not inside the "
                 "file, which has %llu", o->name, what, (unsigned long long)offset, len,
                 (unsigned long long)o->file->size);
        return false;
    }
    int err = block_sync(o->file, BLOCK_READ, offset, buf, len);
    if (err)
        snprintf(o->why, o->why_len, "image '%s': its %s can't be read: %s", o->name, what,
                 strerror(err));
    return !err;
}

/* ---- the footer ---- */

static bool sum_is_right(const uint8_t *bytes, size_t len, size_t at) {
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        if (i < at || i >= at + 4)
            sum += bytes[i];
    return load_be32(bytes + at) == (uint32_t)~sum;
}

static bool is_footer(const uint8_t *footer) {
    return !memcmp(footer, "conectix", 8);
}

/* The copy at the beginning if there is one that is whole, else what the end has. */
static bool read_footer(struct opening *o, struct vhd *v) {
    uint8_t first[VHD_SECTOR], last[VHD_SECTOR];
    if (!read_at(o, "header", 0, first, VHD_SECTOR) ||
        !read_at(o, "footer", o->file->size - VHD_SECTOR, last, VHD_SECTOR))
        return false;
    bool copy = is_footer(first) && sum_is_right(first, VHD_SECTOR, VF_CHECKSUM) &&
                load_be32(first + VF_TYPE) != VHD_FIXED;
    v->end = is_footer(last) ? o->file->size - VHD_SECTOR : o->file->size;
    memcpy(v->footer, copy ? first : last, VHD_SECTOR);
    if (!is_footer(v->footer))
        return refuse(o, is_footer(first)
                             ? "has a VHD footer with a bad checksum, and no other at its end"
                             : "is no VHD: neither its beginning nor its end says 'conectix'");
    if (!sum_is_right(v->footer, VHD_SECTOR, VF_CHECKSUM))
        return refuse(o, "has a VHD footer with a bad checksum");
    v->type = load_be32(v->footer + VF_TYPE);
    if (v->type < VHD_FIXED || v->type > VHD_DIFFERENCING)
        return fail(o, "VHD disk type", v->type, "2 (fixed), 3 (dynamic) or 4 (differencing)");
    if (load_be32(v->footer + VF_VERSION) >> 16 != 1)
        return fail(o, "VHD version", load_be32(v->footer + VF_VERSION) >> 16, "1");
    return true;
}

/* Those who reckon in cylinders, heads and sectors; 65535 * 16 * 255 means: larger than that. */
static uint64_t disk_size(const uint8_t *footer) {
    uint64_t sectors = (uint64_t)load_be16(footer + VF_CYLINDERS) * footer[VF_HEADS] *
                       footer[VF_SECTORS];
    const uint8_t *creator = footer + VF_CREATOR;
    bool by_geometry = !memcmp(creator, "vpc ", 4) || !memcmp(creator, "vs  ", 4) ||
                       !memcmp(creator, "qemu", 4);
    if (by_geometry && sectors && sectors != UINT64_C(65535) * 16 * 255)
        return sectors * 512;
    return load_be64(footer + VF_SIZE) & ~UINT64_C(511);
}

/* ---- the dynamic header and the table ---- */

static bool read_header(struct opening *o, struct vhd *v) {
    uint64_t offset = load_be64(v->footer + VF_HEADER_OFFSET);
    if (!read_at(o, "dynamic header", offset, o->header, VHD_HEADER))
        return false;
    if (memcmp(o->header, "cxsparse", 8))
        return refuse(o, "has no VHD dynamic header where its footer says ('cxsparse')");
    if (!sum_is_right(o->header, VHD_HEADER, VH_CHECKSUM))
        return refuse(o, "has a VHD dynamic header with a bad checksum");
    v->table = load_be64(o->header + VH_TABLE_OFFSET);
    v->entries = load_be32(o->header + VH_ENTRIES);
    v->block_size = load_be32(o->header + VH_BLOCK_SIZE);
    if (v->block_size < 512 || v->block_size & (v->block_size - 1) || v->block_size > MIB(256))
        return fail(o, "VHD block size", v->block_size, "a power of two, 512 to 256 MiB");
    v->bitmap_size = (v->block_size / 512 / 8 + 511) & ~UINT64_C(511);
    if (v->entries > MAX_ENTRIES || v->entries * v->block_size < v->map.block.size)
        return fail(o, "VHD block table entries", v->entries,
                    "as many as the disk has blocks, at most 16777216");
    if (v->table % 512 || v->table < VHD_FIRST_PLACE || v->table >= o->file->size ||
        v->entries * 4 > o->file->size - v->table)
        return fail(o, "VHD block table offset", v->table, "a sector inside the file");
    return true;
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Blocks that overlap each other or the table would be written into one another. */
static bool check_blocks(struct opening *o, struct vhd *v, uint32_t *entry) {
    uint64_t sectors = (v->bitmap_size + v->block_size) / 512, n = 0;
    uint64_t table = v->table / 512, table_end = (v->table + v->entries * 4 + 511) / 512;
    for (uint64_t i = 0; i < v->entries; i++) {
        uint32_t place = load_be32(&entry[i]);
        if (place == VHD_NO_BLOCK)
            continue;
        if (place < VHD_FIRST_PLACE / 512 || (place < table_end && place + sectors > table))
            return fail(o, "VHD block at sector", place, "a place of its own");
        entry[n++] = place;
    }
    qsort(entry, n, sizeof(*entry), by_value);
    for (uint64_t i = 1; i < n; i++)
        if (entry[i] - entry[i - 1] < sectors)
            return fail(o, "VHD block at sector", entry[i], "a place of its own");
    uint64_t end = n ? (entry[n - 1] + sectors) * 512 : 0;
    if (end > o->file->size + MIB(256))
        return fail(o, "VHD block at sector", entry[n - 1], "one inside the file");
    v->end = MAX(v->end, end);
    return true;
}

static bool prepare_writes(struct opening *o, struct vhd *v) {
    size_t len = (v->entries * 4 + 511) & ~(size_t)511;
    uint32_t *entry = malloc(len);
    if (!entry)
        return refuse(o, "can't be opened: out of memory");
    bool ok = read_at(o, "block table", v->table, entry, len) && check_blocks(o, v, entry);
    free(entry);
    return ok;
}

/* ---- the parent ---- */

static size_t put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    size_t n = c < 0x10000 ? 3 : 4;
    to[0] = (char)(n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
    for (size_t i = 1; i < n; i++)
        to[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
    return n;
}

/* Windows' names: UTF-16, backslashes. */
static void from_utf16(const uint8_t *from, size_t len, bool big, char to[PATH_LEN]) {
    size_t n = 0;
    for (size_t i = 0; i + 1 < len && n + 5 < PATH_LEN; i += 2) {
        uint32_t c = big ? load_be16(from + i) : load_le16(from + i);
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < len) {
            uint32_t low = big ? load_be16(from + i + 2) : load_le16(from + i + 2);
            c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
            i += 2;
        }
        if (!c)
            break;
        n += put_utf8(to + n, c == '\\' ? '/' : c);
    }
    to[n] = 0;
}

/* file:///srv/base.vhd, file://localhost/srv/base.vhd, file://./base.vhd */
static void from_url(const uint8_t *from, size_t len, char to[PATH_LEN]) {
    static const char *const heads[] = {"file://localhost/", "file:///", "file://./"};
    size_t skip = 0;
    for (unsigned i = 0; i < ARRAY_LEN(heads) && !skip; i++)
        if (len > strlen(heads[i]) && !memcmp(from, heads[i], strlen(heads[i])))
            skip = strlen(heads[i]) - (i < 2);
    snprintf(to, PATH_LEN, "%.*s", (int)MIN(len - skip, (size_t)PATH_LEN - 1),
             (const char *)from + skip);
}

/* The parent's path by the locator of one kind; false: it has none. */
static bool locate(struct opening *o, uint32_t code, char path[PATH_LEN]) {
    uint8_t data[2048];
    char ignored[256];
    struct opening quiet = *o;
    quiet.why = ignored;
    quiet.why_len = sizeof(ignored);
    for (unsigned i = 0; i < VH_LOCATOR_COUNT; i++) {
        const uint8_t *locator = o->header + VH_LOCATORS + i * VH_LOCATOR_SIZE;
        uint32_t len = load_be32(locator + 8);
        size_t room = (len + 511u) & ~511u;
        if (load_be32(locator) != code || !len || len > sizeof(data) ||
            !read_at(&quiet, "parent locator", load_be64(locator + 16), data, room))
            continue;
        if (code == LOCATOR_MACX)
            from_url(data, len, path);
        else
            from_utf16(data, len, false, path);
        return *path;
    }
    return false;
}

static bool open_parent(struct opening *o, struct block **parent) {
    char path[PATH_LEN];
    if (!locate(o, LOCATOR_W2RU, path) && !locate(o, LOCATOR_MACX, path) &&
        !locate(o, LOCATOR_W2KU, path))
        from_utf16(o->header + VH_PARENT_NAME, VH_PARENT_NAME_LEN, true, path);
    if (!*path)
        return refuse(o, "is a differencing VHD that does not say what its parent is");
    *parent = image_open_below(o->loop, o->name, path, "vpc", o->options, o->why, o->why_len);
    if (!*parent)
        return false;
    const struct vhd *above = vhd_of(map_of(*parent));
    if (memcmp(above->footer + VF_ID, o->header + VH_PARENT_ID, 16)) {
        snprintf(o->why, o->why_len, "image '%s': its parent '%s' is not the one it was made of: "
                 "the unique ids differ", o->name, path);
        return false;
    }
    return true;
}

static bool open_all(struct opening *o, struct vhd *v, struct block **parent) {
    if (!read_footer(o, v))
        return false;
    uint64_t size = disk_size(v->footer);
    v->map.block.size = size;
    if (!size || size > GIB(2048) * 16)
        return fail(o, "the disk's size", size, "512 bytes to 32 TiB");
    if (v->type == VHD_FIXED && size > o->file->size)
        return fail(o, "the disk's size", size, "no more than the file's");
    if (v->type != VHD_FIXED && !read_header(o, v))
        return false;
    if (v->type == VHD_DIFFERENCING && !open_parent(o, parent))
        return false;
    if (v->type != VHD_FIXED && !o->options->read_only && !prepare_writes(o, v))
        return false;
    map_init(&v->map, &vhd_ops, o->loop, o->file, *parent, v->name, size, o->options->read_only,
             VHD_SECTOR);
    return true;
}

struct block *vhd_open(struct loop *loop, struct block *file, const char *name,
                       const struct image_options *options, char *why, size_t why_len) {
    struct opening o = {.loop = loop, .file = file, .name = name, .options = options, .why = why,
                        .why_len = why_len};
    struct vhd *v = calloc(1, sizeof(*v) + strlen(name) + 1);
    struct block *parent = NULL;
    if (!v) {
        refuse(&o, "can't be opened: out of memory");
        return NULL;
    }
    strcpy(v->name, name);
    if (open_all(&o, v, &parent))
        return &v->map.block;
    block_put(parent);
    free(v);
    return NULL;
}
