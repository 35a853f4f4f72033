"""One tab of the browser: what a person does there, and what a test looks at.

    tab = await open_tab()
    await tab.go("http://127.0.0.1:27880/")
    await tab.shows("#log .text", "olá")
    await tab.type("#field", "tudo bem?" + Keys.ENTER)

Rules: what is asked of the browser is asked in a thread, so that the reactor serves the page
meanwhile. Nobody sleeps: the page itself is looked at until a condition holds, or its time is over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.support.browsers import (
    PATIENCE,
    Browser,
    By,
    JavascriptException,
    StaleElementReferenceException,
    the_browser,
)

_T = TypeVar("_T")
_ATTEMPTS: Final = 5


class Tab:
    """One tab. Every method fires when the browser has done what it says.

    `css` is a selector. A method that needs an element waits until there is one to be seen.
    """

    def __init__(self, browser: Browser, handle: str) -> None:
        self._browser = browser
        self._handle = handle
        self._is_new = self._is_changed = False
        self.closed = False

    # ------------------------------------------------------------ what a person does

    def go(self, url: str) -> Deferred[None]:
        """Load this address."""
        return self._do(lambda driver: driver.get(url))

    def back(self) -> Deferred[None]:
        """Go back to what was here before."""
        return self._do(lambda driver: driver.back())

    async def click(self, css: str) -> None:
        """Click on it, where it is seen."""
        await self._with(css, lambda element: element.click())

    async def type(self, css: str, text: str) -> None:
        """Type into it; `Keys` has those without a letter."""
        await self._with(css, lambda element: element.send_keys(text))

    def press(self, *keys: str) -> Deferred[None]:
        """Press keys wherever the focus is, all held until the last one is down."""
        from selenium.webdriver.common.action_chains import ActionChains

        def pressed(driver: Any) -> None:
            chain = ActionChains(driver, duration=0)
            for key in keys:
                chain.key_down(key)
            for key in reversed(keys):
                chain.key_up(key)
            chain.perform()

        return self._do(pressed)

    def typed(self, text: str) -> Deferred[None]:
        """Type wherever the focus is."""
        return self._do(lambda driver: driver.switch_to.active_element.send_keys(text))

    async def choose(self, css: str, value: str) -> None:
        """Choose this value of a select."""
        option = f'option[value="{value}"]'
        await self._with(css, lambda element: element.find_element(By.CSS_SELECTOR, option).click())

    # ------------------------------------------------------------ what a test looks at

    def run(self, script: str, *args: object) -> Deferred[Any]:
        """What this function body returns in the page."""
        return self._do(lambda driver: driver.execute_script(script, *args))

    def asynchronously(self, script: str, *args: object) -> Deferred[Any]:
        """What this function body gives to the function that is its last argument."""
        return self._do(lambda driver: driver.execute_async_script(script, *args))

    async def until(
        self, script: str, *args: object, what: str = "", limit: float = PATIENCE
    ) -> Any:
        """Look until this function body returns something true, and return it.

        Raises AssertionError with what the page shows, when that is not within `limit` seconds.
        """
        whole = _UNTIL % (script, limit * 1000)
        found = None
        for _ in range(_ATTEMPTS):
            try:
                found = await self._do(lambda driver: driver.execute_async_script(whole, *args))
                break
            except JavascriptException as why:
                if "unloaded" not in str(why):  # the page was left meanwhile
                    raise
        if not found:
            shown = await self.run("return document.body ? document.body.innerText : ''")
            said = await self.said()
            raise AssertionError(
                f"never: {what or script} {args or ''}\n{said}\nThe page shows:\n{shown[:3000]}"
            )
        return found

    async def visible(self, css: str) -> None:
        """Wait until such an element is to be seen."""
        await self.until(_SEEN + "return seen(arguments[0]).length", css, what=f"seen {css}")

    async def gone(self, css: str) -> None:
        """Wait until no such element is to be seen."""
        await self.until(_SEEN + "return !seen(arguments[0]).length", css, what=f"gone {css}")

    async def shows(self, css: str, text: str) -> None:
        """Wait until such an element is seen with this in its text."""
        await self.until(
            _SEEN + "return seen(arguments[0]).some(e => e.innerText.includes(arguments[1]))",
            css,
            text,
            what=f"{css} shows {text!r}",
        )

    async def counts(self, css: str, number: int) -> None:
        """Wait until exactly so many of such elements are there."""
        await self.until(
            "return document.querySelectorAll(arguments[0]).length === arguments[1]",
            css,
            number,
            what=f"{number} of {css}",
        )

    async def focused(self, css: str) -> None:
        """Wait until the focus is on such an element."""
        await self.until(
            "return document.activeElement.matches(arguments[0])", css, what=f"focus on {css}"
        )

    def texts(self, css: str) -> Deferred[list[str]]:
        """The texts of all such elements, as they are drawn."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)"
        return self.run(script, css)

    async def said(self) -> str:
        """What the browser complained of since the last time: scripts, rules, loads."""
        lines = await self._do(lambda driver: driver.get_log("browser"))
        return "\n".join(line["message"] for line in lines if line["level"] == "SEVERE")

    # ------------------------------------------------------------ what the browser is

    def cdp(self, command: str, **values: object) -> Deferred[Any]:
        """Give a command of the DevTools protocol."""
        self._is_changed = self._is_changed or command.startswith("Emulation.")
        return self._do(lambda driver: driver.execute_cdp_cmd(command, values))

    async def cpu(self) -> float:
        """Seconds of CPU time of the page's main thread, counted from the first call on."""
        await self.cdp("Performance.enable", timeDomain="threadTicks")
        found = await self.cdp("Performance.getMetrics")
        metrics = {each["name"]: float(each["value"]) for each in found["metrics"]}
        return metrics["TaskDuration"]

    async def be_a_phone(self, width: int = 360, height: int = 740) -> None:
        """Have the screen of a phone, which is touched."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        await self.cdp("Emulation.setDeviceMetricsOverride", **size)
        await self.cdp("Emulation.setTouchEmulationEnabled", enabled=True)

    async def prefer(self, **features: str) -> None:
        """Have the person prefer something: `color_scheme="dark"`, `reduced_motion="reduce"`."""
        wanted = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        await self.cdp("Emulation.setEmulatedMedia", features=wanted)

    async def speak(self, language: str) -> None:
        """Have the person read this language: `pt-BR`."""
        agent = await self.run("return navigator.userAgent")
        await self.cdp("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        await self.cdp("Emulation.setLocaleOverride", locale=language)

    async def picture(self, path: str | Path) -> None:
        """Write what is seen into a PNG."""
        await self._do(lambda driver: driver.save_screenshot(str(path)))

    async def forget_all(self, origin: str) -> None:
        """Leave the page, and have nothing kept for this origin: another test may have its port."""

        def forget(driver: Any) -> bool:
            here: bool = driver.execute_script(_FORGET, origin)
            driver.get("about:blank")
            if not here:
                values = {"origin": origin, "storageTypes": "all"}
                driver.execute_cdp_cmd("Storage.clearDataForOrigin", values)
            return here

        # Whose storage the browser has cleared by itself keeps less than a new one does.
        self._is_new = await self._do(forget) and not self._is_changed

    async def close(self) -> None:
        """Close it, or leave it to the next test if nothing is left in it; twice does no harm."""
        if not self.closed:
            self.closed = True
            if self._is_new:
                self._browser.free.append(self._handle)
                return
            await self._do(lambda driver: driver.close())
            self._browser.current = ""

    def another(self, url: str) -> Deferred[Tab]:
        """Open this address from here in a further tab, as a click on a link there does."""

        def opened(driver: Any) -> Tab:
            before = {*driver.window_handles}
            driver.execute_script("window.open(arguments[0], '_blank', 'noopener')", url)
            (handle,) = {*driver.window_handles} - before
            return Tab(self._browser, handle)

        return self._do(opened)

    async def _with(self, css: str, act: Callable[[Any], None]) -> None:
        """Do something with an element that is seen, also if the page draws it anew meanwhile."""
        for _ in range(_ATTEMPTS):
            await self.visible(css)
            try:
                await self._do(lambda driver: act(driver.find_element(By.CSS_SELECTOR, css)))
            except StaleElementReferenceException:
                continue
            return
        raise AssertionError(f"{css} is drawn anew all the time")

    def _do(self, ask: Callable[[Any], _T]) -> Deferred[_T]:
        def in_a_thread() -> _T:
            browser = self._browser
            if browser.current != self._handle:
                browser.driver.switch_to.window(self._handle)
                browser.current = self._handle
            return ask(browser.driver)

        return deferToThread(in_a_thread)


async def open_tab(*, window: bool = False) -> Tab:
    """A new tab, or a window of its own, which is seen beside others. Close it in the end."""

    def opened() -> Tab:
        browser = the_browser()
        if browser.free and not window:
            return Tab(browser, browser.free.pop())
        browser.driver.switch_to.window(browser.home)
        browser.driver.switch_to.new_window("window" if window else "tab")
        browser.current = browser.driver.current_window_handle
        return Tab(browser, browser.current)

    return await deferToThread(opened)


def without(said: str, *expected: str) -> str:
    """What a browser complained of, without the lines that a test expects."""
    return "\n".join(
        line
        for line in said.splitlines()
        if not any(re.search(pattern, line) for pattern in expected)
    )


_SEEN: Final = """
const seen = css => [...document.querySelectorAll(css)].filter(
    e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length);
"""
_FORGET: Final = """
if (`${location.origin}/` !== arguments[0]) return false;
for (const each of [localStorage, sessionStorage]) each.clear();
location.replace("about:blank"); // before the page asks for anything without its key
return true;
"""
_UNTIL: Final = """
const given = [...arguments], done = given.pop(), begun = performance.now();
const look = function () { %s };
const again = () => {
    let found = null;
    try { found = look(...given); } catch (fault) { console.error(String(fault)); }
    if (found || performance.now() - begun > %d) done(found || null);
    else setTimeout(again, 20);
};
again();
"""
