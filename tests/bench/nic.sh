#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/bench/nic.sh [MODEL [MIB]]   an emulated card with QEMU and with build/hvm-dm, one after the other on this
#                                    machine: ms and dom0's CPU ticks of the device model, both ways
set -eu
cd "$(dirname "$0")/../.."
for dm in qemu hvm-dm; do
    tools/lab run nic-speed --dm $dm --out out/bench-nic/$dm --env "MODEL=${1:-rtl8139}" --env "MIB=${2:-8}" >&2
done
awk '{ file = FILENAME; sub(/\/nic-speed.*/, "", file); sub(/.*\//, "", file)
       printf "%-8s %-12s %8.0f KiB/s %8.1f ticks/MiB\n", file, $1, $2 * 1024000 / $4, $6 / $2 }' \
    out/bench-nic/qemu/nic-speed/speed.txt out/bench-nic/hvm-dm/nic-speed/speed.txt
