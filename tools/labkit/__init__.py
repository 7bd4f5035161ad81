# SPDX-License-Identifier: GPL-2.0-or-later
"""What tools/lab, tools/guest-iso and tools/guest-disk are made of."""
