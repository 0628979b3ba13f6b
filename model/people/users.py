"""python -m model users|reviews ...: the store from the command line, whose user is trusted."""

import getpass
import sys

from model.errors import InputError


def users(action: str, name: str = "", role: str = "", password_stdin: bool = False) -> int:
    """Does what `python -m model users ACTION` says, as the actor "command line".

    A new password is asked for twice, or is the first line of standard input. `list` prints one
    line an account, divided by tabs: name, role, state, since when (UTC).
    """
    from model.people import accounts  # SQLAlchemy takes a second
    from model.people.access import COMMAND_LINE

    match action:
        case "list":
            for account in accounts.list_accounts(COMMAND_LINE):
                state = "active" if account.active else "deactivated"
                print(account.name, account.role, state, account.created, sep="\t")
        case "add":
            accounts.add(COMMAND_LINE, name, role, _password(password_stdin))
            print(f"{name} can sign in as {role}.")
        case "role":
            accounts.change_role(COMMAND_LINE, name, role)
            print(f"{name} is {role} now.")
        case "deactivate":
            accounts.deactivate(COMMAND_LINE, name)
            print(f"{name} can no longer sign in.")
        case "activate":
            accounts.activate(COMMAND_LINE, name)
            print(f"{name} can sign in again.")
        case "password":
            accounts.change_password(COMMAND_LINE, name, _password(password_stdin))
            print(f"{name} has a new password.")
    return 0


def export_reviews(kind: str) -> int:
    """Prints all reviews, "csv" or "jsonl", see `reviews.export`; the audit trail has it."""
    from model.clinic import reviews  # SQLAlchemy takes a second
    from model.people.access import COMMAND_LINE

    print(reviews.export(COMMAND_LINE, kind), end="")
    return 0


def _password(password_stdin: bool) -> str:
    if password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InputError(
            "a password typed at a terminal", "no terminal", "Use --password-stdin in a script."
        )
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise InputError("the same password twice", "two different ones", "Start again.")
    return password
