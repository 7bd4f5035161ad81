/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * draw_cost: what a picture of 1024x768 costs on its way from video memory to a viewer's pixels, by
 * time, as shares of the speed at which memcpy moves as many pixels of four bytes. The least of
 * many rounds each: others may disturb one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core/bits.h"
#include "rfb_diff.h"
#include "rfb_encode.h"
#include "video/draw.h"

enum { WIDTH = 1024, HEIGHT = 768, PIXELS = WIDTH * HEIGHT, ROUNDS = 60, VRAM = 4 << 20 };

static uint8_t vram[VRAM];
static uint32_t surface[PIXELS], other[PIXELS];
static struct rfb_encoder encoder;
static struct rfb_buf out;
static struct draw draw;
static double memcpy_ns;

static double least(void (*run)(void)) {
    double best = 1e18;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t from = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        run();
        double took = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - from);
        best = MIN(best, took);
    }
    return best;
}

static void report(const char *name, void (*run)(void)) {
    double took = least(run);
    printf("%-44s %8.3f ns/pixel %8.0f %% of memcpy's speed\n", name, took / PIXELS,
           100 * memcpy_ns / took);
}

static void copy(void) {
    memcpy(surface, other, sizeof(surface));
}

static void draw_all(void) {
    for (unsigned y = 0; y < HEIGHT; y++)
        draw_line(&draw, y, surface + (size_t)y * WIDTH);
}

static void diff_all(void) {
    for (unsigned y = 0; y < HEIGHT; y++) {
        uint64_t tiles[RFB_TILE_WORDS] = {0};
        rfb_take_line(surface + (size_t)y * WIDTH, other + (size_t)y * WIDTH, WIDTH, tiles);
    }
}

static void diff_new(void) {
    for (unsigned i = 0; i < PIXELS; i += RFB_TILE_W)
        other[i + 40]++; /* in each tile of each line */
    diff_all();
}

static void find_scroll(void) {
    struct rfb_scroll s;
    if (!rfb_find_scroll(other, WIDTH, other + 16 * WIDTH, WIDTH, WIDTH, 0, HEIGHT - 16, &s))
        abort();
}

static void encode(void) {
    const struct rfb_rect all = {0, 0, WIDTH, HEIGHT};
    out.len = 0;
    rfb_encode(&encoder, &out, other, WIDTH, &all);
}

static void each_kind(void) {
    static const struct {
        const char *name;
        enum draw_kind kind;
        uint32_t pitch;
    } kinds[] = {
        {"draw text, 8 dots", DRAW_TEXT, WIDTH / 2},
        {"draw 16 colours, planar", DRAW_PLANAR, WIDTH / 2},
        {"draw 256 colours", DRAW_INDEX8, WIDTH}, {"draw 15 bits", DRAW_RGB15, WIDTH * 2},
        {"draw 16 bits", DRAW_RGB16, WIDTH * 2}, {"draw 24 bits", DRAW_RGB24, WIDTH * 3},
        {"draw 32 bits (where it is no surface)", DRAW_RGB32, WIDTH * 4},
    };
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        draw = (struct draw){.vram = vram, .mask = VRAM - 1, .kind = kinds[i].kind, .width = WIDTH,
                             .height = HEIGHT, .hscale = 1, .pitch = kinds[i].pitch,
                             .split = HEIGHT, .cell_width = 8,
                             .row_scans = kinds[i].kind == DRAW_TEXT ? 16 : 1,
                             .font = {0x20000, 0x20000}, .underline = 31};
        for (unsigned c = 0; c < 256; c++)
            draw.palette[c] = c * 0x010305;
        report(kinds[i].name, draw_all);
    }
}

#define FORMAT(bits_, depth_, r, g, b, ...)                                                        \
    {.bits = bits_, .depth = depth_, .max = {r, g, b}, .shift = {__VA_ARGS__}}
#define OWN FORMAT(32, 24, 255, 255, 255, 16, 8, 0)

static void each_encoding(void) {
    static const struct {
        const char *name;
        int32_t encoding;
        struct rfb_format format;
    } kinds[] = {
        {"raw", RFB_RAW, OWN},
        {"raw, red first", RFB_RAW, FORMAT(32, 24, 255, 255, 255, 0, 8, 16)},
        {"raw, 16 bits", RFB_RAW, FORMAT(16, 16, 31, 63, 31, 11, 5, 0)},
        {"hextile", RFB_HEXTILE, OWN},
        {"zrle", RFB_ZRLE, OWN},
        {"tight", RFB_TIGHT, OWN},
    };
    for (unsigned picture = 0; picture < 2; picture++) {
        for (unsigned i = 0; i < PIXELS; i++) /* two colours as text has, or all that there are */
            other[i] = picture ? i * 2654435761u >> 8 : rand() % 32 ? 0 : 0xaaaaaa;
        for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
            char name[64];
            encoder.encoding = kinds[i].encoding;
            encoder.format = kinds[i].format;
            rfb_format_ready(&encoder.format);
            snprintf(name, sizeof(name), "%s, %s colours", kinds[i].name, picture ? "all" : "two");
            report(name, encode);
        }
    }
}

int main(void) {
    for (unsigned i = 0; i < VRAM; i++)
        vram[i] = (uint8_t)rand();
    for (unsigned i = 0; i < PIXELS; i++)
        other[i] = (uint32_t)rand();
    memcpy_ns = least(copy);
    printf("%-44s %8.3f ns/pixel\n", "memcpy", memcpy_ns / PIXELS);
    report("find what has changed: nothing", diff_all);
    report("find what has changed: every tile", diff_new);
    report("find that all has scrolled", find_scroll);
    each_kind();
    each_encoding();
    rfb_encoder_free(&encoder);
    rfb_buf_free(&out);
    return 0;
}
