# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths, messages, and building a file only when its inputs changed."""

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


def built(path, key, make):
    """Calls make(temporary path) unless path was made from the inputs that key stands for."""
    stamp = path.with_name(path.name + ".key")
    if path.exists() and stamp.exists() and stamp.read_text() == key:
        return path
    say(f"building {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        make(fresh)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    stamp.write_text(key)
    return path
