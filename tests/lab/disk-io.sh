# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Emulated disks by PIO and by bus-master DMA: what the guest reads and writes has the right checksum on both sides.

scenario() {
    local mode
    head -c 16777216 /dev/urandom >a.img
    head -c 16777216 /dev/zero >b.img
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=bochs,cirrus,ata_piix,ata_generic")" \
        "disk = [ $(hd hda $PWD/a.img)," \
        "         $(hd hdb $PWD/b.img) ]"
    guest_boot
    for mode in 0 1; do
        note "libata.dma=$mode"
        guest_run "modprobe libata dma=$mode && modprobe ata_piix && modprobe sd_mod && sleep 2 && ls /dev/sda /dev/sdb" 120 >/dev/null ||
            fail "no disks"
        guest_run 'dmesg | grep -o "configured for .*" | tail -n 1' >&3
        copies $mode
        guest_run 'rmmod ata_piix libata' || guest_run 'rmmod sd_mod; rmmod ata_piix; rmmod libata' || fail "rmmod"
    done
}

# copies MODE: the guest copies part of hda to hdb at another offset, odd sizes among it; both sides check.
copies() {
    local megabytes=$((1 + $1 * 7)) seen
    seen=$(guest_run "dd if=/dev/sda bs=1M count=$megabytes iflag=direct 2>/dev/null | md5sum" 180)
    [ "${seen%% *}" = "$(head -c $((megabytes << 20)) a.img | md5sum | cut -d' ' -f1)" ] || fail "read: $seen"
    guest_run "dd if=/dev/sda of=/dev/sdb bs=77k count=$((megabytes * 10)) seek=3 oflag=direct 2>/dev/null; sync" 180 || fail "write"
    local bytes=$((megabytes * 10 * 77 * 1024))
    [ $bytes -gt 16000000 ] && bytes=16000000
    [ "$(tail -c +$((3 * 77 * 1024 + 1)) b.img | head -c $bytes | md5sum)" = "$(head -c $bytes a.img | md5sum)" ] ||
        fail "what was written is not in the image"
    note "$megabytes MB read, $((bytes / 1000000)) MB written, after $SECONDS s; dm: $(dm_stats)"
}
