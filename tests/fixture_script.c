/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a specimen, as lines of text. See fixture_play.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture_play.h"

/* What follows the name: A addr, V value, N count, H bytes, D devfn and register. */
static const struct word {
    const char *name;
    bool sized; /* 8, 16, 32 or 64 is part of the name */
    const char *args;
} words[PLAY_KINDS] = {
    [PLAY_IN] = {"in", true, "A"},           [PLAY_OUT] = {"out", true, "AV"},
    [PLAY_INS] = {"ins", true, "AN"},        [PLAY_OUTS] = {"outs", true, "ANH"},
    [PLAY_READ] = {"read", true, "A"},       [PLAY_WRITE] = {"write", true, "AV"},
    [PLAY_READS] = {"reads", true, "AN"},    [PLAY_WRITES] = {"writes", true, "ANH"},
    [PLAY_CFG_READ] = {"cfgread", true, "D"}, [PLAY_CFG_WRITE] = {"cfgwrite", true, "DV"},
    [PLAY_RAM] = {"ram", false, "AH"},       [PLAY_SLEEP] = {"sleep", false, "A"},
    [PLAY_IO] = {"io", false, ""},           [PLAY_FAIL] = {"fail", false, "AN"},
    [PLAY_POKE] = {"poke", false, "A"},      [PLAY_RESET] = {"reset", false, ""},
    [PLAY_RELOAD] = {"reload", false, ""},   [PLAY_DAMAGE] = {"damage", false, "AV"},
    [PLAY_BARS] = {"bars", false, ""},
};

void play_print(const struct play_op *op, char *line, size_t len) {
    const struct word *w = &words[op->kind];
    size_t n = (size_t)snprintf(line, len, "%s", w->name);
    if (w->sized)
        n += (size_t)snprintf(line + n, len - n, "%u", op->size * 8);
    for (const char *a = w->args; *a; a++) {
        unsigned long long addr = op->addr, val = op->val;
        if (*a == 'A')
            n += (size_t)snprintf(line + n, len - n, " %#llx", addr);
        else if (*a == 'V')
            n += (size_t)snprintf(line + n, len - n, " %#llx", val);
        else if (*a == 'N')
            n += (size_t)snprintf(line + n, len - n, " %u", op->n);
        else if (*a == 'D')
            n += (size_t)snprintf(line + n, len - n, " %#llx %#llx", addr >> 8, addr & 0xff);
        else
            n += (size_t)snprintf(line + n, len - n, " ");
        for (unsigned i = 0; *a == 'H' && i < op->data_len; i++)
            n += (size_t)snprintf(line + n, len - n, "%02x", op->data[i]);
    }
}

static bool number(const char **at, uint64_t *val) {
    char *end;
    *val = strtoull(*at, &end, 0);
    bool ok = end != *at;
    *at = end;
    return ok;
}

static bool hex(const char **at, struct play_op *op) {
    const char *p = *at + strspn(*at, " ");
    unsigned byte;
    while (op->data_len < PLAY_DATA && isxdigit((unsigned char)p[0]) &&
           isxdigit((unsigned char)p[1]) && sscanf(p, "%2x", &byte) == 1) {
        op->data[op->data_len++] = (uint8_t)byte;
        p += 2;
    }
    *at = p;
    return true;
}

static bool argument(char kind, const char **at, struct play_op *op) {
    uint64_t val = 0, reg = 0;
    if (kind == 'H')
        return hex(at, op);
    if (!number(at, &val) || (kind == 'D' && !number(at, &reg)))
        return false;
    if (kind == 'A')
        op->addr = val;
    else if (kind == 'V')
        op->val = val;
    else if (kind == 'N')
        op->n = (unsigned)MIN(val, (uint64_t)PLAY_STRING);
    else
        op->addr = (val & 0xff) << 8 | (reg & 0xff);
    return true;
}

bool play_parse(const char *line, struct play_op *op) {
    char name[16];
    unsigned bits = 0;
    int used = 0;
    *op = (struct play_op){0};
    if (sscanf(line, " %15[a-z]%n", name, &used) != 1)
        return false;
    unsigned kind = 0;
    while (kind < PLAY_KINDS && strcmp(words[kind].name, name) != 0)
        kind++;
    if (kind == PLAY_KINDS)
        return false;
    op->kind = kind;
    const char *at = line + used;
    if (words[kind].sized) {
        if (sscanf(at, "%2u%n", &bits, &used) != 1 ||
            (bits != 8 && bits != 16 && bits != 32 && bits != 64))
            return false;
        op->size = bits / 8;
        at += used;
    }
    for (const char *a = words[kind].args; *a; a++)
        if (!argument(*a, &at, op))
            return false;
    return at[strspn(at, " \n")] == 0;
}
