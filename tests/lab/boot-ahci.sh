# SPDX-License-Identifier: GPL-2.0-or-later
# needs: disk iso
# hdtype="ahci": the BIOS boots from port 0, Linux' ahci driver uses queued commands, files stay, TRIM
# and flush are taken; the CD-ROM is on the IDE, as libxl has it. A guest with PV drivers takes the AHCI
# disks away as it does IDE ones, and goes on with the same images.

scenario() {
    local id scratch=$LAB_WORK/scratch.img
    truncate -s 64M $scratch
    guest_cfg 'hdtype = "ahci"' \
        "disk = [ $(hd hda $(guest_disk)), $(hd hdb $scratch), $(cd_rom hdc $(guest_iso)) ]"
    guest_create
    wait_for_console "GNU GRUB" 120
    wait_for_console GUEST-READY
    shell_ready
    id=$(domid)
    note "userspace after $SECONDS s; dm: $(dm_stats)"
    guest_run 'dmesg | grep -E "ahci|ata[0-9]" | tail -n 30' 60 || true
    guest_run 'dmesg | grep -q "AHCI 0001.0200 32 slots 6 ports"' 60 || fail "no AHCI controller"
    guest_run 'dmesg | grep -q "NCQ (depth 32"' 60 || fail "the disk queues nothing"
    note "depth: $(guest_run 'cat /sys/block/sda/device/queue_depth /sys/block/sdb/device/queue_depth' 60 | tr '\n' ' ')"
    [ $(guest_run "cat /sys/block/sr0/size" 60) -gt 0 ] || fail "no CD-ROM"

    guest_run 'mount -t ext2 /dev/sda1 /mnt && dd if=/dev/urandom of=/mnt/new bs=64k count=64 2>/dev/null' 120
    guest_run 'md5sum </mnt/new >/tmp/sum; umount /mnt && echo 3 >/proc/sys/vm/drop_caches' 120
    guest_run 'mount -t ext2 /dev/sda1 /mnt && md5sum </mnt/new | cmp - /tmp/sum && umount /mnt' 120 ||
        fail "the disk does not keep what was written"
    # many at once
    guest_run '(for i in 0 1 2 3 4 5 6 7; do dd if=/dev/urandom of=/dev/sdb bs=64k count=16 seek=$((i*32)) \
        oflag=direct 2>/dev/null & done; wait); md5sum </dev/sdb >/tmp/b; echo 3 >/proc/sys/vm/drop_caches
        (for i in 0 1 2 3; do md5sum </dev/sdb >/tmp/b$i & done; wait)
        cmp /tmp/b /tmp/b0 && cmp /tmp/b /tmp/b1 && cmp /tmp/b /tmp/b2 && cmp /tmp/b /tmp/b3' 240 ||
        fail "reads at once differ"
    [ $(stat -c %b $scratch) -gt 16000 ] || fail "the scratch disk holds only $(stat -c %b $scratch) blocks"
    guest_run 'blkdiscard /dev/sdb' 60 || fail "TRIM is refused"
    [ $(stat -c %b $scratch) -lt 1000 ] || fail "TRIM does not reach the image"
    guest_run 'sync; ! dmesg | grep -E "ata[0-9.]+: .*(exception|failed|error)"' 60 || fail "the driver complains"
    note "blocks of the scratch disk after TRIM: $(stat -c %b $scratch); dm: $(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60

    guest_cfg 'hdtype = "ahci"' 'boot = "c"' \
        "disk = [ $(hd hda $(guest_disk "$SERIAL_ARGS guest.skip=bochs,cirrus")), $(hd hdb $scratch) ]"
    guest_boot
    id=$(domid)
    guest_run '[ -b /dev/xvda1 ] && [ -b /dev/xvdb ] && [ ! -e /dev/sda ]' 60 ||
        fail "the AHCI disks did not make room for the PV disks"
    guest_run 'dmesg | grep -q "ata1: SATA link down"' 60 || fail "something is on port 0 still"
    guest_run 'dd if=/dev/xvdb of=/dev/null bs=1M 2>/dev/null' 120 || fail "the PV disk can't be read"
    guest_type "poweroff -f"
    expect_gone $id 60
}
