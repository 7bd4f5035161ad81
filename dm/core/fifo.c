/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fifo's state. See fifo.h.
 */
#include "fifo.h"


const struct field fifo_fields[] = {
    F_MAX(struct fifo, count, FIFO_LEN), F(struct fifo, head), F_BYTES(struct fifo, bytes), F_END};
