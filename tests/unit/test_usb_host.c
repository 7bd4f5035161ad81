/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB devices of the host, with a libusb, a sysfs and a /dev of the test's own. The device's node
 * is one side of a pty, which hangs up when the other one is closed, as a device's does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/clock.h"
#include "core/log.h"
#include "fixture_real.h"
#include "loop.h"
#include "usb_host.h"
#include "usb_lib.h"

enum { IN_FLIGHT = 16, SECOND = 1000000000 };

/* ---- libusb ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t change;
    char calls[4096]; /* what was asked for, in order */
    struct libusb_transfer *transfers[IN_FLIGHT];
    int ready; /* an eventfd: some of them have ended */
    bool ended[IN_FLIGHT];
    bool hold; /* the next slow call waits */
    bool held; /* one does */
    uint32_t drivers; /* bound interfaces */
    int config, claim_fails, reset_says;
    libusb_context *ctx;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

static void note(const char *fmt, ...) {
    va_list ap;
    size_t n = strlen(fake.calls);
    va_start(ap, fmt);
    vsnprintf(fake.calls + n, sizeof(fake.calls) - n, fmt, ap);
    va_end(ap);
}

/* A call that takes time: until the test lets it go on. */
static void slow(const char *what, int n) {
    pthread_mutex_lock(&fake.lock);
    note("%s %d\n", what, n);
    fake.held = fake.hold;
    pthread_cond_broadcast(&fake.change);
    while (fake.hold)
        pthread_cond_wait(&fake.change, &fake.lock);
    fake.held = false;
    pthread_mutex_unlock(&fake.lock);
}

static int f_init(libusb_context **ctx) {
    *ctx = (libusb_context *)&fake;
    return 0;
}

static void f_exit(libusb_context *ctx) {
    assert_ptr_equal(ctx, &fake);
    slow("exit", 0);
}

static int f_set_option(libusb_context *ctx, enum libusb_option option, ...) {
    (void)ctx, (void)option;
    return 0;
}

static struct libusb_pollfd ready_fd, node_fd;
static const struct libusb_pollfd *fds[] = {&ready_fd, &node_fd, NULL};

static int f_wrap(libusb_context *ctx, intptr_t fd, libusb_device_handle **handle) {
    (void)ctx;
    node_fd = (struct libusb_pollfd){(int)fd, POLLPRI};
    *handle = (libusb_device_handle *)&fake;
    return 0;
}

static void f_close(libusb_device_handle *handle) {
    (void)handle;
    slow("close", 0);
}

static const struct libusb_pollfd **f_get_pollfds(libusb_context *ctx) {
    assert_ptr_equal(ctx, &fake);
    ready_fd = (struct libusb_pollfd){fake.ready, POLLIN};
    return fds;
}

static void f_free_pollfds(const struct libusb_pollfd **list) {
    assert_ptr_equal(list, fds);
}

static int f_handle_events(libusb_context *ctx, struct timeval *tv, int *completed) {
    eventfd_t n;
    (void)tv, (void)completed;
    assert_ptr_equal(ctx, &fake);
    eventfd_read(fake.ready, &n);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        pthread_mutex_lock(&fake.lock);
        struct libusb_transfer *x = fake.ended[i] ? fake.transfers[i] : NULL;
        if (x) {
            fake.transfers[i] = NULL;
            fake.ended[i] = false;
            pthread_cond_broadcast(&fake.change);
        }
        pthread_mutex_unlock(&fake.lock);
        if (x)
            x->callback(x);
    }
    return 0;
}

static int f_get_config(libusb_device_handle *handle, int *config) {
    (void)handle;
    *config = fake.config;
    return 0;
}

static int f_set_config(libusb_device_handle *handle, int config) {
    (void)handle;
    slow("config", config);
    if (config > 2)
        return LIBUSB_ERROR_NOT_FOUND;
    fake.config = config;
    return 0;
}

static int f_claim(libusb_device_handle *handle, int number) {
    (void)handle;
    slow("claim", number);
    return fake.claim_fails;
}

static int f_release(libusb_device_handle *handle, int number) {
    (void)handle;
    slow("release", number);
    return 0;
}

static int f_interface(libusb_device_handle *handle, int number, int setting) {
    (void)handle;
    slow("interface", number * 100 + setting);
    return 0;
}

static int f_unhalt(libusb_device_handle *handle, unsigned char endpoint) {
    (void)handle;
    slow("unhalt", endpoint);
    return 0;
}

static int f_reset(libusb_device_handle *handle) {
    (void)handle;
    slow("reset", 0);
    return fake.reset_says;
}

static int f_active(libusb_device_handle *handle, int number) {
    (void)handle;
    return (int)(fake.drivers >> number & 1);
}

static int f_detach(libusb_device_handle *handle, int number) {
    (void)handle;
    slow("detach", number);
    fake.drivers &= ~(1u << number);
    return 0;
}

static int f_attach(libusb_device_handle *handle, int number) {
    (void)handle;
    slow("attach", number);
    fake.drivers |= 1u << number;
    return 0;
}

static struct libusb_transfer *f_alloc(int iso) {
    (void)iso;
    return calloc(1, sizeof(struct libusb_transfer));
}

static void f_free(struct libusb_transfer *x) {
    free(x);
}

static int f_submit(struct libusb_transfer *x) {
    pthread_mutex_lock(&fake.lock);
    unsigned i = 0;
    while (i < IN_FLIGHT && fake.transfers[i])
        i++;
    if (i < IN_FLIGHT)
        fake.transfers[i] = x;
    pthread_cond_broadcast(&fake.change);
    pthread_mutex_unlock(&fake.lock);
    return i < IN_FLIGHT ? 0 : LIBUSB_ERROR_NO_MEM;
}

/* With the lock. */
static void end(unsigned i, enum libusb_transfer_status status, const void *bytes, int actual) {
    struct libusb_transfer *x = fake.transfers[i];
    x->status = status;
    x->actual_length = actual;
    if (bytes)
        memcpy(x->buffer + (x->type ? 0 : 8), bytes, (size_t)actual);
    fake.ended[i] = true;
    eventfd_write(fake.ready, 1);
}

static char came_late[8]; /* data that a transfer has when it is cancelled */

static int f_cancel(struct libusb_transfer *x) {
    pthread_mutex_lock(&fake.lock);
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        if (fake.transfers[i] == x && !fake.ended[i])
            end(i, LIBUSB_TRANSFER_CANCELLED, came_late, (int)strlen(came_late));
    note("cancel\n");
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static const char *f_strerror(int code) {
    return code == LIBUSB_ERROR_BUSY ? "busy" : "an error";
}

static const struct usb_lib fake_lib = {
    f_init, f_exit, f_set_option, f_wrap, f_close, f_get_pollfds, f_free_pollfds, f_handle_events,
    f_get_config, f_set_config, f_claim, f_release, f_interface, f_unhalt, f_reset, f_active,
    f_detach, f_attach, f_alloc, f_free, f_submit, f_cancel, f_strerror};

/* The nth transfer that is in flight, waited for. */
static unsigned wait_transfer(uint8_t endpoint, unsigned type) {
    pthread_mutex_lock(&fake.lock);
    for (;;) {
        for (unsigned i = 0; i < IN_FLIGHT; i++)
            if (fake.transfers[i] && !fake.ended[i] && fake.transfers[i]->endpoint == endpoint &&
                fake.transfers[i]->type == type) {
                pthread_mutex_unlock(&fake.lock);
                return i;
            }
        pthread_cond_wait(&fake.change, &fake.lock);
    }
}

static void finish(unsigned i, enum libusb_transfer_status status, const void *bytes, int actual) {
    pthread_mutex_lock(&fake.lock);
    end(i, status, bytes, actual);
    pthread_mutex_unlock(&fake.lock);
}

/* The device's thread has heard of its end. */
static void wait_gone(unsigned i) {
    pthread_mutex_lock(&fake.lock);
    while (fake.transfers[i])
        pthread_cond_wait(&fake.change, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

static bool was_called(const char *what) {
    pthread_mutex_lock(&fake.lock);
    bool found = strstr(fake.calls, what);
    pthread_mutex_unlock(&fake.lock);
    return found;
}

static void hold(bool on) {
    pthread_mutex_lock(&fake.lock);
    fake.hold = on;
    pthread_cond_broadcast(&fake.change);
    pthread_mutex_unlock(&fake.lock);
}

static void wait_held(void) {
    pthread_mutex_lock(&fake.lock);
    while (!fake.held)
        pthread_cond_wait(&fake.change, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

/* ---- sysfs and /dev ---- */

static struct loop *loop;
static struct real_usb *real;
static char dir[64], sys[80], dev[80], why[300], lines[2048];
static int pty = -1;

static void put(const char *device, const char *name, const void *bytes, size_t len) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", sys, device);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%s/%s", sys, device, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void put_text(const char *device, const char *name, const char *text) {
    put(device, name, text, strlen(text));
}

static void put_device(const char *device, const char *addr, const char *port, const char *class_) {
    put_text(device, "busnum", "1\n");
    put_text(device, "devnum", addr);
    put_text(device, "devpath", port);
    put_text(device, "idVendor", "0951\n");
    put_text(device, "idProduct", "1666\n");
    put_text(device, "bDeviceClass", class_);
    put_text(device, "speed", "480\n");
    put(device, "descriptors", real_fake_descriptors, real_fake_descriptors_len);
}

static void keep_line(enum log_level level, const char *line) {
    (void)level;
    size_t n = strlen(lines);
    snprintf(lines + n, sizeof(lines) - n, "%s\n", line);
}

static int setup(void **unused) {
    char path[128], node[128];
    (void)unused;
    snprintf(dir, sizeof(dir), "/tmp/hvm-dm-usb-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(sys, sizeof(sys), "%s/sys", dir);
    snprintf(dev, sizeof(dev), "%s/dev", dir);
    mkdir(sys, 0700);
    mkdir(dev, 0700);
    usb_roots = (struct usb_roots){sys, dev};
    put_device("usb1", "1\n", "0\n", "09\n");
    put_device("1-2", "3\n", "2\n", "00\n");
    put_text("1-2:1.0", "bInterfaceClass", "08\n");
    snprintf(path, sizeof(path), "%s/001", dev);
    mkdir(path, 0700);
    pty = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(pty);
    unlockpt(pty);
    ptsname_r(pty, node, sizeof(node));
    snprintf(path, sizeof(path), "%s/001/003", dev);
    assert_int_equal(symlink(node, path), 0);
    usb_lib = fake_lib;
    fake.ready = eventfd(0, EFD_NONBLOCK);
    fake.calls[0] = lines[0] = came_late[0] = 0;
    fake.drivers = 1;
    fake.config = 1;
    fake.hold = false;
    fake.claim_fails = fake.reset_says = 0;
    node_fd = (struct libusb_pollfd){-1, 0};
    memset(fake.transfers, 0, sizeof(fake.transfers));
    memset(fake.ended, 0, sizeof(fake.ended));
    log_to(keep_line, LOG_LEVEL_INFO);
    loop = loop_new();
    real = NULL;
    return 0;
}

static int teardown(void **unused) {
    char command[128];
    (void)unused;
    hold(false);
    if (real)
        real->ops->close(real);
    usb_host_leave();
    loop_free(loop);
    close(fake.ready);
    if (pty >= 0)
        close(pty);
    pty = -1;
    log_to(NULL, LOG_LEVEL_INFO);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* ---- as the chip ---- */

static struct told {
    void *owner;
    enum real_usb_result result;
    size_t actual;
    unsigned count, gone;
} told;

static void chip_done(void *arg, void *owner, enum real_usb_result result, size_t actual) {
    struct told *t = arg;
    t->owner = owner;
    t->result = result;
    t->actual = actual;
    t->count++;
}

static void chip_gone(void *arg) {
    ((struct told *)arg)->gone++;
}

static struct real_usb *open_device(void) {
    const struct usb_wanted wanted = {.bus = 1, .addr = 3};
    struct real_usb *r = usb_host_open(loop, &wanted, why, sizeof(why));
    if (r) {
        told = (struct told){0};
        r->done = chip_done;
        r->gone = chip_gone;
        r->arg = &told;
    }
    return r;
}

static uint8_t buf[2048];
static struct iovec iov = {buf, sizeof(buf)};

static void *start(enum real_usb_kind kind, uint8_t endpoint, size_t len, size_t packet,
                   void *owner) {
    iov.iov_len = len;
    return real->ops->start(real, &(struct real_usb_req){
        .kind = kind, .endpoint = endpoint, .iov = &iov, .niov = 1, .len = len, .packet = packet,
        .value = endpoint}, owner);
}

/* Until the chip was told so often; what never comes ends the test. */
static void wait_told(unsigned count) {
    while (told.count < count)
        assert_true(loop_once(loop, NULL, 10ull * SECOND));
}

/* One that has no data, from start to end. */
static enum real_usb_result command(enum real_usb_kind kind, uint8_t value) {
    unsigned count = told.count;
    assert_non_null(start(kind, value, 0, 0, &told));
    wait_told(count + 1);
    return told.result;
}

/* ---- which device ---- */

static void test_find(void **unused) {
    (void)unused;
    struct usb_found found;
    put_device("1-1.4", "9\n", "1.4\n", "00\n");
    put_text("1-1.4", "idVendor", "1234\n");
    put_text("1-1.4", "speed", "1.5\n");
    assert_true(usb_find_real(&(struct usb_wanted){.bus = 1, .port = "1.4"}, &found, why,
                              sizeof(why)));
    assert_int_equal(found.addr, 9);
    assert_int_equal(found.speed, USB_LOW);
    assert_int_equal(found.descriptors_len, real_fake_descriptors_len);
    free(found.descriptors);
    assert_true(usb_find_real(&(struct usb_wanted){.vendor = 0x951, .product = 0x1666}, &found,
                              why, sizeof(why)));
    assert_int_equal(found.addr, 3); /* and not the hub */
    assert_int_equal(found.speed, USB_HIGH);
    free(found.descriptors);
    assert_false(usb_find_real(&(struct usb_wanted){.bus = 1, .addr = 1}, &found, why,
                               sizeof(why)));
    assert_string_equal(why, "the host's USB device hostbus=1 hostaddr=1 is not there (hubs don't "
                             "count)");
    put("1-1.4", "descriptors", "\x12\x01", 2);
    assert_false(usb_find_real(&(struct usb_wanted){.bus = 1, .addr = 9}, &found, why,
                               sizeof(why)));
    assert_non_null(strstr(why, "make no sense"));
}

/* ---- taken and given back ---- */

static void test_taken_and_given_back(void **unused) {
    (void)unused;
    real = open_device();
    assert_non_null(real);
    assert_string_equal(real->name, "1.3 (0951:1666)");
    assert_int_equal(command(REAL_CONFIGURE, 1), REAL_OK);
    assert_string_equal(fake.calls, "detach 0\nclaim 0\nclaim 1\n");
    assert_null(open_device());
    assert_string_equal(why, "USB device 1.3 (0951:1666) is in the guest's hands already");
    fake.calls[0] = 0;
    real->ops->close(real);
    real = NULL;
    usb_host_leave();
    assert_string_equal(fake.calls, "release 0\nrelease 1\nreset 0\nattach 0\nclose 0\nexit 0\n");
    assert_int_equal(fake.drivers, 1);
}

static void test_in_use_elsewhere(void **unused) {
    (void)unused;
    fake.claim_fails = LIBUSB_ERROR_BUSY;
    real = open_device();
    while (!told.gone)
        assert_true(loop_once(loop, NULL, 10ull * SECOND));
    assert_string_equal(lines, "USB device 1.3 (0951:1666) can't be given to the guest: interface "
                               "0 can't be had: busy\n");
    assert_null(start(REAL_BULK, 0x81, 64, 0, &told));
    real->ops->close(real);
    real = NULL;
    usb_host_leave();
    assert_int_equal(fake.drivers, 1);
}

static void test_again_while_it_goes_back(void **unused) {
    (void)unused;
    real = open_device();
    command(REAL_RESET, 0);
    hold(true);
    real->ops->close(real);
    wait_held();
    real = open_device(); /* the first is still being released */
    assert_non_null(real);
    assert_non_null(start(REAL_CONFIGURE, 1, 0, 0, &told));
    fake.calls[0] = 0;
    hold(false);
    wait_told(1);
    assert_int_equal(told.result, REAL_OK);
    assert_string_equal(fake.calls, "release 1\nattach 0\nclose 0\nexit 0\n"
                                    "detach 0\nclaim 0\nclaim 1\n");
}

/* ---- transfers ---- */

static void test_control(void **unused) {
    (void)unused;
    real = open_device();
    struct real_usb_req req = {.kind = REAL_CONTROL, .endpoint = 0x80, .iov = &iov, .niov = 1,
                               .len = 18, .setup = {0x80, 6, 0, 1, 0, 0, 18, 0}};
    iov.iov_len = 18;
    assert_non_null(real->ops->start(real, &req, &told));
    unsigned i = wait_transfer(0, LIBUSB_TRANSFER_TYPE_CONTROL);
    assert_int_equal(fake.transfers[i]->length, 26);
    assert_int_equal(fake.transfers[i]->timeout, 0);
    assert_memory_equal(fake.transfers[i]->buffer, req.setup, 8);
    finish(i, LIBUSB_TRANSFER_COMPLETED, "0123456789", 10);
    wait_told(1);
    assert_int_equal(told.result, REAL_OK);
    assert_int_equal(told.actual, 10);
    assert_memory_equal(buf, "0123456789", 10);
}

static void test_bulk(void **unused) {
    (void)unused;
    static struct {
        enum libusb_transfer_status status;
        enum real_usb_result result;
    } ends[] = {{LIBUSB_TRANSFER_COMPLETED, REAL_OK}, {LIBUSB_TRANSFER_STALL, REAL_STALL},
                {LIBUSB_TRANSFER_OVERFLOW, REAL_BABBLE}, {LIBUSB_TRANSFER_ERROR, REAL_ERROR}};
    real = open_device();
    memcpy(buf, "USBC and so on", 14);
    assert_non_null(start(REAL_BULK, 0x02, 14, 0, &told));
    unsigned i = wait_transfer(2, LIBUSB_TRANSFER_TYPE_BULK);
    assert_memory_equal(fake.transfers[i]->buffer, "USBC and so on", 14);
    finish(i, LIBUSB_TRANSFER_COMPLETED, NULL, 14);
    wait_told(1);
    assert_int_equal(told.actual, 14);
    for (unsigned n = 0; n < ARRAY_LEN(ends); n++) {
        start(REAL_BULK, 0x81, 512, 0, &ends[n]);
        i = wait_transfer(0x81, LIBUSB_TRANSFER_TYPE_BULK);
        assert_int_equal(fake.transfers[i]->length, 512);
        finish(i, ends[n].status, "abc", 3);
        wait_told(n + 2);
        assert_ptr_equal(told.owner, &ends[n]);
        assert_int_equal(told.result, ends[n].result);
    }
    assert_int_equal(told.gone, 0);
}

/* A library, or a device, that says more than it was asked for. */
static void test_too_much(void **unused) {
    (void)unused;
    real = open_device();
    memset(buf, 0xee, sizeof(buf));
    start(REAL_BULK, 0x81, 4, 0, &told);
    unsigned i = wait_transfer(0x81, LIBUSB_TRANSFER_TYPE_BULK);
    pthread_mutex_lock(&fake.lock);
    end(i, LIBUSB_TRANSFER_COMPLETED, NULL, 1 << 20);
    pthread_mutex_unlock(&fake.lock);
    wait_told(1);
    assert_int_equal(told.actual, 4);
    assert_int_equal(buf[4], 0xee);
    assert_null(start(REAL_BULK, 0x81, 64 << 20, 0, &told));
}

static void test_cancel(void **unused) {
    (void)unused;
    real = open_device();
    void *handle = start(REAL_INTERRUPT, 0x83, 8, 0, &told);
    wait_transfer(0x83, LIBUSB_TRANSFER_TYPE_INTERRUPT);
    real->ops->cancel(real, handle);
    assert_int_equal(command(REAL_UNHALT, 0x02), REAL_OK); /* what comes after it is done */
    assert_int_equal(told.count, 1);
    assert_true(was_called("cancel\nunhalt 2\n"));
}

/* What had come already isn't lost. */
static void test_cancel_when_data_has_come(void **unused) {
    (void)unused;
    real = open_device();
    void *handle = start(REAL_INTERRUPT, 0x83, 8, 0, &told);
    wait_transfer(0x83, LIBUSB_TRANSFER_TYPE_INTERRUPT);
    strcpy(came_late, "late");
    real->ops->cancel(real, handle);
    start(REAL_INTERRUPT, 0x83, 8, 0, &handle);
    wait_told(1);
    assert_ptr_equal(told.owner, &handle);
    assert_int_equal(told.actual, 4);
    assert_memory_equal(buf, "late", 4);
    /* it had come, and was on its way to the chip */
    handle = start(REAL_INTERRUPT, 0x83, 8, 0, &told);
    finish(wait_transfer(0x83, LIBUSB_TRANSFER_TYPE_INTERRUPT), LIBUSB_TRANSFER_COMPLETED, "more",
           4);
    wait_gone(0);
    real->ops->cancel(real, handle);
    start(REAL_INTERRUPT, 0x83, 2, 0, &handle);
    wait_told(2);
    assert_memory_equal(buf, "mo", 2);
    start(REAL_INTERRUPT, 0x83, 8, 0, &handle);
    wait_told(3);
    assert_int_equal(told.actual, 2);
    assert_memory_equal(buf, "re", 2);
}

/* A guest on a slower bus asks for less than the device's packets have. */
static void test_large_packets(void **unused) {
    (void)unused;
    uint8_t bytes[512];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i / 64);
    real = open_device();
    start(REAL_BULK, 0x81, 64, 512, &told);
    unsigned i = wait_transfer(0x81, LIBUSB_TRANSFER_TYPE_BULK);
    assert_int_equal(fake.transfers[i]->length, 512);
    finish(i, LIBUSB_TRANSFER_COMPLETED, bytes, 512);
    wait_told(1);
    assert_int_equal(told.actual, 64);
    for (uint8_t n = 1; n < 8; n++) {
        start(REAL_BULK, 0x81, 64, 512, &told);
        wait_told(n + 1u);
        assert_int_equal(told.actual, 64);
        assert_int_equal(buf[0], n);
    }
    void *handle = start(REAL_BULK, 0x81, 64, 512, &told);
    wait_transfer(0x81, LIBUSB_TRANSFER_TYPE_BULK); /* nothing is left */
    real->ops->cancel(real, handle);
}

/* ---- slow things ---- */

static void test_a_slow_device_holds_up_nobody(void **unused) {
    (void)unused;
    real = open_device();
    command(REAL_CONFIGURE, 1);
    hold(true);
    start(REAL_RESET, 0, 0, 0, NULL);
    wait_held();
    void *handle = start(REAL_BULK, 0x81, 64, 0, &told);
    assert_non_null(handle);
    real->ops->cancel(real, handle);
    start(REAL_BULK, 0x81, 64, 0, &handle);
    assert_int_equal(loop_once(loop, NULL, 0), 0); /* nothing yet, and nobody waited */
    hold(false);
    unsigned count = told.count;
    wait_told(count + 1); /* the reset */
    finish(wait_transfer(0x81, LIBUSB_TRANSFER_TYPE_BULK), LIBUSB_TRANSFER_COMPLETED, "x", 1);
    wait_told(count + 2);
    assert_ptr_equal(told.owner, &handle);
}

static void test_reset_only_what_is_used(void **unused) {
    (void)unused;
    real = open_device();
    command(REAL_RESET, 0);
    command(REAL_RESET, 0);
    assert_null(strstr(strstr(fake.calls, "reset") + 1, "reset"));
    command(REAL_CONFIGURE, 1);
    fake.reset_says = LIBUSB_ERROR_NOT_FOUND; /* another device comes out of it */
    command(REAL_RESET, 0);
    while (!told.gone)
        assert_true(loop_once(loop, NULL, 10ull * SECOND));
    assert_string_equal(lines, "USB device 1.3 (0951:1666) is gone\n");
}

static void test_configurations(void **unused) {
    (void)unused;
    real = open_device();
    command(REAL_RESET, 0);
    assert_int_equal(command(REAL_CONFIGURE, 3), REAL_STALL);
    assert_int_equal(command(REAL_CONFIGURE, 2), REAL_OK);
    assert_true(was_called("release 0\nrelease 1\nconfig 3\nconfig 2\nclaim 5\n"));
    assert_int_equal(real->ops->start(real, &(struct real_usb_req){
        .kind = REAL_INTERFACE, .value = 5, .setting = 1}, &told) != NULL, true);
    wait_told(4);
    assert_true(was_called("interface 501\n"));
    assert_int_equal(command(REAL_CONFIGURE, 2), REAL_OK); /* its settings are 0 again */
    assert_true(was_called("interface 501\ninterface 500\n"));
    assert_int_equal(command(REAL_INTERFACE, 7), REAL_STALL);
    fake.calls[0] = 0;
    real->ops->close(real);
    real = NULL;
    usb_host_leave();
    assert_string_equal(fake.calls, "release 5\nconfig 1\nreset 0\nattach 0\nclose 0\nexit 0\n");
}

/* ---- pulled out ---- */

static void test_pulled_out(void **unused) {
    (void)unused;
    real = open_device();
    command(REAL_CONFIGURE, 1);
    start(REAL_BULK, 0x81, 64, 0, &told);
    finish(wait_transfer(0x81, LIBUSB_TRANSFER_TYPE_BULK), LIBUSB_TRANSFER_NO_DEVICE, NULL, 0);
    while (!told.gone)
        assert_true(loop_once(loop, NULL, 10ull * SECOND));
    assert_int_equal(told.result, REAL_ERROR);
    assert_null(start(REAL_BULK, 0x81, 64, 0, &told));
    assert_string_equal(lines, "USB device 1.3 (0951:1666) is gone\n");
}

/* Nothing is in flight: the node hangs up. */
static void test_pulled_out_when_idle(void **unused) {
    (void)unused;
    real = open_device();
    command(REAL_CONFIGURE, 1);
    close(pty);
    pty = -1;
    while (!told.gone)
        assert_true(loop_once(loop, NULL, 10ull * SECOND));
    assert_int_equal(told.gone, 1);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_find), T(test_taken_and_given_back), T(test_in_use_elsewhere),
        T(test_again_while_it_goes_back), T(test_control), T(test_bulk), T(test_too_much),
        T(test_cancel), T(test_cancel_when_data_has_come), T(test_large_packets),
        T(test_a_slow_device_holds_up_nobody), T(test_reset_only_what_is_used),
        T(test_configurations), T(test_pulled_out), T(test_pulled_out_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
