/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serial lines. See ports.h.
 */
#include "ports.h"

#include <string.h>

#include "board.h"
#include "chars.h"
#include "config.h"
#include "pc/uart16550.h"

/* COM1 to COM4: the PC's places and lines. */
static const struct {
    uint16_t base;
    unsigned irq;
    const char *id;
} com[COM_PORTS] = {{0x3f8, 4, "com1"}, {0x2f8, 3, "com2"}, {0x3e8, 4, "com3"}, {0x2e8, 3, "com4"}};

static const enum chars_kind kinds[] = {
    [CHARDEV_NULL] = CHARS_NULL,     [CHARDEV_PTY] = CHARS_PTY,   [CHARDEV_STDIO] = CHARS_STDIO,
    [CHARDEV_FILE] = CHARS_FILE,     [CHARDEV_PIPE] = CHARS_PIPE, [CHARDEV_DEVICE] = CHARS_DEVICE,
    [CHARDEV_TCP] = CHARS_TCP,       [CHARDEV_UDP] = CHARS_UDP,   [CHARDEV_UNIX] = CHARS_UNIX};

static bool of_monitor(const struct config *config, const struct config_chardev *chardev) {
    for (unsigned i = 0; i < config->monitor_count; i++)
        if (config->monitors[i].chardev == chardev)
            return true;
    return chardev == config->qtest;
}

struct chars *ports_open(struct loop *loop, const struct config_chardev *c, char *why,
                         size_t why_len) {
    struct chars_spec spec = {
        .kind = kinds[c->backend], .id = c->id, .path = c->path, .host = c->host,
        .port = c->port, .local_host = c->local_host, .local_port = c->local_port, .fd = c->fd,
        .server = c->server, .wait = c->wait, .telnet = c->telnet, .nodelay = c->nodelay,
        .append = c->append, .abstract = c->abstract, .mux = c->mux};
    return chars_open(loop, &spec, why, why_len);
}

static struct chars *line_of(const struct board *b, const char *id) {
    const struct machine *m = b->machine;
    for (unsigned i = 0; i < m->chars_count; i++)
        if (!strcmp(m->chars[i]->id, id))
            return m->chars[i];
    return NULL;
}

bool ports_add(struct board *b) {
    struct machine *m = b->machine;
    const struct config *config = m->config;
    for (unsigned i = 0; i < config->chardev_count; i++) {
        const struct config_chardev *c = &config->chardevs[i];
        if (of_monitor(config, c))
            continue;
        if (m->chars_count == MACHINE_CHARS)
            return board_refuse(b, "%s: more than %d character devices", c->id, MACHINE_CHARS);
        struct chars *line = ports_open(m->loop, c, b->why, b->why_len);
        if (!line)
            return false;
        m->chars[m->chars_count++] = line;
    }
    for (unsigned i = 0; i < config->serial_count; i++) {
        if (!config->serials[i])
            continue;
        if (i >= COM_PORTS)
            return board_refuse(b, "-serial: a PC has %d, this would be COM%u", COM_PORTS, i + 1);
        struct uart16550_pins pins = {.io = m->io, .clock = m->clock, .base = com[i].base,
                                      .irq = board_isa(b, com[i].irq),
                                      .chars = line_of(b, config->serials[i]->id)};
        board_add(b, &uart16550_device, uart16550_new(&pins), com[i].id);
    }
    return true;
}

void ports_free(struct board *b) {
    struct machine *m = b->machine;
    while (m->chars_count > 0)
        chars_free(m->chars[--m->chars_count]);
}
