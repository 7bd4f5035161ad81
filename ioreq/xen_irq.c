/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts on Xen: a hypercall each, so only for a change of level. They are made on
 * /dev/xen/privcmd directly: libxendevicemodel allocates memory for each call, and these calls are
 * made while a guest waits for its access. Operations are those of xen/include/public/hvm/dm_op.h.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "xen_priv.h"

#include <xen/sys/privcmd.h> /* after Xen's types */

bool xen_irq_init(struct xen *x) {
    x->irq.fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (!x->restored) {
        x->irq.isa_known = UINT16_MAX;
        memset(x->irq.intx_known, 0xff, sizeof(x->irq.intx_known));
    }
    return x->irq.fd >= 0;
}

void xen_irq_done(struct xen *x) {
    if (x->irq.fd >= 0)
        close(x->irq.fd);
}

bool xen_irq_restrict(struct xen *x) {
    return !ioctl(x->irq.fd, IOCTL_PRIVCMD_RESTRICT, &x->domid);
}

static void operate(struct xen *x, struct xen_dm_op *op, const char *what) {
    privcmd_dm_op_buf_t buf = {op, sizeof(*op)};
    privcmd_dm_op_t call = {.dom = x->domid, .num = 1, .ubufs = &buf};
    xen_check(x, ioctl(x->irq.fd, IOCTL_PRIVCMD_DM_OP, &call) != 0, what);
}

void xen_isa_irq(struct engine *e, unsigned irq, bool level) {
    struct xen *x = xen_of(e);
    uint16_t bit = (uint16_t)(1u << (irq & 15));
    if (x->irq.isa_known & bit && !(x->irq.isa_level & bit) == !level)
        return;
    x->irq.isa_known |= bit;
    x->irq.isa_level = (uint16_t)(level ? x->irq.isa_level | bit : x->irq.isa_level & ~bit);
    struct xen_dm_op op = {.op = XEN_DMOP_set_isa_irq_level};
    op.u.set_isa_irq_level.isa_irq = irq & 15;
    op.u.set_isa_irq_level.level = level;
    operate(x, &op, "an ISA interrupt");
}

void xen_pci_intx(struct engine *e, unsigned dev, unsigned pin, bool level) {
    struct xen *x = xen_of(e);
    dev &= 31;
    pin &= 3;
    uint8_t bit = (uint8_t)(1u << pin), *now = &x->irq.intx_level[dev];
    if (x->irq.intx_known[dev] & bit && !(*now & bit) == !level)
        return;
    x->irq.intx_known[dev] |= bit;
    *now = (uint8_t)(level ? *now | bit : *now & ~bit);
    struct xen_dm_op op = {.op = XEN_DMOP_set_pci_intx_level};
    op.u.set_pci_intx_level.device = (uint8_t)dev;
    op.u.set_pci_intx_level.intx = (uint8_t)pin;
    op.u.set_pci_intx_level.level = level;
    operate(x, &op, "a PCI interrupt");
}

void xen_pci_link(struct engine *e, unsigned link, unsigned irq) {
    struct xen_dm_op op = {.op = XEN_DMOP_set_pci_link_route};
    op.u.set_pci_link_route.link = (uint8_t)link;
    op.u.set_pci_link_route.isa_irq = (uint8_t)irq;
    operate(xen_of(e), &op, "a PCI interrupt route");
}

void xen_msi(struct engine *e, uint64_t addr, uint32_t data) {
    struct xen_dm_op op = {.op = XEN_DMOP_inject_msi};
    op.u.inject_msi.data = data;
    op.u.inject_msi.addr = addr;
    operate(xen_of(e), &op, "an MSI");
}
