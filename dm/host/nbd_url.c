/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NBD's URLs (the NetworkBlockDevice project's doc/uri.md) and the older colon form. See nbd_url.h.
 * Not modelled: vsock, and TLS (nbds): the libnbd of Debian 12 checks a server's name only on
 * connections that it makes itself, which would have it look the name up anew each time.
 */
#include "nbd_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT "10809"

struct text {
    const char *at;
    size_t len;
};

static bool starts(const char *text, const char *with) {
    return !strncmp(text, with, strlen(with));
}

bool nbd_url_is(const char *text) {
    return starts(text, "nbd:") || starts(text, "nbd+") || starts(text, "nbds:") ||
           starts(text, "nbds+");
}

/* ---- pieces ---- */

/* Copies, with %XX decoded where `percent`. False: it doesn't fit, or holds a NUL or half a %XX. */
static bool copy(char *to, size_t room, struct text from, bool percent) {
    size_t n = 0;
    for (size_t i = 0; i < from.len; i++) {
        char c = from.at[i];
        if (percent && c == '%') {
            if (from.len - i < 3 || !isxdigit((unsigned char)from.at[i + 1]) ||
                !isxdigit((unsigned char)from.at[i + 2]))
                return false;
            char hex[3] = {from.at[i + 1], from.at[i + 2], 0};
            c = (char)strtoul(hex, NULL, 16);
            i += 2;
        }
        if (!c || n + 1 >= room)
            return false;
        to[n++] = c;
    }
    to[n] = 0;
    return true;
}

static bool take_port(struct nbd_url *url, struct text port) {
    unsigned value = 0;
    for (size_t i = 0; i < port.len; i++) {
        if (!isdigit((unsigned char)port.at[i]) || value > 65535)
            return false;
        value = value * 10 + (unsigned)(port.at[i] - '0');
    }
    return value && value <= 65535 && copy(url->port, sizeof(url->port), port, false);
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT */
static const char *take_authority(struct nbd_url *url, struct text all) {
    struct text host = all, port = {DEFAULT_PORT, strlen(DEFAULT_PORT)};
    const char *end = all.at + all.len, *colon;
    if (all.len && all.at[0] == '[') {
        const char *close = memchr(all.at, ']', all.len);
        if (!close || (close + 1 < end && close[1] != ':'))
            return "the host's brackets don't match";
        host = (struct text){all.at + 1, (size_t)(close - all.at - 1)};
        colon = close + 1 < end ? close + 1 : NULL;
    } else {
        colon = memchr(all.at, ':', all.len);
        if (colon)
            host.len = (size_t)(colon - all.at);
    }
    if (colon)
        port = (struct text){colon + 1, (size_t)(end - colon - 1)};
    if (!host.len || !copy(url->host, sizeof(url->host), host, true))
        return "a host was expected";
    return take_port(url, port) ? NULL : "a port from 1 to 65535 was expected";
}

/* ---- the two forms ---- */

static const char *colon_form(struct nbd_url *url, const char *text) {
    static const char name[] = ":exportname=";
    const char *export = strstr(text, name);
    size_t len = export ? (size_t)(export - text) : strlen(text);
    if (export) {
        export += strlen(name);
        if (!copy(url->export, sizeof(url->export), (struct text){export, strlen(export)}, false))
            return "the export's name is longer than 4096 bytes";
    }
    if (starts(text, "unix:")) {
        struct text path = {text + 5, len > 5 ? len - 5 : 0};
        return path.len && copy(url->path, sizeof(url->path), path, false)
                   ? NULL : "a Unix socket's path of at most 107 bytes was expected";
    }
    if (!memchr(text, ':', len))
        return "HOST:PORT or unix:PATH was expected";
    return take_authority(url, (struct text){text, len});
}

/* The value of socket= in a query. */
static bool find_socket(const char *query, struct text *path) {
    while (*query) {
        size_t len = strcspn(query, "&");
        if (starts(query, "socket=")) {
            *path = (struct text){query + 7, len - 7};
            return true;
        }
        query += len + (query[len] == '&');
    }
    return false;
}

static const char *url_form(struct nbd_url *url, const char *text, bool is_unix) {
    size_t authority = strcspn(text, "/?#");
    const char *rest = text + authority;
    struct text path = {rest, 0};
    if (*rest == '/') {
        path.at = rest + 1;
        path.len = strcspn(path.at, "?#");
    }
    if (!copy(url->export, sizeof(url->export), path, true))
        return "the export's name is no good";
    const char *query = path.at + path.len;
    if (!is_unix)
        return take_authority(url, (struct text){text, authority});
    struct text where;
    if (authority || *query != '?' || !find_socket(query + 1, &where) || !where.len ||
        !copy(url->path, sizeof(url->path), where, true))
        return "nbd+unix:///EXPORT?socket=PATH was expected, the path of at most 107 bytes";
    return NULL;
}

bool nbd_url_parse(const char *text, struct nbd_url *url, char *why, size_t why_len) {
    const char *what = "nbd:, nbd:// or nbd+unix:// was expected";
    *url = (struct nbd_url){0};
    if (starts(text, "nbd://"))
        what = url_form(url, text + 6, false);
    else if (starts(text, "nbd+tcp://"))
        what = url_form(url, text + 10, false);
    else if (starts(text, "nbd+unix://"))
        what = url_form(url, text + 11, true);
    else if (starts(text, "nbd:"))
        what = colon_form(url, text + 4);
    if (starts(text, "nbds"))
        what = "TLS to an NBD server is not supported: a tunnel of the host's is one way";
    if (what)
        snprintf(why, why_len, "image '%.200s': %s", text, what);
    return !what;
}
