/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The accesses of an ordinary guest, each repeatable so that a profiler can count them. */
#include "plays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv.h"

unsigned long long play_number(int argc, char **argv, int i, unsigned long long def) {
    return i < argc ? strtoull(argv[i], NULL, 0) : def;
}

static const char *result(enum hv_error e) {
    return e == HV_OK ? NULL : hv_error(e);
}

enum hv_error play_port(unsigned dir, unsigned port, unsigned size, uint64_t *data) {
    ioreq_t r = { .type = IOREQ_TYPE_PIO,
                  .dir = dir & 1,
                  .addr = port,
                  .size = size,
                  .data = *data,
                  .count = 1 };

    return hv_access(0, &r, data);
}

static enum hv_error in(unsigned port, uint64_t *data) {
    *data = 0;
    return play_port(IOREQ_READ, port, 1, data);
}

static const char *play_in(int argc, char **argv, char *answer) {
    unsigned port = (unsigned)play_number(argc, argv, 0, 0),
             size = (unsigned)play_number(argc, argv, 1, 1);
    unsigned long n = play_number(argc, argv, 2, 1);
    uint64_t data = 0;

    for (unsigned long i = 0; i < n; i++) {
        enum hv_error e = play_port(IOREQ_READ, port, size, &data);

        if (e != HV_OK)
            return hv_error(e);
    }
    sprintf(answer, "0x%llx",
            (unsigned long long)(data & (size >= 8 ? ~0ull : (1ull << 8 * size) - 1)));
    return NULL;
}

static const char *play_out(int argc, char **argv, char *answer) {
    unsigned port = (unsigned)play_number(argc, argv, 0, 0),
             size = (unsigned)play_number(argc, argv, 1, 1);
    unsigned long n = play_number(argc, argv, 3, 1);

    (void)answer;
    for (unsigned long i = 0; i < n; i++) {
        uint64_t data = play_number(argc, argv, 2, 0);
        enum hv_error e = play_port(IOREQ_WRITE, port, size, &data);

        if (e != HV_OK)
            return hv_error(e);
    }
    return NULL;
}

/* ins and outs: n words between a port and guest memory in one ioreq */
static const char *play_string(unsigned dir, int argc, char **argv) {
    unsigned long times = play_number(argc, argv, 3, 1);
    ioreq_t r = { .type = IOREQ_TYPE_PIO, .dir = dir & 1, .data_is_ptr = 1, .data = BUFFER_GPA };
    uint64_t data;

    r.addr = play_number(argc, argv, 0, 0);
    r.size = (uint32_t)play_number(argc, argv, 1, 2);
    r.count = (uint32_t)play_number(argc, argv, 2, 256);
    for (unsigned long i = 0; i < times; i++) {
        enum hv_error e = hv_access(0, &r, &data);

        if (e != HV_OK)
            return hv_error(e);
    }
    return NULL;
}

static const char *play_ins(int argc, char **argv, char *answer) {
    (void)answer;
    return play_string(IOREQ_READ, argc, argv);
}

static const char *play_outs(int argc, char **argv, char *answer) {
    (void)answer;
    return play_string(IOREQ_WRITE, argc, argv);
}

static const char *play_config(unsigned dir, int argc, char **argv, char *answer) {
    unsigned devfn = (unsigned)play_number(argc, argv, 0, 0),
             size = (unsigned)play_number(argc, argv, 2, 4);
    unsigned long n = dir == IOREQ_READ ? play_number(argc, argv, 3, 1) : 1;
    ioreq_t r = { .type = IOREQ_TYPE_PCI_CONFIG, .dir = dir & 1, .size = size, .count = 1 };
    uint64_t data = 0;

    r.addr = (uint64_t)devfn << 32 | play_number(argc, argv, 1, 0);
    r.data = dir == IOREQ_WRITE ? play_number(argc, argv, 3, 0) : 0;
    for (unsigned long i = 0; i < n; i++) {
        enum hv_error e = hv_access(0, &r, &data);

        if (e != HV_OK)
            return hv_error(e);
    }
    sprintf(answer, "0x%llx", (unsigned long long)(data & ((1ull << 8 * size) - 1)));
    return NULL;
}

static const char *play_pci(int argc, char **argv, char *answer) {
    return play_config(IOREQ_READ, argc, argv, answer);
}

static const char *play_pciw(int argc, char **argv, char *answer) {
    return play_config(IOREQ_WRITE, argc, argv, answer);
}

static const char *play_memory(unsigned dir, int argc, char **argv, char *answer) {
    uint64_t at = play_number(argc, argv, 0, 0),
             value = dir == IOREQ_WRITE ? play_number(argc, argv, 2, 0) : 0;
    unsigned size = (unsigned)play_number(argc, argv, 1, 1);
    unsigned long n = play_number(argc, argv, dir == IOREQ_WRITE ? 3 : 2, 1);
    uint64_t data = 0;

    for (unsigned long i = 0; i < n; i++) {
        ioreq_t r = {
            .type = IOREQ_TYPE_COPY, .dir = dir & 1, .size = size, .count = 1, .data = value
        };
        enum hv_error e;

        r.addr = at + i * size % WORLD_PAGE;
        e = hv_access(0, &r, &data);
        if (e != HV_OK)
            return hv_error(e);
    }
    sprintf(answer, "0x%llx", (unsigned long long)data);
    return NULL;
}

static const char *play_mmio(int argc, char **argv, char *answer) {
    return play_memory(IOREQ_READ, argc, argv, answer);
}

static const char *play_mmiow(int argc, char **argv, char *answer) {
    return play_memory(IOREQ_WRITE, argc, argv, answer);
}

/* rep movs between a device's memory and RAM, rep stos into it */
static const char *play_copy(int argc, char **argv, char *answer) {
    ioreq_t r = { .type = IOREQ_TYPE_COPY, .data_is_ptr = 1, .data = BUFFER_GPA };
    unsigned long times = play_number(argc, argv, 4, 1);
    uint64_t data;

    (void)answer;
    r.dir = play_number(argc, argv, 0, 0) & 1;
    r.addr = play_number(argc, argv, 1, 0xa0000);
    r.size = (uint32_t)play_number(argc, argv, 2, 4);
    r.count = (uint32_t)play_number(argc, argv, 3, 1);
    for (unsigned long i = 0; i < times; i++) {
        enum hv_error e = hv_access(0, &r, &data);

        if (e != HV_OK)
            return hv_error(e);
    }
    return NULL;
}

/* Writes through the buffered ring, a full ring at a time; the synchronous access after each makes
 * sure that they were taken. */
static const char *play_buffered(int argc, char **argv, char *answer) {
    uint64_t at = play_number(argc, argv, 0, 0xa0000), data;
    unsigned long n = play_number(argc, argv, 1, 1);

    (void)answer;
    for (unsigned long i = 0; i < n; i++) {
        enum hv_error e = hv_buffered(at + (i & 0xfff), 0, i);

        if (e == HV_OK && (i % 256 == 255 || i == n - 1))
            e = in(0x80, &data);
        if (e != HV_OK)
            return hv_error(e);
    }
    return NULL;
}

/* Requests of several vcpus outstanding at once, their events in one go. */
static const char *play_smp(int argc, char **argv, char *answer) {
    unsigned vcpus = (unsigned)play_number(argc, argv, 0, 2),
             port = (unsigned)play_number(argc, argv, 1, 0x80);
    unsigned long n = play_number(argc, argv, 2, 1);
    ioreq_t r = { .type = IOREQ_TYPE_PIO, .dir = IOREQ_READ, .addr = port, .size = 1, .count = 1 };
    uint64_t data;

    (void)answer;
    if (vcpus > hv_world()->vcpus)
        return "the domain has fewer vcpus";
    for (unsigned long i = 0; i < n; i++) {
        enum hv_error e = HV_OK;

        for (unsigned v = 0; v < vcpus; v++)
            hv_post(v, &r);
        for (unsigned v = 0; v < vcpus && e == HV_OK; v++)
            e = hv_event(WORLD_VCPU_PORT + v);
        for (unsigned v = 0; v < vcpus && e == HV_OK; v++)
            e = hv_answer(v, hv_timeout_ms, &data);
        if (e != HV_OK)
            return hv_error(e);
    }
    return NULL;
}

static const char *play_invalidate(int argc, char **argv, char *answer) {
    ioreq_t r = { .type = IOREQ_TYPE_INVALIDATE, .dir = IOREQ_WRITE, .size = 4, .data = ~0ull };
    uint64_t data;

    (void)argc, (void)argv, (void)answer;
    return result(hv_access(0, &r, &data));
}

static const char *play_ram(int argc, char **argv, char *answer) {
    uint64_t at = play_number(argc, argv, 0, BUFFER_GPA), n = play_number(argc, argv, 1, 16);

    for (uint64_t i = 0; i < n && i < 4096; i++) {
        uint8_t *byte = hv_ram(at + i);

        if (!byte)
            return "no RAM there";
        sprintf(answer + 2 * i, "%02x", *byte);
    }
    return NULL;
}

static const char *play_ramw(int argc, char **argv, char *answer) {
    uint64_t at = play_number(argc, argv, 0, BUFFER_GPA);
    unsigned value;

    (void)argc, (void)answer;
    for (const char *hex = argv[1]; sscanf(hex, "%2x", &value) == 1; hex += 2, at++) {
        uint8_t *byte = hv_ram(at);

        if (!byte)
            return "no RAM there";
        *byte = (uint8_t)value;
        if (!hex[1])
            break;
    }
    return NULL;
}

const struct play plays[] = {
    { "in", "PORT [SIZE [TIMES]]", "read a port", 1, play_in },
    { "out", "PORT SIZE VALUE [TIMES]", "write a port", 3, play_out },
    { "ins", "PORT [SIZE [COUNT [TIMES]]]", "rep ins to 1 MiB, one ioreq", 1, play_ins },
    { "outs", "PORT [SIZE [COUNT [TIMES]]]", "rep outs from 1 MiB", 1, play_outs },
    { "pci", "DEVFN [OFFSET [SIZE [TIMES]]]", "read PCI configuration", 1, play_pci },
    { "pciw", "DEVFN OFFSET SIZE VALUE", "write PCI configuration", 4, play_pciw },
    { "mmio", "ADDRESS [SIZE [TIMES]]", "read device memory, walking through a page", 1,
      play_mmio },
    { "mmiow", "ADDRESS SIZE VALUE [TIMES]", "write device memory", 3, play_mmiow },
    { "copy", "DIR ADDRESS SIZE COUNT [TIMES]", "rep movs, DIR 1 from the device to 1 MiB", 4,
      play_copy },
    { "buffered", "[ADDRESS [TIMES]]", "byte writes through the buffered ring", 0, play_buffered },
    { "smp", "[VCPUS [PORT [TIMES]]]", "one port read on each vcpu at the same time", 0, play_smp },
    { "invalidate", "", "drop cached guest mappings", 0, play_invalidate },
    { "ram", "ADDRESS [BYTES]", "show guest RAM", 1, play_ram },
    { "ramw", "ADDRESS HEX", "change guest RAM", 2, play_ramw },
    { NULL, NULL, NULL, 0, NULL },
};
