/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of input sinks, last enabled first. See input.h.
 */
#include "input.h"

#include <stddef.h>
#include <string.h>

#include "bits.h"
#include "mem.h"

struct input {
    struct input_sink *head;
    void (*reached)(void *follower);
    void *follower;
};

struct input *input_new(void) {
    return mem_new(sizeof(struct input));
}

void input_free(struct input *input) {
    mem_free(input);
}

static void unlink_sink(struct input *input, struct input_sink *sink) {
    for (struct input_sink **p = &input->head; *p; p = &(*p)->next)
        if (*p == sink) {
            *p = sink->next;
            return;
        }
}

void input_add(struct input *input, struct input_sink *sink) {
    sink->enabled = true;
    sink->touched = false;
    memset(sink->held, 0, sizeof(sink->held));
    sink->next = input->head;
    input->head = sink;
}

void input_remove(struct input *input, struct input_sink *sink) {
    unlink_sink(input, sink);
}

void input_enable(struct input *input, struct input_sink *sink, bool enabled) {
    if (enabled && !sink->enabled) {
        unlink_sink(input, sink);
        input_add(input, sink);
    }
    sink->enabled = enabled;
}

static struct input_sink *find(const struct input *input, unsigned kinds) {
    for (struct input_sink *s = input->head; s; s = s->next)
        if (s->enabled && (s->kinds & kinds))
            return s;
    return NULL;
}

static void deliver(struct input_sink *sink, const struct input_event *event) {
    sink->event(sink->dev, event);
    sink->touched = true;
}

/* A device that is enabled while a key is down would have only its way up, and the one before it
 * the key down for ever. False: it is down nowhere. */
static bool let_go(struct input *input, const struct input_event *event) {
    bool held = false;
    for (struct input_sink *s = input->head; s; s = s->next) {
        if (!s->enabled || !bitmap_get(s->held, event->code))
            continue;
        bitmap_clear(s->held, event->code);
        deliver(s, event);
        held = true;
    }
    return held;
}

void input_send(struct input *input, const struct input_event *event) {
    bool is_key = (event->kind == INPUT_KEY || event->kind == INPUT_BUTTON) &&
                  event->code < INPUT_CODES;
    if (is_key && !event->value && let_go(input, event))
        return;
    unsigned kinds = 1u << event->kind;
    /* A click belongs where the pointer moves: to the pointer enabled last, of either kind. */
    if (event->kind == INPUT_BUTTON || (event->kind == INPUT_REL && event->code == INPUT_WHEEL))
        kinds = 1u << INPUT_REL | 1u << INPUT_ABS;
    struct input_sink *sink = find(input, kinds);
    if (!sink)
        return;
    if (is_key && event->value)
        bitmap_set(sink->held, event->code);
    deliver(sink, event);
}

void input_follow(struct input *input, void (*reached)(void *follower), void *follower) {
    input->reached = reached;
    input->follower = follower;
}

void input_sync(struct input *input) {
    bool any = false;
    for (struct input_sink *s = input->head; s; s = s->next) {
        if (s->touched && s->sync)
            s->sync(s->dev);
        any |= s->touched;
        s->touched = false;
    }
    if (any && input->reached)
        input->reached(input->follower);
}

bool input_has_abs(const struct input *input) {
    const struct input_sink *s = find(input, 1u << INPUT_REL | 1u << INPUT_ABS);
    return s && (s->kinds & 1u << INPUT_ABS);
}

int input_leds(const struct input *input) {
    const struct input_sink *s = find(input, 1u << INPUT_KEY);
    return s && s->leds ? (int)s->leds(s->dev) : -1;
}
