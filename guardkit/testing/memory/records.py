"""What channels remember, in memory."""

from collections.abc import Sequence

from guardkit.core.runs import Contact, Post
from guardkit.errors import InputError
from guardkit.testing.memory.state import MemoryState


class MemoryRecords(MemoryState):
    """The port `ChannelRecords`, in memory."""

    def keep_post(self, post: Post) -> None:
        """Insert a copy of a question, or replace the one with the same id.

        Raises:
            InputError: the id is too long or another approval's, or there is no such approval of that tenant.
        """
        with self._lock:
            if not 0 < len(post.id) <= 64:
                raise InputError(f"post.id has {len(post.id)} characters", remedy="1 to 64")
            approval = self._approvals.get(post.approval_id)
            if approval is None or approval.request.tenant != post.tenant:
                raise InputError(f"there is no approval {post.approval_id!r} of tenant {post.tenant!r}")
            there = self._posts.get(post.id)
            if there is not None and there.approval_id != post.approval_id:
                raise InputError(f"post {post.id!r} is of another approval")
            self._posts[post.id] = post

    def posts(self, tenant: str, approval_id: str) -> Sequence[Post]:
        """Every copy of a question, oldest first."""
        with self._lock:
            found = self._posts.values()
            return [post for post in found if (post.tenant, post.approval_id) == (tenant, approval_id)]

    def keep_contact(self, contact: Contact) -> None:
        """Insert a contact, or replace the one with the same tenant, channel and key."""
        with self._lock:
            self._contacts[contact.tenant, contact.channel, contact.key] = contact

    def contact(self, tenant: str, channel: str, key: str) -> Contact | None:
        """The contact with this key."""
        with self._lock:
            return self._contacts.get((tenant, channel, key))

    def forget_contact(self, tenant: str, channel: str, key: str) -> bool:
        """Remove a contact. Returns whether it was there."""
        with self._lock:
            return self._contacts.pop((tenant, channel, key), None) is not None

    def first_time(self, scope: str, key: str, seconds: float) -> bool:
        """Whether nobody has taken this in the last `seconds`."""
        with self._lock:
            now = self.now()
            if self._taken.get((scope, key), now) > now:
                return False
            self._taken[scope, key] = now + seconds
            return True
