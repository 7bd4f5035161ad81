# SPDX-License-Identifier: GPL-2.0-or-later
"""How the lab's benchmarks are played: their programs are built, a scenario of tests/bench runs."""
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BENCH = TOP / 'tests' / 'bench'


def lines(scenario, env, programs=(), timeout=900, icount=True, out=None, dm=None, further=()):
    """What SCENARIO.sh prints, line by line as it comes; printed here, too. Beside the programs, `further` are files that
    are handed in as they are. A failure ends the program."""
    with tempfile.TemporaryDirectory() as work:
        files = [pathlib.Path(work) / name for name in programs]
        for file in files:
            subprocess.run(['cc', '-O2', '-static', '-o', file, BENCH / f'{file.name}.c'], check=True)
        files += further
        command = [TOP / 'tools' / 'lab', 'run', BENCH / f'{scenario}.sh', '--timeout', str(timeout),
                   *(['--icount'] if icount else []), *(['--in', *files] if files else []),
                   *(['--out', out] if out else []), *(['--dm', dm] if dm else [])]
        for name, value in env.items():
            command += ['--env', f'{name}={value}']
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lab:
            for line in lab.stdout:
                print(line, end='', flush=True)
                yield line
        if lab.returncode:
            sys.exit('the lab failed')
