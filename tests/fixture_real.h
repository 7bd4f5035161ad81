/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the host that does as it is told: what the chip starts is written down and stays
 * under way until real_answer.
 */
#ifndef TESTS_FIXTURE_REAL_H
#define TESTS_FIXTURE_REAL_H

#include "core/real_usb.h"

enum { REAL_STARTED = 64 };

struct real_started {
    struct real_usb_req req;
    void *owner;
    bool under_way;
};

struct real_fake {
    struct real_usb real;
    struct real_started started[REAL_STARTED]; /* a ring of the last ones */
    unsigned count;                            /* of all that were ever started */
    unsigned cancelled, closed;
    bool refuse; /* what is started can't be done */
};

/* A disk at high speed: configuration 1 with bulk IN 1, bulk OUT 2, interrupt IN 3; interface 1 has
 * in setting 1 an isochronous IN 4. */
extern const uint8_t real_fake_descriptors[];
extern const size_t real_fake_descriptors_len;

void real_fake_init(struct real_fake *fake, enum usb_speed speed);

/* The last one that was started. */
struct real_started *real_fake_last(struct real_fake *fake);

/* Ends it with the first `len` of these bytes, or as many that it has room for; IN data, else NULL.
 * False: it isn't under way. */
bool real_answer(struct real_fake *fake, struct real_started *started,
                 enum real_usb_result result, const void *bytes, size_t len);

#endif
