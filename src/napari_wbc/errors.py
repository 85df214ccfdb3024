"""The errors that napari-wbc raises on purpose.

Every message says what went wrong, where, what was found and what to do about it. Each leaf is also a ``ValueError`` or an
``OSError``, so that callers who know nothing of this package can still catch it::

    WbcError
    ├── ImageError (ValueError)            this image cannot be analysed
    │   ├── UnreadableImageError           damaged, truncated, empty, or not an image
    │   ├── UnsupportedImageError          a sound file of a form that is refused, with the reason
    │   └── ImageTooLargeError             more pixels than the budget allows
    ├── UsageError (ValueError)            the call or command makes no sense: wrong path, setting or option
    │   └── SettingsError                  a settings file or value is not valid
    ├── CheckpointError (ValueError)       a model file is missing, damaged, or of another kind than expected
    ├── DeviceError (ValueError)           the device asked for is not there
    ├── ModelMemoryError (OSError)         the network ran out of memory
    ├── ResultsError (ValueError)          a results folder, or a file in it, is not what it should be
    ├── WorkersError (OSError)             the processes or the cluster that do the work cannot start, or were lost
    └── StorageError (OSError)             results cannot be written: disk full, permission, vanished drive
"""

from __future__ import annotations


class WbcError(Exception):
    """Base of every error that napari-wbc raises on purpose."""


class ImageError(WbcError, ValueError):
    """This image cannot be analysed; other images are not affected."""


class UnreadableImageError(ImageError):
    """The file is damaged, truncated, empty, or not an image."""


class UnsupportedImageError(ImageError):
    """The file is sound, but of a form that is refused; the message says why and what to do."""


class ImageTooLargeError(ImageError):
    """The image declares more pixels than the budget allows."""


class UsageError(WbcError, ValueError):
    """The call or command makes no sense: a wrong path, value or option."""


class SettingsError(UsageError):
    """A settings file or a setting is not valid."""


class CheckpointError(WbcError, ValueError):
    """A model file is missing, damaged, or of another kind than expected."""


class DeviceError(WbcError, ValueError):
    """The device asked for is not available on this machine."""


class ModelMemoryError(WbcError, OSError):
    """The network ran out of memory on its device."""


class ResultsError(WbcError, ValueError):
    """A results folder, or a file in it, is not what it should be."""


class WorkersError(WbcError, OSError):
    """The processes or the cluster that do the work cannot start, or were lost."""


class StorageError(WbcError, OSError):
    """Results cannot be written: the disk is full, permission is missing, or the drive has gone."""
