/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of the qtest protocol: a line is a command, its answer is a line that begins with OK or
 * FAIL, and between answers there may be lines "IRQ raise N" and "IRQ lower N". Numbers are C's.
 *
 *     in{b,w,l} ADDR              OK VALUE             out{b,w,l} ADDR VALUE
 *     read{b,w,l,q} ADDR          OK VALUE             write{b,w,l,q} ADDR VALUE
 *     read ADDR SIZE              OK 0xBYTES           write ADDR SIZE 0xBYTES (short: then zeros)
 *     b64read ADDR SIZE           OK BASE64            b64write ADDR SIZE BASE64
 *     memset ADDR SIZE VALUE      endianness           OK little
 *     clock_step [NS]             OK NOW               clock_set NS
 *     irq_intercept_in PATH       irq_intercept_out PATH
 *
 * Not there, and answered with FAIL: set_irq_in, rtas, module_load.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "sock_priv.h"

enum {
    WORDS = 4,
    LINE_BYTES = 64 << 20, /* a write of 16 MiB in hexadecimal fits */
    DATA_BYTES = 16 << 20, /* of one read or write */
    ROOM = 65536,
};

/* ---- buffers ---- */

static char *buf_grow(struct sock_buf *b, size_t len) {
    if (b->cap - b->len < len) {
        size_t cap = MAX(2 * b->cap, b->len + len + 256);
        char *bytes = realloc(b->bytes, cap);
        if (!bytes) {
            log_error("out of memory: %zu bytes wanted for the peer's line", cap);
            abort();
        }
        b->bytes = bytes;
        b->cap = cap;
    }
    return b->bytes + b->len;
}

static void buf_drop(struct sock_buf *b, size_t n) {
    memmove(b->bytes, b->bytes + n, b->len - n);
    b->len -= n;
}

/* Sends what the stream takes; the rest waits until it is writable again. */
static void flush(struct sock *s) {
    if (s->out.len)
        buf_drop(&s->out, chars_write(s->chars, (const uint8_t *)s->out.bytes, s->out.len));
}

__attribute__((format(printf, 2, 3))) static void say(struct sock *s, const char *fmt, ...) {
    enum { SHORT = 256 };
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf_grow(&s->out, SHORT), SHORT, fmt, ap);
    va_end(ap);
    s->out.len += MIN((size_t)n, (size_t)SHORT - 1);
    buf_grow(&s->out, 1)[0] = '\n';
    s->out.len++;
}

void sock_proto_irq(struct sock *s, unsigned n, bool level) {
    if (!s->intercepted)
        return;
    say(s, "IRQ %s %u", level ? "raise" : "lower", n);
    if (!s->busy)
        flush(s);
}

/* ---- bytes as text ---- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What is not there is zero, as existing clients expect. */
static bool from_hex(const char *text, uint8_t *bytes, size_t len) {
    if (text[0] != '0' || text[1] != 'x')
        return false;
    text += 2;
    memset(bytes, 0, len);
    for (size_t i = 0; i < len && text[0] && text[1]; i++, text += 2) {
        int hi = hex_digit(text[0]), lo = hex_digit(text[1]);
        if (hi < 0 || lo < 0)
            return false;
        bytes[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

static void say_hex(struct sock *s, const uint8_t *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    char *to = buf_grow(&s->out, 6 + 2 * len);
    memcpy(to, "OK 0x", 5);
    to += 5;
    for (size_t i = 0; i < len; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    *to = '\n';
    s->out.len += 6 + 2 * len;
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void say_base64(struct sock *s, const uint8_t *bytes, size_t len) {
    size_t text = (len + 2) / 3 * 4;
    char *to = buf_grow(&s->out, 4 + text);
    memcpy(to, "OK ", 3);
    to += 3;
    for (size_t i = 0; i < len; i += 3) {
        unsigned have = (unsigned)MIN(len - i, (size_t)3);
        uint32_t v = (uint32_t)bytes[i] << 16 | (have > 1 ? bytes[i + 1] : 0) << 8 |
                     (have > 2 ? bytes[i + 2] : 0);
        *to++ = base64[v >> 18];
        *to++ = base64[v >> 12 & 63];
        *to++ = have > 1 ? base64[v >> 6 & 63] : '=';
        *to++ = have > 2 ? base64[v & 63] : '=';
    }
    *to = '\n';
    s->out.len += 4 + text;
}

/* Up to len bytes; what is not there is zero. */
static bool from_base64(const char *text, uint8_t *bytes, size_t len) {
    uint32_t v = 0;
    unsigned bits = 0;
    size_t at = 0;
    memset(bytes, 0, len);
    for (; *text && *text != '='; text++) {
        const char *c = strchr(base64, *text);
        if (!c)
            return false;
        v = v << 6 | (uint32_t)(c - base64);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (at < len)
                bytes[at++] = (uint8_t)(v >> bits);
        }
    }
    return true;
}

/* ---- commands ---- */

/* A command with its numbers taken out; `text` is what follows them, or NULL. */
struct command {
    const char *name;
    char *words[WORDS];
    unsigned count;
    uint64_t num[3];
};

static unsigned suffix_size(char c) {
    return c == 'b' ? 1 : c == 'w' ? 2 : c == 'l' ? 4 : c == 'q' ? 8 : 0;
}

/* The first n arguments are numbers; says FAIL and returns false when they are not. */
static bool numbers(struct sock *s, struct command *c, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        char *end = NULL;
        if (i + 1 < c->count)
            c->num[i] = strtoull(c->words[i + 1], &end, 0);
        if (!end || end == c->words[i + 1] || *end) {
            say(s, "FAIL %.32s: argument %u must be a number", c->name, i + 1);
            return false;
        }
    }
    return true;
}

static void do_in(struct sock *s, struct command *c) {
    unsigned size = suffix_size(c->name[2]);
    const struct engine_sink *sink = &s->engine.sink;
    if (!numbers(s, c, 1))
        return;
    uint64_t val = sink->read(sink->dev, IO_PORT, c->num[0] & 0xffff, size);
    say(s, "OK 0x%04" PRIx64, val & size_mask(size));
}

static void do_out(struct sock *s, struct command *c) {
    unsigned size = suffix_size(c->name[3]);
    const struct engine_sink *sink = &s->engine.sink;
    if (!numbers(s, c, 2))
        return;
    sink->write(sink->dev, IO_PORT, c->num[0] & 0xffff, size, c->num[1] & size_mask(size));
    say(s, "OK");
}

static void do_read(struct sock *s, struct command *c) {
    if (numbers(s, c, 1))
        say(s, "OK 0x%016" PRIx64, sock_mem_read(s, c->num[0], suffix_size(c->name[4])));
}

static void do_write(struct sock *s, struct command *c) {
    if (!numbers(s, c, 2))
        return;
    sock_mem_write(s, c->num[0], suffix_size(c->name[5]), c->num[1]);
    say(s, "OK");
}

/* Memory for the bytes of a read or write, or NULL and FAIL. */
static uint8_t *data_new(struct sock *s, const struct command *c) {
    uint64_t len = c->num[1];
    uint8_t *bytes = len && len <= DATA_BYTES ? malloc(len) : NULL;
    if (!bytes)
        say(s, "FAIL %s: %" PRIu64 " bytes: must be 1 to %d", c->name, len, DATA_BYTES);
    return bytes;
}

static void do_read_bytes(struct sock *s, struct command *c) {
    uint8_t *bytes = numbers(s, c, 2) ? data_new(s, c) : NULL;
    if (!bytes)
        return;
    sock_mem_fetch(s, c->num[0], bytes, c->num[1]);
    if (c->name[0] == 'b')
        say_base64(s, bytes, c->num[1]);
    else
        say_hex(s, bytes, c->num[1]);
    free(bytes);
}

static void do_write_bytes(struct sock *s, struct command *c) {
    uint8_t *bytes = numbers(s, c, 2) ? data_new(s, c) : NULL;
    if (!bytes)
        return;
    const char *text = c->count > 3 ? c->words[3] : "";
    bool ok = c->name[0] == 'b' ? from_base64(text, bytes, c->num[1])
                                : from_hex(text, bytes, c->num[1]);
    if (ok) {
        sock_mem_store(s, c->num[0], bytes, c->num[1]);
        say(s, "OK");
    } else {
        say(s, "FAIL %s: argument 3 must be %s", c->name,
            c->name[0] == 'b' ? "base64" : "0x and two digits a byte");
    }
    free(bytes);
}

static void do_memset(struct sock *s, struct command *c) {
    if (!numbers(s, c, 3))
        return;
    if (c->num[1] > GIB(4)) {
        say(s, "FAIL memset: %" PRIu64 " bytes: at most 4 GiB", c->num[1]);
        return;
    }
    sock_mem_fill(s, c->num[0], (uint8_t)c->num[2], c->num[1]);
    say(s, "OK");
}

static void do_endianness(struct sock *s, struct command *c) {
    (void)c;
    say(s, "OK little");
}

static void do_clock_step(struct sock *s, struct command *c) {
    uint64_t next = clock_next(s->clock);
    if (c->count == 1)
        sock_clock_to(s, next == TIMER_NEVER ? s->now : next);
    else if (!numbers(s, c, 1))
        return;
    else
        sock_clock_to(s, s->now + MIN(c->num[0], (uint64_t)INT64_MAX - s->now));
    say(s, "OK %" PRIu64, s->now);
}

static void do_clock_set(struct sock *s, struct command *c) {
    if (!numbers(s, c, 1))
        return;
    sock_clock_to(s, MIN(c->num[0], (uint64_t)INT64_MAX));
    say(s, "OK %" PRIu64, s->now);
}

/* The one device whose inputs can be watched; outputs it has none. */
static void do_intercept(struct sock *s, struct command *c) {
    const char *path = c->count > 1 ? c->words[1] : "";
    const char *last = strrchr(path, '/');
    if (strcmp(last ? last + 1 : path, "ioapic") != 0) {
        say(s, "FAIL Unknown device");
        return;
    }
    if (strcmp(c->name, "irq_intercept_in") == 0)
        s->intercepted = true;
    say(s, "OK");
}

static const struct {
    const char *name;
    void (*run)(struct sock *s, struct command *c);
} commands[] = {
    {"inb", do_in},           {"inw", do_in},          {"inl", do_in},
    {"outb", do_out},         {"outw", do_out},        {"outl", do_out},
    {"readb", do_read},       {"readw", do_read},      {"readl", do_read},
    {"readq", do_read},       {"writeb", do_write},    {"writew", do_write},
    {"writel", do_write},     {"writeq", do_write},    {"read", do_read_bytes},
    {"b64read", do_read_bytes}, {"write", do_write_bytes}, {"b64write", do_write_bytes},
    {"memset", do_memset},    {"endianness", do_endianness},
    {"clock_step", do_clock_step}, {"clock_set", do_clock_set},
    {"irq_intercept_in", do_intercept}, {"irq_intercept_out", do_intercept},
};

static void run_line(struct sock *s, char *line) {
    struct command c = {.count = 0};
    char *save = NULL;
    for (char *w = strtok_r(line, " \r", &save); w && c.count < WORDS;
         w = strtok_r(NULL, " \r", &save))
        c.words[c.count++] = w;
    if (!c.count)
        return;
    c.name = c.words[0];
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, c.name) == 0) {
            commands[i].run(s, &c);
            return;
        }
    say(s, "FAIL Unknown command '%.128s'", c.name);
}

/* ---- the stream ---- */

static size_t sock_room(void *dev) {
    const struct sock *s = dev;
    return s->started ? ROOM : 0;
}

/* A line without end is not kept: it is refused once, when it grows too long, and skipped. */
static void bound_line(struct sock *s) {
    if (s->in.len <= LINE_BYTES)
        return;
    if (!s->skipping)
        say(s, "FAIL a line has more than %d bytes", LINE_BYTES);
    s->skipping = true;
    s->in.len = 0;
}

static void sock_received(void *dev, const uint8_t *bytes, size_t n) {
    struct sock *s = dev;
    s->busy = true;
    while (n) {
        const uint8_t *end = memchr(bytes, '\n', n);
        size_t len = end ? (size_t)(end - bytes) : n;
        memcpy(buf_grow(&s->in, len + 1), bytes, len);
        s->in.len += len;
        if (end) {
            s->in.bytes[s->in.len] = 0;
            if (!s->skipping)
                run_line(s, s->in.bytes);
            s->skipping = false;
            s->in.len = 0;
            len++;
        }
        bound_line(s);
        bytes += len;
        n -= len;
    }
    s->busy = false;
    flush(s);
}

static void sock_writable(void *dev) {
    flush(dev);
}

static void sock_opened(void *dev, bool open) {
    struct sock *s = dev;
    s->in.len = s->out.len = 0;
    s->skipping = s->intercepted = false;
    if (!open && s->events.closed)
        s->events.closed(s->events.arg);
}

void sock_proto_start(struct sock *s) {
    s->started = true;
    s->chars->user = (struct chars_user){.dev = s, .room = sock_room, .received = sock_received,
                                         .writable = sock_writable, .opened = sock_opened};
    chars_accept(s->chars);
}
