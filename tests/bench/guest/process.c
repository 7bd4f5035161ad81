/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Adds up "Name: N" lines of a file under /proc. */
struct wanted {
    const char *name;
    long *value;
};

static int read_numbers(const char *path, const struct wanted *w, size_t n) {
    FILE *f = fopen(path, "r");
    char line[256];

    if (!f)
        return -1;
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        long value;

        if (!colon || sscanf(colon + 1, "%ld", &value) != 1)
            continue;
        *colon = 0;
        for (size_t i = 0; i < n; i++)
            if (!strcmp(line, w[i].name))
                *w[i].value += value;
    }
    fclose(f);
    return 0;
}

int process_memory(pid_t pid, struct process_memory *m) {
    const struct wanted status[] = {
        { "VmRSS", &m->rss_kib },         { "RssAnon", &m->anon_kib },
        { "RssFile", &m->file_kib },      { "RssShmem", &m->shmem_kib },
        { "VmPTE", &m->page_tables_kib }, { "Threads", &m->threads },
    };
    const struct wanted rollup[] = { { "Pss", &m->pss_kib } };
    char path[64];

    memset(m, 0, sizeof *m);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (read_numbers(path, status, sizeof status / sizeof *status))
        return -1;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    return read_numbers(path, rollup, 1);
}

int process_use(pid_t pid, struct process_use *u) {
    const struct wanted switches[] = {
        { "voluntary_ctxt_switches", &u->voluntary },
        { "nonvoluntary_ctxt_switches", &u->involuntary },
    };
    char path[300];
    struct timespec t;
    struct dirent *d;
    clockid_t clock;
    FILE *f;
    DIR *tasks;

    memset(u, 0, sizeof *u);
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        return -1;
    u->cpu_ms = (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (!f)
        return -1;
    /* field 10, after the name in parentheses, which may hold spaces */
    if (fscanf(f, "%*[^)]) %*c %*d %*d %*d %*d %*d %*u %ld", &u->faults) != 1)
        u->faults = -1;
    fclose(f);
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    tasks = opendir(path);
    while (tasks && (d = readdir(tasks))) {
        if (*d->d_name == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, d->d_name);
        read_numbers(path, switches, 2);
    }
    if (tasks)
        closedir(tasks);
    return 0;
}
