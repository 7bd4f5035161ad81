/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A browser that sends anything: the first byte says how the bytes are cut and whether the
 * handshake has been made.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start(struct ws *ws) {
    static const char request[] =
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    uint8_t bytes[sizeof(request)];
    size_t payload;
    memcpy(bytes, request, sizeof(request));
    if (!ws_input(ws, bytes, sizeof(request) - 1, &payload) || payload || !ws_ready(ws))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ws ws;
    if (!size)
        return 0;
    size_t cut = (data[0] & 31) + 1u;
    ws_open(&ws);
    if (data[0] & 32)
        start(&ws);
    bool going = true;
    for (size_t at = 1; at < size && going; at += cut) {
        size_t n = size - at < cut ? size - at : cut, payload = SIZE_MAX;
        uint8_t bytes[32];
        memcpy(bytes, data + at, n);
        going = ws_input(&ws, bytes, n, &payload);
        if (payload > n || ws.say_len > WS_SAY || ws.said > ws.say_len)
            abort();
        if (data[0] & 64)
            ws.said = ws.say_len;
    }
    return 0;
}
