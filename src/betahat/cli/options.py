"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A CSV, Parquet or JSON file, a pattern ('part-*.parquet'), file.duckdb::table, or SQL text; "
        "for images a folder of them.",
        show_default=False,
    ),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A file that save() or --out wrote.", show_default=False)
]
Level = Annotated[float, typer.Option(help="Level of the confidence intervals.")]
Table = Annotated[
    str | None, typer.Option(metavar="NAME", help="The table of a .duckdb file.", show_default=False)
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory-limit", metavar="SIZE", help="Memory for DuckDB, such as 1GB.", show_default=False
    ),
]
Frequency = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column that says how many equal rows each row stands for.")
]
Groups = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B", help="One or two columns with the labels of clusters, for --cov cluster."),
]
Offset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column that is added to the linear predictor.", show_default=False),
]
Exposure = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Column of times or populations at risk, which multiply the mean of counts.",
        show_default=False,
    ),
]
Lags = Annotated[int | None, typer.Option(help="Lags of --cov HAC.", show_default=False)]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of text; undefined is null.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Size = Annotated[
    str | None,
    typer.Option(metavar="N", help="Images: resize each to N × N, or height,width.", show_default=False),
]
Architecture = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Images: lenet, vgg-small or resnet-9; else two convolutions.",
        show_default=False,
    ),
]
Augment = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Images: change them at random in training: shift, flip, rotate, scale, crop, brightness, cutout, "
        "mixup, fill, such as shift=2,flip=true,rotate=10.",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(metavar="N", help="Images: readings of all, 20 where not given.", show_default=False),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Images: of random numbers.", show_default=False)]
