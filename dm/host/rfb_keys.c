/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A viewer's keys: which are down, and what a keysym means on the guest's keyboard. Where a
 * character needs another shift or AltGr than the viewer holds, as between two national layouts,
 * those are turned round for that one key. See rfb.h.
 */
#include <linux/input-event-codes.h>

#include "core/bits.h"
#include "keymap.h"
#include "rfb_priv.h"

void rfb_key(struct rfb *rfb, unsigned code, bool down) {
    if (!code || code >= RFB_KEYS * 4)
        return;
    if (down)
        bitmap_set(rfb->keys, code);
    else
        bitmap_clear(rfb->keys, code);
    rfb->user->key(rfb->user->arg, code, down);
}

bool rfb_lift_keys(struct rfb *rfb) {
    bool any = false;
    for (unsigned code = 0; code < RFB_KEYS * 4; code++)
        if (bitmap_get(rfb->keys, code)) {
            rfb_key(rfb, code, false);
            any = true;
        }
    return any;
}

static void remember(struct rfb *rfb, uint32_t keysym, unsigned code) {
    unsigned place = RFB_HELD;
    for (unsigned i = RFB_HELD; i-- > 0;)
        if (!rfb->held[i].code || rfb->held[i].keysym == keysym)
            place = i;
    if (place == RFB_HELD)
        return; /* nobody has that many fingers; the keysym's key will do */
    rfb->held[place].keysym = keysym;
    rfb->held[place].code = code;
}

/* The key that was pressed for the keysym, or 0. */
static unsigned recall(struct rfb *rfb, uint32_t keysym) {
    unsigned code = 0;
    for (unsigned i = 0; i < RFB_HELD; i++)
        if (rfb->held[i].code && rfb->held[i].keysym == keysym) {
            code = rfb->held[i].code;
            rfb->held[i].code = 0;
        }
    return code;
}

static bool is_held(const struct rfb *rfb, unsigned code) {
    return bitmap_get(rfb->keys, code);
}

/* A shortcut means the key, not the character. */
static bool in_shortcut(const struct rfb *rfb) {
    return is_held(rfb, KEY_LEFTCTRL) || is_held(rfb, KEY_RIGHTCTRL) ||
           is_held(rfb, KEY_LEFTALT) || (is_held(rfb, KEY_RIGHTALT) && !rfb->altgr) ||
           is_held(rfb, KEY_LEFTMETA) || is_held(rfb, KEY_RIGHTMETA);
}

static const struct {
    unsigned level, code;
    bool adds; /* the one to press where none is held */
} modifiers[] = {{KEYMAP_SHIFT, KEY_LEFTSHIFT, true},
                 {KEYMAP_SHIFT, KEY_RIGHTSHIFT, false},
                 {KEYMAP_ALTGR, KEY_RIGHTALT, true}};

static unsigned held_level(const struct rfb *rfb) {
    unsigned level = 0;
    for (unsigned i = 0; i < ARRAY_LEN(modifiers); i++)
        if (is_held(rfb, modifiers[i].code))
            level |= modifiers[i].level;
    return level;
}

/* Turns what is held into the level, or (`back`) again into what the viewer holds. */
static void turn(struct rfb *rfb, unsigned level, bool back) {
    unsigned wrong = held_level(rfb) ^ level;
    for (unsigned i = 0; i < ARRAY_LEN(modifiers); i++) {
        unsigned code = modifiers[i].code;
        if (!(wrong & modifiers[i].level))
            continue;
        if (is_held(rfb, code))
            rfb->user->key(rfb->user->arg, code, back);
        else if (level & modifiers[i].level && modifiers[i].adds)
            rfb->user->key(rfb->user->arg, code, !back);
    }
}

void rfb_keysym(struct rfb *rfb, uint32_t keysym, bool down) {
    enum { MODE_SWITCH = 0xff7e, LEVEL3_SHIFT = 0xfe03 };
    struct keymap_key key = keymap_key(rfb->user->keymap, keysym, &rfb->second_script);
    if (!down) {
        unsigned code = recall(rfb, keysym);
        rfb_key(rfb, code ? code : key.code, false);
        return;
    }
    if (!key.code)
        return;
    if (key.code == KEY_RIGHTALT)
        rfb->altgr = keysym == LEVEL3_SHIFT || keysym == MODE_SWITCH;
    remember(rfb, keysym, key.code);
    bool turned = key.leveled && !in_shortcut(rfb);
    if (turned)
        turn(rfb, key.level, false);
    rfb_key(rfb, key.code, true);
    if (turned)
        turn(rfb, key.level, true);
}
