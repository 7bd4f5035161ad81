# SPDX-License-Identifier: GPL-2.0-or-later
"""An initramfs in the kernel's "newc" format.

Documentation/driver-api/early-userspace/buffer-format.rst in Linux. Written here and not by cpio(1)
so that no tree has to be laid out on disk, and so that the same inputs always give the same bytes.
"""

import pathlib
import stat
import subprocess

# A file system as Debian lays it out since "merged /usr".
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


class Tree:
    def __init__(self):
        self.entries = {}
        for link, target in MERGED.items():
            self.dir(target)
            self.link(link, target)

    @staticmethod
    def _norm(path):
        parts = str(path).strip("/").split("/")
        if parts[0] in MERGED and len(parts) > 1:
            parts[0] = MERGED[parts[0]]
        return "/".join(parts)

    def _add(self, path, mode, data=b"", rdev=(0, 0)):
        path = self._norm(path)
        parent = path.rpartition("/")[0]
        if parent and parent not in self.entries:
            self.dir(parent)
        self.entries[path] = (mode, data, rdev)

    def dir(self, path, mode=0o755):
        if self._norm(path) not in self.entries:
            self._add(path, stat.S_IFDIR | mode)

    def link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def node(self, path, major, minor, mode=0o600):
        self._add(path, stat.S_IFCHR | mode, rdev=(major, minor))

    def text(self, path, text, mode=0o644):
        self._add(path, stat.S_IFREG | mode, text.encode())

    def copy(self, source, path=None):
        """Copies a file of the host, following symbolic links."""
        source = pathlib.Path(source)
        mode = stat.S_IFREG | stat.S_IMODE(source.stat().st_mode)
        self._add(path or source, mode, source.read_bytes())

    def program(self, source, path=None):
        """Copies a program and the libraries that it is linked to."""
        self.copy(source, path)
        for library in libraries(source):
            if self._norm(library) not in self.entries:
                self.copy(library)

    def busybox(self):
        self.copy("/bin/busybox")
        for applet in subprocess.check_output(["/bin/busybox", "--list"], text=True).split():
            if self._norm(f"/bin/{applet}") not in self.entries:
                self.link(f"/bin/{applet}", "busybox")

    def write(self, path):
        with open(path, "wb") as out:
            for number, name in enumerate(sorted(self.entries), 1):
                mode, data, rdev = self.entries[name]
                out.write(_record(number, name, mode, data, rdev))
            out.write(_record(0, "TRAILER!!!", 0, b"", (0, 0)))


def _record(number, name, mode, data, rdev):
    nlink = 2 if stat.S_ISDIR(mode) else 1
    raw = name.encode() + b"\0"
    fields = (number, mode, 0, 0, nlink, 0, len(data), 0, 0, rdev[0], rdev[1], len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    return _pad(head) + _pad(data)


def _pad(data):
    return data + bytes(-len(data) % 4)


def libraries(program):
    """The shared libraries (with the dynamic loader) that a program loads at start."""
    listing = subprocess.run(["ldd", str(program)], text=True, capture_output=True)
    if "not a dynamic executable" in listing.stdout + listing.stderr:
        return []
    if "not found" in listing.stdout:
        raise FileNotFoundError(f"{program}: {listing.stdout}")
    return sorted({word for word in listing.stdout.split() if word.startswith("/")})
