#!/usr/bin/env python3
"""Reminds whoever asks: "!remind 10 tea is ready" answers ten minutes later, to the one who asked.

What is to be reminded of is lost when this program ends. One person has ten at a time at most.
"""

import asyncio
from collections import Counter

from p2pchat.bot import Bot, NotDelivered

MOST_MINUTES = 24 * 60
MOST_OF_ONE = 10

bot = Bot()
waiting = Counter()
reminders = set()


@bot.command("remind")
async def remind(message):
    """MINUTES TEXT: say the text again so many minutes later."""
    minutes, *words = message.words or [""]
    if not minutes.isascii() or not minutes.isdecimal() or len(minutes) > 4 or not words:
        await message.reply(f"{bot.prefix}remind MINUTES TEXT")
    elif int(minutes) > MOST_MINUTES:
        await message.reply(f"a day is {MOST_MINUTES} minutes, and the longest")
    elif waiting[message.sender] >= MOST_OF_ONE:
        await message.reply(f"{MOST_OF_ONE} of yours wait already")
    else:
        waiting[message.sender] += 1
        # A task of its own: the next message of this sender need not wait for it.
        reminder = asyncio.create_task(later(message.sender, int(minutes), " ".join(words)))
        reminders.add(reminder)
        reminder.add_done_callback(reminders.discard)
        await message.reply(f"in {minutes} minutes")


async def later(whom, minutes, text):
    """Wait, and remind; what cannot be delivered is the node's to send later, or lost."""
    try:
        await asyncio.sleep(60 * minutes)
        await bot.send(whom, f"you wanted to be reminded: {text}")
    except NotDelivered:
        pass
    finally:
        waiting[whom] -= 1


if __name__ == "__main__":
    bot.run()
