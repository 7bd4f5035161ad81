# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel disk
# outer: -device usb-ehci,id=e
# outer: -drive if=none,id=fast,format=raw,snapshot=on,file=$FILES/guest.img
# outer: -device usb-storage,id=faststick,bus=e.0,port=1,drive=fast
# A high-speed disk of dom0 on the guest's xHCI controller.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() { stick_of_dom0 480; }
