/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A -drive's limits, in both of QEMU's spellings: iops_rd_max= and throttling.iops-read-max=. Not
 * modelled: groups of drives with a limit in common.
 */
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "parse.h"

enum { SPELLINGS = 2 };
enum { ENDINGS = 3 };

static const char *const endings[SPELLINGS][ENDINGS] = {{"", "_max", "_max_length"},
                                                        {"", "-max", "-max-length"}};
static const char *const sizes[SPELLINGS] = {"iops_size", "throttling.iops-size"};

static void name_key(char *key, size_t len, unsigned spelling, enum throttle_what what,
                     enum throttle_whose whose, unsigned ending) {
    static const char *const whats[] = {"bps", "iops"}, *const whoses[] = {"", "_rd", "_wr"};
    const char *end = endings[spelling][ending];
    if (spelling)
        snprintf(key, len, "throttling.%s%s", throttle_name(what, whose), end);
    else
        snprintf(key, len, "%s%s%s", whats[what], whoses[whose], end);
}

enum { ALL = SPELLINGS * THROTTLE_WHATS * THROTTLE_WHOSES * ENDINGS };

/* Key number n; returns where its value goes. */
static uint64_t *place(struct throttle_limits *limits, unsigned n, char *key, size_t len) {
    unsigned spelling = n % SPELLINGS, ending = n / SPELLINGS % ENDINGS;
    unsigned what = n / SPELLINGS / ENDINGS % THROTTLE_WHATS;
    unsigned whose = n / SPELLINGS / ENDINGS / THROTTLE_WHATS;
    struct throttle_limit *l = &limits->limit[what][whose];
    name_key(key, len, spelling, what, whose, ending);
    return ending == 0 ? &l->avg : ending == 1 ? &l->max : &l->length;
}

bool throttle_key(const char *key) {
    struct throttle_limits limits;
    char name[48];
    for (unsigned n = 0; n < ALL; n++) {
        place(&limits, n, name, sizeof(name));
        if (!strcmp(key, name))
            return true;
    }
    return !strcmp(key, sizes[0]) || !strcmp(key, sizes[1]);
}

bool take_throttle(struct parse *p, struct config_drive *d) {
    const struct opts *o = d->opts;
    char name[48];
    for (unsigned n = 0; n < ALL; n++) {
        uint64_t *value = place(&d->limits, n, name, sizeof(name));
        if (!opts_size(o, name, 1, value, p->why, p->why_len))
            return false;
    }
    for (unsigned i = 0; i < SPELLINGS; i++)
        if (!opts_size(o, sizes[i], 1, &d->limits.iops_size, p->why, p->why_len))
            return false;
    const char *wrong = throttle_check(&d->limits);
    return !wrong || parse_fail(p, "%s %s: %s", o->origin, o->text, wrong);
}
