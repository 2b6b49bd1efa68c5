"""Whether a bucket still answers, so that a run stops at a network that is lost, not at each of its films."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from polyreel.errors import MediaError
from polyreel.remote.address import BucketPath, bucket_answers
from polyreel.units import count

__all__ = ["BucketLostError", "first_there", "parted_by_loss", "require_reach"]


class BucketLostError(MediaError):
    """A bucket that no longer answers anything: no verdict on any of its films."""

    def leaving(self, films: int) -> BucketLostError:
        """The same, told by a run that stops for it.

        Args:
            films: that it leaves undone.
        """
        return BucketLostError(
            self.what,
            item=self.item,
            value=self.value,
            remedy=f"Left: {count(films, 'file')}. Run the same command once the network is back",
        )


def require_reach(path: Path, said: object) -> None:
    """After a film could not be had: that it is the film that fails, not its bucket. Asks the bucket once.

    Args:
        path: the film; nothing is asked of one on a disk.
        said: why it could not be had.

    Raises:
        BucketLostError: the bucket does not answer either.
    """
    if isinstance(path, BucketPath) and not bucket_answers(path.bucket):
        raise BucketLostError(
            "the bucket cannot be reached any more", item=path.bucket, value=said, remedy="Check the network"
        )


def first_there(paths: Iterable[Path]) -> Path | None:
    """The first of some films that is there; None if none is.

    Raises:
        BucketLostError: the bucket of one does not answer: the others would be waited for as long.
    """
    for path in paths:
        try:
            path.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            require_reach(path, error.strerror)
            continue
        return path
    return None


def parted_by_loss(failures: Sequence[MediaError]) -> tuple[BucketLostError | None, list[MediaError]]:
    """Why a run stopped for its bucket, if it did, and what else failed in it."""
    lost = next((each for each in failures if isinstance(each, BucketLostError)), None)
    return lost, [each for each in failures if each is not lost]
