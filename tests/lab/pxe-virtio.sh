# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Network boot by the virtio-net card's ROM, over HTTP.
. "$(dirname "${BASH_SOURCE[0]}")/pxes.sh"

scenario() { pxe_scenario virtio-net http; }
