"""The Teams channel against Microsoft's Agents Playground: its connector, its activities, its way to click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from guardkit.core.approvals import Approval, ApprovalState
from tests.playground.conftest import Stage
from tests.playground.playground import CHANNEL, GROUP, wait_for
from tests.unit.teams.desk import ANA, BEN, CLEO, PAIR, texts
from tests.unit.teams.microsoft import APP
from tests.web.claims import ARGS
from tests.web.test_browser import browser

Opens = Callable[[str | None], Stage]


def posted(stage: Stage, approval: Approval) -> str:
    """The id of the one message there is."""
    (post,) = stage.desk.store.posts("acme", approval.request.id)
    assert post.address is not None
    return str(post.address["activity"])


def data(approval: Approval, **more: Any) -> dict[str, Any]:
    return {"id": approval.request.id, "version": approval.version, **more}


@pytest.mark.promise("P6")
def test_ask_approve_and_show_it(stage: Opens) -> None:
    here = stage(CHANNEL)
    approval = here.desk.ask()
    assert here.desk.deliver() == []
    message = posted(here, approval)
    answer = here.playground.click(
        ANA.id, f"{CHANNEL};messageid={message}", message, "approve", data(approval)
    )
    assert answer["type"] == "application/vnd.microsoft.card.adaptive"
    assert "approved" in texts(answer["value"])
    assert here.desk.claims.now(approval).state is ApprovalState.APPROVED
    assert here.desk.deliver() == []  # the playground has taken the update of the message
    again = here.playground.click(
        ANA.id, f"{CHANNEL};messageid={message}", message, "approve", data(approval)
    )
    assert again == answer
    late = here.playground.click(
        ANA.id, f"{CHANNEL};messageid={message}", message, "reject", data(approval, reason="no")
    )
    assert "already decided" in texts(late["value"])
    assert len(here.desk.claims.now(approval).decisions) == 1


@pytest.mark.promise("P6")
def test_without_the_token_nothing_counts(stage: Opens) -> None:
    here = stage(GROUP)
    approval = here.desk.ask()
    here.desk.deliver()
    here.playground.click(BEN.id, GROUP, posted(here, approval), "approve", data(approval))
    activity, _ = here.signer.answers[-1]
    activity["from"] = {"id": "29:p-ana", "aadObjectId": "00000000-0000-4000-8000-00000000000a"}
    reply = httpx.post(here.hook, json=activity, trust_env=False)
    assert (reply.status_code, reply.json()) == (401, {"error": {"code": "no_token"}})
    assert here.desk.claims.now(approval).decisions == ()


def test_an_address_is_asked_of_the_playground(stage: Opens) -> None:
    """The directory knows Cleo by her address only."""
    here = stage(GROUP)
    approval = here.desk.ask(stages=(PAIR,))
    here.desk.deliver()
    message = posted(here, approval)
    for person in (BEN, CLEO):
        here.playground.click(person.id, GROUP, message, "approve", data(approval))
    now = here.desk.claims.now(approval)
    assert [said.person for said in now.decisions] == [BEN.id, CLEO.id]
    assert now.state is ApprovalState.APPROVED
    assert here.desk.deliver() == []


HOSTILE = "[invoice](https://evil.example) {{DATE(2030-01-01T00:00:00Z, LONG)}} **bold** <b>x</b>"


@pytest.mark.browser
@pytest.mark.promise("P15")
def test_in_a_browser_hostile_text_is_text_and_the_buttons_work(stage: Opens, chromium: str) -> None:
    """Opening the page installs the app; then the approver gets a card, edits it and approves."""
    here = stage(None)
    with browser(chromium) as driver:
        driver.get(f"http://localhost:{here.playground.port}/")
        contacts = "entra:00000000-0000-4000-8000-00000000000a"
        wait_for(lambda: here.desk.store.contact("*", f"teams:{APP}", contacts))
        approval = here.desk.ask({**ARGS, "note": HOSTILE}, thought=HOSTILE)
        assert here.desk.deliver() == []
        wait = WebDriverWait(driver, 60)
        wait.until(lambda _: HOSTILE in said(driver))
        assert driver.find_elements(By.PARTIAL_LINK_TEXT, "invoice") == []
        assert driver.find_elements(By.XPATH, "//a[contains(@href, 'evil')]") == []
        press(driver, "Edit…")
        field = wait.until(lambda _: driver.find_element(By.XPATH, "//input[@value='Maria Okafor']"))
        field.send_keys(" Lind")
        press(driver, "Approve with these values")
        wait.until(lambda _: here.desk.claims.now(approval).state is ApprovalState.APPROVED)
        assert here.desk.claims.now(approval).args == {
            **ARGS,
            "note": HOSTILE,
            "recipient": "Maria Okafor Lind",
        }
        assert here.desk.deliver() == []
        wait.until(lambda _: "Recipient, now: Maria Okafor Lind" in said(driver))
        wait.until(lambda _: "Approve with these values" not in said(driver))


def said(driver: webdriver.Chrome) -> str:
    return driver.find_element(By.TAG_NAME, "body").text


def press(driver: webdriver.Chrome, name: str) -> None:
    found = WebDriverWait(driver, 60).until(
        lambda _: driver.find_elements(By.XPATH, f"//button[normalize-space()='{name}']")
    )
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click();", found[-1])
