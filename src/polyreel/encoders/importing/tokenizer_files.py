"""Tokenizers of imported models: as their folder has them, without cutting and filling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.errors import BundleError, PolyreelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["load_tokenizer", "put_marks", "template_of", "token_id"]


def load_tokenizer(hub: HubFolder) -> Tokenizer:
    """The tokenizer of a folder: ``tokenizer.json``, or what ``vocab.txt`` or ``spiece.model`` stand for.

    Raises:
        BundleError: there is none, or it cannot be read.
    """
    from tokenizers import Tokenizer

    from polyreel.encoders.importing.vocabularies import from_sentencepiece, from_wordpiece

    lower = bool(hub.json("tokenizer_config.json", needed=False).get("do_lower_case", True))
    readers: dict[str, Callable[[Path], Tokenizer]] = {
        "tokenizer.json": lambda path: Tokenizer.from_file(str(path)),
        "vocab.txt": partial(from_wordpiece, lower=lower),
        "spiece.model": from_sentencepiece,
    }
    name = next((name for name in readers if hub.has(name)), None)
    if name is None:
        raise BundleError(
            "the model has no tokenizer",
            item=hub.label,
            value="neither " + " nor ".join(readers),
            remedy="Copy it from the model's page on the hub; transformers writes one by save_pretrained",
        )
    try:
        made = readers[name](hub.path / name)
    except PolyreelError:
        raise
    except Exception as error:  # The tokenizers package raises no class of its own.
        raise BundleError("the tokenizer cannot be read", item=f"{hub.label}/{name}", value=error) from error
    made.no_padding()
    made.no_truncation()
    return made


def template_of(tokenizer: Tokenizer) -> str:
    """The marks that a tokenizer puts around a text, as the card writes them."""
    whole, bare = tokenizer.encode("a"), tokenizer.encode("a", add_special_tokens=False)
    for start in range(len(whole.ids) - len(bare.ids) + 1):
        end = start + len(bare.ids)
        if whole.ids[start:end] == bare.ids:
            return " ".join([*whole.tokens[:start], "$A", *whole.tokens[end:]])
    raise BundleError("the tokenizer changes a text when it marks it", value=" ".join(whole.tokens))


def put_marks(tokenizer: Tokenizer, template: str) -> None:
    """Have the tokenizer put the marks of ``template`` around a text.

    Raises:
        BundleError: it does not know one of them.
    """
    from tokenizers import processors

    marks = [(mark, token_id(tokenizer, mark)) for mark in template.split() if mark != "$A"]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=marks)


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token.

    Raises:
        BundleError: the tokenizer does not know it.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise BundleError(
            "the tokenizer is not that of the model",
            value=f"it has no {token}",
            remedy="Copy the tokenizer from the model's own page",
        )
    return int(found)
