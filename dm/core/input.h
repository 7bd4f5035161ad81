/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and pointers from people to chips. Codes are those of Linux's input-event-codes.h (KEY_*,
 * BTN_*), which are also what PV keyboards speak. Each event goes to the sink of its kind that was
 * enabled last; what goes up, where it went down. One thread.
 */
#ifndef CORE_INPUT_H
#define CORE_INPUT_H

#include <stdbool.h>
#include <stdint.h>

enum input_kind {
    INPUT_KEY,    /* code KEY_*, value 1 down, 0 up */
    INPUT_BUTTON, /* code BTN_*, value 1 down, 0 up; goes where the last pointer event went */
    INPUT_REL,    /* code 0 x, 1 y, 2 wheel (+ is away from the user); value in counts */
    INPUT_ABS,    /* code 0 x, 1 y; value 0 to INPUT_ABS_MAX across the screen */
};

enum { INPUT_X, INPUT_Y, INPUT_WHEEL, INPUT_ABS_MAX = 0x7fff, INPUT_CODES = 0x300 };

/* Lights of a keyboard, as the PS/2's command EDh has them. */
enum { INPUT_LED_SCROLL = 1, INPUT_LED_NUM = 2, INPUT_LED_CAPS = 4 };

struct input_event {
    enum input_kind kind;
    uint16_t code;
    int32_t value;
};

struct input_sink {
    const char *name;
    unsigned kinds; /* 1 << INPUT_KEY | ... */
    void *dev;
    void (*event)(void *dev, const struct input_event *event);
    void (*sync)(void *dev); /* the end of a group that happened at once */
    unsigned (*leds)(void *dev); /* INPUT_LED_* that are on; NULL: there are none */
    /* the router's own */
    struct input_sink *next;
    uint64_t held[INPUT_CODES / 64]; /* KEY_* and BTN_* that went down here */
    bool enabled, touched;
};

struct input;

struct input *input_new(void);
void input_free(struct input *input);

/* The sink stays the caller's. It starts enabled. */
void input_add(struct input *input, struct input_sink *sink);
void input_remove(struct input *input, struct input_sink *sink);
/* Enabling one makes it the last enabled. */
void input_enable(struct input *input, struct input_sink *sink, bool enabled);

void input_send(struct input *input, const struct input_event *event);
/* The end of a group that happened at once. */
void input_sync(struct input *input);
/* Who looks at the screen is told of each group that reached a sink, by whatever way it came: the
 * guest may answer. There is one; NULL: nobody. */
void input_follow(struct input *input, void (*reached)(void *follower), void *follower);

/* True when an absolute pointer takes events now: viewers then send positions, not motion. */
bool input_has_abs(const struct input *input);
/* The lights of the keyboard that takes keys now: INPUT_LED_*, or -1 where none are known. */
int input_leds(const struct input *input);

#endif
