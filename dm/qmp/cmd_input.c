/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typing and pointing. Keys of send-key are held for a while on the guest's clock and come one
 * after the other, so that a burst of commands doesn't overrun the keyboard.
 */
#include <linux/input-event-codes.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "internal.h"

enum { KEYS_MAX = 2048, HOLD_MS = 100, HOLD_MAX_MS = 60000, CHORD_MAX = 16 };

/* What is still to be typed: events, and rests between them. */
struct keys {
    struct input *input;
    struct timer timer;
    struct {
        uint16_t code;
        bool down;
        uint16_t rest; /* ms after it */
    } queue[KEYS_MAX];
    unsigned head, count;
};

void keys_free(struct qmp *qmp) {
    if (!qmp->keys)
        return;
    timer_off(&qmp->keys->timer);
    mem_free(qmp->keys);
    qmp->keys = NULL;
}

static void send_event(struct input *input, enum input_kind kind, unsigned code, int value) {
    const struct input_event event = {kind, (uint16_t)code, value};
    input_send(input, &event);
}

/* Types up to the next rest. */
static void type_on(void *dev) {
    struct keys *keys = dev;
    while (keys->count) {
        unsigned at = keys->head, rest = keys->queue[at].rest;
        keys->head = (at + 1) % KEYS_MAX;
        keys->count--;
        send_event(keys->input, INPUT_KEY, keys->queue[at].code, keys->queue[at].down);
        input_sync(keys->input);
        if (rest) {
            timer_after(&keys->timer, rest * NS_PER_MS);
            return;
        }
    }
}

static void enqueue(struct keys *keys, unsigned code, bool down, unsigned rest) {
    unsigned at = (keys->head + keys->count++) % KEYS_MAX;
    keys->queue[at].code = (uint16_t)code;
    keys->queue[at].down = down;
    keys->queue[at].rest = (uint16_t)rest;
}

static struct keys *get_keys(struct qmp *qmp) {
    if (!qmp->keys) {
        qmp->keys = mem_new(sizeof(*qmp->keys));
        qmp->keys->input = qmp->machine->input;
        timer_init(&qmp->keys->timer, qmp->machine->clock, type_on, qmp->keys);
    }
    return qmp->keys;
}

/* {"type": "qcode", "data": "ret"} or {"type": "number", "data": 28}; 0 after call_fail. */
static unsigned take_key(struct call *call, struct json_object *value) {
    struct json_object *type = NULL, *data = NULL;
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_get_ex(value, "type", &type);
        json_object_object_get_ex(value, "data", &data);
    }
    const char *kind = json_object_is_type(type, json_type_string) ? json_object_get_string(type)
                                                                   : "";
    if (!strcmp(kind, "qcode") && json_object_is_type(data, json_type_string)) {
        unsigned key = key_by_name(json_object_get_string(data));
        if (!key)
            call_fail(call, GENERIC_ERROR, "there is no key \"%.64s\"",
                      json_object_get_string(data));
        return key;
    }
    if (!strcmp(kind, "number") && json_object_is_type(data, json_type_int)) {
        unsigned key = key_by_number(json_object_get_int64(data));
        if (!key)
            call_fail(call, GENERIC_ERROR, "there is no key with scan code %lld",
                      (long long)json_object_get_int64(data));
        return key;
    }
    call_fail(call, GENERIC_ERROR, "a key is {\"type\": \"qcode\", \"data\": name} or "
              "{\"type\": \"number\", \"data\": scan code}");
    return 0;
}

static struct json_object *cmd_send_key(struct call *call) {
    struct json_object *list = arg_get(call, "keys");
    size_t n = json_object_array_length(list);
    int64_t hold = arg_int(call, "hold-time", HOLD_MS);
    unsigned chord[CHORD_MAX];
    if (n == 0 || n > CHORD_MAX)
        return call_fail(call, GENERIC_ERROR, "send-key takes 1 to %u keys", CHORD_MAX);
    if (hold < 1 || hold > HOLD_MAX_MS)
        return call_fail(call, GENERIC_ERROR, "hold-time must be 1 to %u ms", HOLD_MAX_MS);
    for (size_t i = 0; i < n; i++) {
        chord[i] = take_key(call, json_object_array_get_idx(list, i));
        if (!chord[i])
            return NULL;
    }
    struct keys *keys = get_keys(call->qmp);
    if (keys->count + 2 * n > KEYS_MAX)
        return call_fail(call, GENERIC_ERROR, "too many keys wait to be typed");
    for (size_t i = 0; i < n; i++)
        enqueue(keys, chord[i], true, i == n - 1 ? (unsigned)hold : 0);
    for (size_t i = n; i-- > 0;)
        enqueue(keys, chord[i], false, i == 0 ? (unsigned)hold : 0);
    if (!timer_is_on(&keys->timer))
        type_on(keys);
    return NULL;
}

static int64_t member_int(struct json_object *object, const char *name) {
    struct json_object *value = NULL;
    json_object_object_get_ex(object, name, &value);
    return json_object_get_int64(value);
}

static const char *member_text(struct json_object *object, const char *name) {
    struct json_object *value = NULL;
    json_object_object_get_ex(object, name, &value);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static bool member_bool(struct json_object *object, const char *name) {
    struct json_object *value = NULL;
    json_object_object_get_ex(object, name, &value);
    return json_object_get_boolean(value);
}

static bool button_event(struct call *call, struct json_object *data, struct input_event *event) {
    static const struct {
        const char *name;
        uint16_t code;
    } buttons[] = {{"left", BTN_LEFT}, {"middle", BTN_MIDDLE}, {"right", BTN_RIGHT},
                   {"side", BTN_SIDE}, {"extra", BTN_EXTRA}};
    const char *name = member_text(data, "button");
    bool down = member_bool(data, "down");
    *event = (struct input_event){INPUT_BUTTON, 0, down};
    for (unsigned i = 0; i < ARRAY_LEN(buttons); i++)
        if (!strcmp(buttons[i].name, name))
            event->code = buttons[i].code;
    bool up = !strcmp(name, "wheel-up");
    if (up || !strcmp(name, "wheel-down")) {
        *event = (struct input_event){INPUT_REL, INPUT_WHEEL, !down ? 0 : up ? 1 : -1};
        return true;
    }
    if (!event->code)
        call_fail(call, GENERIC_ERROR, "there is no button \"%.64s\"", name);
    return event->code != 0;
}

static bool axis_event(struct call *call, struct json_object *data, bool absolute,
                       struct input_event *event) {
    const char *axis = member_text(data, "axis");
    int64_t value = member_int(data, "value");
    int64_t low = absolute ? 0 : -INPUT_ABS_MAX;
    if (strcmp(axis, "x") && strcmp(axis, "y")) {
        call_fail(call, GENERIC_ERROR, "there is no axis \"%.64s\"", axis);
        return false;
    }
    value = MAX(low, MIN(value, (int64_t)INPUT_ABS_MAX));
    *event = (struct input_event){absolute ? INPUT_ABS : INPUT_REL,
                                  *axis == 'x' ? INPUT_X : INPUT_Y, (int32_t)value};
    return true;
}

static bool take_event(struct call *call, struct json_object *value, struct input_event *event) {
    struct json_object *data = NULL, *key = NULL;
    if (json_object_is_type(value, json_type_object))
        json_object_object_get_ex(value, "data", &data);
    if (!json_object_is_type(data, json_type_object)) {
        call_fail(call, GENERIC_ERROR, "an event is {\"type\": name, \"data\": object}");
        return false;
    }
    const char *type = member_text(value, "type");
    if (!strcmp(type, "btn"))
        return button_event(call, data, event);
    if (!strcmp(type, "rel") || !strcmp(type, "abs"))
        return axis_event(call, data, *type == 'a', event);
    if (!strcmp(type, "key")) {
        json_object_object_get_ex(data, "key", &key);
        *event = (struct input_event){INPUT_KEY, (uint16_t)take_key(call, key),
                                      member_bool(data, "down")};
        return !call->failed;
    }
    call_fail(call, GENERIC_ERROR, "there is no event \"%.64s\"; there are key, btn, rel and abs",
              type);
    return false;
}

/* All of them or, when one is wrong, none. */
static struct json_object *cmd_send_event(struct call *call) {
    struct json_object *list = arg_get(call, "events");
    struct input_event event;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (!take_event(call, json_object_array_get_idx(list, i), &event))
            return NULL;
    struct input *input = call->qmp->machine->input;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        take_event(call, json_object_array_get_idx(list, i), &event);
        input_send(input, &event);
    }
    input_sync(input);
    return NULL;
}

const struct command input_commands[] = {
    {"send-key", "keys:a,?hold-time:i", 0, cmd_send_key},
    {"input-send-event", "events:a,?device:s,?head:i", 0, cmd_send_event},
    {NULL, NULL, 0, NULL},
};
