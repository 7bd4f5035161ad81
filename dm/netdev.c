/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each type of -netdev, and which of its keys mean something here. See netdev.h.
 */
#include "netdev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "core/bits.h"
#include "core/log.h"
#include "net.h"

struct request {
    struct loop *loop;
    const struct config_netdev *config;
    const struct opts *opts;
    char *why;
    size_t why_len;
};

static struct net *refuse(const struct request *r, const char *key, const char *what) {
    const char *val = opts_get(r->opts, key);
    snprintf(r->why, r->why_len, "%s %s: %s%s%s%s%s", r->opts->origin, r->opts->text, key,
             val ? "=" : "", val ? val : "", *what ? ": " : "", what);
    return NULL;
}

/* A key of the list (NULL-ended) that the line has, or NULL. */
static const char *has_any(const struct request *r, const char *const *keys) {
    for (; *keys; keys++)
        if (opts_get(r->opts, *keys))
            return *keys;
    return NULL;
}

static bool is_off(const char *val) {
    return !strcmp(val, "off") || !strcmp(val, "no") || !strcmp(val, "false");
}

static struct net *open_tap(const struct request *r) {
    static const char *const undone[] = {"fds", "helper", "vhostfd", NULL};
    static const char *const scripts[] = {"script", "downscript"};
    const char *bad = has_any(r, undone), *vhost = opts_get(r->opts, "vhost");
    uint64_t queues = 1;
    if (bad)
        return refuse(r, bad, "not implemented");
    if (vhost && !is_off(vhost))
        return refuse(r, "vhost", "not implemented");
    for (unsigned i = 0; i < ARRAY_LEN(scripts); i++) {
        const char *script = opts_get(r->opts, scripts[i]);
        if (script && *script && !is_off(script))
            return refuse(r, scripts[i], "the tap is set up by the toolstack; only no is possible");
    }
    if (!opts_number(r->opts, "queues", NET_QUEUES_MAX, &queues, r->why, r->why_len))
        return NULL;
    if (!queues)
        return refuse(r, "queues", "at least one is needed");
    return net_tap_open(r->loop, r->config->id, r->config->ifname, r->config->fd,
                        (unsigned)queues, r->why, r->why_len);
}

/* -netdev socket,fd=N */
static struct net *open_socket(const struct request *r) {
    static const char *const undone[] = {"listen", "connect", "mcast", "udp", "localaddr", NULL};
    const char *bad = has_any(r, undone);
    if (bad)
        return refuse(r, bad, "only fd= is implemented; stream has unix sockets");
    if (r->config->fd < 0)
        return refuse(r, "fd", "is needed");
    return net_socket_open(r->loop,
                           &(struct net_socket_spec){.id = r->config->id, .fd = r->config->fd},
                           r->why, r->why_len);
}

/* addr.type=unix,addr.path=P or addr.type=fd,addr.str=N; for datagrams local.type=fd,local.str=N */
static struct net *open_address(const struct request *r, const char *which) {
    char type_key[16], path_key[16], fd_key[16];
    snprintf(type_key, sizeof(type_key), "%s.type", which);
    snprintf(path_key, sizeof(path_key), "%s.path", which);
    snprintf(fd_key, sizeof(fd_key), "%s.str", which);
    const char *type = opts_get(r->opts, type_key), *path = opts_get(r->opts, path_key);
    const char *number = opts_get(r->opts, fd_key);
    bool server = false;
    if (!opts_bool(r->opts, "server", &server, r->why, r->why_len))
        return NULL;
    struct net_socket_spec spec = {.id = r->config->id, .fd = -1, .path = path, .server = server};
    if (type && !strcmp(type, "fd")) {
        char *end = NULL;
        long fd = number ? strtol(number, &end, 10) : -1;
        if (fd < 0 || fd > 1 << 20 || !end || *end)
            return refuse(r, fd_key, "expected an open descriptor's number");
        spec.fd = (int)fd;
    } else if (!type || strcmp(type, "unix") || !strcmp(which, "local")) {
        return refuse(r, type_key, "only fd (and unix, for stream) are implemented");
    } else if (!path) {
        return refuse(r, path_key, "is needed");
    }
    return net_socket_open(r->loop, &spec, r->why, r->why_len);
}

static struct net *open_stream(const struct request *r) {
    return open_address(r, "addr");
}

static struct net *open_dgram(const struct request *r) {
    return open_address(r, "local");
}

/* [tcp|udp]:[address]:port-[address]:port, in a buffer that is cut up. */
static bool parse_forward(char *text, struct net_forward *f) {
    char *host = strchr(text, ':'), *port = host ? strchr(host + 1, ':') : NULL;
    char *guest = port ? strchr(port, '-') : NULL, *to = guest ? strchr(guest, ':') : NULL, *end;
    if (!to)
        return false;
    *host = *port = *guest = *to = '\0';
    unsigned long from = strtoul(port + 1, &end, 10);
    if (!port[1] || *end)
        return false;
    unsigned long into = strtoul(to + 1, &end, 10);
    bool good = (!*text || !strcmp(text, "tcp") || !strcmp(text, "udp")) && to[1] && !*end;
    *f = (struct net_forward){.udp = !strcmp(text, "udp"), .host = host + 1,
                              .port = (unsigned)from, .guest = guest + 1,
                              .guest_port = (unsigned)into};
    return good && from && into && from <= 65535 && into <= 65535;
}

enum { FORWARDS = 32, FORWARD_TEXT = 64 };

static bool parse_forwards(const struct request *r, struct net_forward *f,
                           char (*text)[FORWARD_TEXT], unsigned *count) {
    for (unsigned i = 0; i < r->opts->count; i++) {
        const char *val = r->opts->kv[i].val;
        if (strcmp(r->opts->kv[i].key, "hostfwd"))
            continue;
        bool fits = *count < FORWARDS && strlen(val) < FORWARD_TEXT;
        if (fits)
            strcpy(text[*count], val);
        if (!fits || !parse_forward(text[*count], &f[*count])) {
            snprintf(r->why, r->why_len, "%s %s: hostfwd=%s: expected tcp or udp, and addresses "
                     "and ports as in tcp:127.0.0.1:2222-:22", r->opts->origin, r->opts->text,
                     val);
            return false;
        }
        ++*count;
    }
    return true;
}

static struct net *open_user(const struct request *r) {
    static const char *const undone[] = {"guestfwd", "smb", "dnssearch", NULL};
    const char *bad = has_any(r, undone), *ipv6 = opts_get(r->opts, "ipv6");
    struct net_forward forwards[FORWARDS];
    char text[FORWARDS][FORWARD_TEXT];
    struct net_user_spec spec = {
        .id = r->config->id, .network = opts_get(r->opts, "net"),
        .host = opts_get(r->opts, "host"), .dns = opts_get(r->opts, "dns"),
        .dhcp_start = opts_get(r->opts, "dhcpstart"), .hostname = opts_get(r->opts, "hostname"),
        .domain = opts_get(r->opts, "domainname"), .tftp = opts_get(r->opts, "tftp"),
        .tftp_server = opts_get(r->opts, "tftp-server-name"),
        .bootfile = opts_get(r->opts, "bootfile"), .forwards = forwards};
    if (bad)
        return refuse(r, bad, "not implemented");
    if (ipv6 && !is_off(ipv6))
        return refuse(r, "ipv6", "not implemented");
    if (!opts_bool(r->opts, "restrict", &spec.restricted, r->why, r->why_len) ||
        !parse_forwards(r, forwards, text, &spec.forward_count))
        return NULL;
    return net_user_open(r->loop, &spec, r->why, r->why_len);
}

static const struct {
    const char *type;
    struct net *(*open)(const struct request *r);
} types[] = {
    {"tap", open_tap},       {"user", open_user},   {"socket", open_socket},
    {"stream", open_stream}, {"dgram", open_dgram},
};

struct net *netdev_open(struct loop *loop, const struct config_netdev *config, char *why,
                        size_t why_len) {
    struct request r = {loop, config, config->opts, why, why_len};
    for (unsigned i = 0; i < ARRAY_LEN(types); i++)
        if (!strcmp(types[i].type, config->type))
            return types[i].open(&r);
    snprintf(why, why_len, "%s %s: there are tap, user, stream, dgram and socket; \"%s\" is not "
             "implemented", config->opts->origin, config->opts->text, config->type);
    return NULL;
}

struct net *netdev_vif(void *loop, const char *id, const char *ifname) {
    char why[256];
    struct net *net = net_tap_open(loop, id, ifname, -1, 1, why, sizeof(why));
    if (!net)
        log_warn("%s: %s", id, why);
    return net;
}
