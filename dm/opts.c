/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option values of the form head,key=value,word: taken apart, and read as booleans, numbers, sizes.
 */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "parse.h"

struct config_arena {
    struct config_arena *next;
    /* the bytes follow */
};

struct config_arena *arena_new(void) {
    return mem_new(sizeof(struct config_arena));
}

void arena_free(struct config_arena *arena) {
    while (arena) {
        struct config_arena *next = arena->next;
        mem_free(arena);
        arena = next;
    }
}

void *arena_alloc(struct config_arena *arena, size_t size) {
    struct config_arena *chunk = mem_new(sizeof(*chunk) + size);
    chunk->next = arena->next;
    arena->next = chunk;
    return chunk + 1;
}

char *arena_bytes(struct config_arena *arena, const char *bytes, size_t n) {
    char *copy = arena_alloc(arena, n + 1);
    memcpy(copy, bytes, n);
    return copy;
}

char *arena_printf(struct config_arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = arena_alloc(arena, (size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

bool parse_fail(struct parse *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->why, p->why_len, fmt, args);
    va_end(args);
    return false;
}

bool parse_unsigned(const char *text, unsigned max, unsigned *out) {
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > max)
            return false;
    }
    *out = (unsigned)value;
    return true;
}

static bool is_key_char(char c) {
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* How long the key at `s` is when one starts there, or 0. A lone word ends at a comma or the
 * end. */
static size_t key_at(const char *s, const char *const *keys) {
    size_t n = 0;
    while (is_key_char(s[n]))
        n++;
    bool lone = s[n] == ',' || s[n] == '\0';
    if (n == 0 || (!lone && s[n] != '='))
        return 0;
    if (!keys)
        return n;
    for (; *keys; keys++) {
        size_t len = strlen(*keys);
        bool flag = (*keys)[len - 1] == '!';
        bool prefix = (*keys)[len - 1] == '.';
        if (flag)
            len--;
        if ((n == len || (prefix && n > len)) && !memcmp(s, *keys, len) && (!lone || flag))
            return n;
    }
    return 0;
}

/* Where the value at `s` ends: before a comma that a key follows, or at the end. */
static const char *value_end(const struct parse *p, const char *s, const char *const *keys) {
    for (; *s; s++) {
        if (*s != ',')
            continue;
        if (s[1] == ',' && !p->literal)
            s++;
        else if (key_at(s + 1, keys))
            break;
    }
    return s;
}

static const char *take_value(struct parse *p, const char *s, const char *end) {
    char *val = arena_bytes(p->arena, s, (size_t)(end - s));
    if (p->literal)
        return val;
    char *to = val;
    for (const char *from = val; *from; from++) {
        *to++ = *from;
        if (from[0] == ',' && from[1] == ',')
            from++;
    }
    *to = '\0';
    return val;
}

struct kv_list {
    struct opt *kv;
    unsigned count, room;
};

static void add_kv(struct parse *p, struct kv_list *list, const char *key, const char *val) {
    if (list->count == list->room) {
        unsigned room = list->room ? list->room * 2 : 8;
        struct opt *kv = arena_alloc(p->arena, room * sizeof(*kv));
        if (list->count)
            memcpy(kv, list->kv, list->count * sizeof(*kv));
        list->kv = kv;
        list->room = room;
    }
    list->kv[list->count++] = (struct opt){key, val};
}

static void flatten_json(struct parse *p, struct kv_list *list, const char *prefix,
                         struct json_object *value) {
    enum json_type type = json_object_get_type(value);
    if (type == json_type_object) {
        json_object_object_foreach(value, key, member) {
            flatten_json(p, list, *prefix ? arena_printf(p->arena, "%s.%s", prefix, key)
                                          : arena_printf(p->arena, "%s", key), member);
        }
    } else if (type == json_type_array) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            flatten_json(p, list, arena_printf(p->arena, "%s.%zu", prefix, i),
                         json_object_array_get_idx(value, i));
    } else if (type == json_type_boolean) {
        add_kv(p, list, prefix, json_object_get_boolean(value) ? "on" : "off");
    } else {
        const char *text = json_object_get_string(value);
        add_kv(p, list, prefix, text ? arena_printf(p->arena, "%s", text) : "");
    }
}

static bool parse_json_value(struct parse *p, struct opts *opts, struct kv_list *list) {
    enum json_tokener_error error;
    struct json_object *json = json_tokener_parse_verbose(opts->text, &error);
    if (!json)
        return parse_fail(p, "%s %s: not JSON: %s", opts->origin, opts->text,
                          json_tokener_error_desc(error));
    bool is_object = json_object_is_type(json, json_type_object);
    if (is_object)
        flatten_json(p, list, "", json);
    json_object_put(json);
    return is_object || parse_fail(p, "%s %s: expected a JSON object", opts->origin, opts->text);
}

/* Moves the implied key's value to the head, in whichever way it was written. */
static void find_head(struct opts *opts, const char *implied) {
    for (unsigned i = 0; implied && i < opts->count; i++)
        if (!strcmp(opts->kv[i].key, implied))
            opts->head = opts->kv[i].val;
}

const struct opts *opts_parse(struct parse *p, const char *origin, const char *text,
                              const char *implied, const char *const *keys) {
    struct opts *opts = arena_alloc(p->arena, sizeof(*opts));
    struct kv_list list = {0};
    *opts = (struct opts){.origin = origin, .text = text, .head = ""};
    const char *s = text;
    if (*s == '{') {
        if (!parse_json_value(p, opts, &list))
            return NULL;
        s = "";
    }
    for (bool first = true; *s; first = false) {
        size_t n = key_at(s, keys);
        if (n && s[n] != '=' && first && implied)
            n = 0; /* the head, though it looks like a word */
        if (n && s[n] == '=') {
            const char *end = value_end(p, s + n + 1, keys);
            add_kv(p, &list, arena_bytes(p->arena, s, n), take_value(p, s + n + 1, end));
            s = end;
        } else if (n) {
            add_kv(p, &list, arena_bytes(p->arena, s, n), "on");
            s += n;
        } else if (first && implied) {
            const char *end = value_end(p, s, keys);
            add_kv(p, &list, implied, take_value(p, s, end));
            s = end;
        } else {
            parse_fail(p, "%s %s: \"%s\" is not a key that is known here", origin, text, s);
            return NULL;
        }
        if (*s == ',')
            s++;
    }
    opts->kv = list.kv;
    opts->count = list.count;
    find_head(opts, implied);
    return opts;
}

const char *opts_get(const struct opts *opts, const char *key) {
    for (unsigned i = opts->count; i-- > 0;)
        if (!strcmp(opts->kv[i].key, key))
            return opts->kv[i].val;
    return NULL;
}

static bool bad_value(const struct opts *opts, const char *key, const char *val,
                      const char *expected, char *why, size_t why_len) {
    snprintf(why, why_len, "%s %s: %s=%s: expected %s", opts->origin, opts->text, key, val,
             expected);
    return false;
}

bool opts_bool(const struct opts *opts, const char *key, bool *out, char *why, size_t why_len) {
    static const char *const yes[] = {"on", "yes", "true", "y"};
    static const char *const no[] = {"off", "no", "false", "n"};
    const char *val = opts_get(opts, key);
    if (!val)
        return true;
    for (unsigned i = 0; i < 4; i++) {
        if (!strcmp(val, yes[i]) || !strcmp(val, no[i])) {
            *out = !strcmp(val, yes[i]);
            return true;
        }
    }
    return bad_value(opts, key, val, "on or off", why, why_len);
}

/* A number, and what is left of the text. */
static bool read_number(const char *val, uint64_t *out, const char **rest) {
    char *end;
    if (!isdigit((unsigned char)*val))
        return false;
    errno = 0;
    *out = strtoull(val, &end, 0);
    *rest = end;
    return errno == 0;
}

bool opts_number(const struct opts *opts, const char *key, uint64_t max, uint64_t *out, char *why,
                 size_t why_len) {
    const char *val = opts_get(opts, key), *rest;
    uint64_t number;
    if (!val)
        return true;
    if (!read_number(val, &number, &rest) || *rest || number > max) {
        char expected[64];
        snprintf(expected, sizeof(expected), "a number from 0 to %llu", (unsigned long long)max);
        return bad_value(opts, key, val, expected, why, why_len);
    }
    *out = number;
    return true;
}

bool opts_size(const struct opts *opts, const char *key, uint64_t unit, uint64_t *out, char *why,
               size_t why_len) {
    const char *val = opts_get(opts, key), *rest;
    uint64_t number;
    if (!val)
        return true;
    bool good = read_number(val, &number, &rest);
    if (good && *rest) {
        const char *suffixes = "BKMGT";
        const char *found = strchr(suffixes, toupper((unsigned char)*rest));
        good = found && rest[1] == '\0';
        unit = good ? UINT64_C(1) << (10 * (found - suffixes)) : 1;
    }
    if (!good || number > (UINT64_C(1) << 62) / unit)
        return bad_value(opts, key, val, "a size such as 256M", why, why_len);
    *out = number * unit;
    return true;
}

const char *opts_unknown(const struct opts *opts, const char *const *known) {
    for (unsigned i = 0; i < opts->count; i++) {
        bool found = opts->kv[i].val == opts->head; /* the implied key's */
        for (const char *const *k = known; *k && !found; k++)
            found = !strcmp(*k, opts->kv[i].key);
        if (!found)
            return opts->kv[i].key;
    }
    return NULL;
}
