# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Linux' driver on xl's default card: pings, TCP both ways, promiscuous, the cable pulled; hand-over to the PV driver.
. "$(dirname "${BASH_SOURCE[0]}")/nics.sh"

scenario() { nic_scenario rtl8139 8139cp; }
