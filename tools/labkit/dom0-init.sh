#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# dom0's init: makes a Xen host out of the initramfs, then hands over to the job that the host left in /lab/in.
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=linux

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=0666 devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs -o size=90% tmp /tmp
mkdir -p /run/xen /run/xenstored /run/lock /run/lab
modprobe -a $(cat /etc/modules)
mount -t xenfs xenfs /proc/xen

# version 9p2000.L without cache: what a scenario writes is on the host at once, also when dom0 dies after it.
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro in /lab/in
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none out /lab/out

ip link set lo up    # or no VNC listener can bind 127.0.0.1
oxenstored --pid-file /run/xen/xenstored.pid
xen-init-dom0 >/dev/null
xenconsoled --pid-file=/run/xen/xenconsoled.pid
ip link add xenbr0 type bridge
ip link set xenbr0 up

exec setsid -c sh /lab/in/job </dev/hvc1 >/dev/hvc1 2>&1
