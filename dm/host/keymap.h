/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the characters of a keyboard's layout are (-k): what a viewer that sends X keysyms means,
 * as the key of the guest's keyboard and what is held down with it.
 */
#ifndef HOST_KEYMAP_H
#define HOST_KEYMAP_H

#include <stdbool.h>
#include <stdint.h>

struct keymap;

enum { KEYMAP_SHIFT = 1, KEYMAP_ALTGR = 2 };

struct keymap_key {
    unsigned code;  /* KEY_*; 0: none */
    unsigned level; /* KEYMAP_SHIFT | KEYMAP_ALTGR */
    bool leveled;   /* the level matters: a character, and not just a letter's other case */
};

/* "de", "fr-ch", ...; NULL: not known. "en-us" is what NULL means below. */
const struct keymap *keymap_find(const char *name);
/* `second` is the viewer's own: whether letters were last of the layout's other script. */
struct keymap_key keymap_key(const struct keymap *map, uint32_t keysym, bool *second);
/* The Unicode character that a keysym stands for, dead ones for their spacing forms; or 0. */
uint32_t keymap_character(uint32_t keysym);

#endif
