/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VESA Enhanced EDID 1.4, section 3. Blanking by rules of thumb in the way of VESA CVT reduced
 * blanking: 160 pixels, 3 % of lines. See edid.h.
 */
#include "video/edid.h"

#include <string.h>

#include "core/bits.h"

enum {
    /* sections of the block */
    VENDOR = 0x08, PRODUCT = 0x0a, SERIAL = 0x0c, YEAR = 0x11, VERSION = 0x12, REVISION = 0x13,
    INPUT = 0x14, SIZE_H = 0x15, SIZE_V = 0x16, GAMMA = 0x17, FEATURES = 0x18, COLOURS = 0x19,
    ESTABLISHED = 0x23, STANDARD = 0x26, TIMING = 0x36, NAME = 0x48, RANGE = 0x5a, DUMMY = 0x6c,
    CHECKSUM = 0x7f,
    STANDARD_COUNT = 8, DPI = 100, HZ = 60, H_BLANK = 160,
};

/* 3.10.2: a detailed timing descriptor. */
static void detailed(uint8_t *t, unsigned w, unsigned h, unsigned mm_w, unsigned mm_h) {
    unsigned v_blank = h * 3 / 100 + 8;
    unsigned clock = (unsigned)((uint64_t)(w + H_BLANK) * (h + v_blank) * HZ / 10000);
    unsigned h_front = 48, h_sync = 32, v_front = 3, v_sync = 6;
    store_le16(t, (uint16_t)MIN(clock, 0xffffu));
    t[2] = (uint8_t)w;
    t[3] = H_BLANK;
    t[4] = (uint8_t)(w >> 8 << 4);
    t[5] = (uint8_t)h;
    t[6] = (uint8_t)v_blank;
    t[7] = (uint8_t)(h >> 8 << 4 | v_blank >> 8);
    t[8] = (uint8_t)h_front;
    t[9] = (uint8_t)h_sync;
    t[10] = (uint8_t)(v_front << 4 | v_sync);
    t[12] = (uint8_t)mm_w;
    t[13] = (uint8_t)mm_h;
    t[14] = (uint8_t)(mm_w >> 8 << 4 | mm_h >> 8);
    t[17] = 0x1e; /* digital separate sync, both positive */
}

/* 3.9: standard timings at 60 Hz; 256 to 2288 pixels wide in steps of 8. */
static void standard(uint8_t *t) {
    static const struct {
        uint16_t width;
        uint8_t aspect; /* 0 16:10, 1 4:3, 2 5:4, 3 16:9 */
    } modes[STANDARD_COUNT] = {
        {1024, 1}, {1152, 1}, {1280, 0}, {1280, 2}, {1440, 0}, {1600, 1}, {1680, 0}, {1920, 3},
    };
    for (unsigned i = 0; i < STANDARD_COUNT; i++) {
        t[2 * i] = (uint8_t)(modes[i].width / 8 - 31);
        t[2 * i + 1] = (uint8_t)(modes[i].aspect << 6 | (HZ - 60));
    }
}

/* 3.10.3: a display descriptor. */
static void descriptor(uint8_t *d, uint8_t tag, const char *bytes, size_t n) {
    d[3] = tag;
    memcpy(d + 5, bytes, n);
}

void edid_make(uint8_t edid[EDID_SIZE], unsigned width, unsigned height) {
    static const uint8_t header[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    /* sRGB chromaticities */
    static const uint8_t colours[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
    unsigned mm_w = width * 254 / (DPI * 10), mm_h = height * 254 / (DPI * 10);
    memset(edid, 0, EDID_SIZE);
    memcpy(edid, header, sizeof(header));
    store_be16(edid + VENDOR, ('H' - '@') << 10 | ('V' - '@') << 5 | ('M' - '@'));
    store_le16(edid + PRODUCT, 1);
    edid[YEAR] = 2024 - 1990;
    edid[VERSION] = 1;
    edid[REVISION] = 4;
    edid[INPUT] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
    edid[SIZE_H] = (uint8_t)(mm_w / 10);
    edid[SIZE_V] = (uint8_t)(mm_h / 10);
    edid[GAMMA] = 120;    /* 2.2 */
    edid[FEATURES] = 0x06; /* sRGB; the first timing is the native one */
    memcpy(edid + COLOURS, colours, sizeof(colours));
    edid[ESTABLISHED] = 0x21; /* 640x480 and 800x600 at 60 Hz */
    edid[ESTABLISHED + 1] = 0x08; /* 1024x768 at 60 Hz */
    standard(edid + STANDARD);
    detailed(edid + TIMING, width, height, mm_w, mm_h);
    descriptor(edid + NAME, 0xfc, "hvm-dm\n      ", 13);
    descriptor(edid + RANGE, 0xfd, "\x32\x7d\x1e\xa0\xff\x01\n      ", 13);
    descriptor(edid + DUMMY, 0x10, "", 0);
    uint8_t sum = 0;
    for (unsigned i = 0; i < CHECKSUM; i++)
        sum = (uint8_t)(sum + edid[i]);
    edid[CHECKSUM] = (uint8_t)-sum;
}
