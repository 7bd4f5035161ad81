/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See vnc_pointer.h.
 */
#include "vnc_pointer.h"

#include <string.h>

enum { REST = 4, DOT = 5 }; /* looks; pixels */

/* FNV-1a */
static uint64_t shape_of(const struct display_cursor *c) {
    uint64_t key = UINT64_C(0xcbf29ce484222325) ^ c->size;
    for (unsigned i = 0; i < c->size * c->size; i++)
        key = (key ^ c->pixels[i]) * UINT64_C(0x100000001b3);
    return key | 1;
}

static void told(struct vnc_pointer *p, unsigned size) {
    p->cursor.size = size;
    p->cursor.serial++;
}

/* For a guest without such a pointer, after one that had it. */
static void show_dot(struct vnc_pointer *p) {
    for (unsigned i = 0; i < DOT * DOT; i++) {
        unsigned x = i % DOT, y = i / DOT;
        bool rim = x == 0 || y == 0 || x == DOT - 1 || y == DOT - 1;
        p->cursor.pixels[i] = rim ? 0xff000000 : 0xffffffff;
    }
    p->cursor.hot_x = p->cursor.hot_y = DOT / 2;
    told(p, DOT);
}

static void hide(struct vnc_pointer *p) {
    p->cursor.hot_x = p->cursor.hot_y = 0;
    p->apart = false;
    told(p, 0);
}

static void show(struct vnc_pointer *p, const struct display_cursor *now, int hot_x, int hot_y) {
    memcpy(p->cursor.pixels, now->pixels, now->size * now->size * sizeof(now->pixels[0]));
    p->cursor.hot_x = (unsigned)hot_x;
    p->cursor.hot_y = (unsigned)hot_y;
    p->apart = true;
    told(p, now->size);
}

/* Both have come to rest: the pixel that points is where the viewer does. */
static void measure(struct vnc_pointer *p, const struct display_cursor *now) {
    int hot_x = p->at_x - p->x, hot_y = p->at_y - p->y, size = (int)now->size;
    bool fits = hot_x >= 0 && hot_y >= 0 && hot_x < size && hot_y < size;
    bool same = hot_x == (int)p->cursor.hot_x && hot_y == (int)p->cursor.hot_y;
    if (!fits && p->apart)
        hide(p);
    else if (fits && !(p->apart && same))
        show(p, now, hot_x, hot_y);
}

void vnc_pointer_look(struct vnc_pointer *p, const struct display_cursor *now, int x, int y) {
    if (!now) {
        if (p->shape)
            show_dot(p);
        p->shape = 0;
        p->apart = false;
        return;
    }
    uint64_t shape = shape_of(now);
    if (shape != p->shape)
        hide(p);
    bool moved = shape != p->shape || now->x != p->x || now->y != p->y || x != p->at_x ||
                 y != p->at_y;
    p->shape = shape;
    p->x = now->x;
    p->y = now->y;
    p->at_x = x;
    p->at_y = y;
    p->still = moved ? 0 : p->still + 1;
    if (p->still == REST)
        measure(p, now);
}
