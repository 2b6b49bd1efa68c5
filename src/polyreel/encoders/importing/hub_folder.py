"""A model's folder in the layout of the Hugging Face hub: JSON and weights are read, code is not run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyreel.errors import BundleError

__all__ = ["HubFolder"]

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack")
_LICENCE = re.compile(r"^license(_name)?:[ \t]*[\"']?([\w.+-]+)", re.MULTILINE)
_MAX_JSON_BYTES = 256 << 20
_MAX_HEADER_BYTES = 100 << 20


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A model on this disk.

    Attributes:
        path: its folder.
        label: name on the hub, or name of the folder, for messages and the card.
        revision: commit of the hub; None for a folder of one's own.
    """

    path: Path
    label: str
    revision: str | None = None

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.path / name).is_file()

    def part(self, name: str) -> HubFolder:
        """A folder inside this one; the empty name is this one.

        Raises:
            BundleError: the name leads out of it.
        """
        if name.startswith("/") or ".." in Path(name).parts:
            raise BundleError("a part of the model lies outside its folder", item=self.label, value=name)
        return HubFolder(self.path / name, f"{self.label}/{name}".rstrip("/"), self.revision)

    def json(self, name: str, *, needed: bool = True) -> dict[str, Any]:
        """The object in a JSON file; empty if there is no file and it is not ``needed``.

        Raises:
            BundleError: it is missing, too large, or not a JSON object.
        """
        path = self.path / name
        if not path.is_file():
            if not needed:
                return {}
            raise BundleError(
                "a file of the model is missing",
                item=f"{self.label}/{name}",
                remedy="Copy the whole folder of the model, or import it by its name on the hub",
            )
        try:
            if path.stat().st_size > _MAX_JSON_BYTES:
                raise ValueError(f"over {_MAX_JSON_BYTES >> 20} MiB")  # noqa: TRY301  one message for all
            found = json.loads(path.read_bytes())
            if not isinstance(found, dict):
                raise TypeError(f"a {type(found).__name__}, not an object")  # noqa: TRY301
        except (ValueError, TypeError, RecursionError) as error:
            raise BundleError(
                "a file of the model cannot be understood",
                item=f"{self.label}/{name}",
                value=error,
                remedy="Copy or download the model again",
            ) from error
        return found

    def licence(self) -> str | None:
        """The licence that the model's README states, as the hub spells it."""
        if not self.has("README.md"):
            return None
        text = (self.path / "README.md").read_text(encoding="utf-8", errors="replace")
        head = text.split("\n---", 1)[0] if text.startswith("---") else ""
        found = {name or "": value for name, value in _LICENCE.findall(head)}
        return found.get("_name") if found.get("") == "other" and "_name" in found else found.get("")

    def weight_files(self, name: str = "model.safetensors") -> list[str]:
        """Names of the files that hold the weights: the one, or the parts that ``NAME.index.json`` lists."""
        index = f"{name}.index.json"
        if self.has(name) or not self.has(index):
            return [name]
        return sorted({str(part) for part in self.json(index).get("weight_map", {}).values()})

    def require_safetensors(self, name: str = "model.safetensors") -> None:
        """Check that the weights are there, whole, and in the one format that is read.

        Args:
            name: of the file; a list of its parts, ``NAME.index.json``, stands for it.

        Raises:
            BundleError: they are pickled, missing, or cut short.
        """
        for part in self.weight_files(name):
            if Path(part).name != part:
                raise BundleError("the list of weights names another folder", item=part)
            if not self.has(part):
                raise self._without_weights(part)
            _require_whole(self.path / part, f"{self.label}/{part}")

    def _without_weights(self, name: str) -> BundleError:
        pickled = sorted(path.name for path in self.path.iterdir() if path.suffix in _PICKLES)
        if pickled:
            return BundleError(
                "the weights are pickled, and a pickle can run any code when it is read",
                item=self.label,
                value=", ".join(pickled),
                remedy=(
                    "Ask its makers for safetensors, look on the hub's page for a 'convert to safetensors' "
                    "revision and name it with --revision, or convert them where you trust them"
                ),
            )
        return BundleError(
            "the weights are missing",
            item=f"{self.label}/{name}",
            remedy="Copy the whole folder of the model, or import it by its name on the hub",
        )


def _require_whole(path: Path, label: str) -> None:
    """Hold the length of a safetensors file against what its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if 0 < length <= min(size, _MAX_HEADER_BYTES) else b""
    try:
        facts = json.loads(header)
        end = max(int(row["data_offsets"][1]) for key, row in facts.items() if key != "__metadata__")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        end = -1
    if end < 0 or 8 + length + end != size:
        raise BundleError(
            "the weights are damaged or cut short",
            item=label,
            value=f"{size:,} bytes" + (f", {8 + length + end:,} expected" if end >= 0 else ""),
            remedy="Copy or download the file again",
        )
