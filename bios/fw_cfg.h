/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg: how the machine hands blobs to firmware; ports 510, 511 and 514 to 51b. One thread.
 */
#ifndef BIOS_FW_CFG_H
#define BIOS_FW_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/device.h"
#include "core/engine.h"
#include "core/io.h"

/* Items with fixed keys; integers in them are little-endian */
enum {
    FW_CFG_SIGNATURE = 0x00, FW_CFG_ID = 0x01, FW_CFG_UUID = 0x02, FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04, FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07, FW_CFG_KERNEL_SIZE = 0x08, FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b, FW_CFG_BOOT_MENU = 0x0e, FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11, FW_CFG_INITRD_DATA = 0x12, FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14, FW_CFG_CMDLINE_DATA = 0x15, FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17, FW_CFG_SETUP_DATA = 0x18, FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
};

enum { FW_CFG_NAME = 56 }; /* with its NUL */

struct fw_cfg;

struct fw_cfg_pins {
    struct io_bus *io;
    struct engine *engine;
    uint16_t cpus, max_cpus;
    uint64_t ram;
    uint8_t uuid[16];
    bool boot_menu, nographic;
};

struct fw_cfg *fw_cfg_new(const struct fw_cfg_pins *pins);
extern const struct device_ops fw_cfg_device;

/* A file that is too big to be kept in memory: read fills buf from off on; false: it can't. */
struct fw_cfg_blob {
    uint64_t len;
    bool (*read)(void *arg, uint64_t off, void *buf, size_t n);
    void *arg;
};

/* Before the guest runs. Bytes and blobs stay the caller's and outlive the device. */
void fw_cfg_add(struct fw_cfg *fw_cfg, uint16_t key, const void *bytes, uint32_t len);
/* [off, off + len) of the blob. */
void fw_cfg_add_blob(struct fw_cfg *fw_cfg, uint16_t key, const struct fw_cfg_blob *blob,
                     uint32_t off, uint32_t len);
void fw_cfg_add32(struct fw_cfg *fw_cfg, uint16_t key, uint32_t val);
/* A named file; its key follows from the order. */
void fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, const void *bytes, uint32_t len);

#endif
