"""Other processors than this one: which tile they get, and that results hold on those numba can pretend to be."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from betahat.kernels.processor import choose_tile

CASES = {
    ("x86_64", frozenset({"avx512f", "avx512vl", "avx512dq", "avx2", "fma", "avx"})): ("AVX-512", 8, True),
    ("x86_64", frozenset({"avx2", "fma", "avx"})): ("AVX2", 4, True),
    ("x86_64", frozenset({"avx"})): ("AVX without FMA", 4, False),
    ("x86_64", frozenset({"sse2"})): ("128-bit vectors without FMA", 2, False),
    ("x86_64", frozenset({"avx2"})): ("128-bit vectors without FMA", 2, False),
    ("aarch64", frozenset({"neon"})): ("NEON", 2, True),
    ("riscv64", frozenset()): ("128-bit vectors without FMA", 2, False),
}


@pytest.mark.parametrize(
    ("architecture", "features"), CASES, ids=lambda v: v if isinstance(v, str) else "+".join(sorted(v))
)
def test_tile_fits_the_registers(architecture, features):
    tile = choose_tile(architecture, features)
    assert (tile.name, tile.lanes, tile.fused) == CASES[architecture, features]
    assert tile.lanes % tile.rows == 0
    registers = 32 if tile.name in ("AVX-512", "NEON") else 16
    assert tile.rows * tile.vectors + tile.vectors + 1 <= registers


SCRIPT = Path(__file__).with_name("pretend.py")
PROCESSORS = {
    "no AVX-512": ("haswell", "+sse2,+sse4.2,+avx,+avx2,+fma,-avx512f", "AVX2"),
    "no AVX2": ("sandybridge", "+sse2,+sse4.2,+avx,-avx2,-fma,-avx512f", "AVX without FMA"),
    "SSE2 alone": ("x86-64", "+sse2,-avx,-avx2,-fma,-avx512f", "128-bit vectors without FMA"),
}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="pretends to be x86-64 processors")
@pytest.mark.parametrize("kind", PROCESSORS)
def test_results_hold_on_lesser_processors(kind, tmp_path):
    name, features, tile = PROCESSORS[kind]
    env = {
        **os.environ,
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "BETAHAT_CACHE_DIR": str(tmp_path),
    }
    run = subprocess.run([sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [tile, "right"]
