"""Foreign text in a mail: mail programs make links of what looks like one, so nothing of it may look like one."""

import re

_LIVE = re.compile(
    r"@"  # addresses
    r"|(?<=[^\W\d_]):(?=\S)"  # schemes: http://, mailto:, tel:
    r"|(?<=\S)[.\u3002\uff0e\uff61](?=[^\W\d_])"  # names of hosts: evil.example
    r"|\\(?=\\)"  # names of file servers
)


def still(text: str) -> str:
    r"""The text with every sign marked that a mail program could make a link from: `evil⟨.⟩example`, `a⟨@⟩b`.

    The marks are in the brackets that `guardkit.core.visible` keeps for itself, so they cannot be forged.

    Args:
        text: text that is already visible.
    """
    return _LIVE.sub(lambda found: f"⟨{found.group()}⟩", text)
