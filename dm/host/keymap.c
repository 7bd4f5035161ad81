/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * National layouts of PC keyboards as rows of what they have other than the US one: a key and its
 * characters plain, with shift, with AltGr, with both; a blank is none. A viewer of one layout may
 * look at a guest of another, so what is held down is part of the answer.
 */
#include "keymap.h"

#include <linux/input-event-codes.h>
#include <stddef.h>
#include <string.h>

#include "core/bits.h"
#include "keysym.h"

struct row {
    uint8_t code;
    const char *levels; /* UTF-8 */
};

struct keymap {
    const char *names[4];
    const struct row *parts[3]; /* the first that has it counts */
    bool two_scripts; /* switched by the guest: its own letters, or Latin ones */
};

#define EURO {KEY_E, "eE€"}
#define PUNCTUATION {KEY_COMMA, ",;"}, {KEY_DOT, ".:"}, {KEY_SLASH, "-_"}
#define BRACES {KEY_7, "7/{"}, {KEY_8, "8(["}, {KEY_9, "9)]"}, {KEY_0, "0=}"}
#define QWERTZ {KEY_Y, "zZ"}, {KEY_Z, "yY"}
#define END {0, NULL}

static const struct row de[] = {
    {KEY_GRAVE, "^°"}, {KEY_1, "1!"}, {KEY_2, "2\"²"}, {KEY_3, "3§³"}, {KEY_6, "6&"}, BRACES,
    {KEY_MINUS, "ß?\\"}, {KEY_EQUAL, "´`"}, {KEY_Q, "qQ@"}, EURO, QWERTZ, {KEY_M, "mMµ"},
    {KEY_LEFTBRACE, "üÜ"}, {KEY_RIGHTBRACE, "+*~"}, {KEY_SEMICOLON, "öÖ"},
    {KEY_APOSTROPHE, "äÄ"}, {KEY_BACKSLASH, "#'"}, {KEY_102ND, "<>|"}, PUNCTUATION, END};

static const struct row ch[] = {
    {KEY_GRAVE, "§°"}, {KEY_1, "1+¦"}, {KEY_2, "2\"@"}, {KEY_3, "3*#"}, {KEY_4, "4ç"},
    {KEY_6, "6&¬"}, {KEY_7, "7/|"}, {KEY_8, "8(¢"}, {KEY_9, "9)"}, {KEY_0, "0="},
    {KEY_MINUS, "'?´"}, {KEY_EQUAL, "^`~"}, EURO, QWERTZ, {KEY_RIGHTBRACE, "¨!]"},
    {KEY_BACKSLASH, "$£}"}, {KEY_102ND, "<>\\"}, PUNCTUATION, END};
static const struct row de_ch[] = {
    {KEY_LEFTBRACE, "üè["}, {KEY_SEMICOLON, "öé"}, {KEY_APOSTROPHE, "äà{"}, END};
static const struct row fr_ch[] = {
    {KEY_LEFTBRACE, "èü["}, {KEY_SEMICOLON, "éö"}, {KEY_APOSTROPHE, "àä{"}, END};

static const struct row azerty[] = {
    {KEY_Q, "aA"}, {KEY_W, "zZ"}, {KEY_A, "qQ"}, {KEY_Z, "wW"}, {KEY_SEMICOLON, "mM"}, EURO,
    {KEY_M, ",?"}, {KEY_COMMA, ";."}, {KEY_DOT, ":/"}, END};
static const struct row fr[] = {
    {KEY_GRAVE, "²"}, {KEY_1, "&1"}, {KEY_2, "é2~"}, {KEY_3, "\"3#"}, {KEY_4, "'4{"},
    {KEY_5, "(5["}, {KEY_6, "-6|"}, {KEY_7, "è7`"}, {KEY_8, "_8\\"}, {KEY_9, "ç9^"},
    {KEY_0, "à0@"}, {KEY_MINUS, ")°]"}, {KEY_EQUAL, "=+}"}, {KEY_LEFTBRACE, "^¨"},
    {KEY_RIGHTBRACE, "$£¤"}, {KEY_APOSTROPHE, "ù%"}, {KEY_BACKSLASH, "*µ"}, {KEY_102ND, "<>"},
    {KEY_SLASH, "!§"}, END};
static const struct row fr_be[] = {
    {KEY_GRAVE, "²³"}, {KEY_1, "&1|"}, {KEY_2, "é2@"}, {KEY_3, "\"3#"}, {KEY_4, "'4"},
    {KEY_5, "(5"}, {KEY_6, "§6^"}, {KEY_7, "è7"}, {KEY_8, "!8"}, {KEY_9, "ç9{"}, {KEY_0, "à0}"},
    {KEY_MINUS, ")°"}, {KEY_EQUAL, "-_"}, {KEY_LEFTBRACE, "^¨["}, {KEY_RIGHTBRACE, "$*]"},
    {KEY_APOSTROPHE, "ù%´"}, {KEY_BACKSLASH, "µ£`"}, {KEY_102ND, "<>\\"}, {KEY_SLASH, "=+~"}, END};

static const struct row en_gb[] = {
    {KEY_GRAVE, "`¬¦"}, {KEY_2, "2\""}, {KEY_3, "3£"}, {KEY_4, "4$€"}, {KEY_APOSTROPHE, "'@"},
    {KEY_BACKSLASH, "#~"}, {KEY_102ND, "\\|"}, END};

static const struct row es[] = {
    {KEY_GRAVE, "ºª\\"}, {KEY_1, "1!|"}, {KEY_2, "2\"@"}, {KEY_3, "3·#"}, {KEY_4, "4$~"},
    {KEY_6, "6&¬"}, {KEY_7, "7/"}, {KEY_8, "8("}, {KEY_9, "9)"}, {KEY_0, "0="},
    {KEY_MINUS, "'?"}, {KEY_EQUAL, "¡¿"}, EURO, {KEY_LEFTBRACE, "`^["}, {KEY_RIGHTBRACE, "+*]"},
    {KEY_SEMICOLON, "ñÑ"}, {KEY_APOSTROPHE, "´¨{"}, {KEY_BACKSLASH, "çÇ}"}, {KEY_102ND, "<>"},
    PUNCTUATION, END};

static const struct row it[] = {
    {KEY_GRAVE, "\\|"}, {KEY_2, "2\""}, {KEY_3, "3£"}, {KEY_6, "6&"}, {KEY_7, "7/"},
    {KEY_8, "8("}, {KEY_9, "9)"}, {KEY_0, "0="}, {KEY_MINUS, "'?"}, {KEY_EQUAL, "ì^~"}, EURO,
    {KEY_LEFTBRACE, "èé[{"}, {KEY_RIGHTBRACE, "+*]}"}, {KEY_SEMICOLON, "òç@"},
    {KEY_APOSTROPHE, "à°#"}, {KEY_BACKSLASH, "ù§"}, {KEY_102ND, "<>"}, PUNCTUATION, END};

/* JIS X 6002's 106 and 109 keys */
static const struct row ja[] = {
    {KEY_2, "2\""}, {KEY_6, "6&"}, {KEY_7, "7'"}, {KEY_8, "8("}, {KEY_9, "9)"}, {KEY_0, "0"},
    {KEY_MINUS, "-="}, {KEY_EQUAL, "^~"}, {KEY_LEFTBRACE, "@`"}, {KEY_RIGHTBRACE, "[{"},
    {KEY_SEMICOLON, ";+"}, {KEY_APOSTROPHE, ":*"}, {KEY_BACKSLASH, "]}"}, {KEY_YEN, "¥|"},
    {KEY_RO, "\\_"}, END};

/* the programmer's */
static const struct row pl[] = {
    {KEY_A, "aAąĄ"}, {KEY_C, "cCćĆ"}, {KEY_E, "eEęĘ"}, {KEY_L, "lLłŁ"}, {KEY_N, "nNńŃ"},
    {KEY_O, "oOóÓ"}, {KEY_S, "sSśŚ"}, {KEY_X, "xXźŹ"}, {KEY_Z, "zZżŻ"}, {KEY_U, "uU€"}, END};

static const struct row pt[] = {
    {KEY_GRAVE, "\\|"}, {KEY_2, "2\"@"}, {KEY_3, "3#£"}, {KEY_4, "4$§"}, {KEY_6, "6&"}, BRACES,
    {KEY_MINUS, "'?"}, {KEY_EQUAL, "«»"}, EURO, {KEY_LEFTBRACE, "+*¨"}, {KEY_RIGHTBRACE, "´`"},
    {KEY_SEMICOLON, "çÇ"}, {KEY_APOSTROPHE, "ºª"}, {KEY_BACKSLASH, "~^"}, {KEY_102ND, "<>"},
    PUNCTUATION, END};

/* ABNT2 */
static const struct row pt_br[] = {
    {KEY_GRAVE, "'\""}, {KEY_1, "1!¹"}, {KEY_2, "2@²"}, {KEY_3, "3#³"}, {KEY_4, "4$£"},
    {KEY_5, "5%¢"}, {KEY_6, "6¨¬"}, {KEY_EQUAL, "=+§"}, EURO, {KEY_LEFTBRACE, "´`"},
    {KEY_RIGHTBRACE, "[{ª"}, {KEY_SEMICOLON, "çÇ"}, {KEY_APOSTROPHE, "~^"},
    {KEY_BACKSLASH, "]}º"}, {KEY_102ND, "\\|"}, {KEY_SLASH, ";:"}, {KEY_RO, "/?°"}, END};

static const struct row ru[] = {
    {KEY_GRAVE, "ёЁ"}, {KEY_2, "2\""}, {KEY_3, "3№"}, {KEY_4, "4;"}, {KEY_6, "6:"}, {KEY_7, "7?"},
    {KEY_Q, "йЙ"}, {KEY_W, "цЦ"}, {KEY_E, "уУ"}, {KEY_R, "кК"}, {KEY_T, "еЕ"}, {KEY_Y, "нН"},
    {KEY_U, "гГ"}, {KEY_I, "шШ"}, {KEY_O, "щЩ"}, {KEY_P, "зЗ"}, {KEY_LEFTBRACE, "хХ"},
    {KEY_RIGHTBRACE, "ъЪ"}, {KEY_A, "фФ"}, {KEY_S, "ыЫ"}, {KEY_D, "вВ"}, {KEY_F, "аА"},
    {KEY_G, "пП"}, {KEY_H, "рР"}, {KEY_J, "оО"}, {KEY_K, "лЛ"}, {KEY_L, "дД"},
    {KEY_SEMICOLON, "жЖ"}, {KEY_APOSTROPHE, "эЭ"}, {KEY_Z, "яЯ"}, {KEY_X, "чЧ"}, {KEY_C, "сС"},
    {KEY_V, "мМ"}, {KEY_B, "иИ"}, {KEY_N, "тТ"}, {KEY_M, "ьЬ"}, {KEY_COMMA, "бБ"},
    {KEY_DOT, "юЮ"}, {KEY_SLASH, ".,"}, {KEY_BACKSLASH, "\\/"}, END};

static const struct row nordic[] = {
    {KEY_1, "1!"}, {KEY_2, "2\"@"}, {KEY_3, "3#£"}, {KEY_4, "4¤$"}, {KEY_6, "6&"}, BRACES, EURO,
    {KEY_MINUS, "+?\\"}, {KEY_EQUAL, "´`"}, {KEY_LEFTBRACE, "åÅ"}, {KEY_RIGHTBRACE, "¨^~"},
    {KEY_BACKSLASH, "'*"}, {KEY_102ND, "<>|"}, PUNCTUATION, END};
static const struct row sv[] = {
    {KEY_GRAVE, "§½"}, {KEY_SEMICOLON, "öÖ"}, {KEY_APOSTROPHE, "äÄ"}, END};
static const struct row no[] = {
    {KEY_GRAVE, "|§"}, {KEY_MINUS, "+?"}, {KEY_EQUAL, "\\`´"}, {KEY_SEMICOLON, "øØ"},
    {KEY_APOSTROPHE, "æÆ"}, {KEY_102ND, "<>"}, END};
static const struct row da[] = {
    {KEY_GRAVE, "½§"}, {KEY_MINUS, "+?"}, {KEY_EQUAL, "´`|"}, {KEY_SEMICOLON, "æÆ"},
    {KEY_APOSTROPHE, "øØ"}, {KEY_102ND, "<>\\"}, END};

static const struct row cz[] = {
    {KEY_GRAVE, ";°"}, {KEY_1, "+1"}, {KEY_2, "ě2"}, {KEY_3, "š3"}, {KEY_4, "č4"}, {KEY_5, "ř5"},
    {KEY_6, "ž6"}, {KEY_7, "ý7"}, {KEY_8, "á8"}, {KEY_9, "í9"}, {KEY_0, "é0"},
    {KEY_MINUS, "=%"}, {KEY_EQUAL, "´ˇ"}, QWERTZ, {KEY_LEFTBRACE, "ú/["},
    {KEY_RIGHTBRACE, ")(]"}, {KEY_SEMICOLON, "ů\"$"}, {KEY_APOSTROPHE, "§!"},
    {KEY_BACKSLASH, "¨'"}, {KEY_102ND, "\\|"}, {KEY_COMMA, ",?<"}, {KEY_DOT, ".:>"},
    {KEY_SLASH, "-_*"}, EURO, {KEY_X, "xX#"}, {KEY_C, "cC&"}, {KEY_V, "vV@"}, {KEY_B, "bB{"},
    {KEY_N, "nN}"}, END};

static const struct row hu[] = {
    {KEY_GRAVE, "0§"}, {KEY_1, "1'~"}, {KEY_2, "2\"ˇ"}, {KEY_3, "3+^"}, {KEY_4, "4!˘"},
    {KEY_5, "5%°"}, {KEY_6, "6/˛"}, {KEY_7, "7=`"}, {KEY_8, "8(˙"}, {KEY_9, "9)´"},
    {KEY_0, "öÖ˝"}, {KEY_MINUS, "üÜ¨"}, {KEY_EQUAL, "óÓ¸"}, {KEY_Y, "zZ"}, {KEY_Z, "yY>"},
    {KEY_Q, "qQ\\"}, {KEY_W, "wW|"}, {KEY_LEFTBRACE, "őŐ÷"}, {KEY_RIGHTBRACE, "úÚ×"},
    {KEY_F, "fF["}, {KEY_G, "gG]"}, {KEY_SEMICOLON, "éÉ$"}, {KEY_APOSTROPHE, "áÁß"},
    {KEY_BACKSLASH, "űŰ¤"}, {KEY_102ND, "íÍ<"}, {KEY_X, "xX#"}, {KEY_C, "cC&"}, {KEY_V, "vV@"},
    {KEY_B, "bB{"}, {KEY_N, "nN}"}, {KEY_COMMA, ",?;"}, {KEY_DOT, ".:"}, {KEY_SLASH, "-_*"}, END};

static const struct row tr[] = {
    {KEY_GRAVE, "\"é"}, {KEY_1, "1!>"}, {KEY_2, "2'£"}, {KEY_3, "3^#"}, {KEY_4, "4+$"},
    {KEY_6, "6&"}, BRACES, {KEY_MINUS, "*?\\"}, {KEY_EQUAL, "-_|"}, {KEY_Q, "qQ@"}, EURO,
    {KEY_I, "ıI"}, {KEY_LEFTBRACE, "ğĞ¨"}, {KEY_RIGHTBRACE, "üÜ~"}, {KEY_SEMICOLON, "şŞ´"},
    {KEY_APOSTROPHE, "iİ"}, {KEY_BACKSLASH, ",;`"}, {KEY_102ND, "<>|"}, {KEY_COMMA, "öÖ"},
    {KEY_DOT, "çÇ"}, {KEY_SLASH, ".:"}, END};

static const struct keymap maps[] = {
    {{"en-us", "us"}, {NULL}, false}, {{"de"}, {de}, false}, {{"de-ch"}, {de_ch, ch}, false},
    {{"fr-ch"}, {fr_ch, ch}, false}, {{"fr"}, {azerty, fr}, false},
    {{"fr-be"}, {azerty, fr_be}, false}, {{"en-gb", "gb", "uk"}, {en_gb}, false},
    {{"es"}, {es}, false}, {{"it"}, {it}, false}, {{"ja", "jp"}, {ja}, false},
    {{"pl"}, {pl}, false}, {{"pt"}, {pt}, false}, {{"pt-br", "br"}, {pt_br}, false},
    {{"ru"}, {ru}, true}, {{"sv", "fi"}, {sv, nordic}, false}, {{"no"}, {no, nordic}, false},
    {{"da"}, {da, nordic}, false}, {{"cz", "cs"}, {cz}, false}, {{"hu"}, {hu}, false},
    {{"tr"}, {tr}, false},
};

const struct keymap *keymap_find(const char *name) {
    for (unsigned i = 0; i < ARRAY_LEN(maps); i++)
        for (unsigned n = 0; n < ARRAY_LEN(maps[i].names) && maps[i].names[n]; n++)
            if (!strcmp(maps[i].names[n], name))
                return &maps[i];
    return NULL;
}

/* ---- keysyms ---- */

/* ISO 8859-2 and the Turkish part of 8859-9 from a0 on: X's keysyms 1a1 and 2a9 on are these, less
 * those of Latin 1. */
static const uint16_t latin2[96] = {
    0x00a0, 0x0104, 0x02d8, 0x0141, 0x00a4, 0x013d, 0x015a, 0x00a7, 0x00a8, 0x0160, 0x015e, 0x0164,
    0x0179, 0x00ad, 0x017d, 0x017b, 0x00b0, 0x0105, 0x02db, 0x0142, 0x00b4, 0x013e, 0x015b, 0x02c7,
    0x00b8, 0x0161, 0x015f, 0x0165, 0x017a, 0x02dd, 0x017e, 0x017c, 0x0154, 0x00c1, 0x00c2, 0x0102,
    0x00c4, 0x0139, 0x0106, 0x00c7, 0x010c, 0x00c9, 0x0118, 0x00cb, 0x011a, 0x00cd, 0x00ce, 0x010e,
    0x0110, 0x0143, 0x0147, 0x00d3, 0x00d4, 0x0150, 0x00d6, 0x00d7, 0x0158, 0x016e, 0x00da, 0x0170,
    0x00dc, 0x00dd, 0x0162, 0x00df, 0x0155, 0x00e1, 0x00e2, 0x0103, 0x00e4, 0x013a, 0x0107, 0x00e7,
    0x010d, 0x00e9, 0x0119, 0x00eb, 0x011b, 0x00ed, 0x00ee, 0x010f, 0x0111, 0x0144, 0x0148, 0x00f3,
    0x00f4, 0x0151, 0x00f6, 0x00f7, 0x0159, 0x016f, 0x00fa, 0x0171, 0x00fc, 0x00fd, 0x0163, 0x02d9,
};

/* The letters of KOI8-R from c0 on, as keysyms 6c0 on: offsets from U+0430. */
static const char koi8[] = "\x1e\x00\x01\x16\x04\x05\x14\x03\x15\x08\x09\x0a\x0b\x0c\x0d\x0e"
                           "\x0f\x1f\x10\x11\x12\x13\x06\x02\x1c\x1b\x07\x18\x1d\x19\x17\x1a";

/* fe50 on: grave, acute, circumflex, tilde, macron, breve, dot, diaeresis, ring, double acute,
 * caron, cedilla, ogonek */
static const uint16_t dead[] = {'`', 0xb4, '^', '~', 0xaf, 0x2d8, 0x2d9, 0xa8, 0xb0, 0x2dd, 0x2c7,
                                0xb8, 0x2db};

uint32_t keymap_character(uint32_t keysym) {
    if ((keysym >= ' ' && keysym <= '~') || (keysym >= 0xa0 && keysym <= 0xff))
        return keysym;
    if (keysym >= 0x01000020 && keysym <= 0x0110ffff)
        return keysym - 0x01000000;
    if (keysym >= 0x1a0 && keysym <= 0x1ff)
        return latin2[keysym - 0x1a0];
    if (keysym >= 0xfe50 && keysym < 0xfe50 + ARRAY_LEN(dead))
        return dead[keysym - 0xfe50];
    if (keysym >= 0x6c0 && keysym <= 0x6ff)
        return (keysym < 0x6e0 ? 0x430u : 0x410u) + (uint8_t)koi8[keysym & 31];
    switch (keysym) {
    case 0x2a9:
        return 0x130; /* I with a dot */
    case 0x2b9:
        return 0x131; /* i without */
    case 0x2ab:
        return 0x11e;
    case 0x2bb:
        return 0x11f;
    case 0x6a3:
        return 0x451; /* io */
    case 0x6b3:
        return 0x401;
    case 0x6b0:
        return 0x2116; /* numero */
    case 0x20ac:
        return keysym; /* the euro */
    default:
        return 0;
    }
}

/* ---- looking up ---- */

static uint32_t next_character(const char **text) {
    const uint8_t *p = (const uint8_t *)*text;
    unsigned n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : 3;
    *text += n;
    if (n == 1)
        return *p;
    return n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu)
                  : (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

/* Which case a letter of this key has is the caps lock's business, too. */
static bool is_letter(uint32_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c != 0xd7 &&
           c != 0xf7 && c < 0x250) || (c >= 0x400 && c < 0x460);
}

static struct keymap_key found(unsigned code, unsigned level, uint32_t c) {
    return (struct keymap_key){code, level, !is_letter(c) || level & KEYMAP_ALTGR};
}

static struct keymap_key find_in(const struct row *row, uint32_t c) {
    for (; row && row->code; row++) {
        const char *text = row->levels;
        for (unsigned level = 0; *text; level++)
            if (next_character(&text) == c)
                return found(row->code, level, c);
    }
    return (struct keymap_key){0};
}

static bool has_row(const struct keymap *map, unsigned part, unsigned code) {
    for (unsigned i = 0; i < part && map->parts[i]; i++)
        for (const struct row *row = map->parts[i]; row->code; row++)
            if (row->code == code)
                return true;
    return false;
}

static struct keymap_key find_own(const struct keymap *map, uint32_t c) {
    for (unsigned i = 0; i < ARRAY_LEN(map->parts) && map->parts[i]; i++) {
        struct keymap_key key = find_in(map->parts[i], c);
        if (key.code && !has_row(map, i, key.code))
            return key;
    }
    return (struct keymap_key){0};
}

static bool us_shifted(uint32_t c) {
    return (c >= 'A' && c <= 'Z') || strchr("~!@#$%^&*()_+{}|:\"<>?", (int)c);
}

struct keymap_key keymap_key(const struct keymap *map, uint32_t keysym, bool *second) {
    uint32_t c = keymap_character(keysym);
    if (map && c && map->two_scripts && is_letter(c))
        *second = c >= 0x80;
    if (map && c && (!map->two_scripts || *second)) {
        struct keymap_key key = find_own(map, c);
        if (key.code)
            return key;
    }
    unsigned code = key_of_keysym(c ? c : keysym);
    if (!c || c == ' ')
        return (struct keymap_key){code, 0, false};
    return found(code, c < 0x80 && us_shifted(c) ? KEYMAP_SHIFT : 0, c);
}
