# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel dom0
# A guest whose disk another guest serves: `xl devd` there starts the device model for it. The driver domain is dom0's
# own system as a PVH guest, with the device model where libxl has QEMU's path built in, for devd knows no other.

scenario() {
    local driver id sum
    GUEST_TTY=console/tty
    driver_domain
    xl create -q driver.cfg || fail "xl create driver"
    driver=$(xl domid driver)
    cat $(xenstore-read /local/domain/$driver/console/tty) >$LAB_RESULTS/driver.log 2>/dev/null &
    until_true 120 driver_says ready || fail "the driver domain does not come up"
    sum=$(xenstore-read /local/domain/$driver/data/sum)
    note "the driver domain is up"
    pv_cfg pvh "'format=raw,vdev=xvda,access=rw,backend=driver,backendtype=qdisk,target=/data.img'"
    guest_boot
    id=$(domid)
    [ "$(xenstore-read /local/domain/$driver/backend/qdisk/$id/51712/state)" = 4 ] || fail "the disk is not connected"
    [ "$(xenstore-read /local/domain/$driver/device-model/$id/state)" = running ] || fail "no device model runs in the driver domain"
    [ "$(guest_run 'md5sum </dev/xvda' 120)" = "$sum  -" ] || fail "the guest reads something else than the image holds"
    guest_run 'dd if=/dev/xvda of=/dev/xvda bs=1M count=2 seek=4 conv=fsync 2>/dev/null' 120 || fail "writing"
    sum=$(guest_run 'md5sum </dev/xvda' 120)
    guest_type "poweroff -f"
    expect_gone $id 60
    until_true 30 no_backend $driver $id || fail "the backend's nodes stay"
    xenstore-write /local/domain/$driver/data/ask sum
    until_true 60 driver_says summed || fail "the driver domain does not answer"
    [ "$(xenstore-read /local/domain/$driver/data/sum)  -" = "$sum" ] || fail "what the guest wrote is not in the driver domain's image"
    note "served from a driver domain"
    xl destroy driver
}

driver_says() { [ "$(xenstore-read /local/domain/$(xl domid driver)/data/says 2>/dev/null)" = $1 ]; }

no_backend() { ! xenstore-exists /local/domain/$1/backend/qdisk/$2/51712; }

driver_domain() {
    local root=$LAB_WORK/driver program=usr/libexec/xen-qemu-system-i386
    mkdir -p $root/usr/libexec
    [ -d /lab/in/root ] && cp -r /lab/in/root/. $root/
    cp $DM $root/$program
    cat >$root/driver-init <<'INIT'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mkdir -p /run/xen /run/lock /var/log/xen /var/lib/xen
modprobe -a xenfs xen-gntdev xen-gntalloc xen-evtchn xen-privcmd
mount -t xenfs xenfs /proc/xen
dd if=/dev/urandom of=/data.img bs=1M count=8 status=none
sum() { xenstore-write data/sum "$(md5sum </data.img | cut -d ' ' -f 1)"; }
sum
xl devd -F &
sleep 2
xenstore-write data/says ready
until [ "$(xenstore-read data/ask 2>/dev/null)" = sum ]; do sleep 1; done
tail /var/log/xen/*.log
sum
xenstore-write data/says summed
while :; do sleep 100; done
INIT
    chmod +x $root/driver-init
    (cd $root && find . | busybox cpio -o -H newc 2>/dev/null) >$LAB_WORK/extra.cpio
    cat /lab/in/files/dom0.cpio $LAB_WORK/extra.cpio >$LAB_WORK/driver.img
    rm -r $root $LAB_WORK/extra.cpio
    cat >driver.cfg <<CFG
name = "driver"
type = "pvh"
driver_domain = 1
memory = 512
vcpus = 1
kernel = "/lab/in/files/vmlinuz"
ramdisk = "$LAB_WORK/driver.img"
cmdline = "console=hvc0 quiet rdinit=/driver-init"
CFG
}
