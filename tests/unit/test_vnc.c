/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VNC server over sockets, in a process of its own: libvncclient, written by others, decodes
 * what it sends; clients that misbehave don't keep it from serving one that does not.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/input-event-codes.h>
#include <netinet/in.h>
#include <rfb/rfbclient.h>

#include "core/display.h"
#include "core/input.h"
#include "loop.h"
#include "tls.h"
#include "vnc.h"

enum { WIDTH = 720, HEIGHT = 400, MAX_PIXELS = 1024 * 768 };

/* What test and server share. */
struct shared {
    volatile unsigned width, height, refreshes, watched, key, x, y, buttons, web_port;
    volatile unsigned pointer, apart, leds; /* is there one in hardware; is it left out */
    volatile uint32_t seed; /* of the picture */
    uint32_t pixels[MAX_PIXELS];
};

static struct shared *shared;
static pid_t server;
static char path[64];
static unsigned port;
enum { BY_DEVICE = 1, BY_MONITOR };

static int device[2]; /* a byte through it: BY_DEVICE tells of a change, BY_MONITOR types a key */
/* how the server is started; back to nothing by stop */
static const struct tls_options *tls;
static bool websocket;
static enum vnc_share share;

/* ---- the server ---- */

static uint32_t colour(uint32_t seed, unsigned x, unsigned y) {
    /* text-like at the left, gradients at the right, plain below */
    if (y >= 300)
        return seed & 0xffffff;
    if (x < 300)
        return (x * 7 + y * 13 + seed) % 11 ? 0 : 0xaaaaaa;
    return (x * seed) << 16 ^ y << 8 ^ (x + y) * 3 % 256;
}

static void paint(void *dev, struct display *d, bool whole) {
    static uint32_t drawn;
    (void)dev;
    (void)whole;
    shared->refreshes++;
    shared->apart = d->cursor_apart;
    d->quiet = true;
    if (d->width == shared->width && d->height == shared->height && drawn == shared->seed)
        return;
    drawn = shared->seed;
    d->width = d->stride = shared->width;
    d->height = shared->height;
    d->pixels = shared->pixels;
    for (unsigned y = 0; y < d->height; y++)
        for (unsigned x = 0; x < d->width; x++)
            shared->pixels[y * d->width + x] = colour(drawn, x, y) & 0xffffff;
    display_dirty(d, 0, d->height);
}

static void watched(void *dev, bool on) {
    (void)dev;
    shared->watched = on;
}

enum { POINTER_X = 100, POINTER_Y = 50, POINTER_SIZE = 32 };

static bool pointer(void *dev, struct display_cursor *c) {
    (void)dev;
    memset(c, 0, sizeof(*c));
    *c = (struct display_cursor){.size = POINTER_SIZE, .x = POINTER_X, .y = POINTER_Y};
    c->pixels[0] = 0xff123456;
    return shared->pointer;
}

static unsigned lights(void *dev) {
    (void)dev;
    return shared->leds;
}

static void on_event(void *dev, const struct input_event *event) {
    (void)dev;
    if (event->kind == INPUT_KEY)
        shared->key = event->code | (unsigned)event->value << 16;
    else if (event->kind == INPUT_BUTTON)
        shared->buttons = event->code | (unsigned)event->value << 16;
    else if (event->kind == INPUT_ABS && event->code == INPUT_X)
        shared->x = (unsigned)event->value;
    else if (event->kind == INPUT_ABS)
        shared->y = (unsigned)event->value;
}

static struct display display = {.refresh = paint, .watched = watched, .cursor = pointer};

/* What comes from elsewhere than viewers. */
static void device_ready(void *arg, unsigned events) {
    static const struct input_event key = {INPUT_KEY, KEY_A, 1};
    struct input *input = arg;
    char byte;
    (void)events;
    if (read(device[0], &byte, 1) != 1)
        return;
    if (byte == BY_MONITOR) {
        input_send(input, &key);
        input_sync(input);
    } else {
        display_changed(&display);
    }
}

static void serve(int ready, const char *host, const char *password) {
    struct loop *loop = loop_new();
    struct input *input = input_new();
    struct input_sink sink = {.name = "test", .event = on_event, .leds = lights,
                              .kinds = 1 << INPUT_KEY | 1 << INPUT_BUTTON | 1 << INPUT_ABS};
    struct loop_fd tells = {.fd = device[0], .ready = device_ready, .arg = input,
                            .events = LOOP_READ};
    struct vnc_listen l = {.host = host, .path = host ? NULL : path, .port = 5990, .to_port = 6090,
                           .password = password, .tls = tls, .websocket = websocket && host,
                           .web_host = host, .share = share};
    struct vnc_info info;
    char why[256] = "";
    input_add(input, &sink);
    loop_add(loop, &tells);
    struct vnc *vnc = vnc_open(loop, &l, why, sizeof(why));
    unsigned found = 0;
    if (vnc) {
        vnc_query(vnc, &info);
        found = (unsigned)atoi(info.at.service);
        shared->web_port = info.websocket ? (unsigned)atoi(info.web.service) : 0;
        vnc_attach(vnc, &display, input, "guest");
        if (password && *password)
            vnc_set_password(vnc, password, why, sizeof(why));
    }
    if (write(ready, &found, sizeof(found)) < 0 || !vnc)
        _exit(1);
    loop_run(loop, NULL);
    _exit(0);
}

static void start(const char *host, const char *password) {
    int fds[2];
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared->width = WIDTH;
    shared->height = HEIGHT;
    shared->seed = 1;
    snprintf(path, sizeof(path), "/tmp/test_vnc.%d", (int)getpid());
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(device), 0);
    server = fork();
    if (!server)
        serve(fds[1], host, password);
    close(fds[1]);
    assert_int_equal(read(fds[0], &port, sizeof(port)), sizeof(port));
    close(fds[0]);
}

static int stop(void **state) {
    (void)state;
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    unlink(path);
    close(device[0]);
    close(device[1]);
    munmap(shared, sizeof(*shared));
    tls = NULL;
    websocket = false;
    share = VNC_SHARE_EXCLUSIVE;
    return 0;
}

/* ---- clients ---- */

static bool updated;

static void on_finished(rfbClient *c) {
    (void)c;
    updated = true;
}

static bool own_pointer; /* the viewer asks how the guest's looks */
static int shape_hot_x, shape_hot_y, shape_size = -1;
static uint32_t shape_pixel;

static void on_shape(rfbClient *c, int hot_x, int hot_y, int w, int h, int bytes) {
    assert_int_equal(w, h);
    assert_int_equal(bytes, 4);
    shape_hot_x = hot_x;
    shape_hot_y = hot_y;
    shape_size = w;
    shape_pixel = w && c->rcMask[0] ? *(const uint32_t *)c->rcSource : 0;
    free(c->rcSource); /* which the library forgets */
    free(c->rcMask);
    c->rcSource = c->rcMask = NULL;
}

static char *give_password(rfbClient *c) {
    (void)c;
    return strdup("sesame");
}

static char certs[64]; /* their folder */

static rfbCredential *give_credential(rfbClient *c, int kind) {
    (void)c;
    if (kind != rfbCredentialTypeX509)
        return NULL;
    rfbCredential *x = calloc(1, sizeof(*x));
    char file[128];
    snprintf(file, sizeof(file), "%s/ca-cert.pem", certs);
    x->x509Credential.x509CACertFile = strdup(file);
    return x;
}

static rfbClient *try_connect(const char *encodings) {
    rfbEnableClientLogging = FALSE;
    rfbClient *c = rfbGetClient(8, 3, 4);
    c->canHandleNewFBSize = TRUE;
    c->format.redShift = 16; /* pixels as ours, so that they can be compared */
    c->format.greenShift = 8;
    c->format.blueShift = 0;
    c->FinishedFrameBufferUpdate = on_finished;
    c->GetPassword = give_password;
    c->GetCredential = give_credential;
    c->appData.encodingsString = encodings;
    c->appData.useRemoteCursor = own_pointer;
    c->GotCursorShape = on_shape;
    free(c->serverHost);
    c->serverHost = strdup(port ? "127.0.0.1" : path);
    c->serverPort = port ? (int)port : 0;
    return rfbInitClient(c, NULL, NULL) ? c : NULL;
}

static void next_update(rfbClient *c) {
    updated = false;
    for (unsigned i = 0; i < 200 && !updated; i++) {
        int n = WaitForMessage(c, 50000);
        assert_true(n >= 0);
        if (n)
            assert_true(HandleRFBServerMessage(c));
    }
    assert_true(updated);
}

static bool matches(const rfbClient *c) {
    const uint32_t *got = (const uint32_t *)c->frameBuffer;
    for (unsigned i = 0; i < shared->width * shared->height; i++)
        if ((got[i] & 0xffffff) !=
            (colour(shared->seed, i % shared->width, i / shared->width) & 0xffffff))
            return false;
    return true;
}

static rfbClient *connect_with(const char *encodings) {
    rfbClient *c = try_connect(encodings);
    assert_non_null(c);
    next_update(c);
    return c;
}

static void disconnect(rfbClient *c) {
    free(c->frameBuffer);
    rfbClientCleanup(c);
}

static void wait_for_picture(rfbClient *c) {
    for (unsigned i = 0; i < 20 && !matches(c); i++)
        next_update(c);
    assert_true(matches(c));
}

static void picture_with(const char *encodings) {
    start("127.0.0.1", NULL);
    rfbClient *c = connect_with(encodings);
    assert_int_equal(c->width, WIDTH);
    assert_int_equal(c->height, HEIGHT);
    wait_for_picture(c);
    for (unsigned i = 0; i < 3; i++) {
        shared->seed = 12345 + i * 77;
        wait_for_picture(c);
    }
    shared->height = 300;
    shared->width = 1000;
    for (unsigned i = 0; i < 20 && c->width != 1000; i++)
        next_update(c);
    assert_int_equal(c->height, 300);
    wait_for_picture(c);
    disconnect(c);
}

static void raw_picture(void **state) {
    (void)state;
    picture_with("raw");
}

static void hextile_picture(void **state) {
    (void)state;
    picture_with("hextile");
}

static void zrle_picture(void **state) {
    (void)state;
    picture_with("zrle");
}

static void tight_picture(void **state) {
    (void)state;
    picture_with("tight");
}

static void settle(volatile unsigned *what, unsigned value) {
    for (unsigned i = 0; i < 200 && *what != value; i++)
        usleep(10000);
    assert_int_equal(*what, value);
}

static void input_and_watching(void **state) {
    (void)state;
    start("127.0.0.1", NULL);
    assert_int_equal(shared->watched, 0);
    rfbClient *c = connect_with("zrle");
    assert_int_equal(shared->watched, 1);
    SendKeyEvent(c, 'q', TRUE);
    settle(&shared->key, KEY_Q | 1 << 16);
    SendPointerEvent(c, WIDTH - 1, 0, rfbButton1Mask);
    settle(&shared->x, INPUT_ABS_MAX);
    settle(&shared->buttons, BTN_LEFT | 1 << 16);
    disconnect(c);
    settle(&shared->key, KEY_Q); /* nothing stays pressed */
    settle(&shared->buttons, BTN_LEFT);
    settle(&shared->watched, 0);
    unsigned before = shared->refreshes;
    usleep(200000);
    assert_int_equal(shared->refreshes, before); /* and nobody looks */
}

/* After two seconds of rest nobody looks for half a second, unless told. */
static void look_when_told(char by) {
    enum { CHANGES = 12 };
    struct timespec from, to;
    start("127.0.0.1", NULL);
    rfbClient *c = connect_with("raw");
    usleep(2000000);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < CHANGES; i++) {
        unsigned before = shared->refreshes;
        assert_int_equal(write(device[1], &by, 1), 1);
        for (unsigned n = 0; n < 2000 && shared->refreshes == before; n++)
            usleep(1000);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true(to.tv_sec - from.tv_sec < 3);
    disconnect(c);
}

static void told_by_the_device(void **state) {
    (void)state;
    look_when_told(BY_DEVICE);
}

/* As a key that send-key types: whoever looks sees the guest's answer as soon as to its own. */
static void told_by_input_of_others(void **state) {
    (void)state;
    look_when_told(BY_MONITOR);
}

/* Takes updates until it is told of a pointer of that size. */
static void wait_for_shape(rfbClient *c, int size) {
    for (unsigned i = 0; i < 50 && shape_size != size; i++)
        next_update(c);
    assert_int_equal(shape_size, size);
}

/* A viewer draws the guest's pointer while it is alone; with another it is in the picture. */
static void pointer_of_the_viewer(void **state) {
    (void)state;
    start("127.0.0.1", NULL);
    own_pointer = true;
    rfbClient *c = connect_with("raw"), *other;
    SendPointerEvent(c, POINTER_X + 5, POINTER_Y + 9, 0);
    assert_int_equal(shape_size, -1);
    shared->pointer = 1;
    wait_for_shape(c, POINTER_SIZE);
    assert_int_equal(shape_hot_x, 5);
    assert_int_equal(shape_hot_y, 9);
    assert_int_equal(shape_pixel & 0xffffff, 0x123456);
    settle(&shared->apart, 1);
    other = connect_with("raw");
    shape_size = -1;
    wait_for_shape(c, 5); /* a dot: the pointer itself is in the picture */
    assert_int_equal(shared->apart, 0);
    disconnect(other);
    disconnect(c);
    own_pointer = false;
}

static void password_is_asked(void **state) {
    (void)state;
    start("127.0.0.1", "sesame");
    rfbClient *c = connect_with("raw");
    wait_for_picture(c);
    disconnect(c);
}

static void wrong_password(void **state) {
    (void)state;
    start("127.0.0.1", "sesame!");
    assert_null(try_connect("raw"));
}

static void unix_and_ipv6(void **state) {
    (void)state;
    start(NULL, NULL);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char greeting[12];
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(recv(fd, greeting, 12, MSG_WAITALL), 12);
    assert_memory_equal(greeting, "RFB 003.008\n", 12);
    close(fd);
    stop(NULL);
    start("::1", NULL);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                               .sin6_port = htons((uint16_t)port)};
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (port && !connect(fd, (struct sockaddr *)&six, sizeof(six)))
        assert_int_equal(recv(fd, greeting, 12, MSG_WAITALL), 12);
    close(fd);
}

static int connect_port(unsigned at) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static int plain_connect(void) {
    return connect_port(port);
}

/* One in, who asks for pictures without end and reads none of them. */
static int deaf_viewer(void) {
    static const uint8_t ask[] = {3, 0, 0, 0, 0, 0, 2, 208, 1, 144};
    int fd = plain_connect();
    char bytes[12];
    recv(fd, bytes, 12, MSG_WAITALL);
    send(fd, "RFB 003.003\n\1", 13, MSG_NOSIGNAL);
    for (unsigned i = 0; i < 300; i++)
        send(fd, ask, sizeof(ask), MSG_NOSIGNAL | MSG_DONTWAIT);
    return fd;
}

/* ---- browsers ---- */

static void ws_send(int fd, const void *bytes, size_t n) {
    uint8_t frame[6 + 125] = {0x82, (uint8_t)(0x80 | n), 1, 2, 3, 4};
    for (size_t i = 0; i < n; i++)
        frame[6 + i] = (uint8_t)(((const uint8_t *)bytes)[i] ^ (i % 4 + 1));
    assert_int_equal(send(fd, frame, 6 + n, MSG_NOSIGNAL), 6 + n);
}

/* The next n bytes of payload, from however many frames. */
static void ws_recv(int fd, uint64_t *left, void *bytes, size_t n) {
    uint8_t *to = bytes, head[10];
    while (n) {
        if (!*left) {
            assert_int_equal(recv(fd, head, 2, MSG_WAITALL), 2);
            assert_int_equal(head[0], 0x82);
            *left = head[1];
            if (head[1] >= 126) {
                size_t more = head[1] == 126 ? 2 : 8;
                assert_int_equal(recv(fd, head + 2, more, MSG_WAITALL), more);
                for (*left = 0; more; more--)
                    *left = *left << 8 | head[2 + (head[1] == 126 ? 2 : 8) - more];
            }
        }
        size_t piece = n < *left ? n : (size_t)*left;
        assert_int_equal(recv(fd, to, piece, MSG_WAITALL), piece);
        to += piece;
        n -= piece;
        *left -= piece;
    }
}

static void ws_upgrade(int fd) {
    static const char request[] =
        "GET /websockify HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    char answer[256] = "";
    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    for (size_t n = 0; !strstr(answer, "\r\n\r\n"); n++)
        assert_int_equal(recv(fd, answer + n, 1, 0), 1);
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
}

static void browser_picture(void **state) {
    (void)state;
    websocket = true;
    start("127.0.0.1", NULL);
    assert_int_equal(shared->web_port, port - 200);
    static uint8_t bytes[24 + 5 + WIDTH * HEIGHT * 4];
    uint64_t left = 0;
    int fd = connect_port(shared->web_port);
    ws_upgrade(fd);
    ws_recv(fd, &left, bytes, 12);
    assert_memory_equal(bytes, "RFB 003.008\n", 12);
    ws_send(fd, "RFB 003.008\n", 12);
    ws_recv(fd, &left, bytes, 2);
    ws_send(fd, "\1\1", 2);
    ws_recv(fd, &left, bytes, 4 + 24 + 5);
    ws_send(fd, (const uint8_t[]){3, 0, 0, 0, 0, 0, 2, 208, 1, 144}, 10);
    ws_recv(fd, &left, bytes, 4);
    unsigned rects = bytes[3], seen = 0;
    for (unsigned i = 0; i < rects; i++) { /* raw ones */
        ws_recv(fd, &left, bytes, 12);
        unsigned x = bytes[0] << 8 | bytes[1], y = bytes[2] << 8 | bytes[3];
        unsigned w = bytes[4] << 8 | bytes[5], h = bytes[6] << 8 | bytes[7];
        ws_recv(fd, &left, bytes, w * h * 4);
        for (unsigned n = 0; n < w * h; n++, seen++)
            assert_int_equal(((uint32_t *)bytes)[n] & 0xffffff,
                             colour(1, x + n % w, y + n / w) & 0xffffff);
    }
    assert_int_equal(seen, WIDTH * HEIGHT);
    ws_send(fd, (const uint8_t[]){4, 1, 0, 0, 0, 0, 0, 'q'}, 8);
    settle(&shared->key, KEY_Q | 1 << 16);
    close(fd);
    settle(&shared->key, KEY_Q);
    settle(&shared->watched, 0);
}

static void browser_says_goodbye(void **state) {
    (void)state;
    websocket = true;
    start("127.0.0.1", NULL);
    int fd = connect_port(shared->web_port);
    uint8_t bytes[64];
    uint64_t left = 0;
    ws_upgrade(fd);
    ws_recv(fd, &left, bytes, 12);
    send(fd, "\x88\x82\0\0\0\0\3\xe8", 8, MSG_NOSIGNAL);
    assert_int_equal(recv(fd, bytes, 4, MSG_WAITALL), 4);
    assert_memory_equal(bytes, "\x88\2\3\xe8", 4);
    assert_int_equal(recv(fd, bytes, 1, 0), 0);
    close(fd);
    fd = connect_port(shared->web_port); /* a page is not here */
    send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, MSG_NOSIGNAL);
    assert_int_equal(recv(fd, bytes, 12, MSG_WAITALL), 12);
    assert_memory_equal(bytes, "HTTP/1.1 400", 12);
    close(fd);
}

/* ---- TLS ---- */

static struct tls_options x509 = {.dir = certs}, anonymous = {.anonymous = true};

/* An authority, and a server's certificate by it, from GnuTLS's own tool. */
static int make_certs(void **state) {
    (void)state;
    char command[2048];
    snprintf(certs, sizeof(certs), "/tmp/test_vnc.%d.pki", (int)getpid());
    snprintf(command, sizeof(command),
             "mkdir -p %s && cd %s && "
             "printf 'cn = ca\nca\ncert_signing_key\n' >ca.info && "
             "printf 'cn = host\nip_address = 127.0.0.1\ntls_www_server\nsigning_key\n' >host.info && "
             "certtool --generate-privkey --ecc --outfile ca-key.pem 2>/dev/null && "
             "certtool --generate-self-signed --load-privkey ca-key.pem --template ca.info "
             "--outfile ca-cert.pem 2>/dev/null && "
             "certtool --generate-privkey --ecc --outfile server-key.pem 2>/dev/null && "
             "certtool --generate-certificate --load-ca-certificate ca-cert.pem --load-ca-privkey "
             "ca-key.pem --load-privkey server-key.pem --template host.info --outfile "
             "server-cert.pem 2>/dev/null", certs, certs);
    return system(command);
}

static int remove_certs(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", certs);
    return system(command);
}

static void encrypted(const struct tls_options *how, const char *password) {
    tls = how;
    start("127.0.0.1", password);
    rfbClient *c = connect_with("zrle");
    wait_for_picture(c);
    shared->seed = 4711;
    wait_for_picture(c);
    SendKeyEvent(c, 'q', TRUE);
    settle(&shared->key, KEY_Q | 1 << 16);
    disconnect(c);
    settle(&shared->watched, 0);
}

static void tls_with_certificates(void **state) {
    (void)state;
    encrypted(&x509, NULL);
}

static void tls_with_password(void **state) {
    (void)state;
    encrypted(&x509, "sesame");
}

static void tls_anonymous_ones(void **state) {
    (void)state;
    encrypted(&anonymous, "sesame");
}

static void tls_from_another_authority(void **state) {
    (void)state;
    char why[256] = "";
    struct tls_options nowhere = {.dir = "/nonexistent"};
    assert_null(tls_creds_new(&nowhere, why, sizeof(why)));
    assert_non_null(strstr(why, "/nonexistent/server-cert.pem"));
    struct tls_options nonsense = {.anonymous = true, .priority = "BEST"};
    assert_null(tls_creds_new(&nonsense, why, sizeof(why)));
    assert_non_null(strstr(why, "BEST"));
    static struct tls_options demanding;
    demanding = x509;
    demanding.verify_peer = true; /* libvncclient brings no certificate */
    tls = &demanding;
    start("127.0.0.1", NULL);
    assert_null(try_connect("raw"));
}

/* ---- all sorts ---- */

static void flood(bool picky) {
    enum { COUNT = 300 };
    static const char garbage[] = "RFB 003.008\n\1\1\xff\xff\xff\xff\xff\xff\xff\xff";
    int fds[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        bool web = i >= 5 && i % 2 && shared->web_port;
        fds[i] = i < 5 && !picky ? deaf_viewer()
                                 : connect_port(web ? shared->web_port : port);
        if (i % 3 == 1)
            send(fds[i], garbage, sizeof(garbage), MSG_NOSIGNAL);
        else if (i % 3 == 2)
            send(fds[i], web ? "GET / HTTP/1.1\r\nUpg" : "RFB 003.0", 9, MSG_NOSIGNAL);
        else if (web && !picky && i < 60)
            ws_upgrade(fds[i]);
    }
    rfbClient *c = connect_with("zrle");
    wait_for_picture(c);
    shared->seed = 4711;
    wait_for_picture(c);
    disconnect(c);
    for (unsigned i = 0; i < COUNT; i++)
        close(fds[i]);
    settle(&shared->watched, 0);
}

static void bad_company(void **state) {
    (void)state;
    websocket = true;
    start("127.0.0.1", NULL);
    flood(false);
}

/* Hundreds stop in the middle of TLS's handshake, on both ports. */
static void bad_company_under_tls(void **state) {
    (void)state;
    tls = &x509;
    websocket = true;
    start("127.0.0.1", NULL);
    flood(true);
}

static void not_alone(void **state) {
    (void)state;
    share = VNC_SHARE_IGNORED;
    start("127.0.0.1", NULL);
    rfbClient *c = connect_with("raw"), *d = NULL;
    int fd = plain_connect();
    char bytes[64];
    recv(fd, bytes, 12, MSG_WAITALL);
    send(fd, "RFB 003.003\n\0", 13, MSG_NOSIGNAL);
    assert_int_equal(recv(fd, bytes, 4 + 24 + 5, MSG_WAITALL), 33);
    shared->seed = 99;
    wait_for_picture(c); /* still there */
    close(fd);
    disconnect(c);
    stop(NULL);
    share = VNC_SHARE_FORCED;
    start("127.0.0.1", NULL);
    d = connect_with("raw");
    fd = plain_connect();
    recv(fd, bytes, 12, MSG_WAITALL);
    send(fd, "RFB 003.003\n\0", 13, MSG_NOSIGNAL);
    assert_true(recv(fd, bytes, 33, MSG_WAITALL) < 33);
    close(fd);
    shared->seed = 98;
    wait_for_picture(d);
    disconnect(d);
}

/* libvncclient never frees its certificates; the server is another process. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libgnutls\n";
}

#define T(f) cmocka_unit_test_teardown(f, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(raw_picture), T(hextile_picture), T(zrle_picture), T(tight_picture),
        T(input_and_watching), T(told_by_the_device), T(told_by_input_of_others),
        T(pointer_of_the_viewer),
        T(password_is_asked), T(wrong_password), T(unix_and_ipv6),
        T(browser_picture), T(browser_says_goodbye),
        T(tls_with_certificates), T(tls_with_password), T(tls_anonymous_ones),
        T(tls_from_another_authority),
        T(bad_company), T(bad_company_under_tls), T(not_alone),
    };
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up */
    return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
