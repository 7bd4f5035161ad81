/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All chips that the laws and the fuzzer go through, by folder.
 */
#include "fixture.h"

const struct specimen *const specimen_lists[] = {NULL};
