/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A monitor's session under the fuzzer: the bytes are what a client sends, in pieces whose length
 * is the byte before each. The machine has a disk and a CD that changes; files that commands name
 * are opened only where nothing is there to harm: requests that name a path are left out.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fixture.h"
#include "machine.h"
#include "qmp/internal.h"

static void nothing(struct machine *machine) {
    (void)machine;
}

static bool agree(struct machine *machine) {
    (void)machine;
    return true;
}

static bool plug(struct machine *machine, unsigned cpu) {
    (void)machine;
    return cpu == 1;
}

static bool online(const struct machine *machine, unsigned cpu) {
    (void)machine;
    return cpu == 0;
}

static struct fixture fx;

static struct block *open_image(struct machine *machine, const struct qmp_image *image, char *why,
                                size_t why_len) {
    (void)machine, (void)why, (void)why_len;
    if (image->fd >= 0)
        close(image->fd);
    return block_get(fixture_block(&fx, 4096, image->read_only));
}

static void quit(void *arg) {
    (void)arg;
}

static struct drive disk, cd;

static struct block *change(void *dev, struct block *medium) {
    (void)dev;
    struct block *old = cd.block;
    cd.block = medium;
    return old;
}

static const struct drive_ops cd_ops = {.change = change};

static bool plug_device(struct machine *machine, const struct config_device *device, char *why,
                        size_t why_len) {
    (void)machine;
    snprintf(why, why_len, "%s is not wanted", device->name);
    return device->kind == DEVICE_USB;
}

static bool unplug_device(struct machine *machine, const char *id, char *why, size_t why_len) {
    (void)machine;
    snprintf(why, why_len, "%s stays", id);
    return id[0] == 'u';
}

static const struct qmp_ops ops = {
    .run = nothing, .pause = nothing, .reset = nothing, .power_button = nothing, .wakeup = agree,
    .plug_cpu = plug, .cpu_online = online, .plug = plug_device, .unplug = unplug_device,
    .open_image = open_image, .quit = quit,
};

static void make_machine(struct machine *machine, const struct config *config) {
    fixture_init(&fx);
    disk = (struct drive){.id = "ide0-hd0", .filename = "/a", .next = &cd};
    disk.block = fixture_block(&fx, 4096, false);
    cd = (struct drive){.id = "ide-5632", .qdev_id = "cd", .ops = &cd_ops, .removable = true};
    *machine = (struct machine){.config = config, .clock = fx.clock, .pci = fx.pci,
                                .input = fx.input, .drives = &disk};
}

/* Paths but those of descriptor sets would be the host's. */
static bool names_a_path(const uint8_t *bytes, size_t size) {
    return memmem(bytes, size, "dump", 4) || memmem(bytes, size, "devices-state", 13) ||
           memmem(bytes, size, "\\u", 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const struct config config = {.cpus = 1, .max_cpus = 2, .name = "fuzz", .uuid = ""};
    struct machine machine;
    struct session session;
    if (names_a_path(bytes, size))
        return 0;
    make_machine(&machine, &config);
    struct qmp qmp = {.config = &config, .machine = &machine, .ops = &ops};
    session_init(&session, &qmp, true);
    session_greet(&session);
    session_add_fd(&session, open("/dev/null", O_RDONLY | O_CLOEXEC));
    while (size > 1) {
        size_t n = 1 + bytes[0];
        n = n > size - 1 ? size - 1 : n;
        session_input(&session, (const char *)bytes + 1, n);
        session_sent(&session, session.out_len);
        bytes += 1 + n;
        size -= 1 + n;
    }
    session_free(&session);
    qmp_last_client_left(&qmp);
    qmp_machine(&qmp, NULL);
    free((char *)cd.filename);
    if (cd.block)
        block_put(cd.block);
    fixture_done(&fx);
    return 0;
}
