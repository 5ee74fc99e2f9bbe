"""The error of somebody who can put it right themselves."""


class UserError(ValueError):
    """One clear line for the person at the keyboard: what was wrong, and what would do.

    The command line prints it without a traceback and exits with status 2. It is raised for what a
    person chose (a path, a file, a number on the command line), never for a mistake in the program.
    """
