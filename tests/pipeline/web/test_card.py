from html.parser import HTMLParser
from pathlib import Path

from llm_head.levels import level_of
from llm_head.timeline import Second
from pipeline.scoring import Failed
from pipeline.web.card import MOST_BARS, bars, card, head
from pipeline.web.desk import Upload


def seconds(*scores: float) -> list[Second]:
    return [Second(float(i), score, 12.0, level_of(score)) for i, score in enumerate(scores)]


def test_a_bar_per_second_and_one_is_the_worst() -> None:
    found = bars(seconds(70, 5, 95, 5))
    assert [bar.at_s for bar in found] == [0, 1, 2, 3]
    assert [bar.worst for bar in found] == [False, True, False, False]
    assert (found[1].low, found[1].high) == (0, 17)
    assert (found[2].low, found[2].high) == (83, 100)
    assert found[1].title == "0:01: 5.0 ± 12.0, bad"
    assert bars([]) == []


def test_a_bar_of_many_seconds_is_the_lowest_and_leads_there() -> None:
    scores = [80.0] * 3600
    scores[1234] = 12.0
    found = bars(seconds(*scores))
    assert len(found) <= MOST_BARS
    (worst,) = [bar for bar in found if bar.worst]
    assert (worst.at_s, worst.score) == (1234, 12)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)


def test_a_strangers_text_stays_text() -> None:
    evil = '<img src=x onerror="alert(1)">.mp4'
    text = card(Upload(Path(evil), Failed(evil, f"{evil}: not a video")))
    assert Tags(text).found == ["p", "b", "bdi"]
    assert Tags(head([evil])).found == ["h1", "p", "p"]
