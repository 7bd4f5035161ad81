# SPDX-License-Identifier: GPL-2.0-or-later
"""The outer machine: QEMU emulates a PC with AMD's virtualization; real Xen and dom0 run on it."""

import fcntl
import os
import pathlib
import socket
import subprocess
import time

from . import dom0
from .common import Trouble, say

# Left out of "max": with them dom0 dies early, or (rdtscp) Xen kills guests, for TCG gets them wrong
# under SVM. Without erms memory is moved by words: TCG makes of a byte moved as much as of a word.
CPU = "max,-erms,-smap,-smep,-la57,-pku,-pcid,-rdtscp,-monitor,family=23,model=1,stepping=2"

# eager-fpu: with the lazy FPU switching that Xen prefers on AMD, TCG loses vector registers when a
# guest runs, and programs in dom0 die at random.
XEN_LINE = ("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all "
            "dom0_mem={dom0}M,max:{dom0}M spec-ctrl=no spec-ctrl=eager-fpu xpti=0 bootscrub=0")
DOM0_LINE = "console=hvc0 panic=1 mitigations=off quiet loglevel=5 random.trust_cpu=on"

# What the hypervisor's log says when it or dom0 dies.
DEATH = ("Panic on CPU", "Kernel panic", "Domain 0 crashed", "BUG: ", "FATAL TRAP")

LOCKS = (os.environ.get("LAB_LOCK") or "/tmp/lab.lock").split(":")


def lock():
    """Waits until no other lab runs here; two at once on few cores slow each other into time-outs.
    $LAB_LOCK may name several files, with colons between them: as many labs may run at once."""
    if _held_by_parent():
        return None
    with open(LOCKS[0] + ".queue", "a") as queue:
        if not _take(queue):
            say(f"waiting for another lab to end ({', '.join(LOCKS)})")
            fcntl.flock(queue, fcntl.LOCK_EX)  # who came first is first
        files = [open(path, "a") for path in LOCKS]
        while True:
            for held in files:
                if _take(held):
                    return held
            time.sleep(0.5)


def _take(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held_by_parent():
    """True under `flock LOCK tools/lab ...`: flock(1) leaves its descriptor open for us."""
    wanted = [(s.st_dev, s.st_ino) for s in (os.stat(path) for path in LOCKS if os.path.exists(path))]
    for number in os.listdir("/proc/self/fd"):
        try:
            have = os.fstat(int(number))
        except OSError:
            continue
        if (have.st_dev, have.st_ino) in wanted:
            return True
    return False


class Machine:
    """One run of it. share_in is read-only for dom0; what dom0 leaves in share_out stays. With
    icount an instruction takes one nanosecond of its time, so its times are counts."""

    def __init__(self, share_in, share_out, mem=4096, dom0_mem=1536, smp=1, forwards=(),
                 icount=False, hardware=()):
        self.share = share_in
        self.monitor = share_in / "monitor"
        self.xen_log = share_out / "xen.log"
        xen, linux, initramfs = dom0.build()
        nic = "none"
        if forwards:
            nic = "user,model=e1000" + "".join(
                f",hostfwd=tcp:127.0.0.1:{host}-:{inner}" for host, inner in forwards)
        # Ahead of other work: a virtual CPU put off while it holds a lock makes the others spin.
        self.argv = ["nice", "-n", "-5"] if os.geteuid() == 0 else []
        self.argv += [
            "qemu-system-x86_64", "-accel", f"tcg,thread={'single' if icount else 'multi'},tb-size=512",
            *(["-icount", "shift=0,sleep=off"] if icount else []), "-cpu", CPU,
            "-smp", str(smp), "-m", str(mem), "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", str(xen), "-append", XEN_LINE.format(dom0=dom0_mem),
            "-initrd", f"{linux} {DOM0_LINE},{initramfs}",
            "-serial", f"file:{self.xen_log}", "-nic", nic,
            "-fsdev", f"local,id=in,path={share_in},security_model=none,readonly=on",
            "-device", "virtio-9p-pci,fsdev=in,mount_tag=in",
            "-fsdev", f"local,id=out,path={share_out},security_model=none",
            "-device", "virtio-9p-pci,fsdev=out,mount_tag=out",
            "-chardev", "stdio,id=ctl,signal=off",
            "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=ctl",
            *(["-monitor", f"unix:{self.monitor},server=on,wait=off", *hardware] if hardware else []),
        ]

    def start(self, **kwargs):
        try:
            return subprocess.Popen(self.argv, **kwargs)
        except FileNotFoundError:
            raise Trouble("qemu-system-x86_64 is missing: run tools/deps") from None

    def command(self, line):
        """One command of the outer QEMU's monitor, for hardware that comes and goes; its answer."""
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(10)
            talk.connect(str(self.monitor))
            answer = b""
            for text in (b"", line.encode() + b"\n"):
                talk.sendall(text)
                answer = b""
                while not answer.endswith(b"(qemu) "):
                    answer += talk.recv(4096)
        echo, _, said = answer.decode(errors="replace").replace("\r", "").partition("\n")
        return said.removesuffix("(qemu) ").strip()

    def complaint(self):
        """The lines of the hypervisor's log that say what killed the machine, if any do."""
        try:
            lines = self.xen_log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        hits = [n for n, text in enumerate(lines) if any(sign in text for sign in DEATH)]
        return "\n".join(lines[max(0, hits[0] - 5):hits[0] + 40]) if hits else ""
