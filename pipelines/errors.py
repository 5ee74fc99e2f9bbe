"""Errors that are told in one line."""


class UserError(ValueError):
    """One clear line for the person at the keyboard: what was wrong, and what would do.

    The command line prints it without a traceback and exits with status 2. It is raised for what a
    person chose (a path, a file, a number on the command line), never for a mistake in the program.
    """


class MissingValue(UserError):
    """A run that leaves a value to whoever starts it was given none.

    Args:
        names: list of str, of gin's macros.
    """

    def __init__(self, names):
        super().__init__(
            f"the run needs a value for {', '.join(names)}: "
            f"give --gin_bindings=\"{names[0]} = 'VALUE'\""
        )
        self.names = names


class RunError(RuntimeError):
    """One clear line for what no setting can put right: a bucket that does not answer any more.

    The command line prints it without a traceback and exits with status 1, as for anything else
    that failed: the same command may do tomorrow.
    """
