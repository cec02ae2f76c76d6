"""A small disk of a chosen size, and one that cannot be written."""

import contextlib
import subprocess

import pytest


class Disk:
    """A file system of a few kilobytes in memory, mounted at `folder`."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self._mount("size=64m")

    def resize(self, kilobytes):
        """Makes the disk as large."""
        self._mount(f"remount,size={kilobytes}k")

    def used(self):
        """Returns the kilobytes that are taken."""
        done = subprocess.run(
            ["df", "--output=used", "-k", self.folder], capture_output=True, text=True, check=True
        )
        return int(done.stdout.split()[-1])

    def lock(self, locked=True):
        """Makes the disk one that can only be read, or one that can be written again."""
        self._mount("remount,ro" if locked else "remount,rw")

    def close(self):
        """Removes the disk."""
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "--lazy", self.folder], check=True, capture_output=True)

    def _mount(self, options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs the right to mount a small disk")
