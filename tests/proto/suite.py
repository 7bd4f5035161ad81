# SPDX-License-Identifier: GPL-2.0-or-later
"""What suites of the whole program share: a test is a function in a list, one that fails names what it saw.

    import suite
    from suite import expect, test

    @test
    def test_something(directory): ...  # a folder of its own; suite.dm is the program

    suite.main(__doc__)
"""
import argparse
import os
import sys
import tempfile
import traceback

from qtest_client import QtestError

TESTS = []
dm = None  # the program's path, once main runs


def test(function):
    TESTS.append((function.__name__.removeprefix('test_'), function))
    return function


def expect(got, want, what):
    if got != want:
        raise AssertionError('%s: %r, expected %r' % (what, got, want))


def arguments(doc):
    global dm
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dm', required=True)
    parser.add_argument('names', nargs='*', help='tests with one of these in their names; none: all')
    options = parser.parse_args()
    dm = os.path.abspath(options.dm)
    return options


def run(tests, names):
    """Ends the program."""
    failed = 0
    for name, function in tests:
        if names and not any(n in name for n in names):
            continue
        try:
            function()
            print('ok    ' + name, flush=True)
        except (AssertionError, QtestError, OSError) as e:
            failed += 1
            print('FAIL  %s: %s' % (name, e), flush=True)
        except Exception:
            failed += 1
            print('FAIL  %s: %s' % (name, traceback.format_exc()), flush=True)
    print('%d failed' % failed)
    sys.exit(1 if failed else 0)


def in_folder(function, prepare):
    with tempfile.TemporaryDirectory(prefix='hvm-dm-suite.') as directory:
        prepare(directory)
        function(directory)


def main(doc, prepare=lambda directory: None):
    options = arguments(doc)
    run([(name, lambda f=function: in_folder(f, prepare)) for name, function in TESTS], options.names)
