/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X keysyms (X11 protocol, appendix A; XF86 vendor keysyms) and IBM's scan code set 1. See
 * keysym.h.
 */
#include "keysym.h"

#include <linux/input-event-codes.h>
#include <stddef.h>

/* Latin 1 from space to tilde: the key that makes it, with or without shift. */
static const uint8_t printable[] = {
    KEY_SPACE, KEY_1, KEY_APOSTROPHE, KEY_3, KEY_4, KEY_5, KEY_7, KEY_APOSTROPHE, KEY_9, KEY_0,
    KEY_8, KEY_EQUAL, KEY_COMMA, KEY_MINUS, KEY_DOT, KEY_SLASH, KEY_0, KEY_1, KEY_2, KEY_3, KEY_4,
    KEY_5, KEY_6, KEY_7, KEY_8, KEY_9, KEY_SEMICOLON, KEY_SEMICOLON, KEY_COMMA, KEY_EQUAL, KEY_DOT,
    KEY_SLASH, KEY_2, KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H, KEY_I, KEY_J, KEY_K,
    KEY_L, KEY_M, KEY_N, KEY_O, KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T, KEY_U, KEY_V, KEY_W, KEY_X,
    KEY_Y, KEY_Z, KEY_LEFTBRACE, KEY_BACKSLASH, KEY_RIGHTBRACE, KEY_6, KEY_MINUS, KEY_GRAVE, KEY_A,
    KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H, KEY_I, KEY_J, KEY_K, KEY_L, KEY_M, KEY_N,
    KEY_O, KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T, KEY_U, KEY_V, KEY_W, KEY_X, KEY_Y, KEY_Z,
    KEY_LEFTBRACE, KEY_BACKSLASH, KEY_RIGHTBRACE, KEY_GRAVE};

_Static_assert(sizeof(printable) == '~' - ' ' + 1, "space to tilde");

struct keysym {
    uint32_t keysym;
    uint16_t key;
};

/* Sorted. */
static const struct keysym others[] = {
    {0xfe03, KEY_RIGHTALT}, /* ISO_Level3_Shift */
    {0xfe20, KEY_TAB},      /* ISO_Left_Tab: tab with shift */
    {0xff08, KEY_BACKSPACE}, {0xff09, KEY_TAB}, {0xff0a, KEY_LINEFEED}, {0xff0d, KEY_ENTER},
    {0xff13, KEY_PAUSE}, {0xff14, KEY_SCROLLLOCK}, {0xff15, KEY_SYSRQ}, {0xff1b, KEY_ESC},
    {0xff21, KEY_MUHENKAN}, {0xff22, KEY_MUHENKAN}, {0xff23, KEY_HENKAN},
    {0xff27, KEY_KATAKANAHIRAGANA}, {0xff2a, KEY_ZENKAKUHANKAKU},
    {0xff50, KEY_HOME}, {0xff51, KEY_LEFT}, {0xff52, KEY_UP}, {0xff53, KEY_RIGHT},
    {0xff54, KEY_DOWN}, {0xff55, KEY_PAGEUP}, {0xff56, KEY_PAGEDOWN}, {0xff57, KEY_END},
    {0xff61, KEY_SYSRQ}, {0xff63, KEY_INSERT}, {0xff67, KEY_COMPOSE}, {0xff6b, KEY_PAUSE},
    {0xff7e, KEY_RIGHTALT}, {0xff7f, KEY_NUMLOCK},
    {0xff8d, KEY_KPENTER}, {0xff95, KEY_KP7}, {0xff96, KEY_KP4}, {0xff97, KEY_KP8},
    {0xff98, KEY_KP6}, {0xff99, KEY_KP2}, {0xff9a, KEY_KP9}, {0xff9b, KEY_KP3}, {0xff9c, KEY_KP1},
    {0xff9d, KEY_KP5}, {0xff9e, KEY_KP0}, {0xff9f, KEY_KPDOT},
    {0xffaa, KEY_KPASTERISK}, {0xffab, KEY_KPPLUS}, {0xffac, KEY_KPCOMMA}, {0xffad, KEY_KPMINUS},
    {0xffae, KEY_KPDOT}, {0xffaf, KEY_KPSLASH}, {0xffb0, KEY_KP0}, {0xffb1, KEY_KP1},
    {0xffb2, KEY_KP2}, {0xffb3, KEY_KP3}, {0xffb4, KEY_KP4}, {0xffb5, KEY_KP5}, {0xffb6, KEY_KP6},
    {0xffb7, KEY_KP7}, {0xffb8, KEY_KP8}, {0xffb9, KEY_KP9}, {0xffbd, KEY_KPEQUAL},
    {0xffbe, KEY_F1}, {0xffbf, KEY_F2}, {0xffc0, KEY_F3}, {0xffc1, KEY_F4}, {0xffc2, KEY_F5},
    {0xffc3, KEY_F6}, {0xffc4, KEY_F7}, {0xffc5, KEY_F8}, {0xffc6, KEY_F9}, {0xffc7, KEY_F10},
    {0xffc8, KEY_F11}, {0xffc9, KEY_F12},
    {0xffe1, KEY_LEFTSHIFT}, {0xffe2, KEY_RIGHTSHIFT}, {0xffe3, KEY_LEFTCTRL},
    {0xffe4, KEY_RIGHTCTRL}, {0xffe5, KEY_CAPSLOCK}, {0xffe7, KEY_LEFTMETA},
    {0xffe8, KEY_RIGHTMETA}, {0xffe9, KEY_LEFTALT}, {0xffea, KEY_RIGHTALT},
    {0xffeb, KEY_LEFTMETA}, {0xffec, KEY_RIGHTMETA}, {0xffff, KEY_DELETE},
    {0x1008ff11, KEY_VOLUMEDOWN}, {0x1008ff12, KEY_MUTE}, {0x1008ff13, KEY_VOLUMEUP},
};

unsigned key_of_keysym(uint32_t keysym) {
    if (keysym >= ' ' && keysym <= '~')
        return printable[keysym - ' '];
    size_t lo = 0, hi = sizeof(others) / sizeof(others[0]);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (others[mid].keysym == keysym)
            return others[mid].key;
        if (others[mid].keysym < keysym)
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

unsigned key_of_xt(uint32_t code) {
    /* Linux's codes below 0x59 are set 1's, but for what nobody had */
    static const uint8_t extended[128] = {
        [0x10] = KEY_PREVIOUSSONG, [0x19] = KEY_NEXTSONG, [0x1c] = KEY_KPENTER,
        [0x1d] = KEY_RIGHTCTRL, [0x20] = KEY_MUTE, [0x22] = KEY_PLAYPAUSE, [0x24] = KEY_STOPCD,
        [0x2e] = KEY_VOLUMEDOWN, [0x30] = KEY_VOLUMEUP, [0x35] = KEY_KPSLASH, [0x37] = KEY_SYSRQ,
        [0x38] = KEY_RIGHTALT, [0x45] = KEY_NUMLOCK, [0x46] = KEY_PAUSE, [0x47] = KEY_HOME,
        [0x48] = KEY_UP, [0x49] = KEY_PAGEUP, [0x4b] = KEY_LEFT, [0x4d] = KEY_RIGHT,
        [0x4f] = KEY_END, [0x50] = KEY_DOWN, [0x51] = KEY_PAGEDOWN, [0x52] = KEY_INSERT,
        [0x53] = KEY_DELETE, [0x5b] = KEY_LEFTMETA, [0x5c] = KEY_RIGHTMETA, [0x5d] = KEY_COMPOSE,
        [0x5e] = KEY_POWER, [0x5f] = KEY_SLEEP, [0x63] = KEY_WAKEUP,
    };
    if (code >= 0x80)
        return code <= 0xff ? extended[code - 0x80] : 0;
    switch (code) {
    case 0x54: /* what Print Screen makes with Alt */
        return KEY_SYSRQ;
    case 0x70:
        return KEY_KATAKANAHIRAGANA;
    case 0x73:
        return KEY_RO;
    case 0x79:
        return KEY_HENKAN;
    case 0x7b:
        return KEY_MUHENKAN;
    case 0x7d:
        return KEY_YEN;
    default:
        return code <= KEY_F12 ? code : 0;
    }
}
