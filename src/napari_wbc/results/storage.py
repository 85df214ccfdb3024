"""Write files whole or not at all, never through a link, and say in plain words why one cannot be written."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import ResultsError, StorageError
from ..regular import opener

_ADVICE = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk quota is used up. Free some space",
    errno.EACCES: "permission is missing. Allow writing there",
    errno.EPERM: "permission is missing. Allow writing there",
    errno.EROFS: "the drive is read-only. Choose another folder, or allow writing",
}
_NO_NAMES = frozenset(("", ".", ".."))


def place(out: Path, folder: str, image: str, suffix: str) -> Path:
    """The path `out/folder/image + suffix` of what is kept for an image.

    Raises
    ------
    ResultsError
        If the name of the image would leave the folder: it is absolute, or has empty, `.` or `..` parts.
    """
    return Path(place_text(out, folder, image, suffix))


def place_text(out: Path, folder: str, image: str, suffix: str) -> str:
    """The same as text, for looks at 10⁵ images in a row: a `Path` takes longer to make than a file to be looked at."""
    leaves = not _NO_NAMES.isdisjoint(image.split("/"))
    if leaves or "\0" in image or (os.name == "nt" and set(image) & set('\\:<>"|?*')):
        raise ResultsError(f"The image name {image!r} is not a path below the input root. Rename the file, or mend the record.")
    return os.path.join(out, folder, image.replace("/", os.sep)) + suffix


def is_there(path: str) -> bool:
    """Whether there is such a file or folder.

    Raises
    ------
    OSError
        If nobody can tell.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_bytes(out: Path, path: Path, data: bytes) -> None:
    """Write a file below `out`; errors as in `writing`."""
    with writing(out, path) as file:
        file.write(data)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits; of a folder that is one image (Zarr) that of its files and their names.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if path.is_dir():
        digest = hashlib.sha256()
        for part in files_in(path):
            digest.update(f"{file_sha256(part)} {part.relative_to(path).as_posix()}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    with open(path, "rb", opener=opener) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder: Path) -> list[Path]:
    """The regular files in a folder and below, in alphabetical order.

    Raises
    ------
    OSError
        If there is something else, such as a pipe, for which whoever reads the folder would wait.
    """
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            found.append(path)
        elif path.exists() and not path.is_dir():
            raise OSError(errno.EINVAL, f"{path.name} is neither a file nor a folder", str(path))
    return sorted(found)


def walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk` of a folder of the results; one that is not there is empty.

    Raises
    ------
    ResultsError
        If a folder cannot be looked at, which must not look like an empty one, or if they lie too deep in one another.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise unseen(error) from error

    try:
        yield from os.walk(root, onerror=refuse)
    except RecursionError:
        raise ResultsError(f"{root} has folders in folders, too deep to be searched. Remove them.") from None


def unseen(error: OSError) -> ResultsError:
    """That a file or folder of the results cannot be looked at, and what to do."""
    return ResultsError(f"{error.filename} cannot be looked at: {error.strerror}. See to its permission, or to the drive.")


def size_and_time(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in ns; of a folder that is one image (Zarr) the sum and the latest of its files.

    Raises
    ------
    OSError
        If they cannot be had.
    """
    whole = path.stat()
    if not stat.S_ISDIR(whole.st_mode):
        return whole.st_size, whole.st_mtime_ns
    found = [file.stat() for file in files_in(path)]
    return sum(part.st_size for part in found), max((part.st_mtime_ns for part in found), default=0)


def temporary_prefix() -> str:
    """How the names of unfinished files begin that this machine writes; then follow the process and a number by chance."""
    return f".tmp-{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}-"


@contextmanager
def writing(out: Path, path: Path) -> Iterator[BinaryIO]:
    """A new file beside `path`, which takes its place when the block ends well and is removed when it does not.

    The bytes are on the disk before the name changes, so a reader finds the old file or the new one, even after a power cut.

    Parameters
    ----------
    out
        Folder whose sub-folders are made where missing; none of them may be a link.
    path
        File below `out`.

    Raises
    ------
    StorageError
        If a folder or the file cannot be written.
    """
    with writing_together(out, path) as (file,):
        yield file


@contextmanager
def writing_together(out: Path, *paths: Path) -> Iterator[tuple[BinaryIO, ...]]:
    """New files as of `writing`: the bytes of all are on the disk before the first takes its place; they do so in order."""
    with _explained(paths[-1]), ExitStack() as stack:
        files = []
        for path in paths:
            with _explained(path):
                _make_folders(out, path.parent)
                temporary = path.parent / f"{temporary_prefix()}{os.getpid()}-{secrets.token_hex(8)}"
                stack.callback(temporary.unlink, missing_ok=True)  # no longer there, where all went well
                files.append(stack.enter_context(temporary.open("xb")))
        yield tuple(files)
        for file in files:
            file.flush()
            os.fsync(file.fileno())
            file.close()
        for file, path in zip(files, paths, strict=True):
            os.replace(file.name, path)


def remove(out: Path, path: Path) -> None:
    """Remove a file below `out`, if it is there.

    Raises
    ------
    StorageError
        If it cannot be removed, or a folder on the way is a link.
    """
    with _explained(path):
        _refuse_links(out, path.parent)
        path.unlink(missing_ok=True)


def remove_folders(out: Path, folder: Path) -> None:
    """Remove a folder below `out`, and those above it up to `out`, as far as they are empty."""
    for here in (folder, *folder.parents):
        if here == out:
            return
        try:
            here.rmdir()
        except OSError:
            return


def _make_folders(out: Path, folder: Path) -> None:
    """Make `out`, and below it every missing folder down to `folder`."""
    _refuse_links(out, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:  # one on the way was empty, and another process has removed it
        folder.mkdir(parents=True, exist_ok=True)


def _refuse_links(out: Path, folder: Path) -> None:
    """Raise an error if a folder below `out`, down to `folder`, is a link."""
    for here in (folder, *folder.parents):
        if here == out:
            return
        if here.is_symlink():
            raise StorageError(f"{here} is a link; results are never written through links. Remove it, then run again.")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `StorageError` that says what to do."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = _ADVICE.get(error.errno or 0, f"{error.strerror or error}. See to the drive")
        raise StorageError(f"Cannot write {path}: {reason}, then run again: what is finished is kept.") from error
