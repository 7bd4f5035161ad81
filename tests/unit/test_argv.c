/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: golden pairs in tests/golden/argv (NAME.args, an argument a line, to NAME.ok or
 * NAME.err), and what a golden file can't say. GOLDEN_WRITE=1 writes what is missing, to be read.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "argv.h"
#include "config.h"

enum { MAX_ARGS = 200 };

struct text {
    char bytes[32768];
    size_t len;
};

static void add_line(void *arg, const char *line) {
    struct text *text = arg;
    int n = snprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, "%s\n", line);
    text->len += (size_t)n;
    assert_true(text->len < sizeof(text->bytes));
}

static void golden_dir(char *out, size_t len) {
    snprintf(out, len, "%s", __FILE__);
    char *tail = strstr(out, "unit/test_argv.c");
    assert_non_null(tail);
    snprintf(tail, len - (size_t)(tail - out), "golden/argv");
}

static bool read_text(const char *path, struct text *text) {
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    text->len = fread(text->bytes, 1, sizeof(text->bytes) - 1, file);
    text->bytes[text->len] = '\0';
    fclose(file);
    return true;
}

/* Splits in place: every line one argument. */
static int split_args(struct text *text, const char *argv[MAX_ARGS]) {
    int argc = 0;
    argv[argc++] = "hvm-dm";
    for (char *s = text->bytes; *s && argc < MAX_ARGS;) {
        char *end = strchr(s, '\n');
        argv[argc++] = s;
        if (!end)
            break;
        *end = '\0';
        s = end + 1;
    }
    return argc;
}

static unsigned compare(const char *base, const char *ending, const struct text *got) {
    static struct text want;
    char path[4200];
    snprintf(path, sizeof(path), "%s.%s", base, ending);
    if (!read_text(path, &want)) {
        if (!getenv("GOLDEN_WRITE")) {
            print_message("%s is missing; got:\n%s", path, got->bytes);
            return 1;
        }
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(got->bytes, 1, got->len, file);
        fclose(file);
        return 0;
    }
    if (!strcmp(want.bytes, got->bytes))
        return 0;
    print_message("%s\nexpected:\n%sgot:\n%s", path, want.bytes, got->bytes);
    return 1;
}

static unsigned check_golden(const char *base) {
    static struct text args, got;
    const char *argv[MAX_ARGS];
    char path[4200], why[1024] = "";
    snprintf(path, sizeof(path), "%s.args", base);
    assert_true(read_text(path, &args));
    int argc = split_args(&args, argv);
    got.len = 0;
    struct config *config = argv_parse(argc, argv, why, sizeof(why));
    if (config)
        config_print(config, add_line, &got);
    else
        add_line(&got, why);
    unsigned bad = compare(base, config ? "ok" : "err", &got);
    config_free(config);
    return bad;
}

static void test_golden(void **state) {
    (void)state;
    char dir[2048];
    golden_dir(dir, sizeof(dir));
    DIR *list = opendir(dir);
    assert_non_null(list);
    unsigned bad = 0, count = 0;
    for (struct dirent *entry; (entry = readdir(list));) {
        char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".args"))
            continue;
        char base[4096];
        snprintf(base, sizeof(base), "%s/%.*s", dir, (int)(dot - entry->d_name), entry->d_name);
        bad += check_golden(base);
        count++;
    }
    closedir(list);
    assert_true(count > 20);
    assert_int_equal(bad, 0);
}

#define PARSE(...)                                                                                 \
    argv_parse((int)(sizeof((const char *[]){"hvm-dm", __VA_ARGS__}) / sizeof(char *)),            \
               (const char *[]){"hvm-dm", __VA_ARGS__}, why, sizeof(why))

/* xl passes a path with commas as it is (libxl_dm.c never doubles them). */
static void test_commas(void **state) {
    (void)state;
    char why[512] = "";
    struct config *c = PARSE("-xen-domid", "1", "-drive",
                             "file=/a,b,,c=d.img,if=ide,index=0,media=disk,format=raw");
    assert_non_null(c);
    assert_string_equal(c->drives[0].file, "/a,b,,c=d.img");
    assert_string_equal(c->drives[0].format, "raw");
    config_free(c);
    /* people who know QEMU double them */
    c = PARSE("-accel", "qtest", "-qtest", "unix:/q", "-drive", "file=/a,,b.img,if=ide");
    assert_non_null(c);
    assert_string_equal(c->drives[0].file, "/a,b.img");
    config_free(c);
}

static void test_getters(void **state) {
    (void)state;
    char why[512] = "";
    struct config *c = PARSE("-xen-domid", "1", "-device", "any,vgamem_mb=16,flag=off,s=3M,x=z");
    assert_non_null(c);
    const struct opts *o = c->devices[0].opts;
    uint64_t n = 7;
    bool flag = true;
    assert_true(opts_number(o, "vgamem_mb", 256, &n, why, sizeof(why)));
    assert_int_equal(n, 16);
    assert_false(opts_number(o, "vgamem_mb", 8, &n, why, sizeof(why)));
    assert_string_equal(why, "-device any,vgamem_mb=16,flag=off,s=3M,x=z: vgamem_mb=16: "
                             "expected a number from 0 to 8");
    assert_true(opts_bool(o, "flag", &flag, why, sizeof(why)));
    assert_false(flag);
    assert_true(opts_size(o, "s", 1, &n, why, sizeof(why)));
    assert_int_equal(n, 3 << 20);
    assert_false(opts_size(o, "x", 1, &n, why, sizeof(why)));
    assert_true(opts_number(o, "absent", 8, &n, why, sizeof(why)));
    assert_int_equal(n, 3 << 20);
    static const char *const known[] = {"vgamem_mb", "flag", "s", NULL};
    assert_string_equal(opts_unknown(o, known), "x");
    config_free(c);
}

static void test_refuse(void **state) {
    (void)state;
    char why[512] = "";
    struct config *c = PARSE("-xen-domid", "1", "-device", "intel-hda", "-device", "foo,bar=1");
    assert_non_null(c);
    config_refuse(&c->devices[0], why, sizeof(why));
    assert_string_equal(why, "-device intel-hda (soundhw=\"hda\"): sound is not implemented");
    config_refuse(&c->devices[1], why, sizeof(why));
    assert_string_equal(why, "-device foo,bar=1: there is no device \"foo\"");
    config_free(c);
}

static void test_asks(void **state) {
    (void)state;
    const char *text = NULL;
    assert_true(argv_asks(2, (const char *[]){"hvm-dm", "-version"}, &text));
    assert_non_null(strstr(text, "hvm-dm"));
    assert_true(argv_asks(2, (const char *[]){"hvm-dm", "--help"}, &text));
    /* a guest may be called so */
    assert_false(argv_asks(3, (const char *[]){"hvm-dm", "-name", "-version"}, &text));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_commas),
        cmocka_unit_test(test_getters), cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
