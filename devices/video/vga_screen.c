/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From registers to a picture: makes draw.h's snapshot of a VGA (IBM PS/2 Video Subsystem Technical
 * Reference, 1992, chapter 2: CRT and attribute controllers) and keeps the display's surface up to
 * date, drawing only what the guest has changed. Blinking goes by the clock, at the pace of a 60 Hz
 * screen with the cursor's period doubled, which viewers over a network are thankful for.
 *
 * What a guest writes by itself, through the linear framebuffer, is asked for where there are
 * pixels, in the VGA's own modes too; each time costs the guest a pause. The characters of a text
 * and their fonts are compared with those drawn.
 */
#include "video/vga.h"

#include "core/bits.h"
#include "core/mem.h"

enum {
    CURSOR_HALF_MS = 266, BLINK_HALF_MS = 533, BLANK_WIDTH = 720, BLANK_HEIGHT = 400,
    LEAST = 64, /* a side of a VGA's picture that is meant to be one */
    VGA_MASK = 0x3ffff, /* four planes of 64 KiB */
    CURSOR_OFF = 0x20,
};

/* ---- colours ---- */

static uint32_t rgb(const struct vga *vga, unsigned index) {
    const uint8_t *c = &vga->palette[index * 3];
    if (vga->dac8)
        return (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];
    uint32_t r = c[0] & 0x3f, g = c[1] & 0x3f, b = c[2] & 0x3f;
    return (r << 2 | r >> 4) << 16 | (g << 2 | g >> 4) << 8 | (b << 2 | b >> 4);
}

void vga_palette16(const struct vga *vga, uint32_t *palette) {
    uint8_t select = vga->ar[AR_COLOR_SELECT];
    for (unsigned i = 0; i < 16; i++) {
        unsigned v = vga->ar[i & vga->ar[AR_PLANE_ENABLE] & 15] & 0x3f;
        if (vga->ar[AR_MODE] & AR_MODE_SELECT)
            v = (v & 0x0f) | (select & 3u) << 4;
        v |= (select & 0x0cu) << 4;
        palette[i] = rgb(vga, v & vga->pel_mask);
    }
}

void vga_palette256(const struct vga *vga, uint32_t *palette) {
    for (unsigned i = 0; i < 256; i++)
        palette[i] = rgb(vga, i & vga->pel_mask);
}

/* ---- the snapshot ---- */

static unsigned dots_of_cell(const struct vga *vga) {
    return vga->seq[SEQ_CLOCK] & SEQ_CLOCK_8DOT ? 8 : 9;
}

/* Character map select: bits 1:0 count 16 KiB, bit 2 adds 8. */
static uint32_t font_address(unsigned select) {
    return (select & 3) * 0x4000 + (select & 4 ? 0x2000 : 0);
}

static void text_mode(const struct vga *vga, struct draw *d) {
    uint8_t font = vga->seq[SEQ_FONT], pan = vga->ar[AR_PAN];
    d->kind = DRAW_TEXT;
    d->cell_width = dots_of_cell(vga);
    d->font[0] = font_address((font & 3u) | (font >> 2 & 4));
    d->font[1] = font_address((font >> 2 & 3u) | (font >> 3 & 4));
    d->line_graphics = vga->ar[AR_MODE] & AR_MODE_LINE_GRAPHICS;
    d->blink = vga->ar[AR_MODE] & AR_MODE_BLINK;
    d->underline = vga->cr[CR_UNDERLINE] & 0x1f;
    /* with nine dots a value of 8 is no panning, and 0 one pixel */
    d->pan = d->cell_width == 8 ? pan & 7u : pan >= 8 ? 0 : pan + 1u;
    vga_palette16(vga, d->palette);
}

static void graphics_mode(const struct vga *vga, struct draw *d) {
    uint8_t mode = vga->gr[GR_MODE];
    bool words = !(vga->cr[CR_MODE] & 0x40);
    d->pan = vga->ar[AR_PAN] & 7;
    for (unsigned i = 0; i < 2; i++)
        if (!(vga->cr[CR_MODE] & 1u << i))
            d->row_bit[i] = UINT32_C(1) << ((words ? 14 : 15) + i);
    if (mode & GR_MODE_256) {
        d->kind = DRAW_INDEX8;
        d->hscale = 2;
        d->pan >>= 1;
        vga_palette256(vga, d->palette);
        return;
    }
    d->kind = mode & GR_MODE_CGA ? DRAW_CGA : DRAW_PLANAR;
    vga_palette16(vga, d->palette);
}

static void vga_mode(const struct vga *vga, struct draw *d) {
    uint8_t overflow = vga->cr[CR_OVERFLOW], max_scan = vga->cr[CR_MAX_SCAN];
    unsigned chars = vga->cr[CR_HDISPLAY] + 1u;
    d->hscale = 1;
    if (vga->gr[GR_MISC] & GR_MISC_GRAPHICS)
        graphics_mode(vga, d);
    else
        text_mode(vga, d);
    d->width = chars * (d->kind == DRAW_TEXT ? d->cell_width : 8);
    if (vga->seq[SEQ_CLOCK] & SEQ_CLOCK_HALF && d->kind != DRAW_INDEX8) {
        d->hscale = 2;
        d->width *= 2;
    }
    d->height = (vga->cr[CR_VDISPLAY] | (overflow & 2u) << 7 | (overflow & 0x40u) << 3) + 1;
    d->mask = VGA_MASK & vga->mask;
    d->start = (vga->cr[CR_START_HIGH] << 8 | vga->cr[CR_START_LOW]) +
               (vga->cr[CR_PRESET_SCAN] >> 5 & 3u);
    d->start *= 4;
    d->pitch = vga->cr[CR_OFFSET] * 8u;
    d->row_scans = (max_scan & 0x1fu) + 1;
    d->scan_shift = max_scan >> 7;
    d->preset_scan = vga->cr[CR_PRESET_SCAN] & 0x1f;
    d->split = (vga->cr[CR_LINE_COMPARE] | (overflow & 0x10u) << 4 | (max_scan & 0x40u) << 3) + 1;
    d->split_pan = vga->ar[AR_MODE] & AR_MODE_PAN_SPLIT ? 0 : d->pan;
}

static void cursor_phase(const struct vga *vga, struct draw *d) {
    uint64_t ms = clock_now(vga->clock) / NS_PER_MS;
    uint8_t start = vga->cr[CR_CURSOR_START];
    d->blink_off = d->blink && ms / BLINK_HALF_MS % 2;
    d->cursor_top = start & 0x1f;
    d->cursor_bottom = vga->cr[CR_CURSOR_END] & 0x1f;
    d->cursor = ((uint32_t)(vga->cr[CR_CURSOR_HIGH] << 8 | vga->cr[CR_CURSOR_LOW]) * 4) & d->mask;
    d->cursor_on = !(start & CURSOR_OFF) && ms / CURSOR_HALF_MS % 2 == 0;
}

/* Until a text's picture changes by itself. */
static unsigned blink_ms(const struct vga *vga, const struct draw *d) {
    uint64_t ms = clock_now(vga->clock) / NS_PER_MS;
    if (d->kind != DRAW_TEXT)
        return 0;
    if (!(vga->cr[CR_CURSOR_START] & CURSOR_OFF))
        return CURSOR_HALF_MS - (unsigned)(ms % CURSOR_HALF_MS);
    return d->blink ? BLINK_HALF_MS - (unsigned)(ms % BLINK_HALF_MS) : 0;
}

static void snapshot(const struct vga *vga, struct draw *d) {
    memset(d, 0, sizeof(*d)); /* padding too: it is compared */
    d->vram = vga->vram->bytes;
    vga_mode(vga, d);
    if (vga->chip->mode)
        vga->chip->mode(vga->chip_dev, d);
    if (vga->display.cursor_apart)
        d->overlay_top = d->overlay_bottom = 0;
    /* SeaVGABIOS sets the screen-off bit in the extended modes of Cirrus chips and leaves it set */
    bool off = vga->seq[SEQ_CLOCK] & SEQ_CLOCK_OFF && !d->framebuffer;
    /* before the BIOS has set the CRT controller, and while it does */
    off |= (d->width < LEAST || d->height < LEAST) && !d->framebuffer;
    if (off || !(vga->ar_index & AR_INDEX_SHOW)) {
        d->kind = DRAW_BLANK;
        d->overlay_top = d->overlay_bottom = 0;
        memset(d->palette, 0, sizeof(d->palette));
        if (vga->display.pixels) { /* as large as what was there, so that viewers don't jump */
            d->width = vga->screen.drawn.width;
            d->height = vga->screen.drawn.height;
        } else if (d->width < 320 || d->height < 200) {
            d->width = BLANK_WIDTH;
            d->height = BLANK_HEIGHT;
        }
    }
    if (d->kind == DRAW_TEXT)
        cursor_phase(vga, d);
    if (d->hscale == 2)
        d->width &= ~1u;
    d->width = MIN(d->width, (unsigned)DRAW_MAX_WIDTH);
    d->height = MIN(d->height, (unsigned)DRAW_MAX_HEIGHT);
}

/* ---- what has to be drawn ---- */

static bool same_picture(const struct draw *a, const struct draw *b) {
    return memcmp(a, b, offsetof(struct draw, cursor_on)) == 0;
}

/* Adds to the bitmap which of the picture's pages the guest wrote by itself; false: take all. */
static bool fetch_dirty(struct vga *vga, const struct draw *d) {
    size_t pages = (vga->mask + 1) / VGA_PAGE, first = 0, last = pages;
    uint32_t len, top = draw_source(d, 0, &len), bottom = draw_source(d, d->height - 1, &len);
    if (bottom >= top && bottom + len <= d->mask + 1 && d->split >= d->height) {
        first = top / VGA_PAGE & ~(size_t)63;
        last = MIN(pages, ((bottom + len - 1) / VGA_PAGE | 63) + 1);
    }
    uint64_t *found = vga->screen.bitmap + pages / 64; /* its second half */
    vga->screen.tracking = true;
    memset(found, 0, (last - first) / 8);
    bool known = vga->engine->ops->vram_dirty(vga->engine, vga->vram, first, last - first, found);
    for (size_t i = 0; i < (last - first) / 64; i++)
        vga->screen.bitmap[first / 64 + i] |= found[i];
    return known;
}

static void stop_tracking(struct vga *vga) {
    if (vga->screen.tracking)
        vga->engine->ops->vram_dirty(vga->engine, vga->vram, 0, 0, vga->screen.bitmap);
    vga->screen.tracking = false;
}

static void forget_dirty(struct vga *vga) {
    memset(vga->screen.bitmap, 0, (vga->mask + 1) / VGA_PAGE / 8);
}

static bool line_dirty(const struct vga *vga, const struct draw *d, unsigned y) {
    uint32_t len, from = draw_source(d, y, &len);
    for (uint32_t at = from & ~(VGA_PAGE - 1u); at < from + len; at += VGA_PAGE)
        if (bitmap_get(vga->screen.bitmap, (at & d->mask) / VGA_PAGE))
            return true;
    return false;
}

static void draw_one(struct vga *vga, const struct draw *d, unsigned y) {
    uint32_t *line = vga->screen.pixels + (size_t)y * d->width;
    draw_line(d, y, line);
    if (vga->chip->overlay)
        vga->chip->overlay(vga->chip_dev, d, y, line);
}

static void draw_quietly(struct vga *vga, const struct draw *d, unsigned top, unsigned bottom) {
    for (unsigned y = top; vga->screen.pixels && y < bottom; y++)
        draw_one(vga, d, y);
    if (top < bottom)
        display_dirty(&vga->display, top, bottom);
}

static void draw_lines(struct vga *vga, const struct draw *d, unsigned top, unsigned bottom) {
    draw_quietly(vga, d, top, bottom);
    vga->display.drawn |= top < bottom;
}

static bool none_dirty(const struct vga *vga) {
    for (size_t i = 0; i < (vga->mask + 1) / VGA_PAGE / 64; i++)
        if (vga->screen.bitmap[i])
            return false;
    return true;
}

static void draw_dirty(struct vga *vga, const struct draw *d) {
    const struct draw *was = &vga->screen.drawn;
    bool overlay = d->overlay_top != was->overlay_top || d->overlay_key != was->overlay_key ||
                   d->overlay_bottom != was->overlay_bottom;
    unsigned from = d->height;
    if (!overlay && none_dirty(vga))
        return;
    for (unsigned y = 0; y < d->height; y++) {
        bool dirty = line_dirty(vga, d, y) ||
                     (overlay && ((y >= d->overlay_top && y < d->overlay_bottom) ||
                                  (y >= was->overlay_top && y < was->overlay_bottom)));
        if (dirty && from == d->height)
            from = y;
        if (!dirty && from != d->height) {
            draw_lines(vga, d, from, y);
            from = d->height;
        }
    }
    draw_lines(vga, d, from, d->height);
}

/* ---- text: by rows of characters, compared with what was drawn ---- */

static uint16_t cell_at(const struct draw *d, uint32_t row, unsigned column) {
    return load_le16(d->vram + ((row + 4 * column) & d->mask & ~3u));
}

enum row_state { ROW_SAME, ROW_BLINKS, ROW_CHANGED };

/* Whether the row's cells differ from those drawn, which then become these. */
static enum row_state look_at_row(struct vga *vga, const struct draw *d, unsigned row,
                                  unsigned columns) {
    uint32_t len, from = draw_source(d, row * (d->row_scans << d->scan_shift), &len);
    uint16_t *cells = vga->screen.cells + row * columns;
    const struct draw *was = &vga->screen.drawn;
    bool changed = false, phase = false, blinks = d->blink && d->blink_off != was->blink_off;
    bool moved = d->cursor != was->cursor || d->cursor_on != was->cursor_on ||
                 d->cursor_top != was->cursor_top || d->cursor_bottom != was->cursor_bottom;
    for (unsigned i = 0; i < columns; i++) {
        uint16_t cell = cell_at(d, from, i);
        changed |= cells[i] != cell;
        phase |= blinks && cell & 0x8000;
        cells[i] = cell;
        uint32_t at = (from + 4 * i) & d->mask;
        phase |= moved && ((d->cursor_on && at == d->cursor) ||
                           (was->cursor_on && at == was->cursor));
    }
    return changed ? ROW_CHANGED : phase ? ROW_BLINKS : ROW_SAME;
}

/* Whether a font differs from the one drawn, which then becomes this. */
static bool look_at_fonts(struct vga *vga, const struct draw *d) {
    const uint64_t plane2 = UINT64_C(0x00ff000000ff0000); /* of two lines of a character */
    uint64_t differs = 0;
    for (unsigned f = 0; f < 2 && !(f && d->font[1] == d->font[0]); f++) {
        const uint8_t *font = d->vram + d->font[f] * 4;
        uint64_t *drawn = vga->screen.fonts[f];
        for (unsigned i = 0; i < VGA_FONT / 8; i++) {
            uint64_t lines = load_le64(font + 8 * i);
            differs |= lines ^ drawn[i];
            drawn[i] = lines;
        }
    }
    return differs & plane2;
}

/* True when rows of the screen are whole rows of memory, so that they can be told apart. */
static bool text_is_simple(const struct draw *d) {
    return d->split >= d->height && !d->preset_scan && !d->pan;
}

static void draw_text(struct vga *vga, const struct draw *d, bool all) {
    unsigned scans = d->row_scans << d->scan_shift;
    unsigned columns = d->width / (d->cell_width * d->hscale);
    unsigned rows = (d->height + scans - 1) / scans;
    if (!text_is_simple(d) || columns * rows > vga->screen.cell_count) {
        draw_lines(vga, d, 0, d->height);
        return;
    }
    all |= look_at_fonts(vga, d);
    for (unsigned row = 0; row < rows; row++) {
        enum row_state state = look_at_row(vga, d, row, columns);
        unsigned top = row * scans, bottom = MIN((row + 1) * scans, d->height);
        if (state == ROW_CHANGED || all)
            draw_lines(vga, d, top, bottom);
        else if (state == ROW_BLINKS)
            draw_quietly(vga, d, top, bottom);
    }
}

/* ---- the surface ---- */

static void drop_surface(struct vga *vga) {
    mem_free(vga->screen.pixels);
    mem_free(vga->screen.cells);
    vga->screen.pixels = NULL;
    vga->screen.cells = NULL;
    vga->screen.cell_count = 0;
    vga->display.pixels = NULL;
}

/* Whether video memory holds the picture just as a surface would. */
static bool is_surface(const struct vga *vga, const struct draw *d) {
    uint64_t end = d->start + (uint64_t)d->pitch * (d->height - 1) + d->width * 4ull;
    bool lines = d->row_scans == 1 && !d->scan_shift && !d->preset_scan && !d->row_bit[0] &&
                 !d->row_bit[1] && d->split >= d->height;
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && d->kind == DRAW_RGB32 && lines &&
           d->hscale == 1 && !d->pan && d->start % 4 == 0 && d->pitch % 4 == 0 &&
           end <= (uint64_t)d->mask + 1 && d->overlay_top == d->overlay_bottom && vga->vram->bytes;
}

/* Shows video memory itself: nothing is drawn, nothing is copied. */
static void show_memory(struct vga *vga, const struct draw *d) {
    struct display *display = &vga->display;
    if (display->width != d->width || display->height != d->height || vga->screen.pixels)
        drop_surface(vga);
    display->resized |= !display->pixels;
    display->pixels = (uint32_t *)(void *)(vga->vram->bytes + d->start);
    display->width = d->width;
    display->height = d->height;
    display->stride = d->pitch / 4;
}

/* Makes the surface fit the picture. False: no memory for one of that size. */
static bool fit_surface(struct vga *vga, const struct draw *d) {
    struct display *display = &vga->display;
    if (is_surface(vga, d)) {
        show_memory(vga, d);
        return true;
    }
    if (vga->screen.pixels && display->width == d->width && display->height == d->height)
        return true;
    drop_surface(vga);
    vga->screen.pixels = mem_try((size_t)d->width * d->height * sizeof(uint32_t));
    display->pixels = vga->screen.pixels;
    display->resized = true;
    display->width = display->stride = d->width;
    display->height = d->height;
    display->dirty_top = display->dirty_bottom = 0;
    return vga->screen.pixels;
}

static void fit_cells(struct vga *vga, const struct draw *d) {
    unsigned scans = d->row_scans << d->scan_shift;
    unsigned count = d->width / (d->cell_width * d->hscale) * ((d->height + scans - 1) / scans);
    if (count <= vga->screen.cell_count)
        return;
    mem_free(vga->screen.cells);
    vga->screen.cells = mem_try(count * sizeof(uint16_t));
    vga->screen.cell_count = vga->screen.cells ? count : 0;
}

static void refresh(void *dev, struct display *display, bool whole) {
    struct vga *vga = dev;
    (void)display;
    struct draw d;
    snapshot(vga, &d);
    bool all = whole || vga->screen.stale || !vga->display.watchers || !vga->display.pixels ||
               !same_picture(&d, &vga->screen.drawn) ||
               is_surface(vga, &d) != !vga->screen.pixels;
    if (!fit_surface(vga, &d)) {
        vga->screen.stale = true;
        return;
    }
    bool pixels = d.kind != DRAW_TEXT && d.kind != DRAW_BLANK;
    if (!pixels)
        stop_tracking(vga);
    if (d.kind == DRAW_TEXT) {
        fit_cells(vga, &d);
        draw_text(vga, &d, all);
    } else {
        if (pixels && vga->display.watchers)
            all |= !fetch_dirty(vga, &d);
        if (all)
            draw_lines(vga, &d, 0, d.height);
        else
            draw_dirty(vga, &d);
    }
    forget_dirty(vga);
    vga->display.blink_ms = blink_ms(vga, &d);
    vga->display.quiet = true;
    vga->screen.drawn = d;
    vga->screen.stale = false;
}

static void watched(void *dev, bool watch) {
    struct vga *vga = dev;
    if (watch) {
        vga->screen.stale = true;
        return;
    }
    stop_tracking(vga);
    drop_surface(vga);
}

static bool cursor(void *dev, struct display_cursor *to) {
    struct vga *vga = dev;
    return vga->ar_index & AR_INDEX_SHOW && vga->chip->cursor(vga->chip_dev, to);
}

void vga_screen_init(struct vga *vga) {
    /* what changed, and behind it room for what the engine says */
    vga->screen.bitmap = mem_new(2 * ((vga->mask + 1) / VGA_PAGE / 8));
    vga->display = (struct display){.dev = vga, .refresh = refresh, .watched = watched,
                                    .cursor = vga->chip->cursor ? cursor : NULL};
}

void vga_screen_done(struct vga *vga) {
    drop_surface(vga);
    mem_free(vga->screen.bitmap);
}
