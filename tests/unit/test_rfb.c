/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RFB protocol byte by byte: RFC 6143 and the community's rfbproto.rst; DES by FIPS 46-3's
 * users: NIST SP 800-17, table A.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/input-event-codes.h>

#include "core/bits.h"
#include "core/input.h"
#include "des.h"
#include "keymap.h"
#include "keysym.h"
#include "rfb.h"

enum { WIDTH = 100, HEIGHT = 40 };

static char seen[1024];
static bool absolute;
static int lit;
static uint32_t pixels[200 * 200];
static struct rfb_screen screen;
static struct rfb rfb;
static enum rfb_access_kind access_kind;

static void say(const char *text) {
    strncat(seen, text, sizeof(seen) - strlen(seen) - 1);
}

static void on_key(void *arg, unsigned code, bool down) {
    char text[32];
    (void)arg;
    snprintf(text, sizeof(text), "k%u%c ", code, down ? '+' : '-');
    say(text);
}

static void on_button(void *arg, unsigned code, bool down) {
    char text[32];
    (void)arg;
    snprintf(text, sizeof(text), "b%x%c ", code, down ? '+' : '-');
    say(text);
}

static void on_move(void *arg, bool is_absolute, int x, int y) {
    char text[32];
    (void)arg;
    snprintf(text, sizeof(text), "%s%d,%d ", is_absolute ? "at" : "by", x, y);
    say(text);
}

static void on_wheel(void *arg, int by) {
    char text[32];
    (void)arg;
    snprintf(text, sizeof(text), "w%d ", by);
    say(text);
}

static void on_done(void *arg) {
    (void)arg;
    say(". ");
}

static bool is_absolute(void *arg) {
    (void)arg;
    return absolute;
}

static int led_lights(void *arg) {
    (void)arg;
    return lit;
}

static void on_arrival(void *arg, struct rfb *who, bool shared) {
    (void)arg;
    (void)who;
    say(shared ? "shared " : "alone ");
}

static struct rfb_user user = {on_key, on_button, on_move, on_wheel, on_done, is_absolute,
                               led_lights, on_arrival, NULL, NULL};

static bool feed(const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    bool good = true;
    for (size_t i = 0; i < n; i++) /* any split has to do */
        good = rfb_input(&rfb, p + i, 1);
    return good;
}

#define FEED(...) feed((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void expect_out(const void *bytes, size_t n) {
    assert_true(rfb.out.len >= n);
    assert_memory_equal(rfb.out.bytes, bytes, n);
    memmove(rfb.out.bytes, rfb.out.bytes + n, rfb.out.len - n);
    rfb.out.len -= n;
}

#define EXPECT(...)                                                                                \
    expect_out((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void open_with(const char *password) {
    static const uint8_t challenge[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    memset(pixels, 0, sizeof(pixels));
    seen[0] = '\0';
    absolute = true;
    lit = -1;
    screen = (struct rfb_screen){"guest", WIDTH, HEIGHT, pixels, NULL};
    struct rfb_access access = {.kind = access_kind, .password = password};
    rfb_open(&rfb, &user, &screen, &access, challenge);
    expect_out("RFB 003.008\n", 12);
}

static void enter(void) {
    open_with(NULL);
    assert_true(feed("RFB 003.008\n", 12));
    EXPECT(1, 1);
    assert_true(FEED(1));
    EXPECT(0, 0, 0, 0);
    assert_true(FEED(1));
    EXPECT(0, WIDTH, 0, HEIGHT, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0,
           5, 'g', 'u', 'e', 's', 't');
    assert_string_equal(seen, "shared ");
    assert_int_equal(rfb.out.len, 0);
    seen[0] = '\0';
}

static int leave(void **state) {
    (void)state;
    rfb_close(&rfb);
    access_kind = RFB_PLAIN;
    return 0;
}

static void des_vectors(void **state) {
    (void)state;
    /* plaintext bit n set, key all parity: the first, second and last of the table */
    static const struct {
        uint8_t in[8], out[8];
    } vectors[] = {
        {{0x80}, {0x95, 0xf8, 0xa5, 0xe5, 0xdd, 0x31, 0xd9, 0x00}},
        {{0x40}, {0xdd, 0x7f, 0x12, 0x1c, 0xa5, 0x01, 0x56, 0x19}},
        {{0, 0, 0, 0, 0, 0, 0, 1}, {0x16, 0x6b, 0x40, 0xb4, 0x4a, 0xba, 0x4b, 0xd6}},
    };
    static const uint8_t key[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t out[8];
        des_encrypt(key, vectors[i].in, out);
        assert_memory_equal(out, vectors[i].out, 8);
    }
}

static void older_versions(void **state) {
    (void)state;
    open_with(NULL);
    assert_true(feed("RFB 003.003\n", 12));
    EXPECT(0, 0, 0, 1);
    assert_true(FEED(0));
    assert_string_equal(seen, "alone ");
    rfb_close(&rfb);
    open_with(NULL);
    assert_true(feed("RFB 003.007\n", 12));
    EXPECT(1, 1);
    assert_true(FEED(1)); /* no result in 3.7 */
    assert_int_equal(rfb.out.len, 0);
    rfb_close(&rfb);
    open_with(NULL);
    assert_false(feed("GET / HTTP/1.", 12));
}

static void passwords(void **state) {
    (void)state;
    open_with("sesame");
    feed("RFB 003.008\n", 12);
    EXPECT(1, 2);
    assert_false(FEED(1)); /* None is not on offer */
    rfb_close(&rfb);
    /* bytes of the key are turned end for end */
    uint8_t key[8] = {0}, response[16];
    for (unsigned i = 0; i < 6; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            if ((uint8_t)"sesame"[i] & 1u << bit)
                key[i] |= (uint8_t)(0x80 >> bit);
    for (unsigned good = 0; good < 2; good++) {
        open_with("sesame");
        feed("RFB 003.008\n", 12);
        EXPECT(1, 2);
        assert_true(FEED(2));
        EXPECT(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        des_encrypt(key, rfb.challenge, response);
        des_encrypt(key, rfb.challenge + 8, response + 8);
        response[0] ^= !good;
        assert_int_equal(feed(response, 16), good);
        EXPECT(0, 0, 0, !good);
        rfb_close(&rfb);
    }
    open_with(""); /* wanted, but not set: nobody */
    assert_false(feed("RFB 003.008\n", 12));
    EXPECT(0);
}

/* rfbproto.rst, VeNCrypt 0.2 */
static void vencrypt(void **state) {
    (void)state;
    access_kind = RFB_TLS_X509;
    open_with("sesame");
    feed("RFB 003.008\n", 12);
    EXPECT(1, 19);
    assert_true(FEED(19));
    EXPECT(0, 2);
    assert_true(FEED(0, 2));
    EXPECT(0, 1, 0, 0, 1, 5); /* one sub-type: X509Vnc */
    assert_true(FEED(0, 0, 1, 5));
    EXPECT(1);
    assert_int_equal(rfb.state, RFB_START_TLS);
    rfb_secured(&rfb);
    EXPECT(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    rfb_close(&rfb);
    access_kind = RFB_TLS_ANON;
    open_with(NULL);
    feed("RFB 003.008\n", 12);
    EXPECT(1, 19);
    assert_true(FEED(19, 0, 2));
    EXPECT(0, 2, 0, 1, 0, 0, 1, 1); /* TLSNone */
    assert_true(FEED(0, 0, 1, 1));
    EXPECT(1);
    rfb_secured(&rfb);
    EXPECT(0, 0, 0, 0);
    assert_int_equal(rfb.state, RFB_CLIENT_INIT);
    rfb_close(&rfb);
}

static void vencrypt_refusals(void **state) {
    (void)state;
    access_kind = RFB_TLS_X509;
    open_with(NULL);
    feed("RFB 003.008\n", 12);
    assert_false(FEED(1)); /* without TLS */
    rfb_close(&rfb);
    open_with(NULL);
    feed("RFB 003.008\n\23", 13);
    EXPECT(1, 19, 0, 2);
    assert_false(FEED(0, 1)); /* version 0.1 */
    EXPECT(1);
    rfb_close(&rfb);
    open_with(NULL);
    feed("RFB 003.008\n\23\0\2", 15);
    EXPECT(1, 19, 0, 2, 0, 1, 0, 0, 1, 4);
    assert_false(FEED(0, 0, 1, 5)); /* another sub-type */
    EXPECT(0);
    rfb_close(&rfb);
    open_with(NULL);
    feed("RFB 003.008\n\23\0\2\0\0\1\4", 19);
    assert_false(FEED(22)); /* what somebody slipped in before TLS */
    rfb_close(&rfb);
    open_with(NULL);
    assert_false(feed("RFB 003.003\n", 12)); /* 3.3 has no choice to offer */
    EXPECT(0, 0, 0, 0);
    rfb_close(&rfb);
    access_kind = RFB_PLAIN;
}

static void keys_and_releases(void **state) {
    (void)state;
    enter();
    FEED(4, 1, 0, 0, 0, 0, 0, 'A');
    FEED(4, 1, 0, 0, 0, 0, 0xff, 0xe1);
    FEED(4, 0, 0, 0, 0, 0, 0, 'a');
    FEED(4, 1, 0, 0, 0, 0x10, 0x20, 0x30); /* nothing */
    FEED(255, 0, 0, 1, 0, 0, 0, 'y', 0, 0, 0, 0x2c);  /* the key left of X, on any layout */
    FEED(255, 0, 0, 1, 0, 0, 0xff, 0x53, 0, 0, 0, 0xcd);
    FEED(5, 1, 0, 0, 0, 0);
    assert_string_equal(seen, "k30+ . k42+ . k30- . . k44+ . k106+ . at0,0 b110+ . ");
    seen[0] = '\0';
    rfb_close(&rfb);
    assert_string_equal(seen, "b110- k42- k44- k106- . ");
}

static void keysym(uint32_t sym, bool down) {
    FEED(4, down, 0, 0, (uint8_t)(sym >> 24), (uint8_t)(sym >> 16), (uint8_t)(sym >> 8),
         (uint8_t)sym);
}

static void type(uint32_t sym) {
    keysym(sym, true);
    keysym(sym, false);
}

#define TYPES(sym, text)                                                                           \
    do {                                                                                           \
        seen[0] = '\0';                                                                            \
        type(sym);                                                                                 \
        assert_string_equal(seen, text);                                                           \
    } while (0)

/* ISO 9995 layouts as keyboards of these countries are printed */
static void layouts(void **state) {
    (void)state;
    user.keymap = keymap_find("de");
    enter();
    TYPES('z', "k21+ . k21- . ");
    TYPES(0xe4, "k40+ . k40- . "); /* a with diaeresis */
    TYPES(0xfe52, "k41+ . k41- . "); /* dead circumflex */
    keysym(0xfe03, true);
    TYPES('@', "k16+ . k16- . "); /* AltGr and Q */
    TYPES(0x20ac, "k18+ . k18- . ");
    keysym(0xfe03, false);
    rfb_close(&rfb);
    user.keymap = keymap_find("pl");
    enter();
    keysym(0xfe03, true);
    TYPES(0x1b1, "k30+ . k30- . ");     /* a with ogonek, X's own number */
    TYPES(0x1000142, "k38+ . k38- . "); /* l with stroke, by Unicode's */
    rfb_close(&rfb);
    user.keymap = keymap_find("fr");
    enter();
    TYPES('a', "k16+ . k16- . ");
    TYPES('m', "k39+ . k39- . ");
    rfb_close(&rfb);
    user.keymap = keymap_find("ru");
    enter();
    TYPES('.', "k52+ . k52- . ");   /* Latin is typed */
    TYPES(0x6ca, "k16+ . k16- . "); /* short i */
    TYPES(0x6c0, "k52+ . k52- . "); /* yu */
    TYPES('.', "k53+ . k53- . ");   /* Cyrillic is */
    TYPES('a', "k30+ . k30- . ");
    TYPES('.', "k52+ . k52- . ");
    user.keymap = NULL;
}

/* A viewer of one layout at a guest of another. */
static void other_levels(void **state) {
    (void)state;
    user.keymap = keymap_find("de");
    enter();
    keysym(0xffe1, true); /* shift and 2 on a US keyboard */
    TYPES('@', "k42- k100+ k16+ k42+ k100- . k16- . ");
    TYPES('"', "k3+ . k3- . ");
    TYPES('A', "k30+ . k30- . ");
    keysym(0xffe1, false);
    TYPES('A', "k30+ . k30- . "); /* with caps lock */
    TYPES('?', "k42+ k12+ k42- . k12- . ");
    keysym(0xffe3, true);
    TYPES('?', "k12+ . k12- . "); /* a shortcut */
    keysym(0xffe3, false);
    keysym(0xfe03, true);
    TYPES('#', "k100- k43+ k100+ . k43- . ");
    keysym(0xfe03, false);
    /* shift changes while a key is down: what was pressed is lifted */
    seen[0] = '\0';
    keysym('7', true);
    keysym(0xffe1, true);
    keysym('7', false);
    keysym(0xffe1, false);
    assert_string_equal(seen, "k8+ . k42+ . k8- . k42- . ");
    for (unsigned i = 0; i < 40; i++) /* more than anybody has fingers */
        keysym(0x20 + i, true);
    for (unsigned i = 0; i < 40; i++)
        keysym(0x20 + i, false);
    for (unsigned code = 0; code < RFB_KEYS * 4; code++)
        assert_false(bitmap_get(rfb.keys, code));
    user.keymap = NULL;
}

/* No layout has a key that makes nothing, and each finds what it says. */
static void all_layouts(void **state) {
    (void)state;
    static const char *const names[] = {"en-us", "de", "de-ch", "fr", "fr-be", "fr-ch", "en-gb",
                                        "es", "it", "ja", "pl", "pt", "pt-br", "ru", "sv", "fi",
                                        "no", "da", "cz", "hu", "tr"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        const struct keymap *map = keymap_find(names[i]);
        bool second = false;
        assert_non_null(map);
        for (uint32_t c = ' '; c <= '~'; c++) {
            struct keymap_key key = keymap_key(map, c, &second);
            assert_true(key.code && key.code < 0x80 + 64 && key.level <= 3);
            for (uint32_t other = ' '; other < c; other++) { /* one place, one character */
                struct keymap_key there = keymap_key(map, other, &second);
                bool accents = strchr("`^~'\"\\", (int)c) || strchr("`^~'\"\\", (int)other);
                if (there.code == key.code && there.level == key.level && !accents)
                    fail_msg("%s: '%c' and '%c' are the same key", names[i], (int)c, (int)other);
            }
        }
    }
    assert_null(keymap_find("xx"));
}

static void pointers(void **state) {
    (void)state;
    enter();
    FEED(5, 5, 0, 7, 0, 9);
    FEED(5, 0x10, 0, 7, 0, 9);
    FEED(5, 0x08, 0, 7, 0, 9);
    assert_string_equal(seen, "at7,9 b110+ b111+ . at7,9 b110- b111- w-1 . at7,9 w1 . ");
    absolute = false;
    seen[0] = '\0';
    FEED(5, 0, 0, 10, 0, 8);
    assert_string_equal(seen, "by3,-1 . ");
    /* a viewer that can is told to send motion */
    FEED(2, 0, 0, 1, 0xff, 0xff, 0xfe, 0xff);
    FEED(3, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 2, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT, 0xff, 0xff, 0xfe, 0xff);
    seen[0] = '\0';
    FEED(5, 0, 0x80, 0x04, 0x7f, 0xfd);
    assert_string_equal(seen, "by5,-2 . ");
}

static void raw_updates_by_tiles(void **state) {
    (void)state;
    enter();
    FEED(3, 0, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    assert_true(rfb_has_news(&rfb));
    pixels[0] = 0x00112233;
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT, 0, 0, 0, 0, 0x33, 0x22, 0x11, 0);
    assert_int_equal(rfb.out.len, WIDTH * HEIGHT * 4 - 4);
    rfb.out.len = 0;
    assert_false(rfb_has_news(&rfb));
    rfb_changed(&rfb, 0, 0); /* nobody waits */
    rfb_update(&rfb);
    assert_int_equal(rfb.out.len, 0);
    assert_true(rfb_has_news(&rfb)); /* so who asks late need not wait for a look */
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_changed(&rfb, 0, 1);
    rfb_changed(&rfb, 1, 2); /* cut at the right and the bottom: 36 x 8 */
    rfb_changed(&rfb, 9, 9);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 2, 0, 0, 0, 0, 0, 64, 0, 32, 0, 0, 0, 0);
    assert_int_equal(rfb.out.len, 64 * 32 * 4 + 12 + 36 * 8 * 4);
    rfb.out.len = 0;
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_update(&rfb); /* nothing changed: it goes on waiting */
    assert_int_equal(rfb.out.len, 0);
    rfb_changed(&rfb, 1, 0);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 64, 0, 0, 0, 36, 0, 16);
}

/* Line y of a picture in which no two are alike. */
static void number_lines(uint32_t *to, unsigned width, unsigned lines, unsigned first) {
    for (unsigned y = 0; y < lines; y++)
        for (unsigned x = 0; x < width; x++)
            to[y * width + x] = x % 7 ? 0 : first + y;
}

static void scrolls_are_found(void **state) {
    enum { W = 50, H = 200 };
    static uint32_t was[W * H], now[W * H];
    struct rfb_scroll s;
    (void)state;
    number_lines(was, W, H, 1000);
    number_lines(now, W, H, 1016); /* up by 16 */
    assert_true(rfb_find_scroll(was, W, now, W, W, 0, H, &s));
    assert_int_equal(s.to, 0);
    assert_int_equal(s.from, 16);
    assert_int_equal(s.rows, H - 16);
    number_lines(now, W, H, 990); /* down by 10 */
    assert_true(rfb_find_scroll(was, W, now, W, W, 0, H, &s));
    assert_int_equal(s.to, 10);
    assert_int_equal(s.from, 0);
    assert_int_equal(s.rows, H - 10);
    now[60 * W + W - 1] = 5; /* the last pixel of a line: only those below are the same */
    assert_true(rfb_find_scroll(was, W, now, W, W, 0, H, &s));
    assert_int_equal(s.to, 61);
    assert_int_equal(s.from, 51);
    assert_int_equal(s.rows, H - 61);
    assert_true(rfb_find_scroll(was, W, now, W, W, 20, 180, &s)); /* inside these alone */
    assert_int_equal(s.to, 61);
    assert_int_equal(s.rows, 180 - 61);
    now[120 * W] = 5; /* less than half of the lines go together */
    s = (struct rfb_scroll){0};
    assert_false(rfb_find_scroll(was, W, now, W, W, 0, H, &s));
    assert_int_equal(s.rows, 0);
    memcpy(now, was, sizeof(now)); /* nothing moved */
    assert_false(rfb_find_scroll(was, W, now, W, W, 0, H, &s));
    number_lines(now, W, H, 5000); /* everything is new */
    assert_false(rfb_find_scroll(was, W, now, W, W, 0, H, &s));
    memset(was, 0, sizeof(was)); /* one colour is everywhere */
    memset(now, 0, sizeof(now));
    assert_false(rfb_find_scroll(was, W, now, W, W, 0, H, &s));
}

/* Lines [0, 24) come from 16 on. RFC 6143, 7.7.2: the source's place is all there is. */
static void scrolls_are_copies(void **state) {
    static const struct rfb_scroll s = {.to = 0, .from = 16, .rows = 24};
    (void)state;
    enter();
    FEED(2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1);
    FEED(3, 0, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_update(&rfb);
    rfb.out.len = 0;
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_scrolled(&rfb, &s);
    rfb_changed(&rfb, 0, 2);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 2, 0, 0, 0, 0, 0, WIDTH, 0, 24, 0, 0, 0, 1, 0, 0, 0, 16);
    EXPECT(0, 0, 0, 32, 0, 64, 0, 8, 0, 0, 0, 0);
    rfb.out.len = 0;
    /* something is still to be sent of what would be copied: those lines are sent whole */
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_changed(&rfb, 1, 2);
    rfb_scrolled(&rfb, &s);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 2, 0, 0, 0, 0, 0, WIDTH, 0, 32, 0, 0, 0, 0);
    rfb.out.len = 0;
    rfb_scrolled(&rfb, &s); /* nobody waits */
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, WIDTH, 0, 32, 0, 0, 0, 0);
    rfb.out.len = 0;
    FEED(2, 0, 0, 1, 0, 0, 0, 0); /* a viewer that can't */
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_scrolled(&rfb, &s);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, WIDTH, 0, 32, 0, 0, 0, 0);
}

static void pixel_formats(void **state) {
    (void)state;
    enter();
    screen.width = screen.height = 1;
    rfb_resized(&rfb);
    rfb.told_w = rfb.told_h = 1;
    pixels[0] = 0xff8040;
    /* 16 bits, 5-6-5, big-endian */
    FEED(0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0);
    FEED(3, 0, 0, 0, 0, 0, 0, 1, 0, 1);
    rfb_update(&rfb);
    /* 31, 128 * 63 / 255 = 31.6, 64 * 31 / 255 = 7.8 */
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 31 << 3 | 32 >> 3, (32 & 7) << 5 | 8);
    /* a colour map: 3-3-2 */
    FEED(0, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    EXPECT(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x24, 0x92, 0, 0, 0, 0);
    rfb.out.len = 0;
    FEED(3, 0, 0, 0, 0, 0, 0, 1, 0, 1);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 7 | 4 << 3 | 1 << 6);
    assert_false(FEED(0, 0, 0, 0, 24, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0));
}

/* Colours of a byte each, in any order: four pixels at a time, and the one behind. */
static void colours_of_bytes(void **state) {
    static const struct {
        uint8_t big_endian, shift[3], sent[4]; /* of aa, bb, cc */
    } formats[] = {
        {0, {0, 8, 16}, {0xaa, 0xbb, 0xcc, 0}}, /* noVNC */
        {1, {16, 8, 0}, {0, 0xaa, 0xbb, 0xcc}},
        {0, {24, 16, 8}, {0, 0xcc, 0xbb, 0xaa}},
        {1, {0, 8, 16}, {0, 0xcc, 0xbb, 0xaa}},
        {0, {8, 0, 16}, {0xbb, 0xaa, 0xcc, 0}},
    };
    (void)state;
    enter();
    screen.width = 5;
    screen.height = 1;
    rfb_resized(&rfb);
    rfb.told_w = 5;
    rfb.told_h = 1;
    for (unsigned i = 0; i < 5; i++)
        pixels[i] = 0xddaabbcc; /* the highest byte may be anything */
    for (unsigned f = 0; f < ARRAY_LEN(formats); f++) {
        const uint8_t *s = formats[f].shift;
        FEED(0, 0, 0, 0, 32, 24, formats[f].big_endian, 1, 0, 255, 0, 255, 0, 255, s[0], s[1], s[2],
             0, 0, 0);
        FEED(3, 0, 0, 0, 0, 0, 0, 5, 0, 1);
        rfb_update(&rfb);
        EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0);
        for (unsigned i = 0; i < 5; i++)
            expect_out(formats[f].sent, 4);
        assert_int_equal(rfb.out.len, 0);
    }
}

static void hextile_tiles(void **state) {
    (void)state;
    enter();
    screen.width = 17;
    screen.height = 2;
    rfb_resized(&rfb);
    rfb.told_w = 17;
    pixels[17 + 3] = pixels[17 + 4] = 0x0000ff;
    pixels[16] = 0x00ff00;
    FEED(2, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0);
    FEED(3, 0, 0, 0, 0, 0, 0, 17, 0, 2);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 17, 0, 2, 0, 0, 0, 5,
           0x0e, 0, 0, 0, 0, 0xff, 0, 0, 0, 1, 0x31, 0x10, /* one run: x 3, y 1, 2 wide */
           0x0e, 0, 0xff, 0, 0, 0, 0, 0, 0, 1, 0x01, 0x00);
    assert_int_equal(rfb.out.len, 0);
}

/* Any text of two colours, dense or not, comes as it is; one with a third colour anywhere as
 * pixels. */
static void hextile_of_two_colours(void **state) {
    enum { N = 256 };
    (void)state;
    enter();
    screen.width = screen.height = 16;
    rfb_resized(&rfb);
    rfb.told_w = rfb.told_h = 16;
    FEED(2, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0);
    uint32_t random = 1;
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < N; i++) {
            random = random * 1664525 + 1013904223;
            pixels[i] = random >> 28 <= round % 15 ? 0x102030 : 0x0000ff;
        }
        pixels[random >> 24] ^= 0x1020cf; /* at least one of each */
        bool third = round % 4 == 3;
        if (third)
            pixels[round] = 0xff0000;
        FEED(3, 0, 0, 0, 0, 0, 0, 16, 0, 16);
        rfb_update(&rfb);
        EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 16, 0, 16, 0, 0, 0, 5);
        const uint8_t *p = rfb.out.bytes;
        uint32_t got[N];
        if (third) {
            EXPECT(1);
            memcpy(got, p, sizeof(got));
        } else {
            assert_int_equal(p[0], 0x0e);
            for (unsigned i = 0; i < N; i++)
                got[i] = load_le32(p + 1);
            for (unsigned i = 0; i < p[9]; i++) {
                const uint8_t *run = p + 10 + 2 * i;
                for (unsigned x = run[0] >> 4; x <= (run[0] >> 4) + (run[1] >> 4); x++)
                    got[(run[0] & 15) * 16 + x] = load_le32(p + 5);
            }
        }
        assert_memory_equal(got, pixels, sizeof(got));
        rfb.out.len = 0;
    }
}

/* Tight sends a bit for each pixel of two colours, lines padded to bytes; with a third anywhere it
 * says so. Less than 12 bytes are not compressed. */
static void tight_of_two_colours(void **state) {
    enum { W = 13, H = 5 };
    (void)state;
    enter();
    screen.width = W;
    screen.height = H;
    rfb_resized(&rfb);
    rfb.told_w = W;
    rfb.told_h = H;
    FEED(2, 0, 0, 1, 0, 0, 0, 7);
    uint32_t random = 1;
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < W * H; i++) {
            random = random * 1664525 + 1013904223;
            pixels[i] = random >> 28 <= round % 15 ? 0x102030 : 0x0000ff;
        }
        pixels[random >> 26] ^= 0x1020cf; /* at least one of each */
        bool third = round % 4 == 3;
        if (third)
            pixels[round % (W * H)] = 0xff0000;
        FEED(3, 0, 0, 0, 0, 0, 0, W, 0, H);
        rfb_update(&rfb);
        EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, W, 0, H, 0, 0, 0, 7, 0x40, 1);
        const uint8_t *p = rfb.out.bytes;
        assert_int_equal(p[0], third ? 2 : 1);
        for (unsigned i = 0; i < W * H && !third; i++) {
            bool second = p[7 + i / W * 2 + i % W / 8] & 0x80 >> i % W % 8;
            const uint8_t *colour = p + 1 + 3 * second;
            assert_int_equal(colour[0] << 16 | colour[1] << 8 | colour[2], pixels[i]);
        }
        assert_true(third || rfb.out.len == 7 + 2 * H);
        rfb.out.len = 0;
    }
}

static void sizes(void **state) {
    (void)state;
    enter();
    screen.width = 120;
    rfb_resized(&rfb);
    /* a viewer that can't change sees the corner that it has room for */
    FEED(3, 0, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb.out.len = 0;
    FEED(2, 0, 0, 1, 0xff, 0xff, 0xff, 0x21);
    screen.width = 130;
    rfb_resized(&rfb);
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 2, 0, 0, 0, 0, 0, 130, 0, HEIGHT, 0xff, 0xff, 0xff, 0x21, 0, 0, 0, 0, 0, 130);
    rfb.out.len = 0;
    FEED(2, 0, 0, 1, 0xff, 0xff, 0xfe, 0xcc);
    FEED(3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT);
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 130, 0, HEIGHT, 0xff, 0xff, 0xfe, 0xcc, 1, 0, 0, 0, 0, 0, 0,
           1, 0, 0, 0, 0, 0, 130, 0, HEIGHT, 0, 0, 0, 0);
    /* it asks for another: not its business */
    FEED(251, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0);
    EXPECT(0, 0, 0, 1, 0, 1, 0, 1, 0, 130, 0, HEIGHT, 0xff, 0xff, 0xfe, 0xcc);
    rfb.out.len = 0;
    assert_true(FEED(4, 1, 0, 0, 0, 0, 0, 'a'));
    assert_string_equal(seen, "k30+ . ");
}

/* rfbproto.rst, QEMU LED State: scroll, num and caps lock are bits 0 to 2. */
static void lights_of_the_keyboard(void **state) {
    (void)state;
    enter();
    FEED(2, 0, 0, 1, 0xff, 0xff, 0xfe, 0xfb);
    FEED(3, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    rfb.tiles[0] = 0;
    lit = INPUT_LED_CAPS;
    assert_true(rfb_has_news(&rfb));
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0xff, 0xff, 0xfe, 0xfb, 4);
    assert_int_equal(rfb.out.len, 0);
    FEED(3, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    rfb_update(&rfb);
    assert_int_equal(rfb.out.len, 0); /* nothing new */
    lit = INPUT_LED_NUM;
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0xff, 0xff, 0xfe, 0xfb, 2);
}

/* What arrives in the guest is what was typed, whichever of the two has Caps Lock on. */
static void caps_lock_differs(void **state) {
    (void)state;
    enter();
    lit = 0;
    TYPES('a', "k30+ . k30- . ");
    TYPES('A', "k42+ k30+ k42- . k30- . "); /* the viewer's is on */
    TYPES('1', "k2+ . k2- . ");
    lit = INPUT_LED_CAPS;
    TYPES('A', "k30+ . k30- . ");
    TYPES('a', "k42+ k30+ k42- . k30- . ");
    keysym(0xffe1, true);
    TYPES('a', "k30+ . k30- . "); /* Shift held, caps here and there */
    TYPES('A', "k42- k30+ k42+ . k30- . ");
    keysym(0xffe1, false);
    lit = 0;
    TYPES(0xffe5, "k58+ . k58- . "); /* Caps Lock: the guest has not answered yet */
    TYPES('A', "k30+ . k30- . ");
    lit = INPUT_LED_CAPS;
    TYPES('A', "k30+ . k30- . ");
    keysym(0xffe3, true);
    TYPES('a', "k30+ . k30- . "); /* a shortcut */
    keysym(0xffe3, false);
    lit = -1;
    TYPES('A', "k30+ . k30- . ");
}

static void num_lock_differs(void **state) {
    (void)state;
    enter();
    lit = 0;
    TYPES(0xffb7, "k69+ k69- k71+ . k71- . "); /* 7 */
    TYPES(0xffb7, "k71+ . k71- . ");           /* asked once */
    lit = INPUT_LED_NUM;
    TYPES(0xffb7, "k71+ . k71- . ");
    TYPES(0xff95, "k69+ k69- k71+ . k71- . "); /* Home */
    lit = 0;
    TYPES(0xff95, "k71+ . k71- . ");
    TYPES(0xffab, "k78+ . k78- . "); /* plus, either way */
}

/* RFC 6143, 7.8.1 */
static void cursors(void **state) {
    static struct rfb_cursor cursor;
    (void)state;
    enter();
    screen.cursor = &cursor;
    FEED(2, 0, 0, 1, 0xff, 0xff, 0xff, 0x11);
    FEED(3, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    rfb.tiles[0] = 0;
    rfb_update(&rfb);
    assert_int_equal(rfb.out.len, 0); /* its own will do */
    cursor = (struct rfb_cursor){.serial = 7, .size = 3, .hot_x = 1, .hot_y = 2};
    cursor.pixels[0] = 0xff112233;
    cursor.pixels[8] = 0xff445566;
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 1, 0, 2, 0, 3, 0, 3, 0xff, 0xff, 0xff, 0x11, 0x33, 0x22, 0x11, 0xff);
    assert_int_equal(rfb.out.len, 8 * 4 + 3);
    assert_memory_equal(rfb.out.bytes + 28, "\x66\x55\x44", 3);
    assert_memory_equal(rfb.out.bytes + 32, "\x80\x00\x20", 3);
    rfb.out.len = 0;
    FEED(3, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    rfb_update(&rfb);
    assert_int_equal(rfb.out.len, 0);
    cursor = (struct rfb_cursor){.serial = 8};
    rfb_update(&rfb);
    EXPECT(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x11);
    assert_int_equal(rfb.out.len, 0);
}

static void clipboards_are_skipped(void **state) {
    (void)state;
    enter();
    assert_true(FEED(6, 0, 0, 0, 0, 0, 0, 3, 4, 1, 0, 4, 1, 0, 0, 0, 0, 0, 'b'));
    assert_true(FEED(6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe, 0, 0, 4, 0, 0, 0, 0, 0, 0, 'b'));
    assert_string_equal(seen, "k48+ . k48- . ");
    assert_false(FEED(77));
}

static void keysyms(void **state) {
    (void)state;
    assert_int_equal(key_of_keysym(' '), KEY_SPACE);
    assert_int_equal(key_of_keysym('~'), KEY_GRAVE);
    assert_int_equal(key_of_keysym('@'), KEY_2);
    assert_int_equal(key_of_keysym('Z'), KEY_Z);
    assert_int_equal(key_of_keysym('|'), KEY_BACKSLASH);
    assert_int_equal(key_of_keysym(0xfe03), KEY_RIGHTALT);
    assert_int_equal(key_of_keysym(0xffff), KEY_DELETE);
    assert_int_equal(key_of_keysym(0xff0d), KEY_ENTER);
    assert_int_equal(key_of_keysym(0xffc9), KEY_F12);
    assert_int_equal(key_of_keysym(0x1008ff13), KEY_VOLUMEUP);
    assert_int_equal(key_of_keysym(0xff01), 0);
    assert_int_equal(key_of_xt(0x1e), KEY_A);
    assert_int_equal(key_of_xt(0xc8), KEY_UP);
    assert_int_equal(key_of_xt(0x57), KEY_F11);
    assert_int_equal(key_of_xt(0xdb), KEY_LEFTMETA);
    assert_int_equal(key_of_xt(0x59), 0);
    assert_int_equal(key_of_xt(0xffff), 0);
}

#define T(f) cmocka_unit_test_teardown(f, leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(des_vectors), cmocka_unit_test(keysyms), T(older_versions), T(passwords),
        T(vencrypt), T(vencrypt_refusals),
        cmocka_unit_test(keys_and_releases), T(layouts), T(other_levels),
        cmocka_unit_test(all_layouts), T(pointers), T(raw_updates_by_tiles),
        T(pixel_formats), T(hextile_tiles), T(hextile_of_two_colours),
        T(tight_of_two_colours), T(sizes),
        T(lights_of_the_keyboard), T(caps_lock_differs), T(num_lock_differs), T(cursors),
        cmocka_unit_test(scrolls_are_found), T(scrolls_are_copies), T(colours_of_bytes),
        T(clipboards_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
