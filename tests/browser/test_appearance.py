"""How the page looks and is used: phone, dark, Portuguese, by keys alone, by a screen reader."""

from __future__ import annotations

from importlib import resources
from typing import Any

from tests.support.browsers import Keys
from tests.support.tabs import Tab
from tests.support.web_pages import ANA, BOB, CARLA, PageCase

_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(
    found => done(found.violations.map(
        each => each.id + ": " + each.help + " " + each.nodes.map(node => node.html).join(" "))),
    fault => done([String(fault)]));
"""
_BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
_LUMINANCE = "return getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3)"
_SEEN = """
const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
const part = middle.closest("#list, #talk, #side");
return part?.id === arguments[0] && part.getBoundingClientRect().width >= innerWidth - 2;
"""
_REACHED = """
const all = document.querySelectorAll("button, input, select, textarea, summary, a, [tabindex]");
const can = [...all].filter(e => (e.focus({preventScroll: true}), document.activeElement === e));
return [...new Set(can.map(e => e.closest("#list, #talk, #side").id))];
"""
_TIMES = """
const bob = document.querySelector(`#graph [data-id="bob@CIC"] .trip`).textContent;
return [bob, document.querySelector("#peer-state").textContent.split(" · ").at(-1)];
"""
_OVERFLOW = "return document.documentElement.scrollWidth > innerWidth"
_SMALL = """
const seen = e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length;
const all = "button, input:not([type=checkbox]), select, textarea, summary";
return [...document.querySelectorAll(all)].filter(seen)
    .filter(e => e.getBoundingClientRect().height < 43.5 && !e.closest("#log"))
    .map(e => e.id || e.className || e.outerHTML);
"""


def axe() -> str:
    """The script of axe-core, which a package of the extra web-test carries."""
    return (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


class Appearance(PageCase):
    async def spoken(self, tab: Tab | None = None) -> Tab:
        """The page after some talk, with bob's conversation open."""
        self.bob.send(ANA, "olá, tudo bem?")
        self.carla.send(ANA, "have you seen it?")
        self.carla.publish("#CIC", "good morning")
        page = await self.enter(tab)
        await self.talk_with(page, BOB)
        await self.say(page, "tudo, e tu? https://example.org/")
        await page.visible('#log .mark[data-state="delivered"]')
        return page

    async def check(self, page: Tab) -> None:
        """Nothing that axe finds is wrong with the page as it is."""
        if not await page.run("return 'axe' in window"):
            await page.run(axe())
        found: list[Any] = await page.asynchronously(_AXE)
        self.assertEqual(found, [])

    async def test_nothing_is_wrong_for_who_cannot_see_it(self) -> None:
        page = await self.spoken()
        await self.check(page)
        await page.prefer(color_scheme="dark")
        await self.check(page)
        await page.click("#open-search")
        await page.type("#words", "bem\n")
        await page.visible("#results .result")
        await self.check(page)

    async def test_dark_is_dark_and_can_be_chosen(self) -> None:
        page = await self.spoken()
        light = [float(each) for each in await page.run(_LUMINANCE)]
        await page.prefer(color_scheme="dark")
        dark = [float(each) for each in await page.run(_LUMINANCE)]
        self.assertGreater(sum(light), 600)
        self.assertLess(sum(dark), 200)
        await page.click("#menu-button")
        await page.choose("#theme", "light")
        self.assertEqual([float(each) for each in await page.run(_LUMINANCE)], light)
        await page.go(self.base)
        await self.opened(page)
        self.assertEqual([float(each) for each in await page.run(_LUMINANCE)], light)

    async def test_a_phone_shows_one_of_three_at_a_time(self) -> None:
        tab = await self.tab()
        await tab.be_a_phone()
        self.bob.send(ANA, "olá, " + "muito " * 60 + "x" * 300)
        page = await self.enter(tab)
        if await page.run("return document.documentElement.dataset.view") != "list":
            await page.click("#back")
        await page.until(_SEEN, "list")
        self.assertEqual(await page.run(_SMALL), [])
        await page.click(f'.conversation[data-id="{BOB}"]')
        await page.shows("#log .text", "olá")
        await page.until(_SEEN, "talk")
        await self.say(page, "oi")
        await page.visible('#log .mark[data-state="delivered"]')
        self.assertFalse(await page.run(_OVERFLOW))
        self.assertEqual(await page.run(_SMALL), [])
        await self.check(page)
        for _ in range(2):
            self.ana.ping_all()
            self.town.run(1.5)  # told once a second
        await page.shows("#peer-state", " ms")
        await page.click("#open-side")
        await page.until(_SEEN, "side")
        self.assertFalse(await page.run(_OVERFLOW))
        parts = await page.run(_REACHED)
        self.assertEqual(parts, ["side"], "what lies under the details is out of reach")
        await page.visible("#graph .trip")
        # All that there is of the link says the same of it.
        times = await page.run(_TIMES)
        self.assertEqual(len({*times}), 1, times)
        node = f'#graph [data-id="{BOB}"]'
        await page.run(
            "document.querySelector(arguments[0]).dispatchEvent(new Event('click'))", node
        )
        await page.until(_SEEN, "talk")
        await page.click("#open-side")
        await page.until(_SEEN, "side")
        await page.click("#close-side")
        await page.click("#back")
        await page.until(_SEEN, "list")

    async def test_portuguese_for_who_reads_it(self) -> None:
        tab = await self.tab()
        await tab.go("about:blank")
        await tab.speak("pt-BR")
        page = await self.spoken(tab)
        self.assertEqual(await page.run("return document.documentElement.lang"), "pt-BR")
        await page.shows("#send", "Enviar")
        await page.click("#menu-button")
        await page.choose("#language", "en")
        await page.shows("#send", "Send")
        await page.go(self.base)
        await self.opened(page)
        self.assertEqual(await page.run("return document.documentElement.lang"), "en")

    async def test_all_of_it_by_keys_alone(self) -> None:
        self.carla.send(ANA, "have you seen it?")
        page = await self.enter()
        await page.press(Keys.CONTROL, "k")
        await page.focused("#filter")
        await page.press("b")
        await page.gone(f'.conversation[data-id="{CARLA}"]')
        for _ in range(12):
            await page.press(Keys.TAB)
            if await page.run("return document.activeElement.dataset.id") == BOB:
                break
        await page.press(Keys.ENTER)
        await page.focused("#title")
        for _ in range(20):
            await page.press(Keys.TAB)
            if await page.run("return document.activeElement.id") == "field":
                break
        await page.focused("#field")
        await page.typed("oi")
        await page.press(Keys.ENTER)
        await page.visible('#log .mark[data-state="delivered"]')
        await page.press(Keys.CONTROL, "k")
        await page.press(Keys.ESCAPE)
        await page.press(Keys.ALT, "a")
        await page.shows("#title", CARLA)
        await page.run("document.activeElement.blur()")
        await page.press("?")
        await page.visible("#keys")
        await page.press(Keys.ESCAPE)
        await page.gone("#keys")

    async def test_keys_reach_everything_in_the_order_of_reading(self) -> None:
        page = await self.spoken()
        await page.run("document.querySelector('#list button').focus()")
        seen: list[str] = []
        for _ in range(60):
            await page.press(Keys.TAB)
            seen.append(
                await page.run(
                    "return document.activeElement.closest('nav, main, aside')?.tagName || ''"
                )
            )
            if len(seen) > 3 and seen[-1] == "" and "ASIDE" in seen:
                break
        order = [part for at, part in enumerate(seen) if part and (not at or seen[at - 1] != part)]
        self.assertEqual(order, ["NAV", "MAIN", "ASIDE"])
