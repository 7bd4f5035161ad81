/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests do to a screen: a text console that scrolls as Linux' vgacon does, the same in a
 * framebuffer, full-screen frames, a 16-colour picture painted through the window, typed characters
 * echoed.  The font is the VGA BIOS' own.  Frames come at a rate, or as fast as they are drawn.
 */
#include "screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xen/hvm/dm_op.h>

#include "../../vga_tables.h"
#include "plays.h"

#define BAR_GPA 0xf0000000u
#define BAR_PAGES 4096u
#define BIOS "/usr/share/seabios/vgabios-stdvga.bin"
#define TEXT_COLUMNS 80u
#define TEXT_ROWS 25u
#define WINDOW_CELLS 0x4000u /* of the 32 KiB at b8000 */

struct screen screen;

static enum hv_error failed;

const char *screen_error(void) {
    const char *error = failed == HV_OK ? NULL : hv_error(failed);

    failed = HV_OK;
    return error;
}

/* accesses; the first that fails is told at the end of the play */

static void access_failed(enum hv_error e) {
    failed = failed == HV_OK ? e : failed;
}

void screen_out(unsigned port, unsigned size, unsigned value) {
    uint64_t data = value;

    access_failed(play_port(IOREQ_WRITE, port, size, &data));
}

unsigned screen_in(unsigned port) {
    uint64_t data = 0;

    access_failed(play_port(IOREQ_READ, port, 1, &data));
    return (unsigned)data;
}

/* As Xen does it: into the ring, and an event, which is pending at most. */
void screen_buffered(uint32_t at, unsigned size_code, uint64_t value) {
    access_failed(hv_buffered(at, size_code, value));
    hv_event(WORLD_BUFIOREQ_PORT);
}

/* rep movs or stos: count elements from guest memory at BUFFER_GPA, a page of it at most. */
void screen_copy(unsigned dir, uint32_t at, unsigned size, unsigned count) {
    ioreq_t r = { .type = IOREQ_TYPE_COPY,
                  .data_is_ptr = 1,
                  .data = BUFFER_GPA,
                  .addr = at,
                  .size = size,
                  .count = count,
                  .dir = dir & 1 };
    uint64_t data;

    access_failed(hv_access(0, &r, &data));
}

unsigned screen_read(uint32_t at) {
    ioreq_t r = { .type = IOREQ_TYPE_COPY, .dir = IOREQ_READ, .addr = at, .size = 1, .count = 1 };
    uint64_t data = 0;

    access_failed(hv_access(0, &r, &data));
    return (unsigned)data & 0xff;
}

void screen_indexed(unsigned port, unsigned index, unsigned value) {
    screen_out(port, 2, index | value << 8);
}

/* pacing */

static double seconds_now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void screen_pace(double begun, unsigned long done, double rate) {
    double left;

    hv_pump(0);
    while (rate > 0 && (left = begun + (double)done / rate - seconds_now()) > 0)
        if (hv_pump(left > 0.001 ? (int)(left * 1e3) : 1) == HV_GONE)
            return;
}

/* Calls frame(i) N times, RATE a second; the answer says how many seconds it took. */
static const char *repeat(int argc, char **argv, char *answer, void (*frame)(unsigned long)) {
    unsigned long n = play_number(argc, argv, 0, 1);
    double rate = argc > 1 ? atof(argv[1]) : 0, begun = seconds_now();

    for (unsigned long i = 0; i < n && failed == HV_OK; i++) {
        frame(screen.frame++);
        screen_pace(begun, i + 1, rate);
    }
    sprintf(answer, "{\"seconds\": %.3f}", seconds_now() - begun);
    return screen_error();
}

/* modes */

static const char *load_font(void) {
    /* 'A' of the 8x16 font, in the middle of it */
    static const uint8_t a[16] = { 0,    0,    0x10, 0x38, 0x6c, 0xc6,
                                   0xc6, 0xfe, 0xc6, 0xc6, 0xc6, 0xc6 };
    static uint8_t bios[65536];
    FILE *f = fopen(BIOS, "r");
    size_t n = f ? fread(bios, 1, sizeof bios, f) : 0;
    const uint8_t *found = memmem(bios, n, a, sizeof a);

    if (f)
        fclose(f);
    if (!found || found - bios < 'A' * 16)
        return "no font in " BIOS;
    memcpy(screen.font, found - 'A' * 16, sizeof screen.font);
    return NULL;
}

static void set_mode(const struct vga_mode *m) {
    screen_out(0x3c2, 1, m->misc);
    for (unsigned i = 0; i < 5; i++)
        screen_indexed(0x3c4, i, m->seq[i]);
    screen_indexed(0x3d4, 0x11, 0x0e); /* unlock */
    for (unsigned i = 0; i < 25; i++)
        screen_indexed(0x3d4, i, m->crtc[i]);
    for (unsigned i = 0; i < 9; i++)
        screen_indexed(0x3ce, i, m->gr[i]);
    for (unsigned i = 0; i < 21; i++) {
        screen_in(0x3da);
        screen_out(0x3c0, 1, i);
        screen_out(0x3c0, 1, m->ar[i]);
    }
    screen_out(0x3c0, 1, 0x20);
    screen_out(0x3c6, 1, 0xff);
    screen_out(0x3c8, 1, 0);
    for (unsigned i = 0; i < 64; i++)
        for (unsigned c = 0; c < 3; c++)
            screen_out(0x3c9, 1, (i >> (2 - c) & 1) * 42 + (i >> (5 - c) & 1) * 21);
}

static void vbe(unsigned index, unsigned value) {
    screen_out(0x1ce, 2, index);
    screen_out(0x1cf, 2, value);
}

/* 32 bytes a character in plane 2 */
static void upload_font(void) {
    screen_indexed(0x3c4, 2, 4);
    screen_indexed(0x3c4, 4, 7);
    screen_indexed(0x3ce, 5, 0);
    screen_indexed(0x3ce, 6, 4);
    for (unsigned c = 0; c < 256; c++)
        for (unsigned y = 0; y < 16; y++)
            screen_buffered(0xa0000 + c * 32 + y, 0, screen.font[c * 16 + y]);
    screen_indexed(0x3c4, 2, 3);
    screen_indexed(0x3c4, 4, 2);
    screen_indexed(0x3ce, 5, 0x10);
    screen_indexed(0x3ce, 6, 0x0e);
}

static void clear_text(void) {
    for (uint32_t at = 0; at < WINDOW_CELLS; at++)
        screen_buffered(0xb8000 + at * 2, 1, 0x0720);
    screen.origin = 0;
}

/* The frame buffer of the VGA function of bus 0, mapped at BAR_GPA. */
static const char *map_bar(void) {
    for (uint64_t devfn = 0; devfn < 256; devfn += 8) {
        ioreq_t r = { .type = IOREQ_TYPE_PCI_CONFIG, .dir = IOREQ_READ, .size = 2, .count = 1 };
        uint64_t data = 0;

        r.addr = devfn << 32 | 0x0a;
        if (!hv_claimed(XEN_DMOP_IO_RANGE_PCI, devfn, devfn) || hv_access(0, &r, &data) != HV_OK
            || (data & 0xffff) != 0x0300)
            continue;
        r = (ioreq_t){ .type = IOREQ_TYPE_PCI_CONFIG, .dir = IOREQ_WRITE, .size = 4, .count = 1,
                       .addr = devfn << 32 | 0x10, .data = BAR_GPA };
        hv_access(0, &r, &data);
        r.addr = devfn << 32 | 0x04;
        r.data = 3;
        hv_access(0, &r, &data);
        screen.fb = (uint32_t *)(void *)hv_map(BAR_GPA / WORLD_PAGE, BAR_PAGES);
        hv_world()->dirty_gfn = BAR_GPA / WORLD_PAGE;
        hv_world()->dirty_vram = DIRTY_WRITTEN;
        return screen.fb ? NULL : "the frame buffer is not where its BAR says";
    }
    return "no VGA on bus 0";
}

static const char *set_vbe(int argc, char **argv) {
    const char *error = screen.fb ? NULL : map_bar();

    screen.width = (unsigned)play_number(argc, argv, 1, 1024);
    screen.height = (unsigned)play_number(argc, argv, 2, 768);
    vbe(4, 0);
    vbe(1, screen.width);
    vbe(2, screen.height);
    vbe(3, 32);
    vbe(4, 0x41);
    screen_in(0x3da);
    screen_out(0x3c0, 1, 0x20);
    if (!error && (uint64_t)screen.width * screen.height * 4 > (uint64_t)BAR_PAGES * WORLD_PAGE)
        error = "too large a mode";
    if (!error) {
        memset(screen.fb, 0, (size_t)screen.width * screen.height * 4);
        screen_dirty(0, screen.height);
    }
    return error ? error : screen_error();
}

static const char *play_screen(int argc, char **argv, char *answer) {
    const char *error = load_font();

    (void)answer;
    screen.frame = 0;
    if (error)
        return error;
    if (!strcmp(argv[0], "vbe"))
        return set_vbe(argc, argv);
    vbe(4, 0);
    screen.width = 0;
    if (!strcmp(argv[0], "planar")) {
        set_mode(&mode_12);
        return screen_error();
    }
    if (strcmp(argv[0], "text"))
        return "text, planar or vbe";
    set_mode(&mode_03);
    upload_font();
    clear_text();
    return screen_error();
}

/* a console of text: the screen's start moves on, the new line is written */

/* The kind of line that a kernel logs while it boots. */
void screen_line(unsigned long i, char text[TEXT_COLUMNS + 1]) {
    static const char *const what[] = {
        "usb 1-%lu: new full-speed USB device number %lu using uhci_hcd",
        "ata%lu.00: ATA-7: QEMU HARDDISK, 2.5+, max UDMA/%lu",
        "pci 0000:00:%02lx.0: reg 0x10: [mem 0xf%06lx000-0xf1ffffff pref]",
        "xen: --> pirq=%lu -> irq=%lu (gsi=10)",
        "EXT4-fs (sda%lu): mounted filesystem with ordered data mode. Quota mode: %lu.",
        "audit: type=%lu audit(16812.%lu:2): state=initialized audit_enabled=0 res=1",
    };
    int n = snprintf(text, TEXT_COLUMNS + 1, "[%5lu.%06lu] ", i / 10, i * 104729 % 1000000);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text + n, TEXT_COLUMNS + 1 - (size_t)n, what[i % 6], i % 8, i * 31 % 256);
#pragma GCC diagnostic pop
}

static void crtc_pair(unsigned high, uint32_t value) {
    screen_indexed(0x3d4, high, value >> 8 & 255);
    screen_indexed(0x3d4, high + 1, value & 255);
}

/* At the end of the window the screen is copied to its beginning, a page at most at a time. */
static void text_rewind(void) {
    uint32_t from = 0xb8000 + (screen.origin + TEXT_COLUMNS) * 2;

    for (uint32_t done = 0; done < (TEXT_ROWS - 1) * TEXT_COLUMNS * 2; done += 3840) {
        screen_copy(IOREQ_READ, from + done, 2, 1920);
        screen_copy(IOREQ_WRITE, 0xb8000 + done, 2, 1920);
    }
    screen.origin = 0;
}

static void text_frame(unsigned long i) {
    char text[TEXT_COLUMNS + 1];
    uint32_t at;

    screen_line(i, text);
    if (screen.origin + (TEXT_ROWS + 1) * TEXT_COLUMNS > WINDOW_CELLS)
        text_rewind();
    else
        screen.origin += TEXT_COLUMNS;
    at = screen.origin + (TEXT_ROWS - 1) * TEXT_COLUMNS;
    for (unsigned x = 0, end = 0; x < TEXT_COLUMNS; x++) {
        end |= !text[x];
        screen_buffered(0xb8000 + (at + x) * 2, 1, 0x0700u | (end ? ' ' : (uint8_t)text[x]));
    }
    crtc_pair(0x0c, screen.origin);
    crtc_pair(0x0e, at + (unsigned)strlen(text) % TEXT_COLUMNS);
}

static const char *play_console(int argc, char **argv, char *answer) {
    return repeat(argc, argv, answer, screen.fb && screen.width ? screen_fb_line : text_frame);
}

static const char *play_frames(int argc, char **argv, char *answer) {
    if (!screen.fb)
        return "no frame buffer: screen vbe first";
    return repeat(argc, argv, answer, screen_fb_frame);
}

static const char *play_paint(int argc, char **argv, char *answer) {
    static void (*const how[])(unsigned long) = { screen_paint_bytes, screen_paint_strings,
                                                  screen_paint_masks };
    unsigned i = !strcmp(argv[0], "bytes") ? 0 : !strcmp(argv[0], "strings") ? 1 : 2;

    return repeat(argc - 1, argv + 1, answer, how[i]);
}

/* Takes N keys as they come and shows each: in text at once, in a frame buffer as a block. */
static const char *play_echo(int argc, char **argv, char *answer) {
    unsigned long n = play_number(argc, argv, 0, 1);
    const struct world *w = hv_world();

    (void)answer;
    for (unsigned i = 0; i < 16 && screen_in(0x64) & 1; i++)
        screen_in(0x60);
    screen_out(0x64, 1, 0x60); /* interrupts of the keyboard, scan codes of set 1 */
    screen_out(0x60, 1, 0x41);
    printf("ready\n");
    fflush(stdout);
    for (double until = seconds_now() + 60; n && failed == HV_OK && seconds_now() < until;) {
        if (!w->isa[1]) {
            hv_pump(1);
            continue;
        }
        unsigned code = screen_in(0x60);

        if (screen.fb && screen.width)
            screen_fb_block(code);
        else
            screen_buffered(0xb8000 + screen.origin * 2, 1, 0x0700u | code);
        n--;
    }
    return n && failed == HV_OK ? "keys did not come" : screen_error();
}

const struct play screen_plays[] = {
    { "screen", "text|planar|vbe [WIDTH HEIGHT]", "set a mode, from nothing", 1, play_screen },
    { "console", "[N [RATE]]", "n lines of text that scroll, so many a second", 0, play_console },
    { "frames", "[N [RATE]]", "n whole pictures into the frame buffer", 0, play_frames },
    { "paint", "bytes|strings|masks [N [RATE]]", "n whole pictures in 16 colours", 1, play_paint },
    { "echo", "[N]", "after a line \"ready\": show n bytes of the keyboard", 0, play_echo },
    { NULL, NULL, NULL, 0, NULL },
};
