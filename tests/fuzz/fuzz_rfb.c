/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A viewer that sends anything: the first byte says how the bytes are cut, the rest goes in. After
 * each piece the screen changes, or its size, and an update is made.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "keymap.h"
#include "rfb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIDTH = 200, HEIGHT = 120 };

static uint32_t pixels[WIDTH * HEIGHT];
static struct rfb_screen screen;

static void on_key(void *arg, unsigned code, bool down) {
    (void)arg;
    (void)down;
    if (!code || code > 0x2ff)
        abort();
}

static void on_button(void *arg, unsigned code, bool down) {
    (void)arg;
    (void)down;
    if (code < 0x110 || code > 0x114)
        abort();
}

static void on_move(void *arg, bool absolute, int x, int y) {
    (void)arg;
    if (absolute && (x < 0 || y < 0))
        abort();
}

static void on_wheel(void *arg, int by) {
    (void)arg;
    (void)by;
}

static void on_done(void *arg) {
    (void)arg;
}

static bool is_absolute(void *arg) {
    (void)arg;
    return pixels[0] & 1;
}

static int led_lights(void *arg) {
    (void)arg;
    return (int)(pixels[1] & 7) - 1;
}

static void on_arrival(void *arg, struct rfb *rfb, bool shared) {
    (void)arg;
    (void)rfb;
    (void)shared;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct rfb_user user = {on_key, on_button, on_move, on_wheel, on_done,
                                         is_absolute, led_lights, on_arrival, NULL, NULL};
    static const char *const layouts[] = {"de", "ru", "pl", "fr-be"};
    static const uint8_t challenge[RFB_CHALLENGE];
    struct rfb rfb;
    if (!size)
        return 0;
    static struct rfb_cursor cursor;
    cursor = (struct rfb_cursor){.size = 3, .pixels = {0xff000000, 0xffffffff}};
    screen = (struct rfb_screen){"fuzz", WIDTH, HEIGHT, pixels, &cursor};
    unsigned cut = (data[0] & 15) + 1u;
    struct rfb_access access = {.kind = data[0] >> 6 & 1 ? RFB_TLS_X509 : RFB_PLAIN,
                                .password = data[0] & 16 ? "password" : NULL};
    user.keymap = data[0] >> 7 ? keymap_find(layouts[size % 4]) : NULL;
    rfb_open(&rfb, &user, &screen, &access, challenge);
    bool going = true;
    for (size_t at = 1; at < size && going; at += cut) {
        size_t n = size - at < cut ? size - at : cut;
        going = rfb_input(&rfb, data + at, n);
        uint32_t at_pixel = (uint32_t)data[at] * 93;
        pixels[at_pixel % (WIDTH * HEIGHT)] = at_pixel * 0x1234567;
        rfb_changed(&rfb, data[at] % 5, data[at] % 9);
        if (data[at] == 0x5a) {
            cursor.serial++;
            cursor.size = data[at + n - 1] % (RFB_CURSOR + 1);
        }
        if (data[at] == 0xa5) {
            screen.width = 1 + data[at + n - 1] % WIDTH;
            screen.height = 1 + data[at] % HEIGHT;
            rfb_resized(&rfb);
        }
        if (!(data[0] & 32) || at % 3)
            rfb.out.len = 0;
        if (going && rfb.state == RFB_START_TLS)
            rfb_secured(&rfb);
        if (going)
            rfb_update(&rfb);
    }
    rfb_close(&rfb);
    return 0;
}
