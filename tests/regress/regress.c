/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replays the scripts of tests/regress: `regress FILE...`. A script names its specimen first; then
 * each line is a thing that happens to it (fixture_play.h), and a read may say what it must give:
 *
 *     specimen i8042
 *     # self-test
 *     out8 0x64 0xaa
 *     in8 0x60 = 0x55
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture_play.h"

struct script {
    const char *path;
    unsigned line;
    struct fixture fx;
    struct play play;
    bool open;
    unsigned wrong;
};

static void complain(struct script *s, const char *what, const char *text) {
    fprintf(stderr, "%s:%u: %s: %s\n", s->path, s->line, what, text);
    s->wrong++;
}

static void begin(struct script *s, const char *name) {
    const struct specimen *specimen = play_specimen(name);
    if (!specimen || s->open) {
        complain(s, "no such specimen, or a second one", name);
        return;
    }
    fixture_init(&s->fx);
    play_open(&s->play, &s->fx, specimen);
    s->open = true;
}

/* What the read gives, or false: it is not a plain read. */
static bool look(struct script *s, const struct play_op *op, uint64_t *val) {
    if (op->kind == PLAY_IN)
        *val = io_read(s->fx.io, IO_PORT, op->addr, op->size);
    else if (op->kind == PLAY_READ)
        *val = mem_read(&s->fx, op->addr, op->size);
    else if (op->kind == PLAY_CFG_READ)
        *val = cfg_read(&s->fx, (unsigned)op->addr >> 8, op->addr & 0xff, op->size);
    else
        return false;
    return true;
}

static void perform(struct script *s, char *text) {
    struct play_op op;
    char name[64];
    uint64_t got;
    if (sscanf(text, "specimen %63s", name) == 1) {
        begin(s, name);
        return;
    }
    char *want = strstr(text, " = ");
    if (want) {
        *want = 0;
        want += 3;
    }
    if (!s->open || !play_parse(text, &op))
        complain(s, "not understood", text);
    else if (!want)
        play_op(&s->play, &op);
    else if (!look(s, &op, &got))
        complain(s, "gives no value to compare", text);
    else if (got != strtoull(want, NULL, 0)) {
        fprintf(stderr, "%s:%u: %s gave %#llx, expected %s\n", s->path, s->line, text,
                (unsigned long long)got, want);
        s->wrong++;
    }
}

static unsigned run(const char *path) {
    struct script s = {.path = path};
    char text[1024];
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        return 1;
    }
    while (fgets(text, sizeof(text), f)) {
        s.line++;
        text[strcspn(text, "#\n")] = 0;
        if (text[strspn(text, " \t")])
            perform(&s, text);
    }
    fclose(f);
    if (s.open) {
        play_close(&s.play);
        fixture_done(&s.fx);
    } else {
        complain(&s, "names no specimen", path);
    }
    return s.wrong;
}

int main(int argc, char **argv) {
    unsigned wrong = 0;
    for (int i = 1; i < argc; i++)
        wrong += run(argv[i]);
    printf("%d scripts, %u wrong\n", argc - 1, wrong);
    return wrong != 0;
}
