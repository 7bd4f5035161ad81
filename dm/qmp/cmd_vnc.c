/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VNC server: where it is, who looks, its password.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

static void add_place(struct json_object *to, const struct qmp_vnc_at *at) {
    j_add_text(to, "host", at->host);
    j_add_text(to, "service", at->service);
    j_add_text(to, "family", at->family);
}

static struct json_object *clients(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    struct json_object *list = json_object_new_array();
    struct qmp_vnc_at at;
    char bytes[QMP_VNC_PEER];
    for (unsigned n = 0; ops->vnc_peer && ops->vnc_peer(call->qmp->arg, n, &at, bytes); n++) {
        struct json_object *entry = json_object_new_object();
        add_place(entry, &at);
        j_add_bool(entry, "websocket", at.websocket);
        json_object_array_add(list, entry);
    }
    return list;
}

static bool ask(struct call *call, struct qmp_vnc *info) {
    return call->qmp->ops->vnc && call->qmp->ops->vnc(call->qmp->arg, info);
}

static const char *own_auth(const struct qmp_vnc *info) {
    return info->password ? "vnc" : "none";
}

static struct json_object *cmd_vnc(struct call *call) {
    struct json_object *vnc = json_object_new_object();
    struct qmp_vnc info = {0};
    bool enabled = ask(call, &info);
    j_add_bool(vnc, "enabled", enabled);
    if (!enabled)
        return vnc;
    char auth[32];
    snprintf(auth, sizeof(auth), "%s%s", !info.tls ? "" : info.anonymous ? "vencrypt+tls+"
             : "vencrypt+x509+", own_auth(&info));
    add_place(vnc, &info.at);
    j_add_text(vnc, "auth", auth);
    j_add(vnc, "clients", clients(call));
    return vnc;
}

static void add_auth(struct json_object *to, const struct qmp_vnc *info, bool vencrypt) {
    j_add_text(to, "auth", vencrypt ? "vencrypt" : own_auth(info));
    if (!vencrypt)
        return;
    char kind[32];
    snprintf(kind, sizeof(kind), "%s-%s", info->anonymous ? "tls" : "x509", own_auth(info));
    j_add_text(to, "vencrypt", kind);
}

static void add_server(struct json_object *list, const struct qmp_vnc *info,
                       const struct qmp_vnc_at *at) {
    struct json_object *server = json_object_new_object();
    add_place(server, at);
    j_add_bool(server, "websocket", at->websocket);
    add_auth(server, info, info->tls && !at->websocket);
    json_object_array_add(list, server);
}

static struct json_object *cmd_vnc_servers(struct call *call) {
    struct json_object *list = json_object_new_array();
    struct qmp_vnc info = {0};
    if (!ask(call, &info))
        return list;
    struct json_object *vnc = json_object_new_object(), *servers = json_object_new_array();
    add_server(servers, &info, &info.at);
    if (info.websocket)
        add_server(servers, &info, &info.web);
    j_add_text(vnc, "id", "default");
    j_add(vnc, "server", servers);
    j_add(vnc, "clients", clients(call));
    add_auth(vnc, &info, info.tls);
    json_object_array_add(list, vnc);
    return list;
}

static struct json_object *set_password(struct call *call, const char *command) {
    const struct qmp_ops *ops = call->qmp->ops;
    char why[256] = "there is no VNC server";
    if (!ops->vnc_password ||
        !ops->vnc_password(call->qmp->arg, arg_text(call, "password"), why, sizeof(why)))
        return call_fail(call, GENERIC_ERROR, "%s: %s", command, why);
    return NULL;
}

static struct json_object *cmd_vnc_password(struct call *call) {
    return set_password(call, "change-vnc-password");
}

/* Those two are for SPICE as well, which isn't here. */
static bool is_vnc(struct call *call) {
    const char *protocol = arg_text(call, "protocol");
    if (!strcmp(protocol, "vnc"))
        return true;
    call_fail(call, GENERIC_ERROR, "protocol \"%.64s\": there is \"vnc\" only", protocol);
    return false;
}

static struct json_object *cmd_set_password(struct call *call) {
    const char *connected = arg_text(call, "connected");
    if (!is_vnc(call))
        return NULL;
    if (connected && strcmp(connected, "keep"))
        return call_fail(call, GENERIC_ERROR, "connected \"%.64s\": viewers that are in stay, "
                         "\"keep\"", connected);
    return set_password(call, "set_password");
}

/* "never", "now", "+30" (seconds from now), "1893456000" (of the epoch). */
static bool parse_time(const char *text, int64_t *when) {
    int64_t now = time(NULL);
    bool from_now = *text == '+', never = !strcmp(text, "never");
    char *end;
    if (never || !strcmp(text, "now")) {
        *when = never ? INT64_MAX : now;
        return true;
    }
    text += from_now;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    long long seconds = strtoll(text, &end, 10);
    if (errno || *end || (from_now && seconds > INT64_MAX - now))
        return false;
    *when = seconds + (from_now ? now : 0);
    return true;
}

static struct json_object *cmd_expire_password(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    char why[256] = "there is no VNC server";
    int64_t when;
    if (!is_vnc(call))
        return NULL;
    if (!parse_time(arg_text(call, "time"), &when))
        return call_fail(call, GENERIC_ERROR, "expire_password: time is \"now\", \"never\", "
                         "\"+SECONDS\" or seconds of the epoch");
    if (!ops->vnc_expire || !ops->vnc_expire(call->qmp->arg, when, why, sizeof(why)))
        return call_fail(call, GENERIC_ERROR, "expire_password: %s", why);
    return NULL;
}

const struct command vnc_commands[] = {
    {"query-vnc", NULL, CMD_BARE, cmd_vnc},
    {"query-vnc-servers", NULL, CMD_BARE, cmd_vnc_servers},
    {"change-vnc-password", "password:s", CMD_BARE, cmd_vnc_password},
    {"set_password", "protocol:s,password:s,?connected:s,?display:s", CMD_BARE, cmd_set_password},
    {"expire_password", "protocol:s,time:s,?display:s", CMD_BARE, cmd_expire_password},
    {NULL, NULL, 0, NULL},
};
