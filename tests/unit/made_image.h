/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of image formats share: an image made byte by byte, opened over fixture_file, and
 * requests to it. Who includes this says MADE_NAME, the image's name, MADE_OPEN, the function that
 * opens it, and MADE_SIZE and MADE_MAX, the file's bytes at first and at most.
 */
#ifndef TESTS_UNIT_MADE_IMAGE_H
#define TESTS_UNIT_MADE_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/log.h"
#include "fixture_file.h"
#include "image_priv.h"
#include "loop.h"

static struct loop *loop;
static uint8_t image[MADE_SIZE];
static struct fixture_file *file;
static char why[512], last_line[512];
static struct image_options options;

static void keep_line(enum log_level level, const char *line) {
    (void)level;
    snprintf(last_line, sizeof(last_line), "%s", line);
}

static void made_setup(const char *format) {
    loop = loop_new();
    log_to(keep_line, LOG_LEVEL_INFO);
    options = (struct image_options){.format = format};
    last_line[0] = 0;
    memset(image, 0, sizeof(image));
}

static int teardown(void **unused) {
    (void)unused;
    loop_free(loop);
    log_to(NULL, LOG_LEVEL_INFO);
    return 0;
}

static struct block *try_open(void) {
    file = fixture_file_new(loop, image, sizeof(image), MADE_MAX, options.read_only);
    struct block *block = MADE_OPEN(loop, &file->block, MADE_NAME, &options, why, sizeof(why));
    if (!block)
        block_put(&file->block);
    return block;
}

static struct block *open_image(void) {
    struct block *block = try_open();
    if (!block)
        fail_msg("%s", why);
    return block;
}

static void refused(const char *sentence) {
    assert_null(try_open());
    if (!strstr(why, sentence) || !strstr(why, MADE_NAME))
        fail_msg("'%s' does not say '%s'", why, sentence);
}

static void done(struct block_req *req, int err) {
    *(int *)req->owner = err;
}

static int request(struct block *block, enum block_op op, uint64_t offset, void *buf, size_t len) {
    int err = -1;
    struct iovec iov = {buf, len};
    struct block_req req = {.op = op, .offset = offset, .len = len, .iov = &iov, .niov = 1,
                            .done = done, .owner = &err};
    block_submit(block, &req);
    assert_int_equal(err, -1); /* never from inside submit */
    for (unsigned i = 0; err == -1 && i < 10000; i++)
        loop_once(loop, NULL, NS_PER_SEC);
    return err;
}

static void reads(struct block *block, uint64_t offset, uint8_t value) {
    uint8_t buf[512];
    assert_int_equal(request(block, BLOCK_READ, offset, buf, 512), 0);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(buf[i], value);
}

static int writes(struct block *block, uint64_t offset, uint8_t value, size_t len) {
    uint8_t *buf = malloc(len);
    memset(buf, value, len);
    int err = request(block, BLOCK_WRITE, offset, buf, len);
    free(buf);
    return err;
}

#endif
