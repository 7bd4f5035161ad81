/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * human-monitor-command: what people type after `xl qemu-monitor-command <domain>`. Each line is
 * one of the table's words; most run the command of the protocol and put its answer in a sentence.
 *
 * Not modelled: everything of QEMU's human monitor that isn't in the table.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct text {
    char *bytes;
    size_t len, room;
};

__attribute__((format(printf, 2, 3)))
static void say(struct text *out, const char *fmt, ...) {
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    size_t len = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
    if (out->len + len + 1 > out->room) {
        size_t room = (out->len + len + 1) * 2;
        char *bytes = realloc(out->bytes, room);
        if (!bytes)
            return;
        out->bytes = bytes;
        out->room = room;
    }
    memcpy(out->bytes + out->len, line, len + 1);
    out->len += len;
}

struct line {
    struct call *call;
    struct text *out;
    const char *args; /* what stands after the word */
};

static const char *text_of(struct json_object *object, const char *key) {
    struct json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    const char *text = value ? json_object_get_string(value) : NULL;
    return text ? text : "";
}

static struct json_object *part_of(struct json_object *object, const char *key) {
    struct json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

/* Runs a command of the protocol; NULL when it failed, which has been said. */
static struct json_object *ask(struct line *line, const char *name, struct json_object *args) {
    struct json_object *result = call_command(line->call, name, args);
    if (line->call->failed) {
        say(line->out, "Error: %s\r\n", line->call->why);
        line->call->failed = false;
        return NULL;
    }
    return result ? result : json_object_new_object();
}

static void just_do(struct line *line, const char *name) {
    json_object_put(ask(line, name, NULL));
}

static void do_stop(struct line *line) {
    just_do(line, "stop");
}

static void do_cont(struct line *line) {
    just_do(line, "cont");
}

static void do_reset(struct line *line) {
    just_do(line, "system_reset");
}

static void do_powerdown(struct line *line) {
    just_do(line, "system_powerdown");
}

static void do_wakeup(struct line *line) {
    just_do(line, "system_wakeup");
}

static void do_quit(struct line *line) {
    just_do(line, "quit");
}

static void do_eject(struct line *line) {
    struct json_object *args = json_object_new_object();
    bool force = !strncmp(line->args, "-f ", 3);
    j_add_bool(args, "force", force);
    j_add_text(args, "device", line->args + (force ? 3 : 0));
    json_object_put(ask(line, "eject", args));
}

static void do_change(struct line *line) {
    char device[128], filename[1024], format[32];
    int n = sscanf(line->args, "%127s %1023s %31s", device, filename, format);
    if (n < 2) {
        say(line->out, "change: expected a drive, a file and perhaps a format\r\n");
        return;
    }
    struct json_object *args = json_object_new_object();
    j_add_text(args, "device", device);
    j_add_text(args, "filename", filename);
    if (n > 2)
        j_add_text(args, "format", format);
    json_object_put(ask(line, "blockdev-change-medium", args));
}

static void do_screendump(struct line *line) {
    struct json_object *args = json_object_new_object();
    j_add_text(args, "filename", line->args);
    json_object_put(ask(line, "screendump", args));
}

/* ctrl-alt-delete, and how long it is held in ms */
static void do_sendkey(struct line *line) {
    struct json_object *args = json_object_new_object(), *keys = json_object_new_array();
    size_t end = strcspn(line->args, " ");
    for (size_t at = 0; at < end;) {
        size_t n = strcspn(line->args + at, "- ");
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)(n < 63 ? n : 63), line->args + at);
        struct json_object *key = json_object_new_object();
        bool number = !strncmp(name, "0x", 2);
        j_add_text(key, "type", number ? "number" : "qcode");
        if (number)
            j_add_int(key, "data", strtol(name, NULL, 16));
        else
            j_add_text(key, "data", name);
        json_object_array_add(keys, key);
        at += n + 1;
    }
    j_add(args, "keys", keys);
    if (line->args[end])
        j_add_int(args, "hold-time", atoi(line->args + end));
    json_object_put(ask(line, "send-key", args));
}

static void info_status(struct line *line) {
    struct json_object *status = ask(line, "query-status", NULL);
    bool running = json_object_get_boolean(part_of(status, "running"));
    if (status)
        say(line->out, "VM status: %s%s%s%s\r\n", running ? "running" : "paused",
            running ? "" : " (", running ? "" : text_of(status, "status"), running ? "" : ")");
    json_object_put(status);
}

static void info_version(struct line *line) {
    struct json_object *version = ask(line, "query-version", NULL);
    struct json_object *qemu = part_of(version, "qemu");
    say(line->out, "%s.%s.%s %s\r\n", text_of(qemu, "major"), text_of(qemu, "minor"),
        text_of(qemu, "micro"), text_of(version, "package"));
    json_object_put(version);
}

static void info_name(struct line *line) {
    struct json_object *name = ask(line, "query-name", NULL);
    say(line->out, "%s\r\n", text_of(name, "name"));
    json_object_put(name);
}

static void info_block(struct line *line) {
    struct json_object *list = ask(line, "query-block", NULL);
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *drive = json_object_array_get_idx(list, i);
        struct json_object *inserted = part_of(drive, "inserted");
        if (inserted)
            say(line->out, "%s: %s (%s%s)", text_of(drive, "device"), text_of(inserted, "file"),
                text_of(inserted, "drv"),
                json_object_get_boolean(part_of(inserted, "ro")) ? ", read-only" : "");
        else
            say(line->out, "%s: [not inserted]", text_of(drive, "device"));
        if (json_object_get_boolean(part_of(drive, "removable")))
            say(line->out, "\r\n    Removable device: %s",
                json_object_get_boolean(part_of(drive, "locked")) ? "locked" : "not locked");
        say(line->out, "\r\n");
    }
    json_object_put(list);
}

static void info_blockstats(struct line *line) {
    struct json_object *list = ask(line, "query-blockstats", NULL);
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *drive = json_object_array_get_idx(list, i);
        say(line->out, "%s:", text_of(drive, "device"));
        json_object_object_foreach(part_of(drive, "stats"), key, value)
            say(line->out, " %s=%s", key, json_object_get_string(value));
        say(line->out, "\r\n");
    }
    json_object_put(list);
}

static void info_pci(struct line *line) {
    struct json_object *buses = ask(line, "query-pci", NULL);
    struct json_object *list =
        buses ? part_of(json_object_array_get_idx(buses, 0), "devices") : NULL;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *d = json_object_array_get_idx(list, i), *id = part_of(d, "id");
        say(line->out, "  Bus  0, device %3s, function %s:\r\n", text_of(d, "slot"),
            text_of(d, "function"));
        say(line->out, "    %s: PCI device %04x:%04x, id \"%s\"\r\n",
            text_of(part_of(d, "class_info"), "desc"),
            (unsigned)json_object_get_int64(part_of(id, "vendor")),
            (unsigned)json_object_get_int64(part_of(id, "device")), text_of(d, "qdev_id"));
        struct json_object *regions = part_of(d, "regions");
        for (size_t n = 0; n < json_object_array_length(regions); n++) {
            struct json_object *r = json_object_array_get_idx(regions, n);
            say(line->out, "      BAR%s: %s at 0x%llx, size 0x%llx\r\n", text_of(r, "bar"),
                text_of(r, "type"),
                (unsigned long long)json_object_get_int64(part_of(r, "address")),
                (unsigned long long)json_object_get_int64(part_of(r, "size")));
        }
    }
    json_object_put(buses);
}

static void info_chardev(struct line *line) {
    struct json_object *list = ask(line, "query-chardev", NULL);
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *chr = json_object_array_get_idx(list, i);
        say(line->out, "%s: filename=%s\r\n", text_of(chr, "label"), text_of(chr, "filename"));
    }
    json_object_put(list);
}

static void info_cpus(struct line *line) {
    struct json_object *list = ask(line, "query-cpus-fast", NULL);
    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        say(line->out, "CPU #%s: online\r\n",
            text_of(json_object_array_get_idx(list, i), "cpu-index"));
    json_object_put(list);
}

static void info_vnc(struct line *line) {
    struct json_object *vnc = ask(line, "query-vnc", NULL);
    if (json_object_get_boolean(part_of(vnc, "enabled")))
        say(line->out, "Server: %s:%s, auth %s\r\n", text_of(vnc, "host"), text_of(vnc, "service"),
            text_of(vnc, "auth"));
    else
        say(line->out, "Server: disabled\r\n");
    json_object_put(vnc);
}

static void say_region(void *arg, const struct io_region *r) {
    say(arg, "%-4s %08llx-%08llx %-20s accesses %llu, strings %llu\r\n",
        r->space == IO_PORT ? "port" : "mem", (unsigned long long)r->base,
        (unsigned long long)(r->base + r->size - 1), r->name, (unsigned long long)r->accesses,
        (unsigned long long)r->strings);
}

static void info_io(struct line *line) {
    struct machine *machine = line->call->qmp->machine;
    if (machine)
        io_each(machine->io, say_region, line->out);
}

static void net_line(void *arg, const char *text) {
    struct line *line = arg;
    say(line->out, "%s\r\n", text);
}

static void info_network(struct line *line) {
    const struct qmp *qmp = line->call->qmp;
    if (qmp->machine && qmp->ops->print_net)
        qmp->ops->print_net(qmp->machine, net_line, line);
}

static void do_set_link(struct line *line) {
    char name[128], state[8] = "";
    if (sscanf(line->args, "%127s %7s", name, state) != 2 ||
        (strcmp(state, "on") && strcmp(state, "off"))) {
        say(line->out, "set_link: expected a name, and on or off\r\n");
        return;
    }
    struct json_object *args = json_object_new_object();
    j_add_text(args, "name", name);
    j_add_bool(args, "up", !strcmp(state, "on"));
    json_object_put(ask(line, "set_link", args));
}

static void do_help(struct line *line);

static const struct {
    const char *word, *args, *what;
    void (*run)(struct line *line);
} words[] = {
    {"info status", "", "is the machine running?", info_status},
    {"info block", "", "drives and their media", info_block},
    {"info blockstats", "", "what the drives have done", info_blockstats},
    {"info chardev", "", "where serial ports lead", info_chardev},
    {"info cpus", "", "the CPUs that are there", info_cpus},
    {"info io", "", "who answers where, and how often the guest asked", info_io},
    {"info name", "", "the guest's name", info_name},
    {"info network", "", "network cards and their cables", info_network},
    {"info pci", "", "PCI functions and their regions", info_pci},
    {"info version", "", "the version that libxl is told", info_version},
    {"info vnc", "", "where the screen is", info_vnc},
    {"stop", "", "stop the device model (not the domain: xl pause)", do_stop},
    {"cont", "", "run it again", do_cont},
    {"c", "", "the same", do_cont},
    {"system_reset", "", "the reset button", do_reset},
    {"system_powerdown", "", "the power button", do_powerdown},
    {"system_wakeup", "", "wake from suspend to RAM", do_wakeup},
    {"eject", "[-f] drive", "take the medium out", do_eject},
    {"change", "drive file [format]", "insert a medium", do_change},
    {"set_link", "name on|off", "put a cable in or pull it out", do_set_link},
    {"screendump", "file", "the screen as PPM, or PNG when the name ends so", do_screendump},
    {"sendkey", "keys [hold-ms]", "press keys together, as in ctrl-alt-delete", do_sendkey},
    {"quit", "", "end the device model", do_quit},
    {"help", "", "this list", do_help},
};

static void do_help(struct line *line) {
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        say(line->out, "%s%s%s -- %s\r\n", words[i].word, *words[i].args ? " " : "", words[i].args,
            words[i].what);
}

static void run_line(struct line *line, const char *text) {
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(words[i].word, text, n) || (text[n] && text[n] != ' '))
            continue;
        line->args = text + n + strspn(text + n, " ");
        if (*words[i].args && !*line->args)
            say(line->out, "%s: expected %s\r\n", words[i].word, words[i].args);
        else
            words[i].run(line);
        return;
    }
    say(line->out, "unknown command: '%.200s'; help lists those that there are\r\n", text);
}

static struct json_object *cmd_human(struct call *call) {
    const char *text = arg_text(call, "command-line");
    struct text out = {0};
    struct line line = {.call = call, .out = &out};
    run_line(&line, text + strspn(text, " "));
    struct json_object *answer = j_text(out.bytes ? out.bytes : "");
    free(out.bytes);
    return answer;
}

const struct command hmp_commands[] = {
    {"human-monitor-command", "command-line:s,?cpu-index:i", CMD_BARE, cmd_human},
    {NULL, NULL, 0, NULL},
};
