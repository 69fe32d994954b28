"""Tokens of accounts: from the environment or the system's keyring, never from a graph, a file or an argument."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NoReturn

from ..core.errors import ConfigError

KEYRING = "lora-workbench"
"""Name of the service in the keyring; the user is the provider's name."""
_HEADER = re.compile(r"[\x21-\x7e]{4,4096}")
"""What a header can carry. Libraries put a header that they refuse into their error."""
_HIDDEN = "[token]"


class Token:
    """A secret that shows itself only to the header of a request: not in texts, tracebacks or pickles.

    Args:
        secret: the token.
        place: where it came from, for messages.
    """

    __slots__ = ("_secret", "place")

    def __init__(self, secret: str, place: str) -> None:
        self._secret, self.place = secret, place

    def header(self, scheme: str) -> str:
        """The value of the header ``Authorization``."""
        return f"{scheme} {self._secret}"

    def is_in(self, text: str) -> bool:
        return self._secret in text

    def hidden_in(self, text: str) -> str:
        """A text of others, without the token."""
        return text.replace(self._secret, _HIDDEN)

    def __repr__(self) -> str:
        return "Token()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A token isn't written anywhere.")


def token_of(name: str, title: str, variables: Sequence[str]) -> Token:
    """The token for a provider.

    Args:
        name: the provider's, in the keyring.
        title: the provider's, for messages.
        variables: environment variables that may hold it, in order.

    Raises:
        ConfigError: there is none, or it can't be one.
    """
    for variable in variables:
        if secret := os.environ.get(variable, "").strip():
            return _checked(secret, f"the environment variable {variable}")
    secret, problem = _from_keyring(name)
    if secret := secret.strip():
        return _checked(secret, f"the keyring's entry {KEYRING} {name}")
    raise ConfigError(
        f"There is no token for {title}" + (f", and the keyring can't be read: {problem}." if problem else "."),
        expected=f"the environment variable {' or '.join(variables)}, or an entry of the system's keyring",
        hint=f"set the variable before the start, or run `keyring set {KEYRING} {name}`; never write a token into a "
        "graph.",
    )


def _checked(secret: str, place: str) -> Token:
    if not _HEADER.fullmatch(secret):
        raise ConfigError(
            f"What {place} holds is no token.",
            expected="4 or more letters, digits and signs, without blanks inside",
            hint="copy the token again.",
        )
    return Token(secret, place)


def _from_keyring(name: str) -> tuple[str, str]:
    """(what the keyring has for a provider, why it can't be read); both empty without a keyring or an entry."""
    try:
        import keyring

        return keyring.get_password(KEYRING, name) or "", ""
    except ImportError:
        return "", ""
    except Exception as error:  # backends have errors of their own
        return "", type(error).__name__
