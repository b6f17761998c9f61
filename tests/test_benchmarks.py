"""The benchmark runner: a missed limit fails `make bench` and is shown on the page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`benchmarks/run.py` with one fake benchmark."""
    spec = importlib.util.spec_from_file_location("bench_run", ROOT / "benchmarks" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    monkeypatch.setattr(run, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "BENCHMARKS", ("bench_made_up",))
    return run


@pytest.mark.parametrize(("second", "code"), [(True, 0), (False, 1)])
def test_a_missed_limit_fails_the_run_and_is_shown(
    bench: ModuleType, tmp_path: Path, second: bool, code: int
) -> None:
    rows = [("one", "0.9 ×", "≤ 1 ×", True), ("another", "2 ×", "≤ 1 ×", second)]
    (tmp_path / "bench_made_up.py").write_text(f"def main():\n    return {rows}\n")
    assert bench.main() == code
    page = (tmp_path / "performance.md").read_text()
    assert "| one | 0.9 × | ≤ 1 × | ✓ |" in page
    assert f"| another | 2 × | ≤ 1 × | {'✓' if second else '✗'} |" in page


def test_the_run_includes_every_benchmark() -> None:
    text = (ROOT / "benchmarks" / "run.py").read_text()
    for path in (ROOT / "benchmarks").glob("bench_*.py"):
        assert f'"{path.stem}"' in text, f"{path.name} is not run"
