"""Ten thousand messages a second: the page stays one that a person can use."""

from __future__ import annotations

from itertools import count
from statistics import median
from typing import Final

from twisted.internet.task import LoopingCall

from p2pchat.wire.messages import Send
from tests.support.tabs import Tab
from tests.support.web_pages import ANA, BOB, CARLA, PageCase

RATE: Final = 10_000
SECONDS: Final = 1.0
LAST: Final = "the last one"
ATTEMPTS: Final = 6
"""A machine that does something else for half a second is not the page's fault; each time it is."""
IDLE: Final = 100.0
"""Milliseconds of a frame while nothing happens, beyond which the machine is too busy to tell."""
MOST_CPU: Final = 1.0
"""Seconds of the page's thread for a flood, however busy the machine is."""
FRAMES: Final = """
window.frames = [];
let before = 0;
const frame = at => {
    if (before) frames.push(at - before);
    before = at;
    requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""


class Flood(PageCase):
    keeps = False

    async def frames(self, page: Tab, number: int) -> list[float]:
        """So many frames from now on, in milliseconds."""
        await page.run("window.frames.length = 0")
        found: list[float] = await page.until(
            "return frames.length >= arguments[0] && frames", number
        )
        return found

    async def flood(self, page: Tab, last: str) -> list[float]:
        """A second of messages; the page's frames in it, in milliseconds."""
        peer = self.ana.peers.get(BOB)
        assert peer is not None
        numbers = count()
        turns = 50

        def some() -> None:
            texts = [f"message {next(numbers)}" for _ in range(int(RATE * SECONDS / turns))]
            messages = [
                Send(self.bob.mesh.context.new_id(), BOB, ANA, text, False) for text in texts
            ]
            self.ana.observers.received(peer, [*messages])
            if next(left) + 1 == turns:
                loop.stop()

        left, loop = count(), LoopingCall(some)
        await page.run("window.frames.length = 0")
        await loop.start(SECONDS / turns)
        self.bob.send(ANA, last)
        await page.shows("#log .text", last)
        frames: list[float] = await page.run("return window.frames")
        return frames

    async def test_the_page_can_be_used_in_a_flood(self) -> None:
        page = await self.enter()
        self.carla.send(ANA, "hello")
        self.bob.send(ANA, "first")
        await self.talk_with(page, BOB)
        # Seen: the page is at the end, and stays there.
        await page.gone(f'.conversation[data-id="{BOB}"] .unread')
        await page.run(FRAMES)
        used = await page.cpu()
        for attempt in range(ATTEMPTS):
            idle = await self.frames(page, 30)
            frames = await self.flood(page, f"{LAST} {attempt}")
            if max(idle) > IDLE or (max(frames) < 400 and median(frames) < 50):
                break
        else:
            self.fail(f"frames of {max(frames)} ms, median {median(frames)} ms")
        self.assertLess(await page.cpu() - used, MOST_CPU * (attempt + 1))
        self.assertLessEqual(len(await page.texts("#log .line")), 200)
        await self.talk_with(page, CARLA)
        await page.shows("#log .text", "hello")
