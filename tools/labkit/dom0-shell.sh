# SPDX-License-Identifier: GPL-2.0-or-later
# tools/lab shell: relays a guest's VNC, its WebSocket and its serial console to the host, then a shell.
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
socat TCP-LISTEN:5999,fork,reuseaddr TCP:127.0.0.1:5900 2>/dev/null &
socat TCP-LISTEN:5799,fork,reuseaddr TCP:127.0.0.1:5700 2>/dev/null &
socat TCP-LISTEN:4555,fork,reuseaddr EXEC:'xl console -t serial guest',pty,raw,echo=0,stderr 2>/dev/null &
mkdir -p /tmp/shell
cd /tmp/shell
export LAB_WORK=/tmp/shell LAB_RESULTS=/lab/out LAB_SCENARIO=shell
cat <<TEXT

This is dom0. Files handed in: /lab/in/files; results: /lab/out. The device model is \$DM ($DM).
  . /lab/in/lab/lib.sh; guest_cfg "disk=['format=raw,vdev=hdc,access=ro,devtype=cdrom,target=\$(guest_iso)']"
  echo 'vnclisten = "127.0.0.1:0,websocket=on"' >>guest.cfg      # for tools/browse
  xl create guest.cfg; xl console -t serial guest
TEXT
bash -i
