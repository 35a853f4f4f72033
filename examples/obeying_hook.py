#!/usr/bin/env python3
"""Obeys one person, as a hook: p2pchat --on-message examples/obeying_hook.py.

Put the peer_id of that person into P2PCHAT_MASTER, and compare keys first: /verify on a console. It
knows one command, "uptime", and never makes what somebody wrote a part of what it runs.
"""

import json
import os
import subprocess
import sys

event = json.load(sys.stdin)
# Who says so, and whether that is certain: anybody can take a name that nobody has.
obeyed = event["from"] == os.environ["P2PCHAT_MASTER"] and event.get("security") == "verified"
if obeyed and event["to"] == os.environ["P2PCHAT_PEER_ID"] and event["text"] == "uptime":
    said = subprocess.run(["uptime"], capture_output=True, text=True, check=True).stdout
    # The answer leaves on a verified link only, and waits for one.
    command = ["p2pchat", "send", "--control", os.environ["P2PCHAT_CONTROL"]]
    command += ["--security", "verified", "--", event["from"], "-"]
    sys.exit(subprocess.run(command, input=said, text=True, check=False).returncode)
