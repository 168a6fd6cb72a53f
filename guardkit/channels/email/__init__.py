"""E-mail as an approval channel: a mail to each approver, with a link of their own to a page that decides.

The channel needs no extra to send and to sign links. Signing in to the mail server by OAuth needs msal; the pages that
the links lead to are the web inbox's.
"""

from guardkit.channels.email.channel import Email
from guardkit.channels.email.links import MailLink, MailLinks
from guardkit.channels.email.oauth import MailOAuth

__all__ = ["Email", "MailLink", "MailLinks", "MailOAuth"]
