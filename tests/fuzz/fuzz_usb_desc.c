/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of a real USB device, which may say anything: nothing is read or written outside of
 * them (they are an allocation of their own), and what is made to fit keeps its shape.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/usb_desc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct usb_endpoint endpoints[2][USB_DESC_ENDPOINTS];
    uint8_t settings[USB_DESC_INTERFACES] = {0};
    if (size < 3)
        return 0;
    enum usb_speed from = (enum usb_speed)(data[0] & 3), to = (enum usb_speed)(data[0] >> 2 & 3);
    uint8_t config = data[1];
    settings[data[2] & 31] = data[2] >> 5;
    data += 3;
    size -= 3;
    uint8_t *bytes = malloc(size ? size : 1), *before = malloc(size ? size : 1);
    memcpy(bytes, data, size);
    memcpy(before, data, size);
    if (usb_desc_sound(bytes, size)) {
        unsigned speeds = usb_desc_speeds(bytes, size, from);
        if (!(speeds & 1u << from) || speeds >> from > 1)
            abort();
        usb_desc_first_config(bytes, size);
        usb_desc_interfaces(bytes, size, config);
        usb_desc_endpoints(bytes, size, config, settings, endpoints);
        for (unsigned i = 0; i < USB_DESC_ENDPOINTS; i++)
            if (endpoints[0][i].there && (!endpoints[0][i].packet || !i))
                abort();
    }
    if (to <= from && to != USB_LOW)
        usb_desc_fit(bytes, size, from, to);
    if (size && bytes[0] != before[0])
        abort();
    free(bytes);
    free(before);
    return 0;
}
