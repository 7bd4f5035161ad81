# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel nictool.c
# Datagrams of all lengths both ways at once, as fast as they go, FLOOD_SECONDS (--env) a card: the device model's
# memory does not grow, and afterwards the card goes on. With --icount, a minute takes ten and more of the host's.
. "$(dirname "${BASH_SOURCE[0]}")/nics.sh"

LEAST=5 # datagrams a second that arrive: both sides and the device model share one emulated CPU

private_kb() { awk '/^Private/ { s += $2 } END { print s }' /proc/$(dm_pid)/smaps_rollup; }

# flood MODEL SECONDS: each side begins when it hears of the other.
flood() {
    local side
    ./nictool flood $GUEST 9000 $2 >here &
    guest_run "/tmp/nictool flood $HOST 9000 $2" $(($2 * 20 + 200)) >there || fail "$1: the guest's flood"
    wait $! || fail "$1: our flood"
    note "$1: dom0 $(cat here); guest $(cat there)"
    for side in here there; do
        [ $(sed -n 's/.*got //p' $side) -ge $(($2 * LEAST)) ] || fail "$1: next to nothing arrives"
    done
}

scenario() {
    local n=0 model before after
    FLOOD_SECONDS=${FLOOD_SECONDS:-5}
    boot_with_cards
    for model in $MODELS; do
        n=$((n + 1))
        use_card $n
        guest_run '[ -x /tmp/nictool ]' || fetch nictool
        flood $model 1
        before=$(private_kb)
        flood $model $FLOOD_SECONDS
        after=$(private_kb)
        note "$model: private memory of the device model $before KiB before, $after KiB after"
        [ $after -le $((before + 64)) ] || fail "$model: the device model has grown"
        until_true 20 answers || stuck "$model: no answer after the flood"
        both_ways 300000
    done
    n=$(domid)
    xl destroy guest
    expect_gone $n
}
