/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of network disks: what is taken fits and is complete, what is not has a sentence.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nbd_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct nbd_url url;
    char why[300] = "";
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    bool taken = nbd_url_parse(text, &url, why, sizeof(why));
    if (taken && (!nbd_url_is(text) || !*url.host == !*url.path || !*url.port != !*url.host))
        abort();
    if (!taken && !*why)
        abort();
    free(text);
    return 0;
}
