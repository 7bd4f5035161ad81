/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding and mapping firmware images. See rom.h.
 */
#include "rom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bits.h"

enum { ROM_MAX = 1 << 20 };

static const char *const folders[] = {
    "/usr/share/seabios/",      "/usr/share/qemu/",           "/usr/lib/ipxe/qemu/",
    "/usr/share/hvm-dm/",       "/usr/share/seavgabios/",     "/usr/share/qemu-kvm/",
    "/usr/share/qemu-firmware/", "/usr/local/share/qemu/",    "/usr/lib/xen/boot/",
};

static int find(const char *name) {
    if (strchr(name, '/'))
        return open(name, O_RDONLY | O_CLOEXEC);
    for (unsigned i = 0; i < ARRAY_LEN(folders); i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s%s", folders[i], name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

bool rom_open(const char *name, struct rom_file *rom, char *why, size_t why_len) {
    *rom = (struct rom_file){0};
    int fd = find(name);
    if (fd < 0) {
        snprintf(why, why_len,
                 "firmware %s: %s (looked for in %s and %u more folders; Debian has VGA BIOSes in "
                 "seabios, network ROMs in ipxe-qemu)",
                 name, strerror(errno), folders[0], (unsigned)ARRAY_LEN(folders) - 1);
        return false;
    }
    struct stat st;
    void *map = MAP_FAILED;
    if (!fstat(fd, &st) && st.st_size >= 512 && st.st_size <= ROM_MAX)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        snprintf(why, why_len, "firmware %s: not a ROM image of 512 bytes to 1 MiB", name);
        return false;
    }
    *rom = (struct rom_file){map, (uint32_t)st.st_size};
    return true;
}

/* ---- the images in a ROM: PCI Firmware Specification 3.0, 5.1 ---- */

enum { UNIT = 512, HEADER = 0x1c, H_PC_UNITS = 2, H_SUM = 6, H_PCIR = 0x18, /* ROM header */
       PCIR = 0x18, P_VENDOR = 4, P_DEVICE = 6, P_UNITS = 0x10, P_CODE = 0x14, P_LAST = 0x15 };
enum { CODE_PC = 0, LAST = 0x80 };

/* The image's PCI data structure; NULL: this is none. */
static uint8_t *find_pcir(uint8_t *image, uint32_t left) {
    if (left < HEADER || load_le16(image) != 0xaa55)
        return NULL;
    uint32_t at = load_le16(image + H_PCIR);
    return at + PCIR <= left && !memcmp(image + at, "PCIR", 4) ? image + at : NULL;
}

/* Byte 6 is behind the entry, a jump of three bytes; iPXE evens out with it, too. */
static void even_out(uint8_t *image, uint32_t left) {
    uint32_t len = MIN((uint32_t)image[H_PC_UNITS] * UNIT, left);
    uint8_t sum = 0;
    for (uint32_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + image[i]);
    image[H_SUM] = (uint8_t)(image[H_SUM] - sum);
}

static void name_images(uint8_t *image, uint32_t left, uint16_t vendor, uint16_t device) {
    uint8_t *pcir;
    while ((pcir = find_pcir(image, left))) {
        uint32_t len = (uint32_t)load_le16(pcir + P_UNITS) * UNIT;
        if (load_le16(pcir + P_VENDOR) != vendor || load_le16(pcir + P_DEVICE) != device) {
            store_le16(pcir + P_VENDOR, vendor);
            store_le16(pcir + P_DEVICE, device);
            if (pcir[P_CODE] == CODE_PC)
                even_out(image, left);
        }
        if (pcir[P_LAST] & LAST || !len || len >= left)
            break;
        image += len;
        left -= len;
    }
}

/* Only what is changed becomes memory of ours. */
void rom_name(struct rom_file *rom, uint16_t vendor, uint16_t device) {
    uint8_t *bytes = (uint8_t *)(uintptr_t)rom->bytes;
    if (!bytes || mprotect(bytes, rom->len, PROT_READ | PROT_WRITE))
        return;
    name_images(bytes, rom->len, vendor, device);
    mprotect(bytes, rom->len, PROT_READ);
}

void rom_close(struct rom_file *rom) {
    if (rom->bytes)
        munmap((void *)(uintptr_t)rom->bytes, rom->len);
    *rom = (struct rom_file){0};
}
