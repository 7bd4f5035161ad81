/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One fuzz program for all chips: bytes are things that happen to a specimen (fixture_play.h). The
 * specimen is named by HVMDM_SPECIMEN in the environment. With HVMDM_SCRIPT set too, what happens
 * is printed as a script for tests/regress. `fuzz_chip` is run by tests/fuzz/run; `replay_chip`,
 * the same without libFuzzer, replays the kept corpus in every test run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture_play.h"

static void tell(const struct play_op *op) {
    char line[256];
    play_print(op, line, sizeof(line));
    puts(line);
    fflush(stdout); /* the next one may be the last */
}

static void list(void) {
    for (unsigned i = 0; specimen_lists[i]; i++)
        for (const struct specimen *s = specimen_lists[i]; s->name; s++)
            puts(s->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    const char *name = getenv("HVMDM_SPECIMEN");
    const struct specimen *specimen = name ? play_specimen(name) : NULL;
    if (!specimen) {
        fprintf(stderr, "HVMDM_SPECIMEN is %s, but must be one of:\n", name ? name : "not set");
        list();
        exit(2);
    }
    bool script = getenv("HVMDM_SCRIPT") != NULL;
    if (script)
        printf("specimen %s\n", name);
    play_input(specimen, bytes, len, script ? tell : NULL);
    return 0;
}
