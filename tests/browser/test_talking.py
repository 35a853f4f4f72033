"""What is said, seen in a browser: it comes and goes live, and each message tells its state."""

from __future__ import annotations

from tests.support.browsers import Keys
from tests.support.web_pages import ANA, BOB, CARLA, PageCase

HOSTILE = "<img src=x onerror=\"document.title='taken'\"> a\u202etxt.exe <script>1</script>"


class Talking(PageCase):
    async def test_a_conversation_is_live_both_ways(self) -> None:
        page = await self.enter()
        self.bob.send(ANA, "olá, tudo bem?")
        await page.shows(f'.conversation[data-id="{BOB}"]', "olá, tudo bem?")
        await self.talk_with(page, BOB)
        await page.shows("#log .line:not(.own) .text", "olá, tudo bem?")
        await self.say(page, "tudo, e tu?")
        await page.visible('#log .line.own .mark[data-state="delivered"]')
        self.assertEqual(self.texts(self.bob), ["tudo, e tu?"])
        self.bob.send(ANA, "também")
        await page.shows("#log .line:not(.own) .text", "também")
        self.assertEqual(
            await page.texts("#log .text"), ["olá, tudo bem?", "tudo, e tu?", "também"]
        )

    async def test_two_lines_are_one_message_and_a_command_is_none(self) -> None:
        page = await self.enter()
        await self.talk_with(page, BOB)
        await page.type("#field", "one" + Keys.SHIFT + Keys.ENTER + Keys.NULL + "two\n")
        await page.visible('#log .line.own .mark[data-state="delivered"]')
        await self.say(page, "/conn")
        await page.shows("#log .note", BOB)
        await self.say(page, "//conn is a command")
        await page.shows("#log .line.own .text", "/conn is a command")
        await page.until("return document.querySelectorAll('[data-state=delivered]').length === 2")
        self.assertEqual(self.texts(self.bob), ["one\ntwo", "/conn is a command"])

    async def test_what_is_published_tells_how_many_got_it(self) -> None:
        self.carla.publish("#CIC", "bom dia")
        page = await self.enter()
        await self.talk_with(page, "#CIC")
        await page.shows("#log .line:not(.own)", "carla")
        await self.say(page, "good morning")
        await page.visible('#log .mark[data-state="published"]')
        await page.shows("#log .line.own", "to 2 peers")

    async def test_a_message_waits_for_its_peer_and_can_be_taken_back(self) -> None:
        self.carla.send(ANA, "bye")
        page = await self.enter()
        await self.talk_with(page, CARLA)
        await page.shows("#log .text", "bye")
        self.town.leave(self.carla)
        await self.say(page, "come back")
        await self.say(page, "or not")
        await page.until("return document.querySelectorAll('[data-state=queued]').length === 2")
        await page.click("#log .line.own:last-of-type .cancel")
        await page.until("return document.querySelectorAll('[data-state=queued]').length === 1")
        self.carla = self.town.node(CARLA, sealed=True)
        self.town.run_until_meshed()
        await page.visible('#log .mark[data-state="delivered"]')
        self.assertEqual(self.texts(self.carla), ["come back"])

    async def test_what_others_write_is_text_and_nothing_is_hidden(self) -> None:
        name = "<b>eve<i>@CIC"
        eve = self.town.node(name)
        self.town.run_until_meshed()
        eve.send(ANA, HOSTILE)
        page = await self.enter()
        await page.click("#new")
        await page.type("#new-to", "nobody\n")
        await page.shows("#new-form [role=alert]", "nobody")
        await page.type("#new-to", Keys.BACKSPACE * 6 + name + "\n")
        await page.gone("#new-form")
        await page.shows("#log .text", HOSTILE.replace("\u202e", "\\u202e"))
        await page.shows("#title", "<b>eve<i>")
        found = await page.run(
            "return document.querySelectorAll('#app img, #app script, #app i').length"
        )
        self.assertEqual(found, 0)
        self.assertNotIn("taken", await page.run("return document.title"))

    async def test_only_addresses_of_the_web_are_links(self) -> None:
        self.bob.send(ANA, "see https://example.org/a?b=c and javascript:alert(1)")
        page = await self.enter()
        await self.talk_with(page, BOB)
        await page.visible("#log .text a")
        links = await page.run(
            "const links = [...document.querySelectorAll('#log .text a')];"
            "return links.map(a => [a.href, a.rel, a.target])"
        )
        self.assertEqual(
            links, [["https://example.org/a?b=c", "noopener noreferrer nofollow", "_blank"]]
        )

    async def test_a_change_takes_the_place_of_what_was_said(self) -> None:
        theirs = self.bob.send(ANA, "helo")
        page = await self.enter()
        await self.talk_with(page, BOB)
        await page.shows("#log .text", "helo")
        await self.say(page, "wats up")
        await page.visible('#log .line.own .mark[data-state="delivered"]')
        for theirs_is, ours_is in (("hello", "what's up?"), ("hello, ana", "what is up?")):
            self.bob.send(ANA, theirs_is, of=theirs)
            await self.say(page, f"/edit {ours_is}")
            await page.shows("#log .line.own", "edited")
            await page.shows("#log .line.own .text", ours_is)
            await page.shows("#log .line:not(.own) .text", theirs_is)
            await page.visible('#log .line.own .mark[data-state="delivered"]')
            self.assertEqual(await page.texts("#log .text"), [theirs_is, ours_is])
        await page.shows(f'.conversation[data-id="{BOB}"]', "what is up?")
        await page.go(self.base)
        await self.opened(page)
        await self.talk_with(page, BOB)
        await page.shows("#log .line.own", "edited")
        self.assertEqual(await page.texts("#log .text"), ["hello, ana", "what is up?"])


class NothingKept(PageCase):
    keeps = False
    expected = ("409",)

    async def test_what_was_not_sent_says_so_and_can_be_said_again(self) -> None:
        self.carla.send(ANA, "bye")
        page = await self.enter()
        await self.talk_with(page, CARLA)
        self.town.leave(self.carla)
        await page.shows("#peer-state", "")
        await self.say(page, "are you there?")
        await page.visible('#log .mark[data-state="failed"]')
        self.carla = self.town.node(CARLA, sealed=True)
        self.town.run_until_meshed()
        await page.click("#log .again")
        await page.visible('#log .mark[data-state="delivered"]')
        self.assertEqual(self.texts(self.carla), ["are you there?"])


class Unread(PageCase):
    async def test_pages_and_the_console_share_what_is_unread(self) -> None:
        bob = f'.conversation[data-id="{BOB}"]'
        terminal = self.terminal()
        one, other = await self.enter(window=True), await self.enter(window=True)
        for page in (one, other):
            await self.talk_with(page, CARLA)
        for text in ("one", "two", "three"):
            self.bob.send(ANA, text)
        for page in (one, other):
            await page.shows(f"{bob} .unread", "3")
            await page.until("return document.title.startsWith('(3)')")
        self.assertIn(" [bob@CIC] three", terminal.lines)
        await self.talk_with(one, BOB)
        for page in (one, other):
            await page.gone(f"{bob} .unread")
        self.assertEqual(self.ana.unread.of(BOB), 0)

    async def test_a_console_beside_a_page_that_shows_no_conversation_reads_nothing(self) -> None:
        bob = f'.conversation[data-id="{BOB}"]'
        self.terminal()
        page = await self.enter()
        self.bob.send(ANA, "one")
        await page.shows(f"{bob} .unread", "1")
        await page.go(self.base)
        await self.opened(page)
        await page.shows(f"{bob} .unread", "1")
