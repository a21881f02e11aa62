"""`osteon users`: the accounts of the node's page."""

from __future__ import annotations

import sys
from getpass import getpass, getuser
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from app.cli.arguments import Config
from app.cli.node.options import Data

if TYPE_CHECKING:
    from app.node.accounts.accounts import Accounts
    from app.settings import Settings

users_app = App(name="users", help="The accounts of the node's page: list, add, change, remove.")
Role = Literal["viewer", "operator", "administrator"]
NewPassword = Annotated[bool, Parameter(name="--password", negative="", help="Ask for a new password")]


@users_app.command(name="list")
def list_users(*, data: Data = None, config: Config = None) -> int:
    """List the accounts with their roles."""
    accounts = accounts_of(settings_of(data, config)).all()
    for name, account in sorted(accounts.items()):
        print(f"{name}: {account.role}")
    if not accounts:
        print("no accounts: only this machine reaches the page, without a password")
    return 0


@users_app.command
def add(name: str, role: Role, /, *, data: Data = None, config: Config = None) -> int:
    """Add an account. The password is asked for, or read from the first line of the standard input.

    Parameters
    ----------
    name
        Name of the user: letters, digits and . _ @ -
    role
        viewer: sees. operator: also acts on jobs. administrator: also deletes, and manages users.
    """
    settings = settings_of(data, config)
    accounts_of(settings).add(name, role, new_password())
    return recorded(settings, f"{name}: added as {role}")


@users_app.command
def change(
    name: str,
    role: Role | None = None,
    /,
    *,
    password: NewPassword = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Change the role or the password of an account, which ends its sessions.

    Parameters
    ----------
    name
        Name of the user.
    role
        The new role.
    """
    settings = settings_of(data, config)
    accounts_of(settings).change(name, role=role, password=new_password() if password else None)
    return recorded(settings, f"{name}: changed")


@users_app.command
def remove(name: str, /, *, data: Data = None, config: Config = None) -> int:
    """Remove an account, which ends its sessions.

    Parameters
    ----------
    name
        Name of the user.
    """
    settings = settings_of(data, config)
    accounts_of(settings).remove(name)
    return recorded(settings, f"{name}: removed")


def settings_of(data: Data, config: Config) -> Settings:
    """Returns the settings. Raises UsageError if the data folder does not exist."""
    from app.cli.node.options import node_settings, require_node

    settings = node_settings({"data": data}, config=config)
    require_node(settings.node)
    return settings


def accounts_of(settings: Settings) -> Accounts:
    """Returns the accounts of a node."""
    from app.node.accounts.accounts import Accounts

    return Accounts(settings.node)


def recorded(settings: Settings, sentence: str) -> int:
    """Writes the change into the audit trail and says it."""
    from app.node.watch.audit import ACCOUNT_CHANGED, audit_trail

    audit_trail(settings.node).user(ACCOUNT_CHANGED, getuser(), "")
    print(sentence)
    return 0


def new_password() -> str:
    """Returns a password that is typed without being shown, or the first line of the standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass("New password: ")
