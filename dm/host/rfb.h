/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One viewer's side of the RFB protocol (RFC 6143, and the extensions that viewers of virtual
 * machines use), as a state machine from bytes to bytes: it never waits and knows no sockets. What
 * the viewer does comes out by rfb_user. One thread.
 */
#ifndef HOST_RFB_H
#define HOST_RFB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfb_encode.h"
#include "rfb_diff.h"

enum { RFB_PASSWORD = 8, RFB_CHALLENGE = 16, RFB_IN = 1024, RFB_KEYS = 256, RFB_HELD = 16 };

enum { RFB_CURSOR = 64 };

/* What the viewer shows where it points. */
struct rfb_cursor {
    uint64_t serial; /* of this one; 0: its own */
    unsigned size;   /* pixels each way; 0: nothing */
    unsigned hot_x, hot_y;
    uint32_t pixels[RFB_CURSOR * RFB_CURSOR]; /* ARGB, each opaque or all clear */
};

/* The screen that all viewers share. */
struct rfb_screen {
    const char *name;
    unsigned width, height; /* at most 65535 */
    const uint32_t *pixels; /* XRGB8888, no gap between lines */
    const struct rfb_cursor *cursor; /* or NULL */
};

struct keymap;
struct rfb;

struct rfb_user {
    void (*key)(void *arg, unsigned code, bool down); /* KEY_* */
    void (*button)(void *arg, unsigned code, bool down); /* BTN_* */
    void (*move)(void *arg, bool absolute, int x, int y); /* pixels, or motion */
    void (*wheel)(void *arg, int by);
    void (*done)(void *arg); /* with what came at once */
    bool (*absolute)(void *arg); /* whether the guest wants positions */
    int (*leds)(void *arg); /* of its keyboard: INPUT_LED_*, or -1 */
    /* The viewer is let in: the screen has to be there when this returns. Not shared: it wants to
     * be the only one. */
    void (*arrived)(void *arg, struct rfb *rfb, bool shared);
    void *arg;
    const struct keymap *keymap; /* the guest's keyboard; NULL: a US one */
};

/* Who may come in, and how. */
enum rfb_access_kind {
    RFB_PLAIN,
    RFB_TLS_ANON, /* VeNCrypt: TLS without, */
    RFB_TLS_X509, /* ... or with certificates */
};

struct rfb_access {
    enum rfb_access_kind kind;
    const char *password; /* NULL: everybody may come; "": none is set or it has expired, so
                           * nobody */
};

enum rfb_state {
    RFB_VERSION, RFB_SECURITY, RFB_VENCRYPT_VERSION, RFB_VENCRYPT_TYPE,
    RFB_START_TLS, /* send what is in `out`; when TLS is up: rfb_secured */
    RFB_RESPONSE, RFB_CLIENT_INIT, RFB_NORMAL, RFB_ENCODINGS, RFB_SKIP,
    RFB_CLOSED,
};

struct rfb {
    const struct rfb_user *user;
    const struct rfb_screen *screen;
    enum rfb_state state;
    unsigned minor; /* of the protocol: 3, 7 or 8 */
    enum rfb_access_kind access;
    bool want_password;
    char password[RFB_PASSWORD + 1]; /* "": none is set, so nobody gets in */
    uint8_t challenge[RFB_CHALLENGE];
    uint8_t in[RFB_IN]; /* an unfinished message */
    size_t in_len;
    uint32_t left; /* encodings, or bytes to skip, still to come */
    struct rfb_buf out;
    struct rfb_encoder encoder;
    /* what the viewer can do */
    bool can_copy, can_resize, can_resize_ext, can_relative, can_keycodes, can_leds, can_cursor;
    /* what it was told, and has to be */
    bool told_absolute, tell_pointer, tell_keycodes, tell_size;
    int told_leds; /* -1: none */
    uint64_t told_cursor;
    /* what it wants */
    bool requested, requested_all;
    uint64_t *tiles; /* that changed since they were sent; sized by rfb_resized */
    unsigned tiles_w, tiles_h;
    struct rfb_scroll copy; /* to be told before those; rows 0: none */
    unsigned told_w, told_h; /* the size that the viewer knows of */
    /* its pointer and keys */
    unsigned buttons;
    bool pointed; /* last_x and last_y are known */
    int last_x, last_y;
    uint64_t keys[RFB_KEYS * 4 / 64]; /* held down, by KEY_* */
    struct {
        uint32_t keysym;
        unsigned code; /* what was pressed for it, so that it is what is lifted; 0: free */
    } held[RFB_HELD];
    bool altgr;         /* the right Alt key chooses characters */
    unsigned locks;     /* INPUT_LED_* whose keys were pressed, and what the lights were then: */
    int locks_then;     /* the guest has not answered yet */
    bool second_script; /* see keymap.h */
};

/* `challenge` is random. */
void rfb_open(struct rfb *rfb, const struct rfb_user *user, const struct rfb_screen *screen,
              const struct rfb_access *access, const uint8_t challenge[RFB_CHALLENGE]);
/* Lifts its keys and buttons, and frees. */
void rfb_close(struct rfb *rfb);

/* Bytes from the viewer. False: send what is in `out`, then hang up. */
bool rfb_input(struct rfb *rfb, const uint8_t *bytes, size_t n);
void rfb_secured(struct rfb *rfb); /* after RFB_START_TLS */

void rfb_resized(struct rfb *rfb); /* the screen has: everything changed */
void rfb_changed(struct rfb *rfb, unsigned tile_x, unsigned tile_y);
/* Lines of the screen moved; nothing else of them changed. Told at once, or they have changed. */
void rfb_scrolled(struct rfb *rfb, const struct rfb_scroll *scroll);
/* There is something to tell that is known already. */
bool rfb_has_news(const struct rfb *rfb);
/* Appends an update, if the viewer waits for one and there is something to tell. Call it when `out`
 * has been sent. */
void rfb_update(struct rfb *rfb);

#endif
