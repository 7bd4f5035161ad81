/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a document to a command of the tables and back to a reply: {"execute": name, "arguments":
 * object, "id": anything}, answered by {"return": ...} or {"error": {"class", "desc"}}, with the
 * id.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

const struct command *const command_tables[] = {
    machine_commands, query_commands, vnc_commands, block_commands, drive_commands, fd_commands,
    input_commands, screen_commands, hmp_commands, net_commands, NULL,
};

struct json_object *j_text(const char *text) {
    return json_object_new_string(text);
}

void j_add(struct json_object *object, const char *key, struct json_object *value) {
    json_object_object_add(object, key, value);
}

void j_add_text(struct json_object *object, const char *key, const char *text) {
    j_add(object, key, j_text(text));
}

void j_add_int(struct json_object *object, const char *key, int64_t value) {
    j_add(object, key, json_object_new_int64(value));
}

void j_add_bool(struct json_object *object, const char *key, bool value) {
    j_add(object, key, json_object_new_boolean(value));
}

struct json_object *call_fail(struct call *call, enum error_class class_, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(call->why, sizeof(call->why), fmt, args);
    va_end(args);
    call->failed = true;
    call->class_ = class_;
    return NULL;
}

struct json_object *arg_get(const struct call *call, const char *name) {
    struct json_object *value = NULL;
    if (call->args)
        json_object_object_get_ex(call->args, name, &value);
    return value;
}

const char *arg_text(const struct call *call, const char *name) {
    struct json_object *value = arg_get(call, name);
    return value ? json_object_get_string(value) : NULL;
}

int64_t arg_int(const struct call *call, const char *name, int64_t otherwise) {
    struct json_object *value = arg_get(call, name);
    return value ? json_object_get_int64(value) : otherwise;
}

bool arg_bool(const struct call *call, const char *name, bool otherwise) {
    struct json_object *value = arg_get(call, name);
    return value ? json_object_get_boolean(value) : otherwise;
}

struct json_object *error_reply(enum error_class class_, const char *why) {
    static const char *const names[] = {"GenericError", "CommandNotFound", "DeviceNotActive",
                                        "DeviceNotFound"};
    struct json_object *reply = json_object_new_object(), *error = json_object_new_object();
    j_add_text(error, "class", names[class_]);
    j_add_text(error, "desc", why);
    j_add(reply, "error", error);
    return reply;
}

static const struct command *find_command(const char *name) {
    for (unsigned t = 0; command_tables[t]; t++)
        for (const struct command *c = command_tables[t]; c->name; c++)
            if (!strcmp(c->name, name))
                return c;
    return NULL;
}

struct json_object *cmd_query_commands(struct call *call) {
    (void)call;
    struct json_object *list = json_object_new_array();
    for (unsigned t = 0; command_tables[t]; t++) {
        for (const struct command *c = command_tables[t]; c->name; c++) {
            struct json_object *entry = json_object_new_object();
            j_add_text(entry, "name", c->name);
            json_object_array_add(list, entry);
        }
    }
    return list;
}

static bool right_type(struct json_object *value, char type) {
    switch (type) {
    case 's':
        return json_object_is_type(value, json_type_string);
    case 'i':
        return json_object_is_type(value, json_type_int);
    case 'b':
        return json_object_is_type(value, json_type_boolean);
    case 'o':
        return json_object_is_type(value, json_type_object);
    case 'a':
        return json_object_is_type(value, json_type_array);
    default:
        return true;
    }
}

static const char *type_name(char type) {
    switch (type) {
    case 's':
        return "a string";
    case 'i':
        return "an integer";
    case 'b':
        return "true or false";
    case 'o':
        return "an object";
    default:
        return "an array";
    }
}

/* The entry of a list of arguments that begins at s: name, type, optional; returns the next one. */
static const char *next_arg(const char *s, char name[64], char *type, bool *optional) {
    *optional = *s == '?';
    s += *optional;
    size_t n = strcspn(s, ":,");
    snprintf(name, 64, "%.*s", (int)n, s);
    *type = s[n] == ':' ? s[n + 1] : '*';
    s += strcspn(s, ",");
    return *s ? s + 1 : s;
}

static bool arg_is_known(const char *list, const char *key) {
    char name[64], type;
    bool optional;
    for (const char *s = list; *s;) {
        s = next_arg(s, name, &type, &optional);
        if (!strcmp(name, "*") || !strcmp(name, key))
            return true;
    }
    return false;
}

static bool check_args(struct call *call, const struct command *command) {
    const char *list = command->args ? command->args : "";
    char name[64], type;
    bool optional;
    for (const char *s = list; *s;) {
        s = next_arg(s, name, &type, &optional);
        struct json_object *value = arg_get(call, name);
        if (!strcmp(name, "*"))
            continue;
        if (!value && !optional)
            call_fail(call, GENERIC_ERROR, "%s needs the argument \"%s\", %s", command->name, name,
                      type_name(type));
        else if (value && !right_type(value, type))
            call_fail(call, GENERIC_ERROR, "%s: the argument \"%s\" must be %s", command->name,
                      name, type_name(type));
    }
    if (call->failed || !call->args)
        return !call->failed;
    json_object_object_foreach(call->args, key, member) {
        (void)member;
        if (!arg_is_known(list, key))
            call_fail(call, GENERIC_ERROR, "%s has no argument \"%.64s\"", command->name, key);
    }
    return !call->failed;
}

static struct json_object *run_command(struct call *call, const struct command *command) {
    if (!call->qmp->machine && !(command->flags & (CMD_BARE | CMD_EARLY)))
        return call_fail(call, GENERIC_ERROR, "%s: there is no machine", command->name);
    if (!check_args(call, command))
        return NULL;
    return command->run(call);
}

struct json_object *call_command(struct call *call, const char *name, struct json_object *args) {
    struct json_object *outer = call->args;
    const struct command *command = find_command(name);
    call->args = args;
    call->failed = false;
    struct json_object *result = command ? run_command(call, command) : NULL;
    if (!command)
        call_fail(call, COMMAND_NOT_FOUND, "there is no command \"%.64s\"", name);
    call->args = outer;
    json_object_put(args);
    return result;
}

/* Which command it is, when it may run now; else call_fail. */
static const struct command *choose(struct call *call, struct json_object *request) {
    struct json_object *name = NULL, *args = NULL;
    json_object_object_foreach(request, key, member) {
        bool oob = call->session->oob && !strcmp(key, "exec-oob");
        if (!strcmp(key, "execute") || oob)
            name = member;
        else if (!strcmp(key, "arguments"))
            args = member;
        else if (strcmp(key, "id") && strcmp(key, "control"))
            return (void *)call_fail(call, GENERIC_ERROR, "a request has no member \"%.64s\"", key);
        if (oob)
            return (void *)call_fail(call, GENERIC_ERROR, "no command may run out of band");
    }
    if (!json_object_is_type(name, json_type_string))
        return (void *)call_fail(call, GENERIC_ERROR, "a request needs \"execute\", a string");
    if (args && !json_object_is_type(args, json_type_object))
        return (void *)call_fail(call, GENERIC_ERROR, "\"arguments\" must be an object");
    call->args = args;
    const struct command *command = find_command(json_object_get_string(name));
    bool early = command && (command->flags & CMD_EARLY);
    if (!call->session->negotiated && !early)
        return (void *)call_fail(call, COMMAND_NOT_FOUND, "\"%.64s\" before qmp_capabilities, "
                                 "which must come first", json_object_get_string(name));
    if (call->session->negotiated && early)
        return (void *)call_fail(call, COMMAND_NOT_FOUND, "qmp_capabilities came already");
    if (!command)
        call_fail(call, COMMAND_NOT_FOUND, "there is no command \"%.64s\"",
                  json_object_get_string(name));
    return command;
}

static struct json_object *answer(struct session *session, struct json_object *request) {
    struct call call = {.qmp = session->qmp, .session = session};
    struct json_object *id, *result = NULL, *reply;
    const struct command *command = choose(&call, request);
    if (command)
        result = run_command(&call, command);
    if (call.failed) {
        reply = error_reply(call.class_, call.why);
    } else {
        reply = json_object_new_object();
        j_add(reply, "return", result ? result : json_object_new_object());
    }
    if (json_object_object_get_ex(request, "id", &id))
        j_add(reply, "id", json_object_get(id));
    return reply;
}

struct json_object *dispatch(struct session *session, const char *text, size_t len) {
    struct json_tokener *tokener = json_tokener_new_ex(FRAME_DEPTH);
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *request = json_tokener_parse_ex(tokener, text, (int)len);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    bool whole = json_tokener_get_parse_end(tokener) == len;
    json_tokener_free(tokener);
    struct json_object *reply;
    if (error != json_tokener_success || !whole)
        reply = error_reply(GENERIC_ERROR, "not JSON");
    else if (!json_object_is_type(request, json_type_object))
        reply = error_reply(GENERIC_ERROR, "a request must be a JSON object");
    else
        reply = answer(session, request);
    json_object_put(request);
    return reply;
}
