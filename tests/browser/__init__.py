"""A real browser at a node's page. Skipped where there is none: the extra `web-test`, and Debian's
packages chromium and chromium-driver.
"""
