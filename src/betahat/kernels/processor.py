"""What the processor offers, as numba will compile for it, and the tile that fits its registers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final


@final
@dataclass(frozen=True, slots=True)
class Tile:
    """A register tile of `rows` × (`vectors` · `lanes`) sums; `lanes` doubles, or twice as many floats, a register."""

    name: str
    rows: int
    vectors: int
    lanes: int
    fused: bool

    @property
    def width(self) -> int:
        return self.vectors * self.lanes


# rows · vectors + vectors + 1 registers: 28 of 32 on AVX-512, 16 of 16 on AVX2, fewer elsewhere.
# rows divides lanes, so that a group of rows never straddles two panels.
_AVX512 = Tile("AVX-512", 8, 3, 8, True)
_AVX2 = Tile("AVX2", 4, 3, 4, True)
_AVX = Tile("AVX without FMA", 4, 2, 4, False)
_NEON = Tile("NEON", 2, 4, 2, True)
_SSE2 = Tile("128-bit vectors without FMA", 2, 4, 2, False)


def _target_features() -> tuple[str, str, frozenset[str]]:
    """Architecture, processor name and features that numba compiles for (its NUMBA_CPU_* settings included)."""
    from numba.core.registry import cpu_target

    context: Any = cpu_target.target_context
    triple, name, features = context.codegen().magic_tuple()[:3]
    present = frozenset(f[1:] for f in str(features).split(",") if f.startswith("+"))
    return str(triple).split("-")[0], str(name), present


def choose_tile(architecture: str, features: frozenset[str]) -> Tile:
    """The tile for a processor given by LLVM's names; unknown processors get one that compiles everywhere."""
    if architecture in ("aarch64", "arm64"):
        return _NEON
    if {"avx512f", "avx512vl", "avx512dq"} <= features:
        return _AVX512
    if {"avx2", "fma"} <= features:
        return _AVX2
    if "avx" in features:
        return _AVX
    return _SSE2


@lru_cache(maxsize=1)
def tile_shape() -> Tile:
    """The tile for this process."""
    architecture, _, features = _target_features()
    return choose_tile(architecture, features)


@lru_cache(maxsize=1)
def processor_name() -> str:
    """The name LLVM gives the processor, such as 'znver5'."""
    return _target_features()[1]


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
