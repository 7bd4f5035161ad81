/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands on the machine as a whole: run and stop it, its buttons, its CPUs, what is plugged in.
 *
 * Not modelled: hot-plug of PCI functions but USB controllers and network cards.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "internal.h"

/* libxl takes the type of the first entry and hands it back in device_add. */
#define CPU_TYPE "xen-hvm-cpu"

static struct json_object *cmd_capabilities(struct call *call) {
    struct json_object *list = arg_get(call, "enable");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(list, i));
        if (!name || strcmp(name, "oob"))
            return call_fail(call, GENERIC_ERROR, "there is no capability \"%.64s\"",
                             name ? name : "null");
        call->session->oob = true;
    }
    call->session->negotiated = true;
    return NULL;
}

static struct json_object *cmd_query_version(struct call *call) {
    (void)call;
    /* What libxl chooses commands by; 7.2 has all that we answer. */
    struct json_object *version = json_object_new_object(), *qemu = json_object_new_object();
    j_add_int(qemu, "micro", 0);
    j_add_int(qemu, "minor", 2);
    j_add_int(qemu, "major", 7);
    j_add(version, "qemu", qemu);
    j_add_text(version, "package", "hvm-dm");
    return version;
}

static const char *state_name(const struct machine *machine) {
    static const char *const names[] = {
        [RUN_PRELAUNCH] = "prelaunch", [RUN_INMIGRATE] = "inmigrate", [RUN_RUNNING] = "running",
        [RUN_PAUSED] = "paused", [RUN_SUSPENDED] = "suspended", [RUN_SHUTDOWN] = "shutdown",
    };
    return names[machine ? machine->state : RUN_PRELAUNCH];
}

/* PV backends alone serve from their start. */
static struct json_object *cmd_query_status(struct call *call) {
    const struct machine *machine = call->qmp->machine;
    bool running = machine ? machine->state == RUN_RUNNING
                           : call->qmp->config->machine == MACHINE_XENPV;
    struct json_object *status = json_object_new_object();
    j_add_text(status, "status", running ? "running" : state_name(machine));
    j_add_bool(status, "singlestep", false);
    j_add_bool(status, "running", running);
    return status;
}

static struct json_object *cmd_query_name(struct call *call) {
    struct json_object *name = json_object_new_object();
    if (*call->qmp->config->name)
        j_add_text(name, "name", call->qmp->config->name);
    return name;
}

static struct json_object *cmd_query_uuid(struct call *call) {
    struct json_object *uuid = json_object_new_object();
    const char *text = call->qmp->config->uuid;
    j_add_text(uuid, "UUID", *text ? text : "00000000-0000-0000-0000-000000000000");
    return uuid;
}

static struct json_object *cmd_query_kvm(struct call *call) {
    (void)call;
    struct json_object *kvm = json_object_new_object();
    j_add_bool(kvm, "enabled", false);
    j_add_bool(kvm, "present", false);
    return kvm;
}

static struct json_object *not_done(struct call *call, const char *what) {
    return call_fail(call, GENERIC_ERROR, "%s is not implemented yet", what);
}

static struct json_object *cmd_stop(struct call *call) {
    if (!call->qmp->ops->pause)
        return not_done(call, "stop");
    call->qmp->ops->pause(call->qmp->machine);
    return NULL;
}

/* libxl sends it at every unpause, also to a machine that runs. */
static struct json_object *cmd_cont(struct call *call) {
    if (!call->qmp->ops->run)
        return not_done(call, "cont");
    call->qmp->ops->run(call->qmp->machine);
    return NULL;
}

static struct json_object *cmd_quit(struct call *call) {
    if (!call->qmp->ops->quit)
        return not_done(call, "quit");
    qmp_event(call->qmp, "SHUTDOWN", "{\"guest\":false,\"reason\":\"host-qmp-quit\"}");
    call->qmp->ops->quit(call->qmp->arg);
    return NULL;
}

static struct json_object *cmd_powerdown(struct call *call) {
    if (!call->qmp->ops->power_button)
        return not_done(call, "system_powerdown");
    call->qmp->ops->power_button(call->qmp->machine);
    qmp_event(call->qmp, "POWERDOWN", NULL);
    return NULL;
}

static struct json_object *cmd_reset(struct call *call) {
    if (!call->qmp->ops->reset)
        return not_done(call, "system_reset");
    call->qmp->ops->reset(call->qmp->machine);
    qmp_event(call->qmp, "RESET", "{\"guest\":false,\"reason\":\"host-qmp-system-reset\"}");
    return NULL;
}

static struct json_object *cmd_wakeup(struct call *call) {
    if (!call->qmp->ops->wakeup || !call->qmp->ops->wakeup(call->qmp->machine))
        return call_fail(call, GENERIC_ERROR, "the guest is not suspended: it is %s",
                         state_name(call->qmp->machine));
    return NULL;
}

static struct json_object *cpu_props(unsigned cpu) {
    struct json_object *props = json_object_new_object();
    j_add_int(props, "socket-id", cpu);
    j_add_int(props, "core-id", 0);
    j_add_int(props, "thread-id", 0);
    return props;
}

static bool online(const struct qmp *qmp, unsigned cpu) {
    if (!qmp->ops->cpu_online)
        return cpu < qmp->config->cpus;
    return qmp->ops->cpu_online(qmp->machine, cpu);
}

static void add_qom_path(struct json_object *entry, unsigned cpu) {
    char path[48];
    snprintf(path, sizeof(path), "/machine/cpu[%u]", cpu);
    j_add_text(entry, "qom-path", path);
}

/* libxl counts the entries: one a CPU that is there. */
static struct json_object *cmd_cpus(struct call *call) {
    struct json_object *list = json_object_new_array();
    for (unsigned cpu = 0; cpu < call->qmp->config->max_cpus; cpu++) {
        if (!online(call->qmp, cpu))
            continue;
        struct json_object *entry = json_object_new_object();
        j_add_int(entry, "cpu-index", cpu);
        add_qom_path(entry, cpu);
        j_add_int(entry, "thread-id", 0);
        j_add(entry, "props", cpu_props(cpu));
        j_add_text(entry, "target", "i386");
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *cmd_hotpluggable_cpus(struct call *call) {
    struct json_object *list = json_object_new_array();
    for (unsigned cpu = call->qmp->config->max_cpus; cpu-- > 0;) {
        struct json_object *entry = json_object_new_object();
        j_add_text(entry, "type", CPU_TYPE);
        j_add_int(entry, "vcpus-count", 1);
        j_add(entry, "props", cpu_props(cpu));
        if (online(call->qmp, cpu))
            add_qom_path(entry, cpu);
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *add_cpu(struct call *call) {
    struct json_object *socket = arg_get(call, "socket-id");
    int64_t cpu = arg_int(call, "socket-id", -1);
    unsigned max = call->qmp->config->max_cpus;
    if (!json_object_is_type(socket, json_type_int) || cpu < 0 || cpu >= max)
        return call_fail(call, GENERIC_ERROR, "device_add " CPU_TYPE ": socket-id must be a number "
                         "below %u (maxvcpus=)", max);
    if (arg_int(call, "core-id", 0) || arg_int(call, "thread-id", 0))
        return call_fail(call, GENERIC_ERROR, "device_add " CPU_TYPE ": a socket has one core of "
                         "one thread: core-id and thread-id must be 0");
    if (online(call->qmp, (unsigned)cpu))
        return call_fail(call, GENERIC_ERROR, "device_add " CPU_TYPE ": CPU %u is there already",
                         (unsigned)cpu);
    if (!call->qmp->ops->plug_cpu || !call->qmp->ops->plug_cpu(call->qmp->machine, (unsigned)cpu))
        return call_fail(call, GENERIC_ERROR, "device_add " CPU_TYPE ": CPU %u can't be added",
                         (unsigned)cpu);
    return NULL;
}

enum { PLUG_KEYS = 16 };

/* A member as an option of the command line would have it. */
static bool plug_key(struct opt *kv, const char *key, struct json_object *value, char number[24]) {
    bool truth = json_object_is_type(value, json_type_boolean);
    *kv = (struct opt){key, number};
    if (json_object_is_type(value, json_type_int))
        snprintf(number, 24, "%lld", (long long)json_object_get_int64(value));
    else if (truth)
        kv->val = json_object_get_boolean(value) ? "on" : "off";
    else
        kv->val = json_object_is_type(value, json_type_string) ? json_object_get_string(value)
                                                               : NULL;
    return kv->val;
}

static struct json_object *cmd_device_add(struct call *call) {
    const char *driver = arg_text(call, "driver");
    if (!strcmp(driver, CPU_TYPE))
        return add_cpu(call);
    if (plug_card(call))
        return NULL;
    const struct qmp_ops *ops = call->qmp->ops;
    struct opt kv[PLUG_KEYS];
    struct opts opts = {.origin = "device_add", .text = driver, .head = driver, .kv = kv};
    struct config_device device;
    char why[512] = "hot-plug is not implemented", numbers[PLUG_KEYS][24];
    if (!strcmp(driver, "xen-pci-passthrough"))
        return call_fail(call, GENERIC_ERROR, "device_add %s: PCI passthrough (pci=) is not "
                         "implemented", driver);
    json_object_object_foreach(call->args, key, value) {
        if (opts.count == PLUG_KEYS)
            return call_fail(call, GENERIC_ERROR, "device_add %.64s: too many keys", driver);
        if (!strcmp(key, "driver"))
            value = NULL;
        else if (!plug_key(&kv[opts.count], key, value, numbers[opts.count]))
            return call_fail(call, GENERIC_ERROR, "device_add %.64s: %.64s must be a string, a "
                             "number or a truth value", driver, key);
        opts.count += value != NULL;
    }
    if (!config_device(&opts, &device, why, sizeof(why)) || !ops->plug ||
        !ops->plug(call->qmp->machine, &device, why, sizeof(why)))
        return call_fail(call, GENERIC_ERROR, "device_add %.64s: %s", driver, why);
    return NULL;
}

static struct json_object *cmd_device_del(struct call *call) {
    const char *id = arg_text(call, "id");
    const struct config *config = call->qmp->config;
    if (eject_card(call))
        return NULL;
    const struct qmp_ops *ops = call->qmp->ops;
    char why[512] = "";
    if (ops->unplug && ops->unplug(call->qmp->machine, id, why, sizeof(why)))
        return *why ? call_fail(call, GENERIC_ERROR, "device_del %.64s: %s", id, why) : NULL;
    for (unsigned i = 0; i < config->device_count; i++)
        if (!strcmp(config->devices[i].id, id))
            return call_fail(call, GENERIC_ERROR, "device_del %.64s: removing a device that the "
                             "machine started with is not implemented", id);
    return call_fail(call, DEVICE_NOT_FOUND, "there is no device \"%.64s\"", id);
}

const struct command machine_commands[] = {
    {"qmp_capabilities", "?enable:a", CMD_EARLY, cmd_capabilities},
    {"query-commands", NULL, CMD_BARE, cmd_query_commands},
    {"query-version", NULL, CMD_BARE, cmd_query_version},
    {"query-status", NULL, CMD_BARE, cmd_query_status},
    {"query-name", NULL, CMD_BARE, cmd_query_name},
    {"query-uuid", NULL, CMD_BARE, cmd_query_uuid},
    {"query-kvm", NULL, CMD_BARE, cmd_query_kvm},
    {"quit", NULL, CMD_BARE, cmd_quit},
    {"stop", NULL, 0, cmd_stop},
    {"cont", NULL, 0, cmd_cont},
    {"system_powerdown", NULL, 0, cmd_powerdown},
    {"system_reset", NULL, 0, cmd_reset},
    {"system_wakeup", NULL, 0, cmd_wakeup},
    {"query-cpus-fast", NULL, 0, cmd_cpus},
    {"query-hotpluggable-cpus", NULL, 0, cmd_hotpluggable_cpus},
    {"device_add", "driver:s,?id:s,?bus:s,*", 0, cmd_device_add},
    {"device_del", "id:s", 0, cmd_device_del},
    {NULL, NULL, 0, NULL},
};
