"""What a .tflite file says of itself: files in a zip archive at its end.

A flatbuffer is read from its front and a zip archive from its end, so one file is both:
LiteRT runs it, and any zip reader opens it, as the metadata convention of TFLite has it
for the files associated with a model.
"""

import io
import json
import zipfile
import zlib

METADATA = "metadata.json"
LABELS = "labels.txt"


def append(content, metadata, labels=None):
    """A model followed by an archive with its metadata.

    Args:
        content: Bytes of a .tflite file.
        metadata: What `metadata.json` holds: anything that JSON can.
        labels: `None` or a sequence of strings, the lines of `labels.txt`.

    Returns:
        Bytes that begin with `content`. The same arguments give the same bytes.

    Example:

    >>> file = append(b"model", {"latent_dim": 2}, labels=["cat", "dog"])
    >>> zipfile.ZipFile(io.BytesIO(file)).read("labels.txt").decode().split()
    ['cat', 'dog']
    """
    texts = {METADATA: json.dumps(metadata, indent=2, allow_nan=False) + "\n"}
    if labels is not None:
        texts[LABELS] = "".join(f"{label}\n" for label in labels)
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        for name, text in texts.items():
            # The time would make two files of one model differ.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, text)
    return file.getvalue()


def read_tflite_metadata(path):
    """The metadata inside a .tflite file that `export_tflite` wrote.

    Args:
        path: Path of the file.

    Returns:
        Dictionary: `model`, `signatures`, `data_shape`, `latent_dim`, `likelihood`,
        `value_range`, `quantization`, `version` and so on; with `labels`, a list of
        strings, where the file has any.

    Raises:
        ValueError: If the file has no metadata of this kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read(METADATA))
            if LABELS in archive.namelist():
                metadata["labels"] = archive.read(LABELS).decode().splitlines()
    except (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError) as error:
        raise ValueError(
            f"`path` should be a .tflite file that keras_vae exported, with "
            f"{METADATA} in the archive at its end. Received: {path}"
        ) from error
    return metadata
