"""A file system of Beam's that is not this machine's: mapped://bucket/path, kept in a folder that a test chooses."""

import os

from apache_beam.io.filesystem import CompressionTypes, FileMetadata, FileSystem

ROOT = {}
PREFIX = "mapped://bucket/"


def _real(path):
    return os.path.join(ROOT["folder"], path[len(PREFIX) :])


class MappedFiles(FileSystem):
    """Beam finds it as it finds those of clouds: by its scheme, among the subclasses."""

    @classmethod
    def scheme(cls):
        return "mapped"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def has_dirs(self):
        return False

    def mkdirs(self, path):
        os.makedirs(_real(path), exist_ok=True)

    def _list(self, dir_or_prefix):
        for folder, _, names in os.walk(ROOT["folder"]):
            for name in names:
                file = os.path.join(folder, name)
                path = PREFIX + os.path.relpath(file, ROOT["folder"])
                if path.startswith(dir_or_prefix):
                    yield FileMetadata(path, os.path.getsize(file))

    def create(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        os.makedirs(os.path.dirname(_real(path)), exist_ok=True)
        return open(_real(path), "wb")

    def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        ROOT.setdefault("opened", []).append(path)
        return open(_real(path), "rb")

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def rename(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names):
            os.replace(_real(source), _real(destination))

    def exists(self, path):
        return os.path.exists(_real(path))

    def size(self, path):
        return os.path.getsize(_real(path))

    def last_updated(self, path):
        return os.path.getmtime(_real(path))

    def checksum(self, path):
        return str(self.size(path))

    def metadata(self, path):
        return FileMetadata(path, self.size(path))

    def delete(self, paths):
        for path in paths:
            real = _real(path)
            if os.path.isdir(real):
                for folder, _, names in os.walk(real, topdown=False):
                    for name in names:
                        os.remove(os.path.join(folder, name))
                    os.rmdir(folder)
            elif os.path.exists(real):
                os.remove(real)
