"""Files and folders that appear whole or not at all."""

from keras_vae.files.formats import read_csv, write_arrays, write_csv, write_json
from keras_vae.files.locks import MARK, locked
from keras_vae.files.places import (
    atomic,
    carry_over,
    check_movable,
    inside,
    remove_folder,
    staged,
    sweep,
    take_place,
)

__all__ = [
    "MARK",
    "atomic",
    "carry_over",
    "check_movable",
    "inside",
    "locked",
    "read_csv",
    "remove_folder",
    "staged",
    "sweep",
    "take_place",
    "write_arrays",
    "write_csv",
    "write_json",
]
