/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connection, handshake (no security, 3.8) and messages. See rfb.h.
 */
#include "rfb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, LARGEST = 64 << 20, ROOM = 256 << 10 };

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("error ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- bytes ---- */

static unsigned be16(const uint8_t *p) {
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void receive(struct rfb *rfb) {
    struct pollfd p = {rfb->fd, POLLIN, 0};
    if (poll(&p, 1, PATIENCE_MS) <= 0)
        die("the server is silent in the middle of a message");
    ssize_t n = recv(rfb->fd, rfb->in + rfb->in_end, rfb->in_room - rfb->in_end, 0);
    if (n <= 0)
        die("the server has hung up");
    rfb->in_end += (size_t)n;
}

const uint8_t *rfb_take(struct rfb *rfb, size_t n) {
    if (n > LARGEST)
        die("a message of %zu bytes", n);
    if (rfb->in_room - rfb->in_at < n) {
        memmove(rfb->in, rfb->in + rfb->in_at, rfb->in_end - rfb->in_at);
        rfb->in_end -= rfb->in_at;
        rfb->in_at = 0;
        if (rfb->in_room < n && !(rfb->in = realloc(rfb->in, rfb->in_room = n)))
            die("no memory");
    }
    while (rfb->in_end - rfb->in_at < n)
        receive(rfb);
    const uint8_t *bytes = rfb->in + rfb->in_at;
    rfb->in_at += n;
    rfb->counts.bytes += n;
    if (rfb->in_at == rfb->in_end)
        rfb->in_at = rfb->in_end = 0;
    return bytes;
}

static void send_bytes(struct rfb *rfb, const void *bytes, size_t n) {
    if (send(rfb->fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
        die("the server takes nothing");
}

/* ---- the beginning ---- */

static int connect_unix(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&at, sizeof(at)) ? -1 : fd;
}

static int connect_tcp(const char *place) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(place, ':');
    snprintf(host, sizeof(host), "%.*s", (int)(colon - place), place);
    at.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &at.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return connect(fd, (struct sockaddr *)&at, sizeof(at)) ? -1 : fd;
}

static void open_socket(struct rfb *rfb, const char *place) {
    bool path = strchr(place, '/'), tcp = strchr(place, ':');
    if (!path && !tcp)
        die("%s is neither HOST:PORT nor a path", place);
    rfb->fd = path ? connect_unix(place) : connect_tcp(place);
    if (rfb->fd < 0)
        die("%s: %s", place, strerror(errno));
}

static void set_size(struct rfb *rfb, unsigned w, unsigned h) {
    rfb->width = w;
    rfb->height = h;
    free(rfb->pixels);
    rfb->pixels = calloc((size_t)w * h + 1, sizeof(*rfb->pixels));
    if (!rfb->pixels)
        die("no memory for %u x %u", w, h);
}

static void set_format(struct rfb *rfb) {
    static const uint8_t formats[][20] = {
        [PIXELS_OWN] = {0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0},
        [PIXELS_BGR] = {0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16},
        [PIXELS_16] = {0, 0, 0, 0, 16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0},
    };
    send_bytes(rfb, formats[rfb->format], sizeof(formats[0]));
}

static void set_encodings(struct rfb *rfb, const int32_t *encodings, unsigned n) {
    uint8_t m[4 + 4 * 32] = {2, 0, 0, (uint8_t)n};
    for (unsigned i = 0; i < n; i++)
        for (unsigned b = 0; b < 4; b++)
            m[4 + 4 * i + b] = (uint8_t)((uint32_t)encodings[i] >> (24 - 8 * b));
    send_bytes(rfb, m, 4 + 4 * n);
}

void rfb_connect(struct rfb *rfb, const char *place, const int32_t *encodings, unsigned n) {
    rfb->in_room = ROOM;
    rfb->in = malloc(ROOM);
    open_socket(rfb, place);
    if (memcmp(rfb_take(rfb, 12), "RFB 003.", 8))
        die("no RFB server");
    send_bytes(rfb, "RFB 003.008\n", 12);
    unsigned kinds = *rfb_take(rfb, 1);
    if (!memchr(rfb_take(rfb, kinds), 1, kinds))
        die("the server wants a password");
    send_bytes(rfb, "\1", 1);
    if (be32(rfb_take(rfb, 4)))
        die("not let in");
    send_bytes(rfb, "\1", 1); /* shared */
    const uint8_t *init = rfb_take(rfb, 24);
    set_size(rfb, be16(init), be16(init + 2));
    rfb_take(rfb, be32(init + 20));
    set_format(rfb);
    set_encodings(rfb, encodings, n);
    rfb_ask(rfb, false);
}

/* ---- messages ---- */

void rfb_ask(struct rfb *rfb, bool incremental) {
    uint8_t m[10] = {3, incremental, 0, 0, 0, 0, (uint8_t)(rfb->width >> 8), (uint8_t)rfb->width,
                     (uint8_t)(rfb->height >> 8), (uint8_t)rfb->height};
    send_bytes(rfb, m, sizeof(m));
    rfb->asked = true;
}

void rfb_key(struct rfb *rfb, uint32_t k, bool down) {
    uint8_t m[8] = {4, down, 0, 0, (uint8_t)(k >> 24), (uint8_t)(k >> 16), (uint8_t)(k >> 8),
                    (uint8_t)k};
    send_bytes(rfb, m, sizeof(m));
}

void rfb_pointer(struct rfb *rfb, unsigned x, unsigned y, unsigned buttons) {
    uint8_t m[6] = {5, (uint8_t)buttons, (uint8_t)(x >> 8), (uint8_t)x, (uint8_t)(y >> 8),
                    (uint8_t)y};
    send_bytes(rfb, m, sizeof(m));
}

static void take_rect(struct rfb *rfb) {
    const uint8_t *head = rfb_take(rfb, 12);
    unsigned x = be16(head), y = be16(head + 2), w = be16(head + 4), h = be16(head + 6);
    int32_t encoding = (int32_t)be32(head + 8);
    if (encoding == DESKTOP_SIZE || encoding == EXTENDED_DESKTOP_SIZE) {
        if (encoding == EXTENDED_DESKTOP_SIZE) {
            unsigned screens = *rfb_take(rfb, 4);
            rfb_take(rfb, 16 * screens);
        }
        if (w != rfb->width || h != rfb->height)
            set_size(rfb, w, h);
        return;
    }
    if (x + w > rfb->width || y + h > rfb->height)
        die("a rectangle of %u x %u at %u, %u on a screen of %u x %u", w, h, x, y, rfb->width,
            rfb->height);
    rfb->counts.rects++;
    rfb->counts.pixels += (uint64_t)w * h;
    rfb_decode(rfb, x, y, w, h, encoding);
}

static void take_message(struct rfb *rfb) {
    unsigned n;
    switch (*rfb_take(rfb, 1)) {
    case 0:
        n = be16(rfb_take(rfb, 3) + 1);
        for (unsigned i = 0; i < n; i++)
            take_rect(rfb);
        rfb->counts.updates++;
        rfb->asked = false;
        break;
    case 1:
        rfb_take(rfb, 6 * be16(rfb_take(rfb, 5) + 3));
        break;
    case 2: /* bell */
        break;
    case 3:
        rfb_take(rfb, be32(rfb_take(rfb, 7) + 3));
        break;
    default:
        die("an unknown message");
    }
}

bool rfb_wait(struct rfb *rfb, uint64_t until) {
    uint64_t before = rfb->counts.pixels;
    while (rfb->counts.pixels == before) {
        struct pollfd p = {rfb->fd, POLLIN, 0};
        uint64_t now = now_ns();
        if (!rfb->asked)
            rfb_ask(rfb, true);
        if (rfb->in_at == rfb->in_end) {
            int ms = now < until ? (int)((until - now + 999999) / 1000000) : 0;
            if (poll(&p, 1, ms) <= 0)
                return false;
        }
        take_message(rfb);
    }
    return true;
}

void rfb_settle(struct rfb *rfb) {
    uint64_t before;
    rfb_ask(rfb, false);
    do {
        before = rfb->counts.pixels;
        take_message(rfb);
    } while (rfb->counts.pixels - before < (uint64_t)rfb->width * rfb->height);
}
