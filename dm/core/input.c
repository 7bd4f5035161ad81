/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of input sinks, last enabled first. See input.h.
 */
#include "input.h"

#include <stddef.h>

#include "mem.h"

struct input {
    struct input_sink *head;
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

void input_send(struct input *input, const struct input_event *event) {
    unsigned kinds = 1u << event->kind;
    /* A click belongs where the pointer moves: to the pointer enabled last, of either kind. */
    if (event->kind == INPUT_BUTTON || (event->kind == INPUT_REL && event->code == INPUT_WHEEL))
        kinds = 1u << INPUT_REL | 1u << INPUT_ABS;
    struct input_sink *sink = find(input, kinds);
    if (!sink)
        return;
    sink->event(sink->dev, event);
    sink->touched = true;
}

void input_sync(struct input *input) {
    for (struct input_sink *s = input->head; s; s = s->next) {
        if (s->touched && s->sync)
            s->sync(s->dev);
        s->touched = false;
    }
}

bool input_has_abs(const struct input *input) {
    const struct input_sink *s = find(input, 1u << INPUT_REL | 1u << INPUT_ABS);
    return s && (s->kinds & 1u << INPUT_ABS);
}

int input_leds(const struct input *input) {
    const struct input_sink *s = find(input, 1u << INPUT_KEY);
    return s && s->leds ? (int)s->leds(s->dev) : -1;
}
