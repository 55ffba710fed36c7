"""The workflows and templates under .github are understood, safe, and run only what can be run here."""

import shutil

import pytest
import workflows
from project import ROOT

PINNED = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2"
CREDENTIALS = "        with:\n          persist-credentials: false\n"
COLAB = "make test-colab"


def test_nothing_is_wrong():
    found = workflows.faults()
    assert found == [], "\n".join(found)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    for name in ("Makefile", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def change(copy, file, before, after):
    path = copy / ".github" / file
    text = path.read_text(encoding="utf8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf8")


@pytest.mark.parametrize(
    ("check", "file", "before", "after", "said"),
    [
        (workflows.safety_faults, "workflows/test.yml", PINNED, "actions/checkout@v6", "unpinned-uses"),
        (workflows.safety_faults, "workflows/test.yml", CREDENTIALS, "", "artipacked"),
        (workflows.safety_faults, "workflows/test.yml", "permissions: {}", "permissions: write-all", "excessive-perm"),
        (workflows.safety_faults, "workflows/test.yml", "pull_request:", "pull_request_target:", "dangerous-triggers"),
        (workflows.safety_faults, "workflows/weekly.yml", COLAB, "echo ${{ github.head_ref }}", "template-injection"),
        (workflows.safety_faults, "workflows/weekly.yml", "concurrency:", "env:", "concurrency"),
        (workflows.target_faults, "workflows/weekly.yml", COLAB, "make test-colob", "no target"),
        (workflows.target_faults, "workflows/weekly.yml", COLAB, "make test-colab -k", "no target"),
    ],
)
def test_a_fault_is_found_out(copy, check, file, before, after, said):
    change(copy, file, before, after)
    found = list(check(copy))
    assert any(said in one for one in found), found


def test_what_github_would_not_understand_is_found_out(copy):
    broken = [
        ("workflows/weekly.yml", "    timeout-minutes: 60\n", "", "timeout-minutes"),
        ("workflows/test.yml", "runs-on:", "run-on:", "run-on"),
        ("dependabot.yml", "monthly", "sometimes", "sometimes"),
        ("ISSUE_TEMPLATE/formula.yml", "label: Chapter", "lable: Chapter", "lable"),
        ("ISSUE_TEMPLATE/config.yml", "true", "perhaps", "perhaps"),
        ("../CITATION.cff", "authors:", "writers:", "writers"),
    ]
    for file, before, after, _ in broken:
        change(copy, file, before, after)
    found = " ".join(workflows.schema_faults(copy))
    assert [said for *_, said in broken if said not in found] == []


def test_a_missing_file_is_found_out(copy):
    shutil.rmtree(copy / ".github" / "ISSUE_TEMPLATE")
    assert [one for one in workflows.schema_faults(copy) if "no file" in one] != []


def test_the_template_for_a_wrong_formula_asks_for_chapter_and_equation():
    text = (ROOT / ".github/ISSUE_TEMPLATE/formula.yml").read_text(encoding="utf8")
    for field in ("id: chapter", "id: equation"):
        assert text.split(field)[1].split("- type")[0].count("required: true") == 1
