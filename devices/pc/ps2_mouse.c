/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 mouse with wheel and five buttons. IBM PS/2 Hardware Interface Technical Reference (1990),
 * "Mouse"; Microsoft's notes on the IntelliMouse and the five-button wheel mouse for the two
 * knocks, sample rates in a row, that turn the extensions on.
 *
 * Not modelled: the sample rate and the resolution are stored but don't pace or scale anything. A
 * packet is made when the host has fetched the one before, so that motion adds up while it is busy
 * and no timer runs.
 */
#include <linux/input-event-codes.h>
#include <stdio.h>

#include "core/bits.h"
#include "pc/ps2.h"

enum { /* commands from the host */
    CMD_SCALE_11 = 0xe6, CMD_SCALE_21 = 0xe7, CMD_RESOLUTION = 0xe8, CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea, CMD_READ = 0xeb, CMD_WRAP_OFF = 0xec, CMD_WRAP = 0xee, CMD_REMOTE = 0xf0,
    CMD_ID = 0xf2, CMD_RATE = 0xf3, CMD_ENABLE = 0xf4, CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe, CMD_RESET = 0xff,
};

enum { ID_STANDARD = 0, ID_WHEEL = 3, ID_EXPLORER = 4 };

enum { RATE_DEFAULT = 100, RESOLUTION_DEFAULT = 2 };

/* Motion that waits is bounded by what any screen needs. */
enum { MOTION_MAX = 0x10000 };

/* A packet of clicks may wait behind the one being read; more than these become one. */
enum { QUEUED_BYTES = 64 };

const struct field ps2_mouse_fields[] = {
    F_MAX(struct ps2_mouse, id, ID_EXPLORER),
    F(struct ps2_mouse, rate),
    F_MAX(struct ps2_mouse, resolution, 3),
    F(struct ps2_mouse, remote),
    F(struct ps2_mouse, wrap),
    F(struct ps2_mouse, scale21),
    F(struct ps2_mouse, reporting),
    F(struct ps2_mouse, command),
    F_ARRAY(struct ps2_mouse, knock),
    F(struct ps2_mouse, buttons),
    F(struct ps2_mouse, sent_buttons),
    F(struct ps2_mouse, dx),
    F(struct ps2_mouse, dy),
    F(struct ps2_mouse, dz),
    F_STRUCT(struct ps2_mouse, line, ps2_line_fields),
    F_END,
};

bool ps2_mouse_loaded(const struct ps2_mouse *mouse, char *why, size_t why_len) {
    const int32_t motion[] = {mouse->dx, mouse->dy, mouse->dz};
    for (unsigned i = 0; i < ARRAY_LEN(motion); i++)
        if (motion[i] < -MOTION_MAX || motion[i] > MOTION_MAX) {
            snprintf(why, why_len, "mouse motion d%c is %d, beyond %d", "xyz"[i], motion[i],
                     MOTION_MAX);
            return false;
        }
    return true;
}

/* ---- packets ---- */

static int clamp(int v, int lo, int hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

static unsigned button_mask(const struct ps2_mouse *mouse) {
    return mouse->id == ID_EXPLORER ? 0x1f : 0x07;
}

/* "Scaling 2:1" of the reference, for stream mode. The sums hold unscaled motion. */
static int scale(const struct ps2_mouse *mouse, int v) {
    static const uint8_t small[] = {0, 1, 1, 3, 6, 9};
    int magnitude = v < 0 ? -v : v;
    if (!mouse->scale21 || mouse->remote)
        return v;
    magnitude = magnitude < (int)ARRAY_LEN(small) ? small[magnitude] : 2 * magnitude;
    return v < 0 ? -magnitude : magnitude;
}

/* Takes from the sum what fits nine bits with its sign. -256 is left out: drivers that look at the
 * low byte alone take it for no motion. */
static int take(const struct ps2_mouse *mouse, int32_t *sum) {
    int limit = mouse->scale21 && !mouse->remote ? 127 : 255;
    int v = clamp(*sum, -limit, limit);
    *sum -= v;
    return scale(mouse, v);
}

static unsigned make_packet(struct ps2_mouse *mouse, uint8_t packet[4]) {
    int dx = take(mouse, &mouse->dx), dy = take(mouse, &mouse->dy);
    int dz = clamp(mouse->dz, -8, 7);
    mouse->dz -= dz;
    packet[0] = (uint8_t)(0x08 | (mouse->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0));
    packet[1] = (uint8_t)dx;
    packet[2] = (uint8_t)dy;
    packet[3] = (uint8_t)dz;
    if (mouse->id == ID_EXPLORER)
        packet[3] = (uint8_t)((dz & 0x0f) | (mouse->buttons >> 3 & 3) << 4);
    mouse->sent_buttons = mouse->buttons;
    return mouse->id == ID_STANDARD ? 3 : 4;
}

static bool has_news(const struct ps2_mouse *mouse) {
    return mouse->dx || mouse->dy || (mouse->dz && mouse->id != ID_STANDARD) ||
           (mouse->buttons ^ mouse->sent_buttons) & button_mask(mouse);
}

static bool streams(const struct ps2_mouse *mouse) {
    return mouse->reporting && !mouse->remote && !mouse->wrap;
}

static void stream_packet(struct ps2_mouse *mouse) {
    uint8_t packet[4];
    unsigned n = make_packet(mouse, packet);
    ps2_report(&mouse->line, packet, n);
}

void ps2_mouse_fetched(struct ps2_mouse *mouse) {
    if (streams(mouse) && !mouse->line.reports.count && has_news(mouse))
        stream_packet(mouse);
}

/* ---- from people ---- */

static void move(int32_t *sum, int64_t by) {
    int64_t v = *sum + by;
    *sum = (int32_t)(v < -MOTION_MAX ? -MOTION_MAX : v > MOTION_MAX ? MOTION_MAX : v);
}

static void button(struct ps2_mouse *mouse, unsigned code, bool down) {
    static const uint16_t codes[] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA};
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i] != code)
            continue;
        /* a click that the host hasn't seen yet must not vanish under the next change */
        if (streams(mouse) && (mouse->buttons ^ mouse->sent_buttons) & button_mask(mouse) &&
            mouse->line.reports.count <= QUEUED_BYTES)
            stream_packet(mouse);
        mouse->buttons = (uint8_t)(down ? mouse->buttons | 1u << i : mouse->buttons & ~(1u << i));
    }
}

static void mouse_event(void *dev, const struct input_event *event) {
    struct ps2_mouse *mouse = dev;
    if (event->kind == INPUT_BUTTON)
        button(mouse, event->code, event->value);
    else if (!mouse->reporting)
        return;
    else if (event->code == INPUT_X)
        move(&mouse->dx, event->value);
    else if (event->code == INPUT_Y)
        move(&mouse->dy, -(int64_t)event->value); /* the screen's y is down */
    else if (event->code == INPUT_WHEEL)
        move(&mouse->dz, -(int64_t)event->value); /* the mouse counts towards the user */
}

static void mouse_sync(void *dev) {
    ps2_mouse_fetched(dev);
}

/* ---- commands ---- */

static void forget_motion(struct ps2_mouse *mouse) {
    mouse->dx = mouse->dy = mouse->dz = 0;
    fifo_reset(&mouse->line.reports);
}

static void defaults(struct ps2_mouse *mouse) {
    mouse->rate = RATE_DEFAULT;
    mouse->resolution = RESOLUTION_DEFAULT;
    mouse->scale21 = mouse->remote = mouse->wrap = mouse->reporting = false;
    forget_motion(mouse);
}

static void set_rate(struct ps2_mouse *mouse, uint8_t rate) {
    if (mouse->knock[0] == 200 && rate == 80)
        mouse->id = mouse->knock[1] == 100   ? ID_WHEEL
                    : mouse->knock[1] == 200 ? ID_EXPLORER
                                             : mouse->id;
    mouse->knock[0] = mouse->knock[1];
    mouse->knock[1] = rate;
    mouse->rate = rate;
}

static void parameter(struct ps2_mouse *mouse, uint8_t command, uint8_t val) {
    if (command == CMD_RATE) {
        set_rate(mouse, val);
    } else if (val <= 3) {
        mouse->resolution = val;
    } else {
        ps2_answer(&mouse->line, PS2_RESEND);
        return;
    }
    ps2_answer(&mouse->line, PS2_ACK);
}

static void answer_status(struct ps2_mouse *mouse) {
    uint8_t b = mouse->buttons;
    ps2_answer(&mouse->line,
               (uint8_t)((mouse->remote ? 0x40 : 0) | (mouse->reporting ? 0x20 : 0) |
                         (mouse->scale21 ? 0x10 : 0) | (b & 1) << 2 | (b & 4) >> 1 | (b & 2) >> 1));
    ps2_answer(&mouse->line, mouse->resolution);
    ps2_answer(&mouse->line, mouse->rate);
}

static void answer_packet(struct ps2_mouse *mouse) {
    uint8_t packet[4];
    unsigned n = make_packet(mouse, packet);
    for (unsigned i = 0; i < n; i++)
        ps2_answer(&mouse->line, packet[i]);
}

static void act(struct ps2_mouse *mouse, uint8_t cmd) {
    switch (cmd) {
    case CMD_SCALE_11:
    case CMD_SCALE_21:
        mouse->scale21 = cmd == CMD_SCALE_21;
        break;
    case CMD_RESOLUTION:
    case CMD_RATE:
        mouse->command = cmd;
        break;
    case CMD_STATUS:
        answer_status(mouse);
        break;
    case CMD_STREAM:
    case CMD_REMOTE:
        mouse->remote = cmd == CMD_REMOTE;
        break;
    case CMD_READ:
        answer_packet(mouse);
        break;
    case CMD_WRAP_OFF:
    case CMD_WRAP:
        mouse->wrap = cmd == CMD_WRAP;
        break;
    case CMD_ID:
        ps2_answer(&mouse->line, mouse->id);
        break;
    case CMD_ENABLE:
    case CMD_DISABLE:
        mouse->reporting = cmd == CMD_ENABLE;
        forget_motion(mouse);
        break;
    case CMD_DEFAULTS:
        defaults(mouse);
        break;
    }
}

static void reset_by_host(struct ps2_mouse *mouse) {
    uint8_t held = mouse->buttons;
    ps2_mouse_reset(mouse);
    mouse->buttons = held;
    ps2_answer(&mouse->line, PS2_ACK);
    ps2_answer(&mouse->line, PS2_BAT_OK);
    ps2_answer(&mouse->line, ID_STANDARD);
}

void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte) {
    uint8_t command = mouse->command, last = mouse->line.last;
    mouse->command = 0;
    /* a command cuts off the packet under way, and the rest of an earlier answer */
    fifo_reset(&mouse->line.reports);
    if (byte != CMD_RESEND)
        fifo_reset(&mouse->line.answers);
    if (byte == CMD_RESET) {
        reset_by_host(mouse);
    } else if (mouse->wrap && byte != CMD_WRAP_OFF) {
        ps2_answer(&mouse->line, byte);
    } else if (command) {
        parameter(mouse, command, byte);
    } else if (byte == CMD_RESEND) {
        ps2_answer(&mouse->line, last);
    } else if ((byte >= CMD_SCALE_11 && byte <= CMD_WRAP_OFF) || byte == CMD_WRAP ||
               byte == CMD_REMOTE || (byte >= CMD_ID && byte <= CMD_DEFAULTS)) {
        ps2_answer(&mouse->line, PS2_ACK);
        act(mouse, byte);
    } else {
        ps2_answer(&mouse->line, PS2_RESEND);
    }
}

/* ---- life ---- */

void ps2_mouse_reset(struct ps2_mouse *mouse) {
    mouse->id = ID_STANDARD;
    mouse->command = mouse->buttons = mouse->sent_buttons = 0;
    mouse->knock[0] = mouse->knock[1] = 0;
    defaults(mouse);
    ps2_line_reset(&mouse->line);
}

void ps2_mouse_init(struct ps2_mouse *mouse, struct input *input, void (*changed)(void *),
                    void *arg) {
    mouse->line.changed = changed;
    mouse->line.arg = arg;
    mouse->sink = (struct input_sink){.name = "PS/2 mouse",
                                      .kinds = 1u << INPUT_REL | 1u << INPUT_BUTTON,
                                      .dev = mouse,
                                      .event = mouse_event,
                                      .sync = mouse_sync};
    input_add(input, &mouse->sink);
}
