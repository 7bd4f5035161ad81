/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays the guest of tests/lab/modes.asm on our chips without a hypervisor (bios_pc.h):
 *
 *     play_modes std|cirrus IMAGE
 *
 * What the guest says on its serial port goes to stdout, what comes from stdin goes to it; "P FILE"
 * there writes the picture, "B FILE" that of the other half of a blink. Each picture is brought up to
 * date as a viewer's is, from what changed, and then drawn whole: the two have to be the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bios_pc.h"
#include "core/bits.h"
#include "core/display.h"

enum { START = 0x7c00, SECTOR = 512, PORT_DATA = 0x3f8, PORT_LSR = 0x3fd, LSR_READY = 0x61 };

/* When a cursor and characters are seen, and when they are not. */
#define NS_ON UINT64_C(0)
#define NS_OFF UINT64_C(799000000)

static void write_picture(const char *path) {
    const struct display *d = pc.display;
    FILE *file = fopen(path, "wb");
    uint8_t *row = malloc(d->width * 3u);
    if (!file || !row) {
        perror(path);
        exit(1);
    }
    fprintf(file, "P6\n%u %u\n255\n", d->width, d->height);
    for (unsigned y = 0; y < d->height; y++) {
        const uint32_t *from = d->pixels + (size_t)y * d->stride;
        for (unsigned x = 0; x < d->width; x++) {
            row[3 * x] = (uint8_t)(from[x] >> 16);
            row[3 * x + 1] = (uint8_t)(from[x] >> 8);
            row[3 * x + 2] = (uint8_t)from[x];
        }
        fwrite(row, 3, d->width, file);
    }
    free(row);
    fclose(file);
}

/* The surface as a viewer has it, against one that is drawn afresh. */
static void look(void) {
    struct display *d = pc.display;
    d->refresh(d->dev, d, false);
    size_t n = (size_t)d->stride * d->height;
    uint32_t *seen = malloc(n * sizeof(*seen));
    if (!seen || !d->pixels)
        exit(1);
    memcpy(seen, d->pixels, n * sizeof(*seen));
    d->refresh(d->dev, d, true);
    for (size_t i = 0; i < n; i++)
        if ((seen[i] ^ d->pixels[i]) & 0xffffff) {
            printf("STALE %zu,%zu: %06" PRIx32 " for %06" PRIx32 "\n", i % d->stride, i / d->stride,
                   seen[i] & 0xffffff, d->pixels[i] & 0xffffff);
            break;
        }
    free(seen);
}

/* Serves what the other side wants until it types a byte for the guest. */
static uint8_t typed(void) {
    char line[4096];
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] != 'P' && line[0] != 'B')
            return (uint8_t)line[0];
        pc.fx.now = line[0] == 'B' ? NS_OFF : NS_ON;
        look();
        write_picture(line + 2);
        puts("DONE");
        fflush(stdout);
    }
    exit(0);
}

static uint32_t serial_in(unsigned port) {
    return port == PORT_DATA ? typed() : port == PORT_LSR ? LSR_READY : 0;
}

static void serial_out(unsigned port, uint32_t val) {
    static bool set_up; /* before that the data port is the divisor */
    if (port == PORT_DATA + 4)
        set_up = true;
    else if (port == PORT_DATA && set_up && val != '\r')
        putchar((int)val);
}

int main(int argc, char **argv) {
    static uint8_t image[1 << 20];
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: play_modes std|cirrus IMAGE\n");
        return 2;
    }
    size_t n = fread(image, 1, BIOS_PC_RAM - START, file);
    fclose(file);
    bios_pc_on(strcmp(argv[1], "cirrus") ? BIOS_PC_STDVGA : BIOS_PC_CIRRUS);
    pc.in = serial_in;
    pc.out = serial_out;
    uc_mem_write(pc.uc, START, image, n);
    display_watch(pc.display, true);
    bios_pc_run(START + SECTOR);
    display_watch(pc.display, false);
    bios_pc_off();
    return 0;
}
