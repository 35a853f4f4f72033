"""The past in a browser: back to the first message, and to the place of what a search found."""

from __future__ import annotations

from tests.support.browsers import Keys
from tests.support.web_pages import ANA, BOB, CARLA, PageCase

MANY = 260
_TOP = """
const log = document.querySelector("#log"), top = log.getBoundingClientRect().top;
const line = [...log.querySelectorAll(".line")].find(e => e.getBoundingClientRect().top >= top);
const count = log.querySelectorAll(".line").length;
return [count, line.querySelector(".text").innerText, line.getBoundingClientRect().top - top];
"""


class Past(PageCase):
    async def filled(self) -> None:
        for number in range(MANY):
            odd = " with a needle" if number == 20 else ""
            self.bob.send(ANA, f"message {number}{odd}")
        self.town.run(2)
        self.ana.unread.seen(BOB)

    async def test_older_messages_keep_the_place_back_to_the_first_one(self) -> None:
        await self.filled()
        page = await self.enter()
        await self.talk_with(page, BOB)
        await page.shows("#log .text", f"message {MANY - 1}")
        await page.until("return document.querySelectorAll('#log .line').length >= 50")
        # Near the upper end, so that more comes above what is read.
        count, *before = await page.run(f"document.querySelector('#log').scrollTop = 200; {_TOP}")
        await page.until(
            "return document.querySelectorAll('#log .line').length > arguments[0]", count
        )
        self.assertEqual((await page.run(_TOP))[1:], before)
        await page.until(
            "document.querySelector('#log').scrollTop = 0;"
            "return document.querySelector('#log .text').innerText === 'message 0'"
        )
        # Never more than a person reads around the place, however long the past is.
        self.assertLessEqual(len(await page.texts("#log .line")), 200)
        await page.click("#to-end")
        await page.shows("#log .text", f"message {MANY - 1}")

    async def test_a_search_opens_the_place_and_comes_back(self) -> None:
        await self.filled()
        page = await self.enter()
        await self.talk_with(page, CARLA)
        await page.press("/")
        await page.focused("#words")
        await page.run(
            "const s = document.querySelector('#where'); s.value = 'everywhere';"
            "s.dispatchEvent(new Event('change', {bubbles: true}))"
        )
        await page.type("#words", "needle\n")
        await page.shows("#results .result", "needle")
        await page.click("#results .result")
        await page.shows("#log .hit .text", "message 20 with a needle")
        await page.shows("#log .text", "message 30")
        await page.shows("#title", BOB)
        await page.press(Keys.ESCAPE)
        await page.shows("#title", CARLA)
