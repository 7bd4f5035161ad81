/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we tell the firmware through fw_cfg, with the files of a direct kernel boot. They are read
 * when the guest's ROM asks for them, straight to guest memory; nothing of them stays here. See
 * kernel.h.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board.h"
#include "config.h"
#include "core/log.h"
#include "core/mem.h"
#include "disk/ata.h"
#include "disk/piix_ide.h"
#include "int13.h"
#include "linux_boot.h"

struct file {
    const char *path;
    int fd; /* -1: none */
    struct fw_cfg_blob blob;
};

struct kernel {
    struct file kernel, initrd;
    struct linux_boot *boot;
};

static bool file_read(void *arg, uint64_t off, void *buf, size_t n) {
    const struct file *file = arg;
    for (uint8_t *to = buf; n;) {
        ssize_t got = pread(file->fd, to, n, (off_t)off);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            log_error("%s: at byte %llu: %s", file->path, (unsigned long long)off,
                      got ? strerror(errno) : "the file has become shorter");
            return false;
        }
        to += got;
        off += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

static bool file_open(struct board *b, struct file *file, const char *option, const char *path) {
    struct stat st;
    file->path = path;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *wrong = NULL;
    if (file->fd < 0 || fstat(file->fd, &st))
        wrong = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        wrong = "not a regular file";
    else if (!st.st_size)
        wrong = "the file is empty";
    if (wrong)
        return board_refuse(b, "%s %s: %s", option, path, wrong);
    file->blob = (struct fw_cfg_blob){(uint64_t)st.st_size, file_read, file};
    return true;
}

/* "6ba7b810-9dad-11d1-80b4-00c04fd430c8" to bytes in that order; zeros for none. */
static void parse_uuid(const char *text, uint8_t uuid[16]) {
    unsigned n = 0, byte;
    while (n < 16 && sscanf(text, "%2x", &byte) == 1) {
        uuid[n++] = (uint8_t)byte;
        text += text[2] == '-' ? 3 : 2;
    }
}

/* As it is where there is no fw_cfg: SeaBIOS offers its boot menu unless told otherwise. */
static bool offers_menu(const struct board *b) {
    return b->machine->seabios && !b->machine->config->kernel;
}

static struct fw_cfg *add_fw_cfg(struct board *b) {
    struct machine *m = b->machine;
    const struct config *config = m->config;
    struct fw_cfg_pins pins = {.io = m->io, .engine = m->engine, .cpus = (uint16_t)config->cpus,
                               .max_cpus = (uint16_t)config->max_cpus, .ram = config->ram,
                               .boot_menu = config->boot_menu || offers_menu(b),
                               .nographic = config->nographic};
    parse_uuid(config->uuid, pins.uuid);
    struct fw_cfg *fw_cfg = fw_cfg_new(&pins);
    board_add(b, &fw_cfg_device, fw_cfg, "fw_cfg");
    return fw_cfg;
}

static bool add_kernel(struct board *b, struct fw_cfg *fw_cfg, uint64_t low_ram) {
    const struct config *config = b->machine->config;
    struct kernel *k = b->kernel = mem_new(sizeof(*k));
    k->kernel.fd = k->initrd.fd = -1;
    if (!file_open(b, &k->kernel, "-kernel", config->kernel) ||
        (config->initrd && !file_open(b, &k->initrd, "-initrd", config->initrd)))
        return false;
    const struct linux_boot_files files = {.kernel = &k->kernel.blob,
                                           .initrd = config->initrd ? &k->initrd.blob : NULL,
                                           .cmdline = config->append,
                                           .low_ram = low_ram};
    k->boot = linux_boot_new(fw_cfg, &files, b->why, b->why_len);
    return k->boot;
}

/* What is in an IDE drive, for the ROM that reads it by whole requests. */
static struct block *ide_medium(void *board, unsigned place, unsigned *sector) {
    struct board *b = board;
    for (const struct drive *drive = b->machine->drives; drive; drive = drive->next)
        if (drive->ide && drive->place == place)
            *sector = drive->removable ? ATA_CD_SECTOR : ATA_SECTOR;
    return *sector ? piix_ide_block(b->ide, place) : NULL;
}

static void add_int13(struct board *b, struct fw_cfg *fw_cfg) {
    board_add(b, &int13_device,
              int13_new(&(struct int13_pins){.io = b->machine->io, .engine = b->machine->engine,
                                             .fw_cfg = fw_cfg, .medium = ide_medium,
                                             .board = b}),
              "int13");
}

bool kernel_add(struct board *b, uint64_t low_ram) {
    const struct config *config = b->machine->config;
    if (!config->kernel && (config->initrd || config->append))
        return board_refuse(b, "%s without -kernel (kernel=)",
                            config->initrd ? "-initrd" : "-append");
    bool qtest = config->accel == ACCEL_QTEST;
    if (!config->kernel && !qtest && !b->machine->seabios)
        return true;
    struct fw_cfg *fw_cfg = add_fw_cfg(b);
    if (b->machine->seabios)
        add_int13(b, fw_cfg);
    return !config->kernel || add_kernel(b, fw_cfg, low_ram);
}

void kernel_free(struct board *b) {
    struct kernel *k = b->kernel;
    if (!k)
        return;
    linux_boot_free(k->boot);
    if (k->kernel.fd >= 0)
        close(k->kernel.fd);
    if (k->initrd.fd >= 0)
        close(k->initrd.fd);
    mem_free(k);
}
