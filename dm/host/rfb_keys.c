/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A viewer's keys: which are down, and what a keysym means on the guest's keyboard. Where a
 * character needs another shift or AltGr than the viewer holds, as between two national layouts,
 * those are turned round for that one key. Where the lights of the guest's keyboard say that Caps
 * Lock is not what the viewer's is, Shift is turned round for letters; Num Lock is pressed before a
 * key of the keypad that means the other half. See rfb.h.
 */
#include <linux/input-event-codes.h>

#include "core/bits.h"
#include "core/input.h"
#include "keymap.h"
#include "rfb_priv.h"

/* ---- locks ---- */

/* The guest's lights, or -1: not known, or about to change. */
static int lights(struct rfb *rfb) {
    int leds = rfb->user->leds(rfb->user->arg);
    if (leds != rfb->locks_then)
        rfb->locks = 0;
    return leds;
}

static void note_lock(struct rfb *rfb, unsigned code) {
    unsigned light = code == KEY_CAPSLOCK  ? INPUT_LED_CAPS
                     : code == KEY_NUMLOCK ? INPUT_LED_NUM
                                           : 0;
    int leds = lights(rfb);
    if (!light)
        return;
    rfb->locks |= light;
    rfb->locks_then = leds;
}

/* 1, 0, or -1: not known. */
static int light(struct rfb *rfb, unsigned which) {
    int leds = lights(rfb);
    return leds < 0 || rfb->locks & which ? -1 : !!((unsigned)leds & which);
}

/* 1: an upper case letter, 0: a lower case one, -1: neither. */
static int case_of(uint32_t keysym) {
    static const struct {
        uint16_t upper, lower, count;
    } alphabets[] = {{'A', 'a', 26}, {0xc0, 0xe0, 23}, {0xd8, 0xf8, 7}, {0x391, 0x3b1, 25},
                     {0x410, 0x430, 32}, {0x400, 0x450, 16}};
    uint32_t c = keymap_character(keysym);
    for (unsigned i = 0; i < ARRAY_LEN(alphabets); i++) {
        if (c - alphabets[i].upper < alphabets[i].count)
            return 1;
        if (c - alphabets[i].lower < alphabets[i].count)
            return 0;
    }
    return -1;
}

/* Of the keypad: 1 for what Num Lock gives, 0 for the other half, -1 for the rest. */
static int num_of(uint32_t keysym) {
    enum { KP_HOME = 0xff95, KP_DELETE = 0xff9f, KP_SEPARATOR = 0xffac, KP_DECIMAL = 0xffae,
           KP_0 = 0xffb0, KP_9 = 0xffb9 };
    if ((keysym >= KP_0 && keysym <= KP_9) || keysym == KP_SEPARATOR || keysym == KP_DECIMAL)
        return 1;
    return keysym >= KP_HOME && keysym <= KP_DELETE ? 0 : -1;
}

static void match_num_lock(struct rfb *rfb, uint32_t keysym) {
    int want = num_of(keysym), have = light(rfb, INPUT_LED_NUM);
    if (want < 0 || have < 0 || want == have)
        return;
    rfb_key(rfb, KEY_NUMLOCK, true);
    rfb_key(rfb, KEY_NUMLOCK, false);
}

/* ---- keys ---- */

void rfb_key(struct rfb *rfb, unsigned code, bool down) {
    if (!code || code >= RFB_KEYS * 4)
        return;
    if (down && !bitmap_get(rfb->keys, code))
        note_lock(rfb, code);
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
    match_num_lock(rfb, keysym);
    int upper = case_of(keysym), caps = light(rfb, INPUT_LED_CAPS);
    bool turned = key.leveled;
    if (upper >= 0 && caps >= 0) {
        unsigned rest = (key.leveled ? key.level : held_level(rfb)) & ~(unsigned)KEYMAP_SHIFT;
        key.level = rest | (upper != caps ? KEYMAP_SHIFT : 0);
        turned = true;
    }
    turned &= !in_shortcut(rfb);
    if (turned)
        turn(rfb, key.level, false);
    rfb_key(rfb, key.code, true);
    if (turned)
        turn(rfb, key.level, true);
}
