/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of libnbd's functions. See nbd_lib.h.
 */
#include "nbd_lib.h"

#include "core/bits.h"
#include "late.h"

struct nbd_lib nbd_lib;

static const struct late_symbol symbols[] = {
    LATE(nbd_lib, create, "nbd_create"),
    LATE(nbd_lib, close, "nbd_close"),
    LATE(nbd_lib, get_error, "nbd_get_error"),
    LATE(nbd_lib, get_errno, "nbd_get_errno"),
    LATE(nbd_lib, set_export_name, "nbd_set_export_name"),
    LATE(nbd_lib, set_request_block_size, "nbd_set_request_block_size"),
    LATE(nbd_lib, set_pread_initialize, "nbd_set_pread_initialize"),
    LATE(nbd_lib, is_read_only, "nbd_is_read_only"),
    LATE(nbd_lib, can_flush, "nbd_can_flush"),
    LATE(nbd_lib, can_trim, "nbd_can_trim"),
    LATE(nbd_lib, get_size, "nbd_get_size"),
    LATE(nbd_lib, connect_socket, "nbd_aio_connect_socket"),
    LATE(nbd_lib, pread, "nbd_aio_pread"),
    LATE(nbd_lib, pwrite, "nbd_aio_pwrite"),
    LATE(nbd_lib, flush, "nbd_aio_flush"),
    LATE(nbd_lib, trim, "nbd_aio_trim"),
    LATE(nbd_lib, disconnect, "nbd_aio_disconnect"),
    LATE(nbd_lib, get_fd, "nbd_aio_get_fd"),
    LATE(nbd_lib, get_direction, "nbd_aio_get_direction"),
    LATE(nbd_lib, notify_read, "nbd_aio_notify_read"),
    LATE(nbd_lib, notify_write, "nbd_aio_notify_write"),
    LATE(nbd_lib, is_connecting, "nbd_aio_is_connecting"),
    LATE(nbd_lib, is_dead, "nbd_aio_is_dead"),
    LATE(nbd_lib, is_closed, "nbd_aio_is_closed"),
};

bool nbd_lib_load(char *why, size_t why_len) {
    static struct late lib = {.file = "libnbd.so.0", .package = "libnbd0", .symbols = symbols,
                              .count = ARRAY_LEN(symbols)};
    return late_load(&lib, why, why_len);
}
