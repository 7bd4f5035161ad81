/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio over PCI (virtio 1.1, 4.1), transitional. Not modelled: packed rings.
 */
#include <string.h>

#include "core/bits.h"
#include "net/virtio.h"

enum { /* 4.1.4: BARs and what is where */
    BAR_OLD = 0, BAR_MSIX = 1, BAR_MODERN = 4, OLD_SIZE = 64, MODERN_SIZE = 0x4000,
    COMMON = 0x0000, ISR = 0x1000, DEVICE = 0x2000, NOTIFY = 0x3000, PART = 0x1000,
    NOTIFY_STEP = 4, CONFIG_MAX = 64,
};
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_WINDOW = 5,
       PCI_CAP_VENDOR = 0x09 };
enum { CAP_AT = 0x84, CAP_LEN = 0x14, MSIX_AT = 0xe8,
       WINDOW_AT = CAP_AT + 4 * CAP_LEN };
enum { CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_DATA = 16 };

enum { /* 4.1.4.3 */
    C_OFFERED_SELECT = 0, C_OFFERED = 4, C_CHOSEN_SELECT = 8, C_CHOSEN = 12, C_CONFIG_VECTOR = 16,
    C_QUEUES = 18, C_STATUS = 20, C_GENERATION = 21, C_SELECT = 22, C_SIZE = 24, C_VECTOR = 26,
    C_ENABLE = 28, C_NOTIFY_OFF = 30, C_DESC = 32, C_AVAIL = 40, C_USED = 48, C_END = 56,
};

enum { /* 4.1.4.8, "Legacy Interfaces" */
    O_OFFERED = 0, O_CHOSEN = 4, O_PFN = 8, O_SIZE = 12, O_SELECT = 14, O_NOTIFY = 16,
    O_STATUS = 18, O_ISR = 19, O_CONFIG_VECTOR = 20, O_VECTOR = 22, O_HEADER = 20,
    O_HEADER_MSIX = 24,
};

static const struct field virtq_fields[] = {
    F_MAX(struct virtq, size, VIRTIO_QUEUE_SIZE), F(struct virtq, vector),
    F(struct virtq, enabled), F(struct virtq, desc), F(struct virtq, avail),
    F(struct virtq, used), F(struct virtq, next), F(struct virtq, done), F(struct virtq, told),
    F(struct virtq, quiet), F_END};

const struct field virtio_fields[] = {
    F_STRUCT(struct virtio, pci, pci_fields), F_STRUCT(struct virtio, msix, msix_fields),
    F(struct virtio, features), F(struct virtio, offered_select),
    F(struct virtio, chosen_select), F(struct virtio, config_vector),
    F(struct virtio, queue_select), F(struct virtio, status), F(struct virtio, isr),
    F(struct virtio, generation), F_STRUCTS(struct virtio, q, virtq_fields), F_END};

bool virtio_running(const struct virtio *v) {
    return v->status & VIRTIO_DRIVER_OK && !(v->status & VIRTIO_NEEDS_RESET) && v->pci.master;
}

/* ---- interrupts ---- */

void virtio_interrupt(struct virtio *v, uint16_t vector, uint8_t isr) {
    if (msix_enabled(&v->msix)) {
        msix_send(&v->msix, vector);
        return;
    }
    v->isr |= isr;
    pci_irq(&v->pci, true);
}

void virtio_config_changed(struct virtio *v) {
    v->generation++;
    if (v->status & VIRTIO_DRIVER_OK)
        virtio_interrupt(v, v->config_vector, 3);
}

void virtio_broken(struct virtio *v, const char *what, unsigned val) {
    log_guest(&v->odd, "%s: %s %u: stopped until the driver resets it", v->pci.name, what, val);
    v->status |= VIRTIO_NEEDS_RESET;
    virtio_config_changed(v);
}

static uint8_t read_isr(struct virtio *v) {
    uint8_t val = v->isr;
    v->isr = 0;
    pci_irq(&v->pci, false);
    return val;
}

/* ---- what both interfaces do ---- */

static struct virtq *selected(struct virtio *v) {
    return v->queue_select < v->shape.queues ? &v->q[v->queue_select] : NULL;
}

static void reset_device(struct virtio *v) {
    v->features = 0;
    v->offered_select = v->chosen_select = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    v->queue_select = 0;
    v->status = v->isr = v->generation = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
        v->q[i] = (struct virtq){.size = VIRTIO_QUEUE_SIZE, .vector = VIRTIO_NO_VECTOR};
    pci_irq(&v->pci, false);
    v->type->reset(v->dev);
}

static void write_status(struct virtio *v, uint8_t val) {
    if (!val) {
        reset_device(v);
        return;
    }
    /* 3.1.1: features that we can't do are not accepted */
    if (v->features & ~v->shape.offered)
        val &= (uint8_t)~VIRTIO_FEATURES_OK;
    v->status = (uint8_t)(val | (v->status & VIRTIO_NEEDS_RESET));
    v->type->status(v->dev);
}

static uint16_t vector_of(const struct virtio *v, uint16_t val) {
    return val < v->msix.vectors ? val : VIRTIO_NO_VECTOR;
}

static void notify(struct virtio *v, unsigned queue) {
    if (virtq_ready(v, queue))
        v->type->notify(v->dev, queue);
}

static uint64_t read_config(struct virtio *v, uint64_t off, unsigned size) {
    uint8_t config[CONFIG_MAX] = {0};
    v->type->config_read(v->dev, config);
    return off + size <= v->shape.config_len ? load_le(config + off, size) : 0;
}

/* ---- the modern interface ---- */

static uint32_t half(uint64_t val, unsigned off) {
    return (uint32_t)(off & 4 ? val >> 32 : val);
}

static void set_half(uint64_t *val, unsigned off, uint32_t to) {
    *val = off & 4 ? (*val & UINT32_MAX) | (uint64_t)to << 32 : (*val & ~(uint64_t)UINT32_MAX) | to;
}

static uint64_t queue_read(struct virtio *v, unsigned off) {
    const struct virtq *q = selected(v);
    if (!q)
        return 0;
    switch (off) {
    case C_SIZE:
        return q->size;
    case C_VECTOR:
        return q->vector;
    case C_ENABLE:
        return q->enabled;
    case C_NOTIFY_OFF:
        return v->queue_select;
    case C_DESC:
    case C_DESC + 4:
        return half(q->desc, off);
    case C_AVAIL:
    case C_AVAIL + 4:
        return half(q->avail, off);
    case C_USED:
    case C_USED + 4:
        return half(q->used, off);
    }
    return 0;
}

static uint64_t common_read(struct virtio *v, unsigned off) {
    switch (off) {
    case C_OFFERED_SELECT:
        return v->offered_select;
    case C_OFFERED:
        return v->offered_select < 2 ? (uint32_t)(v->shape.offered >> 32 * v->offered_select) : 0;
    case C_CHOSEN_SELECT:
        return v->chosen_select;
    case C_CHOSEN:
        return v->chosen_select < 2 ? (uint32_t)(v->features >> 32 * v->chosen_select) : 0;
    case C_CONFIG_VECTOR:
        return v->config_vector;
    case C_QUEUES:
        return v->shape.queues;
    case C_STATUS:
        return v->status;
    case C_GENERATION:
        return v->generation;
    case C_SELECT:
        return v->queue_select;
    }
    return queue_read(v, off);
}

static void queue_write(struct virtio *v, unsigned off, uint32_t val) {
    struct virtq *q = selected(v);
    if (!q)
        return;
    switch (off) {
    case C_SIZE:
        if (val && val <= VIRTIO_QUEUE_SIZE && !(val & (val - 1)) && !q->enabled)
            q->size = (uint16_t)val;
        break;
    case C_VECTOR:
        q->vector = vector_of(v, (uint16_t)val);
        break;
    case C_ENABLE:
        q->enabled |= val == 1;
        break;
    case C_DESC:
    case C_DESC + 4:
        set_half(&q->desc, off, val);
        break;
    case C_AVAIL:
    case C_AVAIL + 4:
        set_half(&q->avail, off, val);
        break;
    case C_USED:
    case C_USED + 4:
        set_half(&q->used, off, val);
        break;
    }
}

static void common_write(struct virtio *v, unsigned off, uint32_t val) {
    switch (off) {
    case C_OFFERED_SELECT:
        v->offered_select = val;
        break;
    case C_CHOSEN_SELECT:
        v->chosen_select = val;
        break;
    case C_CHOSEN:
        if (v->chosen_select < 2 && !(v->status & VIRTIO_FEATURES_OK))
            set_half(&v->features, 4 * v->chosen_select, val);
        break;
    case C_CONFIG_VECTOR:
        v->config_vector = vector_of(v, (uint16_t)val);
        break;
    case C_STATUS:
        write_status(v, (uint8_t)val);
        break;
    case C_SELECT:
        v->queue_select = (uint16_t)val;
        break;
    default:
        queue_write(v, off, val);
    }
}

static uint64_t modern_read(void *dev, uint64_t off, unsigned size) {
    struct virtio *v = dev;
    if (off < ISR)
        return common_read(v, (unsigned)off) & size_mask(size);
    if (off < DEVICE)
        return off == ISR ? read_isr(v) : 0;
    return off < NOTIFY ? read_config(v, off - DEVICE, size) : 0;
}

static void modern_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct virtio *v = dev;
    (void)size;
    if (off < ISR)
        common_write(v, (unsigned)off, (uint32_t)val);
    else if (off >= NOTIFY)
        notify(v, (unsigned)(off - NOTIFY) / NOTIFY_STEP);
}

static const struct io_ops modern_ops = {
    .read = modern_read, .write = modern_write, .min = 1, .max = 4};

/* ---- the old interface ---- */

static unsigned old_header(const struct virtio *v) {
    return msix_enabled(&v->msix) ? O_HEADER_MSIX : O_HEADER;
}

static uint64_t old_read(void *dev, uint64_t off, unsigned size) {
    struct virtio *v = dev;
    const struct virtq *q = selected(v);
    if (off >= old_header(v))
        return read_config(v, off - old_header(v), size);
    switch (off) {
    case O_OFFERED:
        return (uint32_t)v->shape.offered & size_mask(size);
    case O_CHOSEN:
        return (uint32_t)v->features & size_mask(size);
    case O_PFN:
        return q && q->enabled ? (q->desc >> 12) & size_mask(size) : 0;
    case O_SIZE:
        return (q ? q->size : 0) & size_mask(size);
    case O_SELECT:
        return v->queue_select & size_mask(size);
    case O_STATUS:
        return v->status;
    case O_ISR:
        return read_isr(v);
    case O_CONFIG_VECTOR:
        return v->config_vector & size_mask(size);
    case O_VECTOR:
        return (q ? q->vector : VIRTIO_NO_VECTOR) & size_mask(size);
    }
    return 0;
}

/* 2.6.2: the three parts of a ring lie one after the other. */
static void old_place(struct virtio *v, uint32_t pfn) {
    struct virtq *q = selected(v);
    if (!q)
        return;
    uint64_t avail_end = 16u * q->size + 6u + 2u * q->size;
    *q = (struct virtq){.size = q->size, .vector = q->vector, .enabled = pfn != 0,
                        .desc = (uint64_t)pfn << 12};
    q->avail = q->desc + 16u * q->size;
    q->used = q->desc + ((avail_end + 4095) & ~UINT64_C(4095));
}

static void old_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct virtio *v = dev;
    struct virtq *q = selected(v);
    unsigned header = old_header(v);
    if (off >= header) {
        for (unsigned i = 0; i < size; i++)
            if (off + i - header < v->shape.config_len)
                v->type->config_write(v->dev, (unsigned)(off + i - header),
                                      (uint8_t)(val >> 8 * i));
        return;
    }
    switch (off) {
    case O_CHOSEN: /* there is no way to refuse */
        v->features = (uint32_t)val & v->shape.offered;
        break;
    case O_PFN:
        old_place(v, (uint32_t)val);
        break;
    case O_SELECT:
        v->queue_select = (uint16_t)val;
        break;
    case O_NOTIFY:
        notify(v, (uint16_t)val);
        break;
    case O_STATUS:
        write_status(v, (uint8_t)val);
        break;
    case O_CONFIG_VECTOR:
        v->config_vector = vector_of(v, (uint16_t)val);
        break;
    case O_VECTOR:
        if (q)
            q->vector = vector_of(v, (uint16_t)val);
        break;
    }
}

static const struct io_ops old_ops = {.read = old_read, .write = old_write, .min = 1, .max = 4};

/*
 * ---- the window in configuration space: 4.1.4.7 ----
 *
 * For those who can't reach memory BARs; iPXE wants it to be there. What a driver must not ask for
 * (4.1.4.7.2) is ignored. The MSI-X BAR is the CPU's alone.
 */

static const struct io_region *window(const struct virtio *v, uint32_t *off, uint32_t *len) {
    const uint8_t *cap = &v->pci.config[WINDOW_AT];
    const struct io_region *r = cap[CAP_BAR] == BAR_OLD      ? &v->old
                                : cap[CAP_BAR] == BAR_MODERN ? &v->modern
                                                             : NULL;
    uint32_t size = cap[CAP_BAR] == BAR_OLD ? OLD_SIZE : MODERN_SIZE;
    *off = load_le32(cap + CAP_OFFSET);
    *len = load_le32(cap + CAP_LENGTH);
    bool good = (*len == 1 || *len == 2 || *len == 4) && !(*off & (*len - 1)) && *off < size;
    return good ? r : NULL;
}

static bool at_data(unsigned off, unsigned len) {
    return off < WINDOW_AT + CAP_DATA + 4 && off + len > WINDOW_AT + CAP_DATA;
}

static void config_reads(void *dev, unsigned off, unsigned len) {
    struct virtio *v = dev;
    uint32_t at, size;
    const struct io_region *r = at_data(off, len) ? window(v, &at, &size) : NULL;
    if (r)
        store_le32(&v->pci.config[WINDOW_AT + CAP_DATA],
                   (uint32_t)r->ops->read(r->dev, at, size));
}

static void write_window(struct virtio *v) {
    uint32_t at, size;
    const struct io_region *r = window(v, &at, &size);
    if (r)
        r->ops->write(r->dev, at, size,
                      load_le32(&v->pci.config[WINDOW_AT + CAP_DATA]) & size_mask(size));
}

static void add_window(struct virtio *v) {
    uint8_t *cap = &v->pci.config[WINDOW_AT], *mask = &v->pci.wmask[WINDOW_AT];
    pci_add_capability(&v->pci, PCI_CAP_VENDOR, WINDOW_AT);
    cap[2] = CAP_DATA + 4;
    cap[3] = CAP_WINDOW;
    mask[CAP_BAR] = 0xff;
    memset(mask + CAP_OFFSET, 0xff, CAP_DATA + 4 - CAP_OFFSET);
}

/* ---- life ---- */

static void config_wrote(void *dev, unsigned off, unsigned len) {
    struct virtio *v = dev;
    if (at_data(off, len))
        write_window(v);
    msix_config_wrote(&v->msix, off, len);
    if (off < PCI_COMMAND + 2 && off + len > PCI_COMMAND)
        v->type->status(v->dev);
}

static void add_capability(struct virtio *v, unsigned n, uint8_t type, uint32_t offset) {
    unsigned at = CAP_AT + CAP_LEN * n;
    uint8_t *cap = &v->pci.config[at];
    pci_add_capability(&v->pci, PCI_CAP_VENDOR, at);
    cap[2] = type == CAP_NOTIFY ? 20 : 16;
    cap[3] = type;
    cap[4] = BAR_MODERN;
    store_le32(cap + 8, offset);
    store_le32(cap + 12, PART);
    if (type == CAP_NOTIFY)
        store_le32(cap + 16, NOTIFY_STEP);
}

void virtio_init(struct virtio *v, const struct virtio_type *type, void *dev,
                 const struct virtio_shape *shape) {
    struct pci_id id = {.vendor = 0x1af4, .device = type->device_id, .sub_vendor = 0x1af4,
                        .subsystem = type->subsystem, .class_ = type->class_, .int_pin = 1};
    v->type = type;
    v->dev = dev;
    v->shape = *shape;
    v->shape.offered |= VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT) | VIRTIO_BIT(VIRTIO_F_INDIRECT) |
                        VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_VERSION_1);
    pci_init(&v->pci, "virtio", &id, v);
    v->pci.config_wrote = config_wrote;
    v->pci.config_reads = config_reads;
    v->old = (struct io_region){.name = "virtio I/O", .ops = &old_ops, .dev = v};
    v->modern = (struct io_region){.name = "virtio", .ops = &modern_ops, .dev = v};
    pci_add_bar(&v->pci, BAR_OLD, PCI_BAR_IO, OLD_SIZE, &v->old);
    pci_add_bar(&v->pci, BAR_MODERN, PCI_BAR_MEM, MODERN_SIZE, &v->modern);
    add_capability(v, 0, CAP_COMMON, COMMON);
    add_capability(v, 1, CAP_ISR, ISR);
    add_capability(v, 2, CAP_DEVICE, DEVICE);
    add_capability(v, 3, CAP_NOTIFY, NOTIFY);
    add_window(v);
    msix_add_bar(&v->msix, &v->pci, MSIX_AT, shape->vectors, BAR_MSIX);
}

void virtio_reset(struct virtio *v) {
    pci_reset(&v->pci);
    msix_reset(&v->msix);
    reset_device(v);
}

bool virtio_loaded(struct virtio *v, char *why, size_t why_len) {
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
        if (!v->q[i].size || v->q[i].size & (v->q[i].size - 1u)) {
            snprintf(why, why_len, "virtio.q[%u].size is %u, not a power of two", i,
                     v->q[i].size);
            return false;
        }
    msix_loaded(&v->msix);
    pci_loaded(&v->pci);
    pci_irq_restore(&v->pci, v->isr != 0);
    return true;
}
