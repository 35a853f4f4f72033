"""Worlds of nodes that encrypt, with enemies, each from a seed: see `tests.support.sealed_world`.

`python -m benchmarks.sealed_worlds FIRST COUNT` tries so many seeds, and tells the story of the
first that goes wrong. The exit status is 0 when none does.
"""

from __future__ import annotations

import argparse
import sys


def main() -> int:
    """Try them."""
    # The tests are not in an installation.
    from tests.support.sealed_world import went_wrong

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    bad = 0
    for seed in range(options.first, options.first + options.count):
        wrong, story = went_wrong(seed)
        if wrong:
            bad += 1
            print(f"seed {seed}: {wrong}", flush=True)
            if bad == 1:
                print("\n".join(story), flush=True)
    print(f"{bad} of {options.count} went wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
