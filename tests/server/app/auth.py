"""Who calls the server: its tests name somebody, as a gateway would that has verified them."""

from __future__ import annotations

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def who(headers: dict[bytes, bytes]) -> Auth.types.MinimalUserDict:
    """The person after `Bearer`."""
    kind, _, name = headers.get(b"authorization", b"").decode().partition(" ")
    if kind != "Bearer" or not name:
        raise Auth.exceptions.HTTPException(status_code=401, detail="who are you?")
    return {"identity": name}
