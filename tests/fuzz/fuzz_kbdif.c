/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frontend of the PV keyboard that writes what it likes into its page and its nodes, while people
 * type and point: steps of 5 bytes; odd bytes at the end say how it connects. Nothing may be
 * written but the producer index and the ring, and only of the page that the frontend named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/input.h"
#include "fixture_hv.h"
#include "pv/kbd.h"

#define BE "backend/vkbd/1/0/"
#define FE "/local/domain/1/device/vkbd/0/"

/* kbdif.h: in_cons, in_prod, the ring; and pages that the frontend may name */
enum { IN_CONS = 0, IN_PROD = 4, RING = 1024, RING_END = RING + 2048, PAGES = 4 };

static struct fixture_hv hv;
static struct input *input;

static void put_number(const char *path, unsigned n) {
    char text[16];
    snprintf(text, sizeof(text), "%u", n);
    fixture_hv_put(&hv, path, text);
}

static void enter(uint8_t how) {
    static const char *const states[] = {"1", "3", "4", "5", "6", "0", "99", "x"};
    put_number(FE "page-gref", how & 8 ? FHV_PAGES + how : 1 + how % PAGES);
    fixture_hv_put(&hv, FE "event-channel", how & 16 ? "4294967295" : "7");
    put_number(FE "request-abs-pointer", how >> 5 & 1);
    put_number(FE "request-raw-pointer", how >> 6 & 1);
    fixture_hv_put(&hv, FE "state", how & 0x80 ? states[how & 7] : "3");
    fixture_hv_settle(&hv);
}

/* The frontend writes to its own index and to ours. */
static void scribble(uint8_t page, unsigned word, uint32_t val) {
    uint8_t *p = hv.pages[1 + page % PAGES];
    if (word & 2)
        val = load_le32(p + IN_PROD) - val % 64;
    store_le32(p + (word & 1 ? IN_PROD : IN_CONS), val);
}

static void step(const uint8_t *b) {
    static const char *const numbers[] = {BE "width", BE "height", BE "feature-disable-keyboard",
                                          BE "feature-disable-pointer", BE "state", BE "online"};
    struct input_event event = {b[0] & 3, load_le16(b + 1), (int16_t)load_le16(b + 3)};
    switch (b[0] & 15) {
    case INPUT_KEY:
    case INPUT_BUTTON:
        event.code %= INPUT_CODES;
        event.value &= 1;
        input_send(input, &event);
        break;
    case INPUT_REL:
        event.code %= 3;
        input_send(input, &event);
        break;
    case INPUT_ABS:
        event.code &= 1;
        event.value &= INPUT_ABS_MAX;
        input_send(input, &event);
        break;
    case 4:
    case 5:
        input_sync(input);
        break;
    case 6:
        scribble(b[1], b[2], load_le16(b + 3) * 0x10001u);
        break;
    case 7:
        enter(b[1]);
        break;
    case 8:
        put_number(numbers[b[1] % ARRAY_LEN(numbers)], b[2] & 0x80 ? UINT32_MAX : b[2]);
        fixture_hv_settle(&hv);
        break;
    case 9:
        hv.revoked[1 + b[1] % PAGES] ^= true;
        break;
    case 10: /* many keys: the ring gets full */
        for (unsigned i = 0; i < b[1]; i++)
            input_send(input, &(struct input_event){INPUT_KEY, (uint16_t)(b[2] + i / 2), ~i & 1});
        break;
    default:
        fixture_hv_event(&hv, FHV_PORT);
    }
}

static void check_pages(void) {
    static const uint8_t nothing[PV_PAGE];
    for (unsigned page = 0; page < 2 * PAGES; page++) {
        const uint8_t *p = hv.pages[page];
        if (page - 1 < PAGES ? memcmp(p + IN_PROD + 4, nothing, RING - IN_PROD - 4) ||
                                   memcmp(p + RING_END, nothing, PV_PAGE - RING_END)
                             : memcmp(p, nothing, PV_PAGE))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    fixture_hv_init(&hv);
    input = input_new();
    struct xenbus *bus = xenbus_new(&hv.pv, &pv_kbd_type, input);
    fixture_hv_put(&hv, BE "frontend", "/local/domain/1/device/vkbd/0");
    fixture_hv_put(&hv, BE "online", "1");
    fixture_hv_put(&hv, FE "state", "1");
    fixture_hv_put(&hv, BE "state", "1");
    fixture_hv_settle(&hv);
    enter(len % 5 ? bytes[len - 1] & 0x7f : 1);
    for (; len >= 5; bytes += 5, len -= 5)
        step(bytes);
    input_sync(input);
    fixture_hv_event(&hv, FHV_PORT);
    check_pages();
    xenbus_free(bus);
    if (hv.mapped)
        abort();
    input_free(input);
    fixture_hv_done(&hv);
    return 0;
}
