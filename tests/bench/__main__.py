"""What Quill costs, as JSON on stdout: python -m tests.bench [--list] [--only NAME].

Everything is next to a baseline that was measured in the same run, since no two machines are alike; nothing passes or
fails here. Progress goes to stderr.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib import import_module

from tests.bench.measuring import say
from tests.cluster import ClusterError

CASES = {
    "idle": "a tick with nothing to do over 1,000 and 10,000 resources, next to bare lists",
    "due": "a tick that starts 200 and 1,000 backups, next to sending the same bodies; requests per backup",
    "validate": "`quill validate` of one file, and of 2,000 next to only parsing them",
    "simulate": "`quill simulate` over a week of hourly and of daily backups, next to a minute of them",
    "unchanged": "the second backup of an unchanged volume, cloned with and without its inodes (needs the cluster)",
}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="say which cases there are")
    parser.add_argument("--only", action="append", choices=CASES, metavar="NAME", help="this case; may be repeated")
    arguments = parser.parse_args()
    if arguments.list:
        for name, what in CASES.items():
            print(f"{name:<10} {what}")
        return 0
    figures, failed = {}, False
    for name in arguments.only or CASES:
        began = time.monotonic()
        try:
            figures[name] = import_module(f"tests.bench.{name}").measure()
        except ClusterError as error:
            figures[name], failed = {"error": str(error)}, True
        say(f"{name}: done after {time.monotonic() - began:.0f} s")
    machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({"machine": machine, "cases": figures}, indent=2))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
