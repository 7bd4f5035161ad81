/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of options, and those that are a line each. Written against what libxl 4.17 to 4.22
 * generate (xl.cfg(5) names the settings) and what clients of the socket engine pass.
 *
 * Anything the table doesn't name is refused: a device model that ignores a word of its order
 * builds another machine than the one asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "argv.h"
#include "core/bits.h"
#include "core/mem.h"
#include "parse.h"

enum { MAX_CPUS = 1024 };

struct option {
    const char *name; /* without the dash; "-name" and "--name" are the same */
    bool arg;
    bool (*take)(struct parse *p, const char *origin, const char *val); /* NULL: nothing to do */
    const char *refusal; /* instead of take: why not */
};

static const char *const none_known[] = {NULL};

/* One function a plain field: OPTION(word) for text, FLAG(word) for a switch. */
#define TEXT(field)                                                                                \
    static bool take_##field(struct parse *p, const char *origin, const char *val) {               \
        (void)origin;                                                                              \
        p->config->field = val;                                                                    \
        return true;                                                                               \
    }
#define FLAG(field)                                                                                \
    static bool take_##field(struct parse *p, const char *origin, const char *val) {               \
        (void)origin, (void)val;                                                                   \
        p->config->field = true;                                                                   \
        return true;                                                                               \
    }

TEXT(name)
TEXT(uuid)
TEXT(keymap)
TEXT(kernel)
TEXT(initrd)
TEXT(append)
TEXT(vga)
TEXT(bios)
TEXT(chroot)
TEXT(runas)
TEXT(qtest_log)
TEXT(log_file)
FLAG(xen_attach)
FLAG(domid_restrict)
FLAG(paused)
FLAG(no_shutdown)
FLAG(no_reboot)
FLAG(nodefaults)
FLAG(no_acpi)
FLAG(nographic)
FLAG(usb)

static bool take_domid(struct parse *p, const char *origin, const char *val) {
    unsigned domid;
    if (!parse_unsigned(val, 0x7fef, &domid)) /* below DOMID_FIRST_RESERVED */
        return parse_fail(p, "%s %s: expected a domain number from 0 to 32751", origin, val);
    p->config->domid = (int)domid;
    return true;
}

static bool take_accel_name(struct parse *p, const char *origin, const char *val) {
    /* "xen:tcg" is a list of what would do: the first that we have. */
    for (const char *s = val; *s; s += strcspn(s, ":"), s += *s == ':') {
        size_t n = strcspn(s, ":");
        bool xen = n == 3 && !memcmp(s, "xen", 3);
        if (!xen && !(n == 5 && !memcmp(s, "qtest", 5)))
            continue;
        if (!p->accel_said)
            p->config->accel = xen ? ACCEL_XEN : ACCEL_QTEST;
        p->accel_said = true;
        return true;
    }
    return parse_fail(p, "%s %s: there are accelerators xen and qtest", origin, val);
}

static bool take_accel(struct parse *p, const char *origin, const char *val) {
    const struct opts *o = opts_parse(p, origin, val, "accel", NULL);
    return o && take_accel_name(p, origin, o->head);
}

static bool machine_type(struct parse *p, const struct opts *o) {
    static const struct {
        const char *name;
        enum config_machine machine;
    } types[] = {{"xenfv", MACHINE_XENFV}, {"xenfv-4.2", MACHINE_XENFV},
                 {"xenfv-3.1", MACHINE_XENFV}, {"pc", MACHINE_PC}, {"xenpv", MACHINE_XENPV},
                 {"none", MACHINE_NONE}};
    if (!*o->head)
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        if (!strcmp(types[i].name, o->head)) {
            p->config->machine = types[i].machine;
            return true;
        }
    }
    if (!strncmp(o->head, "pc-i440fx", 9)) {
        p->config->machine = MACHINE_PC;
        return true;
    }
    return parse_fail(p, "%s %s: there are machines xenfv, pc, xenpv and none", o->origin, o->text);
}

static bool take_machine(struct parse *p, const char *origin, const char *val) {
    static const char *const known[] = {
        "type", "accel", "suppress-vmdesc", "max-ram-below-4g", "igd-passthru", "usb", "acpi",
        "vmport", "smm", "hpet", "graphics", "kernel-irqchip", "kernel_irqchip", "dump-guest-core",
        "mem-merge", "nvdimm", "pit", "sata", "smbus", NULL,
    };
    const struct opts *o = opts_parse(p, origin, val, "type", NULL);
    if (!o)
        return false;
    const char *unknown = opts_unknown(o, known), *accel = opts_get(o, "accel");
    if (unknown)
        return parse_fail(p, "%s %s: %s= is not implemented", origin, val, unknown);
    bool igd = false, acpi = true;
    if ((accel && !take_accel_name(p, origin, accel)) || !machine_type(p, o) ||
        !opts_bool(o, "igd-passthru", &igd, p->why, p->why_len) ||
        !opts_bool(o, "usb", &p->config->usb, p->why, p->why_len) ||
        !opts_bool(o, "acpi", &acpi, p->why, p->why_len) ||
        !opts_size(o, "max-ram-below-4g", 1, &p->config->max_below_4g, p->why, p->why_len))
        return false;
    if (igd)
        return parse_fail(p, "%s %s (gfx_passthru=): PCI passthrough is not implemented", origin,
                          val);
    p->config->no_acpi |= !acpi;
    p->config->machine_opts = o;
    return true;
}

static bool take_memory(struct parse *p, const char *origin, const char *val) {
    static const char *const known[] = {"size", NULL};
    const struct opts *o = opts_parse(p, origin, val, "size", NULL);
    if (!o)
        return false;
    if (opts_unknown(o, known))
        return parse_fail(p, "%s %s: %s= is not implemented", origin, val, opts_unknown(o, known));
    return opts_size(o, "size", MIB(1), &p->config->ram, p->why, p->why_len);
}

static bool take_smp(struct parse *p, const char *origin, const char *val) {
    static const char *const known[] = {"cpus", "maxcpus", "sockets", "dies", "clusters", "cores",
                                        "threads", NULL};
    const struct opts *o = opts_parse(p, origin, val, "cpus", known);
    if (!o)
        return false;
    uint64_t cpus = 0, max = 0, product = 1;
    if (!opts_number(o, "cpus", MAX_CPUS, &cpus, p->why, p->why_len) ||
        !opts_number(o, "maxcpus", MAX_CPUS, &max, p->why, p->why_len))
        return false;
    for (unsigned i = 2; known[i]; i++) {
        uint64_t n = 1;
        if (!opts_number(o, known[i], MAX_CPUS, &n, p->why, p->why_len))
            return false;
        product = MIN(product * n, (uint64_t)MAX_CPUS + 1);
    }
    if (!opts_get(o, "cpus"))
        cpus = max ? max : product;
    if (!opts_get(o, "maxcpus"))
        max = MAX(cpus, product);
    if (cpus < 1 || cpus > max || max > MAX_CPUS)
        return parse_fail(p, "%s %s: expected 1 to %u CPUs, and no more than maxcpus", origin, val,
                          MAX_CPUS);
    p->config->cpus = (unsigned)cpus;
    p->config->max_cpus = (unsigned)max;
    return true;
}

static bool boot_letters(struct parse *p, const struct opts *o, const char *key, const char **out) {
    const char *letters = opts_get(o, key);
    if (!letters)
        return true;
    size_t n = strspn(letters, "abcdn");
    if (letters[n])
        return parse_fail(p, "%s %s (boot=): \"%c\": boot devices are a (floppy), c (disk), "
                          "d (CD-ROM) and n (network)", o->origin, o->text, letters[n]);
    *out = letters;
    return true;
}

static bool take_boot(struct parse *p, const char *origin, const char *val) {
    static const char *const keys[] = {"order", "once", "menu", "strict", "splash", "splash-time",
                                       "reboot-timeout", NULL};
    const struct opts *o = opts_parse(p, origin, val, "order", keys);
    if (!o)
        return false;
    for (unsigned i = 4; keys[i]; i++)
        if (opts_get(o, keys[i]))
            return parse_fail(p, "%s %s: %s= is not implemented", origin, val, keys[i]);
    return boot_letters(p, o, "order", &p->config->boot_order) &&
           boot_letters(p, o, "once", &p->config->boot_once) &&
           opts_bool(o, "menu", &p->config->boot_menu, p->why, p->why_len);
}

static bool take_display(struct parse *p, const char *origin, const char *val) {
    if (!strcmp(val, "sdl"))
        return parse_fail(p, "%s %s (sdl=1): a window on the host is not implemented; use vnc=1",
                          origin, val);
    if (strcmp(val, "none"))
        return parse_fail(p, "%s %s: there is none; the screen is seen by -vnc", origin, val);
    p->config->display = val;
    return true;
}

static bool take_global(struct parse *p, const char *origin, const char *val) {
    static const char *const keys[] = {"driver", "property", "value", NULL};
    struct config_global global = {0};
    const char *dot = strchr(val, '.'), *equals = strchr(val, '=');
    if (!strncmp(val, "driver=", 7)) {
        const struct opts *o = opts_parse(p, origin, val, NULL, keys);
        if (!o)
            return false;
        global = (struct config_global){opts_get(o, "driver"), opts_get(o, "property"),
                                        opts_get(o, "value")};
    } else if (dot && equals && dot < equals) {
        global.driver = arena_bytes(p->arena, val, (size_t)(dot - val));
        global.property = arena_bytes(p->arena, dot + 1, (size_t)(equals - dot - 1));
        global.value = equals + 1;
    }
    if (!global.driver || !global.property || !global.value)
        return parse_fail(p, "%s %s: expected driver.property=value", origin, val);
    p->globals[p->config->global_count++] = global;
    return true;
}

static bool take_incoming(struct parse *p, const char *origin, const char *val) {
    unsigned fd;
    if (strncmp(val, "fd:", 3) || (strcmp(val, "fd:-1") && !parse_unsigned(val + 3, 1 << 20, &fd)))
        return parse_fail(p, "%s %s: expected fd: and an open descriptor's number", origin, val);
    p->config->incoming = val;
    p->config->incoming_fd = val[3] == '-' ? -1 : (int)fd;
    return true;
}

static bool take_run_with(struct parse *p, const char *origin, const char *val) {
    static const char *const keys[] = {"chroot", "user", NULL};
    const struct opts *o = opts_parse(p, origin, val, NULL, keys);
    if (!o)
        return false;
    if (opts_get(o, "chroot"))
        p->config->chroot = opts_get(o, "chroot");
    if (opts_get(o, "user"))
        p->config->runas = opts_get(o, "user");
    return true;
}

static bool take_qtest(struct parse *p, const char *origin, const char *val) {
    const char *ref;
    if (!parse_chardev_line(p, origin, val, "qtest", &p->config->qtest, &ref))
        return false;
    return !ref || parse_fail(p, "%s %s: expected an address such as unix:path", origin, val);
}

static bool take_audio(struct parse *p, const char *origin, const char *val) {
    const struct opts *o = opts_parse(p, origin, val, "driver", NULL);
    if (!o)
        return false;
    return !strcmp(o->head, "none") ||
           parse_fail(p, "%s %s: sound is not implemented", origin, val);
}

static const struct option options[] = {
    /* as libxl orders them */
    {"xen-domid", true, take_domid, NULL},
    {"no-shutdown", false, take_no_shutdown, NULL},
    {"chardev", true, parse_chardev, NULL},
    {"S", false, take_paused, NULL},
    {"mon", true, parse_mon, NULL},
    {"nodefaults", false, take_nodefaults, NULL},
    {"no-user-config", false, NULL, NULL},
    {"xen-attach", false, take_xen_attach, NULL},
    {"name", true, take_name, NULL},
    {"vnc", true, parse_vnc, NULL},
    {"display", true, take_display, NULL},
    {"k", true, take_keymap, NULL},
    {"kernel", true, take_kernel, NULL},
    {"initrd", true, take_initrd, NULL},
    {"append", true, take_append, NULL},
    {"device", true, parse_device, NULL},
    {"serial", true, parse_serial, NULL},
    {"nographic", false, take_nographic, NULL},
    {"spice", true, NULL, "(spice=1): SPICE is not implemented; use vnc=1"},
    {"boot", true, take_boot, NULL},
    {"usb", false, take_usb, NULL},
    {"usbdevice", true, parse_usbdevice, NULL},
    {"no-acpi", false, take_no_acpi, NULL},
    {"smp", true, take_smp, NULL},
    {"netdev", true, parse_netdev, NULL},
    {"net", true, parse_net, NULL},
    {"object", true, parse_object, NULL},
    {"xen-domid-restrict", false, take_domid_restrict, NULL},
    {"chroot", true, take_chroot, NULL},
    {"run-with", true, take_run_with, NULL},
    {"incoming", true, take_incoming, NULL},
    {"machine", true, take_machine, NULL},
    {"M", true, take_machine, NULL},
    {"m", true, take_memory, NULL},
    {"drive", true, parse_drive, NULL},
    {"runas", true, take_runas, NULL},
    /* people's and test clients' */
    {"accel", true, take_accel, NULL},
    {"qtest", true, take_qtest, NULL},
    {"qtest-log", true, take_qtest_log, NULL},
    {"blockdev", true, parse_blockdev, NULL},
    {"global", true, take_global, NULL},
    {"hda", true, parse_simple_drive, NULL},
    {"hdb", true, parse_simple_drive, NULL},
    {"hdc", true, parse_simple_drive, NULL},
    {"hdd", true, parse_simple_drive, NULL},
    {"cdrom", true, parse_simple_drive, NULL},
    {"fda", true, parse_simple_drive, NULL},
    {"fdb", true, parse_simple_drive, NULL},
    {"qmp", true, parse_qmp, NULL},
    {"monitor", true, parse_monitor, NULL},
    {"parallel", true, parse_parallel, NULL},
    {"nic", true, parse_net, NULL},
    {"vga", true, take_vga, NULL},
    {"bios", true, take_bios, NULL},
    {"uuid", true, take_uuid, NULL},
    {"D", true, take_log_file, NULL},
    {"no-reboot", false, take_no_reboot, NULL},
    {"audio", true, take_audio, NULL},
    {"audiodev", true, take_audio, NULL},
    {"no-hpet", false, NULL, NULL},    /* the timers are Xen's */
    {"nodefconfig", false, NULL, NULL},
    {"cpu", true, NULL, ": processors are Xen's; see cpuid= in xl.cfg"},
    {"rtc", true, NULL, ": the clock is Xen's; see localtime= in xl.cfg"},
    {"daemonize", false, NULL, ": libxl watches the process that it started"},
    {"enable-kvm", false, NULL, ": there are accelerators xen and qtest"},
    {"fw_cfg", true, NULL, ": files of one's own for the firmware are not implemented"},
    {"sandbox", true, NULL, ": a system call filter by option is not implemented"},
    {"readconfig", true, NULL, ": options are read from the command line only"},
    {"pidfile", true, NULL, ": libxl writes image/device-model-pid"},
};

static const struct option *find_option(const char *arg) {
    const char *name = arg + 1 + (arg[1] == '-');
    for (unsigned i = 0; arg[0] == '-' && i < ARRAY_LEN(options); i++)
        if (!strcmp(options[i].name, name))
            return &options[i];
    return NULL;
}

static bool parse_all(struct parse *p, int argc, const char *const argv[]) {
    for (int i = 1; i < argc; i++) {
        const struct option *option = find_option(argv[i]);
        if (!option && argv[i][0] == '-' && argv[i][1])
            return parse_fail(p, "%s: there is no such option", argv[i]);
        if (!option)
            return parse_fail(p, "%s: expected an option; a disk is -drive file=%s", argv[i],
                              argv[i]);
        const char *origin = arena_printf(p->arena, "-%s", option->name), *val = "";
        if (option->arg && ++i == argc)
            return parse_fail(p, "%s: needs a value", origin);
        if (option->arg)
            val = argv[i];
        if (option->refusal)
            return parse_fail(p, "%s%s%s%s%s", origin, *val ? " " : "", val,
                              *option->refusal == '(' ? " " : "", option->refusal);
        if (option->take && !option->take(p, origin, val))
            return false;
    }
    return true;
}

static void make_lists(struct parse *p, unsigned n) {
    struct config *c = p->config;
#define LIST(list) c->list = p->list = arena_alloc(p->arena, n * sizeof(*p->list))
    LIST(chardevs);
    LIST(monitors);
    LIST(serials);
    LIST(parallels);
    LIST(vncs);
    LIST(tls);
    LIST(usbdevices);
    LIST(devices);
    LIST(drives);
    LIST(disks);
    LIST(netdevs);
    LIST(globals);
#undef LIST
    p->monitor_opts = arena_alloc(p->arena, n * sizeof(*p->monitor_opts));
    p->serial_refs = arena_alloc(p->arena, n * sizeof(*p->serial_refs));
    p->parallel_refs = arena_alloc(p->arena, n * sizeof(*p->parallel_refs));
}

static bool check_whole(struct parse *p) {
    const struct config *c = p->config;
    if (c->accel == ACCEL_XEN && c->machine != MACHINE_NONE && c->domid < 0)
        return parse_fail(p, "no -xen-domid: which domain is it for? (xl starts this program; see "
                          "device_model_override in xl.cfg)");
    if (c->accel == ACCEL_QTEST && c->machine != MACHINE_NONE && !c->qtest)
        return parse_fail(p, "-accel qtest: needs -qtest and a socket, as in -qtest unix:path");
    if ((c->initrd || c->append) && !c->kernel)
        return parse_fail(p, "%s: needs -kernel", c->initrd ? "-initrd" : "-append");
    return true;
}

struct config *argv_parse(int argc, const char *const argv[], char *why, size_t why_len) {
    struct config_arena *arena = arena_new();
    struct config *config = arena_alloc(arena, sizeof(*config));
    struct parse parse = {.config = config, .arena = arena, .why = why, .why_len = why_len};
    *config = (struct config){
        .domid = -1, .machine = MACHINE_PC, .name = "", .uuid = "", .ram = MIB(128), .cpus = 1,
        .max_cpus = 1, .boot_order = "", .boot_once = "", .display = "", .keymap = "", .vga = "",
        .incoming_fd = -1, .arena = arena,
    };
    for (int i = 1; i < argc; i++)
        parse.literal |= !strcmp(argv[i], "-xen-domid");
    make_lists(&parse, (unsigned)argc + 1);
    config->machine_opts = opts_parse(&parse, "-machine", "", "type", none_known);
    if (parse_all(&parse, argc, argv) && resolve_chardevs(&parse) && resolve_blockdevs(&parse) &&
        resolve_devices(&parse) && resolve_disks(&parse) && resolve_vncs(&parse) &&
        check_whole(&parse))
        return config;
    arena_free(arena);
    return NULL;
}

struct config *argv_parse_plugged(const char *option, const char *json, char *why,
                                  size_t why_len) {
    struct config_arena *arena = arena_new();
    struct config *config = arena_alloc(arena, sizeof(*config));
    struct parse parse = {.config = config, .arena = arena, .why = why, .why_len = why_len};
    *config = (struct config){.domid = -1, .name = "", .incoming_fd = -1, .arena = arena};
    make_lists(&parse, 1);
    const char *text = arena_printf(arena, "%s", json);
    bool ok = !strcmp(option, "netdev_add")
                  ? parse_netdev(&parse, option, text)
                  : parse_device(&parse, option, text) && check_device(&parse, &parse.devices[0]);
    if (ok)
        return config;
    arena_free(arena);
    return NULL;
}

void config_free(struct config *config) {
    if (config)
        arena_free(config->arena);
}

const char *config_global(const struct config *config, const char *driver, const char *property) {
    for (unsigned i = config->global_count; i-- > 0;)
        if (!strcmp(config->globals[i].driver, driver) &&
            !strcmp(config->globals[i].property, property))
            return config->globals[i].value;
    return NULL;
}

bool argv_asks(int argc, const char *const argv[], const char **text) {
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + (argv[i][0] == '-') + (!strncmp(argv[i], "--", 2));
        if (argv[i][0] == '-' && !strcmp(name, "version")) {
            *text = "hvm-dm 0.1.0\n";
            return true;
        }
        if (argv[i][0] == '-' && (!strcmp(name, "help") || !strcmp(name, "h"))) {
            *text = "hvm-dm: the device model of a Xen HVM guest.\n\n"
                    "xl starts it when the guest's xl.cfg says\n"
                    "    device_model_override = \"/usr/libexec/hvm-dm\"\n\n"
                    "By hand, without Xen, a test client being CPU and memory:\n"
                    "    hvm-dm -M pc -accel qtest -qtest unix:PATH -nodefaults ...\n";
            return true;
        }
        const struct option *option = find_option(argv[i]);
        i += option && option->arg;
    }
    return false;
}
