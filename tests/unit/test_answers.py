import re

from receiver.answers import ANSWERS
from tests.stack import ROOT


def test_the_table_of_answers_is_that_of_the_code() -> None:
    rows = re.findall(
        r"^\| (\d{3}) \| ([^|]+) \|",
        (ROOT / "docs" / "reference" / "http-answers.md").read_text(),
        re.MULTILINE,
    )
    assert sorted(rows) == sorted((str(answer.status), answer.title) for answer in ANSWERS)
