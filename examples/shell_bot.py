#!/usr/bin/env python3
"""Runs one of three programs for one person: "!run uptime" answers with what it prints.

    P2PCHAT_MASTER=alice@CIC examples/shell_bot.py

A bridge to the machine that stays narrow: whoever orders is one peer whose key was compared
(/verify on a console), and the answer leaves on such a link only. What is run stands below, word
for word. What somebody wrote only chooses a line of it, and no shell ever sees it.
"""

import asyncio
import os

from p2pchat.bot import Bot

ALLOWED = {
    "uptime": ["uptime"],
    "disk": ["df", "-h", "/"],
    "date": ["date", "-u"],
}
MASTER = os.environ.get("P2PCHAT_MASTER", "nobody@nowhere")
TIMEOUT = 10
LONGEST = 4000

bot = Bot()


@bot.command("run", security="verified", only=(MASTER,))
async def run(message):
    """NAME: what this program prints; without a name, which there are."""
    command = ALLOWED.get(" ".join(message.words))
    said = await output(command) if command else f"one of {', '.join(ALLOWED)}"
    await message.reply(said, security="verified")


async def output(command):
    """What a program prints, or why it does not."""
    program = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await asyncio.wait_for(program.communicate(), TIMEOUT)
    except TimeoutError:
        program.kill()
        return f"it takes longer than {TIMEOUT} s"
    return printed.decode("utf-8", "replace")[:LONGEST] or f"status {program.returncode}"


if __name__ == "__main__":
    bot.run()
