# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Emulated disks by PIO and by bus-master DMA: what the guest reads and writes has the right checksum
# on both sides.

scenario() {
    head -c 16777216 /dev/urandom >a.img
    head -c 16777216 /dev/zero >b.img
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=bochs,cirrus,ata_piix,ata_generic")" \
        "disk = [ $(hd hda $PWD/a.img), $(hd hdb $PWD/b.img) ]"
    guest_boot
    attach 0 PIO
    copies 1
    guest_run 'rmmod sd_mod ata_piix libata' || fail "the driver does not go"
    attach 1 DMA
    copies 8
}

# attach 0|1 MODE: loads the driver with DMA off or on.
attach() {
    local mode
    guest_run "modprobe libata dma=$1 && modprobe ata_piix && modprobe sd_mod && sleep 2" 120
    guest_run "ls /dev/sda /dev/sdb" >/dev/null || fail "no disks"
    mode=$(guest_run 'cat /sys/class/ata_device/*/xfer_mode | head -n 1')
    [[ $mode == *$2* ]] || fail "expected $2, the guest says $mode"
    note "$mode"
}

# copies MEGABYTES: the guest copies that much from hda to hdb, elsewhere and in odd sizes.
copies() {
    local bytes=$(($1 << 20)) offset=$((3 * 77 * 1024)) seen
    seen=$(guest_run "dd if=/dev/sda bs=1M count=$1 iflag=direct 2>/dev/null | md5sum" 180)
    [ "$seen" = "$(head -c $bytes a.img | md5sum)" ] || fail "read: $seen"
    guest_run "dd if=/dev/sda of=/dev/sdb bs=77k count=$((bytes / 77 / 1024)) seek=3 oflag=direct" 180 ||
        fail "writing failed"
    bytes=$((bytes / 77 / 1024 * 77 * 1024))
    [ "$(tail -c +$((offset + 1)) b.img | head -c $bytes | md5sum)" = "$(head -c $bytes a.img | md5sum)" ] ||
        fail "what was written is not in the image"
    note "$1 MiB read and written, $SECONDS s; dm: $(dm_stats)"
}
