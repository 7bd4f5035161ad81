/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The persistent bitmaps of a qcow2 image ("Bitmaps extension" of QEMU's docs/interop/qcow2.txt):
 * what backups know to have changed. We do not keep them up, so before the image is written to,
 * each is marked as in use, as by a writer that never came back: whoever finds it so takes all of
 * the disk as changed, may remove it, and nothing of it leaks. A bitmap that could not be marked
 * goes with the extension's autoclear bit.
 */
#include <stdlib.h>

#include "core/bits.h"
#include "core/log.h"
#include "image_priv.h"
#include "image_qcow2.h"

enum { EXT_BITMAPS_LEN = 24, BITMAPS_MAX = 65535, DIRECTORY_MAX = 64 << 20 };
enum { ENTRY_FLAGS = 12, ENTRY_NAME_SIZE = 18, ENTRY_EXTRA_SIZE = 20, ENTRY_LEN = 24 };
enum { FLAG_IN_USE = 1 };

/* False: the entries do not fill the directory. */
static bool mark(uint8_t *directory, uint64_t size, uint32_t bitmaps, bool *changed) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < bitmaps; i++) {
        if (size - at < ENTRY_LEN)
            return false;
        uint8_t *entry = directory + at;
        uint64_t len = (uint64_t)ENTRY_LEN + load_be16(entry + ENTRY_NAME_SIZE) +
                       load_be32(entry + ENTRY_EXTRA_SIZE);
        len = (len + 7) & ~UINT64_C(7);
        if (len > size - at)
            return false;
        uint32_t flags = load_be32(entry + ENTRY_FLAGS);
        *changed |= !(flags & FLAG_IN_USE);
        store_be32(entry + ENTRY_FLAGS, flags | FLAG_IN_USE);
        at += len;
    }
    return at == size;
}

static bool mark_all(struct qcow2 *q, uint64_t offset, uint64_t size, uint32_t bitmaps) {
    struct block *file = q->map.file;
    size_t len = (size_t)((size + 511) & ~UINT64_C(511));
    uint8_t *directory = malloc(len);
    bool changed = false;
    bool ok = directory && !block_sync(file, BLOCK_READ, offset, directory, len) &&
              mark(directory, size, bitmaps, &changed);
    if (ok && changed)
        ok = !block_sync(file, BLOCK_WRITE, offset, directory, len) &&
             !block_sync(file, BLOCK_FLUSH, 0, NULL, 0);
    free(directory);
    return ok;
}

bool qcow2_bitmaps_mark(struct qcow2 *q, const uint8_t *extension, uint32_t len) {
    if (len < EXT_BITMAPS_LEN)
        return false;
    uint32_t bitmaps = load_be32(extension);
    uint64_t size = load_be64(extension + 8), offset = load_be64(extension + 16);
    if (!bitmaps || bitmaps > BITMAPS_MAX || !size || size > DIRECTORY_MAX ||
        !qcow2_place_ok(q, offset) || size > q->map.file->size - offset ||
        qcow2_is_meta(q, offset >> q->cluster_bits) || !mark_all(q, offset, size, bitmaps))
        return false;
    log_warn("image '%s': its %u bitmaps do not follow what the guest writes, and are marked so: "
             "the next backup has to be a full one", q->name, bitmaps);
    return true;
}
