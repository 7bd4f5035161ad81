/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The laws, for every chip: reset equals fresh; save-load-save is identical and the loaded chip
 * goes on as the saved one would have; a truncated or damaged stream is refused or survived; any
 * access at any offset and size returns; after reset no line is high; a drain reaches idle; nothing
 * changes while paused; no guest memory is held after drain and reset.
 *
 * `laws NAME` goes through the one specimen only.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/crc.h"
#include "core/state.h"
#include "fixture.h"
#include "fixture_play.h"
#include "fixture_priv.h"

enum { SEEDS = 12, STIR_BYTES = 4096, KEPT = 32, KEPT_BYTES = 2048 };

struct subject {
    struct fixture fx;
    struct play play;
};

/* A fresh chip; `now` is the time at which it is made, 0 for the fixture's own. */
static struct subject *subject_new(const struct specimen *specimen, uint64_t now) {
    struct subject *s = calloc(1, sizeof(*s));
    fixture_init(&s->fx);
    if (now)
        s->fx.now = now;
    play_open(&s->play, &s->fx, specimen);
    return s;
}

static void subject_free(struct subject *s) {
    play_close(&s->play);
    fixture_done(&s->fx);
    free(s);
}

static void reset(struct subject *s) {
    play_drain(&s->play);
    s->play.specimen->ops->reset(s->play.dev);
}

static uint64_t rng(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* What the fuzzer kept for the specimen: states that chance alone seldom reaches. */
static struct {
    const char *name;
    unsigned count;
    size_t len[KEPT];
    uint8_t bytes[KEPT][KEPT_BYTES];
} kept;

static void load_kept(const struct specimen *specimen) {
    char path[512];
    snprintf(path, sizeof(path), "%s/chip/%s", CORPUS, specimen->name);
    DIR *dir = opendir(path);
    kept.name = specimen->name;
    kept.count = 0;
    for (struct dirent *e; dir && kept.count < KEPT && (e = readdir(dir));) {
        char inner[1024];
        snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(inner, "rb");
        if (!f)
            continue;
        kept.len[kept.count] = fread(kept.bytes[kept.count], 1, KEPT_BYTES, f);
        kept.count++;
        fclose(f);
    }
    if (dir)
        closedir(dir);
}

/* Seeds beyond SEEDS are kept inputs. */
static unsigned seeds(const struct specimen *specimen) {
    if (!kept.name || strcmp(kept.name, specimen->name) != 0)
        load_kept(specimen);
    return SEEDS + kept.count;
}

/* Random mischief, the same for the same seed. */
static void stir(struct subject *s, unsigned seed, void (*tell)(const struct play_op *)) {
    if (seed >= SEEDS) {
        play_enable_bars(&s->play);
        play_bytes(&s->play, kept.bytes[seed - SEEDS], kept.len[seed - SEEDS], tell);
        return;
    }
    uint8_t *bytes = malloc(STIR_BYTES);
    uint64_t state = UINT64_C(0x2545f4914f6cdd1d) * (seed + 1);
    for (unsigned i = 0; i < STIR_BYTES; i++)
        bytes[i] = (uint8_t)(rng(&state) >> 32);
    if (seed % 2)
        play_enable_bars(&s->play);
    play_bytes(&s->play, bytes, STIR_BYTES, tell);
    free(bytes);
}

static void fresh_equals(struct subject *s, unsigned seed) {
    const struct state *state = s->play.specimen->ops->state;
    char where[256];
    if (!state)
        return;
    struct subject *fresh = subject_new(s->play.specimen, s->fx.now);
    if (!state_equal(state, s->play.dev, fresh->play.dev, where, sizeof(where)))
        fail_msg("seed %u: after reset %s is not as in a fresh one", seed, where);
    subject_free(fresh);
}

static void law_reset_equals_fresh(void **arg) {
    for (unsigned seed = 0; seed < seeds(*arg); seed++) {
        struct subject *s = subject_new(*arg, 0);
        stir(s, seed, NULL);
        reset(s);
        fresh_equals(s, seed);
        subject_free(s);
    }
}

static void law_lines_low_after_reset(void **arg) {
    for (unsigned seed = 0; seed < seeds(*arg); seed++) {
        struct subject *s = subject_new(*arg, 0);
        stir(s, seed, NULL);
        reset(s);
        for (unsigned i = 0; i < FIXTURE_IRQS; i++)
            if (s->fx.irq[i])
                fail_msg("seed %u: line %u is high after reset", seed, i);
        for (unsigned i = 0; i < 32 * 4; i++)
            if (s->fx.intx[i / 4][i % 4])
                fail_msg("seed %u: INT%c of slot %u is high after reset", seed, 'A' + i % 4,
                         i / 4);
        if (s->fx.maps)
            fail_msg("seed %u: %u runs of guest memory are held after reset", seed, s->fx.maps);
        subject_free(s);
    }
}

/* The guest resets the machine while the disk is busy. */
static void law_reset_in_flight(void **arg) {
    for (unsigned seed = 0; seed < seeds(*arg); seed++) {
        struct subject *s = subject_new(*arg, 0);
        stir(s, seed, NULL);
        s->play.specimen->ops->reset(s->play.dev);
        play_drain(&s->play);
        for (unsigned i = 0; i < FIXTURE_IRQS; i++)
            if (s->fx.irq[i])
                fail_msg("seed %u: line %u is high", seed, i);
        if (s->fx.maps)
            fail_msg("seed %u: %u runs of guest memory are held", seed, s->fx.maps);
        fresh_equals(s, seed);
        subject_free(s);
    }
}

static void law_drain_reaches_idle(void **arg) {
    for (unsigned seed = 0; seed < seeds(*arg); seed++) {
        struct subject *s = subject_new(*arg, 0);
        stir(s, seed, NULL);
        play_drain(&s->play); /* ends the test when it does not */
        assert_int_equal(fixture_pending(&s->fx), 0);
        subject_free(s);
    }
}

/* What a load does not bring along: memory, disks, and the far ends of lines. */
static void copy_world(struct subject *to, struct subject *from) {
    const struct fixture_priv *a = from->fx.priv, *b = to->fx.priv;
    memcpy(to->fx.ram, from->fx.ram, FIXTURE_RAM);
    memcpy(to->fx.irq, from->fx.irq, sizeof(to->fx.irq));
    memcpy(to->fx.intx, from->fx.intx, sizeof(to->fx.intx));
    fixture_copy_blocks(&to->fx, &from->fx);
    fixture_copy_chars(&to->fx, &from->fx);
    fixture_copy_nets(&to->fx, &from->fx);
    for (struct fixture_vram *x = a->vrams, *y = b->vrams; x && y; x = x->next, y = y->next)
        if (x->vram.size == y->vram.size)
            memcpy(y->vram.bytes, x->vram.bytes, x->vram.size);
}

static void save(struct subject *s, struct state_buf *buf) {
    play_drain(&s->play);
    clock_pause(s->fx.clock, true);
    state_save(buf, s->play.specimen->ops->state, "it", s->play.dev);
    clock_pause(s->fx.clock, false);
}

static bool load(struct subject *s, const uint8_t *bytes, size_t len, char *why, size_t why_len) {
    size_t used = 0;
    why[0] = 0;
    bool ok = state_load(bytes, len, &used, s->play.specimen->ops->state, "it", s->play.dev, why,
                         why_len);
    if (!ok && !why[0])
        fail_msg("a stream was refused without a reason");
    if (ok && used > len)
        fail_msg("a load used more than there is");
    return ok;
}

static void law_save_load_save(void **arg) {
    const struct specimen *specimen = *arg;
    for (unsigned seed = 0; specimen->ops->state && seed < seeds(*arg); seed++) {
        struct state_buf first = {0}, second = {0};
        char why[256], where[256];
        struct subject *a = subject_new(specimen, 0);
        stir(a, seed, NULL);
        save(a, &first);
        struct subject *b = subject_new(specimen, a->fx.now);
        if (!load(b, first.bytes, first.len, why, sizeof(why)))
            fail_msg("seed %u: what was saved can't be loaded: %s", seed, why);
        if (!state_equal(specimen->ops->state, a->play.dev, b->play.dev, where, sizeof(where)))
            fail_msg("seed %u: %s is not what was saved", seed, where);
        save(b, &second);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.bytes, second.bytes, first.len);
        state_buf_free(&first);
        state_buf_free(&second);
        subject_free(a);
        subject_free(b);
    }
}

static char told[4][160]; /* the last accesses, the newest first */

static void note(const struct play_op *op) {
    memmove(told[1], told[0], sizeof(told) - sizeof(told[0]));
    play_print(op, told[0], sizeof(told[0]));
}

/* Accesses only: a reset or another load would make all chips alike. */
static bool next_access(struct subject *s, uint64_t *state, struct play_op *op) {
    uint8_t bytes[48];
    const uint8_t *at = bytes;
    size_t len = sizeof(bytes);
    for (unsigned j = 0; j < sizeof(bytes); j++)
        bytes[j] = (uint8_t)(rng(state) >> 24);
    play_decode(&s->play, &at, &len, op);
    return op->kind < PLAY_RESET;
}

static void wander(struct subject *s, uint64_t *state, unsigned n) {
    struct play_op op;
    while (n--)
        if (next_access(s, state, &op))
            play_op(&s->play, &op);
}

static void both_alike(struct subject *a, struct subject *b, unsigned seed, unsigned step) {
    if (a->play.hash != b->play.hash)
        fail_msg("seed %u: after %u accesses the loaded one answers another: last \"%s\", "
                 "before it \"%s\", \"%s\"", seed, step, told[0], told[1], told[2]);
    if (memcmp(a->fx.irq, b->fx.irq, sizeof(a->fx.irq)) ||
        memcmp(a->fx.intx, b->fx.intx, sizeof(a->fx.intx)))
        fail_msg("seed %u: after %u accesses a line differs: last \"%s\", before it \"%s\", "
                 "\"%s\"", seed, step, told[0], told[1], told[2]);
}

/* Both see the same accesses, and must say and do the same. */
static void go_on(struct subject *a, struct subject *b, uint64_t from, unsigned seed) {
    enum { STEPS = 80 };
    struct subject *const both[2] = {a, b};
    a->play.hash = b->play.hash = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        struct play_op op;
        if (!next_access(a, &from, &op))
            continue;
        note(&op);
        for (unsigned k = 0; k < 2; k++)
            play_op(&both[k]->play, &op);
        both_alike(a, b, seed, i);
    }
}

static void law_loaded_goes_on(void **arg) {
    enum { ROUNDS = 12 };
    const struct specimen *specimen = *arg;
    for (unsigned seed = 0; specimen->ops->state && seed < seeds(*arg); seed++) {
        struct subject *a = subject_new(specimen, 0);
        uint64_t state = seed + 1;
        stir(a, seed, NULL);
        for (unsigned round = 0; round < ROUNDS; round++) {
            struct state_buf buf = {0};
            char why[256];
            wander(a, &state, 40);
            save(a, &buf);
            struct subject *b = subject_new(specimen, a->fx.now);
            copy_world(b, a);
            assert_true(load(b, buf.bytes, buf.len, why, sizeof(why)));
            go_on(a, b, rng(&state), seed);
            state_buf_free(&buf);
            subject_free(b);
        }
        subject_free(a);
    }
}

/* A script of tests/regress, without what its reads expect. */
static unsigned load_script(const char *path, const char *name, struct play_op *ops, unsigned max) {
    char line[512], specimen[64] = "";
    unsigned n = 0;
    FILE *f = fopen(path, "r");
    while (f && n < max && fgets(line, sizeof(line), f)) {
        char *want = strstr(line, " = ");
        line[strcspn(line, "#\n")] = 0;
        if (want)
            *want = 0;
        if (sscanf(line, "specimen %63s", specimen) != 1 && play_parse(line, &ops[n]))
            n++;
    }
    if (f)
        fclose(f);
    return strcmp(specimen, name) == 0 ? n : 0;
}

static void cut_script(const struct specimen *specimen, const struct play_op *ops, unsigned n) {
    for (unsigned cut = 0; cut < n; cut++) {
        struct state_buf buf = {0};
        char why[256];
        struct subject *a = subject_new(specimen, 0);
        for (unsigned i = 0; i < cut; i++)
            play_op(&a->play, &ops[i]);
        save(a, &buf);
        struct subject *b = subject_new(specimen, a->fx.now);
        copy_world(b, a);
        assert_true(load(b, buf.bytes, buf.len, why, sizeof(why)));
        a->play.hash = b->play.hash = 0;
        for (unsigned i = cut; i < n; i++) {
            note(&ops[i]);
            play_op(&a->play, &ops[i]);
            play_op(&b->play, &ops[i]);
            both_alike(a, b, cut, i);
        }
        state_buf_free(&buf);
        subject_free(a);
        subject_free(b);
    }
}

/* A conversation may be cut anywhere and goes on with the loaded chip. */
static void law_cut_anywhere(void **arg) {
    enum { OPS = 512 };
    const struct specimen *specimen = *arg;
    struct play_op *ops = calloc(OPS, sizeof(*ops));
    DIR *dir = opendir(SCRIPTS);
    for (struct dirent *e; specimen->ops->state && dir && (e = readdir(dir));) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", SCRIPTS, e->d_name);
        if (strstr(e->d_name, ".txt"))
            cut_script(specimen, ops, load_script(path, specimen->name, ops, OPS));
    }
    if (dir)
        closedir(dir);
    free(ops);
}

/* Loads a bad stream into a reset chip, uses it when that worked, and resets it. */
static void survive(struct subject *s, const uint8_t *bytes, size_t len, unsigned seed) {
    char why[256];
    if (load(s, bytes, len, why, sizeof(why))) {
        uint64_t state = seed + 77;
        uint8_t noise[64];
        for (unsigned i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)(rng(&state) >> 24);
        play_bytes(&s->play, noise, sizeof(noise), NULL);
    }
    reset(s);
}

static void law_bad_stream(void **arg) {
    const struct specimen *specimen = *arg;
    for (unsigned seed = 0; specimen->ops->state && seed < 2; seed++) {
        struct state_buf buf = {0};
        struct subject *s = subject_new(specimen, 0);
        stir(s, seed, NULL);
        save(s, &buf);
        reset(s);
        uint64_t state = seed + 5;
        size_t step = buf.len / 200 + 1;
        for (size_t len = 0; len < buf.len; len += step) { /* truncated */
            uint8_t *bytes = malloc(len + !len);
            memcpy(bytes, buf.bytes, len);
            survive(s, bytes, len, seed);
            if (len > 16) {
                store_le32(bytes + 4, (uint32_t)len);
                store_le32(bytes + len - 4, crc32c(bytes, len - 4));
                survive(s, bytes, len, seed);
            }
            free(bytes);
        }
        for (unsigned i = 0; i < 400; i++) { /* bits flipped */
            uint8_t *bytes = malloc(buf.len);
            memcpy(bytes, buf.bytes, buf.len);
            for (unsigned n = 0; n <= i % 3; n++)
                bytes[rng(&state) % buf.len] ^= (uint8_t)(1u << rng(&state) % 8);
            if (i % 8)
                store_le32(bytes + buf.len - 4, crc32c(bytes, buf.len - 4));
            survive(s, bytes, buf.len, i);
            free(bytes);
        }
        fresh_equals(s, seed);
        state_buf_free(&buf);
        subject_free(s);
    }
}

static void access_all(struct subject *s, bool port, uint64_t addr) {
    static const uint64_t vals[] = {0, UINT64_MAX, UINT64_C(0x5a01c310a5fe7f80)};
    static const enum play_kind kinds[2][4] = {
        {PLAY_READ, PLAY_WRITE, PLAY_READS, PLAY_WRITES}, {PLAY_IN, PLAY_OUT, PLAY_INS, PLAY_OUTS}};
    for (unsigned size = 1; size <= (port ? 4 : 8); size *= 2)
        for (unsigned v = 0; v < ARRAY_LEN(vals); v++)
            for (unsigned k = 0; k < 4; k++) {
                struct play_op op = {.kind = kinds[port][k], .size = size, .addr = addr,
                                     .val = vals[v], .n = 3, .data_len = 8};
                store_le64(op.data, vals[v]);
                play_op(&s->play, &op);
            }
}

static void law_any_access(void **arg) {
    const struct specimen *specimen = *arg;
    struct subject *s = subject_new(specimen, 0);
    play_enable_bars(&s->play);
    const struct fixture_priv *priv = s->fx.priv;
    for (const uint16_t *p = specimen->ports; p && *p; p += 2)
        for (unsigned port = p[0] ? p[0] - 1 : 0; port < p[0] + p[1]; port++)
            access_all(s, true, port);
    play_enable_bars(&s->play);
    for (unsigned port = 0xc000 - 3; port < 0xd000; port++)
        if (bitmap_get(priv->ports, port) || bitmap_get(priv->ports, port + 1))
            access_all(s, true, port);
    play_enable_bars(&s->play);
    for (unsigned i = 0; i < priv->mem_count; i++) {
        struct fixture_range r = priv->mem[i];
        uint64_t n = r.last - r.first + 1, step = n / 512 + 1;
        for (uint64_t off = 0; off < n && i < priv->mem_count; off += off < 256 ? 1 : step)
            access_all(s, false, r.first + off);
        access_all(s, false, r.last);
        access_all(s, false, r.first - 3);
    }
    unsigned devfn = 0;
    while (devfn < 256 && !pci_find(s->fx.pci, devfn))
        devfn++;
    for (unsigned i = 0; devfn < 256 && i < 256 * 3; i++)
        for (unsigned size = 1; size <= 4; size *= 2) {
            cfg_read(&s->fx, devfn, i & 0xff, size);
            cfg_write(&s->fx, devfn, i & 0xff, size, i < 256 ? 0 : i < 512 ? ~0u : 0x5a5a5a5a);
        }
    fixture_io(&s->fx);
    subject_free(s);
}

static void law_still_while_paused(void **arg) {
    const struct specimen *specimen = *arg;
    for (unsigned seed = 0; specimen->ops->state && seed < seeds(*arg); seed++) {
        struct state_buf before = {0}, after = {0};
        struct subject *s = subject_new(specimen, 0);
        stir(s, seed, NULL);
        play_drain(&s->play);
        clock_pause(s->fx.clock, true);
        state_save(&before, specimen->ops->state, "it", s->play.dev);
        assert_int_equal(clock_next(s->fx.clock), TIMER_NEVER);
        s->fx.now += 3600 * NS_PER_SEC;
        clock_run(s->fx.clock);
        assert_int_equal(fixture_pending(&s->fx), 0);
        state_save(&after, specimen->ops->state, "it", s->play.dev);
        assert_int_equal(before.len, after.len);
        assert_memory_equal(before.bytes, after.bytes, before.len);
        clock_pause(s->fx.clock, false);
        state_buf_free(&before);
        state_buf_free(&after);
        subject_free(s);
    }
}

/* A table that can't be right: no chip's index may be wider than what state.c knows. */
static void check_fields(const struct field *f) {
    for (; f->kind != FIELD_END; f++) {
        if (f->kind == FIELD_UINT && f->size != 1 && f->size != 2 && f->size != 4 && f->size != 8)
            fail_msg("field %s: no integer has %zu bytes", f->name, f->size);
        if (f->kind == FIELD_STRUCT || f->kind == FIELD_BEHIND)
            check_fields(f->sub);
    }
}

static void law_table(void **arg) {
    const struct specimen *specimen = *arg;
    if (specimen->ops->state)
        check_fields(specimen->ops->state->fields);
}

static const struct {
    const char *name;
    void (*law)(void **);
} laws[] = {
    {"state table", law_table},
    {"any access returns", law_any_access},
    {"drain reaches idle", law_drain_reaches_idle},
    {"reset equals fresh", law_reset_equals_fresh},
    {"lines and memory after reset", law_lines_low_after_reset},
    {"reset in flight", law_reset_in_flight},
    {"still while paused", law_still_while_paused},
    {"save, load, save", law_save_load_save},
    {"the loaded one goes on", law_loaded_goes_on},
    {"cut anywhere", law_cut_anywhere},
    {"bad streams", law_bad_stream},
};

int main(int argc, char **argv) {
    enum { TESTS_MAX = 1024 };
    static struct CMUnitTest tests[TESTS_MAX];
    size_t n = 0;
    for (unsigned i = 0; specimen_lists[i]; i++)
        for (const struct specimen *s = specimen_lists[i]; s->name; s++)
            for (unsigned k = 0; k < ARRAY_LEN(laws) && n < TESTS_MAX; k++) {
                if (argc > 1 && strcmp(argv[1], s->name) != 0)
                    continue;
                char *name = malloc(128);
                snprintf(name, 128, "%s: %s", s->name, laws[k].name);
                tests[n++] = (struct CMUnitTest){.name = name, .test_func = laws[k].law,
                                                 .initial_state = (void *)(uintptr_t)s};
            }
    int failed = _cmocka_run_group_tests("laws", tests, n, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)tests[i].name);
    return failed;
}
