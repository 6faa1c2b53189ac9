"""A trained model as a folder of plain files: tensors (safetensors), LightGBM texts and JSON. Nothing in it is ever executed.

    model.json            format, version, config, names, blends, the sha256 of every other file
    tensors.safetensors   network weights, scalings, fused bases, attribute heads
    boosters/*.txt        one LightGBM model text each

The version is a hash of the contents: the same data and seed give the same version.
"""

import hashlib
import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import safetensors.numpy
import torch

from portrait_assets.errors import PortraitError
from portrait_assets.kernels.attributes import AttributeHead
from portrait_assets.kernels.behaviour_model import BehaviourModel, Shape
from portrait_assets.kernels.calibration import Blend
from portrait_assets.kernels.checkpoints import part
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.curve import Curve, Step
from portrait_assets.kernels.evaluation import Calibration
from portrait_assets.kernels.fusion import BlockFit, Fusion
from portrait_assets.kernels.hierarchy import Link
from portrait_assets.kernels.lifetime import AmountModel, Lifetime, PurchaseModel
from portrait_assets.kernels.linear import Linear
from portrait_assets.kernels.outlook import Head, Outlook
from portrait_assets.kernels.parts import Parts
from portrait_assets.kernels.ranking.network import Network
from portrait_assets.kernels.ranking.ranker import Ranker, RankerConfig
from portrait_assets.kernels.rhythm import Rhythm
from portrait_assets.kernels.selection import OUTCOME_SCHEMA, Selection
from portrait_assets.kernels.trained import TrainedModel

FORMAT = "portrait-behaviour-model/8"
LIFETIME = {"purchases": PurchaseModel, "amounts": AmountModel}
TENSORS = "tensors.safetensors"
STAGES = ("served", "rehearsal")
WAYS = ("inward", "outward")
BOOSTER = re.compile(r"boosters/\w+(\.\w+)+\.txt")
BOOSTER_BEGINS = b"tree\n"


def version_of(model: TrainedModel) -> str:
    """Content hash, 16 hex digits."""
    return hash_of(contents(model))


def save(model: TrainedModel, folder: Path) -> str:
    """Write the folder (made if need be, emptied of an older model's boosters) and return the version."""
    files = contents(model)
    (folder / "boosters").mkdir(parents=True, exist_ok=True)
    for old in (folder / "boosters").glob("*.txt"):
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return hash_of(files)


def load(folder: Path) -> tuple[TrainedModel, str]:
    """The model and its version. PortraitError where the folder is no model, or a file is not what was written."""
    path = folder / "model.json"
    try:
        card = json.loads(path.read_bytes())
        if not isinstance(card, dict) or card.get("format") != FORMAT:
            raise PortraitError(
                f"{path}: not a {FORMAT} model; train one, or read it with the version of Portrait that wrote it"
            )
        for name in card["sha256"]:
            if name != TENSORS and not BOOSTER.fullmatch(name):
                raise PortraitError(
                    f"{path}: names '{name}', which is not a file of a model; restore the folder or train again"
                )
        files = {name: (folder / name).read_bytes() for name in card["sha256"]}
        for name, data in files.items():
            if hashlib.sha256(data).hexdigest() != card["sha256"][name]:
                raise PortraitError(
                    f"{folder / name}: not the bytes that were written (sha256 differs); restore the file or train again"
                )
            if name != TENSORS and not data.startswith(BOOSTER_BEGINS):
                raise PortraitError(f"{folder / name}: not a LightGBM model text; restore the file or train again")
        if broken := broken_file(files | {"model.json": path.read_bytes()}):
            raise PortraitError(f"{folder}: {broken}, so its scores are none either; train again")
        model = assemble(card, files)
    except PortraitError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, safetensors.SafetensorError) as error:
        raise PortraitError(
            f"{folder}: not a readable behaviour model ({type(error).__name__}: {error}); train again"
        ) from error
    return model, hash_of(files | {"model.json": path.read_bytes()})


def not_finite(model: TrainedModel) -> str | None:
    """Where a model holds what is not a number, for a person; None where it does not."""
    return broken_file(contents(model))


def broken_file(files: dict[str, bytes]) -> str | None:
    """The first place in a model's files that holds a number which is not finite, for a person."""
    for name, tensor in sorted(safetensors.numpy.load(files[TENSORS]).items()):
        if np.issubdtype(tensor.dtype, np.floating) and not np.isfinite(tensor).all():
            return f"{name} holds what is not a number"
    constants: list[str] = []  # NaN and the infinities, which JSON as such does not have
    json.loads(files["model.json"], parse_constant=constants.append)
    if constants:
        return "model.json holds what is not a number"
    for name, data in sorted(files.items()):
        if name.endswith(".txt") and re.search(rb"^leaf_value=.*(nan|inf)", data, re.MULTILINE):
            return f"{name} holds what is not a number"
    return None


def hash_of(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:16]


def contents(model: TrainedModel) -> dict[str, bytes]:
    """Relative name -> bytes, all of the model."""
    tensors: dict[str, np.ndarray] = {}
    files: dict[str, bytes] = {}
    card: dict = {
        "format": FORMAT,
        "trained_through": model.trained_through.isoformat(),
        "config": model.config.as_dict(),
        "vector_targets": model.vector_targets,
        "outlook": {name: {**vars(h), "booster": h.booster is not None} for name, h in model.outlook.heads.items()},
        "curve": {"near": model.outlook.curve.near},
        "rhythm": None if model.rhythm is None else vars(model.rhythm),
        "calibration": {
            "blends": {name: vars(blend) for name, blend in model.calibration.blends.items()},
            "links": {level: vars(link) for level, link in model.calibration.links.items()},
            "has_churn": model.calibration.has_churn,
        },
        "examples": model.examples,
        "not_predicted": model.not_predicted,
        "blocks": list(model.fusion.blocks),
        "attributes": {},
        "ranker": None,
    }
    for stage in STAGES:
        card[stage] = disassemble_parts(getattr(model, stage), stage, tensors, files)
    heads = model.outlook.heads.items()
    files |= {f"boosters/outlook.{name}.txt": head.booster.encode() for name, head in heads if head.booster is not None}
    for way in WAYS:
        steps: tuple[Step, ...] = getattr(model.outlook.curve, way)
        card["curve"][way] = [{"day": step.day, "blend": vars(step.blend)} for step in steps]
        files |= {f"boosters/curve.{step.day}.txt": step.booster.encode() for step in steps}
    if model.ranker is not None:
        card["ranker"] = {**vars(model.ranker), "config": vars(model.ranker.config)} | dict.fromkeys(
            ("chance", "order", "network")
        )
        for kind in ("chance", "order"):
            files |= {f"boosters/ranker.{kind}.{k}.txt": text.encode() for k, text in enumerate(getattr(model.ranker, kind))}
        for k, network in enumerate(model.ranker.network):
            tensors |= {f"ranker.{k}.{name}": value for name, value in network.tensors.items()}
    for name, block in model.fusion.blocks.items():
        tensors |= {f"fusion.{name}.{key}": value for key, value in vars(block).items()}
    for name, head in model.attribute_heads.items():
        card["attributes"][name] = {"classes": list(head.classes), "temperature": head.temperature}
        tensors |= {f"attribute.{name}.weight": head.linear.weight, f"attribute.{name}.bias": head.linear.bias}
    tensors["segments.centres"] = model.centres
    files[TENSORS] = safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())})
    card["sha256"] = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    files["model.json"] = json.dumps(card, indent=1, sort_keys=True, ensure_ascii=False).encode()
    return files


def disassemble_parts(parts: Parts, stage: str, tensors: dict[str, np.ndarray], files: dict[str, bytes]) -> dict:
    """The JSON of one stage; its tensors and booster texts go into `tensors` and `files`."""
    tensors |= {f"{stage}.network.{name}": value.numpy() for name, value in parts.network.state_dict().items()}
    tensors |= {f"{stage}.selection.mean": parts.selection.mean, f"{stage}.selection.deviation": parts.selection.deviation}
    for name, text in (parts.user_boosters | parts.pair_boosters).items():
        if text is not None:
            files[f"boosters/{stage}.{name}.txt"] = text.encode()
    return {
        "columns": list(parts.selection.columns),
        "lifetime": {name: None if part is None else vars(part) for name, part in vars(parts.lifetime).items()},
        "outcome": parts.selection.outcome.rows(),
        "vocabulary": parts.vocabulary,
        "targets": parts.targets,
        "shape": vars(parts.shape),
        "user_boosters": list(parts.user_boosters),
        "pair_boosters": list(parts.pair_boosters),
    }


def assemble(card: dict, files: dict[str, bytes]) -> TrainedModel:
    """The inverse of `contents`."""
    tensors = safetensors.numpy.load(files[TENSORS])
    config = BehaviourConfig.of(card["config"])
    served, rehearsal = (assemble_parts(card[stage], stage, tensors, files, config) for stage in STAGES)
    blocks = {
        name: BlockFit(*(tensors[f"fusion.{name}.{key}"] for key in ("mean", "shared", "basis"))) for name in card["blocks"]
    }
    heads = {
        name: AttributeHead(
            tuple(told["classes"]),
            Linear(tensors[f"attribute.{name}.weight"], tensors[f"attribute.{name}.bias"]),
            told["temperature"],
        )
        for name, told in card["attributes"].items()
    }
    outlook = {}
    for name, told in card["outlook"].items():
        outlook[name] = Head(**told | {"booster": files[f"boosters/outlook.{name}.txt"].decode() if told["booster"] else None})
    steps = {
        way: tuple(
            Step(told["day"], files[f"boosters/curve.{told['day']}.txt"].decode(), Blend(**told["blend"]))
            for told in card["curve"][way]
        )
        for way in WAYS
    }
    told = card["calibration"]
    calibration = Calibration(
        {name: Blend(**blend) for name, blend in told["blends"].items()},
        {level: Link(**link) for level, link in told["links"].items()},
        told["has_churn"],
    )
    ranker = None
    if card["ranker"] is not None:
        told = {name: tuple(value) if isinstance(value, list) else value for name, value in card["ranker"].items()}
        ranker_config = RankerConfig(**told["config"])
        seeds = range(ranker_config.seeds)
        parts = {kind: tuple(files[f"boosters/ranker.{kind}.{k}.txt"].decode() for k in seeds) for kind in ("chance", "order")}
        networks = tuple(Network(part(tensors, f"ranker.{k}.")) for k in seeds)
        ranker = Ranker(**(told | parts | {"config": ranker_config, "network": networks}))
    return TrainedModel(
        config,
        date.fromisoformat(card["trained_through"]),
        served,
        rehearsal,
        calibration,
        card["examples"],
        card["vector_targets"],
        Fusion(blocks),
        heads,
        Outlook(Curve(card["curve"]["near"], **steps), outlook),
        None if card["rhythm"] is None else Rhythm(**card["rhythm"]),
        card["not_predicted"],
        tensors["segments.centres"],
        ranker,
    )


def assemble_parts(
    told: dict, stage: str, tensors: dict[str, np.ndarray], files: dict[str, bytes], config: BehaviourConfig
) -> Parts:
    """The inverse of `disassemble_parts`."""
    shape = Shape(**told["shape"])
    network = BehaviourModel(shape, config)
    weights = part(tensors, f"{stage}.network.")
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    outcome = pl.DataFrame(told["outcome"], schema=OUTCOME_SCHEMA, orient="row")
    selection = Selection(
        tuple(told["columns"]), tensors[f"{stage}.selection.mean"], tensors[f"{stage}.selection.deviation"], outcome
    )

    def boosters(names: list[str]) -> dict[str, str | None]:
        texts = {name: files.get(f"boosters/{stage}.{name}.txt") for name in names}
        return {name: None if text is None else text.decode() for name, text in texts.items()}

    return Parts(
        selection,
        Lifetime(**{name: told["lifetime"][name] and kind(**told["lifetime"][name]) for name, kind in LIFETIME.items()}),
        boosters(told["user_boosters"]),
        boosters(told["pair_boosters"]),
        network.eval(),
        shape,
        told["vocabulary"],
        told["targets"],
    )
