/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PV devices. See backends.h.
 */
#include "backends.h"

#include "core/log.h"
#include "core/mem.h"
#include "drives.h"
#include "image.h"
#include "machine.h"
#include "pv/blk.h"
#include "netdev.h"
#include "pv/kbd.h"
#include "pv/net.h"

struct backends {
    struct loop *loop;
    struct machine *machine; /* NULL: PV devices are all there is */
    struct pv_blk_board blk;
    struct pv_net_board vif;
    struct xenbus *disks;
    struct xenbus *vifs;
    struct xenbus *keyboards; /* NULL: no machine whose people could type */
};

static struct block *disk_image(void *board, const char *format, const char *path,
                                bool read_only) {
    const struct backends *b = board;
    if (b->machine)
        return drives_image(b->machine, format, path, read_only);
    char why[256];
    struct image_options options = {.format = format, .read_only = read_only};
    struct block *block = image_open(b->loop, path, &options, why, sizeof(why));
    if (!block)
        log_error("a PV disk of the guest can't be served: %s", why);
    return block;
}

struct backends *backends_new(struct loop *loop, struct clock *clock, struct pv *pv,
                              struct machine *machine) {
    struct backends *b = mem_new(sizeof(*b));
    *b = (struct backends){.loop = loop, .machine = machine};
    b->blk = (struct pv_blk_board){.loop = loop, .open = disk_image,
                                   .set_direct = image_set_direct, .board = b};
    b->disks = xenbus_new(pv, &pv_blk_type, &b->blk);
    b->vif = (struct pv_net_board){.loop = loop, .clock = clock, .open = netdev_vif,
                                   .board = loop};
    b->vifs = xenbus_new(pv, &pv_net_type, &b->vif);
    if (machine)
        b->keyboards = xenbus_new(pv, &pv_kbd_type, machine->input);
    return b;
}

void backends_free(struct backends *b) {
    if (!b)
        return;
    if (b->keyboards)
        xenbus_free(b->keyboards);
    xenbus_free(b->vifs);
    xenbus_free(b->disks);
    mem_free(b);
}
