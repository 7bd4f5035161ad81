# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel nictool.c
# Network boot by the e1000's ROM, over TFTP.
. "$(dirname "${BASH_SOURCE[0]}")/pxes.sh"

scenario() { pxe_scenario e1000 tftp; }
