/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -chardev, -serial, -parallel, -monitor, -mon, -qmp: streams and who uses them. Sentences name the
 * xl.cfg setting where libxl makes such a stream.
 *
 * Not modelled: SPICE ports, virtual consoles (they are taken as null), TLS, the human monitor.
 */
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "parse.h"

static const char *const socket_keys[] = {
    "id", "backend", "path", "host", "port", "fd", "server!", "wait!", "nowait!", "nodelay!",
    "delay!", "telnet!", "reconnect", "abstract", "tight", "to", "ipv4!", "ipv6!", "mux",
    "websocket!", "tls-creds", "tls-authz", "tn3270!", "logfile", "logappend", "signal", "append",
    "input-path", "localaddr", "localport", "rows", "cols", "width", "height", "size", "name",
    "debug", NULL,
};

static const struct {
    const char *name;
    enum config_backend backend;
} backends[] = {
    {"null", CHARDEV_NULL}, {"pty", CHARDEV_PTY}, {"stdio", CHARDEV_STDIO}, {"file", CHARDEV_FILE},
    {"pipe", CHARDEV_PIPE}, {"serial", CHARDEV_DEVICE}, {"tty", CHARDEV_DEVICE},
    {"parallel", CHARDEV_DEVICE}, {"socket", CHARDEV_UNIX}, {"udp", CHARDEV_UDP},
    {"vc", CHARDEV_NULL},
};

const struct config_chardev *config_chardev(const struct config *config, const char *id) {
    for (unsigned i = 0; i < config->chardev_count; i++)
        if (!strcmp(config->chardevs[i].id, id))
            return &config->chardevs[i];
    return NULL;
}

static const char *or_empty(const char *text) {
    return text ? text : "";
}

/* server=on, server, nowait, wait=off, ... */
static bool socket_flags(struct parse *p, struct config_chardev *chr) {
    const struct opts *o = chr->opts;
    bool nowait = false;
    chr->wait = true;
    if (!opts_bool(o, "server", &chr->server, p->why, p->why_len) ||
        !opts_bool(o, "wait", &chr->wait, p->why, p->why_len) ||
        !opts_bool(o, "nowait", &nowait, p->why, p->why_len) ||
        !opts_bool(o, "nodelay", &chr->nodelay, p->why, p->why_len) ||
        !opts_bool(o, "telnet", &chr->telnet, p->why, p->why_len) ||
        !opts_bool(o, "abstract", &chr->abstract, p->why, p->why_len) ||
        !opts_bool(o, "mux", &chr->mux, p->why, p->why_len))
        return false;
    if (nowait || !chr->server)
        chr->wait = false;
    static const char *const undone[] = {"tls-creds", "tls-authz", "websocket", "tn3270",
                                         "reconnect", "logfile"};
    for (unsigned i = 0; i < ARRAY_LEN(undone); i++) {
        const char *val = opts_get(o, undone[i]);
        if (val && strcmp(val, "off") && strcmp(val, "0"))
            return parse_fail(p, "%s %s: %s is not implemented", o->origin, o->text, undone[i]);
    }
    return true;
}

static bool socket_address(struct parse *p, struct config_chardev *chr) {
    const struct opts *o = chr->opts;
    const char *fd = opts_get(o, "fd");
    unsigned number;
    chr->path = opts_get(o, "path");
    chr->host = opts_get(o, "host");
    chr->port = opts_get(o, "port");
    if (fd && (!parse_unsigned(fd, 1 << 20, &number)))
        return parse_fail(p, "%s %s: fd=%s: expected an open descriptor's number", o->origin,
                          o->text, fd);
    if (!!fd + !!chr->path + !!chr->port != 1)
        return parse_fail(p, "%s %s: a socket needs exactly one of path=, port= and fd=", o->origin,
                          o->text);
    if (fd)
        chr->fd = (int)number;
    chr->backend = chr->port ? CHARDEV_TCP : CHARDEV_UNIX;
    return true;
}

static bool fill_chardev(struct parse *p, struct config_chardev *chr) {
    const struct opts *o = chr->opts;
    if (!socket_flags(p, chr))
        return false;
    if (chr->backend == CHARDEV_UNIX)
        return socket_address(p, chr);
    if (chr->backend == CHARDEV_UDP) {
        chr->host = or_empty(opts_get(o, "host"));
        chr->port = opts_get(o, "port");
        chr->local_host = or_empty(opts_get(o, "localaddr"));
        chr->local_port = or_empty(opts_get(o, "localport"));
        return chr->port || parse_fail(p, "%s %s: udp needs port=", o->origin, o->text);
    }
    chr->path = opts_get(o, "path");
    bool needs_path = chr->backend == CHARDEV_FILE || chr->backend == CHARDEV_PIPE ||
                      chr->backend == CHARDEV_DEVICE;
    if (needs_path && !chr->path)
        return parse_fail(p, "%s %s: %s needs path=", o->origin, o->text, o->head);
    return opts_bool(o, "append", &chr->append, p->why, p->why_len);
}

static struct config_chardev *new_chardev(struct parse *p, const struct opts *opts,
                                          const char *id) {
    if (config_chardev(p->config, id)) {
        parse_fail(p, "%s %s: there is a chardev \"%s\" already", opts->origin, opts->text, id);
        return NULL;
    }
    struct config_chardev *chr = &p->chardevs[p->config->chardev_count++];
    *chr = (struct config_chardev){.id = id, .fd = -1, .opts = opts};
    return chr;
}

bool parse_chardev(struct parse *p, const char *origin, const char *text) {
    const struct opts *o = opts_parse(p, origin, text, "backend", socket_keys);
    if (!o)
        return false;
    const char *id = opts_get(o, "id");
    if (!id || !*id)
        return parse_fail(p, "%s %s: a chardev needs id=", origin, text);
    if (!strncmp(o->head, "spice", 5))
        return parse_fail(p, "%s %s (%s): SPICE is not implemented", origin, text,
                          strncmp(id, "usbrc", 5) ? "spicevdagent=1" : "spiceusbredirection");
    for (unsigned i = 0; i < ARRAY_LEN(backends); i++) {
        if (strcmp(backends[i].name, o->head))
            continue;
        struct config_chardev *chr = new_chardev(p, o, id);
        if (!chr)
            return false;
        chr->backend = backends[i].backend;
        return fill_chardev(p, chr);
    }
    return parse_fail(p, "%s %s: chardev backend \"%s\" is not implemented", origin, text, o->head);
}

/* host:port, [host]:port, :port */
static bool split_host(struct parse *p, const char *address, const char **host, const char **port) {
    const char *colon = strrchr(address, ':');
    if (!colon || !colon[1])
        return false;
    size_t n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']')
        *host = arena_bytes(p->arena, address + 1, n - 2);
    else
        *host = arena_bytes(p->arena, address, n);
    *port = arena_printf(p->arena, "%s", colon + 1);
    return true;
}

/* [remote-host]:port[@[local-host]:port] */
static bool split_udp(struct parse *p, struct config_chardev *chr, const char *address) {
    chr->local_host = chr->local_port = "";
    const char *at = strchr(address, '@');
    if (!at)
        return split_host(p, address, &chr->host, &chr->port);
    return split_host(p, arena_bytes(p->arena, address, (size_t)(at - address)), &chr->host,
                      &chr->port) &&
           split_host(p, at + 1, &chr->local_host, &chr->local_port);
}

static bool line_head(struct parse *p, struct config_chardev *chr, const char *kind) {
    const char *rest = chr->opts->head + strlen(kind);
    static const struct {
        const char *kind;
        enum config_backend backend;
    } kinds[] = {{"file:", CHARDEV_FILE}, {"pipe:", CHARDEV_PIPE}, {"unix:", CHARDEV_UNIX},
                 {"tcp:", CHARDEV_TCP}, {"telnet:", CHARDEV_TCP}, {"udp:", CHARDEV_UDP},
                 {"vc:", CHARDEV_NULL}, {"/dev/", CHARDEV_DEVICE}};
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kinds[i].kind, kind))
            chr->backend = kinds[i].backend;
    bool good = *rest || chr->backend == CHARDEV_NULL;
    if (chr->backend == CHARDEV_DEVICE)
        chr->path = chr->opts->head;
    else if (chr->backend == CHARDEV_TCP)
        good = split_host(p, rest, &chr->host, &chr->port);
    else if (chr->backend == CHARDEV_UDP)
        good = split_udp(p, chr, rest);
    else if (chr->backend != CHARDEV_NULL)
        chr->path = rest;
    if (!good)
        return parse_fail(p, "%s %s: \"%s\" lacks an address", chr->opts->origin, chr->opts->text,
                          chr->opts->head);
    return socket_flags(p, chr) && opts_bool(chr->opts, "append", &chr->append, p->why, p->why_len);
}

static const char *line_kind(const char *head) {
    static const char *const kinds[] = {"file:", "pipe:", "unix:", "tcp:",
                                        "telnet:", "udp:", "vc:", "/dev/"};
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strncmp(head, kinds[i], strlen(kinds[i])))
            return kinds[i];
    return NULL;
}

bool parse_chardev_line(struct parse *p, const char *origin, const char *text, const char *id,
                        const struct config_chardev **out, const char **ref) {
    *out = NULL;
    *ref = NULL;
    bool mux = !strncmp(text, "mon:", 4);
    const char *line = mux ? text + 4 : text;
    if (!strcmp(line, "none"))
        return true;
    if (!strncmp(line, "chardev:", 8)) {
        *ref = line + 8;
        return true;
    }
    const struct opts *parsed = opts_parse(p, origin, line, "backend", socket_keys);
    if (!parsed)
        return false;
    struct opts *o = arena_alloc(p->arena, sizeof(*o));
    *o = *parsed;
    o->text = text;
    struct config_chardev *chr = new_chardev(p, o, id);
    if (!chr)
        return false;
    *out = chr;
    chr->mux = mux;
    const char *kind = line_kind(o->head);
    if (!strcmp(o->head, "null") || !strcmp(o->head, "/dev/null") || !strcmp(o->head, "vc"))
        return true;
    if (!strcmp(o->head, "pty") || !strcmp(o->head, "stdio")) {
        chr->backend = *o->head == 'p' ? CHARDEV_PTY : CHARDEV_STDIO;
        return true;
    }
    if (!kind)
        return parse_fail(p, "%s %s%s: no such stream is implemented; there are pty, stdio, null, "
                          "none, file:, pipe:, /dev/, tcp:, telnet:, udp:, unix: and chardev:",
                          origin, text, strcmp(origin, "-serial") ? "" : " (serial=)");
    if (!line_head(p, chr, kind))
        return false;
    chr->telnet |= !strcmp(kind, "telnet:");
    return true;
}

bool parse_serial(struct parse *p, const char *origin, const char *text) {
    unsigned n = p->config->serial_count++;
    return parse_chardev_line(p, origin, text, arena_printf(p->arena, "serial%u", n),
                              &p->serials[n], &p->serial_refs[n]);
}

bool parse_parallel(struct parse *p, const char *origin, const char *text) {
    unsigned n = p->config->parallel_count++;
    return parse_chardev_line(p, origin, text, arena_printf(p->arena, "parallel%u", n),
                              &p->parallels[n], &p->parallel_refs[n]);
}

bool parse_mon(struct parse *p, const char *origin, const char *text) {
    static const char *const keys[] = {"chardev", "mode", "pretty!", NULL};
    const struct opts *o = opts_parse(p, origin, text, "chardev", keys);
    if (!o)
        return false;
    const char *mode = opts_get(o, "mode");
    if (!mode || strcmp(mode, "control"))
        return parse_fail(p, "%s %s: only mode=control is implemented, a QMP monitor", origin,
                          text);
    unsigned n = p->config->monitor_count++;
    p->monitors[n] = (struct config_monitor){.control = true, .origin = origin};
    p->monitor_opts[n] = o;
    return true;
}

/* A chardev's reference in the form chardev:ID, to be found once all are known. */
static bool add_line_monitor(struct parse *p, const char *origin, const char *text) {
    unsigned n = p->config->monitor_count;
    const char *ref;
    const char *id = arena_printf(p->arena, "compat_monitor%u", p->compat_monitors++);
    const struct config_chardev *chr;
    if (!parse_chardev_line(p, origin, text, id, &chr, &ref))
        return false;
    if (!chr && !ref)
        return true; /* none */
    p->monitors[n] = (struct config_monitor){.chardev = chr, .control = true, .origin = origin};
    if (ref) {
        static const char *const keys[] = {"chardev", NULL};
        p->monitor_opts[n] = opts_parse(p, origin, ref, "chardev", keys);
        if (!p->monitor_opts[n])
            return false;
    }
    p->config->monitor_count++;
    return true;
}

bool parse_qmp(struct parse *p, const char *origin, const char *text) {
    return add_line_monitor(p, origin, text);
}

bool parse_monitor(struct parse *p, const char *origin, const char *text) {
    if (!strcmp(text, "none") || !strcmp(text, "null") || !strcmp(text, "/dev/null"))
        return true;
    return parse_fail(p, "%s %s: the human monitor is not implemented; "
                      "xl qemu-monitor-command and -qmp are", origin, text);
}

static bool resolve_ref(struct parse *p, const char *origin, const char *ref,
                        const struct config_chardev **out) {
    *out = config_chardev(p->config, ref);
    return *out || parse_fail(p, "%s chardev:%s: there is no chardev \"%s\"", origin, ref, ref);
}

bool resolve_chardevs(struct parse *p) {
    for (unsigned i = 0; i < p->config->monitor_count; i++) {
        const struct opts *o = p->monitor_opts[i];
        if (!o)
            continue;
        p->monitors[i].chardev = config_chardev(p->config, o->head);
        if (!p->monitors[i].chardev)
            return parse_fail(p, "%s %s: there is no chardev \"%s\"", o->origin, o->text, o->head);
    }
    for (unsigned i = 0; i < p->config->serial_count; i++)
        if (p->serial_refs[i] &&
            !resolve_ref(p, "-serial", p->serial_refs[i], &p->serials[i]))
            return false;
    for (unsigned i = 0; i < p->config->parallel_count; i++)
        if (p->parallel_refs[i] &&
            !resolve_ref(p, "-parallel", p->parallel_refs[i], &p->parallels[i]))
            return false;
    return true;
}
