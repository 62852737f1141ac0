"""Strike a store of the running lab with a fault while clients write, and print what they saw as one row.

    python -m tests.failure --store postgresql --fault host --repeat 5 [--json]

Columns: the longest time without an acknowledged write of one client (minimum, median and maximum of the runs, seconds), the writes
that were acknowledged, those of them that are lost, those that are there twice, reads of the past, and the verdict. The clients run on a
host of their own, which the first run makes and `--remove` takes away. Exits 1 when a store broke its promise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from tests.failure.experiment import strike
from tests.failure.faults import FAULTS
from tests.failure.history import line, row
from tests.failure.platform import STORES, Platform, PlatformError


def main() -> int:
    """Read the command line and run; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.failure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="faults:\n" + "\n".join(f"  {name:<12} {fault.meaning}" for name, fault in FAULTS.items()),
    )
    parser.add_argument("--store", choices=STORES, action="append", help="may be given more than once")
    parser.add_argument("--fault", choices=FAULTS, action="append", help="may be given more than once")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of each (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    parser.add_argument("--deployed", action="store_true", help="the clients are deployed and up to date")
    parser.add_argument(
        "--remove", action="store_true", help="take the clients' host away instead of, or after, the runs"
    )
    arguments = parser.parse_args()
    if not arguments.remove and not (arguments.store and arguments.fault):
        parser.error("say which --store and which --fault, or --remove")
    if arguments.repeat < 1:
        parser.error("--repeat must be 1 or more")
    try:
        return _run(arguments)
    except PlatformError as error:
        print(f"tests.failure: {error}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace) -> int:
    platform = Platform()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", file=sys.stderr, flush=True)

    status = 0
    if arguments.store and arguments.fault:
        if not arguments.deployed:
            say("deploying the clients")
            platform.deploy_further()
        for store in arguments.store:
            for fault in arguments.fault:
                table = row(store, fault, strike(platform, store, fault, arguments.repeat, say))
                status |= table["verdict"] != "kept"
                print(json.dumps(table) if arguments.json else line(table), flush=True)
    if arguments.remove:
        say("taking the clients away")
        platform.remove_further()
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
