/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pictures in files: what is written is read back, PNG by libpng itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <png.h>

#include "core/display.h"
#include "picture.h"

enum { WIDTH = 5, HEIGHT = 3, STRIDE = 8 };

static uint32_t pixels[STRIDE * HEIGHT];
static unsigned watches;

static void refresh(void *dev, struct display *d, bool whole) {
    (void)dev;
    assert_true(whole);
    assert_int_equal(d->watchers, 1);
    for (unsigned i = 0; i < STRIDE * HEIGHT; i++)
        pixels[i] = 0xff102030 + i * 0x010305;
}

static void watched(void *dev, bool watch) {
    (void)dev;
    watches += watch ? 1 : 16;
}

static struct display display = {.refresh = refresh, .watched = watched, .width = WIDTH,
                                 .height = HEIGHT, .stride = STRIDE, .pixels = pixels};

static void expect_rgb(const uint8_t *rgb) {
    for (unsigned y = 0; y < HEIGHT; y++)
        for (unsigned x = 0; x < WIDTH; x++, rgb += 3) {
            uint32_t p = pixels[y * STRIDE + x];
            assert_int_equal(rgb[0] << 16 | rgb[1] << 8 | rgb[2], p & 0xffffff);
        }
}

static void png_reads_back(void **state) {
    (void)state;
    FILE *file = tmpfile();
    char why[200] = "";
    watches = 0;
    assert_true(picture_png(fileno(file), &display, why, sizeof(why)));
    assert_int_equal(watches, 17);
    rewind(file);
    uint8_t head[8], rgb[WIDTH * HEIGHT * 3];
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    assert_int_equal(fread(head, 1, 8, file), 8);
    assert_memory_equal(head, signature, 8);
    rewind(file);
    void *lib = dlopen("libpng16.so.16", RTLD_NOW);
    assert_non_null(lib);
    int (*begin)(png_imagep, FILE *) =
        (int (*)(png_imagep, FILE *))dlsym(lib, "png_image_begin_read_from_stdio");
    int (*finish)(png_imagep, png_const_colorp, void *, png_int_32, void *) =
        (int (*)(png_imagep, png_const_colorp, void *, png_int_32, void *))dlsym(
            lib, "png_image_finish_read");
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(begin(&image, file));
    assert_int_equal(image.width, WIDTH);
    assert_int_equal(image.height, HEIGHT);
    image.format = PNG_FORMAT_RGB;
    assert_true(finish(&image, NULL, rgb, 0, NULL));
    expect_rgb(rgb);
    fclose(file);
}

static void ppm_is_plain(void **state) {
    (void)state;
    FILE *file = tmpfile();
    char why[200] = "", head[11];
    uint8_t rgb[WIDTH * HEIGHT * 3];
    assert_true(picture_ppm(fileno(file), &display, why, sizeof(why)));
    rewind(file);
    assert_int_equal(fread(head, 1, 11, file), 11);
    assert_memory_equal(head, "P6\n5 3\n255\n", 11);
    assert_int_equal(fread(rgb, 1, sizeof(rgb), file), sizeof(rgb));
    expect_rgb(rgb);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
}

static void a_full_disk_is_told(void **state) {
    (void)state;
    int fd = open("/dev/full", O_WRONLY);
    char why[200] = "";
    assert_false(picture_png(fd, &display, why, sizeof(why)));
    assert_non_null(strstr(why, "No space left"));
    close(fd);
}

static void no_picture_without_a_surface(void **state) {
    (void)state;
    char why[200] = "";
    struct display none = display;
    none.pixels = NULL;
    assert_false(picture_ppm(1, &none, why, sizeof(why)));
    assert_non_null(strstr(why, "5 x 3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_reads_back), cmocka_unit_test(ppm_is_plain),
        cmocka_unit_test(a_full_disk_is_told), cmocka_unit_test(no_picture_without_a_surface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
