"""A smoke run in headless Chromium, with JavaScript and without it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from selenium import webdriver
from selenium.common.exceptions import (
    WebDriverException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Assurance
from guardkit.web import OIDC, WebSettings, inbox as inbox_of
from tests.web.claims import ARGS, FIRST, Claims
from tests.web.provider import CLIENT, whole_provider
from tests.web.visits import KEY, Inbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@contextlib.contextmanager
def served(claims: Claims, **settings: Any) -> Iterator[Inbox]:
    """The inbox on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        inbox = Inbox(claims, url=f"http://127.0.0.1:{listening.getsockname()[1]}", **settings)
        with running(inbox.app, listening):
            yield inbox


@contextlib.contextmanager
def running(app: Any, listening: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(60)


@contextlib.contextmanager
def browser(chromium: str, *, scripts: bool = True, width: int = 1280) -> Iterator[Any]:
    driver_path = shutil.which("chromedriver")
    assert driver_path is not None, "the fixture `chromium` has looked for it"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--window-size={width},900",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with served(Claims()) as inbox:
        yield inbox


def press(driver: Any, text: str) -> None:
    driver.find_element(
        By.XPATH, f"//*[self::button or self::a or self::summary][normalize-space()='{text}']"
    ).click()


def field(driver: Any, label: str) -> Any:
    found = driver.find_element(By.XPATH, f"//label[starts-with(normalize-space(), '{label} ')]")
    return driver.find_element(By.ID, found.get_attribute("for"))


def waits_for(driver: Any, text: str) -> None:
    """Waits until the page says something; a click returns before the next page is there."""

    def says(_: Any) -> bool:
        try:
            return text in driver.find_element(By.TAG_NAME, "main").text
        except WebDriverException:
            # Not there yet; or the page went away between finding an element and reading it, which has many words.
            return False

    WebDriverWait(driver, 30).until(says, f"the page does not say {text!r}")


def complaints(driver: Any) -> list[str]:
    """What the console holds against the pages."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] != "DEBUG"]


@pytest.mark.promise("P6")
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_somebody_signs_in_edits_approves_and_rejects(inbox: Inbox, chromium: str, scripts: bool) -> None:
    first = inbox.claims.ask()
    second = inbox.claims.ask({**ARGS, "claim_id": "C-2042"})
    with browser(chromium, scripts=scripts) as driver:
        driver.get("data:text/html,<title>off</title><script>document.title='on'</script>")
        assert driver.title == ("on" if scripts else "off")
        link = inbox.link.link_for(FIRST.id)
        driver.get(link)
        press(driver, "Continue as Ana Silva")
        waits_for(driver, "Maria Okafor")
        assert driver.get_cookie(f"guardkit-{inbox.settings.port}")["httpOnly"]

        driver.find_element(By.CSS_SELECTOR, f'a[href="/approvals/{first.request.id}"]').click()
        waits_for(driver, "Your decision")
        press(driver, "Edit, then approve…")
        waits_for(driver, "You will see the result")
        amount = field(driver, "Amount")
        amount.clear()
        amount.send_keys("12,50")
        press(driver, "Show the result")
        waits_for(driver, "Please look at this again")
        waits_for(driver, "Write a number like 1250.50")
        amount = field(driver, "Amount")
        amount.clear()
        amount.send_keys("900.50")
        press(driver, "Show the result")
        waits_for(driver, "900.50")
        press(driver, "Approve with these changes")
        waits_for(driver, "Approved by Ana Silva")
        waits_for(driver, "edited, was")

        driver.get(f"{inbox.settings.origin}/")
        waits_for(driver, "C-2042")
        driver.find_element(By.CSS_SELECTOR, f'a[href="/approvals/{second.request.id}"]').click()
        waits_for(driver, "Your decision")
        press(driver, "Reject…")
        press(driver, "Reject")  # the browser itself asks for the reason, and sends nothing
        waits_for(driver, "Your decision")
        assert driver.find_elements(By.ID, "e-reject") == []
        driver.find_element(By.ID, "c-reject").send_keys("The account is not hers.")
        press(driver, "Reject")
        waits_for(driver, "Rejected by Ana Silva")
        waits_for(driver, "The account is not hers.")

        press(driver, "Sign out")
        waits_for(driver, "You are signed out")
        driver.get(f"{inbox.settings.origin}/")
        waits_for(driver, "You are not signed in")
        driver.get(link)
        waits_for(driver, "It was used before")
        refusals = [f"status of {status}" for status in ("422", "403")]
        unexpected = [text for text in complaints(driver) if not any(refusal in text for refusal in refusals)]
        assert unexpected == [], "neither the content policy nor anything else complains"

    edited, rejected = inbox.claims.now(first), inbox.claims.now(second)
    assert edited.state is ApprovalState.APPROVED
    assert edited.args == {**ARGS, "amount": "900.50"}
    assert type(edited.args["copies"]) is int
    assert rejected.state is ApprovalState.REJECTED
    assert rejected.decisions[0].reason == "The account is not hers."


def test_the_content_policy_stops_a_script(inbox: Inbox, chromium: str) -> None:
    """The check of the console above can fail: an injected inline script is refused, and the console says so."""
    with browser(chromium) as driver:
        driver.get(f"{inbox.settings.origin}/sign-in")
        driver.execute_script(
            "const made = document.createElement('script');"
            "made.textContent = 'document.title = \"injected\"';"
            "document.body.append(made);"
        )
        assert driver.title != "injected"
        assert any("Content Security Policy" in text for text in complaints(driver))


def test_a_form_on_another_site_decides_nothing(inbox: Inbox, chromium: str) -> None:
    approval = inbox.claims.ask()
    action = f"{inbox.settings.origin}/approvals/{approval.request.id}/approve"
    with browser(chromium) as driver:
        driver.get(inbox.link.link_for(FIRST.id))
        press(driver, "Continue as Ana Silva")
        waits_for(driver, "Pay claim")
        token = driver.find_element(By.NAME, "token").get_attribute("value")
        driver.get(
            "data:text/html,"
            f"<form method=post action='{action}'><input name=token value='{token}'>"
            f"<input name=digest value='{approval.digest}'><button>Win</button></form>"
        )
        driver.find_element(By.TAG_NAME, "button").click()
        waits_for(driver, "did not come from the inbox")
    assert inbox.claims.now(approval) == approval


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(inbox: Inbox, chromium: str, width: int) -> None:
    long = "\u202e" * 40 + "W" * 300
    approval = inbox.claims.ask(
        {"amount": "9" * 120, "recipient": long, long: [long]},
        schema={},
        tool="pay_" + "x" * 100,
        thread_id="t" * 200,
        thought=long,
        why=(long,),
    )
    with browser(chromium) as driver:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        driver.get(inbox.link.link_for(FIRST.id))
        press(driver, "Continue as Ana Silva")
        waits_for(driver, "asked")
        page = f"/approvals/{approval.request.id}"
        for path in ("/", "/open", "/history", page, f"{page}/edit", f"{page}/audit", "/nothing"):
            driver.get(f"{inbox.settings.origin}{path}")
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, path


def test_a_keyboard_is_enough(inbox: Inbox, chromium: str) -> None:
    approval = inbox.claims.ask()
    with browser(chromium) as driver:
        driver.get(inbox.link.link_for(FIRST.id, after=f"/approvals/{approval.request.id}"))
        WebDriverWait(driver, 30).until(lambda now: now.switch_to.active_element.tag_name == "button")
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        waits_for(driver, "Your decision")
        for _ in range(40):
            active = driver.switch_to.active_element
            ring = active.value_of_css_property("outline-style")
            if active.tag_name in ("a", "button", "summary", "textarea"):
                assert ring == "solid", active.text
            if active.text == "Approve":
                break
            active.send_keys(Keys.TAB)
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        waits_for(driver, "Approved by Ana Silva")
    assert inbox.claims.now(approval).state is ApprovalState.APPROVED


def access(driver: Any, key: str) -> None:
    """An access key, as somebody presses it."""
    ActionChains(driver).key_down(Keys.ALT).send_keys(key).key_up(Keys.ALT).perform()


def test_lists_are_filtered_searched_and_paged_by_the_keyboard(chromium: str) -> None:
    claims = Claims()
    for number in range(5):
        claims.ask(thread_id=f"storm-{number}")
    claims.ask(thread_id="flood-1", tool="send_letter")
    with served(claims, page_size=2) as inbox, browser(chromium, scripts=False) as driver:
        driver.get(inbox.link.link_for(FIRST.id))
        press(driver, "Continue as Ana Silva")
        waits_for(driver, "6 in this list")
        access(driver, "n")
        waits_for(driver, "storm-2")
        access(driver, "n")
        waits_for(driver, "flood-1")
        access(driver, "p")
        waits_for(driver, "storm-3")
        access(driver, "s")
        assert driver.switch_to.active_element.get_attribute("name") == "q"
        driver.switch_to.active_element.send_keys("storm-", Keys.ENTER)
        waits_for(driver, "5 found")
        access(driver, "n")
        waits_for(driver, "storm-2")
        assert driver.find_element(By.NAME, "q").get_attribute("value") == "storm-"
        press(driver, "Show the whole list")
        waits_for(driver, "6 in this list")
        access(driver, "f")
        waits_for(driver, "Filter the list")
        driver.find_element(By.ID, "by-tool").send_keys("send_letter", Keys.ENTER)
        waits_for(driver, "1 found")
        waits_for(driver, "flood-1")
        access(driver, "i")
        waits_for(driver, "Your decision")
        driver.get(f"{inbox.settings.origin}/")
        waits_for(driver, "6 in this list")
        access(driver, "h")
        waits_for(driver, "Nothing was decided yet.")
        access(driver, "o")
        waits_for(driver, "6 in this list")
        driver.get(f"{inbox.settings.origin}/?cursor=x")
        waits_for(driver, "This request cannot be understood")
        assert [text for text in complaints(driver) if "status of 400" not in text] == []


@pytest.mark.promise("P6")
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_somebody_signs_in_at_a_provider_on_another_site(chromium: str, scripts: bool) -> None:
    """A browser keeps a strict cookie from a redirect that began elsewhere, so the way back ends on a page."""
    claims = Claims()
    approval = claims.ask()
    person = {"sub": "s-ana", "email": "Ana.Silva@corp.example", "email_verified": True}
    with whole_provider(person) as issuer, socket.create_server(("127.0.0.1", 0)) as listening:
        elsewhere = issuer.replace("127.0.0.1", "localhost")
        settings = WebSettings(url=f"http://127.0.0.1:{listening.getsockname()[1]}", keys=(KEY,))
        sign_in = OIDC(
            settings, issuer=elsewhere, client_id=CLIENT, client_secret=SecretStr("a secret of the client")
        )
        app = inbox_of(claims.desk, claims.store, claims.people, settings, sign_in=sign_in)
        with running(app, listening), browser(chromium, scripts=scripts) as driver:
            driver.get(f"{settings.origin}/approvals/{approval.request.id}")
            waits_for(driver, "You are not signed in")
            press(driver, "Sign in")
            name = WebDriverWait(driver, 30).until(lambda _: driver.find_element(By.NAME, "sub"))
            assert driver.current_url.startswith(elsewhere)
            name.send_keys("s-ana")
            name.submit()
            waits_for(driver, "Your decision")
            assert driver.current_url == f"{settings.origin}/approvals/{approval.request.id}"
            press(driver, "Approve")
            waits_for(driver, "Approved by Ana Silva")
    assert claims.now(approval).decisions[0].assurance is Assurance.OIDC


@pytest.mark.promise("P2", "P6")
def test_somebody_decides_on_several_together(inbox: Inbox, chromium: str) -> None:
    first, second = (inbox.claims.ask({**ARGS, "claim_id": f"C-{number}"}) for number in (1, 2))
    third = inbox.claims.ask({**ARGS, "claim_id": "C-3"})
    with browser(chromium, scripts=False) as driver:
        driver.get(inbox.link.link_for(FIRST.id))
        press(driver, "Continue as Ana Silva")
        waits_for(driver, "Look at the chosen ones together")
        for box in driver.find_elements(By.CSS_SELECTOR, 'input[type="checkbox"]')[:2]:
            box.click()
        press(driver, "Look at the chosen ones together")
        waits_for(driver, "Your decision on 2")
        assert driver.find_element(By.TAG_NAME, "main").text.count("Maria Okafor") == 4
        press(driver, "Approve 2")
        waits_for(driver, "2 approved")
        assert complaints(driver) == []
    states = [inbox.claims.now(one).state for one in (first, second, third)]
    assert states == [ApprovalState.APPROVED, ApprovalState.APPROVED, ApprovalState.PENDING]
