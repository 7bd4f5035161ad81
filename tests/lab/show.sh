# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tools/try runs
# needs: iso
# One guest for a person to look at: its console as it comes, its screen at the end. SHOW_IMAGE is a file handed in
# (an ISO image or a disk), or the test guest's ISO; a guest that is not ours is given SHOW_SECONDS.

scenario() {
    local image iso=cdrom
    if [ -n "$SHOW_IMAGE" ]; then
        image=$LAB_WORK/$SHOW_IMAGE
        cp "/lab/in/files/$SHOW_IMAGE" "$image"
        [ "$(dd if="$image" bs=1 skip=32769 count=5 status=none)" = CD001 ] || iso=
    else
        image=$(guest_iso)
    fi
    if [ -n "$iso" ]; then
        guest_cfg "disk = [ 'format=raw,vdev=hdc,access=ro,devtype=cdrom,target=$image' ]" 'boot = "d"' \
            "memory = ${SHOW_MEMORY:-256}"
    else
        guest_cfg "disk = [ 'format=raw,vdev=hda,access=rw,target=$image' ]" 'boot = "c"' \
            "memory = ${SHOW_MEMORY:-256}"
    fi
    guest_create
    touch $SERIAL
    tail -f $SERIAL >&3 &
    local tail=$!
    if [ -n "$SHOW_IMAGE" ]; then
        # Looked at every ten seconds, so that there is a picture whatever happens.
        until_true ${SHOW_SECONDS:-120} shown
    else
        wait_for_console GUEST-READY
    fi
    kill $tail
    screendump screen
    note "$(dm_stats)"
}

# The guest has ended.
shown() { ! xl list guest >/dev/null 2>&1; }
