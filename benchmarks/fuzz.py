"""Coverage-guided fuzzing of what strangers can send; needs the package atheris (the extra `dev`).

    python benchmarks/fuzz.py wire --seconds 600
    python benchmarks/fuzz.py all --seconds 900          # each of them, one after the other

What is fed, and what must hold, is in `tests/support/fuzz_targets.py`. A run starts from the corpus
in `tests/corpus/TARGET`, collects in `--folder`, and ends with the first finding, whose bytes it
writes there. Exit status 0: none. A finding, once mended, belongs into the corpus, which the tests
try on every run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("wire", "request", "proxied", "reply", "link")


def run(target: str, seconds: int, folder: Path) -> None:
    """Fuzz one target in this process; does not return."""
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["p2pchat", "json"]):
        from tests.support.fuzz_targets import TARGETS as FUNCTIONS

    kept = folder / target
    kept.mkdir(parents=True, exist_ok=True)
    arguments = [sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10"]
    arguments += [f"-artifact_prefix={kept}-", str(kept), str(ROOT / "tests" / "corpus" / target)]
    atheris.Setup(arguments, FUNCTIONS[target])
    atheris.Fuzz()


def main() -> int:
    """Fuzz what the command line says; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=(*TARGETS, "all"))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--folder", type=Path, default=Path("fuzzed"))
    options = parser.parse_args()
    if options.target != "all":
        run(options.target, options.seconds, options.folder.resolve())
    status = 0
    for target in TARGETS:
        command = [sys.executable, __file__, target, "--seconds", str(options.seconds)]
        command += ["--folder", str(options.folder)]
        status = max(status, abs(subprocess.run(command, check=False).returncode))
    return status


if __name__ == "__main__":
    sys.exit(main())
