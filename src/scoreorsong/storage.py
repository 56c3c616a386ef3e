"""Model's parts ⇄ one file that runs no code when it is loaded.

The file is an uncompressed ZIP of ``model.json`` (format, card and settings) and
one member of raw little-endian numbers per array, whose type and shape the JSON
gives. There is nothing in it but plain values and numbers: neither a pickle nor
the version of scikit-learn comes between a file and its predictions. Because
members are uncompressed, each must have just the size that its shape says and can
be asked for once, and the JSON is short, the size of the file bounds the memory that
loading takes.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .errors import ModelError
from .files import write_whole

FORMAT = "score-or-song model"
FORMAT_VERSION: Final = 8
MAX_FILE_BYTES: Final = 64 * 2**20
MAX_JSON_BYTES: Final = 4 * 2**20  # as objects, JSON may take thirty times its size
MAX_DEPTH: Final = 16  # of tables and lists in one another
MAX_DIMENSIONS: Final = 4
DTYPES: Final = {"float64": "<f8", "float32": "<f4", "float16": "<f2", "int64": "<i8", "int16": "<i2"}

Arrays = dict[str, npt.NDArray[Any]]


def save(path: str | os.PathLike[str], content: dict[str, Any], *, kind: str = FORMAT) -> str:
    """Write `content` (plain values, arrays and dataclasses of them, nested) and return its id.

    `kind` is what the file says it is and must be asked for as; the same content gives the same bytes. The file appears whole or not at all.

    Raises
    ------
    ModelError : a value that the format cannot hold, or an unwritable path.
    """
    data = to_bytes(content, kind=kind)
    target = Path(path)
    try:
        write_whole(target, data)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ModelError(
            f"{target}: cannot be written ({reason}); choose a folder that exists and is yours"
        ) from error
    return content_id(data)


def load(path: str | os.PathLike[str], *, kind: str = FORMAT) -> tuple[dict[str, Any], str]:
    """The content of a model file, and its id.

    Raises
    ------
    ModelError : no such file, not a model, damaged, too large, or of a newer format.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: cannot be read ({reason}); expected a model file") from error
    try:
        return from_bytes(data, kind=kind), content_id(data)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def content_id(data: bytes) -> str:
    """First 12 hex digits of the SHA-256 of a model file."""
    return hashlib.sha256(data).hexdigest()[:12]


def to_bytes(content: Any, *, kind: str = FORMAT) -> bytes:
    """`content` in the file format."""
    arrays: Arrays = {}
    document = {"format": kind, "format_version": FORMAT_VERSION, "content": _encode(content, arrays)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "model.json", json.dumps(document, indent=1, sort_keys=True).encode())
        for name, array in arrays.items():
            _add(archive, name, array.tobytes())
    return buffer.getvalue()


def from_bytes(data: bytes, *, kind: str = FORMAT) -> dict[str, Any]:
    """The inverse of `to_bytes`; checks sizes, types and names before it builds anything."""
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"is larger than {MAX_FILE_BYTES >> 20} MB; expected a model of a few MB at most")
    members = _members(data)
    if len(members.get("model.json", b"")) > MAX_JSON_BYTES:
        raise ModelError(f"has a model.json of more than {MAX_JSON_BYTES >> 20} MB; train wrote no such file")
    try:
        document = json.loads(members["model.json"])
        name, version = document["format"], document["format_version"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError("is damaged: its model.json cannot be read; get or train the model again") from error
    if name != kind or version != FORMAT_VERSION:
        raise ModelError(
            f"has format {name!r} version {version!r}; this release reads {kind!r} version "
            f"{FORMAT_VERSION}: update score-or-song or train the model again"
        )
    try:
        content = _decode(document["content"], members)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelError(f"is damaged ({error}); get or train the model again") from error
    if not isinstance(content, dict):
        raise ModelError("is damaged: its content is not a table; get or train the model again")
    return content


def _members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if any(i.compress_type != zipfile.ZIP_STORED or i.file_size > len(data) for i in infos):
                raise ModelError("holds compressed members; a model file has none, so this is not one")
            if sum(i.file_size for i in infos) > len(data):
                raise ModelError("claims more content than it holds; this is not a model file")
            return {i.filename: archive.read(i) for i in infos}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"is not a model file or is damaged ({error}); expected one that train wrote"
        ) from error


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data)


def _encode(value: Any, arrays: Arrays) -> Any:
    """Plain values as they are, dataclasses as tables; arrays go to `arrays`."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {part.name: getattr(value, part.name) for part in fields(value)}
    if isinstance(value, dict):
        if "array" in value:
            raise ModelError(
                "cannot store a table with the key 'array'; the format needs that name for itself"
            )
        return {str(key): _encode(item, arrays) for key, item in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays)
    plain = value.item() if isinstance(value, np.generic) else value
    if (
        plain is None
        or isinstance(plain, (bool, int, str))
        or (isinstance(plain, float) and math.isfinite(plain))
    ):
        return plain
    raise ModelError(
        f"cannot store {type(value).__qualname__} {value!r:.50}; "
        "the format holds plain values and arrays of finite numbers"
    )


def _encode_array(array: npt.NDArray[Any], arrays: Arrays) -> Any:
    dtype = array.dtype.name
    if dtype not in DTYPES:
        raise ModelError(f"cannot store an array of {dtype}; the format holds {', '.join(DTYPES)}")
    if not np.isfinite(array).all():
        raise ModelError("cannot store an array with NaN or infinity; the format holds finite numbers")
    name = f"array-{len(arrays):03d}"
    arrays[name] = np.ascontiguousarray(array, dtype=DTYPES[dtype])
    return {"array": name, "dtype": dtype, "shape": list(array.shape)}


def _decode(value: Any, members: dict[str, bytes], *, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"its tables lie more than {MAX_DEPTH} deep in one another")
    if isinstance(value, list):
        return [_decode(item, members, depth=depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("its table holds NaN or infinity")
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return _decode_array(value, members)
    return {key: _decode(item, members, depth=depth + 1) for key, item in value.items()}


def _decode_array(value: dict[str, Any], members: dict[str, bytes]) -> npt.NDArray[Any]:
    """The array that `value` speaks of; its bytes are taken, so that no other array can copy them again."""
    dtype, shape = np.dtype(DTYPES[value["dtype"]]), value["shape"]
    data = members.pop(value["array"])
    if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and 0 <= n <= MAX_FILE_BYTES for n in shape):
        raise ValueError(f"{value['array']} has a shape that no model has: {shape!r:.80}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{value['array']} has {len(data)} bytes, not the size of shape {shape}")
    array = np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    if not np.isfinite(array).all():
        raise ValueError(f"{value['array']} holds NaN or infinity")
    return array
