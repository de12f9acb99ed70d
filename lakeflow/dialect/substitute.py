"""Values in the place of `${name}`, before a statement is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lakeflow.core.errors import DefinitionError, DefinitionErrors
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.dialect.text import QueryText, Substitution
from lakeflow.dialect.tokens import Token

_PARAMETER = re.compile(r"\$\{([^{}\n]*)\}")


def substitute(
    text: QueryText, tokens: Iterable[Token], parameters: Mapping[str, str]
) -> QueryText:
    """Puts the values of parameters into a statement, strings and quoted names included.

    Comments keep their characters. A value may itself refer to parameters.

    Args:
        text: The statement.
        tokens: Its tokens, whose `start` counts from the beginning of the statement.
        parameters: Values by name.

    Raises:
        DefinitionErrors: Parameters are unknown or refer to themselves; all of them are named.
    """
    pieces: list[str] = []
    substitutions: list[Substitution] = []
    errors: list[DefinitionError] = []
    done = length = 0
    for token in tokens:
        if token.kind == "comment" or "${" not in token.text:
            continue
        for match in _PARAMETER.finditer(token.text):
            start, stop = token.start + match.start(), token.start + match.end()
            location = text.at(start)
            try:
                value = _value(match[1].strip(), parameters, location, ())
            except DefinitionError as error:
                errors.append(error)
                continue
            pieces += text.text[done:start], value
            length += start - done
            substitutions.append(Substitution(length, length + len(value), location, text.at(stop)))
            length += len(value)
            done = stop
    if errors:
        raise DefinitionErrors(errors)
    pieces.append(text.text[done:])
    return QueryText("".join(pieces), text.location, tuple(substitutions))


def _value(
    name: str, parameters: Mapping[str, str], location: Location, above: tuple[str, ...]
) -> str:
    if name not in parameters:
        raise DefinitionError(
            f"The parameter ${{{name}}} has no value.",
            location=location,
            hint=nearest(name, parameters)
            or "Give it one in the pipeline's configuration, or SET it earlier in this file.",
        )
    if name in above:
        raise DefinitionError(
            f"The value of the parameter ${{{name}}} refers to itself.", location=location
        )
    return _PARAMETER.sub(
        lambda match: _value(match[1].strip(), parameters, location, (*above, name)),
        parameters[name],
    )
