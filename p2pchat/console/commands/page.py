"""The command about the page of this node for a browser: /web.

/web      ->  the page of this node: http://127.0.0.1:27880/#token=…
/web off  ->  the page is closed
"""

from __future__ import annotations

from typing import Final

from p2pchat.console.commands.row import Command, Person
from p2pchat.console.replies import Answer, said, wrong
from p2pchat.mesh.link.ports import CannotStartError
from p2pchat.speech import N_, _


def _web(person: Person, rest: str) -> Answer:
    page, word = person.node.page, rest.strip().lower()
    if word not in ("", "off"):
        return WEB.misused()
    if page is None:
        return wrong(_("this node has no page"))
    if word:
        return page.close().addCallback(lambda _closed: said(_("the page is closed")))
    try:
        link = page.open()
    except CannotStartError as why:
        return wrong(why)
    return said(
        _("the page of this node: {link}").format(link=link.url),
        _("the link can be used once, within two minutes, by a browser on this machine"),
    )


WEB: Final = Command(
    "web", "[off]", N_("a link to the page of this node, for a browser"), _web, needs_peers=False
)
