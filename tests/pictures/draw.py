"""Pictures of what people see, for the documentation: the inbox, a mail, a card of Teams, a chat in the Agents
Playground, the page of a thread.

Run: make pictures. It needs Chromium, and for what is Microsoft's npm, which brings its renderer and its playground.
"""

from __future__ import annotations

import json
import sys
import time
from email.headerregistry import Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from selenium.webdriver.common.by import By

from guardkit.channels.email.letters import Writer
from guardkit.channels.email.links import MailLinks
from guardkit.channels.host import ChannelHost
from guardkit.channels.teams.card import draw
from guardkit.channels.teams.outbox import Drawing
from guardkit.cli.timeline import page as page_of
from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance
from guardkit.policy import PeopleDirectory
from tests.pictures.thread import story
from tests.playground.conftest import Stage
from tests.playground.playground import PACKAGE, wait_for
from tests.playground.test_teams import press as press_in_playground, said
from tests.unit.teams.desk import ANA, OBJECT_IDS
from tests.unit.teams.microsoft import APP, Microsoft
from tests.web.claims import ARGS, DESK_STAGE, FIRST, SECOND, THIRD, Claims
from tests.web.test_browser import browser, press, served, waits_for

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
RENDERER = "node_modules/adaptivecards/dist/adaptivecards.min.js"
INBOX = "https://approvals.corp.example"
ASKED = {
    name: ARGS[name] for name in ("claim_id", "recipient", "iban", "amount", "currency", "note", "urgent")
}

HIDE_LOG = "//button[@title='Hide log panel']"

CARD_PAGE = """<!doctype html><meta charset="utf-8">
<style>body { margin: 24px; font: 14px "Segoe UI", sans-serif; background: #f5f5f5 } #card { width: 560px; background: #fff;
border-radius: 6px; box-shadow: 0 1px 4px #0003 }</style>
<div id="card"></div><script src="adaptivecards.min.js"></script>
<script>
const made = new AdaptiveCards.AdaptiveCard();
made.parse(%s);
document.getElementById("card").append(made.render());
</script>"""


def chat(claims: Claims) -> Approval:
    """A payment that a desk is asked for in a chat."""
    stage = DESK_STAGE.model_copy(update={"assurance": Assurance.CHAT, "channels": ("desk",)})
    return claims.ask(dict(ASKED), stages=(stage,))


def host(claims: Claims) -> ChannelHost:
    return ChannelHost(
        name="desk",
        desk=claims.desk,
        store=claims.store,
        directory=PeopleDirectory((FIRST, SECOND, THIRD)),
        inbox=INBOX,
        secret=SecretStr("a secret for pictures, of more than 32 characters"),
    )


def shot(driver: Any, name: str, element: str) -> None:
    """A picture of an element in full."""
    found = driver.find_element(By.CSS_SELECTOR, element)
    driver.set_window_size(driver.get_window_size()["width"], found.size["height"] + 260)
    found.screenshot(str(PICTURES / name))
    print(PICTURES / name)


def whole_page(driver: Any, name: str) -> None:
    """A picture of the window, from its top."""
    time.sleep(1.0)  # the page scrolls to the newest message
    driver.execute_script("window.scrollTo(0, 0)")
    driver.save_screenshot(str(PICTURES / name))
    print(PICTURES / name)


def mail(driver: Any, folder: Path) -> None:
    claims = Claims()
    stage = DESK_STAGE.model_copy(update={"assurance": Assurance.EMAIL_LINK, "channels": ("desk",)})
    approval = claims.ask(dict(ASKED), stages=(stage,))
    here = host(claims)
    assert here.secret is not None
    writer = Writer(
        host=here,
        inbox=INBOX,
        links=MailLinks([here.secret]),
        sender=Address("Approvals", "approvals", "corp.example"),
        zone=ZoneInfo("Europe/Lisbon"),
        link_seconds=86400.0,
    )
    (delivery,) = claims.store.deliveries()
    message = writer.question(delivery, approval, FIRST, ()).message
    body = None if message is None else message.get_body(("html",))
    assert body is not None
    page = folder / "mail.html"
    page.write_text(body.get_content(), encoding="utf-8")
    driver.get(page.as_uri())
    shot(driver, "mail.png", "body")


def card(driver: Any, folder: Path, renderer: Path) -> None:
    claims = Claims()
    approval = chat(claims)
    drawn = draw(Drawing(host(claims)).sheet(approval, stage=0))
    (folder / "adaptivecards.min.js").write_bytes(renderer.read_bytes())
    page = folder / "card.html"
    page.write_text(CARD_PAGE % json.dumps(drawn).replace("</", "<\\/"), encoding="utf-8")
    driver.get(page.as_uri())
    shot(driver, "teams.png", "#card")


def inbox(driver: Any) -> None:
    claims = Claims()
    approval = claims.ask(dict(ASKED))
    for number, (recipient, amount) in enumerate((("Jonas Weber", "2310.50"), ("Aiko Tanaka", "1099.00"))):
        claims.ask({**ASKED, "recipient": recipient, "amount": amount, "claim_id": f"C-{2042 + number}"})
    with served(claims) as there:
        driver.get(there.link.link_for(FIRST.id))
        press(driver, "Continue as Ana Silva")
        waits_for(driver, "Maria Okafor")
        shot(driver, "inbox-list.png", "body")
        driver.get(f"{there.settings.origin}/approvals/{approval.request.id}")
        waits_for(driver, "Your decision")
        shot(driver, "inbox.png", "main")


def chat_in_the_playground(folder: Path, program: Path) -> None:
    """Microsoft's Agents Playground, with the card as it asks and as it is when somebody has approved."""
    microsoft = Microsoft(folder)
    stage = Stage(microsoft, program, folder, None)
    try:
        with browser("/usr/bin/chromium", width=900) as driver:
            driver.set_window_size(900, 1260)
            driver.get(f"http://localhost:{stage.playground.port}/")
            wait_for(lambda: driver.find_elements(By.XPATH, HIDE_LOG))
            driver.find_element(By.XPATH, HIDE_LOG).click()
            key = f"entra:{OBJECT_IDS[ANA.id]}"
            wait_for(lambda: stage.desk.store.contact("*", f"teams:{APP}", key))
            stage.desk.ask(dict(ASKED))
            stage.desk.deliver()
            wait_for(lambda: "Maria Okafor" in said(driver))
            whole_page(driver, "playground-asks.png")
            press_in_playground(driver, "Approve")
            wait_for(lambda: "\napproved\n" in said(driver))
            stage.desk.deliver()
            whole_page(driver, "playground-approved.png")
    finally:
        stage.close()
        microsoft.close()


def trace(driver: Any, folder: Path) -> None:
    page = folder / "trace.html"
    page.write_text(page_of(story(folder)), encoding="utf-8")
    driver.set_window_size(1180, 900)
    driver.get(page.as_uri())
    shot(driver, "trace.png", "body")


def main() -> None:
    renderer = Path(sys.argv[1]) / RENDERER
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, browser("/usr/bin/chromium", width=900) as driver:
        mail(driver, Path(name))
        card(driver, Path(name), renderer)
        inbox(driver)
        chat_in_the_playground(Path(name), Path(sys.argv[1]).resolve() / PACKAGE)
        trace(driver, Path(name))


if __name__ == "__main__":
    main()
