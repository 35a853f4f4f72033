"""The tests: `python -m twisted.trial -j2 tests`. The folder of a test says what the test costs.

- `wire`, `settings`, `logs`, `rendezvous`, `mesh`, `history`, `node`, `console`, `control`,
  `service`, `testing` mirror the packages: one file for a module. They start no chat program and
  pass no real time. Run the folder of what you change after each change: seconds.
- `together`: whole nodes in the fake network. Run it before a commit: a minute or two.
- `processes`: real programs, real sockets, real time. Run it before a merge: some minutes.
- `browser`: a node's page in a real browser, which is skipped where there is none. A minute.
- `support`: the fakes and the helpers of the tests. `corpus`: inputs that the fuzzer kept.

The inner loop is `python -m twisted.trial tests.wire tests.mesh tests.node tests.settings`. All
folders run for each change that is merged.
"""

import os
import sys

from hypothesis import settings

# Where coverage is measured, it is that of trial's workers, which run the tests. The programs that
# tests start would begin later by the import of coverage, and leave its files where "nothing left"
# is asserted.
if sys.argv[0].endswith("workertrial.py"):
    os.environ.pop("COVERAGE_PROCESS_START", None)

# What the program says is compared in English, whatever language the person speaks who runs them.
os.environ["LC_ALL"] = "C.UTF-8"

# No example database (nothing is left behind), and no deadline: the machine may be busy.
settings.register_profile("p2pchat", database=None, deadline=None)
settings.load_profile("p2pchat")
