/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When viewers look at the guest's screen: as seldom as nobody minds. Devices tell of changes that
 * they know of, and those of linear framebuffers have to be asked for, which costs the guest a
 * pause each time. Pure; times are in ns of any clock that only goes forward. One thread.
 *
 * A look comes at once, as such things go, after what people do and what a device tells of.
 * Else a change is seen after a quarter of the time that it took to come, from the last change but
 * one: who has waited for two seconds waits for half a second more at most, of pictures that follow
 * each other every one is seen, and a cursor that blinks costs few looks.
 *
 * Looks, with the updates made of them, have a fifth of the CPU at most, as long as ten of them a
 * second have: the rest is the guest's, which pauses for each look and faults on each page that it
 * writes after it. Only what people do is answered before that.
 */
#ifndef HOST_VNC_PACE_H
#define HOST_VNC_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct vnc_pace {
    uint64_t looked;     /* last */
    uint64_t active;     /* when a change was last seen, or somebody did something */
    uint64_t gap;        /* from the change before to that one; none for what somebody did */
    uint64_t took;       /* of the CPU, by the last look */
    bool prompted, told; /* since the last look */
};

/* A viewer came, or input for the guest, from whomever, which it may answer. */
void vnc_pace_prompt(struct vnc_pace *pace, uint64_t now);
/* There is a change, as a device knows, or one that was not sent yet. */
void vnc_pace_tell(struct vnc_pace *pace);
/* The screen was looked at; `changed`: there was something new, by itself. */
void vnc_pace_looked(struct vnc_pace *pace, uint64_t now, bool changed);
/* So much CPU time did it take, with all that is sent of it. */
void vnc_pace_took(struct vnc_pace *pace, uint64_t ns);
/* How long until the next look. blink_ms: the picture will change by itself so long after the last
 * one; 0: it won't. */
uint64_t vnc_pace_next(const struct vnc_pace *pace, uint64_t now, unsigned blink_ms);

#endif
