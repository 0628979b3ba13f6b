"""Who asks, and whether they may: every service that does something takes an Actor."""

from dataclasses import dataclass

from model.errors import AccessError
from model.language import N_, _

ROLES = (N_("visitor"), N_("clinician"), N_("admin"))  # each may do what the ones before it may
SESSION_HOURS = 12  # how long a sign-in counts


@dataclass(frozen=True)
class Actor:
    """A person, or the command line, with one of `ROLES`."""

    name: str
    role: str


VISITOR = Actor("visitor", "visitor")
# Who has a shell on the server has the database too.
COMMAND_LINE = Actor("command line", "admin")


def may(actor: Actor, role: str) -> bool:
    """Whether the actor has at least this role; a role that is unknown may nothing."""
    return actor.role in ROLES and ROLES.index(actor.role) >= ROLES.index(role)


def require(actor: Actor, role: str) -> None:
    """Raises AccessError unless the actor has at least this role."""
    if not may(actor, role):
        raise AccessError(
            _("an account with the role {role}", role=_(role)),
            _("the role {role}", role=_(actor.role)),
            _("Sign in with one."),
        )
