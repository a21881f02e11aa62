"""Local accounts in a file of the data folder, with passwords hashed by Argon2id (RFC 9106)."""

from __future__ import annotations

import fcntl
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from app.node.settings.configuration import NodeSettings
from app.node.storage.file_lock import lock
from app.node.storage.json_file import read_json, write_json
from operators.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# Each may do what those before it may
Role = Literal["viewer", "operator", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
# NIST SP 800-63B 5.1.1.2 asks for at least 8 characters, and to accept at least 64
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
# Each verification takes 64 MB of memory
VERIFIED_AT_ONCE = threading.BoundedSemaphore(2)
FILE, LOCK = "accounts.json", "accounts.lock"
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Account:
    """A user with a role; `password` is its hash."""

    name: str
    role: Role
    password: str

    def may(self, role: Role) -> bool:
        """Returns whether the user has at least this role."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Accounts:
    """The accounts of a node. Methods that change them raise UsageError for wrong names or passwords."""

    def __init__(self, node: NodeSettings) -> None:
        self.path = node.data / FILE
        self.read: tuple[tuple[int, int], dict[str, Account]] = ((0, 0), {})

    def all(self) -> dict[str, Account]:
        """Returns the accounts by name, as the file holds them now. Raises UsageError if it is unreadable."""
        try:
            status = self.path.stat()
            stamp = status.st_mtime_ns, status.st_ino
            if stamp != self.read[0]:
                self.read = stamp, {name: Account(**each) for name, each in read_json(self.path).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"expected accounts in {self.path}, got an unreadable file") from error
        return self.read[1]

    def verified(self, name: str, password: str) -> Account | None:
        """Returns the account if the password is right; takes as long for an unknown name."""
        from argon2.exceptions import VerifyMismatchError

        account = self.all().get(name)
        with VERIFIED_AT_ONCE:
            try:
                hasher().verify(account.password if account else nobodys_hash(), password[:LONGEST_PASSWORD])
            except VerifyMismatchError:
                return None
        return account

    def add(self, name: str, role: Role, password: str) -> None:
        """Adds an account."""
        if not NAME.fullmatch(name):
            raise UsageError("expected a name of 1 to 64 letters, digits or . _ @ -")
        account = Account(name, role, hashed(password))

        def added(accounts: dict[str, Account]) -> dict[str, Account]:
            if name in accounts:
                raise UsageError(f"expected a new name, {name} has an account already")
            return {**accounts, name: account}

        self._change(added)

    def change(self, name: str, *, role: Role | None = None, password: str | None = None) -> None:
        """Changes the role or the password of an account, which ends its sessions."""
        new_hash = None if password is None else hashed(password)

        def changed(accounts: dict[str, Account]) -> dict[str, Account]:
            account = self._known(accounts, name)
            return {**accounts, name: Account(name, role or account.role, new_hash or account.password)}

        self._change(changed)

    def remove(self, name: str) -> None:
        """Removes an account, which ends its sessions."""

        def left(accounts: dict[str, Account]) -> dict[str, Account]:
            removed = self._known(accounts, name)
            return {key: account for key, account in accounts.items() if account is not removed}

        self._change(left)

    def _change(self, change: Callable[[dict[str, Account]], dict[str, Account]]) -> None:
        """Writes the changed accounts, while other changes wait; a refused change writes nothing."""
        require_administrator(change(self.all()))
        with self.path.with_name(LOCK).open("w") as locked:
            lock(locked.fileno(), fcntl.LOCK_EX, PATIENCE_S)
            accounts = require_administrator(change(self.all()))
            write_json(self.path, {name: asdict(each) for name, each in accounts.items()})
            self.path.chmod(0o600)

    def _known(self, accounts: dict[str, Account], name: str) -> Account:
        """Returns the account of that name. Raises UsageError if there is none."""
        if name not in accounts:
            names = ", ".join(accounts) or f"none in {self.path}"
            raise UsageError(f"expected the name of an account ({names}), got {name!r}")
        return accounts[name]


def require_administrator(accounts: dict[str, Account]) -> dict[str, Account]:
    """Returns `accounts`. Raises UsageError if there are some, but no administrator among them."""
    if accounts and not any(each.role == "administrator" for each in accounts.values()):
        text = "make this account one, or add another first"
        raise UsageError(f"expected at least one administrator; {text}")
    return accounts


@cache
def hasher() -> PasswordHasher:
    """Returns the hasher, with argon2-cffi's defaults: the low-memory profile of RFC 9106, 64 MB.

    Raises UsageError if the library is not installed.
    """
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise UsageError("expected argon2-cffi for passwords: pip install 'osteon[web]'") from error
    return PasswordHasher()


@cache
def nobodys_hash() -> str:
    """Returns a hash for names without an account."""
    return hasher().hash("a password that nobody has")


def hashed(password: str) -> str:
    """Returns the hash of a new password. Raises UsageError if it is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UsageError(f"expected a password of {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return hasher().hash(password)
