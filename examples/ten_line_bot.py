#!/usr/bin/env python3
"""Answers every message with the same text: a bot in ten lines, for a node that runs."""

from p2pchat.bot import Bot

bot = Bot()


@bot.on_message
async def echo(message):
    """Say the same."""
    await message.reply(message.text)


if __name__ == "__main__":
    bot.run()
