# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Network boot by the rtl8139's ROM, over HTTP.
. "$(dirname "${BASH_SOURCE[0]}")/pxes.sh"

scenario() { pxe_scenario rtl8139 http; }
