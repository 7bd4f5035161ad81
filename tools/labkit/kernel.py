# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel, unpacked beside the host and never installed on it, and modules out of it."""

import lzma
import os
import re
import shutil
import subprocess

from .common import Trouble, cache_dir, run, say


class Kernel:
    def __init__(self, root):
        self.root = root
        self.image = next(root.glob("boot/vmlinuz-*"))
        self.version = self.image.name.removeprefix("vmlinuz-")
        self.modules = root / "lib" / "modules" / self.version

    def vmlinux(self):
        """The kernel proper, out of the self-extracting image: less work for an emulated CPU."""
        path = self.root / "vmlinux"
        if not path.exists():
            image = self.image.read_bytes()
            for start in (m.start() for m in re.finditer(b"\xfd7zXZ\0", image)):
                try:
                    elf = lzma.LZMADecompressor().decompress(image[start:])
                except lzma.LZMAError:
                    continue
                if elf[:4] == b"\x7fELF":
                    path.write_bytes(elf)
                    break
            else:
                raise Trouble(f"{self.image}: no xz-compressed ELF kernel found inside")
        return path

    def _needs(self):
        """modules.dep as {module name: (path, [paths it needs])}."""
        table = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            table[_name(path)] = (path, needs.split())
        return table

    def add_modules(self, tree, names):
        """Puts modules, all that they need and the tables modprobe reads into an initramfs."""
        table = self._needs()
        builtin = {_name(p) for p in (self.modules / "modules.builtin").read_text().split()}
        wanted = set()
        for name in names:
            name = name.replace("-", "_")
            if name in table:
                wanted.update([table[name][0], *table[name][1]])
            elif name not in builtin:
                raise Trouble(f"kernel {self.version} has no module {name}")
        for path in wanted:
            tree.copy(self.modules / path, f"lib/modules/{self.version}/{path}")
        have = {_name(path) for path in wanted}
        dep = "".join(f"{p}: {' '.join(n)}\n" for p, n in table.values() if p in wanted)
        tree.text(f"lib/modules/{self.version}/modules.dep", dep)
        aliases = (self.modules / "modules.alias").read_text().splitlines()
        mine = [line for line in aliases if line.startswith("alias ") and line.split()[-1] in have]
        tree.text(f"lib/modules/{self.version}/modules.alias", "\n".join(mine) + "\n")


def _name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def _package():
    """The package that linux-image-amd64 stands for today."""
    listing = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], text=True,
                             capture_output=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", listing)
    return found and found.group(1)


def fetch():
    """Debian's amd64 kernel, downloaded once into the cache."""
    root = cache_dir() / "kernel"
    if (root / "done").exists():
        return Kernel(root)
    package = _package()
    if not package:
        run("apt-get", "update", "-qq")
        package = _package()
    if not package:
        raise Trouble("apt knows no linux-image-amd64: are Debian's package lists set up?")
    say(f"downloading and unpacking {package}")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    run("apt-get", "download", "-qq", package, cwd=root)
    deb = next(root.glob("*.deb"))
    run("dpkg", "-x", deb, root)
    deb.unlink()
    kernel = Kernel(root)
    run("depmod", "-b", root, kernel.version)
    kernel.vmlinux()
    (root / "done").write_text(package + "\n")
    return kernel
