"""Tables, files and formulas become blocks of numbers here, and how they did is kept in a Design.

Nothing here knows a model, a loss or a solver; heavy libraries are imported only once a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from betahat.names import find

if TYPE_CHECKING:
    from betahat.data.augmentation import Augmentation
    from betahat.data.beside import read_offset
    from betahat.data.design import Column, Design, design_from_dict
    from betahat.data.formula import FormulaDesign
    from betahat.data.groups import group_codes
    from betahat.data.image_folder import ImageFolder, images
    from betahat.data.inputs import read_formula, read_inputs
    from betahat.data.labels import read_labels
    from betahat.data.offset import Offset
    from betahat.data.predict import iter_design_blocks, write_predictions
    from betahat.data.queries import query
    from betahat.data.query_source import QuerySource
    from betahat.data.source import ArraySource, Block, Source
    from betahat.data.table import TableDesign, learn_table

__all__ = [
    "ArraySource",
    "Augmentation",
    "Block",
    "Column",
    "Design",
    "FormulaDesign",
    "ImageFolder",
    "Offset",
    "QuerySource",
    "Source",
    "TableDesign",
    "design_from_dict",
    "group_codes",
    "images",
    "iter_design_blocks",
    "learn_table",
    "query",
    "read_formula",
    "read_inputs",
    "read_labels",
    "read_offset",
    "write_predictions",
]

_WHERE = {
    "Augmentation": "augmentation",
    **dict.fromkeys(("ArraySource", "Block", "Source"), "source"),
    **dict.fromkeys(("Column", "Design", "design_from_dict"), "design"),
    **dict.fromkeys(("TableDesign", "learn_table"), "table"),
    **dict.fromkeys(("read_inputs", "read_formula"), "inputs"),
    "query": "queries",
    "QuerySource": "query_source",
    **dict.fromkeys(("iter_design_blocks", "write_predictions"), "predict"),
    "FormulaDesign": "formula",
    "Offset": "offset",
    "group_codes": "groups",
    **dict.fromkeys(("ImageFolder", "images"), "image_folder"),
    "read_labels": "labels",
    "read_offset": "beside",
}


def __getattr__(name: str) -> Any:
    return find(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
