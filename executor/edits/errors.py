"""What can be wrong with an edit. Messages are plain text that a language model can repair from."""


class EditError(ValueError):
    """An edit could not be understood or applied; nothing was changed."""


class ForbiddenEdit(EditError):
    """An edit touches a file that it may not touch; the message names the path."""


class TooMuchWork(EditError):
    """Finding the places of the edits takes longer than any honest idea needs."""
