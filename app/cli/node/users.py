"""`osteon users`: the accounts of the node's page."""

from __future__ import annotations

import sys
from getpass import getpass, getuser
from typing import Annotated

from cyclopts import App, Parameter

from app.cli.arguments import Config
from app.cli.node.options import Data, existing_node
from app.node.accounts.accounts import Accounts, Role
from app.node.settings.configuration import NodeSettings
from app.node.watch.audit import ACCOUNT_CHANGED, audit_trail

users_app = App(name="users", help="The accounts of the node's page: list, add, change, remove.")
NewPassword = Annotated[bool, Parameter(name="--password", negative="", help="Ask for a new password")]


@users_app.command(name="list")
def list_users(*, data: Data = None, config: Config = None) -> int:
    """List the accounts with their roles."""
    accounts = Accounts(existing_node(data, config=config).node).all()
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
    node = existing_node(data, config=config).node
    Accounts(node).add(name, role, new_password())
    return recorded(node, f"{name}: added as {role}")


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
    node = existing_node(data, config=config).node
    Accounts(node).change(name, role=role, password=new_password() if password else None)
    return recorded(node, f"{name}: changed")


@users_app.command
def remove(name: str, /, *, data: Data = None, config: Config = None) -> int:
    """Remove an account, which ends its sessions.

    Parameters
    ----------
    name
        Name of the user.
    """
    node = existing_node(data, config=config).node
    Accounts(node).remove(name)
    return recorded(node, f"{name}: removed")


def recorded(node: NodeSettings, sentence: str) -> int:
    """Writes the change into the audit trail and says it."""
    audit_trail(node).user(ACCOUNT_CHANGED, getuser(), "")
    print(sentence)
    return 0


def new_password() -> str:
    """Returns a password that is typed without being shown, or the first line of the standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass("New password: ")
