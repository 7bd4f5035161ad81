/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target over kept inputs without libFuzzer: `replay_X PATH...`. Directories are
 * walked; while inside one, HVMDM_SPECIMEN is its name. Prints how many inputs there were; a crash
 * is the verdict.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static unsigned inputs;

static void replay_file(const char *path, size_t len) {
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(len + !len); /* exact, for ASan */
    if (!f || !bytes || fread(bytes, 1, len, f) != len) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    fclose(f);
    setenv("HVMDM_INPUT", path, 1);
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
    inputs++;
}

static void replay(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path, (size_t)st.st_size);
        return;
    }
    DIR *dir = opendir(path);
    const char *name = strrchr(path, '/');
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char inner[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
        setenv("HVMDM_SPECIMEN", name ? name + 1 : path, 1);
        replay(inner);
    }
    if (dir)
        closedir(dir);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%u inputs\n", inputs);
    return 0;
}
