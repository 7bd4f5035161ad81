#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs in dom0 what the host handed in: puts the device model into place, then runs each scenario in a shell of its
# own and reports to the host in lines that begin with @@.
cd /tmp
. /lab/in/environment
# Only what is not there: libraries that running daemons have mapped must not be written over.
[ -d /lab/in/root ] && (cd /lab/in/root && find . -type f | while read -r file; do
    [ -e "/$file" ] || { mkdir -p "/${file%/*}" && cp -p "$file" "/$file"; }
done)

stty -echo -onlcr -isig
echo "@@ready $(cut -d' ' -f1 /proc/uptime)"

if [ "$LAB_MODE" = shell ]; then
    stty sane
    . /lab/in/shell.sh
    poweroff -f
fi

for LAB_SCENARIO in $LAB_SCENARIOS; do
    export LAB_SCENARIO LAB_RESULTS=/lab/out/$LAB_SCENARIO LAB_WORK=/tmp/$LAB_SCENARIO
    mkdir -p $LAB_RESULTS $LAB_WORK
    echo "@@begin $LAB_SCENARIO"
    (cd $LAB_WORK && exec bash -c '. /lab/in/lab/lib.sh; lab_main' </dev/null 2>&1)
    echo "@@end $LAB_SCENARIO $?"
    rm -rf $LAB_WORK
done
echo "@@done"
sync
poweroff -f
