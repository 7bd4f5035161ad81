/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of the HID devices (USB 2.0, 9.6; HID 1.11, 6.2.2 and appendix B) and the key codes
 * of HID Usage Tables 1.12, 10. Vendor, product and strings are those that guests of Xen know their
 * tablet by. See hid_tables.h.
 */
#include "usb/hid_tables.h"

#include <linux/input-event-codes.h>

#include "core/bits.h"

/* ---- report descriptors ---- */

enum { /* items, with the length of their data in bits 0 and 1 */
    USAGE_PAGE = 0x05, USAGE = 0x09, USAGE_MIN = 0x19, USAGE_MAX = 0x29, USAGE_MAX_2 = 0x2a,
    LOGICAL_MIN = 0x15, LOGICAL_MAX = 0x25, LOGICAL_MAX_2 = 0x26, PHYSICAL_MIN = 0x35,
    PHYSICAL_MAX = 0x45, PHYSICAL_MAX_2 = 0x46, REPORT_SIZE = 0x75, REPORT_COUNT = 0x95,
    INPUT = 0x81, OUTPUT = 0x91, COLLECTION = 0xa1, END_COLLECTION = 0xc0,
};

enum { PAGE_DESKTOP = 1, PAGE_KEYS = 7, PAGE_LEDS = 8, PAGE_BUTTONS = 9 };
enum { DESKTOP_POINTER = 1, DESKTOP_MOUSE = 2, DESKTOP_KEYBOARD = 6, DESKTOP_X = 0x30,
       DESKTOP_Y = 0x31, DESKTOP_WHEEL = 0x38 };
enum { IO_ARRAY = 0, IO_CONSTANT = 1, IO_VARIABLE = 2, IO_RELATIVE = 6 };
enum { COLLECTION_PHYSICAL = 0, COLLECTION_APPLICATION = 1 };

/* Five buttons in a byte, which open the report of a pointer. */
#define BUTTONS                                                                                    \
    USAGE_PAGE, PAGE_BUTTONS, USAGE_MIN, 1, USAGE_MAX, 5, LOGICAL_MIN, 0, LOGICAL_MAX, 1,          \
        REPORT_COUNT, 5, REPORT_SIZE, 1, INPUT, IO_VARIABLE, REPORT_COUNT, 1, REPORT_SIZE, 3,      \
        INPUT, IO_CONSTANT

static const uint8_t tablet_report[] = {
    USAGE_PAGE, PAGE_DESKTOP, USAGE, DESKTOP_MOUSE, COLLECTION, COLLECTION_APPLICATION,
    USAGE, DESKTOP_POINTER, COLLECTION, COLLECTION_PHYSICAL,
    BUTTONS,
    USAGE_PAGE, PAGE_DESKTOP, USAGE, DESKTOP_X, USAGE, DESKTOP_Y,
    LOGICAL_MIN, 0, LOGICAL_MAX_2, 0xff, 0x7f, PHYSICAL_MIN, 0, PHYSICAL_MAX_2, 0xff, 0x7f,
    REPORT_SIZE, 16, REPORT_COUNT, 2, INPUT, IO_VARIABLE,
    USAGE, DESKTOP_WHEEL, LOGICAL_MIN, 0x81, LOGICAL_MAX, 0x7f, PHYSICAL_MIN, 0, PHYSICAL_MAX, 0,
    REPORT_SIZE, 8, REPORT_COUNT, 1, INPUT, IO_RELATIVE,
    END_COLLECTION, END_COLLECTION,
};

static const uint8_t mouse_report[] = {
    USAGE_PAGE, PAGE_DESKTOP, USAGE, DESKTOP_MOUSE, COLLECTION, COLLECTION_APPLICATION,
    USAGE, DESKTOP_POINTER, COLLECTION, COLLECTION_PHYSICAL,
    BUTTONS,
    USAGE_PAGE, PAGE_DESKTOP, USAGE, DESKTOP_X, USAGE, DESKTOP_Y, USAGE, DESKTOP_WHEEL,
    LOGICAL_MIN, 0x81, LOGICAL_MAX, 0x7f, REPORT_SIZE, 8, REPORT_COUNT, 3, INPUT, IO_RELATIVE,
    END_COLLECTION, END_COLLECTION,
};

static const uint8_t keyboard_report[] = {
    USAGE_PAGE, PAGE_DESKTOP, USAGE, DESKTOP_KEYBOARD, COLLECTION, COLLECTION_APPLICATION,
    /* the modifiers, a bit each */
    USAGE_PAGE, PAGE_KEYS, USAGE_MIN, USAGE_LEFT_CTRL, USAGE_MAX, USAGE_RIGHT_GUI,
    LOGICAL_MIN, 0, LOGICAL_MAX, 1, REPORT_SIZE, 1, REPORT_COUNT, 8, INPUT, IO_VARIABLE,
    REPORT_SIZE, 8, REPORT_COUNT, 1, INPUT, IO_CONSTANT,
    /* five lights */
    USAGE_PAGE, PAGE_LEDS, USAGE_MIN, 1, USAGE_MAX, 5, REPORT_SIZE, 1, REPORT_COUNT, 5,
    OUTPUT, IO_VARIABLE, REPORT_SIZE, 3, REPORT_COUNT, 1, OUTPUT, IO_CONSTANT,
    /* up to six keys that are down */
    USAGE_PAGE, PAGE_KEYS, USAGE_MIN, 0, USAGE_MAX_2, 0xff, 0, LOGICAL_MIN, 0,
    LOGICAL_MAX_2, 0xff, 0, REPORT_SIZE, 8, REPORT_COUNT, 6, INPUT, IO_ARRAY,
    END_COLLECTION,
};

/* ---- USB descriptors ---- */

enum { CLASS_HID = 3, SUBCLASS_BOOT = 1, PROTOCOL_KEYBOARD = 1, PROTOCOL_MOUSE = 2 };
enum { STRING_MAKER = 1, STRING_PRODUCT, STRING_SERIAL };
enum { CONFIG_LEN = 9 + 9 + 9 + 7, HID_AT = 9 + 9 };

static const uint8_t device_descriptor[18] = {
    18, 1, 0x10, 0x01, 0, 0, 0, 8, 0x27, 0x06, 0x01, 0x00, 0x00, 0x00, STRING_MAKER,
    STRING_PRODUCT, STRING_SERIAL, 1,
};

/* One interface with one interrupt endpoint, polled every 10 ms; may wake the guest. */
#define CONFIG(subclass, protocol, report, packet)                                                 \
    {                                                                                              \
        9, 2, CONFIG_LEN, 0, 1, 1, 0, 0xa0, 50,                                                    \
        9, 4, 0, 0, 1, CLASS_HID, subclass, protocol, 0,                                           \
        9, HID_DESC_HID, 0x11, 0x01, 0, 1, HID_DESC_REPORT, sizeof(report), 0,                     \
        7, 5, 0x81, 3, packet, 0, 10,                                                              \
    }

static const uint8_t tablet_config[] = CONFIG(0, 0, tablet_report, 8);
static const uint8_t mouse_config[] = CONFIG(SUBCLASS_BOOT, PROTOCOL_MOUSE, mouse_report, 4);
static const uint8_t keyboard_config[] = CONFIG(SUBCLASS_BOOT, PROTOCOL_KEYBOARD, keyboard_report,
                                                8);

_Static_assert(sizeof(tablet_config) == CONFIG_LEN, "a configuration is as long as it says");
_Static_assert(sizeof(keyboard_report) < 256 && sizeof(tablet_report) < 256, "length in one byte");

static const char *const tablet_strings[] = {"QEMU", "QEMU USB Tablet", "28754", NULL};
static const char *const mouse_strings[] = {"QEMU", "QEMU USB Mouse", "89126", NULL};
static const char *const keyboard_strings[] = {"QEMU", "QEMU USB Keyboard", "68284", NULL};

const struct hid_tables hid_tables[HID_KINDS] = {
    [HID_TABLET] = {{device_descriptor, {[USB_FULL] = tablet_config}, NULL, tablet_strings},
                    tablet_report, sizeof(tablet_report), HID_AT, 1u << INPUT_ABS, "USB tablet"},
    [HID_MOUSE] = {{device_descriptor, {[USB_FULL] = mouse_config}, NULL, mouse_strings},
                   mouse_report, sizeof(mouse_report), HID_AT, 1u << INPUT_REL, "USB mouse"},
    [HID_KEYBOARD] = {{device_descriptor, {[USB_FULL] = keyboard_config}, NULL, keyboard_strings},
                      keyboard_report, sizeof(keyboard_report), HID_AT, 1u << INPUT_KEY,
                      "USB keyboard"},
};

/* ---- keys ---- */

static const uint8_t usages[256] = {
    [KEY_A] = 0x04, [KEY_B] = 0x05, [KEY_C] = 0x06, [KEY_D] = 0x07, [KEY_E] = 0x08,
    [KEY_F] = 0x09, [KEY_G] = 0x0a, [KEY_H] = 0x0b, [KEY_I] = 0x0c, [KEY_J] = 0x0d,
    [KEY_K] = 0x0e, [KEY_L] = 0x0f, [KEY_M] = 0x10, [KEY_N] = 0x11, [KEY_O] = 0x12,
    [KEY_P] = 0x13, [KEY_Q] = 0x14, [KEY_R] = 0x15, [KEY_S] = 0x16, [KEY_T] = 0x17,
    [KEY_U] = 0x18, [KEY_V] = 0x19, [KEY_W] = 0x1a, [KEY_X] = 0x1b, [KEY_Y] = 0x1c,
    [KEY_Z] = 0x1d, [KEY_1] = 0x1e, [KEY_2] = 0x1f, [KEY_3] = 0x20, [KEY_4] = 0x21,
    [KEY_5] = 0x22, [KEY_6] = 0x23, [KEY_7] = 0x24, [KEY_8] = 0x25, [KEY_9] = 0x26,
    [KEY_0] = 0x27, [KEY_ENTER] = 0x28, [KEY_ESC] = 0x29, [KEY_BACKSPACE] = 0x2a,
    [KEY_TAB] = 0x2b, [KEY_SPACE] = 0x2c, [KEY_MINUS] = 0x2d, [KEY_EQUAL] = 0x2e,
    [KEY_LEFTBRACE] = 0x2f, [KEY_RIGHTBRACE] = 0x30, [KEY_BACKSLASH] = 0x31,
    [KEY_SEMICOLON] = 0x33, [KEY_APOSTROPHE] = 0x34, [KEY_GRAVE] = 0x35, [KEY_COMMA] = 0x36,
    [KEY_DOT] = 0x37, [KEY_SLASH] = 0x38, [KEY_CAPSLOCK] = 0x39, [KEY_F1] = 0x3a,
    [KEY_F2] = 0x3b, [KEY_F3] = 0x3c, [KEY_F4] = 0x3d, [KEY_F5] = 0x3e, [KEY_F6] = 0x3f,
    [KEY_F7] = 0x40, [KEY_F8] = 0x41, [KEY_F9] = 0x42, [KEY_F10] = 0x43, [KEY_F11] = 0x44,
    [KEY_F12] = 0x45, [KEY_SYSRQ] = 0x46, [KEY_SCROLLLOCK] = 0x47, [KEY_PAUSE] = 0x48,
    [KEY_INSERT] = 0x49, [KEY_HOME] = 0x4a, [KEY_PAGEUP] = 0x4b, [KEY_DELETE] = 0x4c,
    [KEY_END] = 0x4d, [KEY_PAGEDOWN] = 0x4e, [KEY_RIGHT] = 0x4f, [KEY_LEFT] = 0x50,
    [KEY_DOWN] = 0x51, [KEY_UP] = 0x52, [KEY_NUMLOCK] = 0x53, [KEY_KPSLASH] = 0x54,
    [KEY_KPASTERISK] = 0x55, [KEY_KPMINUS] = 0x56, [KEY_KPPLUS] = 0x57, [KEY_KPENTER] = 0x58,
    [KEY_KP1] = 0x59, [KEY_KP2] = 0x5a, [KEY_KP3] = 0x5b, [KEY_KP4] = 0x5c, [KEY_KP5] = 0x5d,
    [KEY_KP6] = 0x5e, [KEY_KP7] = 0x5f, [KEY_KP8] = 0x60, [KEY_KP9] = 0x61, [KEY_KP0] = 0x62,
    [KEY_KPDOT] = 0x63, [KEY_102ND] = 0x64, [KEY_COMPOSE] = 0x65, [KEY_POWER] = 0x66,
    [KEY_KPEQUAL] = 0x67, [KEY_F13] = 0x68, [KEY_F14] = 0x69, [KEY_F15] = 0x6a,
    [KEY_F16] = 0x6b, [KEY_F17] = 0x6c, [KEY_F18] = 0x6d, [KEY_F19] = 0x6e, [KEY_F20] = 0x6f,
    [KEY_F21] = 0x70, [KEY_F22] = 0x71, [KEY_F23] = 0x72, [KEY_F24] = 0x73, [KEY_OPEN] = 0x74,
    [KEY_HELP] = 0x75, [KEY_PROPS] = 0x76, [KEY_FRONT] = 0x77, [KEY_STOP] = 0x78,
    [KEY_AGAIN] = 0x79, [KEY_UNDO] = 0x7a, [KEY_CUT] = 0x7b, [KEY_COPY] = 0x7c,
    [KEY_PASTE] = 0x7d, [KEY_FIND] = 0x7e, [KEY_MUTE] = 0x7f, [KEY_VOLUMEUP] = 0x80,
    [KEY_VOLUMEDOWN] = 0x81, [KEY_KPCOMMA] = 0x85, [KEY_RO] = 0x87,
    [KEY_KATAKANAHIRAGANA] = 0x88, [KEY_YEN] = 0x89, [KEY_HENKAN] = 0x8a,
    [KEY_MUHENKAN] = 0x8b, [KEY_KPJPCOMMA] = 0x8c, [KEY_HANGEUL] = 0x90, [KEY_HANJA] = 0x91,
    [KEY_KATAKANA] = 0x92, [KEY_HIRAGANA] = 0x93, [KEY_ZENKAKUHANKAKU] = 0x94,
    [KEY_LEFTCTRL] = 0xe0, [KEY_LEFTSHIFT] = 0xe1, [KEY_LEFTALT] = 0xe2, [KEY_LEFTMETA] = 0xe3,
    [KEY_RIGHTCTRL] = 0xe4, [KEY_RIGHTSHIFT] = 0xe5, [KEY_RIGHTALT] = 0xe6,
    [KEY_RIGHTMETA] = 0xe7,
};

uint8_t hid_usage(unsigned key) {
    return key < ARRAY_LEN(usages) ? usages[key] : 0;
}
