/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The board. machine_new is the drawing: chips in wiring order, which is also the order of PCI
 * slots, of reset and of the saved state.
 */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends.h"
#include "board.h"
#include "config.h"
#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "disk/fdc.h"
#include "disk/piix_ide.h"
#include "drives.h"
#include "geometry.h"
#include "image.h"
#include "kernel.h"
#include "nics.h"
#include "parse.h"
#include "pc/acpi_gpe.h"
#include "pc/cmos.h"
#include "pc/i440fx.h"
#include "pc/i8042.h"
#include "pc/i8237.h"
#include "pc/piix3.h"
#include "pc/piix4_pm.h"
#include "pc/port92.h"
#include "ports.h"
#include "usb.h"
#include "usb_host.h"
#include "video/cirrus.h"
#include "video/stdvga.h"
#include "xen/platform.h"
#include "xen/pvdevice.h"

enum { SCI_IRQ = 9, RAM_HOLE = 0xf0000000 };

const char *run_state_name(enum run_state state) {
    static const char *const names[] = {
        [RUN_PRELAUNCH] = "prelaunch", [RUN_INMIGRATE] = "inmigrate", [RUN_RUNNING] = "running",
        [RUN_PAUSED] = "paused",       [RUN_SUSPENDED] = "suspended", [RUN_SHUTDOWN] = "shutdown"};
    return names[state];
}

/* ---- wires ---- */

static void isa_set(void *dev, unsigned n, bool level) {
    struct board *b = dev;
    unsigned irq = n % ISA_IRQS;
    uint32_t before = b->isa_inputs[irq], bit = 1u << n / ISA_IRQS;
    b->isa_inputs[irq] = level ? before | bit : before & ~bit;
    if (!before != !b->isa_inputs[irq])
        b->machine->engine->ops->isa_irq(b->machine->engine, irq, level);
}

static void isa_restore(void *dev, unsigned n, bool level) {
    struct board *b = dev;
    uint32_t bit = 1u << n / ISA_IRQS, *inputs = &b->isa_inputs[n % ISA_IRQS];
    *inputs = level ? *inputs | bit : *inputs & ~bit;
}

struct irq board_isa(struct board *b, unsigned irq) {
    unsigned input = b->isa_taken[irq]++;
    return (struct irq){
        .set = isa_set, .restore = isa_restore, .dev = b, .n = input * ISA_IRQS + irq};
}

static void set_state(struct machine *m, enum run_state state) {
    if (m->state == state)
        return;
    m->state = state;
    if (m->state_changed)
        m->state_changed(m);
}

static void shut_down(struct board *b, enum engine_shutdown how) {
    struct machine *m = b->machine;
    m->engine->ops->shutdown(m->engine, how);
    if (how == ENGINE_REBOOT && m->config->accel == ACCEL_QTEST) {
        loop_defer(m->loop, &b->reset_task);
        return;
    }
    log_info("the guest %s", how == ENGINE_REBOOT ? "asked for a reset" : "powered off");
    set_state(m, RUN_SHUTDOWN);
}

void board_reset_wire(void *board) {
    shut_down(board, ENGINE_REBOOT);
}

void board_power_off_wire(void *board) {
    shut_down(board, ENGINE_POWEROFF);
}

static void suspend_wire(void *board) {
    struct machine *m = ((struct board *)board)->machine;
    log_info("the guest entered S3");
    m->engine->ops->suspend(m->engine, true);
    set_state(m, RUN_SUSPENDED);
}

static void eject_wire(void *board, unsigned slot) {
    struct machine *m = ((struct board *)board)->machine;
    for (unsigned f = 0; f < 8; f++) {
        struct pci_function *fn = pci_find(m->pci, slot << 3 | f);
        if (fn && fn->hotplug) {
            log_info("the guest ejected %s at %02x.%u", fn->name, slot, f);
            if (!usb_ejected(m->board, fn))
                nics_eject(m->board, fn);
        }
    }
}

static void deferred_reset(void *arg) {
    struct board *b = arg;
    machine_reset(b->machine);
}

void board_add(struct board *b, const struct device_ops *ops, void *dev, const char *id) {
    struct machine *m = b->machine;
    m->devices[m->device_count++] = (struct device){ops, dev, id};
}

void board_remove(struct board *b, const void *dev) {
    struct machine *m = b->machine;
    unsigned n = 0;
    for (unsigned i = 0; i < m->device_count; i++)
        if (m->devices[i].dev != dev)
            m->devices[n++] = m->devices[i];
    m->device_count = n;
}

bool board_rom(struct board *b, const char *name, const uint8_t **bytes, uint32_t *len) {
    struct rom_file *rom = &b->roms[b->rom_count];
    if (!rom_open(name, rom, b->why, b->why_len))
        return false;
    b->rom_count++;
    *bytes = rom->bytes;
    *len = rom->len;
    return true;
}

bool board_refuse(struct board *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(b->why, b->why_len, fmt, ap);
    va_end(ap);
    return false;
}

bool board_may_plug(struct board *b, const char *id, bool function) {
    if (*id && (usb_has(b, id) || nics_has(b, id)))
        return board_refuse(b, "there is a device \"%s\" already", id);
    if (function && !b->gpe)
        return board_refuse(b, "without ACPI (acpi=0) the guest would not notice");
    return b->machine->device_count < MACHINE_DEVICES ||
           board_refuse(b, "the machine has %d devices already", MACHINE_DEVICES);
}

void board_tell_gone(struct board *b, const char *id) {
    if (*id && b->machine->device_deleted)
        b->machine->device_deleted(b->machine, id);
}

/* ---- memory and boot order, as firmware reads them ---- */

static void store_size(uint8_t *lo, uint8_t *hi, uint64_t units, uint64_t max) {
    uint64_t v = MIN(units, max);
    *lo = (uint8_t)v;
    *hi = (uint8_t)(v >> 8);
}

/* a floppy, c disk, d CD-ROM, n network: SeaBIOS's numbers for CMOS 0x3d and 0x38. */
static uint8_t boot_code(char letter) {
    switch (letter) {
    case 'a':
    case 'b':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return 4;
    default:
        return 0;
    }
}

static void preset_boot(struct cmos *cmos, const char *order) {
    uint8_t code[3] = {0};
    if (!*order)
        order = "cad";
    for (unsigned i = 0; i < ARRAY_LEN(code) && order[i]; i++)
        code[i] = boot_code(order[i]);
    cmos_preset(cmos, CMOS_BOOT_1ST_2ND, (uint8_t)(code[0] | code[1] << 4));
    cmos_preset(cmos, CMOS_BOOT_3RD, (uint8_t)(code[2] << 4));
}

uint64_t machine_low_ram(const struct config *config) {
    uint64_t hole = config->max_below_4g ? config->max_below_4g : RAM_HOLE;
    return MIN(config->ram, hole);
}

static void preset_cmos(const struct config *config, uint8_t *ram) {
    uint64_t low = machine_low_ram(config), high = config->ram - low;
    ram[CMOS_EQUIPMENT] = 0x06; /* coprocessor, PS/2 mouse */
    store_size(&ram[CMOS_BASE_LO], &ram[CMOS_BASE_HI], 640, 640);
    uint64_t ext = low > MIB(1) ? low - MIB(1) : 0;
    store_size(&ram[CMOS_EXT_LO], &ram[CMOS_EXT_HI], ext / KIB(1), 0xffff);
    store_size(&ram[CMOS_EXT2_LO], &ram[CMOS_EXT2_HI], ext / KIB(1), 0xffff);
    uint64_t above = low > MIB(16) ? low - MIB(16) : 0;
    store_size(&ram[CMOS_ABOVE_16M_LO], &ram[CMOS_ABOVE_16M_HI], above / KIB(64), 0xffff);
    store_le16(&ram[CMOS_ABOVE_4G], (uint16_t)(high / KIB(64)));
    ram[CMOS_ABOVE_4G + 2] = (uint8_t)(high / KIB(64) >> 16);
    ram[CMOS_CPUS] = (uint8_t)(config->cpus - 1);
}

/* ---- the drawing ---- */

static void draw_chipset(struct board *b) {
    struct machine *m = b->machine;
    const struct config *config = m->config;
    board_add(b, &i440fx_device, i440fx_new(&(struct i440fx_pins){.pci = m->pci, .io = m->io}),
              "host-bridge");
    board_add(b, &piix3_device,
              piix3_new(&(struct piix3_pins){.pci = m->pci, .io = m->io, .engine = m->engine,
                                             .reset = board_reset_wire, .board = b}),
              "isa-bridge");
    struct cmos_pins cmos = {.io = m->io};
    preset_cmos(config, cmos.preset);
    b->cmos = cmos_new(&cmos);
    preset_boot(b->cmos, *config->boot_once ? config->boot_once : config->boot_order);
    board_add(b, &cmos_device, b->cmos, "cmos");
    board_add(b, &port92_device,
              port92_new(&(struct port92_pins){.io = m->io, .reset = board_reset_wire,
                                               .board = b}),
              "port92");
    b->i8042 = i8042_new(&(struct i8042_pins){
        .io = m->io, .clock = m->clock, .input = m->input, .kbd = board_isa(b, 1),
        .aux = board_isa(b, 12), .reset = board_reset_wire, .board = b});
    board_add(b, &i8042_device, b->i8042, "i8042");
    b->dma = i8237_new(&(struct i8237_pins){.io = m->io, .engine = m->engine});
    board_add(b, &i8237_device, b->dma, "dma");
}

static void draw_power(struct board *b) {
    struct machine *m = b->machine;
    const struct config *config = m->config;
    if (config->no_acpi)
        return;
    b->pm = piix4_pm_new(&(struct piix4_pm_pins){
        .pci = m->pci, .io = m->io, .clock = m->clock, .sci = board_isa(b, SCI_IRQ),
        .com1 = config->serial_count > 0 && config->serials[0],
        .com2 = config->serial_count > 1 && config->serials[1],
        .power_off = board_power_off_wire, .suspend = suspend_wire, .board = b});
    board_add(b, &piix4_pm_device, b->pm, "pm");
    b->gpe = acpi_gpe_new(&(struct acpi_gpe_pins){
        .io = m->io, .pci = m->pci, .sci = board_isa(b, SCI_IRQ), .cpus = config->cpus,
        .eject = eject_wire, .board = b});
    board_add(b, &acpi_gpe_device, b->gpe, "gpe");
}

static bool draw_ide(struct board *b) {
    struct machine *m = b->machine;
    struct piix_ide_pins pins = {.pci = m->pci, .io = m->io, .devfn = 1 << 3 | 1,
                                 .irq14 = board_isa(b, 14), .irq15 = board_isa(b, 15)};
    if (!drives_open(b, &pins))
        return false;
    b->ide = piix_ide_new(&pins);
    drives_opened(&pins);
    board_add(b, &piix_ide_device, b->ide, "ide");
    drives_list(b);
    return true;
}

static void preset_floppies(struct board *b) {
    uint8_t a = fdc_cmos_type(b->fdc, 0), second = fdc_cmos_type(b->fdc, 1);
    uint8_t equipment = cmos_get(b->cmos, CMOS_EQUIPMENT);
    if (a || second)
        equipment |= a && second ? 0x41 : 0x01; /* there are drives: one or two */
    cmos_preset(b->cmos, CMOS_FLOPPY, (uint8_t)(a << 4 | second));
    cmos_preset(b->cmos, CMOS_EQUIPMENT, equipment);
}

/* The controller is there also where no drive is. */
static bool draw_floppy(struct board *b) {
    struct fdc_pins pins = {.io = b->machine->io, .irq = board_isa(b, 6),
                            .dma = i8237_channel(b->dma, 2)};
    if (!drives_open_floppies(b, &pins))
        return false;
    b->fdc = fdc_new(&pins);
    drives_opened_floppies(&pins);
    board_add(b, &fdc_device, b->fdc, "fdc");
    drives_list_floppies(b);
    preset_floppies(b);
    return true;
}

static void unplug_disks_wire(void *board, bool aux_only) {
    drives_unplug(board, aux_only);
}

static void unplug_nics_wire(void *board) {
    nics_unplug(board);
}

static void draw_platform(struct board *b) {
    struct machine *m = b->machine;
    if (m->config->machine != MACHINE_XENFV)
        return;
    board_add(b, &xen_platform_device,
              xen_platform_new(&(struct xen_platform_pins){
                  .pci = m->pci, .devfn = PCI_DEVFN_FREE, .io = m->io, .engine = m->engine,
                  .unplug_disks = unplug_disks_wire,
                  .unplug_nics = unplug_nics_wire, .board = b}),
              "xen-platform");
}

/* A -device's slot; machine.c lets only function 0 be chosen for what has just one. */
static unsigned devfn_of(const struct config_device *device) {
    return device && device->devfn >= 0 ? (unsigned)device->devfn : PCI_DEVFN_FREE;
}

static bool vram_size(struct board *b, const struct config_device *device, uint64_t mib,
                      uint32_t *bytes) {
    uint64_t max = 256;
    if (device && !opts_number(device->opts, "vgamem_mb", max, &mib, b->why, b->why_len))
        return false;
    if (!mib || mib & (mib - 1))
        return board_refuse(b, "vgamem_mb=%llu: a power of two of MiB, 1 to 256, was expected",
                            (unsigned long long)mib);
    *bytes = (uint32_t)MIB(mib);
    return true;
}

/* A side of the screen that the monitor likes best: xres=, yres= of the card, or -global
 * VGA.xres=N, which is how xl.cfg's device_model_args_hvm= reaches the card that libxl asks for. */
static bool monitor_side(struct board *b, const struct config_device *device, const char *key,
                         unsigned *pixels) {
    const char *val = device ? opts_get(device->opts, key) : NULL;
    if (!val)
        val = config_global(b->machine->config, "VGA", key);
    if (!val)
        return true;
    return (parse_unsigned(val, STDVGA_SIDE, pixels) && *pixels) ||
           board_refuse(b, "VGA.%s=%s: 1 to %u pixels were expected", key, val, STDVGA_SIDE);
}

static bool draw_stdvga(struct board *b, const struct config_device *device) {
    struct machine *m = b->machine;
    struct stdvga_pins pins = {.engine = m->engine, .io = m->io, .pci = m->pci,
                               .clock = m->clock, .devfn = devfn_of(device)};
    if (!vram_size(b, device, 16, &pins.vram_bytes) ||
        !monitor_side(b, device, "xres", &pins.xres) ||
        !monitor_side(b, device, "yres", &pins.yres) ||
        !board_rom(b, "vgabios-stdvga.bin", &pins.rom, &pins.rom_len))
        return false;
    struct stdvga *vga = stdvga_new(&pins, b->why, b->why_len);
    if (!vga)
        return false;
    m->display = stdvga_display(vga);
    board_add(b, &stdvga_device, vga, "vga");
    return true;
}

/* Its video memory is 4 MiB, whatever vgamem_mb= says: that is what the chip has. */
static bool draw_cirrus(struct board *b, const struct config_device *device) {
    struct machine *m = b->machine;
    struct cirrus_pins pins = {.engine = m->engine, .io = m->io, .pci = m->pci,
                               .clock = m->clock, .devfn = devfn_of(device)};
    if (device && (opts_get(device->opts, "xres") || opts_get(device->opts, "yres")))
        return board_refuse(b, "-device %s: this chip says nothing of its monitor; xres= and yres= "
                               "are for VGA", device->opts->text);
    if (!board_rom(b, "vgabios-cirrus.bin", &pins.rom, &pins.rom_len))
        return false;
    struct cirrus *vga = cirrus_new(&pins, b->why, b->why_len);
    if (!vga)
        return false;
    m->display = cirrus_display(vga);
    board_add(b, &cirrus_device, vga, "vga");
    return true;
}

static bool draw_vga(struct board *b, const struct config_device *device) {
    if (b->machine->display)
        return board_refuse(b, "-device %s: the machine has a VGA already", device->opts->text);
    if (!strcmp(device->name, "VGA"))
        return draw_stdvga(b, device);
    if (!strcmp(device->name, "cirrus-vga"))
        return draw_cirrus(b, device);
    config_refuse(device, b->why, b->why_len);
    return false;
}

static bool draw_pvdevice(struct board *b, const struct config_device *device) {
    uint64_t id = 0xc000;
    if (!opts_number(device->opts, "device-id", 0xffff, &id, b->why, b->why_len))
        return false;
    struct machine *m = b->machine;
    board_add(b, &xen_pvdevice_device,
              xen_pvdevice_new(&(struct xen_pvdevice_pins){
                  .pci = m->pci, .devfn = devfn_of(device), .device_id = (uint16_t)id,
                  .qdev_id = device->id}),
              "pvdevice");
    return true;
}

static bool draw_device(struct board *b, const struct config_device *device) {
    switch (device->kind) {
    case DEVICE_DISK:
    case DEVICE_FDC: /* the board has it */
        return true;
    case DEVICE_AHCI_HOST:
        return drives_add_ahci(b, device);
    case DEVICE_VGA:
        return draw_vga(b, device);
    case DEVICE_NIC:
        return nics_add(b, device);
    case DEVICE_USB_HOST:
        return usb_add_host(b, device);
    case DEVICE_USB:
        return usb_add_device(b, device);
    case DEVICE_XEN:
        if (!strcmp(device->name, "xen-pvdevice"))
            return draw_pvdevice(b, device);
        break;
    default:
        break;
    }
    config_refuse(device, b->why, b->why_len);
    return false;
}

static bool draw_devices(struct board *b) {
    const struct config *config = b->machine->config;
    if (config->usb && !usb_add_builtin(b))
        return false;
    for (unsigned i = 0; i < config->device_count; i++)
        if (!draw_device(b, &config->devices[i]))
            return false;
    for (unsigned i = 0; i < config->usbdevice_count; i++)
        if (!usb_add_named(b, config->usbdevices[i]))
            return false;
    /* A PC that a qtest client asks for without -nodefaults has a standard VGA. */
    bool vga = *config->vga ? strcmp(config->vga, "none") != 0 : !config->nodefaults;
    if (!vga || b->machine->display)
        return true;
    return strcmp(config->vga, "cirrus") ? draw_stdvga(b, NULL) : draw_cirrus(b, NULL);
}

static bool draw(struct board *b) {
    draw_chipset(b);
    draw_power(b);
    if (!draw_ide(b) || !draw_floppy(b) || !ports_add(b))
        return false;
    draw_platform(b);
    if (!draw_devices(b) || !kernel_add(b, machine_low_ram(b->machine->config)))
        return false;
    /* Which slots can be ejected is known once all cards are in. */
    if (b->gpe)
        acpi_gpe_device.reset(b->gpe);
    return true;
}

/* ---- the engine's sink ---- */

static uint64_t sink_read(void *dev, enum io_space space, uint64_t addr, unsigned size) {
    return io_read(((struct machine *)dev)->io, space, addr, size);
}

static void sink_write(void *dev, enum io_space space, uint64_t addr, unsigned size,
                       uint64_t val) {
    io_write(((struct machine *)dev)->io, space, addr, size, val);
}

static unsigned sink_read_string(void *dev, enum io_space space, uint64_t addr, unsigned size,
                                 void *buf, unsigned n) {
    return io_read_string(((struct machine *)dev)->io, space, addr, size, buf, n);
}

static unsigned sink_write_string(void *dev, enum io_space space, uint64_t addr, unsigned size,
                                  const void *buf, unsigned n) {
    return io_write_string(((struct machine *)dev)->io, space, addr, size, buf, n);
}

static uint32_t sink_pci_read(void *dev, unsigned bdf, unsigned reg, unsigned size) {
    return pci_config_read(((struct machine *)dev)->pci, bdf, reg, size);
}

static void sink_pci_write(void *dev, unsigned bdf, unsigned reg, unsigned size, uint32_t val) {
    pci_config_write(((struct machine *)dev)->pci, bdf, reg, size, val);
}

/* ---- life ---- */

struct machine *machine_new(const struct config *config, struct engine *engine, struct loop *loop,
                            struct clock *clock, const char *firmware, char *why,
                            size_t why_len) {
    struct machine *m = mem_new(sizeof(*m));
    struct board *b = mem_new(sizeof(*b));
    *m = (struct machine){.config = config, .engine = engine, .loop = loop, .clock = clock,
                          .seabios = firmware && !strcmp(firmware, "seabios"), .board = b};
    m->state = config->incoming ? RUN_INMIGRATE : RUN_PRELAUNCH;
    *b = (struct board){.machine = m, .reset_task = {.run = deferred_reset, .arg = b},
                        .why = why, .why_len = why_len};
    clock_pause(clock, true);
    m->io = io_bus_new(engine);
    m->pci = pci_bus_new(engine, m->io);
    m->input = input_new();
    engine->sink = (struct engine_sink){m, sink_read, sink_write, sink_read_string,
                                        sink_write_string, sink_pci_read, sink_pci_write};
    if (!draw(b)) {
        machine_free(m);
        return NULL;
    }
    return m;
}

void machine_serve_pv(struct machine *m, struct pv *pv) {
    m->board->backends = backends_new(m->loop, m->clock, pv, m);
}

void machine_free(struct machine *m) {
    struct board *b = m->board;
    image_leaving(true);
    backends_free(b->backends);
    loop_cancel(m->loop, &b->reset_task);
    while (m->device_count-- > 0)
        m->devices[m->device_count].ops->free(m->devices[m->device_count].dev);
    nics_free(b);
    usb_free(b);
    usb_host_leave();
    drives_free(m);
    ports_free(b);
    kernel_free(b);
    while (b->rom_count-- > 0)
        rom_close(&b->roms[b->rom_count]);
    input_free(m->input);
    pci_bus_free(m->pci);
    io_bus_free(m->io);
    mem_free(b);
    mem_free(m);
}

void machine_run(struct machine *m) {
    if (m->state == RUN_RUNNING || m->state == RUN_SHUTDOWN || m->state == RUN_SUSPENDED)
        return;
    clock_pause(m->clock, false);
    set_state(m, RUN_RUNNING);
    nics_pause(m->board, false);
}

void machine_pause(struct machine *m) {
    if (m->state != RUN_RUNNING && m->state != RUN_SUSPENDED)
        return;
    clock_pause(m->clock, true);
    nics_pause(m->board, true);
    drives_drain(m);
    set_state(m, RUN_PAUSED);
}

void machine_prepare(struct machine *m) {
    geometry_preset(m->board);
}

void machine_reset(struct machine *m) {
    drives_drain(m);
    preset_boot(m->board->cmos, m->config->boot_order); /* once= was for the first boot */
    for (unsigned i = 0; i < m->device_count; i++)
        m->devices[i].ops->reset(m->devices[i].dev);
}

/* Under Xen the toolstack builds the domain anew; under the socket engine we reset in place. */
void machine_ask_reset(struct machine *m) {
    shut_down(m->board, ENGINE_REBOOT);
}

void machine_power_button(struct machine *m) {
    if (!m->engine->ops->power_button(m->engine) && m->board->pm)
        piix4_pm_power_button(m->board->pm);
}

bool machine_wakeup(struct machine *m) {
    if (m->state != RUN_SUSPENDED)
        return false;
    m->engine->ops->suspend(m->engine, false);
    set_state(m, RUN_RUNNING);
    return true;
}

bool machine_plug_cpu(struct machine *m, unsigned cpu) {
    if (!m->board->gpe || cpu >= m->config->max_cpus || machine_cpu_online(m, cpu))
        return false;
    acpi_gpe_cpu_up(m->board->gpe, cpu);
    return true;
}

bool machine_plug(struct machine *m, const struct config_device *device, char *why,
                  size_t why_len) {
    struct board *b = m->board;
    b->why = why;
    b->why_len = why_len;
    if (device->kind == DEVICE_USB || device->kind == DEVICE_USB_HOST)
        return usb_plug(b, device);
    return board_refuse(b, "hot-plug of this device is not implemented");
}

bool machine_unplug(struct machine *m, const char *id, char *why, size_t why_len) {
    struct board *b = m->board;
    b->why = why;
    b->why_len = why_len;
    *why = 0;
    return usb_unplug(b, id);
}

bool machine_cpu_online(const struct machine *m, unsigned cpu) {
    if (!m->board->gpe)
        return cpu < m->config->cpus;
    return acpi_gpe_cpu_online(m->board->gpe, cpu);
}
