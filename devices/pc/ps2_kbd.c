/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 keyboard with 101 to 106 keys and the usual multimedia ones: scan code sets 1, 2 and 3. IBM
 * PS/2 Hardware Interface Technical Reference (1990), "Keyboards (101- and 102-Key)"; Microsoft's
 * "Keyboard Scan Code Specification" 1.3a for the keys that came later.
 *
 * Not modelled: auto-repeat (a viewer sends the repeated key itself, and no timer runs), the fake
 * shift codes around the grey keys when Num Lock or Shift is on (no system depends on them), the
 * half second of the self test.
 */
#include <linux/input-event-codes.h>
#include <string.h>

#include "core/bits.h"
#include "pc/ps2.h"

enum { /* commands from the host */
    CMD_LEDS = 0xed, CMD_ECHO = 0xee, CMD_SET = 0xf0, CMD_ID = 0xf2, CMD_TYPEMATIC = 0xf3,
    CMD_ENABLE = 0xf4, CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6, CMD_ALL_TYPEMATIC = 0xf7,
    CMD_ALL_MAKE_BREAK = 0xf8, CMD_ALL_MAKE = 0xf9, CMD_ALL_TYPEMATIC_BREAK = 0xfa,
    CMD_KEY_TYPEMATIC = 0xfb, CMD_KEY_MAKE_BREAK = 0xfc, CMD_KEY_MAKE = 0xfd, CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};

enum { TYPEMATIC_DEFAULT = 0x2b }; /* 10.9 characters a second after 500 ms */

enum { HELD_SHIFT = 1, HELD_CTRL = 2, HELD_ALT = 4 };

const struct field ps2_kbd_fields[] = {
    F(struct ps2_kbd, leds),
    F_MAX(struct ps2_kbd, set, 3),
    F(struct ps2_kbd, typematic),
    F(struct ps2_kbd, scanning),
    F_ARRAY(struct ps2_kbd, no_break),
    F(struct ps2_kbd, command),
    F(struct ps2_kbd, shifts),
    F_STRUCT(struct ps2_kbd, line, ps2_line_fields),
    F_END,
};

/* ---- the codes of keys ---- */

enum { E0 = 0x100 };

/*
 * Set 1 codes by KEY_*. Linux numbered its keys after set 1, so that the first 83 and F11 and F12
 * are their own codes; only the others stand here.
 */
static const uint16_t set1_codes[256] = {
    [KEY_ZENKAKUHANKAKU] = 0x76, [KEY_102ND] = 0x56, [KEY_F11] = 0x57, [KEY_F12] = 0x58,
    [KEY_RO] = 0x73, [KEY_KATAKANA] = 0x78, [KEY_HIRAGANA] = 0x77, [KEY_HENKAN] = 0x79,
    [KEY_KATAKANAHIRAGANA] = 0x70, [KEY_MUHENKAN] = 0x7b, [KEY_KPJPCOMMA] = 0x5c,
    [KEY_KPENTER] = E0 | 0x1c, [KEY_RIGHTCTRL] = E0 | 0x1d, [KEY_KPSLASH] = E0 | 0x35,
    [KEY_RIGHTALT] = E0 | 0x38, [KEY_HOME] = E0 | 0x47, [KEY_UP] = E0 | 0x48,
    [KEY_PAGEUP] = E0 | 0x49, [KEY_LEFT] = E0 | 0x4b, [KEY_RIGHT] = E0 | 0x4d,
    [KEY_END] = E0 | 0x4f, [KEY_DOWN] = E0 | 0x50, [KEY_PAGEDOWN] = E0 | 0x51,
    [KEY_INSERT] = E0 | 0x52, [KEY_DELETE] = E0 | 0x53, [KEY_MUTE] = E0 | 0x20,
    [KEY_VOLUMEDOWN] = E0 | 0x2e, [KEY_VOLUMEUP] = E0 | 0x30, [KEY_POWER] = E0 | 0x5e,
    [KEY_KPEQUAL] = 0x59, [KEY_KPCOMMA] = 0x7e, [KEY_HANGEUL] = 0x72, [KEY_HANJA] = 0x71,
    [KEY_YEN] = 0x7d, [KEY_LEFTMETA] = E0 | 0x5b, [KEY_RIGHTMETA] = E0 | 0x5c,
    [KEY_COMPOSE] = E0 | 0x5d, [KEY_STOP] = E0 | 0x68, [KEY_CALC] = E0 | 0x21,
    [KEY_SLEEP] = E0 | 0x5f, [KEY_WAKEUP] = E0 | 0x63, [KEY_MAIL] = E0 | 0x6c,
    [KEY_BOOKMARKS] = E0 | 0x66, [KEY_COMPUTER] = E0 | 0x6b, [KEY_BACK] = E0 | 0x6a,
    [KEY_FORWARD] = E0 | 0x69, [KEY_NEXTSONG] = E0 | 0x19, [KEY_PLAYPAUSE] = E0 | 0x22,
    [KEY_PREVIOUSSONG] = E0 | 0x10, [KEY_STOPCD] = E0 | 0x24, [KEY_HOMEPAGE] = E0 | 0x32,
    [KEY_REFRESH] = E0 | 0x67, [KEY_SEARCH] = E0 | 0x65, [KEY_MEDIA] = E0 | 0x6d,
    [KEY_F13] = 0x64, [KEY_F14] = 0x65, [KEY_F15] = 0x66, [KEY_F16] = 0x67, [KEY_F17] = 0x68,
    [KEY_F18] = 0x69, [KEY_F19] = 0x6a, [KEY_F20] = 0x6b, [KEY_F21] = 0x6c, [KEY_F22] = 0x6d,
    [KEY_F23] = 0x6e, [KEY_F24] = 0x76,
};

/* The set 2 code of each set 1 code, with or without the E0 prefix alike; 0: no such key. */
static const uint8_t set2_codes[128] = {
    0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
    0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
    0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f,
    0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e,
};

/* Set 3: the keys whose code is not that of set 2. Technical Reference, "Scan Code Set 3". */
static const uint8_t set3_codes[256] = {
    [KEY_ESC] = 0x08, [KEY_F1] = 0x07, [KEY_F2] = 0x0f, [KEY_F3] = 0x17, [KEY_F4] = 0x1f,
    [KEY_F5] = 0x27, [KEY_F6] = 0x2f, [KEY_F7] = 0x37, [KEY_F8] = 0x3f, [KEY_F9] = 0x47,
    [KEY_F10] = 0x4f, [KEY_F11] = 0x56, [KEY_F12] = 0x5e, [KEY_SYSRQ] = 0x57,
    [KEY_SCROLLLOCK] = 0x5f, [KEY_PAUSE] = 0x62, [KEY_LEFTCTRL] = 0x11, [KEY_LEFTALT] = 0x19,
    [KEY_RIGHTALT] = 0x39, [KEY_RIGHTCTRL] = 0x58, [KEY_CAPSLOCK] = 0x14, [KEY_BACKSLASH] = 0x5c,
    [KEY_102ND] = 0x13, [KEY_INSERT] = 0x67, [KEY_DELETE] = 0x64, [KEY_HOME] = 0x6e,
    [KEY_END] = 0x65, [KEY_PAGEUP] = 0x6f, [KEY_PAGEDOWN] = 0x6d, [KEY_LEFT] = 0x61,
    [KEY_UP] = 0x63, [KEY_DOWN] = 0x60, [KEY_RIGHT] = 0x6a, [KEY_NUMLOCK] = 0x76,
    [KEY_KPSLASH] = 0x77, [KEY_KPASTERISK] = 0x7e, [KEY_KPMINUS] = 0x84, [KEY_KPPLUS] = 0x7c,
    [KEY_KPENTER] = 0x79, [KEY_LEFTMETA] = 0x8b, [KEY_RIGHTMETA] = 0x8c, [KEY_COMPOSE] = 0x8d,
};

static unsigned set1_code(unsigned key) {
    return key <= KEY_KPDOT ? key : key < ARRAY_LEN(set1_codes) ? set1_codes[key] : 0;
}

static uint8_t set3_code(unsigned key) {
    if (key < ARRAY_LEN(set3_codes) && set3_codes[key])
        return set3_codes[key];
    unsigned code = set1_code(key);
    return code && code < E0 ? set2_codes[code] : 0;
}

/* ---- what a key sends ---- */

/* At most this many bytes: Pause in set 2 */
enum { KEY_BYTES = 8 };

struct codes {
    uint8_t byte[KEY_BYTES];
    unsigned n;
};

static void add(struct codes *c, uint8_t byte) {
    c->byte[c->n++] = byte;
}

/* One code of set 1 or 2, from its set 1 code. */
static void add_code(struct codes *c, unsigned set, unsigned code, bool down) {
    if (code & E0)
        add(c, 0xe0);
    if (set == 1) {
        add(c, (uint8_t)((code & 0x7f) | (down ? 0 : 0x80)));
    } else {
        if (!down)
            add(c, 0xf0);
        add(c, set2_codes[code & 0x7f]);
    }
}

/* Pause has no break code: it sends both at once. With Ctrl it is Break, E0 46. */
static void add_pause(struct codes *c, const struct ps2_kbd *kbd, bool down) {
    if (!down)
        return;
    if (kbd->shifts & HELD_CTRL) {
        add_code(c, kbd->set, E0 | 0x46, true);
        add_code(c, kbd->set, E0 | 0x46, false);
        return;
    }
    for (unsigned make = 2; make-- > 0;) {
        add(c, 0xe1);
        add_code(c, kbd->set, 0x1d, make);
        add_code(c, kbd->set, 0x45, make);
    }
}

/* Print Screen brings its own shift, unless one is held; with Alt it is SysRq. */
static void add_print_screen(struct codes *c, const struct ps2_kbd *kbd, bool down) {
    if (kbd->shifts & HELD_ALT) {
        add_code(c, kbd->set, 0x54, down);
        return;
    }
    bool bare = !(kbd->shifts & (HELD_SHIFT | HELD_CTRL));
    if (bare && down)
        add_code(c, kbd->set, E0 | 0x2a, true);
    add_code(c, kbd->set, E0 | 0x37, down);
    if (bare && !down)
        add_code(c, kbd->set, E0 | 0x2a, false);
}

static void add_set3(struct codes *c, const struct ps2_kbd *kbd, unsigned key, bool down) {
    uint8_t code = set3_code(key);
    if (!code || (!down && bitmap_get(kbd->no_break, code)))
        return;
    if (!down)
        add(c, 0xf0);
    add(c, code);
}

static void note_shift(struct ps2_kbd *kbd, unsigned key, bool down) {
    uint8_t bit = key == KEY_LEFTSHIFT || key == KEY_RIGHTSHIFT ? HELD_SHIFT
                  : key == KEY_LEFTCTRL || key == KEY_RIGHTCTRL ? HELD_CTRL
                  : key == KEY_LEFTALT || key == KEY_RIGHTALT   ? HELD_ALT
                                                                : 0;
    kbd->shifts = (uint8_t)(down ? kbd->shifts | bit : kbd->shifts & ~bit);
}

/* A full buffer loses whole keys, and says so with the overrun code once there is room for it. */
static void key_event(void *dev, const struct input_event *event) {
    struct ps2_kbd *kbd = dev;
    bool down = event->value;
    struct codes c = {.n = 0};
    note_shift(kbd, event->code, down);
    if (!kbd->scanning)
        return;
    if (kbd->set == 3)
        add_set3(&c, kbd, event->code, down);
    else if (event->code == KEY_PAUSE)
        add_pause(&c, kbd, down);
    else if (event->code == KEY_SYSRQ)
        add_print_screen(&c, kbd, down);
    else if (set1_code(event->code))
        add_code(&c, kbd->set, set1_code(event->code), down);
    uint8_t overrun = kbd->set == 1 ? 0xff : 0x00;
    if (c.n && kbd->line.reports.count + c.n >= FIFO_LEN)
        ps2_report(&kbd->line, &overrun, 1);
    else if (c.n)
        ps2_report(&kbd->line, c.byte, c.n);
}

/* ---- commands ---- */

static void all_breaks(struct ps2_kbd *kbd, bool on) {
    memset(kbd->no_break, on ? 0 : 0xff, sizeof(kbd->no_break));
}

/* Set 3 after power-on: only the shifting keys of the left and Caps Lock say when they go up. */
static void defaults(struct ps2_kbd *kbd) {
    static const uint8_t breaking[] = {0x11, 0x12, 0x14, 0x19, 0x39, 0x58, 0x59};
    kbd->set = 2;
    kbd->typematic = TYPEMATIC_DEFAULT;
    all_breaks(kbd, false);
    for (unsigned i = 0; i < sizeof(breaking); i++)
        bitmap_clear(kbd->no_break, breaking[i]);
}

static void parameter(struct ps2_kbd *kbd, uint8_t command, uint8_t val) {
    ps2_answer(&kbd->line, PS2_ACK);
    switch (command) {
    case CMD_LEDS:
        kbd->leds = val & 7;
        break;
    case CMD_TYPEMATIC:
        kbd->typematic = val & 0x7f;
        break;
    case CMD_SET:
        if (val == 0)
            ps2_answer(&kbd->line, kbd->set);
        else
            kbd->set = val;
        fifo_reset(&kbd->line.reports);
        break;
    case CMD_KEY_TYPEMATIC:
    case CMD_KEY_MAKE:
        bitmap_set(kbd->no_break, val);
        kbd->command = command; /* the list goes on until the next command */
        break;
    case CMD_KEY_MAKE_BREAK:
        bitmap_clear(kbd->no_break, val);
        kbd->command = command;
        break;
    }
}

/* What the parameter of a command may be; anything else is the next command. */
static bool is_parameter(uint8_t command, uint8_t val) {
    return command && (command == CMD_SET ? val <= 3 : command == CMD_LEDS ? val < 8 : val < 0x80);
}

static void reset_by_host(struct ps2_kbd *kbd) {
    ps2_kbd_reset(kbd);
    ps2_answer(&kbd->line, PS2_ACK);
    ps2_answer(&kbd->line, PS2_BAT_OK);
}

static void plain_command(struct ps2_kbd *kbd, uint8_t cmd) {
    ps2_answer(&kbd->line, PS2_ACK);
    switch (cmd) {
    case CMD_ID:
        ps2_answer(&kbd->line, 0xab);
        ps2_answer(&kbd->line, 0x83);
        break;
    case CMD_ENABLE:
        fifo_reset(&kbd->line.reports);
        kbd->scanning = true;
        break;
    case CMD_DISABLE:
    case CMD_DEFAULTS:
        fifo_reset(&kbd->line.reports);
        defaults(kbd);
        kbd->scanning = cmd == CMD_DEFAULTS;
        break;
    case CMD_ALL_TYPEMATIC:
    case CMD_ALL_MAKE:
        all_breaks(kbd, false);
        break;
    case CMD_ALL_MAKE_BREAK:
    case CMD_ALL_TYPEMATIC_BREAK:
        all_breaks(kbd, true);
        break;
    }
}

void ps2_kbd_write(struct ps2_kbd *kbd, uint8_t byte) {
    uint8_t command = kbd->command, last = kbd->line.last;
    kbd->command = 0;
    if (byte != CMD_RESEND)
        fifo_reset(&kbd->line.answers);
    if (is_parameter(command, byte)) {
        parameter(kbd, command, byte);
        return;
    }
    switch (byte) {
    case CMD_LEDS:
    case CMD_SET:
    case CMD_TYPEMATIC:
    case CMD_KEY_TYPEMATIC:
    case CMD_KEY_MAKE_BREAK:
    case CMD_KEY_MAKE:
        kbd->command = byte;
        ps2_answer(&kbd->line, PS2_ACK);
        break;
    case CMD_ECHO:
        ps2_answer(&kbd->line, CMD_ECHO);
        break;
    case CMD_RESEND:
        ps2_answer(&kbd->line, last);
        break;
    case CMD_RESET:
        reset_by_host(kbd);
        break;
    case CMD_ID:
    case CMD_ENABLE ... CMD_ALL_TYPEMATIC_BREAK:
        plain_command(kbd, byte);
        break;
    default:
        ps2_answer(&kbd->line, PS2_RESEND);
    }
}

/* ---- life ---- */

static unsigned leds(void *dev) {
    const struct ps2_kbd *kbd = dev;
    return kbd->leds & 7u;
}

void ps2_kbd_reset(struct ps2_kbd *kbd) {
    kbd->leds = 0;
    kbd->scanning = true;
    kbd->command = kbd->shifts = 0;
    defaults(kbd);
    ps2_line_reset(&kbd->line);
}

void ps2_kbd_init(struct ps2_kbd *kbd, struct input *input, void (*changed)(void *), void *arg) {
    kbd->line.changed = changed;
    kbd->line.arg = arg;
    kbd->sink = (struct input_sink){
        .name = "PS/2 keyboard", .kinds = 1u << INPUT_KEY, .dev = kbd, .event = key_event,
        .leds = leds};
    input_add(input, &kbd->sink);
}
