"""Runs one command and writes what it cost to a file: python launch.py REPORT COMMAND...

A small process of its own, because Linux counts the memory of the process that starts another as the other's peak.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main():
    report, *command = sys.argv[1:]
    began = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    figures = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024}
    Path(report).write_text(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
