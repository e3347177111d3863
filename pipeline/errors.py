"""The errors of the pipeline.

BeamscopeError                  every error a person is meant to read
└── PipelineError               a build, or a part of one, cannot go on
    ├── ProjectFileError        a project file is missing or wrong; the message has the file and the key
    ├── CorpusError             a corpus file is missing or broken; the message has the file and the line
    ├── CheckpointError         a checkpoint folder is missing, incomplete or damaged
    ├── AdapterError            no adapter of that name, or none that can read the checkpoint
    ├── ExportError             the checkpoint's modules could not be turned into graphs
    ├── ParityError             the exported graphs do not compute what the checkpoint computes; nothing is published
    ├── QuantizationError       a quantized twin agrees too little with its model; nothing is published
    ├── BuildError              a build cannot start or go on (another one runs, too little space)
    └── ScheduleError           a schedule cannot be served
"""

from __future__ import annotations

from exported_models.contract.errors import BeamscopeError


class PipelineError(BeamscopeError):
    """A build, or a part of one, cannot go on."""


class ProjectFileError(PipelineError):
    """A project file is missing or wrong; the message has the file and the key."""


class CorpusError(PipelineError):
    """A corpus file is missing or broken; the message has the file and the line."""


class CheckpointError(PipelineError):
    """A checkpoint folder is missing, incomplete or damaged."""


class AdapterError(PipelineError):
    """No adapter has that name, or none can read the checkpoint."""


class ExportError(PipelineError):
    """The checkpoint's modules could not be turned into graphs."""


class ParityError(PipelineError):
    """The exported graphs do not compute what the checkpoint computes; nothing was published."""


class QuantizationError(PipelineError):
    """A quantized twin agrees too little with the model it was made from; nothing was published."""


class BuildError(PipelineError):
    """A build cannot start or go on."""


class ScheduleError(PipelineError):
    """A schedule cannot be served."""
