/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's end of a PS/2 cable: two queues. A real device drops or repeats a report that a
 * command interrupts; here the report waits and the answer goes first. See ps2.h.
 */
#include "pc/ps2.h"

/* Real keyboards keep 16 bytes; people paste text through viewers, so there is room for more. */
enum { REPORTS = FIFO_LEN, ANSWERS = 32 };

const struct field ps2_line_fields[] = {
    F_STRUCT(struct ps2_line, answers, fifo_fields),
    F_STRUCT(struct ps2_line, reports, fifo_fields),
    F(struct ps2_line, last),
    F_END,
};

void ps2_line_reset(struct ps2_line *line) {
    fifo_reset(&line->answers);
    fifo_reset(&line->reports);
    line->last = 0;
}

bool ps2_report(struct ps2_line *line, const uint8_t *bytes, unsigned n) {
    if (line->reports.count + n > REPORTS)
        return false;
    for (unsigned i = 0; i < n; i++)
        fifo_put(&line->reports, REPORTS, bytes[i]);
    line->changed(line->arg);
    return true;
}

void ps2_answer(struct ps2_line *line, uint8_t byte) {
    fifo_put(&line->answers, ANSWERS, byte);
}

bool ps2_pending(const struct ps2_line *line, bool *answer) {
    *answer = line->answers.count != 0;
    return line->answers.count || line->reports.count;
}

uint8_t ps2_fetch(struct ps2_line *line) {
    line->last = fifo_get(line->answers.count ? &line->answers : &line->reports);
    return line->last;
}
