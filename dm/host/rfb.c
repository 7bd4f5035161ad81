/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 6143, sections 7.3 to 7.6; rfb_auth.c has those before; from the community's rfbproto.rst:
 * ExtendedDesktopSize, Cursor, QEMU pointer motion change, extended key event, LED state. Not
 * modelled: clipboards (what comes is skipped: a guest has no channel for one), cursors with alpha,
 * colour maps but for a fixed one of 3-3-2 bits. See rfb.h.
 */
#include "rfb.h"

#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "keysym.h"
#include "rfb_priv.h"

enum {
    /* from the client */
    SET_PIXEL_FORMAT = 0, SET_ENCODINGS = 2, UPDATE_REQUEST = 3, KEY_EVENT = 4, POINTER_EVENT = 5,
    CLIENT_CUT_TEXT = 6, SET_DESKTOP_SIZE = 251, QEMU_MESSAGE = 255, QEMU_KEY_EVENT = 0,
    /* to it */
    UPDATE = 0, SET_COLOUR_MAP = 1,
    SIZE_PROHIBITED = 1, SIZE_BY_CLIENT = 1, RELATIVE_CENTRE = 0x7fff,
    WHEEL_UP = 8, WHEEL_DOWN = 16, MAX_RECTS = 4096,
};

/* What is no encoding of pixels */
enum {
    COPY_RECT = 1, DESKTOP_SIZE = -223, CURSOR = -239, POINTER_MOTION = -257, EXTENDED_KEYS = -258,
    LED_STATE = -261, EXTENDED_DESKTOP_SIZE = -308,
};

/* ---- life ---- */

void rfb_open(struct rfb *rfb, const struct rfb_user *user, const struct rfb_screen *screen,
              const struct rfb_access *access, const uint8_t challenge[RFB_CHALLENGE]) {
    *rfb = (struct rfb){.user = user, .screen = screen, .access = access->kind,
                        .want_password = access->password, .told_leds = -1};
    if (access->password)
        strncpy(rfb->password, access->password, RFB_PASSWORD);
    memcpy(rfb->challenge, challenge, RFB_CHALLENGE);
    rfb->encoder.format = rfb_native;
    rfb_format_ready(&rfb->encoder.format);
    rfb_auth_greet(rfb);
}

static const struct {
    uint8_t mask;
    uint16_t code;
} buttons[] = {{1, BTN_LEFT}, {2, BTN_MIDDLE}, {4, BTN_RIGHT}, {64, BTN_SIDE}, {128, BTN_EXTRA}};

static void set_buttons(struct rfb *rfb, unsigned now) {
    const struct rfb_user *user = rfb->user;
    unsigned changed = now ^ rfb->buttons;
    for (unsigned i = 0; i < ARRAY_LEN(buttons); i++)
        if (changed & buttons[i].mask)
            user->button(user->arg, buttons[i].code, now & buttons[i].mask);
    if (changed & now & WHEEL_UP)
        user->wheel(user->arg, 1);
    if (changed & now & WHEEL_DOWN)
        user->wheel(user->arg, -1);
    rfb->buttons = now;
}

void rfb_close(struct rfb *rfb) {
    bool any = rfb->buttons;
    set_buttons(rfb, 0);
    if (rfb_lift_keys(rfb) || any)
        rfb->user->done(rfb->user->arg);
    rfb_encoder_free(&rfb->encoder);
    rfb_buf_free(&rfb->out);
    free(rfb->tiles);
    rfb->tiles = NULL;
    rfb->state = RFB_CLOSED;
}

/* ---- messages ---- */

static void put_format(struct rfb_buf *out, const struct rfb_format *f) {
    rfb_buf_u8(out, f->bits);
    rfb_buf_u8(out, f->depth);
    rfb_buf_u8(out, f->big_endian);
    rfb_buf_u8(out, 1);
    for (unsigned c = 0; c < 3; c++)
        rfb_buf_u16(out, f->max[c]);
    rfb_buf_put(out, f->shift, 3);
    rfb_buf_put(out, "\0\0\0", 3);
}

static size_t got_client_init(struct rfb *rfb) {
    const struct rfb_screen *s = rfb->screen;
    rfb->user->arrived(rfb->user->arg, rfb, rfb->in[0]);
    rfb->told_w = s->width;
    rfb->told_h = s->height;
    rfb_buf_u16(&rfb->out, (uint16_t)s->width);
    rfb_buf_u16(&rfb->out, (uint16_t)s->height);
    put_format(&rfb->out, &rfb_native);
    rfb_buf_u32(&rfb->out, (uint32_t)strlen(s->name));
    rfb_buf_put(&rfb->out, s->name, strlen(s->name));
    rfb->state = RFB_NORMAL;
    rfb->told_absolute = true;
    rfb_resized(rfb);
    rfb->tell_size = false;
    return 1;
}

static void send_colour_map(struct rfb *rfb) {
    rfb_buf_u8(&rfb->out, SET_COLOUR_MAP);
    rfb_buf_u8(&rfb->out, 0);
    rfb_buf_u16(&rfb->out, 0);
    rfb_buf_u16(&rfb->out, 256);
    for (unsigned i = 0; i < 256; i++) {
        rfb_buf_u16(&rfb->out, (uint16_t)((i & 7) * 65535 / 7));
        rfb_buf_u16(&rfb->out, (uint16_t)((i >> 3 & 7) * 65535 / 7));
        rfb_buf_u16(&rfb->out, (uint16_t)((i >> 6 & 3) * 65535 / 3));
    }
}

static size_t got_pixel_format(struct rfb *rfb) {
    const uint8_t *p = rfb->in + 4;
    struct rfb_format f = {.bits = p[0], .depth = p[1], .big_endian = p[2]};
    bool true_colour = p[3];
    for (unsigned c = 0; c < 3; c++) {
        static const uint8_t map_max[3] = {7, 7, 3}, map_shift[3] = {0, 3, 6};
        f.max[c] = true_colour ? load_be16(p + 4 + 2 * c) : map_max[c];
        f.shift[c] = true_colour ? p[10 + c] : map_shift[c];
    }
    if (!rfb_format_ready(&f)) {
        rfb->state = RFB_CLOSED;
        return 0;
    }
    rfb->encoder.format = f;
    if (!true_colour)
        send_colour_map(rfb);
    return 20;
}

static size_t got_encodings(struct rfb *rfb) {
    rfb->left = load_be16(rfb->in + 2);
    rfb->encoder.encoding = -1;
    rfb->can_copy = rfb->can_resize = rfb->can_resize_ext = false;
    rfb->can_relative = rfb->can_keycodes = rfb->can_leds = rfb->can_cursor = false;
    rfb->state = RFB_ENCODINGS;
    return 4;
}

static void encoding(struct rfb *rfb, int32_t e) {
    switch (e) {
    case RFB_RAW:
    case RFB_HEXTILE:
    case RFB_TIGHT:
    case RFB_ZRLE: /* the first one named is liked best */
        if (rfb->encoder.encoding < 0 &&
            (e == RFB_RAW || e == RFB_HEXTILE || rfb_zlib_load()))
            rfb->encoder.encoding = e;
        break;
    case COPY_RECT:
        rfb->can_copy = true;
        break;
    case DESKTOP_SIZE:
        rfb->can_resize = true;
        break;
    case EXTENDED_DESKTOP_SIZE:
        rfb->can_resize_ext = rfb->tell_size = true;
        break;
    case POINTER_MOTION:
        rfb->can_relative = rfb->tell_pointer = true;
        break;
    case EXTENDED_KEYS:
        rfb->can_keycodes = rfb->tell_keycodes = true;
        break;
    case LED_STATE:
        rfb->can_leds = true;
        rfb->told_leds = -1;
        break;
    case CURSOR:
        rfb->can_cursor = true;
        rfb->told_cursor = 0;
        break;
    default:
        break;
    }
}

/* Called when at least one is there, or none is left. */
static size_t take_encodings(struct rfb *rfb) {
    size_t used = 0;
    while (rfb->left && rfb->in_len - used >= 4) {
        encoding(rfb, (int32_t)load_be32(rfb->in + used));
        used += 4;
        rfb->left--;
    }
    if (!rfb->left) {
        if (rfb->encoder.encoding < 0)
            rfb->encoder.encoding = RFB_RAW;
        rfb->state = RFB_NORMAL;
    }
    return used;
}

static size_t got_update_request(struct rfb *rfb) {
    rfb->requested = true;
    if (!rfb->in[1])
        rfb->requested_all = true;
    return 10;
}

static size_t got_pointer(struct rfb *rfb) {
    const struct rfb_user *user = rfb->user;
    int x = load_be16(rfb->in + 2), y = load_be16(rfb->in + 4);
    bool absolute = user->absolute(user->arg);
    if (absolute)
        user->move(user->arg, true, x, y);
    else if (rfb->can_relative && !rfb->told_absolute)
        user->move(user->arg, false, x - RELATIVE_CENTRE, y - RELATIVE_CENTRE);
    else if (rfb->pointed)
        user->move(user->arg, false, x - rfb->last_x, y - rfb->last_y);
    rfb->pointed = true;
    rfb->last_x = x;
    rfb->last_y = y;
    set_buttons(rfb, rfb->in[1]);
    user->done(user->arg);
    return 6;
}

static size_t got_key(struct rfb *rfb) {
    rfb_keysym(rfb, load_be32(rfb->in + 4), rfb->in[1]);
    rfb->user->done(rfb->user->arg);
    return 8;
}

static size_t got_qemu(struct rfb *rfb) {
    if (rfb->in[1] != QEMU_KEY_EVENT) {
        rfb->state = RFB_CLOSED; /* sound was not offered */
        return 0;
    }
    if (rfb->in_len < 12)
        return 0;
    unsigned code = key_of_xt(load_be32(rfb->in + 8));
    bool down = load_be16(rfb->in + 2);
    if (code)
        rfb_key(rfb, code, down);
    else
        rfb_keysym(rfb, load_be32(rfb->in + 4), down);
    rfb->user->done(rfb->user->arg);
    return 12;
}

static size_t skip(struct rfb *rfb, size_t used, uint32_t n) {
    rfb->left = n;
    rfb->state = RFB_SKIP;
    return used;
}

static void put_screen(struct rfb *rfb, uint16_t reason, uint16_t status) {
    const struct rfb_screen *s = rfb->screen;
    rfb_put_header(&rfb->out, &(struct rfb_rect){reason, status, s->width, s->height},
                   EXTENDED_DESKTOP_SIZE);
    rfb_buf_u32(&rfb->out, 1u << 24); /* one screen, and padding */
    rfb_buf_u32(&rfb->out, 1);        /* its id: libvncclient takes 0 for no screen */
    rfb_buf_u32(&rfb->out, 0);
    rfb_buf_u16(&rfb->out, (uint16_t)s->width);
    rfb_buf_u16(&rfb->out, (uint16_t)s->height);
    rfb_buf_u32(&rfb->out, 0);
}

/* The guest alone sets the size. */
static size_t got_desktop_size(struct rfb *rfb) {
    uint32_t screens = rfb->in[6];
    if (rfb->can_resize_ext) {
        rfb_buf_u8(&rfb->out, UPDATE);
        rfb_buf_u8(&rfb->out, 0);
        rfb_buf_u16(&rfb->out, 1);
        put_screen(rfb, SIZE_BY_CLIENT, SIZE_PROHIBITED);
    }
    return skip(rfb, 8, screens * 16);
}

/* Handles the message at the start of `in`; returns its length, or 0: more is needed. */
static size_t message(struct rfb *rfb) {
    static const uint8_t lengths[256] = {
        [SET_PIXEL_FORMAT] = 20, [SET_ENCODINGS] = 4, [UPDATE_REQUEST] = 10, [KEY_EVENT] = 8,
        [POINTER_EVENT] = 6, [CLIENT_CUT_TEXT] = 8, [SET_DESKTOP_SIZE] = 8, [QEMU_MESSAGE] = 4};
    if (!lengths[rfb->in[0]]) {
        rfb->state = RFB_CLOSED;
        return 0;
    }
    if (rfb->in_len < lengths[rfb->in[0]])
        return 0;
    switch (rfb->in[0]) {
    case SET_PIXEL_FORMAT:
        return got_pixel_format(rfb);
    case SET_ENCODINGS:
        return got_encodings(rfb);
    case UPDATE_REQUEST:
        return got_update_request(rfb);
    case KEY_EVENT:
        return got_key(rfb);
    case POINTER_EVENT:
        return got_pointer(rfb);
    case CLIENT_CUT_TEXT: {
        /* a negative length is the extended clipboard's, which was not offered */
        int32_t n = (int32_t)load_be32(rfb->in + 4);
        return skip(rfb, 8, n < 0 ? -(uint32_t)n : (uint32_t)n);
    }
    case SET_DESKTOP_SIZE:
        return got_desktop_size(rfb);
    default:
        return got_qemu(rfb);
    }
}

static size_t step(struct rfb *rfb) {
    size_t n;
    switch (rfb->state) {
    case RFB_VERSION:
    case RFB_SECURITY:
    case RFB_VENCRYPT_VERSION:
    case RFB_VENCRYPT_TYPE:
    case RFB_RESPONSE:
        return rfb_auth_step(rfb);
    case RFB_CLIENT_INIT:
        return got_client_init(rfb);
    case RFB_NORMAL:
        return message(rfb);
    case RFB_ENCODINGS:
        return take_encodings(rfb);
    case RFB_SKIP:
        n = MIN(rfb->in_len, rfb->left);
        rfb->left -= (uint32_t)n;
        if (!rfb->left)
            rfb->state = RFB_NORMAL;
        return n;
    case RFB_START_TLS: /* what comes before TLS is nobody's */
        rfb->state = RFB_CLOSED;
        return 0;
    case RFB_CLOSED:
        return 0;
    }
    return 0;
}

/* States that may go on without a byte: nothing is left to encode or skip. */
static bool may_go_on(const struct rfb *rfb) {
    return rfb->in_len || ((rfb->state == RFB_ENCODINGS || rfb->state == RFB_SKIP) && !rfb->left);
}

bool rfb_input(struct rfb *rfb, const uint8_t *bytes, size_t n) {
    while (rfb->state != RFB_CLOSED) {
        size_t piece = MIN(n, RFB_IN - rfb->in_len);
        memcpy(rfb->in + rfb->in_len, bytes, piece);
        rfb->in_len += piece;
        bytes += piece;
        n -= piece;
        size_t start = 0;
        while (may_go_on(rfb) && rfb->state != RFB_CLOSED) {
            enum rfb_state before = rfb->state;
            size_t used = step(rfb);
            rfb->in_len -= used;
            memmove(rfb->in, rfb->in + used, rfb->in_len);
            start += used;
            if (!used && rfb->state == before)
                break;
        }
        if (!n)
            break;
        if (!start && rfb->in_len == RFB_IN)
            rfb->state = RFB_CLOSED;
    }
    return rfb->state != RFB_CLOSED && !rfb->out.failed;
}

/* ---- updates ---- */

static size_t tile_words(const struct rfb *rfb) {
    return ((size_t)rfb->tiles_w * rfb->tiles_h + 63) / 64;
}

static void all_changed(struct rfb *rfb) {
    for (unsigned y = 0; y < rfb->tiles_h; y++)
        for (unsigned x = 0; x < rfb->tiles_w; x++)
            rfb_changed(rfb, x, y);
}

void rfb_resized(struct rfb *rfb) {
    if (rfb->state < RFB_NORMAL)
        return;
    rfb->tiles_w = (rfb->screen->width + RFB_TILE_W - 1) / RFB_TILE_W;
    rfb->tiles_h = (rfb->screen->height + RFB_TILE_H - 1) / RFB_TILE_H;
    free(rfb->tiles);
    rfb->tiles = calloc(tile_words(rfb) + 1, sizeof(*rfb->tiles));
    rfb->out.failed |= !rfb->tiles;
    if (rfb->tiles)
        all_changed(rfb);
    rfb->tell_size = true;
    rfb->copy.rows = 0;
}

void rfb_changed(struct rfb *rfb, unsigned tile_x, unsigned tile_y) {
    if (rfb->tiles && tile_x < rfb->tiles_w && tile_y < rfb->tiles_h)
        bitmap_set(rfb->tiles, (size_t)tile_y * rfb->tiles_w + tile_x);
}

static bool any_changed(const struct rfb *rfb) {
    for (size_t i = 0; rfb->tiles && i < tile_words(rfb); i++)
        if (rfb->tiles[i])
            return true;
    return false;
}

/* What is still to be sent would not be where it is copied from. */
static bool may_copy(const struct rfb *rfb) {
    return rfb->can_copy && rfb->requested && !rfb->requested_all && !rfb->tell_size &&
           !rfb->copy.rows && rfb->told_w == rfb->screen->width &&
           rfb->told_h == rfb->screen->height && !any_changed(rfb);
}

void rfb_scrolled(struct rfb *rfb, const struct rfb_scroll *scroll) {
    if (may_copy(rfb)) {
        rfb->copy = *scroll;
        return;
    }
    for (unsigned y = scroll->to / RFB_TILE_H; y * RFB_TILE_H < scroll->to + scroll->rows; y++)
        for (unsigned x = 0; x < rfb->tiles_w; x++)
            rfb_changed(rfb, x, y);
}

static bool row_has(const struct rfb *rfb, unsigned y, unsigned from, unsigned to) {
    for (unsigned x = from; x < to; x++)
        if (y >= rfb->tiles_h || !bitmap_get(rfb->tiles, (size_t)y * rfb->tiles_w + x))
            return false;
    return true;
}

/* Takes the next rectangle of changed tiles out of the map: as wide as its first row, then as
 * high. */
static bool next_rect(struct rfb *rfb, unsigned *row, struct rfb_rect *r) {
    for (; *row < rfb->tiles_h; ++*row)
        for (unsigned x = 0; x < rfb->tiles_w; x++) {
            if (!row_has(rfb, *row, x, x + 1))
                continue;
            unsigned right = x, bottom = *row;
            while (right < rfb->tiles_w && row_has(rfb, *row, right, right + 1))
                right++;
            for (; row_has(rfb, bottom, x, right); bottom++)
                for (unsigned i = x; i < right; i++)
                    bitmap_clear(rfb->tiles, (size_t)bottom * rfb->tiles_w + i);
            r->x = x * RFB_TILE_W;
            r->y = *row * RFB_TILE_H;
            unsigned w = MIN(rfb->told_w, rfb->screen->width);
            unsigned h = MIN(rfb->told_h, rfb->screen->height);
            if (r->x >= w || r->y >= h)
                continue; /* a viewer that can't be told of a larger screen */
            r->w = MIN(right * RFB_TILE_W, w) - r->x;
            r->h = MIN(bottom * RFB_TILE_H, h) - r->y;
            return true;
        }
    return false;
}

/* The lights, where they are not those that the viewer was told. */
static bool new_leds(const struct rfb *rfb) {
    int leds = rfb->user->leds(rfb->user->arg);
    return rfb->can_leds && leds >= 0 && leds != rfb->told_leds;
}

static bool new_cursor(const struct rfb *rfb) {
    const struct rfb_cursor *c = rfb->screen->cursor;
    return rfb->can_cursor && c && c->serial != rfb->told_cursor;
}

/* RFC 6143, 7.8.1: pixels, then a bit for each that is seen. */
static void put_cursor(struct rfb *rfb) {
    const struct rfb_cursor *c = rfb->screen->cursor;
    rfb_put_header(&rfb->out, &(struct rfb_rect){c->hot_x, c->hot_y, c->size, c->size}, CURSOR);
    rfb_put_pixels(&rfb->encoder.format, &rfb->out, c->pixels, c->size * c->size);
    for (unsigned y = 0; y < c->size; y++)
        for (unsigned x = 0; x < c->size; x += 8) {
            uint8_t bits = 0;
            for (unsigned i = 0; i < 8 && x + i < c->size; i++)
                if (c->pixels[y * c->size + x + i] >> 24)
                    bits |= (uint8_t)(0x80 >> i);
            rfb_buf_u8(&rfb->out, bits);
        }
    rfb->told_cursor = c->serial;
}

static unsigned put_copy(struct rfb *rfb) {
    const struct rfb_scroll s = rfb->copy;
    if (!s.rows)
        return 0;
    rfb->copy.rows = 0;
    rfb_put_header(&rfb->out, &(struct rfb_rect){0, s.to, rfb->told_w, s.rows}, COPY_RECT);
    rfb_buf_u16(&rfb->out, 0);
    rfb_buf_u16(&rfb->out, (uint16_t)s.from);
    return 1;
}

static void put_pseudo(struct rfb *rfb, uint16_t x, uint16_t w, uint16_t h, int32_t e) {
    rfb_put_header(&rfb->out, &(struct rfb_rect){x, 0, w, h}, e);
}

/* What has to be told before pixels; returns how many rectangles. */
static unsigned put_news(struct rfb *rfb) {
    const struct rfb_screen *s = rfb->screen;
    unsigned n = 0;
    if (rfb->tell_keycodes && ++n)
        put_pseudo(rfb, 0, 0, 0, EXTENDED_KEYS);
    if (rfb->tell_pointer && ++n) {
        rfb->told_absolute = rfb->user->absolute(rfb->user->arg);
        put_pseudo(rfb, rfb->told_absolute, (uint16_t)s->width, (uint16_t)s->height,
                   POINTER_MOTION);
    }
    if (rfb->tell_size && rfb->can_resize_ext && ++n)
        put_screen(rfb, 0, 0);
    else if (rfb->tell_size && rfb->can_resize && ++n)
        put_pseudo(rfb, 0, (uint16_t)s->width, (uint16_t)s->height, DESKTOP_SIZE);
    if (rfb->tell_size && (rfb->can_resize || rfb->can_resize_ext)) {
        rfb->told_w = s->width;
        rfb->told_h = s->height;
    }
    if (new_leds(rfb) && ++n) {
        put_pseudo(rfb, 0, 1, 1, LED_STATE);
        rfb->told_leds = rfb->user->leds(rfb->user->arg);
        rfb_buf_u8(&rfb->out, (uint8_t)rfb->told_leds);
    }
    if (new_cursor(rfb) && ++n)
        put_cursor(rfb);
    rfb->tell_keycodes = rfb->tell_pointer = rfb->tell_size = false;
    return n;
}

static bool new_pointer(const struct rfb *rfb) {
    return rfb->tell_pointer || (rfb->can_relative && rfb->told_absolute !=
                                                          rfb->user->absolute(rfb->user->arg));
}

bool rfb_has_news(const struct rfb *rfb) {
    if (rfb->state < RFB_NORMAL || rfb->state == RFB_CLOSED || !rfb->tiles)
        return false;
    return rfb->requested_all || rfb->copy.rows || rfb->tell_keycodes || new_pointer(rfb) ||
           new_leds(rfb) || new_cursor(rfb) ||
           (rfb->tell_size && (rfb->can_resize || rfb->can_resize_ext)) || any_changed(rfb);
}

void rfb_update(struct rfb *rfb) {
    if (!rfb->requested || !rfb_has_news(rfb))
        return;
    if (rfb->requested_all)
        all_changed(rfb);
    rfb->tell_pointer = new_pointer(rfb);
    rfb->requested = rfb->requested_all = false;
    size_t at = rfb->out.len;
    rfb_buf_u32(&rfb->out, UPDATE << 24);
    unsigned n = put_copy(rfb), row = 0;
    n += put_news(rfb);
    struct rfb_rect r;
    while (n < MAX_RECTS && next_rect(rfb, &row, &r))
        n += rfb_encode(&rfb->encoder, &rfb->out, rfb->screen->pixels, rfb->screen->width, &r);
    if (!rfb->out.failed)
        store_be16(rfb->out.bytes + at + 2, (uint16_t)n);
}
