/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Linux/x86 boot protocol, 2.00 to 2.15: Documentation/arch/x86/boot.rst. The kernel's own
 * header is filled in on a copy of its set-up sectors, and the ROM gets a list of DMA descriptors
 * that bring everything to its place in one port access each.
 *
 * Not done: protocols before 2.00, multiboot, kernels that are only ELF.
 */
#include "linux_boot.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "linux_rom.h"
#include "rom_sum.h"

enum { /* offsets in the set-up header, and the protocol that brought the field */
    SETUP_SECTS = 0x1f1, VID_MODE = 0x1fa, BOOT_FLAG = 0x1fe, HEADER_MAGIC = 0x202,
    VERSION = 0x206, TYPE_OF_LOADER = 0x210, LOADFLAGS = 0x211, RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c, HEAP_END_PTR = 0x224 /* 2.01 */, CMD_LINE_PTR = 0x228 /* 2.02 */,
    INITRD_ADDR_MAX = 0x22c /* 2.03 */, CMDLINE_SIZE = 0x238 /* 2.06 */,
    INIT_SIZE = 0x260 /* 2.10 */, OLD_CMD_MAGIC = 0x20, OLD_CMD_OFFSET = 0x22,
};

enum { HDRS = 0x53726448, OLD_CMD = 0xa33f, LOADER_UNKNOWN = 0xff };
enum { LOADED_HIGH = 0x01, CAN_USE_HEAP = 0x80 };
enum { VGA_NORMAL = 0xffff, VGA_EXTENDED = 0xfffe, VGA_ASK = 0xfffd };

/* Old kernels want their set-up just below the end of low memory; new ones can be anywhere. */
enum { REAL_OLD = 0x90000, CMDLINE_OLD = 0x9a000, REAL_NEW = 0x10000, CMDLINE_NEW = 0x20000,
       KERNEL_LOW = 0x10000, KERNEL_HIGH = 0x100000 };

/* The top of low RAM is the firmware's: its tables and the rings of its drivers. */
enum { FIRMWARE_TOP = 2 << 20, PAGE = 4096 };

/* The header is in the first two sectors. */
enum { HEAD = 1024 };

enum { CMDLINE_LIMIT_OLD = 255, INITRD_MAX_OLD = 0x37ffffff };

struct linux_boot {
    uint8_t *setup, *rom, *cmdline;
    /* where things go */
    uint32_t setup_len, kernel_len, cmdline_len;
    uint32_t real, cmdline_at, kernel_at, initrd_at;
};

static uint16_t version(const struct linux_boot *b) {
    return load_le16(b->setup + VERSION);
}

/* ---- what the image says ---- */

static bool refuse(char *why, size_t why_len, const char *text) {
    snprintf(why, why_len, "-kernel: %s", text);
    return false;
}

static bool is_linux(const uint8_t *head) {
    return load_le16(head + BOOT_FLAG) == 0xaa55 && load_le32(head + HEADER_MAGIC) == HDRS;
}

static bool take_setup(struct linux_boot *b, const struct linux_boot_files *f, char *why,
                       size_t why_len) {
    const struct fw_cfg_blob *kernel = f->kernel;
    uint8_t head[HEAD];
    if (kernel->len < HEAD || kernel->len > UINT32_MAX / 2)
        return refuse(why, why_len, "the file is too short or too long for a Linux kernel");
    if (!kernel->read(kernel->arg, 0, head, HEAD))
        return refuse(why, why_len, "the file can't be read");
    if (!is_linux(head))
        return refuse(why, why_len, "not a Linux bzImage (no \"HdrS\" at 0x202); multiboot and ELF "
                                    "images can't be booted directly");
    unsigned sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
    b->setup_len = (sectors + 1) * 512;
    if (b->setup_len >= kernel->len)
        return refuse(why, why_len, "the kernel ends inside its set-up sectors");
    b->kernel_len = (uint32_t)kernel->len - b->setup_len;
    b->setup = mem_new(b->setup_len);
    return kernel->read(kernel->arg, 0, b->setup, b->setup_len) ||
           refuse(why, why_len, "the file can't be read");
}

static bool take_cmdline(struct linux_boot *b, const struct linux_boot_files *f, char *why,
                         size_t why_len) {
    const char *text = f->cmdline ? f->cmdline : "";
    uint32_t limit = version(b) >= 0x206 ? load_le32(b->setup + CMDLINE_SIZE) : CMDLINE_LIMIT_OLD;
    size_t len = strlen(text);
    if (len > limit || len > 0xffff) {
        snprintf(why, why_len, "-append: %zu characters are more than this kernel takes (%u)", len,
                 limit);
        return false;
    }
    b->cmdline_len = (uint32_t)len + 1;
    b->cmdline = mem_new(b->cmdline_len);
    memcpy(b->cmdline, text, len);
    return true;
}

/* ---- where things go ---- */

static void place_kernel(struct linux_boot *b) {
    bool high = b->setup[LOADFLAGS] & LOADED_HIGH;
    bool modern = high && version(b) >= 0x202;
    b->real = modern ? REAL_NEW : REAL_OLD;
    b->cmdline_at = modern ? CMDLINE_NEW : (CMDLINE_OLD - b->cmdline_len) & ~15u;
    b->kernel_at = high ? KERNEL_HIGH : KERNEL_LOW;
}

/* As high as the kernel takes it, so that it is out of the way of what unpacks itself. */
static bool place_initrd(struct linux_boot *b, const struct linux_boot_files *f, char *why,
                         size_t why_len) {
    uint32_t needs = version(b) >= 0x20a ? load_le32(b->setup + INIT_SIZE) : 0;
    uint64_t kernel_end = b->kernel_at + (uint64_t)MAX(needs, b->kernel_len);
    uint64_t max = version(b) >= 0x203 ? load_le32(b->setup + INITRD_ADDR_MAX) : INITRD_MAX_OLD;
    uint64_t ram = f->low_ram > FIRMWARE_TOP ? f->low_ram - FIRMWARE_TOP : 0;
    uint64_t end = MIN(max + 1, ram);
    uint64_t size = f->initrd ? f->initrd->len : 0;
    if (kernel_end + size > end || (b->kernel_at == KERNEL_LOW && b->kernel_len > 0x80000)) {
        snprintf(why, why_len,
                 "-kernel: the kernel (up to %#llx) and an initrd of %llu bytes don't fit below "
                 "%#llx: the guest needs more memory",
                 (unsigned long long)kernel_end, (unsigned long long)size,
                 (unsigned long long)end);
        return false;
    }
    b->initrd_at = size ? (uint32_t)((end - size) & ~(uint64_t)(PAGE - 1)) : 0;
    if (size && b->initrd_at < kernel_end)
        return refuse(why, why_len, "the initrd doesn't fit between the kernel and the end of RAM");
    return true;
}

/* ---- the header ---- */

/* "vga=" is the boot loader's to understand. */
static void set_video_mode(struct linux_boot *b) {
    const char *arg = (const char *)b->cmdline;
    while ((arg = strstr(arg, "vga="))) {
        bool starts = arg == (const char *)b->cmdline || arg[-1] == ' ';
        arg += 4;
        if (!starts)
            continue;
        uint16_t mode = !strncmp(arg, "normal", 6) ? VGA_NORMAL
                        : !strncmp(arg, "ext", 3)  ? VGA_EXTENDED
                        : !strncmp(arg, "ask", 3)  ? VGA_ASK
                                                   : (uint16_t)strtoul(arg, NULL, 0);
        store_le16(b->setup + VID_MODE, mode);
    }
}

static void fill_in_header(struct linux_boot *b, const struct linux_boot_files *f) {
    b->setup[TYPE_OF_LOADER] = LOADER_UNKNOWN;
    if (version(b) >= 0x201) {
        b->setup[LOADFLAGS] |= CAN_USE_HEAP;
        uint32_t heap_end = MIN(b->cmdline_at - b->real, 0xfe00u) - 0x200;
        store_le16(b->setup + HEAP_END_PTR, (uint16_t)heap_end);
    }
    if (version(b) >= 0x202) {
        store_le32(b->setup + CMD_LINE_PTR, b->cmdline_at);
    } else {
        store_le16(b->setup + OLD_CMD_MAGIC, OLD_CMD);
        store_le16(b->setup + OLD_CMD_OFFSET, (uint16_t)(b->cmdline_at - b->real));
    }
    if (f->initrd) {
        store_le32(b->setup + RAMDISK_IMAGE, b->initrd_at);
        store_le32(b->setup + RAMDISK_SIZE, (uint32_t)f->initrd->len);
    }
    set_video_mode(b);
}

/* ---- the ROM and fw_cfg ---- */

static void add_place(struct fw_cfg *fw_cfg, uint16_t addr_key, uint16_t size_key, uint32_t addr,
                      uint32_t len) {
    fw_cfg_add32(fw_cfg, addr_key, addr);
    fw_cfg_add32(fw_cfg, size_key, len);
}

static void descriptor(uint8_t *to, uint16_t key, uint32_t len, uint32_t addr) {
    store_be32(to, (uint32_t)key << 16 | 0x08 | 0x02); /* select, read */
    store_be32(to + 4, len);
    store_be64(to + 8, addr);
}

static void make_rom(struct linux_boot *b, const struct linux_boot_files *f) {
    size_t len = (size_t)(linux_rom_end - linux_rom);
    b->rom = mem_new(len);
    memcpy(b->rom, linux_rom, len);
    uint8_t *table = b->rom + (linux_rom_table - linux_rom);
    unsigned n = 0;
    descriptor(table + 16 * n++, FW_CFG_SETUP_DATA, b->setup_len, b->real);
    descriptor(table + 16 * n++, FW_CFG_CMDLINE_DATA, b->cmdline_len, b->cmdline_at);
    descriptor(table + 16 * n++, FW_CFG_KERNEL_DATA, b->kernel_len, b->kernel_at);
    if (f->initrd && f->initrd->len)
        descriptor(table + 16 * n++, FW_CFG_INITRD_DATA, (uint32_t)f->initrd->len, b->initrd_at);
    store_le16(b->rom + (linux_rom_count - linux_rom), (uint16_t)n);
    store_le16(b->rom + (linux_rom_segment - linux_rom), (uint16_t)(b->real >> 4));
    uint32_t stack = MIN(b->cmdline_at - b->real, 0xfff0u) & ~15u;
    store_le16(b->rom + (linux_rom_stack - linux_rom), (uint16_t)stack);
    rom_seal(b->rom, len, (size_t)(linux_rom_pnp - linux_rom));
}

static void publish(struct fw_cfg *fw_cfg, const struct linux_boot *b,
                    const struct linux_boot_files *f) {
    static const char bootorder[] = "/rom@genroms/linuxboot.bin";
    add_place(fw_cfg, FW_CFG_SETUP_ADDR, FW_CFG_SETUP_SIZE, b->real, b->setup_len);
    fw_cfg_add(fw_cfg, FW_CFG_SETUP_DATA, b->setup, b->setup_len);
    add_place(fw_cfg, FW_CFG_KERNEL_ADDR, FW_CFG_KERNEL_SIZE, b->kernel_at, b->kernel_len);
    fw_cfg_add_blob(fw_cfg, FW_CFG_KERNEL_DATA, f->kernel, b->setup_len, b->kernel_len);
    add_place(fw_cfg, FW_CFG_CMDLINE_ADDR, FW_CFG_CMDLINE_SIZE, b->cmdline_at, b->cmdline_len);
    fw_cfg_add(fw_cfg, FW_CFG_CMDLINE_DATA, b->cmdline, b->cmdline_len);
    if (f->initrd) {
        uint32_t len = (uint32_t)f->initrd->len;
        add_place(fw_cfg, FW_CFG_INITRD_ADDR, FW_CFG_INITRD_SIZE, b->initrd_at, len);
        fw_cfg_add_blob(fw_cfg, FW_CFG_INITRD_DATA, f->initrd, 0, len);
    }
    fw_cfg_add_file(fw_cfg, "bootorder", bootorder, sizeof(bootorder));
    fw_cfg_add_file(fw_cfg, "genroms/linuxboot.bin", b->rom,
                    (uint32_t)(linux_rom_end - linux_rom));
}

struct linux_boot *linux_boot_new(struct fw_cfg *fw_cfg, const struct linux_boot_files *files,
                                  char *why, size_t why_len) {
    struct linux_boot *b = mem_new(sizeof(*b));
    if (!take_setup(b, files, why, why_len) || !take_cmdline(b, files, why, why_len)) {
        linux_boot_free(b);
        return NULL;
    }
    place_kernel(b);
    if (!place_initrd(b, files, why, why_len)) {
        linux_boot_free(b);
        return NULL;
    }
    fill_in_header(b, files);
    make_rom(b, files);
    publish(fw_cfg, b, files);
    return b;
}

void linux_boot_free(struct linux_boot *b) {
    if (!b)
        return;
    mem_free(b->setup);
    mem_free(b->rom);
    mem_free(b->cmdline);
    mem_free(b);
}
