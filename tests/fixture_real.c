/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See fixture_real.h.
 */
#include "fixture_real.h"

#include <string.h>

#include "core/bits.h"

const uint8_t real_fake_descriptors[] = {
    18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x51, 0x09, 0x66, 0x16, 0x00, 0x01, 1, 2, 3, 2,
    /* configuration 1 */
    9, 2, 64, 0, 2, 1, 0, 0x80, 100,
    9, 4, 0, 0, 3, 8, 6, 0x50, 0,
    7, 5, 0x81, 2, 0x00, 0x02, 0,
    7, 5, 0x02, 2, 0x00, 0x02, 1,
    7, 5, 0x83, 3, 0x08, 0x00, 7,
    9, 4, 1, 0, 0, 1, 2, 0, 0,
    9, 4, 1, 1, 1, 1, 2, 0, 0,
    7, 5, 0x84, 1, 0xc0, 0x00, 1,
    /* configuration 2 */
    9, 2, 18, 0, 1, 2, 0, 0x80, 100,
    9, 4, 5, 0, 0, 0xff, 0, 0, 0,
};

const size_t real_fake_descriptors_len = sizeof(real_fake_descriptors);

static void *fake_start(struct real_usb *real, const struct real_usb_req *req, void *owner) {
    struct real_fake *fake = CONTAINER_OF(real, struct real_fake, real);
    struct real_started *s = &fake->started[fake->count % REAL_STARTED];
    if (fake->refuse || s->under_way)
        return NULL;
    *s = (struct real_started){*req, owner, true};
    fake->count++;
    return s;
}

static void fake_cancel(struct real_usb *real, void *handle) {
    struct real_fake *fake = CONTAINER_OF(real, struct real_fake, real);
    ((struct real_started *)handle)->under_way = false;
    fake->cancelled++;
}

static void fake_close(struct real_usb *real) {
    CONTAINER_OF(real, struct real_fake, real)->closed++;
}

static const struct real_usb_ops fake_ops = {fake_start, fake_cancel, fake_close};

void real_fake_init(struct real_fake *fake, enum usb_speed speed) {
    *fake = (struct real_fake){.real = {
        .ops = &fake_ops, .name = "1.3 (0951:1666)", .descriptors = real_fake_descriptors,
        .descriptors_len = sizeof(real_fake_descriptors), .speed = speed}};
}

struct real_started *real_fake_last(struct real_fake *fake) {
    return fake->count ? &fake->started[(fake->count - 1) % REAL_STARTED] : NULL;
}

bool real_answer(struct real_fake *fake, struct real_started *s, enum real_usb_result result,
                 const void *bytes, size_t len) {
    if (!s || !s->under_way)
        return false;
    size_t done = 0;
    len = MIN(len, s->req.len);
    for (unsigned i = 0; bytes && i < s->req.niov; i++) {
        size_t n = MIN(s->req.iov[i].iov_len, len - done);
        memcpy(s->req.iov[i].iov_base, (const uint8_t *)bytes + done, n);
        done += n;
    }
    s->under_way = false;
    fake->real.done(fake->real.arg, s->owner, result, len);
    return true;
}
