# SPDX-License-Identifier: GPL-2.0-or-later
"""dom0's initramfs and the hypervisor: what the outer machine boots, the same for every scenario.

The initramfs is not compressed: an emulated CPU would spend longer on inflating it than the firmware
spends on loading it.
"""

import gzip
import pathlib

from . import kernel
from .common import KIT, Trouble, built, cache_dir, digest, versions
from .cpio import Tree

XEN = pathlib.Path("/usr/lib/xen-4.17")
HYPERVISOR = pathlib.Path("/boot/xen-4.17-amd64.gz")
PEER = pathlib.Path("/usr/libexec/xen-qemu-system-i386")

PACKAGES = """
xen-hypervisor-4.17-amd64 xen-utils-4.17 xen-utils-common xenstore-utils qemu-system-xen
qemu-utils qemu-system-data seabios ipxe-qemu nbdkit libnbd0 libusb-1.0-0 busybox-static socat iproute2 bash util-linux mount libc6
""".split()

MODULES = """
xenfs xen-gntdev xen-gntalloc xen-evtchn xen-privcmd xen-blkback xen-netback
virtio_pci virtio_console 9p 9pnet_virtio e1000 tun bridge 8021q loop ext4 crc32c_generic
uhci_hcd ehci_pci xhci_pci usb_storage sd_mod usbhid hid_generic evdev
""".split()

PROGRAMS = """
/bin/bash /usr/bin/flock /usr/sbin/losetup /usr/bin/socat /usr/sbin/ip /usr/sbin/bridge
/usr/bin/xenstore-ls /usr/bin/xenstore-read /usr/bin/xenstore-write /usr/bin/xenstore-list
/usr/bin/xenstore-rm /usr/bin/xenstore-exists /usr/bin/xenstore-watch /usr/bin/xenstore-chmod
/usr/sbin/xen-hvmctx /usr/bin/qemu-img /usr/bin/nbdkit
""".split()

# Loaded by programs that are there: network disks and their server, USB devices of the host.
LOADED = """
/usr/lib/x86_64-linux-gnu/libusb-1.0.so.0
/usr/lib/x86_64-linux-gnu/libnbd.so.0
/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-file-plugin.so
""".split()

TOOLS = "xl oxenstored xen-init-dom0 xenconsoled xenconsole xentop libxl-save-helper".split()

DIRECTORIES = """
proc sys dev run tmp root lab/in lab/out var/log/xen/console var/lib/xen
""".split()

DATA = """
/usr/lib/xen-4.17/boot/hvmloader
/usr/share/seabios/*.bin
/usr/share/qemu/keymaps/en-us
/usr/share/qemu/*.bin
/usr/share/qemu/*.rom
/usr/lib/ipxe/qemu/*.rom
/etc/xen/oxenstored.conf
/etc/xen/scripts/*
""".split()


def _make_initramfs(path):
    linux = kernel.fetch()
    tree = Tree()
    for directory in DIRECTORIES:
        tree.dir(directory)
    tree.link("var/run", "../run")
    tree.link("var/lock", "../run/lock")
    tree.node("dev/console", 5, 1)
    tree.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    tree.text("etc/group", "root:x:0:\n")
    tree.text("etc/xen/xl.conf", "")
    for program in PROGRAMS:
        tree.program(program)
    for library in LOADED:
        tree.program(library)
    for tool in TOOLS:
        tree.program(XEN / "bin" / tool)
        tree.link(f"usr/sbin/{tool}", str(XEN / "bin" / tool))
    tree.program(PEER)
    for pattern in DATA:
        found = sorted(pathlib.Path("/").glob(pattern.lstrip("/")))
        if not found and "*" not in pattern:
            raise Trouble(f"{pattern} is missing: run tools/deps")
        for item in found:
            if item.is_file():
                tree.copy(item)
    tree.busybox()
    linux.add_modules(tree, MODULES)
    tree.text("etc/modules", " ".join(MODULES) + "\n")
    tree.text("init", (KIT / "dom0-init.sh").read_text(), 0o755)
    tree.write(path)


def _unpack_hypervisor(path):
    path.write_bytes(gzip.decompress(HYPERVISOR.read_bytes()))


def build():
    """Returns (hypervisor, dom0 kernel, initramfs), made afresh where their inputs changed."""
    cache = cache_dir()
    linux = kernel.fetch()
    recipe = [KIT / name for name in ("dom0-init.sh", "dom0.py", "cpio.py", "kernel.py")]
    version = versions(*PACKAGES)
    xen = built(cache / "xen.elf", digest(version), _unpack_hypervisor)
    initramfs = built(cache / "dom0.cpio", digest(version, linux.version, *recipe), _make_initramfs)
    return xen, linux.vmlinux(), initramfs
