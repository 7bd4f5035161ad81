/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042: the PS/2 keyboard controller, as in IBM's PS/2 Hardware Interface Technical Reference
 * (1990), "Keyboard and Auxiliary Device Controller", and the PC AT Technical Reference, "Keyboard
 * Controller". Ports 60 (data) and 64 (status, command).
 *
 * Not modelled: passwords (none is installed), the diagnostic dump, active multiplexing, time-outs
 * and parity errors, the time a byte takes on the cable. A20 is a stored bit: a Xen guest's address
 * line 20 is never masked.
 */
#include "pc/i8042.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "pc/ps2.h"

enum { PORT_DATA = 0x60, PORT_CMD = 0x64 };

enum { /* status */
    STS_OBF = 0x01, STS_SYS = 0x04, STS_CMD = 0x08, STS_UNLOCKED = 0x10, STS_AUX = 0x20,
};

enum { /* command byte, kept in ram[0] */
    MODE_KBD_INT = 0x01, MODE_AUX_INT = 0x02, MODE_SYS = 0x04, MODE_KBD_OFF = 0x10,
    MODE_AUX_OFF = 0x20, MODE_XLATE = 0x40,
};

enum { /* output port; 4 and 5 are the interrupt lines */
    OUT_RUN = 0x01, OUT_A20 = 0x02, OUT_IRQ1 = 0x10, OUT_IRQ12 = 0x20, OUT_KBD_LINES = 0xc0,
};

enum { /* input port: keyboard not locked, colour display, no manufacturing jumper */
    IN_PORT = 0xb0,
};

enum { /* commands */
    CMD_READ_RAM = 0x20, CMD_WRITE_RAM = 0x60, CMD_TEST_PASSWORD = 0xa4, CMD_AUX_OFF = 0xa7,
    CMD_AUX_ON = 0xa8, CMD_AUX_TEST = 0xa9, CMD_SELF_TEST = 0xaa, CMD_KBD_TEST = 0xab,
    CMD_KBD_OFF = 0xad, CMD_KBD_ON = 0xae, CMD_READ_IN = 0xc0, CMD_READ_OUT = 0xd0,
    CMD_WRITE_OUT = 0xd1, CMD_WRITE_KBD_OBUF = 0xd2, CMD_WRITE_AUX_OBUF = 0xd3,
    CMD_WRITE_AUX = 0xd4, CMD_A20_OFF = 0xdd, CMD_A20_ON = 0xdf, CMD_READ_TEST = 0xe0,
    CMD_PULSE = 0xf0,
};

enum { RAM = 32 };

/*
 * A scan code follows the one just read after this long. On the cable it would take a millisecond;
 * DOS programs that hook INT 9 read port 60 and then let the BIOS read the same byte again.
 */
static const uint64_t KEY_GAP = 250 * NS_PER_US;

enum source { FROM_NOBODY, FROM_CTL, FROM_CTL_AUX, FROM_KBD, FROM_AUX };

struct i8042 {
    /* registers */
    uint8_t ram[RAM];
    uint8_t outport;
    uint8_t data;   /* the output buffer; keeps the last byte when it was read */
    uint8_t source; /* enum source: who filled it, FROM_NOBODY: it is empty */
    bool sys, last_was_command;
    /* hidden state */
    uint8_t command;       /* waits for its data byte; 0: none */
    uint8_t reply, replies; /* the controller's own next byte, and its enum source */
    struct timer gap;
    struct ps2_kbd kbd;
    struct ps2_mouse mouse;
    /* wires and derived */
    struct i8042_pins pins;
    struct io_region data_io, cmd_io;
};

static const struct field fields[] = {
    F_ARRAY(struct i8042, ram),
    F(struct i8042, outport),
    F(struct i8042, data),
    F_MAX(struct i8042, source, FROM_AUX),
    F(struct i8042, sys),
    F(struct i8042, last_was_command),
    F(struct i8042, command),
    F(struct i8042, reply),
    F_MAX(struct i8042, replies, FROM_CTL_AUX),
    F_TIMER(struct i8042, gap),
    F_STRUCT(struct i8042, kbd, ps2_kbd_fields),
    F_STRUCT(struct i8042, mouse, ps2_mouse_fields),
    F_END,
};

/* ---- from the set 2 codes of the cable to the set 1 codes that PC software expects ---- */

/* PC AT Technical Reference, "Scan Code Translation"; the rest of the 256 pass as they are. */
static const uint8_t xlate[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

enum { BREAK_PREFIX = 0xf0, SET2_F7 = 0x83, SET2_SYSRQ = 0x84 };

static uint8_t translate(uint8_t code) {
    return code < 128 ? xlate[code] : code == SET2_F7 ? 0x41 : code == SET2_SYSRQ ? 0x54 : code;
}

/*
 * The keyboard's next byte for the buffer. A break prefix is never the last byte that the keyboard
 * has queued, but a loaded state may say otherwise: false, nothing came of it.
 */
static bool fetch_key(struct i8042 *s, uint8_t *byte) {
    bool answer;
    *byte = ps2_fetch(&s->kbd.line);
    if (!(s->ram[0] & MODE_XLATE))
        return true;
    if (*byte != BREAK_PREFIX) {
        *byte = translate(*byte);
        return true;
    }
    if (!ps2_pending(&s->kbd.line, &answer))
        return false;
    *byte = translate(ps2_fetch(&s->kbd.line)) | 0x80;
    return true;
}

/* ---- the output buffer and the two interrupts ---- */

static bool from_aux(const struct i8042 *s) {
    return s->source == FROM_AUX || s->source == FROM_CTL_AUX;
}

static bool kbd_level(const struct i8042 *s) {
    return s->source != FROM_NOBODY && !from_aux(s) && s->ram[0] & MODE_KBD_INT;
}

static bool aux_level(const struct i8042 *s) {
    return from_aux(s) && s->ram[0] & MODE_AUX_INT;
}

static void update_irq(struct i8042 *s) {
    irq_set(&s->pins.kbd, kbd_level(s));
    irq_set(&s->pins.aux, aux_level(s));
}

static void fill(struct i8042 *s) {
    bool answer;
    if (s->source != FROM_NOBODY) {
        return;
    } else if (s->replies != FROM_NOBODY) {
        s->data = s->reply;
        s->source = s->replies;
        s->replies = FROM_NOBODY;
        return;
    }
    while (!(s->ram[0] & MODE_KBD_OFF) && ps2_pending(&s->kbd.line, &answer) &&
           (answer || !timer_is_on(&s->gap)))
        if (fetch_key(s, &s->data)) {
            s->source = FROM_KBD;
            return;
        }
    if (!(s->ram[0] & MODE_AUX_OFF) && ps2_pending(&s->mouse.line, &answer)) {
        s->data = ps2_fetch(&s->mouse.line);
        s->source = FROM_AUX;
    }
}

static void settle(void *dev) {
    struct i8042 *s = dev;
    fill(s);
    update_irq(s);
}

static uint8_t read_data(struct i8042 *s) {
    uint8_t byte = s->data, source = s->source;
    s->source = FROM_NOBODY;
    update_irq(s); /* the line falls between two bytes: the PIC is edge-triggered */
    if (source == FROM_KBD)
        timer_after(&s->gap, KEY_GAP);
    else if (source == FROM_AUX)
        ps2_mouse_fetched(&s->mouse);
    settle(s);
    return byte;
}

/* ---- commands ---- */

static void reply(struct i8042 *s, enum source source, uint8_t byte) {
    s->reply = byte;
    s->replies = (uint8_t)source;
}

static uint8_t read_outport(const struct i8042 *s) {
    return (uint8_t)(s->outport | (kbd_level(s) ? OUT_IRQ1 : 0) | (aux_level(s) ? OUT_IRQ12 : 0));
}

static void write_outport(struct i8042 *s, uint8_t val) {
    s->outport = val & ~(OUT_IRQ1 | OUT_IRQ12);
    if (!(val & OUT_RUN)) {
        s->outport |= OUT_RUN;
        s->pins.reset(s->pins.board);
    }
}

static void self_test(struct i8042 *s) {
    s->sys = true;
    s->ram[0] |= MODE_SYS;
    s->source = FROM_NOBODY;
    reply(s, FROM_CTL, 0x55);
}

static void command(struct i8042 *s, uint8_t cmd) {
    s->command = 0;
    switch (cmd) {
    case CMD_READ_RAM ... CMD_READ_RAM + RAM - 1:
        reply(s, FROM_CTL, s->ram[cmd - CMD_READ_RAM]);
        break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + RAM - 1:
    case CMD_WRITE_OUT:
    case CMD_WRITE_KBD_OBUF:
    case CMD_WRITE_AUX_OBUF:
    case CMD_WRITE_AUX:
        s->command = cmd;
        break;
    case CMD_TEST_PASSWORD:
        reply(s, FROM_CTL, 0xf1); /* none is there */
        break;
    case CMD_AUX_OFF:
        s->ram[0] |= MODE_AUX_OFF;
        break;
    case CMD_AUX_ON:
        s->ram[0] &= (uint8_t)~MODE_AUX_OFF;
        break;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
    case CMD_READ_TEST:
        reply(s, FROM_CTL, 0x00);
        break;
    case CMD_SELF_TEST:
        self_test(s);
        break;
    case CMD_KBD_OFF:
        s->ram[0] |= MODE_KBD_OFF;
        break;
    case CMD_KBD_ON:
        s->ram[0] &= (uint8_t)~MODE_KBD_OFF;
        break;
    case CMD_READ_IN:
        reply(s, FROM_CTL, IN_PORT);
        break;
    case CMD_READ_OUT:
        reply(s, FROM_CTL, read_outport(s));
        break;
    case CMD_A20_OFF:
        s->outport &= (uint8_t)~OUT_A20;
        break;
    case CMD_A20_ON:
        s->outport |= OUT_A20;
        break;
    case CMD_PULSE ... CMD_PULSE + 0xf: /* a 0 bit pulses its line */
        if (!(cmd & OUT_RUN))
            s->pins.reset(s->pins.board);
        break;
    }
}

static void write_data(struct i8042 *s, uint8_t val) {
    uint8_t cmd = s->command;
    s->command = 0;
    switch (cmd) {
    case CMD_WRITE_RAM:
        s->sys = val & MODE_SYS;
        s->ram[0] = val;
        break;
    case CMD_WRITE_RAM + 1 ... CMD_WRITE_RAM + RAM - 1:
        s->ram[cmd - CMD_WRITE_RAM] = val;
        break;
    case CMD_WRITE_OUT:
        write_outport(s, val);
        break;
    case CMD_WRITE_KBD_OBUF:
        reply(s, FROM_CTL, val);
        break;
    case CMD_WRITE_AUX_OBUF:
        reply(s, FROM_CTL_AUX, val);
        break;
    case CMD_WRITE_AUX: /* sending wakes the interface */
        s->ram[0] &= (uint8_t)~MODE_AUX_OFF;
        ps2_mouse_write(&s->mouse, val);
        break;
    default:
        s->ram[0] &= (uint8_t)~MODE_KBD_OFF;
        ps2_kbd_write(&s->kbd, val);
    }
}

/* ---- ports ---- */

static uint64_t data_read(void *dev, uint64_t off, unsigned size) {
    (void)off, (void)size;
    return read_data(dev);
}

static void data_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i8042 *s = dev;
    (void)off, (void)size;
    s->last_was_command = false;
    write_data(s, (uint8_t)val);
    settle(s);
}

static uint64_t status_read(void *dev, uint64_t off, unsigned size) {
    const struct i8042 *s = dev;
    (void)off, (void)size;
    return (s->source != FROM_NOBODY ? STS_OBF : 0) | (from_aux(s) ? STS_AUX : 0) |
           (s->sys ? STS_SYS : 0) | (s->last_was_command ? STS_CMD : 0) | STS_UNLOCKED;
}

static void command_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct i8042 *s = dev;
    (void)off, (void)size;
    s->last_was_command = true;
    command(s, (uint8_t)val);
    settle(s);
}

static const struct io_ops data_ops = {.read = data_read, .write = data_write, .min = 1, .max = 1};
static const struct io_ops cmd_ops = {
    .read = status_read, .write = command_write, .min = 1, .max = 1};

/* ---- life ---- */

static void i8042_reset(void *dev) {
    struct i8042 *s = dev;
    memset(s->ram, 0, sizeof(s->ram));
    s->ram[0] = MODE_KBD_OFF | MODE_AUX_OFF;
    s->outport = OUT_RUN | OUT_A20 | OUT_KBD_LINES;
    s->data = 0;
    s->source = s->replies = FROM_NOBODY;
    s->reply = s->command = 0;
    s->sys = s->last_was_command = false;
    timer_off(&s->gap);
    ps2_kbd_reset(&s->kbd);
    ps2_mouse_reset(&s->mouse);
    update_irq(s);
}

static bool i8042_loaded(void *dev, char *why, size_t why_len) {
    struct i8042 *s = dev;
    if (!ps2_mouse_loaded(&s->mouse, why, why_len))
        return false;
    timer_restore(&s->gap);
    irq_restore(&s->pins.kbd, kbd_level(s));
    irq_restore(&s->pins.aux, aux_level(s));
    return true;
}

static void i8042_free(void *dev) {
    struct i8042 *s = dev;
    timer_off(&s->gap);
    io_unmap(&s->data_io);
    io_unmap(&s->cmd_io);
    input_remove(s->pins.input, &s->kbd.sink);
    input_remove(s->pins.input, &s->mouse.sink);
    mem_free(s);
}

static const struct state state = {"i8042", 1, fields, i8042_loaded};

const struct device_ops i8042_device = {
    .name = "i8042", .state = &state, .reset = i8042_reset, .free = i8042_free};

struct i8042 *i8042_new(const struct i8042_pins *pins) {
    struct i8042 *s = mem_new(sizeof(*s));
    s->pins = *pins;
    timer_init(&s->gap, pins->clock, settle, s);
    ps2_kbd_init(&s->kbd, pins->input, settle, s);
    ps2_mouse_init(&s->mouse, pins->input, settle, s);
    io_map_new(pins->io, &s->data_io, "i8042 data", &data_ops, s, IO_PORT, PORT_DATA, 1);
    io_map_new(pins->io, &s->cmd_io, "i8042 command", &cmd_ops, s, IO_PORT, PORT_CMD, 1);
    i8042_reset(s);
    return s;
}
