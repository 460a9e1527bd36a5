"""The errors ReID-R raises on purpose: each carries one sentence a person can act on."""


class ReIDError(Exception):
    """Base of all errors that ReID-R raises on purpose. The message says what is wrong, where, and what to do."""


class DataError(ReIDError):
    """A data set, a manifest or a picture cannot be used as it is."""


class ImageError(DataError):
    """One picture cannot be used: unreadable, truncated, too large, or of a format that is not allowed."""


class WeightsError(ReIDError):
    """A checkpoint is missing, incomplete, or does not fit the model that should load it."""


class RecipeError(ReIDError):
    """A recipe has an unknown key, a value out of range, or contradicts itself or an earlier run."""


class AnswerFormatError(ReIDError):
    """A model's completion does not follow the answer grammar, so it carries no verdict."""


class MissingExtraError(ReIDError):
    """A command needs a package from one of the optional extras that is not installed."""


class InUseError(ReIDError):
    """Another process is at work where this one should be: in its run folder, or beside it where there may be one."""


class OtherProcessError(ReIDError):
    """Of several processes that share a job, another one has failed or ended, so this one cannot go on."""


class ConflictError(ReIDError):
    """Somebody else has changed what was to be changed: read it again, and decide anew."""
