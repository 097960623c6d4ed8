"""`make prose` counts patterns in docstrings and comments, and nothing else."""

import pytest

from tools.prose import ROOT, Prose, files, measure, report

SOURCE = '''\
"""What is stored of a device."""

def enqueue() -> None:
    """Tell whoever is on duty."""
    what_is = "what is in a string, told by nobody"  # said of a comment
    return what_is  # noqa: RET504 - what is it
'''


def test_docstrings_and_comments_are_counted_and_strings_and_names_are_not():
    assert measure(SOURCE) == Prose(words=15, patterns=(1, 2, 1))


def test_a_rate_is_per_thousand_words():
    assert Prose(words=500, patterns=(1, 0, 2)).rates == (2, 0, 4)


def test_a_file_without_prose_has_rates_of_zero():
    assert measure("x = 1\n").rates == (0, 0, 0)


def test_the_worst_file_stands_first_and_the_total_last():
    counts = {"good.py": Prose(100, (0, 0, 0)), "bad.py": Prose(100, (5, 0, 0)), "some.py": Prose(100, (0, 1, 1))}
    lines = report(counts).splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["bad.py", "some.py", "good.py", "total"]
    assert lines[-1].split()[1:] == ["300", "16.7", "3.3", "3.3"]


def test_a_folder_stands_for_its_python_files():
    assert ROOT / "tools" / "prose.py" in files(["tools"])
    assert files(["tools/prose.py"]) == [ROOT / "tools" / "prose.py"]


def test_hidden_folders_are_left_out():
    assert not [path for path in files([]) if ".venv" in path.parts]


def test_a_name_that_does_not_exist_is_an_error():
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        files(["nowhere"])
