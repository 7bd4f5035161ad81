/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket engine's words, from a peer that sends anything.
 */
#include <stdlib.h>

#include "core/bits.h"
#include "fixture.h"
#include "sock.h"

static uint64_t sink_read(void *dev, enum io_space space, uint64_t addr, unsigned size) {
    return io_read(dev, space, addr, size);
}

static void sink_write(void *dev, enum io_space space, uint64_t addr, unsigned size,
                       uint64_t val) {
    io_write(dev, space, addr, size, val);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct fixture fx;
    char why[128];
    fixture_init(&fx);
    struct chars *chars = fixture_chars(&fx);
    struct engine *engine = sock_engine_new(chars, MIB(2), MIB(2), why, sizeof(why));
    if (!engine)
        abort();
    struct io_bus *io = io_bus_new(engine);
    engine->sink = (struct engine_sink){.dev = io, .read = sink_read, .write = sink_write};
    engine->ops->claim(engine, IO_MEM, 0xa0000, 0x20000);
    sock_engine_start(engine, NULL);
    fixture_type(chars, bytes, len);
    engine->ops->free(engine);
    io_bus_free(io);
    fixture_done(&fx);
    return 0;
}
