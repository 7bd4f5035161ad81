/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of a CPU dom0 has, by Xen's account.
 *
 *     domtime DELAY LENGTH
 *
 * Waits for DELAY seconds and prints the millionths of the following LENGTH that dom0 ran.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "dom0_time.h"

static void wait_for(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    dom0_time();
    wait_for(atof(argv[1]));
    uint64_t from = clock_ns(CLOCK_MONOTONIC);
    uint64_t used = dom0_time();
    wait_for(atof(argv[2]));
    used = dom0_time() - used;
    printf("%.0f\n", 1e6 * (double)used / (double)(clock_ns(CLOCK_MONOTONIC) - from));
    return 0;
}
