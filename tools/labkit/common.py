# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths, messages, and building a file only when its inputs changed."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
KIT = TOP / "tools" / "labkit"


class Trouble(Exception):
    """Something the user should read; printed without a traceback."""


def cache_dir():
    path = pathlib.Path(os.environ.get("LAB_CACHE") or TOP / "out" / "lab")
    path.mkdir(parents=True, exist_ok=True)
    return path


def say(text):
    print(f"lab: {text}", flush=True)


def run(*argv, **kwargs):
    """Runs a command quietly; its output is shown only if it fails."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, text=True, capture_output=True, **kwargs)
    if done.returncode:
        raise Trouble(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def versions(*packages):
    """Versions of installed packages, as one string: an input of what is built from them."""
    return run("dpkg-query", "-W", "-f", "${Package}=${Version} ", *packages)


def digest(*inputs):
    """A hash over strings, bytes and the contents of files (pathlib.Path)."""
    total = hashlib.sha256()
    for item in inputs:
        if isinstance(item, pathlib.Path):
            item = item.read_bytes()
        elif isinstance(item, str):
            item = item.encode()
        total.update(hashlib.sha256(item).digest())
    return total.hexdigest()


@contextlib.contextmanager
def _alone(folder):
    """Two labs that start together build each image once. Builds nest: the lock is taken once."""
    if _alone.held:
        yield
        return
    with open(folder / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _alone.held = True
        try:
            yield
        finally:
            _alone.held = False


_alone.held = False


def built(path, key, make):
    """Calls make(temporary path) unless path was made from the inputs that key stands for."""
    stamp = path.with_name(path.name + ".key")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        if path.exists() and stamp.exists() and stamp.read_text() == key:
            return path
        say(f"building {path.name}")
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh_stamp = stamp.with_name(f".{stamp.name}.{os.getpid()}")
        try:
            make(fresh)
            stamp.unlink(missing_ok=True)
            os.replace(fresh, path)
            fresh_stamp.write_text(key)     # files here may be hard links: none is written in place
            os.replace(fresh_stamp, stamp)
        finally:
            fresh.unlink(missing_ok=True)
            fresh_stamp.unlink(missing_ok=True)
    return path
