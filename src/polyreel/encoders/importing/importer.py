"""A model's folder -> a bundle that agrees with the model, or nothing."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from polyreel.encoders.card import (
    CARD_FILE,
    BundleCard,
    Confidence,
    Licence,
    Measurement,
    Origin,
    Proof,
    identity_of,
)
from polyreel.encoders.importing.contract import Contract
from polyreel.encoders.importing.families import FAMILIES, family_of
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.precision import LEAST_COSINE, reduce_precision
from polyreel.encoders.importing.proof import AsDecoded, look_at, prove
from polyreel.encoders.importing.ready import ReadyGraphs, find_ready, wrap_ready
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, UsageError
from polyreel.extras import missing_extra
from polyreel.files import new_folder
from polyreel.packages.members import sha256_of
from polyreel.progress import OnProgress, ignore_progress

__all__ = ["ALLOWED_FALL", "Measure", "Precision", "import_model", "require_licence"]

Precision = Literal["auto", "fp32", "fp16", "int8"]
_STEPS = 5
_GRAPHS = ("frames.onnx", "text.onnx")
_FEWER_BITS: tuple[Literal["int8", "fp16"], ...] = ("int8", "fp16")
_UNMEASURED = (
    "All weights keep 32 bits: what retrieval can do without is not known before it is measured. "
    "--precision int8 makes a bundle of a quarter of the size, held to a cosine of 0.97 to the model."
)
ALLOWED_FALL = 0.5
"""Points of R@10, on the mean of the languages, that weights of fewer bits may cost if nobody chose them."""
Measure = Callable[[Bundle], Measurement | None]
"""Recall of a bundle on a benchmark; None where its data cannot be had."""
_NON_COMMERCIAL = ("-nc", "noncommercial", "non-commercial", "research", "apple-amlr")


@dataclass(frozen=True, slots=True)
class _Job:
    hub: HubFolder
    family: str
    contract: Contract
    name: str
    licences: tuple[Licence, ...]
    images: tuple[HubFolder, str] | None = None
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    measure: Measure | None = None


def require_licence(hub: HubFolder, family: str, *, accepted: bool) -> Licence:
    """The terms of a model, which have to be accepted where they forbid commercial use.

    Args:
        hub: its folder.
        family: its family's name.
        accepted: whether they were.

    Raises:
        UsageError: they forbid commercial use and were not accepted.
    """
    stated = hub.licence()
    forbids = FAMILIES[family].non_commercial or any(word in (stated or "") for word in _NON_COMMERCIAL)
    licence = Licence(
        part="model",
        licence=stated or ("non-commercial" if forbids else "not stated"),
        source=hub.label,
        non_commercial=forbids,
    )
    if forbids and not accepted:
        raise UsageError(
            "the licence of this model forbids commercial use",
            item=hub.label,
            value=licence.licence,
            remedy="Read it on the model's page; if you may use it so, give --accept-licence",
        )
    return licence


def import_model(
    hub: HubFolder,
    folder: Path,
    *,
    name: str,
    as_decoded: AsDecoded,
    precision: Precision = "auto",
    accept_licence: bool = False,
    images: HubFolder | None = None,
    measure: Measure | None = None,
    step: OnProgress | None = None,
) -> BundleCard:
    """Make a bundle of a model's weights.

    Args:
        hub: folder of the model.
        folder: Where the bundle will be; it appears only when it is complete and proved.
        name: Of the bundle.
        as_decoded: How our decoder prepares a picture, for the proof.
        precision: Of the weights; ``auto`` takes the fewest bits that cost at most ``ALLOWED_FALL`` of what
            ``measure`` finds with all of them, and all where there is nothing to measure with.
        accept_licence: Whether terms that forbid commercial use were accepted.
        images: Folder of the image tower whose space a text tower was taught.
        measure: Recall of a bundle on a benchmark, which the card then states.
        step: Called with what is being done, the steps done, and all of them.

    Raises:
        BundleError: the model is of no known family, incomplete, damaged, or the graphs do not agree with it.
        UsageError: its licence was not accepted, or the extra ``import`` is not installed.
    """
    report = step or ignore_progress
    report("reading the model", 0, _STEPS)
    family = family_of(hub)
    licences: tuple[Licence, ...] = (require_licence(hub, family, accepted=accept_licence),)
    beside = _images_of(hub, family, images)
    contract = FAMILIES[family].contract(hub)
    if beside is not None:
        licences += (require_licence(*beside, accepted=accept_licence),)
        contract = replace(contract, frames=FAMILIES[beside[1]].contract(beside[0]).frames)
    bits = "fp32" if precision == "auto" else precision
    job = _Job(hub, family, contract, name, licences, beside, bits, measure)
    ready = find_ready(hub, None if beside is None else beside[0])
    if ready is None:
        _require_import_extra()
    elif precision not in ("auto", "fp32"):
        raise UsageError(
            "a ready export keeps its own precision",
            item=hub.label,
            value=precision,
            remedy="Import the weights, against which fewer bits can be held, or leave --precision out",
        )
    try:
        with new_folder(folder) as made:
            if ready is not None:
                return _wrap(job, ready, made, report)
            return _export(job, made, as_decoded, report, fewest_bits=precision == "auto")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise BundleError(
            "the disk is full", item=folder.parent, remedy="Free some space; nothing was installed"
        ) from error


def _images_of(hub: HubFolder, family: str, images: HubFolder | None) -> tuple[HubFolder, str] | None:
    if images is None and not FAMILIES[family].lacks_images:
        return None
    if images is None:
        raise UsageError(
            "this model encodes texts alone",
            item=hub.label,
            remedy="Name the image tower whose space it was taught with --images, such as a CLIP ViT-B/32",
        )
    found = family_of(images)
    if not FAMILIES[family].lacks_images or FAMILIES[found].lacks_images:
        raise UsageError(
            "these two models are not a text tower and an image tower",
            item=hub.label,
            value=f"{FAMILIES[family].title}; {FAMILIES[found].title}",
            remedy="Leave --images out for a model with both towers",
        )
    return images, found


def _require_import_extra() -> None:
    missing = [package for package in ("torch", "transformers") if find_spec(package) is None]
    if missing:
        raise missing_extra(
            "import",
            "weights are exported by PyTorch, which is not here",
            value=f"missing: {', '.join(missing)}",
            otherwise="or import a ready ONNX export of the model",
        )


def _export(
    job: _Job, made: Path, as_decoded: AsDecoded, report: OnProgress, *, fewest_bits: bool
) -> BundleCard:
    # Imported late: PyTorch takes seconds.
    from polyreel.encoders.importing.weights.torchvision_operators import mend_torchvision

    mend_torchvision()
    from polyreel.encoders.importing.weights.exporting import export_towers
    from polyreel.encoders.importing.weights.loading import load_towers, reference_of

    report("loading the weights", 1, _STEPS)
    towers = load_towers(job.hub, job.family, job.contract, images=job.images)
    report("writing the graphs", 2, _STEPS)
    export_towers(towers, made, job.contract.text, job.contract.frames)
    scoring = job.contract.scoring.model_copy(update={"scale": towers.scale, "bias": towers.bias})
    job = replace(job, contract=replace(job.contract, scoring=scoring))
    reference = reference_of(job.hub, job.family, towers, job.contract, images=job.images)

    def proved(job: _Job, folder: Path) -> BundleCard:
        report(f"writing the weights in {job.precision}", 3, _STEPS)
        for graph in _GRAPHS:
            reduce_precision(folder / graph, job.precision)
        card = _finish(job, folder, proof=None)
        report("holding the bundle against the model", 4, _STEPS)
        proof = prove(Bundle(folder), reference, as_decoded, least=LEAST_COSINE[job.precision])
        return _write_card(folder, _with_measurement(_with_origin(card, proof=proof), job, folder, report))

    card = proved(job, made)
    if not fewest_bits:
        return card
    if not card.measured:
        return _write_card(made, _with_origin(card, remarks=(*job.contract.remarks, _UNMEASURED)))
    return _with_fewest_bits(job, made, card, proved)


def _with_fewest_bits(
    job: _Job, made: Path, whole: BundleCard, proved: Callable[[_Job, Path], BundleCard]
) -> BundleCard:
    """Put weights of fewer bits in the place of the whole ones if retrieval does not miss them.

    Args:
        job: what is imported.
        made: The bundle with all bits, which was measured.
        whole: Its card.
        proved: Makes a folder of the whole graphs a bundle in the job's precision that agrees with the model.
    """
    tried: list[str] = []
    for bits in _FEWER_BITS:
        folder = made / f".{bits}"
        folder.mkdir()
        for path in sorted(made.glob("*.onnx*")):
            if path.name.startswith(_GRAPHS):
                shutil.copy2(path, folder / path.name)
        try:
            card = proved(replace(job, precision=bits), folder)
        except BundleError as error:
            tried.append(f"{bits}: {error.value}")
        else:
            fall = _recall_at_10(whole) - _recall_at_10(card)
            tried.append(f"{bits}: R@10 {_recall_at_10(card):.1f} against {_recall_at_10(whole):.1f}")
            if fall <= ALLOWED_FALL:
                for path in made.glob("*.onnx*"):
                    path.unlink()
                for started in made.glob(".fast-*"):  # of the whole weights
                    shutil.rmtree(started)
                for path in folder.iterdir():
                    if path.is_file():
                        path.replace(made / path.name)
                return _settled(made, folder, card, bits, tried)
        shutil.rmtree(folder)
    return _settled(made, None, whole, "fp32", tried)


def _settled(made: Path, folder: Path | None, card: BundleCard, bits: str, tried: list[str]) -> BundleCard:
    if folder is not None:
        shutil.rmtree(folder)
    (measured,) = card.measured
    chosen = (
        f"Weights in {bits}, chosen by R@10 on {measured.benchmark} (mean of {len(measured.recall)} "
        f"languages, {measured.queries} queries each; at most {ALLOWED_FALL} points below all bits): "
        f"{'; '.join(tried)}."
    )
    remarks = card.origin.remarks if card.origin is not None else ()
    return _write_card(made, _with_origin(card, remarks=(*remarks, chosen)))


def _recall_at_10(card: BundleCard) -> float:
    """On the mean of the languages, 0 to 100."""
    (measured,) = card.measured
    return float(np.mean([recall["r@10"] for recall in measured.recall.values()]))


def _with_measurement(card: BundleCard, job: _Job, made: Path, report: OnProgress) -> BundleCard:
    if job.measure is None:
        return card
    report("measuring the bundle", 4, _STEPS)
    found = job.measure(Bundle(made))
    return card if found is None else card.model_copy(update={"measured": (found,)})


def _wrap(job: _Job, ready: ReadyGraphs, made: Path, report: OnProgress) -> BundleCard:
    report("wrapping the graphs", 2, _STEPS)
    text = wrap_ready(ready, made, job.contract.text, job.contract.frames)
    remark = (
        "A ready export: there are no weights here to hold it against, but its answers have been looked at."
    )
    job = replace(job, contract=replace(job.contract, text=text, remarks=(remark,)))
    card = _finish(job, made, proof=None)
    report("looking at its answers", 4, _STEPS)
    look_at(Bundle(made))
    return _write_card(made, _with_measurement(card, job, made, report))


def _finish(job: _Job, made: Path, proof: Proof | None) -> BundleCard:
    """Add what is not the model's own to its graphs, and the card."""
    import onnx

    from polyreel.encoders.importing.frame_pooling import mean_of_frames

    (made / "tokenizer.json").write_text(job.contract.tokenizer, encoding="utf-8")
    dim = _width(made / "frames.onnx", job)
    onnx.save(mean_of_frames(dim), made / "video.onnx")
    return _write_card(made, _card(job, made, dim, proof))


def _width(path: Path, job: _Job) -> int:
    """Width of the vectors of a graph, by running it once."""
    import onnxruntime as ort

    frames = job.contract.frames
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    picture = np.zeros((1, frames.height_px, frames.width_px, 3), np.uint8)
    return int(session.run(None, {"frames": picture})[0].shape[-1])


def _card(job: _Job, made: Path, dim: int, proof: Proof | None) -> BundleCard:
    family, contract, hub = FAMILIES[job.family], job.contract, job.hub
    parts = (path for path in sorted(made.iterdir()) if path.is_file() and path.name != CARD_FILE)
    files = {path.name: sha256_of(path) for path in parts}
    frames = contract.frames.model_copy(update={"dim": dim})
    facts = {"files": files, "text": contract.text.model_dump(), "frames": frames.model_dump()}
    return BundleCard(
        name=job.name,
        identity=identity_of(facts),
        description=f"{family.title}, imported from {hub.label}; its texts: {family.languages}.",
        dim=dim,
        text=contract.text,
        frames=frames,
        pooling="mean",
        scoring=contract.scoring,
        confidence=Confidence(clip=0.0, subtitle=0.0),
        licences=job.licences,
        training=f"by its makers; see {hub.label}",
        origin=Origin(
            family=job.family,
            source=hub.label,
            revision=hub.revision,
            precision=job.precision,
            proof=proof,
            remarks=contract.remarks,
        ),
        files=files,
    )


def _with_origin(card: BundleCard, **facts: object) -> BundleCard:
    assert card.origin is not None
    return card.model_copy(update={"origin": card.origin.model_copy(update=facts)})


def _write_card(made: Path, card: BundleCard) -> BundleCard:
    (made / CARD_FILE).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return card
