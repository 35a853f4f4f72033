#!/usr/bin/env python3
"""Answers direct messages as a hook: p2pchat --on-message examples/hook.py.

It runs once for each message that comes, with the event as JSON on its standard input. It answers
everybody; a bot that obeys must look who says so, as obeying_hook.py does.
"""

import json
import os
import subprocess
import sys

event = json.load(sys.stdin)
if event["to"] == os.environ["P2PCHAT_PEER_ID"] and not event["text"].startswith("echo: "):
    # Behind "--" a name is a name, even one that begins with a dash.
    command = ["p2pchat", "send", "--control", os.environ["P2PCHAT_CONTROL"]]
    command += ["--", event["from"], "-"]
    sys.exit(subprocess.run(command, input="echo: " + event["text"], text=True).returncode)
