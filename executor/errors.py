"""The errors a user can mend: each is one line that says what is wrong and what to do."""


class UserError(Exception):
    """A mistake in what was asked for; the command line prints it as one line and exits with 2."""


class ProblemError(UserError):
    """A problem folder that cannot be used: the field or file, and the fix."""


class StoreError(UserError):
    """A store that cannot be opened, written or shared."""


class DamagedRecord(StoreError):
    """A record of a run that decides how it goes on, and cannot be read."""


class RunInUse(StoreError):
    """A run that another process is executing."""


class ExecutorClosed(UserError):
    """An idea that was given to an executor after its end."""


class ExecutorLost(UserError):
    """An executor on another machine that is gone for good, or cannot be reached."""
