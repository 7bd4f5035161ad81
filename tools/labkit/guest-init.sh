#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The test guest's init: loads the modules that the hardware asks for, as any distribution's initramfs does, says
# GUEST-READY on the serial port, and leaves a shell there and on the screen. On the kernel's command line:
#   guest.skip=a,b    do not load these modules
#   guest.run=COMMAND a command to run first, with commas for spaces
# Later, `/init coldplug` does it again: for devices that came too late.
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=linux

# Each pass may bring up a bus with more devices on it.
load_modules() {
    seen=
    while found=$(find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u); [ "$found" != "$seen" ]; do
        modprobe -a -b -q $found 2>/dev/null
        seen=$found
    done
}
if [ "$1" = coldplug ]; then
    load_modules
    exit
fi

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmp /tmp

run=
for word in $(cat /proc/cmdline); do
    case $word in
    guest.skip=*) echo "${word#*=}" | tr , '\n' | sed 's/^/blacklist /' >/etc/modprobe.d/skip.conf ;;
    guest.run=*) run=$(echo "${word#*=}" | tr , ' ') ;;
    esac
done

load_modules

console=/dev/ttyS0
[ -c $console ] && stty -F $console >/dev/null 2>&1 || console=/dev/console
echo "GUEST-READY $(uname -r)" | tee $console /dev/tty0 >/dev/null
[ -n "$run" ] && $run <$console >$console 2>&1

(while :; do setsid -c sh -l </dev/tty1 >/dev/tty1 2>&1; done) &
while :; do
    setsid -c sh -l <$console >$console 2>&1
done
