/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network cards and their cables. A card that is to go leaves when the guest has let it go: then
 * DEVICE_DELETED follows.
 */
#include <string.h>

#include "internal.h"

static struct json_object *refuse(struct call *call) {
    call->failed = true;
    call->class_ = GENERIC_ERROR;
    return NULL;
}

static const char *arguments(struct call *call) {
    return json_object_to_json_string_ext(call->args, JSON_C_TO_STRING_PLAIN);
}

static struct json_object *cmd_set_link(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    if (!ops->set_link ||
        !ops->set_link(call->qmp->machine, arg_text(call, "name"), arg_bool(call, "up", false),
                       call->why, sizeof(call->why)))
        return refuse(call);
    return NULL;
}

static struct json_object *cmd_netdev_add(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    if (!ops->netdev_add || !ops->netdev_add(call->qmp->machine, arguments(call), call->why,
                                             sizeof(call->why)))
        return refuse(call);
    return NULL;
}

static struct json_object *cmd_netdev_del(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    if (!ops->netdev_del || !ops->netdev_del(call->qmp->machine, arg_text(call, "id"), call->why,
                                             sizeof(call->why)))
        return refuse(call);
    return NULL;
}

bool plug_card(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    if (!ops->is_card || !ops->is_card(arg_text(call, "driver")))
        return false;
    if (!ops->plug_card(call->qmp->machine, arguments(call), call->why, sizeof(call->why)))
        refuse(call);
    return true;
}

bool eject_card(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    bool known = false;
    if (ops->eject_card && !ops->eject_card(call->qmp->machine, arg_text(call, "id"), &known,
                                            call->why, sizeof(call->why)) && known)
        refuse(call);
    return known;
}

const struct command net_commands[] = {
    {"set_link", "name:s,up:b", 0, cmd_set_link},
    {"netdev_add", "type:s,id:s,*", 0, cmd_netdev_add},
    {"netdev_del", "id:s", 0, cmd_netdev_del},
    {NULL, NULL, 0, NULL},
};
