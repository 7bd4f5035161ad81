/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chip's state as data, declared once next to its struct and in its order:
 *
 *     static const struct field fields[] = {
 *         F(struct i8042, status), F_MAX(struct i8042, head, FIFO_LEN - 1),
 *         F_ARRAY(struct i8042, fifo), F_END
 *     };
 *     const struct state i8042_state = { "i8042", 1, fields, i8042_loaded };
 *
 * The stream is self-describing: per field its name, element size, count and bytes (little-endian),
 * per chip a name, an instance, a version, a length and a checksum. A field of the stream that the
 * table doesn't have, or that has another shape or exceeds its bound, is refused by name; one that
 * the stream doesn't have keeps its reset value. Users: save, load, print, equality, the laws, the
 * fuzzer. One thread.
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
    FIELD_END,
    FIELD_UINT,   /* unsigned integers and bool, of 1, 2, 4 or 8 bytes */
    FIELD_BYTES,  /* uint8_t[count], written as they are */
    FIELD_STRUCT, /* struct[count] described by `sub` */
    FIELD_TIMER,  /* struct timer: its deadline, as ns from now */
    FIELD_BEHIND, /* a pointer to one struct described by `sub`; in the stream as STRUCT */
    FIELD_DYNAMIC /* `*(uint8_t **)field`, its size in bytes in count, its part in use in `used` */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    size_t size;  /* of one element */
    size_t count; /* of elements */
    uint64_t max; /* largest value allowed; 0 means any (F_MAX with 0 is useless) */
    const struct field *sub;
    size_t used; /* DYNAMIC: 1 + offset of the uint32_t that says how many bytes count; 0: all */
};

#define F_(s, m, k, sz, n, mx, sb) {#m, k, offsetof(s, m), sz, n, mx, sb, 0}
#define F_SIZE_(s, m) sizeof(((s *)0)->m)
#define F_LEN_(s, m) (sizeof(((s *)0)->m) / sizeof(((s *)0)->m[0]))

/* A bool holds nothing but 0 and 1, so it is bounded without being asked. */
#define F_ANY_(s, m) _Generic(((s *)0)->m, bool: 1, default: 0)

#define F(s, m) F_(s, m, FIELD_UINT, F_SIZE_(s, m), 1, F_ANY_(s, m), NULL)
#define F_MAX(s, m, max) F_(s, m, FIELD_UINT, F_SIZE_(s, m), 1, max, NULL)
#define F_ARRAY(s, m) F_(s, m, FIELD_UINT, F_SIZE_(s, m[0]), F_LEN_(s, m), F_ANY_(s, m[0]), NULL)
#define F_ARRAY_MAX(s, m, max) F_(s, m, FIELD_UINT, F_SIZE_(s, m[0]), F_LEN_(s, m), max, NULL)
#define F_BYTES(s, m) F_(s, m, FIELD_BYTES, 1, F_SIZE_(s, m), 0, NULL)
#define F_STRUCT(s, m, fields) F_(s, m, FIELD_STRUCT, F_SIZE_(s, m), 1, 0, fields)
#define F_STRUCTS(s, m, fields) F_(s, m, FIELD_STRUCT, F_SIZE_(s, m[0]), F_LEN_(s, m), 0, fields)
/* A part that has its own memory: `m` points to it. */
#define F_BEHIND(s, m, fields) F_(s, m, FIELD_BEHIND, 0, 1, 0, fields)
#define F_TIMER(s, m) F_(s, m, FIELD_TIMER, sizeof(uint64_t), 1, 0, NULL)
#define F_DYNAMIC(s, m, bytes) F_(s, m, FIELD_DYNAMIC, 1, bytes, 0, NULL)
/* A buffer of which the first `member` bytes are state; `member` comes with an F_MAX of its own. */
#define F_DYNAMIC_USED(s, m, bytes, member)                                                        \
    {#m, FIELD_DYNAMIC, offsetof(s, m), 1, bytes, 0, NULL, 1 + offsetof(s, member)}
#define F_END {NULL, FIELD_END, 0, 0, 0, 0, NULL, 0}

struct state {
    const char *name;
    unsigned version;
    const struct field *fields;
    /*
     * After all fields are in: checks what a bound can't say, recomputes what is derived (interrupt
     * lines with irq_restore, regions, timers). False refuses the stream; `why` is then a sentence.
     */
    bool (*loaded)(void *dev, char *why, size_t why_len);
};

/* A growing run of bytes; all zeros is an empty one. */
struct state_buf {
    uint8_t *bytes;
    size_t len, cap;
};

void state_buf_free(struct state_buf *buf);

/* Appends one chip's record. */
void state_save(struct state_buf *buf, const struct state *state, const char *id, const void *dev);

/*
 * Loads one record from `bytes` into a chip that was just reset. *used is the record's length.
 * False: nothing can be said of the chip's state but that it is safe to reset or free, and `why`
 * says what is wrong, naming chip, field, value and bound.
 */
bool state_load(const uint8_t *bytes, size_t len, size_t *used, const struct state *state,
                const char *id, void *dev, char *why, size_t why_len);

/* The name and id of the record at `bytes`, so that a loader can find the chip it is for; checks
 * length and checksum. Returns the record's length, or 0 and a sentence. */
size_t state_peek(const uint8_t *bytes, size_t len, char *name, size_t name_len, char *id,
                  size_t id_len, char *why, size_t why_len);

/* True when the two chips hold the same state; else `where` names the first field that differs. */
bool state_equal(const struct state *state, const void *a, const void *b, char *where,
                 size_t where_len);

/* One "name = value" line a field, for people. */
void state_print(const struct state *state, const void *dev,
                 void (*line)(void *arg, const char *text), void *arg);

#endif
