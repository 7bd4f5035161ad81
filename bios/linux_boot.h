/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot of a Linux kernel: what a boot loader does by the Linux boot protocol is prepared
 * here and handed to an option ROM of ours through fw_cfg. One thread.
 */
#ifndef BIOS_LINUX_BOOT_H
#define BIOS_LINUX_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "fw_cfg.h"

struct linux_boot;

/* The files stay the caller's and outlive fw_cfg. */
struct linux_boot_files {
    const struct fw_cfg_blob *kernel;
    const struct fw_cfg_blob *initrd; /* NULL: none */
    const char *cmdline; /* NULL: "" */
    uint64_t low_ram;    /* bytes of RAM below 4 GiB */
};

/* Puts all items into fw_cfg. NULL: `why` says what can't be booted and what is wrong with it. */
struct linux_boot *linux_boot_new(struct fw_cfg *fw_cfg, const struct linux_boot_files *files,
                                  char *why, size_t why_len);
void linux_boot_free(struct linux_boot *boot); /* after fw_cfg; NULL is none */

#endif
