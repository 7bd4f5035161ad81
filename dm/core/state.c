/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saving, loading, comparing and printing state by its description. See state.h. A record is
 *
 *     u32 magic, u32 length of the whole record, u32 version, string name, string id,
 *     fields ..., u32 CRC-32C of all before it
 *
 * a field is
 *
 *     string name, u32 size of an element, u32 count, count * size bytes
 *
 * a string is a byte of length and its bytes, numbers are little-endian. A FIELD_STRUCT has size 0,
 * and each of its elements is u32 length and fields. A FIELD_TIMER is 8 bytes: ns from now until
 * its deadline (0 when it is overdue), all ones when it is off.
 */
#include "state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "clock.h"
#include "crc.h"
#include "log.h"

enum {
    MAGIC = 0x52535648, /* "HVSR" */
    HEAD_LEN = 12,
    CRC_LEN = 4,
    NAME_MAX_LEN = 255,
    PATH_LEN = 128,
    FIELDS_MAX = 256, /* in one table */
};

/* ---- values in a chip's struct ---- */

static uint64_t uint_get(const void *p, size_t size) {
    switch (size) {
    case 1:
        return *(const uint8_t *)p;
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        return *(const uint64_t *)p;
    }
}

static void uint_put(void *p, size_t size, uint64_t val) {
    switch (size) {
    case 1:
        *(uint8_t *)p = (uint8_t)val;
        break;
    case 2:
        *(uint16_t *)p = (uint16_t)val;
        break;
    case 4:
        *(uint32_t *)p = (uint32_t)val;
        break;
    default:
        *(uint64_t *)p = val;
    }
}

static uint64_t timer_get(const struct timer *timer) {
    if (!timer->clock || !timer_is_on(timer))
        return TIMER_NEVER; /* also a timer that this machine doesn't have */
    uint64_t now = clock_now(timer->clock);
    return timer->deadline > now ? timer->deadline - now : 0;
}

static void timer_put(struct timer *timer, uint64_t ns) {
    if (!timer->clock)
        return;
    uint64_t now = clock_now(timer->clock);
    timer_off(timer);
    if (ns != TIMER_NEVER)
        timer_at(timer, ns < TIMER_NEVER - 1 - now ? now + ns : TIMER_NEVER - 1);
}

/* The bytes of a field that has no struct inside. */
static uint8_t *field_bytes(const struct field *f, const void *base) {
    uint8_t *at = (uint8_t *)(uintptr_t)base + f->offset;
    return f->kind == FIELD_DYNAMIC ? *(uint8_t **)at : at;
}

/* How many of its elements are state. */
static size_t field_count(const struct field *f, const void *base) {
    if (f->kind != FIELD_DYNAMIC || !f->used)
        return f->count;
    uint32_t used = *(const uint32_t *)(const void *)((const uint8_t *)base + f->used - 1);
    return MIN((size_t)used, f->count);
}

static bool is_struct(const struct field *f) {
    return f->kind == FIELD_STRUCT || f->kind == FIELD_BEHIND;
}

/* Where a field's i-th struct is. */
static void *element(const struct field *f, const void *base, size_t i) {
    uint8_t *at = (uint8_t *)(uintptr_t)base + f->offset;
    return f->kind == FIELD_BEHIND ? *(void **)at : at + i * f->size;
}

/* ---- saving ---- */

void state_buf_free(struct state_buf *buf) {
    free(buf->bytes);
    *buf = (struct state_buf){0};
}

static uint8_t *grow(struct state_buf *buf, size_t len) {
    if (buf->cap - buf->len < len) {
        size_t cap = MAX(2 * buf->cap, buf->len + len + 4096);
        uint8_t *bytes = realloc(buf->bytes, cap);
        if (!bytes) {
            log_error("out of memory: %zu bytes wanted for the state of the machine", cap);
            abort();
        }
        buf->bytes = bytes;
        buf->cap = cap;
    }
    uint8_t *at = buf->bytes + buf->len;
    buf->len += len;
    return at;
}

static void put32(struct state_buf *buf, size_t val) {
    store_le32(grow(buf, 4), (uint32_t)val);
}

static void put_string(struct state_buf *buf, const char *s) {
    size_t len = MIN(strlen(s), (size_t)NAME_MAX_LEN);
    uint8_t *at = grow(buf, 1 + len);
    at[0] = (uint8_t)len;
    memcpy(at + 1, s, len);
}

static void put_values(struct state_buf *buf, const struct field *f, const void *base) {
    const uint8_t *from = field_bytes(f, base);
    size_t count = field_count(f, base);
    uint8_t *to = grow(buf, f->size * count);
    if (f->kind == FIELD_TIMER) {
        store_le64(to, timer_get((const struct timer *)(const void *)from));
    } else if (f->kind == FIELD_UINT) {
        for (size_t i = 0; i < count; i++)
            store_le(to + i * f->size, (unsigned)f->size, uint_get(from + i * f->size, f->size));
    } else if (count > 0) {
        memcpy(to, from, f->size * count);
    }
}

static void put_fields(struct state_buf *buf, const struct field *fields, const void *base) {
    for (const struct field *f = fields; f->kind != FIELD_END; f++) {
        put_string(buf, f->name);
        put32(buf, is_struct(f) ? 0 : f->size);
        put32(buf, field_count(f, base));
        if (!is_struct(f)) {
            put_values(buf, f, base);
            continue;
        }
        for (size_t i = 0; i < f->count; i++) {
            size_t at = buf->len;
            put32(buf, 0);
            put_fields(buf, f->sub, element(f, base, i));
            store_le32(buf->bytes + at, (uint32_t)(buf->len - at - 4));
        }
    }
}

void state_save(struct state_buf *buf, const struct state *state, const char *id,
                const void *dev) {
    size_t start = buf->len;
    put32(buf, MAGIC);
    put32(buf, 0);
    put32(buf, state->version);
    put_string(buf, state->name);
    put_string(buf, id);
    put_fields(buf, state->fields, dev);
    size_t len = buf->len - start;
    store_le32(buf->bytes + start + 4, (uint32_t)(len + CRC_LEN));
    put32(buf, crc32c(buf->bytes + start, len));
}

/* ---- loading ---- */

/* What is left of the stream, and where the sentence goes when it is wrong. */
struct reader {
    const uint8_t *at;
    size_t left;
    char *why;
    size_t why_len;
};

__attribute__((format(printf, 2, 3))) static bool refuse(const struct reader *r, const char *fmt,
                                                         ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, r->why_len, fmt, ap);
    va_end(ap);
    return false;
}

static bool get32(struct reader *r, uint32_t *val) {
    if (r->left < 4)
        return false;
    *val = load_le32(r->at);
    r->at += 4;
    r->left -= 4;
    return true;
}

/* Bytes that people can read become a string; others become '?'. `s` holds NAME_MAX_LEN + 1. */
static bool get_string(struct reader *r, char *s) {
    if (!r->left || r->left - 1 < r->at[0])
        return false;
    size_t len = r->at[0];
    for (size_t i = 0; i < len; i++)
        s[i] = r->at[1 + i] > 0x20 && r->at[1 + i] < 0x7f ? (char)r->at[1 + i] : '?';
    s[len] = 0;
    r->at += 1 + len;
    r->left -= 1 + len;
    return true;
}

static bool get_values(struct reader *r, const struct field *f, size_t count, void *base,
                       const char *path) {
    uint8_t *to = field_bytes(f, base);
    const uint8_t *from = r->at;
    for (size_t i = 0; f->kind == FIELD_UINT && i < count; i++) {
        uint64_t val = load_le(from + i * f->size, (unsigned)f->size);
        if (f->max && val > f->max)
            return refuse(r, "%s: element %zu is %#llx, but %#llx is the largest allowed", path,
                          i, (unsigned long long)val, (unsigned long long)f->max);
        uint_put(to + i * f->size, f->size, val);
    }
    if (f->kind == FIELD_TIMER)
        timer_put((struct timer *)(void *)to, load_le64(from));
    else if (f->kind != FIELD_UINT && count > 0)
        memcpy(to, from, f->size * count);
    r->at += f->size * count;
    r->left -= f->size * count;
    return true;
}

static bool get_fields(struct reader *r, const struct field *fields, void *base,
                       const char *path);

static bool get_structs(struct reader *r, const struct field *f, void *base, const char *path) {
    for (size_t i = 0; i < f->count; i++) {
        uint32_t len;
        if (!get32(r, &len) || len > r->left)
            return refuse(r, "%s: element %zu is longer than the record", path, i);
        struct reader inner = {r->at, len, r->why, r->why_len};
        char name[PATH_LEN];
        snprintf(name, sizeof(name), f->count > 1 ? "%s[%zu]" : "%s", path, i);
        if (!get_fields(&inner, f->sub, element(f, base, i), name))
            return false;
        r->at += len;
        r->left -= len;
    }
    return true;
}

/* The row of that name, starting at the one that comes next when both sides agree. */
static const struct field *find_field(const struct field *fields, const struct field *next,
                                      const char *name) {
    if (next->kind != FIELD_END && strcmp(next->name, name) == 0)
        return next;
    for (const struct field *f = fields; f->kind != FIELD_END; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static bool get_field(struct reader *r, const struct field *f, void *base, const char *path) {
    uint32_t size, count, want = is_struct(f) ? 0 : (uint32_t)f->size;
    if (!get32(r, &size) || !get32(r, &count))
        return refuse(r, "%s: the record ends inside it", path);
    if (size != want || (f->used ? count > f->count : count != f->count))
        return refuse(r, "%s: is %u times %u bytes in the stream, but %zu times %u here", path,
                      count, size, f->count, want);
    if (is_struct(f))
        return get_structs(r, f, base, path);
    if (f->size * count > r->left)
        return refuse(r, "%s: %zu bytes wanted, %zu left in the record", path, f->size * count,
                      r->left);
    return get_values(r, f, count, base, path);
}

static bool get_fields(struct reader *r, const struct field *fields, void *base,
                       const char *path) {
    uint64_t seen[FIELDS_MAX / 64] = {0};
    const struct field *next = fields;
    while (r->left) {
        char name[NAME_MAX_LEN + 1], inner[PATH_LEN];
        if (!get_string(r, name))
            return refuse(r, "%s: the record ends inside the name of a field", path);
        snprintf(inner, sizeof(inner), "%.40s.%.80s", path, name);
        const struct field *f = find_field(fields, next, name);
        if (!f)
            return refuse(r, "%s: no such field here", inner);
        size_t row = (size_t)(f - fields);
        if (row < FIELDS_MAX && bitmap_get(seen, row))
            return refuse(r, "%s: is there twice", inner);
        if (row < FIELDS_MAX)
            bitmap_set(seen, row);
        if (!get_field(r, f, base, inner))
            return false;
        next = f + 1;
    }
    return true;
}

/* Checks frame and head; r then holds the fields. Returns the record's length, or 0. */
static size_t open_record(struct reader *r, uint32_t *version, char *name, char *id) {
    const uint8_t *start = r->at;
    if (r->left < HEAD_LEN + CRC_LEN)
        return refuse(r, "a record of state needs at least %d bytes, but only %zu are left",
                      HEAD_LEN + CRC_LEN, r->left);
    uint32_t magic = load_le32(start), len = load_le32(start + 4);
    if (magic != MAGIC)
        return refuse(r, "no record of state here: it begins with %#x, not with %#x", magic,
                      MAGIC);
    if (len < HEAD_LEN + CRC_LEN || len > r->left)
        return refuse(r, "a record of state says that it is %u bytes long, but %zu are left", len,
                      r->left);
    uint32_t want = load_le32(start + len - CRC_LEN), crc = crc32c(start, len - CRC_LEN);
    if (crc != want)
        return refuse(r, "a record of state is damaged: its checksum is %#x, not %#x", crc, want);
    *version = load_le32(start + 8);
    r->at = start + HEAD_LEN;
    r->left = len - HEAD_LEN - CRC_LEN;
    if (!get_string(r, name) || !get_string(r, id))
        return refuse(r, "a record of state ends inside its name");
    return len;
}

size_t state_peek(const uint8_t *bytes, size_t len, char *name, size_t name_len, char *id,
                  size_t id_len, char *why, size_t why_len) {
    struct reader r = {bytes, len, why, why_len};
    char full_name[NAME_MAX_LEN + 1], full_id[NAME_MAX_LEN + 1];
    uint32_t version;
    size_t used = open_record(&r, &version, full_name, full_id);
    if (used) {
        snprintf(name, name_len, "%s", full_name);
        snprintf(id, id_len, "%s", full_id);
    }
    return used;
}

bool state_load(const uint8_t *bytes, size_t len, size_t *used, const struct state *state,
                const char *id, void *dev, char *why, size_t why_len) {
    struct reader r = {bytes, len, why, why_len};
    char name[NAME_MAX_LEN + 1], its_id[NAME_MAX_LEN + 1];
    uint32_t version;
    size_t record = open_record(&r, &version, name, its_id);
    if (!record)
        return false;
    if (strcmp(name, state->name) != 0 || strcmp(its_id, id) != 0)
        return refuse(&r, "the record is of %s \"%s\", but %s \"%s\" was expected", name, its_id,
                      state->name, id);
    if (version > state->version)
        return refuse(&r, "%s: version %u was written by a newer program; %u is known here",
                      state->name, version, state->version);
    if (!get_fields(&r, state->fields, dev, state->name))
        return false;
    *used = record;
    return !state->loaded || state->loaded(dev, why, why_len);
}

/* ---- comparing ---- */

static bool values_equal(const struct field *f, const void *a, const void *b) {
    const uint8_t *x = field_bytes(f, a), *y = field_bytes(f, b);
    if (f->kind == FIELD_TIMER)
        return timer_get((const struct timer *)(const void *)x) ==
               timer_get((const struct timer *)(const void *)y);
    size_t count = field_count(f, a);
    if (count != field_count(f, b))
        return false;
    return count == 0 || memcmp(x, y, f->size * count) == 0;
}

static bool fields_equal(const struct field *fields, const void *a, const void *b,
                         const char *path, char *where, size_t where_len) {
    for (const struct field *f = fields; f->kind != FIELD_END; f++) {
        char name[PATH_LEN];
        for (size_t i = 0; is_struct(f) && i < f->count; i++) {
            snprintf(name, sizeof(name), f->count > 1 ? "%.60s.%.40s[%zu]" : "%.60s.%.40s", path,
                     f->name, i);
            if (!fields_equal(f->sub, element(f, a, i), element(f, b, i), name, where,
                              where_len))
                return false;
        }
        if (!is_struct(f) && !values_equal(f, a, b)) {
            snprintf(where, where_len, "%s.%s", path, f->name);
            return false;
        }
    }
    return true;
}

bool state_equal(const struct state *state, const void *a, const void *b, char *where,
                 size_t where_len) {
    return fields_equal(state->fields, a, b, state->name, where, where_len);
}

/* ---- printing ---- */

struct printer {
    void (*line)(void *arg, const char *text);
    void *arg;
};

static void print_values(const struct printer *p, const struct field *f, const void *base,
                         const char *path) {
    enum { SHOWN = 32 };
    const uint8_t *at = field_bytes(f, base);
    size_t count = field_count(f, base);
    char text[PATH_LEN + 32 + SHOWN * 20];
    int n = snprintf(text, sizeof(text), "%s =", path);
    if (f->kind == FIELD_TIMER) {
        uint64_t ns = timer_get((const struct timer *)(const void *)at);
        if (ns == TIMER_NEVER)
            snprintf(text + n, sizeof(text) - (size_t)n, " off");
        else
            snprintf(text + n, sizeof(text) - (size_t)n, " in %llu ns", (unsigned long long)ns);
        p->line(p->arg, text);
        return;
    }
    for (size_t i = 0; i < MIN(count, (size_t)SHOWN); i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %#llx",
                      (unsigned long long)uint_get(at + i * f->size, f->size));
    if (count > SHOWN)
        snprintf(text + n, sizeof(text) - (size_t)n, " ... (%zu in all, CRC-32C %#x)", count,
                 crc32c(at, f->size * count));
    p->line(p->arg, text);
}

static void print_fields(const struct printer *p, const struct field *fields, const void *base,
                         const char *path) {
    for (const struct field *f = fields; f->kind != FIELD_END; f++) {
        char name[PATH_LEN];
        snprintf(name, sizeof(name), "%.80s.%.40s", path, f->name);
        if (!is_struct(f)) {
            print_values(p, f, base, name);
            continue;
        }
        for (size_t i = 0; i < f->count; i++) {
            char inner[PATH_LEN];
            snprintf(inner, sizeof(inner), f->count > 1 ? "%.100s[%zu]" : "%.100s", name, i);
            print_fields(p, f->sub, element(f, base, i), inner);
        }
    }
}

void state_print(const struct state *state, const void *dev,
                 void (*line)(void *arg, const char *text), void *arg) {
    const struct printer p = {line, arg};
    print_fields(&p, state->fields, dev, state->name);
}
