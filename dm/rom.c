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

void rom_close(struct rom_file *rom) {
    if (rom->bytes)
        munmap((void *)(uintptr_t)rom->bytes, rom->len);
    *rom = (struct rom_file){0};
}
