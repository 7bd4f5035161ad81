/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -vnc, and the -object that holds what its TLS needs.
 */
#include <string.h>

#include "core/bits.h"
#include "parse.h"

enum { DISPLAY_0 = 5900 };

/* "host:display", "[host]:display", "unix:path" or "none"; libxl passes an IPv6 host bare. */
static bool vnc_address(struct parse *p, struct config_vnc *vnc) {
    const char *head = vnc->opts->head;
    const char *colon = strrchr(head, ':');
    if (!strcmp(head, "none")) {
        vnc->none = true;
        return true;
    }
    if (!strncmp(head, "unix:", 5) && head[5]) {
        vnc->path = head + 5;
        return true;
    }
    if (!colon || !parse_unsigned(colon + 1, 65535 - DISPLAY_0, &vnc->display))
        return parse_fail(p, "%s %s (vnclisten=): expected host:display, unix:path or none",
                          vnc->opts->origin, vnc->opts->text);
    size_t n = (size_t)(colon - head);
    bool bracketed = n >= 2 && head[0] == '[' && head[n - 1] == ']';
    vnc->host = arena_bytes(p->arena, head + bracketed, n - 2 * bracketed);
    return true;
}

/* websocket, websocket=on, =port, =host:port */
static bool vnc_websocket(struct parse *p, struct config_vnc *vnc) {
    const char *val = opts_get(vnc->opts, "websocket");
    if (!val || !strcmp(val, "off") || vnc->none)
        return true;
    if (vnc->path)
        return parse_fail(p, "%s %s: a browser can't reach a Unix socket: websocket needs host and "
                          "display", vnc->opts->origin, vnc->opts->text);
    vnc->websocket = true;
    vnc->web_host = vnc->host;
    if (!*val || !strcmp(val, "on"))
        return true;
    const char *colon = strrchr(val, ':');
    if (!parse_unsigned(colon ? colon + 1 : val, 65535, &vnc->web_port) || !vnc->web_port)
        return parse_fail(p, "%s %s: websocket=%s: expected on, port or host:port",
                          vnc->opts->origin, vnc->opts->text, val);
    if (colon) {
        size_t n = (size_t)(colon - val);
        bool bracketed = n >= 2 && val[0] == '[' && val[n - 1] == ']';
        vnc->web_host = arena_bytes(p->arena, val + bracketed, n - 2 * bracketed);
    }
    return true;
}

static bool vnc_share(struct parse *p, struct config_vnc *vnc) {
    static const char *const words[] = {[SHARE_EXCLUSIVE] = "allow-exclusive",
                                        [SHARE_FORCED] = "force-shared",
                                        [SHARE_IGNORED] = "ignore"};
    const char *val = opts_get(vnc->opts, "share");
    if (!val)
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (!strcmp(words[i], val)) {
            vnc->share = (enum config_share)i;
            return true;
        }
    return parse_fail(p, "%s %s: share=%s: expected allow-exclusive, force-shared or ignore",
                      vnc->opts->origin, vnc->opts->text, val);
}

bool parse_vnc(struct parse *p, const char *origin, const char *val) {
    static const char *const keys[] = {"vnc", "password!", "to", "share", "websocket!", "reverse!",
                                       "lossy!", "non-adaptive!", "tls-creds", "sasl!", "display",
                                       "audiodev", "password-secret", NULL};
    const struct opts *o = opts_parse(p, origin, val, "vnc", keys);
    if (!o)
        return false;
    static const char *const undone[] = {"reverse", "sasl", "audiodev", "password-secret"};
    for (unsigned i = 0; i < ARRAY_LEN(undone); i++)
        if (opts_get(o, undone[i]) && strcmp(opts_get(o, undone[i]), "off"))
            return parse_fail(p, "%s %s: %s is not implemented", origin, val, undone[i]);
    struct config_vnc vnc = {.opts = o};
    uint64_t to = 0;
    if (!vnc_address(p, &vnc) || !vnc_websocket(p, &vnc) || !vnc_share(p, &vnc) ||
        !opts_bool(o, "password", &vnc.password, p->why, p->why_len) ||
        !opts_number(o, "to", 65535 - DISPLAY_0, &to, p->why, p->why_len))
        return false;
    vnc.to = MAX((unsigned)to, vnc.display);
    p->vncs[p->config->vnc_count++] = vnc;
    return true;
}

static bool parse_tls(struct parse *p, const struct opts *o, bool anonymous) {
    static const char *const known[] = {"id", "endpoint", "dir", "verify-peer", "priority",
                                        "sanity-check", NULL};
    struct config_tls tls = {.id = opts_get(o, "id"), .anonymous = anonymous,
                             .dir = opts_get(o, "dir"), .verify_peer = true,
                             .priority = opts_get(o, "priority")};
    const char *endpoint = opts_get(o, "endpoint"), *unknown = opts_unknown(o, known);
    if (unknown)
        return parse_fail(p, "%s %s: %s= is not implemented", o->origin, o->text, unknown);
    if (!tls.id)
        return parse_fail(p, "%s %s: needs id=", o->origin, o->text);
    if (!endpoint || strcmp(endpoint, "server"))
        return parse_fail(p, "%s %s: only endpoint=server is implemented", o->origin, o->text);
    if (!anonymous && !tls.dir)
        return parse_fail(p, "%s %s: needs dir=, where server-cert.pem and server-key.pem are",
                          o->origin, o->text);
    if (!opts_bool(o, "verify-peer", &tls.verify_peer, p->why, p->why_len))
        return false;
    p->tls[p->config->tls_count++] = tls;
    return true;
}

bool parse_object(struct parse *p, const char *origin, const char *val) {
    const struct opts *o = opts_parse(p, origin, val, "qom-type", NULL);
    if (!o)
        return false;
    bool anonymous = !strcmp(o->head, "tls-creds-anon");
    if (anonymous || !strcmp(o->head, "tls-creds-x509"))
        return parse_tls(p, o, anonymous);
    return parse_fail(p, "%s %s (COLO): of objects there are tls-creds-x509 and tls-creds-anon",
                      origin, val);
}

/* An object may come after what names it. */
bool resolve_vncs(struct parse *p) {
    for (unsigned i = 0; i < p->config->vnc_count; i++) {
        struct config_vnc *vnc = &p->vncs[i];
        const char *id = opts_get(vnc->opts, "tls-creds");
        for (unsigned n = 0; id && n < p->config->tls_count; n++)
            if (!strcmp(p->tls[n].id, id))
                vnc->tls = &p->tls[n];
        if (id && !vnc->tls)
            return parse_fail(p, "%s %s: tls-creds=%s: there is no -object of that id",
                              vnc->opts->origin, vnc->opts->text, id);
    }
    return true;
}
