"""Secrets by their form (tokens of well-known services, private keys, passwords in URLs) and by the name before them.

Every expression is made so that the work grows linearly with the text: repetitions give nothing back (`++`), and
behind one without a bound nothing is demanded, so that no text is looked at again and again.
"""

import re
from collections.abc import Iterator

from guardkit.otel.redaction.redactor import Redactor

_FORMS = re.compile(
    "|".join(
        (
            r"eyJ[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+){0,4}+",  # JSON Web Token, RFC 7519: base64url of `{"`
            r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}",  # AWS access keys
            r"gh[pousr]_[A-Za-z0-9]{16,}+",  # GitHub
            r"github_pat_[A-Za-z0-9_]{16,}+",
            r"gl(?:pat|dt|rt|ptt|oas|soat|ft|imt|agent|cbt)-[A-Za-z0-9_-]{16,}+",  # GitLab
            r"xox[a-z]-[A-Za-z0-9-]{10,}+",  # Slack
            r"xapp-[A-Za-z0-9-]{10,}+",
            r"hooks\.slack\.com/[a-z]{1,16}+/[A-Za-z0-9/_-]{8,}+",
            r"AIza[A-Za-z0-9_-]{30,}+",  # Google
            r"ya29\.[A-Za-z0-9_-]{16,}+",
            r"GOCSPX-[A-Za-z0-9_-]{16,}+",
            r"rk_(?:live|test)_[A-Za-z0-9]{10,}+",  # Stripe
            r"sk_(?:live|test)_[A-Za-z0-9]{10,}+",
            r"whsec_[A-Za-z0-9+/=_-]{16,}+",
            r"sk-(?<![A-Za-z0-9]sk-)(?=[A-Za-z_-]{0,80}+[0-9])[A-Za-z0-9_-]{16,}+",  # model providers
            r"hf_[A-Za-z0-9]{20,}+",
            r"npm_[A-Za-z0-9]{20,}+",
            r"pypi-[A-Za-z0-9_-]{30,}+",
            r"dop_v1_[a-f0-9]{32,}+",  # DigitalOcean
            r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{20,}+",  # Shopify
            r"SG\.[A-Za-z0-9_-]{16,}+(?:\.[A-Za-z0-9_-]*+)?+",  # SendGrid
            r"AGE-SECRET-KEY-1[A-Z0-9]{20,}+",
            r":AA(?<=[0-9]{8}:AA)[A-Za-z0-9_-]{30,}+",  # Telegram, without the bot's number
        )
    )
)
"""Each begins with a letter of its own, which is what makes looking for all of them at once quick."""

_SCHEMES = re.compile(r"(?:bearer|basic)[ \t]{1,4}+((?=[a-z._~-]{0,64}+[0-9+/=])[a-z0-9._~+/=-]{8,}+)")
"""RFC 6750 and RFC 7617: the token that follows the name of the scheme. In lower case, as those that follow."""

_COOKIES = re.compile(r"cookie2?+[\"'\\]{0,2}+[ \t]{0,2}+:[ \t]{0,2}+[\"'\\]{0,2}+([^\r\n\"]++)")
_URL_PASSWORDS = re.compile(r"://[^\s/:@\"'<>]{0,256}+:((?:[^\s/@\"'<>]{0,256}+@){1,4}+)")

_LONG = (
    r"passwor[dt]|passwd|passphrase|passcode|kennwort|secret|credential|authorization|client[_ -]?+assertion"
    r"|api[_ -]?+key|access[_ -]?+key|account[_ -]?+key|private[_ -]?+key|signing[_ -]?+key|encryption[_ -]?+key"
    r"|auth[_ -]?+key|master[_ -]?+key"
)
_SHORT = r"token|pwd|pass|pin|otp|totp|cvv2?+|cvc2?+|sig(?:nature)?+|sid|session[_ -]?+id|auth|jwt"
_NAMES = re.compile(rf"{_LONG}|({_SHORT})")
_ASSIGNED = re.compile(
    r"(?:[\"'\\ \t\]]{0,4}+(?:=>|:=|[:=])|[ \t]{1,3}+(?:is|was|ist|lautet)(?=[ \t:]))[ \t]{0,4}+"
    r"(?:[\"'\\]{0,3}+(?:bearer|basic|digest|token)[ \t]{1,3}+)?+"
    r"(?:\\{0,2}+\"([^\"\r\n]++)|\\{0,2}+'([^'\r\n]++)|([^\s\"'&]++))"
)
_REST_OF_NAME = re.compile(r"[a-z0-9_-]{0,32}+")
_LONG_NAMES, _SHORT_NAMES = re.compile(_LONG), re.compile(_SHORT)
_WORDS = re.compile(r"[A-Z]?+[a-z0-9]++|[A-Z0-9]++")

_LOWER = {ord(upper): ord(upper.lower()) for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_LINE_BREAKS = re.compile(r"[ \t]{0,8}+\r?+\n[ \t>]{0,16}+")


def secret_name(name: str) -> bool:
    """Whether what has this name is a secret: `password`, `clientSecret`, `api_key`, `X-Auth-Token`, but not `tokens`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    whole = name.lower()
    return bool(
        _LONG_NAMES.search(whole)
        or _LONG_NAMES.search("_".join(words))
        or _SHORT_NAMES.fullmatch(whole)
        or any(_SHORT_NAMES.fullmatch(word) for word in words)
    )


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    for match in _FORMS.finditer(text):
        yield match.span()
    if "\n" in text:
        yield from _over_lines(text)
    low = text.lower() if text.isascii() else text.translate(_LOWER)
    for pattern in (_SCHEMES, _COOKIES, _URL_PASSWORDS):
        for match in pattern.finditer(low):
            yield match.span(1)
    yield from _assigned(low)
    yield from _private_keys(text)


def _assigned(text: str) -> Iterator[tuple[int, int]]:
    """What a secret's name is given: `password=…`, `"apiKey": "…"`, `the pin is …`."""
    done = 0
    for name in _NAMES.finditer(text):
        begin, end = name.span()
        if begin < done or (name[1] and begin and text[begin - 1].isalpha()):
            continue
        rest = None if name[1] else _REST_OF_NAME.match(text, end)
        value = _ASSIGNED.match(text, rest.end() if rest else end)
        if value and value.lastindex:
            done = value.end()
            yield value.span(value.lastindex)


def _over_lines(text: str) -> Iterator[tuple[int, int]]:
    """Tokens that are wrapped: the text is read as if its lines were one."""
    joined: list[str] = []
    at: list[int] = []
    done = 0
    for gap in _LINE_BREAKS.finditer(text):
        joined.append(text[done : gap.start()])
        at.extend(range(done, gap.start()))
        done = gap.end()
    joined.append(text[done:])
    at.extend(range(done, len(text)))
    for match in _FORMS.finditer("".join(joined)):
        yield at[match.start()], at[match.end() - 1] + 1


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    """Private keys in PEM (RFC 7468); one that does not end goes on to the end of the text."""
    begin = text.find("-----BEGIN ")
    while begin >= 0:
        label = text.find("-----", begin + 11)
        if label < 0:
            return
        end = label
        if "PRIVATE KEY" in text[begin : min(label, begin + 100)]:
            last = text.find("-----END ", label)
            close = text.find("-----", last + 9) if last >= 0 else -1
            end = close + 5 if close >= 0 else len(text)
            yield begin, end
        begin = text.find("-----BEGIN ", end)


SECRET = Redactor("secret", _secrets, under=secret_name)
