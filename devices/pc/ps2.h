/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PS/2 bus: what the i8042 and the keyboard and mouse at the ends of its two cables share. Both
 * are part of the controller's state. IBM PS/2 Hardware Interface Technical Reference (1990),
 * "Keyboard and Auxiliary Device Controller". One thread.
 */
#ifndef DEVICES_PC_PS2_H
#define DEVICES_PC_PS2_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fifo.h"
#include "core/input.h"
#include "core/state.h"

/* Bytes that go both ways on either cable */
enum { PS2_ACK = 0xfa, PS2_RESEND = 0xfe, PS2_BAT_OK = 0xaa };

/* A device's end of the cable: what it has to say, answers before reports. */
struct ps2_line {
    struct fifo answers; /* to the host's commands */
    struct fifo reports; /* scan codes, movement packets */
    uint8_t last;        /* for RESEND */
    void (*changed)(void *arg); /* wires: there may be something to fetch */
    void *arg;
};

struct ps2_kbd {
    /* registers */
    uint8_t leds, set, typematic;
    bool scanning;
    uint64_t no_break[4]; /* set 3: keys that send make codes only */
    /* hidden state */
    uint8_t command; /* waits for its parameter; 0: none */
    uint8_t shifts;  /* held: bits of enum in ps2_kbd.c, for Print Screen and Pause */
    struct ps2_line line;
    /* wires and derived */
    struct input_sink sink;
};

struct ps2_mouse {
    /* registers */
    uint8_t id, rate, resolution;
    bool remote, wrap, scale21, reporting;
    /* hidden state */
    uint8_t command;
    uint8_t knock[2];     /* the last two sample rates */
    uint8_t buttons;      /* held now: bits 0 to 4 left, right, middle, side, extra */
    uint8_t sent_buttons; /* as the host knows them */
    int32_t dx, dy, dz;   /* not reported yet; y is up */
    struct ps2_line line;
    /* wires and derived */
    struct input_sink sink;
};

extern const struct field ps2_kbd_fields[], ps2_mouse_fields[];

void ps2_kbd_init(struct ps2_kbd *kbd, struct input *input, void (*changed)(void *), void *arg);
void ps2_kbd_reset(struct ps2_kbd *kbd);
void ps2_kbd_write(struct ps2_kbd *kbd, uint8_t byte); /* from the host */

void ps2_mouse_init(struct ps2_mouse *mouse, struct input *input, void (*changed)(void *),
                    void *arg);
void ps2_mouse_reset(struct ps2_mouse *mouse);
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte);
/* A packet went: if more has happened since, the next one is made. */
void ps2_mouse_fetched(struct ps2_mouse *mouse);
/* A loaded mouse makes sense: false and `why` if not. */
bool ps2_mouse_loaded(const struct ps2_mouse *mouse, char *why, size_t why_len);

extern const struct field ps2_line_fields[];
void ps2_line_reset(struct ps2_line *line);
/* Puts all n bytes, or none when there is no room. */
bool ps2_report(struct ps2_line *line, const uint8_t *bytes, unsigned n);
void ps2_answer(struct ps2_line *line, uint8_t byte);
/* Nothing to send / the next byte, and in *answer which of the two it is. */
bool ps2_pending(const struct ps2_line *line, bool *answer);
uint8_t ps2_fetch(struct ps2_line *line);

#endif
