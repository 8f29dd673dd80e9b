"""The benchmark from end to end: a table, a file of results, and no mercy for a plan that does not hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadtests import processes
from loadtests.bench import main
from loadtests.errors import BenchFailed
from loadtests.processes import run_job, tree_mb

ROOT = Path(__file__).parents[2]
SPOILT = (sys.executable, "-m", "tests.loadtests.spoilt_jobs")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run the benchmark on a small city, with the whole command and two peers."""
    out = tmp_path_factory.mktemp("bench") / "new" / "bench.json"
    command = [sys.executable, "-m", "loadtests.bench", "--demands", "300", "--seeds", "1", "--regimes", "few_patterns"]
    command += ["--peers", "flow", "SCIP", "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False), out


def test_a_run_prints_its_tables_and_tells_what_it_is_doing(
    measured: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = measured
    assert done.returncode == 0, done.stderr
    titles, ours = (line.split() for line in done.stdout.splitlines()[:2])
    assert titles[0] == "city"
    assert ours[:3] == ["few_patterns", "300", "1"]
    assert "own bound above ours" in done.stdout
    assert "few_patterns, 300 demands, seed 1: SCIP" in done.stderr


def test_results_say_time_work_memory_gap_machine_and_versions(
    measured: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, out = measured
    result = json.loads(out.read_text("utf-8"))
    [record] = result["records"]
    assert result["machine"]["cores"] == os.cpu_count()
    assert {"baytide", "ortools", "numba", "numpy"} <= result["versions"].keys()
    ours, whole = record["ours"], record["whole"]
    assert ours["status"] == "optimal"
    assert (ours["value_m"], ours["served"]) == (whole["value_m"], whole["served"])
    assert ours["sweeps"] == pytest.approx(ours["seconds"] / record["shape"]["sweep_s"], rel=0.1, abs=1)
    assert whole["seconds"] > ours["seconds"]
    assert 50 < ours["peak_mb"] < 5000
    assert whole["largest_process_mb"] > 50
    assert record["peers"]["flow"]["value_m"] == ours["value_m"]
    assert record["peers"]["SCIP"]["reached"]
    assert record["peers"]["flow"]["behind_m"] == 0


def test_adding_to_results_leaves_out_what_they_have(
    measured: tuple[subprocess.CompletedProcess[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = measured
    before = json.loads(out.read_text("utf-8"))["records"]
    arguments = ["--demands", "300", "--seeds", "1", "--regimes", "few_patterns", "--add", "--json", "--out", str(out)]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["records"] == before


def test_a_file_that_holds_no_results_is_not_added_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.json").write_text("[]", encoding="utf-8")
    assert main(["--demands", "10", "--add", "--out", str(tmp_path / "notes.json")]) == 2
    assert "holds no results of the benchmark" in capsys.readouterr().err
    assert (tmp_path / "notes.json").read_text("utf-8") == "[]"


def test_a_wrong_plan_fails_the_benchmark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "COMMAND", SPOILT)
    arguments = ["--demands", "60", "--seeds", "1", "--no-whole", "--out", str(tmp_path / "bench.json")]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "the plan of ours does not hold: group 0 has" in said
    assert not (tmp_path / "bench.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--demands", "0"], "demands is 0, expected 1 to 10,000,000"),
        (["--demands", "10", "-5"], "demands is -5"),
        (["--seeds", "0"], "--seeds is 0, expected 1 or more"),
        (["--peers", "--peer-times", "0"], "--peer-times is 0.0, expected more than 0"),
        (["--folders", "nowhere"], "is not a neighbourhood folder: it has no neighbourhood.toml"),
        (["--out", "."], ". is a folder; name a file"),
    ],
)
def test_nonsense_is_refused_in_words_before_anything_runs(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--regimes", "flat"], ["--peers", "abacus"], ["--demands", "many"], ["--edits", "x"]]
)
def test_a_word_that_is_none_of_the_choices_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_job_beyond_its_limit_is_ended_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", sleeps))
    begin = time.monotonic()
    end = run_job({"kind": "sleep"}, limit_s=0.5)
    assert end.answer is None
    assert time.monotonic() - begin < 10
    assert end.samples


def test_a_job_that_dies_fails_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "raise SystemExit('out of luck')"))
    with pytest.raises(BenchFailed, match=r"solve ended with exit status 1:\nout of luck"):
        run_job({"kind": "solve"})


def test_memory_counts_the_whole_process_tree() -> None:
    holds = "import sys, time; held = bytearray(200 * 2**20); print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {holds!r}])"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert 200 < tree_mb(process.pid) < 300
        finally:
            os.killpg(process.pid, 9)


def test_no_package_that_is_shipped_imports_the_benchmark() -> None:
    imports = re.compile(r"^\s*(from|import) (loadtests|tests)\b", re.MULTILINE)
    shipped = [file for package in ("allocator", "api", "geo") for file in (ROOT / package).rglob("*.py")]
    own = [file for file in shipped if "node_modules" not in file.parts]
    assert len(own) > 50
    assert [file.name for file in own if imports.search(file.read_text("utf-8"))] == []
