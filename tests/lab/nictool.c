/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What scenarios about network cards need and busybox lacks; static, for dom0 and the guest.
 *
 *   nictool selftest IF                   ETHTOOL_TEST offline: a line a test, NAME RESULT; status
 *   nictool stats IF                      ETHTOOL_GSTATS: a line each, NAME VALUE
 *   nictool send IF MAC TYPE COUNT LEN    raw frames of an EtherType (hexadecimal)
 *   nictool count IF TYPE SECONDS [promisc|MAC]
 *                                         how many of them come in; with the card promiscuous, or
 *                                         listening to a multicast address
 *   nictool flood HOST PORT SECONDS       datagrams to HOST as fast as they go, once one has come
 *                                         from there; how many went and came
 *   nictool pairs IF [N]                  how many channels it uses, of how many; uses N
 *   nictool tftpd DIR                     RFC 1350, 2347 to 2349; one file at a time to each client
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- ethtool ---- */

static void ethtool(const char *name, void *data) {
    struct ifreq req = {.ifr_data = data};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    strncpy(req.ifr_name, name, sizeof(req.ifr_name) - 1);
    if (ioctl(fd, SIOCETHTOOL, &req))
        die("ethtool");
    close(fd);
}

static struct ethtool_gstrings *strings_of(const char *name, uint32_t set, uint32_t n) {
    struct ethtool_gstrings *s = calloc(1, sizeof(*s) + n * ETH_GSTRING_LEN);
    s->cmd = ETHTOOL_GSTRINGS;
    s->string_set = set;
    s->len = n;
    ethtool(name, s);
    return s;
}

static int selftest(const char *name) {
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    ethtool(name, &info);
    uint32_t n = info.testinfo_len;
    struct ethtool_test *test = calloc(1, sizeof(*test) + n * sizeof(uint64_t));
    struct ethtool_gstrings *names = strings_of(name, ETH_SS_TEST, n);
    test->cmd = ETHTOOL_TEST;
    test->flags = ETH_TEST_FL_OFFLINE;
    test->len = n;
    ethtool(name, test);
    for (uint32_t i = 0; i < n; i++)
        printf("%.32s: %llu\n", (char *)names->data + i * ETH_GSTRING_LEN,
               (unsigned long long)test->data[i]);
    return n && !(test->flags & ETH_TEST_FL_FAILED) ? 0 : 1;
}

static int stats(const char *name) {
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    ethtool(name, &info);
    uint32_t n = info.n_stats;
    struct ethtool_stats *stats = calloc(1, sizeof(*stats) + n * sizeof(uint64_t));
    struct ethtool_gstrings *names = strings_of(name, ETH_SS_STATS, n);
    stats->cmd = ETHTOOL_GSTATS;
    stats->n_stats = n;
    ethtool(name, stats);
    for (uint32_t i = 0; i < n; i++)
        printf("%.32s %llu\n", (char *)names->data + i * ETH_GSTRING_LEN,
               (unsigned long long)stats->data[i]);
    return 0;
}

static int pairs(const char *name, const char *wanted) {
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
    ethtool(name, &c);
    if (wanted) {
        c.cmd = ETHTOOL_SCHANNELS;
        c.combined_count = (uint32_t)atoi(wanted);
        ethtool(name, &c);
    }
    printf("%u of %u\n", c.combined_count, c.max_combined);
    return 0;
}

/* ---- raw frames ---- */

static int raw(const char *name, uint16_t type) {
    int fd = socket(AF_PACKET, SOCK_RAW, htons(type));
    struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(type),
                            .sll_ifindex = (int)if_nametoindex(name)};
    if (fd < 0 || !a.sll_ifindex || bind(fd, (struct sockaddr *)&a, sizeof(a)))
        die(name);
    return fd;
}

static void parse_mac(const char *text, uint8_t *mac) {
    unsigned b[6];
    if (sscanf(text, "%x:%x:%x:%x:%x:%x", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
        die(text);
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)b[i];
}

static int send_frames(char **arg) {
    static uint8_t frame[65536];
    uint16_t type = (uint16_t)strtoul(arg[2], NULL, 16);
    unsigned count = (unsigned)atoi(arg[3]);
    size_t len = (size_t)atoi(arg[4]);
    int fd = raw(arg[0], type);
    parse_mac(arg[1], frame);
    parse_mac("02:00:00:00:00:01", frame + 6);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
    for (size_t i = 14; i < len; i++)
        frame[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < count; i++)
        if (send(fd, frame, len, 0) != (ssize_t)len)
            die("send");
    return 0;
}

static void join(int fd, const char *name, const char *what) {
    struct packet_mreq req = {.mr_ifindex = (int)if_nametoindex(name),
                              .mr_type = PACKET_MR_PROMISC};
    if (strcmp(what, "promisc")) {
        req.mr_type = PACKET_MR_MULTICAST;
        req.mr_alen = 6;
        parse_mac(what, req.mr_address);
    }
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)))
        die(what);
}

static int count_frames(int n, char **arg) {
    static uint8_t frame[65536];
    int fd = raw(arg[0], (uint16_t)strtoul(arg[1], NULL, 16));
    double end = now() + atof(arg[2]), left;
    unsigned good = 0, bad = 0;
    if (n > 3)
        join(fd, arg[0], arg[3]);
    puts("listening");
    fflush(stdout);
    while ((left = end - now()) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)(left * 1000) + 1) <= 0)
            continue;
        ssize_t len = recv(fd, frame, sizeof(frame), 0);
        bool right = len >= 14;
        for (ssize_t i = 14; i < len; i++)
            right &= frame[i] == (uint8_t)(i * 7) || (!frame[i] && i >= 14);
        good += right;
        bad += !right;
    }
    printf("%u good, %u bad\n", good, bad);
    return bad != 0;
}

/* ---- a flood ---- */

static int flood_socket(const char *host, const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in any = a;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET, host, &a.sin_addr);
    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
        connect(fd, (struct sockaddr *)&a, sizeof(a)))
        die("flood");
    return fd;
}

static int flood(char **arg) {
    static uint8_t buf[2048];
    static const size_t lengths[] = {18, 1472, 400, 18};
    struct pollfd p = {.fd = flood_socket(arg[0], arg[1]), .events = POLLIN};
    unsigned long sent = 0, got = 0;
    double begin = now(), seconds = atof(arg[2]);
    do { /* refused while the other is not there */
        if (now() > begin + 120)
            return 1;
        send(p.fd, buf, 1, 0);
        poll(&p, 1, 50);
    } while (recv(p.fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0);
    send(p.fd, buf, 1, 0);
    for (begin = now(); now() < begin + seconds;) {
        for (unsigned i = 0; i < 64; i++)
            sent += send(p.fd, buf, lengths[i % 4], 0) > 0;
        while (recv(p.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
            got++;
    }
    printf("sent %lu got %lu\n", sent, got);
    return 0;
}

/* ---- TFTP ---- */

enum { RRQ = 1, DATA = 3, ACK = 4, ERROR = 5, OACK = 6, BLOCK_MAX = 1432, TRIES = 10 };

/* Sends and waits for the answer to this block. */
static bool exchange(int fd, const uint8_t *packet, size_t len, uint16_t block) {
    uint8_t in[64];
    for (unsigned i = 0; i < TRIES; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        send(fd, packet, len, 0);
        while (poll(&p, 1, 500) > 0) {
            ssize_t n = recv(fd, in, sizeof(in), 0);
            if (n >= 4 && in[1] == ACK && (in[2] << 8 | in[3]) == block)
                return true;
            if (n < 0 || (n >= 2 && in[1] == ERROR))
                return false;
        }
    }
    return false;
}

/* The options of a request that are taken; returns the length of their acknowledgement. */
static size_t options(const char *at, const char *end, long size, size_t *block, uint8_t *oack) {
    size_t len = 2;
    const char *val;
    for (; at < end && (val = at + strlen(at) + 1) < end; at = val + strlen(val) + 1) {
        char text[32] = "";
        if (!strcasecmp(at, "blksize")) {
            *block = (size_t)atoi(val);
            if (*block < 8 || *block > BLOCK_MAX)
                *block = BLOCK_MAX;
            snprintf(text, sizeof(text), "%zu", *block);
        } else if (!strcasecmp(at, "tsize")) {
            snprintf(text, sizeof(text), "%ld", size);
        } else {
            continue;
        }
        len += (size_t)sprintf((char *)oack + len, "%s", at) + 1;
        len += (size_t)sprintf((char *)oack + len, "%s", text) + 1;
    }
    return len;
}

static void serve(const struct sockaddr_in *peer, const char *name, const char *end) {
    uint8_t packet[4 + BLOCK_MAX] = {0, OACK};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    size_t block = 512, n;
    connect(fd, (const struct sockaddr *)peer, sizeof(*peer));
    while (*name == '/')
        name++;
    FILE *f = strstr(name, "..") ? NULL : fopen(name, "rb");
    if (!f) {
        send(fd, "\0\5\0\1no\0", 7, 0);
        return;
    }
    fseek(f, 0, SEEK_END);
    const char *mode = name + strlen(name) + 1;
    size_t len = options(mode + strlen(mode) + 1, end, ftell(f), &block, packet);
    rewind(f);
    if (len > 2 && !exchange(fd, packet, len, 0))
        return;
    for (uint16_t i = 1;; i++) {
        packet[1] = DATA;
        packet[2] = (uint8_t)(i >> 8);
        packet[3] = (uint8_t)i;
        n = fread(packet + 4, 1, block, f);
        if (!exchange(fd, packet, 4 + n, i))
            return;
        if (n < block)
            break;
    }
    printf("%s: all %ld bytes, blocks of %zu\n", name, ftell(f), block);
    fflush(stdout);
}

static int tftpd(const char *dir) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(69)}, peer;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (chdir(dir) || bind(fd, (struct sockaddr *)&a, sizeof(a)))
        die("tftpd");
    for (;;) {
        char in[600] = "";
        socklen_t len = sizeof(peer);
        ssize_t n = recvfrom(fd, in, sizeof(in) - 2, 0, (struct sockaddr *)&peer, &len);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (n < 4 || in[1] != RRQ)
            continue;
        if (!fork()) {
            serve(&peer, in + 2, in + n);
            exit(0);
        }
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    if (!strcmp(what, "selftest"))
        return selftest(argv[2]);
    if (!strcmp(what, "stats"))
        return stats(argv[2]);
    if (!strcmp(what, "pairs"))
        return pairs(argv[2], argv[3]);
    if (!strcmp(what, "send") && argc == 7)
        return send_frames(argv + 2);
    if (!strcmp(what, "count") && argc >= 5)
        return count_frames(argc - 2, argv + 2);
    if (!strcmp(what, "flood") && argc == 5)
        return flood(argv + 2);
    if (!strcmp(what, "tftpd"))
        return tftpd(argv[2]);
    return 2;
}
