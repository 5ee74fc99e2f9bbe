"""What is different about the configuration of a run that goes on."""

import gin


def changes(before, now):
    """Compares two configurations.

    Args:
        before: str, what gin wrote.
        now: str, what gin wrote.

    Returns:
        list of str: "name = value (was value)", or "no longer set".
    """
    before, now = _bindings(before), _bindings(now)
    lines = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        # gin writes defaults too: what is new about a name that was there is a newer version's.
        known = any(other.startswith(name.rpartition(".")[0] + ".") for other in before)
        if old != new and not (old is None and known):
            was = "was not set" if old is None else f"was {old}"
            lines.append(f"{name} = {new} ({was})" if new is not None else f"{name} no longer set")
    return lines


def _bindings(text):
    """dict of the text of each value by the name that is bound to it."""
    parser = gin.config_parser.ConfigParser(text, _AsText())
    statements = (s for s in parser if isinstance(s, gin.config_parser.BindingStatement))
    named = {}
    for statement in statements:
        name = "/".join(filter(None, (statement.scope, statement.selector)))
        named[".".join(filter(None, (name, statement.arg_name)))] = str(statement.value)
    return named


class _AsText(gin.config_parser.ParserDelegate):
    """What a configuration names stays a name."""

    def configurable_reference(self, scoped_name, evaluate):
        """ "@name" or "@name()"."""
        return f"@{scoped_name}{'()' if evaluate else ''}"

    def macro(self, macro_name):
        """ "%name"."""
        return f"%{macro_name}"
