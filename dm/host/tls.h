/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS on a socket that never blocks, by GnuTLS, which is loaded when the first credentials are
 * made. Servers only. One thread.
 */
#ifndef HOST_TLS_H
#define HOST_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_creds;
struct tls;

struct tls_options {
    bool anonymous;       /* no certificates: nobody listens in, but anybody may be in between */
    const char *dir;      /* of ca-cert.pem, ca-crl.pem, server-cert.pem, server-key.pem */
    bool verify_peer;     /* a client needs a certificate of that authority */
    const char *priority; /* as GnuTLS writes it, or NULL */
};

/* Reads the files: before privileges are dropped. NULL: `why` is a sentence. */
struct tls_creds *tls_creds_new(const struct tls_options *options, char *why, size_t why_len);
void tls_creds_free(struct tls_creds *creds);
bool tls_anonymous(const struct tls_creds *creds);

/* NULL: no memory. The socket stays the caller's. */
struct tls *tls_open(struct tls_creds *creds, int fd);
void tls_close(struct tls *tls);

enum tls_result { TLS_DONE, TLS_AGAIN, TLS_FAILED };

enum tls_result tls_handshake(struct tls *tls);
bool tls_wants_write(const struct tls *tls); /* what tls_handshake waits for */
/* Bytes; 0: try again when the socket is ready; -1: the peer is gone. */
ssize_t tls_recv(struct tls *tls, void *bytes, size_t n);
/* After 0 the next call must begin with the same bytes, at least as many. */
ssize_t tls_send(struct tls *tls, const void *bytes, size_t n);
size_t tls_pending(const struct tls *tls); /* received, which the socket does not tell of */

#endif
