/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and pointers from people to chips. Codes are those of Linux's input-event-codes.h (KEY_*,
 * BTN_*), which are also what PV keyboards speak. Each event goes to the sink of its kind that was
 * enabled last. One thread.
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

enum { INPUT_X, INPUT_Y, INPUT_WHEEL, INPUT_ABS_MAX = 0x7fff };

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
    /* the router's own */
    struct input_sink *next;
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
void input_sync(struct input *input);

/* True when an absolute pointer takes events now: viewers then send positions, not motion. */
bool input_has_abs(const struct input *input);

#endif
