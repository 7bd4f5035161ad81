# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel diskcheck.c
# The driver of a PV disk lets go of it and begins anew on it, at rest and at work: what was written before is there, and
# the disk goes on. Linux's driver does not say Initialising for a device that it had, as others' do: here dom0 says so.

DEVICE=51712

scenario() {
    local id n
    cp /lab/in/files/diskcheck.img tools.img
    truncate -s 48M data.img
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" \
        "disk = [ $(hd xvda $PWD/data.img), $(disk_of raw xvde $PWD/tools.img ro) ]"
    guest_boot
    id=$(domid)
    guest_run 'cat /dev/xvde >/tmp/diskcheck && chmod +x /tmp/diskcheck' || fail "the program does not come over"
    guest_run '/tmp/diskcheck load /dev/xvda 0 24 1 300 16' 300 || fail "load"
    again
    guest_run '/tmp/diskcheck check /dev/xvda 0 24 1 300' 300 || fail "what was written before the driver began anew is not there"
    note "at rest: good"
    for n in 1 2 3; do
        guest_run '(/tmp/diskcheck load /dev/xvda 24 24 7 0 16) >/dev/null 2>&1 & sleep 0.'$n || fail "load"
        again
        guest_run '/tmp/diskcheck check /dev/xvda 0 24 1 300' 300 || fail "after $n times under load the disk reads otherwise"
    done
    guest_run '/tmp/diskcheck load /dev/xvda 0 48 2 300 16' 300 || fail "the disk can't be written any more"
    guest_run '/tmp/diskcheck check /dev/xvda 0 48 2 300' 300 || fail "it reads otherwise"
    [ "$(guest_run 'md5sum </dev/xvda' 120)" = "$(md5sum <data.img)" ] || fail "the guest reads something else than the image holds"
    note "under load, three times: good; dm: $(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60
}

backend_is() { [ "$(xenstore-read /local/domain/0/backend/qdisk/$(domid)/$DEVICE/state)" = $1 ]; }

# Linux takes a folder that it knows for the device that it had: it gets another one.
again() {
    local folder=/local/domain/$(domid)/device/vbd/$DEVICE nodes="backend backend-id virtual-device device-type" node
    guest_run "echo vbd-$DEVICE >/sys/bus/xen/drivers/vbd/unbind" 60 || fail "unbind"
    until_true 20 guest_run '[ ! -b /dev/xvda ]' || fail "the disk is still there"
    until_true 20 backend_is 6 || fail "the backend has not closed"
    for node in $nodes; do
        xenstore-read $folder/$node >node.$node
    done
    xenstore-rm $folder
    for node in $nodes; do
        xenstore-write $folder/$node "$(cat node.$node)"
    done
    xenstore-chmod -r $folder n$(domid) r0
    xenstore-write $folder/state 1
    until_true 20 guest_run '[ -b /dev/xvda ]' || fail "the disk does not come back"
    backend_is 4 || fail "the backend is not connected"
}
