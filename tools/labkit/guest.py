# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest: Debian's kernel as it is, a busybox initramfs, and boot media made of them.

Nothing is mounted and no privilege is needed. Each medium comes with a file NAME.args that holds the
offset and the room of the kernel arguments inside it, so that a scenario can change them with dd.
"""

import hashlib
import pathlib
import shutil
import tempfile

from . import dom0, kernel
from .common import KIT, TOP, Trouble, built, cache_dir, digest, run, versions
from .cpio import Tree

MODULES = """
ata_piix ata_generic sd_mod sr_mod ahci sym53c8xx cdrom isofs ext4 crc32c_generic vfat nls_ascii nls_cp437 loop
xen-blkfront xen-netfront xen-kbdfront
8139cp 8139too e1000 e1000e virtio_pci virtio_net 8021q
uhci-hcd ehci-pci xhci-pci usbhid hid-generic usb-storage
psmouse atkbd i8042 evdev mousedev
bochs cirrus button floppy lp parport_pc af_packet
""".split()

ARGUMENTS = "console=tty0 console=ttyS0,115200 quiet xen_emul_unplug=never"
TEXT_ARGUMENTS = ARGUMENTS + " guest.skip=bochs,cirrus guest.run=echo,CHOSE-TEXT"
# A menu on a graphical terminal; which entry was taken, the guest tells on its serial port.
GRUB_GFX = """\
set timeout=-1
set gfxmode=800x600x32
loadfont /boot/grub/unicode.pf2
terminal_output gfxterm
set color_normal=light-gray/black
set menu_color_normal=light-gray/blue
set menu_color_highlight=black/green
""" + "".join(f"""\
menuentry "{name}" {{
  linux /vmlinuz {ARGUMENTS} guest.skip=bochs,cirrus guest.run=echo,CHOSE-{name.upper()}
  initrd /initrd
}}
""" for name in ("first", "second", "third", "fourth"))

MEMTEST = """\
default memtest
prompt 0
label memtest
  kernel /memtest
"""

# GRUB itself as the kernel of a PV or PVH guest, with the disk of make_disk.
PVGRUB = """\
linux (xen/xvda,msdos1)/vmlinuz console=hvc0 quiet
initrd (xen/xvda,msdos1)/initrd
boot
"""
PVGRUB_TARGETS = {"grub-pv": "x86_64-xen", "grub-pvh": "i386-xen_pvh"}

ROOM = 400      # characters for the kernel's arguments in a boot loader's configuration

ISOLINUX = """\
serial 0 115200
prompt 1
timeout 20
default linux
say hvm-dm test guest: linux, text
label linux
  kernel /vmlinuz
  append initrd=/initrd {arguments}
label text
  kernel /vmlinuz
  append initrd=/initrd {text_arguments}
"""

GRUB = """\
serial --unit=0 --speed=115200
terminal_output console serial
set timeout=5
set default=0
menuentry "linux" {{
  linux /vmlinuz {arguments}
  initrd /initrd
}}
menuentry "text" {{
  linux /vmlinuz {text_arguments}
  initrd /initrd
}}
"""

PVGRUB_MODULES = "part_msdos ext2 linux gzio xzio".split()
GRUB_MODULES = "biosdisk part_msdos ext2 normal linux configfile echo serial terminal".split()
GRUB_GFX_MODULES = ("biosdisk iso9660 part_msdos normal linux echo font gfxterm gfxmenu vbe vga "
                    "video all_video").split()
GRUB_FONT = pathlib.Path("/usr/share/grub/unicode.pf2")
ISOLINUX_BIN = pathlib.Path("/usr/lib/ISOLINUX/isolinux.bin")
ISOLINUX_LIB = pathlib.Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")
GRUB_LIB = pathlib.Path("/usr/lib/grub/i386-pc")
MEMTEST_BIN = pathlib.Path("/boot/memtest86+x64.bin")
INSTALLER = pathlib.Path("/usr/lib/debian-installer/images/12/amd64/gtk/debian-installer/amd64")
VIEWER = TOP / "tests" / "bench" / "rfb"


def _make_initramfs(path):
    tree = Tree()
    for directory in ("proc", "sys", "dev", "tmp", "root", "mnt", "etc/modprobe.d"):
        tree.dir(directory)
    tree.node("dev/console", 5, 1)
    tree.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    tree.text("etc/profile", "PS1='guest# '\n")
    # What the kernel runs when the tool stack asks; our init knows no signals.
    for name in ("reboot", "poweroff"):
        tree.text(f"sbin/{name}", f"#!/bin/sh\nexec busybox {name} -f\n", 0o755)
    tree.text("init", (KIT / "guest-init.sh").read_text(), 0o755)
    tree.busybox()
    tree.link("sbin/modprobe", "../bin/busybox")      # where the kernel looks for it
    kernel.fetch().add_modules(tree, MODULES)
    plain = path.with_suffix(".plain")
    tree.write(plain)
    try:    # small, for the BIOS reads it by port I/O; zstd, for an emulated CPU unpacks it
        run("zstd", "-q", "-19", "-T2", "-f", plain, "-o", path)
    finally:
        plain.unlink()


def _recipe():
    names = ("guest-init.sh", "guest.py", "cpio.py", "kernel.py")
    packages = versions("busybox-static", "isolinux", "syslinux-common", "grub-pc-bin")
    return digest(packages, kernel.fetch().version, *(KIT / name for name in names))


def initramfs():
    return built(cache_dir() / "guest.cpio.zst", _recipe(), _make_initramfs)


def linux():
    """The self-extracting kernel, as a boot loader wants it."""
    return kernel.fetch().image


def _padded(arguments):
    if len(arguments) > ROOM:
        raise Trouble(f"kernel arguments of {len(arguments)} characters, at most {ROOM} fit")
    return arguments.ljust(ROOM)


def _configuration(template, arguments):
    return template.format(arguments=_padded(arguments), text_arguments=TEXT_ARGUMENTS)


def _note_arguments(image, arguments):
    """Finds the arguments in an image: a configuration is one block, so they are contiguous."""
    offset = image.read_bytes().find(_padded(arguments).encode())
    if offset < 0:
        raise Trouble(f"{image}: kernel arguments not found")
    return f"{offset} {ROOM}\n"


def _iso(path, tree, boot):
    run("xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "GUEST",
        "-b", boot, "-c", "boot.cat",
        "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "-o", path, tree)


def _isolinux(path, tree, configuration):
    (tree / "isolinux").mkdir()
    for item in (ISOLINUX_BIN, ISOLINUX_LIB):
        shutil.copy(item, tree / "isolinux")
    (tree / "isolinux" / "isolinux.cfg").write_text(configuration)
    _iso(path, tree, "isolinux/isolinux.bin")


def make_iso(path, arguments=ARGUMENTS):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        shutil.copy(linux(), work / "vmlinuz")
        shutil.copy(initramfs(), work / "initrd")
        _isolinux(path, work, _configuration(ISOLINUX, arguments))


def make_disk(path, arguments=ARGUMENTS, megabytes=64):
    """A raw disk: GRUB in front of one ext2 partition at 1 MiB, holding kernel and initramfs."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        tree = work / "tree"
        (tree / "boot" / "grub").mkdir(parents=True)
        shutil.copy(linux(), tree / "vmlinuz")
        shutil.copy(initramfs(), tree / "initrd")
        (tree / "boot" / "grub" / "grub.cfg").write_text(_configuration(GRUB, arguments))
        run("mke2fs", "-q", "-t", "ext2", "-E", "root_owner=0:0", "-d", tree,
            work / "part", f"{megabytes}M")
        run("grub-mkimage", "-O", "i386-pc", "-o", work / "core.img",
            "-p", "(hd0,msdos1)/boot/grub", *GRUB_MODULES)
        with open(path, "wb") as disk:
            disk.truncate((megabytes + 1) << 20)
        run("sfdisk", "-q", path, input="label: dos\nstart=2048, type=83, bootable\n")
        with open(path, "r+b") as disk:
            # boot.img loads sector 1; in core.img it says that the rest of it follows there.
            disk.write((GRUB_LIB / "boot.img").read_bytes()[:440])
            disk.seek(512)
            disk.write((work / "core.img").read_bytes())
            disk.seek(1 << 20)
            disk.write((work / "part").read_bytes())


def _medium(name, make):
    image = built(cache_dir() / name, _recipe(), make)
    notes = image.with_name(name + ".args")
    if not notes.exists() or notes.stat().st_mtime < image.stat().st_mtime:
        notes.write_text(_note_arguments(image, ARGUMENTS))
    return [image, notes, _content_sum()]


def _content_sum():
    """The checksum of vmlinuz and initrd, one after the other, as found on either medium."""
    path = cache_dir() / "guest.md5"
    path.write_text(hashlib.md5(linux().read_bytes() + initramfs().read_bytes()).hexdigest() + "\n")
    return path


def _sector_image(name):
    """A boot-sector guest out of tests/lab/NAME.asm, padded to a megabyte."""
    folder = TOP / "tests" / "lab"
    source = folder / f"{name}.asm"
    parts = sorted(folder.glob("*.inc"))

    def make(path):
        run("nasm", "-f", "bin", "-I", f"{folder}/", "-o", path, source)
        with open(path, "r+b") as disk:
            disk.truncate(1 << 20)

    return [built(cache_dir() / f"{name}.img", digest(source, *parts), make)]


def _golden_modes():
    """What the guest of modes.asm has to show; made by the packaged QEMU on this host."""
    tests = TOP / "tests"
    player = TOP / "build" / "tests" / "play_modes"
    if not player.is_file():
        raise Trouble(f"{player} is missing: build it first")
    inputs = [player, tests / "golden" / "modes.py", tests / "lab" / "modes.asm",
              *sorted((tests / "lab").glob("*.inc"))]

    def make(path):
        run("python3", tests / "golden" / "modes.py", "--player", player, "--list", path)

    key = digest(versions("qemu-system-x86", "seabios"), *inputs)
    return [built(cache_dir() / "modes.list", key, make)]


def _program(name):
    """tests/lab/NAME.c, static: for dom0, and padded like a disk's image for guests, to whom it comes as one."""
    source = TOP / "tests" / "lab" / f"{name}.c"

    def make(path):
        run("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", path, source)

    def pad(path):
        make(path)
        with open(path, "r+b") as program:
            program.truncate(1 << 20)

    return [built(cache_dir() / name, digest(source), make),
            built(cache_dir() / f"{name}.img", digest(source), pad)]


def _made_of(name, sources, make):
    """An image that make(image, folder) makes, with a folder to work in."""
    def build(path):
        with tempfile.TemporaryDirectory() as work:
            make(path, pathlib.Path(work))

    missing = [str(source) for source in sources if not source.exists()]
    if missing:
        raise Trouble(f"{', '.join(missing)} missing: run tools/deps")
    return [built(cache_dir() / name, digest(_recipe(), *sources), build)]


def _make_grub(path, work):
    """GRUB from a CD, with its menu in pixels."""
    (work / "boot" / "grub").mkdir(parents=True)
    shutil.copy(linux(), work / "vmlinuz")
    shutil.copy(initramfs(), work / "initrd")
    shutil.copy(GRUB_FONT, work / "boot" / "grub")
    (work / "boot" / "grub" / "grub.cfg").write_text(GRUB_GFX)
    run("grub-mkimage", "-O", "i386-pc-eltorito", "-o", work / "boot" / "grub" / "cd.img",
        "-p", "/boot/grub", *GRUB_GFX_MODULES)
    _iso(path, work, "boot/grub/cd.img")


def _pvgrub():
    def maker(target):
        def make(path, work):
            (work / "grub.cfg").write_text(PVGRUB)
            run("grub-mkimage", "-O", target, "-o", path, "-p", "/", "-c", work / "grub.cfg",
                *PVGRUB_MODULES)
        return make

    return [made for name, target in PVGRUB_TARGETS.items()
            for made in _made_of(name, [GRUB_LIB.parent / target / "kernel.img"], maker(target))]


def _make_memtest(path, work):
    shutil.copy(MEMTEST_BIN, work / "memtest")
    _isolinux(path, work, MEMTEST)


def _viewer():
    """tests/bench/rfb as a program that needs nothing of dom0."""
    sources = sorted(VIEWER.glob("*.[ch]"))

    def make(path):
        run("cc", "-O2", "-std=c11", "-D_GNU_SOURCE", "-static", "-o", path,
            *(source for source in sources if source.suffix == ".c"), "-lz")

    return [built(cache_dir() / "rfbview", digest(*sources), make)]


def provide(need):
    """Files for one word of a scenario's "needs" line."""
    if need == "iso":
        return _medium("guest.iso", make_iso)
    if need == "disk":
        return _medium("guest.img", make_disk)
    if need == "kernel":
        return [(linux(), "vmlinuz"), (initramfs(), "initrd")]
    if need == "golden-modes":
        return _golden_modes()
    if need == "grub":
        return _made_of("grub.iso", [GRUB_FONT], _make_grub)
    if need == "pvgrub":
        return _pvgrub()
    if need == "memtest":
        return _made_of("memtest.iso", [MEMTEST_BIN], _make_memtest)
    if need == "installer":
        if not INSTALLER.exists():
            raise Trouble("debian-installer-12-netboot-amd64 is missing: run tools/deps --installer")
        return [(INSTALLER / "linux", "installer.vmlinuz"), (INSTALLER / "initrd.gz", "installer.initrd")]
    if need == "viewer":
        return _viewer()
    if need.endswith(".asm"):
        return _sector_image(need.removesuffix(".asm"))
    if need.endswith(".c"):
        return _program(need.removesuffix(".c"))
    if need == "dom0":
        return [dom0.build()[2]]
    raise Trouble(f"unknown need: {need}")
