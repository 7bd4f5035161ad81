/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libnbd, loaded when the first network disk is opened. Its functions without their prefix. One
 * thread.
 */
#ifndef HOST_NBD_LIB_H
#define HOST_NBD_LIB_H

#include <libnbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbd_lib {
    struct nbd_handle *(*create)(void);
    void (*close)(struct nbd_handle *h);
    const char *(*get_error)(void);
    int (*get_errno)(void);
    int (*set_export_name)(struct nbd_handle *h, const char *name);
    int (*set_request_block_size)(struct nbd_handle *h, bool request);
    int (*set_pread_initialize)(struct nbd_handle *h, bool request);
    int (*is_read_only)(struct nbd_handle *h);
    int (*can_flush)(struct nbd_handle *h);
    int (*can_trim)(struct nbd_handle *h);
    int64_t (*get_size)(struct nbd_handle *h);
    int (*connect_socket)(struct nbd_handle *h, int sock);
    int64_t (*pread)(struct nbd_handle *h, void *buf, size_t count, uint64_t offset,
                     nbd_completion_callback done, uint32_t flags);
    int64_t (*pwrite)(struct nbd_handle *h, const void *buf, size_t count, uint64_t offset,
                      nbd_completion_callback done, uint32_t flags);
    int64_t (*flush)(struct nbd_handle *h, nbd_completion_callback done, uint32_t flags);
    int64_t (*trim)(struct nbd_handle *h, uint64_t count, uint64_t offset,
                    nbd_completion_callback done, uint32_t flags);
    int (*disconnect)(struct nbd_handle *h, uint32_t flags);
    int (*get_fd)(struct nbd_handle *h);
    unsigned (*get_direction)(struct nbd_handle *h);
    int (*notify_read)(struct nbd_handle *h);
    int (*notify_write)(struct nbd_handle *h);
    int (*is_connecting)(struct nbd_handle *h);
    int (*is_dead)(struct nbd_handle *h);
    int (*is_closed)(struct nbd_handle *h);
};

extern struct nbd_lib nbd_lib;

/* False: `why` names what is missing. */
bool nbd_lib_load(char *why, size_t why_len);

#endif
