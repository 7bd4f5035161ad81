/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct kernel boot: -kernel, -initrd and -append, put into fw_cfg. One thread.
 */
#ifndef DM_KERNEL_H
#define DM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct board;
struct kernel;

/* Adds fw_cfg with all that to the board, if there is a -kernel; clients of the socket engine have
 * fw_cfg always. low_ram: bytes of RAM below 4 GiB. False with board->why. */
bool kernel_add(struct board *board, uint64_t low_ram);
void kernel_free(struct board *board); /* after the chips */

#endif
