"""What can go wrong on a page, each with its own status and words. None of them repeats what somebody sent."""

from http import HTTPStatus

from guardkit.errors import DecisionRefusedError


class PageError(Exception):
    """A request that ends on an error page.

    Attributes:
        status: the HTTP status.
        title: what happened.
        text: what it means, and what to do.
        sign_in: whether the page offers to sign in.
    """

    def __init__(self, status: HTTPStatus, title: str, text: str, *, sign_in: bool = False) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.text = text
        self.sign_in = sign_in


def bad_request(text: str) -> PageError:
    """The request cannot be understood."""
    return PageError(HTTPStatus.BAD_REQUEST, "This request cannot be understood", text)


def wrong_method() -> PageError:
    """The page is for another kind of request, e.g. a form's address that was opened as a page."""
    return PageError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "This page does not take such a request",
        "It is where a form is sent to. Nothing was decided.",
    )


def signed_out() -> PageError:
    """Nobody is signed in."""
    return PageError(
        HTTPStatus.FORBIDDEN, "You are not signed in", "Sign in to see what waits for you.", sign_in=True
    )


def sign_in_refused(text: str) -> PageError:
    """A sign-in that does not count."""
    return PageError(HTTPStatus.FORBIDDEN, "You are not signed in", text, sign_in=True)


def provider_unreachable() -> PageError:
    """The identity provider does not answer."""
    return PageError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The identity provider cannot be reached",
        "Nobody was signed in. Try again in a moment.",
        sign_in=True,
    )


def no_longer_active() -> PageError:
    """Somebody is signed in who is not in the directory any more, or not active."""
    return PageError(
        HTTPStatus.FORBIDDEN,
        "You are no longer active here",
        "The directory does not list you as active, so your sign-in does not count. Nothing was decided.",
    )


def foreign_request() -> PageError:
    """A form that another site, or nobody's page, has sent."""
    return PageError(
        HTTPStatus.FORBIDDEN,
        "This form did not come from the inbox",
        "It was sent by another site, or from a page of an earlier sign-in. Nothing was decided. "
        "Open the approval again and decide there.",
    )


def unknown_host() -> PageError:
    """The Host header names somebody else."""
    return bad_request("This server does not answer to the name that it was called by (setting web.hosts).")


def not_found() -> PageError:
    """Nothing there, or nothing for these eyes."""
    return PageError(
        HTTPStatus.NOT_FOUND,
        "There is nothing here",
        "Either it does not exist, or it is not for you to see.",
    )


def too_large(limit: int) -> PageError:
    """The form is larger than what is read."""
    return PageError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "This form is too large",
        f"At most {limit:,} bytes are read (setting web.body_limit). Nothing was decided.",
    )


def unavailable() -> PageError:
    """The database does not answer."""
    return PageError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database cannot be reached",
        "Nothing was decided. Try again in a moment.",
    )


def fault(reference: str) -> PageError:
    """The server's own mistake; the reference is in its log."""
    return PageError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong here",
        f"It is noted under {reference}. Look at the approval again to see whether your decision counts.",
    )


_REFUSALS: dict[str, tuple[HTTPStatus, str, str]] = {
    "standing_invalid": (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "That much is not permitted",
        "The policy permits less of actions like this one. Nothing was decided. Look at what it permits, then decide.",
    ),
    "already_settled": (
        HTTPStatus.CONFLICT,
        "This is already decided",
        "Somebody else was faster, or it was withdrawn. Your answer changed nothing.",
    ),
    "already_decided": (
        HTTPStatus.CONFLICT,
        "You have already answered this",
        "Your answer counts once. It now waits for others.",
    ),
    "digest_mismatch": (
        HTTPStatus.CONFLICT,
        "The action has changed since you looked",
        "Somebody edited it. Your answer changed nothing. Look at what it is now, then decide.",
    ),
    "version_mismatch": (
        HTTPStatus.CONFLICT,
        "Others have answered since you looked",
        "Your answer changed nothing. Look at what they said, then decide.",
    ),
    "shown_mismatch": (
        HTTPStatus.CONFLICT,
        "It does not look as it did",
        "What you saw is not what is there now. Your answer changed nothing. Look at it as it is, then decide.",
    ),
    "not_whole": (
        HTTPStatus.CONFLICT,
        "This is too large to be decided beside others",
        "Of some of its values the page shows a part. Nothing was decided. Open it by itself, and decide there.",
    ),
    "stopped": (
        HTTPStatus.CONFLICT,
        "An operator has stopped this",
        "A stop is in force, and it comes first. Nothing was decided.",
    ),
    "expired": (
        HTTPStatus.CONFLICT,
        "The time to decide is over",
        "Your answer came too late and changed nothing.",
    ),
    "conflict": (
        HTTPStatus.CONFLICT,
        "Others are deciding at this moment",
        "Your answer changed nothing. Look at it again.",
    ),
    "requester": (
        HTTPStatus.FORBIDDEN,
        "You cannot decide on your own request",
        "You started or steered what led to this action, or nobody has verified who did, so others have to decide.",
    ),
    "not_an_approver": (
        HTTPStatus.FORBIDDEN,
        "This does not wait for you",
        "You are not among the approvers of a stage that is waiting.",
    ),
    "inactive": (
        HTTPStatus.FORBIDDEN,
        "You are no longer active here",
        "The directory does not list you as active. Nothing was decided.",
    ),
    "assurance_too_low": (
        HTTPStatus.FORBIDDEN,
        "This needs a stronger sign-in",
        "The policy asks for a surer way to know who you are than the one you signed in by.",
    ),
    "edit_invalid": (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "These values cannot be used",
        "They do not fit what the tool accepts, or change nothing. Nothing was decided. Edit again.",
    ),
    "reason_required": (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "This needs your words",
        "The policy asks for a reason or a comment with this answer. Nothing was decided.",
    ),
    "reason_invalid": (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "This text cannot be kept",
        "It is too long, or holds characters that are not text. Nothing was decided.",
    ),
    "not_allowed": (
        HTTPStatus.BAD_REQUEST,
        "This answer is not offered",
        "The policy does not allow this kind of answer here.",
    ),
}


def refused(error: DecisionRefusedError) -> PageError:
    """A decision that does not count, in words for the person who tried."""
    status, title, text = _REFUSALS.get(
        error.reason,
        (
            HTTPStatus.BAD_REQUEST,
            "This answer cannot be used",
            "Nothing was decided. Open the approval again.",
        ),
    )
    return PageError(status, title, text)
