/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line under the fuzzer: bytes split at newlines are the arguments.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "argv.h"

enum { MAX_ARGS = 64 };

static void drop(void *arg, const char *line) {
    (void)arg, (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1), why[512];
    memcpy(text, bytes, size);
    text[size] = '\0';
    const char *argv[MAX_ARGS] = {"hvm-dm"};
    int argc = 1;
    for (char *s = strtok(text, "\n"); s && argc < MAX_ARGS; s = strtok(NULL, "\n"))
        argv[argc++] = s;
    struct config *config = argv_parse(argc, argv, why, sizeof(why));
    if (config)
        config_print(config, drop, NULL);
    config_free(config);
    free(text);
    return 0;
}
