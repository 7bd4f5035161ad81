/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "usb_rig.h"

#include <stdlib.h>

#include "core/bits.h"

void usb_rig_reset(void *dev) {
    struct usb_rig *rig = dev;
    rig->chip->reset(rig->controller);
    for (unsigned i = 0; i < USB_RIG_DEVICES && rig->dev[i]; i++)
        rig->dev[i]->ops->chip->reset(rig->dev[i]);
}

bool usb_rig_idle(void *dev) {
    struct usb_rig *rig = dev;
    bool idle = rig->chip->idle(rig->controller);
    for (unsigned i = 0; i < USB_RIG_DEVICES && rig->dev[i]; i++) {
        const struct device_ops *chip = rig->dev[i]->ops->chip;
        idle = (!chip->idle || chip->idle(rig->dev[i])) && idle;
    }
    return idle;
}

void usb_rig_free(void *dev) {
    struct usb_rig *rig = dev;
    for (unsigned i = USB_RIG_DEVICES; i--;)
        if (rig->dev[i])
            rig->dev[i]->ops->chip->free(rig->dev[i]);
    rig->chip->free(rig->controller);
    free(rig);
}

bool usb_rig_loaded(void *dev, char *why, size_t why_len) {
    struct usb_rig *rig = dev;
    bool good = rig->chip->state->loaded(rig->controller, why, why_len);
    for (unsigned i = 0; good && i < USB_RIG_DEVICES && rig->dev[i]; i++)
        good = rig->dev[i]->ops->chip->state->loaded(rig->dev[i], why, why_len);
    return good;
}

void usb_rig_begin(struct usb_rig *rig, struct field fields[USB_RIG_DEVICES + 2]) {
    unsigned n = 0;
    fields[n++] = (struct field)F_BEHIND(struct usb_rig, controller, rig->chip->state->fields);
    for (unsigned i = 0; i < USB_RIG_DEVICES && rig->dev[i]; i++) {
        static const char *const names[USB_RIG_DEVICES] = {"dev0", "dev1", "dev2", "dev3"};
        struct field field = F_BEHIND(struct usb_rig, dev, rig->dev[i]->ops->chip->state->fields);
        field.name = names[i];
        field.offset += i * sizeof(rig->dev[0]);
        fields[n++] = field;
        rig->place[i] = rig->dev[i]->port;
    }
    fields[n] = (struct field)F_END;
    usb_rig_reset(rig);
}

void usb_rig_replug(struct usb_rig *rig, unsigned n) {
    usb_detach(rig->dev[n]);
    usb_attach(rig->place[n], rig->dev[n]);
}

struct uhci *uhci_rig_new(struct usb_rig *rig, struct fixture *fx) {
    rig->chip = &uhci_device;
    rig->controller = uhci_new(&(struct uhci_pins){
        .pci = fx->pci, .io = fx->io, .clock = fx->clock, .devfn = 1 << 3 | 2,
        .device_id = UHCI_PIIX3, .int_pin = 4});
    return rig->controller;
}

uint64_t uhci_rig_base(const struct usb_rig *rig) {
    return pci_bar_address(uhci_function(rig->controller), 4);
}

void uhci_rig_enable(struct fixture *fx, uint16_t port) {
    out16(fx, port, 0x0200);
    out16(fx, port, 0x0000);
    out16(fx, port, 0x0006);
}
