/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says of a process: memory, time, context switches, its children.  Linux only. */
#ifndef GUEST_PROCESS_H
#define GUEST_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct process_memory {
    long rss_kib, anon_kib, file_kib, shmem_kib, pss_kib, page_tables_kib, threads;
};

struct process_use {
    double cpu_ms; /* all threads, user and kernel */
    long faults; /* minor */
    long voluntary, involuntary; /* context switches of the threads that live */
};

/* 0, or -1 if there is no such process. */
int process_memory(pid_t pid, struct process_memory *m);
int process_use(pid_t pid, struct process_use *u);

#endif
