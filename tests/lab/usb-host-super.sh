# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel disk
# outer: -device qemu-xhci,id=x
# outer: -drive if=none,id=fast,format=raw,snapshot=on,file=$FILES/guest.img
# outer: -device usb-storage,id=faststick,bus=x.0,port=1,drive=fast
# A SuperSpeed disk of dom0 on the guest's xHCI controller.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() { stick_of_dom0 5000; }
