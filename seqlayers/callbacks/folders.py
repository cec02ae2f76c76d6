"""The folder that a callback writes to."""

from seqlayers import files


def make_folder(name, path):
    """Makes the folder that an argument names, with those around it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        wanted = "a file in a folder" if name == "path" else "a folder"
        raise ValueError(
            f"`{name}` must be {wanted}, or a path where one can be made. "
            f"Received: {files.printable(path)}: {files.reason_of(error)}"
        ) from error
