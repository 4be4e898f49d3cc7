"""The commands and their options; what they do stands in the other files of this folder."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from betahat.cli.options import (
    Architecture,
    Augment,
    Data,
    Debug,
    Epochs,
    Exposure,
    Frequency,
    Groups,
    Json,
    Lags,
    Level,
    Memory,
    Model,
    Offset,
    Seed,
    Size,
    Table,
)

app = typer.Typer(
    name="betahat",
    help="β̂ with proof: exact, certified regressions on files, databases and SQL of any size.",
    epilog="Exit codes: 0 done, 1 the fit is not certified as a minimum, 2 wrong usage or data, 130 Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import betahat

        typer.echo(f"betahat {betahat.__version__}")
        raise typer.Exit


@app.callback()
def _betahat(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("fit")
def fit(
    data: Data,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-y", metavar="NAME", help="The column to predict (or several: a,b)."),
    ] = None,
    formula: Annotated[
        str | None,
        typer.Option(
            "--formula", "-f", metavar="TEXT", help='Instead of --target: "y ~ x + C(kind)", as in R.'
        ),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="The columns of X (all others where not given).")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="linear, logistic, poisson, gamma, tweedie, binomial (proportions), negative_binomial, "
            "inverse_gaussian or gaussian. Guessed from the target where not given. convnet for a folder of images.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column with importance weights; of proportions, the trials."),
    ] = None,
    frequency: Frequency = None,
    groups: Groups = None,
    offset: Offset = None,
    exposure: Exposure = None,
    link: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the mean, where not the family's own: log, probit, sqrt, ..."),
    ] = None,
    power: Annotated[
        float | None,
        typer.Option(help="p of tweedie's variance φ μᵖ, 1.5 where not given.", show_default=False),
    ] = None,
    firth: Annotated[
        bool, typer.Option("--firth", help="Logistic: reduce the bias, and stay finite if separated.")
    ] = False,
    separation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Where columns separate the classes, so that no maximum exists: warn (as if not given) or error.",
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Ridge penalty α/2 ‖β‖² on the mean loss.")] = 0.0,
    cov: Annotated[
        str,
        typer.Option(metavar="NAME", help="Standard errors: nonrobust, HC0, HC1, HC2, HC3, cluster or HAC."),
    ] = "nonrobust",
    lags: Lags = None,
    collinear: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Where columns are combinations of others: minimum_norm, drop or error."
        ),
    ] = "minimum_norm",
    intercept: Annotated[
        bool, typer.Option("--intercept/--no-intercept", help="Whether there is a β₀.")
    ] = True,
    missing: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Rows with missing values: drop, error, or mean (fill numbers with it)."
        ),
    ] = "drop",
    size: Size = None,
    architecture: Architecture = None,
    augment: Augment = None,
    epochs: Epochs = None,
    seed: Seed = None,
    table: Table = None,
    memory_limit: Memory = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Save the fitted model to this file.")
    ] = None,
    level: Level = 0.95,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit a linear, logistic or other generalized linear model, and print its summary and certificate; or a
    convolutional network to a folder of images by class.

    The data are read in blocks, so they may be larger than memory. Text columns are coded as categories.

    Example: betahat fit flights.parquet --formula "arr_delay ~ dep_delay + C(carrier)" --cov HC3 --out delays

    Example: betahat fit patients.csv --target died --model logistic --columns age,ward

    Example: betahat fit images/ --model convnet --size 32 --out cats-and-dogs
    """
    from betahat.cli.output import reporting

    with reporting(debug, as_json) as report:
        from betahat.cli.fitting import fit_command, names_in
        from betahat.cli.images import fit_images, is_images, refuse_image_options

        network = {"architecture": architecture, "augment": augment, "epochs": epochs, "seed": seed}
        if is_images(data, model):
            tables = {
                "target": target, "formula": formula, "columns": columns, "weights": weights, "frequency": frequency,
                "groups": groups, "offset": offset, "exposure": exposure, "link": link, "power": power, "firth": firth,
                "table": table, "alpha": alpha, "no-intercept": not intercept,
            }  # fmt: skip
            raise typer.Exit(fit_images(report, data, out, tables, size, network))
        refuse_image_options({"size": size, **network})
        code = fit_command(
            report,
            data,
            name=model,
            formula=formula,
            roles={
                "target": names_in(target),
                "columns": names_in(columns),
                "weights": weights,
                "frequency": frequency,
                "groups": names_in(groups),
                "offset": offset,
                "exposure": exposure,
            },
            options={"table": table, "memory_limit": memory_limit},
            parameters={
                "alpha": alpha,
                "fit_intercept": intercept,
                "cov_type": cov,
                "maxlags": lags,
                "collinear": collinear,
                "missing": missing,
            },
            special={"link": link, "power": power, "firth": firth or None, "separation": separation},
            out=out,
            level=level,
        )
    raise typer.Exit(code)


@app.command("curve")
def curve(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="As for fit.", show_default=False)
    ] = None,
    x: Annotated[
        list[str] | None,
        typer.Option("--x", "-x", metavar="NAME", help="The column of the curve (or several: a,b)."),
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", "--target", "-y", metavar="NAME", help="The column to predict.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="TEXT",
            help='An expression of columns and parameters, "a*exp(-b*x)+c" (x is the column where there is one; '
            "`odd names` in backquotes), or the name of a curve.",
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the named curves, and do no more.")] = False,
    start: Annotated[
        list[str] | None,
        typer.Option(
            "--start",
            "-s",
            metavar="A=1,B=0.1",
            help="Where to begin; several times for several starts. Searched where not given.",
        ),
    ] = None,
    bounds: Annotated[
        list[str] | None,
        typer.Option("--bounds", "-b", metavar="B=LOW:HIGH", help="Bounds of parameters: b=0:,c=-1:10,d=:5."),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="squared_error; or huber, pseudo_huber or cauchy, with the residual at which they turn: huber:2.5.",
        ),
    ] = "squared_error",
    weights: Annotated[
        str | None,
        typer.Option("--weights", "--weight", metavar="NAME", help="Column with importance weights, 1/σ²."),
    ] = None,
    frequency: Frequency = None,
    groups: Groups = None,
    cov: Annotated[
        str,
        typer.Option(
            "--cov",
            "--cov-type",
            metavar="NAME",
            help="Standard errors: nonrobust, HC0, HC1, HC2, HC3, cluster or HAC.",
        ),
    ] = "nonrobust",
    lags: Lags = None,
    max_iter: Annotated[
        int | None, typer.Option(help="Iterations of one descent, at most.", show_default=False)
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Add intervals by profile, which do not linearise the model.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw to this .png, .svg or .pdf, not DATA-curve.png here.",
            show_default=False,
        ),
    ] = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw nothing.")] = False,
    feature: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With several columns: the one to draw the curve along."),
    ] = None,
    missing: Annotated[
        str, typer.Option(metavar="NAME", help="Rows with missing values: drop or error.")
    ] = "drop",
    table: Table = None,
    memory_limit: Memory = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--save", "-o", metavar="FILE", help="Save the fitted model to this file."),
    ] = None,
    level: Level = 0.95,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit a curve, print its parameters with their intervals, and draw it.

    Example: betahat curve decay.csv --x t --y counts --model "a*exp(-b*t)+c"
    """  # fmt: skip
    from betahat.cli.output import reporting

    with reporting(debug, as_json) as report:
        from betahat.cli.curve import curve_command, curves_command
        from betahat.cli.curve_options import bounds_in, loss_in, starts_in
        from betahat.cli.fitting import names_in

        if listed:
            curves_command(report)
            raise typer.Exit
        if no_plot and plot is not None:
            raise ValueError("--plot and --no-plot contradict each other; give one")
        code = curve_command(
            report,
            data,
            roles={
                "target": y, "columns": names_in(x), "weights": weights, "frequency": frequency,
                "groups": names_in(groups),
            },
            options={"table": table, "memory_limit": memory_limit},
            parameters={
                "f": model, "start": starts_in(start), "bounds": bounds_in(bounds), "loss": loss_in(loss),
                "cov_type": cov, "maxlags": lags, "max_iter": max_iter,
            },
            missing=missing, profile=profile, picture=False if no_plot else None, plot=plot, feature=feature, out=out,
            level=level,
        )  # fmt: skip
    raise typer.Exit(code)


@app.command("predict")
def predict(
    model: Model,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The .parquet or .csv file to write: all columns and predictions; of images a .csv, or printed.",
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            help="Add intervals of this level, such as 0.95: of new observations, or where the model has a link, of "
            "means and probabilities.",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B", help="For a model fitted on an array: its columns, in order."),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            help="Name of the new column; intervals get _low and _high behind it, probabilities the class."
        ),
    ] = "prediction",
    offset: Offset = None,
    exposure: Exposure = None,
    table: Table = None,
    memory_limit: Memory = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict for every row of a file or query, in blocks, or for an image or a folder of them; the output is replaced
    only when complete."""
    from betahat.cli.output import reporting

    with reporting(debug, as_json) as report:
        from betahat.cli.fitting import names_in
        from betahat.cli.predicting import predict_command

        predict_command(
            report,
            model,
            data,
            out,
            interval=interval,
            columns=names_in(columns),
            name=name,
            options={"table": table, "memory_limit": memory_limit, "offset": offset, "exposure": exposure},
        )


@app.command("show")
def show(
    model: Model,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which equation was solved, how, and why.")
    ] = False,
    level: Level = 0.95,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Print the summary and certificate of a saved model."""
    from betahat.cli.output import reporting

    with reporting(debug, as_json) as report:
        from betahat.cli.showing import show_command

        show_command(report, model, explain=explain, level=level)


@app.command("warmup")
def warmup(as_json: Json = False, debug: Debug = False) -> None:
    """Compile all kernels for this processor now, so that no later fit waits for the compiler."""
    from betahat.cli.output import reporting

    with reporting(debug, as_json) as report:
        from betahat.cli.warmup import warmup_command

        warmup_command(report)


@app.command("demo")
def demo(debug: Debug = False) -> None:
    """Fit real tables, with summaries, certificates, and what other tools give for the same data."""
    from betahat.cli.output import reporting

    with reporting(debug) as report:
        from betahat.cli.demo import demo_command

        demo_command(report)


@app.command("versions")
def versions(as_json: Json = False, debug: Debug = False) -> None:
    """Print versions, processor, threads and the cache of kernels, for reports of bugs."""
    from betahat.cli.output import reporting

    with reporting(debug, as_json) as report:
        from betahat.report.versions import show_versions
        from betahat.report.versions import versions as found

        if as_json:
            report.result(found())
        else:
            show_versions()


def run() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # β̂ must not end a command where the encoding lacks it
            stream.reconfigure(errors="replace")
    app()
