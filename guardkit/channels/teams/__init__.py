"""Microsoft Teams as an approval channel (extra `teams`)."""

from guardkit.channels.teams.channel import Teams

__all__ = ["Teams"]
