# SPDX-License-Identifier: GPL-2.0-or-later
# needs: iso
# An IDE disk and a CD under Linux's own drivers: what is read and written is what the images hold, by bus master
# and by PIO; a disc is taken out and another put in while the guest runs.

# Drivers anew, with libata told which transfers it may use.
reload_libata() {
    guest_run "rmmod ata_piix ata_generic libata; modprobe libata dma=$1 && modprobe ata_piix && sleep 2 && ls /dev/sda" 120
}

sum_of() { md5sum <"$1" | cut -d ' ' -f 1; }

guest_sum() { guest_run "md5sum <$1 | cut -d ' ' -f 1" 120 | tail -n 1; }

# guest_copies WHAT: the guest reads the whole disk, writes a part of it, and the image agrees.
guest_copies() {
    [ "$(guest_sum /dev/sda)" = "$(sum_of data.img)" ] || fail "$1: the disk reads as something else"
    guest_run "dd if=/dev/urandom of=/tmp/r bs=4k count=100 && dd if=/tmp/r of=/dev/sda bs=4k seek=50 conv=fsync" 120
    local want=$(guest_sum /tmp/r)
    dd if=data.img bs=4k skip=50 count=100 of=part.img status=none
    [ "$(sum_of part.img)" = "$want" ] || fail "$1: what the guest wrote and flushed is not in the image"
    note "$1: $(guest_run "dmesg | grep -i 'ata.*: configured for' | tail -n 2" | tr '\n' ' ')"
}

scenario() {
    dd if=/dev/urandom of=data.img bs=1M count=4 status=none
    dd if=/dev/urandom of=other.iso bs=2k count=300 status=none
    guest_cfg "disk = [ 'format=raw,vdev=hda,access=rw,backendtype=qdisk,target=$PWD/data.img',
                        'format=raw,vdev=hdc,access=ro,devtype=cdrom,target=$(guest_iso)' ]" 'boot = "d"'
    guest_boot
    note "$(guest_run 'dmesg | grep -i "ata[0-9].*ATA" | head -n 4')"
    guest_copies "bus master"
    reload_libata 0
    guest_copies "PIO"
    reload_libata 7

    xl cd-eject guest hdc || fail "cd-eject: exit $?"
    guest_run 'sleep 3; ! dd if=/dev/sr0 of=/dev/null bs=2k count=1 2>/dev/null' || fail "the ejected disc can be read"
    xl cd-insert guest hdc $PWD/other.iso || fail "cd-insert: exit $?"
    [ "$(guest_sum /dev/sr0)" = "$(sum_of other.iso)" ] || fail "the new disc reads as something else"
    note "$(dm_stats)"
    note "$(guest_run 'dmesg | grep -i -E "ata[0-9].*(error|exception|failed|timeout)" | tail -n 5; true')"
}
