"""How far a pipeline on this machine is, which Beam's runner for one machine does not tell."""

import contextlib
import dataclasses
import os

_FOUND, _READ = "found", "read"


@dataclasses.dataclass(frozen=True)
class Progress:
    """Picture files that the workers on this machine have found and read: the sizes of two files that they append to.

    Attributes:
        folder: Folder of the two files; empty where workers are elsewhere, which shows their counters instead.
    """

    folder: str = ""

    def add_found(self) -> None:
        """Counts a file that was found."""
        self._add(_FOUND)

    def add_read(self) -> None:
        """Counts a file that was read, or could not be."""
        self._add(_READ)

    def _add(self, name: str) -> None:
        if self.folder:
            with contextlib.suppress(OSError), open(os.path.join(self.folder, name), "ab") as file:
                file.write(b".")

    def count(self) -> tuple[int, int]:
        """Numbers of files that were found and read so far."""
        return self._count(_FOUND), self._count(_READ)

    def _count(self, name: str) -> int:
        path = os.path.join(self.folder, name)
        return os.path.getsize(path) if os.path.exists(path) else 0
