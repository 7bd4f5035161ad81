/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg, as docs/specs/fw_cfg.txt of QEMU describes it: a selector, a data port, and a DMA way
 * that copies a whole item into guest memory for one port access.
 *
 * Not modelled: writing to items.
 */
#include "fw_cfg.h"

#include <string.h>

#include "core/bits.h"
#include "core/dma.h"
#include "core/mem.h"
#include "core/state.h"

enum { SELECTOR = 0x510, DATA = 1, DMA_ADDRESS = 0x514, DMA_LOW = 4, PORTS = 2, DMA_PORTS = 8 };

enum { ID_TRADITIONAL = 1, ID_DMA = 2 };

enum { /* the DMA descriptor's control word, big-endian in memory like its other fields */
    DMA_ERROR = 0x01, DMA_READ = 0x02, DMA_SKIP = 0x04, DMA_SELECT = 0x08, DMA_WRITE = 0x10,
};

enum { DESCRIPTOR = 16, ITEMS = 48, FILES = 16, INLINE = 8, DIR_ENTRY = 64 };

/* An item reads as zeros past its end; a DMA that asks for more of them than this is a mistake. */
enum { ZEROS = 4096 };

struct item {
    uint16_t key;
    const uint8_t *bytes;           /* or NULL: */
    const struct fw_cfg_blob *blob; /* from blob_off on; or NULL: `value` */
    uint32_t blob_off;
    uint32_t len;
    uint8_t value[INLINE];
};

struct fw_cfg {
    /* registers */
    uint16_t selector;
    uint32_t offset; /* in the item */
    uint32_t dma_high;
    /* wires and derived */
    struct item items[ITEMS];
    unsigned count, files;
    uint8_t uuid[16];
    uint8_t dir[4 + FILES * DIR_ENTRY];
    struct dma dma;
    struct io_region ports, dma_ports;
};

static const struct field fields[] = {
    F(struct fw_cfg, selector), F(struct fw_cfg, offset), F(struct fw_cfg, dma_high), F_END};

/* ---- items ---- */

static struct item *new_item(struct fw_cfg *s, uint16_t key) {
    struct item *item = &s->items[s->count];
    if (s->count < ITEMS - 1)
        s->count++;
    *item = (struct item){.key = key};
    return item;
}

void fw_cfg_add(struct fw_cfg *s, uint16_t key, const void *bytes, uint32_t len) {
    struct item *item = new_item(s, key);
    item->bytes = bytes;
    item->len = len;
}

void fw_cfg_add_blob(struct fw_cfg *s, uint16_t key, const struct fw_cfg_blob *blob,
                     uint32_t off, uint32_t len) {
    struct item *item = new_item(s, key);
    item->blob = blob;
    item->blob_off = off;
    item->len = len;
}

static void add_value(struct fw_cfg *s, uint16_t key, unsigned size, uint64_t val) {
    struct item *item = new_item(s, key);
    store_le(item->value, size, val);
    item->len = size;
}

void fw_cfg_add32(struct fw_cfg *s, uint16_t key, uint32_t val) {
    add_value(s, key, 4, val);
}

void fw_cfg_add_file(struct fw_cfg *s, const char *name, const void *bytes, uint32_t len) {
    if (s->files == FILES)
        return;
    uint16_t key = (uint16_t)(FW_CFG_FILE_FIRST + s->files);
    uint8_t *entry = s->dir + 4 + s->files * DIR_ENTRY;
    fw_cfg_add(s, key, bytes, len);
    store_be32(entry, len);
    store_be16(entry + 4, key);
    memcpy(entry + 8, name, MIN(strlen(name), (size_t)FW_CFG_NAME - 1));
    s->files++;
    store_be32(s->dir, s->files);
}

static const struct item *selected(const struct fw_cfg *s) {
    for (unsigned i = 0; i < s->count; i++)
        if (s->items[i].key == s->selector)
            return &s->items[i];
    return NULL;
}

/* How much is left of the selected item from the offset on. */
static uint32_t rest(const struct fw_cfg *s, const struct item *item) {
    return item && s->offset < item->len ? item->len - s->offset : 0;
}

/* n bytes, no more than are left. */
static bool fetch(const struct fw_cfg *s, const struct item *item, uint32_t off, void *buf,
                  size_t n) {
    uint32_t at = s->offset + off;
    if (item->blob)
        return item->blob->read(item->blob->arg, (uint64_t)item->blob_off + at, buf, n);
    memcpy(buf, (item->bytes ? item->bytes : item->value) + at, n);
    return true;
}

static void advance(struct fw_cfg *s, uint32_t by) {
    s->offset = s->offset > UINT32_MAX - by ? UINT32_MAX : s->offset + by;
}

static void select_item(struct fw_cfg *s, uint16_t key) {
    s->selector = key;
    s->offset = 0;
}

/* ---- selector and data ---- */

/* What can't be read is zeros. */
static unsigned data_read_string(void *dev, uint64_t off, unsigned size, void *buf, unsigned n) {
    struct fw_cfg *s = dev;
    if (off != DATA || size != 1)
        return 0;
    const struct item *item = selected(s);
    uint32_t len = MIN(rest(s, item), n);
    if (!len || !fetch(s, item, 0, buf, len))
        len = 0;
    memset((uint8_t *)buf + len, 0, n - len);
    advance(s, n);
    return n;
}

/* The selector itself can't be read. */
static uint64_t port_read(void *dev, uint64_t off, unsigned size) {
    uint8_t byte = 0;
    if (off != DATA || size != 1)
        return size_mask(size);
    data_read_string(dev, off, size, &byte, 1);
    return byte;
}

static void port_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    if (off == 0 && size == 2)
        select_item(dev, (uint16_t)val);
}

static const struct io_ops port_ops = {
    .read = port_read, .write = port_write, .read_string = data_read_string, .min = 1, .max = 2};

/* ---- DMA ---- */

/* len bytes of the item, straight to guest memory. False: not all of it is RAM, or a file fails. */
static bool dma_item(struct fw_cfg *s, const struct item *item, uint64_t gpa, uint32_t len) {
    struct engine *engine = s->dma.engine;
    for (uint32_t done = 0; done < len;) {
        size_t n = len - done;
        void *host = engine->ops->map(engine, gpa + done, &n, true);
        if (!host)
            return false;
        bool ok = fetch(s, item, done, host, n);
        engine->ops->unmap(engine, host, gpa + done, n, true);
        if (!ok)
            return false;
        done += (uint32_t)n;
    }
    return true;
}

static bool dma_out(struct fw_cfg *s, uint64_t gpa, uint32_t n) {
    static const uint8_t zeros[ZEROS];
    const struct item *item = selected(s);
    uint32_t len = MIN(rest(s, item), n);
    if (n - len > ZEROS || gpa > UINT64_MAX - n)
        return false;
    bool ok = !len || dma_item(s, item, gpa, len);
    advance(s, n);
    return ok && (n == len || dma_write(&s->dma, gpa + len, zeros, n - len));
}

static void run_descriptor(struct fw_cfg *s, uint64_t gpa) {
    uint8_t raw[DESCRIPTOR], done[4];
    if (!dma_read(&s->dma, gpa, raw, sizeof(raw)))
        return;
    uint32_t control = load_be32(raw), n = load_be32(raw + 4);
    bool ok = !(control & DMA_WRITE);
    if (control & DMA_SELECT)
        select_item(s, (uint16_t)(control >> 16));
    if (control & DMA_READ)
        ok = ok && dma_out(s, load_be64(raw + 8), n);
    else if (control & DMA_SKIP)
        advance(s, n);
    store_be32(done, ok ? 0 : DMA_ERROR);
    dma_write(&s->dma, gpa, done, sizeof(done));
}

/* "QEMU CFG": there is DMA */
static uint64_t dma_port_read(void *dev, uint64_t off, unsigned size) {
    static const uint8_t magic[DMA_PORTS] = "QEMU CFG";
    (void)dev;
    return load_le(magic + off, size);
}

/* Writing the low half of the descriptor's address starts it. */
static void dma_port_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct fw_cfg *s = dev;
    if (size != 4)
        return;
    uint32_t half = __builtin_bswap32((uint32_t)val);
    if (off == 0) {
        s->dma_high = half;
    } else if (off == DMA_LOW) {
        uint64_t gpa = (uint64_t)s->dma_high << 32 | half;
        s->dma_high = 0;
        run_descriptor(s, gpa);
    }
}

static const struct io_ops dma_ops = {
    .read = dma_port_read, .write = dma_port_write, .min = 1, .max = 4};

/* ---- life ---- */

static void fw_cfg_reset(void *dev) {
    struct fw_cfg *s = dev;
    select_item(s, 0);
    s->dma_high = 0;
}

static void fw_cfg_free(void *dev) {
    struct fw_cfg *s = dev;
    io_unmap(&s->ports);
    io_unmap(&s->dma_ports);
    mem_free(s);
}

static const struct state state = {"fw_cfg", 1, fields, NULL};

const struct device_ops fw_cfg_device = {
    .name = "fw_cfg", .state = &state, .reset = fw_cfg_reset, .free = fw_cfg_free};

struct fw_cfg *fw_cfg_new(const struct fw_cfg_pins *pins) {
    struct fw_cfg *s = mem_new(sizeof(*s));
    s->dma = (struct dma){.engine = pins->engine};
    fw_cfg_add(s, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add32(s, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
    memcpy(s->uuid, pins->uuid, sizeof(s->uuid));
    fw_cfg_add(s, FW_CFG_UUID, s->uuid, sizeof(s->uuid));
    add_value(s, FW_CFG_NOGRAPHIC, 2, pins->nographic);
    add_value(s, FW_CFG_RAM_SIZE, 8, pins->ram);
    add_value(s, FW_CFG_NB_CPUS, 2, pins->cpus);
    add_value(s, FW_CFG_MAX_CPUS, 2, pins->max_cpus);
    add_value(s, FW_CFG_BOOT_MENU, 2, pins->boot_menu);
    fw_cfg_add(s, FW_CFG_FILE_DIR, s->dir, sizeof(s->dir));
    io_map_new(pins->io, &s->ports, "fw_cfg", &port_ops, s, IO_PORT, SELECTOR, PORTS);
    io_map_new(pins->io, &s->dma_ports, "fw_cfg DMA", &dma_ops, s, IO_PORT, DMA_ADDRESS,
               DMA_PORTS);
    return s;
}
