/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's side.
 */
#include "fixture.h"
#include "fw_cfg.h"
#include "int13.h"

static void *build_fw_cfg(struct fixture *fx) {
    static uint8_t blob[70000];
    struct fw_cfg *fw = fw_cfg_new(&(struct fw_cfg_pins){
        .io = fx->io, .engine = &fx->engine, .cpus = 1, .max_cpus = 4, .ram = 1 << 20});
    fw_cfg_add_file(fw, "genroms/blob.bin", blob, sizeof(blob));
    return fw;
}

static struct block *int13_disk(void *fx, unsigned place, unsigned *sector) {
    *sector = place == 2 ? 2048 : 512;
    return place % 2 ? NULL : fixture_disk(fx);
}

static void *build_int13(struct fixture *fx) {
    fixture_block(fx, 1 << 20, false);
    return int13_new(&(struct int13_pins){
        .io = fx->io, .engine = &fx->engine, .medium = int13_disk, .board = fx});
}

static const uint16_t int13_ports[] = {0x520, 4, 0};
static const uint16_t fw_cfg_ports[] = {0x510, 2, 0x514, 8, 0};

const struct specimen bios_specimens[] = {
    {"fw_cfg", build_fw_cfg, &fw_cfg_device, NULL, fw_cfg_ports},
    {"int13", build_int13, &int13_device, NULL, int13_ports},
    {0},
};
