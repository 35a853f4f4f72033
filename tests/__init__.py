"""The tests: `python -m twisted.trial tests`."""

from hypothesis import settings

# No example database (nothing is left behind), and no deadline: the machine may be busy.
settings.register_profile("p2pchat", database=None, deadline=None)
settings.load_profile("p2pchat")
