/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rfbview [--encodings LIST] [--pixels own|bgr|16] [--blind] HOST:PORT|PATH
 *
 * A viewer for programs: obeys lines on stdin, answers each by one line, "ok ..." or "error ...".
 * It asks for updates only while a command waits for them.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rfb.h"

enum { WORDS = 16, TIMES = 4096 };

#define NS_PER_S UINT64_C(1000000000)

static struct rfb view;

static uint64_t after(double seconds) {
    return now_ns() + (uint64_t)(seconds * 1e9);
}

static double number(char **word, unsigned i, double otherwise) {
    for (unsigned n = 0; n <= i; n++)
        if (!word[n])
            return otherwise;
    return atof(word[i]);
}

/* X Y W H from word[i] on, cut to the screen; without them all of it. */
struct part {
    unsigned x, y, right, bottom;
};

static struct part part_of(char **word, unsigned i) {
    unsigned x = (unsigned)number(word, i, 0), y = (unsigned)number(word, i + 1, 0);
    unsigned w = (unsigned)number(word, i + 2, view.width);
    unsigned h = (unsigned)number(word, i + 3, view.height);
    struct part p = {x, y, x + w < view.width ? x + w : view.width,
                     y + h < view.height ? y + h : view.height};
    return p;
}

static uint32_t at(unsigned x, unsigned y) {
    return view.pixels[(size_t)y * view.width + x];
}

/* ---- looking ---- */

static void size(char **word) {
    (void)word;
    printf("ok %ux%u\n", view.width, view.height);
}

static void pixel(char **word) {
    unsigned x = (unsigned)number(word, 0, 0), y = (unsigned)number(word, 1, 0);
    if (x >= view.width || y >= view.height)
        printf("error outside the screen\n");
    else
        printf("ok %06x\n", at(x, y));
}

static bool alike(uint32_t a, uint32_t b, unsigned by) {
    for (unsigned shift = 0; shift < 24; shift += 8)
        if (abs((int)(a >> shift & 255) - (int)(b >> shift & 255)) > (int)by)
            return false;
    return true;
}

/* COLOUR[~TOLERANCE] [X Y W H]: how many pixels in a thousand are so, and the box around them. */
static void area(char **word) {
    char *rest = "";
    uint32_t colour = word[0] ? (uint32_t)strtoul(word[0], &rest, 16) : 0;
    unsigned by = *rest == '~' ? (unsigned)atoi(rest + 1) : 0;
    struct part p = part_of(word, 1), box = {view.width, view.height, 0, 0};
    uint64_t n = 0, all = 0;
    for (unsigned y = p.y; y < p.bottom; y++)
        for (unsigned x = p.x; x < p.right; x++, all++) {
            if (!alike(at(x, y), colour, by))
                continue;
            n++;
            box.x = x < box.x ? x : box.x;
            box.y = y < box.y ? y : box.y;
            box.right = x + 1 > box.right ? x + 1 : box.right;
            box.bottom = y + 1 > box.bottom ? y + 1 : box.bottom;
        }
    printf("ok %u %llu", all ? (unsigned)(n * 1000 / all) : 0, (unsigned long long)n);
    if (n)
        printf(" %u %u %u %u", box.x, box.y, box.right - box.x, box.bottom - box.y);
    printf("\n");
}

/* [X Y W H]: a number that stands for the picture. */
static void sum(char **word) {
    struct part p = part_of(word, 0);
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (unsigned y = p.y; y < p.bottom; y++)
        for (unsigned x = p.x; x < p.right; x++)
            h = (h ^ at(x, y)) * UINT64_C(0x100000001b3);
    printf("ok %016llx\n", (unsigned long long)h);
}

static void save(char **word) {
    FILE *f = word[0] ? fopen(word[0], "w") : NULL;
    if (!f) {
        printf("error no such file can be written\n");
        return;
    }
    fprintf(f, "P6\n%u %u\n255\n", view.width, view.height);
    for (size_t i = 0; i < (size_t)view.width * view.height; i++) {
        uint32_t v = view.pixels[i];
        putc((int)(v >> 16 & 255), f);
        putc((int)(v >> 8 & 255), f);
        putc((int)(v & 255), f);
    }
    printf(fclose(f) ? "error the disk is full\n" : "ok\n");
}

/* ---- waiting ---- */

static void tell_counts(const struct rfb_counts *from, uint64_t begun) {
    const struct rfb_counts *to = &view.counts;
    printf("ok {\"updates\": %llu, \"rects\": %llu, \"pixels\": %llu, \"bytes\": %llu, "
           "\"seconds\": %.3f}\n",
           (unsigned long long)(to->updates - from->updates),
           (unsigned long long)(to->rects - from->rects),
           (unsigned long long)(to->pixels - from->pixels),
           (unsigned long long)(to->bytes - from->bytes), (double)(now_ns() - begun) / 1e9);
}

/* SECONDS: takes all that comes. */
static void watch(char **word) {
    struct rfb_counts from = view.counts;
    uint64_t begun = now_ns(), until = after(number(word, 0, 1));
    while (now_ns() < until)
        rfb_wait(&view, until);
    tell_counts(&from, begun);
}

/* [N [SECONDS]]: n updates that bring pixels. */
static void updates(char **word) {
    struct rfb_counts from = view.counts;
    uint64_t begun = now_ns(), until = after(number(word, 1, 60));
    for (unsigned n = (unsigned)number(word, 0, 1); n; n--)
        if (!rfb_wait(&view, until)) {
            printf("error no update\n");
            return;
        }
    tell_counts(&from, begun);
}

/* Takes what is there already. */
static void drain(double quiet, double most) {
    uint64_t end = after(most);
    while (now_ns() < end && rfb_wait(&view, after(quiet)))
        ;
}

/* [QUIET [SECONDS]]: until nothing has changed for so long. */
static void still(char **word) {
    double quiet = number(word, 0, 1);
    uint64_t end = after(number(word, 1, 60));
    while (rfb_wait(&view, after(quiet)))
        if (now_ns() > end) {
            printf("error the screen goes on changing\n");
            return;
        }
    printf("ok\n");
}

/* After it no request waits. */
static void settle(char **word) {
    (void)word;
    rfb_settle(&view);
    printf("ok\n");
}

/* [N]: whole screens, whatever has changed. */
static void pull(char **word) {
    struct rfb_counts from = view.counts;
    uint64_t begun = now_ns();
    for (unsigned n = (unsigned)number(word, 0, 1); n; n--) {
        rfb_ask(&view, false);
        if (!rfb_wait(&view, after(60))) {
            printf("error no update\n");
            return;
        }
    }
    tell_counts(&from, begun);
}

/* ---- doing ---- */

static const struct {
    const char *name;
    uint32_t keysym;
} keys[] = {
    {"Return", 0xff0d}, {"Escape", 0xff1b}, {"Tab", 0xff09}, {"BackSpace", 0xff08},
    {"Delete", 0xffff}, {"Home", 0xff50}, {"Left", 0xff51}, {"Up", 0xff52}, {"Right", 0xff53},
    {"Down", 0xff54}, {"Prior", 0xff55}, {"Next", 0xff56}, {"End", 0xff57}, {"space", 0x20},
    {"F1", 0xffbe}, {"F2", 0xffbf}, {"F3", 0xffc0}, {"F4", 0xffc1}, {"F5", 0xffc2},
    {"F10", 0xffc7}, {"F12", 0xffc9}, {"Shift", 0xffe1}, {"Control", 0xffe3}, {"Alt", 0xffe9},
};

static uint32_t keysym_of(const char *name) {
    for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (!strcmp(keys[i].name, name))
            return keys[i].keysym;
    return name[0] && !name[1] ? (uint8_t)name[0] : 0;
}

static void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* A key for a moment, as a person would: programs that poll must see it. */
static void press(uint32_t keysym) {
    rfb_key(&view, keysym, true);
    pause_ms(60);
    rfb_key(&view, keysym, false);
    pause_ms(60);
}

/* NAME...: X's names, or characters. */
static void key(char **word) {
    for (; *word; word++) {
        if (!keysym_of(*word)) {
            printf("error no key %s\n", *word);
            return;
        }
        press(keysym_of(*word));
    }
    printf("ok\n");
}

/* X Y [BUTTONS] */
static void point(char **word) {
    rfb_pointer(&view, (unsigned)number(word, 0, 0), (unsigned)number(word, 1, 0),
                (unsigned)number(word, 2, 0));
    printf("ok\n");
}

/* X Y: there, then the left button for a moment. */
static void click(char **word) {
    unsigned x = (unsigned)number(word, 0, 0), y = (unsigned)number(word, 1, 0);
    for (unsigned buttons = 0; buttons < 2; buttons++) {
        rfb_pointer(&view, x, y, buttons);
        pause_ms(100);
    }
    rfb_pointer(&view, x, y, 0);
    printf("ok\n");
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* N key|type|point [REST]: from an event to the update that it caused, REST seconds apart. `key`
 * takes each going up and down of one, `type` only those down. */
static void latency(char **word) {
    static double ms[TIMES];
    unsigned n = (unsigned)number(word, 0, 10);
    bool pointer = n && word[1] && !strcmp(word[1], "point");
    bool type = n && word[1] && !strcmp(word[1], "type");
    n = n < 1 ? 1 : n < TIMES ? n : TIMES;
    drain(0.2, 5);
    for (unsigned i = 0; i < n; i++) {
        drain(number(word, 2, 0.05), 1);
        uint64_t begun = now_ns();
        if (pointer)
            rfb_pointer(&view, 10 + i % 2, 10, 0);
        else
            rfb_key(&view, 'a', type || i % 2 == 0);
        if (!rfb_wait(&view, begun + 5 * NS_PER_S)) {
            printf("error no update after event %u\n", i);
            return;
        }
        ms[i] = (double)(now_ns() - begun) / 1e6;
        if (type)
            rfb_key(&view, 'a', false);
    }
    qsort(ms, n, sizeof(*ms), by_size);
    printf("ok {\"least\": %.3f, \"median\": %.3f, \"most\": %.3f}\n", ms[0], ms[n / 2], ms[n - 1]);
}

/* ---- commands ---- */

static const struct {
    const char *name;
    void (*run)(char **word);
} commands[] = {
    {"size", size}, {"pixel", pixel}, {"area", area}, {"sum", sum}, {"save", save},
    {"watch", watch}, {"updates", updates}, {"still", still}, {"pull", pull}, {"settle", settle}, {"key", key},
    {"point", point}, {"click", click}, {"latency", latency},
};

static void obey(char *text) {
    char *word[WORDS + 1] = {0}, *state;
    unsigned n = 0;
    for (char *w = strtok_r(text, " \n", &state); w && n < WORDS; w = strtok_r(NULL, " \n", &state))
        word[n++] = w;
    for (unsigned i = 0; n && i < sizeof(commands) / sizeof(*commands); i++)
        if (!strcmp(commands[i].name, word[0])) {
            commands[i].run(word + 1);
            return;
        }
    printf("error no such command\n");
}

static unsigned encodings_of(char *list, int32_t *encodings) {
    static const struct {
        const char *name;
        int32_t number;
    } known[] = {{"raw", RAW}, {"copyrect", COPY_RECT}, {"hextile", HEXTILE}, {"tight", TIGHT},
                 {"zrle", ZRLE}};
    unsigned n = 0;
    char *state;
    for (char *w = strtok_r(list, ",", &state); w && n < WORDS; w = strtok_r(NULL, ",", &state))
        for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
            if (!strcmp(known[i].name, w))
                encodings[n++] = known[i].number;
    encodings[n++] = DESKTOP_SIZE;
    encodings[n++] = EXTENDED_DESKTOP_SIZE;
    return n;
}

int main(int argc, char **argv) {
    static const struct option known[] = {
        {"encodings", 1, NULL, 'e'}, {"pixels", 1, NULL, 'p'}, {"blind", 0, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    char all[] = "tight,zrle,hextile,copyrect,raw", *list = all, text[1024];
    int32_t encodings[WORDS + 2];
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (c) {
        case 'e':
            list = optarg;
            break;
        case 'p':
            view.format = *optarg == 'b' ? PIXELS_BGR : *optarg == '1' ? PIXELS_16 : PIXELS_OWN;
            break;
        case 'b':
            view.blind = true;
            break;
        default:
            return 2;
        }
    if (optind + 1 != argc)
        die("say HOST:PORT or a path");
    setvbuf(stdout, NULL, _IOLBF, 0);
    rfb_connect(&view, argv[optind], encodings, encodings_of(list, encodings));
    printf("ok %ux%u\n", view.width, view.height);
    while (fgets(text, sizeof(text), stdin))
        obey(text);
    return 0;
}
