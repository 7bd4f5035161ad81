/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The WebSocket's server side: RFC 6455, with the examples of its sections 1.2, 1.3 and 5.7; SHA-1
 * by the examples of FIPS 180-2, appendix A. Everything is also fed byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "sha1.h"
#include "ws.h"

static struct ws ws;
static uint8_t got[70000];
static size_t got_len;

#define REQUEST(more)                                                                              \
    "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"                     \
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"           \
    "Origin: http://example.com\r\n" more "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

static bool feed_by(const void *bytes, size_t n, size_t step) {
    const uint8_t *p = bytes;
    bool good = true;
    for (size_t at = 0; at < n && good; at += step) {
        uint8_t piece[70000];
        size_t len = MIN(step, n - at), payload = 0;
        memcpy(piece, p + at, len);
        good = ws_input(&ws, piece, len, &payload);
        assert_true(payload <= len && got_len + payload <= sizeof(got));
        memcpy(got + got_len, piece, payload);
        got_len += payload;
    }
    return good;
}

static void forget(void) {
    ws.say_len = ws.said = 0;
    got_len = 0;
}

static void expect_said(const void *bytes, size_t n) {
    assert_int_equal(ws.say_len, n);
    assert_memory_equal(ws.say, bytes, n);
    forget();
}

#define SAID(...)                                                                                  \
    expect_said((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void enter(void) {
    ws_open(&ws);
    assert_true(feed_by(REQUEST(VERSION), strlen(REQUEST(VERSION)), 64));
    forget();
}

static void sha1_examples(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint8_t digest[4]; /* its start */
    } examples[] = {
        {"abc", {0xa9, 0x99, 0x3e, 0x36}},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", {0x84, 0x98, 0x3e, 0x44}},
        {"", {0xda, 0x39, 0xa3, 0xee}},
    };
    for (unsigned i = 0; i < ARRAY_LEN(examples); i++) {
        uint8_t digest[SHA1_LEN];
        sha1(examples[i].text, strlen(examples[i].text), digest);
        assert_memory_equal(digest, examples[i].digest, 4);
    }
}

static void handshake(void **state) {
    (void)state;
    for (size_t step = 1; step < 300; step += step < 8 ? 1 : 71) {
        ws_open(&ws);
        assert_true(feed_by(REQUEST(VERSION), strlen(REQUEST(VERSION)), step));
        assert_true(ws_ready(&ws));
        assert_int_equal(ws.say_len, strlen(answer) + 2);
        assert_memory_equal(ws.say, answer, strlen(answer));
        ws_open(&ws);
        const char *with = REQUEST(VERSION "sec-websocket-protocol: chat, binary\r\n");
        assert_true(feed_by(with, strlen(with), step));
        ws.say[ws.say_len] = '\0';
        assert_non_null(strstr((char *)ws.say, "\r\nSec-WebSocket-Protocol: binary\r\n\r\n"));
    }
}

static void refuses(const char *request, const char *status) {
    ws_open(&ws);
    assert_false(feed_by(request, strlen(request), 1));
    assert_false(ws_ready(&ws));
    assert_memory_equal(ws.say + 9, status, 3);
    assert_int_equal(got_len, 0);
}

static void bad_handshakes(void **state) {
    (void)state;
    refuses("RFB 003.008\n", "400");
    refuses("POST / HTTP/1.1\r\n", "400");
    refuses("GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" VERSION "\r\n", "400");
    refuses("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"); /* a browser that just looks */
    refuses(REQUEST(""), "426");
    refuses(REQUEST("Sec-WebSocket-Version: 8\r\n"), "426");
    refuses(REQUEST(VERSION "Sec-WebSocket-Protocol: base64\r\n"), "400");
    ws_open(&ws);
    assert_true(feed_by("GET / HTTP/1.1\r\nCookie: ", 24, 24));
    bool good = true;
    for (unsigned n = 0; n < WS_REQUEST && good; n++)
        good = feed_by("a", 1, 1);
    assert_false(good);
    assert_memory_equal(ws.say + 9, "431", 3);
    /* long lines of others are passed over */
    ws_open(&ws);
    feed_by("GET / HTTP/1.1\r\nCookie: ", 24, 24);
    for (unsigned n = 0; n < 4000; n++)
        feed_by("a", 1, 1);
    const char *rest = "\r\n" REQUEST(VERSION);
    assert_true(feed_by(rest, strlen(rest), 7));
    assert_true(ws_ready(&ws));
}

static void frames(void **state) {
    (void)state;
    static const uint8_t hello[] = {
        0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    static const uint8_t parts[] = {0x02, 0x83, 1, 2, 3, 4, 'H' ^ 1, 'e' ^ 2, 'l' ^ 3,
                                    0x89, 0x82, 9, 9, 9, 9, 'h' ^ 9, 'i' ^ 9, /* a ping between */
                                    0x00, 0x80, 5, 5, 5, 5,                   /* an empty part */
                                    0x80, 0x82, 0, 0, 0, 0, 'l', 'o'};
    for (size_t step = 1; step <= sizeof(parts); step++) {
        enter();
        assert_true(feed_by(hello, sizeof(hello), step));
        assert_int_equal(got_len, 5);
        assert_memory_equal(got, "Hello", 5);
        got_len = 0;
        assert_true(feed_by(parts, sizeof(parts), step));
        assert_memory_equal(got, "Hello", 5);
        assert_int_equal(got_len, 5);
        SAID(0x8a, 2, 'h', 'i');
    }
}

static void long_frames(void **state) {
    (void)state;
    static uint8_t bytes[66000] = {0x82, 0xfe, 0x01, 0x00, 1, 1, 1, 1};
    enter();
    assert_true(feed_by(bytes, 8 + 256, 8 + 256));
    assert_int_equal(got_len, 256);
    assert_int_equal(got[255], 1);
    static const uint8_t head[] = {0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    got_len = 0;
    memset(bytes, 7, sizeof(bytes));
    assert_true(feed_by(head, sizeof(head), 3));
    assert_true(feed_by(bytes, 65536, 9999));
    assert_int_equal(got_len, 65536);
    assert_int_equal(ws.state, WS_HEADER);
}

#define CLOSES(code, ...)                                                                          \
    do {                                                                                           \
        static const uint8_t frame[] = {__VA_ARGS__};                                              \
        for (size_t step = 1; step <= sizeof(frame); step++) {                                     \
            enter();                                                                               \
            assert_false(feed_by(frame, sizeof(frame), step));                                     \
            assert_false(ws_ready(&ws));                                                           \
            SAID(0x88, 2, (code) >> 8, (code) & 0xff);                                             \
        }                                                                                          \
    } while (0)

static void closes(void **state) {
    (void)state;
    CLOSES(1000, 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8);       /* as it was asked to */
    CLOSES(1002, 0x82, 0x01, 'a');                          /* not masked */
    CLOSES(1002, 0xc2, 0x81, 0, 0, 0, 0, 'a');              /* a reserved bit */
    CLOSES(1003, 0x81, 0x81, 0, 0, 0, 0, 'a');              /* text */
    CLOSES(1002, 0x83, 0x80, 0, 0, 0, 0);                   /* reserved opcodes */
    CLOSES(1002, 0x8b, 0x80, 0, 0, 0, 0);
    CLOSES(1002, 0x80, 0x80, 0, 0, 0, 0);                   /* goes on with nothing */
    CLOSES(1002, 0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0); /* a new one inside */
    CLOSES(1002, 0x09, 0x80, 0, 0, 0, 0);                   /* control frames have no parts */
    CLOSES(1002, 0x89, 0xfe, 0, 126, 0, 0, 0, 0);           /* ... and 125 bytes at most */
    CLOSES(1009, 0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0);
    CLOSES(1009, 0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
    static const uint8_t empty[] = {0x88, 0x80, 1, 2, 3, 4};
    enter();
    assert_false(feed_by(empty, sizeof(empty), 6));
    SAID(0x88, 0);
}

/* Pings without end, none of whose answers is taken. */
static void pings_are_bounded(void **state) {
    (void)state;
    static const uint8_t ping[6 + 125] = {0x89, 0xfd};
    enter();
    for (unsigned i = 0; i < 1000; i++)
        assert_true(feed_by(ping, sizeof(ping), sizeof(ping)));
    assert_true(ws.say_len >= 127 && ws.say_len <= WS_SAY);
    assert_int_equal(ws.say_len % 127, 0);
}

static void outgoing(void **state) {
    (void)state;
    uint8_t head[WS_HEAD];
    assert_int_equal(ws_frame(head, 125), 2);
    assert_int_equal(head[0], 0x82);
    assert_int_equal(head[1], 125);
    assert_int_equal(ws_frame(head, 126), 4);
    assert_memory_equal(head, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(ws_frame(head, 65535), 4);
    assert_int_equal(ws_frame(head, 65536), 10);
    assert_memory_equal(head, "\x82\x7f\0\0\0\0\0\1\0\0", 10);
}

#define T(f) cmocka_unit_test(f)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(sha1_examples), T(handshake), T(bad_handshakes), T(frames), T(long_frames), T(closes),
        T(pings_are_bounded), T(outgoing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
